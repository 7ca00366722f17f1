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
 * [inputs][outputs]. Batch matrices have room behind the last row up to a multiple of BP_VW and of
 * TILE_M, so that vectors of samples and tiles may read and write past it. */
#ifndef BP_PANEL_CL
#define BP_PANEL_CL

#include "cpu/plan_format.h"
#include "cpu/transpose.cl"

/* Register tiles: TILE_M rows x TILE_N vectors of forward and effect, TILE_LANES inputs x
 * TILE_LANES_N vectors of the gradient. The widths are those of the widest strips; narrower strips
 * have tiles of their own. */
#if !defined(TILE_M) || !defined(TILE_N) || !defined(TILE_LANES) || !defined(TILE_LANES_N)
#error "TILE_M, TILE_N, TILE_LANES and TILE_LANES_N must be defined"
#endif

/* X(n) for every width of a strip, of 1 to 4 vectors at most. */
#define FOR_WIDTHS_1(X) X(1)
#define FOR_WIDTHS_2(X) FOR_WIDTHS_1(X) X(2)
#define FOR_WIDTHS_3(X) FOR_WIDTHS_2(X) X(3)
#define FOR_WIDTHS_4(X) FOR_WIDTHS_3(X) X(4)
#define FOR_WIDTHS(most, X) BP_PASTE(FOR_WIDTHS_, most)(X)

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

#define DEFINE_ROWS_TILE_OF(M, N) DEFINE_ROWS_TILE(M, N)
#define DEFINE_LANES_TILE_OF(M, N) DEFINE_LANES_TILE(M, N)
#define DEFINE_ROWS_WIDTH(N) DEFINE_ROWS_TILE_OF(TILE_M, N)
#define DEFINE_LANES_WIDTH(N) DEFINE_LANES_TILE_OF(TILE_LANES, N)
FOR_WIDTHS(TILE_N, DEFINE_ROWS_WIDTH)
FOR_WIDTHS(TILE_LANES_N, DEFINE_LANES_WIDTH)

/* The last rows, where they are few, have smaller tiles: TILE_EDGE rows at most. */
#define DEFINE_ROWS_4(N) DEFINE_ROWS_TILE(4, N)
#define DEFINE_ROWS_2(N) DEFINE_ROWS_TILE(2, N)
#if TILE_M > 4
#define TILE_EDGE 4
FOR_WIDTHS(TILE_N, DEFINE_ROWS_4)
FOR_WIDTHS(TILE_N, DEFINE_ROWS_2)
#elif TILE_M > 2
#define TILE_EDGE 2
FOR_WIDTHS(TILE_N, DEFINE_ROWS_2)
#else
#define TILE_EDGE 0
#endif

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
    uint r = row0;
#define STRIP_TILE(M, N)                                                                           \
    TILE_PASTE(rows, M, N)(c + (ulong)r * BP_VW, c_step, a + (ulong)r * BP_VW, a_step, b, b_step,  \
                           k0, k1)
#if TILE_EDGE == 4
#define STRIP_EDGE(N)                                                                              \
    if (r + 2 < row1)                                                                              \
        STRIP_TILE(4, N);                                                                          \
    else if (r < row1)                                                                             \
        STRIP_TILE(2, N);
#elif TILE_EDGE == 2
#define STRIP_EDGE(N)                                                                              \
    if (r < row1) STRIP_TILE(2, N);
#else
#define STRIP_EDGE(N)
#endif
#define STRIP_ROWS(N)                                                                              \
    case N:                                                                                        \
        for (; r + TILE_EDGE < row1; r += TILE_M) STRIP_TILE(TILE_M, N);                           \
        STRIP_EDGE(N)                                                                              \
        break;
    switch (vectors) { FOR_WIDTHS(TILE_N, STRIP_ROWS) }
#undef STRIP_ROWS
#undef STRIP_EDGE
#undef STRIP_TILE
}

#endif
