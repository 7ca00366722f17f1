/* loss_lanes.cl - loss and last delta with the lanes of a vector as samples, for CPUs: the formulas
 * of loss.cl, BP_VW rows at a time.
 *
 * The host defines LOSS, HAS_LABELS, HAS_WEIGHTS, LAST_FUNCTION (the output activation's number;
 * linear where it is part of the loss), LAST_OUTPUTS, HAS_GATHER and PANEL. */
#ifndef BP_LOSS_LANES_CL
#define BP_LOSS_LANES_CL

#include "error.cl"

#if !defined(LOSS) || !defined(HAS_LABELS) || !defined(HAS_WEIGHTS) ||                     \
    !defined(LAST_FUNCTION) ||                                                           \
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

/* The numbers of a loss, as in host/base/operation.h. */
typedef struct loss_numbers {
    float scale, share, on, off, parameter;
} loss_numbers;

#if BP_SLOPE_OF_NET(LAST_FUNCTION) && LOSS != 1
#define LANES_VALUE(o) BP_ACTIVATE(LAST_FUNCTION, v)(o)
#else
#define LANES_VALUE(o) (o)
#endif

/* o[LAST_OUTPUTS] outputs, or net inputs where they are wanted; rows of targets and weights are
 * rows[]. delta may be o. Lanes that are not real have loss, hits and delta 0. */
inline void loss_lanes(vec *delta, vec *loss_sum, vec *hit_sum, const vec *o,
                       __global const target_type *targets, uint ldt, ulong t_step,
                       const uint *rows, __global const float *weights, ivec real,
                       const loss_numbers *numbers)
{
    vec error = (vec)(0.0f), largest = LANES_VALUE(o[0]), scale = (vec)(numbers->scale);
    ivec best = (ivec)(0);
    for (uint k = 1; k < LAST_OUTPUTS; ++k) {
        const vec a = LANES_VALUE(o[k]);
        best = a > largest ? (ivec)((int)k) : best;
        largest = a > largest ? a : largest;
    }
#if HAS_WEIGHTS
    float weight_lanes[BP_VW];
    for (uint s = 0; s < BP_VW; ++s) weight_lanes[s] = weights[rows[s]];
    const vec weight = VLOAD(0, weight_lanes);
    scale *= weight;
#endif
#if HAS_LABELS
    int label_lanes[BP_VW];
    for (uint s = 0; s < BP_VW; ++s) label_lanes[s] = targets[rows[s]];
    const ivec label = IVLOAD(label_lanes);
    *hit_sum += real && best == label ? (vec)(1.0f) : (vec)(0.0f);
#define LANES_TARGET(k) (label == (int)(k) ? (vec)(numbers->on) : (vec)(numbers->off))
#else
#define LANES_TARGET(k)                                                                            \
    (numbers->off + (numbers->on - numbers->off) * column(targets, rows, ldt, t_step, k))
#endif
#if LOSS == 1
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
    for (uint k = 0; k < LAST_OUTPUTS; ++k) {
        const vec a = LANES_VALUE(o[k]), t = LANES_TARGET(k);
        error += BP_ERROR(LOSS, v)(a, t, numbers->parameter);
        delta[k] = scale * BP_EFFECT(LOSS, v)(a, t, numbers->parameter) *
                   BP_SLOPE(LAST_FUNCTION, v)(BP_SLOPE_OF_NET(LAST_FUNCTION) ? o[k] : a);
    }
    error *= numbers->share;
#endif
#if HAS_WEIGHTS
    error *= weight;
#endif
    *loss_sum += real ? error : (vec)(0.0f);
    for (uint k = 0; k < LAST_OUTPUTS; ++k) delta[k] = real ? delta[k] : (vec)(0.0f);
}

#endif
