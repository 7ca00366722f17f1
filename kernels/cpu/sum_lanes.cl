/* sum_lanes.cl - sums of the lanes of BP_VW vectors at once. */
#ifndef BP_SUM_LANES_CL
#define BP_SUM_LANES_CL

#include "vector.cl"

/* Lane t of the result is the sum of the lanes of v[t]: a tree of pairwise additions in which each
 * level halves the number of vectors. */
inline vec sum_lanes(vec *v)
{
#if BP_VW == 16
    float16 u[8], w[4], s[2];
    for (int i = 0; i < 8; ++i)
        u[i] = (float16)(v[2 * i].lo, v[2 * i + 1].lo) + (float16)(v[2 * i].hi, v[2 * i + 1].hi);
    for (int i = 0; i < 4; ++i) {
        const float16 p = u[2 * i], q = u[2 * i + 1];
        w[i] = (float16)(p.s0123, p.s89ab, q.s0123, q.s89ab) +
               (float16)(p.s4567, p.scdef, q.s4567, q.scdef);
    }
    for (int i = 0; i < 2; ++i) {
        const float16 p = w[2 * i], q = w[2 * i + 1];
        s[i] = (float16)(p.s014589cd, q.s014589cd) + (float16)(p.s2367abef, q.s2367abef);
    }
    return (float16)(s[0].even, s[1].even) + (float16)(s[0].odd, s[1].odd);
#elif BP_VW == 8
    float8 u[4], w[2];
    for (int i = 0; i < 4; ++i)
        u[i] = (float8)(v[2 * i].lo, v[2 * i + 1].lo) + (float8)(v[2 * i].hi, v[2 * i + 1].hi);
    for (int i = 0; i < 2; ++i)
        w[i] = (float8)(u[2 * i].s0145, u[2 * i + 1].s0145) +
               (float8)(u[2 * i].s2367, u[2 * i + 1].s2367);
    return (float8)(w[0].even, w[1].even) + (float8)(w[0].odd, w[1].odd);
#elif BP_VW == 4
    const float4 u = (float4)(v[0].lo, v[1].lo) + (float4)(v[0].hi, v[1].hi);
    const float4 w = (float4)(v[2].lo, v[3].lo) + (float4)(v[2].hi, v[3].hi);
    return (float4)(u.even, w.even) + (float4)(u.odd, w.odd);
#elif BP_VW == 1
    return v[0];
#else
#error "BP_VW must be 1, 4, 8 or 16"
#endif
}

#endif
