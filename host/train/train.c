/* train.c - bp_train: epochs, validation, progress, and what becomes of the model when it ends. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/model.h"
#include "profile/profile.h"
#include "train/report.h"
#include "train/saver.h"
#include "train/snapshot.h"

static const double progress_seconds = 0.1; /* between two calls of the progress callback */

/* A training under way. */
typedef struct run {
    bp_trainer *trainer;
    bp_train_result *result;
    bp_progress progress;
    double epoch_start, last_call;
    const bp_data *validation; /* or NULL */
    bp__evaluator *evaluator;
    bp__reporter *reporter;    /* of the validation data, where that is measured by one */
    bool by_report;            /* the monitor takes it from there */
    size_t outputs;            /* of a row of the validation data */
    bool overflowed;           /* an output was not finite in the last epoch's validation */
    int32_t monitor;           /* BP_MONITOR_*, never auto */
    bool improved;             /* the last epoch is the best so far */
    bp__snapshot before, kept; /* kept: after the last epoch that ended well */
    bp__snapshot best_kept;    /* after the best; none where the last one is what counts */
    bp_train_result best;      /* likewise */
    bp__course course_before;  /* the last epoch */
    double seconds;            /* result->seconds, and what has passed of this epoch */
    bp__saver saver;
    bp_status failed; /* of a checkpoint, for the device's sake */
} run;

static void report(run *r, size_t steps_done, double mean_loss)
{
    bp_progress *p = &r->progress;
    const double now = bp__seconds();
    const double rows =
        (double)(p->epoch - 1) * (double)r->trainer->pass->rows +
        (double)(steps_done == (size_t)p->steps ? r->trainer->pass->rows
                                                : steps_done * r->trainer->pass->batch);
    p->checkpoint_error = r->saver.error;
    p->step = (int64_t)steps_done;
    p->train_loss = mean_loss;
    p->seconds = r->result->seconds + (p->epoch_done ? 0 : now - r->epoch_start);
    p->samples_per_second = p->seconds > 0 ? rows / p->seconds : 0;
    r->last_call = now;
}

/* The rate of the update that the last of the steps that are done in this epoch is for. */
static double rate_of(const run *r, size_t steps_done)
{
    const bp_train_options *options = &r->trainer->options;
    const int64_t before = (r->progress.epoch - 1) * bp__groups_of(options, r->progress.steps);
    const int64_t last = steps_done > 0 ? (int64_t)steps_done - 1 : 0;
    return bp__trainer_rate(r->trainer, before + last / options->accumulate);
}

static int on_chunk(size_t steps_done, double loss_sum, size_t rows_done, void *user)
{
    run *r = user;
    const bp_train_options *options = &r->trainer->options;
    r->failed = bp__saver_look(&r->saver);
    if (r->failed != BP_OK) bp__hold_error(true); /* it is what the training ends with */
    if (r->failed != BP_OK) return 1;
    if (!options->progress || bp__seconds() - r->last_call < progress_seconds) return 0;
    report(r, steps_done, rows_done ? loss_sum / (double)rows_done : (double)NAN);
    r->progress.learning_rate = rate_of(r, steps_done);
    return options->progress(&r->progress, options->user);
}

static bool is_finite(const bp_model *model)
{
    size_t count;
    const float *parameters = bp__model_parameters(model, &count);
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(parameters[i])) return false;
    return true;
}

/* Between epochs, when the trainer may be looked at. */
static int call_back(run *r)
{
    const bp_train_options *options = &r->trainer->options;
    if (!options->progress) return 0;
    r->progress.trainer = r->trainer;
    const int stop = options->progress(&r->progress, options->user);
    r->progress.trainer = NULL;
    return stop;
}

/* Of outputs that are not finite there is no report: the training diverges, and its own loss will
 * tell. */
static bp_status receive(size_t first, size_t rows, const float *outputs, void *user)
{
    run *r = user;
    for (size_t i = 0; i < rows * r->outputs && !r->overflowed; ++i)
        r->overflowed = !isfinite(outputs[i]);
    return r->overflowed ? BP_OK : bp__reporter_receive(first, rows, outputs, r->reporter);
}

/* The finished epoch on the validation data; *value is NAN where the monitor has none. */
static bp_status validate(run *r, double *value)
{
    bp_progress *p = &r->progress;
    bp_report *report = NULL;
    r->overflowed = false;
    if (r->reporter) bp__reporter_begin(r->reporter);
    if (r->evaluator)
        BP_TRY(bp__evaluator_run(r->evaluator, &p->validation_loss, &p->validation_accuracy,
                                 r->reporter ? receive : NULL, r));
    r->overflowed = r->overflowed || (r->evaluator && isnan(p->validation_loss));
    *value = NAN;
    if (r->reporter && !r->overflowed) BP_TRY(bp__reporter_end(&report, r->reporter));
    if (r->by_report && !report) return BP_OK;
    if (report && report->labels) p->validation_accuracy = report->overall.accuracy;
    const bp__measured measured = {.train_loss = r->result->train_loss,
                                   .validation_loss = p->validation_loss,
                                   .validation_accuracy = p->validation_accuracy,
                                   .report = report};
    *value = bp__monitor_value(r->monitor, &measured);
    bp_report_free(report);
    return BP_OK;
}

/* What the epoch has come to, and whether it is the best so far. */
static bp_status judge(run *r)
{
    bp_progress *p = &r->progress;
    bp_train_result *result = r->result;
    bp__course *course = &r->trainer->course;
    double value = NAN;
    r->course_before = *course;
    BP_TRY(validate(r, &value));
    if (isnan(value) && course->epochs == 0 && r->overflowed)
        return bp__fail(BP_ERROR_DIVERGED,
                        "training diverged: an output is not finite after epoch 1; try a learning "
                        "rate below %g",
                        (double)bp__learning_rate(&r->trainer->options));
    if (isnan(value) && course->epochs == 0)
        return bp__fail(BP_ERROR_DATA,
                        "the validation data has no %s, which is monitored: it holds a single "
                        "class, or targets that do not vary",
                        bp_monitor_name(r->monitor));
    r->improved = bp__course_note(course, value, bp__monitor_larger_is_better(r->monitor),
                                  &r->trainer->options);
    result->validation_loss = p->validation_loss;
    result->validation_accuracy = p->validation_accuracy;
    p->monitored = value;
    p->best_epoch = course->best_epoch;
    return BP_OK;
}

/* One epoch with its validation and its calls back. */
static bp_status run_epoch(run *r)
{
    bp_train_result *result = r->result;
    bp_progress *p = &r->progress;
    double loss = NAN;
    const int64_t steps_before = r->trainer->step + r->trainer->place;
    ++p->epoch;
    p->epoch_done = 0;
    p->validation_loss = p->validation_accuracy = p->monitored = NAN;
    r->improved = false;
    r->epoch_start = bp__seconds();
    bp__saver_plan(&r->saver);
    bp_status status = bp__trainer_run_epoch(r->trainer, &loss, on_chunk, r);
    if (r->failed != BP_OK) bp__hold_error(false);
    result->seconds += bp__seconds() - r->epoch_start;
    r->epoch_start = bp__seconds();
    result->steps += r->trainer->step + r->trainer->place - steps_before;
    if (status == BP_ERROR_CANCELLED && r->failed != BP_OK) status = r->failed;
    if (status == BP_OK || status == BP_ERROR_CANCELLED) result->train_loss = loss;
    BP_TRY(status);
    p->learning_rate = rate_of(r, (size_t)p->steps); /* before a plateau lowers it */
    BP_TRY(judge(r));
    ++result->epochs;
    p->epoch_done = 1;
    report(r, (size_t)p->steps, loss);
    if (call_back(r) != 0) return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
    return BP_OK;
}

/* The epoch that was the last: what went wrong can still be looked at. */
static void tell_diverged(run *r)
{
    r->progress.epoch_done = 0;
    r->progress.diverged = 1;
    bp__hold_error(true);
    (void)call_back(r);
    bp__hold_error(false);
}

/* ---- What a checkpoint keeps of it ---- */

static bp_status add_snapshot(bp__state *state, const char *name, const bp__snapshot *kept)
{
    bp__state_row row = {.kind = BP__STATE_FLOATS, .host = kept->parameters, .count = kept->count};
    snprintf(row.name, sizeof row.name, "%s", name);
    return bp__state_add(state, &row, 1);
}

static bp_status add_numbers(bp__state *state, const char *name, bp_train_result *result)
{
    bp__state_row rows[] = {{.host = &result->train_loss},
                            {.host = &result->validation_loss},
                            {.host = &result->validation_accuracy}};
    static const char *const of[] = {"loss", "validation_loss", "validation_accuracy"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
        rows[i].kind = BP__STATE_NUMBERS;
        rows[i].count = 1;
        snprintf(rows[i].name, sizeof rows[i].name, "%s%s", name, of[i]);
    }
    return bp__state_add(state, rows, sizeof rows / sizeof *rows);
}

/* What bp_train itself remembers from one step to the next. */
static bp_status own_state(bp__state *state, bool mid_epoch, void *user)
{
    run *r = user;
    r->seconds = r->result->seconds + (mid_epoch ? bp__seconds() - r->epoch_start : 0);
    const bp__state_row seconds = {BP__TRAINING_PREFIX "seconds", BP__STATE_NUMBERS,
                                   .host = &r->seconds, .count = 1};
    BP_TRY(bp__state_add(state, &seconds, 1));
    BP_TRY(add_numbers(state, BP__TRAINING_PREFIX, r->result));
    /* Between epochs the state to fall back to is the model's own. */
    if (mid_epoch) BP_TRY(add_snapshot(state, BP__TRAINING_PREFIX "kept", &r->kept));
    if (!r->best_kept.parameters) return BP_OK;
    BP_TRY(add_numbers(state, BP__TRAINING_PREFIX "best.", &r->best));
    return add_snapshot(state, BP__TRAINING_PREFIX "best", &r->best_kept);
}

/* Patience is at its end before the epochs are. */
static bool ends_early(const run *r)
{
    const bp_trainer *trainer = r->trainer;
    return trainer->place == 0 && trainer->epoch < trainer->options.epochs &&
           bp__course_ends(&trainer->course, &trainer->options);
}

/* Where a checkpoint has just put the trainer, the results go on, too. */
static bp_status go_on(run *r, bp_model *model)
{
    const bp_trainer *trainer = r->trainer;
    r->progress.epoch = r->result->epochs = trainer->epoch;
    r->progress.best_epoch = trainer->course.best_epoch;
    r->result->steps = trainer->step + trainer->place;
    r->result->seconds = r->seconds;
    r->result->stopped_early = ends_early(r);
    if (trainer->place > 0) return BP_OK;
    BP_TRY(bp_trainer_get_model(r->trainer, model));
    bp__snapshot_take(&r->kept, model);
    return BP_OK;
}

/* ---- Epoch by epoch ---- */

/* After an epoch, or what was done of it: its parameters to the host, to fall back to, and if it is
 * the best to end with. What that costs is the transfer, which looks for divergence anyway; the
 * copies are next to it nothing. */
static bp_status keep(run *r, bp_model *model, bp_status status)
{
    BP_TRY(bp_trainer_get_model(r->trainer, model));
    if (!is_finite(model)) {
        if (r->progress.epoch_done) r->trainer->course = r->course_before;
        if (status == BP_OK) --r->result->epochs; /* it ended well but for its last step */
        return bp__fail(BP_ERROR_DIVERGED,
                        "training diverged: a parameter is not finite after epoch %lld; try a "
                        "learning rate below %g",
                        (long long)r->progress.epoch,
                        (double)bp__learning_rate(&r->trainer->options));
    }
    if (r->trainer->place == 0) bp__snapshot_take(&r->kept, model);
    if (!r->improved || !r->best_kept.parameters) return status;
    bp__snapshot_take(&r->best_kept, model);
    r->best = *r->result;
    return status;
}

static bp_status run_all(run *r, bp_model *model)
{
    const bp_train_options *options = &r->trainer->options;
    r->progress.epochs = options->epochs;
    r->progress.steps = (int64_t)r->trainer->pass->steps;
    bp_status status = BP_OK;
    while (r->trainer->epoch < options->epochs && status == BP_OK && !r->result->stopped_early) {
        status = run_epoch(r);
        if (status == BP_OK || status == BP_ERROR_CANCELLED) status = keep(r, model, status);
        if (status == BP_OK) BP_TRY(bp__saver_look(&r->saver));
        r->result->stopped_early = status == BP_OK && ends_early(r);
    }
    if (status == BP_ERROR_DIVERGED) tell_diverged(r);
    if (status == BP_OK || status == BP_ERROR_CANCELLED) {
        const bool stopped = status == BP_ERROR_CANCELLED;
        BP_TRY(bp__saver_save(&r->saver));
        if (stopped) return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
        status = bp__engine_phase(r->trainer->engine, BP__PHASE_NONE);
    }
    return status;
}

/* The parameters that the model ends with, and the result that goes with them. */
static void settle(run *r, bp_model *model, bp_status status)
{
    const bp__course *course = &r->trainer->course;
    bp_train_result *result = r->result;
    const bool ended = status == BP_OK || status == BP_ERROR_CANCELLED;
    result->best_epoch = course->best_epoch;
    result->best_value = course->best;
    if ((ended || status == BP_ERROR_DIVERGED) && r->best_kept.parameters &&
        course->best_epoch > 0) {
        bp__snapshot_put_back(&r->best_kept, model);
        result->train_loss = r->best.train_loss;
        result->validation_loss = r->best.validation_loss;
        result->validation_accuracy = r->best.validation_accuracy;
        result->best_kept = 1;
    } else if (!ended) {
        bp__snapshot_put_back(status == BP_ERROR_DIVERGED ? &r->kept : &r->before, model);
    }
    if (result->seconds > 0)
        result->samples_per_second = (double)result->steps / (double)r->trainer->pass->steps *
                                     (double)r->trainer->pass->rows / result->seconds;
}

/* Everything that can be refused before the device is asked for anything. */
static bp_status check_sets(const bp_model *model, const bp_data *data, const bp_data *validation)
{
    const bp_model_info shape = bp_model_get_info(model);
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    BP_TRY(bp__check_reach(model, data));
    return validation ? bp__check_fit(shape.inputs, shape.outputs, validation) : BP_OK;
}

/* Whether targets are labels is known when they are read. */
static bp__truth truth_of(const bp_model *model, const bp_data *data)
{
    if (bp__has_labels(data)) return BP__TRUTH_CLASSES;
    return bp_model_get_info(model).loss == BP_LOSS_BCE ? BP__TRUTH_LABELS : BP__TRUTH_NUMBERS;
}

static bp_status prepare_validation(run *r, const bp_model *model)
{
    if (!r->validation) return BP_OK;
    const bp_report_options options = bp_report_options_default();
    const bp__truth truth = truth_of(model, r->validation);
    const bool labels = truth == BP__TRUTH_LABELS;
    r->by_report = bp__monitor_needs_report(r->monitor, truth);
    r->outputs = bp_data_get_info(r->validation).outputs;
    if (r->by_report || labels)
        BP_TRY(bp__reporter_create(&r->reporter, r->validation, model, &options,
                                   r->monitor == BP_MONITOR_AUC));
    if (labels && !bp__reporter_has_labels(r->reporter)) { /* numbers that only look like it */
        BP_TRY(bp__monitor_check(r->monitor, true, BP__TRUTH_NUMBERS));
        if (!r->by_report) bp__reporter_free(r->reporter);
        if (!r->by_report) r->reporter = NULL;
    }
    return bp__evaluator_create(&r->evaluator, bp__trainer_result(r->trainer), r->validation);
}

static bp_status prepare(run *r, bp_model *model, bp_device *device, const bp_data *data,
                         const bp_train_options *options)
{
    BP_TRY(bp__snapshot_create(&r->before, model));
    BP_TRY(bp__snapshot_create(&r->kept, model));
    bp_train_options filled_in;
    BP_TRY(bp__read_train_options(&filled_in, options));
    const bool by_itself = bp__fill_in_epochs(&filled_in, bp_data_get_info(data).rows);
    BP_TRY(bp_trainer_create(&r->trainer, model, device, &filled_in));
    r->trainer->schedule_by_itself = by_itself;
    const bp_train_options *read = &r->trainer->options;
    r->result->planned_epochs = read->epochs;
    if (bp__keeps_best(read)) BP_TRY(bp__snapshot_create(&r->best_kept, model));
    r->monitor = bp__monitor_of(read, r->validation != NULL);
    BP_TRY(bp__monitor_check(r->monitor, r->validation != NULL, truth_of(model, data)));
    r->result->monitor = r->monitor;
    BP_TRY(bp__trainer_set_data(r->trainer, data, read->checkpoint || read->resume));
    BP_TRY(prepare_validation(r, model));
    BP_TRY(bp__saver_begin(&r->saver, r->trainer, model, r->validation, own_state, r));
    return read->resume ? go_on(r, model) : BP_OK;
}

bp_status bp_train(bp_model *model, bp_device *device, const bp_data *data,
                   const bp_data *validation, const bp_train_options *options,
                   bp_train_result *result)
{
    bp_train_result unwanted;
    if (!result) result = &unwanted;
    *result = (bp_train_result){
        .train_loss = NAN, .validation_loss = NAN, .validation_accuracy = NAN, .best_value = NAN};
    if (!model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_train: model, device and data are needed");
    BP_TRY(check_sets(model, data, validation));

    const double start = bp__seconds();
    run r = {.result = result, .validation = validation};
    bp_status status = prepare(&r, model, device, data, options);
    result->setup_seconds = bp__seconds() - start;
    if (status == BP_OK) {
        result->device_bytes = bp_trainer_device_bytes(r.trainer);
        result->streamed = r.trainer->stream != NULL;
        result->shuffle = r.trainer->shuffle.shuffle;
        status = run_all(&r, model);
        settle(&r, model, status);
        if (r.trainer->stream) result->wait_seconds = bp__stream_waited(r.trainer->stream);
        result->checkpoint = r.saver.status;
        if (r.saver.error)
            snprintf(result->checkpoint_error, sizeof result->checkpoint_error, "%s",
                     r.saver.error);
    }
    bp__saver_end(&r.saver);
    bp__evaluator_free(r.evaluator);
    bp_trainer_free(r.trainer);
    bp__reporter_free(r.reporter);
    bp__snapshot_free(&r.before);
    bp__snapshot_free(&r.kept);
    bp__snapshot_free(&r.best_kept);
    return status;
}
