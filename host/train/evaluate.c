/* evaluate.c - loss, accuracy and outputs of a network over a data set. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/families.h"
#include "base/memory.h"
#include "ops/engine.h"
#include "profile/profile.h"
#include "train/feed.h"
#include "train/report.h"

/* Rows at a time: enough to keep any device busy, few enough that activations stay small. */
enum { EVALUATION_BATCH = 1024, STREAM_ROWS = 4 * EVALUATION_BATCH };

struct bp__evaluator {
    bp__network *network;
    const bp_data *data;
    bp__pass *pass; /* of resident data */
    bp__feed *feed; /* of data that is streamed */
    bp__order order;
    bp__plan *full[BP__FEED_SLOTS], *last[BP__FEED_SLOTS]; /* resident data has the first of each */
    bool labels;
    float *sums;            /* [2][steps of a pass]: losses, hits */
    size_t rows, last_rows; /* last_rows: of the last batch */
};

/* All plans work in the memory of the first: no two of them run at once. */
static bp_status make_plans(bp__evaluator *e, size_t slot, const bp__pass *pass)
{
    BP_TRY(slot == 0 ? bp__plan_create(&e->full[0], e->network, pass->batch, e->labels, false)
                     : bp__plan_create_part(&e->full[slot], e->full[0], pass->batch));
    BP_TRY(bp__plan_make_evaluate(e->full[slot], &pass->views));
    if (e->last_rows == pass->batch) return BP_OK;
    BP_TRY(bp__plan_create_part(&e->last[slot], e->full[0], e->last_rows));
    return bp__plan_make_evaluate(e->last[slot], &pass->views);
}

/* The data on the engine, or on its way there. */
static bp_status bring_data(bp__evaluator *e, bool stream)
{
    bp__engine *engine = e->network->engine;
    const bp_data_info info = bp_data_get_info(e->data);
    const size_t batch = info.rows < EVALUATION_BATCH ? info.rows : EVALUATION_BATCH;
    e->rows = info.rows;
    e->last_rows = info.rows - (info.rows - 1) / batch * batch;
    if (!stream) {
        BP_TRY(bp__pass_create(&e->pass, engine, e->data, EVALUATION_BATCH, false));
        return make_plans(e, 0, e->pass);
    }
    e->order = bp__order_create(BP_SHUFFLE_NONE, 0, info.rows, info.features + info.outputs, batch,
                                STREAM_ROWS);
    BP_TRY(bp__feed_create(&e->feed, engine, e->data, &e->order, EVALUATION_BATCH, false));
    for (size_t i = 0; i < BP__FEED_SLOTS; ++i) BP_TRY(make_plans(e, i, bp__feed_pass(e->feed, i)));
    return BP_OK;
}

bp_status bp__evaluator_create(bp__evaluator **out, bp__network *network, const bp_data *data)
{
    *out = NULL;
    bp__evaluator *evaluator = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&evaluator, 1, sizeof *evaluator));
    evaluator->network = network;
    evaluator->data = data;
    evaluator->labels = bp__has_labels(data);
    BP_TRY_GOTO(bp__engine_phase(network->engine, BP_PHASE_SETUP));
    BP_TRY_GOTO(bring_data(evaluator, bp__must_stream(network->engine, data)));
    const bp__pass *pass = evaluator->feed ? bp__feed_pass(evaluator->feed, 0) : evaluator->pass;
    BP_TRY_GOTO(bp__new_array(&evaluator->sums, 2 * pass->steps, sizeof *evaluator->sums));
    BP_TRY_GOTO(bp__engine_phase(network->engine, BP_PHASE_OTHER));
    *out = evaluator;
    return BP_OK;
fail:
    bp__evaluator_free(evaluator);
    return status;
}

void bp__evaluator_free(bp__evaluator *evaluator)
{
    if (!evaluator) return;
    if (evaluator->feed) bp__feed_stop(evaluator->feed);
    for (size_t i = BP__FEED_SLOTS; i-- > 0;) { /* the first has the memory */
        bp__plan_free(evaluator->last[i]);
        bp__plan_free(evaluator->full[i]);
    }
    bp__pass_free(evaluator->pass);
    bp__feed_free(evaluator->feed);
    free(evaluator->sums);
    free(evaluator);
}

/* What a run adds up, and who wants the outputs of the rows from `first` on. */
typedef struct sums {
    double loss, hits;
    bp__outputs_fn receive;
    void *user;
    float *outputs; /* [rows of a pass][outputs], where receive wants them */
} sums;

/* The outputs of the batch that a plan has measured. Where the loss takes net inputs these are what
 * the last layer has left, which is what is wanted of a softmax's classes; else the rows are still
 * there, so that the forward part can follow. */
static bp_status read_outputs(bp__evaluator *e, bp__plan *plan, float *outputs)
{
    const bp__network *network = e->network;
    const bp__view output = bp__plan_output(plan);
    const int32_t activation = network->layers[network->layer_count - 1].activation;
    const bool shares = e->labels && activation == BP_ACTIVATION_SOFTMAX;
    if (bp__loss_takes_nets(network->loss, activation) && !shares) {
        if (!plan->predict) BP_TRY(bp__plan_make_predict(plan));
        BP_TRY(bp__sequence_run(network->engine, plan->predict, 1));
    }
    return bp__view_read(network->engine, &output, outputs);
}

/* The steps of a pass whose rows, `rows` of them, are in place. */
static bp_status run_pass(bp__evaluator *e, sums *to, size_t slot, const bp__pass *pass,
                          size_t first, size_t rows)
{
    bp__engine *engine = e->network->engine;
    const size_t steps = (rows + pass->batch - 1) / pass->batch;
    for (size_t s = 0; s < steps; ++s) {
        const bool smaller = s + 1 == steps && rows % pass->batch != 0;
        bp__plan *plan = smaller ? e->last[slot] : e->full[slot];
        BP_TRY(bp__sequence_run(engine, plan->evaluate, 1));
        if (!to->receive) continue;
        const size_t outputs = bp__plan_output(plan).columns;
        BP_TRY(read_outputs(e, plan, to->outputs + s * pass->batch * outputs));
    }
    bp__view view = pass->views.losses;
    view.rows = 2;
    BP_TRY(bp__view_read(engine, &view, e->sums));
    for (size_t s = 0; s < steps; ++s) {
        to->loss += (double)e->sums[s];
        to->hits += (double)e->sums[pass->steps + s];
    }
    return to->receive ? to->receive(first, rows, to->outputs, to->user) : BP_OK;
}

static bp_status run_windows(bp__evaluator *e, sums *to)
{
    BP_TRY(bp__feed_begin(e->feed, 0, 0, 1));
    for (size_t first = 0; first < e->rows;) {
        bp__window window;
        BP_TRY(bp__feed_next(e->feed, &window));
        BP_TRY(bp__feed_send(e->feed));
        BP_TRY(run_pass(e, to, window.slot, window.pass, first, window.rows));
        BP_TRY(bp__feed_return(e->feed));
        first += window.rows;
    }
    return BP_OK;
}

static bp_status run_data(bp__evaluator *e, sums *to)
{
    if (e->feed) return run_windows(e, to);
    BP_TRY(bp__pass_seek(e->pass, 0));
    return run_pass(e, to, 0, e->pass, 0, e->rows);
}

bp_status bp__evaluator_run(bp__evaluator *evaluator, double *loss, double *accuracy,
                            bp__outputs_fn receive, void *user)
{
    bp__engine *engine = evaluator->network->engine;
    const bp__network *network = evaluator->network;
    sums to = {.receive = receive, .user = user};
    if (receive) {
        const bp__pass *pass =
            evaluator->feed ? bp__feed_pass(evaluator->feed, 0) : evaluator->pass;
        BP_TRY(bp__new_array(&to.outputs,
                             pass->rows * network->layers[network->layer_count - 1].outputs,
                             sizeof *to.outputs));
    }
    bp_status status = bp__engine_phase(engine, BP_PHASE_VALIDATION);
    if (status == BP_OK) status = run_data(evaluator, &to);
    if (status == BP_OK) status = bp__engine_phase(engine, BP_PHASE_OTHER);
    free(to.outputs);
    BP_TRY(status);
    *loss = to.loss / (double)evaluator->rows;
    *accuracy = evaluator->labels ? to.hits / (double)evaluator->rows : (double)NAN;
    return BP_OK;
}

/* ---- Of models --------------------------------------------------------------------------------
 */

/* Evaluates; reporter (may be NULL) has a report of the outputs. */
static bp_status measure(bp_metrics *out, bp__reporter *reporter, const bp_model *model,
                         bp_device *device, const bp_data *data)
{
    const double start = bp__seconds();
    bp__engine *engine = NULL;
    bp__network *network = NULL;
    bp__evaluator *evaluator = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__engine_create(&engine, device, BP_GEMM_AUTO));
    BP_TRY_GOTO(bp__network_create(&network, engine, model, false, BP_OPTIMIZER_SGD));
    BP_TRY_GOTO(bp__network_upload(network, model));
    BP_TRY_GOTO(bp__evaluator_create(&evaluator, network, data));
    if (reporter) bp__reporter_begin(reporter);
    BP_TRY_GOTO(bp__evaluator_run(evaluator, &out->loss, &out->accuracy,
                                  reporter ? bp__reporter_receive : NULL, reporter));
    out->samples = bp_data_get_info(data).rows;
    out->seconds = bp__seconds() - start;
fail:
    bp__evaluator_free(evaluator);
    bp__network_free(network);
    bp__engine_free(engine);
    return status;
}

/* areas: those under ROC curves are wanted. */
static bp_status report_on(bp_report **out, const bp_model *model, bp_device *device,
                           const bp_data *data, const bp_report_options *options, bool areas)
{
    const bp_model_info shape = bp_model_get_info(model);
    bp_metrics metrics = {0};
    bp_report_options read;
    bp__reporter *reporter;
    BP_TRY(bp__read_report_options(&read, options));
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    BP_TRY(bp__reporter_create(&reporter, data, model, &read, areas));
    bp_status status = measure(&metrics, reporter, model, device, data);
    if (status == BP_OK) status = bp__reporter_end(out, reporter);
    bp__reporter_free(reporter);
    if (status != BP_OK) return status;
    (*out)->overall.loss = metrics.loss;
    (*out)->overall.seconds = metrics.seconds;
    return BP_OK;
}

bp_status bp_report_evaluate(bp_report **out, const bp_model *model, bp_device *device,
                             const bp_data *data, const bp_report_options *options)
{
    if (out) *out = NULL;
    if (!out || !model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_report_evaluate: out, model, device and data are needed");
    return report_on(out, model, device, data, options, true);
}

bp_status bp_evaluate(bp_metrics *out, const bp_model *model, bp_device *device,
                      const bp_data *data)
{
    if (!out || !model || !device || !data)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_evaluate: out, model, device and data are needed");
    *out = (bp_metrics){.loss = NAN, .accuracy = NAN, .rmse = NAN, .mae = NAN, .r2 = NAN};
    if (bp__has_labels(data)) {
        const bp_model_info shape = bp_model_get_info(model);
        BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
        return measure(out, NULL, model, device, data);
    }
    bp_report *report;
    BP_TRY(report_on(&report, model, device, data, NULL, false));
    *out = report->overall;
    bp_report_free(report);
    return BP_OK;
}
