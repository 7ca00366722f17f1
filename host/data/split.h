/* split.h - which rows of a data set go to the second part of a split: drawn class by class, then
 * asked row by row in one pass, so that data need not be in memory for it. */
#ifndef BP_DATA_SPLIT_H
#define BP_DATA_SPLIT_H

#include "data/data.h"

/* A split: of each class's rows, as they come, which go to the second part. */
typedef struct bp__share {
    bool second;
    size_t classes;
    size_t *sizes, *quota; /* [classes]: rows, of which for the second part */
    size_t *start;         /* [classes], where a class's rows begin in */
    uint8_t *chosen;       /* [rows] bits */
    /* A row's class, as a schema numbers them. One of the two for tables; labels are their own. */
    double *values;  /* [classes], ascending */
    uint32_t *ranks; /* of the words of the target */
    size_t rank_count;
} bp__share;

void bp__share_free(bp__share *share);

/* On the way through the rows. */
typedef struct bp__draw {
    const bp__share *share;
    size_t *seen; /* [classes], rows so far */
} bp__draw;

bp_status bp__draw_begin(bp__draw *draw, const bp__share *share);
/* Whether the next row, of that class, goes to the second part. */
bool bp__draw_next(bp__draw *draw, size_t class);
void bp__draw_end(bp__draw *draw);

/* The class of a row of a block of the data that was split. */
size_t bp__share_class(const bp__share *share, const bp_data *block, size_t row);

/* A copy of the rows of `from` with part[row] == side, count of them. */
bp_status bp__data_take(bp_data **out, const bp_data *from, const char *part, char side,
                        size_t count);

#endif
