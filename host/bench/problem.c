/* problem.c - what a benchmark works on. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench/bench.h"

/* values[count] uniform in [low, high); stream tells several arrays of one seed apart. */
static void fill(float *values, size_t count, double low, double high, uint64_t seed,
                 uint32_t stream)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (size_t i = 0; i < count; i += 4) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)((uint64_t)i >> 34), stream,
                                     BP__PURPOSE_BENCH};
        uint32_t words[4];
        bp__philox(words, counter, key);
        for (size_t k = 0; k < 4 && i + k < count; ++k)
            values[i + k] = (float)(low + (high - low) * (double)(words[k] >> 8) * 0x1p-24);
    }
}

bp_status bp__bench_data(bp_data **out, const bp_layer *layers, size_t count, size_t batch,
                         size_t steps, bool labels, uint64_t seed)
{
    *out = NULL;
    const size_t inputs = layers[0].inputs, outputs = layers[count - 1].outputs;
    float *x = NULL, *targets = NULL;
    int32_t *classes = NULL;
    size_t rows, numbers, target_numbers;
    bp_status status;
    if (!bp__mul_size(&rows, batch, steps) || !bp__mul_size(&numbers, rows, inputs) ||
        !bp__mul_size(&target_numbers, rows, outputs))
        return bp__fail_memory(SIZE_MAX);
    BP_TRY_GOTO(bp__new_array(&x, numbers, sizeof *x));
    fill(x, numbers, -1, 1, seed, 0);
    if (labels) {
        BP_TRY_GOTO(bp__new_array(&classes, rows, sizeof *classes));
        for (size_t i = 0; i < rows; ++i)
            classes[i] = (int32_t)(bp__random_bits(seed, BP__PURPOSE_BENCH, 1, 0, i) % outputs);
        status = bp_data_from_labels(out, x, rows, inputs, classes, outputs);
    } else {
        BP_TRY_GOTO(bp__new_array(&targets, target_numbers, sizeof *targets));
        fill(targets, target_numbers, 0.1, 0.9, seed, 2);
        status = bp_data_from_arrays(out, x, rows, inputs, targets, outputs);
    }
fail:
    free(x);
    free(targets);
    free(classes);
    return status;
}

bp_status bp__bench_set_rate(bp_trainer *trainer, double rate, double t)
{
    const bp_train_options *options = &trainer->options;
    const size_t steps = trainer->pass->steps;
    float *table = NULL;
    BP_TRY(bp__new_array(&table, steps * BP__HYPER_COUNT, sizeof *table));
    for (size_t s = 0; s < steps; ++s) {
        float *row = table + s * BP__HYPER_COUNT;
        row[BP__HYPER_RATE] = (float)rate;
        row[BP__HYPER_CORRECTION1] = (float)(1 / (1 - pow((double)options->beta1, t + (double)s)));
        row[BP__HYPER_CORRECTION2] = (float)(1 / (1 - pow((double)options->beta2, t + (double)s)));
    }
    bp_status status = bp__view_write(trainer->engine, &trainer->pass->views.hyper, table);
    free(table);
    return status;
}
