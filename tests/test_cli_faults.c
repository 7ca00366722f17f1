/* test_cli_faults.c - the command when things go wrong: bad files, no device, full disks, signals.
 * Each has its exit code, a message that says what to do, and leaves nothing half-written. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_faults, .init = make_folder, .fini = remove_folder, .timeout = 300);

/* One line that starts as all errors do; warnings may come before it. */
static void want_message(const result *r, const char *line, const char *says)
{
    const char *error = strstr(r->err, "backprop: error: ");
    cr_assert_not_null(error, "%s: no message: %s", line, r->err);
    cr_assert(strstr(error, says), "%s does not say \"%s\": %s", line, says, r->err);
    cr_assert(!strstr(r->err, "BP_ERROR"), "%s: a bare status: %s", line, r->err);
}

/* ---- data and models --------------------------------------------------------------------------
 */

Test(cli_faults, bad_data_exits_3_and_writes_nothing)
{
    write_flowers("ok.csv", 30, 1, true);
    write_pictures("images", "labels", 20, 1);
    write_pictures("images9", "labels9", 9, 1);
    write_text("empty.csv", "");
    write_text("header.csv", "a,b,c\n");
    write_text("ragged.csv", "a,b,c\n1,2,x\n1,2\n3,4,y\n");
    write_text("quote.csv", "a,b\n1,\"x\n2,y\n");
    write_text("one.csv", "a,b\n1,x\n2,x\n3,x\n");
    write_text("inf.csv", "a,b\n1,10.5\ninf,3.5\n3,7.25\n");
    write_text("badidx", "this is not an IDX file");
    const struct {
        const char *line, *says;
    } cases[] = {
        {"missing.csv", "missing.csv"},
        {".", "."},
        {"empty.csv", "empty.csv"},
        {"header.csv", "header.csv"},
        {"ragged.csv", "line 3"},
        {"quote.csv", "quote.csv"},
        {"one.csv", "class"},
        {"inf.csv", "inf"},
        {"ok.csv --target knd", "kind"},
        {"ok.csv --target 9", "9"},
        {"ok.csv --target kind --task regress", "kind"},
        {"ok.csv --validation missing.csv", "missing.csv"},
        {"ok.csv --test ragged.csv", "ragged.csv"},
        {"ok.csv --format idx", "IDX"},
        {"images --labels labels9", "labels9"},
        {"images --labels missing", "missing"},
        {"images --labels images", "images"},
        {"images", "label"},
        {"images --labels badidx", "badidx"},
    };
    int before = files_in_folder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; exec " CLI " train %s --device reference --epochs 1 -o m", folder,
                         cases[i].line);
        cr_assert_eq(r.code, 3, "%s: exit code %d: %s", cases[i].line, r.code, r.err);
        want_message(&r, cases[i].line, cases[i].says);
        cr_assert(!*r.out, "%s prints: %s", cases[i].line, r.out);
        cr_assert_eq(files_in_folder(), before, "%s leaves a file", cases[i].line);
        free_result(&r);
    }
}

Test(cli_faults, eval_and_predict_name_what_does_not_fit)
{
    train_flowers("m");
    write_pictures("images", "labels", 10, 1);
    write_text("other.csv", "weight,colour,kind\n1,red,rose\n");
    write_text("text.csv", "length,width,colour,kind\nlong,1,red,rose\n");
    write_text("label.csv", "length,width,colour,kind\n1,1,red,cactus\n");
    write_flowers("bare.csv", 6, 1, false);
    write_bytes("zip", "PK\3\4\0\0\10\10\0\0\0", 12);
    write_bytes("onnx", "\10\10\22\7pytorch\32", 12);
    const struct {
        const char *line, *says;
    } cases[] = {
        {"eval m other.csv", "length"},
        {"eval m text.csv", "long"},
        {"eval m label.csv", "cactus"},
        {"eval m bare.csv", "kind"},
        {"eval m images --labels labels", "images"},
        {"eval m missing.csv", "missing.csv"},
        {"eval missing flowers.csv", "missing"},
        {"eval flowers.csv flowers.csv", "flowers.csv"},
        {"eval . flowers.csv", "."},
        {"predict m other.csv -o out", "length"},
        {"predict m text.csv -o out", "long"},
        {"predict missing flowers.csv -o out", "missing"},
        {"info missing", "missing"},
        {"eval zip flowers.csv", "a zip archive, as torch.save writes"},
        {"eval flowers.csv zip", "it begins with text, as a table of data does"},
        {"info zip", "the zip archive is damaged or cut off"},
        {"info onnx", "an ONNX file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; BACKPROP_DEVICE=reference exec " CLI " %s", folder, cases[i].line);
        cr_assert_eq(r.code, 3, "%s: exit code %d: %s", cases[i].line, r.code, r.err);
        want_message(&r, cases[i].line, cases[i].says);
        cr_assert(!*r.out, "%s prints: %s", cases[i].line, r.out);
        cr_assert(!exists("out"));
        free_result(&r);
    }
}

Test(cli_faults, every_truncation_of_a_model_is_refused)
{
    train_flowers("m");
    result r = shell("stat -c %%s %s", path_of("m"));
    int size = atoi(r.out);
    free_result(&r);
    cr_assert_gt(size, 500);
    for (int cut = 0; cut < size; cut += cut < 16 ? 1 : 97) {
        r = shell("cd %s; head -c %d m > cut; exec " CLI " info cut --json", folder, cut);
        cr_assert_eq(r.code, 3, "%d bytes: exit code %d", cut, r.code);
        want_message(&r, "info", "cut");
        free_result(&r);
    }
}

Test(cli_faults, missing_values_are_counted_in_a_warning)
{
    write_text("d.csv", "a,b,kind\n1,2,x\nNaN,3,y\n2,,x\n3,4,y\n1,2,x\n5,6,y\n");
    result r = shell("exec " CLI " train %s --device reference --epochs 1", path_of("d.csv"));
    assert_code(r, 0);
    assert_has(r.err, "backprop: warning: ");
    assert_has(r.err, "2 missing cells");
    free_result(&r);
    r = shell("exec " CLI " train %s --device reference --epochs 1 -q", path_of("d.csv"));
    assert_code(r, 0);
    cr_assert(!*r.err, "%s", r.err);
    free_result(&r);
}

/* ---- devices ----------------------------------------------------------------------------------
 */

Test(cli_faults, unknown_device_exits_4_and_lists_what_exists)
{
    train_flowers("m");
    const char *const lines[] = {"train flowers.csv", "eval m flowers.csv",
                                 "predict m flowers.csv"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        result r = shell("cd %s; exec " CLI " %s --device banana", folder, lines[i]);
        assert_code(r, 4);
        want_message(&r, lines[i], "banana");
        assert_has(r.err, "reference");
        free_result(&r);
        r = shell("cd %s; BACKPROP_DEVICE=9:9 exec " CLI " %s", folder, lines[i]);
        assert_code(r, 4);
        assert_has(r.err, "\"9:9\", which the environment's BACKPROP_DEVICE names");
        free_result(&r);
    }
}

Test(cli_faults, without_opencl_the_reference_works)
{
    write_flowers("d.csv", 60, 1, true);
    const char *const absences[] = {"BACKPROP_OPENCL_LIBRARY=/nonexistent/libOpenCL.so",
                                    "OCL_ICD_VENDORS=/nonexistent"};
    for (size_t i = 0; i < sizeof absences / sizeof *absences; ++i) {
        result r = shell("exec env %s " CLI " devices --json", absences[i]);
        assert_code(r, 0);
        assert_has(r.err, "OpenCL");
        json_t *list = json_of(&r);
        cr_assert_eq(json_array_size(list), 1);
        json_decref(list);
        free_result(&r);
        r = shell("exec env %s " CLI " train %s --device reference --epochs 1 -q", absences[i],
                  path_of("d.csv"));
        assert_code(r, 0);
        free_result(&r);
        r = shell("exec env %s " CLI " train %s --epochs 1 -q", absences[i], path_of("d.csv"));
        assert_code(r, 0);
        assert_has(r.out, "reference");
        free_result(&r);
        r = shell("exec env %s " CLI " train %s --device gpu --epochs 1 -q -o %s", absences[i],
                  path_of("d.csv"), path_of("m"));
        assert_code(r, 4);
        want_message(&r, "--device gpu", "reference");
        cr_assert(!exists("m"));
        free_result(&r);
    }
}

/* ---- outputs ----------------------------------------------------------------------------------
 */

Test(cli_faults, unwritable_output_is_found_before_the_training)
{
    write_flowers("d.csv", 60, 1, true);
    mkdir(path_of("dir"), 0777);
    /* /proc: a folder that even root cannot write. */
    const char *const outputs[] = {"nowhere/m", "dir", "/proc/m", "/dev/full", "d.csv/m"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; ++i) {
        result r =
            shell("cd %s; exec " CLI " train d.csv --device reference --epochs 100000000 -o %s",
                  folder, outputs[i]);
        assert_code(r, 1);
        want_message(&r, outputs[i], outputs[i]);
        assert_has_not(r.err, "epoch ");
        free_result(&r);
    }
    result r =
        shell("cd %s; exec " CLI " train d.csv --device reference --epochs 1 --log no/l", folder);
    assert_code(r, 1);
    want_message(&r, "--log", "no/l");
    free_result(&r);
}

Test(cli_faults, full_disk_leaves_the_old_files)
{
    train_flowers("m");
    write_flowers("many.csv", 3000, 1, true);
    write_text("out", "precious");
    result r =
        shell("cd %s; cp m old; ulimit -f 1; exec " CLI " train flowers.csv --device reference "
              "--hidden 500 --epochs 1 -q -o m",
              folder);
    assert_code(r, 1);
    want_message(&r, "train", "m");
    free_result(&r);
    r = shell("cd %s; cmp m old", folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; ulimit -f 1; exec " CLI " predict m many.csv --device reference -o out",
              folder);
    assert_code(r, 1);
    want_message(&r, "predict", "out");
    free_result(&r);
    r = shell("cat %s", path_of("out"));
    cr_assert_str_eq(r.out, "precious");
    free_result(&r);
    cr_assert_eq(files_in_folder(), 5, "a temporary was left behind");

    if (access("/dev/full", W_OK) != 0) return;
    const char *const lines[] = {
        "info m",       "predict m many.csv",     "devices",
        "train --help", "eval m many.csv --json", "train flowers.csv --epochs 1"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        r = shell("cd %s; BACKPROP_DEVICE=reference exec " CLI " %s > /dev/full", folder, lines[i]);
        assert_code(r, 1);
        want_message(&r, lines[i], "standard output");
        free_result(&r);
    }
    r = shell("cd %s; exec " CLI
              " train flowers.csv --device reference --epochs 2 -q --log /dev/full "
              "-o kept",
              folder);
    assert_code(r, 1);
    want_message(&r, "--log", "/dev/full");
    cr_assert(exists("kept"), "the model is not lost for a log");
    free_result(&r);
}

/* A file that is written gets none of what is printed, also where it would have got the number of a
 * closed stream. */
Test(cli_faults, closed_streams_are_no_files)
{
    write_flowers("flowers.csv", 90, 1, true);
    static const struct {
        const char *closed;
        int code;
    } cases[] = {{"2>&-", 0}, {">&-", 1}, {"<&- >&- 2>&-", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s; " CLI
                         " train flowers.csv --device reference --epochs 2 --log log -o m %s",
                         folder, cases[i].closed);
        assert_code(r, cases[i].code);
        free_result(&r);
        r = shell("cd %s; grep -vc '^{.*}$' log; grep -c '^{.*}$' log; " CLI " info m", folder);
        assert_code(r, 0);
        cr_assert(strncmp(r.out, "0\n2\n", 4) == 0, "%s: %s", cases[i].closed, r.out);
        free_result(&r);
    }
}

Test(cli_faults, closed_pipe_ends_quietly_and_costs_no_model)
{
    train_flowers("m");
    write_flowers("many.csv", 30000, 1, true);
    result r = shell("cd %s; " CLI " predict m many.csv -q --device reference | head -n 1", folder);
    assert_code(r, 0);
    cr_assert(!*r.err, "%s", r.err);
    cr_assert_str_eq(r.out, "rose\n");
    free_result(&r);
    r = shell("cd %s; { " CLI
              " train flowers.csv --device reference --hidden 8 --epochs 300 -o kept; "
              "echo $? > code; } 2>&1 | head -n 2; cat code",
              folder);
    assert_code(r, 0);
    cr_assert(exists("kept"), "progress that nobody reads must not cost the model");
    free_result(&r);
}

/* Every file of a folder is input, under whatever name it is reached. */
Test(cli_faults, data_in_a_folder_is_never_overwritten)
{
    write_picture_folder("p");
    write_picture_folder("q");
    result r =
        shell("cd %s; L=p/train-labels-idx1-ubyte; gzip -c $L > $L.gz; rm $L; ln $L.gz hard; "
              "ln -s p/t10k-images-idx3-ubyte soft; cat p/* q/* hard soft | cksum",
              folder);
    assert_code(r, 0);
    char before[64];
    snprintf(before, sizeof before, "%s", r.out);
    free_result(&r);
    const char *const lines[] = {
        "train p -o p/train-labels-idx1-ubyte.gz",
        "train p/ --log p/train-labels-idx1-ubyte.gz",
        "train p -o soft",
        "train p --log hard",
        "train q --validation p -o p/train-images-idx3-ubyte",
        "train q --test p --log p/t10k-labels-idx1-ubyte",
        "train q/train-images-idx3-ubyte -o q/train-labels-idx1-ubyte",
        "train q --test q/t10k-images-idx3-ubyte --log q/t10k-labels-idx1-ubyte",
        "predict m p -o p/t10k-labels-idx1-ubyte",
        "predict m p -o soft",
        "predict m q/t10k-images-idx3-ubyte -o q/t10k-labels-idx1-ubyte",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        r = shell("cd %s; exec " CLI " %s --device reference", folder, lines[i]);
        cr_assert_eq(r.code, 2, "%s: exit code %d: %s", lines[i], r.code, r.err);
        want_message(&r, lines[i], "would overwrite what is read");
        free_result(&r);
    }
    r = shell("cd %s; cat p/* q/* hard soft | cksum", folder);
    cr_assert_str_eq(r.out, before);
    free_result(&r);
    /* A model beside the data is no data. */
    for (int i = 0; i < 2; ++i) {
        r = shell("cd %s; exec " CLI " train p -q --device reference --hidden 4 --epochs 1 "
                  "-o p/train.safetensors",
                  folder);
        assert_code(r, 0);
        free_result(&r);
    }
}

Test(cli_faults, outputs_keep_links_and_modes)
{
    train_flowers("m");
    result r = shell(
        "cd %s; mkdir s; cp m s/m; chmod 640 s/m; : > s/out; chmod 604 s/out; ln -s s/m link; "
        "ln -s s/out lines; ln -s s/new dangling",
        folder);
    assert_code(r, 0);
    free_result(&r);
    const char *const lines[] = {"train flowers.csv --epochs 1 -q -o link",
                                 "predict m flowers.csv -qo lines",
                                 "predict m flowers.csv -qo dangling"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; ++i) {
        r = shell("cd %s; BACKPROP_DEVICE=reference exec " CLI " %s", folder, lines[i]);
        assert_code(r, 0);
        free_result(&r);
    }
    r = shell("cd %s; stat -c '%%F %%a' s/m s/out; stat -c %%F link lines dangling; "
              "cmp -s m s/m || echo new; wc -l < s/out; cmp s/out s/new; ls -A . s | grep tmp",
              folder);
    cr_assert_str_eq(r.out,
                     "regular file 640\nregular file 604\nsymbolic link\nsymbolic link\n"
                     "symbolic link\nnew\n90\n",
                     "%s%s", r.out, r.err);
    free_result(&r);
}

/* ---- the end before its time ------------------------------------------------------------------
 */

/* Nothing was learned, so that what is there is better than what there is to write. */
Test(cli_faults, divergence_in_the_first_epoch_leaves_the_old_model)
{
    write_prices("d.csv", 200, 1);
    const char *const lines[] = {"--optimizer sgd --lr 1e20", "--init uniform --init-range 1e38"};
    const char *const says[] = {"lower --lr, it was 1e+20 (", "lower --init-range, it was 1e+38 ("};
    for (int i = 0; i < 2; ++i) {
        write_text("m", "precious");
        result r =
            shell("cd %s; exec " CLI " train d.csv --device reference --epochs 5 --json -o m %s",
                  folder, lines[i]);
        assert_code(r, 5);
        want_message(&r, lines[i], says[i]);
        want_message(&r, lines[i], "nothing was learned: m is not written");
        json_t *json = json_of(&r);
        want_key(json, "model", "0");
        json_decref(json);
        free_result(&r);
        r = shell("cat %s", path_of("m"));
        cr_assert_str_eq(r.out, "precious");
        free_result(&r);
    }
}

Test(cli_faults, divergence_exits_5_and_keeps_the_last_finite_state)
{
    write_prices("d.csv", 200, 1);
    result r =
        shell("exec " CLI " train %s --device reference --optimizer sgd --hidden none --lr 3 "
              "--epochs 1000 --json -o %s",
              path_of("d.csv"), path_of("m"));
    assert_code(r, 5);
    want_message(&r, "--lr 3", "lower --lr");
    want_message(&r, "--lr 3", "holds the last finite state");
    json_t *json = json_of(&r);
    cr_assert_str_eq(json_string_value(want_key(json, "stopped", "s")), "diverged");
    cr_assert_gt(want_number(json, "epochs"), 0);
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " eval %s %s --json --device reference", path_of("m"), path_of("d.csv"));
    assert_code(r, 0);
    json = json_of(&r);
    want_number(json, "loss");
    json_decref(json);
    free_result(&r);
}

static void interrupt(int number, int wanted, const char *device)
{
    process p = start("cd %s; exec " CLI " train flowers.csv --device '%s' --hidden 16 "
                      "--epochs 100000000 -o stopped",
                      folder, device);
    read_until(&p, "epoch ");
    kill(p.pid, number);
    result r = finish(&p);
    assert_code(r, wanted);
    assert_has(r.err, "stopped after ");
    assert_has(r.out, "epochs ");
    cr_assert(exists("stopped"));
    free_result(&r);
    r = shell("cd %s; exec " CLI " eval stopped flowers.csv --json --device reference", folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s; rm stopped; ls -A", folder);
    assert_has_not(r.out, "tmp");
    free_result(&r);
}

Test(cli_faults, signals_keep_what_was_trained)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r = shell("exec " CLI " devices --json");
    json_t *list = json_of(&r);
    for (size_t i = 0; i < json_array_size(list); ++i) {
        const char *spec = json_string_value(json_object_get(json_array_get(list, i), "spec"));
        interrupt(SIGINT, 130, spec);
        interrupt(SIGTERM, 143, spec);
    }
    interrupt(SIGHUP, 129, "reference");
    json_decref(list);
    free_result(&r);
}

Test(cli_faults, signal_before_the_training_ends_at_once)
{
    /* Standard input that never ends: the command is still reading its data. */
    const int numbers[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; ++i) {
        mkfifo(path_of("endless"), 0666);
        process p = start(
            "cd %s; exec 3<>endless; exec " CLI " train - --device reference -o m <&3", folder);
        struct timespec moment = {.tv_nsec = 300000000};
        nanosleep(&moment, NULL);
        kill(p.pid, numbers[i]);
        result r = finish(&p);
        cr_assert_eq(r.signal, numbers[i], "code %d, signal %d: %s", r.code, r.signal, r.err);
        cr_assert(!exists("m"));
        cr_assert_eq(files_in_folder(), 1);
        free_result(&r);
    }
}

Test(cli_faults, second_signal_kills)
{
    /* One step takes long: a wide network on the reference and one batch of all rows. */
    write_flowers("d.csv", 3000, 1, true);
    process p =
        start("cd %s; exec " CLI " train d.csv --device reference --hidden 1500,1500 --batch 3000 "
              "--epochs 100 -o m",
              folder);
    read_until(&p, "parameters");
    struct timespec moment = {.tv_nsec = 500000000};
    nanosleep(&moment, NULL);
    kill(p.pid, SIGINT);
    nanosleep(&moment, NULL);
    kill(p.pid, SIGINT);
    double sent = now_seconds();
    result r = finish(&p);
    cr_assert_eq(r.signal, SIGINT, "code %d: %s", r.code, r.err);
    cr_assert_lt(now_seconds() - sent, 2);
    cr_assert(!exists("m"));
    free_result(&r);
}
