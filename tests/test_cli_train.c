/* test_cli_train.c - `backprop train`: its JSON keys and outputs for classes, values and pictures,
 * its records, its progress. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_train, .init = make_folder, .fini = remove_folder, .timeout = 300);

/* ---- train ------------------------------------------------------------------------------------
 */

static void want_train_keys(const json_t *json)
{
    want_key(json, "device", "s");
    want_key(json, "samples", "i");
    want_key(json, "parameters", "i");
    want_key(json, "epochs", "i");
    want_key(json, "train_loss", "n");
    want_key(json, "validation_loss", "n0");
    want_key(json, "validation_accuracy", "n0");
    want_key(json, "test_loss", "n0");
    want_key(json, "test_accuracy", "n0");
    want_key(json, "seconds", "n");
    want_key(json, "samples_per_second", "n");
    want_key(json, "setup_seconds", "n");
    want_key(json, "model", "s0");
}

Test(cli_train, train_classes_from_csv)
{
    write_flowers("d.csv", 90, 1, true);
    write_flowers("t.csv", 30, 2, true);
    result r =
        shell("exec " CLI
              " train %s --json --device reference --hidden 8:tanh --batch 9 --lr 0.02 --epochs 30 "
              "--validation-split 0.2 --test %s -o %s",
              path_of("d.csv"), path_of("t.csv"), path_of("m.safetensors"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    want_train_keys(json);
    cr_assert_eq(want_number(json, "samples"), 72);
    cr_assert_eq(want_number(json, "parameters"), (4 + 1) * 8 + (8 + 1) * 3);
    cr_assert_eq(want_number(json, "epochs"), 30);
    cr_assert_gt(want_number(json, "validation_accuracy"), 0.9);
    cr_assert_gt(want_number(json, "test_accuracy"), 0.9);
    cr_assert_str_eq(json_string_value(want_key(json, "model", "s")), path_of("m.safetensors"));
    want_key(json, "stopped", "0");
    double loss = want_number(json, "test_loss"), right = want_number(json, "test_accuracy");
    json_decref(json);
    free_result(&r);

    /* What eval finds is what train found. */
    r = shell("exec " CLI " eval %s %s --json --device reference", path_of("m.safetensors"),
              path_of("t.csv"));
    assert_code(r, 0);
    json = json_of(&r);
    cr_assert_float_eq(want_number(json, "loss"), loss, 1e-6 * (1 + loss));
    cr_assert_float_eq(want_number(json, "accuracy"), right, 1e-9);
    cr_assert_eq(want_number(json, "samples"), 30);
    json_decref(json);
    free_result(&r);
}

Test(cli_train, train_without_extras_has_nulls)
{
    write_flowers("d.csv", 30, 1, true);
    result r = shell("exec " CLI " train %s -q --json --device reference --hidden none --epochs 1",
                     path_of("d.csv"));
    assert_code(r, 0);
    cr_assert(!*r.err, "-q, but: %s", r.err);
    json_t *json = json_of(&r);
    want_train_keys(json);
    const char *const nulls[] = {"validation_loss", "validation_accuracy", "test_loss",
                                 "test_accuracy", "model"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; ++i) want_key(json, nulls[i], "0");
    cr_assert_eq(want_number(json, "parameters"), (4 + 1) * 3);
    json_decref(json);
    free_result(&r);
}

Test(cli_train, train_values_and_predict_them_in_their_own_units)
{
    write_prices("d.csv", 200, 1);
    write_prices("t.csv", 40, 2);
    result r =
        shell("exec " CLI " train %s --device reference --hidden 8:tanh --epochs 60 --lr 0.01 "
              "--validation %s --test %s -o %s",
              path_of("d.csv"), path_of("t.csv"), path_of("t.csv"), path_of("m"));
    assert_code(r, 0);
    const char *const lines[] = {"device ",     "samples ", "parameters ", "epochs ", "training ",
                                 "validation ", "test ",    "rmse ",       "speed ",  "model "};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) assert_has(r.out, lines[i]);
    assert_has_not(r.out, "accuracy");
    free_result(&r);

    r = shell("exec " CLI " eval %s %s --json --device reference", path_of("m"), path_of("t.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    want_key(json, "samples", "i");
    want_key(json, "loss", "n");
    want_key(json, "accuracy", "0");
    want_key(json, "seconds", "n");
    double rmse = want_number(json, "rmse");
    want_key(json, "mae", "n");
    cr_assert_gt(want_number(json, "r2"), 0.98);
    json_decref(json);
    free_result(&r);

    r = shell("exec " CLI " predict %s %s --device reference", path_of("m"), path_of("t.csv"));
    assert_code(r, 0);
    FILE *file = fopen(path_of("t.csv"), "r");
    char line[256];
    char *at = r.out;
    cr_assert_not_null(fgets(line, sizeof line, file));
    double squares = 0;
    for (int i = 0; i < 40; ++i) {
        double area, age, price;
        cr_assert_not_null(fgets(line, sizeof line, file));
        cr_assert_eq(sscanf(line, "%lf,%lf,%lf", &area, &age, &price), 3);
        double said = strtod(at, &at);
        squares += (said - price) * (said - price);
    }
    fclose(file);
    cr_assert_str_eq(at, "\n");
    cr_assert_float_eq(sqrt(squares / 40), rmse, 1e-3 * rmse + 1e-4);
    free_result(&r);
}

Test(cli_train, train_pictures_of_a_folder_and_of_files)
{
    write_picture_folder("p");
    result r = shell("exec " CLI
                     " train %s/ --json --device reference --hidden 4 --batch 8 --epochs 30 -o %s",
                     path_of("p"), path_of("m"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    want_train_keys(json);
    cr_assert_eq(want_number(json, "samples"), 80);
    cr_assert_gt(want_number(json, "test_accuracy"), 0.9, "the folder's test part is by itself");
    json_decref(json);
    free_result(&r);

    r = shell("cd %s/p; exec " CLI
              " train train-images-idx3-ubyte --labels train-labels-idx1-ubyte "
              "--test t10k-images-idx3-ubyte --test-labels t10k-labels-idx1-ubyte "
              "--validation t10k-images-idx3-ubyte --validation-labels t10k-labels-idx1-ubyte "
              "--json --device reference --hidden 4 --batch 8 --epochs 30",
              folder);
    assert_code(r, 0);
    json = json_of(&r);
    cr_assert_gt(want_number(json, "test_accuracy"), 0.9);
    cr_assert_gt(want_number(json, "validation_accuracy"), 0.9);
    json_decref(json);
    free_result(&r);

    const struct {
        const char *line;
        int samples;
    } parts[] = {{"", 20}, {"--part test", 20}, {"--part train", 80}};
    for (int i = 0; i < 3; ++i) {
        r = shell("exec " CLI " eval %s %s --json --device reference %s", path_of("m"),
                  path_of("p"), parts[i].line);
        assert_code(r, 0);
        json = json_of(&r);
        cr_assert_eq(want_number(json, "samples"), parts[i].samples);
        json_decref(json);
        free_result(&r);
    }

    r = shell("exec " CLI " predict %s %s --show 3 --names top,bottom --device reference",
              path_of("m"), path_of("p"));
    assert_code(r, 0);
    assert_has(r.out, "predicted: top (");
    assert_has(r.out, "true: bottom");
    assert_has(r.out, "%"); /* a shade */
    assert_has_not(r.out, "\033");
    free_result(&r);
    r = on_terminal("exec env -u NO_COLOR TERM=xterm COLORTERM=truecolor LC_ALL=C.UTF-8 " CLI
                    " predict %s %s --show 4 -q --device reference",
                    path_of("m"), path_of("p"));
    assert_code(r, 0);
    assert_has(r.err, "\033[38;2;");
    assert_has(r.err, "▀");
    free_result(&r);
}

Test(cli_train, train_is_deterministic_and_leaves_records)
{
    write_flowers("d.csv", 60, 1, true);
    for (int i = 0; i < 2; ++i) {
        result r = shell("cd %s && " CLI " train d.csv -q --device reference --hidden 8 --epochs 3 "
                         "--seed 7 --validation-split 0.25 -o m && cp m m%d",
                         folder, i);
        assert_code(r, 0);
        free_result(&r);
    }
    result r = shell("cmp %s %s", path_of("m0"), path_of("m1"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; exec " CLI " info m --json", folder);
    json_t *json = json_of(&r);
    const json_t *records = want_key(json, "records", "o");
    /* What the environment has chosen may stand before it. */
    assert_has(json_string_value(want_key(records, "command", "s")),
               "backprop train d.csv -q --device reference --hidden 8 --epochs 3 --seed 7 "
               "--validation-split 0.25 -o m");
    cr_assert_str_eq(json_string_value(want_key(records, "seed", "s")), "7");
    cr_assert_str_eq(json_string_value(want_key(records, "epochs", "s")), "3");
    const char *const keys[] = {"device",     "version",         "data",
                                "train_loss", "validation_loss", "validation_accuracy"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) want_key(records, keys[i], "s");
    json_decref(json);
    free_result(&r);
}

Test(cli_train, every_option_of_training_is_taken)
{
    write_flowers("d.csv", 30, 1, true);
    const char *const lines[] = {
        "--activation sigmoid --output-activation softmax --loss cross_entropy",
        "--hidden 4,4 --loss half_squared --output-activation sigmoid",
        "--hidden '' --no-bias --init uniform --init-range 0.1",
        "--init glorot_uniform --optimizer sgd --lr 0.01",
        "--optimizer momentum --momentum 0.5 --lr 0.01",
        "--optimizer adam --beta1 0.8 --beta2 0.9 --epsilon 1e-6",
        "--batch 1000 --no-shuffle --seed 18446744073709551615",
        "--gemm auto --task classify --target kind --format csv --header --delimiter ,",
        "--target -1",
        "--target 4 --quiet",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        result r = shell("exec " CLI " train %s --json --device reference --epochs 1 %s",
                         path_of("d.csv"), lines[i]);
        cr_assert_eq(r.code, 0, "%s: %s", lines[i], r.err);
        assert_has_not(r.err, "warning");
        free_result(&r);
    }
    result r = shell("exec " CLI " train %s --device reference --epochs 1 --momentum 0.5",
                     path_of("d.csv"));
    assert_has(r.err, "--momentum has no effect");
    free_result(&r);
    r = shell("exec " CLI " train - --device reference --epochs 1 -q < %s", path_of("d.csv"));
    assert_code(r, 0);
    free_result(&r);
}

Test(cli_train, log_has_a_line_an_epoch)
{
    write_flowers("d.csv", 60, 1, true);
    result r = shell("cd %s; exec " CLI " train d.csv -q --device reference --hidden 4 --epochs 3 "
                     "--batch 10 --validation-split 0.5 --log l.jsonl --lr 0.5 --optimizer sgd",
                     folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cat %s", path_of("l.jsonl"));
    char *line = strtok(r.out, "\n");
    for (int epoch = 1; epoch <= 3; ++epoch, line = strtok(NULL, "\n")) {
        cr_assert_not_null(line);
        json_t *json = json_loads(line, 0, NULL);
        cr_assert_not_null(json, "%s", line);
        cr_assert_eq(json_integer_value(want_key(json, "epoch", "i")), epoch);
        cr_assert_eq(json_integer_value(want_key(json, "step", "i")), 3 * epoch);
        const char *const keys[] = {"train_loss", "validation_loss", "validation_accuracy",
                                    "seconds", "samples_per_second"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) want_key(json, keys[i], "n");
        cr_assert_float_eq(want_number(json, "lr"), 0.5, 1e-6);
        json_decref(json);
    }
    cr_assert_null(line);
    free_result(&r);
}

/* ---- progress ---------------------------------------------------------------------------------
 */

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) ++count;
    return count;
}

Test(cli_train, progress_suits_what_shows_it)
{
    write_flowers("d.csv", 3000, 1, true);
    const char *rest = "train %s/d.csv --device reference --hidden 128,128 --epochs 3 --batch 1 "
                       "--validation-split 0.1";
    char line[512];
    snprintf(line, sizeof line, rest, folder);

    result r = shell("exec env LC_ALL=C.UTF-8 TERM=xterm " CLI " %s", line);
    assert_code(r, 0);
    cr_assert_eq(count_of(r.err, "epoch "), 3, "%s", r.err);
    assert_has(r.err, "epoch 3/3  loss ");
    assert_has(r.err, "validation loss ");
    assert_has(r.err, "accuracy ");
    assert_has_not(r.err, "\r");
    assert_has_not(r.err, "\033");
    free_result(&r);

    r = on_terminal("exec env -u NO_COLOR LC_ALL=C.UTF-8 TERM=xterm " CLI " %s", line);
    assert_code(r, 0);
    assert_has(r.err, "\r");
    assert_has(r.err, "\033[32m");
    assert_has(r.err, "█");
    assert_has(r.err, " left");
    assert_has(r.err, "epoch 3/3  loss ");
    free_result(&r);

    r = on_terminal("exec env NO_COLOR=1 LC_ALL=C TERM=xterm " CLI " %s", line);
    assert_code(r, 0);
    assert_has_not(r.err, "\033");
    assert_has(r.err, "[#");
    for (const char *c = r.err; *c; ++c)
        cr_assert_lt((unsigned char)*c, 0x80, "not ASCII: %s", r.err);
    free_result(&r);

    r = on_terminal("exec env LC_ALL=C TERM=dumb " CLI " %s", line);
    assert_code(r, 0);
    assert_has_not(r.err, " left");
    cr_assert_eq(count_of(r.err, "epoch "), 3, "%s", r.err);
    free_result(&r);

    r = on_terminal("exec env TERM=xterm " CLI " %s -q", line);
    assert_code(r, 0);
    assert_has_not(r.err, "epoch ");
    free_result(&r);
}
