/* engine.h - the engine of a device, whatever it is. */
#ifndef BP_OPS_ENGINE_H
#define BP_OPS_ENGINE_H

#include "base/operation.h"

/* gemm is a BP_GEMM_* code; the reference has one way only and takes BP_GEMM_AUTO and
 * BP_GEMM_NATIVE (BP_ERROR_UNSUPPORTED for the others). */
bp_status bp__engine_create(bp__engine **out, bp_device *device, int32_t gemm);

/* Whether the engine's numbers are doubles, and not floats. */
bool bp__has_doubles(const bp__engine *engine);

/* A view's numbers, row by row without gaps, as doubles: the reference has no others, and those of
 * a device fit into them. read allocates *out. */
bp_status bp__read_doubles(double **out, bp__engine *engine, const bp__view *view);
bp_status bp__write_doubles(bp__engine *engine, const bp__view *view, const double *values);

#endif
