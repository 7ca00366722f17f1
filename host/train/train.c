/* train.c - bp_train: epochs, validation, progress, and what becomes of the model when it ends. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "train/saver.h"

static const double progress_seconds = 0.1; /* between two calls of the progress callback */

/* Parameters in host memory: the state to fall back to. */
typedef struct snapshot {
    float **weights, **biases;
} snapshot;

/* A training under way. */
typedef struct run {
    bp_trainer *trainer;
    bp_train_result *result;
    bp_progress progress;
    double epoch_start, last_call;
    snapshot kept;  /* after the last epoch that ended well */
    double seconds; /* result->seconds, and what has passed of this epoch */
    bp__saver saver;
    bp_status failed; /* of a checkpoint, for the device's sake */
} run;

static void report(run *r, size_t steps_done, double mean_loss)
{
    bp_progress *p = &r->progress;
    const double now = bp__seconds();
    const double rows =
        (double)(p->epoch - 1) * (double)r->trainer->pass->rows +
        (double)(steps_done == (size_t)p->steps ? r->trainer->pass->rows
                                                : steps_done * r->trainer->pass->batch);
    p->checkpoint_error = r->saver.error;
    p->step = (int64_t)steps_done;
    p->train_loss = mean_loss;
    p->seconds = r->result->seconds + (p->epoch_done ? 0 : now - r->epoch_start);
    p->samples_per_second = p->seconds > 0 ? rows / p->seconds : 0;
    r->last_call = now;
}

static int on_chunk(size_t steps_done, double loss_sum, size_t rows_done, void *user)
{
    run *r = user;
    const bp_train_options *options = &r->trainer->options;
    r->failed = bp__saver_look(&r->saver);
    if (r->failed != BP_OK) bp__hold_error(true); /* it is what the training ends with */
    if (r->failed != BP_OK) return 1;
    if (!options->progress || bp__seconds() - r->last_call < progress_seconds) return 0;
    report(r, steps_done, rows_done ? loss_sum / (double)rows_done : (double)NAN);
    return options->progress(&r->progress, options->user);
}

static void snapshot_free(snapshot *kept, size_t layers)
{
    for (size_t l = 0; l < layers; ++l) {
        if (kept->weights) free(kept->weights[l]);
        if (kept->biases) free(kept->biases[l]);
    }
    free(kept->weights);
    free(kept->biases);
}

static bp_status snapshot_create(snapshot *kept, bp_model *model, size_t layers)
{
    BP_TRY(bp__new_array(&kept->weights, layers, sizeof *kept->weights));
    BP_TRY(bp__new_array(&kept->biases, layers, sizeof *kept->biases));
    for (size_t l = 0; l < layers; ++l) {
        bp_layer layer = bp_model_get_layer(model, l);
        BP_TRY(bp__new_array(&kept->weights[l], layer.inputs * layer.outputs, sizeof(float)));
        BP_TRY(bp__new_array(&kept->biases[l], layer.outputs, sizeof(float)));
    }
    return BP_OK;
}

/* Copies between the model and the snapshot; to_model false takes, true puts back. */
static void snapshot_copy(snapshot *kept, bp_model *model, bool to_model)
{
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        bp_layer layer = bp_model_get_layer(model, l);
        float *const pairs[2][2] = {{kept->weights[l], bp_model_weights(model, l)},
                                    {kept->biases[l], bp_model_biases(model, l)}};
        const size_t bytes[2] = {layer.inputs * layer.outputs * sizeof(float),
                                 layer.outputs * sizeof(float)};
        for (int i = 0; i < 2; ++i)
            if (pairs[i][1])
                memcpy(to_model ? pairs[i][1] : pairs[i][0], to_model ? pairs[i][0] : pairs[i][1],
                       bytes[i]);
    }
}

static bool is_finite(bp_model *model)
{
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        bp_layer layer = bp_model_get_layer(model, l);
        const float *weights = bp_model_weights(model, l), *biases = bp_model_biases(model, l);
        for (size_t i = 0; i < layer.inputs * layer.outputs; ++i)
            if (!isfinite(weights[i])) return false;
        for (size_t i = 0; biases && i < layer.outputs; ++i)
            if (!isfinite(biases[i])) return false;
    }
    return true;
}

/* Between epochs, when the trainer may be looked at. */
static int call_back(run *r)
{
    const bp_train_options *options = &r->trainer->options;
    if (!options->progress) return 0;
    r->progress.trainer = r->trainer;
    const int stop = options->progress(&r->progress, options->user);
    r->progress.trainer = NULL;
    return stop;
}

/* One epoch with its validation and its calls back. */
static bp_status run_epoch(run *r, bp__evaluator *validation)
{
    bp_train_result *result = r->result;
    bp_progress *p = &r->progress;
    double loss = NAN;
    const int64_t steps_before = r->trainer->step + r->trainer->place;
    ++p->epoch;
    p->epoch_done = 0;
    p->validation_loss = p->validation_accuracy = NAN;
    r->epoch_start = bp__seconds();
    bp__saver_plan(&r->saver);
    bp_status status = bp__trainer_run_epoch(r->trainer, &loss, on_chunk, r);
    if (r->failed != BP_OK) bp__hold_error(false);
    result->seconds += bp__seconds() - r->epoch_start;
    r->epoch_start = bp__seconds();
    result->steps += r->trainer->step + r->trainer->place - steps_before;
    if (status == BP_ERROR_CANCELLED && r->failed != BP_OK) status = r->failed;
    if (status == BP_OK || status == BP_ERROR_CANCELLED) result->train_loss = loss;
    BP_TRY(status);
    if (validation)
        BP_TRY(bp__evaluator_run(validation, &p->validation_loss, &p->validation_accuracy, NULL,
                                 NULL));
    ++result->epochs;
    result->validation_loss = p->validation_loss;
    result->validation_accuracy = p->validation_accuracy;
    p->epoch_done = 1;
    report(r, (size_t)p->steps, loss);
    if (call_back(r) != 0) return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
    return BP_OK;
}

/* The epoch that was the last: what went wrong can still be looked at. */
static void tell_diverged(run *r)
{
    r->progress.epoch_done = 0;
    r->progress.diverged = 1;
    bp__hold_error(true);
    (void)call_back(r);
    bp__hold_error(false);
}

/* What bp_train itself remembers from one step to the next. */
static bp_status own_state(bp__state *state, bool mid_epoch, void *user)
{
    run *r = user;
    bp_train_result *result = r->result;
    r->seconds = result->seconds + (mid_epoch ? bp__seconds() - r->epoch_start : 0);
    const bp__state_row rows[] = {
        {BP__TRAINING_PREFIX "seconds", BP__STATE_NUMBERS, .host = &r->seconds, .count = 1},
        {BP__TRAINING_PREFIX "loss", BP__STATE_NUMBERS, .host = &result->train_loss, .count = 1},
        {BP__TRAINING_PREFIX "validation_loss", BP__STATE_NUMBERS, .host = &result->validation_loss,
         .count = 1},
        {BP__TRAINING_PREFIX "validation_accuracy", BP__STATE_NUMBERS,
         .host = &result->validation_accuracy, .count = 1},
    };
    BP_TRY(bp__state_add(state, rows, sizeof rows / sizeof *rows));
    /* Between epochs the state to fall back to is the model's own. */
    const bp__network *network = r->trainer->network;
    for (size_t l = 0; mid_epoch && l < network->layer_count; ++l) {
        const bp_layer *layer = &network->layers[l];
        bp__state_row parts[2] = {
            {.kind = BP__STATE_FLOATS,
             .host = r->kept.weights[l],
             .count = layer->inputs * layer->outputs},
            {.kind = BP__STATE_FLOATS, .host = r->kept.biases[l], .count = layer->outputs}};
        snprintf(parts[0].name, sizeof parts[0].name, BP__TRAINING_PREFIX "kept.%zu.weight", l);
        snprintf(parts[1].name, sizeof parts[1].name, BP__TRAINING_PREFIX "kept.%zu.bias", l);
        BP_TRY(bp__state_add(state, parts, layer->bias ? 2 : 1));
    }
    return BP_OK;
}

/* Where a checkpoint has just put the trainer, the results go on, too. */
static bp_status go_on(run *r, bp_model *model)
{
    const bp_trainer *trainer = r->trainer;
    r->progress.epoch = r->result->epochs = trainer->epoch;
    r->result->steps = trainer->step + trainer->place;
    r->result->seconds = r->seconds;
    if (trainer->place > 0) return BP_OK;
    BP_TRY(bp_trainer_get_model(r->trainer, model));
    snapshot_copy(&r->kept, model, false);
    return BP_OK;
}

/* After an epoch, or what was done of it: looks whether it can be kept. */
static bp_status keep_epoch(run *r, bp_model *model, bp_status status)
{
    BP_TRY(bp_trainer_get_model(r->trainer, model));
    if (is_finite(model)) {
        if (status == BP_OK || r->trainer->place == 0) snapshot_copy(&r->kept, model, false);
        return status;
    }
    if (status == BP_OK) --r->result->epochs; /* it ended well but for its last step */
    return bp__fail(BP_ERROR_DIVERGED,
                    "training diverged: a parameter is not finite after epoch %lld; try a "
                    "learning rate below %g",
                    (long long)r->progress.epoch, r->progress.learning_rate);
}

static bp_status run_all(run *r, bp_model *model, bp__evaluator *validation)
{
    const bp_train_options *options = &r->trainer->options;
    r->progress.epochs = options->epochs;
    r->progress.steps = (int64_t)r->trainer->pass->steps;
    r->progress.learning_rate = (double)bp__learning_rate(options);
    bp_status status = BP_OK;
    while (r->trainer->epoch < options->epochs && status == BP_OK) {
        status = run_epoch(r, validation);
        if (status == BP_OK || status == BP_ERROR_CANCELLED) status = keep_epoch(r, model, status);
        if (status == BP_OK) BP_TRY(bp__saver_look(&r->saver));
    }
    if (status == BP_ERROR_DIVERGED) tell_diverged(r);
    if (status == BP_OK || status == BP_ERROR_CANCELLED) {
        const bool stopped = status == BP_ERROR_CANCELLED;
        BP_TRY(bp__saver_save(&r->saver));
        if (stopped) return bp__fail(BP_ERROR_CANCELLED, "stopped by the caller");
        status = bp__engine_phase(r->trainer->engine, BP__PHASE_NONE);
    }
    return status;
}

bp_status bp_train(bp_model *model, bp_device *device, const bp_data *data,
                   const bp_data *validation, const bp_train_options *options,
                   bp_train_result *result)
{
    bp_train_result unwanted;
    if (!result) result = &unwanted;
    *result =
        (bp_train_result){.train_loss = NAN, .validation_loss = NAN, .validation_accuracy = NAN};
    if (!model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_train: model, device and data are needed");
    const bp_model_info shape = bp_model_get_info(model);
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    BP_TRY(bp__check_reach(model, data));
    if (validation) BP_TRY(bp__check_fit(shape.inputs, shape.outputs, validation));

    const double start = bp__seconds();
    const size_t layers = shape.layers;
    run r = {.result = result};
    bp__evaluator *evaluator = NULL;
    snapshot before = {0};
    bp_status status;
    BP_TRY_GOTO(snapshot_create(&before, model, layers));
    BP_TRY_GOTO(snapshot_create(&r.kept, model, layers));
    snapshot_copy(&before, model, false);
    snapshot_copy(&r.kept, model, false);
    BP_TRY_GOTO(bp_trainer_create(&r.trainer, model, device, options));
    const bp_train_options *read = &r.trainer->options;
    BP_TRY_GOTO(bp__trainer_set_data(r.trainer, data, read->checkpoint || read->resume));
    if (validation) BP_TRY_GOTO(bp__evaluator_create(&evaluator, r.trainer->network, validation));
    BP_TRY_GOTO(bp__saver_begin(&r.saver, r.trainer, model, validation, own_state, &r));
    if (read->resume) BP_TRY_GOTO(go_on(&r, model));
    result->setup_seconds = bp__seconds() - start;
    result->device_bytes = bp_trainer_device_bytes(r.trainer);
    result->streamed = r.trainer->stream != NULL;
    result->shuffle = r.trainer->shuffle.shuffle;
    status = run_all(&r, model, evaluator);
    if (r.trainer->stream) result->wait_seconds = bp__stream_waited(r.trainer->stream);
    if (status != BP_OK && status != BP_ERROR_CANCELLED)
        snapshot_copy(status == BP_ERROR_DIVERGED ? &r.kept : &before, model, true);
    if (result->seconds > 0)
        result->samples_per_second = (double)result->steps / (double)r.trainer->pass->steps *
                                     (double)r.trainer->pass->rows / result->seconds;
    result->checkpoint = r.saver.status;
fail:
    bp__saver_end(&r.saver);
    bp__evaluator_free(evaluator);
    bp_trainer_free(r.trainer);
    snapshot_free(&before, layers);
    snapshot_free(&r.kept, layers);
    return status;
}
