/* fusions.h - operations of a plan that a device does together.
 *
 * Each looks at the head of ops[count]. Where it can do its first operations in fewer launches, and
 * this pays, it records those and sets *consumed to the number of operations done; otherwise it
 * leaves *consumed 0. What runs is the same whether fused or not, in the order of the plan. */
#ifndef BP_OPS_FUSIONS_H
#define BP_OPS_FUSIONS_H

#include "ops/launchers.h"

typedef bp_status (*bp__fusion)(bp__device_engine *engine, bp__recorder *recorder,
                                const bp__op *ops, size_t count, size_t *consumed);

/* On a CPU, a whole training step of a small network: many steps a launch (host/ops/small_steps.c). */
bp_status bp__fuse_small_steps(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                               size_t count, size_t *consumed);

/* The same on a GPU, or one step in two launches (host/ops/gpu_steps.c). */
bp_status bp__fuse_gpu_steps(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                             size_t count, size_t *consumed);

/* The gathers of features and targets (host/ops/gather.c). */
bp_status bp__fuse_gathers(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                           size_t count, size_t *consumed);

/* On a CPU everything: one launch, many times over (host/ops/cpu_plan.c). */
bp_status bp__fuse_cpu_plan(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                            size_t count, size_t *consumed);

#endif
