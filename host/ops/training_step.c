/* training_step.c - a whole training step, taken apart. */
#include "ops/training_step.h"

#include <string.h>

static bool same(const bp__view *a, const bp__view *b)
{
    return a->buffer == b->buffer && a->offset == b->offset && a->rows == b->rows &&
           a->columns == b->columns && a->stride == b->stride && a->panel_step == b->panel_step;
}

bool bp__training_step_of(bp__training_step *step, const bp__op *ops, size_t count)
{
    memset(step, 0, sizeof *step);
    size_t i = 0;
    if (count >= 2 && ops[0].kind == BP__OP_GATHER && ops[1].kind == BP__OP_GATHER) {
        step->gather = &ops[0].as.gather;
        step->gather_targets = &ops[1].as.gather;
        i = 2;
        if (count >= 3 && ops[2].kind == BP__OP_GATHER) step->gather_weights = &ops[i++].as.gather;
    }
    for (; i < count && ops[i].kind == BP__OP_DENSE_FORWARD; ++i) {
        if (step->layers == BP__STEP_LAYERS || ops[i].as.dense_forward.dropout.rate > 0 ||
            ops[i].as.dense_forward.skip.buffer)
            return false;
        step->forward[step->layers++] = &ops[i].as.dense_forward;
    }
    const size_t layers = step->layers;
    /* Loss and its sum, a gradient for each layer, an effect for each but the first, the update. */
    if (layers == 0 || count != i + 2 + 2 * layers || ops[i].kind != BP__OP_LOSS ||
        ops[i + 1].kind != BP__OP_REDUCE_LOSS || ops[count - 1].kind != BP__OP_OPTIMIZER)
        return false;
    step->loss = &ops[i].as.loss;
    step->reduce = &ops[i + 1].as.reduce_loss;
    step->optimizer = &ops[count - 1].as.optimizer;
    i += 2;
    for (size_t l = layers; l-- > 0; ++i) {
        const bp__dense_forward *forward = step->forward[l];
        if (l + 1 < layers && !same(&step->forward[l + 1]->in, &forward->out)) return false;
        if (!forward->bias.buffer != !step->forward[0]->bias.buffer) return false;
        if (l > 0) {
            if (ops[i].kind != BP__OP_DENSE_EFFECT ||
                !same(&ops[i].as.dense_effect.weights, &forward->weights) ||
                !same(&ops[i].as.dense_effect.in, step->forward[l - 1]->net.buffer
                                                      ? &step->forward[l - 1]->net
                                                      : &step->forward[l - 1]->out) ||
                ops[i].as.dense_effect.activation != step->forward[l - 1]->activation)
                return false;
            ++i;
        }
        if (ops[i].kind != BP__OP_DENSE_GRADIENT ||
            !same(&ops[i].as.dense_gradient.in, &forward->in) ||
            ops[i].as.dense_gradient.weights_gradient.offset != forward->weights.offset)
            return false;
    }
    if (step->gather && !step->gather_weights != !step->loss->weights.buffer) return false;
    return step->loss->delta.buffer && same(&step->loss->output, &step->forward[layers - 1]->out);
}

/* Where the parameters end in their arena. */
static size_t arena_end(const bp__training_step *step)
{
    const bp__dense_forward *last = step->forward[step->layers - 1];
    const bp__view *view = last->bias.buffer ? &last->bias : &last->weights;
    return view->offset + bp__view_extent(view);
}

bool bp__training_step_is_plain(const bp__training_step *step)
{
    return step->optimizer->parameters.offset == 0 &&
           step->optimizer->parameters.columns >= arena_end(step) && /* not with frozen biases */
           step->optimizer->step.offset == 0 && step->optimizer->hyper.offset == 0;
}

const bp__view *bp__training_step_features(const bp__training_step *step)
{
    return step->gather ? &step->gather->in : &step->forward[0]->in;
}

const bp__view *bp__training_step_targets(const bp__training_step *step)
{
    if (step->gather) return &step->gather_targets->in;
    return step->loss->labels.buffer ? &step->loss->labels : &step->loss->targets;
}

const bp__view *bp__training_step_weights(const bp__training_step *step)
{
    if (step->gather_weights) return &step->gather_weights->in;
    return step->loss->weights.buffer ? &step->loss->weights : NULL;
}
