/* gpu/small_steps.cl - many training steps of a small network in one launch, for GPUs: one
 * work-group does them all. Weights stay in its local memory, each work-item's part of the moments in
 * its registers; the samples of the next chunk are on their way while one is worked on. */
#include "gpu/step.cl"

__kernel BP_NARROW __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
small_steps_gpu(const uint count, BATCH_PARAMETERS(restrict), __global float *restrict parameters,
            __global float *restrict gradients, __global float *restrict moment1,
            __global float *restrict moment2, __global const float *restrict hyper,
            __global int *restrict step, __global float *restrict losses,
            const ulong losses_offset, __global float *restrict hits, const ulong hits_offset,
            const float momentum, const float beta1, const float beta2, const float epsilon,
            const float decay, const float l2, const float l1, const float clip)
{
    const uint item = get_local_id(0);
    __local float4 units[UNITS * PITCH], deltas[DELTAS * PITCH], w[OWN];
    __local float row_losses[CHUNK], row_hits[CHUNK];
    float4 gradient[BLOCKS_EACH][4], m[BLOCKS_EACH][4], v[BLOCKS_EACH][4];
    float next[LOADS];
    const uint first = (uint)step[0];
    begin(units, deltas, item);
#pragma unroll
    for (uint j = 0; j < BLOCKS_EACH; ++j) {
        if (renewed(item) + j * ITEMS >= BLOCKS) continue;
        const block b = block_of(renewed(item) + j * ITEMS);
#pragma unroll
        for (uint r = 0; r < 4; ++r) {
            w[b.own + r * b.cols] = load_row(parameters, &b, r);
            m[j][r] = MOMENT1 ? load_row(moment1, &b, r) : (float4)(0.0f);
            v[j][r] = MOMENT2 ? load_row(moment2, &b, r) : (float4)(0.0f);
        }
    }
    fetch(next, item, first, 0, BATCH);
    put(units, next, item);
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); /* the step counter has been read, too */

    update_numbers u = UPDATE_NUMBERS(1.0f);
    for (uint now = first; now < first + count; ++now) {
        const uint me = renewed_in(item, now);
        float loss = 0.0f, hit = 0.0f;
        update_set_hyper(&u, HYPER_ROW(hyper, now));
        clear(gradient);
        for (uint chunk = 0; chunk < ROWS; chunk += CHUNK) {
            const bool last = chunk + CHUNK >= ROWS;
            const uint then = last ? now + 1 : now;
            if (then < first + count) fetch(next, me, then, last ? 0 : chunk + CHUNK, BATCH);
            pass(units, deltas, row_losses, row_hits, w, me, min((uint)CHUNK, ROWS - chunk),
                 scale, share, on, off, parameter);
            add_losses(&loss, &hit, row_losses, row_hits, me);
            sum_gradients(gradient, units, deltas, me);
#pragma unroll
            for (uint j = 0; j < BLOCKS_EACH; ++j) {
                if (!last || renewed(me) + j * ITEMS >= BLOCKS) continue;
                const block b = block_of(renewed(me) + j * ITEMS);
#pragma unroll
                for (uint r = 0; r < 4; ++r) {
                    float4 value = w[b.own + r * b.cols];
                    BP_UPDATE(OPTIMIZER)
                    (&value, &m[j][r], &v[j][r], shaped(gradient[j][r], value, &u), &u);
                    w[b.own + r * b.cols] = value;
                }
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            put(units, next, me);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        if (renewed(me) == 0) {
            losses[losses_offset + now] = loss;
            hits[hits_offset + now] = hit;
        }
    }

#pragma unroll
    for (uint j = 0; j < BLOCKS_EACH; ++j) {
        if (renewed(item) + j * ITEMS >= BLOCKS) continue;
        const block b = block_of(renewed(item) + j * ITEMS);
#pragma unroll
        for (uint r = 0; r < 4; ++r) {
            store_row(parameters, &b, r, w[b.own + r * b.cols]);
            if (STORE_GRADIENTS) store_row(gradients, &b, r, gradient[j][r]);
            if (MOMENT1) store_row(moment1, &b, r, m[j][r]);
            if (MOMENT2) store_row(moment2, &b, r, v[j][r]);
        }
    }
    if (renewed(item) == 0) step[0] = (int)(first + count);
}
