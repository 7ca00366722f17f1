/* faults.h - what the fault tests share: a small training from beginning to end, whose every result
 * is kept, so that what a fault left behind can be compared with a run without one. */
#ifndef BP_TESTS_FAULTS_H
#define BP_TESTS_FAULTS_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_measure.h"

enum { FAULT_ROWS = 11, FAULT_INPUTS = 3, FAULT_HIDDEN = 5, FAULT_CLASSES = 2 };
enum { FAULT_PARAMETERS = 3 * 5 + 5 + 5 * 2 + 2 };

/* What a job made; compared bit for bit. */
typedef struct job_result {
    float start[FAULT_PARAMETERS], trained[FAULT_PARAMETERS];
    float gradients[FAULT_INPUTS * FAULT_HIDDEN];
    float predicted[FAULT_ROWS * FAULT_CLASSES];
    double epoch_loss, step_loss, loss, accuracy;
} job_result;

static inline void fault_parameters(bp_model *model, float *out)
{
    const size_t sizes[] = {FAULT_INPUTS * FAULT_HIDDEN, FAULT_HIDDEN, FAULT_HIDDEN * FAULT_CLASSES,
                            FAULT_CLASSES};
    for (size_t i = 0; i < 4; ++i) {
        const float *from = i % 2 ? bp_model_biases(model, i / 2) : bp_model_weights(model, i / 2);
        memcpy(out, from, sizes[i] * sizeof *out);
        out += sizes[i];
    }
}

/* Whether train_job's training is profiled. */
static bool job_profiled;

/* Data, model, two epochs with validation, evaluation, prediction. The header's promise for
 * bp_train is checked here: after an error the model is as it was. */
static inline bp_status train_job(bp_device *device, int32_t gemm, job_result *result)
{
    float x[FAULT_ROWS * FAULT_INPUTS];
    int32_t labels[FAULT_ROWS];
    for (int i = 0; i < FAULT_ROWS * FAULT_INPUTS; ++i) x[i] = sinf((float)(i * i));
    for (int i = 0; i < FAULT_ROWS; ++i) labels[i] = x[i * FAULT_INPUTS] > 0;
    memset(result, 0, sizeof *result);
    const bp_layer layers[] = {{FAULT_INPUTS, FAULT_HIDDEN, BP_ACTIVATION_TANH, 1},
                               {FAULT_HIDDEN, FAULT_CLASSES, BP_ACTIVATION_SOFTMAX, 1}};
    bp_data *data = NULL;
    bp_model *model = NULL;
    bp_profile *profile = NULL;
    bp_train_options options = bp_train_options_default();
    options.epochs = 2;
    options.batch = 4;
    options.gemm = gemm;
    bp_status status =
        bp_data_from_labels(&data, x, FAULT_ROWS, FAULT_INPUTS, labels, FAULT_CLASSES);
    cr_assert_eq(status == BP_OK, data != NULL);
    if (status == BP_OK) status = bp_model_create_layers(&model, layers, 2, NULL);
    if (status == BP_OK && job_profiled) status = bp_profile_create(&profile, NULL);
    options.profile = profile;
    if (status == BP_OK) {
        fault_parameters(model, result->start);
        status = bp_train(model, device, data, data, &options, NULL);
        fault_parameters(model, result->trained);
        if (status != BP_OK)
            cr_assert_arr_eq(result->start, result->trained, sizeof result->start,
                             "the model has changed: %s", bp_last_error());
    }
    if (status == BP_OK) {
        bp_metrics metrics;
        status = bp_evaluate(&metrics, model, device, data);
        result->loss = metrics.loss;
        result->accuracy = metrics.accuracy;
        if (status == BP_OK) status = bp_predict(model, device, x, FAULT_ROWS, result->predicted);
        float after[FAULT_PARAMETERS];
        fault_parameters(model, after);
        cr_assert_arr_eq(result->trained, after, sizeof after);
    }
    bp_profile_free(profile);
    bp_model_free(model);
    bp_data_free(data);
    return status;
}

static inline bp_status profiled_job(bp_device *device, int32_t gemm, job_result *result)
{
    job_profiled = true;
    bp_status status = train_job(device, gemm, result);
    job_profiled = false;
    return status;
}

/* The same step by step. A call that fails is made once more: what the fault was is over then, or
 * it fails again; either way nothing may break. */
static inline bp_status step_job(bp_device *device, int32_t gemm, job_result *result)
{
    float x[FAULT_ROWS * FAULT_INPUTS], targets[FAULT_ROWS * FAULT_CLASSES];
    for (int i = 0; i < FAULT_ROWS * FAULT_INPUTS; ++i) x[i] = sinf((float)(i * i));
    for (int i = 0; i < FAULT_ROWS * FAULT_CLASSES; ++i) targets[i] = 0.5f + 0.4f * sinf((float)i);
    memset(result, 0, sizeof *result);
    const bp_layer layers[] = {{FAULT_INPUTS, FAULT_HIDDEN, BP_ACTIVATION_RELU, 1},
                               {FAULT_HIDDEN, FAULT_CLASSES, BP_ACTIVATION_SIGMOID, 1}};
    bp_data *data = NULL;
    bp_model *model = NULL;
    bp_trainer *trainer = NULL;
    bp_model_options shape = bp_model_options_default();
    shape.loss = BP_LOSS_HALF_SQUARED;
    bp_train_options options = bp_train_options_default();
    options.batch = 4;
    options.gemm = gemm;
    bp_status first = BP_OK, status;
#define JOB_CALL(call)                                                                             \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != BP_OK) {                                                                     \
            if (first == BP_OK) first = status;                                                    \
            status = (call);                                                                       \
            if (status != BP_OK) goto done;                                                        \
        }                                                                                          \
    } while (0)
    JOB_CALL(bp_data_from_arrays(&data, x, FAULT_ROWS, FAULT_INPUTS, targets, FAULT_CLASSES));
    JOB_CALL(bp_model_create_layers(&model, layers, 2, &shape));
    JOB_CALL(bp_trainer_create(&trainer, model, device, &options));
    JOB_CALL(bp_trainer_set_data(trainer, data));
    JOB_CALL(bp_trainer_epoch(trainer, &result->epoch_loss));
    JOB_CALL(bp_trainer_step(trainer, x, targets, NULL, 3, &result->step_loss));
    JOB_CALL(bp_trainer_get_gradients(trainer, 0, result->gradients, NULL));
    JOB_CALL(bp_trainer_set_data(trainer, data));
    JOB_CALL(bp_trainer_get_model(trainer, model));
    fault_parameters(model, result->trained);
#undef JOB_CALL
done:
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_data_free(data);
    return first;
}

/* One of the above. */
typedef bp_status (*job_fn)(bp_device *device, int32_t gemm, job_result *result);

#endif
