/* shim.h - what kernels/cpu/panel.cl needs of OpenCL, as plain clang: so that a compiler without an
 * OpenCL library shows what it makes of the tiles. */
#define __global
#define __kernel
#define fma(a, b, c) ((a) * (b) + (c)) /* with -ffp-contract=fast */
#define SHIM_WIDTH(W) typedef float shim_float##W __attribute__((ext_vector_type(W), aligned(4)));
SHIM_WIDTH(4)
SHIM_WIDTH(8)
SHIM_WIDTH(16)
#define vload4(i, p) ((vec) * (const shim_float4 *)((p) + 4 * (size_t)(i)))
#define vload8(i, p) ((vec) * (const shim_float8 *)((p) + 8 * (size_t)(i)))
#define vload16(i, p) ((vec) * (const shim_float16 *)((p) + 16 * (size_t)(i)))
#define vstore4(v, i, p) (*(shim_float4 *)((p) + 4 * (size_t)(i)) = (v))
#define vstore8(v, i, p) (*(shim_float8 *)((p) + 8 * (size_t)(i)) = (v))
#define vstore16(v, i, p) (*(shim_float16 *)((p) + 16 * (size_t)(i)) = (v))
