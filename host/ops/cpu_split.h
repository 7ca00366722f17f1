/* cpu_split.h - how a plan is cut for a CPU: how many threads, and for products the tiles, strips
 * and tasks. */
#ifndef BP_OPS_CPU_SPLIT_H
#define BP_OPS_CPU_SPLIT_H

#include "base/operation.h"
#include "tuning/tuning.h"

/* A result of tiles x vectors, cut for a number of threads. */
typedef struct bp__cpu_split {
    size_t strips;                    /* all columns, in strips of at most tile.vectors vectors */
    size_t row_blocks, column_blocks; /* tasks = row_blocks * column_blocks */
} bp__cpu_split;

/* The split whose slowest thread has the least to do, a sum being `depth` deep. There are
 * at least least_row_blocks blocks of rows, as far as there are tiles. */
bp__cpu_split bp__cpu_split_product(const bp__tile *tile, size_t threads, size_t tiles,
                                    size_t vectors, size_t depth, size_t least_row_blocks);

/* The same for the only row of a batch of one, which is cut in columns alone. */
bp__cpu_split bp__cpu_split_row(size_t threads, size_t vectors);

/* Nanoseconds of ops[count] on a number of threads, estimated from costs[BP__COSTS], in which it is
 * linear. */
double bp__cpu_nanoseconds(const double *costs, const bp__op *ops, size_t count,
                           unsigned vector_width, size_t threads);

/* The number of threads, up to `most`, for which that is least, and how much it is then. */
size_t bp__cpu_threads(const double *costs, const bp__op *ops, size_t count, unsigned vector_width,
                       size_t most, double *nanoseconds);

#endif
