/* test_profile.c - profiles: every operation is there with the work of its formula, times are
 * positive and add up, what is not asked for costs nothing. */
#include "profile_support.h"

TestSuite(profile, .timeout = 300);

static void check_training(bp_device *device, int32_t gemm)
{
    static const char *const steps[] = {"gather",
                                        "dense_forward 1",
                                        "dense_forward 2",
                                        "dense_forward 3",
                                        "loss",
                                        "reduce_loss",
                                        "dense_effect 3",
                                        "dense_effect 2",
                                        "dense_gradient 3",
                                        "dense_gradient 2",
                                        "dense_gradient 1",
                                        "optimizer"};
    enum { OPERATIONS = sizeof steps / sizeof *steps, EVALUATED = 6 };
    char where[400];
    snprintf(where, sizeof where, "%s, gemm %s", bp_device_get_info(device)->name,
             bp_gemm_name(gemm));
    size_t count, plain_count, profiled_count;
    bp_profile_row *rows;
    bp_profile *profile = profile_with(100000);
    float *plain = train(device, gemm, EPOCHS, NULL, &plain_count);
    float *profiled = train(device, gemm, EPOCHS, profile, &profiled_count);
    cr_assert_arr_eq(plain, profiled, plain_count * sizeof *plain, "%s: other results", where);
    OK(bp_profile_rows(&rows, &count, profile));
    check_rows(rows, count, where);
    check_phases(profile, rows, count, where);
    for (int i = 0; i < OPERATIONS; ++i) {
        const int64_t each = EPOCHS * STEPS * (i == 0 ? 2 : 1); /* features and labels */
        const int64_t done = steps_of(rows, count, BP_PHASE_TRAINING, steps[i]);
        /* Gathers may share a launch. */
        cr_assert(done == each || (i == 0 && 2 * done == each), "%s: %s in %lld steps", where,
                  steps[i], (long long)done);
        if (i < EVALUATED)
            cr_assert_gt(steps_of(rows, count, BP_PHASE_VALIDATION, steps[i]), 0, "%s: %s", where,
                         steps[i]);
    }
    cr_assert_eq(steps_of(rows, count, BP_PHASE_TRAINING, "dense_effect 1"), 0);
    const double want = 2.0 * EPOCHS * ROWS * train_row;
    cr_assert_float_eq(flops_of(rows, count, BP_PHASE_TRAINING), want, 1e-9 * want, "%s", where);
    const double evaluated = 2.0 * EPOCHS * CHECKED_ROWS * forward_row;
    cr_assert_float_eq(flops_of(rows, count, BP_PHASE_VALIDATION), evaluated, 1e-9 * evaluated);
    cr_assert_eq(flops_of(rows, count, BP_PHASE_OTHER), 0);
    free(rows);
    free(plain);
    free(profiled);
    bp_profile_free(profile);
}

static void check_every_gemm(bp_device *device)
{
    const bool reference = bp_device_get_info(device)->kind == BP_KIND_REFERENCE;
    const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE, BP_GEMM_GPU, BP_GEMM_CPU};
    for (size_t g = 0; g < (reference ? 1 : 4); ++g) check_training(device, gemms[g]);
}

Test(profile, every_operation_is_there_on_every_device)
{
    every_device(check_every_gemm);
}

/* Work stands with the kernel that does it. */
static void check_where_work_stands(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    bp_profile *profile = profile_with(0);
    bp_profile_row *rows;
    size_t count, parameters, with_several = 0;
    free(train(device, BP_GEMM_NAIVE, 1, profile, &parameters));
    OK(bp_profile_rows(&rows, &count, profile));
    for (size_t i = 0; i < count; ++i) {
        cr_assert_eq(rows[i].flops > 0, strcmp(rows[i].kernel, "gemm_naive") == 0, "%s, %s",
                     rows[i].operation, rows[i].kernel);
        with_several += strcmp(rows[i].kernel, "dense_bias_gradient") == 0;
    }
    cr_assert_gt(with_several, 0);
    free(rows);
    bp_profile_free(profile);
}

Test(profile, work_stands_with_the_kernel_that_does_it)
{
    every_device(check_where_work_stands);
}

/* ---- Without a profile ---------------------------------------------------------------------- */

static bp__cl_api real;
static long launches_seen, events_asked_for, timed_queues, queues;

static cl_int CL_API_CALL watch_launch(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                       const size_t *offset, const size_t *global,
                                       const size_t *local, cl_uint waits, const cl_event *wait,
                                       cl_event *event)
{
    ++launches_seen;
    events_asked_for += event != NULL;
    return real.clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, waits, wait,
                                       event);
}

static cl_int CL_API_CALL watch_write(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                      size_t offset, size_t size, const void *host, cl_uint waits,
                                      const cl_event *wait, cl_event *event)
{
    events_asked_for += event != NULL;
    return real.clEnqueueWriteBuffer(queue, memory, blocking, offset, size, host, waits, wait,
                                     event);
}

static cl_command_queue CL_API_CALL watch_queue(cl_context context, cl_device_id id,
                                                cl_command_queue_properties properties,
                                                cl_int *code)
{
    ++queues;
    timed_queues += (properties & CL_QUEUE_PROFILING_ENABLE) != 0;
    return real.clCreateCommandQueue(context, id, properties, code);
}

Test(profile, costs_nothing_where_none_is_asked_for)
{
    OK(bp__cl_load());
    real = bp__cl;
    bp__cl.clEnqueueNDRangeKernel = watch_launch;
    bp__cl.clEnqueueWriteBuffer = watch_write;
    bp__cl.clCreateCommandQueue = watch_queue;
    bp_device *device;
    size_t count;
    OK(bp_device_open(&device, "0:0"));
    const cl_command_queue queue = device->queue;
    free(train(device, BP_GEMM_AUTO, 1, NULL, &count));
    cr_assert_gt(launches_seen, 0);
    cr_assert_eq(events_asked_for, 0);
    cr_assert_eq(queues, 1);
    cr_assert_eq(timed_queues, 0);
    launches_seen = 0;
    bp_profile *profile = profile_with(10);
    free(train(device, BP_GEMM_AUTO, 1, profile, &count));
    cr_assert_gt(launches_seen, 0);
    cr_assert_geq(events_asked_for, launches_seen);
    cr_assert_eq(timed_queues, 1);
    cr_assert_eq(device->queue, queue, "the usual queue is not back");
    events_asked_for = 0;
    free(train(device, BP_GEMM_AUTO, 1, NULL, &count));
    cr_assert_eq(events_asked_for, 0);
    cr_assert_eq(queues, 2);
    bp_profile_free(profile);
    bp_device_free(device);
    bp__cl = real;
}

/* ---- Other ways to train -------------------------------------------------------------------- */

static void check_steps(bp_device *device)
{
    enum { TAKEN = 5, AT_ONCE = 8 };
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_data *data = data_of(AT_ONCE, 13, 4, true);
    bp_profile *profile = profile_with(100);
    bp_profile_row *rows;
    bp_trainer *trainer;
    size_t count;
    bp_train_options options = bp_train_options_default();
    options.profile = profile;
    OK(bp_trainer_create(&trainer, model, device, &options));
    for (int i = 0; i < TAKEN; ++i)
        OK(bp_trainer_step(trainer, bp_data_features(data), NULL, bp_data_labels(data), AT_ONCE,
                           NULL));
    bp_trainer_free(trainer);
    OK(bp_profile_rows(&rows, &count, profile));
    const double want = 2.0 * TAKEN * AT_ONCE * train_row;
    cr_assert_float_eq(flops_of(rows, count, BP_PHASE_TRAINING), want, 1e-9 * want);
    check_rows(rows, count, "steps");
    free(rows);
    bp_profile_free(profile);
    bp_data_free(data);
    bp_model_free(model);
}

Test(profile, step_by_step)
{
    every_device(check_steps);
}

static void check_bench(bp_device *device)
{
    const bp_layer layers[] = {{20, 30, BP_ACTIVATION_TANH, 1}, {30, 5, BP_ACTIVATION_SOFTMAX, 1}};
    bp_bench_options options = bp_bench_options_default();
    bp_bench_result result;
    bp_profile_row *rows;
    size_t count;
    options.batch = 12;
    options.repeats = 1;
    options.repeat_seconds = 0.002;
    options.profile = profile_with(100);
    OK(bp_bench(&result, device, layers, 2, &options));
    OK(bp_profile_rows(&rows, &count, options.profile));
    const double want = 1e9 * result.step_gflop * (double)result.steps;
    cr_assert_float_eq(flops_of(rows, count, BP_PHASE_TRAINING), want, 1e-9 * want);
    double bytes = 0;
    for (size_t i = 0; i < count; ++i)
        if (rows[i].phase == BP_PHASE_TRAINING && *rows[i].kernel) bytes += rows[i].bytes;
    cr_assert_float_eq(bytes, 1e9 * result.step_gbytes * (double)result.steps, 1e-9 * bytes);
    cr_assert_eq(steps_of(rows, count, BP_PHASE_TRAINING, "optimizer"), result.steps);
    free(rows);
    bp_profile_free(options.profile);
}

Test(profile, of_a_benchmark)
{
    every_device(check_bench);
}

/* ---- Wrong arguments ------------------------------------------------------------------------ */

Test(profile, what_makes_no_sense_is_refused)
{
    bp_profile *profile;
    bp_profile_row *rows;
    size_t count;
    bp_profile_options options = bp_profile_options_default();
    options.details = -1;
    cr_assert_eq(bp_profile_create(&profile, &options), BP_ERROR_ARGUMENT);
    cr_assert_null(profile);
    options.size = 1;
    cr_assert_eq(bp_profile_create(&profile, &options), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_create(NULL, NULL), BP_ERROR_ARGUMENT);
    OK(bp_profile_create(&profile, NULL));
    cr_assert_eq(bp_profile_rows(NULL, &count, profile), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_rows(&rows, &count, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_write(NULL, "/tmp/x", NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_write(profile, NULL, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_write(profile, "/nowhere/trace.json", NULL), BP_ERROR_IO);
    cr_assert_not_null(strstr(bp_last_error(), "/nowhere/trace.json"));
    const bp_device_peak nothing = {0, 0};
    cr_assert_eq(bp_profile_write(profile, "/tmp/x", &nothing), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_profile_get_phase(profile, BP_PHASES).seconds, 0);
    cr_assert_eq(bp_profile_get_phase(NULL, 0).seconds, 0);
    /* Nothing has run: no rows, and a trace without events. */
    OK(bp_profile_rows(&rows, &count, profile));
    cr_assert_eq(count, 0);
    free(rows);
    json_decref(trace_of(profile, NULL));
    bp_profile_free(profile);
    bp_profile_free(NULL);
}
