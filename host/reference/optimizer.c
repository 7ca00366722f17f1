/* optimizer.c - parameter updates, and the norms of gradients and weights. Twin of
 * kernels/update.cl, where the formulas stand, and kernels/norm.cl. */
#include <math.h>

#include "reference/reference.h"

static double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

double bp__reference_clip_factor(const double *gradients, size_t count, double limit)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += gradients[i] * gradients[i];
    const double factor = limit / (sqrt(sum) + 1e-6);
    return factor < 1 ? factor : 1;
}

double bp__reference_max_norm_factor(double squares, double limit)
{
    const double norm = sqrt(squares);
    if (isinf(norm)) return (double)NAN;
    return norm > limit ? limit / norm : 1;
}

void bp__reference_max_norm(bp__matrix_ref weights, double limit)
{
    for (size_t k = 0; k < weights.rows; ++k) {
        double *row = weights.data + k * weights.stride, squares = 0;
        for (size_t i = 0; i < weights.columns; ++i) squares += row[i] * row[i];
        const double factor = bp__reference_max_norm_factor(squares, limit);
        for (size_t i = 0; i < weights.columns; ++i) row[i] *= factor;
    }
}

/* What an optimizer gets for the gradient g of w. */
static double shaped(double g, double w, double factor, const bp__optimizer *op)
{
    const double clip = (double)op->clip;
    g *= factor;
    if (clip > 0) g = g > clip ? clip : g < -clip ? -clip : g;
    return g + (double)op->l2 * w + (double)op->l1 * sign(w);
}

static void adam(double *w, double *m, double *v, double g, const double *hyper,
                 const bp__optimizer *op)
{
    const double b1 = (double)op->beta1, b2 = (double)op->beta2;
    *m = b1 * *m + (1 - b1) * g;
    *v = b2 * *v + (1 - b2) * g * g;
    *w -= hyper[BP__HYPER_RATE] * *m * hyper[BP__HYPER_CORRECTION1] /
          (sqrt(*v * hyper[BP__HYPER_CORRECTION2]) + (double)op->epsilon);
}

static void rprop(double *w, double *m, double *v, double g, double rate)
{
    const double same = g * *m, before = *v > 0 ? *v : rate;
    *v = same > 0   ? fmin(before * 1.2, 50)
         : same < 0 ? fmax(before * 0.5, 1e-6)
         : g != 0   ? before
                    : *v;
    *m = same < 0 ? 0 : g;
    *w -= sign(*m) * *v;
}

static void update(double *w, double *m, double *v, double g, const double *hyper,
                   const bp__optimizer *op)
{
    const double rate = hyper[BP__HYPER_RATE], mu = (double)op->momentum;
    const double b1 = (double)op->beta1, b2 = (double)op->beta2, epsilon = (double)op->epsilon;
    const double decay = (double)op->decay;
    switch (op->optimizer) {
    case BP_OPTIMIZER_SGD: *w -= rate * g; break;
    case BP_OPTIMIZER_MOMENTUM:
        *m = mu * *m + g;
        *w -= rate * *m;
        break;
    case BP_OPTIMIZER_NESTEROV:
        *m = mu * *m + g;
        *w -= rate * (g + mu * *m);
        break;
    case BP_OPTIMIZER_ADAGRAD:
        *m += g * g;
        *w -= rate * g / (sqrt(*m) + epsilon);
        break;
    case BP_OPTIMIZER_RMSPROP:
        *m = b2 * *m + (1 - b2) * g * g;
        *w -= rate * g / (sqrt(*m) + epsilon);
        break;
    case BP_OPTIMIZER_ADAMW: *w -= rate * decay * *w; /* fallthrough */
    case BP_OPTIMIZER_ADAM: adam(w, m, v, g, hyper, op); break;
    case BP_OPTIMIZER_LION:
        *w -= rate * (sign(b1 * *m + (1 - b1) * g) + decay * *w);
        *m = b2 * *m + (1 - b2) * g;
        break;
    case BP_OPTIMIZER_RPROP: rprop(w, m, v, g, rate); break;
    }
}

void bp__reference_optimizer(double *parameters, const double *gradients, double *moment1,
                             double *moment2, size_t count, const double *hyper, double factor,
                             const bp__optimizer *op)
{
    double none = 0;
    for (size_t i = 0; i < count; ++i)
        update(&parameters[i], moment1 ? &moment1[i] : &none, moment2 ? &moment2[i] : &none,
               shaped(gradients[i], parameters[i], factor, op), hyper, op);
}
