/* gather.c - launches the gather of a batch's rows. Formula in operation.h, kernels in gather.cl.
 */
#include <stdio.h>

#include "ops/fusions.h"
#include "ops/launchers.h"

/* Words that a work-item copies: four where all rows are padded to as many. */
static unsigned chunk_of(const bp__gather *op)
{
    return op->out.stride % 4 == 0 && op->in.stride % 4 == 0 ? 4 : 1;
}

bp_status bp__launch_gather(bp__device_engine *engine, bp__recorder *recorder, const bp__gather *op)
{
    (void)engine;
    const unsigned chunk = chunk_of(op);
    char options[32];
    snprintf(options, sizeof options, "-DCHUNK=%u", chunk);
    bp__matrix_args out = bp__matrix(&op->out), in = bp__matrix(&op->in);
    bp__matrix_args order = bp__matrix(&op->order), step = bp__matrix(&op->step);
    const cl_uint period = (cl_uint)op->period;
    const bp__arg args[] = {BP_MATRIX(out), BP_MATRIX(in), BP_VECTOR(order), BP_VECTOR(step),
                            BP_ARG(period)};
    const bp__grid grid = {2, {(op->out.columns + chunk - 1) / chunk, op->out.rows, 1}, {0}};
    return bp__record_launch(recorder, "gather.cl", options, "gather", args, BP_COUNT(args), &grid);
}

bp_status bp__fuse_gathers(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                           size_t count, size_t *consumed)
{
    (void)engine;
    if (count < 2 || ops[0].kind != BP__OP_GATHER || ops[1].kind != BP__OP_GATHER) return BP_OK;
    const bp__gather *x = &ops[0].as.gather, *t = &ops[1].as.gather;
    if (x->out.rows != t->out.rows || x->period != t->period ||
        x->order.buffer != t->order.buffer || x->order.offset != t->order.offset ||
        x->step.buffer != t->step.buffer || x->step.offset != t->step.offset)
        return BP_OK;
    const unsigned chunk = chunk_of(x);
    char options[32];
    snprintf(options, sizeof options, "-DCHUNK=%u", chunk);
    bp__matrix_args out = bp__matrix(&x->out), in = bp__matrix(&x->in);
    bp__matrix_args t_out = bp__matrix(&t->out), t_in = bp__matrix(&t->in);
    bp__matrix_args order = bp__matrix(&x->order), step = bp__matrix(&x->step);
    const cl_uint period = (cl_uint)x->period;
    const cl_uint chunks = (cl_uint)((x->out.columns + chunk - 1) / chunk);
    const bp__arg args[] = {BP_MATRIX(out),   BP_MATRIX(in),   BP_MATRIX(t_out), BP_MATRIX(t_in),
                            BP_VECTOR(order), BP_VECTOR(step), BP_ARG(period),   BP_ARG(chunks)};
    const bp__grid grid = {2, {chunks + t->out.columns, x->out.rows, 1}, {0}};
    *consumed = 2;
    return bp__record_launch(recorder, "gather.cl", options, "gather_batch", args, BP_COUNT(args),
                             &grid);
}
