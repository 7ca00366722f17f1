/* normalize.cl - layer and batch normalisation, on GPUs. Formulas in host/base/operation.h.
 *
 * BY_ROW 1: moments are those of a row, over its units (layer normalisation); 0: those of a unit, over
 * the rows (batch normalisation). Kernels over rows have one work-group of LOCAL work-items for each;
 * kernels over units one of SIDE x SIDE for SIDE units. Sums have a fixed order: every LOCAL-th or
 * SIDE-th element one after the other, then a tree. */
#define BP_VW 1
#include "activation.cl"
#include "dropout.cl"

#if !defined(BY_ROW) || !defined(HAS_SKIP) || !defined(HAS_NET)
#error "BY_ROW, HAS_SKIP and HAS_NET must be defined"
#endif

#define LOCAL 64
#define SIDE 16
#include "group_sum.cl"

#define AT(M, r, c) (M)[M##_offset + (ulong)(r) * M##_stride + (c)]
#define MATRIX(M) __global float *M, const ulong M##_offset, const uint M##_stride
#define VECTOR(M) __global float *M, const ulong M##_offset

/* The sum of what the SIDE work-items of unit x have; the same in all of them. */
inline float sum_column(float mine, __local float *sums, uint x, uint y)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[y * SIDE + x] = mine;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_size = SIDE / 2; half_size > 0; half_size /= 2) {
        if (y < half_size) sums[y * SIDE + x] += sums[(y + half_size) * SIDE + x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return sums[x];
}

/* mean and scale of each row of Z. */
__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
row_moments(const uint columns, const float epsilon, MATRIX(Z), VECTOR(mean), VECTOR(scale))
{
    const uint item = get_local_id(0), row = get_group_id(0);
    __local float sums[LOCAL];
    float sum = 0.0f;
    for (uint c = item; c < columns; c += LOCAL) sum += AT(Z, row, c);
    const float middle = group_sum(sum, sums, item) / (float)columns;
    sum = 0.0f;
    for (uint c = item; c < columns; c += LOCAL) {
        const float d = AT(Z, row, c) - middle;
        sum += d * d;
    }
    const float variance = group_sum(sum, sums, item) / (float)columns;
    if (item > 0) return;
    mean[mean_offset + row] = middle;
    scale[scale_offset + row] = 1.0f / sqrt(variance + epsilon);
}

/* mean and scale of each unit, and what is known of it so far, which goes a share of momentum towards
 * them; its variance is the unbiased one. */
__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1))) void
column_moments(const uint rows, const uint columns, const float epsilon, const float momentum,
               MATRIX(Z), VECTOR(mean), VECTOR(scale), VECTOR(known_mean), VECTOR(known_variance))
{
    const uint x = get_local_id(0), y = get_local_id(1), c = get_group_id(0) * SIDE + x;
    __local float sums[SIDE * SIDE];
    float sum = 0.0f;
    for (uint r = y; r < rows && c < columns; r += SIDE) sum += AT(Z, r, c);
    const float middle = sum_column(sum, sums, x, y) / (float)rows;
    sum = 0.0f;
    for (uint r = y; r < rows && c < columns; r += SIDE) {
        const float d = AT(Z, r, c) - middle;
        sum += d * d;
    }
    const float square = sum_column(sum, sums, x, y);
    if (y > 0 || c >= columns) return;
    mean[mean_offset + c] = middle;
    scale[scale_offset + c] = 1.0f / sqrt(square / (float)rows + epsilon);
    __global float *m = known_mean + known_mean_offset + c;
    __global float *v = known_variance + known_variance_offset + c;
    *m += momentum * (middle - *m);
    *v += momentum * (square / (float)(rows - 1) - *v);
}

/* mean and scale of each unit as far as they are known. */
__kernel void known_moments(const float epsilon, VECTOR(mean), VECTOR(scale), VECTOR(known_mean),
                            VECTOR(known_variance))
{
    const uint c = get_global_id(0);
    mean[mean_offset + c] = known_mean[known_mean_offset + c];
    scale[scale_offset + c] = 1.0f / sqrt(known_variance[known_variance_offset + c] + epsilon);
}

#define MOMENT (BY_ROW ? m : n)

/* C[m][n] = f(g z^ + s), z^ = (Z[m][n] - mean) scale, times m with dropout, + S[m][n]. N is what the
 * slope is taken from: g z^ + s for functions that need it, else what S is added to. */
__kernel void norm_forward(MATRIX(C), MATRIX(Z), VECTOR(gain), VECTOR(shift), VECTOR(mean), VECTOR(scale)
#if HAS_NET
                        , MATRIX(N)
#endif
#if HAS_SKIP
                        , MATRIX(S)
#endif
                        DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    const float x = (AT(Z, m, n) - mean[mean_offset + MOMENT]) * scale[scale_offset + MOMENT];
    const float y = x * gain[gain_offset + n] + shift[shift_offset + n];
    const float a = DROP(activate(y), m, n);
#if HAS_NET
#if BP_DROPOUT == 1
    const float kept = as_uint(a) == 0x80000000u ? -0.0f : y + 0.0f;
#else
    const float kept = y;
#endif
    AT(N, m, n) = BP_SLOPE_OF_NET(BP_ACTIVATION) ? kept : a;
#endif
#if HAS_SKIP
    AT(C, m, n) = a + AT(S, m, n);
#else
    AT(C, m, n) = a;
#endif
}

/* gain_gradient[n] = sum over rows of D z^, shift_gradient[n] = sum over rows of D. */
__kernel __attribute__((reqd_work_group_size(SIDE, SIDE, 1))) void
norm_gradient(const uint rows, const uint columns, MATRIX(D), MATRIX(Z), VECTOR(mean), VECTOR(scale),
              VECTOR(gain_gradient), VECTOR(shift_gradient))
{
    const uint x = get_local_id(0), y = get_local_id(1), n = get_group_id(0) * SIDE + x;
    __local float sums[SIDE * SIDE];
    float gains = 0.0f, shifts = 0.0f;
    for (uint m = y; m < rows && n < columns; m += SIDE) {
        const float d = AT(D, m, n);
        gains += d * ((AT(Z, m, n) - mean[mean_offset + MOMENT]) * scale[scale_offset + MOMENT]);
        shifts += d;
    }
    gains = sum_column(gains, sums, x, y);
    shifts = sum_column(shifts, sums, x, y);
    if (y > 0 || n >= columns) return;
    gain_gradient[gain_gradient_offset + n] = gains;
    shift_gradient[shift_gradient_offset + n] = shifts;
}

/* Of a row: D = scale (g D - mean of g D - z^ mean of g D z^). */
__kernel __attribute__((reqd_work_group_size(LOCAL, 1, 1))) void
norm_effect_row(const uint columns, MATRIX(D), MATRIX(Z), VECTOR(mean), VECTOR(scale), VECTOR(gain))
{
    const uint item = get_local_id(0), row = get_group_id(0);
    const float middle = mean[mean_offset + row], s = scale[scale_offset + row];
    __local float sums[LOCAL];
    float first = 0.0f, second = 0.0f;
    for (uint c = item; c < columns; c += LOCAL) {
        const float d = AT(D, row, c) * gain[gain_offset + c];
        first += d;
        second += d * ((AT(Z, row, c) - middle) * s);
    }
    first = group_sum(first, sums, item) / (float)columns;
    second = group_sum(second, sums, item) / (float)columns;
    for (uint c = item; c < columns; c += LOCAL) {
        const float d = AT(D, row, c) * gain[gain_offset + c];
        AT(D, row, c) = s * (d - first - (AT(Z, row, c) - middle) * s * second);
    }
}

/* Of a unit: D = g scale (D - mean of D - z^ mean of D z^), the means over the rows being gradients / rows;
 * where the moments were known before, D = g scale D. */
__kernel void norm_effect_column(const float share, MATRIX(D), MATRIX(Z), VECTOR(mean), VECTOR(scale),
                                 VECTOR(gain), VECTOR(gain_gradient), VECTOR(shift_gradient))
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    const float s = scale[scale_offset + n], x = (AT(Z, m, n) - mean[mean_offset + n]) * s;
    AT(D, m, n) = gain[gain_offset + n] * s *
                  (AT(D, m, n) - share * (shift_gradient[shift_gradient_offset + n] +
                                          x * gain_gradient[gain_gradient_offset + n]));
}
