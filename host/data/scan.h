/* scan.h - text files of numbers between white space, read from front to end; errors name line and
 * column. */
#ifndef BP_DATA_SCAN_H
#define BP_DATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct bp__scan {
    const char *source;     /* borrowed */
    const char *next, *end; /* *end is '\0', or end[-1] a line end */
    const char *line_start;
    uint32_t line; /* of next, from 1 */
} bp__scan;

/* bytes[size], followed by a '\0', must outlive the scan. A byte order mark is skipped;
 * BP_ERROR_DATA where there are NUL bytes. */
bp_status bp__scan_begin(bp__scan *scan, const char *bytes, size_t size, const char *source);

/* *lines = the next lines of scan, step bytes of them or up to a line more, as a scan of their own;
 * scan moves behind them. false at the end. */
bool bp__scan_lines(bp__scan *lines, bp__scan *scan, size_t step);

/* How many lines end in [s, end): with LF, CR or CRLF. */
uint32_t bp__count_lines(const char *s, const char *end);

/* Past blanks; newlines: past line ends as well. */
void bp__scan_space(bp__scan *scan, bool newlines);

/* At the end of a line or of the file. */
bool bp__scan_at_line_end(const bp__scan *scan);

/* Reads a number that ends at white space, `stop` (0: none) or the end. Words for missing values
 * are NAN. what: "a label", for the message. Between bp__point_begin and bp__point_end. */
bp_status bp__scan_number(bp__scan *scan, double *value, char stop, const char *what);

/* The same for a finite decimal alone: false where anything else is next, which is not read. */
bool bp__scan_plain_number(bp__scan *scan, double *value, char stop);

/* BP_ERROR_DATA: "FILE, line L, column C: "TOKEN" found, WHAT was expected". */
bp_status bp__scan_fail(const bp__scan *scan, const char *what);
/* The same with a text of its own; at: where in the bytes. */
bp_status bp__scan_fail_at(const bp__scan *scan, const char *at, const char *format, ...)
    BP__PRINTF(3, 4);

#endif
