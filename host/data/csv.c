/* csv.c - cuts a CSV file into cells, in place: one pass over the bytes, one offset for each cell,
 * no allocation for any single cell. RFC 4180, with what files in the wild also have: a byte order
 * mark, LF or CR or CRLF, spaces around cells, blank lines at the end, no last newline. */
#include "data/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/bytes8.h"

typedef struct cutter {
    bp__csv *csv;
    bp__csv_part *part; /* the last one */
    char *next, *end;   /* *end is '\0' */
    size_t cells, cell_capacity, line_capacity;
    uint32_t line;         /* of next, from 1 */
    uint32_t blank_line;   /* the first blank line that nothing has followed yet, or 0 */
    bp__bytes8 delimiter8; /* eight times */
} cutter;

static bool is_space(const cutter *c, char byte)
{
    return byte == ' ' || (byte == '\t' && c->part->delimiter != '\t');
}

static bp_status fail_nul(const cutter *c)
{
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: a NUL byte at byte offset %zu; a text file was "
                    "expected (a spreadsheet or UTF-16 file must be saved as CSV in UTF-8)",
                    c->part->source, c->line, (size_t)(c->next - c->part->bytes));
}

/* Past a line's end if there is one at next; CRLF counts as one. */
static bool skip_newline(cutter *c)
{
    if (*c->next == '\r') {
        ++c->next;
        if (*c->next == '\n') ++c->next;
    } else if (*c->next == '\n') {
        ++c->next;
    } else {
        return false;
    }
    ++c->line;
    return true;
}

/* From after an opening quote to after the closing one. The content moves to the front of the cell,
 * since doubled quotes shrink; *stop is where it ends and its '\0' belongs. */
static bp_status cut_quoted(cutter *c, char **stop)
{
    uint32_t opened = c->line;
    char *out = c->next;
    for (;;) {
        char byte = *c->next;
        if (byte == '"') {
            if (c->next[1] != '"') break;
            ++c->next;
        } else if (byte == '\0') {
            if (c->next < c->end) return fail_nul(c);
            return bp__fail(BP_ERROR_DATA, "%s, line %u: a quote opens here and is never closed",
                            c->part->source, opened);
        } else if (byte == '\n' || (byte == '\r' && c->next[1] != '\n')) {
            ++c->line;
        }
        *out++ = byte;
        ++c->next;
    }
    ++c->next;
    *stop = out;
    while (is_space(c, *c->next)) ++c->next;
    char byte = *c->next;
    if (byte == c->part->delimiter || byte == '\n' || byte == '\r' || c->next == c->end)
        return BP_OK;
    if (byte == '\0') return fail_nul(c);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: \"%c\" after a closing quote; a quote inside quotes "
                    "is written twice",
                    c->part->source, c->line, byte);
}

static bool is_stop(const cutter *c, char byte)
{
    return byte == c->part->delimiter || byte == '\n' || byte == '\r' || byte == '\0';
}

/* The first byte from s on that ends a cell without quotes. */
static char *find_stop(const cutter *c, char *s)
{
    const bp__bytes8 newline = bp__repeat8('\n'), carriage = bp__repeat8('\r');
    for (; c->end - s >= 8; s += 8) {
        const bp__bytes8 bytes = bp__load8(s);
        const bp__bytes8 stops = bp__equal8(bytes, c->delimiter8) | bp__equal8(bytes, newline) |
                                 bp__equal8(bytes, carriage) | bp__zeros8(bytes);
        if (stops) return s + bp__before8(stops);
    }
    while (!is_stop(c, *s)) ++s;
    return s;
}

/* To the delimiter or newline that ends the cell. */
static bp_status cut_plain(cutter *c, char **stop)
{
    char *start = c->next, *s = find_stop(c, start);
    c->next = s;
    if (*s == '\0' && s < c->end) return fail_nul(c);
    while (s > start && is_space(c, s[-1])) --s;
    *stop = s;
    return BP_OK;
}

/* One record into cells; next is then after its newline. */
static bp_status cut_record(cutter *c)
{
    bp__csv_part *part = c->part;
    for (;;) {
        while (is_space(c, *c->next)) ++c->next;
        char *start = c->next, *stop = NULL;
        if (*start == '"') {
            ++start;
            ++c->next;
            BP_TRY(cut_quoted(c, &stop));
        } else {
            BP_TRY(cut_plain(c, &stop));
        }
        if (c->cells == c->cell_capacity)
            BP_TRY(bp__grow(&part->cell, &c->cell_capacity, c->cells + 1, sizeof *part->cell));
        part->cell[c->cells++] = (uint32_t)(start - part->bytes);
        bool more = *c->next == part->delimiter;
        if (more)
            ++c->next;
        else
            skip_newline(c);
        *stop = '\0'; /* only now: it may be the delimiter's or the newline's own place */
        if (!more) return BP_OK;
    }
}

static bool skip_blank_line(cutter *c)
{
    char *s = c->next;
    while (*s == ' ' || (*s == '\t' && c->part->delimiter != '\t')) ++s;
    if (*s != '\n' && *s != '\r' && s != c->end) return false;
    if (c->blank_line == 0) c->blank_line = c->line;
    c->next = s;
    skip_newline(c);
    return true;
}

static bp_status fail_ragged(const cutter *c, size_t found)
{
    const bp__csv_part *part = c->part, *first = c->csv->parts;
    char name[8] = {'"', part->delimiter, '"', 0}, as[160];
    if (c->csv->columns_line > 0)
        snprintf(as, sizeof as, "on line %u", c->csv->columns_line);
    else if (part->records > 0 || part == first)
        snprintf(as, sizeof as, "on line %u", part->line[0]);
    else
        snprintf(as, sizeof as, "in %.140s", first->source);
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u: %zu cells found, %zu expected as %s (the delimiter is %s)",
                    part->source, part->line[part->records], found, c->csv->sheet.columns, as,
                    part->delimiter == '\t' ? "tab" : name);
}

static bp_status check_record(const cutter *c, size_t found)
{
    const bp__csv_part *part = c->part;
    if (c->blank_line)
        return bp__fail(BP_ERROR_DATA,
                        "%s, line %u: a blank line in the middle of the data; remove "
                        "it",
                        part->source, c->blank_line);
    if (found > BP__COLUMNS_LIMIT && part->records == 0)
        return bp__fail(BP_ERROR_DATA,
                        "%s, line %u: %zu columns, at most %zu can be read; is the "
                        "table transposed?",
                        part->source, part->line[0], found, BP__COLUMNS_LIMIT);
    return found == c->csv->sheet.columns ? BP_OK : fail_ragged(c, found);
}

static bp_status cut_all(cutter *c)
{
    bp__csv_part *part = c->part;
    size_t *columns = &c->csv->sheet.columns;
    while (c->next < c->end) {
        if (skip_blank_line(c)) continue;
        if (part->records == c->line_capacity)
            BP_TRY(bp__grow(&part->line, &c->line_capacity, part->records + 1, sizeof *part->line));
        part->line[part->records] = c->line;
        size_t before = c->cells;
        BP_TRY(cut_record(c));
        if (*columns == 0) *columns = c->cells;
        BP_TRY(check_record(c, c->cells - before));
        ++part->records;
    }
    return BP_OK;
}

enum { SAMPLE_RECORDS = 50, CANDIDATES = 3 };

/* Counts of the candidates in one record, quoted parts left out; returns where the next starts. */
static const char *count_candidates(size_t counts[CANDIDATES], const char *s, const char *end,
                                    const char *candidates)
{
    bool quoted = false, at_start = true; /* of a cell: quotes elsewhere mean inches */
    memset(counts, 0, CANDIDATES * sizeof *counts);
    for (; s < end; ++s) {
        if (*s == '"' && (quoted || at_start)) quoted = !quoted;
        if (quoted) continue;
        at_start = *s == ' ' || memchr(candidates, *s, CANDIDATES);
        if (*s == '\n' || *s == '\r') {
            while (s < end && (*s == '\n' || *s == '\r')) ++s;
            break;
        }
        for (int k = 0; k < CANDIDATES; ++k) counts[k] += *s == candidates[k];
    }
    return s;
}

/* The candidate that occurs equally often in each of the first records. A comma comes last: in a
 * file with ; it may be a decimal comma or part of a text. Where none is regular, the file is
 * ragged and the most frequent in the first record is what the error should be about. */
static char find_delimiter(const char *s, const char *end)
{
    static const char candidates[CANDIDATES] = {'\t', ';', ','};
    size_t first[CANDIDATES], counts[CANDIDATES];
    bool regular[CANDIDATES];
    s = count_candidates(first, s, end, candidates);
    for (int k = 0; k < CANDIDATES; ++k) regular[k] = first[k] > 0;
    for (int record = 1; record < SAMPLE_RECORDS && s < end; ++record) {
        s = count_candidates(counts, s, end, candidates);
        for (int k = 0; k < CANDIDATES; ++k) regular[k] = regular[k] && counts[k] == first[k];
    }
    for (int k = 0; k < CANDIDATES; ++k)
        if (regular[k]) return candidates[k];
    int best = CANDIDATES - 1;
    for (int k = 0; k < CANDIDATES; ++k)
        if (first[k] > first[best]) best = k;
    return candidates[best];
}

static bp_status fail_empty(const char *source)
{
    return bp__fail(BP_ERROR_DATA, "%s: is empty, a table was expected", source);
}

bp_status bp__csv_add(bp__csv *csv, char *bytes, size_t size, const char *source, char delimiter)
{
    bp__csv_place place = {.line = csv->next_line > 0 ? csv->next_line : 1};
    BP_TRY(bp__csv_add_block(csv, bytes, size, source, delimiter, &place));
    return csv->parts[csv->part_count - 1].records ? BP_OK : fail_empty(source);
}

bp_status bp__csv_add_block(bp__csv *csv, char *bytes, size_t size, const char *source,
                            char delimiter, bp__csv_place *place)
{
    if (size > BP__CSV_LIMIT)
        return bp__fail(BP_ERROR_DATA, "%s: %zu bytes, at most %zu can be read as CSV", source,
                        size, BP__CSV_LIMIT);
    if (place->line == 1 && size >= 2 &&
        (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0))
        return bp__fail(BP_ERROR_DATA, "%s: is UTF-16; save it as UTF-8", source);
    BP_TRY(bp__grow(&csv->parts, &csv->part_capacity, csv->part_count + 1, sizeof *csv->parts));
    bp__csv_part *part = &csv->parts[csv->part_count++];
    *part = (bp__csv_part){.bytes = bytes, .size = size, .source = source};
    cutter c = {.csv = csv,
                .part = part,
                .next = bytes,
                .end = bytes + size,
                .line = place->line,
                .blank_line = place->blank_line};
    if (c.line == 1 && size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) c.next += 3;
    part->delimiter = delimiter ? delimiter : find_delimiter(c.next, c.end);
    c.delimiter8 = bp__repeat8(part->delimiter);
    const bool begins = place->line == 1;
    BP_TRY(cut_all(&c));
    place->line = c.line;
    place->blank_line = c.blank_line;
    return part->records == 0 && begins ? fail_empty(source) : BP_OK;
}

void bp__csv_drop(bp__csv *csv)
{
    bp__csv_part *part = &csv->parts[--csv->part_count];
    free(part->cell);
    free(part->line);
}

void bp__csv_free(bp__csv *csv)
{
    while (csv->part_count > 0) bp__csv_drop(csv);
    free(csv->parts);
    bp__sheet_clear(&csv->sheet);
    memset(csv, 0, sizeof *csv);
}
