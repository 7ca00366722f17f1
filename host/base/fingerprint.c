/* fingerprint.c - XXH128 by its own library. */
#include "base/fingerprint.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"

struct bp__fingerprint {
    XXH3_state_t *state;
};

/* The canonical form: the high half first, both big-endian. */
static void to_text(char out[BP__FINGERPRINT_TEXT], XXH128_hash_t value)
{
    snprintf(out, BP__FINGERPRINT_TEXT, "%016llx%016llx", (unsigned long long)value.high64,
             (unsigned long long)value.low64);
}

void bp__fingerprint_bytes(char out[BP__FINGERPRINT_TEXT], const void *bytes, size_t size)
{
    to_text(out, XXH3_128bits(bytes, size));
}

bp_status bp__fingerprint_create(bp__fingerprint **out)
{
    bp__fingerprint *hash = NULL;
    *out = NULL;
    BP_TRY(bp__new_array(&hash, 1, sizeof *hash));
    hash->state = XXH3_createState();
    if (!hash->state || XXH3_128bits_reset(hash->state) != XXH_OK) {
        bp__fingerprint_free(hash);
        return bp__fail_memory(sizeof *hash);
    }
    *out = hash;
    return BP_OK;
}

void bp__fingerprint_add(bp__fingerprint *hash, const void *bytes, size_t size)
{
    if (size > 0) (void)XXH3_128bits_update(hash->state, bytes, size);
}

void bp__fingerprint_text(char out[BP__FINGERPRINT_TEXT], const bp__fingerprint *hash)
{
    to_text(out, XXH3_128bits_digest(hash->state));
}

void bp__fingerprint_free(bp__fingerprint *hash)
{
    if (!hash) return;
    XXH3_freeState(hash->state);
    free(hash);
}
