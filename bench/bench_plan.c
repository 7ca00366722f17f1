/* bench_plan.c - each operation of a plan alone and unfused, again and again, then the whole step.
 * Where the time of a step goes as it really runs, `backprop bench --profile` says.
 *
 *     bench_plan [LAYERS [BATCH [DEVICE [GEMM]]]]      bench_plan 784,128,10 128 auto auto
 *
 * Each figure is the median of several runs, each of them calibrated to take at least 50 ms, after
 * a warm-up; data and parameters are random, never zero. Microseconds include the launch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/work.h"
#include "bench/bench.h"
#include "ops/engine.h"

enum { RUNS = 7, MAX_LAYERS = 16 };

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != BP_OK) {                                                                     \
            fprintf(stderr, "%s: %s\n", #call, bp_last_error());                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of one replay. The step counter is set back first: every replay that counts steps
 * writes into the table of losses. */
static double measure(bp__pass *pass, bp__sequence *sequence)
{
    bp__engine *engine = pass->engine;
    size_t times = 1, limit = pass->steps;
    double seconds[RUNS];
    for (;;) {
        OK(bp__pass_seek(pass, 1));
        const double start = bp__seconds();
        OK(bp__sequence_run(engine, sequence, times));
        OK(bp__engine_finish(engine));
        if (bp__seconds() - start >= 0.05 || times * 2 + 2 > limit) break;
        times *= 2;
    }
    for (int r = 0; r < RUNS; ++r) {
        OK(bp__pass_seek(pass, 1));
        const double start = bp__seconds();
        OK(bp__sequence_run(engine, sequence, times));
        OK(bp__engine_finish(engine));
        seconds[r] = (bp__seconds() - start) / (double)times;
    }
    qsort(seconds, RUNS, sizeof *seconds, by_value);
    return seconds[RUNS / 2];
}

static void report(const char *name, double seconds, double flops)
{
    printf("%-16s %10.1f us", name, seconds * 1e6);
    if (flops > 0) printf(" %8.1f GFLOP/s", 1e-9 * flops / seconds);
    printf("\n");
}

int main(int argc, char **argv)
{
    bp_layer layers[MAX_LAYERS];
    size_t count = 0, widths[MAX_LAYERS + 1];
    char *text = argc > 1 ? argv[1] : "784,128,10";
    for (char *next = text; *next && count <= MAX_LAYERS; next += *next == ',')
        widths[count++] = strtoul(next, &next, 10);
    if (count < 2) {
        fprintf(stderr, "usage: bench_plan [LAYERS [BATCH [DEVICE [GEMM]]]]\n");
        return 2;
    }
    --count;
    const size_t batch = argc > 2 ? strtoul(argv[2], NULL, 10) : 128;
    for (size_t l = 0; l < count; ++l)
        layers[l] = (bp_layer){widths[l], widths[l + 1],
                               l + 1 < count ? BP_ACTIVATION_RELU : BP_ACTIVATION_SOFTMAX, 1};
    bp_device *device;
    bp_model *model;
    bp__engine *engine;
    bp__network *network;
    bp__pass *pass;
    bp__plan *plan;
    OK(bp_device_open(&device, argc > 3 ? argv[3] : NULL));
    const int32_t gemm = argc > 4 ? bp_gemm_from_name(argv[4]) : BP_GEMM_AUTO;
    bp_model_options options = bp_model_options_default();
    options.loss = BP_LOSS_CROSS_ENTROPY;
    OK(bp_model_create_layers(&model, layers, count, &options));
    bp_data *data;
    OK(bp__bench_data(&data, layers, count, batch, batch > 1024 ? 8 : 8192 / batch, true, 1));
    OK(bp__engine_create(&engine, device, gemm));
    OK(bp__network_create(&network, engine, model, true, BP_OPTIMIZER_ADAM));
    OK(bp__network_upload(network, model));
    OK(bp__pass_create(&pass, engine, data, batch, true));
    OK(bp__plan_create(&plan, network, batch, true, true));
    const bp__plan_optimizer adam = {
        .optimizer = BP_OPTIMIZER_ADAM, .beta1 = .9f, .beta2 = .999f, .epsilon = 1e-8f};
    bp__op *ops;
    size_t op_count;
    OK(bp__plan_train_ops(&ops, &op_count, plan, &pass->views, &adam));
    OK(bp__plan_make_train(plan, &pass->views, &adam));

    printf("%s on %s, batch %zu\n", text, bp_device_get_info(device)->name, batch);
    double sum = 0;
    const double all_flops = bp__work_of(ops, 0, op_count).flops;
    OK(bp__pass_seek(pass, 0));
    OK(bp__sequence_run(engine, plan->train, 1));
    for (size_t i = 0; i < op_count; ++i) {
        bp__sequence *sequence;
        OK(bp__sequence_create(engine, &sequence, &ops[i], 1));
        const double seconds = measure(pass, sequence);
        report(bp__op_name(ops[i].kind), seconds, bp__work_of(ops, i, 1).flops);
        sum += seconds;
        bp__sequence_free(engine, sequence);
    }
    report("sum", sum, all_flops);
    report("whole step", measure(pass, plan->train), all_flops);
    free(ops);
    bp__plan_free(plan);
    bp__pass_free(pass);
    bp__network_free(network);
    bp__engine_free(engine);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(device);
    return 0;
}
