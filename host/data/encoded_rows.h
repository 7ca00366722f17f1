/* encoded_rows.h - encoded rows in a file: float32 features, and labels or float32 targets. */
#ifndef BP_DATA_ENCODED_ROWS_H
#define BP_DATA_ENCODED_ROWS_H

#include "data/data.h"

typedef struct bp__encoded_rows bp__encoded_rows;

bp_status bp__encoded_rows_create(bp__encoded_rows **out, const char *folder);
void bp__encoded_rows_free(bp__encoded_rows *rows);

/* The rows of encoded data in memory, after those that are there. */
bp_status bp__encoded_rows_append(bp__encoded_rows *rows, const bp_data *block);
/* Rows first to first + count - 1; x and targets (labels or numbers, as they are) may be NULL. */
bp_status bp__encoded_read(const bp__encoded_rows *rows, size_t first, size_t count, float *x,
                           void *targets);
/* Bytes of both files. */
uint64_t bp__encoded_rows_bytes(const bp__encoded_rows *rows);

#endif
