/* table.c - what all tables share, whatever their format: names, the columns of the data set, and
 * numbers that are to be texts. */
#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"
#include "data/number.h"
#include "data/weights.h"

enum { SHOWN_NAMES = 30 };

size_t bp__piece_size = (size_t)1 << 20;

void bp__sheet_clear(bp__sheet *sheet)
{
    bp__words_free(&sheet->names);
    free(sheet->warnings);
    sheet->warnings = NULL;
}

static bp_status add_name(bp__sheet *sheet, const char *what, size_t number)
{
    char name[48];
    uint32_t index;
    if (number > 0)
        snprintf(name, sizeof name, "%s_%zu", what, number);
    else
        snprintf(name, sizeof name, "%s", what);
    return bp__words_add(&sheet->names, name, &index);
}

bp_status bp__sheet_number_names(bp__sheet *sheet)
{
    size_t own = sheet->own_targets ? sheet->targets : 0, features = sheet->columns - own;
    for (size_t k = 0; k < features; ++k) BP_TRY(add_name(sheet, "column", k + 1));
    for (size_t k = 0; k < own; ++k) BP_TRY(add_name(sheet, "target", own > 1 ? k + 1 : 0));
    return BP_OK;
}

bp_status bp__sheet_list_names(char **out, const bp__sheet *sheet)
{
    bp_status status = BP_OK;
    char shown[64];
    *out = NULL;
    for (size_t k = 0; k < sheet->columns && k < SHOWN_NAMES && status == BP_OK; ++k)
        status = bp__append(out, "%s%s", k ? ", " : "",
                            bp__shown(shown, bp__words_get(&sheet->names, k)));
    if (status == BP_OK && sheet->columns > SHOWN_NAMES)
        status = bp__append(out, " and %zu more", sheet->columns - SHOWN_NAMES);
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

bp_status bp__table_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count,
                         size_t target_count)
{
    data->rows = sheet->rows;
    BP_TRY(bp__new_array(&data->columns, count, sizeof *data->columns));
    data->column_count = count - target_count;
    data->target_count = target_count;
    for (size_t k = 0; k < count; ++k) {
        bp__column *column = &data->columns[k];
        column->position = picks[k].position;
        BP_TRY(bp__copy_text(&column->name, picks[k].name));
        BP_TRY(bp__new_array(&column->number, data->rows, sizeof *column->number));
    }
    BP_TRY(sheet->read(data, sheet, picks, count));
    for (size_t k = 0; k < data->column_count; ++k)
        data->missing += bp__column_missing(&data->columns[k], data->rows);
    return bp__picks_weights(picks, count, target_count) ? bp__data_take_weights(data) : BP_OK;
}

bool bp__picks_weights(const bp__pick *picks, size_t count, size_t target_count)
{
    return count > target_count && picks[count - target_count - 1].weights;
}

bp_status bp__table_texts(bp_data *data, const bp__pick *picks, size_t count)
{
    char text[32];
    for (size_t k = 0; k < count; ++k) {
        bp__column *column = &data->columns[k];
        if (picks[k].want != BP__WANT_TEXT) continue;
        column->kind = BP__COLUMN_TEXT;
        BP_TRY(bp__new_array(&column->text, data->rows, sizeof *column->text));
        for (size_t r = 0; r < data->rows; ++r) {
            column->text[r] = BP__NO_WORD;
            if (!isnan(column->number[r]))
                BP_TRY(bp__words_add(&column->words, bp__number_text(text, column->number[r]),
                                     &column->text[r]));
        }
        free(column->number);
        column->number = NULL;
    }
    return BP_OK;
}

bp_status bp__table_load(bp_data *data, const bp__sheet *sheet, const bp_load_options *options)
{
    if (sheet->own_targets && options->target)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: the file itself says which its targets are; a target (%s) cannot be "
                        "chosen",
                        sheet->source, options->target);
    if (sheet->own_targets && options->ignore)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: the features have no names to choose by; none (%s) can be left out",
                        sheet->source, options->ignore);
    BP_TRY(options->schema ? bp__table_known(data, sheet, options)
                           : bp__table_free(data, sheet, options));
    BP_TRY(bp__report_missing(data));
    return sheet->warnings ? bp__append(&data->warnings, "%s", sheet->warnings) : BP_OK;
}
