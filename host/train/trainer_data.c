/* trainer_data.c - a trainer's data: uploaded or streamed, with everything warm. */
#include <stdlib.h>

#include "base/memory.h"
#include "ops/engine.h"
#include "profile/profile.h"
#include "train/full_batch.h"
#include "train/trainer.h"

/* A driver may compile a kernel when it is first launched, so that is done here and not on the
 * training's clock: one step of each plan while the hyper table is still zero, learning rate
 * included. What such a step may leave behind, moments first of all, is put back afterwards. */
static bp_status warm_up(bp_trainer *trainer)
{
    if (trainer->stream) return bp__stream_warm_up(trainer->stream);
    BP_TRY(bp__pass_seek(trainer->pass, 0));
    BP_TRY(bp__sequence_run(trainer->engine, trainer->full->train, 1));
    if (trainer->full->add) {
        BP_TRY(bp__pass_seek(trainer->pass, 0));
        BP_TRY(bp__sequence_run(trainer->engine, trainer->full->add, 1));
    }
    if (trainer->last) {
        BP_TRY(bp__pass_seek(trainer->pass, 0));
        BP_TRY(bp__sequence_run(trainer->engine, trainer->last->train, 1));
    }
    return bp__engine_finish(trainer->engine);
}

bp_status bp__trainer_zero(bp_trainer *trainer, bp__buffer *buffer)
{
    if (!buffer) return BP_OK;
    bp__view arena = bp__network_arena(trainer->network, buffer);
    float *zeros = NULL;
    BP_TRY(bp__new_array(&zeros, arena.columns, sizeof *zeros));
    bp_status status = bp__view_write(trainer->engine, &arena, zeros);
    free(zeros);
    return status;
}

static bp_status warm_up_and_restore(bp_trainer *trainer)
{
    bp__view arena = bp__network_arena(trainer->network, trainer->network->parameters);
    float *parameters = NULL;
    BP_TRY(bp__new_array(&parameters, arena.columns, sizeof *parameters));
    bp_status status = bp__view_read(trainer->engine, &arena, parameters);
    if (status == BP_OK) status = warm_up(trainer);
    if (status == BP_OK) status = bp__view_write(trainer->engine, &arena, parameters);
    const bp__network *averaged = trainer->network->averaged;
    if (averaged) arena.buffer = averaged->parameters;
    if (status == BP_OK && averaged) status = bp__view_write(trainer->engine, &arena, parameters);
    if (status == BP_OK) status = bp__trainer_zero(trainer, trainer->network->moment1);
    if (status == BP_OK) status = bp__trainer_zero(trainer, trainer->network->moment2);
    if (status == BP_OK) status = bp__trainer_zero(trainer, trainer->network->sums);
    free(parameters);
    return status;
}

/* All rows must be there, in one batch; their order changes nothing then. */
static bp_status take_all_rows(bp_trainer *trainer, const bp_data *data, bool stream)
{
    const size_t rows = bp_data_get_info(data).rows;
    const char *name = bp_optimizer_name(trainer->options.optimizer);
    if (stream)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "%s takes all rows at once, and these would have to be streamed: take "
                        "another optimizer",
                        name);
    if (trainer->batch < rows)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "batch is %zu, but %s takes all of the %zu rows at once: leave batch out, "
                        "or take another optimizer",
                        trainer->batch, name, rows);
    trainer->options.batch = (int64_t)rows;
    trainer->options.shuffle = BP_SHUFFLE_NONE;
    return BP_OK;
}

/* Whether moments are learned from batches: those need two rows at least. */
static bool learns_moments(const bp_trainer *trainer)
{
    const bp__network *network = trainer->network;
    for (size_t l = (size_t)trainer->options.freeze_layers; l < network->layer_count; ++l)
        if (network->layers[l].norm == BP_NORM_BATCH) return true;
    return false;
}

/* Rows of a batch: no more than there are, and all where one would be left alone. */
static size_t batch_of(size_t batch, size_t rows, bool join)
{
    return rows <= batch || (join && batch > 1 && rows - batch == 1) ? rows : batch;
}

bp_status bp__trainer_make_plans(const bp_trainer *trainer, bp__plan **full, bp__plan **last,
                                 const bp__plan *memory, const bp__pass *pass, size_t last_rows,
                                 bool labels)
{
    bp__plan **const plans[] = {full, last};
    const size_t rows[] = {pass->batch, last_rows};
    const size_t larger = last_rows > pass->batch;
    for (size_t i = 0; i < 2; ++i) {
        const size_t which = i == 0 ? larger : 1 - larger;
        if (which == 1 && last_rows == pass->batch) continue;
        BP_TRY(memory ? bp__plan_create_part(plans[which], memory, rows[which])
                      : bp__plan_create(plans[which], trainer->network, rows[which], labels, true));
        if (!memory) memory = *plans[which];
        BP_TRY(bp__trainer_make_train(trainer, plans[which], pass, false));
    }
    return BP_OK;
}

static bp_status upload_data(bp_trainer *trainer, const bp_data *data)
{
    const bool join = learns_moments(trainer);
    const size_t batch = batch_of(trainer->batch, bp_data_get_info(data).rows, join);
    BP_TRY(bp__pass_create(&trainer->pass, trainer->engine, data, batch, true));
    bp__pass *pass = trainer->pass;
    if (join) bp__pass_join(pass);
    trainer->shuffle = bp__order_for(&trainer->options, data, batch, BP_SHUFFLE_ALL);
    trainer->shuffle.join = join;
    BP_TRY(bp__new_array(&trainer->losses, pass->steps, sizeof *trainer->losses));
    BP_TRY(bp__new_array(&trainer->order, pass->rows, sizeof *trainer->order));
    return bp__trainer_make_plans(trainer, &trainer->full, &trainer->last, NULL, pass,
                                  bp__pass_last_rows(pass), bp__has_labels(data));
}

static bp_status stream_data(bp_trainer *trainer, const bp_data *data)
{
    BP_TRY(bp__new_array(&trainer->pass, 1, sizeof *trainer->pass));
    bp__pass *pass = trainer->pass;
    pass->engine = trainer->engine;
    pass->rows = bp_data_get_info(data).rows;
    const bool join = learns_moments(trainer);
    pass->batch = batch_of(trainer->batch, pass->rows, join);
    pass->steps = bp__pieces(pass->rows, pass->batch, join);
    trainer->shuffle = bp__order_for(&trainer->options, data, pass->batch, BP_SHUFFLE_BLOCKS);
    trainer->shuffle.join = join;
    return bp__stream_create(&trainer->stream, trainer, data);
}

/* Resident data may be released after this call; streamed data stays, and is read through for its
 * fingerprint when a checkpoint asks for one. */
bp_status bp_trainer_set_data(bp_trainer *trainer, const bp_data *data)
{
    BP_TRY(bp__trainer_set_data(trainer, data, false));
    trainer->unhashed = data;
    if (trainer->stream) return BP_OK;
    const bp_status status = bp__trainer_hash_data(trainer);
    if (status != BP_OK) bp__trainer_forget_data(trainer);
    return status;
}

bp_status bp__trainer_hash_data(bp_trainer *trainer)
{
    if (trainer->unhashed)
        BP_TRY(bp__fingerprint_data(trainer->data_hash, trainer->weights_hash, trainer->unhashed));
    trainer->unhashed = NULL;
    return BP_OK;
}

bp_status bp__trainer_set_data(bp_trainer *trainer, const bp_data *data, bool hash)
{
    if (!trainer || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_set_data: trainer and data are needed");
    const bp__network *network = trainer->network;
    BP_TRY(bp__check_fit(network->layers[0].inputs,
                         network->layers[network->layer_count - 1].outputs, data));
    bp__trainer_forget_data(trainer);
    bp_status status;
    if (hash) BP_TRY_GOTO(bp__fingerprint_data(trainer->data_hash, trainer->weights_hash, data));
    BP_TRY_GOTO(bp__engine_phase(trainer->engine, BP_PHASE_SETUP));
    bool stream = false;
    BP_TRY_GOTO(bp__choose_stream(&stream, trainer, data));
    if (trainer->full_batch) BP_TRY_GOTO(take_all_rows(trainer, data, stream));
    BP_TRY_GOTO(stream ? stream_data(trainer, data) : upload_data(trainer, data));
    (void)bp__fill_in_epochs(&trainer->options, trainer->pass->rows);
    if (trainer->options.steps_per_epoch == 0)
        trainer->schedule = bp__schedule_of(
            &trainer->options, bp__groups_of(&trainer->options, (int64_t)trainer->pass->steps));
    if (trainer->step == 0) BP_TRY_GOTO(warm_up_and_restore(trainer));
    if (stream) BP_TRY_GOTO(bp__stream_begin(trainer->stream));
    BP_TRY_GOTO(bp__engine_phase(trainer->engine, BP_PHASE_OTHER));
    return BP_OK;
fail:
    bp__trainer_forget_data(trainer);
    return status;
}
