/* training_step.h - recognises a whole training step in a list of operations. */
#ifndef BP_OPS_TRAINING_STEP_H
#define BP_OPS_TRAINING_STEP_H

#include "ops/launchers.h"

enum { BP__STEP_LAYERS = 4 }; /* at most */

/* A training step, taken apart. */
typedef struct bp__training_step {
    const bp__gather *gather; /* of the features; NULL: the batch is written by the caller */
    const bp__gather *gather_targets, *gather_weights;
    const bp__dense_forward *forward[BP__STEP_LAYERS];
    const bp__loss *loss;
    const bp__reduce_loss *reduce;
    const bp__optimizer *optimizer;
    size_t layers;
} bp__training_step;

/* Whether ops[count] are a step as the plan writes it down, in its order: only then may it be done
 * another way. */
bool bp__training_step_of(bp__training_step *step, const bp__op *ops, size_t count);

/* Whether all parameters take part in the update, and whether what changes from step to step lies
 * where kernels of whole steps look for it. */
bool bp__training_step_is_plain(const bp__training_step *step);

/* Where the kernels find the features, the targets or labels, and the samples' weights (NULL: there
 * are none): in the resident data, or in the batch that the caller has written. */
const bp__view *bp__training_step_features(const bp__training_step *step);
const bp__view *bp__training_step_targets(const bp__training_step *step);
const bp__view *bp__training_step_weights(const bp__training_step *step);

#endif
