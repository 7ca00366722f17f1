/* csv.h - a CSV file cut into cells, and tables made from the cells.
 *
 * Three steps, each in a file of its own: csv.c cuts the bytes into cells in place; csv_header.c
 * decides whether the first record is a header and names the columns; csv_table.c reads the cells
 * of chosen columns as numbers or texts. Who chooses: csv_target.c for a file that stands for
 * itself, csv_match.c for a file that is read as a schema knows it. */
#ifndef BP_DATA_CSV_H
#define BP_DATA_CSV_H

#include "data/data.h"

/* Cells are found by 32-bit offsets. */
#define BP__CSV_LIMIT ((size_t)UINT32_MAX - 64)
/* A transposed or damaged file, not a table: each column costs memory beyond its cells. */
#define BP__CSV_COLUMNS_LIMIT ((size_t)1 << 18)

typedef struct bp__csv {
    char *bytes; /* the file; each cell ends with '\0'. Borrowed. */
    const char *source;
    char delimiter;
    uint32_t *cell; /* [records][columns], offsets into bytes */
    size_t records, columns;
    uint32_t *line;  /* [records], the line on which each starts, from 1 */
    bool header;     /* record 0 names the columns */
    bp__words names; /* [columns], all different */
    char *warnings;
} bp__csv;

/* Cuts size bytes, followed by a '\0', which are rewritten in place and must outlive csv.
 * delimiter 0: found out. On failure csv is empty. */
bp_status bp__csv_cut(bp__csv *csv, char *bytes, size_t size, const char *source, char delimiter);
void bp__csv_free(bp__csv *csv);

/* Sets header and names. header as in bp_load_options; known, which may be NULL, is the schema
 * whose column names are looked for. */
bp_status bp__csv_header(bp__csv *csv, int32_t header, const bp_schema *known);

static inline const char *bp__csv_cell(const bp__csv *csv, size_t record, size_t column)
{
    return csv->bytes + csv->cell[record * csv->columns + column];
}

/* A column that is wanted in the table. */
typedef enum bp__want { BP__WANT_ANY, BP__WANT_NUMBER, BP__WANT_TEXT } bp__want;
typedef struct bp__pick {
    size_t column; /* of the file, from 0 */
    bp__want want;
    size_t position;  /* what the table notes as its place */
    const char *name; /* what the table calls it; borrowed */
    bool quiet;       /* an optional target: cells that do not fit count as missing */
} bp__pick;

/* Reads the picked columns into data, the last target_count of which are targets. */
bp_status bp__csv_table(bp_data *data, const bp__csv *csv, const bp__pick *picks, size_t count,
                        size_t target_count);

/* A free-standing file: finds the targets, types every column, decides the task. */
bp_status bp__csv_free_table(bp_data *data, const bp__csv *csv, const bp_load_options *options);

/* A file read as options->schema knows it. */
bp_status bp__csv_known_table(bp_data *data, const bp__csv *csv, const bp_load_options *options);

/* BP_ERROR_DATA where the target of a row is missing. */
bp_status bp__check_targets(const bp_data *data);

/* The columns that text names: a name, a number from 1 or from the end (-1), or several of them
 * joined by commas. *columns is the caller's. */
bp_status bp__csv_resolve(size_t **columns, size_t *count, const bp__csv *csv, const char *text);

/* The names of all columns joined by ", ", cut where there are many; the caller's. */
bp_status bp__csv_list_names(char **out, const bp__csv *csv);

#endif
