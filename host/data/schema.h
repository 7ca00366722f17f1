/* schema.h - what a schema is made of: everything that turns a raw file into a network's inputs and
 * targets, learned from the training part and nothing else. */
#ifndef BP_DATA_SCHEMA_H
#define BP_DATA_SCHEMA_H

#include "data/data.h"

/* One raw feature column. Numbers: feature = (value - offset) / scale, with `missing` as the value
 * where there is none. Texts: one feature for each word, 1 where the cell is that word and 0
 * elsewhere. */
typedef struct bp__schema_column {
    char *name;
    bp__column_kind kind;
    size_t position; /* in the file, from 0, targets counted */
    double offset, scale, missing;
    bp__words words; /* sorted by strcmp */
} bp__schema_column;

typedef struct bp__schema_target {
    char *name;
    size_t position;
    double offset, scale; /* regression; 0 and 1 otherwise */
} bp__schema_target;

struct bp_schema {
    int32_t task;
    bp__schema_column *columns;
    size_t column_count;
    bp__schema_target *targets; /* none for pictures: their labels come in a file of their own */
    size_t target_count;

    size_t pixel_count; /* 0: a table. Pictures: feature = (pixel - pixel_offset) / pixel_scale */
    size_t image_height, image_width;
    bool pixel_bytes; /* the IDX files are of type u8 */
    double pixel_offset, pixel_scale;
    int32_t scaling; /* BP_SCALING_*, what offsets and scales are */

    bp__words classes;    /* names, in the order of their numbers */
    double *class_values; /* [classes.count], ascending; NULL where classes are texts */

    size_t features, outputs;
    char *warnings;
};

/* The most classes and the most categories of one column that make sense. */
#define BP__CLASSES_LIMIT ((size_t)65536)
#define BP__CATEGORIES_LIMIT ((size_t)10000)
#define BP__CATEGORIES_MANY ((size_t)1000)

/* Number of the class, or -1. */
int32_t bp__schema_class_of_text(const bp_schema *schema, const char *text);
int32_t bp__schema_class_of_number(const bp_schema *schema, double value);

/* Sets features and outputs from the rest; BP_ERROR_DATA where there are none or too many. */
bp_status bp__schema_count(bp_schema *schema);

/* Mean and standard deviation (of the population) of the values that are not NAN, count of them in
 * *used. Both 0 where there are none; *deviation is exactly 0 where all are equal. false where they
 * are too large for doubles. */
bool bp__moments(const double *values, size_t count, size_t *used, double *mean, double *deviation);

/* The same of values that come in pieces, twice, in the same order: begin; first for all of them;
 * middle; second for all of them; end. Middle and end are false as above. */
typedef struct bp__moment_sums {
    size_t used; /* values so far */
    double sum, low, high;
    double centre, largest, squares, rest;
} bp__moment_sums;

void bp__moments_begin(bp__moment_sums *m);
void bp__moments_first(bp__moment_sums *m, const double *values, size_t count);
bool bp__moments_middle(bp__moment_sums *m);
void bp__moments_second(bp__moment_sums *m, const double *values, size_t count);
bool bp__moments_end(const bp__moment_sums *m, double *mean, double *deviation);

#endif
