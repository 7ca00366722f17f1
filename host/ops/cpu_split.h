/* cpu_split.h - how a plan is cut for a CPU: how many threads, and for products the tiles, strips
 * and tasks. */
#ifndef BP_OPS_CPU_SPLIT_H
#define BP_OPS_CPU_SPLIT_H

#include "base/operation.h"

/* The register tiles for a vector width. */
typedef struct bp__cpu_tile {
    unsigned rows;    /* of a tile of forward and effect */
    unsigned lanes;   /* inputs of a tile of the gradient; divides the vector width */
    unsigned vectors; /* the widest strip */
} bp__cpu_tile;

bp__cpu_tile bp__cpu_tile_of(unsigned vector_width);

/* A result of tiles x vectors, cut for a number of threads. */
typedef struct bp__cpu_split {
    size_t strips;                    /* all columns, in strips of at most tile.vectors vectors */
    size_t row_blocks, column_blocks; /* tasks = row_blocks * column_blocks */
} bp__cpu_split;

/* The split whose slowest thread has the least to do, a sum being `depth` deep. There are
 * at least least_row_blocks blocks of rows, as far as there are tiles. */
bp__cpu_split bp__cpu_split_product(const bp__cpu_tile *tile, size_t threads, size_t tiles,
                                    size_t vectors, size_t depth, size_t least_row_blocks);

/* The same for the only row of a batch of one, which is cut in columns alone. */
bp__cpu_split bp__cpu_split_row(size_t threads, size_t vectors);

/* The number of threads, up to `most`, that takes the least time for ops[count], and that time in
 * nanoseconds, estimated. */
size_t bp__cpu_threads(const bp__op *ops, size_t count, unsigned vector_width, size_t most,
                       double *nanoseconds);

#endif
