/* test_gradcheck.c - the gradient check itself: that it passes what is right, on every device, and
 * that it finds an error planted in any factor of any layer, and names the layer. */
#include "backprop_explain.h"
#include "explain/gradcheck.h"
#include "network_support.h"

enum { LAYERS = 4, ROWS = 6 };
static const size_t widths[LAYERS + 1] = {4, 4, 4, 4, 4}; /* so that any matrix fits anywhere */

static bp_gradcheck_result checked(const bp_model *model, bp_device *device, const bp_data *data)
{
    bp_gradcheck_result result;
    OK(bp_gradcheck(&result, model, device, data, NULL));
    return result;
}

/* ---- What is right passes ----------------------------------------------------------------------
 */

Test(gradcheck, every_function_passes)
{
    size_t networks = 0;
    for (int32_t hidden = 0; bp_activation_name(hidden); ++hidden)
        for (int32_t output = 0; bp_activation_name(output); ++output)
            for (int32_t loss = 0; bp_loss_name(loss); ++loss)
                for (int32_t bias = 0; bias < 2; ++bias) {
                    const bp_layer layers[] = {
                        {3, 7, hidden, bias}, {7, 5, hidden, bias}, {5, 2, output, bias}};
                    bp_model_options options = bp_model_options_default();
                    options.loss = loss;
                    bp_model *model;
                    if (bp_model_create_layers(&model, layers, 3, &options) != BP_OK) continue;
                    bp_gradcheck_result r = checked(model, NULL, NULL);
                    cr_assert(r.passed == 1 && r.wrong_layer == -1 && r.relative_l2 <= 1e-7,
                              "%s, %s, %s, bias %d: %g in layer %d", bp_activation_name(hidden),
                              bp_activation_name(output), bp_loss_name(loss), bias,
                              r.max_relative_error, r.wrong_layer);
                    cr_assert_eq(r.checked, bp_model_get_info(model).parameters);
                    cr_assert(isnan(r.device_error));
                    bp_gradcheck_free(&r);
                    bp_model_free(model);
                    ++networks;
                }
    cr_assert_geq(networks, 40);
}

static void check_on_device(bp_device *device)
{
    for (int labels = 0; labels < 2; ++labels) {
        bp_model *model = model_of(widths, LAYERS, BP_ACTIVATION_RELU,
                                   labels ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_TANH,
                                   labels ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED, 1, 3);
        bp_data *data = data_of(50, 4, 4, labels);
        bp_gradcheck_result r = checked(model, device, data);
        cr_assert_eq(r.passed, 1, "%s: %g", bp_device_get_info(device)->name, r.device_error);
        cr_assert(r.device_error <= 5e-6, "%g", r.device_error);
        cr_assert_eq(r.rows, 32);
        cr_assert_eq(r.layer_count, LAYERS);
        bp_gradcheck_free(&r);
        bp_data_free(data);
        bp_model_free(model);
    }
}

Test(gradcheck, every_device_passes)
{
    every_device(check_on_device);
}

/* At the corner of a relu the derivatives of both sides differ; neither is an error. All inputs are
 * 0 and there are no biases: every hidden net input is exactly 0. */
Test(gradcheck, corners_are_no_errors)
{
    const size_t shape[] = {3, 4, 2};
    bp_model *model =
        model_of(shape, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    for (size_t k = 0; k < 4; ++k) bp_model_biases(model, 0)[k] = k ? 1e-6f : 0;
    const float x[6] = {0}, t[4] = {0.25f, -0.5f, 0.75f, 1};
    bp_data *data;
    OK(bp_data_from_arrays(&data, x, 2, 3, t, 2));
    bp_gradcheck_result r = checked(model, NULL, data);
    cr_assert_eq(r.passed, 1, "%g", r.max_relative_error);
    cr_assert_eq(r.kinks, 1, "the bias at 0 is at the corner, those at 1e-6 are beside it: %zu",
                 r.kinks);
    bp_gradcheck_free(&r);
    bp_data_free(data);
    bp_model_free(model);
}

/* ---- Planted errors: each must be found, in the layer where it is ------------------------------
 */

static bp__glass *planted_glass(bp_model **model, bp_data **data)
{
    *model = model_of(widths, LAYERS, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID,
                      BP_LOSS_HALF_SQUARED, 1, 3);
    *data = data_of(ROWS, 4, 4, false);
    bp__glass *glass;
    OK(bp__glass_create(&glass, *model, ROWS, false, &(bp__glass_how){.dropout = NULL}));
    bp__glass_load(glass,
                   &(bp__batch){.x = bp_data_features(*data), .targets = bp_data_targets(*data)});
    return glass;
}

/* The operation of this kind whose weights, or gradients of weights, are those of the layer. */
static bp__op *op_of(bp__glass *glass, bp__op_kind kind, size_t layer)
{
    const size_t offset = glass->network->values[layer].weights.offset;
    for (size_t i = 0; i < glass->op_count; ++i) {
        bp__op *op = &glass->ops[i];
        if (op->kind != kind) continue;
        if (kind == BP__OP_LOSS ||
            (kind == BP__OP_DENSE_EFFECT && op->as.dense_effect.weights.offset == offset) ||
            (kind == BP__OP_DENSE_GRADIENT &&
             op->as.dense_gradient.weights_gradient.offset == offset))
            return op;
    }
    cr_assert_fail("no operation %d for layer %zu", (int)kind, layer);
    return NULL;
}

/* What can be planted into a layer's own delta and gradient. */
static void plant_no_slope(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_DENSE_EFFECT, layer + 1)->as.dense_effect.activation = BP_ACTIVATION_LINEAR;
}

static void plant_other_slope(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_DENSE_EFFECT, layer + 1)->as.dense_effect.activation =
        BP_ACTIVATION_SIGMOID;
}

static void plant_effect_through_other_weights(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_DENSE_EFFECT, layer + 1)->as.dense_effect.weights =
        glass->network->values[layer].weights;
}

static void plant_shifted_weights(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_DENSE_EFFECT, layer + 1)->as.dense_effect.weights.offset += 1;
}

static void plant_other_input(bp__glass *glass, size_t layer)
{
    bp__dense_gradient *gradient = &op_of(glass, BP__OP_DENSE_GRADIENT, layer)->as.dense_gradient;
    gradient->in = glass->plan->activations[layer];
}

static void plant_transposed(bp__glass *glass, size_t layer)
{
    bp__dense_gradient *gradient = &op_of(glass, BP__OP_DENSE_GRADIENT, layer)->as.dense_gradient;
    const bp__view delta = gradient->delta;
    gradient->delta = gradient->in;
    gradient->in = delta;
    gradient->bias_gradient.buffer = NULL;
}

static void plant_no_bias_gradient(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_DENSE_GRADIENT, layer)->as.dense_gradient.bias_gradient.buffer = NULL;
}

static void plant_no_output_slope(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_LOSS, layer)->as.loss.activation = BP_ACTIVATION_LINEAR;
}

static void plant_no_mean(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_LOSS, layer)->as.loss.scale = 1;
}

static void plant_small_scale(bp__glass *glass, size_t layer)
{
    op_of(glass, BP__OP_LOSS, layer)->as.loss.scale *= 1.00001;
}

static void expect_found(const char *what, void (*plant)(bp__glass *, size_t), size_t layer)
{
    bp_model *model;
    bp_data *data;
    const bp_gradcheck_options options = bp_gradcheck_options_default();
    bp_gradcheck_result r;
    bp__glass *glass = planted_glass(&model, &data);
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 1, "right before anything is planted: %g", r.max_relative_error);
    bp_gradcheck_free(&r);
    plant(glass, layer);
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 0, "%s in layer %zu went unnoticed", what, layer);
    cr_assert_eq(r.wrong_layer, layer, "%s in layer %zu was put down to layer %d", what, layer,
                 r.wrong_layer);
    const bp_gradcheck_layer *named = &r.layers[layer];
    cr_assert(named->worst_count > 0 && named->worst[0].relative_error > options.tolerance);
    cr_assert_eq(named->worst[0].layer, layer);
    cr_assert_eq(named->worst[0].relative_error, named->max_relative_error);
    for (size_t i = 1; i < named->worst_count; ++i)
        cr_assert_leq(named->worst[i].relative_error, named->worst[i - 1].relative_error);
    bp_gradcheck_free(&r);
    bp__glass_free(glass);
    bp_data_free(data);
    bp_model_free(model);
}

Test(gradcheck, planted_errors_are_found_and_the_layer_is_named)
{
    const struct {
        const char *what;
        void (*plant)(bp__glass *, size_t);
        size_t from, to; /* layers */
    } table[] = {
        {"slope forgotten", plant_no_slope, 0, LAYERS - 1},
        {"slope of another function", plant_other_slope, 0, LAYERS - 1},
        {"effect through another layer's weights", plant_effect_through_other_weights, 0,
         LAYERS - 1},
        {"effect through weights one element further", plant_shifted_weights, 0, LAYERS - 1},
        {"input of another layer", plant_other_input, 0, LAYERS},
        {"gradient transposed", plant_transposed, 0, LAYERS},
        {"no gradient of the biases", plant_no_bias_gradient, 0, LAYERS},
        {"slope of the output forgotten", plant_no_output_slope, LAYERS - 1, LAYERS},
        {"a sum in place of the mean", plant_no_mean, LAYERS - 1, LAYERS},
        {"a factor of 1.00001", plant_small_scale, LAYERS - 1, LAYERS},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        for (size_t layer = table[i].from; layer < table[i].to; ++layer)
            expect_found(table[i].what, table[i].plant, layer);
}

/* The update before the effect: the order that must hold. */
Test(gradcheck, planted_early_update)
{
    bp_model *model;
    bp_data *data;
    bp_gradcheck_options options = bp_gradcheck_options_default();
    bp_gradcheck_result r;
    bp__glass *glass = planted_glass(&model, &data);
    bp__reference_numbers(glass->pass->hyper)[BP__HYPER_RATE] = 0.5;
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 1);
    bp_gradcheck_free(&r);
    /* Loss, its sum, then the last layer's effect and gradient: the update comes between them. */
    const size_t count = glass->op_count;
    size_t first = 0;
    while (glass->ops[first].kind != BP__OP_DENSE_EFFECT) ++first;
    cr_assert_eq(glass->ops[first + 1].kind, BP__OP_DENSE_GRADIENT);
    const bp__op effect = glass->ops[first], update = glass->ops[count - 1];
    glass->ops[first] = glass->ops[first + 1];
    memmove(&glass->ops[first + 3], &glass->ops[first + 2], (count - first - 3) * sizeof effect);
    glass->ops[first + 1] = update;
    glass->ops[first + 2] = effect;
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 0, "the update before the effect went unnoticed");
    cr_assert_eq(r.wrong_layer, LAYERS - 2, "%d", r.wrong_layer);
    bp_gradcheck_free(&r);
    bp__glass_free(glass);
    bp_data_free(data);
    bp_model_free(model);
}

/* Twelve sigmoid layers: the first one's gradient is tiny, and still an error of 5 % is found. */
Test(gradcheck, vanishing_gradients)
{
    enum { DEEP = 12 };
    bp_layer layers[DEEP];
    for (size_t l = 0; l < DEEP; ++l) layers[l] = (bp_layer){4, 4, BP_ACTIVATION_SIGMOID, 1};
    bp_model *model;
    OK(bp_model_create_layers(&model, layers, DEEP, NULL));
    bp_data *data = data_of(ROWS, 4, 4, false);
    const bp_gradcheck_options options = bp_gradcheck_options_default();
    bp_gradcheck_result r;
    bp__glass *glass;
    OK(bp__glass_create(&glass, model, ROWS, false, &(bp__glass_how){.dropout = NULL}));
    bp__glass_load(glass,
                   &(bp__batch){.x = bp_data_features(data), .targets = bp_data_targets(data)});
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 1, "%g in layer %d", r.max_relative_error, r.wrong_layer);
    bp_gradcheck_free(&r);
    double *slopes = bp__glass_numbers(&glass->network->slopes[0].weights), largest = 0;
    for (size_t i = 0; i < 16; ++i) largest = fmax(largest, fabs(slopes[i]));
    cr_assert_lt(largest, 1e-6, "not small at all: %g", largest);
    double *in = bp__glass_numbers(&glass->plan->input);
    bp__view copy = glass->plan->input;
    OK(bp__buffer_create(glass->engine, &copy.buffer, BP__NUMBER, ROWS * 4));
    copy.offset = 0;
    for (size_t i = 0; i < ROWS * 4; ++i) bp__glass_numbers(&copy)[i] = 1.05 * in[i];
    op_of(glass, BP__OP_DENSE_GRADIENT, 0)->as.dense_gradient.in = copy;
    OK(bp__gradcheck_glass(&r, glass, &options));
    cr_assert_eq(r.passed, 0);
    cr_assert_eq(r.wrong_layer, 0);
    bp_gradcheck_free(&r);
    bp__buffer_free(glass->engine, copy.buffer);
    bp__glass_free(glass);
    bp_data_free(data);
    bp_model_free(model);
}

/* A device's gradients, wrong in one layer by a thousandth, or not a number. */
Test(gradcheck, wrong_gradients_of_a_device)
{
    bp_model *model;
    bp_data *data;
    const bp_gradcheck_options options = bp_gradcheck_options_default();
    bp__glass *glass = planted_glass(&model, &data);
    const size_t size = glass->network->arena_size;
    double *gradients = malloc(size * sizeof *gradients);
    for (size_t layer = 0; layer < LAYERS; ++layer)
        for (int how = 0; how < 3; ++how) {
            bp_gradcheck_result r;
            OK(bp__gradcheck_glass(&r, glass, &options));
            memcpy(gradients, bp__reference_numbers(glass->network->gradients),
                   size * sizeof *gradients);
            const bp__layer_views *views = &glass->network->values[layer];
            for (size_t i = 0; how == 1 && i < 16; ++i)
                gradients[views->weights.offset + i] *= 1.001;
            if (how == 2) gradients[views->bias.offset] = NAN;
            OK(bp__gradcheck_device(&r, glass, gradients, &options));
            cr_assert_eq(r.passed, how == 0);
            cr_assert_eq(r.wrong_layer, -1);
            cr_assert_eq(r.device_wrong_layer, how == 0 ? -1 : (int)layer);
            bp_gradcheck_free(&r);
        }
    free(gradients);
    bp__glass_free(glass);
    bp_data_free(data);
    bp_model_free(model);
}

/* ---- Bounds and mistakes -----------------------------------------------------------------------
 */

Test(gradcheck, evenly_spread_parameters_of_large_networks)
{
    const size_t shape[] = {200, 100, 10};
    bp_model *model =
        model_of(shape, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 1);
    bp_gradcheck_options options = bp_gradcheck_options_default();
    options.work = 1e6;
    bp_gradcheck_result r;
    OK(bp_gradcheck(&r, model, NULL, NULL, &options));
    cr_assert_eq(r.passed, 1);
    cr_assert_lt(r.checked, r.parameters / 10);
    for (size_t l = 0; l < 2; ++l) cr_assert_gt(r.layers[l].checked, 0);
    bp_gradcheck_free(&r);
    bp_model_free(model);
}

Test(gradcheck, mistakes_are_named)
{
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_gradcheck_result r;
    bp_gradcheck_options options = bp_gradcheck_options_default();
    cr_assert_eq(bp_gradcheck(NULL, model, NULL, NULL, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_gradcheck(&r, NULL, NULL, NULL, NULL), BP_ERROR_ARGUMENT);
    options.rows = 0;
    cr_assert_eq(bp_gradcheck(&r, model, NULL, NULL, &options), BP_ERROR_ARGUMENT);
    options = bp_gradcheck_options_default();
    options.tolerance = NAN;
    cr_assert_eq(bp_gradcheck(&r, model, NULL, NULL, &options), BP_ERROR_ARGUMENT);
    bp_data *data = data_of(5, 3, 4, false);
    cr_assert_eq(bp_gradcheck(&r, model, NULL, data, NULL), BP_ERROR_MODEL);
    cr_assert_null(r.layers);
    bp_data_free(data);
    for (size_t i = 0; i < 16; ++i) bp_model_weights(model, 0)[i] = 3e38f;
    data = data_of(5, 4, 4, false);
    for (size_t l = 0; l < 4; ++l) bp_model_biases(model, 0)[l] = NAN;
    cr_assert_eq(bp_gradcheck(&r, model, NULL, data, NULL), BP_ERROR_DIVERGED);
    bp_data_free(data);
    bp_gradcheck_free(NULL);
    bp_model_free(model);
}
