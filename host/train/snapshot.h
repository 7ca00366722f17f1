/* snapshot.h - a model's parameters in host memory: a state to fall back to. */
#ifndef BP_TRAIN_SNAPSHOT_H
#define BP_TRAIN_SNAPSHOT_H

#include "base/status.h"

typedef struct bp__snapshot {
    float *parameters; /* [count], the model's whole arena; NULL: there is none */
    size_t count;
} bp__snapshot;

/* The model's parameters as they are. */
bp_status bp__snapshot_create(bp__snapshot *kept, const bp_model *model);
void bp__snapshot_free(bp__snapshot *kept);

/* Copies between the model and its snapshot. */
void bp__snapshot_take(bp__snapshot *kept, const bp_model *model);
void bp__snapshot_put_back(const bp__snapshot *kept, bp_model *model);

#endif
