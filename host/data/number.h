/* number.h - what one cell of a text file says: a number, nothing, or a text. */
#ifndef BP_DATA_NUMBER_H
#define BP_DATA_NUMBER_H

#include <locale.h>
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

/* The same for text in a buffer that goes on after its '\0' up to end, which is faster: several
 * bytes are looked at together. */
bp__cell bp__cell_read_any(const char *text, const char *end, double *value);
static inline bp__cell bp__cell_read_within(const char *text, const char *end, double *value)
{
    /* Files of pictures and counts are full of short whole numbers. */
    if (end - text >= 8) {
        unsigned count;
        const uint32_t number = bp__digits8(bp__load8(text), &count);
        if (count > 0 && count < 8 && text[count] == '\0') {
            *value = number;
            return BP__CELL_NUMBER;
        }
    }
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
