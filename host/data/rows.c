/* rows.c - rows as they arrive. A block of whole records is read as if it were a file, by the same
 * functions, with the header put before it; so a block knows what a file knows, and errors are the
 * same. What is decided once, with the first record, is the delimiter, the header and the number of
 * columns. */
#include "data/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/formats.h"
#include "data/load.h"
#include "data/mnist.h"
#include "data/number.h"
#include "data/scan.h"
#include "data/schema.h"

/* What a block's features take at most. */
enum { MOST_NUMBERS = 1 << 22 };
/* A record that is longer has a quote that nobody closed; what is read as a whole may be larger. */
#define RECORD_LIMIT ((size_t)1 << 28)
#define FILE_LIMIT ((size_t)1 << 36)

struct bp_rows {
    bp_load_options options;
    size_t inputs, outputs;
    bp_data *block; /* handed out */

    bp_data *whole; /* encoded; NULL where rows are streamed */
    size_t whole_row;

    bp__row_buffer buffer;
    char delimiter;
    char *header; /* the first record where it is a header, else NULL */
    size_t header_size, columns;
    uint32_t first_line; /* on which the first record stands */
    bool any;            /* a row has been looked for: its absence is told once */
    size_t one_by_one;   /* bytes of the buffer in which a record is known to be bad */
    bp_status pending;   /* of a bad record, once those before it have been handed out */
    char *pending_text;

    char *text; /* the header's and the block's bytes, cut into cells */
    size_t text_capacity;
    size_t *kept; /* [rows][kept_count], offsets into text */
    size_t kept_count, kept_capacity, kept_rows;
    bp__words kept_names;
};

void bp_rows_free(bp_rows *r)
{
    if (!r) return;
    bp_data_free(r->block);
    bp_data_free(r->whole);
    bp__row_buffer_close(&r->buffer);
    bp__words_free(&r->kept_names);
    free((char *)r->options.target);
    free((char *)r->options.keep);
    free(r->header);
    free(r->pending_text);
    free(r->text);
    free(r->kept);
    free(r);
}

size_t bp_rows_kept_count(const bp_rows *r)
{
    return r ? r->kept_count : 0;
}

const char *bp_rows_kept_name(const bp_rows *r, size_t k)
{
    return r && k < r->kept_count ? bp__words_get(&r->kept_names, k) : NULL;
}

const char *bp_rows_kept(const bp_rows *r, size_t row, size_t k)
{
    if (!r || row >= r->kept_rows || k >= r->kept_count) return NULL;
    return r->text + r->kept[row * r->kept_count + k];
}

/* ---- a block ----------------------------------------------------------------------------------
 */

/* Where the kept cells of the rows are. */
static bp_status note_kept(bp_rows *r, const bp__csv *csv)
{
    size_t *columns, count;
    r->kept_rows = 0;
    if (!r->options.keep) return BP_OK;
    BP_TRY(bp__sheet_resolve(&columns, &count, &csv->sheet, r->options.keep));
    bp_status status = BP_OK;
    if (r->kept_count == 0)
        for (size_t k = 0; k < count && status == BP_OK; ++k) {
            uint32_t index;
            status =
                bp__words_add(&r->kept_names, bp__words_get(&csv->sheet.names, columns[k]), &index);
        }
    r->kept_count = count;
    const size_t rows = csv->sheet.rows;
    if (status == BP_OK && rows * count > r->kept_capacity)
        status = bp__grow(&r->kept, &r->kept_capacity, rows * count, sizeof *r->kept);
    size_t *to = r->kept;
    for (size_t i = 0; i < csv->part_count && status == BP_OK; ++i) {
        const bp__csv_part *part = &csv->parts[i];
        for (size_t record = part->header; record < part->records; ++record)
            for (size_t k = 0; k < count; ++k)
                *to++ = (size_t)(bp__csv_cell(part, record, columns[k]) - r->text);
    }
    if (status == BP_OK) r->kept_rows = rows;
    free(columns);
    return status;
}

static bp_status encode(bp_data **out, bp_rows *r, bp__csv *csv)
{
    bp_data *raw;
    BP_TRY(bp__data_new(&raw, r->buffer.source));
    raw->format = BP_FORMAT_CSV;
    bp_status status = bp__table_load(raw, &csv->sheet, &r->options);
    if (status == BP_OK) status = bp_schema_apply(out, r->options.schema, raw);
    if (status == BP_OK && raw->warnings)
        status = bp__append(&(*out)->warnings, "%s", raw->warnings);
    if (status == BP_OK) status = note_kept(r, csv);
    bp_data_free(raw);
    if (status == BP_OK) return BP_OK;
    bp_data_free(*out);
    *out = NULL;
    return status;
}

/* Reads records, of which the first stands on `line`, and encodes them. */
static bp_status read_block(bp_data **out, bp_rows *r, const char *bytes, size_t size,
                            uint32_t line)
{
    const size_t before = r->header ? r->header_size + 1 : 0;
    bp__csv csv = {.columns_line = r->first_line, .sheet.columns = r->columns};
    *out = NULL;
    if (before + size + 1 > r->text_capacity)
        BP_TRY(bp__grow(&r->text, &r->text_capacity, before + size + 1, 1));
    if (r->header) memcpy(r->text, r->header, before);
    memcpy(r->text + before, bytes, size);
    r->text[before + size] = '\0';
    bp_status status = BP_OK;
    csv.next_line = r->first_line;
    if (r->header)
        status = bp__csv_add(&csv, r->text, r->header_size, r->buffer.source, r->delimiter);
    if (status == BP_OK && r->header) csv.parts->header = true;
    csv.next_line = line;
    if (status == BP_OK)
        status = bp__csv_add(&csv, r->text + before, size, r->buffer.source, r->delimiter);
    if (status == BP_OK) status = bp__csv_complete(&csv);
    if (status == BP_OK) status = encode(out, r, &csv);
    bp__csv_free(&csv);
    return status;
}

/* ---- the first record --------------------------------------------------------------------------
 */

/* Whether a lone first record can only be a header: nothing but texts, where the model wants
 * numbers. Where more is there, csv_header.c knows better. */
static bool must_be_header(const bp__csv *csv, const bp_schema *schema)
{
    bool numbers = false;
    double value;
    for (size_t k = 0; k < schema->column_count; ++k)
        numbers = numbers || schema->columns[k].kind == BP__COLUMN_NUMBER;
    for (size_t k = 0; k < csv->sheet.columns && numbers; ++k)
        numbers = bp__cell_read(bp__csv_cell(csv->parts, 0, k), &value) == BP__CELL_TEXT;
    return numbers;
}

/* Finds the delimiter, the header and the number of columns from the records that are there. */
static bp_status look_at_first(bp_rows *r, size_t first, size_t size)
{
    bp__row_buffer *b = &r->buffer;
    bp__csv csv = {.parts = NULL};
    bp__point point;
    BP_TRY(bp__grow(&r->text, &r->text_capacity, size + 1, 1));
    memcpy(r->text, b->bytes + b->begin, size);
    r->text[size] = '\0';
    BP_TRY(bp__point_begin(&point));
    bp_status status = bp__csv_add(&csv, r->text, size, b->source, r->options.delimiter);
    if (status == BP_OK) status = bp__csv_find_headers(&csv, r->options.header, r->options.schema);
    if (status == BP_OK) {
        r->delimiter = csv.parts->delimiter;
        r->columns = csv.sheet.columns;
        r->first_line = csv.parts->line[0];
        if (csv.part_count == 1 && csv.parts->records == 1 && r->options.header < 0 &&
            !csv.parts->header)
            csv.parts->header = must_be_header(&csv, r->options.schema);
    }
    const bool header = status == BP_OK && csv.parts->header;
    bp__point_end(&point);
    bp__csv_free(&csv);
    if (!header) return status;
    BP_TRY(bp__new_array(&r->header, first + 1, 1));
    const size_t mark = memcmp(b->bytes + b->begin, "\xEF\xBB\xBF", first < 3 ? first : 3) ? 0 : 3;
    const size_t blank = bp__row_blank(b, mark, r->delimiter) + mark;
    r->header_size = first - blank;
    memcpy(r->header, b->bytes + b->begin + blank, r->header_size);
    bp__row_buffer_drop(b, first);
    return BP_OK;
}

/* Reads a record of missing cells: what is wrong with the columns is wrong with every row, and
 * belongs to the opening. */
static bp_status try_columns(bp_rows *r)
{
    char *row;
    bp_data *tried;
    BP_TRY(bp__new_array(&row, 2 * r->columns, 1));
    for (size_t k = 0; k < r->columns; ++k) {
        row[2 * k] = '?';
        if (k + 1 < r->columns) row[2 * k + 1] = r->delimiter;
    }
    bp_status status = read_block(&tried, r, row, 2 * r->columns - 1, r->first_line);
    bp_data_free(tried);
    free(row);
    return status;
}

/* The records from the buffer's begin, as many as there are but at most `most`: their size and
 * number, 0 where there is none before the end. Waits for the first. */
static bp_status find_records(bp_rows *r, size_t most, size_t *size, size_t *count)
{
    bp__row_buffer *b = &r->buffer;
    const char delimiter = r->delimiter ? r->delimiter : ',';
    *size = *count = 0;
    for (;;) {
        size_t end;
        while (*count < most && b->end > b->begin && (end = bp__row_end(b, *size, delimiter)) > 0) {
            *size = end;
            ++*count;
        }
        if (*count > 0 || b->ended) return BP_OK;
        BP_TRY(bp__row_buffer_fill(b, RECORD_LIMIT));
    }
}

static bp_status open_stream(bp_rows *r)
{
    enum { LOOK_AT = 1000 };
    size_t size, count, first, one;
    BP_TRY(find_records(r, LOOK_AT, &size, &count));
    if (count == 0)
        return bp__fail(BP_ERROR_DATA, "%s: is empty, a table was expected", r->buffer.source);
    BP_TRY(find_records(r, 1, &first, &one));
    /* A bad record further down is not what the opening is about. */
    if (look_at_first(r, first, size) != BP_OK) BP_TRY(look_at_first(r, first, first));
    return try_columns(r);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static bp_status encode_whole(bp_rows *r, bp_data *raw)
{
    bp_status status = r->options.schema ? bp_schema_apply(&r->whole, r->options.schema, raw)
                                         : bp_data_encode_plain(&r->whole, raw, r->inputs,
                                                                r->outputs, r->options.task);
    if (status == BP_OK && raw->warnings)
        status = bp__append(&r->whole->warnings, "%s", raw->warnings);
    bp_data_free(raw);
    return status;
}

static bp_status refuse_keep(const bp_rows *r, const char *path)
{
    if (!r->options.keep) return BP_OK;
    return bp__fail(BP_ERROR_ARGUMENT,
                    "%s: columns can be kept of a single CSV file, or of standard input that is "
                    "not packed, by a model with a schema",
                    path);
}

/* Standard input, of which a part has come: the rest as well. */
static bp_status load_rest(bp_data **raw, bp_rows *r)
{
    bp__row_buffer *b = &r->buffer;
    bp__input *in;
    while (!b->ended) BP_TRY(bp__row_buffer_fill(b, FILE_LIMIT));
    BP_TRY(bp__new_array(&in, 1, sizeof *in));
    bp_status status = bp__copy_text(&in->path, b->source);
    in->bytes = b->bytes;
    in->size = b->end;
    b->bytes = NULL;
    b->end = b->capacity = 0;
    /* A pipe may have given less than it takes to tell. */
    if (status == BP_OK)
        status = bp__find_kind(&in->kind, r->options.format, in->bytes, in->size, in->path);
    if (status == BP_OK) status = bp__load_inputs(raw, in, 1, &r->options);
    bp__inputs_free(in, 1);
    return status;
}

static bool can_stream(const bp_rows *r, bp__file_kind kind)
{
    const bp__row_buffer *b = &r->buffer;
    const bool packed = b->end >= 2 && memcmp(b->bytes, "\x1f\x8b", 2) == 0;
    return kind == BP__FILE_CSV && !packed && r->options.schema && !r->options.schema->pixel_count;
}

static bp_status open_rows(bp_rows *r, const char *const *paths, const char *const *labels,
                           size_t count)
{
    const bool standard = strcmp(paths[0], "-") == 0;
    const bool one = count == 1 && !(labels && labels[0]) && !r->options.labels &&
                     !r->options.test_part && (standard || !bp__is_directory(paths[0]));
    bp_data *raw;
    if (one) {
        bp__row_buffer *b = &r->buffer;
        bp__file_kind kind;
        BP_TRY(bp__row_buffer_open(b, paths[0]));
        BP_TRY(bp__row_buffer_fill(b, RECORD_LIMIT));
        BP_TRY(bp__find_kind(&kind, r->options.format, b->bytes, b->end, b->source));
        if (can_stream(r, kind)) return open_stream(r);
    }
    BP_TRY(refuse_keep(r, paths[0]));
    BP_TRY(one && standard ? load_rest(&raw, r)
                           : bp_data_load_files(&raw, paths, labels, count, &r->options));
    return encode_whole(r, raw);
}

bp_status bp_rows_open(bp_rows **out, const char *const *paths, const char *const *labels,
                       size_t count, const bp_load_options *options, size_t inputs, size_t outputs)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_rows_open: out is NULL");
    *out = NULL;
    if (!paths || count == 0 || !paths[0])
        return bp__fail(BP_ERROR_ARGUMENT, "bp_rows_open: there is no path");
    bp_rows *r;
    BP_TRY(bp__new_array(&r, 1, sizeof *r));
    r->buffer.fd = -1;
    r->options = bp_load_options_default();
    r->inputs = inputs;
    r->outputs = outputs;
    bp_status status = bp__read_load_options(&r->options, options);
    const char *target = r->options.target, *keep = r->options.keep;
    r->options.target = r->options.keep = NULL;
    if (status == BP_OK) status = bp__copy_text((char **)&r->options.target, target);
    if (status == BP_OK) status = bp__copy_text((char **)&r->options.keep, keep);
    if (status == BP_OK) status = open_rows(r, paths, labels, count);
    if (status == BP_OK)
        *out = r;
    else
        bp_rows_free(r);
    return status;
}

/* ---- the next block ---------------------------------------------------------------------------
 */

/* Rows [from, to) of encoded data. */
static bp_status copy_rows(bp_data **out, const bp_data *from, size_t begin, size_t end)
{
    bp_data *to;
    const size_t rows = end - begin;
    BP_TRY(bp__data_new(&to, from->source));
    to->rows = rows;
    bp__data_copy_shape(to, from);
    bp_status status = bp__new_array(&to->x, rows * to->features, sizeof *to->x);
    if (status == BP_OK)
        memcpy(to->x, from->x + begin * to->features, rows * to->features * sizeof *to->x);
    if (status == BP_OK && from->labels) {
        status = bp__new_array(&to->labels, rows, sizeof *to->labels);
        if (status == BP_OK) memcpy(to->labels, from->labels + begin, rows * sizeof *to->labels);
    }
    if (status == BP_OK && begin == 0 && from->warnings)
        status = bp__copy_text(&to->warnings, from->warnings);
    if (status == BP_OK)
        *out = to;
    else
        bp_data_free(to);
    return status;
}

/* Remembers what was wrong with a record until those before it have been handed out. */
static bp_status hold(bp_rows *r, bp_status status)
{
    free(r->pending_text);
    r->pending_text = NULL;
    BP_TRY(bp__copy_text(&r->pending_text, bp_last_error()));
    r->pending = status;
    return BP_OK;
}

/* Tries the records of a block in which one is bad, up to it: *size is what those before it take,
 * and *bad what it takes itself, 0 where there is none after all. */
static bp_status find_bad(bp_rows *r, size_t limit, size_t *size, size_t *bad)
{
    bp__row_buffer *b = &r->buffer;
    uint32_t line = b->line;
    *size = *bad = 0;
    while (*size < limit) {
        const size_t end = bp__row_end(b, *size, r->delimiter);
        const char *bytes = b->bytes + b->begin + *size;
        bp_data *row;
        const size_t length = end - *size;
        bp_status status = read_block(&row, r, bytes, length, line);
        bp_data_free(row);
        if (status != BP_OK && status != BP_ERROR_DATA) return status;
        if (status != BP_OK) {
            /* A blank line is bad by itself, not with the row behind it. */
            const size_t blank = bp__row_blank(b, *size, r->delimiter);
            *bad = blank ? blank : length;
            return hold(r, status);
        }
        line += bp__count_lines(bytes, bytes + length);
        *size = end;
    }
    return BP_OK;
}

static bp_status next_streamed(bp_rows *r, size_t most)
{
    bp__row_buffer *b = &r->buffer;
    size_t size, count, bad = 0;
    bp_status status = find_records(r, most, &size, &count);
    if (status != BP_OK) { /* nothing behind it can be read */
        b->ended = true;
        b->begin = b->end;
        return status;
    }
    if (count == 0 && r->any) return BP_OK;
    r->any = true;
    if (count == 0)
        return bp__fail(BP_ERROR_DATA, "%s: there are no rows, only a header on line %u", b->source,
                        r->first_line);
    status = BP_ERROR_DATA;
    if (r->one_by_one == 0) status = read_block(&r->block, r, b->bytes + b->begin, size, b->line);
    if (status == BP_ERROR_DATA) {
        if (r->one_by_one == 0) r->one_by_one = size;
        const size_t limit = r->one_by_one < size ? r->one_by_one : size;
        BP_TRY(find_bad(r, limit, &size, &bad));
        status = BP_OK;
        if (size > 0) status = read_block(&r->block, r, b->bytes + b->begin, size, b->line);
        r->one_by_one -= size + bad < r->one_by_one ? size + bad : r->one_by_one;
    }
    bp__row_buffer_drop(b, size + bad);
    return status;
}

bp_status bp_rows_next(const bp_data **block, bp_rows *r, size_t most)
{
    if (!block) return bp__fail(BP_ERROR_ARGUMENT, "bp_rows_next: block is NULL");
    *block = NULL;
    if (!r || most == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_rows_next: rows and a number above 0 are needed");
    bp_data_free(r->block);
    r->block = NULL;
    r->kept_rows = 0;
    const size_t features = r->options.schema ? r->options.schema->features : r->inputs;
    const size_t fit = MOST_NUMBERS / (features ? features : 1);
    if (most > fit) most = fit ? fit : 1;
    if (r->pending == BP_OK && r->whole) {
        const size_t left = r->whole->rows - r->whole_row, rows = left < most ? left : most;
        if (rows > 0) BP_TRY(copy_rows(&r->block, r->whole, r->whole_row, r->whole_row + rows));
        r->whole_row += rows;
    } else if (r->pending == BP_OK) {
        BP_TRY(next_streamed(r, most));
    }
    if (!r->block && r->pending != BP_OK) {
        const bp_status status = r->pending;
        r->pending = BP_OK;
        return bp__fail(status, "%s", r->pending_text);
    }
    *block = r->block;
    return BP_OK;
}
