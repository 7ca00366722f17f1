/* info_data.c - `backprop info` of data: its columns, and what train would make of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "info.h"
#include "output.h"

enum { LISTED_VALUES = 20 }; /* of a category or a target */

/* What is known of the data set. */
typedef struct view {
    const cli_files *files;
    bp_data *data;
    bp_data_info info;
    bp_column_info *columns; /* [count], features first */
    size_t count;
    bp_schema *schema; /* what train would learn from all of it; NULL where it could not */
    char *review;      /* lines */
    char *refusal;     /* why there is no schema, or NULL */
} view;

static void view_free(view *v)
{
    bp_schema_free(v->schema);
    bp_data_free(v->data);
    free(v->columns);
    free(v->review);
    free(v->refusal);
}

static int view_load(view *v, const cli_command *command, const cli_input *input,
                     const cli_files *files)
{
    bp_load_options options = cli_input_load_options(input);
    options.allow_missing_target = 1;
    options.test_part = cli_has_test_part(files) ? input->part : 0;
    v->files = files;
    int code = cli_load(&v->data, command, files, &options);
    if (code >= 0) return code;
    v->info = bp_data_get_info(v->data);
    bp_status status = bp_data_describe(&v->columns, &v->count, v->data);
    if (status == BP_OK) status = bp_data_review(&v->review, v->data);
    if (status != BP_OK) return cli_fail(status, NULL);
    status = bp_schema_learn(&v->schema, v->data);
    if (status == BP_ERROR_MEMORY) return cli_fail(status, NULL);
    if (status != BP_OK) v->refusal = strdup(bp_last_error());
    if (!command->quiet) {
        cli_warn(bp_schema_warnings(v->schema));
        cli_warn(v->review);
        cli_warn(v->refusal);
    }
    return -1;
}

/* ---- words for it ---- */

static const char *task_text(const view *v)
{
    return v->info.task == BP_TASK_CLASSIFY  ? "classify"
           : v->info.task == BP_TASK_REGRESS ? "regress"
                                             : NULL;
}

static const char *scaling_text(const view *v)
{
    return v->schema ? bp_scaling_name(bp_schema_get_info(v->schema).scaling) : NULL;
}

static bool is_class_target(const view *v, size_t k)
{
    return v->columns[k].is_target && v->info.task == BP_TASK_CLASSIFY;
}

static int compare_counts(const void *a, const void *b)
{
    size_t x = ((const bp_value_count *)a)->count, y = ((const bp_value_count *)b)->count;
    return (x < y) - (x > y);
}

/* The values of column k: classes in their order, others with the most frequent first. */
static bp_value_count *values_of(const view *v, size_t k, size_t *count)
{
    bp_value_count *values;
    if (bp_data_count_values(&values, count, v->data, k) != BP_OK) return NULL;
    if (!is_class_target(v, k)) qsort(values, *count, sizeof *values, compare_counts);
    return values;
}

/* ---- JSON ---- */

static json_t *texts_json(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; ++i) json_array_append_new(list, cli_json_text(texts[i]));
    return list;
}

/* One text for each line. */
static void append_lines(json_t *list, const char *lines)
{
    while (lines && *lines) {
        size_t length = strcspn(lines, "\n");
        char *line = strndup(lines, length);
        json_array_append_new(list, cli_json_text(line));
        free(line);
        lines += length + (lines[length] == '\n');
    }
}

static json_t *values_json(const view *v, size_t k)
{
    size_t count;
    bp_value_count *values = values_of(v, k, &count);
    json_t *list = json_array();
    for (size_t i = 0; values && i < count && i < LISTED_VALUES; ++i) {
        json_t *one = json_object();
        json_object_set_new(one, "value", cli_json_text(values[i].value));
        json_object_set_new(one, "rows", cli_json_count(values[i].count));
        json_array_append_new(list, one);
    }
    free(values);
    return list;
}

static json_t *column_json(const view *v, size_t k)
{
    const bp_column_info *c = &v->columns[k];
    json_t *json = json_object();
    json_object_set_new(json, "name", cli_json_text(c->name));
    json_object_set_new(json, "kind", cli_json_text(bp_column_kind_name(c->kind)));
    json_object_set_new(json, "target", json_boolean(c->is_target));
    json_object_set_new(json, "missing", cli_json_count(c->missing));
    json_object_set_new(json, "distinct",
                        c->distinct || c->kind == BP_COLUMN_EMPTY ? cli_json_count(c->distinct)
                                                                  : json_null());
    json_object_set_new(json, "min", cli_json_number(c->min));
    json_object_set_new(json, "max", cli_json_number(c->max));
    json_object_set_new(json, "mean", cli_json_number(c->mean));
    json_object_set_new(json, "deviation", cli_json_number(c->deviation));
    json_object_set_new(json, "skewness", cli_json_number(c->skewness));
    const bool listed = c->kind == BP_COLUMN_CATEGORY;
    json_object_set_new(json, "values", listed ? values_json(v, k) : json_null());
    return json;
}

/* Names of classes, or how many rows each has; null without. */
static json_t *classes_json(const view *v, bool names)
{
    for (size_t k = 0; k < v->count; ++k) {
        if (!is_class_target(v, k)) continue;
        size_t count;
        bp_value_count *values = values_of(v, k, &count);
        json_t *list = json_array();
        for (size_t i = 0; values && i < count; ++i)
            json_array_append_new(list, names ? cli_json_text(values[i].value)
                                              : cli_json_count(values[i].count));
        free(values);
        return list;
    }
    return json_null();
}

static json_t *targets_json(const view *v)
{
    json_t *list = json_array();
    for (size_t k = 0; k < v->count; ++k)
        if (v->columns[k].is_target) json_array_append_new(list, cli_json_text(v->columns[k].name));
    return list;
}

static json_t *schema_count_json(const view *v, size_t count)
{
    return v->schema ? cli_json_count(count) : json_null();
}

static int print_json(const view *v)
{
    json_t *json = json_object(), *columns = json_array(), *warnings = json_array();
    const bp_schema_info learned = bp_schema_get_info(v->schema);
    const bool classes = v->info.task == BP_TASK_CLASSIFY;
    for (size_t k = 0; k < v->count; ++k) json_array_append_new(columns, column_json(v, k));
    append_lines(warnings, bp_data_warnings(v->data));
    append_lines(warnings, bp_schema_warnings(v->schema));
    append_lines(warnings, v->review);
    append_lines(warnings, v->refusal);
    json_object_set_new(json, "kind", cli_json_text("data"));
    json_object_set_new(json, "files", texts_json(v->files->paths, v->files->count));
    json_object_set_new(json, "format", cli_json_text(bp_format_name(v->info.format)));
    json_object_set_new(json, "rows", cli_json_count(v->info.rows));
    json_object_set_new(json, "missing", cli_json_count(v->info.missing));
    json_object_set_new(json, "image_height", cli_json_count(v->info.image_height));
    json_object_set_new(json, "image_width", cli_json_count(v->info.image_width));
    json_object_set_new(json, "targets", targets_json(v));
    json_object_set_new(json, "task", cli_json_text(task_text(v)));
    json_object_set_new(json, "classes",
                        classes ? schema_count_json(v, learned.outputs) : json_null());
    json_object_set_new(json, "class_names", classes_json(v, true));
    json_object_set_new(json, "class_rows", classes_json(v, false));
    json_object_set_new(json, "features", schema_count_json(v, learned.features));
    json_object_set_new(json, "outputs", schema_count_json(v, learned.outputs));
    json_object_set_new(json, "scaling", cli_json_text(scaling_text(v)));
    json_object_set_new(json, "columns", columns);
    json_object_set_new(json, "warnings", warnings);
    return cli_print_json(stdout, json);
}

/* ---- text ---- */

enum { NAME_WIDTH = 24, LISTED_COLUMNS = 100 };

/* Characters rather than bytes. */
static size_t length_of(const char *text)
{
    size_t length = 0;
    for (; *text; ++text) length += ((unsigned char)*text & 0xC0) != 0x80;
    return length;
}

/* text in `width` places, cut where it is longer. */
static void print_padded(const char *text, size_t width)
{
    size_t length = length_of(text), keep = length > width ? width - 1 : length;
    char one[8];
    for (size_t done = 0; done < keep; ++done) {
        size_t bytes = 1;
        while (((unsigned char)text[bytes] & 0xC0) == 0x80 && bytes < sizeof one - 1) ++bytes;
        memcpy(one, text, bytes);
        one[bytes] = '\0';
        cli_print_text(stdout, *one == '\n' || *one == '\t' ? "?" : one);
        text += bytes;
    }
    if (length > width) fputs("…", stdout);
    printf("%*s", (int)(length > width ? 0 : width - length), "");
}

/* "setosa 50, versicolor 50": values and in how many rows each is. */
static void print_values(const view *v, size_t k)
{
    const size_t most = v->columns[k].is_target ? 10 : 5;
    size_t count;
    bp_value_count *values = values_of(v, k, &count);
    for (size_t i = 0; values && i < count && i < most; ++i) {
        if (i) fputs(", ", stdout);
        cli_print_text(stdout, values[i].value);
        printf(" %zu", values[i].count);
    }
    if (count > most) fputs(", ...", stdout);
    free(values);
}

static void print_number(double value)
{
    if (isfinite(value))
        printf(" %10.4g", value);
    else
        printf(" %10s", "");
}

static void print_column(const view *v, size_t k, size_t width)
{
    const bp_column_info *c = &v->columns[k];
    fputs("  ", stdout);
    print_padded(c->name, width);
    printf("  %-8s %8zu", bp_column_kind_name(c->kind), c->missing);
    if (c->distinct || c->kind == BP_COLUMN_EMPTY)
        printf(" %8zu", c->distinct);
    else
        printf(" %8s", "");
    if (c->kind == BP_COLUMN_CATEGORY || c->text) {
        fputs("  ", stdout);
        if (c->kind != BP_COLUMN_ID) print_values(v, k);
    } else {
        print_number(c->min);
        print_number(c->max);
        print_number(c->mean);
        print_number(c->deviation);
    }
    putchar('\n');
}

static void print_columns(const view *v)
{
    size_t width = 6;
    for (size_t k = 0; k < v->count && k < LISTED_COLUMNS; ++k)
        if (length_of(v->columns[k].name) > width) width = length_of(v->columns[k].name);
    if (width > NAME_WIDTH) width = NAME_WIDTH;
    printf("\n  %-*s  %-8s %8s %8s %10s %10s %10s %10s\n", (int)width, "column", "kind", "missing",
           "distinct", "min", "max", "mean", "deviation");
    /* Where there are too many, the targets are still among them. */
    for (size_t k = 0; k < v->count; ++k)
        if (k < LISTED_COLUMNS || v->columns[k].is_target)
            print_column(v, k, width);
        else if (k == LISTED_COLUMNS)
            puts("  ... (--json lists all)");
}

static void print_target(const view *v)
{
    const bp_schema_info learned = bp_schema_get_info(v->schema);
    size_t targets = 0;
    for (size_t k = 0; k < v->count; ++k) targets += v->columns[k].is_target != 0;
    printf("%-12s", targets > 1 ? "targets" : "target");
    targets = 0;
    for (size_t k = 0; k < v->count; ++k) {
        if (!v->columns[k].is_target) continue;
        if (targets++) fputs(", ", stdout);
        cli_print_text(stdout, v->columns[k].name);
    }
    if (targets == 0) fputs("none", stdout);
    if (v->schema && v->info.task == BP_TASK_CLASSIFY) printf(": %zu classes", learned.outputs);
    if (v->info.task == BP_TASK_REGRESS) fputs(": regression", stdout);
    putchar('\n');
    if (v->schema)
        printf("network     %zu input%s, %zu output%s; scaling %s\n", learned.features,
               cli_s(learned.features), learned.outputs, cli_s(learned.outputs), scaling_text(v));
}

static int print_text(const view *v)
{
    printf("%-12s", v->files->count == 1 ? "file" : "files");
    for (size_t i = 0; i < v->files->count; ++i) {
        if (i) fputs(", ", stdout);
        cli_print_text(stdout, v->files->paths[i]);
    }
    printf("\nformat      %s\n", bp_format_name(v->info.format));
    printf("rows        %zu\n", v->info.rows);
    if (v->info.image_height)
        printf("pictures    %zu x %zu\n", v->info.image_height, v->info.image_width);
    else
        printf("columns     %zu\n", v->info.columns);
    print_target(v);
    print_columns(v);
    return CLI_OK;
}

int cli_info_data(const cli_command *command, const cli_input *input, const cli_files *files)
{
    view v = {.files = files};
    int code = cli_input_check(command, input, files);
    if (code < 0) code = view_load(&v, command, input, files);
    if (code < 0) code = command->json ? print_json(&v) : print_text(&v);
    view_free(&v);
    return code;
}
