/* mma_nvidia.cl - matrix units of NVIDIA's, from compute capability 8.0 on, by inline PTX: mma.sync
 * of 16 x 8 results. With g = lane / 4 and t = lane % 4 (PTX ISA, "Matrix Fragments for
 * mma.m16n8k8" and "m16n8k16"):
 *
 *   A   a[0] (g, t)   a[1] (g + 8, t)   a[2] (g, t + 4)   a[3] (g + 8, t + 4)
 *   B   b[0] (t, g)   b[1] (t + 4, g)
 *   D   d[0] (g, 2t)  d[1] (g, 2t + 1)  d[2] (g + 8, 2t)  d[3] (g + 8, 2t + 1)
 *
 * in words of A and B: a number of TF32, two of bfloat16. */
#define MMA_LANES 32
#define MMA_M 16
#define MMA_N 8
#define MMA_K 8
#define MMA_A 4
#define MMA_B 2
#define MMA_D 4

#define A_ROW(lane, i) ((lane) / 4 + (i) % 2 * 8)
#define A_WORD(lane, i) ((lane) % 4 + (i) / 2 * 4)
#define B_COLUMN(lane, i) ((lane) / 4)
#define B_WORD(lane, i) ((lane) % 4 + (i)*4)
#define D_ROW(lane, i) ((lane) / 4 + (i) / 2 * 8)
#define D_COLUMN(lane, i) ((lane) % 4 * 2 + (i) % 2)

#if BP_STAND_IN

#define A_HELD(room, row, k, reader)                                                               \
    (room[32 * ((row) / 8 + (k) / 4 * 2) + (row) % 8 * 4 + (k) % 4])
#define B_HELD(room, column, k, reader) (room[32 * ((k) / 4) + (column)*4 + (k) % 4])
#define D_HELD(row, column) (32 * ((row) / 8 * 2 + (column) % 2) + (row) % 8 * 4 + (column) / 2)

#else

#if BP_PRODUCTS == 2
#define MMA_SYNC "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
#else
#define MMA_SYNC "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
#endif

inline void mma(float d[MMA_D], const uint a[MMA_A], const uint b[MMA_B], __local uint *room,
                uint lane)
{
    __asm__ volatile(MMA_SYNC "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

#endif
