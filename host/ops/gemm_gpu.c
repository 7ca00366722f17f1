/* gemm_gpu.c - launches the tiled matrix product for GPUs. */
#include <stdint.h>

#include "base/memory.h"
#include "ops/gemm.h"
#include "ops/gpu_tile.h"

bool bp__gemm_gpu_fits(const bp_device *device)
{
    return bp__gpu_tile_choose(device, 0, 1, 1, 1).m > 0;
}

bool bp__gemm_gpu_tile_fits(const bp_device *device, unsigned side)
{
    const bp__gpu_tile tile = bp__gpu_tile_choose(device, side, side, side, 1);
    return tile.m == side && tile.n == side;
}

static bp__gpu_tile choose(const bp__device_engine *engine, const bp__gemm_shape *shape)
{
    if (engine->gpu_tile) return *engine->gpu_tile;
    const unsigned side = engine->tuning.gemm[bp__shape_of(shape->m, shape->n)].tile;
    return bp__gpu_tile_choose(engine->device, side, shape->m, shape->n, shape->k);
}

bp_status bp__gemm_gpu(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    const bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const bp__gpu_tile t = choose(engine, &shape);
    if (t.m == 0)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "%s has too little local memory for the tiled GEMM: choose naive",
                        engine->device->info.name);
    char options[BP__TILE_OPTIONS];
    bp__gpu_tile_options(options, &t, engine->device);
    const size_t items_x = t.n / t.item_n, items_y = t.m / t.item_m;
    const bp__grid grid = {
        3,
        {(shape.n + t.n - 1) / t.n * items_x, (shape.m + t.m - 1) / t.m * items_y, t.splits},
        {items_x, items_y, 1}};
    /* Without pieces the kernel has the argument all the same: any buffer will do. */
    cl_mem pieces = bp__buffer_memory(gemm->c.buffer);
    if (t.splits > 1) {
        size_t count;
        if (!bp__mul_size(&count, shape.m, shape.n) || !bp__mul_size(&count, count, t.splits))
            return bp__fail_memory(SIZE_MAX);
        BP_TRY(bp__engine_scratch(engine, count, &pieces));
    }
    const bp__arg more[] = {BP_ARG(pieces)};
    BP_TRY(bp__record_gemm_kernel(recorder, gemm, "gpu/gemm_gpu.cl", "gemm_gpu", options, &grid,
                                  more, BP_COUNT(more)));
    if (t.splits == 1) return BP_OK;
    return bp__record_gemm_sum(recorder, gemm, "gpu/gemm_gpu.cl", options, pieces);
}
