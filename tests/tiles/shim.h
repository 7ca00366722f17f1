/* shim.h - what kernels/cpu/panel.cl needs of OpenCL, as plain clang: so that a compiler without an
 * OpenCL library shows what it makes of the tiles. */
#define __global
#define __kernel
#define fma(a, b, c) ((a) * (b) + (c)) /* with -ffp-contract=fast */
#define SHIM_VECTORS(T, W)                                                                         \
    typedef T shim_##T##W __attribute__((ext_vector_type(W), aligned(4)));                         \
    inline T##W __attribute__((overloadable)) vload##W(size_t i, const T *p)                \
    {                                                                                              \
        return *(const shim_##T##W *)(p + W * i);                                                  \
    }                                                                                              \
    inline void __attribute__((overloadable)) vstore##W(T##W v, size_t i, T *p)             \
    {                                                                                              \
        *(shim_##T##W *)(p + W * i) = v;                                                           \
    }
SHIM_VECTORS(float, 4)
SHIM_VECTORS(float, 8)
SHIM_VECTORS(float, 16)
SHIM_VECTORS(int, 4)
SHIM_VECTORS(int, 8)
SHIM_VECTORS(int, 16)
