/* scores.c - areas under ROC curves by the Mann-Whitney statistic. */
#include "train/scores.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

struct bp__scores {
    size_t samples, classes;
    size_t seen;
    size_t *positives; /* [classes], samples of the class so far */
    double *values;    /* [classes][samples]: outputs for samples of the class from the front on,
                        * for all others from the back */
};

bp_status bp__scores_create(bp__scores **out, size_t samples, size_t classes)
{
    *out = NULL;
    bp__scores *scores = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&scores, 1, sizeof *scores));
    scores->samples = samples;
    scores->classes = classes;
    BP_TRY_GOTO(bp__new_array(&scores->positives, classes, sizeof *scores->positives));
    if (samples > SIZE_MAX / sizeof *scores->values / classes) {
        status = bp__fail_memory(SIZE_MAX);
        goto fail;
    }
    BP_TRY_GOTO(bp__new_array(&scores->values, samples * classes, sizeof *scores->values));
    *out = scores;
    return BP_OK;
fail:
    bp__scores_free(scores);
    return status;
}

void bp__scores_free(bp__scores *scores)
{
    if (!scores) return;
    free(scores->positives);
    free(scores->values);
    free(scores);
}

void bp__scores_begin(bp__scores *scores)
{
    scores->seen = 0;
    for (size_t k = 0; k < scores->classes; ++k) scores->positives[k] = 0;
}

void bp__scores_add(bp__scores *scores, const double *values, const int32_t *labels, size_t count)
{
    for (size_t i = 0; i < count; ++i, ++scores->seen)
        for (size_t k = 0; k < scores->classes; ++k) {
            double *of_class = scores->values + k * scores->samples;
            const size_t before = scores->positives[k];
            if ((size_t)labels[i] == k)
                of_class[scores->positives[k]++] = values[i * scores->classes + k];
            else
                of_class[scores->samples - 1 - (scores->seen - before)] =
                    values[i * scores->classes + k];
        }
}

static int compare_values(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The pairs of a positive and a negative sample in the right order, and half of those that tie, as
 * a share of all pairs. Whole and half numbers: the order of the sums does not matter. */
static double area(double *positive, size_t positives, double *negative, size_t negatives)
{
    if (positives == 0 || negatives == 0) return (double)NAN;
    qsort(positive, positives, sizeof *positive, compare_values);
    qsort(negative, negatives, sizeof *negative, compare_values);
    double wins = 0;
    size_t below = 0, not_above = 0; /* negatives */
    for (size_t i = 0; i < positives; ++i) {
        while (below < negatives && negative[below] < positive[i]) ++below;
        while (not_above < negatives && negative[not_above] <= positive[i]) ++not_above;
        wins += (double)below + 0.5 * (double)(not_above - below);
    }
    return wins / ((double)positives * (double)negatives);
}

void bp__scores_areas(bp__scores *scores, double *auc)
{
    for (size_t k = 0; k < scores->classes; ++k) {
        double *of_class = scores->values + k * scores->samples;
        const size_t positives = scores->positives[k], negatives = scores->seen - positives;
        auc[k] = area(of_class, positives, of_class + (scores->samples - negatives), negatives);
    }
}
