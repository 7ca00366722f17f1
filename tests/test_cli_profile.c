/* test_cli_profile.c - --profile of `backprop train` and `bench`: the table, the JSON, the trace,
 * and places that cannot be written. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_profile, .init = make_folder, .fini = remove_folder, .timeout = 120);

static json_t *load(const char *name)
{
    json_error_t error;
    json_t *json = json_load_file(path_of(name), 0, &error);
    cr_assert_not_null(json, "%s, line %d", error.text, error.line);
    return json;
}

/* Events of a track that have both a start and a duration, and their sum of flops. */
static size_t complete_events(const json_t *trace, int track, double *flops)
{
    const json_t *events = want_key(trace, "traceEvents", "a"), *event;
    size_t i, count = 0;
    *flops = 0;
    json_array_foreach(events, i, event)
    {
        const char *kind = json_string_value(want_key(event, "ph", "s"));
        if (strcmp(kind, "X") != 0 || want_number(event, "tid") != track) continue;
        cr_assert(want_number(event, "ts") >= 0 && want_number(event, "dur") >= 0);
        if (track > 1) *flops += want_number(want_key(event, "args", "o"), "flops");
        ++count;
    }
    return count;
}

static double phase_number(const json_t *profile, const char *phase, const char *key)
{
    return want_number(want_key(want_key(profile, "phases", "o"), phase, "o"), key);
}

/* 90 flowers of 3 features (2 numbers, a colour) in 2 epochs through 8 and 3 units. */
static void check_training(const char *device)
{
    result r = shell("cd %s; exec " CLI " train flowers.csv --device '%s' --hidden 8 --epochs 2 "
                     "--validation flowers.csv -o m --profile trace.json --json -q",
                     folder, device);
    assert_code(r, 0);
    json_t *json = json_of(&r), *trace = load("trace.json"), *row;
    const json_t *profile = want_key(json, "profile", "o");
    cr_assert_str_eq(json_string_value(want_key(profile, "trace", "s")), "trace.json");
    cr_assert_gt(want_number(profile, "peak_gflops"), 0);
    cr_assert_gt(want_number(profile, "peak_gbytes_per_second"), 0);
    cr_assert_gt(phase_number(profile, "training", "kernels"), 0);
    cr_assert_gt(phase_number(profile, "validation", "kernels"), 0);
    cr_assert_gt(phase_number(profile, "setup", "seconds"), 0);
    const double features = (want_number(json, "parameters") - 8 - 3 * 9) / 8;
    const double want = 2 * 2 * 90 * (2 * (8 * features + 3 * 8) + 3 * 8);
    double trained = 0, all = 0, traced;
    size_t i;
    json_array_foreach(want_key(profile, "rows", "a"), i, row)
    {
        cr_assert_gt(want_number(row, "launches"), 0);
        cr_assert_gt(want_number(row, "seconds"), 0);
        want_key(row, "operation", "s");
        want_key(row, "operations", "s");
        want_key(row, "kernel", "s");
        want_key(row, "steps", "i");
        want_number(row, "bytes");
        const double flops = want_number(row, "flops");
        all += flops;
        if (strcmp(json_string_value(want_key(row, "phase", "s")), "training") == 0)
            trained += flops;
    }
    cr_assert_float_eq(trained, want, 1e-6 * want, "%s: %g flops, not %g", device, trained, want);
    cr_assert_gt(complete_events(trace, 2, &traced), 3);
    cr_assert_float_eq(traced, all, 1e-6 * all);
    cr_assert_gt(complete_events(trace, 1, &traced), 4);
    cr_assert_gt(complete_events(trace, 3, &traced), 4);
    json_decref(json);
    json_decref(trace);
    free_result(&r);
}

Test(cli_profile, training_on_every_device)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r = shell("exec " CLI " devices --json");
    json_t *list = json_of(&r);
    for (size_t i = 0; i < json_array_size(list); ++i)
        check_training(json_string_value(json_object_get(json_array_get(list, i), "spec")));
    json_decref(list);
    free_result(&r);
}

Test(cli_profile, tables)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r = shell("cd %s; exec " CLI " train flowers.csv --device reference --hidden 8,4 "
                     "--epochs 2 --validation-split 0.2 --profile trace.json -q",
                     folder);
    assert_code(r, 0);
    assert_has(r.out, "\nprofile     trace.json: all ");
    assert_has(r.out, "\npeak        ");
    assert_has(r.out, "\ntraining    ");
    assert_has(r.out, " waiting for the host ");
    assert_has(r.out, "\noperation ");
    assert_has(r.out, " launches   total ms   share  us/launch   GFLOP/s  of peak");
    assert_has(r.out, "\ndense_forward 3 ");
    assert_has(r.out, "\ndense_effect 2 ");
    assert_has(r.out, "\nvalidation  ");
    assert_has(r.out, "\nset-up      ");
    cr_assert_str_empty(r.err);
    free_result(&r);
    r = shell("cd %s; exec " CLI " train flowers.csv --device reference --epochs 1 -q --json",
              folder);
    json_t *json = json_of(&r);
    want_key(json, "profile", "0");
    json_decref(json);
    free_result(&r);
}

/* Far more launches than are kept one by one: the output says so. */
Test(cli_profile, what_is_kept_is_said)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r =
        shell("cd %s; exec " CLI " train flowers.csv --device reference --hidden 4 --batch 1 "
              "--epochs 20 --profile trace.json -q",
              folder);
    assert_code(r, 0);
    assert_has(r.out, ": the first 10000 launches and transfers of each phase, 10");
    json_t *trace = load("trace.json");
    double flops;
    const size_t kept = complete_events(trace, 2, &flops) + complete_events(trace, 3, &flops);
    cr_assert(kept >= 10000 && kept < 10200, "%zu", kept);
    json_decref(trace);
    free_result(&r);
}

Test(cli_profile, benchmark)
{
    result r = shell("cd %s; exec " CLI " bench --device reference --layers 6,5,2 --batch 4 --json "
                     "--profile trace.json",
                     folder);
    assert_code(r, 0);
    json_t *json = json_of(&r), *trace = load("trace.json");
    const json_t *row = json_array_get(json, 0), *profile = want_key(row, "profile", "o"), *one;
    const double want = want_number(row, "steps") * 2 * 4 * (2 * (6 * 5 + 5 * 2) + 5 * 2);
    double flops = 0;
    size_t i;
    json_array_foreach(want_key(profile, "rows", "a"), i, one)
    {
        if (strcmp(json_string_value(want_key(one, "phase", "s")), "training") == 0)
            flops += want_number(one, "flops");
    }
    cr_assert_float_eq(flops, want, 1e-6 * want);
    cr_assert_eq(want_number(profile, "peak_gflops"), want_number(row, "peak_gflops"));
    json_decref(json);
    json_decref(trace);
    free_result(&r);
    r = shell("cd %s; exec " CLI " bench --device reference --layers 6,5,2 --batch 4 "
              "--profile trace.json",
              folder);
    assert_code(r, 0);
    assert_has(r.out, "\n6,5,2 ");
    assert_has(r.out, "\ntraining    ");
    assert_has(r.out, "\ndense_gradient 2 ");
    free_result(&r);
}

/* All that can be known to be wrong is found out before anything is computed. */
Test(cli_profile, wrong_places)
{
    write_flowers("d.csv", 30, 1, true);
    mkdir(path_of("folder"), 0777);
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"train d.csv --profile nowhere/t.json", "nowhere/t.json: cannot be written", 1},
        {"train d.csv --profile folder", "folder: cannot be written", 1},
        {"train d.csv --profile -", "--profile -", 2},
        {"train d.csv --profile d.csv", "--profile d.csv would overwrite what is read", 2},
        {"train d.csv --profile m -o m", "-o", 2},
        {"train d.csv --profile l --log l", "--log", 2},
        {"train d.csv --profile ''", "--profile", 2},
        {"bench --layers 2,1 --profile nowhere/t.json", "nowhere/t.json: cannot be written", 1},
        {"bench --layers 2,1 --profile -", "--profile -", 2},
        {"bench --suite --profile t.json", "--suite", 2},
        {"bench --device all --profile t.json", "--device all", 2},
        {"bench --layers 2,1 --profile t --roofline t", "--roofline", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; BACKPROP_DEVICE=reference exec " CLI " %s", folder, cases[i].line);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        assert_has_not(r.err, "epoch");
        cr_assert_str_empty(r.out);
        cr_assert_eq(files_in_folder(), 2, "%s", cases[i].line);
        free_result(&r);
    }
}

Test(cli_profile, an_interrupted_training_has_its_trace)
{
    write_flowers("flowers.csv", 90, 1, true);
    process p = start("cd %s; exec " CLI " train flowers.csv --device reference --hidden 16 "
                      "--epochs 100000000 --profile trace.json",
                      folder);
    read_until(&p, "epoch ");
    kill(p.pid, SIGINT);
    result r = finish(&p);
    assert_code(r, 130);
    assert_has(r.out, "\ntraining    ");
    json_t *trace = load("trace.json");
    double flops;
    cr_assert_gt(complete_events(trace, 2, &flops), 0);
    json_decref(trace);
    free_result(&r);
}

Test(cli_profile, copies_of_streamed_data_have_a_line)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    write_flowers("flowers.csv", 90, 1, true);
    result r = shell("cd %s; exec " CLI " train flowers.csv --stream yes --hidden 16 "
                     "--epochs 3 --profile trace.json",
                     folder);
    assert_code(r, 0);
    assert_has(r.out, "\nstreaming   ");
    assert_has(r.out, " % of that while kernels ran\n");
    assert_has(r.out, "\nstream ");
    free_result(&r);
    r = shell("cd %s; exec " CLI " train flowers.csv --hidden 16 --epochs 3 "
              "--profile trace.json",
              folder);
    assert_code(r, 0);
    assert_has_not(r.out, "\nstreaming   ");
    free_result(&r);
}
