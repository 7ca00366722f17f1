/* gather.c - launches the gather of a batch's rows. Formula in operation.h, kernel in gather.cl. */
#include <stdio.h>

#include "ops/launchers.h"

bp_status bp__launch_gather(bp__device_engine *engine, bp__recorder *recorder, const bp__gather *op)
{
    const unsigned width = engine->vector_width;
    bool whole = op->out.stride % width == 0 && op->in.stride % width == 0;
    const unsigned chunk = whole ? width : 1;
    char options[32];
    snprintf(options, sizeof options, "-DCHUNK=%u", chunk);
    bp__matrix_args out = bp__matrix(&op->out), in = bp__matrix(&op->in);
    bp__matrix_args order = bp__matrix(&op->order), step = bp__matrix(&op->step);
    const cl_uint period = (cl_uint)op->period;
    const bp__arg args[] = {BP_MATRIX(out),   BP_MATRIX(in),  BP_VECTOR(order),
                            BP_VECTOR(step), BP_ARG(period)};
    const size_t chunks = (op->out.columns + chunk - 1) / chunk;
    /* On CPUs a group copies a whole row. */
    const bp__grid grid = {2,
                           {chunks, op->out.rows, 1},
                           {engine->cpu_kernels && chunks <= engine->device->max_work_group ? chunks
                                                                                            : 0,
                            1, 1}};
    return bp__record_launch(recorder, "gather.cl", options, "gather", args, BP_COUNT(args), &grid);
}
