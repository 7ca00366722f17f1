/* csv_header.c - whether the first records of CSV files name the columns, and what they are called.
 * The first file decides; a header of the others must be the same. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/csv.h"
#include "data/number.h"
#include "data/schema.h"

enum { LOOK_AT_ROWS = 1000 };

static bool is_number(const char *text)
{
    double value;
    bp__cell cell = bp__cell_read(text, &value);
    return cell == BP__CELL_NUMBER || cell == BP__CELL_INFINITE || bp__is_comma_number(text);
}

/* Of the first record of all. */
static const char *first_cell(const bp__csv *csv, size_t column)
{
    return bp__csv_cell(csv->parts, 0, column);
}

/* The cells below the first record of a file, of which part[count] may be parts, in a column: the
 * first of them, and how many these are. */
static size_t cells_below(const char *cells[LOOK_AT_ROWS], const bp__csv_part *part, size_t count,
                          size_t column)
{
    size_t found = 0;
    for (size_t i = 0; i < count && (i == 0 || part[i].goes_on); ++i)
        for (size_t r = i == 0; r < part[i].records; ++r) {
            if (found == LOOK_AT_ROWS) return found;
            cells[found++] = bp__csv_cell(&part[i], r, column);
        }
    return found;
}

/* A header has no numbers and no question marks, and it is not all empty. */
static bool can_be_header(const bp__csv_part *part)
{
    bool any = false;
    for (size_t k = 0; k < part->columns; ++k) {
        const char *text = bp__csv_cell(part, 0, k);
        if (is_number(text) || strcmp(text, "?") == 0) return false;
        any = any || *text;
    }
    return any;
}

/* Whether most of the cells below the first record that are not missing are numbers. */
static bool is_numeric_below(const bp__csv_part *part, size_t parts, size_t column)
{
    const char *cells[LOOK_AT_ROWS];
    const size_t count = cells_below(cells, part, parts, column);
    size_t numbers = 0, others = 0;
    for (size_t i = 0; i < count; ++i) {
        double value;
        bp__cell read = bp__cell_read(cells[i], &value);
        numbers += read == BP__CELL_NUMBER || read == BP__CELL_INFINITE;
        others += read == BP__CELL_TEXT;
    }
    return numbers > others;
}

/* Texts above numbers. */
static bool looks_like_header(const bp__csv_part *part, size_t parts)
{
    if (!can_be_header(part)) return false;
    for (size_t k = 0; k < part->columns; ++k)
        if (is_numeric_below(part, parts, k)) return true;
    return false;
}

static bool recurs_below(const bp__csv *csv, size_t column)
{
    const char *first = first_cell(csv, column), *cells[LOOK_AT_ROWS];
    const size_t count = cells_below(cells, csv->parts, csv->part_count, column);
    for (size_t i = 0; i < count; ++i)
        if (strcmp(first, cells[i]) == 0) return true;
    return false;
}

/* Whether the first record holds at least half of the names that the schema knows. */
static bp_status names_known_columns(bool *out, const bp__csv *csv, const bp_schema *known)
{
    size_t found = 0;
    bp__words cells = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < csv->sheet.columns && status == BP_OK; ++k) {
        uint32_t index;
        status = bp__words_add(&cells, first_cell(csv, k), &index);
    }
    for (size_t k = 0; k < known->column_count; ++k)
        found += bp__words_find(&cells, known->columns[k].name) != BP__NO_WORD;
    bp__words_free(&cells);
    *out = found > 0 && found * 2 >= known->column_count;
    return status;
}

/* Where all columns are texts nothing tells a header from a row for certain: a header's words do
 * not come back in their columns. Then a warning says so. */
static bp_status find_header(bool *header, bp__csv *csv, const bp_schema *known)
{
    const bp__csv_part *first = csv->parts;
    *header = false;
    if (known) BP_TRY(names_known_columns(header, csv, known));
    *header = *header || looks_like_header(first, csv->part_count);
    if (*header || known || !can_be_header(first)) return BP_OK;
    *header = true;
    for (size_t k = 0; k < csv->sheet.columns && *header; ++k)
        if (recurs_below(csv, k)) *header = false;
    if (first->records == 1 && !(csv->part_count > 1 && first[1].goes_on))
        return BP_OK; /* the error that there are no rows says enough */
    return bp__append(&csv->sheet.warnings,
                      "%s: no column holds numbers; line %u was taken as %s\n", first->source,
                      first->line[0], *header ? "the header" : "a row, not as a header");
}

/* The first column that is called otherwise in this file than in the first, or all of them. */
static size_t find_other_name(const bp__csv *csv, const bp__csv_part *part)
{
    size_t k = 0;
    while (k < csv->sheet.columns && strcmp(first_cell(csv, k), bp__csv_cell(part, 0, k)) == 0) ++k;
    return k;
}

/* A later file may leave the header out, as pieces of a file that was split do; one that has
 * another header does not belong to the others. */
bp_status bp__csv_later_header(const bp__csv *csv, bp__csv_part *part, size_t parts, bool forced)
{
    const bp__csv_part *first = csv->parts;
    char found[64], expected[64];
    size_t k = find_other_name(csv, part);
    part->header = first->header && k == csv->sheet.columns;
    if (part->header || !(forced || looks_like_header(part, parts))) return BP_OK;
    bp__shown(found, bp__csv_cell(part, 0, k));
    if (!first->header)
        return bp__fail(BP_ERROR_DATA,
                        "%s, line %u: a header (column 1 is \"%s\"), but %s has none; say "
                        "--no-header if it is a row",
                        part->source, part->line[0], found, first->source);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: column %zu is called \"%s\", but \"%s\" in %s; files of one data "
                    "set have the same columns in the same order",
                    part->source, part->line[0], k + 1, found,
                    bp__shown(expected, first_cell(csv, k)), first->source);
}

/* The given name where it is there and new, else column_N, with underscores until it is new. */
static bp_status add_name(bp__csv *csv, size_t column, const char *given)
{
    char shown[64];
    uint32_t index;
    if (given && *given) {
        if (!bp__is_utf8(given))
            return bp__fail(BP_ERROR_DATA,
                            "%s, line %u, column %zu: the name \"%s\" is not UTF-8; "
                            "convert the file (iconv -f latin1 -t utf-8)",
                            csv->parts->source, csv->parts->line[0], column + 1,
                            bp__shown(shown, given));
        if (bp__words_find(&csv->sheet.names, given) == BP__NO_WORD)
            return bp__words_add(&csv->sheet.names, given, &index);
    }
    char *name = NULL;
    bp_status status = bp__append(&name, "column_%zu", column + 1);
    while (status == BP_OK && bp__words_find(&csv->sheet.names, name) != BP__NO_WORD)
        status = bp__append(&name, "_");
    if (status == BP_OK) status = bp__words_add(&csv->sheet.names, name, &index);
    if (status == BP_OK && given && *given)
        status = bp__append(&csv->sheet.warnings,
                            "%s, line %u: column %zu has the name \"%s\" of another "
                            "column and is called %s here\n",
                            csv->parts->source, csv->parts->line[0], column + 1,
                            bp__shown(shown, given), name);
    free(name);
    return status;
}

bp_status bp__csv_complete(bp__csv *csv)
{
    bp__sheet *sheet = &csv->sheet;
    const bp__csv_part *first = csv->parts;
    for (size_t k = 0; k < sheet->columns; ++k)
        BP_TRY(add_name(csv, k, first->header ? first_cell(csv, k) : NULL));
    for (size_t i = 0; i < csv->part_count; ++i)
        sheet->rows += csv->parts[i].records - csv->parts[i].header;
    if (sheet->rows == 0)
        return bp__fail(BP_ERROR_DATA, "%s: there are no rows, only a header on line %u",
                        first->source, first->line[0]);
    if (sheet->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_DATA, "%s: %zu rows, at most %u", first->source, sheet->rows,
                        UINT32_MAX);
    sheet->source = first->source;
    sheet->targets = 1;
    sheet->header = first->header;
    sheet->delimited = true;
    sheet->read = bp__csv_read;
    return BP_OK;
}

bp_status bp__csv_find_headers(bp__csv *csv, int32_t header, const bp_schema *known)
{
    if (header < 0)
        BP_TRY(find_header(&csv->parts->header, csv, known));
    else
        csv->parts->header = header != 0;
    for (size_t i = 1; i < csv->part_count && header != 0; ++i)
        if (!csv->parts[i].goes_on)
            BP_TRY(bp__csv_later_header(csv, &csv->parts[i], csv->part_count - i, header > 0));
    return BP_OK;
}

bp_status bp__csv_header(bp__csv *csv, int32_t header, const bp_schema *known)
{
    BP_TRY(bp__csv_find_headers(csv, header, known));
    return bp__csv_complete(csv);
}
