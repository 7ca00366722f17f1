/* layers.c - what hidden layers have beside weights and a function: dropout, what goes past a
 * layer, norms. */
#include "base/families.h"
#include "kernels_small/small.h"

/* Rows, units. */
static const size_t shapes[][2] = {{3, 5}, {19, 18}};

/* A step of a training, with everything that an operation may be given. */
typedef struct layer_rig {
    pair in, weights, bias, out, net, skip, delta, back, effect, hyper, step;
    float *numbers;
    size_t B, n;
} layer_rig;

static layer_rig open_layer(rig *r, size_t B, size_t n)
{
    layer_rig l = {.numbers = random_floats((B + n) * (B + n) + 8, 1, 5), .B = B, .n = n};
    const float hyper[2][BP__HYPER_COUNT] = {{0, 0, 0, 5}, {0, 0, 0, 9}};
    const int32_t one = 1;
    l.in = pair_of(r, BP__BATCH, B, n, l.numbers);
    l.weights = pair_of(r, BP__WEIGHTS, n, n, l.numbers + 3);
    l.bias = pair_of(r, BP__TABLE, 1, n, l.numbers + 5);
    l.skip = pair_of(r, BP__BATCH, B, n, l.numbers + 2);
    l.delta = pair_of(r, BP__BATCH, B, n, l.numbers + 7);
    l.out = pair_of(r, BP__BATCH, B, n, NULL);
    l.net = pair_of(r, BP__BATCH, B, n, NULL);
    l.back = pair_of(r, BP__BATCH, B, n, NULL);
    l.effect = pair_of(r, BP__BATCH, B, n, NULL);
    l.hyper = pair_of(r, BP__TABLE, 1, 2 * BP__HYPER_COUNT, hyper[0]);
    l.step = integers_of(r, 1, 1, &one);
    return l;
}

static void close_layer(rig *r, layer_rig *l)
{
    pair *const all[] = {&l->in,    &l->weights, &l->bias,   &l->out,   &l->net, &l->skip,
                         &l->delta, &l->back,    &l->effect, &l->hyper, &l->step};
    for (size_t i = 0; i < BP_COUNT(all); ++i) pair_free(r, all[i]);
    free(l->numbers);
}

static bp__dropout dropout_of(const layer_rig *l, int side)
{
    return (bp__dropout){.rate = 0.4,
                         .hyper = l->hyper.on[side],
                         .step = l->step.on[side],
                         .seed = 0x1234567890abcdefu,
                         .layer = 2};
}

/* Forward with a skip, and back with one, keeping the effect; with dropout. */
static void check_dense(rig *r, size_t B, size_t n, int32_t activation)
{
    layer_rig l = open_layer(r, B, n);
    for (int side = 0; side < SIDES; ++side) {
        bp__op op = {.kind = BP__OP_DENSE_FORWARD,
                     .as.dense_forward = {.out = l.out.on[side],
                                          .in = l.in.on[side],
                                          .weights = l.weights.on[side],
                                          .bias = l.bias.on[side],
                                          .net = l.net.on[side],
                                          .skip = l.skip.on[side],
                                          .dropout = dropout_of(&l, side),
                                          .activation = activation}};
        run_op(r, side, &op);
        op = (bp__op){.kind = BP__OP_DENSE_EFFECT,
                      .as.dense_effect = {.delta_in = l.back.on[side],
                                          .delta = l.delta.on[side],
                                          .weights = l.weights.on[side],
                                          .in = l.net.on[side],
                                          .activation = activation,
                                          .dropout = 0.4,
                                          .skip = l.skip.on[side],
                                          .effect = l.effect.on[side]}};
        run_op(r, side, &op);
    }
    check_same(r, &l.out, "forward with dropout and skip");
    check_same(r, &l.net, "what the slope is taken from");
    check_same(r, &l.effect, "the effect");
    check_same(r, &l.back, "the delta before");
    close_layer(r, &l);
}

/* The three operations of a norm. */
static void check_norm(rig *r, size_t B, size_t n, int32_t norm, bool known, int32_t activation)
{
    layer_rig l = open_layer(r, B, n);
    const size_t moments = norm == BP_NORM_LAYER ? B : n;
    float *ones = random_floats(n, 0.4, 9);
    for (size_t i = 0; i < n; ++i) ones[i] += 1;
    pair gain = pair_of(r, BP__TABLE, 1, n, ones), shift = l.bias;
    pair mean = pair_of(r, BP__TABLE, 1, moments, NULL),
         scale = pair_of(r, BP__TABLE, 1, moments, NULL);
    pair known_mean = pair_of(r, BP__TABLE, 1, n, l.numbers),
         known_variance = pair_of(r, BP__TABLE, 1, n, ones);
    pair gains = pair_of(r, BP__TABLE, 1, n, NULL), shifts = pair_of(r, BP__TABLE, 1, n, NULL);
    for (int side = 0; side < SIDES; ++side) {
        const bp__moments how = {.in = l.in.on[side],
                                 .mean = mean.on[side],
                                 .scale = scale.on[side],
                                 .norm = norm,
                                 .known = known};
        bp__op op = {.kind = BP__OP_NORMALIZE,
                     .as.normalize = {.out = l.out.on[side],
                                      .gain = gain.on[side],
                                      .shift = shift.on[side],
                                      .net = l.net.on[side],
                                      .skip = l.skip.on[side],
                                      .known_mean = known_mean.on[side],
                                      .known_variance = known_variance.on[side],
                                      .moments = how,
                                      .dropout = dropout_of(&l, side),
                                      .activation = activation}};
        run_op(r, side, &op);
        op = (bp__op){.kind = BP__OP_NORM_GRADIENT,
                      .as.norm_gradient = {.gain_gradient = gains.on[side],
                                           .shift_gradient = shifts.on[side],
                                           .delta = l.delta.on[side],
                                           .moments = how}};
        run_op(r, side, &op);
        op = (bp__op){.kind = BP__OP_NORM_EFFECT,
                      .as.norm_effect = {.delta = l.delta.on[side],
                                         .gain = gain.on[side],
                                         .gain_gradient = gains.on[side],
                                         .shift_gradient = shifts.on[side],
                                         .moments = how}};
        run_op(r, side, &op);
    }
    check_same(r, &l.out, "normalised");
    check_same(r, &l.net, "what the slope is taken from");
    check_same(r, &mean, "means");
    check_same(r, &scale, "scales");
    check_same(r, &known_mean, "known means");
    check_same(r, &known_variance, "known variances");
    check_same(r, &gains, "gradients of gains");
    check_same(r, &shifts, "gradients of shifts");
    check_same(r, &l.delta, "deltas of net inputs");
    pair *const all[] = {&gain, &mean, &scale, &known_mean, &known_variance, &gains, &shifts};
    for (size_t i = 0; i < BP_COUNT(all); ++i) pair_free(r, all[i]);
    free(ones);
    close_layer(r, &l);
}

void check_layers(rig *r)
{
    for (size_t s = 0; s < BP_COUNT(shapes); ++s) {
        const size_t B = shapes[s][0], n = shapes[s][1];
        const int32_t activation = s ? BP_ACTIVATION_SILU : BP_ACTIVATION_TANH;
        check_dense(r, B, n, activation);
        check_norm(r, B, n, BP_NORM_LAYER, false, activation);
        check_norm(r, B, n, BP_NORM_BATCH, false, activation);
        check_norm(r, B, n, BP_NORM_BATCH, true, activation);
    }
}
