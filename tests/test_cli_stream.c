/* test_cli_stream.c - `backprop train` and `eval` on data that stays on disk: the same models,
 * memory that does not grow with the file, words about what was chosen. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE /* wait4 */
#include <sys/resource.h>

#include "cli/run.h"

TestSuite(cli_stream, .init = make_folder, .fini = remove_folder, .timeout = 300);

#define QUICK "--device reference --hidden 4 --epochs 2 --batch 64"

/* `rows` rows of 20 numbers and a class. */
static void write_rows(const char *name, int rows)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    for (int r = 0; r < rows; ++r) {
        for (int k = 0; k < 20; ++k) fprintf(file, "%.5f,", sin(r * 1.1 + k * 2.3));
        fprintf(file, "%s\n", r % 3 ? "yes" : "no");
    }
    fclose(file);
}

/* The tensors of a model: all but its header, where the command is recorded. */
static char *tensors_of(const char *name, size_t *size)
{
    uint64_t header = 0;
    FILE *file = fopen(path_of(name), "rb");
    cr_assert_not_null(file, "%s", name);
    cr_assert_eq(fread(&header, sizeof header, 1, file), 1);
    fseek(file, (long)header, SEEK_CUR);
    char *bytes = malloc(TEXT);
    *size = fread(bytes, 1, TEXT, file);
    fclose(file);
    return bytes;
}

static void assert_same_model(const char *a, const char *b)
{
    size_t sizes[2];
    char *tensors[] = {tensors_of(a, &sizes[0]), tensors_of(b, &sizes[1])};
    cr_assert_eq(sizes[0], sizes[1]);
    cr_assert_gt(sizes[0], 100);
    cr_assert_eq(memcmp(tensors[0], tensors[1], sizes[0]), 0);
    free(tensors[0]);
    free(tensors[1]);
}

Test(cli_stream, the_model_is_that_of_a_resident_training)
{
    write_rows("d.csv", 30000); /* more than one block of the parser */
    write_rows("t.csv", 200);
    const char *const streams[] = {"no", "yes"};
    char *results[2];
    for (int i = 0; i < 2; ++i) {
        result r = shell("exec " CLI " train %s --stream %s --shuffle blocks --window 3200 "
                         "--validation-split 0.2 --test %s " QUICK " -o %s",
                         path_of("d.csv"), streams[i], path_of("t.csv"), path_of(streams[i]));
        assert_code(r, 0);
        if (i == 1) assert_has(r.err, "read in");
        if (i == 1) assert_has(r.out, "shuffle blocks");
        results[i] = strdup(strstr(r.out, "training"));
        *strstr(results[i], "speed") = '\0';
        free_result(&r);
    }
    cr_assert_str_eq(results[0], results[1]);
    assert_same_model("no", "yes");
    free(results[0]);
    free(results[1]);
    char *evaluated[2];
    for (int i = 0; i < 2; ++i) {
        result r = shell("exec " CLI " eval %s %s --stream %s --device reference", path_of("no"),
                         path_of("d.csv"), streams[i]);
        assert_code(r, 0);
        evaluated[i] = strdup(r.out);
        free_result(&r);
    }
    cr_assert_str_eq(evaluated[0], evaluated[1]);
    free(evaluated[0]);
    free(evaluated[1]);
}

/* Broken off within an epoch, and gone on with in both ways. */
Test(cli_stream, checkpoints_are_gone_on_from_with_and_without_a_stream)
{
    write_rows("d.csv", 3000); /* 38 steps an epoch, 7 a window */
    const struct {
        const char *first, *then;
    } ways[] = {
        {"--stream yes", "--stream yes"},
        {"--stream yes", "--stream no"}, /* auto: the order that the checkpoint has */
        {"--stream yes", "--stream no --shuffle blocks"},
        {"--stream no --shuffle blocks", "--stream yes"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; ++i) {
        const char rest[] = QUICK " --window 500 --validation-split 0.2 -q";
        result r = shell("cd %s; rm -f c c.* && " CLI " train d.csv %s -o whole %s && " CLI
                         " train d.csv %s --epochs 1 --checkpoint c --checkpoint-every 23steps %s",
                         folder, ways[i].first, rest, ways[i].first,
                         "--device reference --hidden 4 --batch 64 --window 500 "
                         "--validation-split 0.2 -q");
        assert_code(r, 0);
        free_result(&r);
        r = shell("cd %s; " CLI " info c.previous", folder);
        assert_has(r.out, "checkpoint  after epoch 0 of 1 and step 23 of 38");
        free_result(&r);
        r = shell("cd %s; exec " CLI " train d.csv %s --resume c.previous -o rest %s", folder,
                  ways[i].then, rest);
        assert_code(r, 0);
        free_result(&r);
        assert_same_model("whole", "rest");
    }
    /* The same command has the same record, whether it was broken off or not. */
    const char *const chosen[] = {"--stream yes", "--memory 50K"};
    for (int i = 0; i < 2; ++i) {
        result r =
            shell("cd %s; t() { " CLI " train d.csv -o m -q %s " QUICK " $*; }; rm -f c c.*; "
                  "t && mv m whole && t --checkpoint c --checkpoint-every 23steps && rm m && "
                  "t --resume c.previous && cmp m whole",
                  folder, chosen[i]);
        assert_code(r, 0);
        free_result(&r);
    }
    result r = shell("cd %s; rm -f c c.*; " CLI " train d.csv --stream yes --window 500 -q "
                     "--validation-split 0.2 --checkpoint c " QUICK,
                     folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; exec " CLI " train d.csv --stream no --shuffle all --window 500 "
              "--validation-split 0.2 " QUICK " --resume c",
              folder);
    assert_code(r, 3);
    assert_has(r.err, "shuffle is all, in the checkpoint blocks");
    free_result(&r);
}

/* What was chosen by the memory of the moment is in the command that info prints. */
Test(cli_stream, repeating_does_not_depend_on_memory)
{
    write_rows("d.csv", 300);
    result r = shell("cd %s; exec " CLI " train d.csv --memory 50K -o m " QUICK, folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; mv m whole; " CLI " info whole | grep ^repeat", folder);
    assert_has(r.out, "backprop train --shuffle blocks d.csv --memory 50K");
    free_result(&r);
    r = shell("cd %s; exec " CLI " train --shuffle blocks d.csv --memory 1G -o m " QUICK, folder);
    assert_code(r, 0);
    cr_assert_null(strstr(r.err, "streamed"), "%s", r.err);
    free_result(&r);
    assert_same_model("whole", "m");
    /* The files' fingerprints are the same, too. */
    r = shell("cd %s; for m in whole m; do " CLI " info $m | grep '^  files:' > $m.files; done; "
              "grep -E '[0-9a-f]{32}' m.files && cmp whole.files m.files",
              folder);
    assert_code(r, 0);
    free_result(&r);
}

/* Standard input is read once, from front to end. */
Test(cli_stream, a_pipe)
{
    write_rows("d.csv", 500);
    result r = shell("cat %s | " CLI " train - --stream yes --json -q " QUICK, path_of("d.csv"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_eq(want_number(json, "samples"), 500);
    cr_assert_str_eq(json_string_value(json_object_get(json, "shuffle")), "blocks");
    cr_assert_gt(json_number_value(json_object_get(json_object_get(json, "stream"), "bytes_kept")),
                 500 * 20 * 4);
    json_decref(json);
    free_result(&r);
}

static double peak_megabytes(const char *name)
{
    char line[1024];
    struct rusage usage;
    int status;
    /* A sanitizer would keep hold of what has been freed. */
    snprintf(line, sizeof line,
             "export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1; exec " CLI
             " train %s --stream yes --window 512 -q " QUICK,
             path_of(name));
    const pid_t pid = fork();
    if (pid == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    cr_assert_eq(wait4(pid, &status, 0, &usage), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return (double)usage.ru_maxrss / 1024;
}

/* Windows of 512 rows, so that they are full in both. */
Test(cli_stream, memory_does_not_grow_with_the_file)
{
    write_rows("small.csv", 60000);
    write_rows("large.csv", 240000);
    struct stat about;
    cr_assert_eq(stat(path_of("large.csv"), &about), 0);
    const double small = peak_megabytes("small.csv"), large = peak_megabytes("large.csv");
    cr_assert_lt(large - small, 12, "%.1f and %.1f MB", small, large);
}

/* A file without a name: nothing is there while it runs, nor after it was killed. */
Test(cli_stream, nothing_is_left_behind)
{
    write_rows("d.csv", 20000);
    result r = shell("mkdir %s; TMPDIR=%s timeout -s KILL 0.4 " CLI
                     " train %s --stream yes -q --device reference --epochs 100000; ls -A %s",
                     path_of("tmp"), path_of("tmp"), path_of("d.csv"), path_of("tmp"));
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "");
    free_result(&r);
}

Test(cli_stream, an_interrupted_training_is_kept)
{
    write_rows("d.csv", 20000);
    process p = start("cd %s; exec " CLI " train d.csv --stream yes --window 512 --hidden 4 "
                      "--device reference --epochs 100000 -o m",
                      folder);
    read_until(&p, "epoch ");
    kill(p.pid, SIGINT);
    result r = finish(&p);
    assert_code(r, 130);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --device reference", path_of("m"), path_of("d.csv"));
    assert_code(r, 0);
    free_result(&r);
}

Test(cli_stream, a_divergence_that_cannot_be_traced_says_so)
{
    write_rows("d.csv", 500);
    result r =
        shell("exec " CLI " train %s --stream yes --watch-gradients --lr 1e30 --optimizer sgd "
              "--activation linear " QUICK,
              path_of("d.csv"));
    assert_code(r, 5);
    assert_has(r.err, "the data is streamed, its steps cannot be taken again");
    free_result(&r);
}

Test(cli_stream, is_chosen_by_memory_and_said)
{
    write_rows("d.csv", 300);
    result r = shell("exec " CLI " train %s --memory 50K " QUICK, path_of("d.csv"));
    assert_code(r, 0);
    assert_has(r.err, "streamed from disk");
    assert_has(r.err, "allowed");
    free_result(&r);
    r = shell("exec " CLI " train %s --memory 1G " QUICK, path_of("d.csv"));
    assert_code(r, 0);
    cr_assert_null(strstr(r.err, "streamed"), "%s", r.err);
    free_result(&r);
}

Test(cli_stream, wrong_words)
{
    write_rows("d.csv", 300);
    const struct {
        const char *options;
        int code;
        const char *says;
    } cases[] = {
        {"--memory lots", 2, "'lots' is no size"},
        {"--memory 5X", 2, "'5X' is no size"},
        {"--stream maybe", 2, "--stream"},
        {"--stream yes --shuffle all", 2, "--shuffle blocks goes with both"},
        {"--shuffle blocks --no-shuffle", 2, "exclude each other"},
        {"--stream yes --stream-folder /nowhere", 1, "/nowhere"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("exec " CLI " train %s " QUICK " %s", path_of("d.csv"), cases[i].options);
        assert_code(r, cases[i].code);
        assert_has(r.err, cases[i].says);
        free_result(&r);
    }
}
