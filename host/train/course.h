/* course.h - what a training learns about itself from epoch to epoch: which epoch was the best, how
 * long ago there was progress, and how far plateaus have lowered the rate. */
#ifndef BP_TRAIN_COURSE_H
#define BP_TRAIN_COURSE_H

#include "backprop_evaluate.h"
#include "base/status.h"

/* All of it, in one place; checkpoints keep it (bp__trainer_state). */
typedef struct bp__course {
    int64_t epochs;     /* that were noted */
    double best;        /* value of the monitor in the best epoch */
    int64_t best_epoch; /* 0: there was none yet */
    double mark;        /* the value that the next has to improve on by more than min_delta … */
    int64_t mark_epoch; /* … and the epoch that set it */
    double plateau;     /* what plateaus have multiplied the learning rate by */
    int64_t plateau_epoch; /* the plateau began after it: it set the mark, or lowered the rate */
} bp__course;

bp__course bp__course_new(void);

/* The monitor that the options mean, BP_MONITOR_AUTO resolved. */
int32_t bp__monitor_of(const bp_train_options *options, bool validation);
bool bp__monitor_larger_is_better(int32_t monitor);

/* What is measured: classes, labels of which a sample may have several, or other numbers. */
typedef enum bp__truth { BP__TRUTH_CLASSES, BP__TRUTH_LABELS, BP__TRUTH_NUMBERS } bp__truth;

/* Whether it takes more than the losses and the accuracy of an evaluation. */
bool bp__monitor_needs_report(int32_t monitor, bp__truth truth);

/* Whether the monitor can be had of such data. */
bp_status bp__monitor_check(int32_t monitor, bool validation, bp__truth truth);

/* What an epoch was measured to be; report is NULL where the monitor does not need it. */
typedef struct bp__measured {
    double train_loss, validation_loss, validation_accuracy;
    const bp_report *report;
} bp__measured;
double bp__monitor_value(int32_t monitor, const bp__measured *measured);

/* Takes note of the next epoch's value. NAN is no improvement. true where it is the best so far. */
bool bp__course_note(bp__course *course, double value, bool larger,
                     const bp_train_options *options);

/* Whether patience is at its end. */
bool bp__course_ends(const bp__course *course, const bp_train_options *options);

/* Whether the model is to end as it was in its best epoch. */
bool bp__keeps_best(const bp_train_options *options);

#endif
