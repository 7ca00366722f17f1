/* gpu_registers.h - how much a work-item of a kernel for GPUs may keep in registers. */
#ifndef BP_OPS_GPU_REGISTERS_H
#define BP_OPS_GPU_REGISTERS_H

#include "opencl/device.h"

/* Whether a work-item that keeps `kept` numbers of 32 bits in registers all along, in a kernel that
 * works on them with addresses and operands of its own, fits the device. NVIDIA's and AMD's
 * processors have 255 registers and more for a work-item, Intel's 128 in the narrowest sub-group.
 */
bool bp__gpu_registers_fit(const bp_device *device, size_t kept);

/* " -DBP_SUBGROUP=8" for kernels that include gpu/subgroup.cl; "" where the width of a sub-group is
 * not the number of registers' concern. */
enum { BP__SUBGROUP_OPTION = 32 };
const char *bp__gpu_subgroup_option(char text[BP__SUBGROUP_OPTION], const bp_device *device);

#endif
