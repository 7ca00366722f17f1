/* test_watch.c - a watched training: that watching changes nothing, that what is seen is what a
 * step does, that what is planted is named, and that a divergence is traced to where it began. */
#include "backprop_explain.h"
#include "base/families.h"
#include "network_support.h"

/* What the callback of a training keeps. */
typedef struct observed {
    bp_watch *watch;
    bp_watch_layer layers[8]; /* of the first look */
    int looks;
    int64_t epochs, every; /* finished; how often it is looked, 0 for each time */
    bp_trace trace;
    bool traced;
    bp_status status;
} observed;

static int observe(const bp_progress *now, void *user)
{
    observed *o = user;
    cr_assert_eq(now->trainer != NULL, now->epoch_done || now->diverged);
    if (now->epoch_done) o->epochs = now->epoch;
    if (now->epoch_done && (o->every == 0 || now->epoch % o->every == 0)) {
        OK(bp_watch_look(o->watch, now->trainer));
        for (size_t l = 0; o->looks == 0 && l < 8; ++l) o->layers[l] = bp_watch_get(o->watch, l);
        ++o->looks;
    }
    if (now->diverged) {
        OK(bp_watch_trace(o->watch, now->trainer, &o->trace));
        o->traced = true;
    }
    return 0;
}

static observed watched_every(int64_t every, bp_model *model, bp_device *device,
                              const bp_data *data, const bp_train_options *how)
{
    observed o = {.every = every};
    bp_train_options options = *how;
    OK(bp_watch_create(&o.watch, model, data, 64));
    options.progress = observe;
    options.user = &o;
    o.status = bp_train(model, device, data, NULL, &options, NULL);
    bp_watch_free(o.watch);
    o.watch = NULL;
    return o;
}

static observed watched(bp_model *model, bp_device *device, const bp_data *data,
                        const bp_train_options *how)
{
    return watched_every(0, model, device, data, how);
}

/* ---- Watching changes nothing -------------------------------------------------------------------
 */

static void check_same_bits(bp_device *device)
{
    const size_t widths[] = {7, 9, 5, 3};
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer)
        for (int labels = 0; labels < 2; ++labels) {
            float *all[2];
            size_t count;
            for (int side = 0; side < 2; ++side) {
                bp_model *model =
                    model_of(widths, 3, BP_ACTIVATION_TANH,
                             labels ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_SIGMOID,
                             labels ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED, 1, 5);
                bp_data *data = data_of(50, 7, 3, labels);
                bp_train_options how = bp_train_options_default();
                how.optimizer = optimizer;
                how.batch = 16;
                how.epochs = 4;
                if (side) {
                    const observed o = watched(model, device, data, &how);
                    cr_assert_eq(o.status, BP_OK);
                    cr_assert_eq(o.looks, 4);
                } else {
                    OK(bp_train(model, device, data, NULL, &how, NULL));
                }
                all[side] = flatten(model, &count);
                bp_data_free(data);
                bp_model_free(model);
            }
            cr_assert(memcmp(all[0], all[1], count * sizeof(float)) == 0,
                      "%s, %s, %s: watching has changed the training",
                      bp_device_get_info(device)->name, bp_optimizer_name(optimizer),
                      labels ? "labels" : "targets");
            free(all[0]);
            free(all[1]);
        }
}

Test(watch, changes_nothing)
{
    every_device(check_same_bits);
}

/* ---- What is seen -------------------------------------------------------------------------------
 */

static double norm_of(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) {
        const double value = (double)a[i] - (b ? (double)b[i] : 0);
        sum += value * value;
    }
    return sqrt(sum);
}

/* The trainer's own next step on the same rows: its gradient, and by how much it moves each layer.
 */
static void check_next_step(bp_device *device)
{
    const size_t widths[] = {7, 9, 3}, layers = 2;
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer) {
        bp_model *model = model_of(widths, layers, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 5);
        bp_data *data = data_of(40, 7, 3, true);
        bp_train_options how = bp_train_options_default();
        how.optimizer = optimizer;
        how.batch = 40;
        bp_trainer *trainer;
        bp_watch *watch;
        OK(bp_trainer_create(&trainer, model, device, &how));
        OK(bp_trainer_set_data(trainer, data));
        for (int e = 0; e < 5; ++e) OK(bp_trainer_epoch(trainer, NULL)); /* moments */
        OK(bp_watch_create(&watch, model, data, 1000));
        OK(bp_watch_look(watch, trainer));
        OK(bp_trainer_get_model(trainer, model));
        size_t count;
        float *before = flatten(model, &count);
        OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), 40, NULL));
        OK(bp_trainer_get_model(trainer, model));
        float *after = flatten(model, &count);
        size_t at = 0;
        for (size_t l = 0; l < layers; ++l) {
            const size_t weights = widths[l] * widths[l + 1], all = weights + widths[l + 1];
            float *gradients = malloc(all * sizeof *gradients);
            OK(bp_trainer_get_gradients(trainer, l, gradients, gradients + weights));
            const bp_watch_layer seen = bp_watch_get(watch, l);
            const double wanted[] = {norm_of(before + at, NULL, all), norm_of(gradients, NULL, all),
                                     norm_of(after + at, before + at, all)};
            const double got[] = {seen.weights, seen.gradient, seen.update};
            for (int i = 0; i < 3; ++i)
                cr_assert(fabs(got[i] - wanted[i]) <= 1e-4 * wanted[i],
                          "%s, %s, layer %zu, number %d: %g, the step says %g",
                          bp_device_get_info(device)->name, bp_optimizer_name(optimizer), l, i,
                          got[i], wanted[i]);
            cr_assert_eq(seen.units, widths[l + 1]);
            free(gradients);
            at += all;
        }
        free(before);
        free(after);
        bp_watch_free(watch);
        bp_trainer_free(trainer);
        bp_data_free(data);
        bp_model_free(model);
    }
}

Test(watch, sees_what_the_next_step_does)
{
    every_device(check_next_step);
}

/* ---- Findings -----------------------------------------------------------------------------------
 */

/* Findings after an epoch on the reference. */
static observed findings_of(const bp_layer *layers, size_t count, float weights, float bias,
                            float rate)
{
    bp_model *model;
    bp_device *reference;
    bp_model_options options = bp_model_options_default();
    options.init = BP_INIT_UNIFORM;
    options.init_range = weights;
    options.seed = 3;
    OK(bp_device_open(&reference, "reference"));
    OK(bp_model_create_layers(&model, layers, count, &options));
    for (size_t l = 0; l + 1 < count; ++l)
        for (size_t k = 0; k < layers[l].outputs; ++k) bp_model_biases(model, l)[k] = bias;
    bp_data *data = data_of(32, layers[0].inputs, layers[count - 1].outputs, false);
    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_SGD;
    how.learning_rate = rate;
    how.epochs = 1;
    const observed o = watched(model, reference, data, &how);
    cr_assert_eq(o.status, BP_OK);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(reference);
    return o;
}

enum { DEEP = 8 };

static void layers_of(bp_layer layers[DEEP], int32_t hidden)
{
    for (size_t l = 0; l < DEEP; ++l)
        layers[l] = (bp_layer){6, 6, l + 1 < DEEP ? hidden : BP_ACTIVATION_LINEAR, 1};
}

Test(watch, nothing_is_found_where_all_is_well)
{
    const bp_layer layers[] = {{6, 6, BP_ACTIVATION_TANH, 1}, {6, 6, BP_ACTIVATION_LINEAR, 1}};
    const observed o = findings_of(layers, 2, 0.5f, 0, 0.01f);
    for (size_t l = 0; l < 2; ++l) {
        cr_assert_eq(o.layers[l].findings, 0, "layer %zu: %d", l, o.layers[l].findings);
        cr_assert(o.layers[l].weights > 0 && o.layers[l].gradient > 0 && o.layers[l].update > 0);
    }
}

Test(watch, vanishing_gradients_are_named)
{
    bp_layer layers[DEEP];
    layers_of(layers, BP_ACTIVATION_SIGMOID);
    const observed o = findings_of(layers, DEEP, 0.5f, 0, 0.01f);
    cr_assert(o.layers[0].findings & BP_FINDING_VANISHING);
    cr_assert_eq(o.layers[DEEP - 1].findings & BP_FINDING_VANISHING, 0);
}

Test(watch, exploding_gradients_are_named)
{
    bp_layer layers[DEEP];
    layers_of(layers, BP_ACTIVATION_LINEAR);
    const observed o = findings_of(layers, DEEP, 3, 0, 1e-20f);
    cr_assert(o.layers[0].findings & BP_FINDING_EXPLODING);
    cr_assert_gt(o.layers[0].delta, 1e3 * o.layers[DEEP - 1].delta);
    cr_assert_eq(o.layers[DEEP - 1].findings & BP_FINDING_EXPLODING, 0);
}

Test(watch, steps_that_are_too_large_are_named)
{
    const bp_layer layers[] = {{6, 6, BP_ACTIVATION_TANH, 1}, {6, 6, BP_ACTIVATION_SIGMOID, 1}};
    const observed o = findings_of(layers, 2, 0.5f, 0, 100);
    cr_assert((o.layers[0].findings | o.layers[1].findings) & BP_FINDING_FAST);
    cr_assert(o.layers[0].update > 0.1 * o.layers[0].weights ||
              o.layers[1].update > 0.1 * o.layers[1].weights);
}

Test(watch, saturated_and_dead_units_are_named)
{
    bp_layer layers[] = {{6, 6, BP_ACTIVATION_SIGMOID, 1}, {6, 6, BP_ACTIVATION_LINEAR, 1}};
    observed o = findings_of(layers, 2, 0.5f, 12, 1e-6f);
    cr_assert_eq(o.layers[0].saturated, 6);
    cr_assert(o.layers[0].findings & BP_FINDING_SATURATED);
    layers[0].activation = BP_ACTIVATION_RELU;
    o = findings_of(layers, 2, 0.5f, -12, 1e-6f);
    cr_assert_eq(o.layers[0].dead, 6);
    cr_assert(o.layers[0].findings & BP_FINDING_DEAD);
    cr_assert_eq(o.layers[1].findings & BP_FINDING_DEAD, 0);
}

/* ---- Where a divergence began -------------------------------------------------------------------
 */

typedef struct planted {
    const char *name;
    int32_t hidden;
    float first, second, x, target, rate; /* all weights of either layer; inputs, targets */
    int32_t what;
    int64_t step;
    size_t layer;
} planted;

/* Two linear or tanh layers of two units on samples that are all the same, so that everything that
 * is computed is known. */
static const planted plans[] = {
    {"the second layer overflows", BP_ACTIVATION_LINEAR, 1e30f, 1e30f, 1, 0, 0.1f,
     BP_TRACE_ACTIVATION, 1, 1},
    {"the first layer overflows", BP_ACTIVATION_LINEAR, 3e38f, 1, 3, 0, 0.1f, BP_TRACE_ACTIVATION,
     1, 0},
    {"the error overflows", BP_ACTIVATION_LINEAR, 1e12f, 1e13f, 1, 0, 0.1f, BP_TRACE_ERROR, 1, 0},
    {"the sum of the errors overflows", BP_ACTIVATION_LINEAR, 1, 1, 1, 1.6e19f, 0.1f, BP_TRACE_LOSS,
     1, 0},
    {"the delta of the first layer overflows", BP_ACTIVATION_TANH, 0, 1e30f, 1, 1e10f, 0.1f,
     BP_TRACE_DELTA, 1, 0},
    {"a gradient overflows", BP_ACTIVATION_LINEAR, 0, 0.25f, 1e25f, 1e18f, 0.1f, BP_TRACE_GRADIENT,
     1, 0},
    {"the update overflows", BP_ACTIVATION_LINEAR, 0, 0.25f, 100, 1e10f, 3e38f, BP_TRACE_WEIGHT, 1,
     0},
    /* w = 1 becomes 1 - 1e20, and the output of the next step some 1e40. */
    {"in the second step", BP_ACTIVATION_TANH, 30, 1, 1, -1e19f, 10, BP_TRACE_ERROR, 2, 0},
};

static void check_traces(bp_device *device)
{
    for (size_t p = 0; p < sizeof plans / sizeof *plans; ++p)
        for (int64_t batch = 2; batch <= 8; batch += 6) {
            const planted *plan = &plans[p];
            if (batch == 8 && plan->step > 1) continue; /* an epoch of a single step */
            const bp_layer layers[] = {{2, 2, plan->hidden, 0}, {2, 2, BP_ACTIVATION_LINEAR, 0}};
            float x[16], t[16];
            for (int i = 0; i < 16; ++i) {
                x[i] = plan->x;
                t[i] = plan->target;
            }
            bp_model *model;
            bp_data *data;
            OK(bp_model_create_layers(&model, layers, 2, NULL));
            OK(bp_data_from_arrays(&data, x, 8, 2, t, 2));
            for (size_t i = 0; i < 4; ++i) {
                bp_model_weights(model, 0)[i] = plan->first;
                bp_model_weights(model, 1)[i] = plan->second;
            }
            bp_train_options how = bp_train_options_default();
            how.optimizer = BP_OPTIMIZER_SGD;
            how.learning_rate = plan->rate;
            how.batch = batch;
            how.epochs = 2;
            const observed o = watched(model, device, data, &how);
            const char *name = bp_device_get_info(device)->name;
            /* What is an overflow in floats is none in doubles. */
            if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE) {
                cr_assert_eq(o.status, BP_ERROR_DIVERGED, "%s, %s: %s", name, plan->name,
                             bp_status_name(o.status));
                cr_assert(o.traced, "%s: %s", name, plan->name);
                cr_assert(o.trace.what == plan->what && o.trace.layer == plan->layer,
                          "%s, %s: kind %d, layer %zu", name, plan->name, o.trace.what,
                          o.trace.layer);
                cr_assert(o.trace.epoch == 1 && o.trace.step == plan->step,
                          "%s, %s: step %lld of epoch %lld", name, plan->name,
                          (long long)o.trace.step, (long long)o.trace.epoch);
                cr_assert(!isfinite(o.trace.value));
            }
            bp_data_free(data);
            bp_model_free(model);
        }
}

Test(watch, divergence_is_traced_to_where_it_began)
{
    every_device(check_traces);
}

/* A later epoch, moments and shuffling: found from the state of the last look, however long ago. */
static void check_late_trace(bp_device *device)
{
    const size_t widths[] = {3, 4, 2};
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer)
        for (int64_t every = 1; every <= 1000; every += every == 1 ? 2 : 997) {
            bp_model *model = model_of(widths, 2, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR,
                                       BP_LOSS_HALF_SQUARED, 1, 4);
            bp_data *data = data_of(30, 3, 2, false);
            bp_train_options how = bp_train_options_default();
            how.optimizer = optimizer;
            how.learning_rate = optimizer == BP_OPTIMIZER_ADAM ? 1e18f : 1.5f;
            how.batch = 10;
            how.epochs = 500;
            const observed o = watched_every(every, model, device, data, &how);
            const char *name = bp_device_get_info(device)->name;
            if (o.status == BP_ERROR_DIVERGED) {
                cr_assert(o.traced);
                cr_assert(o.trace.what != BP_TRACE_NOTHING, "%s, %s: not found", name,
                          bp_optimizer_name(optimizer));
                /* It may be the last update of an epoch whose losses were finite. */
                cr_assert(o.trace.epoch == o.epochs + 1 || o.trace.epoch == o.epochs,
                          "%s, %s: epoch %lld, %lld were finished", name,
                          bp_optimizer_name(optimizer), (long long)o.trace.epoch,
                          (long long)o.epochs);
                cr_assert(o.trace.step >= 1 && o.trace.step <= 3);
            } else {
                cr_assert_eq(o.status, BP_OK);
                cr_assert_neq(optimizer, BP_OPTIMIZER_SGD, "a rate of 1.5 was to diverge");
            }
            bp_data_free(data);
            bp_model_free(model);
        }
}

Test(watch, divergence_in_a_later_epoch)
{
    every_device(check_late_trace);
}

Test(watch, mistakes_are_named)
{
    const size_t widths[] = {2, 1};
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(5, 2, 1, false), *other = data_of(5, 3, 1, false);
    bp_device *reference;
    bp_trainer *trainer;
    bp_watch *watch;
    bp_trace trace;
    OK(bp_device_open(&reference, "reference"));
    cr_assert_eq(bp_watch_create(&watch, model, data, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_watch_create(&watch, NULL, data, 5), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_watch_create(&watch, model, other, 5), BP_ERROR_MODEL);
    cr_assert_null(watch);
    OK(bp_watch_create(&watch, model, data, 5));
    OK(bp_trainer_create(&trainer, model, reference, NULL));
    cr_assert_eq(bp_watch_look(watch, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_watch_trace(watch, trainer, &trace), BP_ERROR_ARGUMENT, "no data yet");
    cr_assert_eq(bp_watch_get(watch, 0).units, 0, "nothing has been looked at");
    OK(bp_watch_look(watch, trainer));
    cr_assert_eq(bp_watch_get(watch, 0).units, 1);
    cr_assert_eq(bp_watch_get(watch, 1).units, 0);
    bp_watch_free(watch);
    bp_watch_free(NULL);
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_data_free(other);
    bp_model_free(model);
    bp_device_free(reference);
}
