/* gemm_packed.c - the matrix product for CPUs that packs its operands: large matrices. */
#include <stdio.h>

#include "base/memory.h"
#include "ops/gemm.h"

/* The blocking, from which both the compiler options and the grids come. Tiles fill the registers:
 * 32 of them where vectors have 16 floats, 16 otherwise. */
typedef struct blocking {
    unsigned tile_m, tile_n; /* rows; vectors */
    unsigned kc;             /* depth of a block */
    unsigned block_tiles;    /* tiles of rows that share a packed panel of B */
} blocking;

static blocking choose(const bp__device_engine *engine)
{
    bool many = engine->vector_width >= 16;
    return (blocking){.tile_m = many ? 14 : 6, .tile_n = 2, .kc = 512, .block_tiles = 64};
}

/* On a 2-core AVX-512 CPU through POCL 3.1, copying the operands loses at 13 million multiply-adds
 * and wins at 67 million (docs/performance.md); the limit lies between. Where a side is short, a
 * packed panel is used too few times. */
bool bp__gemm_packed_pays(const bp__device_engine *engine, const bp__gemm *gemm)
{
    const bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    if (engine->packing != BP__WHERE_IT_PAYS || shape.k == 0)
        return engine->packing == BP__ALWAYS && shape.k > 0;
    return shape.m >= 64 && shape.n >= 256 && shape.k >= 64 &&
           (double)shape.m * shape.n * shape.k >= 32e6;
}

bp_status bp__gemm_packed(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    const bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const blocking b = choose(engine);
    char own[128], options[256];
    snprintf(own, sizeof own, "-DBP_VW=%u -DTILE_M=%u -DTILE_N=%u -DKC=%u -DBLOCK_TILES=%u",
             engine->vector_width, b.tile_m, b.tile_n, b.kc, b.block_tiles);
    const size_t tiles_m = (shape.m + b.tile_m - 1) / b.tile_m;
    const size_t blocks = (shape.k + b.kc - 1) / b.kc;
    const size_t panel = (size_t)b.tile_n * engine->vector_width;
    const size_t panels = (shape.n + panel - 1) / panel;
    const size_t units = (tiles_m + b.block_tiles - 1) / b.block_tiles * panels;
    const size_t wanted = (size_t)engine->device->info.compute_units * 4;
    const size_t groups = units < wanted ? units : wanted;
    const size_t a_tile = (size_t)b.tile_m * (gemm->layout == BP__GEMM_TN ? b.kc : b.kc + 16);

    cl_mem packed, scratch;
    BP_TRY(bp__engine_scratch(engine, 0, tiles_m * blocks * a_tile, &packed));
    BP_TRY(bp__engine_scratch(engine, 1, groups * b.kc * panel, &scratch));
    bp__matrix_args a = bp__matrix(&gemm->a);
    const bp__arg pack_args[] = {BP_ARG(shape.m), BP_ARG(shape.k), BP_MATRIX(a), BP_ARG(packed)};
    const bp__grid pack_grid = {2, {blocks, tiles_m, 1}, {1, 1, 1}};
    bp__gemm_options(options, sizeof options, gemm, own);
    BP_TRY(bp__record_launch(recorder, "cpu/gemm_packed.cl", options, "gemm_pack_a", pack_args,
                             BP_COUNT(pack_args), &pack_grid));
    const bp__arg more[] = {BP_ARG(packed), BP_ARG(scratch)};
    const bp__grid grid = {1, {groups, 1, 1}, {1, 1, 1}};
    return bp__record_gemm_kernel(recorder, gemm, "cpu/gemm_packed.cl", "gemm_packed", own, &grid,
                                  more, BP_COUNT(more));
}
