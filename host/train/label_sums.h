/* label_sums.h - what a report adds up of labels, of which a sample may have several. */
#ifndef BP_TRAIN_LABEL_SUMS_H
#define BP_TRAIN_LABEL_SUMS_H

#include <stdbool.h>

#include "backprop_evaluate.h"
#include "base/status.h"

typedef struct bp__label_sums bp__label_sums;

/* An output that reaches threshold is taken for a label. areas: those under ROC curves are wanted,
 * for which all outputs are kept. */
bp_status bp__label_sums_create(bp__label_sums **out, size_t samples, size_t labels,
                                double threshold, bool areas);
void bp__label_sums_free(bp__label_sums *sums);

void bp__label_sums_begin(bp__label_sums *sums);
/* The next samples: outputs and truths [count][labels], truths 0 or 1; outputs are checked. */
bp_status bp__label_sums_add(bp__label_sums *sums, const float *outputs, const float *truths,
                             size_t count);
/* Fills in the report's numbers of labels, by_label[labels] as well. To be asked once. */
bp_status bp__label_sums_end(bp__label_sums *sums, bp_report *report, bp_label_report *by_label);

#endif
