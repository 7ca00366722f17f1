/* normalize.c - layer and batch normalisation. Twin of host/ops/normalize.c and its kernels. */
#include <math.h>

#include "reference/reference.h"

/* Where the moments of an element stand. */
static size_t place(const bp__moments *how, size_t row, size_t unit)
{
    return how->norm == BP_NORM_LAYER ? row : unit;
}

/* Sum of (z - less)^power over what moments `at` are taken over; *count: of how many. */
static double sum_over(const bp__moments *how, bp__matrix_ref in, size_t at, double less, int power,
                       size_t *count)
{
    const bool by_row = how->norm == BP_NORM_LAYER;
    double sum = 0;
    *count = by_row ? in.columns : in.rows;
    for (size_t i = 0; i < *count; ++i) {
        const double d =
            (by_row ? in.data[at * in.stride + i] : in.data[i * in.stride + at]) - less;
        sum += power == 2 ? d * d : d;
    }
    return sum;
}

void bp__reference_moments(double *mean, double *scale, bp__matrix_ref in, double *known_mean,
                           double *known_variance, const bp__moments *how)
{
    const double epsilon = (double)bp__norm_epsilon, momentum = (double)bp__norm_momentum;
    const size_t moments = how->norm == BP_NORM_LAYER ? in.rows : in.columns;
    for (size_t i = 0; i < moments; ++i) {
        size_t count = 0;
        double variance;
        if (how->known) {
            mean[i] = known_mean[i];
            variance = known_variance[i];
        } else {
            mean[i] = sum_over(how, in, i, 0, 1, &count);
            mean[i] /= (double)count;
            const double squares = sum_over(how, in, i, mean[i], 2, &count);
            variance = squares / (double)count;
            if (how->norm == BP_NORM_BATCH) {
                known_mean[i] += momentum * (mean[i] - known_mean[i]);
                known_variance[i] += momentum * (squares / (double)(count - 1) - known_variance[i]);
            }
        }
        scale[i] = 1 / sqrt(variance + epsilon);
    }
}

void bp__reference_normalize(bp__matrix_ref out, bp__matrix_ref nets, bp__matrix_ref in,
                             const double *gain, const double *shift, const double *mean,
                             const double *scale, int32_t activation, const bp__moments *how)
{
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k) {
            const size_t at = place(how, i, k);
            const double y =
                gain[k] * (in.data[i * in.stride + k] - mean[at]) * scale[at] + shift[k];
            if (nets.data) nets.data[i * nets.stride + k] = y;
            out.data[i * out.stride + k] = bp__reference_activate(activation, y);
        }
}

void bp__reference_norm_gradient(double *gain_gradient, double *shift_gradient,
                                 bp__matrix_ref delta, bp__matrix_ref in, const double *mean,
                                 const double *scale, const bp__moments *how)
{
    for (size_t k = 0; k < delta.columns; ++k) {
        gain_gradient[k] = shift_gradient[k] = 0;
        for (size_t i = 0; i < delta.rows; ++i) {
            const size_t at = place(how, i, k);
            const double d = delta.data[i * delta.stride + k];
            gain_gradient[k] += d * (in.data[i * in.stride + k] - mean[at]) * scale[at];
            shift_gradient[k] += d;
        }
    }
}

/* Through what z^ is made of: its own net input, and the mean and the variance that all share. */
void bp__reference_norm_effect(bp__matrix_ref delta, bp__matrix_ref in, const double *mean,
                               const double *scale, const double *gain, const bp__moments *how)
{
    const bool by_row = how->norm == BP_NORM_LAYER;
    const size_t moments = by_row ? delta.rows : delta.columns;
    const size_t count = by_row ? delta.columns : delta.rows;
    for (size_t at = 0; at < moments; ++at) {
        double d_mean = 0, product_mean = 0;
        for (size_t i = 0; i < count && !how->known; ++i) {
            const size_t row = by_row ? at : i, unit = by_row ? i : at;
            const double d = gain[unit] * delta.data[row * delta.stride + unit];
            d_mean += d / (double)count;
            product_mean +=
                d * (in.data[row * in.stride + unit] - mean[at]) * scale[at] / (double)count;
        }
        for (size_t i = 0; i < count; ++i) {
            const size_t row = by_row ? at : i, unit = by_row ? i : at;
            double *d = &delta.data[row * delta.stride + unit];
            const double x = (in.data[row * in.stride + unit] - mean[at]) * scale[at];
            *d = scale[at] * (gain[unit] * *d - d_mean - x * product_mean);
        }
    }
}
