/* gpu_probe.c - what a device says of itself, what it really can do, what launches and transfers
 * cost: one JSON object. Part of scripts/gpu-check.
 *
 *     gpu_probe [DEVICE] */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ops/engine.h"
#include "ops/probe.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != BP_OK) {                                                                     \
            fprintf(stderr, "gpu_probe: %s: %s\n", #call, bp_last_error());                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- What it says ---------------------------------------------------------------------------- */

typedef enum info_type { TEXT, UINT, ULONG, SIZE, BOOL } info_type;

static const struct {
    const char *key;
    cl_device_info info;
    info_type type;
} infos[] = {
    {"version", CL_DEVICE_VERSION, TEXT},
    {"c_version", CL_DEVICE_OPENCL_C_VERSION, TEXT},
    {"profile", CL_DEVICE_PROFILE, TEXT},
    {"extensions", CL_DEVICE_EXTENSIONS, TEXT},
    {"clock_mhz", CL_DEVICE_MAX_CLOCK_FREQUENCY, UINT},
    {"address_bits", CL_DEVICE_ADDRESS_BITS, UINT},
    {"vector_width", CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, UINT},
    {"max_work_group", CL_DEVICE_MAX_WORK_GROUP_SIZE, SIZE},
    {"local_bytes", CL_DEVICE_LOCAL_MEM_SIZE, ULONG},
    {"cache_bytes", CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, ULONG},
    {"cache_line", CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, UINT},
    {"constant_bytes", CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, ULONG},
    {"max_buffer_bytes", CL_DEVICE_MAX_MEM_ALLOC_SIZE, ULONG},
    {"timer_ns", CL_DEVICE_PROFILING_TIMER_RESOLUTION, SIZE},
    {"shares_host_memory", CL_DEVICE_HOST_UNIFIED_MEMORY, BOOL},
    {"nv_warp", 0x4003, UINT},
    {"nv_registers_per_block", 0x4002, UINT},
    {"amd_wavefront", 0x4043, UINT},
};

static json_t *value_of(cl_device_id id, cl_device_info info, info_type type)
{
    char text[8192] = "";
    cl_uint uint_value;
    cl_ulong ulong_value;
    size_t size_value;
    switch (type) {
    case TEXT:
        if (bp__cl.clGetDeviceInfo(id, info, sizeof text - 1, text, NULL) != CL_SUCCESS) break;
        return json_string(text);
    case UINT:
    case BOOL:
        if (bp__cl.clGetDeviceInfo(id, info, sizeof uint_value, &uint_value, NULL) != CL_SUCCESS)
            break;
        return type == BOOL ? json_boolean(uint_value) : json_integer(uint_value);
    case ULONG:
        if (bp__cl.clGetDeviceInfo(id, info, sizeof ulong_value, &ulong_value, NULL) != CL_SUCCESS)
            break;
        return json_integer((json_int_t)ulong_value);
    case SIZE:
        if (bp__cl.clGetDeviceInfo(id, info, sizeof size_value, &size_value, NULL) != CL_SUCCESS)
            break;
        return json_integer((json_int_t)size_value);
    }
    return json_null();
}

static json_t *attributes(const bp_device *device)
{
    json_t *json = json_object();
    for (size_t i = 0; i < BP_COUNT(infos); ++i)
        json_object_set_new(json, infos[i].key, value_of(device->id, infos[i].info, infos[i].type));
    const unsigned capability = bp__compute_capability(device);
    json_object_set_new(json, "compute_capability",
                        capability ? json_real(capability / 10.0) : json_null());
    return json;
}

/* ---- What it can ----------------------------------------------------------------------------- */

static json_t *outcome(bp_status status)
{
    return json_string(status == BP_OK ? "works" : bp_last_error());
}

/* The device's own matrix units in each precision, and all kinds of them in OpenCL C. */
static void try_units(json_t *json, bp__device_engine *engine)
{
    size_t count;
    const bp__matrix_units *all = bp__matrix_units_all(&count);
    const bp__matrix_units *own = bp__matrix_units_of(engine->device);
    char key[48];
    json_object_set_new(json, "matrix_units", own ? json_string(own->name) : json_null());
    for (int32_t p = 0; bp_precision_name(p); ++p) {
        snprintf(key, sizeof key, "matrix_%s", bp_precision_name(p));
        json_object_set_new(json, key, outcome(bp__matrix_units_need(engine->device, p)));
    }
    for (size_t i = 0; i < count; ++i)
        for (int32_t p = 0; bp_precision_name(p); ++p) {
            if (!all[i].depth[p]) continue;
            snprintf(key, sizeof key, "%s_%s_in_opencl_c", all[i].name, bp_precision_name(p));
            json_object_set_new(json, key, outcome(bp__probe_try_units(engine, &all[i], p, true)));
        }
}

static json_t *abilities(bp__device_engine *engine)
{
    json_t *json = json_object();
    const bool ptx = bp__probe_takes_ptx(engine->device);
    try_units(json, engine);
    for (int i = 0; i < BP__PROBES; ++i) {
        const bp__probe probe = (bp__probe)i;
        if (bp__probe_needs_ptx(probe))
            json_object_set_new(json, bp__probe_name(probe),
                                ptx ? outcome(bp__probe_try(engine, probe, 0))
                                    : json_string("not tried: the driver is not NVIDIA's"));
    }
    return json;
}

/* More than the device says may work: NVIDIA's says 48 KB and has more. */
static json_t *local_memory(bp__device_engine *engine)
{
    json_t *json = json_object();
    for (unsigned kilobytes = 16; kilobytes <= 256; kilobytes += kilobytes < 96 ? 16 : 32) {
        char key[16];
        snprintf(key, sizeof key, "%u KB", kilobytes);
        json_object_set_new(json, key,
                            outcome(bp__probe_try(engine, BP__PROBE_LOCAL, kilobytes * 256)));
    }
    return json;
}

/* ---- What it costs --------------------------------------------------------------------------- */

enum { REPEATS = 9, LAUNCHES = 1000, MOST_WORDS = 1 << 24 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds)
{
    qsort(seconds, REPEATS, sizeof *seconds, by_value);
    return seconds[REPEATS / 2];
}

/* Seconds of a launch among many, and of one that is waited for. */
static void time_launches(bp__device_engine *engine, double *queued, double *waited)
{
    const bp__grid grid = {1, {32, 1, 1}, {32, 1, 1}};
    bp__recorder recorder = {.device = engine->device};
    bp__buffer *buffer;
    char options[BP__PROBE_OPTIONS];
    double seconds[REPEATS];
    OK(bp__buffer_create(&engine->base, &buffer, BP__NUMBER, 64));
    const cl_mem memory = bp__buffer_memory(buffer);
    const bp__arg args[] = {BP_ARG(memory), BP_ARG(memory)};
    OK(bp__record_launch(&recorder, "gpu/probe.cl",
                         bp__probe_options(options, BP__PROBE_NOTHING, 0), "probe", args,
                         BP_COUNT(args), &grid));
    for (int waiting = 0; waiting < 2; ++waiting) {
        const size_t launches = waiting ? LAUNCHES / 10 : LAUNCHES;
        for (int r = -1; r < REPEATS; ++r) { /* the first is to warm up */
            const double start = bp__seconds();
            for (size_t i = 0; i < launches; ++i) {
                OK(bp__recorder_enqueue(&recorder, 1));
                if (waiting) OK(bp__engine_finish(&engine->base));
            }
            OK(bp__engine_finish(&engine->base));
            if (r >= 0) seconds[r] = (bp__seconds() - start) / (double)launches;
        }
        *(waiting ? waited : queued) = median(seconds);
    }
    bp__recorder_clear(&recorder);
    bp__buffer_free(&engine->base, buffer);
}

static double time_transfer(bp__device_engine *engine, size_t words, bool write)
{
    bp__view view = {.rows = 1, .columns = words, .stride = words};
    double seconds[REPEATS];
    float *host = calloc(words, sizeof *host);
    if (!host) exit(1);
    OK(bp__buffer_create(&engine->base, &view.buffer, BP__NUMBER, words));
    for (int r = -1; r < REPEATS; ++r) {
        const double start = bp__seconds();
        OK(write ? bp__view_write(&engine->base, &view, host)
                 : bp__view_read(&engine->base, &view, host));
        OK(bp__engine_finish(&engine->base));
        if (r >= 0) seconds[r] = bp__seconds() - start;
    }
    bp__buffer_free(&engine->base, view.buffer);
    free(host);
    return median(seconds);
}

static json_t *costs(bp__device_engine *engine)
{
    json_t *json = json_object();
    double queued = 0, waited = 0;
    const double bytes = 4.0 * MOST_WORDS;
    time_launches(engine, &queued, &waited);
    json_object_set_new(json, "launch_us", json_real(1e6 * queued));
    json_object_set_new(json, "launch_and_wait_us", json_real(1e6 * waited));
    json_object_set_new(json, "write_4_bytes_us", json_real(1e6 * time_transfer(engine, 1, true)));
    json_object_set_new(json, "read_4_bytes_us", json_real(1e6 * time_transfer(engine, 1, false)));
    json_object_set_new(json, "write_gbytes_per_second",
                        json_real(1e-9 * bytes / time_transfer(engine, MOST_WORDS, true)));
    json_object_set_new(json, "read_gbytes_per_second",
                        json_real(1e-9 * bytes / time_transfer(engine, MOST_WORDS, false)));
    return json;
}

int main(int argc, char **argv)
{
    bp_device *device;
    bp__engine *engine;
    bp_device_peak peak;
    OK(bp_device_open(&device, argc > 1 ? argv[1] : NULL));
    if (device->is_reference) {
        fputs("gpu_probe: no OpenCL device\n", stderr);
        return 4;
    }
    OK(bp__engine_create(&engine, device, BP_GEMM_GPU));
    json_t *json = json_object();
    json_object_set_new(json, "device", json_string(device->info.name));
    json_object_set_new(json, "attributes", attributes(device));
    json_object_set_new(json, "abilities", abilities((bp__device_engine *)engine));
    json_object_set_new(json, "local_memory", local_memory((bp__device_engine *)engine));
    json_object_set_new(json, "costs", costs((bp__device_engine *)engine));
    OK(bp_device_measure(&peak, device));
    json_object_set_new(json, "peak_gflops", json_real(peak.gflops));
    json_object_set_new(json, "peak_gbytes_per_second", json_real(peak.gbytes_per_second));
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
    bp__engine_free(engine);
    bp_device_free(device);
    return fflush(stdout) != 0;
}
