/* notes.h - what is remembered of the columns of streamed data, whose cells are not in memory: all
 * that learning, splitting and warning ask of them. */
#ifndef BP_DATA_NOTES_H
#define BP_DATA_NOTES_H

#include "data/schema.h"
#include "data/split.h"

/* A number, and how often it was there. */
typedef struct bp__tallied {
    double value;
    size_t count;
} bp__tallied;

typedef struct bp__notes {
    size_t rows, missing;
    bool constant;        /* all cells that are not missing are the same */
    bool whole;           /* no number has a fraction */
    double first;         /* number that was not missing */
    uint32_t first_word;  /* or text */
    bp__moment_sums sums; /* of numbers */
    bool measured;        /* sums is complete */
    bool measurable;      /* and the numbers are not too large for it */

    size_t *words; /* [word_capacity], how often each text was there */
    size_t word_capacity;

    /* Of a target: its different numbers, a hash table until they are sorted. */
    bool tallies;
    bp__tallied *values; /* [slots] where sorted is false, else [value_count], ascending */
    size_t slots, value_count;
    bool sorted, too_many; /* more than any task has classes: forgotten */
} bp__notes;

bp_status bp__notes_new(bp__notes **out, bool target);
void bp__notes_free(bp__notes *notes);

/* Notes the cells of the next rows of a column. */
bp_status bp__notes_add(bp__notes *notes, const bp__column *cells, size_t rows);
/* After the last: sorts. */
void bp__notes_sort(bp__notes *notes);

/* Completes the notes of all columns of streamed raw data, reading it as often as needed: data has
 * notes of all rows, as loading leaves it, or of none, as a split does. Nothing to do for other
 * data.
 */
bp_status bp__notes_complete(const bp_data *data);

/* Fills in the classes of a share and how many rows each has, for a split of streamed data. */
bp_status bp__notes_classes(bp__share *share, const bp_data *data);

#endif
