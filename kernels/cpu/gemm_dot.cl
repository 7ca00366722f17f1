/* gemm_dot.cl - matrix product for CPUs, layout NT: C[m][n] = sum_k A[m][k] B[n][k].
 *
 * Both operands are contiguous along k, so vectors run along k: a work-item keeps TILE_M x TILE_N
 * vectors of partial sums, one for each element of its tile, and adds their lanes at the end.
 * TILE_M * TILE_N == BP_VW, so that the tile's results are one vector: bias and activation work on it
 * whole. No packing, no local memory, no barrier. One work-item a group; a group takes a run of
 * tiles: STRIP tiles side by side, then the next rows, so that a strip of B and a tile of A stay in
 * the first-level cache.
 *
 * Needs K padded with zeros to a multiple of BP_VW in A and B (the strides' quantum). */
#include "gemm.cl"
#include "cpu/sum_lanes.cl"

#if BP_LAYOUT != 0
#error "gemm_dot is the NT layout only"
#endif
#ifndef STRIP
#error "STRIP must be defined"
#endif
#if TILE_M * TILE_N != BP_VW
#error "a tile's results must be one vector"
#endif

#define ROW_LOAD BP_PASTE(vload, TILE_N)
#define ROW_STORE BP_PASTE(vstore, TILE_N)

/* TILE_N numbers, once for each of the tile's rows. Rows are padded, so reading past N is allowed. */
inline vec repeat_row(__global const float *row)
{
    float lanes[BP_VW];
#pragma unroll
    for (uint i = 0; i < TILE_M; ++i) ROW_STORE(ROW_LOAD(0, row), i, lanes);
    return VLOAD(0, lanes);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void gemm_dot(GEMM_ARGUMENTS)
{
    const uint group = get_group_id(0);
    const uint groups = get_num_groups(0);
    A += a_offset;
    B += b_offset;
    C += c_offset;
    E += e_offset;
    const uint tiles_m = (M + TILE_M - 1) / TILE_M;
    const uint tiles_n = (N + TILE_N - 1) / TILE_N;
    const ulong tiles = (ulong)tiles_m * tiles_n;
    const ulong end = tiles * (group + 1) / groups;

    for (ulong tile = tiles * group / groups; tile < end; ++tile) {
        const ulong strip_tiles = (ulong)tiles_m * STRIP;
        const uint strip = (uint)(tile / strip_tiles);
        const uint in_strip = (uint)REST(tile, strip_tiles, strip);
        const uint width = min((uint)STRIP, tiles_n - strip * STRIP);
        const uint row = in_strip / width;
        const uint m0 = row * TILE_M;
        const uint n0 = (strip * STRIP + REST(in_strip, width, row)) * TILE_N;
        /* Rows beyond the edge repeat the last row; their results are not stored. */
        __global const float *a[TILE_M], *b[TILE_N];
        for (uint i = 0; i < TILE_M; ++i) a[i] = A + (ulong)min(m0 + i, M - 1) * lda;
        for (uint j = 0; j < TILE_N; ++j) b[j] = B + (ulong)min(n0 + j, N - 1) * ldb;

        vec sums[BP_VW];
#pragma unroll
        for (uint t = 0; t < BP_VW; ++t) sums[t] = (vec)(0.0f);
        for (uint k = 0; k < K; k += BP_VW) {
            vec va[TILE_M];
#pragma unroll
            for (uint i = 0; i < TILE_M; ++i) va[i] = VLOAD(0, a[i] + k);
#pragma unroll
            for (uint j = 0; j < TILE_N; ++j) {
                const vec vb = VLOAD(0, b[j] + k);
#pragma unroll
                for (uint i = 0; i < TILE_M; ++i)
                    sums[i * TILE_N + j] = fma(va[i], vb, sums[i * TILE_N + j]);
            }
        }
        vec result = sum_lanes(sums);
#if BP_EPILOGUE == 2
        result += repeat_row(E + n0);
#endif
#if BP_EPILOGUE == 1 || BP_EPILOGUE == 2
        result = activate_vec(result);
#elif BP_EPILOGUE != 0
#error "gemm_dot has epilogues 0 to 2"
#endif
        float out[BP_VW];
        VSTORE(result, 0, out);
        if (m0 + TILE_M <= M && n0 + TILE_N <= N) {
#pragma unroll
            for (uint i = 0; i < TILE_M; ++i)
                ROW_STORE(ROW_LOAD(i, out), 0, C + (ulong)(m0 + i) * ldc + n0);
        } else {
            for (uint i = 0; i < TILE_M; ++i)
                for (uint j = 0; j < TILE_N; ++j)
                    if (m0 + i < M && n0 + j < N)
                        C[(ulong)(m0 + i) * ldc + n0 + j] = out[i * TILE_N + j];
        }
    }
}
