/* checkpoint.c - a trainer's state in a file and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/full_batch.h"
#include "train/trainer.h"

enum { FORMAT = 1 };

bp_status bp__trainer_state(bp__state *state, bp_trainer *trainer)
{
    const bp__network *network = trainer->network;
    bp__course *course = &trainer->course;
    bp__buffer *averages = network->averaged ? network->averaged->parameters : NULL;
    const bp__state_row rows[] = {
        {.name = "epoch", .kind = BP__STATE_COUNTS, .host = &trainer->epoch, .count = 1},
        {.name = "step", .kind = BP__STATE_COUNTS, .host = &trainer->step, .count = 1},
        {.name = "place", .kind = BP__STATE_COUNTS, .host = &trainer->place, .count = 1},
        {.name = "loss_sum", .kind = BP__STATE_NUMBERS, .host = &trainer->loss_sum, .count = 1},
        {.name = "course.epochs", .kind = BP__STATE_COUNTS, .host = &course->epochs, .count = 1},
        {.name = "course.best", .kind = BP__STATE_NUMBERS, .host = &course->best, .count = 1},
        {.name = "course.best_epoch",
         .kind = BP__STATE_COUNTS,
         .host = &course->best_epoch,
         .count = 1},
        {.name = "course.mark", .kind = BP__STATE_NUMBERS, .host = &course->mark, .count = 1},
        {.name = "course.mark_epoch",
         .kind = BP__STATE_COUNTS,
         .host = &course->mark_epoch,
         .count = 1},
        {.name = "course.plateau", .kind = BP__STATE_NUMBERS, .host = &course->plateau, .count = 1},
        {.name = "course.plateau_epoch",
         .kind = BP__STATE_COUNTS,
         .host = &course->plateau_epoch,
         .count = 1},
        {.name = "parameters",
         .kind = BP__STATE_ARENA,
         .arena = network->parameters,
         .in_model = !averages},
        {.name = "averages", .kind = BP__STATE_ARENA, .arena = averages, .in_model = true},
        {.name = "moment1", .kind = BP__STATE_ARENA, .arena = network->moment1},
        {.name = "moment2", .kind = BP__STATE_ARENA, .arena = network->moment2},
    };
    state->network = network;
    BP_TRY(bp__state_add(state, rows, sizeof rows / sizeof *rows));
    BP_TRY(bp__trainer_group_state(state, trainer));
    return trainer->full_batch ? bp__full_batch_state(state, trainer->full_batch) : BP_OK;
}

/* ---- Out ---- */

static int has_ended(const bp_trainer *trainer)
{
    const bp_train_options *options = &trainer->options;
    return trainer->place == 0 && ((options->epochs > 0 && trainer->epoch >= options->epochs) ||
                                   bp__course_ends(&trainer->course, options));
}

/* *out = the text beside the state: where the training is, and what must be as it was. */
static bp_status about_text(char **out, const bp_trainer *trainer, json_t *training)
{
    json_t *facts;
    BP_TRY(bp__trainer_facts(&facts, trainer));
    const bp_device_info *device = trainer->device;
    json_t *about =
        json_pack("{s:i, s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:O?}", "format", FORMAT,
                  "ended", has_ended(trainer), BP__SCHEDULE_BY_ITSELF, trainer->schedule_by_itself,
                  "version", bp_version(), "epoch", (json_int_t)trainer->epoch, "epochs",
                  (json_int_t)trainer->options.epochs, "step", (json_int_t)trainer->place, "steps",
                  (json_int_t)(trainer->pass ? trainer->pass->steps : 0), "total_steps",
                  (json_int_t)(trainer->step + trainer->place), "fingerprint", trainer->data_hash,
                  "trainer", facts, "training", training);
    /* A driver says what it likes: bytes that are not UTF-8 are no reason to save nothing. */
    if (about)
        (void)(json_object_set_new(about, "device", json_string(device->name)) ||
               json_object_set_new(about, "driver", json_string(device->driver)));
    *out = about ? json_dumps(about, JSON_COMPACT) : NULL;
    json_decref(about);
    return *out ? BP_OK : bp__fail_memory(sizeof *about);
}

/* What is at path already is kept when it is worth keeping: a damaged file would push out the sound
 * one before it. This training's own are sound. */
static bp_status find_sound(bp_trainer *trainer, const char *path)
{
    bp__checkpoint there;
    if (trainer->sound_path && strcmp(trainer->sound_path, path) == 0) return BP_OK;
    bp__hold_error(true);
    const bp_status status = bp__checkpoint_read(&there, path);
    bp__hold_error(false);
    trainer->sound = status == BP_OK;
    if (trainer->sound) bp__checkpoint_release(&there);
    return status == BP_ERROR_MEMORY ? bp__fail_memory(sizeof there) : BP_OK;
}

bp_status bp__checkpoint_save(bp_trainer *trainer, bp_model *model, const char *path,
                              bp__state *state, json_t *training)
{
    char *about = NULL;
    bp_status status;
    BP_TRY(bp__trainer_hash_data(trainer));
    BP_TRY(bp_trainer_get_model(trainer, model));
    BP_TRY_GOTO(bp__trainer_state(state, trainer));
    BP_TRY_GOTO(about_text(&about, trainer, training));
    BP_TRY_GOTO(find_sound(trainer, path));
    BP_TRY_GOTO(bp__state_save(state, model, path, about, trainer->sound));
    free(trainer->sound_path);
    trainer->sound_path = NULL;
    trainer->sound = true;
    status = bp__copy_text(&trainer->sound_path, path);
fail:
    free(about);
    return status;
}

bp_status bp_trainer_save(bp_trainer *trainer, bp_model *model, const char *path)
{
    if (!trainer || !model || !path || !*path)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_trainer_save: a trainer, a model and a path are needed");
    bp__state state = {.rows = NULL};
    bp_status status = bp__checkpoint_save(trainer, model, path, &state, NULL);
    bp__state_free(&state);
    return status;
}

/* ---- In ---- */

static int64_t number_in(const json_t *about, const char *key)
{
    return json_integer_value(json_object_get(about, key));
}

static bp_status check_format(const bp__checkpoint *from)
{
    const int64_t format = number_in(from->about, "format");
    if (format == FORMAT) return BP_OK;
    return bp__fail(BP_ERROR_MODEL,
                    "%s: a checkpoint of format %lld, this library (%s) reads format %d",
                    from->path, (long long)format, bp_version(), FORMAT);
}

/* The place in the epoch, which the rows say, must be one that this data has. */
static bp_status check_place(const bp__checkpoint *from, const bp_trainer *trainer)
{
    const int64_t place = number_in(from->about, "step"), epoch = number_in(from->about, "epoch");
    const int64_t steps = trainer->pass ? (int64_t)trainer->pass->steps : 0;
    if (epoch >= 0 && place >= 0 && (place == 0 || place < steps)) return BP_OK;
    return bp__fail(BP_ERROR_MODEL, "%s: epoch %lld, step %lld of %lld cannot be", from->path,
                    (long long)epoch, (long long)place, (long long)steps);
}

bp_status bp__checkpoint_restore(bp_trainer *trainer, const bp__checkpoint *from, bp__state *state,
                                 const char *ignored)
{
    json_t *facts;
    BP_TRY(check_format(from));
    BP_TRY(bp__trainer_hash_data(trainer));
    BP_TRY(bp__trainer_facts(&facts, trainer));
    bp_status status =
        bp__compare_facts(trainer, facts, json_object_get(from->about, "trainer"), from);
    json_decref(facts);
    BP_TRY(status);
    BP_TRY(check_place(from, trainer));
    BP_TRY(bp__trainer_state(state, trainer));
    BP_TRY(bp__state_check(state, from, ignored));
    BP_TRY(bp__network_upload(bp__trainer_result(trainer), from->model));
    BP_TRY(bp__state_load(state, from));
    trainer->gradients_kept = false;
    trainer->unclear = true;
    trainer->enqueued = (size_t)trainer->place;
    trainer->pause_at = 0;
    return BP_OK;
}

bp_status bp_trainer_load(bp_trainer *trainer, const char *path)
{
    if (!trainer || !path)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_load: a trainer and a path are needed");
    bp__checkpoint from;
    bp__state state = {.rows = NULL};
    BP_TRY(bp__checkpoint_read_either(&from, path));
    bp_status status = bp__checkpoint_restore(trainer, &from, &state, BP__TRAINING_PREFIX);
    bp__state_free(&state);
    bp__checkpoint_release(&from);
    return status;
}

static void copy_text(char *out, size_t size, const json_t *about, const char *key)
{
    const char *text = json_string_value(json_object_get(about, key));
    snprintf(out, size, "%s", text ? text : "");
}

bp_status bp_checkpoint_get_info(bp_checkpoint_info *out, const char *path)
{
    if (!out || !path)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_checkpoint_get_info: out and path are needed");
    *out = (bp_checkpoint_info){.epoch = 0};
    bp__checkpoint from;
    BP_TRY(bp__checkpoint_read_either(&from, path));
    const json_t *about = from.about;
    bp_status status = check_format(&from);
    out->epoch = number_in(about, "epoch");
    out->epochs = number_in(about, "epochs");
    out->step = number_in(about, "step");
    out->steps = number_in(about, "steps");
    out->ended = json_is_true(json_object_get(about, "ended"));
    out->total_steps = number_in(about, "total_steps");
    copy_text(out->device, sizeof out->device, about, "device");
    copy_text(out->driver, sizeof out->driver, about, "driver");
    copy_text(out->version, sizeof out->version, about, "version");
    copy_text(out->fingerprint, sizeof out->fingerprint, about, "fingerprint");
    const char *shuffle =
        json_string_value(json_object_get(json_object_get(about, "trainer"), "shuffle"));
    out->shuffle = bp_shuffle_from_name(shuffle ? shuffle : "");
    out->previous = from.damage != NULL;
    if (from.damage) snprintf(out->damage, sizeof out->damage, "%s", from.damage);
    bp__checkpoint_release(&from);
    return status;
}
