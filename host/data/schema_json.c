/* schema_json.c - a schema as JSON, as model files hold it, and back.
 *
 *   {"version": 2, "task": "classify", "scaling": "standard",
 *    "columns": [{"name": "width", "position": 0, "offset": 1.5, "scale": 0.5, "missing": 1.5},
 *                {"name": "colour", "position": 1, "categories": ["blue", "red"]}],
 *    "targets": [{"name": "kind", "position": 2}],
 *    "classes": ["a", "b"]}
 *
 * Pictures have "pixels": {"count", "height", "width", "bytes", "offset", "scale"} in place of
 * columns and targets. Classes that are numbers are written as numbers. Regression has no classes;
 * its targets have an offset and a scale. Model files come from anywhere: every field is checked,
 * unknown ones are refused. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/number.h"
#include "data/schema.h"

enum { VERSION = 2 };

/* ---- writing ---- */

/* jansson's *_new functions accept NULL values and then fail, so one check at the end is enough. */
static json_t *words_to_json(const bp__words *words)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < words->count; ++i)
        if (json_array_append_new(array, json_string(bp__words_get(words, i))) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *classes_to_json(const bp_schema *schema)
{
    if (!schema->class_values) return words_to_json(&schema->classes);
    json_t *array = json_array();
    for (size_t i = 0; array && i < schema->classes.count; ++i)
        if (json_array_append_new(array, json_real(schema->class_values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *column_to_json(const bp__schema_column *column)
{
    json_t *object = json_object();
    bool ok = object && set(object, "name", json_string(column->name)) &&
              set(object, "position", json_integer((json_int_t)column->position));
    if (column->kind == BP__COLUMN_TEXT)
        ok = ok && set(object, "categories", words_to_json(&column->words));
    else
        ok = ok && set(object, "offset", json_real(column->offset)) &&
             set(object, "scale", json_real(column->scale)) &&
             set(object, "missing", json_real(column->missing));
    if (ok) return object;
    json_decref(object);
    return NULL;
}

static json_t *target_to_json(const bp_schema *schema, const bp__schema_target *target)
{
    json_t *object = json_object();
    bool ok = object && set(object, "name", json_string(target->name)) &&
              set(object, "position", json_integer((json_int_t)target->position));
    if (schema->task == BP_TASK_REGRESS)
        ok = ok && set(object, "offset", json_real(target->offset)) &&
             set(object, "scale", json_real(target->scale));
    if (ok) return object;
    json_decref(object);
    return NULL;
}

static bool table_to_json(json_t *object, const bp_schema *schema)
{
    json_t *columns = json_array(), *targets = json_array();
    /* The object owns both from here on, also where the rest fails. */
    bool ok = set(object, "columns", columns);
    ok = set(object, "targets", targets) && ok;
    for (size_t k = 0; ok && k < schema->column_count; ++k)
        ok = json_array_append_new(columns, column_to_json(&schema->columns[k])) == 0;
    for (size_t k = 0; ok && k < schema->target_count; ++k)
        ok = json_array_append_new(targets, target_to_json(schema, &schema->targets[k])) == 0;
    return ok;
}

static bool pixels_to_json(json_t *object, const bp_schema *schema)
{
    json_t *pixels = json_object();
    return set(object, "pixels", pixels) &&
           set(pixels, "count", json_integer((json_int_t)schema->pixel_count)) &&
           set(pixels, "height", json_integer((json_int_t)schema->image_height)) &&
           set(pixels, "width", json_integer((json_int_t)schema->image_width)) &&
           set(pixels, "bytes", json_boolean(schema->pixel_bytes)) &&
           set(pixels, "offset", json_real(schema->pixel_offset)) &&
           set(pixels, "scale", json_real(schema->pixel_scale));
}

bp_status bp_schema_to_json(char **out, const bp_schema *schema)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_to_json: out is NULL");
    *out = NULL;
    if (!schema) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_to_json: schema is NULL");
    json_t *object = json_object();
    bool classes = schema->task == BP_TASK_CLASSIFY;
    bool ok =
        object && set(object, "version", json_integer(VERSION)) &&
        set(object, "task", json_string(classes ? "classify" : "regress")) &&
        set(object, "scaling", json_string(bp_scaling_name(schema->scaling))) &&
        (schema->pixel_count ? pixels_to_json(object, schema) : table_to_json(object, schema)) &&
        (!classes || set(object, "classes", classes_to_json(schema)));
    /* 17 digits: every double reads back as itself. */
    char *text = ok ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    /* jansson may have been given an allocator of its own; the text is the caller's to free(). */
    bp_status status = text ? bp__copy_text(out, text)
                            : bp__fail(BP_ERROR_MEMORY, "no memory for a schema as JSON");
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    if (text) release(text);
    return status;
}

/* ---- reading ---- */

static bp_status fail_field(const char *where, const char *key, const char *expected)
{
    return bp__fail(BP_ERROR_MODEL, "schema, %s: \"%s\" is not there or is not %s", where, key,
                    expected);
}

/* Refuses what is not among keys: a field that is not understood changes the meaning. */
static bp_status check_keys(json_t *object, const char *where, const char *const *keys,
                            size_t count)
{
    const char *key;
    json_t *value;
    char shown[64];
    if (!json_is_object(object))
        return bp__fail(BP_ERROR_MODEL, "schema, %s: an object was expected", where);
    json_object_foreach(object, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < count; ++i) known = known || strcmp(key, keys[i]) == 0;
        if (!known)
            return bp__fail(BP_ERROR_MODEL, "schema, %s: \"%s\" is not known to this version",
                            where, bp__shown(shown, key));
    }
    return BP_OK;
}

#define CHECK_KEYS(object, where, ...)                                                             \
    check_keys(object, where, (const char *const[]){__VA_ARGS__},                                  \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static bp_status get_size(size_t *out, json_t *object, const char *where, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT32_MAX)
        return fail_field(where, key, "an integer from 0 to 2147483647");
    *out = (size_t)json_integer_value(value);
    return BP_OK;
}

static bp_status get_text(char **out, json_t *object, const char *where, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_string_length(value) == 0)
        return fail_field(where, key, "a text");
    return bp__copy_text(out, json_string_value(value));
}

static bp_status get_number(double *out, json_t *object, const char *where, const char *key)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) return fail_field(where, key, "a number");
    *out = json_number_value(value);
    return BP_OK;
}

/* A finite offset and a scale that can be divided by. */
static bp_status get_scaling(double *offset, double *scale, json_t *object, const char *where)
{
    json_t *s = json_object_get(object, "scale");
    BP_TRY(get_number(offset, object, where, "offset"));
    if (!json_is_number(s) || !(json_number_value(s) > 0) || !isfinite(1 / json_number_value(s)))
        return fail_field(where, "scale", "a positive number");
    *scale = json_number_value(s);
    return BP_OK;
}

/* Different texts, ascending: one-hot features and class numbers are positions in this list. */
static bp_status get_words(bp__words *out, json_t *array, const char *where, const char *key,
                           size_t limit)
{
    if (!json_is_array(array) || json_array_size(array) > limit)
        return fail_field(where, key, "a list of a possible length");
    for (size_t i = 0; i < json_array_size(array); ++i) {
        json_t *value = json_array_get(array, i);
        uint32_t index;
        if (!json_is_string(value) || json_string_length(value) == 0 ||
            (i > 0 && strcmp(json_string_value(json_array_get(array, i - 1)),
                             json_string_value(value)) >= 0))
            return fail_field(where, key, "a list of texts in ascending order");
        BP_TRY(bp__words_add(out, json_string_value(value), &index));
    }
    return BP_OK;
}

static bp_status read_column(bp__schema_column *column, json_t *object, const char *where)
{
    BP_TRY(get_text(&column->name, object, where, "name"));
    BP_TRY(get_size(&column->position, object, where, "position"));
    column->scale = 1;
    json_t *categories = json_object_get(object, "categories");
    if (!categories) {
        BP_TRY(CHECK_KEYS(object, where, "name", "position", "offset", "scale", "missing"));
        BP_TRY(get_scaling(&column->offset, &column->scale, object, where));
        return get_number(&column->missing, object, where, "missing");
    }
    column->kind = BP__COLUMN_TEXT;
    BP_TRY(CHECK_KEYS(object, where, "name", "position", "categories"));
    return get_words(&column->words, categories, where, "categories", BP__CATEGORIES_LIMIT);
}

static bp_status read_target(bp_schema *schema, bp__schema_target *target, json_t *object,
                             const char *where)
{
    target->scale = 1;
    BP_TRY(get_text(&target->name, object, where, "name"));
    BP_TRY(get_size(&target->position, object, where, "position"));
    if (schema->task == BP_TASK_CLASSIFY) return CHECK_KEYS(object, where, "name", "position");
    BP_TRY(CHECK_KEYS(object, where, "name", "position", "offset", "scale"));
    return get_scaling(&target->offset, &target->scale, object, where);
}

/* Names and positions tell columns apart; features are in the order of the file. */
static bp_status check_columns(const bp_schema *schema)
{
    bp__words names = {0};
    uint32_t index;
    bp_status status = BP_OK;
    for (size_t k = 0; k < schema->column_count + schema->target_count && status == BP_OK; ++k) {
        bool feature = k < schema->column_count;
        const char *name =
            feature ? schema->columns[k].name : schema->targets[k - schema->column_count].name;
        size_t before = names.count;
        status = bp__words_add(&names, name, &index);
        if (status == BP_OK && names.count == before)
            status = bp__fail(BP_ERROR_MODEL, "schema: two columns have the same name");
        if (status == BP_OK && feature && k > 0 &&
            schema->columns[k].position <= schema->columns[k - 1].position)
            status = bp__fail(BP_ERROR_MODEL, "schema: the columns' positions do not ascend");
    }
    bp__words_free(&names);
    return status;
}

static bp_status read_table(bp_schema *schema, json_t *object)
{
    json_t *columns = json_object_get(object, "columns"),
           *targets = json_object_get(object, "targets");
    char where[48];
    if (!json_is_array(columns) || json_array_size(columns) == 0)
        return fail_field("top", "columns", "a list that is not empty");
    if (!json_is_array(targets) || json_array_size(targets) == 0 ||
        (schema->task == BP_TASK_CLASSIFY && json_array_size(targets) != 1))
        return fail_field("top", "targets", "a list of the right length");
    BP_TRY(bp__new_array(&schema->columns, json_array_size(columns), sizeof *schema->columns));
    schema->column_count = json_array_size(columns);
    BP_TRY(bp__new_array(&schema->targets, json_array_size(targets), sizeof *schema->targets));
    schema->target_count = json_array_size(targets);
    for (size_t k = 0; k < schema->column_count; ++k) {
        snprintf(where, sizeof where, "column %zu", k);
        BP_TRY(read_column(&schema->columns[k], json_array_get(columns, k), where));
    }
    for (size_t k = 0; k < schema->target_count; ++k) {
        snprintf(where, sizeof where, "target %zu", k);
        BP_TRY(read_target(schema, &schema->targets[k], json_array_get(targets, k), where));
    }
    return check_columns(schema);
}

static bp_status read_pixels(bp_schema *schema, json_t *object)
{
    json_t *pixels = json_object_get(object, "pixels");
    const char *where = "pixels";
    size_t area;
    BP_TRY(CHECK_KEYS(pixels, where, "count", "height", "width", "bytes", "offset", "scale"));
    BP_TRY(get_size(&schema->pixel_count, pixels, where, "count"));
    BP_TRY(get_size(&schema->image_height, pixels, where, "height"));
    BP_TRY(get_size(&schema->image_width, pixels, where, "width"));
    BP_TRY(get_scaling(&schema->pixel_offset, &schema->pixel_scale, pixels, where));
    if (!json_is_boolean(json_object_get(pixels, "bytes")))
        return fail_field(where, "bytes", "true or false");
    schema->pixel_bytes = json_is_true(json_object_get(pixels, "bytes"));
    if (!bp__mul_size(&area, schema->image_height, schema->image_width) ||
        (schema->image_height || schema->image_width ? area != schema->pixel_count : 0) ||
        schema->pixel_count == 0)
        return bp__fail(BP_ERROR_MODEL, "schema, pixels: %zu pixels of %zu x %zu",
                        schema->pixel_count, schema->image_height, schema->image_width);
    if (schema->task != BP_TASK_CLASSIFY)
        return bp__fail(BP_ERROR_MODEL, "schema: pictures are for classification only");
    return BP_OK;
}

static bp_status read_number_classes(bp_schema *schema, json_t *array)
{
    size_t count = json_array_size(array);
    BP_TRY(bp__new_array(&schema->class_values, count, sizeof *schema->class_values));
    for (size_t i = 0; i < count; ++i) {
        json_t *value = json_array_get(array, i);
        double number = json_number_value(value);
        char text[32];
        uint32_t index;
        if (!json_is_number(value) || (i > 0 && !(number > schema->class_values[i - 1])) ||
            (schema->pixel_count && number != (double)i))
            return fail_field("top", "classes", "a list of numbers in ascending order");
        schema->class_values[i] = number;
        BP_TRY(bp__words_add(&schema->classes, bp__number_text(text, number), &index));
    }
    return BP_OK;
}

static bp_status read_classes(bp_schema *schema, json_t *object)
{
    json_t *array = json_object_get(object, "classes");
    if (!json_is_array(array) || json_array_size(array) < 2 ||
        json_array_size(array) > BP__CLASSES_LIMIT)
        return fail_field("top", "classes", "a list of 2 to 65536");
    if (schema->pixel_count || json_is_number(json_array_get(array, 0)))
        return read_number_classes(schema, array);
    return get_words(&schema->classes, array, "top", "classes", BP__CLASSES_LIMIT);
}

static bp_status read_schema(bp_schema *schema, json_t *object)
{
    BP_TRY(CHECK_KEYS(object, "top", "version", "task", "scaling", "columns", "targets", "pixels",
                      "classes"));
    json_t *version = json_object_get(object, "version");
    if (!json_is_integer(version) || json_integer_value(version) != VERSION)
        return fail_field("top", "version", "2, the one that is known here: train the model anew");
    const char *task = json_string_value(json_object_get(object, "task"));
    if (!task || (strcmp(task, "classify") != 0 && strcmp(task, "regress") != 0))
        return fail_field("top", "task", "\"classify\" or \"regress\"");
    const char *scaling = json_string_value(json_object_get(object, "scaling"));
    schema->scaling = scaling ? bp_scaling_from_name(scaling) : -1;
    if (schema->scaling <= BP_SCALING_AUTO)
        return fail_field("top", "scaling", "one that is known here");
    bool classes = strcmp(task, "classify") == 0,
         pixels = json_object_get(object, "pixels") != NULL;
    schema->task = classes ? BP_TASK_CLASSIFY : BP_TASK_REGRESS;
    if (pixels == (json_object_get(object, "columns") != NULL) ||
        (pixels && json_object_get(object, "targets")))
        return bp__fail(BP_ERROR_MODEL,
                        "schema: either \"pixels\" or \"columns\" and \"targets\" was "
                        "expected");
    if (!classes && json_object_get(object, "classes"))
        return bp__fail(BP_ERROR_MODEL, "schema: regression has no \"classes\"");
    BP_TRY(pixels ? read_pixels(schema, object) : read_table(schema, object));
    if (classes) BP_TRY(read_classes(schema, object));
    bp_status status = bp__schema_count(schema);
    return status == BP_ERROR_DATA ? bp__fail_context(BP_ERROR_MODEL, "schema") : status;
}

bp_status bp_schema_from_json(bp_schema **out, const char *json)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_from_json: out is NULL");
    *out = NULL;
    if (!json) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_from_json: json is NULL");
    json_error_t error;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return bp__fail(json_error_code(&error) == json_error_out_of_memory ? BP_ERROR_MEMORY
                                                                            : BP_ERROR_MODEL,
                        "schema, byte %d: %s", error.position, error.text);
    bp_schema *schema;
    bp_status status = bp__new_array(&schema, 1, sizeof *schema);
    if (status == BP_OK) status = read_schema(schema, object);
    json_decref(object);
    if (status == BP_OK)
        *out = schema;
    else
        bp_schema_free(schema);
    return status;
}
