/* test_cli_precision.c - --precision: what is refused, what is kept, that it is what is computed.
 */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_precision, .init = make_folder, .fini = remove_folder, .timeout = 300);

#define STAND_IN "BP_MATRIX_STAND_IN=1 "

__attribute__((format(printf, 1, 2))) static result command(const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return shell("cd %s; exec " CLI " %s", folder, line);
}

/* Where a device has units, this is what the tests of matrix units are for. */
Test(cli_precision, the_reference_has_none)
{
    write_flowers("d.csv", 60, 1, true);
    static const char *const lines[] = {
        "train d.csv --epochs 1 -q --precision tf32 --device reference",
        "train d.csv --folds 2 --epochs 1 -q --precision bf16 --device reference",
        "bench --precision bf16 --device reference",
        "gradcheck --layers 3,5,2 --precision tf32 --device reference",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        result r = command("%s", lines[i]);
        assert_code(r, 4);
        assert_has(r.err, "--precision ");
        assert_has(r.err, "plain C reference");
        assert_has(r.err, "take another device");
        free_result(&r);
    }
    result r = command("train d.csv --precision fp16");
    assert_code(r, 2);
    assert_has(r.err, "fp32");
    free_result(&r);
    r = shell("cd %s; " STAND_IN CLI " train d.csv -q --epochs 1 --precision tf32 --gemm naive",
              folder);
    assert_code(r, 1);
    assert_has(r.err, "\"naive\" multiplies in fp32, not in tf32");
    free_result(&r);
}

static char *read_text(const char *name)
{
    result r = shell("cat %s/%s | od -An -tx1", folder, name);
    free(r.err);
    return r.out;
}

/* Other bits than in fp32, the same bits again, and the record repeats it. */
Test(cli_precision, a_training_says_and_keeps_in_what_it_was)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("cd %s; for p in fp32 tf32 bf16; do " STAND_IN CLI
                     " train d.csv --hidden 8 --epochs 2 -q --gemm matrix --precision $p "
                     "-o $p.model --json > $p.json || exit 1; done",
                     folder);
    assert_code(r, 0);
    free_result(&r);
    static const char *const names[] = {"fp32", "tf32", "bf16"};
    char *bits[3];
    for (int i = 0; i < 3; ++i) {
        char name[32];
        r = shell("cat %s/%s.json", folder, names[i]);
        json_t *json = json_of(&r);
        cr_assert_str_eq(json_string_value(want_key(json, "precision", "s")), names[i]);
        json_decref(json);
        free_result(&r);
        r = command("info %s.model --json", names[i]);
        json = json_of(&r);
        cr_assert_str_eq(
            json_string_value(want_key(want_key(json, "records", "o"), "precision", "s")),
            names[i]);
        char *repeat = strdup(json_string_value(want_key(json, "repeat", "s")));
        json_decref(json);
        free_result(&r);
        snprintf(name, sizeof name, "%s.model", names[i]);
        bits[i] = read_text(name);
        const char *program = strstr(repeat, "backprop ");
        cr_assert_not_null(program);
        r = shell("cd %s; %.*s " CLI " %s", folder, (int)(program - repeat), repeat,
                  program + strlen("backprop "));
        assert_code(r, 0);
        free_result(&r);
        char *again = read_text(name);
        cr_assert_str_eq(bits[i], again, "%s", repeat);
        free(again);
        free(repeat);
    }
    cr_assert_str_neq(bits[0], bits[1]);
    cr_assert_str_neq(bits[1], bits[2]);
    for (int i = 0; i < 3; ++i) free(bits[i]);

    static const char *const uses[] = {"eval bf16.model d.csv --precision bf16",
                                       "predict bf16.model d.csv --precision tf32 --proba",
                                       "predict bf16.model d.csv --proba"};
    char *answers[3];
    for (int i = 0; i < 3; ++i) {
        r = shell("cd %s; " STAND_IN CLI " %s", folder, uses[i]);
        assert_code(r, 0);
        answers[i] = r.out;
        free(r.err);
    }
    cr_assert_str_neq(answers[1], answers[2]);
    for (int i = 0; i < 3; ++i) free(answers[i]);
}

Test(cli_precision, a_checkpoint_goes_on_in_its_own)
{
    write_flowers("d.csv", 90, 1, true);
    static const char line[] = "train d.csv --hidden 8 --epochs 2 -q -o m --gemm matrix";
    result r = shell("cd %s; " STAND_IN CLI " %s --precision bf16 --checkpoint c", folder, line);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; " STAND_IN CLI " %s --precision tf32 --resume c", folder, line);
    assert_code(r, 3);
    assert_has(r.err, "precision is tf32, in the checkpoint bf16");
    free_result(&r);
    r = shell("cd %s; " STAND_IN CLI " %s --precision bf16 --resume c", folder, line);
    assert_code(r, 0);
    free_result(&r);
}

Test(cli_precision, benchmarks_name_it)
{
    result r = shell(
        "cd %s; " STAND_IN CLI " bench --layers 7,5,3 --batch 8 --precision bf16 --json", folder);
    assert_code(r, 0);
    json_t *list = json_loads(r.out, 0, NULL);
    cr_assert_str_eq(json_string_value(want_key(json_array_get(list, 0), "precision", "s")),
                     "bf16");
    json_decref(list);
    free_result(&r);
    r = shell("cd %s; " STAND_IN CLI " gradcheck --layers 7,5,3 --precision tf32 --json", folder);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_float_eq(want_number(json, "device_tolerance"), 0.0078125, 1e-9);
    cr_assert_gt(want_number(json, "device_error"), 1e-6);
    json_decref(json);
    free_result(&r);
}
