/* plan.c - writes down the operations of a batch, in order. */
#include "net/plan.h"

#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"

/* A list of operations being written. */
typedef struct op_list {
    bp__op *ops;
    size_t count, capacity;
} op_list;

static bp_status add(op_list *list, bp__op op)
{
    BP_TRY(bp__grow(&list->ops, &list->capacity, list->count + 1, sizeof *list->ops));
    list->ops[list->count++] = op;
    return BP_OK;
}

/* ---- The operations ------------------------------------------------------------------------ */

static bp_status add_gather(op_list *list, const bp__epoch_views *epoch, const bp__view *out,
                            const bp__view *in)
{
    return add(list, (bp__op){.kind = BP__OP_GATHER,
                              .as.gather = {.out = *out,
                                            .in = *in,
                                            .order = epoch->order,
                                            .step = epoch->step,
                                            .period = epoch->period}});
}

/* Room for the weights of a batch, where there are any. */
static bp_status need_weights(bp__plan *plan)
{
    if (!plan->weights.buffer)
        BP_TRY(bp__buffer_create(plan->network->engine, &plan->weights.buffer, BP__NUMBER,
                                 plan->rows));
    plan->weights.rows = plan->rows;
    plan->weights.columns = plan->weights.stride = 1;
    return BP_OK;
}

static bp_status add_batch(op_list *list, bp__plan *plan, const bp__epoch_views *epoch)
{
    if (!epoch->x.buffer) return BP_OK;
    BP_TRY(add_gather(list, epoch, &plan->input, &epoch->x));
    BP_TRY(plan->labels.buffer ? add_gather(list, epoch, &plan->labels, &epoch->labels)
                               : add_gather(list, epoch, &plan->targets, &epoch->targets));
    if (!epoch->weights.buffer) return BP_OK;
    BP_TRY(need_weights(plan));
    return add_gather(list, epoch, &plan->weights, &epoch->weights);
}

/* What layer l drops in a step of training; nothing without. */
static bp__dropout dropout_of(const bp__network *network, size_t l, const bp__epoch_views *epoch,
                              const bp__plan_optimizer *training)
{
    if (!training || !training->dropout || !(network->layers[l].dropout > 0))
        return (bp__dropout){0};
    return (bp__dropout){.rate = (double)network->layers[l].dropout,
                         .hyper = epoch->hyper,
                         .step = epoch->step,
                         .seed = training->seed,
                         .layer = (uint32_t)l + 1};
}

/* How layer l is normalised: by the batch in training, where it is not frozen; otherwise by what
 * has been found. */
static bp__moments moments_of(const bp__plan *plan, size_t l, const bp__plan_optimizer *training)
{
    return (bp__moments){.in = plan->raw[l],
                         .mean = plan->moments[2 * l],
                         .scale = plan->moments[2 * l + 1],
                         .norm = plan->network->layers[l].norm,
                         .known = plan->network->layers[l].norm == BP_NORM_BATCH &&
                                  (!training || training->known_moments ||
                                   l < training->freeze_layers)};
}

static bp_status check_norm(const bp__plan *plan, size_t l, const bp__moments *moments)
{
    if (moments->norm != BP_NORM_BATCH || moments->known || plan->rows > 1) return BP_OK;
    return bp__fail(
        BP_ERROR_ARGUMENT,
        "layer %zu is normalised over the rows of a batch, and a batch of this training has "
        "one row, which is its own mean: it takes data of at least two rows and a batch size of "
        "at least two, or layernorm",
        l);
}

/* for_loss: the last layer gives what the loss takes; otherwise activations, but for softmax, which
 * is an operation of its own. training: with dropout, of the epoch's step; NULL otherwise. */
static bp_status add_forward(op_list *list, bp__plan *plan, bool for_loss,
                             const bp__epoch_views *epoch, const bp__plan_optimizer *training)
{
    const bp__network *network = plan->network;
    for (size_t l = 0; l < network->layer_count; ++l) {
        int32_t activation = network->layers[l].activation;
        const bool nets = for_loss ? bp__loss_takes_nets(network->loss, activation)
                                   : activation == BP_ACTIVATION_SOFTMAX;
        if (l + 1 == network->layer_count && nets) activation = BP_ACTIVATION_LINEAR;
        const bp__view in = l ? plan->activations[l - 1] : plan->input;
        const bp_layer *layer = &network->layers[l];
        const bp__view skip = layer->residual ? in : (bp__view){0};
        const bp__dropout dropout = dropout_of(network, l, epoch, training);
        bp__dense_forward forward = {.out = plan->activations[l],
                                     .in = in,
                                     .weights = network->values[l].weights,
                                     .bias = network->values[l].bias,
                                     .net = plan->nets[l],
                                     .skip = skip,
                                     .dropout = dropout,
                                     .activation = activation};
        const bp__normalize normalize = {.out = forward.out,
                                         .gain = network->values[l].gain,
                                         .shift = network->values[l].shift,
                                         .net = forward.net,
                                         .skip = skip,
                                         .known_mean = network->values[l].mean,
                                         .known_variance = network->values[l].variance,
                                         .moments = moments_of(plan, l, training),
                                         .dropout = dropout,
                                         .activation = activation};
        if (layer->norm != BP_NORM_NONE) {
            BP_TRY(check_norm(plan, l, &normalize.moments));
            forward.out = plan->raw[l];
            forward.net = forward.skip = (bp__view){0};
            forward.dropout = (bp__dropout){0};
            forward.activation = BP_ACTIVATION_LINEAR;
        }
        BP_TRY(add(
            list,
            (bp__op){.kind = BP__OP_DENSE_FORWARD, .layer = l + 1, .as.dense_forward = forward}));
        if (layer->norm != BP_NORM_NONE)
            BP_TRY(
                add(list,
                    (bp__op){.kind = BP__OP_NORMALIZE, .layer = l + 1, .as.normalize = normalize}));
    }
    return BP_OK;
}

/* view as wide as layer l. */
static bp__view as_wide(const bp__plan *plan, bp__view view, size_t l)
{
    view.columns = plan->activations[l].columns;
    view.stride = plan->activations[l].stride; /* panels are the same for all widths */
    return view;
}

static bp__view delta_view(const bp__plan *plan, size_t i, size_t l)
{
    return as_wide(plan, plan->delta[i], l);
}

/* The effects of layer l, where something goes past it; absent otherwise. */
static bp__view effect_view(const bp__plan *plan, size_t l)
{
    return plan->network->layers[l].residual ? as_wide(plan, plan->effect[l % 2], l)
                                             : (bp__view){0};
}

/* Whether the gradients are added to those of other batches. */
static bool is_grouped(const bp__network *network, const bp__plan_optimizer *training)
{
    return network->sums && !training->no_update;
}

/* training: with the last delta, for targets that are smoothed as it says; NULL otherwise. */
static bp_status add_loss(op_list *list, bp__plan *plan, const bp__epoch_views *epoch,
                          const bp__plan_optimizer *training)
{
    const bp__network *network = plan->network;
    const size_t last = network->layer_count - 1;
    /* What is added up has one scale, that of a full batch. */
    const size_t rows = training && is_grouped(network, training) ? epoch->period : plan->rows;
    bp__loss loss = {.row_loss = plan->row_loss,
                     .row_hits = plan->row_hits,
                     .output = plan->activations[last],
                     .labels = plan->labels,
                     .targets = plan->targets,
                     .loss = network->loss,
                     .activation = network->layers[last].activation,
                     .scale = 1 / (double)rows,
                     .smoothing = training ? training->smoothing : 0,
                     .parameter = network->loss_parameter};
    if (training) loss.delta = delta_view(plan, last % 2, last);
    if (epoch->weights.buffer) loss.weights = plan->weights;
    BP_TRY(add(list, (bp__op){.kind = BP__OP_LOSS, .as.loss = loss}));
    return add(list, (bp__op){.kind = BP__OP_REDUCE_LOSS,
                              .as.reduce_loss = {.losses = epoch->losses,
                                                 .hits = epoch->hits,
                                                 .row_loss = plan->row_loss,
                                                 .row_hits = plan->row_hits,
                                                 .step = epoch->step}});
}

/* From the delta of what a layer's function takes to that of its net inputs. */
static bp_status add_norm_backward(op_list *list, bp__plan *plan, size_t l, const bp__view *delta,
                                   const bp__plan_optimizer *training)
{
    const bp__network *network = plan->network;
    if (network->layers[l].norm == BP_NORM_NONE) return BP_OK;
    const bp__norm_gradient gradient = {.gain_gradient = network->slopes[l].gain,
                                        .shift_gradient = network->slopes[l].shift,
                                        .delta = *delta,
                                        .moments = moments_of(plan, l, training)};
    const bp__norm_effect effect = {.delta = *delta,
                                    .gain = network->values[l].gain,
                                    .gain_gradient = gradient.gain_gradient,
                                    .shift_gradient = gradient.shift_gradient,
                                    .moments = gradient.moments};
    BP_TRY(
        add(list,
            (bp__op){.kind = BP__OP_NORM_GRADIENT, .layer = l + 1, .as.norm_gradient = gradient}));
    return add(list,
               (bp__op){.kind = BP__OP_NORM_EFFECT, .layer = l + 1, .as.norm_effect = effect});
}

/* The deltas of all layers share two buffers in turn: layer l's is delta[l % 2]. Their padding is
 * therefore not zero, alone among all matrices, and no kernel may take anything from it: a delta is
 * the K or M side of its products, and the bias gradient drops the sums of padding. */
static bp_status add_backward(op_list *list, bp__plan *plan, const bp__epoch_views *epoch,
                              const bp__plan_optimizer *training)
{
    const bp__network *network = plan->network;
    const size_t frozen = training->freeze_layers;
    for (size_t l = network->layer_count; l-- > frozen;) {
        const bp__view delta = delta_view(plan, l % 2, l);
        const bp__view in = l ? plan->activations[l - 1] : plan->input;
        BP_TRY(add_norm_backward(list, plan, l, &delta, training));
        if (l > frozen) {
            const bp__dense_effect effect = {
                .delta_in = delta_view(plan, (l - 1) % 2, l - 1),
                .delta = delta,
                .weights = network->values[l].weights,
                .in = plan->nets[l - 1].buffer ? plan->nets[l - 1] : in,
                .activation = network->layers[l - 1].activation,
                .dropout = dropout_of(network, l - 1, epoch, training).rate,
                .skip = effect_view(plan, l),
                .effect = effect_view(plan, l - 1)};
            BP_TRY(add(
                list,
                (bp__op){.kind = BP__OP_DENSE_EFFECT, .layer = l + 1, .as.dense_effect = effect}));
        }
        BP_TRY(
            add(list, (bp__op){.kind = BP__OP_DENSE_GRADIENT,
                               .layer = l + 1,
                               .as.dense_gradient = {.weights_gradient = network->slopes[l].weights,
                                                     .bias_gradient = network->slopes[l].bias,
                                                     .delta = delta,
                                                     .in = in}}));
    }
    return BP_OK;
}

/* Stretches of the arena that an update takes. */
typedef struct stretch {
    size_t first, count;
    bool gains; /* gains and shifts, which do not decay */
} stretch;

/* Where the gains of layers that are not frozen begin. */
static size_t gains_from(const bp__network *network, const bp__plan_optimizer *optimizer)
{
    for (size_t l = optimizer->freeze_layers; l < network->layer_count; ++l)
        if (network->values[l].gain.buffer) return network->values[l].gain.offset;
    return network->moments_at;
}

/* Stretches of weights and biases. */
static size_t decaying_of(const bp__network *network, const bp__plan_optimizer *optimizer)
{
    return optimizer->freeze_bias ? network->layer_count - optimizer->freeze_layers : 1;
}

static size_t stretches_of(const bp__network *network, const bp__plan_optimizer *optimizer)
{
    return decaying_of(network, optimizer) +
           (gains_from(network, optimizer) < network->moments_at ? 1 : 0);
}

/* Weights and biases from the first layer that is not frozen, where biases are frozen each layer's
 * weights; then gains and shifts. */
static stretch stretch_of(const bp__network *network, const bp__plan_optimizer *optimizer, size_t i)
{
    const size_t gains = gains_from(network, optimizer);
    if (i == decaying_of(network, optimizer))
        return (stretch){gains, network->moments_at - gains, true};
    const bp__view *weights = &network->values[optimizer->freeze_layers + i].weights;
    return (stretch){weights->offset,
                     optimizer->freeze_bias ? bp__view_extent(weights)
                                            : network->gains_at - weights->offset,
                     false};
}

static bp__view row_of(bp__buffer *buffer, size_t first, size_t count)
{
    return (bp__view){
        .buffer = buffer, .offset = first, .rows = 1, .columns = count, .stride = count};
}

/* What one update takes of every arena. */
static bp_status add_update_of(op_list *list, const bp__network *network,
                               const bp__epoch_views *epoch, const bp__plan_optimizer *optimizer,
                               stretch part, const bp__view *factor)
{
    bp__optimizer update = {.hyper = epoch->hyper,
                            .step = epoch->step,
                            .factor = *factor,
                            .optimizer = optimizer->optimizer,
                            .momentum = optimizer->momentum,
                            .beta1 = optimizer->beta1,
                            .beta2 = optimizer->beta2,
                            .epsilon = optimizer->epsilon,
                            .decay = part.gains ? 0 : optimizer->decay,
                            .l2 = part.gains ? 0 : optimizer->l2,
                            .l1 = part.gains ? 0 : optimizer->l1,
                            .clip = optimizer->clip,
                            .keep_gradients = optimizer->keep_gradients};
    bp__view *const views[] = {&update.parameters, &update.gradients, &update.moment1,
                               &update.moment2};
    bp__buffer *const buffers[] = {network->parameters, network->gradients, network->moment1,
                                   network->moment2};
    for (size_t i = 0; i < sizeof views / sizeof *views; ++i)
        if (buffers[i]) *views[i] = row_of(buffers[i], part.first, part.count);
    return add(list, (bp__op){.kind = BP__OP_OPTIMIZER, .as.optimizer = update});
}

/* Elements whose squares one task or work-group adds up. */
enum { SQUARES_CHUNK = 4096 };

/* The norm of all gradients that are used, and *factor, which keeps it to the limit. */
static bp_status add_clip(op_list *list, bp__network *network, const bp__plan_optimizer *optimizer,
                          bp__view *factor)
{
    if (!(optimizer->clip_norm > 0)) return BP_OK;
    const size_t stretches = stretches_of(network, optimizer);
    const size_t most = network->arena_size / SQUARES_CHUNK + stretches;
    if (!network->norms)
        BP_TRY(bp__buffer_create(network->engine, &network->norms, BP__NUMBER, most + 1));
    size_t sums = 0;
    for (size_t i = 0; i < stretches; ++i) {
        const stretch part = stretch_of(network, optimizer, i);
        const size_t chunks = (part.count + SQUARES_CHUNK - 1) / SQUARES_CHUNK;
        BP_TRY(add(list,
                   (bp__op){.kind = BP__OP_SQUARES,
                            .as.squares = {.out = row_of(network->norms, sums, chunks),
                                           .in = row_of(network->gradients, part.first, part.count),
                                           .chunk = SQUARES_CHUNK}}));
        sums += chunks;
    }
    *factor = row_of(network->norms, most, 1);
    return add(list, (bp__op){.kind = BP__OP_CLIP,
                              .as.clip = {.factor = *factor,
                                          .squares = row_of(network->norms, 0, sums),
                                          .limit = optimizer->clip_norm}});
}

/* Of the layers that learn. */
static bp_status add_max_norm(op_list *list, const bp__network *network,
                              const bp__plan_optimizer *optimizer)
{
    if (!(optimizer->max_norm > 0)) return BP_OK;
    for (size_t l = optimizer->freeze_layers; l < network->layer_count; ++l)
        BP_TRY(add(list, (bp__op){.kind = BP__OP_MAX_NORM,
                                  .layer = l + 1,
                                  .as.max_norm = {.weights = network->values[l].weights,
                                                  .limit = optimizer->max_norm}}));
    return BP_OK;
}

static bp_status add_average(op_list *list, const bp__network *network,
                             const bp__epoch_views *epoch)
{
    const bp__network *averaged = network->averaged;
    if (!averaged) return BP_OK;
    return add(
        list, (bp__op){.kind = BP__OP_AVERAGE,
                       .as.average = {.averages = bp__network_arena(averaged, averaged->parameters),
                                      .parameters = bp__network_arena(network, network->parameters),
                                      .hyper = epoch->hyper,
                                      .step = epoch->step}});
}

/* Of the layers that learn. */
static bp_status add_accumulate(op_list *list, const bp__network *network,
                                const bp__epoch_views *epoch, const bp__plan_optimizer *optimizer)
{
    const size_t first = network->values[optimizer->freeze_layers].weights.offset;
    const size_t count = network->moments_at - first;
    if (!is_grouped(network, optimizer)) return BP_OK;
    return add(list,
               (bp__op){.kind = BP__OP_ACCUMULATE,
                        .as.accumulate = {.sums = row_of(network->sums, first, count),
                                          .gradients = row_of(network->gradients, first, count),
                                          .hyper = epoch->hyper,
                                          .step = epoch->step,
                                          .ends = !optimizer->adds}});
}

static bp_status add_update(op_list *list, bp__plan *plan, const bp__epoch_views *epoch,
                            const bp__plan_optimizer *optimizer)
{
    bp__network *network = plan->network;
    bp__view factor = {0};
    if (optimizer->no_update) return BP_OK;
    BP_TRY(add_accumulate(list, network, epoch, optimizer));
    if (optimizer->adds) return BP_OK;
    BP_TRY(add_clip(list, network, optimizer, &factor));
    for (size_t i = 0; i < stretches_of(network, optimizer); ++i)
        BP_TRY(add_update_of(list, network, epoch, optimizer, stretch_of(network, optimizer, i),
                             &factor));
    BP_TRY(add_max_norm(list, network, optimizer));
    return add_average(list, network, epoch);
}

bp_status bp__plan_train_ops(bp__op **out, size_t *count, bp__plan *plan,
                             const bp__epoch_views *epoch, const bp__plan_optimizer *optimizer)
{
    op_list list = {0};
    bp_status status;
    BP_TRY_GOTO(add_batch(&list, plan, epoch));
    BP_TRY_GOTO(add_forward(&list, plan, true, epoch, optimizer));
    BP_TRY_GOTO(add_loss(&list, plan, epoch, optimizer));
    BP_TRY_GOTO(add_backward(&list, plan, epoch, optimizer));
    BP_TRY_GOTO(add_update(&list, plan, epoch, optimizer));
    *out = list.ops;
    *count = list.count;
    return BP_OK;
fail:
    free(list.ops);
    *out = NULL;
    *count = 0;
    return status;
}

static bp_status make_step(bp__sequence **out, bp__plan *plan, const bp__epoch_views *epoch,
                           const bp__plan_optimizer *optimizer)
{
    bp__op *ops;
    size_t count;
    BP_TRY(bp__plan_train_ops(&ops, &count, plan, epoch, optimizer));
    bp_status status = bp__sequence_create(plan->network->engine, out, ops, count);
    free(ops);
    return status;
}

bp_status bp__plan_make_train(bp__plan *plan, const bp__epoch_views *epoch,
                              const bp__plan_optimizer *optimizer)
{
    bp__plan_optimizer adding = *optimizer;
    adding.adds = true;
    BP_TRY(make_step(&plan->train, plan, epoch, optimizer));
    return plan->network->sums ? make_step(&plan->add, plan, epoch, &adding) : BP_OK;
}

bp_status bp__plan_make_evaluate(bp__plan *plan, const bp__epoch_views *epoch)
{
    op_list list = {0};
    bp_status status;
    BP_TRY_GOTO(add_batch(&list, plan, epoch));
    BP_TRY_GOTO(add_forward(&list, plan, true, epoch, NULL));
    BP_TRY_GOTO(add_loss(&list, plan, epoch, NULL));
    status = bp__sequence_create(plan->network->engine, &plan->evaluate, list.ops, list.count);
fail:
    free(list.ops);
    return status;
}

bp_status bp__plan_make_predict(bp__plan *plan)
{
    const bp__network *network = plan->network;
    const size_t last = network->layer_count - 1;
    op_list list = {0};
    bp_status status;
    BP_TRY_GOTO(add_forward(&list, plan, false, NULL, NULL));
    if (network->layers[last].activation == BP_ACTIVATION_SOFTMAX)
        BP_TRY_GOTO(add(&list, (bp__op){.kind = BP__OP_SOFTMAX,
                                        .as.softmax = {.out = plan->activations[last],
                                                       .in = plan->activations[last]}}));
    status = bp__sequence_create(network->engine, &plan->predict, list.ops, list.count);
fail:
    free(list.ops);
    return status;
}

bp__view bp__plan_output(const bp__plan *plan)
{
    return plan->activations[plan->network->layer_count - 1];
}
