/* cpu_split.c - cuts a product in tasks for the threads of a CPU. */
#include "ops/cpu_split.h"

#include "base/work.h"

enum {
    TASKS_A_THREAD = 4,
    ROW_VECTORS = 8 /* of a batch of one at a time */
};

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
    /* Narrower strips, then more blocks of rows: what keeps a thread's weights its own comes first.
     */
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

bp__cpu_split bp__cpu_split_row(size_t threads, size_t vectors)
{
    size_t strips = ceil_divide(ceil_divide(vectors, ROW_VECTORS), threads) * threads;
    if (strips > vectors) strips = vectors;
    return (bp__cpu_split){.strips = strips, .row_blocks = 1, .column_blocks = strips};
}

/* Nanoseconds of an operation beside its work, of a multiply-add of one lane, of a byte that is
 * copied or updated, and of waiting for one thread at the end of an operation: fitted to steps of
 * 0.6 to 100 microseconds on a 2-core AVX-512 CPU through POCL 3.1 (docs/performance.md). */
static const double operation_ns = 65, lane_ns = 16.0 / 75, byte_ns = 0.01, waiting_ns = 90;

size_t bp__cpu_threads(const bp__op *ops, size_t count, unsigned vector_width, size_t most,
                       double *nanoseconds)
{
    double alone = 0;
    for (size_t i = 0; i < count; ++i) {
        const bp__work work = bp__work_of(ops, i, 1);
        alone += work.flops > 0 ? work.flops / 2 / vector_width * lane_ns : work.bytes * byte_ns;
    }
    const double fixed = (double)count * operation_ns;
    size_t best = 1;
    *nanoseconds = fixed + alone;
    for (size_t threads = 2; threads <= most; ++threads) {
        const double together =
            fixed + alone / (double)threads + (double)count * waiting_ns * (double)threads;
        if (together >= *nanoseconds) continue;
        *nanoseconds = together;
        best = threads;
    }
    return best;
}
