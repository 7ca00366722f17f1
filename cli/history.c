/* history.c - epochs, and logs of them. A log is one JSON object a line; the names of its keys are
 * a promise of docs/cli.md, so that logs of older versions and of other programs can be read. */
#include "history.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "output.h"

cli_epoch cli_epoch_of(const bp_progress *now)
{
    return (cli_epoch){.epoch = (double)now->epoch,
                       .step = (double)((now->epoch - 1) * now->steps + now->step),
                       .seconds = now->seconds,
                       .train_loss = now->diverged ? NAN : now->train_loss,
                       .validation_loss = now->diverged ? NAN : now->validation_loss,
                       .validation_accuracy = now->diverged ? NAN : now->validation_accuracy,
                       .lr = now->learning_rate,
                       .diverged = now->diverged != 0};
}

bool cli_history_add(cli_history *h, const cli_epoch *epoch)
{
    while (h->count > 0 && !(h->epochs[h->count - 1].epoch < epoch->epoch)) --h->count;
    if (h->count == h->capacity) {
        const size_t capacity = h->capacity ? 2 * h->capacity : 64;
        cli_epoch *grown = realloc(h->epochs, capacity * sizeof *grown);
        if (!grown) return false;
        h->epochs = grown;
        h->capacity = capacity;
    }
    h->epochs[h->count++] = *epoch;
    return true;
}

void cli_history_free(cli_history *history)
{
    free(history->epochs);
    *history = (cli_history){NULL, NULL, 0, 0};
}

bool cli_history_validated(const cli_history *h)
{
    for (size_t i = 0; i < h->count; ++i)
        if (isfinite(h->epochs[i].validation_loss)) return true;
    return false;
}

size_t cli_history_best(const cli_history *h)
{
    const bool validated = cli_history_validated(h);
    size_t best = h->count;
    double least = HUGE_VAL;
    for (size_t i = 0; i < h->count; ++i) {
        const double loss = validated ? h->epochs[i].validation_loss : h->epochs[i].train_loss;
        if (!(loss < least)) continue;
        least = loss;
        best = i;
    }
    return best;
}

/* ---- reading a log ----------------------------------------------------------------------------
 */

typedef struct reader {
    const char *source;
    size_t line; /* from 1 */
    char *text;
    size_t capacity;
    bool quiet;
} reader;

static int fail_key(const reader *in, const char *key, const char *why)
{
    return cli_error(CLI_INPUT, "%s, line %zu: \"%s\" %s", in->source, in->line, key, why);
}

/* A number or null, which is NAN; a key that is not there as well. */
static int read_number(double *out, const reader *in, const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    *out = NAN;
    if (!value || json_is_null(value)) return -1;
    if (!json_is_number(value)) return fail_key(in, key, "is neither a number nor null");
    *out = json_number_value(value);
    return -1;
}

static int read_epoch(cli_epoch *out, const reader *in, const json_t *json)
{
    const struct {
        const char *key;
        double *to;
    } numbers[] = {{"epoch", &out->epoch},
                   {"step", &out->step},
                   {"seconds", &out->seconds},
                   {"train_loss", &out->train_loss},
                   {"validation_loss", &out->validation_loss},
                   {"validation_accuracy", &out->validation_accuracy},
                   {"lr", &out->lr}};
    *out = (cli_epoch){.diverged = json_is_true(json_object_get(json, "diverged"))};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        const int code = read_number(numbers[i].to, in, json, numbers[i].key);
        if (code >= 0) return code;
    }
    if (!json_object_get(json, "epoch"))
        return fail_key(in, "epoch", "is missing: not a log of train --log");
    if (!(out->epoch >= 0)) return fail_key(in, "epoch", "is not a number from 0 on");
    return -1;
}

static int read_line(cli_history *out, const reader *in, size_t length)
{
    json_error_t error;
    json_t *json = json_loadb(in->text, length, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return cli_error(CLI_INPUT, "%s, line %zu, column %d: not JSON: %s", in->source, in->line,
                         error.column, error.text);
    cli_epoch epoch;
    int code = json_is_object(json)
                   ? read_epoch(&epoch, in, json)
                   : cli_error(CLI_INPUT, "%s, line %zu: not a JSON object, as train --log writes",
                               in->source, in->line);
    json_decref(json);
    if (code >= 0) return code;
    const size_t before = out->count;
    if (!cli_history_add(out, &epoch)) return cli_error(CLI_FAILURE, "out of memory");
    if (out->count <= before && !in->quiet)
        cli_note("%s, line %zu: epoch %g comes again, as after --resume; the earlier one is left "
                 "out",
                 in->source, in->line, epoch.epoch);
    return -1;
}

static int read_lines(cli_history *out, reader *in, FILE *file)
{
    ssize_t length;
    int code = -1;
    while (code < 0 && (length = getline(&in->text, &in->capacity, file)) >= 0) {
        ++in->line;
        const bool whole = length > 0 && in->text[length - 1] == '\n';
        if (strspn(in->text, " \t\r\n") == (size_t)length) continue;
        json_t *json = whole ? NULL : json_loadb(in->text, (size_t)length, 0, NULL);
        if (!whole && !json && out->count > 0) {
            if (!in->quiet)
                cli_note("%s, line %zu: not complete, and left out (is it still being written?)",
                         in->source, in->line);
            break;
        }
        json_decref(json);
        code = read_line(out, in, (size_t)length);
    }
    if (code >= 0) return code;
    if (ferror(file))
        return cli_error(CLI_INPUT, "%s: cannot be read: %s", in->source, strerror(errno));
    if (out->count == 0)
        return cli_error(CLI_INPUT, "%s: holds no epochs; train --log FILE writes one a line",
                         in->source);
    return -1;
}

int cli_history_read(cli_history *out, const char *path, bool quiet)
{
    const bool standard = strcmp(path, "-") == 0;
    reader in = {.source = standard ? "standard input" : path, .quiet = quiet};
    *out = (cli_history){.name = in.source};
    errno = 0;
    FILE *file = standard ? stdin : fopen(path, "r");
    if (!file) return cli_error(CLI_INPUT, "%s: cannot be read: %s", path, strerror(errno));
    struct stat about;
    int code = -1;
    if (fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode))
        code = cli_error(CLI_INPUT, "%s: is a folder; a log of train --log was expected", path);
    if (code < 0) code = read_lines(out, &in, file);
    free(in.text);
    if (!standard) fclose(file);
    if (code >= 0) cli_history_free(out);
    return code;
}
