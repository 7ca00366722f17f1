/* csv.c - CSV files put together from pieces, which threads cut into cells. */
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

/* ---- the delimiter --------------------------------------------------------------------------- */

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
char bp__csv_find_delimiter(const char *bytes, size_t size)
{
    static const char candidates[CANDIDATES] = {'\t', ';', ','};
    const bp__csv_place begin = {.line = 1};
    const char *s = bytes + bp__csv_mark(&begin, bytes, size), *end = bytes + size;
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

/* ---- a file ---------------------------------------------------------------------------------- */

bp_status bp__csv_check_start(const char *bytes, size_t size, const char *source)
{
    if (size >= 2 && (memcmp(bytes, "\xFF\xFE", 2) == 0 || memcmp(bytes, "\xFE\xFF", 2) == 0))
        return bp__fail(BP_ERROR_DATA, "%s: is UTF-16; save it as UTF-8", source);
    return BP_OK;
}

/* The pieces of a file that are being cut. */
typedef struct cutting {
    bp__csv *csv;
    bp__csv_text text;
    const char *source;
    bp__csv_rules rules;
    size_t first; /* of the file's parts */
    size_t slot_count;
    struct {
        bp__csv_part part;
        bp__csv_place place;
    } * slots;
} cutting;

static bp_status take_piece(void *context, size_t slot, bool *there)
{
    cutting *c = context;
    bp__csv_piece piece;
    *there = bp__csv_next_piece(&piece, &c->text);
    if (!*there) return BP_OK;
    c->slots[slot].place = piece.place;
    c->slots[slot].part = (bp__csv_part){.bytes = piece.bytes,
                                         .size = piece.size,
                                         .source = c->source,
                                         .delimiter = c->text.delimiter};
    return BP_OK;
}

static bp_status cut_piece(void *context, size_t slot)
{
    cutting *c = context;
    return bp__csv_cut(&c->slots[slot].part, &c->slots[slot].place, &c->rules);
}

/* Pieces of blank lines alone leave nothing. */
static bp_status keep_piece(void *context, size_t slot)
{
    cutting *c = context;
    bp__csv *csv = c->csv;
    bp__csv_part *part = &c->slots[slot].part;
    if (part->records == 0) {
        bp__csv_part_clear(part);
        return BP_OK;
    }
    BP_TRY(bp__grow(&csv->parts, &csv->part_capacity, csv->part_count + 1, sizeof *csv->parts));
    part->goes_on = csv->part_count > c->first;
    csv->parts[csv->part_count++] = *part;
    *part = (bp__csv_part){.bytes = NULL};
    return BP_OK;
}

/* Pieces up to the first that has records, which say how many columns there are. */
static bp_status cut_first(cutting *c)
{
    enum { STEP = 1 << 16 }; /* a small one: the other threads wait */
    bp__csv *csv = c->csv;
    const size_t step = c->text.step;
    bool there = true;
    if (c->text.step > STEP) c->text.step = STEP;
    while (there && csv->part_count == c->first) {
        BP_TRY(take_piece(c, 0, &there));
        if (!there) break;
        BP_TRY(cut_piece(c, 0));
        BP_TRY(keep_piece(c, 0));
    }
    if (csv->part_count == c->first)
        return bp__fail(BP_ERROR_DATA, "%s: is empty, a table was expected", c->source);
    const bp__csv_part *first = &csv->parts[c->first];
    csv->sheet.columns = c->rules.columns = first->columns;
    if (c->rules.columns_line == 0) c->rules.columns_line = first->line[0];
    c->text.step = step;
    return BP_OK;
}

static bp_status cut_file(cutting *c)
{
    const bp__pipeline pipeline = {c->slot_count, take_piece, cut_piece, keep_piece};
    BP_TRY(bp__new_array(&c->slots, c->slot_count, sizeof *c->slots));
    BP_TRY(cut_first(c));
    return c->text.at < c->text.size ? bp__pipeline_run(&pipeline, c) : BP_OK;
}

bp_status bp__csv_add(bp__csv *csv, char *bytes, size_t size, const char *source, char delimiter)
{
    enum { ALONE = 64 }; /* where nobody shares them, pieces may be larger: fewer are to be found */
    const bool one_thread = bp__threads() == 1;
    cutting c = {.csv = csv,
                 .source = source,
                 .first = csv->part_count,
                 .slot_count = bp__pipeline_slots(),
                 .text = {.bytes = bytes,
                          .size = size,
                          .step = one_thread ? ALONE * bp__piece_size : bp__piece_size,
                          .place = {.line = csv->next_line > 0 ? csv->next_line : 1}},
                 .rules = {.columns = csv->sheet.columns,
                           .columns_line = csv->columns_line,
                           .as_file = csv->part_count ? csv->parts->source : NULL}};
    if (c.text.place.line == 1) BP_TRY(bp__csv_check_start(bytes, size, source));
    c.text.delimiter = delimiter ? delimiter : bp__csv_find_delimiter(bytes, size);
    const bp_status status = cut_file(&c);
    for (size_t i = 0; c.slots && i < c.slot_count; ++i) bp__csv_part_clear(&c.slots[i].part);
    free(c.slots);
    return status;
}

void bp__csv_free(bp__csv *csv)
{
    while (csv->part_count > 0) bp__csv_part_clear(&csv->parts[--csv->part_count]);
    free(csv->parts);
    bp__sheet_clear(&csv->sheet);
    memset(csv, 0, sizeof *csv);
}
