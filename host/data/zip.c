/* zip.c - zip archives in memory, by zlib's inflate. Every offset and length is compared with the
 * bytes that are there before it is used. */
#include "data/zip.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"
#include "data/data.h"
#include "data/gunzip.h"

enum {
    LOCAL = 0x04034b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END_64 = 0x06064b50,
    LOCATOR_64 = 0x07064b50,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END_64_BYTES = 56,
    LOCATOR_64_BYTES = 20,
    LONGEST_COMMENT = 65535,
    ENCRYPTED = 1,
    STORED = 0,
    DEFLATED = 8,
    DEFLATE_LIMIT = 1032, /* it cannot pack tighter */
    EXTRA_64 = 1
};

static uint64_t get(const char *bytes, size_t at, int size)
{
    uint64_t value = 0;
    for (int i = size; i-- > 0;) value = value << 8 | (unsigned char)bytes[at + (size_t)i];
    return value;
}

static uint16_t get_16(const char *bytes, size_t at)
{
    return (uint16_t)get(bytes, at, 2);
}

static uint32_t get_32(const char *bytes, size_t at)
{
    return (uint32_t)get(bytes, at, 4);
}

static bool has(const bp__zip *zip, uint64_t at, uint64_t bytes)
{
    return at <= zip->size && bytes <= zip->size - at;
}

bool bp__is_zip(const char *bytes, size_t size)
{
    return size >= 4 && (get_32(bytes, 0) == LOCAL || get_32(bytes, 0) == END);
}

/* ---- the central directory ---- */

/* Where it is and how many members it lists. */
typedef struct directory {
    uint64_t at, size, count;
} directory;

static bp_status fail_damaged(const bp__zip *zip, uint64_t at, const char *what)
{
    return bp__fail(BP_ERROR_DATA, "%s, byte %zu: %s; the zip archive is damaged or cut off",
                    zip->source, (size_t)at, what);
}

/* The last place where an end record can start and says that the file ends with it. */
static bool find_end(size_t *at, const bp__zip *zip)
{
    if (zip->size < END_BYTES) return false;
    size_t last = zip->size - END_BYTES;
    size_t first = last > LONGEST_COMMENT ? last - LONGEST_COMMENT : 0;
    for (*at = last + 1; (*at)-- > first;)
        if (get_32(zip->bytes, *at) == END &&
            *at + END_BYTES + get_16(zip->bytes, *at + 20) == zip->size)
            return true;
    return false;
}

/* Archives with large members or many have a second end record before the first. */
static bp_status read_end_64(directory *d, const bp__zip *zip, size_t end)
{
    size_t locator = end - LOCATOR_64_BYTES;
    if (end < LOCATOR_64_BYTES || get_32(zip->bytes, locator) != LOCATOR_64) return BP_OK;
    uint64_t at = get(zip->bytes, locator + 8, 8);
    if (!has(zip, at, END_64_BYTES) || get_32(zip->bytes, (size_t)at) != END_64)
        return fail_damaged(zip, at, "no zip64 end record");
    d->count = get(zip->bytes, (size_t)at + 32, 8);
    d->size = get(zip->bytes, (size_t)at + 40, 8);
    d->at = get(zip->bytes, (size_t)at + 48, 8);
    return BP_OK;
}

static bp_status find_directory(directory *d, const bp__zip *zip)
{
    size_t end;
    *d = (directory){0, 0, 0};
    if (!find_end(&end, zip)) return fail_damaged(zip, zip->size, "no end record");
    if (get_16(zip->bytes, end + 4) != 0)
        return bp__fail(BP_ERROR_DATA, "%s: is one of several files of an archive", zip->source);
    d->count = get_16(zip->bytes, end + 10);
    d->size = get_32(zip->bytes, end + 12);
    d->at = get_32(zip->bytes, end + 16);
    BP_TRY(read_end_64(d, zip, end));
    if (!has(zip, d->at, d->size) || d->count > d->size / CENTRAL_BYTES)
        return fail_damaged(zip, end, "the end record promises more than there is");
    return BP_OK;
}

/* Sizes of 32 bits that are full are in the extra field of zip64, in this order. */
static bool read_extra_64(bp__zip_member *m, const char *extra, size_t length)
{
    while (length >= 4) {
        size_t size = get_16(extra, 2), at = 4;
        if (size > length - 4) return false;
        if (get_16(extra, 0) == EXTRA_64) {
            uint64_t *const values[] = {&m->size, &m->packed, &m->at};
            for (int i = 0; i < 3; ++i) {
                if (*values[i] != UINT32_MAX) continue;
                if (at + 8 > size + 4) return false;
                *values[i] = get(extra, at, 8);
                at += 8;
            }
        }
        extra += 4 + size;
        length -= 4 + size;
    }
    return true;
}

/* The member listed at *at, which is moved past it. */
static bp_status read_member(bp__zip_member *m, const bp__zip *zip, uint64_t *at, uint64_t end)
{
    const size_t start = (size_t)*at;
    const char *b = zip->bytes + start;
    if (end - *at < CENTRAL_BYTES || get_32(b, 0) != CENTRAL)
        return fail_damaged(zip, start, "a member's entry was expected");
    size_t name = get_16(b, 28), extra = get_16(b, 30), comment = get_16(b, 32);
    *at += CENTRAL_BYTES;
    if (end - *at < name + extra + comment)
        return fail_damaged(zip, start, "a member's entry ends too early");
    *m = (bp__zip_member){.name = b + CENTRAL_BYTES,
                          .name_length = name,
                          .flags = get_16(b, 8),
                          .method = get_16(b, 10),
                          .checksum = get_32(b, 16),
                          .packed = get_32(b, 20),
                          .size = get_32(b, 24),
                          .at = get_32(b, 42)};
    if (!read_extra_64(m, b + CENTRAL_BYTES + name, extra))
        return fail_damaged(zip, start, "a member's extra field is damaged");
    *at += name + extra + comment;
    return BP_OK;
}

bp_status bp__zip_open(bp__zip *zip, const char *bytes, size_t size, const char *source)
{
    directory d;
    *zip = (bp__zip){.bytes = bytes, .size = size, .source = source};
    BP_TRY(find_directory(&d, zip));
    BP_TRY(bp__new_array(&zip->members, (size_t)d.count, sizeof *zip->members));
    uint64_t at = d.at, end = d.at + d.size;
    for (; zip->count < d.count; ++zip->count) {
        bp_status status = read_member(&zip->members[zip->count], zip, &at, end);
        if (status == BP_OK) continue;
        bp__zip_close(zip);
        return status;
    }
    return BP_OK;
}

void bp__zip_close(bp__zip *zip)
{
    free(zip->members);
    memset(zip, 0, sizeof *zip);
}

/* ---- a member ---- */

static bp_status fail_member(const bp__zip *zip, const bp__zip_member *m, uint64_t at,
                             const char *why)
{
    char name[64], shown[64];
    snprintf(name, sizeof name, "%.*s", m->name_length < 63 ? (int)m->name_length : 63, m->name);
    return bp__fail(BP_ERROR_DATA, "%s, byte %zu: %s %s", zip->source, (size_t)at,
                    bp__shown(shown, name), why);
}

/* Where the member's packed bytes start. */
static bp_status find_content(size_t *start, const bp__zip *zip, const bp__zip_member *m)
{
    *start = 0;
    if (!has(zip, m->at, LOCAL_BYTES) || get_32(zip->bytes, (size_t)m->at) != LOCAL)
        return fail_member(zip, m, m->at, "does not start there; the zip archive is damaged");
    uint64_t at = m->at + LOCAL_BYTES + get_16(zip->bytes, (size_t)m->at + 26) +
                  get_16(zip->bytes, (size_t)m->at + 28);
    if (!has(zip, at, m->packed))
        return fail_member(zip, m, m->at, "ends after the file; the zip archive is damaged");
    *start = (size_t)at;
    return BP_OK;
}

static bp_status check_member(const bp__zip *zip, const bp__zip_member *m)
{
    char why[160];
    if (m->flags & ENCRYPTED) return fail_member(zip, m, m->at, "is encrypted");
    if (m->method != STORED && m->method != DEFLATED) {
        snprintf(why, sizeof why,
                 "is packed by method %u; stored and deflated members can be read "
                 "(numpy.savez, numpy.savez_compressed)",
                 m->method);
        return fail_member(zip, m, m->at, why);
    }
    if (m->method == STORED ? m->size != m->packed : m->size / DEFLATE_LIMIT > m->packed + 1)
        return fail_member(zip, m, m->at,
                           "is promised more bytes than it can hold; the zip archive is damaged");
    if (m->size > bp__unpacked_limit(zip->size)) {
        snprintf(why, sizeof why,
                 "would be %zu bytes, out of %zu; if that is right, save it with "
                 "numpy.savez, which does not compress",
                 (size_t)m->size, (size_t)m->packed);
        return fail_member(zip, m, m->at, why);
    }
    return BP_OK;
}

/* zlib's counters are 32 bits wide, arrays are not. */
static uInt portion(size_t left)
{
    return left > UINT_MAX ? UINT_MAX : (uInt)left;
}

static bp_status inflate_member(char *out, const bp__zip *zip, const bp__zip_member *m,
                                size_t start)
{
    z_stream z = {0};
    size_t eaten = 0, made = 0;
    int code = Z_OK;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return bp__fail_memory(1 << MAX_WBITS);
    while (code == Z_OK) {
        /* One byte more than promised, so that the end is seen where nothing is left to write. */
        uInt in = portion((size_t)m->packed - eaten), room = portion((size_t)m->size + 1 - made);
        /* zlib's interface lacks a const. */
        z.next_in = (Bytef *)(uintptr_t)(zip->bytes + start + eaten);
        z.avail_in = in;
        z.next_out = (Bytef *)out + made;
        z.avail_out = room;
        code = inflate(&z, Z_NO_FLUSH);
        eaten += in - z.avail_in;
        made += room - z.avail_out;
        if (made > m->size) code = Z_DATA_ERROR;
    }
    inflateEnd(&z);
    if (code == Z_MEM_ERROR) return bp__fail_memory(1 << MAX_WBITS);
    if (code != Z_STREAM_END || made != m->size)
        return fail_member(zip, m, start + eaten, "is damaged: it does not unpack to its size");
    return BP_OK;
}

static bool checksum_fits(const char *bytes, const bp__zip_member *m)
{
    uLong sum = crc32(0, NULL, 0);
    for (size_t done = 0; done < m->size;) {
        uInt part = portion((size_t)m->size - done);
        sum = crc32(sum, (const Bytef *)bytes + done, part);
        done += part;
    }
    return sum == m->checksum;
}

bp_status bp__zip_unpack(char **out, size_t *size, const bp__zip *zip, const bp__zip_member *member)
{
    size_t start;
    *out = NULL;
    *size = (size_t)member->size;
    BP_TRY(check_member(zip, member));
    BP_TRY(find_content(&start, zip, member));
    *out = malloc(*size + 1);
    if (!*out) return bp__fail_memory(*size + 1);
    bp_status status = BP_OK;
    if (member->method == STORED)
        memcpy(*out, zip->bytes + start, *size);
    else
        status = inflate_member(*out, zip, member, start);
    if (status == BP_OK && !checksum_fits(*out, member))
        status = fail_member(zip, member, start, "is damaged: its checksum is another one");
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
        return status;
    }
    (*out)[*size] = '\0';
    return BP_OK;
}
