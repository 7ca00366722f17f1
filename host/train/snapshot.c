/* snapshot.c - a model's parameters in host memory. */
#include "train/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void bp__snapshot_free(bp__snapshot *kept)
{
    for (size_t l = 0; l < kept->layers; ++l) {
        if (kept->weights) free(kept->weights[l]);
        if (kept->biases) free(kept->biases[l]);
    }
    free(kept->weights);
    free(kept->biases);
    *kept = (bp__snapshot){NULL, NULL, 0};
}

bp_status bp__snapshot_create(bp__snapshot *kept, bp_model *model)
{
    bp_status status;
    *kept = (bp__snapshot){.layers = bp_model_get_info(model).layers};
    BP_TRY_GOTO(bp__new_array(&kept->weights, kept->layers, sizeof *kept->weights));
    BP_TRY_GOTO(bp__new_array(&kept->biases, kept->layers, sizeof *kept->biases));
    for (size_t l = 0; l < kept->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        BP_TRY_GOTO(bp__new_array(&kept->weights[l], layer.inputs * layer.outputs, sizeof(float)));
        BP_TRY_GOTO(bp__new_array(&kept->biases[l], layer.outputs, sizeof(float)));
    }
    bp__snapshot_take(kept, model);
    return BP_OK;
fail:
    bp__snapshot_free(kept);
    return status;
}

static void copy(const bp__snapshot *kept, bp_model *model, bool to_model)
{
    for (size_t l = 0; l < kept->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        float *const pairs[2][2] = {{kept->weights[l], bp_model_weights(model, l)},
                                    {kept->biases[l], bp_model_biases(model, l)}};
        const size_t bytes[2] = {layer.inputs * layer.outputs * sizeof(float),
                                 layer.outputs * sizeof(float)};
        for (int i = 0; i < 2; ++i)
            if (pairs[i][1])
                memcpy(to_model ? pairs[i][1] : pairs[i][0], to_model ? pairs[i][0] : pairs[i][1],
                       bytes[i]);
    }
}

void bp__snapshot_take(bp__snapshot *kept, bp_model *model)
{
    copy(kept, model, false);
}

void bp__snapshot_put_back(const bp__snapshot *kept, bp_model *model)
{
    copy(kept, model, true);
}
