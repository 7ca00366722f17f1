/* test_gradients.c - the plan's gradients against central differences in double, the device's
 * gradients against the reference's, and planted bugs that the checks must catch. Where
 * BACKPROP_GRADIENTS_TABLE names a file, the largest errors are written there as a table for
 * docs/accuracy.md. */
#include "model/model.h"
#include "network_support.h"

static const double tolerance = 1e-7;

typedef struct architecture {
    size_t widths[5], layers;
    int32_t hidden, output, loss, bias;
} architecture;

/* Every activation with every loss that it goes with, with and without bias, one to four layers. */
static size_t all_architectures(architecture *list)
{
    size_t count = 0;
    for (int32_t loss = 0; bp_loss_name(loss); ++loss)
        for (int32_t output = 0; bp_activation_name(output); ++output) {
            const bp_layer end = {1, 1, output, 1};
            if (bp__layers_check(BP_ERROR_ARGUMENT, &end, 1, loss) != BP_OK) continue;
            for (int32_t hidden = 0; bp_activation_name(hidden); ++hidden)
                for (int32_t bias = 0; bias < 2 && hidden != BP_ACTIVATION_SOFTMAX; ++bias)
                    for (size_t layers = 1; layers <= 4; layers += layers == 1 ? 1 : 2) {
                        if (layers == 1 && hidden > 0) continue; /* there is no hidden layer */
                        list[count++] = (architecture){.widths = {5, 4, 6, 3, 3},
                                                       .layers = layers,
                                                       .hidden = hidden,
                                                       .output = output,
                                                       .loss = loss,
                                                       .bias = bias};
                    }
        }
    return count;
}

enum { ARCHITECTURES = 4000 };

enum { SEED = 11 };

static bp_model *model_for(const architecture *a, uint64_t seed)
{
    return model_of(a->widths, a->layers, a->hidden, a->output, a->loss, a->bias, seed);
}

static bp_data *data_for(const architecture *a, size_t rows, bool labels)
{
    return data_of(rows, a->widths[0], a->widths[a->layers], labels);
}

/* The largest error of the networks that have an activation, hidden or as output, with a loss,
 * without and with biases; 0: there are none. */
enum { MOST = 32 };
typedef double worst_errors[MOST][MOST][2];

static void note_worst(worst_errors worst, const architecture *a, double error)
{
    if (isnan(error)) return;
    double *output = &worst[a->output][a->loss][a->bias];
    double *hidden = &worst[a->hidden][a->loss][a->bias];
    *output = fmax(*output, error);
    if (a->layers > 1) *hidden = fmax(*hidden, error);
}

static void write_table(const char *path, worst_errors worst)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs("| activation |", file);
    for (int32_t loss = 0; bp_loss_name(loss); ++loss) fprintf(file, " %s |", bp_loss_name(loss));
    fputs("\n| --- |", file);
    for (int32_t loss = 0; bp_loss_name(loss); ++loss) fputs(" --- |", file);
    for (int32_t f = 0; bp_activation_name(f); ++f) {
        fprintf(file, "\n| %s |", bp_activation_name(f));
        for (int32_t loss = 0; bp_loss_name(loss); ++loss)
            if (worst[f][loss][0] > 0)
                fprintf(file, " %.0e, %.0e |", worst[f][loss][0], worst[f][loss][1]);
            else
                fputs(" |", file);
    }
    fputs("\n", file);
    cr_assert_eq(fclose(file), 0);
}

/* The reference's gradients of a network with weights by this seed against central differences. */
static double reference_error(const architecture *a, bool labels, uint64_t seed)
{
    bp_model *model = model_for(a, seed);
    bp_data *data = data_for(a, 6, labels);
    bench b = bench_of(model, data, BP_OPTIMIZER_SGD);
    bp__op *ops;
    size_t op_count;
    OK(bp__plan_train_ops(&ops, &op_count, b.plan, &b.pass->views, &b.optimizer));
    const double error = gradient_error(&b, ops, op_count);
    free(ops);
    bench_free(&b);
    bp_data_free(data);
    bp_model_free(model);
    return error;
}

/* A kink, of relu or of an absolute value, may lie within a difference: then other weights decide.
 * What is wrong is wrong at those, too, and kinks are rare. */
Test(gradients, reference_against_central_differences)
{
    static architecture list[ARCHITECTURES];
    static worst_errors worst;
    const size_t count = all_architectures(list);
    double largest = 0;
    size_t untested = 0, kinks = 0;
    for (size_t i = 0; i < count; ++i)
        for (int labels = 0; labels < 2; ++labels) {
            const architecture *a = &list[i];
            double error = reference_error(a, labels, SEED);
            if (error > tolerance) {
                ++kinks;
                error = reference_error(a, labels, SEED + 1);
            }
            untested += isnan(error) ? 1 : 0;
            cr_assert(isnan(error) || error <= tolerance,
                      "%zu layers, hidden %s, output %s, bias %d, %s, %s: %g", a->layers,
                      bp_activation_name(a->hidden), bp_activation_name(a->output), a->bias,
                      bp_loss_name(a->loss), labels ? "labels" : "targets", error);
            largest = fmax(largest, error);
            note_worst(worst, a, error);
        }
    cr_assert_lt(kinks, count / 100, "%zu of %zu gradients are at kinks", kinks, 2 * count);
    cr_assert_lt(untested, count / 10, "%zu of %zu gradients are all zero", untested, 2 * count);
    cr_log_info("largest relative error %g over %zu networks, %zu at kinks", largest, 2 * count,
                kinks);
    const char *table = getenv("BACKPROP_GRADIENTS_TABLE");
    if (table && *table) write_table(table, worst);
}

/* ---- Planted bugs: each check must fail when the thing it guards is broken --------------------
 */

static bench planted_bench(bp__op **ops, size_t *count, bp_model **model, bp_data **data)
{
    const size_t widths[] = {4, 4, 4};
    *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    *data = data_of(4, 4, 4, false);
    bench b = bench_of(*model, *data, BP_OPTIMIZER_SGD);
    OK(bp__plan_train_ops(ops, count, b.plan, &b.pass->views, &b.optimizer));
    cr_assert(gradient_error(&b, *ops, *count) <= tolerance, "right before anything is planted");
    return b;
}

static size_t find(const bp__op *ops, size_t count, bp__op_kind kind)
{
    for (size_t i = 0; i < count; ++i)
        if (ops[i].kind == kind) return i;
    cr_assert_fail("no operation %d in the plan", (int)kind);
    return 0;
}

static void planted_free(bench *b, bp__op *ops, bp_model *model, bp_data *data)
{
    free(ops);
    bench_free(b);
    bp_data_free(data);
    bp_model_free(model);
}

/* The order that must hold: all effects from the old weights, then the update. Here the last
 * layer's weights change as soon as their gradient is known, before the effect of the layer before.
 */
Test(gradients, planted_update_before_effect)
{
    bp__op *ops;
    size_t count;
    bp_model *model;
    bp_data *data;
    bench b = planted_bench(&ops, &count, &model, &data);
    const size_t effect = find(ops, count, BP__OP_DENSE_EFFECT);
    cr_assert_eq(ops[effect + 1].kind, BP__OP_DENSE_GRADIENT);
    cr_assert_eq(ops[count - 1].kind, BP__OP_OPTIMIZER);
    const bp__op late = ops[effect];
    ops[effect] = ops[effect + 1]; /* gradient of the last layer */
    bp__op *wrong = malloc((count + 1) * sizeof *wrong);
    memcpy(wrong, ops, (effect + 1) * sizeof *ops);
    wrong[effect + 1] = ops[count - 1]; /* the update, too early */
    wrong[effect + 2] = late;
    memcpy(wrong + effect + 3, ops + effect + 2, (count - effect - 2) * sizeof *ops);
    cr_assert_gt(gradient_error(&b, wrong, count + 1), 1e-3, "the planted bug went unnoticed");
    free(wrong);
    planted_free(&b, ops, model, data);
}

Test(gradients, planted_missing_mean)
{
    bp__op *ops;
    size_t count;
    bp_model *model;
    bp_data *data;
    bench b = planted_bench(&ops, &count, &model, &data);
    ops[find(ops, count, BP__OP_LOSS)].as.loss.scale = 1;
    cr_assert_gt(gradient_error(&b, ops, count), 1e-3, "the planted bug went unnoticed");
    planted_free(&b, ops, model, data);
}

Test(gradients, planted_transposed_gradient)
{
    bp__op *ops;
    size_t count;
    bp_model *model;
    bp_data *data;
    bench b = planted_bench(&ops, &count, &model, &data);
    bp__dense_gradient *gradient = &ops[find(ops, count, BP__OP_DENSE_GRADIENT)].as.dense_gradient;
    const bp__view delta = gradient->delta;
    gradient->delta = gradient->in;
    gradient->in = delta;
    cr_assert_gt(gradient_error(&b, ops, count), 1e-3, "the planted bug went unnoticed");
    planted_free(&b, ops, model, data);
}

Test(gradients, planted_forgotten_slope)
{
    bp__op *ops;
    size_t count;
    bp_model *model;
    bp_data *data;
    bench b = planted_bench(&ops, &count, &model, &data);
    ops[find(ops, count, BP__OP_DENSE_EFFECT)].as.dense_effect.activation = BP_ACTIVATION_LINEAR;
    cr_assert_gt(gradient_error(&b, ops, count), 1e-3, "the planted bug went unnoticed");
    planted_free(&b, ops, model, data);
}

/* ---- Devices ----------------------------------------------------------------------------------
 */

/* One step on a device; its gradients, flat; free() them. */
static float *device_gradients(bp_device *device, int32_t gemm, bp_model *model,
                               const bp_data *data, size_t *count)
{
    const bp_data_info info = bp_data_get_info(data);
    bp_train_options options = bp_train_options_default();
    options.batch = (int64_t)info.rows;
    options.gemm = gemm;
    options.optimizer = BP_OPTIMIZER_SGD;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    double loss;
    OK(bp_trainer_step(trainer, bp_data_features(data), bp_data_targets(data), bp_data_labels(data),
                       info.rows, &loss));
    float *all = flatten(model, count);
    size_t next = 0;
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        OK(bp_trainer_get_gradients(trainer, l, all + next, NULL));
        next += layer.inputs * layer.outputs;
        if (!layer.bias) continue;
        OK(bp_trainer_get_gradients(trainer, l, NULL, all + next));
        next += layer.outputs;
    }
    bp_trainer_free(trainer);
    return all;
}

Test(gradients, devices_against_reference)
{
    static const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_CPU, BP_GEMM_NAIVE, BP_GEMM_GPU,
                                    BP_GEMM_MATRIX};
    static architecture list[ARCHITECTURES];
    const size_t count = all_architectures(list);
    uint32_t hidden_seen = 0, output_seen = 0, loss_seen = 0;
    bp_device_info *devices;
    size_t device_count;
    bp_device *reference;
    OK(bp_device_list(&devices, &device_count, NULL));
    OK(bp_device_open(&reference, "reference"));
    for (size_t d = 0; d < device_count; ++d) {
        if (devices[d].kind == BP_KIND_REFERENCE) continue;
        bp_device *device;
        OK(bp_device_open(&device, devices[d].spec));
        need_matrix_units(device);
        hidden_seen = output_seen = loss_seen = 0;
        for (size_t i = 0; i < count; ++i) {
            /* Whatever has something new: each has kernels of its own that must be compiled. */
            if (list[i].layers == 1 ||
                (hidden_seen >> list[i].hidden & 1 && output_seen >> list[i].output & 1 &&
                 loss_seen >> list[i].loss & 1))
                continue;
            output_seen |= 1u << list[i].output;
            hidden_seen |= 1u << list[i].hidden;
            loss_seen |= 1u << list[i].loss;
            for (size_t g = 0; g < sizeof gemms / sizeof *gemms; ++g) {
                bp_model *model = model_for(&list[i], SEED);
                bp_data *data = data_for(&list[i], 9, i % 2);
                size_t parameters;
                float *got = device_gradients(device, gemms[g], model, data, &parameters);
                float *want = device_gradients(reference, BP_GEMM_AUTO, model, data, &parameters);
                const double error = relative_l2(got, want, parameters);
                cr_assert(error <= 1e-5, "%s, gemm %s, %s, %s, %s: relative error %g",
                          devices[d].name, bp_gemm_name(gemms[g]),
                          bp_activation_name(list[i].hidden), bp_activation_name(list[i].output),
                          bp_loss_name(list[i].loss), error);
                free(got);
                free(want);
                bp_data_free(data);
                bp_model_free(model);
            }
        }
        bp_device_free(device);
    }
    for (int32_t code = 0; bp_activation_name(code); ++code)
        cr_assert(code == BP_ACTIVATION_SOFTMAX || hidden_seen >> code & 1, "%s was not picked",
                  bp_activation_name(code));
    for (int32_t code = 0; bp_loss_name(code); ++code)
        cr_assert(loss_seen >> code & 1, "%s was not picked", bp_loss_name(code));
    bp_device_free(reference);
    bp_device_list_free(devices);
}

/* ---- Bugs planted in a CPU's kernels ----------------------------------------------------------
 */

/* The gradients' distance from the reference's on a CPU. */
static double cpu_error(bp_device *reference, int32_t gemm)
{
    const architecture a = {{5, 4, 6, 3, 3},       4, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                            BP_LOSS_CROSS_ENTROPY, 1};
    bp_device *device;
    OK(bp_device_open(&device, "cpu"));
    bp_model *model = model_for(&a, SEED);
    bp_data *data = data_for(&a, 9, true);
    size_t parameters;
    float *got = device_gradients(device, gemm, model, data, &parameters);
    float *want = device_gradients(reference, BP_GEMM_AUTO, model, data, &parameters);
    const double error = relative_l2(got, want, parameters);
    free(got);
    free(want);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(device);
    return error;
}

/* A step of this network is taken by small_steps.cl, and by the plan where that is asked for. */
static const struct {
    int32_t gemm;
    const char *what, *file, *edit;
} planted[] = {
    {BP_GEMM_AUTO, "effects from updated weights", "cpu/small_steps.cl",
     "s/effects(before, delta, w + OWN_##l,/"
     "GRADIENT(l, UNITS_##m) for (uint q = 0; q < OUTPUTS_##l * ROW_##l; ++q) "
     "w[OWN_##l + q] -= 0.1f * g[OWN_##l + q]; &/"},
    {BP_GEMM_AUTO, "no slope", "cpu/small_steps.cl", "s/before\\[i\\] \\* BP_SLOPE.*;/before[i];/"},
    {BP_GEMM_AUTO, "rows beyond the batch", "cpu/loss_lanes.cl",
     "s/first + s < batch ? -1 : 0/-1/"},
    {BP_GEMM_CPU, "no slope", "cpu/dense.cl", "s/BP_SLOPE(N, v)(UNSCALED(N, VLOAD(r, y)))/(vec)(1.0f)/"},
    {BP_GEMM_CPU, "no bias", "cpu/dense.cl", "s/bias.rows ? VLOAD(v, bias.at) : //"},
    {BP_GEMM_CPU, "weights not transposed", "cpu/panel.cl",
     "s/from\\[t \\* BP_VW + c\\]/from[c * BP_VW + t]/"},
    {BP_GEMM_CPU, "a row too few", "cpu/panel.cl",
     "s/k + 2 <= k1/k + 2 < k1/; s/if (k < k1) LANES/if (0) LANES/"},
    {BP_GEMM_CPU, "the last k left out", "cpu/panel.cl",
     "s/t < k1 - k; ++t)/t + 1 < k1 - k; ++t)/"},
};

Test(gradients, planted_in_kernels)
{
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    cr_assert_leq(cpu_error(reference, BP_GEMM_AUTO), 2e-6);
    cr_assert_leq(cpu_error(reference, BP_GEMM_CPU), 2e-6);
    for (size_t i = 0; i < sizeof planted / sizeof *planted; ++i) {
        edit_kernels(planted[i].file, planted[i].edit);
        const double error = cpu_error(reference, planted[i].gemm);
        restore_kernels();
        cr_assert_gt(error, 1e-3, "%s, in %s: went unnoticed", planted[i].what, planted[i].file);
    }
    bp_device_free(reference);
}
