/* encoded_rows.c - encoded rows in a file, targets in one of their own: they are wanted alone. */
#include "data/encoded_rows.h"

#include <stdlib.h>

#include "base/memory.h"
#include "data/spool.h"

struct bp__encoded_rows {
    bp__spool *x, *targets;
    size_t x_bytes, target_bytes; /* of a row */
};

bp_status bp__encoded_rows_create(bp__encoded_rows **out, const char *folder)
{
    *out = NULL;
    bp__encoded_rows *rows = NULL;
    BP_TRY(bp__new_array(&rows, 1, sizeof *rows));
    bp_status status = bp__spool_create(&rows->x, folder);
    if (status == BP_OK) status = bp__spool_create(&rows->targets, folder);
    if (status == BP_OK)
        *out = rows;
    else
        bp__encoded_rows_free(rows);
    return status;
}

void bp__encoded_rows_free(bp__encoded_rows *rows)
{
    if (!rows) return;
    bp__spool_free(rows->x);
    bp__spool_free(rows->targets);
    free(rows);
}

bp_status bp__encoded_rows_append(bp__encoded_rows *rows, const bp_data *block)
{
    rows->x_bytes = block->features * sizeof(float);
    rows->target_bytes = block->labels ? sizeof(int32_t) : block->outputs * sizeof(float);
    BP_TRY(bp__spool_append(rows->x, block->x, block->rows * rows->x_bytes));
    if (!block->labels && !block->t) return BP_OK;
    return bp__spool_append(rows->targets,
                            block->labels ? (const void *)block->labels : (const void *)block->t,
                            block->rows * rows->target_bytes);
}

bp_status bp__encoded_read(const bp__encoded_rows *rows, size_t first, size_t count, float *x,
                           void *targets)
{
    if (x)
        BP_TRY(bp__spool_read(rows->x, x, (uint64_t)first * rows->x_bytes, count * rows->x_bytes));
    if (!targets) return BP_OK;
    return bp__spool_read(rows->targets, targets, (uint64_t)first * rows->target_bytes,
                          count * rows->target_bytes);
}

uint64_t bp__encoded_rows_bytes(const bp__encoded_rows *rows)
{
    return bp__spool_size(rows->x) + bp__spool_size(rows->targets);
}
