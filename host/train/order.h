/* order.h - the order in which an epoch takes the rows of a data set.
 *
 * BP_SHUFFLE_ALL is one permutation of all rows. BP_SHUFFLE_BLOCKS can be read from a disk: the
 * rows are cut into blocks of neighbours, the epoch takes the blocks in a random order, and the
 * rows of each window, which is many blocks one after the other in that order, in a random order
 * again. Both are pure functions of (seed, epoch, rows, window, block). Nothing else differs
 * between data that lies on the device and data that is streamed to it. */
#ifndef BP_TRAIN_ORDER_H
#define BP_TRAIN_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct bp__order {
    int32_t shuffle; /* BP_SHUFFLE_NONE, BP_SHUFFLE_ALL or BP_SHUFFLE_BLOCKS */
    uint64_t seed;
    size_t rows;
    size_t window; /* rows: whole batches */
    size_t block;  /* rows of a block; the last may have fewer */
    bool join;     /* a last batch of a single row goes with the one before it */
} bp__order;

/* How many batches, or windows, of `size` rows there are in so many; the last may have fewer, and
 * where join is true and it would have a single one, the one before it has that as well. */
size_t bp__pieces(size_t rows, size_t size, bool join);

/* The order that the options mean. row_words: float32 and int32 of a row, its targets included;
 * window 0: as many rows as take 16 MiB. */
bp__order bp__order_create(int32_t shuffle, uint64_t seed, size_t rows, size_t row_words,
                           size_t batch, size_t window);

size_t bp__order_windows(const bp__order *order);
size_t bp__order_blocks(const bp__order *order);

/* The rows of window w; the most that one has. */
size_t bp__order_window_rows(const bp__order *order, size_t w);
size_t bp__order_most_rows(const bp__order *order);

/* Where the rows of the windows lie in the data set, one stretch after the other. */
typedef struct bp__walk {
    const bp__order *order;
    uint32_t *blocks; /* [blocks], the epoch's order of the blocks; owned */
    size_t at;        /* in blocks */
    size_t done;      /* rows of that block */
} bp__walk;

bp_status bp__walk_create(bp__walk *walk, const bp__order *order);
void bp__walk_free(bp__walk *walk);
/* To the start of an epoch. */
void bp__walk_begin(bp__walk *walk, uint32_t epoch);
/* The next rows: *first and those after it, at most `most`; returns how many. */
size_t bp__walk_next(bp__walk *walk, size_t most, size_t *first);
/* Past the next rows. */
void bp__walk_skip(bp__walk *walk, size_t rows);

/* positions[rows of the window]: the order in which the rows of window w, as the walk brings them,
 * are taken. */
void bp__order_window(uint32_t *positions, const bp__order *order, uint32_t epoch, size_t w);

/* rows[order->rows]: the rows of the whole epoch in the order in which they are taken. */
bp_status bp__order_epoch(uint32_t *rows, const bp__order *order, uint32_t epoch);

#endif
