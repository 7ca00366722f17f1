/* test_explain.c - the glass box: that what is explained is what training computes, that the
 * factors multiply to the gradients, that the words about a function are true. */
#include "backprop_explain.h"
#include "formula.h"
#include "network_support.h"

#define SAME(got, want, tolerance, ...)                                                            \
    do {                                                                                           \
        const double got_ = (got), want_ = (want);                                                 \
        cr_assert(fabs(got_ - want_) <= (tolerance)*fmax(1, fabs(want_)),                          \
                  #got " is %.15g, not %.15g: " __VA_ARGS__, got_, want_);                         \
    } while (0)

static bp_explain *explain_of(const bp_model *model, double rate, bool frozen)
{
    bp_explain_options options = bp_explain_options_default();
    options.learning_rate = rate;
    options.freeze_bias = frozen;
    bp_explain *glass;
    OK(bp_explain_create(&glass, model, &options));
    return glass;
}

Test(explain, worked_numbers)
{
    const size_t widths[] = {1, 1};
    bp_model *model = model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 0, 1);
    bp_model_weights(model, 0)[0] = 0.5f;
    bp_explain *glass = explain_of(model, 1, false);
    const double x = 1, t = 0;
    OK(bp_explain_sample(glass, &x, &t));
    OK(bp_explain_look(glass));
    const bp_explained seen = bp_explain_get(glass);
    const bp_explained_layer layer = bp_explain_layer(glass, 0);
    SAME(seen.output[0], 0.622459331, 1e-9, "a");
    SAME(layer.effect[0], 0.622459331, 1e-9, "dE/da");
    SAME(layer.slope[0], 0.235003712, 1e-9, "da/dnet");
    SAME(layer.input[0], 1, 0, "dnet/dw");
    SAME(layer.weight_gradients[0], 0.146280254, 1e-9, "dE/dw");
    SAME(layer.weight_numerical[0], 0.146280254, 1e-9, "central difference");
    SAME(layer.weights_after[0], 0.353719746, 1e-9, "w'");
    cr_assert_eq(bp_explain_weights(glass, 0)[0], 0.5, "looking changes nothing");
    double error;
    OK(bp_explain_steps(glass, 1, &error));
    SAME(error, seen.error, 0, "before the step");
    SAME(bp_explain_weights(glass, 0)[0], layer.weights_after[0], 0, "the step that was foreseen");
    OK(bp_explain_look(glass));
    SAME(bp_explain_get(glass).output[0], 0.587519316, 1e-9, "after the step");
    SAME(bp_explain_get(glass).error, seen.error_after, 0, "after the step");
    bp_explain_weights(glass, 0)[0] = 0.35;
    OK(bp_explain_look(glass));
    SAME(bp_explain_get(glass).output[0], 0.586617579, 1e-9, "w = 0.35");
    bp_explain_free(glass);
    bp_model_free(model);
}

/* ---- Every function ----------------------------------------------------------------------------
 */

static void check_unit(bp_explain *glass, size_t l, size_t k, const char *names)
{
    const bp_explained seen = bp_explain_get(glass);
    const bp_explained_layer y = bp_explain_layer(glass, l);
    const double delta = y.effect[k] * y.slope[k] + y.coupled[k];
    SAME(y.delta[k], delta, 1e-14, "%s: delta of unit %zu of layer %zu", names, k, l);
    if (l + 1 < seen.layers) {
        const bp_explained_layer next = bp_explain_layer(glass, l + 1);
        double paths = 0;
        for (size_t n = 0; n < next.outputs; ++n)
            paths += next.delta[n] * next.weights[n * next.inputs + k];
        SAME(y.effect[k], paths, 1e-14, "%s: the sum over paths", names);
        cr_assert_eq(y.coupled[k], 0);
    }
    double net = y.biases ? y.biases[k] : 0;
    for (size_t i = 0; i < y.inputs; ++i) {
        const size_t at = k * y.inputs + i;
        net += y.weights[at] * y.input[i];
        SAME(y.weight_gradients[at], delta * y.input[i], 1e-14, "%s: product of factors", names);
        SAME(y.weight_numerical[at], y.weight_gradients[at], 1e-8, "%s: w %zu of layer %zu", names,
             at, l);
        SAME(y.weights_after[at], y.weights[at] - 0.25 * y.weight_gradients[at], 1e-15, "%s",
             names);
    }
    SAME(y.net[k], net, 1e-14, "%s: net", names);
    if (!y.biases) return;
    SAME(y.bias_gradients[k], delta, 1e-14, "%s: dnet/db is 1", names);
    SAME(y.bias_numerical[k], delta, 1e-8, "%s: bias", names);
    SAME(y.biases_after[k], y.biases[k] - 0.25 * delta, 1e-15, "%s", names);
}

/* A network of these functions, if there is one: a copy of its explanation is checked. */
static bool check_functions(int32_t hidden, int32_t output, int32_t loss, int32_t bias)
{
    const bp_layer layers[] = {{3, 5, hidden, bias}, {5, 4, hidden, bias}, {4, 2, output, bias}};
    bp_model_options options = bp_model_options_default();
    options.loss = loss;
    bp_model *model;
    if (bp_model_create_layers(&model, layers, 3, &options) != BP_OK) return false;
    char names[128];
    snprintf(names, sizeof names, "%s, %s, %s, bias %d", bp_activation_name(hidden),
             bp_activation_name(output), bp_loss_name(loss), bias);
    bp_explain *glass = explain_of(model, 0.25, false);
    const double x[] = {0.7, -0.3, 0.45}, t[] = {0.2, 0.8};
    for (size_t l = 0; bias && l < 3; ++l)
        for (size_t k = 0; k < layers[l].outputs; ++k)
            bp_explain_biases(glass, l)[k] = 0.1 * (double)(k + 1);
    OK(bp_explain_sample(glass, x, t));
    OK(bp_explain_look(glass));
    const bp_explained seen = bp_explain_get(glass);
    cr_assert_eq(seen.numerical, seen.parameters);
    double largest = 0;
    for (size_t l = 0; l < 3; ++l)
        for (size_t k = 0; k < layers[l].outputs; ++k) {
            check_unit(glass, l, k, names);
            largest = fmax(largest, fabs(bp_explain_layer(glass, l).delta[k]));
        }
    cr_assert_gt(largest, 0, "%s: all deltas are 0, which proves nothing", names);
    bp_explain_free(glass);
    bp_model_free(model);
    return true;
}

Test(explain, factors_of_every_function)
{
    size_t checked = 0;
    for (int32_t hidden = 0; bp_activation_name(hidden); ++hidden)
        for (int32_t output = 0; bp_activation_name(output); ++output)
            for (int32_t loss = 0; bp_loss_name(loss); ++loss)
                for (int32_t bias = 0; bias < 2; ++bias)
                    checked += check_functions(hidden, output, loss, bias);
    cr_assert_geq(checked, 40);
}

/* ---- The numbers of training -------------------------------------------------------------------
 */

/* The gradients of the reference's trainer for the same sample, and its parameters 50 steps later.
 */
Test(explain, shows_what_the_reference_trains)
{
    const size_t widths[] = {4, 5, 3};
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    for (int32_t frozen = 0; frozen < 2; ++frozen) {
        bp_model *model = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 9);
        bp_train_options how = bp_train_options_default();
        how.optimizer = BP_OPTIMIZER_SGD;
        how.learning_rate = 0.25f;
        how.batch = 1;
        how.freeze_bias = frozen;
        bp_trainer *trainer;
        OK(bp_trainer_create(&trainer, model, reference, &how));
        bp_explain *glass = explain_of(model, 0.25, frozen);
        const double x[] = {0.5, -1, 0.25, 2}, t[] = {0, 1, 0};
        const float xf[] = {0.5f, -1, 0.25f, 2};
        const int32_t label = 1;
        OK(bp_explain_sample(glass, x, t));
        OK(bp_explain_look(glass));
        for (int step = 0; step < 50; ++step)
            OK(bp_trainer_step(trainer, xf, NULL, &label, 1, NULL));
        float gradients[20];
        OK(bp_explain_steps(glass, 49, NULL));
        OK(bp_explain_look(glass));
        OK(bp_trainer_get_gradients(trainer, 0, gradients, NULL));
        for (size_t i = 0; i < 20; ++i)
            cr_assert_eq(gradients[i], (float)bp_explain_layer(glass, 0).weight_gradients[i]);
        OK(bp_explain_steps(glass, 1, NULL));
        OK(bp_trainer_get_model(trainer, model));
        for (size_t l = 0; l < 2; ++l) {
            for (size_t i = 0; i < widths[l] * widths[l + 1]; ++i)
                cr_assert_eq(bp_model_weights(model, l)[i], (float)bp_explain_weights(glass, l)[i]);
            for (size_t k = 0; k < widths[l + 1]; ++k) {
                const float start = 0.1f * (float)((int)k % 5 - 2) + 0.03f;
                cr_assert_eq(bp_model_biases(model, l)[k], (float)bp_explain_biases(glass, l)[k]);
                cr_assert_eq(bp_model_biases(model, l)[k] == start, frozen == 1);
            }
        }
        bp_explain_free(glass);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    bp_device_free(reference);
}

/* A 2-2-2 network written out by hand, biases present and frozen; one of its steps. */
typedef struct hand_network {
    double v[4], w[4]; /* hidden and output weights, a row for each unit */
} hand_network;

static double hand_step(hand_network *n, const double *x, const double *t, const double *b,
                        double rate)
{
    double h[2], o[2], delta_o[2], delta_h[2], error = 0;
    for (int j = 0; j < 2; ++j)
        h[j] = 1 / (1 + exp(-(n->v[2 * j] * x[0] + n->v[2 * j + 1] * x[1] + b[0])));
    for (int k = 0; k < 2; ++k) {
        o[k] = 1 / (1 + exp(-(n->w[2 * k] * h[0] + n->w[2 * k + 1] * h[1] + b[1])));
        error += 0.5 * (t[k] - o[k]) * (t[k] - o[k]);
        delta_o[k] = (o[k] - t[k]) * o[k] * (1 - o[k]);
    }
    for (int j = 0; j < 2; ++j)
        delta_h[j] = (delta_o[0] * n->w[j] + delta_o[1] * n->w[2 + j]) * h[j] * (1 - h[j]);
    for (int k = 0; k < 2; ++k)
        for (int j = 0; j < 2; ++j) {
            n->w[2 * k + j] -= rate * delta_o[k] * h[j];
            n->v[2 * k + j] -= rate * delta_h[k] * x[j];
        }
    return error;
}

Test(explain, frozen_biases_over_ten_thousand_steps)
{
    enum { STEPS = 10000 };
    const size_t widths[] = {2, 2, 2};
    const double x[] = {.05, .1}, t[] = {.01, .99}, b[] = {.35, .6};
    hand_network hand = {{.15, .2, .25, .3}, {.4, .45, .5, .55}};
    bp_model *model = model_of(widths, 2, BP_ACTIVATION_SIGMOID, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 1, 1);
    bp_explain *glass = explain_of(model, 0.5, true);
    memcpy(bp_explain_weights(glass, 0), hand.v, sizeof hand.v);
    memcpy(bp_explain_weights(glass, 1), hand.w, sizeof hand.w);
    for (size_t l = 0; l < 2; ++l)
        for (size_t k = 0; k < 2; ++k) bp_explain_biases(glass, l)[k] = b[l];
    OK(bp_explain_sample(glass, x, t));
    OK(bp_explain_look(glass));
    SAME(bp_explain_get(glass).error, 0.298371109, 1e-9, "before the first step");
    SAME(bp_explain_get(glass).error_after, 0.291027774, 1e-9, "after it");
    const bp_explained_layer first = bp_explain_layer(glass, 0);
    cr_assert_eq(first.frozen, 1);
    cr_assert_neq(first.bias_gradients[0], 0, "a frozen bias has a gradient");
    SAME(first.bias_numerical[0], first.bias_gradients[0], 1e-9, "and it is right");
    cr_assert_eq(first.biases_after[0], first.biases[0]);
    static double errors[STEPS];
    OK(bp_explain_steps(glass, STEPS, errors));
    for (int s = 0; s < STEPS; ++s) {
        const double error = hand_step(&hand, x, t, b, 0.5);
        cr_assert(fabs(errors[s] - error) <= 1e-9 * error, "step %d: %.15g, by hand %.15g", s,
                  errors[s], error);
    }
    for (size_t l = 0; l < 2; ++l) {
        for (size_t k = 0; k < 2; ++k) cr_assert_eq(bp_explain_biases(glass, l)[k], b[l]);
        for (size_t i = 0; i < 4; ++i)
            SAME(bp_explain_weights(glass, l)[i], (l ? hand.w : hand.v)[i], 1e-9, "in the end");
    }
    bp_explain_free(glass);
    bp_model_free(model);
}

/* ---- Words -------------------------------------------------------------------------------------
 */

/* Formulas among the words are formulas: both sides of an equation can be evaluated. */
static void check_words(const char *name, const char *why)
{
    cr_assert_gt(strlen(why), 40, "%s", name);
    bool inside = false;
    for (const char *c = why; *c; inside = !inside) {
        size_t length = strcspn(c, "`");
        cr_assert(inside || !memchr(c, '^', length), "%s: a formula without backquotes: %.*s", name,
                  (int)length, c);
        for (const char *side = c; inside && side < c + length;) {
            char text[128];
            const size_t part = strcspn(side, "=`");
            snprintf(text, sizeof text, "%.*s", (int)part, side);
            formula f = formula_of(text);
            for (int i = 0; i < 26; ++i)
                if (isnan(f.values[i])) f.values[i] = 0.5;
            cr_assert(isfinite(formula_value(&f)), "%s: %s", name, text);
            side += part + 1;
        }
        c += length;
        if (*c == '`') ++c;
        cr_assert(*c || !inside, "%s: a backquote without its other", name);
    }
}

Test(explain, every_function_has_a_rule_that_is_true)
{
    for (int32_t code = 0; bp_activation_name(code); ++code) {
        const bp_rule *rule = bp_activation_rule(code);
        cr_assert_not_null(rule, "activation %s has no row in host/explain/rules.c",
                           bp_activation_name(code));
        check_words(bp_activation_name(code), rule->why);
        for (double z = -4; z <= 4; z += 0.37) {
            /* Among three net inputs, of which softmax takes the sum. */
            const bp_layer layer = {3, 3, code, 0};
            bp_model *model;
            OK(bp_model_create_layers(&model, &layer, 1, NULL));
            bp_explain *glass = explain_of(model, 0, false);
            const double x[] = {z, 0.5, -1}, t[] = {0, 1, 0};
            for (size_t i = 0; i < 9; ++i) bp_explain_weights(glass, 0)[i] = i % 4 == 0;
            OK(bp_explain_sample(glass, x, t));
            OK(bp_explain_look(glass));
            const bp_explained_layer seen = bp_explain_layer(glass, 0);
            formula f = formula_of(rule->formula), d = formula_of(rule->derivative);
            f.values['z' - 'a'] = d.values['z' - 'a'] = z;
            f.values['s' - 'a'] = exp(z) + exp(0.5) + exp(-1);
            d.values['a' - 'a'] = seen.activation[0];
            SAME(formula_value(&f), seen.activation[0], 1e-12, "%s(%g)", bp_activation_name(code),
                 z);
            SAME(formula_value(&d), seen.slope[0], 1e-12, "%s'(%g)", bp_activation_name(code), z);
            bp_explain_free(glass);
            bp_model_free(model);
        }
    }
}

Test(explain, every_loss_has_a_rule_that_is_true)
{
    for (int32_t loss = 0; bp_loss_name(loss); ++loss) {
        const bp_rule *rule = bp_loss_rule(loss);
        cr_assert_not_null(rule, "loss %s has no row in host/explain/rules.c", bp_loss_name(loss));
        check_words(bp_loss_name(loss), rule->why);
        size_t checked = 0;
        for (int32_t output = 0; bp_activation_name(output); ++output) {
            const bp_layer layer = {3, 3, output, 0};
            bp_model_options options = bp_model_options_default();
            options.loss = loss;
            bp_model *model;
            if (bp_model_create_layers(&model, &layer, 1, &options) != BP_OK) continue;
            bp_explain *glass = explain_of(model, 0, false);
            const double x[] = {0.3, 0.8, 0.45}, t[] = {0.2, 0.7, 0.1};
            for (size_t i = 0; i < 9; ++i) bp_explain_weights(glass, 0)[i] = i % 4 == 0;
            OK(bp_explain_sample(glass, x, t));
            OK(bp_explain_look(glass));
            const bp_explained seen = bp_explain_get(glass);
            double sum = 0;
            for (size_t k = 0; k < 3; ++k) {
                formula f = formula_of(rule->formula), d = formula_of(rule->derivative);
                f.values['a' - 'a'] = d.values['a' - 'a'] = seen.output[k];
                f.values['t' - 'a'] = d.values['t' - 'a'] = t[k];
                f.values['n' - 'a'] = d.values['n' - 'a'] = 3;
                f.values['p' - 'a'] = d.values['p' - 'a'] = seen.loss_parameter;
                sum += formula_value(&f);
                SAME(formula_value(&d), bp_explain_layer(glass, 0).effect[k], 1e-12, "%s with %s",
                     bp_loss_name(loss), bp_activation_name(output));
            }
            SAME(sum, seen.error, 1e-12, "%s with %s", bp_loss_name(loss),
                 bp_activation_name(output));
            ++checked;
            bp_explain_free(glass);
            bp_model_free(model);
        }
        cr_assert_gt(checked, 0, "%s goes with no activation", bp_loss_name(loss));
    }
}

/* The check of the check: a formula that is wrong is told from one that is right. */
Test(explain, formulas_are_evaluated)
{
    const struct {
        const char *text;
        double value;
    } table[] = {{"1 / (1 + e^(-z))", 1 / (1 + exp(-2))},
                 {"-t^2", -0.25},
                 {"2 - 3 - 4 * 2", -9},
                 {"max(0, z) - min(z, 1) * abs(-t)", 1.5},
                 {"1 if z > 3 else 7 if z > 1 else 9", 7},
                 {"e^z^2", exp(4)}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        formula f = formula_of(table[i].text);
        f.values['z' - 'a'] = 2;
        f.values['t' - 'a'] = 0.5;
        SAME(formula_value(&f), table[i].value, 1e-15, "%s", table[i].text);
    }
}

/* ---- Bounds and mistakes -----------------------------------------------------------------------
 */

Test(explain, central_differences_within_the_work_allowed)
{
    const size_t widths[] = {30, 20, 10};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 4);
    bp_explain_options options = bp_explain_options_default();
    size_t before = SIZE_MAX;
    for (double work = 1e9; work >= 1; work /= 50) {
        options.numerical_work = work;
        bp_explain *glass;
        OK(bp_explain_create(&glass, model, &options));
        OK(bp_explain_look(glass));
        const bp_explained seen = bp_explain_get(glass);
        size_t there = 0;
        for (size_t l = 0; l < 2; ++l) {
            const bp_explained_layer y = bp_explain_layer(glass, l);
            size_t of_layer = 0;
            for (size_t i = 0; i < y.inputs * y.outputs; ++i) {
                if (isnan(y.weight_numerical[i])) continue;
                SAME(y.weight_numerical[i], y.weight_gradients[i], 1e-8, "weight %zu", i);
                ++of_layer;
            }
            for (size_t i = 0; i < y.outputs; ++i) of_layer += isnan(y.bias_numerical[i]) ? 0 : 1;
            cr_assert_gt(of_layer, 0, "a layer without any central difference at %g", work);
            there += of_layer;
        }
        cr_assert_eq(there, seen.numerical);
        cr_assert(work < 1e9 || there == seen.parameters);
        cr_assert_leq(there, before);
        before = there;
        bp_explain_free(glass);
    }
    cr_assert_lt(before, 10);
    options.numerical_work = 0;
    bp_explain *glass;
    OK(bp_explain_create(&glass, model, &options));
    OK(bp_explain_look(glass));
    cr_assert_eq(bp_explain_get(glass).numerical, 0);
    bp_explain_free(glass);
    bp_model_free(model);
}

Test(explain, mistakes_are_named)
{
    const size_t widths[] = {2, 2};
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 0, 1);
    bp_explain *glass = (bp_explain *)&glass;
    bp_explain_options options = bp_explain_options_default();
    options.learning_rate = NAN;
    cr_assert_eq(bp_explain_create(&glass, model, &options), BP_ERROR_ARGUMENT);
    cr_assert_null(glass);
    cr_assert_eq(bp_explain_create(&glass, NULL, NULL), BP_ERROR_ARGUMENT);
    options = bp_explain_options_default();
    options.freeze_bias = 2;
    cr_assert_eq(bp_explain_create(&glass, model, &options), BP_ERROR_ARGUMENT);
    OK(bp_explain_create(&glass, model, NULL));
    cr_assert_eq(bp_explain_layer(glass, 0).outputs, 0, "nothing has been looked at");
    const double x[] = {1, INFINITY}, t[] = {0, 0};
    cr_assert_eq(bp_explain_sample(glass, x, t), BP_ERROR_DATA);
    cr_assert(strstr(bp_last_error(), "input 2"), "%s", bp_last_error());
    cr_assert_null(bp_explain_weights(glass, 1));
    cr_assert_null(bp_explain_biases(glass, 0));
    bp_explain_weights(glass, 0)[0] = 1e200;
    const double big[] = {1e200, 1};
    OK(bp_explain_sample(glass, big, t));
    cr_assert_eq(bp_explain_steps(glass, 3, NULL), BP_ERROR_DIVERGED);
    cr_assert(strstr(bp_last_error(), "before step 1"), "%s", bp_last_error());
    bp_explain_free(glass);
    bp_explain_free(NULL);
    bp_model_free(model);
}
