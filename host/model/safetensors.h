/* safetensors.h - the file format of models: named tensors and a map of texts.
 *
 * A file is a little-endian u64 N, N bytes of JSON (padded with spaces so that the data is aligned
 * to 8), then the data. The JSON maps each tensor's name to its dtype, its shape and its place in
 * the data, and "__metadata__" to a map of strings. Nothing here knows what the tensors mean. */
#ifndef BP_MODEL_SAFETENSORS_H
#define BP_MODEL_SAFETENSORS_H

#include <jansson.h>

#include "base/status.h"

typedef enum bp__dtype {
    BP__DTYPE_OTHER, /* known and of known size, but nothing that is read here */
    BP__DTYPE_I64,   /* counts in checkpoints; no parameter comes from one */
    BP__DTYPE_F16,
    BP__DTYPE_BF16,
    BP__DTYPE_F32,
    BP__DTYPE_F64
} bp__dtype;

enum { BP__TENSOR_DIMENSIONS = 2 };

typedef struct bp__tensor {
    const char *name;
    const char *dtype_name;
    bp__dtype dtype;
    size_t dimensions;                   /* all of them, though only the first two are kept */
    size_t shape[BP__TENSOR_DIMENSIONS]; /* 1 past the last dimension */
    size_t elements;
    uint64_t begin, end; /* in the data */
} bp__tensor;

/* A file that has been read and found sound: offsets are inside the data, without holes or overlap,
 * and fit dtype and shape. */
typedef struct bp__safetensors {
    const char *path; /* for messages; borrowed */
    char *bytes;
    uint64_t data; /* where in bytes the data starts */
    json_t *header;
    bp__tensor *tensors; /* sorted by name */
    size_t count;
} bp__safetensors;

/* On failure nothing is left to release; BP_ERROR_MODEL names the byte or the tensor. A file with a
 * checksum in its metadata is compared with it as a whole. */
bp_status bp__safetensors_read(bp__safetensors *file, const char *path);
void bp__safetensors_release(bp__safetensors *file);

/* NULL where there is none. */
const bp__tensor *bp__safetensors_find(const bp__safetensors *file, const char *name);
const char *bp__safetensors_metadata(const bp__safetensors *file, const char *key);

/* Converts the tensor's elements to float32. A value that is not finite there, or has been rounded
 * to one, is BP_ERROR_MODEL. */
bp_status bp__tensor_values(float *out, const bp__safetensors *file, const bp__tensor *tensor);

/* Copies a tensor of exactly this dtype (I64, F32 or F64) and number of elements, whatever its
 * values are. */
bp_status bp__tensor_copy(void *out, const bp__safetensors *file, const bp__tensor *tensor,
                          bp__dtype dtype, size_t elements);

/* Strict JSON. BP_ERROR_MODEL is not recorded yet: the caller knows what was read, error says what
 * is wrong with it and at which byte. */
bp_status bp__json_parse(json_t **out, json_error_t *error, const char *bytes, size_t size);

/* "[3, 4]" for messages, in a buffer of the caller's. */
enum { BP__SHAPE_TEXT = 64 };
const char *bp__tensor_shape(char text[BP__SHAPE_TEXT], const bp__tensor *tensor);

/* A tensor to be written; columns 0: one dimension. */
typedef struct bp__tensor_out {
    char name[96];
    size_t rows, columns;
    bp__dtype dtype; /* I64, F32 or F64 */
    const void *values;
} bp__tensor_out;

/* The metadata's key of a checksum: XXH128 of the whole file, in which its own letters are '0'. */
#define BP__CHECKSUM "backprop.checksum"

/* How a file is written, joined by |. */
enum {
    BP__WRITE_CHECKED = 1, /* with a checksum of the whole file in its metadata */
    BP__WRITE_AGAIN = 2,   /* by bp__atomic_open_again: it will be replaced many times */
    BP__WRITE_KEEP = 4     /* and the file that is replaced is kept */
};

/* Writes the tensors in the given order, atomically. metadata maps strings to strings. The same
 * arguments give the same bytes. */
bp_status bp__safetensors_write(const char *path, json_t *metadata, const bp__tensor_out *tensors,
                                size_t count, int how);

/* Where the checksum's letters are in the bytes of a header, in which jansson writes compactly;
 * NULL without one. */
char *bp__find_checksum(const char *header, size_t size);

#endif
