/* files.c - checks and writes the files that the commands make themselves. The model is written by
 * the library in the same way. */
#include "files.h"

#include <dirent.h>
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

/* Whether the file lies in the folder under a name of before[length] and one of ends[count], and
 * what else may follow. */
static bool lies_in(const struct stat *file, const char *folder, const char *before, size_t length,
                    const char *const *ends, size_t count)
{
    DIR *entries = opendir(folder);
    if (!entries) return false;
    bool found = false;
    for (const struct dirent *e; !found && (e = readdir(entries)) != NULL;) {
        const char *name = e->d_name;
        struct stat other;
        if (strncmp(name, before, length) != 0) continue;
        for (size_t i = 0; i < count && !found; ++i)
            found = strncmp(name + length, ends[i], strlen(ends[i])) == 0 &&
                    fstatat(dirfd(entries), name, &other, 0) == 0 && other.st_dev == file->st_dev &&
                    other.st_ino == file->st_ino;
    }
    closedir(entries);
    return found;
}

bool cli_is_read_by(const char *path, const char *input)
{
    static const char *const parts[] = {"train-images", "train-labels", "t10k-images",
                                        "t10k-labels"};
    static const char *const labels[] = {"-labels"};
    struct stat file, read;
    if (cli_same_file(path, input)) return true;
    if (!path || !input || stat(path, &file) != 0 || stat(input, &read) != 0) return false;
    if (S_ISDIR(read.st_mode))
        return lies_in(&file, input, "", 0, parts, sizeof parts / sizeof *parts);

    const char *slash = strrchr(input, '/'), *name = slash ? slash + 1 : input;
    const char *images = strstr(name, "-images");
    if (!images) return false;
    char *folder = strdup(input);
    if (!folder) return false;
    folder[name - input] = '\0';
    const bool found =
        lies_in(&file, slash ? folder : ".", name, (size_t)(images - name), labels, 1);
    free(folder);
    return found;
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

/* A file being written beside its final place. */
typedef struct temporary {
    int fd;
    char *target; /* the path, or where its links lead */
    char *name;   /* of the temporary */
} temporary;

/* Where the links lead that path's last name may be: the library follows them too. The caller's;
 * NULL and errno on failure. */
static char *follow_links(const char *path)
{
    enum { LONGEST = 4096, MOST = 40 };
    char link[LONGEST], *at = strdup(path);
    for (int links = 0; at; ++links) {
        ssize_t length = readlink(at, link, sizeof link);
        if (length < 0) return at;
        char *next = NULL;
        if (links == MOST || length == LONGEST) {
            errno = ELOOP;
        } else {
            const char *slash = link[0] == '/' ? NULL : strrchr(at, '/');
            size_t folder = slash ? (size_t)(slash - at) + 1 : 0;
            next = malloc(folder + (size_t)length + 1);
            if (next) {
                memcpy(next, at, folder);
                memcpy(next + folder, link, (size_t)length);
                next[folder + (size_t)length] = '\0';
            }
        }
        int reason = errno;
        free(at);
        errno = reason;
        at = next;
    }
    return NULL;
}

static void release(temporary *out)
{
    int reason = errno;
    free(out->target);
    free(out->name);
    errno = reason;
}

/* Opens a temporary beside what path leads to; false with errno on failure. */
static bool open_temporary(temporary *out, const char *path)
{
    static const char suffix[] = ".tmp-XXXXXX";
    *out = (temporary){.fd = -1, .target = follow_links(path)};
    if (!out->target) return false;
    struct stat about;
    const bool exists = stat(out->target, &about) == 0;
    const size_t length = strlen(out->target);
    if (exists && !S_ISREG(about.st_mode)) {
        errno = S_ISDIR(about.st_mode) ? EISDIR : EEXIST;
    } else if ((out->name = malloc(length + sizeof suffix)) != NULL) {
        memcpy(out->name, out->target, length);
        memcpy(out->name + length, suffix, sizeof suffix);
        out->fd = mkstemp(out->name);
    }
    if (out->fd < 0) {
        release(out);
        return false;
    }
    mode_t mask = umask(0); /* mkstemp's 0600 is not what a result should have */
    umask(mask);
    (void)fchmod(out->fd, exists ? about.st_mode & 0777 : 0666 & ~mask);
    return true;
}

int cli_check_output(const char *path)
{
    temporary out;
    if (!open_temporary(&out, path)) return cannot(path);
    unlink(out.name);
    close(out.fd);
    release(&out);
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
    temporary out;
    if (!open_temporary(&out, path)) return cannot(path);
    bool done = write_all(out.fd, bytes, size) && fsync(out.fd) == 0;
    int reason = done ? 0 : errno;
    if (close(out.fd) != 0 && done) {
        done = false;
        reason = errno;
    }
    if (done && rename(out.name, out.target) != 0) {
        done = false;
        reason = errno;
    }
    if (!done) unlink(out.name);
    release(&out);
    errno = reason;
    return done ? CLI_OK : cannot(path);
}

int cli_write_file(const char *path, const char *bytes, size_t size)
{
    if (strcmp(path, "-") == 0) {
        fwrite(bytes, 1, size, stdout); /* main() looks whether it arrived */
        return CLI_OK;
    }
    /* Signals wait until the temporary is gone, and a file-size limit is an error like a full
     * disk. */
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

/* ---- written bit by bit ------------------------------------------------------------------------
 */

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
enum { ENDS = sizeof ends / sizeof *ends };

/* What the handler removes; set before it is installed. */
static const char *volatile doomed;

static void remove_and_end(int number)
{
    if (doomed) unlink(doomed);
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_signals(const char *name)
{
    doomed = name;
    for (int i = 0; i < ENDS; ++i) {
        struct sigaction before, action = {.sa_handler = name ? remove_and_end : SIG_DFL};
        sigemptyset(&action.sa_mask);
        /* nohup wants the process to outlive its terminal. */
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ends[i], &action, NULL);
    }
}

int cli_output_open(cli_output *out, const char *path)
{
    *out = (cli_output){.to = stdout, .path = path};
    if (strcmp(path, "-") == 0) return -1;
    temporary t;
    if (!open_temporary(&t, path)) return cannot(path);
    signal(SIGXFSZ, SIG_IGN);
    out->target = t.target;
    out->name = t.name;
    watch_signals(out->name);
    out->to = fdopen(t.fd, "wb");
    if (out->to) return -1;
    const int code = cannot(path);
    close(t.fd);
    cli_output_abort(out);
    return code;
}

static void forget(cli_output *out)
{
    watch_signals(NULL);
    free(out->target);
    free(out->name);
    *out = (cli_output){.to = NULL};
}

void cli_output_abort(cli_output *out)
{
    if (out->name) {
        if (out->to) fclose(out->to);
        unlink(out->name);
        forget(out);
    }
    out->to = NULL;
}

int cli_output_flush(cli_output *out)
{
    errno = 0;
    if (fflush(out->to) == 0 && !ferror(out->to)) return -1;
    if (errno == 0) errno = EIO;
    if (out->name) return cannot(out->path);
    if (errno == EPIPE)
        return CLI_FAILURE; /* main ends as every program at the head of a pipe does */
    const int code = cannot("standard output");
    /* What is left in the buffer cannot be written either, and has been reported. */
    if (!freopen("/dev/null", "w", stdout)) clearerr(stdout);
    out->to = NULL;
    return code;
}

int cli_output_commit(cli_output *out)
{
    if (!out->name) return CLI_OK;
    errno = 0;
    bool done = fflush(out->to) == 0 && !ferror(out->to) && fsync(fileno(out->to)) == 0;
    int reason = errno;
    if (fclose(out->to) != 0 && done) {
        done = false;
        reason = errno;
    }
    out->to = NULL;
    if (done && rename(out->name, out->target) != 0) {
        done = false;
        reason = errno;
    }
    if (!done) unlink(out->name);
    errno = reason ? reason : EIO;
    const int code = done ? CLI_OK : cannot(out->path);
    forget(out);
    return code;
}
