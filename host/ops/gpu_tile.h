/* gpu_tile.h - how a GPU computes a matrix product: one struct, from which the compiler's options,
 * the grid and the needs come. */
#ifndef BP_OPS_GPU_TILE_H
#define BP_OPS_GPU_TILE_H

#include "opencl/device.h"

/* A work-group computes m x n results, from slices k deep; a work-item item_m x item_n of them. The
 * sum of a product may be cut in `splits` pieces, each by a group of its own. */
typedef struct bp__gpu_tile {
    unsigned m, n, k, item_m, item_n, splits;
} bp__gpu_tile;

/* All that there are, with one piece each: squares, the largest first, then the narrow ones. */
const bp__gpu_tile *bp__gpu_tiles(size_t *count);

/* "64x64x16, 4x4 an item", "64x64x16, 4x4 an item, 8 splits" */
enum { BP__TILE_TEXT = 64 };
const char *bp__gpu_tile_describe(char text[BP__TILE_TEXT], const bp__gpu_tile *tile);

/* "-DTILE_M=64 …" */
enum { BP__TILE_OPTIONS = 160 };
const char *bp__gpu_tile_options(char text[BP__TILE_OPTIONS], const bp__gpu_tile *tile,
                                 const bp_device *device);

/* Whether the kernel can be built for it: whole items, and slices that they can share out. */
bool bp__gpu_tile_valid(const bp__gpu_tile *tile);

/* Whether the device's work-groups, local memory and registers are large enough. */
bool bp__gpu_tile_fits(const bp__gpu_tile *tile, const bp_device *device);

enum { BP__MOST_SPLITS = 64 };

/* Of tiles, whatever computes them, only the sides and whether they fit: the number of the square
 * one of this side, if there is one that fits, else, as with 0, of the one that suits a product of
 * m x n results; count where none fits. And in how many pieces its sum of `slices` slices is cut.
 */
typedef struct bp__tile_sides {
    unsigned m, n;
    bool fits;
} bp__tile_sides;
size_t bp__tile_pick(const bp__tile_sides *all, size_t count, const bp_device *device,
                     unsigned side, size_t m, size_t n);
unsigned bp__tile_splits(const bp__tile_sides *tile, const bp_device *device, size_t m, size_t n,
                         size_t slices);

/* What is chosen for a product of these sizes: the square tile of this side, if there is one that
 * fits; else, as with 0, by the sizes. m is 0 where nothing fits. */
bp__gpu_tile bp__gpu_tile_choose(const bp_device *device, unsigned side, size_t m, size_t n,
                                 size_t k);

#endif
