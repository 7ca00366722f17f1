/* stream_arrays.c - IDX and NPY files, block after block of rows, into a file of raw rows. Each
 * block goes through the readers of whole arrays. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/array.h"
#include "data/idx.h"
#include "data/mnist.h"
#include "data/notes.h"
#include "data/npy.h"
#include "data/raw_rows.h"
#include "data/schema.h"
#include "data/stream.h"
#include "data/table.h"

/* A file that holds one array, and what has been read of it. */
typedef struct array_source {
    bp__source *source;
    bp__array header; /* without bytes */
    size_t expected;  /* bytes of the file */
    size_t read;
    char *ahead; /* bytes that were read with the header */
    size_t ahead_at, ahead_size;
} array_source;

typedef struct reader {
    bp_data *data;
    const bp_load_options *options;
    array_source x, y; /* y.source is NULL where there are no labels */
} reader;

static void close_array(array_source *a)
{
    bp__source_close(a->source);
    bp__array_free(&a->header);
    free(a->ahead);
    *a = (array_source){.source = NULL};
}

static bp_status open_array(array_source *a, const char *path, bp__file_kind kind)
{
    enum { HEADER = 1 << 16 };
    BP_TRY(bp__source_open(&a->source, path));
    BP_TRY(bp__new_array(&a->ahead, HEADER, 1));
    BP_TRY(bp__source_read(a->source, a->ahead, HEADER, &a->ahead_size));
    BP_TRY(kind == BP__FILE_IDX
               ? bp__idx_header(&a->header, &a->expected, a->ahead, a->ahead_size, path)
               : bp__npy_header(&a->header, &a->expected, a->ahead, a->ahead_size, path));
    if (a->header.columns_first)
        return bp__fail(
            BP_ERROR_UNSUPPORTED,
            "%s: is in Fortran order, columns first; only rows can be streamed: save it "
            "in C order (numpy.ascontiguousarray)",
            path);
    a->ahead_at = a->read = a->header.start;
    return BP_OK;
}

static bp_status read_bytes(array_source *a, char *out, size_t size)
{
    size_t got = a->ahead_size - a->ahead_at, more = 0;
    if (got > size) got = size;
    memcpy(out, a->ahead + a->ahead_at, got);
    a->ahead_at += got;
    if (got < size) BP_TRY(bp__source_read(a->source, out + got, size - got, &more));
    a->read += got + more;
    return got + more == size ? BP_OK : bp__array_check_size(&a->header, a->expected, a->read);
}

/* The next `rows` rows as an array of their own. */
static bp_status read_rows(bp__array *out, array_source *a, size_t rows)
{
    *out = a->header;
    out->source = NULL;
    out->start = 0;
    out->size[0] = rows;
    out->count = rows * bp__array_columns(&a->header);
    BP_TRY(bp__copy_text(&out->source, a->header.source));
    BP_TRY(bp__new_array(&out->bytes, out->count, bp__type_size(out->type)));
    return read_bytes(a, out->bytes, out->count * bp__type_size(out->type));
}

static bp_status end_array(array_source *a, bp_data *data)
{
    char extra;
    size_t got = 0;
    if (a->ahead_at < a->ahead_size)
        got = a->ahead_size - a->ahead_at;
    else
        BP_TRY(bp__source_read(a->source, &extra, 1, &got));
    if (got > 0) return bp__array_check_size(&a->header, a->expected, a->expected + got);
    return bp__stream_finish(data, a->source);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Reads a block as the whole file would be read, but for what only all of its rows can tell. */
static bp_status load_block(bp_data **out, const reader *in, bp__arrays *part)
{
    bp_load_options options = *in->options;
    BP_TRY(bp__data_new(out, part->x.source));
    const bool pictures = options.schema ? options.schema->pixel_count > 0 : part->pictures;
    options.allow_missing_target = 1;
    if (!pictures) options.task = BP_TASK_REGRESS;
    BP_TRY(bp__arrays_load(*out, part, 1, &options));
    for (size_t k = 0; k < (*out)->column_count + (*out)->target_count; ++k)
        if ((*out)->columns[k].kind == BP__COLUMN_TEXT)
            return bp__fail(BP_ERROR_UNSUPPORTED,
                            "%s: the model has texts in column \"%s\"; arrays of numbers cannot be "
                            "streamed for it",
                            part->x.source, (*out)->columns[k].name);
    return BP_OK;
}

/* What all blocks have alike, from the first of them. */
static bp_status take_shape(bp_data *data, const bp_data *block)
{
    const size_t count = block->column_count + block->target_count;
    data->pixel_count = block->pixel_count;
    data->image_height = block->image_height;
    data->image_width = block->image_width;
    if (block->pixel_count) {
        data->task = block->task;
        return BP_OK;
    }
    BP_TRY(bp__new_array(&data->columns, count, sizeof *data->columns));
    data->column_count = block->column_count;
    data->target_count = block->target_count;
    for (size_t k = 0; k < count; ++k) {
        BP_TRY(bp__copy_text(&data->columns[k].name, block->columns[k].name));
        data->columns[k].position = block->columns[k].position;
        BP_TRY(bp__notes_new(&data->columns[k].notes, k >= data->column_count));
    }
    return BP_OK;
}

static bool same_shape(const bp_data *data, const bp_data *block)
{
    if (block->column_count != data->column_count || block->target_count != data->target_count ||
        block->pixel_count != data->pixel_count)
        return false;
    if (!data->pixel_count || data->rows == 0) return true;
    return (block->pixels != NULL) == bp__has_pixel_bytes(data) &&
           (block->labels != NULL) == bp__has_picture_labels(data);
}

static bp_status fail_shape(const bp_data *data, const bp_data *block)
{
    return bp__fail(BP_ERROR_DATA,
                    "%s: has other columns than %s; files of one data set have the same columns",
                    bp__data_source(block), bp__data_source(data));
}

static bp_status keep_block(reader *in, bp_data *block, size_t first)
{
    bp_data *data = in->data;
    if (data->rows == 0) BP_TRY(take_shape(data, block));
    if (!same_shape(data, block)) return fail_shape(data, block);
    for (size_t r = 0; r < block->rows; ++r) block->line[r] += (uint32_t)first;
    if (!in->options->allow_missing_target) BP_TRY(bp__check_targets(block));
    for (size_t k = 0; k < data->column_count + data->target_count; ++k)
        BP_TRY(bp__notes_add(data->columns[k].notes, &block->columns[k], block->rows));
    data->rows += block->rows;
    return bp__raw_rows_append(data->raw_rows, block);
}

static bp_status read_block(reader *in, size_t first, size_t rows)
{
    bp__arrays part = {.own_targets = in->x.header.big_endian,
                       .last_is_target = in->y.source == NULL,
                       .pictures = in->x.header.big_endian || in->x.header.dimensions > 2};
    bp_data *block = NULL;
    bp_status status = read_rows(&part.x, &in->x, rows);
    if (status == BP_OK && in->y.source) status = read_rows(&part.y, &in->y, rows);
    if (status == BP_OK) status = load_block(&block, in, &part);
    if (status == BP_OK) status = keep_block(in, block, first);
    bp_data_free(block);
    bp__array_free(&part.x);
    bp__array_free(&part.y);
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bp_status check_labels(const reader *in)
{
    const bp__array *x = &in->x.header, *y = &in->y.header;
    if (bp__array_rows(y) != bp__array_rows(x))
        return bp__fail(BP_ERROR_DATA,
                        "%s has %zu labels, but %s has %zu rows; they do not belong together",
                        y->source, bp__array_rows(y), x->source, bp__array_rows(x));
    if (bp__array_columns(y) > 1 && in->options->task != BP_TASK_REGRESS &&
        !(in->options->schema && in->options->schema->task == BP_TASK_REGRESS))
        return bp__fail(
            BP_ERROR_UNSUPPORTED,
            "%s: has %zu columns of targets; a stream of classes needs their numbers in "
            "one (numpy.argmax), or --task regress",
            y->source, bp__array_columns(y));
    return BP_OK;
}

static bp_status read_file(reader *in)
{
    const size_t rows = bp__array_rows(&in->x.header);
    const size_t row = bp__array_columns(&in->x.header) * bp__type_size(in->x.header.type);
    const size_t step = row < bp__stream_block ? bp__stream_block / row : 1;
    for (size_t first = 0; first < rows; first += step) {
        const size_t count = rows - first < step ? rows - first : step;
        const bp_status status = read_block(in, first, count);
        if (status != BP_OK && first > 0)
            return bp__fail_context(status, "in the rows after the first %zu", first);
        BP_TRY(status);
    }
    BP_TRY(end_array(&in->x, in->data));
    return in->y.source ? end_array(&in->y, in->data) : BP_OK;
}

static bp_status find_labels(char **labels, const bp__stream_input *input, bp__file_kind kind)
{
    BP_TRY(bp__copy_text(labels, input->labels));
    return *labels || kind != BP__FILE_IDX ? BP_OK : bp__mnist_labels(labels, input->path);
}

static bp_status open_pair(reader *in, const bp__stream_input *input, bp__file_kind kind)
{
    char *labels = NULL;
    BP_TRY(open_array(&in->x, input->path, kind));
    bp_status status = find_labels(&labels, input, kind);
    if (status == BP_OK && labels) {
        /* Labels may be of either format. */
        char start[8];
        bp__source *source;
        size_t got = 0;
        status = bp__source_open(&source, labels);
        if (status == BP_OK) status = bp__source_read(source, start, sizeof start, &got);
        bp__source_close(source);
        if (status == BP_OK)
            status =
                open_array(&in->y, labels, bp__is_npy(start, got) ? BP__FILE_NPY : BP__FILE_IDX);
        if (status == BP_OK) status = check_labels(in);
    }
    free(labels);
    return status;
}

bp_status bp__stream_arrays(bp_data *data, const bp__stream_input *inputs, size_t count,
                            const bp_load_options *options, bp__file_kind kind)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK; ++i) {
        reader in = {.data = data, .options = options};
        status = open_pair(&in, &inputs[i], kind);
        if (status == BP_OK) status = read_file(&in);
        close_array(&in.x);
        close_array(&in.y);
    }
    return status;
}
