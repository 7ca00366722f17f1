/* launchers.h - each operation of operation.h as kernel launches on an OpenCL device. */
#ifndef BP_OPS_LAUNCHERS_H
#define BP_OPS_LAUNCHERS_H

#include "base/operation.h"
#include "opencl/launch.h"
#include "tuning/tuning.h"

/* When a faster way that is not always the faster one is taken. Tests take both. */
typedef enum bp__when { BP__WHERE_IT_PAYS, BP__ALWAYS, BP__NEVER } bp__when;

struct bp__buffer {
    cl_mem memory; /* NULL: not yet */
    size_t bytes;
    cl_mem_flags flags;
    cl_mem pinned;   /* of a shared buffer: what the host writes, where that is not memory itself */
    void *host;      /* of a shared buffer: where it is mapped, or NULL */
    cl_event copied; /* of pinned to memory: the last time, or NULL */
};

/* An engine on an OpenCL device. */
typedef struct bp__device_engine {
    bp__engine base;
    bp_device *device;
    int32_t gemm;          /* BP_GEMM_* as asked for */
    int32_t precision;     /* BP_PRECISION_*, of products */
    bool cpu_kernels;      /* plans for CPUs: explicit vectors of `vector_width`, panels */
    unsigned vector_width; /* of cpu kernels; 1 otherwise */
    bp__tuning tuning;     /* of the device when the engine was made */
    size_t threads;        /* of a CPU's plans; 0: as many as pay */
    unsigned plan_activations, plan_losses,
        plan_optimizers;                         /* bits: what a CPU's plans have used so far */
    bool plan_dropout, plan_residual, plan_norm; /* likewise */
    bp__when small_steps;       /* whole training steps of small networks in one launch */
    cl_event behind;            /* of the last read_behind */
    bp__event_log *log;         /* of all that is enqueued, or NULL */
    bool in_host_memory;        /* shared buffers are mapped, not copied */
    cl_command_queue transfers; /* of shared buffers, beside the device's queue; or NULL */
    bp__buffer *scratch;        /* what kernels keep between two launches of one operation */
    size_t scratch_size;
    bp__buffer **outgrown; /* smaller scratch that recorded launches still point to */
    size_t outgrown_count, outgrown_capacity;
    /* Of products on GPUs; NULL: by their shape. */
    const struct bp__gpu_tile *gpu_tile;
    const struct bp__matrix_tile *matrix_tile;
    /* Of whole training steps on GPUs; NULL: what pays. */
    const struct bp__gpu_steps *gpu_steps;
} bp__device_engine;

/* Scratch memory of at least `count` floats. The in-order queue lets all launches share it: it is
 * valid within one launch. */
bp_status bp__engine_scratch(bp__device_engine *engine, size_t count, cl_mem *out);

/* Opens an engine on an OpenCL device; gemm is a BP_GEMM_* code. */
bp_status bp__device_engine_create(bp__engine **out, bp_device *device, int32_t gemm);

/* Another tuning than the device's, before anything is laid out on the engine. */
void bp__device_engine_tune(bp__device_engine *engine, const bp__tuning *tuning);

/* Gives a buffer that was created for later its memory; one that has it keeps it. */
bp_status bp__buffer_need(bp__device_engine *engine, bp__buffer *buffer);

/* Shared buffers (shared.c): what follows creation, and the calls of the engine's table. */
bp_status bp__shared_prepare(bp__device_engine *engine, bp__buffer *buffer);
void bp__shared_release(bp__device_engine *engine, bp__buffer *buffer);
bp_status bp__shared_map(bp__device_engine *engine, bp__buffer *buffer, void **host);
bp_status bp__shared_unmap(bp__device_engine *engine, bp__buffer *buffer);

/* The memory behind a device engine's buffer. */
cl_mem bp__buffer_memory(const bp__buffer *buffer);

/* Each appends launches to the recorder; the arguments are those of the operation. */
bp_status bp__launch_gather(bp__device_engine *engine, bp__recorder *recorder,
                            const bp__gather *op);
bp_status bp__launch_dense_forward(bp__device_engine *engine, bp__recorder *recorder,
                                   const bp__dense_forward *op);
bp_status bp__launch_softmax(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__softmax *op);
bp_status bp__launch_loss(bp__device_engine *engine, bp__recorder *recorder, const bp__loss *op);
bp_status bp__launch_reduce_loss(bp__device_engine *engine, bp__recorder *recorder,
                                 const bp__reduce_loss *op);
bp_status bp__launch_dense_effect(bp__device_engine *engine, bp__recorder *recorder,
                                  const bp__dense_effect *op);
bp_status bp__launch_dense_gradient(bp__device_engine *engine, bp__recorder *recorder,
                                    const bp__dense_gradient *op);
bp_status bp__launch_squares(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__squares *op);
bp_status bp__launch_clip(bp__device_engine *engine, bp__recorder *recorder, const bp__clip *op);
bp_status bp__launch_max_norm(bp__device_engine *engine, bp__recorder *recorder,
                              const bp__max_norm *op);
bp_status bp__launch_accumulate(bp__device_engine *engine, bp__recorder *recorder,
                                const bp__accumulate *op);
bp_status bp__launch_average(bp__device_engine *engine, bp__recorder *recorder,
                             const bp__average *op);
bp_status bp__launch_normalize(bp__device_engine *engine, bp__recorder *recorder,
                               const bp__normalize *op);
bp_status bp__launch_norm_gradient(bp__device_engine *engine, bp__recorder *recorder,
                                   const bp__norm_gradient *op);
bp_status bp__launch_norm_effect(bp__device_engine *engine, bp__recorder *recorder,
                                 const bp__norm_effect *op);
bp_status bp__launch_optimizer(bp__device_engine *engine, bp__recorder *recorder,
                               const bp__optimizer *op);

/* Whether ops[count] are a whole training step, and many of them in one launch are the faster way.
 */
bool bp__small_steps_pay(const bp__device_engine *engine, const bp__op *ops, size_t count);

/* Nanoseconds of ops[count] in that way, estimated from costs[BP__COSTS]; INFINITY where they are
 * no step that it can take. */
double bp__small_steps_nanoseconds(const bp__device_engine *engine, const double *costs,
                                   const bp__op *ops, size_t count);

/* A matrix as the three kernel arguments that describe it. */
typedef struct bp__matrix_args {
    cl_mem memory;
    cl_ulong offset;
    cl_uint stride;
} bp__matrix_args;

bp__matrix_args bp__matrix(const bp__view *view);

/* Expands to the arguments of a bp__matrix_args: pointer, offset, row stride. */
#define BP_MATRIX(m) BP_ARG((m).memory), BP_ARG((m).offset), BP_ARG((m).stride)
/* The same for a vector: pointer and offset. */
#define BP_VECTOR(m) BP_ARG((m).memory), BP_ARG((m).offset)

/* What kernels/dropout.cl is told. */
typedef struct bp__dropout_numbers {
    bp__matrix_args hyper, step;
    cl_uint key[2], layer, unit, limit;
    cl_float keep, scale;
} bp__dropout_numbers;

bp__dropout_numbers bp__dropout_numbers_of(const bp__dropout *dropout);

/* The value of -DBP_DROPOUT, and the arguments that it adds to a kernel's: args[at most
 * BP__DROPOUT_ARGUMENTS]; how many. slope: on the way back. numbers must outlive args. */
enum { BP__DROPOUT_ARGUMENTS = 10 };
int bp__dropout_option(const bp__dropout *dropout, bool slope);
size_t bp__dropout_arguments(bp__arg *args, bp__dropout_numbers *numbers,
                             const bp__dropout *dropout, bool slope);

#define BP_COUNT(array) (sizeof(array) / sizeof *(array))

#endif
