/* gemm_clblast.h - CLBlast as a GEMM backend. Only gemm_clblast.c knows the library. */
#ifndef BP_OPS_GEMM_CLBLAST_H
#define BP_OPS_GEMM_CLBLAST_H

#include "ops/gemm.h"

/* The product by CLBlast, then the epilogue as a kernel. BP_ERROR_UNSUPPORTED where CLBlast cannot
 * be loaded. */
bp_status bp__gemm_clblast(bp__device_engine *engine, bp__recorder *recorder, const bp__gemm *gemm);

/* Whether CLBlast can be loaded, which it is by that. */
bool bp__clblast_is_there(void);

#endif
