/* scores.h - areas under ROC curves, for which the outputs of all samples have to be kept. What is
 * said of classes goes for labels as well, of which a sample has any number. */
#ifndef BP_TRAIN_SCORES_H
#define BP_TRAIN_SCORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct bp__scores bp__scores;

/* Room for so many samples. */
bp_status bp__scores_create(bp__scores **out, size_t samples, size_t classes);
void bp__scores_free(bp__scores *scores);
/* Forgets all samples. */
void bp__scores_begin(bp__scores *scores);
/* The next samples: values [count][classes], finite; labels[count] in 0..classes-1. */
void bp__scores_add(bp__scores *scores, const double *values, const int32_t *labels, size_t count);
/* The next sample's output for class k, to be called for each class once; positive: it is of it. */
void bp__scores_put(bp__scores *scores, size_t k, double value, bool positive);
/* auc[classes]: of each class against all others, ties counting half; NAN where all samples are of
 * it, or none. To be asked once, when all samples are there. */
void bp__scores_areas(bp__scores *scores, double *auc);
/* Of all pairs of a sample and a class as if they were one class's samples. The last that is asked:
 * it puts the outputs in another order. */
double bp__scores_micro_area(bp__scores *scores);

#endif
