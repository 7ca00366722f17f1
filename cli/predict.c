/* predict.c - `backprop predict`: the model's answer for every row, as the rows come. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "answers.h"
#include "commands.h"
#include "device.h"
#include "files.h"
#include "input.h"
#include "output.h"

/* What becomes of a row that cannot be read. */
typedef enum on_error { ON_ERROR_STOP, ON_ERROR_SKIP, ON_ERROR_BLANK } on_error;

typedef struct settings {
    cli_input input;
    const char *device, *output, *names, *keep;
    int32_t precision;
    int32_t proba, form, on_error;
    int64_t top, show;
    double threshold;
} settings;

typedef struct job {
    const cli_command *command;
    const settings *s;
    bp_model *model;
    bp_device *device;
    bp_rows *rows;
    bp_predictor *predictor;
    cli_answers answers;
    cli_output out;
    float *y;
    size_t most; /* rows of a block */
    size_t done, bad, right;
    bool started, judged; /* judged: the truth is known of all rows so far */
    char *names_text;     /* --names, cut; what names points into */
    const char **names;
    cli_told told;                             /* warnings of earlier blocks */
    json_t *predictions, *probabilities, *top; /* of --json without a file */
} job;

/* ---- before the first row ---------------------------------------------------------------------
 */

static const char *on_error_name(int32_t code)
{
    static const char *const names[] = {"stop", "skip", "blank"};
    return code >= 0 && code <= ON_ERROR_BLANK ? names[code] : NULL;
}

/* What --to leaves open is decided by the file's name, then by what there is to be written. */
static int32_t form_of(const settings *s)
{
    static const struct {
        const char *ending;
        int32_t form;
    } endings[] = {{".csv", CLI_ANSWERS_CSV},
                   {".jsonl", CLI_ANSWERS_JSONL},
                   {".ndjson", CLI_ANSWERS_JSONL},
                   {".npy", CLI_ANSWERS_NPY}};
    if (s->form != CLI_ANSWERS_AUTO) return s->form;
    const char *dot = s->output ? strrchr(s->output, '.') : NULL;
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; ++i)
        if (strcasecmp(dot, endings[i].ending) == 0) return endings[i].form;
    return s->proba || s->keep || s->top ? CLI_ANSWERS_CSV : CLI_ANSWERS_LINES;
}

static int check_form(const cli_command *command, const settings *s)
{
    const int32_t form = form_of(s);
    const bool to_file = s->output && strcmp(s->output, "-") != 0;
    if (form == CLI_ANSWERS_NPY && !to_file)
        return cli_usage(command, "--to npy needs -o FILE: an array's size stands at its start");
    if (form == CLI_ANSWERS_NPY && (s->keep || s->top))
        return cli_usage(command, "NPY holds numbers of one kind, not --%s",
                         s->keep ? "keep" : "top-k");
    if (form == CLI_ANSWERS_LINES && (s->keep || s->top || s->proba))
        return cli_usage(command, "--to lines holds the answers alone; --to csv has space for --%s",
                         s->keep  ? "keep"
                         : s->top ? "top-k"
                                  : "proba");
    if (form == CLI_ANSWERS_CSV && s->proba && s->top)
        return cli_usage(command, "--proba and --top-k exclude each other but for --to jsonl");
    if (form != CLI_ANSWERS_JSONL && !command->json && (s->proba || s->top) && !isnan(s->threshold))
        return cli_usage(command, "--threshold and --%s exclude each other but for --to jsonl",
                         s->top ? "top-k" : "proba");
    if (command->json && s->form != CLI_ANSWERS_AUTO && !s->output)
        return cli_usage(command, "--json and --to exclude each other without -o FILE");
    if (command->json && s->keep && !s->output)
        return cli_usage(command, "--json and --keep exclude each other without -o FILE");
    return -1;
}

static int check(const cli_command *command, const settings *s, const char *model,
                 const cli_files *data)
{
    int code = cli_input_check(command, &s->input, data);
    if (code < 0) code = check_form(command, s);
    if (code >= 0) return code;
    if (s->show > 0 && command->json)
        return cli_usage(command, "--show and --json exclude each other");
    if (s->show > 0 && form_of(s) != CLI_ANSWERS_LINES && !s->output)
        return cli_usage(command, "--show and --%s exclude each other without -o FILE",
                         s->proba  ? "proba"
                         : s->top  ? "top-k"
                         : s->keep ? "keep"
                                   : "to");
    if (!s->output) return -1;
    const bool to_stdout = strcmp(s->output, "-") == 0;
    if (to_stdout && (command->json || s->show > 0))
        return cli_usage(command, "-o - would mix two results on standard output");
    if (cli_is_read_by(s->output, model) || cli_reads(data, s->output))
        return cli_usage(command, "-o %s would overwrite what is read", s->output);
    return to_stdout ? -1 : cli_check_output(s->output);
}

static int split_names(job *j, const char *text)
{
    if (!text) return -1;
    if (!j->answers.classes)
        return cli_usage(j->command, "--names is for classes, this model has none");
    size_t length = strlen(text), count = 1;
    for (size_t i = 0; i < length; ++i) count += text[i] == ',';
    if (count != j->answers.outputs)
        return cli_usage(j->command, "--names: %zu name%s, but the model has %zu class%s", count,
                         cli_s(count), j->answers.outputs, j->answers.outputs == 1 ? "" : "es");
    j->names_text = malloc(length + 1);
    j->names = malloc(count * sizeof *j->names);
    if (!j->names_text || !j->names) return cli_error(CLI_FAILURE, "out of memory");
    memcpy(j->names_text, text, length + 1);
    char *at = j->names_text;
    for (size_t k = 0; k < count; ++k) {
        j->names[k] = at;
        at += strcspn(at, ",");
        if (*at) *at++ = '\0';
    }
    j->answers.names = j->names;
    return -1;
}

static int32_t output_activation(const bp_model *model)
{
    return bp_model_get_layer(model, bp_model_get_info(model).layers - 1).activation;
}

/* What goes with classes alone, and what the classes must be enough for. A threshold also goes with
 * targets that are yes or no. */
static int check_classes(const job *j)
{
    const settings *s = j->s;
    const bool yes_or_no = output_activation(j->model) == BP_ACTIVATION_SIGMOID;
    const char *option = s->proba                             ? "proba"
                         : s->top                             ? "top-k"
                         : !isnan(s->threshold) && !yes_or_no ? "threshold"
                                                              : NULL;
    if (option && !j->answers.classes)
        return cli_usage(j->command, "--%s is for classes, this model has none", option);
    if ((uint64_t)s->top > j->answers.outputs)
        return cli_usage(j->command, "--top-k %lld: the model has %zu classes", (long long)s->top,
                         j->answers.outputs);
    return -1;
}

/* With the first block, which may know what the model does not: whether there are classes. */
static int begin(job *j, const bp_data *block)
{
    const bp_model_info net = bp_model_get_info(j->model);
    const bp_schema *schema = bp_model_get_schema(j->model);
    const settings *s = j->s;
    const int32_t task = schema ? bp_schema_get_info(schema).task : s->input.task;
    const bp_data_info info = block ? bp_data_get_info(block) : (bp_data_info){.rows = 0};
    cli_answers *a = &j->answers;
    *a = (cli_answers){.model = j->model,
                       .source = j->rows,
                       .form = form_of(s),
                       .probabilities = s->proba != 0,
                       .outputs = net.outputs,
                       .top = (size_t)s->top,
                       .threshold = s->threshold};
    a->classes = task == BP_TASK_CLASSIFY ||
                 (task == BP_TASK_AUTO &&
                  (net.loss == BP_LOSS_CROSS_ENTROPY || info.task == BP_TASK_CLASSIFY || s->names));
    int code = check_classes(j);
    if (code < 0) code = split_names(j, s->names);
    if (code >= 0) return code;
    if (block && info.features != net.inputs)
        return cli_error(CLI_INPUT, "the data has %zu feature%s, the model takes %zu",
                         info.features, cli_s(info.features), net.inputs);
    if (s->show > 0 && !(block && cli_has_pictures(block)))
        return cli_error(CLI_INPUT, "--show: the rows are not pictures (IDX files of images are)");
    a->on_terminal = (!s->output || strcmp(s->output, "-") == 0) && isatty(STDOUT_FILENO);
    if (!cli_answers_prepare(a)) return cli_error(CLI_FAILURE, "out of memory");
    j->started = j->judged = true;
    if (j->command->json && !s->output) {
        j->predictions = json_array();
        if (s->proba) j->probabilities = json_array();
        if (s->top) j->top = json_array();
        return -1;
    }
    if (s->show > 0 && !s->output) return -1;
    code = cli_output_open(&j->out, s->output ? s->output : "-");
    a->to = j->out.to;
    if (code < 0) cli_answers_begin(a);
    return code;
}

/* ---- a block ----------------------------------------------------------------------------------
 */

static void judge(job *j, const bp_data *block, size_t rows)
{
    const int32_t *labels = bp_data_labels(block);
    j->judged = j->judged && j->answers.classes && labels;
    for (size_t i = 0; i < rows && j->judged; ++i)
        j->right += cli_answer(&j->answers, j->y + i * j->answers.outputs) == (size_t)labels[i];
}

static void keep_json(job *j, size_t rows)
{
    const cli_answers *a = &j->answers;
    for (size_t i = 0; i < rows; ++i) {
        const float *y = j->y + i * a->outputs;
        json_array_append_new(j->predictions, cli_answer_json(a, y));
        if (j->probabilities) json_array_append_new(j->probabilities, cli_probabilities_json(a, y));
        if (j->top) json_array_append_new(j->top, cli_top_json(a, y));
    }
}

static int answer(job *j, const bp_data *block)
{
    const size_t rows = bp_data_get_info(block).rows;
    int code = j->started ? -1 : begin(j, block);
    if (code >= 0) return code;
    if (!j->command->quiet) cli_warn_once(&j->told, bp_data_warnings(block));
    bp_status status = bp_predictor_run(j->predictor, bp_data_features(block), rows, j->y);
    if (status != BP_OK) return cli_fail(status, NULL);
    judge(j, block, rows);
    if (j->predictions) keep_json(j, rows);
    if (j->s->show > 0 && j->done < (size_t)j->s->show)
        code = cli_answers_show(&j->answers, block, j->y, (size_t)j->s->show - j->done);
    if (code < 0 && j->out.to) {
        cli_answers_rows(&j->answers, j->y, rows);
        code = cli_output_flush(&j->out);
    }
    j->done += rows;
    return code;
}

/* A row that cannot be read, while others can. */
static int pass_over(job *j)
{
    enum { TOLD = 20 };
    if (!j->command->quiet && j->bad < TOLD) cli_warn(bp_last_error());
    if (!j->command->quiet && j->bad == TOLD) cli_warn("further rows like these are only counted");
    ++j->bad;
    if (j->s->on_error != ON_ERROR_BLANK) return -1;
    const int code = j->started ? -1 : begin(j, NULL);
    if (code >= 0) return code;
    if (j->predictions) json_array_append_new(j->predictions, json_null());
    if (j->probabilities) json_array_append_new(j->probabilities, json_null());
    if (j->top) json_array_append_new(j->top, json_null());
    if (!j->out.to) return -1;
    cli_answers_blank(&j->answers, bp_last_error());
    return cli_output_flush(&j->out);
}

static int fail_row(const job *j, bp_status status)
{
    const bp_load_options options = cli_input_load_options(&j->s->input);
    if (options.header == 0 && strstr(bp_last_error(), ", line 1,"))
        return cli_fail_load(status, &options);
    const bool answered = j->out.to && !j->out.name;
    return cli_fail(status, answered ? "the rows before it have their answers; --on-error skip "
                                       "leaves such rows out, blank keeps their places"
                                     : "nothing is written; --on-error skip leaves such rows out, "
                                       "blank keeps their places");
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static int work(job *j)
{
    enum { MOST = 1 << 16, MOST_NUMBERS = 1 << 22 };
    const size_t outputs = bp_model_get_info(j->model).outputs;
    j->most = MOST_NUMBERS / outputs;
    if (j->most > MOST) j->most = MOST;
    if (j->most < (size_t)j->s->show) j->most = (size_t)j->s->show;
    if (j->most == 0) j->most = 1;
    j->y = malloc(j->most * outputs * sizeof *j->y);
    if (!j->y) return cli_error(CLI_FAILURE, "out of memory");
    for (;;) {
        const bp_data *block;
        const bp_status status = bp_rows_next(&block, j->rows, j->most);
        int code = -1;
        if (status == BP_OK && !block) return -1;
        if (status == BP_OK)
            code = answer(j, block);
        else if (status != BP_ERROR_DATA)
            return cli_fail_input(status);
        else if (j->s->on_error == ON_ERROR_STOP)
            return fail_row(j, status);
        else
            code = pass_over(j);
        if (code >= 0) return code;
    }
}

static double accuracy(const job *j)
{
    return j->judged && j->done > 0 ? (double)j->right / (double)j->done : NAN;
}

static int print_json(job *j)
{
    const cli_answers *a = &j->answers;
    json_t *json = json_object(), *classes = a->classes ? json_array() : json_null();
    char number[CLI_NUMBER];
    for (size_t k = 0; a->classes && k < a->outputs; ++k)
        json_array_append_new(classes, cli_json_text(cli_class_name(a, k, number)));
    json_object_set_new(json, "samples", cli_json_count(j->done));
    json_object_set_new(json, "unreadable", cli_json_count(j->bad));
    json_object_set_new(json, "classes", classes);
    json_object_set_new(json, "accuracy", cli_json_number(accuracy(j)));
    json_object_set_new(json, "output", cli_json_text(j->s->output));
    /* What is in the file is not said twice. */
    json_object_set(json, "predictions", j->predictions ? j->predictions : json_null());
    json_object_set(json, "probabilities", j->probabilities ? j->probabilities : json_null());
    json_object_set(json, "top", j->top ? j->top : json_null());
    return cli_print_json(stdout, json);
}

static int finish(job *j)
{
    if (!j->started) return cli_error(CLI_INPUT, "no row could be read");
    if (j->out.to) {
        if (!cli_answers_end(&j->answers))
            return cli_error(CLI_FAILURE, "%s: cannot be written: not a file", j->s->output);
        const int code = cli_output_commit(&j->out);
        if (code != CLI_OK) return code;
    }
    const double right = accuracy(j);
    if (!j->command->quiet && j->bad > 0)
        cli_note("%zu row%s could not be read and %s %s", j->bad, cli_s(j->bad),
                 j->bad == 1 ? "is" : "are",
                 j->s->on_error == ON_ERROR_SKIP ? "left out" : "without an answer");
    if (isfinite(right) && !j->command->quiet && !j->command->json)
        cli_note("right in %.2f %% of %zu row%s", 100 * right, j->done, cli_s(j->done));
    return j->command->json ? print_json(j) : CLI_OK;
}

static int open_rows(job *j, const cli_files *data)
{
    bp_load_options options = cli_input_load_options(&j->s->input);
    const bp_model_info net = bp_model_get_info(j->model);
    options.test_part = cli_has_test_part(data) ? j->s->input.part : 0;
    options.schema = bp_model_get_schema(j->model);
    options.keep = j->s->keep;
    const bp_status status = bp_rows_open(&j->rows, data->paths, data->labels, data->count,
                                          &options, net.inputs, net.outputs);
    return status == BP_OK ? -1 : cli_fail_load(status, &options);
}

static int run(const cli_command *command, const settings *s, const char *path,
               const cli_files *data)
{
    job j = {.command = command, .s = s};
    int code = check(command, s, path, data);
    if (code < 0) code = cli_open(&j.model, &j.device, path, &s->input, s->device);
    if (code < 0) code = cli_take_precision(&j.device, s->device, s->precision);
    if (code < 0) {
        /* Before the rows, for which it may be a long wait: the first answer is not to wait too. */
        const bp_status status = bp_predictor_create(&j.predictor, j.model, j.device);
        if (status != BP_OK) code = cli_fail(status, NULL);
    }
    if (code < 0) code = open_rows(&j, data);
    if (code < 0) code = work(&j);
    if (code < 0) code = finish(&j);
    cli_output_abort(&j.out);
    cli_answers_free(&j.answers);
    cli_told_free(&j.told);
    json_decref(j.predictions);
    json_decref(j.probabilities);
    json_decref(j.top);
    free(j.names);
    free(j.names_text);
    free(j.y);
    bp_rows_free(j.rows);
    bp_predictor_free(j.predictor);
    bp_device_free(j.device);
    bp_model_free(j.model);
    return code;
}

int cli_predict(int argc, char **argv)
{
    settings s = {.input = cli_input_default(), .threshold = NAN};
    cli_option data[CLI_INPUT_OPTIONS];
    cli_option result[] = {
        {.name = "output",
         .letter = 'o',
         .kind = CLI_TEXT,
         .to.text = &s.output,
         .value = "FILE",
         .help = "write there instead of to standard output"},
        {.name = "to",
         .kind = CLI_CHOICE,
         .to.code = &s.form,
         .value = "FORM",
         .choice = cli_answer_form_name,
         .help = "answers alone, CSV with a header, JSON lines, a NumPy array; auto: by the "
                 "file's ending .csv, .jsonl or .npy, else csv where a line has several fields"},
        {.name = "proba",
         .kind = CLI_FLAG,
         .to.code = &s.proba,
         .set = 1,
         .help = "every class's probability"},
        {.name = "top-k",
         .kind = CLI_COUNT,
         .to.count = &s.top,
         .value = "N",
         .min = 1,
         .max = 65536,
         .fallback = "",
         .help = "the N likeliest classes with their probabilities"},
        {.name = "threshold",
         .kind = CLI_DOUBLE,
         .to.wide = &s.threshold,
         .value = "F",
         .min = 0,
         .max = 1,
         .fallback = "the likeliest class, whatever its probability",
         .help = "of two classes say the second where its probability is at least F; of more, none "
                 "where the likeliest's is below F; of targets from a sigmoid, 1 or 0 for each"},
        {.name = "keep",
         .kind = CLI_TEXT,
         .to.text = &s.keep,
         .value = "COLS",
         .help = "columns of CSV that go through to the answers, such as an id"},
        {.name = "on-error",
         .kind = CLI_CHOICE,
         .to.code = &s.on_error,
         .value = "NAME",
         .choice = on_error_name,
         .help = "at a row of CSV that cannot be read: end, leave it out, give it an empty answer"},
        {.name = "names",
         .kind = CLI_TEXT,
         .to.text = &s.names,
         .value = "LIST",
         .help = "what to call the classes: \"shirt,coat,bag\""},
        {.name = "show",
         .kind = CLI_COUNT,
         .to.count = &s.show,
         .value = "N",
         .min = 0,
         .max = 10000,
         .fallback = "",
         .help = "draw the first N pictures in the terminal instead of printing lines"},
    };
    cli_option machine[] = {cli_activation_option(&s.input.activation),
                            cli_device_option(&s.device), cli_precision_option(&s.precision)};
    cli_command command = {
        .name = "predict",
        .usage = "MODEL DATA... [OPTIONS]",
        .summary = "Prints MODEL's answer for every row of DATA, one a line: the class, or the "
                   "values in their own units. DATA is raw, as it was for train, with or without "
                   "the target column; - reads standard input and answers each row of CSV as it "
                   "comes.",
        .examples = "  backprop predict iris.safetensors new.csv\n"
                    "  backprop predict iris.safetensors - --proba < new.csv\n"
                    "  backprop predict iris.safetensors new.csv --keep id -o answers.csv\n"
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
