/* data.h - what a data set and a schema are made of. The trainer reads encoded data through the
 * public accessors; only host/data/ looks in here. */
#ifndef BP_DATA_DATA_H
#define BP_DATA_DATA_H

#include <stdbool.h>

#include "base/status.h"

typedef enum bp__column_kind { BP__COLUMN_NUMBER, BP__COLUMN_TEXT } bp__column_kind;

/* One column of a raw table. Exactly one of number and text holds the cells. */
typedef struct bp__column {
    char *name;
    bp__column_kind kind;
    double *number;   /* [rows]; NAN where missing */
    uint32_t *text;   /* [rows]; index into words, UINT32_MAX where missing */
    char **words;     /* distinct texts, in order of appearance */
    size_t word_count;
} bp__column;

/* A data set is in one of three forms; encoded data has features, raw data pixels or columns.
 *   table     columns[column_count], feature columns first, then target_count target columns
 *   pixels    IDX: values [rows][columns] of the file's type widened to float, labels[rows]
 *   encoded   features [rows][features], labels[rows] or targets [rows][outputs] */
struct bp_data {
    size_t rows;
    int32_t task;
    char *source;           /* file name for messages */
    char *warnings;
    size_t missing;

    bp__column *columns;    /* table */
    size_t column_count, target_count;

    uint8_t *pixels;        /* IDX of type u8, [rows][pixel_count] */
    float *values;          /* IDX of another type, [rows][pixel_count] */
    size_t pixel_count, image_height, image_width;

    float *x;               /* encoded, [rows][features] */
    float *t;               /* encoded regression, [rows][outputs] */
    size_t features, outputs;
    int32_t *labels;        /* IDX and encoded classification, [rows] */
    bool encoded;
    bp_schema *schema;      /* encoded: what it was encoded with, or NULL; a copy, owned */
};

/* The schema that encoded this data, or NULL; belongs to the data. */
const bp_schema *bp__data_schema(const bp_data *data);

#endif
