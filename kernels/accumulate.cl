/* accumulate.cl - gradients of the batches of a group, element by element: added up, and with the last
 * batch made those of all rows. Formulas in host/base/operation.h.
 *
 * ENDS 1: for the last batch. */
#include "hyper.cl"
#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

#ifndef ENDS
#error "ENDS must be defined"
#endif

/* One work-item BP_VW elements; the arenas are padded to that. */
__kernel void accumulate(__global float *sums, const ulong sums_offset, __global float *gradients,
                         const ulong g_offset, __global const float *hyper, const ulong h_offset,
                         __global const int *step, const ulong s_offset)
{
    const size_t i = get_global_id(0);
    const vec sum = VLOAD(i, sums + sums_offset) + VLOAD(i, gradients + g_offset);
#if ENDS
    const float share = HYPER_ROW(hyper + h_offset, step[s_offset] - 1)[HYPER_SHARE];
    VSTORE(share * sum, i, gradients + g_offset);
    VSTORE((vec)(0.0f), i, sums + sums_offset);
#else
    VSTORE(sum, i, sums + sums_offset);
#endif
}
