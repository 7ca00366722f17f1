/* launch.c - recorded kernel launches: validated once, replayed many times. */
#include "opencl/launch.h"

#include <stdlib.h>

#include "base/memory.h"
#include "opencl/program.h"

static bp_status check_grid(bp_device *device, cl_kernel kernel, const char *name,
                            const bp__grid *grid)
{
    size_t items = 1, limit = 0;
    for (cl_uint d = 0; d < grid->dims; ++d) {
        if (grid->local[0] == 0) return BP_OK;
        if (grid->local[d] == 0 || grid->global[d] % grid->local[d] != 0)
            return bp__fail(BP_ERROR_INTERNAL,
                            "%s: global size %zu is no multiple of local size %zu", name,
                            grid->global[d], grid->local[d]);
        items *= grid->local[d];
    }
    BP_CL(clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof limit,
                                   &limit, NULL));
    if (items > limit)
        return bp__fail(BP_ERROR_UNSUPPORTED, "%s needs work-groups of %zu, %s allows %zu", name,
                        items, device->info.name, limit);
    return BP_OK;
}

static bp_status set_arguments(cl_kernel kernel, const char *name, const bp__arg *args,
                               size_t count)
{
    cl_uint wanted = 0;
    BP_CL(clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof wanted, &wanted, NULL));
    if (wanted != count)
        return bp__fail(BP_ERROR_INTERNAL, "%s takes %u arguments, %zu were given", name, wanted,
                        count);
    for (cl_uint i = 0; i < wanted; ++i) {
        cl_int code = bp__cl.clSetKernelArg(kernel, i, args[i].size, args[i].value);
        if (code != CL_SUCCESS) {
            bp__cl_fail(code, "clSetKernelArg", __FILE__, __LINE__);
            return bp__fail_context(BP_ERROR_OPENCL, "%s, argument %u", name, i);
        }
    }
    return BP_OK;
}

bp_status bp__record_launch(bp__recorder *recorder, const char *file, const char *options,
                            const char *kernel, const bp__arg *args, size_t arg_count,
                            const bp__grid *grid)
{
    for (cl_uint d = 0; d < grid->dims; ++d)
        if (grid->global[d] == 0) return BP_OK;
    cl_program program;
    BP_TRY(bp__program_get(&program, recorder->device, file, options));
    BP_TRY(bp__grow(&recorder->commands, &recorder->capacity, recorder->count + 1,
                    sizeof *recorder->commands));
    cl_int code;
    cl_kernel made = bp__cl.clCreateKernel(program, kernel, &code);
    if (code != CL_SUCCESS) {
        bp__cl_fail(code, "clCreateKernel", __FILE__, __LINE__);
        return bp__fail_context(BP_ERROR_OPENCL, "kernel %s of %s", kernel, file);
    }
    bp_status status = set_arguments(made, kernel, args, arg_count);
    if (status == BP_OK) status = check_grid(recorder->device, made, kernel, grid);
    if (status != BP_OK) {
        bp__cl.clReleaseKernel(made);
        return status;
    }
    recorder->commands[recorder->count++] =
        (bp__command){.name = kernel, .kernel = made, .grid = *grid};
    return BP_OK;
}

bp_status bp__record_call(bp__recorder *recorder, const char *name,
                          bp_status (*call)(bp_device *, void *), void (*release)(void *),
                          void *context)
{
    bp_status status = bp__grow(&recorder->commands, &recorder->capacity, recorder->count + 1,
                                sizeof *recorder->commands);
    if (status != BP_OK) {
        release(context);
        return status;
    }
    recorder->commands[recorder->count++] =
        (bp__command){.name = name, .call = call, .release = release, .context = context};
    return BP_OK;
}

bp_status bp__recorder_add_buffer(bp__recorder *recorder, cl_mem *out, const void *content,
                                  size_t bytes)
{
    bp_device *device = recorder->device;
    BP_TRY(bp__grow(&recorder->buffers, &recorder->buffer_capacity, recorder->buffer_count + 1,
                    sizeof *recorder->buffers));
    cl_int code;
    *out = bp__cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        bp_status status = bp__cl_fail(code, "clCreateBuffer", __FILE__, __LINE__);
        return bp__fail_context(status, "%s: a buffer of %.1f MB", device->info.name,
                                (double)bytes / 1e6);
    }
    recorder->buffers[recorder->buffer_count++] = *out;
    recorder->bytes += bytes;
    const cl_uchar zero = 0;
    if (content)
        BP_CL(clEnqueueWriteBuffer(device->queue, *out, CL_TRUE, 0, bytes, content, 0, NULL, NULL));
    else
        BP_CL(
            clEnqueueFillBuffer(device->queue, *out, &zero, sizeof zero, 0, bytes, 0, NULL, NULL));
    return BP_OK;
}

void bp__recorder_multiplies(bp__recorder *recorder)
{
    if (recorder->count > 0) recorder->commands[recorder->count - 1].multiplies = true;
}

/* A command of a library, which enqueues what it likes. */
static bp_status call(const bp__recorder *recorder, const bp__command *command, size_t steps)
{
    BP_TRY(bp__event_begin(recorder->log));
    BP_TRY(command->call(recorder->device, command->context));
    return bp__event_end(recorder->log, command->item, steps);
}

static bp_status enqueue(const bp__recorder *recorder, const bp__command *command, size_t steps)
{
    if (!command->kernel) return call(recorder, command, steps);
    const bp__grid *grid = &command->grid;
    cl_int code = bp__cl.clEnqueueNDRangeKernel(
        recorder->device->queue, command->kernel, grid->dims, NULL, grid->global,
        grid->local[0] ? grid->local : NULL, 0, NULL, bp__event_slot(recorder->log));
    if (code == CL_SUCCESS) return bp__event_add(recorder->log, command->item, steps, 0);
    bp_status status = bp__cl_fail(code, "clEnqueueNDRangeKernel", __FILE__, __LINE__);
    return bp__fail_context(status, "kernel %s", command->name);
}

/* A launch keeps the arguments that it was enqueued with, so the next may have others. */
static bp_status enqueue_repeating(const bp__recorder *recorder, size_t times)
{
    const bp__command *command = &recorder->commands[0];
    while (times > 0) {
        const cl_uint steps =
            (cl_uint)(times < recorder->steps_per_launch ? times : recorder->steps_per_launch);
        BP_CL(clSetKernelArg(command->kernel, 0, sizeof steps, &steps));
        BP_TRY(enqueue(recorder, command, steps));
        times -= steps;
    }
    return BP_OK;
}

bp_status bp__recorder_enqueue(const bp__recorder *recorder, size_t times)
{
    if (recorder->steps_per_launch > 0) return enqueue_repeating(recorder, times);
    for (size_t t = 0; t < times; ++t)
        for (size_t i = 0; i < recorder->count; ++i)
            BP_TRY(enqueue(recorder, &recorder->commands[i], 1));
    return BP_OK;
}

void bp__recorder_clear(bp__recorder *recorder)
{
    for (size_t i = 0; i < recorder->count; ++i) {
        bp__command *command = &recorder->commands[i];
        if (command->kernel) bp__cl.clReleaseKernel(command->kernel);
        if (command->release) command->release(command->context);
    }
    free(recorder->commands);
    recorder->commands = NULL;
    recorder->count = recorder->capacity = 0;
    for (size_t i = 0; i < recorder->buffer_count; ++i)
        bp__cl.clReleaseMemObject(recorder->buffers[i]);
    free(recorder->buffers);
    recorder->buffers = NULL;
    recorder->buffer_count = recorder->buffer_capacity = 0;
}
