/* loss_batch.cl - loss, last delta and the sums over the batch in one launch, for CPUs: one work-item
 * does what loss and reduce_loss do, for batches so small that a second launch costs more. */
#include "cpu/loss_lanes.cl"

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
loss_batch(const uint rows, const float scale, __global float *delta, const ulong delta_offset,
           const uint ldd, __global float *losses, const ulong losses_offset, __global float *hits,
           const ulong hits_offset, __global const float *output, const ulong output_offset,
           const uint ldo, __global const target_type *targets, const ulong t_offset,
           const uint ldt, __global int *step, const ulong step_offset)
{
    vec loss_sum = (vec)(0.0f), hit_sum = (vec)(0.0f);
    output += output_offset;
    delta += delta_offset;
    targets += t_offset;
    for (uint first = 0; first < rows; first += BP_VW) {
        uint row[BP_VW];
        const ivec real = batch_lanes(row, first, rows);
        vec o[LAST_OUTPUTS], d[LAST_OUTPUTS];
        for (uint k = 0; k < LAST_OUTPUTS; ++k) o[k] = column(output, row, ldo, k);
        loss_lanes(d, &loss_sum, &hit_sum, o, targets, ldt, row, real, scale);
#if HAS_DELTA
        const uint count = min((uint)BP_VW, rows - first);
        for (uint k = 0; k < LAST_OUTPUTS; ++k) {
            float lanes[BP_VW];
            VSTORE(d[k], 0, lanes);
            for (uint s = 0; s < count; ++s) delta[(ulong)(first + s) * ldd + k] = lanes[s];
        }
#endif
    }
    const int now = step[step_offset];
    losses[losses_offset + now] = add_lanes(loss_sum);
    hits[hits_offset + now] = add_lanes(hit_sum);
    step[step_offset] = now + 1;
}
