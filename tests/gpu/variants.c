/* variants.c - writes down every program that GPUs are given: source and compiler options.
 *
 *   kernel_variants FOLDER
 *
 * FOLDER gets for each N from 0 N.cl, the source as the driver sees it, N.options, and N.targets:
 * for whom the program is, as shell patterns of the targets of scripts/ptx-check. What is built is
 * not listed anywhere but found out: the self-test, which runs every operation with every function
 * in every tile, runs with the kernels for GPUs, on whatever OpenCL device there is, and whoever
 * asks for a program is overheard. Exit status 77 where there is no such device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ops/dense_epilogue.h"
#include "ops/engine.h"
#include "ops/gpu_steps.h"
#include "ops/gpu_tile.h"
#include "ops/matrix_tile.h"
#include "ops/peak.h"
#include "ops/probe.h"
#include "train/trainer.h"

enum { MOST = 4096 };

static bp__cl_api real;
static const char *folder;

/* Sources of programs that were made, and what has been written. */
static struct made {
    cl_program program;
    char *source;
} made[MOST];
static struct written {
    char *text;        /* options and source */
    char targets[128]; /* for whom, each once */
} written[MOST];
static size_t made_count, written_count;

/* Every family of GPUs that scripts/ptx-check compiles for. */
#define EVERY_FAMILY "sm_* gfx90a gfx1100 skl tgllp acm-* pvc bmg-*"

/* Those that have each kind of matrix units, in the order of host/ops/matrix_units.c. Compilers
 * that know TF32 as Intel specified it know Xe2 (bmg) as well. */
static const char *targets_of(size_t units, int32_t precision)
{
    static const char *const all[] = {"sm_*",    "gfx90a gfx942", "gfx1100",
                                      "gfx1200", "acm-*",         "pvc bmg-*"};
    return units == 5 && precision != BP_PRECISION_BF16 ? "bmg-*" : all[units];
}

/* Of the programs that are asked for now: for whom they are, and whether they mean nothing to the
 * device that is here. */
static struct {
    const char *targets;
    bool foreign;
} now = {.targets = EVERY_FAMILY};

static char *copy_of(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    if (!copy) abort();
    return strcpy(copy, text);
}

static void write_text(size_t number, const char *ending, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%zu.%s", folder, number, ending);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static cl_program overheard_create(cl_context context, cl_uint count, const char **strings,
                                   const size_t *lengths, cl_int *code)
{
    cl_program program = real.clCreateProgramWithSource(context, count, strings, lengths, code);
    if (program && made_count < MOST)
        made[made_count++] = (struct made){program, copy_of(strings[0])};
    return program;
}

static void add_targets(struct written *program)
{
    char padded[sizeof program->targets + 2], sought[sizeof program->targets + 2];
    snprintf(padded, sizeof padded, " %s ", program->targets);
    snprintf(sought, sizeof sought, " %s ", now.targets);
    if (strstr(padded, sought)) return;
    const size_t used = strlen(program->targets);
    if (used + strlen(now.targets) + 2 > sizeof program->targets) abort();
    sprintf(program->targets + used, "%s%s", used ? " " : "", now.targets);
}

static void write_program(const char *source, const char *options)
{
    char *text = malloc(strlen(source) + strlen(options) + 2);
    if (!text) abort();
    sprintf(text, "%s\n%s", options, source);
    size_t number = 0;
    while (number < written_count && strcmp(written[number].text, text) != 0) ++number;
    if (number < written_count) {
        free(text);
    } else {
        if (written_count == MOST) abort();
        write_text(number, "cl", source);
        write_text(number, "options", options);
        written[written_count++].text = text;
    }
    add_targets(&written[number]);
    write_text(number, "targets", written[number].targets);
}

static cl_int overheard_build(cl_program program, cl_uint count, const cl_device_id *devices,
                              const char *options, void (*notify)(cl_program, void *), void *user)
{
    const char *source = "";
    for (size_t i = 0; i < made_count; ++i) /* the last: handles are used again */
        if (made[i].program == program) source = made[i].source;
    write_program(source, options);
    if (now.foreign) return CL_BUILD_PROGRAM_FAILURE;
    /* The width of a sub-group means nothing here, and without it the build may be found in a
     * cache. */
    char *usual = copy_of(options), *subgroup = strstr(usual, " -DBP_SUBGROUP=");
    if (subgroup) *subgroup = '\0';
    const cl_int code = real.clBuildProgram(program, count, devices, usual, notify, user);
    free(usual);
    return code;
}

static void wanted(bp_status status, const char *what)
{
    if (status == BP_OK) return;
    fprintf(stderr, "%s: %s\n", what, bp_last_error());
    exit(1);
}

/* The epilogues that CLBlast, which need not be there, leaves to us. */
static bp_status make_epilogues(bp_device *device)
{
    bp__engine *engine;
    bp__view c = {.rows = 1, .columns = 1, .stride = 4};
    BP_TRY(bp__engine_create(&engine, device, BP_GEMM_GPU));
    BP_TRY(bp__buffer_create(engine, &c.buffer, BP__NUMBER, 4));
    for (int e = BP__EPILOGUE_ACTIVATION; e <= BP__EPILOGUE_SLOPE; ++e)
        for (int32_t f = 0; bp_activation_name(f); ++f) {
            bp__gemm gemm = {.epilogue = (bp__epilogue)e, .activation = f, .c = c, .e = c};
            bp__recorder recorder = {.device = device};
            for (int drops = 0; drops < 2 && f != BP_ACTIVATION_SOFTMAX; ++drops) {
                if (drops) gemm.dropout = (bp__dropout){.rate = 0.5, .hyper = c, .step = c};
                BP_TRY(bp__launch_dense_epilogue(&recorder, &gemm));
            }
            bp__recorder_clear(&recorder);
        }
    bp_device_peak peak;
    BP_TRY(bp__peak_measure(&peak, engine));
    bp__buffer_free(engine, c.buffer);
    bp__engine_free(engine);
    return BP_OK;
}

static const struct {
    bp__gemm_layout layout;
    bp__epilogue epilogue;
} products[] = {{BP__GEMM_NT, BP__EPILOGUE_NONE},  {BP__GEMM_NT, BP__EPILOGUE_ACTIVATION},
                {BP__GEMM_NT, BP__EPILOGUE_BIAS},  {BP__GEMM_NN, BP__EPILOGUE_NONE},
                {BP__GEMM_NN, BP__EPILOGUE_SLOPE}, {BP__GEMM_TN, BP__EPILOGUE_NONE}};

/* The self-test runs every function in one tile, and every tile with one function. */
static bp_status make_products(bp_device *device)
{
    bp__engine *engine;
    bp__view c = {.rows = 1, .columns = 1, .stride = 4};
    size_t tiles;
    const bp__gpu_tile *const tile = bp__gpu_tiles(&tiles);
    BP_TRY(bp__engine_create(&engine, device, BP_GEMM_GPU));
    BP_TRY(bp__buffer_create(engine, &c.buffer, BP__NUMBER, 4));
    size_t largest = 0;
    while (largest + 1 < tiles && !bp__gpu_tile_fits(&tile[largest], device)) ++largest;
    for (size_t t = 0; t <= tiles; ++t)
        for (size_t p = 0; p < BP_COUNT(products); ++p)
            for (int32_t f = 0; bp_activation_name(f); ++f) {
                const bp__gemm gemm = {.layout = products[p].layout,
                                       .epilogue = products[p].epilogue,
                                       .activation = f,
                                       .c = c,
                                       .a = c,
                                       .b = c,
                                       .e = c};
                bp__device_engine *const e = (bp__device_engine *)engine;
                bp__recorder recorder = {.device = device};
                bp__gpu_tile taken = tile[t < tiles ? t : largest];
                if (t == tiles) taken.splits = 2;
                e->gpu_tile = &taken;
                if (bp__gpu_tile_fits(&taken, device) && f != BP_ACTIVATION_SOFTMAX &&
                    (f == BP_ACTIVATION_LINEAR || gemm.epilogue != BP__EPILOGUE_NONE))
                    BP_TRY(bp__gemm_gpu(e, &recorder, &gemm));
                bp__recorder_clear(&recorder);
            }
    bp__buffer_free(engine, c.buffer);
    bp__engine_free(engine);
    return BP_OK;
}

/* In every tile and precision each layout with the longest epilogue, which stands in a loop of its
 * own whatever it is. The device that is here cannot build them. */
static bp_status make_matrix_products(bp_device *device)
{
    static const bp__gemm some[] = {
        {.layout = BP__GEMM_NT, .epilogue = BP__EPILOGUE_BIAS, .dropout = {.rate = 0.5}},
        {.layout = BP__GEMM_NN, .epilogue = BP__EPILOGUE_SLOPE},
        {.layout = BP__GEMM_TN, .epilogue = BP__EPILOGUE_NONE}};
    bp__engine *engine;
    bp__view c = {.rows = 1, .columns = 1, .stride = 4};
    size_t kinds;
    const bp__matrix_units *const all = bp__matrix_units_all(&kinds);
    BP_TRY(bp__engine_create(&engine, device, BP_GEMM_GPU));
    BP_TRY(bp__buffer_create(engine, &c.buffer, BP__NUMBER, 4));
    device->units_known = true; /* as if they were there */
    now.foreign = true;
    for (size_t u = 0; u < kinds; ++u)
        for (int32_t precision = 0; bp_precision_name(precision); ++precision)
            for (size_t t = 0; t <= BP__MATRIX_TILES && all[u].depth[precision]; ++t)
                for (size_t p = 0; p < BP_COUNT(some); ++p) {
                    bp__device_engine *const e = (bp__device_engine *)engine;
                    bp__recorder recorder = {.device = device};
                    bp__matrix_tile taken = bp__matrix_tiles(&all[u])[t % BP__MATRIX_TILES];
                    bp__gemm gemm = some[p];
                    gemm.activation =
                        gemm.layout == BP__GEMM_TN ? BP_ACTIVATION_LINEAR : BP_ACTIVATION_GELU;
                    gemm.a = gemm.b = gemm.c = gemm.e = gemm.dropout.hyper = gemm.dropout.step = c;
                    if (t == BP__MATRIX_TILES) taken.splits = 2;
                    e->matrix_tile = &taken;
                    e->precision = precision;
                    device->units = &all[u];
                    now.targets = targets_of(u, precision);
                    (void)bp__gemm_matrix(e, &recorder, &gemm);
                    bp__recorder_clear(&recorder);
                }
    now.targets = EVERY_FAMILY;
    now.foreign = false;
    bp__buffer_free(engine, c.buffer);
    bp__engine_free(engine);
    return BP_OK;
}

static bp_status make_probes(bp_device *device)
{
    bp__engine *engine;
    BP_TRY(bp__engine_create(&engine, device, BP_GEMM_GPU));
    size_t kinds;
    const bp__matrix_units *const all = bp__matrix_units_all(&kinds);
    for (int probe = 0; probe < BP__PROBES; ++probe)
        if (probe != BP__PROBE_UNITS) {
            now.foreign = bp__probe_needs_ptx((bp__probe)probe);
            now.targets = now.foreign ? "sm_*" : EVERY_FAMILY;
            (void)bp__probe_try((bp__device_engine *)engine, (bp__probe)probe, 12288);
        }
    for (size_t u = 0; u < kinds; ++u)
        for (int32_t precision = 0; bp_precision_name(precision); ++precision)
            if (all[u].depth[precision]) {
                now.foreign = true;
                now.targets = targets_of(u, precision);
                (void)bp__probe_try_units((bp__device_engine *)engine, &all[u], precision, false);
            }
    now.targets = EVERY_FAMILY;
    now.foreign = false;
    bp__engine_free(engine);
    return BP_OK;
}

static const struct {
    bp_layer layers[3];
    size_t count;
    int32_t optimizer, loss;
    bp__gpu_steps steps;
} whole_steps[] = {
    {{{2, 2, BP_ACTIVATION_SIGMOID, 1}, {2, 1, BP_ACTIVATION_SIGMOID, 1}},
     2,
     BP_OPTIMIZER_SGD,
     BP_LOSS_HALF_SQUARED,
     {32, 4, 0, true}},
    {{{16, 32, BP_ACTIVATION_TANH, 1}, {32, 4, BP_ACTIVATION_SOFTMAX, 1}},
     2,
     BP_OPTIMIZER_ADAM,
     BP_LOSS_CROSS_ENTROPY,
     {128, 16, 0, true}},
    {{{32, 64, BP_ACTIVATION_RELU, 1},
      {64, 64, BP_ACTIVATION_RELU, 1},
      {64, 10, BP_ACTIVATION_SOFTMAX, 1}},
     3,
     BP_OPTIMIZER_MOMENTUM,
     BP_LOSS_CROSS_ENTROPY,
     {256, 16, 4, false}},
    {{{24, 32, BP_ACTIVATION_GELU, 1}, {32, 3, BP_ACTIVATION_LINEAR, 1}},
     2,
     BP_OPTIMIZER_ADAMW,
     BP_LOSS_HUBER,
     {128, 32, 2, true}},
    /* As many registers as work-items of Intel's GPUs may keep. */
    {{{24, 32, BP_ACTIVATION_GELU, 1}, {32, 3, BP_ACTIVATION_LINEAR, 1}},
     2,
     BP_OPTIMIZER_ADAMW,
     BP_LOSS_HUBER,
     {128, 32, 0, true}},
    {{{24, 32, BP_ACTIVATION_GELU, 1}, {32, 3, BP_ACTIVATION_LINEAR, 1}},
     2,
     BP_OPTIMIZER_SGD,
     BP_LOSS_HUBER,
     {64, 16, 0, true}},
};

/* Whole steps of small networks are programs of their own for each network: one for each way. */
static bp_status make_steps(bp_device *device)
{
    enum { ROWS = 128 };
    static float x[ROWS * 32], targets[ROWS * 16];
    for (size_t i = 0; i < BP_COUNT(whole_steps); ++i) {
        const bp_layer *layers = whole_steps[i].layers;
        const size_t count = whole_steps[i].count;
        bp_model_options shape = bp_model_options_default();
        bp_train_options options = bp_train_options_default();
        bp_model *model;
        bp_data *data;
        bp_trainer *trainer;
        shape.loss = whole_steps[i].loss;
        options.optimizer = whole_steps[i].optimizer;
        options.batch = ROWS;
        options.gemm = BP_GEMM_GPU;
        BP_TRY(bp_model_create_layers(&model, layers, count, &shape));
        BP_TRY(bp_data_from_arrays(&data, x, ROWS, layers[0].inputs, targets,
                                   layers[count - 1].outputs));
        BP_TRY(bp_trainer_create(&trainer, model, device, &options));
        ((bp__device_engine *)trainer->engine)->gpu_steps = &whole_steps[i].steps;
        BP_TRY(bp_trainer_set_data(trainer, data));
        bp_trainer_free(trainer);
        bp_data_free(data);
        bp_model_free(model);
    }
    return BP_OK;
}

static bp_status make_tested(bp_device *device, int32_t gemm)
{
    bp_selftest_result result;
    bp_selftest_options options = bp_selftest_options_default();
    options.gemm = gemm;
    BP_TRY(bp_selftest(&result, device, &options));
    for (size_t i = 0; i < result.check_count; ++i)
        if (!result.checks[i].passed) {
            fprintf(stderr, "%s, %s: %s\n", result.checks[i].name, result.checks[i].kernels,
                    result.checks[i].problem);
            exit(1);
        }
    bp_selftest_free(&result);
    return BP_OK;
}

/* What the engine knows of the GPUs that are not here: those, as targets of scripts/ptx-check, that
 * it gives different programs. */
static const struct {
    const char *targets;
    unsigned subgroup;
} gpus[] = {{"sm_* gfx90a gfx1100", 0}, {"skl tgllp acm-*", 8}, {"pvc bmg-*", 16}};

/* The device that is here, with none of its programs built yet, as one of these GPUs. */
static bp_device *open_as(const char *targets, unsigned subgroup)
{
    bp_device *device;
    wanted(bp_device_open(&device, NULL), "device");
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) {
        puts("SKIP: no OpenCL device");
        exit(77);
    }
    now.targets = targets;
    device->subgroup = subgroup;
    return device;
}

int main(int argc, char **argv)
{
    bp_device *device;
    if (argc != 2) {
        fputs("usage: kernel_variants FOLDER\n", stderr);
        return 2;
    }
    folder = argv[1];
    mkdir(folder, 0777);
    device = open_as(EVERY_FAMILY, 0);
    real = bp__cl;
    setenv("BACKPROP_PROGRAMS", "none", 1); /* sources are what it listens to */
    bp__cl.clCreateProgramWithSource = overheard_create;
    bp__cl.clBuildProgram = overheard_build;
    wanted(make_tested(device, BP_GEMM_NAIVE), "selftest");
    wanted(make_epilogues(device), "epilogues");
    wanted(make_matrix_products(device), "products on matrix units");
    wanted(make_probes(device), "probes");
    bp_device_free(device);
    for (size_t i = 0; i < BP_COUNT(gpus); ++i) {
        device = open_as(gpus[i].targets, gpus[i].subgroup);
        wanted(make_tested(device, BP_GEMM_GPU), "selftest");
        wanted(make_products(device), "products");
        wanted(make_steps(device), "whole steps");
        bp_device_free(device);
    }
    printf("%zu programs\n", written_count);
    for (size_t i = 0; i < made_count; ++i) free(made[i].source);
    for (size_t i = 0; i < written_count; ++i) free(written[i].text);
    return 0;
}
