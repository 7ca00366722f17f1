/* loss.cl - error, last delta and hits of a block of rows; softmax; the sum over the batch. Formulas
 * in kernels/loss.cl. The lanes of a vector are rows here: blocks of BP_VW rows and columns are
 * transposed on their way in and out. */
#include "cpu/panel.cl"
#include "error.cl"

/* x[t] = column c0 + t of rows row0 and on, as far as there are columns. */
inline void load_columns(vec *x, matrix m, uint row0, uint c0)
{
    load_block(x, m.at + (c0 / BP_VW) * m.step + (ulong)row0 * BP_VW, BP_VW, m.columns - c0);
}

/* Zeros beyond the last column. */
inline void store_columns(vec *x, matrix m, uint row0, uint c0)
{
    __global float *panel = m.at + (c0 / BP_VW) * m.step + (ulong)row0 * BP_VW;
    const uint columns = m.columns - c0;
    if (columns <= FEW_COLUMNS) {
#pragma unroll
        for (uint t = 0; t < BP_VW; ++t) VSTORE((vec)(0.0f), t, panel);
        for (uint c = 0; c < columns; ++c) {
            float lanes[BP_VW];
            VSTORE(x[c], 0, lanes);
#pragma unroll
            for (uint t = 0; t < BP_VW; ++t) panel[t * BP_VW + c] = lanes[t];
        }
        return;
    }
    for (uint t = columns; t < BP_VW; ++t) x[t] = (vec)(0.0f);
    transpose(x);
#pragma unroll
    for (uint t = 0; t < BP_VW; ++t) VSTORE(x[t], t, panel);
}

inline ivec labels_of(matrix labels, uint row0)
{
    int lanes[BP_VW];
    for (uint t = 0; t < BP_VW; ++t)
        lanes[t] = ((__global const int *)labels.at)[(ulong)min(row0 + t, labels.rows - 1) *
                                                     labels.stride];
    return IVLOAD(lanes);
}

/* The weights of BP_VW rows; 1 where there are none. */
inline vec weights_of(matrix weights, uint row0)
{
    float lanes[BP_VW];
    for (uint t = 0; t < BP_VW; ++t)
        lanes[t] = weights.rows ? weights.at[(ulong)min(row0 + t, weights.rows - 1) * weights.stride]
                                : 1.0f;
    return VLOAD(0, lanes);
}

/* x[t] = f(x[t]), t < n, for functions of which net inputs come here. */
inline void activate_nets(uint function, vec *x, uint n)
{
#define ACTIVATE_NETS(N)                                                                           \
    case N:                                                                                        \
        if (BP_HAS_ACTIVATION(N) && BP_SLOPE_OF_NET(N))                                            \
            for (uint t = 0; t < n; ++t) x[t] = BP_ACTIVATE(N, v)(x[t]);                           \
        break;
    switch (function) { BP_FOR_ACTIVATIONS(ACTIVATE_NETS) }
#undef ACTIVATE_NETS
}

/* The largest of each row, and the first column where it stands. */
inline vec largest_of(matrix z, uint function, uint row0, ivec *where)
{
    vec largest = (vec)(-INFINITY);
    *where = (ivec)(0);
    for (uint c0 = 0; c0 < z.columns; c0 += BP_VW) {
        const uint n = min(z.columns - c0, (uint)BP_VW);
        vec x[BP_VW];
        load_columns(x, z, row0, c0);
        activate_nets(function, x, n);
        for (uint t = 0; t < n; ++t) {
            const ivec larger = x[t] > largest;
            *where = larger ? (ivec)((int)(c0 + t)) : *where;
            largest = larger ? x[t] : largest;
        }
    }
    return largest;
}

/* sum_k e^(z_k - largest): NaN where a net input is NaN. */
inline vec exponential_sum(matrix z, uint row0, vec largest)
{
    vec sum = (vec)(0.0f);
    for (uint c0 = 0; c0 < z.columns; c0 += BP_VW) {
        vec x[BP_VW];
        load_columns(x, z, row0, c0);
        for (uint t = 0; t < BP_VW && c0 + t < z.columns; ++t) sum += exp(x[t] - largest);
    }
    return sum;
}

/* t[k] = column c0 + k of the targets: one-hot where they are labels. */
inline void load_targets(__global const plan_op *op, vec *target, matrix targets, ivec label,
                         uint row0, uint c0)
{
    const float on = op->target_on, off = op->target_off;
    if (targets.rows) {
        load_columns(target, targets, row0, c0);
        for (uint t = 0; t < BP_VW; ++t) target[t] = off + (on - off) * target[t];
    } else {
        for (uint t = 0; t < BP_VW; ++t) target[t] = label == (int)(c0 + t) ? (vec)(on) : (vec)(off);
    }
}

/* Adds the errors of n outputs to *error; target becomes their effects. */
inline void take_errors(__global const plan_op *op, vec *error, const vec *a, vec *target, uint n)
{
    const float p = op->parameter;
#define TAKE_ERRORS(N)                                                                             \
    case N:                                                                                        \
        if (BP_HAS_LOSS(N)) for (uint t = 0; t < n; ++t) {                                         \
            *error += BP_ERROR(N, v)(a[t], target[t], p);                                          \
            target[t] = BP_EFFECT(N, v)(a[t], target[t], p);                                       \
        }                                                                                          \
        break;
    switch (op->loss) { BP_FOR_ERRORS(TAKE_ERRORS) }
#undef TAKE_ERRORS
}

/* d[t] *= f'; x are activations, or net inputs where the slope is theirs. */
inline void multiply_slopes(uint function, vec *d, const vec *x, uint n)
{
#define MULTIPLY_SLOPES(N)                                                                         \
    case N:                                                                                        \
        if (BP_HAS_ACTIVATION(N))                                                                  \
            for (uint t = 0; t < n; ++t) d[t] *= BP_SLOPE(N, v)(x[t]);                             \
        break;
    switch (function) { BP_FOR_ACTIVATIONS(MULTIPLY_SLOPES) }
#undef MULTIPLY_SLOPES
}

/* E = share sum_k e(a_k, t_k) */
inline vec sum_errors(__global const plan_op *op, matrix output, matrix delta, matrix targets,
                      ivec label, ivec real, vec weight, uint row0)
{
    vec error = (vec)(0.0f);
    for (uint c0 = 0; c0 < output.columns; c0 += BP_VW) {
        const uint n = min(output.columns - c0, (uint)BP_VW);
        vec x[BP_VW], a[BP_VW], d[BP_VW];
        load_columns(x, output, row0, c0);
        load_targets(op, d, targets, label, row0, c0);
        for (uint t = 0; t < n; ++t) a[t] = x[t];
        activate_nets(op->function, a, n);
        take_errors(op, &error, a, d, n);
        if (!delta.rows) continue;
        multiply_slopes(op->function, d, x, n);
        for (uint t = 0; t < n; ++t) d[t] = real ? op->scale * weight * d[t] : (vec)(0.0f);
        store_columns(d, delta, row0, c0);
    }
    return error * op->share;
}

/* E = -sum_k t_k log softmax(z)_k */
inline vec cross_entropy(__global const plan_op *op, matrix z, matrix delta, matrix targets,
                         ivec label, ivec real, vec weight, uint row0, vec largest)
{
    const vec sum = exponential_sum(z, row0, largest);
    vec target_sum = (vec)(0.0f), linear = (vec)(0.0f);
    for (uint c0 = 0; c0 < z.columns; c0 += BP_VW) {
        vec x[BP_VW], target[BP_VW];
        load_columns(x, z, row0, c0);
        load_targets(op, target, targets, label, row0, c0);
        for (uint t = 0; t < BP_VW && c0 + t < z.columns; ++t) {
            linear += target[t] != 0.0f ? target[t] * (x[t] - largest) : (vec)(0.0f);
            target_sum += target[t];
        }
    }
    for (uint c0 = 0; delta.rows && c0 < z.columns; c0 += BP_VW) {
        vec x[BP_VW], target[BP_VW];
        load_columns(x, z, row0, c0);
        load_targets(op, target, targets, label, row0, c0);
        for (uint t = 0; t < BP_VW && c0 + t < z.columns; ++t) {
            x[t] = op->scale * weight * (exp(x[t] - largest) / sum * target_sum - target[t]);
            x[t] = real ? x[t] : (vec)(0.0f);
        }
        store_columns(x, delta, row0, c0);
    }
    /* A net input that is NaN or infinite leaves no error above, if it is not the target's. */
    const vec error = target_sum * log(sum) - linear;
    return isfinite(sum) ? error : (vec)(NAN);
}

/* Blocks of BP_VW rows. */
inline void loss(__global const plan_op *op, matrix output, matrix delta, matrix labels,
                 matrix targets, matrix weights, matrix row_loss, matrix row_hits, uint row_block)
{
    const uint blocks = vectors_of(output.rows);
    const uint last = cut(blocks, row_block + 1, op->split_rows);
    for (uint block = cut(blocks, row_block, op->split_rows); block < last; ++block) {
        const uint row0 = block * BP_VW;
        const ivec real = lanes_below(row0, output.rows); /* -1 where the row exists */
        const ivec label = labels.rows ? labels_of(labels, row0) : (ivec)(-1);
        const vec weight = weights_of(weights, row0);
        ivec where;
        const vec largest = largest_of(output, op->function, row0, &where);
        const vec error =
            op->loss == 1
                ? cross_entropy(op, output, delta, targets, label, real, weight, row0, largest)
                : sum_errors(op, output, delta, targets, label, real, weight, row0);
        float errors[BP_VW], hits[BP_VW];
        VSTORE(weight * error, 0, errors);
        VSTORE(where == label ? (vec)(1.0f) : (vec)(0.0f), 0, hits);
        for (uint t = 0; t < BP_VW && row0 + t < output.rows; ++t) {
            row_loss.at[row0 + t] = errors[t];
            row_hits.at[row0 + t] = hits[t];
        }
    }
}

inline void softmax(__global const plan_op *op, matrix out, matrix in, uint row_block)
{
    const uint blocks = vectors_of(in.rows);
    const uint last = cut(blocks, row_block + 1, op->split_rows);
    for (uint block = cut(blocks, row_block, op->split_rows); block < last; ++block) {
        const uint row0 = block * BP_VW;
        ivec where;
        const vec largest = largest_of(in, 0, row0, &where);
        const vec sum = exponential_sum(in, row0, largest);
        for (uint c0 = 0; c0 < in.columns; c0 += BP_VW) {
            vec x[BP_VW];
            load_columns(x, in, row0, c0);
            for (uint t = 0; t < BP_VW && c0 + t < in.columns; ++t)
                x[t] = exp(x[t] - largest) / sum;
            store_columns(x, out, row0, c0);
        }
    }
}

/* The sum of x[count] in an order that nothing changes: lane by lane, with Kahan's compensation (a
 * batch may be a whole data set), then over the lanes. */
inline float sum_all(__global const float *x, uint count)
{
    vec sums = (vec)(0.0f), lost = (vec)(0.0f);
    uint i = 0;
    for (; i + BP_VW <= count; i += BP_VW) {
        const vec add = VLOAD(0, x + i) - lost, next = sums + add;
        lost = (next - sums) - add;
        sums = next;
    }
    float lanes[BP_VW], sum = 0.0f;
    VSTORE(sums, 0, lanes);
    for (uint t = 0; t < BP_VW; ++t) sum += lanes[t];
    for (; i < count; ++i) sum += x[i];
    return sum;
}

inline void reduce_loss(matrix losses, matrix hits, matrix row_loss, matrix row_hits, matrix step)
{
    __global int *now = (__global int *)step.at;
    losses.at[*now] = sum_all(row_loss.at, row_loss.columns);
    hits.at[*now] = sum_all(row_hits.at, row_hits.columns);
    *now += 1;
}
