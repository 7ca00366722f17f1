/* data.c - data sets: their life, arrays in memory, and what can be asked of them. */
#include "data/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/encoded_rows.h"
#include "data/notes.h"
#include "data/raw_rows.h"
#include "data/schema.h"

bp_status bp__data_new(bp_data **out, const char *source)
{
    BP_TRY(bp__new_array(out, 1, sizeof **out));
    bp_status status = bp__copy_text(&(*out)->source, source);
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

void bp__data_copy_shape(bp_data *to, const bp_data *from)
{
    to->task = from->task;
    to->format = from->format;
    to->encoded = from->encoded;
    to->pixel_count = from->pixel_count;
    to->image_height = from->image_height;
    to->image_width = from->image_width;
    to->features = from->features;
    to->outputs = from->outputs;
}

void bp__column_clear(bp__column *column)
{
    free(column->name);
    free(column->number);
    free(column->text);
    bp__words_free(&column->words);
    bp__notes_free(column->notes);
    memset(column, 0, sizeof *column);
}

void bp_data_free(bp_data *data)
{
    if (!data) return;
    if (data->columns)
        for (size_t k = 0; k < data->column_count + data->target_count; ++k)
            bp__column_clear(&data->columns[k]);
    free(data->columns);
    if (data->files)
        for (size_t i = 0; i < data->file_count; ++i) free(data->files[i]);
    free(data->files);
    free(data->file);
    free(data->line);
    free(data->source);
    bp__data_forget_sources(data);
    free(data->sources);
    free(data->warnings);
    free(data->pixels);
    free(data->values);
    free(data->x);
    free(data->t);
    free(data->labels);
    bp__raw_rows_release(data->raw_rows);
    bp__share_free(data->share);
    bp__encoded_rows_free(data->encoded_rows);
    free(data->weights);
    bp_schema_free(data->schema);
    free(data);
}

bp_status bp__need_rows(const bp_data *data, const char *who)
{
    if (!data || (!data->raw_rows && !data->encoded_rows)) return BP_OK;
    return bp__fail(BP_ERROR_UNSUPPORTED,
                    "%s: %s is streamed, its rows are not in memory; load it "
                    "without bp_load_options.stream, or a part of it",
                    who, bp__data_source(data));
}

bool bp__has_pixel_bytes(const bp_data *data)
{
    return data->raw_rows ? bp__raw_rows_are_bytes(data->raw_rows) : data->pixels != NULL;
}

bool bp__has_picture_labels(const bp_data *data)
{
    return data->raw_rows ? bp__raw_rows_have_labels(data->raw_rows) : data->labels != NULL;
}

bool bp__has_weights(const bp_data *data)
{
    return data->raw_rows ? bp__raw_rows_have_weights(data->raw_rows) : data->weights != NULL;
}

bp_stream_info bp_data_get_stream(const bp_data *data)
{
    return data ? data->stream : (bp_stream_info){0};
}

/* The first value that is not finite, or count. */
static size_t find_not_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i])) return i;
    return count;
}

static bp_status copy_matrix(float **out, const float *values, size_t rows, size_t columns,
                             const char *what)
{
    size_t count;
    *out = NULL;
    if (!bp__mul_size(&count, rows, columns)) return bp__fail_memory(SIZE_MAX);
    size_t bad = find_not_finite(values, count);
    if (bad < count)
        return bp__fail(BP_ERROR_DATA,
                        "%s: row %zu, column %zu (from 0) is %g; finite numbers were "
                        "expected",
                        what, bad / columns, bad % columns, (double)values[bad]);
    BP_TRY(bp__new_array(out, count, sizeof **out));
    memcpy(*out, values, count * sizeof **out);
    return BP_OK;
}

/* Encoded data without targets yet; what is NULL stands for an argument that is not there. */
static bp_status new_from_arrays(bp_data **out, const float *x, size_t rows, size_t features,
                                 const void *targets, size_t outputs, const char *call)
{
    if (!x || !targets || rows == 0 || features == 0 || outputs == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "%s: %s", call,
                        !x              ? "x is NULL"
                        : !targets      ? "the targets are NULL"
                        : rows == 0     ? "there are no rows"
                        : features == 0 ? "there are no features"
                                        : "there are no outputs");
    if (rows > UINT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "%s: %zu rows, at most %u", call, rows, UINT32_MAX);
    BP_TRY(bp__data_new(out, NULL));
    bp_data *data = *out;
    data->encoded = true;
    data->rows = rows;
    data->features = features;
    data->outputs = outputs;
    bp_status status = copy_matrix(&data->x, x, rows, features, "x");
    if (status != BP_OK) {
        bp_data_free(data);
        *out = NULL;
    }
    return status;
}

bp_status bp_data_from_arrays(bp_data **out, const float *x, size_t rows, size_t features,
                              const float *targets, size_t outputs)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_from_arrays: out is NULL");
    *out = NULL;
    bp_data *data;
    BP_TRY(new_from_arrays(&data, x, rows, features, targets, outputs, "bp_data_from_arrays"));
    data->task = BP_TASK_REGRESS;
    bp_status status = copy_matrix(&data->t, targets, rows, outputs, "targets");
    if (status == BP_OK)
        *out = data;
    else
        bp_data_free(data);
    return status;
}

static bp_status copy_labels(int32_t **out, const int32_t *labels, size_t rows, size_t classes)
{
    for (size_t r = 0; r < rows; ++r)
        if (labels[r] < 0 || (size_t)labels[r] >= classes)
            return bp__fail(BP_ERROR_DATA, "labels: row %zu (from 0) is %d; 0 to %zu was expected",
                            r, (int)labels[r], classes - 1);
    BP_TRY(bp__new_array(out, rows, sizeof **out));
    memcpy(*out, labels, rows * sizeof **out);
    return BP_OK;
}

bp_status bp_data_from_labels(bp_data **out, const float *x, size_t rows, size_t features,
                              const int32_t *labels, size_t classes)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_from_labels: out is NULL");
    *out = NULL;
    bp_data *data;
    if (classes > BP__CLASSES_LIMIT)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_from_labels: %zu classes, at most %zu", classes,
                        BP__CLASSES_LIMIT);
    BP_TRY(new_from_arrays(&data, x, rows, features, labels, classes, "bp_data_from_labels"));
    data->task = BP_TASK_CLASSIFY;
    bp_status status = copy_labels(&data->labels, labels, rows, classes);
    if (status == BP_OK)
        *out = data;
    else
        bp_data_free(data);
    return status;
}

bp_data_info bp_data_get_info(const bp_data *data)
{
    bp_data_info info = {0};
    if (!data) return info;
    info.rows = data->rows;
    info.columns = data->encoded       ? data->features
                   : data->pixel_count ? data->pixel_count
                                       : data->column_count;
    info.features = data->features;
    info.outputs = data->outputs;
    info.task = data->task;
    info.encoded = data->encoded;
    info.missing = data->missing;
    info.format = data->format;
    info.image_height = data->image_height;
    info.image_width = data->image_width;
    info.streamed = data->raw_rows || data->encoded_rows;
    return info;
}

const float *bp_data_features(const bp_data *data)
{
    return data ? data->x : NULL;
}

const int32_t *bp_data_labels(const bp_data *data)
{
    return data && data->encoded ? data->labels : NULL;
}

const float *bp_data_targets(const bp_data *data)
{
    return data ? data->t : NULL;
}

static void copy_rows(void *out, const void *from, size_t row_bytes, size_t first, size_t count)
{
    if (out) memcpy(out, (const char *)from + first * row_bytes, count * row_bytes);
}

bp_status bp_data_read(const bp_data *data, size_t first, size_t count, float *x, int32_t *labels,
                       float *targets)
{
    if (!data || !data->encoded)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_read: encoded data is needed");
    if (first > data->rows || count > data->rows - first)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_read: rows %zu to %zu of %zu", first,
                        first + count, data->rows);
    const bool classes = data->labels || (data->encoded_rows && data->task == BP_TASK_CLASSIFY);
    const bool numbers = data->t || (data->encoded_rows && data->task == BP_TASK_REGRESS);
    if ((labels && !classes) || (targets && !numbers))
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_read: the data has no %s",
                        labels && !classes ? "labels" : "targets");
    if (data->encoded_rows)
        return bp__encoded_read(data->encoded_rows, first, count, x,
                                labels ? (void *)labels : (void *)targets);
    copy_rows(x, data->x, data->features * sizeof *x, first, count);
    copy_rows(labels, data->labels, sizeof *labels, first, count);
    copy_rows(targets, data->t, data->outputs * sizeof *targets, first, count);
    return BP_OK;
}

const char *bp_data_warnings(const bp_data *data)
{
    return data && data->warnings ? data->warnings : "";
}

const bp_schema *bp__data_schema(const bp_data *data)
{
    return data->schema;
}

const bp__column *bp__data_target(const bp_data *data, size_t k)
{
    return &data->columns[data->column_count + k];
}

const char *bp__data_source(const bp_data *data)
{
    return data->source ? data->source : "the data";
}

static bp_status add_file(bp_data *data, const char *source)
{
    char **files = realloc(data->files, (data->file_count + 1) * sizeof *files);
    if (!files) return bp__fail_memory((data->file_count + 1) * sizeof *files);
    data->files = files;
    BP_TRY(bp__copy_text(&files[data->file_count], source));
    ++data->file_count;
    return BP_OK;
}

bp_status bp__data_note_rows(bp_data *data, const char *source, const uint32_t *lines, size_t begin,
                             size_t end)
{
    const size_t last = data->file_count;
    if (last == 0 || strcmp(data->files[last - 1], source) != 0) BP_TRY(add_file(data, source));
    const uint32_t index = (uint32_t)data->file_count - 1;
    if (!data->line) BP_TRY(bp__new_array(&data->line, data->rows, sizeof *data->line));
    if (!data->file && index > 0)
        BP_TRY(bp__new_array(&data->file, data->rows, sizeof *data->file));
    data->lines_are_rows = !lines;
    for (size_t r = begin; r < end; ++r) {
        data->line[r] = lines ? lines[r - begin] : (uint32_t)(r - begin) + 1;
        if (data->file) data->file[r] = index;
    }
    return BP_OK;
}

const char *bp__data_place(char text[160], const bp_data *data, size_t row)
{
    const char *source = data->file ? data->files[data->file[row]] : bp__data_source(data);
    if (data->line && !data->lines_are_rows)
        snprintf(text, 160, "%.120s, line %u", source, data->line[row]);
    else
        snprintf(text, 160, "%.120s, row %zu (from 1)", source,
                 data->line ? (size_t)data->line[row] : row + 1);
    return text;
}

const char *bp__shown(char out[64], const char *text)
{
    enum { ROOM = 63 - 3 };
    size_t length = strlen(text), used = length < 64 ? length : ROOM;
    /* Not in the middle of a UTF-8 character. */
    if (used < length)
        while (used > 0 && ((unsigned char)text[used] & 0xC0) == 0x80) --used;
    for (size_t i = 0; i < used; ++i)
        out[i] = (unsigned char)text[i] < 32 || text[i] == 127 ? ' ' : text[i];
    memcpy(out + used, used < length ? "…" : "", used < length ? 4 : 1);
    return out;
}
