/* oclgrind.c - OpenCL calls as oclgrind needs them watched, and which kernels were made. */
#include "kernels_small/small.h"
#include "opencl/api.h"

/* oclgrind 21.10 forgets what a buffer held when the host writes to a part of it, and reports the
 * rest as uninitialised. So each write by the host is followed by one of the whole buffer, but only
 * where the library has filled the buffer before: leaving that out is a bug that oclgrind shall
 * see. */
enum { BUFFERS = 4096 };
static struct tracked {
    cl_mem memory;
    size_t size;
    bool filled;
} tracked[BUFFERS];

static bp__cl_api real;

static struct tracked *find(cl_mem memory)
{
    size_t i = 0;
    while (i < BUFFERS && tracked[i].memory != memory) ++i;
    cr_assert(i < BUFFERS, "more than %d buffers at once", BUFFERS);
    return &tracked[i];
}

static void write_whole(cl_command_queue queue, cl_mem memory)
{
    const struct tracked *buffer = find(memory);
    if (!buffer->filled) return;
    void *copy = malloc(buffer->size);
    real.clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, buffer->size, copy, 0, NULL, NULL);
    real.clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, buffer->size, copy, 0, NULL, NULL);
    free(copy);
}

/* ---- The calls that are watched ---------------------------------------------------------------
 */

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *code)
{
    cl_mem memory = real.clCreateBuffer(context, flags, size, host, code);
    if (memory) *find(NULL) = (struct tracked){memory, size, false};
    return memory;
}

static cl_int CL_API_CALL release_buffer(cl_mem memory)
{
    *find(memory) = (struct tracked){0};
    return real.clReleaseMemObject(memory);
}

static cl_int CL_API_CALL fill(cl_command_queue queue, cl_mem memory, const void *pattern,
                               size_t pattern_size, size_t offset, size_t size, cl_uint waits,
                               const cl_event *wait, cl_event *event)
{
    const cl_int code = real.clEnqueueFillBuffer(queue, memory, pattern, pattern_size, offset, size,
                                                 waits, wait, event);
    struct tracked *buffer = find(memory);
    buffer->filled = buffer->filled || (offset == 0 && size == buffer->size);
    write_whole(queue, memory);
    return code;
}

static cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                       size_t offset, size_t size, const void *host, cl_uint waits,
                                       const cl_event *wait, cl_event *event)
{
    const cl_int code =
        real.clEnqueueWriteBuffer(queue, memory, blocking, offset, size, host, waits, wait, event);
    write_whole(queue, memory);
    return code;
}

static cl_int CL_API_CALL write_rect(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                     const size_t *origin, const size_t *host_origin,
                                     const size_t *region, size_t row, size_t slice,
                                     size_t host_row, size_t host_slice, const void *host,
                                     cl_uint waits, const cl_event *wait, cl_event *event)
{
    const cl_int code =
        real.clEnqueueWriteBufferRect(queue, memory, blocking, origin, host_origin, region, row,
                                      slice, host_row, host_slice, host, waits, wait, event);
    write_whole(queue, memory);
    return code;
}

static cl_int CL_API_CALL unmap(cl_command_queue queue, cl_mem memory, void *mapped, cl_uint waits,
                                const cl_event *wait, cl_event *event)
{
    const cl_int code = real.clEnqueueUnmapMemObject(queue, memory, mapped, waits, wait, event);
    write_whole(queue, memory);
    return code;
}

/* " name  name " of the kernels that were made. */
static char made[4096];

bool was_made(const char *kernel)
{
    char entry[80];
    snprintf(entry, sizeof entry, " %s ", kernel);
    return strstr(made, entry) != NULL;
}

static cl_kernel CL_API_CALL create_kernel(cl_program program, const char *name, cl_int *code)
{
    char entry[80];
    snprintf(entry, sizeof entry, " %s ", name);
    if (!was_made(name)) strncat(made, entry, sizeof made - strlen(made) - 1);
    return real.clCreateKernel(program, name, code);
}

bool simulated(void)
{
    return getenv("BACKPROP_OCLGRIND") != NULL;
}

void watch(const char *test)
{
    if (simulated()) {
        if (strncmp(test, "shuffle", 7) == 0) unsetenv("OCLGRIND_UNINITIALIZED");
        if (strncmp(test, "groups", 6) == 0) unsetenv("OCLGRIND_DATA_RACES");
        char log[4096];
        snprintf(log, sizeof log, "%s/%s.log", getenv("BACKPROP_OCLGRIND"), test);
        setenv("OCLGRIND_LOG", log, 1);
    }
    if (bp__cl_load() != BP_OK || real.clFinish) return;
    real = bp__cl;
    bp__cl.clCreateKernel = create_kernel;
    if (!simulated()) return;
    bp__cl.clCreateBuffer = create_buffer;
    bp__cl.clReleaseMemObject = release_buffer;
    bp__cl.clEnqueueFillBuffer = fill;
    bp__cl.clEnqueueWriteBuffer = write_buffer;
    bp__cl.clEnqueueWriteBufferRect = write_rect;
    bp__cl.clEnqueueUnmapMemObject = unmap;
}
