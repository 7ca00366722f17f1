/* dense.c - launches a dense layer's three products: forward, effect of the layer before, gradient.
 * Formulas in operation.h; kernels in gemm*.cl and dense.cl. */
#include <stdio.h>

#include "ops/dense_epilogue.h"
#include "ops/gemm.h"

/* out = f(net), element by element. */
static bp_status launch_apply(bp__recorder *recorder, const bp__dense_forward *op)
{
    char options[64];
    snprintf(options, sizeof options, "-DBP_VW=1 -DBP_ACTIVATION=%d -DHAS_BIAS=0",
             (int)op->activation);
    bp__matrix_args out = bp__matrix(&op->out), net = bp__matrix(&op->net);
    const bp__arg args[] = {BP_MATRIX(out), BP_MATRIX(net)};
    const bp__grid grid = {2, {op->out.columns, op->out.rows, 1}, {0}};
    return bp__record_launch(recorder, "dense.cl", options, "dense_apply", args, BP_COUNT(args),
                             &grid);
}

bp_status bp__launch_dense_forward(bp__device_engine *engine, bp__recorder *recorder,
                                   const bp__dense_forward *op)
{
    const bool keeps_net = op->net.buffer != NULL;
    const int32_t activation = keeps_net ? BP_ACTIVATION_LINEAR : op->activation;
    bp__epilogue epilogue = op->bias.buffer                      ? BP__EPILOGUE_BIAS
                            : activation == BP_ACTIVATION_LINEAR ? BP__EPILOGUE_NONE
                                                                 : BP__EPILOGUE_ACTIVATION;
    const bp__gemm gemm = {.layout = BP__GEMM_NT,
                           .epilogue = epilogue,
                           .activation = activation,
                           .c = keeps_net ? op->net : op->out,
                           .a = op->in,
                           .b = op->weights,
                           .e = op->bias};
    BP_TRY(bp__launch_gemm(engine, recorder, &gemm));
    return keeps_net ? launch_apply(recorder, op) : BP_OK;
}

bp_status bp__launch_dense_effect(bp__device_engine *engine, bp__recorder *recorder,
                                  const bp__dense_effect *op)
{
    bool linear = op->activation == BP_ACTIVATION_LINEAR;
    const bp__gemm gemm = {.layout = BP__GEMM_NN,
                           .epilogue = linear ? BP__EPILOGUE_NONE : BP__EPILOGUE_SLOPE,
                           .activation = op->activation,
                           .c = op->delta_in,
                           .a = op->delta,
                           .b = op->weights,
                           .e = linear ? (bp__view){0} : op->in};
    return bp__launch_gemm(engine, recorder, &gemm);
}

static bp_status launch_bias_gradient(bp__recorder *recorder, const bp__dense_gradient *op)
{
    bp__matrix_args gradient = bp__matrix(&op->bias_gradient), delta = bp__matrix(&op->delta);
    const cl_uint rows = (cl_uint)op->delta.rows;
    const bp__arg args[] = {BP_VECTOR(gradient), BP_MATRIX(delta), BP_ARG(rows)};
    const bp__grid grid = {1, {op->delta.columns, 1, 1}, {0}};
    return bp__record_launch(recorder, "dense.cl", "-DBP_VW=1 -DBP_ACTIVATION=0 -DHAS_BIAS=0",
                             "dense_bias_gradient", args, BP_COUNT(args), &grid);
}

bp_status bp__launch_dense_gradient(bp__device_engine *engine, bp__recorder *recorder,
                                    const bp__dense_gradient *op)
{
    const bp__gemm gemm = {.layout = BP__GEMM_TN,
                           .epilogue = BP__EPILOGUE_NONE,
                           .activation = BP_ACTIVATION_LINEAR,
                           .c = op->weights_gradient,
                           .a = op->delta,
                           .b = op->in};
    BP_TRY(bp__launch_gemm(engine, recorder, &gemm));
    return op->bias_gradient.buffer ? launch_bias_gradient(recorder, op) : BP_OK;
}

bp_status bp__launch_dense_epilogue(bp__recorder *recorder, const bp__gemm *gemm)
{
    if (gemm->epilogue == BP__EPILOGUE_NONE) return BP_OK;
    bool bias = gemm->epilogue == BP__EPILOGUE_BIAS;
    char options[64];
    snprintf(options, sizeof options, "-DBP_VW=1 -DBP_ACTIVATION=%d -DHAS_BIAS=%d",
             gemm->activation, bias);
    bp__matrix_args c = bp__matrix(&gemm->c),
                    e = bp__matrix(bias || gemm->e.buffer ? &gemm->e : &gemm->c);
    const bp__grid grid = {2, {gemm->c.columns, gemm->c.rows, 1}, {0}};
    if (gemm->epilogue == BP__EPILOGUE_SLOPE) {
        const bp__arg args[] = {BP_MATRIX(c), BP_MATRIX(e)};
        return bp__record_launch(recorder, "dense.cl", options, "dense_slope", args, BP_COUNT(args),
                                 &grid);
    }
    const bp__arg args[] = {BP_MATRIX(c), BP_VECTOR(e)};
    return bp__record_launch(recorder, "dense.cl", options, "dense_activate", args, BP_COUNT(args),
                             &grid);
}
