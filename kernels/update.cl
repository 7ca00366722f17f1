/* update.cl - parameter updates, element by element, r the learning rate.
 *
 *   0 sgd        w -= r g
 *   1 momentum   v = mu v + g;  w -= r v
 *   2 adam       m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *                w -= r (m c1) / (sqrt(v c2) + epsilon),  c = 1 / (1 - b^t)
 *                Kingma & Ba, "Adam", ICLR 2015, algorithm 1
 *   3 nesterov   v = mu v + g;  w -= r (g + mu v)
 *                Sutskever et al., ICML 2013, with the velocity that is looked ahead to
 *   4 adagrad    v = v + g^2;  w -= r g / (sqrt(v) + epsilon)
 *                Duchi, Hazan & Singer, JMLR 12, 2011, the diagonal form
 *   5 rmsprop    v = b2 v + (1 - b2) g^2;  w -= r g / (sqrt(v) + epsilon)
 *                Tieleman & Hinton, Coursera lecture 6.5, 2012
 *   6 adamw      adam, and w -= r decay w
 *                Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019
 *   7 lion       w -= r (sign(b1 m + (1 - b1) g) + decay w);  m = b2 m + (1 - b2) g
 *                Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023
 *   8 rprop      iRPROP-: of every parameter a step v, at first r, times 1.2 (up to 50) where g has
 *                kept its sign, times 0.5 (down to 1e-6), and no move, where it has changed;
 *                w -= sign(g) v;  m = g as it was taken
 *                Igel & Huesken, Neurocomputing 50, 2003
 *
 * Before that, where BP_SHAPED is 1: g = factor g, cut off at +-clip, + l2 w + l1 sign(w).
 *
 * BP_UPDATE(N) names the function of number N, as in backprop.h: from parameters, moments and
 * gradients of BP_VW elements the new parameters and moments. BP_MOMENTS(N) is how many moments it
 * keeps, from the first: m, or what is called v where it is the only one; the others are not read.
 * NaN in gives NaN out. */
#ifndef BP_UPDATE_CL
#define BP_UPDATE_CL

#include "hyper.cl"
#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

/* Of one step, and of the optimizer. */
typedef struct update_numbers {
    float rate, correction1, correction2, factor;
    float momentum, beta1, beta2, epsilon;
    float decay, l2, l1, clip;
} update_numbers;

/* Those that do not change, from arguments of the same names. */
#define UPDATE_NUMBERS(FACTOR)                                                                     \
    {                                                                                              \
        .factor = (FACTOR), .momentum = momentum, .beta1 = beta1, .beta2 = beta2,                  \
        .epsilon = epsilon, .decay = decay, .l2 = l2, .l1 = l1, .clip = clip                       \
    }

#ifndef BP_SHAPED
#define BP_SHAPED 0
#endif

#define BP_FOR_OPTIMIZERS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

/* Bit N: a program that chooses at run time may be asked for number N. Fewer compile faster. */
#ifndef BP_OPTIMIZERS
#define BP_OPTIMIZERS 0xffffffff
#endif
#define BP_HAS_OPTIMIZER(N) (((BP_OPTIMIZERS) >> (N)) & 1)

#define BP_UPDATE(N) BP_PASTE(update_, N)
#define BP_MOMENTS(N) BP_PASTE(BP_MOMENTS_, N)
#define BP_MOMENTS_0 0
#define BP_MOMENTS_1 1
#define BP_MOMENTS_2 2
#define BP_MOMENTS_3 1
#define BP_MOMENTS_4 1
#define BP_MOMENTS_5 1
#define BP_MOMENTS_6 2
#define BP_MOMENTS_7 1
#define BP_MOMENTS_8 2

inline vec sign_of(vec x)
{
    return x > 0.0f ? (vec)(1.0f) : x < 0.0f ? (vec)(-1.0f) : x;
}

/* What an optimizer gets for the gradient g. */
inline vec shaped(vec g, vec w, const update_numbers *u)
{
#if BP_SHAPED
    g *= u->factor;
    g = g > u->clip ? (vec)(u->clip) : g < -u->clip ? (vec)(-u->clip) : g;
    g += u->l2 * w + u->l1 * sign_of(w);
#endif
    return g;
}

inline void update_0(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *w -= u->rate * g;
}

inline void update_1(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *m = u->momentum * *m + g;
    *w -= u->rate * *m;
}

inline void update_2(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *m = u->beta1 * *m + (1.0f - u->beta1) * g;
    *v = u->beta2 * *v + (1.0f - u->beta2) * g * g;
    *w -= u->rate * (*m * u->correction1) / (sqrt(*v * u->correction2) + u->epsilon);
}

inline void update_3(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *m = u->momentum * *m + g;
    *w -= u->rate * (g + u->momentum * *m);
}

inline void update_4(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *m += g * g;
    *w -= u->rate * g / (sqrt(*m) + u->epsilon);
}

inline void update_5(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *m = u->beta2 * *m + (1.0f - u->beta2) * g * g;
    *w -= u->rate * g / (sqrt(*m) + u->epsilon);
}

inline void update_6(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    *w -= u->rate * u->decay * *w;
    update_2(w, m, v, g, u);
}

inline void update_7(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    const vec c = u->beta1 * *m + (1.0f - u->beta1) * g;
    *w -= u->rate * (sign_of(c) + u->decay * *w);
    *m = u->beta2 * *m + (1.0f - u->beta2) * g;
}

inline void update_8(vec *w, vec *m, vec *v, vec g, const update_numbers *u)
{
    const vec same = g * *m, before = *v > 0.0f ? *v : (vec)(u->rate);
    *v = same > 0.0f   ? min(before * 1.2f, (vec)(50.0f))
         : same < 0.0f ? max(before * 0.5f, (vec)(1e-6f))
         : g != 0.0f   ? before
                       : *v; /* where there never was a gradient there is no step: padding stays 0 */
    *m = same < 0.0f ? (vec)(0.0f) : g;
    *w -= sign_of(*m) * *v;
}

/* A row of the host's table. */
inline void update_set_hyper(update_numbers *u, __global const float *row)
{
    u->rate = row[HYPER_RATE];
    u->correction1 = row[HYPER_CORRECTION1];
    u->correction2 = row[HYPER_CORRECTION2];
}

/* The same in memory, from element i on; moments that N does not keep may be anything. */
#define DEFINE_UPDATE_AT(N)                                                                        \
    inline void update_at_##N(size_t i, __global float *parameters, __global float *moment1,       \
                              __global float *moment2, vec g, const update_numbers *u)             \
    {                                                                                              \
        vec w = VLOAD(0, parameters + i), m = w, v = w;                                            \
        if (BP_MOMENTS(N) > 0) m = VLOAD(0, moment1 + i);                                          \
        if (BP_MOMENTS(N) > 1) v = VLOAD(0, moment2 + i);                                          \
        BP_UPDATE(N)(&w, &m, &v, shaped(g, w, u), u);                                              \
        VSTORE(w, 0, parameters + i);                                                              \
        if (BP_MOMENTS(N) > 0) VSTORE(m, 0, moment1 + i);                                          \
        if (BP_MOMENTS(N) > 1) VSTORE(v, 0, moment2 + i);                                          \
    }
BP_FOR_OPTIMIZERS(DEFINE_UPDATE_AT)
#define BP_UPDATE_AT(N) BP_PASTE(update_at_, N)

#endif
