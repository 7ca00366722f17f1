/* fann.c - FANN's training data: two arrays of doubles out of a text. */
#include "data/fann.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/number.h"
#include "data/scan.h"

/* ---- is it? ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Counts the words of the line at *s and moves *s to the next line; *whole: all are whole numbers,
 * *tabs: some are divided by tabs. */
static size_t count_words(const char **s, const char *end, bool *whole, bool *tabs)
{
    size_t words = 0;
    bool inside = false;
    for (; *s < end && **s != '\n' && **s != '\r'; ++*s) {
        bool blank = **s == ' ' || **s == '\t';
        *whole = *whole && (blank || is_digit(**s));
        *tabs = *tabs || **s == '\t';
        words += !blank && !inside;
        inside = !blank;
    }
    while (*s < end && (**s == '\n' || **s == '\r')) ++*s;
    return words;
}

bool bp__is_fann(const char *bytes, size_t size)
{
    const char *s = bytes, *end = bytes + size;
    bool whole = true, tabs = false, rest = true, rest_tabs = false;
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) s += 3;
    if (count_words(&s, end, &whole, &tabs) != 3 || !whole) return false;
    return !tabs || count_words(&s, end, &rest, &rest_tabs) != 3;
}

/* ---- reading ---- */

static bp_status read_count(bp__scan *scan, size_t *count, size_t least, const char *what)
{
    bp__scan_space(scan, true);
    const char *s = scan->next;
    *count = 0;
    for (; is_digit(*s) && *count <= UINT32_MAX; ++s) *count = *count * 10 + (size_t)(*s - '0');
    bool ends = *s == '\0' || strchr(" \t\v\f\r\n", *s);
    if (s == scan->next || !ends || *count > INT32_MAX || *count < least)
        return bp__scan_fail(scan, what);
    scan->next = s;
    return BP_OK;
}

/* An array of doubles in this machine's own order. */
static bp_status new_array(bp__array *out, size_t rows, size_t columns, const char *source)
{
    const uint16_t one = 1;
    *out = (bp__array){.type = BP__F64,
                       .big_endian = *(const unsigned char *)&one == 0,
                       .dimensions = 2,
                       .size = {rows, columns},
                       .count = rows * columns};
    BP_TRY(bp__copy_text(&out->source, source));
    return bp__new_array(&out->bytes, out->count, sizeof(double));
}

/* Anything but a plain number: missing, or wrong, or not there. */
static bp_status read_other(bp__scan *scan, double *value, const char *what, size_t k, size_t row)
{
    char expected[80];
    const char *format =
        scan->next < scan->end ? "a number (%s %zu of row %zu)" : "%s %zu of row %zu";
    snprintf(expected, sizeof expected, format, what, k + 1, row + 1);
    return bp__scan_number(scan, value, 0, expected);
}

static bp_status read_values(bp__scan *scan, double *out, size_t count, size_t row,
                             const char *what)
{
    for (size_t k = 0; k < count; ++k) {
        bp__scan_space(scan, true);
        if (!bp__scan_plain_number(scan, &out[k], 0))
            BP_TRY(read_other(scan, &out[k], what, k, row));
    }
    return BP_OK;
}

/* The header's promise, before anything is allocated by it: a number takes a digit and a blank. */
static bp_status check_promise(const bp__scan *scan, size_t rows, size_t inputs, size_t outputs)
{
    size_t numbers, left = (size_t)(scan->end - scan->next);
    if (bp__mul_size(&numbers, rows, inputs + outputs) && numbers <= left / 2) return BP_OK;
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: %zu rows of %zu inputs and %zu outputs are promised, which the "
                    "%zu bytes that follow cannot hold: the file is cut off, or not FANN's",
                    scan->source, scan->line, rows, inputs, outputs, left);
}

static bp_status read_rows(bp__arrays *out, bp__scan *scan)
{
    size_t rows = out->x.size[0], inputs = out->x.size[1], outputs = out->y.count / rows;
    double *x = (double *)(void *)out->x.bytes, *y = (double *)(void *)out->y.bytes;
    for (size_t r = 0; r < rows; ++r) {
        bp__scan_space(scan, true);
        out->line[r] = scan->line;
        BP_TRY(read_values(scan, x + r * inputs, inputs, r, "input"));
        if (outputs > 0) BP_TRY(read_values(scan, y + r * outputs, outputs, r, "output"));
    }
    bp__scan_space(scan, true);
    if (scan->next == scan->end) return BP_OK;
    return bp__scan_fail(scan, "the end of the file after all rows that the first line promises");
}

static bp_status parse(bp__arrays *out, bp__scan *scan)
{
    size_t rows, inputs, outputs;
    BP_TRY(read_count(scan, &rows, 1, "the number of rows"));
    BP_TRY(read_count(scan, &inputs, 1, "the number of inputs"));
    BP_TRY(read_count(scan, &outputs, 0, "the number of outputs"));
    BP_TRY(check_promise(scan, rows, inputs, outputs));
    BP_TRY(new_array(&out->x, rows, inputs, scan->source));
    if (outputs > 0) BP_TRY(new_array(&out->y, rows, outputs, scan->source));
    BP_TRY(bp__new_array(&out->line, rows, sizeof *out->line));
    out->own_targets = true;
    return read_rows(out, scan);
}

bp_status bp__fann_parse(bp__arrays *out, const char *bytes, size_t size, const char *source)
{
    bp__scan scan;
    bp__point point;
    memset(out, 0, sizeof *out);
    BP_TRY(bp__scan_begin(&scan, bytes, size, source));
    BP_TRY(bp__point_begin(&point));
    bp_status status = parse(out, &scan);
    bp__point_end(&point);
    if (status != BP_OK) bp__arrays_free(out, 1);
    return status;
}
