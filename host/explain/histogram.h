/* histogram.h - values sorted into bins while their range is still unknown. */
#ifndef BP_EXPLAIN_HISTOGRAM_H
#define BP_EXPLAIN_HISTOGRAM_H

#include "backprop_explain.h"

/* Adds one value. Where it is out of reach, the reach is doubled and bins are put together in
 * pairs. mean and rms hold sums until bp__histogram_finish. */
void bp__histogram_add(bp_histogram *histogram, double value);

/* Turns the sums into mean and rms. */
void bp__histogram_finish(bp_histogram *histogram);

#endif
