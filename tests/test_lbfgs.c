/* test_lbfgs.c - L-BFGS: the recursion and the line search by themselves, and trainings by it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backprop_evaluate.h"
#include "network_support.h"
#include "train/full_batch.h"
#include "train/lbfgs.h"

TestSuite(lbfgs, .timeout = 300);

/* ---- By itself --------------------------------------------------------------------------------
 */

/* The sum of Rosenbrock's valleys, (1 - a)^2 + 100 (b - a^2)^2: its minimum is 0 where all is 1. */
static bp_status rosenbrock(double *x, double *value, double *gradient, void *user)
{
    const size_t count = *(const size_t *)user;
    *value = 0;
    for (size_t i = 0; i < count; i += 2) {
        const double a = x[i], b = x[i + 1], off = b - a * a;
        *value += (1 - a) * (1 - a) + 100 * off * off;
        gradient[i] = -2 * (1 - a) - 400 * a * off;
        gradient[i + 1] = 200 * off;
    }
    return BP_OK;
}

Test(lbfgs, finds_the_end_of_a_bent_valley)
{
    size_t count = 10;
    const bp__objective valley = {.at = rosenbrock, .user = &count, .noise = 1e-14};
    bp__lbfgs l;
    OK(bp__lbfgs_create(&l, count));
    for (size_t i = 0; i < count; ++i) l.x[i] = i % 2 ? 1 + 0.1 * (double)i : -1.2;
    double last = INFINITY;
    int64_t evaluations = 0;
    bool moved = true;
    for (int step = 0; step < 200 && moved; ++step) {
        OK(bp__lbfgs_step(&l, &valley, 1, &moved));
        cr_assert(l.value <= last * (1 + 2e-14), "step %d: %g after %g", step, l.value, last);
        last = l.value;
        evaluations += l.evaluations;
    }
    for (size_t i = 0; i < count; ++i)
        cr_assert_float_eq(l.x[i], 1, 1e-6, "x[%zu] = %.9g", i, l.x[i]);
    cr_assert_leq(evaluations, 300, "%d evaluations", (int)evaluations);
    bp__lbfgs_free(&l);
}

/* A quadratic of as many dimensions as there are pairs: the minimum is found from whatever length
 * is tried first. */
static const double scales[] = {1, 3, 10, 30, 100, 300, 1000};
enum { DIMENSIONS = sizeof scales / sizeof *scales };

static bp_status bowl(double *x, double *value, double *gradient, void *user)
{
    ++*(int *)user;
    *value = 0;
    for (int i = 0; i < DIMENSIONS; ++i) {
        *value += scales[i] / 2 * (x[i] - i) * (x[i] - i);
        gradient[i] = scales[i] * (x[i] - i);
    }
    return BP_OK;
}

Test(lbfgs, finds_the_bottom_of_a_bowl_from_any_first_step)
{
    const double firsts[] = {1e-6, 1e-3, 1, 100, 1e6};
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; ++f) {
        int calls = 0;
        const bp__objective objective = {.at = bowl, .user = &calls, .noise = 1e-14};
        bp__lbfgs l;
        bool moved = true;
        int64_t evaluations = 0;
        OK(bp__lbfgs_create(&l, DIMENSIONS));
        for (int step = 0; step < 500 && moved; ++step) {
            OK(bp__lbfgs_step(&l, &objective, firsts[f], &moved));
            evaluations += l.evaluations;
        }
        cr_assert_eq(evaluations, calls);
        for (int i = 0; i < DIMENSIONS; ++i)
            cr_assert_float_eq(l.x[i], i, 1e-6, "first %g: x[%d] = %.9g", firsts[f], i, l.x[i]);
        bp__lbfgs_free(&l);
    }
}

/* Where most of the line is no number at all: -log x - log(1 - x), far beyond the first steps. */
static bp_status barrier(double *x, double *value, double *gradient, void *user)
{
    (void)user;
    *value = -3 * log(x[0]) - log(1 - x[0]);
    gradient[0] = -3 / x[0] + 1 / (1 - x[0]);
    return BP_OK;
}

Test(lbfgs, comes_back_from_where_nothing_is_finite)
{
    const bp__objective objective = {.at = barrier, .noise = 1e-14};
    bp__lbfgs l;
    bool moved = true;
    OK(bp__lbfgs_create(&l, 1));
    l.x[0] = 0.01;
    for (int step = 0; step < 60 && moved; ++step) OK(bp__lbfgs_step(&l, &objective, 50, &moved));
    cr_assert_float_eq(l.x[0], 0.75, 1e-7, "x = %.9g", l.x[0]);
    l.x[0] = 2; /* and says so where it begins there */
    bp__lbfgs_forget(&l);
    OK(bp__lbfgs_step(&l, &objective, 1, &moved));
    cr_assert(!moved && !isfinite(l.value));
    bp__lbfgs_free(&l);
}

/* A direction in which the loss bends down: no such pair may be kept. */
static bp_status saddle(double *x, double *value, double *gradient, void *user)
{
    (void)user;
    *value = cos(x[0]) + 0.05 * x[0] * x[0];
    gradient[0] = -sin(x[0]) + 0.1 * x[0];
    return BP_OK;
}

Test(lbfgs, keeps_no_pair_that_bends_down)
{
    const bp__objective objective = {.at = saddle, .noise = 1e-14};
    bp__lbfgs l;
    bool moved = true;
    OK(bp__lbfgs_create(&l, 1));
    l.x[0] = 0.1;
    for (int step = 0; step < 60 && moved; ++step) {
        OK(bp__lbfgs_step(&l, &objective, 0.01, &moved));
        for (int64_t p = 0; p < l.pairs; ++p) cr_assert_gt(l.steps[p] * l.changes[p], 0);
    }
    cr_assert(fabs(l.gradient[0]) < 1e-6 && l.x[0] > 2.5, "x = %.9g", l.x[0]);
    bp__lbfgs_free(&l);
}

/* ---- Trainings --------------------------------------------------------------------------------
 */

static bp_train_options how_of(int64_t epochs)
{
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_LBFGS;
    how.epochs = epochs;
    return how;
}

static bp_model *new_model(void)
{
    const size_t widths[] = {6, 9, 3};
    return model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1,
                    5);
}

static bp_device *reference_device(void)
{
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    return device;
}

/* For as many evaluations as Adam gets steps of the same rows. */
Test(lbfgs, reaches_a_loss_that_adam_does_not)
{
    bp_device *device = reference_device();
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *ours = new_model(), *theirs = new_model();
    const bp_train_options how = how_of(60);
    bp_train_result by_lbfgs, by_adam;
    OK(bp_train(ours, device, data, NULL, &how, &by_lbfgs));
    cr_assert(by_lbfgs.steps >= 60 && by_lbfgs.steps < 200, "%d evaluations", (int)by_lbfgs.steps);
    for (float rate = 0.001f; rate < 0.2f; rate *= 3) {
        bp_train_options adam = how;
        adam.optimizer = BP_OPTIMIZER_ADAM;
        adam.batch = 71;
        adam.learning_rate = rate;
        adam.epochs = by_lbfgs.steps;
        bp_model_free(theirs);
        theirs = new_model();
        OK(bp_train(theirs, device, data, NULL, &adam, &by_adam));
        cr_assert_lt(by_lbfgs.train_loss, 0.1 * by_adam.train_loss, "%g, Adam at %g: %g",
                     by_lbfgs.train_loss, (double)rate, by_adam.train_loss);
    }
    bp_model_free(ours);
    bp_model_free(theirs);
    bp_data_free(data);
    bp_device_free(device);
}

static float *train_all(bp_device *device, const bp_train_options *how, size_t *count,
                        bp_train_result *result)
{
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *model = new_model();
    OK(bp_train(model, device, data, NULL, how, result));
    float *all = flatten(model, count);
    bp_model_free(model);
    bp_data_free(data);
    return all;
}

/* Twenty iterations; twice on the device, with the same bits. */
static void check_device(bp_device *device)
{
    bp_device *reference = reference_device();
    const char *name = bp_device_get_info(device)->name;
    for (int decayed = 0; decayed < 2; ++decayed) {
        bp_train_options how = how_of(20);
        bp_train_result want_result, result, again_result;
        size_t count;
        how.weight_decay = decayed ? 0.01f : 0;
        float *want = train_all(reference, &how, &count, &want_result);
        float *got = train_all(device, &how, &count, &result);
        float *again = train_all(device, &how, &count, &again_result);
        cr_assert(memcmp(got, again, count * sizeof *got) == 0, "%s: not the same again", name);
        cr_assert_eq(result.steps, again_result.steps);
        cr_assert(relative_l2(got, want, count) < 2e-3, "%s: off by %g", name,
                  relative_l2(got, want, count));
        cr_assert_float_eq(result.train_loss, want_result.train_loss, 2e-3 * want_result.train_loss,
                           "%s: %g, not %g", name, result.train_loss, want_result.train_loss);
        free(want);
        free(got);
        free(again);
    }
    bp_device_free(reference);
}

Test(lbfgs, every_device_does_what_the_reference_does)
{
    every_device(check_device);
}

/* The loss with weight decay is convex in a single layer: at its minimum g + decay w is zero. */
Test(lbfgs, stops_where_the_gradient_and_the_decay_cancel)
{
    bp_device *device = reference_device();
    bp_data *data = data_of(71, 6, 3, true);
    const size_t widths[] = {6, 3};
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_train_options how = how_of(200);
    how.weight_decay = 0.02f;
    OK(bp_train(model, device, data, NULL, &how, NULL));
    bp_train_options step = bp_train_options_default();
    bp_trainer *trainer;
    float weights[18], biases[3];
    step.optimizer = BP_OPTIMIZER_SGD;
    step.batch = 71;
    OK(bp_trainer_create(&trainer, model, device, &step));
    OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), 71, NULL));
    OK(bp_trainer_get_gradients(trainer, 0, weights, biases));
    for (int i = 0; i < 18; ++i)
        cr_assert_float_eq(weights[i] + 0.02f * bp_model_weights(model, 0)[i], 0, 1e-6f);
    for (int i = 0; i < 3; ++i)
        cr_assert_float_eq(biases[i] + 0.02f * bp_model_biases(model, 0)[i], 0, 1e-6f);
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}

static void check_frozen(bp_device *device)
{
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *start = new_model(), *model = new_model();
    bp_train_options how = how_of(10);
    bp_train_result result;
    how.freeze_layers = 1;
    how.freeze_bias = 1;
    OK(bp_train(model, device, data, NULL, &how, &result));
    cr_assert(memcmp(bp_model_weights(model, 0), bp_model_weights(start, 0), 54 * 4) == 0);
    for (size_t l = 0; l < 2; ++l)
        cr_assert(memcmp(bp_model_biases(model, l), bp_model_biases(start, l), (l ? 3 : 9) * 4) ==
                  0);
    cr_assert(memcmp(bp_model_weights(model, 1), bp_model_weights(start, 1), 27 * 4) != 0);
    bp_model_free(start);
    bp_model_free(model);
    bp_data_free(data);
}

Test(lbfgs, leaves_alone_what_is_frozen)
{
    every_device(check_frozen);
}

/* Saved after each epoch, loaded into a trainer of its own, and gone on with to the end. */
static void check_resumed(bp_device *device)
{
    enum { EPOCHS = 14 };
    char path[] = "/tmp/backprop-lbfgs-XXXXXX";
    const int file = mkstemp(path);
    cr_assert(file >= 0 && close(file) == 0 && unlink(path) == 0);
    const bp_train_options how = how_of(EPOCHS);
    bp_data *data = data_of(71, 6, 3, true);
    size_t count;
    float *want = train_all(device, &how, &count, NULL);
    for (int at = 0; at < EPOCHS; ++at) {
        bp_model *model = new_model();
        for (int half = 0; half < 2; ++half) {
            bp_trainer *trainer;
            OK(bp_trainer_create(&trainer, model, device, &how));
            OK(bp_trainer_set_data(trainer, data));
            if (half) OK(bp_trainer_load(trainer, path));
            for (int e = half ? at : 0; e < (half ? EPOCHS : at); ++e)
                OK(bp_trainer_epoch(trainer, NULL));
            if (!half) OK(bp_trainer_save(trainer, model, path));
            OK(bp_trainer_get_model(trainer, model));
            bp_trainer_free(trainer);
        }
        float *got = flatten(model, &count);
        cr_assert(memcmp(got, want, count * sizeof *got) == 0, "%s: not the same from epoch %d",
                  bp_device_get_info(device)->name, at);
        free(got);
        bp_model_free(model);
    }
    char previous[64];
    snprintf(previous, sizeof previous, "%s.previous", path);
    (void)unlink(path);
    (void)unlink(previous);
    free(want);
    bp_data_free(data);
}

Test(lbfgs, goes_on_from_a_checkpoint_with_the_same_bits)
{
    every_device(check_resumed);
}

/* The samples' weights are part of the loss: a weight of two is a row that is there twice. */
Test(lbfgs, takes_samples_weights)
{
    bp_device *device = reference_device();
    const float x[] = {0, 1, 2, 3, 3}, y[] = {1, 3, 4, 9, 9}, weights[] = {1, 1, 1, 2};
    const size_t widths[] = {1, 1};
    float slope[2];
    for (int twice = 0; twice < 2; ++twice) {
        bp_data *data;
        bp_model *model = model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR,
                                   BP_LOSS_HALF_SQUARED, 1, 5);
        const bp_train_options how = how_of(30);
        OK(bp_data_from_arrays(&data, x, twice ? 5 : 4, 1, y, 1));
        if (!twice) OK(bp_data_set_weights(data, weights));
        OK(bp_train(model, device, data, NULL, &how, NULL));
        slope[twice] = bp_model_weights(model, 0)[0];
        bp_model_free(model);
        bp_data_free(data);
    }
    cr_assert_float_eq(slope[0], slope[1], 1e-5f, "%g, %g", (double)slope[0], (double)slope[1]);
    cr_assert_float_eq(slope[1], 2.6764706f, 1e-5f, "%g", (double)slope[1]);
    bp_device_free(device);
}

/* ---- What it cannot do ------------------------------------------------------------------------
 */

static void check_refused(bp_train_options how, bp_status want, const char *says)
{
    bp_device *device = reference_device();
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *model = new_model();
    const bp_status status = bp_train(model, device, data, NULL, &how, NULL);
    cr_assert_eq(status, want, "%s: %d", says, (int)status);
    cr_assert_not_null(strstr(bp_last_error(), says), "\"%s\" has no \"%s\"", bp_last_error(),
                       says);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}

Test(lbfgs, refuses_what_it_has_no_use_for)
{
    bp_train_options how = how_of(3);
    how.batch = 32;
    check_refused(how, BP_ERROR_ARGUMENT, "all of the 71 rows at once");
    how = how_of(3);
    how.l1 = 0.1f;
    check_refused(how, BP_ERROR_ARGUMENT, "l1 and lbfgs");
    how = how_of(3);
    how.clip_norm = 1;
    check_refused(how, BP_ERROR_ARGUMENT, "clip_norm and lbfgs");
    how = how_of(3);
    how.clip_value = 1;
    check_refused(how, BP_ERROR_ARGUMENT, "clip_value and lbfgs");
    how = how_of(3);
    how.max_norm = 1;
    check_refused(how, BP_ERROR_ARGUMENT, "max_norm and lbfgs");
    how = how_of(3);
    how.ema = 0.9;
    check_refused(how, BP_ERROR_ARGUMENT, "ema and lbfgs");
    how = how_of(3);
    how.accumulate = 2;
    check_refused(how, BP_ERROR_ARGUMENT, "accumulate and lbfgs");
    how = how_of(3);
    how.schedule = BP_SCHEDULE_COSINE;
    check_refused(how, BP_ERROR_ARGUMENT, "leave out the schedule");
    how = how_of(3);
    how.stream = BP_STREAM_YES;
    check_refused(how, BP_ERROR_ARGUMENT, "leave stream");
}

Test(lbfgs, has_no_steps_of_its_own)
{
    bp_device *device = reference_device();
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *model = new_model();
    bp_trainer *trainer;
    bp_rate_test *test;
    const bp_train_options how = how_of(3);
    OK(bp_trainer_create(&trainer, model, device, &how));
    cr_assert_eq(
        bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), 71, NULL),
        BP_ERROR_UNSUPPORTED);
    cr_assert_eq(bp_find_rate(&test, model, device, data, &how, NULL), BP_ERROR_UNSUPPORTED);
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}
