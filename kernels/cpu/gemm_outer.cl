/* gemm_outer.cl - matrix product for CPUs, layouts NN and TN: vectors run along n.
 *
 * A work-item keeps a tile of TILE_M rows by TILE_N vectors of C in registers and adds one outer
 * product for each k: TILE_N vectors of B times TILE_M broadcast elements of A. No packing, no local
 * memory, no barrier. One work-item a group; a group takes a run of tiles, down the rows first, so
 * that a strip of B stays in the first-level cache.
 *
 * Needs N padded to a multiple of BP_VW in B, C and E (the strides' quantum), with zeros in B and
 * E; the padding of C then comes out as zero. With the epilogue of the bias gradient E is a row of
 * C's buffer, written by the tiles of the first strip. */
#include "gemm.cl"

#if BP_LAYOUT == 0
#error "gemm_outer is for the NN and TN layouts"
#endif
#if !defined(TILE_M) || !defined(TILE_N)
#error "TILE_M and TILE_N must be defined"
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void gemm_outer(GEMM_ARGUMENTS)
{
    const uint group = get_group_id(0);
    const uint groups = get_num_groups(0);
#if BP_EPILOGUE == 4
    __global float *bias_gradient = C + e_offset; /* in the same arena */
#endif
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;
    const uint vectors = (N + BP_VW - 1) / BP_VW;
    const uint tiles_m = (M + TILE_M - 1) / TILE_M;
    const uint tiles_n = (vectors + TILE_N - 1) / TILE_N;
    const ulong tiles = (ulong)tiles_m * tiles_n;
    const ulong end = tiles * (group + 1) / groups;

    for (ulong tile = tiles * group / groups; tile < end; ++tile) {
        const uint strip = (uint)(tile / tiles_m);
        const uint m0 = (uint)REST(tile, (ulong)tiles_m, strip) * TILE_M;
        const uint v0 = strip * TILE_N;
        /* What lies beyond an edge repeats the last row or vector and is not stored. */
        ulong a[TILE_M];
        uint b[TILE_N];
#pragma unroll
        for (uint i = 0; i < TILE_M; ++i) {
            const ulong m = min(m0 + i, M - 1);
            a[i] = BP_LAYOUT == 2 ? m : m * lda;
        }
#pragma unroll
        for (uint j = 0; j < TILE_N; ++j) b[j] = min(v0 + j, vectors - 1) * BP_VW;

        vec sums[TILE_M][TILE_N];
#pragma unroll
        for (uint i = 0; i < TILE_M; ++i)
#pragma unroll
            for (uint j = 0; j < TILE_N; ++j) sums[i][j] = (vec)(0.0f);
        __global const float *a_k = A, *b_k = B;
        for (uint k = 0; k < K; ++k) {
            vec vb[TILE_N];
#pragma unroll
            for (uint j = 0; j < TILE_N; ++j) vb[j] = VLOAD(0, b_k + b[j]);
#pragma unroll
            for (uint i = 0; i < TILE_M; ++i) {
                const vec va = (vec)(a_k[a[i]]);
#pragma unroll
                for (uint j = 0; j < TILE_N; ++j) sums[i][j] = fma(va, vb[j], sums[i][j]);
            }
            a_k += BP_LAYOUT == 2 ? lda : 1;
            b_k += ldb;
        }
#pragma unroll
        for (uint i = 0; i < TILE_M; ++i)
#pragma unroll
            for (uint j = 0; j < TILE_N; ++j) {
                if (m0 + i >= M || v0 + j >= vectors) continue;
                vec result = sums[i][j];
#if BP_EPILOGUE == 3
                result *= slope_vec(VLOAD(0, E + (ulong)(m0 + i) * lde + b[j]));
#elif BP_EPILOGUE != 0 && BP_EPILOGUE != 4
#error "gemm_outer has epilogues 0, 3 and 4"
#endif
                VSTORE(result, 0, C + (ulong)(m0 + i) * ldc + b[j]);
            }
#if BP_EPILOGUE == 4
        if (strip == 0) { /* each row of C once */
            float column[TILE_M];
#pragma unroll
            for (uint i = 0; i < TILE_M; ++i) column[i] = 0.0f;
            for (uint k = 0; k < K; ++k)
#pragma unroll
                for (uint i = 0; i < TILE_M; ++i) column[i] += A[(ulong)k * lda + a[i]];
            for (uint i = 0; i < TILE_M && m0 + i < M; ++i) bias_gradient[m0 + i] = column[i];
        }
#endif
    }
}
