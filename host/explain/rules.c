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
    {BP_ACTIVATION_LEAKY_RELU,
     {"max(z, 0.01 * z)", "1 if z > 0 else 0.01",
      "Above 0 the output is the net input, with slope 1; below, a hundredth of it, so that a unit "
      "still learns where relu would be dead."}},
    {BP_ACTIVATION_ELU,
     {"z if z > 0 else e^z - 1", "1 if z > 0 else a + 1",
      "Below 0 the derivative of `e^z - 1` is `e^z`, and that is `a + 1`. Both halves meet at 0 with "
      "the slope 1."}},
    {BP_ACTIVATION_SELU,
     {"1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * (e^z - 1))",
      "1.0507009873554805 if z > 0 else a + 1.7580993408473766",
      "A stretched elu, with numbers that keep the outputs of a layer at mean 0 and variance 1. Below "
      "0 its slope is `s * e^z`, with s the product of both numbers, and that is `a + s`."}},
    {BP_ACTIVATION_GELU,
     {"1/2 * z * (1 + erf(z / sqrt(2)))",
      "1/2 * (1 + erf(z / sqrt(2))) + z * e^(-1/2 * z^2) / sqrt(6.283185307179586)",
      "The net input times the share of the normal distribution below it. By the product rule: that "
      "share, plus z times the distribution's density at z. The output does not say on which side of "
      "its lowest point z lies, so the net input is kept."}},
    {BP_ACTIVATION_SILU,
     {"z / (1 + e^(-z))", "(1 + e^(-z) + z * e^(-z)) / (1 + e^(-z))^2",
      "The net input times its sigmoid s. By the product rule the slope is `s + z * s * (1 - s)`; "
      "written with `e^(-z)` that is the formula here. As for gelu, the net input is kept."}},
    {BP_ACTIVATION_SOFTPLUS,
     {"ln(1 + e^z)", "1 - e^(-a)",
      "The derivative of `ln(u)` is `1/u`, and that of `1 + e^z` is `e^z`: together `e^z / (1 + e^z)`, "
      "the sigmoid. Since `e^a = 1 + e^z`, that is `1 - e^(-a)`."}},
    {BP_ACTIVATION_SOFTSIGN,
     {"z / (1 + abs(z))", "(1 - abs(a))^2",
      "By the quotient rule the slope is `1 / (1 + abs(z))^2`, and `1 / (1 + abs(z))` is "
      "`1 - abs(a)`."}},
    {BP_ACTIVATION_SINE,
     {"sin(z)", "cos(z)",
      "The sine's derivative is the cosine. The output alone does not tell rising from falling, so "
      "the net input is kept."}},
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
    {BP_LOSS_MSE,
     {"1/n * (t - a)^2", "2/n * (a - t)",
      "By the power rule the square comes down as a factor of 2; by the chain rule the inner "
      "derivative of `t - a` is `-1`. The error is the mean over the n outputs."}},
    {BP_LOSS_MAE,
     {"1/n * abs(t - a)", "1/n * (1 if a > t else -1)",
      "The distance grows as fast as the output moves away, whatever the distance. At 0 there is a "
      "corner, and 0 is taken."}},
    {BP_LOSS_HUBER,
     {"1/n * (1/2 * (t - a)^2 if abs(t - a) < p else p * (abs(t - a) - 1/2 * p))",
      "1/n * (a - t if abs(t - a) < p else (p if a > t else -p))",
      "Half the square while the distance is below p, beyond it a straight line that continues it: no "
      "single sample pulls harder than p."}},
    {BP_LOSS_QUANTILE,
     {"1/n * (p * (t - a) if t > a else (1 - p) * (a - t))", "1/n * (1 - p if a > t else -p)",
      "Two straight lines: an output that is too low costs p for each unit, one that is too high "
      "`1 - p`. They are in balance where a share p of the targets lies below the output."}},
    {BP_LOSS_BCE,
     {"-t * ln(a) - (1 - t) * ln(1 - a)", "(a - t) / (a * (1 - a))",
      "The derivatives of the logarithms are `1/a` and `-1/(1 - a)`: `-t/a + (1 - t)/(1 - a)`, over "
      "one denominator the formula here. The sigmoid's slope `a * (1 - a)` takes that away again: "
      "the delta is `a - t`, and it is computed from the net input."}},
};

static const rule_row norm_rules[] = {
    {BP_NORM_LAYER,
     {"(z - m) / (v + 0.00001) ^ 0.5", "1 / (v + 0.00001) ^ 0.5",
      "The net inputs of the layer are shifted to the mean 0 and stretched to the variance 1; gain and "
      "shift, which are learned, then give them the place and the size that serve best. Each net input "
      "has a part in the mean and in the variance, and so acts on all units of the layer: through its "
      "own x̂, through the mean, which takes from all what it adds to all alike, and through the "
      "variance, which takes what it adds along x̂. What comes out adds up to 0 over the layer."}},
    {BP_NORM_BATCH,
     {"(z - m) / (v + 0.00001) ^ 0.5", "1 / (v + 0.00001) ^ 0.5",
      "In a training step mean and variance are those of the unit over the batch. One sample is no "
      "batch: here, as in predictions, those stand that the training has found, and they are constants. "
      "So the net input acts through its own x̂ alone; over a batch the ways through its mean and its "
      "variance come to it, as in layer normalisation those through the layer's."}},
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

const bp_rule *bp_norm_rule(int32_t norm)
{
    return find(norm_rules, sizeof norm_rules / sizeof *norm_rules, norm);
}

const bp_rule *bp_loss_rule(int32_t loss)
{
    return find(loss_rules, sizeof loss_rules / sizeof *loss_rules, loss);
}
