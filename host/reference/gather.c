/* gather.c - the rows of a batch by index. Twin of kernels/gather.cl. */
#include <string.h>

#include "reference/reference.h"

void bp__reference_gather(bp__matrix_ref out, bp__matrix_ref in, const int32_t *order, size_t step,
                          size_t period)
{
    for (size_t i = 0; i < out.rows; ++i) {
        const size_t row = (size_t)order[step * period + i];
        memcpy(out.data + i * out.stride, in.data + row * in.stride,
               out.columns * sizeof *out.data);
    }
}
