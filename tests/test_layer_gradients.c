/* test_layer_gradients.c - the gradients of networks with dropout, residual connections and
 * normalisation against central differences, and bugs planted in their kernels. */
#include <unistd.h>

#include "backprop_explain.h"
#include "layers_support.h"

TestSuite(layer_gradients, .timeout = 300);

/* A network of a kind with the function f in its hidden layers, checked. */
static bp_gradcheck_result checked(bp_device *device, const bp_data *data, const char *hidden,
                                   int32_t f, int32_t loss, int32_t bias)
{
    bp_model *from = model_with(data, hidden, bias), *model;
    const size_t count = bp_model_get_info(from).layers;
    bp_layer layers[8];
    for (size_t l = 0; l < count; ++l) {
        layers[l] = bp_model_get_layer(from, l);
        if (l + 1 < count) layers[l].activation = f;
    }
    if (loss != BP_LOSS_CROSS_ENTROPY) layers[count - 1].activation = BP_ACTIVATION_SIGMOID;
    bp_model_options shape = bp_model_options_default();
    shape.loss = loss;
    OK(bp_model_create_layers(&model, layers, count, &shape));
    bp__model_take(model, from);
    const bp_gradcheck_options options = bp_gradcheck_options_default();
    bp_gradcheck_result result;
    OK(bp_gradcheck(&result, model, device, data, &options));
    bp_model_free(model);
    bp_model_free(from);
    return result;
}

/* Each function in every kind, with bias and without; on devices, which have to build programs for
 * them, one whose slope is of outputs and one whose slope is of net inputs. */
static void check_gradients(bp_device *device)
{
    bp_data *data = data_of(9, FEATURES, CLASSES, true);
    for (int k = 0; k < KINDS; ++k)
        for (int32_t f = 0; bp_activation_name(f); ++f)
            for (int32_t bias = 0; bias < 2 && f != BP_ACTIVATION_SOFTMAX; ++bias) {
                if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE &&
                    f != BP_ACTIVATION_TANH && f != BP_ACTIVATION_GELU)
                    continue;
                bp_gradcheck_result result =
                    checked(device, data, kinds[k].hidden, f, BP_LOSS_CROSS_ENTROPY, bias);
                cr_assert(result.passed, "%s, %s, %s, bias %d: error %g, the device's %g",
                          bp_device_get_info(device)->name, kinds[k].name, bp_activation_name(f),
                          (int)bias, result.max_relative_error, result.device_error);
                bp_gradcheck_free(&result);
            }
    bp_data_free(data);
}

Test(layer_gradients, gradients_are_those_of_central_differences)
{
    every_device(check_gradients);
}

/* Each function with each loss behind each normalisation. Where BACKPROP_NORMS_TABLE names a file,
 * the largest errors, of layer and of batch normalisation, are written there as a table for
 * docs/accuracy.md. */
Test(layer_gradients, norms_with_every_loss)
{
    static const char *const norms[] = {"12:tanh:layernorm,7:tanh:layernorm",
                                        "12:tanh:batchnorm,7:tanh:batchnorm"};
    const char *table = getenv("BACKPROP_NORMS_TABLE");
    FILE *file = fopen(table && *table ? table : "/dev/null", "w");
    cr_assert_not_null(file, "%s", table);
    fputs("| activation |", file);
    for (int32_t loss = 0; bp_loss_name(loss); ++loss) fprintf(file, " %s |", bp_loss_name(loss));
    fputs("\n| --- |", file);
    for (int32_t loss = 0; bp_loss_name(loss); ++loss) fputs(" --- |", file);
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    bp_data *data = data_of(9, FEATURES, CLASSES, false),
            *classes = data_of(9, FEATURES, CLASSES, true);
    for (int32_t f = 0; bp_activation_name(f); ++f) {
        if (f == BP_ACTIVATION_SOFTMAX) continue;
        fprintf(file, "\n| %s |", bp_activation_name(f));
        for (int32_t loss = 0; bp_loss_name(loss); ++loss) {
            double worst[2] = {0};
            for (int n = 0; n < 4; ++n) {
                bp_gradcheck_result result =
                    checked(reference, loss == BP_LOSS_CROSS_ENTROPY ? classes : data, norms[n / 2],
                            f, loss, n % 2);
                cr_assert(result.passed, "%s, %s, %s, bias %d: error %g", norms[n / 2],
                          bp_activation_name(f), bp_loss_name(loss), n % 2,
                          result.max_relative_error);
                worst[n / 2] = fmax(worst[n / 2], result.max_relative_error);
                bp_gradcheck_free(&result);
            }
            fprintf(file, " %.0e, %.0e |", worst[0], worst[1]);
        }
    }
    fputs("\n", file);
    cr_assert_eq(fclose(file), 0);
    bp_data_free(data);
    bp_data_free(classes);
    bp_device_free(reference);
}

/* What the check above guards: broken, it must fail. */
static const struct {
    int32_t gemm;
    const char *what, *hidden, *file, *edit;
} planted[] = {
    {BP_GEMM_CPU, "what is dropped has effects", "9:tanh:dropout=0.5", "cpu/dense.cl",
     "s/if (op->drop_limit) drop_marked/if (0) drop_marked/"},
    {BP_GEMM_CPU, "slopes of scaled outputs", "9:tanh:dropout=0.5", "cpu/dense.cl",
     "s/(y)\\*keep)/(y))/"},
    {BP_GEMM_NAIVE, "what is dropped has effects", "9:tanh:dropout=0.5", "dropout.cl",
     "s/as_uint(x) == 0x80000000u/false/"},
    {BP_GEMM_GPU, "rows of the wrong block", "9:tanh:dropout=0.5", "dropout.cl",
     "s/row \\/ DROP_ROWS/row % DROP_ROWS/"},
    {BP_GEMM_CPU, "other words of the bits", "9:tanh:dropout=0.5", "dropout.cl",
     "s/out\\[1\\] = c1/out[1] = c0/"},
    {BP_GEMM_CPU, "no effect past a layer", "12:tanh,12:tanh:residual", "cpu/dense.cl",
     "s/keep_strip(delta_in, none, skip/if (0) keep_strip(delta_in, none, skip/"},
    {BP_GEMM_GPU, "no effect past a layer", "12:tanh,12:tanh:residual", "dense.cl",
     "s/= \\*p + SKIPPED/= *p/"},
    {BP_GEMM_CPU, "the variance does not move", "9:tanh:layernorm", "cpu/normalize.cl",
     "s/- c1 - x \\* c2), r, d/- c1), r, d/"},
    {BP_GEMM_GPU, "the variance does not move", "9:tanh:batchnorm", "normalize.cl",
     "s/x \\* gain_gradient\\[gain_gradient_offset + n\\]/0.0f/"},
    {BP_GEMM_CPU, "gains that are left out", "9:tanh:batchnorm", "cpu/normalize.cl",
     "s/const vec g = VLOAD(v, gain.at) \\* VLOAD(v, scale.at)/const vec g = VLOAD(v, scale.at)/"},
    {BP_GEMM_NAIVE, "the mean does not move", "9:tanh:layernorm", "normalize.cl",
     "s/(d - first - /(d - /"},
};

Test(layer_gradients, planted_in_kernels)
{
    bp_data *data = data_of(19, FEATURES, CLASSES, true);
    for (size_t i = 0; i < BP_COUNT(planted); ++i)
        for (int broken = 0; broken < 2; ++broken) {
            bp_device *device;
            bp_gradcheck_options options = bp_gradcheck_options_default();
            bp_gradcheck_result result;
            bp_model *model = model_with(data, planted[i].hidden, 1);
            options.gemm = planted[i].gemm;
            if (broken) edit_kernels(planted[i].file, planted[i].edit);
            OK(bp_device_open(&device, "cpu"));
            OK(bp_gradcheck(&result, model, device, data, &options));
            cr_assert_eq(result.passed, !broken, "%s, in %s%s: error %g", planted[i].what,
                         planted[i].file, broken ? ": went unnoticed" : ", not planted yet",
                         result.device_error);
            if (broken) restore_kernels();
            bp_gradcheck_free(&result);
            bp_device_free(device);
            bp_model_free(model);
        }
    bp_data_free(data);
}
