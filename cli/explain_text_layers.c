/* explain_text_layers.c - what `backprop explain` writes of norms and of residual connections, and
 * of layers as a whole. */
#include <math.h>

#include "explain.h"

enum { NUMBER = EXPLAIN_NUMBER };

static const double epsilon = (double)1e-5f; /* beside the variance */

static double deviation(const bp_explained_layer *layer, size_t k)
{
    return sqrt(layer->variance[k] + epsilon);
}

void explain_print_norm_head(FILE *to, const bp_explained_layer *layer)
{
    char a[NUMBER], b[NUMBER];
    fprintf(to, "    %s: x̂ = (net - mean)/√(variance + 1e-05), y = gain·x̂ + shift\n",
            bp_norm_name(layer->norm));
    if (layer->norm == BP_NORM_LAYER)
        fprintf(to, "    of the layer's net inputs: mean %s, variance %s\n",
                explain_number(a, layer->mean[0]), explain_number(b, layer->variance[0]));
    else
        fputs("    mean and variance of each unit are those that the training has found\n", to);
}

void explain_print_norm_forward(FILE *to, const bp_explained_layer *layer, const char *unit,
                                size_t k)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER];
    fprintf(to, "    x̂   %s = (%s - %s)/√(%s + 1e-05) = %s\n", unit,
            explain_number(a, layer->net[k]), explain_factor(b, layer->mean[k]),
            explain_number(c, layer->variance[k]), explain_number(d, layer->normalised[k]));
    fprintf(to, "    y   %s = %s·%s + %s = %s\n", unit, explain_number(a, layer->gains[k]),
            explain_factor(b, layer->normalised[k]), explain_factor(c, layer->shifts[k]),
            explain_number(d, layer->shifted[k]));
}

void explain_print_output(FILE *to, const bp_explained_layer *layer, const char *unit, size_t k)
{
    char a[NUMBER], b[NUMBER], c[NUMBER];
    fprintf(to, "    out %s = a + input = %s + %s = %s\n", unit,
            explain_number(a, layer->activation[k]), explain_factor(b, layer->input[k]),
            explain_number(c, layer->output[k]));
}

void explain_print_norm_back_head(FILE *to, const bp_explained_layer *layer)
{
    fputs("    d = gain·∂E/∂y; ∂E/∂net = d/√(variance + 1e-05)", to);
    if (layer->norm == BP_NORM_LAYER)
        fputs("\n      - mean(d)/√(variance + 1e-05), through the mean"
              "\n      - x̂·mean(d·x̂)/√(variance + 1e-05), through the variance",
              to);
    fputc('\n', to);
}

void explain_print_norm_backward(FILE *to, const bp_explained_layer *layer, const char *unit,
                                 size_t k)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER];
    fprintf(to, "    ∂E/∂y  %s = %s·%s = %s\n", unit, explain_number(a, layer->effect[k]),
            explain_factor(b, layer->slope[k]), explain_number(c, layer->shifted_delta[k]));
    fprintf(to, "    own    %s = %s·%s/√(%s + 1e-05) = %s\n", unit,
            explain_number(a, layer->gains[k]), explain_factor(b, layer->shifted_delta[k]),
            explain_number(c, layer->variance[k]), explain_number(d, layer->own[k]));
    fprintf(to, "    delta  %s = %s", unit, explain_number(a, layer->own[k]));
    if (layer->norm == BP_NORM_LAYER)
        fprintf(to, " + %s (through the mean) + %s (through the variance) = %s",
                explain_factor(b, layer->through_mean[k]),
                explain_factor(c, layer->through_variance[k]), explain_number(d, layer->delta[k]));
    fputc('\n', to);
}

const char *explain_norm_front(char text[EXPLAIN_FRONT], const bp_explained_layer *layer, size_t k)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER], e[NUMBER];
    explain_number(a, layer->effect[k]);
    explain_factor(b, layer->slope[k]);
    explain_factor(c, layer->gains[k] / deviation(layer, k));
    if (layer->norm == BP_NORM_LAYER)
        snprintf(text, EXPLAIN_FRONT, "(%s·%s·%s + %s + %s)", a, b, c,
                 explain_factor(d, layer->through_mean[k]),
                 explain_factor(e, layer->through_variance[k]));
    else
        snprintf(text, EXPLAIN_FRONT, "%s·%s·%s", a, b, c);
    return text;
}

void explain_print_norm_chains(FILE *to, const explain_view *view, const bp_explained_layer *layer,
                               const char *unit, size_t k)
{
    char name[EXPLAIN_NAME + 8], front[EXPLAIN_FRONT], a[NUMBER], b[NUMBER];
    const double gain[] = {layer->gains[k], layer->gain_gradients[k], layer->gain_numerical[k],
                           layer->gains_after[k]},
                 shift[] = {layer->shifts[k], layer->shift_gradients[k], layer->shift_numerical[k],
                            layer->shifts_after[k]};
    snprintf(front, sizeof front, "%s·%s", explain_number(a, layer->effect[k]),
             explain_factor(b, layer->slope[k]));
    snprintf(name, sizeof name, "gain→%s", unit);
    explain_print_chain(to, view, name, front, layer->normalised[k], gain, 'g', false);
    snprintf(name, sizeof name, "shift→%s", unit);
    explain_print_chain(to, view, name, front, 1, shift, 's', false);
}

/* ---- of large networks -------------------------------------------------------------------------
 */

static double norm(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; values && i < count; ++i) sum += values[i] * values[i];
    return sqrt(sum);
}

void explain_print_layers(FILE *to, const explain_view *view)
{
    fprintf(to, "\n  %-5s %7s %-11s %10s %10s %10s %10s %10s %10s\n", "layer", "units", "function",
            "|net|", "|a|", "|effect|", "|delta|", "|weights|", "|dE/dw|");
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer y = bp_explain_layer(view->glass, l);
        const size_t weights = y.inputs * y.outputs;
        fprintf(to, "  %-5zu %7zu %-11s %10.4g %10.4g %10.4g %10.4g %10.4g %10.4g\n", l + 1,
                y.outputs, bp_activation_name(y.activation_code), norm(y.net, y.outputs),
                norm(y.activation, y.outputs), norm(y.effect, y.outputs), norm(y.delta, y.outputs),
                norm(y.weights, weights), norm(y.weight_gradients, weights));
    }
}

/* How far gradients and central differences are apart. */
void explain_print_agreement(FILE *to, const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    double apart = 0;
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer y = bp_explain_layer(view->glass, l);
        for (size_t i = 0; i < y.inputs * y.outputs; ++i)
            apart = fmax(apart, fabs(y.weight_gradients[i] - y.weight_numerical[i]));
        for (size_t i = 0; y.biases && i < y.outputs; ++i)
            apart = fmax(apart, fabs(y.bias_gradients[i] - y.bias_numerical[i]));
        for (size_t i = 0; y.gains && i < y.outputs; ++i) {
            apart = fmax(apart, fabs(y.gain_gradients[i] - y.gain_numerical[i]));
            apart = fmax(apart, fabs(y.shift_gradients[i] - y.shift_numerical[i]));
        }
    }
    fprintf(to,
            "\n  %zu of %zu derivatives have been taken as central differences as well: at most "
            "%.2g apart\n",
            seen.numerical, seen.parameters, apart);
}
