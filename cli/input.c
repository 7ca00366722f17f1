/* input.c - from the words of the command line to encoded data, an open model and a device. */
#include "input.h"

#include <stdio.h>
#include <string.h>

#include "device.h"
#include "files.h"
#include "output.h"

static const char *task_name(int32_t code)
{
    static const char *const names[] = {"auto", "classify", "regress"};
    return code >= 0 && code <= BP_TASK_REGRESS ? names[code] : NULL;
}

static const char *part_name(int32_t code)
{
    static const char *const names[] = {"train", "test"};
    return code >= 0 && code <= 1 ? names[code] : NULL;
}

const char *cli_hidden_activation_name(int32_t code)
{
    return code == BP_ACTIVATION_SOFTMAX ? "" : bp_activation_name(code);
}

cli_input cli_input_default(void)
{
    const bp_load_options defaults = bp_load_options_default();
    return (cli_input){.task = BP_TASK_AUTO,
                       .format = defaults.format,
                       .header = defaults.header,
                       .part = 1,
                       .activation = BP_ACTIVATION_AUTO};
}

size_t cli_input_options(cli_input *input, cli_option rows[CLI_INPUT_OPTIONS], cli_purpose purpose)
{
    const cli_option table[CLI_INPUT_OPTIONS] = {
        {.name = "labels",
         .kind = CLI_LIST,
         .to.list = &input->labels,
         .value = "FILE",
         .help = "IDX or NPY file of labels that belongs to DATA; for several DATA once for each"},
        {.name = "target",
         .kind = CLI_TEXT,
         .to.text = &input->target,
         .value = "COL",
         .help = "column of a table to be predicted, by name or number (-1: the last); several "
                 "joined by commas for regression",
         .fallback = purpose == CLI_TO_USE ? "as in training" : "the last"},
        {.name = "ignore",
         .kind = CLI_TEXT,
         .to.text = &input->ignore,
         .value = "COLS",
         .help = "columns of a table that are left out, by name or number, joined by commas",
         .fallback = purpose == CLI_TO_USE ? "as in training" : "none"},
        {.name = "task",
         .kind = CLI_CHOICE,
         .to.code = &input->task,
         .value = "NAME",
         .choice = task_name,
         .help = purpose == CLI_TO_USE
                     ? "for a model file that does not say what it was trained for"
                     : "what the target is; auto: text or few-valued integers are classes"},
        {.name = "format",
         .kind = CLI_CHOICE,
         .to.code = &input->format,
         .value = "NAME",
         .choice = bp_format_name,
         .help = "of DATA; auto: told by its content; npy: NPZ archives, too"},
        {.name = "header",
         .kind = CLI_FLAG,
         .to.code = &input->header,
         .set = 1,
         .help = "the first line of a CSV file names the columns"},
        {.name = "no-header",
         .kind = CLI_FLAG,
         .to.code = &input->header,
         .set = 0,
         .help = "the first line is data (default: found out)"},
        {.name = "delimiter",
         .kind = CLI_TEXT,
         .to.text = &input->delimiter,
         .value = "CHAR",
         .help = "between CSV cells: \",\", \";\" or tab",
         .fallback = "found out"},
        {.name = "part",
         .kind = CLI_CHOICE,
         .to.code = &input->part,
         .value = "NAME",
         .choice = part_name,
         .help = "of a folder with the four MNIST-style files, or an NPZ archive with x_test"},
    };
    memcpy(rows, table, sizeof table);
    return purpose == CLI_TO_TRAIN ? CLI_INPUT_OPTIONS - 1 : CLI_INPUT_OPTIONS;
}

cli_option cli_activation_option(int32_t *activation)
{
    return (cli_option){.name = "activation",
                        .kind = CLI_CHOICE,
                        .to.code = activation,
                        .value = "NAME",
                        .choice = cli_hidden_activation_name,
                        .first = BP_ACTIVATION_AUTO,
                        .help = "of hidden layers, where the model file names none (PyTorch's)"};
}

cli_option cli_precision_option(int32_t *precision)
{
    return (cli_option){.name = "precision",
                        .kind = CLI_CHOICE,
                        .to.code = precision,
                        .value = "NAME",
                        .choice = bp_precision_name,
                        .help = "of matrix products: fp32, or by matrix units tf32 or bf16; all else "
                                "is float32"};
}

cli_option cli_device_option(const char **device)
{
    return (cli_option){.name = "device",
                        .kind = CLI_TEXT,
                        .to.text = device,
                        .value = "SPEC",
                        .help = "auto, gpu, cpu, accelerator, reference, P:D or part of a name; "
                                "see backprop devices",
                        .fallback = "$BACKPROP_DEVICE, else auto"};
}

static char delimiter_of(const char *text)
{
    static const struct {
        const char *text;
        char delimiter;
    } table[] = {{",", ','},    {";", ';'},     {"\t", '\t'},      {"\\t", '\t'},
                 {"tab", '\t'}, {"comma", ','}, {"semicolon", ';'}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        if (strcmp(text, table[i].text) == 0) return table[i].delimiter;
    return '\0';
}

cli_files cli_data_files(const cli_command *command, const cli_input *input, size_t first)
{
    if (first > command->word_count) first = command->word_count;
    return (cli_files){.paths = command->words + first,
                       .labels = input->labels.count ? input->labels.items : NULL,
                       .count = command->word_count - first};
}

bool cli_reads(const cli_files *files, const char *path)
{
    bool reads = false;
    for (size_t i = 0; i < files->count; ++i)
        reads = reads || cli_is_read_by(path, files->paths[i]) ||
                (files->labels && cli_is_read_by(path, files->labels[i]));
    return reads;
}

int32_t cli_has_test_part(const cli_files *files)
{
    return files->count == 1 && bp_data_has_test_part(files->paths[0]);
}

int cli_input_check(const cli_command *command, const cli_input *input, const cli_files *data)
{
    size_t streams = 0;
    for (size_t i = 0; i < data->count; ++i) streams += strcmp(data->paths[i], "-") == 0;
    if (streams > 1) return cli_usage(command, "standard input can be read once only");
    if (data->labels && input->labels.count != data->count)
        return cli_usage(command,
                         "--labels is given %zu time%s for %zu file%s: once for each, in the same "
                         "order",
                         input->labels.count, cli_s(input->labels.count), data->count,
                         cli_s(data->count));
    if (input->delimiter && !delimiter_of(input->delimiter))
        return cli_usage(command, "--delimiter: unknown value '%s': it must be \",\", \";\" or tab",
                         input->delimiter);
    if (cli_given(command, "header") && cli_given(command, "no-header"))
        return cli_usage(command, "--header and --no-header exclude each other");
    return -1;
}

bp_load_options cli_input_load_options(const cli_input *input)
{
    bp_load_options options = bp_load_options_default();
    options.target = input->target;
    options.ignore = input->ignore;
    options.task = input->task;
    options.format = input->format;
    options.header = input->header;
    options.delimiter = input->delimiter ? delimiter_of(input->delimiter) : '\0';
    return options;
}

int cli_fail_load(bp_status status, const bp_load_options *options)
{
    /* Names where there should be numbers. */
    const char *text = bp_last_error();
    if (status == BP_ERROR_DATA && options->header == 0 &&
        (strstr(text, ", line 1,") || strstr(text, "holds texts"))) {
        cli_fail(status, "if the first line is a header, drop --no-header");
        return CLI_INPUT;
    }
    return cli_fail_input(status);
}

int cli_load(bp_data **raw, const cli_command *command, const cli_files *files,
             const bp_load_options *options)
{
    bp_status status = bp_data_load_files(raw, files->paths, files->labels, files->count, options);
    if (status != BP_OK) return cli_fail_load(status, options);
    if (!command->quiet) cli_warn(bp_data_warnings(*raw));
    return -1;
}

int cli_encode(bp_data **out, const cli_command *command, const bp_schema *schema, bp_data *raw)
{
    bp_status status = bp_schema_apply(out, schema, raw);
    if (status == BP_OK && !command->quiet) cli_warn(bp_data_warnings(*out));
    bp_data_free(raw);
    return status == BP_OK ? -1 : cli_fail_input(status);
}

int cli_load_for_model(bp_data **out, const cli_command *command, const cli_files *files,
                       const cli_input *input, const bp_model *model, int32_t need_target)
{
    *out = NULL;
    bp_load_options options = cli_input_load_options(input);
    options.test_part = cli_has_test_part(files) ? input->part : 0;
    options.schema = bp_model_get_schema(model);
    options.need_target = need_target;
    if (input->stream) cli_stream_set(input->stream, &options);
    bp_data *raw;
    int code = cli_load(&raw, command, files, &options);
    if (code >= 0) return code;
    if (options.schema) return cli_encode(out, command, options.schema, raw);

    const bp_model_info info = bp_model_get_info(model);
    bp_status status = bp_data_encode_plain(out, raw, info.inputs, info.outputs, input->task);
    bp_data_free(raw);
    if (status != BP_OK) return cli_fail_input(status);
    if (need_target && bp_data_get_info(*out).task == BP_TASK_AUTO) {
        bp_data_free(*out);
        *out = NULL;
        return cli_error(CLI_INPUT, "%s: has no target to compare with (give --labels or --target)",
                         files->paths[0]);
    }
    return -1;
}

int cli_open(bp_model **model, bp_device **device, const char *path, const cli_input *input,
             const char *spec)
{
    bp_status status = bp_model_load(model, path, input->activation);
    if (status != BP_OK) return cli_fail_input(status);
    return cli_open_device(device, spec);
}
