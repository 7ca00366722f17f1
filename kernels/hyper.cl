/* hyper.cl - where the host's numbers of a step are: hyper [steps][HYPER_COUNT], as BP__HYPER_* in
 * host/base/operation.h. */
#ifndef HYPER_CL
#define HYPER_CL

#define HYPER_RATE 0
#define HYPER_CORRECTION1 1
#define HYPER_CORRECTION2 2
#define HYPER_STEP 3
#define HYPER_AVERAGE 4
#define HYPER_SHARE 5
#define HYPER_COUNT 6

#define HYPER_ROW(hyper, step) ((hyper) + (ulong)(step)*HYPER_COUNT)

#endif
