/* gemm_naive.cl - the matrix product as its definition reads: one work-item an element of C. It
 * documents what the fast kernels compute, and serves where they cannot run. */
#define BP_VW 1
#include "gemm.cl"

__kernel void gemm_naive(GEMM_ARGUMENTS DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;
    float sum = 0.0f;
    for (uint k = 0; k < K; ++k) sum = fma(A_AT(m, k), B_AT(k, n), sum);
    C[(ulong)m * ldc + n] = epilogue(sum, E, m, n, lde DROPOUT_VALUES);
}
