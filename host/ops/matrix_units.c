/* matrix_units.c - knows devices' matrix units and tries them; bp_device_set_precision. */
#include "ops/matrix_units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/probe.h"

#define REMEDY "take another device, or products in fp32 by another backend than matrix"

/* ---- Whose there are ------------------------------------------------------------------------- */

static bool are_nvidias(const bp_device *device)
{
    enum { LEAST_CAPABILITY = 80 };
    return bp__compute_capability(device) >= LEAST_CAPABILITY;
}

/* AMD's own driver calls a device by its processor: "gfx90a:sramecc+:xnack-". */
static bool is_processor(const bp_device *device, const char *const *beginnings)
{
    if (!bp__device_extends(device, "cl_amd_device_attribute_query")) return false;
    for (; *beginnings; ++beginnings)
        if (strncmp(device->info.name, *beginnings, strlen(*beginnings)) == 0) return true;
    return false;
}

static bool are_mfma(const bp_device *device)
{
    return is_processor(device, (const char *const[]){"gfx908", "gfx90a", "gfx94", "gfx950", NULL});
}

static bool are_wmma(const bp_device *device)
{
    return is_processor(device, (const char *const[]){"gfx11", NULL});
}

static bool are_wmma_4(const bp_device *device)
{
    return is_processor(device, (const char *const[]){"gfx1200", "gfx1201", NULL});
}

/* Intel's are as wide as the narrowest sub-group. */
static bool are_intels(const bp_device *device, unsigned lanes)
{
    return device->subgroup == lanes &&
           bp__device_extends(device, "cl_intel_subgroup_matrix_multiply_accumulate");
}

static bool are_dpas_8(const bp_device *device)
{
    return are_intels(device, 8);
}

static bool are_dpas_16(const bp_device *device)
{
    return are_intels(device, 16);
}

/* BP_UNITS is the number in this list, from 1. */
static const bp__matrix_units kinds[] = {
    {"mma", "NVIDIA's", 32, 16, 8, {8, 8, 8}, 6 * 32, are_nvidias},
    {"mfma", "AMD's MFMA", 64, 16, 16, {4, 0, 8}, 4 * 64, are_mfma},
    {"wmma", "AMD's WMMA", 32, 16, 16, {0, 0, 8}, 16 * 32, are_wmma},
    {"wmma4", "AMD's WMMA of RDNA 4", 32, 16, 16, {0, 0, 8}, 8 * 32, are_wmma_4},
    {"dpas8", "Intel's, of sub-groups of 8", 8, 8, 8, {0, 0, 8}, 16 * 8, are_dpas_8},
    {"dpas16", "Intel's, of sub-groups of 16", 16, 8, 16, {8, 8, 8}, 16 * 16, are_dpas_16},
};

const bp__matrix_units *bp__matrix_units_all(size_t *count)
{
    *count = BP_COUNT(kinds);
    return kinds;
}

static const char *stand_in(void)
{
    const char *value = getenv("BP_MATRIX_STAND_IN");
    return value && *value && strcmp(value, "0") != 0 ? value : NULL;
}

static const bp__matrix_units *look_for(const bp_device *device, const char *name)
{
    if (device->is_reference) return NULL;
    if (name && strcmp(name, "1") == 0) return kinds;
    for (size_t i = 0; i < BP_COUNT(kinds); ++i)
        if (name ? strcmp(name, kinds[i].name) == 0 : kinds[i].are_in(device)) return &kinds[i];
    return NULL;
}

const bp__matrix_units *bp__matrix_units_of(bp_device *device)
{
    if (!device->units_known) {
        device->units = look_for(device, stand_in());
        device->units_stand_in = stand_in() != NULL;
        device->units_known = true;
        memset(device->units_work, 0, sizeof device->units_work);
    }
    return device->units;
}

const char *bp__matrix_units_options(char text[BP__UNITS_OPTIONS], const bp__matrix_units *units,
                                     int32_t precision, bool stand_in)
{
    snprintf(text, BP__UNITS_OPTIONS, "-DBP_UNITS=%d -DBP_PRODUCTS=%d -DBP_STAND_IN=%d",
             (int)(units - kinds) + 1, (int)precision, stand_in);
    return text;
}

/* ---- Whether they work ----------------------------------------------------------------------- */

/* The precisions that units have, as a list. */
static void list_precisions(char text[32], const bp__matrix_units *units)
{
    size_t used = 0;
    for (int32_t p = 0; bp_precision_name(p); ++p)
        if (units->depth[p])
            used += (size_t)snprintf(text + used, 32 - used, "%s%s", used ? ", " : "",
                                     bp_precision_name(p));
}

static bp_status refuse(const bp_device *device, const bp__matrix_units *units, int32_t precision)
{
    const char *name = bp_precision_name(precision);
    char list[32] = "";
    if (units) {
        list_precisions(list, units);
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "the matrix units of %s (%s) have no %s products, only %s: " REMEDY,
                        device->info.name, units->whose, name, list);
    }
    if (!device->is_reference && stand_in()) {
        char names[64] = "";
        for (size_t i = 0; i < BP_COUNT(kinds); ++i)
            snprintf(names + strlen(names), sizeof names - strlen(names), ", %s", kinds[i].name);
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "BP_MATRIX_STAND_IN in the environment is \"%s\", not 1%s: take one of "
                        "these, or unset it",
                        stand_in(), names);
    }
    return bp__fail(
        BP_ERROR_UNSUPPORTED,
        "%s has no matrix units that are used here for %s products, which are NVIDIA's "
        "of compute capability 8.0 and later, AMD's MFMA and WMMA, and Intel's XMX: " REMEDY,
        device->info.name, name);
}

/* One product of two fragments, against what it should be. */
static bp_status try_units(bp_device *device, const bp__matrix_units *units, int32_t precision)
{
    bp__engine *engine = NULL;
    BP_TRY(bp__device_engine_create(&engine, device, BP_GEMM_GPU));
    bp_status status =
        bp__probe_try_units((bp__device_engine *)engine, units, precision, device->units_stand_in);
    bp__engine_free(engine);
    return status;
}

bp_status bp__matrix_units_need(bp_device *device, int32_t precision)
{
    const char *name = bp_precision_name(precision);
    const bp__matrix_units *units = bp__matrix_units_of(device);
    if (!units || !units->depth[precision]) return refuse(device, units, precision);
    if (device->units_work[precision] > 0) return BP_OK;
    if (device->units_work[precision] < 0)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "the matrix units of %s were tried and do not work in %s: " REMEDY,
                        device->info.name, name);
    const bp_status status = try_units(device, units, precision);
    if (status == BP_ERROR_UNSUPPORTED || status == BP_ERROR_BUILD) {
        device->units_work[precision] = -1;
        return bp__fail_context(BP_ERROR_UNSUPPORTED,
                                "the matrix units do not work in %s (" REMEDY ")", name);
    }
    if (status == BP_OK) device->units_work[precision] = 1;
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
