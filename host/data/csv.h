/* csv.h - CSV files cut into cells, and tables made from the cells.
 *
 * Four steps, each in a file of its own: csv_pieces.c finds pieces of whole records, which threads
 * share; csv_cut.c cuts their bytes into cells in place, csv.c puts the pieces together;
 * csv_header.c decides whether the first records are headers and names the columns; csv_table.c
 * reads the cells of the picked columns as numbers or texts. */
#ifndef BP_DATA_CSV_H
#define BP_DATA_CSV_H

#include "data/table.h"

/* Cells of a piece are found by 32-bit offsets. */
#define BP__CSV_LIMIT ((size_t)UINT32_MAX - 64)

/* A piece of whole records of a file of the table; the first one of a file has some. */
typedef struct bp__csv_part {
    char *bytes; /* each cell ends with '\0'. Borrowed. */
    size_t size;
    const char *source; /* borrowed */
    char delimiter;
    bool goes_on; /* it is not the first of its file */
    bool header;  /* record 0 names the columns */
    size_t columns;
    uint32_t *cell; /* [records][columns], offsets into bytes */
    size_t records;
    uint32_t *line; /* [records], the line on which each starts, from 1 */
    size_t cell_capacity, line_capacity;
} bp__csv_part;

typedef struct bp__csv {
    bp__sheet sheet; /* first: sheet.read gets it and finds the rest */
    bp__csv_part *parts;
    size_t part_count, part_capacity;
    /* Of a table that is cut piece by piece: the line on which the text that is added next starts,
     * and the line that decided how many columns there are; 0: the text is a file of its own. */
    uint32_t next_line, columns_line;
} bp__csv;

/* Adds a file, size bytes followed by a '\0', which are rewritten in place and must outlive csv,
 * which is all zeros before its first one. delimiter 0: found out. bp__csv_free also on failure. */
bp_status bp__csv_add(bp__csv *csv, char *bytes, size_t size, const char *source, char delimiter);
void bp__csv_free(bp__csv *csv);

/* ---- pieces ---- */

/* Where in its file a piece of whole records begins. */
typedef struct bp__csv_place {
    uint32_t line;       /* from 1 */
    uint32_t blank_line; /* of a blank line that nothing has followed yet, or 0 */
    uint64_t offset;     /* in bytes */
} bp__csv_place;

static inline bool bp__csv_is_space(char byte, char delimiter)
{
    return byte == ' ' || (byte == '\t' && delimiter != '\t');
}

/* Bytes of a byte order mark at the place, where a file begins; 0 where there is none. */
size_t bp__csv_mark(const bp__csv_place *place, const char *bytes, size_t size);
/* Where the last record that is certainly complete ends, behind its line end, or 0. Line ends in
 * quotes do not count. */
size_t bp__csv_whole_records(const bp__csv_place *place, const char *bytes, size_t size,
                             char delimiter);
/* Moves the place behind bytes[size] of whole records. */
void bp__csv_place_past(bp__csv_place *place, const char *bytes, size_t size, char delimiter);

/* A text that is given out piece by piece, and a piece of it. */
typedef struct bp__csv_text {
    char *bytes;
    size_t size, at; /* given out up to here */
    size_t step;     /* bytes of a piece, unless a record is longer */
    char delimiter;
    bp__csv_place place; /* of bytes[at] */
} bp__csv_text;
typedef struct bp__csv_piece {
    char *bytes;
    size_t size;
    bp__csv_place place;
} bp__csv_piece;
/* false at the end. */
bool bp__csv_next_piece(bp__csv_piece *piece, bp__csv_text *text);

/* ---- cells ---- */

/* The comma, semicolon or tab that divides the first records. */
char bp__csv_find_delimiter(const char *bytes, size_t size);

/* BP_ERROR_DATA where a file begins as text in UTF-16 does. */
bp_status bp__csv_check_start(const char *bytes, size_t size, const char *source);

/* What the records of a piece have to be like. */
typedef struct bp__csv_rules {
    size_t columns;        /* 0: as many as the first record has */
    uint32_t columns_line; /* the line that decided it, for the message; 0: see below */
    const char *as_file;   /* the file that did, unless the piece's first record itself did */
} bp__csv_rules;

/* Cuts part->bytes, which start at place, into records, of which there may be none. part's source
 * and delimiter are set; its arrays are overwritten, and grow where they must: all zeros are none.
 * Only part is written to, and no byte behind its own is looked at. */
bp_status bp__csv_cut(bp__csv_part *part, const bp__csv_place *place, const bp__csv_rules *rules);
void bp__csv_part_clear(bp__csv_part *part);

/* ---- the table ---- */

/* After the last file: which of them have a header, and what the columns are called; the sheet is
 * then complete. header as in bp_load_options; known, which may be NULL, is the schema whose column
 * names are looked for. */
bp_status bp__csv_header(bp__csv *csv, int32_t header, const bp_schema *known);
/* Its two steps: which files have a header; then, whoever said so, the sheet. */
bp_status bp__csv_find_headers(bp__csv *csv, int32_t header, const bp_schema *known);
bp_status bp__csv_complete(bp__csv *csv);

/* Whether a later file begins with the header of the first file; forced: it must. part[parts] begin
 * with the file's first; those of others may follow. */
bp_status bp__csv_later_header(const bp__csv *csv, bp__csv_part *part, size_t parts, bool forced);

/* sheet.read of CSV. */
bp_status bp__csv_read(bp_data *data, const bp__sheet *sheet, const bp__pick *picks, size_t count);

static inline const char *bp__csv_cell(const bp__csv_part *part, size_t record, size_t column)
{
    return part->bytes + part->cell[record * part->columns + column];
}

#endif
