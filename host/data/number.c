/* number.c - cells to numbers: an exact fast path for the decimals that files hold, strtod for the
 * rest. */
#include "data/number.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
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

bool bp__is_missing(const char *text)
{
    switch (*text) {
    case '\0': return true;
    case '?': return text[1] == '\0';
    case 'n':
    case 'N': return same_word(text, "na") || same_word(text, "nan") || same_word(text, "null");
    case '-': return same_word(text, "-nan");
    default: return false;
    }
}

static bp__cell read_word(const char *text)
{
    if (bp__is_missing(text)) return BP__CELL_MISSING;
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

/* Digits into d, of which 64 bits may hold only the first 19. Returns the first character after
 * them. */
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

/* Digits appended to *mantissa, which may wrap; returns the first character after them. Eight bytes
 * at once while they lie before end. */
static inline const char *append_digits(uint64_t *mantissa, const char *s, const char *end)
{
    static const uint32_t tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    unsigned count = 8;
    while (count == 8 && end - s >= 8) {
        const uint32_t digits = bp__digits8(bp__load8(s), &count);
        *mantissa = *mantissa * tens[count] + digits;
        s += count;
    }
    for (; count == 8 && is_digit(*s); ++s) *mantissa = *mantissa * 10 + (uint64_t)(*s - '0');
    return s;
}

/* Reads digits [point digits] into d; returns what follows, or NULL where there is no digit. Up to
 * 19 digits fit whatever they are; where there are more, the mantissa has wrapped and they are read
 * again. */
static inline const char *read_mantissa(decimal *d, const char *start, const char *end, char point)
{
    enum { FIT = 19 };
    uint64_t mantissa = 0;
    const char *s = append_digits(&mantissa, start, end), *fraction = NULL;
    ptrdiff_t digits = s - start;
    if (*s == point) {
        fraction = ++s;
        s = append_digits(&mantissa, s, end);
        digits += s - fraction;
        d->exponent = fraction - s;
    }
    d->mantissa = mantissa;
    if (digits <= FIT) return digits > 0 ? s : NULL;
    d->mantissa = 0;
    d->exponent = 0;
    s = read_digits(d, start, 0);
    return fraction ? read_digits(d, s + 1, 1) : s;
}

/* e [+-] digits at *s, which is moved past them; false where there is an e without digits. */
static bool read_exponent(decimal *d, const char **s)
{
    if (**s != 'e' && **s != 'E') return true;
    ++*s;
    bool down = **s == '-';
    if (**s == '+' || **s == '-') ++*s;
    if (!is_digit(**s)) return false;
    int64_t exponent = 0;
    /* Far beyond any double: more digits change nothing, and must not wrap. */
    for (; is_digit(**s); ++*s)
        if (exponent < INT64_C(1) << 40) exponent = exponent * 10 + (**s - '0');
    d->exponent += down ? -exponent : exponent;
    return true;
}

/* Reads [+-] digits [point digits] [e [+-] digits]; returns what follows, or NULL where text starts
 * with anything else. */
static inline const char *scan_decimal(decimal *d, const char *s, const char *end, char point)
{
    *d = (decimal){.exact = true, .negative = *s == '-'};
    s += (*s == '+') | (*s == '-'); /* no branch: signs are hard to guess */
    s = read_mantissa(d, s, end, point);
    return s && read_exponent(d, &s) ? s : NULL;
}

bool bp__is_comma_number(const char *text)
{
    decimal d;
    if (!strchr(text, ',')) return false;
    const char *end = scan_decimal(&d, text, text, ',');
    return end && *end == '\0';
}

/* ---- from decimal to double ---- */

/* Those that a double holds exactly. */
const double bp__powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static const double signs[] = {1, -1}; /* to multiply by: they are hard to guess */

#if defined(__SIZEOF_INT128__)
__extension__ typedef unsigned __int128 wide;
enum { MOST_FIVES = 27 }; /* 5^27 is below 2^63 */

static uint64_t power_of_five(int64_t exponent)
{
    uint64_t power = 1;
    for (; exponent >= 4; exponent -= 4) power *= 625;
    for (; exponent > 0; --exponent) power *= 5;
    return power;
}

/* n 2^exponent with n's highest bit at 62 or 63, and something more where rest is true, rounded to
 * the nearest double, to the even one of two; the result is neither subnormal nor infinite. */
static double round_to_double(uint64_t n, bool rest, int exponent)
{
    const int extra = n >> 63 ? 11 : 10; /* bits beyond 53 */
    const uint64_t below = n & ((UINT64_C(1) << extra) - 1), half = UINT64_C(1) << (extra - 1);
    uint64_t kept = n >> extra;
    kept += below > half || (below == half && (rest || (kept & 1)));
    uint64_t bits = (uint64_t)(exponent + extra + 1023) << 52; /* 2^(exponent + extra) */
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return (double)kept * scale; /* exact: kept has 53 bits at most, but for 2^53 itself */
}

/* mantissa 10^exponent by integers: 10^e is 5^e 2^e, and 128 bits hold the product, or what is to
 * be divided, as a whole. So the one rounding is the correct one. false where it is out of reach.
 */
static bool by_integers(double *value, const decimal *d)
{
    if (!d->exact || d->mantissa == 0 || d->exponent > MOST_FIVES || d->exponent < -MOST_FIVES)
        return false;
    const int up = __builtin_clzll(d->mantissa), exponent = (int)d->exponent;
    const uint64_t mantissa = d->mantissa << up;
    uint64_t five = power_of_five(exponent < 0 ? -exponent : exponent);
    const int five_up = __builtin_clzll(five);
    five <<= five_up;
    double result;
    if (exponent >= 0) {
        const wide product = (wide)mantissa * five; /* highest bit at 126 or 127 */
        result = round_to_double((uint64_t)(product >> 64), (uint64_t)product != 0,
                                 64 - up - five_up + exponent);
    } else {
        const wide dividend = (wide)mantissa << 63; /* the quotient is below 2^64, at least 2^62 */
        const uint64_t quotient = (uint64_t)(dividend / five);
        const bool rest = (wide)quotient * five != dividend;
        result = round_to_double(quotient, rest, five_up - up - 63 + exponent);
    }
    *value = result * signs[d->negative];
    return true;
}
#else
static bool by_integers(double *value, const decimal *d)
{
    (void)value;
    (void)d;
    return false;
}
#endif

/* The double nearest to d, which stands in text. */
static inline bp__cell value_of(double *value, const decimal *d, const char *text)
{
    /* Clinger 1990: both factors are exact doubles, so the one rounding is the correct one. It
     * needs arithmetic without extra precision. */
    if (FLT_EVAL_METHOD == 0 && d->exact && d->mantissa <= (uint64_t)1 << 53 &&
        d->exponent >= -22 && d->exponent <= 22) {
        double m = (double)d->mantissa;
        m = d->exponent < 0 ? m / bp__powers_of_ten[-d->exponent]
                            : m * bp__powers_of_ten[d->exponent];
        *value = m * signs[d->negative];
        return BP__CELL_NUMBER;
    }
    if (by_integers(value, d)) return BP__CELL_NUMBER;
    *value = strtod(text, NULL);
    if (isfinite(*value)) return BP__CELL_NUMBER;
    *value = NAN;
    return BP__CELL_INFINITE;
}

bp__cell bp__cell_read_any(const char *text, const char *end, double *value)
{
    decimal d;
    const char *after = scan_decimal(&d, text, end, '.');
    if (after && *after == '\0') return value_of(value, &d, text);
    *value = NAN;
    return read_word(text);
}

bp__cell bp__cell_read(const char *text, double *value)
{
    return bp__cell_read_any(text, text, value);
}

bp__cell bp__number_scan(const char **text, const char *end, double *value)
{
    decimal d;
    const char *start = *text, *after = scan_decimal(&d, start, end, '.');
    *value = NAN;
    if (!after) return BP__CELL_TEXT;
    *text = after;
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
