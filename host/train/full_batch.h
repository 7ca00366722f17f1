/* full_batch.h - optimizers that the host runs on the loss and gradient of all rows, which the
 * engine computes: those with the trait full_batch (base/families.h). An epoch is one iteration. */
#ifndef BP_TRAIN_FULL_BATCH_H
#define BP_TRAIN_FULL_BATCH_H

#include "train/state.h"

typedef struct bp__full_batch bp__full_batch;

/* Refuses options that such an optimizer has no use for. */
bp_status bp__full_batch_check(const bp_train_options *options);
/* "… lbfgs …": what takes steps of batches, this cannot do. */
bp_status bp__full_batch_refuse(const char *what, int32_t optimizer);

bp_status bp__full_batch_create(bp__full_batch **out, bp_trainer *trainer);
void bp__full_batch_free(bp__full_batch *full);
/* The loss is another: there is new data. */
void bp__full_batch_forget(bp__full_batch *full);

/* One iteration, counted in the trainer as an epoch's place, loss_sum and enqueued: a step is one
 * evaluation of loss and gradient. The loss is that of the parameters it ends with. */
bp_status bp__full_batch_run(bp__full_batch *full);

bp_status bp__full_batch_state(bp__state *state, bp__full_batch *full);

#endif
