/* explain.c - bp_explain: one sample, every number of its training step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_explain.h"
#include "base/memory.h"
#include "base/options.h"
#include "explain/xray.h"
#include "reference/reference.h"

struct bp_explain {
    bp__glass *glass;
    bp__xray *xray;
    bp_explain_options options;
    bp__sequence *step, *update; /* the training step; its update alone */
    double *sample;              /* [inputs], then [outputs] */
    /* Of the last look, in the layout of the parameters' arena. */
    double *values, *gradients, *numerical, *after;
    bp_explained seen;
    bool looked;
};

bp_explain_options bp_explain_options_default(void)
{
    return (bp_explain_options){
        .size = sizeof(bp_explain_options), .learning_rate = 0.5, .numerical_work = 1e9};
}

static bp_status read_options(bp_explain_options *out, const bp_explain_options *given)
{
    *out = bp_explain_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_explain_options"));
    if (!(out->learning_rate >= 0) || !isfinite(out->learning_rate))
        return bp__fail(BP_ERROR_ARGUMENT, "learning_rate is %g, a finite number >= 0 is needed",
                        out->learning_rate);
    if (out->freeze_bias != 0 && out->freeze_bias != 1)
        return bp__fail(BP_ERROR_ARGUMENT, "freeze_bias is %d, 0 or 1 is needed",
                        (int)out->freeze_bias);
    if (out->reserved != 0) return bp__fail(BP_ERROR_ARGUMENT, "reserved must be 0");
    if (!(out->numerical_work >= 0))
        return bp__fail(BP_ERROR_ARGUMENT, "numerical_work is %g, a number >= 0 is needed",
                        out->numerical_work);
    return BP_OK;
}

/* The update's operations, which come last, as a sequence of their own. */
static bp_status make_sequences(bp_explain *explain)
{
    bp__glass *glass = explain->glass;
    size_t updates = 0;
    while (updates < glass->op_count &&
           glass->ops[glass->op_count - updates - 1].kind == BP__OP_OPTIMIZER)
        ++updates;
    BP_TRY(bp__sequence_create(glass->engine, &explain->step, glass->ops, glass->op_count));
    return bp__sequence_create(glass->engine, &explain->update,
                               glass->ops + glass->op_count - updates, updates);
}

bp_status bp_explain_create(bp_explain **out, const bp_model *model,
                            const bp_explain_options *given)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_create: out is NULL");
    *out = NULL;
    if (!model) return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_create: model is NULL");
    const bp_model_info shape = bp_model_get_info(model);
    bp_explain *explain = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&explain, 1, sizeof *explain));
    BP_TRY_GOTO(read_options(&explain->options, given));
    const bp__glass_how how = {.freeze_bias = explain->options.freeze_bias == 1,
                               .known_moments = true};
    BP_TRY_GOTO(bp__glass_create(&explain->glass, model, 1, false, &how));
    BP_TRY_GOTO(bp__xray_create(&explain->xray, explain->glass));
    BP_TRY_GOTO(make_sequences(explain));
    const size_t arena = explain->glass->network->arena_size;
    double **const arenas[] = {&explain->values, &explain->gradients, &explain->numerical,
                               &explain->after};
    for (size_t i = 0; i < sizeof arenas / sizeof *arenas; ++i)
        BP_TRY_GOTO(bp__new_array(arenas[i], arena, sizeof(double)));
    BP_TRY_GOTO(bp__new_array(&explain->sample, shape.inputs + shape.outputs, sizeof(double)));
    /* The rate as it was given: transfers would round it to a float. */
    bp__reference_numbers(explain->glass->pass->hyper)[BP__HYPER_RATE] =
        explain->options.learning_rate;
    explain->seen = (bp_explained){.layers = shape.layers,
                                   .inputs = shape.inputs,
                                   .outputs = shape.outputs,
                                   .loss = shape.loss,
                                   .loss_parameter = (double)shape.loss_parameter,
                                   .input = explain->sample,
                                   .target = explain->sample + shape.inputs,
                                   .parameters = shape.parameters};
    *out = explain;
    return BP_OK;
fail:
    bp_explain_free(explain);
    return status;
}

void bp_explain_free(bp_explain *explain)
{
    if (!explain) return;
    bp__xray_free(explain->xray);
    if (explain->glass) {
        bp__sequence_free(explain->glass->engine, explain->step);
        bp__sequence_free(explain->glass->engine, explain->update);
    }
    bp__glass_free(explain->glass);
    free(explain->sample);
    free(explain->values);
    free(explain->gradients);
    free(explain->numerical);
    free(explain->after);
    free(explain);
}

static bp_status check_finite(const char *what, const double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i)
        if (!isfinite(values[i]))
            return bp__fail(BP_ERROR_DATA, "%s %zu is %g, a finite number is needed", what, i + 1,
                            values[i]);
    return BP_OK;
}

bp_status bp_explain_sample(bp_explain *explain, const double *x, const double *target)
{
    if (!explain || !x || !target)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_sample: x and target are needed");
    const size_t inputs = explain->seen.inputs, outputs = explain->seen.outputs;
    BP_TRY(check_finite("input", x, inputs));
    BP_TRY(check_finite("target", target, outputs));
    const bp__plan *plan = explain->glass->plan;
    memcpy(bp__glass_numbers(&plan->input), x, inputs * sizeof *x);
    memcpy(bp__glass_numbers(&plan->targets), target, outputs * sizeof *target);
    return BP_OK;
}

static double *part_of(bp_explain *explain, size_t layer, bp__part part)
{
    if (!explain || layer >= explain->seen.layers) return NULL;
    return bp__glass_numbers(bp__layer_part(&explain->glass->network->values[layer], part));
}

double *bp_explain_weights(bp_explain *explain, size_t layer)
{
    return part_of(explain, layer, BP__PART_WEIGHTS);
}

double *bp_explain_biases(bp_explain *explain, size_t layer)
{
    return part_of(explain, layer, BP__PART_BIASES);
}

double *bp_explain_gains(bp_explain *explain, size_t layer)
{
    return part_of(explain, layer, BP__PART_GAINS);
}

double *bp_explain_shifts(bp_explain *explain, size_t layer)
{
    return part_of(explain, layer, BP__PART_SHIFTS);
}

/* ---- Central differences ----------------------------------------------------------------------
 */

static bp_status differentiate_one(void *user, bp__probe *probe, size_t layer, size_t at, double *w)
{
    (void)layer;
    bp_explain *explain = user;
    bp__difference difference;
    BP_TRY(bp__probe_run(probe, &difference, w, bp__probe_width(*w)));
    explain->numerical[at] = difference.central;
    ++explain->seen.numerical;
    return BP_OK;
}

static bp_status differentiate(bp_explain *explain)
{
    for (size_t i = 0; i < explain->glass->network->arena_size; ++i) explain->numerical[i] = NAN;
    explain->seen.numerical = 0;
    return bp__glass_probe(explain->glass, explain->options.numerical_work, differentiate_one,
                           explain);
}

/* ---- Looking -----------------------------------------------------------------------------------
 */

bp_status bp_explain_look(bp_explain *explain)
{
    if (!explain) return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_look: explain is NULL");
    bp__glass *glass = explain->glass;
    const size_t bytes = glass->network->arena_size * sizeof(double);
    double *parameters = bp__reference_numbers(glass->network->parameters);
    memcpy(explain->sample, bp__glass_numbers(&glass->plan->input),
           explain->seen.inputs * sizeof(double));
    memcpy(explain->sample + explain->seen.inputs, bp__glass_numbers(&glass->plan->targets),
           explain->seen.outputs * sizeof(double));
    memcpy(explain->values, parameters, bytes);
    BP_TRY(differentiate(explain));
    BP_TRY(bp__xray_run(explain->xray));
    explain->seen.error = bp__glass_last_error(glass);
    memcpy(explain->gradients, bp__reference_numbers(glass->network->gradients), bytes);

    /* The update reads the row of learning rates of the step that the counter has passed. */
    bp_status status = bp__sequence_run(glass->engine, explain->update, 1);
    memcpy(explain->after, parameters, bytes);
    if (status == BP_OK) status = bp__glass_error(glass, &explain->seen.error_after);
    memcpy(parameters, explain->values, bytes);
    explain->seen.from_net = explain->xray->from_net;
    explain->looked = status == BP_OK;
    return status;
}

bp_explained bp_explain_get(const bp_explain *explain)
{
    if (!explain || !explain->looked) return (bp_explained){0};
    bp_explained seen = explain->seen;
    seen.output = bp__glass_numbers(&explain->xray->layers[seen.layers - 1].activation);
    return seen;
}

/* Value, gradient, central difference and new value of one part of a layer. */
static void show_part(const bp_explain *explain, size_t layer, bp__part part,
                      const double **const to[4])
{
    const bp__view *view = bp__layer_part(&explain->glass->network->values[layer], part);
    const double *const arenas[] = {explain->values, explain->gradients, explain->numerical,
                                    explain->after};
    for (size_t i = 0; view->buffer && i < 4; ++i) *to[i] = arenas[i] + view->offset;
}

static void show_norm(bp_explained_layer *seen, const bp_explain *explain, size_t layer)
{
    const bp__xray_layer *x = &explain->xray->layers[layer];
    seen->mean = bp__glass_numbers(&x->mean);
    seen->variance = bp__glass_numbers(&x->variance);
    seen->normalised = bp__glass_numbers(&x->normalised);
    seen->shifted = bp__glass_numbers(&x->shifted);
    seen->shifted_delta = bp__glass_numbers(&x->shifted_delta);
    seen->own = bp__glass_numbers(&x->own);
    seen->through_mean = bp__glass_numbers(&x->through_mean);
    seen->through_variance = bp__glass_numbers(&x->through_variance);
}

bp_explained_layer bp_explain_layer(const bp_explain *explain, size_t layer)
{
    if (!explain || !explain->looked || layer >= explain->seen.layers)
        return (bp_explained_layer){0};
    const bp__network *network = explain->glass->network;
    const bp_layer *about = &network->layers[layer];
    const bp__xray_layer *x = &explain->xray->layers[layer];
    bp_explained_layer seen = {
        .inputs = about->inputs,
        .outputs = about->outputs,
        .activation_code = about->activation,
        .bias = about->bias,
        .frozen = about->bias && explain->options.freeze_bias,
        .norm = about->norm,
        .residual = about->residual,
        .input =
            layer ? bp__glass_numbers(&explain->xray->layers[layer - 1].output) : explain->sample,
        .net = bp__glass_numbers(&x->net),
        .activation = bp__glass_numbers(&x->activation),
        .output = bp__glass_numbers(&x->output),
        .slope = bp__glass_numbers(&x->slope),
        .effect = bp__glass_numbers(&x->effect),
        .coupled = bp__glass_numbers(&x->coupled),
        .delta = bp__glass_numbers(&x->delta),
    };
    if (layer + 1 < explain->seen.layers && network->layers[layer + 1].residual)
        seen.past = bp__glass_numbers(&explain->xray->layers[layer + 1].effect);
    if (about->norm != BP_NORM_NONE) show_norm(&seen, explain, layer);
    const struct {
        bp__part part;
        const double **to[4];
    } parts[] = {
        {BP__PART_WEIGHTS,
         {&seen.weights, &seen.weight_gradients, &seen.weight_numerical, &seen.weights_after}},
        {BP__PART_BIASES,
         {&seen.biases, &seen.bias_gradients, &seen.bias_numerical, &seen.biases_after}},
        {BP__PART_GAINS,
         {&seen.gains, &seen.gain_gradients, &seen.gain_numerical, &seen.gains_after}},
        {BP__PART_SHIFTS,
         {&seen.shifts, &seen.shift_gradients, &seen.shift_numerical, &seen.shifts_after}}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i)
        show_part(explain, layer, parts[i].part, parts[i].to);
    return seen;
}

/* ---- Stepping ----------------------------------------------------------------------------------
 */

bp_status bp_explain_error(bp_explain *explain, double *error)
{
    if (!explain || !error)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_error: explain and error are needed");
    return bp__glass_error(explain->glass, error);
}

bp_status bp_explain_steps(bp_explain *explain, size_t count, double *errors)
{
    if (!explain) return bp__fail(BP_ERROR_ARGUMENT, "bp_explain_steps: explain is NULL");
    for (size_t s = 0; s < count; ++s) {
        BP_TRY(bp__glass_run(explain->glass, explain->step));
        const double error = bp__glass_last_error(explain->glass);
        if (errors) errors[s] = error;
        if (!isfinite(error))
            return bp__fail(BP_ERROR_DIVERGED,
                            "the error is %g before step %zu; try a learning rate below %g", error,
                            s + 1, explain->options.learning_rate);
    }
    return BP_OK;
}
