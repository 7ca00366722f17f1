/* input.h - what train, eval and predict share: the options that say how a data file is read, and
 * the way from a file to encoded data. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "backprop.h"
#include "options.h"
#include "stream.h"

typedef struct cli_input {
    cli_list labels; /* none, or one for each DATA */
    const char *target, *ignore, *delimiter;
    int32_t task, format, header;
    int32_t part;       /* of a folder: 0 training, 1 test */
    int32_t activation; /* of a model file that names none */
    const cli_stream *stream; /* what was chosen, or NULL: in memory */
} cli_input;

enum { CLI_INPUT_OPTIONS = 9 };

/* What a command does with the data: learns from it, measures a model on it, looks at it. */
typedef enum cli_purpose { CLI_TO_TRAIN, CLI_TO_USE, CLI_TO_SHOW } cli_purpose;

cli_input cli_input_default(void);

/* Fills rows with the options of reading; returns how many. The part of a folder is one of them but
 * for training. */
size_t cli_input_options(cli_input *input, cli_option rows[CLI_INPUT_OPTIONS], cli_purpose purpose);

/* The name of an activation that hidden layers can have: "" for softmax, NULL past the last. */
const char *cli_hidden_activation_name(int32_t code);

/* The --activation and --device options, which several commands have. */
cli_option cli_activation_option(int32_t *activation);
cli_option cli_device_option(const char **device);
/* --precision, BP_PRECISION_*; for cli_take_precision. */
cli_option cli_precision_option(int32_t *precision);

/* Files that are one data set. */
typedef struct cli_files {
    const char *const *paths;
    const char *const *labels; /* [count]; or NULL */
    size_t count;
} cli_files;

/* The words from `first` on, with their labels. */
cli_files cli_data_files(const cli_command *command, const cli_input *input, size_t first);

/* Checks what the table cannot. Returns an exit code or -1. */
int cli_input_check(const cli_command *command, const cli_input *input, const cli_files *data);

/* Whether path is one of the files, or is read with one of them. */
bool cli_reads(const cli_files *files, const char *path);

/* 1 where the files are a single one that holds a training and a test part. */
int32_t cli_has_test_part(const cli_files *files);

/* All but the labels. */
bp_load_options cli_input_load_options(const cli_input *input);

/* Reports that data could not be loaded, with a remedy where one suits; an exit code. */
int cli_fail_load(bp_status status, const bp_load_options *options);

/* Loads the files and shows what that warns of unless -q. Reports; returns an exit code or -1. */
int cli_load(bp_data **raw, const cli_command *command, const cli_files *files,
             const bp_load_options *options);

/* Loads the files and encodes them for model: through its schema, or as the numbers stand where it
 * has none. need_target: 1 without a target is an error. Reports; returns an exit code or -1. */
int cli_load_for_model(bp_data **out, const cli_command *command, const cli_files *files,
                       const cli_input *input, const bp_model *model, int32_t need_target);

/* Encodes raw with schema, shows what that warns of unless -q, and frees raw. Returns as above. */
int cli_encode(bp_data **out, const cli_command *command, const bp_schema *schema, bp_data *raw);

/* Opens the model and the device that the arguments name. Returns as above. */
int cli_open(bp_model **model, bp_device **device, const char *path, const cli_input *input,
             const char *spec);

#endif
