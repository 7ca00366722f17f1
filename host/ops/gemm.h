/* gemm.h - matrix products with an epilogue, of matrices in rows: one interface, four backends.
 *
 *   naive    kernels/gemm_naive.cl       one work-item an element
 *   gpu      kernels/gpu/gemm_gpu.cl     tiles in local memory
 *   matrix   kernels/gpu/gemm_matrix.cl  the same by matrix units, in the engine's precision
 *   clblast  CLBlast's SGEMM, then the epilogue as a kernel of its own
 *
 * CPUs have another way, in which products are part of a plan (host/ops/cpu_plan.c).
 */
#ifndef BP_OPS_GEMM_H
#define BP_OPS_GEMM_H

#include "ops/launchers.h"

typedef enum bp__gemm_layout {
    BP__GEMM_NT, /* C[m][n] = sum_k A[m][k] B[n][k] */
    BP__GEMM_NN, /* C[m][n] = sum_k A[m][k] B[k][n] */
    BP__GEMM_TN  /* C[m][n] = sum_k A[k][m] B[k][n] */
} bp__gemm_layout;

typedef enum bp__epilogue {
    BP__EPILOGUE_NONE,       /* C = product */
    BP__EPILOGUE_ACTIVATION, /* C = m f(product) */
    BP__EPILOGUE_BIAS,       /* C = m f(product + e), e [1][n] */
    BP__EPILOGUE_SLOPE       /* C = product * m f'(e), e [m][n] activations */
} bp__epilogue;

/* C is overwritten; it may not alias a or b. NT takes the first three epilogues, NN none and slope,
 * TN none. */
typedef struct bp__gemm {
    bp__gemm_layout layout;
    bp__epilogue epilogue;
    int32_t activation;
    bp__dropout
        dropout; /* m of operation.h; 1 where its rate is 0. Of a slope the rate alone counts */
    bp__view c, a, b, e;
} bp__gemm;

/* M, N and K of a product. */
typedef struct bp__gemm_shape {
    cl_uint m, n, k;
} bp__gemm_shape;

bp__gemm_shape bp__gemm_get_shape(const bp__gemm *gemm);

bp_status bp__launch_gemm(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm);

/* A native kernel with the common arguments of kernels/gemm.cl, then more[more_count], then those
 * of dropout; options are added to those that the product itself needs. */
bp_status bp__record_gemm_kernel(bp__recorder *recorder, const bp__gemm *gemm, const char *file,
                                 const char *kernel, const char *options, const bp__grid *grid,
                                 const bp__arg *more, size_t more_count);

/* The kernel of gpu/gemm_sum.cl, which adds what a product's pieces are; of the same file and
 * options as they. */
bp_status bp__record_gemm_sum(bp__recorder *recorder, const bp__gemm *gemm, const char *file,
                              const char *options, cl_mem pieces);

/* The compiler options that a product needs whatever its kernel, then `options`. */
void bp__gemm_options(char *out, size_t size, const bp__gemm *gemm, const char *options);

bp_status bp__gemm_naive(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm);
bp_status bp__gemm_gpu(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm);
bp_status bp__gemm_matrix(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm);

/* Whether the device has what the gpu kernel needs, local memory and work-group size: for its
 * smallest tile, and for the one of this side, of which false says that there is none. */
bool bp__gemm_gpu_fits(const bp_device *device);
bool bp__gemm_gpu_tile_fits(const bp_device *device, unsigned side);
bool bp__gemm_matrix_tile_fits(bp_device *device, unsigned side);

#endif
