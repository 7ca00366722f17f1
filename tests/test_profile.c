/* test_profile.c - profiles: every operation is there with the work of its formula, times are
 * positive and add up, the trace can be read, what is not asked for costs nothing. */
#include <jansson.h>
#include <unistd.h>

#include "network_support.h"
#include "opencl/device.h"
#include "profile/profile.h"

TestSuite(profile, .timeout = 300);

/* 13-20-9-4, 70 rows in batches of 32: the last one has 6. */
enum { ROWS = 70, BATCH = 32, STEPS = 3, EPOCHS = 4, CHECKED_ROWS = 11 };
static const size_t widths[] = {13, 20, 9, 4};

/* Multiply-adds of a row: forward and gradient of every layer, effect of all but the first. */
static const double forward_row = 13 * 20 + 20 * 9 + 9 * 4;
static const double train_row = 2 * (13 * 20 + 20 * 9 + 9 * 4) + 20 * 9 + 9 * 4;

static bp_profile *profile_with(int64_t details)
{
    bp_profile *profile;
    bp_profile_options options = bp_profile_options_default();
    options.details = details;
    OK(bp_profile_create(&profile, &options));
    return profile;
}

/* Trains on `rows` rows with validation; the parameters afterwards, free() them. */
static float *train_rows(bp_device *device, int32_t gemm, size_t rows, int64_t batch,
                         int64_t epochs, bp_profile *profile, size_t *count)
{
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_data *data = data_of(rows, 13, 4, true), *checked = data_of(CHECKED_ROWS, 13, 4, true);
    bp_train_options options = bp_train_options_default();
    options.batch = batch;
    options.epochs = epochs;
    options.gemm = gemm;
    options.profile = profile;
    OK(bp_train(model, device, data, checked, &options, NULL));
    float *all = flatten(model, count);
    bp_data_free(data);
    bp_data_free(checked);
    bp_model_free(model);
    return all;
}

static float *train(bp_device *device, int32_t gemm, int64_t epochs, bp_profile *profile,
                    size_t *count)
{
    return train_rows(device, gemm, ROWS, BATCH, epochs, profile, count);
}

/* Whether name is one of the operations of a row. */
static bool has_operation(const bp_profile_row *row, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = row->operations; (at = strstr(at, name)) != NULL; at += length)
        if ((at == row->operations || at[-1] == ' ') && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

/* Steps that operation `name` has been done in. An operation of several kernels is in as many rows,
 * with the same steps in each. */
static int64_t steps_of(const bp_profile_row *rows, size_t count, int32_t phase, const char *name)
{
    int64_t most = 0, sum = 0;
    const char *operations = NULL;
    for (size_t i = 0; i < count; ++i) {
        if (rows[i].phase != phase || !has_operation(&rows[i], name)) continue;
        if (!operations || strcmp(operations, rows[i].operations) != 0) sum += rows[i].steps;
        if (rows[i].steps > most) most = rows[i].steps;
        operations = rows[i].operations;
    }
    return sum > most ? most : sum;
}

static double flops_of(const bp_profile_row *rows, size_t count, int32_t phase)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i)
        if (rows[i].phase == phase) sum += rows[i].flops;
    return sum;
}

static void check_rows(const bp_profile_row *rows, size_t count, const char *where)
{
    for (size_t i = 0; i < count; ++i) {
        const bp_profile_row *row = &rows[i];
        const bool transfer = !*row->kernel;
        cr_assert(row->launches > 0 && row->seconds >= 0, "%s: %s, %s", where, row->operation,
                  row->kernel);
        if (!transfer) cr_assert_gt(row->seconds, 0, "%s: %s", where, row->operation);
        cr_assert(transfer ? row->steps == 0 && row->flops == 0 && row->bytes > 0
                           : row->steps >= row->launches);
        if (row->flops > 0) cr_assert(row->bytes > 0);
        if (i > 0)
            cr_assert(row[-1].phase < row->phase ||
                      (row[-1].phase == row->phase && row[-1].seconds >= row->seconds));
    }
}

static void check_phases(const bp_profile *profile, const bp_profile_row *rows, size_t count,
                         const char *where)
{
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
        const bp_profile_phase p = bp_profile_get_phase(profile, phase);
        int64_t launches = 0, transfers = 0;
        double kernel_seconds = 0;
        for (size_t i = 0; i < count; ++i) {
            if (rows[i].phase != phase) continue;
            *(*rows[i].kernel ? &launches : &transfers) += rows[i].launches;
            if (*rows[i].kernel) kernel_seconds += rows[i].seconds;
        }
        cr_assert_eq(p.launches, launches, "%s, %s", where, bp_phase_name(phase));
        cr_assert_eq(p.transfer_count, transfers);
        cr_assert(p.transfers >= 0 && p.waiting >= 0 && p.launching >= 0);
        /* One queue, in order: nothing overlaps. */
        cr_assert_float_eq(p.kernels, kernel_seconds, 1e-6 * kernel_seconds + 1e-9);
        const double sum = p.kernels + p.transfers + p.launching + p.waiting;
        cr_assert_float_eq(sum, p.seconds, 1e-3 * p.seconds + 1e-5, "%s, %s: %g s of %g", where,
                           bp_phase_name(phase), sum, p.seconds);
    }
}

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

/* ---- The trace ------------------------------------------------------------------------------ */

static json_t *trace_of(const bp_profile *profile, const bp_device_peak *peak)
{
    char path[] = "/tmp/backprop-trace-XXXXXX";
    json_error_t error;
    const int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    OK(bp_profile_write(profile, path, peak));
    json_t *json = json_load_file(path, 0, &error);
    cr_assert_not_null(json, "%s, line %d", error.text, error.line);
    unlink(path);
    return json;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s is missing", key);
    return json_number_value(value);
}

static const char *text(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_string(value), "%s is missing", key);
    return json_string_value(value);
}

enum { TRACKS = 4 };

/* Looks at a complete event; ends[] is where the last one of each track ended. */
static void check_event(const json_t *event, double ends[TRACKS], const bp_device_peak *peak)
{
    const json_t *arguments = json_object_get(event, "args");
    const double start = number(event, "ts"), length = number(event, "dur");
    const int track = (int)number(event, "tid");
    cr_assert(number(event, "pid") == 1 && track > 0 && track < TRACKS);
    cr_assert(start >= 0 && length >= 0, "%s at %g for %g", text(event, "name"), start, length);
    /* In order; the device's clock is set anew at each phase, from the host's. */
    cr_assert(start >= ends[track] - 2000, "track %d: %s at %g, before %g", track,
              text(event, "name"), start, ends[track]);
    ends[track] = start + length;
    if (track == 1) return;
    if (track == 2) cr_assert_gt(length, 0);
    cr_assert_geq(bp_phase_from_name(text(event, "cat")), 0);
    cr_assert(*text(arguments, "op"));
    cr_assert_geq(number(arguments, "flops"), 0);
    cr_assert_geq(number(arguments, "bytes"), 0);
    cr_assert_geq(number(arguments, "idle_before_us"), 0);
    cr_assert_geq(number(arguments, "queued_us"), number(arguments, "submitted_us"));
    cr_assert_geq(number(arguments, "submitted_us"), 0);
    if (peak && length > 0.1) { /* times are rounded to nanoseconds */
        const double flops = number(arguments, "flops");
        cr_assert_float_eq(number(arguments, "fraction_of_peak") * peak->gflops * 1e3 * length,
                           flops, 0.02 * flops);
    }
    if (track == 2) cr_assert(*text(arguments, "kernel") && *text(arguments, "shape"));
}

static void check_trace(bp_device *device)
{
    bp_profile *profile = profile_with(100000);
    bp_profile_row *rows;
    size_t parameters, count, launches = 0, transfers = 0, stretches = 0;
    double flops = 0, ends[TRACKS] = {0};
    const bp_device_peak peak = {500, 50};
    bool named[TRACKS] = {false};
    free(train(device, BP_GEMM_AUTO, EPOCHS, profile, &parameters));
    OK(bp_profile_rows(&rows, &count, profile));
    json_t *trace = trace_of(profile, &peak);
    const json_t *events = json_object_get(trace, "traceEvents"), *event;
    size_t i;
    cr_assert(json_is_array(events));
    json_array_foreach(events, i, event)
    {
        const char *kind = text(event, "ph");
        if (strcmp(kind, "M") == 0) {
            if (strcmp(text(event, "name"), "thread_name") == 0)
                named[(int)number(event, "tid")] = true;
            continue;
        }
        cr_assert_str_eq(kind, "X");
        check_event(event, ends, &peak);
        const int track = (int)number(event, "tid");
        cr_assert(named[track], "no name of track %d before its first event", track);
        stretches += track == 1;
        launches += track == 2;
        transfers += track == 3;
        if (track > 1) flops += number(json_object_get(event, "args"), "flops");
    }
    int64_t all_launches = 0, all_transfers = 0;
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
        all_launches += bp_profile_get_phase(profile, phase).launches;
        all_transfers += bp_profile_get_phase(profile, phase).transfer_count;
    }
    cr_assert_eq((int64_t)launches, all_launches);
    cr_assert_eq((int64_t)transfers, all_transfers);
    cr_assert_geq(stretches, 2 + 2 * EPOCHS);
    double want = 0;
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) want += flops_of(rows, count, phase);
    cr_assert_float_eq(flops, want, 1e-6 * want);
    const json_t *about = json_object_get(trace, "otherData");
    cr_assert_eq(number(about, "peak_gflops"), 500);
    cr_assert(number(json_object_get(about, "training"), "kernels") > 0);
    json_decref(trace);
    free(rows);
    bp_profile_free(profile);
}

Test(profile, the_trace_can_be_read)
{
    every_device(check_trace);
}

/* An epoch of many more launches than are outstanding at once, of which few are kept. */
static void check_limit(bp_device *device)
{
    const bool reference = bp_device_get_info(device)->kind == BP_KIND_REFERENCE;
    enum { LONG = 1001, KEPT = 5 };
    bp_profile *profile = profile_with(KEPT);
    bp_profile_row *rows;
    size_t parameters, count, i, complete = 0;
    free(train_rows(device, reference ? BP_GEMM_AUTO : BP_GEMM_CPU, LONG, 1, 1, profile,
                    &parameters));
    cr_assert_gt(bp_profile_get_phase(profile, BP_PHASE_TRAINING).launches, 9 * LONG);
    OK(bp_profile_rows(&rows, &count, profile));
    const double want = 2.0 * LONG * train_row;
    cr_assert_float_eq(flops_of(rows, count, BP_PHASE_TRAINING), want, 1e-9 * want);
    cr_assert_eq(steps_of(rows, count, BP_PHASE_TRAINING, "optimizer"), LONG);
    check_phases(profile, rows, count, "many launches");
    for (int32_t phase = 0; phase < BP_PHASES; ++phase)
        cr_assert_eq(bp_profile_get_phase(profile, phase).kept, KEPT);
    json_t *trace = trace_of(profile, NULL);
    const json_t *event;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, event)
    {
        complete += strcmp(text(event, "ph"), "X") == 0 && number(event, "tid") > 1;
    }
    cr_assert_eq(complete, BP_PHASES * KEPT);
    cr_assert_lt(json_array_size(json_object_get(trace, "traceEvents")), 100);
    json_decref(trace);
    free(rows);
    bp_profile_free(profile);
}

Test(profile, memory_is_bounded)
{
    every_device(check_limit);
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
