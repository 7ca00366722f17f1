/* random.c - counter-based random numbers: Philox 4x32-10. */
#include "base/random.h"

void bp__philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c0;
        uint64_t product1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t next0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        uint32_t next2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)product1;
        c3 = (uint32_t)product0;
        c0 = next0;
        c2 = next2;
        k0 += 0x9E3779B9u; /* golden ratio */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The four words of block element / 4 of a stream. */
static void random_block(uint32_t out[4], uint64_t seed, bp__purpose purpose, uint32_t a,
                         uint32_t b, uint64_t block)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    /* The block's upper bits go beside the purpose: streams of 2^34 elements stay distinct. */
    const uint32_t counter[4] = {(uint32_t)block, b, a,
                                 (uint32_t)purpose | (uint32_t)(block >> 32) << 8};
    bp__philox(out, counter, key);
}

uint32_t bp__random_bits(uint64_t seed, bp__purpose purpose, uint32_t a, uint32_t b,
                         uint64_t element)
{
    uint32_t out[4];
    random_block(out, seed, purpose, a, b, element / 4);
    return out[element % 4];
}

uint32_t bp__random_drop(uint64_t seed, uint32_t layer, uint32_t step, size_t row, size_t unit)
{
    uint32_t out[4];
    random_block(out, seed, BP__PURPOSE_DROPOUT, layer, step, (uint64_t)(row / 8) << 32 | unit);
    return out[row % 8 / 2] >> (row % 2 ? 16 : 0) & 0xffff;
}

double bp__random_unit(uint64_t seed, bp__purpose purpose, uint32_t a, uint32_t b, uint64_t element)
{
    return (double)(bp__random_bits(seed, purpose, a, b, element) >> 8) * 0x1p-24;
}

void bp__random_permutation(uint32_t *permutation, size_t count, uint64_t seed, bp__purpose purpose,
                            uint32_t a)
{
    bp__random_permutation_of(permutation, count, seed, purpose, a, 0);
}

void bp__random_permutation_of(uint32_t *permutation, size_t count, uint64_t seed,
                               bp__purpose purpose, uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < count; ++i) permutation[i] = (uint32_t)i;
    uint32_t words[4];
    for (size_t i = count; i > 1; --i) {
        const size_t element = count - i;
        if (element % 4 == 0) random_block(words, seed, purpose, a, b, element / 4);
        /* floor(bits * i / 2^32): the bias is below i / 2^32, nothing that training could notice.
         */
        size_t j = (size_t)(((uint64_t)words[element % 4] * i) >> 32);
        uint32_t swap = permutation[i - 1];
        permutation[i - 1] = permutation[j];
        permutation[j] = swap;
    }
}
