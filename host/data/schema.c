/* schema.c - schemas: their life, and what can be asked of them. */
#include "data/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"

void bp_schema_free(bp_schema *schema)
{
    if (!schema) return;
    if (schema->columns)
        for (size_t k = 0; k < schema->column_count; ++k) {
            free(schema->columns[k].name);
            bp__words_free(&schema->columns[k].words);
        }
    if (schema->targets)
        for (size_t k = 0; k < schema->target_count; ++k) free(schema->targets[k].name);
    free(schema->columns);
    free(schema->targets);
    bp__words_free(&schema->classes);
    free(schema->class_values);
    free(schema->warnings);
    free(schema);
}

static bp_status copy_columns(bp_schema *to, const bp_schema *from)
{
    BP_TRY(bp__new_array(&to->columns, from->column_count, sizeof *to->columns));
    to->column_count = from->column_count;
    for (size_t k = 0; k < from->column_count; ++k) {
        bp__schema_column *column = &to->columns[k];
        *column = from->columns[k];
        column->name = NULL;
        memset(&column->words, 0, sizeof column->words);
        BP_TRY(bp__copy_text(&column->name, from->columns[k].name));
        BP_TRY(bp__words_copy(&column->words, &from->columns[k].words));
    }
    return BP_OK;
}

static bp_status copy_targets(bp_schema *to, const bp_schema *from)
{
    BP_TRY(bp__new_array(&to->targets, from->target_count, sizeof *to->targets));
    to->target_count = from->target_count;
    for (size_t k = 0; k < from->target_count; ++k) {
        to->targets[k] = from->targets[k];
        to->targets[k].name = NULL;
        BP_TRY(bp__copy_text(&to->targets[k].name, from->targets[k].name));
    }
    return BP_OK;
}

static bp_status copy_classes(bp_schema *to, const bp_schema *from)
{
    BP_TRY(bp__words_copy(&to->classes, &from->classes));
    if (!from->class_values) return BP_OK;
    BP_TRY(bp__new_array(&to->class_values, from->classes.count, sizeof *to->class_values));
    memcpy(to->class_values, from->class_values, from->classes.count * sizeof *to->class_values);
    return BP_OK;
}

bp_status bp_schema_copy(bp_schema **out, const bp_schema *schema)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_copy: out is NULL");
    *out = NULL;
    if (!schema) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_copy: schema is NULL");
    bp_schema *copy;
    BP_TRY(bp__new_array(&copy, 1, sizeof *copy));
    /* What is owned is copied one by one; until then it must not be seen twice. */
    *copy = *schema;
    copy->columns = NULL;
    copy->targets = NULL;
    copy->column_count = copy->target_count = 0;
    memset(&copy->classes, 0, sizeof copy->classes);
    copy->class_values = NULL;
    copy->warnings = NULL;
    bp_status status = copy_columns(copy, schema);
    if (status == BP_OK) status = copy_targets(copy, schema);
    if (status == BP_OK) status = copy_classes(copy, schema);
    if (status == BP_OK) status = bp__copy_text(&copy->warnings, schema->warnings);
    if (status == BP_OK)
        *out = copy;
    else
        bp_schema_free(copy);
    return status;
}

bp_status bp__schema_count(bp_schema *schema)
{
    size_t features = schema->pixel_count;
    for (size_t k = 0; k < schema->column_count; ++k) {
        const bp__schema_column *column = &schema->columns[k];
        size_t more = column->kind == BP__COLUMN_TEXT ? column->words.count : 1;
        if (!bp__add_size(&features, features, more) || features > INT32_MAX)
            return bp__fail(BP_ERROR_DATA, "more than %d features", INT32_MAX);
    }
    if (features == 0)
        return bp__fail(BP_ERROR_DATA,
                        "there is nothing to learn from: no feature column holds a value");
    schema->features = features;
    schema->outputs =
        schema->task == BP_TASK_CLASSIFY ? schema->classes.count : schema->target_count;
    return BP_OK;
}

int32_t bp__schema_class_of_text(const bp_schema *schema, const char *text)
{
    uint32_t found = schema->class_values ? BP__NO_WORD : bp__words_find(&schema->classes, text);
    return found == BP__NO_WORD ? -1 : (int32_t)found;
}

int32_t bp__schema_class_of_number(const bp_schema *schema, double value)
{
    if (!schema->class_values) return -1;
    size_t found = bp__find_number(schema->class_values, schema->classes.count, value);
    return found < schema->classes.count ? (int32_t)found : -1;
}

const char *bp_schema_warnings(const bp_schema *schema)
{
    return schema && schema->warnings ? schema->warnings : "";
}

bp_schema_info bp_schema_get_info(const bp_schema *schema)
{
    bp_schema_info info = {0};
    if (!schema) return info;
    info.columns = schema->pixel_count ? schema->pixel_count : schema->column_count;
    info.features = schema->features;
    info.outputs = schema->outputs;
    info.task = schema->task;
    info.scaling = schema->scaling;
    info.image_height = schema->image_height;
    info.image_width = schema->image_width;
    return info;
}

const char *bp_schema_output_name(const bp_schema *schema, size_t k)
{
    if (!schema || k >= schema->outputs) return NULL;
    return schema->task == BP_TASK_CLASSIFY ? bp__words_get(&schema->classes, k)
                                            : schema->targets[k].name;
}

const char *bp_schema_column_name(const bp_schema *schema, size_t k)
{
    return schema && k < schema->column_count ? schema->columns[k].name : NULL;
}

void bp_schema_target_scale(const bp_schema *schema, size_t k, double *offset, double *scale)
{
    bool known = schema && schema->task == BP_TASK_REGRESS && k < schema->target_count;
    if (offset) *offset = known ? schema->targets[k].offset : 0;
    if (scale) *scale = known ? schema->targets[k].scale : 1;
}
