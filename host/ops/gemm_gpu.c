/* gemm_gpu.c - the tiled matrix product for GPUs: chooses a tile that the device can hold. */
#include <stdio.h>

#include "base/memory.h"
#include "ops/gemm.h"
#include "ops/gpu_tile.h"

static const bp__gpu_tile tiles[] = {{64, 64, 16, 4, 4}, {32, 32, 16, 4, 4}, {16, 16, 16, 2, 2}};

const bp__gpu_tile *bp__gpu_tiles(size_t *count)
{
    *count = BP_COUNT(tiles);
    return tiles;
}

const char *bp__gpu_tile_describe(char text[BP__TILE_TEXT], const bp__gpu_tile *tile)
{
    snprintf(text, BP__TILE_TEXT, "%ux%ux%u, %ux%u an item", tile->m, tile->n, tile->k,
             tile->item_m, tile->item_n);
    return text;
}

bool bp__gpu_tile_fits(const bp__gpu_tile *t, const bp_device *device)
{
    size_t items = (size_t)(t->m / t->item_m) * (t->n / t->item_n);
    /* A word more a row: kernels/gpu/gemm_gpu.cl. */
    size_t bytes = (size_t)t->k * (t->m + t->n + 2) * sizeof(float);
    return items <= device->max_work_group && bytes <= device->local_bytes;
}

/* The tile of this side, if there is one that the device can hold. */
static const bp__gpu_tile *tile_of(const bp_device *device, unsigned side)
{
    for (size_t i = 0; i < BP_COUNT(tiles); ++i)
        if (tiles[i].m == side && bp__gpu_tile_fits(&tiles[i], device)) return &tiles[i];
    return NULL;
}

bool bp__gemm_gpu_tile_fits(const bp_device *device, unsigned side)
{
    return tile_of(device, side) != NULL;
}

/* The tile of the tuning where there is one and it fits, else by the number of groups. */
static const bp__gpu_tile *choose(const bp__device_engine *engine, const bp__gemm_shape *shape)
{
    const bp_device *device = engine->device;
    if (engine->gpu_tile) return engine->gpu_tile;
    const bp__gpu_tile *best =
        tile_of(device, engine->tuning.gemm[bp__shape_of(shape->m, shape->n)].tile);
    if (best) return best;
    for (size_t i = 0; i < BP_COUNT(tiles); ++i) {
        if (!bp__gpu_tile_fits(&tiles[i], device)) continue;
        /* A smaller tile where the larger one would be mostly edge or leave the device idle. */
        size_t groups = (size_t)((shape->m + tiles[i].m - 1) / tiles[i].m) *
                        ((shape->n + tiles[i].n - 1) / tiles[i].n);
        best = &tiles[i];
        if (groups >= device->info.compute_units) break;
    }
    return best;
}

bool bp__gemm_gpu_fits(const bp_device *device)
{
    return bp__gpu_tile_fits(&tiles[BP_COUNT(tiles) - 1], device);
}

bp_status bp__gemm_gpu(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const bp__gpu_tile *t = choose(engine, &shape);
    if (!t)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "%s has too little local memory for the tiled GEMM: choose naive",
                        engine->device->info.name);
    char options[160];
    snprintf(options, sizeof options, "-DTILE_M=%u -DTILE_N=%u -DTILE_K=%u -DITEM_M=%u -DITEM_N=%u",
             t->m, t->n, t->k, t->item_m, t->item_n);
    const size_t items_x = t->n / t->item_n, items_y = t->m / t->item_m;
    const bp__grid grid = {
        2,
        {(shape.n + t->n - 1) / t->n * items_x, (shape.m + t->m - 1) / t->m * items_y, 1},
        {items_x, items_y, 1}};
    return bp__record_gemm_kernel(recorder, gemm, "gpu/gemm_gpu.cl", "gemm_gpu", options, &grid,
                                  NULL, 0);
}
