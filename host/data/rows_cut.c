/* rows_cut.c - bytes of a file or a pipe as they come, and where a record of CSV ends in them. Only
 * line ends and quotes are looked at here; csv.c cuts the cells and finds what is wrong. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "data/gunzip.h"
#include "data/rows.h"
#include "data/scan.h"

enum { BLOCK = 1 << 20 }; /* bytes, as many as reading pays for */

bp_status bp__row_buffer_open(bp__row_buffer *b, const char *path)
{
    struct stat about;
    *b = (bp__row_buffer){.fd = STDIN_FILENO, .line = 1};
    if (strcmp(path, "-") == 0) return bp__copy_text(&b->source, "standard input");
    BP_TRY(bp__copy_text(&b->source, path));
    b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (b->fd < 0) return bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
    b->own = true;
    if (fstat(b->fd, &about) != 0) return bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return bp__fail(BP_ERROR_IO, "%s: not a regular file (pipe the data in with \"-\")", path);
    char start[2];
    const bool packed = pread(b->fd, start, 2, 0) == 2 && bp__is_gzip(start, 2);
    return packed ? bp__source_open(&b->packed, path) : BP_OK;
}

void bp__row_buffer_close(bp__row_buffer *b)
{
    if (b->own) close(b->fd);
    bp__source_close(b->packed);
    free(b->source);
    free(b->bytes);
    *b = (bp__row_buffer){.fd = -1};
}

/* Space for at least one more byte and a '\0'. */
static bp_status make_room(bp__row_buffer *b, size_t limit)
{
    if (b->begin > 0) {
        memmove(b->bytes, b->bytes + b->begin, b->end - b->begin);
        b->end -= b->begin;
        b->begin = 0;
    }
    if (b->end > limit)
        return bp__fail(BP_ERROR_DATA,
                        "%s, line %u: what starts here has no end within %zu MiB; is a quote not "
                        "closed?",
                        b->source, b->line, limit >> 20);
    if (b->end + 2 <= b->capacity) return BP_OK;
    return bp__grow(&b->bytes, &b->capacity, BLOCK + 2 * b->end, 1);
}

static bool is_ready(int fd, int milliseconds)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, milliseconds) > 0;
}

/* What can be unpacked before damage counts; the next call tells of that, which is no row's fault.
 */
static bp_status unpack(bp__row_buffer *b)
{
    size_t got;
    const size_t room = b->capacity - b->end - 1;
    const bp_status status = bp__source_read(b->packed, b->bytes + b->end, room, &got);
    b->end += got;
    b->ended = status == BP_OK && got < room;
    if (got > 0) return BP_OK;
    return status == BP_ERROR_DATA ? bp__fail(BP_ERROR_IO, "%s", bp_last_error()) : status;
}

static bp_status take(bp__row_buffer *b)
{
    for (bool first = true; b->end + 1 < b->capacity; first = false) {
        if (!first && !is_ready(b->fd, 0)) break;
        const ssize_t got = read(b->fd, b->bytes + b->end, b->capacity - b->end - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            is_ready(b->fd, -1);
            continue;
        }
        if (got < 0) return bp__fail(BP_ERROR_IO, "%s: %s", b->source, strerror(errno));
        if (got == 0) {
            b->ended = true;
            break;
        }
        b->end += (size_t)got;
    }
    return BP_OK;
}

bp_status bp__row_buffer_fill(bp__row_buffer *b, size_t limit)
{
    BP_TRY(make_room(b, limit));
    BP_TRY(b->packed ? unpack(b) : take(b));
    b->bytes[b->end] = '\0';
    return BP_OK;
}

static bool is_space(char byte, char delimiter)
{
    return byte == ' ' || (byte == '\t' && delimiter != '\t');
}

/* Past the line end that starts at s; NULL where a '\n' may follow that has not come. */
static const char *past_newline(const bp__row_buffer *b, const char *s)
{
    const char *end = b->bytes + b->end;
    if (*s == '\n') return s + 1;
    if (s + 1 < end) return s + 1 + (s[1] == '\n');
    return b->ended ? s + 1 : NULL;
}

size_t bp__row_blank(const bp__row_buffer *b, size_t at, char delimiter)
{
    const char *start = b->bytes + b->begin, *end = b->bytes + b->end, *s = start + at, *blank = s;
    for (;;) {
        while (s < end && is_space(*s, delimiter)) ++s;
        if (s == end && b->ended) blank = end;
        if (s == end || (*s != '\n' && *s != '\r')) break;
        s = past_newline(b, s);
        if (!s) break;
        blank = s;
    }
    return (size_t)(blank - start) - at;
}

/* Past the quote that closes the one before s; NULL where it has not come. */
static const char *past_quoted(const char *s, const char *end)
{
    for (;;) {
        s = s < end ? memchr(s, '"', (size_t)(end - s)) : NULL;
        if (!s || s + 1 == end) return s && s + 1 == end ? end : NULL;
        if (s[1] != '"') return s + 1;
        s += 2;
    }
}

/* The line end of a record in which there are quotes, which open at the start of a cell alone. */
static const char *find_end_quoted(const char *s, const char *end, char delimiter)
{
    for (bool at_start = true; s && s < end;) {
        if (*s == '\n' || *s == '\r') return s;
        if (*s == '"' && at_start) {
            s = past_quoted(s + 1, end);
            at_start = false;
            continue;
        }
        at_start = *s == delimiter || (at_start && is_space(*s, delimiter));
        ++s;
    }
    return NULL;
}

static const char *find_end(const char *s, const char *end, char delimiter)
{
    const char *newline = memchr(s, '\n', (size_t)(end - s));
    const size_t length = (size_t)((newline ? newline : end) - s);
    if (memchr(s, '"', length)) return find_end_quoted(s, end, delimiter);
    const char *carriage = memchr(s, '\r', length);
    return carriage ? carriage : newline;
}

size_t bp__row_end(const bp__row_buffer *b, size_t at, char delimiter)
{
    const char *start = b->bytes + b->begin, *end = b->bytes + b->end;
    const char *s = start + at + bp__row_blank(b, at, delimiter);
    if (s == end) return 0;
    const char *stop = find_end(s, end, delimiter);
    if (stop) stop = past_newline(b, stop);
    if (!stop && b->ended) stop = end;
    return stop ? (size_t)(stop - start) : 0;
}

void bp__row_buffer_drop(bp__row_buffer *b, size_t size)
{
    b->line += bp__count_lines(b->bytes + b->begin, b->bytes + b->begin + size);
    b->begin += size;
}
