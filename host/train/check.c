/* check.c - options, and whether a model and a data set belong together, before anything is built.
 */
#include <math.h>
#include <stddef.h>

#include "base/options.h"
#include "train/trainer.h"

static bp_status check_options(const bp_train_options *options)
{
    if (options->epochs < 1)
        return bp__fail(BP_ERROR_ARGUMENT, "epochs is %lld, at least 1 is needed",
                        (long long)options->epochs);
    if (options->batch < 1 || options->batch > INT32_MAX)
        return bp__fail(BP_ERROR_ARGUMENT, "batch is %lld, 1 to 2^31 - 1 is possible",
                        (long long)options->batch);
    if (!bp_optimizer_name(options->optimizer))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown optimizer %d", (int)options->optimizer);
    if (!(options->learning_rate >= 0) || !isfinite(options->learning_rate))
        return bp__fail(BP_ERROR_ARGUMENT, "learning_rate is %g, 0 (default) or more is needed",
                        (double)options->learning_rate);
    if (!(options->momentum >= 0 && options->momentum < 1))
        return bp__fail(BP_ERROR_ARGUMENT, "momentum is %g, 0 <= momentum < 1 is needed",
                        (double)options->momentum);
    if (!(options->beta1 >= 0 && options->beta1 < 1) ||
        !(options->beta2 >= 0 && options->beta2 < 1))
        return bp__fail(BP_ERROR_ARGUMENT, "beta1 and beta2 must be in [0, 1)");
    if (options->freeze_bias != 0 && options->freeze_bias != 1)
        return bp__fail(BP_ERROR_ARGUMENT, "freeze_bias is %d, 0 or 1 is needed",
                        (int)options->freeze_bias);
    if (options->checkpoint_epochs < 0 || options->checkpoint_steps < 0 ||
        !(options->checkpoint_seconds >= 0))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "checkpoint_epochs, _steps and _seconds must be 0 or more");
    if (!(options->epsilon > 0)) return bp__fail(BP_ERROR_ARGUMENT, "epsilon must be above 0");
    return BP_OK;
}

bp_status bp__read_train_options(bp_train_options *out, const bp_train_options *given)
{
    *out = bp_train_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_train_options"));
    return check_options(out);
}

bp_status bp__check_fit(size_t inputs, size_t outputs, const bp_data *data)
{
    bp_data_info info = bp_data_get_info(data);
    if (!info.encoded)
        return bp__fail(BP_ERROR_DATA, "the data is raw: encode it with bp_schema_apply first");
    if (info.features != inputs)
        return bp__fail(BP_ERROR_MODEL, "the model has %zu inputs, the data %zu features", inputs,
                        info.features);
    if (!bp_data_labels(data) && !bp_data_targets(data))
        return bp__fail(BP_ERROR_DATA, "the data has no targets");
    if (info.outputs != outputs)
        return bp__fail(BP_ERROR_MODEL, "the model has %zu outputs, the data %zu %s", outputs,
                        info.outputs, bp_data_labels(data) ? "classes" : "targets");
    return BP_OK;
}

bp_status bp__check_reach(const bp_model *model, const bp_data *data)
{
    const float *targets = bp_data_targets(data);
    const bp_model_info shape = bp_model_get_info(model);
    const int32_t activation = bp_model_get_layer(model, shape.layers - 1).activation;
    if (!targets || activation == BP_ACTIVATION_LINEAR) return BP_OK;
    const float low = activation == BP_ACTIVATION_TANH ? -1.0f : 0.0f;
    const float high = activation == BP_ACTIVATION_RELU ? INFINITY : 1.0f;
    /* Scaling rounds to float: the largest target of a range may come out just above its end. */
    const float slack = 1e-5f;
    const bp_data_info info = bp_data_get_info(data);
    for (size_t i = 0; i < info.rows * info.outputs; ++i)
        if (!(targets[i] >= low - slack && targets[i] <= high + slack))
            return bp__fail(
                BP_ERROR_DATA,
                "target %zu of row %zu is %g, which a %s output cannot reach (%g to %g): "
                "use a linear output, or scale the targets",
                i % info.outputs, i / info.outputs, (double)targets[i],
                bp_activation_name(activation), (double)low, (double)high);
    return BP_OK;
}
