/* trainer.c - epochs and steps on an engine. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/families.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/engine.h"
#include "profile/profile.h"
#include "train/full_batch.h"

bp_train_options bp_train_options_default(void)
{
    return (bp_train_options){.size = sizeof(bp_train_options),
                              .batch = 0,
                              .optimizer = BP_OPTIMIZER_ADAM,
                              .shuffle = 1,
                              .accumulate = 1,
                              .gemm = BP_GEMM_AUTO,
                              .learning_rate = 0,
                              .momentum = 0.9f,
                              .beta1 = -1,
                              .beta2 = -1,
                              .epsilon = -1,
                              .weight_decay = -1,
                              .seed = 1,
                              .checkpoint_seconds = 30,
                              .monitor = BP_MONITOR_AUTO,
                              .schedule = BP_SCHEDULE_AUTO,
                              .keep_best = -1};
}

float bp_optimizer_default_learning_rate(int32_t optimizer)
{
    return bp_optimizer_name(optimizer) ? (float)bp__optimizer_of(optimizer)->rate : 0;
}

int64_t bp_optimizer_default_batch(int32_t optimizer)
{
    if (!bp_optimizer_name(optimizer)) return 0;
    return bp__optimizer_of(optimizer)->full_batch ? INT32_MAX : 32;
}

float bp__learning_rate(const bp_train_options *options)
{
    return options->learning_rate > 0 ? options->learning_rate
                                      : bp_optimizer_default_learning_rate(options->optimizer);
}

bp_status bp_trainer_create(bp_trainer **out, const bp_model *model, bp_device *device,
                            const bp_train_options *options)
{
    if (!out || !model || !device)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_create: out, model and device are needed");
    *out = NULL;
    bp_train_options read;
    BP_TRY(bp__read_train_options(&read, options));
    const int32_t loss = bp_model_get_info(model).loss;
    if (read.label_smoothing > 0 && loss != BP_LOSS_CROSS_ENTROPY && loss != BP_LOSS_BCE)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "label_smoothing is for the losses cross_entropy and bce, not for %s",
                        bp_loss_name(loss));
    const size_t layers = bp_model_get_info(model).layers;
    if (read.freeze_layers < 0 || (size_t)read.freeze_layers >= layers)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "freeze_layers is %lld, but the model has %zu layers: one must be left to "
                        "learn",
                        (long long)read.freeze_layers, layers);
    bp_trainer *trainer = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&trainer, 1, sizeof *trainer));
    if (read.schedule == BP_SCHEDULE_AUTO) read.schedule = BP_SCHEDULE_CONSTANT;
    trainer->options = read;
    trainer->device = bp_device_get_info(device);
    trainer->precision = bp_device_get_precision(device);
    trainer->batch = (size_t)read.batch;
    trainer->schedule = bp__schedule_of(&read, bp__groups_of(&read, read.steps_per_epoch));
    trainer->course = bp__course_new();
    BP_TRY_GOTO(bp__engine_create(&trainer->engine, device, read.gemm));
    if (read.profile) BP_TRY_GOTO(bp__engine_profile(trainer->engine, read.profile));
    BP_TRY_GOTO(bp__engine_phase(trainer->engine, BP_PHASE_SETUP));
    BP_TRY_GOTO(
        bp__network_create(&trainer->network, trainer->engine, model, true, read.optimizer));
    BP_TRY_GOTO(bp__network_upload(trainer->network, model));
    if (read.ema > 0) BP_TRY_GOTO(bp__network_average(trainer->network, model));
    if (read.accumulate > 1)
        BP_TRY_GOTO(bp__buffer_create(trainer->engine, &trainer->network->sums, BP__NUMBER,
                                      trainer->network->arena_size));
    if (bp__optimizer_of(read.optimizer)->full_batch)
        BP_TRY_GOTO(bp__full_batch_create(&trainer->full_batch, trainer));
    BP_TRY_GOTO(bp__engine_phase(trainer->engine, BP_PHASE_OTHER));
    *out = trainer;
    return BP_OK;
fail:
    bp_trainer_free(trainer);
    return status;
}

/* Losses of steps under way may still arrive. */
static void wait_for_device(bp_trainer *trainer)
{
    bp__hold_error(true);
    (void)bp__engine_finish(trainer->engine);
    bp__hold_error(false);
}

static void leave_profile(bp_trainer *trainer)
{
    bp__hold_error(true);
    (void)bp__engine_phase(trainer->engine, BP__PHASE_NONE);
    bp__hold_error(false);
}

void bp__trainer_forget_data(bp_trainer *trainer)
{
    bp__trainer_leave_epoch(trainer);
    trainer->data_hash[0] = trainer->weights_hash[0] = '\0';
    trainer->unhashed = NULL;
    if (trainer->pass) wait_for_device(trainer);
    bp__plan_free(trainer->full);
    bp__plan_free(trainer->last);
    bp__stream_free(trainer->stream);
    bp__pass_free(trainer->pass);
    free(trainer->losses);
    free(trainer->order);
    trainer->full = trainer->last = NULL;
    trainer->pass = NULL;
    trainer->stream = NULL;
    trainer->chunk_steps = 1;
    trainer->losses = NULL;
    trainer->order = NULL;
    if (trainer->full_batch) bp__full_batch_forget(trainer->full_batch);
}

void bp_trainer_free(bp_trainer *trainer)
{
    if (!trainer) return;
    if (trainer->engine) wait_for_device(trainer);
    if (trainer->engine) leave_profile(trainer);
    bp__trainer_forget_data(trainer);
    bp__full_batch_free(trainer->full_batch);
    bp__plan_free(trainer->single);
    bp__pass_free(trainer->single_pass);
    bp__network_free(trainer->network);
    bp__engine_free(trainer->engine);
    free(trainer->sound_path);
    free(trainer);
}

bp__plan_optimizer bp__trainer_optimizer(const bp_trainer *trainer)
{
    const bp_train_options *options = &trainer->options;
    const bp__optimizer_traits *traits = bp__optimizer_of(options->optimizer);
    const bool decoupled = traits->decoupled;
    return (bp__plan_optimizer){.optimizer = options->optimizer,
                                .momentum = options->momentum,
                                .beta1 = options->beta1,
                                .beta2 = options->beta2,
                                .epsilon = options->epsilon,
                                .decay = decoupled ? options->weight_decay : 0,
                                .l2 = decoupled ? 0 : options->weight_decay,
                                .l1 = options->l1,
                                .clip = options->clip_value,
                                .clip_norm = options->clip_norm,
                                .max_norm = options->max_norm,
                                .no_update = traits->full_batch, /* the host does it */
                                .smoothing = (double)options->label_smoothing,
                                .dropout = true,
                                .seed = options->seed,
                                .freeze_layers = (size_t)options->freeze_layers,
                                .freeze_bias = options->freeze_bias == 1};
}

bp_status bp__trainer_make_train(const bp_trainer *trainer, bp__plan **plan, const bp__pass *pass,
                                 bool keep_gradients)
{
    bp__plan_optimizer optimizer = bp__trainer_optimizer(trainer);
    optimizer.keep_gradients = keep_gradients;
    bp_status status = bp__plan_make_train(*plan, &pass->views, &optimizer);
    if (status != BP_OK) { /* half a plan must not be taken for one that is kept */
        bp__plan_free(*plan);
        *plan = NULL;
    }
    return status;
}

double bp__trainer_rate(const bp_trainer *trainer, int64_t update)
{
    return bp__schedule_rate(&trainer->schedule, (double)update, trainer->course.plateau);
}

double bp_trainer_get_rate(const bp_trainer *trainer)
{
    return trainer ? bp__trainer_rate(trainer, bp__trainer_update(trainer, 0)) : (double)NAN;
}

bp_status bp_trainer_observe(bp_trainer *trainer, double value, int32_t larger_is_better)
{
    if (!trainer) return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_observe: trainer is NULL");
    (void)bp__course_note(&trainer->course, value, larger_is_better != 0, &trainer->options);
    return BP_OK;
}

/* How far averages move after an update, before which there were t others. A constant share would
 * keep what the training began with for long: the first averages are of few updates, as in
 * TensorFlow's ExponentialMovingAverage with num_updates. */
static double average_share(const bp_train_options *options, int64_t t)
{
    const double decay = (1 + (double)t) / (10 + (double)t);
    return 1 - (decay < options->ema ? decay : options->ema);
}

void bp__trainer_hyper(const bp_trainer *trainer, size_t first, size_t steps, float *table)
{
    const bp_train_options *options = &trainer->options;
    const bool corrected = options->optimizer == BP_OPTIMIZER_ADAM ||
                           options->optimizer == BP_OPTIMIZER_ADAMW; /* pow is not free */
    for (size_t s = 0; s < steps; ++s) {
        const int64_t update = bp__trainer_update(trainer, first + s);
        const double t = (double)update + 1;
        float *row = table + s * BP__HYPER_COUNT;
        const int64_t before = trainer->step + (int64_t)(first + s);
        row[BP__HYPER_RATE] = (float)bp__trainer_rate(trainer, update);
        row[BP__HYPER_STEP] = (float)(before & 0xffffff);
        row[BP__HYPER_AVERAGE] = (float)average_share(options, update);
        if (options->accumulate > 1 && trainer->pass)
            row[BP__HYPER_SHARE] = (float)bp__trainer_group_share(trainer, first + s);
        if (!corrected) continue;
        row[BP__HYPER_CORRECTION1] = (float)(1 / (1 - pow((double)options->beta1, t)));
        row[BP__HYPER_CORRECTION2] = (float)(1 / (1 - pow((double)options->beta2, t)));
    }
}

bp_status bp__trainer_run_steps(bp_trainer *trainer, size_t from, size_t to)
{
    const bp__pass *pass = trainer->pass;
    size_t full_steps = trainer->last ? pass->steps - 1 : pass->steps;
    trainer->gradients_kept = false;
    if (from < full_steps)
        BP_TRY(bp__trainer_run_batches(trainer, trainer->full, from,
                                       to < full_steps ? to : full_steps));
    return to > full_steps ? bp__sequence_run(trainer->engine, trainer->last->train, 1) : BP_OK;
}

size_t bp__rows_of_steps(const bp__pass *pass, size_t steps)
{
    return steps == pass->steps ? pass->rows : steps * pass->batch;
}

/* Adds the losses of the steps before `to`, which have arrived. */
static void count_losses(bp_trainer *trainer, size_t to)
{
    for (; (size_t)trainer->place < to; ++trainer->place)
        trainer->loss_sum += (double)trainer->losses[trainer->place];
}

bp_status bp__trainer_settle(bp_trainer *trainer)
{
    if (trainer->stream) return bp__stream_settle(trainer->stream);
    BP_TRY(bp__engine_finish(trainer->engine));
    count_losses(trainer, trainer->enqueued);
    return BP_OK;
}

/* A view of the losses of steps [from, to). */
static bp__view losses_view(const bp_trainer *trainer, size_t from, size_t to)
{
    bp__view view = trainer->pass->views.losses;
    view.offset += from;
    view.columns = to - from;
    return view;
}

bp_status bp__trainer_begin_epoch(bp_trainer *trainer)
{
    if (trainer->full_batch)
        return bp__full_batch_refuse("a look at single steps", trainer->options.optimizer);
    bp__pass *pass = trainer->pass;
    if (trainer->stream)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "the steps of streamed data cannot be taken one by one");
    if (trainer->shuffle.shuffle != BP_SHUFFLE_NONE) {
        BP_TRY(bp__order_epoch(trainer->order, &trainer->shuffle, (uint32_t)trainer->epoch));
        BP_TRY(bp__view_write(trainer->engine, &pass->views.order, trainer->order));
    }
    bp__trainer_hyper(trainer, 0, pass->steps, pass->hyper_table);
    BP_TRY(bp__view_write(trainer->engine, &pass->views.hyper, pass->hyper_table));
    return bp__pass_seek(pass, (int32_t)trainer->place);
}

size_t bp__chunk_end(const bp_trainer *trainer, size_t from)
{
    const size_t steps = trainer->pass->steps, pause = trainer->pause_at;
    const size_t end = steps - from > trainer->chunk_steps ? from + trainer->chunk_steps : steps;
    return pause > from && pause < end ? pause : end;
}

void bp__adapt_chunk(bp_trainer *trainer, double *last_look)
{
    const double now = bp__seconds(), took = now - *last_look;
    *last_look = now;
    if (took < BP__CHUNK_SECONDS / 2 && trainer->chunk_steps < trainer->pass->steps)
        trainer->chunk_steps *= 2;
    if (took > BP__CHUNK_SECONDS * 2 && trainer->chunk_steps > 1) trainer->chunk_steps /= 2;
}

/* Steps are enqueued in chunks; while a chunk runs, the next is enqueued behind it, so the device
 * never waits for the host. Losses come back one chunk late. */
static bp_status run_resident(bp_trainer *trainer, bp__chunk_fn chunk, void *user)
{
    const bp__pass *pass = trainer->pass;
    bool stop = false;
    double last_look = bp__seconds();
    BP_TRY(bp__trainer_begin_epoch(trainer));
    trainer->enqueued = (size_t)trainer->place;
    while (trainer->enqueued < pass->steps && !stop) {
        const size_t known = trainer->enqueued, next = bp__chunk_end(trainer, known);
        BP_TRY(bp__trainer_run_steps(trainer, known, next));
        bp__view view = losses_view(trainer, known, next);
        BP_TRY(bp__view_read_behind(trainer->engine, &view, trainer->losses + known));
        count_losses(trainer, known); /* all chunks before this one have arrived */
        trainer->enqueued = next;
        bp__adapt_chunk(trainer, &last_look);
        stop =
            !isfinite(trainer->loss_sum) ||
            (chunk && chunk(known, trainer->loss_sum, bp__rows_of_steps(pass, known), user) != 0);
    }
    return bp__trainer_settle(trainer);
}

bp_status bp__trainer_run_epoch(bp_trainer *trainer, double *loss, bp__chunk_fn chunk, void *user)
{
    const bp__pass *pass = trainer->pass;
    if (!pass)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_epoch: give the trainer data first "
                                           "(bp_trainer_set_data)");
    BP_TRY(bp__engine_phase(trainer->engine, BP_PHASE_TRAINING));
    BP_TRY(bp__trainer_begin_group(trainer, trainer->place == 0));
    bp_status status = trainer->full_batch ? bp__full_batch_run(trainer->full_batch)
                       : trainer->stream   ? bp__stream_run(trainer->stream, chunk, user)
                                           : run_resident(trainer, chunk, user);
    if (status == BP_OK) status = bp__engine_phase(trainer->engine, BP_PHASE_OTHER);
    if (status != BP_OK) { /* how far it came, nobody knows */
        trainer->place = 0;
        trainer->loss_sum = 0;
        return status;
    }
    const double mean = trainer->loss_sum / (double)bp__rows_of_steps(pass, trainer->enqueued);
    if (loss) *loss = mean;
    if (isfinite(mean) && trainer->enqueued < pass->steps)
        return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
    bp__trainer_leave_epoch(trainer);
    if (!isfinite(mean))
        return bp__fail(
            BP_ERROR_DIVERGED,
            "training diverged: the loss is %g in epoch %lld; try a learning rate below "
            "%g",
            isnan(mean) ? fabs(mean) : mean, (long long)trainer->epoch + 1,
            (double)bp__learning_rate(&trainer->options));
    ++trainer->epoch;
    return BP_OK;
}

bp_status bp_trainer_epoch(bp_trainer *trainer, double *loss)
{
    if (!trainer) return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_epoch: trainer is NULL");
    return bp__trainer_run_epoch(trainer, loss, NULL, NULL);
}

size_t bp_trainer_device_bytes(const bp_trainer *trainer)
{
    return trainer ? trainer->engine->bytes : 0;
}

bp__network *bp__trainer_result(const bp_trainer *trainer)
{
    return trainer->network->averaged ? trainer->network->averaged : trainer->network;
}

bp_status bp_trainer_get_model(bp_trainer *trainer, bp_model *model)
{
    if (!trainer || !model)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_get_model: trainer and model are needed");
    const bp__network *network = trainer->network;
    bp_model_info info = bp_model_get_info(model);
    bool same = info.layers == network->layer_count;
    for (size_t l = 0; same && l < info.layers; ++l) {
        bp_layer theirs = bp_model_get_layer(model, l), ours = network->layers[l];
        same = theirs.inputs == ours.inputs && theirs.outputs == ours.outputs &&
               theirs.bias == ours.bias && theirs.norm == ours.norm;
    }
    if (!same)
        return bp__fail(BP_ERROR_MODEL, "the model's layers are not those that are being trained");
    BP_TRY(bp__engine_phase(trainer->engine, BP_PHASE_OTHER));
    return bp__network_download(bp__trainer_result(trainer), model);
}
