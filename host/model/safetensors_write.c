/* safetensors_write.c - writes a safetensors file, replacing an older one as a whole or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "model/safetensors.h"

enum { ALIGNMENT = 8, LONGEST_HEADER = 100000000, CHUNK_BYTES = 65536 };

static void put_little_endian(unsigned char *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; ++i) out[i] = (unsigned char)(value >> 8 * i);
}

static size_t tensor_elements(const bp__tensor_out *tensor)
{
    return tensor->rows * (tensor->columns ? tensor->columns : 1);
}

static const char *dtype_name(bp__dtype dtype)
{
    return dtype == BP__DTYPE_I64 ? "I64" : dtype == BP__DTYPE_F64 ? "F64" : "F32";
}

static size_t dtype_bytes(bp__dtype dtype)
{
    return dtype == BP__DTYPE_F32 ? sizeof(float) : sizeof(double);
}

/* jansson keeps keys in the order of their insertion, which makes the bytes repeatable. */
static json_t *header_of(json_t *metadata, const bp__tensor_out *tensors, size_t count)
{
    uint64_t place = 0;
    json_t *header = json_pack("{s:O}", "__metadata__", metadata);
    for (size_t i = 0; header && i < count; ++i) {
        const bp__tensor_out *tensor = &tensors[i];
        const uint64_t end = place + tensor_elements(tensor) * dtype_bytes(tensor->dtype);
        json_t *shape = tensor->columns ? json_pack("[II]", (json_int_t)tensor->rows,
                                                    (json_int_t)tensor->columns)
                                        : json_pack("[I]", (json_int_t)tensor->rows);
        json_t *entry = json_pack("{s:s, s:o, s:[II]}", "dtype", dtype_name(tensor->dtype), "shape",
                                  shape, "data_offsets", (json_int_t)place, (json_int_t)end);
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

/* Where the bytes of a file go: into the file, or into the checksum that it will carry. */
typedef struct sink {
    bp__atomic_file *file;
    bp__fingerprint *hash;
} sink;

static bp_status pour(const sink *to, const void *bytes, size_t size)
{
    if (to->file) return bp__atomic_write(to->file, bytes, size);
    bp__fingerprint_add(to->hash, bytes, size);
    return BP_OK;
}

/* Through a small buffer, so that the file is little-endian on every machine. */
static bp_status pour_tensor(const sink *to, const bp__tensor_out *tensor)
{
    unsigned char bytes[CHUNK_BYTES];
    const size_t word = dtype_bytes(tensor->dtype), chunk = CHUNK_BYTES / word;
    const unsigned char *values = tensor->values;
    for (size_t left = tensor_elements(tensor); left > 0;) {
        const size_t now = left < chunk ? left : chunk;
        for (size_t i = 0; i < now; ++i, values += word) {
            uint64_t wide;
            uint32_t bits;
            memcpy(word == sizeof bits ? (void *)&bits : (void *)&wide, values, word);
            put_little_endian(bytes + i * word, word == sizeof bits ? bits : wide, word);
        }
        BP_TRY(pour(to, bytes, now * word));
        left -= now;
    }
    return BP_OK;
}

static bp_status pour_all(const sink *to, const char *header, size_t size,
                          const bp__tensor_out *tensors, size_t count)
{
    BP_TRY(pour(to, header, size));
    for (size_t i = 0; i < count; ++i) BP_TRY(pour_tensor(to, &tensors[i]));
    return BP_OK;
}

/* Puts the checksum of the file, in which its own letters are zeros, in their place. */
static bp_status fill_checksum(char *header, size_t size, const bp__tensor_out *tensors,
                               size_t count)
{
    char letters[BP__FINGERPRINT_TEXT];
    sink to = {.file = NULL};
    BP_TRY(bp__fingerprint_create(&to.hash));
    bp_status status = pour_all(&to, header, size, tensors, count);
    bp__fingerprint_text(letters, to.hash);
    bp__fingerprint_free(to.hash);
    memcpy(bp__find_checksum(header, size), letters, BP__FINGERPRINT_LETTERS);
    return status;
}

bp_status bp__safetensors_write(const char *path, json_t *metadata, const bp__tensor_out *tensors,
                                size_t count, int how)
{
    sink to = {.file = NULL};
    char *bytes = NULL, zeros[BP__FINGERPRINT_TEXT] = "00000000000000000000000000000000";
    size_t size = 0;
    bp_status status;
    if (how & BP__WRITE_CHECKED &&
        json_object_set_new(metadata, BP__CHECKSUM, json_string(zeros)) != 0)
        return bp__fail_memory(sizeof zeros);
    json_t *header = header_of(metadata, tensors, count);
    if (!header) return bp__fail_memory(count * sizeof *tensors);
    BP_TRY_GOTO(header_bytes(&bytes, &size, header));
    if (how & BP__WRITE_CHECKED) BP_TRY_GOTO(fill_checksum(bytes, size, tensors, count));
    BP_TRY_GOTO(how & BP__WRITE_AGAIN
                    ? bp__atomic_open_again(&to.file, path, (how & BP__WRITE_KEEP) != 0)
                    : bp__atomic_open(&to.file, path));
    BP_TRY_GOTO(pour_all(&to, bytes, size, tensors, count));
    status = bp__atomic_commit(to.file); /* releases file, whatever it returns */
    to.file = NULL;
fail:
    bp__atomic_abort(to.file);
    free(bytes);
    json_decref(header);
    return status;
}
