/* test_optimizer.c - updates over several steps, and the gather, against the reference. */
#include "support.h"

static const int32_t any_gemm[] = {BP_GEMM_AUTO, BP_GEMM_GPU, -1};

static void check_optimizers(rig *r, void *context)
{
    (void)context;
    enum { N = 1024 * 3, STEPS = 20 };
    float *w = random_floats(N, 1, 1), *zeros = calloc(N, sizeof *zeros);
    float hyper[STEPS * BP__HYPER_COUNT] = {0};
    for (int s = 0; s < STEPS; ++s) {
        hyper[s * BP__HYPER_COUNT + BP__HYPER_RATE] = 0.01f * (float)(s + 1);
        hyper[s * BP__HYPER_COUNT + BP__HYPER_CORRECTION1] = (float)(1 / (1 - pow(0.9, s + 1)));
        hyper[s * BP__HYPER_COUNT + BP__HYPER_CORRECTION2] = (float)(1 / (1 - pow(0.999, s + 1)));
    }
    for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer) {
        pair p = pair_of(r, BP__TABLE, 1, N, w), g = pair_of(r, BP__TABLE, 1, N, NULL);
        pair m1 = pair_of(r, BP__TABLE, 1, N, zeros), m2 = pair_of(r, BP__TABLE, 1, N, zeros);
        pair table = {0};
        const int32_t zero = 0;
        pair step = integers_of(r, 1, 1, &zero);
        for (int side = 0; side < SIDES; ++side) { /* hyper rows are not padded */
            table.on[side] =
                (bp__view){.rows = STEPS, .columns = BP__HYPER_COUNT, .stride = BP__HYPER_COUNT};
            OK(bp__buffer_create(r->engine[side], &table.on[side].buffer, BP__NUMBER,
                                 STEPS * BP__HYPER_COUNT));
            OK(bp__view_write(r->engine[side], &table.on[side], hyper));
        }
        for (int32_t s = 1; s <= STEPS; ++s) {
            float *gradient = random_floats(N, 2, (uint32_t)(100 + s));
            gradient[5] = 0;
            for (int side = 0; side < SIDES; ++side) {
                OK(bp__view_write(r->engine[side], &g.on[side], gradient));
                OK(bp__view_write(r->engine[side], &step.on[side], &s));
                const bp__op op = {.kind = BP__OP_OPTIMIZER,
                                   .as.optimizer = {.parameters = p.on[side],
                                                    .gradients = g.on[side],
                                                    .moment1 = m1.on[side],
                                                    .moment2 = m2.on[side],
                                                    .hyper = table.on[side],
                                                    .step = step.on[side],
                                                    .optimizer = optimizer,
                                                    .momentum = 0.9f,
                                                    .beta1 = 0.9f,
                                                    .beta2 = 0.999f,
                                                    .epsilon = 1e-8f}};
                run_op(r, side, &op);
            }
            free(gradient);
        }
        pair *const state[] = {&p, &m1, &m2};
        for (int i = 0; i < 3; ++i) {
            float *got = read_side(r, state[i], DEVICE), *want = read_side(r, state[i], REFERENCE);
            cr_assert(relative_l2(got, want, N) <= 1e-6, "%s: %s, array %d: relative error %g",
                      r->name, bp_optimizer_name(optimizer), i, relative_l2(got, want, N));
            cr_assert(i > 0 || relative_l2(got, w, N) > 1e-3, "nothing was updated");
            check_guards(r, state[i], bp_optimizer_name(optimizer));
            free(got);
            free(want);
        }
        pair *const all[] = {&p, &g, &m1, &m2, &table, &step};
        for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
    }
    free(w);
    free(zeros);
}

Test(optimizer, twenty_steps_of_each)
{
    each_device(any_gemm, check_optimizers, NULL);
    each_cpu_shape(check_optimizers, NULL);
}

/* Adam's first step is r g / (|g| + epsilon sqrt(1 - beta2)): its size is the learning rate. */
Test(optimizer, adam_first_step_by_hand)
{
    double w[2] = {1, 1}, g[2] = {0.3, -40}, m[2] = {0, 0}, v[2] = {0, 0};
    const double hyper[BP__HYPER_COUNT] = {0.001, 1 / (1 - (double)0.9f), 1 / (1 - (double)0.999f),
                                           0};
    const bp__optimizer op = {
        .optimizer = BP_OPTIMIZER_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
    bp__reference_optimizer(w, g, m, v, 2, hyper, 1, &op);
    cr_assert_float_eq(w[0], 0.999, 1e-9);
    cr_assert_float_eq(w[1], 1.001, 1e-9);
}

/* A step that has changed its direction is halved, but not below 1e-6; one that has kept it grows
 * by a fifth, but not above 50. */
static void check_rprop(rig *r, void *context)
{
    (void)context;
    enum { N = 16 };
    float w[N] = {0}, m[N], v[N], gradient[N];
    const float hyper[BP__HYPER_COUNT] = {[BP__HYPER_RATE] = 0.01f};
    const int32_t now = 1; /* the step that has been counted: the first row of the table */
    for (int i = 0; i < N; ++i) {
        m[i] = 1;
        v[i] = i % 2 ? 1.5e-6f : 45;
        gradient[i] = i % 2 ? -1 : 1;
    }
    pair p = pair_of(r, BP__TABLE, 1, N, w), g = pair_of(r, BP__TABLE, 1, N, gradient);
    pair m1 = pair_of(r, BP__TABLE, 1, N, m), m2 = pair_of(r, BP__TABLE, 1, N, v);
    pair table = {0}, step = integers_of(r, 1, 1, &now);
    for (int side = 0; side < SIDES; ++side) {
        table.on[side] =
            (bp__view){.rows = 1, .columns = BP__HYPER_COUNT, .stride = BP__HYPER_COUNT};
        OK(bp__buffer_create(r->engine[side], &table.on[side].buffer, BP__NUMBER, BP__HYPER_COUNT));
        OK(bp__view_write(r->engine[side], &table.on[side], hyper));
        const bp__op op = {.kind = BP__OP_OPTIMIZER,
                           .as.optimizer = {.parameters = p.on[side],
                                            .gradients = g.on[side],
                                            .moment1 = m1.on[side],
                                            .moment2 = m2.on[side],
                                            .hyper = table.on[side],
                                            .step = step.on[side],
                                            .optimizer = BP_OPTIMIZER_RPROP}};
        run_op(r, side, &op);
        float *steps = read_side(r, &m2, side), *moved = read_side(r, &p, side);
        for (int i = 0; i < N; ++i) {
            cr_assert_float_eq((double)steps[i], i % 2 ? 1e-6 : 50, i % 2 ? 1e-9 : 1e-3, "%s: %g",
                               r->name, (double)steps[i]);
            cr_assert_float_eq((double)moved[i], i % 2 ? 0 : -50, 1e-3, "%s: %g", r->name,
                               (double)moved[i]);
        }
        free(steps);
        free(moved);
    }
    pair *const all[] = {&p, &g, &m1, &m2, &table, &step};
    for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
}

Test(optimizer, rprop_steps_have_bounds)
{
    each_device(any_gemm, check_rprop, NULL);
    each_cpu_shape(check_rprop, NULL);
}

static void check_gather(rig *r, void *context)
{
    (void)context;
    const size_t widths[] = {1, 3, 16, 17, 784};
    for (int k = 0; k < 5; ++k) {
        enum { ROWS = 50, B = 8 };
        const size_t width = widths[k];
        float *x = random_floats(ROWS * width, 1, 3);
        int32_t labels[ROWS], order[ROWS];
        for (int i = 0; i < ROWS; ++i) {
            labels[i] = 1000 + i;
            order[i] = (i * 7 + 3) % ROWS;
        }
        const int32_t now = 5;
        pair data = pair_of(r, BP__DATA, ROWS, width, x),
             out = pair_of(r, BP__BATCH, B, width, NULL);
        pair tags = integers_of(r, ROWS, 1, labels), batch = integers_of(r, B, 1, order);
        pair permutation = integers_of(r, 1, ROWS, order), step = integers_of(r, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__op op = {
                .kind = BP__OP_GATHER,
                .as.gather = {out.on[side], data.on[side], permutation.on[side], step.on[side], B}};
            run_op(r, side, &op);
            op.as.gather.out = batch.on[side];
            op.as.gather.in = tags.on[side];
            run_op(r, side, &op);
            float *got = read_side(r, &out, side);
            int32_t picked[B];
            OK(bp__view_read(r->engine[side], &batch.on[side], picked));
            for (int i = 0; i < B; ++i) {
                const int32_t row = order[now * B + i];
                cr_assert_eq(picked[i], labels[row]);
                cr_assert(memcmp(got + (size_t)i * width, x + (size_t)row * width, width * 4) == 0,
                          "%s: side %d, row %d of width %zu", r->name, side, i, width);
            }
            free(got);
        }
        check_guards(r, &out, "gather");
        pair *const all[] = {&data, &out, &tags, &batch, &permutation, &step};
        for (int i = 0; i < 6; ++i) pair_free(r, all[i]);
        free(x);
    }
}

Test(optimizer, gather_picks_rows)
{
    each_device(any_gemm, check_gather, NULL);
    each_cpu_shape(check_gather, NULL);
}
