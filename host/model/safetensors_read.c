/* safetensors_read.c - reads a safetensors file that may come from anywhere.
 *
 * Nothing in the file is believed before it has been checked: sizes are compared with the file's
 * own size before anything is allocated by them, and what is allocated is a small multiple of it.
 */
#include "model/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"

enum { LENGTH_BYTES = 8, LONGEST_HEADER = 100000000 };

static const struct {
    const char *name;
    bp__dtype dtype;
    size_t bytes;
} dtypes[] = {
    {"F32", BP__DTYPE_F32, 4},       {"F64", BP__DTYPE_F64, 8},    {"F16", BP__DTYPE_F16, 2},
    {"BF16", BP__DTYPE_BF16, 2},     {"BOOL", BP__DTYPE_OTHER, 1}, {"U8", BP__DTYPE_OTHER, 1},
    {"I8", BP__DTYPE_OTHER, 1},      {"U16", BP__DTYPE_OTHER, 2},  {"I16", BP__DTYPE_OTHER, 2},
    {"U32", BP__DTYPE_OTHER, 4},     {"I32", BP__DTYPE_OTHER, 4},  {"U64", BP__DTYPE_OTHER, 8},
    {"I64", BP__DTYPE_I64, 8},       {"C64", BP__DTYPE_OTHER, 8},  {"F8_E5M2", BP__DTYPE_OTHER, 1},
    {"F8_E4M3", BP__DTYPE_OTHER, 1},
};

static uint64_t little_endian(const char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = count; i > 0; --i) value = value << 8 | (unsigned char)bytes[i - 1];
    return value;
}

/* ---- Header ---- */

bp_status bp__json_parse(json_t **out, json_error_t *error, const char *bytes, size_t size)
{
    /* Twice, because jansson 2.14 does not tell a failed allocation from bad input: it reports what
     * it was reading at the time, or nothing, or drops a character and goes on. What both readings
     * agree upon is the bytes' own. */
    json_t *first = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, error);
    json_t *second = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, error);
    const bool bad = !first && !second && error->text[0];
    *out = first && second && json_equal(first, second) ? json_incref(first) : NULL;
    json_decref(first);
    json_decref(second);
    if (*out) return BP_OK;
    return bad ? BP_ERROR_MODEL : bp__fail_memory(size);
}

/* What else people take for a model, told by its first bytes; "" where they tell nothing. None of
 * them is the length of a header that is possible. */
static const char *other_format(const char *bytes)
{
    static const struct {
        const char *start;
        size_t length;
        const char *what;
    } others[] = {
        {"PK\3\4", 4, ": a zip archive, as torch.save writes (use safetensors.torch.save_file)"},
        {"\x89HDF", 4, ": an HDF5 file"},
        {"GGUF", 4, ": a GGUF file"},
        {"\x93NUMPY", 6, ": a NumPy file"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        if (memcmp(bytes, others[i].start, others[i].length) == 0) return others[i].what;
    /* ONNX: field 1, a version, then field 2, the name of the program that wrote it. */
    const unsigned char version = (unsigned char)bytes[1], length = (unsigned char)bytes[3];
    if (bytes[0] == 8 && version >= 1 && version <= 32 && bytes[2] == 0x12 && length <= 64)
        return ": by its first bytes an ONNX file";
    bool text = true;
    for (size_t i = 0; i < LENGTH_BYTES; ++i) {
        const unsigned char c = (unsigned char)bytes[i];
        text = text && ((c >= ' ' && c <= 0xF4) || c == '\t' || c == '\n' || c == '\r');
    }
    return text ? ": it begins with text, as a table of data does" : "";
}

static bp_status read_header(bp__safetensors *file, size_t size)
{
    const char *path = file->path;
    if (size < LENGTH_BYTES)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: not a safetensors file: %zu byte%s, where the header's length alone "
                        "takes 8",
                        path, size, size == 1 ? "" : "s");
    const uint64_t length = little_endian(file->bytes, LENGTH_BYTES);
    if (length == 0 || length > LONGEST_HEADER)
        return bp__fail(BP_ERROR_MODEL,
                        "%s, byte 0: not a safetensors file: a header of %" PRIu64
                        " bytes, 1 to %d are possible%s",
                        path, length, LONGEST_HEADER, other_format(file->bytes));
    if (length > size - LENGTH_BYTES)
        return bp__fail(BP_ERROR_MODEL,
                        "%s, byte 0: a header of %" PRIu64 " bytes, but only %zu follow: the file "
                        "is cut short or not a safetensors file",
                        path, length, size - LENGTH_BYTES);
    const unsigned char first = (unsigned char)file->bytes[LENGTH_BYTES];
    if (first != '{')
        return bp__fail(BP_ERROR_MODEL,
                        "%s, byte 8: the header starts with byte 0x%02x, '{' was expected", path,
                        first);
    json_error_t error;
    bp_status status =
        bp__json_parse(&file->header, &error, file->bytes + LENGTH_BYTES, (size_t)length);
    if (status == BP_ERROR_MODEL)
        return bp__fail(status, "%s, byte %d: the header is not sound JSON: %s", path,
                        LENGTH_BYTES + error.position, error.text);
    if (status != BP_OK) return status;
    file->data = LENGTH_BYTES + length;
    return BP_OK;
}

static bp_status check_metadata(const bp__safetensors *file, json_t *metadata)
{
    if (!json_is_object(metadata))
        return bp__fail(BP_ERROR_MODEL, "%s: \"__metadata__\" is not a JSON object", file->path);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return bp__fail(BP_ERROR_MODEL,
                            "%s: \"__metadata__\": the value of \"%s\" is not a string", file->path,
                            key);
    }
    return BP_OK;
}

/* ---- Tensors ---- */

static bp_status tensor_fail(const bp__safetensors *file, const bp__tensor *tensor,
                             const char *reason)
{
    return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\": %s", file->path, tensor->name, reason);
}

/* *bytes is the size of one element. */
static bp_status read_dtype(bp__tensor *tensor, size_t *bytes, const bp__safetensors *file,
                            const json_t *entry)
{
    tensor->dtype_name = json_string_value(json_object_get(entry, "dtype"));
    if (!tensor->dtype_name) return tensor_fail(file, tensor, "\"dtype\" is not a string");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; ++i) {
        if (strcmp(dtypes[i].name, tensor->dtype_name) != 0) continue;
        tensor->dtype = dtypes[i].dtype;
        *bytes = dtypes[i].bytes;
        return BP_OK;
    }
    return bp__fail(BP_ERROR_MODEL, "%s: tensor \"%s\": unknown dtype \"%s\"", file->path,
                    tensor->name, tensor->dtype_name);
}

static bp_status read_shape(bp__tensor *tensor, const bp__safetensors *file, const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return tensor_fail(file, tensor, "\"shape\" is not an array");
    tensor->dimensions = json_array_size(shape);
    tensor->elements = 1;
    for (size_t d = 0; d < BP__TENSOR_DIMENSIONS; ++d) tensor->shape[d] = 1;
    for (size_t d = 0; d < tensor->dimensions; ++d) {
        const json_t *given = json_array_get(shape, d);
        const json_int_t extent = json_integer_value(given);
        if (!json_is_integer(given) || extent < 0 || (uint64_t)extent > SIZE_MAX)
            return tensor_fail(file, tensor, "\"shape\" holds something else than integers >= 0");
        if (d < BP__TENSOR_DIMENSIONS) tensor->shape[d] = (size_t)extent;
        if (!bp__mul_size(&tensor->elements, tensor->elements, (size_t)extent))
            return tensor_fail(file, tensor, "the product of \"shape\" is too large");
    }
    return BP_OK;
}

static bp_status read_offsets(bp__tensor *tensor, const bp__safetensors *file, const json_t *entry)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return tensor_fail(file, tensor, "\"data_offsets\" is not an array of two integers");
    for (size_t i = 0; i < 2; ++i) {
        const json_t *given = json_array_get(offsets, i);
        if (!json_is_integer(given) || json_integer_value(given) < 0)
            return tensor_fail(file, tensor,
                               "\"data_offsets\" holds something else than two "
                               "integers >= 0");
        *(i ? &tensor->end : &tensor->begin) = (uint64_t)json_integer_value(given);
    }
    if (tensor->begin > tensor->end)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: tensor \"%s\": \"data_offsets\" begin at %" PRIu64
                        " and end before that, at %" PRIu64,
                        file->path, tensor->name, tensor->begin, tensor->end);
    return BP_OK;
}

static bp_status read_tensor(bp__tensor *tensor, const bp__safetensors *file, const json_t *entry)
{
    size_t element = 0, bytes = 0;
    if (!json_is_object(entry)) return tensor_fail(file, tensor, "is not a JSON object");
    BP_TRY(read_dtype(tensor, &element, file, entry));
    BP_TRY(read_shape(tensor, file, entry));
    BP_TRY(read_offsets(tensor, file, entry));
    if (!bp__mul_size(&bytes, tensor->elements, element))
        return tensor_fail(file, tensor, "the product of \"shape\" is too large");
    if (tensor->end - tensor->begin != bytes) {
        char shape[BP__SHAPE_TEXT];
        return bp__fail(BP_ERROR_MODEL,
                        "%s: tensor \"%s\": \"data_offsets\" span %" PRIu64
                        " bytes, but %s of %s takes %zu",
                        file->path, tensor->name, tensor->end - tensor->begin, tensor->dtype_name,
                        bp__tensor_shape(shape, tensor), bytes);
    }
    return BP_OK;
}

static int by_place(const void *a, const void *b)
{
    const bp__tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bp__tensor *)a)->name, ((const bp__tensor *)b)->name);
}

/* The tensors must fill the data exactly: a byte that belongs to none or to two of them means that
 * the file is damaged, or hides something. */
static bp_status check_places(bp__safetensors *file, size_t size)
{
    const uint64_t data_bytes = size - file->data;
    uint64_t place = 0;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->count; ++i) {
        const bp__tensor *tensor = &file->tensors[i];
        if (tensor->begin != place)
            return bp__fail(BP_ERROR_MODEL,
                            "%s, byte %" PRIu64 ": tensor \"%s\" begins at %" PRIu64
                            " of the data, %s %" PRIu64 ", where %s%s%s",
                            file->path, file->data + place, tensor->name, tensor->begin,
                            tensor->begin > place ? "leaving a hole after" : "overlapping", place,
                            i ? "\"" : "the data starts", i ? tensor[-1].name : "",
                            i ? "\" ends" : "");
        if (tensor->end > data_bytes)
            return bp__fail(BP_ERROR_MODEL,
                            "%s: tensor \"%s\" ends at %" PRIu64 " of the data, but the file holds "
                            "only %" PRIu64 " bytes of it: cut short?",
                            file->path, tensor->name, tensor->end, data_bytes);
        place = tensor->end;
    }
    if (place != data_bytes)
        return bp__fail(BP_ERROR_MODEL,
                        "%s, byte %" PRIu64 ": %" PRIu64 " bytes that belong to no tensor",
                        file->path, file->data + place, data_bytes - place);
    return BP_OK;
}

static bp_status read_tensors(bp__safetensors *file, size_t size)
{
    const char *name;
    json_t *entry;
    BP_TRY(bp__new_array(&file->tensors, json_object_size(file->header), sizeof *file->tensors));
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            BP_TRY(check_metadata(file, entry));
            continue;
        }
        bp__tensor *tensor = &file->tensors[file->count++];
        tensor->name = name;
        BP_TRY(read_tensor(tensor, file, entry));
    }
    BP_TRY(check_places(file, size));
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    return BP_OK;
}

/* ---- The checksum ---- */

char *bp__find_checksum(const char *header, size_t size)
{
    static const char key[] = "\"" BP__CHECKSUM "\":\"";
    const size_t length = sizeof key - 1;
    for (size_t at = 0; at + length + BP__FINGERPRINT_LETTERS <= size; ++at)
        if (header[at] == '"' && memcmp(header + at, key, length) == 0)
            return (char *)(uintptr_t)(header + at + length);
    return NULL;
}

static bp_status check_checksum(const bp__safetensors *file, size_t size)
{
    char found[BP__FINGERPRINT_TEXT], zeros[BP__FINGERPRINT_LETTERS];
    const char *given = bp__safetensors_metadata(file, BP__CHECKSUM);
    if (!given) return BP_OK;
    memset(zeros, '0', sizeof zeros);
    const char *place = bp__find_checksum(file->bytes, (size_t)file->data);
    if (place) {
        bp__fingerprint *hash;
        const char *after = place + sizeof zeros;
        BP_TRY(bp__fingerprint_create(&hash));
        bp__fingerprint_add(hash, file->bytes, (size_t)(place - file->bytes));
        bp__fingerprint_add(hash, zeros, sizeof zeros);
        bp__fingerprint_add(hash, after, size - (size_t)(after - file->bytes));
        bp__fingerprint_text(found, hash);
        bp__fingerprint_free(hash);
    }
    if (place && strcmp(found, given) == 0) return BP_OK;
    return bp__fail(BP_ERROR_MODEL, "%s: damaged: its content does not fit its checksum",
                    file->path);
}

bp_status bp__safetensors_read(bp__safetensors *file, const char *path)
{
    *file = (bp__safetensors){.path = path};
    size_t size;
    bp_status status = bp__file_read(&file->bytes, &size, path, SIZE_MAX / 2 - 1);
    if (status == BP_OK) status = read_header(file, size);
    if (status == BP_OK) status = read_tensors(file, size);
    if (status == BP_OK) status = check_checksum(file, size);
    if (status != BP_OK) bp__safetensors_release(file);
    return status;
}

void bp__safetensors_release(bp__safetensors *file)
{
    free(file->tensors);
    json_decref(file->header);
    free(file->bytes);
    *file = (bp__safetensors){0};
}

/* ---- What a sound file holds ---- */

const bp__tensor *bp__safetensors_find(const bp__safetensors *file, const char *name)
{
    const bp__tensor key = {.name = name};
    return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}

const char *bp__safetensors_metadata(const bp__safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

const char *bp__tensor_shape(char text[BP__SHAPE_TEXT], const bp__tensor *tensor)
{
    if (tensor->dimensions == 0)
        snprintf(text, BP__SHAPE_TEXT, "[]");
    else if (tensor->dimensions == 1)
        snprintf(text, BP__SHAPE_TEXT, "[%zu]", tensor->shape[0]);
    else
        snprintf(text, BP__SHAPE_TEXT, "[%zu, %zu%s]", tensor->shape[0], tensor->shape[1],
                 tensor->dimensions > 2 ? ", ..." : "");
    return text;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits; every one is exact in float32. */
static float float_of_half(uint32_t bits)
{
    const uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    float value;
    if (exponent == 0x1f)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexpf((float)fraction, -24);
    else
        value = ldexpf((float)(fraction | 0x400), (int)exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static float float_of_double_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    /* A cast of what float32 cannot hold is undefined; FLT_MAX and half a step round to infinity.
     */
    return fabs(value) >= 0x1.ffffffp+127 ? INFINITY : (float)value;
}

bp_status bp__tensor_values(float *out, const bp__safetensors *file, const bp__tensor *tensor)
{
    const char *bytes = file->bytes + file->data + tensor->begin;
    const size_t step = tensor->dtype == BP__DTYPE_F64 ? 8 : tensor->dtype == BP__DTYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < tensor->elements; ++i) {
        const uint64_t bits = little_endian(bytes + i * step, step);
        switch (tensor->dtype) {
        case BP__DTYPE_F64: out[i] = float_of_double_bits(bits); break;
        case BP__DTYPE_F32: out[i] = float_of_bits((uint32_t)bits); break;
        case BP__DTYPE_BF16: out[i] = float_of_bits((uint32_t)bits << 16); break;
        case BP__DTYPE_F16: out[i] = float_of_half((uint32_t)bits); break;
        default:
            return bp__fail(BP_ERROR_MODEL,
                            "%s: tensor \"%s\" is %s: F32, F64, F16 and BF16 can be loaded",
                            file->path, tensor->name, tensor->dtype_name);
        }
        if (!isfinite(out[i]))
            return bp__fail(BP_ERROR_MODEL,
                            "%s, byte %" PRIu64 ": tensor \"%s\": element %zu is not a finite "
                            "float32",
                            file->path, file->data + tensor->begin + i * step, tensor->name, i);
    }
    return BP_OK;
}

bp_status bp__tensor_copy(void *out, const bp__safetensors *file, const bp__tensor *tensor,
                          bp__dtype dtype, size_t elements)
{
    if (tensor->dtype != dtype || tensor->elements != elements)
        return bp__fail(BP_ERROR_MODEL,
                        "%s: tensor \"%s\" is %zu elements of %s: something else was expected",
                        file->path, tensor->name, tensor->elements, tensor->dtype_name);
    const char *bytes = file->bytes + file->data + tensor->begin;
    const size_t word = dtype == BP__DTYPE_F32 ? 4 : 8;
    for (size_t i = 0; i < elements; ++i) {
        const uint64_t wide = little_endian(bytes + i * word, word);
        const uint32_t bits = (uint32_t)wide;
        memcpy((char *)out + i * word, word == 4 ? (const void *)&bits : &wide, word);
    }
    return BP_OK;
}
