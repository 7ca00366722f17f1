/* plain.c - encodes data for a network that came without a schema: no categories, no scaling, no
 * names, only the numbers that the file holds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/data.h"

/* The columns that become features, in the file's order, at most all of them. */
static bp_status pick_features(const bp__column ***out, const bp_data *raw, size_t count)
{
    BP_TRY(bp__new_array(out, count, sizeof **out));
    for (size_t c = 0; c < count; ++c) {
        size_t at = c;
        const bp__column *column = &raw->columns[c];
        for (; at > 0 && (*out)[at - 1]->position > column->position; --at)
            (*out)[at] = (*out)[at - 1];
        (*out)[at] = column;
    }
    return BP_OK;
}

static bp_status read_number(float *out, const bp_data *raw, const bp__column *column, size_t row)
{
    char place[160], name[64];
    if (column->kind == BP__COLUMN_TEXT)
        return bp__fail(BP_ERROR_DATA,
                        "%s: column '%s' holds text; a model without a schema takes numbers alone",
                        bp__data_source(raw), bp__shown(name, column->name));
    const float value = (float)column->number[row];
    if (!isfinite(value))
        return bp__fail(
            BP_ERROR_DATA, "%s: column '%s': %s; a model without a schema needs every value",
            bp__data_place(place, raw, row), bp__shown(name, column->name),
            isnan(column->number[row]) ? "the value is missing" : "the value is too large");
    *out = value;
    return BP_OK;
}

static bp_status encode_table_features(bp_data *data, const bp_data *raw, size_t count)
{
    const bp__column **columns = NULL;
    bp_status status;
    BP_TRY_GOTO(pick_features(&columns, raw, count));
    for (size_t row = 0; row < raw->rows; ++row)
        for (size_t c = 0; c < count; ++c)
            BP_TRY_GOTO(read_number(&data->x[row * count + c], raw, columns[c], row));
fail:
    free(columns);
    return status;
}

static bp_status check_class(const bp_data *raw, size_t row, double value, size_t classes)
{
    char place[160];
    if (value >= 0 && value < (double)classes && value == floor(value)) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s: the class is %g; the model knows classes 0 to %zu",
                    bp__data_place(place, raw, row), value, classes - 1);
}

static bp_status encode_labels(bp_data *data, const bp_data *raw)
{
    BP_TRY(bp__new_array(&data->labels, raw->rows, sizeof *data->labels));
    for (size_t row = 0; row < raw->rows; ++row) {
        float value = 0;
        if (raw->columns)
            BP_TRY(read_number(&value, raw, bp__data_target(raw, 0), row));
        else
            value = (float)raw->labels[row];
        BP_TRY(check_class(raw, row, (double)value, data->outputs));
        data->labels[row] = (int32_t)value;
    }
    data->task = BP_TASK_CLASSIFY;
    return BP_OK;
}

static bp_status encode_values(bp_data *data, const bp_data *raw)
{
    const size_t outputs = data->outputs;
    size_t count;
    if (!bp__mul_size(&count, raw->rows, outputs)) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(&data->t, count, sizeof *data->t));
    for (size_t row = 0; row < raw->rows; ++row)
        for (size_t k = 0; k < outputs; ++k) {
            float *to = &data->t[row * outputs + k];
            if (raw->columns)
                BP_TRY(read_number(to, raw, bp__data_target(raw, k), row));
            else
                *to = (float)raw->labels[row];
        }
    data->task = BP_TASK_REGRESS;
    return BP_OK;
}

static bp_status encode_targets(bp_data *data, const bp_data *raw, size_t targets, int32_t task)
{
    if (targets == 0) return BP_OK;
    if (task == BP_TASK_AUTO)
        task = targets == 1 && data->outputs > 1 ? BP_TASK_CLASSIFY : BP_TASK_REGRESS;
    if (task == BP_TASK_CLASSIFY && targets == 1) return encode_labels(data, raw);
    if (task == BP_TASK_REGRESS && targets == data->outputs) return encode_values(data, raw);
    return bp__fail(BP_ERROR_DATA, "%s: has %zu target columns, the model %zu outputs",
                    bp__data_source(raw), targets, data->outputs);
}

bp_status bp_data_encode_plain(bp_data **out, const bp_data *raw, size_t inputs, size_t outputs,
                               int32_t task)
{
    BP_TRY(bp__need_rows(raw, "bp_data_encode_plain"));
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_encode_plain: out is NULL");
    *out = NULL;
    if (!raw || raw->encoded || inputs == 0 || outputs == 0 || task < BP_TASK_AUTO ||
        task > BP_TASK_REGRESS)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_data_encode_plain: raw data, inputs, outputs and a "
                                           "BP_TASK_* are needed");
    const bool table = raw->columns != NULL;
    const size_t columns = table ? raw->column_count : raw->pixel_count;
    size_t targets = table ? raw->target_count : raw->labels != NULL, found = columns;
    if (table && columns != inputs && columns + targets == inputs) {
        found += targets;
        targets = 0;
    }
    if (found != inputs)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has %zu numbers a row without the target, the model takes %zu",
                        bp__data_source(raw), columns, inputs);
    size_t count;
    if (!bp__mul_size(&count, raw->rows, inputs)) return bp__fail_memory(SIZE_MAX);

    bp_data *data = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__data_new(&data, raw->source));
    data->rows = raw->rows;
    data->features = inputs;
    data->outputs = outputs;
    data->encoded = true;
    data->image_height = raw->image_height;
    data->image_width = raw->image_width;
    BP_TRY_GOTO(bp__new_array(&data->x, count, sizeof *data->x));
    if (table) BP_TRY_GOTO(encode_table_features(data, raw, inputs));
    for (size_t i = 0; raw->pixels && i < count; ++i) data->x[i] = (float)raw->pixels[i] / 255.0f;
    for (size_t i = 0; raw->values && i < count; ++i) {
        data->x[i] = raw->values[i];
        if (!isfinite(data->x[i])) {
            char place[160];
            status = bp__fail(BP_ERROR_DATA, "%s: a value is not finite",
                              bp__data_place(place, raw, i / inputs));
            goto fail;
        }
    }
    BP_TRY_GOTO(encode_targets(data, raw, targets, task));
    *out = data;
    return BP_OK;
fail:
    bp_data_free(data);
    return status;
}
