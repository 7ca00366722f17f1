/* reference_engine.c - carries out operations with the reference functions, one after the other.
 * Numbers are doubles, integers int32; transfers convert to and from float. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/families.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "reference/reference.h"

struct bp__buffer {
    bp__type type;
    size_t bytes;
    double *numbers;
    int32_t *integers;
    size_t count;
    float *shared; /* [count], what the host writes in place of numbers */
};

struct bp__sequence {
    bp__op *ops;
    size_t *items; /* of a profile, one for each operation; NULL without one */
    size_t count;
};

static void reference_buffer_free(bp__engine *engine, bp__buffer *buffer)
{
    engine->bytes -= buffer->bytes;
    free(buffer->numbers);
    free(buffer->integers);
    free(buffer->shared);
    free(buffer);
}

static bp_status reference_buffer_create(bp__engine *engine, bp__buffer **out, bp__type type,
                                         size_t count, bool later)
{
    (void)later; /* the reference stores all gradients */
    *out = NULL;
    bp__buffer *buffer = NULL;
    BP_TRY(bp__new_array(&buffer, 1, sizeof *buffer));
    buffer->type = type;
    buffer->count = count;
    bp_status status = type == BP__NUMBER
                           ? bp__new_array(&buffer->numbers, count, sizeof *buffer->numbers)
                           : bp__new_array(&buffer->integers, count, sizeof *buffer->integers);
    if (status != BP_OK) {
        reference_buffer_free(engine, buffer);
        return status;
    }
    buffer->bytes = count * (type == BP__NUMBER ? sizeof(double) : sizeof(int32_t));
    engine->bytes += buffer->bytes;
    *out = buffer;
    return BP_OK;
}

static bp_status reference_shared_create(bp__engine *engine, bp__buffer **out, bp__type type,
                                         size_t count)
{
    BP_TRY(reference_buffer_create(engine, out, type, count, false));
    if (type == BP__INTEGER) return BP_OK;
    bp_status status = bp__new_array(&(*out)->shared, count, sizeof *(*out)->shared);
    if (status == BP_OK) return BP_OK;
    reference_buffer_free(engine, *out);
    *out = NULL;
    return status;
}

static bp_status reference_map(bp__engine *engine, bp__buffer *buffer, void **host)
{
    (void)engine;
    *host = buffer->shared ? (void *)buffer->shared : (void *)buffer->integers;
    return BP_OK;
}

/* Something has just run, from start on. */
static bp_status note(bp__engine *engine, size_t item, int64_t steps, double bytes, double start)
{
    const bp__span span = {.item = item,
                           .steps = steps,
                           .bytes = bytes,
                           .queued = start,
                           .submitted = start,
                           .start = start,
                           .end = bp__seconds()};
    return bp__profile_add(engine->profile, &span);
}

static bp_status reference_unmap(bp__engine *engine, bp__buffer *buffer)
{
    const double start = engine->profile ? bp__seconds() : 0;
    for (size_t i = 0; buffer->shared && i < buffer->count; ++i)
        buffer->numbers[i] = (double)buffer->shared[i];
    if (!engine->profile) return BP_OK;
    return note(engine, BP__ITEM_WRITE, 0, (double)buffer->count * sizeof(float), start);
}

static bp_status note_transfer(bp__engine *engine, size_t item, const bp__view *view, double start)
{
    if (!engine->profile) return BP_OK;
    const double word =
        view->buffer->type == BP__NUMBER ? (double)sizeof(double) : (double)sizeof(int32_t);
    return note(engine, item, 0, word * (double)view->rows * (double)view->columns, start);
}

static bp_status reference_write(bp__engine *engine, const bp__view *view, const void *host)
{
    const double start = engine->profile ? bp__seconds() : 0;
    for (size_t i = 0; i < view->rows; ++i) {
        const size_t at = view->offset + i * view->stride;
        if (view->buffer->type == BP__NUMBER) {
            const float *row = (const float *)host + i * view->columns;
            for (size_t k = 0; k < view->columns; ++k)
                view->buffer->numbers[at + k] = (double)row[k];
        } else {
            memcpy(view->buffer->integers + at, (const int32_t *)host + i * view->columns,
                   view->columns * sizeof(int32_t));
        }
    }
    return note_transfer(engine, BP__ITEM_WRITE, view, start);
}

static bp_status reference_read(bp__engine *engine, const bp__view *view, void *host)
{
    const double start = engine->profile ? bp__seconds() : 0;
    for (size_t i = 0; i < view->rows; ++i) {
        const size_t at = view->offset + i * view->stride;
        if (view->buffer->type == BP__NUMBER) {
            float *row = (float *)host + i * view->columns;
            for (size_t k = 0; k < view->columns; ++k)
                row[k] = (float)view->buffer->numbers[at + k];
        } else {
            memcpy((int32_t *)host + i * view->columns, view->buffer->integers + at,
                   view->columns * sizeof(int32_t));
        }
    }
    return note_transfer(engine, BP__ITEM_READ, view, start);
}

double *bp__reference_numbers(bp__buffer *buffer)
{
    return buffer->numbers;
}

static void reference_sequence_free(bp__engine *engine, bp__sequence *sequence)
{
    (void)engine;
    free(sequence->ops);
    free(sequence->items);
    free(sequence);
}

/* Every operation is a kernel of its own here. Its numbers are doubles. */
static bp_status name_operations(bp_profile *profile, bp__sequence *sequence)
{
    if (!profile) return BP_OK;
    BP_TRY(bp__new_array(&sequence->items, sequence->count, sizeof *sequence->items));
    for (size_t i = 0; i < sequence->count; ++i) {
        bp__work work = bp__work_of(sequence->ops, i, 1);
        work.bytes *= sizeof(double) / sizeof(float);
        BP_TRY(
            bp__profile_item(profile, &sequence->items[i], sequence->ops, i, 1, "plain C", work));
    }
    return BP_OK;
}

static bp_status reference_sequence_create(bp__engine *engine, bp__sequence **out,
                                           const bp__op *ops, size_t count)
{
    *out = NULL;
    bp__sequence *sequence = NULL;
    BP_TRY(bp__new_array(&sequence, 1, sizeof *sequence));
    bp_status status = bp__new_array(&sequence->ops, count, sizeof *ops);
    if (status == BP_OK) {
        if (count) memcpy(sequence->ops, ops, count * sizeof *ops);
        sequence->count = count;
        status = name_operations(engine->profile, sequence);
    }
    if (status == BP_OK)
        *out = sequence;
    else
        reference_sequence_free(engine, sequence);
    return status;
}

static bp__matrix_ref matrix(const bp__view *view)
{
    bp__matrix_ref m = {.rows = view->rows, .columns = view->columns, .stride = view->stride};
    if (view->buffer) m.data = view->buffer->numbers + view->offset;
    return m;
}

static double *numbers(const bp__view *view)
{
    return view->buffer ? view->buffer->numbers + view->offset : NULL;
}

static int32_t *integers(const bp__view *view)
{
    return view->buffer ? view->buffer->integers + view->offset : NULL;
}

static void run_gather(const bp__gather *op)
{
    const size_t step = (size_t)*integers(&op->step);
    const int32_t *order = integers(&op->order);
    if (op->out.buffer->type == BP__NUMBER) {
        bp__reference_gather(matrix(&op->out), matrix(&op->in), order, step, op->period);
        return;
    }
    for (size_t i = 0; i < op->out.rows; ++i)
        memcpy(integers(&op->out) + i * op->out.stride,
               integers(&op->in) + (size_t)order[step * op->period + i] * op->in.stride,
               op->out.columns * sizeof(int32_t));
}

/* What comes after a layer's function: dropout, then what goes past the layer. nets are marked
 * where out is dropped; net, where it is not nets, keeps out as it was before anything was added.
 */
static void finish_layer(bp__matrix_ref out, bp__matrix_ref nets, bp__matrix_ref net,
                         const bp__dropout *dropout, const bp__view *skip)
{
    if (dropout->rate > 0)
        bp__reference_drop(out, nets,
                           numbers(&dropout->hyper) +
                               (size_t)*integers(&dropout->step) * BP__HYPER_COUNT,
                           dropout);
    if (net.data && !nets.data) bp__reference_copy(net, out);
    if (skip->buffer) bp__reference_skip(out, matrix(skip));
}

static void run_forward(const bp__dense_forward *f)
{
    const bp__matrix_ref out = matrix(&f->out), net = matrix(&f->net), none = {0};
    const bp__matrix_ref nets = bp__activation(f->activation)->of_net ? net : none;
    bp__reference_dense_forward(out, matrix(&f->in), matrix(&f->weights), matrix(&f->bias), nets,
                                f->activation);
    finish_layer(out, nets, net, &f->dropout, &f->skip);
}

static void run_normalize(const bp__normalize *n)
{
    const bp__matrix_ref out = matrix(&n->out), net = matrix(&n->net), in = matrix(&n->moments.in);
    const bp__matrix_ref none = {0}, nets = bp__activation(n->activation)->of_net ? net : none;
    double *mean = numbers(&n->moments.mean), *scale = numbers(&n->moments.scale);
    bp__reference_moments(mean, scale, in, numbers(&n->known_mean), numbers(&n->known_variance),
                          &n->moments);
    bp__reference_normalize(out, nets, in, numbers(&n->gain), numbers(&n->shift), mean, scale,
                            n->activation, &n->moments);
    finish_layer(out, nets, net, &n->dropout, &n->skip);
}

static void run_norm_gradient(const bp__norm_gradient *n)
{
    bp__reference_norm_gradient(numbers(&n->gain_gradient), numbers(&n->shift_gradient),
                                matrix(&n->delta), matrix(&n->moments.in),
                                numbers(&n->moments.mean), numbers(&n->moments.scale), &n->moments);
}

static void run_norm_effect(const bp__norm_effect *n)
{
    bp__reference_norm_effect(matrix(&n->delta), matrix(&n->moments.in), numbers(&n->moments.mean),
                              numbers(&n->moments.scale), numbers(&n->gain), &n->moments);
}

static void run_loss(const bp__loss *op)
{
    bp__reference_loss(matrix(&op->delta), numbers(&op->row_loss), numbers(&op->row_hits),
                       matrix(&op->output), integers(&op->labels), matrix(&op->targets),
                       numbers(&op->weights), op);
}

/* The row of the step that has just been counted. */
static const double *row_of_step(const bp__view *hyper, const bp__view *step)
{
    return numbers(hyper) + (size_t)(*integers(step) - 1) * BP__HYPER_COUNT;
}

static void run_optimizer(const bp__optimizer *op)
{
    const double *hyper = row_of_step(&op->hyper, &op->step);
    const double *factor = numbers(&op->factor);
    bp__reference_optimizer(numbers(&op->parameters), numbers(&op->gradients),
                            numbers(&op->moment1), numbers(&op->moment2), op->parameters.columns,
                            hyper, factor ? *factor : 1, op);
}

static void run_accumulate(const bp__accumulate *op)
{
    bp__reference_accumulate(numbers(&op->sums), numbers(&op->gradients), op->sums.columns,
                             row_of_step(&op->hyper, &op->step)[BP__HYPER_SHARE], op->ends);
}

static void run_average(const bp__average *op)
{
    bp__reference_average(numbers(&op->averages), numbers(&op->parameters), op->averages.columns,
                          row_of_step(&op->hyper, &op->step)[BP__HYPER_AVERAGE]);
}

/* The sums of squares, and from them the factor: here they are added up as they come. */
static void run_squares(const bp__squares *op)
{
    const double *x = numbers(&op->in);
    double *out = numbers(&op->out);
    for (size_t i = 0; i < op->in.columns; ++i) {
        if (i % op->chunk == 0) out[i / op->chunk] = 0;
        out[i / op->chunk] += x[i] * x[i];
    }
}

static void run_clip(const bp__clip *op)
{
    double sum = 0;
    for (size_t i = 0; i < op->squares.columns; ++i) sum += numbers(&op->squares)[i];
    const double norm = sqrt(sum);
    *numbers(&op->factor) = bp__reference_clip_factor(&norm, 1, (double)op->limit);
}

static void run(const bp__op *op)
{
    switch (op->kind) {
    case BP__OP_GATHER: run_gather(&op->as.gather); break;
    case BP__OP_DENSE_FORWARD: run_forward(&op->as.dense_forward); break;
    case BP__OP_SOFTMAX:
        bp__reference_softmax(matrix(&op->as.softmax.out), matrix(&op->as.softmax.in));
        break;
    case BP__OP_LOSS: run_loss(&op->as.loss); break;
    case BP__OP_REDUCE_LOSS: {
        const bp__reduce_loss *r = &op->as.reduce_loss;
        bp__reference_reduce_loss(numbers(&r->losses), numbers(&r->hits), numbers(&r->row_loss),
                                  numbers(&r->row_hits), r->row_loss.columns, integers(&r->step));
        break;
    }
    case BP__OP_DENSE_EFFECT: {
        const bp__dense_effect *e = &op->as.dense_effect;
        bp__reference_dense_effect(matrix(&e->delta_in), matrix(&e->delta), matrix(&e->weights),
                                   matrix(&e->in), e->activation, e->dropout, matrix(&e->skip),
                                   matrix(&e->effect));
        break;
    }
    case BP__OP_DENSE_GRADIENT: {
        const bp__dense_gradient *g = &op->as.dense_gradient;
        bp__reference_dense_gradient(matrix(&g->weights_gradient), matrix(&g->bias_gradient),
                                     matrix(&g->delta), matrix(&g->in));
        break;
    }
    case BP__OP_SQUARES: run_squares(&op->as.squares); break;
    case BP__OP_CLIP: run_clip(&op->as.clip); break;
    case BP__OP_MAX_NORM:
        bp__reference_max_norm(matrix(&op->as.max_norm.weights), (double)op->as.max_norm.limit);
        break;
    case BP__OP_ACCUMULATE: run_accumulate(&op->as.accumulate); break;
    case BP__OP_AVERAGE: run_average(&op->as.average); break;
    case BP__OP_NORMALIZE: run_normalize(&op->as.normalize); break;
    case BP__OP_NORM_GRADIENT: run_norm_gradient(&op->as.norm_gradient); break;
    case BP__OP_NORM_EFFECT: run_norm_effect(&op->as.norm_effect); break;
    case BP__OP_OPTIMIZER: run_optimizer(&op->as.optimizer); break;
    }
}

static bp_status reference_sequence_run(bp__engine *engine, bp__sequence *sequence, size_t times)
{
    for (size_t t = 0; t < times; ++t)
        for (size_t i = 0; i < sequence->count; ++i) {
            const double start = sequence->items ? bp__seconds() : 0;
            run(&sequence->ops[i]);
            if (sequence->items) BP_TRY(note(engine, sequence->items[i], 1, 0, start));
        }
    return BP_OK;
}

static bp_status reference_finish(bp__engine *engine)
{
    (void)engine;
    return BP_OK;
}

static bp_status reference_profile(bp__engine *engine, bp_profile *profile)
{
    BP_TRY(bp__profile_device(profile, "plain C reference"));
    engine->profile = profile;
    return BP_OK;
}

static void reference_free(bp__engine *engine)
{
    free(engine);
}

/* Everything has happened when a call returns, so reading behind is reading. */
static const bp__engine_api reference_api = {
    .free = reference_free,
    .buffer_create = reference_buffer_create,
    .buffer_free = reference_buffer_free,
    .write = reference_write,
    .read = reference_read,
    .read_behind = reference_read,
    .sequence_create = reference_sequence_create,
    .sequence_free = reference_sequence_free,
    .sequence_run = reference_sequence_run,
    .finish = reference_finish,
    .profile = reference_profile,
    .shared_create = reference_shared_create,
    .map = reference_map,
    .unmap = reference_unmap,
};

bool bp__is_reference(const bp__engine *engine)
{
    return engine->api == &reference_api;
}

bp_status bp__reference_engine_create(bp__engine **out)
{
    BP_TRY(bp__new_array(out, 1, sizeof **out));
    (*out)->api = &reference_api;
    (*out)->quantum = 1;
    (*out)->buffer_limit = (*out)->memory = SIZE_MAX;
    return BP_OK;
}
