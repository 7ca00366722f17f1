/* moments.c - mean and standard deviation that do not lose digits or overflow on the way. */
#include <math.h>

#include "data/schema.h"

/* Two passes: the mean first, then the deviations from it, measured in units of the largest one, so
 * that their squares neither overflow nor vanish. */
bool bp__moments(const double *values, size_t count, size_t *used, double *mean, double *deviation)
{
    double sum = 0, low = INFINITY, high = -INFINITY;
    *used = 0;
    *mean = *deviation = 0;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(values[i])) continue;
        ++*used;
        sum += values[i];
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    if (*used == 0) return true;
    double n = (double)*used, m = sum / n;
    if (low == high) m = low; /* exactly, so that the column becomes exactly 0 */
    double largest = fmax(high - m, m - low);
    if (!isfinite(m) || !isfinite(largest)) return false;
    *mean = m;
    if (low == high) return true;
    double squares = 0, rest = 0;
    for (size_t i = 0; i < count; ++i) {
        if (isnan(values[i])) continue;
        double d = (values[i] - m) / largest;
        squares += d * d;
        rest += d;
    }
    /* rest would be 0 if m were exact: the second term takes the mean's rounding out again. */
    *deviation = largest * sqrt(fmax(squares / n - (rest / n) * (rest / n), 0));
    *mean = m + rest / n * largest;
    return *deviation > 0 && isfinite(1 / *deviation);
}
