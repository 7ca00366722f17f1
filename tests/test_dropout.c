/* test_dropout.c - which units are dropped: at random, and on every device the same. */
#include "base/families.h"
#include "support.h"

/* Shares within five standard deviations, and nothing that repeats from row to row, unit to unit,
 * layer to layer or step to step. */
Test(dropout, what_is_dropped_is_random)
{
    enum { SIDE = 256, COUNT = SIDE * SIDE };
    const double rates[] = {0.001, 0.1, 0.5, 0.9};
    for (size_t k = 0; k < BP_COUNT(rates); ++k) {
        const uint32_t limit = bp__dropout_limit(rates[k]);
        const double p = limit / 65536.0, both = p * p + (1 - p) * (1 - p);
        const double deviation = sqrt(p * (1 - p) * COUNT),
                     slack = 5 * sqrt(both * (1 - both) * COUNT);
        const uint32_t others[][4] = {{0, 0, 1, 0}, {0, 0, 0, 1}, {1, 0, 0, 0},
                                      {0, 1, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 8}};
        double dropped = 0, same[BP_COUNT(others)] = {0};
        for (size_t i = 0; i < SIDE; ++i)
            for (size_t j = 0; j < SIDE; ++j) {
                const bool one = bp__random_drop(7, 1, 100, i, j) < limit;
                dropped += one;
                for (size_t o = 0; o < BP_COUNT(others); ++o)
                    same[o] += one == (bp__random_drop(7, 1 + others[o][0], 100 + others[o][1],
                                                       i + others[o][3], j + others[o][2]) < limit);
            }
        cr_assert(fabs(dropped - p * COUNT) <= 5 * deviation, "rate %g: %g of %d", rates[k],
                  dropped, (int)COUNT);
        for (size_t o = 0; o < BP_COUNT(others); ++o)
            cr_assert(fabs(same[o] - both * COUNT) <= slack,
                      "rate %g, neighbour %zu: %g of %d alike", rates[k], o, same[o], (int)COUNT);
    }
    cr_assert_eq(bp__dropout_limit(1e-9), 1);
    cr_assert_eq(bp__dropout_limit(0.9999999), 0xffff);
    cr_assert_eq(bp__dropout_keep(0.25), 0.75);
    cr_assert_eq(bp__dropout_keep(0), 1);
}

static const int32_t all_gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE,  BP_GEMM_GPU,
                                    BP_GEMM_CPU,  BP_GEMM_MATRIX, -1};

typedef struct drop_case {
    size_t B, m, n;
    double rate;
    int32_t activation;
    bool bias;
} drop_case;

/* Every mark is where the reference's is; everything else is near. */
static void compare_marked(const rig *r, const pair *p, const drop_case *c, const char *what)
{
    rig copy = *r;
    float *got = read_side(&copy, p, DEVICE), *want = read_side(&copy, p, REFERENCE);
    const size_t count = p->on[DEVICE].rows * p->on[DEVICE].columns;
    for (size_t i = 0; i < count; ++i)
        cr_assert((got[i] == 0 && signbit(got[i])) == (want[i] == 0 && signbit(want[i])),
                  "%s: %s of %zux%zux%zu %s at %g, element %zu: %g, not %g", r->name, what, c->B,
                  c->m, c->n, bp_activation_name(c->activation), c->rate, i, (double)got[i],
                  (double)want[i]);
    const double error = relative_l2(got, want, count);
    cr_assert(error <= 1e-6, "%s: %s of %zux%zux%zu %s at %g: relative error %g", r->name, what,
              c->B, c->m, c->n, bp_activation_name(c->activation), c->rate, error);
    free(got);
    free(want);
}

/* Forward, and the effect of a layer of as many units on what came out of it. */
static void check_drop(rig *r, const drop_case *c)
{
    float *x = random_floats(c->B * c->m, 1, 1),
          *w = random_floats(c->n * c->m, 1 / sqrt((double)c->m), 2);
    float *b = random_floats(c->n, 0.5, 3), *d = random_floats(c->B * c->m, 1, 4);
    const float hyper[2][BP__HYPER_COUNT] = {{0, 0, 0, 5}, {0, 0, 0, 123456}};
    const int32_t one = 1;
    pair in = pair_of(r, BP__BATCH, c->B, c->m, x),
         weights = pair_of(r, BP__WEIGHTS, c->n, c->m, w);
    pair bias = pair_of(r, BP__TABLE, 1, c->n, b), out = pair_of(r, BP__BATCH, c->B, c->n, NULL);
    pair net = pair_of(r, BP__BATCH, c->B, c->n, NULL),
         delta = pair_of(r, BP__BATCH, c->B, c->m, d);
    pair next = pair_of(r, BP__WEIGHTS, c->m, c->n, w),
         back = pair_of(r, BP__BATCH, c->B, c->n, NULL);
    pair table = pair_of(r, BP__TABLE, 1, 2 * BP__HYPER_COUNT, hyper[0]),
         step = integers_of(r, 1, 1, &one);
    const bool of_net = bp__activation(c->activation)->of_net;
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_DENSE_FORWARD,
                     .as.dense_forward = {.out = out.on[side],
                                          .in = in.on[side],
                                          .weights = weights.on[side],
                                          .dropout = {.rate = c->rate,
                                                      .hyper = table.on[side],
                                                      .step = step.on[side],
                                                      .seed = 0xfedcba9876543210u,
                                                      .layer = 3},
                                          .activation = c->activation}};
        if (c->bias) op.as.dense_forward.bias = bias.on[side];
        if (of_net) op.as.dense_forward.net = net.on[side];
        run_op(r, side, &op);
        op = (bp__op){.kind = BP__OP_DENSE_EFFECT,
                      .as.dense_effect = {.delta_in = back.on[side],
                                          .delta = delta.on[side],
                                          .weights = next.on[side],
                                          .in = of_net ? net.on[side] : out.on[side],
                                          .dropout = c->rate,
                                          .activation = c->activation}};
        run_op(r, side, &op);
    }
    pair *const results[] = {&out, &back, &net};
    const char *const names[] = {"forward", "effect", "net inputs"};
    for (int i = 0; i < 2 + of_net; ++i) {
        if (i != 1) compare_marked(r, results[i], c, names[i]);
        check_guards(r, results[i], names[i]);
    }
    float *got = read_side(r, &back, DEVICE), *want = read_side(r, &back, REFERENCE);
    const double error = relative_l2(got, want, c->B * c->n);
    cr_assert(error <= 2e-6, "%s: effect of %zux%zux%zu %s at %g: relative error %g", r->name, c->B,
              c->m, c->n, bp_activation_name(c->activation), c->rate, error);
    free(got);
    free(want);
    pair *const all[] = {&in, &weights, &bias, &out, &net, &delta, &next, &back, &table, &step};
    for (size_t i = 0; i < BP_COUNT(all); ++i) pair_free(r, all[i]);
    free(x);
    free(w);
    free(b);
    free(d);
}

static void check_drops(rig *r, void *context)
{
    const size_t shapes[][3] = {{1, 1, 1}, {5, 3, 7}, {33, 17, 10}, {64, 50, 31}};
    const double rates[] = {0.2, 0.9999};
    const int32_t least = *(int32_t *)context, step = least + 1;
    for (size_t s = 0; s < BP_COUNT(shapes); ++s)
        for (size_t p = 0; p < BP_COUNT(rates); ++p)
            for (int32_t f = least; bp_activation_name(f); f += step)
                for (int bias = 0; bias < 2 && f != BP_ACTIVATION_SOFTMAX; ++bias)
                    check_drop(r, &(drop_case){shapes[s][0], shapes[s][1], shapes[s][2], rates[p],
                                               f, bias});
}

Test(dropout, every_device_drops_the_same_units)
{
    int32_t all = 0;
    each_device(all_gemms, check_drops, &all);
}

Test(dropout, every_cpu_shape_drops_the_same_units)
{
    int32_t some = 1;
    each_cpu_shape(check_drops, &some);
}
