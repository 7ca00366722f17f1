/* gemm_packed.cl - matrix product for CPUs, all layouts, for operands that outgrow the caches.
 *
 * Rows of a large matrix lie a page or more apart, so that walking down them misses the TLB at each
 * step and maps many rows to one set of the first-level cache. Here both operands are copied first:
 *
 *   A   once, by gemm_pack_a: tiles of TILE_M rows, cut into blocks of KC along k
 *   B   by the group that needs it, a panel of TILE_N vectors by KC at a time, into its own scratch;
 *       every tile of the rows then reads it from the second-level cache
 *
 * The inner loop is that of gemm_outer: TILE_N vectors of B, TILE_M broadcast elements of A. Sums
 * over blocks of k are kept in C. Whatever lies beyond an edge is packed as zero and not stored. One
 * work-item a group, a run of panels for each.
 *
 *   packed A  [tiles_m][blocks][A_TILE]: element (i, k) at i * A_ROW + k * A_STEP
 *   scratch   [groups][KC][TILE_N * BP_VW]
 *
 * Needs strides that are multiples of BP_VW, as gemm_dot and gemm_outer do. */
#include "gemm.cl"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(KC) || !defined(BLOCK_TILES)
#error "TILE_M, TILE_N, KC and BLOCK_TILES must be defined"
#endif

/* Constant strides let the inner loop address a whole tile from one register. Along k where A's rows
 * are (NT, NN), with a gap that spreads the rows over the cache's sets; along m for TN. */
#if BP_LAYOUT == 2
#define A_ROW 1
#define A_STEP TILE_M
#define A_TILE (TILE_M * KC)
#else
#define A_ROW (KC + 16)
#define A_STEP 1
#define A_TILE (TILE_M * (KC + 16))
#endif
#define PANEL (TILE_N * BP_VW)

/* One tile of rows, one block of k. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_pack_a(const uint M, const uint K, __global const float *A, const ulong a_offset,
            const uint lda, __global float *packed)
{
    const uint block = get_group_id(0);
    const uint tile = get_group_id(1);
    const uint blocks = get_num_groups(0);
    const uint m0 = tile * TILE_M;
    const uint k0 = block * KC;
    const uint depth = min((uint)KC, K - k0);
    A += a_offset;
    __global float *out = packed + ((ulong)tile * blocks + block) * A_TILE;
#if BP_LAYOUT == 2
    for (uint k = 0; k < depth; ++k)
        for (uint i = 0; i < TILE_M; ++i)
            out[k * TILE_M + i] = m0 + i < M ? A[(ulong)(k0 + k) * lda + m0 + i] : 0.0f;
#else
    /* Whole vectors: k0 is a multiple of BP_VW and rows are padded to it. */
    for (uint i = 0; i < TILE_M; ++i) {
        __global const float *row = A + (ulong)min(m0 + i, M - 1) * lda + k0;
        for (uint k = 0; k < depth; k += BP_VW)
            VSTORE(m0 + i < M ? VLOAD(0, row + k) : (vec)(0.0f), 0, out + i * A_ROW + k);
    }
#endif
}

#if BP_LAYOUT == 0
/* v[i] lane j <-> v[j] lane i: blocks of 8, 4, 2, 1 lanes change places. */
inline void transpose(vec *v)
{
#if BP_VW == 16
    for (int i = 0; i < 8; ++i) {
        const vec a = v[i], b = v[i + 8];
        v[i] = (vec)(a.lo, b.lo);
        v[i + 8] = (vec)(a.hi, b.hi);
    }
#endif
#if BP_VW >= 8
    for (int i = 0; i < BP_VW; ++i)
        if (!(i & 4)) {
            const vec a = v[i], b = v[i + 4];
#if BP_VW == 16
            v[i] = (vec)(a.s0123, b.s0123, a.s89ab, b.s89ab);
            v[i + 4] = (vec)(a.s4567, b.s4567, a.scdef, b.scdef);
#else
            v[i] = (vec)(a.lo, b.lo);
            v[i + 4] = (vec)(a.hi, b.hi);
#endif
        }
#endif
    for (int i = 0; i < BP_VW; ++i)
        if (!(i & 2)) {
            const vec a = v[i], b = v[i + 2];
#if BP_VW == 16
            v[i] = (vec)(a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd);
            v[i + 2] = (vec)(a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef);
#elif BP_VW == 8
            v[i] = (vec)(a.s01, b.s01, a.s45, b.s45);
            v[i + 2] = (vec)(a.s23, b.s23, a.s67, b.s67);
#else
            v[i] = (vec)(a.lo, b.lo);
            v[i + 2] = (vec)(a.hi, b.hi);
#endif
        }
    for (int i = 0; i < BP_VW; i += 2) {
        const vec a = v[i], b = v[i + 1];
#if BP_VW == 16
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6, a.s8, b.s8, a.sa, b.sa, a.sc,
                     b.sc, a.se, b.se);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7, a.s9, b.s9, a.sb, b.sb,
                         a.sd, b.sd, a.sf, b.sf);
#elif BP_VW == 8
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7);
#else
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3);
#endif
    }
}
#endif

/* scratch[k][j] = B(k0 + k, n0 + j) for k < depth (NT: rounded up to whole vectors). */
inline void pack_b(__global float *scratch, __global const float *B, uint ldb, uint n0, uint N,
                   uint k0, uint depth)
{
#if BP_LAYOUT == 0
    for (uint j = 0; j < TILE_N; ++j)
        for (uint k = 0; k < depth; k += BP_VW) {
            vec v[BP_VW];
#pragma unroll
            for (uint r = 0; r < BP_VW; ++r) {
                const uint n = n0 + j * BP_VW + r;
                v[r] = n < N ? VLOAD(0, B + (ulong)n * ldb + k0 + k) : (vec)(0.0f);
            }
            transpose(v);
#pragma unroll
            for (uint r = 0; r < BP_VW; ++r)
                VSTORE(v[r], 0, scratch + (k + r) * PANEL + j * BP_VW);
        }
#else
    for (uint k = 0; k < depth; ++k)
#pragma unroll
        for (uint j = 0; j < TILE_N; ++j) {
            const uint n = n0 + j * BP_VW;
            VSTORE(n < N ? VLOAD(0, B + (ulong)(k0 + k) * ldb + n) : (vec)(0.0f), 0,
                   scratch + k * PANEL + j * BP_VW);
        }
#endif
}

/* Lanes beyond N become zero: the padding of C stays zero whatever f(0) is. */
inline vec mask_padding(vec x, uint n, uint N)
{
#if BP_EPILOGUE == 1 || BP_EPILOGUE == 2
    if (n + BP_VW > N) {
        float lanes[BP_VW];
        VSTORE(x, 0, lanes);
        for (uint l = N - n; l < BP_VW; ++l) lanes[l] = 0.0f;
        x = VLOAD(0, lanes);
    }
#endif
    return x;
}

/* The last block's sums, finished: bias, activation, slope. */
inline vec finish(vec x, __global const float *E, uint m, uint n, uint lde, uint N)
{
#if BP_EPILOGUE == 1
    x = activate_vec(x);
#elif BP_EPILOGUE == 2
    x = activate_vec(x + VLOAD(0, E + n));
#elif BP_EPILOGUE == 3
    x *= slope_vec(VLOAD(0, E + (ulong)m * lde + n));
#endif
    return mask_padding(x, n, N);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_packed(GEMM_ARGUMENTS, __global const float *packed, __global float *all_scratch)
{
    const uint group = get_group_id(0);
    const uint groups = get_num_groups(0);
    B += b_offset;
    C += c_offset;
    E += e_offset;
    __global float *scratch = all_scratch + (ulong)group * KC * PANEL;
    const uint tiles_m = (M + TILE_M - 1) / TILE_M;
    const uint panels = (N + PANEL - 1) / PANEL;
    /* Equal blocks of rows: groups get equal numbers of units, which must be equal work. */
    const uint row_blocks = (tiles_m + BLOCK_TILES - 1) / BLOCK_TILES;
    const uint block_tiles = (tiles_m + row_blocks - 1) / row_blocks;
    const uint blocks = (K + KC - 1) / KC;
    const ulong units = (ulong)row_blocks * panels;
    const ulong end = units * (group + 1) / groups;

    for (ulong unit = units * group / groups; unit < end; ++unit) {
        const uint row_block = (uint)(unit / panels);
        const uint first_tile = row_block * block_tiles;
        const uint last_tile = min(first_tile + block_tiles, tiles_m);
        const uint n0 = (uint)REST(unit, (ulong)panels, row_block) * PANEL;
        for (uint block = 0; block < blocks; ++block) {
            const uint depth = min((uint)KC, K - block * KC);
            pack_b(scratch, B, ldb, n0, N, block * KC, depth);
            for (uint tile = first_tile; tile < last_tile; ++tile) {
                const uint m0 = tile * TILE_M;
                __global const float *a = packed + ((ulong)tile * blocks + block) * A_TILE;
                __global const float *b = scratch;
                vec sums[TILE_M][TILE_N];
#pragma unroll
                for (uint i = 0; i < TILE_M; ++i)
#pragma unroll
                    for (uint j = 0; j < TILE_N; ++j)
                        sums[i][j] = (vec)(0.0f);
                for (uint k = 0; k < depth; ++k) {
                    vec vb[TILE_N];
#pragma unroll
                    for (uint j = 0; j < TILE_N; ++j) vb[j] = VLOAD(j, b);
#pragma unroll
                    for (uint i = 0; i < TILE_M; ++i) {
                        const vec va = (vec)(a[i * A_ROW]);
#pragma unroll
                        for (uint j = 0; j < TILE_N; ++j)
                            sums[i][j] = fma(va, vb[j], sums[i][j]);
                    }
                    a += A_STEP;
                    b += PANEL;
                }
#pragma unroll
                for (uint i = 0; i < TILE_M; ++i)
#pragma unroll
                    for (uint j = 0; j < TILE_N; ++j) {
                        const uint m = m0 + i, n = n0 + j * BP_VW;
                        if (m >= M || n >= N) continue;
                        __global float *c = C + (ulong)m * ldc + n;
                        vec x = sums[i][j];
                        if (block > 0) x += VLOAD(0, c);
                        if (block + 1 == blocks) x = finish(x, E, m, n, lde, N);
                        VSTORE(x, 0, c);
                    }
            }
        }
    }
}
