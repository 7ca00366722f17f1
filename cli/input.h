/* input.h - what train, eval and predict share: the options that say how a data file is read, and
 * the way from a file to encoded data. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "backprop.h"
#include "options.h"

typedef struct cli_input {
    const char *labels, *target, *delimiter;
    int32_t task, format, header;
    int32_t part;       /* of a folder: 0 training, 1 test */
    int32_t activation; /* of a model file that names none */
} cli_input;

enum { CLI_INPUT_OPTIONS = 8 };

cli_input cli_input_default(void);

/* Fills rows with the options of reading; returns how many. For a command that uses a finished
 * model rather than train, the folder's part and the missing activations are options too. */
size_t cli_input_options(cli_input *input, cli_option rows[CLI_INPUT_OPTIONS], bool with_model);

/* The name of an activation that hidden layers can have: "" for softmax, NULL past the last. */
const char *cli_hidden_activation_name(int32_t code);

/* The --activation and --device options, which several commands have. */
cli_option cli_activation_option(int32_t *activation);
cli_option cli_device_option(const char **device);

/* Checks what the table cannot. Returns an exit code or -1. */
int cli_input_check(const cli_command *command, const cli_input *input);

bp_load_options cli_input_load_options(const cli_input *input);

/* Loads path and shows what that warns of unless -q. Reports; returns an exit code or -1. */
int cli_load(bp_data **raw, const cli_command *command, const char *path,
             const bp_load_options *options);

/* Loads path and encodes it for model: through its schema, or as the numbers stand where it has
 * none. need_target: 1 without a target is an error. Reports; returns an exit code or -1. */
int cli_load_for_model(bp_data **out, const cli_command *command, const char *path,
                       const cli_input *input, const bp_model *model, int32_t need_target);

/* Encodes raw with schema, shows what that warns of unless -q, and frees raw. Returns as above. */
int cli_encode(bp_data **out, const cli_command *command, const bp_schema *schema, bp_data *raw);

/* Opens the model and the device that the arguments name. Returns as above. */
int cli_open(bp_model **model, bp_device **device, const char *path, const cli_input *input,
             const char *spec);

#endif
