/* gpu_tile.c - the tiles of products on GPUs, and which of them is taken. */
#include "ops/gpu_tile.h"

#include <stdio.h>

#include "ops/gpu_registers.h"
#include "ops/launchers.h"

static const bp__gpu_tile tiles[] = {{128, 128, 16, 8, 8, 1}, {64, 64, 16, 4, 4, 1},
                                     {32, 32, 16, 4, 4, 1},   {16, 16, 16, 2, 2, 1},
                                     {16, 128, 16, 2, 4, 1},  {128, 16, 16, 4, 2, 1}};

/* Sides up to which a narrow tile is taken. */
enum { NARROW = 16 };

/* Slices that a piece of a sum has at least: less would be all overhead. */
enum { LEAST_SLICES = 8 };

const bp__gpu_tile *bp__gpu_tiles(size_t *count)
{
    *count = BP_COUNT(tiles);
    return tiles;
}

const char *bp__gpu_tile_describe(char text[BP__TILE_TEXT], const bp__gpu_tile *tile)
{
    const int used = snprintf(text, BP__TILE_TEXT, "%ux%ux%u, %ux%u an item", tile->m, tile->n,
                              tile->k, tile->item_m, tile->item_n);
    if (tile->splits > 1)
        snprintf(text + used, BP__TILE_TEXT - (size_t)used, ", %u splits", tile->splits);
    return text;
}

const char *bp__gpu_tile_options(char text[BP__TILE_OPTIONS], const bp__gpu_tile *tile,
                                 const bp_device *device)
{
    char subgroup[BP__SUBGROUP_OPTION];
    snprintf(text, BP__TILE_OPTIONS,
             "-DTILE_M=%u -DTILE_N=%u -DTILE_K=%u -DITEM_M=%u -DITEM_N=%u -DSPLITS=%u%s", tile->m,
             tile->n, tile->k, tile->item_m, tile->item_n, tile->splits,
             bp__gpu_subgroup_option(subgroup, device));
    return text;
}

static size_t items_of(const bp__gpu_tile *tile)
{
    return (size_t)(tile->m / tile->item_m) * (tile->n / tile->item_n);
}

bool bp__gpu_tile_valid(const bp__gpu_tile *tile)
{
    if (!tile->m || !tile->n || !tile->k || !tile->item_m || !tile->item_n || !tile->splits)
        return false;
    if (tile->m % tile->item_m || tile->n % tile->item_n || tile->splits > BP__MOST_SPLITS)
        return false;
    const size_t items = items_of(tile);
    /* 16-byte boundaries of a slice's rows, and as many elements of both slices for each item. */
    return tile->m % 4 == 0 && tile->n % 4 == 0 && (size_t)tile->m * tile->k % items == 0 &&
           (size_t)tile->n * tile->k % items == 0;
}

bool bp__gpu_tile_fits(const bp__gpu_tile *tile, const bp_device *device)
{
    /* As in kernels/gpu/gemm_gpu.cl: slices; sums, a row and a column, a part of the next slices.
     */
    const size_t bytes = (size_t)tile->k * (tile->m + tile->n + 8) * sizeof(float);
    const size_t kept = (size_t)tile->item_m * tile->item_n + tile->item_m + tile->item_n +
                        (size_t)tile->k * (tile->m + tile->n) / items_of(tile);
    return items_of(tile) <= device->max_work_group && bytes <= device->local_bytes &&
           bp__gpu_registers_fit(device, kept);
}

static size_t groups_of(const bp__tile_sides *tile, size_t m, size_t n)
{
    return ((m + tile->m - 1) / tile->m) * ((n + tile->n - 1) / tile->n);
}

/* Of the squares the largest that keeps every compute unit busy, else the smallest: a larger one
 * would be mostly edge, or leave the device idle. Of a product that is narrow, a narrow one. */
size_t bp__tile_pick(const bp__tile_sides *all, size_t count, const bp_device *device,
                     unsigned side, size_t m, size_t n)
{
    size_t best = count;
    for (size_t i = 0; i < count; ++i)
        if (all[i].m == side && all[i].n == side && all[i].fits) return i;
    for (size_t i = 0; i < count; ++i) {
        const bp__tile_sides *t = &all[i];
        if (!t->fits) continue;
        if (t->m == t->n) {
            if (best == count || groups_of(&all[best], m, n) < device->info.compute_units) best = i;
        } else if ((m <= NARROW && t->m <= NARROW && n >= t->n) ||
                   (n <= NARROW && t->n <= NARROW && m >= t->m)) {
            best = i;
        }
    }
    return best;
}

unsigned bp__tile_splits(const bp__tile_sides *tile, const bp_device *device, size_t m, size_t n,
                         size_t slices)
{
    const size_t groups = groups_of(tile, m, n), units = device->info.compute_units;
    const size_t most = slices / LEAST_SLICES;
    if (groups >= units || most <= 1) return 1;
    size_t splits = (units + groups - 1) / groups;
    if (splits > most) splits = most;
    if (splits > BP__MOST_SPLITS) splits = BP__MOST_SPLITS;
    while (splits & (splits - 1)) splits &= splits - 1; /* few programs: powers of two */
    return (unsigned)splits;
}

bp__gpu_tile bp__gpu_tile_choose(const bp_device *device, unsigned side, size_t m, size_t n,
                                 size_t k)
{
    bp__tile_sides sides[BP_COUNT(tiles)];
    for (size_t i = 0; i < BP_COUNT(tiles); ++i)
        sides[i] = (bp__tile_sides){tiles[i].m, tiles[i].n, bp__gpu_tile_fits(&tiles[i], device)};
    const size_t at = bp__tile_pick(sides, BP_COUNT(tiles), device, side, m, n);
    if (at == BP_COUNT(tiles)) return (bp__gpu_tile){.m = 0};
    bp__gpu_tile chosen = tiles[at];
    chosen.splits = bp__tile_splits(&sides[at], device, m, n, k / chosen.k);
    return chosen;
}
