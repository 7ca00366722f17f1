/* predict.c - outputs of a network for rows that come from the caller. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/engine.h"
#include "train/trainer.h"

/* Rows at a time: enough to keep any device busy, few enough that activations stay small. What is
 * left over is done by a plan of the next power of two, so that whatever numbers of rows come,
 * there are few plans; one of a single row would round in another way than the others. */
enum { BATCH = 1024, LEAST = 2, SIZES = 10 };

struct bp_predictor {
    bp__engine *engine;
    bp__network *network;
    size_t inputs, outputs;
    bp__plan *plans[SIZES]; /* for LEAST << i rows, made when they are first needed */
    float *x, *y;           /* [BATCH][inputs] and [BATCH][outputs], of a batch that is not full */
};

void bp_predictor_free(bp_predictor *p)
{
    if (!p) return;
    for (int i = 0; i < SIZES; ++i) bp__plan_free(p->plans[i]);
    bp__network_free(p->network);
    bp__engine_free(p->engine);
    free(p->x);
    free(p->y);
    free(p);
}

bp_status bp_predictor_create(bp_predictor **out, const bp_model *model, bp_device *device)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_predictor_create: out is NULL");
    *out = NULL;
    if (!model || !device)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_predictor_create: model and device are needed");
    bp_predictor *p = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&p, 1, sizeof *p));
    p->inputs = bp_model_get_info(model).inputs;
    p->outputs = bp_model_get_info(model).outputs;
    BP_TRY_GOTO(bp__engine_create(&p->engine, device, BP_GEMM_AUTO));
    BP_TRY_GOTO(bp__network_create(&p->network, p->engine, model, false, BP_OPTIMIZER_SGD));
    BP_TRY_GOTO(bp__network_upload(p->network, model));
    *out = p;
    return BP_OK;
fail:
    bp_predictor_free(p);
    return status;
}

static bp_status plan_for(bp__plan **plan, bp_predictor *p, int size)
{
    if (!p->plans[size]) {
        bp__plan *made = NULL;
        BP_TRY(bp__plan_create(&made, p->network, (size_t)LEAST << size, true, false));
        bp_status status = bp__plan_make_predict(made);
        if (status != BP_OK) {
            bp__plan_free(made);
            return status;
        }
        p->plans[size] = made;
    }
    *plan = p->plans[size];
    return BP_OK;
}

static bp_status run_plan(bp_predictor *p, bp__plan *plan, const float *x, float *y)
{
    bp__view output = bp__plan_output(plan);
    BP_TRY(bp__view_write(p->engine, &plan->input, x));
    BP_TRY(bp__sequence_run(p->engine, plan->predict, 1));
    return bp__view_read(p->engine, &output, y);
}

/* Fewer rows than a batch: the rest of the plan's rows are zeros. */
static bp_status run_part(bp_predictor *p, const float *x, size_t rows, float *y)
{
    int size = 0;
    bp__plan *plan;
    while ((size_t)LEAST << size < rows) ++size;
    const size_t all = (size_t)LEAST << size;
    BP_TRY(plan_for(&plan, p, size));
    if (rows == all) return run_plan(p, plan, x, y);
    if (!p->x) BP_TRY(bp__new_array(&p->x, (size_t)BATCH * p->inputs, sizeof *p->x));
    if (!p->y) BP_TRY(bp__new_array(&p->y, (size_t)BATCH * p->outputs, sizeof *p->y));
    memcpy(p->x, x, rows * p->inputs * sizeof *x);
    memset(p->x + rows * p->inputs, 0, (all - rows) * p->inputs * sizeof *x);
    BP_TRY(run_plan(p, plan, p->x, p->y));
    memcpy(y, p->y, rows * p->outputs * sizeof *y);
    return BP_OK;
}

bp_status bp_predictor_run(bp_predictor *p, const float *x, size_t rows, float *y)
{
    if (!p || !x || !y)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_predictor_run: predictor, x and y are needed");
    bp__plan *full;
    size_t row = 0;
    if (rows >= BATCH) BP_TRY(plan_for(&full, p, SIZES - 1));
    for (; rows - row >= BATCH; row += BATCH)
        BP_TRY(run_plan(p, full, x + row * p->inputs, y + row * p->outputs));
    if (row == rows) return BP_OK;
    return run_part(p, x + row * p->inputs, rows - row, y + row * p->outputs);
}

bp_status bp_predict(const bp_model *model, bp_device *device, const float *x, size_t rows,
                     float *y)
{
    if (!model || !device || !x || !y)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_predict: model, device, x and y are needed");
    if (rows == 0) return BP_OK;
    bp_predictor *predictor;
    BP_TRY(bp_predictor_create(&predictor, model, device));
    bp_status status = bp_predictor_run(predictor, x, rows, y);
    bp_predictor_free(predictor);
    return status;
}
