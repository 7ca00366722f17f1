/* gemm_matrix.cl - tiled matrix product on matrix units (mma.cl), float32 in memory.
 *
 *   BP_PRODUCTS 0  as float32. Units that have no float32 (MMA_PARTS) get every number as big plus
 *                  small, each what TF32 holds, and the product is small big + big small + big big.
 *                  What is left out, small small, is below 2^-24 of it. Eight products are added up
 *                  in the unit, which cuts off where float32 rounds; these sums are added outside.
 *   BP_PRODUCTS 1  TF32: every number is rounded to 11 bits, sums are float32
 *   BP_PRODUCTS 2  bfloat16: every number is rounded to 8 bits, sums are float32
 *
 * A work-group of SUBGROUPS_M x SUBGROUPS_N sub-groups computes a TILE_M x TILE_N tile of C; each
 * has SUB_M x SUB_N of it, in fragments of MMA_M x MMA_N. Slices of A and B, DEPTH words deep, go
 * through local memory, of which there are two: while the units compute from one, the next slice
 * comes from memory into registers and from there into the other. A word is a float, or a pair of
 * bfloat16 that are neighbours along the sum. A slice lies as its matrix does, along the sum (deep)
 * or along the rows or columns of C (wide), so that it is moved 16 bytes at a time; its pitch is
 * such that the words of a fragment of NVIDIA's are in 32 banks. Beyond the edges there are zeros.
 *
 * The sums go through local memory on their way out, MMA_M rows of a sub-group at a time:
 * neighbours write neighbours, and the epilogue stands in a loop of its own, however long it is.
 *
 * SPLITS as in gemm_gpu.cl. In two parts, what is infinite comes out as NaN, and of numbers below
 * 2^-100 the small part may be lost. */
#define BP_VW 1
#include "gemm.cl"
#include "gpu/mma.cl"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(DEPTH) || !defined(SUBGROUPS_M) ||            \
    !defined(SUBGROUPS_N) || !defined(SPLITS)
#error "TILE_M, TILE_N, DEPTH, SUBGROUPS_M, SUBGROUPS_N and SPLITS must be defined"
#endif

#define ITEMS (SUBGROUPS_M * SUBGROUPS_N * MMA_LANES)
#define SUB_M (TILE_M / SUBGROUPS_M)
#define SUB_N (TILE_N / SUBGROUPS_N)
#define FRAGMENTS_M (SUB_M / MMA_M)
#define FRAGMENTS_N (SUB_N / MMA_N)
#if DEPTH % MMA_K != 0 || SUB_M % MMA_M != 0 || SUB_N % MMA_N != 0
#error "DEPTH, TILE_M and TILE_N must hold whole fragments"
#endif

/* Numbers in a word, and numbers of the sum in a slice. */
#if BP_PRODUCTS == 2
#define EACH 2
#else
#define EACH 1
#endif
#define SLICE_K (DEPTH * EACH)

/* With the stand-in in mma.cl, in which there are barriers, loops stay loops. */
#if BP_STAND_IN
#define UNROLL
#else
#define UNROLL _Pragma("unroll")
#endif

/* ---- Slices ---------------------------------------------------------------------------------- */

#define DEEP_A (BP_LAYOUT != 2)
#define DEEP_B (BP_LAYOUT == 0)
#define DEEP_PITCH (DEPTH + 4)
#define WIDE_PITCH(tile) ((tile) + 8)
#define DEEP_WORD(row, k) ((row)*DEEP_PITCH + (k))
#define WIDE_WORD(tile, row, k) ((k)*WIDE_PITCH(tile) + (row))

#if DEEP_A
#define WORD_A(m, k) DEEP_WORD(m, k)
#define SLICE_A (TILE_M * DEEP_PITCH)
#else
#define WORD_A(m, k) WIDE_WORD(TILE_M, m, k)
#define SLICE_A (DEPTH * WIDE_PITCH(TILE_M))
#endif
#if DEEP_B
#define WORD_B(n, k) DEEP_WORD(n, k)
#define SLICE_B (TILE_N * DEEP_PITCH)
#else
#define WORD_B(n, k) WIDE_WORD(TILE_N, n, k)
#define SLICE_B (DEPTH * WIDE_PITCH(TILE_N))
#endif

/* A work-item moves units of four words, each made of EACH times four numbers. */
#define UNITS(tile) ((tile)*DEPTH / 4)
#define MOVES(tile) ((UNITS(tile) + ITEMS - 1) / ITEMS)
#define HAS_UNIT(unit, tile) (UNITS(tile) % ITEMS == 0 || (unit) < UNITS(tile))

/* Four numbers from index `at` on; those from `end` on are 0. */
inline float4 load_four(__global const float *from, uint at, uint end, bool aligned)
{
    if (aligned && at + 3 < end) return *(__global const float4 *)from;
    float4 four = 0.0f;
    if (at < end) four.x = from[0];
    if (at + 1 < end) four.y = from[1];
    if (at + 2 < end) four.z = from[2];
    if (at + 3 < end) four.w = from[3];
    return four;
}

/* A unit's numbers. deep: EACH fours one after the other in row `row0 + row` from k on; wide: four
 * neighbours in each of EACH rows from k on. */
inline void fetch_unit(float4 out[EACH], __global const float *matrix, uint ld, uint row0,
                       uint rows, uint k0, uint to, uint unit, uint tile, bool deep, bool aligned)
{
    const uint row = row0 + (deep ? unit / (DEPTH / 4) : unit % (tile / 4) * 4);
    const uint k = k0 + EACH * (deep ? unit % (DEPTH / 4) * 4 : unit / (tile / 4));
#pragma unroll
    for (uint i = 0; i < EACH; ++i) {
        const uint at = deep ? k + 4 * i : k + i;
        if (deep)
            out[i] = load_four(matrix + (ulong)row * ld + at, at, row < rows ? to : 0, aligned);
        else
            out[i] = load_four(matrix + (ulong)at * ld + row, row, at < to ? rows : 0, aligned);
    }
}

/* The words that a unit's numbers make. */
inline uint4 words_of(const float4 in[EACH], bool deep)
{
#if BP_PRODUCTS == 2
    const float4 x = in[0], y = in[1];
    if (deep)
        return (uint4)(bf16_pair(x.x, x.y), bf16_pair(x.z, x.w), bf16_pair(y.x, y.y),
                       bf16_pair(y.z, y.w));
    return (uint4)(bf16_pair(x.x, y.x), bf16_pair(x.y, y.y), bf16_pair(x.z, y.z),
                   bf16_pair(x.w, y.w));
#elif BP_PRODUCTS == 1
    return as_uint4((float4)(tf32_round(in[0].x), tf32_round(in[0].y), tf32_round(in[0].z),
                             tf32_round(in[0].w)));
#else
    return as_uint4(in[0]);
#endif
}

inline void store_unit(__local uint *slice, const float4 in[EACH], uint unit, uint tile, bool deep)
{
    const uint at = deep ? DEEP_WORD(unit / (DEPTH / 4), unit % (DEPTH / 4) * 4)
                         : WIDE_WORD(tile, unit % (tile / 4) * 4, unit / (tile / 4));
    *(__local uint4 *)(slice + at) = words_of(in, deep);
}

#define EACH_UNIT(i, tile)                                                                         \
    _Pragma("unroll") for (uint i = 0; i < MOVES(tile); ++i) if (HAS_UNIT(item + i * ITEMS, tile))

/* Rows from row0 of a matrix of `rows`, the sum from k0 up to `to`. */
#define FETCH(next, matrix, ld, row0, rows, k0, tile, deep, aligned)                               \
    EACH_UNIT(i, tile)                                                                             \
    fetch_unit(next + i * EACH, matrix, ld, row0, rows, k0, to, item + i * ITEMS, tile, deep,      \
               aligned);

#define STORE(slice, next, tile, deep)                                                             \
    EACH_UNIT(i, tile) store_unit(slice, next + i * EACH, item + i * ITEMS, tile, deep);

/* ---- Products -------------------------------------------------------------------------------- */

/* x = big + small but for small's last bits. */
inline void split(uint *big, uint *small, uint x)
{
    const float rounded = tf32_round(as_float(x));
    *big = as_uint(rounded);
    *small = as_uint(tf32_round(as_float(x) - rounded));
}

#define ZERO(numbers) UNROLL for (uint z = 0; z < MMA_D; ++z)(numbers)[z] = 0.0f;

/* A sub-group's sums += its part of a slice; m and n are where its part of the tile begins. */
inline __attribute__((always_inline)) void multiply(float sums[FRAGMENTS_M][FRAGMENTS_N][MMA_D],
                                                    __local const uint *slice_a,
                                                    __local const uint *slice_b, uint m, uint n,
                                                    __local uint *room, uint lane)
{
    for (uint k = 0; k < DEPTH; k += MMA_K) {
        uint b[FRAGMENTS_N][MMA_B];
#if MMA_PARTS
        uint b_small[FRAGMENTS_N][MMA_B];
#endif
        UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) UNROLL for (uint h = 0; h < MMA_B; ++h)
        {
            const uint word =
                slice_b[WORD_B(n + MMA_N * j + B_COLUMN(lane, h), k + B_WORD(lane, h))];
#if MMA_PARTS
            split(&b[j][h], &b_small[j][h], word);
#else
            b[j][h] = word;
#endif
        }
        UNROLL for (uint i = 0; i < FRAGMENTS_M; ++i)
        {
            uint a[MMA_A];
#if MMA_PARTS
            uint a_small[MMA_A];
            float part[FRAGMENTS_N][MMA_D];
#endif
            UNROLL for (uint h = 0; h < MMA_A; ++h)
            {
                const uint word =
                    slice_a[WORD_A(m + MMA_M * i + A_ROW(lane, h), k + A_WORD(lane, h))];
#if MMA_PARTS
                split(&a[h], &a_small[h], word);
#else
                a[h] = A_PART(word, lane);
#endif
            }
#if MMA_PARTS
            UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j)
            {
                ZERO(part[j])
                mma(part[j], a_small, b[j], room, lane);
            }
            UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) mma(part[j], a, b_small[j], room, lane);
            UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) mma(part[j], a, b[j], room, lane);
            UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) UNROLL for (uint h = 0; h < MMA_D; ++h)
                sums[i][j][h] += part[j][h];
#else
            UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) mma(sums[i][j], a, b[j], room, lane);
#endif
        }
    }
}

/* ---- The kernel ------------------------------------------------------------------------------ */

/* A strip is MMA_M rows of a sub-group's results; of NVIDIA's, halves write two words a row without
 * meeting. */
#define STRIP_PITCH (SUB_N + 8)
#define STRIPS (SUBGROUPS_M * SUBGROUPS_N * MMA_M * STRIP_PITCH)
#define BOTH (SLICE_A + SLICE_B)
#if 2 * BOTH > STRIPS
#define WORDS (2 * BOTH)
#else
#define WORDS STRIPS
#endif

__kernel MMA_KERNEL __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm_matrix(GEMM_ARGUMENTS, __global float *P DROPOUT_ARGUMENTS)
{
    const uint item = get_local_id(0);
    const uint n0 = get_group_id(0) * TILE_N;
    const uint m0 = get_group_id(1) * TILE_M;
    const uint z = get_group_id(2);
    const uint lane = item % MMA_LANES, sub = item / MMA_LANES;
    const uint sub_m = sub / SUBGROUPS_N * SUB_M, sub_n = sub % SUBGROUPS_N * SUB_N;
    __local uint4 memory[(WORDS + 3) / 4];
    __local uint rooms[MMA_ROOM * SUBGROUPS_M * SUBGROUPS_N];
    __local uint *const words = (__local uint *)memory;
    __local uint *const room = rooms + sub * MMA_ROOM;
    const bool aligned_a = ((a_offset | lda) & 3) == 0, aligned_b = ((b_offset | ldb) & 3) == 0;
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;

    /* This group's part of the sum: whole slices. */
    const uint depth = ((K + SLICE_K - 1) / SLICE_K + SPLITS - 1) / SPLITS * SLICE_K;
    const uint from = min(z * depth, K), to = min(from + depth, K);
    float sums[FRAGMENTS_M][FRAGMENTS_N][MMA_D];
    float4 next_a[MOVES(TILE_M) * EACH], next_b[MOVES(TILE_N) * EACH];
    UNROLL for (uint i = 0; i < FRAGMENTS_M; ++i) UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j)
        ZERO(sums[i][j])

            FETCH(next_a, A, lda, m0, M, from, TILE_M, DEEP_A, aligned_a)
                FETCH(next_b, B, ldb, n0, N, from, TILE_N, DEEP_B, aligned_b)
                    STORE(words, next_a, TILE_M, DEEP_A)
                        STORE(words + SLICE_A, next_b, TILE_N, DEEP_B) barrier(CLK_LOCAL_MEM_FENCE);
    uint now = 0;
    for (uint k0 = from; k0 < to; k0 += SLICE_K) {
        __local uint *const other = words + (BOTH - now);
        FETCH(next_a, A, lda, m0, M, k0 + SLICE_K, TILE_M, DEEP_A, aligned_a)
        FETCH(next_b, B, ldb, n0, N, k0 + SLICE_K, TILE_N, DEEP_B, aligned_b)
        multiply(sums, words + now, words + now + SLICE_A, sub_m, sub_n, room, lane);
        STORE(other, next_a, TILE_M, DEEP_A)
        STORE(other + SLICE_A, next_b, TILE_N, DEEP_B)
        barrier(CLK_LOCAL_MEM_FENCE);
        now = BOTH - now;
    }

    __local float *const strip = (__local float *)words + sub * MMA_M * STRIP_PITCH;
    UNROLL for (uint i = 0; i < FRAGMENTS_M; ++i)
    {
        UNROLL for (uint j = 0; j < FRAGMENTS_N; ++j) UNROLL for (uint h = 0; h < MMA_D; ++h)
            strip[D_ROW(lane, h) * STRIP_PITCH + MMA_N * j + D_COLUMN(lane, h)] = sums[i][j][h];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint e = lane; e < MMA_M * SUB_N; e += MMA_LANES) {
            const uint row = e / SUB_N, column = REST(e, SUB_N, row);
            const uint m = m0 + sub_m + MMA_M * i + row, n = n0 + sub_n + column;
            const float sum = strip[row * STRIP_PITCH + column];
            if (m >= M || n >= N) continue;
#if SPLITS > 1
            P[((ulong)z * M + m) * N + n] = sum;
#else
            C[(ulong)m * ldc + n] = epilogue(sum, E, m, n, lde DROPOUT_VALUES);
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

#include "gpu/gemm_sum.cl"
