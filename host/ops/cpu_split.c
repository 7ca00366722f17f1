/* cpu_split.c - cuts a product in tasks for the threads of a CPU. */
#include "ops/cpu_split.h"

#include "base/work.h"

enum {
    ROW_VECTORS = 8, /* of a batch of one at a time */
    TASK_COST = 600, /* half cycles of a task beside its work */
    NEAR = 4         /* numbers of pieces that are tried from the fewest on */
};

static size_t ceil_divide(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Half cycles for one k of a tile `vectors` wide: two multiply-adds a cycle, or two loads, and what
 * a narrow tile cannot hide. */
static double tile_cost(size_t rows, size_t vectors)
{
    const size_t sums = rows * vectors, loads = rows + vectors;
    return (double)(sums > loads ? sums : loads) + 1;
}

/* Piece i of n of `count` things, as `cut` in kernels/cpu/panel.cl. */
static size_t piece(size_t count, size_t i, size_t n)
{
    return count * (i + 1) / n - count * i / n;
}

/* What a task costs that has column block `block`, for one tile of rows. */
static double block_cost(const bp__tile *tile, const bp__cpu_split *split, size_t vectors,
                         size_t block)
{
    const size_t end = split->strips * (block + 1) / split->column_blocks;
    double cost = 0;
    for (size_t s = split->strips * block / split->column_blocks; s < end; ++s)
        cost += tile_cost(tile->rows, piece(vectors, s, split->strips));
    return cost;
}

/* The half cycles of the thread that has the most to do. */
static double split_cost(const bp__tile *tile, const bp__cpu_split *split, size_t threads,
                         size_t tiles, size_t vectors, size_t depth)
{
    const size_t tasks = split->row_blocks * split->column_blocks;
    double worst = 0;
    for (size_t thread = 0; thread < threads; ++thread) {
        double cost = 0;
        const size_t end = tasks * (thread + 1) / threads;
        for (size_t task = tasks * thread / threads; task < end; ++task)
            cost += TASK_COST +
                    (double)depth *
                        (double)piece(tiles, task / split->column_blocks, split->row_blocks) *
                        block_cost(tile, split, vectors, task % split->column_blocks);
        if (cost > worst) worst = cost;
    }
    return worst;
}

/* Candidates for a number of pieces: some from the fewest on, then an equal number for each thread.
 * 0 ends. */
static size_t candidate(size_t number, size_t fewest, size_t most, size_t threads)
{
    const size_t count = number < NEAR        ? fewest + number
                         : number == NEAR     ? ceil_divide(fewest, threads) * threads
                         : number == NEAR + 1 ? ceil_divide(fewest, threads) * threads * 2
                                              : most + 1;
    return count <= most ? count : number <= NEAR + 1 ? most : 0;
}

bp__cpu_split bp__cpu_split_product(const bp__tile *tile, size_t threads, size_t tiles,
                                    size_t vectors, size_t depth, size_t least_row_blocks)
{
    const size_t fewest = ceil_divide(vectors, tile->vectors);
    bp__cpu_split best = {0};
    if (tiles == 0) return best;
    if (least_row_blocks > tiles) least_row_blocks = tiles;
    if (least_row_blocks < 1) least_row_blocks = 1;
    double best_cost = 0;
    for (size_t i = 0, strips; (strips = candidate(i, fewest, vectors, threads)) > 0; ++i)
        for (size_t j = 0, rows; (rows = candidate(j, least_row_blocks, tiles, threads)) > 0; ++j)
            for (size_t columns = strips; columns > 0;
                 columns = columns % 2 == 0 ? columns / 2 : 0) {
                const bp__cpu_split split = {strips, rows, columns};
                const double cost = split_cost(tile, &split, threads, tiles, vectors, depth);
                if (best.strips > 0 && cost >= best_cost) continue;
                best = split;
                best_cost = cost;
            }
    return best;
}

bp__cpu_split bp__cpu_split_row(size_t threads, size_t vectors)
{
    size_t strips = ceil_divide(ceil_divide(vectors, ROW_VECTORS), threads) * threads;
    if (strips > vectors) strips = vectors;
    return (bp__cpu_split){.strips = strips, .row_blocks = 1, .column_blocks = strips};
}

double bp__cpu_nanoseconds(const double *costs, const bp__op *ops, size_t count,
                           unsigned vector_width, size_t threads)
{
    double alone = 0;
    for (size_t i = 0; i < count; ++i) {
        const bp__work work = bp__work_of(ops, i, 1);
        alone += work.flops > 0 ? work.flops / 2 / vector_width * costs[BP__COST_MULTIPLY_ADD]
                                : work.bytes * costs[BP__COST_BYTE];
    }
    const double waiting = threads > 1 ? costs[BP__COST_WAITING] * (double)threads : 0;
    return (double)count * (costs[BP__COST_OPERATION] + waiting) + alone / (double)threads;
}

size_t bp__cpu_threads(const double *costs, const bp__op *ops, size_t count, unsigned vector_width,
                       size_t most, double *nanoseconds)
{
    size_t best = 1;
    *nanoseconds = bp__cpu_nanoseconds(costs, ops, count, vector_width, 1);
    for (size_t threads = 2; threads <= most; ++threads) {
        const double together = bp__cpu_nanoseconds(costs, ops, count, vector_width, threads);
        if (together >= *nanoseconds) continue;
        *nanoseconds = together;
        best = threads;
    }
    return best;
}
