/* panel.cl - matrices in column panels, and their products: what a CPU computes a network with.
 *
 * A panel holds BP_VW columns of a matrix, row after row, so that a row of a panel is one vector and
 * one aligned piece of a cache line; panels follow each other at panel_step. Whatever a product walks
 * along is then contiguous: no operand is ever packed, no row lies a page away from the next, and
 * panel steps of an odd number of vectors spread the panels over the sets of the caches.
 *
 *   element (r, c) at (c / BP_VW) * step + r * BP_VW + c % BP_VW
 *
 * Inputs, activations and deltas [rows][units] lie in panels, and weights as their transpose
 * [inputs][outputs]. Batch matrices have at least ROW_SLACK rows' room behind the last one, so that
 * tiles may read and write past it. */
#ifndef BP_PANEL_CL
#define BP_PANEL_CL

#include "cpu/plan_format.h"
#include "cpu/transpose.cl"

#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_LANES)
#error "TILE_M, TILE_N and TILE_LANES must be defined"
#endif

/* A plan_view whose buffer has been found. */
typedef struct matrix {
    __global float *at;
    ulong step;
    uint rows, columns, stride;
} matrix;

inline uint vectors_of(uint columns)
{
    return (columns + BP_VW - 1) / BP_VW;
}

/* -1 in each lane t with first + t < count, 0 in the others. */
inline ivec lanes_below(uint first, uint count)
{
    int lanes[BP_VW];
    for (uint t = 0; t < BP_VW; ++t) lanes[t] = first + t < count ? -1 : 0;
    return IVLOAD(lanes);
}

/* Block i of n: where `count` things are cut in n pieces as equal as can be. */
inline uint cut(uint count, uint i, uint n)
{
    return n == 1 ? count * i : (uint)((ulong)count * i / n); /* divisions are slow */
}

/* Columns of a block up to which single elements are moved: fewer instructions than a transposition. */
#define FEW_COLUMNS 3

/* x[t] = column t < columns of the BP_VW rows of a panel from `from` on, lanes from `rows` on zero. */
inline void load_block(vec *x, __global const float *from, uint rows, uint columns)
{
    if (columns <= FEW_COLUMNS || rows < BP_VW) {
        for (uint c = 0; c < min(columns, (uint)BP_VW); ++c) {
            float lanes[BP_VW];
#pragma unroll
            for (uint t = 0; t < BP_VW; ++t) lanes[t] = t < rows ? from[t * BP_VW + c] : 0.0f;
            x[c] = VLOAD(0, lanes);
        }
        return;
    }
#pragma unroll
    for (uint t = 0; t < BP_VW; ++t) x[t] = VLOAD(t, from);
    transpose(x);
}

/* c[i][j] (+)= sum over k0 <= k < k1 of a[i][k] b[k][j]: M rows, N vectors. a and c point to their
 * first row; b to the first row of its panel. */
#define DEFINE_ROWS_TILE(M, N)                                                                     \
    inline void rows_tile_##M##x##N(__global float *c, ulong c_step, __global const float *a,      \
                                    ulong a_step, __global const float *b, ulong b_step, uint k0,  \
                                    uint k1)                                                       \
    {                                                                                              \
        vec sum[M][N];                                                                             \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) sum[i][j] =                             \
                k0 ? VLOAD(i, c + j * c_step) : (vec)(0.0f);                                       \
        uint k = k0;                                                                               \
        for (; k + BP_VW <= k1; k += BP_VW) {                                                      \
            __global const float *a_k = a + (k / BP_VW) * a_step, *b_k = b + (ulong)k * BP_VW;     \
            _Pragma("unroll 1") for (uint t = 0; t < BP_VW; ++t) ROWS_TILE_STEP(M, N)              \
        }                                                                                          \
        __global const float *a_k = a + (k / BP_VW) * a_step, *b_k = b + (ulong)k * BP_VW;         \
        for (uint t = 0; t < k1 - k; ++t) ROWS_TILE_STEP(M, N)                                     \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) VSTORE(sum[i][j], i, c + j * c_step);   \
    }

#define ROWS_TILE_STEP(M, N)                                                                       \
    {                                                                                              \
        vec row[N];                                                                                \
        _Pragma("unroll") for (uint j = 0; j < N; ++j) row[j] = VLOAD(t, b_k + j * b_step);        \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) sum[i][j] =                             \
                fma((vec)(a_k[i * BP_VW + t]), row[j], sum[i][j]);                                 \
    }

/* c[i][j] (+)= sum over k0 <= k < k1 of a[k][i] b[k][j]: M of the lanes of a's panel, N vectors. a
 * points to the first lane, c to an array [M][N]. */
#define DEFINE_LANES_TILE(M, N)                                                                    \
    inline void lanes_tile_##M##x##N(vec *c, __global const float *a, __global const float *b,     \
                                     ulong b_step, uint k0, uint k1)                               \
    {                                                                                              \
        vec sum[M][N];                                                                             \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) sum[i][j] = (vec)(0.0f);                \
        uint k = k0;                                                                               \
        _Pragma("unroll 1") for (; k + 2 <= k1; k += 2)                                            \
        {                                                                                          \
            LANES_TILE_STEP(M, N, k)                                                               \
            LANES_TILE_STEP(M, N, k + 1)                                                           \
        }                                                                                          \
        if (k < k1) LANES_TILE_STEP(M, N, k)                                                       \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) c[i * N + j] = sum[i][j];               \
    }

#define LANES_TILE_STEP(M, N, k)                                                                   \
    {                                                                                              \
        vec row[N];                                                                                \
        _Pragma("unroll") for (uint j = 0; j < N; ++j) row[j] = VLOAD(k, b + j * b_step);          \
        _Pragma("unroll") for (uint i = 0; i < M; ++i)                                             \
            _Pragma("unroll") for (uint j = 0; j < N; ++j) sum[i][j] =                             \
                fma((vec)(a[(ulong)(k)*BP_VW + i]), row[j], sum[i][j]);                            \
    }

#define DEFINE_TILES(M, LANES, N) DEFINE_ROWS_TILE(M, N) DEFINE_LANES_TILE(LANES, N)
DEFINE_TILES(TILE_M, TILE_LANES, 1)
DEFINE_TILES(TILE_M, TILE_LANES, 2)
DEFINE_TILES(TILE_M, TILE_LANES, 3)
DEFINE_ROWS_TILE(1, 8)
DEFINE_ROWS_TILE(1, 4)
DEFINE_ROWS_TILE(1, 1)

#define TILE_PASTE2(kind, m, n) kind##_tile_##m##x##n
#define TILE_PASTE(kind, m, n) TILE_PASTE2(kind, m, n)

/* The only row of c: as many vectors at a time as keep the multiply-adds from waiting for each
 * other. */
inline void row_product(__global float *c, ulong c_step, __global const float *a, ulong a_step,
                        __global const float *b, ulong b_step, uint k0, uint k1, uint vectors)
{
    uint v = 0;
    for (; v + 8 <= vectors; v += 8)
        rows_tile_1x8(c + v * c_step, c_step, a, a_step, b + v * b_step, b_step, k0, k1);
    for (; v + 4 <= vectors; v += 4)
        rows_tile_1x4(c + v * c_step, c_step, a, a_step, b + v * b_step, b_step, k0, k1);
    for (; v < vectors; ++v)
        rows_tile_1x1(c + v * c_step, c_step, a, a_step, b + v * b_step, b_step, k0, k1);
}

/* c = a b for rows [row0, row1) of one strip: N vectors from c, b on. */
inline void strip_product(__global float *c, ulong c_step, __global const float *a, ulong a_step,
                          __global const float *b, ulong b_step, uint k0, uint k1, uint row0,
                          uint row1, uint vectors)
{
#define STRIP_ROWS(N)                                                                              \
    for (uint r = row0; r < row1; r += TILE_M)                                                     \
        TILE_PASTE(rows, TILE_M, N)(c + (ulong)r * BP_VW, c_step, a + (ulong)r * BP_VW, a_step, b, \
                                    b_step, k0, k1);
    if (vectors == 3) {
        STRIP_ROWS(3)
    } else if (vectors == 2) {
        STRIP_ROWS(2)
    } else {
        STRIP_ROWS(1)
    }
#undef STRIP_ROWS
}

#endif
