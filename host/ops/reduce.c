/* reduce.c - launches the sum of a batch's losses and hits. Formula in operation.h, kernel in
 * reduce.cl. */
#include <stdio.h>

#include "ops/launchers.h"

bp_status bp__launch_reduce_loss(bp__device_engine *engine, bp__recorder *recorder,
                                 const bp__reduce_loss *op)
{
    size_t local = 1; /* a power of two */
    while (local < 128 && local * 2 <= engine->device->max_work_group) local *= 2;
    char options[32];
    snprintf(options, sizeof options, "-DLOCAL=%zu", local);
    bp__matrix_args losses = bp__matrix(&op->losses), hits = bp__matrix(&op->hits);
    bp__matrix_args row_loss = bp__matrix(&op->row_loss), row_hits = bp__matrix(&op->row_hits);
    bp__matrix_args step = bp__matrix(&op->step);
    const cl_uint rows = (cl_uint)op->row_loss.columns;
    const bp__arg args[] = {BP_VECTOR(losses),   BP_VECTOR(hits), BP_VECTOR(row_loss),
                            BP_VECTOR(row_hits), BP_ARG(rows),    BP_VECTOR(step)};
    const bp__grid grid = {1, {local, 1, 1}, {local, 1, 1}};
    return bp__record_launch(recorder, "reduce.cl", options, "reduce_loss", args, BP_COUNT(args),
                             &grid);
}
