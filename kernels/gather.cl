/* gather.cl - the rows of a batch, picked from the resident data set by the epoch's permutation.
 *
 *   out[i][:] = in[order[step * period + i]][:]
 *
 * Words of 32 bits, floats or integers alike; a work-item copies CHUNK neighbouring words, where that
 * is above 1 of rows padded to it. */
#if !defined(CHUNK)
#error "CHUNK, the words that a work-item copies, must be defined"
#endif

inline void copy_chunk(__global uint *to, __global const uint *from, uint chunk)
{
#if CHUNK == 4
    vstore4(vload4(chunk, from), chunk, to);
#elif CHUNK == 1
    to[chunk] = from[chunk];
#else
#error "CHUNK must be 1 or 4"
#endif
}

__kernel void gather(__global uint *out, const ulong out_offset, const uint ldo,
                     __global const uint *in, const ulong in_offset, const uint ldi,
                     __global const int *order, const ulong order_offset,
                     __global const int *step, const ulong step_offset, const uint period)
{
    const uint chunk = get_global_id(0);
    const uint i = get_global_id(1);
    const ulong row = (ulong)order[order_offset + (ulong)step[step_offset] * period + i];
    copy_chunk(out + out_offset + (ulong)i * ldo, in + in_offset + row * ldi, chunk);
}

/* Features and targets of a batch at once: the first `chunks` work-items of a row copy its features,
 * the others a word each of its targets. */
__kernel void gather_batch(__global uint *out, const ulong out_offset, const uint ldo,
                           __global const uint *in, const ulong in_offset, const uint ldi,
                           __global uint *t_out, const ulong t_out_offset, const uint t_ldo,
                           __global const uint *t_in, const ulong t_in_offset, const uint t_ldi,
                           __global const int *order, const ulong order_offset,
                           __global const int *step, const ulong step_offset, const uint period,
                           const uint chunks)
{
    const uint chunk = get_global_id(0);
    const uint i = get_global_id(1);
    const ulong row = (ulong)order[order_offset + (ulong)step[step_offset] * period + i];
    if (chunk < chunks)
        copy_chunk(out + out_offset + (ulong)i * ldo, in + in_offset + row * ldi, chunk);
    else
        t_out[t_out_offset + (ulong)i * t_ldo + chunk - chunks] =
            t_in[t_in_offset + row * t_ldi + chunk - chunks];
}
