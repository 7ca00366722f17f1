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
