/* matrix_tile.c - the tiles of products on matrix units, and which of them is taken. */
#include "ops/matrix_tile.h"

#include <stdio.h>

#include "ops/launchers.h"

/* By lanes of a sub-group. Its sums stay in registers, and so does the next slice on its way:
 * Intel's compiler has 128 registers as wide as a sub-group and puts what is more into memory. */
static const struct {
    unsigned lanes;
    bp__matrix_tile tiles[BP__MATRIX_TILES];
} by_lanes[] = {
    {64,
     {{128, 128, 16, 2, 2, 1},
      {64, 64, 16, 2, 2, 1},
      {32, 32, 16, 2, 2, 1},
      {16, 128, 16, 1, 4, 1},
      {128, 16, 16, 4, 1, 1}}},
    {32,
     {{128, 128, 16, 2, 4, 1},
      {64, 64, 16, 2, 2, 1},
      {32, 32, 16, 2, 2, 1},
      {16, 128, 16, 1, 4, 1},
      {128, 16, 16, 4, 1, 1}}},
    {16,
     {{128, 128, 16, 8, 8, 1},
      {64, 64, 16, 4, 4, 1},
      {32, 32, 16, 4, 2, 1},
      {16, 128, 16, 2, 8, 1},
      {128, 16, 16, 16, 1, 1}}},
    {8,
     {{128, 128, 16, 16, 8, 1},
      {64, 64, 16, 8, 4, 1},
      {32, 32, 8, 4, 2, 1},
      {16, 128, 8, 2, 8, 1},
      {128, 16, 8, 8, 2, 1}}},
};

const bp__matrix_tile *bp__matrix_tiles(const bp__matrix_units *units)
{
    size_t i = 0;
    while (by_lanes[i].lanes != units->lanes) ++i;
    return by_lanes[i].tiles;
}

const char *bp__matrix_tile_describe(char text[BP__TILE_TEXT], const bp__matrix_tile *tile)
{
    const int used = snprintf(text, BP__TILE_TEXT, "%ux%ux%u, %ux%u sub-groups", tile->m, tile->n,
                              tile->depth, tile->subgroups_m, tile->subgroups_n);
    if (tile->splits > 1)
        snprintf(text + used, BP__TILE_TEXT - (size_t)used, ", %u splits", tile->splits);
    return text;
}

const char *bp__matrix_tile_options(char text[BP__TILE_OPTIONS], const bp__matrix_tile *tile)
{
    snprintf(text, BP__TILE_OPTIONS,
             "-DTILE_M=%u -DTILE_N=%u -DDEPTH=%u -DSUBGROUPS_M=%u -DSUBGROUPS_N=%u -DSPLITS=%u",
             tile->m, tile->n, tile->depth, tile->subgroups_m, tile->subgroups_n, tile->splits);
    return text;
}

bool bp__matrix_tile_valid(const bp__matrix_tile *tile, const bp__matrix_units *units)
{
    enum { DEPTHS = 8 }; /* all units' products are of so many words, or of a part of them */
    if (!tile->m || !tile->n || !tile->depth || !tile->subgroups_m || !tile->subgroups_n ||
        !tile->splits)
        return false;
    /* Tiles of 16 keep the words of a fragment in as many banks; a slice has whole fragments. */
    return tile->splits <= BP__MOST_SPLITS && tile->m % (units->m * tile->subgroups_m) == 0 &&
           tile->n % (units->n * tile->subgroups_n) == 0 && tile->m % 16 == 0 &&
           tile->n % 16 == 0 && tile->depth % DEPTHS == 0;
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
static size_t local_words(const bp__matrix_tile *t, const bp__matrix_units *units, bool stand_in)
{
    const size_t slices = 2 * (slice_words(t->m, t->depth) + slice_words(t->n, t->depth));
    const size_t subgroups = (size_t)t->subgroups_m * t->subgroups_n;
    const size_t strips = subgroups * units->m * (t->n / t->subgroups_n + 8);
    return larger(slices, strips) + subgroups * (stand_in ? units->room : 1);
}

bool bp__matrix_tile_fits(const bp__matrix_tile *tile, const bp__matrix_units *units,
                          const bp_device *device)
{
    return (size_t)units->lanes * tile->subgroups_m * tile->subgroups_n <= device->max_work_group &&
           local_words(tile, units, device->units_stand_in) * sizeof(cl_float) <=
               device->local_bytes;
}

bp__matrix_tile bp__matrix_tile_choose(const bp_device *device, const bp__matrix_units *units,
                                       unsigned side, size_t m, size_t n, size_t k)
{
    const bp__matrix_tile *tiles = bp__matrix_tiles(units);
    bp__tile_sides sides[BP__MATRIX_TILES];
    for (size_t i = 0; i < BP__MATRIX_TILES; ++i)
        sides[i] = (bp__tile_sides){tiles[i].m, tiles[i].n,
                                    bp__matrix_tile_fits(&tiles[i], units, device)};
    const size_t at = bp__tile_pick(sides, BP__MATRIX_TILES, device, side, m, n);
    if (at == BP__MATRIX_TILES) return (bp__matrix_tile){.m = 0};
    bp__matrix_tile chosen = tiles[at];
    chosen.splits = bp__tile_splits(&sides[at], device, m, n, k / chosen.depth);
    return chosen;
}
