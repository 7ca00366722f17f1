/* snapshot.c - a model's parameters in host memory. */
#include "train/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

void bp__snapshot_free(bp__snapshot *kept)
{
    free(kept->parameters);
    *kept = (bp__snapshot){NULL, 0};
}

bp_status bp__snapshot_create(bp__snapshot *kept, const bp_model *model)
{
    *kept = (bp__snapshot){NULL, 0};
    (void)bp__model_parameters(model, &kept->count);
    BP_TRY(bp__new_array(&kept->parameters, kept->count, sizeof *kept->parameters));
    bp__snapshot_take(kept, model);
    return BP_OK;
}

void bp__snapshot_take(bp__snapshot *kept, const bp_model *model)
{
    size_t count;
    memcpy(kept->parameters, bp__model_parameters(model, &count), kept->count * sizeof(float));
}

void bp__snapshot_put_back(const bp__snapshot *kept, bp_model *model)
{
    memcpy(model->parameters, kept->parameters, kept->count * sizeof(float));
}
