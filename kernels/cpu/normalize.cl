/* normalize.cl - layer and batch normalisation of matrices in panels. Formulas in
 * host/base/operation.h. A task has a block of rows where moments are those of rows, and a block of
 * vectors of units where they are those of units; each sum is one task's, in the order of rows or
 * units. After cpu/dense.cl. */

/* x, with zero in the lanes beyond the last column. */
inline vec real_lanes(vec x, uint v, uint columns)
{
    return (v + 1) * BP_VW <= columns ? x : lanes_below(v * BP_VW, columns) ? x : (vec)(0.0f);
}

inline float sum_of_lanes(vec x)
{
    float lanes[BP_VW], sum = 0.0f;
    VSTORE(x, 0, lanes);
    for (uint t = 0; t < BP_VW; ++t) sum += lanes[t];
    return sum;
}

inline void row_moments(__global const plan_op *op, matrix in, matrix mean, matrix scale, uint row0,
                        uint row1)
{
    const float share = 1.0f / (float)in.columns;
    for (uint r = row0; r < row1; ++r) {
        vec sum = (vec)(0.0f);
        for (uint v = 0; v < vectors_of(in.columns); ++v)
            sum += real_lanes(VLOAD(r, in.at + v * in.step), v, in.columns);
        const float middle = sum_of_lanes(sum) * share;
        sum = (vec)(0.0f);
        for (uint v = 0; v < vectors_of(in.columns); ++v) {
            const vec d = VLOAD(r, in.at + v * in.step) - middle;
            sum += real_lanes(d * d, v, in.columns);
        }
        mean.at[r] = middle;
        scale.at[r] = 1.0f / sqrt(sum_of_lanes(sum) * share + op->epsilon);
    }
}

/* Of the batch, which also moves what is known; or what is known. */
inline void column_moments(__global const plan_op *op, matrix in, matrix mean, matrix scale,
                           matrix known_mean, matrix known_variance, uint v0, uint v1)
{
    for (uint v = v0; v < v1; ++v) {
        vec middle = VLOAD(v, known_mean.at), variance = VLOAD(v, known_variance.at);
        if (op->norm == PLAN_NORM_BATCH) {
            __global const float *x = in.at + v * in.step;
            vec sum = (vec)(0.0f), square = (vec)(0.0f);
            for (uint r = 0; r < in.rows; ++r) sum += VLOAD(r, x);
            const vec known = middle, so_far = variance;
            middle = sum / (float)in.rows;
            for (uint r = 0; r < in.rows; ++r) {
                const vec d = VLOAD(r, x) - middle;
                square += d * d;
            }
            variance = square / (float)in.rows;
            VSTORE(real_lanes(known + op->momentum * (middle - known), v, in.columns), v,
                   known_mean.at);
            VSTORE(real_lanes(so_far + op->momentum * (square / (float)(in.rows - 1) - so_far), v,
                              in.columns),
                   v, known_variance.at);
        }
        VSTORE(real_lanes(middle, v, in.columns), v, mean.at);
        VSTORE(real_lanes(1.0f / sqrt(variance + op->epsilon), v, in.columns), v, scale.at);
    }
}

/* z^ of row r in vector v. */
#define NORMALIZED(x, r, v)                                                                        \
    (op->norm == PLAN_NORM_LAYER ? ((x)-mean.at[r]) * scale.at[r]                                  \
                                 : ((x)-VLOAD(v, mean.at)) * VLOAD(v, scale.at))

/* Which rows and vectors a task has. */
#define NORM_TASK(matrix)                                                                          \
    const bool rows = op->norm == PLAN_NORM_LAYER;                                                 \
    const uint all = rows ? matrix.rows : vectors_of(matrix.columns);                              \
    const uint first = cut(all, block, op->split_rows), last = cut(all, block + 1, op->split_rows); \
    const uint row0 = rows ? first : 0, row1 = rows ? last : matrix.rows;                          \
    const uint v0 = rows ? 0 : first, v1 = rows ? vectors_of(matrix.columns) : last;

/* out = m f(gain z^ + shift) + skip. */
inline void norm_forward(__global const plan_op *op, matrix out, matrix in, matrix gain, matrix shift,
                      matrix mean, matrix scale, matrix net, matrix skip, matrix known_mean,
                      matrix known_variance, matrix hyper, matrix step, uint block)
{
    NORM_TASK(in)
    if (rows)
        row_moments(op, in, mean, scale, row0, row1);
    else
        column_moments(op, in, mean, scale, known_mean, known_variance, v0, v1);
    for (uint v = v0; v < v1; ++v) {
        const vec g = VLOAD(v, gain.at), s = VLOAD(v, shift.at);
        for (uint r = row0; r < row1; ++r)
            VSTORE(NORMALIZED(VLOAD(r, in.at + v * in.step), r, v) * g + s, r,
                   out.at + v * out.step);
    }
    const matrix none = {.rows = 0};
    activate_strip(op->function, out, net, none, v0, v1, row0, row1);
#if BP_DROPOUT
    if (op->drop_limit)
        drop_strip(op, out, net,
                   (uint)HYPER_ROW(hyper.at, *(__global const int *)step.at)[HYPER_STEP], v0, v1,
                   row0, row1);
#endif
#if BP_RESIDUAL
    if (skip.rows) keep_strip(out, op->keeps_output ? net : none, skip, v0, v1, row0, row1);
#endif
}

/* gain_gradient = column sums of delta z^, shift_gradient = column sums of delta. A block of vectors. */
inline void norm_gradient(__global const plan_op *op, matrix gain_gradient, matrix shift_gradient,
                          matrix delta, matrix in, matrix mean, matrix scale, uint block)
{
    const uint vectors = vectors_of(delta.columns), last = cut(vectors, block + 1, op->split_rows);
    for (uint v = cut(vectors, block, op->split_rows); v < last; ++v) {
        vec gains = (vec)(0.0f), shifts = (vec)(0.0f);
        for (uint r = 0; r < delta.rows; ++r) {
            const vec d = VLOAD(r, delta.at + v * delta.step);
            gains += d * NORMALIZED(VLOAD(r, in.at + v * in.step), r, v);
            shifts += d;
        }
        VSTORE(real_lanes(gains, v, delta.columns), v, gain_gradient.at);
        VSTORE(real_lanes(shifts, v, delta.columns), v, shift_gradient.at);
    }
}

/* delta, of gain z^ + shift, becomes that of the net inputs. */
inline void norm_effect(__global const plan_op *op, matrix delta, matrix in, matrix mean, matrix scale,
                        matrix gain, matrix gain_gradient, matrix shift_gradient, uint block)
{
    NORM_TASK(delta)
    for (uint r = row0; rows && r < row1; ++r) {
        vec first_sum = (vec)(0.0f), second_sum = (vec)(0.0f);
        for (uint v = 0; v < v1; ++v) {
            const vec d = real_lanes(VLOAD(r, delta.at + v * delta.step) * VLOAD(v, gain.at), v,
                                     delta.columns);
            first_sum += d;
            second_sum += real_lanes(d * NORMALIZED(VLOAD(r, in.at + v * in.step), r, v), v,
                                     delta.columns);
        }
        const float c1 = sum_of_lanes(first_sum) / (float)delta.columns,
                    c2 = sum_of_lanes(second_sum) / (float)delta.columns, s = scale.at[r];
        for (uint v = 0; v < v1; ++v) {
            __global float *d = delta.at + v * delta.step;
            const vec x = NORMALIZED(VLOAD(r, in.at + v * in.step), r, v);
            VSTORE(s * (VLOAD(r, d) * VLOAD(v, gain.at) - c1 - x * c2), r, d);
        }
    }
    const float share = op->norm == PLAN_NORM_BATCH ? 1.0f / (float)delta.rows : 0.0f;
    for (uint v = v0; !rows && v < v1; ++v) {
        __global float *d = delta.at + v * delta.step;
        const vec g = VLOAD(v, gain.at) * VLOAD(v, scale.at);
        const vec c1 = VLOAD(v, shift_gradient.at) * share, c2 = VLOAD(v, gain_gradient.at) * share;
        for (uint r = 0; r < delta.rows; ++r)
            VSTORE(g * (VLOAD(r, d) - c1 - NORMALIZED(VLOAD(r, in.at + v * in.step), r, v) * c2), r,
                   d);
    }
}
