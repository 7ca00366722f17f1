/* plan_memory.c - the memory of a batch: activations, deltas, and what slopes and norms are taken
 * from. */
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "net/plan.h"

/* Whether the effects of the layer after need something else of this one than its activations: its
 * net inputs, or its outputs without what has gone past it. The last layer's are used up by the
 * loss. */
static bool keeps_nets(const bp__network *network, size_t layer)
{
    return layer + 1 < network->layer_count &&
           (bp__activation(network->layers[layer].activation)->of_net ||
            network->layers[layer].residual);
}

/* What a layer with a norm has beside other layers: net inputs and moments. */
static bool reserve_norm(bp__plan *plan, size_t l, size_t *numbers)
{
    const bp_layer *layer = &plan->network->layers[l];
    const bp__engine *engine = plan->network->engine;
    if (layer->norm == BP_NORM_NONE) return true;
    const size_t moments = layer->norm == BP_NORM_LAYER ? plan->rows : layer->outputs;
    return bp__view_place(&plan->raw[l], numbers, engine, BP__BATCH, plan->rows, layer->outputs) &&
           bp__view_place(&plan->moments[2 * l], numbers, engine, BP__TABLE, 1, moments) &&
           bp__view_place(&plan->moments[2 * l + 1], numbers, engine, BP__TABLE, 1, moments);
}

/* Reserves the batch's views; they get their buffers afterwards. false on overflow. */
static bool reserve_batch(bp__plan *plan, size_t *numbers, bool labels, bool training)
{
    const bp__network *network = plan->network;
    const bp__engine *engine = network->engine;
    const size_t rows = plan->rows;
    const size_t outputs = network->layers[network->layer_count - 1].outputs;
    bool ok =
        bp__view_place(&plan->input, numbers, engine, BP__BATCH, rows, network->layers[0].inputs);
    size_t widest = 1, widest_residual = 0;
    for (size_t l = 0; l < network->layer_count; ++l) {
        const size_t width = network->layers[l].outputs;
        if (width > widest) widest = width;
        if (network->layers[l].residual && width > widest_residual) widest_residual = width;
        ok = ok && bp__view_place(&plan->activations[l], numbers, engine, BP__BATCH, rows, width);
        if (training && keeps_nets(network, l))
            ok = ok && bp__view_place(&plan->nets[l], numbers, engine, BP__BATCH, rows, width);
        ok = ok && reserve_norm(plan, l, numbers);
    }
    for (int i = 0; training && i < 2; ++i)
        ok = ok && bp__view_place(&plan->delta[i], numbers, engine, BP__BATCH, rows, widest);
    for (int i = 0; training && widest_residual && i < 2; ++i)
        ok = ok &&
             bp__view_place(&plan->effect[i], numbers, engine, BP__BATCH, rows, widest_residual);
    return ok &&
           (labels || bp__view_place(&plan->targets, numbers, engine, BP__BATCH, rows, outputs));
}

static bool reserve_losses(bp__plan *plan, size_t *numbers)
{
    const bp__engine *engine = plan->network->engine;
    return bp__view_place(&plan->row_loss, numbers, engine, BP__TABLE, 1, plan->rows) &&
           bp__view_place(&plan->row_hits, numbers, engine, BP__TABLE, 1, plan->rows);
}

static bp_status too_many_rows(size_t rows)
{
    return bp__fail(BP_ERROR_ARGUMENT, "a batch of %zu rows does not fit in memory", rows);
}

static bp_status new_plan(bp__plan **out, bp__network *network, size_t rows)
{
    bp__plan *plan = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&plan, 1, sizeof *plan));
    plan->network = network;
    plan->rows = rows;
    BP_TRY_GOTO(bp__new_array(&plan->activations, network->layer_count, sizeof(bp__view)));
    BP_TRY_GOTO(bp__new_array(&plan->nets, network->layer_count, sizeof(bp__view)));
    BP_TRY_GOTO(bp__new_array(&plan->raw, network->layer_count, sizeof(bp__view)));
    BP_TRY_GOTO(bp__new_array(&plan->moments, 2 * network->layer_count, sizeof(bp__view)));
    *out = plan;
    return BP_OK;
fail:
    bp__plan_free(plan);
    return status;
}

bp_status bp__plan_create(bp__plan **out, bp__network *network, size_t rows, bool labels,
                          bool training)
{
    *out = NULL;
    bp__plan *plan = NULL;
    bp_status status;
    BP_TRY(new_plan(&plan, network, rows));
    size_t numbers = 0;
    if (!reserve_batch(plan, &numbers, labels, training) || !reserve_losses(plan, &numbers)) {
        status = too_many_rows(rows);
        goto fail;
    }
    BP_TRY_GOTO(bp__buffer_create(network->engine, &plan->numbers, BP__NUMBER, numbers));
    plan->number_count = numbers;
    plan->input.buffer = plan->numbers;
    for (size_t l = 0; l < network->layer_count; ++l) {
        plan->activations[l].buffer = plan->numbers;
        if (plan->nets[l].columns) plan->nets[l].buffer = plan->numbers;
        bp__view *const norm[] = {&plan->raw[l], &plan->moments[2 * l], &plan->moments[2 * l + 1]};
        for (size_t i = 0; i < sizeof norm / sizeof *norm; ++i)
            if (norm[i]->columns) norm[i]->buffer = plan->numbers;
    }
    for (int i = 0; training && i < 2; ++i) {
        plan->delta[i].buffer = plan->numbers;
        if (plan->effect[i].columns) plan->effect[i].buffer = plan->numbers;
    }
    plan->row_loss.buffer = plan->row_hits.buffer = plan->numbers;
    if (labels) {
        BP_TRY_GOTO(bp__buffer_create(network->engine, &plan->integers, BP__INTEGER, rows));
        plan->labels =
            (bp__view){.buffer = plan->integers, .rows = rows, .columns = 1, .stride = 1};
    } else {
        plan->targets.buffer = plan->numbers;
    }
    *out = plan;
    return BP_OK;
fail:
    bp__plan_free(plan);
    return status;
}

bp_status bp__plan_create_part(bp__plan **out, const bp__plan *whole, size_t rows)
{
    *out = NULL;
    bp__network *network = whole->network;
    bp__plan *plan = NULL;
    bp_status status;
    BP_TRY(new_plan(&plan, network, rows));
    plan->input = bp__view_rows(&whole->input, 0, rows);
    for (size_t l = 0; l < network->layer_count; ++l) {
        plan->activations[l] = bp__view_rows(&whole->activations[l], 0, rows);
        plan->nets[l] = bp__view_rows(&whole->nets[l], 0, rows);
        plan->raw[l] = bp__view_rows(&whole->raw[l], 0, rows);
        for (size_t i = 2 * l; i < 2 * l + 2; ++i) {
            plan->moments[i] = whole->moments[i];
            if (network->layers[l].norm == BP_NORM_LAYER) plan->moments[i].columns = rows;
        }
    }
    for (int i = 0; i < 2; ++i) {
        plan->delta[i] = bp__view_rows(&whole->delta[i], 0, rows);
        plan->effect[i] = bp__view_rows(&whole->effect[i], 0, rows);
    }
    plan->labels = bp__view_rows(&whole->labels, 0, rows);
    plan->targets = bp__view_rows(&whole->targets, 0, rows);
    size_t numbers = 0;
    if (!reserve_losses(plan, &numbers)) {
        status = too_many_rows(rows);
        goto fail;
    }
    BP_TRY_GOTO(bp__buffer_create(network->engine, &plan->numbers, BP__NUMBER, numbers));
    plan->number_count = numbers;
    plan->row_loss.buffer = plan->row_hits.buffer = plan->numbers;
    *out = plan;
    return BP_OK;
fail:
    bp__plan_free(plan);
    return status;
}

void bp__plan_free(bp__plan *plan)
{
    if (!plan) return;
    bp__engine *engine = plan->network->engine;
    bp__sequence_free(engine, plan->train);
    bp__sequence_free(engine, plan->add);
    bp__sequence_free(engine, plan->evaluate);
    bp__sequence_free(engine, plan->predict);
    bp__buffer_free(engine, plan->numbers);
    bp__buffer_free(engine, plan->integers);
    bp__buffer_free(engine, plan->weights.buffer);
    free(plan->activations);
    free(plan->nets);
    free(plan->raw);
    free(plan->moments);
    free(plan);
}
