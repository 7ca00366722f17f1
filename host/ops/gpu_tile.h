/* gpu_tile.h - the tiles of the matrix product on GPUs: one struct, from which the compiler's
 * options, the grid and the needs come. */
#ifndef BP_OPS_GPU_TILE_H
#define BP_OPS_GPU_TILE_H

#include "opencl/device.h"

/* A work-group computes m x n results, from slices k deep; a work-item item_m x item_n of them. */
typedef struct bp__gpu_tile {
    unsigned m, n, k, item_m, item_n;
} bp__gpu_tile;

/* All that there are, the largest first. */
const bp__gpu_tile *bp__gpu_tiles(size_t *count);

/* "64x64x16, 4x4 an item" */
enum { BP__TILE_TEXT = 64 };
const char *bp__gpu_tile_describe(char text[BP__TILE_TEXT], const bp__gpu_tile *tile);

/* Whether the device's work-groups and local memory are large enough. */
bool bp__gpu_tile_fits(const bp__gpu_tile *tile, const bp_device *device);

#endif
