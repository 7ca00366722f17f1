/* peak.cl - the two limits of a device: multiply-adds in registers, and memory.
 *
 *   peak_fma     CHAINS independent chains x = a x + b of each work-item, `repeat` times LINKS links each:
 *                2 * CHAINS * BP_VW operations a link. A chain has to wait for its own last result;
 *                there are enough of them to fill that time.
 *   peak_triad   out = x + a y over `count` vectors, 12 bytes an element: McCalpin, STREAM, 1995.
 *
 * On CPUs a work-item is a group of its own, with vectors of the registers' width, and a triad's
 * work-item takes a block of memory; on GPUs BP_VW is 1, BLOCKS 0, and neighbours take neighbours. */
#include "vector.cl"

#ifndef BLOCKS
#error "BLOCKS must be defined"
#endif

enum { CHAINS = 12, LINKS = 64 };

/* |a| < 1: every chain stays near b / (1 - a), a normal number. Results go to out so that they are
 * wanted; out [work-items][BP_VW]. */
__kernel void peak_fma(__global float *out, const uint repeat, const float a, const float b)
{
    const size_t item = get_global_id(0);
    vec x[CHAINS];
#pragma unroll
    for (uint c = 0; c < CHAINS; ++c) x[c] = (vec)((float)(c + 1) * 0.125f + b);
    for (uint r = 0; r < repeat; ++r) {
#pragma unroll 4
        for (uint i = 0; i < LINKS; ++i) {
#pragma unroll
            for (uint c = 0; c < CHAINS; ++c) x[c] = fma(x[c], (vec)(a), (vec)(b));
        }
    }
    vec sum = x[0];
#pragma unroll
    for (uint c = 1; c < CHAINS; ++c) sum += x[c];
    VSTORE(sum, item, out);
}

__kernel void peak_triad(__global float *restrict out, __global const float *restrict x,
                         __global const float *restrict y, const float a, const ulong count)
{
    const ulong item = get_global_id(0), items = get_global_size(0);
#if BLOCKS
    const ulong block = (count + items - 1) / items;
    const ulong from = item * block, to = min(from + block, count);
    for (ulong i = from; i < to; ++i)
#else
    for (ulong i = item; i < count; i += items)
#endif
        VSTORE(fma((vec)(a), VLOAD(i, y), VLOAD(i, x)), i, out);
}
