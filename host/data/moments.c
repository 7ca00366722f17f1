/* moments.c - mean and standard deviation that do not lose digits or overflow on the way. */
#include <math.h>

#include "data/schema.h"

/* Two passes: the mean first, then the deviations from it, measured in units of the largest one, so
 * that their squares neither overflow nor vanish. */

void bp__moments_begin(bp__moment_sums *m)
{
    *m = (bp__moment_sums){.low = INFINITY, .high = -INFINITY};
}

void bp__moments_first(bp__moment_sums *m, const double *values, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        if (isnan(values[i])) continue;
        ++m->used;
        m->sum += values[i];
        if (values[i] < m->low) m->low = values[i];
        if (values[i] > m->high) m->high = values[i];
    }
}

bool bp__moments_middle(bp__moment_sums *m)
{
    if (m->used == 0) return true;
    m->centre = m->sum / (double)m->used;
    /* Exactly, so that the column becomes exactly 0. */
    if (m->low == m->high) m->centre = m->low;
    m->largest = fmax(m->high - m->centre, m->centre - m->low);
    return isfinite(m->centre) && isfinite(m->largest);
}

void bp__moments_second(bp__moment_sums *m, const double *values, size_t count)
{
    if (m->low == m->high) return;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(values[i])) continue;
        double d = (values[i] - m->centre) / m->largest;
        m->squares += d * d;
        m->rest += d;
    }
}

bool bp__moments_end(const bp__moment_sums *m, double *mean, double *deviation)
{
    *mean = *deviation = 0;
    if (m->used == 0) return true;
    *mean = m->centre;
    if (m->low == m->high) return true;
    /* rest would be 0 if the centre were exact: the second term takes its rounding out again. */
    const double n = (double)m->used, off = m->rest / n;
    *deviation = m->largest * sqrt(fmax(m->squares / n - off * off, 0));
    *mean = m->centre + off * m->largest;
    return *deviation > 0 && isfinite(1 / *deviation);
}

bool bp__moments(const double *values, size_t count, size_t *used, double *mean, double *deviation)
{
    bp__moment_sums m;
    *mean = *deviation = 0;
    bp__moments_begin(&m);
    bp__moments_first(&m, values, count);
    *used = m.used;
    if (!bp__moments_middle(&m)) return false;
    bp__moments_second(&m, values, count);
    return bp__moments_end(&m, mean, deviation);
}
