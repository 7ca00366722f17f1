/* csv_pieces.c - where a text of CSV can be cut into pieces of whole records, and what a piece has
 * to know of those before it. Only quotes and line ends are looked at here: csv_cut.c cuts the
 * cells and finds what is wrong, with the same idea of where a quote opens. */
#include <string.h>

#include "data/csv.h"
#include "data/scan.h"

size_t bp__csv_mark(const bp__csv_place *place, const char *bytes, size_t size)
{
    return place->line == 1 && size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* The quote that closes the one before s; NULL where it has not come, or may be the first half of a
 * doubled one. */
static const char *closing_quote(const char *s, const char *end)
{
    for (;;) {
        s = s < end ? memchr(s, '"', (size_t)(end - s)) : NULL;
        if (!s || s + 1 == end) return NULL;
        if (s[1] != '"') return s;
        s += 2;
    }
}

/* Whether a cell can start at s: behind a line end or a delimiter, or blanks after one, none of
 * which lies before `begin`. */
static bool starts_cell(const char *s, const char *begin, bool at_start, char delimiter)
{
    while (s > begin && bp__csv_is_space(s[-1], delimiter)) --s;
    if (s == begin) return at_start;
    return s[-1] == delimiter || s[-1] == '\n' || s[-1] == '\r';
}

/* Behind the last line end in [begin, stop), where the text goes on up to end; NULL if there is
 * none. A CR at the very end may be half of CRLF. */
static const char *last_line_end(const char *begin, const char *stop, const char *end)
{
    for (const char *s = stop; s > begin; --s) {
        if (s[-1] == '\n') return s;
        if (s[-1] == '\r' && s < end && *s != '\n') return s;
    }
    return NULL;
}

size_t bp__csv_whole_records(const bp__csv_place *place, const char *bytes, size_t size,
                             char delimiter)
{
    const char *end = bytes + size, *s = bytes + bp__csv_mark(place, bytes, size), *found = NULL;
    bool at_start = true; /* of a cell, at s */
    for (const char *from = s; from;) {
        const char *quote = memchr(from, '"', (size_t)(end - from));
        const bool opens = quote && starts_cell(quote, s, at_start, delimiter);
        if (quote && !opens) { /* inches */
            from = quote + 1;
            continue;
        }
        const char *line_end = last_line_end(s, quote ? quote : end, end);
        if (line_end) found = line_end;
        const char *close = quote ? closing_quote(quote + 1, end) : NULL;
        s = from = close ? close + 1 : NULL;
        at_start = false;
    }
    return found ? (size_t)(found - bytes) : 0;
}

void bp__csv_place_past(bp__csv_place *place, const char *bytes, size_t size, char delimiter)
{
    const char *begin = bytes + bp__csv_mark(place, bytes, size), *end = bytes + size, *s = end;
    const uint32_t line = place->line + bp__count_lines(bytes, end);
    while (s > begin && (s[-1] == '\n' || s[-1] == '\r' || bp__csv_is_space(s[-1], delimiter))) --s;
    if (s == begin) { /* nothing but blank lines */
        if (place->blank_line == 0 && size > 0) place->blank_line = place->line;
    } else {
        /* The first line end is the last record's. */
        const uint32_t ends = bp__count_lines(s, end);
        place->blank_line = ends > 1 ? line - (ends - 1) : 0;
    }
    place->line = line;
    place->offset += size;
}

bool bp__csv_next_piece(bp__csv_piece *piece, bp__csv_text *text)
{
    const size_t left = text->size - text->at;
    char *bytes = text->bytes + text->at;
    if (left == 0) return false;
    size_t size = text->step;
    for (size_t whole = 0; size < left && whole == 0; size = whole ? whole : 2 * size)
        whole = bp__csv_whole_records(&text->place, bytes, size, text->delimiter);
    if (size > left) size = left;
    *piece = (bp__csv_piece){.bytes = bytes, .size = size, .place = text->place};
    text->at += size;
    if (size < left) bp__csv_place_past(&text->place, bytes, size, text->delimiter);
    return true;
}
