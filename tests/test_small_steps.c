/* test_small_steps.c - many training steps in one launch against the reference and against the same
 * steps by the plan. */
#include "bench/bench.h"
#include "network_support.h"
#include "ops/gpu_steps.h"

typedef struct small_case {
    size_t widths[5], layers, rows;
    int64_t batch;
    int32_t hidden, output, loss, optimizer, bias;
    bool labels;
} small_case;

static const small_case cases[] = {
    {{1, 1}, 1, 1, 1, 0, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, BP_OPTIMIZER_SGD, 0, false},
    {{2, 2, 1},
     2,
     4,
     4,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_SGD,
     1,
     false},
    {{5, 3},
     1,
     33,
     7,
     0,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_MOMENTUM,
     1,
     true},
    {{3, 17, 4},
     2,
     50,
     16,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_ADAM,
     1,
     true},
    {{16, 16, 16, 16},
     3,
     64,
     32,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_TANH,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_ADAM,
     0,
     false},
    {{7, 31, 18, 6, 3},
     4,
     90,
     40,
     BP_ACTIVATION_RELU,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_ADAM,
     1,
     false},
    {{4, 9, 3},
     2,
     50,
     16,
     BP_ACTIVATION_GELU,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_BCE,
     BP_OPTIMIZER_ADAM,
     1,
     false},
    {{4, 9, 6, 2},
     3,
     50,
     13,
     BP_ACTIVATION_SINE,
     BP_ACTIVATION_SILU,
     BP_LOSS_HUBER,
     BP_OPTIMIZER_MOMENTUM,
     1,
     false},
    {{4, 9, 3},
     2,
     40,
     1,
     BP_ACTIVATION_SELU,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_QUANTILE,
     BP_OPTIMIZER_SGD,
     1,
     false},
    {{40, 33, 5},
     2,
     130,
     50,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_SGD,
     1,
     true},
};

/* How a device is to do the steps; on a GPU, gpu_steps says it in full. */
typedef struct way {
    bp__when when;
    int32_t gemm;
    const bp__gpu_steps *gpu_steps;
} way;

/* Whether the device does the trainer's steps as it is told to. */
static bool taken(const bp_trainer *trainer, bp_device *device, const bp__gpu_steps *steps)
{
    if (!steps) return true;
    bp__op *ops;
    size_t count;
    bp__training_step step;
    OK(bp__bench_step(&ops, &count, trainer));
    const bool fits =
        bp__training_step_of(&step, ops, count) && bp__gpu_steps_fits(steps, device, &step);
    free(ops);
    return fits;
}

/* Parameters after three epochs and a step whose batch is the caller's; *gradients those of that
 * step, *losses the four losses. */
static float *train_case(const small_case *c, bp_device *device, way how, float **gradients,
                         double losses[4], size_t *count, bool *as_told)
{
    bp_model *model = model_of(c->widths, c->layers, c->hidden, c->output, c->loss, c->bias, 4);
    bp_data *data = data_of(c->rows, c->widths[0], c->widths[c->layers], c->labels);
    bp_train_options options = bp_train_options_default();
    options.optimizer = c->optimizer;
    options.batch = c->batch;
    options.gemm = how.gemm;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE) {
        bp__device_engine *engine = (bp__device_engine *)trainer->engine;
        engine->small_steps = how.when;
        engine->gpu_steps = how.gpu_steps;
    }
    OK(bp_trainer_set_data(trainer, data));
    *as_told = taken(trainer, device, how.gpu_steps);
    for (int e = 0; e < 3; ++e) OK(bp_trainer_epoch(trainer, &losses[e]));
    OK(bp_trainer_step(trainer, bp_data_features(data), bp_data_targets(data), bp_data_labels(data),
                       (size_t)c->batch, &losses[3]));
    *gradients = flatten(model, count);
    size_t next = 0;
    for (size_t l = 0; l < c->layers; ++l) {
        OK(bp_trainer_get_gradients(trainer, l, *gradients + next, NULL));
        next += c->widths[l] * c->widths[l + 1];
        if (!c->bias) continue;
        OK(bp_trainer_get_gradients(trainer, l, NULL, *gradients + next));
        next += c->widths[l + 1];
    }
    OK(bp_trainer_get_model(trainer, model));
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
    return all;
}

/* What a way has made of a case, beside what the reference has. */
typedef struct trained_case {
    float *parameters, *gradients;
    double losses[4];
    size_t count;
    bool as_told;
} trained_case;

static trained_case train(const small_case *c, bp_device *device, way how)
{
    trained_case t;
    t.parameters = train_case(c, device, how, &t.gradients, t.losses, &t.count, &t.as_told);
    return t;
}

static void trained_free(trained_case *t)
{
    free(t->parameters);
    free(t->gradients);
}

static void check(const trained_case *got, const trained_case *want, size_t number,
                  const char *name)
{
    const double error = relative_l2(got->parameters, want->parameters, want->count);
    cr_assert(error <= 5e-6, "case %zu, %s: parameters differ by %g", number, name, error);
    const double slope = relative_l2(got->gradients, want->gradients, want->count);
    cr_assert(slope <= 1e-4, "case %zu, %s: gradients differ by %g", number, name, slope);
    for (int e = 0; e < 4; ++e)
        cr_assert_float_eq(got->losses[e], want->losses[e], 1e-5 * fmax(1, want->losses[e]),
                           "case %zu, %s: loss %d is %g, not %g", number, name, e, got->losses[e],
                           want->losses[e]);
}

/* Every case on every OpenCL device of `kind`, or of any where it is 0, in `each` of ways[count],
 * in turn: programs take their time to build. */
static void check_ways(int32_t kind, const way *ways, const char *const *names, size_t count,
                       size_t each)
{
    bp_device *reference, *device;
    bp_device_info *list;
    size_t devices;
    OK(bp_device_open(&reference, "reference"));
    OK(bp_device_list(&list, &devices, NULL));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
        size_t checked = 0;
        trained_case want = train(&cases[k], reference, (way){.when = BP__NEVER});
        for (size_t d = 0; d < devices; ++d) {
            if (list[d].kind == BP_KIND_REFERENCE || (kind && list[d].kind != kind)) continue;
            OK(bp_device_open(&device, list[d].spec));
            for (size_t i = 0; i < each; ++i) {
                const size_t w = (k * each + i) % count;
                trained_case got = train(&cases[k], device, ways[w]);
                check(&got, &want, k, names[w]);
                checked += got.as_told;
                trained_free(&got);
            }
            bp_device_free(device);
        }
        trained_free(&want);
        cr_assert(checked > 0, "case %zu: no way fits, or no OpenCL device is there", k);
    }
    bp_device_list_free(list);
    bp_device_free(reference);
}

Test(small_steps, on_cpus)
{
    static const way ways[] = {{.when = BP__ALWAYS}, {.when = BP__NEVER}};
    static const char *const names[] = {"many steps in a launch", "by the plan"};
    check_ways(BP_KIND_CPU, ways, names, 2, 2);
}

/* The kernels for GPUs, on whatever is there. Chunks that a batch fills and that it does not, more
 * work-items than work and fewer. */
Test(small_steps, on_gpus)
{
    static const bp__gpu_steps steps[] = {{32, 4, 0, true},   {64, 16, 0, true}, {128, 64, 0, true},
                                          {64, 4, 1, true},   {32, 4, 2, false}, {64, 8, 2, true},
                                          {128, 16, 2, false}};
    enum { WAYS = sizeof steps / sizeof *steps };
    static char names[WAYS][BP__GPU_STEPS_TEXT];
    const char *name[WAYS];
    way ways[WAYS];
    for (size_t w = 0; w < WAYS; ++w) {
        ways[w] = (way){.gemm = BP_GEMM_GPU, .gpu_steps = &steps[w]};
        name[w] = bp__gpu_steps_describe(names[w], &steps[w]);
    }
    check_ways(0, ways, name, WAYS, 3);
}

/* How a GPU like this would do the steps of a network with these widths, multiples of 4, so that
 * the reference's rows begin where a GPU's do. */
static bp__gpu_steps choice(const bp_device *gpu, const size_t *widths, size_t layers, size_t rows,
                            bool *pays)
{
    bp_model *model = model_of(widths, layers, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 1, 3);
    bp_data *data = data_of(rows, widths[0], widths[layers], false);
    bench b = bench_of(model, data, BP_OPTIMIZER_ADAM);
    bp__op *ops;
    size_t count;
    bp__training_step step;
    OK(bp__plan_train_ops(&ops, &count, b.plan, &b.pass->views, &b.optimizer));
    cr_assert(bp__training_step_of(&step, ops, count));
    const bp__gpu_steps steps = bp__gpu_steps_choose(gpu, &step);
    *pays = steps.items &&
            bp__gpu_steps_nanoseconds(&steps, &step) < bp__gpu_layers_nanoseconds(gpu, &step);
    if (steps.items) cr_assert(bp__gpu_steps_fits(&steps, gpu, &step));
    free(ops);
    bench_free(&b);
    bp_data_free(data);
    bp_model_free(model);
    return steps;
}

Test(small_steps, what_a_gpu_chooses)
{
    const size_t tiny[] = {4, 4, 1}, medium[] = {16, 64, 64, 8}, wide[] = {784, 512, 10};
    bp_device large = {.max_work_group = 1024, .local_bytes = 48 << 10};
    bool pays;
    large.info.compute_units = 132;
    bp_device small = {.max_work_group = 64, .local_bytes = 16 << 10};
    small.info.compute_units = 4;
    bp__gpu_steps steps = choice(&large, tiny, 2, 4, &pays);
    cr_assert(pays && steps.groups == 0, "one group is enough for 4-4-1");
    steps = choice(&large, medium, 3, 4096, &pays);
    cr_assert(pays && steps.groups > 1, "a large batch is for many groups");
    cr_assert_leq(steps.groups, 132);
    steps = choice(&small, medium, 3, 4096, &pays);
    cr_assert(steps.items <= 64 && steps.groups <= 4);
    /* Both moments of two blocks of weights are too many for Intel's registers: gradients alone are
     * not. */
    const size_t blocks_58[] = {16, 32, 8};
    bp_device narrow = large;
    narrow.max_work_group = 32;
    steps = choice(&narrow, blocks_58, 2, 4, &pays);
    cr_assert(steps.items == 32 && steps.groups == 0);
    narrow.subgroup = 8;
    steps = choice(&narrow, blocks_58, 2, 4, &pays);
    cr_assert(steps.items == 32 && steps.groups > 0);
    choice(&large, wide, 2, 64, &pays);
    cr_assert_not(pays, "784-512-10 has too many weights");
    choice(&(bp_device){.max_work_group = 64, .local_bytes = 512}, medium, 3, 64, &pays);
    cr_assert_not(pays, "512 bytes are not enough");
}

/* A list of operations in any order but the plan's own must not be taken for a training step. */
Test(small_steps, only_the_plans_own_order_is_recognised)
{
    const size_t widths[] = {3, 4, 2};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    bp_data *data = data_of(8, 3, 2, false);
    bench b = bench_of(model, data, BP_OPTIMIZER_SGD);
    bp__op *ops;
    size_t count;
    OK(bp__plan_train_ops(&ops, &count, b.plan, &b.pass->views, &b.optimizer));
    const bp__device_engine engine = {
        .cpu_kernels = true, .vector_width = 16, .threads = 1, .small_steps = BP__ALWAYS};
    cr_assert(bp__small_steps_pay(&engine, ops, count));
    cr_assert_not(bp__small_steps_pay(&engine, ops, count - 1));
    for (size_t i = 0; i + 1 < count; ++i) {
        if (ops[i].kind == ops[i + 1].kind && ops[i].kind == BP__OP_GATHER) continue;
        const bp__op op = ops[i];
        ops[i] = ops[i + 1];
        ops[i + 1] = op;
        cr_assert_not(bp__small_steps_pay(&engine, ops, count), "operations %zu and %zu swapped", i,
                      i + 1);
        ops[i + 1] = ops[i];
        ops[i] = op;
    }
    free(ops);
    bench_free(&b);
    bp_data_free(data);
    bp_model_free(model);
}
