/* slices.cl - what tiled products share: slices of A and B, TILE_K deep, on their way from memory
 * through registers into local memory.
 *
 * A slice lies there as [TILE_K][pitch], whatever the layout of the matrix; beyond the edges it is
 * zero, so that no inner loop has guards. The next slice is read into registers while the work-items
 * compute with this one: the memory's latency passes meanwhile. ITEMS work-items take part; their
 * number divides the elements of both slices. */
#ifndef BP_SLICES_CL
#define BP_SLICES_CL

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_K) || !defined(ITEMS)
#error "TILE_M, TILE_N, TILE_K and ITEMS must be defined"
#endif
#if TILE_M * TILE_K % ITEMS != 0 || TILE_N * TILE_K % ITEMS != 0
#error "ITEMS must divide the slices"
#endif

#define LOADS_A (TILE_M * TILE_K / ITEMS)
#define LOADS_B (TILE_N * TILE_K / ITEMS)

/* Neighbouring work-items load along the axis that is contiguous in memory. */
#if BP_LAYOUT == 2
#define SLICE_M(e) ((e) % TILE_M)
#define SLICE_KA(e) ((e) / TILE_M)
#else
#define SLICE_M(e) ((e) / TILE_K)
#define SLICE_KA(e) ((e) % TILE_K)
#endif
#if BP_LAYOUT == 0
#define SLICE_N(e) ((e) / TILE_K)
#define SLICE_KB(e) ((e) % TILE_K)
#else
#define SLICE_N(e) ((e) % TILE_N)
#define SLICE_KB(e) ((e) / TILE_N)
#endif

inline void fetch_a(float next[LOADS_A], __global const float *A, uint lda, uint m0, uint k0,
                    uint M, uint K, uint item)
{
#pragma unroll
    for (uint i = 0; i < LOADS_A; ++i) {
        const uint e = item + i * ITEMS, m = m0 + SLICE_M(e), k = k0 + SLICE_KA(e);
        next[i] = m < M && k < K ? A_AT(m, k) : 0.0f;
    }
}

inline void fetch_b(float next[LOADS_B], __global const float *B, uint ldb, uint n0, uint k0,
                    uint N, uint K, uint item)
{
#pragma unroll
    for (uint i = 0; i < LOADS_B; ++i) {
        const uint e = item + i * ITEMS, n = n0 + SLICE_N(e), k = k0 + SLICE_KB(e);
        next[i] = n < N && k < K ? B_AT(k, n) : 0.0f;
    }
}

inline void store_a(__local float *slice, const float next[LOADS_A], uint pitch, uint item)
{
#pragma unroll
    for (uint i = 0; i < LOADS_A; ++i) {
        const uint e = item + i * ITEMS;
        slice[SLICE_KA(e) * pitch + SLICE_M(e)] = next[i];
    }
}

inline void store_b(__local float *slice, const float next[LOADS_B], uint pitch, uint item)
{
#pragma unroll
    for (uint i = 0; i < LOADS_B; ++i) {
        const uint e = item + i * ITEMS;
        slice[SLICE_KB(e) * pitch + SLICE_N(e)] = next[i];
    }
}

#endif
