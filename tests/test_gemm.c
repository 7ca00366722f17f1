/* test_gemm.c - the three matrix products of a dense layer, every backend against the reference. */
#include "product_support.h"

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

static void check_shapes(rig *r, void *context)
{
    (void)context;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; ++s)
        for (int which = 0; which < PRODUCTS; ++which) {
            check_exact(r, which, shapes[s]);
            check_random(r, fp32_factor, which, shapes[s]);
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
        check_random(r, fp32_factor, which, (const size_t[]){67, 131, 40 * width + 1});
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
    check_random(r, fp32_factor, FORWARD, (const size_t[]){7, deep, 53});
    check_random(r, fp32_factor, EFFECT, (const size_t[]){7, 53, deep});
    check_random(r, fp32_factor, GRADIENT, (const size_t[]){deep, 53, 7});
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
