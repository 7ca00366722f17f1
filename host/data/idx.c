/* idx.c - the IDX format: its header, also of a file that is still packed. */
#include "data/idx.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/gunzip.h"

enum { LONGEST_HEADER = 4 + 4 * BP__ARRAY_DIMENSIONS };

static bool find_type(bp__type *type, unsigned code)
{
    static const struct {
        unsigned code;
        bp__type type;
    } types[] = {{0x08, BP__U8},  {0x09, BP__I8},  {0x0B, BP__I16},
                 {0x0C, BP__I32}, {0x0D, BP__F32}, {0x0E, BP__F64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; ++i)
        if (types[i].code == code) {
            *type = types[i].type;
            return true;
        }
    return false;
}

static uint32_t big_endian_32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Fills in all but bytes from the first `got` bytes of the file; *expected is the size of the whole
 * file that they promise. */
static bp_status parse_header(bp__array *out, size_t *expected, const unsigned char *b, size_t got)
{
    if (got < 4)
        return bp__fail(BP_ERROR_DATA, "%s: %zu bytes, the header of an IDX file has at least 8",
                        out->source, got);
    if (b[0] != 0 || b[1] != 0)
        return bp__fail(BP_ERROR_DATA, "%s, byte 0: %02x %02x found, an IDX file starts with 00 00",
                        out->source, b[0], b[1]);
    if (!find_type(&out->type, b[2]))
        return bp__fail(BP_ERROR_DATA,
                        "%s, byte 2: type %02x is unknown; IDX has 08, 09, 0b, 0c, 0d "
                        "and 0e",
                        out->source, b[2]);
    if (b[3] < 1 || b[3] > BP__ARRAY_DIMENSIONS)
        return bp__fail(BP_ERROR_DATA, "%s, byte 3: %u dimensions, 1 to %d were expected",
                        out->source, b[3], BP__ARRAY_DIMENSIONS);
    out->big_endian = true;
    out->dimensions = b[3];
    out->start = 4 + 4 * (size_t)out->dimensions;
    if (got < out->start)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the file ends after %zu bytes, inside its header of %zu", out->source,
                        got, out->start);
    for (unsigned d = 0; d < out->dimensions; ++d)
        out->size[d] = big_endian_32(b + 4 + 4 * (size_t)d);
    return bp__array_count(out, expected, 4, 4);
}

/* Deflate cannot pack tighter than 1032 to 1: a promise beyond that is false without a look. */
enum { DEFLATE_LIMIT = 1032 };

static bp_status unpack(char **bytes, size_t *size, bp__array *out)
{
    char start[LONGEST_HEADER], *content;
    size_t got, expected = 0, content_size;
    BP_TRY(bp__gunzip_start(start, sizeof start, &got, *bytes, *size));
    BP_TRY(parse_header(out, &expected, (unsigned char *)start, got));
    if (expected / DEFLATE_LIMIT > *size + 1)
        return bp__fail(BP_ERROR_DATA,
                        "%s: the header promises %zu bytes, %zu bytes of gzip cannot "
                        "hold them",
                        out->source, expected, *size);
    /* One byte more would be too long already. */
    BP_TRY(bp__gunzip(&content, &content_size, *bytes, *size, expected, out->source));
    free(*bytes);
    *bytes = content;
    *size = content_size;
    return BP_OK;
}

bp_status bp__idx_parse(bp__array *out, char **bytes, size_t size, const char *source)
{
    size_t expected = 0;
    memset(out, 0, sizeof *out);
    out->bytes = *bytes;
    *bytes = NULL;
    bp_status status = bp__copy_text(&out->source, source);
    if (status == BP_OK && bp__is_gzip(out->bytes, size)) status = unpack(&out->bytes, &size, out);
    if (status == BP_OK) status = parse_header(out, &expected, (unsigned char *)out->bytes, size);
    if (status == BP_OK) status = bp__array_check_size(out, expected, size);
    if (status != BP_OK) bp__array_free(out);
    return status;
}

bp_status bp__idx_header(bp__array *out, size_t *expected, const char *start, size_t got,
                         const char *source)
{
    memset(out, 0, sizeof *out);
    bp_status status = bp__copy_text(&out->source, source);
    if (status == BP_OK) status = parse_header(out, expected, (const unsigned char *)start, got);
    if (status != BP_OK) bp__array_free(out);
    return status;
}
