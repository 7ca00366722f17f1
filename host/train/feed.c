/* feed.c - windows of rows, read by a thread into buffers that the engine shares with the host. */
#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"

/* A slot's buffers as the host sees them while they are its own. */
typedef struct feed_slot {
    bp__pass *pass;
    float *x, *targets, *weights, *hyper;
    int32_t *labels, *order, *counter;
    bool sent; /* the engine has them */
} feed_slot;

struct bp__feed {
    bp__engine *engine;
    const bp_data *data;
    const bp__order *order;
    size_t features, outputs, windows;
    bool labels;
    float *weights; /* [rows], scaled; NULL: none */
    feed_slot slots[BP__FEED_SLOTS];
    double waited;
    uint32_t epoch; /* of the window that is taken next */
    size_t window;

    /* The thread's own while it runs. */
    pthread_t thread;
    bool running;
    bp__walk walk;
    uint32_t first_epoch, epochs;
    size_t first_window; /* of the first epoch */

    /* Counts of windows since the thread began; below, all by the mutex. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t filled, taken, sent, returned;
    bool stop, ended; /* ended: nothing more will be filled */
    bp_status status; /* of the thread, and its text */
    char error[512];
};

/* ---- The thread ------------------------------------------------------------------------------ */

/* count rows from `first` on to row `at` of the slot: rows of data have no gaps. */
static bp_status read_rows(bp__feed *f, const feed_slot *s, size_t at, size_t first, size_t count)
{
    if (f->weights) memcpy(s->weights + at, f->weights + first, count * sizeof *f->weights);
    return bp_data_read(f->data, first, count, s->x + at * f->features,
                        f->labels ? s->labels + at : NULL,
                        f->labels ? NULL : s->targets + at * f->outputs);
}

static bp_status fill(bp__feed *f, feed_slot *s, uint32_t epoch, size_t window)
{
    const size_t rows = bp__order_window_rows(f->order, window);
    for (size_t done = 0; done < rows;) {
        size_t first;
        const size_t count = bp__walk_next(&f->walk, rows - done, &first);
        BP_TRY(read_rows(f, s, done, first, count));
        done += count;
    }
    bp__order_window((uint32_t *)s->order, f->order, epoch, window);
    *s->counter = 0;
    return BP_OK;
}

/* Waits for a slot to fill; false where the thread is to end. */
static bool wait_for_slot(bp__feed *f)
{
    pthread_mutex_lock(&f->mutex);
    while (!f->stop && f->filled == f->returned + BP__FEED_SLOTS)
        pthread_cond_wait(&f->changed, &f->mutex);
    const bool go = !f->stop;
    pthread_mutex_unlock(&f->mutex);
    return go;
}

/* One window more is there, or, where status is an error, none will be. */
static void tell(bp__feed *f, bp_status status)
{
    pthread_mutex_lock(&f->mutex);
    if (status == BP_OK) {
        ++f->filled;
    } else {
        f->status = status;
        f->ended = true;
        strncpy(f->error, bp_last_error(), sizeof f->error - 1);
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

static void *run_thread(void *context)
{
    bp__feed *f = context;
    uint64_t number = 0;
    for (uint32_t e = 0; e < f->epochs; ++e) {
        const size_t first = e == 0 ? f->first_window : 0;
        bp__walk_begin(&f->walk, f->first_epoch + e);
        bp__walk_skip(&f->walk, first * f->order->window);
        for (size_t w = first; w < f->windows; ++w, ++number) {
            if (!wait_for_slot(f)) return NULL;
            const bp_status status =
                fill(f, &f->slots[number % BP__FEED_SLOTS], f->first_epoch + e, w);
            tell(f, status);
            if (status != BP_OK) return NULL;
        }
    }
    return NULL;
}

/* ---- Slots ----------------------------------------------------------------------------------- */

static bp_status map(bp__feed *f, feed_slot *s)
{
    bp__pass *pass = s->pass;
    void *host[6] = {NULL};
    BP_TRY(bp__buffer_map(f->engine, pass->x, &host[0]));
    BP_TRY(bp__buffer_map(f->engine, f->labels ? pass->labels : pass->targets, &host[1]));
    BP_TRY(bp__buffer_map(f->engine, pass->order, &host[2]));
    BP_TRY(bp__buffer_map(f->engine, pass->counter, &host[3]));
    if (pass->hyper) BP_TRY(bp__buffer_map(f->engine, pass->hyper, &host[4]));
    if (pass->weights) BP_TRY(bp__buffer_map(f->engine, pass->weights, &host[5]));
    s->x = host[0];
    s->labels = f->labels ? host[1] : NULL;
    s->targets = f->labels ? NULL : host[1];
    s->order = host[2];
    s->counter = host[3];
    s->hyper = host[4];
    s->weights = host[5];
    s->sent = false;
    return BP_OK;
}

static bp_status send(bp__feed *f, feed_slot *s)
{
    bp__pass *pass = s->pass;
    s->sent = true;
    BP_TRY(bp__buffer_unmap(f->engine, pass->x));
    BP_TRY(bp__buffer_unmap(f->engine, f->labels ? pass->labels : pass->targets));
    BP_TRY(bp__buffer_unmap(f->engine, pass->order));
    BP_TRY(bp__buffer_unmap(f->engine, pass->counter));
    if (pass->weights) BP_TRY(bp__buffer_unmap(f->engine, pass->weights));
    return pass->hyper ? bp__buffer_unmap(f->engine, pass->hyper) : BP_OK;
}

/* ---- The caller's side ----------------------------------------------------------------------- */

static bp_status create_slots(bp__feed *f, size_t batch, bool training)
{
    const size_t rows = bp__order_most_rows(f->order);
    const bp__pass_shape shape = {rows, f->features, f->outputs, f->labels,
                                  f->weights != NULL};
    for (size_t i = 0; i < BP__FEED_SLOTS; ++i) {
        feed_slot *s = &f->slots[i];
        BP_TRY(bp__pass_create_shape(&s->pass, f->engine, &shape, batch, training, true));
        BP_TRY(map(f, s));
        memset(s->order, 0, rows * sizeof *s->order); /* the warm-up may take more than are there */
    }
    return BP_OK;
}

bp_status bp__feed_create(bp__feed **out, bp__engine *engine, const bp_data *data,
                          const bp__order *order, size_t batch, bool training)
{
    *out = NULL;
    bp__feed *f = NULL;
    bp_status status;
    const bp_data_info info = bp_data_get_info(data);
    BP_TRY(bp__new_array(&f, 1, sizeof *f));
    f->engine = engine;
    f->data = data;
    f->order = order;
    f->features = info.features;
    f->outputs = info.outputs;
    f->labels = bp__has_labels(data);
    f->windows = bp__order_windows(order);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    BP_TRY_GOTO(bp__scaled_weights(&f->weights, data));
    BP_TRY_GOTO(bp__walk_create(&f->walk, order));
    BP_TRY_GOTO(create_slots(f, batch, training));
    *out = f;
    return BP_OK;
fail:
    bp__feed_free(f);
    return status;
}

static void end_thread(bp__feed *f)
{
    if (!f->running) return;
    pthread_mutex_lock(&f->mutex);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
    pthread_join(f->thread, NULL);
    f->running = false;
}

void bp__feed_stop(bp__feed *feed)
{
    end_thread(feed);
    bp__hold_error(true);
    (void)bp__engine_finish(feed->engine);
    bp__hold_error(false);
}

void bp__feed_free(bp__feed *feed)
{
    if (!feed) return;
    bp__feed_stop(feed);
    for (size_t i = 0; i < BP__FEED_SLOTS; ++i) bp__pass_free(feed->slots[i].pass);
    bp__walk_free(&feed->walk);
    free(feed->weights);
    pthread_mutex_destroy(&feed->mutex);
    pthread_cond_destroy(&feed->changed);
    free(feed);
}

bp__pass *bp__feed_pass(const bp__feed *feed, size_t slot)
{
    return feed->slots[slot].pass;
}

bp_status bp__feed_begin(bp__feed *feed, uint32_t epoch, size_t window, uint32_t epochs)
{
    const bool follows = feed->epoch < feed->first_epoch + feed->epochs;
    if (feed->running && feed->window == window && feed->epoch == epoch && follows) return BP_OK;
    bp__feed_stop(feed);
    for (size_t i = 0; i < BP__FEED_SLOTS; ++i)
        if (feed->slots[i].sent) BP_TRY(map(feed, &feed->slots[i]));
    feed->filled = feed->taken = feed->sent = feed->returned = 0;
    feed->stop = feed->ended = false;
    feed->status = BP_OK;
    feed->epoch = feed->first_epoch = epoch;
    feed->epochs = epochs;
    feed->window = feed->first_window = window;
    if (!bp__thread_start(&feed->thread, run_thread, feed))
        return bp__fail(BP_ERROR_MEMORY, "the system has no thread left to read rows with");
    feed->running = true;
    return BP_OK;
}

bp_status bp__feed_next(bp__feed *feed, bp__window *window)
{
    const double start = bp__seconds();
    pthread_mutex_lock(&feed->mutex);
    while (feed->filled == feed->taken && !feed->ended)
        pthread_cond_wait(&feed->changed, &feed->mutex);
    const bool there = feed->filled > feed->taken;
    pthread_mutex_unlock(&feed->mutex);
    feed->waited += bp__seconds() - start;
    if (!there) return bp__fail(feed->status, "%s", feed->error);
    const size_t number = (size_t)(feed->taken % BP__FEED_SLOTS);
    feed_slot *s = &feed->slots[number];
    const size_t rows = bp__order_window_rows(feed->order, feed->window);
    *window = (bp__window){.slot = number,
                           .pass = s->pass,
                           .index = feed->window,
                           .rows = rows,
                           .steps = bp__pieces(rows, s->pass->batch, feed->order->join),
                           .hyper = s->hyper};
    ++feed->taken;
    if (++feed->window == feed->windows) {
        feed->window = 0;
        ++feed->epoch;
    }
    return BP_OK;
}

bp_status bp__feed_send(bp__feed *feed)
{
    return send(feed, &feed->slots[feed->sent++ % BP__FEED_SLOTS]);
}

bp_status bp__feed_return(bp__feed *feed)
{
    BP_TRY(map(feed, &feed->slots[feed->returned % BP__FEED_SLOTS]));
    pthread_mutex_lock(&feed->mutex);
    ++feed->returned;
    pthread_cond_broadcast(&feed->changed);
    pthread_mutex_unlock(&feed->mutex);
    return BP_OK;
}

double bp__feed_waited(const bp__feed *feed)
{
    return feed->waited;
}

void bp__feed_forget_waited(bp__feed *feed)
{
    feed->waited = 0;
}
