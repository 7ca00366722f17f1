/* test_base.c - random numbers against known answers, checked arithmetic, atomic files, names. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

/* Known answers of Philox 4x32-10 published with Random123 (kat_vectors). */
Test(random, philox_known_answers)
{
    const struct {
        uint32_t counter[4], key[2], expected[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        uint32_t out[4];
        bp__philox(out, cases[i].counter, cases[i].key);
        for (int w = 0; w < 4; ++w)
            cr_assert_eq(out[w], cases[i].expected[w], "case %zu word %d: %08x", i, w, out[w]);
    }
}

Test(random, streams_differ_and_repeat)
{
    cr_assert_eq(bp__random_bits(7, BP__PURPOSE_INIT, 1, 0, 5),
                 bp__random_bits(7, BP__PURPOSE_INIT, 1, 0, 5));
    cr_assert_neq(bp__random_bits(7, BP__PURPOSE_INIT, 1, 0, 5),
                  bp__random_bits(8, BP__PURPOSE_INIT, 1, 0, 5));
    cr_assert_neq(bp__random_bits(7, BP__PURPOSE_INIT, 1, 0, 5),
                  bp__random_bits(7, BP__PURPOSE_SHUFFLE, 1, 0, 5));
    cr_assert_neq(bp__random_bits(7, BP__PURPOSE_INIT, 1, 0, 5),
                  bp__random_bits(7, BP__PURPOSE_INIT, 2, 0, 5));
    double sum = 0;
    for (uint64_t i = 0; i < 100000; ++i) {
        double u = bp__random_unit(1, BP__PURPOSE_INIT, 0, 0, i);
        cr_assert(u >= 0 && u < 1);
        sum += u;
    }
    cr_assert_float_eq(sum / 100000, 0.5, 0.005);
}

Test(random, permutation_is_one)
{
    enum { N = 1000 };
    uint32_t p[N];
    char seen[N] = {0};
    bp__random_permutation(p, N, 3, BP__PURPOSE_SHUFFLE, 9);
    size_t at_home = 0;
    for (size_t i = 0; i < N; ++i) {
        cr_assert_lt(p[i], N);
        cr_assert_not(seen[p[i]]);
        seen[p[i]] = 1;
        at_home += p[i] == i;
    }
    cr_assert_lt(at_home, 10);
}

Test(memory, arithmetic_is_checked)
{
    size_t out;
    cr_assert(bp__mul_size(&out, 1u << 20, 1u << 20));
    cr_assert_not(bp__mul_size(&out, SIZE_MAX, 2));
    cr_assert_not(bp__add_size(&out, SIZE_MAX, 1));
    void *p = &out;
    cr_assert_eq(bp__new_array(&p, SIZE_MAX / 2, 4), BP_ERROR_MEMORY);
    cr_assert_null(p);
    cr_assert_eq(bp__round_up(17, 16), 32);
    cr_assert_eq(bp__round_up(16, 16), 16);
    cr_assert_eq(bp__round_up(0, 16), 0);
}

Test(status, names_texts_and_context)
{
    cr_assert_str_eq(bp_status_name(BP_ERROR_DATA), "BP_ERROR_DATA");
    cr_assert_eq(BP_ERROR_DIVERGED, 10);
    bp__fail(BP_ERROR_IO, "inner %d", 1);
    bp__fail_context(BP_ERROR_IO, "outer %s", "x");
    cr_assert_str_eq(bp_last_error(), "outer x: inner 1");
}

Test(names, every_name_round_trips)
{
    for (int32_t a = -1; a <= BP_ACTIVATION_SOFTMAX; ++a)
        cr_assert_eq(bp_activation_from_name(bp_activation_name(a)), a);
    for (int32_t g = 0; g <= BP_GEMM_MATRIX; ++g)
        cr_assert_eq(bp_gemm_from_name(bp_gemm_name(g)), g);
    for (int32_t p = 0; p <= BP_PRECISION_BF16; ++p)
        cr_assert_eq(bp_precision_from_name(bp_precision_name(p)), p);
    cr_assert_null(bp_loss_name(77));
    cr_assert_eq(bp_optimizer_from_name("sdg"), -2);
    const char *const names[] = {"sgd", "momentum", "adam"};
    cr_assert_str_eq(bp_nearest("sdg", names, 3), "sgd");
    cr_assert_str_eq(bp_nearest("Momentun", names, 3), "momentum");
    cr_assert_null(bp_nearest("lbfgs", names, 3));
    const char *const options[] = {"log", "loss"};
    cr_assert_null(bp_nearest("foo", options, 2), "two letters of three are wrong");
    cr_assert_null(bp_nearest(NULL, options, 2));
    cr_assert_eq(bp_activation_from_name(NULL), -2);
}

Test(file, atomic_replaces_or_keeps)
{
    char folder[] = "/tmp/backprop-test-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    bp__atomic_file *file;
    cr_assert_eq(bp__atomic_open(&file, path), BP_OK);
    cr_assert_eq(bp__atomic_write(file, "first", 5), BP_OK);
    cr_assert_eq(bp__atomic_commit(file), BP_OK);
    cr_assert_eq(bp__atomic_open(&file, path), BP_OK);
    cr_assert_eq(bp__atomic_write(file, "second", 6), BP_OK);
    bp__atomic_abort(file);
    char *text;
    size_t size;
    cr_assert_eq(bp__file_read(&text, &size, path, 100), BP_OK);
    cr_assert_str_eq(text, "first");
    free(text);
    cr_assert_eq(bp__file_read(&text, &size, path, 4), BP_ERROR_IO);
    cr_assert_eq(bp__file_read(&text, &size, folder, 100), BP_ERROR_IO);
    cr_assert_eq(bp__atomic_open(&file, "/nonexistent/f"), BP_ERROR_IO);
    cr_assert_eq(bp__atomic_open(&file, path), BP_OK);
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(bp__atomic_commit(file), BP_ERROR_IO, "a folder has come in between");
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(rmdir(folder), 0, "a temporary was left behind");
}

static void replace(const char *path, const char *text)
{
    bp__atomic_file *file;
    cr_assert_eq(bp__atomic_open(&file, path), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp__atomic_write(file, text, strlen(text)), BP_OK);
    cr_assert_eq(bp__atomic_commit(file), BP_OK);
}

Test(file, atomic_keeps_links_and_modes)
{
    char folder[] = "/tmp/backprop-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(mkdir("sub", 0777), 0);
    replace("sub/real", "first");
    cr_assert_eq(chmod("sub/real", 0640), 0);
    cr_assert_eq(symlink("sub/near", "far"), 0); /* two links, each relative to its own folder */
    cr_assert_eq(symlink("real", "sub/near"), 0);
    cr_assert_eq(symlink("sub/new", "dangling"), 0);
    cr_assert_eq(symlink("round", "round"), 0);
    replace("far", "second");
    replace("dangling", "third");
    struct stat about;
    cr_assert(lstat("far", &about) == 0 && S_ISLNK(about.st_mode));
    cr_assert(lstat("sub/near", &about) == 0 && S_ISLNK(about.st_mode));
    cr_assert(lstat("dangling", &about) == 0 && S_ISLNK(about.st_mode));
    cr_assert(lstat("sub/real", &about) == 0 && S_ISREG(about.st_mode));
    cr_assert_eq(about.st_mode & 0777, 0640, "%o", about.st_mode & 0777);
    const char *const files[] = {"sub/real", "sub/new"}, *const texts[] = {"second", "third"};
    for (int i = 0; i < 2; ++i) {
        char *text;
        size_t size;
        cr_assert_eq(bp__file_read(&text, &size, files[i], 100), BP_OK);
        cr_assert_str_eq(text, texts[i]);
        free(text);
    }
    bp__atomic_file *file;
    cr_assert_eq(bp__atomic_open(&file, "round"), BP_ERROR_IO);
    const char *const all[] = {"far", "dangling", "round", "sub/near", "sub/real", "sub/new"};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) unlink(all[i]);
    cr_assert_eq(rmdir("sub"), 0, "a temporary was left behind");
    cr_assert_eq(rmdir(folder), 0, "a temporary was left behind");
}

static void want_text(const char *path, const char *wanted)
{
    char *text;
    size_t size;
    cr_assert_eq(bp__file_read(&text, &size, path, 100), BP_OK, "%s", bp_last_error());
    cr_assert_str_eq(text, wanted, "%s: %s", path, text);
    free(text);
}

static bp_status replace_again(const char *path, const char *text, bool keep)
{
    bp__atomic_file *file;
    BP_TRY(bp__atomic_open_again(&file, path, keep));
    cr_assert_eq(bp__atomic_write(file, text, strlen(text)), BP_OK);
    return bp__atomic_commit(file);
}

Test(file, atomic_again_keeps_the_previous_one)
{
    char folder[] = "/tmp/backprop-test-XXXXXX", *previous;
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(replace_again("f", "1", true), BP_OK);
    cr_assert_neq(access("f.previous", F_OK), 0);
    cr_assert_eq(replace_again("f", "2", true), BP_OK);
    want_text("f", "2");
    want_text("f.previous", "1");
    cr_assert_eq(replace_again("f", "3", false), BP_OK);
    want_text("f", "3");
    want_text("f.previous", "1");
    /* What processes leave behind that are killed: a temporary, longer than what follows; a second
     * name that has not got its place; one that has, before the new file got its own. */
    replace("f.tmp", "a long text that is of no use");
    replace("f.previous.tmp", "nor is this");
    cr_assert_eq(replace_again("f", "4", true), BP_OK);
    want_text("f", "4");
    want_text("f.previous", "3");
    cr_assert(unlink("f.previous") == 0 && link("f", "f.previous") == 0);
    cr_assert_eq(replace_again("f", "5", true), BP_OK);
    want_text("f", "5");
    want_text("f.previous", "4");
    /* Through a link: the previous one lies beside the file. */
    cr_assert(mkdir("sub", 0777) == 0 && symlink("sub/real", "far") == 0);
    cr_assert_eq(replace_again("far", "6", true), BP_OK);
    cr_assert_eq(replace_again("far", "7", true), BP_OK);
    want_text("sub/real.previous", "6");
    cr_assert_eq(bp__previous_path(&previous, "far"), BP_OK);
    cr_assert_str_eq(previous, "sub/real.previous");
    free(previous);
    /* Two at once, and one that gives up. */
    bp__atomic_file *first, *second;
    cr_assert_eq(bp__atomic_open_again(&first, "f", true), BP_OK);
    cr_assert_eq(bp__atomic_open_again(&second, "f", true), BP_ERROR_IO);
    cr_assert(strstr(bp_last_error(), "another process is writing"), "%s", bp_last_error());
    bp__atomic_abort(first);
    want_text("f", "5");
    cr_assert_eq(replace_again("f", "8", true), BP_OK);
    const char *const all[] = {"f", "f.previous", "far", "sub/real", "sub/real.previous"};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) cr_assert_eq(unlink(all[i]), 0);
    cr_assert_eq(rmdir("sub"), 0, "a temporary was left behind");
    cr_assert_eq(rmdir(folder), 0, "a temporary was left behind");
}

/* XXH128 with seed 0, of nothing, as its specification has it; and piece by piece. */
Test(hash, known_answers)
{
    char text[BP__FINGERPRINT_TEXT], whole[BP__FINGERPRINT_TEXT];
    bp__fingerprint_bytes(text, "", 0);
    cr_assert_str_eq(text, "99aa06d3014798d86001c324468d497f");
    char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; ++i) bytes[i] = (char)(i * i >> 3);
    bp__fingerprint_bytes(whole, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 617) {
        bp__fingerprint *hash;
        cr_assert_eq(bp__fingerprint_create(&hash), BP_OK);
        bp__fingerprint_add(hash, bytes, cut);
        bp__fingerprint_add(hash, bytes + cut, sizeof bytes - cut);
        bp__fingerprint_text(text, hash);
        bp__fingerprint_free(hash);
        cr_assert_str_eq(text, whole, "cut at %zu", cut);
    }
    bytes[4000] ^= 1;
    bp__fingerprint_bytes(text, bytes, sizeof bytes);
    cr_assert_neq(strcmp(text, whole), 0);
}
