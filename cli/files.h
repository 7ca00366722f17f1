/* files.h - paths given on the command line: outputs that are written as a whole or not at all, and
 * that never overwrite an input. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether both paths lead to the same file (NULL: no). */
bool cli_same_file(const char *a, const char *b);

/* Whether path is a file that is read when input is: input itself; of a folder, the MNIST-style
 * files in it; of a file of pictures that is called like MNIST's, the labels beside it. */
bool cli_is_read_by(const char *path, const char *input);

/* Finds out whether path can be written, by making and removing a file beside it, so that hours of
 * work are not lost to a mistyped folder. Reports and returns an exit code, or -1. */
int cli_check_output(const char *path);

/* Replaces path by bytes[size]: a temporary beside it, fsync, rename. "-" is standard output. A
 * link is followed, an existing file keeps its permission bits. Reports and returns an exit code.
 * The old file stays on failure. */
int cli_write_file(const char *path, const char *bytes, size_t size);

#endif
