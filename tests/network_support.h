/* network_support.h - small networks, data sets and plans for the tests of whole training steps. */
#ifndef BP_TESTS_NETWORK_SUPPORT_H
#define BP_TESTS_NETWORK_SUPPORT_H

#include "net/plan.h"
#include "support.h"
#include "train/trainer.h"

/* A model of `count` layers with the given widths [count + 1]. */
static inline bp_model *model_of(const size_t *widths, size_t count, int32_t hidden, int32_t output,
                                 int32_t loss, int32_t bias, uint64_t seed)
{
    bp_layer layers[8];
    for (size_t l = 0; l < count; ++l)
        layers[l] = (bp_layer){.inputs = widths[l],
                               .outputs = widths[l + 1],
                               .activation = l + 1 < count ? hidden : output,
                               .bias = bias};
    bp_model_options options = bp_model_options_default();
    options.loss = loss;
    options.seed = seed;
    bp_model *model;
    OK(bp_model_create_layers(&model, layers, count, &options));
    /* Biases start at 0. Here they are something to check, and never 0: where all units before are
     * off, a relu unit's net input is its bias, and at 0 there is a kink. */
    for (size_t l = 0; bias && l < count; ++l)
        for (size_t i = 0; i < widths[l + 1]; ++i)
            bp_model_biases(model, l)[i] = 0.1f * (float)((int)i % 5 - 2) + 0.03f;
    return model;
}

/* rows random samples: labels for cross-entropy, or targets in (0.1, 0.9). */
static inline bp_data *data_of(size_t rows, size_t features, size_t outputs, bool labels)
{
    float *x = random_floats(rows * features, 1, 21);
    float *t = random_floats(rows * outputs, 0.4, 22);
    int32_t *l = malloc(rows * sizeof *l);
    for (size_t i = 0; i < rows * outputs; ++i) t[i] += 0.5f;
    for (size_t i = 0; i < rows; ++i) /* learnable: the sign pattern of two features */
        l[i] = (int32_t)(((x[i * features] > 0) + 2 * (x[i * features + features - 1] > 0)) %
                         (int)outputs);
    bp_data *data;
    if (labels)
        OK(bp_data_from_labels(&data, x, rows, features, l, outputs));
    else
        OK(bp_data_from_arrays(&data, x, rows, features, t, outputs));
    free(x);
    free(t);
    free(l);
    return data;
}

/* All parameters of a model, one after the other; free() them. */
static inline float *flatten(bp_model *model, size_t *count)
{
    const bp_model_info info = bp_model_get_info(model);
    float *all = malloc(info.parameters * sizeof *all);
    size_t next = 0;
    for (size_t l = 0; l < info.layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        memcpy(all + next, bp_model_weights(model, l), layer.inputs * layer.outputs * sizeof *all);
        next += layer.inputs * layer.outputs;
        if (!layer.bias) continue;
        memcpy(all + next, bp_model_biases(model, l), layer.outputs * sizeof *all);
        next += layer.outputs;
    }
    *count = next;
    return all;
}

/* Parameters after `epochs` epochs of `rows` samples in batches of `batch`; free() them. */
static inline float *trained(bp_device *device, int32_t gemm, int32_t optimizer, bool labels,
                             size_t rows, int64_t batch, int64_t epochs, size_t *count)
{
    const size_t widths[] = {13, 20, 9, 4};
    bp_model *model = model_of(widths, 3, BP_ACTIVATION_TANH,
                               labels ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_SIGMOID,
                               labels ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED, 1, 5);
    bp_data *data = data_of(rows, 13, 4, labels);
    bp_train_options options = bp_train_options_default();
    options.optimizer = optimizer;
    options.batch = batch;
    options.epochs = epochs;
    options.gemm = gemm;
    options.seed = 77;
    bp_train_result result;
    OK(bp_train(model, device, data, NULL, &options, &result));
    cr_assert_eq(result.steps, epochs * (int64_t)((rows + (size_t)batch - 1) / (size_t)batch));
    float *all = flatten(model, count);
    bp_data_free(data);
    bp_model_free(model);
    return all;
}

/* How steps_by_hand trains. */
typedef struct by_hand {
    size_t batch, epochs;
    int32_t optimizer;
    float rate;
    bool keep_gradients;
    bool one_by_one; /* steps: a launch each */
} by_hand;

/* Enqueues `steps` steps. */
static inline void run_steps_by_hand(bp__engine *engine, const bp__plan *plan, size_t steps,
                                     bool one_by_one)
{
    for (size_t s = 0; one_by_one && s < steps; ++s) {
        OK(bp__sequence_run(engine, plan->train, 1));
        OK(bp__engine_finish(engine));
    }
    if (!one_by_one) OK(bp__sequence_run(engine, plan->train, steps));
}

/* Parameters after training on the rows in their order, the last batch of an epoch being partial
 * where they do not divide; free() them. losses[steps of an epoch], of the last one, may be NULL.
 */
static inline float *steps_by_hand(bp__engine *engine, const bp_model *start, const bp_data *data,
                                   by_hand how, float *losses, size_t *count)
{
    const bp__plan_optimizer optimizer = {.optimizer = how.optimizer,
                                          .momentum = 0.9f,
                                          .beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .epsilon = 1e-8f,
                                          .keep_gradients = how.keep_gradients};
    const bool labels = bp_data_labels(data) != NULL;
    const bp_model_info info = bp_model_get_info(start);
    bp__network *network;
    bp__pass *pass;
    bp__plan *full, *last;
    OK(bp__network_create(&network, engine, start, true, how.optimizer));
    OK(bp__network_upload(network, start));
    OK(bp__pass_create(&pass, engine, data, how.batch, true));
    OK(bp__plan_create(&full, network, pass->batch, labels, true));
    OK(bp__plan_make_train(full, &pass->views, &optimizer));
    OK(bp__plan_create_part(&last, full, bp__pass_last_rows(pass)));
    OK(bp__plan_make_train(last, &pass->views, &optimizer));
    for (size_t e = 0; e < how.epochs; ++e) {
        for (size_t s = 0; s < pass->steps; ++s) {
            const double t = (double)(e * pass->steps + s + 1);
            float *row = pass->hyper_table + s * BP__HYPER_COUNT;
            row[BP__HYPER_RATE] = how.rate;
            row[BP__HYPER_CORRECTION1] = (float)(1 / (1 - pow(0.9, t)));
            row[BP__HYPER_CORRECTION2] = (float)(1 / (1 - pow(0.999, t)));
        }
        OK(bp__view_write(engine, &pass->views.hyper, pass->hyper_table));
        OK(bp__pass_seek(pass, 0));
        run_steps_by_hand(engine, full, pass->steps - 1, how.one_by_one);
        run_steps_by_hand(engine, last, 1, how.one_by_one);
    }
    if (losses) OK(bp__view_read(engine, &pass->views.losses, losses));
    bp_model *model;
    bp_layer layers[8];
    for (size_t l = 0; l < info.layers; ++l) layers[l] = bp_model_get_layer(start, l);
    OK(bp_model_create_layers(&model, layers, info.layers, NULL));
    OK(bp__network_download(network, model));
    float *all = flatten(model, count);
    bp_model_free(model);
    bp__plan_free(full);
    bp__plan_free(last);
    bp__pass_free(pass);
    bp__network_free(network);
    return all;
}

/* One batch of one network on the reference engine, to be looked at from inside. */
typedef struct bench {
    bp__engine *engine;
    bp__network *network;
    bp__pass *pass;
    bp__plan *plan;
    bp__plan_optimizer optimizer;
} bench;

static inline bench bench_of(const bp_model *model, const bp_data *data, int32_t optimizer)
{
    bench b = {.optimizer = {.optimizer = optimizer,
                             .momentum = 0.9f,
                             .beta1 = 0.9f,
                             .beta2 = 0.999f,
                             .epsilon = 1e-8f}};
    const size_t rows = bp_data_get_info(data).rows;
    OK(bp__reference_engine_create(&b.engine));
    OK(bp__network_create(&b.network, b.engine, model, true, optimizer));
    OK(bp__network_upload(b.network, model));
    OK(bp__pass_create(&b.pass, b.engine, data, rows, true));
    OK(bp__plan_create(&b.plan, b.network, rows, bp_data_labels(data) != NULL, true));
    OK(bp__plan_make_evaluate(b.plan, &b.pass->views));
    const float hyper[BP__HYPER_COUNT] = {0.5f, 1, 1, 0};
    OK(bp__view_write(b.engine, &b.pass->views.hyper, hyper));
    return b;
}

static inline void bench_free(bench *b)
{
    bp__plan_free(b->plan);
    bp__pass_free(b->pass);
    bp__network_free(b->network);
    bp__engine_free(b->engine);
}

/* The mean loss of the batch in double. */
static inline double bench_loss(bench *b)
{
    OK(bp__pass_seek(b->pass, 0));
    OK(bp__sequence_run(b->engine, b->plan->evaluate, 1));
    return bp__reference_numbers(b->pass->losses)[0] / (double)b->pass->rows;
}

/* Relative L2 distance of the gradients left by ops[count] from central differences, epsilon 1e-5,
 * over all parameters. NAN where the whole gradient is zero, as with relu outputs that are all off:
 * nothing is tested then. */
static inline double gradient_error(bench *b, const bp__op *ops, size_t count)
{
    double *parameters = bp__reference_numbers(b->network->parameters);
    double *gradients = bp__reference_numbers(b->network->gradients);
    const size_t size = b->network->arena_size;
    double *before = malloc(size * sizeof *before);
    memcpy(before, parameters, size * sizeof *before);
    bp__sequence *sequence;
    OK(bp__sequence_create(b->engine, &sequence, ops, count));
    OK(bp__pass_seek(b->pass, 0));
    OK(bp__sequence_run(b->engine, sequence, 1));
    bp__sequence_free(b->engine, sequence);
    memcpy(parameters, before, size * sizeof *before);
    const double epsilon = 1e-5;
    double difference = 0, length = 0;
    for (size_t i = 0; i < size; ++i) {
        parameters[i] = before[i] + epsilon;
        const double up = bench_loss(b);
        parameters[i] = before[i] - epsilon;
        const double down = bench_loss(b);
        parameters[i] = before[i];
        const double numeric = (up - down) / (2 * epsilon);
        difference += (gradients[i] - numeric) * (gradients[i] - numeric);
        length += numeric * numeric;
    }
    free(before);
    return length > 0 ? sqrt(difference / length) : (double)NAN;
}

#endif
