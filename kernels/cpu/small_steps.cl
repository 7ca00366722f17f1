/* small_steps.cl - many training steps of a small network in one launch, for CPUs.
 *
 * One work-item does `count` whole steps: gather, forward, loss, effects, gradients, update. It
 * copies parameters and moments into private memory once and back at the end; there the compiler
 * knows every size and that nothing else changes them, and keeps those of the smallest networks in
 * registers. The lanes of a vector are samples: a unit's net input for BP_VW samples is one vector,
 * weights are broadcast; one sample a batch is plain floats. The formulas and their order are those
 * of the plan (host/net/plan.c): all effects from the old weights, then the update.
 *
 * The host defines the network, layer l from 0:
 *   LAYERS; INPUTS_l, OUTPUTS_l, FUNCTION_l (activation's number), BIAS (0 or 1)
 *   WEIGHTS_l, STEP_l, BIASES_l (places in the arenas, the step between panels), PANEL (their width)
 *   OWN_l, ROW_l, OWN_BIASES_l (places in private memory, weights [OUTPUTS_l][ROW_l]), OWN (all)
 *   UNITS_l (place of its outputs among all units; inputs are at 0), UNITS (all), MAX_WIDTH
 *   NETS_l (place of its net inputs: UNITS_l, where nobody needs them any more, or one of their own)
 *   LAST_OUTPUTS, LAST_UNITS, LAST_FUNCTION
 * and ROWS (of the batch), PERIOD, LOSS, HAS_LABELS, HAS_WEIGHTS, HAS_GATHER, OPTIMIZER. */
#include "cpu/loss_lanes.cl"
#include "cpu/sum_lanes.cl"
#include "update.cl"

#ifndef LAYERS
#error "the network must be defined: see host/ops/small_steps.c"
#endif

/* Four outputs or inputs at a time: one chain of additions would wait for itself. */
#define CHAINS 4

/* z[o] = bias[o] + sum_i w[o][i] in[i]; bias may be NULL. */
inline void net_inputs(vec *z, const vec *in, const float *w, uint row, uint inputs, uint outputs,
                       const float *bias)
{
    uint o = 0;
    for (; o + CHAINS <= outputs; o += CHAINS) {
        vec sum[CHAINS];
#pragma unroll
        for (uint j = 0; j < CHAINS; ++j) sum[j] = (vec)(bias ? bias[o + j] : 0.0f);
        for (uint i = 0; i < inputs; ++i)
#pragma unroll
            for (uint j = 0; j < CHAINS; ++j)
                sum[j] = fma((vec)(w[(o + j) * row + i]), in[i], sum[j]);
#pragma unroll
        for (uint j = 0; j < CHAINS; ++j) z[o + j] = sum[j];
    }
    for (; o < outputs; ++o) {
        vec sum = (vec)(bias ? bias[o] : 0.0f);
        for (uint i = 0; i < inputs; ++i) sum = fma((vec)(w[o * row + i]), in[i], sum);
        z[o] = sum;
    }
}

/* effect[i] = sum_o delta[o] w[o][i]. */
inline void effects(vec *effect, const vec *delta, const float *w, uint row, uint inputs,
                    uint outputs)
{
    uint i = 0;
    for (; i + CHAINS <= inputs; i += CHAINS) {
        vec sum[CHAINS];
#pragma unroll
        for (uint j = 0; j < CHAINS; ++j) sum[j] = (vec)(0.0f);
        for (uint o = 0; o < outputs; ++o)
#pragma unroll
            for (uint j = 0; j < CHAINS; ++j)
                sum[j] = fma((vec)(w[o * row + i + j]), delta[o], sum[j]);
#pragma unroll
        for (uint j = 0; j < CHAINS; ++j) effect[i + j] = sum[j];
    }
    for (; i < inputs; ++i) {
        vec sum = (vec)(0.0f);
        for (uint o = 0; o < outputs; ++o) sum = fma((vec)(w[o * row + i]), delta[o], sum);
        effect[i] = sum;
    }
}

/* g[k] (+)= sum over the samples of factor * x[k], k < count; rows of g are padded to BP_VW. */
inline void sum_samples(float *g, vec factor, const vec *x, uint count, bool add)
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

/* Between private memory [outputs][row] and an arena, where weights lie transposed in panels. */
inline void copy_layer(float *own, __global float *arena, uint row, ulong step, uint inputs,
                       uint outputs, bool back)
{
    for (uint o = 0; o < outputs; ++o)
        for (uint i = 0; i < inputs; ++i) {
            __global float *theirs = arena + (o / PANEL) * step + i * PANEL + (o & (PANEL - 1));
            if (back)
                *theirs = own[o * row + i];
            else
                own[o * row + i] = *theirs;
        }
}

/* A bias row in the arena is contiguous. */
inline void copy_row(float *own, __global float *arena, uint count, bool back)
{
    for (uint k = 0; k < count; ++k) {
        if (back)
            arena[k] = own[k];
        else
            own[k] = arena[k];
    }
}

#define COPY_LAYER(l)                                                                              \
    copy_layer(own + OWN_##l, arena + WEIGHTS_##l, ROW_##l, STEP_##l, INPUTS_##l, OUTPUTS_##l,     \
               back);                                                                              \
    if (BIAS) copy_row(own + OWN_BIASES_##l, arena + BIASES_##l, OUTPUTS_##l, back);

inline void copy_all(float *own, __global float *arena, bool back)
{
    COPY_LAYER(0)
#if LAYERS > 1
    COPY_LAYER(1)
#endif
#if LAYERS > 2
    COPY_LAYER(2)
#endif
#if LAYERS > 3
    COPY_LAYER(3)
#endif
}

#define FORWARD(l, in)                                                                             \
    net_inputs(units + NETS_##l, units + (in), w + OWN_##l, ROW_##l, INPUTS_##l, OUTPUTS_##l,     \
               BIAS ? w + OWN_BIASES_##l : 0);                                                     \
    for (uint o = 0; o < OUTPUTS_##l; ++o)                                                         \
        units[UNITS_##l + o] = BP_ACTIVATE(FUNCTION_##l, v)(units[NETS_##l + o]);

#define GRADIENT(l, in)                                                                            \
    for (uint o = 0; o < OUTPUTS_##l; ++o)                                                         \
        sum_samples(g + OWN_##l + o * ROW_##l, delta[o], units + (in), INPUTS_##l, chunk > 0);     \
    if (BIAS) sum_samples(g + OWN_BIASES_##l, (vec)(1.0f), delta, OUTPUTS_##l, chunk > 0);

/* The deltas of layer l give those of layer m = l - 1, then l's gradient is taken. */
#define BACKWARD(l, m)                                                                             \
    effects(before, delta, w + OWN_##l, ROW_##l, INPUTS_##l, OUTPUTS_##l);                         \
    GRADIENT(l, UNITS_##m)                                                                         \
    for (uint i = 0; i < INPUTS_##l; ++i)                                                          \
        delta[i] = before[i] * BP_SLOPE(FUNCTION_##m, v)(units[NETS_##m + i]);

__kernel ONE_WORK_ITEM void
small_steps(const uint count, const float scale, const float share, const float on,
            const float off, const float parameter, __global float *restrict parameters,
            __global float *restrict gradients, __global float *restrict moment1,
            __global float *restrict moment2, __global const float *restrict hyper,
            __global int *restrict step, __global float *restrict losses,
            const ulong losses_offset, __global float *restrict hits, const ulong hits_offset,
            __global const float *restrict x, const ulong x_offset, const uint ldx,
            const ulong x_step, __global const target_type *restrict targets,
            const ulong t_offset, const uint ldt, const ulong t_step,
            __global const float *restrict sample_weights, const ulong sample_weights_offset,
            __global const int *restrict order,
            const float momentum, const float beta1, const float beta2, const float epsilon,
            const float decay, const float l2, const float l1, const float clip)
{
    vec units[UNITS], delta[MAX_WIDTH], before[MAX_WIDTH];
    float w[OWN], g[OWN];
    float m1[BP_MOMENTS(OPTIMIZER) > 0 ? OWN : BP_VW], m2[BP_MOMENTS(OPTIMIZER) > 1 ? OWN : BP_VW];
    for (uint i = 0; i < OWN; ++i) w[i] = g[i] = 0.0f;
    for (uint i = 0; BP_MOMENTS(OPTIMIZER) > 0 && i < OWN; ++i) m1[i] = 0.0f;
    for (uint i = 0; BP_MOMENTS(OPTIMIZER) > 1 && i < OWN; ++i) m2[i] = 0.0f;
    copy_all(w, parameters, false);
    if (BP_MOMENTS(OPTIMIZER) > 0) copy_all(m1, moment1, false);
    if (BP_MOMENTS(OPTIMIZER) > 1) copy_all(m2, moment2, false);
    update_numbers u = UPDATE_NUMBERS(1.0f);
    const loss_numbers numbers = {scale, share, on, off, parameter};
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
            for (uint i = 0; i < INPUTS_0; ++i) units[i] = column(x, rows, ldx, x_step, i);

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

            loss_lanes(delta, &loss_sum, &hit_sum, units + LAST_UNITS, targets, ldt, t_step,
                       rows, sample_weights + sample_weights_offset, real, &numbers);

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

        update_set_hyper(&u, HYPER_ROW(hyper, now));
        for (uint i = 0; i < OWN; i += BP_VW) {
            vec value = VLOAD(0, w + i), m = value, v = value;
            if (BP_MOMENTS(OPTIMIZER) > 0) m = VLOAD(0, m1 + i);
            if (BP_MOMENTS(OPTIMIZER) > 1) v = VLOAD(0, m2 + i);
            BP_UPDATE(OPTIMIZER)(&value, &m, &v, shaped(VLOAD(0, g + i), value, &u), &u);
            VSTORE(value, 0, w + i);
            if (BP_MOMENTS(OPTIMIZER) > 0) VSTORE(m, 0, m1 + i);
            if (BP_MOMENTS(OPTIMIZER) > 1) VSTORE(v, 0, m2 + i);
        }
    }
    step[0] = (int)(first + count);
    copy_all(w, parameters, true);
    copy_all(g, gradients, true);
    if (BP_MOMENTS(OPTIMIZER) > 0) copy_all(m1, moment1, true);
    if (BP_MOMENTS(OPTIMIZER) > 1) copy_all(m2, moment2, true);
}
