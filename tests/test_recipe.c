/* test_recipe.c - a hundred steps of every optimizer, as it is and with all that is done to its
 * gradients first, in every way that a device has, against the reference. Where
 * BACKPROP_ACCURACY_TABLE names a file, the largest errors are written there as a table for
 * docs/accuracy.md. */
#include "base/families.h"
#include "network_support.h"
#include "ops/launchers.h"

TestSuite(recipe, .timeout = 300);

typedef struct way {
    const char *name;
    int32_t gemm;
    bp__when small;
} way;

static const way ways[] = {{"small steps", BP_GEMM_AUTO, BP__ALWAYS},
                           {"plan of a CPU", BP_GEMM_CPU, BP__NEVER},
                           {"GPU kernels", BP_GEMM_GPU, BP__NEVER},
                           {"one-line kernels", BP_GEMM_NAIVE, BP__NEVER}};

static const struct {
    const char *name;
    float decay, l1, clip_value, clip_norm, max_norm;
    int64_t frozen;
} shapes[] = {{"plain", 0, 0, 0, 0, 0, 0},
              {"weight decay, L1, clipping by value", 0.02f, 1e-3f, 0.01f, 0, 0, 0},
              {"clipping by norm", 0.01f, 0, 0, 0.05f, 0, 0},
              {"clipping by norm, a frozen layer", 0, 0, 0, 0.05f, 0, 1},
              {"max-norm", 0, 0, 0, 0, 0.6f, 0}};

enum { STEPS = 100, SHAPES = sizeof shapes / sizeof *shapes, WAYS = sizeof ways / sizeof *ways };

/* Where an update is a sign, one that rounding turns is a step to the other side. */
static double tolerance(int32_t optimizer)
{
    return optimizer == BP_OPTIMIZER_LION || optimizer == BP_OPTIMIZER_RPROP ? 2e-3 : 2e-5;
}

static float *train(bp_device *device, int32_t gemm, bp__when small, int32_t optimizer, int shape,
                    const bp_data *data, size_t *count)
{
    const size_t widths[] = {6, 9, 7, 3};
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 4);
    bp_train_options options = bp_train_options_default();
    options.optimizer = optimizer;
    options.batch = 16; /* five steps an epoch, the last of 7 rows */
    options.gemm = gemm;
    options.weight_decay = shapes[shape].decay;
    options.l1 = shapes[shape].l1;
    options.clip_value = shapes[shape].clip_value;
    options.clip_norm = shapes[shape].clip_norm;
    options.max_norm = shapes[shape].max_norm;
    options.freeze_layers = shapes[shape].frozen;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE)
        ((bp__device_engine *)trainer->engine)->small_steps = small;
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < STEPS / 5; ++e) OK(bp_trainer_epoch(trainer, NULL));
    OK(bp_trainer_get_model(trainer, model));
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_model_free(model);
    return all;
}

static void check_device(bp_device *device, bp_device *reference, double worst[][SHAPES][WAYS])
{
    bp_data *data = data_of(71, 6, 3, true);
    for (int32_t o = 0; bp__optimizer_updates(o); ++o)
        for (int s = 0; s < SHAPES; ++s) {
            size_t count;
            float *want = train(reference, BP_GEMM_AUTO, BP__NEVER, o, s, data, &count);
            for (int w = 0; w < WAYS; ++w) {
                float *got = train(device, ways[w].gemm, ways[w].small, o, s, data, &count);
                const double error = relative_l2(got, want, count);
                cr_assert(error <= tolerance(o), "%s, %s, %s, %s: relative error %g",
                          bp_device_get_info(device)->name, bp_optimizer_name(o), shapes[s].name,
                          ways[w].name, error);
                worst[o][s][w] = fmax(worst[o][s][w], error);
                free(got);
            }
            free(want);
        }
    bp_data_free(data);
}

static void write_table(const char *path, double worst[][SHAPES][WAYS])
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs("| optimizer | gradients |", file);
    for (int w = 0; w < WAYS; ++w) fprintf(file, " %s |", ways[w].name);
    fputs("\n| --- | --- | --- | --- | --- | --- |\n", file);
    for (int32_t o = 0; bp__optimizer_updates(o); ++o)
        for (int s = 0; s < SHAPES; ++s) {
            fprintf(file, "| %s | %s |", bp_optimizer_name(o), shapes[s].name);
            for (int w = 0; w < WAYS; ++w) fprintf(file, " %.1e |", worst[o][s][w]);
            fputs("\n", file);
        }
    cr_assert_eq(fclose(file), 0);
}

Test(recipe, hundred_steps_of_every_optimizer)
{
    static double worst[32][SHAPES][WAYS];
    bp_device_info *list;
    size_t count, checked = 0;
    bp_device *reference, *device;
    OK(bp_device_list(&list, &count, NULL));
    OK(bp_device_open(&reference, "reference"));
    for (size_t d = 0; d < count; ++d) {
        if (list[d].kind == BP_KIND_REFERENCE) continue;
        OK(bp_device_open(&device, list[d].spec));
        check_device(device, reference, worst);
        bp_device_free(device);
        ++checked;
    }
    cr_assert(checked > 0, "no OpenCL device to test");
    const char *table = getenv("BACKPROP_ACCURACY_TABLE");
    if (table && *table) write_table(table, worst);
    bp_device_free(reference);
    bp_device_list_free(list);
}

/* What is frozen keeps its bits; what is not moves. */
Test(recipe, frozen_layers_stay)
{
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    bp_data *data = data_of(71, 6, 3, true);
    size_t count;
    const size_t widths[] = {6, 9, 7, 3};
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 4);
    float *before = flatten(model, &count);
    float *after = train(reference, BP_GEMM_AUTO, BP__NEVER, BP_OPTIMIZER_SGD, 3, data, &count);
    cr_assert_eq(memcmp(before, after, 9 * 7 * sizeof *before), 0, "a frozen layer has moved");
    for (size_t i = 9 * 7; i < count; ++i)
        cr_assert(before[i] != after[i] || before[i] == 0, "parameter %zu has not moved", i);
    free(before);
    free(after);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(reference);
}

/* First steps by hand: w = 1 and -2, g = 0.5 and -0.25, r = 0.1. */
Test(recipe, first_steps_by_hand)
{
    const struct {
        int32_t optimizer;
        double after[2], second[2]; /* after another step with the same gradients */
    } cases[] = {
        {BP_OPTIMIZER_SGD, {0.95, -1.975}, {0.9, -1.95}},
        {BP_OPTIMIZER_MOMENTUM, {0.95, -1.975}, {0.855, -1.9275}},
        {BP_OPTIMIZER_NESTEROV, {0.905, -1.9525}, {0.7695, -1.88475}},
        {BP_OPTIMIZER_ADAGRAD, {0.9, -1.9}, {0.9 - 0.1 / sqrt(2), -1.9 + 0.1 / sqrt(2)}},
        {BP_OPTIMIZER_RMSPROP,
         {1 - 0.1 / sqrt(0.1), -2 + 0.1 / sqrt(0.1)},
         {1 - 0.1 / sqrt(0.1) - 0.1 / sqrt(0.19), -2 + 0.1 / sqrt(0.1) + 0.1 / sqrt(0.19)}},
        {BP_OPTIMIZER_ADAM, {0.9, -1.9}, {0.8, -1.8}},
        {BP_OPTIMIZER_ADAMW, {0.85, -1.8}, {0.7075, -1.61}},
        {BP_OPTIMIZER_LION, {0.85, -1.8}, {0.7075, -1.61}},
        {BP_OPTIMIZER_RPROP, {0.9, -1.9}, {0.78, -1.78}},
    };
    for (size_t k = 0; k < BP_COUNT(cases); ++k) {
        const bp__optimizer op = {.optimizer = cases[k].optimizer,
                                  .momentum = 0.9f,
                                  .beta1 = 0.9f,
                                  .beta2 = 0.9f,
                                  .decay = 0.5f};
        double w[2] = {1, -2}, m[2] = {0}, v[2] = {0};
        const double g[2] = {0.5, -0.25}, b = (double)0.9f;
        for (int t = 1; t <= 2; ++t) {
            const double c = 1 / (1 - pow(b, t)), hyper[BP__HYPER_COUNT] = {0.1, c, c, 0};
            bp__reference_optimizer(w, g, m, v, 2, hyper, 1, &op);
            for (int i = 0; i < 2; ++i)
                cr_assert_float_eq(w[i], (t == 1 ? cases[k].after : cases[k].second)[i], 1e-6,
                                   "%s, step %d: w[%d] = %.9g", bp_optimizer_name(op.optimizer), t,
                                   i, w[i]);
        }
    }
}

/* A gradient that turns: iRPROP- halves the step and stays, then goes on as if there had been none.
 */
Test(recipe, rprop_turns)
{
    const bp__optimizer op = {.optimizer = BP_OPTIMIZER_RPROP};
    const double hyper[BP__HYPER_COUNT] = {0.1, 0, 0, 0}, g[] = {1, 2, -1, -1, -1};
    const double want[] = {0.9, 0.78, 0.78, 0.84, 0.912};
    double w = 1, m = 0, v = 0;
    for (int t = 0; t < 5; ++t) {
        bp__reference_optimizer(&w, &g[t], &m, &v, 1, hyper, 1, &op);
        cr_assert_float_eq(w, want[t], 1e-12, "step %d: %.9g", t + 1, w);
    }
}

/* A gradient of length 5, cut to 1 by norm, then to 0.7 by value; L2 and L1 come after. */
Test(recipe, gradients_are_shaped_in_order)
{
    const double g[2] = {3, -4}, hyper[BP__HYPER_COUNT] = {1, 0, 0, 0};
    double w[2] = {2, -1};
    const bp__optimizer op = {.clip = 0.7f, .l2 = 0.5f, .l1 = 0.25f};
    const double factor = bp__reference_clip_factor(g, 2, 1);
    cr_assert_float_eq(factor, 0.2, 1e-6);
    bp__reference_optimizer(w, g, NULL, NULL, 2, hyper, factor, &op);
    cr_assert_float_eq(w[0], 2 - (0.6 + 1 + 0.25), 1e-6);
    cr_assert_float_eq(w[1], -1 - (-0.7 - 0.5 - 0.25), 1e-6);
    cr_assert_eq(bp__reference_clip_factor(g, 2, 6), 1);
}
