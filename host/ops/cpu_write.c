/* cpu_write.c - writes operations down for kernels/cpu/plan.cl, one by one: where their matrices
 * lie, and how they are cut into tasks. */
#include <math.h>

#include "base/families.h"
#include "ops/cpu_split.h"
#include "ops/cpu_writing.h"

enum {
    MOST_TASKS = 4,    /* a thread's share of an operation that is cut freely */
    TASK_FLOATS = 4096 /* of such an operation, at least */
};

/* ---- Views ----------------------------------------------------------------------------------- */

static bp_status number_buffer(bp__cpu_writing *w, plan_uint *number, const bp__view *view)
{
    const cl_mem memory = bp__buffer_memory(view->buffer);
    for (*number = 0; *number < w->buffer_count; ++*number)
        if (w->buffers[*number] == memory) return BP_OK;
    if (w->buffer_count == BP__CPU_BUFFERS)
        return bp__fail(BP_ERROR_INTERNAL, "a plan uses more than %d buffers",
                        (int)BP__CPU_BUFFERS);
    w->buffers[w->buffer_count++] = memory;
    return BP_OK;
}

/* Notes what the operation at hand touches. */
static void touch(bp__cpu_writing *w, const bp__view *view, bool writes)
{
    if (!view->buffer) return;
    bp__cpu_access *a = w->accesses[w->count];
    while (a->view.buffer) ++a;
    *a = (bp__cpu_access){*view, writes};
}

/* Writes the shape of a view of the operation at hand down, as it is stored: weights as their
 * transpose. */
static plan_view *put_shape(bp__cpu_writing *w, int place, const bp__view *view)
{
    plan_view *to = &w->ops[w->count].view[place];
    *to = (plan_view){.offset = view->offset,
                      .panel_step = view->panel_step,
                      .rows = (plan_uint)(view->transposed ? view->columns : view->rows),
                      .columns = (plan_uint)(view->transposed ? view->rows : view->columns),
                      .stride = (plan_uint)view->stride};
    return to;
}

/* And where it lies. */
static bp_status put(bp__cpu_writing *w, int place, const bp__view *view)
{
    if (!view->buffer) return BP_OK;
    BP_TRY(bp__buffer_need(w->engine, view->buffer));
    return number_buffer(w, &put_shape(w, place, view)->buffer, view);
}

static bp_status takes(bp__cpu_writing *w, int place, const bp__view *view)
{
    touch(w, view, false);
    return put(w, place, view);
}

static bp_status gives(bp__cpu_writing *w, int place, const bp__view *view)
{
    touch(w, view, true);
    return put(w, place, view);
}

/* ---- Operations ------------------------------------------------------------------------------ */

/* Cuts `units` of `floats` each freely: tasks for every thread, none too small. */
static void cut_freely(bp__cpu_writing *w, plan_op *op, size_t units, size_t floats)
{
    size_t tasks = units * floats / TASK_FLOATS;
    if (tasks > w->threads * MOST_TASKS) tasks = w->threads * MOST_TASKS;
    if (tasks > units) tasks = units;
    op->split_rows = (plan_uint)(tasks < 1 ? 1 : tasks);
    op->split_columns = 1;
}

size_t bp__cpu_vectors(const bp__cpu_writing *w, size_t columns)
{
    return (columns + w->engine->vector_width - 1) / w->engine->vector_width;
}

/* rows x columns results in tiles, each of `depth` multiply-adds. one_row: the batch has one row,
 * and the loops of such batches have strips of their own. */
static void cut_product(bp__cpu_writing *w, plan_op *op, const bp__tile *tile, size_t rows,
                        size_t columns, size_t depth, size_t least_row_blocks, bool one_row)
{
    const size_t vectors = bp__cpu_vectors(w, columns);
    const bp__cpu_split split =
        one_row ? bp__cpu_split_row(w->threads, vectors)
                : bp__cpu_split_product(tile, w->threads, (rows + tile->rows - 1) / tile->rows,
                                        vectors, depth, least_row_blocks);
    op->split_rows = (plan_uint)split.row_blocks;
    op->split_columns = (plan_uint)split.column_blocks;
    op->strips = (plan_uint)split.strips;
}

/* Blocks of rows so small that `cache_floats` hold one, as deep as a block of k is: it stays in a
 * core's own cache while strip after strip of the other operand passes by. */
static size_t cached_row_blocks(size_t rows, size_t depth, size_t cache_floats)
{
    const size_t k = depth < PLAN_K_BLOCK ? depth : PLAN_K_BLOCK;
    return (rows * k + cache_floats - 1) / cache_floats;
}

/* Has the program know a function, beside those that it knows already. */
static void use_activation(bp__cpu_writing *w, int32_t activation)
{
    w->engine->plan_activations |= 1u << activation;
}

static void put_dropout(bp__cpu_writing *w, plan_op *op, const bp__dropout *dropout)
{
    const bp__dropout_numbers numbers = bp__dropout_numbers_of(dropout);
    op->drop_limit = numbers.limit;
    op->drop_key0 = numbers.key[0];
    op->drop_key1 = numbers.key[1];
    op->drop_layer = numbers.layer;
    op->drop_unit = numbers.unit;
    op->drop_keep = numbers.limit ? numbers.keep : 1;
    op->drop_scale = numbers.scale;
    w->engine->plan_dropout |= numbers.limit > 0;
}

static bp_status write_gather(bp__cpu_writing *w, plan_op *op, const bp__gather *gather)
{
    op->kind = PLAN_GATHER;
    op->period = (plan_uint)gather->period;
    cut_freely(w, op, gather->out.rows, gather->out.columns);
    BP_TRY(gives(w, GATHER_OUT, &gather->out));
    BP_TRY(takes(w, GATHER_IN, &gather->in));
    BP_TRY(takes(w, GATHER_ORDER, &gather->order));
    return takes(w, GATHER_STEP, &gather->step);
}

static bp_status write_dense_forward(bp__cpu_writing *w, plan_op *op,
                                     const bp__dense_forward *dense)
{
    const size_t rows = dense->out.rows, depth = dense->in.columns;
    op->kind = PLAN_DENSE_FORWARD;
    op->function = (plan_uint)dense->activation;
    cut_product(w, op, &w->product, rows, dense->out.columns, depth,
                cached_row_blocks(rows, depth, 1u << 17), rows == 1);
    BP_TRY(gives(w, DENSE_C, &dense->out));
    BP_TRY(takes(w, DENSE_A, &dense->in));
    BP_TRY(takes(w, DENSE_B, &dense->weights));
    BP_TRY(gives(w, DENSE_NET, &dense->net));
    BP_TRY(takes(w, DENSE_SKIP, &dense->skip));
    op->keeps_output = dense->net.buffer && !bp__activation(dense->activation)->of_net;
    w->engine->plan_residual |= dense->skip.buffer != NULL;
    BP_TRY(takes(w, UPDATE_HYPER, &dense->dropout.hyper));
    BP_TRY(takes(w, UPDATE_STEP, &dense->dropout.step));
    put_dropout(w, op, &dense->dropout);
    use_activation(w, dense->activation);
    return takes(w, DENSE_E, &dense->bias);
}

static bp_status write_dense_effect(bp__cpu_writing *w, plan_op *op, const bp__dense_effect *dense)
{
    const size_t rows = dense->delta_in.rows, depth = dense->delta.columns;
    op->kind = PLAN_DENSE_EFFECT;
    op->function = (plan_uint)dense->activation;
    /* Each block of rows packs the weights anew, so that few are better than small ones. */
    cut_product(w, op, &w->product, rows, dense->delta_in.columns, depth,
                cached_row_blocks(rows, depth, 1u << 18), rows == 1);
    BP_TRY(gives(w, DENSE_C, &dense->delta_in));
    BP_TRY(takes(w, DENSE_A, &dense->delta));
    BP_TRY(takes(w, DENSE_B, &dense->weights));
    use_activation(w, dense->activation);
    put_dropout(w, op, &(bp__dropout){.rate = dense->dropout});
    BP_TRY(takes(w, DENSE_SKIP, &dense->skip));
    BP_TRY(gives(w, DENSE_EFFECT, &dense->effect));
    w->engine->plan_residual |= dense->skip.buffer || dense->effect.buffer;
    return dense->activation == BP_ACTIVATION_LINEAR && !op->drop_limit
               ? BP_OK
               : takes(w, DENSE_E, &dense->in);
}

static bp_status write_update(bp__cpu_writing *w, plan_op *op, const bp__optimizer *optimizer)
{
    op->optimizer = (plan_uint)optimizer->optimizer + 1;
    op->momentum = optimizer->momentum;
    op->beta1 = optimizer->beta1;
    op->beta2 = optimizer->beta2;
    op->epsilon = optimizer->epsilon;
    op->decay = optimizer->decay;
    op->l2 = optimizer->l2;
    op->l1 = optimizer->l1;
    op->clip = optimizer->clip > 0 ? optimizer->clip : (plan_float)INFINITY;
    w->engine->plan_optimizers |= 1u << optimizer->optimizer;
    w->shaped |= bp__update_is_shaped(optimizer);
    BP_TRY(takes(w, UPDATE_FACTOR, &optimizer->factor));
    BP_TRY(put(w, UPDATE_PARAMETERS, &optimizer->parameters));
    BP_TRY(put(w, UPDATE_MOMENT1, &optimizer->moment1));
    BP_TRY(put(w, UPDATE_MOMENT2, &optimizer->moment2));
    BP_TRY(takes(w, UPDATE_HYPER, &optimizer->hyper));
    return takes(w, UPDATE_STEP, &optimizer->step);
}

/* The part of an arena where a gradient lies in its own. */
static bp__view same_place(const bp__view *gradient, const bp__view *arena)
{
    bp__view view = *gradient;
    view.buffer = gradient->buffer ? arena->buffer : NULL;
    return view;
}

/* A gradient that nobody stores has a shape only. */
static bp_status gives_gradient(bp__cpu_writing *w, int place, const bp__view *gradient,
                                bool stored)
{
    if (stored) return gives(w, place, gradient);
    if (gradient->buffer) put_shape(w, place, gradient);
    return BP_OK;
}

/* optimizer: the parameters are updated at once, from tiles of the gradient still in registers;
 * only of batches deeper than a block there are partial sums to be stored. */
static bp_status write_dense_gradient(bp__cpu_writing *w, plan_op *op,
                                      const bp__dense_gradient *dense,
                                      const bp__optimizer *optimizer)
{
    op->kind = PLAN_DENSE_GRADIENT;
    const size_t inputs = dense->in.columns, depth = dense->delta.rows;
    cut_product(w, op, &w->gradient, inputs, dense->delta.columns, depth,
                cached_row_blocks(inputs, depth, 1u << 17), depth == 1);
    const bool stored = !optimizer || depth > PLAN_K_BLOCK;
    BP_TRY(gives_gradient(w, DENSE_C, &dense->weights_gradient, stored));
    BP_TRY(takes(w, DENSE_A, &dense->in));
    BP_TRY(takes(w, DENSE_B, &dense->delta));
    BP_TRY(gives_gradient(w, DENSE_E, &dense->bias_gradient, stored));
    if (!optimizer) return BP_OK;
    const bp__view *const arenas[] = {&optimizer->parameters, &optimizer->moment1,
                                      &optimizer->moment2};
    for (size_t i = 0; i < BP_COUNT(arenas); ++i) {
        if (!arenas[i]->buffer) continue;
        const bp__view weights = same_place(&dense->weights_gradient, arenas[i]);
        const bp__view bias = same_place(&dense->bias_gradient, arenas[i]);
        touch(w, &weights, true);
        touch(w, &bias, true);
        if (i > 0) continue;
        BP_TRY(put(w, DENSE_WEIGHTS, &weights));
        BP_TRY(put(w, DENSE_BIAS, &bias));
    }
    return write_update(w, op, optimizer);
}

static bp_status write_loss(bp__cpu_writing *w, plan_op *op, const bp__loss *loss)
{
    op->kind = PLAN_LOSS;
    const bp__loss_numbers numbers = bp__loss_numbers_of(loss);
    op->function = (plan_uint)bp__loss_activation(loss->loss, loss->activation);
    op->loss = (plan_uint)loss->loss;
    op->scale = (plan_float)numbers.scale;
    op->share = (plan_float)numbers.share;
    op->target_on = (plan_float)numbers.on;
    op->target_off = (plan_float)numbers.off;
    op->parameter = (plan_float)numbers.parameter;
    use_activation(w, (int32_t)op->function);
    w->engine->plan_losses |= 1u << loss->loss;
    cut_freely(w, op, bp__cpu_vectors(w, loss->output.rows),
               w->engine->vector_width * loss->output.columns * 8);
    BP_TRY(takes(w, LOSS_OUTPUT, &loss->output));
    BP_TRY(gives(w, LOSS_DELTA, &loss->delta));
    BP_TRY(takes(w, LOSS_LABELS, &loss->labels));
    BP_TRY(takes(w, LOSS_TARGETS, &loss->targets));
    BP_TRY(takes(w, LOSS_WEIGHTS, &loss->weights));
    BP_TRY(gives(w, LOSS_ROW_LOSS, &loss->row_loss));
    return gives(w, LOSS_ROW_HITS, &loss->row_hits);
}

static bp_status write_softmax(bp__cpu_writing *w, plan_op *op, const bp__softmax *softmax)
{
    op->kind = PLAN_SOFTMAX;
    cut_freely(w, op, bp__cpu_vectors(w, softmax->in.rows),
               w->engine->vector_width * softmax->in.columns * 8);
    BP_TRY(gives(w, SOFTMAX_OUT, &softmax->out));
    return takes(w, SOFTMAX_IN, &softmax->in);
}

static bp_status write_reduce_loss(bp__cpu_writing *w, plan_op *op, const bp__reduce_loss *reduce)
{
    op->kind = PLAN_REDUCE_LOSS;
    op->split_rows = op->split_columns = 1;
    BP_TRY(gives(w, REDUCE_LOSSES, &reduce->losses));
    BP_TRY(gives(w, REDUCE_HITS, &reduce->hits));
    BP_TRY(takes(w, REDUCE_ROW_LOSS, &reduce->row_loss));
    BP_TRY(takes(w, REDUCE_ROW_HITS, &reduce->row_hits));
    return gives(w, REDUCE_STEP, &reduce->step);
}

static bp_status write_squares(bp__cpu_writing *w, plan_op *op, const bp__squares *squares)
{
    op->kind = PLAN_SQUARES;
    op->period = (plan_uint)squares->chunk;
    cut_freely(w, op, squares->out.columns, squares->chunk);
    BP_TRY(gives(w, NORM_OUT, &squares->out));
    return takes(w, NORM_IN, &squares->in);
}

static bp_status write_clip(bp__cpu_writing *w, plan_op *op, const bp__clip *clip)
{
    op->kind = PLAN_CLIP;
    op->split_rows = op->split_columns = 1;
    op->clip = clip->limit;
    BP_TRY(gives(w, NORM_OUT, &clip->factor));
    return takes(w, NORM_IN, &clip->squares);
}

/* In panels of units; each weight is read twice and written. */
static bp_status write_max_norm(bp__cpu_writing *w, plan_op *op, const bp__max_norm *max_norm)
{
    const bp__view *weights = &max_norm->weights;
    op->kind = PLAN_MAX_NORM;
    op->clip = max_norm->limit;
    cut_freely(w, op, bp__cpu_vectors(w, weights->rows),
               2 * weights->columns * w->engine->vector_width);
    return gives(w, NORM_OUT, weights);
}

static bp_status write_accumulate(bp__cpu_writing *w, plan_op *op,
                                  const bp__accumulate *accumulate)
{
    op->kind = PLAN_ACCUMULATE;
    op->ends = accumulate->ends;
    cut_freely(w, op, bp__cpu_vectors(w, accumulate->sums.columns), w->engine->vector_width);
    BP_TRY(gives(w, NORM_OUT, &accumulate->sums));
    BP_TRY((accumulate->ends ? gives : takes)(w, NORM_IN, &accumulate->gradients));
    BP_TRY(takes(w, UPDATE_HYPER, &accumulate->hyper));
    return takes(w, UPDATE_STEP, &accumulate->step);
}

static bp_status write_average(bp__cpu_writing *w, plan_op *op, const bp__average *average)
{
    op->kind = PLAN_AVERAGE;
    cut_freely(w, op, bp__cpu_vectors(w, average->averages.columns), w->engine->vector_width);
    BP_TRY(gives(w, NORM_OUT, &average->averages));
    BP_TRY(takes(w, NORM_IN, &average->parameters));
    BP_TRY(takes(w, UPDATE_HYPER, &average->hyper));
    return takes(w, UPDATE_STEP, &average->step);
}

/* Cut in rows where moments are those of rows, else in vectors of units. */
static void cut_norm(bp__cpu_writing *w, plan_op *op, const bp__moments *moments)
{
    const size_t rows = moments->in.rows, vectors = bp__cpu_vectors(w, moments->in.columns);
    enum { WORK = 8 }; /* of an element, as copies of it */
    op->norm = moments->norm == BP_NORM_LAYER ? PLAN_NORM_LAYER
               : moments->known               ? PLAN_NORM_KNOWN
                                              : PLAN_NORM_BATCH;
    op->epsilon = bp__norm_epsilon;
    op->momentum = bp__norm_momentum;
    w->engine->plan_norm = true;
    if (moments->norm == BP_NORM_LAYER)
        cut_freely(w, op, rows, WORK * moments->in.columns);
    else
        cut_freely(w, op, vectors, WORK * rows * w->engine->vector_width);
}

static bp_status takes_moments(bp__cpu_writing *w, const bp__moments *moments)
{
    BP_TRY(takes(w, NORMALIZE_IN, &moments->in));
    BP_TRY(takes(w, NORMALIZE_MEAN, &moments->mean));
    return takes(w, NORMALIZE_SCALE, &moments->scale);
}

static bp_status write_normalize(bp__cpu_writing *w, plan_op *op, const bp__normalize *normalize)
{
    const bool moves = normalize->moments.norm == BP_NORM_BATCH && !normalize->moments.known;
    op->kind = PLAN_NORMALIZE;
    op->function = (plan_uint)normalize->activation;
    cut_norm(w, op, &normalize->moments);
    BP_TRY(gives(w, NORMALIZE_OUT, &normalize->out));
    BP_TRY(takes(w, NORMALIZE_IN, &normalize->moments.in));
    BP_TRY(gives(w, NORMALIZE_MEAN, &normalize->moments.mean));
    BP_TRY(gives(w, NORMALIZE_SCALE, &normalize->moments.scale));
    BP_TRY(takes(w, NORMALIZE_GAIN, &normalize->gain));
    BP_TRY(takes(w, NORMALIZE_SHIFT, &normalize->shift));
    BP_TRY(gives(w, NORMALIZE_NET, &normalize->net));
    BP_TRY(takes(w, NORMALIZE_SKIP, &normalize->skip));
    BP_TRY((moves ? gives : takes)(w, NORMALIZE_KNOWN_MEAN, &normalize->known_mean));
    BP_TRY((moves ? gives : takes)(w, NORMALIZE_KNOWN_VARIANCE, &normalize->known_variance));
    BP_TRY(takes(w, UPDATE_HYPER, &normalize->dropout.hyper));
    BP_TRY(takes(w, UPDATE_STEP, &normalize->dropout.step));
    put_dropout(w, op, &normalize->dropout);
    op->keeps_output = normalize->net.buffer && !bp__activation(normalize->activation)->of_net;
    w->engine->plan_residual |= normalize->skip.buffer != NULL;
    use_activation(w, normalize->activation);
    return BP_OK;
}

static bp_status write_norm_gradient(bp__cpu_writing *w, plan_op *op,
                                     const bp__norm_gradient *gradient)
{
    op->kind = PLAN_NORM_GRADIENT;
    cut_norm(w, op, &gradient->moments);
    cut_freely(w, op, bp__cpu_vectors(w, gradient->delta.columns),
               gradient->delta.rows * w->engine->vector_width * 2);
    BP_TRY(gives(w, NORMALIZE_GAIN_GRADIENT, &gradient->gain_gradient));
    BP_TRY(gives(w, NORMALIZE_SHIFT_GRADIENT, &gradient->shift_gradient));
    BP_TRY(takes(w, NORMALIZE_OUT, &gradient->delta));
    return takes_moments(w, &gradient->moments);
}

static bp_status write_norm_effect(bp__cpu_writing *w, plan_op *op, const bp__norm_effect *effect)
{
    op->kind = PLAN_NORM_EFFECT;
    cut_norm(w, op, &effect->moments);
    BP_TRY(gives(w, NORMALIZE_OUT, &effect->delta));
    BP_TRY(takes(w, NORMALIZE_GAIN, &effect->gain));
    BP_TRY(takes(w, NORMALIZE_GAIN_GRADIENT, &effect->gain_gradient));
    BP_TRY(takes(w, NORMALIZE_SHIFT_GRADIENT, &effect->shift_gradient));
    return takes_moments(w, &effect->moments);
}

static bp_status write_optimizer(bp__cpu_writing *w, plan_op *op, const bp__optimizer *optimizer)
{
    op->kind = PLAN_OPTIMIZER;
    cut_freely(w, op, bp__cpu_vectors(w, optimizer->parameters.columns), w->engine->vector_width);
    BP_TRY(takes(w, UPDATE_GRADIENTS, &optimizer->gradients));
    touch(w, &optimizer->parameters, true);
    touch(w, &optimizer->moment1, true);
    touch(w, &optimizer->moment2, true);
    return write_update(w, op, optimizer);
}

bp_status bp__cpu_write(bp__cpu_writing *w, const bp__op *from, const bp__optimizer *fused)
{
    plan_op *op = &w->ops[w->count];
    switch (from->kind) {
    case BP__OP_GATHER: return write_gather(w, op, &from->as.gather);
    case BP__OP_DENSE_FORWARD: return write_dense_forward(w, op, &from->as.dense_forward);
    case BP__OP_SOFTMAX: return write_softmax(w, op, &from->as.softmax);
    case BP__OP_LOSS: return write_loss(w, op, &from->as.loss);
    case BP__OP_REDUCE_LOSS: return write_reduce_loss(w, op, &from->as.reduce_loss);
    case BP__OP_DENSE_EFFECT: return write_dense_effect(w, op, &from->as.dense_effect);
    case BP__OP_DENSE_GRADIENT: return write_dense_gradient(w, op, &from->as.dense_gradient, fused);
    case BP__OP_SQUARES: return write_squares(w, op, &from->as.squares);
    case BP__OP_CLIP: return write_clip(w, op, &from->as.clip);
    case BP__OP_MAX_NORM: return write_max_norm(w, op, &from->as.max_norm);
    case BP__OP_AVERAGE: return write_average(w, op, &from->as.average);
    case BP__OP_ACCUMULATE: return write_accumulate(w, op, &from->as.accumulate);
    case BP__OP_NORMALIZE: return write_normalize(w, op, &from->as.normalize);
    case BP__OP_NORM_GRADIENT: return write_norm_gradient(w, op, &from->as.norm_gradient);
    case BP__OP_NORM_EFFECT: return write_norm_effect(w, op, &from->as.norm_effect);
    case BP__OP_OPTIMIZER: return write_optimizer(w, op, &from->as.optimizer);
    }
    return bp__fail(BP_ERROR_INTERNAL, "unknown operation %d", (int)from->kind);
}
