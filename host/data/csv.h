/* csv.h - CSV files cut into cells, and tables made from the cells.
 *
 * Three steps, each in a file of its own: csv.c cuts the bytes into cells in place; csv_header.c
 * decides whether the first records are headers and names the columns; csv_table.c reads the cells
 * of the picked columns as numbers or texts. */
#ifndef BP_DATA_CSV_H
#define BP_DATA_CSV_H

#include "data/table.h"

/* Cells are found by 32-bit offsets. */
#define BP__CSV_LIMIT ((size_t)UINT32_MAX - 64)

/* One file of the table. */
typedef struct bp__csv_part {
    char *bytes; /* the file; each cell ends with '\0'. Borrowed. */
    size_t size;
    const char *source; /* borrowed */
    char delimiter;
    uint32_t *cell; /* [records][columns], offsets into bytes */
    size_t records;
    uint32_t *line; /* [records], the line on which each starts, from 1 */
    bool header;    /* record 0 names the columns */
} bp__csv_part;

typedef struct bp__csv {
    bp__sheet sheet; /* first: sheet.read gets it and finds the rest */
    bp__csv_part *parts;
    size_t part_count, part_capacity;
    /* Of a table that is cut piece by piece: the line on which the part that is added next starts,
     * and the line that decided how many columns there are; 0: the part is a file of its own. */
    uint32_t next_line, columns_line;
} bp__csv;

/* Adds a file, size bytes followed by a '\0', which are rewritten in place and must outlive csv,
 * which is all zeros before its first one. delimiter 0: found out. bp__csv_free also on failure. */
bp_status bp__csv_add(bp__csv *csv, char *bytes, size_t size, const char *source, char delimiter);
void bp__csv_free(bp__csv *csv);

/* Where in its file a block of whole lines begins, and then where the next one does. */
typedef struct bp__csv_place {
    uint32_t line;       /* from 1 */
    uint32_t blank_line; /* of a blank line that nothing has followed yet, or 0 */
} bp__csv_place;

/* Adds a block of a file as a part of its own, which may have no records. */
bp_status bp__csv_add_block(bp__csv *csv, char *bytes, size_t size, const char *source,
                            char delimiter, bp__csv_place *place);
/* Forgets the last part. */
void bp__csv_drop(bp__csv *csv);

/* After the last file: which of them have a header, and what the columns are called; the sheet is
 * then complete. header as in bp_load_options; known, which may be NULL, is the schema whose column
 * names are looked for. */
bp_status bp__csv_header(bp__csv *csv, int32_t header, const bp_schema *known);
/* Its two steps: which parts have a header; then, whoever said so, the sheet. */
bp_status bp__csv_find_headers(bp__csv *csv, int32_t header, const bp_schema *known);
bp_status bp__csv_complete(bp__csv *csv);

/* Whether a part that begins a later file begins with the header of the first part; forced: it
 * must.
 */
bp_status bp__csv_later_header(bp__csv *csv, bp__csv_part *part, bool forced);

/* Why a column that has texts cannot be one of texts, from what its cells are: an error's end, or
 * NULL where it can. */
const char *bp__csv_refuse_texts(char why[160], bp__want want, size_t numbers, size_t texts,
                                 size_t commas);

/* sheet.read of CSV. */
bp_status bp__csv_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count);

static inline const char *bp__csv_cell(const bp__csv *csv, const bp__csv_part *part, size_t record,
                                       size_t column)
{
    return part->bytes + part->cell[record * csv->sheet.columns + column];
}

#endif
