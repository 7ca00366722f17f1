/* error.cl - the error of one output a with the target t, and its derivative with respect to a, for
 * one float (_s) and for a vector (_v); p is the loss's parameter.
 *
 *   bp_NAME_error(a, t, p)      e
 *   bp_NAME_effect(a, t, p)     de/da
 *
 * A pair of functions and a row of numbers each; the plain C twin is host/reference/loss.c. For bce
 * a is the net input of a sigmoid: from the rounded output the logarithms would be lost. A row's
 * error is the sum of its outputs' errors, or their mean (host/base/families.h); cross-entropy, which
 * is not a sum of errors of single outputs, has code of its own where losses are taken.
 *
 * BP_ERROR(N, x) and BP_EFFECT(N, x) name the functions of number N, as in backprop_model.h; x is s or v.
 * NaN in gives NaN out. */
#ifndef BP_ERROR_CL
#define BP_ERROR_CL

#include "activation.cl"

/* clang-format off */
#define BP_DEFINE_ERRORS(T, x)                                                                     \
    inline T bp_half_squared_error_##x(T a, T t, float p) { return 0.5f * (a - t) * (a - t); }        \
    inline T bp_half_squared_effect_##x(T a, T t, float p) { return a - t; }                          \
    inline T bp_mse_error_##x(T a, T t, float p) { return (a - t) * (a - t); }                        \
    inline T bp_mse_effect_##x(T a, T t, float p) { return 2.0f * (a - t); }                          \
    inline T bp_mae_error_##x(T a, T t, float p) { return fabs(a - t); }                              \
    inline T bp_mae_effect_##x(T a, T t, float p) /* 0 at the kink */                                 \
    {                                                                                              \
        const T d = a - t;                                                                         \
        return d > 0.0f ? (T)(1.0f) : d < 0.0f ? (T)(-1.0f) : d;                                   \
    }                                                                                              \
    inline T bp_huber_error_##x(T a, T t, float p)                                                    \
    {                                                                                              \
        const T d = fabs(a - t);                                                                   \
        return d > p ? p * (d - 0.5f * p) : 0.5f * d * d;                                          \
    }                                                                                              \
    inline T bp_huber_effect_##x(T a, T t, float p)                                                   \
    {                                                                                              \
        const T d = a - t;                                                                         \
        return d > p ? (T)(p) : d < -p ? (T)(-p) : d;                                              \
    }                                                                                              \
    inline T bp_quantile_error_##x(T a, T t, float p)                                                 \
    {                                                                                              \
        const T d = t - a;                                                                         \
        return d < 0.0f ? (p - 1.0f) * d : p * d;                                                  \
    }                                                                                              \
    inline T bp_quantile_effect_##x(T a, T t, float p) /* 0 at the kink */                            \
    {                                                                                              \
        const T d = t - a;                                                                         \
        return d > 0.0f ? (T)(-p) : d < 0.0f ? (T)(1.0f - p) : d;                                  \
    }                                                                                              \
    inline T bp_bce_error_##x(T z, T t, float p) /* -t ln s(z) - (1 - t) ln(1 - s(z)) */              \
    {                                                                                              \
        return fmax(z, (T)(0.0f)) - z * t + log1p(exp(-fabs(z)));                                  \
    }                                                                                              \
    inline T bp_bce_effect_##x(T z, T t, float p) { return bp_sigmoid_f_##x(z) - t; }
/* clang-format on */

BP_DEFINE_ERRORS(float, s)
BP_DEFINE_ERRORS(vec, v)

#define BP_LOSS_NAME_0 bp_half_squared
#define BP_LOSS_NAME_2 bp_mse
#define BP_LOSS_NAME_3 bp_mae
#define BP_LOSS_NAME_4 bp_huber
#define BP_LOSS_NAME_5 bp_quantile
#define BP_LOSS_NAME_6 bp_bce

/* X(N) for every loss whose outputs have errors of their own; 1 is cross-entropy. */
#define BP_FOR_ERRORS(X) X(0) X(2) X(3) X(4) X(5) X(6)

#define BP_ERROR(N, x) BP_PASTE(BP_PASTE(BP_LOSS_NAME_, N), BP_PASTE(_error_, x))
#define BP_EFFECT(N, x) BP_PASTE(BP_PASTE(BP_LOSS_NAME_, N), BP_PASTE(_effect_, x))

/* Bit N: a program that chooses at run time may be asked for number N. */
#ifndef BP_LOSSES
#define BP_LOSSES 0xffffffff
#endif
#define BP_HAS_LOSS(N) (((BP_LOSSES) >> (N)) & 1)

#endif
