/* survey.c - bp_survey_data: what happens in a network over many samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "explain/histogram.h"
#include "explain/survey.h"
#include "reference/reference.h"

/* Rows of one batch: large enough to be fast, small enough for a cache. */
enum { BATCH = 64 };

double bp__steepest(int32_t activation)
{
    /* A softmax output's slope is a (1 - a). */
    if (activation == BP_ACTIVATION_SOFTMAX) return 0.25;
    double steepest = 0;
    for (int i = -32; i <= 32; ++i) {
        const double z = i / 8.0, a = bp__reference_activate(activation, z);
        const double slope =
            bp__reference_slope(activation, bp__activation(activation)->of_net ? z : a);
        steepest = fmax(steepest, fabs(slope));
    }
    return steepest;
}

/* How often each unit was flat and nearly flat, over all layers. */
typedef struct unit_counts {
    size_t flat, low;
} unit_counts;

typedef struct surveyor {
    bp_survey *out;
    bp__glass *glass;
    bp__xray *xray;
    unit_counts **units; /* [layer][unit] */
} surveyor;

static double square_sum(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += values[i] * values[i];
    return sum;
}

/* The gradient of one sample's weights is an outer product: its norm is that of the delta times
 * that of the input, to which the biases add a 1. The batch's mean has put 1/rows into the delta.
 */
static void add_sample(surveyor *s, size_t l, size_t row)
{
    const bp__plan *plan = s->glass->plan;
    const bp_layer *about = &s->glass->network->layers[l];
    const bp__xray_layer *x = &s->xray->layers[l];
    bp_survey_layer *layer = &s->out->layers[l];
    const double *in =
        l ? bp__glass_numbers(&s->xray->layers[l - 1].output) : bp__glass_numbers(&plan->input);
    const double *a = bp__glass_numbers(&x->output) + row * about->outputs;
    const double *delta = bp__glass_numbers(&x->delta) + row * about->outputs;
    const double *slope = bp__glass_numbers(&x->slope) + row * about->outputs;
    const double scale = (double)plan->rows, low = 0.01 * bp__steepest(about->activation);
    for (size_t k = 0; k < about->outputs; ++k) {
        bp__histogram_add(&layer->activations, a[k]);
        bp__histogram_add(&layer->deltas, delta[k] * scale);
        s->units[l][k].flat += slope[k] == 0;
        s->units[l][k].low += fabs(slope[k]) < low;
    }
    const double norm =
        scale * sqrt(square_sum(delta, about->outputs) *
                     (square_sum(in + row * about->inputs, about->inputs) + about->bias));
    if (norm == 0)
        ++layer->gradient_norms.zeros;
    else
        bp__histogram_add(&layer->gradient_norms, log10(norm));
}

static bp_status survey_batch(surveyor *s, const bp_data *data, size_t first)
{
    const bp_data_info info = bp_data_get_info(data);
    const bp__plan *plan = s->glass->plan;
    const float *targets = bp_data_targets(data);
    const int32_t *labels = bp_data_labels(data);
    bp__glass_load(s->glass,
                   &(bp__batch){.x = bp_data_features(data) + first * info.features,
                                .targets = targets ? targets + first * info.outputs : NULL,
                                .labels = labels ? labels + first : NULL});
    BP_TRY(bp__xray_run(s->xray));
    memcpy(s->out->errors + first, bp__glass_numbers(&plan->row_loss),
           plan->rows * sizeof *s->out->errors);
    for (size_t l = 0; l < s->out->layer_count; ++l)
        for (size_t row = 0; row < plan->rows; ++row) add_sample(s, l, row);
    return BP_OK;
}

/* Batches of `rows` rows from `first` on; *first becomes the row after them. */
static bp_status survey_rows(surveyor *s, const bp_model *model, const bp_data *data, size_t rows,
                             size_t *first)
{
    bp_status status;
    const bool labels = bp_data_labels(data) != NULL;
    BP_TRY_GOTO(bp__glass_create(&s->glass, model, rows, labels,
                                 &(bp__glass_how){.known_moments = true}));
    BP_TRY_GOTO(bp__xray_create(&s->xray, s->glass));
    for (; *first + rows <= s->out->rows; *first += rows)
        BP_TRY_GOTO(survey_batch(s, data, *first));
fail:
    bp__xray_free(s->xray);
    bp__glass_free(s->glass);
    s->xray = NULL;
    s->glass = NULL;
    return status;
}

static bp_status make_room(surveyor *s, const bp_model *model, size_t rows)
{
    bp_survey *out = s->out;
    out->rows = rows;
    BP_TRY(bp__new_array(&out->errors, rows, sizeof *out->errors));
    out->layer_count = bp_model_get_info(model).layers;
    BP_TRY(bp__new_array(&out->layers, out->layer_count, sizeof *out->layers));
    BP_TRY(bp__new_array(&s->units, out->layer_count, sizeof *s->units));
    for (size_t l = 0; l < out->layer_count; ++l) {
        out->layers[l].units = bp_model_get_layer(model, l).outputs;
        BP_TRY(bp__new_array(&s->units[l], out->layers[l].units, sizeof **s->units));
    }
    return BP_OK;
}

static void finish(surveyor *s, const bp_model *model)
{
    /* The accessors hand out pointers for writing; here they are only read. */
    bp_model *source = (bp_model *)(uintptr_t)model;
    bp_survey *out = s->out;
    for (size_t i = 0; i < out->rows; ++i) out->error += out->errors[i] / (double)out->rows;
    for (size_t l = 0; l < out->layer_count; ++l) {
        bp_survey_layer *layer = &out->layers[l];
        const bp_layer about = bp_model_get_layer(model, l);
        const float *weights = bp_model_weights(source, l), *biases = bp_model_biases(source, l);
        for (size_t i = 0; i < about.inputs * about.outputs; ++i)
            bp__histogram_add(&layer->weights, (double)weights[i]);
        for (size_t k = 0; biases && k < about.outputs; ++k)
            bp__histogram_add(&layer->weights, (double)biases[k]);
        bp_histogram *const all[] = {&layer->weights, &layer->activations, &layer->deltas,
                                     &layer->gradient_norms};
        for (size_t i = 0; i < sizeof all / sizeof *all; ++i) bp__histogram_finish(all[i]);
        for (size_t k = 0; k < layer->units; ++k) {
            const unit_counts *unit = &s->units[l][k];
            /* A relu that is off for most samples is flat, but not worn out: it is nearly flat
             * nowhere. */
            if (unit->flat == out->rows)
                ++layer->dead;
            else if (unit->low > unit->flat && 10 * unit->low >= 9 * out->rows)
                ++layer->saturated;
        }
    }
}

bp_status bp_survey_data(bp_survey *out, const bp_model *model, const bp_data *data, size_t rows)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_survey_data: out is NULL");
    *out = (bp_survey){0};
    if (!model || !data || rows == 0)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_survey_data: model, data and rows are needed");
    const bp_model_info shape = bp_model_get_info(model);
    BP_TRY(bp__check_fit(shape.inputs, shape.outputs, data));
    if (bp_data_get_info(data).streamed)
        return bp__fail(BP_ERROR_UNSUPPORTED, "bp_survey_data: the data is streamed, its rows are "
                                              "not in memory; load a part of it");
    const size_t there = bp_data_get_info(data).rows;
    surveyor s = {.out = out};
    size_t first = 0;
    bp_status status;
    BP_TRY_GOTO(make_room(&s, model, rows < there ? rows : there));
    if (out->rows >= BATCH) BP_TRY_GOTO(survey_rows(&s, model, data, BATCH, &first));
    if (first < out->rows) BP_TRY_GOTO(survey_rows(&s, model, data, out->rows - first, &first));
    finish(&s, model);
fail:
    for (size_t l = 0; s.units && l < out->layer_count; ++l) free(s.units[l]);
    free(s.units);
    if (status != BP_OK) bp_survey_free(out);
    return status;
}

void bp_survey_free(bp_survey *survey)
{
    if (!survey) return;
    free(survey->errors);
    free(survey->layers);
    *survey = (bp_survey){0};
}
