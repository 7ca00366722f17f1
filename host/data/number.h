/* number.h - what one cell of a text file says: a number, nothing, or a text. */
#ifndef BP_DATA_NUMBER_H
#define BP_DATA_NUMBER_H

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>

#include "base/status.h"
#include "data/bytes8.h"

typedef enum bp__cell {
    BP__CELL_NUMBER,   /* a finite decimal number */
    BP__CELL_MISSING,  /* empty, ?, NA, NaN or null in any case */
    BP__CELL_INFINITE, /* inf, infinity, or digits beyond the range of a double */
    BP__CELL_TEXT
} bp__cell;

/* Numbers become the nearest double. Decimal points are points: call what follows between
 * bp__point_begin and bp__point_end. Hexadecimal numbers are texts. */

/* Reads text, which ends with '\0'. *value is set for numbers, and NAN otherwise. */
bp__cell bp__cell_read(const char *text, double *value);

/* mantissa / 10^places for places up to 22, where both are doubles, so that the one rounding is the
 * correct one (Clinger 1990), and arithmetic has no extra precision. */
extern const double bp__powers_of_ten[23];
static inline bool bp__exact_quotient(double *value, uint64_t mantissa, unsigned places)
{
    if (FLT_EVAL_METHOD != 0 || mantissa > (uint64_t)1 << 53) return false;
    *value = (double)mantissa / bp__powers_of_ten[places];
    return true;
}

/* Reads what most cells are: up to 8 digits, a point, up to 8 more. false for everything else. 24
 * bytes behind text may be looked at. */
static inline bool bp__cell_read_short(const char *text, double *value)
{
    static const uint32_t tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    const bool negative = *text == '-';
    unsigned whole, places = 0;
    const char *s = text + negative;
    uint64_t mantissa = bp__digits8(bp__load8(s), &whole), bits;
    s += whole;
    if (*s == '.') {
        const uint32_t fraction = bp__digits8(bp__load8(++s), &places);
        mantissa = mantissa * tens[places] + fraction;
        s += places;
    }
    if (*s != '\0' || whole == 0 || !bp__exact_quotient(value, mantissa, places)) return false;
    memcpy(&bits, value, sizeof bits); /* no branch: signs are hard to guess */
    bits |= (uint64_t)negative << 63;
    memcpy(value, &bits, sizeof bits);
    return true;
}

/* Whether no number, and no word for a missing one, starts with c: most texts are known by that. */
static inline bool bp__starts_text(char c)
{
    const unsigned char letter = (unsigned char)(c | 0x20);
    return letter > '?' && letter != 'n' && letter != 'i';
}

/* The same for text in a buffer that goes on after its '\0' up to end, which is faster: several
 * bytes are looked at together. */
bp__cell bp__cell_read_any(const char *text, const char *end, double *value);
static inline bp__cell bp__cell_read_within(const char *text, const char *end, double *value)
{
    enum { LONGEST = 24 }; /* what the short way looks at: a sign and three times eight bytes */
    if (bp__starts_text(*text)) {
        *value = (double)NAN;
        return BP__CELL_TEXT;
    }
    if (end - text > LONGEST && bp__cell_read_short(text, value)) return BP__CELL_NUMBER;
    return bp__cell_read_any(text, end, value);
}

/* Whether text is a missing value's. */
bool bp__is_missing(const char *text);

/* Reads the decimal number that *text starts with and moves *text past it: a number or infinite; or
 * BP__CELL_TEXT, where *text stays. The buffer goes on up to end, and has a '\0' before. */
bp__cell bp__number_scan(const char **text, const char *end, double *value);

/* Whether text would be a number if its one comma were a point. */
bool bp__is_comma_number(const char *text);

/* Makes strtod of this thread read points whatever the program's locale, and back. */
typedef struct bp__point {
    locale_t c, before;
} bp__point;
bp_status bp__point_begin(bp__point *point);
void bp__point_end(bp__point *point);

/* The shortest decimal that reads back as value; integers without a point. Returns out. */
const char *bp__number_text(char out[32], double value);

#endif
