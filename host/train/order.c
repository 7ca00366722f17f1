/* order.c - the order in which an epoch takes the rows of a data set. */
#include "train/order.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

/* A window is what is shuffled in memory: large enough that a batch is drawn from far apart, small
 * enough that a few of them are no burden. A block is what is read at once: large enough for a
 * disk, small enough that a window has more than a hundred. */
enum { WINDOW_WORDS = 1 << 22, BLOCK_WORDS = 1 << 15 };

static size_t at_least_one(size_t value)
{
    return value > 0 ? value : 1;
}

bp__order bp__order_create(int32_t shuffle, uint64_t seed, size_t rows, size_t row_words,
                           size_t batch, size_t window)
{
    if (window == 0) window = WINDOW_WORDS / row_words;
    return (bp__order){.shuffle = shuffle,
                       .seed = seed,
                       .rows = rows,
                       .window = at_least_one(window / batch) * batch,
                       .block = at_least_one(BLOCK_WORDS / row_words)};
}

size_t bp__pieces(size_t rows, size_t size, bool join)
{
    const size_t whole = rows / size, left = rows % size;
    return left == 0 || (join && left == 1 && whole > 0) ? whole : whole + 1;
}

size_t bp__order_windows(const bp__order *order)
{
    return bp__pieces(order->rows, order->window, order->join);
}

size_t bp__order_blocks(const bp__order *order)
{
    return (order->rows + order->block - 1) / order->block;
}

size_t bp__order_window_rows(const bp__order *order, size_t w)
{
    return w + 1 < bp__order_windows(order) ? order->window : order->rows - w * order->window;
}

size_t bp__order_most_rows(const bp__order *order)
{
    const size_t last = bp__order_window_rows(order, bp__order_windows(order) - 1);
    return last > order->window || order->rows < order->window ? last : order->window;
}

bp_status bp__walk_create(bp__walk *walk, const bp__order *order)
{
    *walk = (bp__walk){.order = order};
    return bp__new_array(&walk->blocks, bp__order_blocks(order), sizeof *walk->blocks);
}

void bp__walk_free(bp__walk *walk)
{
    free(walk->blocks);
    walk->blocks = NULL;
}

void bp__walk_begin(bp__walk *walk, uint32_t epoch)
{
    const bp__order *order = walk->order;
    const size_t blocks = bp__order_blocks(order);
    walk->at = walk->done = 0;
    if (order->shuffle == BP_SHUFFLE_BLOCKS)
        bp__random_permutation(walk->blocks, blocks, order->seed, BP__PURPOSE_BLOCKS, epoch);
    else
        for (size_t b = 0; b < blocks; ++b) walk->blocks[b] = (uint32_t)b;
}

size_t bp__walk_next(bp__walk *walk, size_t most, size_t *first)
{
    const bp__order *order = walk->order;
    const size_t start = walk->blocks[walk->at] * order->block;
    const size_t rows = order->rows - start < order->block ? order->rows - start : order->block;
    const size_t left = rows - walk->done, count = left < most ? left : most;
    *first = start + walk->done;
    walk->done += count;
    if (count == left) {
        ++walk->at;
        walk->done = 0;
    }
    return count;
}

void bp__walk_skip(bp__walk *walk, size_t rows)
{
    size_t first;
    while (rows > 0) rows -= bp__walk_next(walk, rows, &first);
}

void bp__order_window(uint32_t *positions, const bp__order *order, uint32_t epoch, size_t w)
{
    const size_t rows = bp__order_window_rows(order, w);
    if (order->shuffle == BP_SHUFFLE_BLOCKS)
        bp__random_permutation_of(positions, rows, order->seed, BP__PURPOSE_WINDOW, epoch,
                                  (uint32_t)w);
    else
        for (size_t i = 0; i < rows; ++i) positions[i] = (uint32_t)i;
}

/* rows[] of window w, through positions[window]. */
static void draw_window(uint32_t *rows, uint32_t *positions, uint32_t *unshuffled, bp__walk *walk,
                        uint32_t epoch, size_t w)
{
    const size_t count = bp__order_window_rows(walk->order, w);
    for (size_t i = 0; i < count;) {
        size_t first;
        const size_t next = bp__walk_next(walk, count - i, &first);
        for (size_t k = 0; k < next; ++k) unshuffled[i + k] = (uint32_t)(first + k);
        i += next;
    }
    bp__order_window(positions, walk->order, epoch, w);
    for (size_t i = 0; i < count; ++i) rows[i] = unshuffled[positions[i]];
}

bp_status bp__order_epoch(uint32_t *rows, const bp__order *order, uint32_t epoch)
{
    if (order->shuffle == BP_SHUFFLE_ALL) {
        bp__random_permutation(rows, order->rows, order->seed, BP__PURPOSE_SHUFFLE, epoch);
        return BP_OK;
    }
    const size_t window = bp__order_most_rows(order);
    uint32_t *positions = NULL, *unshuffled = NULL;
    bp__walk walk = {.blocks = NULL};
    bp_status status;
    BP_TRY_GOTO(bp__walk_create(&walk, order));
    BP_TRY_GOTO(bp__new_array(&positions, window, sizeof *positions));
    BP_TRY_GOTO(bp__new_array(&unshuffled, window, sizeof *unshuffled));
    bp__walk_begin(&walk, epoch);
    for (size_t w = 0; w < bp__order_windows(order); ++w)
        draw_window(rows + w * order->window, positions, unshuffled, &walk, epoch, w);
fail:
    free(positions);
    free(unshuffled);
    bp__walk_free(&walk);
    return status;
}
