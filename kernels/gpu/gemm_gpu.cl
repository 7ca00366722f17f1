/* gemm_gpu.cl - tiled matrix product for GPUs.
 *
 * A work-group of (TILE_N / ITEM_N) x (TILE_M / ITEM_M) work-items computes a TILE_M x TILE_N tile
 * of C. Slices of A and B, TILE_K deep, go through local memory; each work-item keeps ITEM_M x
 * ITEM_N sums in registers, its rows and columns strided over the tile so that neighbours read
 * neighbouring words of local memory (no bank conflicts). Edges are filled with zeros on loading, so
 * the inner loop has no guards. */
#define BP_VW 1
#include "gemm.cl"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_K) || !defined(ITEM_M) || !defined(ITEM_N)
#error "TILE_M, TILE_N, TILE_K, ITEM_M and ITEM_N must be defined"
#endif

#define ITEMS_X (TILE_N / ITEM_N)
#define ITEMS_Y (TILE_M / ITEM_M)
#define ITEMS (ITEMS_X * ITEMS_Y)

/* One word more a row: the transposed store of a slice would hit one bank otherwise. */
#define PITCH_M (TILE_M + 1)
#define PITCH_N (TILE_N + 1)

__kernel __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1))) void gemm_gpu(GEMM_ARGUMENTS)
{
    const uint x = get_local_id(0);
    const uint y = get_local_id(1);
    const uint n0 = get_group_id(0) * TILE_N;
    const uint m0 = get_group_id(1) * TILE_M;
    const uint item = y * ITEMS_X + x;
    __local float slice_a[TILE_K * PITCH_M];
    __local float slice_b[TILE_K * PITCH_N];
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;

    float sums[ITEM_M][ITEM_N];
    for (uint i = 0; i < ITEM_M; ++i)
        for (uint j = 0; j < ITEM_N; ++j) sums[i][j] = 0.0f;

    for (uint k0 = 0; k0 < K; k0 += TILE_K) {
        /* Neighbouring work-items load along the axis that is contiguous in memory. */
        for (uint e = item; e < TILE_M * TILE_K; e += ITEMS) {
#if BP_LAYOUT == 2
            const uint m = e % TILE_M, k = e / TILE_M;
#else
            const uint m = e / TILE_K, k = e % TILE_K;
#endif
            slice_a[k * PITCH_M + m] =
                m0 + m < M && k0 + k < K ? A_AT(m0 + m, k0 + k) : 0.0f;
        }
        for (uint e = item; e < TILE_N * TILE_K; e += ITEMS) {
#if BP_LAYOUT == 0
            const uint n = e / TILE_K, k = e % TILE_K;
#else
            const uint n = e % TILE_N, k = e / TILE_N;
#endif
            slice_b[k * PITCH_N + n] =
                n0 + n < N && k0 + k < K ? B_AT(k0 + k, n0 + n) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint k = 0; k < TILE_K; ++k) {
            float a[ITEM_M], b[ITEM_N];
            for (uint i = 0; i < ITEM_M; ++i) a[i] = slice_a[k * PITCH_M + y + i * ITEMS_Y];
            for (uint j = 0; j < ITEM_N; ++j) b[j] = slice_b[k * PITCH_N + x + j * ITEMS_X];
            for (uint i = 0; i < ITEM_M; ++i)
                for (uint j = 0; j < ITEM_N; ++j) sums[i][j] = fma(a[i], b[j], sums[i][j]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint i = 0; i < ITEM_M; ++i) {
        const uint m = m0 + y + i * ITEMS_Y;
        for (uint j = 0; j < ITEM_N; ++j) {
            const uint n = n0 + x + j * ITEMS_X;
            if (m < M && n < N) C[(ulong)m * ldc + n] = epilogue(sums[i][j], E, m, n, lde);
        }
    }
}
