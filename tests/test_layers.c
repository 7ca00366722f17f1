/* test_layers.c - what hidden layers have beside weights and a function, each kind a row of a
 * table: a hundred steps on every device in every way against the reference, trainings that are
 * broken off, saved, streamed. Kernels by themselves: which units are dropped. Their gradients are
 * checked in test_layer_gradients.c. */
#include <unistd.h>

#include "backprop_explain.h"
#include "base/families.h"
#include "layers_support.h"

TestSuite(layers, .timeout = 300);

static void want_same(const bp_model *a, const bp_model *b, const char *what)
{
    size_t count, other;
    const float *x = bp__model_parameters(a, &count), *y = bp__model_parameters(b, &other);
    cr_assert_eq(count, other);
    cr_assert_arr_eq(x, y, count * sizeof(float), "%s: other bits", what);
}

/* ---- Trainings --------------------------------------------------------------------------------
 */

enum { STEPS = 100, AN_EPOCH = (ROWS + BATCH - 1) / BATCH };

static bp_model *after_steps(bp_device *device, int32_t gemm, const bp_data *data,
                             const char *hidden)
{
    bp_model *model = model_with(data, hidden, 1);
    bp_train_options how = options_for(BATCH);
    how.gemm = gemm;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &how));
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < STEPS / AN_EPOCH; ++e) OK(bp_trainer_epoch(trainer, NULL));
    OK(bp_trainer_get_model(trainer, model));
    bp_trainer_free(trainer);
    return model;
}

static void check_steps(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int k = 0; k < KINDS; ++k) {
        bp_model *want = after_steps(reference, BP_GEMM_AUTO, data, kinds[k].hidden);
        for (const int32_t *gemm = all_gemms; *gemm >= 0; ++gemm) {
            bp_model *got = after_steps(device, *gemm, data, kinds[k].hidden);
            size_t count;
            const float *ours = bp__model_parameters(got, &count);
            const double error = relative_l2(ours, bp__model_parameters(want, &count), count);
            cr_assert(error <= 2e-5, "%s, %s, %s: relative error %g",
                      bp_device_get_info(device)->name, bp_gemm_name(*gemm), kinds[k].name, error);
            bp_model_free(got);
        }
        bp_model_free(want);
    }
    bp_data_free(data);
    bp_device_free(reference);
}

Test(layers, a_hundred_steps_are_the_references)
{
    every_device(check_steps);
}

/* A training that is saved after each step, and one that goes on from there. */
static void check_resume(bp_device *device)
{
    const char path[] = "/tmp/backprop-test-layers.ckpt";
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int i = 0; i < 2 * KINDS; ++i) {
        const int k = i / 2;
        bp_model *model = model_with(data, kinds[k].hidden, 1),
                 *whole = model_with(data, kinds[k].hidden, 1);
        bp_train_options how = options_for(BATCH);
        bp_trainer *one, *two;
        how.ema = i % 2 ? 0.9 : 0;
        OK(bp_trainer_create(&one, model, device, &how));
        OK(bp_trainer_create(&two, model, device, &how));
        OK(bp_trainer_set_data(one, data));
        OK(bp_trainer_set_data(two, data));
        for (int e = 0; e < 2; ++e) OK(bp_trainer_epoch(one, NULL));
        OK(bp_trainer_save(one, model, path));
        OK(bp_trainer_epoch(one, NULL));
        OK(bp_trainer_get_model(one, whole));
        OK(bp_trainer_load(two, path));
        OK(bp_trainer_epoch(two, NULL));
        OK(bp_trainer_get_model(two, model));
        want_same(whole, model, kinds[k].name);
        bp_trainer_free(one);
        bp_trainer_free(two);
        bp_model_free(model);
        bp_model_free(whole);
        unlink(path);
    }
    bp_data_free(data);
}

Test(layers, a_training_goes_on_with_the_same_bits)
{
    every_device(check_resume);
}

/* The same rows in the same order, from memory and through a few buffers. */
static void check_stream(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int k = 0; k < KINDS; ++k) {
        bp_model *models[2];
        for (int streamed = 0; streamed < 2; ++streamed) {
            bp_train_options how = options_for(BATCH);
            how.epochs = 3;
            how.shuffle = BP_SHUFFLE_BLOCKS;
            how.window = 2 * BATCH;
            how.stream = streamed ? BP_STREAM_YES : BP_STREAM_NO;
            models[streamed] = model_with(data, kinds[k].hidden, 1);
            OK(bp_train(models[streamed], device, data, data, &how, NULL));
        }
        want_same(models[0], models[1], kinds[k].name);
        bp_model_free(models[0]);
        bp_model_free(models[1]);
    }
    bp_data_free(data);
}

Test(layers, streamed_data_gives_the_same_bits)
{
    every_device(check_stream);
}

/* ---- Files and use ----------------------------------------------------------------------------
 */

/* What is saved is loaded, and answers with the same bits. */
Test(layers, a_model_that_was_saved_is_the_same)
{
    const char path[] = "/tmp/backprop-test-layers.safetensors";
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    for (int k = 0; k < KINDS; ++k) {
        bp_model *model = after_steps(reference, BP_GEMM_AUTO, data, kinds[k].hidden), *loaded;
        OK(bp_model_save(model, path));
        OK(bp_model_load(&loaded, path, BP_ACTIVATION_AUTO));
        want_same(model, loaded, kinds[k].name);
        for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
            const bp_layer a = bp_model_get_layer(model, l), b = bp_model_get_layer(loaded, l);
            cr_assert(a.dropout == b.dropout && a.residual == b.residual &&
                          a.activation == b.activation,
                      "%s, layer %zu", kinds[k].name, l);
        }
        float y[2][ROWS * CLASSES];
        OK(bp_predict(model, reference, bp_data_features(data), ROWS, y[0]));
        OK(bp_predict(loaded, reference, bp_data_features(data), ROWS, y[1]));
        cr_assert_arr_eq(y[0], y[1], sizeof y[0], "%s", kinds[k].name);
        bp_model_free(model);
        bp_model_free(loaded);
        unlink(path);
    }
    bp_data_free(data);
    bp_device_free(reference);
}

/* Nothing is dropped but in training. */
static void check_use(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_model *with = model_with(data, "12:tanh:dropout=0.9", 1),
             *without = model_with(data, "12:tanh", 1);
    float y[2][ROWS * CLASSES];
    bp_metrics metrics[2];
    want_same(with, without, "a start");
    OK(bp_predict(with, device, bp_data_features(data), ROWS, y[0]));
    OK(bp_predict(without, device, bp_data_features(data), ROWS, y[1]));
    cr_assert_arr_eq(y[0], y[1], sizeof y[0], "%s", bp_device_get_info(device)->name);
    OK(bp_evaluate(&metrics[0], with, device, data));
    OK(bp_evaluate(&metrics[1], without, device, data));
    cr_assert_eq(metrics[0].loss, metrics[1].loss);
    bp_train_options how = options_for(BATCH);
    bp_train_result trained[2];
    OK(bp_train(with, device, data, data, &how, &trained[0]));
    OK(bp_train(without, device, data, data, &how, &trained[1]));
    cr_assert_gt(trained[0].train_loss, trained[0].validation_loss + 0.05,
                 "%s: with nine of ten units dropped a step's loss is larger",
                 bp_device_get_info(device)->name);
    cr_assert_neq(trained[0].train_loss, trained[1].train_loss);
    bp_model_free(with);
    bp_model_free(without);
    bp_data_free(data);
}

Test(layers, nothing_is_dropped_but_in_training)
{
    every_device(check_use);
}

/* What batches have shown is in the model, and is what predictions take: a mean and a variance by
 * hand, for a layer whose net inputs are the inputs. */
static void check_found(bp_device *device)
{
    enum { N = 3, B = 4, TIMES = 2 };
    const float x[B * N] = {1, 2, 3, 2, 0, 1, 4, -2, 0, 5, 4, 2};
    const bp_layer layers[] = {{N, N, BP_ACTIVATION_LINEAR, 0, .norm = BP_NORM_BATCH},
                               {N, N, BP_ACTIVATION_LINEAR, 0}};
    const float targets[B * N] = {0};
    bp_model *model;
    bp_trainer *trainer;
    bp_train_options how = options_for(B);
    how.learning_rate = 1e-30f;
    OK(bp_model_create_layers(&model, layers, 2, NULL));
    for (size_t l = 0; l < 2; ++l)
        for (size_t i = 0; i < N * N; ++i) bp_model_weights(model, l)[i] = i % (N + 1) == 0;
    OK(bp_trainer_create(&trainer, model, device, &how));
    for (int s = 0; s < TIMES; ++s) OK(bp_trainer_step(trainer, x, targets, NULL, B, NULL));
    OK(bp_trainer_get_model(trainer, model));
    float y[B * N];
    OK(bp_predict(model, device, x, B, y));
    for (size_t k = 0; k < N; ++k) {
        double mean = 0, square = 0, found_mean = 0, found_variance = 1;
        for (size_t r = 0; r < B; ++r) mean += (double)x[r * N + k] / B;
        for (size_t r = 0; r < B; ++r) square += pow((double)x[r * N + k] - mean, 2);
        for (int s = 0; s < TIMES; ++s) {
            found_mean = 0.9 * found_mean + 0.1 * mean;
            found_variance = 0.9 * found_variance + 0.1 * square / (B - 1);
        }
        cr_assert_float_eq(bp_model_means(model, 0)[k], found_mean, 1e-6);
        cr_assert_float_eq(bp_model_variances(model, 0)[k], found_variance, 1e-6);
        for (size_t r = 0; r < B; ++r)
            cr_assert_float_eq(y[r * N + k],
                               ((double)x[r * N + k] - found_mean) / sqrt(found_variance + 1e-5),
                               1e-5);
    }
    /* One row has no variance. */
    cr_assert_eq(bp_trainer_step(trainer, x, targets, NULL, 1, NULL), BP_ERROR_ARGUMENT);
    cr_assert(strstr(bp_last_error(), "has one row"), "%s", bp_last_error());
    bp_trainer_free(trainer);
    bp_model_free(model);
}

Test(layers, batches_are_remembered)
{
    every_device(check_found);
}

/* The model of the best epoch is all of it: what is measured of it afterwards is what was then. The
 * classes of the validation data are others', so that learning makes it worse. */
static void check_best(bp_device *device)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true), *other;
    const char *const hidden[] = {"8:tanh:batchnorm", "8:tanh:layernorm"};
    int32_t labels[ROWS];
    for (size_t i = 0; i < ROWS; ++i) labels[i] = (bp_data_labels(data)[i] + 1) % CLASSES;
    OK(bp_data_from_labels(&other, bp_data_features(data), ROWS, FEATURES, labels, CLASSES));
    for (size_t i = 0; i < BP_COUNT(hidden); ++i) {
        bp_model *model = model_with(data, hidden[i], 1);
        bp_train_options how = options_for(BATCH);
        bp_train_result result;
        bp_metrics metrics;
        how.epochs = 5;
        how.keep_best = 1;
        OK(bp_train(model, device, data, other, &how, &result));
        cr_assert_lt(result.best_epoch, result.epochs);
        OK(bp_evaluate(&metrics, model, device, other));
        cr_assert_float_eq(metrics.loss, result.validation_loss, 1e-5 * metrics.loss,
                           "%s: %g, then %g", hidden[i], metrics.loss, result.validation_loss);
        bp_model_free(model);
    }
    bp_data_free(data);
    bp_data_free(other);
}

Test(layers, the_best_epoch_is_kept_whole)
{
    every_device(check_best);
}

/* Weight decay is for weights and biases; what is frozen keeps gains and what was found, too. */
Test(layers, gains_do_not_decay_and_frozen_ones_stay)
{
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    bp_model *model = model_with(data, "8:tanh:batchnorm,8:tanh:batchnorm", 1), *start;
    start = model_with(data, "8:tanh:batchnorm,8:tanh:batchnorm", 1);
    bp_train_options how = options_for(BATCH);
    how.optimizer = BP_OPTIMIZER_ADAMW;
    how.learning_rate = 1e-6f;
    how.weight_decay = 1e4f;
    how.freeze_layers = 1;
    how.epochs = 1;
    OK(bp_train(model, reference, data, NULL, &how, NULL));
    for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
        const size_t bytes = 8 * sizeof(float);
        cr_assert_eq(memcmp(bp__model_part(model, 0, part), bp__model_part(start, 0, part), bytes),
                     0, "%s of a frozen layer", bp__part_name(part));
        cr_assert_neq(memcmp(bp__model_part(model, 1, part), bp__model_part(start, 1, part), bytes),
                      0, "%s of another", bp__part_name(part));
    }
    for (size_t i = 0; i < 8; ++i) {
        cr_assert_float_eq(bp_model_gains(model, 1)[i], bp_model_gains(start, 1)[i], 1e-4);
        cr_assert_lt(fabsf(bp_model_biases(model, 1)[i]),
                     0.97f * fabsf(bp_model_biases(start, 1)[i]));
    }
    bp_model_free(model);
    bp_model_free(start);
    bp_data_free(data);
    bp_device_free(reference);
}

/* ---- What is asked for ------------------------------------------------------------------------
 */

Test(layers, texts_are_read_or_refused_with_their_place)
{
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    static const struct {
        const char *hidden, *error;
    } cases[] = {
        {"8:dropout=0.5", NULL},
        {"8:dropout=0.5:tanh, 4", NULL},
        {"8:relu:dropout=1", "piece 1, \"8:relu:dropout=1\", has a dropout that is not a number"},
        {"8:relu:dropout=-1", "has a dropout that is not a number from 0 to below 1"},
        {"8:relu:dropout=nan", "has a dropout that is not a number from 0 to below 1"},
        {"8:relu,8:dropout=", "piece 2, \"8:dropout=\", has a dropout that is not a number"},
        {"12:tanh:dropout=0.5:residual,7:residul",
         "piece 2, \"7:residul\", has an unknown activation"},
        {"12:residual:dropout=0.5,12:residual", NULL},
        {"8:residual:dropout=0.5", "layer 0 is residual: its inputs are added to its outputs, "
                                   "which must be as many; it has 12 "
                                   "inputs and 8 outputs"},
        {"8:batchnorm:dropout=0.5:tanh,8:layernorm", NULL},
        {"8:batchnorm:layernorm", "has two norms"},
        {"8:relu:dropout=0.5x", "has a dropout that is not a number from 0 to below 1"},
        {"8:dropuot=0.5", "has an unknown activation"},
        {"8:", "has an unknown activation"},
        {"8:relu:", "has two activations"},
    };
    for (size_t c = 0; c < BP_COUNT(cases); ++c) {
        bp_model_options options = bp_model_options_default();
        options.hidden = cases[c].hidden;
        bp_model *model;
        const bp_status status = bp_model_create(&model, data, &options);
        cr_assert_eq(status, cases[c].error ? BP_ERROR_ARGUMENT : BP_OK, "%s: %s", cases[c].hidden,
                     bp_last_error());
        if (cases[c].error)
            cr_assert(strstr(bp_last_error(), cases[c].error), "%s: %s", cases[c].hidden,
                      bp_last_error());
        else
            cr_assert_eq(bp_model_get_layer(model, 0).dropout, 0.5f);
        bp_model_free(model);
    }
    bp_model_options options = bp_model_options_default();
    options.hidden = "8,8:dropout=0,8:dropout=0.25";
    options.dropout = 0.5f;
    bp_model *model;
    OK(bp_model_create(&model, data, &options));
    const float want[] = {0.5f, 0, 0.25f, 0};
    for (size_t l = 0; l < 4; ++l) cr_assert_eq(bp_model_get_layer(model, l).dropout, want[l]);
    bp_model_free(model);
    const float bad[] = {-0.1f, 1, NAN, INFINITY};
    for (size_t i = 0; i < BP_COUNT(bad); ++i) {
        options.dropout = bad[i];
        options.hidden = "8";
        cr_assert_eq(bp_model_create(&model, data, &options), BP_ERROR_ARGUMENT);
    }
    const bp_layer last = {4, 4, BP_ACTIVATION_SOFTMAX, 1, .dropout = 0.5f};
    cr_assert_eq(bp_model_create_layers(&model, &last, 1, NULL), BP_ERROR_ARGUMENT);
    cr_assert(strstr(bp_last_error(), "the output layer, which has no dropout"), "%s",
              bp_last_error());
    bp_data_free(data);
}
