/* dense_epilogue.h - a GEMM's epilogue as a kernel of its own, for backends that cannot fuse it. */
#ifndef BP_OPS_DENSE_EPILOGUE_H
#define BP_OPS_DENSE_EPILOGUE_H

#include "ops/gemm.h"

bp_status bp__launch_dense_epilogue(bp__recorder *recorder, const bp__gemm *gemm);

#endif
