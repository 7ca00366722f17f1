/* product_support.h - the three matrix products of a dense layer on a device and in the reference.
 */
#ifndef BP_TESTS_PRODUCT_SUPPORT_H
#define BP_TESTS_PRODUCT_SUPPORT_H

#include "support.h"

enum { FORWARD, EFFECT, GRADIENT, PRODUCTS };
static const char *const product_names[] = {"forward", "effect", "gradient"};

/* The operation and its matrices on one side. */
static inline bp__op product(int which, int side, const pair *rows_m, const pair *rows_n,
                             const pair *weights)
{
    bp__op op = {0};
    if (which == FORWARD) {
        op.kind = BP__OP_DENSE_FORWARD;
        op.as.dense_forward = (bp__dense_forward){.out = rows_n->on[side],
                                                  .in = rows_m->on[side],
                                                  .weights = weights->on[side],
                                                  .activation = BP_ACTIVATION_LINEAR};
    } else if (which == EFFECT) {
        op.kind = BP__OP_DENSE_EFFECT;
        op.as.dense_effect = (bp__dense_effect){.delta_in = rows_m->on[side],
                                                .delta = rows_n->on[side],
                                                .weights = weights->on[side],
                                                .activation = BP_ACTIVATION_LINEAR};
    } else {
        op.kind = BP__OP_DENSE_GRADIENT;
        op.as.dense_gradient = (bp__dense_gradient){.weights_gradient = weights->on[side],
                                                    .delta = rows_n->on[side],
                                                    .in = rows_m->on[side]};
    }
    return op;
}

static inline float *absolute(const float *values, size_t count)
{
    float *out = malloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; ++i) out[i] = fabsf(values[i]);
    return out;
}

/* Runs one product on both sides; *out[side] are the results; *count their number. */
static inline void run_product(rig *r, int which, const size_t shape[3], float *const inputs[3],
                               float *out[SIDES], size_t *count)
{
    const size_t B = shape[0], m = shape[1], n = shape[2];
    pair rows_m = pair_of(r, BP__BATCH, B, m, which == EFFECT ? NULL : inputs[0]);
    pair rows_n = pair_of(r, BP__BATCH, B, n, which == FORWARD ? NULL : inputs[1]);
    pair weights = pair_of(r, BP__WEIGHTS, n, m, which == GRADIENT ? NULL : inputs[2]);
    const pair *result = which == FORWARD ? &rows_n : which == EFFECT ? &rows_m : &weights;
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = product(which, side, &rows_m, &rows_n, &weights);
        run_op(r, side, &op);
        out[side] = read_side(r, result, side);
    }
    *count = result->on[DEVICE].rows * result->on[DEVICE].columns;
    check_guards(r, result, product_names[which]);
    check_guards(r, &rows_m, product_names[which]);
    check_guards(r, &rows_n, product_names[which]);
    check_guards(r, &weights, product_names[which]);
    pair_free(r, &rows_m);
    pair_free(r, &rows_n);
    pair_free(r, &weights);
}

static inline void check_exact(rig *r, int which, const size_t shape[3])
{
    float *inputs[3] = {random_integers(shape[0] * shape[1], 9, 1),
                        random_integers(shape[0] * shape[2], 9, 2),
                        random_integers(shape[1] * shape[2], 9, 3)};
    float *out[SIDES];
    size_t count;
    run_product(r, which, shape, inputs, out, &count);
    for (size_t i = 0; i < count; ++i)
        cr_assert(out[DEVICE][i] == out[REFERENCE][i],
                  "%s: %s %zux%zux%zu, element %zu: %g instead of %g", r->name,
                  product_names[which], shape[0], shape[1], shape[2], i, (double)out[DEVICE][i],
                  (double)out[REFERENCE][i]);
    cr_assert(count < 50 || shape[0] == 0 || mostly_nonzero(out[DEVICE], count));
    for (int i = 0; i < 3; ++i) free(inputs[i]);
    for (int i = 0; i < SIDES; ++i) free(out[i]);
}

/* What a sum of K products may be off by in float32, as a part of the sum of their sizes: 4 sqrt(K)
 * 2^-24, never above K 2^-24; half an ulp of the result is the reference's own rounding to float.
 */
static inline double fp32_factor(double K)
{
    return fmin(4 * sqrt(K), K) * 0x1p-24 + 0x1p-24;
}

/* |error| <= factor_of(K) sum |a b|; the largest such factor that was seen. */
static inline double check_random(rig *r, double (*factor_of)(double K), int which,
                                  const size_t shape[3])
{
    const size_t counts[3] = {shape[0] * shape[1], shape[0] * shape[2], shape[1] * shape[2]};
    const double K = (double)(which == FORWARD ? shape[1] : which == EFFECT ? shape[2] : shape[0]);
    float *inputs[3], *sizes[3], *out[SIDES], *bound[SIDES];
    for (int i = 0; i < 3; ++i) {
        inputs[i] = random_floats(counts[i], 2, (uint32_t)(10 + i));
        sizes[i] = absolute(inputs[i], counts[i]);
    }
    size_t count;
    run_product(r, which, shape, inputs, out, &count);
    run_product(r, which, shape, sizes, bound, &count);
    const double factor = factor_of(K);
    double worst = 0;
    for (size_t i = 0; i < count; ++i) {
        const double error = fabs((double)out[DEVICE][i] - (double)out[REFERENCE][i]);
        cr_assert(error <= factor * (double)bound[REFERENCE][i],
                  "%s: %s %zux%zux%zu, element %zu: error %g above %g", r->name,
                  product_names[which], shape[0], shape[1], shape[2], i, error,
                  factor * (double)bound[REFERENCE][i]);
        if (bound[REFERENCE][i] > 0) worst = fmax(worst, error / (double)bound[REFERENCE][i]);
    }
    for (int i = 0; i < 3; ++i) {
        free(inputs[i]);
        free(sizes[i]);
    }
    for (int i = 0; i < SIDES; ++i) {
        free(out[i]);
        free(bound[i]);
    }
    return worst;
}

#endif
