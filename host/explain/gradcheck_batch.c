/* gradcheck_batch.c - bp_gradcheck: the batch that is checked, on the reference and on a device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/random.h"
#include "explain/gradcheck.h"

/* A batch that owns its arrays. */
typedef struct batch {
    size_t rows, inputs, outputs;
    float *x, *targets;
    int32_t *labels;
} batch;

static void batch_free(batch *b)
{
    free(b->x);
    free(b->targets);
    free(b->labels);
}

static bp_status batch_create(batch *b, const bp_model_info *shape, size_t rows, bool labels)
{
    size_t x, t;
    *b = (batch){.rows = rows, .inputs = shape->inputs, .outputs = shape->outputs};
    if (!bp__mul_size(&x, rows, shape->inputs) || !bp__mul_size(&t, rows, shape->outputs))
        return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(&b->x, x, sizeof *b->x));
    return labels ? bp__new_array(&b->labels, rows, sizeof *b->labels)
                  : bp__new_array(&b->targets, t, sizeof *b->targets);
}

/* Evenly spread rows: a file may be sorted by class. */
static bp_status take_rows(batch *b, const bp_data *data)
{
    const size_t all = bp_data_get_info(data).rows;
    for (size_t i = 0; i < b->rows; ++i) {
        const size_t row = (size_t)((double)i * (double)all / (double)b->rows);
        BP_TRY(bp_data_read(data, row, 1, b->x + i * b->inputs, b->labels ? b->labels + i : NULL,
                            b->labels ? NULL : b->targets + i * b->outputs));
    }
    return BP_OK;
}

static void draw_rows(batch *b, uint64_t seed)
{
    for (size_t i = 0; i < b->rows * b->inputs; ++i)
        b->x[i] = (float)(2 * bp__random_unit(seed, BP__PURPOSE_BENCH, 0, 0, i) - 1);
    for (size_t i = 0; b->targets && i < b->rows * b->outputs; ++i)
        b->targets[i] = (float)(0.2 + 0.6 * bp__random_unit(seed, BP__PURPOSE_BENCH, 1, 0, i));
    for (size_t i = 0; b->labels && i < b->rows; ++i)
        b->labels[i] = (int32_t)(bp__random_bits(seed, BP__PURPOSE_BENCH, 2, 0, i) % b->outputs);
}

bp_gradcheck_options bp_gradcheck_options_default(void)
{
    return (bp_gradcheck_options){.size = sizeof(bp_gradcheck_options),
                                  .rows = 32,
                                  .work = 2e9,
                                  .tolerance = 1e-6,
                                  .gemm = BP_GEMM_AUTO,
                                  .seed = 1};
}

static bp_status read_options(bp_gradcheck_options *out, const bp_gradcheck_options *given)
{
    *out = bp_gradcheck_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_gradcheck_options"));
    if (out->rows < 1 || out->rows > INT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "rows is %lld, 1 to 2^31 - 1 is possible",
                        (long long)out->rows);
    if (!(out->work > 0))
        return bp__fail(BP_ERROR_ARGUMENT, "work is %g, a number above 0 is needed", out->work);
    if (!(out->tolerance > 0) || !(out->device_tolerance >= 0))
        return bp__fail(BP_ERROR_ARGUMENT, "tolerances must be above 0");
    if (out->reserved != 0) return bp__fail(BP_ERROR_ARGUMENT, "reserved must be 0");
    return BP_OK;
}

/* Rounding of the factors of two products, one after the other, and units of relu that are on in
 * one engine and off in the other. */
static double device_tolerance(const bp_device *device)
{
    const int32_t precision = bp_device_get_precision(device);
    return precision == BP_PRECISION_FP32 ? 1e-4 : 16 * bp__rounding_of(precision);
}

/* The device's gradients of the batch, in the layout of the glass's arenas. */
static bp_status device_gradients(double *out, const bp__glass *glass, const bp_model *model,
                                  bp_device *device, const batch *b,
                                  const bp_gradcheck_options *options)
{
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_SGD;
    how.batch = (int64_t)b->rows;
    how.gemm = options->gemm;
    how.seed = options->seed; /* of dropout */
    bp_trainer *trainer = NULL;
    float *values = NULL;
    bp_status status;
    BP_TRY_GOTO(bp_trainer_create(&trainer, model, device, &how));
    BP_TRY_GOTO(bp_trainer_step(trainer, b->x, b->targets, b->labels, b->rows, NULL));
    BP_TRY_GOTO(bp__new_array(&values, glass->network->arena_size, sizeof *values));
    for (size_t l = 0; l < glass->network->layer_count; ++l)
        for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part) {
            const bp__view *view = bp__layer_part(&glass->network->values[l], part);
            bp__view *from = bp__layer_part(&trainer->network->slopes[l], part);
            if (!view->buffer) continue;
            BP_TRY_GOTO(bp__view_read(trainer->engine, from, values));
            for (size_t i = 0; i < view->rows * view->columns; ++i)
                out[view->offset + i] = (double)values[i];
        }
fail:
    bp_trainer_free(trainer);
    free(values);
    return status;
}

static bp_status check_batch(bp_gradcheck_result *out, const bp_model *model, bp_device *device,
                             const batch *b, const bp_gradcheck_options *options)
{
    bp__glass *glass = NULL;
    double *gradients = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__glass_create(&glass, model, b->rows, b->labels != NULL,
                                 &(bp__glass_how){.dropout = &options->seed}));
    bp__glass_load(glass, &(bp__batch){.x = b->x, .targets = b->targets, .labels = b->labels});
    BP_TRY_GOTO(bp__gradcheck_glass(out, glass, options));
    if (device) {
        BP_TRY_GOTO(bp__new_array(&gradients, glass->network->arena_size, sizeof *gradients));
        BP_TRY_GOTO(device_gradients(gradients, glass, model, device, b, options));
        BP_TRY_GOTO(bp__gradcheck_device(out, glass, gradients, options));
    }
fail:
    bp__glass_free(glass);
    free(gradients);
    return status;
}

bp_status bp_gradcheck(bp_gradcheck_result *out, const bp_model *model, bp_device *device,
                       const bp_data *data, const bp_gradcheck_options *given)
{
    if (!out || !model)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_gradcheck: out and model are needed");
    *out = (bp_gradcheck_result){0};
    const bp_model_info shape = bp_model_get_info(model);
    bp_gradcheck_options options;
    BP_TRY(read_options(&options, given));
    if (!(options.device_tolerance > 0)) options.device_tolerance = device_tolerance(device);
    size_t rows = (size_t)options.rows;
    if (data) {
        BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
        const size_t there = bp_data_get_info(data).rows;
        if (there < rows) rows = there;
    }
    const bool labels = data ? bp__has_labels(data) : shape.loss == BP_LOSS_CROSS_ENTROPY;
    batch b;
    bp_status status = batch_create(&b, &shape, rows, labels);
    if (status == BP_OK) {
        if (data)
            status = take_rows(&b, data);
        else
            draw_rows(&b, options.seed);
        if (status == BP_OK) status = check_batch(out, model, device, &b, &options);
    }
    batch_free(&b);
    if (status != BP_OK) {
        bp_gradcheck_free(out);
        *out = (bp_gradcheck_result){0};
    }
    return status;
}
