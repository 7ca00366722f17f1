/* checkpoint.c - the checkpoints of `backprop train`. */
#include "checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backprop_measure.h"
#include "files.h"
#include "output.h"

void cli_checkpoint_options(cli_checkpoint *checkpoint, cli_option rows[CLI_CHECKPOINT_OPTIONS])
{
    const cli_option table[CLI_CHECKPOINT_OPTIONS] = {
        {.name = "checkpoint",
         .kind = CLI_TEXT,
         .to.text = &checkpoint->path,
         .value = "FILE",
         .help = "where to keep what the training needs to go on: a model file, too; the one "
                 "before it stays as FILE.previous"},
        {.name = "checkpoint-every",
         .kind = CLI_TEXT,
         .to.text = &checkpoint->every,
         .value = "LIST",
         .help = "how often: 5epochs, 1000steps, 30s, 10min, 2h, or several: 1epoch,10min; always "
                 "at the end, and at a signal",
         .fallback = "30s"},
        {.name = "resume",
         .kind = CLI_TEXT,
         .to.text = &checkpoint->resume,
         .value = "FILE",
         .help =
             "go on from this checkpoint; data and options as they were, but for --epochs where "
             "no schedule goes by it"},
    };
    memcpy(rows, table, sizeof table);
}

/* ---- how often --------------------------------------------------------------------------------
 */

/* One "1000steps" of the list, up to a comma; false where it is none. */
static bool read_interval(bp_train_options *how, const char *text, size_t length)
{
    static const struct {
        const char *unit;
        double seconds; /* 0: epochs; -1: steps */
    } units[] = {{"epochs", 0}, {"epoch", 0}, {"steps", -1}, {"step", -1},
                 {"s", 1},      {"min", 60},  {"h", 3600}};
    char *unit;
    char copy[64];
    if (length == 0 || length >= sizeof copy || strchr("+- ", *text)) return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    errno = 0;
    const long long count = strtoll(copy, &unit, 10);
    if (unit == copy || count < 1 || errno != 0) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; ++i) {
        if (strcmp(unit, units[i].unit) != 0) continue;
        if (units[i].seconds > 0)
            how->checkpoint_seconds = (double)count * units[i].seconds;
        else
            *(units[i].seconds < 0 ? &how->checkpoint_steps : &how->checkpoint_epochs) = count;
        return true;
    }
    return false;
}

static int read_every(const cli_command *command, const char *list, bp_train_options *how)
{
    how->checkpoint_seconds = 0;
    for (const char *next = list; next; next = strchr(next, ',')) {
        next += *next == ',';
        if (!read_interval(how, next, strcspn(next, ",")))
            return cli_usage(command,
                             "--checkpoint-every: '%s' is not like 5epochs, 1000steps, 30s, 10min "
                             "or 2h",
                             list);
    }
    return -1;
}

/* ---- before the training ----------------------------------------------------------------------
 */

/* What is at path must not be lost: another kind of file, or a training under way. */
static int check_replaced(const cli_checkpoint *c)
{
    bp_checkpoint_info there;
    struct stat about;
    if (stat(c->path, &about) != 0 || cli_same_file(c->path, c->resume)) return -1;
    if (bp_checkpoint_get_info(&there, c->path) != BP_OK || there.previous)
        return cli_error(CLI_FAILURE,
                         "%s is there and is no sound checkpoint: remove it, or give --checkpoint "
                         "another name",
                         c->path);
    if (there.ended) return -1;
    return cli_error(CLI_FAILURE,
                     "%s holds a training that is not finished (%" PRId64 " of %" PRId64
                     " epochs): go on with it by --resume %s, or remove it",
                     c->path, there.epoch, there.epochs, c->path);
}

int cli_checkpoint_check(const cli_command *command, cli_checkpoint *c, bp_train_options *how)
{
    if (c->every && !c->path) return cli_usage(command, "--checkpoint-every needs --checkpoint");
    int code = c->every ? read_every(command, c->every, how) : -1;
    if (code < 0 &&
        ((c->path && strcmp(c->path, "-") == 0) || (c->resume && strcmp(c->resume, "-") == 0)))
        code = cli_usage(command, "a checkpoint is a file, not standard input or output");
    if (code < 0 && c->resume) {
        const bp_status status = bp_checkpoint_get_info(&c->from, c->resume);
        if (status != BP_OK) code = cli_fail_input(status);
    }
    if (code < 0 && c->path) code = check_replaced(c);
    if (code < 0 && c->path) code = cli_check_output(c->path);
    how->checkpoint = c->path;
    how->resume = c->resume;
    return code;
}

int32_t cli_checkpoint_shuffle(const cli_checkpoint *c)
{
    const int32_t then = c->resume ? c->from.shuffle : BP_SHUFFLE_AUTO;
    return then == BP_SHUFFLE_ALL || then == BP_SHUFFLE_BLOCKS ? then : BP_SHUFFLE_AUTO;
}

static char *copy_record(const bp_model *model, const char *key)
{
    const char *text = bp_model_get_record(model, key);
    return text ? strdup(text) : NULL;
}

/* What a checkpoint's own records said against its repetition still holds. */
static int take_records(cli_checkpoint *c, cli_origin *origin)
{
    char path[4096];
    bp_model *model;
    snprintf(path, sizeof path, "%s%s", c->resume, c->from.previous ? ".previous" : "");
    bp_status status = bp_model_load(&model, path, BP_ACTIVATION_AUTO);
    if (status != BP_OK) return cli_fail_input(status);
    const char *reason = bp_model_get_record(model, CLI_RECORD_UNREPEATABLE);
    if (reason) cli_origin_reason(origin, reason);
    c->command = copy_record(model, CLI_RECORD_COMMAND);
    c->files = copy_record(model, CLI_RECORD_FILES);
    c->tuning = copy_record(model, CLI_RECORD_TUNING);
    bp_model_free(model);
    return -1;
}

/* Warns where the numbers will be rounded in another way than before the break. */
static void compare_devices(const cli_command *command, const cli_checkpoint *c,
                            const bp_device *device, cli_origin *origin)
{
    const bp_checkpoint_info *from = &c->from;
    const bp_device_info *here = bp_device_get_info(device);
    bp_tuning_info tuning;
    if (bp_tuning_get_info(&tuning, here) != BP_OK) return;
    const char *const names[] = {"device", "driver", "version of backprop", "tuning"};
    const char *const then[] = {from->device, from->driver, from->version,
                                c->tuning ? c->tuning : ""};
    const char *const now[] = {here->name, here->driver, bp_version(), tuning.summary};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        char text[1024];
        if (strcmp(then[i], now[i]) == 0) continue;
        snprintf(text, sizeof text,
                 "another %s: now %s, in the checkpoint %s: the end will not be the same bit for "
                 "bit",
                 names[i], now[i], then[i]);
        if (!command->quiet) cli_warn(text);
        snprintf(text, sizeof text, "it was begun on another %s", names[i]);
        cli_origin_reason(origin, text);
    }
}

int cli_checkpoint_tell(const cli_command *command, cli_checkpoint *c, const bp_device *device,
                        cli_origin *origin)
{
    const bp_checkpoint_info *from = &c->from;
    if (!c->resume) return -1;
    int code = take_records(c, origin);
    if (code >= 0) return code;
    if (from->previous) {
        char text[1024];
        snprintf(text, sizeof text, "%s; going on from the one before it, %.400s.previous",
                 from->damage, c->resume);
        cli_warn(text);
    }
    compare_devices(command, c, device, origin);
    return -1;
}

const char *cli_checkpoint_file(const cli_checkpoint *c)
{
    return c->path && access(c->path, F_OK) == 0 ? c->path : NULL;
}

void cli_checkpoint_goes_on(cli_checkpoint *c, bool quiet)
{
    const bp_checkpoint_info *from = &c->from;
    if (!c->resume || c->told || quiet) return;
    c->told = true;
    if (from->step > 0)
        cli_note("going on in epoch %" PRId64 ", after step %" PRId64 " of %" PRId64,
                 from->epoch + 1, from->step, from->steps);
    else
        cli_note("going on after epoch %" PRId64, from->epoch);
}

void cli_checkpoint_explain(const cli_checkpoint *c, const cli_origin *origin)
{
    enum { LETTERS = 34 }; /* of a fingerprint, and the blanks behind it */
    for (const char *line = c->files; line && origin->files; line = strchr(line, '\n')) {
        line += *line == '\n';
        const size_t length = strcspn(line, "\n");
        char *text = strndup(line, length);
        if (text && length > LETTERS && !strstr(origin->files, text) &&
            strstr(origin->files, text + LETTERS))
            cli_note("%s is not what it was then", text + LETTERS);
        free(text);
    }
    if (c->command) cli_note("the checkpoint was made by: %s", c->command);
}

/* ---- during the training ----------------------------------------------------------------------
 */

void cli_checkpoint_watch(cli_checkpoint *c, const bp_progress *now, bool quiet)
{
    const char *error = now->checkpoint_error;
    if (!error || (c->warned && strcmp(error, c->warned) == 0)) return;
    free(c->warned);
    c->warned = strdup(error);
    char text[1024];
    snprintf(text, sizeof text, "no checkpoint: %s; the training goes on, and tries again", error);
    if (!quiet) cli_warn(text);
}

void cli_checkpoint_free(cli_checkpoint *c)
{
    free(c->warned);
    free(c->command);
    free(c->files);
    free(c->tuning);
    c->warned = c->command = c->files = c->tuning = NULL;
}

/* ---- the log ----------------------------------------------------------------------------------
 */

static bool is_later(const char *line, size_t length, int64_t epoch)
{
    json_t *json = json_loadb(line, length, 0, NULL);
    const bool later = !json || json_integer_value(json_object_get(json, "epoch")) > epoch;
    json_decref(json);
    return later;
}

int cli_checkpoint_trim_log(const char *path, int64_t epoch)
{
    struct stat about;
    if (strcmp(path, "-") == 0 || stat(path, &about) != 0 || !S_ISREG(about.st_mode)) return -1;
    FILE *file = fopen(path, "r");
    if (!file) return cli_error(CLI_FAILURE, "%s: %s", path, strerror(errno));
    char *kept = NULL, *line = NULL;
    size_t used = 0, room = 0;
    ssize_t length;
    FILE *memory = open_memstream(&kept, &used);
    while (memory && (length = getline(&line, &room, file)) > 0)
        if (!is_later(line, (size_t)length, epoch)) fwrite(line, 1, (size_t)length, memory);
    const bool done = memory && fclose(memory) == 0 && !ferror(file);
    fclose(file);
    free(line);
    int code = done ? cli_write_file(path, kept, used)
                    : cli_error(CLI_FAILURE, "%s: the log cannot be read", path);
    free(kept);
    return code == CLI_OK ? -1 : code;
}
