/* dense.c - a dense layer forward, the effect of the layer before, the gradient. Twin of
 * host/ops/dense.c and its kernels. */
#include "reference/reference.h"

#include <math.h>

#include "base/families.h"

static void fill(bp__matrix_ref out, const double *row)
{
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k) out.data[i * out.stride + k] = row ? row[k] : 0;
}

void bp__reference_skip(bp__matrix_ref out, bp__matrix_ref skip)
{
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k)
            out.data[i * out.stride + k] += skip.data[i * skip.stride + k];
}

void bp__reference_copy(bp__matrix_ref out, bp__matrix_ref in)
{
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k)
            out.data[i * out.stride + k] = in.data[i * in.stride + k];
}

/* out = f(in W^T + b); net, where there is one, without f */
void bp__reference_dense_forward(bp__matrix_ref out, bp__matrix_ref in, bp__matrix_ref weights,
                                 bp__matrix_ref bias, bp__matrix_ref net, int32_t activation)
{
    fill(out, bias.data);
    bp__reference_gemm_nt(out, in, weights);
    for (size_t i = 0; i < out.rows; ++i)
        for (size_t k = 0; k < out.columns; ++k) {
            const double z = out.data[i * out.stride + k];
            if (net.data) net.data[i * net.stride + k] = z;
            out.data[i * out.stride + k] = bp__reference_activate(activation, z);
        }
}

/* delta_in = (delta W + skip) * m f'(in), effect what stands in brackets */
void bp__reference_dense_effect(bp__matrix_ref delta_in, bp__matrix_ref delta,
                                bp__matrix_ref weights, bp__matrix_ref in, int32_t activation,
                                double dropout, bp__matrix_ref skip, bp__matrix_ref effect)
{
    fill(delta_in, NULL);
    bp__reference_gemm_nn(delta_in, delta, weights);
    if (skip.data) bp__reference_skip(delta_in, skip);
    if (effect.data) bp__reference_copy(effect, delta_in);
    /* The slope is 1; `in` may be absent. */
    if (activation == BP_ACTIVATION_LINEAR && !(dropout > 0)) return;
    const double keep = bp__dropout_keep(dropout);
    const bool of_net = bp__activation(activation)->of_net;
    for (size_t i = 0; i < delta_in.rows; ++i)
        for (size_t k = 0; k < delta_in.columns; ++k) {
            const double x = in.data[i * in.stride + k];
            const bool dropped = dropout > 0 && x == 0 && signbit(x);
            delta_in.data[i * delta_in.stride + k] *=
                dropped ? 0 : bp__reference_slope(activation, of_net ? x : x * keep) / keep;
        }
}

/* weights_gradient = delta^T in; bias_gradient = column sums of delta */
void bp__reference_dense_gradient(bp__matrix_ref weights_gradient, bp__matrix_ref bias_gradient,
                                  bp__matrix_ref delta, bp__matrix_ref in)
{
    fill(weights_gradient, NULL);
    bp__reference_gemm_tn(weights_gradient, delta, in);
    if (!bias_gradient.data) return;
    fill(bias_gradient, NULL);
    for (size_t i = 0; i < delta.rows; ++i)
        for (size_t k = 0; k < delta.columns; ++k)
            bias_gradient.data[k] += delta.data[i * delta.stride + k];
}
