/* test_average.c - moving averages of parameters: the operation on every device against the
 * reference; what a training's averages are, by hand from its parameters; who gets them. */
#include "backprop_explain.h"
#include "network_support.h"

TestSuite(average, .timeout = 300);

static const int32_t any_gemm[] = {BP_GEMM_AUTO, BP_GEMM_GPU, -1};

static void check_arenas(rig *r, void *context)
{
    (void)context;
    const size_t sizes[] = {16, 48, 1024 * 3, 4096 * 5 + 16};
    const float hyper[3][BP__HYPER_COUNT] = {{9, 9, 9, 9, 9}, {9, 9, 9, 9, 0.3f}, {9, 9, 9, 9, 9}};
    const int32_t now = 2;
    for (size_t s = 0; s < BP_COUNT(sizes); ++s) {
        const size_t n = sizes[s];
        float *a = random_floats(n, 1, 1), *w = random_floats(n, 2, 2);
        pair averages = pair_of(r, BP__TABLE, 1, n, a), parameters = pair_of(r, BP__TABLE, 1, n, w);
        pair table = pair_of(r, BP__TABLE, 1, 3 * BP__HYPER_COUNT, hyper[0]);
        pair step = integers_of(r, 1, 1, &now);
        for (int side = 0; side < SIDES; ++side) {
            bp__view rows = table.on[side];
            rows.rows = 3;
            rows.columns = rows.stride = BP__HYPER_COUNT;
            const bp__op op = {.kind = BP__OP_AVERAGE,
                               .as.average = {.averages = averages.on[side],
                                              .parameters = parameters.on[side],
                                              .hyper = rows,
                                              .step = step.on[side]}};
            run_op(r, side, &op);
        }
        float *got = read_side(r, &averages, DEVICE), *want = read_side(r, &averages, REFERENCE);
        cr_assert(relative_l2(got, want, n) <= 1e-6, "%s: %zu: relative error %g", r->name, n,
                  relative_l2(got, want, n));
        for (size_t i = 0; i < n; ++i)
            cr_assert_float_eq(want[i], 0.7f * a[i] + 0.3f * w[i], 1e-6, "%zu: %g", i,
                               (double)want[i]);
        check_guards(r, &averages, "average");
        float *same = read_side(r, &parameters, DEVICE);
        cr_assert_eq(memcmp(same, w, n * sizeof *w), 0, "%s: parameters were changed", r->name);
        pair *const all[] = {&averages, &parameters, &table, &step};
        for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
        float *const values[] = {a, w, got, want, same};
        for (int i = 0; i < 5; ++i) free(values[i]);
    }
}

Test(average, every_size_on_every_device)
{
    each_device(any_gemm, check_arenas, NULL);
    each_cpu_shape(check_arenas, NULL);
}

/* ---- Trainings --------------------------------------------------------------------------------
 */

enum { ROWS = 71, FEATURES = 6, CLASSES = 3, EPOCHS = 30, MOST = 400 };

static bp_model *new_model(const char *hidden, const bp_data *data)
{
    bp_model_options options = bp_model_options_default();
    bp_model *model;
    options.hidden = hidden;
    options.seed = 4;
    OK(bp_model_create(&model, data, &options));
    return model;
}

/* Averages by hand, of batches that are all rows: an epoch is an update. */
typedef struct by_hand_average {
    double values[MOST];
    float parameters[MOST];
    double ema;
} by_hand_average;

/* All parts of all layers of a network on a device. */
static size_t read_network(float *out, bp__network *network)
{
    size_t count = 0;
    for (size_t l = 0; l < network->layer_count; ++l)
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const bp__view *view = bp__layer_part(&network->values[l], part);
            if (!view->buffer) continue;
            cr_assert_leq(count + view->rows * view->columns, MOST);
            OK(bp__view_read(network->engine, view, out + count));
            count += view->rows * view->columns;
        }
    return count;
}

static int follow(const bp_progress *now, void *user)
{
    by_hand_average *h = user;
    if (!now->epoch_done) return 0;
    const size_t count = read_network(h->parameters, now->trainer->network);
    const double t = (double)now->epoch - 1, decay = fmin(h->ema, (1 + t) / (10 + t));
    for (size_t i = 0; i < count; ++i)
        h->values[i] += (1 - decay) * ((double)h->parameters[i] - h->values[i]);
    return 0;
}

/* With dropout and batchnorm, whose moments are averaged too. */
static void check_by_hand(bp_device *device)
{
    const double decays[] = {0.05, 0.5, 0.999};
    for (size_t d = 0; d < BP_COUNT(decays); ++d) {
        bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
        bp_model *model = new_model("9:tanh:batchnorm,7:dropout=0.1", data);
        by_hand_average h = {.ema = decays[d]};
        bp_train_options how = bp_train_options_default();
        bp_trainer *trainer;
        how.batch = ROWS;
        how.epochs = EPOCHS;
        how.learning_rate = 0.05f;
        OK(bp_trainer_create(&trainer, model, device, &how));
        const size_t count = read_network(h.parameters, trainer->network);
        for (size_t i = 0; i < count; ++i) h.values[i] = (double)h.parameters[i];
        bp_trainer_free(trainer);
        how.ema = decays[d];
        how.progress = follow;
        how.user = &h;
        OK(bp_train(model, device, data, NULL, &how, NULL));
        OK(bp_trainer_create(&trainer, model, device, &how));
        float got[MOST], want[MOST];
        cr_assert_eq(read_network(got, trainer->network), count);
        for (size_t i = 0; i < count; ++i) want[i] = (float)h.values[i];
        cr_assert(relative_l2(got, want, count) < 2e-6, "%s, ema %g: off by %g",
                  bp_device_get_info(device)->name, decays[d], relative_l2(got, want, count));
        cr_assert(relative_l2(got, h.parameters, count) > 1e-3, "nothing is averaged");
        bp_trainer_free(trainer);
        bp_model_free(model);
        bp_data_free(data);
    }
}

Test(average, is_that_of_the_parameters)
{
    every_device(check_by_hand);
}

/* Averages are what is measured and kept, resident or streamed; a smaller last batch, weights,
 * clipping by norm and Adam, so that nothing is left out that a step may touch. */
static void check_measured(bp_device *device)
{
    const char *const hidden[] = {"9:tanh,8:tanh", "9:tanh:layernorm,8:tanh:batchnorm"};
    float weights[ROWS];
    for (size_t i = 0; i < ROWS; ++i) weights[i] = (float)(1 + i % 3);
    for (int best = 0; best < 2; ++best)
        for (size_t k = 0; k < BP_COUNT(hidden) * 2; ++k) {
            bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
            OK(bp_data_set_weights(data, weights));
            bp_data *validation = data_of(50, FEATURES, CLASSES, true);
            bp_model *model = new_model(hidden[k / 2], data),
                     *plain = new_model(hidden[k / 2], data);
            bp_train_options how = bp_train_options_default();
            bp_train_result result, raw;
            bp_metrics metrics;
            how.batch = 16;
            how.epochs = 6;
            how.learning_rate = 0.03f;
            how.clip_norm = 0.3f;
            how.keep_best = best;
            how.stream = k % 2 ? BP_STREAM_YES : BP_STREAM_NO;
            OK(bp_train(plain, device, data, validation, &how, &raw));
            how.ema = 0.95;
            OK(bp_train(model, device, data, validation, &how, &result));
            OK(bp_evaluate(&metrics, model, device, validation));
            const char *name = bp_device_get_info(device)->name;
            cr_assert_float_eq(metrics.loss, result.validation_loss, 1e-5 * metrics.loss,
                               "%s, %s: %g, then %g", name, hidden[k / 2], metrics.loss,
                               result.validation_loss);
            cr_assert(fabs(result.validation_loss - raw.validation_loss) > 1e-3 * metrics.loss,
                      "%s: the averages are the parameters", name);
            cr_assert(best || fabs(result.train_loss - raw.train_loss) <= 1e-4 * raw.train_loss,
                      "%s: it trains otherwise: %g, without %g", name, result.train_loss,
                      raw.train_loss);
            cr_assert_gt(result.device_bytes,
                         raw.device_bytes + 4 * bp_model_get_info(model).parameters);
            bp_model_free(model);
            bp_model_free(plain);
            bp_data_free(validation);
            bp_data_free(data);
        }
}

Test(average, is_what_is_measured_and_kept)
{
    every_device(check_measured);
}

/* The parameters themselves go the way that they go without. */
Test(average, parameters_keep_their_bits)
{
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(ROWS, FEATURES, CLASSES, true);
    float ends[2][MOST];
    size_t count = 0;
    for (int averaged = 0; averaged < 2; ++averaged) {
        bp_model *model = new_model("9:tanh:batchnorm,7", data);
        bp_train_options how = bp_train_options_default();
        how.ema = averaged ? 0.99 : 0;
        bp_trainer *trainer;
        OK(bp_trainer_create(&trainer, model, device, &how));
        OK(bp_trainer_set_data(trainer, data));
        for (int e = 0; e < 4; ++e) OK(bp_trainer_epoch(trainer, NULL));
        count = read_network(ends[averaged], trainer->network);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    cr_assert_eq(memcmp(ends[0], ends[1], count * sizeof(float)), 0);
    bp_data_free(data);
    bp_device_free(device);
}

/* Step by step, too; and whoever watches sees the parameters that gradients are taken at. */
Test(average, steps_by_hand_and_watches)
{
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_data *data = data_of(16, FEATURES, CLASSES, true);
    double weights[2], averages[2];
    for (int averaged = 0; averaged < 2; ++averaged) {
        bp_model *model = new_model("9:tanh", data);
        bp_train_options how = bp_train_options_default();
        bp_trainer *trainer;
        bp_watch *watch;
        how.batch = 16;
        how.ema = averaged ? 0.9 : 0;
        OK(bp_trainer_create(&trainer, model, device, &how));
        OK(bp_watch_create(&watch, model, data, 16));
        for (int s = 0; s < 20; ++s)
            OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), 16,
                               NULL));
        OK(bp_watch_look(watch, trainer));
        weights[averaged] = bp_watch_get(watch, 0).weights;
        OK(bp_trainer_get_model(trainer, model));
        averages[averaged] = (double)bp_model_weights(model, 0)[3];
        bp_watch_free(watch);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    cr_assert_eq(weights[0], weights[1]);
    cr_assert_neq(averages[0], averages[1]);
    bp_data_free(data);
    bp_device_free(device);
}
