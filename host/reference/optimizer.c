/* optimizer.c - parameter updates. Twin of kernels/optimizer.cl, where the formulas stand. */
#include <math.h>

#include "reference/reference.h"

void bp__reference_optimizer(double *parameters, const double *gradients, double *moment1,
                             double *moment2, size_t count, const double *hyper, int32_t optimizer,
                             double momentum, double beta1, double beta2, double epsilon)
{
    const double rate = hyper[BP__HYPER_RATE];
    for (size_t i = 0; i < count; ++i) {
        const double g = gradients[i];
        switch (optimizer) {
        case BP_OPTIMIZER_SGD: parameters[i] -= rate * g; break;
        case BP_OPTIMIZER_MOMENTUM:
            moment1[i] = momentum * moment1[i] + g;
            parameters[i] -= rate * moment1[i];
            break;
        case BP_OPTIMIZER_ADAM:
            moment1[i] = beta1 * moment1[i] + (1 - beta1) * g;
            moment2[i] = beta2 * moment2[i] + (1 - beta2) * g * g;
            parameters[i] -= rate * moment1[i] * hyper[BP__HYPER_CORRECTION1] /
                             (sqrt(moment2[i] * hyper[BP__HYPER_CORRECTION2]) + epsilon);
            break;
        }
    }
}
