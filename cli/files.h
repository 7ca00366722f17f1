/* files.h - paths given on the command line: outputs that are written as a whole or not at all, and
 * that never overwrite an input. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

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

/* The same for what is written bit by bit: `to` is the temporary until commit. A signal that ends
 * the process takes the temporary with it. One at a time. "-" is standard output, which commit and
 * abort leave open. */
typedef struct cli_output {
    FILE *to;
    const char *path;
    char *target, *name; /* where links lead, and the temporary; NULL for standard output */
} cli_output;

/* Reports; an exit code or -1. */
int cli_output_open(cli_output *out, const char *path);
/* Hands on what has been written. Reports; an exit code or -1. */
int cli_output_flush(cli_output *out);
/* Reports; an exit code. Releases out, as abort does. */
int cli_output_commit(cli_output *out);
void cli_output_abort(cli_output *out);

#endif
