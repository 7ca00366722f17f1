/* engine.h - the engine of a device, whatever it is. */
#ifndef BP_OPS_ENGINE_H
#define BP_OPS_ENGINE_H

#include "base/operation.h"

/* gemm is a BP_GEMM_* code; the reference has one way only and takes BP_GEMM_AUTO and
 * BP_GEMM_NATIVE (BP_ERROR_UNSUPPORTED for the others). */
bp_status bp__engine_create(bp__engine **out, bp_device *device, int32_t gemm);

#endif
