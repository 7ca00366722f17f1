/* train_folds.c - `backprop train --folds`: as many trainings as there are parts, each measured on
 * the part that it has not seen. Scales, categories and class names are learned each time anew,
 * from what is trained on. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "backprop_evaluate.h"
#include "output.h"
#include "stop.h"
#include "train.h"

enum { METRICS = 10 };

static const char *const names[METRICS] = {"loss", "accuracy", "balanced_accuracy", "f1",
                                           "auc",  "log_loss", "hamming_loss",      "rmse",
                                           "mae",  "r2"};

static void read_metrics(double values[METRICS], const bp_report *r)
{
    const bp_metrics *m = &r->overall;
    const double all[METRICS] = {m->loss, m->accuracy, r->balanced_accuracy, r->macro.f1,
                                 r->auc,  r->log_loss, r->hamming_loss,      m->rmse,
                                 m->mae,  m->r2};
    for (int i = 0; i < METRICS; ++i) values[i] = all[i];
}

/* What all folds together are. */
typedef struct folds {
    double (*values)[METRICS]; /* [count]; of a fold that was not measured NAN */
    const char **failed;       /* [count], why a fold has no values: "diverged", "interrupted",
                                  "failed"; NULL where it has, or was not begun */
    size_t count, done, rows;
    double seconds;
    int64_t epochs;
} folds;

/* Mean and sample deviation over the folds that have the metric; NAN where there is none, and one.
 */
static void summarize(double *mean, double *deviation, const folds *f, int metric)
{
    size_t count = 0;
    double sum = 0, squares = 0;
    for (size_t k = 0; k < f->count; ++k) {
        if (!isfinite(f->values[k][metric])) continue;
        sum += f->values[k][metric];
        ++count;
    }
    *mean = count > 0 ? sum / (double)count : (double)NAN;
    for (size_t k = 0; k < f->count; ++k)
        if (isfinite(f->values[k][metric]))
            squares += (f->values[k][metric] - *mean) * (f->values[k][metric] - *mean);
    *deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : (double)NAN;
}

static json_t *failed_json(const folds *f)
{
    json_t *list = json_array();
    for (size_t k = 0; k < f->count; ++k) {
        if (!f->failed[k]) continue;
        json_t *json = json_object();
        json_object_set_new(json, "fold", cli_json_count(k + 1));
        json_object_set_new(json, "reason", cli_json_text(f->failed[k]));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *folds_json(const folds *f, const bp_device *device)
{
    json_t *json = json_object(), *metrics = json_object();
    json_object_set_new(json, "device", cli_json_text(bp_device_get_info(device)->name));
    json_object_set_new(json, "folds", cli_json_count(f->count));
    json_object_set_new(json, "done", cli_json_count(f->done));
    json_object_set_new(json, "failed", failed_json(f));
    json_object_set_new(json, "samples", cli_json_count(f->rows));
    json_object_set_new(json, "epochs", json_integer(f->epochs));
    json_object_set_new(json, "seconds", cli_json_number(f->seconds));
    for (int i = 0; i < METRICS; ++i) {
        double mean, deviation;
        summarize(&mean, &deviation, f, i);
        if (!isfinite(mean)) continue;
        json_t *metric = json_object(), *each = json_array();
        json_object_set_new(metric, "mean", cli_json_number(mean));
        json_object_set_new(metric, "deviation", cli_json_number(deviation));
        for (size_t k = 0; k < f->count; ++k)
            json_array_append_new(each, cli_json_number(f->values[k][i]));
        json_object_set_new(metric, "folds", each);
        json_object_set_new(metrics, names[i], metric);
    }
    json_object_set_new(json, "metrics", metrics);
    return json;
}

static void print_text(const folds *f)
{
    char time[CLI_NUMBER];
    printf("%-18s %12s   %-12s %12s %12s\n", "metric", "mean", "deviation", "lowest", "highest");
    for (int i = 0; i < METRICS; ++i) {
        double mean, deviation, low = HUGE_VAL, high = -HUGE_VAL;
        summarize(&mean, &deviation, f, i);
        if (!isfinite(mean)) continue;
        for (size_t k = 0; k < f->count; ++k) {
            if (!isfinite(f->values[k][i])) continue;
            low = fmin(low, f->values[k][i]);
            high = fmax(high, f->values[k][i]);
        }
        char of_one[32] = "-"; /* a single fold has none */
        if (isfinite(deviation)) snprintf(of_one, sizeof of_one, "%.4g", deviation);
        printf("%-18s %12.6g ± %-12s %12.6g %12.6g\n", names[i], mean, of_one, low, high);
    }
    if (f->done < f->count) printf("%zu of ", f->done);
    printf("%zu folds of %zu samples, %" PRId64 " epochs in all, %s of training\n", f->count,
           f->rows, f->epochs, cli_duration(time, f->seconds));
}

/* Why fold `fold` has no metrics; -1 where it has been trained. */
static int explain_fold(folds *f, size_t fold, const cli_command *command, const train_outcome *o)
{
    char where[64];
    snprintf(where, sizeof where, "in fold %zu of %zu", fold + 1, f->count);
    if (o->status == BP_OK) return -1;
    f->failed[fold] = o->status == BP_ERROR_DIVERGED ? "diverged" : "interrupted";
    if (o->status == BP_ERROR_DIVERGED) return cli_fail(o->status, where);
    if (!command->quiet) cli_note("stopped %s, which is left out", where);
    return CLI_SIGNAL + o->signal;
}

/* Trains on one part and measures on the other. An exit code or -1. */
static int train_fold(folds *f, size_t fold, train_outcome *outcome, const cli_command *command,
                      const train_settings *s, bp_device *device, train_sets *sets)
{
    cli_command silent = *command;
    bp_model *model = NULL;
    bp_report *report = NULL;
    silent.quiet = 1; /* a line for each fold is enough */
    int code = cli_recipe_model(&model, s, sets->train);
    bp_data *held = sets->test;
    sets->test = NULL;
    if (code < 0) code = cli_train_run(outcome, &silent, s, model, device, sets);
    sets->test = held;
    if (code < 0) code = explain_fold(f, fold, command, outcome);
    if (code < 0) {
        const bp_status status = bp_report_evaluate(&report, model, device, held, NULL);
        code = status == BP_OK ? -1 : cli_fail(status, NULL);
    }
    if (code < 0) {
        read_metrics(f->values[fold], report);
        ++f->done;
    }
    bp_report_free(report);
    bp_model_free(model);
    return code;
}

static void print_fold(size_t fold, const folds *f, const train_outcome *o)
{
    const double *values = f->values[fold];
    fprintf(stderr, "fold %zu/%zu  epochs %" PRId64, fold + 1, f->count, o->result.epochs);
    for (int i = 0; i < METRICS; ++i)
        if (isfinite(values[i])) fprintf(stderr, "  %s %.4g", names[i], values[i]);
    fputc('\n', stderr);
}

/* One fold from the raw data on. An exit code or -1. */
static int run_fold(folds *f, size_t fold, const cli_command *command, const train_settings *s,
                    bp_device *device, const bp_data *raw)
{
    bp_data *part, *held;
    bp_schema *schema;
    train_sets sets;
    cli_command once = *command;
    once.quiet = command->quiet || fold > 0; /* what is said of the data is said once */
    const bp_status status = bp_data_fold(&part, &held, raw, f->count, fold, s->seed);
    if (status != BP_OK) return cli_fail(status, NULL);
    int code = cli_train_encode(&sets, &schema, &once, s, part);
    if (code < 0)
        code = cli_encode(&sets.test, &once, schema, held);
    else
        bp_data_free(held);
    train_outcome outcome = {.status = BP_OK};
    if (code < 0) code = train_fold(f, fold, &outcome, command, s, device, &sets);
    if (code < 0 && !command->quiet) print_fold(fold, f, &outcome);
    f->seconds += outcome.result.seconds;
    f->epochs += outcome.result.epochs;
    bp_schema_free(schema);
    cli_train_free(&sets);
    return code;
}

/* Every fold that can be; one that diverges does not keep the others from it. The exit code is that
 * of the first that failed. */
static int run_folds(folds *f, const cli_command *command, const train_settings *s,
                     bp_device *device, const bp_data *raw)
{
    int first = -1;
    for (size_t k = 0; k < f->count; ++k) {
        const int code = run_fold(f, k, command, s, device, raw);
        if (code >= 0 && first < 0) first = code;
        if (code >= 0 && !f->failed[k]) { /* what was said did not say where it was */
            f->failed[k] = "failed";
            if (!command->quiet) cli_note("that was fold %zu of %zu", k + 1, f->count);
        }
        if (cli_stop_signal()) {
            if (code < 0 && !command->quiet)
                cli_note("stopped after fold %zu of %zu", k + 1, f->count);
            return CLI_SIGNAL + cli_stop_signal();
        }
        if (code >= 0 && code != CLI_DIVERGED) return code;
    }
    return first;
}

static int train_all(folds *f, const cli_command *command, const train_settings *s,
                     bp_device *device, const bp_data *raw)
{
    f->values = calloc(f->count, sizeof *f->values);
    f->failed = calloc(f->count, sizeof *f->failed);
    if (!f->values || !f->failed) return cli_error(CLI_FAILURE, "out of memory");
    for (size_t k = 0; k < f->count; ++k)
        for (int i = 0; i < METRICS; ++i) f->values[k][i] = NAN;
    int code = run_folds(f, command, s, device, raw);
    if (command->json) {
        const int printed = cli_print_json(stdout, folds_json(f, device));
        if (code < 0) code = printed;
    } else if (f->done > 0) {
        print_text(f);
    }
    return code < 0 ? CLI_OK : code;
}

int cli_train_folds(const cli_command *command, const train_settings *s, bp_device *device)
{
    bp_data *raw;
    folds f = {.count = (size_t)s->folds};
    if (s->stream.chosen && s->split > 0)
        return cli_usage(command, "--folds and --validation-split: streamed data is divided once; "
                                  "leave one of them away, or hold the data in memory with "
                                  "--stream no");
    int code = cli_train_load_raw(&raw, command, s);
    if (code >= 0) return code;
    f.rows = bp_data_get_info(raw).rows;
    if (f.count > f.rows)
        code = cli_usage(command, "--folds %zu: there %s %zu row%s", f.count,
                         f.rows == 1 ? "is" : "are", f.rows, cli_s(f.rows));
    if (code < 0) code = train_all(&f, command, s, device, raw);
    bp_data_free(raw);
    free(f.values);
    free(f.failed);
    return code;
}
