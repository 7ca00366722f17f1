/* file.h - whole files in, and files that are replaced as a whole or not at all. */
#ifndef BP_BASE_FILE_H
#define BP_BASE_FILE_H

#include <stddef.h>

#include "base/status.h"

/* Reads a regular file with read(), never mmap: a file that shrinks must not kill the process. The
 * buffer is the caller's (free) and has a '\0' after *size bytes. "-" is standard input. Files
 * larger than `limit` bytes, folders and devices are BP_ERROR_IO. */
bp_status bp__file_read(char **out, size_t *size, const char *path, size_t limit);

/* The first bytes of a regular file, *got of them, at most `wanted`. */
bp_status bp__file_start(char *out, size_t wanted, size_t *got, const char *path);

/* A file being written beside its final place. */
typedef struct bp__atomic_file bp__atomic_file;

/* Opens "<path>.tmp-XXXXXX" in path's folder. A path that is a link is followed to the file that
 * it names, whether that exists or not. A file that exists keeps its permission bits. */
bp_status bp__atomic_open(bp__atomic_file **out, const char *path);
/* For a file that is replaced again and again: the temporary is always "<path>.tmp", so that no
 * more than one is left behind however often the process is killed, and the next one writes over
 * it. keep: the file that is replaced stays as "<path>.previous". BP_ERROR_IO also where another
 * process is writing the same file. */
bp_status bp__atomic_open_again(bp__atomic_file **out, const char *path, bool keep);
/* *out = where that is; the caller's. */
bp_status bp__previous_path(char **out, const char *path);
bp_status bp__atomic_write(bp__atomic_file *file, const void *bytes, size_t size);
/* fsync, rename over path, fsync of the folder. Releases file whatever happens; on failure the
 * temporary is removed and an older file at path is untouched. */
bp_status bp__atomic_commit(bp__atomic_file *file);
/* Removes the temporary; accepts NULL. */
void bp__atomic_abort(bp__atomic_file *file);

#endif
