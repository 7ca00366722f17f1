/* dense.cl - a dense layer's three products on matrices in panels: forward, effect of the layer
 * before, gradient. Formulas in host/base/operation.h. Each function does one task: a block of rows
 * and a block of columns of its result. */
#include "activation.cl"
#include "cpu/panel.cl"
#include "dropout.cl"
#include "cpu/sum_lanes.cl"
#include "update.cl"

/* The strips of a task and their vectors: strip s has vectors [cut(all, s, strips), ...). */
#define STRIP_BEGIN(s) cut(vectors, s, op->strips)

/* x = f(x + bias) in a strip of forward's result; rows beyond the last are left. net, where there is
 * one, gets x + bias. */
inline void activate_strip(uint function, matrix out, matrix net, matrix bias, uint v0, uint v1,
                           uint row0, uint row1)
{
#define ACTIVATE_STRIP(N)                                                                          \
    case N:                                                                                        \
        if (BP_HAS_ACTIVATION(N)) for (uint v = v0; v < v1; ++v) {                                 \
            const vec b = bias.rows ? VLOAD(v, bias.at) : (vec)(0.0f);                             \
            __global float *x = out.at + v * out.step;                                             \
            if (BP_SLOPE_OF_NET(N) && net.rows) for (uint r = row0; r < row1; ++r)                 \
                VSTORE(VLOAD(r, x) + b, r, net.at + v * net.step);                                 \
            for (uint r = row0; r < row1; ++r)                                                     \
                VSTORE(BP_ACTIVATE(N, v)(VLOAD(r, x) + b), r, x);                                  \
        }                                                                                          \
        break;
    switch (function) { BP_FOR_ACTIVATIONS(ACTIVATE_STRIP) }
#undef ACTIVATE_STRIP
}

#if BP_DROPOUT
/* x *= m in a strip of forward's result. net, where there is one, is marked as x is. step: the number
 * of the step. */
inline void drop_strip(__global const plan_op *op, matrix out, matrix net, uint step, uint v0, uint v1,
                       uint row0, uint row1)
{
    const vec scale = (vec)(op->drop_scale), gone = (vec)(-0.0f);
    uint lanes[BP_VW];
    for (uint t = 0; t < BP_VW; ++t) lanes[t] = op->drop_unit + t;
    for (uint v = v0; v < v1; ++v) {
        const uvec unit = UVLOAD(lanes) + (uvec)(v * BP_VW);
        __global float *x = out.at + v * out.step, *z = net.at + v * net.step;
        const bool marks = net.rows && !op->keeps_output;
        for (uint first = row0 - row0 % DROP_ROWS; first < row1; first += DROP_ROWS) {
            uvec bits[4];
            drop_bits(bits, unit, step, op->drop_layer, first / DROP_ROWS, op->drop_key0,
                      op->drop_key1);
/* select, since oclgrind 21.10 takes the wrong side of a conditional between these. */
#define DROP_ROW(t)                                                                                \
    {                                                                                              \
        const uint r = first + t;                                                                  \
        const ivec drop = DROP_BITS_OF(bits, t) < (uvec)(op->drop_limit);                          \
        VSTORE(select(VLOAD(r, x) * scale + 0.0f, gone, drop), r, x);                              \
        if (marks) VSTORE(select(VLOAD(r, z) + 0.0f, gone, drop), r, z);                           \
    }
            if (first >= row0 && first + DROP_ROWS <= row1) {
#pragma unroll
                for (uint t = 0; t < DROP_ROWS; ++t) DROP_ROW(t)
            } else {
#pragma unroll
                for (uint t = 0; t < DROP_ROWS; ++t)
                    if (first + t >= row0 && first + t < row1) DROP_ROW(t)
            }
#undef DROP_ROW
        }
    }
}

/* x *= m in a strip of effect's result: what is marked in a has been dropped. */
inline void drop_marked(__global const plan_op *op, matrix out, matrix a, uint v0, uint v1, uint row0,
                        uint row1)
{
    const vec scale = (vec)(op->drop_scale);
    for (uint v = v0; v < v1; ++v) {
        __global float *x = out.at + v * out.step;
        __global const float *y = a.at + v * a.step;
        for (uint r = row0; r < row1; ++r) {
            const ivec dropped = AS_IVEC(VLOAD(r, y)) == (ivec)(INT_MIN);
            VSTORE(dropped ? (vec)(0.0f) : VLOAD(r, x) * scale, r, x);
        }
    }
}

/* What the slope of an output is taken from, before it was scaled. */
#define UNSCALED(N, y) (BP_SLOPE_OF_NET(N) ? (y) : (y)*keep)
#else
#define UNSCALED(N, y) (y)
#endif

#if BP_RESIDUAL
/* kept = x, then x += skip, in a strip; either may be absent. */
inline void keep_strip(matrix out, matrix kept, matrix skip, uint v0, uint v1, uint row0, uint row1)
{
    for (uint v = v0; v < v1; ++v)
        for (uint r = row0; r < row1; ++r) {
            __global float *x = out.at + v * out.step;
            const vec y = VLOAD(r, x);
            if (kept.rows) VSTORE(y, r, kept.at + v * kept.step);
            if (skip.rows) VSTORE(y + VLOAD(r, skip.at + v * skip.step), r, x);
        }
}
#endif

/* x *= f' in a strip of effect's result; a are activations, or net inputs where the slope is theirs;
 * keep is the share that dropout keeps, which activations have been divided by. */
inline void slope_strip(uint function, float keep, matrix out, matrix a, uint v0, uint v1, uint row0,
                        uint row1)
{
#define SLOPE_STRIP(N)                                                                             \
    case N:                                                                                        \
        if (BP_HAS_ACTIVATION(N)) for (uint v = v0; v < v1; ++v) {                                 \
            __global float *x = out.at + v * out.step;                                             \
            __global const float *y = a.at + v * a.step;                                           \
            for (uint r = row0; r < row1; ++r)                                                     \
                VSTORE(VLOAD(r, x) * BP_SLOPE(N, v)(UNSCALED(N, VLOAD(r, y))), r, x);                        \
        }                                                                                          \
        break;
    switch (function) { BP_FOR_ACTIVATIONS(SLOPE_STRIP) }
#undef SLOPE_STRIP
}

/* out = m f(in W^T + b) + skip; weights are stored as W^T. hyper and step are there where units are dropped. */
inline void dense_forward(__global const plan_op *op, matrix out, matrix in, matrix weights,
                          matrix bias, matrix net, matrix skip, matrix hyper, matrix step,
                          uint row_block, uint column_block)
{
    const uint vectors = vectors_of(out.columns), tiles = (out.rows + TILE_M - 1) / TILE_M;
    const uint row0 = cut(tiles, row_block, op->split_rows) * TILE_M;
    const uint row1 = min(cut(tiles, row_block + 1, op->split_rows) * TILE_M, out.rows);
    const uint s0 = cut(op->strips, column_block, op->split_columns);
    const uint s1 = cut(op->strips, column_block + 1, op->split_columns);
    for (uint k0 = 0; k0 < in.columns; k0 += PLAN_K_BLOCK) {
        const uint k1 = min(k0 + PLAN_K_BLOCK, in.columns);
        if (out.rows == 1) {
            const uint v = STRIP_BEGIN(s0);
            row_product(out.at + v * out.step, out.step, in.at, in.step,
                        weights.at + v * weights.step, weights.step, k0, k1, STRIP_BEGIN(s1) - v);
        } else {
            for (uint s = s0; s < s1; ++s) {
                const uint v = STRIP_BEGIN(s);
                strip_product(out.at + v * out.step, out.step, in.at, in.step,
                              weights.at + v * weights.step, weights.step, k0, k1, row0, row1,
                              STRIP_BEGIN(s + 1) - v);
            }
        }
    }
    activate_strip(op->function, out, net, bias, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0, row1);
#if BP_DROPOUT
    if (op->drop_limit)
        drop_strip(op, out, net,
                   (uint)HYPER_ROW(hyper.at, *(__global const int *)step.at)[HYPER_STEP], STRIP_BEGIN(s0),
                   STRIP_BEGIN(s1), row0, row1);
#endif
#if BP_RESIDUAL
    if (skip.rows) {
        if (!op->keeps_output) net.rows = 0;
        keep_strip(out, net, skip, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0, row1);
    }
#endif
}

/* panel j of scratch = rows [o0, o1) of W for the inputs of vector v0 + j: blocks of the stored W^T,
 * transposed. o0 is a multiple of BP_VW. */
inline void pack_weights(__global float *scratch, ulong scratch_step, matrix weights, uint o0, uint o1,
                         uint v0, uint v1)
{
    for (uint o = o0; o < o1; o += BP_VW)
        for (uint v = v0; v < v1; ++v) {
            const uint rows = min(weights.rows - v * BP_VW, (uint)BP_VW);
            __global const float *from =
                weights.at + (o / BP_VW) * weights.step + (ulong)v * BP_VW * BP_VW;
            vec block[BP_VW];
            load_block(block, from, rows, o1 - o);
            __global float *to = scratch + (v - v0) * scratch_step + (ulong)(o - o0) * BP_VW;
            for (uint t = 0; t < min(o1 - o, (uint)BP_VW); ++t) VSTORE(block[t], t, to);
        }
}

/* delta W of a batch of one, vectors v0 to v1: sums over lanes, since the weights of an input are a
 * row of vectors. */
inline void row_effect(matrix delta_in, matrix delta, matrix weights, uint v0, uint v1)
{
    for (uint v = v0; v < v1; ++v) {
        const uint rows = min(weights.rows - v * BP_VW, (uint)BP_VW);
        vec sum[BP_VW];
#pragma unroll
        for (uint t = 0; t < BP_VW; ++t) sum[t] = (vec)(0.0f);
        for (uint p = 0; p < vectors_of(delta.columns); ++p) {
            const vec all = VLOAD(0, delta.at + p * delta.step);
            const vec d = lanes_below(p * BP_VW, delta.columns) ? all : (vec)(0.0f);
            __global const float *w = weights.at + p * weights.step + (ulong)v * BP_VW * BP_VW;
            if (rows == BP_VW) {
#pragma unroll
                for (uint t = 0; t < BP_VW; ++t) sum[t] = fma(VLOAD(t, w), d, sum[t]);
            } else {
                for (uint t = 0; t < rows; ++t) sum[t] = fma(VLOAD(t, w), d, sum[t]);
            }
        }
        VSTORE(sum_lanes(sum), 0, delta_in.at + v * delta_in.step);
    }
}

/* delta_in = (delta W + skip) * m f'(in), effect what stands in brackets. */
inline void dense_effect(__global const plan_op *op, matrix delta_in, matrix delta, matrix weights,
                         matrix in, matrix effect, matrix skip, __global float *scratch,
                         uint row_block, uint column_block)
{
    const uint vectors = vectors_of(delta_in.columns);
    const uint tiles = (delta_in.rows + TILE_M - 1) / TILE_M;
    const uint row0 = cut(tiles, row_block, op->split_rows) * TILE_M;
    const uint row1 = min(cut(tiles, row_block + 1, op->split_rows) * TILE_M, delta_in.rows);
    const uint s0 = cut(op->strips, column_block, op->split_columns);
    const uint s1 = cut(op->strips, column_block + 1, op->split_columns);
    const ulong scratch_step =
        ((ulong)vectors_of(min(delta.columns, (uint)PLAN_K_BLOCK)) * BP_VW + 1) * BP_VW;
    if (delta_in.rows == 1)
        row_effect(delta_in, delta, weights, STRIP_BEGIN(s0), STRIP_BEGIN(s1));
    for (uint s = s0; delta_in.rows > 1 && s < s1; ++s) {
        const uint v0 = STRIP_BEGIN(s), v1 = STRIP_BEGIN(s + 1);
        for (uint o0 = 0; o0 < delta.columns; o0 += PLAN_K_BLOCK) {
            const uint o1 = min(o0 + PLAN_K_BLOCK, delta.columns);
            pack_weights(scratch, scratch_step, weights, o0, o1, v0, v1);
            /* The product counts k from 0 in b, from o0 in a. */
            strip_product(delta_in.at + v0 * delta_in.step, delta_in.step, delta.at, delta.step,
                          scratch - (ulong)o0 * BP_VW, scratch_step, o0, o1, row0, row1, v1 - v0);
        }
    }
#if BP_RESIDUAL
    const matrix none = {.rows = 0};
    if (skip.rows)
        keep_strip(delta_in, none, skip, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0, row1);
    if (effect.rows)
        keep_strip(delta_in, effect, none, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0, row1);
#endif
    if (in.rows)
        slope_strip(op->function, op->drop_keep, delta_in, in, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0,
                    row1);
#if BP_DROPOUT
    if (op->drop_limit) drop_marked(op, delta_in, in, STRIP_BEGIN(s0), STRIP_BEGIN(s1), row0, row1);
#endif
}

/* Where parameters and moments lie, and what to do with them. */
typedef struct arenas {
    __global float *parameters, *moment1, *moment2;
    update_numbers numbers;
} arenas;

/* Stores gradients, or updates what they are the gradients of: rows i0 to i1, n vectors from v0 on.
 * g is [i1 - i0][n]; add: on top of what is stored. */
inline void finish_gradient(uint optimizer, const arenas *to, matrix gradient, matrix parameters,
                            const vec *g, uint i0, uint i1, uint v0, uint n, bool add)
{
#define GRADIENT_AT(m) (m.at + (v0 + j) * m.step + (ulong)i * BP_VW)
#define FINISH_GRADIENT(ACTION)                                                                    \
    for (uint i = i0; i < i1; ++i)                                                                 \
        for (uint j = 0; j < n; ++j) {                                                             \
            vec x = g[(i - i0) * n + j];                                                           \
            if (add) x += VLOAD(0, GRADIENT_AT(gradient));                                         \
            ACTION                                                                                 \
        }
#define UPDATE_GRADIENT(N)                                                                         \
    case N + 1:                                                                                    \
        if (BP_HAS_OPTIMIZER(N)) FINISH_GRADIENT(BP_UPDATE_AT(N)(GRADIENT_AT(parameters) - to->parameters, to->parameters,  \
                                        to->moment1, to->moment2, x, &to->numbers);)               \
        break;
    switch (optimizer) {
    case 0: FINISH_GRADIENT(VSTORE(x, 0, GRADIENT_AT(gradient));) break;
        BP_FOR_OPTIMIZERS(UPDATE_GRADIENT)
    }
#undef UPDATE_GRADIENT
#undef FINISH_GRADIENT
#undef GRADIENT_AT
}

/* The gradient of a batch of one: rows i0 to i1, vectors v0 to v1 of the outer product of in and
 * delta. */
inline void row_gradient(uint optimizer, const arenas *to, matrix gradient, matrix weights, matrix in,
                         matrix delta, uint i0, uint i1, uint v0, uint v1)
{
#define ROW_GRADIENT(ACTION)                                                                       \
    for (uint v = v0; v < v1; ++v) {                                                               \
        const vec all = VLOAD(0, delta.at + v * delta.step);                                       \
        const vec d = lanes_below(v * BP_VW, delta.columns) ? all : (vec)(0.0f);                   \
        for (uint i = i0; i < i1; ++i) {                                                           \
            const vec x = in.at[(i / BP_VW) * in.step + (i & (BP_VW - 1))] * d;                    \
            ACTION                                                                                 \
        }                                                                                          \
    }
#define UPDATE_ROW(N)                                                                              \
    case N + 1:                                                                                    \
        if (BP_HAS_OPTIMIZER(N)) ROW_GRADIENT(BP_UPDATE_AT(N)(weights.at + v * weights.step + i * BP_VW - to->parameters,   \
                                     to->parameters, to->moment1, to->moment2, x, &to->numbers);)      \
        break;
    switch (optimizer) {
    case 0: ROW_GRADIENT(VSTORE(x, i, gradient.at + v * gradient.step);) break;
        BP_FOR_OPTIMIZERS(UPDATE_ROW)
    }
#undef UPDATE_ROW
#undef ROW_GRADIENT
}

/* Zero in the lanes of g[rows][n] that lie beyond the last column; its last vector is number v. What
 * a batch has in its padding is nothing, and what parameters have in theirs is zero. */
inline void clear_padding(vec *g, uint rows, uint n, uint v, uint columns)
{
    if ((v + 1) * BP_VW <= columns) return;
    const ivec real = lanes_below(v * BP_VW, columns);
    for (uint i = 0; i < rows; ++i) {
        vec *last = g + i * n + n - 1;
        *last = real ? *last : (vec)(0.0f);
    }
}

/* The bias gradient for vectors v0 to v1: column sums of delta. */
inline void column_gradient(uint optimizer, const arenas *to, matrix gradient, matrix bias,
                            matrix delta, uint v0, uint v1)
{
    gradient.step = bias.step = BP_VW; /* a row is its own panels */
    for (uint v = v0; v < v1; ++v) {
        vec g = (vec)(0.0f);
        for (uint k = 0; k < delta.rows; ++k) g += VLOAD(k, delta.at + v * delta.step);
        clear_padding(&g, 1, 1, v, delta.columns);
        finish_gradient(optimizer, to, gradient, bias, &g, 0, 1, v, 1, false);
    }
}

/* weights_gradient = delta^T in, stored as its transpose in^T delta [inputs][outputs];
 * bias_gradient = column sums of delta. With an optimizer the parameters are updated instead. */
inline void dense_gradient(__global const plan_op *op, const arenas *to, matrix gradient,
                           matrix in, matrix delta, matrix bias_gradient, matrix weights,
                           matrix bias, uint row_block, uint column_block)
{
    const uint vectors = vectors_of(delta.columns);
    const uint tiles = (gradient.rows + TILE_LANES - 1) / TILE_LANES;
    const uint first = cut(tiles, row_block, op->split_rows);
    const uint last = cut(tiles, row_block + 1, op->split_rows);
    const uint s0 = cut(op->strips, column_block, op->split_columns);
    const uint s1 = cut(op->strips, column_block + 1, op->split_columns);
    if (row_block == 0 && bias_gradient.rows)
        column_gradient(op->optimizer, to, bias_gradient, bias, delta, STRIP_BEGIN(s0),
                        STRIP_BEGIN(s1));
    if (delta.rows == 1) {
        row_gradient(op->optimizer, to, gradient, weights, in, delta, first * TILE_LANES,
                     min(last * TILE_LANES, gradient.rows), STRIP_BEGIN(s0), STRIP_BEGIN(s1));
        return;
    }
    /* Block of k by block of k: what they take of in stays in the cache while strips pass by. Once at
     * least: no rows have the gradient 0. */
    uint k0 = 0;
    do {
        const uint k1 = min(k0 + PLAN_K_BLOCK, delta.rows);
        const uint optimizer = k1 == delta.rows ? op->optimizer : 0;
        for (uint s = s0; s < s1; ++s) {
            const uint v0 = STRIP_BEGIN(s), n = STRIP_BEGIN(s + 1) - v0;
            __global const float *b = delta.at + v0 * delta.step;
            for (uint tile = first; tile < last; ++tile) {
                const uint i = tile * TILE_LANES;
                __global const float *a = in.at + (i / BP_VW) * in.step + (i & (BP_VW - 1));
                vec g[TILE_LANES * TILE_LANES_N];
#define LANES_TILE(N)                                                                              \
    case N: TILE_PASTE(lanes, TILE_LANES, N)(g, a, b, delta.step, k0, k1); break;
                switch (n) { FOR_WIDTHS(TILE_LANES_N, LANES_TILE) }
#undef LANES_TILE
                clear_padding(g, TILE_LANES, n, v0 + n - 1, delta.columns);
                finish_gradient(optimizer, to, gradient, weights, g, i,
                                min(i + TILE_LANES, gradient.rows), v0, n, k0 > 0);
            }
        }
        k0 += PLAN_K_BLOCK;
    } while (k0 < delta.rows);
}
