/* csv_header.c - whether a CSV file's first record names its columns, and what they are called. */
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

/* A header has no numbers and no question marks, and it is not all empty. */
static bool can_be_header(const bp__csv *csv)
{
    bool any = false;
    for (size_t k = 0; k < csv->columns; ++k) {
        const char *text = bp__csv_cell(csv, 0, k);
        if (is_number(text) || strcmp(text, "?") == 0) return false;
        any = any || *text;
    }
    return any;
}

/* Whether most of the cells below the first record that are not missing are numbers. */
static bool is_numeric_below(const bp__csv *csv, size_t column)
{
    size_t numbers = 0, others = 0;
    for (size_t r = 1; r < csv->records && r <= LOOK_AT_ROWS; ++r) {
        double value;
        bp__cell cell = bp__cell_read(bp__csv_cell(csv, r, column), &value);
        numbers += cell == BP__CELL_NUMBER || cell == BP__CELL_INFINITE;
        others += cell == BP__CELL_TEXT;
    }
    return numbers > others;
}

static bool recurs_below(const bp__csv *csv, size_t column)
{
    const char *first = bp__csv_cell(csv, 0, column);
    for (size_t r = 1; r < csv->records && r <= LOOK_AT_ROWS; ++r)
        if (strcmp(first, bp__csv_cell(csv, r, column)) == 0) return true;
    return false;
}

/* Whether the first record holds at least half of the names that the schema knows. */
static bp_status names_known_columns(bool *out, const bp__csv *csv, const bp_schema *known)
{
    size_t found = 0;
    bp__words cells = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < csv->columns && status == BP_OK; ++k) {
        uint32_t index;
        status = bp__words_add(&cells, bp__csv_cell(csv, 0, k), &index);
    }
    for (size_t k = 0; k < known->column_count; ++k)
        found += bp__words_find(&cells, known->columns[k].name) != BP__NO_WORD;
    bp__words_free(&cells);
    *out = found > 0 && found * 2 >= known->column_count;
    return status;
}

/* Texts above numbers are a header. Where all columns are texts nothing tells a header from a row
 * for certain: a header's words do not come back in their columns. Then a warning says so. */
static bp_status find_header(bp__csv *csv, const bp_schema *known)
{
    csv->header = false;
    if (known) BP_TRY(names_known_columns(&csv->header, csv, known));
    if (csv->header || !can_be_header(csv)) return BP_OK;
    for (size_t k = 0; k < csv->columns; ++k)
        if (is_numeric_below(csv, k)) csv->header = true;
    if (csv->header || known) return BP_OK;
    csv->header = true;
    for (size_t k = 0; k < csv->columns && csv->header; ++k)
        if (recurs_below(csv, k)) csv->header = false;
    if (csv->records == 1) return BP_OK; /* the error that there are no rows says enough */
    return bp__append(&csv->warnings, "%s: no column holds numbers; line %u was taken as %s\n",
                      csv->source, csv->line[0],
                      csv->header ? "the header" : "a row, not as a header");
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
                            csv->source, csv->line[0], column + 1, bp__shown(shown, given));
        if (bp__words_find(&csv->names, given) == BP__NO_WORD)
            return bp__words_add(&csv->names, given, &index);
    }
    char *name = NULL;
    bp_status status = bp__append(&name, "column_%zu", column + 1);
    while (status == BP_OK && bp__words_find(&csv->names, name) != BP__NO_WORD)
        status = bp__append(&name, "_");
    if (status == BP_OK) status = bp__words_add(&csv->names, name, &index);
    if (status == BP_OK && given && *given)
        status = bp__append(&csv->warnings,
                            "%s, line %u: column %zu has the name \"%s\" of another "
                            "column and is called %s here\n",
                            csv->source, csv->line[0], column + 1, bp__shown(shown, given), name);
    free(name);
    return status;
}

bp_status bp__csv_header(bp__csv *csv, int32_t header, const bp_schema *known)
{
    if (header < 0)
        BP_TRY(find_header(csv, known));
    else
        csv->header = header != 0;
    for (size_t k = 0; k < csv->columns; ++k)
        BP_TRY(add_name(csv, k, csv->header ? bp__csv_cell(csv, 0, k) : NULL));
    return BP_OK;
}
