/* weights.c - weights of samples: set by the caller, read from a column, or those of classes. */
#include "data/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/columns.h"

const float *bp_data_weights(const bp_data *data)
{
    return data ? data->weights : NULL;
}

bp_status bp__check_weights(const bp_data *data)
{
    if (!data->weights) return BP_OK;
    for (size_t i = 0; i < data->rows; ++i)
        if (data->weights[i] > 0) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s: all weights are 0", bp__data_source(data));
}

bp_status bp_data_set_weights(bp_data *data, const float *weights)
{
    if (!data) return bp__fail(BP_ERROR_ARGUMENT, "bp_data_set_weights: data is NULL");
    if (data->raw_rows)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "bp_data_set_weights: %s is streamed; set the weights of its rows once they "
                        "are encoded",
                        bp__data_source(data));
    for (size_t i = 0; weights && i < data->rows; ++i)
        if (!(weights[i] >= 0) || !isfinite(weights[i]))
            return bp__fail(BP_ERROR_DATA,
                            "weight %zu is %g, a finite number that is not negative is needed", i,
                            (double)weights[i]);
    free(data->weights);
    data->weights = NULL;
    if (!weights) return BP_OK;
    BP_TRY(bp__new_array(&data->weights, data->rows, sizeof *weights));
    memcpy(data->weights, weights, data->rows * sizeof *weights);
    return bp__check_weights(data);
}

/* What is done with each row's class. */
typedef void (*class_fn)(size_t row, int32_t label, void *context);

/* The rows may lie in a file. */
static bp_status for_each_class(const bp_data *data, class_fn visit, void *context)
{
    enum { ROWS = 4096 };
    int32_t labels[ROWS];
    for (size_t first = 0; first < data->rows; first += ROWS) {
        const size_t count = data->rows - first < ROWS ? data->rows - first : ROWS;
        BP_TRY(bp_data_read(data, first, count, NULL, labels, NULL));
        for (size_t i = 0; i < count; ++i) visit(first + i, labels[i], context);
    }
    return BP_OK;
}

static void count_class(size_t row, int32_t label, void *counts)
{
    (void)row;
    ++((size_t *)counts)[label];
}

/* *out = of each class, rows / (classes * its rows): 0 where it has none. */
static bp_status balanced(float **out, const bp_data *data)
{
    size_t *counts, present = 0;
    BP_TRY(bp__new_array(&counts, data->outputs, sizeof *counts));
    bp_status status = bp__new_array(out, data->outputs, sizeof **out);
    if (status == BP_OK) status = for_each_class(data, count_class, counts);
    for (size_t k = 0; k < data->outputs; ++k) present += counts[k] > 0;
    for (size_t k = 0; status == BP_OK && k < data->outputs; ++k)
        if (counts[k]) (*out)[k] = (float)((double)data->rows / (double)(present * counts[k]));
    free(counts);
    return status;
}

typedef struct weighing {
    const float *of_class, *before; /* before: of the rows, or NULL */
    float *rows;
} weighing;

static void weigh(size_t row, int32_t label, void *context)
{
    const weighing *w = context;
    w->rows[row] = (w->before ? w->before[row] : 1) * w->of_class[label];
}

bp_status bp_data_weigh_classes(bp_data *data, const float *weights)
{
    const bool classes = data && data->encoded && data->task == BP_TASK_CLASSIFY;
    if (!classes || (!data->labels && !data->encoded_rows))
        return bp__fail(BP_ERROR_ARGUMENT, "weights of classes need encoded data with classes");
    for (size_t k = 0; weights && k < data->outputs; ++k)
        if (!(weights[k] >= 0) || !isfinite(weights[k]))
            return bp__fail(BP_ERROR_ARGUMENT,
                            "the weight of class %zu is %g, a finite number that is not negative "
                            "is needed",
                            k, (double)weights[k]);
    float *own = NULL, *all = NULL;
    bp_status status;
    if (!weights) {
        BP_TRY_GOTO(balanced(&own, data));
        weights = own;
    }
    BP_TRY_GOTO(bp__new_array(&all, data->rows, sizeof *all));
    BP_TRY_GOTO(for_each_class(data, weigh, &(weighing){weights, data->weights, all}));
    free(data->weights);
    data->weights = all;
    all = NULL;
    status = bp__check_weights(data);
fail:
    free(own);
    free(all);
    return status;
}

bp_status bp__data_take_weights(bp_data *data)
{
    bp__column *columns = data->columns, *from = &columns[data->column_count - 1];
    char shown[64], place[160];
    const double *number = from->number;
    BP_TRY(bp__new_array(&data->weights, data->rows, sizeof *data->weights));
    if (!number)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the weights (column \"%s\") hold texts, numbers are needed",
                        bp__data_source(data), bp__shown(shown, from->name));
    for (size_t r = 0; r < data->rows; ++r) {
        data->weights[r] = (float)number[r];
        if (!(number[r] >= 0) || !isfinite(data->weights[r]))
            return bp__fail(
                BP_ERROR_DATA,
                "%s: the weight (column \"%s\") is %s; a number that is not negative is "
                "needed",
                bp__data_place(place, data, r), bp__shown(shown, from->name),
                isnan(number[r]) ? "missing"
                : number[r] < 0  ? "negative"
                                 : "too large");
    }
    data->missing -= bp__column_missing(from, data->rows);
    bp__column_clear(from);
    memmove(from, from + 1, data->target_count * sizeof *from);
    --data->column_count;
    return BP_OK;
}
