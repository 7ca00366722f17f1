/* gemm.c - chooses the GEMM backend, and records the native kernels. */
#include "ops/gemm.h"

#include <stdio.h>
#include <string.h>

#include "ops/gemm_clblast.h"
#include "ops/matrix_units.h"

bp__gemm_shape bp__gemm_get_shape(const bp__gemm *gemm)
{
    const bp__view *a = &gemm->a;
    return (bp__gemm_shape){.m = (cl_uint)gemm->c.rows,
                            .n = (cl_uint)gemm->c.columns,
                            .k = (cl_uint)(gemm->layout == BP__GEMM_TN ? a->rows : a->columns)};
}

void bp__gemm_options(char *out, size_t size, const bp__gemm *gemm, const char *options)
{
    snprintf(out, size, "-DBP_LAYOUT=%d -DBP_EPILOGUE=%d -DBP_ACTIVATION=%d -DBP_DROPOUT=%d %s",
             (int)gemm->layout, (int)gemm->epilogue, (int)gemm->activation,
             bp__dropout_option(&gemm->dropout, gemm->epilogue == BP__EPILOGUE_SLOPE), options);
}

bp_status bp__record_gemm_kernel(bp__recorder *recorder, const bp__gemm *gemm, const char *file,
                                 const char *kernel, const char *options, const bp__grid *grid,
                                 const bp__arg *more, size_t more_count)
{
    enum { COMMON = 15, MOST = COMMON + 4 + BP__DROPOUT_ARGUMENTS };
    char all_options[256];
    bp__gemm_options(all_options, sizeof all_options, gemm, options);
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    bp__matrix_args c = bp__matrix(&gemm->c), a = bp__matrix(&gemm->a), b = bp__matrix(&gemm->b);
    /* Without an epilogue matrix the kernel still has the argument: any buffer will do. */
    bp__matrix_args e = gemm->e.buffer ? bp__matrix(&gemm->e) : a;
    bp__arg args[MOST] = {BP_ARG(shape.m), BP_ARG(shape.n), BP_ARG(shape.k), BP_MATRIX(c),
                          BP_MATRIX(a),    BP_MATRIX(b),    BP_MATRIX(e)};
    size_t count = COMMON;
    for (size_t i = 0; i < more_count; ++i) args[count++] = more[i];
    bp__dropout_numbers numbers;
    count += bp__dropout_arguments(args + count, &numbers, &gemm->dropout,
                                   gemm->epilogue == BP__EPILOGUE_SLOPE);
    BP_TRY(bp__record_launch(recorder, file, all_options, kernel, args, count, grid));
    bp__recorder_multiplies(recorder);
    return BP_OK;
}

bp_status bp__record_gemm_sum(bp__recorder *recorder, const bp__gemm *gemm, const char *file,
                              const char *options, cl_mem pieces)
{
    const bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    const bp__grid elements = {2, {shape.n, shape.m, 1}, {0}};
    const bp__arg more[] = {BP_ARG(pieces)};
    BP_TRY(bp__record_gemm_kernel(recorder, gemm, file, "gemm_sum", options, &elements, more,
                                  BP_COUNT(more)));
    recorder->commands[recorder->count - 1].multiplies = false; /* it adds */
    return BP_OK;
}

bp_status bp__gemm_naive(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    (void)engine;
    const bp__grid grid = {2, {gemm->c.columns, gemm->c.rows, 1}, {0}};
    return bp__record_gemm_kernel(recorder, gemm, "gemm_naive.cl", "gemm_naive", "", &grid, NULL,
                                  0);
}

/* The backend that a product goes to; below fp32 an engine's backend is `matrix`. CLBlast may have
 * been removed since the device was tuned. */
static int32_t backend_of(const bp__device_engine *engine, const bp__gemm_shape *shape)
{
    if (engine->gemm != BP_GEMM_AUTO && engine->gemm != BP_GEMM_NATIVE) return engine->gemm;
    const bp__gemm_choice *tuned = &engine->tuning.gemm[bp__shape_of(shape->m, shape->n)];
    if (engine->gemm == BP_GEMM_AUTO && tuned->clblast && bp__clblast_is_there())
        return BP_GEMM_CLBLAST;
    if (tuned->matrix && bp__matrix_units_are_there(engine->device, BP_PRECISION_FP32))
        return BP_GEMM_MATRIX;
    return bp__gemm_gpu_fits(engine->device) ? BP_GEMM_GPU : BP_GEMM_NAIVE;
}

bp_status bp__launch_gemm(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm)
{
    bp__gemm_shape shape = bp__gemm_get_shape(gemm);
    if (shape.m == 0 || shape.n == 0) return BP_OK;
    switch (backend_of(engine, &shape)) {
    case BP_GEMM_NAIVE: return bp__gemm_naive(engine, recorder, gemm);
    case BP_GEMM_GPU: return bp__gemm_gpu(engine, recorder, gemm);
    case BP_GEMM_CLBLAST: return bp__gemm_clblast(engine, recorder, gemm);
    case BP_GEMM_MATRIX: return bp__gemm_matrix(engine, recorder, gemm);
    }
    return bp__fail(BP_ERROR_ARGUMENT, "unknown GEMM backend %d", (int)engine->gemm);
}
