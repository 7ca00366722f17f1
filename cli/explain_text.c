/* explain_text.c - `backprop explain` as text: every formula with its numbers put in. Of a network
 * too large for that, the layers in figures and the weights that matter most. */
#include <math.h>

#include "explain.h"
#include "output.h"

enum { NUMBER = EXPLAIN_NUMBER, FORMULA = EXPLAIN_FORMULA };

const char *explain_number(char text[EXPLAIN_NUMBER], double value)
{
    snprintf(text, EXPLAIN_NUMBER, "%.9g", value);
    return text;
}

const char *explain_factor(char text[EXPLAIN_NUMBER], double value)
{
    snprintf(text, EXPLAIN_NUMBER, signbit(value) ? "(%.9g)" : "%.9g", value);
    return text;
}

static const explain_letters *symbols_of(const bp_explained_layer *layer)
{
    return layer->shifted ? &explain_symbols_of_y : &explain_symbols;
}

/* What the function takes. */
static const double *taken_by(const bp_explained_layer *layer)
{
    return layer->shifted ? layer->shifted : layer->net;
}

/* ---- forward -----------------------------------------------------------------------------------
 */

/* w1·x1 + w2·x2 + …, at most a line's worth, and what the rest comes to. */
static void print_sum(FILE *to, const double *left, const double *right, size_t stride,
                      size_t count)
{
    enum { MOST = 8 };
    char a[NUMBER], b[NUMBER];
    double rest = 0;
    for (size_t i = 0; i < count; ++i) {
        if (i < MOST)
            fprintf(to, "%s%s·%s", i ? " + " : "",
                    i ? explain_factor(a, left[i]) : explain_number(a, left[i]),
                    explain_factor(b, right[i * stride]));
        else
            rest += left[i] * right[i * stride];
    }
    if (count > MOST)
        fprintf(to, " + … (%zu more terms: %s)", count - MOST, explain_number(a, rest));
}

static void print_forward(FILE *to, const explain_view *view, size_t l)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    const bp_rule *rule = bp_activation_rule(layer.activation_code);
    char formula[FORMULA], unit[EXPLAIN_NAME], z[NUMBER], a[NUMBER], s[NUMBER];
    double sum = 0;
    for (size_t k = 0; k < layer.outputs; ++k) sum += exp(layer.net[k]);
    fprintf(to, "  layer %zu of %zu, %s: a = %s\n", l + 1, view->layers,
            bp_activation_name(layer.activation_code),
            rule ? explain_put_in(formula, FORMULA, rule->formula, symbols_of(&layer)) : "?");
    if (layer.shifted) explain_print_norm_head(to, &layer);
    for (size_t k = 0; k < layer.outputs; ++k) {
        explain_unit(unit, view, l + 1, k);
        fprintf(to, "    net %s = ", unit);
        print_sum(to, layer.weights + k * layer.inputs, layer.input, 1, layer.inputs);
        if (layer.biases) fprintf(to, " + %s", explain_factor(z, layer.biases[k]));
        fprintf(to, " = %s\n", explain_number(z, layer.net[k]));
        if (layer.shifted) explain_print_norm_forward(to, &layer, unit, k);
        const explain_letters in = {
            explain_factor(z, taken_by(&layer)[k]), "a", "t", "n", explain_number(s, sum), "p"};
        if (rule)
            fprintf(to, "    a   %s = %s = %s\n", unit,
                    explain_put_in(formula, FORMULA, rule->formula, &in),
                    explain_number(a, layer.activation[k]));
        if (layer.residual) explain_print_output(to, &layer, unit, k);
    }
}

static void print_error(FILE *to, const explain_view *view)
{
    enum { MOST = 8 };
    const bp_explained seen = bp_explain_get(view->glass);
    const bp_rule *rule = bp_loss_rule(seen.loss);
    char formula[FORMULA], a[NUMBER], t[NUMBER], n[NUMBER], p[NUMBER];
    explain_number(p, seen.loss_parameter);
    fprintf(to, "  %s", bp_loss_name(seen.loss));
    if (rule)
        fprintf(to, ": the sum over the outputs of %s",
                explain_put_in(formula, FORMULA, rule->formula, &explain_symbols));
    fputs("\n    E = ", to);
    snprintf(n, sizeof n, "%zu", seen.outputs);
    for (size_t k = 0; rule && k < seen.outputs && k < MOST; ++k) {
        const explain_letters in = {
            "net", explain_factor(a, seen.output[k]), explain_factor(t, seen.target[k]), n, "s", p};
        fprintf(to, "%s%s", k ? " + " : "", explain_put_in(formula, FORMULA, rule->formula, &in));
    }
    fprintf(to, "%s = %s\n", seen.outputs > MOST ? " + …" : "", explain_number(a, seen.error));
}

/* ---- backward ----------------------------------------------------------------------------------
 */

static void print_output_effect(FILE *to, const explain_view *view, size_t k)
{
    const bp_explained seen = bp_explain_get(view->glass);
    const bp_rule *rule = bp_loss_rule(seen.loss);
    char formula[FORMULA], a[NUMBER], t[NUMBER], n[NUMBER], p[NUMBER];
    snprintf(n, sizeof n, "%zu", seen.outputs);
    explain_number(p, seen.loss_parameter);
    const explain_letters in = {
        "net", explain_factor(a, seen.output[k]), explain_factor(t, seen.target[k]), n, "s", p};
    if (rule) fputs(explain_put_in(formula, FORMULA, rule->derivative, &in), to);
}

static void print_unit_backward(FILE *to, const explain_view *view, size_t l, size_t k)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    const bp_rule *rule = bp_activation_rule(layer.activation_code);
    char formula[FORMULA], unit[EXPLAIN_NAME], a[NUMBER], b[NUMBER], c[NUMBER];
    explain_unit(unit, view, l + 1, k);
    fprintf(to, "    effect %s = ", unit);
    if (l + 1 == view->layers) {
        print_output_effect(to, view, k);
    } else {
        const bp_explained_layer next = bp_explain_layer(view->glass, l + 1);
        print_sum(to, next.delta, next.weights + k, next.inputs, next.outputs);
        if (layer.past)
            fprintf(to, " + %s (past layer %zu)", explain_factor(a, layer.past[k]), l + 2);
    }
    fprintf(to, " = %s\n", explain_number(a, layer.effect[k]));
    const explain_letters in = {explain_factor(a, taken_by(&layer)[k]),
                                explain_factor(b, layer.activation[k]),
                                "t",
                                "n",
                                "s",
                                "p"};
    fprintf(to, "    slope  %s = %s = %s\n", unit,
            rule ? explain_put_in(formula, FORMULA, rule->derivative, &in) : "?",
            explain_number(c, layer.slope[k]));
    if (layer.shifted) {
        explain_print_norm_backward(to, &layer, unit, k);
        return;
    }
    fprintf(to, "    delta  %s = %s·%s", unit, explain_number(a, layer.effect[k]),
            explain_factor(b, layer.slope[k]));
    if (layer.coupled[k] != 0)
        fprintf(to, " + %s (paths through the other outputs)", explain_factor(c, layer.coupled[k]));
    fprintf(to, " = %s\n", explain_number(a, layer.delta[k]));
}

void explain_print_chain(FILE *to, const explain_view *view, const char *name, const char *front,
                         double last, const double values[4], char symbol, bool frozen)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER];
    fprintf(to, "    %s: ∂E/∂%c = %s·%s = %s", name, symbol, front, explain_factor(c, last),
            explain_number(d, values[1]));
    if (isfinite(values[2])) fprintf(to, "   central difference %s", explain_number(a, values[2]));
    if (frozen)
        fprintf(to, "\n      frozen: %c' = %s\n", symbol, explain_number(a, values[3]));
    else
        fprintf(to, "\n      %c' = %s - %s·%s = %s\n", symbol, explain_number(a, values[0]),
                explain_number(b, view->learning_rate), explain_factor(c, values[1]),
                explain_number(d, values[3]));
}

/* What all parameters before a net input have in common: its delta, in factors. */
static const char *front_of(char text[EXPLAIN_FRONT], const bp_explained_layer *layer, size_t k)
{
    char a[NUMBER], b[NUMBER], c[NUMBER];
    if (layer->shifted) return explain_norm_front(text, layer, k);
    explain_number(a, layer->effect[k]);
    explain_factor(b, layer->slope[k]);
    if (layer->coupled[k] != 0)
        snprintf(text, EXPLAIN_FRONT, "(%s·%s + %s)", a, b, explain_factor(c, layer->coupled[k]));
    else
        snprintf(text, EXPLAIN_FRONT, "%s·%s", a, b);
    return text;
}

static void print_weight(FILE *to, const explain_view *view, size_t l, size_t k, size_t i)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    char from[EXPLAIN_NAME], unit[EXPLAIN_NAME], name[2 * EXPLAIN_NAME + 8], front[EXPLAIN_FRONT];
    const size_t at = k * layer.inputs + i;
    const double values[] = {layer.weights[at], layer.weight_gradients[at],
                             layer.weight_numerical[at], layer.weights_after[at]};
    snprintf(name, sizeof name, "%s→%s", explain_unit(from, view, l, i),
             explain_unit(unit, view, l + 1, k));
    explain_print_chain(to, view, name, front_of(front, &layer, k), layer.input[i], values, 'w',
                        false);
}

static void print_bias(FILE *to, const explain_view *view, size_t l, size_t k)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    char unit[EXPLAIN_NAME], name[EXPLAIN_NAME + 8], front[EXPLAIN_FRONT];
    const double values[] = {layer.biases[k], layer.bias_gradients[k], layer.bias_numerical[k],
                             layer.biases_after[k]};
    snprintf(name, sizeof name, "bias→%s", explain_unit(unit, view, l + 1, k));
    explain_print_chain(to, view, name, front_of(front, &layer, k), 1, values, 'b',
                        layer.frozen != 0);
}

static void print_backward(FILE *to, const explain_view *view, size_t l)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    const bp_explained seen = bp_explain_get(view->glass);
    const bp_rule *rule = bp_activation_rule(layer.activation_code);
    const bp_rule *loss = bp_loss_rule(seen.loss);
    char effect[FORMULA], slope[FORMULA];
    if (l + 1 < view->layers)
        snprintf(effect, sizeof effect, "the sum over its paths, delta·weight");
    else if (loss)
        explain_put_in(effect, FORMULA, loss->derivative, &explain_symbols);
    else
        effect[0] = '\0';
    if (rule) explain_put_in(slope, FORMULA, rule->derivative, symbols_of(&layer));
    fprintf(to, "  layer %zu of %zu: effect ∂E/∂a = %s%s; slope ∂a/∂%s = %s; delta ∂E/∂net\n",
            l + 1, view->layers, effect, layer.past ? ", and what comes past the next layer" : "",
            symbols_of(&layer)->z, rule ? slope : "?");
    if (layer.shifted) explain_print_norm_back_head(to, &layer);
    for (size_t k = 0; k < layer.outputs; ++k) print_unit_backward(to, view, l, k);
    fprintf(to, "  weights of layer %zu: ∂E/∂w = %s · ∂net/∂w\n", l + 1,
            layer.shifted ? "∂E/∂net" : "∂E/∂a · ∂a/∂net");
    for (size_t k = 0; k < layer.outputs; ++k) {
        char unit[EXPLAIN_NAME];
        for (size_t i = 0; i < layer.inputs; ++i) print_weight(to, view, l, k, i);
        if (layer.biases) print_bias(to, view, l, k);
        if (layer.shifted)
            explain_print_norm_chains(to, view, &layer, explain_unit(unit, view, l + 1, k), k);
    }
}

/* ---- large networks ----------------------------------------------------------------------------
 */

typedef struct heavy {
    size_t layer, unit, input;
    double size;
} heavy;

/* The weights with the largest derivatives, each with its chain. */
static void print_heaviest(FILE *to, const explain_view *view)
{
    enum { MOST = 8 };
    heavy best[MOST + 1];
    size_t count = 0;
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer y = bp_explain_layer(view->glass, l);
        for (size_t i = 0; i < y.inputs * y.outputs; ++i) {
            const heavy one = {l, i / y.inputs, i % y.inputs, fabs(y.weight_gradients[i])};
            size_t at = count;
            for (; at > 0 && best[at - 1].size < one.size; --at) best[at] = best[at - 1];
            best[at] = one;
            if (count < MOST) ++count;
        }
    }
    fprintf(to, "\nThe %zu weights with the largest derivatives\n", count);
    for (size_t i = 0; i < count; ++i)
        print_weight(to, view, best[i].layer, best[i].unit, best[i].input);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void print_values(FILE *to, const explain_view *view, size_t place, const double *values)
{
    enum { MOST = 12 };
    char name[EXPLAIN_NAME], text[NUMBER];
    const size_t count = explain_units(view, place);
    for (size_t k = 0; k < count && k < MOST; ++k) {
        fprintf(to, "%s%s = %s", k ? ", " : "", explain_unit(name, view, place, k),
                explain_number(text, values[k]));
        if (!explain_given_name(view, place, k)) continue;
        fputs(" (", to);
        cli_print_text(to, explain_given_name(view, place, k));
        fputc(')', to);
    }
    if (count > MOST) fprintf(to, ", … (%zu in all)", count);
    fputc('\n', to);
}

static void print_head(FILE *to, const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    char rate[NUMBER];
    fputs("network  ", to);
    for (size_t place = 0; place <= view->layers; ++place)
        fprintf(to, "%s%zu", place ? "-" : "", explain_units(view, place));
    fprintf(to, ", %zu parameter%s, %s, learning rate %s%s\n", seen.parameters,
            cli_s(seen.parameters), bp_loss_name(seen.loss),
            explain_number(rate, view->learning_rate), view->frozen ? ", biases frozen" : "");
    if (view->data) {
        fprintf(to, "sample   row %zu of ", view->row + 1);
        cli_print_text(to, view->source);
        fputc('\n', to);
    }
    fputs("input    ", to);
    print_values(to, view, 0, seen.input);
    fputs("target   ", to);
    print_values(to, view, view->layers, seen.target);
}

static void print_steps(FILE *to, const explain_view *view)
{
    char text[NUMBER];
    if (view->steps == 1) {
        fprintf(to, "  E = %s before the step, ", explain_number(text, view->errors[0]));
        fprintf(to, "%s after it\n", explain_number(text, view->errors[1]));
        return;
    }
    for (size_t s = 0; s < view->steps; ++s)
        if (explain_is_kept(s, view->steps))
            fprintf(to, "  E = %-14s before step %zu\n", explain_number(text, view->errors[s]),
                    s + 1);
    fprintf(to, "  E = %-14s after step %zu\n", explain_number(text, view->errors[view->steps]),
            view->steps);
    if (explain_is_large(view)) return;
    fprintf(to, "\nParameters after step %zu\n", view->steps);
    char from[EXPLAIN_NAME], unit[EXPLAIN_NAME];
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(view->model, l);
        const double *w = bp_explain_weights(view->glass, l);
        const double *b = bp_explain_biases(view->glass, l);
        const double *g = bp_explain_gains(view->glass, l);
        const double *shift = bp_explain_shifts(view->glass, l);
        for (size_t k = 0; k < layer.outputs; ++k) {
            explain_unit(unit, view, l + 1, k);
            for (size_t i = 0; i < layer.inputs; ++i)
                fprintf(to, "  %s→%s = %s", explain_unit(from, view, l, i), unit,
                        explain_number(text, w[k * layer.inputs + i]));
            if (b) fprintf(to, "  bias→%s = %s", unit, explain_number(text, b[k]));
            if (g) fprintf(to, "  gain→%s = %s", unit, explain_number(text, g[k]));
            if (shift) fprintf(to, "  shift→%s = %s", unit, explain_number(text, shift[k]));
            fputc('\n', to);
        }
    }
}

void explain_print(FILE *to, const explain_view *view)
{
    print_head(to, view);
    if (explain_is_large(view)) {
        const bp_explained seen = bp_explain_get(view->glass);
        fputs("output   ", to);
        print_values(to, view, view->layers, seen.output);
        explain_print_layers(to, view);
        explain_print_agreement(to, view);
        print_heaviest(to, view);
    } else {
        fputs("\nForward\n", to);
        for (size_t l = 0; l < view->layers; ++l) print_forward(to, view, l);
        fputs("\nError\n", to);
        print_error(to, view);
        fputs("\nBackward\n", to);
        for (size_t l = view->layers; l-- > 0;) print_backward(to, view, l);
    }
    fprintf(to, "\nStep%s\n", view->steps == 1 ? "" : "s");
    print_steps(to, view);
    if (!explain_is_large(view)) explain_print_why(to, view);
}
