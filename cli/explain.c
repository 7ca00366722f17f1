/* explain.c - `backprop explain`: a training step under glass. Its options, and the way from a
 * model or from bare numbers to an explanation. */
#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "files.h"
#include "input.h"
#include "network.h"
#include "numbers.h"
#include "output.h"

enum { LARGE_PARAMETERS = 300, LARGE_WIDTH = 40 };

typedef struct explain_settings {
    cli_input reading;
    const char *model, *data; /* may be NULL */
    cli_files files;          /* the data */
    const char *weights, *biases, *input, *target, *html;
    cli_network network;
    int32_t no_bias, freeze_bias;
    double learning_rate;
    int64_t steps, row;
} explain_settings;

/* ---- what is shown -----------------------------------------------------------------------------
 */

size_t explain_units(const explain_view *view, size_t place)
{
    return place == 0 ? bp_model_get_layer(view->model, 0).inputs
                      : bp_model_get_layer(view->model, place - 1).outputs;
}

bool explain_is_large(const explain_view *view)
{
    for (size_t place = 0; place <= view->layers; ++place)
        if (explain_units(view, place) > LARGE_WIDTH) return true;
    return bp_model_get_info(view->model).parameters > LARGE_PARAMETERS;
}

const char *explain_unit(char name[EXPLAIN_NAME], const explain_view *view, size_t place,
                         size_t unit)
{
    if (place > 0 && place < view->layers && view->layers > 2)
        snprintf(name, EXPLAIN_NAME, "h%zu.%zu", place, unit + 1);
    else
        snprintf(name, EXPLAIN_NAME, "%c%zu",
                 place == 0             ? 'x'
                 : place < view->layers ? 'h'
                                        : 'o',
                 unit + 1);
    return name;
}

const char *explain_given_name(const explain_view *view, size_t place, size_t unit)
{
    const bp_schema *schema = bp_model_get_schema(view->model);
    if (!schema) return NULL;
    if (place == view->layers) return bp_schema_output_name(schema, unit);
    /* Columns are inputs where none of them becomes several features. */
    const bp_schema_info info = bp_schema_get_info(schema);
    return place == 0 && info.columns == info.features ? bp_schema_column_name(schema, unit) : NULL;
}

bool explain_is_kept(size_t s, size_t steps)
{
    size_t first = s + 1;
    if (first == steps) return true;
    while (first >= 10 && first % 10 == 0) first /= 10;
    return first == 1 || first == 2 || first == 5;
}

/* ---- the network -------------------------------------------------------------------------------
 */

/* --weights and --biases, if they are given: into the glass in full precision, and into the model.
 */
static int set_parameters(const explain_view *view, bp_model *model, const cli_command *command,
                          const explain_settings *s)
{
    const struct {
        const char *option, *text;
        double *(*parameters)(bp_explain *, size_t);
    } table[] = {{"weights", s->weights, bp_explain_weights},
                 {"biases", s->biases, bp_explain_biases}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        if (!table[i].text) continue;
        const bool weights = i == 0;
        size_t wanted = 0;
        char what[CLI_WIDTHS_TEXT + 64];
        for (size_t l = 0; l < view->layers; ++l) {
            const bp_layer layer = bp_model_get_layer(view->model, l);
            wanted += weights ? layer.inputs * layer.outputs : layer.outputs;
        }
        snprintf(what, sizeof what,
                 weights ? "weights of the layers %s, a row for each unit of a layer"
                         : "units of the layers %s",
                 s->network.layers);
        double *values, *next;
        int code = cli_read_numbers(&values, command, table[i].option, table[i].text, wanted, what);
        if (code >= 0) return code;
        next = values;
        for (size_t l = 0; l < view->layers; ++l) {
            const bp_layer layer = bp_model_get_layer(view->model, l);
            const size_t count = weights ? layer.inputs * layer.outputs : layer.outputs;
            float *rounded = weights ? bp_model_weights(model, l) : bp_model_biases(model, l);
            memcpy(table[i].parameters(view->glass, l), next, count * sizeof *next);
            for (size_t k = 0; k < count; ++k) rounded[k] = (float)next[k];
            next += count;
        }
        free(values);
    }
    return -1;
}

/* ---- the sample --------------------------------------------------------------------------------
 */

static int sample_from_lists(const explain_view *view, const cli_command *command,
                             const explain_settings *s)
{
    double *x = NULL, *target = NULL;
    int code = cli_read_numbers(&x, command, "input", s->input, explain_units(view, 0), "inputs");
    if (code < 0)
        code = cli_read_numbers(&target, command, "target", s->target,
                                explain_units(view, view->layers), "outputs");
    if (code < 0) {
        bp_status status = bp_explain_sample(view->glass, x, target);
        if (status != BP_OK) code = cli_fail(status, NULL);
    }
    free(x);
    free(target);
    return code;
}

static int sample_from_data(const explain_view *view, const cli_command *command)
{
    const bp_data_info info = bp_data_get_info(view->data);
    const size_t inputs = explain_units(view, 0), outputs = explain_units(view, view->layers);
    if (view->row >= info.rows)
        return cli_usage(command, "--row %zu: %s has %zu row%s", view->row + 1, view->source,
                         info.rows, cli_s(info.rows));
    if (info.features != inputs || info.outputs != outputs)
        return cli_error(CLI_INPUT,
                         "the data has %zu features and %zu outputs, the model %zu and %zu",
                         info.features, info.outputs, inputs, outputs);
    double *x = calloc(inputs + outputs, sizeof *x), *target = x + inputs;
    if (!x) return cli_error(CLI_FAILURE, "out of memory");
    for (size_t i = 0; i < inputs; ++i)
        x[i] = (double)bp_data_features(view->data)[view->row * inputs + i];
    const int32_t *labels = bp_data_labels(view->data);
    for (size_t k = 0; k < outputs; ++k)
        target[k] = labels ? (size_t)labels[view->row] == k
                           : (double)bp_data_targets(view->data)[view->row * outputs + k];
    bp_status status = bp_explain_sample(view->glass, x, target);
    free(x);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

/* ---- the order of things -----------------------------------------------------------------------
 */

void explain_copy_parameters(const explain_view *view, double *all, bool back)
{
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(view->model, l);
        double *const parts[] = {bp_explain_weights(view->glass, l),
                                 bp_explain_biases(view->glass, l),
                                 bp_explain_gains(view->glass, l),
                                 bp_explain_shifts(view->glass, l)};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
            const size_t count = layer.outputs * (i == 0 ? layer.inputs : 1);
            if (!parts[i]) continue;
            memcpy(back ? parts[i] : all, back ? all : parts[i], count * sizeof *all);
            all += count;
        }
    }
}

/* As explain_copy_parameters copies them; free(). */
static double *copy_parameters(const explain_view *view)
{
    double *all = calloc(bp_model_get_info(view->model).parameters, sizeof *all);
    if (all) explain_copy_parameters(view, all, false);
    return all;
}

/* Looks, then takes the steps. */
static int look_and_step(explain_view *view)
{
    view->errors = calloc(view->steps + 1, sizeof *view->errors);
    if (!view->errors) return cli_error(CLI_FAILURE, "out of memory");
    bp_status status = bp_explain_look(view->glass);
    if (status == BP_OK) status = bp_explain_steps(view->glass, view->steps, view->errors);
    if (status == BP_OK) status = bp_explain_error(view->glass, &view->errors[view->steps]);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

/* With a page, the text is left out: all of it is there. */
static int show(const cli_command *command, const explain_settings *s, const explain_view *view,
                const double *start)
{
    int code = CLI_OK;
    if (command->json)
        code = cli_print_json(stdout, explain_json(view));
    else if (!s->html)
        explain_print(stdout, view);
    if (s->html && code == CLI_OK) {
        code = explain_write_page(s->html, view, start);
        if (code == CLI_OK && !command->quiet && strcmp(s->html, "-") != 0)
            cli_note("%s shows it: open it in a browser", s->html);
    }
    return code;
}

static int explain(const cli_command *command, const explain_settings *s, bp_model *model,
                   explain_view *view)
{
    bp_explain_options options = bp_explain_options_default();
    options.learning_rate = s->learning_rate;
    options.freeze_bias = s->freeze_bias;
    bp_status status = bp_explain_create(&view->glass, view->model, &options);
    if (status != BP_OK) return cli_fail(status, NULL);
    int code = set_parameters(view, model, command, s);
    if (code < 0)
        code = view->data ? sample_from_data(view, command) : sample_from_lists(view, command, s);
    double *start = s->html && code < 0 ? copy_parameters(view) : NULL;
    if (s->html && code < 0 && !start) code = cli_error(CLI_FAILURE, "out of memory");
    if (code < 0) code = look_and_step(view);
    if (code < 0) code = show(command, s, view, start);
    free(start);
    return code;
}

static int run(const cli_command *command, const explain_settings *s)
{
    bp_model *model = NULL;
    bp_data *data = NULL;
    int code = -1;
    if (s->model) {
        bp_status status = bp_model_load(&model, s->model, s->reading.activation);
        if (status != BP_OK) code = cli_fail_input(status);
    } else {
        code = cli_make_network(&model, command, &s->network);
    }
    if (code < 0 && s->data)
        code = cli_load_for_model(&data, command, &s->files, &s->reading, model, 1);
    if (code < 0) {
        explain_view view = {.model = model,
                             .data = data,
                             .source = s->data,
                             .row = (size_t)s->row - 1,
                             .layers = bp_model_get_info(model).layers,
                             .learning_rate = s->learning_rate,
                             .frozen = s->freeze_bias == 1,
                             .steps = (size_t)s->steps};
        code = explain(command, s, model, &view);
        bp_explain_free(view.glass);
        free(view.errors);
    }
    bp_data_free(data);
    bp_model_free(model);
    return code;
}

/* Whether the page can be written, and is none of what is read. */
static int check_page(const cli_command *command, const explain_settings *s)
{
    const char *const read[] = {s->model, s->data, s->weights, s->biases, s->input, s->target};
    if (!s->html) return -1;
    for (size_t i = 0; i < sizeof read / sizeof *read; ++i)
        if (cli_is_read_by(s->html, read[i]))
            return cli_usage(command, "--html %s would overwrite what is read", s->html);
    if (strcmp(s->html, "-") != 0) return cli_check_output(s->html);
    if (command->json)
        return cli_usage(command, "--html - and --json would mix two results on standard output");
    return -1;
}

/* Which options go with a model, which with --layers. */
static int check(const cli_command *command, const explain_settings *s)
{
    int code = cli_input_check(command, &s->reading, &s->files);
    if (code < 0 && s->model) code = cli_network_check(command);
    if (code >= 0) return code;
    if (s->model && (s->weights || s->biases || s->no_bias))
        return cli_usage(command, "--%s is for a network without a model",
                         s->weights  ? "weights"
                         : s->biases ? "biases"
                                     : "no-bias");
    if (!s->model && !s->network.layers)
        return cli_usage(command, "a model or --layers is needed: backprop explain MODEL DATA, or "
                                  "--layers 2,2,1 --input .05,.1 --target 1");
    if (!s->data && (!s->input || !s->target))
        return cli_usage(command, "the sample is missing: --input and --target%s",
                         s->model ? ", or DATA" : "");
    if (s->data && s->input) return cli_usage(command, "DATA and --input exclude each other");
    if (!s->data && cli_given(command, "row"))
        return cli_usage(command, "--row chooses a row of DATA, which is missing");
    if (s->biases && s->no_bias)
        return cli_usage(command, "--biases and --no-bias exclude each other");
    if (s->network.layers && s->freeze_bias && !s->biases && !command->quiet)
        cli_warn("--freeze-bias has no effect without --biases");
    return check_page(command, s);
}

/* The options of reading; --target is one of the sample's here. */
static size_t data_options_but_target(cli_input *reading, cli_option rows[CLI_INPUT_OPTIONS])
{
    const size_t count = cli_input_options(reading, rows, CLI_TO_USE);
    size_t kept = 0;
    for (size_t i = 0; i < count; ++i)
        if (strcmp(rows[i].name, "target") != 0) rows[kept++] = rows[i];
    return kept;
}

int cli_explain(int argc, char **argv)
{
    const bp_explain_options defaults = bp_explain_options_default();
    explain_settings s = {.reading = cli_input_default(),
                          .network = cli_network_default(),
                          .learning_rate = defaults.learning_rate,
                          .steps = 1,
                          .row = 1};
    cli_option network[CLI_NETWORK_OPTIONS];
    const size_t network_options = cli_network_options(&s.network, network);
    cli_option parameters[] = {
        {.name = "weights",
         .kind = CLI_TEXT,
         .to.text = &s.weights,
         .value = "LIST|FILE",
         .help = "layer by layer, a row for each unit of a layer",
         .fallback = "drawn by the seed"},
        {.name = "biases",
         .kind = CLI_TEXT,
         .to.text = &s.biases,
         .value = "LIST|FILE",
         .help = "layer by layer, one for each unit",
         .fallback = "there are none"},
        {.name = "no-bias",
         .kind = CLI_FLAG,
         .to.code = &s.no_bias,
         .set = 1,
         .help = "layers without biases, as they are where none are given"},
    };
    cli_option sample[] = {
        {.name = "row",
         .kind = CLI_COUNT,
         .to.count = &s.row,
         .value = "N",
         .min = 1,
         .max = 2147483647,
         .help = "which row of DATA, from 1"},
        {.name = "input",
         .kind = CLI_TEXT,
         .to.text = &s.input,
         .value = "LIST|FILE",
         .help = "in place of DATA: what the network takes in, encoded"},
        {.name = "target",
         .kind = CLI_TEXT,
         .to.text = &s.target,
         .value = "LIST|FILE",
         .help = "and what it should give; with DATA the target column, as for eval"},
    };
    cli_option step[] = {
        {.name = "lr",
         .kind = CLI_DOUBLE,
         .to.wide = &s.learning_rate,
         .value = "F",
         .min = 0,
         .max = 1e300,
         .help = "learning rate of plain gradient descent"},
        {.name = "steps",
         .kind = CLI_COUNT,
         .to.count = &s.steps,
         .value = "N",
         .min = 1,
         .max = 10000000,
         .help = "how many are taken; the first is explained"},
        {.name = "freeze-bias",
         .kind = CLI_FLAG,
         .to.code = &s.freeze_bias,
         .set = 1,
         .help = "biases take part, but keep their values"},
    };
    cli_option result[] = {
        {.name = "html",
         .kind = CLI_TEXT,
         .to.text = &s.html,
         .value = "FILE",
         .help = "write a page for a browser, with drawings, in place of the text"},
    };
    cli_option data[CLI_INPUT_OPTIONS];
    const size_t data_options = data_options_but_target(&s.reading, data);
    cli_command command = {
        .name = "explain",
        .usage = "[MODEL [DATA...]] [OPTIONS]",
        .summary = "Shows how a training step comes about: net inputs, activations, slopes, "
                   "effects, deltas, and of every weight the three factors of its derivative, "
                   "beside the central difference. Of a model and a row of DATA, or of a network "
                   "that is written on the command line. Computed in double precision.",
        .examples = "  backprop explain --layers 1,1 --weights .5 --input 1 --target 0 --lr 1\n"
                    "  backprop explain --layers 2,2,2 --weights .15,.2,.25,.3,.4,.45,.5,.55 \\\n"
                    "      --biases .35,.35,.6,.6 --freeze-bias --input .05,.1 --target .01,.99\n"
                    "  backprop explain iris.safetensors iris.csv --row 3 --html iris.html\n",
        .arguments = 2,
        .optional = 2,
        .several = true,
        .groups = {{"Network", network, network_options},
                   {"Its parameters", parameters, sizeof parameters / sizeof *parameters},
                   {"Sample", sample, sizeof sample / sizeof *sample},
                   {"Step", step, sizeof step / sizeof *step},
                   {"Result", result, sizeof result / sizeof *result},
                   {"Data", data, data_options}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    s.model = arguments[0];
    s.data = arguments[1];
    s.files = cli_data_files(&command, &s.reading, 1);
    s.reading.activation = s.network.activation;
    s.network.bias = s.biases != NULL;
    if (s.data) s.reading.target = s.target;
    code = check(&command, &s);
    return code >= 0 ? code : run(&command, &s);
}
