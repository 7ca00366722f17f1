/* gemm.c - the three matrix products. Twin of kernels/gemm*.cl. */
#include "reference/reference.h"

/* c[m][n] += sum_k a[m][k] b[n][k] */
void bp__reference_gemm_nt(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b)
{
    for (size_t m = 0; m < c.rows; ++m)
        for (size_t n = 0; n < c.columns; ++n) {
            const double *row_a = a.data + m * a.stride, *row_b = b.data + n * b.stride;
            /* Four sums side by side: one would wait for its own last addition each time. */
            double sum[4] = {0, 0, 0, 0};
            size_t k = 0;
            for (; k + 4 <= a.columns; k += 4)
                for (size_t i = 0; i < 4; ++i) sum[i] += row_a[k + i] * row_b[k + i];
            for (; k < a.columns; ++k) sum[0] += row_a[k] * row_b[k];
            c.data[m * c.stride + n] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
        }
}

/* c[m][n] += sum_k a[m][k] b[k][n] */
void bp__reference_gemm_nn(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b)
{
    for (size_t m = 0; m < c.rows; ++m)
        for (size_t k = 0; k < a.columns; ++k) {
            const double factor = a.data[m * a.stride + k];
            for (size_t n = 0; n < c.columns; ++n)
                c.data[m * c.stride + n] += factor * b.data[k * b.stride + n];
        }
}

/* c[m][n] += sum_k a[k][m] b[k][n] */
void bp__reference_gemm_tn(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b)
{
    for (size_t m = 0; m < c.rows; ++m)
        for (size_t k = 0; k < a.rows; ++k) {
            const double factor = a.data[k * a.stride + m];
            for (size_t n = 0; n < c.columns; ++n)
                c.data[m * c.stride + n] += factor * b.data[k * b.stride + n];
        }
}
