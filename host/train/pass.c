/* pass.c - a data set on an engine, and what a pass over it needs. */
#include <stdlib.h>

#include "base/memory.h"
#include "train/trainer.h"

static bp__view view_of(bp__buffer *buffer, size_t rows, size_t columns, size_t stride)
{
    return (bp__view){.buffer = buffer, .rows = rows, .columns = columns, .stride = stride};
}

static bp_status create_buffer(bp__pass *pass, bp__buffer **buffer, bp__type type, size_t count)
{
    return pass->shared ? bp__buffer_create_shared(pass->engine, buffer, type, count)
                        : bp__buffer_create(pass->engine, buffer, type, count);
}

static bp_status create_matrix(bp__pass *pass, bp__buffer **buffer, bp__view *view, size_t columns)
{
    size_t elements = 0;
    if (!bp__view_place(view, &elements, pass->engine, BP__DATA, pass->rows, columns))
        return bp__fail_memory(SIZE_MAX);
    BP_TRY(create_buffer(pass, buffer, BP__NUMBER, elements));
    view->buffer = *buffer;
    return BP_OK;
}

/* Room for the rows, and for the order in which they are taken. */
static bp_status create_data(bp__pass *pass, const bp__pass_shape *shape)
{
    BP_TRY(create_matrix(pass, &pass->x, &pass->views.x, shape->features));
    if (shape->labels) {
        BP_TRY(create_buffer(pass, &pass->labels, BP__INTEGER, pass->rows));
        pass->views.labels = view_of(pass->labels, pass->rows, 1, 1);
    } else {
        BP_TRY(create_matrix(pass, &pass->targets, &pass->views.targets, shape->outputs));
    }
    if (shape->weights) {
        BP_TRY(create_buffer(pass, &pass->weights, BP__NUMBER, pass->rows));
        pass->views.weights = view_of(pass->weights, pass->rows, 1, 1);
    }
    BP_TRY(create_buffer(pass, &pass->order, BP__INTEGER, pass->rows));
    pass->views.order = view_of(pass->order, 1, pass->rows, pass->rows);
    return BP_OK;
}

bp_status bp__scaled_weights(float **out, const bp_data *data)
{
    const float *given = bp_data_weights(data);
    const size_t rows = bp_data_get_info(data).rows;
    double sum = 0;
    *out = NULL;
    if (!given) return BP_OK;
    BP_TRY(bp__new_array(out, rows, sizeof **out));
    for (size_t i = 0; i < rows; ++i) sum += (double)given[i];
    for (size_t i = 0; i < rows; ++i)
        (*out)[i] = (float)((double)given[i] * (double)rows / sum);
    return BP_OK;
}

static bp_status upload_weights(bp__pass *pass, const bp_data *data)
{
    float *scaled;
    BP_TRY(bp__scaled_weights(&scaled, data));
    const bp_status status =
        scaled ? bp__view_write(pass->engine, &pass->views.weights, scaled) : BP_OK;
    free(scaled);
    return status;
}

static bp_status upload(bp__pass *pass, const bp_data *data)
{
    bp__engine *engine = pass->engine;
    BP_TRY(upload_weights(pass, data));
    int32_t *order = NULL;
    BP_TRY(bp__view_write(engine, &pass->views.x, bp_data_features(data)));
    BP_TRY(bp_data_labels(data)
               ? bp__view_write(engine, &pass->views.labels, bp_data_labels(data))
               : bp__view_write(engine, &pass->views.targets, bp_data_targets(data)));
    BP_TRY(bp__new_array(&order, pass->rows, sizeof *order));
    for (size_t i = 0; i < pass->rows; ++i) order[i] = (int32_t)i;
    bp_status status = bp__view_write(pass->engine, &pass->views.order, order);
    free(order);
    return status;
}

bp_status bp__pass_create_shape(bp__pass **out, bp__engine *engine, const bp__pass_shape *shape,
                                size_t batch, bool training, bool shared)
{
    *out = NULL;
    bp__pass *pass = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&pass, 1, sizeof *pass));
    pass->engine = engine;
    pass->shared = shared;
    pass->rows = shape->rows;
    if (pass->rows > INT32_MAX) {
        status = bp__fail(BP_ERROR_UNSUPPORTED, "more than 2^31 rows are not supported");
        goto fail;
    }
    pass->batch = batch < pass->rows ? batch : pass->rows;
    pass->steps = bp__pieces(pass->rows, pass->batch, false);
    pass->views.period = pass->batch;
    if (shape->features) BP_TRY_GOTO(create_data(pass, shape));
    BP_TRY_GOTO(create_buffer(pass, &pass->counter, BP__INTEGER, 1));
    pass->views.step = view_of(pass->counter, 1, 1, 1);
    BP_TRY_GOTO(bp__buffer_create(engine, &pass->losses, BP__NUMBER, 2 * pass->steps));
    pass->views.losses = view_of(pass->losses, 1, pass->steps, pass->steps);
    pass->views.hits = pass->views.losses;
    pass->views.hits.offset = pass->steps;
    if (training) {
        BP_TRY_GOTO(bp__new_array(&pass->hyper_table, pass->steps * BP__HYPER_COUNT,
                                  sizeof *pass->hyper_table));
        BP_TRY_GOTO(create_buffer(pass, &pass->hyper, BP__NUMBER, pass->steps * BP__HYPER_COUNT));
        pass->views.hyper = view_of(pass->hyper, pass->steps, BP__HYPER_COUNT, BP__HYPER_COUNT);
    }
    *out = pass;
    return BP_OK;
fail:
    bp__pass_free(pass);
    return status;
}

bp_status bp__pass_create(bp__pass **out, bp__engine *engine, const bp_data *data, size_t batch,
                          bool training)
{
    bp_data_info info = {.rows = batch};
    if (data) info = bp_data_get_info(data);
    BP_TRY(bp__pass_create_shape(
        out, engine,
        &(bp__pass_shape){info.rows, info.features, info.outputs, info.task == BP_TASK_CLASSIFY,
                          bp_data_weights(data) != NULL},
        batch, training, false));
    bp_status status = data ? upload(*out, data) : BP_OK;
    if (status == BP_OK) return BP_OK;
    bp__pass_free(*out);
    *out = NULL;
    return status;
}

void bp__pass_free(bp__pass *pass)
{
    if (!pass) return;
    bp__buffer *const buffers[] = {pass->x,      pass->order, pass->counter, pass->losses,
                                   pass->labels, pass->hyper, pass->targets, pass->weights};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i)
        bp__buffer_free(pass->engine, buffers[i]);
    free(pass->hyper_table);
    free(pass);
}

bp_status bp__pass_seek(bp__pass *pass, int32_t step)
{
    return bp__view_write(pass->engine, &pass->views.step, &step);
}

void bp__pass_join(bp__pass *pass)
{
    pass->steps = bp__pieces(pass->rows, pass->batch, true);
}

size_t bp__pass_last_rows(const bp__pass *pass)
{
    return pass->rows - (pass->steps - 1) * pass->batch;
}
