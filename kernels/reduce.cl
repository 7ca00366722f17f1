/* reduce.cl - sums over the rows of a batch, always in the same order, so that the same device gives
 * the same bits.
 *
 *   losses[step] = sum of row_loss[rows], hits[step] = sum of row_hits[rows], then step += 1
 *
 * One work-group of LOCAL work-items. Each adds every LOCAL-th element with Kahan's compensation (a
 * batch may be a whole data set), then a tree adds the work-items' sums. */
#pragma OPENCL FP_CONTRACT OFF

#include "group_sum.cl"

inline float sum_strided(__global const float *x, uint start, uint count)
{
    float sum = 0.0f, lost = 0.0f;
    for (uint i = start; i < count; i += LOCAL) {
        const float add = x[i] - lost;
        const float next = sum + add;
        lost = (next - sum) - add;
        sum = next;
    }
    return sum;
}

__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
reduce_loss(__global float *losses, const ulong losses_offset, __global float *hits,
            const ulong hits_offset, __global const float *row_loss, const ulong row_loss_offset,
            __global const float *row_hits, const ulong row_hits_offset, const uint rows,
            __global int *step, const ulong step_offset)
{
    const uint item = get_local_id(0);
    __local float sums[LOCAL];
    const float loss = group_sum(sum_strided(row_loss + row_loss_offset, item, rows), sums, item);
    const float hit = group_sum(sum_strided(row_hits + row_hits_offset, item, rows), sums, item);
    if (item == 0) {
        const int now = step[step_offset];
        losses[losses_offset + now] = loss;
        hits[hits_offset + now] = hit;
        step[step_offset] = now + 1;
    }
}
