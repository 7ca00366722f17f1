/* cpu_plan.c - writes a list of operations down for kernels/cpu/plan.cl, which runs them as often
 * as asked in one launch: cuts each into tasks, and gathers those that are independent in phases.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "ops/cpu_split.h"
#include "ops/fusions.h"
#include "ops/launchers.h"

/* After the OpenCL types, of which it is made. */
#include "cpu/plan_format.h"

enum {
    BUFFERS = 16,       /* pointer arguments of the kernel */
    ACCESSES = 13,      /* views that one operation touches, at most, and an end */
    MOST_TASKS = 4,     /* a thread's share of an operation that is cut freely */
    TASK_FLOATS = 4096, /* of such an operation, at least */
    CLAIM_LINE = 32     /* claim words of two threads lie on different cache lines */
};

/* The members that every program knows, as bits: so that most networks share one, which is compiled
 * once. Others are added as they are used, and stay: what evaluates is what trains. */
enum {
    COMMON_ACTIVATIONS = 1 << BP_ACTIVATION_LINEAR | 1 << BP_ACTIVATION_SIGMOID |
                         1 << BP_ACTIVATION_TANH | 1 << BP_ACTIVATION_RELU,
    COMMON_LOSSES = 1 << BP_LOSS_HALF_SQUARED | 1 << BP_LOSS_CROSS_ENTROPY,
    COMMON_OPTIMIZERS = 1 << BP_OPTIMIZER_SGD | 1 << BP_OPTIMIZER_MOMENTUM | 1 << BP_OPTIMIZER_ADAM
};

/* Long against the waking of threads, short enough that a stop is prompt. */
static const double launch_nanoseconds = 40e6;

/* A group that waits reads a counter about once a nanosecond. It leaves after what would be four
 * times the phase on one thread, and not before the system has had time to give two threads that
 * woke on one core a core each: some milliseconds. */
enum { LEAST_PATIENCE = 10000000 };

/* Memory that an operation reads or writes. */
typedef struct access {
    bp__view view;
    bool writes;
} access;

/* A plan that is being written down. */
typedef struct writing {
    bp__device_engine *engine;
    size_t threads;
    bp__tile product, gradient; /* as the kernel is built with them */
    plan_op *ops;
    access (*accesses)[ACCESSES]; /* of each operation, to the first without a buffer */
    size_t count;
    cl_mem buffers[BUFFERS];
    size_t buffer_count;
    bool shaped;             /* a gradient goes through more than the optimizer */
    double step_nanoseconds; /* estimated */
} writing;

/* ---- Views ----------------------------------------------------------------------------------- */

static bp_status number_buffer(writing *w, plan_uint *number, const bp__view *view)
{
    const cl_mem memory = bp__buffer_memory(view->buffer);
    for (*number = 0; *number < w->buffer_count; ++*number)
        if (w->buffers[*number] == memory) return BP_OK;
    if (w->buffer_count == BUFFERS)
        return bp__fail(BP_ERROR_INTERNAL, "a plan uses more than %d buffers", (int)BUFFERS);
    w->buffers[w->buffer_count++] = memory;
    return BP_OK;
}

/* Notes what the operation at hand touches. */
static void touch(writing *w, const bp__view *view, bool writes)
{
    if (!view->buffer) return;
    access *a = w->accesses[w->count];
    while (a->view.buffer) ++a;
    *a = (access){*view, writes};
}

/* Writes the shape of a view of the operation at hand down, as it is stored: weights as their
 * transpose. */
static plan_view *put_shape(writing *w, int place, const bp__view *view)
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
static bp_status put(writing *w, int place, const bp__view *view)
{
    if (!view->buffer) return BP_OK;
    BP_TRY(bp__buffer_need(w->engine, view->buffer));
    return number_buffer(w, &put_shape(w, place, view)->buffer, view);
}

static bp_status takes(writing *w, int place, const bp__view *view)
{
    touch(w, view, false);
    return put(w, place, view);
}

static bp_status gives(writing *w, int place, const bp__view *view)
{
    touch(w, view, true);
    return put(w, place, view);
}

static bool depends(const access *a, const access *others)
{
    for (; a->view.buffer; ++a)
        for (const access *b = others; b->view.buffer; ++b)
            if ((a->writes || b->writes) && a->view.buffer == b->view.buffer &&
                a->view.offset < b->view.offset + bp__view_extent(&b->view) &&
                b->view.offset < a->view.offset + bp__view_extent(&a->view))
                return true;
    return false;
}

/* ---- Operations ------------------------------------------------------------------------------ */

/* Cuts `units` of `floats` each freely: tasks for every thread, none too small. */
static void cut_freely(writing *w, plan_op *op, size_t units, size_t floats)
{
    size_t tasks = units * floats / TASK_FLOATS;
    if (tasks > w->threads * MOST_TASKS) tasks = w->threads * MOST_TASKS;
    if (tasks > units) tasks = units;
    op->split_rows = (plan_uint)(tasks < 1 ? 1 : tasks);
    op->split_columns = 1;
}

static size_t vectors_of(const writing *w, size_t columns)
{
    return (columns + w->engine->vector_width - 1) / w->engine->vector_width;
}

/* rows x columns results in tiles, each of `depth` multiply-adds. one_row: the batch has one row,
 * and the loops of such batches have strips of their own. */
static void cut_product(writing *w, plan_op *op, const bp__tile *tile, size_t rows, size_t columns,
                        size_t depth, size_t least_row_blocks, bool one_row)
{
    const size_t vectors = vectors_of(w, columns);
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
static void use_activation(writing *w, int32_t activation)
{
    w->engine->plan_activations |= 1u << activation;
}

static void put_dropout(writing *w, plan_op *op, const bp__dropout *dropout)
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

static bp_status write_gather(writing *w, plan_op *op, const bp__gather *gather)
{
    op->kind = PLAN_GATHER;
    op->period = (plan_uint)gather->period;
    cut_freely(w, op, gather->out.rows, gather->out.columns);
    BP_TRY(gives(w, GATHER_OUT, &gather->out));
    BP_TRY(takes(w, GATHER_IN, &gather->in));
    BP_TRY(takes(w, GATHER_ORDER, &gather->order));
    return takes(w, GATHER_STEP, &gather->step);
}

static bp_status write_dense_forward(writing *w, plan_op *op, const bp__dense_forward *dense)
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

static bp_status write_dense_effect(writing *w, plan_op *op, const bp__dense_effect *dense)
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

static bp_status write_update(writing *w, plan_op *op, const bp__optimizer *optimizer)
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
static bp_status gives_gradient(writing *w, int place, const bp__view *gradient, bool stored)
{
    if (stored) return gives(w, place, gradient);
    if (gradient->buffer) put_shape(w, place, gradient);
    return BP_OK;
}

/* optimizer: the parameters are updated at once, from tiles of the gradient still in registers;
 * only of batches deeper than a block there are partial sums to be stored. */
static bp_status write_dense_gradient(writing *w, plan_op *op, const bp__dense_gradient *dense,
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

static bp_status write_loss(writing *w, plan_op *op, const bp__loss *loss)
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
    cut_freely(w, op, vectors_of(w, loss->output.rows),
               w->engine->vector_width * loss->output.columns * 8);
    BP_TRY(takes(w, LOSS_OUTPUT, &loss->output));
    BP_TRY(gives(w, LOSS_DELTA, &loss->delta));
    BP_TRY(takes(w, LOSS_LABELS, &loss->labels));
    BP_TRY(takes(w, LOSS_TARGETS, &loss->targets));
    BP_TRY(takes(w, LOSS_WEIGHTS, &loss->weights));
    BP_TRY(gives(w, LOSS_ROW_LOSS, &loss->row_loss));
    return gives(w, LOSS_ROW_HITS, &loss->row_hits);
}

static bp_status write_softmax(writing *w, plan_op *op, const bp__softmax *softmax)
{
    op->kind = PLAN_SOFTMAX;
    cut_freely(w, op, vectors_of(w, softmax->in.rows),
               w->engine->vector_width * softmax->in.columns * 8);
    BP_TRY(gives(w, SOFTMAX_OUT, &softmax->out));
    return takes(w, SOFTMAX_IN, &softmax->in);
}

static bp_status write_reduce_loss(writing *w, plan_op *op, const bp__reduce_loss *reduce)
{
    op->kind = PLAN_REDUCE_LOSS;
    op->split_rows = op->split_columns = 1;
    BP_TRY(gives(w, REDUCE_LOSSES, &reduce->losses));
    BP_TRY(gives(w, REDUCE_HITS, &reduce->hits));
    BP_TRY(takes(w, REDUCE_ROW_LOSS, &reduce->row_loss));
    BP_TRY(takes(w, REDUCE_ROW_HITS, &reduce->row_hits));
    return gives(w, REDUCE_STEP, &reduce->step);
}

static bp_status write_squares(writing *w, plan_op *op, const bp__squares *squares)
{
    op->kind = PLAN_SQUARES;
    op->period = (plan_uint)squares->chunk;
    cut_freely(w, op, squares->out.columns, squares->chunk);
    BP_TRY(gives(w, NORM_OUT, &squares->out));
    return takes(w, NORM_IN, &squares->in);
}

static bp_status write_clip(writing *w, plan_op *op, const bp__clip *clip)
{
    op->kind = PLAN_CLIP;
    op->split_rows = op->split_columns = 1;
    op->clip = clip->limit;
    BP_TRY(gives(w, NORM_OUT, &clip->factor));
    return takes(w, NORM_IN, &clip->squares);
}

/* Cut in rows where moments are those of rows, else in vectors of units. */
static void cut_norm(writing *w, plan_op *op, const bp__moments *moments)
{
    const size_t rows = moments->in.rows, vectors = vectors_of(w, moments->in.columns);
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

static bp_status takes_moments(writing *w, const bp__moments *moments)
{
    BP_TRY(takes(w, NORMALIZE_IN, &moments->in));
    BP_TRY(takes(w, NORMALIZE_MEAN, &moments->mean));
    return takes(w, NORMALIZE_SCALE, &moments->scale);
}

static bp_status write_normalize(writing *w, plan_op *op, const bp__normalize *normalize)
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

static bp_status write_norm_gradient(writing *w, plan_op *op, const bp__norm_gradient *gradient)
{
    op->kind = PLAN_NORM_GRADIENT;
    cut_norm(w, op, &gradient->moments);
    cut_freely(w, op, vectors_of(w, gradient->delta.columns),
               gradient->delta.rows * w->engine->vector_width * 2);
    BP_TRY(gives(w, NORMALIZE_GAIN_GRADIENT, &gradient->gain_gradient));
    BP_TRY(gives(w, NORMALIZE_SHIFT_GRADIENT, &gradient->shift_gradient));
    BP_TRY(takes(w, NORMALIZE_OUT, &gradient->delta));
    return takes_moments(w, &gradient->moments);
}

static bp_status write_norm_effect(writing *w, plan_op *op, const bp__norm_effect *effect)
{
    op->kind = PLAN_NORM_EFFECT;
    cut_norm(w, op, &effect->moments);
    BP_TRY(gives(w, NORMALIZE_OUT, &effect->delta));
    BP_TRY(takes(w, NORMALIZE_GAIN, &effect->gain));
    BP_TRY(takes(w, NORMALIZE_GAIN_GRADIENT, &effect->gain_gradient));
    BP_TRY(takes(w, NORMALIZE_SHIFT_GRADIENT, &effect->shift_gradient));
    return takes_moments(w, &effect->moments);
}

static bp_status write_optimizer(writing *w, plan_op *op, const bp__optimizer *optimizer)
{
    op->kind = PLAN_OPTIMIZER;
    cut_freely(w, op, vectors_of(w, optimizer->parameters.columns), w->engine->vector_width);
    BP_TRY(takes(w, UPDATE_GRADIENTS, &optimizer->gradients));
    touch(w, &optimizer->parameters, true);
    touch(w, &optimizer->moment1, true);
    touch(w, &optimizer->moment2, true);
    return write_update(w, op, optimizer);
}

/* Whether nothing that comes after gradient `at` would notice that its parameters have changed: of
 * what the plan writes there, effects take weights, and all else belongs before. */
static bool last_use(const bp__op *ops, size_t count, size_t at)
{
    const size_t weights = ops[at].as.dense_gradient.weights_gradient.offset;
    for (size_t i = at + 1; i + 1 < count; ++i)
        if (ops[i].kind != BP__OP_DENSE_GRADIENT &&
            (ops[i].kind != BP__OP_DENSE_EFFECT ||
             ops[i].as.dense_effect.weights.offset == weights))
            return false;
    return true;
}

/* The optimizer of a step whose gradients may be used up as they are made: nothing else wants them,
 * nor the old parameters, and together they are all of the arena. */
static const bp__optimizer *fusible_optimizer(const bp__op *ops, size_t count)
{
    if (count < 2 || ops[count - 1].kind != BP__OP_OPTIMIZER) return NULL;
    const bp__optimizer *optimizer = &ops[count - 1].as.optimizer;
    if (optimizer->keep_gradients || optimizer->factor.buffer || optimizer->parameters.offset ||
        optimizer->gradients.offset || optimizer->moment1.offset || optimizer->moment2.offset)
        return NULL;
    size_t covered = 0, end = 0;
    for (size_t i = 0; i < count; ++i) {
        if (ops[i].kind != BP__OP_DENSE_GRADIENT) continue;
        if (!last_use(ops, count, i)) return NULL;
        const bp__view *const views[] = {&ops[i].as.dense_gradient.weights_gradient,
                                         &ops[i].as.dense_gradient.bias_gradient};
        for (int v = 0; v < 2; ++v) {
            if (!views[v]->buffer) continue;
            if (views[v]->buffer != optimizer->gradients.buffer) return NULL;
            const size_t extent = bp__view_extent(views[v]);
            covered += extent;
            if (views[v]->offset + extent > end) end = views[v]->offset + extent;
        }
    }
    return covered == end && end == optimizer->parameters.columns ? optimizer : NULL;
}

static bp_status write_op(writing *w, const bp__op *from, const bp__optimizer *fused)
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
    case BP__OP_NORMALIZE: return write_normalize(w, op, &from->as.normalize);
    case BP__OP_NORM_GRADIENT: return write_norm_gradient(w, op, &from->as.norm_gradient);
    case BP__OP_NORM_EFFECT: return write_norm_effect(w, op, &from->as.norm_effect);
    case BP__OP_OPTIMIZER: return write_optimizer(w, op, &from->as.optimizer);
    }
    return bp__fail(BP_ERROR_INTERNAL, "unknown operation %d", (int)from->kind);
}

/* ---- Phases and the launch ------------------------------------------------------------------- */

/* Puts each of the operations, `from` which the plan was written, in the phase of the one before,
 * if it depends on nothing there. */
static void make_phases(writing *w, const bp__op *from)
{
    size_t first = 0;
    plan_uint tasks = 0;
    for (size_t o = 0; o < w->count; ++o) {
        tasks += w->ops[o].split_rows * w->ops[o].split_columns;
        bool ends = o + 1 == w->count;
        for (size_t i = first; !ends && i <= o; ++i)
            ends = depends(w->accesses[o + 1], w->accesses[i]);
        if (!ends) continue;
        const double alone = bp__cpu_nanoseconds(w->engine->tuning.cost, from + first,
                                                 o + 1 - first, w->engine->vector_width, 1);
        for (size_t i = first; i <= o; ++i) {
            w->ops[i].patience = (plan_uint)(LEAST_PATIENCE + (alone < 5e8 ? 4 * alone : 2e9));
            w->ops[i].phase_end = (plan_uint)(o + 1);
            w->ops[i].tasks_until_end = tasks;
        }
        first = o + 1;
    }
}

/* Gives every share of every operation its claim words; returns the number of control words. */
static size_t place_claims(writing *w)
{
    size_t words = CONTROL_CLAIMS;
    for (size_t o = 0; o < w->count; ++o) {
        plan_op *op = &w->ops[o];
        const size_t tasks = (size_t)op->split_rows * op->split_columns;
        const size_t share = (tasks + w->threads - 1) / w->threads;
        op->claims = (plan_uint)words;
        op->claims_step = (plan_uint)bp__round_up(share, CLAIM_LINE);
        words += w->threads * op->claims_step;
    }
    return words;
}

/* The floats that a group packs a strip of weights into, a block of the sum at a time, as
 * dense_effect in kernels/cpu/dense.cl does; 0 where nothing is packed, as for a batch of one. */
static size_t scratch_size(const writing *w)
{
    const size_t width = w->engine->vector_width;
    size_t most = 0;
    for (size_t o = 0; o < w->count; ++o) {
        const plan_view *delta = &w->ops[o].view[DENSE_A];
        if (w->ops[o].kind != PLAN_DENSE_EFFECT || delta->rows == 1) continue;
        const size_t depth = delta->columns;
        const size_t block = vectors_of(w, depth < PLAN_K_BLOCK ? depth : PLAN_K_BLOCK) * width;
        if (block > most) most = block;
    }
    return most > 0 ? w->product.vectors * (most + 1) * width : 0;
}

static bp_status record(writing *w, bp__recorder *recorder)
{
    bp__device_engine *engine = w->engine;
    const cl_ulong scratch_floats = scratch_size(w);
    const size_t control_words = place_claims(w);
    cl_mem ops, control, scratch;
    BP_TRY(bp__recorder_add_buffer(recorder, &ops, w->ops, w->count * sizeof *w->ops));
    BP_TRY(bp__recorder_add_buffer(recorder, &control, NULL, control_words * sizeof(cl_int)));
    BP_TRY(bp__engine_scratch(engine, w->threads * scratch_floats, &scratch));
    const cl_uint once = 1, count = (cl_uint)w->count;
    bp__arg args[6 + BUFFERS] = {BP_ARG(once),    BP_ARG(ops),     BP_ARG(count),
                                 BP_ARG(control), BP_ARG(scratch), BP_ARG(scratch_floats)};
    for (size_t b = 0; b < BUFFERS; ++b)
        args[6 + b] = (bp__arg)BP_ARG(w->buffers[b < w->buffer_count ? b : 0]);
    char options[256];
    snprintf(options, sizeof options,
             "-DBP_VW=%u -DTILE_M=%u -DTILE_N=%u -DTILE_LANES=%u -DTILE_LANES_N=%u "
             "-DBP_ACTIVATIONS=%u -DBP_LOSSES=%u -DBP_OPTIMIZERS=%u -DBP_SHAPED=%d "
             "-DBP_DROPOUT=%d -DBP_RESIDUAL=%d -DBP_NORM=%d",
             engine->vector_width, w->product.rows, w->product.vectors, w->gradient.rows,
             w->gradient.vectors, COMMON_ACTIVATIONS | engine->plan_activations,
             COMMON_LOSSES | engine->plan_losses, COMMON_OPTIMIZERS | engine->plan_optimizers,
             w->shaped, engine->plan_dropout, engine->plan_residual, engine->plan_norm);
    const bp__grid grid = {1, {w->threads, 1, 1}, {1, 1, 1}};
    BP_TRY(bp__record_launch(recorder, "cpu/plan.cl", options, "run_plan", args, BP_COUNT(args),
                             &grid));
    if (engine->base.profile) return BP_OK;
    const double steps = launch_nanoseconds / w->step_nanoseconds;
    const double most = (double)(INT32_MAX / 2) / w->ops[w->count - 1].tasks_until_end;
    recorder->steps_per_launch = (size_t)(steps < 1 ? 1 : steps < most ? steps : most);
    return BP_OK;
}

bp_status bp__fuse_cpu_plan(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                            size_t count, size_t *consumed)
{
    if (!engine->cpu_kernels) return BP_OK;
    if (engine->base.profile) count = 1; /* whose time is to be known by itself */
    double nanoseconds;
    const size_t threads = bp__cpu_threads(engine->tuning.cost, ops, count, engine->vector_width,
                                           engine->device->info.compute_units, &nanoseconds);
    writing w = {.engine = engine,
                 .threads = engine->threads ? engine->threads : threads,
                 .step_nanoseconds = nanoseconds,
                 .product = engine->tuning.product,
                 .gradient = engine->tuning.gradient};
    if (w.gradient.rows > engine->vector_width) w.gradient.rows = engine->vector_width;
    const bp__optimizer *fused = fusible_optimizer(ops, count);
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&w.ops, count, sizeof *w.ops));
    BP_TRY_GOTO(bp__new_array(&w.accesses, count, sizeof *w.accesses));
    for (size_t i = 0; i < count; ++i) {
        if (fused && ops[i].kind == BP__OP_OPTIMIZER) continue;
        BP_TRY_GOTO(write_op(&w, &ops[i], fused));
        ++w.count;
    }
    make_phases(&w, ops);
    BP_TRY_GOTO(record(&w, recorder));
    *consumed = count;
fail:
    free(w.ops);
    free(w.accesses);
    return status;
}
