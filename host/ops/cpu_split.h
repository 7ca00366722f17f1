/* cpu_split.h - how the products of kernels/cpu/dense.cl are cut: tiles, strips, tasks. */
#ifndef BP_OPS_CPU_SPLIT_H
#define BP_OPS_CPU_SPLIT_H

#include <stddef.h>

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

/* The split whose slowest thread has the least to do; fewest tasks where that is equal. There are at
 * least least_row_blocks blocks of rows, as far as there are tiles. */
bp__cpu_split bp__cpu_split_product(const bp__cpu_tile *tile, size_t threads, size_t tiles,
                                    size_t vectors, size_t least_row_blocks);

#endif
