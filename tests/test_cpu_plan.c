/* test_cpu_plan.c - whole plans in one launch on a CPU: how they are cut, that the bits do not
 * depend on the groups that compute them, on what is fused, on how many steps a launch takes, or on
 * who takes which task when; and that the phases, which all this rests on, are needed. */
#include "network_support.h"
#include "ops/cpu_split.h"

TestSuite(cpu_plan, .timeout = 300);

/* ---- Splits ---------------------------------------------------------------------------------- */

static void check_split(const bp__tile *tile, size_t threads, size_t tiles, size_t vectors,
                        size_t least)
{
    const bp__cpu_split s = bp__cpu_split_product(tile, threads, tiles, vectors, 100, least);
    if (tiles == 0) {
        cr_assert_eq(s.row_blocks * s.column_blocks, 0, "tasks without rows");
        return;
    }
    cr_assert(s.strips >= 1 && s.strips <= vectors, "%zu strips of %zu vectors", s.strips, vectors);
    cr_assert((vectors + s.strips - 1) / s.strips <= tile->vectors, "too wide a strip");
    cr_assert(s.column_blocks >= 1 && s.column_blocks <= s.strips, "empty blocks of columns");
    cr_assert(s.row_blocks >= 1 && s.row_blocks <= tiles, "empty blocks of rows");
    cr_assert(s.row_blocks >= (least < tiles ? least : tiles), "blocks of rows too large");
    if (tiles * vectors >= 8 * threads)
        cr_assert(2 * s.row_blocks * s.column_blocks >= threads, "%zu tasks for %zu threads",
                  s.row_blocks * s.column_blocks, threads);
}

Test(cpu_plan, splits)
{
    static const bp__tile shapes[] = {{8, 3}, {4, 3}, {2, 1}, {16, 2}, {7, 4}};
    for (size_t i = 0; i < BP_COUNT(shapes); ++i) {
        const size_t threads[] = {1, 2, 3, 5, 8, 64}, least[] = {0, 1, 2, 7};
        for (size_t t = 0; t < BP_COUNT(threads); ++t)
            for (size_t l = 0; l < BP_COUNT(least); ++l)
                for (size_t tiles = 0; tiles <= 40; ++tiles)
                    for (size_t vectors = 1; vectors <= 40; ++vectors)
                        check_split(&shapes[i], threads[t], tiles, vectors, least[l]);
    }
}

/* ---- Trainings that must agree bit for bit ----------------------------------------------------
 */

typedef struct training {
    size_t widths[5], layers, rows;
    int32_t hidden, output, loss, bias;
    bool labels;
    by_hand how;
} training;

/* Single rows; tiny; several strips and blocks of rows; partial sums of the gradient over batches
 * deeper than a block of k, the last of them partial; sums deeper than that forward and back. */
static const training trainings[] = {
    {{7, 33, 5},
     2,
     9,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     1,
     true,
     {.batch = 1, .epochs = 2, .optimizer = BP_OPTIMIZER_MOMENTUM, .rate = 0.05f}},
    {{3, 5, 4, 2},
     3,
     50,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_HALF_SQUARED,
     0,
     false,
     {.batch = 7, .epochs = 3, .optimizer = BP_OPTIMIZER_ADAM, .rate = 0.05f}},
    {{130, 210, 67, 10},
     3,
     170,
     BP_ACTIVATION_RELU,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     1,
     true,
     {.batch = 60, .epochs = 2, .optimizer = BP_OPTIMIZER_ADAM, .rate = 0.001f}},
    {{20, 30, 3},
     2,
     4300,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_HALF_SQUARED,
     1,
     false,
     {.batch = 2100, .epochs = 2, .optimizer = BP_OPTIMIZER_SGD, .rate = 0.1f}},
    {{20, 30, 3},
     2,
     2500,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_HALF_SQUARED,
     0,
     true,
     {.batch = 1100, .epochs = 2, .optimizer = BP_OPTIMIZER_MOMENTUM, .rate = 0.1f}},
    {{1100, 1050, 9},
     2,
     40,
     BP_ACTIVATION_RELU,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     1,
     true,
     {.batch = 20, .epochs = 1, .optimizer = BP_OPTIMIZER_ADAM, .rate = 0.001f}},
};

/* Parameters, then the losses of the last epoch's steps; free() them. */
static float *train(bp__engine *engine, const training *t, by_hand how, size_t *count)
{
    bp_model *model = model_of(t->widths, t->layers, t->hidden, t->output, t->loss, t->bias, 4);
    bp_data *data = data_of(t->rows, t->widths[0], t->widths[t->layers], t->labels);
    const size_t steps = (t->rows + how.batch - 1) / how.batch;
    float *losses = malloc(steps * sizeof *losses);
    float *all = steps_by_hand(engine, model, data, how, losses, count);
    all = realloc(all, (*count + steps) * sizeof *all);
    memcpy(all + *count, losses, steps * sizeof *all);
    *count += steps;
    free(losses);
    bp_data_free(data);
    bp_model_free(model);
    return all;
}

static void check_same_bits(rig *r, const float *a, const float *b, size_t count, size_t number,
                            const char *what)
{
    for (size_t i = 0; i < count; ++i)
        cr_assert(memcmp(&a[i], &b[i], sizeof *a) == 0 && isfinite(a[i]),
                  "%s: training %zu, %s: number %zu of %zu is %.9g, not %.9g", r->name, number,
                  what, i, count, (double)a[i], (double)b[i]);
}

/* The reference, then: launches of one step, gradients that are kept. Which groups there are makes
 * no difference, so that the first are those that all others are compared with. */
typedef struct expected {
    float *bits[BP_COUNT(trainings)];
} expected;

static void check_trainings(rig *r, void *context)
{
    expected *first = context;
    const size_t groups = ((bp__device_engine *)r->engine[DEVICE])->threads;
    for (size_t k = 0; k < BP_COUNT(trainings); ++k) {
        const training *t = &trainings[k];
        by_hand how = t->how;
        size_t count;
        float *bits = train(r->engine[DEVICE], t, how, &count);
        if (groups == 1) { /* the first of its width */
            float *want = train(r->engine[REFERENCE], t, how, &count);
            const double error = relative_l2(bits, want, count);
            cr_assert(error <= 2e-5, "%s: training %zu: relative error %g", r->name, k, error);
            free(want);
            free(first->bits[k]);
            first->bits[k] = bits;
        } else {
            check_same_bits(r, bits, first->bits[k], count, k, "groups");
            free(bits);
        }
        how.one_by_one = true;
        bits = train(r->engine[DEVICE], t, how, &count);
        check_same_bits(r, bits, first->bits[k], count, k, "one step a launch");
        free(bits);
        how.one_by_one = false;
        how.keep_gradients = true;
        bits = train(r->engine[DEVICE], t, how, &count);
        check_same_bits(r, bits, first->bits[k], count, k, "gradients kept");
        free(bits);
    }
}

Test(cpu_plan, same_bits_however_it_is_run)
{
    expected first = {{NULL}};
    each_cpu_shape(check_trainings, &first);
    for (size_t k = 0; k < BP_COUNT(trainings); ++k) free(first.bits[k]);
}

/* ---- Fusing the update ------------------------------------------------------------------------
 */

/* One step of a plan whose operations are looked at and changed before. */
typedef struct step {
    bp_model *model;
    bp_data *data;
    bp__network *network;
    bp__pass *pass;
    bp__plan *plan;
    bp__op *ops;
    size_t count;
} step;

static step step_of(bp__engine *engine, int32_t optimizer, bool keep_gradients)
{
    step s;
    const size_t widths[] = {10, 21, 35, 4};
    const bp__plan_optimizer how = {.optimizer = optimizer,
                                    .momentum = 0.9f,
                                    .beta1 = 0.9f,
                                    .beta2 = 0.999f,
                                    .epsilon = 1e-8f,
                                    .keep_gradients = keep_gradients};
    const float hyper[3][BP__HYPER_COUNT] = {
        {0.1f, 10, 1000, 0}, {0.1f, 10, 1000, 0}, {0.1f, 10, 1000, 0}};
    s.model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 6);
    s.data = data_of(90, widths[0], widths[3], true);
    OK(bp__network_create(&s.network, engine, s.model, true, optimizer));
    OK(bp__network_upload(s.network, s.model));
    OK(bp__pass_create(&s.pass, engine, s.data, 30, true));
    OK(bp__view_write(engine, &s.pass->views.hyper, hyper));
    OK(bp__plan_create(&s.plan, s.network, 30, true, true));
    OK(bp__plan_train_ops(&s.ops, &s.count, s.plan, &s.pass->views, &how));
    return s;
}

static float *read_arena(bp__network *network, bp__buffer *buffer)
{
    const bp__view arena = bp__network_arena(network, buffer);
    float *values = malloc(arena.columns * sizeof *values);
    OK(bp__view_read(network->engine, &arena, values));
    return values;
}

/* Parameters after the step; *gradients are what its arena holds; free() both. */
static float *take_step(step *s, float **gradients, size_t *count)
{
    bp__engine *engine = s->network->engine;
    bp__sequence *sequence;
    OK(bp__sequence_create(engine, &sequence, s->ops, s->count));
    OK(bp__pass_seek(s->pass, 1));
    OK(bp__sequence_run(engine, sequence, 1));
    bp__sequence_free(engine, sequence);
    *gradients = read_arena(s->network, s->network->gradients);
    *count = s->network->arena_size;
    return read_arena(s->network, s->network->parameters);
}

static void step_free(step *s)
{
    free(s->ops);
    bp__plan_free(s->plan);
    bp__pass_free(s->pass);
    bp__network_free(s->network);
    bp_data_free(s->data);
    bp_model_free(s->model);
}

static bool all_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (values[i] != 0) return false;
    return true;
}

/* Unless gradients are kept, they are never stored; nor do moments or parameters see a difference,
 * padding included. */
static void check_fused(rig *r, void *context)
{
    (void)context;
    bp__engine *engine = r->engine[DEVICE];
    for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer) {
        float *parameters[2], *gradients[2], *moments[2] = {NULL, NULL};
        size_t count;
        for (int keep = 0; keep < 2; ++keep) {
            step s = step_of(engine, optimizer, keep);
            parameters[keep] = take_step(&s, &gradients[keep], &count);
            if (s.network->moment1) moments[keep] = read_arena(s.network, s.network->moment1);
            step_free(&s);
        }
        cr_assert(all_zero(gradients[0], count), "%s: %s was not fused", r->name,
                  bp_optimizer_name(optimizer));
        cr_assert_not(all_zero(gradients[1], count));
        check_same_bits(r, parameters[0], parameters[1], count, 0, bp_optimizer_name(optimizer));
        if (moments[0]) check_same_bits(r, moments[0], moments[1], count, 0, "moments");
        for (int keep = 0; keep < 2; ++keep) {
            free(parameters[keep]);
            free(gradients[keep]);
            free(moments[keep]);
        }
    }
}

Test(cpu_plan, fused_update)
{
    each_cpu_shape(check_fused, NULL);
}

/* Where an effect comes after the gradient of the same weights, their update has to wait for it. */
static void check_not_fused(rig *r, void *context)
{
    (void)context;
    bp__engine *engine = r->engine[DEVICE];
    float *parameters[2], *gradients[2];
    size_t count;
    for (int swapped = 0; swapped < 2; ++swapped) {
        step s = step_of(engine, BP_OPTIMIZER_SGD, false);
        for (size_t i = 0; swapped && i + 1 < s.count; ++i)
            if (s.ops[i].kind == BP__OP_DENSE_EFFECT) {
                const bp__op effect = s.ops[i];
                s.ops[i] = s.ops[i + 1];
                s.ops[++i] = effect;
            }
        parameters[swapped] = take_step(&s, &gradients[swapped], &count);
        step_free(&s);
    }
    cr_assert(all_zero(gradients[0], count) && !all_zero(gradients[1], count));
    check_same_bits(r, parameters[1], parameters[0], count, 0, "effects after gradients");
    for (int i = 0; i < 2; ++i) {
        free(parameters[i]);
        free(gradients[i]);
    }
}

Test(cpu_plan, no_update_before_its_weights_are_used)
{
    each_cpu_shape(check_not_fused, NULL);
}

/* ---- Who does what when -----------------------------------------------------------------------
 */

/* A rig whose device has plan.cl edited by sed; close_edited afterwards. */
static rig open_edited(unsigned groups, const char *edit)
{
    edit_kernels("cpu/plan.cl", edit);
    bp_device *device;
    rig r;
    OK(bp_device_open(&device, "0:0"));
    OK(bp__engine_create(&r.engine[DEVICE], device, BP_GEMM_CPU));
    set_cpu(&r, 4, groups);
    return r;
}

static void close_edited(rig *r)
{
    bp_device *device = ((bp__device_engine *)r->engine[DEVICE])->device;
    bp__engine_free(r->engine[DEVICE]);
    bp_device_free(device);
    restore_kernels();
}

/* All operations of a phase, and all tasks of an operation, from the last to the first. */
#define REVERSED                                                                                   \
    "s/for (uint o = first; o < end; ++o) {/for (uint o = end; o-- > first;) {/;"                  \
    "s/for (uint task = begin; task < last; ++task, ++claim)/"                                     \
    "claim += last - begin; for (uint task = last; --claim, task-- > begin;)/;"

/* A step is one phase: nobody waits for anything that a step needs. */
#define ONE_PHASE                                                                                  \
    "s/end = ops\\[o\\].phase_end/end = op_count/; s/+ ops\\[o\\].tasks_until_end/+ tasks/;"

/* Nobody waits for long, everybody leaves. */
#define NO_PATIENCE "s/patience = ops.*;/patience = 0;/;"

/* Each group begins with another's share. */
#define OTHERS_FIRST                                                                               \
    "s/scratch, control, group, groups,/scratch, control, groups - 1 - group, groups,/;"           \
    "s/uint other = 1;/uint other = 0;/;"

static const char *const harmless[] = {REVERSED, NO_PATIENCE, OTHERS_FIRST,
                                       REVERSED NO_PATIENCE OTHERS_FIRST};

/* What is in one phase does not depend on each other; who does what, and whether anybody leaves the
 * launch, is the same to the result. */
Test(cpu_plan, any_order_within_a_phase)
{
    for (size_t k = 0; k < 3; ++k) {
        const training *t = &trainings[k];
        size_t count;
        rig r = open_edited(1, "");
        float *want = train(r.engine[DEVICE], t, t->how, &count);
        close_edited(&r);
        for (unsigned groups = 2; groups <= 5; groups += 3)
            for (size_t e = 0; e < BP_COUNT(harmless); ++e) {
                r = open_edited(groups, harmless[e]);
                float *got = train(r.engine[DEVICE], t, t->how, &count);
                check_same_bits(&r, got, want, count, k, harmless[e]);
                free(got);
                close_edited(&r);
            }
        free(want);
    }
}

/* One step, of which no operation reads outside of anything in whatever order they come. */
static float *one_step(unsigned groups, const char *edit, size_t *count)
{
    rig r = open_edited(groups, edit);
    step s = step_of(r.engine[DEVICE], BP_OPTIMIZER_SGD, false);
    float *gradients, *parameters = take_step(&s, &gradients, count);
    step_free(&s);
    close_edited(&r);
    free(gradients);
    return parameters;
}

/* Planted: without phases, in the reverse order, which is then as good as any. */
Test(cpu_plan, planted_phases_missing)
{
    size_t count;
    float *want = one_step(1, "", &count);
    for (unsigned groups = 2; groups <= 5; groups += 3) {
        float *got = one_step(groups, REVERSED, &count);
        cr_assert(memcmp(got, want, count * sizeof *got) == 0);
        free(got);
        got = one_step(groups, REVERSED ONE_PHASE, &count);
        cr_assert(relative_l2(got, want, count) > 1e-3, "the planted bug went unnoticed");
        free(got);
    }
    free(want);
}

/* ---- Stress ----------------------------------------------------------------------------------
 */

/* Many more threads than cores, none of which knows when it is put aside, and phases of a few
 * hundred nanoseconds, most of them one task; then some with a task for everybody. Thousands of
 * steps, twenty times, against what one group makes of them. */
Test(cpu_plan, stress)
{
    setenv("POCL_MAX_PTHREAD_COUNT", "8", 1);
    bp_device *device;
    OK(bp_device_open(&device, "0:0"));
    rig r;
    OK(bp__engine_create(&r.engine[DEVICE], device, BP_GEMM_CPU));
    const unsigned width = ((bp__device_engine *)r.engine[DEVICE])->vector_width;
    for (int large = 0; large < 2; ++large) {
        training t = trainings[large ? 2 : 1];
        t.how.batch = large ? 40 : 2;
        t.rows = t.how.batch * (large ? 100 : 3000);
        t.how.epochs = 1;
        set_cpu(&r, width, 1);
        size_t count;
        float *want = train(r.engine[DEVICE], &t, t.how, &count);
        for (unsigned repeat = 0; repeat < 20; ++repeat) {
            set_cpu(&r, width, 4 + repeat % 7);
            float *got = train(r.engine[DEVICE], &t, t.how, &count);
            check_same_bits(&r, got, want, count, repeat, "stress");
            free(got);
        }
        free(want);
    }
    bp__engine_free(r.engine[DEVICE]);
    bp_device_free(device);
}
