/* embedded.h - the kernel sources that cmake/EmbedFiles.cmake compiles into the library. */
#ifndef BP_OPENCL_EMBEDDED_H
#define BP_OPENCL_EMBEDDED_H

#include <stddef.h>

typedef struct bp__embedded {
    const char *name; /* path below kernels/, "cpu/dense.cl" */
    const char *source;
    size_t size;
} bp__embedded;

/* Ended by an entry whose name is NULL. */
extern const bp__embedded bp__embedded_kernels[];

#endif
