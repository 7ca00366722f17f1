/* gemm_matrix.c - launches the tiled product on matrix units. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "ops/gemm.h"
#include "ops/matrix_tile.h"
#include "ops/matrix_units.h"

/* As kernels/gpu/gemm_matrix.cl has them. */
_Static_assert(BP_PRECISION_FP32 == 0 && BP_PRECISION_TF32 == 1 && BP_PRECISION_BF16 == 2,
               "BP_PRODUCTS is the precision");

static size_t numbers_in_word(int32_t precision)
{
    return precision == BP_PRECISION_BF16 ? 2 : 1;
}

bool bp__gemm_matrix_tile_fits(bp_device *device, unsigned side)
{
    const bp__matrix_units *units = bp__matrix_units_of(device);
    if (!units) return false;
    const bp__matrix_tile tile = bp__matrix_tile_choose(device, units, side, side, side, 1);
    return tile.m == side && tile.n == side;
}

static bp__matrix_tile choose(const bp__device_engine *engine, const bp__matrix_units *units,
                              const bp__gemm_shape *shape)
{
    if (engine->matrix_tile) return *engine->matrix_tile;
    const unsigned side = engine->tuning.gemm[bp__shape_of(shape->m, shape->n)].tile;
    return bp__matrix_tile_choose(engine->device, units, side, shape->m, shape->n,
                                  shape->k / numbers_in_word(engine->precision));
}

static bp_status pieces_of(cl_mem *out, bp__device_engine *engine, const bp__gemm_shape *shape,
                           size_t splits)
{
    size_t count;
    if (!bp__mul_size(&count, shape->m, shape->n) || !bp__mul_size(&count, count, splits))
        return bp__fail_memory(SIZE_MAX);
    return bp__engine_scratch(engine, count, out);
}

bp_status bp__gemm_matrix(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    const bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const bp__matrix_units *units = bp__matrix_units_of(engine->device);
    if (!units) return bp__matrix_units_need(engine->device, engine->precision);
    const bp__matrix_tile t = choose(engine, units, &shape);
    if (t.m == 0)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "%s has too little local memory or too small work-groups for products on "
                        "matrix units",
                        engine->device->info.name);
    char sizes[BP__TILE_OPTIONS], kind[BP__UNITS_OPTIONS];
    char options[BP__TILE_OPTIONS + BP__UNITS_OPTIONS];
    snprintf(
        options, sizeof options, "%s %s", bp__matrix_tile_options(sizes, &t),
        bp__matrix_units_options(kind, units, engine->precision, engine->device->units_stand_in));
    const size_t items = (size_t)t.subgroups_m * t.subgroups_n * units->lanes;
    const bp__grid grid = {
        3, {(shape.n + t.n - 1) / t.n * items, (shape.m + t.m - 1) / t.m, t.splits}, {items, 1, 1}};
    /* Without pieces the kernel has the argument all the same: any buffer will do. */
    cl_mem pieces = bp__buffer_memory(gemm->c.buffer);
    if (t.splits > 1) BP_TRY(pieces_of(&pieces, engine, &shape, t.splits));
    const bp__arg more[] = {BP_ARG(pieces)};
    BP_TRY(bp__record_gemm_kernel(recorder, gemm, "gpu/gemm_matrix.cl", "gemm_matrix", options,
                                  &grid, more, BP_COUNT(more)));
    if (t.splits == 1) return BP_OK;
    return bp__record_gemm_sum(recorder, gemm, "gpu/gemm_matrix.cl", options, pieces);
}
