/* peak.c - what plain C does at best on one thread: multiply-adds in registers, and memory.
 * Compiled like the rest of the reference, so that the limit is that of its code and not of the
 * machine. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "reference/reference.h"

/* 24 chains: 12 of the 16 registers that SSE2 has. */
enum { RUNS = 20, CHAINS = 24, ARRAY = 8 << 20 };
static const double run_seconds = 0.02;

/* Links chains of x = a x + b; what they come to, so that they are wanted. */
static double chain(size_t links, double a, double b)
{
    double x[CHAINS];
    for (size_t c = 0; c < CHAINS; ++c) x[c] = (double)(c + 1) * 0.125;
    for (size_t i = 0; i < links; ++i)
        for (size_t c = 0; c < CHAINS; ++c) x[c] = a * x[c] + b;
    double sum = 0;
    for (size_t c = 0; c < CHAINS; ++c) sum += x[c];
    return sum;
}

double bp__reference_flops(void)
{
    static volatile double a = 0.999, b = 0.001, wanted; /* unknown to the compiler */
    double best = 0;
    size_t links = 1 << 16;
    for (int r = 0; r < RUNS;) {
        const double start = bp__seconds();
        wanted = chain(links, a, b);
        const double seconds = bp__seconds() - start;
        if (seconds < run_seconds) {
            links *= 2;
            continue;
        }
        const double flops = 2.0 * CHAINS * (double)links / seconds;
        if (flops > best) best = flops;
        ++r;
    }
    (void)wanted;
    return best;
}

static void triad(double *restrict out, const double *restrict x, const double *restrict y,
                  double a)
{
    for (size_t i = 0; i < ARRAY; ++i) out[i] = x[i] + a * y[i];
}

bp_status bp__reference_bytes(double *bytes)
{
    double *array[3] = {NULL, NULL, NULL};
    bp_status status = BP_OK;
    for (int i = 0; i < 3 && status == BP_OK; ++i)
        status = bp__new_array(&array[i], ARRAY, sizeof(double));
    *bytes = 0;
    if (status == BP_OK) {
        for (size_t i = 0; i < ARRAY; ++i) array[0][i] = array[1][i] = array[2][i] = (double)i;
        for (int r = 0; r < RUNS; ++r) {
            const double start = bp__seconds();
            triad(array[r % 3], array[(r + 1) % 3], array[(r + 2) % 3], 0.5);
            const double rate = 3.0 * sizeof(double) * ARRAY / (bp__seconds() - start);
            if (rate > *bytes) *bytes = rate;
        }
    }
    for (int i = 0; i < 3; ++i) free(array[i]);
    return status;
}
