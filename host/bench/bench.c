/* bench.c - times training steps, and a device's limits. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/families.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "base/work.h"
#include "ops/engine.h"
#include "ops/peak.h"
#include "profile/profile.h"
#include "reference/reference.h"
#include "train/full_batch.h"

/* Data on the device: more than caches hold, so that a step's rows come from memory as in a
 * training, and steps enough that setting the step counter back is no part of the figure. */
static const double data_bytes = 64e6;
enum { FEWEST_STEPS = 4, MOST_STEPS = 65536, MOST_REPEATS = 1000 };

/* Multiply-adds of a step of the reference that results are compared with: a third of a second. */
static const double check_work = 3e8;

bp_status bp_device_measure(bp_device_peak *out, bp_device *device)
{
    if (!out || !device)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_device_measure: out and device are needed");
    *out = (bp_device_peak){0};
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) {
        double bytes;
        BP_TRY(bp__reference_bytes(&bytes));
        *out = (bp_device_peak){.gflops = 1e-9 * bp__reference_flops(),
                                .gbytes_per_second = 1e-9 * bytes};
        return BP_OK;
    }
    bp__engine *engine;
    BP_TRY(bp__engine_create(&engine, device, BP_GEMM_AUTO));
    bp_status status = bp__peak_measure(out, engine);
    bp__engine_free(engine);
    return status;
}

bp_bench_options bp_bench_options_default(void)
{
    const bp_train_options train = bp_train_options_default();
    return (bp_bench_options){.size = sizeof(bp_bench_options),
                              .batch = 128,
                              .optimizer = train.optimizer,
                              .gemm = train.gemm,
                              .loss = BP_LOSS_AUTO,
                              .repeats = 7,
                              .repeat_seconds = 0.05,
                              .seed = 1};
}

static bp_status read_options(bp_bench_options *out, const bp_bench_options *given)
{
    *out = bp_bench_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_bench_options"));
    if (out->repeats < 1 || out->repeats > MOST_REPEATS)
        return bp__fail(BP_ERROR_ARGUMENT, "repeats is %d, 1 to %d is possible", (int)out->repeats,
                        (int)MOST_REPEATS);
    if (!(out->repeat_seconds > 0 && out->repeat_seconds <= 3600))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "repeat_seconds is %g, above 0 and up to 3600 is possible",
                        out->repeat_seconds);
    return BP_OK; /* the others are the trainer's, which looks at them itself */
}

/* ---- One benchmark ----------------------------------------------------------------------------
 */

/* What a benchmark needs; all of it may be NULL. */
typedef struct bench {
    bp_model *model;
    bp_data *data;
    bp_trainer *trainer;
} bench;

static size_t steps_of_data(const bp_layer *layers, size_t batch)
{
    const double steps = data_bytes / ((double)batch * (double)layers[0].inputs * sizeof(float));
    if (!(steps > FEWEST_STEPS)) return FEWEST_STEPS;
    return steps < MOST_STEPS ? (size_t)steps : MOST_STEPS;
}

/* A batch that the device cannot hold is found out before its data is made, for which the host may
 * have too little memory as well. */
static bp_status check_room(bp_device *device, const bp_layer *layers, size_t batch)
{
    const bp_device_info *info = bp_device_get_info(device);
    const double bytes = (double)steps_of_data(layers, batch) * (double)batch *
                         (double)layers[0].inputs * sizeof(float);
    const double room = (double)info->global_memory_bytes / 2;
    if (room > 0 && bytes > room)
        return bp__fail(BP_ERROR_DEVICE_MEMORY,
                        "%s: %d batches of data need %.1f GB, the device has %.1f GB in all",
                        info->name, (int)FEWEST_STEPS, 1e-9 * bytes, 2e-9 * room);
    return BP_OK;
}

static bp_status make_trainer(bench *b, bp_device *device, const bp_train_options *how)
{
    BP_TRY(bp_trainer_create(&b->trainer, b->model, device, how));
    return bp_trainer_set_data(b->trainer, b->data);
}

/* Beside the streams of bp__bench_data. */
enum { BIAS_STREAM = 3 };

/* Biases start at 0 elsewhere: here a device that leaves them out is to be found out. */
static void fill_biases(bp_model *model, const bp_layer *layers, size_t count, uint64_t seed)
{
    for (size_t l = 0; l < count; ++l)
        for (size_t i = 0; layers[l].bias && i < layers[l].outputs; ++i)
            bp_model_biases(model, l)[i] =
                (float)(bp__random_unit(seed, BP__PURPOSE_BENCH, BIAS_STREAM, (uint32_t)l, i) -
                        0.5);
}

static bp_status set_up(bench *b, bp_device *device, const bp_layer *layers, size_t count,
                        const bp_bench_options *options, bp_bench_result *result)
{
    bp_model_options shape = bp_model_options_default();
    /* Not by default: activations that are further from 0 show slopes that are wrong. */
    shape.init = BP_INIT_HE_UNIFORM;
    shape.loss = options->loss;
    shape.seed = options->seed;
    BP_TRY(bp_model_create_layers(&b->model, layers, count, &shape));
    fill_biases(b->model, layers, count, options->seed);
    bp_train_options how, asked = bp_train_options_default();
    asked.batch = options->batch;
    asked.optimizer = options->optimizer;
    asked.gemm = options->gemm;
    asked.shuffle = 0;
    asked.stream = BP_STREAM_NO;
    BP_TRY(bp__read_train_options(&how, &asked)); /* before the batch's size is trusted */
    if (bp__optimizer_of(how.optimizer)->full_batch)
        return bp__full_batch_refuse("bench", how.optimizer);
    const size_t batch = (size_t)options->batch;
    BP_TRY(check_room(device, layers, batch));
    const bool labels = bp_model_get_info(b->model).loss == BP_LOSS_CROSS_ENTROPY;
    BP_TRY(bp__bench_data(&b->data, layers, count, batch, steps_of_data(layers, batch), labels,
                          options->seed));
    const double start = bp__seconds();
    BP_TRY(make_trainer(b, device, &how));
    result->setup_seconds = bp__seconds() - start;
    result->device_bytes = bp_trainer_device_bytes(b->trainer);
    return BP_OK;
}

bp_status bp__bench_step(bp__op **ops, size_t *count, const bp_trainer *trainer)
{
    const bp__plan_optimizer optimizer = bp__trainer_optimizer(trainer);
    return bp__plan_train_ops(ops, count, trainer->full, &trainer->pass->views, &optimizer);
}

static bp_status count_work(bench *b, bp_device *device, bp_bench_result *result)
{
    bp__op *ops;
    size_t count;
    BP_TRY(bp__bench_step(&ops, &count, b->trainer));
    const bp__work work = bp__work_of(ops, 0, count);
    result->step_gflop = 1e-9 * work.flops;
    result->step_gbytes = 1e-9 * work.bytes;
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE)
        result->step_gbytes *= sizeof(double) / sizeof(float);
    free(ops);
    return BP_OK;
}

bp_status bp__bench_run(bp_trainer *trainer, size_t times, double *seconds)
{
    const bp__pass *pass = trainer->pass;
    const double start = bp__seconds();
    for (size_t left = times; left > 0;) {
        const size_t chunk = left < pass->steps ? left : pass->steps;
        BP_TRY(bp__pass_seek(trainer->pass, 0));
        BP_TRY(bp__sequence_run(trainer->engine, trainer->full->train, chunk));
        left -= chunk;
    }
    BP_TRY(bp__engine_finish(trainer->engine));
    *seconds = bp__seconds() - start;
    return BP_OK;
}

bp_status bp__bench_calibrate(bp_trainer *trainer, double wanted, size_t *times)
{
    double seconds;
    BP_TRY(bp__bench_run(trainer, 1, &seconds));
    for (*times = 1;;) {
        BP_TRY(bp__bench_run(trainer, *times, &seconds));
        if (seconds >= wanted || *times > SIZE_MAX / 4) return BP_OK;
        /* A tenth more than seems to be needed; twice to eightfold at once. */
        const double factor = 1.1 * wanted / (seconds > 0 ? seconds : wanted);
        *times = (size_t)ceil((double)*times * (factor > 8 ? 8 : factor < 1.1 ? 1.1 : factor));
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bp_status measure(bp_trainer *trainer, const bp_bench_options *options,
                         bp_bench_result *result)
{
    double seconds[MOST_REPEATS];
    const size_t repeats = (size_t)options->repeats;
    size_t times;
    BP_TRY(bp__bench_calibrate(trainer, options->repeat_seconds, &times));
    for (size_t r = 0; r < repeats; ++r) {
        BP_TRY(bp__bench_run(trainer, times, &seconds[r]));
        seconds[r] /= (double)times;
    }
    qsort(seconds, repeats, sizeof *seconds, by_value);
    result->step_seconds = (seconds[(repeats - 1) / 2] + seconds[repeats / 2]) / 2;
    result->step_seconds_min = seconds[0];
    result->step_seconds_max = seconds[repeats - 1];
    result->steps = (int64_t)times;
    result->repeats = options->repeats;
    result->samples_per_second = (double)trainer->batch / result->step_seconds;
    result->gflops = result->step_gflop / result->step_seconds;
    return BP_OK;
}

/* Whether the steps that were timed have computed something. */
static bp_status check_losses(bp_trainer *trainer, size_t steps)
{
    bp__view view = trainer->pass->views.losses;
    if (steps < view.columns) view.columns = steps;
    BP_TRY(bp__view_read(trainer->engine, &view, trainer->losses));
    for (size_t s = 0; s < view.columns; ++s)
        if (!isfinite(trainer->losses[s]))
            return bp__fail(BP_ERROR_DIVERGED, "the loss of a step that was timed is %g",
                            (double)trainer->losses[s]);
    return BP_OK;
}

static bp_status measure_checked(bench *b, bp_device *device, const bp_bench_options *options,
                                 bp_bench_result *result)
{
    const double start = bp__seconds();
    if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE)
        BP_TRY(
            bp__bench_check(b->trainer, b->model, b->data, bp_device_get_info(device), check_work));
    result->check_seconds = bp__seconds() - start;
    BP_TRY(bp__bench_set_rate(b->trainer, bp__idle_rate, 1 + BP__CHECK_STEPS));
    BP_TRY(count_work(b, device, result));
    BP_TRY(measure(b->trainer, options, result));
    return check_losses(b->trainer, (size_t)result->steps);
}

/* The same steps again, in a trainer that is watched: the figures are those of one that is not. */
static bp_status profile_steps(bench *b, bp_device *device, bp_profile *profile, size_t steps)
{
    if (!profile) return BP_OK;
    bp_train_options how = b->trainer->options;
    double seconds;
    how.profile = profile;
    bp_trainer_free(b->trainer);
    b->trainer = NULL;
    BP_TRY(make_trainer(b, device, &how));
    BP_TRY(bp__bench_set_rate(b->trainer, bp__idle_rate, 1));
    BP_TRY(bp__engine_phase(b->trainer->engine, BP_PHASE_TRAINING));
    BP_TRY(bp__bench_run(b->trainer, steps, &seconds));
    return bp__engine_phase(b->trainer->engine, BP_PHASE_OTHER);
}

bp_status bp_bench(bp_bench_result *out, bp_device *device, const bp_layer *layers, size_t count,
                   const bp_bench_options *given)
{
    if (!out || !device || !layers || count == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_bench: out, device and layers are needed");
    *out = (bp_bench_result){0};
    bp_bench_options options;
    BP_TRY(read_options(&options, given));
    bench b = {NULL, NULL, NULL};
    bp_bench_result result = {0};
    bp_status status = set_up(&b, device, layers, count, &options, &result);
    if (status == BP_OK) status = measure_checked(&b, device, &options, &result);
    if (status == BP_OK) status = profile_steps(&b, device, options.profile, (size_t)result.steps);
    if (status == BP_OK) *out = result;
    bp_trainer_free(b.trainer);
    bp_data_free(b.data);
    bp_model_free(b.model);
    return status;
}
