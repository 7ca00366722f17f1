/* fit.c - the costs of a tuning from measured times: least squares. */
#include "bench/tune.h"

/* How much a cost's distance from its prior counts against the relative error of one sample:
 * little, but enough that what no sample depends on stays, and that two costs that always come
 * together do not run away from each other. */
static const double prior_weight = 0.001;

/* Sweeps; a coordinate at a time converges slowly, but there are nine of them. */
enum { SWEEPS = 2000 };

/* Minimises |A x - 1|^2 + prior_weight |x - 1|^2 within the bounds, where x = costs / prior and row
 * i of A is features * prior / nanoseconds of sample i. */
void bp__fit_costs(double costs[BP__COSTS], const double prior[BP__COSTS],
                   const bp__cost_sample *samples, size_t count)
{
    double square[BP__COSTS][BP__COSTS] = {{0}}, right[BP__COSTS] = {0}, x[BP__COSTS];
    for (size_t s = 0; s < count; ++s)
        for (size_t i = 0; i < BP__COSTS; ++i) {
            const double a = samples[s].features[i] * prior[i] / samples[s].nanoseconds;
            right[i] += a;
            for (size_t j = 0; j < BP__COSTS; ++j)
                square[i][j] += a * samples[s].features[j] * prior[j] / samples[s].nanoseconds;
        }
    for (size_t i = 0; i < BP__COSTS; ++i) {
        square[i][i] += prior_weight;
        right[i] += prior_weight;
        x[i] = 1;
    }
    for (int sweep = 0; sweep < SWEEPS; ++sweep)
        for (size_t i = 0; i < BP__COSTS; ++i) {
            double rest = right[i];
            for (size_t j = 0; j < BP__COSTS; ++j)
                if (j != i) rest -= square[i][j] * x[j];
            x[i] = rest / square[i][i];
            if (x[i] * prior[i] < bp__least_cost) x[i] = bp__least_cost / prior[i];
            if (x[i] * prior[i] > bp__most_cost) x[i] = bp__most_cost / prior[i];
        }
    for (size_t i = 0; i < BP__COSTS; ++i) costs[i] = x[i] * prior[i];
}
