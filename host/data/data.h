/* data.h - what a data set is made of. The trainer reads encoded data through the public accessors;
 * only host/data/ looks in here. */
#ifndef BP_DATA_DATA_H
#define BP_DATA_DATA_H

#include <stdbool.h>

#include "base/status.h"
#include "data/words.h"

typedef enum bp__column_kind { BP__COLUMN_NUMBER, BP__COLUMN_TEXT } bp__column_kind;

/* One column of a raw table. Exactly one of number and text holds the cells. */
typedef struct bp__column {
    char *name;
    bp__column_kind kind;
    size_t position;         /* in the file, from 0: what a file without a header is matched by */
    bool reported;           /* loading has already warned that it is constant or empty */
    double *number;          /* [rows]; NAN where missing, otherwise finite */
    uint32_t *text;          /* [rows]; index into words, BP__NO_WORD where missing */
    bp__words words;         /* distinct texts, in order of appearance */
    struct bp__notes *notes; /* of streamed data, whose columns have no cells: what they were */
} bp__column;

/* A data set is in one of three forms; encoded data has x, raw data pixels, values or columns.
 * Where it is streamed, a file has the rows instead (raw_rows.h, encoded_rows.h). table
 * columns[column_count + target_count], the feature columns first pixels    IDX: one of pixels and
 * values [rows][pixel_count], labels[rows] or NULL encoded   x [rows][features], labels[rows] or t
 * [rows][outputs] or neither */
struct bp_data {
    size_t rows;
    int32_t task;
    int32_t format; /* BP_FORMAT_* of the file; BP_FORMAT_AUTO for arrays */
    char *source;   /* file name for messages; NULL for arrays */
    char *warnings;
    size_t missing;
    bp_source *sources; /* the files read, in their order */
    size_t source_count, source_capacity;

    bp__column *columns; /* table */
    size_t column_count, target_count;

    /* Where the rows come from, for messages; all NULL where that is not known. */
    char **files; /* [file_count] */
    size_t file_count;
    uint32_t *file; /* [rows], index into files; NULL where there is one */
    uint32_t *line; /* [rows], the line in the file, or the row, from 1 */
    bool lines_are_rows;

    uint8_t *pixels; /* IDX of type u8 */
    float *values;   /* IDX of another type */
    size_t pixel_count, image_height, image_width;

    float *x; /* encoded, [rows][features] */
    float *t; /* encoded regression, [rows][outputs] */
    size_t features, outputs;
    int32_t *labels; /* IDX and encoded classification, [rows] */
    float *weights;  /* [rows], raw or encoded, streamed or not; NULL: all count alike, or raw_rows
                        have them */
    bool encoded;

    struct bp__raw_rows *raw_rows;         /* streamed, raw: where the cells are; shared */
    struct bp__share *share;               /* and which of the rows are in this part; NULL: all */
    struct bp__encoded_rows *encoded_rows; /* streamed, encoded */
    bp_stream_info stream;

    bp_schema *schema; /* encoded: what it was encoded with, or NULL; a copy, owned */
};

/* BP_ERROR_UNSUPPORTED where the rows are not in memory; who: "bp_data_describe". */
bp_status bp__need_rows(const bp_data *data, const char *who);
/* Whether pictures are of bytes, and whether they have labels, wherever the rows are. */
bool bp__has_pixel_bytes(const bp_data *data);
bool bp__has_picture_labels(const bp_data *data);
/* Whether the rows have weights. */
bool bp__has_weights(const bp_data *data);

/* The schema that encoded this data, or NULL; belongs to the data. */
const bp_schema *bp__data_schema(const bp_data *data);

/* An empty data set that remembers where it came from (source may be NULL). */
bp_status bp__data_new(bp_data **out, const char *source);
/* What a part of a data set has in common with the whole: all but its rows, columns and schema. */
void bp__data_copy_shape(bp_data *to, const bp_data *from);

/* Releases what a column holds, not the column itself. */
void bp__column_clear(bp__column *column);

/* The target columns of a table. */
const bp__column *bp__data_target(const bp_data *data, size_t k);

/* Notes that rows begin to end come from the file source and stand on lines[end - begin] of it, or,
 * where lines is NULL, are its rows from the first on. To be called for all rows, in their order.
 */
bp_status bp__data_note_rows(bp_data *data, const char *source, const uint32_t *lines, size_t begin,
                             size_t end);

/* Notes that the file was read; fingerprint as bp__fingerprint_bytes makes it. */
bp_status bp__data_note_source(bp_data *data, const char *path, uint64_t bytes,
                               const char *fingerprint);
void bp__data_forget_sources(bp_data *data);

/* "iris.csv, line 7", or "x.npy, row 6 (from 1)" where lines are not known, into text. */
const char *bp__data_place(char text[160], const bp_data *data, size_t row);

/* The file's own name for messages, never NULL. */
const char *bp__data_source(const bp_data *data);

/* text as it can be shown in a message: cut, and control characters replaced. */
const char *bp__shown(char out[64], const char *text);

#endif
