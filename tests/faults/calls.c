/* calls.c - every entry of OpenCL's table of functions, wrapped. */
#include "faults/calls.h"

static bp__cl_api real;

static const char *const handle_names[] = {"context", "queue", "program", "kernel",
                                           "buffer",  "event", "mapping"};
long live[HANDLES];
faults fault = {.until = -1};
device_claims claims;

static bool cleaning(const char *call)
{
    return strncmp(call, "clRelease", 9) == 0;
}

static cl_int planned(const char *call)
{
    if (fault.only && strcmp(fault.only, call) != 0) return CL_SUCCESS;
    ++fault.calls;
    if (fault.until < 0 || fault.until-- > 0) return CL_SUCCESS;
    if (fault.for_good) fault.until = 0;
    if (!fault.first) fault.first = call;
    if (fault.failed < 512) fault.all[fault.failed++] = call;
    return fault.code;
}

/* Calls that only return a status. */
#define PLAIN(name, parameters, arguments)                                                         \
    static cl_int CL_API_CALL wrap_##name parameters                                               \
    {                                                                                              \
        const cl_int code = planned(#name);                                                        \
        return code != CL_SUCCESS ? code : real.name arguments;                                    \
    }

/* Calls that may make an event. */
#define ENQUEUE(name, parameters, arguments)                                                       \
    static cl_int CL_API_CALL wrap_##name parameters                                               \
    {                                                                                              \
        cl_int code = planned(#name);                                                              \
        if (code != CL_SUCCESS) return code;                                                       \
        code = real.name arguments;                                                                \
        live[EVENT] += code == CL_SUCCESS && event;                                                \
        return code;                                                                               \
    }

/* Calls that are carried out all the same when they "fail": a handle is gone, a queue is done. */
#define FINAL(name, kind, parameters, arguments)                                                   \
    static cl_int CL_API_CALL wrap_##name parameters                                               \
    {                                                                                              \
        const cl_int code = planned(#name), real_code = real.name arguments;                       \
        if ((kind) < HANDLES && real_code == CL_SUCCESS) --live[kind];                             \
        return code != CL_SUCCESS ? code : real_code;                                              \
    }

#define CREATE(type, name, kind, parameters, arguments)                                            \
    static type CL_API_CALL wrap_##name parameters                                                 \
    {                                                                                              \
        const cl_int planned_code = planned(#name);                                                \
        if (planned_code != CL_SUCCESS) {                                                          \
            *code = planned_code;                                                                  \
            return NULL;                                                                           \
        }                                                                                          \
        type made = real.name arguments;                                                           \
        live[kind] += made != NULL;                                                                \
        return made;                                                                               \
    }

#define WAITS cl_uint waits, const cl_event *wait, cl_event *event

PLAIN(clGetPlatformIDs, (cl_uint count, cl_platform_id *ids, cl_uint *found), (count, ids, found))
PLAIN(clGetPlatformInfo,
      (cl_platform_id id, cl_platform_info what, size_t size, void *out, size_t *used),
      (id, what, size, out, used))
PLAIN(clGetDeviceIDs,
      (cl_platform_id platform, cl_device_type type, cl_uint count, cl_device_id *ids,
       cl_uint *found),
      (platform, type, count, ids, found))
PLAIN(clGetProgramBuildInfo,
      (cl_program program, cl_device_id id, cl_program_build_info what, size_t size, void *out,
       size_t *used),
      (program, id, what, size, out, used))
PLAIN(clGetProgramInfo,
      (cl_program program, cl_program_info what, size_t size, void *out, size_t *used),
      (program, what, size, out, used))
PLAIN(clBuildProgram,
      (cl_program program, cl_uint count, const cl_device_id *ids, const char *options,
       void(CL_CALLBACK *notify)(cl_program, void *), void *user),
      (program, count, ids, options, notify, user))
PLAIN(clSetKernelArg, (cl_kernel kernel, cl_uint index, size_t size, const void *value),
      (kernel, index, size, value))
PLAIN(clGetKernelInfo,
      (cl_kernel kernel, cl_kernel_info what, size_t size, void *out, size_t *used),
      (kernel, what, size, out, used))
ENQUEUE(clEnqueueNDRangeKernel,
        (cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset,
         const size_t *global, const size_t *local, WAITS),
        (queue, kernel, dims, offset, global, local, waits, wait, event))
ENQUEUE(clEnqueueWriteBuffer,
        (cl_command_queue queue, cl_mem memory, cl_bool blocking, size_t offset, size_t size,
         const void *host, WAITS),
        (queue, memory, blocking, offset, size, host, waits, wait, event))
ENQUEUE(clEnqueueReadBufferRect,
        (cl_command_queue queue, cl_mem memory, cl_bool blocking, const size_t *origin,
         const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row,
         size_t host_slice, void *host, WAITS),
        (queue, memory, blocking, origin, host_origin, region, row, slice, host_row, host_slice,
         host, waits, wait, event))
ENQUEUE(clEnqueueWriteBufferRect,
        (cl_command_queue queue, cl_mem memory, cl_bool blocking, const size_t *origin,
         const size_t *host_origin, const size_t *region, size_t row, size_t slice, size_t host_row,
         size_t host_slice, const void *host, WAITS),
        (queue, memory, blocking, origin, host_origin, region, row, slice, host_row, host_slice,
         host, waits, wait, event))
ENQUEUE(clEnqueueFillBuffer,
        (cl_command_queue queue, cl_mem memory, const void *pattern, size_t pattern_size,
         size_t offset, size_t size, WAITS),
        (queue, memory, pattern, pattern_size, offset, size, waits, wait, event))
ENQUEUE(clEnqueueReadBuffer,
        (cl_command_queue queue, cl_mem memory, cl_bool blocking, size_t offset, size_t size,
         void *host, WAITS),
        (queue, memory, blocking, offset, size, host, waits, wait, event))
ENQUEUE(clEnqueueMarkerWithWaitList, (cl_command_queue queue, WAITS), (queue, waits, wait, event))
ENQUEUE(clRetainEvent, (cl_event event), (event))
PLAIN(clGetEventProfilingInfo,
      (cl_event event, cl_profiling_info what, size_t size, void *out, size_t *used),
      (event, what, size, out, used))
PLAIN(clFlush, (cl_command_queue queue), (queue))
FINAL(clFinish, HANDLES, (cl_command_queue queue), (queue))
FINAL(clWaitForEvents, HANDLES, (cl_uint count, const cl_event *events), (count, events))
FINAL(clReleaseContext, CONTEXT, (cl_context context), (context))
FINAL(clReleaseCommandQueue, QUEUE, (cl_command_queue queue), (queue))
FINAL(clReleaseProgram, PROGRAM, (cl_program program), (program))
FINAL(clReleaseKernel, KERNEL, (cl_kernel kernel), (kernel))
FINAL(clReleaseMemObject, BUFFER, (cl_mem memory), (memory))
FINAL(clReleaseEvent, EVENT, (cl_event event), (event))
CREATE(cl_context, clCreateContext, CONTEXT,
       (const cl_context_properties *properties, cl_uint count, const cl_device_id *ids,
        void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user,
        cl_int *code),
       (properties, count, ids, notify, user, code))
CREATE(cl_command_queue, clCreateCommandQueue, QUEUE,
       (cl_context context, cl_device_id id, cl_command_queue_properties properties, cl_int *code),
       (context, id, properties, code))
CREATE(cl_mem, clCreateBuffer, BUFFER,
       (cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *code),
       (context, flags, size, host, code))
CREATE(cl_program, clCreateProgramWithSource, PROGRAM,
       (cl_context context, cl_uint count, const char **sources, const size_t *sizes, cl_int *code),
       (context, count, sources, sizes, code))
CREATE(cl_program, clCreateProgramWithBinary, PROGRAM,
       (cl_context context, cl_uint count, const cl_device_id *ids, const size_t *sizes,
        const unsigned char **binaries, cl_int *each, cl_int *code),
       (context, count, ids, sizes, binaries, each, code))
CREATE(void *, clEnqueueMapBuffer, MAPPING,
       (cl_command_queue queue, cl_mem memory, cl_bool blocking, cl_map_flags flags, size_t offset,
        size_t size, cl_uint waits, const cl_event *wait, cl_event *event, cl_int *code),
       (queue, memory, blocking, flags, offset, size, waits, wait, event, code))
CREATE(cl_kernel, clCreateKernel, KERNEL, (cl_program program, const char *name, cl_int *code),
       (program, name, code))

/* Memory is unmapped all the same; only then it may make an event. */
static cl_int CL_API_CALL wrap_clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem memory,
                                                       void *mapped, WAITS)
{
    const cl_int code = planned("clEnqueueUnmapMemObject");
    cl_event *const made = code == CL_SUCCESS ? event : NULL;
    const cl_int real_code = real.clEnqueueUnmapMemObject(queue, memory, mapped, waits, wait, made);
    if (real_code == CL_SUCCESS) --live[MAPPING];
    live[EVENT] += real_code == CL_SUCCESS && made;
    return code != CL_SUCCESS ? code : real_code;
}

/* ---- Devices that claim less ------------------------------------------------------------------
 */

/* Overwrites an answer of `size` bytes, as far as the caller asked for it. */
static void claim(size_t size, void *out, const void *answer)
{
    if (out) memcpy(out, answer, size);
}

static cl_int CL_API_CALL wrap_clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size,
                                               void *out, size_t *used)
{
    cl_int code = planned("clGetDeviceInfo");
    if (code != CL_SUCCESS) return code;
    code = real.clGetDeviceInfo(id, what, size, out, used);
    const cl_ulong zero = 0;
    const size_t one = 1;
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    if (what == CL_DEVICE_MAX_MEM_ALLOC_SIZE && claims.max_buffer)
        claim(sizeof claims.max_buffer, out, &claims.max_buffer);
    if (what == CL_DEVICE_GLOBAL_MEM_SIZE && claims.global_memory)
        claim(sizeof claims.global_memory, out, &claims.global_memory);
    if (what == CL_DEVICE_MAX_WORK_GROUP_SIZE && claims.one_work_item) claim(sizeof one, out, &one);
    if (what == CL_DEVICE_LOCAL_MEM_SIZE && claims.no_local_memory) claim(sizeof zero, out, &zero);
    if (what == CL_DEVICE_TYPE && claims.is_gpu) claim(sizeof gpu, out, &gpu);
    return code;
}

static cl_int CL_API_CALL wrap_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id id,
                                                        cl_kernel_work_group_info what, size_t size,
                                                        void *out, size_t *used)
{
    const cl_int code = planned("clGetKernelWorkGroupInfo");
    if (code != CL_SUCCESS) return code;
    const cl_int real_code = real.clGetKernelWorkGroupInfo(kernel, id, what, size, out, used);
    const size_t one = 1;
    if (what == CL_KERNEL_WORK_GROUP_SIZE && claims.one_work_item) claim(sizeof one, out, &one);
    return real_code;
}

void wrap_table(void)
{
    setenv("BACKPROP_PROGRAMS", "none", 1); /* one that cannot be loaded is built: no error */
    if (real.clFinish || bp__cl_load() != BP_OK) return;
    real = bp__cl;
#define WRAP(name) bp__cl.name = wrap_##name;
    BP__CL_FUNCTIONS(WRAP)
#undef WRAP
}

void plan_fault(long n, bool for_good, cl_int code, const char *only)
{
    fault = (faults){.until = n, .for_good = for_good, .code = code, .only = only};
}

void no_fault(void)
{
    fault.until = -1;
}

/* ---- What must hold ---------------------------------------------------------------------------
 */

void check_balance(const long before[HANDLES], const char *when)
{
    for (int kind = 0; kind < HANDLES; ++kind)
        cr_assert_eq(live[kind], before[kind], "%s: %ld %s%s not released", when,
                     live[kind] - before[kind], handle_names[kind],
                     live[kind] - before[kind] == 1 ? "" : "s");
}

/* Whether the text names one of the calls that failed, and the code. */
static bool text_names_call(const char *text)
{
    for (size_t i = 0; i < fault.failed; ++i)
        if (strstr(text, fault.all[i]) && strstr(text, bp__cl_error_name(fault.code))) return true;
    return false;
}

void check_status(bp_status status, long n, const char *mode)
{
    /* Where only releases failed, there is nothing to report. */
    bool only_cleaning = true;
    for (size_t i = 0; i < fault.failed; ++i)
        only_cleaning =
            only_cleaning && (cleaning(fault.all[i]) || strcmp(fault.all[i], "clFinish") == 0);
    if (status == BP_OK) {
        cr_assert(only_cleaning, "call %ld (%s, %s): the failure was lost", n, fault.first, mode);
        return;
    }
    cr_assert(status == BP_ERROR_OPENCL || status == BP_ERROR_DEVICE_MEMORY ||
                  status == BP_ERROR_BUILD || status == BP_ERROR_NO_DEVICE,
              "call %ld (%s, %s): %s: %s", n, fault.first, mode, bp_status_name(status),
              bp_last_error());
    cr_assert(text_names_call(bp_last_error()), "call %ld (%s, %s, %s): the text says only: %s", n,
              fault.first, mode, bp__cl_error_name(fault.code), bp_last_error());
    if (status == BP_ERROR_DEVICE_MEMORY && strcmp(fault.first, "clCreateBuffer") == 0)
        cr_assert(strstr(bp_last_error(), " MB"), "%s", bp_last_error());
}

bp_device *open_first(void)
{
    bp_device *device;
    cr_assert_eq(bp_device_open(&device, "0:0"), BP_OK, "%s", bp_last_error());
    return device;
}
