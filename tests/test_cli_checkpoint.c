/* test_cli_checkpoint.c - checkpoints of the command, and the command that info prints: what is
 * said, what is refused, and that the model comes out the same, byte for byte. Kills are in
 * test_cli_kills.c. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_checkpoint, .init = make_folder, .fini = remove_folder, .timeout = 300);

/* Both engines: doubles, and the floats of a device. */
static const char *const devices[] = {"reference", "auto"};
enum { DEVICES = sizeof devices / sizeof *devices };

#define OPTIONS "--hidden 8 --batch 9 --validation-split 0.2 "
#define TRAIN "train d.csv " OPTIONS "--epochs 12 -q -o "

static void want_file(const char *a, const char *b)
{
    result r = shell("cd %s; cmp %s %s", folder, a, b);
    cr_assert_eq(r.code, 0, "%s", r.out);
    free_result(&r);
}

static result command(const char *line)
{
    return shell("cd %s; exec " CLI " %s", folder, line);
}

Test(cli_checkpoint, resumed_models_are_the_same_files)
{
    static const char *const ways[] = {
        "reference",
        "auto",
        "auto --gemm gpu",
        "auto --optimizer momentum",
        "reference --no-shuffle",
        "auto --keep-best --monitor f1 --schedule plateau --decay-every 1 --lr 0.05",
        "reference --patience 6 --monitor accuracy --schedule step --decay-every 3 --warmup 1.5"};
    write_flowers("d.csv", 90, 1, true);
    for (size_t d = 0; d < sizeof ways / sizeof *ways; ++d) {
        result r = shell("cd %s; exec " CLI " " TRAIN "m --device %s", folder, ways[d]);
        assert_code(r, 0);
        free_result(&r);
        r = shell("cd %s; mv m whole; rm -f c c.*; exec " CLI " " TRAIN
                  "m --device %s --epochs 5 --checkpoint c --checkpoint-every=13steps",
                  folder, ways[d]);
        assert_code(r, 0);
        free_result(&r);
        /* Raised from the end, and from within epoch 5: 13 steps times 3 of 8 an epoch. */
        const char *const from[] = {"c", "c.previous"};
        for (int i = 0; i < 2; ++i) {
            r = shell("cd %s; rm m; exec " CLI " " TRAIN "m --device %s --resume %s", folder,
                      ways[d], from[i]);
            assert_code(r, 0);
            free_result(&r);
            want_file("m", "whole");
        }
        r = shell("cd %s; exec " CLI " eval c d.csv --json --device reference", folder);
        assert_code(r, 0);
        free_result(&r);
        r = command("info c.previous");
        assert_code(r, 0);
        assert_has(r.out, "checkpoint  after epoch 4 of 5 and step 7 of 8");
        free_result(&r);
    }
}

#define SHORT "train d.csv --hidden 8 -q --device reference"

/* A schedule that nobody has asked for: that it differs is said with why, and what to do. */
Test(cli_checkpoint, a_schedule_by_default_is_explained)
{
    const struct {
        const char *first, *then;
        const char *says; /* NULL: the training goes on */
    } cases[] = {
        {"", "--epochs 200",
         "in the checkpoint cosine over 120 epochs (the checkpoint's schedule is the default where "
         "neither epochs, patience nor a schedule is given, and ends after 120 epochs"},
        {"", "--patience 9", "leave them away again"},
        {"--epochs 3", "", "(cosine is the default where neither"},
        {"--epochs 3", "--patience 9 --epochs 4", "patience is 9, in the checkpoint 0\n"},
        {"--epochs 3", "--epochs 4", NULL},
        {"", "", NULL},
        {"", "--epochs 120 --schedule cosine", NULL}, /* the same, in so many words */
        {"--epochs 3 --schedule cosine", "--epochs 4 --schedule cosine",
         "in the checkpoint cosine over 3 epochs\n"},
    };
    write_flowers("d.csv", 90, 1, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; exec " CLI " " SHORT " --checkpoint c %s", folder, cases[i].first);
        assert_code(r, 0);
        free_result(&r);
        r = shell("cd %s; exec " CLI " " SHORT " --resume c %s", folder, cases[i].then);
        assert_code(r, cases[i].says ? 3 : 0);
        if (cases[i].says) assert_has(r.err, cases[i].says);
        free_result(&r);
        remove(path_of("c"));
    }
}

Test(cli_checkpoint, what_is_refused_and_why)
{
    write_flowers("d.csv", 90, 1, true);
    write_flowers("e.csv", 90, 2, true);
    result r = command(TRAIN "m --device reference --checkpoint c");
    assert_code(r, 0);
    free_result(&r);
    r = command(TRAIN "m --device reference --checkpoint k --schedule cosine");
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; head -c 900 c > cut; cp m model; cp c text; cp c own.previous; echo x > own",
              folder);
    free_result(&r);
    const struct {
        const char *line;
        int code;
        const char *says;
    } cases[] = {
        {"train d.csv --checkpoint-every 5s", 2, "needs --checkpoint"},
        {"train d.csv --checkpoint n --checkpoint-every 5", 2, "'5' is not like 5epochs"},
        {"train d.csv --checkpoint n --checkpoint-every 0s", 2, "'0s'"},
        {"train d.csv --checkpoint n --checkpoint-every 5s,", 2, "'5s,'"},
        {"train d.csv --checkpoint n --checkpoint-every -5s", 2, "'-5s'"},
        {"train d.csv --checkpoint n --checkpoint-every 99999999999999999999s", 2, "999s'"},
        {"train d.csv --checkpoint -", 2, "not standard input or output"},
        {"train d.csv --checkpoint d.csv", 2, "would overwrite what is read"},
        {"train d.csv --checkpoint n -o n", 2, "--checkpoint and -o name the same file"},
        {"train d.csv --checkpoint n --log n", 2, "--checkpoint and --log name the same file"},
        {"train d.csv --checkpoint no/n", 1, "no/n"},
        {"train d.csv --checkpoint model", 1, "is no sound checkpoint"},
        {"train d.csv --resume none", 3, "none"},
        {"train d.csv --resume model", 3, "is no checkpoint"},
        {"train d.csv --resume cut", 3, "cut short"},
        {"train d.csv --hidden 8 --batch 9 --epochs 12 --validation-split 0.2 --resume c --lr 0.5",
         3, "--lr is 0.5, in the checkpoint 0.001\n"},
        {"train d.csv --hidden 9 --batch 9 --validation-split 0.2 --resume c", 3,
         "network is 4 -> 9 relu -> 3 softmax, cross_entropy, in the checkpoint 4 -> 8 relu"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.1 --resume c", 3,
         "validation data is 9 rows"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --resume c --seed 2", 3,
         "the start values differ"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --resume c --epochs 11", 3,
         "is in epoch 12 already, epochs is 11"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --resume c --init he_uniform "
         "--epochs 12",
         3, "the start values differ"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --epochs 12 --resume c --scaling "
         "minmax",
         3, "training data is 72 rows of XXH128"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --epochs 12 --resume c "
         "--patience 3",
         3, "patience is 3, in the checkpoint 0"},
        {"train d.csv --hidden 8 --batch 9 --validation-split 0.2 --epochs 13 --resume k "
         "--schedule cosine",
         3, "schedule is cosine over 13 epochs, in the checkpoint cosine over 12 epochs"},
        {"train d.csv --folds 3 --checkpoint n", 2, "leave --checkpoint away"},
        {"train d.csv --find-lr --resume c", 2, "leave --resume away"},
        {"train e.csv --hidden 8 --batch 9 --validation-split 0.2 --epochs 12 --resume c", 3,
         " backprop train d.csv --hidden 8 --batch 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        r = shell("cd %s; exec " CLI " %s --device reference", folder, cases[i].line);
        cr_assert_eq(r.code, cases[i].code, "%s: %d: %s", cases[i].line, r.code, r.err);
        cr_assert(strstr(r.err, cases[i].says), "%s: not \"%s\": %s", cases[i].line, cases[i].says,
                  r.err);
        free_result(&r);
    }
    cr_assert(!exists("n"));
    /* The data under the same name. */
    r = shell("cd %s; mv e.csv d.csv; exec " CLI " " TRAIN "m --device reference --resume c",
              folder);
    assert_code(r, 3);
    assert_has(r.err, "training data is 72 rows");
    free_result(&r);
    r = shell("cd %s; exec " CLI " train d.csv --hidden 8 --batch 9 --epochs 12 "
              "--validation-split 0.2 --device reference --resume c",
              folder);
    assert_code(r, 3);
    assert_has(r.err, "note: d.csv is not what it was then");
    free_result(&r);
}

Test(cli_checkpoint, a_training_under_way_is_not_written_over)
{
    write_flowers("d.csv", 90, 1, true);
    process p = start("cd %s; exec " CLI " train d.csv " OPTIONS "--epochs 100000 -o m "
                      "--device reference --checkpoint c",
                      folder);
    read_until(&p, "epoch ");
    kill(p.pid, SIGINT);
    result r = finish(&p);
    assert_code(r, 130);
    free_result(&r);
    r = command(TRAIN "m --device reference --checkpoint c");
    assert_code(r, 1);
    assert_has(r.err, "c holds a training that is not finished (");
    assert_has(r.err, "go on with it by --resume c, or remove it");
    free_result(&r);
    /* One that has come to its end may be: it stays as c.previous. */
    r = command("info c --json");
    json_t *json = json_of(&r);
    const double epochs = want_number(json_object_get(json, "checkpoint"), "epoch");
    json_decref(json);
    free_result(&r);
    r = shell("cd %s; exec " CLI " " TRAIN
              "m --device reference --checkpoint c --resume c --epochs %.0f",
              folder, epochs + 1);
    assert_code(r, 0);
    free_result(&r);
    r = command(TRAIN "m --device reference --checkpoint c");
    assert_code(r, 0);
    free_result(&r);
    cr_assert(exists("c.previous"));
    /* Patience is an end like another. */
    for (int i = 0; i < 2; ++i) {
        r = command("train d.csv --validation-split 0.2 --epochs 9999 --patience 2 --lr 0.1 "
                    "--device reference --checkpoint p -q");
        assert_code(r, 0);
        assert_has(r.out, "of 9999, stopped for want of improvement");
        free_result(&r);
    }
}

Test(cli_checkpoint, a_damaged_one_gives_way_with_a_warning)
{
    write_flowers("d.csv", 90, 1, true);
    result r = command(TRAIN "m --device reference --checkpoint c --checkpoint-every 3epochs");
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; mv m whole; printf X | dd of=c bs=1 seek=$(($(stat -c %%s c) - 99)) "
              "conv=notrunc 2>/dev/null; "
              "exec " CLI " " TRAIN "m --device reference --checkpoint c --resume c",
              folder);
    assert_code(r, 0);
    assert_has(r.err, "backprop: warning: c: damaged: its content does not fit its checksum; going "
                      "on from the one before it, c.previous");
    free_result(&r);
    want_file("m", "whole");
}

/* The lines of epochs that are done again are not there twice. */
Test(cli_checkpoint, the_log_goes_on)
{
    write_flowers("d.csv", 90, 1, true);
    result r = command(TRAIN "m --device reference --log whole");
    assert_code(r, 0);
    free_result(&r);
    r = command(TRAIN "m --device reference --epochs 7 --checkpoint c --checkpoint-every 3epochs "
                      "--log l");
    assert_code(r, 0);
    free_result(&r);
    r = command(TRAIN "m --device reference --resume c.previous --log l");
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; for f in l whole; do sed 's/\"seconds.*//' $f > $f.plain; done; "
              "cmp l.plain whole.plain && wc -l < l",
              folder);
    assert_code(r, 0);
    cr_assert_eq(atoi(r.out), 12);
    free_result(&r);
}

/* ---- the disk ----------------------------------------------------------------------------------
 */

/* Two checkpoints fit, the third that is written beside them does not. */
Test(cli_checkpoint, a_disk_that_fills_keeps_two_sound_checkpoints)
{
    write_flowers("d.csv", 90, 1, true);
    const char *const line = TRAIN "m --device reference --hidden 300,300";
    result r = command(line);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; mv m whole; mkdir disk; exec unshare -m sh -c '"
              "mount -t tmpfs -o size=7200k none disk || exit 77; "
              "trap \"cp disk/* .\" EXIT; " CLI
              " %s --checkpoint disk/c --checkpoint-every 7steps'",
              folder, line);
    if (r.code == 77 || strstr(r.err, "unshare")) {
        free_result(&r);
        cr_skip_test("no small disk can be mounted here");
    }
    assert_code(r, 1);
    assert_has(r.err, "disk/c: the last checkpoint could not be written: what it holds is older");
    free_result(&r);
    want_file("m", "whole"); /* the training did not suffer, nor did -o, on another disk */
    cr_assert(exists("c") && exists("c.previous"));
    const char *const from[] = {"c", "c.previous"};
    for (int i = 0; i < 2; ++i) {
        r = shell("cd %s; exec " CLI " %s --resume %s", folder, line, from[i]);
        assert_code(r, 0);
        cr_assert(!*r.err, "%s", r.err);
        free_result(&r);
        want_file("m", "whole");
    }
}

/* Where the model finds no room, the checkpoint on another disk has it. */
Test(cli_checkpoint, a_model_that_cannot_be_written_is_in_the_checkpoint)
{
    write_flowers("d.csv", 90, 1, true);
    const char *const line = TRAIN "m --device reference --hidden 300,300";
    result r = command(line);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; mv m whole; touch m; exec unshare -m sh -c '"
              "mkdir disk; mount -t tmpfs -o size=100k none disk || exit 77; "
              "ln -sf disk/m m; " CLI " %s --checkpoint c'; rm m",
              folder, line);
    if (r.code == 77 || strstr(r.err, "unshare")) {
        free_result(&r);
        cr_skip_test("no small disk can be mounted here");
    }
    assert_code(r, 1);
    assert_has(r.err, "nothing is lost: the same command with --resume c saves it");
    free_result(&r);
    r = shell("cd %s; rm m; exec " CLI " %s --checkpoint c --resume c", folder, line);
    assert_code(r, 0);
    free_result(&r);
    want_file("m", "whole");
}

Test(cli_checkpoint, a_file_size_limit_is_told_and_survived)
{
    write_flowers("d.csv", 90, 1, true);
    result r = shell("cd %s; ulimit -f 4; exec " CLI
                     " train d.csv --hidden 100 --epochs 3 --device reference --checkpoint c "
                     "--checkpoint-every 1epoch",
                     folder);
    assert_code(r, 1);
    assert_has(r.err, "backprop: warning: no checkpoint: c: cannot be written: File too large; the "
                      "training goes on, and tries again");
    assert_has(r.err, "epoch 3/3");
    free_result(&r);
    cr_assert(!exists("c"));
    cr_assert_eq(files_in_folder(), 1);
}

/* ---- the command that repeats a training -------------------------------------------------------
 */

static char *repeat_of(const char *model, const char **obstacle)
{
    static char text[4096], why[512];
    result r = shell("cd %s; exec " CLI " info %s --json", folder, model);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    snprintf(text, sizeof text, "%s", json_string_value(json_object_get(json, "repeat")));
    const char *found = json_string_value(json_object_get(json, "unrepeatable"));
    snprintf(why, sizeof why, "%s", found ? found : "");
    if (obstacle) *obstacle = found ? why : NULL;
    json_decref(json);
    free_result(&r);
    return text;
}

/* Runs what info prints, as text, with `backprop` in the PATH. */
static void want_repeated(const char *model)
{
    const char *obstacle;
    (void)repeat_of(model, &obstacle);
    cr_assert_null(obstacle, "%s", obstacle);
    result r = shell("cd %s; mkdir -p bin; ln -sf " CLI " bin/backprop; cp %s before; rm %s; "
                     "PATH=\"$PWD/bin:$PATH\"; backprop info before > text; "
                     "sed -n 's/^repeat *//p' text > line; test -s line && sh ./line",
                     folder, model, model);
    assert_code(r, 0);
    free_result(&r);
    want_file(model, "before");
}

Test(cli_checkpoint, the_command_that_info_prints_makes_the_same_file)
{
    write_flowers("d.csv", 90, 1, true);
    write_flowers("it's \"odd\".csv", 60, 2, true);
    write_flowers("\xff\x01 %s\\.csv", 60, 3, true);
    write_prices("p.csv", 80, 1);
    write_picture_folder("pictures");
    result r = shell("cd %s; gzip -kc d.csv > d.csv.gz", folder);
    free_result(&r);
    const char *const lines[] = {
        "train d.csv --hidden 8 --epochs 3 -q -o m",
        "train d.csv --hidden '' --epochs 3 -q -o 'm' --validation-split 0.25 --seed 9",
        "train d.csv \"it's \\\"odd\\\".csv\" --hidden 8 --epochs 2 -qom",
        "train --epochs=2 -q -o m -- d.csv.gz",
        "train p.csv --target price --epochs 2 --optimizer sgd --lr 0.01 -q -o m --test p.csv",
        "train pictures --epochs 2 -q -o m --checkpoint c --checkpoint-every 2steps",
        "train \"$(printf '\\377\\001 %%s\\\\.csv')\" --hidden 8 --epochs 2 -q -o m",
    };
    for (int d = 0; d < DEVICES; ++d)
        for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
            r = shell("cd %s; rm -f c c.previous; BACKPROP_DEVICE=%s exec " CLI " %s", folder,
                      devices[d], lines[i]);
            assert_code(r, 0);
            free_result(&r);
            want_repeated("m");
        }
}

Test(cli_checkpoint, records_say_what_it_came_from)
{
    write_flowers("d.csv", 90, 1, true);
    write_picture_folder("pictures");
    result r = command("train pictures --epochs 1 -q -o m --device auto");
    assert_code(r, 0);
    free_result(&r);
    r = command("info m --json");
    json_t *json = json_of(&r);
    const json_t *records = want_key(json, "records", "o");
    const char *files = json_string_value(want_key(records, "files", "s"));
    const char *const names[] = {"train-images", "train-labels", "t10k-images", "t10k-labels"};
    for (int i = 0; i < 4; ++i) assert_has(files, names[i]);
    want_key(records, "driver", "s");
    want_key(json, "checkpoint", "0");
    json_decref(json);
    free_result(&r);
    r = command("info m");
    assert_has(r.out, "files:\n    ");
    free_result(&r);
    /* What cannot be repeated says so. */
    r = shell("cd %s; exec " CLI " train - --epochs 1 -q -o m --device reference < d.csv", folder);
    assert_code(r, 0);
    free_result(&r);
    const char *obstacle;
    (void)repeat_of("m", &obstacle);
    cr_assert_str_eq(obstacle, "data came from standard input");
    r = command("info m");
    assert_has(r.out, "not the same bit for bit: data came from standard input");
    free_result(&r);
    process p = start("cd %s; exec " CLI " train d.csv --device reference --epochs 100000 -o m "
                      "--checkpoint c",
                      folder);
    read_until(&p, "epoch ");
    kill(p.pid, SIGTERM);
    r = finish(&p);
    assert_code(r, 143);
    free_result(&r);
    (void)repeat_of("m", &obstacle);
    cr_assert_str_eq(obstacle, "it was stopped before its end");
    (void)repeat_of("c", &obstacle);
    cr_assert_null(obstacle, "a checkpoint is gone on from");
    /* Gone on with elsewhere. */
    r = shell("cd %s; cp d.csv e.csv; rm -f c c.*; " CLI
              " train d.csv -q --device reference --epochs 2 "
              "--checkpoint c && exec " CLI " train d.csv --device auto --epochs 3 --resume c -o m",
              folder);
    assert_code(r, 0);
    assert_has(r.err, "the end will not be the same bit for bit");
    free_result(&r);
    (void)repeat_of("m", &obstacle);
    cr_assert_str_eq(obstacle, "it was begun on another device; it was begun on another driver");
}

/* A training that ends before its first checkpoint names none. */
Test(cli_checkpoint, a_checkpoint_that_was_not_written_is_not_named)
{
    write_flowers("d.csv", 30, 1, true);
    result r = command("train d.csv --device reference -q --json --optimizer sgd --lr 1e30 "
                       "--epochs 3 --hidden 4 --checkpoint c");
    assert_code(r, 5);
    json_t *json = json_of(&r);
    want_key(json, "checkpoint", "0");
    json_decref(json);
    free_result(&r);
    r = command("train d.csv --device reference -q --json --epochs 3 --checkpoint c");
    assert_code(r, 0);
    json = json_of(&r);
    cr_assert_str_eq(json_string_value(want_key(json, "checkpoint", "s")), "c");
    json_decref(json);
    free_result(&r);
}
