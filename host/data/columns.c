/* columns.c - questions about the columns of a raw table. */
#include "data/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/notes.h"

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t bp__find_number(const double *values, size_t count, double value)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && values[low] == value ? low : count;
}

enum { FEW = 64 };

/* Those of a target that is a class are few, and found without sorting all of them. false where
 * there are more than FEW. */
static bool find_few(double values[FEW], size_t *count, const double *number, size_t rows,
                     size_t limit)
{
    size_t used = 0, at = 0;
    for (size_t r = 0; r < rows && used < limit; ++r) {
        const double value = number[r];
        if (isnan(value) || (at < used && values[at] == value)) continue;
        for (at = 0; at < used && values[at] < value;) ++at;
        if (at < used && values[at] == value) continue;
        if (used == FEW) return false;
        memmove(values + at + 1, values + at, (used - at) * sizeof *values);
        values[at] = value;
        ++used;
    }
    *count = used;
    return true;
}

bp_status bp__distinct_numbers(double **out, size_t *count, const double *number, size_t rows,
                               size_t limit)
{
    double *sorted, few[FEW];
    size_t used = 0, distinct = 0;
    *out = NULL;
    if (find_few(few, count, number, rows, limit)) {
        BP_TRY(bp__new_array(out, *count, sizeof **out));
        memcpy(*out, few, *count * sizeof **out);
        return BP_OK;
    }
    BP_TRY(bp__new_array(&sorted, rows, sizeof *sorted));
    for (size_t r = 0; r < rows; ++r)
        if (!isnan(number[r])) sorted[used++] = number[r];
    qsort(sorted, used, sizeof *sorted, compare_numbers);
    for (size_t i = 0; i < used && distinct < limit; ++i)
        if (distinct == 0 || sorted[i] != sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    *out = sorted;
    *count = distinct;
    return BP_OK;
}

static bp_status text_classes(uint32_t *ids, const bp__column *target, size_t rows)
{
    uint32_t *order, *rank;
    size_t count = target->words.count;
    BP_TRY(bp__words_sorted(&order, &target->words));
    bp_status status = bp__new_array(&rank, count, sizeof *rank);
    if (status == BP_OK) {
        for (size_t i = 0; i < count; ++i) rank[order[i]] = (uint32_t)i;
        for (size_t r = 0; r < rows; ++r)
            ids[r] = target->text[r] == BP__NO_WORD ? 0 : rank[target->text[r]];
        free(rank);
    }
    free(order);
    return status;
}

static bp_status number_classes(uint32_t *ids, size_t *classes, const bp__column *target,
                                size_t rows)
{
    double *values;
    BP_TRY(bp__distinct_numbers(&values, classes, target->number, rows, rows));
    for (size_t r = 0; r < rows; ++r) {
        size_t found = bp__find_number(values, *classes, target->number[r]);
        ids[r] = found < *classes ? (uint32_t)found : 0;
    }
    free(values);
    return BP_OK;
}

bp_status bp__data_classes(uint32_t **out, size_t *classes, const bp_data *data)
{
    bp_status status = BP_OK;
    BP_TRY(bp__new_array(out, data->rows, sizeof **out));
    *classes = 1;
    if (data->labels) {
        for (size_t r = 0; r < data->rows; ++r) {
            (*out)[r] = (uint32_t)data->labels[r];
            if ((*out)[r] >= *classes) *classes = (size_t)(*out)[r] + 1;
        }
    } else if (data->task == BP_TASK_CLASSIFY && data->target_count == 1) {
        const bp__column *target = bp__data_target(data, 0);
        if (target->kind == BP__COLUMN_TEXT) {
            *classes = target->words.count;
            status = text_classes(*out, target, data->rows);
        } else {
            status = number_classes(*out, classes, target, data->rows);
        }
    }
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

static bool is_missing(const bp__column *column, size_t row)
{
    return column->number ? isnan(column->number[row]) : column->text[row] == BP__NO_WORD;
}

size_t bp__column_missing(const bp__column *column, size_t rows)
{
    size_t missing = 0;
    if (column->notes) return column->notes->missing;
    for (size_t r = 0; r < rows; ++r) missing += is_missing(column, r);
    return missing;
}

/* Most columns vary within a few rows, where the search ends. */
bp__variety bp__column_variety(const bp__column *column, size_t rows)
{
    size_t first = 0;
    const bp__notes *n = column->notes;
    if (n) return (bp__variety){.empty = n->missing == n->rows, .constant = n->constant};
    while (first < rows && is_missing(column, first)) ++first;
    bp__variety v = {.empty = first == rows, .constant = true};
    for (size_t r = first; r < rows && v.constant; ++r)
        v.constant =
            is_missing(column, r) || (column->number ? column->number[r] == column->number[first]
                                                     : column->text[r] == column->text[first]);
    return v;
}

enum { LISTED_NAMES = 6 };

bp_status bp__name_list_add(bp__name_list *list, const char *name)
{
    char shown[64];
    if (list->count++ >= LISTED_NAMES) return BP_OK;
    return bp__append(&list->text, "%s%s", list->text ? ", " : "", bp__shown(shown, name));
}

bp_status bp__name_list_warn(bp__name_list *list, char **warnings, const char *source,
                             const char *one, const char *several)
{
    bp_status status = BP_OK;
    if (list->count == 1)
        status = bp__append(warnings, "%s: column %s %s\n", source, list->text, one);
    else if (list->count > 1)
        status = bp__append(warnings, "%s: %zu columns %s: %s%s\n", source, list->count, several,
                            list->text, list->count > LISTED_NAMES ? ", …" : "");
    free(list->text);
    *list = (bp__name_list){0};
    return status;
}

bp_status bp__report_constant(bp_data *data)
{
    bp__name_list constant = {0}, empty = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < data->column_count && status == BP_OK; ++k) {
        bp__column *column = &data->columns[k];
        bp__variety v = bp__column_variety(column, data->rows);
        if (!v.constant || column->reported) continue;
        column->reported = true;
        status = bp__name_list_add(v.empty ? &empty : &constant, column->name);
    }
    const char *source = bp__data_source(data);
    bp_status first = bp__name_list_warn(&constant, &data->warnings, source,
                                         "has the same value in every row and tells nothing",
                                         "have the same value in every row and tell nothing");
    bp_status second =
        bp__name_list_warn(&empty, &data->warnings, source, "has no values, all cells are missing",
                           "have no values, all cells are missing");
    return status != BP_OK ? status : first != BP_OK ? first : second;
}

enum { ROWS_THAT_TELL = 20 }; /* fewer may be numbers one after the other by chance */

/* Whole numbers from low on, each at most once; seen[rows] is zeroed. */
static bool are_all_different(char *seen, const double *number, size_t rows, double low)
{
    for (size_t r = 0; r < rows; ++r)
        if (seen[(size_t)(number[r] - low)]++) return false;
    return true;
}

/* Whether the cells are so many whole numbers one after the other, in any order. Streamed columns
 * have no cells any more: what they add up to tells. */
static bp_status numbers_rows(bool *out, const bp__column *column, size_t rows)
{
    bp__notes all = {.whole = true};
    const bp__notes *n = column->notes;
    *out = false;
    if (column->kind != BP__COLUMN_NUMBER || rows < ROWS_THAT_TELL) return BP_OK;
    if (!n) {
        bp__moments_begin(&all.sums);
        bp__moments_first(&all.sums, column->number, rows);
        all.missing = rows - all.sums.used;
        for (size_t r = 0; r < rows && all.whole && all.missing == 0; ++r)
            all.whole = column->number[r] == floor(column->number[r]);
        n = &all;
    }
    const bp__moment_sums *sums = &n->sums;
    *out = n->whole && n->missing == 0 && sums->high - sums->low == (double)(rows - 1) &&
           sums->sum == (double)rows * (sums->low + sums->high) / 2;
    if (!*out || !column->number) return BP_OK;
    char *seen;
    BP_TRY(bp__new_array(&seen, rows, 1));
    *out = are_all_different(seen, column->number, rows, sums->low);
    free(seen);
    return BP_OK;
}

bp_status bp__report_row_numbers(bp_data *data)
{
    bp__name_list list = {0};
    bp_status status = BP_OK;
    for (size_t k = 0; k < data->column_count && status == BP_OK; ++k) {
        bool found;
        status = numbers_rows(&found, &data->columns[k], data->rows);
        if (status == BP_OK && found) status = bp__name_list_add(&list, data->columns[k].name);
    }
    bp_status warned = bp__name_list_warn(
        &list, &data->warnings, bp__data_source(data),
        "numbers the rows, from which nothing can be learned; the option ignore leaves it out",
        "number the rows, from which nothing can be learned; the option ignore leaves them out");
    return status != BP_OK ? status : warned;
}

bp_status bp__report_missing(bp_data *data)
{
    bp__name_list list = {0};
    bp_status status = BP_OK;
    if (data->missing == 0) return BP_OK;
    for (size_t k = 0; k < data->column_count && status == BP_OK; ++k)
        if (bp__column_missing(&data->columns[k], data->rows) > 0)
            status = bp__name_list_add(&list, data->columns[k].name);
    if (status == BP_OK)
        status = bp__append(&data->warnings,
                            "%s: %zu missing cell%s in %s%s; a missing number "
                            "counts as the mean, a missing text as no category\n",
                            bp__data_source(data), data->missing, data->missing == 1 ? "" : "s",
                            list.text ? list.text : "", list.count > LISTED_NAMES ? ", …" : "");
    free(list.text);
    return status;
}
