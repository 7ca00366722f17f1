/* loss.c - launches the loss with the last delta, and softmax. Formulas in operation.h, kernels in
 * loss.cl. */
#include <stdio.h>

#include "base/families.h"
#include "ops/launchers.h"

bp_status bp__launch_loss(bp__device_engine *engine, bp__recorder *recorder, const bp__loss *op)
{
    (void)engine;
    bool labels = op->labels.buffer != NULL, delta = op->delta.buffer != NULL;
    bool weighted = op->weights.buffer != NULL;
    char options[128];
    snprintf(options, sizeof options,
             "-DBP_ACTIVATION=%d -DLOSS=%d -DHAS_LABELS=%d -DHAS_DELTA=%d -DHAS_WEIGHTS=%d",
             (int)bp__loss_activation(op->loss, op->activation), (int)op->loss, labels, delta,
             weighted);
    const cl_uint columns = (cl_uint)op->output.columns;
    const bp__loss_numbers numbers = bp__loss_numbers_of(op);
    const cl_float scale = (cl_float)numbers.scale, share = (cl_float)numbers.share;
    const cl_float on = (cl_float)numbers.on, off = (cl_float)numbers.off;
    const cl_float parameter = (cl_float)numbers.parameter;
    bp__matrix_args weights = bp__matrix(weighted ? &op->weights : &op->output);
    bp__matrix_args d = bp__matrix(delta ? &op->delta : &op->output);
    bp__matrix_args row_loss = bp__matrix(&op->row_loss), row_hits = bp__matrix(&op->row_hits);
    bp__matrix_args output = bp__matrix(&op->output);
    bp__matrix_args target = bp__matrix(labels ? &op->labels : &op->targets);
    const bp__arg args[] = {BP_ARG(columns),     BP_ARG(scale),     BP_ARG(share),
                            BP_ARG(on),          BP_ARG(off),       BP_ARG(parameter),
                            BP_VECTOR(weights),  BP_MATRIX(d),      BP_VECTOR(row_loss),
                            BP_VECTOR(row_hits), BP_MATRIX(output), BP_MATRIX(target)};
    const bp__grid grid = {1, {op->output.rows, 1, 1}, {0}};
    return bp__record_launch(recorder, "loss.cl", options, "loss", args, BP_COUNT(args), &grid);
}

bp_status bp__launch_softmax(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__softmax *op)
{
    (void)engine;
    const cl_uint columns = (cl_uint)op->in.columns;
    bp__matrix_args out = bp__matrix(&op->out), in = bp__matrix(&op->in);
    const bp__arg args[] = {BP_ARG(columns), BP_MATRIX(out), BP_MATRIX(in)};
    const bp__grid grid = {1, {op->in.rows, 1, 1}, {0}};
    return bp__record_launch(
        recorder, "loss.cl",
        "-DBP_ACTIVATION=0 -DLOSS=1 -DHAS_LABELS=1 -DHAS_DELTA=0 -DHAS_WEIGHTS=0", "softmax", args,
        BP_COUNT(args), &grid);
}
