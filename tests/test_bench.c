/* test_bench.c - bp_bench and bp_device_measure: their figures fit together, and wrong results are
 * refused before they are timed. */
#include "base/work.h"
#include "bench/bench.h"
#include "ops/peak.h"
#include "support.h"

TestSuite(bench, .timeout = 120);

static const bp_layer classifier[] = {{20, 30, BP_ACTIVATION_TANH, 1},
                                      {30, 5, BP_ACTIVATION_SOFTMAX, 1}};

static bp_bench_options quick(void)
{
    bp_bench_options options = bp_bench_options_default();
    options.batch = 12;
    options.repeats = 3;
    options.repeat_seconds = 0.01;
    return options;
}

static void check_figures(bp_device *device)
{
    const bp_bench_options options = quick();
    bp_bench_result r;
    bp_device_peak peak;
    OK(bp_device_measure(&peak, device));
    cr_assert(peak.gflops > 0.01 && peak.gflops < 1e7);
    cr_assert(peak.gbytes_per_second > 0.01 && peak.gbytes_per_second < 1e5);
    OK(bp_bench(&r, device, classifier, 2, &options));
    cr_assert(r.step_seconds > 0 && r.step_seconds_min > 0);
    cr_assert(r.step_seconds_min <= r.step_seconds && r.step_seconds <= r.step_seconds_max);
    cr_assert(r.steps >= 1 && r.repeats == 3);
    cr_assert_float_eq(r.samples_per_second * r.step_seconds, 12, 1e-6);
    cr_assert_float_eq(r.step_gflop * 1e9, 2 * 12 * (2 * 20 * 30 + 3 * 30 * 5), 1e-3);
    cr_assert_float_eq(r.gflops * r.step_seconds, r.step_gflop, 1e-9 * r.step_gflop);
    cr_assert(r.step_gbytes > 0 && r.setup_seconds > 0 && r.check_seconds >= 0);
    if (bp_device_get_info(device)->kind == BP_KIND_CPU)
        cr_assert(r.gflops <= 1.1 * peak.gflops, "%g of %g GFLOP/s", r.gflops, peak.gflops);
}

Test(bench, figures_fit_together_on_every_device)
{
    every_device(check_figures);
}

/* Every optimizer, labels and targets, batches without small divisors, and layers that take the
 * other way through the kernels pass the comparison. */
static void check_shapes(bp_device *device)
{
    const bp_layer single[] = {{7, 1, BP_ACTIVATION_SIGMOID, 0}};
    const bp_layer numbers[] = {{33, 65, BP_ACTIVATION_RELU, 1},
                                {65, 17, BP_ACTIVATION_SIGMOID, 0},
                                {17, 3, BP_ACTIVATION_LINEAR, 1}};
    const bp_layer wide[] = {{300, 257, BP_ACTIVATION_RELU, 1},
                             {257, 10, BP_ACTIVATION_SOFTMAX, 1}};
    const struct {
        const bp_layer *layers;
        size_t count;
        int64_t batch;
    } cases[] = {{single, 1, 1}, {numbers, 3, 53}, {wide, 2, 64}, {classifier, 2, 128}};
    for (int32_t optimizer = 0; bp_optimizer_name(optimizer); ++optimizer)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
            bp_bench_options options = quick();
            bp_bench_result r;
            options.batch = cases[i].batch;
            options.optimizer = optimizer;
            options.repeats = 1;
            options.repeat_seconds = 1e-4;
            OK(bp_bench(&r, device, cases[i].layers, cases[i].count, &options));
        }
}

Test(bench, right_results_pass_on_every_device)
{
    every_device(check_shapes);
}

/* A device engine's limits with the kernels that are made for the other kind of device. */
static void check_peak(rig *r, void *context)
{
    (void)context;
    bp_device_peak peak;
    OK(bp__peak_measure(&peak, r->engine[DEVICE]));
    cr_assert(peak.gflops > 0 && peak.gbytes_per_second > 0, "%s", r->name);
}

Test(bench, both_kinds_of_peak_kernels_run)
{
    const int32_t gemms[] = {BP_GEMM_CPU, BP_GEMM_GPU, -1};
    each_device(gemms, check_peak, NULL);
}

/* A large batch is compared by a few rows that it holds several times; the wrong parts are planted
 * in a copy of the kernels. */
static bp_status bench_with(const char *file, const char *edit)
{
    char folder[] = "/tmp/backprop-bench-XXXXXX", line[512];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(line, sizeof line, "cp -r '" BACKPROP_SOURCE_DIR "/kernels/.' %s && sed -i '%s' %s/%s",
             folder, edit, folder, file);
    cr_assert_eq(system(line), 0);
    setenv("BP_KERNEL_DIR", folder, 1);
    const bp_layer layers[] = {{300, 400, BP_ACTIVATION_RELU, 1},
                               {400, 10, BP_ACTIVATION_SOFTMAX, 1}};
    bp_bench_options options = quick();
    bp_bench_result r;
    bp_device *device;
    options.batch = 2048;
    options.optimizer = BP_OPTIMIZER_SGD;
    options.gemm = BP_GEMM_NAIVE;
    options.repeats = 1;
    options.repeat_seconds = 1e-4;
    OK(bp_device_open(&device, "auto"));
    bp_status status = bp_bench(&r, device, layers, 2, &options);
    if (status != BP_OK) cr_assert_eq(r.gflops, 0);
    bp_device_free(device);
    unsetenv("BP_KERNEL_DIR");
    snprintf(line, sizeof line, "rm -r %s", folder);
    cr_assert_eq(system(line), 0);
    return status;
}

Test(bench, planted_bugs_are_not_timed)
{
    OK(bench_with("gemm_naive.cl", ""));
    const char *const edits[][2] = {
        {"gemm_naive.cl", "s/uint k = 0/uint k = 1/"},
        {"optimizer.cl", "s/w -= rate \\* g/w -= 0.9f * rate * g/"},
        {"optimizer.cl", "s/UPDATE_STORE(w, i, parameters)/(void)w/"},
        {"activation.cl", "s/a > 0.0f ?/a > 0.1f ?/"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
        bp_status status = bench_with(edits[i][0], edits[i][1]);
        cr_assert_eq(status, BP_ERROR_INTERNAL, "%s with %s: %s", edits[i][0], edits[i][1],
                     bp_status_name(status));
        cr_assert_not_null(strstr(bp_last_error(), "wrong results"), "%s", bp_last_error());
    }
}

Test(bench, what_makes_no_sense_is_refused)
{
    bp_device *device;
    bp_bench_result r;
    bp_device_peak peak;
    OK(bp_device_open(&device, "reference"));
    const bp_layer gap[] = {{2, 3, BP_ACTIVATION_TANH, 1}, {4, 1, BP_ACTIVATION_LINEAR, 1}};
    cr_assert_eq(bp_bench(&r, device, gap, 2, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_bench(NULL, device, classifier, 2, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_bench(&r, NULL, classifier, 2, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_bench(&r, device, NULL, 2, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_bench(&r, device, classifier, 0, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_device_measure(NULL, device), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_device_measure(&peak, NULL), BP_ERROR_ARGUMENT);
    for (int wrong = 0; wrong < 8; ++wrong) {
        bp_bench_options options = quick();
        switch (wrong) {
        case 0: options.batch = 0; break;
        case 1: options.optimizer = 99; break;
        case 2: options.gemm = 99; break;
        case 3: options.loss = 99; break;
        case 4: options.repeats = 0; break;
        case 5: options.repeat_seconds = 0; break;
        case 6: options.repeat_seconds = (double)NAN; break;
        default: options.size = 1; break;
        }
        cr_assert_eq(bp_bench(&r, device, classifier, 2, &options), BP_ERROR_ARGUMENT, "%d", wrong);
    }
    bp_device_free(device);
}

/* One layer, 4 to 3, with biases, 2 rows, momentum: counted by hand. The arenas of parameters are
 * padded, which does not count. */
Test(bench, bytes_are_those_of_the_operands)
{
    bp__buffer *const there = (bp__buffer *)&there;
#define VIEW(r, c)                                                                                 \
    {                                                                                              \
        .buffer = there, .rows = (r), .columns = (c), .stride = (c)                                \
    }
    const bp__op ops[] = {
        {.kind = BP__OP_GATHER, .as.gather = {.out = VIEW(2, 4)}},
        {.kind = BP__OP_DENSE_FORWARD,
         .as.dense_forward =
             {.out = VIEW(2, 3), .in = VIEW(2, 4), .weights = VIEW(3, 4), .bias = VIEW(1, 3)}},
        {.kind = BP__OP_DENSE_GRADIENT,
         .as.dense_gradient = {.weights_gradient = VIEW(3, 4),
                               .bias_gradient = VIEW(1, 3),
                               .delta = VIEW(2, 3),
                               .in = VIEW(2, 4)}},
        {.kind = BP__OP_OPTIMIZER,
         .as.optimizer = {.parameters = VIEW(1, 1024),
                          .gradients = VIEW(1, 1024),
                          .moment1 = VIEW(1, 1024)}},
    };
#undef VIEW
    const double words = 2 * 8 + (6 + 8 + 12 + 3) + (12 + 3 + 6 + 8) + (2 * 15 + 15 + 2 * 15);
    cr_assert_float_eq(bp__work_of(ops, 0, 4).bytes, 4 * words, 1e-9);
    cr_assert_float_eq(bp__work_of(ops, 0, 4).flops, 2 * 2 * (2 * 3 * 4), 1e-9);
    cr_assert_float_eq(bp__work_of(ops, 3, 1).bytes, 4 * (2 * 15 + 15 + 2 * 15), 1e-9);
    cr_assert_float_eq(bp__work_of(ops, 1, 2).flops, 2 * 2 * (2 * 3 * 4), 1e-9);
}
