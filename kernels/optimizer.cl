/* optimizer.cl - the update of all parameters in one launch; formulas in update.cl. */
#include "update.cl"

#ifndef OPTIMIZER
#error "OPTIMIZER must be defined"
#endif

/* One work-item BP_VW elements; the arena is padded to that. hyper: the row of the step
 * just done, step - 1, is taken. HAS_FACTOR: the gradients are multiplied by *factor. Unused moments
 * and the factor, where there is none, alias the gradients. */
__kernel void optimizer(__global float *parameters, const ulong p_offset,
                        __global const float *gradients, const ulong g_offset,
                        __global float *moment1, const ulong m1_offset,
                        __global float *moment2, const ulong m2_offset,
                        __global const float *hyper, const ulong h_offset,
                        __global const int *step, const ulong s_offset,
                        __global const float *factor, const ulong f_offset, const float momentum,
                        const float beta1, const float beta2, const float epsilon,
                        const float decay, const float l2, const float l1, const float clip)
{
    const size_t i = get_global_id(0);
    update_numbers u = UPDATE_NUMBERS(HAS_FACTOR ? factor[f_offset] : 1.0f);
    update_set_hyper(&u, HYPER_ROW(hyper + h_offset, step[s_offset] - 1));
    BP_UPDATE_AT(OPTIMIZER)(i * BP_VW, parameters + p_offset, moment1 + m1_offset,
                            moment2 + m2_offset, VLOAD(i, gradients + g_offset), &u);
}
