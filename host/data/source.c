/* source.c - a data file, plain or gzip, read once from front to end. What is in the file is seen
 * as it passes by, so that its fingerprint costs no second reading; zlib's own files would hide it.
 */
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "data/gunzip.h"

enum { BUFFER = 1 << 18, GZIP_WINDOW = 15 + 16 }; /* 16: a gzip header and its checksum */

struct bp__source {
    char *name;
    int fd;
    bool piped;
    struct stat about;
    bp__fingerprint *hash;
    uint64_t bytes; /* of the file, read so far */
    bool ended;     /* and there are no more */

    unsigned char *buffer; /* [BUFFER], of which [at, size) is still to be given out */
    size_t at, size;
    bool packed, inflating; /* inflating: in a member of a gzip file, not behind the last one */
    z_stream z;
};

static bp_status fail_system(const bp__source *source)
{
    return bp__fail(BP_ERROR_IO, "%s: %s", source->name, strerror(errno));
}

/* ---- bytes of the file ----------------------------------------------------------------------- */

/* The next bytes, as many as the system has at hand: 0 at the end alone. */
static bp_status read_some(bp__source *source, void *out, size_t wanted, size_t *got)
{
    enum { MOST = 1 << 30 };
    ssize_t count = 0;
    do count = read(source->fd, out, wanted < MOST ? wanted : MOST);
    while (count < 0 && errno == EINTR);
    *got = 0;
    if (count < 0) return fail_system(source);
    *got = (size_t)count;
    source->ended = count == 0;
    source->bytes += *got;
    bp__fingerprint_add(source->hash, out, *got);
    return BP_OK;
}

/* At least `wanted` bytes into the buffer, or all that are left. */
static bp_status fill(bp__source *source, size_t wanted)
{
    size_t got;
    memmove(source->buffer, source->buffer + source->at, source->size - source->at);
    source->size -= source->at;
    source->at = 0;
    while (source->size < wanted && !source->ended) {
        BP_TRY(read_some(source, source->buffer + source->size, BUFFER - source->size, &got));
        source->size += got;
    }
    return BP_OK;
}

static uint64_t position(const bp__source *source)
{
    return source->bytes - (source->size - source->at);
}

/* ---- opening --------------------------------------------------------------------------------- */

static bp_status open_file(bp__source *source, const char *path)
{
    source->piped = strcmp(path, "-") == 0;
    /* O_NONBLOCK: opening a FIFO that nobody writes must not hang. */
    source->fd = source->piped ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (source->fd < 0 || fstat(source->fd, &source->about) != 0) return fail_system(source);
    if (!source->piped && !S_ISREG(source->about.st_mode))
        return bp__fail(BP_ERROR_IO, "%s: not a regular file (pipe the data in with \"-\")",
                        source->name);
    return BP_OK;
}

static bp_status look_inside(bp__source *source)
{
    BP_TRY(fill(source, 2));
    source->packed = bp__is_gzip((const char *)source->buffer, source->size);
    if (!source->packed) return BP_OK;
    source->inflating = inflateInit2(&source->z, GZIP_WINDOW) == Z_OK;
    if (source->inflating) return BP_OK;
    source->packed = false; /* there is nothing to end */
    return bp__fail_memory(BUFFER);
}

bp_status bp__source_open(bp__source **out, const char *path)
{
    *out = NULL;
    bp__source *source = NULL;
    bp_status status;
    BP_TRY(bp__new_array(&source, 1, sizeof *source));
    source->fd = -1;
    BP_TRY_GOTO(bp__copy_text(&source->name, strcmp(path, "-") == 0 ? "standard input" : path));
    BP_TRY_GOTO(bp__new_array(&source->buffer, BUFFER, 1));
    BP_TRY_GOTO(bp__fingerprint_create(&source->hash));
    BP_TRY_GOTO(open_file(source, path));
    BP_TRY_GOTO(look_inside(source));
    *out = source;
    return BP_OK;
fail:
    bp__source_close(source);
    return status;
}

void bp__source_close(bp__source *source)
{
    if (!source) return;
    if (source->packed) inflateEnd(&source->z);
    if (source->fd >= 0) close(source->fd);
    bp__fingerprint_free(source->hash);
    free(source->buffer);
    free(source->name);
    free(source);
}

const char *bp__source_name(const bp__source *source)
{
    return source->name;
}

/* ---- content --------------------------------------------------------------------------------- */

/* What the buffer has, and then straight from the file. */
static bp_status read_plain(bp__source *source, char *out, size_t wanted, size_t *got)
{
    const size_t there = source->size - source->at;
    *got = there < wanted ? there : wanted;
    memcpy(out, source->buffer + source->at, *got);
    source->at += *got;
    while (*got < wanted && !source->ended) {
        size_t more;
        BP_TRY(read_some(source, out + *got, wanted - *got, &more));
        *got += more;
    }
    return BP_OK;
}

/* After a member of a gzip file: the next one, or the end. Zero bytes are padding, as tape archives
 * have it. */
static bp_status next_member(bp__source *source)
{
    BP_TRY(fill(source, 2));
    if (bp__is_gzip((const char *)source->buffer, source->size))
        return inflateReset(&source->z) == Z_OK ? BP_OK : bp__fail_memory(BUFFER);
    source->inflating = false;
    while (source->size > 0) {
        for (; source->at < source->size; ++source->at)
            if (source->buffer[source->at] != 0)
                return bp__fail(BP_ERROR_DATA, "%s, byte %llu: something follows the gzip data",
                                source->name, (unsigned long long)position(source));
        BP_TRY(fill(source, 1));
    }
    return BP_OK;
}

/* Inflates until the output is full, the buffer empty, or the member done. */
static bp_status inflate_some(bp__source *source)
{
    z_stream *z = &source->z;
    if (source->at == source->size) BP_TRY(fill(source, 1));
    z->next_in = source->buffer + source->at;
    z->avail_in = (uInt)(source->size - source->at);
    const int code = inflate(z, Z_NO_FLUSH);
    source->at = source->size - z->avail_in;
    if (code == Z_STREAM_END) return next_member(source);
    if (code == Z_MEM_ERROR) return bp__fail_memory(BUFFER);
    if (code == Z_BUF_ERROR || (code == Z_OK && source->ended && z->avail_out > 0))
        return bp__fail(BP_ERROR_DATA,
                        "%s: the gzip data ends too early, after %llu bytes; the file is cut off",
                        source->name, (unsigned long long)source->bytes);
    if (code == Z_OK) return BP_OK;
    return bp__fail(BP_ERROR_DATA, "%s, byte %llu: the gzip data is damaged (%s)", source->name,
                    (unsigned long long)position(source), z->msg ? z->msg : zError(code));
}

static bp_status read_packed(bp__source *source, char *out, size_t wanted, size_t *got)
{
    enum { MOST = 1 << 30 }; /* zlib counts in int */
    z_stream *z = &source->z;
    while (*got < wanted && source->inflating) {
        const size_t room = wanted - *got < MOST ? wanted - *got : MOST;
        z->next_out = (Bytef *)out + *got;
        z->avail_out = (uInt)room;
        BP_TRY(inflate_some(source));
        *got += room - z->avail_out;
    }
    return BP_OK;
}

bp_status bp__source_read(bp__source *source, char *out, size_t wanted, size_t *got)
{
    *got = 0;
    return source->packed ? read_packed(source, out, wanted, got)
                          : read_plain(source, out, wanted, got);
}

bp_status bp__source_finish(bp__source *source, uint64_t *bytes,
                            char fingerprint[BP__FINGERPRINT_TEXT])
{
    struct stat now;
    while (!source->ended) {
        source->at = source->size;
        BP_TRY(fill(source, 1));
    }
    *bytes = source->bytes;
    bp__fingerprint_text(fingerprint, source->hash);
    if (source->piped) return BP_OK;
    if (stat(source->name, &now) != 0) return fail_system(source);
    if (now.st_size == source->about.st_size && now.st_ino == source->about.st_ino &&
        now.st_mtim.tv_sec == source->about.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == source->about.st_mtim.tv_nsec)
        return BP_OK;
    return bp__fail(BP_ERROR_IO, "%s: was changed while it was read", source->name);
}
