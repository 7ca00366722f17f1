/* evaluate.c - loss, accuracy and outputs of a network over a data set. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ops/engine.h"
#include "profile/profile.h"
#include "train/trainer.h"

/* Rows at a time: enough to keep any device busy, few enough that activations stay small. */
enum { EVALUATION_BATCH = 1024 };

struct bp__evaluator {
    bp__network *network;
    bp__pass *pass;
    bp__plan *full, *last;
    float *sums; /* [2][steps]: losses, hits */
};

bp_status bp__evaluator_create(bp__evaluator **out, bp__network *network, const bp_data *data)
{
    *out = NULL;
    bp__evaluator *evaluator = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&evaluator, 1, sizeof *evaluator));
    evaluator->network = network;
    BP_TRY_GOTO(bp__engine_phase(network->engine, BP_PHASE_SETUP));
    BP_TRY_GOTO(bp__pass_create(&evaluator->pass, network->engine, data, EVALUATION_BATCH, false));
    bp__pass *pass = evaluator->pass;
    BP_TRY_GOTO(bp__new_array(&evaluator->sums, 2 * pass->steps, sizeof *evaluator->sums));
    BP_TRY_GOTO(bp__plan_create(&evaluator->full, network, pass->batch,
                                bp_data_labels(data) != NULL, false));
    BP_TRY_GOTO(bp__plan_make_evaluate(evaluator->full, &pass->views));
    const size_t last_rows = bp__pass_last_rows(pass);
    if (last_rows != pass->batch) {
        BP_TRY_GOTO(bp__plan_create_part(&evaluator->last, evaluator->full, last_rows));
        BP_TRY_GOTO(bp__plan_make_evaluate(evaluator->last, &pass->views));
    }
    BP_TRY_GOTO(bp__engine_phase(network->engine, BP_PHASE_OTHER));
    *out = evaluator;
    return BP_OK;
fail:
    bp__evaluator_free(evaluator);
    return status;
}

void bp__evaluator_free(bp__evaluator *evaluator)
{
    if (!evaluator) return;
    bp__plan_free(evaluator->full);
    bp__plan_free(evaluator->last);
    bp__pass_free(evaluator->pass);
    free(evaluator->sums);
    free(evaluator);
}

bp_status bp__evaluator_run(bp__evaluator *evaluator, double *loss, double *accuracy,
                            float *outputs)
{
    bp__pass *pass = evaluator->pass;
    bp__engine *engine = evaluator->network->engine;
    BP_TRY(bp__engine_phase(engine, BP_PHASE_VALIDATION));
    BP_TRY(bp__pass_seek(pass, 0));
    for (size_t s = 0; s < pass->steps; ++s) {
        bp__plan *plan =
            s + 1 == pass->steps && evaluator->last ? evaluator->last : evaluator->full;
        BP_TRY(bp__sequence_run(engine, plan->evaluate, 1));
        if (!outputs) continue;
        bp__view output = bp__plan_output(plan);
        BP_TRY(bp__view_read(engine, &output, outputs + s * pass->batch * output.columns));
    }
    bp__view sums = pass->views.losses;
    sums.rows = 2;
    BP_TRY(bp__view_read(engine, &sums, evaluator->sums));
    BP_TRY(bp__engine_phase(engine, BP_PHASE_OTHER));
    double loss_sum = 0, hit_sum = 0;
    for (size_t s = 0; s < pass->steps; ++s) {
        loss_sum += (double)evaluator->sums[s];
        hit_sum += (double)evaluator->sums[pass->steps + s];
    }
    *loss = loss_sum / (double)pass->rows;
    *accuracy = pass->views.labels.buffer ? hit_sum / (double)pass->rows : (double)NAN;
    return BP_OK;
}

/* Root mean squared error, mean absolute error and R^2 over all targets, in their own units:
 * R^2 = 1 - sum (y - t)^2 / sum (t - mean of its column)^2. */
static void regression_metrics(bp_metrics *metrics, const bp_data *data, const bp_schema *schema,
                               const float *outputs)
{
    bp_data_info info = bp_data_get_info(data);
    const float *targets = bp_data_targets(data);
    double squared = 0, absolute = 0, spread = 0;
    for (size_t k = 0; k < info.outputs; ++k) {
        double mean = 0, scale = 1, average = 0;
        if (schema) bp_schema_target_scale(schema, k, &mean, &scale);
        for (size_t i = 0; i < info.rows; ++i) average += (double)targets[i * info.outputs + k];
        average /= (double)info.rows;
        for (size_t i = 0; i < info.rows; ++i) {
            const double t = (double)targets[i * info.outputs + k];
            const double error = scale * ((double)outputs[i * info.outputs + k] - t);
            squared += error * error;
            absolute += fabs(error);
            spread += scale * scale * (t - average) * (t - average);
        }
    }
    const double count = (double)(info.rows * info.outputs);
    metrics->rmse = sqrt(squared / count);
    metrics->mae = absolute / count;
    metrics->r2 = spread > 0 ? 1 - squared / spread : (double)NAN;
}

bp_status bp_evaluate(bp_metrics *out, const bp_model *model, bp_device *device,
                      const bp_data *data)
{
    if (!out || !model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_evaluate: out, model, device and data are needed");
    *out = (bp_metrics){.loss = NAN, .accuracy = NAN, .rmse = NAN, .mae = NAN, .r2 = NAN};
    const bp_model_info shape = bp_model_get_info(model);
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    bp_data_info info = bp_data_get_info(data);
    const double start = bp__seconds();
    bp__engine *engine = NULL;
    bp__network *network = NULL;
    bp__evaluator *evaluator = NULL;
    float *outputs = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__engine_create(&engine, device, BP_GEMM_AUTO));
    BP_TRY_GOTO(bp__network_create(&network, engine, model, false, BP_OPTIMIZER_SGD));
    BP_TRY_GOTO(bp__network_upload(network, model));
    BP_TRY_GOTO(bp__evaluator_create(&evaluator, network, data));
    const bool regression = bp_data_targets(data) != NULL;
    if (regression) BP_TRY_GOTO(bp__new_array(&outputs, info.rows * info.outputs, sizeof *outputs));
    BP_TRY_GOTO(bp__evaluator_run(evaluator, &out->loss, &out->accuracy, outputs));
    out->samples = info.rows;
    if (regression) regression_metrics(out, data, bp_model_get_schema(model), outputs);
    out->seconds = bp__seconds() - start;
fail:
    free(outputs);
    bp__evaluator_free(evaluator);
    bp__network_free(network);
    bp__engine_free(engine);
    return status;
}
