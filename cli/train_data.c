/* train_data.c - the data sets of `backprop train`. Everything that is learned from data (scales,
 * categories, class names) is learned from the training part, never from what measures it. */
#include <stddef.h>

#include "output.h"
#include "train.h"

void cli_train_free(train_sets *sets)
{
    bp_data_free(sets->train);
    bp_data_free(sets->validation);
    bp_data_free(sets->test);
    *sets = (train_sets){NULL, NULL, NULL};
}

/* Another file, read and encoded as the schema knows it. */
static int load_other(bp_data **out, const cli_command *command, const train_settings *s,
                      const bp_schema *schema, const char *path, const char *labels,
                      bool test_part)
{
    bp_load_options options = cli_input_load_options(&s->input);
    options.labels = labels;
    options.test_part = test_part && bp_data_is_folder(path);
    options.schema = schema;
    options.need_target = 1;
    bp_data *raw;
    bp_status status = bp_data_load(&raw, path, &options);
    if (status != BP_OK) return cli_fail_input(status);
    if (!command->quiet) cli_warn(bp_data_warnings(raw));
    return cli_encode(out, command, schema, raw);
}

/* Learns from the training part, then encodes it and the part that was split off (or NULL). */
static int learn_and_encode(train_sets *sets, bp_schema **schema, const cli_command *command,
                            const train_settings *s, bp_data *part, bp_data *rest)
{
    bp_status status = bp_schema_learn(schema, part);
    if (status == BP_OK)
        status = bp_schema_scale_targets(*schema, part, s->model.output_activation);
    if (status != BP_OK) {
        bp_data_free(part);
        bp_data_free(rest);
        return cli_fail_input(status);
    }
    if (!command->quiet) cli_warn(bp_schema_warnings(*schema));
    int code = cli_encode(&sets->train, command, *schema, part);
    if (code >= 0 || !rest) {
        bp_data_free(rest);
        return code;
    }
    return cli_encode(&sets->validation, command, *schema, rest);
}

int cli_train_load(train_sets *sets, const cli_command *command, const train_settings *s)
{
    *sets = (train_sets){NULL, NULL, NULL};
    bp_load_options options = cli_input_load_options(&s->input);
    bp_data *raw, *rest = NULL;
    bp_status status = bp_data_load(&raw, s->data, &options);
    if (status != BP_OK) return cli_fail_input(status);
    if (!command->quiet) cli_warn(bp_data_warnings(raw));
    if (bp_data_get_info(raw).task == BP_TASK_AUTO) {
        bp_data_free(raw);
        return cli_error(CLI_INPUT, "%s: has no target to learn from (the labels of an IDX file are "
                         "given with --labels)", s->data);
    }
    if (s->split > 0) {
        bp_data *all = raw;
        status = bp_data_split(&raw, &rest, all, s->split, s->seed);
        bp_data_free(all);
        if (status != BP_OK) return cli_fail_input(status);
    }

    bp_schema *schema = NULL;
    int code = learn_and_encode(sets, &schema, command, s, raw, rest);
    if (code < 0 && s->validation)
        code = load_other(&sets->validation, command, s, schema, s->validation,
                          s->validation_labels, false);
    if (code < 0 && s->test)
        code = load_other(&sets->test, command, s, schema, s->test, s->test_labels, true);
    else if (code < 0 && bp_data_is_folder(s->data))
        code = load_other(&sets->test, command, s, schema, s->data, NULL, true);
    bp_schema_free(schema);
    if (code >= 0) cli_train_free(sets);
    return code;
}
