/* survey.h - what a survey and a watch over a training share. */
#ifndef BP_EXPLAIN_SURVEY_H
#define BP_EXPLAIN_SURVEY_H

#include "explain/xray.h"

/* The largest slope of an activation, found by looking: what "saturated" is measured by. */
double bp__steepest(int32_t activation);

#endif
