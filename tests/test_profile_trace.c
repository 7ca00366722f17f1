/* test_profile_trace.c - what a profile keeps one by one: the trace can be read, memory is bounded,
 * and streamed data is copied beside the kernels. */
#include "ops/launchers.h"
#include "profile_support.h"

TestSuite(profile_trace, .timeout = 300);

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

enum { TRACKS = 5 }; /* numbers from 1: phases, launches, transfers, streamed data */

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
        transfers += track >= 3;
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

Test(profile_trace, the_trace_can_be_read)
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

Test(profile_trace, memory_is_bounded)
{
    every_device(check_limit);
}

/* ---- Streamed data -------------------------------------------------------------------------- */

static void add(bp_profile *profile, size_t item, double start, double end)
{
    const bp__span span = {.item = item,
                           .steps = item < BP__ITEM_TRANSFERS ? 0 : 1,
                           .queued = start,
                           .submitted = start,
                           .start = start,
                           .end = end};
    OK(bp__profile_add(profile, &span));
}

/* Kernels from 1 to 3 and 4 to 6; copies from 0 to 1.5, 2 to 4.5 and 7 to 8, told before or after.
 */
Test(profile_trace, the_time_that_copies_share_with_kernels)
{
    for (int copies_first = 0; copies_first < 2; ++copies_first) {
        bp_profile *profile = profile_with(100);
        size_t kernel;
        const bp__op op = {.kind = BP__OP_REDUCE_LOSS};
        OK(bp__profile_item(profile, &kernel, &op, 0, 1, "k", (bp__work){0}));
        profile->phase = BP_PHASE_TRAINING;
        for (int half = 0; half < 2; ++half) {
            if (half != copies_first) {
                add(profile, kernel, 1, 3);
                add(profile, kernel, 4, 6);
            } else {
                add(profile, BP__ITEM_STREAM, 0, 1.5);
                add(profile, BP__ITEM_STREAM, 2, 4.5);
                add(profile, BP__ITEM_STREAM, 7, 8);
            }
        }
        const bp_profile_phase p = bp_profile_get_phase(profile, BP_PHASE_TRAINING);
        cr_assert_float_eq(p.streaming, 1.5 + 2.5 + 1, 1e-12);
        cr_assert_float_eq(p.overlapped, 0.5 + 1.5, 1e-12, "%g", p.overlapped);
        cr_assert_float_eq(p.kernels, 4, 1e-12);
        cr_assert_eq(p.transfers, 0);
        cr_assert_eq(p.transfer_count, 3);
        profile->phase = BP__PHASE_NONE;
        bp_profile_free(profile);
    }
}

/* The losses of three epochs of streamed data, copied as for a device with memory of its own. */
static void train_streamed(double losses[3], bp_device *device, const bp_data *data,
                           bp_profile *profile)
{
    bp_model *model =
        model_of(widths, 3, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 5);
    bp_train_options options = bp_train_options_default();
    options.batch = 50;
    options.stream = BP_STREAM_YES;
    options.window = 500;
    options.profile = profile;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    ((bp__device_engine *)trainer->engine)->in_host_memory = false;
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < 3; ++e) OK(bp_trainer_epoch(trainer, &losses[e]));
    bp_trainer_free(trainer);
    bp_model_free(model);
}

static void check_stream(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return; /* it has no queues */
    double seen[3], unseen[3];
    bp_data *data = data_of(5000, 13, 4, true);
    bp_profile *profile = profile_with(100000);
    train_streamed(unseen, device, data, NULL);
    train_streamed(seen, device, data, profile);
    cr_assert_arr_eq(seen, unseen, sizeof seen);
    bp_profile_phase all = {0};
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
        const bp_profile_phase p = bp_profile_get_phase(profile, phase);
        cr_assert(p.overlapped >= 0 && p.overlapped <= p.streaming * (1 + 1e-9));
        all.streaming += p.streaming;
        all.overlapped += p.overlapped;
    }
    cr_assert_gt(all.streaming, 0);
    cr_log_info("%s: %.0f us of copies, %.0f of them while kernels ran",
                bp_device_get_info(device)->name, 1e6 * all.streaming, 1e6 * all.overlapped);
    json_t *trace = trace_of(profile, NULL);
    const json_t *event;
    size_t i, copies = 0;
    double ends[TRACKS] = {0}, bytes = 0;
    json_array_foreach(json_object_get(trace, "traceEvents"), i, event)
    {
        if (strcmp(text(event, "ph"), "X") != 0) continue;
        check_event(event, ends, NULL);
        if (number(event, "tid") != TRACKS - 1) continue;
        ++copies;
        bytes += number(json_object_get(event, "args"), "bytes");
    }
    cr_assert_geq(copies, 3 * 10, "three epochs of ten windows");
    cr_assert_geq(bytes, 3 * 5000 * 13 * sizeof(float));
    json_decref(trace);
    bp_profile_free(profile);
    bp_data_free(data);
}

Test(profile_trace, streamed_data_is_copied_beside_the_kernels)
{
    every_device(check_stream);
}
