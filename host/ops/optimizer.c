/* optimizer.c - launches the parameter update. Formulas in operation.h, kernel in optimizer.cl. */
#include <math.h>
#include <stdio.h>

#include "ops/launchers.h"

bp_status bp__launch_optimizer(bp__device_engine *engine, bp__recorder *recorder,
                               const bp__optimizer *op)
{
    char options[128];
    const size_t width = engine->base.quantum; /* to which the arena is padded */
    snprintf(options, sizeof options, "-DBP_VW=%zu -DOPTIMIZER=%d -DBP_SHAPED=%d -DHAS_FACTOR=%d",
             width, (int)op->optimizer, bp__update_is_shaped(op), op->factor.buffer != NULL);
    bp__matrix_args w = bp__matrix(&op->parameters), g = bp__matrix(&op->gradients);
    bp__matrix_args m1 = op->moment1.buffer ? bp__matrix(&op->moment1) : g;
    bp__matrix_args m2 = op->moment2.buffer ? bp__matrix(&op->moment2) : g;
    bp__matrix_args hyper = bp__matrix(&op->hyper), step = bp__matrix(&op->step);
    bp__matrix_args factor = op->factor.buffer ? bp__matrix(&op->factor) : g;
    const cl_float clip = op->clip > 0 ? op->clip : (cl_float)INFINITY;
    const bp__arg args[] = {BP_VECTOR(w),      BP_VECTOR(g),         BP_VECTOR(m1),
                            BP_VECTOR(m2),     BP_VECTOR(hyper),     BP_VECTOR(step),
                            BP_VECTOR(factor), BP_ARG(op->momentum), BP_ARG(op->beta1),
                            BP_ARG(op->beta2), BP_ARG(op->epsilon),  BP_ARG(op->decay),
                            BP_ARG(op->l2),    BP_ARG(op->l1),       BP_ARG(clip)};
    const bp__grid grid = {1, {(op->parameters.columns + width - 1) / width, 1, 1}, {0}};
    return bp__record_launch(recorder, "optimizer.cl", options, "optimizer", args, BP_COUNT(args),
                             &grid);
}
