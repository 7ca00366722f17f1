/* checkpoint_support.h - a small training on the reference, its data, and a folder for its
 * checkpoints. */
#ifndef BP_TESTS_CHECKPOINT_SUPPORT_H
#define BP_TESTS_CHECKPOINT_SUPPORT_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/trainer.h"

enum { ROWS = 23, INPUTS = 3, HIDDEN = 4, CLASSES = 2, BATCH = 4, STEPS = 6, EPOCHS = 5 };
enum { PARAMETERS = INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES };

static char folder[64], path[96], previous[112];
static bp_device *device;
static bp_data *data, *validation;

static inline void open_all(void)
{
    strcpy(folder, "/tmp/backprop-checkpoint-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c", folder);
    snprintf(previous, sizeof previous, "%s.previous", path);
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    float x[ROWS * INPUTS];
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS * INPUTS; ++i) x[i] = sinf((float)(i * i));
    for (int i = 0; i < ROWS; ++i) labels[i] = x[i * INPUTS] > 0;
    cr_assert_eq(bp_data_from_labels(&data, x, ROWS, INPUTS, labels, CLASSES), BP_OK);
    cr_assert_eq(bp_data_from_labels(&validation, x, ROWS / 2, INPUTS, labels, CLASSES), BP_OK);
}

static inline void close_all(void)
{
    char command[128];
    bp_data_free(data);
    bp_data_free(validation);
    bp_device_free(device);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static inline bp_model *new_model(uint64_t seed)
{
    const bp_layer layers[] = {{INPUTS, HIDDEN, BP_ACTIVATION_TANH, 1},
                               {HIDDEN, CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    bp_model_options options = bp_model_options_default();
    options.seed = seed;
    bp_model *model;
    cr_assert_eq(bp_model_create_layers(&model, layers, 2, &options), BP_OK);
    return model;
}

static inline bp_train_options options_for(int32_t optimizer)
{
    bp_train_options how = bp_train_options_default();
    how.optimizer = optimizer;
    how.epochs = EPOCHS;
    how.batch = BATCH;
    how.checkpoint_seconds = 0;
    return how;
}

typedef struct outcome {
    float parameters[PARAMETERS];
    bp_train_result result;
    bp_status status;
} outcome;

static inline void take(outcome *out, bp_model *model)
{
    memcpy(out->parameters, bp_model_weights(model, 0), sizeof out->parameters);
}

static inline outcome train(const bp_train_options *how, bp_model *start)
{
    outcome out = {.status = BP_OK};
    bp_model *model = start ? start : new_model(1);
    out.status = bp_train(model, device, data, validation, how, &out.result);
    take(&out, model);
    bp_model_free(model);
    return out;
}

static inline void want_same(const outcome *a, const outcome *b, const char *what)
{
    cr_assert_eq(a->status, BP_OK, "%s: %s", what, bp_last_error());
    cr_assert_arr_eq(a->parameters, b->parameters, sizeof a->parameters, "%s: other bits", what);
    cr_assert_eq(a->result.epochs, b->result.epochs, "%s", what);
    cr_assert_eq(a->result.steps, b->result.steps, "%s", what);
    const double mine[] = {a->result.train_loss, a->result.validation_loss,
                           a->result.validation_accuracy};
    const double theirs[] = {b->result.train_loss, b->result.validation_loss,
                             b->result.validation_accuracy};
    cr_assert_arr_eq(mine, theirs, sizeof mine, "%s: losses %.17g and %.17g", what, mine[0],
                     theirs[0]);
}

static inline bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

static inline char *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    cr_assert_not_null(file, "%s", name);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static inline void write_file(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* So many epochs of Adam with a checkpoint after every `every` steps and at the end: path has the
 * last of them, previous the one before. */
static inline void train_some(int64_t epochs, int64_t every)
{
    bp_train_options how = options_for(BP_OPTIMIZER_ADAM);
    how.checkpoint = path;
    how.checkpoint_steps = every;
    how.epochs = epochs;
    const outcome some = train(&how, NULL);
    cr_assert_eq(some.status, BP_OK, "%s", bp_last_error());
}

#endif
