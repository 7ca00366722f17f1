/* loss.c - error and last delta row by row; softmax. Twin of kernels/loss.cl. */
#include <math.h>

#include "reference/reference.h"

static double target(const int32_t *labels, bp__matrix_ref targets, size_t i, size_t k)
{
    if (labels) return (size_t)labels[i] == k ? 1 : 0;
    return targets.data[i * targets.stride + k];
}

static size_t largest_index(const double *row, size_t count)
{
    size_t best = 0;
    for (size_t k = 1; k < count; ++k)
        if (row[k] > row[best]) best = k;
    return best;
}

void bp__reference_softmax(bp__matrix_ref out, bp__matrix_ref in)
{
    for (size_t i = 0; i < in.rows; ++i) {
        const double *z = in.data + i * in.stride;
        double *p = out.data + i * out.stride;
        const double largest = z[largest_index(z, in.columns)];
        double sum = 0;
        for (size_t k = 0; k < in.columns; ++k) {
            p[k] = exp(z[k] - largest);
            sum += p[k];
        }
        for (size_t k = 0; k < in.columns; ++k) p[k] /= sum;
    }
}

void bp__reference_loss(bp__matrix_ref delta, double *row_loss, double *row_hits,
                        bp__matrix_ref output, const int32_t *labels, bp__matrix_ref targets,
                        int32_t loss, int32_t activation, double scale)
{
    const size_t n = output.columns;
    for (size_t i = 0; i < output.rows; ++i) {
        const double *o = output.data + i * output.stride;
        double *d = delta.data ? delta.data + i * delta.stride : NULL;
        const size_t best = largest_index(o, n);
        const double largest = o[best];
        double error = 0, sum = 0, target_sum = 0;
        if (loss == BP_LOSS_CROSS_ENTROPY)
            for (size_t k = 0; k < n; ++k) {
                sum += exp(o[k] - largest);
                target_sum += target(labels, targets, i, k);
            }
        for (size_t k = 0; k < n; ++k) {
            const double t = target(labels, targets, i, k);
            double slope;
            if (loss == BP_LOSS_CROSS_ENTROPY) {
                const double z = o[k] - largest;
                error += t == 0 ? 0 : t * (log(sum) - z);
                slope = exp(z) / sum * target_sum - t;
            } else {
                error += 0.5 * (o[k] - t) * (o[k] - t);
                slope = (o[k] - t) * bp__reference_slope(activation, o[k]);
            }
            if (d) d[k] = scale * slope;
        }
        if (loss == BP_LOSS_CROSS_ENTROPY && !isfinite(sum)) error = NAN;
        row_loss[i] = error;
        row_hits[i] = labels && best == (size_t)labels[i] ? 1 : 0;
    }
}
