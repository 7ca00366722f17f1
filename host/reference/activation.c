/* activation.c - activation functions and their slopes. Twin of kernels/activation.cl. */
#include <math.h>

#include "reference/reference.h"

static const double leak = 0.01, selu_scale = 1.0507009873554804934,
                    selu_alpha = 1.6732632423543772848;
static const double root_half = 0.70710678118654752440, density_at_0 = 0.39894228040143267794;

static double sigmoid(double z)
{
    const double e = exp(-fabs(z));
    return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

/* Of the normal distribution, what lies below z. */
static double normal(double z)
{
    return 0.5 * erfc(-root_half * z);
}

double bp__reference_activate(int32_t activation, double z)
{
    switch (activation) {
    case BP_ACTIVATION_SIGMOID: return sigmoid(z);
    case BP_ACTIVATION_TANH: return tanh(z);
    case BP_ACTIVATION_RELU: return z < 0 ? 0 : z;
    case BP_ACTIVATION_LEAKY_RELU: return z < 0 ? leak * z : z;
    case BP_ACTIVATION_ELU: return z > 0 ? z : expm1(z);
    case BP_ACTIVATION_SELU: return selu_scale * (z > 0 ? z : selu_alpha * expm1(z));
    case BP_ACTIVATION_GELU: return z * normal(z);
    case BP_ACTIVATION_SILU: return z * sigmoid(z);
    case BP_ACTIVATION_SOFTPLUS: return fmax(z, 0) + log1p(exp(-fabs(z)));
    case BP_ACTIVATION_SOFTSIGN: return z / (1 + fabs(z));
    case BP_ACTIVATION_SINE: return sin(z);
    default: return z;
    }
}

double bp__reference_slope(int32_t activation, double x)
{
    const double a = x, z = x; /* which of the two it is, families.h says */
    switch (activation) {
    case BP_ACTIVATION_SIGMOID: return a * (1 - a);
    case BP_ACTIVATION_TANH: return 1 - a * a;
    case BP_ACTIVATION_RELU: return a > 0 ? 1 : 0;
    case BP_ACTIVATION_LEAKY_RELU: return a > 0 ? 1 : leak;
    case BP_ACTIVATION_ELU: return a > 0 ? 1 : a + 1;
    case BP_ACTIVATION_SELU: return a > 0 ? selu_scale : a + selu_scale * selu_alpha;
    case BP_ACTIVATION_GELU: return normal(z) + z * exp(-0.5 * z * z) * density_at_0;
    case BP_ACTIVATION_SILU: return sigmoid(z) * (1 + z * (1 - sigmoid(z)));
    case BP_ACTIVATION_SOFTPLUS: return -expm1(-a);
    case BP_ACTIVATION_SOFTSIGN: return (1 - fabs(a)) * (1 - fabs(a));
    case BP_ACTIVATION_SINE: return cos(z);
    default: return 1;
    }
}
