/* report.c - reports: of classification what class_sums.c adds up, of regression errors, of labels
 * errors and what label_sums.c adds up. */
#include "train/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/options.h"
#include "train/class_sums.h"
#include "train/label_sums.h"

/* A report and what it points to, which is written while it is made. */
typedef struct report {
    bp_report public; /* first: a bp_report is freed as one of these */
    bp_class_report *classes;
    size_t *confusion;
    bp_target_report *targets;
    bp_label_report *labels;
} report;

bp_report_options bp_report_options_default(void)
{
    return (bp_report_options){.size = sizeof(bp_report_options), .threshold = 0.5};
}

bp_status bp__read_report_options(bp_report_options *out, const bp_report_options *given)
{
    *out = bp_report_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_report_options"));
    return isfinite(out->threshold)
               ? BP_OK
               : bp__fail(BP_ERROR_ARGUMENT, "threshold is %g, not a number", out->threshold);
}

static bp_status report_new(report **out, size_t samples, size_t classes, size_t targets,
                            size_t labels)
{
    report *r = NULL;
    bp_status status;
    BP_TRY(bp__new_array(out, 1, sizeof **out));
    r = *out;
    r->public.overall = (bp_metrics){
        .samples = samples, .loss = NAN, .accuracy = NAN, .rmse = NAN, .mae = NAN, .r2 = NAN};
    r->public.classes = classes;
    r->public.targets = targets;
    r->public.labels = labels;
    r->public.top_k_accuracy = r->public.balanced_accuracy = r->public.auc = NAN;
    r->public.log_loss = r->public.threshold = r->public.hamming_loss = r->public.micro_auc = NAN;
    r->public.macro = r->public.weighted = r->public.micro = (bp_class_scores){NAN, NAN, NAN};
    BP_TRY_GOTO(bp__new_array(&r->classes, classes, sizeof *r->classes));
    BP_TRY_GOTO(bp__new_array(&r->targets, targets, sizeof *r->targets));
    BP_TRY_GOTO(bp__new_array(&r->labels, labels, sizeof *r->labels));
    BP_TRY_GOTO(bp__new_array(&r->confusion, classes * classes, sizeof *r->confusion));
    r->public.by_class = classes ? r->classes : NULL;
    r->public.confusion = classes ? r->confusion : NULL;
    r->public.by_target = targets ? r->targets : NULL;
    r->public.by_label = labels ? r->labels : NULL;
    return BP_OK;
fail:
    bp_report_free(&r->public);
    *out = NULL;
    return status;
}

void bp_report_free(bp_report *of)
{
    if (!of) return;
    report *r = (report *)of;
    free(r->classes);
    free(r->confusion);
    free(r->targets);
    free(r->labels);
    free(r);
}

/* ---- where the truth comes from -------------------------------------------------------------- */

enum { BLOCK = 4096 }; /* samples whose truth is read at a time */

/* Sums over the samples of one target. */
typedef struct errors {
    double squared, absolute, spread;
} errors;

struct bp__reporter {
    size_t samples, columns;
    const bp_data *data;        /* which has the truth, or one of: */
    const int32_t *labels;      /* [samples] */
    const float *truths;        /* [samples][columns] */
    bp__class_sums *sums;       /* of classification */
    bp__label_sums *label_sums; /* where targets are labels */
    const bp_schema *schema;
    double *averages; /* [columns], of the targets */
    errors *errors;   /* [columns] */
    void *block;      /* [BLOCK] labels or [BLOCK][columns] targets of the data */
};

/* *out = the truth of samples first to first + count - 1, at most BLOCK of them. */
static bp_status read_labels(const int32_t **out, const bp__reporter *r, size_t first, size_t count)
{
    *out = r->data ? r->block : r->labels + first;
    return r->data ? bp_data_read(r->data, first, count, NULL, r->block, NULL) : BP_OK;
}

static bp_status read_targets(const float **out, const bp__reporter *r, size_t first, size_t count)
{
    *out = r->data ? r->block : r->truths + first * r->columns;
    return r->data ? bp_data_read(r->data, first, count, NULL, NULL, r->block) : BP_OK;
}

static size_t block_at(const bp__reporter *r, size_t first)
{
    return r->samples - first < BLOCK ? r->samples - first : BLOCK;
}

/* ---- targets --------------------------------------------------------------------------------- */

/* Also whether all targets are 0 or 1. */
static bp_status find_averages(bp__reporter *r, bool *binary)
{
    *binary = true;
    for (size_t first = 0; first < r->samples; first += BLOCK) {
        const size_t count = block_at(r, first);
        const float *truths;
        BP_TRY(read_targets(&truths, r, first, count));
        for (size_t i = 0; i < count * r->columns; ++i) {
            r->averages[i % r->columns] += (double)truths[i];
            *binary = *binary && (truths[i] == 0 || truths[i] == 1);
        }
    }
    for (size_t k = 0; k < r->columns; ++k) r->averages[k] /= (double)r->samples;
    return BP_OK;
}

static double scale_of(const bp__reporter *r, size_t k)
{
    double scale = 1;
    if (r->schema) bp_schema_target_scale(r->schema, k, NULL, &scale);
    return scale;
}

static void add_errors(bp__reporter *r, const float *outputs, const float *truths, size_t count)
{
    for (size_t k = 0; k < r->columns; ++k) {
        const double scale = scale_of(r, k), average = r->averages[k];
        errors *e = &r->errors[k];
        for (size_t i = 0; i < count; ++i) {
            const double t = (double)truths[i * r->columns + k];
            const double error = scale * ((double)outputs[i * r->columns + k] - t);
            e->squared += error * error;
            e->absolute += fabs(error);
            e->spread += scale * scale * (t - average) * (t - average);
        }
    }
}

/* R^2 = 1 - sum (y - t)^2 / sum (t - mean)^2. */
static bp_target_report target_report(const errors *e, double count)
{
    return (bp_target_report){.rmse = sqrt(e->squared / count),
                              .mae = e->absolute / count,
                              .r2 = e->spread > 0 ? 1 - e->squared / e->spread : (double)NAN};
}

/* Over all targets: means of the squares and absolute values, and R^2 of all sums together. */
static void end_targets(const bp__reporter *r, report *to)
{
    errors all = {0};
    for (size_t k = 0; k < r->columns; ++k) {
        const errors *e = &r->errors[k];
        to->targets[k] = target_report(e, (double)r->samples);
        all =
            (errors){all.squared + e->squared, all.absolute + e->absolute, all.spread + e->spread};
    }
    const bp_target_report total = target_report(&all, (double)r->samples * (double)r->columns);
    to->public.overall.rmse = total.rmse;
    to->public.overall.mae = total.mae;
    to->public.overall.r2 = total.r2;
}

/* ---- block by block -------------------------------------------------------------------------- */

/* What the outputs are, and so what is measured. */
typedef struct what {
    bool classes, net_inputs; /* net_inputs: outputs are those before a softmax */
    bool labels;              /* where all targets are 0 or 1 */
    bool areas;               /* those under ROC curves are wanted */
} what;

/* r has samples, columns and where the truth comes from. */
static bp_status prepare(bp__reporter *r, const bp_report_options *options, what of)
{
    if (of.classes) {
        BP_TRY(bp__new_array(&r->block, BLOCK, sizeof(int32_t)));
        return bp__class_sums_create(&r->sums, r->samples, r->columns, options->top_k,
                                     of.net_inputs, of.areas);
    }
    bool binary;
    BP_TRY(bp__new_array(&r->block, r->columns, BLOCK * sizeof(float)));
    BP_TRY(bp__new_array(&r->averages, r->columns, sizeof *r->averages));
    BP_TRY(bp__new_array(&r->errors, r->columns, sizeof *r->errors));
    BP_TRY(find_averages(r, &binary));
    if (!of.labels || !binary) return BP_OK;
    return bp__label_sums_create(&r->label_sums, r->samples, r->columns, options->threshold,
                                 of.areas);
}

static void clear(bp__reporter *r)
{
    bp__class_sums_free(r->sums);
    bp__label_sums_free(r->label_sums);
    free(r->averages);
    free(r->errors);
    free(r->block);
}

bp_status bp__reporter_create(bp__reporter **out, const bp_data *data, const bp_model *model,
                              const bp_report_options *options, bool areas)
{
    const bp_data_info info = bp_data_get_info(data);
    const int32_t loss = bp_model_get_info(model).loss;
    *out = NULL;
    bp__reporter *r = NULL;
    BP_TRY(bp__new_array(&r, 1, sizeof *r));
    *r = (bp__reporter){.samples = info.rows,
                        .columns = info.outputs,
                        .data = data,
                        .schema = bp_model_get_schema(model)};
    const bp_status status = prepare(r, options,
                                     (what){.classes = bp__has_labels(data),
                                            .net_inputs = loss == BP_LOSS_CROSS_ENTROPY,
                                            .labels = loss == BP_LOSS_BCE,
                                            .areas = areas});
    if (status == BP_OK)
        *out = r;
    else
        bp__reporter_free(r);
    return status;
}

bool bp__reporter_has_labels(const bp__reporter *reporter)
{
    return reporter->label_sums != NULL;
}

void bp__reporter_free(bp__reporter *reporter)
{
    if (!reporter) return;
    clear(reporter);
    free(reporter);
}

void bp__reporter_begin(bp__reporter *r)
{
    if (r->sums) bp__class_sums_begin(r->sums);
    if (r->label_sums) bp__label_sums_begin(r->label_sums);
    if (r->errors) memset(r->errors, 0, r->columns * sizeof *r->errors);
}

bp_status bp__reporter_receive(size_t first, size_t rows, const float *outputs, void *user)
{
    bp__reporter *r = user;
    for (size_t done = 0; done < rows; done += BLOCK) {
        const size_t count = rows - done < BLOCK ? rows - done : BLOCK;
        const float *block = outputs + done * r->columns, *truths = NULL;
        const int32_t *labels = NULL;
        if (r->sums) {
            BP_TRY(read_labels(&labels, r, first + done, count));
            BP_TRY(bp__class_sums_add(r->sums, block, labels, count));
        } else {
            BP_TRY(read_targets(&truths, r, first + done, count));
            add_errors(r, block, truths, count);
            if (r->label_sums) BP_TRY(bp__label_sums_add(r->label_sums, block, truths, count));
        }
    }
    return BP_OK;
}

bp_status bp__reporter_end(bp_report **out, bp__reporter *r)
{
    report *made;
    bp_status status = BP_OK;
    *out = NULL;
    BP_TRY(report_new(&made, r->samples, r->sums ? r->columns : 0, r->sums ? 0 : r->columns,
                      r->label_sums ? r->columns : 0));
    if (r->sums)
        status = bp__class_sums_end(r->sums, &made->public, made->classes, made->confusion);
    else
        end_targets(r, made);
    if (r->label_sums) status = bp__label_sums_end(r->label_sums, &made->public, made->labels);
    if (status == BP_OK)
        *out = &made->public;
    else
        bp_report_free(&made->public);
    return status;
}

/* ---- of arrays ------------------------------------------------------------------------------- */

static bp_status check_arrays(const char *name, const void *out, const void *outputs,
                              const void *truths, size_t rows, size_t columns)
{
    if (!out || !outputs || !truths || rows == 0 || columns == 0 || columns > SIZE_MAX / rows)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s: out, outputs, what they should be, rows and columns are needed", name);
    return BP_OK;
}

static bp_status report_arrays(bp_report **out, bp__reporter *r, const float *outputs,
                               const bp_report_options *options, what of)
{
    bp_status status;
    of.areas = true;
    BP_TRY_GOTO(prepare(r, options, of));
    bp__reporter_begin(r);
    BP_TRY_GOTO(bp__reporter_receive(0, r->samples, outputs, r));
    status = bp__reporter_end(out, r);
fail:
    clear(r);
    return status;
}

bp_status bp_report_classes(bp_report **out, const float *outputs, const int32_t *labels,
                            size_t rows, size_t classes, size_t top_k)
{
    if (out) *out = NULL;
    BP_TRY(check_arrays("bp_report_classes", out, outputs, labels, rows, classes));
    bp__reporter r = {.samples = rows, .columns = classes, .labels = labels};
    return report_arrays(out, &r, outputs, &(bp_report_options){.top_k = top_k},
                         (what){.classes = true});
}

static bp_status check_targets(const float *outputs, const float *truths, size_t rows,
                               size_t targets)
{
    for (size_t i = 0; i < rows * targets; ++i)
        if (!isfinite(outputs[i]) || !isfinite(truths[i]))
            return bp__fail(BP_ERROR_DATA, "target %zu of sample %zu is %g, its truth %g",
                            i % targets, i / targets, (double)outputs[i], (double)truths[i]);
    return BP_OK;
}

bp_status bp_report_targets(bp_report **out, const float *outputs, const float *truths, size_t rows,
                            size_t targets)
{
    if (out) *out = NULL;
    BP_TRY(check_arrays("bp_report_targets", out, outputs, truths, rows, targets));
    BP_TRY(check_targets(outputs, truths, rows, targets));
    bp__reporter r = {.samples = rows, .columns = targets, .truths = truths};
    return report_arrays(out, &r, outputs, NULL, (what){.labels = false});
}

bp_status bp_report_labels(bp_report **out, const float *outputs, const float *truths, size_t rows,
                           size_t labels, double threshold)
{
    bp_report_options options = bp_report_options_default(), read;
    options.threshold = threshold;
    if (out) *out = NULL;
    BP_TRY(check_arrays("bp_report_labels", out, outputs, truths, rows, labels));
    BP_TRY(bp__read_report_options(&read, &options));
    BP_TRY(check_targets(outputs, truths, rows, labels));
    for (size_t i = 0; i < rows * labels; ++i)
        if (truths[i] != 0 && truths[i] != 1)
            return bp__fail(BP_ERROR_DATA, "the truth of label %zu of sample %zu is %g, not 0 or 1",
                            i % labels, i / labels, (double)truths[i]);
    bp__reporter r = {.samples = rows, .columns = labels, .truths = truths};
    return report_arrays(out, &r, outputs, &read, (what){.labels = true});
}
