/* libsvm.h - the sparse text format of LIBSVM and SVMlight.
 *
 * A row is a line: its label, then INDEX:VALUE for each value that is not 0, the indices from 1 on
 * and ascending. A "#" starts a comment; "qid:N", which ranks, is passed over. Source: LIBSVM's
 * README, "Quick Start". */
#ifndef BP_DATA_LIBSVM_H
#define BP_DATA_LIBSVM_H

#include "data/table.h"

typedef struct bp__libsvm_part bp__libsvm_part;

/* The files of one table; all zeros before the first. */
typedef struct bp__libsvm {
    bp__sheet sheet; /* first: sheet.read gets it and finds the rest */
    bp__libsvm_part *parts;
    size_t part_count, part_capacity;
    size_t features; /* the largest index */
    size_t bytes;    /* of all files */
} bp__libsvm;

/* Whether the first line that is more than a number goes on with an index and a colon. */
bool bp__is_libsvm(const char *bytes, size_t size);

/* Adds a whole file, bytes[size] and a '\0', whose name must outlive out. bp__libsvm_free also on
 * failure. */
bp_status bp__libsvm_add(bp__libsvm *out, const char *bytes, size_t size, const char *source);
/* After the last file: completes the sheet, whose last column is the label. least: so many features
 * are needed, what is missing of them is 0. */
bp_status bp__libsvm_finish(bp__libsvm *out);
void bp__libsvm_free(bp__libsvm *libsvm);

#endif
