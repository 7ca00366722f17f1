/* table_target.c - a table that stands for itself: which columns are targets, and which task they
 * make. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/notes.h"
#include "data/table.h"

static bp_status fail_no_column(const bp__sheet *sheet, const char *name)
{
    char *list, shown[64], shown_near[64];
    const char **names;
    BP_TRY(bp__sheet_list_names(&list, sheet));
    bp_status status = bp__words_pointers(&names, &sheet->names);
    if (status == BP_OK) {
        const char *near = bp_nearest(name, names, sheet->columns);
        status =
            bp__fail(BP_ERROR_DATA, "%s: there is no column \"%s\"%s%s%s (the columns are: %s)",
                     sheet->source, bp__shown(shown, name), near ? ": did you mean \"" : "",
                     near ? bp__shown(shown_near, near) : "", near ? "\"?" : "", list);
        free(names);
    }
    free(list);
    return status;
}

/* A name, or a number that counts from 1, or from the end where negative. */
static bp_status resolve_one(size_t *column, const bp__sheet *sheet, const char *text)
{
    uint32_t found = bp__words_find(&sheet->names, text);
    if (found != BP__NO_WORD) {
        *column = found;
        return BP_OK;
    }
    char *rest;
    errno = 0;
    long number = strtol(text, &rest, 10);
    if (rest == text || *rest) return fail_no_column(sheet, text);
    long columns = (long)sheet->columns;
    if (errno || number == 0 || number > columns || number < -columns)
        return bp__fail(BP_ERROR_DATA,
                        "%s: there is no column %s: they are numbered from 1 to %ld, "
                        "or from -1 backwards",
                        sheet->source, text, columns);
    *column = (size_t)(number > 0 ? number - 1 : columns + number);
    return BP_OK;
}

/* Resolves the comma-joined parts of list, which is cut up; need_all: they must all be there. */
static bp_status resolve_list(size_t *columns, size_t *count, const bp__sheet *sheet, char *list,
                              bool need_all)
{
    for (char *next = list; next;) {
        char *part = next, *comma = strchr(next, ',');
        if (comma) *comma = '\0';
        next = comma ? comma + 1 : NULL;
        while (*part == ' ') ++part;
        for (size_t n = strlen(part); n > 0 && part[n - 1] == ' '; --n) part[n - 1] = '\0';
        if (!need_all) bp__hold_error(true);
        const bp_status status = resolve_one(&columns[*count], sheet, part);
        if (!need_all) bp__hold_error(false);
        if (status == BP_ERROR_DATA && !need_all) continue;
        BP_TRY(status);
        for (size_t i = 0; i < *count; ++i)
            if (columns[i] == columns[*count])
                return bp__fail(BP_ERROR_DATA, "%s: column \"%s\" is named twice", sheet->source,
                                bp__words_get(&sheet->names, columns[i]));
        ++*count;
    }
    return BP_OK;
}

static bp_status resolve(size_t **columns, size_t *count, const bp__sheet *sheet, const char *text,
                         bool need_all)
{
    *columns = NULL;
    *count = 0;
    size_t most = 1;
    for (const char *c = text; *c; ++c) most += *c == ',';
    /* More than there are, or named twice: do not even try. */
    if (need_all && most > sheet->columns + 1)
        return bp__fail(BP_ERROR_DATA, "%s: %zu columns are named, but the file has %zu columns",
                        sheet->source, most, sheet->columns);
    BP_TRY(bp__new_array(columns, most, sizeof **columns));
    uint32_t whole = bp__words_find(&sheet->names, text);
    if (whole != BP__NO_WORD) {
        (*columns)[(*count)++] = whole;
        return BP_OK;
    }
    char *list;
    bp_status status = bp__copy_text(&list, text);
    if (status == BP_OK) status = resolve_list(*columns, count, sheet, list, need_all);
    free(list);
    if (status != BP_OK) {
        free(*columns);
        *columns = NULL;
        *count = 0;
    }
    return status;
}

bp_status bp__sheet_weights(size_t *column, const bp__sheet *sheet, const bp_load_options *options)
{
    *column = BP__NO_COLUMN;
    return options->weights ? resolve_one(column, sheet, options->weights) : BP_OK;
}

bp_status bp__sheet_resolve(size_t **columns, size_t *count, const bp__sheet *sheet,
                            const char *text)
{
    return resolve(columns, count, sheet, text, true);
}

bp_status bp__sheet_find(size_t **columns, size_t *count, const bp__sheet *sheet, const char *text)
{
    return resolve(columns, count, sheet, text, false);
}

/* Columns that are no features: targets, and those that are left out. */
static bp_status mark(char *taken, const bp__sheet *sheet, size_t weights, const size_t *targets,
                      size_t count, const char *ignore)
{
    size_t *ignored, ignored_count;
    char shown[64];
    for (size_t i = 0; i < count; ++i) taken[targets[i]] = 1;
    if (!ignore) return BP_OK;
    BP_TRY(bp__sheet_resolve(&ignored, &ignored_count, sheet, ignore));
    bp_status status = BP_OK;
    for (size_t i = 0; i < ignored_count && status == BP_OK; ++i) {
        if (ignored[i] == weights)
            status =
                bp__fail(BP_ERROR_DATA,
                         "%s: the column \"%s\" is to be both the weights, which are no "
                         "feature anyway, and left out; name it once",
                         sheet->source, bp__shown(shown, bp__words_get(&sheet->names, ignored[i])));
        else if (taken[ignored[i]])
            status =
                bp__fail(BP_ERROR_DATA,
                         "%s: column \"%s\" is the target, which cannot be left out; name "
                         "another target",
                         sheet->source, bp__shown(shown, bp__words_get(&sheet->names, ignored[i])));
        taken[ignored[i]] = 1;
    }
    free(ignored);
    return status;
}

/* The features in the order of the file, the weights, if there are any, then the targets; *picked
 * of them. */
static bp_status pick(bp__pick **out, size_t *picked, const bp__sheet *sheet, size_t weights,
                      const size_t *targets, size_t count, const char *ignore)
{
    bp__pick *picks = NULL;
    char *taken;
    size_t used = 0;
    BP_TRY(bp__new_array(&taken, sheet->columns, 1));
    bp_status status = mark(taken, sheet, weights, targets, count, ignore);
    if (status == BP_OK) status = bp__new_array(&picks, sheet->columns, sizeof *picks);
    if (status == BP_OK) {
        for (size_t k = 0; k < sheet->columns; ++k)
            if (!taken[k] && k != weights) picks[used++].column = k;
        if (weights != BP__NO_COLUMN) {
            picks[used].want = BP__WANT_NUMBER;
            picks[used].weights = true;
            picks[used++].column = weights;
        }
        *picked = used + count;
        for (size_t i = 0; i < count; ++i) picks[used++].column = targets[i];
        for (size_t k = 0; k < used; ++k) {
            picks[k].position = picks[k].column;
            picks[k].name = bp__words_get(&sheet->names, picks[k].column);
        }
    }
    *out = picks;
    free(taken);
    return status;
}

/* A row whose target is unknown teaches nothing and cannot be scored. */
bp_status bp__check_targets(const bp_data *data)
{
    for (size_t k = 0; k < data->target_count; ++k) {
        const bp__column *target = bp__data_target(data, k);
        char place[160], shown[64];
        for (size_t r = 0; r < data->rows; ++r)
            if (target->number ? isnan(target->number[r]) : target->text[r] == BP__NO_WORD)
                return bp__fail(BP_ERROR_DATA,
                                "%s: the target (column \"%s\") is missing; remove "
                                "the row or name another target",
                                bp__data_place(place, data, r), bp__shown(shown, target->name));
    }
    return BP_OK;
}

enum { MOST_CLASSES_BY_ITSELF = 20, ROWS_A_CLASS = 5 };

/* Numbers are classes by themselves where they are integers of few values: at most 20, and at least
 * five rows a value on average (two values always pass). */
static bp_status is_few_valued(bool *out, const bp__column *target, size_t rows)
{
    *out = false;
    const bp__notes *n = target->notes;
    if (n) {
        *out = n->whole && !n->too_many && n->value_count <= MOST_CLASSES_BY_ITSELF &&
               (n->value_count <= 2 || n->value_count <= rows / ROWS_A_CLASS);
        return BP_OK;
    }
    for (size_t r = 0; r < rows; ++r)
        if (!isnan(target->number[r]) && target->number[r] != floor(target->number[r]))
            return BP_OK;
    double *values;
    size_t count;
    BP_TRY(bp__distinct_numbers(&values, &count, target->number, rows, MOST_CLASSES_BY_ITSELF + 1));
    free(values);
    *out = count <= MOST_CLASSES_BY_ITSELF && (count <= 2 || count <= rows / ROWS_A_CLASS);
    return BP_OK;
}

bp_status bp__table_task(bp_data *data, int32_t wanted)
{
    bool text = false;
    char shown[64];
    for (size_t k = 0; k < data->target_count; ++k) {
        const bp__column *target = bp__data_target(data, k);
        text = text || target->kind == BP__COLUMN_TEXT;
        bool alone = data->target_count == 1 && wanted != BP_TASK_REGRESS;
        if (target->kind == BP__COLUMN_TEXT && !alone)
            return bp__fail(BP_ERROR_DATA,
                            "%s: the target (column \"%s\") holds texts, numbers are "
                            "needed for regression%s",
                            data->source, bp__shown(shown, target->name),
                            data->target_count > 1 ? " with several targets" : "");
    }
    if (data->target_count > 1 && wanted == BP_TASK_CLASSIFY)
        return bp__fail(BP_ERROR_DATA, "%s: classification has one target column, %zu are named",
                        data->source, data->target_count);
    data->task = wanted;
    if (wanted != BP_TASK_AUTO) return BP_OK;
    bool classes = text;
    if (!text && data->target_count == 1)
        BP_TRY(is_few_valued(&classes, bp__data_target(data, 0), data->rows));
    data->task = classes ? BP_TASK_CLASSIFY : BP_TASK_REGRESS;
    return BP_OK;
}

/* The columns that are targets: those that are named, else the last ones that the sheet has. */
static bp_status find_targets(size_t **targets, size_t *count, const bp__sheet *sheet,
                              const char *named)
{
    if (named) return bp__sheet_resolve(targets, count, sheet, named);
    *count = sheet->targets;
    BP_TRY(bp__new_array(targets, *count, sizeof **targets));
    for (size_t i = 0; i < *count; ++i) (*targets)[i] = sheet->columns - *count + i;
    return BP_OK;
}

/* The weights are no target. */
static bp_status check_weights(const bp__sheet *sheet, size_t weights, const size_t *targets,
                               size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (targets[i] == weights)
            return bp__fail(BP_ERROR_DATA,
                            "%s: the column \"%s\" is to be both the target and the weights; name "
                            "another target",
                            sheet->source, bp__words_get(&sheet->names, weights));
    return BP_OK;
}

bp_status bp__table_pick(bp__pick **picks, size_t *count, size_t *target_count,
                         const bp__sheet *sheet, const bp_load_options *options)
{
    size_t *targets, weights;
    *picks = NULL;
    BP_TRY(bp__sheet_weights(&weights, sheet, options));
    BP_TRY(find_targets(&targets, target_count, sheet, options->target));
    bp_status status = check_weights(sheet, weights, targets, *target_count);
    if (status == BP_OK)
        status = pick(picks, count, sheet, weights, targets, *target_count, options->ignore);
    if (status == BP_OK && *target_count + (weights != BP__NO_COLUMN) >= *count)
        status = bp__fail(
            BP_ERROR_DATA, "%s: %s; a feature column and a target are needed at least%s",
            sheet->source,
            sheet->columns == 1 ? "there is only one column"
            : options->ignore   ? "all columns are targets or left out"
                                : "all columns are targets",
            sheet->delimited ? " (is the delimiter one of comma, semicolon and tab?)" : "");
    free(targets);
    if (status == BP_OK) return BP_OK;
    free(*picks);
    *picks = NULL;
    return status;
}

bp_status bp__table_free(bp_data *data, const bp__sheet *sheet, const bp_load_options *options)
{
    size_t columns = 0, count = 0;
    bp__pick *picks;
    bp_status status = bp__table_pick(&picks, &columns, &count, sheet, options);
    if (status == BP_OK) status = bp__table_read(data, sheet, picks, columns, count);
    if (status == BP_OK && !options->allow_missing_target) status = bp__check_targets(data);
    bool classes = sheet->classes && options->task == BP_TASK_AUTO;
    if (status == BP_OK && count > 0)
        status = bp__table_task(data, classes ? BP_TASK_CLASSIFY : options->task);
    if (status == BP_OK) status = bp__report_constant(data);
    if (status == BP_OK) status = bp__report_row_numbers(data);
    free(picks);
    return status;
}
