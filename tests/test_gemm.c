/* test_gemm.c - the three matrix products of a dense layer, every backend against the reference. */
#include "support.h"

/* After the OpenCL types, of which it is made. */
#include "cpu/plan_format.h"

/* (B, m, n): rows of the batch, inputs, outputs. Ones, tiles and their neighbours, primes, skinny.
 */
static const size_t shapes[][3] = {
    {0, 3, 2},    {1, 1, 1},       {1, 7, 1},       {7, 1, 7},     {1, 784, 10},   {3, 5, 2},
    {4, 16, 4},   {5, 15, 17},     {15, 16, 17},    {16, 17, 15},  {17, 15, 16},   {31, 33, 32},
    {63, 64, 65}, {65, 63, 64},    {64, 65, 63},    {13, 97, 101}, {128, 784, 10}, {2, 3, 257},
    {300, 4, 3},  {127, 129, 131}, {256, 300, 200},
};

enum { FORWARD, EFFECT, GRADIENT, PRODUCTS };
static const char *const product_names[] = {"forward", "effect", "gradient"};

/* The operation and its matrices on one side. */
static bp__op product(int which, int side, const pair *rows_m, const pair *rows_n,
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

static float *absolute(const float *values, size_t count)
{
    float *out = malloc((count + 1) * sizeof *out);
    for (size_t i = 0; i < count; ++i) out[i] = fabsf(values[i]);
    return out;
}

/* Runs one product on both sides; *out[side] are the results; *count their number. */
static void run_product(rig *r, int which, const size_t shape[3], float *const inputs[3],
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

static void check_exact(rig *r, int which, const size_t shape[3])
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

/* |error| <= 4 sqrt(K) 2^-24 sum |a b|, never above K 2^-24 sum |a b|; half an ulp of the result is
 * the reference's own rounding to float. */
static void check_random(rig *r, int which, const size_t shape[3])
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
    const double factor = fmin(4 * sqrt(K), K) * 0x1p-24 + 0x1p-24;
    for (size_t i = 0; i < count; ++i) {
        const double error = fabs((double)out[DEVICE][i] - (double)out[REFERENCE][i]);
        cr_assert(error <= factor * (double)bound[REFERENCE][i],
                  "%s: %s %zux%zux%zu, element %zu: error %g above %g", r->name,
                  product_names[which], shape[0], shape[1], shape[2], i, error,
                  factor * (double)bound[REFERENCE][i]);
    }
    for (int i = 0; i < 3; ++i) {
        free(inputs[i]);
        free(sizes[i]);
    }
    for (int i = 0; i < SIDES; ++i) {
        free(out[i]);
        free(bound[i]);
    }
}

static void check_shapes(rig *r, void *context)
{
    (void)context;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
        for (int which = 0; which < PRODUCTS; ++which) {
            check_exact(r, which, shapes[s]);
            check_random(r, which, shapes[s]);
        }
}

Test(gemm, auto_and_native)
{
    each_device((const int32_t[]){BP_GEMM_AUTO, -1}, check_shapes, NULL);
}

Test(gemm, naive)
{
    each_device((const int32_t[]){BP_GEMM_NAIVE, -1}, check_shapes, NULL);
}

Test(gemm, gpu_tiles)
{
    each_device((const int32_t[]){BP_GEMM_GPU, -1}, check_shapes, NULL);
}

Test(gemm, cpu_tiles)
{
    each_device((const int32_t[]){BP_GEMM_CPU, -1}, check_shapes, NULL);
}

/* What is asked for is what runs: no device takes the CPU's kernel for another. */
static void check_choice(rig *r, void *context)
{
    const bp__device_engine *engine = (bp__device_engine *)r->engine[DEVICE];
    const bool native = engine->gemm == BP_GEMM_AUTO || engine->gemm == BP_GEMM_NATIVE;
    const bool cpu =
        engine->gemm == BP_GEMM_CPU || (native && engine->device->info.kind == BP_KIND_CPU);
    (void)context;
    cr_assert_eq(engine->cpu_kernels, cpu, "%s", r->name);
    cr_assert_eq(engine->base.panels, cpu, "%s", r->name);
}

Test(gemm, the_choice_is_kept)
{
    each_device((const int32_t[]){BP_GEMM_AUTO, BP_GEMM_NATIVE, BP_GEMM_CLBLAST, BP_GEMM_NAIVE,
                                  BP_GEMM_GPU, BP_GEMM_CPU, -1},
                check_choice, NULL);
}

/* ---- The CPU's kernel: panels of each width, any number of groups -------------------------------
 */

/* No rows, one row (which has a kernel of its own), every remainder of a tile of rows, columns on
 * both sides of a multiple of a panel, strips of one to three vectors. */
static void check_ragged(rig *r, void *context)
{
    (void)context;
    const size_t width = r->engine[DEVICE]->quantum;
    const size_t inputs[] = {1, width + 1, 3 * width - 1},
                 units[] = {1, width - 1, width, width + 1, 3 * width, 4 * width + 1};
    for (size_t rows = 0; rows <= 17; ++rows)
        for (size_t i = 0; i < BP_COUNT(inputs); ++i)
            for (size_t u = 0; u < BP_COUNT(units); ++u)
                for (int which = 0; which < PRODUCTS; ++which)
                    check_exact(r, which, (const size_t[]){rows, inputs[i], units[u]});
}

Test(gemm, cpu_ragged)
{
    each_cpu_shape(check_ragged, NULL);
}

/* One row in strips of eight vectors and what remains; more strips than one group takes. */
static void check_long(rig *r, void *context)
{
    (void)context;
    const size_t width = r->engine[DEVICE]->quantum;
    for (int which = 0; which < PRODUCTS; ++which) {
        check_exact(r, which, (const size_t[]){1, 11, 8 * width});
        check_exact(r, which, (const size_t[]){1, 35 * width + 3, 27 * width - 1});
        check_exact(r, which, (const size_t[]){19, 3 * width, 40 * width + 1});
        check_random(r, which, (const size_t[]){67, 131, 40 * width + 1});
    }
}

Test(gemm, cpu_many_strips)
{
    each_cpu_shape(check_long, NULL);
}

/* The sums of all three products in blocks of k: exactly one, one and a bit, two and a bit. */
static void check_deep(rig *r, void *context)
{
    (void)context;
    const size_t depths[] = {PLAN_K_BLOCK - 1, PLAN_K_BLOCK, PLAN_K_BLOCK + 1,
                             2 * PLAN_K_BLOCK + 37};
    for (size_t d = 0; d < BP_COUNT(depths); ++d)
        for (size_t rows = 1; rows <= 19; rows += 9) {
            check_exact(r, FORWARD, (const size_t[]){rows, depths[d], 53});
            check_exact(r, EFFECT, (const size_t[]){rows, 53, depths[d]});
            check_exact(r, GRADIENT, (const size_t[]){depths[d], 53, rows});
        }
    const size_t deep = 2 * PLAN_K_BLOCK + 37;
    check_random(r, FORWARD, (const size_t[]){7, deep, 53});
    check_random(r, EFFECT, (const size_t[]){7, 53, deep});
    check_random(r, GRADIENT, (const size_t[]){deep, 53, 7});
}

Test(gemm, cpu_deep)
{
    each_cpu_shape(check_deep, NULL);
}

/* So many rows of so deep sums that one group, too, takes them in several blocks. */
static void check_tall(rig *r, void *context)
{
    (void)context;
    check_exact(r, FORWARD, (const size_t[]){1100, PLAN_K_BLOCK, 9});
    check_exact(r, EFFECT, (const size_t[]){1100, 9, PLAN_K_BLOCK});
    check_exact(r, GRADIENT, (const size_t[]){1100, 40, 70});
}

Test(gemm, cpu_tall)
{
    each_cpu_shape(check_tall, NULL);
}

/* Large enough that every group of the CPU kernels has several tiles, and the GPU tile is 64x64. */
static void check_large(rig *r, void *context)
{
    (void)context;
    const size_t large[3] = {500, 700, 600};
    for (int which = 0; which < PRODUCTS; ++which) check_exact(r, which, large);
}

Test(gemm, large)
{
    each_device((const int32_t[]){BP_GEMM_AUTO, -1}, check_large, NULL);
}
