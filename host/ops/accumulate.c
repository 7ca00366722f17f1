/* accumulate.c - launches the sum of a group's gradients. Formulas in operation.h, kernel in
 * accumulate.cl. */
#include <stdio.h>

#include "ops/launchers.h"

bp_status bp__launch_accumulate(bp__device_engine *engine, bp__recorder *recorder,
                                const bp__accumulate *op)
{
    char options[32];
    const size_t width = engine->base.quantum; /* to which the arenas are padded */
    snprintf(options, sizeof options, "-DBP_VW=%zu -DENDS=%d", width, op->ends);
    bp__matrix_args sums = bp__matrix(&op->sums), g = bp__matrix(&op->gradients);
    bp__matrix_args hyper = bp__matrix(&op->hyper), step = bp__matrix(&op->step);
    const bp__arg args[] = {BP_VECTOR(sums), BP_VECTOR(g), BP_VECTOR(hyper), BP_VECTOR(step)};
    const bp__grid grid = {1, {(op->sums.columns + width - 1) / width, 1, 1}, {0}};
    return bp__record_launch(recorder, "accumulate.cl", options, "accumulate", args, BP_COUNT(args),
                             &grid);
}
