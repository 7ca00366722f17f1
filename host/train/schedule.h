/* schedule.h - the learning rate of each step. */
#ifndef BP_TRAIN_SCHEDULE_H
#define BP_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "base/status.h"

/* A schedule as it is evaluated: everything in steps, every default filled in. */
typedef struct bp__schedule {
    int32_t kind;     /* BP_SCHEDULE_*, or BP__SCHEDULE_RANGE */
    double rate;      /* the highest */
    double warmup;    /* steps of the rise, whole */
    double steps;     /* of the whole training */
    double per_epoch; /* steps of an epoch */
    double decay;     /* step: each time; exponential: each epoch; range: over all steps */
    double every;     /* step: steps between */
    double floor;     /* share of rate: where cosine and onecycle end, what no other goes below */
} bp__schedule;

/* Of the learning-rate range test: rate times decay^(step / (steps - 1)). */
enum { BP__SCHEDULE_RANGE = 1000 };

/* What options mean for a training whose epochs have per_epoch steps. */
bp__schedule bp__schedule_of(const bp_train_options *options, int64_t per_epoch);

/* The rate of a step, counted from 0; plateau is what plateaus have multiplied it by so far. Past
 * the last step the rate stays what it was. */
double bp__schedule_rate(const bp__schedule *schedule, double step, double plateau);

/* Whether a step's rate depends on how long the training or its epochs are. */
bool bp__schedule_needs_length(const bp_train_options *options);

/* Whether it depends on how many epochs there are in all, so that a training cannot be made longer
 * once it has begun. */
bool bp__schedule_goes_by_epochs(const bp_train_options *options);

/* Whether options make sense. */
bp_status bp__schedule_check(const bp_train_options *options);

/* Epochs without improvement that a plateau lasts before the rate sinks, and by how much. */
int64_t bp__plateau_epochs(const bp_train_options *options);
double bp__plateau_factor(double factor, const bp_train_options *options);

#endif
