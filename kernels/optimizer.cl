/* optimizer.cl - parameter updates, element by element over the flat arena, r the learning rate.
 *
 *   OPTIMIZER 0 sgd        w -= r g
 *   OPTIMIZER 1 momentum   v = mu v + g;  w -= r v
 *   OPTIMIZER 2 adam       m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *                          w -= r (m c1) / (sqrt(v c2) + epsilon),  c = 1 / (1 - b^t)
 *                          Kingma & Ba, "Adam", ICLR 2015, algorithm 1
 *
 * UPDATE_VW elements at a time; the arena is padded to that. Unused moments alias the gradients. */
#if !defined(OPTIMIZER) || !defined(UPDATE_VW)
#error "OPTIMIZER and UPDATE_VW must be defined"
#endif

#pragma OPENCL FP_CONTRACT OFF

#if UPDATE_VW == 1
typedef float update_vec;
#define UPDATE_LOAD(i, p) ((p)[i])
#define UPDATE_STORE(v, i, p) ((p)[i] = (v))
#else
#define UPDATE_PASTE2(a, b) a##b
#define UPDATE_PASTE(a, b) UPDATE_PASTE2(a, b)
typedef UPDATE_PASTE(float, UPDATE_VW) update_vec;
#define UPDATE_LOAD(i, p) UPDATE_PASTE(vload, UPDATE_VW)(i, p)
#define UPDATE_STORE(v, i, p) UPDATE_PASTE(vstore, UPDATE_VW)(v, i, p)
#endif

/* Elements i * UPDATE_VW and on; now = {r, c1, c2} of this step. */
inline void update(size_t i, __global float *parameters, __global const float *gradients,
                   __global float *moment1, __global float *moment2, __global const float *now,
                   float momentum, float beta1, float beta2, float epsilon)
{
    const float rate = now[0];
    const update_vec g = UPDATE_LOAD(i, gradients);
    update_vec w = UPDATE_LOAD(i, parameters);
#if OPTIMIZER == 0
    w -= rate * g;
#elif OPTIMIZER == 1
    const update_vec v = momentum * UPDATE_LOAD(i, moment1) + g;
    UPDATE_STORE(v, i, moment1);
    w -= rate * v;
#elif OPTIMIZER == 2
    const update_vec m = beta1 * UPDATE_LOAD(i, moment1) + (1.0f - beta1) * g;
    const update_vec v = beta2 * UPDATE_LOAD(i, moment2) + (1.0f - beta2) * g * g;
    UPDATE_STORE(m, i, moment1);
    UPDATE_STORE(v, i, moment2);
    w -= rate * (m * now[1]) / (sqrt(v * now[2]) + epsilon);
#else
#error "OPTIMIZER must be 0, 1 or 2"
#endif
    UPDATE_STORE(w, i, parameters);
}

/* hyper [steps][4]: the row of the step just done, step - 1, is taken. */
__kernel void optimizer(__global float *parameters, const ulong p_offset,
                        __global const float *gradients, const ulong g_offset,
                        __global float *moment1, const ulong m1_offset,
                        __global float *moment2, const ulong m2_offset,
                        __global const float *hyper, const ulong h_offset,
                        __global const int *step, const ulong s_offset, const float momentum,
                        const float beta1, const float beta2, const float epsilon)
{
    const size_t i = get_global_id(0);
    update(i, parameters + p_offset, gradients + g_offset, moment1 + m1_offset, moment2 + m2_offset,
           hyper + h_offset + (ulong)(step[s_offset] - 1) * 4, momentum, beta1, beta2, epsilon);
}
