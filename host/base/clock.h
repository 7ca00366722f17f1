/* clock.h - seconds of a monotonic clock. */
#ifndef BP_BASE_CLOCK_H
#define BP_BASE_CLOCK_H

double bp__seconds(void);

#endif
