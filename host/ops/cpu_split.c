/* cpu_split.c - cuts a product in tasks for the threads of a CPU. */
#include "ops/cpu_split.h"

enum { TASKS_A_THREAD = 4 };

/* Vectors of 16 floats come with 32 registers, as do those of 4 (NEON); those of 8 with 16. A tile
 * needs its sums, a row of vectors and one broadcast. */
bp__cpu_tile bp__cpu_tile_of(unsigned vector_width)
{
    if (vector_width == 8) return (bp__cpu_tile){.rows = 4, .lanes = 4, .vectors = 3};
    return (bp__cpu_tile){.rows = 8, .lanes = vector_width < 8 ? vector_width : 8, .vectors = 3};
}

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Half cycles for one k of a tile `vectors` wide: two multiply-adds a cycle, or two loads, and what
 * a narrow tile cannot hide. */
static size_t tile_cost(size_t rows, size_t vectors)
{
    const size_t sums = rows * vectors, loads = rows + vectors;
    return (sums > loads ? sums : loads) + 1;
}

bp__cpu_split bp__cpu_split_product(const bp__cpu_tile *tile, size_t threads, size_t tiles,
                                    size_t vectors, size_t least_row_blocks)
{
    const size_t fewest = ceil_divide(vectors, tile->vectors);
    if (least_row_blocks > tiles) least_row_blocks = tiles;
    if (least_row_blocks < 1) least_row_blocks = 1;
    bp__cpu_split best = {0};
    size_t best_cost = (size_t)-1;
    /* Narrower strips, then more blocks of rows: what keeps a thread's weights its own comes first. */
    for (size_t strips = fewest; strips <= vectors && strips < fewest + threads; ++strips)
        for (size_t blocks = least_row_blocks;
             blocks <= tiles && blocks < least_row_blocks + threads; ++blocks) {
            size_t column_blocks = strips;
            while (column_blocks % 2 == 0 && column_blocks * blocks > threads * TASKS_A_THREAD)
                column_blocks /= 2;
            const size_t tasks = column_blocks * blocks;
            const size_t cost = ceil_divide(tasks, threads) * ceil_divide(tiles, blocks) *
                                ceil_divide(strips, column_blocks) *
                                tile_cost(tile->rows, ceil_divide(vectors, strips));
            if (cost < best_cost) {
                best_cost = cost;
                best = (bp__cpu_split){strips, blocks, column_blocks};
            }
        }
    return best;
}
