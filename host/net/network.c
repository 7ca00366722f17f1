/* network.c - lays a network's parameters out in one arena. */
#include "net/network.h"

#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"

bp__view *bp__layer_part(bp__layer_views *views, bp__part part)
{
    bp__view *const parts[] = {
        [BP__PART_WEIGHTS] = &views->weights, [BP__PART_BIASES] = &views->bias,
        [BP__PART_GAINS] = &views->gain,      [BP__PART_SHIFTS] = &views->shift,
        [BP__PART_MEANS] = &views->mean,      [BP__PART_VARIANCES] = &views->variance};
    return parts[part];
}

/* Places parts first to last of all layers, layer by layer. */
static bp_status place_parts(bp__network *network, size_t *next, bp__part first, bp__part last)
{
    for (size_t l = 0; l < network->layer_count; ++l)
        for (bp__part part = first; part <= last; ++part) {
            const bp_layer *layer = &network->layers[l];
            if (!bp__layer_has(layer, part)) continue;
            const bool weights = part == BP__PART_WEIGHTS;
            if (!bp__view_place(bp__layer_part(&network->values[l], part), next, network->engine,
                                weights ? BP__WEIGHTS : BP__TABLE, weights ? layer->outputs : 1,
                                weights ? layer->inputs : layer->outputs))
                return bp__fail(BP_ERROR_ARGUMENT,
                                "the network has more parameters than fit in memory");
        }
    return BP_OK;
}

/* Gives every tensor its place: what weight decay is for, what it is not for, what nothing updates.
 */
static bp_status lay_out(bp__network *network)
{
    size_t next = 0;
    BP_TRY(place_parts(network, &next, BP__PART_WEIGHTS, BP__PART_BIASES));
    network->gains_at = next;
    BP_TRY(place_parts(network, &next, BP__PART_GAINS, BP__PART_SHIFTS));
    network->moments_at = next;
    BP_TRY(place_parts(network, &next, BP__PART_MEANS, BP__PART_VARIANCES));
    network->arena_size = next;
    return BP_OK;
}

static void bind(bp__layer_views *to, const bp__layer_views *layout, bp__buffer *buffer,
                 bp__part last)
{
    *to = *layout;
    for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
        bp__view *view = bp__layer_part(to, part);
        if (view->columns && part <= last)
            view->buffer = buffer;
        else
            *view = (bp__view){0};
    }
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
    BP_TRY_GOTO(lay_out(network));

    const size_t size = network->arena_size;
    BP_TRY_GOTO(bp__buffer_create(engine, &network->parameters, BP__NUMBER, size));
    if (training)
        BP_TRY_GOTO(bp__buffer_create_later(engine, &network->gradients, BP__NUMBER, size));
    if (training && bp__optimizer_of(optimizer)->moments > 0)
        BP_TRY_GOTO(bp__buffer_create(engine, &network->moment1, BP__NUMBER, size));
    if (training && bp__optimizer_of(optimizer)->moments > 1)
        BP_TRY_GOTO(bp__buffer_create(engine, &network->moment2, BP__NUMBER, size));
    for (size_t l = 0; l < info.layers; ++l) {
        bind(&network->slopes[l], &network->values[l], network->gradients, BP__LEARNED_PARTS - 1);
        bind(&network->values[l], &network->values[l], network->parameters, BP__PART_COUNT);
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
    bp__network_free(network->averaged);
    bp__buffer_free(network->engine, network->parameters);
    bp__buffer_free(network->engine, network->gradients);
    bp__buffer_free(network->engine, network->moment1);
    bp__buffer_free(network->engine, network->moment2);
    bp__buffer_free(network->engine, network->norms);
    bp__buffer_free(network->engine, network->sums);
    free(network->layers);
    free(network->values);
    free(network->slopes);
    free(network);
}

bp_status bp__network_average(bp__network *network, const bp_model *model)
{
    BP_TRY(bp__network_create(&network->averaged, network->engine, model, false, 0));
    return bp__network_upload(network->averaged, model);
}

/* Where a model has a part. */
static float *part_of(bp_model *model, size_t layer, bp__part part)
{
    static float *(*const accessors[])(bp_model *, size_t) = {
        [BP__PART_WEIGHTS] = bp_model_weights, [BP__PART_BIASES] = bp_model_biases,
        [BP__PART_GAINS] = bp_model_gains,     [BP__PART_SHIFTS] = bp_model_shifts,
        [BP__PART_MEANS] = bp_model_means,     [BP__PART_VARIANCES] = bp_model_variances};
    return accessors[part](model, layer);
}

bp_status bp__network_upload(bp__network *network, const bp_model *model)
{
    /* The accessors hand out pointers for writing; here they are only read. */
    bp_model *source = (bp_model *)(uintptr_t)model;
    for (size_t l = 0; l < network->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__view *view = bp__layer_part(&network->values[l], part);
            if (view->buffer)
                BP_TRY(bp__view_write(network->engine, view, part_of(source, l, part)));
        }
    return BP_OK;
}

bp_status bp__network_download(bp__network *network, bp_model *model)
{
    for (size_t l = 0; l < network->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__view *view = bp__layer_part(&network->values[l], part);
            if (view->buffer) BP_TRY(bp__view_read(network->engine, view, part_of(model, l, part)));
        }
    return BP_OK;
}

bp__view bp__network_arena(const bp__network *network, bp__buffer *buffer)
{
    return (bp__view){
        .buffer = buffer, .rows = 1, .columns = network->arena_size, .stride = network->arena_size};
}
