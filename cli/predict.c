/* predict.c - `backprop predict`: the model's answer for every row, as lines, as CSV of
 * probabilities, as JSON or as pictures. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "files.h"
#include "input.h"
#include "output.h"
#include "picture.h"

typedef struct settings {
    cli_input input;
    const char *device, *output, *names;
    int32_t proba;
    int64_t show;
} settings;

/* What has been computed, and what is needed to print it. */
typedef struct answers {
    const bp_model *model;
    const bp_data *data;
    size_t rows, outputs;
    float *y;            /* [rows][outputs] */
    bool classes;        /* the largest output is the answer, not the outputs' values */
    char **names;        /* [outputs], of --names; or NULL */
    char *names_text;    /* what they point into */
} answers;

/* The name of class k: --names, else the schema's, else its number. */
static const char *class_name(const answers *a, size_t k, char number[CLI_NUMBER])
{
    if (a->names) return a->names[k];
    const bp_schema *schema = bp_model_get_schema(a->model);
    const char *name = schema ? bp_schema_output_name(schema, k) : NULL;
    if (name) return name;
    snprintf(number, CLI_NUMBER, "%zu", k);
    return number;
}

static size_t best_class(const answers *a, size_t row)
{
    const float *y = a->y + row * a->outputs;
    size_t best = 0;
    for (size_t k = 1; k < a->outputs; ++k)
        if (y[k] > y[best]) best = k;
    return best;
}

/* Output k in the target's own units. */
static double own_units(const answers *a, size_t row, size_t k)
{
    double mean = 0, scale = 1;
    const bp_schema *schema = bp_model_get_schema(a->model);
    if (schema) bp_schema_target_scale(schema, k, &mean, &scale);
    return (double)a->y[row * a->outputs + k] * scale + mean;
}

/* The share of rows that are right; NAN where the labels are not known. */
static double accuracy(const answers *a)
{
    const int32_t *labels = bp_data_labels(a->data);
    if (!a->classes || !labels) return NAN;
    size_t right = 0;
    for (size_t row = 0; row < a->rows; ++row) right += best_class(a, row) == (size_t)labels[row];
    return (double)right / (double)a->rows;
}

static void print_lines(FILE *to, const answers *a)
{
    char number[CLI_NUMBER];
    const bool on_terminal = to == stdout && isatty(STDOUT_FILENO);
    for (size_t row = 0; row < a->rows && !ferror(to); ++row) {
        if (a->classes) {
            cli_print_field(to, class_name(a, best_class(a, row), number), on_terminal);
        } else {
            for (size_t k = 0; k < a->outputs; ++k)
                fprintf(to, "%s%.9g", k ? "," : "", own_units(a, row, k));
        }
        fputc('\n', to);
    }
}

static void print_probabilities(FILE *to, const answers *a)
{
    char number[CLI_NUMBER];
    const bool on_terminal = to == stdout && isatty(STDOUT_FILENO);
    for (size_t k = 0; k < a->outputs; ++k) {
        if (k) fputc(',', to);
        cli_print_field(to, class_name(a, k, number), on_terminal);
    }
    fputc('\n', to);
    for (size_t row = 0; row < a->rows && !ferror(to); ++row)
        for (size_t k = 0; k < a->outputs; ++k)
            fprintf(to, "%.9g%c", (double)a->y[row * a->outputs + k],
                    k + 1 < a->outputs ? ',' : '\n');
}

static json_t *row_json(const answers *a, size_t row, bool probabilities)
{
    char number[CLI_NUMBER];
    if (a->classes && !probabilities)
        return cli_json_text(class_name(a, best_class(a, row), number));
    if (!a->classes && a->outputs == 1) return cli_json_number(own_units(a, row, 0));
    json_t *list = json_array();
    for (size_t k = 0; k < a->outputs; ++k)
        json_array_append_new(list, probabilities
                                        ? cli_json_number((double)a->y[row * a->outputs + k])
                                        : cli_json_number(own_units(a, row, k)));
    return list;
}

static json_t *rows_json(const answers *a, bool probabilities)
{
    json_t *list = json_array();
    for (size_t row = 0; row < a->rows; ++row)
        json_array_append_new(list, row_json(a, row, probabilities));
    return list;
}

static int print_json(const answers *a, const settings *s)
{
    json_t *json = json_object(), *classes = a->classes ? json_array() : json_null();
    char number[CLI_NUMBER];
    for (size_t k = 0; a->classes && k < a->outputs; ++k)
        json_array_append_new(classes, cli_json_text(class_name(a, k, number)));
    json_object_set_new(json, "samples", cli_json_count(a->rows));
    json_object_set_new(json, "classes", classes);
    json_object_set_new(json, "accuracy", cli_json_number(accuracy(a)));
    json_object_set_new(json, "output", cli_json_text(s->output));
    /* What is in the file is not said twice. */
    json_object_set_new(json, "predictions", s->output ? json_null() : rows_json(a, false));
    json_object_set_new(json, "probabilities",
                        s->output || !s->proba ? json_null() : rows_json(a, true));
    return cli_print_json(stdout, json);
}

static int write_output(const answers *a, const settings *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) return cli_error(CLI_FAILURE, "out of memory");
    if (s->proba)
        print_probabilities(memory, a);
    else
        print_lines(memory, a);
    bool complete = !ferror(memory);
    complete = fclose(memory) == 0 && complete;
    int code = complete ? cli_write_file(s->output, text, size)
                        : cli_error(CLI_FAILURE, "out of memory");
    free(text);
    return code;
}

static bool has_pictures(const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    return info.image_height > 0 && info.image_width > 0 &&
           info.image_height * info.image_width == info.features;
}

static int show_pictures(const answers *a, const settings *s)
{
    const bp_data_info info = bp_data_get_info(a->data);
    const size_t count = (uint64_t)s->show < a->rows ? (size_t)s->show : a->rows;
    cli_picture *pictures = calloc(count, sizeof *pictures);
    if (!pictures) return cli_error(CLI_FAILURE, "out of memory");
    const int32_t *labels = bp_data_labels(a->data);
    const bool share = bp_model_get_info(a->model).loss == BP_LOSS_CROSS_ENTROPY;
    char number[CLI_NUMBER];
    for (size_t i = 0; i < count; ++i) {
        cli_picture *p = &pictures[i];
        const size_t best = best_class(a, i);
        p->pixels = bp_data_features(a->data) + i * info.features;
        if (!a->classes)
            snprintf(p->said, sizeof p->said, "predicted: %.4g", own_units(a, i, 0));
        else if (share)
            snprintf(p->said, sizeof p->said, "predicted: %.60s (%.0f %%)",
                     class_name(a, best, number), 100 * (double)a->y[i * a->outputs + best]);
        else
            snprintf(p->said, sizeof p->said, "predicted: %.60s", class_name(a, best, number));
        if (!a->classes || !labels) continue;
        const size_t label = (size_t)labels[i];
        snprintf(p->truth, sizeof p->truth, "true: %.60s", class_name(a, label, number));
        p->wrong = label != best;
    }
    const cli_terminal terminal = cli_terminal_of(stdout);
    cli_draw_pictures(stdout, &terminal, pictures, count, info.image_height, info.image_width);
    free(pictures);
    return CLI_OK;
}

static int split_names(answers *a, const cli_command *command, const char *text)
{
    if (!text) return -1;
    if (!a->classes) return cli_usage(command, "--names is for classes, this model has none");
    size_t length = strlen(text), count = 1;
    for (size_t i = 0; i < length; ++i) count += text[i] == ',';
    if (count != a->outputs)
        return cli_usage(command, "--names: %zu name%s, but the model has %zu class%s", count,
                         cli_s(count), a->outputs, a->outputs == 1 ? "" : "es");
    a->names_text = malloc(length + 1);
    a->names = malloc(count * sizeof *a->names);
    if (!a->names_text || !a->names) return cli_error(CLI_FAILURE, "out of memory");
    memcpy(a->names_text, text, length + 1);
    char *at = a->names_text;
    for (size_t k = 0; k < count; ++k) {
        a->names[k] = at;
        at += strcspn(at, ",");
        if (*at) *at++ = '\0';
    }
    return -1;
}

static int compute(answers *a, const cli_command *command, const settings *s, bp_device *device)
{
    const bp_data_info info = bp_data_get_info(a->data);
    const bp_model_info net = bp_model_get_info(a->model);
    const bp_schema *schema = bp_model_get_schema(a->model);
    a->rows = info.rows;
    a->outputs = net.outputs;
    const int32_t task = schema ? bp_schema_get_info(schema).task : s->input.task;
    a->classes = task == BP_TASK_CLASSIFY ||
                 (task == BP_TASK_AUTO && (net.loss == BP_LOSS_CROSS_ENTROPY ||
                                           info.task == BP_TASK_CLASSIFY || s->names));
    if (s->proba && !a->classes)
        return cli_usage(command, "--proba is for classes, this model has none");
    int code = split_names(a, command, s->names);
    if (code >= 0) return code;
    if (info.features != net.inputs)
        return cli_error(CLI_INPUT, "the data has %zu feature%s, the model takes %zu",
                         info.features, cli_s(info.features), net.inputs);
    if (s->show > 0 && !has_pictures(a->data))
        return cli_error(CLI_INPUT, "--show: the rows are not pictures (IDX files of images are)");
    if (a->rows > SIZE_MAX / sizeof *a->y / a->outputs)
        return cli_error(CLI_FAILURE, "out of memory");
    a->y = malloc(a->rows * a->outputs * sizeof *a->y);
    if (!a->y) return cli_error(CLI_FAILURE, "out of memory");
    bp_status status = bp_predict(a->model, device, bp_data_features(a->data), a->rows, a->y);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

static int report(const answers *a, const cli_command *command, const settings *s)
{
    int code = CLI_OK;
    if (s->output) code = write_output(a, s);
    if (code != CLI_OK) return code;
    const double right = accuracy(a);
    if (isfinite(right) && !command->quiet && !command->json)
        cli_note("right in %.2f %% of %zu row%s", 100 * right, a->rows, cli_s(a->rows));
    if (command->json) return print_json(a, s);
    if (s->show > 0) return show_pictures(a, s);
    if (s->output) return CLI_OK;
    if (s->proba)
        print_probabilities(stdout, a);
    else
        print_lines(stdout, a);
    return CLI_OK;
}

static int check(const cli_command *command, const settings *s, const char *model,
                 const cli_files *data)
{
    int code = cli_input_check(command, &s->input, data);
    if (code >= 0) return code;
    if (s->show > 0 && command->json)
        return cli_usage(command, "--show and --json exclude each other");
    if (s->show > 0 && s->proba && !s->output)
        return cli_usage(command, "--show and --proba exclude each other without -o FILE");
    if (!s->output) return -1;
    const bool to_stdout = strcmp(s->output, "-") == 0;
    if (to_stdout && (command->json || s->show > 0))
        return cli_usage(command, "-o - would mix two results on standard output");
    if (cli_is_read_by(s->output, model) || cli_reads(data, s->output))
        return cli_usage(command, "-o %s would overwrite what is read", s->output);
    return to_stdout ? -1 : cli_check_output(s->output);
}

static int run(const cli_command *command, const settings *s, const char *path,
               const cli_files *data)
{
    bp_model *model = NULL;
    bp_device *device = NULL;
    bp_data *set = NULL;
    answers a = {0};
    int code = check(command, s, path, data);
    if (code < 0) code = cli_open(&model, &device, path, &s->input, s->device);
    if (code < 0) code = cli_load_for_model(&set, command, data, &s->input, model, 0);
    a.model = model;
    a.data = set;
    if (code < 0) code = compute(&a, command, s, device);
    if (code < 0) code = report(&a, command, s);
    free(a.names);
    free(a.names_text);
    free(a.y);
    bp_data_free(set);
    bp_device_free(device);
    bp_model_free(model);
    return code;
}

int cli_predict(int argc, char **argv)
{
    settings s = {.input = cli_input_default()};
    cli_option data[CLI_INPUT_OPTIONS];
    cli_option result[] = {
        {.name = "output", .letter = 'o', .kind = CLI_TEXT, .to.text = &s.output, .value = "FILE",
         .help = "write there instead of to standard output"},
        {.name = "proba", .kind = CLI_FLAG, .to.code = &s.proba, .set = 1,
         .help = "every class's probability, as CSV with a header"},
        {.name = "names", .kind = CLI_TEXT, .to.text = &s.names, .value = "LIST",
         .help = "what to call the classes: \"shirt,coat,bag\""},
        {.name = "show", .kind = CLI_COUNT, .to.count = &s.show, .value = "N", .min = 0,
         .max = 10000, .fallback = "",
         .help = "draw the first N pictures in the terminal instead of printing lines"},
    };
    cli_option machine[] = {cli_activation_option(&s.input.activation),
                            cli_device_option(&s.device)};
    cli_command command = {
        .name = "predict",
        .usage = "MODEL DATA... [OPTIONS]",
        .summary = "Prints MODEL's answer for every row of DATA, one a line: the class, or the "
                   "values in their own units. DATA is raw, as it was for train, with or without "
                   "the target column; - reads standard input.",
        .examples = "  backprop predict iris.safetensors new.csv\n"
                    "  backprop predict iris.safetensors - --proba < new.csv\n"
                    "  backprop predict mnist.safetensors mnist/ --show 8\n",
        .arguments = 2,
        .several = true,
        .groups = {{"Result", result, sizeof result / sizeof *result},
                   {"Data", data, cli_input_options(&s.input, data, CLI_TO_USE)},
                   {"Computing", machine, sizeof machine / sizeof *machine}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    const cli_files files = cli_data_files(&command, &s.input, 1);
    return run(&command, &s, arguments[0], &files);
}
