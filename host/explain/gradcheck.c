/* gradcheck.c - gradients against central differences, and a device's against the reference's. */
#include "explain/gradcheck.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "reference/reference.h"

/* A derivative as a central difference, and how far off rounding may have put it. */
typedef struct measured {
    double numerical, noise;
} measured;

typedef struct check {
    const bp_gradcheck_options *options;
    bp_gradcheck_result *out;
    bp__glass *glass;
    const double *gradients; /* [arena] */
    measured *measured;      /* [arena]; numerical NAN: not checked */
} check;

/* ---- One parameter ------------------------------------------------------------------------------
 */

/* E is a sum of many rounded numbers: it is taken to be good to this many units in the last place.
 */
static const double error_units = 64;

static double noise_of(double error, double h)
{
    return error_units * DBL_EPSILON * fabs(error) / h;
}

/* The derivatives of both sides are further apart than those of a smooth function. */
static bool has_corner(const bp__difference *d)
{
    return fabs(d->above - d->below) > 1e-3 * fmax(fabs(d->above), fabs(d->below));
}

/* Where a function has a corner within h, the difference is an average of two slopes, and a smaller
 * h may avoid it. At the corner itself every h meets it: then any derivative between those of the
 * two sides will do. */
static bp_status narrow(check *c, bp__probe *probe, size_t layer, size_t at, double *w, double h)
{
    enum { ATTEMPTS = 2 };
    const double gradient = c->gradients[at];
    measured *best = &c->measured[at];
    bp__difference d;
    double slack = 0;
    for (int i = 0; i < ATTEMPTS; ++i) {
        h /= 10;
        BP_TRY(bp__probe_run(probe, &d, w, h));
        const measured now = {d.central, noise_of(probe->error, h)};
        if (fabs(now.numerical - gradient) < fabs(best->numerical - gradient)) *best = now;
        slack = c->options->tolerance * fmax(fabs(gradient), fabs(d.central)) + now.noise;
        if (fabs(gradient - d.central) <= slack || !has_corner(&d)) return BP_OK;
    }
    if (gradient >= fmin(d.above, d.below) - slack && gradient <= fmax(d.above, d.below) + slack) {
        *best = (measured){gradient, 0};
        ++c->out->layers[layer].kinks;
    }
    return BP_OK;
}

/* A corner of one sample among many turns the slope too little to be told from a curve. A narrower
 * difference passes beside it and comes ten times nearer, as it does to no wrong gradient. */
static bp_status sidestep(check *c, bp__probe *probe, size_t at, double *w, double h,
                          const bp__difference *wide)
{
    enum { ATTEMPTS = 2 };
    const double off = fabs(c->gradients[at] - wide->central);
    if (off > fabs(wide->above - wide->below)) return BP_OK;
    for (int i = 0; i < ATTEMPTS; ++i) {
        bp__difference d;
        h /= 10;
        BP_TRY(bp__probe_run(probe, &d, w, h));
        if (fabs(c->gradients[at] - d.central) > off / 10) continue;
        c->measured[at] = (measured){d.central, noise_of(probe->error, h)};
        return BP_OK;
    }
    return BP_OK;
}

/* Where the derivative is so small that the rounding of E hides it, a wider difference says more:
 * its own error, which grows with h^2, is taken from one of half the width. */
static bp_status widen(check *c, bp__probe *probe, size_t at, double *w)
{
    const double h = 100 * bp__probe_width(*w);
    bp__difference d, half;
    BP_TRY(bp__probe_run(probe, &d, w, h));
    BP_TRY(bp__probe_run(probe, &half, w, h / 2));
    const measured wide = {half.central,
                           noise_of(probe->error, h / 2) + fabs(d.central - half.central)};
    if (wide.noise < c->measured[at].noise) c->measured[at] = wide;
    return BP_OK;
}

static bp_status probe_one(void *user, bp__probe *probe, size_t layer, size_t at, double *w)
{
    check *c = user;
    const double gradient = c->gradients[at], h = bp__probe_width(*w);
    bp__difference d;
    BP_TRY(bp__probe_run(probe, &d, w, h));
    const measured now = {d.central, noise_of(probe->error, h)};
    const double allowed = c->options->tolerance * fmax(fabs(gradient), fabs(d.central));
    c->measured[at] = now;
    ++c->out->layers[layer].checked;
    if (gradient == d.central) return BP_OK;
    if (fabs(gradient - d.central) > allowed + now.noise)
        return has_corner(&d) ? narrow(c, probe, layer, at, w, h)
                              : sidestep(c, probe, at, w, h, &d);
    return now.noise > allowed ? widen(c, probe, at, w) : BP_OK;
}

/* ---- A layer ------------------------------------------------------------------------------------
 */

/* The places of a layer's parameters in the arenas: weights, then biases. */
typedef struct span {
    size_t first, count;
} span;

static span span_of(bp__layer_views *views, bp__part part)
{
    const bp__view *view = bp__layer_part(views, part);
    return view->buffer ? (span){view->offset, view->rows * view->columns} : (span){0, 0};
}

static void keep_worst(bp_gradcheck_layer *layer, const bp_gradcheck_parameter *one)
{
    size_t at = layer->worst_count;
    for (; at > 0 && layer->worst[at - 1].relative_error < one->relative_error; --at)
        if (at < BP_GRADCHECK_WORST) layer->worst[at] = layer->worst[at - 1];
    if (at == BP_GRADCHECK_WORST) return;
    layer->worst[at] = *one;
    if (layer->worst_count < BP_GRADCHECK_WORST) ++layer->worst_count;
}

/* Sums over the parameters that have been checked. */
typedef struct sums {
    double gradient, numerical, difference, noise; /* of squares */
} sums;

static void add_up(sums *s, const check *c, span part)
{
    for (size_t i = part.first; i < part.first + part.count; ++i) {
        const measured *m = &c->measured[i];
        if (isnan(m->noise)) continue;
        const double difference = c->gradients[i] - m->numerical;
        s->gradient += c->gradients[i] * c->gradients[i];
        s->numerical += m->numerical * m->numerical;
        s->difference += difference * difference;
        s->noise += m->noise * m->noise;
    }
}

static double relative_l2(const sums *s, double tolerance)
{
    const double size = fmax(sqrt(s->numerical), sqrt(s->noise) / tolerance);
    return s->difference > 0 || isnan(s->difference) ? sqrt(s->difference) / size : 0;
}

static void judge_span(const check *c, bp_gradcheck_layer *layer, size_t l, bp__part which,
                       double rms)
{
    bp__layer_views *views = &c->glass->network->values[l];
    const span part = span_of(views, which);
    const bool single = which != BP__PART_WEIGHTS; /* one for each unit */
    for (size_t i = 0; i < part.count; ++i) {
        const measured *m = &c->measured[part.first + i];
        if (isnan(m->noise)) continue;
        const double gradient = c->gradients[part.first + i];
        const double difference = fabs(gradient - m->numerical);
        const double size = fmax(fmax(fabs(gradient), fabs(m->numerical)),
                                 fmax(rms, m->noise / c->options->tolerance));
        const size_t inputs = views->weights.columns;
        const bp_gradcheck_parameter one = {
            .layer = l,
            .to = single ? i : i / inputs,
            .from = single ? 0 : i % inputs,
            .bias = (int32_t)which, /* the codes are those of parts */
            .gradient = gradient,
            .numerical = m->numerical,
            .relative_error = isnan(difference) ? INFINITY
                              : difference > 0  ? difference / size
                                                : 0,
        };
        layer->max_relative_error = fmax(layer->max_relative_error, one.relative_error);
        keep_worst(layer, &one);
    }
}

static void judge_layer(const check *c, size_t l, sums *all)
{
    bp__layer_views *views = &c->glass->network->values[l];
    bp_gradcheck_layer *layer = &c->out->layers[l];
    sums own = {0};
    for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part) add_up(&own, c, span_of(views, part));
    const double rms =
        layer->checked ? sqrt(fmax(own.gradient, own.numerical) / (double)layer->checked) : 0;
    for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part) judge_span(c, layer, l, part, rms);
    layer->relative_l2 = relative_l2(&own, c->options->tolerance);
    layer->device_error = NAN;
    layer->device_passed = 1;
    layer->passed = layer->max_relative_error <= c->options->tolerance;
    all->numerical += own.numerical;
    all->difference += own.difference;
    all->noise += own.noise;
}

static void judge(const check *c)
{
    bp_gradcheck_result *out = c->out;
    sums all = {0};
    out->passed = 1;
    out->wrong_layer = out->device_wrong_layer = -1;
    out->device_error = NAN;
    for (size_t l = 0; l < out->layer_count; ++l) {
        judge_layer(c, l, &all);
        const bp_gradcheck_layer *layer = &out->layers[l];
        out->parameters += layer->parameters;
        out->checked += layer->checked;
        out->kinks += layer->kinks;
        out->max_relative_error = fmax(out->max_relative_error, layer->max_relative_error);
        if (layer->passed) continue;
        out->passed = 0;
        out->wrong_layer = (int32_t)l;
    }
    out->relative_l2 = relative_l2(&all, c->options->tolerance);
}

/* Runs the operations once; the parameters are put back, whatever they do to them. A gradient that
 * they do not write is not a number. */
static bp_status run_step(const check *c, double *gradients)
{
    bp__glass *glass = c->glass;
    const size_t size = glass->network->arena_size;
    double *parameters = bp__reference_numbers(glass->network->parameters), *before = NULL;
    bp__sequence *step = NULL;
    BP_TRY(bp__new_array(&before, size, sizeof *before));
    memcpy(before, parameters, size * sizeof *before);
    double *left = bp__reference_numbers(glass->network->gradients);
    for (size_t i = 0; i < size; ++i) left[i] = NAN;
    bp_status status = bp__sequence_create(glass->engine, &step, glass->ops, glass->op_count);
    if (status == BP_OK) status = bp__glass_run(glass, step);
    bp__sequence_free(glass->engine, step);
    memcpy(parameters, before, size * sizeof *before);
    memcpy(gradients, left, size * sizeof *gradients);
    free(before);
    return status;
}

bp_status bp__gradcheck_glass(bp_gradcheck_result *out, bp__glass *glass,
                              const bp_gradcheck_options *options)
{
    const bp__network *network = glass->network;
    *out = (bp_gradcheck_result){.rows = glass->plan->rows};
    check c = {.options = options, .out = out, .glass = glass};
    double *gradients = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&out->layers, network->layer_count, sizeof *out->layers));
    out->layer_count = network->layer_count;
    for (size_t l = 0; l < network->layer_count; ++l) {
        for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part)
            out->layers[l].parameters += span_of(&network->values[l], part).count;
    }
    BP_TRY_GOTO(bp__new_array(&c.measured, network->arena_size, sizeof *c.measured));
    for (size_t i = 0; i < network->arena_size; ++i) c.measured[i] = (measured){NAN, NAN};
    BP_TRY_GOTO(bp__new_array(&gradients, network->arena_size, sizeof *gradients));
    c.gradients = gradients;
    BP_TRY_GOTO(bp__glass_error(glass, &out->error));
    if (!isfinite(out->error)) {
        status = bp__fail(BP_ERROR_DIVERGED, "the error of the batch is %g: there is no derivative",
                          out->error);
        goto fail;
    }
    BP_TRY_GOTO(run_step(&c, gradients));
    BP_TRY_GOTO(bp__glass_probe(glass, options->work, probe_one, &c));
    judge(&c);
fail:
    free(c.measured);
    free(gradients);
    return status;
}

/* ---- A device -----------------------------------------------------------------------------------
 */

/* The gradients for an error whose derivative is 1 at every output of every sample, as a measure of
 * what rounding on a device can amount to. */
static bp_status unit_gradients(bp__glass *glass, double *out)
{
    size_t after = 0;
    while (after < glass->op_count && glass->ops[after].kind != BP__OP_LOSS) ++after;
    if (after == glass->op_count) return bp__fail(BP_ERROR_INTERNAL, "a plan without a loss");
    const bp__loss *loss = &glass->ops[after].as.loss;
    double *delta = bp__glass_numbers(&loss->delta);
    for (size_t i = 0; i < loss->delta.rows * loss->delta.columns; ++i)
        delta[i] = 1 / (double)loss->delta.rows;
    size_t end = ++after;
    while (end < glass->op_count && glass->ops[end].kind != BP__OP_OPTIMIZER) ++end;
    bp__sequence *backward;
    BP_TRY(bp__sequence_create(glass->engine, &backward, glass->ops + after, end - after));
    bp_status status = bp__glass_run(glass, backward);
    bp__sequence_free(glass->engine, backward);
    memcpy(out, bp__reference_numbers(glass->network->gradients),
           glass->network->arena_size * sizeof *out);
    return status;
}

static double norm(const double *values, const double *minus, span part)
{
    double sum = 0;
    for (size_t i = part.first; i < part.first + part.count; ++i) {
        const double value = values[i] - (minus ? minus[i] : 0);
        sum += value * value;
    }
    return sqrt(sum);
}

static double layer_norm(bp__layer_views *views, const double *values, const double *minus)
{
    double all = 0;
    for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part)
        all = hypot(all, norm(values, minus, span_of(views, part)));
    return all;
}

bp_status bp__gradcheck_device(bp_gradcheck_result *out, bp__glass *glass, const double *gradients,
                               const bp_gradcheck_options *options)
{
    const bp__network *network = glass->network;
    const check c = {.options = options, .out = out, .glass = glass};
    double *own = NULL, *unit = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&own, network->arena_size, sizeof *own));
    BP_TRY_GOTO(bp__new_array(&unit, network->arena_size, sizeof *unit));
    BP_TRY_GOTO(run_step(&c, own));
    BP_TRY_GOTO(unit_gradients(glass, unit));
    out->device_error = 0;
    out->device_tolerance = options->device_tolerance;
    for (size_t l = 0; l < out->layer_count; ++l) {
        bp__layer_views *views = &network->values[l];
        bp_gradcheck_layer *layer = &out->layers[l];
        const double apart = layer_norm(views, gradients, own);
        const double size =
            fmax(layer_norm(views, own, NULL), 0.01 * layer_norm(views, unit, NULL));
        layer->device_error = isnan(apart) ? INFINITY : apart > 0 ? apart / size : 0;
        layer->device_passed = layer->device_error <= options->device_tolerance;
        out->device_error = fmax(out->device_error, layer->device_error);
        if (layer->device_passed) continue;
        out->passed = 0;
        out->device_wrong_layer = (int32_t)l;
    }
fail:
    free(own);
    free(unit);
    return status;
}

void bp_gradcheck_free(bp_gradcheck_result *result)
{
    if (!result) return;
    free(result->layers);
    result->layers = NULL;
    result->layer_count = 0;
}
