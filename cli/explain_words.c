/* explain_words.c - what `backprop explain` says in words: the rules' formulas with something else
 * for their letters, and the section "Why". */
#include <ctype.h>
#include <string.h>

#include "explain.h"

enum { FORMULA = EXPLAIN_FORMULA };

/* ---- formulas ----------------------------------------------------------------------------------
 */

static const char *meaning(const explain_letters *l, const char *word, size_t length)
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

const char *explain_put_in(char *text, size_t size, const char *formula, const explain_letters *l)
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

const explain_letters explain_symbols = {"net", "a", "t", "n", "s", "p"};
const explain_letters explain_symbols_of_y = {"y", "a", "t", "n", "s", "p"};

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
        used += (size_t)snprintf(
            text + used, size - used, "%s",
            inside ? explain_put_in(shown, sizeof shown, part, &explain_symbols) : part);
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

/* ---- why ---------------------------------------------------------------------------------------
 */

/* Of norms, each kind once, and of residual connections. */
static void print_why_of_layers(FILE *to, const explain_view *view)
{
    bool residual = false;
    for (int32_t norm = BP_NORM_NONE + 1; bp_norm_name(norm); ++norm)
        for (size_t l = 0; l < view->layers; ++l) {
            char about[64];
            if (bp_explain_layer(view->glass, l).norm != norm) continue;
            snprintf(about, sizeof about, "%s: ", bp_norm_name(norm));
            print_paragraph(to, about, bp_norm_rule(norm)->why);
            break;
        }
    for (size_t l = 0; l < view->layers; ++l)
        residual = residual || bp_explain_layer(view->glass, l).residual;
    if (residual)
        print_paragraph(
            to, "residual: ",
            "the inputs of the layer are added to its outputs, so that the units before it act on "
            "the error in two ways: through the weights of the layer, and past it, where each adds "
            "to the unit of its own number with the factor 1. Their effect is the sum over both, "
            "and "
            "reaches them whole even where the layer's slopes are small.");
}

void explain_print_why(FILE *to, const explain_view *view)
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
    print_why_of_layers(to, view);
    if (view->layers > 1)
        print_paragraph(
            to, "Hidden units: ",
            "they act on the error along every path to the next layer, and their effect "
            "is the sum of what goes along each. The sums are taken over the weights "
            "with which the sample went forward: all effects are computed before any "
            "weight changes.");
}
