/* launch.h - recorded kernel launches: arguments are set once, a launch is replayed many times. */
#ifndef BP_OPENCL_LAUNCH_H
#define BP_OPENCL_LAUNCH_H

#include "opencl/events.h"

/* One kernel argument: its size and where its value is. */
typedef struct bp__arg {
    size_t size;
    const void *value;
} bp__arg;

#define BP_ARG(variable)                                                                           \
    {                                                                                              \
        sizeof(variable), &(variable)                                                              \
    }

/* A grid: `dims` dimensions; local[0] == 0 leaves the work-group size to the driver. */
typedef struct bp__grid {
    cl_uint dims;
    size_t global[3], local[3];
} bp__grid;

/* Something that is enqueued at each replay: a kernel, or a call that enqueues by itself. */
typedef struct bp__command {
    const char *name; /* of the kernel or the call, for messages and profiles */
    cl_kernel kernel; /* NULL for a call */
    bp__grid grid;
    bp_status (*call)(bp_device *device, void *context);
    void (*release)(void *context);
    void *context;
    bool multiplies; /* of the commands of one operation the one with its arithmetic */
    size_t item;     /* of a profile */
} bp__command;

/* The commands of a sequence, in order. */
typedef struct bp__recorder {
    bp_device *device;
    bp__event_log *log; /* where the times of the commands go, each with its item; NULL: nowhere */
    bp__command *commands;
    size_t count, capacity;
    size_t steps_per_launch; /* above 0: there is one command, a kernel that repeats itself as often
                                as its first argument, a uint, says; at most this often */
    cl_mem *buffers;         /* what the commands read and no one else owns */
    size_t buffer_count, buffer_capacity;
    size_t bytes; /* of all of them */
} bp__recorder;

/* *out = a buffer of `bytes` bytes that lives as long as the recorder; from `content`, or zero. */
bp_status bp__recorder_add_buffer(bp__recorder *recorder, cl_mem *out, const void *content,
                                  size_t bytes);

/* Appends a launch of `kernel` from kernels/<file> built with `options`. Checked before anything is
 * recorded: the number of arguments against the kernel's own, the local size against the kernel's
 * and the device's limits and the global size. A grid with a zero extent records nothing. */
bp_status bp__record_launch(bp__recorder *recorder, const char *file, const char *options,
                            const char *kernel, const bp__arg *args, size_t arg_count,
                            const bp__grid *grid);

/* Appends a call; release(context) is called when the recorder is emptied, and on failure. */
bp_status bp__record_call(bp__recorder *recorder, const char *name,
                          bp_status (*call)(bp_device *, void *), void (*release)(void *),
                          void *context);

/* Of an operation that takes several commands, the last one recorded is the one that does its
 * arithmetic, and the others prepare or finish: a profile counts the operation's work there. Where
 * none is named, it is the operation's last. */
void bp__recorder_multiplies(bp__recorder *recorder);

/* Enqueues all commands `times` times. */
bp_status bp__recorder_enqueue(const bp__recorder *recorder, size_t times);

void bp__recorder_clear(bp__recorder *recorder);

#endif
