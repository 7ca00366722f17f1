/* gemm_clblast.c - CLBlast as a GEMM backend.
 *
 * Loaded with dlopen when it is first chosen, so that it costs nothing where it is not. Its own
 * types are restated here instead of its header being included: four calls and three constants of
 * its C API (clblast_c.h, version 1), which have been stable since 1.0, and a build without
 * CLBlast's development files still runs with the library. */
#include "ops/gemm_clblast.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/dense_epilogue.h"

enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef int (*sgemm_fn)(int layout, int a_transpose, int b_transpose, size_t m, size_t n, size_t k,
                        float alpha, cl_mem a, size_t a_offset, size_t a_ld, cl_mem b,
                        size_t b_offset, size_t b_ld, float beta, cl_mem c, size_t c_offset,
                        size_t c_ld, cl_command_queue *queue, cl_event *event);
typedef int (*clear_cache_fn)(void);

static sgemm_fn sgemm;
static clear_cache_fn clear_cache;
static char load_problem[256];
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

/* CLBlast 1.5.3 fails when two threads miss its program cache at once. */
static pthread_mutex_t call_mutex = PTHREAD_MUTEX_INITIALIZER;

static void load(void)
{
    void *library = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(load_problem, sizeof load_problem, "%.200s", dlerror());
        return;
    }
    void *symbol = dlsym(library, "CLBlastSgemm");
    void *clear_symbol = dlsym(library, "CLBlastClearCache");
    if (!symbol || !clear_symbol) {
        snprintf(load_problem, sizeof load_problem, "libclblast.so.1 lacks CLBlastSgemm");
        return;
    }
    memcpy(&sgemm, &symbol, sizeof symbol);
    memcpy(&clear_cache, &clear_symbol, sizeof clear_symbol);
}

/* Clears CLBlast's cache of programs, which keeps contexts alive. */
static void clear(void)
{
    pthread_mutex_lock(&call_mutex);
    clear_cache();
    pthread_mutex_unlock(&call_mutex);
}

static bp_status call_sgemm(bp_device *device, void *context)
{
    const bp__gemm *gemm = context;
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    cl_command_queue queue = device->queue;
    pthread_mutex_lock(&call_mutex);
    int code =
        sgemm(ROW_MAJOR, gemm->layout == BP__GEMM_TN ? TRANSPOSE : NO_TRANSPOSE,
              gemm->layout == BP__GEMM_NT ? TRANSPOSE : NO_TRANSPOSE, shape.m, shape.n, shape.k,
              1.0f, bp__buffer_memory(gemm->a.buffer), gemm->a.offset, gemm->a.stride,
              bp__buffer_memory(gemm->b.buffer), gemm->b.offset, gemm->b.stride, 0.0f,
              bp__buffer_memory(gemm->c.buffer), gemm->c.offset, gemm->c.stride, &queue, NULL);
    pthread_mutex_unlock(&call_mutex);
    if (code != 0)
        return bp__fail(BP_ERROR_OPENCL, "CLBlastSgemm failed with status %d (%s) for %ux%ux%u",
                        code, bp__cl_error_name(code), shape.m, shape.n, shape.k);
    return BP_OK;
}

bool bp__clblast_is_there(void)
{
    pthread_once(&load_once, load);
    return !load_problem[0];
}

bp_status bp__gemm_clblast(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    if (!bp__clblast_is_there())
        return bp__fail(BP_ERROR_UNSUPPORTED,
                        "CLBlast was chosen but cannot be loaded: %s (Debian and Ubuntu: apt-get "
                        "install libclblast1; or choose another --gemm)",
                        load_problem);
    engine->device->before_release = clear;
    bp__gemm *copy = NULL;
    BP_TRY(bp__new_array(&copy, 1, sizeof *copy));
    *copy = *gemm;
    BP_TRY(bp__record_call(recorder, "clblast_sgemm", call_sgemm, free, copy));
    bp__recorder_multiplies(recorder);
    return bp__launch_dense_epilogue(recorder, gemm);
}
