/* gunzip.c - gzip in memory by zlib's inflate. gzopen would want the file a second time, and would
 * pass damaged bytes after the last member over in silence. */
#include "data/gunzip.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/memory.h"

/* 15 bits of window, 16: a gzip header and its checksum. */
enum { WINDOW = 15 + 16, CHUNK = 1 << 16 };

/* Tables of digits reach a factor of 10, pictures with wide margins 20. */
size_t bp__unpacked_limit(size_t size)
{
    size_t limit;
    bool fits = bp__mul_size(&limit, size, 200) && bp__add_size(&limit, limit, (size_t)64 << 20);
    return fits ? limit : SIZE_MAX;
}

bool bp__is_gzip(const char *bytes, size_t size)
{
    return size >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

bp_status bp__gunzip_start(char *out, size_t wanted, size_t *got, const char *bytes, size_t size)
{
    z_stream z = {0};
    *got = 0;
    if (inflateInit2(&z, WINDOW) != Z_OK) return bp__fail_memory(CHUNK);
    /* zlib's interface lacks a const. */
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = size > UINT_MAX ? UINT_MAX : (uInt)size;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)wanted;
    int code = inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    if (code == Z_MEM_ERROR) return bp__fail_memory(CHUNK);
    if (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR) *got = wanted - z.avail_out;
    return BP_OK;
}

typedef struct output {
    char *bytes;
    size_t used, capacity, limit, bound;
} output;

/* Gives z the next input; its counters are 32 bits wide, files are not. */
static void feed(z_stream *z, const char *bytes, size_t size)
{
    size_t eaten = (size_t)((const char *)z->next_in - bytes), left = size - eaten;
    z->avail_in = left > UINT_MAX ? UINT_MAX : (uInt)left;
}

static size_t eaten(const z_stream *z, const char *bytes)
{
    return (size_t)((const char *)z->next_in - bytes);
}

/* After a member: 1 where another one follows, 0 at the end, -1 where something else is there. Zero
 * bytes are padding, as tape archives have it. */
static int next_member(z_stream *z, const char *bytes, size_t size)
{
    size_t at = eaten(z, bytes);
    if (bp__is_gzip(bytes + at, size - at)) return inflateReset(z) == Z_OK ? 1 : -1;
    for (; at < size; ++at)
        if (bytes[at] != 0) return -1;
    return 0;
}

static bp_status inflate_all(z_stream *z, output *out, const char *bytes, size_t size,
                             const char *source)
{
    for (;;) {
        if (out->used > out->limit)
            return bp__fail(BP_ERROR_DATA, "%s: holds more than the %zu bytes that were expected",
                            source, out->limit);
        if (out->used > out->bound)
            return bp__fail(BP_ERROR_DATA,
                            "%s: expands to more than %zu bytes, from %zu; if that is "
                            "right, gunzip it first",
                            source, out->bound, size);
        BP_TRY(bp__grow(&out->bytes, &out->capacity, out->used + CHUNK + 1, 1));
        feed(z, bytes, size);
        z->next_out = (Bytef *)out->bytes + out->used;
        z->avail_out = CHUNK;
        int code = inflate(z, Z_NO_FLUSH);
        out->used += CHUNK - z->avail_out;
        if (code == Z_STREAM_END) {
            int more = next_member(z, bytes, size);
            if (more == 0) return BP_OK;
            if (more < 0)
                return bp__fail(BP_ERROR_DATA, "%s, byte %zu: something follows the gzip data",
                                source, eaten(z, bytes));
        } else if (code == Z_BUF_ERROR ||
                   (code == Z_OK && eaten(z, bytes) == size && z->avail_out > 0)) {
            return bp__fail(BP_ERROR_DATA,
                            "%s: the gzip data ends too early, after %zu bytes; the "
                            "file is cut off",
                            source, size);
        } else if (code == Z_MEM_ERROR) {
            return bp__fail_memory(CHUNK);
        } else if (code != Z_OK) {
            return bp__fail(BP_ERROR_DATA, "%s, byte %zu: the gzip data is damaged (%s)", source,
                            eaten(z, bytes), z->msg ? z->msg : zError(code));
        }
    }
}

bp_status bp__gunzip(char **out, size_t *out_size, const char *bytes, size_t size, size_t limit,
                     const char *source)
{
    z_stream z = {0};
    output o = {.limit = limit, .bound = bp__unpacked_limit(size)};
    *out = NULL;
    *out_size = 0;
    if (inflateInit2(&z, WINDOW) != Z_OK) return bp__fail_memory(CHUNK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    bp_status status = inflate_all(&z, &o, bytes, size, source);
    inflateEnd(&z);
    if (status != BP_OK) {
        free(o.bytes);
        return status;
    }
    o.bytes[o.used] = '\0';
    *out = o.bytes;
    *out_size = o.used;
    return BP_OK;
}
