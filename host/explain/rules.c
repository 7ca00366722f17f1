/* rules.c - how each function's derivative comes about, in words and as formulas: a row for each
 * activation and for each loss. The numbers come from the reference; a test evaluates these
 * formulas and compares. */
#include <stddef.h>

#include "backprop_explain.h"

typedef struct rule_row {
    int32_t code;
    bp_rule rule;
} rule_row;

/* clang-format off */
static const rule_row activation_rules[] = {
    {BP_ACTIVATION_LINEAR,
     {"z", "1",
      "The output is the net input itself: when one moves, the other moves as much."}},
    {BP_ACTIVATION_SIGMOID,
     {"1 / (1 + e^(-z))", "a * (1 - a)",
      "By the chain rule the slope of `1/u` is `-1/u^2` times that of u, here `u = 1 + e^(-z)` with "
      "the slope `-e^(-z)`: together `e^(-z)/u^2`. Since `1/u = a` and `e^(-z)/u = 1 - a`, that is "
      "`a * (1 - a)`: the output is all that is needed."}},
    {BP_ACTIVATION_TANH,
     {"(e^z - e^(-z)) / (e^z + e^(-z))", "1 - a^2",
      "Numerator p and denominator q are each other's derivatives. By the quotient rule the slope "
      "is `(q * q - p * p)/q^2 = 1 - a^2`: the output is all that is needed."}},
    {BP_ACTIVATION_RELU,
     {"max(0, z)", "1 if z > 0 else 0",
      "Above 0 the output is the net input, with slope 1; below, it is 0 whatever the net input "
      "does. At 0 itself there is a corner, and 0 is taken."}},
    {BP_ACTIVATION_SOFTMAX,
     {"e^z / s", "a * (1 - a)",
      "Here s is the sum of `e^z` over all outputs. By the quotient rule a unit's own net input "
      "moves it by `a * (1 - a)`. Through the sum it moves every other output `b` as well, by "
      "`-a * b`: the shares add up to 1."}},
};

static const rule_row loss_rules[] = {
    {BP_LOSS_HALF_SQUARED,
     {"1/2 * (t - a)^2", "a - t",
      "By the power rule the square comes down as a factor of 2, which the `1/2` takes away; by the "
      "chain rule the inner derivative of `t - a` is `-1`: `-(t - a) = a - t`. The terms of the "
      "other outputs do not contain this `a`: their derivatives are 0."}},
    {BP_LOSS_CROSS_ENTROPY,
     {"-t * ln(a)", "-t / a",
      "The derivative of `ln(a)` is `1/a`. An output whose target is 0 does not appear in the error "
      "itself. With softmax all paths together come to the delta `a - t`, where the targets sum to "
      "1."}},
};
/* clang-format on */

static const bp_rule *find(const rule_row *rows, size_t count, int32_t code)
{
    for (size_t i = 0; i < count; ++i)
        if (rows[i].code == code) return &rows[i].rule;
    return NULL;
}

const bp_rule *bp_activation_rule(int32_t activation)
{
    return find(activation_rules, sizeof activation_rules / sizeof *activation_rules, activation);
}

const bp_rule *bp_loss_rule(int32_t loss)
{
    return find(loss_rules, sizeof loss_rules / sizeof *loss_rules, loss);
}
