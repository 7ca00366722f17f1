/* csv_cut.c - cuts a piece of CSV into cells, in place: one pass over the bytes, one offset for
 * each cell, no allocation for any single cell. RFC 4180, with what files in the wild also have: a
 * byte order mark, LF or CR or CRLF, spaces around cells, blank lines at the end, no last newline.
 *
 * Cells without quotes are most of all: cut_plain_cells runs through them 64 bytes at a time, and
 * leaves what is not plain to cut_cell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/bytes8.h"
#include "data/csv.h"

typedef struct cutter {
    bp__csv_part *part;
    const bp__csv_rules *rules;
    char *next, *end;    /* nothing is looked at from end on */
    uint64_t offset;     /* of part->bytes in the file */
    size_t cells;        /* cut so far */
    size_t record_cells; /* of the record at hand */
    uint32_t line;       /* of next, from 1 */
    uint32_t blank_line; /* the first blank line that nothing has followed yet, or 0 */
} cutter;

/* ---- errors ---------------------------------------------------------------------------------- */

static bp_status fail_nul(const cutter *c, const char *at)
{
    const uint64_t offset = c->offset + (uint64_t)(at - c->part->bytes);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: a NUL byte at byte offset %llu; a text file was "
                    "expected (a spreadsheet or UTF-16 file must be saved as CSV in UTF-8)",
                    c->part->source, c->line, (unsigned long long)offset);
}

static bp_status fail_ragged(const cutter *c, size_t found)
{
    const bp__csv_part *part = c->part;
    const bp__csv_rules *rules = c->rules;
    char name[8] = {'"', part->delimiter, '"', 0}, as[160];
    if (rules->columns_line > 0)
        snprintf(as, sizeof as, "on line %u", rules->columns_line);
    else if (part->records > 0 || !rules->as_file)
        snprintf(as, sizeof as, "on line %u", part->line[0]);
    else
        snprintf(as, sizeof as, "in %.140s", rules->as_file);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: %zu cells found, %zu expected as %s (the delimiter is %s)",
                    part->source, part->line[part->records], found, part->columns, as,
                    part->delimiter == '\t' ? "tab" : name);
}

static bp_status fail_blank(const cutter *c)
{
    return bp__fail(BP_ERROR_DATA, "%s, line %u: a blank line in the middle of the data; remove it",
                    c->part->source, c->blank_line);
}

/* ---- records --------------------------------------------------------------------------------- */

static inline bool is_space(const cutter *c, char byte)
{
    return bp__csv_is_space(byte, c->part->delimiter);
}

/* Space for `needed` elements, of which there are `count` where the piece is cut up to at: as many
 * as all of the piece may have, so that space is asked for twice and not twenty times. */
static bp_status grow(const cutter *c, uint32_t **array, size_t *capacity, size_t count,
                      size_t needed, const char *at)
{
    enum { FIRST = 1024 };
    const double done = (double)(at - c->part->bytes), size = (double)c->part->size;
    size_t likely = done > 0 ? (size_t)((double)count * (size / done) * 1.0625) : 0;
    if (likely < FIRST && c->part->size > FIRST) likely = FIRST;
    return bp__grow(array, capacity, needed + likely, sizeof **array);
}

/* Room for some cells more from at on, each of which may begin a record. */
static inline bp_status make_room(cutter *c, size_t cells, const char *at)
{
    bp__csv_part *part = c->part;
    if (c->cells + cells > part->cell_capacity)
        BP_TRY(grow(c, &part->cell, &part->cell_capacity, c->cells, c->cells + cells, at));
    if (part->records + cells <= part->line_capacity) return BP_OK;
    return grow(c, &part->line, &part->line_capacity, part->records, part->records + cells, at);
}

/* The record's cells go on up to `behind`; begin is the line on which the first of them stands. */
static inline void note_cells(cutter *c, const uint32_t *behind, uint32_t begin)
{
    bp__csv_part *part = c->part;
    const size_t count = (size_t)(behind - part->cell) - c->cells;
    if (c->record_cells == 0 && count > 0) part->line[part->records] = begin;
    c->record_cells += count;
    c->cells += count;
}

static bp_status end_record(cutter *c)
{
    bp__csv_part *part = c->part;
    const size_t found = c->record_cells;
    c->record_cells = 0;
    if (part->columns == 0) part->columns = found;
    if (c->blank_line) return fail_blank(c);
    if (found > BP__COLUMNS_LIMIT && part->records == 0)
        return bp__fail(BP_ERROR_DATA,
                        "%s, line %u: %zu columns, at most %zu can be read; is the "
                        "table transposed?",
                        part->source, part->line[0], found, BP__COLUMNS_LIMIT);
    if (found != part->columns) return fail_ragged(c, found);
    ++part->records;
    return BP_OK;
}

/* Past a line's end if there is one at next; CRLF counts as one. */
static bool skip_newline(cutter *c)
{
    if (c->next == c->end || (*c->next != '\r' && *c->next != '\n')) return false;
    const bool carriage = *c->next == '\r';
    ++c->next;
    if (carriage && c->next < c->end && *c->next == '\n') ++c->next;
    ++c->line;
    return true;
}

static void skip_spaces(cutter *c)
{
    while (c->next < c->end && is_space(c, *c->next)) ++c->next;
}

static bool skip_blank_line(cutter *c)
{
    char *s = c->next;
    while (s < c->end && is_space(c, *s)) ++s;
    if (s < c->end && *s != '\n' && *s != '\r') return false;
    if (c->blank_line == 0) c->blank_line = c->line;
    c->next = s;
    skip_newline(c);
    return true;
}

/* ---- any cell -------------------------------------------------------------------------------- */

static bool ends_cell(const cutter *c, const char *s)
{
    return s == c->end || *s == c->part->delimiter || *s == '\n' || *s == '\r';
}

/* The first quote or control character in [s, end), line ends and NUL among these, or end. */
static char *find_quote(char *s, const char *end)
{
    const bp__bytes8 below = bp__repeat8(' '), quotes = bp__repeat8('"');
    for (; end - s >= 8; s += 8) {
        const bp__bytes8 stops = bp__stops8(bp__load8(s), below, quotes);
        if (stops) return s + bp__before8(stops);
    }
    while (s < end && *s != '"' && (unsigned char)*s >= ' ') ++s;
    return s;
}

/* From after an opening quote to after the closing one. The content moves to the front of the cell,
 * since doubled quotes shrink; *stop is where it ends and its '\0' belongs. */
static bp_status cut_quoted(cutter *c, char **stop)
{
    const uint32_t opened = c->line;
    char *out = c->next, *s = c->next;
    for (;; ++s) {
        char *plain = s;
        s = find_quote(s, c->end);
        if (out != plain) memmove(out, plain, (size_t)(s - plain));
        out += s - plain;
        if (s == c->end)
            return bp__fail(BP_ERROR_DATA, "%s, line %u: a quote opens here and is never closed",
                            c->part->source, opened);
        const bool more = s + 1 < c->end;
        if (*s == '"') {
            if (!more || s[1] != '"') break;
            ++s;
        } else if (*s == '\0') {
            return fail_nul(c, s);
        } else if (*s == '\n' || (*s == '\r' && !(more && s[1] == '\n'))) {
            ++c->line;
        }
        *out++ = *s;
    }
    c->next = s + 1;
    *stop = out;
    skip_spaces(c);
    if (ends_cell(c, c->next)) return BP_OK;
    if (*c->next == '\0') return fail_nul(c, c->next);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: \"%c\" after a closing quote; a quote inside quotes "
                    "is written twice",
                    c->part->source, c->line, *c->next);
}

/* To the delimiter or line end behind the cell. */
static bp_status cut_unquoted(cutter *c, char **stop)
{
    char *start = c->next, *s = start;
    while (!ends_cell(c, s) && *s != '\0') ++s;
    if (s < c->end && *s == '\0') return fail_nul(c, s);
    c->next = s;
    while (s > start && is_space(c, s[-1])) --s;
    *stop = s;
    return BP_OK;
}

/* One cell, whatever it is, and the end of the record where it is the last. */
static bp_status cut_cell(cutter *c)
{
    BP_TRY(make_room(c, 1, c->next));
    const uint32_t line = c->line;
    skip_spaces(c);
    char *start = c->next, *stop = NULL;
    const bool quoted = start < c->end && *start == '"';
    if (quoted) {
        ++start;
        ++c->next;
        BP_TRY(cut_quoted(c, &stop));
    } else {
        BP_TRY(cut_unquoted(c, &stop));
    }
    c->part->cell[c->cells] = (uint32_t)(start - c->part->bytes);
    note_cells(c, c->part->cell + c->cells + 1, line);
    const bool more = c->next < c->end && *c->next == c->part->delimiter;
    if (more)
        ++c->next;
    else
        skip_newline(c);
    /* Only now: it may be the delimiter's or the line end's own place. Behind the text's last byte
     * is a '\0' already, or another piece. */
    if (stop < c->end) *stop = '\0';
    return more ? BP_OK : end_record(c);
}

/* ---- plain cells ----------------------------------------------------------------------------- */

/* Of the stops behind the lowest, which is an opening quote: the closing one, if there is nothing
 * before it that cut_quoted is for. The stops up to it are cleared. */
static inline char *close_in_group(char *group, uint64_t *stops)
{
    for (*stops &= *stops - 1; *stops; *stops &= *stops - 1) {
        char *s = group + bp__lowest_bit(*stops);
        if (*s == '"') return s;
        if ((unsigned char)*s < ' ') return NULL;
    }
    return NULL;
}

/* The record's last cell, from next to its line end s, becomes *cell. */
static bp_status end_plain_record(cutter *c, uint32_t *cell, char *s)
{
    *cell = (uint32_t)(c->next - c->part->bytes);
    note_cells(c, cell + 1, c->line);
    c->next = s;
    skip_newline(c);
    *s = '\0';
    return end_record(c);
}

/* Cells without blanks or NUL bytes at their ends, in quotes at most if these are simple, whole
 * records of them where there are, up to one that is not like that, or the last bytes. */
static bp_status cut_plain_cells(cutter *c)
{
    enum { GROUP = 64 };
    const char delimiter = c->part->delimiter, *bytes = c->part->bytes;
    const bp__bytes8 below = bp__repeat8('"' + 1), delimiters = bp__repeat8(delimiter);
    char *start = c->next, *end = c->end;
    for (char *group = start; end - group >= GROUP; group += GROUP) {
        BP_TRY(make_room(c, GROUP, group));
        uint32_t *cell = c->part->cell + c->cells; /* what a cell changes stays in registers */
        uint64_t stops = bp__stops64(group, below, delimiters);
        for (; stops; stops &= stops - 1) {
            char *s = group + bp__lowest_bit(stops);
            if (s < start) continue; /* the second half of CRLF, the delimiter behind a quote */
            if (*s == delimiter && (s == start || !bp__csv_is_space(s[-1], delimiter))) {
                *s = '\0';
                *cell++ = (uint32_t)(start - bytes);
                start = s + 1;
                continue;
            }
            char *close = *s == '"' && s == start ? close_in_group(group, &stops) : NULL;
            if (close && close + 1 < end && close[1] == delimiter) {
                *close = '\0';
                *cell++ = (uint32_t)(start + 1 - bytes);
                start = close + 2;
                continue;
            }
            note_cells(c, cell, c->line);
            c->next = start;
            if (*s == '\n' || *s == '\r') {
                if (s > start ? is_space(c, s[-1]) : c->record_cells == 0) return BP_OK;
                BP_TRY(end_plain_record(c, cell++, s));
                start = c->next;
            } else if (s == start || *s == '\0' || *s == delimiter) {
                return BP_OK;
            }
        }
        note_cells(c, cell, c->line);
    }
    c->next = start;
    return BP_OK;
}

/* ---- the piece ------------------------------------------------------------------------------- */

static bp_status cut_all(cutter *c)
{
    while (c->next < c->end || c->record_cells > 0) {
        if (c->record_cells == 0 && skip_blank_line(c)) continue;
        BP_TRY(cut_cell(c));
        BP_TRY(cut_plain_cells(c));
    }
    return BP_OK;
}

bp_status bp__csv_cut(bp__csv_part *part, const bp__csv_place *place, const bp__csv_rules *rules)
{
    cutter c = {.part = part,
                .rules = rules,
                .next = part->bytes + bp__csv_mark(place, part->bytes, part->size),
                .end = part->bytes + part->size,
                .offset = place->offset,
                .line = place->line,
                .blank_line = place->blank_line};
    if (part->size > BP__CSV_LIMIT)
        return bp__fail(BP_ERROR_DATA, "%s, line %u: the record is longer than %zu bytes",
                        part->source, place->line, BP__CSV_LIMIT);
    part->records = 0;
    part->columns = rules->columns;
    return cut_all(&c);
}

void bp__csv_part_clear(bp__csv_part *part)
{
    free(part->cell);
    free(part->line);
    *part = (bp__csv_part){.bytes = NULL};
}
