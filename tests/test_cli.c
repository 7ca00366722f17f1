/* test_cli.c - the command's contract: what scripts rely on. Names, JSON keys, outputs, help; what
 * happens when things go wrong is in test_cli_faults.c. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli, .init = make_folder, .fini = remove_folder, .timeout = 300);

static const char *const command_names[] = {"train",   "eval",  "predict", "info",
                                            "devices", "bench", "explain", "gradcheck",
                                            "tune",    "plot",  "selftest"};
enum { COMMANDS = sizeof command_names / sizeof *command_names, OPTIONS = 200 };

/* ---- help, version, usage ---------------------------------------------------------------------
 */

Test(cli, help_and_version_are_quick_and_open_no_opencl)
{
    const char *const lines[] = {"--help",          "--version",
                                 "help train",      "train --help",
                                 "eval -h",         "predict -qh",
                                 "info --help",     "devices --help",
                                 "train --version", "train x --epochs 3 --help"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        double best = 1e9;
        for (int attempt = 0; attempt < 3; ++attempt) {
            result r = shell("exec env LD_DEBUG=libs " CLI " %s", lines[i]);
            assert_code(r, 0);
            cr_assert(*r.out, "%s prints nothing", lines[i]);
            assert_has_not(r.err, "libOpenCL");
            assert_has_not(r.err, "librsvg");
            if (r.seconds < best) best = r.seconds;
            free_result(&r);
        }
        cr_assert_lt(best, 0.2, "%s takes %g s", lines[i], best);
    }
    result r = shell(CLI " --version");
    assert_has(r.out, "backprop 0.1.0");
    free_result(&r);
}

/* Copies the options ("--name") in text, each once, into set; returns how many. */
static size_t options_in(char set[OPTIONS][40], const char *text, size_t length)
{
    size_t count = 0;
    const char *end = text + length;
    while ((text = strstr(text, "--")) != NULL && text < end) {
        size_t size = 2 + strspn(text + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");
        bool word = size > 3 && size < 40 && text[2] != '-', known = false;
        for (size_t i = 0; word && i < count; ++i)
            known = known || (strlen(set[i]) == size && strncmp(set[i], text, size) == 0);
        if (word && !known && count < OPTIONS) {
            memcpy(set[count], text, size);
            set[count++][size] = '\0';
        }
        text += size;
    }
    return count;
}

static void want_subset(char a[OPTIONS][40], size_t a_count, char b[OPTIONS][40], size_t b_count,
                        const char *what)
{
    for (size_t i = 0; i < a_count; ++i) {
        bool found = false;
        for (size_t k = 0; k < b_count; ++k) found = found || strcmp(a[i], b[k]) == 0;
        cr_assert(found, "%s: %s", what, a[i]);
    }
}

Test(cli, help_and_reference_page_agree)
{
    result page = shell("cat '" BACKPROP_SOURCE_DIR "/docs/cli.md'");
    assert_code(page, 0);
    for (size_t c = 0; c < COMMANDS; ++c) {
        result help = shell(CLI " %s --help", command_names[c]);
        char title[64], in_help[OPTIONS][40], in_page[OPTIONS][40];
        snprintf(title, sizeof title, "\n## backprop %s\n", command_names[c]);
        const char *from = strstr(page.out, title);
        cr_assert_not_null(from, "no section on %s", command_names[c]);
        const char *to = strstr(from + 4, "\n## ");
        size_t length = to ? (size_t)(to - from) : strlen(from);
        size_t help_count = options_in(in_help, help.out, strlen(help.out));
        size_t page_count = options_in(in_page, from, length);
        cr_assert_gt(help_count, 3);
        /* The common options have a section of their own. */
        const char *common = strstr(page.out, "\n## Common options\n");
        cr_assert_not_null(common);
        char in_common[OPTIONS][40];
        size_t common_count =
            options_in(in_common, common, (size_t)(strstr(common + 4, "\n## ") - common));
        want_subset(in_page, page_count, in_help, help_count, "in docs/cli.md but not in --help");
        for (size_t i = 0; i < common_count && page_count < OPTIONS; ++i)
            strcpy(in_page[page_count++], in_common[i]);
        want_subset(in_help, help_count, in_page, page_count, "in --help but not in docs/cli.md");
        free_result(&help);
    }
    free_result(&page);
}

Test(cli, wrong_usage_exits_2_and_names_the_remedy)
{
    write_flowers("d.csv", 30, 1, true);
    write_text("single.csv", "a,kind\n1,x\n2,y\n3,z\n");
    const struct {
        const char *line, *says;
    } cases[] = {
        {"trian", "did you mean 'train'"},
        {"frobnicate", "--help"},
        {"--json devices", "--json"},
        {"train", "DATA is missing"},
        {"predict m", "DATA"},
        {"info", "MODEL|DATA is missing"},
        {"train $D --epohcs 3", "did you mean '--epochs'"},
        {"train $D -epochs 3", "did you mean '--epochs'"},
        {"train $D -z", "-z"},
        {"train $D --epochs", "--epochs needs a value"},
        {"train $D -o", "--output needs a value"},
        {"train $D --json=1", "--json takes no value"},
        {"train $D --epochs 0", "--epochs"},
        {"train $D --epochs -3", "--epochs"},
        {"train $D --epochs 3x", "--epochs: '3x' is not a whole number"},
        {"train $D --epochs ' 3'", "--epochs"},
        {"train $D --epochs 1e3", "--epochs"},
        {"train $D --epochs ''", "--epochs"},
        {"train $D --epochs 99999999999999999999", "--epochs"},
        {"train $D --batch 0", "--batch"},
        {"train $D --batch=-1", "--batch"},
        {"train $D --lr nan", "--lr: 'nan' is not a number"},
        {"train $D --lr inf", "at most 3.4e+38"},
        {"train $D --lr 1e39", "at most 3.4e+38"},
        {"train $D --foo", "unknown option '--foo' (see"},
        {"train $D --lr 0", "more than 0"},
        {"train $D --lr -1", "--lr"},
        {"train $D --lr 1e-50", "rounds to 0 as a float32: it must be more than 0"},
        {"train $D --lr 1e-400", "rounds to 0"},
        {"train $D --beta1 0.99999999999",
         "rounds to 1 as a float32: it must be at least 0 and less"},
        {"train $D --lr 0.1.2", "--lr"},
        {"train $D --lr 0,1", "--lr"},
        {"train $D --momentum 1", "less than 1"},
        {"train $D --max-norm -1", "--max-norm"},
        {"train $D --ema 1", "--ema"},
        {"train $D --accumulate 0", "--accumulate"},
        {"train $D --accumulate 1.5", "--accumulate: '1.5' is not a whole number"},
        {"train $D --ema -0.5", "--ema"},
        {"train $D --max-norm nan", "--max-norm: 'nan' is not a number"},
        {"train $D --beta2 1", "--beta2"},
        {"train $D --seed -1", "--seed"},
        {"train $D --seed 18446744073709551616", "--seed"},
        {"train $D --validation-split 1", "--validation-split"},
        {"train $D --validation-split -0.1", "--validation-split"},
        {"train $D --validation-split 0.01",
         "--validation-split: 0.01 of 30 rows leaves none to mea"},
        {"train $D --validation-split 0.99",
         "--validation-split: 0.99 of 30 rows leaves none to tra"},
        {"train $S --validation-split 0.4", "every class has a single row"},
        {"train $D --optimizer adm", "did you mean 'adam'"},
        {"train $D --optimizer newton", "sgd, momentum, adam"},
        {"train $D --activation softmax", "--activation"},
        {"train $D --activation rleu", "did you mean 'relu'"},
        {"train $D --loss msee", "did you mean 'mse'"},
        {"train $D --task clasify", "'clasify': it must be one of auto, classify, regress (see"},
        {"train $D --gemm fast", "native"},
        {"train $D --format xml", "csv"},
        {"train $D --delimiter ab", "--delimiter"},
        {"train $D --header --no-header", "--no-header"},
        {"train $D --hidden 8,x", "x"},
        {"train $D --hidden 8:rleu", "relu"},
        {"train $D --hidden 0", "0"},
        {"train $D --validation $D --validation-split 0.2", "exclude"},
        {"train $D --test-labels l", "--test"},
        {"train $D --validation-labels l", "--validation"},
        {"train - --validation - < $D", "once"},
        {"train ''", "DATA is empty"},
        {"predict m ''", "DATA is empty"},
        {"train $D -o ''", "--output: the value is empty"},
        {"train $D --output=", "--output: the value is empty"},
        {"train $D --log ''", "--log: the value is empty"},
        {"train $D --labels ''", "--labels"},
        {"train $D --validation ''", "--validation"},
        {"train $D --validation-labels ''", "--validation-labels"},
        {"train $D --test ''", "--test"},
        {"train $D --test-labels ''", "--test-labels"},
        {"train $D -o -", "-o"},
        {"train $D -o $D", "overwrite"},
        {"train $D -o $F/../$B/d.csv", "overwrite"},
        {"train $D --log $D", "overwrite"},
        {"train $D --test $D.t --log $D.t", "overwrite"},
        {"train $D -o $F/m --log $F/m", "same file"},
        {"predict $D $D -o $D", "overwrite"},
        {"predict $D $D --show 1 --json", "--show"},
        {"predict $D $D --show 1 --proba", "--show and --proba"},
        {"predict $D $D --show -1", "--show"},
        {"predict $D $D --json -o -", "-o -"},
        {"eval $D $D --part tset", "'tset': it must be one of train, test (see"},
        {"train $D --stream on", "'on': it must be one of auto, yes, no (see"},
        {"devices 0:0", "0:0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("D=%s S=%s F=%s B=${F##*/}; touch $D.t; exec " CLI " %s", path_of("d.csv"),
                         path_of("single.csv"), folder, cases[i].line);
        cr_assert_eq(r.code, 2, "%s: exit code %d, stderr: %s", cases[i].line, r.code, r.err);
        cr_assert(strstr(r.err, cases[i].says), "%s does not say \"%s\": %s", cases[i].line,
                  cases[i].says, r.err);
        cr_assert(!*r.out, "%s prints on stdout: %s", cases[i].line, r.out);
        cr_assert(strncmp(r.err, "backprop: error: ", 17) == 0, "%s: %s", cases[i].line, r.err);
        cr_assert_eq(strchr(r.err, '\n')[1], '\0', "%s: more than a line: %s", cases[i].line,
                     r.err);
        free_result(&r);
    }
    result r = shell("exec " CLI);
    assert_code(r, 2);
    assert_has(r.err, "Commands:");
    free_result(&r);
    r = shell("cd %s; exec " CLI
              " train --epochs=1 --hidden=4 --device reference -qo m --json -- d.csv",
              folder);
    assert_code(r, 0);
    cr_assert(exists("m"));
    free_result(&r);
}

/* ---- predict, info, devices -------------------------------------------------------------------
 */

Test(cli, predict_gives_a_line_a_row)
{
    train_flowers("m");
    write_flowers("new.csv", 6, 3, false);
    const char *expected = "rose\ntulip\ndaisy\nrose\ntulip\ndaisy\n";
    const char *const ways[] = {"predict m new.csv", "predict m - < new.csv",
                                "predict m flowers6.csv", "predict m new.csv -o o && cat o",
                                "predict m new.csv -o -"};
    write_flowers("flowers6.csv", 6, 3, true);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; ++i) {
        result r = shell("cd %s; BACKPROP_DEVICE=reference " CLI " %s", folder, ways[i]);
        assert_code(r, 0);
        cr_assert_str_eq(r.out, expected, "%s: %s", ways[i], r.out);
        free_result(&r);
    }

    result r = shell("cd %s; exec " CLI " predict m new.csv --proba --device reference", folder);
    assert_code(r, 0);
    cr_assert(strncmp(r.out, "daisy,rose,tulip\n", 17) == 0 ||
                  strncmp(r.out, "rose,tulip,daisy\n", 17) == 0,
              "%s", r.out);
    char *at = strchr(r.out, '\n') + 1;
    for (int row = 0; row < 6; ++row) {
        double sum = 0;
        for (int k = 0; k < 3; ++k) {
            sum += strtod(at, &at);
            cr_assert_eq(*at++, k < 2 ? ',' : '\n');
        }
        cr_assert_float_eq(sum, 1, 1e-5);
    }
    cr_assert_eq(*at, '\0');
    free_result(&r);

    r = shell("cd %s; exec " CLI " predict m flowers6.csv --json --proba --device reference",
              folder);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_eq(want_number(json, "samples"), 6);
    cr_assert_eq(want_number(json, "accuracy"), 1);
    cr_assert_eq(json_array_size(want_key(json, "classes", "a")), 3);
    cr_assert_eq(json_array_size(want_key(json, "probabilities", "a")), 6);
    cr_assert_str_eq(json_string_value(json_array_get(want_key(json, "predictions", "a"), 1)),
                     "tulip");
    json_decref(json);
    free_result(&r);

    r = shell("cd %s; exec " CLI " predict m new.csv --names a,b --device reference", folder);
    assert_code(r, 2);
    free_result(&r);
    r = shell("cd %s; exec " CLI " predict m new.csv --show 2 --device reference -o early", folder);
    assert_code(r, 3);
    assert_has(r.err, "pictures");
    cr_assert(!exists("early"), "found out after predicting");
    free_result(&r);
    r = shell("cd %s; exec " CLI " predict m new.csv --no-header --device reference", folder);
    assert_code(r, 3);
    assert_has(r.err, "drop --no-header)\n");
    free_result(&r);
}

/* A line a row that a CSV reader takes apart again, whatever the classes are called. */
Test(cli, predict_quotes_class_names)
{
    write_text("d.csv",
               "a,kind\n0,\"x, y\"\n9,\"say \"\"z\"\"\"\n0,\"x, y\"\n9,\"say \"\"z\"\"\"\n");
    result r =
        shell("cd %s; exec " CLI " train d.csv -q --device reference --epochs 60 -o m", folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; exec " CLI " predict m d.csv -q --device reference", folder);
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "\"x, y\"\n\"say \"\"z\"\"\"\n\"x, y\"\n\"say \"\"z\"\"\"\n", "%s",
                     r.out);
    free_result(&r);

    /* What a file calls its classes must not steer the terminal; a pipe gets it as it is. */
    r = shell("cd %s; exec " CLI " predict m d.csv -q --device reference --names "
              "\"$(printf 'a\\033[1mb,c')\"",
              folder);
    assert_code(r, 0);
    assert_has(r.out, "a\033[1mb\nc\n");
    free_result(&r);
    r = on_terminal("cd %s; exec " CLI " predict m d.csv -q --device reference --names "
                    "\"$(printf 'a\\033[1mb,c')\"",
                    folder);
    assert_code(r, 0);
    assert_has(r.err, "a?[1mb");
    assert_has_not(r.err, "\033");
    free_result(&r);
}

Test(cli, train_notes_what_the_columns_were_taken_for)
{
    write_flowers("d.csv", 30, 1, true);
    result r = shell("exec " CLI " train %s --device reference --epochs 1", path_of("d.csv"));
    assert_code(r, 0);
    assert_has(r.err, "note: 1 column read as text, a feature for each word: colour\n");
    free_result(&r);
    FILE *file = fopen(path_of("wide.csv"), "w");
    cr_assert_not_null(file);
    fputs("a,b,c,d,e,f,kind\n", file);
    for (int i = 0; i < 150; ++i) {
        const char c = i % 2 ? 'u' : 'v';
        fprintf(file, "%c,%c,%c,%c,%c,%c,k%d\n", c, c, c, c, c, c, i % 120);
    }
    fclose(file);
    r = shell("exec " CLI " train %s --device reference --epochs 1", path_of("wide.csv"));
    assert_code(r, 0);
    assert_has(r.err, "note: 6 columns read as text, a feature for each word: a, b, c, d, e, …\n");
    assert_has(r.err, "warning: 120 classes in 150 rows");
    free_result(&r);
    r = shell("exec " CLI " train %s --device reference --epochs 1 -q", path_of("wide.csv"));
    assert_code(r, 0);
    cr_assert(!*r.err, "%s", r.err);
    free_result(&r);
}

Test(cli, info_has_its_keys)
{
    train_flowers("m");
    result r = shell("exec " CLI " info %s --json", path_of("m"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    const json_t *layers = want_key(json, "layers", "a");
    cr_assert_eq(json_array_size(layers), 2);
    const json_t *first = json_array_get(layers, 0);
    cr_assert_eq(json_integer_value(want_key(first, "inputs", "i")), 4);
    cr_assert_eq(json_integer_value(want_key(first, "outputs", "i")), 8);
    cr_assert_str_eq(json_string_value(want_key(first, "activation", "s")), "relu");
    cr_assert(json_is_true(json_object_get(first, "bias")));
    cr_assert_eq(json_integer_value(want_key(json, "parameters", "i")), 5 * 8 + 9 * 3);
    cr_assert_str_eq(json_string_value(want_key(json, "loss", "s")), "cross_entropy");
    cr_assert_eq(json_integer_value(want_key(json, "classes", "i")), 3);
    cr_assert_eq(json_integer_value(want_key(json, "features", "i")), 4);
    cr_assert_eq(json_array_size(want_key(json, "class_names", "a")), 3);
    want_key(json, "schema", "o");
    json_decref(json);
    free_result(&r);

    r = shell("exec " CLI " info %s", path_of("m"));
    assert_code(r, 0);
    const char *const words[] = {"4 -> 8 relu -> 3 softmax",
                                 "67",
                                 "cross_entropy",
                                 "daisy",
                                 "length",
                                 "(x - ",
                                 "red, white",
                                 "command: ",
                                 "backprop train"};
    for (size_t i = 0; i < sizeof words / sizeof *words; ++i) assert_has(r.out, words[i]);
    free_result(&r);

    write_state_dict("torch");
    r = shell("exec " CLI " info %s --json", path_of("torch"));
    assert_code(r, 0);
    json = json_of(&r);
    want_key(json, "classes", "0");
    want_key(json, "schema", "0");
    cr_assert_eq(json_integer_value(want_key(json, "features", "i")), 2);
    json_decref(json);
    free_result(&r);
}

Test(cli, devices_prints_what_device_accepts)
{
    write_flowers("d.csv", 30, 1, true);
    result r = shell("exec " CLI " devices --json");
    assert_code(r, 0);
    json_t *list = json_of(&r);
    cr_assert(json_is_array(list));
    size_t count = json_array_size(list);
    cr_assert_geq(count, 1);
    for (size_t i = 0; i < count; ++i) {
        const json_t *device = json_array_get(list, i);
        const char *const texts[] = {"name", "kind", "vendor", "driver", "opencl"};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; ++k) want_key(device, texts[k], "s");
        want_key(device, "compute_units", "i");
        want_key(device, "global_memory_bytes", "i");
        const char *spec = json_string_value(want_key(device, "spec", "s"));
        result t =
            shell("exec " CLI " train %s --json --hidden 8 --epochs 1 -q --device '%s' -o %s",
                  path_of("d.csv"), spec, path_of("m"));
        assert_code(t, 0);
        json_t *json = json_of(&t);
        cr_assert_str_eq(json_string_value(want_key(json, "device_spec", "s")), spec);
        json_decref(json);
        free_result(&t);
        t = shell("exec " CLI " eval %s %s --json --device '%s'", path_of("m"), path_of("d.csv"),
                  spec);
        assert_code(t, 0);
        free_result(&t);
        t = shell("exec " CLI " predict %s %s --device '%s'", path_of("m"), path_of("d.csv"), spec);
        assert_code(t, 0);
        free_result(&t);
    }
    const json_t *last = json_array_get(list, count - 1);
    cr_assert_str_eq(json_string_value(json_object_get(last, "spec")), "reference");
    json_decref(list);
    free_result(&r);
    r = shell("exec " CLI " devices");
    assert_code(r, 0);
    assert_has(r.out, "reference");
    free_result(&r);
}

/* A model of another program takes numbers as they stand. */
Test(cli, model_without_schema_takes_plain_numbers)
{
    write_state_dict("torch");
    write_text("x.csv", "a,b\n1,2\n3,4\n");
    result r =
        shell("exec " CLI " predict %s %s --device reference", path_of("torch"), path_of("x.csv"));
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "11,4\n13,8\n");
    free_result(&r);
    write_text("y.csv", "a,b,class\n1,2,0\n3,9,1\n9,4,1\n");
    r = shell("exec " CLI " predict %s %s --task classify --device reference", path_of("torch"),
              path_of("y.csv"));
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "0\n1\n0\n");
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --json --device reference", path_of("torch"),
              path_of("y.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_float_eq(want_number(json, "accuracy"), 2.0 / 3, 1e-9);
    json_decref(json);
    free_result(&r);
    write_text("v.csv", "a,b,p,q\n1,2,11,4\n3,9,13,18\n");
    r = shell("exec " CLI " eval %s %s --target p,q --json --device reference", path_of("torch"),
              path_of("v.csv"));
    assert_code(r, 0);
    json = json_of(&r);
    cr_assert_float_eq(want_number(json, "rmse"), 0, 1e-6);
    json_decref(json);
    free_result(&r);
    write_text("z.csv", "a,b,c,class\n1,2,3,0\n3,4,5,1\n");
    r = shell("exec " CLI " predict %s %s --device reference", path_of("torch"), path_of("z.csv"));
    assert_code(r, 3);
    assert_has(r.err, "the model takes 2");
    free_result(&r);
}
