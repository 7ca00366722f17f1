/* loss.c - launches the loss with the last delta, and softmax. Formulas in operation.h, kernels in
 * loss.cl and cpu/loss_batch.cl. */
#include <stdio.h>

#include "ops/fusions.h"
#include "ops/launchers.h"

bp_status bp__launch_loss(bp__device_engine *engine, bp__recorder *recorder, const bp__loss *op)
{
    (void)engine;
    bool labels = op->labels.buffer != NULL, delta = op->delta.buffer != NULL;
    char options[96];
    snprintf(options, sizeof options, "-DBP_ACTIVATION=%d -DLOSS=%d -DHAS_LABELS=%d -DHAS_DELTA=%d",
             op->loss == BP_LOSS_CROSS_ENTROPY ? BP_ACTIVATION_LINEAR : op->activation, op->loss,
             labels, delta);
    const cl_uint columns = (cl_uint)op->output.columns;
    bp__matrix_args d = bp__matrix(delta ? &op->delta : &op->output);
    bp__matrix_args row_loss = bp__matrix(&op->row_loss), row_hits = bp__matrix(&op->row_hits);
    bp__matrix_args output = bp__matrix(&op->output);
    bp__matrix_args target = bp__matrix(labels ? &op->labels : &op->targets);
    const bp__arg args[] = {BP_ARG(columns),     BP_ARG(op->scale),   BP_MATRIX(d),
                            BP_VECTOR(row_loss), BP_VECTOR(row_hits), BP_MATRIX(output),
                            BP_MATRIX(target)};
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
    return bp__record_launch(recorder, "loss.cl",
                             "-DBP_ACTIVATION=0 -DLOSS=1 -DHAS_LABELS=1 -DHAS_DELTA=0", "softmax",
                             args, BP_COUNT(args), &grid);
}

/* One work-item, a vector of samples at a time, against two launches: it wins as long as the
 * batch's outputs are few. The limit is an estimate (docs/performance.md). */
enum { FUSED_OUTPUTS = 8192, FUSED_COLUMNS = 256 };

bp_status bp__fuse_loss(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                        size_t count, size_t *consumed)
{
    if (count < 2 || ops[0].kind != BP__OP_LOSS || ops[1].kind != BP__OP_REDUCE_LOSS) return BP_OK;
    const bp__loss *op = &ops[0].as.loss;
    const bp__reduce_loss *reduce = &ops[1].as.reduce_loss;
    if (!engine->cpu_kernels || op->output.rows == 0 || op->output.columns > FUSED_COLUMNS ||
        op->output.rows * op->output.columns > FUSED_OUTPUTS ||
        op->row_loss.buffer != reduce->row_loss.buffer ||
        op->row_loss.offset != reduce->row_loss.offset)
        return BP_OK;
    const bool labels = op->labels.buffer != NULL, delta = op->delta.buffer != NULL;
    char options[160];
    snprintf(options, sizeof options,
             "-DBP_VW=%u -DLOSS=%d -DHAS_LABELS=%d -DHAS_DELTA=%d -DLAST_FUNCTION=%d "
             "-DLAST_OUTPUTS=%zu",
             engine->vector_width, (int)op->loss, labels, delta,
             (int)(op->loss == BP_LOSS_CROSS_ENTROPY ? BP_ACTIVATION_LINEAR : op->activation),
             op->output.columns);
    const cl_uint rows = (cl_uint)op->output.rows;
    bp__matrix_args d = bp__matrix(delta ? &op->delta : &op->output);
    bp__matrix_args losses = bp__matrix(&reduce->losses), hits = bp__matrix(&reduce->hits);
    bp__matrix_args output = bp__matrix(&op->output), step = bp__matrix(&reduce->step);
    bp__matrix_args target = bp__matrix(labels ? &op->labels : &op->targets);
    const bp__arg args[] = {BP_ARG(rows),      BP_ARG(op->scale), BP_MATRIX(d),
                            BP_VECTOR(losses), BP_VECTOR(hits),   BP_MATRIX(output),
                            BP_MATRIX(target), BP_VECTOR(step)};
    const bp__grid grid = {1, {1, 1, 1}, {1, 1, 1}};
    *consumed = 2;
    return bp__record_launch(recorder, "cpu/loss_batch.cl", options, "loss_batch", args,
                             BP_COUNT(args), &grid);
}
