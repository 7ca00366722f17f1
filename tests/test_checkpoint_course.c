/* test_checkpoint_course.c - what a training knows of its course (which epoch was the best, how
 * long patience has lasted, where its schedule is) goes on with it, from every step. On the
 * reference, so that it needs no OpenCL; test_checkpoint.c has the rest. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/trainer.h"

enum { ROWS = 23, INPUTS = 3, HIDDEN = 4, CLASSES = 2, BATCH = 8, STEPS = 3, EPOCHS = 12 };
enum { PARAMETERS = INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES };

static char folder[64], path[96], previous[112];
static bp_device *device;
static bp_data *data, *validation;

static bp_data *new_data(float shift)
{
    float x[ROWS * INPUTS];
    int32_t labels[ROWS];
    bp_data *made;
    for (int i = 0; i < ROWS * INPUTS; ++i) x[i] = sinf((float)(i * i) + shift);
    for (int i = 0; i < ROWS; ++i) labels[i] = x[i * INPUTS] > 0.3f * x[i * INPUTS + 1];
    for (int i = 0; i < ROWS; i += 5) labels[i] = !labels[i]; /* there is something to overfit */
    cr_assert_eq(bp_data_from_labels(&made, x, ROWS, INPUTS, labels, CLASSES), BP_OK);
    return made;
}

static void open_all(void)
{
    strcpy(folder, "/tmp/backprop-checkpoint-course-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c", folder);
    snprintf(previous, sizeof previous, "%s.previous", path);
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    data = new_data(0);
    validation = new_data(1);
}

static void close_all(void)
{
    char command[128];
    bp_data_free(data);
    bp_data_free(validation);
    bp_device_free(device);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(checkpoint_course, .init = open_all, .fini = close_all, .timeout = 300);

typedef struct outcome {
    float parameters[PARAMETERS];
    bp_train_result result;
    bp_status status;
    double rate; /* of the last step */
} outcome;

/* The callback's: where to stop, and what the rate was. */
typedef struct watch {
    int64_t stop;
    double rate;
} watch;

static int look(const bp_progress *now, void *user)
{
    watch *w = user;
    w->rate = now->learning_rate;
    return now->epoch_done && now->epoch == w->stop;
}

/* Up to the end of epoch `stop` (0: as long as it takes). */
static outcome train(bp_train_options how, int64_t stop)
{
    const bp_layer layers[] = {{INPUTS, HIDDEN, BP_ACTIVATION_TANH, 1},
                               {HIDDEN, CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    watch w = {.stop = stop};
    outcome out;
    bp_model *model;
    how.progress = look;
    how.user = &w;
    cr_assert_eq(bp_model_create_layers(&model, layers, 2, NULL), BP_OK);
    out.status = bp_train(model, device, data, validation, &how, &out.result);
    memcpy(out.parameters, bp_model_weights(model, 0), sizeof out.parameters);
    out.rate = w.rate;
    bp_model_free(model);
    return out;
}

static bp_train_options options_for(int32_t schedule)
{
    bp_train_options how = bp_train_options_default();
    how.epochs = EPOCHS;
    how.batch = BATCH;
    how.learning_rate = 0.1f;
    how.schedule = schedule;
    how.checkpoint_seconds = 0;
    return how;
}

static void want_same(const outcome *a, const outcome *b, const char *what, int64_t at)
{
    const bp_train_result *p = &a->result, *q = &b->result;
    cr_assert_eq(a->status, BP_OK, "%s, step %d: %s", what, (int)at, bp_last_error());
    cr_assert_arr_eq(a->parameters, b->parameters, sizeof a->parameters, "%s, step %d: other bits",
                     what, (int)at);
    const int64_t mine[] = {p->epochs, p->steps, p->best_epoch, p->stopped_early, p->best_kept};
    const int64_t theirs[] = {q->epochs, q->steps, q->best_epoch, q->stopped_early, q->best_kept};
    for (size_t i = 0; i < sizeof mine / sizeof *mine; ++i)
        cr_assert_eq(mine[i], theirs[i], "%s, step %d: number %zu is %d, not %d", what, (int)at, i,
                     (int)mine[i], (int)theirs[i]);
    const double losses[] = {p->train_loss, p->validation_loss, p->validation_accuracy,
                             p->best_value};
    const double wanted[] = {q->train_loss, q->validation_loss, q->validation_accuracy,
                             q->best_value};
    cr_assert_arr_eq(losses, wanted, sizeof losses, "%s, step %d: other losses", what, (int)at);
}

/* Breaks the training off at each of its steps, and goes on. */
static outcome break_everywhere(bp_train_options how, const char *what)
{
    const outcome whole = train(how, 0);
    cr_assert_eq(whole.status, BP_OK, "%s: %s", what, bp_last_error());
    for (int64_t at = 1; at < whole.result.steps; ++at) {
        bp_checkpoint_info info;
        bp_train_options part = how, rest = how;
        part.checkpoint = path;
        part.checkpoint_steps = at;
        const bp_status status = train(part, (at + STEPS - 1) / STEPS).status;
        cr_assert_eq(status, BP_ERROR_CANCELLED, "%s, step %d", what, (int)at);
        rest.resume = at % STEPS ? previous : path;
        cr_assert_eq(bp_checkpoint_get_info(&info, rest.resume), BP_OK);
        if (at > STEPS) cr_assert_eq(info.total_steps, at);
        cr_assert_eq(info.ended, 0);
        const outcome end = train(rest, 0);
        want_same(&end, &whole, what, at);
    }
    return whole;
}

Test(checkpoint_course, patience_goes_on_from_every_step)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT);
    how.epochs = 100;
    how.patience = 4;
    how.min_delta = 0.001;
    const outcome whole = break_everywhere(how, "patience");
    cr_assert_eq(whole.result.stopped_early, 1);
    cr_assert_eq(whole.result.best_kept, 1);
    cr_assert_gt(whole.result.best_epoch, 1);
    cr_assert_lt(whole.result.best_epoch, whole.result.epochs);
    how.keep_best = 0;
    cr_assert_eq(break_everywhere(how, "the last one kept").result.best_kept, 0);
    how.monitor = BP_MONITOR_F1;
    how.keep_best = 1;
    cr_assert_eq(break_everywhere(how, "of a report").result.stopped_early, 1);
}

Test(checkpoint_course, the_best_epoch_goes_on_from_every_step)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT);
    how.keep_best = 1;
    const outcome whole = break_everywhere(how, "keep_best");
    cr_assert_gt(whole.result.best_epoch, 1);
    cr_assert_lt(whole.result.best_epoch, EPOCHS);
}

Test(checkpoint_course, schedules_go_on_from_every_step)
{
    for (int32_t kind = 0; bp_schedule_name(kind); ++kind) {
        bp_train_options how = options_for(kind);
        how.warmup = 1.5;
        if (kind == BP_SCHEDULE_PLATEAU) how.decay_every = 1;
        const outcome whole = break_everywhere(how, bp_schedule_name(kind));
        if (kind != BP_SCHEDULE_CONSTANT)
            cr_assert_lt(whole.rate, 0.06, "%s: the rate ends at %g", bp_schedule_name(kind),
                         whole.rate);
    }
}

/* A training that patience has ended is at its end, however often it is gone on with. */
Test(checkpoint_course, what_patience_has_ended_stays_ended)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT);
    how.epochs = 100;
    how.patience = 4;
    how.checkpoint = path;
    const outcome whole = train(how, 0);
    cr_assert_eq(whole.result.stopped_early, 1);
    bp_checkpoint_info info;
    cr_assert_eq(bp_checkpoint_get_info(&info, path), BP_OK);
    cr_assert_eq(info.ended, 1);
    cr_assert_eq(info.epoch, whole.result.epochs);
    how.resume = path;
    for (int i = 0; i < 2; ++i) {
        const outcome again = train(how, 0);
        want_same(&again, &whole, "ended", 0);
    }
}

/* The best epoch's parameters are not lost where a training diverges after it was gone on with. */
Test(checkpoint_course, divergence_ends_with_the_best_epoch)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT);
    how.keep_best = 1;
    how.checkpoint = path;
    how.checkpoint_steps = 2 * STEPS + 1;
    const outcome part = train(how, 3);
    cr_assert_eq(part.status, BP_ERROR_CANCELLED);
    cr_assert_eq(part.result.best_kept, 1);
    how.resume = previous;
    how.checkpoint = NULL;
    const outcome rest = train(how, 3);
    cr_assert_eq(rest.status, BP_ERROR_CANCELLED);
    cr_assert_arr_eq(rest.parameters, part.parameters, sizeof part.parameters);
    cr_assert_eq(rest.result.best_epoch, part.result.best_epoch);
}

/* bp_trainer_load: what was observed counts on. */
Test(checkpoint_course, observations_go_on_with_a_trainer)
{
    const bp_layer layers[] = {{INPUTS, CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    bp_train_options how = options_for(BP_SCHEDULE_PLATEAU);
    how.decay_every = 1;
    bp_model *model;
    bp_trainer *trainers[2];
    cr_assert_eq(bp_model_create_layers(&model, layers, 1, NULL), BP_OK);
    for (int i = 0; i < 2; ++i) {
        cr_assert_eq(bp_trainer_create(&trainers[i], model, device, &how), BP_OK);
        cr_assert_eq(bp_trainer_set_data(trainers[i], data), BP_OK);
    }
    for (int i = 0; i < 4; ++i) {
        cr_assert_eq(bp_trainer_epoch(trainers[0], NULL), BP_OK);
        cr_assert_eq(bp_trainer_observe(trainers[0], 1 + i, 0), BP_OK);
    }
    cr_assert_eq(bp_trainer_save(trainers[0], model, path), BP_OK);
    cr_assert_eq(bp_trainer_load(trainers[1], path), BP_OK, "%s", bp_last_error());
    for (int i = 0; i < 4; ++i) {
        cr_assert_eq(bp_trainer_get_rate(trainers[1]), bp_trainer_get_rate(trainers[0]));
        for (int t = 0; t < 2; ++t) cr_assert_eq(bp_trainer_observe(trainers[t], 9, 0), BP_OK);
    }
    cr_assert_lt(bp_trainer_get_rate(trainers[1]), 0.03);
    for (int i = 0; i < 2; ++i) bp_trainer_free(trainers[i]);
    bp_model_free(model);
}

/* ---- facts ------------------------------------------------------------------------------------
 */

static void want_length(bp_train_options how, const char *refused)
{
    how.checkpoint = path;
    cr_assert_eq(train(how, 0).status, BP_OK, "%s", bp_last_error());
    how.checkpoint = NULL;
    how.epochs = EPOCHS + 3;
    const outcome longer = train(how, 0);
    how.resume = path;
    const outcome rest = train(how, 0);
    if (!refused) {
        want_same(&rest, &longer, bp_schedule_name(how.schedule), 0);
        return;
    }
    cr_assert_eq(rest.status, BP_ERROR_MODEL, "%s", bp_schedule_name(how.schedule));
    cr_assert(strstr(bp_last_error(), refused), "not \"%s\": %s", refused, bp_last_error());
}

Test(checkpoint_course, longer_where_the_schedule_lets_it)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT);
    how.warmup = 2;
    want_length(how, NULL);
    how.schedule = BP_SCHEDULE_PLATEAU;
    want_length(how, NULL);
    how.schedule = BP_SCHEDULE_COSINE;
    want_length(how, "schedule is cosine over 15 epochs, in the checkpoint cosine over 12 epochs");
    how.schedule = BP_SCHEDULE_ONECYCLE;
    want_length(how, "schedule is onecycle over 15 epochs, in the checkpoint onecycle over 12");
    how.schedule = BP_SCHEDULE_STEP;
    want_length(how, "schedule is step over 15 epochs");
    how.decay_every = 2;
    want_length(how, NULL);
    how.schedule = BP_SCHEDULE_EXPONENTIAL;
    want_length(how, "schedule is exponential over 15 epochs");
    how.decay = 0.7;
    want_length(how, NULL);
}

Test(checkpoint_course, options_that_differ_are_named)
{
    bp_train_options how = options_for(BP_SCHEDULE_COSINE);
    how.patience = 4;
    how.checkpoint = path;
    (void)train(how, 0);
    how.checkpoint = NULL;
    how.resume = path;
    how.keep_best = 1; /* what patience means anyway */
    cr_assert_eq(train(how, 0).status, BP_OK, "%s", bp_last_error());
    how.schedule = BP_SCHEDULE_CONSTANT;
    how.patience = 5;
    how.keep_best = 0;
    how.monitor = BP_MONITOR_ACCURACY;
    how.min_delta = 0.1;
    how.warmup = 0.1234567890123;
    how.decay = 0.25;
    how.decay_every = 7;
    how.final_rate = 0.125;
    cr_assert_eq(train(how, 0).status, BP_ERROR_MODEL);
    const char *const all[] = {"schedule is constant, in the checkpoint cosine over 12 epochs",
                               "patience is 5, in the checkpoint 4",
                               "keep_best is 0, in the checkpoint 1",
                               "monitor is accuracy, in the checkpoint auto",
                               "min_delta is 0.1, in the checkpoint 0",
                               "warmup is 0.1234567890123, in the checkpoint 0",
                               "decay is 0.25, in the checkpoint 0",
                               "decay_every is 7, in the checkpoint 0",
                               "final_rate is 0.125, in the checkpoint 0"};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)
        cr_assert(strstr(bp_last_error(), all[i]), "not \"%s\": %s", all[i], bp_last_error());
}
