/* libsvm.c - LIBSVM's sparse rows: kept as index and value until the columns are picked, then
 * written out in full, since networks take every input. */
#include "data/libsvm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "data/gunzip.h"
#include "data/number.h"
#include "data/scan.h"

/* A value that is not 0. */
typedef struct entry {
    uint32_t row, index; /* from 0 */
    double value;
} entry;

struct bp__libsvm_part {
    const char *source; /* borrowed */
    entry *entries;     /* row by row */
    size_t entry_count, entry_capacity;
    double *labels; /* [rows] */
    uint32_t *line; /* [rows] */
    size_t rows, label_capacity, line_capacity;
    size_t features; /* the largest index */
};

/* ---- is it? ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12:0.5", "qid:3": what follows a label. */
static bool is_pair(const char *s, const char *end)
{
    if (end - s > 4 && memcmp(s, "qid:", 4) == 0) return true;
    const char *start = s;
    while (s < end && is_digit(*s)) ++s;
    if (s == start || s == end || *s != ':') return false;
    /* Times of day in a table with commas or semicolons have a colon, too. */
    for (; s < end && !is_blank(*s) && *s != '\n' && *s != '\r'; ++s)
        if (*s == ',' || *s == ';') return false;
    return true;
}

bool bp__is_libsvm(const char *bytes, size_t size)
{
    const char *s = bytes, *end = bytes + size;
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) s += 3;
    while (s < end) {
        while (s < end && (is_blank(*s) || *s == '\n' || *s == '\r')) ++s;
        const char *label = s;
        while (s < end && strchr("+-.0123456789eE,nNaA", *s) && *s) ++s;
        if (s > label && s < end && is_blank(*s)) {
            while (s < end && is_blank(*s)) ++s;
            if (s < end && *s != '#' && *s != '\n' && *s != '\r') return is_pair(s, end);
        }
        if (s < end && *s == '#')
            while (s < end && *s != '\n' && *s != '\r') ++s;
        if (s < end && *s != '\n' && *s != '\r') return false; /* something else than a label */
    }
    return false;
}

/* ---- reading a file ---- */

/* The digits before a colon. */
static bp_status read_index(bp__scan *scan, uint32_t *index, uint32_t least)
{
    const char *s = scan->next;
    size_t number = 0;
    for (; is_digit(*s) && number <= BP__COLUMNS_LIMIT; ++s)
        number = number * 10 + (size_t)(*s - '0');
    if (s > scan->next && is_digit(*s)) number = SIZE_MAX;
    if (number < BP__COLUMNS_LIMIT && (s == scan->next || *s != ':'))
        return bp__scan_fail(scan, "INDEX:VALUE");
    if (number == 0)
        return bp__scan_fail_at(scan, scan->next,
                                "the index is 0, they count from 1; add 1 to all of them "
                                "(scikit-learn: zero_based=False)");
    if (number >= BP__COLUMNS_LIMIT)
        return bp__scan_fail_at(scan, scan->next, "an index beyond %zu, the most that can be read",
                                BP__COLUMNS_LIMIT - 1);
    if (number <= least)
        return bp__scan_fail_at(
            scan, scan->next, "the index %zu comes after %u; they ascend in a row", number, least);
    *index = (uint32_t)number;
    scan->next = s + 1;
    return BP_OK;
}

static bp_status read_pair(bp__scan *scan, bp__libsvm_part *part, uint32_t *last)
{
    double value;
    BP_TRY(read_index(scan, last, *last));
    BP_TRY(bp__scan_number(scan, &value, '#', "a number after the colon"));
    if (part->entry_count == part->entry_capacity)
        BP_TRY(bp__grow(&part->entries, &part->entry_capacity, part->entry_count + 1,
                        sizeof *part->entries));
    part->entries[part->entry_count++] =
        (entry){.row = (uint32_t)part->rows, .index = *last - 1, .value = value};
    if (*last > part->features) part->features = *last;
    return BP_OK;
}

static bp_status read_label(bp__scan *scan, bp__libsvm_part *part)
{
    double label;
    const char *at = scan->next, *comma = at + strcspn(at, ", \t#\r\n");
    if (*comma == ',' && comma > at)
        return bp__scan_fail_at(scan, comma,
                                "several labels in a row cannot be read, one was "
                                "expected");
    BP_TRY(bp__scan_number(scan, &label, '#', "a label, a number,"));
    if (part->rows >= UINT32_MAX)
        return bp__scan_fail_at(scan, at, "more than %u rows", UINT32_MAX);
    BP_TRY(bp__grow(&part->labels, &part->label_capacity, part->rows + 1, sizeof *part->labels));
    BP_TRY(bp__grow(&part->line, &part->line_capacity, part->rows + 1, sizeof *part->line));
    part->labels[part->rows] = label;
    part->line[part->rows] = scan->line;
    return BP_OK;
}

static bp_status read_row(bp__scan *scan, bp__libsvm_part *part)
{
    uint32_t last = 0;
    BP_TRY(read_label(scan, part));
    for (;;) {
        bp__scan_space(scan, false);
        if (bp__scan_at_line_end(scan) || *scan->next == '#') break;
        if (strncmp(scan->next, "qid:", 4) == 0 && last == 0) {
            double query;
            scan->next += 4;
            BP_TRY(bp__scan_number(scan, &query, '#', "a number after qid:"));
            continue;
        }
        BP_TRY(read_pair(scan, part, &last));
    }
    ++part->rows;
    return BP_OK;
}

static void skip_comment(bp__scan *scan)
{
    if (*scan->next != '#') return;
    while (!bp__scan_at_line_end(scan)) ++scan->next;
}

static bp_status read_rows(bp__scan *scan, bp__libsvm_part *part)
{
    for (;;) {
        bp__scan_space(scan, true);
        if (scan->next >= scan->end) return BP_OK; /* blank lines may go on in the next piece */
        skip_comment(scan);
        if (bp__scan_at_line_end(scan)) {
            if (scan->next == scan->end) return BP_OK;
            continue;
        }
        BP_TRY(read_row(scan, part));
        skip_comment(scan);
    }
}

/* ---- a file in pieces ------------------------------------------------------------------------ */

/* Lines that are being read. */
typedef struct piece {
    bp__scan scan;
    bp__libsvm_part part;
} piece;

typedef struct reading {
    bp__libsvm *out;
    bp__scan scan; /* of what has not been taken */
    size_t rows;   /* of the file */
    piece *pieces; /* [count] */
    size_t count;
} reading;

static void clear_part(bp__libsvm_part *part)
{
    free(part->entries);
    free(part->labels);
    free(part->line);
    *part = (bp__libsvm_part){.source = NULL};
}

static bp_status take_lines(void *context, size_t slot, bool *there)
{
    reading *r = context;
    piece *p = &r->pieces[slot];
    p->part.source = r->scan.source;
    *there = bp__scan_lines(&p->scan, &r->scan, bp__piece_size);
    return BP_OK;
}

static bp_status read_lines(void *context, size_t slot)
{
    const reading *r = context;
    bp__point point;
    BP_TRY(bp__point_begin(&point));
    const bp_status status = read_rows(&r->pieces[slot].scan, &r->pieces[slot].part);
    bp__point_end(&point);
    return status;
}

static bp_status keep_lines(void *context, size_t slot)
{
    reading *r = context;
    bp__libsvm *out = r->out;
    bp__libsvm_part *part = &r->pieces[slot].part;
    BP_TRY(bp__grow(&out->parts, &out->part_capacity, out->part_count + 1, sizeof *out->parts));
    if (part->features > out->features) out->features = part->features;
    out->sheet.rows += part->rows;
    r->rows += part->rows;
    out->parts[out->part_count++] = *part;
    *part = (bp__libsvm_part){.source = NULL};
    return BP_OK;
}

bp_status bp__libsvm_add(bp__libsvm *out, const char *bytes, size_t size, const char *source)
{
    reading r = {.out = out, .count = bp__pipeline_slots()};
    const bp__pipeline pipeline = {r.count, take_lines, read_lines, keep_lines};
    out->bytes += size;
    BP_TRY(bp__scan_begin(&r.scan, bytes, size, source));
    BP_TRY(bp__new_array(&r.pieces, r.count, sizeof *r.pieces));
    bp_status status = bp__pipeline_run(&pipeline, &r);
    if (status == BP_OK && r.rows == 0)
        status = bp__fail(BP_ERROR_DATA, "%s: there are no rows", source);
    for (size_t i = 0; i < r.count; ++i) clear_part(&r.pieces[i].part);
    free(r.pieces);
    return status;
}

void bp__libsvm_free(bp__libsvm *libsvm)
{
    for (size_t i = 0; i < libsvm->part_count; ++i) clear_part(&libsvm->parts[i]);
    free(libsvm->parts);
    bp__sheet_clear(&libsvm->sheet);
    memset(libsvm, 0, sizeof *libsvm);
}

/* ---- the table ---- */

/* The data set's column of each of the file's, or NULL. */
static bp_status map_columns(double ***out, bp_data *data, const bp__libsvm *in,
                             const bp__pick *picks, size_t count)
{
    BP_TRY(bp__new_array(out, in->sheet.columns, sizeof **out));
    for (size_t k = 0; k < count; ++k)
        if (picks[k].column != BP__NO_COLUMN) (*out)[picks[k].column] = data->columns[k].number;
    return BP_OK;
}

static bp_status read_libsvm(bp_data *data, const bp__sheet *sheet, const bp__pick *picks,
                             size_t count)
{
    const bp__libsvm *in = (const bp__libsvm *)sheet;
    double **to;
    size_t start = 0;
    BP_TRY(map_columns(&to, data, in, picks, count));
    bp_status status = BP_OK;
    for (size_t i = 0; i < in->part_count && status == BP_OK; ++i) {
        const bp__libsvm_part *part = &in->parts[i];
        status = bp__data_note_rows(data, part->source, part->line, start, start + part->rows);
        for (size_t e = 0; e < part->entry_count; ++e) {
            const entry *at = &part->entries[e];
            if (to[at->index]) to[at->index][start + at->row] = at->value;
        }
        for (size_t r = 0; r < part->rows && to[in->features]; ++r)
            to[in->features][start + r] = part->labels[r];
        start += part->rows;
    }
    free(to);
    return status == BP_OK ? bp__table_texts(data, picks, count) : status;
}

bp_status bp__libsvm_finish(bp__libsvm *out)
{
    bp__sheet *sheet = &out->sheet;
    size_t values, bytes, limit = bp__unpacked_limit(out->bytes);
    sheet->source = out->parts->source;
    sheet->columns = out->features + 1;
    sheet->targets = 1;
    sheet->own_targets = true;
    sheet->sparse = true;
    sheet->read = read_libsvm;
    if (out->features == 0)
        return bp__fail(BP_ERROR_DATA, "%s: no row has a value, only labels are there",
                        sheet->source);
    if (sheet->rows > UINT32_MAX || !bp__mul_size(&values, sheet->rows, sheet->columns) ||
        !bp__mul_size(&bytes, values, sizeof(double)) || bytes > limit)
        return bp__fail(BP_ERROR_DATA,
                        "%s: %zu rows of %zu features would need more than %zu bytes written out "
                        "in full, which a network needs; use fewer features, or fewer rows",
                        sheet->source, sheet->rows, out->features, limit);
    return bp__sheet_number_names(sheet);
}
