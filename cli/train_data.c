/* train_data.c - the data sets of `backprop train`. Everything that is learned from data (scales,
 * categories, class names) is learned from the training part, never from what measures it. */
#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numbers.h"
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
                      const bp_schema *schema, const char *path, const char *labels, bool test_part)
{
    bp_load_options options = cli_input_load_options(&s->input);
    options.weights = s->weight_column;
    const cli_files files = {&path, labels ? &labels : NULL, 1};
    options.test_part = test_part && cli_has_test_part(&files);
    cli_stream_set(&s->stream, &options);
    options.schema = schema;
    options.need_target = 1;
    bp_data *raw;
    int code = cli_load(&raw, command, &files, &options);
    if (code >= 0) return code;
    cli_origin_files(s->origin, raw);
    return cli_encode(out, command, schema, raw);
}

/* Which columns hold texts: a mistyped number makes one of a column that was meant to be none. */
static void note_text_columns(const bp_schema *schema)
{
    enum { MOST = 5 };
    char *text = NULL, list[512] = "";
    if (bp_schema_to_json(&text, schema) != BP_OK) return;
    json_t *json = json_loads(text, 0, NULL);
    const json_t *columns = json_object_get(json, "columns");
    size_t count = 0, used = 0;
    for (size_t k = 0; k < json_array_size(columns); ++k) {
        const json_t *column = json_array_get(columns, k);
        const char *name = json_string_value(json_object_get(column, "name"));
        if (!name || !json_is_array(json_object_get(column, "categories"))) continue;
        if (count++ >= MOST || used >= sizeof list) continue;
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%.60s", used ? ", " : "", name);
    }
    if (count > 0)
        cli_note("%zu column%s read as text, a feature for each word: %s%s", count, cli_s(count),
                 list, count > MOST ? ", …" : "");
    json_decref(json);
    free(text);
}

void cli_train_tell(const bp_schema *schema, size_t rows)
{
    enum { MANY = 100 };
    if (!schema) return;
    const bp_schema_info info = bp_schema_get_info(schema);
    note_text_columns(schema);
    if (info.task != BP_TASK_CLASSIFY || info.outputs <= MANY || info.outputs <= rows / 2) return;
    char text[160];
    snprintf(text, sizeof text,
             "%zu classes in %zu rows: if the target is a measurement, --task regress is meant",
             info.outputs, rows);
    cli_warn(text);
}

/* A word for --class-weight that is neither `balanced` nor numbers, nor the name of a file. Returns
 * an exit code or -1. */
static int refuse_word(const cli_command *command, const char *text)
{
    static const char *const words[] = {"balanced"};
    if (!isalpha((unsigned char)*text) || strchr(text, ',') || access(text, F_OK) == 0) return -1;
    const char *near = bp_nearest(text, words, 1);
    return cli_usage(command,
                     "--class-weight: '%s' is neither balanced nor numbers joined by commas nor a "
                     "file of them%s%s%s",
                     text, near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* --class-weight. Returns an exit code or -1. */
static int weigh_classes(bp_data *train, const bp_schema *schema, const cli_command *command,
                         const train_settings *s)
{
    const bp_schema_info info = bp_schema_get_info(schema);
    float *weights = NULL;
    if (info.task != BP_TASK_CLASSIFY)
        return cli_usage(command, "--class-weight is for classes, and the target is a number");
    if (strcmp(s->class_weights, "balanced") != 0) {
        double *list;
        int code = refuse_word(command, s->class_weights);
        if (code >= 0) return code;
        code = cli_read_numbers(&list, command, "class-weight", s->class_weights, info.outputs,
                                "weights of the classes, in their order; or balanced");
        if (code >= 0) return code;
        weights = malloc(info.outputs * sizeof *weights);
        for (size_t k = 0; weights && k < info.outputs; ++k) weights[k] = (float)list[k];
        free(list);
        if (!weights) return cli_error(CLI_FAILURE, "out of memory");
    }
    const bp_status status = bp_data_weigh_classes(train, weights);
    free(weights);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

/* Learns from the training part, then encodes it and the part that was split off (or NULL). */
static int learn_and_encode(train_sets *sets, bp_schema **schema, const cli_command *command,
                            const train_settings *s, bp_data *part, bp_data *rest)
{
    bp_status status = bp_schema_learn(schema, part);
    if (status == BP_OK) status = bp_schema_set_scaling(*schema, part, s->scaling);
    /* Numbers that are to stand as they are are no matter of the output activation. */
    int32_t output = s->model.output_activation;
    if (output == BP_ACTIVATION_AUTO) output = bp_loss_output_activation(s->model.loss);
    if (status == BP_OK && s->scaling != BP_SCALING_NONE)
        status = bp_schema_scale_targets(*schema, part, output);
    if (status != BP_OK) {
        bp_data_free(part);
        bp_data_free(rest);
        return cli_fail_input(status);
    }
    if (!command->quiet) cli_warn(bp_schema_warnings(*schema));
    int code = cli_encode(&sets->train, command, *schema, part);
    if (code < 0 && s->class_weights) code = weigh_classes(sets->train, *schema, command, s);
    if (code >= 0 || !rest) {
        bp_data_free(rest);
        return code;
    }
    return cli_encode(&sets->validation, command, *schema, rest);
}

/* Splits *raw, which becomes the training part. Returns an exit code or -1. */
static int split(bp_data **raw, bp_data **rest, const cli_command *command, const train_settings *s)
{
    bp_data *all = *raw;
    const size_t rows = bp_data_get_info(all).rows;
    const double wanted = round(s->split * (double)rows);
    bp_status status = bp_data_split(raw, rest, all, s->split, s->seed);
    bp_data_free(all);
    if (status == BP_OK) return -1;
    if (status != BP_ERROR_ARGUMENT) return cli_fail_input(status);
    if (wanted < 1)
        return cli_usage(command,
                         "--validation-split: %g of %zu row%s leaves none to measure on; give a "
                         "larger share, or a file with --validation",
                         s->split, rows, cli_s(rows));
    if (wanted >= (double)rows)
        return cli_usage(command,
                         "--validation-split: %g of %zu row%s leaves none to train on; give a "
                         "smaller share, or a file with --validation",
                         s->split, rows, cli_s(rows));
    return cli_usage(command,
                     "--validation-split: every class has a single row, which is needed to train "
                     "on; give a file with --validation, or another --target");
}

/* By all files that will be read. */
int cli_train_choose_stream(const cli_command *command, train_settings *s)
{
    enum { OTHERS = 2 };
    const char **paths = malloc((s->data.count + OTHERS) * sizeof *paths);
    if (!paths) return cli_error(CLI_FAILURE, "out of memory");
    for (size_t i = 0; i < s->data.count; ++i) paths[i] = s->data.paths[i];
    paths[s->data.count] = s->validation;
    paths[s->data.count + 1] = s->test;
    const bool automatic = s->how.shuffle == BP_SHUFFLE_AUTO;
    if (automatic) s->how.shuffle = cli_checkpoint_shuffle(s->checkpoint);
    /* Where shuffling asks for all rows, they must be in memory. */
    if (s->stream.mode == BP_STREAM_AUTO && s->how.shuffle == BP_SHUFFLE_ALL)
        s->stream.mode = BP_STREAM_NO;
    const int code = cli_stream_choose(&s->stream, command, paths, s->data.count + OTHERS);
    s->how.stream = s->stream.mode;
    const cli_effect window = {"window",
                               s->stream.chosen || s->how.shuffle == BP_SHUFFLE_BLOCKS ||
                                   s->how.stream == BP_STREAM_YES,
                               "--shuffle blocks or --stream yes"};
    if (code < 0 && !command->quiet) cli_warn_without_effect(command, &window, 1);
    /* What the memory of the moment has decided, now or when it began, is part of the command. */
    const bool blocks = s->stream.chosen || s->how.shuffle == BP_SHUFFLE_BLOCKS;
    if (automatic && blocks && s->stream.mode != BP_STREAM_YES)
        cli_origin_option(s->origin, "--shuffle blocks");
    free(paths);
    return code;
}

int cli_train_load_raw(bp_data **raw, const cli_command *command, const train_settings *s)
{
    bp_load_options options = cli_input_load_options(&s->input);
    options.weights = s->weight_column;
    cli_stream_set(&s->stream, &options);
    int code = cli_load(raw, command, &s->data, &options);
    if (code >= 0) return code;
    cli_origin_files(s->origin, *raw);
    if (bp_data_get_info(*raw).task != BP_TASK_AUTO) return -1;
    bp_data_free(*raw);
    *raw = NULL;
    return cli_error(CLI_INPUT,
                     "%s: has no target to learn from (the labels of an IDX or NPY file are "
                     "given with --labels)",
                     s->data.paths[0]);
}

int cli_train_encode(train_sets *sets, bp_schema **schema, const cli_command *command,
                     const train_settings *s, bp_data *raw)
{
    bp_data *rest = NULL;
    *sets = (train_sets){NULL, NULL, NULL};
    *schema = NULL;
    const int code = s->split > 0 ? split(&raw, &rest, command, s) : -1;
    return code >= 0 ? code : learn_and_encode(sets, schema, command, s, raw, rest);
}

int cli_train_load(train_sets *sets, const cli_command *command, const train_settings *s)
{
    bp_data *raw;
    bp_schema *schema = NULL;
    *sets = (train_sets){NULL, NULL, NULL};
    int code = cli_train_load_raw(&raw, command, s);
    if (code < 0) code = cli_train_encode(sets, &schema, command, s, raw);
    if (code < 0 && s->validation)
        code = load_other(&sets->validation, command, s, schema, s->validation,
                          s->validation_labels, false);
    if (code < 0 && s->test)
        code = load_other(&sets->test, command, s, schema, s->test, s->test_labels, true);
    else if (code < 0 && cli_has_test_part(&s->data))
        code = load_other(&sets->test, command, s, schema, s->data.paths[0], NULL, true);
    bp_schema_free(schema);
    if (code < 0 && !command->quiet) cli_stream_tell(sets->train);
    if (code >= 0) cli_train_free(sets);
    return code;
}
