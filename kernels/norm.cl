/* norm.cl - the norm of all gradients with the factor that brings it below a limit, and that of each
 * unit's weights. Formulas in host/base/operation.h. Sums have a fixed order.
 *
 * One work-group of LOCAL work-items for each chunk of gradients, one for all sums, and one for each
 * row of weights. */
#pragma OPENCL FP_CONTRACT OFF

#include "group_sum.cl"

/* sums[c] = sum of the squares of chunk c of x[count]. */
__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
squares(__global float *out, const ulong out_offset, __global const float *x, const ulong x_offset,
        const ulong count, const uint chunk)
{
    const uint item = get_local_id(0), group = get_group_id(0);
    const ulong first = (ulong)group * chunk;
    __local float sums[LOCAL];
    float sum = 0.0f;
    for (ulong i = first + item; i < first + chunk && i < count; i += LOCAL)
        sum += x[x_offset + i] * x[x_offset + i];
    sum = group_sum(sum, sums, item);
    if (item == 0) out[out_offset + group] = sum;
}

/* *factor = limit / (norm + 1e-6) where that is below 1, else 1; norm^2 = sum of squares[count]. */
__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
clip(__global float *factor, const ulong f_offset, __global const float *squares,
     const ulong s_offset, const uint count, const float limit)
{
    const uint item = get_local_id(0);
    __local float sums[LOCAL];
    float sum = 0.0f;
    for (uint i = item; i < count; i += LOCAL) sum += squares[s_offset + i];
    sum = group_sum(sum, sums, item);
    const float f = limit / (sqrt(sum) + 1e-6f);
    if (item == 0) factor[f_offset] = f < 1.0f ? f : 1.0f;
}

/* Row k of weights[][columns] times limit / its norm where that is above limit. norm - norm is 0, and
 * NaN where the squares overflow. */
__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
max_norm(__global float *weights, const ulong w_offset, const uint w_stride, const uint columns,
         const float limit)
{
    const uint item = get_local_id(0), k = get_group_id(0);
    __global float *row = weights + w_offset + (ulong)k * w_stride;
    __local float sums[LOCAL];
    float sum = 0.0f;
    for (uint c = item; c < columns; c += LOCAL) sum += row[c] * row[c];
    const float norm = sqrt(group_sum(sum, sums, item));
    if (norm > limit)
        for (uint c = item; c < columns; c += LOCAL) row[c] *= limit / norm + (norm - norm);
}
