/* architecture.c - from what someone asks for to layers and a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "base/options.h"
#include "data/data.h"
#include "model/model.h"

bp_model_options bp_model_options_default(void)
{
    bp_model_options options = {
        .size = sizeof options,
        .hidden = "128",
        .activation = BP_ACTIVATION_RELU,
        .output_activation = BP_ACTIVATION_AUTO,
        .loss = BP_LOSS_AUTO,
        .bias = 1,
        .init = BP_INIT_AUTO,
        .init_range = 0.5f,
        .seed = 1,
    };
    return options;
}

/* *out = the given options, the fields that an older program does not know at their defaults. */
static bp_status options_read(bp_model_options *out, const bp_model_options *given)
{
    *out = bp_model_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_model_options"));
    if (!bp_init_name(out->init))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown init %d", (int)out->init);
    if (!(out->init_range >= 0) || !isfinite(out->init_range))
        return bp__fail(BP_ERROR_ARGUMENT, "init_range is %g, a finite number >= 0 is needed",
                        (double)out->init_range);
    if (!bp_loss_name(out->loss))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown loss %d", (int)out->loss);
    if (!bp_activation_name(out->output_activation))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown output activation %d",
                        (int)out->output_activation);
    return BP_OK;
}

/* A loss that is taken with its activation from the net inputs needs that one, and softmax a loss
 * that knows of it. */
static bp_status check_output(bp_status status, int32_t output, int32_t loss)
{
    const int32_t wanted = bp__loss_of(loss)->output;
    if (wanted != BP_ACTIVATION_AUTO && output != wanted)
        return bp__fail(
            status,
            "the loss %s needs the output activation %s, not %s: choose %s, or the loss "
            "half_squared",
            bp_loss_name(loss), bp_activation_name(wanted), bp_activation_name(output),
            bp_activation_name(wanted));
    if (output == BP_ACTIVATION_SOFTMAX && wanted != BP_ACTIVATION_SOFTMAX)
        return bp__fail(
            status,
            "the output activation softmax needs the loss cross_entropy, not %s: choose "
            "cross_entropy, or the output activation sigmoid or linear",
            bp_loss_name(loss));
    return BP_OK;
}

bp_status bp__layers_check(bp_status status, const bp_layer *layers, size_t count, int32_t loss)
{
    for (size_t l = 0; l < count; ++l) {
        const bp_layer *layer = &layers[l];
        if (layer->inputs == 0 || layer->outputs == 0 || layer->inputs > BP__LARGEST_WIDTH ||
            layer->outputs > BP__LARGEST_WIDTH)
            return bp__fail(
                status, "layer %zu has %zu inputs and %zu outputs, 1 to %d of each are possible", l,
                layer->inputs, layer->outputs, (int)BP__LARGEST_WIDTH);
        if (l > 0 && layer->inputs != layers[l - 1].outputs)
            return bp__fail(status, "layer %zu has %zu inputs, but layer %zu has %zu outputs", l,
                            layer->inputs, l - 1, layers[l - 1].outputs);
        if (layer->activation == BP_ACTIVATION_AUTO || !bp_activation_name(layer->activation))
            return bp__fail(status, "layer %zu: unknown activation %d", l, (int)layer->activation);
        if (layer->activation == BP_ACTIVATION_SOFTMAX && l + 1 < count)
            return bp__fail(status,
                            "layer %zu: softmax is for the output layer only; hidden layers take "
                            "any other activation, relu for one",
                            l);
        if (layer->bias != 0 && layer->bias != 1)
            return bp__fail(status, "layer %zu: bias is %d, 0 or 1 is needed", l, (int)layer->bias);
        if (!(layer->dropout >= 0 && layer->dropout < 1))
            return bp__fail(status, "layer %zu: dropout is %g, 0 <= it < 1 is needed", l,
                            (double)layer->dropout);
        if (layer->residual != 0 && layer->residual != 1)
            return bp__fail(status, "layer %zu: residual is %d, 0 or 1 is needed", l,
                            (int)layer->residual);
        if (layer->residual && layer->inputs != layer->outputs)
            return bp__fail(
                status,
                "layer %zu is residual: its inputs are added to its outputs, which must be "
                "as many; it has %zu inputs and %zu outputs",
                l, layer->inputs, layer->outputs);
        if (!bp_norm_name(layer->norm))
            return bp__fail(status, "layer %zu: unknown norm %d", l, (int)layer->norm);
        if (l + 1 == count && (layer->dropout > 0 || layer->residual || layer->norm))
            return bp__fail(status, "layer %zu is the output layer, which has no %s", l,
                            layer->norm       ? bp_norm_name(layer->norm)
                            : layer->residual ? "residual connection"
                                              : "dropout");
    }
    return check_output(status, layers[count - 1].activation, loss);
}

bp_status bp__loss_parameter(float *out, bp_status status, int32_t loss, double given)
{
    const double standard = bp__loss_of(loss)->parameter;
    *out = (float)(given != 0 ? given : standard);
    if (given == 0) return BP_OK;
    if (standard == 0)
        return bp__fail(status, "the loss %s has no parameter: huber and quantile have one",
                        bp_loss_name(loss));
    if (!(given > 0) || !isfinite(given) || (loss == BP_LOSS_QUANTILE && !(given < 1)))
        return bp__fail(status, "the parameter of the loss %s is %g, a number %s is needed",
                        bp_loss_name(loss), given,
                        loss == BP_LOSS_QUANTILE ? "between 0 and 1" : "above 0");
    return BP_OK;
}

size_t bp__layer_torch_index(const bp_layer *layers, size_t layer)
{
    size_t index = 0;
    for (size_t l = 0; l < layer; ++l)
        index += layers[l].residual
                     ? 1u
                     : 1u + (layers[l].norm != BP_NORM_NONE) +
                           (layers[l].activation != BP_ACTIVATION_LINEAR) + (layers[l].dropout > 0);
    return index;
}

void bp__layer_tensor_name(char name[BP__TENSOR_NAME], const bp_layer *layers, size_t layer,
                           bp__part part)
{
    static const char *const names[] = {
        [BP__PART_WEIGHTS] = "weight",     [BP__PART_BIASES] = "bias",
        [BP__PART_GAINS] = "weight",       [BP__PART_SHIFTS] = "bias",
        [BP__PART_MEANS] = "running_mean", [BP__PART_VARIANCES] = "running_var"};
    const size_t index = bp__layer_torch_index(layers, layer), module = part >= BP__PART_GAINS;
    if (layers[layer].residual)
        snprintf(name, BP__TENSOR_NAME, "%zu.%zu.%s", index, module, names[part]);
    else
        snprintf(name, BP__TENSOR_NAME, "%zu.%s", index + module, names[part]);
}

/* AUTO takes what goes with what is named: softmax and cross-entropy come together, and so does bce
 * with sigmoid. Where nothing is named, classes get the former, and numbers a linear output with
 * half squared error. */
static void resolve_output(int32_t *activation, int32_t *loss, int classes)
{
    if (*loss == BP_LOSS_AUTO && *activation == BP_ACTIVATION_AUTO)
        *loss = classes ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED;
    if (*loss == BP_LOSS_AUTO)
        *loss = *activation == BP_ACTIVATION_SOFTMAX ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED;
    if (*activation == BP_ACTIVATION_AUTO) *activation = bp__loss_of(*loss)->output;
    if (*activation == BP_ACTIVATION_AUTO)
        *activation = classes ? BP_ACTIVATION_SIGMOID : BP_ACTIVATION_LINEAR;
}

static bp_status check_data(const bp_data *data, const bp_data_info *info)
{
    if (!data) return bp__fail(BP_ERROR_ARGUMENT, "bp_model_create: data is NULL");
    if (!info->encoded)
        return bp__fail(BP_ERROR_DATA, "the data is raw: a model is made for encoded data "
                                       "(bp_schema_learn, bp_schema_apply)");
    if (info->features == 0) return bp__fail(BP_ERROR_DATA, "the data has no features");
    if (info->outputs == 0 || info->task == BP_TASK_AUTO)
        return bp__fail(BP_ERROR_DATA, "the data has no target to learn");
    return BP_OK;
}

/* What is not asked for is as in the model to start from, where that has the same outputs. */
static void take_output(bp_model_options *options, const bp_model *source, size_t outputs)
{
    const bp_layer *last = &source->layers[source->layer_count - 1];
    if (last->outputs != outputs) return;
    if (options->loss == BP_LOSS_AUTO && options->output_activation == BP_ACTIVATION_AUTO) {
        options->loss = source->loss;
        if (options->loss_parameter == 0 && bp__loss_of(source->loss)->parameter != 0)
            options->loss_parameter = source->loss_parameter;
    }
    if (options->loss == source->loss && options->output_activation == BP_ACTIVATION_AUTO)
        options->output_activation = last->activation;
}

/* As bp__hidden_read, from a model. */
static bp_status hidden_copy(bp_layer **out, size_t *count, const bp_model *source, float dropout)
{
    *count = source->layer_count - 1;
    BP_TRY(bp__new_array(out, source->layer_count, sizeof **out));
    memcpy(*out, source->layers, *count * sizeof **out);
    for (size_t l = 0; l < *count; ++l)
        if ((*out)[l].dropout == 0) (*out)[l].dropout = dropout;
    return BP_OK;
}

bp_status bp_model_create(bp_model **out, const bp_data *data, const bp_model_options *given)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_model_create: out is NULL");
    *out = NULL;
    bp_data_info info = {0};
    if (data) info = bp_data_get_info(data);
    BP_TRY(check_data(data, &info));
    bp_model_options options;
    BP_TRY(options_read(&options, given));
    if (options.activation == BP_ACTIVATION_AUTO) options.activation = BP_ACTIVATION_RELU;
    const bp_model *source = options.init_from;
    if (source && source->layers[0].inputs != info.features)
        return bp__fail(BP_ERROR_MODEL,
                        "the model to start from has %zu inputs, the data %zu features: the same "
                        "columns are needed",
                        source->layers[0].inputs, info.features);
    if (source) take_output(&options, source, info.outputs);
    resolve_output(&options.output_activation, &options.loss, info.task == BP_TASK_CLASSIFY);
    if (options.output_activation == BP_ACTIVATION_SOFTMAX && info.outputs == 1)
        return bp__fail(BP_ERROR_ARGUMENT, "softmax of a single output is always 1: choose the "
                                           "output activation sigmoid or linear and the loss "
                                           "half_squared");
    bp_layer *layers = NULL;
    size_t hidden;
    bp_model *model = NULL;
    bp_status status;
    const bp_layer like = {.activation = options.activation, .dropout = options.dropout};
    BP_TRY(source ? hidden_copy(&layers, &hidden, source, options.dropout)
                  : bp__hidden_read(&layers, &hidden, options.hidden, &like));
    layers[hidden].outputs = info.outputs;
    layers[hidden].activation = options.output_activation;
    for (size_t l = 0; l <= hidden; ++l) {
        layers[l].inputs = l ? layers[l - 1].outputs : info.features;
        layers[l].bias = source && l < hidden ? source->layers[l].bias : options.bias;
    }
    BP_TRY_GOTO(bp__layers_check(BP_ERROR_ARGUMENT, layers, hidden + 1, options.loss));
    BP_TRY_GOTO(bp__model_new(&model, layers, hidden + 1, options.loss));
    BP_TRY_GOTO(bp__loss_parameter(&model->loss_parameter, BP_ERROR_ARGUMENT, options.loss,
                                   (double)options.loss_parameter));
    BP_TRY_GOTO(bp__model_init(model, options.init, options.init_range, options.seed));
    if (options.init_from) bp__model_take(model, options.init_from);
    if (bp__data_schema(data)) BP_TRY_GOTO(bp_model_set_schema(model, bp__data_schema(data)));
    free(layers);
    *out = model;
    return BP_OK;
fail:
    free(layers);
    bp_model_free(model);
    return status;
}

bp_status bp_model_create_layers(bp_model **out, const bp_layer *layers, size_t count,
                                 const bp_model_options *given)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_model_create_layers: out is NULL");
    *out = NULL;
    if (!layers || count == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_model_create_layers: at least one layer is needed");
    bp_model_options options;
    BP_TRY(options_read(&options, given));
    int32_t output = layers[count - 1].activation;
    if (options.output_activation != BP_ACTIVATION_AUTO && options.output_activation != output)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "the options' output activation %s is not that of the last layer",
                        bp_activation_name(options.output_activation));
    if (options.loss == BP_LOSS_AUTO) resolve_output(&output, &options.loss, 0);
    BP_TRY(bp__layers_check(BP_ERROR_ARGUMENT, layers, count, options.loss));
    float parameter;
    BP_TRY(bp__loss_parameter(&parameter, BP_ERROR_ARGUMENT, options.loss,
                              (double)options.loss_parameter));
    BP_TRY(bp__model_new(out, layers, count, options.loss));
    (*out)->loss_parameter = parameter;
    bp_status status = bp__model_init(*out, options.init, options.init_range, options.seed);
    if (status == BP_OK) return BP_OK;
    bp_model_free(*out);
    *out = NULL;
    return status;
}
