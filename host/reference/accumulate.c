/* accumulate.c - sums of gradients. Twin of kernels/accumulate.cl. */
#include "reference/reference.h"

void bp__reference_accumulate(double *sums, double *gradients, size_t count, double share,
                              bool ends)
{
    for (size_t i = 0; i < count; ++i) {
        const double sum = sums[i] + gradients[i];
        if (ends) gradients[i] = share * sum;
        sums[i] = ends ? 0 : sum;
    }
}
