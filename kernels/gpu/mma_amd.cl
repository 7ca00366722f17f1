/* mma_amd.cl - matrix units of AMD's, by the functions that clang has for them: 16 x 16 results.
 *
 *   MFMA     CDNA 2 and 3 (gfx90a, gfx94x, gfx950): float32 itself, 4 deep, and bfloat16, 16 deep
 *   WMMA     RDNA 3 (gfx11): bfloat16, 16 deep; both halves of a sub-group hold all of A and of B
 *   WMMA_4   RDNA 4 (gfx1200, gfx1201): bfloat16, 16 deep
 *
 * Row or column is lane % 16 everywhere but in D, whose rows are 4 (lane / 16) + i with MFMA,
 * 2 i + lane / 16 with WMMA and 8 (lane / 16) + i with WMMA_4. Along the sum the words of a
 * sixteenth of lanes follow those of the one before. (AMD's instruction set manuals of CDNA 2, RDNA
 * 3 and RDNA 4.) */
#define MMA_M 16
#define MMA_N 16

#if BP_UNITS == UNITS_MFMA
#define MMA_LANES 64
#define MMA_D 4
#if BP_PRODUCTS == 0
#define MMA_FLOAT 1
#define MMA_K 4
#define MMA_A 1
#elif BP_PRODUCTS == 2
#define MMA_K 8
#define MMA_A 2
#else
#error "MFMA has no TF32"
#endif
#define D_ROW(lane, i) ((lane) / 16 * 4 + (i))
#else
#if BP_PRODUCTS != 2
#error "WMMA has bfloat16 only"
#endif
#define MMA_LANES 32
#define MMA_D 8
#define MMA_K 8
#if BP_UNITS == UNITS_WMMA
#define MMA_A 8
#define D_ROW(lane, i) (2 * (i) + (lane) / 16)
#else
#define MMA_A 4
#define D_ROW(lane, i) ((lane) / 16 * 8 + (i))
#endif
#endif

#define MMA_B MMA_A
#if BP_UNITS == UNITS_WMMA
#define A_WORD(lane, i) (i)
#else
#define A_WORD(lane, i) ((lane) / 16 * MMA_A + (i))
#endif
#define A_ROW(lane, i) ((lane) % 16)
#define B_COLUMN(lane, i) ((lane) % 16)
#define B_WORD(lane, i) A_WORD(lane, i)
#define D_COLUMN(lane, i) ((lane) % 16)

#if BP_STAND_IN

#if BP_UNITS == UNITS_WMMA /* each half reads its own */
#define D_HELD(row, column) (32 * ((row) / 2) + (row) % 2 * 16 + (column))
#define A_HELD(room, row, k, reader) (room[32 * (k) + (row) + ((reader)&16)])
#elif BP_UNITS == UNITS_WMMA_4
#define D_HELD(row, column) (32 * ((row) % 8) + (row) / 8 * 16 + (column))
#define A_HELD(room, row, k, reader) (room[32 * ((k)&3) + ((k) >> 2) * 16 + (row)])
#else
#define D_HELD(row, column) (64 * ((row) % 4) + (row) / 4 * 16 + (column))
#if BP_PRODUCTS == 2
#define A_HELD(room, row, k, reader) (room[64 * ((k)&1) + ((k) >> 1) * 16 + (row)])
#else
#define A_HELD(room, row, k, reader) (room[16 * (k) + (row)])
#endif
#endif
#define B_HELD(room, column, k, reader) A_HELD(room, column, k, reader)

#else

#if defined(__AMDGCN_WAVEFRONT_SIZE__) && __AMDGCN_WAVEFRONT_SIZE__ != MMA_LANES
#error "the sub-groups are of another size than these units'"
#endif

#if BP_UNITS == UNITS_MFMA
#define MMA_SUMS float4
#if BP_PRODUCTS == 0
#define MMA_WORDS(x) as_float((x)[0])
#define MMA_FUNCTION(a, b, d) __builtin_amdgcn_mfma_f32_16x16x4f32(a, b, d, 0, 0, 0)
#else
#define MMA_WORDS(x) as_short4((uint2)((x)[0], (x)[1]))
#define MMA_FUNCTION(a, b, d) __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(a, b, d, 0, 0, 0)
#endif
#elif BP_UNITS == UNITS_WMMA
#define MMA_SUMS float8
#define MMA_WORDS(x) as_short16(EIGHT(x))
#define MMA_FUNCTION(a, b, d) __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(a, b, d)
#else
#define MMA_SUMS float8
#define MMA_WORDS(x) as_short8((uint4)((x)[0], (x)[1], (x)[2], (x)[3]))
#define MMA_FUNCTION(a, b, d) __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(a, b, d)
#endif

#define MMA_VECTORS(a, b, sums) MMA_FUNCTION(MMA_WORDS(a), MMA_WORDS(b), sums)

#endif
