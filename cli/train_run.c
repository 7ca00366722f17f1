/* train_run.c - the training of `backprop train`: progress, and its records. */
#include <string.h>

#include "output.h"
#include "progress.h"
#include "stop.h"
#include "train.h"

typedef struct observer {
    cli_progress progress;
    cli_checkpoint *checkpoint;
    bool quiet;
    cli_watch *watch;
    cli_record record;
} observer;

static int observe(const bp_progress *now, void *user)
{
    observer *o = user;
    cli_checkpoint_goes_on(o->checkpoint, o->quiet);
    cli_record_start(&o->record, o->checkpoint->from.epoch);
    if (now->checkpoint_error) cli_progress_end(&o->progress);
    cli_checkpoint_watch(o->checkpoint, now, o->quiet);
    if (now->diverged)
        cli_progress_end(&o->progress);
    else
        cli_progress_update(&o->progress, now);
    const bool record = now->epoch_done || now->diverged;
    json_t *line = record ? cli_record_line(&o->record, now) : NULL;
    cli_watch_update(o->watch, now, line);
    if (record) cli_record_epoch(&o->record, now, line);
    return cli_stop_signal() != 0;
}

int cli_train_run(train_outcome *out, const cli_command *command, const train_settings *s,
                  bp_model *model, bp_device *device, const train_sets *sets)
{
    *out = (train_outcome){.status = BP_OK};
    cli_watch watch = {0};
    observer o = {.progress = cli_progress_begin(command->quiet),
                  .checkpoint = s->checkpoint,
                  .quiet = command->quiet,
                  .watch = &watch};
    int code =
        s->watch_gradients ? cli_watch_begin(&watch, model, sets->train, command->quiet) : -1;
    if (code < 0) code = cli_record_begin(&o.record, command, &s->record);
    if (code >= 0) {
        cli_watch_end(&watch);
        return code;
    }
    bp_train_options how = s->how;
    how.seed = s->seed;
    how.progress = observe;
    how.user = &o;
    cli_stop_catch();
    out->status = bp_train(model, device, sets->train, sets->validation, &how, &out->result);
    cli_progress_end(&o.progress);
    if (out->status == BP_OK) {
        cli_checkpoint_goes_on(s->checkpoint, command->quiet);
        cli_record_start(&o.record, s->checkpoint->from.epoch);
    }
    out->record_failed = cli_record_end(&o.record, s->origin->data) != CLI_OK;
    snprintf(out->began, sizeof out->began, "%s", watch.began);
    cli_watch_end(&watch);
    /* Divergence falls back to the last good epoch, a signal keeps every step. */
    out->learned =
        out->status == BP_ERROR_DIVERGED ? out->result.epochs > 0 : out->result.steps > 0;
    if (out->status == BP_ERROR_DIVERGED && !s->watch_gradients && !command->quiet)
        cli_note("--watch-gradients tells in which step and layer it began");
    if (out->status != BP_OK && out->status != BP_ERROR_CANCELLED &&
        out->status != BP_ERROR_DIVERGED) {
        code = cli_fail(out->status, NULL);
        if (out->status == BP_ERROR_MODEL && s->checkpoint->resume && !command->quiet)
            cli_checkpoint_explain(s->checkpoint, s->origin);
        return code;
    }
    if (out->status == BP_OK && sets->test && !cli_stop_signal()) {
        bp_status status = bp_evaluate(&out->test, model, device, sets->test);
        /* The training is not lost for a test that failed. */
        if (status != BP_OK) cli_fail(status, "while evaluating the test data");
        out->has_test = status == BP_OK;
    }
    out->signal = cli_stop_signal();
    return -1;
}
