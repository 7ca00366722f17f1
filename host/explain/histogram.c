/* histogram.c - bins that grow with their values. */
#include "explain/histogram.h"

#include <math.h>
#include <stdbool.h>

enum { HALF = BP_HISTOGRAM_BINS / 2 };

/* Below this everything is next to zero. */
static const double smallest_reach = 0x1p-60;

/* Bins i and i + 1 of each half become one, counted from the middle outwards. */
static void double_reach(bp_histogram *h)
{
    for (int side = 0; side < 2; ++side)
        for (int i = 0; i < HALF; ++i) {
            uint64_t sum = 0;
            for (int k = 2 * i; k < 2 * i + 2 && k < HALF; ++k)
                sum += h->bins[side ? HALF + k : HALF - 1 - k];
            h->bins[side ? HALF + i : HALF - 1 - i] = sum;
        }
    h->reach *= 2;
}

void bp__histogram_add(bp_histogram *h, double value)
{
    if (!isfinite(value)) {
        ++h->not_finite;
        return;
    }
    if (h->count == 0) {
        h->min = h->max = value;
        int exponent;
        frexp(fmax(fabs(value), smallest_reach), &exponent);
        h->reach = ldexp(1, exponent);
    }
    while (fabs(value) >= h->reach) double_reach(h);
    const int bin = HALF + (int)floor(value / h->reach * HALF);
    ++h->bins[bin < BP_HISTOGRAM_BINS ? bin : BP_HISTOGRAM_BINS - 1];
    ++h->count;
    h->zeros += value == 0;
    h->min = fmin(h->min, value);
    h->max = fmax(h->max, value);
    h->mean += value;
    h->rms += value * value;
}

void bp__histogram_finish(bp_histogram *h)
{
    if (h->count == 0) return;
    h->mean /= (double)h->count;
    h->rms = sqrt(h->rms / (double)h->count);
}
