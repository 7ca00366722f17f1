/* spool.h - a temporary file without a name: however the process ends, the system takes it back. */
#ifndef BP_DATA_SPOOL_H
#define BP_DATA_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct bp__spool bp__spool;

/* In folder; NULL: in $TMPDIR, or /var/tmp, which is a disk where /tmp may be memory. */
bp_status bp__spool_create(bp__spool **out, const char *folder);
void bp__spool_free(bp__spool *spool);

/* Bytes at the end. BP_ERROR_IO where the disk is full: the text names the folder and the size. */
bp_status bp__spool_append(bp__spool *spool, const void *bytes, size_t size);
uint64_t bp__spool_size(const bp__spool *spool);

/* Several threads may read at once. */
bp_status bp__spool_read(const bp__spool *spool, void *out, uint64_t offset, size_t size);

#endif
