/* probe.h - what a device can do beyond OpenCL 1.2's promises, found out by trying: kernels of
 * gpu/probe.cl, built, run and their results compared. */
#ifndef BP_OPS_PROBE_H
#define BP_OPS_PROBE_H

#include "ops/launchers.h"
#include "ops/matrix_units.h"

/* X(NAME, name, needs PTX), in the order of gpu/probe.cl. */
#define BP_PROBES(X)                                                                               \
    X(NOTHING, "launch", false)                                                                    \
    X(LOCAL, "local_memory", false)                                                                \
    X(UNITS, "matrix", false)                                                                      \
    X(SHUFFLE, "shfl_sync", true)                                                                  \
    X(ASYNC_COPY, "cp_async", true)                                                                \
    X(LDMATRIX, "ldmatrix", true)

typedef enum bp__probe {
#define BP_PROBE_ENUM(NAME, name, ptx) BP__PROBE_##NAME,
    BP_PROBES(BP_PROBE_ENUM)
#undef BP_PROBE_ENUM
        BP__PROBES
} bp__probe;

const char *bp__probe_name(bp__probe probe);
bool bp__probe_needs_ptx(bp__probe probe);

/* Whether the driver says that it is NVIDIA's (cl_nv_device_attribute_query): only there is inline
 * PTX tried; on other devices a compiler might not survive it. */
bool bp__probe_takes_ptx(const bp_device *device);

/* NVIDIA's compute capability, 90 for 9.0; 0 where the driver does not tell. */
unsigned bp__compute_capability(const bp_device *device);

/* Builds and runs a probe, not BP__PROBE_UNITS; words: of local memory, of BP__PROBE_LOCAL (else
 * 0). BP_OK where it was built, ran and gave the right numbers; else an error that says what was
 * wrong. */
bp_status bp__probe_try(bp__device_engine *engine, bp__probe probe, unsigned words);

/* The same of one product of matrix units in a precision that they have; stand_in: in OpenCL C. */
bp_status bp__probe_try_units(bp__device_engine *engine, const bp__matrix_units *units,
                              int32_t precision, bool stand_in);

/* The compiler options of a probe, not BP__PROBE_UNITS. */
enum { BP__PROBE_OPTIONS = 96 };
const char *bp__probe_options(char text[BP__PROBE_OPTIONS], bp__probe probe, unsigned words);

#endif
