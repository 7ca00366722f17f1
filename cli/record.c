/* record.c - the records of a training. None of them may cost the training itself: what cannot be
 * written any more is reported at the end. */
#include "record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "output.h"

void cli_record_rows(cli_record_options *o, cli_option rows[CLI_RECORD_OPTIONS])
{
    rows[0] = (cli_option){.name = "log",
                           .kind = CLI_TEXT,
                           .to.text = &o->log,
                           .value = "FILE.jsonl",
                           .help = "one JSON object an epoch; backprop plot draws it"};
    rows[1] = (cli_option){.name = "tensorboard",
                           .kind = CLI_TEXT,
                           .to.text = &o->tensorboard,
                           .value = "DIR",
                           .help = "event files for TensorBoard, in folders DIR/train and "
                                   "DIR/validation"};
    rows[2] = cli_picture_option("plot", &o->plot, "the learning curve, drawn at the end");
    rows[3] = cli_theme_option("plot-theme", &o->theme);
}

int cli_record_check(const cli_command *command, const cli_record_options *o)
{
    if (o->tensorboard && strcmp(o->tensorboard, "-") == 0)
        return cli_usage(command, "--tensorboard -: event files are written to a folder");
    return cli_picture_check(command, "plot", o->plot);
}

int cli_record_begin(cli_record *r, const cli_command *command, const cli_record_options *options)
{
    *r = (cli_record){.options = options, .quiet = command->quiet != 0};
    if (options->log) {
        r->log = strcmp(options->log, "-") == 0 ? stdout : fopen(options->log, "a");
        if (!r->log)
            return cli_error(CLI_FAILURE, "%s: the log cannot be written: %s", options->log,
                             strerror(errno));
    }
    if (!options->tensorboard) return -1;
    bool others = false;
    r->events = cli_tensorboard_open(options->tensorboard, &others);
    if (!r->events) {
        const int code = cli_error(CLI_FAILURE, "%s: event files cannot be written: %s",
                                   options->tensorboard, strerror(errno));
        if (r->log && r->log != stdout) fclose(r->log);
        return code;
    }
    if (others && !command->quiet)
        cli_note("%s holds event files already; TensorBoard joins them with this training's: a "
                 "folder for each training keeps them apart",
                 options->tensorboard);
    return -1;
}

void cli_record_start(cli_record *r, int64_t epoch)
{
    if (r->started || !r->log) return;
    r->started = true;
    if (r->log == stdout) return;
    if (!r->options->resumed) {
        (void)ftruncate(fileno(r->log), 0); /* of a pipe there is nothing to be cleared */
        return;
    }
    fclose(r->log);
    if (cli_checkpoint_trim_log(r->options->log, epoch) >= 0) r->log_failed = true;
    r->log = fopen(r->options->log, "a");
    if (!r->log) r->log_failed = true;
}

json_t *cli_record_line(const cli_record *r, const bp_progress *now)
{
    if (!r->log || r->log_failed) return NULL;
    const cli_epoch e = cli_epoch_of(now);
    json_t *json = json_object();
    json_object_set_new(json, "epoch", json_integer(now->epoch));
    json_object_set_new(json, "step", json_integer((json_int_t)e.step));
    json_object_set_new(json, "train_loss", cli_json_number(e.train_loss));
    json_object_set_new(json, "validation_loss", cli_json_number(e.validation_loss));
    json_object_set_new(json, "validation_accuracy", cli_json_number(e.validation_accuracy));
    json_object_set_new(json, "lr", cli_json_number(e.lr));
    json_object_set_new(json, "seconds", cli_json_number(e.seconds));
    json_object_set_new(json, "samples_per_second", cli_json_number(now->samples_per_second));
    if (e.diverged) json_object_set_new(json, "diverged", json_true());
    return json;
}

void cli_record_epoch(cli_record *r, const bp_progress *now, json_t *line)
{
    const cli_epoch e = cli_epoch_of(now);
    /* Flushed line by line: others follow it while training goes on. */
    if (line && (cli_print_json(r->log, line) != CLI_OK || fflush(r->log) != 0))
        r->log_failed = true;
    if (r->events && !r->events_failed && !e.diverged &&
        !cli_tensorboard_add(r->events, &e, now->samples_per_second))
        r->events_failed = true;
    if (r->options->plot && !cli_history_add(&r->history, &e)) r->history_failed = true;
}

static int draw(const cli_record *r, const char *title)
{
    if (r->history_failed) return cli_error(CLI_FAILURE, "%s: out of memory", r->options->plot);
    if (r->history.count == 0) {
        if (!r->quiet) cli_note("%s is not drawn: no epoch came to its end", r->options->plot);
        return CLI_OK;
    }
    const cli_curve_options how = {.title = title, .theme = r->options->theme};
    return cli_curves_draw(r->options->plot, &r->history, 1, &how);
}

int cli_record_end(cli_record *r, const char *title)
{
    int code = CLI_OK;
    if (r->log && r->log != stdout && fclose(r->log) != 0) r->log_failed = true;
    if (r->events && !cli_tensorboard_close(r->events)) r->events_failed = true;
    if (r->log_failed)
        code = cli_error(CLI_FAILURE, "%s: the log could not be written", r->options->log);
    if (r->events_failed)
        code = cli_error(CLI_FAILURE, "%s: the event files could not be written",
                         r->options->tensorboard);
    if (r->options->plot) {
        const int drawn = draw(r, title);
        if (drawn != CLI_OK) code = drawn;
    }
    cli_history_free(&r->history);
    r->log = NULL;
    r->events = NULL;
    return code;
}
