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

bool bp__probe_needs_ptx(bp__probe probe)
{
    static const bool needs[] = {
#define BP_PROBE_NEEDS(NAME, name, ptx) ptx,
        BP_PROBES(BP_PROBE_NEEDS)
#undef BP_PROBE_NEEDS
    };
    return needs[probe];
}

bool bp__probe_takes_ptx(const bp_device *device)
{
    return bp__device_extends(device, "cl_nv_device_attribute_query");
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

const char *bp__probe_options(char text[BP__PROBE_OPTIONS], bp__probe probe, unsigned words)
{
    snprintf(text, BP__PROBE_OPTIONS, "-DPROBE=%d -DBP_PTX=%d -DLOCAL_WORDS=%u", (int)probe,
             bp__probe_needs_ptx(probe), words);
    return text;
}

/* What is tried: a probe, its words of local memory, or matrix units and their precision. */
typedef struct trial {
    bp__probe probe;
    unsigned words;
    const bp__matrix_units *units;
    int32_t precision;
} trial;

/* ---- What should come out -------------------------------------------------------------------- */

static double rounded_to_bf16(double x)
{
    int exponent;
    const double mantissa = frexp(x, &exponent);
    return ldexp(nearbyint(mantissa * 256), exponent - 8);
}

/* Result i of the units' product, whose factors are one behind the other. */
static double product(const float *in, size_t i, const trial *t)
{
    const bool bf16 = t->precision == BP_PRECISION_BF16;
    const size_t depth = t->units->depth[t->precision] * (bf16 ? 2 : 1), n = t->units->n;
    const float *a = in + i / n * depth, *b = in + t->units->m * depth + i % n;
    double sum = 0;
    for (size_t k = 0; k < depth; ++k) {
        const double x = (double)a[k], y = (double)b[k * n];
        sum += bf16 ? rounded_to_bf16(x) * rounded_to_bf16(y) : x * y;
    }
    return sum;
}

static double wanted(const float *in, size_t i, const trial *t)
{
    switch (t->probe) {
    case BP__PROBE_LOCAL: return (double)in[t->words - 1 - i];
    case BP__PROBE_UNITS: return product(in, i, t);
    case BP__PROBE_SHUFFLE: return (double)in[i ^ 1];
    default: return (double)in[i];
    }
}

static size_t results_of(const trial *t)
{
    switch (t->probe) {
    case BP__PROBE_NOTHING: return 0;
    case BP__PROBE_LOCAL: return t->words;
    case BP__PROBE_UNITS: return (size_t)t->units->m * t->units->n;
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

static bp_status compare(const bp_device *device, const trial *t, const float *in, const float *out)
{
    for (size_t i = 0; i < results_of(t); ++i) {
        const double want = wanted(in, i, t);
        if (!(fabs((double)out[i] - want) <= 1e-6 * (1 + fabs(want))))
            return bp__fail(BP_ERROR_UNSUPPORTED, "%s: %s gives %.9g in place of %.9g at %zu",
                            device->info.name, bp__probe_name(t->probe), (double)out[i], want, i);
    }
    return BP_OK;
}

/* ---- Running --------------------------------------------------------------------------------- */

static bp_status run(bp__device_engine *engine, const trial *t, const char *options)
{
    const size_t count = t->words > FEWEST_WORDS ? t->words : FEWEST_WORDS;
    const size_t items = t->units ? t->units->lanes : LANES;
    const bp__grid grid = {1, {items, 1, 1}, {items, 1, 1}};
    bp__recorder recorder = {.device = engine->device};
    bp__view in = {.rows = 1, .columns = count, .stride = count}, out = in;
    float *host = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&host, 2 * count, sizeof *host));
    fill(host, count);
    BP_TRY_GOTO(bp__buffer_create(&engine->base, &in.buffer, BP__NUMBER, count));
    BP_TRY_GOTO(bp__buffer_create(&engine->base, &out.buffer, BP__NUMBER, count));
    BP_TRY_GOTO(bp__view_write(&engine->base, &in, host));
    const cl_mem from = bp__buffer_memory(in.buffer), to = bp__buffer_memory(out.buffer);
    const bp__arg args[] = {BP_ARG(to), BP_ARG(from)};
    BP_TRY_GOTO(bp__record_launch(&recorder, "gpu/probe.cl", options, "probe", args, BP_COUNT(args),
                                  &grid));
    BP_TRY_GOTO(bp__recorder_enqueue(&recorder, 1));
    BP_TRY_GOTO(bp__view_read(&engine->base, &out, host + count));
    BP_TRY_GOTO(compare(engine->device, t, host, host + count));
fail:
    bp__recorder_clear(&recorder);
    bp__buffer_free(&engine->base, in.buffer);
    bp__buffer_free(&engine->base, out.buffer);
    free(host);
    return status;
}

bp_status bp__probe_try(bp__device_engine *engine, bp__probe probe, unsigned words)
{
    char options[BP__PROBE_OPTIONS];
    const trial t = {.probe = probe, .words = words};
    return run(engine, &t, bp__probe_options(options, probe, words));
}

bp_status bp__probe_try_units(bp__device_engine *engine, const bp__matrix_units *units,
                              int32_t precision, bool stand_in)
{
    char units_options[BP__UNITS_OPTIONS], options[BP__PROBE_OPTIONS + BP__UNITS_OPTIONS];
    char common[BP__PROBE_OPTIONS];
    const trial t = {.probe = BP__PROBE_UNITS, .units = units, .precision = precision};
    snprintf(options, sizeof options, "%s %s", bp__probe_options(common, BP__PROBE_UNITS, 0),
             bp__matrix_units_options(units_options, units, precision, stand_in));
    return run(engine, &t, options);
}
