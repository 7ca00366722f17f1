/* vector.cl - floats BP_VW at a time. BP_VW is 1 where the device's compiler makes vectors of
 * work-items by itself (GPUs), and the width of the vector registers where kernels are written for
 * one work-item a group (CPUs). */
#ifndef BP_VECTOR_CL
#define BP_VECTOR_CL

#ifndef BP_VW
#error "BP_VW, the vector width, must be defined"
#endif

#define BP_PASTE2(a, b) a##b
#define BP_PASTE(a, b) BP_PASTE2(a, b)

#if BP_VW == 1
typedef float vec;
typedef int ivec;
#define IVLOAD(p) (*(p))
#define VLOAD(i, p) ((p)[i])
#define VSTORE(v, i, p) ((p)[i] = (v))
#else
typedef BP_PASTE(float, BP_VW) vec;
typedef BP_PASTE(int, BP_VW) ivec;
#define IVLOAD(p) BP_PASTE(vload, BP_VW)(0, p)
#define VLOAD(i, p) BP_PASTE(vload, BP_VW)(i, p)
#define VSTORE(v, i, p) BP_PASTE(vstore, BP_VW)(v, i, p)
#endif

/* Of a kernel whose work-items are groups of their own. The hint says that it is written in vectors
 * already: Intel's compiler for CPUs would spend most of its time on making vectors of work-items. */
#define ONE_WORK_ITEM __attribute__((reqd_work_group_size(1, 1, 1), vec_type_hint(vec)))

#endif
