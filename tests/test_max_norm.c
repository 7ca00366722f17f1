/* test_max_norm.c - the limit of units' weights: the operation on every device against the
 * reference, by hand, and what trainings end with. */
#include "model/model.h"
#include "network_support.h"

TestSuite(max_norm, .timeout = 300);

static const int32_t any_gemm[] = {BP_GEMM_AUTO, BP_GEMM_GPU, -1};

/* Units above, below and at the limit, and one whose weights are all 0. */
static void check_shapes(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][2] = {{1, 1},  {3, 5},   {7, 64},  {16, 16},
                                {17, 3}, {33, 65}, {5, 784}, {130, 31}};
    for (size_t s = 0; s < BP_COUNT(shapes); ++s) {
        const size_t n = shapes[s][0], m = shapes[s][1];
        float *w = random_floats(n * m, 1, (uint32_t)(40 + s));
        double norm = 0;
        for (size_t i = 0; i < m; ++i) norm += (double)w[i] * (double)w[i];
        const float limit = (float)sqrt(norm) * 0.97f;
        for (size_t k = 1; k < n; ++k)
            for (size_t i = 0; i < m; ++i) w[k * m + i] *= k == 2 ? 0 : (float)(k % 3);
        pair weights = pair_of(r, BP__WEIGHTS, n, m, w);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op op = {.kind = BP__OP_MAX_NORM,
                               .as.max_norm = {.weights = weights.on[side], .limit = limit}};
            run_op(r, side, &op);
        }
        float *got = read_side(r, &weights, DEVICE), *want = read_side(r, &weights, REFERENCE);
        cr_assert(relative_l2(got, want, n * m) <= 1e-6, "%s: %zux%zu: relative error %g", r->name,
                  n, m, relative_l2(got, want, n * m));
        cr_assert(got[0] != w[0], "nothing was scaled");
        check_guards(r, &weights, "max_norm");
        for (size_t k = 0; k < n; ++k) {
            double squares = 0, before = 0;
            for (size_t i = 0; i < m; ++i) {
                squares += (double)got[k * m + i] * (double)got[k * m + i];
                before += (double)w[k * m + i] * (double)w[k * m + i];
            }
            cr_assert(sqrt(squares) <= (double)limit * (1 + 1e-6), "%s: unit %zu of %zux%zu has %g",
                      r->name, k, n, m, sqrt(squares));
            if (sqrt(before) > (double)limit * (1 - 1e-6)) continue;
            cr_assert_eq(memcmp(got + k * m, w + k * m, m * sizeof *w), 0,
                         "%s: unit %zu of %zux%zu was short enough", r->name, k, n, m);
        }
        pair_free(r, &weights);
        free(w);
        free(got);
        free(want);
    }
}

Test(max_norm, every_shape_on_every_device)
{
    each_device(any_gemm, check_shapes, NULL);
    each_cpu_shape(check_shapes, NULL);
}

/* What is no number stays none, and a norm beyond a float's range becomes none: a training that
 * diverges must be seen to. Other units keep what they have. */
static void check_divergence(rig *r, void *context)
{
    (void)context;
    const float w[3][4] = {{NAN, 1, 2, 3}, {1e30f, 1e30f, 0, 0}, {0.1f, 0.2f, 0.3f, 0}};
    pair weights = pair_of(r, BP__WEIGHTS, 3, 4, &w[0][0]);
    const bp__op op = {.kind = BP__OP_MAX_NORM,
                       .as.max_norm = {.weights = weights.on[DEVICE], .limit = 1}};
    run_op(r, DEVICE, &op);
    float *got = read_side(r, &weights, DEVICE);
    cr_assert(isnan(got[0]), "%s", r->name);
    cr_assert(isnan(got[4]) && isnan(got[5]), "%s: %g", r->name, (double)got[4]);
    cr_assert_eq(memcmp(got + 8, w[2], sizeof w[2]), 0, "%s", r->name);
    pair_free(r, &weights);
    free(got);
}

Test(max_norm, divergence_stays_visible)
{
    each_device(any_gemm, check_divergence, NULL);
    each_cpu_shape(check_divergence, NULL);
}

Test(max_norm, by_hand)
{
    double w[2][3] = {{3, 4, 99}, {0.3, -0.4, 99}}; /* the third column is padding */
    bp__reference_max_norm((bp__matrix_ref){w[0], 2, 2, 3}, 2);
    cr_assert_float_eq(w[0][0], 1.2, 1e-15);
    cr_assert_float_eq(w[0][1], 1.6, 1e-15);
    cr_assert(w[0][2] == 99 && w[1][0] == 0.3 && w[1][1] == -0.4);
    cr_assert(isnan(bp__reference_max_norm_factor(INFINITY, 1)));
}

/* ---- Trainings --------------------------------------------------------------------------------
 */

static const float limit = 0.7f;

static double norm_of(bp_model *model, size_t layer, size_t unit)
{
    const size_t inputs = bp_model_get_layer(model, layer).inputs;
    const float *w = bp_model_weights(model, layer) + unit * inputs;
    double squares = 0;
    for (size_t i = 0; i < inputs; ++i) squares += (double)w[i] * (double)w[i];
    return sqrt(squares);
}

/* No unit of a layer that learns is above the limit, some are at it; biases and frozen layers are
 * not touched. */
static void check_training(bp_device *device)
{
    const size_t widths[] = {6, 19, 17, 3};
    bp_data *data = data_of(71, 6, 3, true);
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 4);
    for (size_t i = 0; i < 19 * 6; ++i) bp_model_weights(model, 0)[i] *= 9;
    for (size_t i = 0; i < 17; ++i) bp_model_biases(model, 1)[i] = 3;
    const double frozen = norm_of(model, 0, 0);
    bp_train_options how = bp_train_options_default();
    how.batch = 16;
    how.epochs = 10;
    how.learning_rate = 0.02f;
    how.max_norm = limit;
    how.freeze_layers = 1;
    OK(bp_train(model, device, data, NULL, &how, NULL));
    size_t at_limit = 0;
    for (size_t l = 1; l < 3; ++l)
        for (size_t k = 0; k < widths[l + 1]; ++k) {
            const double norm = norm_of(model, l, k);
            cr_assert(norm <= (double)limit * (1 + 1e-6), "%s: layer %zu, unit %zu: %g",
                      bp_device_get_info(device)->name, l, k, norm);
            at_limit += norm >= (double)limit * (1 - 1e-6);
        }
    cr_assert_geq(at_limit, 5);
    cr_assert_eq(norm_of(model, 0, 0), frozen);
    for (size_t i = 0; i < 17; ++i) cr_assert_gt(bp_model_biases(model, 1)[i], 2);
    bp_model_free(model);
    bp_data_free(data);
}

Test(max_norm, trained_units_keep_to_it)
{
    every_device(check_training);
}

/* A limit that nothing reaches changes no bit. */
Test(max_norm, a_high_limit_changes_nothing)
{
    const size_t widths[] = {6, 9, 3};
    bp_device *device;
    bp_data *data = data_of(71, 6, 3, true);
    float *ends[2];
    size_t count;
    OK(bp_device_open(&device, NULL));
    for (int limited = 0; limited < 2; ++limited) {
        bp_model *model = model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX,
                                   BP_LOSS_CROSS_ENTROPY, 1, 4);
        bp_train_options how = bp_train_options_default();
        how.epochs = 5;
        how.gemm = BP_GEMM_GPU; /* one way for both: others round differently */
        how.max_norm = limited ? 1e6f : 0;
        bp_trainer *trainer;
        OK(bp_trainer_create(&trainer, model, device, &how));
        if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE)
            ((bp__device_engine *)trainer->engine)->small_steps = BP__NEVER;
        OK(bp_trainer_set_data(trainer, data));
        for (int e = 0; e < 5; ++e) OK(bp_trainer_epoch(trainer, NULL));
        OK(bp_trainer_get_model(trainer, model));
        ends[limited] = flatten(model, &count);
        bp_trainer_free(trainer);
        bp_model_free(model);
    }
    cr_assert_eq(memcmp(ends[0], ends[1], count * sizeof *ends[0]), 0);
    free(ends[0]);
    free(ends[1]);
    bp_data_free(data);
    bp_device_free(device);
}
