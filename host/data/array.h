/* array.h - arrays of numbers as IDX and NPY files hold them: typed, in either byte order, rows or
 * columns first. The readers of the formats fill in the description; what a data set takes from it
 * is the same for all. */
#ifndef BP_DATA_ARRAY_H
#define BP_DATA_ARRAY_H

#include "data/data.h"

#define BP__ARRAY_DIMENSIONS 8

typedef enum bp__type {
    BP__BOOL,
    BP__U8,
    BP__I8,
    BP__U16,
    BP__I16,
    BP__U32,
    BP__I32,
    BP__U64,
    BP__I64,
    BP__F16,
    BP__F32,
    BP__F64
} bp__type;

typedef struct bp__array {
    char *bytes;  /* owned; the values start at bytes + start */
    size_t start; /* the byte offset of the first value in its file, too */
    size_t count; /* of values */
    bp__type type;
    bool big_endian;
    bool columns_first; /* the first index is the fastest, as in Fortran */
    unsigned dimensions;
    size_t size[BP__ARRAY_DIMENSIONS]; /* none is 0 */
    char *source;                      /* "x.npy", or "d.npz, array X", for messages; owned */
} bp__array;

void bp__array_free(bp__array *array);

/* Bytes of a value. */
size_t bp__type_size(bp__type type);

/* Sets count from size[dimensions], and *expected to the bytes of start and all values;
 * BP_ERROR_DATA where a size is 0 or where they multiply to more than a file can hold. at: the byte
 * offset of the sizes in the file, each of which takes `bytes`, 0 where they are text. */
bp_status bp__array_count(bp__array *array, size_t *expected, size_t at, size_t bytes);
/* BP_ERROR_DATA where the file, of found bytes, is not as long as expected. */
bp_status bp__array_check_size(const bp__array *array, size_t expected, size_t found);

/* An array is a matrix [rows][columns]: its first index counts rows, all others the columns. */
size_t bp__array_rows(const bp__array *array);
size_t bp__array_columns(const bp__array *array);

/* out[count] = a column's values from row begin on. */
void bp__array_get_column(double *out, const bp__array *array, size_t column, size_t begin,
                          size_t count);
/* out[columns] = a row. */
void bp__array_get_row(double *out, const bp__array *array, size_t row);

/* The byte offset of a value in its file. */
size_t bp__array_offset(const bp__array *array, size_t row, size_t column);

/* What one file of a data set holds, alone or with another one that belongs to it. */
typedef struct bp__arrays {
    bp__array x, y;      /* features and targets; y.count is 0 where there are none */
    bool own_targets;    /* targets are what is in y and never a column of x */
    bool last_is_target; /* without y, and unless another one is named, the last column of x is */
    bool pictures;       /* rows of x are pictures, unless a schema takes them for a table's */
    uint32_t *line;      /* [rows] of a text file, or NULL; owned */
} bp__arrays;

void bp__arrays_free(bp__arrays *parts, size_t count);

/* Fills data from the parts, the files of one data set, as pictures or as a table. Bytes of x may
 * be taken over. */
bp_status bp__arrays_load(bp_data *data, bp__arrays *parts, size_t count,
                          const bp_load_options *options);

/* The two ways of bp__arrays_load. */
bp_status bp__arrays_table(bp_data *data, const bp__arrays *parts, size_t count,
                           const bp_load_options *options);
bp_status bp__arrays_pictures(bp_data *data, bp__arrays *parts, size_t count,
                              const bp_load_options *options);

/* Class numbers out of one-hot targets: *out [rows of all parts] where every row of y holds one 1
 * and otherwise nothing but 0, or nothing but -1, in all of them; else NULL. The caller's. */
bp_status bp__arrays_one_hot(double **out, const bp__arrays *parts, size_t count);

#endif
