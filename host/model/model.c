/* model.c - a model's lifetime and what it tells about itself. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"

/* Sets the views and *count, the number of parameters in all. */
static bp_status lay_out(bp__layer_view *views, size_t *count, const bp_layer *layers, size_t n)
{
    size_t used = 0;
    for (size_t l = 0; l < n; ++l) {
        size_t weights;
        views[l].weights = used;
        bool fits = bp__mul_size(&weights, layers[l].inputs, layers[l].outputs) &&
                    bp__add_size(&used, used, weights);
        views[l].biases = used;
        fits = fits && (!layers[l].bias || bp__add_size(&used, used, layers[l].outputs));
        /* Everything that counts these parameters counts their bytes sooner or later. */
        if (!fits || used > SIZE_MAX / 2 / sizeof(float))
            return bp__fail(BP_ERROR_MEMORY,
                            "layer %zu of %zu inputs and %zu outputs: more parameters than memory "
                            "can hold",
                            l, layers[l].inputs, layers[l].outputs);
    }
    *count = used;
    return BP_OK;
}

bp_status bp__model_new(bp_model **out, const bp_layer *layers, size_t count, int32_t loss)
{
    bp_model *model = NULL;
    bp_status status;
    *out = NULL;
    BP_TRY(bp__new_array(&model, 1, sizeof *model));
    model->loss = loss;
    model->loss_parameter = (float)bp__loss_of(loss)->parameter;
    model->layer_count = count;
    BP_TRY_GOTO(bp__new_array(&model->layers, count, sizeof *model->layers));
    memcpy(model->layers, layers, count * sizeof *layers);
    BP_TRY_GOTO(bp__new_array(&model->views, count, sizeof *model->views));
    BP_TRY_GOTO(lay_out(model->views, &model->parameter_count, layers, count));
    BP_TRY_GOTO(bp__new_array(&model->parameters, model->parameter_count, sizeof(float)));
    *out = model;
    return BP_OK;
fail:
    bp_model_free(model);
    return status;
}

void bp_model_free(bp_model *model)
{
    if (!model) return;
    for (size_t i = 0; i < model->record_count; ++i) {
        free(model->records[i].key);
        free(model->records[i].value);
    }
    free(model->records);
    bp_schema_free(model->schema);
    free(model->parameters);
    free(model->views);
    free(model->layers);
    free(model);
}

bp_model_info bp_model_get_info(const bp_model *model)
{
    bp_model_info info = {0};
    if (!model) return info;
    info.layers = model->layer_count;
    info.inputs = model->layers[0].inputs;
    info.outputs = model->layers[model->layer_count - 1].outputs;
    info.parameters = model->parameter_count;
    info.loss = model->loss;
    info.loss_parameter = model->loss_parameter;
    return info;
}

bp_layer bp_model_get_layer(const bp_model *model, size_t layer)
{
    bp_layer none = {0};
    return model && layer < model->layer_count ? model->layers[layer] : none;
}

float *bp_model_weights(bp_model *model, size_t layer)
{
    if (!model || layer >= model->layer_count) return NULL;
    return model->parameters + model->views[layer].weights;
}

float *bp_model_biases(bp_model *model, size_t layer)
{
    if (!model || layer >= model->layer_count || !model->layers[layer].bias) return NULL;
    return model->parameters + model->views[layer].biases;
}

const float *bp__model_parameters(const bp_model *model)
{
    return model->parameters;
}

const bp_schema *bp_model_get_schema(const bp_model *model)
{
    return model ? model->schema : NULL;
}

bp_status bp_model_set_schema(bp_model *model, const bp_schema *schema)
{
    if (!model) return bp__fail(BP_ERROR_ARGUMENT, "bp_model_set_schema: model is NULL");
    bp_schema *copy = NULL;
    if (schema) {
        const bp_schema_info about = bp_schema_get_info(schema);
        const bp_model_info self = bp_model_get_info(model);
        if (about.features != self.inputs || about.outputs != self.outputs)
            return bp__fail(BP_ERROR_MODEL,
                            "the schema makes %zu features and %zu outputs, the model has %zu "
                            "inputs and %zu outputs",
                            about.features, about.outputs, self.inputs, self.outputs);
        BP_TRY(bp_schema_copy(&copy, schema));
    }
    bp_schema_free(model->schema);
    model->schema = copy;
    return BP_OK;
}
