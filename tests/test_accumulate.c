/* test_accumulate.c - batches whose gradients make one update: the operation on every device
 * against the reference, and trainings that must end as those with batches of the group's size do.
 */
#include <unistd.h>

#include "backprop_evaluate.h"
#include "base/families.h"
#include "network_support.h"

TestSuite(accumulate, .timeout = 300);

static const int32_t any_gemm[] = {BP_GEMM_AUTO, BP_GEMM_GPU, -1};

static void check_arenas(rig *r, void *context)
{
    (void)context;
    const size_t sizes[] = {16, 48, 1024 * 3, 4096 * 5 + 16};
    const float hyper[3][BP__HYPER_COUNT] = {
        {9, 9, 9, 9, 9, 9}, {9, 9, 9, 9, 9, 0.3f}, {9, 9, 9, 9, 9, 9}};
    const int32_t now = 2;
    for (size_t s = 0; s < 2 * BP_COUNT(sizes); ++s) {
        const size_t n = sizes[s / 2];
        const bool ends = s % 2;
        float *a = random_floats(n, 1, 1), *g = random_floats(n, 2, 2);
        pair sums = pair_of(r, BP__TABLE, 1, n, a), gradients = pair_of(r, BP__TABLE, 1, n, g);
        pair table = pair_of(r, BP__TABLE, 1, 3 * BP__HYPER_COUNT, hyper[0]);
        pair step = integers_of(r, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__view rows = table.on[side];
            rows.rows = 3;
            rows.columns = rows.stride = BP__HYPER_COUNT;
            const bp__op op = {.kind = BP__OP_ACCUMULATE,
                               .as.accumulate = {.sums = sums.on[side],
                                                 .gradients = gradients.on[side],
                                                 .hyper = rows,
                                                 .step = step.on[side],
                                                 .ends = ends}};
            run_op(r, side, &op);
        }
        for (int side = 0; side < SIDES; ++side) {
            float *sum = read_side(r, &sums, side), *gradient = read_side(r, &gradients, side);
            for (size_t i = 0; i < n; ++i) {
                const double both = (double)a[i] + (double)g[i];
                cr_assert_float_eq(sum[i], ends ? 0 : both, 1e-6, "%s, side %d", r->name, side);
                cr_assert_float_eq(gradient[i], ends ? (double)0.3f * both : (double)g[i], 1e-6,
                                   "%s, side %d", r->name, side);
            }
            free(sum);
            free(gradient);
        }
        check_guards(r, &sums, "accumulate");
        check_guards(r, &gradients, "accumulate");
        pair *const all[] = {&sums, &gradients, &table, &step};
        for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
        free(a);
        free(g);
    }
}

Test(accumulate, every_size_on_every_device)
{
    each_device(any_gemm, check_arenas, NULL);
    each_cpu_shape(check_arenas, NULL);
}

/* ---- Groups are batches -----------------------------------------------------------------------
 */

enum { ROWS = 71, FEATURES = 6, CLASSES = 3, EPOCHS = 6 };

static bp_model *new_model(const char *hidden, const bp_data *data)
{
    bp_model_options options = bp_model_options_default();
    bp_model *model;
    options.hidden = hidden;
    options.seed = 4;
    OK(bp_model_create(&model, data, &options));
    return model;
}

static float *trained_with(bp_device *device, const char *hidden, const bp_data *data,
                           const bp_train_options *how, bp_train_result *result, size_t *count)
{
    bp_model *model = new_model(hidden, data);
    OK(bp_train(model, device, data, data, how, result));
    float *all = flatten(model, count);
    bp_model_free(model);
    return all;
}

/* Batches and how many of them: groups that come out even; a last group of one smaller batch, of
 * several, of whole ones; a group that is all of the epoch, and one that would be more. */
static const struct {
    int64_t batch, accumulate;
} groups[] = {{8, 4}, {12, 3}, {5, 4}, {10, 3}, {16, 5}, {9, 100}, {1, 7}};

static bp_data *weighted_data(void)
{
    float weights[ROWS];
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (size_t i = 0; i < ROWS; ++i) weights[i] = (float)(1 + i % 3);
    OK(bp_data_set_weights(data, weights));
    return data;
}

/* Sums in another order are all that differs: every tenth of updates by a sign turns for that. */
static double tolerance(int32_t optimizer)
{
    return optimizer == BP_OPTIMIZER_LION || optimizer == BP_OPTIMIZER_RPROP ? 5e-3 : 2e-5;
}

static void check_groups(bp_device *device)
{
    bp_data *data = weighted_data();
    for (size_t k = 0; k < BP_COUNT(groups) * 2; ++k) {
        const size_t g = k / 2;
        bp_train_options how = bp_train_options_default();
        bp_train_result one, several;
        size_t count;
        how.optimizer = (int32_t)(k % 9);
        how.epochs = EPOCHS;
        how.schedule = BP_SCHEDULE_COSINE;
        how.warmup = 1;
        how.clip_norm = k % 3 ? 0 : 0.3f;
        how.max_norm = 0.9f;
        how.weight_decay = 0.01f;
        how.freeze_layers = k % 4 == 3;
        how.ema = k % 5 == 1 ? 0.9 : 0;
        how.shuffle = BP_SHUFFLE_BLOCKS;
        how.stream = k % 2 ? BP_STREAM_YES : BP_STREAM_NO;
        how.batch = groups[g].batch * groups[g].accumulate;
        how.window = how.batch; /* whole batches of either kind */
        const char *hidden = k % 3 ? "9:tanh,7:gelu" : "9:tanh:layernorm";
        float *want = trained_with(device, hidden, data, &how, &one, &count);
        how.batch = groups[g].batch;
        how.accumulate = groups[g].accumulate;
        float *got = trained_with(device, hidden, data, &how, &several, &count);
        const double error = relative_l2(got, want, count);
        cr_assert(error <= tolerance(how.optimizer), "%s, %s, %d batches of %d: off by %g",
                  bp_device_get_info(device)->name, bp_optimizer_name(how.optimizer),
                  (int)how.accumulate, (int)how.batch, error);
        cr_assert_float_eq(several.validation_loss, one.validation_loss,
                           1e-2 * one.validation_loss);
        cr_assert_eq(several.steps, EPOCHS * ((ROWS + how.batch - 1) / how.batch));
        free(want);
        free(got);
    }
    bp_data_free(data);
}

Test(accumulate, a_group_is_a_batch)
{
    every_device(check_groups);
}

/* Three rows in batches of two and one: y = w x, E = (w x - t)^2 / 2, so that the gradient is the
 * mean of (w x - t) x over the three, which the mean over the two batches' means is not. */
static void check_by_hand(bp_device *device)
{
    const float x[] = {1, 2, 3}, t[] = {2, 1, 5};
    const bp_layer layer[] = {{1, 1, BP_ACTIVATION_LINEAR, 0}};
    bp_data *data;
    bp_model *model;
    bp_train_options how = bp_train_options_default();
    OK(bp_data_from_arrays(&data, x, 3, 1, t, 1));
    OK(bp_model_create_layers(&model, layer, 1, NULL));
    bp_model_weights(model, 0)[0] = 0.5f;
    how.optimizer = BP_OPTIMIZER_SGD;
    how.learning_rate = 0.1f;
    how.batch = 2;
    how.accumulate = 2;
    how.epochs = 1;
    how.schedule = BP_SCHEDULE_CONSTANT;
    OK(bp_train(model, device, data, NULL, &how, NULL));
    /* (-1.5 * 1 + 0 * 2 - 3.5 * 3) / 3 = -4 */
    cr_assert_float_eq(bp_model_weights(model, 0)[0], 0.9, 1e-6, "%s: %g",
                       bp_device_get_info(device)->name, (double)bp_model_weights(model, 0)[0]);
    bp_model_free(model);
    bp_data_free(data);
}

Test(accumulate, a_smaller_batch_counts_by_its_rows)
{
    every_device(check_by_hand);
}

/* Batch normalisation and dropout are of each batch: the device does what the reference does, and
 * streamed what it does resident. */
static void check_layers(bp_device *device)
{
    bp_device *reference;
    bp_data *data = weighted_data();
    bp_train_result result;
    size_t count;
    OK(bp_device_open(&reference, "reference"));
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_MOMENTUM;
    how.batch = 10; /* a single row is left over, and goes with the batch before */
    how.accumulate = 3;
    how.epochs = EPOCHS;
    how.shuffle = BP_SHUFFLE_BLOCKS;
    how.window = 20;
    const char hidden[] = "9:tanh:batchnorm,8:dropout=0.3,8:tanh:residual";
    float *want = trained_with(reference, hidden, data, &how, &result, &count);
    float *got = trained_with(device, hidden, data, &how, &result, &count);
    how.stream = BP_STREAM_YES;
    float *streamed = trained_with(device, hidden, data, &how, &result, &count);
    cr_assert(relative_l2(got, want, count) <= 2e-5, "%s: off by %g",
              bp_device_get_info(device)->name, relative_l2(got, want, count));
    cr_assert_eq(memcmp(got, streamed, count * sizeof *got), 0, "%s: streamed otherwise",
                 bp_device_get_info(device)->name);
    float *const values[] = {want, got, streamed};
    for (int i = 0; i < 3; ++i) free(values[i]);
    bp_data_free(data);
    bp_device_free(reference);
}

Test(accumulate, layers_of_batches)
{
    every_device(check_layers);
}

/* ---- Step by step -----------------------------------------------------------------------------
 */

/* Three calls of 5, 1 and 10 rows are one of 16; gradients are there when the update is. */
static void check_calls(bp_device *device)
{
    const size_t parts[] = {5, 1, 10};
    bp_data *data = data_of(16, FEATURES, CLASSES, true);
    const float *x = bp_data_features(data);
    const int32_t *labels = bp_data_labels(data);
    float weights[2][9 * FEATURES], gradients[2][9 * FEATURES];
    for (int several = 0; several < 2; ++several) {
        bp_model *model = new_model("9:tanh", data);
        bp_train_options how = bp_train_options_default();
        bp_trainer *trainer;
        how.batch = 16;
        how.accumulate = several ? 3 : 1;
        how.clip_norm = 0.1f;
        how.learning_rate = 0.01f;
        OK(bp_trainer_create(&trainer, model, device, &how));
        for (int s = 0; s < 20; ++s) {
            size_t first = 0;
            for (size_t p = 0; several && p < 3; first += parts[p++]) {
                OK(bp_trainer_step(trainer, x + first * FEATURES, NULL, labels + first, parts[p],
                                   NULL));
                cr_assert_eq(bp_trainer_get_gradients(trainer, 0, gradients[1], NULL),
                             p == 2 ? BP_OK : BP_ERROR_ARGUMENT);
            }
            if (!several) OK(bp_trainer_step(trainer, x, NULL, labels, 16, NULL));
        }
        OK(bp_trainer_get_gradients(trainer, 0, gradients[several], NULL));
        OK(bp_trainer_get_model(trainer, model));
        memcpy(weights[several], bp_model_weights(model, 0), sizeof weights[several]);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    cr_assert(relative_l2(gradients[1], gradients[0], 9 * FEATURES) <= 2e-5);
    cr_assert(relative_l2(weights[1], weights[0], 9 * FEATURES) <= 2e-5);
    bp_data_free(data);
}

Test(accumulate, calls_of_any_size)
{
    every_device(check_calls);
}

/* What a group that is left has added up is forgotten: by an epoch, and by other data. */
Test(accumulate, a_group_that_is_left_is_forgotten)
{
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    size_t count;
    float *ends[3];
    for (int way = 0; way < 3; ++way) {
        bp_model *model = new_model("9:tanh", data);
        bp_train_options how = bp_train_options_default();
        bp_trainer *trainer;
        how.optimizer = BP_OPTIMIZER_SGD;
        how.batch = 8;
        how.accumulate = 3;
        OK(bp_trainer_create(&trainer, model, device, &how));
        OK(bp_trainer_set_data(trainer, data));
        if (way == 1)
            OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), 8,
                               NULL));
        if (way == 2) { /* two batches of an epoch */
            OK(bp__trainer_begin_epoch(trainer));
            OK(bp__trainer_begin_group(trainer, true));
            OK(bp__trainer_run_steps(trainer, 0, 2));
            trainer->place = 2;
            OK(bp_trainer_set_data(trainer, data));
        }
        OK(bp_trainer_epoch(trainer, NULL));
        OK(bp_trainer_get_model(trainer, model));
        ends[way] = flatten(model, &count);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    for (int way = 1; way < 3; ++way)
        cr_assert_eq(memcmp(ends[way], ends[0], count * sizeof *ends[0]), 0, "way %d", way);
    for (int way = 0; way < 3; ++way) free(ends[way]);
    bp_data_free(data);
    bp_device_free(device);
}

/* Saved between any two calls of a group, and gone on with. */
Test(accumulate, a_group_of_calls_goes_on)
{
    char path[] = "/tmp/backprop-test-group-XXXXXX", before[64];
    close(mkstemp(path));
    snprintf(before, sizeof before, "%s.previous", path);
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(16, FEATURES, CLASSES, true);
    bp_train_options how = bp_train_options_default();
    how.batch = 16;
    how.accumulate = 4;
    size_t count;
    float *whole = NULL;
    for (int at = -1; at < 12; ++at) { /* -1: never */
        bp_model *model = new_model("9:tanh", data);
        bp_trainer *trainer;
        OK(bp_trainer_create(&trainer, model, device, &how));
        for (int s = 0; s < 12; ++s) {
            OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data),
                               (size_t)(3 + s), NULL));
            if (s != at) continue;
            OK(bp_trainer_save(trainer, model, path));
            bp_trainer_free(trainer);
            OK(bp_trainer_create(&trainer, model, device, &how));
            OK(bp_trainer_load(trainer, path));
        }
        OK(bp_trainer_get_model(trainer, model));
        float *all = flatten(model, &count);
        if (at < 0)
            whole = all;
        else
            cr_assert_eq(memcmp(all, whole, count * sizeof *all), 0, "after call %d", at + 1);
        if (at >= 0) free(all);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    free(whole);
    remove(path);
    remove(before);
    bp_data_free(data);
    bp_device_free(device);
}

/* ---- What goes by updates ---------------------------------------------------------------------
 */

/* The range test finds for groups what it finds for batches of their size. */
Test(accumulate, learning_rates_are_tried_update_by_update)
{
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_model *model = new_model("9:tanh", data);
    bp_rate_options range = bp_rate_options_default();
    bp_rate_test *tests[2];
    range.steps = 50;
    for (int grouped = 0; grouped < 2; ++grouped) {
        bp_train_options how = bp_train_options_default();
        how.batch = grouped ? 5 : 20;
        how.accumulate = grouped ? 4 : 1;
        OK(bp_find_rate(&tests[grouped], model, device, data, &how, &range));
    }
    cr_assert_eq(tests[0]->count, tests[1]->count);
    for (size_t i = 0; i < tests[0]->count; ++i) {
        cr_assert_eq(tests[0]->points[i].rate, tests[1]->points[i].rate);
        cr_assert_float_eq(tests[0]->points[i].loss, tests[1]->points[i].loss, 1e-5);
    }
    bp_rate_test_free(tests[0]);
    bp_rate_test_free(tests[1]);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}
