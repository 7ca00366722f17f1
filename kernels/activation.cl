/* activation.cl - activation functions and their slopes, for one float (_s) and for a vector (_v).
 *
 *   bp_NAME_f(z)      the layer's output from its net input
 *   bp_NAME_slope(a)  f'(z), expressed by the output a = f(z), or by z where a does not determine it
 *
 * A pair of functions and a row of numbers each; the plain C twin is host/reference/activation.c. A
 * conditional on vectors works element by element, so one text serves both types. NaN in gives NaN
 * out.
 *
 * BP_ACTIVATE(N, x) and BP_SLOPE(N, x) name the functions of number N, as in backprop_model.h; x is s or v.
 * BP_SLOPE_OF_NET(N) is 1 where the slope is one of z; the table of the host is in
 * host/base/families.h. A kernel with one function defines BP_ACTIVATION, its number, and has
 * activate and slope. */
#ifndef BP_ACTIVATION_CL
#define BP_ACTIVATION_CL

#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

/* Of leaky_relu below 0; of selu, which keep mean 0 and variance 1: Klambauer et al., "Self-Normalizing
 * Neural Networks", NIPS 2017. */
#define LEAK 0.01f
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f

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
    inline T bp_normal_##x(T z) /* of the normal distribution, what lies below z */                \
    {                                                                                              \
        return 0.5f * erfc(-0.70710678118654752f * z);                                             \
    }                                                                                              \
    inline T bp_tanh_f_##x(T z) { return tanh(z); }                                                   \
    inline T bp_tanh_slope_##x(T a) { return 1.0f - a * a; }                                          \
    inline T bp_relu_f_##x(T z) { return z < 0.0f ? (T)(0.0f) : z; }                               \
    inline T bp_relu_slope_##x(T a) { return a > 0.0f ? (T)(1.0f) : (T)(0.0f); /* 0 at the kink */ }\
    inline T bp_leaky_relu_f_##x(T z) { return z < 0.0f ? LEAK * z : z; }                          \
    inline T bp_leaky_relu_slope_##x(T a) { return a > 0.0f ? (T)(1.0f) : (T)(LEAK); }             \
    inline T bp_elu_f_##x(T z) { return z > 0.0f ? z : expm1(z); }                                 \
    inline T bp_elu_slope_##x(T a) { return a > 0.0f ? (T)(1.0f) : a + 1.0f; }                     \
    inline T bp_selu_f_##x(T z) { return SELU_SCALE * (z > 0.0f ? z : SELU_ALPHA * expm1(z)); }    \
    inline T bp_selu_slope_##x(T a) /* with a = s alpha (e^z - 1): s alpha e^z */                  \
    {                                                                                              \
        return a > 0.0f ? (T)(SELU_SCALE) : a + SELU_SCALE * SELU_ALPHA;                           \
    }                                                                                              \
    inline T bp_gelu_f_##x(T z) { return z * bp_normal_##x(z); }                                   \
    inline T bp_gelu_slope_##x(T z)                                                                \
    {                                                                                              \
        return bp_normal_##x(z) + z * exp(-0.5f * z * z) * 0.39894228040143268f;                   \
    }                                                                                              \
    inline T bp_silu_f_##x(T z) { return z * bp_sigmoid_f_##x(z); }                                \
    inline T bp_silu_slope_##x(T z)                                                                \
    {                                                                                              \
        const T s = bp_sigmoid_f_##x(z);                                                           \
        return s * (1.0f + z * (1.0f - s));                                                        \
    }                                                                                              \
    inline T bp_softplus_f_##x(T z) { return fmax(z, (T)(0.0f)) + log1p(exp(-fabs(z))); }          \
    inline T bp_softplus_slope_##x(T a) { return -expm1(-a); }                                     \
    inline T bp_softsign_f_##x(T z) { return z / (1.0f + fabs(z)); }                               \
    inline T bp_softsign_slope_##x(T a) { return (1.0f - fabs(a)) * (1.0f - fabs(a)); }            \
    inline T bp_sine_f_##x(T z) { return sin(z); }                                                 \
    inline T bp_sine_slope_##x(T z) { return cos(z); }
/* clang-format on */

BP_DEFINE_ACTIVATIONS(float, s)
BP_DEFINE_ACTIVATIONS(vec, v)

#define BP_NAME_0 bp_linear
#define BP_OF_NET_0 0
#define BP_NAME_1 bp_sigmoid
#define BP_OF_NET_1 0
#define BP_NAME_2 bp_tanh
#define BP_OF_NET_2 0
#define BP_NAME_3 bp_relu
#define BP_OF_NET_3 0
#define BP_NAME_5 bp_leaky_relu
#define BP_OF_NET_5 0
#define BP_NAME_6 bp_elu
#define BP_OF_NET_6 0
#define BP_NAME_7 bp_selu
#define BP_OF_NET_7 0
#define BP_NAME_8 bp_gelu
#define BP_OF_NET_8 1
#define BP_NAME_9 bp_silu
#define BP_OF_NET_9 1
#define BP_NAME_10 bp_softplus
#define BP_OF_NET_10 0
#define BP_NAME_11 bp_softsign
#define BP_OF_NET_11 0
#define BP_NAME_12 bp_sine
#define BP_OF_NET_12 1

/* X(N) for every activation. (4 is softmax, of which loss.cl knows.) */
#define BP_FOR_ACTIVATIONS(X)                                                                      \
    X(0) X(1) X(2) X(3) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

/* Bit N: a program that chooses at run time may be asked for number N. Fewer compile faster. */
#ifndef BP_ACTIVATIONS
#define BP_ACTIVATIONS 0xffffffff
#endif
#define BP_HAS_ACTIVATION(N) (((BP_ACTIVATIONS) >> (N)) & 1)

#define BP_ACTIVATE(N, x) BP_PASTE(BP_PASTE(BP_NAME_, N), BP_PASTE(_f_, x))
#define BP_SLOPE(N, x) BP_PASTE(BP_PASTE(BP_NAME_, N), BP_PASTE(_slope_, x))

#define BP_SLOPE_OF_NET(N) BP_PASTE(BP_OF_NET_, N)

#ifdef BP_ACTIVATION
#define activate BP_ACTIVATE(BP_ACTIVATION, s)
#define slope BP_SLOPE(BP_ACTIVATION, s)
#endif

#endif
