/* test_cli_eval.c - the report of `eval`. tests/interop/metrics_interop.py checks its numbers. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_eval, .init = make_folder, .fini = remove_folder, .timeout = 120);

Test(cli_eval, classes)
{
    train_flowers("m");
    result r =
        shell("exec " CLI " eval %s %s --device reference", path_of("m"), path_of("flowers.csv"));
    assert_code(r, 0);
    assert_has(r.out, "class              samples  precision     recall         f1        auc");
    assert_has(r.out, "\nrose                    30     1.0000     1.0000     1.0000     1.0000\n");
    assert_has(r.out, "\ndaisy                 30       0       0\n");
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference --json", path_of("m"),
              path_of("flowers.csv"));
    json_t *json = json_of(&r);
    cr_assert_eq(want_number(json, "samples"), 90);
    cr_assert_eq(want_number(json, "accuracy"), 1);
    cr_assert_eq(want_number(json, "auc"), 1);
    cr_assert_eq(want_number(json, "top_k"), 2);
    cr_assert_eq(json_array_size(want_key(json, "confusion", "a")), 3);
    const json_t *rose = json_array_get(want_key(json, "classes", "a"), 1);
    cr_assert_str_eq(json_string_value(want_key(rose, "name", "s")), "rose");
    cr_assert_eq(want_number(want_key(json, "weighted", "o"), "f1"), 1);
    want_key(json, "rmse", "0");
    want_key(json, "targets", "0");
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --top-k 4", path_of("m"), path_of("flowers.csv"));
    assert_code(r, 2);
    assert_has(r.err, "--top-k 4: the model tells 3 classes apart");
    free_result(&r);
}

Test(cli_eval, targets)
{
    write_prices("p.csv", 60, 1);
    result r = shell("exec " CLI " train %s --target price,age --device reference -q --epochs 3 -o "
                     "%s && exec " CLI " eval %s %s --device reference --json",
                     path_of("p.csv"), path_of("m"), path_of("m"), path_of("p.csv"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference --json", path_of("m"), path_of("p.csv"));
    json_t *json = json_of(&r);
    const json_t *targets = want_key(json, "targets", "a");
    cr_assert_eq(json_array_size(targets), 2);
    const double a = want_number(json_array_get(targets, 0), "rmse"),
                 b = want_number(json_array_get(targets, 1), "rmse");
    cr_assert_float_eq(want_number(json, "rmse"), sqrt((a * a + b * b) / 2), 1e-6 * a);
    want_key(json, "accuracy", "0");
    want_key(json, "classes", "0");
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference", path_of("m"), path_of("p.csv"));
    assert_has(r.out, "target                   rmse          mae         r2\nprice ");
    free_result(&r);
}

/* Several labels a row; as wide as a terminal is at least. */
Test(cli_eval, labels)
{
    FILE *file = fopen(path_of("tags.csv"), "w");
    fputs("x,y,warm,a_name_that_fits_no_column,never\n", file);
    unsigned seed = 1;
    for (int i = 0; i < 60; ++i) {
        const double x = noise(&seed), y = noise(&seed);
        fprintf(file, "%.3f,%.3f,%d,%d,0\n", x, y, x > 0, x + y > 0);
    }
    fclose(file);
    result r = shell("exec " CLI " train %s --target warm,a_name_that_fits_no_column,never --loss "
                     "bce --validation-split 0.2 --epochs 30 --lr 0.02 --monitor f1 --patience 30 "
                     "--device reference -q -o %s",
                     path_of("tags.csv"), path_of("m"));
    assert_code(r, 0);
    assert_has(r.out, "the best by f1");
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference", path_of("m"), path_of("tags.csv"));
    assert_code(r, 0);
    assert_has(r.out, "\nexact ");
    assert_has(r.out, "\nthreshold 0.5\n");
    assert_has(
        r.out,
        "\nlabel             support   accuracy  precision     recall         f1        auc\n");
    assert_has(r.out, "\nnever                   0     1.0000     0.0000     0.0000     0.0000");
    assert_has(r.out, "\nmicro mean ");
    assert_has_not(r.out, "rmse");
    for (const char *line = r.out; *line; line = strchr(line, '\n') + 1)
        cr_assert_leq(strchr(line, '\n') - line, 80, "%s", line);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference --json --threshold 0", path_of("m"),
              path_of("tags.csv"));
    json_t *json = json_of(&r);
    const json_t *never = json_array_get(want_key(json, "labels", "a"), 2);
    cr_assert_str_eq(json_string_value(want_key(never, "name", "s")), "never");
    cr_assert_eq(want_number(never, "predicted"), 60);
    cr_assert_eq(want_number(never, "true_positives"), 0);
    want_key(never, "auc", "0");
    cr_assert_eq(want_number(json, "threshold"), 0);
    cr_assert_eq(want_number(json, "accuracy"), 0);
    cr_assert_gt(want_number(json, "hamming_loss"), 1.0 / 3);
    want_number(want_key(json, "micro", "o"), "auc");
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference --top-k 2", path_of("m"),
              path_of("tags.csv"));
    assert_code(r, 0);
    assert_has(r.err, "--top-k is for classes, of which there are none here");
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference --plot-confusion %s", path_of("m"),
              path_of("tags.csv"), path_of("c.svg"));
    assert_code(r, 2);
    assert_has(r.err, "--plot-confusion is for classes");
    cr_assert_str_empty(r.out);
    free_result(&r);
    train_flowers("flowers");
    r = shell("exec " CLI " eval %s %s --threshold 0.3", path_of("flowers"),
              path_of("flowers.csv"));
    assert_code(r, 2);
    assert_has(r.err, "--threshold is for labels, targets that are all 0 or 1");
    free_result(&r);
}

/* Many classes: the worst and the most frequent mistakes in place of a table that nobody reads. */
Test(cli_eval, many_classes)
{
    FILE *file = fopen(path_of("d.csv"), "w");
    fputs("x,y,kind\n", file);
    unsigned seed = 1;
    for (int i = 0; i < 400; ++i)
        fprintf(file, "%.3f,%.3f,kind %02d\n", i % 40 + 3 * noise(&seed), noise(&seed), i % 40);
    fclose(file);
    result r = shell("exec " CLI " train %s --device reference -q --hidden 4 --epochs 1 -o %s",
                     path_of("d.csv"), path_of("m"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference", path_of("m"), path_of("d.csv"));
    assert_has(r.out, "(the 10 of 40 classes with the lowest f1; --json has all)");
    assert_has(r.out, "most frequent mistakes\n");
    assert_has(r.out, " taken for kind ");
    assert_has_not(r.out, "true \\ predicted");
    free_result(&r);
}
