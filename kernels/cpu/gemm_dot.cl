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

#if BP_LAYOUT != 0
#error "gemm_dot is the NT layout only"
#endif
#ifndef STRIP
#error "STRIP must be defined"
#endif
#if TILE_M * TILE_N != BP_VW
#error "a tile's results must be one vector"
#endif

/* Lane t of the result is the sum of the lanes of v[t]: a tree of pairwise additions in which each
 * level halves the number of vectors. */
inline vec sum_lanes(vec *v)
{
#if BP_VW == 16
    float16 u[8], w[4], s[2];
    for (int i = 0; i < 8; ++i)
        u[i] = (float16)(v[2 * i].lo, v[2 * i + 1].lo) + (float16)(v[2 * i].hi, v[2 * i + 1].hi);
    for (int i = 0; i < 4; ++i) {
        const float16 p = u[2 * i], q = u[2 * i + 1];
        w[i] = (float16)(p.s0123, p.s89ab, q.s0123, q.s89ab) +
               (float16)(p.s4567, p.scdef, q.s4567, q.scdef);
    }
    for (int i = 0; i < 2; ++i) {
        const float16 p = w[2 * i], q = w[2 * i + 1];
        s[i] = (float16)(p.s014589cd, q.s014589cd) + (float16)(p.s2367abef, q.s2367abef);
    }
    return (float16)(s[0].even, s[1].even) + (float16)(s[0].odd, s[1].odd);
#elif BP_VW == 8
    float8 u[4], w[2];
    for (int i = 0; i < 4; ++i)
        u[i] = (float8)(v[2 * i].lo, v[2 * i + 1].lo) + (float8)(v[2 * i].hi, v[2 * i + 1].hi);
    for (int i = 0; i < 2; ++i)
        w[i] = (float8)(u[2 * i].s0145, u[2 * i + 1].s0145) +
               (float8)(u[2 * i].s2367, u[2 * i + 1].s2367);
    return (float8)(w[0].even, w[1].even) + (float8)(w[0].odd, w[1].odd);
#elif BP_VW == 4
    const float4 u = (float4)(v[0].lo, v[1].lo) + (float4)(v[0].hi, v[1].hi);
    const float4 w = (float4)(v[2].lo, v[3].lo) + (float4)(v[2].hi, v[3].hi);
    return (float4)(u.even, w.even) + (float4)(u.odd, w.odd);
#else
#error "BP_VW must be 4, 8 or 16"
#endif
}

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
        const uint strip = (uint)(tile / ((ulong)tiles_m * STRIP));
        const uint in_strip = (uint)(tile % ((ulong)tiles_m * STRIP));
        const uint width = min((uint)STRIP, tiles_n - strip * STRIP);
        const uint m0 = in_strip / width * TILE_M;
        const uint n0 = (strip * STRIP + in_strip % width) * TILE_N;
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
