/* test_last_batch.c - a last batch of one row, which batch normalisation cannot learn from: it goes
 * with the batch before, on every device, in memory and streamed. */
#include <unistd.h>

#include "model/model.h"
#include "network_support.h"

TestSuite(last_batch, .timeout = 300);

enum { FEATURES = 12, CLASSES = 4, BATCH = 16, ROWS = 4 * BATCH + 1, EPOCHS = 12 };

static bp_model *model_with(const bp_data *data, const char *hidden)
{
    bp_model_options options = bp_model_options_default();
    options.hidden = hidden;
    options.seed = 3;
    bp_model *model;
    OK(bp_model_create(&model, data, &options));
    return model;
}

static bp_model *normalised_model(const bp_data *data)
{
    return model_with(data,
                      "12:tanh:batchnorm,9:gelu:batchnorm,9:silu:batchnorm:residual:dropout=0.2");
}

static bp_train_options options_for(int64_t batch)
{
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_MOMENTUM;
    how.batch = batch;
    how.epochs = EPOCHS;
    how.seed = 5;
    return how;
}

static void want_same(const bp_model *a, const bp_model *b, const char *what)
{
    size_t count, other;
    const float *x = bp__model_parameters(a, &count), *y = bp__model_parameters(b, &other);
    cr_assert_eq(count, other);
    cr_assert_arr_eq(x, y, count * sizeof(float), "%s: other bits", what);
}

Test(last_batch, pieces)
{
    cr_assert_eq(bp__pieces(64, 16, true), 4);
    cr_assert_eq(bp__pieces(65, 16, true), 4);
    cr_assert_eq(bp__pieces(65, 16, false), 5);
    cr_assert_eq(bp__pieces(66, 16, true), 5);
    cr_assert_eq(bp__pieces(1, 16, true), 1, "there is none before");
    cr_assert_eq(bp__pieces(17, 16, true), 1);
    cr_assert_eq(bp__pieces(5, 1, true), 5);
    for (size_t rows = 1; rows < 60; ++rows)
        for (int join = 0; join < 2; ++join) {
            bp__order order = bp__order_create(BP_SHUFFLE_BLOCKS, 5, rows, 10, 4, 12);
            size_t sum = 0, most = 0, left;
            order.join = join;
            for (size_t w = 0; w < bp__order_windows(&order); ++w) {
                left = bp__order_window_rows(&order, w);
                cr_assert(left > 0 && (left > 1 || !join || rows == 1));
                sum += left;
                most = left > most ? left : most;
            }
            cr_assert_eq(sum, rows);
            cr_assert_eq(most, bp__order_most_rows(&order), "%zu rows", rows);
        }
}

/* The batches of an epoch in the file's order, by hand: four, of which the last has a row more. */
static void check_by_hand(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_model *model = normalised_model(data), *other = normalised_model(data);
    bp_train_options how = options_for(BATCH);
    bp_trainer *one, *two;
    double loss, sum = 0;
    how.shuffle = BP_SHUFFLE_NONE;
    OK(bp_trainer_create(&one, model, device, &how));
    how.batch = BATCH + 1; /* the most rows of a step */
    OK(bp_trainer_create(&two, model, device, &how));
    OK(bp_trainer_set_data(one, data));
    OK(bp_trainer_epoch(one, &loss));
    for (size_t first = 0; first + 1 < ROWS; first += BATCH) {
        const size_t rows = first + BATCH + 1 == ROWS ? BATCH + 1 : BATCH;
        double mean;
        OK(bp_trainer_step(two, bp_data_features(data) + first * FEATURES, NULL,
                           bp_data_labels(data) + first, rows, &mean));
        sum += mean * (double)rows;
    }
    cr_assert_float_eq(loss, sum / ROWS, 1e-5);
    OK(bp_trainer_get_model(one, model));
    OK(bp_trainer_get_model(two, other));
    size_t count;
    const float *a = bp__model_parameters(model, &count);
    const double error = relative_l2(a, bp__model_parameters(other, &count), count);
    cr_assert(error < 1e-5, "%s: %g", bp_device_get_info(device)->name, error);
    bp_trainer_free(one);
    bp_trainer_free(two);
    bp_model_free(model);
    bp_model_free(other);
    bp_data_free(data);
}

Test(last_batch, goes_with_the_one_before)
{
    every_device(check_by_hand);
}

static void check_device(bp_device *device)
{
    static const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE, BP_GEMM_GPU, BP_GEMM_CPU};
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    bp_device *reference;
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_train_options how = options_for(BATCH);
    bp_train_result result;
    OK(bp_device_open(&reference, "reference"));
    bp_model *want = normalised_model(data);
    OK(bp_train(want, reference, data, NULL, &how, &result));
    cr_assert_eq(result.steps, 4 * EPOCHS);
    for (size_t i = 0; i < BP_COUNT(gemms); ++i) {
        bp_model *got = normalised_model(data);
        size_t count;
        how.gemm = gemms[i];
        OK(bp_train(got, device, data, NULL, &how, NULL));
        const float *ours = bp__model_parameters(got, &count);
        const double error = relative_l2(ours, bp__model_parameters(want, &count), count);
        cr_assert(error < 2e-5, "%s, %s: %g", bp_device_get_info(device)->name,
                  bp_gemm_name(gemms[i]), error);
        bp_model_free(got);
    }
    bp_model_free(want);
    bp_data_free(data);
    bp_device_free(reference);
}

Test(last_batch, is_the_references)
{
    every_device(check_device);
}

/* Groups of batches, the last of which has more rows than there are batches times rows: its
 * gradient is the mean over its rows all the same. */
static void check_groups(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_device *reference;
    bp_model *models[3];
    OK(bp_device_open(&reference, "reference"));
    for (int i = 0; i < 3; ++i) { /* the reference, the device, the device with a stream */
        bp_train_options how = options_for(BATCH);
        bp_train_result result;
        how.accumulate = 3;
        how.shuffle = BP_SHUFFLE_BLOCKS;
        how.window = BATCH;
        how.stream = i == 2 ? BP_STREAM_YES : BP_STREAM_NO;
        models[i] = normalised_model(data);
        OK(bp_train(models[i], i == 0 ? reference : device, data, NULL, &how, &result));
        cr_assert_eq(result.steps, 4 * EPOCHS);
    }
    size_t count;
    const float *ours = bp__model_parameters(models[1], &count);
    const double error = relative_l2(ours, bp__model_parameters(models[0], &count), count);
    cr_assert(error < 2e-5, "%s: %g", bp_device_get_info(device)->name, error);
    want_same(models[1], models[2], "streamed");
    for (int i = 0; i < 3; ++i) bp_model_free(models[i]);
    bp_data_free(data);
    bp_device_free(reference);
}

Test(last_batch, in_groups)
{
    every_device(check_groups);
}

/* Windows of one batch, of two, and of all; the last of them has the row as well. */
static void check_stream(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int64_t window = BATCH; window <= 8 * BATCH; window *= 2)
        for (int32_t shuffle = BP_SHUFFLE_NONE; shuffle <= BP_SHUFFLE_BLOCKS;
             shuffle += BP_SHUFFLE_BLOCKS) {
            bp_model *models[2];
            for (int streamed = 0; streamed < 2; ++streamed) {
                bp_train_options how = options_for(BATCH);
                bp_train_result result;
                how.shuffle = shuffle;
                how.window = window;
                how.stream = streamed ? BP_STREAM_YES : BP_STREAM_NO;
                models[streamed] = normalised_model(data);
                OK(bp_train(models[streamed], device, data, data, &how, &result));
                cr_assert_eq(result.steps, 4 * EPOCHS);
                cr_assert_eq(result.streamed, streamed);
            }
            want_same(models[0], models[1], "streamed");
            bp_model_free(models[0]);
            bp_model_free(models[1]);
        }
    bp_data_free(data);
}

Test(last_batch, has_the_same_bits_where_it_is_streamed)
{
    every_device(check_stream);
}

/* From a checkpoint before the last step of an epoch. */
static int stop_at_three(size_t done, double sum, size_t rows, void *user)
{
    (void)done, (void)sum, (void)rows;
    return ((const bp_trainer *)user)->enqueued >= 3;
}

static void check_resume(bp_device *device)
{
    const char path[] = "/tmp/backprop-test-last-batch.ckpt";
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int32_t stream = BP_STREAM_YES; stream <= BP_STREAM_NO; ++stream) {
        bp_model *model = normalised_model(data), *whole = normalised_model(data);
        bp_train_options how = options_for(BATCH);
        how.shuffle = BP_SHUFFLE_BLOCKS;
        how.window = BATCH;
        how.stream = stream;
        bp_trainer *one, *two;
        OK(bp_trainer_create(&one, model, device, &how));
        OK(bp_trainer_create(&two, model, device, &how));
        OK(bp_trainer_set_data(one, data));
        OK(bp_trainer_set_data(two, data));
        one->pause_at = 3;
        cr_assert_eq(bp__trainer_run_epoch(one, NULL, stop_at_three, one), BP_ERROR_CANCELLED);
        OK(bp_trainer_save(one, model, path));
        OK(bp_trainer_load(two, path));
        OK(bp_trainer_epoch(one, NULL));
        OK(bp_trainer_epoch(two, NULL));
        OK(bp_trainer_get_model(one, whole));
        OK(bp_trainer_get_model(two, model));
        want_same(whole, model, "resumed");
        bp_trainer_free(one);
        bp_trainer_free(two);
        bp_model_free(model);
        bp_model_free(whole);
        unlink(path);
    }
    bp_data_free(data);
}

Test(last_batch, is_gone_on_with)
{
    every_device(check_resume);
}

/* One row more than the batch is one batch: the bits and the memory of a batch of so many. */
static void check_single(bp_device *device)
{
    bp_data *data = data_of(BATCH + 1, FEATURES, CLASSES, true);
    bp_model *models[2];
    bp_train_result results[2];
    for (int64_t i = 0; i < 2; ++i) {
        const bp_train_options how = options_for(BATCH + i);
        models[i] = normalised_model(data);
        OK(bp_train(models[i], device, data, NULL, &how, &results[i]));
        cr_assert_eq(results[i].steps, EPOCHS);
    }
    want_same(models[0], models[1], "one batch");
    cr_assert_eq(results[0].device_bytes, results[1].device_bytes);
    bp_model_free(models[0]);
    bp_model_free(models[1]);
    bp_data_free(data);
}

Test(last_batch, alone_with_the_one_before)
{
    every_device(check_single);
}

/* The memory is that of batches of so many rows: a training with as many rows a batch, and a
 * smaller one after them, differs by its data alone. */
static void check_memory(bp_device *device)
{
    const size_t rows[] = {ROWS, 4 * (BATCH + 1) + 12};
    double bytes[2];
    for (int64_t i = 0; i < 2; ++i) {
        bp_data *data = data_of(rows[i], FEATURES, CLASSES, true);
        bp_model *model = model_with(data, "300:tanh:batchnorm,300:tanh:batchnorm");
        bp_train_options how = options_for(BATCH + i);
        bp_train_result result;
        how.epochs = 1;
        OK(bp_train(model, device, data, NULL, &how, &result));
        bytes[i] = (double)result.device_bytes - (double)rows[i] * (FEATURES + 2) * 4;
        bp_model_free(model);
        bp_data_free(data);
    }
    cr_assert_float_eq(bytes[0], bytes[1], 0.002 * bytes[1], "%s: %.0f, %.0f",
                       bp_device_get_info(device)->name, bytes[0], bytes[1]);
}

Test(last_batch, takes_the_memory_of_its_rows)
{
    every_device(check_memory);
}

/* What is not learned from batches leaves the last one alone. */
Test(last_batch, stays_where_nothing_needs_it)
{
    bp_device *device;
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    OK(bp_device_open(&device, "reference"));
    const struct {
        const char *hidden;
        int64_t freeze, steps;
    } cases[] = {{"8:tanh", 0, 5},
                 {"8:layernorm", 0, 5},
                 {"8:batchnorm", 0, 4},
                 {"8:batchnorm", 1, 5},
                 {"8:batchnorm,8:batchnorm", 1, 4}};
    for (size_t i = 0; i < BP_COUNT(cases); ++i)
        for (int32_t stream = BP_STREAM_YES; stream <= BP_STREAM_NO; ++stream) {
            bp_model *model = model_with(data, cases[i].hidden);
            bp_train_options how = options_for(BATCH);
            bp_train_result result;
            how.epochs = 1;
            how.freeze_layers = cases[i].freeze;
            how.stream = stream;
            OK(bp_train(model, device, data, NULL, &how, &result));
            cr_assert_eq(result.steps, cases[i].steps, "%s, frozen %d", cases[i].hidden,
                         (int)cases[i].freeze);
            bp_model_free(model);
        }
    bp_data_free(data);
    bp_device_free(device);
}

/* Where there is no batch of two, that is said, and nothing is changed. */
Test(last_batch, refusals)
{
    const struct {
        size_t rows;
        int64_t batch;
    } cases[] = {{1, BATCH}, {1, 1}, {2, 1}, {ROWS, 1}};
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    for (size_t i = 0; i < BP_COUNT(cases); ++i)
        for (int32_t stream = BP_STREAM_YES; stream <= BP_STREAM_NO; ++stream) {
            bp_data *data = data_of(cases[i].rows, FEATURES, CLASSES, true);
            bp_model *model = normalised_model(data), *before = normalised_model(data);
            bp_train_options how = options_for(cases[i].batch);
            how.stream = stream;
            cr_assert_eq(bp_train(model, device, data, NULL, &how, NULL), BP_ERROR_ARGUMENT);
            cr_assert(strstr(bp_last_error(), "data of at least two rows and a batch size of at "
                                              "least two"),
                      "%s", bp_last_error());
            want_same(model, before, "refused");
            bp_model_free(model);
            bp_model_free(before);
            bp_data_free(data);
        }
    bp_device_free(device);
}
