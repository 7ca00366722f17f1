/* test_course.c - learning rates from step to step, patience, the best epoch, the range test.
 * tests/interop/schedule_interop.py compares rates with PyTorch. */
#include "backprop_evaluate.h"
#include "network_support.h"

#define NEAR(a, b) cr_assert_float_eq((a), (b), 1e-12, "%s is %.15g, wanted %.15g", #a, (a), (b))

static bp__schedule schedule_of(int32_t kind, int64_t epochs, int64_t per_epoch, double warmup)
{
    bp_train_options options = bp_train_options_default();
    options.learning_rate = 0.5f;
    options.schedule = kind;
    options.epochs = epochs;
    options.warmup = warmup;
    return bp__schedule_of(&options, per_epoch);
}

Test(course, rates_by_hand)
{
    bp__schedule s = schedule_of(BP_SCHEDULE_CONSTANT, 10, 4, 2);
    NEAR(bp__schedule_rate(&s, 0, 1), 0.5 / 8);
    NEAR(bp__schedule_rate(&s, 7, 1), 0.5);
    NEAR(bp__schedule_rate(&s, 39, 1), 0.5);
    s = schedule_of(BP_SCHEDULE_STEP, 9, 4, 0);
    NEAR(bp__schedule_rate(&s, 11, 1), 0.5);
    NEAR(bp__schedule_rate(&s, 12, 1), 0.05);
    NEAR(bp__schedule_rate(&s, 24, 1), 0.005);
    s = schedule_of(BP_SCHEDULE_EXPONENTIAL, 10, 4, 0);
    NEAR(bp__schedule_rate(&s, 20, 1), 0.05);
    s = schedule_of(BP_SCHEDULE_COSINE, 10, 4, 0);
    NEAR(bp__schedule_rate(&s, 0, 1), 0.5);
    NEAR(bp__schedule_rate(&s, 20, 1), 0.25);
    NEAR(bp__schedule_rate(&s, 1000, 1), bp__schedule_rate(&s, 39, 1)); /* past the end */
    s = schedule_of(BP_SCHEDULE_ONECYCLE, 10, 10, 0);
    NEAR(bp__schedule_rate(&s, 0, 1), 0.02);
    NEAR(bp__schedule_rate(&s, 29, 1), 0.5);
    NEAR(bp__schedule_rate(&s, 99, 1), 0);
    s = schedule_of(BP_SCHEDULE_PLATEAU, 10, 4, 1);
    NEAR(bp__schedule_rate(&s, 1, 0.25), 0.25); /* the rise is not lowered */
    NEAR(bp__schedule_rate(&s, 5, 0.25), 0.125);
}

/* However short the training and however long the rise: rates stay between 0 and the highest. */
Test(course, rates_of_short_trainings)
{
    for (int32_t kind = 0; bp_schedule_name(kind); ++kind)
        for (int64_t epochs = 1; epochs <= 3; ++epochs)
            for (int64_t steps = 1; steps <= 3; ++steps)
                for (int64_t rise = 0; rise <= 2 * epochs; ++rise) {
                    const bp__schedule s = schedule_of(kind, epochs, steps, 0.5 * (double)rise);
                    double most = 0;
                    for (int64_t t = 0; t <= epochs * steps; ++t) {
                        const double rate = bp__schedule_rate(&s, (double)t, 1);
                        cr_assert(rate >= 0 && rate <= 0.5, "%s %g", bp_schedule_name(kind), rate);
                        most = fmax(most, rate);
                    }
                    cr_assert(most > 0.01, "%s: never above %g", bp_schedule_name(kind), most);
                }
}

/* Values of the monitor, and what is to be known after each. */
Test(course, patience_and_plateaus)
{
    bp_train_options options = bp_train_options_default();
    options.patience = 3;
    options.min_delta = 0.1;
    options.schedule = BP_SCHEDULE_PLATEAU;
    options.decay_every = 1;
    const struct {
        double value;
        int64_t best_epoch;
        double plateau;
        bool ends;
    } steps[] = {
        {5, 1, 1, false},    {4, 2, 1, false},  {3.95, 3, 1, false}, {(double)NAN, 3, .5, false},
        {3.8, 5, .5, false}, {4, 5, .5, false}, {4, 5, .25, false},  {3.75, 8, .25, true}};
    for (int sign = -1; sign <= 1; sign += 2) { /* turned around, where more is better */
        bp__course course = bp__course_new();
        for (size_t i = 0; i < sizeof steps / sizeof *steps; ++i) {
            const int64_t before = course.best_epoch;
            const bool best = bp__course_note(&course, -sign * steps[i].value, sign > 0, &options);
            cr_assert_eq(course.best_epoch, steps[i].best_epoch, "epoch %zu", i + 1);
            cr_assert_eq(best, course.best_epoch != before);
            NEAR(course.plateau, steps[i].plateau);
            cr_assert_eq(bp__course_ends(&course, &options), steps[i].ends, "epoch %zu", i + 1);
        }
    }
}

typedef struct history {
    double losses[64], rates[64];
    int64_t count, stop_after;
} history;

static int remember(const bp_progress *now, void *user)
{
    history *h = user;
    if (!now->epoch_done) return 0;
    h->losses[h->count] = now->validation_loss;
    h->rates[h->count++] = now->learning_rate;
    return h->count == h->stop_after;
}

static int64_t best_of(const history *h)
{
    int64_t best = 0;
    for (int64_t i = 1; i < h->count; ++i)
        if (h->losses[i] < h->losses[best]) best = i;
    return best + 1;
}

/* A network that overfits few noisy samples: the model is that of the best epoch, on every device.
 */
static void check_best_kept(bp_device *device)
{
    const size_t widths[] = {6, 40, 4};
    bp_data *data = data_of(24, 6, 4, true), *other = data_of(200, 6, 4, true);
    for (int keep = 0; keep <= 1; ++keep) {
        bp_model *model = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 3);
        history h = {0};
        bp_train_result result;
        bp_metrics metrics;
        bp_train_options options = bp_train_options_default();
        options.epochs = 60;
        options.batch = 4;
        options.learning_rate = 0.05f;
        options.patience = 5;
        options.keep_best = keep ? -1 : 0;
        options.progress = remember;
        options.user = &h;
        OK(bp_train(model, device, data, other, &options, &result));
        OK(bp_evaluate(&metrics, model, device, other));
        const int64_t best = best_of(&h);
        cr_assert_eq(result.stopped_early, 1);
        cr_assert_eq(result.epochs, best + 5);
        cr_assert_eq(result.best_epoch, best);
        cr_assert_eq(result.monitor, BP_MONITOR_VALIDATION_LOSS);
        NEAR(result.best_value, h.losses[best - 1]);
        cr_assert_eq(result.best_kept, keep);
        NEAR(result.validation_loss, h.losses[keep ? best - 1 : h.count - 1]);
        cr_assert_float_eq(metrics.loss, result.validation_loss, 1e-6);
        bp_model_free(model);
    }
    bp_data_free(data);
    bp_data_free(other);
}

Test(course, the_best_epoch_is_kept)
{
    every_device(check_best_kept);
}

/* Every monitor, cancelled trainings, and what cannot be monitored. */
Test(course, monitors)
{
    const size_t widths[] = {6, 9, 4};
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    for (int labels = 0; labels <= 1; ++labels) {
        bp_model *model = model_of(widths, 2, BP_ACTIVATION_TANH,
                                   labels ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_SIGMOID,
                                   labels ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED, 1, 3);
        bp_data *data = data_of(60, 6, 4, labels), *other = data_of(40, 6, 4, labels);
        for (int32_t monitor = 0; bp_monitor_name(monitor); ++monitor) {
            bp_train_options options = bp_train_options_default();
            bp_train_result result;
            options.epochs = 3;
            options.monitor = monitor;
            options.keep_best = 1;
            const bool any = monitor <= BP_MONITOR_VALIDATION_LOSS;
            const bool possible = any || (monitor < BP_MONITOR_RMSE) == labels;
            const bp_status status = bp_train(model, device, data, other, &options, &result);
            cr_assert_eq(status, possible ? BP_OK : BP_ERROR_ARGUMENT, "%s: %s",
                         bp_monitor_name(monitor), bp_last_error());
            if (!possible) continue;
            bp_report *report;
            OK(bp_report_evaluate(&report, model, device, other, NULL));
            const bp__measured measured = {.train_loss = result.train_loss,
                                           .validation_loss = report->overall.loss,
                                           .validation_accuracy = report->overall.accuracy,
                                           .report = report};
            cr_assert_float_eq(result.best_value, bp__monitor_value(monitor, &measured), 1e-6, "%s",
                               bp_monitor_name(monitor));
            bp_report_free(report);
            if (monitor == BP_MONITOR_TRAIN_LOSS) continue;
            cr_assert_eq(bp_train(model, device, data, NULL, &options, NULL), BP_ERROR_ARGUMENT);
        }
        bp_data_free(data);
        bp_data_free(other);
        bp_model_free(model);
    }
    bp_device_free(device);
}

static float half_or_one(float value, bool soft)
{
    return value > 0.5f ? 1 : soft ? 0.5f : 0;
}

/* Of labels, targets of 0 and 1 with the loss bce, there are these; of other targets with that loss
 * only what numbers have. */
Test(course, monitors_of_labels)
{
    enum { ROWS = 60, INPUTS = 6, LABELS = 4 };
    const size_t widths[] = {INPUTS, 9, LABELS};
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_BCE, 1, 3);
    bp_data *some = data_of(ROWS, INPUTS, LABELS, false);
    for (int soft = 0; soft <= 1; ++soft) {
        float targets[ROWS * LABELS];
        bp_data *data;
        for (size_t i = 0; i < ROWS * LABELS; ++i)
            targets[i] = half_or_one(bp_data_targets(some)[i], soft);
        OK(bp_data_from_arrays(&data, bp_data_features(some), ROWS, INPUTS, targets, LABELS));
        for (int32_t monitor = 1; bp_monitor_name(monitor); ++monitor) {
            bp_train_options options = bp_train_options_default();
            bp_train_result result;
            options.epochs = 3;
            options.monitor = monitor;
            options.keep_best = 1;
            const bool of_labels = monitor == BP_MONITOR_ACCURACY || monitor == BP_MONITOR_F1 ||
                                   monitor == BP_MONITOR_AUC;
            const bool possible = monitor <= BP_MONITOR_VALIDATION_LOSS ||
                                  monitor >= BP_MONITOR_RMSE || (of_labels && !soft);
            const bp_status status = bp_train(model, device, data, data, &options, &result);
            cr_assert_eq(status, possible ? BP_OK : BP_ERROR_ARGUMENT, "%s: %s",
                         bp_monitor_name(monitor), bp_last_error());
            if (!possible) continue;
            bp_report *r;
            OK(bp_report_evaluate(&r, model, device, data, NULL));
            if (soft)
                cr_assert(isnan(result.validation_accuracy));
            else if (monitor != BP_MONITOR_TRAIN_LOSS) /* whose best epoch has no later one */
                cr_assert_eq(result.validation_accuracy, r->overall.accuracy);
            if (!of_labels) {
                bp_report_free(r);
                continue;
            }
            cr_assert_float_eq(result.best_value,
                               monitor == BP_MONITOR_ACCURACY ? r->overall.accuracy
                               : monitor == BP_MONITOR_F1     ? r->macro.f1
                                                              : r->auc,
                               1e-9, "%s", bp_monitor_name(monitor));
            bp_report_free(r);
        }
        bp_data_free(data);
    }
    bp_data_free(some);
    bp_model_free(model);
    bp_device_free(device);
}

/* Validation data of a single class has no AUC: said after the first epoch, the model as it was. */
Test(course, what_cannot_be_measured)
{
    const size_t widths[] = {2, 3, 2};
    const float x[] = {0, 1, 1, 0, 1, 1};
    const int32_t both[] = {0, 1, 1}, one[] = {1, 1, 1};
    bp_device *device;
    bp_data *data, *other;
    size_t count;
    OK(bp_device_open(&device, "reference"));
    OK(bp_data_from_labels(&data, x, 3, 2, both, 2));
    OK(bp_data_from_labels(&other, x, 3, 2, one, 2));
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    float *before = flatten(model, &count);
    bp_train_options options = bp_train_options_default();
    options.monitor = BP_MONITOR_AUC;
    cr_assert_eq(bp_train(model, device, data, other, &options, NULL), BP_ERROR_DATA);
    cr_assert(strstr(bp_last_error(), "has no auc"), "%s", bp_last_error());
    float *after = flatten(model, &count);
    cr_assert_eq(memcmp(before, after, count * sizeof *before), 0);
    free(before);
    free(after);
    bp_model_free(model);
    bp_data_free(data);
    bp_data_free(other);
    bp_device_free(device);
}

/* The rates reach the device, each step its own: training with a schedule is the same as steps by
 * hand, each with a trainer's rate set to that of the schedule. */
static void check_rates_on_device(bp_device *device)
{
    const size_t widths[] = {5, 7, 3};
    bp_data *data = data_of(12, 5, 3, true);
    for (int32_t kind = 0; bp_schedule_name(kind); ++kind) {
        bp_model *a = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                               BP_LOSS_CROSS_ENTROPY, 1, 3),
                 *b = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                               BP_LOSS_CROSS_ENTROPY, 1, 3);
        bp_train_options options = bp_train_options_default();
        options.optimizer = BP_OPTIMIZER_SGD;
        options.epochs = 4;
        options.batch = 3;
        options.shuffle = 0;
        options.schedule = kind;
        options.warmup = 1;
        OK(bp_train(a, device, data, NULL, &options, NULL));
        const bp__schedule s = bp__schedule_of(&options, 4);
        for (int64_t step = 0; step < 16; ++step) {
            bp_trainer *trainer;
            bp_train_options one = bp_train_options_default();
            one.optimizer = BP_OPTIMIZER_SGD;
            one.batch = 3;
            one.learning_rate = (float)bp__schedule_rate(&s, (double)step, 1);
            if (one.learning_rate == 0) continue; /* which would mean the default */
            OK(bp_trainer_create(&trainer, b, device, &one));
            const size_t row = (size_t)(step % 4) * 3;
            OK(bp_trainer_step(trainer, bp_data_features(data) + row * 5, NULL,
                               bp_data_labels(data) + row, 3, NULL));
            OK(bp_trainer_get_model(trainer, b));
            bp_trainer_free(trainer);
        }
        size_t count;
        float *x = flatten(a, &count), *y = flatten(b, &count);
        for (size_t i = 0; i < count; ++i)
            cr_assert_float_eq((double)x[i], (double)y[i], 1e-5, "%s: %g and %g",
                               bp_schedule_name(kind), (double)x[i], (double)y[i]);
        free(x);
        free(y);
        bp_model_free(a);
        bp_model_free(b);
    }
    bp_data_free(data);
}

Test(course, rates_on_the_device)
{
    every_device(check_rates_on_device);
}

Test(course, step_by_step)
{
    const size_t widths[] = {2, 3, 2};
    const float x[] = {0, 1};
    const int32_t label = 1;
    bp_device *device;
    bp_trainer *trainer;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    bp_train_options options = bp_train_options_default();
    options.schedule = BP_SCHEDULE_COSINE;
    OK(bp_trainer_create(&trainer, model, device, &options));
    cr_assert_eq(bp_trainer_step(trainer, x, NULL, &label, 1, NULL), BP_ERROR_ARGUMENT);
    cr_assert(strstr(bp_last_error(), "steps_per_epoch"), "%s", bp_last_error());
    bp_trainer_free(trainer);
    options.steps_per_epoch = 2;
    options.epochs = 10;
    OK(bp_trainer_create(&trainer, model, device, &options));
    cr_assert_float_eq(bp_trainer_get_rate(trainer), 0.001, 1e-9);
    for (int i = 0; i < 10; ++i) OK(bp_trainer_step(trainer, x, NULL, &label, 1, NULL));
    cr_assert_float_eq(bp_trainer_get_rate(trainer), 0.0005, 1e-9);
    bp_trainer_free(trainer);
    options.schedule = BP_SCHEDULE_PLATEAU;
    options.decay_every = 1;
    OK(bp_trainer_create(&trainer, model, device, &options));
    for (int i = 0; i < 3; ++i) OK(bp_trainer_observe(trainer, 1, 0));
    cr_assert_float_eq(bp_trainer_get_rate(trainer), 0.0005, 1e-9);
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_device_free(device);
}

Test(course, options_are_checked)
{
    bp_train_options read, o;
#define REFUSED(field, value, says)                                                                \
    o = bp_train_options_default();                                                                \
    o.field = value;                                                                               \
    cr_assert_eq(bp__read_train_options(&read, &o), BP_ERROR_ARGUMENT, #field);                    \
    cr_assert(strstr(bp_last_error(), says), "%s", bp_last_error());
    REFUSED(schedule, 99, "unknown schedule 99")
    REFUSED(monitor, 99, "unknown monitor 99")
    REFUSED(patience, -1, "patience is -1")
    REFUSED(min_delta, -1, "min_delta is -1")
    REFUSED(keep_best, 2, "keep_best is 2")
    REFUSED(warmup, (double)NAN, "warmup is nan")
    REFUSED(warmup, -1, "warmup is -1")
    REFUSED(epochs, -1, "epochs is -1")
    REFUSED(decay, 1.5, "decay is 1.5")
    REFUSED(decay_every, -1, "decay_every is -1")
    REFUSED(final_rate, 2, "final_rate is 2")
    REFUSED(steps_per_epoch, -1, "steps_per_epoch is -1")
}

/* The model keeps every bit; the loss sinks and explodes; a rate that trains is suggested. */
static void check_range_test(bp_device *device)
{
    const size_t widths[] = {6, 20, 4};
    size_t count;
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    bp_data *data = data_of(101, 6, 4, true);
    float *before = flatten(model, &count);
    bp_rate_test *test, *again;
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_SGD;
    OK(bp_find_rate(&test, model, device, data, &how, NULL));
    OK(bp_find_rate(&again, model, device, data, &how, NULL));
    float *after = flatten(model, &count);
    cr_assert_eq(memcmp(before, after, count * sizeof *before), 0);
    cr_assert_eq(test->count, again->count);
    cr_assert_eq(memcmp(test->points, again->points, test->count * sizeof *test->points), 0);
    NEAR(test->points[0].rate, 1e-6);
    for (size_t i = 1; i < test->count; ++i)
        cr_assert_float_eq(test->points[i].rate / test->points[i - 1].rate, pow(1e7, 1 / 199.0),
                           1e-6);
    cr_assert(test->suggested > 1e-3 && test->suggested < test->lowest, "%g", test->suggested);
    how.learning_rate = (float)test->suggested;
    how.epochs = 60;
    bp_train_result result;
    OK(bp_train(model, device, data, NULL, &how, &result));
    cr_assert_lt(result.train_loss, 0.6 * test->points[0].loss);
    free(before);
    free(after);
    bp_rate_test_free(test);
    bp_rate_test_free(again);
    bp_rate_options options = bp_rate_options_default();
    options.from = 2;
    options.to = 1;
    cr_assert_eq(bp_find_rate(&test, model, device, data, NULL, &options), BP_ERROR_ARGUMENT);
    options = bp_rate_options_default();
    options.steps = 5;
    cr_assert_eq(bp_find_rate(&test, model, device, data, NULL, &options), BP_ERROR_ARGUMENT);
    bp_data_free(data);
    bp_model_free(model);
}

Test(course, range_test)
{
    every_device(check_range_test);
}

/* Lengths that nobody has set, by the rows; a schedule comes only with them. */
Test(course, lengths_by_themselves)
{
    const struct {
        size_t rows;
        int64_t given, patience, epochs;
        int32_t schedule;
    } cases[] = {{100, 0, 0, 120, BP_SCHEDULE_COSINE},    {4000, 0, 0, 60, BP_SCHEDULE_COSINE},
                 {60000, 0, 0, 15, BP_SCHEDULE_COSINE},   {2000, 7, 0, 7, BP_SCHEDULE_CONSTANT},
                 {4000, 0, 5, 600, BP_SCHEDULE_CONSTANT}, {2000, 7, 5, 7, BP_SCHEDULE_CONSTANT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_train_options o = bp_train_options_default();
        o.epochs = cases[i].given;
        o.patience = cases[i].patience;
        bp__fill_in_epochs(&o, cases[i].rows);
        cr_assert_eq(o.epochs, cases[i].epochs, "case %zu: %lld", i, (long long)o.epochs);
        cr_assert_eq(o.schedule, cases[i].schedule, "case %zu", i);
    }
}
