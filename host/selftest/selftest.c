/* selftest.c - bp_selftest: the ways that a device has, the order of the checks, the report. */
#include "selftest/selftest.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"
#include "bench/bench.h"
#include "ops/gemm.h"
#include "ops/matrix_units.h"

/* ---- The report ------------------------------------------------------------------------------ */

bp_status bp__selftest_check(bp__selftest *test, bp_selftest_check **out, const char *name,
                             const char *kernels)
{
    bp_selftest_result *result = test->result;
    for (size_t i = 0; i < result->check_count; ++i) {
        *out = &result->checks[i];
        if (strcmp((*out)->name, name) == 0 && strcmp((*out)->kernels, kernels) == 0) return BP_OK;
    }
    BP_TRY(bp__grow(&result->checks, &test->capacity, result->check_count + 1,
                    sizeof *result->checks));
    char *texts[] = {NULL, NULL, NULL, NULL};
    const char *const begin[] = {name, kernels, "", ""};
    for (size_t i = 0; i < BP_COUNT(texts); ++i) {
        if (bp__copy_text(&texts[i], begin[i]) == BP_OK) continue;
        for (size_t k = 0; k < i; ++k) free(texts[k]);
        return BP_ERROR_MEMORY;
    }
    *out = &result->checks[result->check_count++];
    **out = (bp_selftest_check){.name = texts[0],
                                .kernels = texts[1],
                                .passed = 1,
                                .max_error = NAN,
                                .bound = NAN,
                                .where = texts[2],
                                .problem = texts[3]};
    return BP_OK;
}

/* Takes the place of a text of a check. */
static bp_status set_text(const char **text, const char *format, va_list arguments)
{
    char line[1024], *copy;
    vsnprintf(line, sizeof line, format, arguments);
    BP_TRY(bp__copy_text(&copy, line));
    free((char *)(uintptr_t)*text);
    *text = copy;
    return BP_OK;
}

bp_status bp__selftest_problem(bp_selftest_check *check, const char *format, ...)
{
    check->passed = 0;
    if (*check->problem) return BP_OK;
    va_list arguments;
    va_start(arguments, format);
    bp_status status = set_text(&check->problem, format, arguments);
    va_end(arguments);
    return status;
}

/* How far an error has come on its way to the bound. */
static double share(double error, double bound)
{
    if (isnan(error)) return INFINITY;
    return bound > 0 ? error / bound : error > 0 ? INFINITY : 0;
}

bp_status bp__selftest_note(bp_selftest_check *check, double error, double bound, const char *where,
                            ...)
{
    const bool first = check->cases++ == 0;
    if (!first && !(share(error, bound) > share(check->max_error, check->bound))) return BP_OK;
    check->max_error = error;
    check->bound = bound;
    if (!(error <= bound)) check->passed = 0;
    va_list arguments;
    va_start(arguments, where);
    bp_status status = set_text(&check->where, where, arguments);
    va_end(arguments);
    if (status == BP_OK && !(error <= bound))
        status = bp__selftest_problem(check, "%s: error %.3g, %.3g is allowed", check->where, error,
                                      bound);
    return status;
}

bp_status bp__selftest_begin(bp__selftest *test, const char *what)
{
    const double done = (double)test->part++ / (double)test->parts;
    if (test->options.progress && test->options.progress(what, done, test->options.user))
        return bp__fail(BP_ERROR_CANCELLED, "stopped by the progress callback");
    return BP_OK;
}

void bp_selftest_free(bp_selftest_result *result)
{
    if (!result) return;
    for (size_t i = 0; i < result->check_count; ++i) {
        const bp_selftest_check *check = &result->checks[i];
        const char *const texts[] = {check->name, check->kernels, check->where, check->problem};
        for (size_t k = 0; k < BP_COUNT(texts); ++k) free((char *)(uintptr_t)texts[k]);
    }
    free(result->checks);
    *result = (bp_selftest_result){0};
}

/* ---- Networks -------------------------------------------------------------------------------- */

bp_status bp__selftest_make(bp_model **model, bp_data **data, const bp__selftest_network *network,
                            size_t steps, uint64_t seed)
{
    bp_layer layers[BP_COUNT(network->widths) - 1];
    size_t count = 0;
    *data = NULL;
    for (; count < BP_COUNT(layers) && network->widths[count + 1]; ++count)
        layers[count] =
            (bp_layer){.inputs = network->widths[count],
                       .outputs = network->widths[count + 1],
                       .activation = network->activation,
                       .bias = network->bias,
                       .dropout = network->extras.dropout,
                       .norm = network->extras.norm,
                       .residual = network->extras.residual &&
                                   network->widths[count] == network->widths[count + 1]};
    layers[count - 1].activation = network->output;
    layers[count - 1].dropout = 0;
    layers[count - 1].residual = 0;
    layers[count - 1].norm = BP_NORM_NONE;
    bp_model_options options = bp_model_options_default();
    options.loss = network->loss;
    options.seed = seed;
    BP_TRY(bp_model_create_layers(model, layers, count, &options));
    /* Biases begin at 0, which would hide that they are left out. */
    for (size_t l = 0; l < count; ++l)
        for (size_t k = 0; network->bias && k < layers[l].outputs; ++k)
            bp_model_biases(*model, l)[k] = 0.1f * (float)((k * 7 + l) % 11) - 0.5f;
    const size_t rows = network->batch * steps - network->batch / 2;
    bp_status status = bp__bench_data(data, layers, count, rows, 1, network->labels, seed + 1);
    if (status != BP_OK) {
        bp_model_free(*model);
        *model = NULL;
    }
    return status;
}

const char *bp__selftest_describe(char text[BP__SELFTEST_TEXT], const bp__selftest_network *network)
{
    char widths[64] = "";
    for (size_t i = 0; i < BP_COUNT(network->widths) && network->widths[i]; ++i) {
        const size_t used = strlen(widths);
        snprintf(widths + used, sizeof widths - used, "%s%zu", i ? "," : "", network->widths[i]);
    }
    const bp_layer *extras = &network->extras;
    snprintf(text, BP__SELFTEST_TEXT, "%s %s%s%s%s%s %s %s%s, batch %zu", widths,
             bp_activation_name(network->activation), extras->norm ? " " : "",
             extras->norm ? bp_norm_name(extras->norm) : "", extras->dropout > 0 ? " dropout" : "",
             extras->residual ? " residual" : "", bp_activation_name(network->output),
             bp_loss_name(network->loss), network->bias ? "" : " without biases", network->batch);
    return text;
}

/* ---- Ways ------------------------------------------------------------------------------------ */

enum { MOST_WAYS = 32, WAY_TEXT = 96 };

typedef struct way_list {
    bp__way ways[MOST_WAYS];
    char names[MOST_WAYS][WAY_TEXT];
    size_t count;
} way_list;

static void add_way(way_list *list, const char *kernels, int32_t gemm, const bp__gpu_tile *tile,
                    bool whole)
{
    char text[BP__TILE_TEXT];
    if (list->count == MOST_WAYS) return;
    char *name = list->names[list->count];
    snprintf(name, WAY_TEXT, "%s%s%s", kernels, tile ? " " : "",
             tile ? bp__gpu_tile_describe(text, tile) : "");
    list->ways[list->count++] = (bp__way){.name = name, .gemm = gemm, .tile = tile, .whole = whole};
}

static void add_steps(way_list *list, const bp_device *device, const bp__gpu_steps *steps)
{
    char text[BP__GPU_STEPS_TEXT];
    if (list->count == MOST_WAYS || steps->items > device->max_work_group) return;
    char *name = list->names[list->count];
    snprintf(name, WAY_TEXT, "gpu, %s", bp__gpu_steps_describe(text, steps));
    list->ways[list->count++] = (bp__way){.name = name, .gemm = BP_GEMM_GPU, .steps = steps};
}

/* Sums in pieces, also where they are too short for it. */
static const bp__gpu_tile in_pieces[] = {{64, 64, 16, 4, 4, 4}, {16, 16, 16, 2, 2, 3}};

/* Whole steps by one group and by several. */
static const bp__gpu_steps whole_steps[] = {{64, 16, 0, true}, {64, 4, 3, false}};

/* each_tile: a CPU, which would take none of them, is spared those that nobody asks for. */
static void add_gpu_ways(way_list *list, const bp_device *device, bool each_tile)
{
    size_t count;
    const bp__gpu_tile *tiles = bp__gpu_tiles(&count);
    if (!bp__gemm_gpu_fits(device)) return;
    add_way(list, "gpu", BP_GEMM_GPU, NULL, true);
    for (size_t i = 0; i < BP_COUNT(whole_steps); ++i) add_steps(list, device, &whole_steps[i]);
    for (size_t i = 0; i < count && each_tile; ++i)
        if (bp__gpu_tile_fits(&tiles[i], device))
            add_way(list, "gpu", BP_GEMM_GPU, &tiles[i], false);
    for (size_t i = 0; i < BP_COUNT(in_pieces) && each_tile; ++i)
        if (bp__gpu_tile_fits(&in_pieces[i], device))
            add_way(list, "gpu", BP_GEMM_GPU, &in_pieces[i], false);
}

/* Sums in pieces, as above. */
static const bp__matrix_tile matrix_pieces = {32, 32, 16, 2, 2, 3};

static void add_matrix_tile(way_list *list, bp_device *device, int32_t precision,
                            const bp__matrix_tile *tile)
{
    char text[BP__TILE_TEXT];
    if (list->count == MOST_WAYS ||
        !bp__matrix_tile_fits(tile, bp__matrix_units_of(device), device))
        return;
    char *name = list->names[list->count];
    snprintf(name, WAY_TEXT, "matrix %s %s", bp_precision_name(precision),
             bp__matrix_tile_describe(text, tile));
    list->ways[list->count++] = (bp__way){
        .name = name, .gemm = BP_GEMM_MATRIX, .precision = precision, .matrix_tile = tile};
}

/* In each precision that the device's units have; every tile in the first. */
static void add_matrix_ways(way_list *list, bp_device *device)
{
    bool tiled = false;
    for (int32_t p = 0; bp_precision_name(p) && list->count < MOST_WAYS; ++p) {
        if (!bp__matrix_units_are_there(device, p)) continue;
        char *name = list->names[list->count];
        snprintf(name, WAY_TEXT, "matrix %s", bp_precision_name(p));
        list->ways[list->count++] =
            (bp__way){.name = name, .gemm = BP_GEMM_MATRIX, .precision = p, .whole = true};
        add_matrix_tile(list, device, p, &matrix_pieces);
        const bp__matrix_tile *tiles = bp__matrix_tiles(bp__matrix_units_of(device));
        for (size_t i = 0; i < BP__MATRIX_TILES && !tiled; ++i)
            add_matrix_tile(list, device, p, &tiles[i]);
        tiled = true;
    }
}

/* What the caller asked for; of everything, what the device would take first. */
static void list_ways(way_list *list, bp_device *device, int32_t gemm)
{
    const bool all = gemm == BP_GEMM_AUTO || gemm == BP_GEMM_NATIVE;
    *list = (way_list){.count = 0};
    if (device->is_reference) {
        list->ways[list->count++] =
            (bp__way){.name = "plain C", .gemm = BP_GEMM_AUTO, .whole = true};
        return;
    }
    if (gemm == BP_GEMM_CLBLAST) add_way(list, "clblast", gemm, NULL, true);
    /* On a CPU by default also whole steps of small networks in one launch. */
    if (gemm == BP_GEMM_CPU || (all && device->info.kind == BP_KIND_CPU))
        add_way(list, "cpu", all ? BP_GEMM_AUTO : gemm, NULL, true);
    if (gemm == BP_GEMM_GPU || all)
        add_gpu_ways(list, device, !all || device->info.kind != BP_KIND_CPU);
    if (gemm == BP_GEMM_MATRIX || all) add_matrix_ways(list, device);
    if (gemm == BP_GEMM_NAIVE || all) add_way(list, "naive", BP_GEMM_NAIVE, NULL, true);
}

/* ---- The test -------------------------------------------------------------------------------- */

bp_selftest_options bp_selftest_options_default(void)
{
    return (bp_selftest_options){
        .size = sizeof(bp_selftest_options), .gemm = BP_GEMM_AUTO, .seed = 1};
}

static bp_status test_way(bp__selftest *test, const bp__way *way)
{
    char what[WAY_TEXT + 32];
    snprintf(what, sizeof what, "%s, %s", way->steps ? "whole steps" : "operations", way->name);
    BP_TRY(bp__selftest_begin(test, what));
    if (way->steps) return bp__selftest_steps(test, way);
    if (!test->device->is_reference) BP_TRY(bp__selftest_operations(test, way));
    if (!way->whole) return BP_OK;
    snprintf(what, sizeof what, "training, %s", way->name);
    BP_TRY(bp__selftest_begin(test, what));
    BP_TRY(bp__selftest_gradients(test, way));
    if (!test->device->is_reference) BP_TRY(bp__selftest_training(test, way));
    return bp__selftest_repetition(test, way);
}

static bp_status run(bp__selftest *test)
{
    way_list list;
    if (test->device->is_reference && test->options.gemm != BP_GEMM_AUTO &&
        test->options.gemm != BP_GEMM_NATIVE)
        return bp__fail(BP_ERROR_UNSUPPORTED, "the reference has no GEMM backend \"%s\"",
                        bp_gemm_name(test->options.gemm));
    list_ways(&list, test->device, test->options.gemm);
    if (list.count == 0) {
        if (test->options.gemm == BP_GEMM_MATRIX)
            BP_TRY(bp__matrix_units_need(test->device, BP_PRECISION_FP32));
        return bp__fail(BP_ERROR_UNSUPPORTED, "%s cannot run the kernels of gemm %s",
                        test->device->info.name, bp_gemm_name(test->options.gemm));
    }
    test->parts = 1;
    for (size_t i = 0; i < list.count; ++i) test->parts += list.ways[i].whole ? 2 : 1;
    BP_TRY(bp__selftest_begin(test, "transfers"));
    if (!test->device->is_reference) BP_TRY(bp__selftest_transfers(test));
    for (size_t i = 0; i < list.count; ++i) {
        const int32_t usual = test->device->precision;
        test->device->precision = list.ways[i].precision;
        const bp_status status = test_way(test, &list.ways[i]);
        test->device->precision = usual;
        BP_TRY(status);
    }
    test->result->passed = 1;
    for (size_t i = 0; i < test->result->check_count; ++i)
        if (!test->result->checks[i].passed) test->result->passed = 0;
    return BP_OK;
}

bp_status bp_selftest(bp_selftest_result *out, bp_device *device,
                      const bp_selftest_options *options)
{
    if (!out || !device)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_selftest: out and device are needed");
    *out = (bp_selftest_result){0};
    bp__selftest test = {.device = device, .options = bp_selftest_options_default(), .result = out};
    BP_TRY(bp__read_options(&test.options, sizeof test.options, options, "bp_selftest_options"));
    if (!bp_gemm_name(test.options.gemm))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown GEMM backend %d", (int)test.options.gemm);
    const double start = bp__seconds();
    bp_status status;
    BP_TRY_GOTO(bp_device_open(&test.plain_c, "reference"));
    BP_TRY_GOTO(run(&test));
    out->seconds = bp__seconds() - start;
fail:
    bp_device_free(test.plain_c);
    if (status != BP_OK) bp_selftest_free(out);
    return status;
}
