/* matrix_tile.c - the tiles of products on matrix units, and which of them is taken. */
#include "ops/matrix_tile.h"

#include <stdio.h>

#include "ops/launchers.h"

enum { WARP = 32, FRAGMENT_M = 16, FRAGMENT_N = 8, FRAGMENT_DEPTH = 8, STAND_IN_WORDS = 6 };

static const bp__matrix_tile tiles[] = {{128, 128, 16, 2, 4, 1},
                                        {64, 64, 16, 2, 2, 1},
                                        {32, 32, 16, 2, 2, 1},
                                        {16, 128, 16, 1, 4, 1},
                                        {128, 16, 16, 4, 1, 1}};

const bp__matrix_tile *bp__matrix_tiles(size_t *count)
{
    *count = BP_COUNT(tiles);
    return tiles;
}

const char *bp__matrix_tile_describe(char text[BP__TILE_TEXT], const bp__matrix_tile *tile)
{
    const int used = snprintf(text, BP__TILE_TEXT, "%ux%ux%u, %ux%u warps", tile->m, tile->n,
                              tile->depth, tile->warps_m, tile->warps_n);
    if (tile->splits > 1)
        snprintf(text + used, BP__TILE_TEXT - (size_t)used, ", %u splits", tile->splits);
    return text;
}

const char *bp__matrix_tile_options(char text[BP__TILE_OPTIONS], const bp__matrix_tile *tile)
{
    snprintf(text, BP__TILE_OPTIONS,
             "-DTILE_M=%u -DTILE_N=%u -DDEPTH=%u -DWARPS_M=%u -DWARPS_N=%u -DSPLITS=%u", tile->m,
             tile->n, tile->depth, tile->warps_m, tile->warps_n, tile->splits);
    return text;
}

bool bp__matrix_tile_valid(const bp__matrix_tile *tile)
{
    if (!tile->m || !tile->n || !tile->depth || !tile->warps_m || !tile->warps_n || !tile->splits)
        return false;
    /* Tiles of 16 keep the words of a fragment in as many banks; a slice has whole fragments. */
    return tile->splits <= BP__MOST_SPLITS && tile->m % (FRAGMENT_M * tile->warps_m) == 0 &&
           tile->n % (FRAGMENT_N * tile->warps_n) == 0 && tile->n % FRAGMENT_M == 0 &&
           tile->depth % FRAGMENT_DEPTH == 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Words of one side of a slice, whichever way it lies. */
static size_t slice_words(size_t side, size_t depth)
{
    return larger(side * (depth + 4), depth * (side + 8));
}

/* As in kernels/gpu/gemm_matrix.cl. */
static size_t local_words(const bp__matrix_tile *t, bool stand_in)
{
    const size_t slices = 2 * (slice_words(t->m, t->depth) + slice_words(t->n, t->depth));
    const size_t warps = (size_t)t->warps_m * t->warps_n;
    const size_t strips = warps * FRAGMENT_M * (t->n / t->warps_n + 8);
    return larger(slices, strips) + warps * (stand_in ? WARP * STAND_IN_WORDS : 1);
}

bool bp__matrix_tile_fits(const bp__matrix_tile *tile, const bp_device *device, bool stand_in)
{
    return (size_t)WARP * tile->warps_m * tile->warps_n <= device->max_work_group &&
           local_words(tile, stand_in) * sizeof(cl_float) <= device->local_bytes;
}

bp__matrix_tile bp__matrix_tile_choose(const bp_device *device, bool stand_in, unsigned side,
                                       size_t m, size_t n, size_t k)
{
    bp__tile_sides sides[BP_COUNT(tiles)];
    for (size_t i = 0; i < BP_COUNT(tiles); ++i)
        sides[i] = (bp__tile_sides){tiles[i].m, tiles[i].n,
                                    bp__matrix_tile_fits(&tiles[i], device, stand_in)};
    const size_t at = bp__tile_pick(sides, BP_COUNT(tiles), device, side, m, n);
    if (at == BP_COUNT(tiles)) return (bp__matrix_tile){.m = 0};
    bp__matrix_tile chosen = tiles[at];
    chosen.splits = bp__tile_splits(&sides[at], device, m, n, k / chosen.depth);
    return chosen;
}
