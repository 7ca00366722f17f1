/* api.h - the OpenCL functions that this library calls, found at run time.
 *
 * The ICD loader is opened with dlopen when a device is first asked for: the library loads and the
 * reference trains on machines that have no OpenCL, and a command that needs none starts without
 * it. BACKPROP_OPENCL_LIBRARY names another loader than libOpenCL.so.1. */
#ifndef BP_OPENCL_API_H
#define BP_OPENCL_API_H

#include <CL/cl.h>

#include "base/status.h"

#define BP__CL_FUNCTIONS(X)                                                                        \
    X(clGetPlatformIDs)                                                                            \
    X(clGetPlatformInfo)                                                                           \
    X(clGetDeviceIDs)                                                                              \
    X(clGetDeviceInfo)                                                                             \
    X(clCreateContext)                                                                             \
    X(clReleaseContext)                                                                            \
    X(clCreateCommandQueue)                                                                        \
    X(clReleaseCommandQueue)                                                                       \
    X(clCreateBuffer)                                                                              \
    X(clReleaseMemObject)                                                                          \
    X(clCreateProgramWithSource)                                                                   \
    X(clCreateProgramWithBinary)                                                                   \
    X(clBuildProgram)                                                                              \
    X(clGetProgramInfo)                                                                            \
    X(clGetProgramBuildInfo)                                                                       \
    X(clReleaseProgram)                                                                            \
    X(clCreateKernel)                                                                              \
    X(clReleaseKernel)                                                                             \
    X(clSetKernelArg)                                                                              \
    X(clGetKernelInfo)                                                                             \
    X(clGetKernelWorkGroupInfo)                                                                    \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clEnqueueReadBufferRect)                                                                     \
    X(clEnqueueWriteBufferRect)                                                                    \
    X(clEnqueueMapBuffer)                                                                          \
    X(clEnqueueUnmapMemObject)                                                                     \
    X(clEnqueueFillBuffer)                                                                         \
    X(clWaitForEvents)                                                                             \
    X(clRetainEvent)                                                                               \
    X(clReleaseEvent)                                                                              \
    X(clGetEventProfilingInfo)                                                                     \
    X(clEnqueueMarkerWithWaitList)                                                                 \
    X(clFlush)                                                                                     \
    X(clFinish)

typedef struct bp__cl_api {
#define BP__CL_MEMBER(name) __typeof__(&name) name;
    BP__CL_FUNCTIONS(BP__CL_MEMBER)
#undef BP__CL_MEMBER
} bp__cl_api;

extern bp__cl_api bp__cl;

/* Loads the ICD loader, once per process. BP_ERROR_NO_DEVICE with the loader's own words where it
 * cannot be loaded; the text is the same at each later call. */
bp_status bp__cl_load(void);

/* "CL_OUT_OF_RESOURCES" for -5; "OpenCL error -9999" where the code has no name here. */
const char *bp__cl_error_name(cl_int code);

/* BP_CL(clFinish(queue)) calls through the table and returns from the calling function with a
 * status that names the call and the code. BP_CL_GOTO stores it in `status` and goes to `fail`. */
#define BP_CL(call)                                                                                \
    do {                                                                                           \
        cl_int bp__code = bp__cl.call;                                                             \
        if (bp__code != CL_SUCCESS) return bp__cl_fail(bp__code, #call, __FILE__, __LINE__);       \
    } while (0)

#define BP_CL_GOTO(call)                                                                           \
    do {                                                                                           \
        cl_int bp__code = bp__cl.call;                                                             \
        if (bp__code != CL_SUCCESS) {                                                              \
            status = bp__cl_fail(bp__code, #call, __FILE__, __LINE__);                             \
            goto fail;                                                                             \
        }                                                                                          \
    } while (0)

/* Records what failed; BP_ERROR_DEVICE_MEMORY for the codes that mean it, else BP_ERROR_OPENCL. */
bp_status bp__cl_fail(cl_int code, const char *call, const char *file, int line);

#endif
