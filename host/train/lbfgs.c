/* lbfgs.c - Nocedal and Wright, Numerical Optimization, 2006: algorithm 7.4 for the direction; the
 * search brackets a point with the strong Wolfe conditions by its slopes, and lets the loss rise by
 * its own rounding, without which it would find nothing near a minimum. */
#include "train/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const double decrease = 1e-4;  /* c1: of the value, of what the slope promises */
static const double curvature = 0.9;  /* c2: share of the slope that may be left */
static const double growth = 4;       /* of a step that is too short */
static const double margin = 0.1;     /* of a bracket: no closer to its ends */
static const double straight = 1e-10; /* cosine of a step and a change that say nothing */
enum { MOST_TRIES = 20 };             /* of one search */

bp_status bp__lbfgs_create(bp__lbfgs *lbfgs, size_t count)
{
    *lbfgs = (bp__lbfgs){.count = count};
    double **const vectors[] = {&lbfgs->x, &lbfgs->gradient, &lbfgs->direction, &lbfgs->trial,
                                &lbfgs->trial_gradient};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; ++i)
        BP_TRY(bp__new_array(vectors[i], count, sizeof(double)));
    BP_TRY(bp__new_array(&lbfgs->steps, count, BP__LBFGS_HISTORY * sizeof(double)));
    return bp__new_array(&lbfgs->changes, count, BP__LBFGS_HISTORY * sizeof(double));
}

void bp__lbfgs_free(bp__lbfgs *lbfgs)
{
    double *const vectors[] = {lbfgs->x,      lbfgs->gradient,       lbfgs->direction,
                               lbfgs->trial,  lbfgs->trial_gradient, lbfgs->steps,
                               lbfgs->changes};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; ++i) free(vectors[i]);
    *lbfgs = (bp__lbfgs){.count = 0};
}

void bp__lbfgs_forget(bp__lbfgs *lbfgs)
{
    const size_t bytes = lbfgs->count * BP__LBFGS_HISTORY * sizeof(double);
    memset(lbfgs->steps, 0, bytes);
    memset(lbfgs->changes, 0, bytes);
    memset(lbfgs->gradient, 0, lbfgs->count * sizeof(double));
    lbfgs->value = 0;
    lbfgs->known = lbfgs->pairs = lbfgs->newest = 0;
}

/* ---- The direction ---- */

static double dot(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += a[i] * b[i];
    return sum;
}

static void add(double *to, double factor, const double *a, size_t count)
{
    for (size_t i = 0; i < count; ++i) to[i] += factor * a[i];
}

/* Where the pair of `age` is, 0 being the newest. */
static size_t place_of(const bp__lbfgs *lbfgs, int64_t age)
{
    const int64_t slot = (lbfgs->newest + BP__LBFGS_HISTORY - age) % BP__LBFGS_HISTORY;
    return (size_t)slot * lbfgs->count;
}

/* direction = -H gradient, H being the inverse of the Hessian as the pairs have it. */
static void find_direction(bp__lbfgs *lbfgs)
{
    const size_t count = lbfgs->count;
    double *d = lbfgs->direction, along[BP__LBFGS_HISTORY];
    for (size_t i = 0; i < count; ++i) d[i] = -lbfgs->gradient[i];
    for (int64_t age = 0; age < lbfgs->pairs; ++age) {
        const double *s = lbfgs->steps + place_of(lbfgs, age);
        const double *y = lbfgs->changes + place_of(lbfgs, age);
        along[age] = dot(s, d, count) / dot(s, y, count);
        add(d, -along[age], y, count);
    }
    if (lbfgs->pairs > 0) {
        const double *s = lbfgs->steps + place_of(lbfgs, 0);
        const double *y = lbfgs->changes + place_of(lbfgs, 0);
        const double scale = dot(s, y, count) / dot(y, y, count);
        for (size_t i = 0; i < count; ++i) d[i] *= scale;
    }
    for (int64_t age = lbfgs->pairs; age-- > 0;) {
        const double *s = lbfgs->steps + place_of(lbfgs, age);
        const double *y = lbfgs->changes + place_of(lbfgs, age);
        add(d, along[age] - dot(y, d, count) / dot(s, y, count), s, count);
    }
}

/* ---- The search along it ---- */

typedef struct point {
    double t, value, slope;
} point;

static bp_status look_at(bp__lbfgs *lbfgs, const bp__objective *objective, double t, point *out)
{
    memcpy(lbfgs->trial, lbfgs->x, lbfgs->count * sizeof(double));
    add(lbfgs->trial, t, lbfgs->direction, lbfgs->count);
    out->t = t;
    ++lbfgs->evaluations;
    BP_TRY(objective->at(lbfgs->trial, &out->value, lbfgs->trial_gradient, objective->user));
    out->slope = dot(lbfgs->trial_gradient, lbfgs->direction, lbfgs->count);
    return BP_OK;
}

/* The next step to try: beyond low where nothing is known to be too far, else in between, where the
 * cubic through both has its minimum. */
static double next_try(const point *low, const point *high, double last)
{
    if (isinf(high->t)) return growth * last;
    const double width = high->t - low->t;
    if (!isfinite(high->value) || !isfinite(high->slope)) return low->t + margin * width;
    const double bend = low->slope + high->slope - 3 * (high->value - low->value) / width;
    const double root = sqrt(bend * bend - low->slope * high->slope);
    const double t =
        high->t - width * (high->slope + root - bend) / (high->slope - low->slope + 2 * root);
    if (!isfinite(t)) return low->t + width / 2;
    return fmin(fmax(t, low->t + margin * width), high->t - margin * width);
}

/* *found: trial and trial_gradient are at a point that is better. */
static bp_status search(bp__lbfgs *lbfgs, const bp__objective *objective, double t, point *found)
{
    const double start = lbfgs->value;
    const double slope = dot(lbfgs->gradient, lbfgs->direction, lbfgs->count);
    const double noise = objective->noise * fabs(start);
    point low = {0, start, slope}, high = {.t = INFINITY}, best = {.t = 0, .value = INFINITY};
    *found = (point){.t = 0};
    if (!(slope < 0)) return BP_OK;
    for (int tries = 0; tries < MOST_TRIES; ++tries) {
        point p;
        BP_TRY(look_at(lbfgs, objective, t, &p));
        const bool lower = isfinite(p.slope) && p.value <= start + decrease * t * slope + noise;
        if (lower && fabs(p.slope) <= -curvature * slope) {
            *found = p;
            return BP_OK;
        }
        if (lower && p.value < best.value) best = p;
        if (lower && p.slope < 0)
            low = p;
        else
            high = p;
        t = next_try(&low, &high, t);
    }
    if (best.t > 0 && best.value < start) BP_TRY(look_at(lbfgs, objective, best.t, found));
    return BP_OK;
}

/* ---- A step ---- */

/* Whether trial is somewhere else than x; it then takes its place, and the pair is remembered where
 * it tells of a curvature. */
static bool go_there(bp__lbfgs *lbfgs, double value)
{
    const size_t count = lbfgs->count;
    const int64_t slot = lbfgs->pairs ? (lbfgs->newest + 1) % BP__LBFGS_HISTORY : 0;
    double *s = lbfgs->steps + (size_t)slot * count, *y = lbfgs->changes + (size_t)slot * count;
    bool differs = false;
    for (size_t i = 0; i < count; ++i) differs |= lbfgs->trial[i] != lbfgs->x[i];
    if (!differs) return false;
    for (size_t i = 0; i < count; ++i) {
        s[i] = lbfgs->trial[i] - lbfgs->x[i];
        y[i] = lbfgs->trial_gradient[i] - lbfgs->gradient[i];
    }
    const double turn = dot(s, y, count);
    if (turn > straight * sqrt(dot(s, s, count) * dot(y, y, count))) {
        lbfgs->newest = slot;
        if (lbfgs->pairs < BP__LBFGS_HISTORY) ++lbfgs->pairs;
    } else if (lbfgs->pairs == BP__LBFGS_HISTORY) { /* what was the oldest has been written over */
        --lbfgs->pairs;
    }
    memcpy(lbfgs->x, lbfgs->trial, count * sizeof *lbfgs->x);
    memcpy(lbfgs->gradient, lbfgs->trial_gradient, count * sizeof *lbfgs->gradient);
    lbfgs->value = value;
    return true;
}

bp_status bp__lbfgs_step(bp__lbfgs *lbfgs, const bp__objective *objective, double first_step,
                         bool *moved)
{
    *moved = false;
    lbfgs->evaluations = 0;
    if (!lbfgs->known) {
        ++lbfgs->evaluations;
        BP_TRY(objective->at(lbfgs->x, &lbfgs->value, lbfgs->gradient, objective->user));
        if (!isfinite(lbfgs->value)) return BP_OK;
        lbfgs->known = 1;
    }
    for (int again = 0; again < 2 && !*moved; ++again) {
        if (again && lbfgs->pairs == 0) break;
        if (again) lbfgs->pairs = 0; /* down the gradient alone */
        const double length = sqrt(dot(lbfgs->gradient, lbfgs->gradient, lbfgs->count));
        point found;
        find_direction(lbfgs);
        BP_TRY(search(lbfgs, objective,
                      lbfgs->pairs > 0 ? first_step : first_step * fmin(1, 1 / length), &found));
        *moved = found.t > 0 && go_there(lbfgs, found.value);
    }
    return BP_OK;
}
