/* csv_table.c - reads the cells of picked columns as numbers or texts.
 *
 * A column is numbers where all of its cells are, missing ones aside; otherwise it is texts. But a
 * stray text must not turn a column of measurements into a thousand categories: where at least ten
 * cells are there and nine in ten of them are numbers, a text is an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/csv.h"
#include "data/number.h"

enum { PLAIN_CELLS = 10, PLAIN_TENTHS = 9 };

/* What a column's cells turned out to be. */
typedef struct tally {
    size_t numbers, infinite, texts;
    size_t first_text, first_infinite; /* rows */
} tally;

typedef struct reader {
    bp_data *data;
    const bp__csv *csv;
    const bp__pick *picks;
    size_t count;
    tally *tallies; /* [count] */
} reader;

/* The rows of one file. */
typedef struct span {
    const bp__csv_part *part;
    size_t begin, end; /* rows of the table */
} span;

/* The rows of file number `index`; begin and end from the one before. */
static span next_span(const reader *in, size_t index, size_t begin)
{
    const bp__csv_part *part = &in->csv->parts[index];
    return (span){part, begin, begin + part->records - part->header};
}

static const char *cell(const reader *in, const span *s, size_t row, size_t column)
{
    return bp__csv_cell(in->csv, s->part, row - s->begin + s->part->header, column);
}

static bp_status fail_cell(const reader *in, size_t k, size_t row, const char *why)
{
    char shown[64], name[64];
    span s = next_span(in, 0, 0);
    for (size_t i = 1; row >= s.end; ++i) s = next_span(in, i, s.end);
    return bp__fail(BP_ERROR_DATA, "%s, line %u, column \"%s\": \"%s\" %s", s.part->source,
                    in->data->line[row], bp__shown(name, in->picks[k].name),
                    bp__shown(shown, cell(in, &s, row, in->picks[k].column)), why);
}

static void read_numbers(reader *in, const span *s, size_t k, size_t begin, size_t end)
{
    tally *t = &in->tallies[k];
    double *number = in->data->columns[k].number;
    size_t column = in->picks[k].column;
    const char *file_end = s->part->bytes + s->part->size + 1;
    for (size_t r = begin; r < end; ++r) {
        const char *text = cell(in, s, r, column);
        switch (bp__cell_read_within(text, file_end, &number[r])) {
        case BP__CELL_NUMBER: ++t->numbers; break;
        case BP__CELL_MISSING: break;
        case BP__CELL_INFINITE:
            if (t->infinite++ == 0) t->first_infinite = r;
            break;
        case BP__CELL_TEXT:
            if (t->texts++ == 0) t->first_text = r;
            break;
        }
    }
}

/* Reads every column that may be numbers. A few rows at a time, so that the text is still in the
 * cache when the next column reads its part of the same rows. */
static void read_all_numbers(reader *in, const span *s)
{
    enum { BLOCK_CELLS = 8192 };
    size_t block = BLOCK_CELLS / in->csv->sheet.columns + 1;
    for (size_t begin = s->begin; begin < s->end; begin += block) {
        size_t end = s->end - begin < block ? s->end : begin + block;
        for (size_t k = 0; k < in->count; ++k)
            if (in->picks[k].want != BP__WANT_TEXT) read_numbers(in, s, k, begin, end);
    }
}

static bp_status read_words(reader *in, const span *s, size_t k)
{
    bp__column *column = &in->data->columns[k];
    for (size_t r = s->begin; r < s->end; ++r) {
        const char *text = cell(in, s, r, in->picks[k].column);
        column->text[r] = BP__NO_WORD;
        if (bp__is_missing(text)) continue;
        size_t before = column->words.count;
        BP_TRY(bp__words_add(&column->words, text, &column->text[r]));
        if (column->words.count > before && !bp__is_utf8(text))
            return fail_cell(in, k, r, "is not UTF-8; convert the file (iconv -f latin1 -t utf-8)");
    }
    return BP_OK;
}

static bp_status read_texts(reader *in, size_t k)
{
    bp__column *column = &in->data->columns[k];
    free(column->number);
    column->number = NULL;
    column->kind = BP__COLUMN_TEXT;
    BP_TRY(bp__new_array(&column->text, in->data->rows, sizeof *column->text));
    span s = {.end = 0};
    for (size_t i = 0; i < in->csv->part_count; ++i) {
        s = next_span(in, i, s.end);
        BP_TRY(read_words(in, &s, k));
    }
    return BP_OK;
}

/* Cells that are numbers to whoever writes a decimal comma. */
static size_t count_commas(const reader *in, size_t k)
{
    size_t commas = 0;
    span s = {.end = 0};
    for (size_t i = 0; i < in->csv->part_count; ++i) {
        s = next_span(in, i, s.end);
        for (size_t r = s.begin; r < s.end && s.part->delimiter != ','; ++r)
            commas += bp__is_comma_number(cell(in, &s, r, in->picks[k].column));
    }
    return commas;
}

const char *bp__csv_refuse_texts(char why[160], bp__want want, size_t numbers, size_t texts,
                                 size_t commas)
{
    /* A column of "3,5" in a file with another delimiter is numbers to whoever wrote it. */
    if (commas > 0 && (numbers + commas) * 10 >= (numbers + texts) * PLAIN_TENTHS)
        return "has a decimal comma; write numbers with a point";
    if (want == BP__WANT_NUMBER)
        return "is not a number, which the model has in this column; write it as empty or ? if it "
               "is missing";
    if (numbers + texts < PLAIN_CELLS || numbers * 10 < (numbers + texts) * PLAIN_TENTHS)
        return NULL;
    snprintf(why, 160,
             "is not a number, but %zu of the column's %zu values are; write it as empty or ? if "
             "it is missing",
             numbers, numbers + texts);
    return why;
}

static bp_status decide_kind(reader *in, size_t k)
{
    const tally *t = &in->tallies[k];
    const bp__pick *pick = &in->picks[k];
    char text[160];
    if (pick->want == BP__WANT_TEXT) return read_texts(in, k);
    if (pick->quiet) return BP_OK;
    if (t->texts > 0) {
        const char *why = bp__csv_refuse_texts(text, pick->want, t->numbers + t->infinite, t->texts,
                                               count_commas(in, k));
        return why ? fail_cell(in, k, t->first_text, why) : read_texts(in, k);
    }
    if (t->infinite > 0) return fail_cell(in, k, t->first_infinite, "is not a finite number");
    return BP_OK;
}

/* Where each row came from. */
static bp_status note_places(bp_data *data, const reader *in)
{
    span s = {.end = 0};
    for (size_t i = 0; i < in->csv->part_count; ++i) {
        s = next_span(in, i, s.end);
        BP_TRY(bp__data_note_rows(data, s.part->source, s.part->line + s.part->header, s.begin,
                                  s.end));
    }
    return BP_OK;
}

static bp_status read_columns(reader *in)
{
    bp__point point;
    span s = {.end = 0};
    BP_TRY(note_places(in->data, in));
    BP_TRY(bp__point_begin(&point));
    for (size_t i = 0; i < in->csv->part_count; ++i) {
        s = next_span(in, i, s.end);
        read_all_numbers(in, &s);
    }
    bp__point_end(&point);
    bp_status status = BP_OK;
    for (size_t k = 0; k < in->count && status == BP_OK; ++k) status = decide_kind(in, k);
    return status;
}

bp_status bp__csv_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count)
{
    reader in = {.data = data, .csv = (const bp__csv *)sheet, .picks = picks, .count = count};
    BP_TRY(bp__new_array(&in.tallies, count, sizeof *in.tallies));
    bp_status status = read_columns(&in);
    free(in.tallies);
    return status;
}
