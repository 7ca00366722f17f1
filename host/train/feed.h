/* feed.h - windows of rows on their way to an engine: a thread reads them into buffers that the
 * engine shares with the host, a few windows ahead of what is computed.
 *
 *     bp__feed_begin(feed, epoch, 0, epochs);
 *     while windows are left:
 *         bp__feed_next(feed, &window);      waits for the thread
 *         ...                                window.hyper is the caller's to fill
 *         bp__feed_send(feed);               what is run from now on finds the rows in window.pass
 *         run window.pass's steps
 *         bp__feed_return(feed);             the steps of the oldest window that was sent are done
 *
 * Windows follow one another through the epochs, so that an epoch's first are read while the one
 * before still runs. One thread may call these functions at a time. */
#ifndef BP_TRAIN_FEED_H
#define BP_TRAIN_FEED_H

#include "train/order.h"
#include "train/trainer.h"

/* Buffers of a feed: one is computed on, one is next, one is being filled. */
enum { BP__FEED_SLOTS = 3 };

typedef struct bp__feed bp__feed;

typedef struct bp__window {
    size_t slot;    /* 0 to BP__FEED_SLOTS - 1 */
    bp__pass *pass; /* the slot's: the window's rows, their order, the step counter at 0 */
    size_t index;   /* in the epoch, from 0 */
    size_t rows, steps;
    float *hyper; /* [steps][BP__HYPER_COUNT]; NULL where it is not for training */
} bp__window;

/* data and order must outlive the feed. training: with a hyper table. */
bp_status bp__feed_create(bp__feed **out, bp__engine *engine, const bp_data *data,
                          const bp__order *order, size_t batch, bool training);
void bp__feed_free(bp__feed *feed);

/* The slot's buffers, for which plans are made. */
bp__pass *bp__feed_pass(const bp__feed *feed, size_t slot);

/* The next window will be this one of this epoch; epochs: how many will follow one another at most.
 * Nothing is lost where that is what was being read anyway. */
bp_status bp__feed_begin(bp__feed *feed, uint32_t epoch, size_t window, uint32_t epochs);
bp_status bp__feed_next(bp__feed *feed, bp__window *window);
bp_status bp__feed_send(bp__feed *feed);
bp_status bp__feed_return(bp__feed *feed);
/* Ends the thread and waits for the engine; bp__feed_begin starts anew. */
void bp__feed_stop(bp__feed *feed);

/* Seconds that bp__feed_next has waited in all, or since they were forgotten. */
double bp__feed_waited(const bp__feed *feed);
void bp__feed_forget_waited(bp__feed *feed);

#endif
