/* table.h - a table between its file and its columns.
 *
 * A reader finds out how many columns there are and what they are called: a sheet. Who chooses
 * among them: table_target.c for files that stand for themselves, table_match.c for files that are
 * read as a schema knows them. What was chosen, the picks, goes back to the reader, which fills the
 * data set's columns. The files of one data set are parts of one sheet, so that a column's type is
 * decided by all of its cells. */
#ifndef BP_DATA_TABLE_H
#define BP_DATA_TABLE_H

#include "data/data.h"

/* A transposed or damaged file, not a table: each column costs memory beyond its cells. */
#define BP__COLUMNS_LIMIT ((size_t)1 << 18)

/* Texts are cut into pieces of about so many bytes, which threads share: 1 MiB. What is read does
 * not depend on it. Tests have smaller ones. */
extern size_t bp__piece_size;

typedef enum bp__want { BP__WANT_ANY, BP__WANT_NUMBER, BP__WANT_TEXT } bp__want;

#define BP__NO_COLUMN SIZE_MAX

/* A column that is wanted in the data set. */
typedef struct bp__pick {
    size_t column; /* of the sheet, from 0; of a sparse sheet BP__NO_COLUMN: all zeros */
    bp__want want;
    size_t position;  /* what the data set notes as its place */
    const char *name; /* what the data set calls it; borrowed */
    bool quiet;       /* an optional target: cells that do not fit count as missing */
    bool weights;     /* of the samples: the last before the targets, and no column of the data */
} bp__pick;

typedef struct bp__sheet bp__sheet;
struct bp__sheet {
    const char *source; /* of the first file, for messages; borrowed */
    size_t rows;        /* of all parts together */
    size_t columns;     /* the targets among them */
    size_t targets;     /* how many of the last columns are targets unless others are named */
    bool own_targets;   /* the format itself tells the targets from the features */
    bool classes;       /* the targets are classes, whatever they look like */
    bool header;        /* the names stand in the file */
    bool delimited;     /* columns are found by a delimiter that may have been found wrongly */
    bool sparse;        /* what a row does not name is 0 */
    bp__words names;    /* [columns], all different */
    char *warnings;
    /* Reads picks[count] into data, whose columns have space for numbers. */
    bp_status (*read)(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count);
};

/* Releases names and warnings. */
void bp__sheet_clear(bp__sheet *sheet);

/* "column_1", "column_2"… for all columns, and for targets of their own "target" or "target_1"… */
bp_status bp__sheet_number_names(bp__sheet *sheet);

/* The names of all columns joined by ", ", cut where there are many; the caller's. */
bp_status bp__sheet_list_names(char **out, const bp__sheet *sheet);

/* The columns that text names: a name, a number from 1 or from the end (-1), or several of them
 * joined by commas. *columns is the caller's. */
bp_status bp__sheet_resolve(size_t **columns, size_t *count, const bp__sheet *sheet,
                            const char *text);

/* The same without those that are not there. */
bp_status bp__sheet_find(size_t **columns, size_t *count, const bp__sheet *sheet, const char *text);

/* The column of weights that the options name, or BP__NO_COLUMN. */
bp_status bp__sheet_weights(size_t *column, const bp__sheet *sheet, const bp_load_options *options);

/* Fills data from the sheet: as options->schema knows it, or, without one, as it stands: finds the
 * targets, types every column, decides the task. Warnings included. */
bp_status bp__table_load(bp_data *data, const bp__sheet *sheet, const bp_load_options *options);

/* The columns that a table has in a data set, *count of them: all but those that options->ignore
 * names, the targets last, before them the weights; as the options name both. *picks is the caller's. */
bp_status bp__table_pick(bp__pick **picks, size_t *count, size_t *target_count,
                         const bp__sheet *sheet, const bp_load_options *options);
/* The same as options->schema knows them, with what it has to say about columns
 * that it does not know appended to *warnings. */
bp_status bp__table_match(bp__pick **picks, size_t *count, size_t *target_count, char **warnings,
                          const bp__sheet *sheet, const bp_load_options *options);
/* Decides data->task by its targets; wanted: BP_TASK_*. */
bp_status bp__table_task(bp_data *data, int32_t wanted);

/* The two ways of bp__table_load. */
bp_status bp__table_free(bp_data *data, const bp__sheet *sheet, const bp_load_options *options);
bp_status bp__table_known(bp_data *data, const bp__sheet *sheet, const bp_load_options *options);

/* Names, positions and space for the picked columns, the last target_count of which are targets;
 * then reads them. */
bp_status bp__table_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count,
                         size_t target_count);

/* Whether one of the picks is that of weights. */
bool bp__picks_weights(const bp__pick *picks, size_t count, size_t target_count);

/* For readers of numbers, whose columns are filled: turns numbers into texts where texts are
 * wanted. */
bp_status bp__table_texts(bp_data *data, const bp__pick *picks, size_t count);

/* BP_ERROR_DATA where the target of a row is missing. */
bp_status bp__check_targets(const bp_data *data);

#endif
