/* test_faults_device_memory.c - the n-th allocation of the library fails, for every n of a small
 * training on an OpenCL device: as test_faults_memory.c, with what plans and launches allocate. The
 * driver's own allocations succeed. */
#include "allocations.h"
#include "faults.h"

TestSuite(faults_device_memory, .timeout = 300);

/* Whether allocation n is made, and fails, in a job on a device that has its programs. */
static bool fail_allocation(long n, bp_device *device, job_fn job, int32_t gemm, job_result *got)
{
    const long live_before = live;
    has_failed = 0;
    until_failure = n;
    const bp_status status = job(device, gemm, got);
    until_failure = -1;
    cr_assert_eq(live, live_before, "allocation %ld: %ld blocks leaked", n, live - live_before);
    cr_assert_eq(status, has_failed ? BP_ERROR_MEMORY : BP_OK, "allocation %ld: %s: %s", n,
                 bp_status_name(status), bp_last_error());
    return has_failed;
}

static void fail_every_allocation(job_fn job, int32_t gemm)
{
    bp_device *device;
    job_result want, got;
    own_only = 1;
    cr_assert_eq(bp_device_open(&device, "0:0"), BP_OK, "%s", bp_last_error());
    cr_assert_eq(job(device, gemm, &want), BP_OK, "%s", bp_last_error());
    long n = 0;
    while (fail_allocation(n, device, job, gemm, &got)) ++n;
    cr_assert_gt(n, 60, "only %ld failures were seen", n);
    cr_assert_arr_eq(&got, &want, sizeof got, "the last run, without a fault, differs");
    bp_device_free(device);
}

Test(faults_device_memory, every_allocation_of_a_training_with_the_plan)
{
    fail_every_allocation(train_job, BP_GEMM_CPU);
}

Test(faults_device_memory, every_allocation_of_steps_with_the_plan)
{
    fail_every_allocation(step_job, BP_GEMM_CPU);
}

Test(faults_device_memory, every_allocation_of_steps)
{
    fail_every_allocation(step_job, BP_GEMM_AUTO);
}

/* Opening a device, and building a program. */
Test(faults_device_memory, every_allocation_of_a_first_training)
{
    job_result got;
    setenv("BACKPROP_PROGRAMS", "none", 1); /* without memory for it nothing is kept: no error */
    own_only = 1;
    for (long n = 0;; ++n) {
        const long live_before = live;
        bp_device *device;
        has_failed = 0;
        until_failure = n;
        bp_status status = bp_device_open(&device, "0:0");
        const bool opened = status == BP_OK;
        cr_assert_eq(opened, device != NULL);
        if (opened) status = train_job(device, BP_GEMM_CPU, &got);
        until_failure = -1;
        bp_device_free(device);
        cr_assert_eq(live, live_before, "allocation %ld: %ld blocks leaked", n, live - live_before);
        if (!has_failed) {
            cr_assert_eq(status, BP_OK, "%s", bp_last_error());
            return;
        }
        /* A device that could not be looked at for want of memory is not there, and is said why. */
        cr_assert(status == BP_ERROR_MEMORY || (!opened && status == BP_ERROR_NO_DEVICE),
                  "allocation %ld: %s: %s", n, bp_status_name(status), bp_last_error());
        cr_assert(strstr(bp_last_error(), "out of memory"), "%s", bp_last_error());
    }
}
