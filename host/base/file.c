/* file.c - whole files in, and files that are replaced as a whole or not at all. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

/* read() until the end of the file; *size bytes are in *out. Grows by doubling, so that a file is
 * read whole even where its size is not known beforehand. */
static bp_status read_all(char **out, size_t *size, int fd, const char *path, size_t hint,
                          size_t limit)
{
    size_t capacity = 0, used = 0;
    char *bytes = NULL;
    bp_status status = bp__grow(&bytes, &capacity, hint + 1, 1);
    while (status == BP_OK) {
        if (used + 1 >= capacity) {
            status = bp__grow(&bytes, &capacity, used + 65536, 1);
            if (status != BP_OK) break;
        }
        ssize_t got = read(fd, bytes + used, capacity - used - 1);
        if (got == 0) break;
        if (got < 0) {
            if (errno == EINTR) continue;
            status = bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
            break;
        }
        used += (size_t)got;
        if (used > limit)
            status = bp__fail(BP_ERROR_IO, "%s: larger than the %zu bytes that can be read", path,
                              limit);
    }
    if (status != BP_OK) {
        free(bytes);
        return status;
    }
    bytes[used] = '\0';
    *out = bytes;
    *size = used;
    return BP_OK;
}

/* Opens a regular file; *about is what fstat says of it. */
static bp_status open_regular(int *fd, struct stat *about, const char *path)
{
    /* O_NONBLOCK: opening a FIFO that nobody writes must not hang. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
    bp_status status = BP_OK;
    if (fstat(*fd, about) != 0)
        status = bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
    else if (S_ISDIR(about->st_mode))
        status = bp__fail(BP_ERROR_IO, "%s: is a folder, a file was expected", path);
    else if (!S_ISREG(about->st_mode))
        status =
            bp__fail(BP_ERROR_IO, "%s: not a regular file (pipe the data in with \"-\")", path);
    if (status != BP_OK) close(*fd);
    return status;
}

bp_status bp__file_read(char **out, size_t *size, const char *path, size_t limit)
{
    int fd;
    struct stat about = {0};
    *out = NULL;
    *size = 0;
    if (strcmp(path, "-") == 0)
        return read_all(out, size, STDIN_FILENO, "standard input", 0, limit);
    BP_TRY(open_regular(&fd, &about, path));
    bp_status status;
    if ((uintmax_t)about.st_size > limit)
        status = bp__fail(BP_ERROR_IO, "%s: %jd bytes, larger than the %zu that can be read", path,
                          (intmax_t)about.st_size, limit);
    else
        status = read_all(out, size, fd, path, (size_t)about.st_size, limit);
    close(fd);
    return status;
}

bp_status bp__file_start(char *out, size_t wanted, size_t *got, const char *path)
{
    int fd;
    struct stat about;
    bp_status status = BP_OK;
    *got = 0;
    BP_TRY(open_regular(&fd, &about, path));
    while (*got < wanted) {
        ssize_t more = read(fd, out + *got, wanted - *got);
        if (more == 0) break;
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) {
            status = bp__fail(BP_ERROR_IO, "%s: %s", path, strerror(errno));
            break;
        }
        *got += (size_t)more;
    }
    close(fd);
    return status;
}

struct bp__atomic_file {
    int fd;
    char *path;   /* as the caller named it, for messages */
    char *target; /* what is replaced: path, or where its links lead */
    char *temporary;
};

static void atomic_free(bp__atomic_file *file)
{
    if (!file) return;
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->target);
    free(file->temporary);
    free(file);
}

enum { LONGEST_LINK = 4096, MOST_LINKS = 40 };

/* Follows the links that path's last name may be, so that the file is replaced and not the link;
 * where the last one leads nowhere, that is where the file will be. *out is the caller's. */
static bp_status follow_links(char **out, const char *path)
{
    char link[LONGEST_LINK], *at = NULL;
    bp_status status = bp__copy_text(&at, path);
    for (int links = 0; status == BP_OK; ++links) {
        ssize_t length = readlink(at, link, sizeof link);
        if (length < 0) break; /* no link, or nothing at all: mkstemp says what is wrong */
        if (links == MOST_LINKS || length == LONGEST_LINK) {
            status = bp__fail(BP_ERROR_IO, "%s: cannot be written: %s", path, strerror(ELOOP));
            break;
        }
        const char *slash = link[0] == '/' ? NULL : strrchr(at, '/');
        char *next = NULL;
        status =
            bp__append(&next, "%.*s%.*s", slash ? (int)(slash - at) + 1 : 0, at, (int)length, link);
        free(at);
        at = next;
    }
    if (status != BP_OK) {
        free(at);
        at = NULL;
    }
    *out = at;
    return status;
}

bp_status bp__atomic_open(bp__atomic_file **out, const char *path)
{
    *out = NULL;
    bp__atomic_file *file = NULL;
    BP_TRY(bp__new_array(&file, 1, sizeof *file));
    file->fd = -1;
    bp_status status;
    BP_TRY_GOTO(bp__copy_text(&file->path, path));
    BP_TRY_GOTO(follow_links(&file->target, path));
    BP_TRY_GOTO(bp__append(&file->temporary, "%s.tmp-XXXXXX", file->target));
    struct stat about;
    const bool exists = stat(file->target, &about) == 0;
    if (exists && !S_ISREG(about.st_mode)) {
        status = bp__fail(BP_ERROR_IO, "%s: exists and is not a regular file", path);
        goto fail;
    }
    file->fd = mkstemp(file->temporary);
    if (file->fd < 0) {
        status = bp__fail(BP_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
        goto fail;
    }
    /* mkstemp makes 0600; a new file gets what the umask allows, another one keeps what it has. */
    mode_t mask = umask(0);
    umask(mask);
    const mode_t mode = exists ? about.st_mode & 0777 : 0666 & ~mask;
    if (fchmod(file->fd, mode) != 0) { /* some file systems have no modes: no matter */
        errno = 0;
    }
    *out = file;
    return BP_OK;
fail:
    atomic_free(file);
    return status;
}

bp_status bp__atomic_write(bp__atomic_file *file, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t put = write(file->fd, next, size);
        if (put < 0) {
            if (errno == EINTR) continue;
            return bp__fail(BP_ERROR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
        }
        next += put;
        size -= (size_t)put;
    }
    return BP_OK;
}

/* Makes the rename itself durable. Folders that cannot be opened or synced are left to the
 * kernel. */
static void sync_folder(const char *path)
{
    char *folder = NULL;
    const char *slash = strrchr(path, '/');
    bp_status status = slash ? bp__copy_bytes(&folder, path, (size_t)(slash - path) + 1)
                             : bp__copy_text(&folder, ".");
    if (status != BP_OK) return;
    int fd = open(folder, O_RDONLY | O_CLOEXEC);
    free(folder);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

bp_status bp__atomic_commit(bp__atomic_file *file)
{
    bp_status status = BP_OK;
    if (fsync(file->fd) != 0)
        status = bp__fail(BP_ERROR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0 && status == BP_OK)
        status = bp__fail(BP_ERROR_IO, "%s: cannot be written: %s", file->path, strerror(errno));
    if (status == BP_OK && rename(file->temporary, file->target) != 0)
        status = bp__fail(BP_ERROR_IO, "%s: cannot be replaced: %s", file->path, strerror(errno));
    if (status == BP_OK)
        sync_folder(file->target);
    else
        unlink(file->temporary);
    atomic_free(file);
    return status;
}

void bp__atomic_abort(bp__atomic_file *file)
{
    if (!file) return;
    unlink(file->temporary);
    atomic_free(file);
}
