/* test_cli_predict.c - `backprop predict` as a tool: rows answered as they come, the forms of
 * answers, rows that cannot be read, outputs that cannot be written. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_predict, .init = make_folder, .fini = remove_folder, .timeout = 120);

#define PREDICT "cd %s && exec " CLI " predict m "
#define REFERENCE " --device reference"

static void write_rows(const char *name, int rows)
{
    FILE *file = fopen(path_of(name), "w");
    unsigned seed = 5;
    fputs("id,length,width,colour\n", file);
    for (int i = 0; i < rows; ++i)
        fprintf(file, "r%d,%.3f,%.3f,%s\n", i, 2.0 * (i % 3) + noise(&seed),
                5.0 - 3.0 * (i % 3) + noise(&seed), i % 2 ? "red" : "white");
    fclose(file);
}

/* The next line of fd within 20 seconds. */
static void read_line(int fd, char *line, size_t size)
{
    size_t used = 0;
    while (used + 1 < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        cr_assert_gt(poll(&p, 1, 20000), 0, "no answer; so far: %.*s", (int)used, line);
        cr_assert_eq(read(fd, line + used, 1), 1, "the end; so far: %.*s", (int)used, line);
        if (line[used] == '\n') break;
        ++used;
    }
    line[used] = '\0';
}

/* The command with pipes on both sides. */
typedef struct coprocess {
    pid_t pid;
    int to, from;
} coprocess;

static coprocess open_coprocess(const char *options)
{
    int in[2], out[2];
    char line[1024];
    cr_assert(pipe(in) == 0 && pipe(out) == 0);
    snprintf(line, sizeof line, "cd %s && exec " CLI " predict m - -q %s", folder, options);
    const coprocess c = {fork(), in[1], out[0]};
    if (c.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int fd = 3; fd < 64; ++fd) close(fd);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    return c;
}

static void say(const coprocess *c, const char *text)
{
    cr_assert_eq(write(c->to, text, strlen(text)), (ssize_t)strlen(text));
}

/* Each row is answered before the next one is there, also one whose line comes in two pieces. */
Test(cli_predict, an_open_pipe_is_answered_row_by_row)
{
    char line[256];
    train_flowers("m");
    const char *const devices[] = {REFERENCE, "--device auto"};
    for (int d = 0; d < 2; ++d) {
        coprocess c = open_coprocess(devices[d]);
        say(&c, "length,width,colour\n");
        const char *const rows[] = {"0,5,red\n", "2,2,red\n", "4,-1,white\n"};
        const char *const kinds[] = {"rose", "tulip", "daisy"};
        for (int i = 0; i < 9; ++i) {
            say(&c, rows[i % 3]);
            read_line(c.from, line, sizeof line);
            cr_assert_str_eq(line, kinds[i % 3]);
        }
        say(&c, "0,5");
        say(&c, ",red\n2,2,\"re");
        read_line(c.from, line, sizeof line);
        cr_assert_str_eq(line, "rose");
        say(&c, "d\"\n");
        read_line(c.from, line, sizeof line);
        cr_assert_str_eq(line, "tulip");
        say(&c, "4,-1,white"); /* no line end: it ends with the input */
        close(c.to);
        read_line(c.from, line, sizeof line);
        cr_assert_str_eq(line, "daisy");
        int status;
        cr_assert_eq(waitpid(c.pid, &status, 0), c.pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close(c.from);
    }
    coprocess c = open_coprocess(REFERENCE " --to jsonl --keep 4 --on-error blank");
    say(&c, "length,width,colour,id\n0,5,red,a\nx,5,red,b\n");
    read_line(c.from, line, sizeof line);
    assert_has(line, "{\"id\": \"a\", \"prediction\": \"rose\", \"probability\": 0.");
    read_line(c.from, line, sizeof line);
    assert_has(line, "{\"prediction\": null, \"error\": \"standard input, line 3, column");
    say(&c, "2,2,red,c\n");
    read_line(c.from, line, sizeof line);
    assert_has(line, "{\"id\": \"c\", \"prediction\": \"tulip\"");
    close(c.to);
    close(c.from);
    waitpid(c.pid, NULL, 0);
}

/* All forms say the same; the probabilities are those of --proba. */
Test(cli_predict, forms)
{
    train_flowers("m");
    write_rows("d.csv", 40);
    result lines = shell(PREDICT "d.csv -q" REFERENCE, folder);
    result proba = shell(PREDICT "d.csv -q --proba" REFERENCE, folder);
    result csv = shell(PREDICT "d.csv --keep id,length --to csv" REFERENCE, folder);
    result jsonl = shell(PREDICT "d.csv --to jsonl --keep id --proba --top-k 2" REFERENCE, folder);
    result top = shell(PREDICT "d.csv -q --top-k 3" REFERENCE, folder);
    assert_code(csv, 0);
    assert_code(jsonl, 0);
    assert_has_not(csv.err, "\"id\" is not known");
    assert_has(csv.out, "id,length,prediction\nr0,0.");
    assert_has(top.out, "class_1,probability_1,class_2,probability_2,class_3,probability_3\n");
    assert_has(proba.out, "daisy,rose,tulip\n");
    char *a, *b, *c, *d, *e;
    const char *line = strtok_r(lines.out, "\n", &a), *p = strtok_r(proba.out, "\n", &b);
    const char *j = strtok_r(jsonl.out, "\n", &c), *v = strtok_r(csv.out, "\n", &d);
    const char *t = strtok_r(top.out, "\n", &e);
    for (int i = 0; i < 40; ++i, line = strtok_r(NULL, "\n", &a), j = strtok_r(NULL, "\n", &c)) {
        double y[3];
        char wanted[64], id[16];
        p = strtok_r(NULL, "\n", &b);
        v = strtok_r(NULL, "\n", &d);
        t = strtok_r(NULL, "\n", &e);
        cr_assert(line && p && j && v && t, "row %d is missing", i);
        cr_assert_eq(sscanf(p, "%lf,%lf,%lf", &y[0], &y[1], &y[2]), 3);
        snprintf(id, sizeof id, "r%d", i);
        cr_assert(strncmp(v, id, strlen(id)) == 0 && v[strlen(id)] == ',', "%s", v);
        snprintf(wanted, sizeof wanted, ",%s", line);
        cr_assert_str_eq(strrchr(v, ','), wanted);
        json_t *json = json_loads(j, 0, NULL);
        cr_assert_str_eq(json_string_value(json_object_get(json, "id")), id);
        cr_assert_str_eq(json_string_value(json_object_get(json, "prediction")), line);
        const json_t *all = json_object_get(json, "probabilities"),
                     *two = json_object_get(json, "top");
        cr_assert_eq(want_number(all, "daisy"), y[0]);
        cr_assert_eq(want_number(all, "tulip"), y[2]);
        cr_assert_eq(json_array_size(two), 2);
        const double best = fmax(y[0], fmax(y[1], y[2]));
        cr_assert_eq(want_number(json, "probability"), best);
        cr_assert_eq(want_number(json_array_get(two, 0), "probability"), best);
        const double second = want_number(json_array_get(two, 1), "probability");
        cr_assert(second <= best && second >= fmin(y[0], fmin(y[1], y[2])));
        char first[16];
        double ranked[3];
        cr_assert_eq(sscanf(t, "%15[a-z],%lf,%*[a-z],%lf,%*[a-z],%lf", first, &ranked[0],
                            &ranked[1], &ranked[2]),
                     4, "%s", t);
        cr_assert_str_eq(first, line);
        cr_assert(ranked[0] >= ranked[1] && ranked[1] >= ranked[2], "%s", t);
        const double sum = ranked[0] + ranked[1] + ranked[2];
        cr_assert_float_eq(sum, 1, 1e-6);
        json_decref(json);
    }
    cr_assert(!line && !j);
    free_result(&lines);
    free_result(&proba);
    free_result(&csv);
    free_result(&jsonl);
    free_result(&top);
}

/* An NPY file: its header read by hand, its numbers against CSV's. */
static size_t read_npy(const char *name, const char *descr, const char *shape, void *to,
                       size_t size)
{
    char header[129] = "";
    FILE *file = fopen(path_of(name), "rb");
    cr_assert(file && fread(header, 1, 128, file) == 128);
    cr_assert(memcmp(header, "\x93NUMPY\x01\x00\x76\x00", 10) == 0 && header[127] == '\n');
    assert_has(header + 10, descr);
    assert_has(header + 10, shape);
    const size_t got = fread(to, 1, size, file);
    cr_assert_eq(fgetc(file), EOF);
    fclose(file);
    return got;
}

Test(cli_predict, npy)
{
    static float p[3 * 90];
    static int64_t k[90];
    static double v[50];
    train_flowers("m");
    result r = shell("cd %s && " CLI " predict m flowers.csv -q --proba -o p.npy" REFERENCE
                     " && " CLI " predict m flowers.csv -q -o k.NPY" REFERENCE,
                     folder);
    assert_code(r, 0);
    free_result(&r);
    cr_assert_eq(read_npy("p.npy", "'<f4'", "(90, 3)", p, sizeof p), sizeof p);
    cr_assert_eq(read_npy("k.NPY", "'<i8'", "(90,)", k, sizeof k), sizeof k);
    r = shell("cd %s && " CLI " predict m flowers.csv -q --proba" REFERENCE " | tail -n +2",
              folder);
    const char *line = r.out;
    for (int i = 0; i < 90; ++i, line = strchr(line, '\n') + 1) {
        float y[3];
        cr_assert_eq(sscanf(line, "%f,%f,%f", &y[0], &y[1], &y[2]), 3);
        cr_assert_arr_eq(y, p + 3 * i, sizeof y);
        cr_assert(k[i] >= 0 && k[i] < 3 && y[k[i]] == fmaxf(y[0], fmaxf(y[1], y[2])));
    }
    free_result(&r);
    write_prices("prices.csv", 50, 3);
    r = shell("cd %s && " CLI " train prices.csv -q --epochs 2 -o m >t" REFERENCE " && " CLI
              " predict m prices.csv -q -o v.npy" REFERENCE " && " CLI
              " predict m prices.csv -q" REFERENCE " && " CLI
              " predict m prices.csv -q -o v.csv" REFERENCE " && head -n 1 v.csv",
              folder);
    assert_code(r, 0);
    cr_assert_eq(read_npy("v.npy", "'<f8'", "(50,)", v, sizeof v), sizeof v);
    line = r.out;
    for (int i = 0; i < 50; ++i, line = strchr(line, '\n') + 1)
        cr_assert_float_eq(v[i], atof(line), 1e-8 * fabs(v[i]));
    cr_assert_str_eq(line, "price\n", "the target's name heads the column");
    free_result(&r);
}

Test(cli_predict, thresholds)
{
    /* Of two classes: the second from F on. */
    FILE *file = fopen(path_of("two.csv"), "w");
    fputs("x,kind\n", file);
    for (int i = 0; i < 100; ++i) fprintf(file, "%d,%s\n", i, i < 50 ? "no" : "yes");
    fclose(file);
    result r = shell("cd %s && " CLI " train two.csv -q --epochs 2 -o m >t" REFERENCE " && " CLI
                     " predict m two.csv -q --proba" REFERENCE,
                     folder);
    assert_code(r, 0);
    int above = 0;
    const char *line = strchr(r.out, '\n') + 1;
    for (int i = 0; i < 100; ++i, line = strchr(line, '\n') + 1)
        above += atof(strchr(line, ',') + 1) >= 0.55;
    cr_assert(above > 0 && above < 100, "%d", above);
    free_result(&r);
    r = shell("cd %s && " CLI " predict m two.csv -q --threshold 0.55" REFERENCE
              " | grep -c yes; " CLI " predict m two.csv -q --threshold 0" REFERENCE
              " | grep -c yes; " CLI " predict m two.csv --threshold 1" REFERENCE " | grep -c no",
              folder);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%d\n100\n100\n", above);
    cr_assert_str_eq(r.out, wanted);
    assert_has(r.err, "right in 50.00 % of 100 rows");
    free_result(&r);
    /* Of more: no answer below it. */
    train_flowers("m");
    r = shell(PREDICT "flowers.csv -q --threshold 1 --to jsonl" REFERENCE, folder);
    assert_has(r.out, "{\"prediction\": null, \"probability\": 0.");
    assert_has_not(r.out, "\"prediction\": \"");
    free_result(&r);
    r = shell("cd %s && " CLI " predict m flowers.csv -q --threshold 1" REFERENCE " | sort -u",
              folder);
    cr_assert_str_eq(r.out, "\n");
    free_result(&r);
}

/* ---- rows that cannot be read -----------------------------------------------------------------
 */

Test(cli_predict, bad_rows)
{
    train_flowers("m");
    write_text("d.csv", "length,width,colour\n0,5,red\n2,two,red\n4,-1,white\n1,2\n2,2,red\n");
    result r = shell(PREDICT "d.csv" REFERENCE, folder);
    assert_code(r, 3);
    cr_assert_str_eq(r.out, "rose\n", "the rows before it have their answers");
    assert_has(r.err, "d.csv, line 3, column \"width\": \"two\" is not a number");
    assert_has(r.err, "--on-error skip");
    free_result(&r);
    r = shell(PREDICT "d.csv --on-error skip" REFERENCE, folder);
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "rose\ndaisy\ntulip\n");
    assert_has(r.err, "line 3, column \"width\"");
    assert_has(r.err, "line 5: 2 cells found, 3 expected as on line 1");
    assert_has(r.err, "2 rows could not be read and are left out");
    free_result(&r);
    r = shell(PREDICT "d.csv --on-error blank --proba -q" REFERENCE, folder);
    assert_code(r, 0);
    cr_assert_str_empty(r.err);
    assert_has(r.out, "\n,,\n0.");
    free_result(&r);
    r = shell(PREDICT "d.csv --on-error blank -q -o n.npy" REFERENCE, folder);
    assert_code(r, 0);
    int64_t k[5];
    cr_assert_eq(read_npy("n.npy", "'<i8'", "(5,)", k, sizeof k), sizeof k);
    cr_assert(k[0] == 1 && k[1] == -1 && k[2] == 0 && k[3] == -1 && k[4] == 2);
    free_result(&r);
    r = shell(PREDICT "d.csv --on-error blank --json -q" REFERENCE, folder);
    assert_code(r, 0);
    json_t *json = json_of(&r);
    cr_assert_eq(want_number(json, "samples"), 3);
    cr_assert_eq(want_number(json, "unreadable"), 2);
    cr_assert(json_is_null(json_array_get(json_object_get(json, "predictions"), 1)));
    json_decref(json);
    free_result(&r);
    /* With a file, nothing is written where the command stops; an older one stays. */
    write_text("old.csv", "old\n");
    r = shell(PREDICT "d.csv -o old.csv" REFERENCE, folder);
    assert_code(r, 3);
    assert_has(r.err, "nothing is written");
    free_result(&r);
    r = shell("cat %s; ls -A %s | grep -c tmp", path_of("old.csv"), folder);
    cr_assert_str_eq(r.out, "old\n0\n");
    free_result(&r);
    /* The first twenty are named, all are counted. */
    r = shell("cd %s && (echo length,width,colour; yes x,2,red | head -n 500; echo 0,5,red) | " CLI
              " predict m - --on-error skip" REFERENCE,
              folder);
    assert_code(r, 0);
    cr_assert_str_eq(r.out, "rose\n");
    assert_has(r.err, "line 21, column");
    assert_has_not(r.err, "line 22, column");
    assert_has(r.err, "500 rows could not be read");
    free_result(&r);
    r = shell("cd %s && (echo length,width,colour; echo x,2,red) | " CLI
              " predict m - --on-error skip" REFERENCE,
              folder);
    assert_code(r, 3);
    assert_has(r.err, "no row could be read");
    free_result(&r);
    r = shell("cd %s && printf 'length,breadth,colour\\n1,2,red\\n' | " CLI
              " predict m - --on-error skip" REFERENCE,
              folder);
    assert_code(r, 3);
    assert_has(r.err, "standard input: the model's columns \"width\"");
    free_result(&r);
}

Test(cli_predict, wrong_usage)
{
    train_flowers("m");
    write_rows("d.csv", 5);
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"d.csv --to npy", "-o FILE", 2},
        {"d.csv -o x.npy --keep id", "--keep", 2},
        {"d.csv -o x.npy --top-k 2", "--top-k", 2},
        {"d.csv --to lines --proba", "--to csv has space for --proba", 2},
        {"d.csv --to csv --proba --top-k 2", "exclude each other", 2},
        {"d.csv --top-k 2 --threshold 0.9", "--threshold and --top-k exclude each other", 2},
        {"d.csv --top-k 4", "the model has 3 classes", 2},
        {"d.csv --top-k 0", "--top-k", 2},
        {"d.csv --threshold 1.5", "--threshold", 2},
        {"d.csv --to josnl", "did you mean 'jsonl'", 2},
        {"d.csv --on-error ignore", "--on-error", 2},
        {"d.csv --keep it", "no column \"it\"", 3},
        {"d.csv --json --to csv", "exclude each other", 2},
        {"d.csv --json --keep id", "exclude each other", 2},
        {"d.csv d.csv --keep id", "a single CSV file", 3},
        {"d.csv -o d.csv", "overwrite", 2},
        {"d.csv -o /nowhere/x.csv", "/nowhere/x.csv", 1},
        {". --keep id", "", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell(PREDICT "%s" REFERENCE, folder, cases[i].line);
        cr_assert_eq(r.code, cases[i].code, "%s: %d, %s", cases[i].line, r.code, r.err);
        cr_assert(strstr(r.err, cases[i].says), "%s: %s", cases[i].line, r.err);
        cr_assert_str_empty(r.out);
        free_result(&r);
    }
    write_prices("p.csv", 20, 1);
    result r = shell("cd %s && " CLI " train p.csv -q --epochs 1 -o q >t" REFERENCE " && for o in "
                     "--proba '--top-k 1' '--threshold 0.5' '--names a'; do " CLI
                     " predict q p.csv $o" REFERENCE "; echo $?; done",
                     folder);
    cr_assert_str_eq(r.out, "2\n2\n2\n2\n");
    assert_has(r.err, "--threshold is for classes, this model has none");
    free_result(&r);
}

/* ---- outputs that go away ---------------------------------------------------------------------
 */

Test(cli_predict, outputs_that_cannot_be_written)
{
    train_flowers("m");
    write_rows("many.csv", 200000);
    result r = shell(PREDICT "many.csv -q --proba" REFERENCE " >/dev/full", folder);
    assert_code(r, 1);
    assert_has(r.err, "standard output: cannot be written: No space left on device");
    cr_assert_lt(r.seconds, 20);
    free_result(&r);
    write_text("o.csv", "old\n");
    r = shell("cd %s && (ulimit -f 64; exec " CLI " predict m many.csv -q -o o.csv" REFERENCE ")",
              folder);
    assert_code(r, 1);
    assert_has(r.err, "o.csv: cannot be written: File too large");
    free_result(&r);
    /* A reader that has seen enough ends it, and so does a signal; nothing is left behind. */
    r = shell("cd %s && (" CLI " predict m many.csv -q" REFERENCE "; echo $? >code) | head -n 1; "
              "cat code",
              folder);
    cr_assert(strstr(r.out, "\n141\n"), "%s", r.out);
    cr_assert_str_empty(r.err);
    free_result(&r);
    coprocess c = open_coprocess("-o o.csv" REFERENCE);
    say(&c, "0,5,red\n");
    r = shell("for i in $(seq 100); do ls -A %s | grep tmp && break; sleep 0.1; done", folder);
    assert_has(r.out, "o.csv.tmp-");
    free_result(&r);
    int status;
    cr_assert_eq(kill(c.pid, SIGTERM), 0);
    cr_assert_eq(waitpid(c.pid, &status, 0), c.pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(c.to);
    close(c.from);
    r = shell("cat %s; ls -A %s | grep -c tmp", path_of("o.csv"), folder);
    cr_assert_str_eq(r.out, "old\n0\n");
    free_result(&r);
}

/* The memory does not grow with the file. */
Test(cli_predict, memory_stays_flat)
{
#if defined(__SANITIZE_ADDRESS__)
    cr_skip_test("the sanitizers' memory is counted too");
#endif
    train_flowers("m");
    write_rows("many.csv", 400000);
    const char *format = "cd %s && for i in 1 8; do (head -n 1 many.csv; for k in $(seq $i); do "
                         "tail -n +2 many.csv; done) | (ulimit -v 200000; exec " CLI
                         " predict m - -q" REFERENCE ") | wc -l; done";
    result r = shell(format, folder);
    cr_assert_str_eq(r.out, "400000\n3200000\n", "%s%s", r.out, r.err);
    free_result(&r);
}
