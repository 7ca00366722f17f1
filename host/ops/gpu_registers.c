/* gpu_registers.c - how much a work-item of a kernel for GPUs may keep in registers. */
#include "ops/gpu_registers.h"

#include <stdio.h>

/* Of a work-item, in words of 32 bits. A thread of Intel's has 128 registers as wide as the
 * narrowest sub-group. BESIDES is what a kernel needs besides what it keeps: of the kernels that
 * scripts/ptx-check compiles those that keep up to 64 words fit 128 registers, those that keep 76
 * and more do not. */
enum { MOST_WORDS = 255, THREAD_REGISTERS = 128, BESIDES = 64 };

bool bp__gpu_registers_fit(const bp_device *device, size_t kept)
{
    const size_t words = device->subgroup ? THREAD_REGISTERS : MOST_WORDS;
    return kept + BESIDES <= words;
}

const char *bp__gpu_subgroup_option(char text[BP__SUBGROUP_OPTION], const bp_device *device)
{
    text[0] = '\0';
    if (device->subgroup)
        snprintf(text, BP__SUBGROUP_OPTION, " -DBP_SUBGROUP=%u", device->subgroup);
    return text;
}
