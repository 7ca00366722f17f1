/* formula.h - the value of a rule's formula (bp_rule in backprop_explain.h), so that what is
 * written about a function can be compared with what is computed.
 *
 *   choice   = sum [ "if" sum (">" | "<") sum "else" choice ]
 *   sum      = product { ("+" | "-") product }
 *   product  = power { ("*" | "/") power }
 *   power    = "-" power | atom [ "^" power ]
 *   atom     = number | letter | name "(" choice { "," choice } ")" | "(" choice ")" */
#ifndef BP_TESTS_FORMULA_H
#define BP_TESTS_FORMULA_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct formula {
    const char *text, *at;
    double values[26]; /* of the letters a to z; NAN where a letter has no meaning */
} formula;

static double formula_choice(formula *f);

static inline bool formula_take(formula *f, const char *word)
{
    f->at += strspn(f->at, " ");
    const size_t length = strlen(word);
    if (strncmp(f->at, word, length) != 0) return false;
    if (isalpha((unsigned char)*word) && isalpha((unsigned char)f->at[length])) return false;
    f->at += length;
    return true;
}

static inline double formula_call(formula *f, const char *name, size_t length)
{
    double first, second = NAN;
    cr_assert(formula_take(f, "("), "%s: '(' is missing at '%s'", f->text, f->at);
    first = formula_choice(f);
    if (formula_take(f, ",")) second = formula_choice(f);
    cr_assert(formula_take(f, ")"), "%s: ')' is missing at '%s'", f->text, f->at);
    static const struct {
        const char *name;
        double (*one)(double), (*two)(double, double);
    } table[] = {{"ln", log, NULL},    {"abs", fabs, NULL},  {"sin", sin, NULL}, {"cos", cos, NULL},
                 {"tanh", tanh, NULL}, {"sqrt", sqrt, NULL}, {"erf", erf, NULL}, {"exp", exp, NULL},
                 {"max", NULL, fmax},  {"min", NULL, fmin}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i)
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return table[i].one ? table[i].one(first) : table[i].two(first, second);
    cr_assert_fail("%s: an unknown function '%.*s'", f->text, (int)length, name);
    return NAN;
}

static inline double formula_atom(formula *f)
{
    f->at += strspn(f->at, " ");
    if (isdigit((unsigned char)*f->at)) {
        char *end;
        const double value = strtod(f->at, &end);
        f->at = end;
        return value;
    }
    if (formula_take(f, "(")) {
        const double value = formula_choice(f);
        cr_assert(formula_take(f, ")"), "%s: ')' is missing at '%s'", f->text, f->at);
        return value;
    }
    const char *name = f->at;
    size_t length = 0;
    while (isalpha((unsigned char)name[length])) ++length;
    cr_assert_gt(length, 0, "%s: a value is missing at '%s'", f->text, f->at);
    f->at += length;
    if (length > 1) return formula_call(f, name, length);
    const double value = f->values[*name - 'a'];
    cr_assert(!isnan(value), "%s: '%c' has no meaning here", f->text, *name);
    return value;
}

static inline double formula_power(formula *f)
{
    if (formula_take(f, "-")) return -formula_power(f);
    const double base = formula_atom(f);
    return formula_take(f, "^") ? pow(base, formula_power(f)) : base;
}

static inline double formula_product(formula *f)
{
    double value = formula_power(f);
    for (;;) {
        if (formula_take(f, "*"))
            value *= formula_power(f);
        else if (formula_take(f, "/"))
            value /= formula_power(f);
        else
            return value;
    }
}

static inline double formula_sum(formula *f)
{
    double value = formula_product(f);
    for (;;) {
        if (formula_take(f, "+"))
            value += formula_product(f);
        else if (formula_take(f, "-"))
            value -= formula_product(f);
        else
            return value;
    }
}

static double formula_choice(formula *f)
{
    const double value = formula_sum(f);
    if (!formula_take(f, "if")) return value;
    const double left = formula_sum(f);
    const bool above = formula_take(f, ">");
    cr_assert(above || formula_take(f, "<"), "%s: '>' or '<' is missing at '%s'", f->text, f->at);
    const double right = formula_sum(f);
    cr_assert(formula_take(f, "else"), "%s: 'else' is missing at '%s'", f->text, f->at);
    const double other = formula_choice(f);
    return (above ? left > right : left < right) ? value : other;
}

static inline formula formula_of(const char *text)
{
    formula f = {.text = text};
    for (int i = 0; i < 26; ++i) f.values[i] = NAN;
    f.values['e' - 'a'] = exp(1);
    return f;
}

static inline double formula_value(formula *f)
{
    f->at = f->text;
    const double value = formula_choice(f);
    f->at += strspn(f->at, " ");
    cr_assert(*f->at == '\0', "%s: '%s' is left over", f->text, f->at);
    return value;
}

#endif
