/* explain_json.c - the numbers of `backprop explain` as JSON. */
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "output.h"

static size_t picked(const explain_pick *pick, size_t place, size_t i)
{
    return pick ? pick->units[place][i] : i;
}

static size_t pick_count(const explain_view *view, const explain_pick *pick, size_t place)
{
    return pick ? pick->counts[place] : explain_units(view, place);
}

/* values of the units of a place. */
static json_t *numbers_json(const explain_view *view, const explain_pick *pick, size_t place,
                            const double *values)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pick_count(view, pick, place); ++i)
        json_array_append_new(list, cli_json_number(values[picked(pick, place, i)]));
    return list;
}

static json_t *layer_json(const explain_view *view, const explain_pick *pick, size_t l)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    const struct {
        const char *key;
        const double *values;
    } table[] = {
        {"net", layer.net},
        {"activation", layer.activation},
        {"slope", layer.slope},
        {"effect", layer.effect},
        {"coupled", layer.coupled},
        {"delta", layer.delta},
        {"output", layer.output},
        {"past", layer.past},
        {"mean", layer.mean},
        {"variance", layer.variance},
        {"normalised", layer.normalised},
        {"y", layer.shifted},
        {"dE_dy", layer.shifted_delta},
        {"own", layer.own},
        {"through_mean", layer.through_mean},
        {"through_variance", layer.through_variance},
    };
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        json_object_set_new(json, table[i].key,
                            table[i].values ? numbers_json(view, pick, l + 1, table[i].values)
                                            : json_null());
    return json;
}

/* The factors that a weight and a bias of unit `to` share. */
static json_t *parameter_json(const bp_explained_layer *layer, size_t l, size_t to)
{
    json_t *json = json_object();
    json_object_set_new(json, "layer", cli_json_count(l));
    json_object_set_new(json, "to", cli_json_count(to));
    json_object_set_new(json, "dE_da", cli_json_number(layer->effect[to]));
    json_object_set_new(json, "da_dnet", cli_json_number(layer->slope[to]));
    json_object_set_new(json, "dE_dnet", cli_json_number(layer->delta[to]));
    return json;
}

static json_t *weight_json(const bp_explained_layer *layer, size_t l, size_t to, size_t from)
{
    const size_t at = to * layer->inputs + from;
    json_t *json = parameter_json(layer, l, to);
    json_object_set_new(json, "from", cli_json_count(from));
    json_object_set_new(json, "value", cli_json_number(layer->weights[at]));
    json_object_set_new(json, "dnet_dw", cli_json_number(layer->input[from]));
    json_object_set_new(json, "gradient", cli_json_number(layer->weight_gradients[at]));
    json_object_set_new(json, "numerical", cli_json_number(layer->weight_numerical[at]));
    json_object_set_new(json, "updated", cli_json_number(layer->weights_after[at]));
    return json;
}

static json_t *bias_json(const bp_explained_layer *layer, size_t l, size_t to)
{
    json_t *json = parameter_json(layer, l, to);
    json_object_set_new(json, "value", cli_json_number(layer->biases[to]));
    json_object_set_new(json, "dnet_db", json_real(1));
    json_object_set_new(json, "gradient", cli_json_number(layer->bias_gradients[to]));
    json_object_set_new(json, "numerical", cli_json_number(layer->bias_numerical[to]));
    json_object_set_new(json, "updated", cli_json_number(layer->biases_after[to]));
    json_object_set_new(json, "frozen", json_boolean(layer->frozen));
    return json;
}

/* A gain, or a shift. */
static json_t *norm_json(const bp_explained_layer *layer, size_t l, size_t to, bool gain)
{
    json_t *json = json_object();
    json_object_set_new(json, "layer", cli_json_count(l));
    json_object_set_new(json, "to", cli_json_count(to));
    json_object_set_new(json, "value", cli_json_number((gain ? layer->gains : layer->shifts)[to]));
    json_object_set_new(json, "dE_dy", cli_json_number(layer->shifted_delta[to]));
    json_object_set_new(json, gain ? "dy_dgain" : "dy_dshift",
                        gain ? cli_json_number(layer->normalised[to]) : json_real(1));
    json_object_set_new(
        json, "gradient",
        cli_json_number((gain ? layer->gain_gradients : layer->shift_gradients)[to]));
    json_object_set_new(
        json, "numerical",
        cli_json_number((gain ? layer->gain_numerical : layer->shift_numerical)[to]));
    json_object_set_new(json, "updated",
                        cli_json_number((gain ? layer->gains_after : layer->shifts_after)[to]));
    return json;
}

json_t *explain_frame_json(const explain_view *view, const explain_pick *pick)
{
    const bp_explained seen = bp_explain_get(view->glass);
    json_t *json = json_object(), *layers = json_array(), *weights = json_array();
    json_t *biases = json_array(), *gains = json_array(), *shifts = json_array();
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer layer = bp_explain_layer(view->glass, l);
        json_array_append_new(layers, layer_json(view, pick, l));
        for (size_t t = 0; t < pick_count(view, pick, l + 1); ++t) {
            const size_t to = picked(pick, l + 1, t);
            for (size_t f = 0; f < pick_count(view, pick, l); ++f)
                json_array_append_new(weights, weight_json(&layer, l, to, picked(pick, l, f)));
            if (layer.bias) json_array_append_new(biases, bias_json(&layer, l, to));
            if (!layer.gains) continue;
            json_array_append_new(gains, norm_json(&layer, l, to, true));
            json_array_append_new(shifts, norm_json(&layer, l, to, false));
        }
    }
    json_object_set_new(json, "error", cli_json_number(seen.error));
    json_object_set_new(json, "input", numbers_json(view, pick, 0, seen.input));
    json_object_set_new(json, "target", numbers_json(view, pick, view->layers, seen.target));
    json_object_set_new(json, "output", numbers_json(view, pick, view->layers, seen.output));
    json_object_set_new(json, "layers", layers);
    json_object_set_new(json, "weights", weights);
    json_object_set_new(json, "biases", biases);
    json_object_set_new(json, "gains", gains);
    json_object_set_new(json, "shifts", shifts);
    json_object_set_new(json, "error_after", cli_json_number(seen.error_after));
    return json;
}

static json_t *rule_json(const char *name, const bp_rule *rule)
{
    json_t *json = json_object();
    json_object_set_new(json, "name", cli_json_text(name));
    json_object_set_new(json, "formula", cli_json_text(rule ? rule->formula : NULL));
    json_object_set_new(json, "derivative", cli_json_text(rule ? rule->derivative : NULL));
    json_object_set_new(json, "why", cli_json_text(rule ? rule->why : NULL));
    return json;
}

static json_t *names_json(const explain_view *view, size_t place)
{
    if (!explain_given_name(view, place, 0)) return json_null();
    json_t *list = json_array();
    for (size_t k = 0; k < explain_units(view, place); ++k)
        json_array_append_new(list, cli_json_text(explain_given_name(view, place, k)));
    return list;
}

json_t *explain_about_json(const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    json_t *json = json_object(), *layers = json_array(), *rules = json_object();
    json_t *norms = json_object();
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer layer = bp_explain_layer(view->glass, l);
        const char *name = bp_activation_name(layer.activation_code);
        json_t *about = json_object();
        json_object_set_new(about, "inputs", cli_json_count(layer.inputs));
        json_object_set_new(about, "outputs", cli_json_count(layer.outputs));
        json_object_set_new(about, "activation", cli_json_text(name));
        json_object_set_new(about, "bias", json_boolean(layer.bias));
        json_object_set_new(about, "frozen", json_boolean(layer.frozen));
        json_object_set_new(about, "norm", cli_json_text(bp_norm_name(layer.norm)));
        json_object_set_new(about, "residual", json_boolean(layer.residual));
        json_array_append_new(layers, about);
        if (layer.norm != BP_NORM_NONE)
            json_object_set_new(norms, bp_norm_name(layer.norm),
                                rule_json(bp_norm_name(layer.norm), bp_norm_rule(layer.norm)));
        json_object_set_new(rules, name,
                            rule_json(name, bp_activation_rule(layer.activation_code)));
    }
    json_object_set_new(json, "architecture", layers);
    json_object_set_new(json, "activations", rules);
    json_object_set_new(json, "norms", norms);
    json_object_set_new(json, "loss", cli_json_text(bp_loss_name(seen.loss)));
    json_object_set_new(json, "loss_rule",
                        rule_json(bp_loss_name(seen.loss), bp_loss_rule(seen.loss)));
    json_object_set_new(json, "loss_parameter", cli_json_number(seen.loss_parameter));
    json_object_set_new(json, "from_net", json_boolean(seen.from_net));
    json_object_set_new(json, "learning_rate", cli_json_number(view->learning_rate));
    json_object_set_new(json, "input_names", names_json(view, 0));
    json_object_set_new(json, "output_names", names_json(view, view->layers));
    json_object_set_new(json, "parameters", cli_json_count(seen.parameters));
    json_object_set_new(json, "numerical", cli_json_count(seen.numerical));
    json_object_set_new(json, "source", cli_json_text(view->source));
    json_object_set_new(json, "row", view->data ? cli_json_count(view->row + 1) : json_null());
    return json;
}

/* The parameters as they are after all steps, in the shapes of the model. */
static json_t *final_json(const explain_view *view)
{
    json_t *json = json_object(), *weights = json_array(), *biases = json_array();
    json_t *gains = json_array(), *shifts = json_array();
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(view->model, l);
        const double *w = bp_explain_weights(view->glass, l);
        const double *b = bp_explain_biases(view->glass, l);
        json_t *matrix = json_array();
        for (size_t k = 0; k < layer.outputs; ++k, w += layer.inputs) {
            json_t *row = json_array();
            for (size_t i = 0; i < layer.inputs; ++i)
                json_array_append_new(row, cli_json_number(w[i]));
            json_array_append_new(matrix, row);
        }
        json_array_append_new(weights, matrix);
        const double *g = bp_explain_gains(view->glass, l), *s = bp_explain_shifts(view->glass, l);
        json_array_append_new(biases, b ? numbers_json(view, NULL, l + 1, b) : json_null());
        json_array_append_new(gains, g ? numbers_json(view, NULL, l + 1, g) : json_null());
        json_array_append_new(shifts, s ? numbers_json(view, NULL, l + 1, s) : json_null());
    }
    json_object_set_new(json, "weights", weights);
    json_object_set_new(json, "biases", biases);
    json_object_set_new(json, "gains", gains);
    json_object_set_new(json, "shifts", shifts);
    return json;
}

json_t *explain_json(const explain_view *view)
{
    json_t *json = explain_frame_json(view, NULL), *about = explain_about_json(view);
    json_t *errors = json_array();
    for (size_t s = 0; s <= view->steps; ++s)
        json_array_append_new(errors, cli_json_number(view->errors[s]));
    json_object_update(json, about);
    json_decref(about);
    json_object_set_new(json, "steps", cli_json_count(view->steps));
    json_object_set_new(json, "errors", errors);
    json_object_set_new(json, "error_after", cli_json_number(view->errors[view->steps]));
    json_object_set_new(json, "final", final_json(view));
    return json;
}
