/* shared.c - buffers that the host fills in place while the device works on others.
 *
 * Where the device works in the host's memory, the buffer itself is mapped and unmapped. Elsewhere
 * the host writes to pinned memory, which is mapped for good, and a copy follows. Both happen on a
 * queue of their own; a marker in the device's queue lets what is enqueued later wait for them. */
#include "ops/launchers.h"

static bp_status map_blocking(cl_command_queue queue, cl_mem memory, size_t bytes, void **host)
{
    cl_int code;
    /* Not CL_MAP_WRITE_INVALIDATE_REGION: rows have padding that stays zero. */
    *host = bp__cl.clEnqueueMapBuffer(queue, memory, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0, NULL, NULL,
                                      &code);
    if (code == CL_SUCCESS) return BP_OK;
    *host = NULL;
    return bp__cl_fail(code, "clEnqueueMapBuffer", __FILE__, __LINE__);
}

bp_status bp__shared_prepare(bp__device_engine *engine, bp__buffer *buffer)
{
    bp_device *device = engine->device;
    cl_int code;
    if (!engine->transfers) {
        engine->transfers = bp__cl.clCreateCommandQueue(
            device->context, device->id, engine->log ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
        if (code != CL_SUCCESS) {
            engine->transfers = NULL;
            return bp__cl_fail(code, "clCreateCommandQueue", __FILE__, __LINE__);
        }
    }
    BP_CL(clFinish(device->queue)); /* memory has been filled with zeros */
    if (engine->in_host_memory) return BP_OK;
    buffer->pinned = bp__cl.clCreateBuffer(
        device->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, buffer->bytes, NULL, &code);
    if (code != CL_SUCCESS) {
        buffer->pinned = NULL;
        return bp__cl_fail(code, "clCreateBuffer", __FILE__, __LINE__);
    }
    const cl_uint zero = 0;
    BP_CL(clEnqueueFillBuffer(engine->transfers, buffer->pinned, &zero, sizeof zero, 0,
                              buffer->bytes, 0, NULL, NULL));
    return map_blocking(engine->transfers, buffer->pinned, buffer->bytes, &buffer->host);
}

static bp_status wait_for_copy(bp__buffer *buffer)
{
    if (!buffer->copied) return BP_OK;
    cl_event event = buffer->copied;
    buffer->copied = NULL;
    const cl_int code = bp__cl.clWaitForEvents(1, &event);
    bp__cl.clReleaseEvent(event);
    if (code != CL_SUCCESS) return bp__cl_fail(code, "clWaitForEvents", __FILE__, __LINE__);
    return BP_OK;
}

void bp__shared_release(bp__device_engine *engine, bp__buffer *buffer)
{
    if (!buffer->pinned && !buffer->host) return;
    bp__hold_error(true);
    (void)wait_for_copy(buffer);
    bp__hold_error(false);
    if (buffer->host) {
        bp__cl.clEnqueueUnmapMemObject(engine->transfers,
                                       buffer->pinned ? buffer->pinned : buffer->memory,
                                       buffer->host, 0, NULL, NULL);
        bp__cl.clFinish(engine->transfers);
    }
    if (buffer->pinned) bp__cl.clReleaseMemObject(buffer->pinned);
}

bp_status bp__shared_map(bp__device_engine *engine, bp__buffer *buffer, void **host)
{
    BP_TRY(wait_for_copy(buffer));
    if (!buffer->host)
        BP_TRY(map_blocking(engine->transfers, buffer->memory, buffer->bytes, &buffer->host));
    *host = buffer->host;
    return BP_OK;
}

/* What is enqueued later waits for event, which is then the caller's no longer. */
static bp_status let_wait(bp__device_engine *engine, cl_event event)
{
    cl_int code = bp__cl.clFlush(engine->transfers);
    if (code == CL_SUCCESS)
        code = bp__cl.clEnqueueMarkerWithWaitList(engine->device->queue, 1, &event, NULL);
    if (code == CL_SUCCESS) return BP_OK;
    return bp__cl_fail(code, "clEnqueueMarkerWithWaitList", __FILE__, __LINE__);
}

static bp_status unmap(bp__device_engine *engine, bp__buffer *buffer, cl_event *event)
{
    void *host = buffer->host;
    buffer->host = NULL;
    BP_CL(clEnqueueUnmapMemObject(engine->transfers, buffer->memory, host, 0, NULL, event));
    return BP_OK;
}

static bp_status copy(bp__device_engine *engine, bp__buffer *buffer, cl_event *event)
{
    BP_CL(clEnqueueWriteBuffer(engine->transfers, buffer->memory, CL_FALSE, 0, buffer->bytes,
                               buffer->host, 0, NULL, event));
    return BP_OK;
}

bp_status bp__shared_unmap(bp__device_engine *engine, bp__buffer *buffer)
{
    cl_event event = NULL, *slot = bp__event_slot(engine->log);
    BP_TRY(buffer->pinned ? copy(engine, buffer, &event) : unmap(engine, buffer, &event));
    bp_status status = let_wait(engine, event);
    if (status == BP_OK && slot) {
        bp__cl.clRetainEvent(event);
        *slot = event;
        status = bp__event_add(engine->log, BP__ITEM_STREAM, 0, (double)buffer->bytes);
    }
    if (buffer->pinned)
        buffer->copied = event;
    else
        bp__cl.clReleaseEvent(event);
    return status;
}
