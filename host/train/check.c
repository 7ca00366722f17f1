/* check.c - options, and whether a model and a data set belong together, before anything is built.
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "base/options.h"
#include "train/full_batch.h"
#include "train/trainer.h"

static bp_status check_options(const bp_train_options *options)
{
    if (options->epochs < 0)
        return bp__fail(BP_ERROR_ARGUMENT, "epochs is %lld, 0 (by the rows) or more is possible",
                        (long long)options->epochs);
    if (options->batch < 1 || options->batch > INT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "batch is %lld, 0 (the optimizer's own) to 2^31 - 1 is possible",
                        (long long)options->batch);
    if (options->accumulate < 1 || options->accumulate > INT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "accumulate is %lld batches, 1 to 2^31 - 1 is possible",
                        (long long)options->accumulate);
    if (!bp_optimizer_name(options->optimizer))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown optimizer %d", (int)options->optimizer);
    if (!(options->learning_rate >= 0) || !isfinite(options->learning_rate))
        return bp__fail(BP_ERROR_ARGUMENT, "learning_rate is %g, 0 (default) or more is needed",
                        (double)options->learning_rate);
    const struct {
        const char *name;
        double value;
    } shares[] = {{"momentum", (double)options->momentum},
                  {"beta1", (double)options->beta1},
                  {"beta2", (double)options->beta2},
                  {"label_smoothing", (double)options->label_smoothing},
                  {"ema", options->ema}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; ++i)
        if (!(shares[i].value >= 0 && shares[i].value < 1))
            return bp__fail(BP_ERROR_ARGUMENT, "%s is %g, a number >= 0 and below 1 is needed",
                            shares[i].name, shares[i].value);
    const struct {
        const char *name;
        float value;
    } not_negative[] = {{"weight_decay", options->weight_decay},
                        {"l1", options->l1},
                        {"clip_norm", options->clip_norm},
                        {"clip_value", options->clip_value},
                        {"max_norm", options->max_norm}};
    for (size_t i = 0; i < sizeof not_negative / sizeof *not_negative; ++i)
        if (!(not_negative[i].value >= 0) || !isfinite(not_negative[i].value))
            return bp__fail(BP_ERROR_ARGUMENT, "%s is %g, a finite number >= 0 is needed",
                            not_negative[i].name, (double)not_negative[i].value);
    if (!bp_shuffle_name(options->shuffle))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown shuffle %d", (int)options->shuffle);
    if (!bp_stream_name(options->stream))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown stream %d", (int)options->stream);
    if (options->window < 0)
        return bp__fail(BP_ERROR_ARGUMENT, "window is %lld, 0 (default) or more is needed",
                        (long long)options->window);
    if (options->freeze_bias != 0 && options->freeze_bias != 1)
        return bp__fail(BP_ERROR_ARGUMENT, "freeze_bias is %d, 0 or 1 is needed",
                        (int)options->freeze_bias);
    if (options->checkpoint_epochs < 0 || options->checkpoint_steps < 0 ||
        !(options->checkpoint_seconds >= 0))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "checkpoint_epochs, _steps and _seconds must be 0 or more");
    if (!(options->epsilon > 0) || !isfinite(options->epsilon))
        return bp__fail(BP_ERROR_ARGUMENT, "epsilon is %g, a finite number above 0 is needed",
                        (double)options->epsilon);
    if (!bp_monitor_name(options->monitor))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown monitor %d", (int)options->monitor);
    if (options->patience < 0)
        return bp__fail(BP_ERROR_ARGUMENT, "patience is %lld epochs, 0 (none) or more is possible",
                        (long long)options->patience);
    if (!(options->min_delta >= 0) || !isfinite(options->min_delta))
        return bp__fail(BP_ERROR_ARGUMENT, "min_delta is %g, 0 or more is needed",
                        options->min_delta);
    if (options->keep_best < -1 || options->keep_best > 1)
        return bp__fail(BP_ERROR_ARGUMENT, "keep_best is %d, -1, 0 or 1 is needed",
                        (int)options->keep_best);
    if (bp__optimizer_of(options->optimizer)->full_batch) BP_TRY(bp__full_batch_check(options));
    return bp__schedule_check(options);
}

bp_status bp__read_train_options(bp_train_options *out, const bp_train_options *given)
{
    *out = bp_train_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_train_options"));
    if (bp_optimizer_name(out->optimizer)) { /* negative: the optimizer's own */
        const bp__optimizer_traits *own = bp__optimizer_of(out->optimizer);
        if (out->batch == 0) out->batch = bp_optimizer_default_batch(out->optimizer);
        if (out->beta1 < 0) out->beta1 = (float)own->beta1;
        if (out->beta2 < 0) out->beta2 = (float)own->beta2;
        if (out->epsilon < 0) out->epsilon = (float)own->epsilon;
        if (out->weight_decay < 0) out->weight_decay = (float)own->decay;
    }
    return check_options(out);
}

/* A schedule that nobody has asked for is for trainings of a length that nobody has set, in steps
 * whose length is the learning rate's. */
static bool wants_schedule(const bp_train_options *options)
{
    return options->epochs == 0 && options->patience == 0 &&
           !bp__optimizer_of(options->optimizer)->full_batch;
}

/* How long a training is that nobody has set a length for; docs/decisions/defaults.md. */
enum { AUTO_SAMPLES = 240000, AUTO_LEAST = 15, AUTO_MOST = 120, AUTO_PATIENT = 10 };

bool bp__fill_in_epochs(bp_train_options *options, size_t rows)
{
    const bool patient = options->patience > 0, by_rows = options->epochs == 0;
    const bool cosine = wants_schedule(options);
    const bool automatic = options->schedule == BP_SCHEDULE_AUTO;
    if (by_rows) {
        int64_t epochs = rows > 0 ? (int64_t)(AUTO_SAMPLES / rows) : AUTO_MOST;
        if (epochs < AUTO_LEAST) epochs = AUTO_LEAST;
        if (epochs > AUTO_MOST) epochs = AUTO_MOST;
        options->epochs = patient ? AUTO_PATIENT * epochs : epochs;
    }
    if (automatic) options->schedule = cosine ? BP_SCHEDULE_COSINE : BP_SCHEDULE_CONSTANT;
    return automatic && cosine;
}

bp_status bp__check_fit(size_t inputs, size_t outputs, const bp_data *data)
{
    bp_data_info info = bp_data_get_info(data);
    if (!info.encoded)
        return bp__fail(BP_ERROR_DATA, "the data is raw: encode it with bp_schema_apply first");
    if (info.features != inputs)
        return bp__fail(BP_ERROR_MODEL, "the model has %zu inputs, the data %zu features", inputs,
                        info.features);
    if (info.task == BP_TASK_AUTO && !bp_data_labels(data) && !bp_data_targets(data))
        return bp__fail(BP_ERROR_DATA, "the data has no targets");
    if (info.outputs != outputs)
        return bp__fail(BP_ERROR_MODEL, "the model has %zu outputs, the data %zu %s", outputs,
                        info.outputs, bp__has_labels(data) ? "classes" : "targets");
    return BP_OK;
}

bool bp__has_labels(const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    return info.streamed ? info.task == BP_TASK_CLASSIFY : bp_data_labels(data) != NULL;
}

static bp_status check_targets(const float *targets, size_t first, size_t rows, size_t outputs,
                               int32_t activation)
{
    const float low = (float)bp__activation(activation)->low;
    const float high = (float)bp__activation(activation)->high;
    /* Scaling rounds to float: the largest target of a range may come out just above its end. */
    const float slack = 1e-5f;
    for (size_t i = 0; i < rows * outputs; ++i)
        if (!(targets[i] >= low - slack && targets[i] <= high + slack))
            return bp__fail(
                BP_ERROR_DATA,
                "target %zu of row %zu is %g, which a %s output cannot reach (%g to %g): "
                "use a linear output, or scale the targets",
                i % outputs, first + i / outputs, (double)targets[i],
                bp_activation_name(activation), (double)low, (double)high);
    return BP_OK;
}

/* The same, a few rows at a time. */
static bp_status check_streamed(const bp_data *data, int32_t activation)
{
    enum { ROWS = 4096 };
    const bp_data_info info = bp_data_get_info(data);
    float *targets;
    bp_status status = BP_OK;
    BP_TRY(bp__new_array(&targets, ROWS * info.outputs, sizeof *targets));
    for (size_t first = 0; first < info.rows && status == BP_OK; first += ROWS) {
        const size_t rows = info.rows - first < ROWS ? info.rows - first : ROWS;
        status = bp_data_read(data, first, rows, NULL, NULL, targets);
        if (status == BP_OK) status = check_targets(targets, first, rows, info.outputs, activation);
    }
    free(targets);
    return status;
}

bp_status bp__check_reach(const bp_model *model, const bp_data *data)
{
    const bp_model_info shape = bp_model_get_info(model);
    const bp_data_info info = bp_data_get_info(data);
    const int32_t activation = bp_model_get_layer(model, shape.layers - 1).activation;
    if (bp__has_labels(data) ||
        (isinf(bp__activation(activation)->low) && isinf(bp__activation(activation)->high)))
        return BP_OK;
    if (info.streamed) return check_streamed(data, activation);
    return check_targets(bp_data_targets(data), 0, info.rows, info.outputs, activation);
}

/* ---- resident or streamed, and in which order ---- */

/* Words of a row on the device. */
static size_t row_words(const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    return info.features + (bp__has_labels(data) ? 1 : info.outputs);
}

bp__order bp__order_for(const bp_train_options *options, const bp_data *data, size_t batch,
                        int32_t automatic)
{
    const int32_t shuffle = options->shuffle == BP_SHUFFLE_AUTO ? automatic : options->shuffle;
    return bp__order_create(shuffle, options->seed, bp_data_get_info(data).rows, row_words(data),
                            batch, (size_t)options->window);
}

/* Whether the rows would take more than one buffer, or the device, can have. Something must be left
 * for the network. */
static bool too_large(const bp__engine *engine, const bp_data *data)
{
    const bp_data_info info = bp_data_get_info(data);
    const double row = 4.0 * (double)info.features;
    const double all = row + 4.0 * (double)(bp__has_labels(data) ? 1 : info.outputs) + 4.0 +
                       (bp_data_weights(data) ? 4.0 : 0);
    return row * (double)info.rows > (double)engine->buffer_limit ||
           all * (double)info.rows > 0.9 * (double)engine->memory;
}

bool bp__must_stream(const bp__engine *engine, const bp_data *data)
{
    return bp_data_get_info(data).streamed || too_large(engine, data);
}

bp_status bp__choose_stream(bool *stream, const bp_trainer *trainer, const bp_data *data)
{
    const bp_train_options *options = &trainer->options;
    const bool in_file = bp_data_get_info(data).streamed;
    *stream = options->stream == BP_STREAM_YES ||
              (options->stream == BP_STREAM_AUTO && bp__must_stream(trainer->engine, data));
    if (in_file && !*stream)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "the data was loaded to be streamed, and is not to be streamed");
    if (*stream && options->shuffle == BP_SHUFFLE_ALL)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "the rows of a stream cannot be shuffled all at once: blocks is for that");
    return BP_OK;
}
