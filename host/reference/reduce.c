/* reduce.c - sums over the rows of a batch. Twin of kernels/reduce.cl. */
#include "reference/reference.h"

void bp__reference_reduce_loss(double *losses, double *hits, const double *row_loss,
                               const double *row_hits, size_t rows, int32_t *step)
{
    double loss_sum = 0, hit_sum = 0;
    for (size_t i = 0; i < rows; ++i) {
        loss_sum += row_loss[i];
        hit_sum += row_hits[i];
    }
    losses[*step] = loss_sum;
    hits[*step] = hit_sum;
    ++*step;
}
