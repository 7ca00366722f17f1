/* idx.h - the IDX format of the MNIST files.
 *
 * Bytes 0 0 type n, then n sizes as big-endian 32-bit numbers, then the values, big-endian, the
 * last index fastest. Types: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64. Source: "THE MNIST
 * DATABASE of handwritten digits", file formats. */
#ifndef BP_DATA_IDX_H
#define BP_DATA_IDX_H

#include "data/array.h"

/* Takes over *bytes (set to NULL), a whole file, plain or gzip. The sizes in the header are
 * compared with the bytes that are there before anything is allocated by them. */
bp_status bp__idx_parse(bp__array *out, char **bytes, size_t size, const char *source);

/* The same of a file's first bytes, without the values: *expected is the size of the whole file. */
bp_status bp__idx_header(bp__array *out, size_t *expected, const char *start, size_t got,
                         const char *source);

#endif
