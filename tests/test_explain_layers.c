/* test_explain_layers.c - norms and residual connections under glass: every factor by its formula,
 * against central differences and the reference's training; surveys and watched trainings of them.
 */
#include "backprop_explain.h"
#include "formula.h"
#include "model/model.h"
#include "network_support.h"

TestSuite(explain_layers, .timeout = 120);

#define SAME(got, want, tolerance, ...)                                                            \
    do {                                                                                           \
        const double got_ = (got), want_ = (want);                                                 \
        cr_assert(fabs(got_ - want_) <= (tolerance)*fmax(1, fabs(want_)),                          \
                  #got " is %.15g, not %.15g: " __VA_ARGS__, got_, want_);                         \
    } while (0)

static const struct {
    const char *name, *hidden;
} kinds[] = {
    {"residual", "6:%s,6:%s:residual"},
    {"residual from the inputs on", "4:%s:residual,4:%s:residual,5:%s"},
    {"layernorm", "6:%s:layernorm,5:%s:layernorm"},
    {"batchnorm", "6:%s:batchnorm,5:%s:batchnorm"},
    {"all", "4:%s:layernorm:residual,5:%s,5:%s:batchnorm:residual,5:%s:layernorm:residual"},
};

enum { INPUTS = 4, OUTPUTS = 3, MOST = 6 };

/* No parameter and nothing that batches have shown is what it starts with. */
static bp_model *model_with(const char *hidden, int32_t activation, int32_t bias)
{
    char text[256];
    const char *f = bp_activation_name(activation);
    snprintf(text, sizeof text, hidden, f, f, f, f);
    bp_data *data = data_of(12, INPUTS, OUTPUTS, true);
    bp_model_options options = bp_model_options_default();
    options.hidden = text;
    options.bias = bias;
    options.seed = 7;
    bp_model *model;
    OK(bp_model_create(&model, data, &options));
    bp_data_free(data);
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l)
        for (size_t k = 0; k < bp_model_get_layer(model, l).outputs; ++k) {
            if (bias) bp_model_biases(model, l)[k] = 0.1f * (float)((int)k % 5 - 2) + 0.03f;
            if (!bp_model_gains(model, l)) continue;
            bp_model_gains(model, l)[k] = 0.7f + 0.2f * (float)k;
            bp_model_shifts(model, l)[k] = 0.3f - 0.11f * (float)k;
            if (!bp_model_means(model, l)) continue;
            bp_model_means(model, l)[k] = 0.05f * (float)k - 0.1f;
            bp_model_variances(model, l)[k] = 0.4f + 0.3f * (float)k;
        }
    return model;
}

static const double sample[INPUTS] = {0.7, -0.3, 0.45, -0.9}, target[OUTPUTS] = {0, 1, 0};

static bp_explain *looked_at(const bp_model *model, double work)
{
    bp_explain_options options = bp_explain_options_default();
    bp_explain *glass;
    options.learning_rate = 0.25;
    options.numerical_work = work;
    OK(bp_explain_create(&glass, model, &options));
    OK(bp_explain_sample(glass, sample, target));
    OK(bp_explain_look(glass));
    return glass;
}

/* ---- Every factor ------------------------------------------------------------------------------
 */

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += values[i];
    return sum / (double)count;
}

/* The norm of a layer, from its net inputs, its parameters and dE/dy alone. */
static void check_norm(const bp_explained_layer *y, const bp_model *model, size_t l,
                       const char *name)
{
    bp_model *from = (bp_model *)(uintptr_t)model;
    double squares[MOST], d[MOST], products[MOST];
    const double mean = mean_of(y->net, y->outputs);
    const bool batch = y->norm == BP_NORM_BATCH;
    for (size_t k = 0; k < y->outputs; ++k) squares[k] = (y->net[k] - mean) * (y->net[k] - mean);
    for (size_t k = 0; k < y->outputs; ++k) {
        SAME(y->mean[k], batch ? (double)bp_model_means(from, l)[k] : mean, 1e-14, "%s", name);
        SAME(y->variance[k],
             batch ? (double)bp_model_variances(from, l)[k] : mean_of(squares, y->outputs), 1e-12,
             "%s", name);
        const double scale = 1 / sqrt(y->variance[k] + (double)1e-5f);
        SAME(y->normalised[k], (y->net[k] - y->mean[k]) * scale, 1e-11, "%s", name);
        SAME(y->shifted[k], y->gains[k] * y->normalised[k] + y->shifts[k], 1e-12, "%s", name);
        SAME(y->shifted_delta[k], y->effect[k] * y->slope[k], 1e-14, "%s", name);
        d[k] = y->gains[k] * y->shifted_delta[k];
        products[k] = d[k] * y->normalised[k];
    }
    double through = 0;
    for (size_t k = 0; k < y->outputs; ++k) {
        const double scale = 1 / sqrt(y->variance[k] + (double)1e-5f);
        SAME(y->own[k], scale * d[k], 1e-11, "%s", name);
        SAME(y->through_mean[k], batch ? 0 : -scale * mean_of(d, y->outputs), 1e-11, "%s", name);
        SAME(y->through_variance[k],
             batch ? 0 : -scale * y->normalised[k] * mean_of(products, y->outputs), 1e-11, "%s",
             name);
        SAME(y->delta[k], y->own[k] + y->through_mean[k] + y->through_variance[k], 1e-12, "%s",
             name);
        through += fabs(y->through_mean[k]) + fabs(y->through_variance[k]);
        SAME(y->gain_gradients[k], y->shifted_delta[k] * y->normalised[k], 1e-13, "%s", name);
        SAME(y->shift_gradients[k], y->shifted_delta[k], 1e-14, "%s", name);
        SAME(y->gain_numerical[k], y->gain_gradients[k], 1e-8, "%s: gain", name);
        SAME(y->shift_numerical[k], y->shift_gradients[k], 1e-8, "%s: shift", name);
        SAME(y->gains_after[k], y->gains[k] - 0.25 * y->gain_gradients[k], 1e-15, "%s", name);
        SAME(y->shifts_after[k], y->shifts[k] - 0.25 * y->shift_gradients[k], 1e-15, "%s", name);
    }
    cr_assert(batch || through > 1e-6, "%s: terms of 0 prove nothing", name);
}

static void check_layer(bp_explain *glass, const bp_model *model, size_t l, const char *name)
{
    const bp_explained seen = bp_explain_get(glass);
    const bp_explained_layer y = bp_explain_layer(glass, l);
    const bp_layer about = bp_model_get_layer(model, l);
    cr_assert(y.norm == about.norm && y.residual == about.residual);
    cr_assert_eq(y.mean != NULL, y.norm != BP_NORM_NONE);
    if (y.norm != BP_NORM_NONE) check_norm(&y, model, l, name);
    for (size_t k = 0; k < y.outputs; ++k) {
        double net = y.biases ? y.biases[k] : 0;
        SAME(y.output[k], y.activation[k] + (y.residual ? y.input[k] : 0), 1e-14, "%s", name);
        if (y.norm == BP_NORM_NONE)
            SAME(y.delta[k], y.effect[k] * y.slope[k] + y.coupled[k], 1e-14, "%s", name);
        for (size_t i = 0; i < y.inputs; ++i) {
            const size_t at = k * y.inputs + i;
            net += y.weights[at] * y.input[i];
            SAME(y.weight_gradients[at], y.delta[k] * y.input[i], 1e-13, "%s", name);
            SAME(y.weight_numerical[at], y.weight_gradients[at], 1e-8,
                 "%s: weight %zu of layer %zu", name, at, l);
            SAME(y.weights_after[at], y.weights[at] - 0.25 * y.weight_gradients[at], 1e-15, "%s",
                 name);
        }
        SAME(y.net[k], net, 1e-13, "%s: net", name);
        if (y.biases) SAME(y.bias_numerical[k], y.delta[k], 1e-8, "%s: bias", name);
        if (l + 1 == seen.layers) continue;
        const bp_explained_layer next = bp_explain_layer(glass, l + 1);
        double paths = next.residual ? next.effect[k] : 0;
        cr_assert_eq(y.past != NULL, next.residual);
        if (y.past) SAME(y.past[k], next.effect[k], 0, "%s", name);
        for (size_t n = 0; n < next.outputs; ++n)
            paths += next.delta[n] * next.weights[n * next.inputs + k];
        SAME(y.effect[k], paths, 1e-13, "%s: both ways", name);
        SAME(next.input[k], y.output[k], 0, "%s", name);
    }
}

Test(explain_layers, factors)
{
    for (size_t i = 0; i < BP_COUNT(kinds); ++i)
        for (int32_t f = 0; bp_activation_name(f); ++f)
            for (int32_t bias = 0; bias < 2 && f != BP_ACTIVATION_SOFTMAX; ++bias) {
                char name[128];
                snprintf(name, sizeof name, "%s, %s, bias %d", kinds[i].name, bp_activation_name(f),
                         (int)bias);
                bp_model *model = model_with(kinds[i].hidden, f, bias);
                bp_explain *glass = looked_at(model, 1e9);
                const bp_explained seen = bp_explain_get(glass);
                cr_assert_eq(seen.numerical, seen.parameters);
                for (size_t l = 0; l < seen.layers; ++l) check_layer(glass, model, l, name);
                bp_explain_free(glass);
                bp_model_free(model);
            }
}

/* The formulas of a norm give its numbers. */
Test(explain_layers, rules)
{
    cr_assert_null(bp_norm_rule(BP_NORM_NONE));
    for (int32_t norm = BP_NORM_NONE + 1; bp_norm_name(norm); ++norm) {
        const bp_rule *rule = bp_norm_rule(norm);
        bp_model *model =
            model_with(kinds[norm == BP_NORM_LAYER ? 2 : 3].hidden, BP_ACTIVATION_TANH, 1);
        bp_explain *glass = looked_at(model, 0);
        const bp_explained_layer y = bp_explain_layer(glass, 0);
        cr_assert_eq(y.norm, norm);
        cr_assert_gt(strlen(rule->why), 40);
        for (size_t k = 0; k < y.outputs; ++k) {
            formula f = formula_of(rule->formula), d = formula_of(rule->derivative);
            f.values['z' - 'a'] = y.net[k];
            f.values['m' - 'a'] = y.mean[k];
            f.values['v' - 'a'] = d.values['v' - 'a'] = y.variance[k];
            SAME(formula_value(&f), y.normalised[k], 1e-9, "%s", rule->formula);
            SAME(formula_value(&d) * y.gains[k] * y.shifted_delta[k], y.own[k], 1e-9, "%s",
                 rule->derivative);
        }
        bp_explain_free(glass);
        bp_model_free(model);
    }
}

/* ---- What training and prediction compute -------------------------------------------------------
 */

/* One sample at a time; batchnorm, of which a batch would need two, with its layers as they are in
 * predictions. */
Test(explain_layers, is_what_the_reference_computes)
{
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    for (size_t i = 0; i < BP_COUNT(kinds); ++i) {
        bp_model *model = model_with(kinds[i].hidden, BP_ACTIVATION_TANH, 1);
        const bool batch = strstr(kinds[i].hidden, "batchnorm") != NULL;
        bp_explain *glass = looked_at(model, 0);
        float x[INPUTS], y[OUTPUTS];
        const int32_t label = 1;
        for (size_t k = 0; k < INPUTS; ++k) x[k] = (float)sample[k];
        OK(bp_predict(model, reference, x, 1, y));
        for (size_t k = 0; k < OUTPUTS; ++k)
            SAME((double)y[k], bp_explain_get(glass).output[k], 1e-6, "%s", kinds[i].name);
        if (!batch) {
            bp_train_options how = bp_train_options_default();
            bp_trainer *trainer;
            how.optimizer = BP_OPTIMIZER_SGD;
            how.learning_rate = 0.25f;
            how.batch = 1;
            OK(bp_trainer_create(&trainer, model, reference, &how));
            for (int s = 0; s < 20; ++s) OK(bp_trainer_step(trainer, x, NULL, &label, 1, NULL));
            double exact[INPUTS]; /* as it was given to the trainer */
            for (size_t k = 0; k < INPUTS; ++k) exact[k] = (double)x[k];
            OK(bp_explain_sample(glass, exact, target));
            OK(bp_explain_steps(glass, 20, NULL));
            OK(bp_trainer_get_model(trainer, model));
            bp_trainer_free(trainer);
            for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
                const bp_layer layer = bp_model_get_layer(model, l);
                for (size_t k = 0; k < layer.inputs * layer.outputs; ++k)
                    cr_assert_eq(bp_model_weights(model, l)[k],
                                 (float)bp_explain_weights(glass, l)[k], "%s", kinds[i].name);
                for (size_t k = 0; layer.norm && k < layer.outputs; ++k) {
                    cr_assert_eq(bp_model_gains(model, l)[k], (float)bp_explain_gains(glass, l)[k]);
                    cr_assert_eq(bp_model_shifts(model, l)[k],
                                 (float)bp_explain_shifts(glass, l)[k]);
                }
            }
        } else {
            OK(bp_explain_steps(glass, 20, NULL)); /* what was found stays */
            OK(bp_explain_look(glass));
            for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
                const bp_explained_layer layer = bp_explain_layer(glass, l);
                for (size_t k = 0; layer.norm == BP_NORM_BATCH && k < layer.outputs; ++k)
                    SAME(layer.mean[k], (double)bp_model_means(model, l)[k], 0, "%s",
                         kinds[i].name);
            }
        }
        bp_explain_free(glass);
        bp_model_free(model);
    }
    cr_assert_null(bp_explain_gains(NULL, 0));
    bp_device_free(reference);
}

/* ---- Surveys ------------------------------------------------------------------------------------
 */

/* The sum of single looks, whatever the batches of the survey are. */
Test(explain_layers, surveys)
{
    enum { ROWS = 70 };
    bp_data *data = data_of(ROWS, INPUTS, OUTPUTS, true);
    for (size_t i = 0; i < BP_COUNT(kinds); ++i) {
        bp_model *model = model_with(kinds[i].hidden, BP_ACTIVATION_GELU, 1);
        const size_t layers = bp_model_get_info(model).layers;
        bp_explain *glass = looked_at(model, 0);
        bp_survey survey;
        double deltas[8] = {0}, outputs[8] = {0};
        OK(bp_survey_data(&survey, model, data, SIZE_MAX));
        for (size_t row = 0; row < ROWS; ++row) {
            double x[INPUTS], t[OUTPUTS];
            for (size_t k = 0; k < INPUTS; ++k)
                x[k] = (double)bp_data_features(data)[row * INPUTS + k];
            for (size_t k = 0; k < OUTPUTS; ++k) t[k] = (size_t)bp_data_labels(data)[row] == k;
            OK(bp_explain_sample(glass, x, t));
            OK(bp_explain_look(glass));
            SAME(survey.errors[row], bp_explain_get(glass).error, 1e-13, "%s", kinds[i].name);
            for (size_t l = 0; l < layers; ++l) {
                const bp_explained_layer y = bp_explain_layer(glass, l);
                deltas[l] += mean_of(y.delta, y.outputs) / ROWS;
                outputs[l] += mean_of(y.output, y.outputs) / ROWS;
            }
        }
        for (size_t l = 0; l < layers; ++l) {
            SAME(survey.layers[l].deltas.mean, deltas[l], 1e-13, "%s", kinds[i].name);
            SAME(survey.layers[l].activations.mean, outputs[l], 1e-13, "%s", kinds[i].name);
        }
        bp_survey_free(&survey);
        bp_explain_free(glass);
        bp_model_free(model);
    }
    bp_data_free(data);
}

/* ---- Watched trainings --------------------------------------------------------------------------
 */

typedef struct watched {
    bp_watch *watch;
    int looks;
    bp_trace trace;
} watched;

static int observe(const bp_progress *now, void *user)
{
    watched *w = user;
    if (now->diverged) OK(bp_watch_trace(w->watch, now->trainer, &w->trace));
    if (!now->epoch_done) return 0;
    OK(bp_watch_look(w->watch, now->trainer));
    ++w->looks;
    const bp_watch_layer first = bp_watch_get(w->watch, 0);
    cr_assert(first.gradient > 0 && first.update > 0 && isfinite(first.delta));
    return 0;
}

/* The same bits as of a training that nobody looks at, what batches have shown included. */
static void check_watched(bp_device *device)
{
    bp_data *data = data_of(53, INPUTS, OUTPUTS, true);
    for (size_t i = 0; i < BP_COUNT(kinds); ++i) {
        bp_model *models[2];
        for (int side = 0; side < 2; ++side) {
            bp_train_options how = bp_train_options_default();
            watched w = {0};
            how.batch = 13; /* and one row left */
            how.epochs = 4;
            models[side] = model_with(kinds[i].hidden, BP_ACTIVATION_TANH, 1);
            OK(bp_watch_create(&w.watch, models[side], data, 32));
            if (side) how.progress = observe;
            how.user = &w;
            OK(bp_train(models[side], device, data, NULL, &how, NULL));
            cr_assert_eq(w.looks, side ? 4 : 0);
            bp_watch_free(w.watch);
        }
        size_t count;
        const float *a = bp__model_parameters(models[0], &count);
        cr_assert_arr_eq(a, bp__model_parameters(models[1], &count), count * sizeof *a,
                         "%s, %s: watching has changed the training",
                         bp_device_get_info(device)->name, kinds[i].name);
        bp_model_free(models[0]);
        bp_model_free(models[1]);
    }
    bp_data_free(data);
}

Test(explain_layers, watching_changes_nothing)
{
    every_device(check_watched);
}

/* A divergence is traced through norms and past layers as well. */
static void check_trace(bp_device *device)
{
    bp_data *data = data_of(52, INPUTS, OUTPUTS, true);
    int diverged = 0;
    for (size_t i = 0; i < BP_COUNT(kinds); ++i) {
        bp_train_options how = bp_train_options_default();
        watched w = {0};
        how.batch = 13;
        how.epochs = 40;
        how.optimizer = BP_OPTIMIZER_SGD;
        how.learning_rate = 1e20f;
        how.progress = observe;
        how.user = &w;
        bp_model *model = model_with(kinds[i].hidden, BP_ACTIVATION_LINEAR, 1);
        OK(bp_watch_create(&w.watch, model, data, 32));
        const bp_status status = bp_train(model, device, data, NULL, &how, NULL);
        diverged += status == BP_ERROR_DIVERGED;
        if (status == BP_ERROR_DIVERGED)
            cr_assert_neq(w.trace.what, BP_TRACE_NOTHING, "%s", kinds[i].name);
        bp_watch_free(w.watch);
        bp_model_free(model);
    }
    cr_assert_geq(diverged, 2, "%s", bp_device_get_info(device)->name);
    bp_data_free(data);
}

Test(explain_layers, divergences_are_traced)
{
    every_device(check_trace);
}
