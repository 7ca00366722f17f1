/* api.c - opens the ICD loader, finds its functions, names its errors. */
#include "opencl/api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bp__cl_api bp__cl;

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static char load_problem[512];

static void load(void)
{
    const char *name = getenv("BACKPROP_OPENCL_LIBRARY");
#ifdef __APPLE__
    const char *usual = "/System/Library/Frameworks/OpenCL.framework/OpenCL";
#else
    const char *usual = "libOpenCL.so.1";
#endif
    if (!name || !*name) name = usual;
    /* Never closed: drivers start threads that must not lose their code. */
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(load_problem, sizeof load_problem, "no OpenCL: %s", dlerror());
        return;
    }
    /* POSIX lets a data pointer from dlsym be used as a function; C11 does not say so, hence the
     * copy of the pointer's bytes. */
#define BP__CL_FIND(function)                                                                      \
    do {                                                                                           \
        void *symbol = dlsym(library, #function);                                                  \
        if (!symbol) {                                                                             \
            snprintf(load_problem, sizeof load_problem, "no OpenCL: %s has no %s (1.2 is needed)", \
                     name, #function);                                                             \
            return;                                                                                \
        }                                                                                          \
        memcpy(&bp__cl.function, &symbol, sizeof symbol);                                          \
    } while (0);
    BP__CL_FUNCTIONS(BP__CL_FIND)
#undef BP__CL_FIND
}

bp_status bp__cl_load(void)
{
    pthread_once(&load_once, load);
    return load_problem[0] ? bp__fail(BP_ERROR_NO_DEVICE, "%s", load_problem) : BP_OK;
}

const char *bp__cl_error_name(cl_int code)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
#define NAME(code) {code, #code}
        NAME(CL_DEVICE_NOT_FOUND),
        NAME(CL_DEVICE_NOT_AVAILABLE),
        NAME(CL_COMPILER_NOT_AVAILABLE),
        NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE),
        NAME(CL_OUT_OF_RESOURCES),
        NAME(CL_OUT_OF_HOST_MEMORY),
        NAME(CL_PROFILING_INFO_NOT_AVAILABLE),
        NAME(CL_MEM_COPY_OVERLAP),
        NAME(CL_BUILD_PROGRAM_FAILURE),
        NAME(CL_MAP_FAILURE),
        NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET),
        NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
        NAME(CL_COMPILE_PROGRAM_FAILURE),
        NAME(CL_LINKER_NOT_AVAILABLE),
        NAME(CL_LINK_PROGRAM_FAILURE),
        NAME(CL_KERNEL_ARG_INFO_NOT_AVAILABLE),
        NAME(CL_INVALID_VALUE),
        NAME(CL_INVALID_DEVICE_TYPE),
        NAME(CL_INVALID_PLATFORM),
        NAME(CL_INVALID_DEVICE),
        NAME(CL_INVALID_CONTEXT),
        NAME(CL_INVALID_QUEUE_PROPERTIES),
        NAME(CL_INVALID_COMMAND_QUEUE),
        NAME(CL_INVALID_HOST_PTR),
        NAME(CL_INVALID_MEM_OBJECT),
        NAME(CL_INVALID_BINARY),
        NAME(CL_INVALID_BUILD_OPTIONS),
        NAME(CL_INVALID_PROGRAM),
        NAME(CL_INVALID_PROGRAM_EXECUTABLE),
        NAME(CL_INVALID_KERNEL_NAME),
        NAME(CL_INVALID_KERNEL_DEFINITION),
        NAME(CL_INVALID_KERNEL),
        NAME(CL_INVALID_ARG_INDEX),
        NAME(CL_INVALID_ARG_VALUE),
        NAME(CL_INVALID_ARG_SIZE),
        NAME(CL_INVALID_KERNEL_ARGS),
        NAME(CL_INVALID_WORK_DIMENSION),
        NAME(CL_INVALID_WORK_GROUP_SIZE),
        NAME(CL_INVALID_WORK_ITEM_SIZE),
        NAME(CL_INVALID_GLOBAL_OFFSET),
        NAME(CL_INVALID_EVENT_WAIT_LIST),
        NAME(CL_INVALID_EVENT),
        NAME(CL_INVALID_OPERATION),
        NAME(CL_INVALID_BUFFER_SIZE),
        NAME(CL_INVALID_GLOBAL_WORK_SIZE),
        NAME(CL_INVALID_PROPERTY),
        {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
#undef NAME
    };
    static _Thread_local char unknown[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (names[i].code == code) return names[i].name;
    snprintf(unknown, sizeof unknown, "OpenCL error %d", (int)code);
    return unknown;
}

bp_status bp__cl_fail(cl_int code, const char *call, const char *file, int line)
{
    const char *slash = strrchr(file, '/');
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_INVALID_BUFFER_SIZE;
    return bp__fail(memory ? BP_ERROR_DEVICE_MEMORY : BP_ERROR_OPENCL, "%s from %s (%s:%d)",
                    bp__cl_error_name(code), call, slash ? slash + 1 : file, line);
}
