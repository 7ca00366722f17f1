/* test_training_ends.c - trainings that diverge, are stopped or are refused: what is kept, and what
 * is said. */
#include "network_support.h"

static void check_divergence(bp_device *device)
{
    const size_t widths[] = {4, 8, 1};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(64, 4, 1, false);
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_SGD;
    options.learning_rate = 1e6f;
    options.epochs = 50;
    bp_train_result result;
    cr_assert_eq(bp_train(model, device, data, NULL, &options, &result), BP_ERROR_DIVERGED);
    cr_assert(strstr(bp_last_error(), "learning rate") != NULL);
    size_t count;
    float *kept = flatten(model, &count);
    for (size_t i = 0; i < count; ++i)
        cr_assert(isfinite(kept[i]), "parameter %zu is not finite", i);
    free(kept);
    bp_data_free(data);
    bp_model_free(model);
}

Test(training_ends, divergence_keeps_the_last_finite_state)
{
    every_device(check_divergence);
}

/* The only step of an epoch ends with parameters that are finite still, with which the validation's
 * outputs are not: whatever is monitored, that is a divergence, not bad data. (A double has room
 * for them.) */
static void check_overflow(bp_device *device)
{
    const int32_t monitors[] = {BP_MONITOR_VALIDATION_LOSS, BP_MONITOR_F1, BP_MONITOR_LOG_LOSS,
                                BP_MONITOR_ACCURACY, BP_MONITOR_TRAIN_LOSS};
    const size_t widths[] = {4, 4, 4, 4};
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    bp_data *data = data_of(40, 4, 4, true);
    for (size_t i = 0; i < sizeof monitors / sizeof *monitors; ++i) {
        bp_model *model = model_of(widths, 3, BP_ACTIVATION_LINEAR, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 1);
        bp_train_options options = bp_train_options_default();
        size_t count;
        options.optimizer = BP_OPTIMIZER_SGD;
        options.learning_rate = 1e30f;
        options.batch = 40;
        options.epochs = 5;
        options.monitor = monitors[i];
        cr_assert_eq(bp_train(model, device, data, data, &options, NULL), BP_ERROR_DIVERGED,
                     "%s: %s", bp_monitor_name(monitors[i]), bp_last_error());
        cr_assert(strstr(bp_last_error(), "learning rate below") != NULL, "%s", bp_last_error());
        float *after = flatten(model, &count);
        for (size_t k = 0; k < count; ++k) cr_assert(isfinite(after[k]));
        free(after);
        bp_model_free(model);
    }
    bp_data_free(data);
}

Test(training_ends, outputs_that_overflow_are_a_divergence)
{
    every_device(check_overflow);
}

static int stop_in_second_epoch(const bp_progress *progress, void *user)
{
    ++*(int *)user;
    return progress->epoch == 2;
}

static void check_cancel(bp_device *device)
{
    const size_t widths[] = {4, 8, 2};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 1);
    bp_data *data = data_of(64, 4, 2, true);
    size_t count;
    float *before = flatten(model, &count);
    int calls = 0;
    bp_train_options options = bp_train_options_default();
    options.progress = stop_in_second_epoch;
    options.user = &calls;
    bp_train_result result;
    cr_assert_eq(bp_train(model, device, data, data, &options, &result), BP_ERROR_CANCELLED);
    cr_assert_geq(result.epochs, 1);
    cr_assert_leq(result.epochs, 2);
    cr_assert_gt(calls, 0);
    float *after = flatten(model, &count);
    cr_assert(memcmp(before, after, count * sizeof *before) != 0, "the model was not updated");
    free(before);
    free(after);
    bp_data_free(data);
    bp_model_free(model);
}

Test(training_ends, the_callback_can_stop)
{
    every_device(check_cancel);
}

/* A sigmoid cannot give 2: said before an hour is spent on it. */
Test(training_ends, targets_out_of_reach_are_refused)
{
    const size_t widths[] = {2, 1};
    const float x[4] = {0, 1, 1, 0}, t[2] = {0.5f, 2};
    bp_device *device;
    bp_data *data;
    OK(bp_device_open(&device, "reference"));
    OK(bp_data_from_arrays(&data, x, 2, 2, t, 1));
    static const int32_t outputs[] = {BP_ACTIVATION_SIGMOID, BP_ACTIVATION_TANH, BP_ACTIVATION_RELU,
                                      BP_ACTIVATION_LINEAR};
    for (int k = 0; k < 4; ++k) {
        bp_model *model =
            model_of(widths, 1, BP_ACTIVATION_RELU, outputs[k], BP_LOSS_HALF_SQUARED, 1, 1);
        const bp_status status = bp_train(model, device, data, NULL, NULL, NULL);
        cr_assert_eq(status, k < 2 ? BP_ERROR_DATA : BP_OK, "%s", bp_activation_name(outputs[k]));
        cr_assert(k >= 2 || strstr(bp_last_error(), "row 1") != NULL, "%s", bp_last_error());
        bp_model_free(model);
    }
    bp_data_free(data);
    bp_device_free(device);
}

Test(training_ends, wrong_use_is_refused)
{
    const size_t widths[] = {4, 3};
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 1);
    bp_data *narrow = data_of(8, 3, 3, true), *wide = data_of(8, 4, 5, true),
            *good = data_of(8, 4, 3, true);
    cr_assert_eq(bp_train(model, device, narrow, NULL, NULL, NULL), BP_ERROR_MODEL);
    cr_assert_eq(bp_train(model, device, wide, NULL, NULL, NULL), BP_ERROR_MODEL);
    cr_assert_eq(bp_train(model, device, good, narrow, NULL, NULL), BP_ERROR_MODEL);
    cr_assert_eq(bp_train(NULL, device, good, NULL, NULL, NULL), BP_ERROR_ARGUMENT);
    bp_train_options options = bp_train_options_default();
    options.size = 4;
    cr_assert_eq(bp_train(model, device, good, NULL, &options, NULL), BP_ERROR_ARGUMENT);
    options = bp_train_options_default();
    options.gemm = BP_GEMM_CLBLAST;
    cr_assert_eq(bp_train(model, device, good, NULL, &options, NULL), BP_ERROR_UNSUPPORTED);
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, NULL));
    cr_assert_eq(bp_trainer_epoch(trainer, NULL), BP_ERROR_ARGUMENT);
    float gradients[12];
    cr_assert_eq(bp_trainer_get_gradients(trainer, 0, gradients, NULL), BP_ERROR_ARGUMENT);
    const float x[4] = {0};
    const int32_t bad_label = 3;
    cr_assert_eq(bp_trainer_step(trainer, x, NULL, &bad_label, 1, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_trainer_step(trainer, x, NULL, NULL, 1, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_trainer_step(trainer, x, x, NULL, 33, NULL), BP_ERROR_ARGUMENT);
    bp_trainer_free(trainer);
    bp_data_free(narrow);
    bp_data_free(wide);
    bp_data_free(good);
    bp_model_free(model);
    bp_device_free(device);
}

typedef enum number_kind { FLOAT, DOUBLE, COUNT } number_kind;

static void set_number(bp_train_options *options, size_t offset, number_kind kind, double value)
{
    char *place = (char *)options + offset;
    if (kind == FLOAT) *(float *)place = (float)value;
    if (kind == DOUBLE) *(double *)place = value;
    if (kind == COUNT) *(int64_t *)place = (int64_t)value;
}

/* Numbers that make no sense are refused by name, and so is NaN everywhere. */
Test(training_ends, numbers_out_of_range_are_refused)
{
#define OF(field, kind) #field, offsetof(bp_train_options, field), kind
    const double too_many = (double)INT32_MAX + 1;
    const struct {
        const char *name;
        size_t offset;
        number_kind kind;
        double wrong[3]; /* 0: no more */
    } cases[] = {
        {OF(epochs, COUNT), {-1}},
        {OF(batch, COUNT), {-1, too_many}},
        {OF(accumulate, COUNT), {-1, too_many}},
        {OF(window, COUNT), {-1}},
        {OF(patience, COUNT), {-1}},
        {OF(decay_every, COUNT), {-1}},
        {OF(steps_per_epoch, COUNT), {-1}},
        {OF(freeze_layers, COUNT), {-1, 1}},
        {OF(learning_rate, FLOAT), {-1, INFINITY}},
        {OF(momentum, FLOAT), {-0.1, 1}},
        {OF(beta1, FLOAT), {1, 1.5}},
        {OF(beta2, FLOAT), {1, 1.5}},
        {OF(epsilon, FLOAT), {INFINITY}},
        {OF(weight_decay, FLOAT), {INFINITY}},
        {OF(l1, FLOAT), {-1, INFINITY}},
        {OF(clip_norm, FLOAT), {-1, INFINITY}},
        {OF(clip_value, FLOAT), {-1, INFINITY}},
        {OF(max_norm, FLOAT), {-1, INFINITY}},
        {OF(label_smoothing, FLOAT), {-0.1, 1}},
        {OF(ema, DOUBLE), {-0.1, 1, INFINITY}},
        {OF(min_delta, DOUBLE), {-1, INFINITY}},
        {OF(warmup, DOUBLE), {-1}},
        {OF(decay, DOUBLE), {-0.1, 1.5}},
        {OF(final_rate, DOUBLE), {-0.1, 1.5}},
    };
#undef OF
    const size_t widths[] = {4, 3};
    bp_device *device;
    bp_trainer *trainer;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 1);
    for (size_t i = 0; i < BP_COUNT(cases); ++i)
        for (size_t k = 0; k < 4; ++k) {
            const double wrong = k == 3 ? (double)NAN : cases[i].wrong[k];
            bp_train_options how = bp_train_options_default();
            if (wrong == 0 || (k == 3 && cases[i].kind == COUNT)) continue;
            set_number(&how, cases[i].offset, cases[i].kind, wrong);
            cr_assert_eq(bp_trainer_create(&trainer, model, device, &how), BP_ERROR_ARGUMENT,
                         "%s = %g", cases[i].name, wrong);
            char says[64];
            snprintf(says, sizeof says, "%s is ", cases[i].name);
            cr_assert(strstr(bp_last_error(), says), "%s = %g: %s", cases[i].name, wrong,
                      bp_last_error());
        }
    bp_train_options how = bp_train_options_default();
    how.accumulate = 0;
    cr_assert_eq(bp_trainer_create(&trainer, model, device, &how), BP_ERROR_ARGUMENT);
    how = bp_train_options_default();
    how.epsilon = 0;
    cr_assert_eq(bp_trainer_create(&trainer, model, device, &how), BP_ERROR_ARGUMENT);
    bp_model_free(model);
    bp_device_free(device);
}

Test(training_ends, devices_are_named_and_refused)
{
    bp_device *device;
    cr_assert_eq(bp_device_open(&device, "no such machine"), BP_ERROR_NO_DEVICE);
    cr_assert_null(device);
    cr_assert(strstr(bp_last_error(), "reference") != NULL, "%s", bp_last_error());
    bp_device_free(NULL);
}
