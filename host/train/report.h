/* report.h - what is measured of a network's outputs, inside the library. Outputs come block by
 * block, as bp__evaluator_run gives them, so that the data may be larger than the memory. */
#ifndef BP_TRAIN_REPORT_H
#define BP_TRAIN_REPORT_H

#include "backprop_evaluate.h"
#include "train/trainer.h"

typedef struct bp__reporter bp__reporter;

/* The caller's options, or the defaults where there are none. */
bp_status bp__read_report_options(bp_report_options *out, const bp_report_options *given);

/* For the outputs of a model on encoded data, which must outlive the reporter, and so must the
 * model's schema. options have been read; areas: whether those under ROC curves are wanted. */
bp_status bp__reporter_create(bp__reporter **out, const bp_data *data, const bp_model *model,
                              const bp_report_options *options, bool areas);
/* Whether what is measured are labels: targets of 0 and 1, and the loss bce. */
bool bp__reporter_has_labels(const bp__reporter *reporter);
void bp__reporter_free(bp__reporter *reporter);

/* A new report. */
void bp__reporter_begin(bp__reporter *reporter);
/* A bp__outputs_fn, user being the reporter. */
bp_status bp__reporter_receive(size_t first, size_t rows, const float *outputs, void *user);
/* The report on all rows, which the caller frees. overall holds what the report finds out itself:
 * samples, accuracy, rmse, mae, r2. To be asked once a report. */
bp_status bp__reporter_end(bp_report **out, bp__reporter *reporter);

#endif
