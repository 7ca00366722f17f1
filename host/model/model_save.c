/* model_save.c - a model as a safetensors file.
 *
 * The tensors have the names and the layout of PyTorch's nn.Sequential, so that its
 * load_state_dict(strict=True) takes the file as it is. What a state_dict cannot say is in the
 * metadata: "backprop.architecture", "backprop.schema", "backprop.record.<key>". */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "model/checkpoint.h"
#include "model/model.h"

/* What nn.Sequential makes of a residual layer. */
static const char residual[] = "type('Residual', (nn.Sequential,), {'forward': lambda self, x: "
                               "nn.Sequential.forward(self, x) + "
                               "x})(";

static bp_status torch_layer(char **text, const bp_layer *layer)
{
    const char *module = bp__activation(layer->activation)->module;
    BP_TRY(bp__append(text, "%snn.Linear(%zu, %zu%s)", layer->residual ? residual : "",
                      layer->inputs, layer->outputs, layer->bias ? "" : ", bias=False"));
    if (layer->norm != BP_NORM_NONE)
        BP_TRY(bp__append(text, ", nn.%s(%zu)",
                          layer->norm == BP_NORM_LAYER ? "LayerNorm" : "BatchNorm1d",
                          layer->outputs));
    if (module) BP_TRY(bp__append(text, ", %s", module));
    if (layer->dropout > 0) BP_TRY(bp__append(text, ", nn.Dropout(%.6g)", (double)layer->dropout));
    return layer->residual ? bp__append(text, ")") : BP_OK;
}

/* *out = the model's line of Python: what to paste before load_state_dict. */
static bp_status torch_text(char **out, const bp_model *model)
{
    char *text = NULL;
    bp_status status = bp__append(&text, "nn.Sequential(");
    for (size_t l = 0; status == BP_OK && l < model->layer_count; ++l) {
        if (l) status = bp__append(&text, ", ");
        if (status == BP_OK) status = torch_layer(&text, &model->layers[l]);
    }
    if (status == BP_OK) status = bp__append(&text, ")");
    *out = text;
    return status;
}

static bp_status architecture_text(char **out, const bp_model *model)
{
    char *text = NULL;
    bp_status status = bp__append(&text, "{\"layers\":[");
    for (size_t l = 0; status == BP_OK && l < model->layer_count; ++l) {
        const bp_layer *layer = &model->layers[l];
        status =
            bp__append(&text, "%s{\"inputs\":%zu,\"outputs\":%zu,\"activation\":\"%s\",\"bias\":%s",
                       l ? "," : "", layer->inputs, layer->outputs,
                       bp_activation_name(layer->activation), layer->bias ? "true" : "false");
        if (status == BP_OK && layer->dropout > 0)
            status = bp__append(&text, ",\"dropout\":%.9g", (double)layer->dropout);
        if (status == BP_OK && layer->norm != BP_NORM_NONE)
            status = bp__append(&text, ",\"norm\":\"%s\"", bp_norm_name(layer->norm));
        if (status == BP_OK && layer->residual) status = bp__append(&text, ",\"residual\":true");
        if (status == BP_OK) status = bp__append(&text, "}");
    }
    if (status == BP_OK) status = bp__append(&text, "],\"loss\":\"%s\"", bp_loss_name(model->loss));
    if (status == BP_OK && model->loss_parameter != 0)
        status = bp__append(&text, ",\"loss_parameter\":%.9g", (double)model->loss_parameter);
    if (status == BP_OK) status = bp__append(&text, "}");
    *out = text;
    return status;
}

static bp_status put(json_t *metadata, const char *key, const char *value)
{
    if (json_object_set_new(metadata, key, json_string(value)) == 0) return BP_OK;
    return bp__fail(BP_ERROR_MEMORY, "\"%s\" cannot be stored: out of memory, or not UTF-8", key);
}

/* put, then releases value: for texts made for the purpose. */
static bp_status put_own(json_t *metadata, const char *key, bp_status made, char *value)
{
    bp_status status = made == BP_OK ? put(metadata, key, value) : made;
    free(value);
    return status;
}

static bp_status fill_metadata(json_t *metadata, const bp_model *model)
{
    char *text = NULL;
    bp_status status;
    BP_TRY(put(metadata, "format", "pt"));
    BP_TRY(put(metadata, "backprop.version", bp_version()));
    status = architecture_text(&text, model);
    BP_TRY(put_own(metadata, "backprop.architecture", status, text));
    if (model->schema) {
        status = bp_schema_to_json(&text, model->schema);
        BP_TRY(put_own(metadata, "backprop.schema", status, text));
    }
    for (size_t i = 0; i < model->record_count; ++i) {
        char *key = NULL;
        status = bp__append(&key, "backprop.record.%s", model->records[i].key);
        if (status == BP_OK) status = put(metadata, key, model->records[i].value);
        free(key);
        if (status != BP_OK) return status;
    }
    status = torch_text(&text, model);
    return put_own(metadata, "torch.sequential", status, text);
}

/* Fills in out[BP__PART_COUNT * layers], all of float32; *count is how many there are. */
static void name_tensors(bp__tensor_out *out, size_t *count, const bp_model *model)
{
    *count = 0;
    for (size_t l = 0; l < model->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp_layer *layer = &model->layers[l];
            if (!bp__layer_has(layer, part)) continue;
            bp__tensor_out *tensor = &out[(*count)++];
            bp__layer_tensor_name(tensor->name, model->layers, l, part);
            tensor->dtype = BP__DTYPE_F32;
            tensor->rows = layer->outputs;
            tensor->columns = part == BP__PART_WEIGHTS ? layer->inputs : 0;
            tensor->values = model->parameters + model->views[l].part[part];
        }
}

/* Loading refuses a model that is not finite, so it must not replace one that can be loaded. */
static bp_status check_finite(const bp__tensor_out *tensors, size_t count, const char *path)
{
    for (size_t t = 0; t < count; ++t) {
        const size_t columns = tensors[t].columns ? tensors[t].columns : 1;
        const float *values = tensors[t].values;
        for (size_t i = 0; i < tensors[t].rows * columns; ++i)
            if (!isfinite(values[i]))
                return bp__fail(BP_ERROR_MODEL,
                                "%s: not written: element %zu of \"%s\" is %g, not a finite number",
                                path, i, tensors[t].name, (double)values[i]);
    }
    return BP_OK;
}

/* extra (NULL: none) makes a checkpoint of it. */
static bp_status write_model(const bp_model *model, const char *path, const bp__extra *extra)
{
    bp__tensor_out *tensors = NULL;
    size_t count, extra_count = extra ? extra->count : 0;
    int how = 0;
    bp_status status;
    json_t *metadata = json_object();
    if (!metadata) return bp__fail_memory(sizeof *tensors);
    BP_TRY_GOTO(bp__new_array(&tensors, BP__PART_COUNT * model->layer_count + extra_count,
                              sizeof *tensors));
    name_tensors(tensors, &count, model);
    BP_TRY_GOTO(check_finite(tensors, count, path));
    BP_TRY_GOTO(fill_metadata(metadata, model));
    if (extra) {
        BP_TRY_GOTO(put(metadata, BP__CHECKPOINT, extra->about));
        memcpy(tensors + count, extra->tensors, extra_count * sizeof *tensors);
        how = BP__WRITE_CHECKED | BP__WRITE_AGAIN | (extra->keep ? BP__WRITE_KEEP : 0);
    }
    BP_TRY_GOTO(bp__safetensors_write(path, metadata, tensors, count + extra_count, how));
fail:
    free(tensors);
    json_decref(metadata);
    return status;
}

bp_status bp_model_save(const bp_model *model, const char *path)
{
    if (!model || !path || !*path)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_model_save: a model and a path are needed");
    return write_model(model, path, NULL);
}

bp_status bp__checkpoint_write(const bp_model *model, const char *path, const bp__extra *extra)
{
    return write_model(model, path, extra);
}
