/* choose.c - which device trains a model fastest: each is measured with a network like it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_measure.h"
#include "base/clock.h"
#include "base/families.h"
#include "base/memory.h"
#include "train/trainer.h"

void bp_device_choice_free(bp_device_choice *choice)
{
    if (!choice) return;
    free(choice->times);
    *choice = (bp_device_choice){0};
}

/* The OpenCL devices, the one that "auto" means first; without any, the reference. */
static bp_status list_devices(bp_device_choice *choice)
{
    bp_device_info *list = NULL;
    size_t count = 0;
    bp_device *first = NULL;
    bp_status status;
    BP_TRY_GOTO(bp_device_open(&first, "auto"));
    BP_TRY_GOTO(bp_device_list(&list, &count, NULL));
    BP_TRY_GOTO(bp__new_array(&choice->times, count + 1, sizeof *choice->times));
    choice->times[choice->count++].device = *bp_device_get_info(first);
    for (size_t i = 0; i < count; ++i)
        if (list[i].kind != BP_KIND_REFERENCE &&
            strcmp(list[i].spec, choice->times[0].device.spec) != 0)
            choice->times[choice->count++].device = list[i];
    for (size_t i = 0; i < choice->count; ++i) choice->times[i].step_seconds = (double)NAN;
fail:
    bp_device_list_free(list);
    bp_device_free(first);
    return status;
}

/* What is measured, and for how many steps it matters. */
typedef struct question {
    bp_layer *layers;
    size_t count;
    double steps;
    bp_bench_options options;
} question;

static bp_status read_question(question *q, const bp_model *model, size_t rows,
                               const bp_train_options *given)
{
    const bp_model_info info = bp_model_get_info(model);
    bp_train_options how;
    BP_TRY(bp__read_train_options(&how, given));
    bp__fill_in_epochs(&how, rows);
    q->count = info.layers;
    q->steps = (double)how.epochs * ceil((double)rows / (double)how.batch);
    q->options = bp_bench_options_default();
    q->options.repeats = 3;
    q->options.repeat_seconds = 0.02;
    q->options.batch = how.batch;
    q->options.optimizer = how.optimizer;
    if (bp__optimizer_of(how.optimizer)->full_batch) { /* what costs is losses and gradients */
        q->options.optimizer = BP_OPTIMIZER_SGD;
        q->options.batch = (int64_t)rows;
    }
    q->options.gemm = how.gemm;
    q->options.loss = info.loss;
    BP_TRY(bp__new_array(&q->layers, info.layers, sizeof *q->layers));
    for (size_t l = 0; l < info.layers; ++l) q->layers[l] = bp_model_get_layer(model, l);
    return BP_OK;
}

/* What goes wrong here is the device's problem, and no error of ours. */
static bp_status measure(bp_device_time *time, const question *q)
{
    const double start = bp__seconds();
    bp_device *device = NULL;
    bp_bench_result result;
    bp_status status = bp_device_open(&device, time->device.spec);
    if (status == BP_OK) status = bp_bench(&result, device, q->layers, q->count, &q->options);
    bp_device_free(device);
    time->measure_seconds = bp__seconds() - start;
    if (status == BP_OK)
        time->step_seconds = result.step_seconds;
    else
        snprintf(time->problem, sizeof time->problem, "%s", bp_last_error());
    return status;
}

static bool is_faster(const bp_device_time *a, const bp_device_time *b)
{
    return !isnan(a->step_seconds) && !(a->step_seconds >= b->step_seconds);
}

/* Each in turn, as long as a faster one could still make up for being looked for. */
static bp_status measure_all(bp_device_choice *choice, const question *q)
{
    bp_status status = BP_OK, failed = BP_OK;
    bool enough = choice->count == 1;
    for (size_t i = 0; i < choice->count && !enough; ++i) {
        bp_device_time *time = &choice->times[i];
        status = measure(time, q);
        if (status == BP_ERROR_ARGUMENT || status == BP_ERROR_MEMORY) return status;
        if (status != BP_OK) failed = status;
        if (is_faster(time, &choice->times[choice->chosen])) choice->chosen = i;
        const bp_device_time *best = &choice->times[choice->chosen];
        enough = best->step_seconds * q->steps < time->measure_seconds;
    }
    if (choice->count > 1 && isnan(choice->times[choice->chosen].step_seconds)) return failed;
    return BP_OK;
}

bp_status bp_device_choose(bp_device **out, bp_device_choice *why, const bp_model *model,
                           size_t rows, const bp_train_options *options)
{
    bp_device_choice choice = {0};
    question q = {0};
    if (out) *out = NULL;
    if (why) *why = choice;
    if (!out || !model || rows == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_device_choose: out, model and rows are needed");
    bp_status status = read_question(&q, model, rows, options);
    if (status == BP_OK) status = list_devices(&choice);
    if (status == BP_OK) status = measure_all(&choice, &q);
    if (status == BP_OK) status = bp_device_open(out, choice.times[choice.chosen].device.spec);
    if (status == BP_OK && why)
        *why = choice;
    else
        bp_device_choice_free(&choice);
    free(q.layers);
    return status;
}
