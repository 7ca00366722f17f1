/* saver.c - the checkpoints of bp_train. */
#include "train/saver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/model.h"

static int64_t total_steps(const bp_trainer *trainer)
{
    return trainer->step + (int64_t)trainer->enqueued;
}

/* ---- When ---- */

void bp__saver_plan(bp__saver *saver)
{
    bp_trainer *trainer = saver->trainer;
    const int64_t every = trainer->options.checkpoint_steps;
    trainer->pause_at = 0;
    if (!trainer->options.checkpoint || every <= 0) return;
    const int64_t next = total_steps(trainer) / every * every + every - trainer->step;
    if (next < (int64_t)trainer->pass->steps) trainer->pause_at = (size_t)next;
}

static bool is_due(const bp__saver *saver)
{
    const bp_trainer *trainer = saver->trainer;
    const bp_train_options *options = &trainer->options;
    const bool between = trainer->enqueued == 0;
    /* An epoch that needs no more than its end is not broken off: what comes after it would be
     * lost. */
    if (trainer->enqueued == trainer->pass->steps) return false;
    if (options->checkpoint_steps > 0 && total_steps(trainer) % options->checkpoint_steps == 0)
        return true;
    if (between && options->checkpoint_epochs > 0 &&
        trainer->epoch % options->checkpoint_epochs == 0)
        return true;
    return options->checkpoint_seconds > 0 &&
           bp__seconds() - saver->saved_at >= options->checkpoint_seconds;
}

bp_status bp__saver_look(bp__saver *saver)
{
    if (!saver->trainer->options.checkpoint || !is_due(saver)) return BP_OK;
    const bp_status status = bp__saver_save(saver);
    bp__saver_plan(saver);
    return status;
}

/* ---- What ---- */

static void note_failure(bp__saver *saver, bp_status status)
{
    saver->status = status;
    free(saver->error);
    saver->error = NULL;
    if (status != BP_OK) {
        bp__hold_error(true);
        (void)bp__copy_text(&saver->error, bp_last_error());
        bp__hold_error(false);
    }
}

bp_status bp__saver_save(bp__saver *saver)
{
    bp_trainer *trainer = saver->trainer;
    const char *path = trainer->options.checkpoint;
    if (!path || saver->saved_steps == total_steps(trainer)) return BP_OK;
    BP_TRY(bp__trainer_settle(trainer));
    /* A training that diverges keeps its last finite state; whoever looks at the loss will say so.
     */
    if (!isfinite(trainer->loss_sum)) return BP_OK;
    bp__state state = {.rows = NULL};
    bp_status status = saver->rows(&state, trainer->place > 0, saver->user);
    if (status == BP_OK)
        status = bp__checkpoint_save(trainer, saver->model, path, &state, saver->facts);
    bp__state_free(&state);
    saver->saved_at = bp__seconds();
    if (status == BP_ERROR_MODEL) return BP_OK; /* a parameter that is not finite, likewise */
    if (status != BP_OK && status != BP_ERROR_IO && status != BP_ERROR_MEMORY) return status;
    note_failure(saver, status);
    if (status == BP_OK) saver->saved_steps = total_steps(trainer);
    return BP_OK;
}

/* ---- Going on ---- */

/* The model may be the checkpoint's own: then it is not where the training began, but where that is
 * was compared when the checkpoint was made. */
static bp_status take_start(bp__saver *saver, const bp__checkpoint *from)
{
    size_t count, their_count;
    const float *parameters = bp__model_parameters(saver->model, &count);
    const float *their_parameters = bp__model_parameters(from->model, &their_count);
    const json_t *theirs = json_object_get(from->about, "training");
    json_t *start = json_object_get(theirs, BP__START);
    if (!json_is_object(theirs))
        return bp__fail(BP_ERROR_MODEL,
                        "%s: was saved by bp_trainer_save, and is gone on from with "
                        "bp_trainer_load",
                        from->path);
    if (start && their_count == count &&
        memcmp(their_parameters, parameters, count * sizeof(float)) == 0)
        if (json_object_set(saver->facts, BP__START, start) != 0) return bp__fail_memory(count);
    return BP_OK;
}

static bp_status check_length(const bp_trainer *trainer, const bp__checkpoint *from)
{
    const int64_t epochs = json_integer_value(json_object_get(from->about, "epoch"));
    const int64_t begun =
        epochs + (json_integer_value(json_object_get(from->about, "step")) > 0 ? 1 : 0);
    if (begun <= trainer->options.epochs) return BP_OK;
    return bp__fail(BP_ERROR_MODEL, "%s: is in epoch %lld already, epochs is %lld", from->path,
                    (long long)begun, (long long)trainer->options.epochs);
}

/* Both kinds of facts in one comparison, so that the message has all that differs. */
static bp_status check_facts(const bp__saver *saver, const bp__checkpoint *from)
{
    json_t *here, *there = json_deep_copy(json_object_get(from->about, "trainer"));
    bp_status status = bp__trainer_facts(&here, saver->trainer);
    if (status == BP_OK &&
        (json_object_update(here, saver->facts) != 0 || !there ||
         json_object_update(there, json_object_get(from->about, "training")) != 0))
        status = bp__fail_memory(sizeof *here);
    if (status == BP_OK) status = bp__compare_facts(saver->trainer, here, there, from);
    json_decref(here);
    json_decref(there);
    return status;
}

static bp_status go_on(bp__saver *saver, const bp__checkpoint *from)
{
    BP_TRY(take_start(saver, from));
    BP_TRY(check_facts(saver, from));
    BP_TRY(check_length(saver->trainer, from));
    bp__state state = {.rows = NULL};
    bp_status status = saver->rows(
        &state, json_integer_value(json_object_get(from->about, "step")) > 0, saver->user);
    if (status == BP_OK) status = bp__checkpoint_restore(saver->trainer, from, &state, NULL);
    bp__state_free(&state);
    if (status == BP_OK) saver->saved_steps = total_steps(saver->trainer);
    return status;
}

bp_status bp__saver_begin(bp__saver *saver, bp_trainer *trainer, bp_model *model,
                          const bp_data *validation, bp__rows_fn rows, void *user)
{
    *saver = (bp__saver){.trainer = trainer,
                         .model = model,
                         .rows = rows,
                         .user = user,
                         .saved_at = bp__seconds(),
                         .saved_steps = -1};
    const char *path = trainer->options.resume;
    if (!path && !trainer->options.checkpoint) return BP_OK;
    BP_TRY(bp__training_facts(&saver->facts, model, validation));
    if (!path) return BP_OK;
    bp__checkpoint from;
    BP_TRY(bp__checkpoint_read_either(&from, path));
    const bp_status status = go_on(saver, &from);
    bp__checkpoint_release(&from);
    return status;
}

void bp__saver_end(bp__saver *saver)
{
    json_decref(saver->facts);
    free(saver->error);
    *saver = (bp__saver){.trainer = NULL};
}
