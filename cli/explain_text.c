/* explain_text.c - `backprop explain` as text: every formula with its numbers put in. Of a network
 * too large for that, the layers in figures and the weights that matter most. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "output.h"

enum { NUMBER = 32, FORMULA = 512 };

/* Nine digits; in brackets where a sign would run into an operator. */
static const char *number(char text[NUMBER], double value)
{
    snprintf(text, NUMBER, "%.9g", value);
    return text;
}

static const char *factor(char text[NUMBER], double value)
{
    snprintf(text, NUMBER, signbit(value) ? "(%.9g)" : "%.9g", value);
    return text;
}

/* ---- formulas ----------------------------------------------------------------------------------
 */

/* What the letters of a rule's formula stand for. */
typedef struct letters {
    const char *z, *a, *t, *n, *s, *p;
} letters;

static const char *meaning(const letters *l, const char *word, size_t length)
{
    if (length != 1) return NULL;
    switch (*word) {
    case 'z': return l->z;
    case 'a': return l->a;
    case 't': return l->t;
    case 'n': return l->n;
    case 's': return l->s;
    case 'p': return l->p;
    default: return NULL;
    }
}

/* The formula with its letters replaced; those without a meaning stay, as e and the functions do.
 */
static const char *put_in(char *text, size_t size, const char *formula, const letters *l)
{
    size_t used = 0;
    for (const char *c = formula; *c && used + 1 < size;) {
        size_t length = 1;
        if (isalpha((unsigned char)*c))
            while (isalpha((unsigned char)c[length])) ++length;
        const char *word = meaning(l, c, length);
        const char *shown = *c == '*' ? "·" : word;
        used += (size_t)snprintf(text + used, size - used, "%.*s",
                                 shown ? (int)strlen(shown) : (int)length, shown ? shown : c);
        c += length;
        /* Products are easier to read without blanks. */
        if (*c == ' ' && (c[1] == '*' || c[-1] == '*')) ++c;
    }
    return text;
}

static const letters symbols = {"net", "a", "t", "n", "s", "p"};

/* Words in which formulas stand between backquotes. */
static const char *put_in_words(char *text, size_t size, const char *words)
{
    char part[2 * FORMULA];
    size_t used = 0;
    bool inside = false;
    for (const char *c = words; *c && used < size; inside = !inside) {
        const size_t length = strcspn(c, "`");
        char shown[2 * FORMULA];
        snprintf(part, sizeof part, "%.*s", (int)length, c);
        used += (size_t)snprintf(text + used, size - used, "%s",
                                 inside ? put_in(shown, sizeof shown, part, &symbols) : part);
        c += length + (c[length] == '`');
    }
    return text;
}

/* A paragraph: the rule's words after what they are about, indented and wrapped. */
static void print_paragraph(FILE *to, const char *about, const char *words)
{
    enum { WIDTH = 92 };
    char text[3 * FORMULA], shown[2 * FORMULA];
    const char *next = text;
    size_t column = 0;
    snprintf(text, sizeof text, "%s%s", about, put_in_words(shown, sizeof shown, words));
    while (*next) {
        const size_t length = strcspn(next, " ");
        if (column > 0 && column + 1 + length > WIDTH) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, "%s%.*s", column ? " " : "  ", (int)length, next);
        next += length;
        next += strspn(next, " ");
    }
    fputc('\n', to);
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
            fprintf(to, "%s%s·%s", i ? " + " : "", i ? factor(a, left[i]) : number(a, left[i]),
                    factor(b, right[i * stride]));
        else
            rest += left[i] * right[i * stride];
    }
    if (count > MOST) fprintf(to, " + … (%zu more terms: %s)", count - MOST, number(a, rest));
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
            rule ? put_in(formula, FORMULA, rule->formula, &symbols) : "?");
    for (size_t k = 0; k < layer.outputs; ++k) {
        explain_unit(unit, view, l + 1, k);
        fprintf(to, "    net %s = ", unit);
        print_sum(to, layer.weights + k * layer.inputs, layer.input, 1, layer.inputs);
        if (layer.biases) fprintf(to, " + %s", factor(z, layer.biases[k]));
        fprintf(to, " = %s\n", number(z, layer.net[k]));
        const letters in = {factor(z, layer.net[k]), "a", "t", "n", number(s, sum), "p"};
        if (rule)
            fprintf(to, "    a   %s = %s = %s\n", unit,
                    put_in(formula, FORMULA, rule->formula, &in), number(a, layer.activation[k]));
    }
}

static void print_error(FILE *to, const explain_view *view)
{
    enum { MOST = 8 };
    const bp_explained seen = bp_explain_get(view->glass);
    const bp_rule *rule = bp_loss_rule(seen.loss);
    char formula[FORMULA], a[NUMBER], t[NUMBER], n[NUMBER], p[NUMBER];
    number(p, seen.loss_parameter);
    fprintf(to, "  %s", bp_loss_name(seen.loss));
    if (rule)
        fprintf(to, ": the sum over the outputs of %s",
                put_in(formula, FORMULA, rule->formula, &symbols));
    fputs("\n    E = ", to);
    snprintf(n, sizeof n, "%zu", seen.outputs);
    for (size_t k = 0; rule && k < seen.outputs && k < MOST; ++k) {
        const letters in = {"net", factor(a, seen.output[k]), factor(t, seen.target[k]), n, "s", p};
        fprintf(to, "%s%s", k ? " + " : "", put_in(formula, FORMULA, rule->formula, &in));
    }
    fprintf(to, "%s = %s\n", seen.outputs > MOST ? " + …" : "", number(a, seen.error));
}

/* ---- backward ----------------------------------------------------------------------------------
 */

static void print_output_effect(FILE *to, const explain_view *view, size_t k)
{
    const bp_explained seen = bp_explain_get(view->glass);
    const bp_rule *rule = bp_loss_rule(seen.loss);
    char formula[FORMULA], a[NUMBER], t[NUMBER], n[NUMBER], p[NUMBER];
    snprintf(n, sizeof n, "%zu", seen.outputs);
    number(p, seen.loss_parameter);
    const letters in = {"net", factor(a, seen.output[k]), factor(t, seen.target[k]), n, "s", p};
    if (rule) fputs(put_in(formula, FORMULA, rule->derivative, &in), to);
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
    }
    fprintf(to, " = %s\n", number(a, layer.effect[k]));
    const letters in = {
        factor(a, layer.net[k]), factor(b, layer.activation[k]), "t", "n", "s", "p"};
    fprintf(to, "    slope  %s = %s = %s\n", unit,
            rule ? put_in(formula, FORMULA, rule->derivative, &in) : "?",
            number(c, layer.slope[k]));
    fprintf(to, "    delta  %s = %s·%s", unit, number(a, layer.effect[k]),
            factor(b, layer.slope[k]));
    if (layer.coupled[k] != 0)
        fprintf(to, " + %s (paths through the other outputs)", factor(c, layer.coupled[k]));
    fprintf(to, " = %s\n", number(a, layer.delta[k]));
}

/* The chain of one parameter: its factors, the product, the central difference, the step. */
static void print_chain(FILE *to, const explain_view *view, const char *name,
                        const bp_explained_layer *layer, size_t k, const double values[4],
                        double input, char symbol, bool frozen)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER];
    fprintf(to, "    %s: ∂E/∂%c = ", name, symbol);
    fprintf(to, layer->coupled[k] != 0 ? "(%s·%s" : "%s·%s", number(a, layer->effect[k]),
            factor(b, layer->slope[k]));
    if (layer->coupled[k] != 0) fprintf(to, " + %s)", factor(c, layer->coupled[k]));
    fprintf(to, "·%s", factor(c, input));
    fprintf(to, " = %s", number(d, values[1]));
    if (isfinite(values[2])) fprintf(to, "   central difference %s", number(a, values[2]));
    if (frozen)
        fprintf(to, "\n      frozen: %c' = %s\n", symbol, number(a, values[3]));
    else
        fprintf(to, "\n      %c' = %s - %s·%s = %s\n", symbol, number(a, values[0]),
                number(b, view->learning_rate), factor(c, values[1]), number(d, values[3]));
}

static void print_weight(FILE *to, const explain_view *view, size_t l, size_t k, size_t i)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    char from[EXPLAIN_NAME], unit[EXPLAIN_NAME], name[2 * EXPLAIN_NAME + 8];
    const size_t at = k * layer.inputs + i;
    const double values[] = {layer.weights[at], layer.weight_gradients[at],
                             layer.weight_numerical[at], layer.weights_after[at]};
    snprintf(name, sizeof name, "%s→%s", explain_unit(from, view, l, i),
             explain_unit(unit, view, l + 1, k));
    print_chain(to, view, name, &layer, k, values, layer.input[i], 'w', false);
}

static void print_bias(FILE *to, const explain_view *view, size_t l, size_t k)
{
    const bp_explained_layer layer = bp_explain_layer(view->glass, l);
    char unit[EXPLAIN_NAME], name[EXPLAIN_NAME + 8];
    const double values[] = {layer.biases[k], layer.bias_gradients[k], layer.bias_numerical[k],
                             layer.biases_after[k]};
    snprintf(name, sizeof name, "bias→%s", explain_unit(unit, view, l + 1, k));
    print_chain(to, view, name, &layer, k, values, 1, 'b', layer.frozen != 0);
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
        put_in(effect, FORMULA, loss->derivative, &symbols);
    else
        effect[0] = '\0';
    fprintf(to, "  layer %zu of %zu: effect ∂E/∂a = %s; slope ∂a/∂net = %s; delta ∂E/∂net\n", l + 1,
            view->layers, effect, rule ? put_in(slope, FORMULA, rule->derivative, &symbols) : "?");
    for (size_t k = 0; k < layer.outputs; ++k) print_unit_backward(to, view, l, k);
    fprintf(to, "  weights of layer %zu: ∂E/∂w = ∂E/∂a · ∂a/∂net · ∂net/∂w\n", l + 1);
    for (size_t k = 0; k < layer.outputs; ++k) {
        for (size_t i = 0; i < layer.inputs; ++i) print_weight(to, view, l, k, i);
        if (layer.biases) print_bias(to, view, l, k);
    }
}

/* ---- why ---------------------------------------------------------------------------------------
 */

static void print_why(FILE *to, const explain_view *view)
{
    const bp_rule *loss = bp_loss_rule(bp_explain_get(view->glass).loss);
    fputs("\nWhy\n", to);
    print_paragraph(
        to, "∂net/∂w: ",
        "net is a sum of products, weight times input. With respect to one weight its "
        "own term changes by the input for each 1 of the weight (power rule: w^1 becomes "
        "1), and the other terms do not contain the weight: their derivatives are 0. "
        "The input is the output of the unit on the left; that of a bias is 1.");
    if (loss) print_paragraph(to, "∂E/∂a: ", loss->why);
    for (size_t l = view->layers; l-- > 0;) {
        const int32_t code = bp_explain_layer(view->glass, l).activation_code;
        const bp_rule *rule = bp_activation_rule(code);
        bool told = !rule;
        for (size_t m = l + 1; m < view->layers; ++m)
            told = told || bp_explain_layer(view->glass, m).activation_code == code;
        char about[64];
        snprintf(about, sizeof about, "∂a/∂net of %s: ", bp_activation_name(code));
        if (!told) print_paragraph(to, about, rule->why);
    }
    if (view->layers > 1)
        print_paragraph(
            to, "Hidden units: ",
            "they act on the error along every path to the next layer, and their effect "
            "is the sum of what goes along each. The sums are taken over the weights "
            "with which the sample went forward: all effects are computed before any "
            "weight changes.");
}

/* ---- large networks ----------------------------------------------------------------------------
 */

static double norm(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; values && i < count; ++i) sum += values[i] * values[i];
    return sqrt(sum);
}

static void print_layers(FILE *to, const explain_view *view)
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
static void print_agreement(FILE *to, const explain_view *view)
{
    const bp_explained seen = bp_explain_get(view->glass);
    double apart = 0;
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_explained_layer y = bp_explain_layer(view->glass, l);
        for (size_t i = 0; i < y.inputs * y.outputs; ++i)
            apart = fmax(apart, fabs(y.weight_gradients[i] - y.weight_numerical[i]));
        for (size_t i = 0; y.biases && i < y.outputs; ++i)
            apart = fmax(apart, fabs(y.bias_gradients[i] - y.bias_numerical[i]));
    }
    fprintf(to,
            "\n  %zu of %zu derivatives have been taken as central differences as well: at most "
            "%.2g apart\n",
            seen.numerical, seen.parameters, apart);
}

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
                number(text, values[k]));
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
            cli_s(seen.parameters), bp_loss_name(seen.loss), number(rate, view->learning_rate),
            view->frozen ? ", biases frozen" : "");
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
        fprintf(to, "  E = %s before the step, ", number(text, view->errors[0]));
        fprintf(to, "%s after it\n", number(text, view->errors[1]));
        return;
    }
    for (size_t s = 0; s < view->steps; ++s)
        if (explain_is_kept(s, view->steps))
            fprintf(to, "  E = %-14s before step %zu\n", number(text, view->errors[s]), s + 1);
    fprintf(to, "  E = %-14s after step %zu\n", number(text, view->errors[view->steps]),
            view->steps);
    if (explain_is_large(view)) return;
    fprintf(to, "\nParameters after step %zu\n", view->steps);
    char from[EXPLAIN_NAME], unit[EXPLAIN_NAME];
    for (size_t l = 0; l < view->layers; ++l) {
        const bp_layer layer = bp_model_get_layer(view->model, l);
        const double *w = bp_explain_weights(view->glass, l);
        const double *b = bp_explain_biases(view->glass, l);
        for (size_t k = 0; k < layer.outputs; ++k) {
            explain_unit(unit, view, l + 1, k);
            for (size_t i = 0; i < layer.inputs; ++i)
                fprintf(to, "  %s→%s = %s", explain_unit(from, view, l, i), unit,
                        number(text, w[k * layer.inputs + i]));
            if (b) fprintf(to, "  bias→%s = %s", unit, number(text, b[k]));
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
        print_layers(to, view);
        print_agreement(to, view);
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
    if (!explain_is_large(view)) print_why(to, view);
}
