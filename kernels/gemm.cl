/* gemm.cl - what all matrix product kernels share: the three layouts, and the epilogues.
 *
 *   BP_LAYOUT 0 (NT)  C[m][n] = sum_k A[m][k] B[n][k]   forward:  Z = A W^T
 *   BP_LAYOUT 1 (NN)  C[m][n] = sum_k A[m][k] B[k][n]   effect:   Gamma = Delta W
 *   BP_LAYOUT 2 (TN)  C[m][n] = sum_k A[k][m] B[k][n]   gradient: dE/dW = Delta^T A
 *
 *   BP_EPILOGUE 0     C = product
 *   BP_EPILOGUE 1     C = f(product)
 *   BP_EPILOGUE 2     C = f(product + E[0][n])          bias
 *   BP_EPILOGUE 3     C = product * f'(E[m][n])         slope of the layer before, from its output E
 *
 *   BP_DROPOUT 1      C = m f(…)                        of forward: dropout.cl
 *   BP_DROPOUT 2      C = product * m f'(…)             of effect
 *
 * All matrices are row-major with row strides ld*; offsets and strides are in floats. C overwrites
 * and may not alias A or B; E may be C (each element is read before it is written). */
#include "activation.cl"
#include "dropout.cl"

#if !defined(BP_LAYOUT) || !defined(BP_EPILOGUE)
#error "BP_LAYOUT and BP_EPILOGUE must be defined"
#endif

#define GEMM_ARGUMENTS                                                                             \
    const uint M, const uint N, const uint K, __global float *C, const ulong c_offset,             \
        const uint ldc, __global const float *A, const ulong a_offset, const uint lda,             \
        __global const float *B, const ulong b_offset, const uint ldb, __global const float *E,    \
        const ulong e_offset, const uint lde

#if BP_LAYOUT == 2
#define A_AT(m, k) A[(ulong)(k) * lda + (m)]
#else
#define A_AT(m, k) A[(ulong)(m) * lda + (k)]
#endif

#if BP_LAYOUT == 0
#define B_AT(k, n) B[(ulong)(n) * ldb + (k)]
#else
#define B_AT(k, n) B[(ulong)(k) * ldb + (n)]
#endif

/* a mod b where the quotient is at hand. Of `/` and `%` side by side LLVM makes an instruction that
 * oclgrind 21.10 cannot interpret. */
#define REST(a, b, quotient) ((a) - (quotient) * (b))

/* The epilogue of one element. */
inline float epilogue(float product, __global const float *E, uint m, uint n, uint lde DROPOUT_ARGUMENTS)
{
#if BP_EPILOGUE == 0
    return product;
#elif BP_EPILOGUE == 1
    return DROP(activate(product), m, n);
#elif BP_EPILOGUE == 2
    return DROP(activate(product + E[n]), m, n);
#elif BP_EPILOGUE == 3
    return SLOPED(product, E[(ulong)m * lde + n]);
#else
#error "BP_EPILOGUE must be 0 to 3"
#endif
}
