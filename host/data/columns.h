/* columns.h - questions about the columns of a raw table: distinct values, classes, columns that
 * tell nothing. */
#ifndef BP_DATA_COLUMNS_H
#define BP_DATA_COLUMNS_H

#include "data/data.h"

/* The distinct values of numbers, ascending; missing ones are left out. Stops at `limit` values,
 * *count is then limit. *out is the caller's. */
bp_status bp__distinct_numbers(double **out, size_t *count, const double *number, size_t rows,
                               size_t limit);

/* Position of value in values, which ascend; count where it is not there. */
size_t bp__find_number(const double *values, size_t count, double value);

/* Every row's class, numbered from 0 in the order of sorted class names or values (text by strcmp,
 * numbers by size), the same numbers that a schema gives. Without classes all rows are 0. */
bp_status bp__data_classes(uint32_t **out, size_t *classes, const bp_data *data);

/* Whether the column's cells are all missing, and whether those that are not are all the same. */
typedef struct bp__variety {
    bool empty, constant;
} bp__variety;
bp__variety bp__column_variety(const bp__column *column, size_t rows);
size_t bp__column_missing(const bp__column *column, size_t rows);

/* Adds names to a list that a message will show: "a, b, c"; after a few only counts them. */
typedef struct bp__name_list {
    char *text;
    size_t count;
} bp__name_list;
bp_status bp__name_list_add(bp__name_list *list, const char *name);
/* Appends "<source>: <list> <what>" as a line to *warnings where the list is not empty, with the
 * right one of two phrases for one name and for several; empties the list. */
bp_status bp__name_list_warn(bp__name_list *list, char **warnings, const char *source,
                             const char *one, const char *several);

/* Warns of constant and of empty feature columns that have not been reported, and marks them. */
bp_status bp__report_constant(bp_data *data);
/* Warns of feature columns that number the rows. */
bp_status bp__report_row_numbers(bp_data *data);
/* Warns of missing cells. */
bp_status bp__report_missing(bp_data *data);

#endif
