/* fann.h - training data of the Fast Artificial Neural Network library (FANN).
 *
 * Three whole numbers, rows, inputs and outputs, then for each row its inputs and its outputs; any
 * white space between them. Source: FANN 2.2, fann_train_data.c. */
#ifndef BP_DATA_FANN_H
#define BP_DATA_FANN_H

#include "data/array.h"

/* Whether a file's first line is three whole numbers and its second one not, if both are divided by
 * tabs: then it is a table. */
bool bp__is_fann(const char *bytes, size_t size);

/* A whole file, bytes[size] and a '\0'. */
bp_status bp__fann_parse(bp__arrays *out, const char *bytes, size_t size, const char *source);

#endif
