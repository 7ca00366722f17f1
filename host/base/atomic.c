/* atomic.c - files that are replaced as a whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

#define BP__PREVIOUS ".previous"

struct bp__atomic_file {
    int fd;
    char *path;   /* as the caller named it, for messages */
    char *target; /* what is replaced: path, or where its links lead */
    char *temporary;
    char *previous; /* where the file that is replaced stays, or NULL */
};

static void atomic_free(bp__atomic_file *file)
{
    if (!file) return;
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file->target);
    free(file->temporary);
    free(file->previous);
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

/* The last errno about the file's path, as an error. */
static bp_status cannot(const bp__atomic_file *file, const char *what)
{
    return bp__fail(BP_ERROR_IO, "%s: cannot be %s: %s", file->path, what, strerror(errno));
}

static bp_status open_random(bp__atomic_file *file)
{
    BP_TRY(bp__append(&file->temporary, "%s.tmp-XXXXXX", file->target));
    file->fd = mkstemp(file->temporary);
    return file->fd < 0 ? cannot(file, "written") : BP_OK;
}

/* Whether the temporary's name still leads to what is open. */
static bool is_ours(const bp__atomic_file *file)
{
    struct stat named, opened;
    return stat(file->temporary, &named) == 0 && fstat(file->fd, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* One name for all times, under a lock: what a killed process left behind is written over, what
 * another one is writing now is not. That one may rename the file between open and lock. */
static bp_status open_locked(bp__atomic_file *file)
{
    BP_TRY(bp__append(&file->temporary, "%s.tmp", file->target));
    do {
        if (file->fd >= 0) close(file->fd);
        file->fd = open(file->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file->fd < 0) return cannot(file, "written");
        if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(file->fd); /* not ours to remove */
            file->fd = -1;
            return bp__fail(BP_ERROR_IO, "%s: another process is writing this file", file->path);
        }
    } while (!is_ours(file));
    return ftruncate(file->fd, 0) != 0 ? cannot(file, "written") : BP_OK;
}

static bp_status open_beside(bp__atomic_file **out, const char *path, bool locked, bool keep)
{
    *out = NULL;
    bp__atomic_file *file = NULL;
    BP_TRY(bp__new_array(&file, 1, sizeof *file));
    file->fd = -1;
    bp_status status;
    BP_TRY_GOTO(bp__copy_text(&file->path, path));
    BP_TRY_GOTO(follow_links(&file->target, path));
    if (keep) BP_TRY_GOTO(bp__append(&file->previous, "%s" BP__PREVIOUS, file->target));
    struct stat about;
    const bool exists = stat(file->target, &about) == 0;
    if (exists && !S_ISREG(about.st_mode)) {
        status = bp__fail(BP_ERROR_IO, "%s: exists and is not a regular file", path);
        goto fail;
    }
    BP_TRY_GOTO(locked ? open_locked(file) : open_random(file));
    /* It was made 0600; a new file gets what the umask allows, another one keeps what it has. */
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

bp_status bp__atomic_open(bp__atomic_file **out, const char *path)
{
    return open_beside(out, path, false, false);
}

bp_status bp__atomic_open_again(bp__atomic_file **out, const char *path, bool keep)
{
    return open_beside(out, path, true, keep);
}

bp_status bp__previous_path(char **out, const char *path)
{
    char *target = NULL;
    *out = NULL;
    BP_TRY(follow_links(&target, path));
    bp_status status = bp__append(out, "%s" BP__PREVIOUS, target);
    free(target);
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

/* A second name for the file that is about to be replaced, so that there is one at path at every
 * moment; where a file system has no links, it is renamed. */
static bp_status keep_previous(const bp__atomic_file *file)
{
    char *link_name = NULL;
    BP_TRY(bp__append(&link_name, "%s.tmp", file->previous));
    (void)unlink(link_name); /* of a process that was killed */
    bool kept = true;
    if (link(file->target, link_name) == 0) {
        kept = rename(link_name, file->previous) == 0;
        (void)unlink(link_name); /* still there where both names were the same file's already */
    } else if (errno != ENOENT) {
        kept = rename(file->target, file->previous) == 0 || errno == ENOENT;
    }
    free(link_name);
    return kept ? BP_OK : cannot(file, "kept as " BP__PREVIOUS);
}

bp_status bp__atomic_commit(bp__atomic_file *file)
{
    bp_status status = fsync(file->fd) != 0 ? cannot(file, "written") : BP_OK;
    if (status == BP_OK && file->previous) status = keep_previous(file);
    if (status == BP_OK && rename(file->temporary, file->target) != 0)
        status = cannot(file, "replaced");
    (void)close(file->fd); /* not before: a lock goes with it; what was synced is written */
    file->fd = -1;
    if (status == BP_OK)
        sync_folder(file->target);
    else
        (void)unlink(file->temporary);
    atomic_free(file);
    return status;
}

void bp__atomic_abort(bp__atomic_file *file)
{
    if (!file) return;
    unlink(file->temporary);
    atomic_free(file);
}
