/* model_load.c - a model from a safetensors file: ours, whose metadata holds the architecture, or a
 * PyTorch state_dict, whose architecture is guessed from names and shapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/checkpoint.h"
#include "model/model.h"

static const char record_prefix[] = "backprop.record.";

/* The layers of a file and where their parameters are. */
typedef struct found_layer {
    const bp__tensor *part[BP__PART_COUNT]; /* NULL where there is none */
    size_t index;                           /* in nn.Sequential */
} found_layer;

typedef struct found {
    bp_layer *layers;
    found_layer *from;
    size_t count;
    int32_t loss;
    float loss_parameter;
} found;

static bp_status found_new(found *out, size_t count)
{
    out->count = count;
    BP_TRY(bp__new_array(&out->layers, count, sizeof *out->layers));
    return bp__new_array(&out->from, count, sizeof *out->from);
}

static void found_release(found *out)
{
    free(out->layers);
    free(out->from);
}

/* ---- Our own files ---- */

static bp_status architecture_fail(const bp__safetensors *file, const char *reason)
{
    return bp__fail(BP_ERROR_MODEL, "%s: \"backprop.architecture\": %s", file->path, reason);
}

/* *out = entry's integer key, 1 to the widest layer. */
static bp_status read_width(size_t *out, const bp__safetensors *file, const json_t *entry,
                            const char *key)
{
    const json_t *given = json_object_get(entry, key);
    const json_int_t width = json_integer_value(given);
    if (!json_is_integer(given) || width < 1 || width > BP__LARGEST_WIDTH)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: \"backprop.architecture\": \"%s\" is not an integer from 1 to %d",
                        file->path, key, (int)BP__LARGEST_WIDTH);
    *out = (size_t)width;
    return BP_OK;
}

static bp_status read_layer(bp_layer *layer, const bp__safetensors *file, const json_t *entry)
{
    if (!json_is_object(entry)) return architecture_fail(file, "a layer is not an object");
    BP_TRY(read_width(&layer->inputs, file, entry, "inputs"));
    BP_TRY(read_width(&layer->outputs, file, entry, "outputs"));
    const char *name = json_string_value(json_object_get(entry, "activation"));
    layer->activation = name ? bp_activation_from_name(name) : BP_ACTIVATION_AUTO;
    if (layer->activation < 0)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: \"backprop.architecture\": unknown activation \"%s\": written by a "
                        "newer version?",
                        file->path, name ? name : "");
    const json_t *bias = json_object_get(entry, "bias");
    if (!json_is_boolean(bias)) return architecture_fail(file, "\"bias\" is not true or false");
    layer->bias = json_is_true(bias);
    const json_t *dropout = json_object_get(entry, "dropout");
    if (dropout && !json_is_number(dropout))
        return architecture_fail(file, "\"dropout\" is not a number");
    layer->dropout = (float)json_number_value(dropout);
    const json_t *residual = json_object_get(entry, "residual");
    if (residual && !json_is_boolean(residual))
        return architecture_fail(file, "\"residual\" is not true or false");
    layer->residual = json_is_true(residual);
    const json_t *norm = json_object_get(entry, "norm");
    layer->norm = norm ? bp_norm_from_name(json_string_value(norm)) : BP_NORM_NONE;
    if (layer->norm < 0)
        return architecture_fail(file, "a norm that is not known: written by a newer version?");
    return BP_OK;
}

static bp_status read_architecture(found *out, const bp__safetensors *file, const json_t *root)
{
    const json_t *layers = json_object_get(root, "layers");
    if (!json_is_array(layers) || json_array_size(layers) == 0)
        return architecture_fail(file, "\"layers\" is not a list of layers");
    const char *loss = json_string_value(json_object_get(root, "loss"));
    out->loss = loss ? bp_loss_from_name(loss) : BP_LOSS_AUTO;
    if (out->loss < 0)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: \"backprop.architecture\": unknown loss \"%s\": written by a newer "
                        "version?",
                        file->path, loss ? loss : "");
    const json_t *parameter = json_object_get(root, "loss_parameter");
    if (parameter && !json_is_number(parameter))
        return architecture_fail(file, "\"loss_parameter\" is not a number");
    if (bp__loss_parameter(&out->loss_parameter, BP_ERROR_MODEL, out->loss,
                           json_number_value(parameter)) != BP_OK)
        return bp__fail_context(BP_ERROR_MODEL, "%s: \"backprop.architecture\"", file->path);
    BP_TRY(found_new(out, json_array_size(layers)));
    for (size_t l = 0; l < out->count; ++l)
        BP_TRY(read_layer(&out->layers[l], file, json_array_get(layers, l)));
    if (bp__layers_check(BP_ERROR_MODEL, out->layers, out->count, out->loss) != BP_OK)
        return bp__fail_context(BP_ERROR_MODEL, "%s: \"backprop.architecture\"", file->path);
    return BP_OK;
}

/* *out = the tensor of that name, if its shape is [rows, columns], or [rows] where columns is 0. */
static bp_status expect_tensor(const bp__tensor **out, const bp__safetensors *file,
                               const char *name, size_t rows, size_t columns)
{
    const bp__tensor *tensor = bp__safetensors_find(file, name);
    if (!tensor)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: tensor \"%s\" is missing: \"backprop.architecture\" asks for it",
                        file->path, name);
    const bp__tensor wanted = {.dimensions = columns ? 2 : 1,
                               .shape = {rows, columns ? columns : 1}};
    if (tensor->dimensions != wanted.dimensions || tensor->shape[0] != wanted.shape[0] ||
        tensor->shape[1] != wanted.shape[1]) {
        char is[BP__SHAPE_TEXT], should_be[BP__SHAPE_TEXT];
        return bp__fail(
            BP_ERROR_MODEL, "%s: tensor \"%s\" is %s, but \"backprop.architecture\" asks for %s",
            file->path, name, bp__tensor_shape(is, tensor), bp__tensor_shape(should_be, &wanted));
    }
    *out = tensor;
    return BP_OK;
}

/* Every tensor must belong to a layer: one that does not would be lost by loading and saving. The
 * state of a training is what a checkpoint is meant to lose. */
static bp_status check_all_matched(const found *in, const bp__safetensors *file)
{
    char *matched = NULL;
    BP_TRY(bp__new_array(&matched, file->count, 1));
    for (size_t l = 0; l < in->count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part)
            if (in->from[l].part[part]) matched[in->from[l].part[part] - file->tensors] = 1;
    const bool checkpoint = bp__safetensors_metadata(file, BP__CHECKPOINT) != NULL;
    const size_t prefix = sizeof BP__STATE_PREFIX - 1;
    bp_status status = BP_OK;
    for (size_t t = 0; status == BP_OK && t < file->count; ++t)
        if (!matched[t] &&
            !(checkpoint && strncmp(file->tensors[t].name, BP__STATE_PREFIX, prefix) == 0))
            status = bp__fail(BP_ERROR_MODEL,
                              "%s: tensor \"%s\" has no place in \"backprop.architecture\"",
                              file->path, file->tensors[t].name);
    free(matched);
    return status;
}

static bp_status match_tensors(found *out, const bp__safetensors *file)
{
    for (size_t l = 0; l < out->count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp_layer *layer = &out->layers[l];
            char name[BP__TENSOR_NAME];
            if (!bp__layer_has(layer, part)) continue;
            bp__layer_tensor_name(name, out->layers, l, part);
            BP_TRY(expect_tensor(&out->from[l].part[part], file, name, layer->outputs,
                                 part == BP__PART_WEIGHTS ? layer->inputs : 0));
        }
    return check_all_matched(out, file);
}

static bp_status find_ours(found *out, const bp__safetensors *file, const char *architecture)
{
    json_error_t error;
    json_t *root;
    bp_status status = bp__json_parse(&root, &error, architecture, strlen(architecture));
    if (status == BP_ERROR_MODEL)
        return bp__fail(status, "%s: \"backprop.architecture\", byte %d: not sound JSON: %s",
                        file->path, error.position, error.text);
    if (status != BP_OK) return status;
    status = read_architecture(out, file, root);
    json_decref(root);
    if (status == BP_OK) status = match_tensors(out, file);
    return status;
}

/* ---- A state_dict ---- */

/* A name of the form "<prefix>N.weight" or "<prefix>N.bias", where prefix is empty or ends in '.'.
 */
typedef struct parsed_name {
    const bp__tensor *tensor;
    size_t prefix_length, index;
    bool bias;
} parsed_name;

static bp_status name_fail(const bp__safetensors *file, const bp__tensor *tensor)
{
    return bp__fail(BP_ERROR_MODEL,
                    "%s: tensor \"%s\": only the Linear layers of an nn.Sequential can be loaded, "
                    "whose tensors are named \"0.weight\", \"0.bias\", \"2.weight\" and so on",
                    file->path, tensor->name);
}

static bp_status parse_name(parsed_name *out, const bp__safetensors *file, const bp__tensor *tensor)
{
    enum { LONGEST_INDEX = 9 };
    const char *name = tensor->name;
    const char *dot = strrchr(name, '.');
    if (!dot || (strcmp(dot, ".weight") != 0 && strcmp(dot, ".bias") != 0))
        return name_fail(file, tensor);
    const char *digits = dot;
    while (digits > name && digits[-1] >= '0' && digits[-1] <= '9') --digits;
    const size_t length = (size_t)(dot - digits);
    if (length == 0 || length > LONGEST_INDEX || (length > 1 && *digits == '0') ||
        (digits > name && digits[-1] != '.'))
        return name_fail(file, tensor);
    *out = (parsed_name){tensor, (size_t)(digits - name), 0, dot[1] == 'b'};
    for (; digits < dot; ++digits) out->index = out->index * 10 + (size_t)(*digits - '0');
    return BP_OK;
}

static int by_index(const void *a, const void *b)
{
    const parsed_name *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (int)x->bias - (int)y->bias;
}

static bp_status parse_names(parsed_name *names, const bp__safetensors *file)
{
    for (size_t t = 0; t < file->count; ++t) {
        BP_TRY(parse_name(&names[t], file, &file->tensors[t]));
        if (names[t].prefix_length != names[0].prefix_length ||
            strncmp(names[t].tensor->name, names[0].tensor->name, names[0].prefix_length) != 0)
            return bp__fail(BP_ERROR_MODEL,
                            "%s: tensors \"%s\" and \"%s\" belong to different modules, one "
                            "nn.Sequential was expected",
                            file->path, names[0].tensor->name, names[t].tensor->name);
    }
    qsort(names, file->count, sizeof *names, by_index);
    return BP_OK;
}

/* Adds one tensor, in the order weights before biases, layer by layer. */
static bp_status add_tensor(found *out, const bp__safetensors *file, const parsed_name *name)
{
    const bp__tensor *tensor = name->tensor;
    char shape[BP__SHAPE_TEXT];
    if (tensor->dimensions != (name->bias ? 1u : 2u))
        return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\" is %s: the %s of a Linear layer has %s",
                        file->path, tensor->name, bp__tensor_shape(shape, tensor),
                        name->bias ? "bias" : "weight",
                        name->bias ? "one dimension" : "two dimensions");
    if (!name->bias) {
        const found_layer *before = out->count ? &out->from[out->count - 1] : NULL;
        if (before && tensor->shape[1] != before->part[BP__PART_WEIGHTS]->shape[0])
            return bp__fail(BP_ERROR_MODEL,
                            "%s: tensor \"%s\" takes %zu inputs, but \"%s\" before it gives %zu",
                            file->path, tensor->name, tensor->shape[1],
                            before->part[BP__PART_WEIGHTS]->name,
                            before->part[BP__PART_WEIGHTS]->shape[0]);
        out->layers[out->count] =
            (bp_layer){.inputs = tensor->shape[1], .outputs = tensor->shape[0]};
        out->from[out->count++] =
            (found_layer){.part = {[BP__PART_WEIGHTS] = tensor}, .index = name->index};
        return BP_OK;
    }
    found_layer *own = out->count ? &out->from[out->count - 1] : NULL;
    if (!own || own->index != name->index)
        return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\" has no weight beside it", file->path,
                        tensor->name);
    if (tensor->shape[0] != own->part[BP__PART_WEIGHTS]->shape[0])
        return bp__fail(BP_ERROR_MODEL,
                        "%s: tensor \"%s\" has %zu elements, but \"%s\" gives %zu outputs",
                        file->path, tensor->name, tensor->shape[0],
                        own->part[BP__PART_WEIGHTS]->name, own->part[BP__PART_WEIGHTS]->shape[0]);
    own->part[BP__PART_BIASES] = tensor;
    out->layers[out->count - 1].bias = 1;
    return BP_OK;
}

static bp_status find_foreign(found *out, const bp__safetensors *file, int32_t activation)
{
    if (file->count == 0) return bp__fail(BP_ERROR_MODEL, "%s: holds no tensors", file->path);
    parsed_name *names = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&names, file->count, sizeof *names));
    BP_TRY_GOTO(parse_names(names, file));
    BP_TRY_GOTO(found_new(out, file->count));
    out->count = 0;
    for (size_t t = 0; t < file->count; ++t) BP_TRY_GOTO(add_tensor(out, file, &names[t]));
    for (size_t l = 0; l < out->count; ++l)
        out->layers[l].activation = l + 1 < out->count ? activation : BP_ACTIVATION_LINEAR;
    out->loss = BP_LOSS_HALF_SQUARED;
    status = bp__layers_check(BP_ERROR_MODEL, out->layers, out->count, out->loss);
    if (status != BP_OK) bp__fail_context(status, "%s", file->path);
fail:
    free(names);
    return status;
}

/* ---- Both ---- */

static bp_status load_schema(bp_model *model, const bp__safetensors *file)
{
    const char *json = bp__safetensors_metadata(file, "backprop.schema");
    if (!json) return BP_OK;
    bp_schema *schema = NULL;
    bp_status status = bp_schema_from_json(&schema, json);
    if (status == BP_OK) status = bp_model_set_schema(model, schema);
    bp_schema_free(schema);
    if (status == BP_OK || status == BP_ERROR_MEMORY) return status;
    /* Whatever is wrong with the schema is wrong with this file. */
    return bp__fail_context(BP_ERROR_MODEL, "%s: \"backprop.schema\"", file->path);
}

static bp_status load_records(bp_model *model, const bp__safetensors *file)
{
    const size_t prefix = sizeof record_prefix - 1;
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(file->header, "__metadata__"), key, value)
    {
        if (strncmp(key, record_prefix, prefix) != 0 || !key[prefix]) continue;
        BP_TRY(bp__model_add_record(model, key + prefix, json_string_value(value)));
    }
    return BP_OK;
}

/* 1 where the metadata say that this library wrote the file: then it must be complete, or damage to
 * one key would silently turn it into a state_dict with other activations. */
static int is_ours(const bp__safetensors *file)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(file->header, "__metadata__"), key, value)
    {
        if (strncmp(key, "backprop.", 9) == 0) return 1;
    }
    return 0;
}

static bp_status build(bp_model **out, const bp__safetensors *file, const found *parts)
{
    bp_model *model = NULL;
    bp_status status;
    BP_TRY(bp__model_new(&model, parts->layers, parts->count, parts->loss));
    model->loss_parameter = parts->loss_parameter;
    for (size_t l = 0; l < parts->count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__tensor *from = parts->from[l].part[part];
            if (from) BP_TRY_GOTO(bp__tensor_values(bp__model_part(model, l, part), file, from));
        }
    BP_TRY_GOTO(load_schema(model, file));
    BP_TRY_GOTO(load_records(model, file));
    *out = model;
    return BP_OK;
fail:
    bp_model_free(model);
    return status;
}

bp_status bp__model_from(bp_model **out, const bp__safetensors *file, int32_t activation)
{
    found parts = {0};
    bp_status status;
    const char *architecture = bp__safetensors_metadata(file, "backprop.architecture");
    if (architecture)
        status = find_ours(&parts, file, architecture);
    else if (is_ours(file))
        status = bp__fail(BP_ERROR_MODEL, "%s: \"backprop.architecture\" is missing", file->path);
    else
        status = find_foreign(&parts, file, activation);
    if (status == BP_OK) status = build(out, file, &parts);
    found_release(&parts);
    return status;
}

bp_status bp_model_load(bp_model **out, const char *path, int32_t activation)
{
    if (!out || !path) return bp__fail(BP_ERROR_ARGUMENT, "bp_model_load: out or path is NULL");
    *out = NULL;
    if (activation == BP_ACTIVATION_AUTO) activation = BP_ACTIVATION_RELU;
    if (!bp_activation_name(activation) || activation == BP_ACTIVATION_SOFTMAX)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_model_load: hidden layers take any activation but softmax");
    bp__safetensors file;
    BP_TRY(bp__safetensors_read(&file, path));
    bp_status status = bp__model_from(out, &file, activation);
    bp__safetensors_release(&file);
    return status;
}
