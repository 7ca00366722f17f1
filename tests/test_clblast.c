/* test_clblast.c - CLBlast as a GEMM backend against the reference. Its kernels take seconds to
 * compile, so there are few shapes. */
#include "network_support.h"

static void check(rig *r, void *context)
{
    (void)context;
    const size_t shapes[][3] = {{1, 3, 2}, {33, 20, 17}, {128, 100, 64}};
    for (size_t s = 0; s < 3; ++s) {
        const size_t B = shapes[s][0], m = shapes[s][1], n = shapes[s][2];
        float *x = random_integers(B * m, 5, 1), *w = random_integers(n * m, 5, 2),
              *d = random_integers(B * n, 5, 3), *b = random_integers(n, 5, 4);
        for (size_t i = 0; i < B * m; ++i) x[i] *= 0.125f; /* keeps relu and tanh in range */
        pair in = pair_of(r, BP__BATCH, B, m, x), weights = pair_of(r, BP__WEIGHTS, n, m, w);
        pair bias = pair_of(r, BP__TABLE, 1, n, b), delta = pair_of(r, BP__BATCH, B, n, d);
        pair out = pair_of(r, BP__BATCH, B, n, NULL), back = pair_of(r, BP__BATCH, B, m, NULL);
        pair grad = pair_of(r, BP__WEIGHTS, n, m, NULL), bgrad = pair_of(r, BP__TABLE, 1, n, NULL);
        for (int side = 0; side < SIDES; ++side) {
            const bp__op ops[] = {
                {.kind = BP__OP_DENSE_FORWARD,
                 .as.dense_forward = {out.on[side], in.on[side], weights.on[side], bias.on[side],
                                      .activation = BP_ACTIVATION_RELU}},
                {.kind = BP__OP_DENSE_EFFECT,
                 .as.dense_effect = {back.on[side], delta.on[side], weights.on[side], in.on[side],
                                     BP_ACTIVATION_RELU}},
                {.kind = BP__OP_DENSE_GRADIENT,
                 .as.dense_gradient = {grad.on[side], bgrad.on[side], delta.on[side],
                                       in.on[side]}}};
            for (int i = 0; i < 3; ++i) run_op(r, side, &ops[i]);
        }
        pair *const all[] = {&out, &back, &grad, &bgrad};
        for (int i = 0; i < 4; ++i) {
            float *got = read_side(r, all[i], DEVICE), *want = read_side(r, all[i], REFERENCE);
            for (size_t e = 0; e < all[i]->on[DEVICE].rows * all[i]->on[DEVICE].columns; ++e)
                cr_assert(got[e] == want[e], "%s, shape %zu, result %d, element %zu: %g not %g",
                          r->name, s, i, e, (double)got[e], (double)want[e]);
            check_guards(r, all[i], "clblast");
            free(got);
            free(want);
        }
        pair *const every[] = {&in, &weights, &bias, &delta, &out, &back, &grad, &bgrad};
        for (int i = 0; i < 8; ++i) pair_free(r, every[i]);
        free(x);
        free(w);
        free(d);
        free(b);
    }
}

Test(clblast, products_and_epilogues)
{
    bp_device *device;
    bp__engine *engine;
    OK(bp_device_open(&device, "reference"));
    cr_assert_eq(bp__engine_create(&engine, device, BP_GEMM_CLBLAST), BP_ERROR_UNSUPPORTED);
    bp_device_free(device);
    each_device((const int32_t[]){BP_GEMM_CLBLAST, -1}, check, NULL);
}

/* Training with it, after 1 step and after 100, against the reference. */
Test(clblast, parity_with_the_reference)
{
    bp_device_info *list;
    bp_device *reference, *device;
    size_t devices, count;
    OK(bp_device_open(&reference, "reference"));
    OK(bp_device_list(&list, &devices, NULL));
    for (size_t d = 0; d < devices; ++d) {
        if (list[d].kind == BP_KIND_REFERENCE) continue;
        OK(bp_device_open(&device, list[d].spec));
        for (int long_run = 0; long_run < 2; ++long_run) {
            const size_t rows = long_run ? 58 : 16;
            const int64_t epochs = long_run ? 25 : 1;
            float *want =
                trained(reference, BP_GEMM_AUTO, BP_OPTIMIZER_ADAM, true, rows, 16, epochs, &count);
            float *got =
                trained(device, BP_GEMM_CLBLAST, BP_OPTIMIZER_ADAM, true, rows, 16, epochs, &count);
            const double error = relative_l2(got, want, count);
            cr_assert(error <= (long_run ? 2e-5 : 1e-6), "%s: relative error %g", list[d].name,
                      error);
            free(want);
            free(got);
        }
        bp_device_free(device);
    }
    bp_device_list_free(list);
    bp_device_free(reference);
}

/* Its kernels are timed from outside, as one launch for each product, and take no less time than
 * the peak allows. */
static void check_profile(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    enum { ROWS = 256, STEPS = 20 };
    const size_t widths[] = {100, 60, 10};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_data *data = data_of(ROWS, 100, 10, true);
    bp_train_options options = bp_train_options_default();
    bp_device_peak peak;
    bp_profile_row *rows;
    size_t count, products = 0;
    double flops = 0;
    options.gemm = BP_GEMM_CLBLAST;
    options.batch = ROWS;
    options.epochs = STEPS;
    OK(bp_device_measure(&peak, device));
    OK(bp_profile_create(&options.profile, NULL));
    OK(bp_train(model, device, data, NULL, &options, NULL));
    OK(bp_profile_rows(&rows, &count, options.profile));
    for (size_t i = 0; i < count; ++i) {
        if (rows[i].phase != BP_PHASE_TRAINING) continue;
        const bool product = strcmp(rows[i].kernel, "clblast_sgemm") == 0;
        cr_assert_eq(product, rows[i].flops > 0, "%s, %s", rows[i].operation, rows[i].kernel);
        if (!product) continue;
        ++products;
        flops += rows[i].flops;
        cr_assert_eq(rows[i].launches, STEPS);
        cr_assert(rows[i].seconds > 0 && rows[i].flops <= 1.5e9 * peak.gflops * rows[i].seconds,
                  "%s: %g GFLOP/s of %g", rows[i].operation, 1e-9 * rows[i].flops / rows[i].seconds,
                  peak.gflops);
    }
    cr_assert_eq(products, 5); /* two forward, one effect, two gradients */
    cr_assert_float_eq(flops, 2.0 * STEPS * ROWS * (2 * (100 * 60 + 60 * 10) + 60 * 10), 1);
    free(rows);
    bp_profile_free(options.profile);
    bp_data_free(data);
    bp_model_free(model);
}

Test(clblast, profile)
{
    every_device(check_profile);
}
