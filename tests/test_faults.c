/* test_faults.c - OpenCL that fails: the n-th call of a training, once or for good; kernels that do
 * not build; devices with too little of everything; several trainings at once.
 *
 * Every entry of the function table is wrapped. Whatever fails, the caller gets a typed error whose
 * text names the call, no handle is lost, and the model is as the header promises. */
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "opencl/api.h"
#include "opencl/embedded.h"

/* Programs are built from cold caches in places. */
TestSuite(faults, .timeout = 600);

/* ---- The wrapped table ------------------------------------------------------------------------
 */

static bp__cl_api real;

enum { CONTEXT, QUEUE, PROGRAM, KERNEL, BUFFER, EVENT, HANDLES };
static const char *const handle_names[] = {"context", "queue",  "program",
                                           "kernel",  "buffer", "event"};
static long live[HANDLES];

/* What is to happen, and what has. */
static struct fault {
    long until;       /* calls that still succeed; -1: all do */
    bool for_good;    /* the calls after the first failure fail too */
    const char *only; /* the one function that counts, or NULL for all */
    cl_int code;
    long calls;
    const char *first, *all[512]; /* the calls that failed */
    size_t failed;
} fault = {.until = -1};

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
CREATE(cl_kernel, clCreateKernel, KERNEL, (cl_program program, const char *name, cl_int *code),
       (program, name, code))

/* ---- Devices that claim less ------------------------------------------------------------------
 */

/* Replaces what the device says of itself; 0: the truth. */
static struct claims {
    cl_ulong max_buffer, global_memory;
    bool one_work_item, no_local_memory, is_gpu;
} claims;

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

static void wrap_table(void)
{
    if (real.clFinish || bp__cl_load() != BP_OK) return;
    real = bp__cl;
#define WRAP(name) bp__cl.name = wrap_##name;
    BP__CL_FUNCTIONS(WRAP)
#undef WRAP
}

static void plan_fault(long n, bool for_good, cl_int code, const char *only)
{
    fault = (struct fault){.until = n, .for_good = for_good, .code = code, .only = only};
}

static void no_fault(void)
{
    fault.until = -1;
}

/* ---- Every call -------------------------------------------------------------------------------
 */

static const cl_int codes[] = {CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE,
                               CL_OUT_OF_HOST_MEMORY, CL_INVALID_VALUE, -9999};
enum { CODES = sizeof codes / sizeof *codes };

static void check_balance(const long before[HANDLES], const char *when)
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

static void check_status(bp_status status, long n, const char *mode)
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

typedef bp_status (*job_fn)(bp_device *, int32_t, job_result *);

/* Opens the first OpenCL device. */
static bp_device *open_first(void)
{
    bp_device *device;
    cr_assert_eq(bp_device_open(&device, "0:0"), BP_OK, "%s", bp_last_error());
    return device;
}

/* Every call of a job on a device that has its programs; after each fault the same device does the
 * job as if nothing had been. */
static void fail_every_call(job_fn job, int32_t gemm, bool for_good)
{
    const char *mode = for_good ? "for good" : "once";
    long nothing[HANDLES] = {0}, open[HANDLES];
    wrap_table();
    bp_device *device = open_first();
    job_result want, got;
    cr_assert_eq(job(device, gemm, &want), BP_OK, "%s", bp_last_error());
    memcpy(open, live, sizeof open);
    plan_fault(-1, false, 0, NULL);
    cr_assert_eq(job(device, gemm, &got), BP_OK);
    cr_assert_arr_eq(&got, &want, sizeof got, "not reproducible");
    const long calls = fault.calls;
    cr_assert_gt(calls, 100);
    check_balance(open, "without a fault");
    for (long n = 0; n < calls; ++n) {
        plan_fault(n, for_good, codes[n % CODES], NULL);
        const bp_status status = job(device, gemm, &got);
        no_fault();
        cr_assert(fault.first, "call %ld of %ld was not made", n, calls);
        check_status(status, n, mode);
        if (status == BP_OK) cr_assert_arr_eq(&got, &want, sizeof got);
        check_balance(open, fault.first);
        cr_assert_eq(job(device, gemm, &got), BP_OK, "after call %ld (%s, %s): %s", n, fault.first,
                     mode, bp_last_error());
        cr_assert_arr_eq(&got, &want, sizeof got, "after call %ld (%s, %s)", n, fault.first, mode);
    }
    bp_device_free(device);
    check_balance(nothing, "in the end");
}

Test(faults, every_call_of_a_training_once)
{
    fail_every_call(train_job, BP_GEMM_AUTO, false);
}

Test(faults, every_call_of_a_training_for_good)
{
    fail_every_call(train_job, BP_GEMM_AUTO, true);
}

Test(faults, every_call_of_a_training_in_launches_once)
{
    fail_every_call(train_job, BP_GEMM_CPU, false);
}

Test(faults, every_call_of_a_training_in_launches_for_good)
{
    fail_every_call(train_job, BP_GEMM_NAIVE, true);
}

Test(faults, every_call_of_a_profiled_training_once)
{
    fail_every_call(profiled_job, BP_GEMM_CPU, false);
}

Test(faults, every_call_of_a_profiled_training_for_good)
{
    fail_every_call(profiled_job, BP_GEMM_AUTO, true);
}

Test(faults, every_call_of_steps_once)
{
    fail_every_call(step_job, BP_GEMM_CPU, false);
}

Test(faults, every_call_of_steps_for_good)
{
    fail_every_call(step_job, BP_GEMM_AUTO, true);
}

/* Every call of opening a device. */
Test(faults, every_call_of_opening)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    bp_device *device = open_first();
    bp_device_free(device);
    plan_fault(-1, false, 0, NULL);
    device = open_first();
    const long calls = fault.calls;
    bp_device_free(device);
    check_balance(nothing, "without a fault");
    for (int for_good = 0; for_good < 2; ++for_good)
        for (long n = 0; n < calls; ++n)
            for (int c = 0; c < CODES; ++c) {
                plan_fault(n, for_good, codes[c], NULL);
                const bp_status status = bp_device_open(&device, "0:0");
                cr_assert(fault.first);
                cr_assert_eq(status == BP_OK, device != NULL);
                check_status(status, n, for_good ? "for good" : "once");
                bp_device_free(device);
                no_fault();
                check_balance(nothing, fault.first);
                /* A list is made of what can be found, and says why there is not more. */
                bp_device_info *list;
                size_t count;
                const char *note;
                plan_fault(n, for_good, codes[c], NULL);
                const bp_status listed = bp_device_list(&list, &count, &note);
                if (listed == BP_OK)
                    cr_assert(count >= 1 && (count > 1 || *note), "%s", fault.first);
                no_fault();
                bp_device_list_free(list);
            }
}

/* Every program of a first training. */
static void fail_programs(const char *call, int32_t gemm)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    job_result want, got;
    bp_device *device = open_first();
    plan_fault(-1, false, 0, call);
    cr_assert_eq(train_job(device, gemm, &want), BP_OK);
    const long calls = fault.calls;
    cr_assert_gt(calls, 1);
    bp_device_free(device);
    for (long n = 0; n < calls; ++n) {
        device = open_first();
        plan_fault(n, false, CL_OUT_OF_HOST_MEMORY, call);
        const bp_status status = train_job(device, gemm, &got);
        cr_assert_neq(status, BP_OK);
        check_status(status, n, "once");
        no_fault();
        cr_assert_eq(train_job(device, gemm, &got), BP_OK, "%s", bp_last_error());
        cr_assert_arr_eq(&got, &want, sizeof got);
        bp_device_free(device);
        check_balance(nothing, call);
    }
}

Test(faults, every_program)
{
    fail_programs("clBuildProgram", BP_GEMM_CPU);
    fail_programs("clCreateProgramWithSource", BP_GEMM_AUTO);
}

/* ---- Kernels that do not build ----------------------------------------------------------------
 */

/* Writes the library's kernels below `folder`, with a line that is no C at the end of `broken`. */
static void write_kernels(const char *folder, const char *broken)
{
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, file->name);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
        FILE *out = fopen(path, "w");
        cr_assert(out, "%s", path);
        fwrite(file->source, 1, file->size, out);
        if (strcmp(file->name, broken) == 0) fputs("\nthis_is_not_c x;\n", out);
        fclose(out);
    }
}

Test(faults, kernels_that_do_not_build)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    int seen = 0;
    char folder[] = "/tmp/backprop-kernels-XXXXXX", command[64];
    cr_assert(mkdtemp(folder));
    setenv("BP_KERNEL_DIR", folder, 1);
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file) {
        write_kernels(folder, file->name);
        const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_CPU, BP_GEMM_NAIVE};
        for (int g = 0; g < 3; ++g) {
            bp_device *device = open_first();
            job_result result;
            const bp_status status = train_job(device, gemms[g], &result);
            cr_assert(status == BP_OK || status == BP_ERROR_BUILD, "%s: %s", file->name,
                      bp_last_error());
            if (status == BP_ERROR_BUILD) {
                const char *text = bp_last_error();
                cr_assert(strstr(text, "this_is_not_c"), "no build log: %s", text);
                cr_assert(strstr(text, "kernels/") && strstr(text, "-cl-std"), "%s", text);
                ++seen;
            }
            bp_device_free(device);
            check_balance(nothing, file->name);
        }
    }
    cr_assert_gt(seen, 10);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
    bp_device *device = open_first();
    job_result result;
    cr_assert_eq(train_job(device, BP_GEMM_AUTO, &result), BP_ERROR_IO);
    cr_assert(strstr(bp_last_error(), folder), "%s", bp_last_error());
    bp_device_free(device);
}

/* ---- Poor devices -----------------------------------------------------------------------------
 */

Test(faults, too_little_memory)
{
    wrap_table();
    enum { ROWS = 1000, INPUTS = 250 };
    float *x = calloc(ROWS * INPUTS, sizeof *x);
    int32_t *labels = calloc(ROWS, sizeof *labels);
    for (int i = 0; i < ROWS; ++i) labels[i] = i % 2;
    bp_data *data;
    cr_assert_eq(bp_data_from_labels(&data, x, ROWS, INPUTS, labels, 2), BP_OK);
    const bp_layer layer = {INPUTS, 2, BP_ACTIVATION_SOFTMAX, 1};
    for (int global = 0; global < 2; ++global) {
        claims = (struct claims){0};
        *(global ? &claims.global_memory : &claims.max_buffer) = 200000;
        bp_device *device = open_first();
        bp_model *model;
        cr_assert_eq(bp_model_create_layers(&model, &layer, 1, NULL), BP_OK);
        float before[2 * INPUTS], y[2];
        memcpy(before, bp_model_weights(model, 0), sizeof before);
        cr_assert_eq(bp_train(model, device, data, NULL, NULL, NULL), BP_ERROR_DEVICE_MEMORY);
        /* 1000 rows of 250 floats, padded to 256. */
        cr_assert(strstr(bp_last_error(), "1.0 MB") && strstr(bp_last_error(), "0.2 MB"), "%s",
                  bp_last_error());
        cr_assert_arr_eq(before, bp_model_weights(model, 0), sizeof before);
        bp_metrics metrics;
        cr_assert_eq(bp_evaluate(&metrics, model, device, data), BP_ERROR_DEVICE_MEMORY);
        cr_assert_eq(bp_predict(model, device, x, 1, y), BP_OK, "%s", bp_last_error());
        bp_model_free(model);
        bp_device_free(device);
    }
    bp_data_free(data);
    free(x);
    free(labels);
}

/* Work-groups of one, no local memory, and both: training goes on with the kernels that can do
 * without, to the same result. */
Test(faults, poor_devices)
{
    wrap_table();
    bp_device *device;
    job_result want, got;
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    cr_assert_eq(train_job(device, BP_GEMM_AUTO, &want), BP_OK);
    bp_device_free(device);
    for (int poverty = 0; poverty < 8; ++poverty) {
        claims = (struct claims){
            .one_work_item = poverty & 1, .no_local_memory = poverty & 2, .is_gpu = poverty & 4};
        device = open_first();
        cr_assert_eq(train_job(device, BP_GEMM_AUTO, &got), BP_OK, "%d: %s", poverty,
                     bp_last_error());
        for (int i = 0; i < FAULT_PARAMETERS; ++i)
            cr_assert_float_eq(got.trained[i], want.trained[i], 1e-5, "%d: parameter %d: %g not %g",
                               poverty, i, (double)got.trained[i], (double)want.trained[i]);
        for (int i = 0; i < FAULT_ROWS * FAULT_CLASSES; ++i)
            cr_assert_float_eq(got.predicted[i], want.predicted[i], 1e-5);
        if (poverty & 3) {
            cr_assert_eq(train_job(device, BP_GEMM_GPU, &got), BP_ERROR_UNSUPPORTED);
            cr_assert(strstr(bp_last_error(), "naive"), "%s", bp_last_error());
        }
        bp_device_free(device);
    }
}

Test(faults, no_opencl_at_all)
{
    setenv("BACKPROP_OPENCL_LIBRARY", "/nonexistent/libOpenCL.so", 1);
    bp_device *device;
    cr_assert_eq(bp_device_open(&device, "gpu"), BP_ERROR_NO_DEVICE);
    cr_assert(strstr(bp_last_error(), "/nonexistent/libOpenCL.so"), "%s", bp_last_error());
    cr_assert_null(device);
    cr_assert_eq(bp_device_open(&device, "auto"), BP_OK);
    cr_assert_eq(bp_device_get_info(device)->kind, BP_KIND_REFERENCE);
    bp_device_free(device);
}

/* ---- Several at once --------------------------------------------------------------------------
 */

enum { THREADS = 4, ROUNDS = 5 };

typedef struct worker {
    pthread_t thread;
    int32_t gemm;
    job_fn job;
    const job_result *want;
    char problem[256];
} worker;

static void *work(void *argument)
{
    worker *w = argument;
    for (int round = 0; round < ROUNDS && !w->problem[0]; ++round) {
        bp_device *device;
        job_result got;
        bp_status status = bp_device_open(&device, "0:0");
        if (status == BP_OK) status = w->job(device, w->gemm, &got);
        if (status != BP_OK)
            snprintf(w->problem, sizeof w->problem, "%.250s", bp_last_error());
        else if (memcmp(&got, w->want, sizeof got) != 0)
            snprintf(w->problem, sizeof w->problem, "other bits in round %d", round);
        bp_device_free(device);
    }
    return NULL;
}

Test(faults, threads_do_not_disturb_each_other)
{
    const int32_t gemms[THREADS] = {BP_GEMM_AUTO, BP_GEMM_CPU, BP_GEMM_CPU, BP_GEMM_NAIVE};
    job_result want[THREADS];
    worker workers[THREADS];
    memset(workers, 0, sizeof workers);
    bp_device *device = open_first();
    for (int i = 0; i < THREADS; ++i) {
        workers[i].gemm = gemms[i];
        workers[i].job = i == 2 ? step_job : train_job;
        workers[i].want = &want[i];
        cr_assert_eq(workers[i].job(device, gemms[i], &want[i]), BP_OK, "%s", bp_last_error());
    }
    bp_device_free(device);
    for (int i = 0; i < THREADS; ++i)
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < THREADS; ++i) pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; ++i)
        cr_assert(!workers[i].problem[0], "thread %d: %s", i, workers[i].problem);
}

/* Two processes that start with no compiled kernels, and build them at once. */
Test(faults, processes_do_not_disturb_each_other)
{
    char folder[] = "/tmp/backprop-processes-XXXXXX", command[4096];
    cr_assert(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && export POCL_CACHE_DIR=%s/cache && mkdir cache && "
             "{ '%s' train '%s/data/iris.csv' --epochs 3 --seed 5 -o 0 >0.log 2>&1 & one=$!; "
             "'%s' train '%s/data/iris.csv' --epochs 3 --seed 5 -o 1 >1.log 2>&1 & two=$!; "
             "wait $one && wait $two; } || { cat 0.log 1.log; exit 1; }",
             folder, folder, BACKPROP_COMMAND, BACKPROP_SOURCE_DIR, BACKPROP_COMMAND,
             BACKPROP_SOURCE_DIR);
    cr_assert_eq(system(command), 0);
    bp_model *models[2];
    for (int i = 0; i < 2; ++i) {
        snprintf(command, sizeof command, "%s/%d", folder, i);
        cr_assert_eq(bp_model_load(&models[i], command, BP_ACTIVATION_AUTO), BP_OK, "%s",
                     bp_last_error());
    }
    for (size_t l = 0; l < bp_model_get_info(models[0]).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(models[0], l);
        cr_assert_arr_eq(bp_model_weights(models[0], l), bp_model_weights(models[1], l),
                         layer.inputs * layer.outputs * sizeof(float));
    }
    for (int i = 0; i < 2; ++i) bp_model_free(models[i]);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}
