/* check.c - whether what is about to be timed computes the right thing: the same few steps on the
 * device and on the reference.
 *
 * The reference is slow, and the batch that is timed may be large. So the batch is made of few
 * rows, each of which it holds equally often, in random places: its mean loss and its gradients are
 * those of the few rows, which are all that the reference computes. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/bench.h"

/* Relative differences, of losses to the first or the wanted one, whichever is larger: a loss that
 * has become next to nothing has no digits in common. float32 accounts for 1e-5; a unit of relu
 * whose net input is within rounding of zero can be on in one engine and off in the other. */
static const double loss_tolerance = 1e-3, gradient_tolerance = 2e-2, change_tolerance = 5e-2;

/* Below fp32 as many times the rounding of a product's factors, where that is more. */
static double tolerance(double usual, double times, const bp_trainer *trainer)
{
    const bool rounds = trainer->precision != BP_PRECISION_FP32;
    return rounds ? fmax(usual, times * bp__rounding_of(trainer->precision)) : usual;
}

/* The largest divisor of batch that is affordable. */
static size_t distinct_rows(const bp__network *network, size_t batch, double work)
{
    double weights = 0;
    for (size_t l = 0; l < network->layer_count; ++l)
        weights += (double)network->layers[l].inputs * (double)network->layers[l].outputs;
    for (size_t rows = batch; rows > 4; --rows)
        if (batch % rows == 0 && 3 * weights * (double)rows <= work) return rows;
    return batch % 4 == 0 ? 4 : batch % 3 == 0 ? 3 : batch % 2 == 0 ? 2 : 1;
}

/* A rate at which three steps change the parameters well beyond rounding and no loss runs away. */
static double check_rate(const bp_trainer *trainer)
{
    size_t widest = 1;
    for (size_t l = 0; l < trainer->network->layer_count; ++l)
        if (trainer->network->layers[l].inputs > widest)
            widest = trainer->network->layers[l].inputs;
    const double share = widest > 64 ? 64.0 / (double)widest : 1;
    return share * (bp__optimizer_of(trainer->options.optimizer)->rate < 0.015 ? 1e-3 : 0.1);
}

/* Every one of the first steps takes rows 0 to `rows` - 1 of the data, equally often, in any order;
 * the rest of the order is left as it is. */
static bp_status order_steps(bp_trainer *trainer, size_t rows)
{
    const bp__pass *pass = trainer->pass;
    for (uint32_t s = 0; s < BP__CHECK_STEPS; ++s) {
        uint32_t *order = trainer->order + s * pass->batch;
        bp__random_permutation(order, pass->batch, 1, BP__PURPOSE_SHUFFLE, s);
        for (size_t i = 0; i < pass->batch; ++i) order[i] %= (uint32_t)rows;
    }
    return bp__view_write(trainer->engine, &pass->views.order, trainer->order);
}

static bp_status order_as_stored(bp_trainer *trainer)
{
    for (size_t i = 0; i < trainer->pass->rows; ++i) trainer->order[i] = (uint32_t)i;
    return bp__view_write(trainer->engine, &trainer->pass->views.order, trainer->order);
}

/* Steps [from, to); losses[from…] receive the mean loss of each. */
static bp_status take_steps(bp_trainer *trainer, size_t from, size_t to, double *losses)
{
    BP_TRY(bp__pass_seek(trainer->pass, (int32_t)from));
    BP_TRY(bp__sequence_run(trainer->engine, trainer->full->train, to - from));
    trainer->step += (int64_t)(to - from);
    bp__view view = trainer->pass->views.losses;
    view.offset += from;
    view.columns = to - from;
    BP_TRY(bp__view_read(trainer->engine, &view, trainer->losses));
    for (size_t s = from; s < to; ++s)
        losses[s] = (double)trainer->losses[s - from] / (double)trainer->pass->batch;
    return BP_OK;
}

/* |a - b| / |b| by the sums of squares, both less `start` where it is given. */
static double difference(const float *a, const float *b, const float *start, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; ++i) {
        const double wanted = (double)b[i] - (start ? (double)start[i] : 0);
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += wanted * wanted;
    }
    return size > 0 ? sqrt(apart / size) : apart > 0 ? INFINITY : 0;
}

static bp_status fail_check(const bp_device_info *device, const char *what, size_t number,
                            double error, double limit)
{
    return bp__fail(BP_ERROR_INTERNAL,
                    "%s computes wrong results: %s %zu differs from the reference's by %.3g "
                    "relative, %.3g is allowed; nothing was timed",
                    device->name, what, number, error, limit);
}

/* The gradient of the first step in a view's place: the first moment is a multiple of it, and
 * without moments so is the change since `from` (set to NULL otherwise). */
static bp_status read_gradient(bp_trainer *trainer, bp__view view, float *out, const float **from)
{
    if (trainer->network->moment1) {
        view.buffer = trainer->network->moment1;
        *from = NULL;
    }
    return bp__view_read(trainer->engine, &view, out);
}

static bp_status check_gradient(bp_trainer *trainer, bp_trainer *reference, size_t layer,
                                const bp__view *view, const bp__view *wanted, const float *from,
                                const bp_device_info *device)
{
    const size_t count = view->rows * view->columns;
    float *a = NULL, *b = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&a, count, sizeof *a));
    BP_TRY_GOTO(bp__new_array(&b, count, sizeof *b));
    BP_TRY_GOTO(read_gradient(trainer, *view, a, &from));
    BP_TRY_GOTO(read_gradient(reference, *wanted, b, &from));
    const double error = difference(a, b, from, count);
    const double limit = tolerance(gradient_tolerance, 16, trainer);
    if (!(error <= limit))
        status = fail_check(device, "the gradient of layer", layer + 1, error, limit);
fail:
    free(a);
    free(b);
    return status;
}

static bp_status check_gradients(bp_trainer *trainer, bp_trainer *reference, const bp_model *start,
                                 const bp_device_info *device)
{
    bp_model *const from = (bp_model *)(uintptr_t)start; /* only read */
    for (size_t l = 0; l < trainer->network->layer_count; ++l) {
        const bp__layer_views *ours = &trainer->network->values[l];
        const bp__layer_views *theirs = &reference->network->values[l];
        BP_TRY(check_gradient(trainer, reference, l, &ours->weights, &theirs->weights,
                              bp_model_weights(from, l), device));
        if (ours->bias.buffer)
            BP_TRY(check_gradient(trainer, reference, l, &ours->bias, &theirs->bias,
                                  bp_model_biases(from, l), device));
    }
    return BP_OK;
}

/* What the steps have done to the weights. */
static bp_status check_changes(bp_trainer *trainer, bp_trainer *reference, const bp_model *start,
                               const bp_device_info *device)
{
    bp_model *const from = (bp_model *)(uintptr_t)start; /* only read */
    for (size_t l = 0; l < trainer->network->layer_count; ++l) {
        const bp_layer *layer = &trainer->network->layers[l];
        const size_t count = layer->inputs * layer->outputs;
        float *a = NULL, *b = NULL;
        bp_status status;
        BP_TRY_GOTO(bp__new_array(&a, count, sizeof *a));
        BP_TRY_GOTO(bp__new_array(&b, count, sizeof *b));
        BP_TRY_GOTO(bp__view_read(trainer->engine, &trainer->network->values[l].weights, a));
        BP_TRY_GOTO(bp__view_read(reference->engine, &reference->network->values[l].weights, b));
        const double error = difference(a, b, bp_model_weights(from, l), count);
        const double limit = tolerance(change_tolerance, 64, trainer);
        if (!(error <= limit))
            status = fail_check(device, "the change of the weights of layer", l + 1, error, limit);
    fail:
        free(a);
        free(b);
        BP_TRY(status);
    }
    return BP_OK;
}

static bp_status check_losses(const bp_trainer *trainer, const double *losses, const double *wanted,
                              const bp_device_info *device)
{
    const double limit = tolerance(loss_tolerance, 8, trainer);
    for (size_t s = 0; s < BP__CHECK_STEPS; ++s) {
        const double error = fabs(losses[s] - wanted[s]) / fmax(fabs(wanted[s]), fabs(wanted[0]));
        if (!(error <= limit)) return fail_check(device, "the loss of step", s + 1, error, limit);
    }
    return BP_OK;
}

/* The first step alone, for its gradients; then the rest at once, as they will be timed. */
static bp_status compare(bp_trainer *trainer, bp_trainer *reference, const bp_model *model,
                         const bp_device_info *device)
{
    bp_trainer *const both[] = {trainer, reference};
    double losses[2][BP__CHECK_STEPS];
    for (int i = 0; i < 2; ++i) {
        BP_TRY(order_steps(both[i], reference->pass->batch));
        BP_TRY(bp__bench_set_rate(both[i], check_rate(trainer), 1));
        BP_TRY(take_steps(both[i], 0, 1, losses[i]));
    }
    BP_TRY(check_gradients(trainer, reference, model, device));
    for (int i = 0; i < 2; ++i) BP_TRY(take_steps(both[i], 1, BP__CHECK_STEPS, losses[i]));
    BP_TRY(check_losses(trainer, losses[0], losses[1], device));
    return check_changes(trainer, reference, model, device);
}

bp_status bp__bench_check(bp_trainer *trainer, const bp_model *model, const bp_data *data,
                          const bp_device_info *device, double work)
{
    const size_t rows = distinct_rows(trainer->network, trainer->pass->batch, work);
    const bp_data_info info = bp_data_get_info(data);
    bp_device *plain_c = NULL;
    bp_data *part = NULL;
    bp_trainer *reference = NULL;
    bp_train_options options = trainer->options;
    options.batch = (int64_t)rows;
    options.gemm = BP_GEMM_AUTO;
    bp_status status;
    BP_TRY_GOTO(bp_device_open(&plain_c, "reference"));
    /* Its steps take the first rows only, as the device's do; the pass is to have as many steps. */
    if (bp_data_labels(data))
        BP_TRY_GOTO(bp_data_from_labels(&part, bp_data_features(data), rows * BP__CHECK_STEPS,
                                        info.features, bp_data_labels(data), info.outputs));
    else
        BP_TRY_GOTO(bp_data_from_arrays(&part, bp_data_features(data), rows * BP__CHECK_STEPS,
                                        info.features, bp_data_targets(data), info.outputs));
    BP_TRY_GOTO(bp_trainer_create(&reference, model, plain_c, &options));
    BP_TRY_GOTO(bp_trainer_set_data(reference, part));
    BP_TRY_GOTO(compare(trainer, reference, model, device));
    BP_TRY_GOTO(order_as_stored(trainer));
fail:
    bp_trainer_free(reference);
    bp_data_free(part);
    bp_device_free(plain_c);
    return status;
}
