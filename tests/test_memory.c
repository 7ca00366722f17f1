/* test_memory.c - how much of a device's memory a training takes: within 5 % of what it needs,
 * counted from the shapes alone. */
#include "network_support.h"

TestSuite(memory, .timeout = 120);

typedef struct memory_case {
    size_t widths[5], layers, rows;
    int64_t batch;
    bool labels;
} memory_case;

/* Widths that are no multiples of a vector; data that outweigh the network; and the other way
 * round; batches that do not divide the rows; targets in numbers. */
static const memory_case cases[] = {
    {{784, 128, 10}, 2, 5000, 128, true},     {{20, 300, 3}, 2, 30000, 64, true},
    {{5, 64, 2}, 2, 100000, 100, false},      {{784, 512, 512, 10}, 3, 1000, 256, true},
    {{1000, 1001, 1023}, 2, 300, 200, false}, {{501, 499, 503, 1}, 3, 2000, 1, false}};

/* Words: parameters with moments and, where they are stored, gradients; the batch's activations,
 * and a delta of each of two neighbouring layers; the data with targets, permutation and losses. */
static size_t formula(const memory_case *c, size_t arenas)
{
    size_t parameters = 0, widest = 0, units = c->widths[0];
    for (size_t l = 0; l < c->layers; ++l) {
        parameters += (c->widths[l] + 1) * c->widths[l + 1];
        units += c->widths[l + 1];
        if (c->widths[l + 1] > widest) widest = c->widths[l + 1];
    }
    const size_t outputs = c->labels ? 1 : c->widths[c->layers];
    const size_t batch = (size_t)c->batch, steps = (c->rows + batch - 1) / batch;
    return parameters * arenas + batch * (units + 2 * widest + outputs + 2) +
           c->rows * (c->widths[0] + outputs + 1) + steps * (2 + BP__HYPER_COUNT);
}

static void check_case(bp_device *device, const memory_case *c, int32_t optimizer, int32_t gemm)
{
    bp_model *model = model_of(c->widths, c->layers, BP_ACTIVATION_TANH,
                               c->labels ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_LINEAR,
                               c->labels ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(c->rows, c->widths[0], c->widths[c->layers], c->labels);
    bp_train_options options = bp_train_options_default();
    options.optimizer = optimizer;
    options.batch = c->batch;
    options.gemm = gemm;
    options.learning_rate = 1e-4f;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    OK(bp_trainer_set_data(trainer, data));
    const bool stored = gemm != BP_GEMM_CPU;
    const size_t arenas = 1 + (size_t)optimizer + stored; /* sgd 0, momentum 1, adam 2 moments */
    const double needed = 4.0 * (double)formula(c, arenas);
    const double taken = (double)bp_trainer_device_bytes(trainer);
    cr_log_info("%zu-%zu-... batch %d, %s: %.0f bytes, %.2f %% more", c->widths[0], c->widths[1],
                (int)c->batch, bp_optimizer_name(optimizer), taken, 100 * (taken / needed - 1));
    cr_assert(taken >= needed, "%g bytes taken of %g: something is not counted", taken, needed);
    cr_assert(taken <= 1.05 * needed,
              "%zu-%zu-..., batch %d, %s, gemm %s: %.0f bytes, %.1f %% more "
              "than needed",
              c->widths[0], c->widths[1], (int)c->batch, bp_optimizer_name(optimizer),
              bp_gemm_name(gemm), taken, 100 * (taken / needed - 1));
    if (gemm == BP_GEMM_CPU) OK(bp_trainer_epoch(trainer, NULL)); /* the others crawl on CPUs */
    cr_assert_eq((double)bp_trainer_device_bytes(trainer), taken, "an epoch takes more");
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
}

static void check_device(bp_device *device)
{
    if (bp_device_get_info(device)->kind != BP_KIND_CPU) return;
    for (size_t i = 0; i < BP_COUNT(cases); ++i)
        for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer) {
            check_case(device, &cases[i], optimizer, BP_GEMM_CPU);
            check_case(device, &cases[i], optimizer, BP_GEMM_GPU);
        }
}

Test(memory, of_a_training_is_what_the_formula_says)
{
    every_device(check_device);
}

/* Gradients have memory from the first step that keeps them on. */
static void check_gradients(bp_device *device)
{
    const size_t widths[] = {100, 300, 200};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(60, 100, 200, false);
    bp_train_options options = bp_train_options_default();
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    OK(bp_trainer_set_data(trainer, data));
    OK(bp_trainer_epoch(trainer, NULL));
    const size_t before = bp_trainer_device_bytes(trainer);
    OK(bp_trainer_step(trainer, bp_data_features(data), bp_data_targets(data), NULL, 8, NULL));
    float *gradient = malloc(300 * 200 * sizeof *gradient);
    OK(bp_trainer_get_gradients(trainer, 1, gradient, NULL));
    size_t others = 0;
    for (size_t i = 0; i < 300 * 200; ++i) others += gradient[i] != 0;
    cr_assert(others > 1000, "%zu gradients are not 0", others);
    const bool later = bp_device_get_info(device)->kind == BP_KIND_CPU;
    cr_assert(bp_trainer_device_bytes(trainer) > before || !later);
    free(gradient);
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
}

Test(memory, of_gradients_comes_when_they_are_kept)
{
    every_device(check_gradients);
}
