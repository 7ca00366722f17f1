/* formats.c - which format a file has. Names do not count: they lie, and pipes have none. */
#include "data/formats.h"

#include <string.h>

#include "base/file.h"
#include "data/fann.h"
#include "data/gunzip.h"
#include "data/libsvm.h"
#include "data/npy.h"
#include "data/zip.h"

/* Bytes from which every format can be told; comments and labels without values may come first. */
enum { ENOUGH = 1 << 16, ENOUGH_UNPACKED = 1 << 12 };

/* Text cannot start with NUL bytes, IDX must. */
static bool is_idx(const char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0 && bytes[1] == 0;
}

static bool is_anything(const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    return true;
}

/* In the order in which they are tried. */
static const struct {
    bp__file_kind kind;
    int32_t format;
    const char *name;
    bool (*is)(const char *bytes, size_t size);
} kinds[BP__FILE_KINDS] = {
    {BP__FILE_IDX, BP_FORMAT_IDX, "IDX", is_idx},
    {BP__FILE_NPZ, BP_FORMAT_NPY, "NPZ", bp__is_zip},
    {BP__FILE_NPY, BP_FORMAT_NPY, "NPY", bp__is_npy},
    {BP__FILE_FANN, BP_FORMAT_FANN, "FANN data", bp__is_fann},
    {BP__FILE_LIBSVM, BP_FORMAT_LIBSVM, "libsvm text", bp__is_libsvm},
    {BP__FILE_CSV, BP_FORMAT_CSV, "CSV", is_anything},
};

/* Files that people try and that start in a way of their own. */
static const struct {
    const char *start;
    size_t length;
    const char *what;
} others[] = {
    {"PAR1", 4, "a Parquet file; save it as CSV"},
    {"\x89HDF", 4, "an HDF5 file; save it as CSV or NPZ"},
    {"\x89PNG", 4, "a PNG picture; pictures are read from IDX and NPY files"},
    {"FANN_", 5, "a network that FANN saved, not data"},
};

static size_t row_of(bp__file_kind kind)
{
    size_t row = 0;
    while (kinds[row].kind != kind) ++row;
    return row;
}

const char *bp__kind_name(bp__file_kind kind)
{
    return kinds[row_of(kind)].name;
}

int32_t bp__kind_format(bp__file_kind kind)
{
    return kinds[row_of(kind)].format;
}

/* Models are safetensors files: eight bytes of a length below 2^32, then JSON. */
static bool is_model(const char *bytes, size_t size)
{
    return size >= 9 && memcmp(bytes + 4, "\0\0\0\0{", 5) == 0;
}

/* ONNX models start with field 1, a version, then field 2, the name of the program. */
static bool is_onnx(const char *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 8 && bytes[1] > 0 && bytes[2] == 0x12;
}

static bp_status refuse_others(const char *bytes, size_t size, const char *source)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        if (size >= others[i].length && memcmp(bytes, others[i].start, others[i].length) == 0)
            return bp__fail(BP_ERROR_DATA, "%s: is %s", source, others[i].what);
    if (is_model(bytes, size)) return bp__fail(BP_ERROR_DATA, "%s: is a model, not data", source);
    if (is_onnx(bytes, size))
        return bp__fail(BP_ERROR_DATA, "%s: is by its first bytes an ONNX file, a model", source);
    return BP_OK;
}

int bp_is_model(const char *path)
{
    char start[9];
    size_t got;
    if (!path || strcmp(path, "-") == 0) return 0;
    return bp__file_start(start, sizeof start, &got, path) == BP_OK && is_model(start, got);
}

bp_status bp__find_kind(bp__file_kind *kind, int32_t format, const char *bytes, size_t size,
                        const char *source)
{
    char unpacked[ENOUGH_UNPACKED];
    size_t got = size < ENOUGH ? size : ENOUGH;
    if (bp__is_gzip(bytes, size)) {
        BP_TRY(bp__gunzip_start(unpacked, sizeof unpacked, &got, bytes, size));
        bytes = unpacked;
    }
    if (format == BP_FORMAT_AUTO) BP_TRY(refuse_others(bytes, got, source));
    for (size_t i = 0; i < BP__FILE_KINDS; ++i) {
        bool asked_for = format == BP_FORMAT_AUTO || format == kinds[i].format;
        if (!asked_for) continue;
        *kind = kinds[i].kind;
        if (kinds[i].is(bytes, got)) return BP_OK;
    }
    return BP_OK; /* not like any of those that were asked for: their reader says why */
}
