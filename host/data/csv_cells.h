/* csv_cells.h - the cells of a part of CSV read as numbers and as words, and what a column is after
 * all of its cells. */
#ifndef BP_DATA_CSV_CELLS_H
#define BP_DATA_CSV_CELLS_H

#include "data/csv.h"

/* What a column's cells have turned out to be, and where the first that is odd stands: the first
 * text, or, where there is none, the first number beyond the range of a double. */
typedef struct bp__csv_tally {
    size_t numbers, infinite, texts;
    size_t commas; /* texts that would be numbers if their comma were a point */
    const char *source;
    uint32_t line;
    char shown[64];
} bp__csv_tally;

/* Adds what a later part has. */
void bp__csv_tally_add(bp__csv_tally *tally, const bp__csv_tally *later);

/* Reads the rows of a part as numbers into number[k], or, where that is NULL, into nothing, and
 * tallies them; columns that can only be texts are left out. Between bp__point_begin and
 * bp__point_end. */
void bp__csv_read_numbers(const bp__csv_part *part, const bp__pick *picks, size_t count,
                          double *const *number, bp__csv_tally *tallies);

/* Reads the rows of a part as words of its own, words[k], into text[k], where that is not NULL.
 * BP_ERROR_DATA where one is not UTF-8. */
bp_status bp__csv_read_words(const bp__csv_part *part, const bp__pick *picks, size_t count,
                             uint32_t *const *text, bp__words *words);

/* Whether a column is one of texts, by the tally of all of its cells; BP_ERROR_DATA where it is
 * neither that nor one of numbers. */
bp_status bp__csv_decide(bool *text, const bp__csv_tally *tally, const bp__pick *pick);

#endif
