/* tiles.cl - the register tiles of kernels/cpu/panel.cl, as functions that nothing is inlined into. */
#include "shim.h"
#include "cpu/panel.cl"

#define ROWS_TILE(N)                                                                               \
    void rows_##N(float *c, ulong c_step, const float *a, ulong a_step, const float *b,            \
                  ulong b_step, uint k0, uint k1)                                                  \
    {                                                                                              \
        TILE_PASTE(rows, TILE_M, N)(c, c_step, a, a_step, b, b_step, k0, k1);                      \
    }
#define LANES_TILE(N)                                                                              \
    void lanes_##N(vec *c, const float *a, const float *b, ulong b_step, uint k0, uint k1)         \
    {                                                                                              \
        TILE_PASTE(lanes, TILE_LANES, N)(c, a, b, b_step, k0, k1);                                 \
    }
FOR_WIDTHS(TILE_N, ROWS_TILE) FOR_WIDTHS(TILE_LANES_N, LANES_TILE)
