/* activation.cl - activation functions and their slopes, for one float (_s) and for a vector (_v).
 *
 *   bp_NAME_f(z)      the layer's output from its net input
 *   bp_NAME_slope(a)  f'(z), expressed by the output a = f(z)
 *
 * One pair of lines a function; the plain C twin is host/reference/activation.c. A conditional on
 * vectors works element by element, so one text serves both types. NaN in gives NaN out.
 *
 * BP_ACTIVATE(N, x) and BP_SLOPE(N, x) name the functions of number N, as in backprop.h; x is s or v.
 * A kernel with one function defines BP_ACTIVATION, its number, and has activate and slope. */
#ifndef BP_ACTIVATION_CL
#define BP_ACTIVATION_CL

#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

/* clang-format off */
#define BP_DEFINE_ACTIVATIONS(T, x)                                                                \
    inline T bp_linear_f_##x(T z) { return z; }                                                       \
    inline T bp_linear_slope_##x(T a) { return (T)(1.0f); }                                           \
    inline T bp_sigmoid_f_##x(T z) /* 1 / (1 + e^-z); e^-|z| cannot overflow and keeps the tails */   \
    {                                                                                              \
        const T e = exp(-fabs(z)), r = 1.0f / (1.0f + e);                                          \
        return z < 0.0f ? e * r : r;                                                               \
    }                                                                                              \
    inline T bp_sigmoid_slope_##x(T a) { return a * (1.0f - a); }                                     \
    inline T bp_tanh_f_##x(T z) { return tanh(z); }                                                   \
    inline T bp_tanh_slope_##x(T a) { return 1.0f - a * a; }                                          \
    inline T bp_relu_f_##x(T z) { return z < 0.0f ? (T)(0.0f) : z; }                                  \
    inline T bp_relu_slope_##x(T a) { return a > 0.0f ? (T)(1.0f) : (T)(0.0f); /* 0 at the kink */ }
/* clang-format on */

BP_DEFINE_ACTIVATIONS(float, s)
BP_DEFINE_ACTIVATIONS(vec, v)

#define BP_NAME_0 bp_linear
#define BP_NAME_1 bp_sigmoid
#define BP_NAME_2 bp_tanh
#define BP_NAME_3 bp_relu

/* X(N) for every activation. */
#define BP_FOR_ACTIVATIONS(X) X(0) X(1) X(2) X(3)

#define BP_ACTIVATE(N, x) BP_PASTE(BP_PASTE(BP_NAME_, N), BP_PASTE(_f_, x))
#define BP_SLOPE(N, x) BP_PASTE(BP_PASTE(BP_NAME_, N), BP_PASTE(_slope_, x))

#ifdef BP_ACTIVATION
#define activate BP_ACTIVATE(BP_ACTIVATION, s)
#define slope BP_SLOPE(BP_ACTIVATION, s)
#endif

#endif
