/* probe.c - tries what a device can do; kernels in gpu/probe.cl. */
#include "ops/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* cl_nv_device_attribute_query. */
enum { COMPUTE_CAPABILITY_MAJOR_NV = 0x4000, COMPUTE_CAPABILITY_MINOR_NV = 0x4001 };

enum { LANES = 32, FEWEST_WORDS = 512 };

const char *bp__probe_name(bp__probe probe)
{
    static const char *const names[] = {
#define BP_PROBE_TEXT(NAME, name, ptx) name,
        BP_PROBES(BP_PROBE_TEXT)
#undef BP_PROBE_TEXT
    };
    return names[probe];
}

bool bp__probe_takes_ptx(const bp_device *device)
{
    size_t size = 0;
    char *text = NULL;
    bool takes = false;
    if (device->is_reference) return false;
    bp__hold_error(true);
    if (bp__cl.clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) == CL_SUCCESS &&
        bp__new_array(&text, size + 1, 1) == BP_OK &&
        bp__cl.clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, size, text, NULL) == CL_SUCCESS)
        takes = strstr(text, "cl_nv_device_attribute_query") != NULL;
    free(text);
    bp__hold_error(false);
    return takes;
}

unsigned bp__compute_capability(const bp_device *device)
{
    cl_uint major = 0, minor = 0;
    if (!bp__probe_takes_ptx(device) ||
        bp__cl.clGetDeviceInfo(device->id, COMPUTE_CAPABILITY_MAJOR_NV, sizeof major, &major,
                               NULL) != CL_SUCCESS ||
        bp__cl.clGetDeviceInfo(device->id, COMPUTE_CAPABILITY_MINOR_NV, sizeof minor, &minor,
                               NULL) != CL_SUCCESS)
        return 0;
    return 10 * major + minor;
}

const char *bp__probe_options(char text[BP__PROBE_OPTIONS], bp__probe probe, bool ptx,
                              unsigned words)
{
    snprintf(text, BP__PROBE_OPTIONS, "-DPROBE=%d -DBP_PTX=%d -DLOCAL_WORDS=%u", (int)probe, ptx,
             words);
    return text;
}

/* ---- What should come out -------------------------------------------------------------------- */

static double rounded_to_bf16(double x)
{
    int exponent;
    const double mantissa = frexp(x, &exponent);
    return ldexp(nearbyint(mantissa * 256), exponent - 8);
}

static double product(const float *in, size_t row, size_t column, size_t depth, bool bf16)
{
    double sum = 0;
    for (size_t k = 0; k < depth; ++k) {
        const double x = (double)in[row * depth + k];
        const double y = (double)in[16 * depth + k * 8 + column];
        sum += bf16 ? rounded_to_bf16(x) * rounded_to_bf16(y) : x * y;
    }
    return sum;
}

static double wanted(const float *in, size_t i, bp__probe probe, size_t words)
{
    switch (probe) {
    case BP__PROBE_LOCAL: return (double)in[words - 1 - i];
    case BP__PROBE_MMA_TF32: return product(in, i / 8, i % 8, 8, false);
    case BP__PROBE_MMA_BF16: return product(in, i / 8, i % 8, 16, true);
    case BP__PROBE_SHUFFLE: return (double)in[i ^ 1];
    default: return (double)in[i];
    }
}

static size_t results_of(bp__probe probe, size_t words)
{
    switch (probe) {
    case BP__PROBE_NOTHING: return 0;
    case BP__PROBE_LOCAL: return words;
    case BP__PROBE_SHUFFLE: return LANES;
    default: return 128;
    }
}

/* Multiples of 1/64 below 2: the units see all of their bits in TF32, not all in bfloat16, which
 * rounds them to its 8; sums are exact in float32. */
static void fill(float *in, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        in[i] = ((float)((i * 2654435761u >> 7) % 255) - 127) * 0x1p-6f;
}

static bp_status compare(const bp_device *device, bp__probe probe, const float *in,
                         const float *out, size_t words)
{
    for (size_t i = 0; i < results_of(probe, words); ++i) {
        const double want = wanted(in, i, probe, words);
        if (!(fabs((double)out[i] - want) <= 1e-6 * (1 + fabs(want))))
            return bp__fail(BP_ERROR_UNSUPPORTED, "%s: %s gives %.9g in place of %.9g at %zu",
                            device->info.name, bp__probe_name(probe), (double)out[i], want, i);
    }
    return BP_OK;
}

/* ---- Running --------------------------------------------------------------------------------- */

bp_status bp__probe_try(bp__device_engine *engine, bp__probe probe, bool ptx, unsigned words)
{
    const size_t count = words > FEWEST_WORDS ? words : FEWEST_WORDS;
    const bp__grid grid = {1, {LANES, 1, 1}, {LANES, 1, 1}};
    bp__recorder recorder = {.device = engine->device};
    bp__view in = {.rows = 1, .columns = count, .stride = count}, out = in;
    float *host = NULL;
    char options[BP__PROBE_OPTIONS];
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&host, 2 * count, sizeof *host));
    fill(host, count);
    BP_TRY_GOTO(bp__buffer_create(&engine->base, &in.buffer, BP__NUMBER, count));
    BP_TRY_GOTO(bp__buffer_create(&engine->base, &out.buffer, BP__NUMBER, count));
    BP_TRY_GOTO(bp__view_write(&engine->base, &in, host));
    const cl_mem from = bp__buffer_memory(in.buffer), to = bp__buffer_memory(out.buffer);
    const bp__arg args[] = {BP_ARG(to), BP_ARG(from)};
    BP_TRY_GOTO(bp__record_launch(&recorder, "gpu/probe.cl",
                                  bp__probe_options(options, probe, ptx, words), "probe", args,
                                  BP_COUNT(args), &grid));
    BP_TRY_GOTO(bp__recorder_enqueue(&recorder, 1));
    BP_TRY_GOTO(bp__view_read(&engine->base, &out, host + count));
    BP_TRY_GOTO(compare(engine->device, probe, host, host + count, words));
fail:
    bp__recorder_clear(&recorder);
    bp__buffer_free(&engine->base, in.buffer);
    bp__buffer_free(&engine->base, out.buffer);
    free(host);
    return status;
}
