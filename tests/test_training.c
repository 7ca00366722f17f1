/* test_training.c - whole trainings: the worked numbers, parity with the reference over many steps,
 * determinism, convergence. */
#include "network_support.h"

static const int32_t parity_gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE, BP_GEMM_GPU, BP_GEMM_CPU,
                                       BP_GEMM_MATRIX};

/* One input, one output, no bias, sigmoid, half squared error: x 1, t 0, w 0.5, rate 1. */
static void check_worked_numbers(bp_device *device)
{
    const size_t widths[] = {1, 1};
    bp_model *model = model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 0, 1);
    bp_model_weights(model, 0)[0] = 0.5f;
    const float x = 1, t = 0;
    float y, gradient;
    OK(bp_predict(model, device, &x, 1, &y));
    cr_assert_float_eq((double)y, 0.622459331, 1e-6);
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_SGD;
    options.learning_rate = 1;
    options.batch = 1;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    double loss;
    OK(bp_trainer_step(trainer, &x, &t, NULL, 1, &loss));
    cr_assert_float_eq(loss, 0.5 * 0.622459331 * 0.622459331, 1e-6);
    OK(bp_trainer_get_gradients(trainer, 0, &gradient, NULL));
    cr_assert_float_eq((double)gradient, 0.146280254, 1e-6);
    OK(bp_trainer_get_model(trainer, model));
    cr_assert_float_eq((double)bp_model_weights(model, 0)[0], 0.353719746, 1e-6);
    OK(bp_predict(model, device, &x, 1, &y));
    cr_assert_float_eq((double)y, 0.587519316, 1e-6);
    bp_trainer_free(trainer);
    bp_model_free(model);
}

Test(training, worked_numbers)
{
    every_device(check_worked_numbers);
}

/* A 2-2-2 network without biases: each of the eight gradients is the product of its three factors
 * (effect of the right unit, its slope, output of the left unit), hidden effects summed over paths.
 */
static void check_factors(bp_device *device)
{
    const size_t widths[] = {2, 2, 2};
    bp_model *model = model_of(widths, 2, BP_ACTIVATION_SIGMOID, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 0, 1);
    const double w1[2][2] = {{.15, .20}, {.25, .30}}, w2[2][2] = {{.40, .45}, {.50, .55}};
    const float x[2] = {.05f, .1f}, t[2] = {.01f, .99f};
    double hidden[2], out[2], effect_out[2], effect_hidden[2] = {0, 0};
    for (int j = 0; j < 2; ++j) {
        for (int i = 0; i < 2; ++i) {
            bp_model_weights(model, 0)[2 * j + i] = (float)w1[j][i];
            bp_model_weights(model, 1)[2 * j + i] = (float)w2[j][i];
        }
        hidden[j] = 1 / (1 + exp(-(w1[j][0] * (double)x[0] + w1[j][1] * (double)x[1])));
    }
    for (int k = 0; k < 2; ++k) {
        out[k] = 1 / (1 + exp(-(w2[k][0] * hidden[0] + w2[k][1] * hidden[1])));
        effect_out[k] = out[k] - (double)t[k];
        for (int j = 0; j < 2; ++j)
            effect_hidden[j] += effect_out[k] * out[k] * (1 - out[k]) * w2[k][j];
    }
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_SGD;
    options.batch = 1;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    OK(bp_trainer_step(trainer, x, t, NULL, 1, NULL));
    float g1[4], g2[4];
    OK(bp_trainer_get_gradients(trainer, 0, g1, NULL));
    OK(bp_trainer_get_gradients(trainer, 1, g2, NULL));
    for (int to = 0; to < 2; ++to)
        for (int from = 0; from < 2; ++from) {
            const double product1 =
                effect_hidden[to] * hidden[to] * (1 - hidden[to]) * (double)x[from];
            const double product2 = effect_out[to] * out[to] * (1 - out[to]) * hidden[from];
            cr_assert_float_eq((double)g1[2 * to + from], product1, 1e-7);
            cr_assert_float_eq((double)g2[2 * to + from], product2, 1e-6);
        }
    bp_trainer_free(trainer);
    bp_model_free(model);
}

Test(training, gradients_are_products_of_three_factors)
{
    every_device(check_factors);
}

/* Only a step keeps its gradients; those of an epoch are used up, and nothing old is handed out. */
static void check_gradients_kept(bp_device *device)
{
    const size_t widths[] = {4, 3, 2};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 0, 1);
    bp_data *data = data_of(20, 4, 2, true);
    const float *x = bp_data_features(data);
    const int32_t *labels = bp_data_labels(data);
    float g[12] = {0}, bias[3];
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, NULL));
    cr_assert_eq(bp_trainer_get_gradients(trainer, 0, g, NULL), BP_ERROR_ARGUMENT);
    OK(bp_trainer_set_data(trainer, data));
    cr_assert_eq(bp_trainer_get_gradients(trainer, 0, g, NULL), BP_ERROR_ARGUMENT);
    for (int round = 0; round < 2; ++round) {
        OK(bp_trainer_epoch(trainer, NULL));
        cr_assert_eq(bp_trainer_get_gradients(trainer, 0, g, NULL), BP_ERROR_ARGUMENT);
        cr_assert(strstr(bp_last_error(), "bp_trainer_step"), "%s", bp_last_error());
        OK(bp_trainer_step(trainer, x, NULL, labels, 7, NULL));
        OK(bp_trainer_get_gradients(trainer, 0, g, NULL));
        cr_assert(mostly_nonzero(g, 12));
        OK(bp_trainer_set_data(trainer, data)); /* computes nothing */
        OK(bp_trainer_get_gradients(trainer, 1, g, NULL));
        cr_assert_eq(bp_trainer_get_gradients(trainer, 1, NULL, bias), BP_ERROR_ARGUMENT);
        cr_assert_eq(bp_trainer_get_gradients(trainer, 2, g, NULL), BP_ERROR_ARGUMENT);
    }
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
}

Test(training, gradients_are_those_of_a_step)
{
    every_device(check_gradients_kept);
}

/* ---- Parity and determinism ------------------------------------------------------------------ */

/* After 1 step and after 100 (25 epochs of 4 steps, the last one partial), every optimizer. The
 * bound grows with the steps: rounding errors add up. */
static void check_parity(bp_device *device)
{
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) {
        bp_device_free(reference);
        return;
    }
    need_matrix_units(device);
    for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer)
        for (int labels = 0; labels < 2; ++labels)
            for (int long_run = 0; long_run < 2; ++long_run) {
                const size_t rows = long_run ? 58 : 16;
                const int64_t epochs = long_run ? 25 : 1;
                size_t count;
                float *want =
                    trained(reference, BP_GEMM_AUTO, optimizer, labels, rows, 16, epochs, &count);
                for (size_t g = 0; g < sizeof parity_gemms / sizeof *parity_gemms; ++g) {
                    float *got = trained(device, parity_gemms[g], optimizer, labels, rows, 16,
                                         epochs, &count);
                    const double error = relative_l2(got, want, count);
                    cr_assert(
                        error <= (long_run ? 2e-5 : 1e-6), "gemm %s, %s, %s, %s: relative error %g",
                        bp_gemm_name(parity_gemms[g]), bp_optimizer_name(optimizer),
                        labels ? "labels" : "targets", long_run ? "100 steps" : "1 step", error);
                    free(got);
                }
                free(want);
            }
    bp_device_free(reference);
}

Test(training, parity_with_the_reference)
{
    every_device(check_parity);
}

/* Biases that are frozen take part, keep their bits, and nothing else is different: one layer and
 * two, the network that fits one launch included. */
static void check_frozen_biases(bp_device *device)
{
    bp_device *reference;
    const bool is_reference = bp_device_get_info(device)->kind == BP_KIND_REFERENCE;
    const size_t gemms = is_reference ? 1 : sizeof parity_gemms / sizeof *parity_gemms;
    OK(bp_device_open(&reference, "reference"));
    if (!is_reference) need_matrix_units(device);
    for (size_t layers = 1; layers <= 2; ++layers)
        for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer)
            for (size_t g = 0; g < gemms; ++g) {
                const size_t widths[] = {5, layers == 1 ? 3 : 7, 3};
                bp_data *data = data_of(20, 5, 3, true);
                bp_train_options options = bp_train_options_default();
                options.optimizer = optimizer;
                options.batch = 8;
                options.epochs = 3;
                options.gemm = parity_gemms[g];
                options.freeze_bias = 1;
                float *all[2];
                size_t count;
                for (int side = 0; side < 2; ++side) {
                    bp_model *model = model_of(widths, layers, BP_ACTIVATION_TANH,
                                               BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
                    float *before = flatten(model, &count);
                    if (side) options.gemm = BP_GEMM_AUTO;
                    OK(bp_train(model, side ? reference : device, data, NULL, &options, NULL));
                    all[side] = flatten(model, &count);
                    size_t at = 0;
                    for (size_t l = 0; l < layers; ++l) {
                        const size_t weights = widths[l] * widths[l + 1], units = widths[l + 1];
                        cr_assert(memcmp(all[side] + at, before + at, weights * 4) != 0);
                        at += weights;
                        cr_assert(memcmp(all[side] + at, before + at, units * 4) == 0,
                                  "%s, gemm %s, %s, %zu layers: the biases of layer %zu moved",
                                  bp_device_get_info(device)->name, bp_gemm_name(parity_gemms[g]),
                                  bp_optimizer_name(optimizer), layers, l);
                        at += units;
                    }
                    free(before);
                    bp_model_free(model);
                }
                cr_assert(relative_l2(all[0], all[1], count) <= 2e-6, "gemm %s, %s",
                          bp_gemm_name(parity_gemms[g]), bp_optimizer_name(optimizer));
                free(all[0]);
                free(all[1]);
                bp_data_free(data);
            }
    bp_device_free(reference);
}

Test(training, frozen_biases)
{
    every_device(check_frozen_biases);
}

static void check_same_bits(bp_device *device)
{
    size_t count;
    for (int labels = 0; labels < 2; ++labels) {
        float *first = trained(device, BP_GEMM_AUTO, BP_OPTIMIZER_ADAM, labels, 300, 32, 4, &count);
        float *second =
            trained(device, BP_GEMM_AUTO, BP_OPTIMIZER_ADAM, labels, 300, 32, 4, &count);
        cr_assert(memcmp(first, second, count * sizeof *first) == 0, "%s: two runs differ",
                  bp_device_get_info(device)->name);
        free(first);
        free(second);
    }
}

Test(training, same_seed_same_bits)
{
    every_device(check_same_bits);
}

/* bp_train in one go and bp_trainer_epoch one by one are the same training. */
Test(training, epochs_one_by_one_give_the_same_bits)
{
    const size_t widths[] = {6, 5, 3};
    bp_device *device;
    OK(bp_device_open(&device, "auto"));
    bp_data *data = data_of(50, 6, 3, true);
    bp_train_options options = bp_train_options_default();
    options.epochs = 3;
    options.batch = 8;
    float *results[2];
    size_t count;
    for (int way = 0; way < 2; ++way) {
        bp_model *model = model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 2);
        if (way == 0) {
            OK(bp_train(model, device, data, NULL, &options, NULL));
        } else {
            bp_trainer *trainer;
            OK(bp_trainer_create(&trainer, model, device, &options));
            OK(bp_trainer_set_data(trainer, data));
            for (int e = 0; e < 3; ++e) OK(bp_trainer_epoch(trainer, NULL));
            OK(bp_trainer_get_model(trainer, model));
            bp_trainer_free(trainer);
        }
        results[way] = flatten(model, &count);
        bp_model_free(model);
    }
    cr_assert(memcmp(results[0], results[1], count * sizeof **results) == 0);
    free(results[0]);
    free(results[1]);
    bp_data_free(data);
    bp_device_free(device);
}

/* ---- Convergence ------------------------------------------------------------------------------
 */

/* Sigmoid, half squared error, plain gradient descent: XOR and parity of `bits` bits, every sample
 * on its right side of 0.5. Weights start in [-2, 2]: from small ones parity stays on its plateau,
 * where the output is 0.5 for every sample. */
static void learn_parity(bp_device *device, size_t bits, size_t hidden, int64_t epochs, float rate,
                         int64_t batch, uint64_t seed)
{
    const size_t rows = (size_t)1 << bits, widths[] = {bits, hidden, 1};
    float *x = malloc(rows * bits * sizeof *x), *t = malloc(rows * sizeof *t),
          *y = malloc(rows * sizeof *y);
    for (size_t i = 0; i < rows; ++i) {
        unsigned ones = 0;
        for (size_t b = 0; b < bits; ++b) {
            x[i * bits + b] = (i >> b & 1) ? 1.0f : -1.0f;
            ones += (unsigned)(i >> b & 1);
        }
        t[i] = (float)(ones % 2);
    }
    bp_data *data;
    OK(bp_data_from_arrays(&data, x, rows, bits, t, 1));
    bp_model *model = model_of(widths, 2, BP_ACTIVATION_SIGMOID, BP_ACTIVATION_SIGMOID,
                               BP_LOSS_HALF_SQUARED, 1, seed);
    for (size_t l = 0; l < 2; ++l) {
        float *start = random_floats(widths[l] * widths[l + 1], 2, (uint32_t)(seed + 100 * l));
        memcpy(bp_model_weights(model, l), start, widths[l] * widths[l + 1] * sizeof *start);
        free(start);
    }
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_SGD;
    options.learning_rate = rate;
    options.batch = batch;
    options.epochs = epochs;
    OK(bp_train(model, device, data, NULL, &options, NULL));
    OK(bp_predict(model, device, x, rows, y));
    for (size_t i = 0; i < rows; ++i)
        cr_assert(
            (y[i] > 0.5f) == (t[i] > 0.5f), "%s: %zu-bit parity, seed %llu: sample %zu gives %g",
            bp_device_get_info(device)->name, bits, (unsigned long long)seed, i, (double)y[i]);
    bp_model_free(model);
    bp_data_free(data);
    free(x);
    free(t);
    free(y);
}

static void check_xor(bp_device *device)
{
    for (uint64_t seed = 1; seed <= 5; ++seed) learn_parity(device, 2, 4, 2000, 2.0f, 4, seed);
}

Test(training, learns_xor)
{
    every_device(check_xor);
}

Test(training, learns_8_bit_parity)
{
    bp_device *device;
    OK(bp_device_open(&device, "auto"));
    for (uint64_t seed = 1; seed <= 3; ++seed) learn_parity(device, 8, 32, 2500, 2.0f, 16, seed);
    bp_device_free(device);
}

/* The shipped digits, sigmoid with half squared error and plain SGD: at least 95 % of unseen ones.
 */
Test(training, learns_digits)
{
    bp_device *device;
    bp_data *raw, *first, *second, *train, *test;
    bp_schema *schema;
    OK(bp_device_open(&device, "auto"));
    OK(bp_data_load(&raw, BACKPROP_SOURCE_DIR "/data/digits.csv", NULL));
    OK(bp_data_split(&first, &second, raw, 0.2, 1));
    OK(bp_schema_learn(&schema, first));
    OK(bp_schema_apply(&train, schema, first));
    OK(bp_schema_apply(&test, schema, second));
    for (uint64_t seed = 1; seed <= 3; ++seed) {
        bp_model_options shape = bp_model_options_default();
        shape.hidden = "32:sigmoid";
        shape.loss = BP_LOSS_HALF_SQUARED;
        shape.seed = seed;
        bp_model *model;
        OK(bp_model_create(&model, train, &shape));
        bp_train_options options = bp_train_options_default();
        options.optimizer = BP_OPTIMIZER_SGD;
        options.learning_rate = 1.0f;
        options.batch = 16;
        options.epochs = 40;
        options.seed = seed;
        OK(bp_train(model, device, train, NULL, &options, NULL));
        bp_metrics metrics;
        OK(bp_evaluate(&metrics, model, device, test));
        cr_assert(metrics.accuracy >= 0.95, "seed %llu: %g", (unsigned long long)seed,
                  metrics.accuracy);
        bp_model_free(model);
    }
    bp_data_free(raw);
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(train);
    bp_data_free(test);
    bp_schema_free(schema);
    bp_device_free(device);
}
