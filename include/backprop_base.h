/* backprop_base.h - parts 1 and 2 of the manual, backprop.h, which includes it: status and errors,
 * devices. */
#ifndef BACKPROP_BASE_H
#define BACKPROP_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BP_API __attribute__((visibility("default")))
#else
#define BP_API
#endif

#define BP_VERSION_MAJOR 0
#define BP_VERSION_MINOR 1
#define BP_VERSION_PATCH 0

/* Version of the library at run time, "major.minor.patch". */
BP_API const char *bp_version(void);

/* ---- 1. Status and errors --------------------------------------------------------------------
 *
 * Codes are pinned: their values never change. BP_STATUSES(X) calls X(name, value, text) for each. */
#define BP_STATUSES(X)                                                         \
    X(BP_OK, 0, "no error")                                                    \
    X(BP_ERROR_ARGUMENT, 1, "an argument is not valid")                        \
    X(BP_ERROR_MEMORY, 2, "out of memory")                                     \
    X(BP_ERROR_IO, 3, "a file could not be read or written")                   \
    X(BP_ERROR_DATA, 4, "the data is not valid")                               \
    X(BP_ERROR_MODEL, 5, "the model is not valid or does not fit the data")    \
    X(BP_ERROR_NO_DEVICE, 6, "no such device")                                 \
    X(BP_ERROR_OPENCL, 7, "an OpenCL call failed")                             \
    X(BP_ERROR_BUILD, 8, "a kernel did not build on this device")              \
    X(BP_ERROR_DEVICE_MEMORY, 9, "the device has too little memory")           \
    X(BP_ERROR_DIVERGED, 10, "training diverged: a loss that is not finite")   \
    X(BP_ERROR_CANCELLED, 11, "stopped by the progress callback")              \
    X(BP_ERROR_UNSUPPORTED, 12, "not supported on this device or in this build") \
    X(BP_ERROR_INTERNAL, 13, "internal error: please report it")               \
    X(BP_ERROR_STORAGE, 14, "a temporary file could not be written or read")

typedef enum bp_status {
#define BP_STATUS_ENUM(name, value, text) name = value,
    BP_STATUSES(BP_STATUS_ENUM)
#undef BP_STATUS_ENUM
} bp_status;

/* Name of a code ("BP_ERROR_DATA") and its one-line meaning; never NULL. */
BP_API const char *bp_status_name(bp_status status);
BP_API const char *bp_status_text(bp_status status);

/* What the last failed call of this thread had to say: the call, the OpenCL code by name, the file
 * and line of a bad input, the build log where there is one. Empty before the first failure. Valid
 * until the thread's next failure. A successful call does not clear it. */
BP_API const char *bp_last_error(void);

/* The name among names[count] that is nearest to given (edit distance, case ignored), for "did you
 * mean"; NULL where none is near. */
BP_API const char *bp_nearest(const char *given, const char *const *names, size_t count);

/* ---- 2. Devices ------------------------------------------------------------------------------ */

/* A device that has been opened: an OpenCL context and queue, or the plain C reference. */
typedef struct bp_device bp_device;

/* Kinds of device, in the order in which "auto" prefers them. */
#define BP_KIND_GPU 0
#define BP_KIND_ACCELERATOR 1
#define BP_KIND_CPU 2
#define BP_KIND_REFERENCE 3

typedef struct bp_device_info {
    char spec[24];                /* "P:D" or "reference": what bp_device_open accepts */
    char name[256];
    char vendor[256];
    char driver[256];
    char opencl[256];             /* the device's OpenCL version text; empty for the reference */
    int32_t kind;                 /* BP_KIND_* */
    uint32_t compute_units;
    uint64_t global_memory_bytes; /* 0 for the reference: as much as the process may have */
    char platform[256];           /* the platform's version text; empty for the reference */
} bp_device_info;

/* All devices of all OpenCL platforms, then the reference, which is always there, so *count >= 1.
 * The array is the caller's: bp_device_list_free. A machine without OpenCL is no error; *note (may
 * be NULL) then says why there are no OpenCL devices, and is empty otherwise. */
BP_API bp_status bp_device_list(bp_device_info **out, size_t *count, const char **note);
BP_API void bp_device_list_free(bp_device_info *list);
BP_API const char *bp_kind_name(int32_t kind);

/* Opens a device. spec: "auto" (a GPU, else an accelerator, else a CPU, else the reference), "gpu",
 * "cpu", "accelerator", "reference", "P:D" (platform and device number), or, in any case, a device's
 * name or a part of it, or where no name has that, of its vendor or platform. NULL means the
 * environment's BACKPROP_DEVICE, or "auto" where that is not set.
 * Errors: BP_ERROR_NO_DEVICE (the text lists what exists), BP_ERROR_OPENCL, BP_ERROR_MEMORY.
 * The device must outlive every object made with it. */
BP_API bp_status bp_device_open(bp_device **out, const char *spec);
BP_API void bp_device_free(bp_device *device);
BP_API const bp_device_info *bp_device_get_info(const bp_device *device);

/* How matrix products are computed. Numbers in memory, sums, functions and updates are float32 in all
 * of them, and so are parameters. Below fp32 they are rounded on their way into a product, by matrix
 * units: NVIDIA's from compute capability 8.0 on and Intel's with sub-groups of 16 in both, AMD's of
 * CDNA 2 and 3 and of RDNA 3 and 4 and Intel's with sub-groups of 8 in bf16. */
#define BP_PRECISION_FP32 0 /* as accurate as float32; of the reference, double */
#define BP_PRECISION_TF32 1 /* to 11 significant bits */
#define BP_PRECISION_BF16 2 /* to 8 significant bits, bfloat16 */
BP_API const char *bp_precision_name(int32_t precision); /* "fp32"; NULL for an unknown code */
BP_API int32_t bp_precision_from_name(const char *name); /* -2 for an unknown name */

/* Trainers, predictors, evaluations, benchmarks and all else that is made with the device from now on
 * multiply in this precision; a device that was opened does in fp32. What exists keeps its own. The
 * same device and precision give the same bits, run after run.
 * Errors: BP_ERROR_ARGUMENT; BP_ERROR_UNSUPPORTED, and nothing changes, where the device has no
 * matrix units that can do it, or they were tried and gave wrong numbers: the text says which. */
BP_API bp_status bp_device_set_precision(bp_device *device, int32_t precision);
BP_API int32_t bp_device_get_precision(const bp_device *device);

#ifdef __cplusplus
}
#endif
#endif
