/* small_steps.cl - many training steps of a small network in one launch, for CPUs.
 *
 * Where a step takes less than its launches, launches are all that one waits for. Here one work-item
 * does `count` whole steps: gather, forward, loss, effects, gradients, update, with parameters,
 * moments and activations in the first-level cache. The lanes of a vector are samples: a unit's net
 * input for BP_VW samples is one vector, weights are broadcast. The formulas and their order are
 * those of the plan (host/net/plan.c): all effects from the old weights, then the update.
 *
 * The host defines the network, layer l from 0:
 *   LAYERS; INPUTS_l, OUTPUTS_l, FUNCTION_l (activation's number), WEIGHTS_l, STRIDE_l, BIAS_l (places
 *   in the arenas; BIAS_l -1: none), UNITS_l (place of its outputs among all units; inputs are at 0),
 *   UNITS (all of them), MAX_WIDTH, LAST_OUTPUTS, LAST_FUNCTION, USED (floats of the arenas, a multiple of UPDATE_VW)
 * and ROWS (of the batch), PERIOD, LOSS, HAS_LABELS, HAS_GATHER, OPTIMIZER, UPDATE_VW. */
#include "cpu/loss_lanes.cl"
#include "cpu/sum_lanes.cl"
#include "optimizer.cl"

#ifndef LAYERS
#error "the network must be defined: see host/ops/small_steps.c"
#endif

/* z[o] = bias[o] + sum_i w[o][i] in[i], four outputs at a time: one chain of additions would wait for
 * itself. */
inline void net_inputs(vec *z, const vec *in, __global const float *w, uint stride, uint inputs,
                       uint outputs, __global const float *bias, bool has_bias)
{
    uint o = 0;
    for (; o + 4 <= outputs; o += 4) {
        vec sum[4];
#pragma unroll
        for (uint j = 0; j < 4; ++j) sum[j] = (vec)(has_bias ? bias[o + j] : 0.0f);
        for (uint i = 0; i < inputs; ++i)
#pragma unroll
            for (uint j = 0; j < 4; ++j)
                sum[j] = fma((vec)(w[(o + j) * stride + i]), in[i], sum[j]);
#pragma unroll
        for (uint j = 0; j < 4; ++j) z[o + j] = sum[j];
    }
    for (; o < outputs; ++o) {
        vec sum = (vec)(has_bias ? bias[o] : 0.0f);
        for (uint i = 0; i < inputs; ++i) sum = fma((vec)(w[o * stride + i]), in[i], sum);
        z[o] = sum;
    }
}

/* effect[i] = sum_o delta[o] w[o][i], four inputs at a time. */
inline void effects(vec *effect, const vec *delta, __global const float *w, uint stride, uint inputs,
                    uint outputs)
{
    for (uint i = 0; i < inputs; i += 4) {
        vec sum[4];
#pragma unroll
        for (uint j = 0; j < 4; ++j) sum[j] = (vec)(0.0f);
        for (uint o = 0; o < outputs; ++o)
#pragma unroll
            for (uint j = 0; j < 4; ++j) /* strides are padded: reading past inputs is allowed */
                sum[j] = fma((vec)(w[o * stride + i + j]), delta[o], sum[j]);
#pragma unroll
        for (uint j = 0; j < 4; ++j)
            if (i + j < inputs) effect[i + j] = sum[j];
    }
}

/* g[k] (+)= sum over the samples of factor * x[k], k < count; rows of g are padded to BP_VW. */
inline void sum_samples(__global float *g, vec factor, const vec *x, uint count, bool add)
{
    for (uint k = 0; k < count; k += BP_VW) {
        vec product[BP_VW];
#pragma unroll
        for (uint t = 0; t < BP_VW; ++t)
            product[t] = k + t < count ? factor * x[k + t] : (vec)(0.0f);
        vec sum = sum_lanes(product);
        if (add) sum += VLOAD(0, g + k);
        VSTORE(sum, 0, g + k);
    }
}

#define FORWARD(l, in)                                                                             \
    net_inputs(units + UNITS_##l, units + (in), parameters + WEIGHTS_##l, STRIDE_##l, INPUTS_##l,  \
               OUTPUTS_##l, parameters + (BIAS_##l < 0 ? 0 : BIAS_##l), BIAS_##l >= 0);            \
    for (uint o = 0; o < OUTPUTS_##l; ++o)                                                         \
        units[UNITS_##l + o] = BP_ACTIVATE(FUNCTION_##l, v)(units[UNITS_##l + o]);

#define GRADIENT(l, in)                                                                            \
    for (uint o = 0; o < OUTPUTS_##l; ++o)                                                         \
        sum_samples(gradients + WEIGHTS_##l + o * STRIDE_##l, delta[o], units + (in), INPUTS_##l,  \
                    chunk > 0);                                                                    \
    if (BIAS_##l >= 0)                                                                             \
        sum_samples(gradients + (BIAS_##l < 0 ? 0 : BIAS_##l), (vec)(1.0f), delta, OUTPUTS_##l,    \
                    chunk > 0);

/* The deltas of layer l give those of layer m = l - 1, then l's gradient is taken. */
#define BACKWARD(l, m)                                                                             \
    effects(before, delta, parameters + WEIGHTS_##l, STRIDE_##l, INPUTS_##l, OUTPUTS_##l);         \
    GRADIENT(l, UNITS_##m)                                                                         \
    for (uint i = 0; i < INPUTS_##l; ++i)                                                          \
        delta[i] = before[i] * BP_SLOPE(FUNCTION_##m, v)(units[UNITS_##m + i]);

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
small_steps(const uint count, const float scale, __global float *restrict parameters,
            __global float *restrict gradients, __global float *restrict moment1,
            __global float *restrict moment2, __global const float *restrict hyper,
            __global int *restrict step, __global float *restrict losses,
            const ulong losses_offset, __global float *restrict hits, const ulong hits_offset,
            __global const float *restrict x, const ulong x_offset, const uint ldx,
            __global const target_type *restrict targets,
            const ulong t_offset, const uint ldt, __global const int *restrict order,
            const float momentum, const float beta1, const float beta2, const float epsilon)
{
    vec units[UNITS], delta[MAX_WIDTH], before[MAX_WIDTH];
    x += x_offset;
    targets += t_offset;
    const uint first = (uint)step[0];
    for (uint now = first; now < first + count; ++now) {
        vec loss_sum = (vec)(0.0f), hit_sum = (vec)(0.0f);
        for (uint chunk = 0; chunk < ROWS; chunk += BP_VW) {
            uint batch_rows[BP_VW], rows[BP_VW];
            const ivec real = batch_lanes(batch_rows, chunk, ROWS);
            for (uint s = 0; s < BP_VW; ++s)
                rows[s] = HAS_GATHER ? (uint)order[now * PERIOD + batch_rows[s]] : batch_rows[s];
            for (uint i = 0; i < INPUTS_0; ++i) units[i] = column(x, rows, ldx, i);

            FORWARD(0, 0)
#if LAYERS > 1
            FORWARD(1, UNITS_0)
#endif
#if LAYERS > 2
            FORWARD(2, UNITS_1)
#endif
#if LAYERS > 3
            FORWARD(3, UNITS_2)
#endif

            loss_lanes(delta, &loss_sum, &hit_sum, units + UNITS - LAST_OUTPUTS, targets, ldt, rows,
                       real, scale);

#if LAYERS > 3
            BACKWARD(3, 2)
#endif
#if LAYERS > 2
            BACKWARD(2, 1)
#endif
#if LAYERS > 1
            BACKWARD(1, 0)
#endif
            GRADIENT(0, 0)
        }
        losses[losses_offset + now] = add_lanes(loss_sum);
        hits[hits_offset + now] = add_lanes(hit_sum);

        for (uint i = 0; i < USED / UPDATE_VW; ++i)
            update(i, parameters, gradients, moment1, moment2, hyper + now * 4, momentum, beta1,
                   beta2, epsilon);
    }
    step[0] = (int)(first + count);
}
