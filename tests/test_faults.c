/* test_faults.c - OpenCL that fails: the n-th call of a training, once or for good, for every n.
 *
 * Every entry of the function table is wrapped (tests/faults/calls.h). Whatever fails, the caller
 * gets a typed error whose text names the call, no handle is lost, and the model is as the header
 * promises. */
#include "faults/calls.h"

/* Programs are built from cold caches in places. */
TestSuite(faults, .timeout = 600);

static const cl_int codes[] = {CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE,
                               CL_OUT_OF_HOST_MEMORY, CL_INVALID_VALUE, -9999};
enum { CODES = sizeof codes / sizeof *codes };

/* Every call of a job on a device that has its programs; after each fault the same device does the
 * job as if nothing had been. */
static void fail_every_call(job_fn job, int32_t gemm, bool for_good)
{
    const char *mode = for_good ? "for good" : "once";
    long nothing[HANDLES] = {0}, open[HANDLES];
    wrap_table();
    bp_device *device = open_first();
    job_result want, got;
    cr_assert_eq(job(device, gemm, &want), BP_OK, "%s", bp_last_error());
    memcpy(open, live, sizeof open);
    plan_fault(-1, false, 0, NULL);
    cr_assert_eq(job(device, gemm, &got), BP_OK);
    cr_assert_arr_eq(&got, &want, sizeof got, "not reproducible");
    const long calls = fault.calls;
    cr_assert_gt(calls, 100);
    check_balance(open, "without a fault");
    for (long n = 0; n < calls; ++n) {
        plan_fault(n, for_good, codes[n % CODES], NULL);
        const bp_status status = job(device, gemm, &got);
        no_fault();
        cr_assert(fault.first, "call %ld of %ld was not made", n, calls);
        check_status(status, n, mode);
        if (status == BP_OK) cr_assert_arr_eq(&got, &want, sizeof got);
        check_balance(open, fault.first);
        cr_assert_eq(job(device, gemm, &got), BP_OK, "after call %ld (%s, %s): %s", n, fault.first,
                     mode, bp_last_error());
        cr_assert_arr_eq(&got, &want, sizeof got, "after call %ld (%s, %s)", n, fault.first, mode);
    }
    bp_device_free(device);
    check_balance(nothing, "in the end");
}

Test(faults, every_call_of_a_training_once)
{
    fail_every_call(train_job, BP_GEMM_AUTO, false);
}

Test(faults, every_call_of_a_training_for_good)
{
    fail_every_call(train_job, BP_GEMM_AUTO, true);
}

Test(faults, every_call_of_a_training_with_the_plan_once)
{
    fail_every_call(train_job, BP_GEMM_CPU, false);
}

Test(faults, every_call_of_a_training_in_launches_for_good)
{
    fail_every_call(train_job, BP_GEMM_NAIVE, true);
}

Test(faults, every_call_of_a_profiled_training_once)
{
    fail_every_call(profiled_job, BP_GEMM_CPU, false);
}

Test(faults, every_call_of_a_profiled_training_for_good)
{
    fail_every_call(profiled_job, BP_GEMM_AUTO, true);
}

Test(faults, every_call_of_steps_once)
{
    fail_every_call(step_job, BP_GEMM_CPU, false);
}

/* What the sweep must not miss: matrices in panels are mapped. */
Test(faults, mappings_are_among_the_calls)
{
    wrap_table();
    const char *const calls[] = {"clEnqueueMapBuffer", "clEnqueueUnmapMemObject"};
    bp_device *device = open_first();
    job_result result;
    for (int i = 0; i < 2; ++i) {
        plan_fault(0, false, CL_OUT_OF_RESOURCES, calls[i]);
        step_job(device, BP_GEMM_CPU, &result);
        no_fault();
        cr_assert(fault.first && strcmp(fault.first, calls[i]) == 0);
        cr_assert(strstr(bp_last_error(), calls[i]), "%s", bp_last_error());
    }
    bp_device_free(device);
}

Test(faults, every_call_of_steps_for_good)
{
    fail_every_call(step_job, BP_GEMM_AUTO, true);
}

/* Every call of opening a device. */
Test(faults, every_call_of_opening)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    bp_device *device = open_first();
    bp_device_free(device);
    plan_fault(-1, false, 0, NULL);
    device = open_first();
    const long calls = fault.calls;
    bp_device_free(device);
    check_balance(nothing, "without a fault");
    for (int for_good = 0; for_good < 2; ++for_good)
        for (long n = 0; n < calls; ++n)
            for (int c = 0; c < CODES; ++c) {
                plan_fault(n, for_good, codes[c], NULL);
                const bp_status status = bp_device_open(&device, "0:0");
                cr_assert(fault.first);
                cr_assert_eq(status == BP_OK, device != NULL);
                check_status(status, n, for_good ? "for good" : "once");
                bp_device_free(device);
                no_fault();
                check_balance(nothing, fault.first);
                /* A list is made of what can be found, and says why there is not more. */
                bp_device_info *list;
                size_t count;
                const char *note;
                plan_fault(n, for_good, codes[c], NULL);
                const bp_status listed = bp_device_list(&list, &count, &note);
                if (listed == BP_OK)
                    cr_assert(count >= 1 && (count > 1 || *note), "%s", fault.first);
                no_fault();
                bp_device_list_free(list);
            }
}

/* Every program of a first training. */
static void fail_programs(const char *call, int32_t gemm, long programs)
{
    const long nothing[HANDLES] = {0};
    wrap_table();
    job_result want, got;
    bp_device *device = open_first();
    plan_fault(-1, false, 0, call);
    cr_assert_eq(train_job(device, gemm, &want), BP_OK);
    const long calls = fault.calls;
    cr_assert_geq(calls, programs);
    bp_device_free(device);
    for (long n = 0; n < calls; ++n) {
        device = open_first();
        plan_fault(n, false, CL_OUT_OF_HOST_MEMORY, call);
        const bp_status status = train_job(device, gemm, &got);
        cr_assert_neq(status, BP_OK);
        check_status(status, n, "once");
        no_fault();
        cr_assert_eq(train_job(device, gemm, &got), BP_OK, "%s", bp_last_error());
        cr_assert_arr_eq(&got, &want, sizeof got);
        bp_device_free(device);
        check_balance(nothing, call);
    }
}

Test(faults, every_program)
{
    fail_programs("clBuildProgram", BP_GEMM_NAIVE, 5);
    fail_programs("clBuildProgram", BP_GEMM_CPU, 1); /* all operations are in one */
    fail_programs("clCreateProgramWithSource", BP_GEMM_AUTO, 2);
}
