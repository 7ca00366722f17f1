/* events.h - the times of what is enqueued, by OpenCL's own events, for a profile.
 *
 * Around each command that is enqueued:
 *
 *     clEnqueue…(…, bp__event_slot(log));
 *     bp__event_add(log, item, steps, bytes);
 *
 * Both do nothing where log is NULL, and the command then has no event. */
#ifndef BP_OPENCL_EVENTS_H
#define BP_OPENCL_EVENTS_H

#include "opencl/device.h"
#include "profile/profile.h"

/* Events of the device's queue, in order, that have not been read yet; among them those of streamed
 * data, from a queue of their own. */
typedef struct bp__event_log bp__event_log;

/* Turns the device's profiling on, until the log is freed. */
bp_status bp__event_log_create(bp__event_log **out, bp_device *device, bp_profile *profile);
void bp__event_log_free(bp__event_log *log);

/* Where the event of the command goes that is enqueued next; NULL where log is NULL. */
cl_event *bp__event_slot(bp__event_log *log);
/* That command has been enqueued: a launch of `steps` steps, or a transfer of `bytes`. Waits, for
 * half of them, where very many are outstanding. */
bp_status bp__event_add(bp__event_log *log, size_t item, size_t steps, double bytes);

/* For commands that others enqueue, as many as they like: what the queue does between the two calls
 * is one launch. */
bp_status bp__event_begin(bp__event_log *log);
bp_status bp__event_end(bp__event_log *log, size_t item, size_t steps);

/* Waits for all of them and hands their times to the profile. NULL: nothing to do. */
bp_status bp__event_collect(bp__event_log *log);

#endif
