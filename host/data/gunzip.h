/* gunzip.h - gzip in memory, with a bound on what may come out. */
#ifndef BP_DATA_GUNZIP_H
#define BP_DATA_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* A small file must not fill the memory: what it expands to is bounded by 64 MiB and 200 times
 * its own size together. The same holds for sparse rows that are written out in full. */
size_t bp__unpacked_limit(size_t size);

bool bp__is_gzip(const char *bytes, size_t size);

/* *out = the content, followed by a '\0'; the caller's. More than one member is allowed, damage and
 * trailing bytes are BP_ERROR_DATA, so is content beyond limit and beyond the bound above. */
bp_status bp__gunzip(char **out, size_t *out_size, const char *bytes, size_t size, size_t limit,
                     const char *source);

/* The first bytes of the content, at most `wanted`, into out; *got of them, 0 where the file is
 * damaged. */
bp_status bp__gunzip_start(char *out, size_t wanted, size_t *got, const char *bytes, size_t size);

#endif
