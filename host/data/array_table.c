/* array_table.c - arrays as a table: the columns of x, and those of y as targets. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/array.h"
#include "data/schema.h"
#include "data/table.h"

typedef struct array_sheet {
    bp__sheet sheet; /* first: sheet.read gets it and finds the rest */
    const bp__arrays *parts;
    size_t count;
    size_t features; /* columns of x */
    double *classes; /* [rows] in place of one-hot targets, or NULL */
} array_sheet;

/* ---- one-hot targets ---- */

/* The position of the 1 in a row of one-hot values, or count where it is none. *rest is what the
 * others are, NAN before the first row. */
static size_t find_one(const double *row, size_t count, double *rest)
{
    size_t one = count;
    for (size_t k = 0; k < count; ++k) {
        if (row[k] == 1) {
            if (one < count) return count;
            one = k;
            continue;
        }
        if (isnan(*rest) && (row[k] == 0 || row[k] == -1)) *rest = row[k];
        if (row[k] != *rest) return count;
    }
    return one;
}

bp_status bp__arrays_one_hot(double **out, const bp__arrays *parts, size_t count)
{
    size_t rows = 0, columns = bp__array_columns(&parts->y), done = 0;
    double *row, *classes, rest = NAN;
    bool all = true;
    *out = NULL;
    for (size_t i = 0; i < count; ++i) rows += bp__array_rows(&parts[i].y);
    BP_TRY(bp__new_array(&row, columns, sizeof *row));
    bp_status status = bp__new_array(&classes, rows, sizeof *classes);
    for (size_t i = 0; i < count && all && status == BP_OK; ++i)
        for (size_t r = 0; r < bp__array_rows(&parts[i].y) && all; ++r) {
            bp__array_get_row(row, &parts[i].y, r);
            size_t one = find_one(row, columns, &rest);
            classes[done++] = (double)one;
            all = one < columns;
        }
    free(row);
    if (status == BP_OK && all)
        *out = classes;
    else
        free(classes);
    return status;
}

/* ---- the sheet ---- */

static bp_status check_part(const bp__arrays *first, const bp__arrays *part)
{
    const bp__array *x = &part->x, *y = &part->y;
    if (bp__array_columns(x) != bp__array_columns(&first->x))
        return bp__fail(BP_ERROR_DATA,
                        "%s: %zu columns, but %zu in %s; files of one data set have "
                        "the same columns",
                        x->source, bp__array_columns(x), bp__array_columns(&first->x),
                        first->x.source);
    if ((y->count > 0) != (first->y.count > 0))
        return bp__fail(BP_ERROR_DATA,
                        "%s has targets, %s has none; files of one data set have "
                        "the same columns",
                        y->count ? x->source : first->x.source,
                        y->count ? first->x.source : x->source);
    if (y->count > 0 && bp__array_columns(y) != bp__array_columns(&first->y))
        return bp__fail(BP_ERROR_DATA, "%s: %zu targets, but %zu in %s", y->source,
                        bp__array_columns(y), bp__array_columns(&first->y), first->y.source);
    return BP_OK;
}

/* Several targets of which one is 1 in each row are classes, unless numbers are asked for. */
static bp_status find_classes(bp_data *data, array_sheet *s, const bp_load_options *options)
{
    int32_t task = options->schema ? options->schema->task : options->task;
    if (s->sheet.targets < 2 || task == BP_TASK_REGRESS) return BP_OK;
    BP_TRY(bp__arrays_one_hot(&s->classes, s->parts, s->count));
    if (!s->classes) return BP_OK;
    size_t classes = s->sheet.targets;
    s->sheet.columns = s->features + 1;
    s->sheet.targets = 1;
    s->sheet.classes = true;
    if (options->schema) return BP_OK;
    return bp__append(&data->warnings,
                      "%s: %zu targets of which one is 1 in each row are read as classes 0 to %zu; "
                      "as numbers if the task is regression\n",
                      s->sheet.source, classes, classes - 1);
}

static bp_status read_arrays(bp_data *data, const bp__sheet *sheet, const bp__pick *picks,
                             size_t count);

static bp_status describe(bp_data *data, array_sheet *s, const bp_load_options *options)
{
    bp__sheet *sheet = &s->sheet;
    const bp__arrays *first = s->parts;
    for (size_t i = 0; i < s->count; ++i) {
        BP_TRY(check_part(first, &s->parts[i]));
        sheet->rows += bp__array_rows(&s->parts[i].x);
    }
    if (sheet->rows > UINT32_MAX)
        return bp__fail(BP_ERROR_DATA, "%s: %zu rows, at most %u", first->x.source, sheet->rows,
                        UINT32_MAX);
    s->features = bp__array_columns(&first->x);
    sheet->source = first->x.source;
    sheet->own_targets = first->own_targets || first->y.count > 0;
    sheet->columns = s->features;
    sheet->targets = !sheet->own_targets && first->last_is_target;
    sheet->read = read_arrays;
    if (first->y.count > 0) {
        sheet->targets = bp__array_columns(&first->y);
        sheet->columns += sheet->targets;
    }
    if (sheet->columns > BP__COLUMNS_LIMIT)
        return bp__fail(BP_ERROR_DATA,
                        "%s: %zu columns, at most %zu can be read; is the table transposed?",
                        sheet->source, sheet->columns, BP__COLUMNS_LIMIT);
    if (first->y.count > 0) BP_TRY(find_classes(data, s, options));
    return bp__sheet_number_names(sheet);
}

/* ---- reading ---- */

static bp_status fail_infinite(const bp__array *array, size_t row, size_t column)
{
    return bp__fail(BP_ERROR_DATA,
                    "%s, byte %zu: the value in row %zu, column %zu (from 1) is infinite; a finite "
                    "number was expected",
                    array->source, bp__array_offset(array, row, column), row + 1, column + 1);
}

/* Rows begin to end of a part into out. */
static bp_status read_column(double *out, const array_sheet *s, const bp__arrays *part,
                             size_t column, size_t begin, size_t end)
{
    const bp__array *array = column < s->features ? &part->x : &part->y;
    if (column >= s->features) column -= s->features;
    bp__array_get_column(out, array, column, begin, end - begin);
    for (size_t i = 0; i < end - begin; ++i)
        if (isinf(out[i])) return fail_infinite(array, begin + i, column);
    return BP_OK;
}

/* A few rows at a time, so that what one column leaves of a cache line is there for the next. */
static bp_status read_part(bp_data *data, const array_sheet *s, const bp__arrays *part,
                           const bp__pick *picks, size_t count, size_t start)
{
    enum { BLOCK_VALUES = 8192 };
    size_t rows = bp__array_rows(&part->x), block = BLOCK_VALUES / s->sheet.columns + 1;
    for (size_t begin = 0; begin < rows; begin += block) {
        size_t end = rows - begin < block ? rows : begin + block;
        for (size_t k = 0; k < count; ++k) {
            double *out = data->columns[k].number + start + begin;
            if (s->classes && picks[k].column == s->features)
                for (size_t r = begin; r < end; ++r) out[r - begin] = s->classes[start + r];
            else
                BP_TRY(read_column(out, s, part, picks[k].column, begin, end));
        }
    }
    return BP_OK;
}

static bp_status read_arrays(bp_data *data, const bp__sheet *sheet, const bp__pick *picks,
                             size_t count)
{
    const array_sheet *s = (const array_sheet *)sheet;
    size_t start = 0;
    for (size_t i = 0; i < s->count; ++i) {
        const bp__arrays *part = &s->parts[i];
        size_t rows = bp__array_rows(&part->x);
        BP_TRY(bp__data_note_rows(data, part->x.source, part->line, start, start + rows));
        BP_TRY(read_part(data, s, part, picks, count, start));
        start += rows;
    }
    return bp__table_texts(data, picks, count);
}

bp_status bp__arrays_table(bp_data *data, const bp__arrays *parts, size_t count,
                           const bp_load_options *options)
{
    array_sheet s = {.parts = parts, .count = count};
    bp_status status = describe(data, &s, options);
    if (status == BP_OK) status = bp__table_load(data, &s.sheet, options);
    bp__sheet_clear(&s.sheet);
    free(s.classes);
    return status;
}

/* ---- table or pictures ---- */

static bp_status check_pair(const bp__arrays *part)
{
    const bp__array *x = &part->x, *y = &part->y;
    if (y->count == 0) return BP_OK;
    if (y->dimensions > 2)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has %u dimensions, as files of pictures have; labels were expected "
                        "here (are the two files swapped?)",
                        y->source, y->dimensions);
    if (bp__array_rows(y) != bp__array_rows(x))
        return bp__fail(BP_ERROR_DATA,
                        "%s has %zu labels, but %s has %zu rows; they do not belong together",
                        y->source, bp__array_rows(y), x->source, bp__array_rows(x));
    return BP_OK;
}

bp_status bp__arrays_load(bp_data *data, bp__arrays *parts, size_t count,
                          const bp_load_options *options)
{
    for (size_t i = 0; i < count; ++i) BP_TRY(check_pair(&parts[i]));
    bool pictures = options->schema ? options->schema->pixel_count > 0 : parts->pictures;
    return pictures ? bp__arrays_pictures(data, parts, count, options)
                    : bp__arrays_table(data, parts, count, options);
}
