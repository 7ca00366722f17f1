/* matrix_units.h - whether a device multiplies small matrices by units of their own, whose they are
 * and in which precisions. */
#ifndef BP_OPS_MATRIX_UNITS_H
#define BP_OPS_MATRIX_UNITS_H

#include "opencl/device.h"

/* What kernels/gpu/mma.cl has of them. */
typedef struct bp__matrix_units {
    const char *name;  /* "mma" */
    const char *whose; /* "NVIDIA's" */
    unsigned lanes;    /* work-items of a sub-group */
    unsigned m, n;     /* results of a product */
    unsigned depth[3]; /* by precision, words along the sum; 0 where they have no such products */
    unsigned room;     /* words of local memory a sub-group needs where they are stood in for */
    bool (*are_in)(const bp_device *device);
} bp__matrix_units;

/* All that there are. */
const bp__matrix_units *bp__matrix_units_all(size_t *count);

/* Those of the device; NULL where it has none that are used here. BP_MATRIX_STAND_IN in the
 * environment is the name of some that OpenCL C stands in for on any device, or 1, the first
 * (device->units_stand_in): it is slow, and for tests, since all else around the units is the same.
 * Looked for once. */
const bp__matrix_units *bp__matrix_units_of(bp_device *device);

/* "-DBP_UNITS=1 -DBP_PRODUCTS=0 -DBP_STAND_IN=0" */
enum { BP__UNITS_OPTIONS = 64 };
const char *bp__matrix_units_options(char text[BP__UNITS_OPTIONS], const bp__matrix_units *units,
                                     int32_t precision, bool stand_in);

/* BP_OK where products of this precision can be computed by the device's matrix units; tried out on
 * the device, once. Else BP_ERROR_UNSUPPORTED says why not, and what to do. */
bp_status bp__matrix_units_need(bp_device *device, int32_t precision);

/* The same as an answer. */
bool bp__matrix_units_are_there(bp_device *device, int32_t precision);

#endif
