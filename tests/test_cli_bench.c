/* test_cli_bench.c - `backprop bench`: the JSON that scripts rely on, the table, the exit codes. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_bench, .init = make_folder, .fini = remove_folder, .timeout = 120);

static void check_row(const json_t *row)
{
    want_key(row, "device", "s");
    want_key(row, "device_spec", "s");
    want_key(row, "driver", "s");
    want_key(row, "version", "s");
    want_key(row, "layers", "a");
    want_key(row, "batch", "i");
    want_key(row, "activation", "s");
    want_key(row, "optimizer", "s");
    want_key(row, "precision", "s");
    want_key(row, "gemm", "s");
    want_key(row, "steps", "i");
    want_key(row, "repeats", "i");
    const char *const positive[] = {
        "step_us",    "step_us_min", "step_us_max",      "samples_per_second",
        "gflops",     "peak_gflops", "fraction_of_peak", "peak_gbytes_per_second",
        "step_gflop", "step_gbytes", "setup_seconds"};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; ++i)
        cr_assert_gt(want_number(row, positive[i]), 0, "%s", positive[i]);
    const double step = want_number(row, "step_us"), batch = want_number(row, "batch");
    cr_assert(want_number(row, "step_us_min") <= step && step <= want_number(row, "step_us_max"));
    cr_assert_float_eq(want_number(row, "samples_per_second") * step / 1e6, batch, 1e-6 * batch);
    cr_assert_float_eq(want_number(row, "gflops") * step / 1e6, want_number(row, "step_gflop"),
                       1e-6 * want_number(row, "step_gflop"));
    cr_assert_float_eq(want_number(row, "fraction_of_peak") * want_number(row, "peak_gflops"),
                       want_number(row, "gflops"), 1e-6 * want_number(row, "gflops"));
}

Test(cli_bench, json_of_one_network)
{
    result r = shell("exec " CLI " bench --json --device reference --layers 9,5,3 --batch 6 "
                     "--optimizer sgd --activation tanh");
    assert_code(r, 0);
    cr_assert_str_empty(r.err);
    json_t *json = json_of(&r);
    cr_assert_eq(json_array_size(json), 1);
    const json_t *row = json_array_get(json, 0), *layers = want_key(row, "layers", "a");
    check_row(row);
    cr_assert_eq(json_array_size(layers), 3);
    cr_assert_eq(json_integer_value(json_array_get(layers, 0)), 9);
    cr_assert_eq(json_integer_value(json_array_get(layers, 2)), 3);
    cr_assert_eq(want_number(row, "batch"), 6);
    cr_assert_str_eq(json_string_value(want_key(row, "optimizer", "s")), "sgd");
    cr_assert_str_eq(json_string_value(want_key(row, "activation", "s")), "tanh");
    cr_assert_str_eq(json_string_value(want_key(row, "precision", "s")), "fp64");
    cr_assert_str_eq(json_string_value(want_key(row, "gemm", "s")), "auto");
    cr_assert_str_eq(json_string_value(want_key(row, "device_spec", "s")), "reference");
    json_decref(json);
    free_result(&r);
}

Test(cli_bench, all_devices)
{
    result r = shell("exec " CLI " devices --json");
    assert_code(r, 0);
    json_t *json = json_of(&r);
    const size_t devices = json_array_size(json);
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " bench --json --device all --layers 2,2,1 --batch 4");
    assert_code(r, 0);
    json = json_of(&r);
    cr_assert_eq(json_array_size(json), devices);
    for (size_t i = 0; i < devices; ++i) {
        const json_t *row = json_array_get(json, i);
        check_row(row);
        const bool reference =
            strcmp(json_string_value(want_key(row, "device_spec", "s")), "reference") == 0;
        cr_assert_eq(reference, i + 1 == devices);
        cr_assert_str_eq(json_string_value(want_key(row, "precision", "s")),
                         reference ? "fp64" : "fp32");
    }
    json_decref(json);
    free_result(&r);
}

Test(cli_bench, table_and_picture)
{
    result r = shell("exec " CLI " bench --device reference --layers 3,1 --batch 2 --roofline %s",
                     path_of("roof.svg"));
    assert_code(r, 0);
    assert_has(r.out, "device  plain C reference");
    assert_has(r.out, "peak ");
    assert_has(r.out, "\n3,1 ");
    cr_assert_str_empty(r.err);
    free_result(&r);
    r = shell("cat %s", path_of("roof.svg"));
    assert_has(r.out, "<svg ");
    assert_has(r.out, "3,1");
    assert_has(r.out, "</svg>\n");
    cr_assert_eq(files_in_folder(), 1);
    free_result(&r);
}

Test(cli_bench, what_would_take_minutes_is_left_out_with_a_note)
{
    result r = shell("exec " CLI " bench --device all --json --layers 2000,2000,2000 --batch 2000 "
                     "--gemm frobnicate");
    assert_code(r, 2);
    free_result(&r);
    r = shell("BACKPROP_OPENCL_LIBRARY=/nowhere exec " CLI " bench --device all --json "
              "--layers 2000,2000,2000 --batch 2000");
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "[]\n");
    assert_has(r.err, "left out");
    free_result(&r);
}

Test(cli_bench, wrong_usage)
{
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"--layers 784", "784,10", 2},
        {"--layers ''", "--layers", 2},
        {"--layers 784,,10", "number 2", 2},
        {"--layers 784,10,", "number 3", 2},
        {"--layers 784,x", "number 2", 2},
        {"--layers 784:relu,10", "number 1", 2},
        {"--layers ' 784,10'", "number 1", 2},
        {"--layers 0,10", "number 1", 2},
        {"--layers -5,10", "number 1", 2},
        {"--layers 4,99999999999999999999", "number 2", 2},
        {"--batch 0", "--batch", 2},
        {"--suite --layers 2,1", "--suite", 2},
        {"--suite --batch 2", "--suite", 2},
        {"--activation softmax", "--activation", 2},
        {"--optimizer adm", "did you mean 'adam'", 2},
        {"data.csv", "data.csv", 2},
        {"--device frobnicate", "frobnicate", 4},
        {"--json --roofline /nowhere/roof.svg", "/nowhere/roof.svg", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("exec " CLI " bench %s", cases[i].line);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        cr_assert_str_empty(r.out);
        free_result(&r);
    }
}
