/* test_cli_selftest.c - `backprop selftest` as its users run it: the verdict, the report, exit
 * codes. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_selftest, .init = make_folder, .fini = remove_folder, .timeout = 300);

static json_t *report_of(result r)
{
    json_t *list = json_loads(r.out, 0, NULL);
    cr_assert(json_is_array(list) && json_array_size(list) == 1, "%s", r.out);
    json_t *report = json_incref(json_array_get(list, 0));
    json_decref(list);
    return report;
}

Test(cli_selftest, a_report_says_what_was_tested)
{
    result r = shell("exec " CLI " selftest --gemm naive --json");
    assert_code(r, 0);
    json_t *report = report_of(r), *check;
    size_t i;
    static const char *const keys[] = {"device", "device_spec", "kind",          "vendor", "driver",
                                       "opencl", "version",     "kernel_source", "system"};
    cr_assert(json_is_true(json_object_get(report, "passed")));
    for (size_t k = 0; k < sizeof keys / sizeof *keys; ++k)
        cr_assert(json_string_length(json_object_get(report, keys[k])) > 0, "%s", keys[k]);
    cr_assert_str_eq(json_string_value(json_object_get(report, "kernel_source")), "built in");
    cr_assert_geq(json_array_size(json_object_get(report, "checks")), 10);
    json_array_foreach(json_object_get(report, "checks"), i, check)
    {
        cr_assert(json_is_true(json_object_get(check, "passed")));
        cr_assert_leq(want_number(check, "max_error"), want_number(check, "bound"));
        cr_assert_geq(want_number(check, "cases"), 1);
        cr_assert(json_is_null(json_object_get(check, "problem")));
        cr_assert(json_is_string(json_object_get(check, "where")));
    }
    json_decref(report);
    free_result(&r);
    r = shell("exec " CLI " selftest --device reference");
    assert_code(r, 0);
    assert_has(r.out, "all 2 checks passed");
    free_result(&r);
}

Test(cli_selftest, a_broken_kernel_is_found)
{
    result r =
        shell("cp -r '" BACKPROP_SOURCE_DIR "/kernels' %s && cd %s/kernels && "
              "sed -i 's/return a \\* (1.0f - a);/return a * (1.001f - a);/' activation.cl && "
              "! cmp -s activation.cl '" BACKPROP_SOURCE_DIR "/kernels/activation.cl'",
              folder, folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("BP_KERNEL_DIR='%s/kernels' exec " CLI " selftest --gemm naive --json", folder);
    assert_code(r, 1);
    assert_has(r.err, "does not compute what it should");
    json_t *report = report_of(r), *check;
    size_t i, wrong = 0;
    cr_assert(json_is_false(json_object_get(report, "passed")));
    cr_assert(strstr(json_string_value(json_object_get(report, "kernel_source")), folder));
    json_array_foreach(json_object_get(report, "checks"), i,
                       check) if (json_is_false(json_object_get(check, "passed")))
    {
        ++wrong;
        cr_assert(json_string_length(json_object_get(check, "problem")) > 0);
    }
    cr_assert_geq(wrong, 2, "the operation and the gradients");
    json_decref(report);
    free_result(&r);
    r = shell("BP_KERNEL_DIR='%s/kernels' exec " CLI " selftest --gemm naive", folder);
    assert_code(r, 1);
    assert_has(r.out, "WRONG");
    assert_has(r.out, "do not trust this device");
    free_result(&r);
}

Test(cli_selftest, wrong_usage_names_the_remedy)
{
    static const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"--device nowhere", "nowhere", 4},
        {"--gemm fast", "unknown value 'fast'", 2},
        {"model.safetensors", "model.safetensors", 2},
        {"--device reference --gemm gpu", "the reference has no GEMM backend", 1},
        {"--devise gpu", "--device", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("exec " CLI " selftest %s", cases[i].line);
        cr_assert_eq(r.code, cases[i].code, "selftest %s: exit code %d: %s", cases[i].line, r.code,
                     r.err);
        cr_assert(strstr(r.err, cases[i].says), "selftest %s: %s", cases[i].line, r.err);
        free_result(&r);
    }
}
