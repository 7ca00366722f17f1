/* fingerprint.h - what content is, in 32 letters: XXH128, as xxh128sum prints it. It tells files
 * apart and finds damage; it is no protection against someone who makes a file on purpose. For
 * small texts there is hash.h. */
#ifndef BP_BASE_FINGERPRINT_H
#define BP_BASE_FINGERPRINT_H

#include <stddef.h>

#include "base/status.h"

enum { BP__FINGERPRINT_LETTERS = 32, BP__FINGERPRINT_TEXT = BP__FINGERPRINT_LETTERS + 1 };

/* Of bytes[size], into out. */
void bp__fingerprint_bytes(char out[BP__FINGERPRINT_TEXT], const void *bytes, size_t size);

/* Piece by piece. */
typedef struct bp__fingerprint bp__fingerprint;
bp_status bp__fingerprint_create(bp__fingerprint **out);
void bp__fingerprint_add(bp__fingerprint *hash, const void *bytes, size_t size);
/* Of all that was added so far. */
void bp__fingerprint_text(char out[BP__FINGERPRINT_TEXT], const bp__fingerprint *hash);
void bp__fingerprint_free(bp__fingerprint *hash);

#endif
