/* test_faults_memory.c - the n-th allocation fails, for every n of a small training on the
 * reference device: out of memory is said, nothing leaks, the model stays as it was. */
#include "allocations.h"
#include "faults.h"

TestSuite(faults_memory, .timeout = 120);

static void fail_every_allocation(bp_status (*job)(bp_device *, int32_t, job_result *))
{
    bp_device *device;
    job_result want, got;
    cr_assert_eq(bp_device_open(&device, "reference"), BP_OK);
    cr_assert_eq(job(device, BP_GEMM_AUTO, &want), BP_OK, "%s", bp_last_error());
    long n = 0, failed = 0;
    do {
        const long live_before = live;
        has_failed = 0;
        until_failure = n;
        const bp_status status = job(device, BP_GEMM_AUTO, &got);
        until_failure = -1;
        cr_assert_eq(live, live_before, "allocation %ld: %ld blocks leaked", n, live - live_before);
        cr_assert_eq(status, has_failed ? BP_ERROR_MEMORY : BP_OK, "allocation %ld: %s: %s", n,
                     bp_status_name(status), bp_last_error());
        if (has_failed) cr_assert(strstr(bp_last_error(), "memory"), "%s", bp_last_error());
        failed += status != BP_OK;
        ++n;
    } while (has_failed);
    cr_assert_gt(failed, 30, "only %ld failures were seen", failed);
    cr_assert_arr_eq(&got, &want, sizeof got, "the last run, without a fault, differs");
    bp_device_free(device);
}

Test(faults_memory, every_allocation_of_a_training)
{
    fail_every_allocation(train_job);
}

Test(faults_memory, every_allocation_of_steps)
{
    fail_every_allocation(step_job);
}

Test(faults_memory, every_allocation_of_opening)
{
    long n = 0;
    do {
        const long live_before = live;
        bp_device *device;
        has_failed = 0;
        until_failure = n++;
        const bp_status status = bp_device_open(&device, "reference");
        until_failure = -1;
        cr_assert_eq(status, has_failed ? BP_ERROR_MEMORY : BP_OK);
        cr_assert_eq(status == BP_OK, device != NULL);
        bp_device_free(device);
        cr_assert_eq(live, live_before, "%ld blocks leaked", live - live_before);
    } while (has_failed);
    cr_assert_gt(n, 1);
}
