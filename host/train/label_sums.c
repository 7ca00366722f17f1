/* label_sums.c - counts of labels that are there and that are taken to be, and what follows from
 * them. They are whole numbers: how samples are cut into blocks makes no difference. */
#include "train/label_sums.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/scores.h"

/* Of one label, or of all of them. */
typedef struct counts {
    size_t support;   /* samples that have it */
    size_t predicted; /* that are taken to have it */
    size_t both;
} counts;

struct bp__label_sums {
    size_t labels;
    double threshold;
    size_t seen, exact; /* exact: all labels are right */
    counts *counts;     /* [labels] */
    bp__scores *scores; /* or NULL */
};

bp_status bp__label_sums_create(bp__label_sums **out, size_t samples, size_t labels,
                                double threshold, bool areas)
{
    *out = NULL;
    bp__label_sums *sums = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&sums, 1, sizeof *sums));
    sums->labels = labels;
    sums->threshold = threshold;
    BP_TRY_GOTO(bp__new_array(&sums->counts, labels, sizeof *sums->counts));
    if (areas) BP_TRY_GOTO(bp__scores_create(&sums->scores, samples, labels));
    *out = sums;
    return BP_OK;
fail:
    bp__label_sums_free(sums);
    return status;
}

void bp__label_sums_free(bp__label_sums *sums)
{
    if (!sums) return;
    free(sums->counts);
    bp__scores_free(sums->scores);
    free(sums);
}

void bp__label_sums_begin(bp__label_sums *sums)
{
    sums->seen = sums->exact = 0;
    memset(sums->counts, 0, sums->labels * sizeof *sums->counts);
    if (sums->scores) bp__scores_begin(sums->scores);
}

bp_status bp__label_sums_add(bp__label_sums *sums, const float *outputs, const float *truths,
                             size_t count)
{
    const size_t labels = sums->labels;
    for (size_t i = 0; i < count; ++i, ++sums->seen) {
        bool exact = true;
        for (size_t k = 0; k < labels; ++k) {
            const double output = (double)outputs[i * labels + k];
            const bool truth = truths[i * labels + k] > 0, taken = output >= sums->threshold;
            if (!isfinite(output))
                return bp__fail(BP_ERROR_DATA, "output %zu of sample %zu is %g", k, sums->seen,
                                output);
            sums->counts[k].support += truth;
            sums->counts[k].predicted += taken;
            sums->counts[k].both += truth && taken;
            exact = exact && truth == taken;
            if (sums->scores) bp__scores_put(sums->scores, k, output, truth);
        }
        sums->exact += exact;
    }
    return BP_OK;
}

/* ---- what comes of it ------------------------------------------------------------------------ */

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static bp_class_scores scores_of(const counts *c)
{
    return (bp_class_scores){.precision = ratio(c->both, c->predicted),
                             .recall = ratio(c->both, c->support),
                             .f1 = ratio(2 * c->both, c->support + c->predicted)};
}

/* Samples in which truth and prediction differ. */
static size_t wrong_of(const counts *c)
{
    return c->support + c->predicted - 2 * c->both;
}

static void add_scores(bp_class_scores *sum, const bp_class_scores *scores, double weight)
{
    sum->precision += weight * scores->precision;
    sum->recall += weight * scores->recall;
    sum->f1 += weight * scores->f1;
}

static bp_status find_areas(bp__scores *scores, bp_report *report, bp_label_report *by_label)
{
    double *auc, sum = 0;
    size_t known = 0;
    BP_TRY(bp__new_array(&auc, report->labels, sizeof *auc));
    bp__scores_areas(scores, auc);
    for (size_t k = 0; k < report->labels; ++k) {
        by_label[k].auc = auc[k];
        if (isnan(auc[k])) continue;
        sum += auc[k];
        ++known;
    }
    free(auc);
    report->auc = known ? sum / (double)known : (double)NAN;
    report->micro_auc = bp__scores_micro_area(scores);
    return BP_OK;
}

bp_status bp__label_sums_end(bp__label_sums *sums, bp_report *report, bp_label_report *by_label)
{
    counts all = {0};
    report->macro = report->weighted = (bp_class_scores){0};
    for (size_t k = 0; k < sums->labels; ++k) {
        const counts *c = &sums->counts[k];
        all = (counts){all.support + c->support, all.predicted + c->predicted, all.both + c->both};
    }
    for (size_t k = 0; k < sums->labels; ++k) {
        const counts *c = &sums->counts[k];
        by_label[k] = (bp_label_report){.support = c->support,
                                        .predicted = c->predicted,
                                        .true_positives = c->both,
                                        .accuracy = 1 - ratio(wrong_of(c), sums->seen),
                                        .scores = scores_of(c),
                                        .auc = NAN};
        add_scores(&report->macro, &by_label[k].scores, 1 / (double)sums->labels);
        add_scores(&report->weighted, &by_label[k].scores, ratio(c->support, all.support));
    }
    report->threshold = sums->threshold;
    report->micro = scores_of(&all);
    report->hamming_loss = (double)wrong_of(&all) / ((double)sums->seen * (double)sums->labels);
    report->overall.accuracy = ratio(sums->exact, sums->seen);
    return sums->scores ? find_areas(sums->scores, report, by_label) : BP_OK;
}
