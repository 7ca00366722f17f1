/* profile.h - what ran when: engines report the times of what they carry out, phases are told by
 * those who know what is going on. Knows nothing of OpenCL.
 *
 * What is timed is an item, named once, when a sequence is made: a kernel for certain operations,
 * or transfers in one direction. Each time it runs is a span. Spans are summed up by item and
 * phase; the first of each phase are kept. */
#ifndef BP_PROFILE_PROFILE_H
#define BP_PROFILE_PROFILE_H

#include "backprop_measure.h"
#include "base/work.h"

/* Items that every profile has: transfers among the launches, and those of streamed data, on a queue
 * of their own beside them. */
enum { BP__ITEM_WRITE, BP__ITEM_READ, BP__ITEM_FILL, BP__ITEM_STREAM, BP__ITEM_TRANSFERS };

/* Something that has run. Times are seconds of one clock; that of bp__seconds, plus any constant
 * that stays the same within a stretch of a phase. */
typedef struct bp__span {
    size_t item;
    int64_t steps;       /* 0 for transfers */
    double flops, bytes; /* bytes of transfers; for others the profile fills in both */
    double queued, submitted, start, end;
    double idle;   /* the profile's: seconds before it in which nothing ran, */
    int32_t phase; /* and the phase that it belongs to */
} bp__span;

/* A kernel (or what stands for one) for ops[first … first + count), the label, names and shapes of
 * which are kept; work is what one step of it does. The same thing again is the same item. */
bp_status bp__profile_item(bp_profile *profile, size_t *item, const bp__op *ops, size_t first,
                           size_t count, const char *kernel, bp__work work);

/* Something of the present phase has run; in the order in which it ran, but for what ran beside the
 * rest, which comes about when it was queued. */
bp_status bp__profile_add(bp_profile *profile, const bp__span *span);

/* What is queued from now on belongs to a phase, BP_PHASE_* or BP__PHASE_NONE, where the clock
 * stands still. Finishes what was queued before, so that every span is added in its own phase. Does
 * nothing where the engine has no profile, or is in that phase. */
enum { BP__PHASE_NONE = -1 };
bp_status bp__engine_phase(bp__engine *engine, int32_t phase);

/* The name of the device, for the trace; the last one counts. */
bp_status bp__profile_device(bp_profile *profile, const char *name);

/* ---- What trace.c writes -------------------------------------------------------------------- */

typedef struct bp__sum {
    int64_t launches, steps;
    double seconds, flops, bytes;
} bp__sum;

typedef struct bp__item {
    char *label, *names, *shapes, *kernel; /* shapes and kernel of transfers are empty */
    bp__work work;                         /* of one step */
    bp__sum sum[BP_PHASES];
} bp__item;

/* When the last of a kind ran, newest over oldest. */
enum { BP__RECENT = 4096 };
typedef struct bp__recent {
    double (*times)[2]; /* [BP__RECENT], start and end; NULL until there is one */
    size_t count;       /* that there have been */
} bp__recent;

/* A phase without interruption, seconds of bp__seconds. */
typedef struct bp__stretch {
    int32_t phase;
    double start, end;
} bp__stretch;

struct bp_profile {
    int64_t details;
    double created;
    char *device;
    bp__item *items;
    size_t item_count, item_capacity;
    bp__span *spans;
    size_t span_count, span_capacity;
    bp__stretch *stretches;
    size_t stretch_count, stretch_capacity;
    bp_profile_phase phases[BP_PHASES];
    int64_t stretches_of[BP_PHASES]; /* that are kept */
    int32_t phase;                   /* of now */
    double phase_start;
    int64_t stretch; /* changes with the phase */
    bool begun;      /* it has had a span, */
    double last_end; /* which ended then */
    bp__recent kernels, beside;
};

#endif
