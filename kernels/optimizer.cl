/* optimizer.cl - parameter updates, element by element over the flat arena, r the learning rate.
 *
 *   OPTIMIZER 0 sgd        w -= r g
 *   OPTIMIZER 1 momentum   v = mu v + g;  w -= r v
 *   OPTIMIZER 2 adam       m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *                          w -= r (m c1) / (sqrt(v c2) + epsilon),  c = 1 / (1 - b^t)
 *                          Kingma & Ba, "Adam", ICLR 2015, algorithm 1
 *
 * hyper [steps][4] holds r, c1, c2 of each step; the row of the step just done, step - 1, is taken. A
 * work-item takes BP_VW elements; the arena is padded to that. Unused moments alias the gradients. */
#include "vector.cl"

#pragma OPENCL FP_CONTRACT OFF

__kernel void optimizer(__global float *parameters, const ulong p_offset,
                        __global const float *gradients, const ulong g_offset,
                        __global float *moment1, const ulong m1_offset,
                        __global float *moment2, const ulong m2_offset,
                        __global const float *hyper, const ulong h_offset,
                        __global const int *step, const ulong s_offset, const float momentum,
                        const float beta1, const float beta2, const float epsilon)
{
    const size_t i = get_global_id(0);
    __global const float *now = hyper + h_offset + (ulong)(step[s_offset] - 1) * 4;
    const float rate = now[0];
    const vec g = VLOAD(i, gradients + g_offset);
    vec w = VLOAD(i, parameters + p_offset);
#if OPTIMIZER == 0
    w -= rate * g;
#elif OPTIMIZER == 1
    const vec v = momentum * VLOAD(i, moment1 + m1_offset) + g;
    VSTORE(v, i, moment1 + m1_offset);
    w -= rate * v;
#elif OPTIMIZER == 2
    const vec m = beta1 * VLOAD(i, moment1 + m1_offset) + (1.0f - beta1) * g;
    const vec v = beta2 * VLOAD(i, moment2 + m2_offset) + (1.0f - beta2) * g * g;
    VSTORE(m, i, moment1 + m1_offset);
    VSTORE(v, i, moment2 + m2_offset);
    w -= rate * (m * now[1]) / (sqrt(v * now[2]) + epsilon);
#else
#error "OPTIMIZER must be 0, 1 or 2"
#endif
    VSTORE(w, i, parameters + p_offset);
}
