/* schema_learn.c - bp_schema_learn: categories, means, scales, classes from the training part. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/guise.h"
#include "data/notes.h"
#include "data/number.h"
#include "data/raw_rows.h"
#include "data/schema.h"

/* The words that occur in this part, sorted. The column itself may know more: those of the rows
 * that were split off, which the schema must not see. */
static bp_status learn_words(bp__words *out, const bp__column *column, size_t rows)
{
    char *seen;
    uint32_t *order = NULL, index;
    BP_TRY(bp__new_array(&seen, column->words.count, 1));
    bp_status status = bp__words_sorted(&order, &column->words);
    const bp__notes *notes = column->notes;
    for (size_t i = 0; notes && i < column->words.count && i < notes->word_capacity; ++i)
        seen[i] = notes->words[i] > 0;
    for (size_t r = 0; !notes && r < rows && status == BP_OK; ++r)
        if (column->text[r] != BP__NO_WORD) seen[column->text[r]] = 1;
    for (size_t i = 0; i < column->words.count && status == BP_OK; ++i)
        if (seen[order[i]])
            status = bp__words_add(out, bp__words_get(&column->words, order[i]), &index);
    free(order);
    free(seen);
    return status;
}

enum { ROWS_THAT_TELL = 20 };

/* Texts that say more than that they differ, if they were written otherwise. */
static bp_status check_guise(bool *told, bp_schema *schema, const bp_data *data,
                             const bp__schema_column *column)
{
    char shown[64], sign[64], beside[BP__GUISE_BESIDE];
    const bp__guise guise = bp__find_guise(beside, &column->words);
    *told = guise != BP__GUISE_NONE;
    bp__shown(shown, column->name);
    if (guise == BP__GUISE_DATES)
        return bp__append(&schema->warnings,
                          "%s: column %s holds %zu different dates, each a category of its own: of "
                          "when they are nothing is learned; write days or months as numbers, or "
                          "the option ignore leaves it out\n",
                          bp__data_source(data), shown, column->words.count);
    if (guise == BP__GUISE_NUMBERS && *beside)
        return bp__append(&schema->warnings,
                          "%s: column %s holds numbers with \"%s\" beside them, each a category of "
                          "its own: of their size nothing is learned; write the numbers alone\n",
                          bp__data_source(data), shown, bp__shown(sign, beside));
    if (guise == BP__GUISE_NUMBERS)
        return bp__append(&schema->warnings,
                          "%s: column %s holds numbers with more points or commas than one, each a "
                          "category of its own: of their size nothing is learned; write them with "
                          "a decimal point alone\n",
                          bp__data_source(data), shown);
    return BP_OK;
}

/* Hundreds of categories are usually names, numbers or dates, from which nothing can be learned. */
static bp_status check_categories(bp_schema *schema, const bp_data *data,
                                  const bp__schema_column *column)
{
    size_t count = column->words.count;
    char shown[64];
    bp__shown(shown, column->name);
    if (count > BP__CATEGORIES_LIMIT)
        return bp__fail(BP_ERROR_DATA,
                        "%s: column \"%s\" has %zu different texts, at most %zu can be "
                        "categories; if it names the rows, the option ignore leaves it out",
                        bp__data_source(data), shown, count, BP__CATEGORIES_LIMIT);
    bool told;
    BP_TRY(check_guise(&told, schema, data, column));
    if (told) return BP_OK;
    if (count > BP__CATEGORIES_MANY || (count == data->rows && count >= ROWS_THAT_TELL))
        return bp__append(
            &schema->warnings,
            "%s: column %s has %zu different texts in %zu rows, a "
            "feature for each; if it names the rows, the option ignore leaves it out\n",
            bp__data_source(data), shown, count, data->rows);
    return BP_OK;
}

static bp_status learn_column(bp_schema *schema, const bp_data *data, size_t k)
{
    const bp__column *from = &data->columns[k];
    bp__schema_column *column = &schema->columns[k];
    column->kind = from->kind;
    column->position = from->position;
    column->scale = 1;
    BP_TRY(bp__copy_text(&column->name, from->name));
    if (from->kind == BP__COLUMN_TEXT) {
        BP_TRY(learn_words(&column->words, from, data->rows));
        return check_categories(schema, data, column);
    }
    return BP_OK;
}

/* Columns that only this part holds constant: those of the whole file were reported at loading. */
static bp_status report_constant(bp_schema *schema, const bp_data *data)
{
    bp__name_list list = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < data->column_count && status == BP_OK; ++k)
        if (!data->columns[k].reported &&
            bp__column_variety(&data->columns[k], data->rows).constant)
            status = bp__name_list_add(&list, data->columns[k].name);
    bp_status warned = bp__name_list_warn(&list, &schema->warnings, bp__data_source(data),
                                          "does not vary in the training part and tells nothing",
                                          "do not vary in the training part and tell nothing");
    return status != BP_OK ? status : warned;
}

static bp_status learn_table(bp_schema *schema, const bp_data *data)
{
    BP_TRY(bp__new_array(&schema->columns, data->column_count, sizeof *schema->columns));
    schema->column_count = data->column_count;
    for (size_t k = 0; k < data->column_count; ++k) BP_TRY(learn_column(schema, data, k));
    BP_TRY(report_constant(schema, data));
    BP_TRY(bp__new_array(&schema->targets, data->target_count, sizeof *schema->targets));
    schema->target_count = data->target_count;
    for (size_t k = 0; k < data->target_count; ++k) {
        const bp__column *from = bp__data_target(data, k);
        schema->targets[k].position = from->position;
        schema->targets[k].scale = 1;
        BP_TRY(bp__copy_text(&schema->targets[k].name, from->name));
    }
    return BP_OK;
}

static void learn_pixels(bp_schema *schema, const bp_data *data)
{
    schema->pixel_count = data->pixel_count;
    schema->image_height = data->image_height;
    schema->image_width = data->image_width;
    schema->pixel_bytes = bp__has_pixel_bytes(data);
}

static bp_status add_number_classes(bp_schema *schema)
{
    char text[32];
    uint32_t index;
    for (size_t c = 0; c < schema->outputs; ++c) {
        BP_TRY(bp__words_add(&schema->classes, bp__number_text(text, schema->class_values[c]),
                             &index));
        if (index != c) return bp__fail(BP_ERROR_INTERNAL, "class %s comes twice", text);
    }
    return BP_OK;
}

/* One more than the largest label; *one: there is a single one. Classes of pictures count from 0,
 * whether they occur or not, so their number proves nothing. */
static bp_status find_labels(const bp_data *data, size_t *count, bool *one)
{
    bp__cursor cursor;
    const bp_data *block = NULL;
    int32_t least = INT32_MAX, most = 0;
    bp_status status = bp__cursor_begin(&cursor, data, false);
    if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    while (status == BP_OK && block) {
        for (size_t r = 0; r < block->rows; ++r) {
            if (block->labels[r] < least) least = block->labels[r];
            if (block->labels[r] > most) most = block->labels[r];
        }
        status = bp__cursor_next(&cursor, &block);
    }
    bp__cursor_end(&cursor);
    *count = (size_t)most + 1;
    *one = least == most;
    return status;
}

static bp_status take_noted_values(bp_schema *schema, const bp__notes *notes)
{
    schema->outputs = notes->too_many ? BP__CLASSES_LIMIT + 1 : notes->value_count;
    if (notes->too_many) return BP_OK; /* is an error soon */
    BP_TRY(bp__new_array(&schema->class_values, schema->outputs, sizeof(double)));
    for (size_t c = 0; c < schema->outputs; ++c) schema->class_values[c] = notes->values[c].value;
    return BP_OK;
}

static bp_status learn_number_classes(bp_schema *schema, const bp_data *data, bool *one_label)
{
    const bp__column *target = data->target_count ? bp__data_target(data, 0) : NULL;
    if (bp__has_picture_labels(data)) {
        /* IDX labels are numbers from 0; one that does not occur still has its place. */
        BP_TRY(find_labels(data, &schema->outputs, one_label));
        BP_TRY(bp__new_array(&schema->class_values, schema->outputs, sizeof(double)));
        for (size_t c = 0; c < schema->outputs; ++c) schema->class_values[c] = (double)c;
    } else if (target->notes) {
        BP_TRY(take_noted_values(schema, target->notes));
    } else {
        BP_TRY(bp__distinct_numbers(&schema->class_values, &schema->outputs, target->number,
                                    data->rows, data->rows));
    }
    if (schema->outputs > BP__CLASSES_LIMIT)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the target has %zu classes, at most %zu; is it a "
                        "measurement, and the task regression?",
                        bp__data_source(data), schema->outputs, BP__CLASSES_LIMIT);
    return add_number_classes(schema);
}

static bp_status learn_classes(bp_schema *schema, const bp_data *data)
{
    bool one_label = false;
    if (!bp__has_picture_labels(data) && bp__data_target(data, 0)->kind == BP__COLUMN_TEXT) {
        BP_TRY(learn_words(&schema->classes, bp__data_target(data, 0), data->rows));
        if (schema->classes.count > BP__CATEGORIES_LIMIT)
            return bp__fail(BP_ERROR_DATA,
                            "%s: the target has %zu classes, at most %zu; does it name "
                            "the rows?",
                            bp__data_source(data), schema->classes.count, BP__CATEGORIES_LIMIT);
    } else {
        BP_TRY(learn_number_classes(schema, data, &one_label));
    }
    if (schema->classes.count < 2 || one_label)
        return bp__fail(BP_ERROR_DATA,
                        "%s: all rows have the same class, \"%s\"; two at least are "
                        "needed",
                        bp__data_source(data),
                        bp__words_get(&schema->classes, schema->classes.count - 1));
    return BP_OK;
}

/* What is said of targets that are numbers; their scales are learned with all others. */
static bp_status report_constant_targets(bp_schema *schema, const bp_data *data)
{
    for (size_t k = 0; k < data->target_count; ++k)
        if (bp__column_variety(bp__data_target(data, k), data->rows).constant)
            BP_TRY(bp__append(&schema->warnings,
                              "%s: the target %s has the same value in every row\n",
                              bp__data_source(data), schema->targets[k].name));
    return BP_OK;
}

static bp_status learn(bp_schema *schema, const bp_data *data)
{
    schema->task = data->task;
    if (data->pixel_count)
        learn_pixels(schema, data);
    else
        BP_TRY(learn_table(schema, data));
    BP_TRY(schema->task == BP_TASK_CLASSIFY ? learn_classes(schema, data)
                                            : report_constant_targets(schema, data));
    BP_TRY(bp_schema_set_scaling(schema, data, BP_SCALING_AUTO));
    bp_status status = bp__schema_count(schema);
    return status == BP_OK ? status : bp__fail_context(status, "%s", bp__data_source(data));
}

bp_status bp_schema_learn(bp_schema **out, const bp_data *training_part)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_learn: out is NULL");
    *out = NULL;
    if (!training_part) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_learn: the data is NULL");
    if (training_part->encoded)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_schema_learn: the data is encoded already; a schema is "
                        "learned from raw data");
    if (training_part->task == BP_TASK_AUTO)
        return bp__fail(BP_ERROR_DATA, "%s: there is no target to learn from",
                        bp__data_source(training_part));
    bp_schema *schema;
    BP_TRY(bp__notes_complete(training_part));
    BP_TRY(bp__new_array(&schema, 1, sizeof *schema));
    bp_status status = learn(schema, training_part);
    if (status == BP_OK)
        *out = schema;
    else
        bp_schema_free(schema);
    return status;
}
