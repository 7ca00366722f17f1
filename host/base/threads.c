/* threads.c - threads of the library's own, and work that several of them share. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/threads.h"

#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

/* Beyond this the one thread that reads, and the memory, are what there is to wait for. */
enum { MOST_THREADS = 16 };

size_t bp__thread_count;

bool bp__thread_start(pthread_t *thread, void *(*run)(void *), void *context)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(thread, NULL, run, context) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static size_t count_processors(void)
{
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return (size_t)CPU_COUNT(&allowed);
#endif
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

size_t bp__threads(void)
{
    const size_t count = bp__thread_count ? bp__thread_count : count_processors();
    return count < MOST_THREADS ? count : MOST_THREADS;
}

size_t bp__pipeline_slots(void)
{
    /* One is being taken or kept while the others are worked on. */
    return bp__threads() + 1;
}

/* ---- the pipeline ---------------------------------------------------------------------------- */

typedef enum slot_state { FREE, TAKEN, WORKING, DONE } slot_state;

typedef struct slot {
    slot_state state;
    bp_status status; /* of what is done; and its text */
    char *error;
} slot;

/* All by the mutex, but what slots hold. Items have numbers from 0 on. */
typedef struct crew {
    const bp__pipeline *pipeline;
    void *context;
    slot *slots;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t taken, worked, kept; /* the next to take, to begin to work on, to keep */
    bool taking, keeping, ended;  /* ended: nothing more will be taken */
    bool failed;                  /* an error has come to the front */
    bp_status status;
    char *error;

    pthread_t threads[MOST_THREADS];
    size_t thread_count;
    bool started;
} crew;

static slot *slot_of(const crew *c, uint64_t item)
{
    return &c->slots[item % c->pipeline->slots];
}

static size_t index_of(const crew *c, uint64_t item)
{
    return (size_t)(item % c->pipeline->slots);
}

/* The text of an error of this thread, for another one. Where there is no memory for it, the
 * status' own has to do. */
static char *copy_error(void)
{
    return strdup(bp_last_error());
}

static void finish_item(crew *c, uint64_t item, bp_status status)
{
    slot *s = slot_of(c, item);
    s->state = DONE;
    s->status = status;
    s->error = status == BP_OK ? NULL : copy_error();
    if (status != BP_OK) c->ended = true; /* what follows is not wanted any more */
}

/* An item that could not be taken is one that failed: those before it are kept first. */
static void take(crew *c)
{
    const uint64_t item = c->taken;
    bool there = false;
    c->taking = true;
    pthread_mutex_unlock(&c->mutex);
    const bp_status status = c->pipeline->take(c->context, index_of(c, item), &there);
    pthread_mutex_lock(&c->mutex);
    c->taking = false;
    if (status != BP_OK) {
        finish_item(c, item, status);
    } else if (there) {
        slot_of(c, item)->state = TAKEN;
    } else {
        c->ended = true;
        return;
    }
    ++c->taken;
}

static void work(crew *c)
{
    const uint64_t item = c->worked++;
    slot *s = slot_of(c, item);
    if (s->state != TAKEN) return; /* it was not there to be taken */
    s->state = WORKING;
    pthread_mutex_unlock(&c->mutex);
    const bp_status status = c->pipeline->work(c->context, index_of(c, item));
    pthread_mutex_lock(&c->mutex);
    finish_item(c, item, status);
}

static void keep(crew *c)
{
    slot *s = slot_of(c, c->kept);
    bp_status status = s->status;
    char *error = s->error;
    c->keeping = true;
    if (status == BP_OK) {
        pthread_mutex_unlock(&c->mutex);
        status = c->pipeline->keep(c->context, index_of(c, c->kept));
        pthread_mutex_lock(&c->mutex);
        if (status != BP_OK) error = copy_error();
    }
    c->keeping = false;
    s->state = FREE;
    s->error = NULL;
    ++c->kept;
    if (status == BP_OK) return;
    c->failed = c->ended = true;
    c->status = status;
    c->error = error;
}

static void *run_crew(void *context);

static void start_threads(crew *c)
{
    const size_t wanted = bp__threads() - 1;
    c->started = true;
    while (c->thread_count < wanted && bp__thread_start(&c->threads[c->thread_count], run_crew, c))
        ++c->thread_count;
}

/* Whatever there is to do, the oldest item first. */
static void *run_crew(void *context)
{
    crew *c = context;
    pthread_mutex_lock(&c->mutex);
    for (;;) {
        const bool any = c->kept < c->taken;
        if (c->failed) break;
        const bool can_take = !c->ended && !c->taking && c->taken < c->kept + c->pipeline->slots;
        if (any && !c->keeping && slot_of(c, c->kept)->state == DONE)
            keep(c);
        else if (can_take && !c->started && c->taken < 2) /* is there more than one? */
            take(c);
        else if (c->worked < c->taken)
            work(c);
        else if (can_take)
            take(c);
        else if (c->ended && !any && !c->taking)
            break;
        else {
            pthread_cond_wait(&c->changed, &c->mutex);
            continue;
        }
        if (!c->started && c->taken == 2) start_threads(c);
        pthread_cond_broadcast(&c->changed);
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

bp_status bp__pipeline_run(const bp__pipeline *pipeline, void *context)
{
    crew c = {.pipeline = pipeline, .context = context};
    BP_TRY(bp__new_array(&c.slots, pipeline->slots, sizeof *c.slots));
    pthread_mutex_init(&c.mutex, NULL);
    pthread_cond_init(&c.changed, NULL);
    run_crew(&c);
    for (size_t i = 0; i < c.thread_count; ++i) pthread_join(c.threads[i], NULL);
    pthread_cond_destroy(&c.changed);
    pthread_mutex_destroy(&c.mutex);
    for (size_t i = 0; i < pipeline->slots; ++i) free(c.slots[i].error);
    free(c.slots);
    if (c.failed) bp__fail(c.status, "%s", c.error ? c.error : bp_status_text(c.status));
    free(c.error);
    return c.failed ? c.status : BP_OK;
}
