/* peak.c - measures a device's limits: multiply-adds in registers, and memory. Kernels in peak.cl.
 */
#include "ops/peak.h"

#include <stdio.h>

#include "base/clock.h"
#include "ops/launchers.h"

/* As in peak.cl. */
enum { CHAINS = 12, LINKS = 64 };

/* The best run counts: whatever disturbs a run makes it slower, never faster. Many short ones find
 * a quiet moment on a machine that is shared. */
enum { RUNS = 20 };
static const double run_seconds = 0.02;

/* GPUs: work-items of a group, and groups a compute unit, enough to fill every one of them. */
enum { GPU_GROUP = 256, GPU_GROUPS = 16 };

/* CPUs: work-items a core, so that a core that was busy elsewhere does not hold up the rest. */
enum { CPU_ITEMS = 8 };

static bp__grid grid_of(const bp__device_engine *engine)
{
    const size_t units =
        engine->device->info.compute_units ? engine->device->info.compute_units : 1;
    if (engine->cpu_kernels) return (bp__grid){1, {units * CPU_ITEMS, 1, 1}, {1, 1, 1}};
    size_t group = GPU_GROUP;
    while (group > engine->device->max_work_group) group /= 2;
    return (bp__grid){1, {units * GPU_GROUPS * group, 1, 1}, {group, 1, 1}};
}

static void options_of(char *text, size_t size, const bp__device_engine *engine)
{
    snprintf(text, size, "-DBP_VW=%u -DBLOCKS=%d", engine->vector_width, engine->cpu_kernels);
}

static bp_status run(double *seconds, const bp__recorder *recorder, size_t times)
{
    const double start = bp__seconds();
    BP_TRY(bp__recorder_enqueue(recorder, times));
    BP_CL(clFinish(recorder->device->queue));
    *seconds = bp__seconds() - start;
    return BP_OK;
}

/* Seconds of one launch, the best run's. */
static bp_status best_of(double *best, const bp__recorder *recorder)
{
    double seconds = 0;
    size_t times = 1;
    BP_TRY(run(&seconds, recorder, 1)); /* drivers compile at the first launch */
    for (;; times *= 2) {
        BP_TRY(run(&seconds, recorder, times));
        if (seconds >= run_seconds || times > (size_t)1 << 20) break;
    }
    *best = seconds / (double)times;
    for (int r = 1; r < RUNS; ++r) {
        BP_TRY(run(&seconds, recorder, times));
        if (seconds / (double)times < *best) *best = seconds / (double)times;
    }
    return BP_OK;
}

static bp_status measure_fma(double *flops, bp__device_engine *engine)
{
    const bp__grid grid = grid_of(engine);
    bp__recorder recorder = {.device = engine->device};
    bp__buffer *out = NULL;
    char options[64];
    double seconds = 0;
    bp_status status;
    options_of(options, sizeof options, engine);
    BP_TRY(
        bp__buffer_create(&engine->base, &out, BP__NUMBER, grid.global[0] * engine->vector_width));
    const cl_mem memory = bp__buffer_memory(out);
    /* Milliseconds a launch: long against the launch itself, short against a watchdog. */
    const cl_uint repeat = engine->cpu_kernels ? 1024 : 128;
    const cl_float a = 0.999f, b = 0.001f;
    const bp__arg args[] = {BP_ARG(memory), BP_ARG(repeat), BP_ARG(a), BP_ARG(b)};
    BP_TRY_GOTO(
        bp__record_launch(&recorder, "peak.cl", options, "peak_fma", args, BP_COUNT(args), &grid));
    BP_TRY_GOTO(best_of(&seconds, &recorder));
    *flops =
        2.0 * CHAINS * LINKS * repeat * engine->vector_width * (double)grid.global[0] / seconds;
fail:
    bp__recorder_clear(&recorder);
    bp__buffer_free(&engine->base, out);
    return status;
}

/* Floats of each of the three arrays: together well above the caches, and no more than a quarter of
 * the memory. A multiple of the vector width. */
static bp_status triad_floats(size_t *out, const bp__device_engine *engine)
{
    const bp_device *device = engine->device;
    cl_ulong cache = 0;
    BP_CL(clGetDeviceInfo(device->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof cache, &cache, NULL));
    cl_ulong bytes = 64ul << 20;
    if (bytes < 2 * cache) bytes = 2 * cache;
    if (bytes > 512ul << 20) bytes = 512ul << 20;
    if (bytes > device->max_buffer_bytes) bytes = device->max_buffer_bytes;
    if (bytes > device->info.global_memory_bytes / 12)
        bytes = device->info.global_memory_bytes / 12;
    *out = (size_t)(bytes / (sizeof(cl_float) * 16)) * 16;
    return BP_OK;
}

static bp_status measure_memory(double *bytes, bp__device_engine *engine)
{
    bp__recorder recorder = {.device = engine->device};
    bp__buffer *array[3] = {NULL, NULL, NULL};
    cl_mem memory[3];
    char options[64];
    size_t floats = 0;
    double seconds = 0;
    bp_status status;
    options_of(options, sizeof options, engine);
    BP_TRY(triad_floats(&floats, engine));
    /* Creation fills them, so that their pages are there. */
    for (int i = 0; i < 3; ++i) {
        BP_TRY_GOTO(bp__buffer_create(&engine->base, &array[i], BP__NUMBER, floats));
        memory[i] = bp__buffer_memory(array[i]);
    }
    const cl_float a = 1.5f;
    const cl_ulong count = floats / engine->vector_width;
    const bp__arg args[] = {BP_ARG(memory[0]), BP_ARG(memory[1]), BP_ARG(memory[2]), BP_ARG(a),
                            BP_ARG(count)};
    const bp__grid grid = grid_of(engine);
    BP_TRY_GOTO(bp__record_launch(&recorder, "peak.cl", options, "peak_triad", args, BP_COUNT(args),
                                  &grid));
    BP_TRY_GOTO(best_of(&seconds, &recorder));
    *bytes = 3.0 * sizeof(cl_float) * (double)floats / seconds;
fail:
    bp__recorder_clear(&recorder);
    for (int i = 0; i < 3; ++i) bp__buffer_free(&engine->base, array[i]);
    return status;
}

bp_status bp__peak_measure(bp_device_peak *out, bp__engine *engine)
{
    double flops, bytes;
    *out = (bp_device_peak){0};
    BP_TRY(measure_fma(&flops, (bp__device_engine *)engine));
    BP_TRY(measure_memory(&bytes, (bp__device_engine *)engine));
    *out = (bp_device_peak){.gflops = 1e-9 * flops, .gbytes_per_second = 1e-9 * bytes};
    return BP_OK;
}
