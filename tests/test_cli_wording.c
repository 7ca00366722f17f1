/* test_cli_wording.c - what the command says where the library has found something wrong: its own
 * options, layers as the user counts them, reasons; options that do nothing. */
#define _XOPEN_SOURCE 700
#include "../cli/wording.c"
#include "cli/run.h"

TestSuite(cli_wording, .init = make_folder, .fini = remove_folder, .timeout = 120);

Test(cli_wording, texts)
{
    const struct {
        const char *text, *worded;
    } cases[] = {
        {"layer 0 is residual", "layer 1 is residual"},
        {"layer 0 has 3 inputs, but layer 12 has 4 outputs",
         "layer 1 has 3 inputs, but layer 13 has 4 outputs"},
        {"freeze_layers is 5, but the model has 2 layers",
         "--freeze is 5, but the model has 2 layers"},
        {"batch is 4, but lbfgs takes all: leave batch out, or take another optimizer",
         "--batch is 4, but lbfgs takes all: leave --batch out, or take another optimizer"},
        {"l1 and lbfgs do not go together; leave l1 out",
         "--l1 and lbfgs do not go together; leave --l1 out"},
        {"accumulate and lbfgs do not go together: all rows are its batch; leave accumulate out",
         "--accumulate and lbfgs do not go together: all rows are its batch; leave --accumulate "
         "out"},
        {"k.ckpt: another training: accumulate is 2, in the checkpoint 3",
         "k.ckpt: another training: --accumulate is 2, in the checkpoint 3"},
        {"k.ckpt: another training: learning_rate is 0.5, in the checkpoint 0.1; decay is 0, in it "
         "1",
         "k.ckpt: another training: --lr is 0.5, in the checkpoint 0.1; --decay is 0, in it 1"},
        {"numbers the rows; the option ignore leaves it out",
         "numbers the rows; --ignore leaves it out"},
        /* Names of files and columns are nobody's options, nor are ordinary words. */
        {"min_delta.csv: no such file", "min_delta.csv: no such file"},
        {"/a/min_delta: no such file", "/a/min_delta: no such file"},
        {"a.csv, column \"min_delta\": 3", "a.csv, column \"min_delta\": 3"},
        {"column \"layer 0\" is empty", "column \"layer 0\" is empty"},
        {"a batch of 4 rows; the seed and the window",
         "a batch of 4 rows; the seed and the window"},
        {"this batch is small", "this batch is small"},
        {"the loss cross_entropy needs softmax", "the loss cross_entropy needs softmax"},
        {"ends with a _", "ends with a _"},
        {"", ""},
        {"λ: layer 0", "λ: layer 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char *worded = cli_wording(cases[i].text, true);
        cr_assert_str_eq(worded, cases[i].worded);
        free(worded);
    }
    char *worded = cli_wording("layer 1: batch is 3", false);
    cr_assert_str_eq(worded, "layer 1: --batch is 3");
    free(worded);
}

/* Fields of bp_train_options for which there is no option of one value. */
static bool has_no_option(const char *field)
{
    static const char *const others[] = {"size",
                                         "progress",
                                         "user",
                                         "profile",
                                         "checkpoint",
                                         "resume",
                                         "checkpoint_steps",
                                         "checkpoint_seconds",
                                         "steps_per_epoch"};
    for (size_t i = 0; i < sizeof others / sizeof *others; ++i)
        if (strcmp(others[i], field) == 0) return true;
    return false;
}

/* A new field of a training has its option in the table. */
Test(cli_wording, fields_have_their_options)
{
    char line[512], field[64];
    FILE *header = fopen(BACKPROP_SOURCE_DIR "/include/backprop.h", "r");
    bool inside = false;
    int found = 0;
    cr_assert(header != NULL);
    while (fgets(line, sizeof line, header)) {
        if (strncmp(line, "} bp_train_options;", 19) == 0) inside = false;
        const char *end = strchr(line, ';');
        if (inside && end && strncmp(line, "    ", 4) == 0 && isalpha((unsigned char)line[4])) {
            const char *from = end; /* of "a, b;" the last */
            while (isalnum((unsigned char)from[-1]) || from[-1] == '_') --from;
            snprintf(field, sizeof field, "%.*s", (int)(end - from), from);
            cr_assert(option_of(field, strlen(field)) || has_no_option(field),
                      "%s: which option of the command is that?", field);
            ++found;
        }
        if (strncmp(line, "typedef struct bp_train_options {", 33) == 0) inside = true;
    }
    fclose(header);
    cr_assert_gt(found, 25);
}

static void write_weighted(void)
{
    FILE *file = fopen(path_of("d.csv"), "w");
    unsigned seed = 1;
    fputs("a,b,w,kind\n", file);
    for (int i = 0; i < 60; ++i)
        fprintf(file, "%.3f,%.3f,%.2f,%s\n", noise(&seed), noise(&seed), 1 + 0.01 * i,
                i % 3 ? "p" : "q");
    fclose(file);
    file = fopen(path_of("words.csv"), "w");
    fputs("a,b,w,kind\n", file);
    for (int i = 0; i < 60; ++i)
        fprintf(file, "%.3f,%.3f,%s,%s\n", noise(&seed), noise(&seed), i == 7 ? "much" : "1.5",
                i % 3 ? "p" : "q");
    fclose(file);
}

/* The command's options and the user's layers; what to do about it. */
Test(cli_wording, errors)
{
    write_weighted();
    const struct {
        const char *options, *says;
        int code;
    } cases[] = {
        {"d.csv --freeze 5", "error: --freeze is 5, but the model has 2 layers", 2},
        {"d.csv --label-smoothing 0.1 --loss mse", "error: --label-smoothing is for", 2},
        {"d.csv --optimizer lbfgs --batch 4", "error: --batch is 4", 2},
        {"d.csv --optimizer lbfgs --batch 4", "leave --batch out", 2},
        {"d.csv --optimizer lbfgs --clip-norm 1", "error: --clip-norm and lbfgs", 2},
        {"d.csv --optimizer lbfgs --accumulate 2", "error: --accumulate and lbfgs", 2},
        {"d.csv --optimizer lbfgs --dropout 0.1", "error: layer 1 has dropout", 2},
        {"d.csv --validation-split 0.2 --monitor rmse", "error: --monitor is rmse, which is", 2},
        {"d.csv --hidden 4:residual", "error: layer 1 is residual", 2},
        {"d.csv --hidden 4,3:residual", "error: layer 2 is residual", 2},
        {"d.csv --hidden 4,3:batchnorm --batch 1", "error: layer 2 is normalised", 2},
        {"d.csv --sample-weight w --ignore w", "both the weights, which are no feature", 3},
        {"words.csv --sample-weight w",
         "words.csv, line 9, column \"w\": \"much\" is no weight: every row needs a number that is "
         "not negative\n",
         3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s && exec " CLI " train %s --epochs 1 -q --device reference", folder,
                         cases[i].options);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        free_result(&r);
    }
}

static void want_warning(const char *options, const char *warning, bool wanted)
{
    result r = shell("cd %s && exec " CLI " train d.csv --epochs 1 --device reference %s", folder,
                     options);
    assert_code(r, 0);
    if (wanted)
        assert_has(r.err, warning);
    else
        assert_has_not(r.err, warning);
    free_result(&r);
}

/* Options that change nothing are said to. */
Test(cli_wording, without_effect)
{
    write_weighted();
    const char window[] =
        "warning: --window has no effect without --shuffle blocks or --stream yes",
               activation[] = "warning: --activation has no effect: m.st names those of its layers";
    result r =
        shell("cd %s && exec " CLI " train d.csv --epochs 1 --device reference -q --hidden 4 "
              "-o m.st",
              folder);
    assert_code(r, 0);
    free_result(&r);
    want_warning("--window 32", window, true);
    want_warning("--window 32 --no-shuffle", window, true);
    want_warning("--window 32 --shuffle blocks", window, false);
    want_warning("--window 32 --stream yes", window, false);
    want_warning("--window 32 -q", "warning", false);
    want_warning("--init-from m.st --activation tanh", activation, true);
    want_warning("--init-from m.st --activation relu", activation, false);
    want_warning("--init-from m.st --activation tanh -q", activation, false);
}

/* Weights of classes from a file, whatever its name begins with. */
Test(cli_wording, class_weights_from_a_file)
{
    write_weighted();
    FILE *file = fopen(path_of("weights.txt"), "w");
    fputs("1.5 # p\n3\n", file);
    fclose(file);
    double losses[2];
    const char *const given[] = {"1.5,3", "weights.txt"};
    for (int i = 0; i < 2; ++i) {
        result r = shell("cd %s && exec " CLI " train d.csv --epochs 2 --device reference --json "
                         "--class-weight %s",
                         folder, given[i]);
        json_t *json = json_of(&r);
        losses[i] = want_number(json, "train_loss");
        json_decref(json);
        free_result(&r);
    }
    cr_assert_eq(losses[0], losses[1]);
}

/* The note comes with the training, not before the refusal. */
Test(cli_wording, going_on_is_said_where_it_does)
{
    write_weighted();
    const char *const line = "cd %s && exec " CLI " train d.csv --device reference --schedule "
                             "constant %s";
    result r = shell(line, folder, "--epochs 3 --checkpoint c -q");
    assert_code(r, 0);
    free_result(&r);
    for (int balanced = 0; balanced <= 1; ++balanced) {
        r = shell(line, folder,
                  balanced ? "--epochs 4 --resume c --class-weight balanced"
                           : "--epochs 4 --resume c --sample-weight w");
        assert_code(r, 3);
        assert_has(r.err,
                   "the weights of the training data (--class-weight, --sample-weight) differ");
        if (balanced) assert_has_not(r.err, "rows of XXH128"); /* the rows are the same */
        free_result(&r);
    }
    r = shell(line, folder, "--epochs 4 --resume c --lr 0.5");
    assert_code(r, 3);
    assert_has(r.err, "another training: --lr is 0.5, in the checkpoint 0.001");
    assert_has_not(r.err, "going on");
    free_result(&r);
    for (int epochs = 3; epochs <= 4; ++epochs) { /* also where nothing is left to be done */
        char options[64];
        snprintf(options, sizeof options, "--epochs %d --resume c", epochs);
        r = shell(line, folder, options);
        assert_code(r, 0);
        assert_has(r.err, "note: going on after epoch 3\n");
        cr_assert_null(strstr(strstr(r.err, "going on") + 1, "going on"), "%s", r.err);
        free_result(&r);
    }
}

/* A training that is refused leaves the log of the one before as it was. */
Test(cli_wording, a_refused_training_costs_no_log)
{
    write_weighted();
    const char *const line = "cd %s && " CLI " train d.csv --device reference --schedule constant "
                             "-q --log l %s; code=$?; wc -l < l; exit $code";
    const struct {
        const char *options;
        int code, lines;
    } cases[] = {
        {"--epochs 3 --checkpoint c", 0, 3},      {"--epochs 5 --resume c --checkpoint c", 0, 5},
        {"--epochs 9 --resume c --lr 0.5", 3, 5}, {"--epochs 4 --freeze 7", 2, 5},
        {"--epochs 6 --resume c", 0, 6},          {"--epochs 2", 0, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell(line, folder, cases[i].options);
        assert_code(r, cases[i].code);
        const char *last = strrchr(r.out, '\n'); /* wc's line is the last */
        while (last > r.out && last[-1] != '\n') --last;
        cr_assert_eq(atoi(last), cases[i].lines, "%s: %s", cases[i].options, r.out);
        free_result(&r);
    }
}

/* Ctrl-C in a range test. */
Test(cli_wording, a_search_that_is_stopped)
{
    write_flowers("d.csv", 3000, 1, true);
    process p = start("cd %s && exec " CLI " train d.csv --device reference --find-lr --hidden "
                      "800,800 --batch 1000",
                      folder);
    struct timespec moment = {.tv_nsec = 800000000};
    nanosleep(&moment, NULL);
    kill(p.pid, SIGINT);
    result r = finish(&p);
    assert_code(r, 130);
    assert_has(r.err, "note: stopped after ");
    assert_has(r.err, " of 200 steps: too early to suggest a learning rate\n");
    cr_assert_str_empty(r.out);
    free_result(&r);
}

/* A stream that finds no room is no fault of the input. */
Test(cli_wording, a_full_folder_of_the_stream)
{
    FILE *file = fopen(path_of("d.csv"), "w");
    unsigned seed = 1;
    fputs("a,b,kind\n", file);
    for (int i = 0; i < 100000; ++i)
        fprintf(file, "%.3f,%.3f,%d\n", noise(&seed), noise(&seed), i % 2);
    fclose(file);
    result r = shell("cd %s && trap '' XFSZ && ulimit -f 100 && exec " CLI
                     " train d.csv --epochs 1 --device "
                     "reference --stream yes --stream-folder . -q",
                     folder);
    assert_code(r, 1);
    assert_has(r.err, "the temporary file of the rows cannot be written");
    assert_has(r.err, "name a folder with more room");
    free_result(&r);
}

/* The reason why the last checkpoint failed. */
Test(cli_wording, a_last_checkpoint_that_fails)
{
    write_weighted();
    result r =
        shell("cd %s && ulimit -f 1 && exec " CLI " train d.csv --epochs 2 --device reference "
              "-q --hidden 300 --checkpoint c",
              folder);
    assert_code(r, 1);
    assert_has(r.err, "c: the last checkpoint could not be written: what it holds is older (");
    assert_has(r.err, "File too large)");
    free_result(&r);
}
