/* average.cl - exponential moving averages of parameters, element by element:
 *
 *   average += share (parameter - average)
 *
 * share: of the step just done, the host's. */
#include "hyper.cl"
#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

/* One work-item BP_VW elements; the arenas are padded to that. */
__kernel void average(__global float *averages, const ulong a_offset,
                      __global const float *parameters, const ulong p_offset,
                      __global const float *hyper, const ulong h_offset, __global const int *step,
                      const ulong s_offset)
{
    const size_t i = get_global_id(0);
    const float share = HYPER_ROW(hyper + h_offset, step[s_offset] - 1)[HYPER_AVERAGE];
    const vec a = VLOAD(i, averages + a_offset), w = VLOAD(i, parameters + p_offset);
    VSTORE(a + share * (w - a), i, averages + a_offset);
}
