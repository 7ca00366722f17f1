/* loss.cl - error, its derivative with respect to the net inputs, and hits, row by row; softmax.
 *
 *   LOSS 1 cross-entropy    E = -sum_k t_k log softmax(z)_k  delta_k = softmax(z)_k sum(t) - t_k
 *   others (error.cl)       E = share sum_k e(a_k, t_k)      delta_k = share e'(a_k, t_k) f'
 *
 * Of a function whose slope is one of the net input, that is what comes here, and f is taken here.
 * t = off + (on - off) target: 0 and 1, or what label smoothing makes of them. A row's error and its
 * delta are multiplied by its weight, where there are weights.
 * Cross-entropy is taken from the net inputs: log softmax(z)_k = z_k - m - log sum_j e^(z_j - m),
 * m the row's maximum, so that nothing overflows and no probability is rounded to 0 first.
 * A hit: the first largest output is the label's. With targets there are no hits.
 * FP_CONTRACT is off (activation.cl): the same expression gives the same bits everywhere it stands. */
#define BP_VW 1
#include "error.cl"

#define OUTPUT(k) o[k]
#define DELTA(k) d[k]
#if BP_SLOPE_OF_NET(BP_ACTIVATION) && LOSS != 1
#define VALUE(k) activate(o[k])
#define SLOPE(k, a) slope(o[k])
#else
#define VALUE(k) o[k]
#define SLOPE(k, a) slope(a)
#endif

/* delta[i][k] = scale * dE_i/dz_k where HAS_DELTA; row_loss[i] = E_i; row_hits[i] = 0 or 1.
 * HAS_LABELS 1: T are labels [rows] (int); 0: targets [rows][N]. One work-item a row; delta may be
 * output. */
__kernel void loss(const uint N, const float scale, const float share, const float on,
                   const float off, const float parameter, __global const float *weights,
                   const ulong w_offset, __global float *delta, const ulong delta_offset,
                   const uint ldd, __global float *row_loss, const ulong row_loss_offset,
                   __global float *row_hits, const ulong row_hits_offset,
                   __global const float *output, const ulong output_offset, const uint ldo,
#if HAS_LABELS
                   __global const int *T, const ulong t_offset, const uint ldt)
#define TARGET(k) ((k) == label ? on : off)
#else
                   __global const float *T, const ulong t_offset, const uint ldt)
#define TARGET(k) (off + (on - off) * T[t_offset + (ulong)i * ldt + (k)])
#endif
{
    const uint i = get_global_id(0);
    __global const float *o = output + output_offset + (ulong)i * ldo;
#if HAS_DELTA
    __global float *d = delta + delta_offset + (ulong)i * ldd;
#endif
#if HAS_LABELS
    const uint label = (uint)T[t_offset + i];
#endif
#if HAS_WEIGHTS
    const float weight = weights[w_offset + i];
#else
    const float weight = 1.0f;
#endif
#include "loss_row.cl"
    row_loss[row_loss_offset + i] = error;
    row_hits[row_hits_offset + i] = hit;
}

/* out[i][:] = softmax(in[i][:]); one work-item a row; out may be in. */
__kernel void softmax(const uint N, __global float *out, const ulong out_offset, const uint ldo,
                      __global const float *in, const ulong in_offset, const uint ldi)
{
    const uint i = get_global_id(0);
    __global const float *z = in + in_offset + (ulong)i * ldi;
    __global float *p = out + out_offset + (ulong)i * ldo;
    float largest = z[0];
    for (uint k = 1; k < N; ++k) largest = fmax(largest, z[k]);
    float sum = 0.0f;
    for (uint k = 0; k < N; ++k) {
        p[k] = exp(z[k] - largest);
        sum += p[k];
    }
    for (uint k = 0; k < N; ++k) p[k] /= sum;
}
