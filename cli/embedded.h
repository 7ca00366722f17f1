/* embedded.h - the files of cli/page/, which cmake/EmbedFiles.cmake compiles into the command. */
#ifndef CLI_EMBEDDED_H
#define CLI_EMBEDDED_H

#include <stddef.h>

typedef struct cli_embedded {
    const char *name, *text;
    size_t size;
} cli_embedded;

/* Ended by an entry whose name is NULL. */
extern const cli_embedded cli_embedded_page[];

#endif
