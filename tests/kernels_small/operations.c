/* operations.c - each operation by itself. */
#include "base/families.h"
#include "kernels_small/small.h"
#include "ops/probe.h"

/* Compares a result of both sides. */
void check_same(rig *r, const pair *result, const char *what)
{
    float *got = read_side(r, result, DEVICE), *want = read_side(r, result, REFERENCE);
    for (size_t i = 0; i < result->on[DEVICE].rows * result->on[DEVICE].columns; ++i)
        cr_assert(fabs((double)got[i] - (double)want[i]) <= 1e-5 * (1 + fabs((double)want[i])),
                  "%s: %s, element %zu: %g not %g", r->name, what, i, (double)got[i],
                  (double)want[i]);
    check_guards(r, result, what);
    free(got);
    free(want);
}

/* Rows, inputs, outputs. */
static const size_t shapes[][3] = {{3, 5, 2},   {1, 1, 1},    {5, 17, 9},
                                   {16, 7, 33}, {19, 34, 18}, {1, 21, 150}};

/* Sums deeper than a block of k, of the CPU's kernel alone. */
static const size_t deep_shapes[][3] = {{2, 1030, 3}, {1, 1030, 3}, {2, 3, 1030}, {1030, 3, 2}};

static void check_forward(rig *r, const size_t shape[3], int32_t activation, bool with_bias)
{
    const size_t B = shape[0], m = shape[1], n = shape[2];
    float *x = random_floats(B * m, 1, 1), *w = random_floats(n * m, 1 / sqrt((double)m), 2);
    float *b = random_floats(n, 1, 3);
    pair in = pair_of(r, BP__BATCH, B, m, x), weights = pair_of(r, BP__WEIGHTS, n, m, w);
    pair bias = pair_of(r, BP__TABLE, 1, n, b), out = pair_of(r, BP__BATCH, B, n, NULL);
    pair net = pair_of(r, BP__BATCH, B, n, NULL);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_DENSE_FORWARD,
                     .as.dense_forward = {.out = out.on[side],
                                          .in = in.on[side],
                                          .weights = weights.on[side],
                                          .activation = activation}};
        if (with_bias) op.as.dense_forward.bias = bias.on[side];
        if (bp__activation(activation)->of_net) op.as.dense_forward.net = net.on[side];
        run_op(r, side, &op);
    }
    check_same(r, &out, "forward");
    check_same(r, &net, "net inputs");
    pair *const all[] = {&in, &weights, &bias, &out, &net};
    for (int i = 0; i < 5; ++i) pair_free(r, all[i]);
    free(x);
    free(w);
    free(b);
}

static void check_gradient(rig *r, const size_t shape[3], bool with_bias)
{
    const size_t B = shape[0], m = shape[1], n = shape[2];
    float *x = random_floats(B * m, 1, 6), *d = random_floats(B * n, 1 / sqrt((double)B), 7);
    pair in = pair_of(r, BP__BATCH, B, m, x), delta = pair_of(r, BP__BATCH, B, n, d);
    pair weights = pair_of(r, BP__WEIGHTS, n, m, NULL), bias = pair_of(r, BP__TABLE, 1, n, NULL);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_DENSE_GRADIENT,
                     .as.dense_gradient = {.weights_gradient = weights.on[side],
                                           .delta = delta.on[side],
                                           .in = in.on[side]}};
        if (with_bias) op.as.dense_gradient.bias_gradient = bias.on[side];
        run_op(r, side, &op);
    }
    check_same(r, &weights, "gradient");
    check_same(r, &bias, "bias gradient");
    pair *const all[] = {&in, &delta, &weights, &bias};
    for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    free(x);
    free(d);
}

void check_forward_and_gradient(rig *r)
{
    for (size_t s = 0; s < BP_COUNT(shapes); ++s)
        for (int bias = 0; bias < 2; ++bias) {
            for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
                if (s == 0 || f == BP_ACTIVATION_SIGMOID) check_forward(r, shapes[s], f, bias);
            if (s < 3) check_forward(r, shapes[s], BP_ACTIVATION_SILU, bias);
            check_gradient(r, shapes[s], bias);
        }
    for (size_t s = 0; s < BP_COUNT(deep_shapes) && device_engine(r)->cpu_kernels; ++s) {
        check_forward(r, deep_shapes[s], BP_ACTIVATION_TANH, true);
        check_gradient(r, deep_shapes[s], true);
    }
}

static void check_effect_of(rig *r, const size_t shape[3], int32_t activation)
{
    const size_t B = shape[0], m = shape[1], n = shape[2];
    float *a = random_floats(B * m, 0.9, 1), *w = random_floats(n * m, 1 / sqrt((double)n), 2);
    float *d = random_floats(B * n, 1, 3);
    pair in = pair_of(r, BP__BATCH, B, m, a), weights = pair_of(r, BP__WEIGHTS, n, m, w);
    pair delta = pair_of(r, BP__BATCH, B, n, d), out = pair_of(r, BP__BATCH, B, m, NULL);
    for (int side = 0; side < SIDES; ++side) {
        const bp__op op = {.kind = BP__OP_DENSE_EFFECT,
                           .as.dense_effect = {out.on[side], delta.on[side], weights.on[side],
                                               in.on[side], activation}};
        run_op(r, side, &op);
    }
    check_same(r, &out, "effect");
    pair *const all[] = {&in, &weights, &delta, &out};
    for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    free(a);
    free(w);
    free(d);
}

void check_effect(rig *r)
{
    for (size_t s = 0; s < BP_COUNT(shapes); ++s)
        for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
            if (s == 0 || f == BP_ACTIVATION_SIGMOID) check_effect_of(r, shapes[s], f);
    for (size_t s = 0; s < BP_COUNT(deep_shapes) && device_engine(r)->cpu_kernels; ++s)
        check_effect_of(r, deep_shapes[s], BP_ACTIVATION_TANH);
}

void check_gather(rig *r)
{
    enum { ROWS = 9, B = 4 };
    const size_t widths[] = {1, 3, 16, 17};
    int32_t order[ROWS], tags[ROWS];
    for (int i = 0; i < ROWS; ++i) {
        order[i] = (i * 4 + 1) % ROWS;
        tags[i] = 100 + i;
    }
    for (size_t k = 0; k < BP_COUNT(widths); ++k)
        for (int32_t now = 0; now < 2; ++now) {
            float *x = random_floats(ROWS * widths[k], 1, 8);
            pair in = pair_of(r, BP__DATA, ROWS, widths[k], x);
            pair out = pair_of(r, BP__BATCH, B, widths[k], NULL);
            pair in_tags = integers_of(r, ROWS, 1, tags);
            pair out_tags = integers_of(r, B, 1, order);
            pair permutation = integers_of(r, 1, ROWS, order);
            pair step = integers_of(r, 1, 1, &now);
            for (int side = 0; side < SIDES; ++side) {
                bp__op op = {.kind = BP__OP_GATHER,
                             .as.gather = {out.on[side], in.on[side], permutation.on[side],
                                           step.on[side], B}};
                run_op(r, side, &op);
                op.as.gather.out = out_tags.on[side];
                op.as.gather.in = in_tags.on[side];
                run_op(r, side, &op);
            }
            check_same(r, &out, "gather");
            int32_t picked[B];
            OK(bp__view_read(r->engine[DEVICE], &out_tags.on[DEVICE], picked));
            for (int i = 0; i < B; ++i) cr_assert_eq(picked[i], tags[order[now * B + i]]);
            pair *const all[] = {&in, &out, &in_tags, &out_tags, &permutation, &step};
            for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
            free(x);
        }
}

static void check_loss(rig *r, size_t B, size_t n, int32_t loss, int32_t activation, bool labels,
                       bool with_delta)
{
    float *o = random_floats(B * n, 1, 9), *t = random_floats(B * n, 1, 10);
    int32_t *l = malloc(B * sizeof *l);
    for (size_t i = 0; i < B; ++i) l[i] = (int32_t)(i * 5 % n);
    for (size_t i = 0; i < B * n; ++i) t[i] = fabsf(t[i]);
    pair output = pair_of(r, BP__BATCH, B, n, o), delta = pair_of(r, BP__BATCH, B, n, NULL);
    pair target = labels ? integers_of(r, B, 1, l) : pair_of(r, BP__BATCH, B, n, t);
    pair row_loss = pair_of(r, BP__TABLE, 1, B, NULL), hits = pair_of(r, BP__TABLE, 1, B, NULL);
    float *w = random_floats(B, 1, 11);
    pair weights = pair_of(r, BP__TABLE, 1, B, w);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_LOSS,
                     .as.loss = {.row_loss = row_loss.on[side],
                                 .row_hits = hits.on[side],
                                 .output = output.on[side],
                                 .loss = loss,
                                 .activation = activation,
                                 .scale = 0.25f}};
        if (labels) { /* [B][1], as a plan has them */
            op.as.loss.weights = weights.on[side];
            op.as.loss.weights.rows = B;
            op.as.loss.weights.columns = op.as.loss.weights.stride = 1;
        }
        if (with_delta) op.as.loss.delta = delta.on[side];
        *(labels ? &op.as.loss.labels : &op.as.loss.targets) = target.on[side];
        run_op(r, side, &op);
    }
    check_same(r, &row_loss, "loss");
    check_same(r, &hits, "hits");
    if (with_delta) check_same(r, &delta, "delta");
    pair *const all[] = {&output, &delta, &target, &row_loss, &hits, &weights};
    for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
    free(o);
    free(t);
    free(l);
    free(w);
}

void check_losses(rig *r)
{
    const size_t sizes[][2] = {{1, 1}, {5, 3}, {3, 17}};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s)
        for (int options = 0; options < 4; ++options) {
            check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX,
                       options & 1, options & 2);
            for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
                check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_HALF_SQUARED, f, options & 1,
                           options & 2);
            check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, options & 1,
                       options & 2);
            check_loss(r, sizes[s][0], sizes[s][1], BP_LOSS_HUBER, BP_ACTIVATION_GELU, options & 1,
                       options & 2);
        }
}

void check_softmax(rig *r)
{
    const size_t sizes[][2] = {{1, 1}, {5, 3}, {3, 17}};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s)
        for (int in_place = 0; in_place < 2; ++in_place) {
            float *z = random_floats(sizes[s][0] * sizes[s][1], 4, 11);
            pair in = pair_of(r, BP__BATCH, sizes[s][0], sizes[s][1], z);
            pair out = pair_of(r, BP__BATCH, sizes[s][0], sizes[s][1], NULL);
            pair *result = in_place ? &in : &out;
            for (int side = 0; side < SIDES; ++side) {
                const bp__op op = {.kind = BP__OP_SOFTMAX,
                                   .as.softmax = {result->on[side], in.on[side]}};
                run_op(r, side, &op);
            }
            check_same(r, result, "softmax");
            pair_free(r, &in);
            pair_free(r, &out);
            free(z);
        }
}

void check_reduce(rig *r)
{
    const size_t sizes[] = {1, 7, 129, 300};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s) {
        float *e = random_floats(sizes[s], 1, 12), *h = random_integers(sizes[s], 1, 13);
        const int32_t start = 1;
        pair row_loss = pair_of(r, BP__TABLE, 1, sizes[s], e);
        pair row_hits = pair_of(r, BP__TABLE, 1, sizes[s], h);
        pair losses = pair_of(r, BP__TABLE, 1, 3, NULL), hits = pair_of(r, BP__TABLE, 1, 3, NULL);
        pair step = integers_of(r, 1, 1, &start);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {.kind = BP__OP_REDUCE_LOSS,
                               .as.reduce_loss = {losses.on[side], hits.on[side], row_loss.on[side],
                                                  row_hits.on[side], step.on[side]}};
            run_op(r, side, &op);
        }
        check_same(r, &losses, "sum of losses");
        check_same(r, &hits, "sum of hits");
        pair *const all[] = {&row_loss, &row_hits, &losses, &hits, &step};
        for (int i = 0; i < 5; ++i) pair_free(r, all[i]);
        free(e);
        free(h);
    }
}

void check_optimizer(rig *r)
{
    enum { N = 64 };
    float *w = random_floats(N, 1, 14), *g = random_floats(N, 1, 15), zeros[N] = {0};
    const float hyper[2][BP__HYPER_COUNT] = {{9, 9, 9, 9}, {0.5f, 10, 1000, 0}};
    for (int32_t kind = 0; bp__optimizer_updates(kind); ++kind) {
        const int32_t now = 2, moments = bp__optimizer_of(kind)->moments;
        pair sums = pair_of(r, BP__TABLE, 1, 3, NULL), factor = pair_of(r, BP__TABLE, 1, 1, NULL);
        pair parameters = pair_of(r, BP__TABLE, 1, N, w),
             gradients = pair_of(r, BP__TABLE, 1, N, g);
        pair moment1 = pair_of(r, BP__TABLE, 1, N, zeros),
             moment2 = pair_of(r, BP__TABLE, 1, N, zeros);
        pair table = pair_of(r, BP__TABLE, 1, 2 * BP__HYPER_COUNT, hyper[0]);
        pair step = integers_of(r, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__op op = {.kind = BP__OP_OPTIMIZER,
                         .as.optimizer = {.parameters = parameters.on[side],
                                          .gradients = gradients.on[side],
                                          .hyper = table.on[side],
                                          .step = step.on[side],
                                          .optimizer = kind,
                                          .momentum = 0.9f,
                                          .beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-8f}};
            op.as.optimizer.hyper.rows = 2;
            op.as.optimizer.hyper.columns = op.as.optimizer.hyper.stride = BP__HYPER_COUNT;
            if (moments > 0) op.as.optimizer.moment1 = moment1.on[side];
            if (moments > 1) op.as.optimizer.moment2 = moment2.on[side];
            if (kind % 2) { /* every other one with all that there is */
                op.as.optimizer.factor = factor.on[side];
                op.as.optimizer.l1 = op.as.optimizer.l2 = op.as.optimizer.decay = 0.1f;
                op.as.optimizer.clip = 0.05f;
                const bp__op squares = {.kind = BP__OP_SQUARES,
                                        .as.squares = {sums.on[side], gradients.on[side], 25}};
                const bp__op clip = {
                    .kind = BP__OP_CLIP,
                    .as.clip = {factor.on[side], sums.on[side], kind % 4 == 1 ? 0.5f : 1e3f}};
                run_op(r, side, &squares);
                run_op(r, side, &clip);
            }
            run_op(r, side, &op);
        }
        check_same(r, &parameters, bp_optimizer_name(kind));
        check_same(r, &moment1, bp_optimizer_name(kind));
        check_same(r, &moment2, bp_optimizer_name(kind));
        check_same(r, &sums, "squares");
        check_same(r, &factor, "factor");
        pair *const all[] = {&parameters, &gradients, &moment1, &moment2,
                             &table,      &step,      &sums,    &factor};
        for (int i = 0; i < 8; ++i) pair_free(r, all[i]);
    }
    free(w);
    free(g);
}

/* Units above the limit and below it, also in rows longer than a work-group. */
void check_max_norm(rig *r)
{
    const size_t sizes[][2] = {{1, 1}, {3, 5}, {17, 7}, {2, 70}};
    for (size_t s = 0; s < BP_COUNT(sizes); ++s) {
        const size_t n = sizes[s][0], m = sizes[s][1];
        float *w = random_floats(n * m, 1, 18);
        for (size_t i = 0; i < n * m; ++i) w[i] *= (float)(i / m % 2 + 1);
        pair weights = pair_of(r, BP__WEIGHTS, n, m, w);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {
                .kind = BP__OP_MAX_NORM,
                .as.max_norm = {.weights = weights.on[side], .limit = 0.7f * sqrtf((float)m)}};
            run_op(r, side, &op);
        }
        check_same(r, &weights, "max-norm");
        pair_free(r, &weights);
        free(w);
    }
}

void check_average(rig *r)
{
    enum { N = 64 };
    float *a = random_floats(N, 1, 19), *w = random_floats(N, 1, 20);
    const float hyper[2][BP__HYPER_COUNT] = {{9, 9, 9, 9, 9}, {9, 9, 9, 9, 0.25f}};
    const int32_t now = 2;
    pair averages = pair_of(r, BP__TABLE, 1, N, a), parameters = pair_of(r, BP__TABLE, 1, N, w);
    pair table = pair_of(r, BP__TABLE, 1, 2 * BP__HYPER_COUNT, hyper[0]);
    pair step = integers_of(r, 1, 1, &now);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {
            .kind = BP__OP_AVERAGE,
            .as.average = {averages.on[side], parameters.on[side], table.on[side], step.on[side]}};
        op.as.average.hyper.rows = 2;
        op.as.average.hyper.columns = op.as.average.hyper.stride = BP__HYPER_COUNT;
        run_op(r, side, &op);
    }
    check_same(r, &averages, "averages");
    pair *const all[] = {&averages, &parameters, &table, &step};
    for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    free(a);
    free(w);
}

void check_accumulate(rig *r)
{
    enum { N = 64 };
    float *a = random_floats(N, 1, 21), *g = random_floats(N, 1, 22);
    const float hyper[2][BP__HYPER_COUNT] = {{9, 9, 9, 9, 9, 9}, {9, 9, 9, 9, 9, 0.25f}};
    const int32_t now = 2;
    for (int ends = 0; ends < 2; ++ends) {
        pair sums = pair_of(r, BP__TABLE, 1, N, a), gradients = pair_of(r, BP__TABLE, 1, N, g);
        pair table = pair_of(r, BP__TABLE, 1, 2 * BP__HYPER_COUNT, hyper[0]);
        pair step = integers_of(r, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__op op = {.kind = BP__OP_ACCUMULATE,
                         .as.accumulate = {sums.on[side], gradients.on[side], table.on[side],
                                           step.on[side], ends}};
            op.as.accumulate.hyper.rows = 2;
            op.as.accumulate.hyper.columns = op.as.accumulate.hyper.stride = BP__HYPER_COUNT;
            run_op(r, side, &op);
        }
        check_same(r, &sums, "sums of gradients");
        check_same(r, &gradients, "gradients of a group");
        pair *const all[] = {&sums, &gradients, &table, &step};
        for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    }
    free(a);
    free(g);
}

/* The kernels that measure a device: out = x + a y, and chains whose results only have to be
 * finite. */
void check_peak(rig *r)
{
    enum { VECTORS = 7 };
    bp__device_engine *engine = device_engine(r);
    const size_t width = engine->vector_width, floats = VECTORS * width;
    float *x = random_floats(floats, 1, 16), *y = random_floats(floats, 1, 17);
    pair px = pair_of(r, BP__TABLE, 1, floats, x), py = pair_of(r, BP__TABLE, 1, floats, y);
    pair out = pair_of(r, BP__TABLE, 1, floats, NULL);
    for (int blocks = 0; blocks < 2; ++blocks) {
        /* These kernels start at a buffer's first word, and the guards are multiples of a vector.
         */
        const cl_mem memory[] = {bp__buffer_memory(out.on[DEVICE].buffer),
                                 bp__buffer_memory(px.on[DEVICE].buffer),
                                 bp__buffer_memory(py.on[DEVICE].buffer)};
        const cl_float a = 0.5f, b = 0.25f;
        const cl_uint repeat = 1;
        const cl_ulong count = VECTORS + GUARD / width;
        char options[64];
        snprintf(options, sizeof options, "-DBP_VW=%zu -DBLOCKS=%d", width, blocks);
        const bp__grid grid = {1, {3, 1, 1}, {0}};
        const bp__arg triad[] = {BP_ARG(memory[0]), BP_ARG(memory[1]), BP_ARG(memory[2]), BP_ARG(a),
                                 BP_ARG(count)};
        bp__recorder recorder = {.device = engine->device};
        OK(bp__record_launch(&recorder, "peak.cl", options, "peak_triad", triad, BP_COUNT(triad),
                             &grid));
        OK(bp__recorder_enqueue(&recorder, 1));
        float *got = read_side(r, &out, DEVICE);
        for (size_t i = 0; i < floats; ++i)
            cr_assert_float_eq(got[i], x[i] + 0.5f * y[i], 1e-6, "%s: %g", r->name, (double)got[i]);
        free(got);
        bp__recorder_clear(&recorder);
        const bp__arg fma[] = {BP_ARG(memory[0]), BP_ARG(repeat), BP_ARG(a), BP_ARG(b)};
        OK(bp__record_launch(&recorder, "peak.cl", options, "peak_fma", fma, BP_COUNT(fma), &grid));
        OK(bp__recorder_enqueue(&recorder, 1));
        OK(bp__engine_finish(r->engine[DEVICE]));
        bp__recorder_clear(&recorder);
    }
    pair *const all[] = {&px, &py, &out};
    for (int i = 0; i < 3; ++i) pair_free(r, all[i]);
    free(x);
    free(y);
}

/* What can be probed without PTX. */
void check_probes(rig *r)
{
    if (device_engine(r)->cpu_kernels) return;
    size_t count;
    const bp__matrix_units *units = bp__matrix_units_all(&count);
    OK(bp__probe_try(device_engine(r), BP__PROBE_NOTHING, 0));
    OK(bp__probe_try(device_engine(r), BP__PROBE_LOCAL, 100));
    for (size_t i = 0; i < count; ++i)
        for (int32_t p = 0; bp_precision_name(p); ++p)
            if (units[i].depth[p]) OK(bp__probe_try_units(device_engine(r), &units[i], p, true));
}
