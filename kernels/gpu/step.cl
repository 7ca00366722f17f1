/* gpu/step.cl - a training step of a whole network by one work-group, for GPUs: what small_steps.cl
 * and sliced_step.cl have in common.
 *
 * The group takes CHUNK samples at a time. Activations, deltas and, where they fit, the weights are
 * in local memory, in float4s: of units and deltas the lanes are samples, [row][PITCH]; of weights
 * they are inputs, [output][COLS_l]. A work-item computes blocks of 4 x 4 results of each of the
 * three products, from eight float4s for 64 multiply-adds. The bias is the weight of an input that is
 * always 1. A unit's slope is taken with its output and waits in the place of its delta.
 * Sums have a fixed order, so that the same bits come out every time. A step is done as the plan
 * (host/net/plan.c) says: all effects from the old weights, then the update.
 *
 * The host defines the network, layer l from 0 (host/ops/gpu_steps.c), rows and columns in fours:
 *   LAYERS; INPUTS_l, OUTPUTS_l, FUNCTION_l (activation's number), BIAS (0 or 1)
 *   WEIGHTS_l, STRIDE_l, BIASES_l (places in the arenas, the step between rows)
 *   COLS_l (float4s of a row of weights), BANDS_l (fours of outputs), OWN_l, OWN (float4s of weights
 *   before layer l, and all), FIRST_l, BLOCKS (4 x 4 blocks of weights before layer l, and all)
 *   IN_l (row of units where its inputs are; l = LAYERS: the outputs), UNITS, DELTA_l, DELTAS (rows)
 *   LAST_FUNCTION (the output's; linear where it is part of the loss), LAST_OUTPUTS
 * and ROWS (of the batch), PERIOD, LOSS, HAS_LABELS, HAS_WEIGHTS, HAS_GATHER, OPTIMIZER, BP_SHAPED,
 * ITEMS (of the group), CHUNK (a multiple of 4), WEIGHTS_LOCAL. */
#define BP_VW 4
#define HAS_DELTA 1
#include "error.cl"
#include "gpu/subgroup.cl"
#include "update.cl"

#ifndef LAYERS
#error "the network must be defined: see host/ops/gpu_steps.c"
#endif

/* Local memory and registers do not survive a call. */
#define INLINE inline __attribute__((always_inline))

#define LANES (CHUNK / 4)
#define PITCH (LANES + 1) /* a float4 more: neighbouring rows are in other banks */
#define TARGETS (HAS_LABELS ? 1 : LAST_OUTPUTS)
#define TARGET_ROW (4 * COLS_0) /* behind the inputs: targets, then the sample's weight */
#define FETCHED (INPUTS_0 + TARGETS + HAS_WEIGHTS)
#define LOADS ((FETCHED * CHUNK + ITEMS - 1) / ITEMS)
#define BLOCKS_EACH ((BLOCKS + ITEMS - 1) / ITEMS)
#define MOMENT1 (BP_MOMENTS(OPTIMIZER) > 0)
#define MOMENT2 (BP_MOMENTS(OPTIMIZER) > 1)

/* The number of this work-item in its group, as every phase between two barriers wants it again. LLVM
 * 15 under POCL 3.1 joins branches on both sides of a barrier where it sees that they go the same way,
 * and the barrier is then one that only some work-items reach; of what comes from volatile memory it
 * sees nothing. */
INLINE uint renewed(uint item)
{
#ifdef POCL_DEVICE_ADDRESS_BITS
    const volatile uint now = item;
    return now;
#else
    return item;
#endif
}

/* The same in step `now` of many. Addresses and conditions that follow from the number alone are the
 * same in all steps: compilers work them out once, and with 128 registers have none left to keep them
 * in. Steps are counted in an int, but no compiler knows that. */
INLINE uint renewed_in(uint item, uint now)
{
#ifdef BP_SUBGROUP
    return item + (now >> 31);
#else
    return item;
#endif
}

/* What a step reads of the data, and of the loss; kernels say of their pointers that they are
 * `restrict`, functions do not: oclgrind cannot run what inlining makes of that. */
#define BATCH_PARAMETERS(RESTRICT)                                                                 \
    const float scale, const float share, const float on, const float off, const float parameter,  \
        __global const float *RESTRICT x, const ulong x_offset, const uint ldx,                    \
        __global const float *RESTRICT targets, const ulong t_offset, const uint ldt,              \
        __global const float *RESTRICT sample_weights, const ulong w_offset,                       \
        __global const int *RESTRICT order
#define BATCH                                                                                      \
    scale, share, on, off, parameter, x, x_offset, ldx, targets, t_offset, ldt, sample_weights,    \
        w_offset, order

#define UNIT(row, s) ((__local float *)units)[(row) * (4 * PITCH) + (s)]
#define OF_DELTA(row, s) ((__local float *)deltas)[(row) * (4 * PITCH) + (s)]

/* ---- Blocks of weights -------------------------------------------------------------------------- */

/* Rows o … o + 3 and columns i … i + 3 of a layer: where they and what they meet lie. */
typedef struct block {
    uint o, i, inputs, outputs, in, delta, own, cols;
    uint weights, stride, biases;
} block;

INLINE block block_of(uint t)
{
    block b;
#define BLOCK(l)                                                                                   \
    if (t >= FIRST_##l) {                                                                          \
        const uint k = t - FIRST_##l;                                                              \
        b.o = k / COLS_##l * 4;                                                                    \
        b.i = k % COLS_##l * 4;                                                                    \
        b.inputs = INPUTS_##l;                                                                     \
        b.outputs = OUTPUTS_##l;                                                                   \
        b.in = IN_##l + b.i;                                                                       \
        b.delta = DELTA_##l + b.o;                                                                 \
        b.own = OWN_##l + b.o * COLS_##l + k % COLS_##l;                                           \
        b.cols = COLS_##l;                                                                         \
        b.weights = WEIGHTS_##l;                                                                   \
        b.stride = STRIDE_##l;                                                                     \
        b.biases = BIASES_##l;                                                                     \
    }
    BLOCK(0)
#if LAYERS > 1
    BLOCK(1)
#endif
#if LAYERS > 2
    BLOCK(2)
#endif
#if LAYERS > 3
    BLOCK(3)
#endif
    return b;
}

/* Where element (r, k) of a block lies in an arena; -1: it is padding. */
INLINE int place_of(const block *b, uint r, uint k)
{
    const uint o = b->o + r, i = b->i + k;
    if (o >= b->outputs) return -1;
    if (i < b->inputs) return (int)(b->weights + o * b->stride + i);
    return BIAS && i == b->inputs ? (int)(b->biases + o) : -1;
}

INLINE float4 load_row(__global const float *arena, const block *b, uint r)
{
    float lanes[4];
#pragma unroll
    for (uint k = 0; k < 4; ++k) {
        const int place = place_of(b, r, k);
        lanes[k] = place < 0 ? 0.0f : arena[place];
    }
    return vload4(0, lanes);
}

INLINE void store_row(__global float *arena, const block *b, uint r, float4 row)
{
    const float lanes[4] = {row.x, row.y, row.z, row.w};
#pragma unroll
    for (uint k = 0; k < 4; ++k) {
        const int place = place_of(b, r, k);
        if (place >= 0) arena[place] = lanes[k];
    }
}

/* Where the weights of a layer are, in local memory or in the arena. */
typedef struct layer {
    uint inputs, outputs, own, cols, weights, stride, biases;
} layer;

#define LAYER(l)                                                                                   \
    (layer)                                                                                        \
    {                                                                                              \
        INPUTS_##l, OUTPUTS_##l, OWN_##l, COLS_##l, WEIGHTS_##l, STRIDE_##l, BIASES_##l            \
    }

/* Float4 c of row o of a layer's weights. */
#if WEIGHTS_LOCAL
typedef __local const float4 *weight_memory;

INLINE float4 weight(weight_memory w, layer l, uint o, uint c)
{
    return w[l.own + o * l.cols + c];
}
#else
typedef __global const float *weight_memory;

INLINE float4 weight(weight_memory w, layer l, uint o, uint c)
{
    float4 row = (float4)(0.0f);
    if (o >= l.outputs) return row;
    if (4 * c < l.inputs) row = *(__global const float4 *)(w + l.weights + o * l.stride + 4 * c);
    if (BIAS && l.inputs - 4 * c < 4) { /* behind the last weight, in whose row the padding is 0 */
        const float bias = w[l.biases + o];
        const uint lane = l.inputs - 4 * c;
        if (lane == 0) row.x = bias;
        if (lane == 1) row.y = bias;
        if (lane == 2) row.z = bias;
        if (lane == 3) row.w = bias;
    }
    return row;
}
#endif

/* ---- Samples ------------------------------------------------------------------------------------ */

/* Reads what this work-item will put into local memory of CHUNK samples from `first` on. */
INLINE void fetch(float *next, uint item, uint now, uint first, BATCH_PARAMETERS())
{
    item = renewed(item);
#pragma unroll
    for (uint j = 0; j < LOADS; ++j) {
        const uint t = item + j * ITEMS, s = first + t / FETCHED, i = t % FETCHED;
        next[j] = 0.0f;
        if (t >= FETCHED * CHUNK || s >= ROWS) continue;
        const uint row = HAS_GATHER ? (uint)order[now * PERIOD + s] : s;
        if (i < INPUTS_0)
            next[j] = x[x_offset + (ulong)row * ldx + i];
        else if (i >= INPUTS_0 + TARGETS)
            next[j] = sample_weights[w_offset + row];
        else
            next[j] = targets[t_offset + (HAS_LABELS ? row : (ulong)row * ldt + i - INPUTS_0)];
    }
}

INLINE void put(__local float4 *units, const float *next, uint item)
{
    item = renewed(item);
#pragma unroll
    for (uint j = 0; j < LOADS; ++j) {
        const uint t = item + j * ITEMS, i = t % FETCHED;
        if (t < FETCHED * CHUNK)
            UNIT(i < INPUTS_0 ? i : TARGET_ROW + i - INPUTS_0, t / FETCHED) = next[j];
    }
}

/* Everything 0 but the inputs that biases are the weights of. */
INLINE void begin(__local float4 *units, __local float4 *deltas, uint item)
{
    for (uint t = item; t < UNITS * PITCH; t += ITEMS) units[t] = (float4)(0.0f);
    for (uint t = item; t < DELTAS * PITCH; t += ITEMS) deltas[t] = (float4)(0.0f);
    barrier(CLK_LOCAL_MEM_FENCE);
#define ALWAYS_ONE(l)                                                                              \
    for (uint s = renewed(item); BIAS && s < LANES; s += ITEMS)                                             \
        units[(IN_##l + INPUTS_##l) * PITCH + s] = (float4)(1.0f);
    ALWAYS_ONE(0)
#if LAYERS > 1
    ALWAYS_ONE(1)
#endif
#if LAYERS > 2
    ALWAYS_ONE(2)
#endif
#if LAYERS > 3
    ALWAYS_ONE(3)
#endif
}

/* ---- Forward, loss, backward -------------------------------------------------------------------- */

/* z[r] = sum over inputs of weights row o + r: lanes are the samples 4 s … 4 s + 3. Not unrolled:
 * registers would not do. */
INLINE void net_inputs(float4 *z, weight_memory w, layer l, uint o, __local const float4 *in, uint s)
{
#pragma unroll
    for (uint r = 0; r < 4; ++r) z[r] = (float4)(0.0f);
#pragma unroll 1
    for (uint c = 0; c < l.cols; ++c) {
        float4 x[4];
#pragma unroll
        for (uint r = 0; r < 4; ++r) x[r] = in[(4 * c + r) * PITCH + s];
#pragma unroll
        for (uint r = 0; r < 4; ++r) {
            const float4 a = weight(w, l, o + r, c);
            z[r] = fma((float4)(a.x), x[0], z[r]);
            z[r] = fma((float4)(a.y), x[1], z[r]);
            z[r] = fma((float4)(a.z), x[2], z[r]);
            z[r] = fma((float4)(a.w), x[3], z[r]);
        }
    }
}

/* effect[r] = sum over outputs of delta times weights' column 4 c + r. */
INLINE void effects(float4 *effect, weight_memory w, layer l, uint c, __local const float4 *delta,
                    uint s)
{
#pragma unroll
    for (uint r = 0; r < 4; ++r) effect[r] = (float4)(0.0f);
#pragma unroll 1
    for (uint o = 0; o < l.outputs; o += 4) {
#pragma unroll
        for (uint k = 0; k < 4; ++k) {
            const float4 a = weight(w, l, o + k, c), d = delta[(o + k) * PITCH + s];
            effect[0] = fma((float4)(a.x), d, effect[0]);
            effect[1] = fma((float4)(a.y), d, effect[1]);
            effect[2] = fma((float4)(a.z), d, effect[2]);
            effect[3] = fma((float4)(a.w), d, effect[3]);
        }
    }
}

/* Row r of a block: an output of layer l, into the inputs of n = l + 1, and its slope. Rows are written
 * out, since a loop over them with long functions in it is not unrolled, and z not kept in registers. */
#define OUTPUT_ROW(l, n, r)                                                                        \
    if (o + r < OUTPUTS_##l) {                                                                     \
        const float4 f = BP_ACTIVATE(FUNCTION_##l, v)(z[r]);                                       \
        units[(IN_##n + o + r) * PITCH + s] = f;                                                   \
        deltas[(DELTA_##l + o + r) * PITCH + s] =                                                  \
            BP_SLOPE(FUNCTION_##l, v)(BP_SLOPE_OF_NET(FUNCTION_##l) ? z[r] : f);                   \
    }

#define FORWARD(l, n)                                                                              \
    for (uint t = renewed(item); t < BANDS_##l * LANES; t += ITEMS) {                                 \
        const uint s = t % LANES, o = t / LANES * 4;                                               \
        float4 z[4];                                                                               \
        net_inputs(z, w, LAYER(l), o, units + IN_##l * PITCH, s);                                  \
        OUTPUT_ROW(l, n, 0)                                                                        \
        OUTPUT_ROW(l, n, 1)                                                                        \
        OUTPUT_ROW(l, n, 2)                                                                        \
        OUTPUT_ROW(l, n, 3)                                                                        \
    }                                                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);

/* A block of effects, times the slopes that wait there, become deltas. */
INLINE void take_effects(__local float4 *delta, const float4 *effect, uint c, uint outputs, uint s)
{
#pragma unroll
    for (uint r = 0; r < 4; ++r)
        if (4 * c + r < outputs) delta[(4 * c + r) * PITCH + s] *= effect[r];
}

/* The deltas of layer l give those of layer m = l - 1. */
#define EFFECT(l, m)                                                                               \
    for (uint t = renewed(item); t < BANDS_##m * LANES; t += ITEMS) {                                 \
        const uint s = t % LANES, c = t / LANES;                                                   \
        float4 effect[4];                                                                          \
        effects(effect, w, LAYER(l), c, deltas + DELTA_##l * PITCH, s);                            \
        take_effects(deltas + DELTA_##m * PITCH, effect, c, INPUTS_##l, s);                        \
    }                                                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);

/* Activations, the loss and all deltas of the samples in `units`, of which `real` are of the batch;
 * the others have deltas 0. losses and hits [CHUNK]. */
INLINE void pass(__local float4 *units, __local float4 *deltas, __local float *losses,
                 __local float *hits, weight_memory w, uint item, uint real, const float scale,
                 const float share, const float on, const float off, const float parameter)
{
    FORWARD(0, 1)
#if LAYERS > 1
    FORWARD(1, 2)
#endif
#if LAYERS > 2
    FORWARD(2, 3)
#endif
#if LAYERS > 3
    FORWARD(3, 4)
#endif

#define N LAST_OUTPUTS
#define OUTPUT(k) UNIT(LAST_IN + (k), s)
#define VALUE(k) UNIT(LAST_IN + (k), s)
#define DELTA(k) OF_DELTA(LAST_DELTA + (k), s)
#define SLOPE(k, a) OF_DELTA(LAST_DELTA + (k), s)
#if HAS_LABELS
#define TARGET(k) ((k) == label ? on : off)
#else
#define TARGET(k) (off + (on - off) * UNIT(TARGET_ROW + (k), s))
#endif
    for (uint s = renewed(item); s < CHUNK; s += ITEMS) {
        losses[s] = hits[s] = 0.0f;
        if (s >= real) {
            for (uint k = 0; k < N; ++k) DELTA(k) = 0.0f;
            continue;
        }
#if HAS_LABELS
        const uint label = as_uint(UNIT(TARGET_ROW, s));
#endif
        const float weight = HAS_WEIGHTS ? UNIT(TARGET_ROW + TARGETS, s) : 1.0f;
#include "loss_row.cl"
        losses[s] = error;
        hits[s] = hit;
    }
    barrier(CLK_LOCAL_MEM_FENCE);

#if LAYERS > 3
    EFFECT(3, 2)
#endif
#if LAYERS > 2
    EFFECT(2, 1)
#endif
#if LAYERS > 1
    EFFECT(1, 0)
#endif
}

/* gradient[j][r] += rows of this work-item's blocks, over the samples in local memory. */
INLINE void sum_gradients(float4 (*gradient)[4], __local const float4 *units,
                          __local const float4 *deltas, uint item)
{
    item = renewed(item);
#pragma unroll
    for (uint j = 0; j < BLOCKS_EACH; ++j) {
        if (item + j * ITEMS >= BLOCKS) continue;
        const block place = block_of(item + j * ITEMS);
#pragma unroll 1
        for (uint s = 0; s < LANES; ++s) {
            float4 d[4], a[4];
#pragma unroll
            for (uint r = 0; r < 4; ++r) {
                d[r] = deltas[(place.delta + r) * PITCH + s];
                a[r] = units[(place.in + r) * PITCH + s];
            }
#pragma unroll
            for (uint r = 0; r < 4; ++r) {
                float4 g = gradient[j][r];
                g = fma((float4)(d[r].x), (float4)(a[0].x, a[1].x, a[2].x, a[3].x), g);
                g = fma((float4)(d[r].y), (float4)(a[0].y, a[1].y, a[2].y, a[3].y), g);
                g = fma((float4)(d[r].z), (float4)(a[0].z, a[1].z, a[2].z, a[3].z), g);
                g = fma((float4)(d[r].w), (float4)(a[0].w, a[1].w, a[2].w, a[3].w), g);
                gradient[j][r] = g;
            }
        }
    }
}

INLINE void clear(float4 (*gradient)[4])
{
#pragma unroll
    for (uint j = 0; j < BLOCKS_EACH; ++j)
#pragma unroll
        for (uint r = 0; r < 4; ++r) gradient[j][r] = (float4)(0.0f);
}

/* Adds up what the samples in local memory leave, in their order; for work-item 0. */
INLINE void add_losses(float *loss, float *hit, __local const float *losses,
                       __local const float *hits, uint item)
{
    if (renewed(item) > 0) return;
    for (uint s = 0; s < CHUNK; ++s) {
        *loss += losses[s];
        *hit += hits[s];
    }
}
