/* idx.c - the IDX format: header, values, and what a data set takes from them. */
#include "data/idx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/gunzip.h"
#include "data/schema.h"

enum { MOST_DIMENSIONS = 8, LONGEST_HEADER = 4 + 4 * MOST_DIMENSIONS };

/* Bytes of a value, 0 for an unknown type. */
static size_t type_size(unsigned type)
{
    switch (type) {
    case 0x08:
    case 0x09: return 1;
    case 0x0B: return 2;
    case 0x0C:
    case 0x0D: return 4;
    case 0x0E: return 8;
    default: return 0;
    }
}

static uint32_t big_endian_32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool bp__is_idx(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return size >= 4 && b[0] == 0 && b[1] == 0 && type_size(b[2]) > 0 && b[3] >= 1 &&
           b[3] <= MOST_DIMENSIONS;
}

/* Value number i, whatever the type. A double holds all of them exactly. */
static double value_at(const bp__idx *idx, size_t i)
{
    const unsigned char *b = idx->bytes + i * type_size(idx->type);
    switch (idx->type) {
    case 0x08: return b[0];
    case 0x09: return (int8_t)b[0];
    case 0x0B: return (int16_t)(uint16_t)(b[0] << 8 | b[1]);
    case 0x0C: return (int32_t)big_endian_32(b);
    case 0x0D: {
        uint32_t bits = big_endian_32(b);
        float value;
        memcpy(&value, &bits, sizeof value);
        return (double)value;
    }
    default: {
        uint64_t bits = (uint64_t)big_endian_32(b) << 32 | big_endian_32(b + 4);
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    }
}

/* Fills in all but bytes from the first `got` bytes of the file; *expected is the size of the whole
 * file that they promise. */
static bp_status parse_header(bp__idx *idx, size_t *header, size_t *expected,
                              const unsigned char *b, size_t got)
{
    if (got < 4)
        return bp__fail(BP_ERROR_DATA, "%s: %zu bytes, the header of an IDX file has at least 8",
                        idx->source, got);
    if (b[0] != 0 || b[1] != 0)
        return bp__fail(BP_ERROR_DATA, "%s, byte 0: %02x %02x found, an IDX file starts with 00 00",
                        idx->source, b[0], b[1]);
    if (type_size(b[2]) == 0)
        return bp__fail(BP_ERROR_DATA,
                        "%s, byte 2: type %02x is unknown; IDX has 08, 09, 0b, 0c, 0d "
                        "and 0e",
                        idx->source, b[2]);
    if (b[3] < 1 || b[3] > MOST_DIMENSIONS)
        return bp__fail(BP_ERROR_DATA, "%s, byte 3: %u dimensions, 1 to %d were expected",
                        idx->source, b[3], MOST_DIMENSIONS);
    idx->type = b[2];
    idx->dimensions = b[3];
    *header = 4 + 4 * (size_t)idx->dimensions;
    if (got < *header)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the file ends after %zu bytes, inside its header of %zu", idx->source,
                        got, *header);
    size_t count = 1;
    bool fits = true;
    for (unsigned d = 0; d < idx->dimensions; ++d) {
        idx->size[d] = big_endian_32(b + 4 + 4 * d);
        if (idx->size[d] == 0)
            return bp__fail(BP_ERROR_DATA, "%s, byte %u: dimension %u has size 0, there is no data",
                            idx->source, 4 + 4 * d, d + 1);
        fits = fits && bp__mul_size(&count, count, idx->size[d]);
    }
    idx->count = count;
    if (!fits || !bp__mul_size(expected, count, type_size(idx->type)) ||
        !bp__add_size(expected, *expected, *header))
        return bp__fail(BP_ERROR_DATA,
                        "%s, byte 4: the sizes in the header multiply to more than a "
                        "file can hold",
                        idx->source);
    return BP_OK;
}

static bp_status fail_size(const bp__idx *idx, size_t expected, size_t found)
{
    return bp__fail(BP_ERROR_DATA, "%s: %zu bytes found%s, the header promises %zu: the file is %s",
                    idx->source, found, found > expected ? " or more" : "", expected,
                    found > expected ? "too long" : "cut off");
}

/* Deflate cannot pack tighter than 1032 to 1: a promise beyond that is false without a look. */
enum { DEFLATE_LIMIT = 1032 };

static bp_status unpack(char **bytes, size_t *size, bp__idx *idx)
{
    char start[LONGEST_HEADER], *content;
    size_t got, header, expected, content_size;
    BP_TRY(bp__gunzip_start(start, sizeof start, &got, *bytes, *size));
    BP_TRY(parse_header(idx, &header, &expected, (unsigned char *)start, got));
    if (expected / DEFLATE_LIMIT > *size + 1)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the header promises %zu bytes, %zu bytes of gzip cannot "
                        "hold them",
                        idx->source, expected, *size);
    /* One byte more would be too long already. */
    bp_status status = bp__gunzip(&content, &content_size, *bytes, *size, expected, idx->source);
    if (status != BP_OK) return status;
    free(*bytes);
    *bytes = content;
    *size = content_size;
    return BP_OK;
}

bp_status bp__idx_parse(bp__idx *out, char **bytes, size_t size, const char *source)
{
    char *content = *bytes;
    size_t header, expected;
    *bytes = NULL;
    memset(out, 0, sizeof *out);
    out->source = source;
    bp_status status = bp__is_gzip(content, size) ? unpack(&content, &size, out) : BP_OK;
    if (status == BP_OK)
        status = parse_header(out, &header, &expected, (unsigned char *)content, size);
    if (status == BP_OK && size != expected) status = fail_size(out, expected, size);
    if (status != BP_OK) {
        free(content);
        memset(out, 0, sizeof *out);
        return status;
    }
    memmove(content, content + header, size - header);
    out->bytes = (unsigned char *)content;
    return BP_OK;
}

bp_status bp__idx_read(bp__idx *out, const char *path)
{
    char *bytes;
    size_t size;
    memset(out, 0, sizeof *out);
    BP_TRY(bp__file_read(&bytes, &size, path, BP__IDX_LIMIT));
    return bp__idx_parse(out, &bytes, size, path);
}

void bp__idx_free(bp__idx *idx)
{
    free(idx->bytes);
    memset(idx, 0, sizeof *idx);
}

static bp_status widen(bp_data *data, const bp__idx *images)
{
    BP_TRY(bp__new_array(&data->values, images->count, sizeof *data->values));
    for (size_t i = 0; i < images->count; ++i) {
        double value = value_at(images, i);
        data->values[i] = (float)value;
        if (!isfinite(data->values[i]))
            return bp__fail(BP_ERROR_DATA,
                            "%s: row %zu, value %zu (from 0) is %g; a finite float32 "
                            "was expected",
                            images->source, i / data->pixel_count, i % data->pixel_count, value);
    }
    return BP_OK;
}

bp_status bp__idx_images(bp_data *data, bp__idx *images)
{
    if (images->dimensions < 2)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has one dimension, as files of labels have; pictures were "
                        "expected here (are the two files swapped?)",
                        images->source);
    data->rows = images->size[0];
    data->pixel_count = images->count / images->size[0];
    if (images->dimensions == 3) {
        data->image_height = images->size[1];
        data->image_width = images->size[2];
    }
    if (images->type != 0x08) return widen(data, images);
    data->pixels = images->bytes;
    images->bytes = NULL;
    return BP_OK;
}

static bp_status check_labels(const bp_data *data, const bp__idx *labels)
{
    if (labels->dimensions != 1)
        return bp__fail(BP_ERROR_DATA,
                        "%s: has %u dimensions, as files of pictures have; labels were "
                        "expected here (are the two files swapped?)",
                        labels->source, labels->dimensions);
    if (labels->type == 0x0D || labels->type == 0x0E)
        return bp__fail(BP_ERROR_DATA, "%s, byte 2: labels of type %02x; integers were expected",
                        labels->source, labels->type);
    if (labels->count != data->rows)
        return bp__fail(BP_ERROR_DATA,
                        "%s has %zu labels, but %s has %zu rows; they do not belong "
                        "together",
                        labels->source, labels->count, data->source, data->rows);
    return BP_OK;
}

bp_status bp__idx_labels(bp_data *data, const bp__idx *labels)
{
    BP_TRY(check_labels(data, labels));
    BP_TRY(bp__new_array(&data->labels, data->rows, sizeof *data->labels));
    for (size_t r = 0; r < data->rows; ++r) {
        double value = value_at(labels, r);
        if (value < 0 || value >= (double)BP__CLASSES_LIMIT)
            return bp__fail(BP_ERROR_DATA, "%s: label %zu (from 0) is %.0f; 0 to %zu was expected",
                            labels->source, r, value, BP__CLASSES_LIMIT - 1);
        data->labels[r] = (int32_t)value;
    }
    data->task = BP_TASK_CLASSIFY;
    return BP_OK;
}
