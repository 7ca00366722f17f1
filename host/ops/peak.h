/* peak.h - what an OpenCL device can do at best, measured. */
#ifndef BP_OPS_PEAK_H
#define BP_OPS_PEAK_H

#include "backprop_measure.h"
#include "base/operation.h"

/* engine is a device engine, not the reference's; the kernels are those that suit it, for CPUs or
 * for GPUs. The best of several runs. */
bp_status bp__peak_measure(bp_device_peak *out, bp__engine *engine);

#endif
