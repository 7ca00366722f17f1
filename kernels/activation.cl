/* activation.cl - activation functions and their slopes, for one float and for a vector.
 *
 *   f(z)          the layer's output from its net input
 *   slope(a)      f'(z), expressed by the output a = f(z)
 *
 * BP_ACTIVATION chooses the function by its number in backprop.h. One row a function; the plain C
 * twin is host/reference/activation.c. A conditional on vectors works element by element, so one
 * text serves both types. NaN in gives NaN out. */
#ifndef BP_ACTIVATION
#error "BP_ACTIVATION, the number of the activation function, must be defined"
#endif

#pragma OPENCL FP_CONTRACT OFF

#if BP_ACTIVATION == 0 /* linear */
#define BP_F(T, z) (z)
#define BP_SLOPE(T, a) ((T)(1.0f))
#elif BP_ACTIVATION == 1 /* sigmoid: 1 / (1 + e^-z); e^-|z| cannot overflow and keeps the tails */
#define BP_F(T, z) BP_SIGMOID(z, exp(-fabs(z)))
#define BP_SIGMOID(z, e) ((z) < 0.0f ? (e) / (1.0f + (e)) : 1.0f / (1.0f + (e)))
#define BP_SLOPE(T, a) ((a) * (1.0f - (a)))
#elif BP_ACTIVATION == 2 /* tanh */
#define BP_F(T, z) tanh(z)
#define BP_SLOPE(T, a) (1.0f - (a) * (a))
#elif BP_ACTIVATION == 3 /* relu; the slope at 0 is 0 */
#define BP_F(T, z) ((z) < 0.0f ? (T)(0.0f) : (z))
#define BP_SLOPE(T, a) ((a) > 0.0f ? (T)(1.0f) : (T)(0.0f))
#else
#error "BP_ACTIVATION is not an element-wise activation function"
#endif

inline float activate(float z)
{
    return BP_F(float, z);
}

inline float slope(float a)
{
    return BP_SLOPE(float, a);
}

#if BP_VW > 1
inline vec activate_vec(vec z)
{
    return BP_F(vec, z);
}

inline vec slope_vec(vec a)
{
    return BP_SLOPE(vec, a);
}
#else
#define activate_vec activate
#define slope_vec slope
#endif
