/* layers_support.h - networks with dropout, residual connections and normalisation, for their
 * tests. */
#ifndef BP_TESTS_LAYERS_SUPPORT_H
#define BP_TESTS_LAYERS_SUPPORT_H

#include "model/model.h"
#include "network_support.h"

/* Hidden layers as the command line has them. */
static const struct {
    const char *name, *hidden;
} kinds[] = {
    {"dropout", "12:tanh:dropout=0.3,12:relu:dropout=0.5"},
    {"dropout of functions of net inputs", "9:gelu:dropout=0.25,7:silu:dropout=0.1,5:sine"},
    {"residual", "12:tanh:residual,12:relu:residual,7:sigmoid,7:tanh:residual"},
    {"residual with dropout", "9:gelu,9:silu:residual:dropout=0.25,9:relu:residual:dropout=0.5"},
    {"layer normalisation", "12:tanh:layernorm,7:relu:layernorm"},
    {"batch normalisation", "12:tanh:batchnorm,7:relu:batchnorm"},
    {"everything", "12:gelu:layernorm:residual:dropout=0.2,9:tanh,"
                   "9:silu:batchnorm:residual:dropout=0.5,9:tanh:layernorm:residual"},
};

enum { FEATURES = 12, CLASSES = 4, ROWS = 71, BATCH = 16, KINDS = sizeof kinds / sizeof *kinds };

static inline bp_model *model_with(const bp_data *data, const char *hidden, int32_t bias)
{
    bp_model_options options = bp_model_options_default();
    options.hidden = hidden;
    options.bias = bias;
    options.seed = 3;
    bp_model *model;
    OK(bp_model_create(&model, data, &options));
    const bp_model_info info = bp_model_get_info(model);
    for (size_t l = 0; bias && l < info.layers; ++l) /* not 0: nothing of relu lies on its corner */
        for (size_t i = 0; i < bp_model_get_layer(model, l).outputs; ++i)
            bp_model_biases(model, l)[i] = 0.1f * (float)((int)i % 5 - 2) + 0.03f;
    for (size_t l = 0; l < info.layers; ++l)
        for (size_t i = 0; bp_model_gains(model, l) && i < bp_model_get_layer(model, l).outputs;
             ++i) {
            bp_model_gains(model, l)[i] = 0.7f + 0.1f * (float)(i % 7);
            bp_model_shifts(model, l)[i] = 0.2f - 0.07f * (float)(i % 5);
        }
    return model;
}

static inline bp_train_options options_for(int64_t batch)
{
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_MOMENTUM;
    how.batch = batch;
    how.seed = 0x123456789abcdefu;
    return how;
}

static const int32_t all_gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE, BP_GEMM_GPU, BP_GEMM_CPU, -1};

#endif
