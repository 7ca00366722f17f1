/* test_bench.c - bp_bench and bp_device_measure: their figures fit together, and wrong results are
 * refused before they are timed. */
#include "base/families.h"
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
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer)
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

/* ---- Wrong results ----------------------------------------------------------------------------
 */

/* A network whose batch has a plan, compared by a few rows that it holds several times; one whose
 * steps a kernel takes that is made for it; and a batch of one. */
typedef enum network_size { LARGE, SMALL, ROW } network_size;

static bp_status bench_network(network_size size)
{
    const bp_layer large_layers[] = {{300, 400, BP_ACTIVATION_RELU, 1},
                                     {400, 10, BP_ACTIVATION_SOFTMAX, 1}};
    const bp_layer small_layers[] = {{3, 5, BP_ACTIVATION_RELU, 1},
                                     {5, 2, BP_ACTIVATION_SOFTMAX, 1}};
    bp_bench_options options = quick();
    bp_bench_result r;
    bp_device *device;
    options.batch = size == SMALL ? 4 : size == ROW ? 1 : 2048;
    options.optimizer = BP_OPTIMIZER_SGD;
    options.repeats = 1;
    options.repeat_seconds = 1e-4;
    OK(bp_device_open(&device, "cpu"));
    const bp_status status =
        bp_bench(&r, device, size == SMALL ? small_layers : large_layers, 2, &options);
    if (status != BP_OK) cr_assert_eq(r.gflops, 0);
    bp_device_free(device);
    return status;
}

typedef struct planted {
    const char *what, *file, *edit;
    network_size size;
} planted;

static const planted bugs[] = {
    {"another slope", "activation.cl", "s/a > 0.0f ?/a > 0.1f ?/", LARGE},
    {"another slope", "activation.cl", "s/a > 0.0f ?/a > 0.1f ?/", SMALL},
    {"no slope", "cpu/dense.cl", "s/BP_SLOPE(N, v)(UNSCALED(N, VLOAD(r, y)))/(vec)(1.0f)/", LARGE},
    {"no slope", "cpu/small_steps.cl", "s/before\\[i\\] \\* BP_SLOPE.*;/before[i];/", SMALL},
    {"no bias", "cpu/dense.cl", "s/bias.rows ? VLOAD(v, bias.at) : //", LARGE},
    {"no bias", "cpu/small_steps.cl", "s/bias ? bias\\[o + j\\] : //", SMALL},
    {"the wrong direction", "update.cl", "s/w -= u->rate/w += u->rate/", LARGE},
    {"the wrong direction", "update.cl", "s/w -= u->rate/w += u->rate/", SMALL},
    {"too short a step", "update.cl", "s/w -= u->rate/w -= 0.9f * u->rate/", LARGE},
    {"the last inputs left out", "cpu/panel.cl", "s/t < k1 - k; ++t)/t < 0; ++t)/", LARGE},
    {"only the first rows in the gradient", "cpu/dense.cl", "s/while (k0 < delta.rows)/while (0)/",
     LARGE},
    {"no target in the delta", "cpu/loss.cl", "s/target_sum - target\\[t\\]/target_sum/", LARGE},
    {"no target in the delta", "cpu/loss_lanes.cl", "s/target_sum - LANES_TARGET(k)/target_sum/",
     SMALL},
    {"half of the error", "cpu/loss.cl", "s/log(sum) - linear/log(sum)/", LARGE},
    {"the same row over and over", "cpu/gather.cl", "s/from\\[r\\]/from[0]/", LARGE},
    {"a bias gradient of one row", "cpu/dense.cl", "s/k < delta.rows; ++k) g +=/k < 1; ++k) g +=/",
     LARGE},
    {"no slope in a batch of one", "cpu/dense.cl", "s/BP_SLOPE(N, v)(UNSCALED(N, VLOAD(r, y)))/(vec)(1.0f)/",
     ROW},
    {"the wrong effect in a batch of one", "cpu/dense.cl",
     "s/sum_lanes(sum), 0, delta_in/sum[0], 0, delta_in/", ROW},
    {"the first input everywhere in a batch of one", "cpu/dense.cl",
     "s/in.at\\[(i \\/ BP_VW) \\* in.step + (i & (BP_VW - 1))\\]/in.at[0]/", ROW},
    {"only the first vectors in a batch of one", "cpu/panel.cl",
     "s/v + 4 <= vectors; v += 4/v + 4 <= 0; v += 4/;s/for (; v < vectors; ++v)/for (; v < 0; "
     "++v)/",
     ROW},
};

Test(bench, planted_bugs_are_not_timed)
{
    OK(bench_network(LARGE));
    OK(bench_network(SMALL));
    OK(bench_network(ROW));
    for (size_t i = 0; i < BP_COUNT(bugs); ++i) {
        edit_kernels(bugs[i].file, bugs[i].edit);
        const bp_status status = bench_network(bugs[i].size);
        restore_kernels();
        cr_assert_eq(status, BP_ERROR_INTERNAL, "%s, in %s: %s", bugs[i].what, bugs[i].file,
                     status == BP_OK ? "not seen" : bp_last_error());
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
