/* find_rate.c - the learning-rate range test. It has a trainer of its own: nothing of it reaches
 * the model. */
#include <math.h>
#include <stdlib.h>

#include "backprop_evaluate.h"
#include "base/families.h"
#include "base/memory.h"
#include "base/options.h"
#include "train/full_batch.h"
#include "train/trainer.h"

static const double memory = 0.95; /* of the smoothed loss: about 20 steps */
static const double explosion = 4; /* times the lowest smoothed loss ends the test */
static const double margin = 0.1;  /* of the rate with the lowest loss: still far from explosion */

/* A test and its points, which are written while it is made. */
typedef struct range_test {
    bp_rate_test public; /* first: a bp_rate_test is freed as one of these */
    bp_rate_point *points;
    double sum, weight; /* of the exponentially weighted mean */
    double least;       /* smoothed loss */
} range_test;

bp_rate_options bp_rate_options_default(void)
{
    return (bp_rate_options){.size = sizeof(bp_rate_options), .from = 1e-6, .to = 10, .steps = 200};
}

void bp_rate_test_free(bp_rate_test *test)
{
    if (!test) return;
    free(((range_test *)test)->points);
    free(test);
}

/* One more step; false where the loss has exploded. */
static bool add_point(range_test *t, double rate, double loss)
{
    t->sum = memory * t->sum + (1 - memory) * loss;
    t->weight = memory * t->weight + (1 - memory);
    const double smoothed = t->sum / t->weight;
    if (!isfinite(smoothed) || (t->public.count > 0 && smoothed > explosion * t->least))
        return false;
    if (t->public.count == 0 || smoothed < t->least) t->least = smoothed;
    t->points[t->public.count++] = (bp_rate_point){rate, loss, smoothed};
    return true;
}

/* What an epoch of the test is for, and who may stop it. */
typedef struct epoch_look {
    const bp_train_options *how;
    int64_t first, all; /* updates of the test before this epoch; of the whole test */
    size_t steps;       /* batches of this epoch */
    bool stopped;
} epoch_look;

/* Asks the caller's callback. */
static bool goes_on(epoch_look *look, size_t done)
{
    const bp_progress now = {.step = look->first + bp__groups_of(look->how, (int64_t)done),
                             .steps = look->all,
                             .train_loss = NAN,
                             .validation_loss = NAN,
                             .validation_accuracy = NAN,
                             .monitored = NAN,
                             .learning_rate = NAN};
    look->stopped = look->how->progress && look->how->progress(&now, look->how->user) != 0;
    return !look->stopped;
}

static int stop_after(size_t steps_done, double loss_sum, size_t rows_done, void *user)
{
    epoch_look *look = user;
    (void)loss_sum;
    (void)rows_done;
    return steps_done >= look->steps || !goes_on(look, steps_done);
}

/* The first *steps of an epoch, or fewer where the loss is not finite any more; their losses arrive
 * in the trainer's array. */
static bp_status run_epoch(bp_trainer *trainer, size_t *steps, int64_t first, int64_t all)
{
    const int64_t before = trainer->step;
    epoch_look look = {.how = &trainer->options, .first = first, .all = all, .steps = *steps};
    trainer->pause_at = *steps;
    const bp_status status = bp__trainer_run_epoch(trainer, NULL, stop_after, &look);
    if (look.stopped || !goes_on(&look, *steps))
        return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
    if (status != BP_OK && status != BP_ERROR_CANCELLED && status != BP_ERROR_DIVERGED)
        return status;
    const size_t done = (size_t)(trainer->step + trainer->place - before);
    if (done < *steps) *steps = done;
    return BP_OK;
}

/* The mean loss of the rows of a group of the epoch's first `steps` batches. */
static double loss_of_group(const bp_trainer *trainer, size_t group, size_t steps)
{
    const size_t batches = (size_t)trainer->options.accumulate, first = group * batches;
    const size_t end = first + batches < steps ? first + batches : steps;
    double sum = 0;
    for (size_t s = first; s < end; ++s) sum += (double)trainer->losses[s];
    return sum / (double)(bp__rows_of_steps(trainer->pass, end) -
                          bp__rows_of_steps(trainer->pass, first));
}

static bp_status run_test(range_test *t, bp_trainer *trainer, const bp_rate_options *options)
{
    const bp__pass *pass = trainer->pass;
    const bp_train_options *how = &trainer->options;
    bool going = true;
    for (int64_t first = 0; going && first < options->steps;) {
        const int64_t left = (options->steps - first) * how->accumulate;
        size_t steps = left < (int64_t)pass->steps ? (size_t)left : pass->steps;
        BP_TRY(run_epoch(trainer, &steps, first, options->steps));
        const int64_t groups = bp__groups_of(how, (int64_t)steps);
        for (int64_t g = 0; g < groups && going; ++g)
            going = add_point(t, bp__trainer_rate(trainer, first + g),
                              loss_of_group(trainer, (size_t)g, steps));
        first += groups;
    }
    t->public.exploded = !going;
    return BP_OK;
}

static double round_to_two_digits(double value)
{
    const double unit = pow(10, floor(log10(value)) - 1);
    return round(value / unit) * unit;
}

/* By how much the smoothed loss sinks around a point. Rates grow by a factor, so that this is a
 * slope by the logarithm of the rate. */
static double descent(const range_test *t, size_t at, size_t reach)
{
    return t->points[at - reach].smoothed - t->points[at + reach].smoothed;
}

static void read_off(range_test *t)
{
    const bp_rate_point *p = t->points;
    const size_t count = t->public.count, reach = 1 + count / 20;
    size_t lowest = 0, steepest = reach;
    for (size_t i = 1; i < count; ++i)
        if (p[i].smoothed < p[lowest].smoothed) lowest = i;
    for (size_t i = reach; i + reach <= lowest; ++i)
        if (descent(t, i, reach) > descent(t, steepest, reach)) steepest = i;
    t->public.points = p;
    t->public.steepest = t->public.lowest = t->public.suggested = NAN;
    if (lowest < 2 * reach) return;
    t->public.steepest = p[steepest].rate;
    t->public.lowest = p[lowest].rate;
    /* Halfway between two rules of thumb: the first is too cautious for plain descent where the
     * loss sinks at any rate, the second too bold for Adam. */
    t->public.suggested = round_to_two_digits(sqrt(p[steepest].rate * margin * p[lowest].rate));
}

static bp_status read_options(bp_rate_options *out, const bp_rate_options *given)
{
    *out = bp_rate_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_rate_options"));
    if (!(out->from > 0 && out->to > out->from && isfinite(out->to)))
        return bp__fail(BP_ERROR_ARGUMENT, "rates from %g to %g: 0 < from < to is needed",
                        out->from, out->to);
    if (out->steps < 20 || out->steps > INT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "%lld steps, at least 20 are needed",
                        (long long)out->steps);
    return BP_OK;
}

bp_status bp_find_rate(bp_rate_test **out, const bp_model *model, bp_device *device,
                       const bp_data *data, const bp_train_options *how,
                       const bp_rate_options *options)
{
    if (!out || !model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_find_rate: out, model, device and data are needed");
    *out = NULL;
    bp_rate_options read;
    bp_train_options training;
    BP_TRY(read_options(&read, options));
    BP_TRY(bp__read_train_options(&training, how));
    if (bp__optimizer_of(training.optimizer)->full_batch)
        return bp__full_batch_refuse("a search for the learning rate", training.optimizer);
    training.schedule = BP_SCHEDULE_CONSTANT;
    training.warmup = 0;
    training.ema = 0; /* it is the training's own losses that are looked at */
    BP_TRY(bp__check_fit(bp_model_get_info(model).inputs, bp_model_get_info(model).outputs, data));
    BP_TRY(bp__check_reach(model, data));
    range_test *t = NULL;
    bp_trainer *trainer = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&t, 1, sizeof *t));
    BP_TRY_GOTO(bp__new_array(&t->points, (size_t)read.steps, sizeof *t->points));
    BP_TRY_GOTO(bp_trainer_create(&trainer, model, device, &training));
    BP_TRY_GOTO(bp__trainer_set_data(trainer, data, false));
    if (!trainer->losses)
        BP_TRY_GOTO(bp__new_array(&trainer->losses, trainer->pass->steps, sizeof(float)));
    trainer->schedule = (bp__schedule){.kind = BP__SCHEDULE_RANGE,
                                       .rate = read.from,
                                       .steps = (double)read.steps,
                                       .decay = read.to / read.from};
    BP_TRY_GOTO(run_test(t, trainer, &read));
    read_off(t);
    *out = &t->public;
    bp_trainer_free(trainer);
    return BP_OK;
fail:
    bp_trainer_free(trainer);
    bp_rate_test_free(&t->public);
    return status;
}
