/* info.c - `backprop info`: what a model file holds: network, data it takes, how it was made; for
 * data, info_data.c. */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "info.h"
#include "origin.h"
#include "output.h"

static json_t *layers_json(const bp_model *model)
{
    json_t *layers = json_array();
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        json_t *json = json_object();
        json_object_set_new(json, "inputs", cli_json_count(layer.inputs));
        json_object_set_new(json, "outputs", cli_json_count(layer.outputs));
        const char *activation = bp_activation_name(layer.activation);
        json_object_set_new(json, "activation", cli_json_text(activation));
        json_object_set_new(json, "bias", json_boolean(layer.bias));
        json_object_set_new(json, "dropout", cli_json_float(layer.dropout));
        json_object_set_new(json, "residual", json_boolean(layer.residual));
        json_object_set_new(json, "norm", cli_json_text(bp_norm_name(layer.norm)));
        json_array_append_new(layers, json);
    }
    return layers;
}

static bool has_classes(const bp_model *model)
{
    const bp_schema *schema = bp_model_get_schema(model);
    return schema ? bp_schema_get_info(schema).task == BP_TASK_CLASSIFY
                  : bp_model_get_info(model).loss == BP_LOSS_CROSS_ENTROPY;
}

/* Names of the classes or of the targets; null without a schema. */
static json_t *names_json(const bp_schema *schema, bool wanted)
{
    if (!schema || !wanted) return json_null();
    json_t *names = json_array();
    for (size_t k = 0; k < bp_schema_get_info(schema).outputs; ++k)
        json_array_append_new(names, cli_json_text(bp_schema_output_name(schema, k)));
    return names;
}

static json_t *records_json(const bp_model *model)
{
    json_t *records = json_object();
    const char *key;
    for (size_t i = 0; (key = bp_model_record_key(model, i)) != NULL; ++i)
        json_object_set_new(records, key, cli_json_text(bp_model_get_record(model, key)));
    return records;
}

/* The schema as the model file has it; null without one. */
static json_t *schema_json(const bp_schema *schema)
{
    char *text = NULL;
    json_t *json = NULL;
    if (schema && bp_schema_to_json(&text, schema) == BP_OK) json = json_loads(text, 0, NULL);
    free(text);
    return json ? json : json_null();
}

/* What a training needs to be done again, or gone on with. */
typedef struct past {
    const char *path;
    const char *command, *obstacle; /* NULL: not known; none */
    bp_checkpoint_info checkpoint;
    bool is_checkpoint;
} past;

static past look_back(const bp_model *model, const char *path)
{
    past p = {.path = path,
              .command = bp_model_get_record(model, CLI_RECORD_COMMAND),
              .obstacle = bp_model_get_record(model, CLI_RECORD_UNREPEATABLE)};
    if (strcmp(path, "-") != 0)
        p.is_checkpoint =
            bp_checkpoint_get_info(&p.checkpoint, path) == BP_OK && !p.checkpoint.previous;
    return p;
}

static void add_past_json(json_t *json, const past *p)
{
    const bp_checkpoint_info *c = &p->checkpoint;
    json_object_set_new(json, "repeat", cli_json_text(p->command));
    json_object_set_new(json, "unrepeatable", cli_json_text(p->obstacle));
    json_object_set_new(json, "checkpoint",
                        p->is_checkpoint
                            ? json_pack("{s:I, s:I, s:I, s:I, s:I}", "epoch", (json_int_t)c->epoch,
                                        "epochs", (json_int_t)c->epochs, "step",
                                        (json_int_t)c->step, "steps", (json_int_t)c->steps,
                                        "total_steps", (json_int_t)c->total_steps)
                            : json_null());
}

static void print_command(const char *title, const char *command)
{
    printf("%-12s", title);
    cli_print_text(stdout, command);
    putchar('\n');
}

static void print_past(const past *p)
{
    const bp_checkpoint_info *c = &p->checkpoint;
    if (p->is_checkpoint) {
        printf("checkpoint  after epoch %lld of %lld", (long long)c->epoch, (long long)c->epochs);
        if (c->step > 0) printf(" and step %lld of %lld", (long long)c->step, (long long)c->steps);
        puts(": train goes on from it with --resume");
    }
    if (!p->command) return;
    print_command("repeat", p->command);
    if (p->obstacle) {
        fputs("            not the same bit for bit: ", stdout);
        cli_print_text(stdout, p->obstacle);
        putchar('\n');
    }
}

/* Line by line: the files have one each. */
static void print_record(const char *key, const char *value)
{
    fputs("  ", stdout);
    cli_print_text(stdout, key);
    putchar(':');
    for (const char *rest = value; rest; rest = strchr(rest, '\n')) {
        char *line = strdup(rest + (*rest == '\n'));
        rest += *rest == '\n';
        if (!line) return;
        line[strcspn(line, "\n")] = '\0';
        fputs(strchr(value, '\n') ? "\n    " : " ", stdout);
        cli_print_text(stdout, line);
        free(line);
    }
    putchar('\n');
}

static int print_json(const bp_model *model, const past *p)
{
    const bp_model_info info = bp_model_get_info(model);
    const bp_schema *schema = bp_model_get_schema(model);
    const bool classes = has_classes(model);
    json_t *json = json_object();
    json_object_set_new(json, "kind", cli_json_text("model"));
    json_object_set_new(json, "layers", layers_json(model));
    json_object_set_new(json, "parameters", cli_json_count(info.parameters));
    json_object_set_new(json, "loss", cli_json_text(bp_loss_name(info.loss)));
    json_object_set_new(json, "classes", classes ? cli_json_count(info.outputs) : json_null());
    json_object_set_new(json, "features", cli_json_count(info.inputs));
    json_object_set_new(json, "outputs", cli_json_count(info.outputs));
    json_object_set_new(json, "class_names", names_json(schema, classes));
    json_object_set_new(json, "target_names", names_json(schema, !classes));
    json_object_set_new(json, "schema", schema_json(schema));
    json_object_set_new(json, "records", records_json(model));
    add_past_json(json, p);
    return cli_print_json(stdout, json);
}

static void print_network(const bp_model *model)
{
    const bp_model_info info = bp_model_get_info(model);
    printf("network     %zu", info.inputs);
    for (size_t l = 0; l < info.layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        fputs(" -> ", stdout);
        cli_print_layer(stdout, &layer);
    }
    printf("\nparameters  %zu\nloss        %s\n", info.parameters, bp_loss_name(info.loss));
}

/* Names joined by commas, cut where they are many. */
static void print_names(const char *title, const bp_schema *schema, size_t count)
{
    enum { MOST = 20 };
    printf("%-12s", title);
    for (size_t k = 0; k < count && k < MOST; ++k) {
        if (k) fputs(", ", stdout);
        cli_print_text(stdout, bp_schema_output_name(schema, k));
    }
    if (count > MOST) printf(", ... (%zu in all)", count);
    putchar('\n');
}

/* One line a column: how the raw value becomes features. */
static void print_column(const json_t *column)
{
    enum { MOST = 8 };
    const char *name = json_string_value(json_object_get(column, "name"));
    const json_t *words = json_object_get(column, "categories");
    fputs("  ", stdout);
    cli_print_text(stdout, name ? name : "?");
    if (json_is_array(words)) {
        printf(": one of %zu:", json_array_size(words));
        for (size_t k = 0; k < json_array_size(words) && k < MOST; ++k) {
            fputs(k ? ", " : " ", stdout);
            const char *word = json_string_value(json_array_get(words, k));
            cli_print_text(stdout, word ? word : "?");
        }
        if (json_array_size(words) > MOST) fputs(", ...", stdout);
    } else {
        printf(": (x - %.6g) / %.6g, %.6g where missing",
               json_number_value(json_object_get(column, "offset")),
               json_number_value(json_object_get(column, "scale")),
               json_number_value(json_object_get(column, "missing")));
    }
    putchar('\n');
}

static void print_schema(const bp_schema *schema)
{
    enum { MOST = 40 };
    const bp_schema_info info = bp_schema_get_info(schema);
    if (info.task == BP_TASK_CLASSIFY) {
        print_names("classes", schema, info.outputs);
    } else {
        print_names(info.outputs == 1 ? "target" : "targets", schema, info.outputs);
        for (size_t k = 0; k < info.outputs; ++k) {
            double mean, scale;
            bp_schema_target_scale(schema, k, &mean, &scale);
            fputs("  ", stdout);
            cli_print_text(stdout, bp_schema_output_name(schema, k));
            printf(": output * %.6g + %.6g\n", scale, mean);
        }
    }
    if (info.image_height > 0) {
        printf("pictures    %zu x %zu, scaling %s\n", info.image_height, info.image_width,
               bp_scaling_name(info.scaling));
        return;
    }
    json_t *json = schema_json(schema);
    const json_t *columns = json_object_get(json, "columns");
    printf("columns     %zu, as %zu feature%s, scaling %s\n", info.columns, info.features,
           cli_s(info.features), bp_scaling_name(info.scaling));
    for (size_t k = 0; k < json_array_size(columns) && k < MOST; ++k)
        print_column(json_array_get(columns, k));
    if (json_array_size(columns) > MOST) printf("  ... (--json lists all)\n");
    json_decref(json);
}

static int print_text(const bp_model *model, const past *p)
{
    print_network(model);
    const bp_schema *schema = bp_model_get_schema(model);
    if (schema)
        print_schema(schema);
    else
        puts("schema      none: takes numbers as they stand");
    const char *key;
    for (size_t i = 0; (key = bp_model_record_key(model, i)) != NULL; ++i) {
        if (i == 0) puts("records");
        print_record(key, bp_model_get_record(model, key));
    }
    print_past(p);
    return CLI_OK;
}

static int show_model(const cli_command *command, const char *path, int32_t activation)
{
    bp_model *model;
    bp_status status = bp_model_load(&model, path, activation);
    if (status != BP_OK) return cli_fail_input(status);
    const past p = look_back(model, path);
    int code = command->json ? print_json(model, &p) : print_text(model, &p);
    bp_model_free(model);
    return code;
}

/* Options that are for the other kind of file. */
static int check(const cli_command *command, const cli_group *unused, const char *what)
{
    for (size_t i = 0; i < unused->count; ++i)
        if (unused->options[i].given)
            return cli_usage(command, "--%s is for %s", unused->options[i].name, what);
    return -1;
}

int cli_info(int argc, char **argv)
{
    cli_input input = cli_input_default();
    input.part = 0;
    cli_option data[CLI_INPUT_OPTIONS], model[] = {cli_activation_option(&input.activation)};
    cli_command command = {
        .name = "info",
        .usage = "MODEL|DATA... [OPTIONS]",
        .summary = "Shows the network in a model file, the data that it takes and how it was made; "
                   "or what a data set holds and what train would make of it. Which of them a file "
                   "is, is told by its content.",
        .examples = "  backprop info iris.safetensors\n"
                    "  backprop info iris.csv\n"
                    "  backprop info iris.safetensors --json\n",
        .arguments = 1,
        .several = true,
        .groups = {{"Data", data, cli_input_options(&input, data, CLI_TO_SHOW)},
                   {"Model", model, sizeof model / sizeof *model}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    const cli_files files = cli_data_files(&command, &input, 0);
    if (!bp_is_model(arguments[0])) {
        code = check(&command, &command.groups[1], "models; this is data");
        return code >= 0 ? code : cli_info_data(&command, &input, &files);
    }
    code = check(&command, &command.groups[0], "data; this is a model");
    if (code < 0 && files.count > 1)
        code = cli_usage(&command, "%s is a model: one at a time", arguments[0]);
    return code >= 0 ? code : show_model(&command, arguments[0], input.activation);
}
