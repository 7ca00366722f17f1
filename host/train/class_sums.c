/* class_sums.c - accuracy, confusion, precision, recall, log loss of classification. Sums are in
 * double and in the order of the samples: how they are cut into blocks makes no difference. */
#include "train/class_sums.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/scores.h"

enum { BLOCK = 512 }; /* samples whose outputs are doubles at a time */

struct bp__class_sums {
    size_t samples, classes, top_k;
    bool net_inputs;
    size_t seen, hits, near;
    size_t *confusion;  /* [classes][classes] */
    double log_loss;    /* sum; NAN where an output is no share */
    double *wide;       /* [BLOCK][classes] */
    bp__scores *scores; /* or NULL */
};

bp_status bp__class_sums_create(bp__class_sums **out, size_t samples, size_t classes, size_t top_k,
                                bool net_inputs, bool areas)
{
    *out = NULL;
    bp__class_sums *sums = NULL;
    bp_status status;
    if (top_k > classes)
        return bp__fail(BP_ERROR_ARGUMENT, "top %zu of %zu classes", top_k, classes);
    if (top_k == 0) top_k = classes < 10 ? 2 : 5;
    if (classes > SIZE_MAX / classes) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(&sums, 1, sizeof *sums));
    sums->samples = samples;
    sums->classes = classes;
    sums->top_k = top_k < classes ? top_k : classes;
    sums->net_inputs = net_inputs;
    BP_TRY_GOTO(bp__new_array(&sums->confusion, classes * classes, sizeof *sums->confusion));
    BP_TRY_GOTO(bp__new_array(&sums->wide, classes, BLOCK * sizeof *sums->wide));
    if (areas) BP_TRY_GOTO(bp__scores_create(&sums->scores, samples, classes));
    *out = sums;
    return BP_OK;
fail:
    bp__class_sums_free(sums);
    return status;
}

void bp__class_sums_free(bp__class_sums *sums)
{
    if (!sums) return;
    free(sums->confusion);
    free(sums->wide);
    bp__scores_free(sums->scores);
    free(sums);
}

void bp__class_sums_begin(bp__class_sums *sums)
{
    sums->seen = sums->hits = sums->near = 0;
    sums->log_loss = 0;
    memset(sums->confusion, 0, sums->classes * sums->classes * sizeof *sums->confusion);
    if (sums->scores) bp__scores_begin(sums->scores);
}

/* ---- sample by sample ------------------------------------------------------------------------ */

/* Where the label stands among the row's outputs, 0 for the largest; ties go to the first. */
static size_t rank_of(const double *row, size_t classes, size_t label)
{
    size_t rank = 0;
    for (size_t k = 0; k < classes; ++k)
        rank += row[k] > row[label] || (row[k] == row[label] && k < label);
    return rank;
}

static size_t largest_of(const double *row, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; ++k)
        if (row[k] > row[best]) best = k;
    return best;
}

/* -log of the label's share; NAN where outputs are no shares. */
static double loss_of(const double *row, size_t classes, size_t label)
{
    double total = 0, least = row[0];
    for (size_t k = 0; k < classes; ++k) {
        total += row[k];
        least = row[k] < least ? row[k] : least;
    }
    if (!(least >= 0 && total > 0)) return (double)NAN;
    return -log(fmax(row[label] / total, (double)FLT_MIN));
}

/* Outputs as doubles; of net inputs their softmax, which keeps apart what floats would round to 1.
 */
static void widen(double *wide, const float *outputs, size_t count, size_t classes, bool net_inputs)
{
    for (size_t i = 0; i < count * classes; ++i) wide[i] = (double)outputs[i];
    for (size_t i = 0; net_inputs && i < count; ++i) {
        double *row = wide + i * classes, sum = 0;
        const double largest = row[largest_of(row, classes)];
        for (size_t k = 0; k < classes; ++k) sum += row[k] = exp(row[k] - largest);
        for (size_t k = 0; k < classes; ++k) row[k] /= sum;
    }
}

static bp_status check_samples(const bp__class_sums *sums, const float *outputs,
                               const int32_t *labels, size_t count)
{
    const size_t classes = sums->classes;
    for (size_t i = 0; i < count * classes; ++i)
        if (!isfinite(outputs[i]))
            return bp__fail(BP_ERROR_DATA, "output %zu of sample %zu is %g", i % classes,
                            sums->seen + i / classes, (double)outputs[i]);
    for (size_t i = 0; i < count; ++i)
        if (labels[i] < 0 || (size_t)labels[i] >= classes)
            return bp__fail(BP_ERROR_DATA, "label %d of sample %zu is not in 0..%zu",
                            (int)labels[i], sums->seen + i, classes - 1);
    return BP_OK;
}

static bp_status add_block(bp__class_sums *sums, const float *outputs, const int32_t *labels,
                           size_t count)
{
    const size_t classes = sums->classes;
    BP_TRY(check_samples(sums, outputs, labels, count));
    widen(sums->wide, outputs, count, classes, sums->net_inputs);
    for (size_t i = 0; i < count; ++i) {
        const double *row = sums->wide + i * classes;
        const size_t label = (size_t)labels[i], taken = largest_of(row, classes);
        ++sums->confusion[label * classes + taken];
        sums->hits += label == taken;
        sums->near += rank_of(row, classes, label) < sums->top_k;
        sums->log_loss += loss_of(row, classes, label);
    }
    if (sums->scores) bp__scores_add(sums->scores, sums->wide, labels, count);
    sums->seen += count;
    return BP_OK;
}

bp_status bp__class_sums_add(bp__class_sums *sums, const float *outputs, const int32_t *labels,
                             size_t count)
{
    for (size_t done = 0; done < count; done += BLOCK)
        BP_TRY(add_block(sums, outputs + done * sums->classes, labels + done,
                         count - done < BLOCK ? count - done : BLOCK));
    return BP_OK;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void add_scores(bp_class_scores *sum, const bp_class_scores *scores, double weight)
{
    sum->precision += weight * scores->precision;
    sum->recall += weight * scores->recall;
    sum->f1 += weight * scores->f1;
}

static void count_classes(bp_class_report *by_class, const size_t *confusion, size_t classes)
{
    for (size_t truth = 0; truth < classes; ++truth)
        for (size_t taken = 0; taken < classes; ++taken) {
            by_class[truth].support += confusion[truth * classes + taken];
            by_class[taken].predicted += confusion[truth * classes + taken];
        }
}

/* Precision, recall and F1 of each class and their means, from the counts. */
static void score_classes(bp_report *report, bp_class_report *by_class, const size_t *confusion,
                          size_t samples)
{
    const size_t classes = report->classes;
    bp_class_scores macro = {0}, weighted = {0};
    size_t seen = 0, occurring = 0;
    double recalls = 0;
    for (size_t k = 0; k < classes; ++k) {
        bp_class_report *c = &by_class[k];
        const size_t right = confusion[k * classes + k];
        c->scores.precision = ratio(right, c->predicted);
        c->scores.recall = ratio(right, c->support);
        c->scores.f1 = ratio(2 * right, c->support + c->predicted);
        if (c->support + c->predicted == 0) continue;
        ++seen;
        occurring += c->support > 0;
        recalls += c->scores.recall; /* 0 where the class does not occur */
        add_scores(&macro, &c->scores, 1);
        add_scores(&weighted, &c->scores, (double)c->support / (double)samples);
    }
    report->macro = (bp_class_scores){macro.precision / (double)seen, macro.recall / (double)seen,
                                      macro.f1 / (double)seen};
    report->weighted = weighted;
    report->balanced_accuracy = recalls / (double)occurring;
}

static bp_status find_areas(bp__scores *scores, bp_report *report, bp_class_report *by_class)
{
    const size_t classes = report->classes;
    double *auc, sum = 0;
    size_t count = 0;
    BP_TRY(bp__new_array(&auc, classes, sizeof *auc));
    bp__scores_areas(scores, auc);
    for (size_t k = 0; k < classes; ++k) {
        by_class[k].auc = auc[k];
        if (isnan(auc[k])) continue;
        sum += auc[k];
        ++count;
    }
    free(auc);
    report->auc = classes == 2 ? by_class[1].auc : count ? sum / (double)count : (double)NAN;
    return BP_OK;
}

bp_status bp__class_sums_end(bp__class_sums *sums, bp_report *report, bp_class_report *by_class,
                             size_t *confusion)
{
    memcpy(confusion, sums->confusion, sums->classes * sums->classes * sizeof *confusion);
    report->top_k = sums->top_k;
    report->overall.accuracy = ratio(sums->hits, sums->seen);
    report->top_k_accuracy = ratio(sums->near, sums->seen);
    report->log_loss = sums->log_loss / (double)sums->seen;
    count_classes(by_class, confusion, sums->classes);
    score_classes(report, by_class, confusion, sums->seen);
    for (size_t k = 0; k < sums->classes; ++k) by_class[k].auc = NAN;
    return sums->scores ? find_areas(sums->scores, report, by_class) : BP_OK;
}
