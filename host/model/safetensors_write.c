/* safetensors_write.c - writes a safetensors file, replacing an older one as a whole or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/safetensors.h"

enum { ALIGNMENT = 8, LONGEST_HEADER = 100000000, CHUNK_FLOATS = 16384 };

static void put_little_endian(unsigned char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; ++i) out[i] = (unsigned char)(value >> 8 * i);
}

static size_t tensor_elements(const bp__tensor_out *tensor)
{
    return tensor->rows * (tensor->columns ? tensor->columns : 1);
}

/* jansson keeps keys in the order of their insertion, which makes the bytes repeatable. */
static json_t *header_of(json_t *metadata, const bp__tensor_out *tensors, size_t count)
{
    uint64_t place = 0;
    json_t *header = json_pack("{s:O}", "__metadata__", metadata);
    for (size_t i = 0; header && i < count; ++i) {
        const bp__tensor_out *tensor = &tensors[i];
        const uint64_t end = place + tensor_elements(tensor) * sizeof(float);
        json_t *shape = tensor->columns ? json_pack("[II]", (json_int_t)tensor->rows,
                                                    (json_int_t)tensor->columns)
                                        : json_pack("[I]", (json_int_t)tensor->rows);
        json_t *entry = json_pack("{s:s, s:o, s:[II]}", "dtype", "F32", "shape", shape,
                                  "data_offsets", (json_int_t)place, (json_int_t)end);
        if (json_object_set_new(header, tensor->name, entry) != 0) {
            json_decref(header);
            return NULL;
        }
        place = end;
    }
    return header;
}

/* *out = the length and the header's text, padded with spaces so that the data is aligned. */
static bp_status header_bytes(char **out, size_t *size, const json_t *header)
{
    *out = NULL;
    const size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
    if (length == 0) return bp__fail_memory(LONGEST_HEADER);
    const size_t padded = bp__round_up(length, ALIGNMENT);
    if (padded > LONGEST_HEADER)
        return bp__fail(
            BP_ERROR_UNSUPPORTED,
            "a header of %zu bytes, safetensors allows %d: too many names or categories", padded,
            LONGEST_HEADER);
    char *bytes = NULL;
    BP_TRY(bp__new_array(&bytes, ALIGNMENT + padded, 1));
    put_little_endian((unsigned char *)bytes, padded, ALIGNMENT);
    memset(bytes + ALIGNMENT, ' ', padded);
    /* It allocates a little, so that it may fail this time although it has not the first time. */
    if (json_dumpb(header, bytes + ALIGNMENT, length, JSON_COMPACT) != length) {
        free(bytes);
        return bp__fail_memory(length);
    }
    *out = bytes;
    *size = ALIGNMENT + padded;
    return BP_OK;
}

/* Through a small buffer, so that the file is little-endian on every machine. */
static bp_status write_values(bp__atomic_file *file, const float *values, size_t count)
{
    unsigned char bytes[CHUNK_FLOATS * sizeof(float)];
    while (count > 0) {
        const size_t now = count < CHUNK_FLOATS ? count : CHUNK_FLOATS;
        for (size_t i = 0; i < now; ++i) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            put_little_endian(bytes + i * sizeof bits, bits, sizeof bits);
        }
        BP_TRY(bp__atomic_write(file, bytes, now * sizeof(float)));
        values += now;
        count -= now;
    }
    return BP_OK;
}

bp_status bp__safetensors_write(const char *path, json_t *metadata, const bp__tensor_out *tensors,
                                size_t count)
{
    bp__atomic_file *file = NULL;
    char *bytes = NULL;
    size_t size = 0;
    bp_status status;
    json_t *header = header_of(metadata, tensors, count);
    if (!header) return bp__fail_memory(count * sizeof *tensors);
    BP_TRY_GOTO(header_bytes(&bytes, &size, header));
    BP_TRY_GOTO(bp__atomic_open(&file, path));
    BP_TRY_GOTO(bp__atomic_write(file, bytes, size));
    for (size_t i = 0; i < count; ++i)
        BP_TRY_GOTO(write_values(file, tensors[i].values, tensor_elements(&tensors[i])));
    status = bp__atomic_commit(file); /* releases file, whatever it returns */
    file = NULL;
fail:
    bp__atomic_abort(file);
    free(bytes);
    json_decref(header);
    return status;
}
