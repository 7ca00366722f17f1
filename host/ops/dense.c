/* dense.c - launches a dense layer's three products: forward, effect of the layer before, gradient.
 * Formulas in operation.h; kernels in gemm*.cl and dense.cl. */
#include <stdio.h>
#include <string.h>

#include "base/families.h"
#include "ops/dense_epilogue.h"
#include "ops/gemm.h"

/* A kernel of dense.cl over all elements of gemm's c, with arguments for c, e, more[count], and
 * dropout. */
static bp_status launch_epilogue(bp__recorder *recorder, const char *kernel, const bp__gemm *gemm,
                                 const bp__view *e, const bp__view *const *more, size_t count)
{
    const bool bias = gemm->epilogue == BP__EPILOGUE_BIAS,
               slope = gemm->epilogue == BP__EPILOGUE_SLOPE,
               skip = count && more[count - 1]->buffer;
    enum { MOST = 2 };
    char options[128];
    snprintf(options, sizeof options,
             "-DBP_VW=1 -DBP_ACTIVATION=%d -DHAS_BIAS=%d -DHAS_SKIP=%d -DBP_DROPOUT=%d",
             (int)gemm->activation, bias, skip, bp__dropout_option(&gemm->dropout, slope));
    bp__matrix_args c = bp__matrix(&gemm->c), other = bp__matrix(e), rest[MOST];
    bp__arg args[6 + 3 * MOST + BP__DROPOUT_ARGUMENTS] = {BP_MATRIX(c), BP_MATRIX(other)};
    size_t used = strcmp(kernel, "dense_activate") == 0 ? 5 : 6; /* a bias has no stride */
    for (size_t i = 0; i < count; ++i) {
        if (!more[i]->buffer) continue;
        rest[i] = bp__matrix(more[i]);
        const bp__arg matrix[] = {BP_MATRIX(rest[i])};
        memcpy(args + used, matrix, sizeof matrix);
        used += BP_COUNT(matrix);
    }
    bp__dropout_numbers numbers;
    used += bp__dropout_arguments(args + used, &numbers, &gemm->dropout, slope);
    const bp__grid grid = {2, {gemm->c.columns, gemm->c.rows, 1}, {0}};
    return bp__record_launch(recorder, "dense.cl", options, kernel, args, used, &grid);
}

/* Where a layer keeps what its slope is taken from, the product goes there: net inputs, whose
 * function is taken afterwards, or outputs, to which what goes past the layer is added afterwards.
 */
bp_status bp__launch_dense_forward(bp__device_engine *engine, bp__recorder *recorder,
                                   const bp__dense_forward *op)
{
    const bool keeps = op->net.buffer != NULL;
    const bool of_net = keeps && bp__activation(op->activation)->of_net;
    bp__gemm gemm = {.layout = BP__GEMM_NT,
                     .epilogue = BP__EPILOGUE_ACTIVATION,
                     .activation = op->activation,
                     .dropout = op->dropout,
                     .c = op->out,
                     .a = op->in,
                     .b = op->weights,
                     .e = op->bias};
    bp__gemm after = gemm;
    bp__gemm *const without = of_net ? &gemm : &after;
    without->activation = BP_ACTIVATION_LINEAR;
    without->dropout.rate = 0;
    if (keeps) gemm.c = op->net;
    if (op->bias.buffer)
        gemm.epilogue = BP__EPILOGUE_BIAS;
    else if (gemm.activation == BP_ACTIVATION_LINEAR && !(gemm.dropout.rate > 0))
        gemm.epilogue = BP__EPILOGUE_NONE;
    BP_TRY(bp__launch_gemm(engine, recorder, &gemm));
    const bp__view *const skip = &op->skip;
    return keeps || skip->buffer
               ? launch_epilogue(recorder, "dense_apply", &after, &gemm.c, &skip, 1)
               : BP_OK;
}

bp_status bp__launch_dense_effect(bp__device_engine *engine, bp__recorder *recorder,
                                  const bp__dense_effect *op)
{
    const bool none = op->activation == BP_ACTIVATION_LINEAR && !(op->dropout > 0);
    const bool joins = op->skip.buffer || op->effect.buffer;
    bp__gemm gemm = {.layout = BP__GEMM_NN,
                     .epilogue = none ? BP__EPILOGUE_NONE : BP__EPILOGUE_SLOPE,
                     .activation = op->activation,
                     .dropout = {.rate = op->dropout},
                     .c = op->delta_in,
                     .a = op->delta,
                     .b = op->weights,
                     .e = none ? (bp__view){0} : op->in};
    if (!joins) return bp__launch_gemm(engine, recorder, &gemm);
    const bp__gemm after = gemm;
    gemm.epilogue = BP__EPILOGUE_NONE;
    gemm.dropout.rate = 0;
    if (op->effect.buffer) gemm.c = op->effect;
    BP_TRY(bp__launch_gemm(engine, recorder, &gemm));
    const bp__view *const more[] = {&gemm.c, &op->skip};
    return launch_epilogue(recorder, "dense_join", &after, none ? &op->delta_in : &op->in, more, 2);
}

static bp_status launch_bias_gradient(bp__recorder *recorder, const bp__dense_gradient *op)
{
    bp__matrix_args gradient = bp__matrix(&op->bias_gradient), delta = bp__matrix(&op->delta);
    const cl_uint rows = (cl_uint)op->delta.rows;
    const bp__arg args[] = {BP_VECTOR(gradient), BP_MATRIX(delta), BP_ARG(rows)};
    const bp__grid grid = {1, {op->delta.columns, 1, 1}, {0}};
    return bp__record_launch(recorder, "dense.cl",
                             "-DBP_VW=1 -DBP_ACTIVATION=0 -DHAS_BIAS=0 -DHAS_SKIP=0",
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
    const bool slope = gemm->epilogue == BP__EPILOGUE_SLOPE;
    return launch_epilogue(recorder, slope ? "dense_slope" : "dense_activate", gemm,
                           gemm->e.buffer ? &gemm->e : &gemm->c, NULL, 0);
}
