/* report.h - what is measured of a network's outputs, inside the library. Outputs come block by
 * block, as bp__evaluator_run gives them, so that the data may be larger than the memory. */
#ifndef BP_TRAIN_REPORT_H
#define BP_TRAIN_REPORT_H

#include "backprop_evaluate.h"
#include "train/trainer.h"

typedef struct bp__reporter bp__reporter;

/* For the outputs of a network with this loss on encoded data; schema (may be NULL) has the
 * targets' units. Both must outlive the reporter. */
bp_status bp__reporter_create(bp__reporter **out, const bp_data *data, const bp_schema *schema,
                              int32_t loss, size_t top_k);
void bp__reporter_free(bp__reporter *reporter);

/* A new report. */
void bp__reporter_begin(bp__reporter *reporter);
/* A bp__outputs_fn, user being the reporter. */
bp_status bp__reporter_receive(size_t first, size_t rows, const float *outputs, void *user);
/* The report on all rows, which the caller frees. overall holds what the report finds out itself:
 * samples, accuracy, rmse, mae, r2. */
bp_status bp__reporter_end(bp_report **out, bp__reporter *reporter);

#endif
