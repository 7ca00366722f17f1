/* matrix_units.c - tries a device's matrix units; bp_device_set_precision. */
#include "ops/matrix_units.h"

#include <stdlib.h>
#include <string.h>

#include "ops/probe.h"

/* The instructions of NVIDIA's that are used are those of 8.0 and later. */
enum { LEAST_CAPABILITY = 80 };

#define REMEDY "take another device, or products in fp32 by another backend than matrix"

bool bp__matrix_stand_in(void)
{
    const char *value = getenv("BP_MATRIX_STAND_IN");
    return value && *value && strcmp(value, "0") != 0;
}

/* One product of two fragments, against what it should be. */
static bp_status try_units(bp_device *device, int32_t precision)
{
    const bp__probe probe =
        precision == BP_PRECISION_BF16 ? BP__PROBE_MMA_BF16 : BP__PROBE_MMA_TF32;
    bp__engine *engine = NULL;
    BP_TRY(bp__device_engine_create(&engine, device, BP_GEMM_GPU));
    bp_status status = bp__probe_try((bp__device_engine *)engine, probe, !bp__matrix_stand_in(), 0);
    bp__engine_free(engine);
    return status;
}

bp_status bp__matrix_units_need(bp_device *device, int32_t precision)
{
    const char *name = bp_precision_name(precision);
    if (!device->is_reference && device->units[precision] > 0) return BP_OK;
    const unsigned capability = device->is_reference ? 0 : bp__compute_capability(device);
    if (device->is_reference || (capability < LEAST_CAPABILITY && !bp__matrix_stand_in()))
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "%s has no matrix units that are used here for %s products, which are "
                        "NVIDIA's of compute capability 8.0 and later: " REMEDY,
                        device->info.name, name);
    if (device->units[precision] < 0)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "the matrix units of %s were tried and do not work in %s: " REMEDY,
                        device->info.name, name);
    const bp_status status = try_units(device, precision);
    if (status == BP_ERROR_UNSUPPORTED || status == BP_ERROR_BUILD) {
        device->units[precision] = -1;
        return bp__fail_context(BP_ERROR_UNSUPPORTED,
                                "the matrix units do not work in %s (" REMEDY ")", name);
    }
    if (status == BP_OK) device->units[precision] = 1;
    return status;
}

bool bp__matrix_units_are_there(bp_device *device, int32_t precision)
{
    bp__hold_error(true);
    const bool there = bp__matrix_units_need(device, precision) == BP_OK;
    bp__hold_error(false);
    return there;
}

bp_status bp_device_set_precision(bp_device *device, int32_t precision)
{
    if (!device || !bp_precision_name(precision))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_device_set_precision: a device and a precision are needed, not %d",
                        (int)precision);
    if (precision != BP_PRECISION_FP32) BP_TRY(bp__matrix_units_need(device, precision));
    device->precision = precision;
    return BP_OK;
}

int32_t bp_device_get_precision(const bp_device *device)
{
    return device ? device->precision : BP_PRECISION_FP32;
}
