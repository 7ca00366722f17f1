/* loss_lanes.cl - loss and last delta with the lanes of a vector as samples, for CPUs: the formulas
 * of loss.cl, BP_VW rows at a time.
 *
 * The host defines LOSS, HAS_LABELS, LAST_FUNCTION (the output activation's number; linear for
 * cross-entropy), LAST_OUTPUTS, HAS_GATHER and PANEL. */
#ifndef BP_LOSS_LANES_CL
#define BP_LOSS_LANES_CL

#include "activation.cl"

#if !defined(LOSS) || !defined(HAS_LABELS) || !defined(LAST_FUNCTION) ||                 \
    !defined(LAST_OUTPUTS) || !defined(HAS_GATHER) || !defined(PANEL)
#error "the loss and its matrices must be defined"
#endif

#if HAS_LABELS
typedef int target_type;
#else
typedef float target_type;
#endif

/* Column k of BP_VW rows of a matrix: in rows where batches are gathered from the resident data, in
 * panels of PANEL columns where the caller has written them. */
inline vec column(__global const float *matrix, const uint *rows, uint stride, ulong step, uint k)
{
#if !HAS_GATHER
    matrix += (k / PANEL) * step;
    k &= PANEL - 1;
#endif
    float lanes[BP_VW];
#pragma unroll
    for (uint s = 0; s < BP_VW; ++s) lanes[s] = matrix[(ulong)rows[s] * stride + k];
    return VLOAD(0, lanes);
}

inline float add_lanes(vec x)
{
    float lanes[BP_VW], sum = 0.0f;
    VSTORE(x, 0, lanes);
    for (uint s = 0; s < BP_VW; ++s) sum += lanes[s];
    return sum;
}

/* The BP_VW rows of a batch of `batch` rows from `first` on. What lies beyond the batch repeats its
 * first row, and its lanes of the result are 0 instead of -1. */
inline ivec batch_lanes(uint *rows, uint first, uint batch)
{
    int lanes[BP_VW];
#pragma unroll
    for (uint s = 0; s < BP_VW; ++s) {
        rows[s] = first + s < batch ? first + s : 0;
        lanes[s] = first + s < batch ? -1 : 0;
    }
    return IVLOAD(lanes);
}

/* o[LAST_OUTPUTS] outputs (net inputs for cross-entropy); rows of targets are rows[]. delta may be o.
 * Lanes that are not real have loss, hits and delta 0. */
inline void loss_lanes(vec *delta, vec *loss_sum, vec *hit_sum, const vec *o,
                       __global const target_type *targets, uint ldt, ulong t_step,
                       const uint *rows, ivec real, float scale)
{
    vec error = (vec)(0.0f), largest = o[0];
    ivec best = (ivec)(0);
    for (uint k = 1; k < LAST_OUTPUTS; ++k) {
        best = o[k] > largest ? (ivec)((int)k) : best;
        largest = o[k] > largest ? o[k] : largest;
    }
#if HAS_LABELS
    int label_lanes[BP_VW];
    for (uint s = 0; s < BP_VW; ++s) label_lanes[s] = targets[rows[s]];
    const ivec label = IVLOAD(label_lanes);
    *hit_sum += real && best == label ? (vec)(1.0f) : (vec)(0.0f);
#define LANES_TARGET(k) (label == (int)(k) ? (vec)(1.0f) : (vec)(0.0f))
#else
#define LANES_TARGET(k) column(targets, rows, ldt, t_step, k)
#endif
#if LOSS == 0
    for (uint k = 0; k < LAST_OUTPUTS; ++k) {
        const vec a = o[k], difference = a - LANES_TARGET(k);
        error += 0.5f * difference * difference;
        delta[k] = scale * difference * BP_SLOPE(LAST_FUNCTION, v)(a);
    }
#elif LOSS == 1
    vec sum = (vec)(0.0f), target_sum = (vec)(0.0f), linear = (vec)(0.0f);
    for (uint k = 0; k < LAST_OUTPUTS; ++k) {
        const vec t = LANES_TARGET(k), z = o[k] - largest;
        linear += t != 0.0f ? t * z : (vec)(0.0f);
        target_sum += t;
        delta[k] = exp(z);
        sum += delta[k];
    }
    error = target_sum * log(sum) - linear;
    for (uint k = 0; k < LAST_OUTPUTS; ++k)
        delta[k] = scale * (delta[k] / sum * target_sum - LANES_TARGET(k));
    error = isfinite(sum) ? error : (vec)(NAN);
#else
#error "LOSS must be 0 or 1"
#endif
    *loss_sum += real ? error : (vec)(0.0f);
    for (uint k = 0; k < LAST_OUTPUTS; ++k) delta[k] = real ? delta[k] : (vec)(0.0f);
}

#endif
