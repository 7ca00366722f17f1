/* families.h - the members of a training's families: a row for each activation and each loss, with
 * its name and what the host has to know of it. The formulas are in kernels/activation.cl,
 * kernels/error.cl, and in host/reference/, under the same numbers; those in words in
 * host/explain/rules.c. */
#ifndef BP_BASE_FAMILIES_H
#define BP_BASE_FAMILIES_H

#include <math.h>
#include <stdbool.h>

#include "backprop.h"

/* X(code, name, module, low, high, of_net): module is PyTorch's, low and high what the outputs stay
 * within, of_net 1 where the slope can only be had from the net input: it is kept, then. PyTorch
 * has no module for the sine. */
/* clang-format off */
#define BP__ACTIVATIONS(X)                                                                         \
    X(LINEAR, "linear", NULL, -INFINITY, INFINITY, 0)                                              \
    X(SIGMOID, "sigmoid", "nn.Sigmoid()", 0, 1, 0)                                                 \
    X(TANH, "tanh", "nn.Tanh()", -1, 1, 0)                                                         \
    X(RELU, "relu", "nn.ReLU()", 0, INFINITY, 0)                                                   \
    X(SOFTMAX, "softmax", "nn.Softmax(dim=-1)", 0, 1, 0)                                           \
    X(LEAKY_RELU, "leaky_relu", "nn.LeakyReLU()", -INFINITY, INFINITY, 0)                          \
    X(ELU, "elu", "nn.ELU()", -1, INFINITY, 0)                                                     \
    X(SELU, "selu", "nn.SELU()", -1.7580993408473766, INFINITY, 0)                                 \
    X(GELU, "gelu", "nn.GELU()", -0.16997120747990369, INFINITY, 1)                                \
    X(SILU, "silu", "nn.SiLU()", -0.27846454276107379, INFINITY, 1)                                \
    X(SOFTPLUS, "softplus", "nn.Softplus(threshold=80)", 0, INFINITY, 0)                           \
    X(SOFTSIGN, "softsign", "nn.Softsign()", -1, 1, 0)                                             \
    X(SINE, "sine", "type('Sine', (nn.Module,), {'forward': lambda self, z: z.sin()})()", -1, 1, 1)

/* X(code, name, mean, parameter, output): mean 1 where a sample's error is the mean over its outputs,
 * not the sum; the parameter's default, 0 where there is none; the output activation whose net inputs
 * the loss is taken from, or AUTO: it is taken from any activations. */
#define BP__LOSSES(X)                                                                              \
    X(HALF_SQUARED, "half_squared", 0, 0, BP_ACTIVATION_AUTO)                                      \
    X(CROSS_ENTROPY, "cross_entropy", 0, 0, BP_ACTIVATION_SOFTMAX)                                 \
    X(MSE, "mse", 1, 0, BP_ACTIVATION_AUTO)                                                        \
    X(MAE, "mae", 1, 0, BP_ACTIVATION_AUTO)                                                        \
    X(HUBER, "huber", 1, 1, BP_ACTIVATION_AUTO)                                                    \
    X(QUANTILE, "quantile", 1, 0.5, BP_ACTIVATION_AUTO)                                            \
    X(BCE, "bce", 0, 0, BP_ACTIVATION_SIGMOID)
/* clang-format on */

/* X(code, name, moments, rate, beta1, beta2, epsilon, decay, decoupled, full_batch): how many
 * arenas of the parameters' size it keeps; the defaults; decoupled 1 where weight decay is part of
 * the update, not of the gradient; full_batch 1 where it is no update after a batch, but run by the
 * host on all rows (host/train/full_batch.h); these come last. */
/* clang-format off */
#define BP__OPTIMIZERS(X)                                                                          \
    X(SGD, "sgd", 0, 0.1, 0.9, 0.999, 1e-8, 0, 0, 0)                                               \
    X(MOMENTUM, "momentum", 1, 0.02, 0.9, 0.999, 1e-8, 0, 0, 0)                                    \
    X(ADAM, "adam", 2, 0.001, 0.9, 0.999, 1e-8, 0, 0, 0)                                           \
    X(NESTEROV, "nesterov", 1, 0.02, 0.9, 0.999, 1e-8, 0, 0, 0)                                    \
    X(ADAGRAD, "adagrad", 1, 0.01, 0.9, 0.999, 1e-10, 0, 0, 0)                                     \
    X(RMSPROP, "rmsprop", 1, 0.001, 0.9, 0.99, 1e-8, 0, 0, 0)                                      \
    X(ADAMW, "adamw", 2, 0.001, 0.9, 0.999, 1e-8, 0.01, 1, 0)                                      \
    X(LION, "lion", 1, 0.0001, 0.9, 0.99, 1e-8, 0, 1, 0)                                           \
    X(RPROP, "rprop", 2, 0.01, 0.9, 0.999, 1e-8, 0, 0, 0)                                          \
    X(LBFGS, "lbfgs", 0, 1, 0.9, 0.999, 1e-8, 0, 0, 1)
/* clang-format on */

/* X(code, name): the tensors that a layer may have. Those up to SHIFT are learned. */
#define BP__PARTS(X)                                                                               \
    X(WEIGHTS, "weight")                                                                           \
    X(BIASES, "bias")                                                                              \
    X(GAINS, "gain")                                                                               \
    X(SHIFTS, "shift")                                                                             \
    X(MEANS, "mean")                                                                               \
    X(VARIANCES, "variance")

typedef enum bp__part {
#define BP__PART_CODE(code, name) BP__PART_##code,
    BP__PARTS(BP__PART_CODE)
#undef BP__PART_CODE
        BP__PART_COUNT,
    BP__LEARNED_PARTS = BP__PART_MEANS
} bp__part;

const char *bp__part_name(bp__part part);

/* Whether a layer has such a tensor. */
bool bp__layer_has(const bp_layer *layer, bp__part part);

typedef struct bp__optimizer_traits {
    int moments;
    double rate, beta1, beta2, epsilon, decay;
    bool decoupled, full_batch;
} bp__optimizer_traits;

const bp__optimizer_traits *bp__optimizer_of(int32_t optimizer);

/* Whether it is one of those that update after each batch, which come first in the table. */
bool bp__optimizer_updates(int32_t optimizer);

typedef struct bp__activation_traits {
    const char *module;
    double low, high;
    bool of_net;
} bp__activation_traits;

/* Of a known code. */
const bp__activation_traits *bp__activation(int32_t activation);

typedef struct bp__loss_traits {
    bool mean;
    double parameter;
    int32_t output;
} bp__loss_traits;

const bp__loss_traits *bp__loss_of(int32_t loss);

/* Whether a loss is computed from the net inputs of the output layer: because it takes the
 * activation with it, or because it needs them for the activation's slope. */
bool bp__loss_takes_nets(int32_t loss, int32_t activation);

/* The function that stands between what a loss is given and the outputs whose errors it takes:
 * linear where it is part of the loss. */
int32_t bp__loss_activation(int32_t loss, int32_t activation);

/* How far a number may be moved on its way into a product of this precision, relative: half a unit
 * of the last of its bits. */
double bp__rounding_of(int32_t precision);

#endif
