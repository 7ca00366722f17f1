/* stream.c - an epoch over data that is streamed: the steps of resident data, window by window. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "train/feed.h"

/* What a slot of the feed needs to be computed on. */
typedef struct station {
    bp__plan *full, *last; /* last: of an epoch's last batch where it has other rows, or NULL */
    float *losses;         /* [steps] of a window, read back behind the device */
} station;

/* Steps that have been enqueued, with the losses that are on their way. */
typedef struct chunk_of_steps {
    const float *losses;
    size_t steps;
    bool ends_window;
} chunk_of_steps;

struct bp__stream {
    bp_trainer *trainer;
    bp__feed *feed;
    station stations[BP__FEED_SLOTS];
    size_t last_rows; /* of the epoch's last batch */
    chunk_of_steps pending;
};

/* All stations work in the memory of the first one's plan: no two of them run at once. */
static bp_status create_station(bp__stream *stream, size_t slot, bool labels)
{
    bp_trainer *trainer = stream->trainer;
    const bp__pass *pass = bp__feed_pass(stream->feed, slot);
    station *to = &stream->stations[slot];
    const station *first = &stream->stations[0];
    const bp__plan *memory = stream->last_rows > pass->batch ? first->last : first->full;
    BP_TRY(bp__new_array(&to->losses, pass->steps, sizeof *to->losses));
    return bp__trainer_make_plans(trainer, &to->full, &to->last, slot == 0 ? NULL : memory, pass,
                                  stream->last_rows, labels);
}

bp_status bp__stream_create(bp__stream **out, bp_trainer *trainer, const bp_data *data)
{
    *out = NULL;
    bp__stream *stream = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&stream, 1, sizeof *stream));
    stream->trainer = trainer;
    stream->last_rows = bp__pass_last_rows(trainer->pass);
    BP_TRY_GOTO(bp__feed_create(&stream->feed, trainer->engine, data, &trainer->shuffle,
                                trainer->pass->batch, true));
    for (size_t i = 0; i < BP__FEED_SLOTS; ++i)
        BP_TRY_GOTO(create_station(stream, i, bp__has_labels(data)));
    *out = stream;
    return BP_OK;
fail:
    bp__stream_free(stream);
    return status;
}

void bp__stream_free(bp__stream *stream)
{
    if (!stream) return;
    if (stream->feed) bp__feed_stop(stream->feed);
    for (size_t i = BP__FEED_SLOTS; i-- > 0;) { /* the first has the memory */
        bp__plan_free(stream->stations[i].last);
        bp__plan_free(stream->stations[i].full);
        free(stream->stations[i].losses);
    }
    bp__feed_free(stream->feed);
    free(stream);
}

double bp__stream_waited(const bp__stream *stream)
{
    return bp__feed_waited(stream->feed);
}

bp_status bp__stream_warm_up(bp__stream *stream)
{
    bp__engine *engine = stream->trainer->engine;
    /* Every window needs its turn at the counter, which a step advances. */
    BP_TRY(bp__feed_begin(stream->feed, 0, 0, 1));
    bp__window window;
    BP_TRY(bp__feed_next(stream->feed, &window));
    BP_TRY(bp__feed_send(stream->feed));
    const station *at = &stream->stations[window.slot];
    BP_TRY(bp__sequence_run(engine, at->full->train, 1));
    if (at->full->add) {
        BP_TRY(bp__pass_seek(window.pass, 0));
        BP_TRY(bp__sequence_run(engine, at->full->add, 1));
    }
    if (at->last) {
        BP_TRY(bp__pass_seek(window.pass, 0));
        BP_TRY(bp__sequence_run(engine, at->last->train, 1));
    }
    bp__feed_stop(stream->feed);
    bp__feed_forget_waited(stream->feed); /* set-up is no part of the training */
    return bp__engine_finish(engine);
}

/* A window is whole batches. */
static size_t steps_of_window(const bp_trainer *trainer)
{
    return trainer->shuffle.window / trainer->pass->batch;
}

bp_status bp__stream_begin(bp__stream *stream)
{
    const bp_trainer *trainer = stream->trainer;
    return bp__feed_begin(stream->feed, (uint32_t)trainer->epoch,
                          (size_t)trainer->place / steps_of_window(trainer), UINT32_MAX);
}

/* The pending steps are done. */
static bp_status take_losses(bp__stream *stream)
{
    bp_trainer *trainer = stream->trainer;
    const chunk_of_steps done = stream->pending;
    for (size_t s = 0; s < done.steps; ++s) trainer->loss_sum += (double)done.losses[s];
    if (trainer->losses && done.steps > 0)
        memcpy(trainer->losses + trainer->place, done.losses, done.steps * sizeof *done.losses);
    trainer->place += (int64_t)done.steps;
    stream->pending = (chunk_of_steps){0};
    return done.ends_window ? bp__feed_return(stream->feed) : BP_OK;
}

bp_status bp__stream_settle(bp__stream *stream)
{
    BP_TRY(bp__engine_finish(stream->trainer->engine));
    return take_losses(stream);
}

/* Steps [from, to) of a window. */
static bp_status run_steps(bp__stream *stream, const bp__window *window, size_t from, size_t to)
{
    bp__engine *engine = stream->trainer->engine;
    const station *at = &stream->stations[window->slot];
    const bool other = at->last && window->rows % window->pass->batch != 0;
    const size_t full = other ? window->steps - 1 : window->steps;
    const size_t first = window->index * steps_of_window(stream->trainer);
    if (from < full)
        BP_TRY(bp__trainer_run_batches(stream->trainer, at->full, first + from,
                                       first + (to < full ? to : full)));
    return to > full ? bp__sequence_run(engine, at->last->train, 1) : BP_OK;
}

/* Steps [from, to) of a window and the losses of those before. */
static bp_status run_chunk(bp__stream *stream, const bp__window *window, size_t from, size_t to)
{
    bp__view view = window->pass->views.losses;
    view.offset += from;
    view.columns = to - from;
    float *losses = stream->stations[window->slot].losses + from;
    BP_TRY(run_steps(stream, window, from, to));
    BP_TRY(bp__view_read_behind(stream->trainer->engine, &view, losses));
    BP_TRY(take_losses(stream)); /* what came before this chunk has arrived */
    stream->pending = (chunk_of_steps){losses, to - from, to == window->steps};
    stream->trainer->enqueued += to - from;
    return BP_OK;
}

/* Who looks at an epoch between its chunks. */
typedef struct looks {
    bp__chunk_fn chunk;
    void *user;
    double last;
    bool stop;
} looks;

static void look(looks *to, const bp_trainer *trainer)
{
    const size_t known = (size_t)trainer->place;
    to->stop = !isfinite(trainer->loss_sum) ||
               (to->chunk && to->chunk(known, trainer->loss_sum,
                                       bp__rows_of_steps(trainer->pass, known), to->user) != 0);
}

/* The steps of a window that are left. */
static bp_status run_window(bp__stream *stream, const bp__window *window, looks *to)
{
    bp_trainer *trainer = stream->trainer;
    const size_t first = window->index * steps_of_window(trainer), end = first + window->steps;
    const size_t done = trainer->enqueued - first;
    bp__trainer_hyper(trainer, first, window->steps, window->hyper);
    BP_TRY(bp__feed_send(stream->feed));
    if (done > 0) BP_TRY(bp__pass_seek(window->pass, (int32_t)done));
    while (trainer->enqueued < end && !to->stop) {
        const size_t from = trainer->enqueued, next = bp__chunk_end(trainer, from);
        BP_TRY(run_chunk(stream, window, from - first, (next < end ? next : end) - first));
        bp__adapt_chunk(trainer, &to->last);
        look(to, trainer);
    }
    return BP_OK;
}

bp_status bp__stream_run(bp__stream *stream, bp__chunk_fn chunk, void *user)
{
    bp_trainer *trainer = stream->trainer;
    looks to = {.chunk = chunk, .user = user, .last = bp__seconds()};
    bp_status status;
    trainer->gradients_kept = false;
    trainer->enqueued = (size_t)trainer->place;
    stream->pending = (chunk_of_steps){0};
    BP_TRY_GOTO(bp__stream_begin(stream));
    while (trainer->enqueued < trainer->pass->steps && !to.stop) {
        bp__window window;
        BP_TRY_GOTO(bp__feed_next(stream->feed, &window));
        BP_TRY_GOTO(run_window(stream, &window, &to));
    }
    BP_TRY_GOTO(bp__stream_settle(stream));
    if (trainer->enqueued < trainer->pass->steps) bp__feed_stop(stream->feed);
    return BP_OK;
fail:
    bp__feed_stop(stream->feed);
    return status;
}
