/* events.c - reads the times of events once many have come together. */
#include "opencl/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

/* Events that are outstanding at most: half of them keep a device busy while the others are read.
 */
enum { MOST_PENDING = 4096 };

typedef struct pending {
    cl_event from; /* a marker before it, or NULL where `event` is the command's own */
    cl_event event;
    size_t item, steps;
    double bytes;
    double host; /* bp__seconds just before it was enqueued */
} pending;

struct bp__event_log {
    bp_device *device;
    bp_profile *profile;
    pending list[MOST_PENDING];
    size_t count;
    pending next; /* being enqueued */
    bool started;
    cl_ulong origin; /* of the device's clock: the first time that was read */
    int64_t stretch; /* for which the offset was found */
    double offset;   /* what a time since the origin must be added to on the host's clock */
};

bp_status bp__event_log_create(bp__event_log **out, bp_device *device, bp_profile *profile)
{
    *out = NULL;
    bp__event_log *log = NULL;
    BP_TRY(bp__new_array(&log, 1, sizeof *log));
    bp_status status = bp__device_time(device, true);
    if (status != BP_OK) {
        free(log);
        return status;
    }
    log->device = device;
    log->profile = profile;
    log->stretch = -1;
    *out = log;
    return BP_OK;
}

static void release(const pending *p)
{
    if (p->from) bp__cl.clReleaseEvent(p->from);
    if (p->event) bp__cl.clReleaseEvent(p->event);
}

void bp__event_log_free(bp__event_log *log)
{
    if (!log) return;
    for (size_t i = 0; i < log->count; ++i) release(&log->list[i]);
    release(&log->next);
    (void)bp__device_time(log->device, false);
    free(log);
}

/* Seconds since the origin: nanoseconds since some year 0 have more digits than a double. */
static bp_status time_of(bp__event_log *log, double *seconds, cl_event event,
                         cl_profiling_info what)
{
    cl_ulong time = 0;
    BP_CL(clGetEventProfilingInfo(event, what, sizeof time, &time, NULL));
    if (!log->started) log->origin = time;
    log->started = true;
    *seconds = time >= log->origin ? 1e-9 * (double)(time - log->origin)
                                   : -1e-9 * (double)(log->origin - time);
    return BP_OK;
}

/* The device has a clock of its own. What is enqueued first in a stretch of a phase tells how far
 * it is from the host's; later that would only add noise. */
static bp_status read_times(bp__event_log *log, const pending *p)
{
    bp__span span = {.item = p->item, .steps = (int64_t)p->steps, .bytes = p->bytes};
    const cl_event first = p->from ? p->from : p->event;
    if (p->item == BP__ITEM_STREAM) BP_CL(clWaitForEvents(1, &p->event)); /* on another queue */
    BP_TRY(time_of(log, &span.queued, first, CL_PROFILING_COMMAND_QUEUED));
    BP_TRY(time_of(log, &span.submitted, first, CL_PROFILING_COMMAND_SUBMIT));
    BP_TRY(time_of(log, &span.start, first,
                   p->from ? CL_PROFILING_COMMAND_END : CL_PROFILING_COMMAND_START));
    BP_TRY(time_of(log, &span.end, p->event,
                   p->from ? CL_PROFILING_COMMAND_START : CL_PROFILING_COMMAND_END));
    if (log->stretch != log->profile->stretch) {
        log->stretch = log->profile->stretch;
        log->offset = p->host - span.queued;
    }
    span.queued += log->offset;
    span.submitted += log->offset;
    span.start += log->offset;
    span.end += log->offset;
    return bp__profile_add(log->profile, &span);
}

/* Reads the first `count` events and forgets them, whatever happens. */
static bp_status collect(bp__event_log *log, size_t count)
{
    if (count == 0) return BP_OK;
    bp_status status = BP_OK;
    size_t last = count - 1;
    while (last > 0 && log->list[last].item == BP__ITEM_STREAM) --last;
    const cl_int code = bp__cl.clWaitForEvents(1, &log->list[last].event);
    if (code != CL_SUCCESS) status = bp__cl_fail(code, "clWaitForEvents", __FILE__, __LINE__);
    for (size_t i = 0; i < count; ++i) {
        if (status == BP_OK) status = read_times(log, &log->list[i]);
        release(&log->list[i]);
    }
    log->count -= count;
    memmove(log->list, log->list + count, log->count * sizeof *log->list);
    return status;
}

bp_status bp__event_collect(bp__event_log *log)
{
    return log ? collect(log, log->count) : BP_OK;
}

cl_event *bp__event_slot(bp__event_log *log)
{
    if (!log) return NULL;
    release(&log->next); /* of a command that failed */
    log->next = (pending){.host = bp__seconds()};
    return &log->next.event;
}

bp_status bp__event_add(bp__event_log *log, size_t item, size_t steps, double bytes)
{
    if (!log) return BP_OK;
    log->next.item = item;
    log->next.steps = steps;
    log->next.bytes = bytes;
    log->list[log->count++] = log->next;
    log->next = (pending){0};
    return log->count < MOST_PENDING ? BP_OK : collect(log, MOST_PENDING / 2);
}

bp_status bp__event_begin(bp__event_log *log)
{
    if (!log) return BP_OK;
    (void)bp__event_slot(log);
    BP_CL(clEnqueueMarkerWithWaitList(log->device->queue, 0, NULL, &log->next.from));
    return BP_OK;
}

bp_status bp__event_end(bp__event_log *log, size_t item, size_t steps)
{
    if (!log) return BP_OK;
    BP_CL(clEnqueueMarkerWithWaitList(log->device->queue, 0, NULL, &log->next.event));
    return bp__event_add(log, item, steps, 0);
}
