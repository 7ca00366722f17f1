/* number.h - what one cell of a text file says: a number, nothing, or a text. */
#ifndef BP_DATA_NUMBER_H
#define BP_DATA_NUMBER_H

#include <locale.h>
#include <stdbool.h>

#include "base/status.h"

typedef enum bp__cell {
    BP__CELL_NUMBER,   /* a finite decimal number */
    BP__CELL_MISSING,  /* empty, ?, NA, NaN or null in any case */
    BP__CELL_INFINITE, /* inf, infinity, or digits beyond the range of a double */
    BP__CELL_TEXT
} bp__cell;

/* Reads text, which ends with '\0'. *value is set for numbers, and NAN otherwise. Decimal points
 * are points: call it between bp__point_begin and bp__point_end. Hexadecimal numbers are texts. */
bp__cell bp__cell_read(const char *text, double *value);

/* Reads the decimal number that *text starts with and moves *text past it: a number or infinite; or
 * BP__CELL_TEXT, where *text stays. Also between bp__point_begin and bp__point_end. */
bp__cell bp__number_scan(const char **text, double *value);

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
