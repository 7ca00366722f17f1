/* probe.cl - small programs that find out what a device can do, one built by itself for each PROBE,
 * since a driver that does not know an instruction refuses the whole program.
 *
 *   0 nothing     what a launch costs
 *   1 local       out[i] = in[i], reversed within LOCAL_WORDS words of local memory
 *   2 units       out[M][N] = in[M][K] (in + M K)[K][N], one product of matrix units (mma.cl)
 *   3 shuffle     out[i] = in[i ^ 1] within 32, by shfl.sync
 *   4 async copy  out[i] = in[i], through local memory by cp.async, 16 bytes each
 *   5 ldmatrix    out[i] = in[i], 8x8 16-bit words four times from local memory by ldmatrix
 *
 * One work-group of 32, for matrix units of a sub-group. 3 to 5 are in PTX. */
#ifndef PROBE
#error "PROBE must be defined"
#endif

#if PROBE == 0

__kernel void probe(__global float *out, __global const float *in)
{
    const size_t item = get_global_id(0);
    if (out == in) out[item] = 0.0f; /* never */
}

#elif PROBE == 1

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint item = get_local_id(0);
    __local float words[LOCAL_WORDS];
    for (uint i = item; i < LOCAL_WORDS; i += 32) words[i] = in[i];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint i = item; i < LOCAL_WORDS; i += 32) out[i] = words[LOCAL_WORDS - 1 - i];
}

#elif PROBE == 2

#include "gpu/mma.cl"

/* A word of A or B: numbers that are `step` apart. */
#if BP_PRODUCTS == 2
#define PROBE_K (2 * MMA_K)
#define WORD(numbers, first, step)                                                                 \
    bf16_pair((numbers)[2 * (first) * (step)], (numbers)[(2 * (first) + 1) * (step)])
#else
#define PROBE_K MMA_K
#define WORD(numbers, first, step) as_uint((numbers)[(first) * (step)])
#endif

__kernel MMA_KERNEL __attribute__((reqd_work_group_size(MMA_LANES, 1, 1))) void
probe(__global float *out, __global const float *in)
{
    const uint lane = get_local_id(0);
    __global const float *const x = in, *const y = in + MMA_M * PROBE_K;
    __local uint room[MMA_ROOM];
    uint a[MMA_A], b[MMA_B];
    float d[MMA_D];
    for (uint i = 0; i < MMA_A; ++i)
        a[i] = A_PART(WORD(x + A_ROW(lane, i) * PROBE_K, A_WORD(lane, i), 1), lane);
    for (uint i = 0; i < MMA_B; ++i) b[i] = WORD(y + B_COLUMN(lane, i), B_WORD(lane, i), MMA_N);
    for (uint i = 0; i < MMA_D; ++i) d[i] = 0.0f;
    mma(d, a, b, room, lane);
    for (uint i = 0; i < MMA_D; ++i) out[D_ROW(lane, i) * MMA_N + D_COLUMN(lane, i)] = d[i];
}

#elif PROBE == 3

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint lane = get_local_id(0);
    float x = in[lane];
    __asm__ volatile("shfl.sync.bfly.b32 %0, %0, 1, 31, 0xffffffff;" : "+f"(x));
    out[lane] = x;
}

#elif PROBE == 4

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint lane = get_local_id(0);
    __local float4 words[32];
    const ulong to = (ulong)&words[lane], from = (ulong)(in + 4 * lane);
    __asm__ volatile("{\n"
                     ".reg .u32 at;\n"
                     "cvt.u32.u64 at, %0;\n"
                     "cp.async.cg.shared.global [at], [%1], 16;\n"
                     "cp.async.commit_group;\n"
                     "cp.async.wait_group 0;\n"
                     "}"
                     :
                     : "l"(to), "l"(from)
                     : "memory");
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore4(words[lane], lane, out);
}

#elif PROBE == 5

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint lane = get_local_id(0);
    __local float4 words[32]; /* four matrices of 8 rows of 16 bytes */
    words[lane] = vload4(lane, in);
    barrier(CLK_LOCAL_MEM_FENCE);
    const ulong from = (ulong)&words[lane];
    float x[4];
    __asm__ volatile("{\n"
                     ".reg .u32 at;\n"
                     "cvt.u32.u64 at, %4;\n"
                     "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [at];\n"
                     "}"
                     : "=f"(x[0]), "=f"(x[1]), "=f"(x[2]), "=f"(x[3])
                     : "l"(from)
                     : "memory");
    /* Work-item 4 row + column of a row holds word `column` of that row, matrix by matrix. */
    for (uint i = 0; i < 4; ++i) out[32 * i + lane] = x[i];
}

#endif
