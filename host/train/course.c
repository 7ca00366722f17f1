/* course.c - monitors, patience, plateaus. */
#include "train/course.h"

#include <math.h>

#include "train/schedule.h"

enum {
    CLASSES = 1 << BP__TRUTH_CLASSES,
    LABELS = 1 << BP__TRUTH_LABELS,
    NUMBERS = 1 << BP__TRUTH_NUMBERS,
    ANY = CLASSES | LABELS | NUMBERS
};

/* What is known of each monitor. */
static const struct {
    int32_t code;
    bool larger;     /* is better */
    bool validation; /* it is measured on validation data */
    int of;          /* what it is measured of */
    int report;      /* of which of them it takes a report */
} monitors[] = {
    {BP_MONITOR_TRAIN_LOSS, false, false, ANY, 0},
    {BP_MONITOR_VALIDATION_LOSS, false, true, ANY, 0},
    {BP_MONITOR_ACCURACY, true, true, CLASSES | LABELS, LABELS},
    {BP_MONITOR_BALANCED_ACCURACY, true, true, CLASSES, CLASSES},
    {BP_MONITOR_F1, true, true, CLASSES | LABELS, CLASSES | LABELS},
    {BP_MONITOR_AUC, true, true, CLASSES | LABELS, CLASSES | LABELS},
    {BP_MONITOR_LOG_LOSS, false, true, CLASSES, CLASSES},
    {BP_MONITOR_RMSE, false, true, LABELS | NUMBERS, LABELS | NUMBERS},
    {BP_MONITOR_MAE, false, true, LABELS | NUMBERS, LABELS | NUMBERS},
    {BP_MONITOR_R2, true, true, LABELS | NUMBERS, LABELS | NUMBERS},
};

/* The row of a code that has been checked. */
static size_t row_of(int32_t monitor)
{
    size_t i = 0;
    while (i + 1 < sizeof monitors / sizeof *monitors && monitors[i].code != monitor) ++i;
    return i;
}

int32_t bp__monitor_of(const bp_train_options *options, bool validation)
{
    if (options->monitor != BP_MONITOR_AUTO) return options->monitor;
    return validation ? BP_MONITOR_VALIDATION_LOSS : BP_MONITOR_TRAIN_LOSS;
}

bool bp__monitor_larger_is_better(int32_t monitor)
{
    return monitors[row_of(monitor)].larger;
}

bool bp__monitor_needs_report(int32_t monitor, bp__truth truth)
{
    return (monitors[row_of(monitor)].report & 1 << truth) != 0;
}

static const char *name_of_truths(int truths)
{
    switch (truths) {
    case CLASSES: return "classes";
    case LABELS: return "labels, which are targets of 0 and 1 with the loss bce";
    case CLASSES | LABELS: return "classes, and of labels, targets of 0 and 1 with the loss bce";
    default: return "numbers";
    }
}

bp_status bp__monitor_check(int32_t monitor, bool validation, bp__truth truth)
{
    const size_t i = row_of(monitor);
    const char *name = bp_monitor_name(monitor);
    if (monitors[i].validation && !validation)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s is measured on validation data, and there is none: give some, or "
                        "monitor train_loss",
                        name);
    if (!(monitors[i].of & 1 << truth))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "monitor is %s, which is measured of %s; the data has %s", name,
                        name_of_truths(monitors[i].of), name_of_truths(1 << truth));
    return BP_OK;
}

double bp__monitor_value(int32_t monitor, const bp__measured *m)
{
    switch (monitor) {
    case BP_MONITOR_TRAIN_LOSS: return m->train_loss;
    case BP_MONITOR_VALIDATION_LOSS: return m->validation_loss;
    case BP_MONITOR_ACCURACY:
        return m->report ? m->report->overall.accuracy : m->validation_accuracy;
    case BP_MONITOR_BALANCED_ACCURACY: return m->report->balanced_accuracy;
    case BP_MONITOR_F1: return m->report->macro.f1;
    case BP_MONITOR_AUC: return m->report->auc;
    case BP_MONITOR_LOG_LOSS: return m->report->log_loss;
    case BP_MONITOR_RMSE: return m->report->overall.rmse;
    case BP_MONITOR_MAE: return m->report->overall.mae;
    default: return m->report->overall.r2;
    }
}

bp__course bp__course_new(void)
{
    return (bp__course){.best = NAN, .mark = NAN, .plateau = 1};
}

/* By how much a is better than b. */
static double gain(double a, double b, bool larger)
{
    return larger ? a - b : b - a;
}

bool bp__course_note(bp__course *c, double value, bool larger, const bp_train_options *options)
{
    const int64_t epoch = ++c->epochs;
    const bool best = c->best_epoch == 0 ? !isnan(value) : gain(value, c->best, larger) > 0;
    if (best) {
        c->best = value;
        c->best_epoch = epoch;
    }
    if (c->mark_epoch == 0 ? !isnan(value) : gain(value, c->mark, larger) > options->min_delta) {
        c->mark = value;
        c->mark_epoch = c->plateau_epoch = epoch;
    } else if (options->schedule == BP_SCHEDULE_PLATEAU &&
               epoch - c->plateau_epoch > bp__plateau_epochs(options)) {
        c->plateau = bp__plateau_factor(c->plateau, options);
        c->plateau_epoch = epoch;
    }
    return best;
}

bool bp__course_ends(const bp__course *c, const bp_train_options *options)
{
    return options->patience > 0 && c->epochs - c->mark_epoch >= options->patience;
}

bool bp__keeps_best(const bp_train_options *options)
{
    return options->keep_best == 1 || (options->keep_best == -1 && options->patience > 0);
}
