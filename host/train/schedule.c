/* schedule.c - the learning rate of each step: what is written into a row of the hyper table.
 *
 * The formulas are those of PyTorch's schedulers, stepped once a batch; tests/interop/ compares. */
#include "train/schedule.h"

#include <math.h>

#include "train/trainer.h"

static const double pi = 3.14159265358979323846;

/* Defaults, by what they do to a training of any length. */
static const double step_decay = 0.1;       /* three stages: 1, 1/10, 1/100 */
static const double exponential_end = 0.01; /* of the rate, in the last epoch */
static const double plateau_decay = 0.5;    /* cautious: a plateau may be noise */
static const int64_t plateau_epochs = 5;
static const double onecycle_rise = 0.3;       /* of all steps; Smith & Topin 2018 */
static const double onecycle_start = 1 / 25.0; /* of the rate */

bp__schedule bp__schedule_of(const bp_train_options *o, int64_t per_epoch)
{
    const double epochs = (double)o->epochs, period = (double)per_epoch;
    bp__schedule s = {.kind = o->schedule,
                      .rate = (double)bp__learning_rate(o),
                      .warmup = round(o->warmup * period),
                      .steps = epochs * period,
                      .per_epoch = period,
                      .decay = o->decay,
                      .every = (double)o->decay_every * period,
                      .floor = o->final_rate};
    if (s.kind == BP_SCHEDULE_ONECYCLE && o->warmup == 0) s.warmup = round(onecycle_rise * s.steps);
    const double left = fmax(epochs - o->warmup, 1); /* epochs after the rise */
    if (s.kind == BP_SCHEDULE_STEP && o->decay == 0) s.decay = step_decay;
    if (s.kind == BP_SCHEDULE_STEP && o->decay_every == 0) s.every = ceil(left / 3) * period;
    if (s.kind == BP_SCHEDULE_EXPONENTIAL && o->decay == 0)
        s.decay = pow(exponential_end, 1 / left);
    return s;
}

/* From `from` to `to` along half a wave of the cosine, fraction 0 to 1. */
static double anneal(double from, double to, double fraction)
{
    return to + (from - to) * (1 + cos(pi * fraction)) / 2;
}

/* Up to the rate in the first `warmup` steps, down to the floor in those that follow. */
static double one_cycle(const bp__schedule *s, double step)
{
    const double top = s->warmup - 1, last = s->steps - 1;
    if (step < top) return anneal(onecycle_start, 1, step / top);
    return last > fmax(top, 0) ? anneal(1, s->floor, (step - fmax(top, 0)) / (last - fmax(top, 0)))
                               : 1;
}

/* The share of the highest rate, warm-up not counted; at = steps after it. */
static double share(const bp__schedule *s, double at, double plateau)
{
    switch (s->kind) {
    case BP_SCHEDULE_STEP: return fmax(pow(s->decay, floor(at / s->every)), s->floor);
    case BP_SCHEDULE_EXPONENTIAL: return fmax(pow(s->decay, at / s->per_epoch), s->floor);
    case BP_SCHEDULE_COSINE:
        return s->steps > s->warmup ? anneal(1, s->floor, at / (s->steps - s->warmup)) : 1;
    case BP_SCHEDULE_PLATEAU: return fmax(plateau, s->floor);
    case BP__SCHEDULE_RANGE: return s->steps > 1 ? pow(s->decay, at / (s->steps - 1)) : 1;
    default: return 1;
    }
}

double bp__schedule_rate(const bp__schedule *s, double step, double plateau)
{
    if (s->kind == BP_SCHEDULE_CONSTANT && step >= s->warmup) return s->rate;
    if (step > s->steps - 1 && s->kind != BP_SCHEDULE_PLATEAU) step = s->steps - 1;
    if (s->kind == BP_SCHEDULE_ONECYCLE) return s->rate * one_cycle(s, step);
    if (step < s->warmup) return s->rate * (step + 1) / s->warmup;
    return s->rate * share(s, step - s->warmup, plateau);
}

bool bp__schedule_needs_length(const bp_train_options *options)
{
    return options->warmup > 0 ||
           (options->schedule > BP_SCHEDULE_CONSTANT && options->schedule != BP_SCHEDULE_PLATEAU);
}

bool bp__schedule_goes_by_epochs(const bp_train_options *options)
{
    switch (options->schedule) {
    case BP_SCHEDULE_COSINE:
    case BP_SCHEDULE_ONECYCLE: return true;
    case BP_SCHEDULE_STEP: return options->decay_every == 0;
    case BP_SCHEDULE_EXPONENTIAL: return options->decay == 0;
    default: return false;
    }
}

int64_t bp__plateau_epochs(const bp_train_options *options)
{
    return options->decay_every > 0 ? options->decay_every : plateau_epochs;
}

double bp__plateau_factor(double factor, const bp_train_options *options)
{
    const double decay = options->decay > 0 ? options->decay : plateau_decay;
    return fmax(factor * decay, options->final_rate);
}

bp_status bp__schedule_check(const bp_train_options *o)
{
    if (!bp_schedule_name(o->schedule))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown schedule %d", (int)o->schedule);
    if (!(o->warmup >= 0 && (o->epochs == 0 || o->warmup <= (double)o->epochs)))
        return bp__fail(BP_ERROR_ARGUMENT, "warmup is %g epochs, 0 to %lld (epochs) is possible",
                        o->warmup, (long long)o->epochs);
    if (!(o->decay >= 0 && o->decay <= 1))
        return bp__fail(BP_ERROR_ARGUMENT, "decay is %g, 0 (default) to 1 is possible", o->decay);
    if (o->decay_every < 0)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "decay_every is %lld epochs, 0 (default) or more is possible",
                        (long long)o->decay_every);
    if (!(o->final_rate >= 0 && o->final_rate <= 1))
        return bp__fail(BP_ERROR_ARGUMENT, "final_rate is %g, a share from 0 to 1 is needed",
                        o->final_rate);
    if (o->steps_per_epoch < 0)
        return bp__fail(BP_ERROR_ARGUMENT, "steps_per_epoch is %lld",
                        (long long)o->steps_per_epoch);
    return BP_OK;
}
