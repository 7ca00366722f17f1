/* raw_rows.h - raw rows in a file, block after block, as they were parsed, and the way through
 * them:
 *
 *     bp__cursor_begin(&cursor, data, true);
 *     while (bp__cursor_next(&cursor, &block) == BP_OK && block) …
 *     bp__cursor_end(&cursor);
 *
 * A block is raw data in memory; one that was never in a file is one block. Whoever goes through
 * blocks does with streamed data what he does with any other. */
#ifndef BP_DATA_RAW_ROWS_H
#define BP_DATA_RAW_ROWS_H

#include "data/data.h"
#include "data/split.h"

typedef struct bp__raw_rows bp__raw_rows;

bp_status bp__raw_rows_create(bp__raw_rows **out, const char *folder);
/* Forgets the blocks. */
bp_status bp__raw_rows_clear(bp__raw_rows *rows);
bp__raw_rows *bp__raw_rows_share(bp__raw_rows *rows);
void bp__raw_rows_release(bp__raw_rows *rows);

/* Appends a block of a table or of pictures; its rows stand on block->line of block->source. */
bp_status bp__raw_rows_append(bp__raw_rows *rows, const bp_data *block);

bool bp__raw_rows_are_bytes(const bp__raw_rows *rows);
bool bp__raw_rows_have_labels(const bp__raw_rows *rows);
bool bp__raw_rows_have_weights(const bp__raw_rows *rows);
const char *bp__raw_rows_folder(const bp__raw_rows *rows);
uint64_t bp__raw_rows_bytes(const bp__raw_rows *rows);

typedef struct bp__cursor {
    const bp_data *data;
    bp_data *block; /* the one at hand; owned */
    bool taken;     /* it is a copy of a share of a block */
    size_t next;    /* number of the block after it */
    bool pixels;    /* false: of pictures the labels alone are read */
    bp__draw draw;  /* of data->share */
} bp__cursor;

bp_status bp__cursor_begin(bp__cursor *cursor, const bp_data *data, bool pixels);
/* *block lives until the next call; NULL after the last one. Some may have no rows. */
bp_status bp__cursor_next(bp__cursor *cursor, const bp_data **block);
void bp__cursor_end(bp__cursor *cursor);

#endif
