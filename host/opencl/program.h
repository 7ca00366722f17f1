/* program.h - kernel sources, and the programs that are built from them, once per device. */
#ifndef BP_OPENCL_PROGRAM_H
#define BP_OPENCL_PROGRAM_H

#include "opencl/device.h"

/* The program made of kernels/<file> with these compiler options. #include "x.cl" lines are
 * resolved among the embedded files. Built at the first call and kept by the device. BP_KERNEL_DIR
 * in the environment names a folder whose files take the place of the embedded ones.
 * Errors: BP_ERROR_BUILD with the build log. */
bp_status bp__program_get(cl_program *out, bp_device *device, const char *file,
                          const char *options);

void bp__programs_free(bp_device *device);

/* A hash of all kernel files as they would be built now. One that cannot be read counts as empty.
 */
uint64_t bp__kernels_hash(void);

#endif
