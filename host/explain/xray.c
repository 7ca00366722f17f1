/* xray.c - writes down the operations of a step that keeps everything, and runs them. */
#include "explain/xray.h"

#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"

/* ---- Memory ------------------------------------------------------------------------------------
 */

static bool reserve(bp__view *view, size_t *size, size_t rows, size_t columns)
{
    *view = (bp__view){.offset = *size, .rows = rows, .columns = columns, .stride = columns};
    size_t elements;
    return bp__mul_size(&elements, rows, columns) && bp__add_size(size, *size, elements);
}

/* A layer's views that there are memory for, beside those that others stand in for. */
enum { MOST_VIEWS = 15 };

static size_t own_views(bp__view *out[MOST_VIEWS], bp__xray_layer *x, const bp_layer *about)
{
    bp__view *const always[] = {&x->net,    &x->activation, &x->slope,
                                &x->effect, &x->coupled,    &x->delta};
    bp__view *const normed[] = {&x->shifted,      &x->shifted_delta,   &x->mean,
                                &x->variance,     &x->normalised,      &x->own,
                                &x->through_mean, &x->through_variance};
    size_t count = sizeof always / sizeof *always;
    memcpy(out, always, sizeof always);
    if (about->norm != BP_NORM_NONE) {
        memcpy(out + count, normed, sizeof normed);
        count += sizeof normed / sizeof *normed;
    }
    if (about->residual) out[count++] = &x->output;
    return count;
}

static bp_status make_room(bp__xray *xray)
{
    const bp__network *network = xray->glass->network;
    const size_t rows = xray->glass->plan->rows;
    bp__view *views[MOST_VIEWS];
    size_t size = 0, longest = rows;
    bool fits = true;
    for (size_t l = 0; l < network->layer_count; ++l) {
        const size_t units = network->layers[l].outputs;
        const size_t count = own_views(views, &xray->layers[l], &network->layers[l]);
        for (size_t i = 0; i < count; ++i) fits = fits && reserve(views[i], &size, rows, units);
        if (units > longest) longest = units;
    }
    fits = fits && reserve(&xray->ones, &size, 1, longest);
    if (!fits) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__buffer_create(xray->glass->engine, &xray->numbers, BP__NUMBER, size));
    for (size_t l = 0; l < network->layer_count; ++l) {
        const bp_layer *about = &network->layers[l];
        bp__xray_layer *x = &xray->layers[l];
        const size_t count = own_views(views, x, about);
        for (size_t i = 0; i < count; ++i) views[i]->buffer = xray->numbers;
        if (!about->residual) x->output = x->activation;
        if (about->norm != BP_NORM_NONE) continue;
        x->shifted = x->net;
        x->shifted_delta = x->delta;
    }
    xray->ones.buffer = xray->numbers;
    double *ones = bp__glass_numbers(&xray->ones);
    for (size_t i = 0; i < longest; ++i) ones[i] = 1;
    return BP_OK;
}

/* ---- The operations ----------------------------------------------------------------------------
 */

typedef struct writer {
    bp__xray *xray;
    bp__op *ops;
    size_t count;
} writer;

static void write_op(writer *w, const bp__op *op)
{
    w->ops[w->count++] = *op;
}

/* The layer whose weights, or gradients of weights, start at this place of an arena. */
static size_t layer_at(const bp__network *network, const bp__view *weights)
{
    size_t l = 0;
    while (l + 1 < network->layer_count && network->values[l].weights.offset != weights->offset)
        ++l;
    return l;
}

/* The effect operation of a network in which the delta and the weight behind each unit are 1: what
 * it makes is the slope alone. */
static void write_slope(writer *w, size_t layer, const bp__view *in, int32_t activation)
{
    const bp__view *slope = &w->xray->layers[layer].slope;
    bp__view ones = w->xray->ones, weights = ones;
    ones.rows = slope->rows;
    ones.columns = ones.stride = 1;
    weights.columns = weights.stride = slope->columns;
    write_op(w, &(bp__op){.kind = BP__OP_DENSE_EFFECT,
                          .as.dense_effect = {.delta_in = *slope,
                                              .delta = ones,
                                              .weights = weights,
                                              .in = *in,
                                              .activation = activation}});
}

/* The net inputs of a layer with a norm are all that its products make. */
static void write_forward(writer *w, const bp__op *op)
{
    const bp__network *network = w->xray->glass->network;
    const size_t l = layer_at(network, &op->as.dense_forward.weights);
    const bp__xray_layer *x = &w->xray->layers[l];
    const int32_t activation = network->layers[l].activation;
    bp__op copy = *op;
    copy.as.dense_forward.out = x->net;
    copy.as.dense_forward.activation = BP_ACTIVATION_LINEAR;
    copy.as.dense_forward.net.buffer = NULL;
    copy.as.dense_forward.skip.buffer = NULL;
    write_op(w, &copy);
    if (network->layers[l].norm != BP_NORM_NONE) {
        write_op(w, op);
        return;
    }
    copy.as.dense_forward.out = x->activation;
    copy.as.dense_forward.activation = activation;
    if (activation == BP_ACTIVATION_SOFTMAX)
        copy = (bp__op){.kind = BP__OP_SOFTMAX, .as.softmax = {.out = x->activation, .in = x->net}};
    write_op(w, &copy);
    if (network->layers[l].residual) {
        copy.as.dense_forward.skip = op->as.dense_forward.skip;
        copy.as.dense_forward.out = x->output;
        write_op(w, &copy);
    }
    write_op(w, op); /* for what follows, which reads it where training does */
    if (l + 1 == network->layer_count) {
        w->xray->from_net = bp__loss_of(network->loss)->output != BP_ACTIVATION_AUTO;
        if (activation != BP_ACTIVATION_SOFTMAX)
            write_slope(w, l, bp__activation(activation)->of_net ? &x->net : &x->activation,
                        activation);
    }
}

static void write_normalize(writer *w, const bp__op *op)
{
    const size_t l = op->layer - 1;
    const bp__xray_layer *x = &w->xray->layers[l];
    bp__op copy = *op;
    copy.as.normalize.out = x->shifted;
    copy.as.normalize.activation = BP_ACTIVATION_LINEAR;
    copy.as.normalize.net.buffer = NULL;
    copy.as.normalize.skip.buffer = NULL;
    write_op(w, &copy);
    copy.as.normalize.out = x->activation;
    copy.as.normalize.activation = op->as.normalize.activation;
    write_op(w, &copy);
    if (op->as.normalize.skip.buffer) {
        copy.as.normalize.skip = op->as.normalize.skip;
        copy.as.normalize.out = x->output;
        write_op(w, &copy);
    }
    write_op(w, op);
}

static void write_loss(writer *w, const bp__op *op)
{
    const bp__xray_layer *last = &w->xray->layers[w->xray->glass->network->layer_count - 1];
    bp__op copy = *op;
    if (!w->xray->from_net) { /* as if the outputs were linear: what is left are the effects */
        copy.as.loss.output = last->activation;
        copy.as.loss.activation = BP_ACTIVATION_LINEAR;
        copy.as.loss.delta = last->effect;
        write_op(w, &copy);
    }
    copy = *op;
    copy.as.loss.delta = last->delta;
    write_op(w, &copy);
}

/* What came past layer l goes on to the layer before it. */
static void write_effect(writer *w, const bp__op *op)
{
    const size_t l = layer_at(w->xray->glass->network, &op->as.dense_effect.weights);
    const bp__xray_layer *layers = w->xray->layers, *before = &layers[l - 1];
    bp__op copy = *op;
    copy.as.dense_effect.delta = layers[l].delta;
    copy.as.dense_effect.delta_in = before->effect;
    copy.as.dense_effect.activation = BP_ACTIVATION_LINEAR;
    copy.as.dense_effect.effect.buffer = NULL;
    if (op->as.dense_effect.skip.buffer) copy.as.dense_effect.skip = layers[l].effect;
    write_op(w, &copy);
    copy.as.dense_effect.delta_in = before->shifted_delta;
    copy.as.dense_effect.activation = op->as.dense_effect.activation;
    write_op(w, &copy);
    if (before->normalised.buffer) { /* from which the norm's effect makes the delta in place */
        copy.as.dense_effect.delta_in = before->delta;
        write_op(w, &copy);
    }
    write_slope(w, l - 1, &op->as.dense_effect.in, op->as.dense_effect.activation);
}

static void write_gradient(writer *w, const bp__op *op)
{
    const size_t l = layer_at(w->xray->glass->network, &op->as.dense_gradient.weights_gradient);
    bp__op copy = *op;
    copy.as.dense_gradient.delta = w->xray->layers[l].delta;
    write_op(w, &copy);
}

static void write_norm_gradient(writer *w, const bp__op *op)
{
    bp__op copy = *op;
    copy.as.norm_gradient.delta = w->xray->layers[op->layer - 1].shifted_delta;
    write_op(w, &copy);
}

static void write_norm_effect(writer *w, const bp__op *op)
{
    bp__op copy = *op;
    copy.as.norm_effect.delta = w->xray->layers[op->layer - 1].delta;
    write_op(w, &copy);
}

static bp_status write_ops(bp__xray *xray)
{
    const bp__glass *glass = xray->glass;
    enum { MOST_FOR_ONE = 5 };
    writer w = {.xray = xray};
    BP_TRY(bp__new_array(&w.ops, MOST_FOR_ONE * glass->op_count, sizeof *w.ops));
    for (size_t i = 0; i < glass->op_count; ++i) {
        const bp__op *op = &glass->ops[i];
        switch (op->kind) {
        case BP__OP_DENSE_FORWARD: write_forward(&w, op); break;
        case BP__OP_LOSS: write_loss(&w, op); break;
        case BP__OP_DENSE_EFFECT: write_effect(&w, op); break;
        case BP__OP_DENSE_GRADIENT: write_gradient(&w, op); break;
        case BP__OP_NORMALIZE: write_normalize(&w, op); break;
        case BP__OP_NORM_GRADIENT: write_norm_gradient(&w, op); break;
        case BP__OP_NORM_EFFECT: write_norm_effect(&w, op); break;
        case BP__OP_SQUARES:
        case BP__OP_CLIP:
        case BP__OP_MAX_NORM:
        case BP__OP_AVERAGE:
        case BP__OP_ACCUMULATE:
        case BP__OP_OPTIMIZER: break;
        case BP__OP_GATHER:
        case BP__OP_SOFTMAX:
        case BP__OP_REDUCE_LOSS: write_op(&w, op); break;
        }
    }
    bp_status status = bp__sequence_create(glass->engine, &xray->sequence, w.ops, w.count);
    free(w.ops);
    return status;
}

bp_status bp__xray_create(bp__xray **out, bp__glass *glass)
{
    *out = NULL;
    bp__xray *xray = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&xray, 1, sizeof *xray));
    xray->glass = glass;
    BP_TRY_GOTO(bp__new_array(&xray->layers, glass->network->layer_count, sizeof *xray->layers));
    BP_TRY_GOTO(make_room(xray));
    BP_TRY_GOTO(write_ops(xray));
    *out = xray;
    return BP_OK;
fail:
    bp__xray_free(xray);
    return status;
}

void bp__xray_free(bp__xray *xray)
{
    if (!xray) return;
    bp__sequence_free(xray->glass->engine, xray->sequence);
    bp__buffer_free(xray->glass->engine, xray->numbers);
    free(xray->layers);
    free(xray);
}

/* ---- Running -----------------------------------------------------------------------------------
 */

static double target_of(const bp__plan *plan, size_t row, size_t k)
{
    if (!plan->labels.buffer)
        return bp__glass_numbers(&plan->targets)[row * plan->targets.stride + k];
    int32_t label = 0;
    const bp__view one = bp__view_rows(&plan->labels, row, 1);
    (void)bp__view_read(plan->network->engine, &one, &label);
    return (size_t)label == k;
}

/* The effects of errors that are taken from net inputs, as formulas of the outputs:
 * cross-entropy -t_k / a_k; bce (a_k - t_k) / (a_k (1 - a_k)). */
static void open_loss(bp__xray *xray)
{
    const bp__plan *plan = xray->glass->plan;
    const bp__xray_layer *last = &xray->layers[plan->network->layer_count - 1];
    const double *output = bp__glass_numbers(&last->activation);
    double *effect = bp__glass_numbers(&last->effect);
    for (size_t i = 0; i < plan->rows * last->net.columns; ++i) {
        const double t = target_of(plan, i / last->net.columns, i % last->net.columns);
        const double a = output[i];
        const double e = plan->network->loss == BP_LOSS_BCE ? (a - t) / (a * (1 - a))
                         : t == 0                           ? 0
                                                            : -t / a;
        effect[i] = e / (double)plan->rows;
    }
}

/* The slopes of a softmax, da_k/dz_k, and the paths through the other outputs, da_j/dz_k = -a_j
 * a_k. */
static void open_softmax(bp__xray *xray)
{
    const bp__plan *plan = xray->glass->plan;
    const bp__xray_layer *last = &xray->layers[plan->network->layer_count - 1];
    const size_t units = last->net.columns;
    for (size_t i = 0; i < plan->rows; ++i) {
        const double *a = bp__glass_numbers(&last->activation) + i * units;
        const double *effect = bp__glass_numbers(&last->effect) + i * units;
        double *slope = bp__glass_numbers(&last->slope) + i * units;
        double *coupled = bp__glass_numbers(&last->coupled) + i * units;
        double through_all = 0;
        for (size_t k = 0; k < units; ++k) {
            slope[k] = a[k] * (1 - a[k]);
            through_all += effect[k] * a[k];
        }
        for (size_t k = 0; k < units; ++k) coupled[k] = -a[k] * (through_all - effect[k] * a[k]);
    }
}

/* Where the moments of an element stand: of a layer's units, one pair a row. */
static size_t moments_at(const bp_layer *about, size_t row, size_t unit)
{
    return about->norm == BP_NORM_LAYER ? row : unit;
}

/* What a net input does: through its own place, and through the mean and the variance of all that
 * are normalised with it, where those are not known beforehand. Their sum is the delta. */
static void open_norm(bp__xray *xray, size_t l)
{
    const bp__plan *plan = xray->glass->plan;
    const bp_layer *about = &plan->network->layers[l];
    const bp__xray_layer *x = &xray->layers[l];
    const double *gain = bp__glass_numbers(&plan->network->values[l].gain);
    const double *means = bp__glass_numbers(&plan->moments[2 * l]);
    const double *scales = bp__glass_numbers(&plan->moments[2 * l + 1]);
    const size_t units = about->outputs;
    const bool known = about->norm == BP_NORM_BATCH;
    for (size_t row = 0; row < plan->rows; ++row) {
        const double *net = bp__glass_numbers(&x->net) + row * units;
        const double *delta = bp__glass_numbers(&x->shifted_delta) + row * units;
        double *normalised = bp__glass_numbers(&x->normalised) + row * units;
        double sum = 0, product = 0;
        for (size_t k = 0; k < units; ++k) {
            const size_t at = moments_at(about, row, k), i = row * units + k;
            const double rest = 1 / (scales[at] * scales[at]) - (double)bp__norm_epsilon;
            normalised[k] = (net[k] - means[at]) * scales[at];
            bp__glass_numbers(&x->mean)[i] = means[at];
            bp__glass_numbers(&x->variance)[i] = rest > 0 ? rest : 0;
            sum += gain[k] * delta[k] / (double)units;
            product += gain[k] * delta[k] * normalised[k] / (double)units;
        }
        for (size_t k = 0; k < units; ++k) {
            const size_t i = row * units + k;
            const double scale = scales[moments_at(about, row, k)];
            bp__glass_numbers(&x->own)[i] = scale * gain[k] * delta[k];
            bp__glass_numbers(&x->through_mean)[i] = known ? 0 : -scale * sum;
            bp__glass_numbers(&x->through_variance)[i] =
                known ? 0 : -scale * normalised[k] * product;
        }
    }
}

bp_status bp__xray_run(bp__xray *xray)
{
    const bp__network *network = xray->glass->network;
    BP_TRY(bp__glass_run(xray->glass, xray->sequence));
    const bool softmax =
        network->layers[network->layer_count - 1].activation == BP_ACTIVATION_SOFTMAX;
    if (xray->from_net) open_loss(xray);
    if (softmax) open_softmax(xray);
    for (size_t l = 0; l < network->layer_count; ++l)
        if (network->layers[l].norm != BP_NORM_NONE) open_norm(xray, l);
    return BP_OK;
}
