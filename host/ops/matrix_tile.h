/* matrix_tile.h - how matrix units compute a product: one struct, from which the compiler's
 * options, the grid and the needs come; kernels/gpu/gemm_matrix.cl. */
#ifndef BP_OPS_MATRIX_TILE_H
#define BP_OPS_MATRIX_TILE_H

#include "ops/gpu_tile.h"
#include "ops/matrix_units.h"

/* A work-group of subgroups_m x subgroups_n sub-groups computes m x n results, from slices `depth`
 * words deep: floats, or pairs of bfloat16. The sum of a product may be cut in `splits` pieces,
 * each by a group of its own. */
typedef struct bp__matrix_tile {
    unsigned m, n, depth, subgroups_m, subgroups_n, splits;
} bp__matrix_tile;

/* All that there are for these units, with one piece each: squares, the largest first, then the
 * narrow ones. */
enum { BP__MATRIX_TILES = 5 };
const bp__matrix_tile *bp__matrix_tiles(const bp__matrix_units *units);

/* "64x64x16, 2x2 sub-groups, 8 splits" */
const char *bp__matrix_tile_describe(char text[BP__TILE_TEXT], const bp__matrix_tile *tile);

/* "-DTILE_M=64 …" */
const char *bp__matrix_tile_options(char text[BP__TILE_OPTIONS], const bp__matrix_tile *tile);

/* Whether the kernel can be built for it: whole fragments, whole units of four words. */
bool bp__matrix_tile_valid(const bp__matrix_tile *tile, const bp__matrix_units *units);

/* Whether the device's work-groups and local memory are large enough; where the units are stood in
 * for, that takes local memory as well. */
bool bp__matrix_tile_fits(const bp__matrix_tile *tile, const bp__matrix_units *units,
                          const bp_device *device);

/* What is chosen for a product of these sizes, k in words: the square tile of this side, if there
 * is one that fits; else, as with 0, by the sizes. m is 0 where nothing fits. */
bp__matrix_tile bp__matrix_tile_choose(const bp_device *device, const bp__matrix_units *units,
                                       unsigned side, size_t m, size_t n, size_t k);

#endif
