/* gpu_steps.h - how a GPU does whole training steps: one struct, from which the compiler's options,
 * the grid and the needs come. */
#ifndef BP_OPS_GPU_STEPS_H
#define BP_OPS_GPU_STEPS_H

#include "ops/training_step.h"

/* Work-groups of `items` work-items, each with `chunk` samples at a time. groups 0: one group does
 * many steps in one launch (kernels/gpu/small_steps.cl); else so many do one step in two launches
 * (kernels/gpu/sliced_step.cl), with the weights in local memory or from where they are. */
typedef struct bp__gpu_steps {
    unsigned items, chunk, groups;
    bool weights_local;
} bp__gpu_steps;

/* "one group of 64, 32 samples", "8 groups of 256, 16 samples, weights in local memory" */
enum { BP__GPU_STEPS_TEXT = 80 };
const char *bp__gpu_steps_describe(char text[BP__GPU_STEPS_TEXT], const bp__gpu_steps *steps);

/* Whether the step is one that the kernels can do in this way on the device: its work-groups, its
 * local memory, and what a work-item keeps in registers. */
bool bp__gpu_steps_fits(const bp__gpu_steps *steps, const bp_device *device,
                        const bp__training_step *step);

/* Nanoseconds of a step, estimated. */
double bp__gpu_steps_nanoseconds(const bp__gpu_steps *steps, const bp__training_step *step);

/* Nanoseconds of the same step launch by launch, estimated. */
double bp__gpu_layers_nanoseconds(const bp_device *device, const bp__training_step *step);

/* The fastest that fits; items is 0 where none does. */
bp__gpu_steps bp__gpu_steps_choose(const bp_device *device, const bp__training_step *step);

#endif
