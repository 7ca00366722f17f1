/* train.h - what the files of `backprop train` share: train.c has the options and the order
 * of things, train_data.c the data sets, train_run.c the training itself. */
#ifndef CLI_TRAIN_H
#define CLI_TRAIN_H

#include "backprop_measure.h"
#include "checkpoint.h"
#include "input.h"
#include "origin.h"
#include "profile.h"
#include "record.h"
#include "watch.h"

typedef struct train_settings {
    cli_input input;
    cli_files data;
    cli_stream stream;
    const char *validation, *validation_labels, *test, *test_labels;
    const char *device, *output;
    int32_t precision; /* BP_PRECISION_* */
    bp_device_choice choice; /* of the device, where it was left to us */
    cli_record_options record;
    cli_profile profile;
    double split;
    const char *weight_column, *class_weights, *init_from;
    int32_t watch_gradients;
    int32_t find_rate; /* 1: --find-lr */
    int64_t folds;     /* of --folds, or 0 */
    int32_t scaling; /* BP_SCALING_* */
    uint64_t seed;
    bp_model_options model;
    bp_train_options how;
    cli_checkpoint *checkpoint;
    cli_origin *origin;
} train_settings;

/* Encoded; validation and test may be NULL. */
typedef struct train_sets {
    bp_data *train, *validation, *test;
} train_sets;

/* Whether the data is streamed. Reports; an exit code or -1. */
int cli_train_choose_stream(const cli_command *command, train_settings *s);

/* Loads, splits, learns the schema on the training part alone, encodes. Reports; an exit code or
 * -1. */
int cli_train_load(train_sets *sets, const cli_command *command, const train_settings *s);
void cli_train_free(train_sets *sets);

/* The two halves of it. raw is the caller's; encode takes it over, and *schema is the caller's. */
int cli_train_load_raw(bp_data **raw, const cli_command *command, const train_settings *s);
int cli_train_encode(train_sets *sets, bp_schema **schema, const cli_command *command,
                     const train_settings *s, bp_data *raw);

/* Notes what the schema took the columns for, where that may not be what was meant. */
void cli_train_tell(const bp_schema *schema, size_t rows);

typedef struct train_outcome {
    bp_train_result result;
    bp_status status; /* BP_OK, BP_ERROR_CANCELLED or BP_ERROR_DIVERGED */
    int signal;       /* that asked for the end, or 0 */
    bool learned;     /* the model is no longer what it started as */
    bool record_failed; /* the log, the event files or the picture; reported */
    char began[CLI_WATCH_TEXT]; /* where a watched training began to diverge; or empty */
    bool has_test;
    bp_metrics test;
} train_outcome;

/* Trains and evaluates the test set. Signals end the training at the next step, and the process
 * from then on. Reports; returns an exit code only where there is nothing to keep, else -1. */
int cli_train_run(train_outcome *out, const cli_command *command, const train_settings *s,
                  bp_model *model, bp_device *device, const train_sets *sets);

/* --folds: trains and measures once for each part of the data. Reports; returns the exit code. */
int cli_train_folds(const cli_command *command, const train_settings *s, bp_device *device);

/* --find-lr: the range test in place of a training. Reports; returns the exit code. */
int cli_train_find(const cli_command *command, const train_settings *s, const bp_model *model,
                   bp_device *device, const bp_data *data);

/* The options of the network, and of how it learns from gradients; how many. */
enum { CLI_NETWORK_OPTIONS = 11, CLI_UPDATE_OPTIONS = 13 };
size_t cli_recipe_network(train_settings *s, cli_option rows[CLI_NETWORK_OPTIONS]);
size_t cli_recipe_updates(train_settings *s, cli_option rows[CLI_UPDATE_OPTIONS]);

/* The model that a training begins with. Reports; an exit code or -1. */
int cli_recipe_model(bp_model **out, const train_settings *s, const bp_data *train);

/* Warns of options among them that have no effect. */
void cli_recipe_warn(const cli_command *command, const train_settings *s);

/* The options of stopping and of the learning rate's schedule; how many. */
enum { CLI_COURSE_OPTIONS = 12 };
size_t cli_course_options(train_settings *s, cli_option rows[CLI_COURSE_OPTIONS]);

/* Checks what the table cannot, and warns of what has no effect. An exit code or -1. */
int cli_course_check(const cli_command *command, const train_settings *s);

/* The best epoch and how the training stopped. */
void cli_course_print(const bp_train_result *result, int32_t optimizer);
void cli_course_json(json_t *json, const bp_train_result *result);

#endif
