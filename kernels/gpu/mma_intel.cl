/* mma_intel.cl - matrix units of Intel's (XMX), by cl_intel_subgroup_matrix_multiply_accumulate:
 * results of 8 rows, a column each work-item of a sub-group of 8 (Arc) or 16 (Data Center GPU Max,
 * Xe2). That of 16 has TF32 too, by cl_intel_subgroup_matrix_multiply_accumulate_tf32.
 *
 *   A   DPAS_8: a row in each register, a word each lane
 *       DPAS_16: bfloat16 likewise, but one number each lane; TF32 two rows in each register
 *   B   a word along the sum in each register, a column each lane
 *   D   a row in each register, a column each lane */
#define MMA_M 8
#define MMA_K 8
#define MMA_B 8
#define MMA_D 8

#if BP_UNITS == UNITS_DPAS_8
#if BP_PRODUCTS != 2
#error "DPAS with sub-groups of 8 has bfloat16 only"
#endif
#define MMA_LANES 8
#define MMA_A 8
#define A_ROW(lane, i) (i)
#define A_WORD(lane, i) (lane)
#elif BP_PRODUCTS == 2
#define MMA_LANES 16
#define MMA_A 8
#define A_ROW(lane, i) (i)
#define A_WORD(lane, i) ((lane) / 2)
#define A_PART(word, lane) ((word) >> (lane) % 2 * 16 & 0xffff)
#else
#define MMA_LANES 16
#define MMA_A 4
#define A_ROW(lane, i) (2 * (i) + (lane) / 8)
#define A_WORD(lane, i) ((lane) % 8)
#endif
#define MMA_N MMA_LANES
#define B_COLUMN(lane, i) (lane)
#define B_WORD(lane, i) (i)
#define D_ROW(lane, i) (i)
#define D_COLUMN(lane, i) (lane)

#define MMA_KERNEL __attribute__((intel_reqd_sub_group_size(MMA_LANES)))

#if BP_STAND_IN

#if BP_UNITS == UNITS_DPAS_8
#define A_HELD(room, row, k, reader) (room[8 * (row) + (k)])
#elif BP_PRODUCTS == 2
#define A_HELD(room, row, k, reader)                                                               \
    (room[16 * (row) + 2 * (k)] | room[16 * (row) + 2 * (k) + 1] << 16)
#else
#define A_HELD(room, row, k, reader) (room[8 * (row) + (k)])
#endif
#define B_HELD(room, column, k, reader) (room[MMA_N * (k) + (column)])
#define D_HELD(row, column) (MMA_N * (row) + (column))

#else

#if BP_UNITS == UNITS_DPAS_8
#define MMA_TYPE_A int8
#define MMA_TYPE_B int8
#define MMA_WORDS_A(x) as_int8(EIGHT(x))
#define MMA_WORDS_B(x) as_int8(EIGHT(x))
#define MMA_FUNCTION intel_sub_group_bf16_bf16_matrix_mad_k16
#elif BP_PRODUCTS == 2
#define MMA_TYPE_A short8
#define MMA_TYPE_B int8
#define MMA_WORDS_A(x) as_short8(convert_ushort8(EIGHT(x)))
#define MMA_WORDS_B(x) as_int8(EIGHT(x))
#define MMA_FUNCTION intel_sub_group_bf16_bf16_matrix_mad_k16
#else
#define MMA_TYPE_A float4
#define MMA_TYPE_B float8
#define MMA_WORDS_A(x) as_float4((uint4)((x)[0], (x)[1], (x)[2], (x)[3]))
#define MMA_WORDS_B(x) as_float8(EIGHT(x))
#define MMA_FUNCTION intel_sub_group_tf32_tf32_matrix_mad_k8
#endif

/* Compilers that know the extension by another name, or only through SPIR-V, do not declare it. */
__attribute__((overloadable)) float8 MMA_FUNCTION(MMA_TYPE_A a, MMA_TYPE_B b, float8 sums);

#define MMA_SUMS float8
#define MMA_VECTORS(a, b, sums) MMA_FUNCTION(MMA_WORDS_A(a), MMA_WORDS_B(b), sums)

#endif
