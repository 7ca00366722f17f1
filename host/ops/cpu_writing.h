/* cpu_writing.h - a list of operations that is being written down for kernels/cpu/plan.cl: what is
 * known of it, between the parts that write it. After the OpenCL types, of which the plan is made.
 */
#ifndef BP_OPS_CPU_WRITING_H
#define BP_OPS_CPU_WRITING_H

#include "ops/launchers.h"

#include "cpu/plan_format.h"

enum {
    BP__CPU_BUFFERS = 18, /* pointer arguments of the kernel */
    BP__CPU_ACCESSES = 13 /* views that one operation touches, at most, and an end */
};

/* Memory that an operation reads or writes. */
typedef struct bp__cpu_access {
    bp__view view;
    bool writes;
} bp__cpu_access;

/* A plan that is being written down. */
typedef struct bp__cpu_writing {
    bp__device_engine *engine;
    size_t threads;
    bp__tile product, gradient; /* as the kernel is built with them */
    plan_op *ops;
    bp__cpu_access (
        *accesses)[BP__CPU_ACCESSES]; /* of each operation, to the first without a buffer */
    size_t count;
    cl_mem buffers[BP__CPU_BUFFERS];
    size_t buffer_count;
    bool shaped;             /* a gradient goes through more than the optimizer */
    double step_nanoseconds; /* estimated */
} bp__cpu_writing;

/* Vectors of so many columns. */
size_t bp__cpu_vectors(const bp__cpu_writing *w, size_t columns);

/* Writes an operation down as w->ops[w->count], with its tasks, and what it touches. fused: the
 * optimizer that a gradient applies at once, or NULL. */
bp_status bp__cpu_write(bp__cpu_writing *w, const bp__op *from, const bp__optimizer *fused);

#endif
