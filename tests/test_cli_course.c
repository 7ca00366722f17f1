/* test_cli_course.c - `train` with patience, schedules, --find-lr and --folds. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_course, .init = make_folder, .fini = remove_folder, .timeout = 120);

/* Two kinds that nothing tells apart in a fifth of the rows: whoever learns them by heart gets
 * worse on others. */
static void write_noisy(const char *name, int rows)
{
    FILE *file = fopen(path_of(name), "w");
    unsigned seed = 5;
    fputs("a,b,c,kind\n", file);
    for (int i = 0; i < rows; ++i) {
        const double a = noise(&seed), b = noise(&seed), c = noise(&seed);
        fprintf(file, "%.4f,%.4f,%.4f,%s\n", a, b, c,
                (a + b > 0) != (noise(&seed) > 0.3) ? "yes" : "no");
    }
    fclose(file);
}

Test(cli_course, patience_keeps_the_best)
{
    write_noisy("d.csv", 90);
    result r =
        shell("exec " CLI " train %s --device reference -q --hidden 40 --lr 0.02 --epochs 200 "
              "--validation-split 0.3 --patience 4 --log %s -o %s --json",
              path_of("d.csv"), path_of("log"), path_of("m"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    const int64_t epochs = (int64_t)want_number(json, "epochs"),
                  best = (int64_t)want_number(json, "best_epoch");
    cr_assert_lt(epochs, 200);
    cr_assert_eq(epochs, best + 4);
    cr_assert(json_is_true(json_object_get(json, "stopped_early")));
    cr_assert(json_is_true(json_object_get(json, "best_kept")));
    cr_assert_str_eq(json_string_value(want_key(json, "monitor", "s")), "validation_loss");
    const double value = want_number(json, "best_value");
    cr_assert_eq(want_number(json, "validation_loss"), value);
    json_decref(json);
    free_result(&r);
    r = shell("sed -n %dp %s", (int)best, path_of("log"));
    json = json_loads(r.out, 0, NULL);
    cr_assert_eq(want_number(json, "validation_loss"), value);
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " train %s --device reference -q --hidden 40 --lr 0.02 --epochs 200 "
              "--validation-split 0.3 --patience 4 -o %s",
              path_of("d.csv"), path_of("m"));
    assert_has(r.out, "of 200, stopped for want of improvement\n");
    assert_has(r.out, "\nkept        epoch ");
    free_result(&r);
    /* With --keep-last it is as if there had been fewer epochs. */
    r = shell("exec " CLI " train %s --device reference -q --hidden 40 --lr 0.02 --epochs 200 "
              "--validation-split 0.3 --patience 4 --keep-last --json",
              path_of("d.csv"));
    json = json_of(&r);
    cr_assert_gt(want_number(json, "validation_loss"), value);
    cr_assert(json_is_false(json_object_get(json, "best_kept")));
    json_decref(json);
    free_result(&r);
}

Test(cli_course, wrong_usage)
{
    write_flowers("d.csv", 30, 1, true);
    write_flowers("e.csv", 30, 2, true);
    const struct {
        const char *options, *says;
        int code;
    } cases[] = {
        {"--monitor f1", "--monitor f1 is measured on validation data", 2},
        {"--monitor rmse --validation-split 0.3", "the data has classes", 2},
        {"--monitor acuracy", "accuracy", 2},
        {"--patience 0", "--patience", 2},
        {"--schedule cosin", "cosine", 2},
        {"--warmup 11 --epochs 10", "longer than the training, which has 10 epochs", 2},
        {"--final-lr 1.5", "--final-lr", 2},
        {"--find-lr --folds 3", "exclude each other", 2},
        {"--find-lr -o m", "trains nothing to be kept: leave -o away", 2},
        {"--folds 1", "--folds", 2},
        {"--folds 31", "--folds 31: there are 30 rows", 2},
        {"--folds 3 -o m", "leave -o away, and train once more without --folds", 2},
        {"--folds 3 --log l", "leave --log away", 2},
        {"--decay 0.5", "--decay has no effect without --schedule step, exponential or plateau", 0},
        {"--min-delta 1", "--min-delta has no effect without --patience", 0},
        {"--patience 3", "patience goes by the training loss", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; exec " CLI " train d.csv --device reference --hidden 4 %s", folder,
                         cases[i].options);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        free_result(&r);
    }
    cr_assert(!exists("m") && !exists("l"));
}

Test(cli_course, find_a_learning_rate)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("exec " CLI " train %s --device reference -q --find-lr", path_of("d.csv"));
    assert_code(r, 0);
    assert_has(r.out, "loss (smoothed)\n");
    assert_has(r.out, "1e-4 ");
    assert_has(r.out, "\nsuggested       --lr 0.");
    free_result(&r);
    r = shell("exec " CLI " train %s --device reference -q --find-lr --json", path_of("d.csv"));
    json_t *json = json_of(&r);
    const double suggested = want_number(json, "suggested");
    cr_assert(suggested > 1e-3 && suggested < want_number(json, "lowest"));
    const json_t *points = want_key(json, "points", "a");
    cr_assert_gt(json_array_size(points), 100);
    cr_assert_float_eq(want_number(json_array_get(points, 0), "lr"), 1e-6, 1e-12);
    want_key(json_array_get(points, 50), "loss", "n");
    want_key(json_array_get(points, 50), "smoothed", "n");
    json_decref(json);
    free_result(&r);
    cr_assert_eq(files_in_folder(), 1);
}

/* Which of the folds it was. */
Test(cli_course, a_fold_that_diverges_is_named)
{
    write_prices("d.csv", 60, 1);
    result r = shell("cd '%s' && exec " CLI " train d.csv --folds 3 --optimizer sgd --lr 1e30 "
                     "--epochs 5 -q --device reference",
                     folder);
    assert_code(r, 5);
    assert_has(r.err, "(in fold 1 of 3)");
    assert_has(r.err, "(in fold 3 of 3)");
    cr_assert(!strstr(r.err, "-nan"), "%s", r.err);
    cr_assert_str_empty(r.out);
    free_result(&r);
    r = shell("cd '%s' && exec " CLI
              " train d.csv --folds 3 --optimizer sgd --lr 1e30 --epochs 5 -q "
              "--device reference --json",
              folder);
    assert_code(r, 5);
    json_t *json = json_of(&r);
    cr_assert_eq(want_number(json, "done"), 0);
    cr_assert_eq(json_object_size(want_key(json, "metrics", "o")), 0);
    cr_assert_eq(json_array_size(want_key(json, "failed", "a")), 3);
    json_decref(json);
    free_result(&r);
}

/* One row that no training with it survives: the fold that holds it out is reported. */
Test(cli_course, folds_that_do_not_diverge_are_reported)
{
    FILE *file = fopen(path_of("d.csv"), "w");
    fputs("x,y\n", file);
    for (int i = 0; i < 30; ++i) fprintf(file, "%d,%g\n", i, i == 17 ? 1e30 : 0.1 * i);
    fclose(file);
    for (int json = 0; json < 2; ++json) {
        result r = shell("cd '%s' && exec " CLI " train d.csv --folds 3 --optimizer sgd --lr 1e-3 "
                         "--hidden none --scaling none --epochs 5 --device reference %s",
                         folder, json ? "--json" : "");
        assert_code(r, 5);
        assert_has(r.err, "of 3)");
        if (!json) {
            assert_has(r.out, "\n1 of 3 folds of 30 samples");
            assert_has(r.out, "\nrmse ");
            assert_has(r.out, " ± - ");
        } else {
            json_t *all = json_of(&r);
            const json_t *failed = want_key(all, "failed", "a"),
                         *rmse = want_key(want_key(all, "metrics", "o"), "rmse", "o");
            size_t values = 0;
            cr_assert_eq(want_number(all, "done"), 1);
            cr_assert_eq(json_array_size(failed), 2);
            cr_assert_str_eq(json_string_value(want_key(json_array_get(failed, 0), "reason", "s")),
                             "diverged");
            for (size_t k = 0; k < 3; ++k)
                values += json_is_number(json_array_get(want_key(rmse, "folds", "a"), k));
            cr_assert_eq(values, 1);
            json_decref(all);
        }
        free_result(&r);
    }
}

/* Ctrl-C: the folds that were done are reported. */
Test(cli_course, folds_that_are_stopped)
{
    write_prices("d.csv", 60, 1);
    process p = start("cd '%s' && exec " CLI " train d.csv --folds 50 --epochs 3000 "
                      "--device reference --json",
                      folder);
    read_until(&p, "fold 1/50");
    kill(p.pid, SIGINT);
    result r = finish(&p);
    assert_code(r, 130);
    assert_has(r.err, " of 50");
    assert_has(r.err, "note: stopped ");
    json_t *json = json_of(&r);
    const double done = want_number(json, "done");
    cr_assert(done >= 1 && done < 50);
    const json_t *failed = json_array_get(want_key(json, "failed", "a"), 0);
    if (failed) { /* it may have been between two folds */
        cr_assert_eq(want_number(failed, "fold"), done + 1);
        cr_assert_str_eq(json_string_value(want_key(failed, "reason", "s")), "interrupted");
    }
    want_number(want_key(want_key(json, "metrics", "o"), "rmse", "o"), "mean");
    json_decref(json);
    free_result(&r);
}

Test(cli_course, folds)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("exec " CLI " train %s --device reference --hidden 8 --lr 0.02 --epochs 20 "
                     "--batch 9 --folds 3",
                     path_of("d.csv"));
    assert_code(r, 0);
    assert_has(r.err, "fold 3/3  epochs 20");
    assert_has(r.out, "\naccuracy                      1 ± 0 ");
    assert_has(r.out, "3 folds of 90 samples, 60 epochs in all");
    free_result(&r);
    char *lines[2];
    for (int i = 0; i < 2; ++i) {
        r = shell("exec " CLI " train %s --device reference -q --hidden 8 --epochs 2 --folds 4 "
                  "--validation-split 0.2 --patience 1 --json",
                  path_of("d.csv"));
        assert_code(r, 0);
        cr_assert_str_empty(r.err);
        json_t *json = json_of(&r);
        const json_t *metrics = want_key(json, "metrics", "o"),
                     *loss = want_key(metrics, "loss", "o"), *each = want_key(loss, "folds", "a");
        cr_assert_eq(want_number(json, "folds"), 4);
        cr_assert_eq(json_array_size(each), 4);
        double sum = 0, squares = 0;
        for (size_t k = 0; k < 4; ++k) sum += json_number_value(json_array_get(each, k));
        cr_assert_float_eq(want_number(loss, "mean"), sum / 4, 1e-9);
        for (size_t k = 0; k < 4; ++k)
            squares += pow(json_number_value(json_array_get(each, k)) - sum / 4, 2);
        cr_assert_float_eq(want_number(loss, "deviation"), sqrt(squares / 3), 1e-9);
        cr_assert_null(json_object_get(metrics, "rmse"));
        want_key(want_key(metrics, "auc", "o"), "mean", "n");
        lines[i] = json_dumps(metrics, JSON_SORT_KEYS); /* the same seed, the same folds */
        json_decref(json);
        free_result(&r);
    }
    cr_assert_str_eq(lines[0], lines[1]);
    free(lines[0]);
    free(lines[1]);
}

/* What is learned of the columns is learned of each training part: a class that is in the part held
 * out, a category that is there alone, do no harm; regression has its own metrics. */
Test(cli_course, folds_of_regression)
{
    write_prices("p.csv", 50, 1);
    result r = shell("exec " CLI " train %s --device reference -q --folds 5 --json --target price",
                     path_of("p.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    const json_t *metrics = want_key(json, "metrics", "o");
    want_key(want_key(metrics, "r2", "o"), "deviation", "n");
    cr_assert_null(json_object_get(metrics, "accuracy"));
    json_decref(json);
    free_result(&r);
    FILE *file = fopen(path_of("rare.csv"), "w");
    fputs("x,colour,kind\n", file);
    for (int i = 0; i < 40; ++i)
        fprintf(file, "%d,%s,%s\n", i, i == 7 ? "mauve" : "red",
                i == 20 ? "once"
                : i % 2 ? "a"
                        : "b");
    fclose(file);
    r = shell("exec " CLI " train %s --device reference -q --folds 5 --json", path_of("rare.csv"));
    assert_code(r, 0);
    free_result(&r);
}
