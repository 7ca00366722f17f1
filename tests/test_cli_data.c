/* test_cli_data.c - what the command reads: files of every format, and several as one data set. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_data, .init = make_folder, .fini = remove_folder, .timeout = 300);

#define QUICK "-q --json --device reference --hidden 4 --epochs 2"

static double samples_of(const result *r)
{
    json_t *json = json_of(r);
    double samples = want_number(json, "samples");
    json_decref(json);
    return samples;
}

/* ---- several files ---- */

Test(cli_data, several_files_are_one_data_set)
{
    write_flowers("a.csv", 30, 1, true);
    write_flowers("b.csv", 12, 2, true);
    result r = shell("exec " CLI " train %s %s " QUICK " -o %s", path_of("a.csv"), path_of("b.csv"),
                     path_of("m"));
    assert_code(r, 0);
    cr_assert_eq(samples_of(&r), 42);
    free_result(&r);
    r = shell("exec " CLI " info %s", path_of("m"));
    assert_has(r.out, "a.csv, ");
    assert_has(r.out, "train ");
    free_result(&r);
    /* Options between the files change nothing. */
    r = shell("exec " CLI " eval %s %s --json --device reference %s", path_of("m"),
              path_of("b.csv"), path_of("a.csv"));
    assert_code(r, 0);
    cr_assert_eq(samples_of(&r), 42);
    free_result(&r);
    r = shell(CLI " predict %s %s --device reference -- %s | wc -l", path_of("m"), path_of("a.csv"),
              path_of("b.csv"));
    cr_assert_eq(atoi(r.out), 42, "%s", r.out);
    free_result(&r);
    r = shell("tail -n 5 %s | " CLI " eval %s %s - --json -q --device reference", path_of("b.csv"),
              path_of("m"), path_of("a.csv"));
    assert_code(r, 0);
    cr_assert_eq(samples_of(&r), 35, "standard input is one of them");
    free_result(&r);
}

Test(cli_data, several_files_that_do_not_go_together)
{
    write_flowers("a.csv", 30, 1, true);
    write_flowers("b.csv", 30, 1, false);
    write_text("c.svm", "1 1:2\n-1 1:3\n");
    write_text("d.csv", "length,width,color,kind\n1,2,red,rose\n");
    const struct {
        const char *more;
        int code;
        const char *says;
    } cases[] = {
        {"$F/b.csv", 3, "b.csv, line 1: 3 cells found, 4 expected as in"},
        {"$F/c.svm", 3, "c.svm: is libsvm text, but"},
        {"$F/d.csv", 3, "d.csv, line 1: column 3 is called \"color\", but \"colour\""},
        {"$F/none.csv", 3, "none.csv: No such file"},
        {"$F", 3, "a folder, which is a whole data set"},
        {"- -", 2, "standard input can be read once"},
        {"- --test -", 2, "standard input can be read once"},
        {"''", 2, "DATA is empty"},
        {"$F/d.csv --labels y", 2, "--labels is given 1 time for 2 files: once for each"},
        {"--labels y --labels z", 2, "--labels is given 2 times for 1 file"},
        {"--labels ''", 2, "--labels: the value is empty"},
        {"$F/d.csv -o $F/d.csv", 2, "would overwrite what is read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("F='%s'; exec " CLI " train $F/a.csv %s", folder, cases[i].more);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        free_result(&r);
    }
}

Test(cli_data, pictures_with_labels_of_their_own)
{
    write_pictures("x1", "y1", 20, 1);
    write_pictures("x2", "y2", 10, 2);
    result r = shell("exec " CLI " train %s %s --labels %s --labels %s " QUICK, path_of("x1"),
                     path_of("x2"), path_of("y1"), path_of("y2"));
    assert_code(r, 0);
    cr_assert_eq(samples_of(&r), 30);
    free_result(&r);
    r = shell("exec " CLI " train %s %s --labels %s --labels %s " QUICK, path_of("x1"),
              path_of("x2"), path_of("y2"), path_of("y1"));
    assert_code(r, 3);
    assert_has(r.err, "y2 has 10 labels, but");
    free_result(&r);
}

/* ---- info of data ---- */

Test(cli_data, info_says_what_train_would_do)
{
    write_flowers("a.csv", 30, 1, true);
    write_flowers("b.csv", 15, 2, true);
    result r = shell("exec " CLI " info %s %s --json", path_of("a.csv"), path_of("b.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_str_eq(json_string_value(want_key(json, "kind", "s")), "data");
    cr_assert_str_eq(json_string_value(want_key(json, "format", "s")), "csv");
    cr_assert_eq(json_array_size(want_key(json, "files", "a")), 2);
    cr_assert_eq(want_number(json, "rows"), 45);
    cr_assert_eq(want_number(json, "missing"), 0);
    cr_assert_str_eq(json_string_value(want_key(json, "task", "s")), "classify");
    cr_assert_str_eq(json_string_value(want_key(json, "scaling", "s")), "standard");
    cr_assert_eq(want_number(json, "classes"), 3);
    cr_assert_eq(want_number(json, "features"), 4);
    cr_assert_eq(want_number(json, "outputs"), 3);
    const json_t *names = want_key(json, "class_names", "a"),
                 *rows = want_key(json, "class_rows", "a");
    cr_assert_str_eq(json_string_value(json_array_get(names, 0)), "daisy");
    cr_assert_eq(json_integer_value(json_array_get(rows, 0)), 15);
    cr_assert_str_eq(json_string_value(json_array_get(want_key(json, "targets", "a"), 0)), "kind");
    const json_t *columns = want_key(json, "columns", "a"), *colour = json_array_get(columns, 2);
    cr_assert_eq(json_array_size(columns), 4);
    cr_assert_str_eq(json_string_value(want_key(colour, "name", "s")), "colour");
    cr_assert_str_eq(json_string_value(want_key(colour, "kind", "s")), "category");
    cr_assert_eq(json_array_size(want_key(colour, "values", "a")), 2);
    want_key(colour, "min", "0");
    const json_t *length = json_array_get(columns, 0);
    cr_assert_lt(want_number(length, "min"), want_number(length, "mean"));
    cr_assert_lt(want_number(length, "mean"), want_number(length, "max"));
    cr_assert_eq(want_number(length, "missing"), 0);
    cr_assert_gt(want_number(length, "distinct"), 20);
    want_key(length, "deviation", "n");
    want_key(length, "skewness", "n");
    cr_assert_eq(json_array_size(want_key(json, "warnings", "a")), 0);
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " info %s --target length", path_of("a.csv"));
    assert_code(r, 0);
    assert_has(r.out, "target      length: regression");
    assert_has(r.out, "rows        30");
    assert_has(r.out, "scaling standard");
    assert_has(r.out, "rose 10, tulip 10");
    free_result(&r);
}

Test(cli_data, info_warns)
{
    write_text("bad.csv", "id,a,b,t\n1,7,?,u\n2,7,,\n3,7,NA,v\n");
    result r = shell("exec " CLI " info %s --json", path_of("bad.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_eq(json_array_size(want_key(json, "warnings", "a")), 4);
    json_decref(json);
    assert_has(r.err, "column a has the same value in every row");
    assert_has(r.err, "column b has no values");
    assert_has(r.err, "the target t is missing in 1 of 3 rows");
    free_result(&r);
    r = shell("exec " CLI " info -q %s", path_of("bad.csv"));
    cr_assert_str_empty(r.err);
    assert_has(r.out, "constant");
    free_result(&r);
    /* What train refuses is said, and shown all the same. */
    write_text("one.csv", "a,t\n1,u\n2,u\n");
    r = shell("exec " CLI " info %s --json", path_of("one.csv"));
    assert_code(r, 0);
    assert_has(r.err, "all rows have the same class");
    json = json_of(&r);
    want_key(json, "features", "0");
    json_decref(json);
    free_result(&r);
}

Test(cli_data, info_tells_models_from_data)
{
    train_flowers("m.csv"); /* a model with the name of a table */
    write_flowers("d.safetensors", 12, 1, true);
    result r = shell("exec " CLI " info %s --json", path_of("m.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_str_eq(json_string_value(want_key(json, "kind", "s")), "model");
    want_key(json, "layers", "a");
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " info %s", path_of("d.safetensors"));
    assert_code(r, 0);
    assert_has(r.out, "rows        12");
    free_result(&r);
    r = shell("exec " CLI " info - < %s", path_of("d.safetensors"));
    assert_code(r, 0);
    assert_has(r.out, "rows        12");
    free_result(&r);
    /* A damaged model is a bad model, not a strange table. */
    r = shell("head -c 300 %s > %s; exec " CLI " info %s", path_of("m.csv"), path_of("cut"),
              path_of("cut"));
    assert_code(r, 3);
    assert_has(r.err, "cut");
    assert_has_not(r.err, "column");
    free_result(&r);
    const struct {
        const char *arguments;
        int code;
        const char *says;
    } cases[] = {
        {"$F/m.csv --target 1", 2, "--target is for data; this is a model"},
        {"$F/d.safetensors --activation tanh", 2, "--activation is for models; this is data"},
        {"$F/m.csv $F/m.csv", 2, "is a model: one at a time"},
        {"$F/d.safetensors $F/m.csv", 3, "m.csv: is a model, not data"},
        {"$F/none", 3, "none: No such file"},
        {"$F", 3, "there is no train-images"},
        {"$F/d.safetensors --target size", 3, "there is no column"},
        {"", 2, "MODEL|DATA is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        r = shell("F='%s'; exec " CLI " info %s", folder, cases[i].arguments);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        free_result(&r);
    }
}

Test(cli_data, info_of_pictures)
{
    write_picture_folder("p");
    result r = shell("exec " CLI " info %s", path_of("p"));
    assert_code(r, 0);
    assert_has(r.out, "pictures    8 x 8");
    assert_has(r.out, "rows        80");
    assert_has(r.out, "scaling bytes");
    assert_has(r.out, "0 40, 1 40");
    free_result(&r);
    r = shell("exec " CLI " info %s --part test", path_of("p"));
    assert_has(r.out, "rows        20");
    free_result(&r);
}

/* ---- scalings ---- */

Test(cli_data, scalings_are_kept_in_the_model)
{
    write_prices("p.csv", 60, 1);
    static const char *const names[] = {"auto", "standard", "minmax", "none"};
    for (size_t i = 0; i < 4; ++i) {
        result r = shell("exec " CLI " train %s --scaling %s " QUICK " -o %s", path_of("p.csv"),
                         names[i], path_of("m"));
        assert_code(r, 0);
        free_result(&r);
        r = shell("exec " CLI " info %s --json", path_of("m"));
        json_t *json = json_of(&r), *schema = json_object_get(json, "schema");
        cr_assert_str_eq(json_string_value(want_key(schema, "scaling", "s")),
                         i ? names[i] : "standard");
        const json_t *column = json_array_get(json_object_get(schema, "columns"), 0);
        const double scale = want_number(column, "scale"), offset = want_number(column, "offset");
        cr_assert((scale == 1 && offset == 0) == (i == 3));
        want_key(column, "missing", "n");
        json_decref(json);
        free_result(&r);
        r = shell("exec " CLI " eval %s %s --json -q --device reference", path_of("m"),
                  path_of("p.csv"));
        assert_code(r, 0);
        free_result(&r);
    }
    result r = shell("exec " CLI " train %s --scaling bytes " QUICK, path_of("p.csv"));
    assert_code(r, 3);
    assert_has(r.err, "the scaling bytes is for pictures of bytes");
    free_result(&r);
    r = shell("exec " CLI " train %s --scaling minmix " QUICK, path_of("p.csv"));
    assert_code(r, 2);
    assert_has(r.err, "did you mean 'minmax'?");
    free_result(&r);
}
