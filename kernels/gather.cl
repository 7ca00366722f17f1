/* gather.cl - the rows of a batch, picked from the resident data set by the epoch's permutation.
 *
 *   out[i][:] = in[order[step * period + i]][:]
 *
 * Words of 32 bits, floats or integers alike; a work-item copies one word (labels, GPUs) or, where
 * CHUNK is above 1, CHUNK neighbouring words of rows padded to it. */
#if !defined(CHUNK)
#error "CHUNK, the words that a work-item copies, must be defined"
#endif

__kernel void gather(__global uint *out, const ulong out_offset, const uint ldo,
                     __global const uint *in, const ulong in_offset, const uint ldi,
                     __global const int *order, const ulong order_offset,
                     __global const int *step, const ulong step_offset, const uint period)
{
    const uint chunk = get_global_id(0);
    const uint i = get_global_id(1);
    const ulong row = (ulong)order[order_offset + (ulong)step[step_offset] * period + i];
    __global const uint *from = in + in_offset + row * ldi;
    __global uint *to = out + out_offset + (ulong)i * ldo;
#if CHUNK == 16
    vstore16(vload16(chunk, from), chunk, to);
#elif CHUNK == 8
    vstore8(vload8(chunk, from), chunk, to);
#elif CHUNK == 4
    vstore4(vload4(chunk, from), chunk, to);
#else
    to[chunk] = from[chunk];
#endif
}
