/* mma.cl - products of small matrices by a sub-group's work-items together: what the matrix units
 * of GPUs do.
 *
 *   mma(d, a, b, room, lane)   D[MMA_M][MMA_N] += A[MMA_M][K] B[K][MMA_N], D float32
 *
 * A and B are made of words, of which MMA_K stand along the sum: float32 numbers, or pairs of
 * bfloat16, the lower first. BP_PRODUCTS says which: 0 float32, or the two TF32 parts of it; 1
 * TF32; 2 bfloat16. BP_UNITS says whose units: those below, each with what of the matrices which
 * work-item holds. Of the MMA_LANES of a sub-group each holds MMA_A words of A, MMA_B of B and
 * MMA_D numbers of D:
 *
 *   a[i] is A[A_ROW(lane, i)][word A_WORD(lane, i)], of which it takes A_PART(word, lane)
 *   b[i] is B[word B_WORD(lane, i)][B_COLUMN(lane, i)]
 *   d[i] is D[D_ROW(lane, i)][D_COLUMN(lane, i)]
 *
 * BP_STAND_IN 0: by the instructions; the work-items must be neighbours in a group of one
 * dimension. BP_STAND_IN 1: the same in OpenCL C, through local memory, so that everything around
 * it can be run and checked on any device; MMA_ROOM words a sub-group, and all work-items of the
 * group take part. There each file says the other way round which register of which lane holds a
 * word: A_HELD, B_HELD, D_HELD. */
#ifndef BP_MMA_CL
#define BP_MMA_CL

#if !defined(BP_UNITS) || !defined(BP_PRODUCTS) || !defined(BP_STAND_IN)
#error "BP_UNITS, BP_PRODUCTS and BP_STAND_IN must be defined"
#endif

/* As in host/ops/matrix_units.c. */
#define UNITS_MMA 1    /* NVIDIA's, from compute capability 8.0 on */
#define UNITS_MFMA 2   /* AMD's of CDNA 2 and 3 */
#define UNITS_WMMA 3   /* AMD's of RDNA 3 */
#define UNITS_WMMA_4 4 /* AMD's of RDNA 4 */
#define UNITS_DPAS_8 5 /* Intel's, sub-groups of 8 */
#define UNITS_DPAS_16 6

/* ---- Numbers --------------------------------------------------------------------------------- */

/* What the units see of a number in TF32. */
inline float tf32_seen(float x)
{
    return as_float(as_uint(x) & 0xffffe000u);
}

#if BP_UNITS == UNITS_MMA && !BP_STAND_IN

/* The nearest number of which they see everything; NaN stays NaN. */
inline float tf32_round(float x)
{
    uint bits;
    __asm__("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return tf32_seen(as_float(bits));
}

/* Two numbers as bfloat16 in a word, each rounded to nearest even; NaN stays NaN. */
inline uint bf16_pair(float lower, float upper)
{
    uint bits;
    __asm__("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(upper), "f"(lower));
    return bits;
}

#else

inline float tf32_round(float x)
{
    return isnan(x) ? x : as_float((as_uint(x) + 0x1000) & 0xffffe000u);
}

inline uint bf16_round(float x)
{
    const uint bits = as_uint(x);
    return isnan(x) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

inline uint bf16_pair(float lower, float upper)
{
    return bf16_round(lower) | bf16_round(upper) << 16;
}

#endif

/* Eight words as a vector. */
#define EIGHT(x) (uint8)((x)[0], (x)[1], (x)[2], (x)[3], (x)[4], (x)[5], (x)[6], (x)[7])

/* ---- Units ----------------------------------------------------------------------------------- */

#if BP_UNITS == UNITS_MMA
#include "gpu/mma_nvidia.cl"
#elif BP_UNITS == UNITS_MFMA || BP_UNITS == UNITS_WMMA || BP_UNITS == UNITS_WMMA_4
#include "gpu/mma_amd.cl"
#elif BP_UNITS == UNITS_DPAS_8 || BP_UNITS == UNITS_DPAS_16
#include "gpu/mma_intel.cl"
#else
#error "unknown BP_UNITS"
#endif

/* Whether they multiply float32 only in two parts. */
#ifndef MMA_FLOAT
#define MMA_FLOAT 0
#endif
#if BP_PRODUCTS == 0 && !MMA_FLOAT
#define MMA_PARTS 1
#else
#define MMA_PARTS 0
#endif

/* What they want of a kernel. */
#if !defined(MMA_KERNEL) || BP_STAND_IN
#undef MMA_KERNEL
#define MMA_KERNEL
#endif

/* Which bits of a word a work-item's register takes. */
#ifndef A_PART
#define A_PART(word, lane) (word)
#endif

/* ---- What stands in for them ----------------------------------------------------------------- */

#if BP_STAND_IN

#define MMA_ROOM ((MMA_A + MMA_B) * MMA_LANES)

inline float multiply_words(uint x, uint y, float sum)
{
#if BP_PRODUCTS == 2
    sum = fma(as_float(x << 16), as_float(y << 16), sum);
    return fma(as_float(x & 0xffff0000u), as_float(y & 0xffff0000u), sum);
#elif MMA_FLOAT
    return fma(as_float(x), as_float(y), sum);
#else
    return fma(tf32_seen(as_float(x)), tf32_seen(as_float(y)), sum);
#endif
}

inline void mma(float d[MMA_D], const uint a[MMA_A], const uint b[MMA_B], __local uint *room,
                uint lane)
{
    __local uint *const room_b = room + MMA_A * MMA_LANES;
    barrier(CLK_LOCAL_MEM_FENCE); /* nobody reads the last ones any more */
    for (uint i = 0; i < MMA_A; ++i) room[i * MMA_LANES + lane] = a[i];
    for (uint i = 0; i < MMA_B; ++i) room_b[i * MMA_LANES + lane] = b[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = 0; i < MMA_D; ++i) {
        const uint row = D_ROW(lane, i), column = D_COLUMN(lane, i);
        float sum = d[i];
        for (uint k = 0; k < MMA_K; ++k)
            sum = multiply_words(A_HELD(room, row, k, lane), B_HELD(room_b, column, k, lane), sum);
        /* Both ways must lead to the same place. */
        d[i] = D_HELD(row, column) == i * MMA_LANES + lane ? sum : NAN;
    }
}

#else

#define MMA_ROOM 1

#ifdef MMA_SUMS /* the instruction takes vectors */
inline void mma(float d[MMA_D], const uint a[MMA_A], const uint b[MMA_B], __local uint *room,
                uint lane)
{
    union {
        MMA_SUMS all;
        float each[MMA_D];
    } sums;
#pragma unroll
    for (uint i = 0; i < MMA_D; ++i) sums.each[i] = d[i];
    sums.all = MMA_VECTORS(a, b, sums.all);
#pragma unroll
    for (uint i = 0; i < MMA_D; ++i) d[i] = sums.each[i];
}
#endif

#endif

#endif
