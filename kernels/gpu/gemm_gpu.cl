/* gemm_gpu.cl - tiled matrix product for GPUs.
 *
 * A work-group of (TILE_N / ITEM_N) x (TILE_M / ITEM_M) work-items computes a TILE_M x TILE_N tile
 * of C. Slices of A and B go through local memory (slices.cl); each work-item keeps ITEM_M x ITEM_N
 * sums in registers. Its rows and columns are pieces of four neighbours where their number allows,
 * for loads of 16 bytes, or single ones, strided over the tile so that neighbours read neighbouring
 * words of local memory.
 *
 * SPLITS above 1 cuts the sum in as many pieces, each by a group of its own, for products with few
 * results: group (x, y, z) writes its sums, without the epilogue, to P + z M N, [M][N] without
 * padding, and gemm_sum.cl adds them. */
#define BP_VW 1
#include "gemm.cl"

#if !defined(ITEM_M) || !defined(ITEM_N) || !defined(SPLITS)
#error "ITEM_M, ITEM_N and SPLITS must be defined"
#endif

#define ITEMS_X (TILE_N / ITEM_N)
#define ITEMS_Y (TILE_M / ITEM_M)
#define ITEMS (ITEMS_X * ITEMS_Y)
#include "gpu/slices.cl"
#include "gpu/subgroup.cl"

/* Row i of a work-item's, in pieces of PIECE. */
#if ITEM_M % 4 == 0
#define PIECE_M 4
#else
#define PIECE_M 1
#endif
#if ITEM_N % 4 == 0
#define PIECE_N 4
#else
#define PIECE_N 1
#endif
#define ROW(i, y) ((i) / PIECE_M * (ITEMS_Y * PIECE_M) + (y)*PIECE_M + (i) % PIECE_M)
#define COLUMN(j, x) ((j) / PIECE_N * (ITEMS_X * PIECE_N) + (x)*PIECE_N + (j) % PIECE_N)

/* Four words more a row: the transposed store of a slice would hit one bank otherwise, and pieces
 * keep their boundaries of 16 bytes. */
#define PITCH_M (TILE_M + 4)
#define PITCH_N (TILE_N + 4)

inline void load_piece(float *out, __local const float *from, uint size)
{
    if (size == 4) {
        const float4 four = *(__local const float4 *)from;
        out[0] = four.x;
        out[1] = four.y;
        out[2] = four.z;
        out[3] = four.w;
    } else {
        out[0] = from[0];
    }
}

__kernel BP_NARROW __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) void
gemm_gpu(GEMM_ARGUMENTS, __global float *P DROPOUT_ARGUMENTS)
{
    const uint x = get_local_id(0);
    const uint y = get_local_id(1);
    const uint n0 = get_group_id(0) * TILE_N;
    const uint m0 = get_group_id(1) * TILE_M;
    const uint z = get_group_id(2);
    const uint item = y * ITEMS_X + x;
    __local float4 slices[TILE_K * (PITCH_M + PITCH_N) / 4];
    __local float *const slice_a = (__local float *)slices;
    __local float *const slice_b = slice_a + TILE_K * PITCH_M;
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;

    /* This group's part of the sum: whole slices. */
    const uint depth = ((K + TILE_K - 1) / TILE_K + SPLITS - 1) / SPLITS * TILE_K;
    const uint from = min(z * depth, K), to = min(from + depth, K);
    float sums[ITEM_M][ITEM_N], next_a[LOADS_A], next_b[LOADS_B];
#pragma unroll
    for (uint i = 0; i < ITEM_M; ++i)
#pragma unroll
        for (uint j = 0; j < ITEM_N; ++j) sums[i][j] = 0.0f;

    fetch_a(next_a, A, lda, m0, from, M, to, item);
    fetch_b(next_b, B, ldb, n0, from, N, to, item);
    for (uint k0 = from; k0 < to; k0 += TILE_K) {
        store_a(slice_a, next_a, PITCH_M, item);
        store_b(slice_b, next_b, PITCH_N, item);
        barrier(CLK_LOCAL_MEM_FENCE);
        fetch_a(next_a, A, lda, m0, k0 + TILE_K, M, to, item);
        fetch_b(next_b, B, ldb, n0, k0 + TILE_K, N, to, item);
        for (uint k = 0; k < TILE_K; ++k) {
            float a[ITEM_M], b[ITEM_N];
#pragma unroll
            for (uint i = 0; i < ITEM_M; i += PIECE_M)
                load_piece(a + i, slice_a + k * PITCH_M + ROW(i, y), PIECE_M);
#pragma unroll
            for (uint j = 0; j < ITEM_N; j += PIECE_N)
                load_piece(b + j, slice_b + k * PITCH_N + COLUMN(j, x), PIECE_N);
#pragma unroll
            for (uint i = 0; i < ITEM_M; ++i)
#pragma unroll
                for (uint j = 0; j < ITEM_N; ++j) sums[i][j] = fma(a[i], b[j], sums[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    /* Row after row, each moved to sums[0] first: indices stay constant, so that sums stay in
     * registers, while the text of a long function stands here ITEM_N times, not ITEM_M as often.
     */
#pragma unroll 1
    for (uint i = 0; i < ITEM_M; ++i) {
        const uint m = m0 + ROW(i, y);
#pragma unroll
        for (uint j = 0; j < ITEM_N; ++j) {
            const uint n = n0 + COLUMN(j, x);
            if (m < M && n < N) {
#if SPLITS > 1
                P[((ulong)z * M + m) * N + n] = sums[0][j];
#else
                C[(ulong)m * ldc + n] = epilogue(sums[0][j], E, m, n, lde DROPOUT_VALUES);
#endif
            }
        }
#pragma unroll
        for (uint k = 0; k + 1 < ITEM_M; ++k)
#pragma unroll
            for (uint j = 0; j < ITEM_N; ++j) sums[k][j] = sums[k + 1][j];
    }
}

#include "gpu/gemm_sum.cl"
