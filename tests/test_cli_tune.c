/* test_cli_tune.c - `backprop tune`: the JSON that scripts rely on, the table, the file, and what
 * `backprop devices` says of it; signals and wrong usage. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

/* A home of its own for tunings, but not for the kernels that drivers keep. */
static void make_home(void)
{
    char cache[4096];
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME");
    make_folder();
    if (xdg && *xdg)
        snprintf(cache, sizeof cache, "%s/pocl/kcache", xdg);
    else
        snprintf(cache, sizeof cache, "%s/.cache/pocl/kcache", home ? home : folder);
    setenv("POCL_CACHE_DIR", cache, 0);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("BACKPROP_PROGRAMS", "none", 1); /* the folder's files are tunings */
    unsetenv("BACKPROP_TUNING");
}

TestSuite(cli_tune, .init = make_home, .fini = remove_folder, .timeout = 300);

static int tunings(void)
{
    result r = shell("ls -A '%s/backprop' 2>/dev/null | wc -l", folder);
    const int count = atoi(r.out);
    free_result(&r);
    return count;
}

/* The first device's `tuning`. */
static json_t *state(const char *environment)
{
    result r = shell("%s exec " CLI " devices --json", environment);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    json_t *tuning = json_incref(json_object_get(json_array_get(json, 0), "tuning"));
    cr_assert_not_null(tuning);
    json_decref(json);
    free_result(&r);
    return tuning;
}

static void want_state(const char *environment, const char *source, const char *note)
{
    json_t *tuning = state(environment);
    cr_assert_str_eq(json_string_value(want_key(tuning, "source", "s")), source);
    const char *file = json_string_value(want_key(tuning, "file", "s0"));
    cr_assert_eq(file != NULL, strcmp(source, "file") == 0);
    const char *text = json_string_value(want_key(tuning, "note", "s0"));
    cr_assert_eq(text != NULL, note != NULL, "%s", text ? text : "");
    if (note) assert_has(text, note);
    json_decref(tuning);
}

Test(cli_tune, json_file_and_devices)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    want_state("", "defaults", NULL);
    result r = shell("exec " CLI " tune --seconds 1 --json -q");
    assert_code(r, 0);
    cr_assert_str_empty(r.err);
    json_t *json = json_of(&r);
    want_key(json, "device", "s");
    want_key(json, "device_spec", "s");
    want_key(json, "driver", "s");
    cr_assert_gt(want_number(json, "seconds"), 0);
    want_key(json, "processor_share", "n0");
    cr_assert(json_is_boolean(json_object_get(json, "changed")));
    cr_assert(json_is_boolean(json_object_get(json, "withdrawn")));
    const json_t *candidates = want_key(json, "candidates", "a");
    cr_assert_geq(json_array_size(candidates), 2);
    for (size_t i = 0; i < json_array_size(candidates); ++i) {
        const json_t *c = json_array_get(candidates, i);
        want_key(c, "subject", "s");
        want_key(c, "name", "s");
        want_key(c, "problem", "s0");
        const bool verified = json_is_true(json_object_get(c, "verified"));
        want_key(c, "step_us", verified ? "n" : "0");
        want_key(c, "ratio", "n0");
        cr_assert(json_is_boolean(json_object_get(c, "default")));
        cr_assert(json_is_boolean(json_object_get(c, "chosen")));
    }
    const json_t *gains = want_key(json, "gains", "a");
    for (size_t i = 0; i < json_array_size(gains); ++i) {
        const json_t *g = json_array_get(gains, i);
        cr_assert_geq(json_array_size(want_key(g, "layers", "a")), 2);
        cr_assert_gt(json_integer_value(json_array_get(json_object_get(g, "layers"), 0)), 0);
        cr_assert_gt(want_number(g, "batch"), 0);
        cr_assert_gt(want_number(g, "default_us"), 0);
        cr_assert_gt(want_number(g, "tuned_us"), 0);
        cr_assert_leq(want_number(g, "ratio_low"), want_number(g, "ratio"));
        cr_assert_leq(want_number(g, "ratio"), want_number(g, "ratio_high"));
    }
    const char *file = json_string_value(want_key(json, "file", "s"));
    cr_assert_eq(strncmp(file, folder, strlen(folder)), 0);
    cr_assert_eq(tunings(), 1);
    want_state("", "file", NULL);
    want_state("BACKPROP_TUNING=none", "defaults", "BACKPROP_TUNING");
    result damaged = shell("sed -i 's/\"vectors\": 3/\"vectors\": 2/' %s", file);
    assert_code(damaged, 0);
    want_state("", "defaults", "checksum");
    free_result(&damaged);
    json_decref(json);
    free_result(&r);
    /* Nobody stumbles over a file that is damaged, but who listens is told. */
    write_flowers("f.csv", 60, 1, true);
    r = shell("exec " CLI " train %s --epochs 1 -q", path_of("f.csv"));
    assert_code(r, 0);
    cr_assert_str_empty(r.err);
    free_result(&r);
    const char *const loud[] = {"train f.csv --epochs 1", "bench --layers 2,2,1 --batch 4"};
    for (size_t i = 0; i < 2; ++i) {
        r = shell("cd '%s' && exec " CLI " %s", folder, loud[i]);
        assert_code(r, 0);
        assert_has(r.err, "is ignored: its checksum");
        assert_has(r.err, "tune --forget");
        free_result(&r);
    }
    r = shell("exec " CLI " devices");
    assert_code(r, 0);
    assert_has(r.out, "not tuned: ");
    free_result(&r);
}

Test(cli_tune, table)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    result r = shell("exec " CLI " tune --seconds 1 --dry-run");
    assert_code(r, 0);
    assert_has(r.out, "tried ");
    assert_has(r.out, "verified");
    assert_has(r.out, "\ntile of products\n  ");
    assert_has(r.out, "  yes ");
    assert_has(r.out, "default\n");
    assert_has(r.out, "not kept\n");
    assert_has(r.err, "takes about 1 s");
    cr_assert_eq(tunings(), 0);
    free_result(&r);
    r = shell("BACKPROP_TUNING=none exec " CLI " tune --seconds 1");
    assert_code(r, 0);
    assert_has(r.out, "kept in ");
    assert_has(r.err, "BACKPROP_TUNING is none");
    cr_assert_eq(tunings(), 1);
    free_result(&r);
}

Test(cli_tune, what_is_in_force_is_shown_and_forgotten)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    const char *const bench = "exec " CLI " bench --layers 2,2,1 --batch 4";
    result r = shell("exec " CLI " tune --seconds 0.5 -q");
    assert_code(r, 0);
    free_result(&r);
    r = shell("%s", bench);
    assert_has(r.out, "\ntuned   tiles ");
    assert_has_not(r.err, "ignored");
    free_result(&r);
    r = shell("exec " CLI " devices");
    assert_has(r.out, "tuned: tiles ");
    free_result(&r);
    r = shell("exec " CLI " tune --forget");
    assert_code(r, 0);
    assert_has(r.out, "1 file of ");
    cr_assert_str_empty(r.err);
    cr_assert_eq(tunings(), 0);
    free_result(&r);
    r = shell("%s --json", bench);
    json_t *json = json_of(&r);
    const json_t *tuning = want_key(json_array_get(json, 0), "tuning", "o");
    cr_assert_str_eq(json_string_value(want_key(tuning, "source", "s")), "defaults");
    cr_assert_str_eq(json_string_value(want_key(tuning, "summary", "s")), "defaults");
    json_decref(json);
    free_result(&r);
    r = shell("%s", bench);
    assert_has_not(r.out, "tuned");
    free_result(&r);
    r = shell("exec " CLI " tune --forget --json");
    json = json_of(&r);
    cr_assert_eq(want_number(json, "removed"), 0);
    json_decref(json);
    free_result(&r);
}

Test(cli_tune, progress_on_a_terminal_goes_away)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    result r = on_terminal("exec " CLI " tune --seconds 1 --dry-run");
    assert_code(r, 0);
    assert_has(r.err, " %  tile of products: ");
    assert_has(r.err, "not kept");
    free_result(&r);
}

Test(cli_tune, signals_leave_nothing_half_written)
{
    if (!has_device()) cr_skip_test("no OpenCL device");
    const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; ++i) {
        process p = start("exec " CLI " tune --seconds 30 --json");
        read_until(&p, "tuning");
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        kill(p.pid, signals[i]);
        result r = finish(&p);
        assert_code(r, 128 + signals[i]);
        cr_assert_str_empty(r.out);
        assert_has(r.err, "nothing has been kept");
        cr_assert_eq(tunings(), 0);
        free_result(&r);
    }
}

Test(cli_tune, what_cannot_be_is_said)
{
    const struct {
        const char *before, *line, *says;
        int code;
    } cases[] = {
        {"", "--device reference", "reference has nothing to tune", 1},
        {"", "--device frobnicate", "frobnicate", 4},
        {"", "--seconds 0", "--seconds", 2},
        {"", "--seconds never", "--seconds", 2},
        {"", "--second 3", "did you mean", 2},
        {"", "data.csv", "data.csv", 2},
        {"", "--forget --dry-run", "--forget", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("%s exec " CLI " tune %s", cases[i].before, cases[i].line);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        cr_assert_str_empty(r.out);
        free_result(&r);
    }
    if (!has_device()) return;
    /* No place for the file: found out before anything is measured. */
    const char *const nowhere[] = {"env -u HOME -u XDG_CACHE_HOME",
                                   "env XDG_CACHE_HOME=/dev/null/x"};
    for (size_t i = 0; i < 2; ++i) {
        result r = shell("exec %s " CLI " tune", nowhere[i]);
        assert_code(r, 1);
        assert_has(r.err, i == 0 ? "HOME" : "/dev/null/x");
        cr_assert_lt(r.seconds, 5);
        free_result(&r);
        r = shell("exec %s " CLI " bench --layers 2,2,1 --batch 4 -q", nowhere[i]);
        assert_code(r, 0);
        free_result(&r);
    }
}
