/* schema_apply.c - bp_schema_apply: raw data to float32 features and targets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "data/columns.h"
#include "data/encoded_rows.h"
#include "data/number.h"
#include "data/raw_rows.h"
#include "data/schema.h"
#include "data/weights.h"

typedef struct encoder {
    const bp_schema *schema;
    const bp_data *raw;
    bp_data *out;
    size_t unseen;   /* cells with a category that the schema does not know */
    char *unseen_in; /* [column_count] 1: such a cell is in this column */
} encoder;

static bp_status fail_column(const encoder *e, const char *name, const char *why)
{
    char shown[64];
    return bp__fail(BP_ERROR_DATA, "%s: column \"%s\" %s", bp__data_source(e->raw),
                    bp__shown(shown, name), why);
}

/* (value - offset) / scale as float32; what does not fit is an error and not an infinity. */
static bp_status scale_value(float *out, const encoder *e, size_t row, const char *name,
                             double value, double offset, double scale)
{
    double scaled = (value - offset) / scale;
    *out = (float)scaled;
    if (isfinite(*out)) return BP_OK;
    char place[160], shown[64];
    return bp__fail(BP_ERROR_DATA,
                    "%s, column \"%s\": %g is too large: scaled it is %g, beyond float32",
                    bp__data_place(place, e->raw, row), bp__shown(shown, name), value, scaled);
}

static bp_status encode_numbers(encoder *e, const bp__schema_column *column, const bp__column *from,
                                size_t feature)
{
    for (size_t r = 0; r < e->raw->rows; ++r) {
        float *out = &e->out->x[r * e->out->features + feature];
        double value = isnan(from->number[r]) ? column->missing : from->number[r];
        BP_TRY(scale_value(out, e, r, column->name, value, column->offset, column->scale));
    }
    return BP_OK;
}

static bp_status encode_texts(encoder *e, const bp__schema_column *column, const bp__column *from,
                              size_t feature)
{
    uint32_t *known;
    size_t unseen = 0;
    BP_TRY(bp__new_array(&known, from->words.count, sizeof *known));
    for (size_t i = 0; i < from->words.count; ++i)
        known[i] = bp__words_find(&column->words, bp__words_get(&from->words, i));
    for (size_t r = 0; r < e->raw->rows; ++r) {
        if (from->text[r] == BP__NO_WORD) continue;
        uint32_t word = known[from->text[r]];
        if (word == BP__NO_WORD)
            ++unseen;
        else
            e->out->x[r * e->out->features + feature + word] = 1;
    }
    free(known);
    e->unseen += unseen;
    if (unseen) e->unseen_in[column - e->schema->columns] = 1;
    return BP_OK;
}

static bool is_empty(const encoder *e, const bp__column *column)
{
    return bp__column_variety(column, e->raw->rows).empty;
}

static bp_status encode_column(encoder *e, const bp__schema_column *column, const bp__column *from,
                               size_t feature)
{
    if (column->kind == from->kind)
        return column->kind == BP__COLUMN_TEXT ? encode_texts(e, column, from, feature)
                                               : encode_numbers(e, column, from, feature);
    if (is_empty(e, from)) return BP_OK; /* of no kind */
    return fail_column(
        e, column->name,
        column->kind == BP__COLUMN_TEXT
            ? "holds numbers, the schema has texts there; load the file with the schema"
            : "holds texts, the schema has numbers there");
}

/* The raw feature column of that name; k is where it usually is. */
static const bp__column *find_column(const bp_data *raw, const char *name, size_t k)
{
    if (k < raw->column_count && strcmp(raw->columns[k].name, name) == 0) return &raw->columns[k];
    for (size_t i = 0; i < raw->column_count; ++i)
        if (strcmp(raw->columns[i].name, name) == 0) return &raw->columns[i];
    return NULL;
}

static bp_status encode_table(encoder *e)
{
    const bp_schema *schema = e->schema;
    size_t feature = 0;
    if (!e->raw->columns)
        return bp__fail(BP_ERROR_DATA,
                        "%s: holds pictures, the schema is of a table with %zu columns",
                        bp__data_source(e->raw), schema->column_count);
    for (size_t k = 0; k < schema->column_count; ++k) {
        const bp__schema_column *column = &schema->columns[k];
        const bp__column *from = find_column(e->raw, column->name, k);
        if (!from) return fail_column(e, column->name, "is not there, the schema needs it");
        BP_TRY(encode_column(e, column, from, feature));
        feature += column->kind == BP__COLUMN_TEXT ? column->words.count : 1;
    }
    return BP_OK;
}

static bp_status encode_pixels(encoder *e)
{
    const bp_schema *schema = e->schema;
    const bp_data *raw = e->raw;
    if (raw->pixel_count != schema->pixel_count)
        return bp__fail(BP_ERROR_DATA, "%s: %zu values in each row, the schema has pictures of %zu",
                        bp__data_source(raw),
                        raw->pixel_count ? raw->pixel_count : raw->column_count,
                        schema->pixel_count);
    if (schema->pixel_bytes != (raw->pixels != NULL))
        return bp__fail(BP_ERROR_DATA, "%s: holds values of %s, the schema was learned from %s",
                        bp__data_source(raw), raw->pixels ? "type u8" : "another type than u8",
                        raw->pixels ? "another type" : "type u8");
    e->out->image_height = schema->image_height;
    e->out->image_width = schema->image_width;
    size_t count = raw->rows * raw->pixel_count;
    for (size_t i = 0; i < count; ++i) {
        double value = raw->pixels ? raw->pixels[i] : (double)raw->values[i];
        e->out->x[i] = (float)((value - schema->pixel_offset) / schema->pixel_scale);
        if (!isfinite(e->out->x[i]))
            return bp__fail(BP_ERROR_DATA,
                            "%s: row %zu, value %zu (from 0): %g is too large to be "
                            "scaled",
                            bp__data_source(raw), i / raw->pixel_count, i % raw->pixel_count,
                            value);
    }
    return BP_OK;
}

static bp_status fail_label(const encoder *e, size_t row, const char *label)
{
    char place[160], shown[64];
    return bp__fail(BP_ERROR_DATA, "%s: the class \"%s\" is not one of the %zu that were learned",
                    bp__data_place(place, e->raw, row), bp__shown(shown, label),
                    e->schema->classes.count);
}

/* The class of a row, or -1 with its text in label. */
static int32_t class_of(const encoder *e, size_t row, char label[32], const char **text)
{
    const bp_data *raw = e->raw;
    double number = 0;
    if (!raw->labels) {
        const bp__column *target = bp__data_target(raw, 0);
        if (target->kind == BP__COLUMN_TEXT) {
            uint32_t word = target->text[row];
            *text = word == BP__NO_WORD ? "" : bp__words_get(&target->words, word);
            return bp__schema_class_of_text(e->schema, *text);
        }
        number = target->number[row];
    } else {
        number = raw->labels[row];
    }
    int32_t class = bp__schema_class_of_number(e->schema, number);
    if (class < 0) *text = bp__number_text(label, number);
    return class;
}

static bp_status encode_labels(encoder *e)
{
    bp_data *out = e->out;
    if (!e->raw->labels && e->raw->target_count != 1)
        return bp__fail(BP_ERROR_DATA, "%s: %zu target columns, the schema has classes in one",
                        bp__data_source(e->raw), e->raw->target_count);
    BP_TRY(bp__new_array(&out->labels, out->rows, sizeof *out->labels));
    for (size_t r = 0; r < out->rows; ++r) {
        char label[32];
        const char *text = "";
        out->labels[r] = class_of(e, r, label, &text);
        if (out->labels[r] < 0) return fail_label(e, r, text);
    }
    return BP_OK;
}

static bp_status encode_targets(encoder *e)
{
    const bp_schema *schema = e->schema;
    bp_data *out = e->out;
    if (e->raw->target_count != schema->target_count)
        return bp__fail(BP_ERROR_DATA, "%s: %zu target columns, the schema has %zu",
                        bp__data_source(e->raw), e->raw->target_count, schema->target_count);
    size_t count;
    if (!bp__mul_size(&count, out->rows, out->outputs)) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(&out->t, count, sizeof *out->t));
    for (size_t k = 0; k < schema->target_count; ++k) {
        const bp__column *from = bp__data_target(e->raw, k);
        const bp__schema_target *target = &schema->targets[k];
        if (from->kind != BP__COLUMN_NUMBER)
            return fail_column(e, from->name,
                               "holds texts, the schema has a target of numbers there");
        for (size_t r = 0; r < out->rows; ++r)
            BP_TRY(scale_value(&out->t[r * out->outputs + k], e, r, from->name, from->number[r],
                               target->offset, target->scale));
    }
    return BP_OK;
}

static bp_status encode(encoder *e)
{
    const bp_schema *schema = e->schema;
    bp_data *out = e->out;
    size_t count;
    out->encoded = true;
    out->rows = e->raw->rows;
    out->missing = e->raw->missing;
    out->features = schema->features;
    out->outputs = schema->outputs;
    if (!bp__mul_size(&count, out->rows, out->features)) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(&out->x, count, sizeof *out->x));
    BP_TRY(schema->pixel_count ? encode_pixels(e) : encode_table(e));
    if (e->raw->labels || e->raw->target_count > 0) {
        out->task = schema->task;
        BP_TRY(schema->task == BP_TASK_CLASSIFY ? encode_labels(e) : encode_targets(e));
    }
    if (!e->raw->weights) return BP_OK;
    BP_TRY(bp__new_array(&out->weights, out->rows, sizeof *out->weights));
    memcpy(out->weights, e->raw->weights, out->rows * sizeof *out->weights);
    return BP_OK;
}

static bp_status warn_unseen(encoder *e, bp_data *out)
{
    bp__name_list list = {0};
    bp_status status = BP_OK;
    if (e->unseen == 0) return BP_OK;
    for (size_t k = 0; k < e->schema->column_count && status == BP_OK; ++k)
        if (e->unseen_in[k]) status = bp__name_list_add(&list, e->schema->columns[k].name);
    if (status == BP_OK)
        status = bp__append(&out->warnings,
                            "%s: %zu cell%s with a category that was not in the training "
                            "part, in %s: no category\n",
                            bp__data_source(out), e->unseen, e->unseen == 1 ? "" : "s", list.text);
    free(list.text);
    return status;
}

/* What has been encoded is complete but for this. */
static bp_status finish(encoder *e, bp_data *out)
{
    BP_TRY(warn_unseen(e, out));
    BP_TRY(bp__check_weights(out));
    return bp_schema_copy(&out->schema, e->schema);
}

static bp_status apply_resident(bp_data **out, encoder *e, const bp_data *raw)
{
    e->raw = raw;
    BP_TRY(bp__data_new(&e->out, raw->source));
    bp_status status = encode(e);
    if (status == BP_OK) status = finish(e, e->out);
    if (status == BP_OK)
        *out = e->out;
    else
        bp_data_free(e->out);
    return status;
}

/* ---- streamed: block after block, into a file ---- */

static bp_status encode_block(encoder *e, bp_data *out, const bp_data *block)
{
    if (block->rows == 0) return BP_OK;
    e->raw = block;
    BP_TRY(bp__data_new(&e->out, block->source));
    bp_status status = encode(e);
    if (status == BP_OK) status = bp__encoded_rows_append(out->encoded_rows, e->out);
    if (status == BP_OK && out->weights)
        memcpy(out->weights + out->rows, e->out->weights, block->rows * sizeof *out->weights);
    out->task = e->out->task;
    out->features = e->out->features;
    out->outputs = e->out->outputs;
    out->image_height = e->out->image_height;
    out->image_width = e->out->image_width;
    out->rows += block->rows;
    out->missing += block->missing; /* of a part; of all rows they are known */
    bp_data_free(e->out);
    return status;
}

static bp_status encode_blocks(encoder *e, bp_data *out, const bp_data *raw)
{
    bp__cursor cursor;
    const bp_data *block = NULL;
    BP_TRY(bp__encoded_rows_create(&out->encoded_rows, bp__raw_rows_folder(raw->raw_rows)));
    if (bp__has_weights(raw)) BP_TRY(bp__new_array(&out->weights, raw->rows, sizeof *out->weights));
    bp_status status = bp__cursor_begin(&cursor, raw, true);
    if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    while (status == BP_OK && block) {
        status = encode_block(e, out, block);
        if (status == BP_OK) status = bp__cursor_next(&cursor, &block);
    }
    bp__cursor_end(&cursor);
    return status;
}

static bp_status apply_streamed(bp_data **out, encoder *e, const bp_data *raw)
{
    bp_data *to;
    const double start = bp__seconds();
    BP_TRY(bp__data_new(&to, raw->source));
    to->encoded = true;
    to->missing = raw->missing;
    bp_status status = encode_blocks(e, to, raw);
    if (status == BP_OK) status = finish(e, to);
    if (status != BP_OK) {
        bp_data_free(to);
        return status;
    }
    to->stream = raw->stream;
    to->stream.bytes_kept += bp__encoded_rows_bytes(to->encoded_rows);
    to->stream.encode_seconds += bp__seconds() - start;
    *out = to;
    return BP_OK;
}

bp_status bp_schema_apply(bp_data **out, const bp_schema *schema, const bp_data *raw)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_apply: out is NULL");
    *out = NULL;
    if (!schema || !raw)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_apply: the %s is NULL",
                        schema ? "data" : "schema");
    if (raw->encoded)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_schema_apply: the data is encoded already");
    encoder e = {.schema = schema};
    BP_TRY(bp__new_array(&e.unseen_in, schema->column_count, 1));
    const bp_status status =
        raw->raw_rows ? apply_streamed(out, &e, raw) : apply_resident(out, &e, raw);
    free(e.unseen_in);
    return status;
}
