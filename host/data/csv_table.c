/* csv_table.c - reads the cells of chosen columns as numbers or texts.
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
    size_t numbers, missing, infinite, texts;
    size_t first_text, first_infinite; /* rows */
} tally;

typedef struct reader {
    bp_data *data;
    const bp__csv *csv;
    const bp__pick *picks;
    size_t count;
    tally *tallies; /* [count] */
} reader;

/* Table row r is record r, or r + 1 below a header. */
static const char *cell(const bp__csv *csv, size_t row, size_t column)
{
    return bp__csv_cell(csv, row + csv->header, column);
}

static bp_status fail_cell(const reader *in, size_t k, size_t row, const char *why)
{
    char shown[64], name[64];
    return bp__fail(BP_ERROR_DATA, "%s, line %u, column \"%s\": \"%s\" %s", in->csv->source,
                    in->csv->line[row + in->csv->header], bp__shown(name, in->picks[k].name),
                    bp__shown(shown, cell(in->csv, row, in->picks[k].column)), why);
}

static void read_numbers(reader *in, size_t k, size_t begin, size_t end)
{
    tally *t = &in->tallies[k];
    double *number = in->data->columns[k].number;
    size_t column = in->picks[k].column;
    for (size_t r = begin; r < end; ++r) {
        switch (bp__cell_read(cell(in->csv, r, column), &number[r])) {
        case BP__CELL_NUMBER: ++t->numbers; break;
        case BP__CELL_MISSING: ++t->missing; break;
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
static bp_status read_all_numbers(reader *in)
{
    enum { BLOCK_CELLS = 8192 };
    size_t rows = in->data->rows, block = BLOCK_CELLS / in->csv->columns + 1;
    for (size_t begin = 0; begin < rows; begin += block) {
        size_t end = rows - begin < block ? rows : begin + block;
        for (size_t k = 0; k < in->count; ++k)
            if (in->picks[k].want != BP__WANT_TEXT) read_numbers(in, k, begin, end);
    }
    return BP_OK;
}

static bp_status read_texts(reader *in, size_t k)
{
    bp__column *column = &in->data->columns[k];
    tally *t = &in->tallies[k];
    free(column->number);
    column->number = NULL;
    column->kind = BP__COLUMN_TEXT;
    BP_TRY(bp__new_array(&column->text, in->data->rows, sizeof *column->text));
    t->missing = 0;
    for (size_t r = 0; r < in->data->rows; ++r) {
        const char *text = cell(in->csv, r, in->picks[k].column);
        double value;
        column->text[r] = BP__NO_WORD;
        if (bp__cell_read(text, &value) == BP__CELL_MISSING) {
            ++t->missing;
            continue;
        }
        size_t before = column->words.count;
        BP_TRY(bp__words_add(&column->words, text, &column->text[r]));
        if (column->words.count > before && !bp__is_utf8(text))
            return fail_cell(in, k, r, "is not UTF-8; convert the file (iconv -f latin1 -t utf-8)");
    }
    return BP_OK;
}

static bp_status fail_stray(const reader *in, size_t k)
{
    const tally *t = &in->tallies[k];
    char why[160];
    snprintf(why, sizeof why,
             "is not a number, but %zu of the column's %zu values are; write it as "
             "empty or ? if it is missing",
             t->numbers + t->infinite, t->numbers + t->infinite + t->texts);
    return fail_cell(in, k, t->first_text, why);
}

/* A column of "3,5" in a file with another delimiter is numbers to whoever wrote it. */
static bool is_comma_column(const reader *in, size_t k)
{
    size_t commas = 0;
    if (in->csv->delimiter == ',') return false;
    for (size_t r = 0; r < in->data->rows; ++r)
        commas += bp__is_comma_number(cell(in->csv, r, in->picks[k].column));
    const tally *t = &in->tallies[k];
    return commas > 0 && (t->numbers + commas) * 10 >= (t->numbers + t->texts) * PLAIN_TENTHS;
}

static bp_status decide_kind(reader *in, size_t k)
{
    const tally *t = &in->tallies[k];
    const bp__pick *pick = &in->picks[k];
    size_t numeric = t->numbers + t->infinite, filled = numeric + t->texts;
    if (pick->want == BP__WANT_TEXT) return read_texts(in, k);
    if (pick->quiet) return BP_OK;
    if (t->texts > 0) {
        if (is_comma_column(in, k))
            return fail_cell(in, k, t->first_text,
                             "has a decimal comma; write numbers with a point");
        if (pick->want == BP__WANT_NUMBER)
            return fail_cell(in, k, t->first_text,
                             "is not a number, which the model has in this "
                             "column; write it as empty or ? if it is missing");
        if (filled >= PLAIN_CELLS && numeric * 10 >= filled * PLAIN_TENTHS)
            return fail_stray(in, k);
        return read_texts(in, k);
    }
    if (t->infinite > 0) return fail_cell(in, k, t->first_infinite, "is not a finite number");
    return BP_OK;
}

/* The columns' names and space for their numbers. */
static bp_status prepare(reader *in)
{
    bp_data *data = in->data;
    BP_TRY(bp__new_array(&data->columns, in->count, sizeof *data->columns));
    BP_TRY(bp__new_array(&data->line, data->rows, sizeof *data->line));
    memcpy(data->line, in->csv->line + in->csv->header, data->rows * sizeof *data->line);
    BP_TRY(bp__new_array(&in->tallies, in->count, sizeof *in->tallies));
    for (size_t k = 0; k < in->count; ++k) {
        bp__column *column = &data->columns[k];
        column->position = in->picks[k].position;
        BP_TRY(bp__copy_text(&column->name, in->picks[k].name));
        if (in->picks[k].want != BP__WANT_TEXT)
            BP_TRY(bp__new_array(&column->number, data->rows, sizeof *column->number));
    }
    return BP_OK;
}

static bp_status read_columns(reader *in)
{
    bp__point point;
    BP_TRY(bp__point_begin(&point));
    bp_status status = read_all_numbers(in);
    bp__point_end(&point);
    for (size_t k = 0; k < in->count && status == BP_OK; ++k) status = decide_kind(in, k);
    for (size_t k = 0; k < in->data->column_count && status == BP_OK; ++k)
        in->data->missing += in->tallies[k].missing;
    return status;
}

bp_status bp__csv_table(bp_data *data, const bp__csv *csv, const bp__pick *picks, size_t count,
                        size_t target_count)
{
    data->rows = csv->records - csv->header;
    if (data->rows == 0)
        return bp__fail(BP_ERROR_DATA, "%s: there are no rows, only a header on line %u",
                        csv->source, csv->line[0]);
    data->column_count = count - target_count;
    data->target_count = target_count;
    reader in = {.data = data, .csv = csv, .picks = picks, .count = count};
    bp_status status = prepare(&in);
    if (status == BP_OK) status = read_columns(&in);
    free(in.tallies);
    return status;
}
