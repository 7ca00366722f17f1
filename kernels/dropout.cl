/* dropout.cl - which units a layer drops: 16 random bits for each, from Philox 4x32-10 (Salmon, Moraes,
 * Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011), for vectors of BP_VW units.
 *
 *   m = 0 where bits < limit, else 1 / (1 - limit / 2^16)
 *
 * The bits are those of bp__random_drop in host/base/random.c: the counter is (unit, step, layer,
 * purpose | row / 8 << 8), the key is the seed, and the four words are the bits of eight rows, low half
 * first. What is dropped is stored as -0 and a zero that is kept as +0, so that the way back finds the
 * mask in what the slope is taken from.
 *
 *   BP_DROPOUT 0   nothing is dropped
 *   BP_DROPOUT 1   forward: DROPOUT_ARGUMENTS say how, DROP(x, m, n) is m x for row m, unit n
 *   BP_DROPOUT 2   back: DROPOUT_ARGUMENTS have the share that is kept */
#ifndef DROPOUT_CL
#define DROPOUT_CL

#include "hyper.cl"
#include "vector.cl"

#ifndef BP_DROPOUT
#define BP_DROPOUT 0
#endif

#pragma OPENCL FP_CONTRACT OFF

/* As BP__PURPOSE_DROPOUT in host/base/random.h. */
#define PURPOSE_DROPOUT 32

/* Rows that a block of bits serves. */
#define DROP_ROWS 8

/* hi and lo of m x, both of 32 bits. Vectors are multiplied by pairs, the even lanes and then the odd
 * ones as numbers of 64 bits, which is what processors have an instruction for. */
#if BP_VW == 1
typedef uint uvec;
#define PHILOX_MULTIPLY(hi, lo, m, x)                                                              \
    const ulong hi##_lo = (ulong)(x) * (m##UL);                                                    \
    const uint hi = (uint)(hi##_lo >> 32), lo = (uint)hi##_lo;
#else
typedef BP_PASTE(uint, BP_VW) uvec;
#if BP_VW == 16
#define PHILOX_PAIRS 8
#elif BP_VW == 8
#define PHILOX_PAIRS 4
#else
#define PHILOX_PAIRS 2
#endif
typedef BP_PASTE(ulong, PHILOX_PAIRS) pairs;
#define AS_PAIRS BP_PASTE(as_ulong, PHILOX_PAIRS)
#define AS_UVEC BP_PASTE(as_uint, BP_VW)
#define CONVERT_UVEC BP_PASTE(convert_uint, BP_VW)
#define CONVERT_WIDE BP_PASTE(convert_ulong, BP_VW)
#define AS_IVEC BP_PASTE(as_int, BP_VW)
#define UVLOAD(p) BP_PASTE(vload, BP_VW)(0, p)
#ifdef __ENDIAN_LITTLE__
#define PHILOX_MULTIPLY(hi, lo, m, x)                                                              \
    const pairs hi##_even = (AS_PAIRS(x) & 0xffffffffUL) * (m##UL),                                \
                hi##_odd = (AS_PAIRS(x) >> 32) * (m##UL);                                          \
    const uvec hi = AS_UVEC(hi##_even >> 32 | (hi##_odd & 0xffffffff00000000UL)),                  \
               lo = (uvec)(m)*x;
#else
#define PHILOX_MULTIPLY(hi, lo, m, x)                                                              \
    const uvec hi = CONVERT_UVEC(CONVERT_WIDE(x) * (m##UL) >> 32), lo = (uvec)(m)*x;
#endif
#endif

/* The bits of the units `unit` in rows DROP_ROWS * block and those after it. */
inline void drop_bits(uvec *out, uvec unit, uint step, uint layer, uint block, uint key0, uint key1)
{
    uvec c0 = unit, c1 = (uvec)(step), c2 = (uvec)(layer),
         c3 = (uvec)(PURPOSE_DROPOUT | block << 8);
#pragma unroll
    for (uint round = 0; round < 10; ++round) {
        PHILOX_MULTIPLY(hi0, lo0, 0xD2511F53, c0)
        PHILOX_MULTIPLY(hi1, lo1, 0xCD9E8D57, c2)
        c0 = hi1 ^ c1 ^ key0;
        c2 = hi0 ^ c3 ^ key1;
        c1 = lo1;
        c3 = lo0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Those of row t of the block. */
#define DROP_BITS_OF(bits, t) ((t) % 2 ? (bits)[(t) / 2] >> 16 : (bits)[(t) / 2] & 0xffff)

#if BP_DROPOUT == 1 && BP_VW == 1
#define DROPOUT_ARGUMENTS                                                                          \
    , __global const float *drop_hyper, const ulong drop_hyper_offset,                             \
        __global const int *drop_step, const ulong drop_step_offset, const uint drop_key0,         \
        const uint drop_key1, const uint drop_layer, const uint drop_unit, const uint drop_limit,  \
        const float drop_scale

inline bool is_dropped(__global const float *hyper, __global const int *step, uint key0, uint key1,
                       uint layer, uint limit, uint row, uint unit)
{
    uint bits[4];
    drop_bits(bits, unit, (uint)HYPER_ROW(hyper, *step)[HYPER_STEP], layer, row / DROP_ROWS, key0,
              key1);
    const uint t = row % DROP_ROWS, word = t < 2 ? bits[0] : t < 4 ? bits[1] : t < 6 ? bits[2] : bits[3];
    return (t % 2 ? word >> 16 : word & 0xffff) < limit;
}

#define DROPOUT_VALUES                                                                             \
    , drop_hyper, drop_hyper_offset, drop_step, drop_step_offset, drop_key0, drop_key1, drop_layer, \
        drop_unit, drop_limit, drop_scale
#define IS_DROPPED(m, n)                                                                           \
    is_dropped(drop_hyper + drop_hyper_offset, drop_step + drop_step_offset, drop_key0, drop_key1, \
               drop_layer, drop_limit, m, drop_unit + (n))
/* + 0 makes of -0 a +0. */
#define DROP(x, m, n) (IS_DROPPED(m, n) ? -0.0f : (x)*drop_scale + 0.0f)
#elif BP_DROPOUT == 2 && BP_VW == 1
#define DROPOUT_ARGUMENTS , const float drop_keep, const float drop_scale
#define DROPOUT_VALUES , drop_keep, drop_scale
#else
#define DROPOUT_ARGUMENTS
#define DROPOUT_VALUES
#endif
#if BP_DROPOUT != 1 || BP_VW > 1
#define DROP(x, m, n) (x)
#endif

/* gamma m f'(z), where x is what the slope is taken from: outputs are as they were before they were
 * scaled then. In a kernel with one function. */
#if BP_DROPOUT == 2
#define SLOPED(gamma, x)                                                                           \
    (as_uint(x) == 0x80000000u                                                                     \
         ? 0.0f                                                                                    \
         : (gamma)*slope(BP_SLOPE_OF_NET(BP_ACTIVATION) ? (x) : (x)*drop_keep) * drop_scale)
#else
#define SLOPED(gamma, x) ((gamma)*slope(x))
#endif

#endif
