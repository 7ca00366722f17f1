/* dense.cl - what a dense layer needs beside its matrix products: the epilogues as kernels of their
 * own, for GEMM backends that cannot fuse them, and the bias gradient. */
#include "activation.cl"
#include "dropout.cl"

/* C[m][n] = f(C[m][n] + bias[n]), times m with dropout; HAS_BIAS 0 leaves the bias out. In place,
 * [rows][columns]. */
__kernel void dense_activate(__global float *C, const ulong c_offset, const uint ldc,
                             __global const float *bias, const ulong bias_offset DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    __global float *c = C + c_offset + (ulong)m * ldc + n;
#if HAS_BIAS
    *c = DROP(activate(*c + bias[bias_offset + n]), m, n);
#else
    *c = DROP(activate(*c), m, n);
#endif
}

#if HAS_SKIP
#define SKIP_ARGUMENTS , __global const float *S, const ulong s_offset, const uint lds
#define SKIPPED S[s_offset + (ulong)m * lds + n]
#else
#define SKIP_ARGUMENTS
#define SKIPPED 0.0f
#endif

/* C[m][n] = f(A[m][n]) + S[m][n], [rows][columns]; HAS_SKIP 0 leaves S out. With dropout A is marked,
 * too: its slopes are functions of A. */
__kernel void dense_apply(__global float *C, const ulong c_offset, const uint ldc,
                          __global float *A, const ulong a_offset,
                          const uint lda SKIP_ARGUMENTS DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    __global float *a = A + a_offset + (ulong)m * lda + n;
    const float z = *a, c = DROP(activate(z), m, n);
#if HAS_SKIP
    C[c_offset + (ulong)m * ldc + n] = c + SKIPPED;
#else
    C[c_offset + (ulong)m * ldc + n] = c;
#endif
#if BP_DROPOUT == 1
    *a = as_uint(c) == 0x80000000u ? -0.0f : z + 0.0f;
#endif
}

/* P[m][n] += S[m][n], then C[m][n] = P[m][n] f'(A[m][n]); P may be C. */
__kernel void dense_join(__global float *C, const ulong c_offset, const uint ldc,
                         __global const float *A, const ulong a_offset, const uint lda,
                         __global float *P, const ulong p_offset,
                         const uint ldp SKIP_ARGUMENTS DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    __global float *p = P + p_offset + (ulong)m * ldp + n;
    const float effect = *p + SKIPPED;
    *p = effect;
    C[c_offset + (ulong)m * ldc + n] = SLOPED(effect, A[a_offset + (ulong)m * lda + n]);
}

/* C[m][n] *= f'(A[m][n]), times m with dropout, A being activations, or net inputs where the slope is
 * theirs. In place, [rows][columns]. */
__kernel void dense_slope(__global float *C, const ulong c_offset, const uint ldc,
                          __global const float *A, const ulong a_offset, const uint lda DROPOUT_ARGUMENTS)
{
    const uint n = get_global_id(0);
    const uint m = get_global_id(1);
    __global float *c = C + c_offset + (ulong)m * ldc + n;
    *c = SLOPED(*c, A[a_offset + (ulong)m * lda + n]);
}

/* bias_gradient[n] = sum over m < rows of D[m][n], in the order of m. */
__kernel void dense_bias_gradient(__global float *bias_gradient, const ulong g_offset,
                                  __global const float *D, const ulong d_offset, const uint ldd,
                                  const uint rows)
{
    const uint n = get_global_id(0);
    __global const float *d = D + d_offset;
    float sum = 0.0f;
    for (uint m = 0; m < rows; ++m) sum += d[(ulong)m * ldd + n];
    bias_gradient[g_offset + n] = sum;
}
