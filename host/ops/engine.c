/* engine.c - the engine of a device, whatever it is. */
#include "ops/engine.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ops/launchers.h"
#include "ops/matrix_units.h"
#include "reference/reference.h"

/* Below fp32 all products are computed by matrix units. */
static bp_status take_precision(int32_t *gemm, bp_device *device)
{
    const bool ours = *gemm == BP_GEMM_AUTO || *gemm == BP_GEMM_NATIVE || *gemm == BP_GEMM_MATRIX;
    if (device->precision != BP_PRECISION_FP32 && !ours)
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "the GEMM backend \"%s\" multiplies in fp32, not in %s: leave out one of "
                        "the two",
                        bp_gemm_name(*gemm), bp_precision_name(device->precision));
    if (device->precision != BP_PRECISION_FP32) *gemm = BP_GEMM_MATRIX;
    return *gemm == BP_GEMM_MATRIX ? bp__matrix_units_need(device, device->precision) : BP_OK;
}

bp_status bp__engine_create(bp__engine **out, bp_device *device, int32_t gemm)
{
    *out = NULL;
    if (!bp_gemm_name(gemm))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown GEMM backend %d", (int)gemm);
    if (!device->is_reference) {
        BP_TRY(take_precision(&gemm, device));
        return bp__device_engine_create(out, device, gemm);
    }
    if (gemm != BP_GEMM_AUTO && gemm != BP_GEMM_NATIVE)
        return bp__fail(BP_ERROR_UNSUPPORTED, "the reference has no GEMM backend \"%s\"",
                        bp_gemm_name(gemm));
    return bp__reference_engine_create(out);
}

bool bp__has_doubles(const bp__engine *engine)
{
    return bp__is_reference(engine);
}

bp_status bp__read_doubles(double **out, bp__engine *engine, const bp__view *view)
{
    size_t count;
    float *values = NULL;
    *out = NULL;
    if (!bp__mul_size(&count, view->rows, view->columns)) return bp__fail_memory(SIZE_MAX);
    BP_TRY(bp__new_array(out, count, sizeof **out));
    if (bp__is_reference(engine)) {
        const double *numbers = bp__reference_numbers(view->buffer) + view->offset;
        for (size_t i = 0; i < count; ++i)
            (*out)[i] = numbers[i / view->columns * view->stride + i % view->columns];
        return BP_OK;
    }
    bp_status status = bp__new_array(&values, count, sizeof *values);
    if (status == BP_OK) status = bp__view_read(engine, view, values);
    for (size_t i = 0; i < count && status == BP_OK; ++i) (*out)[i] = (double)values[i];
    free(values);
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

bp_status bp__write_doubles(bp__engine *engine, const bp__view *view, const double *values)
{
    const size_t count = view->rows * view->columns;
    if (bp__is_reference(engine)) {
        double *numbers = bp__reference_numbers(view->buffer) + view->offset;
        for (size_t i = 0; i < count; ++i)
            numbers[i / view->columns * view->stride + i % view->columns] = values[i];
        return BP_OK;
    }
    float *rounded = NULL;
    BP_TRY(bp__new_array(&rounded, count, sizeof *rounded));
    for (size_t i = 0; i < count; ++i) rounded[i] = (float)values[i];
    bp_status status = bp__view_write(engine, view, rounded);
    free(rounded);
    return status;
}
