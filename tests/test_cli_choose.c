/* test_cli_choose.c - `backprop train` where a machine has several devices: which one it takes, and
 * what it says of that. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

#define TWO "POCL_DEVICES='pthread basic' "
#define DATA "'" BACKPROP_SOURCE_DIR "/data/digits.csv'"

TestSuite(cli_choose, .init = make_folder, .fini = remove_folder, .timeout = 300);

static bool are_two(void)
{
    result r = shell(TWO "exec " CLI " devices --json");
    json_t *json = json_of(&r);
    const bool two = json_array_size(json) == 3;
    json_decref(json);
    free_result(&r);
    return two;
}

/* The row of devices_measured that was chosen, or NULL. */
static const json_t *chosen(const json_t *json)
{
    const json_t *rows = json_object_get(json, "devices_measured"), *row;
    size_t i;
    json_array_foreach(rows, i, row) if (json_is_true(json_object_get(row, "chosen"))) return row;
    return NULL;
}

Test(cli_choose, the_fastest_is_taken_and_said)
{
    if (!are_two()) cr_skip_test("POCL is not here, or alone");
    result r = shell(TWO "exec " CLI " train " DATA " --epochs 4000 --batch 256 --hidden 64 --json "
                         "--checkpoint '%s/c' --checkpoint-every 1000epochs -o '%s/m'",
                     folder, folder);
    cr_assert_eq(r.code, 0, "%s", r.err);
    json_t *json = json_of(&r);
    cr_assert_eq(json_array_size(json_object_get(json, "devices_measured")), 2);
    const json_t *row = chosen(json);
    cr_assert_str_eq(json_string_value(json_object_get(row, "spec")),
                     json_string_value(json_object_get(json, "device_spec")));
    cr_assert(strstr(r.err, "of 2 devices ") && strstr(r.err, " a step"), "%s", r.err);
    char device[512];
    snprintf(device, sizeof device, "%s", json_string_value(json_object_get(json, "device")));
    json_decref(json);
    free_result(&r);

    /* Going on asks nobody which device is the fastest today. */
    r = shell(TWO "exec " CLI " train " DATA " --epochs 4001 --batch 256 --hidden 64 --json "
                  "--resume '%s/c' -o '%s/m'",
              folder, folder);
    json = json_of(&r);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_eq(json_array_size(json_object_get(json, "devices_measured")), 0);
    cr_assert_str_eq(json_string_value(json_object_get(json, "device")), device);
    cr_assert(!strstr(r.err, "another device"), "%s", r.err);
    json_decref(json);
    free_result(&r);
}

Test(cli_choose, nothing_is_measured_for_one_that_is_named)
{
    if (!are_two()) cr_skip_test("POCL is not here, or alone");
    static const char *const named[] = {TWO "exec " CLI " train --device pthread ",
                                        TWO "BACKPROP_DEVICE=basic exec " CLI " train ",
                                        "exec " CLI " train --device auto "};
    for (size_t i = 0; i < sizeof named / sizeof *named; ++i) {
        result r = shell("%s" DATA " --epochs 2 --json", named[i]);
        cr_assert_eq(r.code, 0, "%s", r.err);
        json_t *json = json_of(&r);
        cr_assert_eq(json_array_size(json_object_get(json, "devices_measured")), 0, "%s", named[i]);
        cr_assert(i != 1 || strstr(json_string_value(json_object_get(json, "device")), "basic"));
        json_decref(json);
        free_result(&r);
    }
}
