/* gpu/sliced_step.cl - a training step of a network of medium size in two launches, for GPUs.
 *
 *   sliced_pass     GROUPS work-groups take every GROUPS-th chunk of the batch: forward, loss,
 *                   backward, and the gradient of those samples, to
 *                   partials[group][block of weights][4] (float4) and sums[group] = {loss, hits}
 *   sliced_update   adds the groups' gradients in their order, and updates; a work-item a row of a
 *                   block
 *
 * The step counter is read by all groups of the one and advanced by the other, through a copy:
 * nobody knows who is first within a launch. */
#include "gpu/step.cl"

#define PARTIAL(group, block) partials[((ulong)(group)*BLOCKS + (block)) * 4]

__kernel BP_NARROW __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
sliced_pass(BATCH_PARAMETERS(restrict), __global const float *restrict parameters,
            __global const int *restrict step, __global float4 *restrict partials,
            __global float2 *restrict sums, __global int *restrict step_copy)
{
    const uint item = get_local_id(0), group = get_group_id(0);
    __local float4 units[UNITS * PITCH], deltas[DELTAS * PITCH];
    __local float row_losses[CHUNK], row_hits[CHUNK];
    float4 gradient[BLOCKS_EACH][4];
    float next[LOADS];
    const uint now = (uint)step[0];
    begin(units, deltas, item);
#if WEIGHTS_LOCAL
    __local float4 w[OWN];
    for (uint t = renewed(item); t < BLOCKS; t += ITEMS) {
        const block b = block_of(t);
#pragma unroll
        for (uint r = 0; r < 4; ++r) w[b.own + r * b.cols] = load_row(parameters, &b, r);
    }
#else
    __global const float *w = parameters;
#endif
    float2 sum = (float2)(0.0f);
    clear(gradient);
    fetch(next, item, now, group * CHUNK, BATCH);
    for (uint chunk = group * CHUNK; chunk < ROWS; chunk += GROUPS * CHUNK) {
        float loss = 0.0f, hit = 0.0f;
        put(units, next, item);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch(next, item, now, chunk + GROUPS * CHUNK, BATCH);
        pass(units, deltas, row_losses, row_hits, w, item, min((uint)CHUNK, ROWS - chunk), scale,
             share, on, off, parameter);
        add_losses(&loss, &hit, row_losses, row_hits, item);
        sum += (float2)(loss, hit);
        sum_gradients(gradient, units, deltas, item);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#pragma unroll
    for (uint j = 0; j < BLOCKS_EACH; ++j)
#pragma unroll
        for (uint r = 0; r < 4; ++r)
            if (renewed(item) + j * ITEMS < BLOCKS) (&PARTIAL(group, renewed(item) + j * ITEMS))[r] = gradient[j][r];
    if (renewed(item) == 0) sums[group] = sum;
    if (renewed(item) == 0 && group == 0) step_copy[0] = (int)now;
}

__kernel void sliced_update(__global float *restrict parameters, __global float *restrict gradients,
                            __global float *restrict moment1, __global float *restrict moment2,
                            __global const float *restrict hyper, __global int *restrict step,
                            __global float *restrict losses, const ulong losses_offset,
                            __global float *restrict hits, const ulong hits_offset,
                            __global const float4 *restrict partials,
                            __global const float2 *restrict sums,
                            __global const int *restrict step_copy, const float momentum,
                            const float beta1, const float beta2, const float epsilon,
                            const float decay, const float l2, const float l1, const float clip)
{
    const uint t = get_global_id(0), r = t % 4;
    const uint now = (uint)step_copy[0];
    update_numbers u = UPDATE_NUMBERS(1.0f);
    update_set_hyper(&u, HYPER_ROW(hyper, now));
    const block b = block_of(t / 4);
    float4 g = (float4)(0.0f), value = load_row(parameters, &b, r), m = g, v = g;
    if (MOMENT1) m = load_row(moment1, &b, r);
    if (MOMENT2) v = load_row(moment2, &b, r);
    for (uint group = 0; group < GROUPS; ++group) g += (&PARTIAL(group, t / 4))[r];
    if (STORE_GRADIENTS) store_row(gradients, &b, r, g);
    BP_UPDATE(OPTIMIZER)(&value, &m, &v, shaped(g, value, &u), &u);
    store_row(parameters, &b, r, value);
    if (MOMENT1) store_row(moment1, &b, r, m);
    if (MOMENT2) store_row(moment2, &b, r, v);
    if (t > 0) return;
    float2 sum = (float2)(0.0f);
    for (uint group = 0; group < GROUPS; ++group) sum += sums[group];
    losses[losses_offset + now] = sum.x;
    hits[hits_offset + now] = sum.y;
    step[0] = (int)now + 1;
}
