/* train_run.c - the training of `backprop train`: progress, and the log. */
#include <errno.h>
#include <string.h>

#include "output.h"
#include "progress.h"
#include "stop.h"
#include "train.h"

typedef struct observer {
    cli_progress progress;
    cli_watch *watch;
    FILE *log;
    bool log_failed;
} observer;

/* The log's line of an epoch. */
static json_t *log_json(const bp_progress *now)
{
    json_t *json = json_object();
    json_object_set_new(json, "epoch", json_integer(now->epoch));
    json_object_set_new(json, "step", json_integer((now->epoch - 1) * now->steps + now->step));
    json_object_set_new(json, "train_loss", cli_json_number(now->train_loss));
    json_object_set_new(json, "validation_loss", cli_json_number(now->validation_loss));
    json_object_set_new(json, "validation_accuracy", cli_json_number(now->validation_accuracy));
    json_object_set_new(json, "lr", cli_json_number(now->learning_rate));
    json_object_set_new(json, "seconds", cli_json_number(now->seconds));
    json_object_set_new(json, "samples_per_second", cli_json_number(now->samples_per_second));
    return json;
}

/* Flushed line by line: others follow it while training goes on. */
static void write_log(observer *o, json_t *json)
{
    if (cli_print_json(o->log, json) != CLI_OK || fflush(o->log) != 0) o->log_failed = true;
}

static int observe(const bp_progress *now, void *user)
{
    observer *o = user;
    if (now->diverged)
        cli_progress_end(&o->progress);
    else
        cli_progress_update(&o->progress, now);
    json_t *line = now->epoch_done && o->log && !o->log_failed ? log_json(now) : NULL;
    cli_watch_update(o->watch, now, line);
    if (line) write_log(o, line);
    return cli_stop_signal() != 0;
}

static int open_log(observer *o, const char *path)
{
    if (!path) return -1;
    o->log = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (o->log) return -1;
    return cli_error(CLI_FAILURE, "%s: the log cannot be written: %s", path, strerror(errno));
}

static void close_log(observer *o, const char *path)
{
    if (!o->log) return;
    if (o->log != stdout && fclose(o->log) != 0) o->log_failed = true;
    if (o->log_failed) cli_error(CLI_FAILURE, "%s: the log could not be written", path);
}

int cli_train_run(train_outcome *out, const cli_command *command, const train_settings *s,
                  bp_model *model, bp_device *device, const train_sets *sets)
{
    *out = (train_outcome){.status = BP_OK};
    cli_watch watch = {0};
    observer o = {.progress = cli_progress_begin(command->quiet), .watch = &watch};
    int code = open_log(&o, s->log);
    if (code < 0 && s->watch_gradients)
        code = cli_watch_begin(&watch, model, sets->train, command->quiet);
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
    close_log(&o, s->log);
    snprintf(out->began, sizeof out->began, "%s", watch.began);
    cli_watch_end(&watch);
    out->log_failed = o.log_failed;
    /* Divergence falls back to the last good epoch, a signal keeps every step. */
    out->learned =
        out->status == BP_ERROR_DIVERGED ? out->result.epochs > 0 : out->result.steps > 0;
    if (out->status == BP_ERROR_DIVERGED && !s->watch_gradients && !command->quiet)
        cli_note("--watch-gradients tells in which step and layer it began");
    if (out->status != BP_OK && out->status != BP_ERROR_CANCELLED &&
        out->status != BP_ERROR_DIVERGED)
        return cli_fail(out->status, NULL);
    if (out->status == BP_OK && sets->test && !cli_stop_signal()) {
        bp_status status = bp_evaluate(&out->test, model, device, sets->test);
        /* The training is not lost for a test that failed. */
        if (status != BP_OK) cli_fail(status, "while evaluating the test data");
        out->has_test = status == BP_OK;
    }
    out->signal = cli_stop_signal();
    return -1;
}
