/* norm.c - launches the norm of the gradients, the factor that clips them, and the limit of units'
 * weights. Formulas in operation.h, kernels in norm.cl. */
#include "ops/launchers.h"

enum { LOCAL = 64 };

bp_status bp__launch_squares(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__squares *op)
{
    (void)engine;
    bp__matrix_args out = bp__matrix(&op->out), in = bp__matrix(&op->in);
    const cl_ulong count = op->in.columns;
    const cl_uint chunk = (cl_uint)op->chunk;
    const bp__arg args[] = {BP_VECTOR(out), BP_VECTOR(in), BP_ARG(count), BP_ARG(chunk)};
    const bp__grid grid = {1, {op->out.columns * LOCAL, 1, 1}, {LOCAL, 1, 1}};
    return bp__record_launch(recorder, "norm.cl", "-DLOCAL=64", "squares", args, BP_COUNT(args),
                             &grid);
}

bp_status bp__launch_clip(bp__device_engine *engine, bp__recorder *recorder, const bp__clip *op)
{
    (void)engine;
    bp__matrix_args factor = bp__matrix(&op->factor), squares = bp__matrix(&op->squares);
    const cl_uint count = (cl_uint)op->squares.columns;
    const cl_float limit = op->limit;
    const bp__arg args[] = {BP_VECTOR(factor), BP_VECTOR(squares), BP_ARG(count), BP_ARG(limit)};
    const bp__grid grid = {1, {LOCAL, 1, 1}, {LOCAL, 1, 1}};
    return bp__record_launch(recorder, "norm.cl", "-DLOCAL=64", "clip", args, BP_COUNT(args),
                             &grid);
}

bp_status bp__launch_max_norm(bp__device_engine *engine, bp__recorder *recorder,
                              const bp__max_norm *op)
{
    (void)engine;
    bp__matrix_args weights = bp__matrix(&op->weights);
    const cl_uint columns = (cl_uint)op->weights.columns;
    const cl_float limit = op->limit;
    const bp__arg args[] = {BP_MATRIX(weights), BP_ARG(columns), BP_ARG(limit)};
    const bp__grid grid = {1, {op->weights.rows * LOCAL, 1, 1}, {LOCAL, 1, 1}};
    return bp__record_launch(recorder, "norm.cl", "-DLOCAL=64", "max_norm", args, BP_COUNT(args),
                             &grid);
}
