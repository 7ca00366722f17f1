/* spool.c - a temporary file without a name. */
#include "data/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

struct bp__spool {
    int fd;
    char *folder;
    uint64_t size;
};

static const char *default_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/var/tmp";
}

/* A name for an instant: not every file system knows O_TMPFILE. */
static bp_status open_unnamed(int *fd, const char *folder)
{
    char *path = NULL;
    BP_TRY(bp__append(&path, "%s/backprop-XXXXXX", folder));
    *fd = mkstemp(path);
    const int reason = errno;
    if (*fd >= 0) {
        unlink(path);
        (void)fcntl(*fd, F_SETFD, FD_CLOEXEC);
    }
    free(path);
    if (*fd >= 0) return BP_OK;
    return bp__fail(BP_ERROR_STORAGE, "%s: no temporary file can be made there: %s", folder,
                    strerror(reason));
}

bp_status bp__spool_create(bp__spool **out, const char *folder)
{
    *out = NULL;
    bp__spool *spool = NULL;
    bp_status status;
    if (!folder) folder = default_folder();
    BP_TRY(bp__new_array(&spool, 1, sizeof *spool));
    spool->fd = -1;
    BP_TRY_GOTO(bp__copy_text(&spool->folder, folder));
    BP_TRY_GOTO(open_unnamed(&spool->fd, folder));
    *out = spool;
    return BP_OK;
fail:
    bp__spool_free(spool);
    return status;
}

void bp__spool_free(bp__spool *spool)
{
    if (!spool) return;
    if (spool->fd >= 0) close(spool->fd);
    free(spool->folder);
    free(spool);
}

bp_status bp__spool_append(bp__spool *spool, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        const ssize_t put = pwrite(spool->fd, next, size, (off_t)spool->size);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0)
            return bp__fail(BP_ERROR_STORAGE,
                            "%s: the temporary file of the rows cannot be written beyond %.1f MB: "
                            "%s; name a folder with more room",
                            spool->folder, (double)spool->size / 1e6,
                            strerror(put < 0 ? errno : ENOSPC));
        next += put;
        size -= (size_t)put;
        spool->size += (uint64_t)put;
    }
    return BP_OK;
}

uint64_t bp__spool_size(const bp__spool *spool)
{
    return spool->size;
}

bp_status bp__spool_read(const bp__spool *spool, void *out, uint64_t offset, size_t size)
{
    char *next = out;
    while (size > 0) {
        const ssize_t got = pread(spool->fd, next, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return bp__fail(BP_ERROR_STORAGE, "%s: the temporary file of the rows cannot be read: %s",
                            spool->folder, got < 0 ? strerror(errno) : "it is too short");
        next += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return BP_OK;
}
