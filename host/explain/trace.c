/* trace.c - bp_watch_trace: an epoch that diverged, done again until the first number that is not
 * finite. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "explain/watch.h"
#include "ops/engine.h"

/* ---- Back to the last look ----------------------------------------------------------------------
 */

/* values NULL: moments of 0, as they are before the first step. */
static bp_status put_back(const bp__network *network, bp__buffer *buffer, const double *values)
{
    if (!buffer) return BP_OK;
    const bp__view arena = bp__network_arena(network, buffer);
    if (values) return bp__write_doubles(network->engine, &arena, values);
    double *zeros = NULL;
    BP_TRY(bp__new_array(&zeros, arena.columns, sizeof *zeros));
    bp_status status = bp__write_doubles(network->engine, &arena, zeros);
    free(zeros);
    return status;
}

static bp_status go_back(const bp_watch *watch, bp_trainer *trainer)
{
    bp__network *network = trainer->network;
    trainer->epoch = watch->epoch;
    trainer->step = watch->step;
    trainer->updates = watch->updates;
    trainer->unclear = true;
    BP_TRY(bp__trainer_begin_group(trainer, true));
    BP_TRY(put_back(network, network->moment1, watch->kept.moment1));
    BP_TRY(put_back(network, network->moment2, watch->kept.moment2));
    if (!watch->kept.parameters) return bp__network_upload(network, watch->model);
    return put_back(network, network->parameters, watch->kept.parameters);
}

/* ---- One operation ------------------------------------------------------------------------------
 */

typedef struct place {
    size_t row, column;
    double value;
} place;

/* The first number in a view that is not finite. */
static bp_status look_through(bool *found, place *at, bp__engine *engine, const bp__view *view)
{
    *found = false;
    *at = (place){0, 0, 0};
    if (!view->buffer) return BP_OK;
    double *values = NULL;
    bp_status status = bp__read_doubles(&values, engine, view);
    for (size_t i = 0; status == BP_OK && i < view->rows * view->columns && !*found; ++i) {
        if (isfinite(values[i])) continue;
        *at = (place){i / view->columns, i % view->columns, values[i]};
        *found = true;
    }
    free(values);
    return status;
}

/* The layer whose weights, in either arena, are these; of a view on activations, that which makes
 * them. */
static size_t layer_of(const bp__network *network, const bp__view *weights)
{
    size_t l = 0;
    while (l + 1 < network->layer_count && network->values[l].weights.offset != weights->offset)
        ++l;
    return l;
}

/* Parameters of any layer after an update. */
static bp_status look_at_parameters(bp_trace *out, bp_trainer *trainer)
{
    const bp__network *network = trainer->network;
    for (size_t l = 0; l < network->layer_count && out->what == BP_TRACE_NOTHING; ++l)
        for (int bias = 0; bias < 2 && out->what == BP_TRACE_NOTHING; ++bias) {
            const bp__layer_views *views = &network->values[l];
            bool found;
            place at;
            BP_TRY(
                look_through(&found, &at, trainer->engine, bias ? &views->bias : &views->weights));
            if (!found) continue;
            *out = (bp_trace){.what = BP_TRACE_WEIGHT,
                              .layer = l,
                              .row = bias ? at.column : at.row,
                              .column = bias ? views->weights.columns : at.column,
                              .value = at.value};
        }
    return BP_OK;
}

static bp_status look_at_gradient(bp_trace *out, bp_trainer *trainer, const bp__dense_gradient *op)
{
    bool found;
    place at;
    const size_t layer = layer_of(trainer->network, &op->weights_gradient);
    BP_TRY(look_through(&found, &at, trainer->engine, &op->weights_gradient));
    if (!found) {
        BP_TRY(look_through(&found, &at, trainer->engine, &op->bias_gradient));
        at = (place){at.column, op->weights_gradient.columns, at.value};
    }
    if (found)
        *out = (bp_trace){.what = BP_TRACE_GRADIENT,
                          .layer = layer,
                          .row = at.row,
                          .column = at.column,
                          .value = at.value};
    return BP_OK;
}

/* The sum of a batch's errors, as training reads it: a float. */
static bp_status look_at_loss(bp_trace *out, bp_trainer *trainer, const bp__reduce_loss *op,
                              size_t step)
{
    bp__view one = op->losses;
    float sum = 0;
    one.offset += step;
    one.columns = 1;
    BP_TRY(bp__view_read(trainer->engine, &one, &sum));
    if (!isfinite(sum)) *out = (bp_trace){.what = BP_TRACE_LOSS, .value = (double)sum};
    return BP_OK;
}

/* What the operation of this step has made. */
static bp_status look_at(bp_trace *out, bp_trainer *trainer, const bp__op *op, size_t step)
{
    const bp__network *network = trainer->network;
    const bp__view *view = NULL;
    int32_t what = BP_TRACE_NOTHING;
    size_t layer = 0;
    *out = (bp_trace){.what = BP_TRACE_NOTHING};
    switch (op->kind) {
    case BP__OP_GATHER:
        if (op->as.gather.out.columns != network->layers[0].inputs) return BP_OK;
        view = &op->as.gather.out;
        what = BP_TRACE_INPUT;
        break;
    case BP__OP_DENSE_FORWARD:
        view = &op->as.dense_forward.out;
        what = BP_TRACE_ACTIVATION;
        layer = layer_of(network, &op->as.dense_forward.weights);
        break;
    case BP__OP_NORMALIZE:
        view = &op->as.normalize.out;
        what = BP_TRACE_ACTIVATION;
        layer = op->layer - 1;
        break;
    case BP__OP_NORM_EFFECT:
        view = &op->as.norm_effect.delta;
        what = BP_TRACE_DELTA;
        layer = op->layer - 1;
        break;
    case BP__OP_LOSS:
        view = &op->as.loss.row_loss;
        what = BP_TRACE_ERROR;
        break;
    case BP__OP_DENSE_EFFECT:
        view = &op->as.dense_effect.delta_in;
        what = BP_TRACE_DELTA;
        layer = layer_of(network, &op->as.dense_effect.weights) - 1;
        break;
    case BP__OP_DENSE_GRADIENT: return look_at_gradient(out, trainer, &op->as.dense_gradient);
    case BP__OP_MAX_NORM:
    case BP__OP_OPTIMIZER: return look_at_parameters(out, trainer);
    case BP__OP_REDUCE_LOSS: return look_at_loss(out, trainer, &op->as.reduce_loss, step);
    case BP__OP_NORM_GRADIENT:
    case BP__OP_SQUARES:
    case BP__OP_CLIP:
    case BP__OP_ACCUMULATE:
    case BP__OP_AVERAGE:
    case BP__OP_SOFTMAX: return BP_OK;
    }
    bool found;
    place at;
    BP_TRY(look_through(&found, &at, trainer->engine, view));
    if (!found) return BP_OK;
    *out = (bp_trace){
        .what = what, .layer = layer, .row = at.row, .column = at.column, .value = at.value};
    if (what == BP_TRACE_ERROR)
        *out = (bp_trace){.what = what, .row = at.column, .value = at.value};
    return BP_OK;
}

/* ---- Steps --------------------------------------------------------------------------------------
 */

/* Step `step` of the epoch, from 0: each operation a sequence of its own. */
static bp_status step_by_operation(bp_trace *out, bp_trainer *trainer, size_t step)
{
    const bp__pass *pass = trainer->pass;
    bp__plan_optimizer optimizer = bp__trainer_optimizer(trainer);
    optimizer.adds = !bp__trainer_ends_group(trainer, step);
    bp__plan *plan = trainer->last && step + 1 == pass->steps ? trainer->last : trainer->full;
    bp__op *ops;
    size_t count;
    BP_TRY(bp__plan_train_ops(&ops, &count, plan, &pass->views, &optimizer));
    bp_status status = BP_OK;
    for (size_t i = 0; i < count && status == BP_OK && out->what == BP_TRACE_NOTHING; ++i) {
        bp__sequence *one = NULL;
        status = bp__sequence_create(trainer->engine, &one, &ops[i], 1);
        if (status == BP_OK) status = bp__sequence_run(trainer->engine, one, 1);
        if (status == BP_OK) status = bp__engine_finish(trainer->engine);
        if (status == BP_OK) status = look_at(out, trainer, &ops[i], step);
        bp__sequence_free(trainer->engine, one);
    }
    free(ops);
    if (out->what != BP_TRACE_NOTHING) {
        out->epoch = trainer->epoch + 1;
        out->step = (int64_t)step + 1;
    }
    return status;
}

/* The first step whose loss was not finite; the last one where the loss of every step was, and it
 * is the parameters that are not. */
static size_t first_bad_step(const bp_trainer *trainer)
{
    const size_t steps = trainer->pass->steps;
    size_t s = 0;
    while (s + 1 < steps && isfinite(trainer->losses[s])) ++s;
    return s;
}

/* Whole epochs, up to the one that is looked for. */
static bp_status catch_up(bp_trainer *trainer, int64_t epoch)
{
    const size_t steps = trainer->pass->steps;
    for (; trainer->epoch < epoch; ++trainer->epoch) {
        BP_TRY(bp__trainer_begin_epoch(trainer));
        BP_TRY(bp__trainer_run_steps(trainer, 0, steps));
        BP_TRY(bp__engine_finish(trainer->engine));
        trainer->place = (int64_t)steps;
        bp__trainer_leave_epoch(trainer);
    }
    return bp__trainer_begin_epoch(trainer);
}

bp_status bp_watch_trace(bp_watch *watch, bp_trainer *trainer, bp_trace *out)
{
    if (!watch || !trainer || !out)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_watch_trace: watch, trainer and out are needed");
    *out = (bp_trace){.what = BP_TRACE_NOTHING};
    if (!trainer->pass)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_watch_trace: the trainer has no data");
    if (trainer->stream)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "bp_watch_trace: the data is streamed, its steps cannot "
                        "be taken again one by one; try with a part of it");
    const size_t bad = first_bad_step(trainer), from = bad > 0 ? bad - 1 : 0;
    /* An epoch whose losses are all finite counts as finished, whatever its last update did. */
    const int64_t epoch = trainer->epoch - (isfinite(trainer->losses[bad]) ? 1 : 0);
    BP_TRY(bp__engine_finish(trainer->engine));
    BP_TRY(go_back(watch, trainer));
    BP_TRY(catch_up(trainer, epoch));
    if (from > 0) BP_TRY(bp__trainer_run_steps(trainer, 0, from));
    for (size_t s = from; s <= bad && out->what == BP_TRACE_NOTHING; ++s)
        BP_TRY(step_by_operation(out, trainer, s));
    return BP_OK;
}
