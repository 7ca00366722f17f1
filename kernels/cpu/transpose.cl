/* transpose.cl - BP_VW vectors as a square matrix, transposed in registers. */
#ifndef BP_TRANSPOSE_CL
#define BP_TRANSPOSE_CL

#include "vector.cl"

/* v[i] lane j <-> v[j] lane i: blocks of 8, 4, 2, 1 lanes change places. */
inline void transpose(vec *v)
{
#if BP_VW == 16
    for (int i = 0; i < 8; ++i) {
        const vec a = v[i], b = v[i + 8];
        v[i] = (vec)(a.lo, b.lo);
        v[i + 8] = (vec)(a.hi, b.hi);
    }
#endif
#if BP_VW >= 8
    for (int i = 0; i < BP_VW; ++i)
        if (!(i & 4)) {
            const vec a = v[i], b = v[i + 4];
#if BP_VW == 16
            v[i] = (vec)(a.s0123, b.s0123, a.s89ab, b.s89ab);
            v[i + 4] = (vec)(a.s4567, b.s4567, a.scdef, b.scdef);
#else
            v[i] = (vec)(a.lo, b.lo);
            v[i + 4] = (vec)(a.hi, b.hi);
#endif
        }
#endif
    for (int i = 0; i < BP_VW; ++i)
        if (!(i & 2)) {
            const vec a = v[i], b = v[i + 2];
#if BP_VW == 16
            v[i] = (vec)(a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd);
            v[i + 2] = (vec)(a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef);
#elif BP_VW == 8
            v[i] = (vec)(a.s01, b.s01, a.s45, b.s45);
            v[i + 2] = (vec)(a.s23, b.s23, a.s67, b.s67);
#else
            v[i] = (vec)(a.lo, b.lo);
            v[i + 2] = (vec)(a.hi, b.hi);
#endif
        }
    for (int i = 0; i < BP_VW; i += 2) {
        const vec a = v[i], b = v[i + 1];
#if BP_VW == 16
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6, a.s8, b.s8, a.sa, b.sa, a.sc,
                     b.sc, a.se, b.se);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7, a.s9, b.s9, a.sb, b.sb,
                         a.sd, b.sd, a.sf, b.sf);
#elif BP_VW == 8
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7);
#else
        v[i] = (vec)(a.s0, b.s0, a.s2, b.s2);
        v[i + 1] = (vec)(a.s1, b.s1, a.s3, b.s3);
#endif
    }
}

#endif
