/* scan.c - text files of numbers between white space. */
#include "data/scan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "data/data.h"
#include "data/number.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

bp_status bp__scan_begin(bp__scan *scan, const char *bytes, size_t size, const char *source)
{
    *scan = (bp__scan){
        .source = source, .next = bytes, .end = bytes + size, .line_start = bytes, .line = 1};
    if (size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) scan->next += 3;
    const char *nul = memchr(bytes, 0, size);
    if (!nul) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s: a NUL byte at byte offset %zu; a text file was expected",
                    source, (size_t)(nul - bytes));
}

uint32_t bp__count_lines(const char *s, const char *end)
{
    uint32_t lines = 0;
    if (!memchr(s, '\r', (size_t)(end - s))) {
        for (; (s = memchr(s, '\n', (size_t)(end - s))) != NULL; ++s) ++lines;
        return lines;
    }
    for (; s < end; ++s) lines += *s == '\n' || (*s == '\r' && (s + 1 == end || s[1] != '\n'));
    return lines;
}

bool bp__scan_lines(bp__scan *lines, bp__scan *scan, size_t step)
{
    const size_t left = (size_t)(scan->end - scan->next);
    if (left == 0) return false;
    const char *from = scan->next + step - 1;
    const char *newline = step < left ? memchr(from, '\n', left - step + 1) : NULL;
    *lines = *scan;
    if (newline) lines->end = newline + 1;
    if (lines->end < scan->end) scan->line += bp__count_lines(scan->next, lines->end);
    scan->next = scan->line_start = lines->end;
    return true;
}

void bp__scan_space(bp__scan *scan, bool newlines)
{
    for (;; ++scan->next) {
        char c = *scan->next;
        if (is_blank(c) || (c == '\r' && scan->next[1] == '\n')) continue;
        if (!newlines || !is_line_end(c)) return;
        ++scan->line;
        scan->line_start = scan->next + 1;
    }
}

bool bp__scan_at_line_end(const bp__scan *scan)
{
    return *scan->next == '\0' || is_line_end(*scan->next);
}

bp_status bp__scan_fail_at(const bp__scan *scan, const char *at, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return bp__fail(BP_ERROR_DATA, "%s, line %u, column %zu: %s", scan->source, scan->line,
                    (size_t)(at - scan->line_start) + 1, text);
}

bp_status bp__scan_fail(const bp__scan *scan, const char *what)
{
    char token[64], shown[64];
    size_t length = 0;
    while (length < sizeof token - 1 && scan->next[length] && !is_blank(scan->next[length]) &&
           !is_line_end(scan->next[length])) {
        token[length] = scan->next[length];
        ++length;
    }
    token[length] = '\0';
    if (*scan->next == '\0')
        return bp__scan_fail_at(scan, scan->next, "the file ends here, %s was expected", what);
    if (length == 0)
        return bp__scan_fail_at(scan, scan->next, "the line ends here, %s was expected", what);
    return bp__scan_fail_at(scan, scan->next, "\"%s\" found, %s was expected",
                            bp__shown(shown, token), what);
}

static bool ends(char c, char stop)
{
    return c == '\0' || is_blank(c) || is_line_end(c) || (stop && c == stop);
}

/* A token that is not a decimal: a word for a missing value, or wrong. */
static bp_status read_word(bp__scan *scan, double *value, char stop, const char *what)
{
    enum { LONGEST = 16 };
    char word[LONGEST + 1];
    size_t length = 0;
    while (length < LONGEST && !ends(scan->next[length], stop)) {
        word[length] = scan->next[length];
        ++length;
    }
    word[length] = '\0';
    if (length == 0 || !ends(scan->next[length], stop)) return bp__scan_fail(scan, what);
    switch (bp__cell_read(word, value)) {
    case BP__CELL_MISSING: scan->next += length; return BP_OK;
    case BP__CELL_INFINITE:
        return bp__scan_fail_at(scan, scan->next, "\"%s\" is not a finite number", word);
    default: return bp__scan_fail(scan, what);
    }
}

bool bp__scan_plain_number(bp__scan *scan, double *value, char stop)
{
    const char *at = scan->next;
    if (bp__number_scan(&at, scan->end, value) != BP__CELL_NUMBER || !ends(*at, stop)) return false;
    scan->next = at;
    return true;
}

bp_status bp__scan_number(bp__scan *scan, double *value, char stop, const char *what)
{
    const char *at = scan->next;
    if (bp__scan_plain_number(scan, value, stop)) return BP_OK;
    if (bp__number_scan(&at, scan->end, value) == BP__CELL_INFINITE && ends(*at, stop))
        return bp__scan_fail_at(scan, scan->next, "the number is beyond the range of a double");
    return read_word(scan, value, stop, what);
}
