/* test_stream_course.c - what a training learns of its course, with rows that are streamed and with
 * rows in memory: the same bits, the same epoch that was the best, the same rates, the same folds;
 * also where it is broken off in the middle of an epoch. */
#define _XOPEN_SOURCE 700
#include <unistd.h>

#include "backprop_evaluate.h"
#include "data/stream.h"
#include "network_support.h"

static char folder[] = "/tmp/backprop-course-XXXXXX";
static const char rows_path[] = "rows.csv";
static bp_device *device;
static bp_data *sets[2], *others[2]; /* in memory, streamed: to train on, to validate with */

enum { ROWS = 1500 };

static bp_data *load(int32_t stream)
{
    bp_data *raw;
    bp_load_options options = bp_load_options_default();
    options.stream = stream;
    options.header = 0;
    OK(bp_data_load(&raw, rows_path, &options));
    return raw;
}

/* Three classes that overlap, so that there is something to overfit. */
static void open_all(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    FILE *file = fopen(rows_path, "wb");
    for (int r = 0; r < ROWS; ++r) {
        const double a = sin(r * 12.9898), b = cos(r * 78.233), noise = sin(r * r * 0.7);
        fprintf(file, "%.7g,%.7g,%s,%c\n", a, b, r % 3 ? "x" : "y",
                a + 0.5 * noise > 0.3 ? 'c'
                : b + 0.5 * noise > 0 ? 'b'
                                      : 'a');
    }
    fclose(file);
    OK(bp_device_open(&device, "auto"));
    bp__stream_block = 5000;
    for (int i = 0; i < 2; ++i) {
        bp_data *raw = load(i), *part, *rest;
        bp_schema *schema;
        OK(bp_data_split(&part, &rest, raw, 0.3, 5));
        OK(bp_schema_learn(&schema, part));
        OK(bp_schema_apply(&sets[i], schema, part));
        OK(bp_schema_apply(&others[i], schema, rest));
        bp_schema_free(schema);
        bp_data_free(part);
        bp_data_free(rest);
        bp_data_free(raw);
    }
}

static void close_all(void)
{
    for (int i = 0; i < 2; ++i) {
        bp_data_free(sets[i]);
        bp_data_free(others[i]);
    }
    bp_device_free(device);
    remove(rows_path);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(folder), 0, "a file is left in %s", folder);
}

TestSuite(stream_course, .init = open_all, .fini = close_all, .timeout = 300);

typedef struct outcome {
    float *parameters;
    size_t count;
    bp_train_result result;
    double rate; /* of the last step */
} outcome;

static int note_rate(const bp_progress *now, void *user)
{
    *(double *)user = now->learning_rate;
    return 0;
}

static outcome train(bp_train_options how, int streamed)
{
    outcome out;
    bp_model *model;
    bp_model_options shape = bp_model_options_default();
    shape.hidden = "16";
    how.progress = note_rate;
    how.user = &out.rate;
    OK(bp_model_create(&model, sets[streamed], &shape));
    OK(bp_train(model, device, sets[streamed], others[streamed], &how, &out.result));
    out.parameters = flatten(model, &out.count);
    bp_model_free(model);
    return out;
}

static void want_same(const outcome *a, const outcome *b, const char *what)
{
    const bp_train_result *p = &a->result, *q = &b->result;
    cr_assert_arr_eq(a->parameters, b->parameters, a->count * sizeof(float), "%s: other bits",
                     what);
    cr_assert_eq(a->rate, b->rate, "%s: rates %g and %g", what, a->rate, b->rate);
    cr_assert_eq(p->best_epoch, q->best_epoch, "%s: epochs %d and %d", what, (int)p->best_epoch,
                 (int)q->best_epoch);
    cr_assert_eq(p->best_value, q->best_value, "%s: %.17g and %.17g", what, p->best_value,
                 q->best_value);
    cr_assert_eq(p->epochs, q->epochs);
    cr_assert_eq(p->stopped_early, q->stopped_early);
    cr_assert_eq(p->best_kept, q->best_kept);
    cr_assert_eq(p->train_loss, q->train_loss);
    cr_assert_eq(p->validation_loss, q->validation_loss);
}

/* 33 steps an epoch, windows of 9. */
static bp_train_options options_for(int32_t schedule, int32_t monitor)
{
    bp_train_options how = bp_train_options_default();
    how.epochs = 12;
    how.learning_rate = 0.02f;
    how.shuffle = BP_SHUFFLE_BLOCKS;
    how.window = 300;
    how.schedule = schedule;
    how.monitor = monitor;
    how.keep_best = 1;
    how.checkpoint_seconds = 0;
    return how;
}

Test(stream_course, schedules_and_monitors_are_the_same)
{
    const int32_t monitors[] = {BP_MONITOR_AUC, BP_MONITOR_F1, BP_MONITOR_LOG_LOSS,
                                BP_MONITOR_ACCURACY};
    for (int32_t schedule = BP_SCHEDULE_CONSTANT; bp_schedule_name(schedule); ++schedule) {
        bp_train_options how = options_for(schedule, monitors[schedule % 4]);
        how.warmup = schedule == BP_SCHEDULE_COSINE ? 1.5 : 0;
        how.decay_every = schedule == BP_SCHEDULE_PLATEAU ? 1 : 0;
        outcome a = train(how, 0), b = train(how, 1);
        cr_assert(!a.result.streamed && b.result.streamed);
        cr_assert(a.result.best_epoch > 0 && a.result.best_kept);
        cr_assert(schedule == BP_SCHEDULE_CONSTANT || b.rate < 0.02, "%s: %g",
                  bp_schedule_name(schedule), b.rate);
        want_same(&a, &b, bp_schedule_name(schedule));
        free(a.parameters);
        free(b.parameters);
    }
}

Test(stream_course, patience_is_the_same)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT, BP_MONITOR_AUC);
    how.epochs = 200;
    how.patience = 3;
    outcome a = train(how, 0), b = train(how, 1);
    cr_assert(a.result.stopped_early);
    want_same(&a, &b, "patience");
    free(a.parameters);
    free(b.parameters);
}

/* What was waited for while the training was set up is no part of it. */
Test(stream_course, waiting_is_a_part_of_the_training)
{
    const bp_train_options how = options_for(BP_SCHEDULE_CONSTANT, BP_MONITOR_TRAIN_LOSS);
    bp_model *model;
    bp_trainer *trainer;
    bp_model_options shape = bp_model_options_default();
    shape.hidden = "16";
    OK(bp_model_create(&model, sets[1], &shape));
    OK(bp_trainer_create(&trainer, model, device, &how));
    OK(bp_trainer_set_data(trainer, sets[1]));
    cr_assert_not_null(trainer->stream);
    cr_assert_eq(bp__stream_waited(trainer->stream), 0);
    double loss;
    OK(bp_trainer_epoch(trainer, &loss));
    cr_assert_gt(bp__stream_waited(trainer->stream), 0);
    bp_trainer_free(trainer);
    bp_model_free(model);
}

/* A stream broken off within an epoch goes on, streamed or in memory, where the schedule and the
 * best epoch were. */
Test(stream_course, a_broken_off_stream_goes_on)
{
    const char checkpoint[] = "checkpoint", before[] = "checkpoint.previous";
    const bp_train_options how = options_for(BP_SCHEDULE_ONECYCLE, BP_MONITOR_AUC);
    outcome whole = train(how, 0);
    for (int64_t every = 140; every < 390; every += 107) {
        bp_train_options part = how;
        part.checkpoint = checkpoint;
        part.checkpoint_steps = every;
        outcome kept = train(part, 1);
        want_same(&kept, &whole, "with checkpoints");
        free(kept.parameters);
        bp_checkpoint_info info;
        OK(bp_checkpoint_get_info(&info, before));
        cr_assert(info.step > 0 && info.epoch > 1 && !info.ended);
        for (int streamed = 0; streamed < 2; ++streamed) {
            bp_train_options on = how;
            on.resume = before;
            outcome rest = train(on, streamed);
            want_same(&rest, &whole, streamed ? "gone on with, streamed" : "gone on with");
            free(rest.parameters);
        }
        remove(checkpoint);
        remove(before);
    }
    free(whole.parameters);
}

Test(stream_course, range_tests_are_the_same)
{
    bp_train_options how = options_for(BP_SCHEDULE_CONSTANT, BP_MONITOR_AUTO);
    bp_rate_test *tests[2];
    for (int i = 0; i < 2; ++i) {
        bp_model *model;
        OK(bp_model_create(&model, sets[i], NULL));
        OK(bp_find_rate(&tests[i], model, device, sets[i], &how, NULL));
        bp_model_free(model);
    }
    cr_assert_gt(tests[0]->count, 100);
    cr_assert_eq(tests[0]->count, tests[1]->count);
    cr_assert_arr_eq(tests[0]->points, tests[1]->points,
                     tests[0]->count * sizeof *tests[0]->points);
    cr_assert(tests[0]->suggested > 0 && tests[0]->suggested == tests[1]->suggested);
    bp_rate_test_free(tests[0]);
    bp_rate_test_free(tests[1]);
}

Test(stream_course, folds_are_the_same)
{
    enum { FOLDS = 3 };
    char hashes[2][FOLDS][2][33];
    size_t held_rows = 0;
    for (int i = 0; i < 2; ++i) {
        bp_data *raw = load(i);
        for (size_t k = 0; k < FOLDS; ++k) {
            bp_data *parts[2], *encoded;
            bp_schema *schema;
            OK(bp_data_fold(&parts[0], &parts[1], raw, FOLDS, k, 3));
            OK(bp_schema_learn(&schema, parts[0]));
            held_rows += i ? bp_data_get_info(parts[1]).rows : 0;
            for (int p = 0; p < 2; ++p) {
                OK(bp_schema_apply(&encoded, schema, parts[p]));
                OK(bp_data_fingerprint(encoded, hashes[i][k][p]));
                bp_data_free(encoded);
                bp_data_free(parts[p]);
            }
            bp_schema_free(schema);
        }
        bp_data_free(raw);
    }
    cr_assert_eq(held_rows, ROWS);
    for (size_t k = 0; k < FOLDS; ++k)
        for (int p = 0; p < 2; ++p) cr_assert_str_eq(hashes[0][k][p], hashes[1][k][p]);
}
