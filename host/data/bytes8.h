/* bytes8.h - eight bytes of text at once, in one integer. A loop over the bytes of a short cell
 * ends at another place in each cell, and the processor guesses it wrongly; here nothing is
 * guessed.
 *
 * The first byte is the lowest, whatever the machine. Tests for bytes give a mask whose lowest set
 * bit is the highest bit of the first byte that fits; above that the mask says nothing. */
#ifndef BP_DATA_BYTES8_H
#define BP_DATA_BYTES8_H

#include <stdint.h>
#include <string.h>

typedef uint64_t bp__bytes8;

/* One byte eight times. */
static inline bp__bytes8 bp__repeat8(char byte)
{
    return 0x0101010101010101u * (uint64_t)(unsigned char)byte;
}

static inline bp__bytes8 bp__load8(const char *text)
{
    bp__bytes8 bytes = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&bytes, text, sizeof bytes);
#else
    for (int i = 8; i-- > 0;) bytes = bytes << 8 | (unsigned char)text[i];
#endif
    return bytes;
}

/* Bytes that are 0. Taking 1 from a byte sets its highest bit where the byte was 0 (or above 128,
 * which ~bytes leaves out); what is borrowed from the next one only shows above the first 0. */
static inline bp__bytes8 bp__zeros8(bp__bytes8 bytes)
{
    return (bytes - bp__repeat8(1)) & ~bytes & bp__repeat8((char)0x80);
}

/* Bytes that are equal to the one that repeated holds eight times. */
static inline bp__bytes8 bp__equal8(bp__bytes8 bytes, bp__bytes8 repeated)
{
    return bp__zeros8(bytes ^ repeated);
}

/* The number of the lowest bit that is set; mask is not 0. */
static inline unsigned bp__lowest_bit(uint64_t mask)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(mask);
#else
    unsigned bit = 0;
    while (!(mask >> bit & 1)) ++bit;
    return bit;
#endif
}

/* How many bytes come before the first that fits, 8 where none does. */
static inline unsigned bp__before8(bp__bytes8 mask)
{
    return mask == 0 ? 8 : bp__lowest_bit(mask) / 8;
}

/* The whole number that the digits make with which bytes start, *count of them, 0 to 8. */
static inline uint32_t bp__digits8(bp__bytes8 bytes, unsigned *count)
{
    /* '0' to '9' become 0 to 9, everything else 10 or more. */
    uint64_t d = bytes ^ bp__repeat8('0');
    *count = bp__before8(((d + bp__repeat8(0x76)) | d) & bp__repeat8((char)0x80));
    if (*count == 0) return 0;
    d <<= 64 - 8 * *count; /* the last digit becomes the highest byte; below the first are zeros */
    /* Neighbours join: digits to pairs, pairs to fours, fours to eight. No sum leaves its place. */
    d = (d * 10 + (d >> 8)) & 0x00FF00FF00FF00FFu;
    d = (d * 100 + (d >> 16)) & 0x0000FFFF0000FFFFu;
    d = d * 10000 + (d >> 32);
    return (uint32_t)d;
}

/* Of eight bytes, those that are below `low`, at most 128, or equal to the one that repeated holds:
 * the highest bit of each, and no others. */
static inline bp__bytes8 bp__stops8(bp__bytes8 bytes, bp__bytes8 low, bp__bytes8 repeated)
{
    const bp__bytes8 high = bp__repeat8((char)0x80), other = bytes ^ repeated;
    /* No byte borrows from or carries into its neighbour. */
    const bp__bytes8 not_below = ((bytes | high) - low) | bytes;
    const bp__bytes8 not_equal = ((other & ~high) + ~high) | other;
    return ~(not_below & not_equal) & high;
}

/* The same of 64 bytes: bit i is byte i's. */
static inline uint64_t bp__stops64(const char *text, bp__bytes8 low, bp__bytes8 repeated)
{
    uint64_t mask = 0;
    for (int i = 0; i < 8; ++i) {
        const bp__bytes8 stops = bp__stops8(bp__load8(text + 8 * i), low, repeated);
        /* The eight bits, one in each byte, come together in the highest byte. */
        mask |= ((stops >> 7) * 0x0102040810204080u >> 56) << 8 * i;
    }
    return mask;
}

#endif
