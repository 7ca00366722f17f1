/* test_loss.c - losses with their deltas, softmax, the sum over a batch, against the reference. */
#include "support.h"

static const int32_t any_gemm[] = {BP_GEMM_AUTO, BP_GEMM_GPU, -1};

typedef struct loss_case {
    int32_t loss, activation;
    bool labels, delta;
    double range; /* of the outputs */
    bool weighted;
    double smoothing, parameter;
} loss_case;

static const loss_case cases[] = {
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, true, true, 3, false, 0, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, true, false, 3, false, 0, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, true, true, 100, false, 0, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, true, true, 1e4, false, 0, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, false, true, 3, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_SIGMOID, true, true, 1, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_TANH, false, true, 1, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_LINEAR, false, true, 5, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_RELU, false, false, 2, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_GELU, true, true, 2, false, 0, 0},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_SINE, false, true, 3, false, 0, 0},
    {BP_LOSS_MSE, BP_ACTIVATION_LINEAR, false, true, 5, false, 0, 0},
    {BP_LOSS_MSE, BP_ACTIVATION_SILU, true, true, 2, false, 0, 0},
    {BP_LOSS_MAE, BP_ACTIVATION_LINEAR, false, true, 5, false, 0, 0},
    {BP_LOSS_MAE, BP_ACTIVATION_SOFTPLUS, true, false, 5, false, 0, 0},
    {BP_LOSS_HUBER, BP_ACTIVATION_LINEAR, false, true, 5, false, 0, 0},
    {BP_LOSS_HUBER, BP_ACTIVATION_SELU, false, true, 2, false, 0, 0},
    {BP_LOSS_QUANTILE, BP_ACTIVATION_LINEAR, false, true, 5, false, 0, 0},
    {BP_LOSS_QUANTILE, BP_ACTIVATION_ELU, true, true, 1, false, 0, 0},
    {BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, false, true, 4, false, 0, 0},
    {BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, true, true, 100, false, 0, 0},
    {BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, true, false, 1e4, false, 0, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, true, true, 3, true, 0.1, 0},
    {BP_LOSS_CROSS_ENTROPY, BP_ACTIVATION_SOFTMAX, false, true, 3, true, 0.3, 0},
    {BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, true, true, 4, true, 0.2, 0},
    {BP_LOSS_BCE, BP_ACTIVATION_SIGMOID, false, true, 4, false, 0.1, 0},
    {BP_LOSS_HUBER, BP_ACTIVATION_TANH, false, true, 1, true, 0, 0.25},
    {BP_LOSS_QUANTILE, BP_ACTIVATION_LINEAR, false, true, 2, true, 0, 0.9},
    {BP_LOSS_HALF_SQUARED, BP_ACTIVATION_SIGMOID, true, true, 1, true, 0, 0},
};

static bool bounded(const loss_case *c)
{
    return c->loss == BP_LOSS_CROSS_ENTROPY || c->loss == BP_LOSS_BCE;
}

/* The weights [B][1], as the plan has them. */
static pair weights_of(rig *r, size_t B, float *w)
{
    for (size_t i = 0; i < B; ++i) w[i] = fabsf(w[i]);
    pair weights = pair_of(r, BP__TABLE, 1, B, w);
    for (int side = 0; side < SIDES; ++side) {
        weights.on[side].rows = B;
        weights.on[side].columns = weights.on[side].stride = 1;
    }
    return weights;
}

static void check_case(rig *r, const loss_case *c, size_t B, size_t n)
{
    float *o = random_floats(B * n, c->range, 5), *t = random_floats(B * n, 1, 6);
    int32_t *labels = malloc((B + 1) * sizeof *labels);
    for (size_t i = 0; i < B; ++i) labels[i] = (int32_t)((i * 7 + 3) % n);
    for (size_t i = 0; bounded(c) && i < B * n; ++i) t[i] = fabsf(t[i]);
    float *w = random_floats(B, 2, 7);
    pair output = pair_of(r, BP__BATCH, B, n, o), delta = pair_of(r, BP__BATCH, B, n, NULL);
    pair target = c->labels ? integers_of(r, B, 1, labels) : pair_of(r, BP__BATCH, B, n, t);
    pair row_loss = pair_of(r, BP__TABLE, 1, B, NULL), hits = pair_of(r, BP__TABLE, 1, B, NULL);
    pair weights = weights_of(r, B, w);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_LOSS,
                     .as.loss = {.row_loss = row_loss.on[side],
                                 .row_hits = hits.on[side],
                                 .output = output.on[side],
                                 .loss = c->loss,
                                 .activation = c->activation,
                                 .scale = 1.0f / (float)(B ? B : 1),
                                 .smoothing = c->smoothing,
                                 .parameter = c->parameter}};
        if (c->weighted) op.as.loss.weights = weights.on[side];
        if (c->delta) op.as.loss.delta = delta.on[side];
        *(c->labels ? &op.as.loss.labels : &op.as.loss.targets) = target.on[side];
        run_op(r, side, &op);
    }
    const char *name = bp_loss_name(c->loss);
    float *got = read_side(r, &row_loss, DEVICE), *want = read_side(r, &row_loss, REFERENCE);
    for (size_t i = 0; i < B; ++i)
        cr_assert(fabs((double)got[i] - (double)want[i]) <=
                      2e-6 * fmax(fabs((double)want[i]), c->range),
                  "%s: %s of %zux%zu, row %zu: %.9g not %.9g", r->name, name, B, n, i,
                  (double)got[i], (double)want[i]);
    free(got);
    free(want);
    got = read_side(r, &hits, DEVICE), want = read_side(r, &hits, REFERENCE);
    for (size_t i = 0; i < B; ++i) cr_assert(got[i] == want[i], "%s: hit of row %zu", r->name, i);
    free(got);
    free(want);
    if (c->delta) {
        got = read_side(r, &delta, DEVICE), want = read_side(r, &delta, REFERENCE);
        for (size_t i = 0; i < B * n; ++i)
            cr_assert(fabs((double)got[i] - (double)want[i]) * (double)B <=
                          2e-6 * fmax(1, c->range),
                      "%s: delta of %s %zux%zu, element %zu: %.9g not %.9g", r->name, name, B, n, i,
                      (double)got[i], (double)want[i]);
        free(got);
        free(want);
        check_guards(r, &delta, "loss");
    }
    check_guards(r, &row_loss, "loss");
    check_guards(r, &hits, "loss");
    pair *const all[] = {&output, &delta, &target, &row_loss, &hits, &weights};
    for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
    free(o);
    free(t);
    free(w);
    free(labels);
}

/* Loss and its sum as one sequence: delta, sums and step counter. */
static void check_summed_case(rig *r, const loss_case *c, size_t B, size_t n)
{
    float *o = random_floats(B * n, c->range, 5), *t = random_floats(B * n, 1, 6);
    int32_t *labels = malloc((B + 1) * sizeof *labels);
    for (size_t i = 0; i < B; ++i) labels[i] = (int32_t)((i * 7 + 3) % n);
    for (size_t i = 0; bounded(c) && i < B * n; ++i) t[i] = fabsf(t[i]);
    float *w = random_floats(B, 2, 7);
    const int32_t start = 2;
    pair output = pair_of(r, BP__BATCH, B, n, o), delta = pair_of(r, BP__BATCH, B, n, NULL);
    pair target = c->labels ? integers_of(r, B, 1, labels) : pair_of(r, BP__BATCH, B, n, t);
    pair row_loss = pair_of(r, BP__TABLE, 1, B, NULL), row_hits = pair_of(r, BP__TABLE, 1, B, NULL);
    pair losses = pair_of(r, BP__TABLE, 1, 4, NULL), hits = pair_of(r, BP__TABLE, 1, 4, NULL);
    pair step = integers_of(r, 1, 1, &start), weights = weights_of(r, B, w);
    for (int side = 0; side < SIDES; ++side) {
        bp__op ops[2] = {{.kind = BP__OP_LOSS,
                          .as.loss = {.row_loss = row_loss.on[side],
                                      .row_hits = row_hits.on[side],
                                      .output = output.on[side],
                                      .loss = c->loss,
                                      .activation = c->activation,
                                      .scale = 1.0f / (float)B,
                                      .smoothing = c->smoothing,
                                      .parameter = c->parameter}},
                         {.kind = BP__OP_REDUCE_LOSS,
                          .as.reduce_loss = {losses.on[side], hits.on[side], row_loss.on[side],
                                             row_hits.on[side], step.on[side]}}};
        if (c->weighted) ops[0].as.loss.weights = weights.on[side];
        if (c->delta) ops[0].as.loss.delta = delta.on[side];
        *(c->labels ? &ops[0].as.loss.labels : &ops[0].as.loss.targets) = target.on[side];
        run_ops(r, side, ops, 2);
        int32_t now;
        OK(bp__view_read(r->engine[side], &step.on[side], &now));
        cr_assert_eq(now, start + 1);
    }
    pair *const results[] = {&losses, &hits, &delta};
    const double scale[] = {fmax(1, c->range) * (double)B, 1, fmax(1, c->range) / (double)B};
    for (int i = 0; i < (c->delta ? 3 : 2); ++i) {
        float *got = read_side(r, results[i], DEVICE), *want = read_side(r, results[i], REFERENCE);
        for (size_t e = 0; e < results[i]->on[DEVICE].rows * results[i]->on[DEVICE].columns; ++e)
            cr_assert(fabs((double)got[e] - (double)want[e]) <=
                          2e-6 * scale[i] + 0x1p-23 * fabs((double)want[e]),
                      "%s: %s of %zux%zu, result %d, element %zu: %.9g not %.9g", r->name,
                      bp_loss_name(c->loss), B, n, i, e, (double)got[e], (double)want[e]);
        check_guards(r, results[i], "loss with its sum");
        free(got);
        free(want);
    }
    pair *const all[] = {&output, &delta, &target, &row_loss, &row_hits,
                         &losses, &hits,  &step,   &weights};
    for (int i = 0; i < 9; ++i) pair_free(r, all[i]);
    free(o);
    free(t);
    free(w);
    free(labels);
}

static void check_summed(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][2] = {{1, 1}, {1, 2}, {7, 10}, {16, 16}, {33, 101}, {128, 10}, {900, 10}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
            check_summed_case(r, &cases[k], shapes[s][0], shapes[s][1]);
}

Test(loss, with_its_sum)
{
    each_device(any_gemm, check_summed, NULL);
}

static void check_losses(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][2] = {{0, 2}, {1, 1}, {1, 2}, {7, 10}, {128, 10}, {33, 101}, {257, 3}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
            check_case(r, &cases[k], shapes[s][0], shapes[s][1]);
}

Test(loss, every_case_against_the_reference)
{
    each_device(any_gemm, check_losses, NULL);
}

/* Rows and columns on both sides of a block, which is transposed. */
static void check_blocks(rig *r, void *context)
{
    (void)context;
    const size_t width = r->engine[DEVICE]->quantum, sizes[] = {1, width - 1, width, width + 1};
    for (size_t k = 0; k < BP_COUNT(cases); ++k)
        for (size_t rows = 0; rows < BP_COUNT(sizes); ++rows)
            for (size_t columns = 0; columns < BP_COUNT(sizes); ++columns)
                check_case(r, &cases[k], sizes[rows], sizes[columns]);
    check_summed_case(r, &cases[0], 900, 101);
}

Test(loss, every_cpu_shape)
{
    each_cpu_shape(check_blocks, NULL);
}

/* A net input that is NaN or infinite must show in the loss, wherever it stands. */
static void check_not_finite(rig *r, void *context)
{
    (void)context;
    const float bad[] = {NAN, INFINITY};
    for (int b = 0; b < 2; ++b)
        for (int place = 0; place < 3; ++place) {
            float z[3] = {0.5f, -1.0f, 2.0f};
            z[place] = bad[b];
            const int32_t label = 1;
            pair output = pair_of(r, BP__BATCH, 1, 3, z), target = integers_of(r, 1, 1, &label);
            pair row_loss = pair_of(r, BP__TABLE, 1, 1, NULL),
                 hits = pair_of(r, BP__TABLE, 1, 1, NULL);
            for (int side = 0; side < SIDES; ++side) {
                const bp__op op = {.kind = BP__OP_LOSS,
                                   .as.loss = {.row_loss = row_loss.on[side],
                                               .row_hits = hits.on[side],
                                               .output = output.on[side],
                                               .labels = target.on[side],
                                               .loss = BP_LOSS_CROSS_ENTROPY,
                                               .activation = BP_ACTIVATION_SOFTMAX,
                                               .scale = 1}};
                run_op(r, side, &op);
                float *loss = read_side(r, &row_loss, side);
                cr_assert(!isfinite(loss[0]), "%s: side %d: %g at %d gives the loss %g", r->name,
                          side, (double)bad[b], place, (double)loss[0]);
                free(loss);
            }
            pair *const all[] = {&output, &target, &row_loss, &hits};
            for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
        }
}

Test(loss, not_finite_is_seen)
{
    each_device(any_gemm, check_not_finite, NULL);
}

static void check_softmax(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][2] = {{0, 3}, {1, 1}, {9, 10}, {130, 37}};
    const double ranges[] = {2, 100, 1e30};
    for (size_t s = 0; s < BP_COUNT(shapes); ++s)
        for (int k = 0; k < 3; ++k) {
            const size_t B = shapes[s][0], n = shapes[s][1];
            float *z = random_floats(B * n, ranges[k], 8);
            pair in = pair_of(r, BP__BATCH, B, n, z);
            for (int side = 0; side < SIDES; ++side) { /* in place, as the plan uses it */
                const bp__op op = {.kind = BP__OP_SOFTMAX,
                                   .as.softmax = {.out = in.on[side], .in = in.on[side]}};
                run_op(r, side, &op);
            }
            float *got = read_side(r, &in, DEVICE), *want = read_side(r, &in, REFERENCE);
            for (size_t i = 0; i < B; ++i) {
                double sum = 0;
                for (size_t c = 0; c < n; ++c) {
                    sum += (double)got[i * n + c];
                    cr_assert(fabs((double)got[i * n + c] - (double)want[i * n + c]) <=
                              2e-7 + 1e-7 * ranges[k] * (ranges[k] < 1e3));
                }
                cr_assert(fabs(sum - 1) < 1e-5, "%s: probabilities add up to %g", r->name, sum);
            }
            check_guards(r, &in, "softmax");
            free(got);
            free(want);
            free(z);
            pair_free(r, &in);
        }
}

Test(loss, softmax)
{
    each_device(any_gemm, check_softmax, NULL);
    each_cpu_shape(check_softmax, NULL);
}

static void check_reduce(rig *r, void *context)
{
    (void)context;
    const size_t sizes[] = {0, 1, 2, 7, 63, 64, 65, 127, 128, 129, 1000, 60001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
        const size_t B = sizes[s];
        float *e = random_floats(B, 1, 9), *h = random_integers(B, 1, 10);
        for (size_t i = 0; i < B; ++i) e[i] = fabsf(e[i]) + 0.001f;
        const int32_t start = 3;
        pair row_loss = pair_of(r, BP__TABLE, 1, B, e), row_hits = pair_of(r, BP__TABLE, 1, B, h);
        pair losses = pair_of(r, BP__TABLE, 1, 8, NULL), hits = pair_of(r, BP__TABLE, 1, 8, NULL);
        pair step = integers_of(r, 1, 1, &start);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {.kind = BP__OP_REDUCE_LOSS,
                               .as.reduce_loss = {losses.on[side], hits.on[side], row_loss.on[side],
                                                  row_hits.on[side], step.on[side]}};
            run_op(r, side, &op);
            int32_t now;
            OK(bp__view_read(r->engine[side], &step.on[side], &now));
            cr_assert_eq(now, start + 1);
        }
        float *got = read_side(r, &losses, DEVICE), *want = read_side(r, &losses, REFERENCE);
        for (int i = 0; i < 8; ++i) /* only losses[3] is written */
            cr_assert(ulps(got[i], (double)want[i]) <= 2, "%s: sum of %zu at %d: %.9g not %.9g",
                      r->name, B, i, (double)got[i], (double)want[i]);
        free(got);
        free(want);
        got = read_side(r, &hits, DEVICE), want = read_side(r, &hits, REFERENCE);
        for (int i = 0; i < 8; ++i) cr_assert(got[i] == want[i]);
        free(got);
        free(want);
        check_guards(r, &losses, "reduce_loss");
        pair *const all[] = {&row_loss, &row_hits, &losses, &hits, &step};
        for (int i = 0; i < 5; ++i) pair_free(r, all[i]);
        free(e);
        free(h);
    }
}

Test(loss, reduce_loss)
{
    each_device(any_gemm, check_reduce, NULL);
    each_cpu_shape(check_reduce, NULL);
}
