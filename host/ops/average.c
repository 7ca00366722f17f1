/* average.c - launches the moving averages of parameters. Formula in operation.h, kernel in
 * average.cl. */
#include <stdio.h>

#include "ops/launchers.h"

bp_status bp__launch_average(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__average *op)
{
    char options[32];
    const size_t width = engine->base.quantum; /* to which the arenas are padded */
    snprintf(options, sizeof options, "-DBP_VW=%zu", width);
    bp__matrix_args averages = bp__matrix(&op->averages), w = bp__matrix(&op->parameters);
    bp__matrix_args hyper = bp__matrix(&op->hyper), step = bp__matrix(&op->step);
    const bp__arg args[] = {BP_VECTOR(averages), BP_VECTOR(w), BP_VECTOR(hyper), BP_VECTOR(step)};
    const bp__grid grid = {1, {(op->averages.columns + width - 1) / width, 1, 1}, {0}};
    return bp__record_launch(recorder, "average.cl", options, "average", args, BP_COUNT(args),
                             &grid);
}
