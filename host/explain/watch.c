/* watch.c - bp_watch: a training's layers between epochs. Reads from the device, writes nothing but
 * a batch of its own and the gradients, which every step writes anew. */
#include "explain/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/xray.h"
#include "ops/engine.h"
#include "reference/reference.h"
#include "train/full_batch.h"

/* ---- The watch ----------------------------------------------------------------------------------
 */

void bp__arenas_free(bp__arenas *arenas)
{
    free(arenas->parameters);
    free(arenas->moment1);
    free(arenas->moment2);
    *arenas = (bp__arenas){0};
}

static bp_status read_arena(double **out, const bp__network *network, bp__buffer *buffer)
{
    *out = NULL;
    if (!buffer) return BP_OK;
    const bp__view arena = bp__network_arena(network, buffer);
    return bp__read_doubles(out, network->engine, &arena);
}

bp_status bp__arenas_read(bp__arenas *out, const bp__network *network)
{
    *out = (bp__arenas){0};
    bp_status status = read_arena(&out->parameters, network, network->parameters);
    if (status == BP_OK) status = read_arena(&out->moment1, network, network->moment1);
    if (status == BP_OK) status = read_arena(&out->moment2, network, network->moment2);
    if (status != BP_OK) bp__arenas_free(out);
    return status;
}

/* Of one layer: the floats of a part, if both models have it. */
static void copy_part(float *(*part)(bp_model *, size_t), bp_model *to, bp_model *from,
                      size_t layer, size_t count)
{
    if (part(to, layer)) memcpy(part(to, layer), part(from, layer), count * sizeof(float));
}

static bp_status copy_model(bp_model **out, const bp_model *model)
{
    const bp_model_info shape = bp_model_get_info(model);
    /* The accessors hand out pointers for writing; here they are only read. */
    bp_model *source = (bp_model *)(uintptr_t)model;
    bp_model_options options = bp_model_options_default();
    bp_layer *layers = NULL;
    *out = NULL;
    options.loss = shape.loss;
    BP_TRY(bp__new_array(&layers, shape.layers, sizeof *layers));
    for (size_t l = 0; l < shape.layers; ++l) layers[l] = bp_model_get_layer(model, l);
    bp_status status = bp_model_create_layers(out, layers, shape.layers, &options);
    for (size_t l = 0; l < shape.layers && status == BP_OK; ++l) {
        const size_t units = layers[l].outputs;
        copy_part(bp_model_weights, *out, source, l, layers[l].inputs * units);
        copy_part(bp_model_biases, *out, source, l, units);
        copy_part(bp_model_gains, *out, source, l, units);
        copy_part(bp_model_shifts, *out, source, l, units);
        copy_part(bp_model_means, *out, source, l, units);
        copy_part(bp_model_variances, *out, source, l, units);
    }
    free(layers);
    return status;
}

/* Evenly spread rows: a file may be sorted by class. */
static bp_status copy_rows(bp_data **out, const bp_data *data, size_t rows)
{
    const bp_data_info info = bp_data_get_info(data);
    const bool labels = bp__has_labels(data);
    float *x = NULL, *targets = NULL;
    int32_t *classes = NULL;
    bp_status status;
    if (info.rows < rows) rows = info.rows;
    BP_TRY_GOTO(bp__new_array(&x, rows * info.features, sizeof *x));
    BP_TRY_GOTO(bp__new_array(&targets, rows * info.outputs, sizeof *targets));
    BP_TRY_GOTO(bp__new_array(&classes, rows, sizeof *classes));
    for (size_t i = 0; i < rows; ++i) {
        const size_t row = (size_t)((double)i * (double)info.rows / (double)rows);
        BP_TRY_GOTO(bp_data_read(data, row, 1, x + i * info.features, labels ? classes + i : NULL,
                                 labels ? NULL : targets + i * info.outputs));
    }
    status = labels ? bp_data_from_labels(out, x, rows, info.features, classes, info.outputs)
                    : bp_data_from_arrays(out, x, rows, info.features, targets, info.outputs);
fail:
    free(x);
    free(targets);
    free(classes);
    return status;
}

bp_status bp_watch_create(bp_watch **out, const bp_model *model, const bp_data *data, size_t rows)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_watch_create: out is NULL");
    *out = NULL;
    if (!model || !data || rows == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_watch_create: model, data and rows are needed");
    const bp_model_info shape = bp_model_get_info(model);
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    bp_watch *watch = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&watch, 1, sizeof *watch));
    watch->layer_count = shape.layers;
    BP_TRY_GOTO(bp__new_array(&watch->layers, shape.layers, sizeof *watch->layers));
    BP_TRY_GOTO(copy_model(&watch->model, model));
    BP_TRY_GOTO(copy_model(&watch->now, model));
    BP_TRY_GOTO(copy_rows(&watch->rows, data, rows));
    *out = watch;
    return BP_OK;
fail:
    bp_watch_free(watch);
    return status;
}

void bp_watch_free(bp_watch *watch)
{
    if (!watch) return;
    bp_model_free(watch->model);
    bp_model_free(watch->now);
    bp_data_free(watch->rows);
    bp__arenas_free(&watch->kept);
    free(watch->layers);
    free(watch);
}

bp_watch_layer bp_watch_get(const bp_watch *watch, size_t layer)
{
    if (!watch || !watch->looked || layer >= watch->layer_count) return (bp_watch_layer){0};
    return watch->layers[layer];
}

/* ---- Gradients and updates ----------------------------------------------------------------------
 */

/* Forward, error and backward of the watch's rows on the trainer's own network: the operations of a
 * step but for the update. */
static bp_status run_batch(const bp_watch *watch, const bp_trainer *trainer)
{
    bp__engine *engine = trainer->engine;
    const int32_t *labels = bp_data_labels(watch->rows);
    bp__plan_optimizer optimizer = bp__trainer_optimizer(trainer);
    optimizer.no_update = true;
    bp__pass *pass = NULL;
    bp__plan *plan = NULL;
    bp__op *ops = NULL;
    bp__sequence *sequence = NULL;
    size_t count;
    bp_status status;
    BP_TRY_GOTO(bp__pass_create(&pass, engine, NULL, 1, true));
    BP_TRY_GOTO(bp__plan_create(&plan, trainer->network, bp_data_get_info(watch->rows).rows,
                                labels != NULL, true));
    BP_TRY_GOTO(bp__plan_train_ops(&ops, &count, plan, &pass->views, &optimizer));
    BP_TRY_GOTO(bp__sequence_create(engine, &sequence, ops, count));
    BP_TRY_GOTO(bp__view_write(engine, &plan->input, bp_data_features(watch->rows)));
    BP_TRY_GOTO(labels ? bp__view_write(engine, &plan->labels, labels)
                       : bp__view_write(engine, &plan->targets, bp_data_targets(watch->rows)));
    BP_TRY_GOTO(bp__pass_seek(pass, 0));
    BP_TRY_GOTO(bp__sequence_run(engine, sequence, 1));
    BP_TRY_GOTO(bp__engine_finish(engine));
fail:
    bp__sequence_free(engine, sequence);
    free(ops);
    bp__plan_free(plan);
    bp__pass_free(pass);
    return status;
}

/* A copy; all zero where there is nothing to copy. */
static bp_status copy(double **out, const double *values, size_t count)
{
    BP_TRY(bp__new_array(out, count, sizeof **out));
    if (values) memcpy(*out, values, count * sizeof *values);
    return BP_OK;
}

/* What an update does to weights at last. */
static void limit_norms(double *parameters, const bp__network *network,
                        const bp__plan_optimizer *how)
{
    for (size_t l = how->freeze_layers; how->max_norm > 0 && l < network->layer_count; ++l) {
        const bp__view *weights = &network->values[l].weights;
        for (size_t k = 0; k < weights->rows; ++k) {
            double squares = 0;
            for (size_t i = 0; i < weights->columns; ++i) {
                const double w = parameters[bp__view_index(weights, k, i)];
                squares += w * w;
            }
            const double factor = bp__reference_max_norm_factor(squares, (double)how->max_norm);
            for (size_t i = 0; i < weights->columns; ++i)
                parameters[bp__view_index(weights, k, i)] *= factor;
        }
    }
}

/* *out [arena] = the parameters that the trainer's next step would make of the gradients. */
static bp_status update(double **out, const bp_trainer *trainer, const bp__arenas *now,
                        const double *gradients)
{
    const size_t size = trainer->network->arena_size;
    const bp__plan_optimizer how = bp__trainer_optimizer(trainer);
    float row[BP__HYPER_COUNT] = {0};
    double hyper[BP__HYPER_COUNT], *m1 = NULL, *m2 = NULL;
    bp_status status = copy(out, now->parameters, size);
    if (status == BP_OK) status = copy(&m1, now->moment1, size);
    if (status == BP_OK) status = copy(&m2, now->moment2, size);
    if (status == BP_OK) {
        bp__trainer_hyper(trainer, (size_t)trainer->place, 1, row);
        for (int i = 0; i < BP__HYPER_COUNT; ++i) hyper[i] = (double)row[i];
        const bp__optimizer op = {.optimizer = how.optimizer,
                                  .momentum = how.momentum,
                                  .beta1 = how.beta1,
                                  .beta2 = how.beta2,
                                  .epsilon = how.epsilon,
                                  .decay = how.decay,
                                  .l2 = how.l2,
                                  .l1 = how.l1,
                                  .clip = how.clip};
        const double factor =
            how.clip_norm > 0 ? bp__reference_clip_factor(gradients, size, (double)how.clip_norm)
                              : 1;
        bp__reference_optimizer(*out, gradients, m1, m2, size, hyper, factor, &op);
        limit_norms(*out, trainer->network, &how);
    }
    free(m1);
    free(m2);
    return status;
}

/* |a - b| (b NULL: |a|) over a layer's weights and biases; what lies between them is padding, and
 * zero. */
static double norm_of(const bp__layer_views *views, bool biases, const double *a, const double *b)
{
    size_t end = views->weights.offset + views->weights.rows * views->weights.stride;
    if (biases && views->bias.buffer) end = views->bias.offset + views->bias.stride;
    double sum = 0;
    for (size_t i = views->weights.offset; i < end; ++i) {
        const double value = a[i] - (b ? b[i] : 0);
        sum += value * value;
    }
    return sqrt(sum);
}

/* ---- Findings -----------------------------------------------------------------------------------
 */

static double root_mean_square(const bp_watch *watch, size_t l)
{
    const bp_layer layer = bp_model_get_layer(watch->model, l);
    return watch->layers[l].gradient /
           sqrt((double)layer.outputs * (double)(layer.inputs + (layer.bias ? 1 : 0)));
}

static void find(bp_watch *watch)
{
    const size_t last = watch->layer_count - 1;
    double largest = 0;
    for (size_t l = 0; l <= last; ++l) largest = fmax(largest, root_mean_square(watch, l));
    for (size_t l = 0; l <= last; ++l) {
        bp_watch_layer *layer = &watch->layers[l];
        const double size = root_mean_square(watch, l);
        layer->findings = 0;
        if (size < 1e-3 * largest) layer->findings |= BP_FINDING_VANISHING;
        if (layer->delta > 1e3 * watch->layers[last].delta) layer->findings |= BP_FINDING_EXPLODING;
        if (layer->update > 0.1 * layer->weights) layer->findings |= BP_FINDING_FAST;
        if (l == last) continue;
        if (layer->saturated > 0 && 4 * layer->saturated >= layer->units)
            layer->findings |= BP_FINDING_SATURATED;
        if (layer->dead > 0 && 10 * layer->dead >= layer->units) layer->findings |= BP_FINDING_DEAD;
    }
}

/* What batch normalisation has found has moved with the watch's batch, too. */
static bp_status put_moments_back(const bp__network *network, const bp__arenas *now)
{
    bp__view found = bp__network_arena(network, network->parameters);
    if (network->moments_at >= network->arena_size) return BP_OK;
    found.offset += network->moments_at;
    found.columns -= network->moments_at;
    return bp__write_doubles(network->engine, &found, now->parameters + network->moments_at);
}

static bp_status measure(bp_watch *watch, const bp_trainer *trainer, const bp__arenas *now)
{
    const bp__network *network = trainer->network;
    double *gradients = NULL, *after = NULL;
    bp_status status;
    BP_TRY_GOTO(run_batch(watch, trainer));
    BP_TRY_GOTO(put_moments_back(network, now));
    BP_TRY_GOTO(read_arena(&gradients, network, network->gradients));
    BP_TRY_GOTO(update(&after, trainer, now, gradients));
    for (size_t l = 0; l < watch->layer_count; ++l) {
        const bp__layer_views *views = &network->values[l];
        watch->layers[l].weights = norm_of(views, true, now->parameters, NULL);
        watch->layers[l].gradient = norm_of(views, true, gradients, NULL);
        watch->layers[l].update =
            norm_of(views, trainer->options.freeze_bias != 1, after, now->parameters);
    }
fail:
    free(gradients);
    free(after);
    return status;
}

static bool is_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i])) return false;
    return true;
}

bp_status bp_watch_look(bp_watch *watch, bp_trainer *trainer)
{
    if (!watch || !trainer)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_watch_look: watch and trainer are needed");
    if (trainer->full_batch)
        return bp__full_batch_refuse("watching gradients", trainer->options.optimizer);
    bp__arenas now;
    bp_survey survey = {0};
    bp_status status;
    BP_TRY(bp__arenas_read(&now, trainer->network));
    BP_TRY_GOTO(bp__network_download(trainer->network, watch->now));
    BP_TRY_GOTO(measure(watch, trainer, &now));
    BP_TRY_GOTO(bp_survey_data(&survey, watch->now, watch->rows, SIZE_MAX));
    for (size_t l = 0; l < watch->layer_count; ++l) {
        watch->layers[l].units = survey.layers[l].units;
        watch->layers[l].delta = survey.layers[l].deltas.rms;
        watch->layers[l].dead = survey.layers[l].dead;
        watch->layers[l].saturated = survey.layers[l].saturated;
    }
    find(watch);
    watch->looked = true;
    /* What has gone wrong already is no place to start from. */
    if (is_finite(now.parameters, trainer->network->arena_size)) {
        bp__arenas_free(&watch->kept);
        watch->kept = now;
        now = (bp__arenas){0};
        watch->epoch = trainer->epoch;
        watch->step = trainer->step;
        watch->updates = trainer->updates;
    }
fail:
    bp_survey_free(&survey);
    bp__arenas_free(&now);
    return status;
}
