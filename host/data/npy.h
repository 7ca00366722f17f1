/* npy.h - NumPy's format for one array, and its archive of several, NPZ.
 *
 * NPY: bytes 93 "NUMPY", the version's two bytes, the header's length (2 bytes in version 1, 4 in 2
 * and 3, little-endian), the header, the values. The header is a Python dictionary with the keys
 * descr (type and byte order), fortran_order and shape. Source: NumPy Enhancement Proposal 1, and
 * numpy.lib.format. NPZ is a zip archive with a member NAME.npy for each array. */
#ifndef BP_DATA_NPY_H
#define BP_DATA_NPY_H

#include "data/array.h"

bool bp__is_npy(const char *bytes, size_t size);

/* Takes over *bytes (set to NULL), a whole file. The sizes in the header are compared with the
 * bytes that are there. */
bp_status bp__npy_parse(bp__array *out, char **bytes, size_t size, const char *source);

/* The same of a file's first bytes, without the values: *expected is the size of the whole file. */
bp_status bp__npy_header(bp__array *out, size_t *expected, const char *start, size_t got,
                         const char *source);

/* x and, where there is one, y, of an archive: the arrays that are called as data sets' arrays are.
 * test_part: of an archive with x_train and x_test, the second. Where none of several arrays can be
 * y, *warnings says so. */
bp_status bp__npz_parse(bp__arrays *out, char **warnings, const char *bytes, size_t size,
                        const char *source, bool test_part);

/* Whether an archive has a test part beside a training part. */
bool bp__npz_has_test_part(const char *bytes, size_t size);

#endif
