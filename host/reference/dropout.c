/* dropout.c - which units are dropped. Twin of kernels/dropout.cl. */
#include "base/random.h"
#include "reference/reference.h"

void bp__reference_drop(bp__matrix_ref out, bp__matrix_ref net, const double *hyper,
                        const bp__dropout *dropout)
{
    const uint32_t limit = bp__dropout_limit(dropout->rate);
    const uint32_t step = (uint32_t)hyper[BP__HYPER_STEP];
    const double scale = 1 / bp__dropout_keep(dropout->rate);
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k) {
            const bool dropped =
                bp__random_drop(dropout->seed, dropout->layer, step, i, dropout->unit + k) < limit;
            double *a = &out.data[i * out.stride + k];
            *a = dropped ? -0.0 : *a * scale + 0.0; /* + 0 makes of -0 a +0 */
            if (!net.data) continue;
            double *z = &net.data[i * net.stride + k];
            *z = dropped ? -0.0 : *z + 0.0;
        }
}
