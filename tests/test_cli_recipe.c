/* test_cli_recipe.c - how the command trains: weights of samples and classes, smoothed labels,
 * several labels or values a row, every activation, loss and optimizer by its name, targets out of
 * an output's reach. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_recipe, .init = make_folder, .fini = remove_folder, .timeout = 300);

#define REFERENCE " --device reference"

/* In [-1, 1], the same everywhere. */
static double wave(int i, int k)
{
    return sin(i * 12.9898 + k * 78.233) * cos(i * 3.7 + k);
}

static json_t *json_from(const char *arguments, ...)
{
    char text[1024];
    va_list list;
    va_start(list, arguments);
    vsnprintf(text, sizeof text, arguments, list);
    va_end(list);
    result r = shell("cd '%s' && " CLI " %s -q --json" REFERENCE, folder, text);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    free_result(&r);
    return json;
}

static double number_from(const char *key, const char *arguments)
{
    json_t *json = json_from("%s", arguments);
    const double number = want_number(json, key);
    json_decref(json);
    return number;
}

/* What a shell script prints, as a number. */
static double count_of(const char *script)
{
    result r = shell("cd '%s' && %s", folder, script);
    assert_code(r, 0);
    const double number = atof(r.out);
    free_result(&r);
    return number;
}

/* ---- weights ----------------------------------------------------------------------------------
 */

/* Rows that count for nothing are as if they were not there: the same steps, whatever is in them.
 */
Test(cli_recipe, samples_count_as_much_as_their_weight)
{
    FILE *all = fopen(path_of("all.csv"), "w"), *some = fopen(path_of("some.csv"), "w");
    fputs("a,w,y\n", all);
    fputs("a,y\n", some);
    for (int i = 0; i < 60; ++i) {
        const double a = wave(i, 0);
        fprintf(all, "%.5f,%d,%.5f\n", a, i % 3 ? 2 : 0, i % 3 ? a * a : 5000.0);
        if (i % 3) fprintf(some, "%.5f,%.5f\n", a, a * a);
    }
    fclose(all);
    fclose(some);
    const char how[] = "--scaling none --batch 60 --optimizer sgd --lr 0.2 --epochs 40 "
                       "--no-shuffle --hidden 6:tanh --task regress";
    json_t *weighted = json_from("train all.csv --sample-weight w %s -o weighted", how);
    json_t *fewer = json_from("train some.csv %s -o fewer", how);
    cr_assert_float_eq(want_number(weighted, "train_loss"), want_number(fewer, "train_loss"), 1e-6);
    json_decref(weighted);
    json_decref(fewer);
    cr_assert_float_eq(number_from("loss", "eval weighted some.csv"),
                       number_from("loss", "eval fewer some.csv"), 1e-6);
    cr_assert_gt(number_from("loss", "eval weighted all.csv"), 1e5, "eval has its own rows");
}

/* Two clouds that overlap, one of them with 30 of 530 rows. */
static void write_rare(void)
{
    FILE *file = fopen(path_of("rare.csv"), "w");
    fputs("a,b,kind\n", file);
    for (int i = 0; i < 530; ++i) {
        const int rare = i % 18 == 4;
        fprintf(file, "%.5f,%.5f,%s\n", 2 * wave(i, 1) + rare, 2 * wave(i, 2) + rare,
                rare ? "rare" : "often");
    }
    fclose(file);
}

Test(cli_recipe, classes_can_be_balanced)
{
    write_rare();
    const char how[] = "train rare.csv --hidden 6 --epochs 20 --lr 0.01";
    json_decref(json_from("%s -o plain", how));
    json_decref(json_from("%s --class-weight balanced -o balanced", how));
    json_decref(json_from("%s --class-weight 530,17.6667 -o wrong", how)); /* often, rare */
    json_decref(json_from("%s --class-weight 1,17.6667 -o list", how));
    const char said[] = CLI " predict %s rare.csv -q" REFERENCE " | grep -c rare || true";
    char script[256];
    double rare[4];
    const char *const models[] = {"plain", "balanced", "wrong", "list"};
    for (int i = 0; i < 4; ++i) {
        snprintf(script, sizeof script, said, models[i]);
        rare[i] = count_of(script);
    }
    cr_assert(rare[0] < 15 && rare[1] > 100 && rare[2] < 15, "%g, %g, %g", rare[0], rare[1],
              rare[2]);
    cr_assert_float_eq(rare[3], rare[1], 15, "%g: the same by hand, %g", rare[3], rare[1]);
}

/* ---- targets ----------------------------------------------------------------------------------
 */

Test(cli_recipe, smoothed_labels_are_less_sure)
{
    write_flowers("f.csv", 90, 1, true);
    const char how[] = "train f.csv --hidden 16:tanh --epochs 60 --lr 0.02";
    json_decref(json_from("%s -o sure", how));
    json_decref(json_from("%s --label-smoothing 0.3 -o smooth", how));
    const char most[] = CLI " predict %s f.csv -q --top-k 1" REFERENCE
                            " | tail -n +2 | cut -d, -f2 | sort -g | tail -n 1";
    char sure[256], smooth[256];
    snprintf(sure, sizeof sure, most, "sure");
    snprintf(smooth, sizeof smooth, most, "smooth");
    cr_assert_gt(count_of(sure), 0.97);
    /* 1 - 0.3 + 0.3 / 3, and a little beyond. */
    cr_assert(count_of(smooth) < 0.88 && count_of(smooth) > 0.7, "%g", count_of(smooth));
}

/* Three answers a row, of which any may be yes. */
Test(cli_recipe, several_labels)
{
    FILE *file = fopen(path_of("tags.csv"), "w");
    fputs("a,b,warm,big,odd\n", file);
    for (int i = 0; i < 240; ++i) {
        const double a = wave(i, 1), b = wave(i, 2);
        fprintf(file, "%.5f,%.5f,%d,%d,%d\n", a, b, a > 0, a + b > 0.2, a * b > 0);
    }
    fclose(file);
    json_t *trained =
               json_from("train tags.csv --target warm,big,odd --loss bce --hidden 24 --epochs 150 "
                         "--lr 0.01 --validation tags.csv --log log -o m"),
           *measured = json_from("eval m tags.csv");
    const double accuracy = want_number(measured, "accuracy");
    cr_assert_eq(want_number(trained, "validation_accuracy"), accuracy);
    json_decref(trained);
    json_decref(measured);
    result r = shell("cd '%s' && " CLI " info m", folder);
    assert_has(r.out, "sigmoid");
    assert_has(r.out, "bce");
    assert_has(r.out, "targets     warm, big, odd");
    free_result(&r);
    r = shell("cd '%s' && " CLI " predict m tags.csv -q --threshold 0.5" REFERENCE, folder);
    assert_code(r, 0);
    int right = 0, row = 0;
    for (const char *line = r.out; *line; line = strchr(line, '\n') + 1, ++row) {
        int warm, big, odd, end = 0;
        const double a = wave(row, 1), b = wave(row, 2);
        cr_assert_eq(sscanf(line, "%d,%d,%d%n", &warm, &big, &odd, &end), 3, "%.30s", line);
        cr_assert_eq(line[end], '\n');
        right += (warm == (a > 0)) + (big == (a + b > 0.2)) + (odd == (a * b > 0));
    }
    cr_assert_eq(row, 240);
    cr_assert_gt(right, 690, "%d of 720", right);
    free_result(&r);
    r = shell("cd '%s' && " CLI " predict m tags.csv -q --threshold 0 --to jsonl" REFERENCE
              " | sort -u; " CLI " predict m tags.csv -q --threshold 0 --to csv" REFERENCE
              " | sort -u",
              folder);
    cr_assert_str_eq(r.out, "{\"prediction\": [1, 1, 1]}\n1,1,1\nwarm,big,odd\n");
    free_result(&r);
}

Test(cli_recipe, several_values_in_their_own_units)
{
    FILE *file = fopen(path_of("two.csv"), "w");
    fputs("a,b,sum,product\n", file);
    for (int i = 0; i < 200; ++i) {
        const double a = wave(i, 1), b = wave(i, 2);
        fprintf(file, "%.5f,%.5f,%.5f,%.5f\n", a, b, a + b + 10, 1000 * a * b);
    }
    fclose(file);
    json_decref(
        json_from("train two.csv --target sum,product --hidden 32:silu --epochs 150 --lr 0.01 "
                  "--loss huber -o m"));
    result r = shell("cd '%s' && " CLI " predict m two.csv -q" REFERENCE, folder);
    assert_code(r, 0);
    double errors[2] = {0};
    const char *line = r.out;
    for (int i = 0; i < 200; ++i, line = strchr(line, '\n') + 1) {
        const double a = wave(i, 1), b = wave(i, 2);
        double sum, product;
        cr_assert_eq(sscanf(line, "%lf,%lf", &sum, &product), 2);
        errors[0] += fabs(sum - (a + b + 10)) / 200;
        errors[1] += fabs(product - 1000 * a * b) / 200;
    }
    cr_assert_str_eq(line, "");
    cr_assert(errors[0] < 0.1 && errors[1] < 50, "%g, %g", errors[0], errors[1]);
    free_result(&r);
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* The members that a help text lists for an option, one after the other. */
static char *members_of(const char *option)
{
    result r =
        shell(CLI " train --help | tr -s '\\n ' ' ' | sed 's/.*--%s NAME[^{]*{\\([^}]*\\)}.*/\\1/'",
              option);
    assert_code(r, 0);
    char *list = strdup(r.out);
    free_result(&r);
    for (char *at = list; *at; ++at)
        if (*at == '\n') *at = ' ';
    return list;
}

static int try_members(const char *option, const char *what, bool activation)
{
    int count = 0;
    char *list = members_of(option), *rest = list;
    for (char *name; (name = strtok_r(rest, ", ", &rest)) != NULL; ++count) {
        if (activation && strcmp(name, "softmax") == 0) continue;
        json_t *json =
            json_from("train d.csv --hidden 5 --epochs 3 --%s %s %s -o m", option, name, what);
        const double loss = want_number(json, "train_loss");
        cr_assert(isfinite(loss) && loss > 0, "%s: %g", name, loss);
        json_decref(json);
        result r = shell("cd '%s' && " CLI " predict m d.csv -q" REFERENCE " | wc -l; " CLI
                         " explain m d.csv -q | grep -c '[0-9]'",
                         folder);
        assert_code(r, 0);
        cr_assert_eq(atoi(r.out), 50, "%s: %s", name, r.out);
        free_result(&r);
    }
    free(list);
    return count;
}

/* Every one trains, predicts and is explained. */
Test(cli_recipe, every_member_by_its_name)
{
    write_prices("d.csv", 50, 1);
    cr_assert_geq(try_members("activation", "", true), 12);
    cr_assert_geq(try_members("optimizer", "", false), 9);
    cr_assert_geq(try_members("init", "", false), 8);
    /* Bounded outputs get targets within their bounds by themselves. */
    cr_assert_geq(try_members("output-activation", "--task regress", true), 12);
    FILE *file = fopen(path_of("d.csv"), "w"); /* of classes: cross-entropy has no other targets */
    fputs("a,kind\n", file);
    for (int i = 0; i < 50; ++i) fprintf(file, "%d,%s\n", i, i % 2 ? "x" : "y");
    fclose(file);
    cr_assert_geq(try_members("loss", "", false), 7);
}

static double fold_loss(const char *arguments)
{
    json_t *json = json_from("%s", arguments), *metrics = json_object_get(json, "metrics");
    const double loss = want_number(json_object_get(metrics, "loss"), "mean");
    json_decref(json);
    return loss;
}

/* A start from another model is nearer than one from nothing, also that of every fold. */
Test(cli_recipe, a_start_from_another_model)
{
    write_prices("d.csv", 200, 1);
    json_decref(json_from("train d.csv --hidden 16:tanh --epochs 200 --lr 0.01 -o first"));
    const char how[] = "train d.csv --epochs 1 --lr 1e-6";
    const double from =
        number_from("train_loss", "train d.csv --epochs 1 --lr 1e-6 --init-from first");
    json_t *nothing = json_from("%s --hidden 16:tanh", how);
    cr_assert_lt(from, want_number(nothing, "train_loss") / 10);
    json_decref(nothing);
    const double with = fold_loss("train d.csv --epochs 1 --lr 1e-6 --folds 4 --init-from first");
    const double without = fold_loss("train d.csv --epochs 1 --lr 1e-6 --folds 4 --hidden 16:tanh");
    cr_assert_lt(with, without / 5, "%g, %g", with, without);
    result r = shell("cd '%s' && " CLI " train d.csv --init-from first --hidden 3", folder);
    assert_code(r, 2);
    assert_has(r.err, "--init-from brings its hidden layers");
    free_result(&r);
}

/* ---- errors -----------------------------------------------------------------------------------
 */

Test(cli_recipe, what_cannot_be_says_what_to_do)
{
    write_prices("d.csv", 60, 1);
    write_rare();
    FILE *file = fopen(path_of("w.csv"), "w");
    fputs("a,w,kind\n1,1,x\n2,-1,y\n3,1,x\n4,,y\n", file);
    fclose(file);
    static const struct {
        const char *arguments, *says;
        int code;
    } cases[] = {
        {"d.csv --scaling none --output-activation sigmoid", "a sigmoid output cannot reach", 3},
        {"d.csv --scaling none --output-activation softsign", "a softsign output cannot reach", 3},
        {"d.csv --scaling none --output-activation sigmoid", "use a linear output, or scale", 3},
        {"d.csv --scaling none --loss bce", "a sigmoid output cannot reach (0 to 1)", 3},
        {"rare.csv --loss mse --label-smoothing 0.1", "for the losses cross_entropy and bce", 2},
        {"rare.csv --class-weight 1,2,3", "3 numbers for 2 weights of the classes", 2},
        {"rare.csv --class-weight 1,x", "'x', is not a number", 2},
        {"rare.csv --class-weight 1,-1", "finite number that is not negative", 2},
        {"rare.csv --class-weight 0,0", "all weights are 0", 3},
        {"rare.csv --class-weight balance", "did you mean 'balanced'?", 2},
        {"rare.csv --class-weight often", "neither balanced nor numbers", 2},
        {"rare.csv --init-from nowhere", "nowhere: No such file or directory", 3},
        {"d.csv --class-weight balanced", "the target is a number", 2},
        {"w.csv --sample-weight w", "line 3: the weight (column \"w\") is negative", 3},
        {"w.csv --sample-weight kind", "both the target and the weights", 3},
        {"w.csv --sample-weight height", "there is no column \"height\"", 3},
        {"rare.csv --optimizer nestrov", "did you mean 'nesterov'", 2},
        {"rare.csv --label-smoothing 1", "--label-smoothing", 2},
        {"rare.csv --loss quantile --loss-parameter 2", "quantile", 2},
        {"rare.csv --freeze 2", "one must be left to learn", 2},
        {"rare.csv --loss cross_entropy --output-activation sigmoid", "softmax", 2},
        {"rare.csv --loss bce --output-activation tanh", "sigmoid", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd '%s' && " CLI " train %s -q --epochs 1 -o m" REFERENCE, folder,
                         cases[i].arguments);
        cr_assert_eq(r.code, cases[i].code, "%s: %d, %s", cases[i].arguments, r.code, r.err);
        assert_has(r.err, cases[i].says);
        cr_assert(!exists("m"), "%s", cases[i].arguments);
        free_result(&r);
    }
}
