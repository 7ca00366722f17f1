/* files.c - checks and writes the files that the commands make themselves. The model is written by
 * the library in the same way. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

bool cli_same_file(const char *a, const char *b)
{
    if (!a || !b || strcmp(a, "-") == 0 || strcmp(b, "-") == 0) return false;
    if (strcmp(a, b) == 0) return true;
    struct stat one, two;
    return stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

static int cannot(const char *path)
{
    const char *reason = strerror(errno);
    if (errno == ENOENT)
        return cli_error(CLI_FAILURE, "%s: cannot be written: its folder does not exist", path);
    if (errno == EEXIST)
        return cli_error(CLI_FAILURE, "%s: cannot be written: it is not a regular file", path);
    return cli_error(CLI_FAILURE, "%s: cannot be written: %s", path, reason);
}

/* Opens a temporary beside path; *name is the caller's. */
static int open_temporary(char **name, const char *path)
{
    static const char suffix[] = ".tmp-XXXXXX";
    *name = NULL;
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        errno = S_ISDIR(about.st_mode) ? EISDIR : EEXIST;
        return -1;
    }
    size_t length = strlen(path);
    char *text = malloc(length + sizeof suffix);
    if (!text) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(text, path, length);
    memcpy(text + length, suffix, sizeof suffix);
    int fd = mkstemp(text);
    if (fd < 0) {
        int reason = errno;
        free(text);
        errno = reason;
        return -1;
    }
    *name = text;
    return fd;
}

int cli_check_output(const char *path)
{
    char *name;
    int fd = open_temporary(&name, path);
    if (fd < 0) return cannot(path);
    unlink(name);
    close(fd);
    free(name);
    return -1;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        bytes += put;
        size -= (size_t)put;
    }
    return true;
}

static int replace(const char *path, const char *bytes, size_t size)
{
    char *name;
    int fd = open_temporary(&name, path);
    if (fd < 0) return cannot(path);
    mode_t mask = umask(0); /* mkstemp's 0600 is not what a result should have */
    umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    bool done = write_all(fd, bytes, size) && fsync(fd) == 0;
    int reason = done ? 0 : errno;
    if (close(fd) != 0 && done) {
        done = false;
        reason = errno;
    }
    if (done && rename(name, path) != 0) {
        done = false;
        reason = errno;
    }
    if (!done) unlink(name);
    free(name);
    errno = reason;
    return done ? CLI_OK : cannot(path);
}

int cli_write_file(const char *path, const char *bytes, size_t size)
{
    if (strcmp(path, "-") == 0) {
        fwrite(bytes, 1, size, stdout); /* main() looks whether it arrived */
        return CLI_OK;
    }
    /* Signals wait until the temporary is gone, and a file-size limit is an error like a full disk. */
    sigset_t held, before;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGHUP);
    sigprocmask(SIG_BLOCK, &held, &before);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigaction(SIGXFSZ, &ignore, &old);
    int code = replace(path, bytes, size);
    sigaction(SIGXFSZ, &old, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return code;
}
