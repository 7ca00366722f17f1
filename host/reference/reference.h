/* reference.h - every operation in plain C and double precision: what the devices are checked
 * against, and what trains where there is no OpenCL. Nothing here knows that OpenCL exists.
 *
 * Written to be read and to be right, loop order aside: the inner loops run along contiguous rows.
 * Row strides: matrices here are described by pointer, rows, columns and stride. */
#ifndef BP_REFERENCE_REFERENCE_H
#define BP_REFERENCE_REFERENCE_H

#include "base/operation.h"

/* A matrix of doubles, row i at data + i * stride. data NULL: absent. */
typedef struct bp__matrix_ref {
    double *data;
    size_t rows, columns, stride;
} bp__matrix_ref;

/* f(z) of BP_ACTIVATION_* (not softmax), and f'(z) from x = f(z), or from x = z where families.h
 * says that the slope is one of the net input. */
double bp__reference_activate(int32_t activation, double z);
double bp__reference_slope(int32_t activation, double x);

/* out[i][:] = in[order[step * period + i]][:] */
void bp__reference_gather(bp__matrix_ref out, bp__matrix_ref in, const int32_t *order, size_t step,
                          size_t period);

/* The matrix products, each added into c, which the caller has set: to zero, or to the bias. */
void bp__reference_gemm_nt(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b);
void bp__reference_gemm_nn(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b);
void bp__reference_gemm_tn(bp__matrix_ref c, bp__matrix_ref a, bp__matrix_ref b);

/* The arguments are those of the operations in operation.h. */
void bp__reference_dense_forward(bp__matrix_ref out, bp__matrix_ref in, bp__matrix_ref weights,
                                 bp__matrix_ref bias, bp__matrix_ref net, int32_t activation);
/* out *= m, net marked where it is there; hyper: the row of the step. */
void bp__reference_drop(bp__matrix_ref out, bp__matrix_ref net, const double *hyper,
                        const bp__dropout *dropout);
/* out += skip; out = in. */
void bp__reference_skip(bp__matrix_ref out, bp__matrix_ref skip);
void bp__reference_copy(bp__matrix_ref out, bp__matrix_ref in);
/* dropout: the rate. */
void bp__reference_dense_effect(bp__matrix_ref delta_in, bp__matrix_ref delta,
                                bp__matrix_ref weights, bp__matrix_ref in, int32_t activation,
                                double dropout, bp__matrix_ref skip, bp__matrix_ref effect);
void bp__reference_dense_gradient(bp__matrix_ref weights_gradient, bp__matrix_ref bias_gradient,
                                  bp__matrix_ref delta, bp__matrix_ref in);
/* Of bp__moments; known_mean and known_variance are of batches alone. nets (absent: not wanted)
 * becomes what out is a function of. */
void bp__reference_moments(double *mean, double *scale, bp__matrix_ref in, double *known_mean,
                           double *known_variance, const bp__moments *how);
void bp__reference_normalize(bp__matrix_ref out, bp__matrix_ref nets, bp__matrix_ref in,
                             const double *gain, const double *shift, const double *mean,
                             const double *scale, int32_t activation, const bp__moments *how);
void bp__reference_norm_gradient(double *gain_gradient, double *shift_gradient,
                                 bp__matrix_ref delta, bp__matrix_ref in, const double *mean,
                                 const double *scale, const bp__moments *how);
void bp__reference_norm_effect(bp__matrix_ref delta, bp__matrix_ref in, const double *mean,
                               const double *scale, const double *gain, const bp__moments *how);
void bp__reference_softmax(bp__matrix_ref out, bp__matrix_ref in);
void bp__reference_loss(bp__matrix_ref delta, double *row_loss, double *row_hits,
                        bp__matrix_ref output, const int32_t *labels, bp__matrix_ref targets,
                        const double *weights, const bp__loss *op);
void bp__reference_reduce_loss(double *losses, double *hits, const double *row_loss,
                               const double *row_hits, size_t rows, int32_t *step);
/* factor: of the gradients, as clipping by norm makes it. */
void bp__reference_optimizer(double *parameters, const double *gradients, double *moment1,
                             double *moment2, size_t count, const double *hyper, double factor,
                             const bp__optimizer *op);
double bp__reference_clip_factor(const double *gradients, size_t count, double limit);
/* What a unit's weights are multiplied by where the sum of their squares is this. */
double bp__reference_max_norm_factor(double squares, double limit);
void bp__reference_max_norm(bp__matrix_ref weights, double limit);
void bp__reference_accumulate(double *sums, double *gradients, size_t count, double share,
                              bool ends);
void bp__reference_average(double *averages, const double *parameters, size_t count, double share);

/* The engine that carries out operations with these functions. */
bp_status bp__reference_engine_create(bp__engine **out);

/* Double operations a second of multiply-adds in registers, and bytes a second of a triad over
 * arrays larger than the caches: plain C at its best, on one thread. */
double bp__reference_flops(void);
bp_status bp__reference_bytes(double *bytes);

/* The doubles of a buffer of this engine: gradient checks need more digits than transfers keep. */
double *bp__reference_numbers(bp__buffer *buffer);

/* Whether an engine is of this kind. */
bool bp__is_reference(const bp__engine *engine);

#endif
