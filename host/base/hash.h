/* hash.h - FNV-1a, 64 bits (Fowler, Noll, Vo; http://www.isthe.com/chongo/tech/comp/fnv): tells
 * texts apart and finds damage; no protection against anyone. */
#ifndef BP_BASE_HASH_H
#define BP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define BP__HASH_START UINT64_C(0xcbf29ce484222325)

/* Continues the hash that has come so far over bytes[size]. */
static inline uint64_t bp__hash(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *next = bytes;
    for (size_t i = 0; i < size; ++i) hash = (hash ^ next[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
