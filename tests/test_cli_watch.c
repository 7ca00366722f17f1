/* test_cli_watch.c - `train --watch-gradients`: what it prints, what it writes into the log, and
 * where it says that a divergence began. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_watch, .init = make_folder, .fini = remove_folder, .timeout = 120);

Test(cli_watch, layers_after_every_epoch)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("exec " CLI " train %s --hidden 8:tanh,6 --epochs 3 --device reference "
                     "--watch-gradients --log %s --json",
                     path_of("d.csv"), path_of("log"));
    assert_code(r, 0);
    assert_has(r.err, "  layer 1   weights ");
    assert_has(r.err, "  layer 3   weights ");
    json_t *json = json_loads(r.out, 0, NULL);
    cr_assert(json_is_null(json_object_get(json, "first_not_finite")));
    json_decref(json);
    free_result(&r);
    r = shell("cat %s", path_of("log"));
    int lines = 0;
    for (char *line = strtok(r.out, "\n"); line; line = strtok(NULL, "\n"), ++lines) {
        json = json_loads(line, 0, NULL);
        const json_t *layers = json_object_get(json, "gradients");
        cr_assert_eq(json_array_size(layers), 3);
        for (size_t l = 0; l < 3; ++l) {
            const json_t *layer = json_array_get(layers, l);
            cr_assert_eq(want_number(layer, "layer"), l);
            cr_assert_gt(want_number(layer, "weights"), 0);
            cr_assert_gt(want_number(layer, "gradient"), 0);
            cr_assert_gt(want_number(layer, "update"), 0);
            cr_assert_gt(want_number(layer, "delta"), 0);
            cr_assert_geq(want_number(layer, "dead"), 0);
            cr_assert_eq(want_number(layer, "saturated"), 0);
            cr_assert(json_is_array(json_object_get(layer, "findings")));
        }
        cr_assert_gt(want_number(json, "train_loss"), 0);
        json_decref(json);
    }
    cr_assert_eq(lines, 3);
    free_result(&r);
    /* Quiet is quiet, and without the option there is nothing. */
    r = shell("exec " CLI " train %s --hidden 8 --epochs 2 --device reference --watch-gradients -q",
              path_of("d.csv"));
    assert_code(r, 0);
    cr_assert_str_empty(r.err);
    free_result(&r);
    r = shell("exec " CLI " train %s --hidden 8 --epochs 2 --device reference --log -",
              path_of("d.csv"));
    assert_has_not(r.err, "layer 1");
    assert_has_not(r.out, "gradients");
    free_result(&r);
}

/* The model is the same, byte for byte but for the record of the command. */
Test(cli_watch, changes_nothing)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("for w in '' --watch-gradients; do " CLI " train %s -q --hidden 8 --epochs 4 "
                     "--device reference --json $w | sed 's/.*train_loss\": //;s/,.*//'; done",
                     path_of("d.csv"));
    const size_t length = strcspn(r.out, "\n");
    cr_assert(length > 4 && strncmp(r.out, r.out + length + 1, length) == 0, "%s", r.out);
    free_result(&r);
}

Test(cli_watch, findings_come_with_advice)
{
    write_flowers("d.csv", 90, 1, true);
    const struct {
        const char *options, *says;
    } cases[] = {
        {"--hidden 9,9,9,9,9,9,9,9,9 --activation sigmoid", "it vanishes on the way back; try"},
        {"--hidden 9,9,9,9,9,9,9,9,9 --activation linear --init uniform --init-range 4 --lr 1e-9 "
         "--optimizer sgd",
         "they explode on the way back; try"},
        {"--hidden 9 --optimizer sgd --lr 50 --activation tanh",
         "of their length; try a lower --lr, "
         "it is 50"},
        {"--hidden 9 --init uniform --init-range 60 --activation sigmoid", "are saturated"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("exec " CLI " train %s --epochs 2 --device reference --watch-gradients %s",
                         path_of("d.csv"), cases[i].options);
        assert_code(r, 0);
        cr_assert(strstr(r.err, cases[i].says), "%s: %s", cases[i].options, r.err);
        /* Once, however many epochs. */
        const char *first = strstr(r.err, "layer 1: ");
        cr_assert(!first || !strstr(first + 1, cases[i].says) ||
                      !strstr(strstr(first + 1, cases[i].says), "layer 1: its gradient"),
                  "told twice: %s", r.err);
        free_result(&r);
    }
}

Test(cli_watch, a_divergence_is_traced)
{
    write_flowers("d.csv", 90, 1, true);
    const char *line =
        "exec " CLI " train %s --hidden 8 --optimizer sgd --lr 3e38 --epochs 3 %s %s";
    result r = shell(line, path_of("d.csv"), "--watch-gradients", "--json");
    assert_code(r, 5);
    assert_has(r.err, "note: the first number that is not finite: in step ");
    json_t *json = json_loads(r.out, 0, NULL);
    const char *began = json_string_value(want_key(json, "first_not_finite", "s"));
    assert_has(began, "of epoch 1, the ");
    assert_has(began, " of layer ");
    json_decref(json);
    free_result(&r);
    r = shell(line, path_of("d.csv"), "", "");
    assert_code(r, 5);
    assert_has(r.err, "--watch-gradients tells in which step and layer it began");
    free_result(&r);
}
