/* normalize.c - launches layer and batch normalisation. Formulas in operation.h, kernels in
 * normalize.cl. */
#include <stdio.h>

#include "base/families.h"
#include "ops/launchers.h"

/* As in kernels/normalize.cl. */
enum { LOCAL = 64, SIDE = 16, OPTIONS = 160 };

static void options_for(char options[OPTIONS], const bp__moments *moments, int32_t activation,
                        bool net, bool skip, const bp__dropout *dropout)
{
    snprintf(options, OPTIONS,
             "-DBY_ROW=%d -DBP_ACTIVATION=%d -DHAS_NET=%d -DHAS_SKIP=%d -DBP_DROPOUT=%d",
             moments->norm == BP_NORM_LAYER, (int)activation, net, skip,
             dropout ? bp__dropout_option(dropout, false) : 0);
}

/* Of kernels that know nothing of functions. */
static void plain_options(char options[OPTIONS], const bp__moments *moments)
{
    options_for(options, moments, BP_ACTIVATION_LINEAR, false, false, NULL);
}

static bp__grid per_row(const bp__view *view)
{
    return (bp__grid){1, {view->rows * LOCAL, 1, 1}, {LOCAL, 1, 1}};
}

static bp__grid per_column(const bp__view *view)
{
    return (bp__grid){2, {(view->columns + SIDE - 1) / SIDE * SIDE, SIDE, 1}, {SIDE, SIDE, 1}};
}

static bp__grid per_element(const bp__view *view)
{
    return (bp__grid){2, {view->columns, view->rows, 1}, {0}};
}

static bp_status launch_moments(bp__recorder *recorder, const bp__normalize *op)
{
    const bp__moments *moments = &op->moments;
    char options[OPTIONS];
    plain_options(options, moments);
    const cl_uint rows = (cl_uint)moments->in.rows, columns = (cl_uint)moments->in.columns;
    const cl_float epsilon = bp__norm_epsilon, momentum = bp__norm_momentum;
    bp__matrix_args in = bp__matrix(&moments->in), mean = bp__matrix(&moments->mean),
                    scale = bp__matrix(&moments->scale);
    if (moments->norm == BP_NORM_LAYER) {
        const bp__arg args[] = {BP_ARG(columns), BP_ARG(epsilon), BP_MATRIX(in), BP_VECTOR(mean),
                                BP_VECTOR(scale)};
        const bp__grid grid = per_row(&moments->in);
        return bp__record_launch(recorder, "normalize.cl", options, "row_moments", args,
                                 BP_COUNT(args), &grid);
    }
    bp__matrix_args known_mean = bp__matrix(&op->known_mean),
                    known_variance = bp__matrix(&op->known_variance);
    if (moments->known) {
        const bp__arg args[] = {BP_ARG(epsilon), BP_VECTOR(mean), BP_VECTOR(scale),
                                BP_VECTOR(known_mean), BP_VECTOR(known_variance)};
        const bp__grid grid = {1, {columns, 1, 1}, {0}};
        return bp__record_launch(recorder, "normalize.cl", options, "known_moments", args,
                                 BP_COUNT(args), &grid);
    }
    const bp__arg args[] = {BP_ARG(rows),     BP_ARG(columns),       BP_ARG(epsilon),
                            BP_ARG(momentum), BP_MATRIX(in),         BP_VECTOR(mean),
                            BP_VECTOR(scale), BP_VECTOR(known_mean), BP_VECTOR(known_variance)};
    const bp__grid grid = per_column(&moments->in);
    return bp__record_launch(recorder, "normalize.cl", options, "column_moments", args,
                             BP_COUNT(args), &grid);
}

/* The arguments of a matrix added to args[used]; how many there are then. */
static size_t add_matrix(bp__arg *args, size_t used, bp__matrix_args *matrix, const bp__view *view)
{
    *matrix = bp__matrix(view);
    const bp__arg more[] = {BP_MATRIX(*matrix)};
    for (size_t i = 0; i < BP_COUNT(more); ++i) args[used++] = more[i];
    return used;
}

bp_status bp__launch_normalize(bp__device_engine *engine, bp__recorder *recorder,
                               const bp__normalize *op)
{
    (void)engine;
    BP_TRY(launch_moments(recorder, op));
    char options[OPTIONS];
    options_for(options, &op->moments, op->activation, op->net.buffer != NULL,
                op->skip.buffer != NULL, &op->dropout);
    bp__matrix_args in = bp__matrix(&op->moments.in), mean = bp__matrix(&op->moments.mean),
                    scale = bp__matrix(&op->moments.scale), out = bp__matrix(&op->out),
                    gain = bp__matrix(&op->gain), shift = bp__matrix(&op->shift), net, skip;
    bp__arg args[20 + BP__DROPOUT_ARGUMENTS] = {BP_MATRIX(out),  BP_MATRIX(in),
                                                BP_VECTOR(gain), BP_VECTOR(shift),
                                                BP_VECTOR(mean), BP_VECTOR(scale)};
    size_t used = 14;
    if (op->net.buffer) used = add_matrix(args, used, &net, &op->net);
    if (op->skip.buffer) used = add_matrix(args, used, &skip, &op->skip);
    bp__dropout_numbers numbers;
    used += bp__dropout_arguments(args + used, &numbers, &op->dropout, false);
    const bp__grid grid = per_element(&op->out);
    return bp__record_launch(recorder, "normalize.cl", options, "norm_forward", args, used, &grid);
}

bp_status bp__launch_norm_gradient(bp__device_engine *engine, bp__recorder *recorder,
                                   const bp__norm_gradient *op)
{
    (void)engine;
    char options[OPTIONS];
    plain_options(options, &op->moments);
    const cl_uint rows = (cl_uint)op->delta.rows, columns = (cl_uint)op->delta.columns;
    bp__matrix_args in = bp__matrix(&op->moments.in), mean = bp__matrix(&op->moments.mean),
                    scale = bp__matrix(&op->moments.scale), delta = bp__matrix(&op->delta),
                    gain = bp__matrix(&op->gain_gradient), shift = bp__matrix(&op->shift_gradient);
    const bp__arg args[] = {BP_ARG(rows),    BP_ARG(columns),  BP_MATRIX(delta), BP_MATRIX(in),
                            BP_VECTOR(mean), BP_VECTOR(scale), BP_VECTOR(gain),  BP_VECTOR(shift)};
    const bp__grid grid = per_column(&op->delta);
    return bp__record_launch(recorder, "normalize.cl", options, "norm_gradient", args,
                             BP_COUNT(args), &grid);
}

bp_status bp__launch_norm_effect(bp__device_engine *engine, bp__recorder *recorder,
                                 const bp__norm_effect *op)
{
    (void)engine;
    char options[OPTIONS];
    plain_options(options, &op->moments);
    bp__matrix_args in = bp__matrix(&op->moments.in), mean = bp__matrix(&op->moments.mean),
                    scale = bp__matrix(&op->moments.scale), delta = bp__matrix(&op->delta),
                    gain = bp__matrix(&op->gain);
    if (op->moments.norm == BP_NORM_LAYER) {
        const cl_uint columns = (cl_uint)op->delta.columns;
        const bp__arg args[] = {BP_ARG(columns), BP_MATRIX(delta), BP_MATRIX(in),
                                BP_VECTOR(mean), BP_VECTOR(scale), BP_VECTOR(gain)};
        const bp__grid grid = per_row(&op->delta);
        return bp__record_launch(recorder, "normalize.cl", options, "norm_effect_row", args,
                                 BP_COUNT(args), &grid);
    }
    const cl_float share = op->moments.known ? 0 : 1 / (cl_float)op->delta.rows;
    bp__matrix_args gains = bp__matrix(&op->gain_gradient),
                    shifts = bp__matrix(&op->shift_gradient);
    const bp__arg args[] = {BP_ARG(share),    BP_MATRIX(delta), BP_MATRIX(in),
                            BP_VECTOR(mean),  BP_VECTOR(scale), BP_VECTOR(gain),
                            BP_VECTOR(gains), BP_VECTOR(shifts)};
    const bp__grid grid = per_element(&op->delta);
    return bp__record_launch(recorder, "normalize.cl", options, "norm_effect_column", args,
                             BP_COUNT(args), &grid);
}
