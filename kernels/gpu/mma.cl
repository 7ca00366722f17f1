/* mma.cl - products of small matrices by 32 work-items together: what NVIDIA's matrix units do.
 *
 *   mma_tf32   D[16][8] += A[16][8] B[8][8], A and B float32 of which the units take the first 19 bits
 *   mma_bf16   D[16][8] += A[16][16] B[16][8], A and B bfloat16, two in a word, the lower first
 *
 * D is float32. Each of the 32 holds a part of every matrix, its fragment. With g = lane / 4 and
 * t = lane % 4, element by element (PTX ISA, "Matrix Fragments for mma.m16n8k8" and "m16n8k16"):
 *
 *   A tf32  a[0] (g, t)      a[1] (g + 8, t)      a[2] (g, t + 4)      a[3] (g + 8, t + 4)
 *   B tf32  b[0] (t, g)      b[1] (t + 4, g)
 *   A bf16  a[0] (g, 2t..)   a[1] (g + 8, 2t..)   a[2] (g, 2t + 8..)   a[3] (g + 8, 2t + 8..)
 *   B bf16  b[0] (2t.., g)   b[1] (2t + 8.., g)
 *   D       d[0] (g, 2t)     d[1] (g, 2t + 1)     d[2] (g + 8, 2t)     d[3] (g + 8, 2t + 1)
 *
 * BP_PTX 1: by NVIDIA's instructions, for which the 32 must be a warp: neighbours in a group of one
 * dimension. BP_PTX 0: the same in OpenCL C, through local memory, so that everything around it can
 * be run and checked on any device; MMA_ROOM words a work-group, all of whose work-items take part. */
#ifndef BP_MMA_CL
#define BP_MMA_CL

#ifndef BP_PTX
#error "BP_PTX, 1 or 0, must be defined"
#endif

/* Words of local memory that 32 work-items need here. */
#define MMA_ROOM (BP_PTX ? 1 : 32 * 6)

/* What the units see of a number. */
inline float tf32_seen(float x)
{
    return as_float(as_uint(x) & 0xffffe000u);
}

#if BP_PTX

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

#if BP_PTX

inline void mma_tf32(float d[4], const uint a[4], const uint b[2], __local uint *room, uint lane)
{
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

inline void mma_bf16(float d[4], const uint a[4], const uint b[2], __local uint *room, uint lane)
{
    __asm__ volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#else

/* The fragments of all 32, side by side: word i of lane l at room[32 i + l]. */
inline void mma_publish(const uint a[4], const uint b[2], __local uint *room, uint lane)
{
    barrier(CLK_LOCAL_MEM_FENCE); /* nobody reads the last ones any more */
    for (uint i = 0; i < 4; ++i) room[32 * i + lane] = a[i];
    for (uint i = 0; i < 2; ++i) room[32 * (4 + i) + lane] = b[i];
    barrier(CLK_LOCAL_MEM_FENCE);
}

inline void mma_tf32(float d[4], const uint a[4], const uint b[2], __local uint *room, uint lane)
{
    mma_publish(a, b, room, lane);
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        const uint row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (uint k = 0; k < 8; ++k) {
            const uint x = room[32 * (row / 8 + k / 4 * 2) + row % 8 * 4 + k % 4];
            const uint y = room[32 * (4 + k / 4) + column * 4 + k % 4];
            sum = fma(tf32_seen(as_float(x)), tf32_seen(as_float(y)), sum);
        }
        d[i] = sum;
    }
}

inline float bf16_value(uint pair, uint which)
{
    return as_float(which ? pair & 0xffff0000u : pair << 16);
}

inline void mma_bf16(float d[4], const uint a[4], const uint b[2], __local uint *room, uint lane)
{
    mma_publish(a, b, room, lane);
#pragma unroll
    for (uint i = 0; i < 4; ++i) {
        const uint row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float sum = d[i];
        for (uint k = 0; k < 16; ++k) {
            const uint x = room[32 * (row / 8 + k / 8 * 2) + row % 8 * 4 + k % 8 / 2];
            const uint y = room[32 * (4 + k / 8) + column * 4 + k % 8 / 2];
            sum = fma(bf16_value(x, k % 2), bf16_value(y, k % 2), sum);
        }
        d[i] = sum;
    }
}

#endif

#endif
