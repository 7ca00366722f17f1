/* file.c - whole files in. */
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
