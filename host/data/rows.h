/* rows.h - rows of a CSV file or pipe, block by block; what rows.c and rows_cut.c share. */
#ifndef BP_DATA_ROWS_H
#define BP_DATA_ROWS_H

#include "data/csv.h"
#include "data/source.h"

/* Bytes that have been read and not been handed out. */
typedef struct bp__row_buffer {
    int fd;
    bool own;           /* fd is to be closed */
    bp__source *packed; /* of a gzip file, in place of fd; else NULL */
    bool ended;         /* nothing more will come */
    char *source;
    char *bytes;
    size_t begin, end, capacity; /* bytes[begin, end) are there */
    uint32_t line;               /* on which bytes[begin] stands */
} bp__row_buffer;

/* Opens path, "-" for standard input. BP_ERROR_IO for what is no regular file. */
bp_status bp__row_buffer_open(bp__row_buffer *buffer, const char *path);
void bp__row_buffer_close(bp__row_buffer *buffer);

/* Waits until something has come, and takes what is there, up to some megabyte more than before.
 * BP_ERROR_DATA where more than limit bytes would wait to be handed out. */
bp_status bp__row_buffer_fill(bp__row_buffer *buffer, size_t limit);

/* Where the record ends that starts `at` (from begin), behind its line end; blank lines before it
 * belong to it. 0 where its end has not come yet, or nothing but blank lines is left. */
size_t bp__row_end(const bp__row_buffer *buffer, size_t at, char delimiter);

/* How many bytes of blank lines stand there. */
size_t bp__row_blank(const bp__row_buffer *buffer, size_t at, char delimiter);

/* Drops size bytes from begin on, and counts their lines. */
void bp__row_buffer_drop(bp__row_buffer *buffer, size_t size);

#endif
