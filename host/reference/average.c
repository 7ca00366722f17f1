/* average.c - moving averages of parameters. Twin of kernels/average.cl. */
#include "reference/reference.h"

void bp__reference_average(double *averages, const double *parameters, size_t count, double share)
{
    for (size_t i = 0; i < count; ++i) averages[i] += share * (parameters[i] - averages[i]);
}
