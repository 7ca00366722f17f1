/* model.c - a model's lifetime and what it tells about itself. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"

size_t bp__layer_part_size(const bp_layer *layer, bp__part part)
{
    if (!bp__layer_has(layer, part)) return 0;
    return part == BP__PART_WEIGHTS ? layer->inputs * layer->outputs : layer->outputs;
}

/* Places parts first to last of all layers behind *used. */
static bp_status place_parts(bp__layer_view *views, size_t *used, const bp_layer *layers, size_t n,
                             bp__part first, bp__part last)
{
    for (size_t l = 0; l < n; ++l)
        for (bp__part part = first; part <= last; ++part) {
            size_t size = layers[l].outputs;
            views[l].part[part] = *used;
            if (!bp__layer_has(&layers[l], part)) continue;
            bool fits = part != BP__PART_WEIGHTS ||
                        bp__mul_size(&size, layers[l].inputs, layers[l].outputs);
            fits = fits && bp__add_size(used, *used, size);
            /* Everything that counts these parameters counts their bytes sooner or later. */
            if (!fits || *used > SIZE_MAX / 2 / sizeof(float))
                return bp__fail(
                    BP_ERROR_MEMORY,
                    "layer %zu of %zu inputs and %zu outputs: more parameters than memory "
                    "can hold",
                    l, layers[l].inputs, layers[l].outputs);
        }
    return BP_OK;
}

static bp_status lay_out(bp_model *model)
{
    size_t *used = &model->parameter_count;
    bp__layer_view *views = model->views;
    const bp_layer *layers = model->layers;
    const size_t n = model->layer_count;
    BP_TRY(place_parts(views, used, layers, n, BP__PART_WEIGHTS, BP__PART_BIASES));
    BP_TRY(place_parts(views, used, layers, n, BP__PART_GAINS, BP__PART_SHIFTS));
    model->learned_count = *used;
    return place_parts(views, used, layers, n, BP__PART_MEANS, BP__PART_VARIANCES);
}

static void set_ones(bp_model *model)
{
    static const bp__part ones[] = {BP__PART_GAINS, BP__PART_VARIANCES};
    for (size_t l = 0; l < model->layer_count; ++l)
        for (size_t i = 0; i < sizeof ones / sizeof *ones; ++i) {
            float *values = bp__model_part(model, l, ones[i]);
            for (size_t k = 0; values && k < model->layers[l].outputs; ++k) values[k] = 1;
        }
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
    BP_TRY_GOTO(lay_out(model));
    BP_TRY_GOTO(bp__new_array(&model->parameters, model->parameter_count, sizeof(float)));
    set_ones(model);
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
    info.parameters = model->learned_count;
    info.loss = model->loss;
    info.loss_parameter = model->loss_parameter;
    return info;
}

bp_layer bp_model_get_layer(const bp_model *model, size_t layer)
{
    bp_layer none = {0};
    return model && layer < model->layer_count ? model->layers[layer] : none;
}

float *bp__model_part(bp_model *model, size_t layer, bp__part part)
{
    if (!model || layer >= model->layer_count || !bp__layer_has(&model->layers[layer], part))
        return NULL;
    return model->parameters + model->views[layer].part[part];
}

float *bp_model_weights(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_WEIGHTS);
}

float *bp_model_biases(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_BIASES);
}

float *bp_model_gains(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_GAINS);
}

float *bp_model_shifts(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_SHIFTS);
}

float *bp_model_means(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_MEANS);
}

float *bp_model_variances(bp_model *model, size_t layer)
{
    return bp__model_part(model, layer, BP__PART_VARIANCES);
}

const float *bp__model_parameters(const bp_model *model, size_t *count)
{
    *count = model->parameter_count;
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
