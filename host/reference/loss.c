/* loss.c - error and last delta row by row; softmax. Twin of kernels/loss.cl. */
#include <math.h>

#include "base/families.h"
#include "reference/reference.h"

/* Of one output a with the target t, p the loss's parameter: its error, and *effect = de/da. For
 * bce a is the net input of a sigmoid. */
static double error_of(int32_t loss, double a, double t, double p, double *effect)
{
    const double d = a - t, sign = d > 0 ? 1 : d < 0 ? -1 : d;
    switch (loss) {
    case BP_LOSS_MSE: *effect = 2 * d; return d * d;
    case BP_LOSS_MAE: *effect = sign; return fabs(d);
    case BP_LOSS_HUBER:
        *effect = fabs(d) > p ? sign * p : d;
        return fabs(d) > p ? p * (fabs(d) - p / 2) : d * d / 2;
    case BP_LOSS_QUANTILE:
        *effect = d > 0 ? 1 - p : d < 0 ? -p : d;
        return d > 0 ? (1 - p) * d : -p * d;
    case BP_LOSS_BCE:
        *effect = bp__reference_activate(BP_ACTIVATION_SIGMOID, a) - t;
        return fmax(a, 0) - a * t + log1p(exp(-fabs(a)));
    default: *effect = d; return 0.5 * d * d;
    }
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

/* One row's targets. */
typedef struct row_targets {
    const double *numbers; /* NULL: */
    size_t label;
    double on, off;
} row_targets;

static double target(const row_targets *row, size_t k)
{
    const double t = row->numbers ? row->numbers[k] : k == row->label ? 1 : 0;
    return row->off + (row->on - row->off) * t;
}

/* A row of cross-entropy, from net inputs: its error; delta (may be NULL) by the net inputs. */
static double cross_entropy(double *delta, const double *z, const row_targets *targets, size_t n)
{
    const double largest = z[largest_index(z, n)];
    double error = 0, sum = 0, target_sum = 0;
    for (size_t k = 0; k < n; ++k) {
        sum += exp(z[k] - largest);
        target_sum += target(targets, k);
    }
    for (size_t k = 0; k < n; ++k) {
        const double t = target(targets, k), x = z[k] - largest;
        error += t == 0 ? 0 : t * (log(sum) - x);
        if (delta) delta[k] = exp(x) / sum * target_sum - t;
    }
    return isfinite(sum) ? error : (double)NAN;
}

/* A row of all others, from x, activations or net inputs; *largest is the first largest output. */
static double sum_errors(double *delta, size_t *largest, const double *x,
                         const row_targets *targets, size_t n, const bp__loss *op)
{
    const int32_t f = bp__loss_activation(op->loss, op->activation);
    const bool of_net = bp__activation(f)->of_net;
    const bp__loss_numbers numbers = bp__loss_numbers_of(op);
    double error = 0, most = 0;
    for (size_t k = 0; k < n; ++k) {
        const double a = of_net ? bp__reference_activate(f, x[k]) : x[k];
        double effect;
        error += error_of(op->loss, a, target(targets, k), numbers.parameter, &effect);
        if (k == 0 || a > most) {
            *largest = k;
            most = a;
        }
        if (delta) delta[k] = numbers.share * effect * bp__reference_slope(f, x[k]);
    }
    return numbers.share * error;
}

void bp__reference_loss(bp__matrix_ref delta, double *row_loss, double *row_hits,
                        bp__matrix_ref output, const int32_t *labels, bp__matrix_ref targets,
                        const double *weights, const bp__loss *op)
{
    const size_t n = output.columns;
    const bp__loss_numbers numbers = bp__loss_numbers_of(op);
    for (size_t i = 0; i < output.rows; ++i) {
        const double *x = output.data + i * output.stride, weight = weights ? weights[i] : 1;
        double *d = delta.data ? delta.data + i * delta.stride : NULL;
        const row_targets row = {.numbers = labels ? NULL : targets.data + i * targets.stride,
                                 .label = labels ? (size_t)labels[i] : 0,
                                 .on = numbers.on,
                                 .off = numbers.off};
        size_t largest = largest_index(x, n);
        const double error = op->loss == BP_LOSS_CROSS_ENTROPY
                                 ? cross_entropy(d, x, &row, n)
                                 : sum_errors(d, &largest, x, &row, n, op);
        for (size_t k = 0; d && k < n; ++k) d[k] *= op->scale * weight;
        row_loss[i] = weight * error;
        row_hits[i] = labels && largest == (size_t)labels[i] ? 1 : 0;
    }
}
