/* engine.c - the engine of a device, whatever it is. */
#include "ops/engine.h"

#include "ops/launchers.h"
#include "reference/reference.h"

bp_status bp__engine_create(bp__engine **out, bp_device *device, int32_t gemm)
{
    *out = NULL;
    if (!bp_gemm_name(gemm))
        return bp__fail(BP_ERROR_ARGUMENT, "unknown GEMM backend %d", (int)gemm);
    if (!device->is_reference) return bp__device_engine_create(out, device, gemm);
    if (gemm != BP_GEMM_AUTO && gemm != BP_GEMM_NATIVE)
        return bp__fail(BP_ERROR_UNSUPPORTED, "the reference has no GEMM backend \"%s\"",
                        bp_gemm_name(gemm));
    return bp__reference_engine_create(out);
}
