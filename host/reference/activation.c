/* activation.c - activation functions and their slopes. Twin of kernels/activation.cl. */
#include <math.h>

#include "reference/reference.h"

double bp__reference_activate(int32_t activation, double z)
{
    switch (activation) {
    case BP_ACTIVATION_SIGMOID: {
        double e = exp(-fabs(z));
        return z < 0 ? e / (1 + e) : 1 / (1 + e);
    }
    case BP_ACTIVATION_TANH: return tanh(z);
    case BP_ACTIVATION_RELU: return z < 0 ? 0 : z;
    default: return z;
    }
}

double bp__reference_slope(int32_t activation, double a)
{
    switch (activation) {
    case BP_ACTIVATION_SIGMOID: return a * (1 - a);
    case BP_ACTIVATION_TANH: return 1 - a * a;
    case BP_ACTIVATION_RELU: return a > 0 ? 1 : 0;
    default: return 1;
    }
}
