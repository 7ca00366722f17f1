/* matrix_units.h - whether a device multiplies small matrices by units of their own, and in which
 * precisions. */
#ifndef BP_OPS_MATRIX_UNITS_H
#define BP_OPS_MATRIX_UNITS_H

#include "opencl/device.h"

/* BP_OK where products of this precision can be computed by the device's matrix units; tried out on
 * the device, once. Else BP_ERROR_UNSUPPORTED says why not, and what to do. fp32 is for products of
 * numbers in two parts. */
bp_status bp__matrix_units_need(bp_device *device, int32_t precision);

/* The same as an answer. */
bool bp__matrix_units_are_there(bp_device *device, int32_t precision);

/* Whether units are stood in for by OpenCL C, on any device: the environment has
 * BP_MATRIX_STAND_IN. It is slow, and for tests: all else around the units is the same. */
bool bp__matrix_stand_in(void);

#endif
