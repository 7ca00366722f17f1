/* glass.c - a batch on the reference engine, and central differences through its own operations. */
#include "explain/glass.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "reference/reference.h"

bp_status bp__glass_create(bp__glass **out, const bp_model *model, size_t rows, bool labels,
                           const bp__glass_how *how)
{
    *out = NULL;
    bp__glass *glass = NULL;
    bp_status status;
    const bp__plan_optimizer optimizer = {.optimizer = BP_OPTIMIZER_SGD,
                                          .freeze_bias = how->freeze_bias,
                                          .known_moments = how->known_moments,
                                          .dropout = how->dropout != NULL,
                                          .seed = how->dropout ? *how->dropout : 0};
    BP_TRY(bp__new_array(&glass, 1, sizeof *glass));
    BP_TRY_GOTO(bp__reference_engine_create(&glass->engine));
    BP_TRY_GOTO(bp__network_create(&glass->network, glass->engine, model, true, BP_OPTIMIZER_SGD));
    BP_TRY_GOTO(bp__network_upload(glass->network, model));
    BP_TRY_GOTO(bp__pass_create(&glass->pass, glass->engine, NULL, 1, true));
    BP_TRY_GOTO(bp__plan_create(&glass->plan, glass->network, rows, labels, true));
    BP_TRY_GOTO(bp__plan_train_ops(&glass->ops, &glass->op_count, glass->plan, &glass->pass->views,
                                   &optimizer));
    *out = glass;
    return BP_OK;
fail:
    bp__glass_free(glass);
    return status;
}

void bp__glass_free(bp__glass *glass)
{
    if (!glass) return;
    if (glass->engine) bp__sequence_free(glass->engine, glass->forward);
    bp__plan_free(glass->plan);
    bp__pass_free(glass->pass);
    bp__network_free(glass->network);
    bp__engine_free(glass->engine);
    free(glass->ops);
    free(glass);
}

double *bp__glass_numbers(const bp__view *view)
{
    return view->buffer ? bp__reference_numbers(view->buffer) + view->offset : NULL;
}

void bp__glass_load(bp__glass *glass, const bp__batch *batch)
{
    const bp__plan *plan = glass->plan;
    const size_t outputs = plan->activations[glass->network->layer_count - 1].columns;
    double *to = bp__glass_numbers(&plan->input);
    for (size_t i = 0; i < plan->rows * plan->input.columns; ++i) to[i] = (double)batch->x[i];
    if (plan->labels.buffer) {
        (void)bp__view_write(glass->engine, &plan->labels, batch->labels);
        return;
    }
    to = bp__glass_numbers(&plan->targets);
    for (size_t i = 0; i < plan->rows * outputs; ++i)
        to[i] = batch->labels ? (size_t)batch->labels[i / outputs] == i % outputs
                              : (double)batch->targets[i];
}

bp_status bp__glass_run(bp__glass *glass, bp__sequence *sequence)
{
    BP_TRY(bp__pass_seek(glass->pass, 0));
    return bp__sequence_run(glass->engine, sequence, 1);
}

double bp__glass_last_error(const bp__glass *glass)
{
    return bp__reference_numbers(glass->pass->losses)[0] / (double)glass->plan->rows;
}

/* The forward half of ops[from…], up to the error, without the delta that training takes from it;
 * *count becomes its length. */
static bp_status forward_ops(bp__op **out, size_t *count, const bp__glass *glass, size_t from)
{
    bp__op *ops = NULL;
    BP_TRY(bp__new_array(&ops, glass->op_count, sizeof *ops));
    size_t length = 0;
    for (size_t i = from; i < glass->op_count; ++i) {
        bp__op op = glass->ops[i];
        if (op.kind == BP__OP_LOSS) op.as.loss.delta.buffer = NULL;
        ops[length++] = op;
        if (op.kind == BP__OP_REDUCE_LOSS) break;
    }
    *out = ops;
    *count = length;
    return BP_OK;
}

bp_status bp__glass_error(bp__glass *glass, double *error)
{
    if (!glass->forward) {
        bp__op *ops;
        size_t count;
        BP_TRY(forward_ops(&ops, &count, glass, 0));
        bp_status status = bp__sequence_create(glass->engine, &glass->forward, ops, count);
        free(ops);
        BP_TRY(status);
    }
    BP_TRY(bp__glass_run(glass, glass->forward));
    *error = bp__glass_last_error(glass);
    return BP_OK;
}

size_t bp__glass_forward_op(const bp__glass *glass, size_t layer)
{
    const bp__view *weights = &glass->network->values[layer].weights;
    for (size_t i = 0; i < glass->op_count; ++i)
        if (glass->ops[i].kind == BP__OP_DENSE_FORWARD &&
            glass->ops[i].as.dense_forward.weights.offset == weights->offset)
            return i;
    return glass->op_count;
}

/* ---- Central differences ----------------------------------------------------------------------
 */

static bp__view column(const bp__view *view, size_t k)
{
    bp__view one = *view;
    one.offset += k;
    one.columns = 1;
    return one;
}

/* Of the forward operations from `from` on. The batch must have gone forward with the present
 * parameters; ops are released. */
static bp_status probe_of(bp__probe **out, bp__glass *glass, bp__op *ops, size_t count)
{
    bp__probe *probe = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&probe, 1, sizeof *probe));
    probe->glass = glass;
    BP_TRY_GOTO(bp__sequence_create(glass->engine, &probe->sequence, ops, count));
    BP_TRY_GOTO(bp__glass_run(glass, probe->sequence));
    probe->error = bp__glass_last_error(glass);
    free(ops);
    *out = probe;
    return BP_OK;
fail:
    free(ops);
    if (probe) bp__sequence_free(glass->engine, probe->sequence);
    free(probe);
    return status;
}

/* For the weights and the bias of one unit. */
static bp_status probe_create(bp__probe **out, bp__glass *glass, size_t layer, size_t unit)
{
    *out = NULL;
    bp__op *ops = NULL;
    size_t count;
    const size_t from = bp__glass_forward_op(glass, layer);
    if (from == glass->op_count)
        return bp__fail(BP_ERROR_INTERNAL, "no operation goes forward through layer %zu", layer);
    BP_TRY(forward_ops(&ops, &count, glass, from));
    bp__dense_forward *own = &ops[0].as.dense_forward;
    own->out = column(&own->out, unit);
    if (own->net.buffer) own->net = column(&own->net, unit);
    if (own->skip.buffer) own->skip = column(&own->skip, unit);
    own->dropout.unit += (uint32_t)unit;
    own->weights = bp__view_rows(&own->weights, unit, 1);
    if (own->bias.buffer) own->bias = column(&own->bias, unit);
    return probe_of(out, glass, ops, count);
}

/* For the gains and shifts of a layer, whose norm comes after its net inputs. */
static bp_status norm_probe_create(bp__probe **out, bp__glass *glass, size_t layer)
{
    *out = NULL;
    bp__op *ops = NULL;
    size_t count;
    BP_TRY(forward_ops(&ops, &count, glass, bp__glass_forward_op(glass, layer) + 1));
    return probe_of(out, glass, ops, count);
}

/* Leaves the activations as they are with the present parameters. */
static void probe_free(bp__probe *probe)
{
    if (!probe) return;
    (void)bp__glass_run(probe->glass, probe->sequence);
    bp__sequence_free(probe->glass->engine, probe->sequence);
    free(probe);
}

static bp_status error_at(bp__probe *probe, double *error, double *w, double value)
{
    *w = value;
    BP_TRY(bp__glass_run(probe->glass, probe->sequence));
    *error = bp__glass_last_error(probe->glass);
    return BP_OK;
}

bp_status bp__probe_run(bp__probe *probe, bp__difference *out, double *w, double h)
{
    const double value = *w;
    /* Volatile: the distance of the two numbers that are used, not the one that was meant. */
    const volatile double high = value + h, low = value - h;
    double up = NAN, down = NAN;
    bp_status status = error_at(probe, &up, w, high);
    if (status == BP_OK) status = error_at(probe, &down, w, low);
    *w = value;
    *out = (bp__difference){.central = (up - down) / (high - low),
                            .above = (up - probe->error) / (high - value),
                            .below = (probe->error - down) / (value - low)};
    return status;
}

double bp__probe_width(double w)
{
    return 1e-5 * fmax(1, fabs(w));
}

/* Multiply-adds of one bp__probe_run in `layer`. */
static double probe_cost(const bp__glass *glass, size_t layer)
{
    const bp__network *network = glass->network;
    double cost = (double)network->layers[layer].inputs;
    for (size_t l = layer + 1; l < network->layer_count; ++l)
        cost += (double)network->layers[l].inputs * (double)network->layers[l].outputs;
    return 2 * (double)glass->plan->rows * cost;
}

/* Every how many-th parameter is taken, so that the work stays within bounds. */
static size_t probe_stride(const bp__glass *glass, double allowed)
{
    const bp__network *network = glass->network;
    double work = 0;
    for (size_t l = 0; l < network->layer_count; ++l) {
        const bp_layer *layer = &network->layers[l];
        work +=
            ((double)layer->inputs + layer->bias) * (double)layer->outputs * probe_cost(glass, l);
    }
    return work <= allowed ? 1 : (size_t)fmin(ceil(work / allowed), 1e15);
}

/* A layer's gains and shifts, through its norm and everything after it. */
static bp_status probe_norm(bp__glass *glass, size_t layer, size_t stride, bp__probe_visit visit,
                            void *user)
{
    bp__layer_views *values = &glass->network->values[layer];
    if (!values->gain.buffer) return BP_OK;
    double *parameters = bp__reference_numbers(glass->network->parameters);
    bp__probe *probe = NULL;
    bp_status status = norm_probe_create(&probe, glass, layer);
    for (bp__part part = BP__PART_GAINS; part <= BP__PART_SHIFTS; ++part)
        for (size_t k = 0; k < values->gain.columns && status == BP_OK; k += stride) {
            const size_t at = bp__layer_part(values, part)->offset + k;
            status = visit(user, probe, layer, at, &parameters[at]);
        }
    probe_free(probe);
    return status;
}

/* The unit's parameters: its weights, then its bias. Which are taken is counted through the layer.
 */
static bp_status probe_unit(bp__glass *glass, size_t layer, size_t unit, size_t stride,
                            bp__probe_visit visit, void *user)
{
    const bp__layer_views *values = &glass->network->values[layer];
    const size_t inputs = values->weights.columns;
    const size_t count = inputs + (values->bias.buffer ? 1 : 0);
    const size_t skipped = unit * count % stride;
    double *parameters = bp__reference_numbers(glass->network->parameters);
    bp__probe *probe = NULL;
    bp_status status = BP_OK;
    for (size_t i = skipped ? stride - skipped : 0; i < count && status == BP_OK; i += stride) {
        const size_t at =
            i < inputs ? values->weights.offset + unit * inputs + i : values->bias.offset + unit;
        if (!probe) status = probe_create(&probe, glass, layer, unit);
        if (status == BP_OK) status = visit(user, probe, layer, at, &parameters[at]);
    }
    probe_free(probe);
    return status;
}

bp_status bp__glass_probe(bp__glass *glass, double work, bp__probe_visit visit, void *user)
{
    if (!(work > 0)) return BP_OK;
    const bp__network *network = glass->network;
    const size_t stride = probe_stride(glass, work);
    double error;
    BP_TRY(bp__glass_error(glass, &error));
    for (size_t l = 0; l < network->layer_count; ++l)
        for (size_t k = 0; k < network->layers[l].outputs; ++k)
            BP_TRY(probe_unit(glass, l, k, stride, visit, user));
    for (size_t l = 0; l < network->layer_count; ++l)
        BP_TRY(probe_norm(glass, l, stride, visit, user));
    return BP_OK;
}
