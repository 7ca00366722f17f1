/* work.h - what operations are called, and how much work they are: for benchmarks and profiles. One
 * table of operands (work.c) serves names, shapes, operations and bytes. */
#ifndef BP_BASE_WORK_H
#define BP_BASE_WORK_H

#include "base/operation.h"

typedef struct bp__work {
    double flops; /* 2 for each multiply-add of the matrix products; functions are not counted */
    double bytes; /* that are read and written as 32-bit words, each operand once, no padding */
} bp__work;

/* The work of ops[first … first + count). How many parameters an optimizer has without padding is
 * told by the gradients that come before it, from ops[0] on; where none do, the padding counts. */
bp__work bp__work_of(const bp__op *ops, size_t first, size_t count);

/* "dense_forward"; the stem of the operation's files. */
const char *bp__op_name(bp__op_kind kind);

/* The views that an operation reads, or those that it writes; how many. The sums that reduce_loss
 * writes are not among them: those are elements of a table. */
enum { BP__MOST_OPERANDS = 8 };
size_t bp__op_operands(const bp__op *op, bool written, const bp__view *out[BP__MOST_OPERANDS]);

/* Texts for ops[count], appended to *out (NULL: empty): for a table "dense_forward 1", of several
 * "loss + reduce_loss" or "gather .. optimizer (9)"; all names, joined by ", "; the shapes of all
 * operands, "[128][784] [128][784] -> [128][128]", operations joined by ", ". */
bp_status bp__ops_label(char **out, const bp__op *ops, size_t count);
bp_status bp__ops_names(char **out, const bp__op *ops, size_t count);
bp_status bp__ops_shapes(char **out, const bp__op *ops, size_t count);

#endif
