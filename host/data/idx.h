/* idx.h - the IDX format of the MNIST files.
 *
 * Bytes 0 0 type n, then n sizes as big-endian 32-bit numbers, then the values, big-endian, the
 * last index fastest. Types: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64. Source: "THE MNIST
 * DATABASE of handwritten digits", file formats. */
#ifndef BP_DATA_IDX_H
#define BP_DATA_IDX_H

#include "data/data.h"

#define BP__IDX_LIMIT ((size_t)1 << 36)

typedef struct bp__idx {
    unsigned char *bytes; /* the values, owned */
    size_t count;         /* of values */
    uint8_t type;
    unsigned dimensions;
    size_t size[8];
    const char *source; /* borrowed */
} bp__idx;

/* Whether a file starts like IDX: two zero bytes, a known type, a possible number of dimensions. */
bool bp__is_idx(const char *bytes, size_t size);

/* Takes over *bytes (set to NULL), a whole file, plain or gzip. The sizes in the header are
 * compared with the bytes that are there before anything is allocated by them. */
bp_status bp__idx_parse(bp__idx *out, char **bytes, size_t size, const char *source);
bp_status bp__idx_read(bp__idx *out, const char *path);
void bp__idx_free(bp__idx *idx);

/* Moves the pictures of images (its bytes may be taken over) into data. */
bp_status bp__idx_images(bp_data *data, bp__idx *images);
/* Labels of data's rows. */
bp_status bp__idx_labels(bp_data *data, const bp__idx *labels);

#endif
