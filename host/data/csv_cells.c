/* csv_cells.c - cells read as numbers and as words.
 *
 * A column is numbers where all of its cells are, missing ones aside; otherwise it is texts. But a
 * stray text must not turn a column of measurements into a thousand categories: where at least ten
 * cells are there and nine in ten of them are numbers, a text is an error. */
#include "data/csv_cells.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "data/number.h"

enum { PLAIN_CELLS = 10, PLAIN_TENTHS = 9 };

/* ---- tallies --------------------------------------------------------------------------------- */

static void note_odd(bp__csv_tally *t, const bp__csv_part *part, size_t record, const char *text)
{
    t->source = part->source;
    t->line = part->line[record];
    bp__shown(t->shown, text);
}

void bp__csv_tally_add(bp__csv_tally *tally, const bp__csv_tally *later)
{
    const bool any = tally->texts > 0 || (tally->infinite > 0 && later->texts == 0);
    if (!any && (later->texts > 0 || later->infinite > 0)) {
        tally->source = later->source;
        tally->line = later->line;
        memcpy(tally->shown, later->shown, sizeof tally->shown);
    }
    tally->numbers += later->numbers;
    tally->infinite += later->infinite;
    tally->texts += later->texts;
    tally->commas += later->commas;
}

static bp_status fail_column(const bp__csv_tally *t, const bp__pick *pick, const char *why)
{
    char name[64];
    return bp__fail(BP_ERROR_DATA, "%s, line %u, column \"%s\": \"%s\" %s", t->source, t->line,
                    bp__shown(name, pick->name), t->shown, why);
}

bp_status bp__csv_decide(bool *text, const bp__csv_tally *t, const bp__pick *pick)
{
    const size_t numbers = t->numbers + t->infinite, all = numbers + t->texts;
    char why[160];
    *text = pick->want == BP__WANT_TEXT;
    if (*text || pick->quiet) return BP_OK;
    if (t->texts == 0)
        return t->infinite > 0 ? fail_column(t, pick, "is not a finite number") : BP_OK;
    /* A column of "3,5" in a file with another delimiter is numbers to whoever wrote it. */
    if (t->commas > 0 && (numbers + t->commas) * 10 >= all * PLAIN_TENTHS)
        return fail_column(t, pick, "has a decimal comma; write numbers with a point");
    if (pick->weights)
        return fail_column(t, pick, "is no weight: every row needs a number that is not negative");
    if (pick->want == BP__WANT_NUMBER)
        return fail_column(t, pick,
                           "is not a number, which the model has in this column; write it as empty "
                           "or ? if it is missing");
    *text = all < PLAIN_CELLS || numbers * 10 < all * PLAIN_TENTHS;
    if (*text) return BP_OK;
    snprintf(why, sizeof why,
             "is not a number, but %zu of the column's %zu values are; write it as empty or ? if "
             "it is missing",
             numbers, all);
    return fail_column(t, pick, why);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A cell that holds no finite number. */
static void tally_other(bp__csv_tally *t, bp__cell kind, const bp__csv_part *part, size_t record,
                        const char *text)
{
    if (kind == BP__CELL_INFINITE && t->infinite++ == 0 && t->texts == 0)
        note_odd(t, part, record, text);
    if (kind != BP__CELL_TEXT) return;
    if (t->texts++ == 0) note_odd(t, part, record, text);
    t->commas += part->delimiter != ',' && bp__is_comma_number(text);
}

/* Records [begin, end) of a column. */
static void read_column(const bp__csv_part *part, size_t column, size_t begin, size_t end,
                        double *number, bp__csv_tally *t)
{
    const char *bytes = part->bytes, *behind = bytes + part->size + 1;
    const uint32_t *cell = part->cell + begin * part->columns + column;
    double unused;
    for (size_t r = begin; r < end; ++r, cell += part->columns) {
        double *value = number ? &number[r - begin] : &unused;
        const bp__cell kind = bp__cell_read_within(bytes + *cell, behind, value);
        if (kind == BP__CELL_NUMBER)
            ++t->numbers;
        else
            tally_other(t, kind, part, r, bytes + *cell);
    }
}

/* A few rows at a time, so that the text is still in the cache when the next column reads its part
 * of the same rows. */
void bp__csv_read_numbers(const bp__csv_part *part, const bp__pick *picks, size_t count,
                          double *const *number, bp__csv_tally *tallies)
{
    enum { CELLS = 8192 };
    const size_t first = part->header, step = CELLS / part->columns + 1;
    for (size_t begin = first; begin < part->records; begin += step) {
        const size_t end = part->records - begin < step ? part->records : begin + step;
        for (size_t k = 0; k < count; ++k)
            if (picks[k].want != BP__WANT_TEXT)
                read_column(part, picks[k].column, begin, end,
                            number[k] ? number[k] + (begin - first) : NULL, &tallies[k]);
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Words that were just met in a column, by all of their bytes: most columns of words have few, and
 * most of those are short. What is not here is looked for among all. An entry of zeros but for its
 * number is the empty text. */
enum { KNOWN_WORDS = 32, KNOWN_BYTES = 16 };
typedef struct known_word {
    bp__bytes8 low, high; /* the bytes, zeros behind them */
    uint32_t number;
} known_word;

/* bytes up to the first 0. */
static inline bp__bytes8 before_zero(bp__bytes8 bytes, bool *ends)
{
    const bp__bytes8 zeros = bp__zeros8(bytes);
    *ends = zeros != 0;
    return zeros ? bytes & (((zeros & (~zeros + 1)) >> 7) - 1) : bytes;
}

/* *word = text, and the entry where it belongs; NULL where it is too long. */
static inline known_word *find_known(known_word *known, const char *text, const char *behind,
                                     known_word *word)
{
    bool ends;
    if (behind - text < KNOWN_BYTES) return NULL;
    *word = (known_word){.low = before_zero(bp__load8(text), &ends)};
    if (!ends) word->high = before_zero(bp__load8(text + 8), &ends);
    if (!ends) return NULL;
    const uint64_t mixed = (word->low ^ word->high * 3) * 0x9E3779B97F4A7C15u;
    return &known[mixed >> 59];
}

static bp_status read_word(uint32_t *number, bp__words *words, const bp__csv_part *part,
                           size_t record, const bp__pick *pick)
{
    char shown[64], name[64];
    const char *text = bp__csv_cell(part, record, pick->column);
    const size_t before = words->count;
    *number = BP__NO_WORD;
    if (bp__is_missing(text)) return BP_OK;
    BP_TRY(bp__words_add(words, text, number));
    if (words->count == before || bp__is_utf8(text)) return BP_OK;
    return bp__fail(BP_ERROR_DATA,
                    "%s, line %u, column \"%s\": \"%s\" is not UTF-8; convert the file (iconv -f "
                    "latin1 -t utf-8)",
                    part->source, part->line[record], bp__shown(name, pick->name),
                    bp__shown(shown, text));
}

/* The rows of a column before row *failed, which becomes the one that cannot be read. */
static bp_status read_words(const bp__csv_part *part, const bp__pick *pick, uint32_t *text,
                            bp__words *words, size_t *failed)
{
    const char *behind = part->bytes + part->size + 1;
    const size_t first = part->header;
    known_word known[KNOWN_WORDS], word;
    for (size_t i = 0; i < KNOWN_WORDS; ++i) known[i] = (known_word){.number = BP__NO_WORD};
    for (size_t r = first; r < part->records && r < *failed; ++r) {
        known_word *k = find_known(known, bp__csv_cell(part, r, pick->column), behind, &word);
        if (k && k->low == word.low && k->high == word.high) {
            text[r - first] = k->number;
            continue;
        }
        const bp_status status = read_word(&text[r - first], words, part, r, pick);
        if (status != BP_OK) {
            *failed = r;
            return status;
        }
        word.number = text[r - first];
        if (k) *k = word;
    }
    return BP_OK;
}

/* Of several columns that cannot be read, the one with the first such row is reported. */
bp_status bp__csv_read_words(const bp__csv_part *part, const bp__pick *picks, size_t count,
                             uint32_t *const *text, bp__words *words)
{
    size_t failed = SIZE_MAX;
    bp_status status = BP_OK;
    for (size_t k = 0; k < count; ++k) {
        if (!text[k]) continue;
        const bp_status found = read_words(part, &picks[k], text[k], &words[k], &failed);
        if (found == BP_ERROR_DATA) status = found;
        if (found != BP_OK && found != BP_ERROR_DATA) return found;
    }
    return status;
}
