/* clock.h - seconds of clocks that only go forward. */
#ifndef BP_BASE_CLOCK_H
#define BP_BASE_CLOCK_H

double bp__seconds(void);

/* Of processor time that all threads of the process have had. */
double bp__processor_seconds(void);

#endif
