/* whole.c - transfers, gradients, whole trainings: what a device makes of them. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_explain.h"
#include "base/families.h"
#include "base/memory.h"
#include "base/random.h"
#include "ops/engine.h"
#include "ops/launchers.h"
#include "selftest/selftest.h"

/* ---- Transfers ------------------------------------------------------------------------------- */

/* Rows, columns, distance of rows: one long piece, ragged ones, a column. */
static const size_t pieces[][3] = {{1, 1 << 20, 1 << 20}, {1, 1, 1},     {37, 5, 8},
                                   {129, 131, 132},       {4099, 1, 16}, {3, 4096, 4096}};

static bp_status count_differences(double *out, bp__engine *engine, const bp__view *view,
                                   const uint32_t *sent, uint32_t *back)
{
    const size_t words = view->rows * view->columns;
    BP_TRY(bp__view_write(engine, view, sent));
    BP_TRY(bp__view_read(engine, view, back));
    *out = 0;
    for (size_t i = 0; i < words; ++i) *out += sent[i] != back[i];
    return BP_OK;
}

static bp_status transfer(double *out, bp__engine *engine, const size_t piece[3], uint64_t seed)
{
    enum { OFFSET = 64 };
    const size_t words = piece[0] * piece[1];
    uint32_t *sent = NULL, *back = NULL;
    bp__buffer *buffer = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&sent, words, sizeof *sent));
    BP_TRY_GOTO(bp__new_array(&back, words, sizeof *back));
    for (size_t i = 0; i < words; ++i) /* bits of no number, too */
        sent[i] = bp__random_bits(seed, BP__PURPOSE_BENCH, 9, 0, i);
    const size_t first = (OFFSET + piece[2] - 1) / piece[2] * piece[2];
    BP_TRY_GOTO(bp__buffer_create(engine, &buffer, BP__INTEGER, first + piece[0] * piece[2]));
    const bp__view view = {.buffer = buffer,
                           .offset = first,
                           .rows = piece[0],
                           .columns = piece[1],
                           .stride = piece[2]};
    BP_TRY_GOTO(count_differences(out, engine, &view, sent, back));
fail:
    bp__buffer_free(engine, buffer);
    free(sent);
    free(back);
    return status;
}

bp_status bp__selftest_transfers(bp__selftest *test)
{
    bp_selftest_check *check;
    bp__engine *engine = NULL;
    BP_TRY(bp__selftest_check(test, &check, "transfers", ""));
    bp_status status = bp__engine_create(&engine, test->device, BP_GEMM_AUTO);
    for (size_t i = 0; i < BP_COUNT(pieces) && status == BP_OK; ++i) {
        double different = NAN;
        status = transfer(&different, engine, pieces[i], test->options.seed);
        if (status == BP_OK)
            BP_TRY_GOTO(bp__selftest_note(check, different, 0, "%zu rows of %zu words, %zu apart",
                                          pieces[i][0], pieces[i][1], pieces[i][2]));
    }
    if (status != BP_OK) BP_TRY_GOTO(bp__selftest_problem(check, "%s", bp_last_error()));
fail:
    bp__engine_free(engine);
    return status;
}

/* ---- Gradients ------------------------------------------------------------------------------- */

static const bp__selftest_network gradient_networks[] = {
    {{5, 17, 9, 3},
     33,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     true,
     true},
    {{30, 7, 2},
     16,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_HALF_SQUARED,
     false,
     true},
    {{3, 1}, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, false, false},
};

static bp_status check_gradients(bp__selftest *test, bp_selftest_check *check, const bp__way *way,
                                 const bp__selftest_network *network)
{
    bp_model *model = NULL;
    bp_data *data = NULL;
    char text[BP__SELFTEST_TEXT];
    bp_gradcheck_options options = bp_gradcheck_options_default();
    bp_gradcheck_result result;
    options.rows = (int64_t)network->batch;
    options.gemm = way->gemm;
    BP_TRY(bp__selftest_make(&model, &data, network, 1, test->options.seed));
    bp_status status = bp_gradcheck(&result, model, test->device, data, &options);
    if (status != BP_OK) goto fail;
    bp__selftest_describe(text, network);
    status = bp__selftest_note(check, result.max_relative_error, options.tolerance,
                               "%s, against central differences", text);
    if (status == BP_OK && !test->device->is_reference)
        status = bp__selftest_note(check, result.device_error, result.device_tolerance,
                                   "%s, the device's", text);
    bp_gradcheck_free(&result);
fail:
    bp_data_free(data);
    bp_model_free(model);
    return status;
}

bp_status bp__selftest_gradients(bp__selftest *test, const bp__way *way)
{
    bp_selftest_check *check;
    BP_TRY(bp__selftest_check(test, &check, "gradients", way->name));
    for (size_t i = 0; i < BP_COUNT(gradient_networks); ++i)
        if (check_gradients(test, check, way, &gradient_networks[i]) != BP_OK)
            BP_TRY(bp__selftest_problem(check, "%s", bp_last_error()));
    return BP_OK;
}

/* ---- Trainings ------------------------------------------------------------------------------- */

/* All parameters after a training, in one array: free() it. */
static bp_status train(float **out, size_t *count, bp_device *device, int32_t gemm,
                       int32_t optimizer, int64_t epochs, const bp__selftest_network *network,
                       size_t steps, uint64_t seed)
{
    bp_model *model = NULL;
    bp_data *data = NULL;
    bp_train_options options = bp_train_options_default();
    bp_status status;
    *out = NULL;
    options.optimizer = optimizer;
    options.epochs = epochs;
    options.batch = (int64_t)network->batch;
    options.gemm = gemm;
    options.seed = seed;
    BP_TRY(bp__selftest_make(&model, &data, network, steps, seed));
    BP_TRY_GOTO(bp_train(model, device, data, NULL, &options, NULL));
    BP_TRY_GOTO(bp__new_array(out, bp_model_get_info(model).parameters, sizeof **out));
    *count = 0;
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        memcpy(*out + *count, bp_model_weights(model, l),
               layer.inputs * layer.outputs * sizeof **out);
        *count += layer.inputs * layer.outputs;
        if (layer.bias)
            memcpy(*out + *count, bp_model_biases(model, l), layer.outputs * sizeof **out);
        if (layer.bias) *count += layer.outputs;
    }
fail:
    bp_data_free(data);
    bp_model_free(model);
    return status;
}

static double relative_error(const float *got, const float *want, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; ++i) {
        apart += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        size += (double)want[i] * (double)want[i];
    }
    return sqrt(apart / size);
}

/* Smooth functions: a unit of relu whose net input is within rounding of zero may be on in one
 * engine and off in the other, and trainings part from there on. */
static const bp__selftest_network trained[] = {
    {{4, 7, 3}, 16, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, true, true},
    {{19, 33, 17, 2},
     12,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_TANH,
     BP_LOSS_HALF_SQUARED,
     false,
     true},
};

/* Steps an epoch; 100 steps in all. Rounding adds up to 1e-5 by then (tests/test_training.c). */
enum { EPOCH_STEPS = 4, EPOCHS = 25 };
static const double training_bound = 5e-5;

/* Below fp32 each step is off by about the rounding of its products' factors. */
static double training_bound_of(const bp_device *device)
{
    return device->precision == BP_PRECISION_FP32 ? training_bound
                                                  : 16 * bp__rounding_of(device->precision);
}

static bp_status check_training(bp__selftest *test, bp_selftest_check *check, const bp__way *way,
                                int32_t optimizer, const bp__selftest_network *network)
{
    float *got = NULL, *want = NULL;
    size_t count = 0;
    char text[BP__SELFTEST_TEXT];
    const uint64_t seed = test->options.seed;
    bp_status status;
    BP_TRY_GOTO(train(&want, &count, test->plain_c, BP_GEMM_AUTO, optimizer, EPOCHS, network,
                      EPOCH_STEPS, seed));
    BP_TRY_GOTO(train(&got, &count, test->device, way->gemm, optimizer, EPOCHS, network,
                      EPOCH_STEPS, seed));
    status = bp__selftest_note(check, relative_error(got, want, count),
                               training_bound_of(test->device), "%s, parameters after %d steps",
                               bp__selftest_describe(text, network), EPOCHS * EPOCH_STEPS);
fail:
    free(got);
    free(want);
    return status;
}

bp_status bp__selftest_training(bp__selftest *test, const bp__way *way)
{
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer) {
        /* It goes by the signs of gradients, of which rounding below fp32 turns small ones. */
        if (optimizer == BP_OPTIMIZER_RPROP && way->precision != BP_PRECISION_FP32) continue;
        bp_selftest_check *check;
        char name[64];
        snprintf(name, sizeof name, "training %s", bp_optimizer_name(optimizer));
        BP_TRY(bp__selftest_check(test, &check, name, way->name));
        for (size_t i = 0; i < BP_COUNT(trained); ++i)
            if (check_training(test, check, way, optimizer, &trained[i]) != BP_OK)
                BP_TRY(bp__selftest_problem(check, "%s", bp_last_error()));
    }
    return BP_OK;
}

/* With one optimizer for each network: programs are made for both together. */
bp_status bp__selftest_steps(bp__selftest *test, const bp__way *way)
{
    static const int32_t optimizers[BP_COUNT(trained)] = {BP_OPTIMIZER_ADAM, BP_OPTIMIZER_MOMENTUM};
    bp_selftest_check *check;
    BP_TRY(bp__selftest_check(test, &check, "whole steps", way->name));
    test->device->gpu_steps = way->steps;
    for (size_t i = 0; i < BP_COUNT(trained); ++i)
        if (check_training(test, check, way, optimizers[i], &trained[i]) != BP_OK)
            BP_TRY(bp__selftest_problem(check, "%s", bp_last_error()));
    test->device->gpu_steps = NULL;
    return BP_OK;
}

/* ---- The same again -------------------------------------------------------------------------- */

/* Wide enough that a device has many groups under way, whose order is any. */
static const bp__selftest_network repeated[] = {
    {{6, 9, 2}, 32, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, true, true},
    {{200, 130, 10},
     128,
     BP_ACTIVATION_RELU,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     true,
     true},
};
enum { REPETITIONS = 3 };

static bp_status check_repetition(bp__selftest *test, bp_selftest_check *check, const bp__way *way,
                                  const bp__selftest_network *network)
{
    float *first = NULL, *again = NULL;
    size_t count = 0;
    char text[BP__SELFTEST_TEXT];
    bp_status status;
    BP_TRY_GOTO(train(&first, &count, test->device, way->gemm, BP_OPTIMIZER_ADAM, 2, network, 4,
                      test->options.seed));
    for (int i = 0; i < REPETITIONS; ++i) {
        double different = 0;
        BP_TRY_GOTO(train(&again, &count, test->device, way->gemm, BP_OPTIMIZER_ADAM, 2, network, 4,
                          test->options.seed));
        for (size_t k = 0; k < count; ++k)
            different += memcmp(&first[k], &again[k], sizeof *first) != 0;
        free(again);
        again = NULL;
        BP_TRY_GOTO(bp__selftest_note(check, different, 0, "%s, parameters after 8 steps",
                                      bp__selftest_describe(text, network)));
    }
fail:
    free(first);
    free(again);
    return status;
}

bp_status bp__selftest_repetition(bp__selftest *test, const bp__way *way)
{
    bp_selftest_check *check;
    BP_TRY(bp__selftest_check(test, &check, "repetition", way->name));
    for (size_t i = 0; i < BP_COUNT(repeated); ++i)
        if (check_repetition(test, check, way, &repeated[i]) != BP_OK)
            BP_TRY(bp__selftest_problem(check, "%s", bp_last_error()));
    return BP_OK;
}
