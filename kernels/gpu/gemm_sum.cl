/* gemm_sum.cl - adds the pieces of a product whose sum was cut in SPLITS: P [SPLITS][M][N], without
 * padding. In the order of the pieces, so that the same bits come out every time. Behind gemm.cl. */
#ifndef BP_GEMM_SUM_CL
#define BP_GEMM_SUM_CL

#if SPLITS > 1
/* C = epilogue of the sum; a work-item an element. */
__kernel void gemm_sum(GEMM_ARGUMENTS, __global const float *P DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    float sum = 0.0f;
    for (uint z = 0; z < SPLITS; ++z) sum += P[((ulong)z * M + m) * N + n];
    C[c_offset + (ulong)m * ldc + n] = epilogue(sum, E + e_offset, m, n, lde DROPOUT_VALUES);
}
#endif

#endif
