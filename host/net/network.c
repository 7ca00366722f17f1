/* network.c - lays a network's parameters out in one arena. */
#include "net/network.h"

#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"

/* Gives every tensor its place; *size is the arena's. */
static bp_status lay_out(bp__network *network, size_t *size)
{
    size_t next = 0;
    for (size_t l = 0; l < network->layer_count; ++l) {
        const bp_layer *layer = &network->layers[l];
        bp__layer_views *views = &network->values[l];
        if (!bp__view_place(&views->weights, &next, network->engine, BP__WEIGHTS, layer->outputs,
                            layer->inputs) ||
            (layer->bias &&
             !bp__view_place(&views->bias, &next, network->engine, BP__TABLE, 1, layer->outputs)))
            return bp__fail(BP_ERROR_ARGUMENT,
                            "the network has more parameters than fit in memory");
    }
    *size = next;
    return BP_OK;
}

static void bind(bp__layer_views *to, const bp__layer_views *layout, bp__buffer *buffer)
{
    *to = *layout;
    to->weights.buffer = buffer;
    if (layout->bias.columns) to->bias.buffer = buffer;
}

bp_status bp__network_create(bp__network **out, bp__engine *engine, const bp_model *model,
                             bool training, int32_t optimizer)
{
    *out = NULL;
    bp_model_info info = bp_model_get_info(model);
    bp__network *network = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&network, 1, sizeof *network));
    network->engine = engine;
    network->layer_count = info.layers;
    network->loss = info.loss;
    network->loss_parameter = (double)info.loss_parameter;
    BP_TRY_GOTO(bp__new_array(&network->layers, info.layers, sizeof *network->layers));
    BP_TRY_GOTO(bp__new_array(&network->values, info.layers, sizeof *network->values));
    BP_TRY_GOTO(bp__new_array(&network->slopes, info.layers, sizeof *network->slopes));
    for (size_t l = 0; l < info.layers; ++l) network->layers[l] = bp_model_get_layer(model, l);
    BP_TRY_GOTO(lay_out(network, &network->arena_size));

    const size_t size = network->arena_size;
    BP_TRY_GOTO(bp__buffer_create(engine, &network->parameters, BP__NUMBER, size));
    if (training)
        BP_TRY_GOTO(bp__buffer_create_later(engine, &network->gradients, BP__NUMBER, size));
    if (training && bp__optimizer_of(optimizer)->moments > 0)
        BP_TRY_GOTO(bp__buffer_create(engine, &network->moment1, BP__NUMBER, size));
    if (training && bp__optimizer_of(optimizer)->moments > 1)
        BP_TRY_GOTO(bp__buffer_create(engine, &network->moment2, BP__NUMBER, size));
    for (size_t l = 0; l < info.layers; ++l) {
        bind(&network->slopes[l], &network->values[l], network->gradients);
        bind(&network->values[l], &network->values[l], network->parameters);
    }
    *out = network;
    return BP_OK;
fail:
    bp__network_free(network);
    return status;
}

void bp__network_free(bp__network *network)
{
    if (!network) return;
    bp__buffer_free(network->engine, network->parameters);
    bp__buffer_free(network->engine, network->gradients);
    bp__buffer_free(network->engine, network->moment1);
    bp__buffer_free(network->engine, network->moment2);
    bp__buffer_free(network->engine, network->norms);
    free(network->layers);
    free(network->values);
    free(network->slopes);
    free(network);
}

bp_status bp__network_upload(bp__network *network, const bp_model *model)
{
    /* The accessors hand out pointers for writing; here they are only read. */
    bp_model *source = (bp_model *)(uintptr_t)model;
    for (size_t l = 0; l < network->layer_count; ++l) {
        const bp__layer_views *views = &network->values[l];
        BP_TRY(bp__view_write(network->engine, &views->weights, bp_model_weights(source, l)));
        if (views->bias.buffer)
            BP_TRY(bp__view_write(network->engine, &views->bias, bp_model_biases(source, l)));
    }
    return BP_OK;
}

bp_status bp__network_download(bp__network *network, bp_model *model)
{
    for (size_t l = 0; l < network->layer_count; ++l) {
        const bp__layer_views *views = &network->values[l];
        BP_TRY(bp__view_read(network->engine, &views->weights, bp_model_weights(model, l)));
        if (views->bias.buffer)
            BP_TRY(bp__view_read(network->engine, &views->bias, bp_model_biases(model, l)));
    }
    return BP_OK;
}

bp__view bp__network_arena(const bp__network *network, bp__buffer *buffer)
{
    return (bp__view){
        .buffer = buffer, .rows = 1, .columns = network->arena_size, .stride = network->arena_size};
}
