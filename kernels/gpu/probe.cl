/* probe.cl - small programs that find out what a device can do, one built by itself for each PROBE,
 * since a driver that does not know an instruction refuses the whole program.
 *
 *   0 nothing     what a launch costs
 *   1 local       out[i] = in[i], reversed within LOCAL_WORDS words of local memory
 *   2 mma_tf32    out[16][8] = in[16][8] (in + 128)[8][8], by mma.cl
 *   3 mma_bf16    out[16][8] = in[16][16] (in + 256)[16][8], rounded to bfloat16
 *   4 shuffle     out[i] = in[i ^ 1] within 32, by shfl.sync
 *   5 async copy  out[i] = in[i], through local memory by cp.async, 16 bytes each
 *   6 ldmatrix    out[i] = in[i], 8x8 16-bit words four times from local memory by ldmatrix
 *
 * One work-group of 32. 4 to 6 are in PTX alone; of the products BP_PTX says by what. */
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

#elif PROBE == 2 || PROBE == 3

#include "gpu/mma.cl"

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint lane = get_local_id(0);
    const uint g = lane / 4, t = lane % 4;
    __local uint room[MMA_ROOM];
    uint a[4], b[2];
    float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#if PROBE == 2
    __global const float *y = in + 128;
    for (uint i = 0; i < 4; ++i) a[i] = as_uint(in[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
    for (uint i = 0; i < 2; ++i) b[i] = as_uint(y[(t + i * 4) * 8 + g]);
    mma_tf32(d, a, b, room, lane);
#else
    __global const float *y = in + 256;
    for (uint i = 0; i < 4; ++i) {
        const uint at = (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
        a[i] = bf16_pair(in[at], in[at + 1]);
    }
    for (uint i = 0; i < 2; ++i) {
        const uint k = 2 * t + i * 8;
        b[i] = bf16_pair(y[k * 8 + g], y[(k + 1) * 8 + g]);
    }
    mma_bf16(d, a, b, room, lane);
#endif
    for (uint i = 0; i < 4; ++i) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

#elif PROBE == 4

__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void probe(__global float *out,
                                                                    __global const float *in)
{
    const uint lane = get_local_id(0);
    float x = in[lane];
    __asm__ volatile("shfl.sync.bfly.b32 %0, %0, 1, 31, 0xffffffff;" : "+f"(x));
    out[lane] = x;
}

#elif PROBE == 5

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
                     "}" : : "l"(to), "l"(from) : "memory");
    barrier(CLK_LOCAL_MEM_FENCE);
    vstore4(words[lane], lane, out);
}

#elif PROBE == 6

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
