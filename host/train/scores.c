/* scores.c - areas under ROC curves by the Mann-Whitney statistic. */
#include "train/scores.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

struct bp__scores {
    size_t samples, classes;
    size_t *positives, *negatives; /* [classes], samples so far that are of the class, or not */
    double *values; /* [classes][samples]: outputs for samples of the class from the front on,
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
    BP_TRY_GOTO(bp__new_array(&scores->negatives, classes, sizeof *scores->negatives));
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
    free(scores->negatives);
    free(scores->values);
    free(scores);
}

void bp__scores_begin(bp__scores *scores)
{
    for (size_t k = 0; k < scores->classes; ++k) scores->positives[k] = scores->negatives[k] = 0;
}

void bp__scores_put(bp__scores *scores, size_t k, double value, bool positive)
{
    double *of_class = scores->values + k * scores->samples;
    if (positive)
        of_class[scores->positives[k]++] = value;
    else
        of_class[scores->samples - ++scores->negatives[k]] = value;
}

void bp__scores_add(bp__scores *scores, const double *values, const int32_t *labels, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        for (size_t k = 0; k < scores->classes; ++k)
            bp__scores_put(scores, k, values[i * scores->classes + k], (size_t)labels[i] == k);
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
        const size_t positives = scores->positives[k], negatives = scores->negatives[k];
        auc[k] = area(of_class, positives, of_class + (scores->samples - negatives), negatives);
    }
}

/* Whether the value in this place was put there as a positive. */
static bool is_positive(const bp__scores *scores, size_t place)
{
    return place % scores->samples < scores->positives[place / scores->samples];
}

/* All samples are there, so that no place is empty: all positives go to the front, by exchanging
 * the first negative before the last positive with it until there is none. */
double bp__scores_micro_area(bp__scores *scores)
{
    const size_t count = scores->samples * scores->classes;
    double *values = scores->values;
    size_t positives = 0;
    for (size_t k = 0; k < scores->classes; ++k) positives += scores->positives[k];
    for (size_t left = 0, right = count; left < positives; ++left) {
        if (is_positive(scores, left)) continue;
        do --right;
        while (!is_positive(scores, right));
        const double value = values[left];
        values[left] = values[right];
        values[right] = value;
    }
    return area(values, positives, values + positives, count - positives);
}
