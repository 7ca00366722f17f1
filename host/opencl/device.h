/* device.h - an opened device: context, in-order queue, capabilities and the programs built on it.
 */
#ifndef BP_OPENCL_DEVICE_H
#define BP_OPENCL_DEVICE_H

#include <stdbool.h>

#include "opencl/api.h"

struct bp__program;
struct bp__tuning;

struct bp_device {
    bp_device_info info;
    bool is_reference; /* plain C: everything below is empty */

    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue untimed; /* the usual queue, while `queue` is one whose events have times */
    unsigned timers;          /* who want that */

    size_t max_work_group;     /* CL_DEVICE_MAX_WORK_GROUP_SIZE */
    cl_ulong local_bytes;      /* CL_DEVICE_LOCAL_MEM_SIZE */
    cl_ulong max_buffer_bytes; /* CL_DEVICE_MAX_MEM_ALLOC_SIZE */
    bool unified;              /* it works in the host's memory */
    unsigned subgroup; /* of Intel's GPUs the narrowest sub-group, whose work-items share registers;
                          else 0 */
    cl_uint vector_width; /* native float vector, 1 where the compiler vectorizes work-items */

    struct bp__program *programs; /* list, newest first */
    struct bp__tuning *tuning; /* what was measured for the device; NULL: nothing, or not looked */
    bool tuning_known;         /* looked for */
    /* How engines do whole training steps on a GPU; NULL: as pays. The self-test has them all. */
    const struct bp__gpu_steps *gpu_steps;
    int32_t precision; /* BP_PRECISION_*: of what is made with the device from now on */
    /* Its matrix units, or NULL, once they were looked for; whether they are stood in for; and by
     * precision, once they were tried, 1 where they work, -1 where not. */
    const struct bp__matrix_units *units;
    bool units_known, units_stand_in;
    int8_t units_work[3];
    void (*before_release)(void); /* of a library that keeps the context alive, or NULL */
};

/* From the first call with on to the last one without, one each for everyone who wants it, `queue`
 * is one whose events have times. What had been queued is finished before. Off cannot fail. */
bp_status bp__device_time(bp_device *device, bool on);

/* Whether the driver names this extension of OpenCL. */
bool bp__device_extends(const bp_device *device, const char *extension);

#endif
