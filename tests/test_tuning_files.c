/* test_tuning_files.c - tunings as files: what is written reads back, nothing that is damaged,
 * foreign, outdated or nonsense is taken for a measurement, and what is in force can be told and
 * forgotten. */
#define _XOPEN_SOURCE 700
#include "tuning_files.h"

#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"

TestSuite(tuning_files, .init = make_folder, .fini = remove_folder, .timeout = 240);

Test(tuning_files, what_is_saved_is_found_and_fast)
{
    const bp__tuning t = unusual();
    bp__tuning found = {0};
    bp_tuning_info about;
    const bp_device_info device = device_of("Acme 6000 \xff");
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_eq(about.source, BP_TUNING_DEFAULTS);
    cr_assert_str_empty(about.note);
    cr_assert_eq(about.ignored, 0);
    char *path = saved(&t, &device);
    cr_assert(bp__tuning_find(&found, &about, &device));
    cr_assert(bp__tuning_same(&t, &found));
    cr_assert_eq(about.source, BP_TUNING_FILE);
    cr_assert_str_eq(about.path, path);
    cr_assert_str_empty(about.note);
    double best = 1;
    for (int i = 0; i < 20; ++i) {
        const double start = bp__seconds();
        bp__tuning_find(&found, NULL, &device);
        if (bp__seconds() - start < best) best = bp__seconds() - start;
    }
    cr_assert_lt(best, 5e-3, "%g s", best); /* a fifth of a millisecond, without sanitizers */
    free(saved(&found, &device));           /* over itself */
    char in[128];
    snprintf(in, sizeof in, "%s/backprop", folder);
    cr_assert_eq(files_in(in), 1);
    free(path);
}

Test(tuning_files, every_truncation_and_every_flipped_bit_is_survived)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    char *path = saved(&t, &device), *text;
    size_t size, taken = 0;
    OK(bp__file_read(&text, &size, path, 1 << 16));
    bp__tuning found;
    bp_tuning_info about;
    for (size_t length = 0; length < size; ++length) {
        write_file(path, text, length);
        /* The line's end is no part of the JSON. */
        cr_assert_eq(bp__tuning_find(&found, &about, &device), length + 1 == size, "%zu of %zu",
                     length, size);
        cr_assert(length + 1 == size || *about.note);
    }
    for (size_t byte = 0; byte < size; ++byte)
        for (int bit = 0; bit < 8; ++bit) {
            text[byte] ^= (char)(1 << bit);
            write_file(path, text, size);
            text[byte] ^= (char)(1 << bit);
            if (bp__tuning_find(&found, &about, &device)) {
                /* One blank became another. */
                cr_assert(bp__tuning_same(&t, &found), "byte %zu, bit %d", byte, bit);
                ++taken;
            } else {
                cr_assert(*about.note && about.source == BP_TUNING_DEFAULTS);
            }
        }
    cr_assert_lt(taken, size / 2, "%zu", taken);
    free(text);
    free(path);
}

/* Writes what is nonsense in spite of a right checksum. */
static void write_object(const char *path, json_t *object)
{
    char sum[32];
    json_object_del(object, "checksum");
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    snprintf(sum, sizeof sum, "%016llx",
             (unsigned long long)bp__hash(BP__HASH_START, text, strlen(text)));
    free(text);
    json_object_set_new(object, "checksum", json_string(sum));
    text = json_dumps(object, 0);
    write_file(path, text, strlen(text));
    free(text);
}

Test(tuning_files, a_right_checksum_makes_no_sense_of_nonsense)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    char *path = saved(&t, &device);
    bp__tuning found;
    bp_tuning_info about;
    json_error_t error;
    json_t *good = json_load_file(path, 0, &error);
    write_object(path, good);
    cr_assert(bp__tuning_find(&found, &about, &device), "%s", about.note);
    const struct {
        const char *pointer[3], *says;
        json_t *value;
    } cases[] = {
        {{"tuning", "product", "rows"}, "product", json_integer(64)},
        {{"tuning", "gradient", "rows"}, "gradient", json_integer(3)},
        {{"tuning", "costs", "byte"}, "byte", json_real(-0.5)},
        {{"tuning", "gemm", "small"}, "small", json_true()},
        {{"format"}, "not a tuning", json_string("something else")},
        {{"version"}, "version 1", json_integer(2)},
        {{"key"}, "measured", json_integer(2)},
        {{"key", "driver"}, "driver \"2.0\", here it is \"3.1\"", json_string("2.0")},
        {{"key", "compute units"}, "compute units", json_integer(7)},
        {{"key", "kernels"}, "kernels", json_string("0123456789abcdef")},
        {{"key", "library"}, "library", json_string("0.0.9")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        json_t *bad = json_deep_copy(good), *at = bad;
        int last = 2;
        while (!cases[i].pointer[last]) --last;
        for (int p = 0; p < last; ++p) at = json_object_get(at, cases[i].pointer[p]);
        json_object_set(at, cases[i].pointer[last], cases[i].value);
        write_object(path, bad);
        cr_assert_not(bp__tuning_find(&found, &about, &device), "case %zu", i);
        cr_assert_not_null(strstr(about.note, cases[i].says), "case %zu: %s", i, about.note);
        json_decref(bad);
        json_decref(cases[i].value);
    }
    json_decref(good);
    /* What is no file at all. */
    cr_assert(remove(path) == 0 && mkdir(path, 0700) == 0);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "folder"), "%s", about.note);
    char *other = NULL;
    cr_assert_eq(bp__tuning_place(&other, &device), BP_ERROR_IO);
    cr_assert_null(other);
    free(path);
}

Test(tuning_files, another_driver_device_or_kernel_has_its_own)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    char *path = saved(&t, &device);
    bp__tuning found;
    bp_tuning_info about;
    bp_device_info others[7];
    for (int i = 0; i < 7; ++i) others[i] = device;
    strcpy(others[0].driver, "3.2");
    strcpy(others[1].platform, "OpenCL 3.0 Acme, LLVM 15");
    strcpy(others[2].opencl, "OpenCL 3.1");
    others[3].compute_units = 5;
    strcpy(others[4].name, "Acme 7000");
    strcpy(others[5].vendor, "Umbrella");
    others[6].kind = BP_KIND_REFERENCE;
    for (int i = 0; i < 7; ++i) {
        cr_assert_not(bp__tuning_find(&found, &about, &others[i]), "%d", i);
        /* The same device with another driver is told of what would be its tuning. */
        cr_assert_eq(*about.note != 0, i < 4, "%d: %s", i, about.note);
        cr_assert_eq(about.ignored, i < 4);
        if (i < 4) cr_assert_not_null(strstr(about.note, "measured with"), "%s", about.note);
    }
    /* Other kernels, with the same driver. */
    char line[256];
    snprintf(line, sizeof line,
             "cp -r '" BACKPROP_SOURCE_DIR "/kernels' %s/k && echo >> %s/k/cpu/panel.cl", folder,
             folder);
    cr_assert_eq(system(line), 0);
    snprintf(line, sizeof line, "%s/k", folder);
    setenv("BP_KERNEL_DIR", line, 1);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "kernels"), "%s", about.note);
    char *own = saved(&t, &device);
    cr_assert_str_neq(own, path);
    cr_assert(bp__tuning_find(&found, &about, &device));
    setenv("BP_KERNEL_DIR", BACKPROP_SOURCE_DIR "/kernels", 1); /* as they are embedded */
    cr_assert(bp__tuning_find(&found, &about, &device));
    cr_assert_str_eq(about.path, path);
    /* One device's file in the place of another's. */
    char *place;
    OK(bp__tuning_place(&place, &others[4]));
    cr_assert_eq(rename(path, place), 0);
    cr_assert_not(bp__tuning_find(&found, &about, &others[4]));
    cr_assert_not_null(strstr(about.note, "device"), "%s", about.note);
    free(place);
    free(path);
    free(own);
}

Test(tuning_files, the_environment_says_where_and_whether)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    bp__tuning found;
    bp_tuning_info about;
    char *path = saved(&t, &device), home[128];
    setenv("BACKPROP_TUNING", "none", 1);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "BACKPROP_TUNING"), "%s", about.note);
    cr_assert_eq(about.ignored, 0, "it is as was wished");
    setenv("BACKPROP_TUNING", "nine", 1);
    cr_assert(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "nine"), "%s", about.note);
    cr_assert_eq(about.ignored, 1);
    unsetenv("BACKPROP_TUNING");

    /* Without a cache folder, or with a relative one, below HOME. */
    snprintf(home, sizeof home, "%s/home", folder);
    cr_assert_eq(mkdir(home, 0700), 0);
    setenv("HOME", home, 1);
    setenv("XDG_CACHE_HOME", "relative", 1);
    char *below = saved(&t, &device);
    cr_assert_eq(strncmp(below, home, strlen(home)), 0, "%s", below);
    cr_assert_not_null(strstr(below, "/.cache/backprop/tuning-"));
    unsetenv("XDG_CACHE_HOME");
    cr_assert(bp__tuning_find(&found, &about, &device));
    cr_assert_str_eq(about.path, below);
    char deep[160];
    snprintf(deep, sizeof deep, "%s/not/there//yet/", folder);
    setenv("XDG_CACHE_HOME", deep, 1);
    char *deeper = saved(&t, &device);
    cr_assert_eq(strncmp(deeper, deep, strlen(deep)), 0, "%s", deeper);
    free(deeper);
    unsetenv("XDG_CACHE_HOME");

    /* Nowhere, and where nothing can be made. */
    unsetenv("HOME");
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "HOME"), "%s", about.note);
    cr_assert_eq(about.ignored, 0, "there is nothing to ignore");
    cr_assert_str_empty(about.path);
    char *none;
    cr_assert_eq(bp__tuning_place(&none, &device), BP_ERROR_IO);
    cr_assert_not_null(strstr(bp_last_error(), "HOME"));
    setenv("XDG_CACHE_HOME", "/dev/null/cache", 1);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_eq(bp__tuning_place(&none, &device), BP_ERROR_IO);
    char *far = malloc(2048);
    memset(far, '/', 2047);
    far[2047] = '\0';
    setenv("XDG_CACHE_HOME", far, 1);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "too long"), "%s", about.note);
    free(far);
    free(below);
    free(path);
}

Test(tuning_files, a_shipped_one_is_found_by_name)
{
    const bp__shipped table[] = {{.name = "Zen", .tuning = unusual()}, {.name = NULL}};
    const bp__tuning *t = bp__tuning_shipped(table, "pthread-AMD Zen 9");
    cr_assert(t && bp__tuning_same(t, &table[0].tuning));
    cr_assert_null(bp__tuning_shipped(table, "pthread-AMD Bobcat"));
    /* Files come before it. */
    const bp_device_info device = device_of("Acme 6000");
    const bp__tuning usual = bp__tuning_default(8), start = bp__tuning_start(&device, 8);
    cr_assert(bp__tuning_same(&usual, &start));
}

/* ---- What is said of it, and its end ----------------------------------------------------------
 */

Test(tuning_files, words)
{
    const bp_device_info device = device_of("Acme 6000");
    bp_device_info gpu = device;
    bp_tuning_info about;
    bp__tuning t = bp__tuning_default(8);
    OK(bp_tuning_get_info(&about, &device));
    cr_assert_str_eq(about.summary, "defaults");
    t.product = (bp__tile){6, 2};
    free(saved(&t, &device));
    OK(bp_tuning_get_info(&about, &device));
    cr_assert_str_eq(about.summary, "tiles 6 x 2 and 4 x 3, default costs");
    t.cost[BP__COST_WAITING] = bp__most_cost;
    free(saved(&t, &device));
    OK(bp_tuning_get_info(&about, &device));
    cr_assert_str_eq(about.summary, "tiles 6 x 2 and 4 x 3, fitted costs, one thread");
    gpu.kind = BP_KIND_GPU;
    t.gemm[BP__SHAPE_SMALL].tile = 32;
    t.gemm[BP__SHAPE_LARGE].clblast = true;
    free(saved(&t, &gpu));
    OK(bp_tuning_get_info(&about, &gpu));
    cr_assert_str_eq(about.summary,
                     "products: narrow default, small 32 x 32, medium default, large CLBlast");
    setenv("BACKPROP_TUNING", "none", 1);
    OK(bp_tuning_get_info(&about, &gpu));
    cr_assert_str_eq(about.summary, "defaults");
}

Test(tuning_files, a_newer_format_is_said_to_be_one)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    char *path = saved(&t, &device), line[256];
    bp_tuning_info about;
    snprintf(line, sizeof line, "sed -i 's/\"version\": 1/\"version\": 2/' '%s'", path);
    cr_assert_eq(system(line), 0);
    OK(bp_tuning_get_info(&about, &device));
    cr_assert_eq(about.source, BP_TUNING_DEFAULTS);
    cr_assert_eq(about.ignored, 1);
    cr_assert_not_null(strstr(about.note, "version 1"), "%s", about.note);
    free(path);
}

Test(tuning_files, forgetting)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000"), another = device_of("Acme 7000");
    bp_device_info driver = device;
    bp__tuning found;
    char in[128], line[256];
    size_t count = 9;
    OK(bp_tuning_forget(&device, &count)); /* there is no folder yet */
    cr_assert_eq(count, 0);
    strcpy(driver.driver, "3.0");
    char *path = saved(&t, &device);
    free(saved(&t, &driver));
    free(saved(&t, &another));
    snprintf(line, sizeof line, "touch '%s.tmp-abcdef'", path); /* of a process that was killed */
    cr_assert_eq(system(line), 0);
    snprintf(in, sizeof in, "%s/backprop", folder);
    cr_assert_eq(files_in(in), 4);
    OK(bp_tuning_forget(&device, &count));
    cr_assert_eq(count, 3);
    cr_assert_eq(files_in(in), 1);
    cr_assert_not(bp__tuning_find(&found, NULL, &device));
    cr_assert(bp__tuning_find(&found, NULL, &another));
    OK(bp_tuning_forget(&device, NULL));
    cr_assert_eq(bp_tuning_forget(NULL, &count), BP_ERROR_ARGUMENT);
    cr_assert_eq(count, 0);
    /* What cannot be removed is no file of ours. */
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(bp_tuning_forget(&device, &count), BP_ERROR_IO);
    cr_assert_not_null(strstr(bp_last_error(), path), "%s", bp_last_error());
    free(path);
}

Test(tuning_files, info_wants_its_arguments)
{
    bp_tuning_info about;
    const bp_device_info device = device_of("a");
    cr_assert_eq(bp_tuning_get_info(NULL, &device), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_tuning_get_info(&about, NULL), BP_ERROR_ARGUMENT);
    OK(bp_tuning_get_info(&about, &device));
    cr_assert_str_eq(bp_tuning_source_name(about.source), "defaults");
    cr_assert_eq(bp_tuning_source_from_name("file"), BP_TUNING_FILE);
    cr_assert_null(bp_tuning_source_name(3));
}
