/* update.cl - parameter updates, element by element, r the learning rate.
 *
 *   0 sgd        w -= r g
 *   1 momentum   v = mu v + g;  w -= r v
 *   2 adam       m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *                w -= r (m c1) / (sqrt(v c2) + epsilon),  c = 1 / (1 - b^t)
 *                Kingma & Ba, "Adam", ICLR 2015, algorithm 1
 *
 * BP_UPDATE(N) names the function of number N, as in backprop.h: from parameters, moments and
 * gradients of BP_VW elements the new parameters and moments. BP_MOMENTS(N) is how many moments it
 * keeps; the others are not read. */
#ifndef BP_UPDATE_CL
#define BP_UPDATE_CL

#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

/* Of one step, and of the optimizer. */
typedef struct update_numbers {
    float rate, correction1, correction2;
    float momentum, beta1, beta2, epsilon;
} update_numbers;

#define BP_FOR_OPTIMIZERS(X) X(0) X(1) X(2)
#define BP_UPDATE(N) BP_PASTE(update_, N)
#define BP_MOMENTS(N) BP_PASTE(BP_MOMENTS_, N)
#define BP_MOMENTS_0 0
#define BP_MOMENTS_1 1
#define BP_MOMENTS_2 2

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

/* A row {r, c1, c2, -} of the host's table. */
inline void update_set_hyper(update_numbers *u, __global const float *row)
{
    u->rate = row[0];
    u->correction1 = row[1];
    u->correction2 = row[2];
}

/* The same in memory, from element i on; moments that N does not keep may be anything. */
#define DEFINE_UPDATE_AT(N)                                                                        \
    inline void update_at_##N(size_t i, __global float *parameters, __global float *moment1,       \
                              __global float *moment2, vec g, const update_numbers *u)             \
    {                                                                                              \
        vec w = VLOAD(0, parameters + i), m = w, v = w;                                            \
        if (BP_MOMENTS(N) > 0) m = VLOAD(0, moment1 + i);                                          \
        if (BP_MOMENTS(N) > 1) v = VLOAD(0, moment2 + i);                                          \
        BP_UPDATE(N)(&w, &m, &v, g, u);                                                            \
        VSTORE(w, 0, parameters + i);                                                              \
        if (BP_MOMENTS(N) > 0) VSTORE(m, 0, moment1 + i);                                          \
        if (BP_MOMENTS(N) > 1) VSTORE(v, 0, moment2 + i);                                          \
    }
BP_FOR_OPTIMIZERS(DEFINE_UPDATE_AT)
#define BP_UPDATE_AT(N) BP_PASTE(update_at_, N)

#endif
