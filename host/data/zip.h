/* zip.h - zip archives in memory, as NPZ files are: members stored or deflated, zip64 too.
 *
 * Read from the central directory at the end, whose sizes hold also where a member was written
 * without knowing them. Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3 to 4.5. */
#ifndef BP_DATA_ZIP_H
#define BP_DATA_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct bp__zip_member {
    const char *name; /* in the archive's bytes, not ended by a '\0' */
    size_t name_length;
    uint64_t packed, size; /* bytes in the archive and unpacked */
    uint64_t at;           /* of the local header */
    uint32_t checksum;     /* CRC-32 of the unpacked bytes */
    uint16_t flags, method;
} bp__zip_member;

typedef struct bp__zip {
    const char *bytes, *source; /* borrowed */
    size_t size;
    bp__zip_member *members;
    size_t count;
} bp__zip;

bool bp__is_zip(const char *bytes, size_t size);

/* Reads the central directory. bytes and source must outlive zip. */
bp_status bp__zip_open(bp__zip *zip, const char *bytes, size_t size, const char *source);
void bp__zip_close(bp__zip *zip);

/* *out = the member's content, followed by a '\0', *size bytes long; the caller's. Its checksum is
 * right. What it may expand to is bounded by bp__unpacked_limit of the archive's size. */
bp_status bp__zip_unpack(char **out, size_t *size, const bp__zip *zip,
                         const bp__zip_member *member);

#endif
