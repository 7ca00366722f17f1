/* calls.h - OpenCL's functions wrapped, so that any of them fails when it is told to, and that what
 * is created is counted; devices that claim to have less than they do. */
#ifndef BP_TESTS_FAULTS_CALLS_H
#define BP_TESTS_FAULTS_CALLS_H

#include "faults.h"
#include "opencl/api.h"

enum { CONTEXT, QUEUE, PROGRAM, KERNEL, BUFFER, EVENT, MAPPING, HANDLES };

/* What is open. */
extern long live[HANDLES];

/* What is to happen, and what has. */
typedef struct faults {
    long until;       /* calls that still succeed; -1: all do */
    bool for_good;    /* the calls after the first failure fail too */
    const char *only; /* the one function that counts, or NULL for all */
    cl_int code;
    long calls;
    const char *first, *all[512]; /* the calls that failed */
    size_t failed;
} faults;

extern faults fault;

/* Replaces what the device says of itself; 0: the truth. */
typedef struct device_claims {
    cl_ulong max_buffer, global_memory;
    bool one_work_item, no_local_memory, is_gpu;
} device_claims;

extern device_claims claims;

/* Wraps the table of functions, once a process. */
void wrap_table(void);

/* Lets the n-th call from now on fail, of all or of those of `only`; n < 0 only counts them. */
void plan_fault(long n, bool for_good, cl_int code, const char *only);
void no_fault(void);

/* Fails where what is open now is not what was open before. */
void check_balance(const long before[HANDLES], const char *when);

/* Whether a status says what failed: call n; where only clean-up did, it may be BP_OK. */
void check_status(bp_status status, long n, const char *mode);

/* The first OpenCL device. */
bp_device *open_first(void);

#endif
