/* group_sum.cl - sums over the LOCAL work-items of a group, a power of two of them, by a tree: the
 * same order, and so the same bits, every time. */
#ifndef BP_GROUP_SUM_CL
#define BP_GROUP_SUM_CL

#ifndef LOCAL
#error "LOCAL, the size of the work-group, must be defined"
#endif

/* The sum of what all work-items have; the same in all of them. sums[LOCAL] may be used again. */
inline float group_sum(float mine, __local float *sums, uint item)
{
    barrier(CLK_LOCAL_MEM_FENCE); /* sums may still be read */
    sums[item] = mine;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint half_size = LOCAL / 2; half_size > 0; half_size /= 2) {
        if (item < half_size) sums[item] += sums[item + half_size];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return sums[0];
}

#endif
