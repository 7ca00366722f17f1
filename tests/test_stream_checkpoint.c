/* test_stream_checkpoint.c - streamed trainings that are broken off anywhere and gone on with, with
 * their rows streamed or in memory: the bits of one that never was. */
#define _XOPEN_SOURCE 700
#include <unistd.h>

#include "data/stream.h"
#include "network_support.h"
#include "train/trainer.h"

static char folder[] = "/tmp/backprop-stream-XXXXXX";

static void enter_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(folder), 0, "a file is left in %s", folder);
}

TestSuite(stream_checkpoint, .init = enter_folder, .fini = remove_folder, .timeout = 300);

enum { ROWS = 203, STEPS = 13, EPOCHS = 2, FEATURES = 20, OUTPUTS = 3 };

/* Batches of 16 of 203 rows; windows of 4 batches, the last of one that is smaller. */
static bp_train_options checkpoint_options(int32_t stream, int32_t shuffle)
{
    bp_train_options how = bp_train_options_default();
    how.batch = 16;
    how.window = 70;
    how.epochs = EPOCHS;
    how.stream = stream;
    how.shuffle = shuffle;
    how.checkpoint_seconds = 0;
    return how;
}

static bp_trainer *new_trainer(bp_device *device, const bp_data *data, const bp_model *model,
                               const bp_train_options *how)
{
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, how));
    OK(bp_trainer_set_data(trainer, data));
    return trainer;
}

static int stop_there(size_t done, double sum, size_t rows, void *user)
{
    (void)done, (void)sum, (void)rows;
    const bp_trainer *trainer = user;
    return trainer->pause_at && trainer->enqueued >= trainer->pause_at;
}

/* To this step of all, and no further. */
static void run_to(bp_trainer *trainer, int64_t at)
{
    while (trainer->step + trainer->place < at) {
        const int64_t here = at - trainer->step;
        trainer->pause_at = here < (int64_t)trainer->pass->steps ? (size_t)here : 0;
        const bp_status status = bp__trainer_run_epoch(trainer, NULL, stop_there, trainer);
        cr_assert(status == BP_OK || status == BP_ERROR_CANCELLED, "%s", bp_last_error());
    }
    cr_assert_eq(trainer->step + trainer->place, at);
}

/* To the end: the parameters, which are the caller's, and the last loss. */
static float *run_out(bp_trainer *trainer, bp_model *model, double *loss)
{
    size_t count;
    while (trainer->epoch < EPOCHS) OK(bp_trainer_epoch(trainer, loss));
    OK(bp_trainer_get_model(trainer, model));
    return flatten(model, &count);
}

/* Between two steps anywhere, from either kind of training to either kind. */
static void go_on_from_everywhere(const char *spec, int32_t shuffle, int64_t every, double ema,
                                  int64_t accumulate)
{
    const char path[] = "checkpoint";
    bp_device *device;
    OK(bp_device_open(&device, spec));
    bp_data *data = data_of(ROWS, FEATURES, OUTPUTS, true);
    const size_t widths[] = {FEATURES, 6, OUTPUTS};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    size_t count;
    free(flatten(model, &count));
    bp_train_options how = checkpoint_options(BP_STREAM_NO, shuffle);
    how.ema = ema;
    how.accumulate = accumulate;
    double loss, last;
    bp_trainer *trainer = new_trainer(device, data, model, &how);
    float *whole = run_out(trainer, model, &loss);
    bp_trainer_free(trainer);
    for (int64_t at = 1; at < EPOCHS * STEPS; at += every)
        for (int kinds = 1; kinds < 4; ++kinds) {
            bp_model *start = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                                       BP_LOSS_CROSS_ENTROPY, 1, 3);
            how.stream = kinds & 1 ? BP_STREAM_YES : BP_STREAM_NO;
            trainer = new_trainer(device, data, start, &how);
            run_to(trainer, at);
            OK(bp_trainer_save(trainer, start, path));
            if (kinds & 1) { /* and goes on itself, as if nothing had been */
                float *same = run_out(trainer, start, &last);
                cr_assert_arr_eq(same, whole, count * sizeof *same, "%s, step %d", spec, (int)at);
                free(same);
            }
            bp_trainer_free(trainer);
            how.stream = kinds & 2 ? BP_STREAM_YES : BP_STREAM_NO;
            trainer = new_trainer(device, data, start, &how);
            OK(bp_trainer_load(trainer, path));
            float *rest = run_out(trainer, start, &last);
            cr_assert_arr_eq(rest, whole, count * sizeof *rest, "%s, step %d, way %d", spec,
                             (int)at, kinds);
            cr_assert_eq(last, loss, "%s, step %d, way %d: %.17g, %.17g", spec, (int)at, kinds,
                         last, loss);
            free(rest);
            bp_trainer_free(trainer);
            bp_model_free(start);
        }
    free(whole);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
    remove(path);
    remove("checkpoint.previous");
}

Test(stream_checkpoint, every_step_can_be_gone_on_from)
{
    go_on_from_everywhere("reference", BP_SHUFFLE_BLOCKS, 1, 0, 1);
    go_on_from_everywhere("reference", BP_SHUFFLE_NONE, 3, 0, 1);
    go_on_from_everywhere("auto", BP_SHUFFLE_BLOCKS, 3, 0, 1);
}

/* Groups of 3 and 5 batches go over the ends of windows; broken off within one. */
Test(stream_checkpoint, averages_and_groups_go_on_too)
{
    go_on_from_everywhere("reference", BP_SHUFFLE_BLOCKS, 1, 0.9, 3);
    go_on_from_everywhere("auto", BP_SHUFFLE_BLOCKS, 2, 0.9, 5);
}

static void write_rows(const char *path)
{
    FILE *file = fopen(path, "wb");
    for (int r = 0; r < 3000; ++r) {
        const double a = sin(r * 12.9898), b = cos(r * 78.233);
        fprintf(file, "%.7g,%.7g,%s,%s\n", a, b, r % 3 ? "x" : "y", a + b > 0 ? "up" : "down");
    }
    fclose(file);
}

/* bp_train on rows in a file: checkpoints wherever they fall, gone on from with rows in memory. */
Test(stream_checkpoint, bp_train_goes_on_with_and_without_a_stream)
{
    const char path[] = "rows.csv", checkpoint[] = "checkpoint", previous[] = "checkpoint.previous";
    bp_device *device;
    OK(bp_device_open(&device, "auto"));
    bp__stream_block = 5000;
    write_rows(path);
    bp_data *sets[2], *raw;
    bp_schema *schema;
    for (int i = 0; i < 2; ++i) {
        bp_load_options load = bp_load_options_default();
        load.stream = i;
        load.header = 0;
        OK(bp_data_load(&raw, path, &load));
        OK(bp_schema_learn(&schema, raw));
        OK(bp_schema_apply(&sets[i], schema, raw));
        bp_schema_free(schema);
        bp_data_free(raw);
    }
    /* 94 steps an epoch, 9 a window. */
    bp_train_options how = bp_train_options_default();
    how.epochs = 3;
    how.shuffle = BP_SHUFFLE_BLOCKS;
    how.window = 300;
    how.checkpoint_seconds = 0;
    bp_train_result whole, kept, rest;
    bp_model *model, *other;
    OK(bp_model_create(&model, sets[0], NULL));
    OK(bp_train(model, device, sets[0], sets[0], &how, &whole));
    size_t count;
    float *want = flatten(model, &count);
    bp_model_free(model);
    for (int64_t every = 95; every < 188; every += 23) {
        bp_train_options part = how;
        OK(bp_model_create(&model, sets[1], NULL));
        part.epochs = 2;
        part.checkpoint = checkpoint;
        part.checkpoint_steps = every;
        OK(bp_train(model, device, sets[1], sets[1], &part, &kept));
        bp_checkpoint_info info;
        OK(bp_checkpoint_get_info(&info, previous));
        cr_assert_eq(info.total_steps, every);
        cr_assert_gt(info.step, 0);
        cr_assert_eq(info.shuffle, BP_SHUFFLE_BLOCKS);
        for (int i = 0; i < 2; ++i) {
            bp_train_options on = how;
            on.resume = previous;
            OK(bp_model_create(&other, sets[i], NULL));
            OK(bp_train(other, device, sets[i], sets[1 - i], &on, &rest));
            float *got = flatten(other, &count);
            cr_assert_arr_eq(got, want, count * sizeof *got, "from step %d, %d", (int)every, i);
            cr_assert_eq(rest.train_loss, whole.train_loss);
            cr_assert_eq(rest.validation_loss, whole.validation_loss);
            cr_assert_eq(rest.steps, whole.steps);
            free(got);
            bp_model_free(other);
        }
        bp_model_free(model);
    }
    free(want);
    bp_data_free(sets[0]);
    bp_data_free(sets[1]);
    bp_device_free(device);
    remove(path);
    remove(checkpoint);
    remove(previous);
}

/* What is another order is another training; what is another window is another order, but only
 * where there are windows. */
Test(stream_checkpoint, another_order_is_not_gone_on_with)
{
    const char path[] = "checkpoint";
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, OUTPUTS, true);
    const size_t widths[] = {FEATURES, OUTPUTS};
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    const struct {
        int32_t shuffle, other_shuffle;
        int64_t other_window;
        const char *says; /* NULL: it is the same training */
    } cases[] = {
        {BP_SHUFFLE_AUTO, BP_SHUFFLE_BLOCKS, 79, NULL}, /* whole batches: 64 as well */
        {BP_SHUFFLE_AUTO, BP_SHUFFLE_BLOCKS, 80, "window is 80, in the checkpoint 64"},
        {BP_SHUFFLE_AUTO, BP_SHUFFLE_AUTO, 70, "shuffle is all, in the checkpoint blocks"},
        {BP_SHUFFLE_NONE, BP_SHUFFLE_NONE, 80, NULL},
        {BP_SHUFFLE_NONE, BP_SHUFFLE_BLOCKS, 70, "shuffle is blocks, in the checkpoint none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_train_options how = checkpoint_options(BP_STREAM_YES, cases[i].shuffle);
        bp_trainer *trainer = new_trainer(device, data, model, &how);
        run_to(trainer, 5);
        OK(bp_trainer_save(trainer, model, path));
        bp_trainer_free(trainer);
        how = checkpoint_options(BP_STREAM_NO, cases[i].other_shuffle);
        how.window = cases[i].other_window;
        trainer = new_trainer(device, data, model, &how);
        const bp_status status = bp_trainer_load(trainer, path);
        cr_assert_eq(status, cases[i].says ? BP_ERROR_MODEL : BP_OK, "case %d: %s", (int)i,
                     bp_last_error());
        if (cases[i].says) cr_assert(strstr(bp_last_error(), cases[i].says), "%s", bp_last_error());
        bp_trainer_free(trainer);
    }
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
    remove(path);
    remove("checkpoint.previous");
}
