/* gather.cl - the rows of a batch, by the permutation, into panels. Formula in
 * host/base/operation.h. */
#include "cpu/panel.cl"

/* Rows row0 to row1 of out. in is row by row without gaps: the last vector of a row ends in the next,
 * which becomes padding of out. Behind the last row there is room for a vector. */
inline void gather(__global const plan_op *op, matrix out, matrix in, matrix order, matrix step,
                   uint row_block)
{
    const uint row0 = cut(out.rows, row_block, op->split_rows);
    const uint row1 = cut(out.rows, row_block + 1, op->split_rows);
    __global const int *from =
        (__global const int *)order.at + (ulong) * (__global const int *)step.at * op->period;
    for (uint r = row0; r < row1; ++r) {
        __global const float *source = in.at + (ulong)from[r] * in.stride;
        if (out.step)
            for (uint v = 0; v < vectors_of(out.columns); ++v)
                VSTORE(VLOAD(v, source), r, out.at + v * out.step);
        else
            for (uint c = 0; c < out.columns; ++c)
                out.at[(ulong)r * out.stride + c] = source[c];
    }
}
