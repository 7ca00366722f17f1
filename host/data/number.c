/* number.c - cells to numbers: an exact fast path for the decimals that files hold, strtod for the
 * rest. */
#include "data/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Compares with a word in lower case, letters' case ignored, ASCII only: no locale. */
static bool same_word(const char *text, const char *lower)
{
    for (; *lower; ++text, ++lower) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + ('a' - 'A')) : *text;
        if (c != *lower) return false;
    }
    return *text == '\0';
}

static bp__cell read_word(const char *text)
{
    if (text[0] == '\0' || same_word(text, "?") || same_word(text, "na") ||
        same_word(text, "nan") || same_word(text, "-nan") || same_word(text, "null"))
        return BP__CELL_MISSING;
    if (*text == '+' || *text == '-') ++text;
    return same_word(text, "inf") || same_word(text, "infinity") ? BP__CELL_INFINITE
                                                                 : BP__CELL_TEXT;
}

/* A decimal as mantissa * 10^exponent; exact where no digit was dropped. */
typedef struct decimal {
    uint64_t mantissa;
    int64_t exponent;
    bool exact, negative;
} decimal;

/* Digits into d; 19 of them always fit into 64 bits. Returns the first character after them. */
static const char *read_digits(decimal *d, const char *s, int after_point)
{
    for (; is_digit(*s); ++s) {
        if (d->mantissa < 1000000000000000000u) {
            d->mantissa = d->mantissa * 10 + (uint64_t)(*s - '0');
            d->exponent -= after_point;
        } else {
            d->exact = d->exact && *s == '0';
            d->exponent += 1 - after_point;
        }
    }
    return s;
}

/* Reads [+-] digits [point digits] [e [+-] digits]; returns what follows, or NULL where text starts
 * with anything else. */
static const char *scan_decimal(decimal *d, const char *s, char point)
{
    *d = (decimal){.exact = true, .negative = *s == '-'};
    if (*s == '+' || *s == '-') ++s;
    const char *start = s;
    s = read_digits(d, s, 0);
    size_t digits = (size_t)(s - start);
    if (*s == point) {
        start = ++s;
        s = read_digits(d, s, 1);
        digits += (size_t)(s - start);
    }
    if (digits == 0) return NULL;
    if (*s == 'e' || *s == 'E') {
        ++s;
        bool down = *s == '-';
        if (*s == '+' || *s == '-') ++s;
        if (!is_digit(*s)) return NULL;
        int64_t exponent = 0;
        /* Far beyond any double: more digits change nothing, and must not wrap. */
        for (; is_digit(*s); ++s)
            if (exponent < INT64_C(1) << 40) exponent = exponent * 10 + (*s - '0');
        d->exponent += down ? -exponent : exponent;
    }
    return s;
}

/* The whole text. */
static bool read_decimal(decimal *d, const char *text, char point)
{
    const char *end = scan_decimal(d, text, point);
    return end && *end == '\0';
}

bool bp__is_comma_number(const char *text)
{
    decimal d;
    return strchr(text, ',') && read_decimal(&d, text, ',');
}

/* Powers of ten that a double holds exactly. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Files of pictures and counts are full of short integers: these skip everything else. */
static bool read_short_integer(const char *text, double *value)
{
    enum { SHORT = 9 };
    uint32_t number = 0;
    const char *s = text;
    for (; is_digit(*s) && s - text < SHORT; ++s) number = number * 10 + (uint32_t)(*s - '0');
    *value = number;
    return *s == '\0' && s > text;
}

/* The double nearest to d, which stands in text. */
static bp__cell value_of(double *value, const decimal *d, const char *text)
{
    /* Clinger 1990: both factors are exact doubles, so the one rounding is the correct one. It
     * needs arithmetic without extra precision. */
    if (FLT_EVAL_METHOD == 0 && d->exact && d->mantissa <= (uint64_t)1 << 53 &&
        d->exponent >= -22 && d->exponent <= 22) {
        double m = (double)d->mantissa;
        m = d->exponent < 0 ? m / powers[-d->exponent] : m * powers[d->exponent];
        *value = d->negative ? -m : m;
        return BP__CELL_NUMBER;
    }
    *value = strtod(text, NULL);
    if (isfinite(*value)) return BP__CELL_NUMBER;
    *value = NAN;
    return BP__CELL_INFINITE;
}

bp__cell bp__cell_read(const char *text, double *value)
{
    decimal d;
    if (read_short_integer(text, value)) return BP__CELL_NUMBER;
    if (read_decimal(&d, text, '.')) return value_of(value, &d, text);
    *value = NAN;
    return read_word(text);
}

bp__cell bp__number_scan(const char **text, double *value)
{
    decimal d;
    const char *start = *text, *end = scan_decimal(&d, start, '.');
    *value = NAN;
    if (!end) return BP__CELL_TEXT;
    *text = end;
    return value_of(value, &d, start);
}

bp_status bp__point_begin(bp__point *point)
{
    point->before = (locale_t)0;
    point->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (point->c == (locale_t)0) return bp__fail(BP_ERROR_MEMORY, "no memory for a locale");
    point->before = uselocale(point->c);
    return BP_OK;
}

void bp__point_end(bp__point *point)
{
    uselocale(point->before);
    freelocale(point->c);
}

const char *bp__number_text(char out[32], double value)
{
    if (value == floor(value) && fabs(value) < 1e15) {
        snprintf(out, 32, "%.0f", value == 0 ? 0.0 : value); /* -0 is 0 */
        return out;
    }
    bp__point point;
    bool have_point = bp__point_begin(&point) == BP_OK;
    for (int digits = 1; digits <= 17; ++digits) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value) break;
    }
    if (have_point) bp__point_end(&point);
    return out;
}
