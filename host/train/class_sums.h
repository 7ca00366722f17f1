/* class_sums.h - what a report adds up of the outputs of classification. */
#ifndef BP_TRAIN_CLASS_SUMS_H
#define BP_TRAIN_CLASS_SUMS_H

#include "backprop_evaluate.h"
#include "base/status.h"

typedef struct bp__class_sums bp__class_sums;

/* top_k 0: the default of bp_report_evaluate. net_inputs: outputs are those before a softmax.
 * areas: those under ROC curves are wanted, for which all outputs are kept. */
bp_status bp__class_sums_create(bp__class_sums **out, size_t samples, size_t classes, size_t top_k,
                                bool net_inputs, bool areas);
void bp__class_sums_free(bp__class_sums *sums);

void bp__class_sums_begin(bp__class_sums *sums);
/* The next samples: outputs [count][classes], labels[count]; checked. */
bp_status bp__class_sums_add(bp__class_sums *sums, const float *outputs, const int32_t *labels,
                             size_t count);
/* Fills in the report's numbers of classification, by_class[classes] and
 * confusion[classes][classes] as well. */
bp_status bp__class_sums_end(bp__class_sums *sums, bp_report *report, bp_class_report *by_class,
                             size_t *confusion);

#endif
