/* gemm_cpu.c - the register-tiled matrix products for CPUs: chooses the tile for the shape. */
#include <stdio.h>

#include "base/memory.h"
#include "ops/gemm.h"

enum {
    GROUPS_PER_UNIT = 4,  /* evens out the work where a core is busy with something else */
    CACHE_FLOATS = 10240, /* 40 KB of a first-level cache of 48 KB: what stays there while a tile
                             is computed */
};

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static bp_status record(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm,
                        const char *file, const char *kernel, unsigned tile_m, unsigned tile_n,
                        unsigned strip, size_t tiles)
{
    char options[96];
    snprintf(options, sizeof options, "-DBP_VW=%u -DTILE_M=%u -DTILE_N=%u -DSTRIP=%u",
             engine->vector_width, tile_m, tile_n, strip);
    size_t groups = (size_t)engine->device->info.compute_units * GROUPS_PER_UNIT;
    const bp__grid grid = {1, {tiles < groups ? tiles : groups, 1, 1}, {1, 1, 1}};
    return bp__record_gemm_kernel(recorder, gemm, file, kernel, options, &grid, NULL, 0);
}

/* Layout NT. A tile has vector_width results: as square as the rows allow, since it loads
 * tile_m + tile_n vectors for tile_m * tile_n multiply-adds. */
static bp_status dot(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    unsigned tile_m = engine->vector_width >= 16 ? 4 : 2;
    while (tile_m > 1 && tile_m > shape.m) tile_m /= 2;
    unsigned tile_n = engine->vector_width / tile_m;
    size_t tiles = ceil_divide(shape.m, tile_m) * ceil_divide(shape.n, tile_n);
    /* As many tiles of B side by side as the first-level cache holds beside a tile of A. */
    const size_t row_tile = (size_t)tile_m * shape.k, column_tile = (size_t)tile_n * shape.k;
    unsigned strip = 1;
    while (row_tile + (strip + 1) * column_tile <= CACHE_FLOATS && strip < 64) ++strip;
    return record(engine, recorder, gemm, "cpu/gemm_dot.cl", "gemm_dot", tile_m, tile_n, strip,
                  tiles);
}

/* Layouts NN and TN. For each candidate tile: the half cycles of the whole product, at two
 * multiply-adds or two loads a cycle, what hangs over the edges included, and a vector in one cycle
 * where the strip of B outgrows the first-level cache. Vectors wider than 8 come with 32 registers,
 * the others with 16. */
static bp_status outer(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const size_t vectors = ceil_divide(shape.n, engine->vector_width);
    const unsigned registers = engine->vector_width >= 16 ? 32 : 16;
    unsigned best_m = 1, best_n = 1;
    size_t best_cost = SIZE_MAX, best_tiles = 0;
    for (unsigned m = 1; m <= 14; ++m)
        for (unsigned n = 1; n <= 8; ++n) {
            if (m * n + n + 1 > registers) continue;
            /* Fewer than 8 sums cannot hide the latency of a multiply-add. */
            const unsigned sums = m * n < 8 ? 8 : m * n, loads = m + n;
            const size_t tiles = ceil_divide(shape.m, m) * ceil_divide(vectors, n);
            const bool cached = (size_t)n * engine->vector_width * shape.k <= CACHE_FLOATS;
            const size_t inner = (sums > loads ? sums : loads) + (cached ? 0 : 2 * n);
            const size_t cost = tiles * (inner * shape.k + 2u * m * n);
            if (cost < best_cost) {
                best_cost = cost;
                best_m = m;
                best_n = n;
                best_tiles = tiles;
            }
        }
    return record(engine, recorder, gemm, "cpu/gemm_outer.cl", "gemm_outer", best_m, best_n, 1,
                  best_tiles);
}

/* What the vector kernels rely on; a view that breaks it is a bug of the caller. */
static bool padded(const bp__view *view, unsigned width)
{
    return !view->buffer || view->rows <= 1 || view->stride % width == 0;
}

bp_status bp__gemm_cpu(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    if (!padded(&gemm->a, engine->vector_width) || !padded(&gemm->b, engine->vector_width) ||
        !padded(&gemm->c, engine->vector_width) || !padded(&gemm->e, engine->vector_width))
        return bp__fail(BP_ERROR_INTERNAL, "GEMM operand is not padded to %u columns",
                        engine->vector_width);
    if (bp__gemm_packed_pays(engine, gemm)) return bp__gemm_packed(engine, recorder, gemm);
    return gemm->layout == BP__GEMM_NT ? dot(engine, recorder, gemm)
                                       : outer(engine, recorder, gemm);
}
