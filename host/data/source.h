/* source.h - a data file, plain or gzip, read once from front to end. */
#ifndef BP_DATA_SOURCE_H
#define BP_DATA_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/fingerprint.h"

typedef struct bp__source bp__source;

/* "-" is standard input. */
bp_status bp__source_open(bp__source **out, const char *path);
void bp__source_close(bp__source *source);
/* What messages call it. */
const char *bp__source_name(const bp__source *source);
/* The next bytes of the content, as many as there are up to `wanted`: fewer at the end alone. */
bp_status bp__source_read(bp__source *source, char *out, size_t wanted, size_t *got);
/* Reads what is left of the file, which must still be what was opened (BP_ERROR_IO): *bytes, and
 * the fingerprint, of the file as it is, compressed or not. */
bp_status bp__source_finish(bp__source *source, uint64_t *bytes,
                            char fingerprint[BP__FINGERPRINT_TEXT]);

#endif
