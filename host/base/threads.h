/* threads.h - threads of the library's own, and work that several of them share. */
#ifndef BP_BASE_THREADS_H
#define BP_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Starts a thread that blocks all signals: those are for the threads of the program. false where
 * the system has none left. */
bool bp__thread_start(pthread_t *thread, void *(*run)(void *), void *context);

/* How many threads work on what can be shared; 0: one for each processor that this process may use,
 * but not more than the machine's memory feeds. Tests set it. */
extern size_t bp__thread_count;
size_t bp__threads(void);

/* Items that come one after the other, are worked on by several threads at once, and are kept in
 * the order in which they came. What is kept, and which error is reported, the first in that order,
 * does not depend on the number of threads.
 *
 * A slot holds an item on its way; items 0, 1, 2… go through slots 0, 1, … slots-1, 0, 1… */
typedef struct bp__pipeline {
    size_t slots; /* at least 1: how many items may be on their way */
    /* Puts the next item into a slot; *there = false where there is none. Calls follow each other,
     * but on different threads, and while other items are worked on or kept. */
    bp_status (*take)(void *context, size_t slot, bool *there);
    /* Called for different slots at once. */
    bp_status (*work)(void *context, size_t slot);
    /* Calls follow each other in the order of the items, and none after an error. */
    bp_status (*keep)(void *context, size_t slot);
} bp__pipeline;

/* Runs until nothing is left, on this thread and, from the second item on, on up to bp__threads()
 * in all. Where the system has no more threads there are fewer. */
bp_status bp__pipeline_run(const bp__pipeline *pipeline, void *context);

/* A number of slots that keeps bp__threads() busy. */
size_t bp__pipeline_slots(void);

#endif
