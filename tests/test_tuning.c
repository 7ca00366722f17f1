/* test_tuning.c - tunings as structs and as files: what is written reads back, and nothing that is
 * damaged, foreign, outdated or nonsense is taken for a measurement. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "tuning/store.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        bp_status status_ = (call);                                                                \
        cr_assert(status_ == BP_OK, "%s: %s: %s", #call, bp_status_name(status_),                  \
                  bp_last_error());                                                                \
    } while (0)

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/backprop-tuning-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    unsetenv("BACKPROP_TUNING");
    unsetenv("BP_KERNEL_DIR");
}

static void remove_folder(void)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    cr_assert_eq(system(line), 0);
}

TestSuite(tuning, .init = make_folder, .fini = remove_folder, .timeout = 240);

static bp_device_info device_of(const char *name)
{
    bp_device_info info = {.kind = BP_KIND_CPU, .compute_units = 6};
    snprintf(info.name, sizeof info.name, "%s", name);
    strcpy(info.vendor, "Acme");
    strcpy(info.driver, "3.1");
    strcpy(info.opencl, "OpenCL 3.0");
    strcpy(info.platform, "OpenCL 3.0 Acme, LLVM 14");
    return info;
}

/* Unlike the defaults in every member. */
static bp__tuning unusual(void)
{
    bp__tuning t = bp__tuning_default(16);
    t.product = (bp__tile){12, 2};
    t.gradient = (bp__tile){4, 4};
    for (int c = 0; c < BP__COSTS; ++c) t.cost[c] = 1.0 / 3 + c;
    t.gemm[BP__SHAPE_SMALL] = (bp__gemm_choice){.tile = 32};
    t.gemm[BP__SHAPE_LARGE] = (bp__gemm_choice){.clblast = true};
    return t;
}

static char *saved(const bp__tuning *tuning, const bp_device_info *device)
{
    char *path;
    OK(bp__tuning_place(&path, device));
    OK(bp__tuning_save(tuning, device, path));
    return path;
}

static size_t files_in(const char *path)
{
    size_t count = 0;
    DIR *list = opendir(path);
    cr_assert_not_null(list, "%s", path);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

/* ---- The struct ------------------------------------------------------------------------------ */

Test(tuning, defaults_are_valid_for_every_vector)
{
    for (unsigned width = 1; width <= 16; width *= 2) {
        const bp__tuning t = bp__tuning_default(width);
        OK(bp__tuning_check(&t));
        cr_assert(t.product.rows * t.product.vectors <= (width == 8 ? 12 : 24));
    }
    for (const bp__shipped *s = bp__shipped_tunings; s->name; ++s) OK(bp__tuning_check(&s->tuning));
}

Test(tuning, shapes_are_classes_of_results)
{
    const struct {
        size_t rows, columns;
        bp__shape shape;
    } cases[] = {
        {1, 1, BP__SHAPE_NARROW},        {32, 100000, BP__SHAPE_NARROW},
        {100000, 32, BP__SHAPE_NARROW},  {33, 33, BP__SHAPE_SMALL},
        {256, 256, BP__SHAPE_SMALL},     {256, 257, BP__SHAPE_MEDIUM},
        {1024, 1024, BP__SHAPE_MEDIUM},  {1025, 1024, BP__SHAPE_LARGE},
        {SIZE_MAX, 33, BP__SHAPE_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        cr_assert_eq(bp__shape_of(cases[i].rows, cases[i].columns), cases[i].shape, "%zu x %zu",
                     cases[i].rows, cases[i].columns);
}

Test(tuning, nonsense_is_refused_and_named)
{
    const struct {
        const char *says;
        bp__tile product, gradient;
        double waiting;
        unsigned gemm;
    } cases[] = {
        {"product", {1, 3}, {8, 3}, 1, 0},
        {"product", {17, 1}, {8, 3}, 1, 0},
        {"product", {8, 0}, {8, 3}, 1, 0},
        {"product", {4, 5}, {8, 3}, 1, 0},
        {"product", {12, 3}, {8, 3}, 1, 0},
        {"gradient", {8, 3}, {6, 3}, 1, 0},
        {"gradient", {8, 3}, {16, 3}, 1, 0},
        {"gradient", {8, 3}, {0, 1}, 1, 0},
        {"cost waiting", {8, 3}, {8, 3}, 0, 0},
        {"cost waiting", {8, 3}, {8, 3}, -1, 0},
        {"cost waiting", {8, 3}, {8, 3}, (double)NAN, 0},
        {"cost waiting", {8, 3}, {8, 3}, (double)INFINITY, 0},
        {"gemm medium", {8, 3}, {8, 3}, 1, 48},
        {"gemm medium", {8, 3}, {8, 3}, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp__tuning t = bp__tuning_default(16);
        t.product = cases[i].product;
        t.gradient = cases[i].gradient;
        t.cost[BP__COST_WAITING] = cases[i].waiting;
        t.gemm[BP__SHAPE_MEDIUM].tile = cases[i].gemm;
        cr_assert_eq(bp__tuning_check(&t), BP_ERROR_DATA, "case %zu", i);
        cr_assert_not_null(strstr(bp_last_error(), cases[i].says), "case %zu: %s", i,
                           bp_last_error());
        char *path;
        const bp_device_info device = device_of("a");
        OK(bp__tuning_place(&path, &device));
        cr_assert_eq(bp__tuning_save(&t, &device, path), BP_ERROR_DATA);
        free(path);
    }
}

Test(tuning, json_gives_every_number_back_and_takes_nothing_else)
{
    const bp__tuning t = unusual();
    bp__tuning back;
    json_t *json, *part;
    OK(bp__tuning_to_json(&json, &t));
    OK(bp__tuning_from_json(&back, json));
    cr_assert(bp__tuning_same(&t, &back));
    const bp__tuning other = bp__tuning_default(16);
    cr_assert_not(bp__tuning_same(&t, &other));
    /* Each member in turn is missing, is something else, has company. */
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        for (int wrong = 0; wrong < 4; ++wrong) {
            json_t *copy = json_deep_copy(json);
            if (wrong == 0) json_object_del(copy, key);
            if (wrong == 1) json_object_set_new(copy, key, json_string("8"));
            if (wrong == 2) json_object_set_new(json_object_get(copy, key), "x", json_integer(1));
            if (wrong == 3) json_object_set_new(copy, "x", json_integer(1));
            cr_assert_eq(bp__tuning_from_json(&back, copy), BP_ERROR_DATA, "%s, %d", key, wrong);
            json_decref(copy);
        }
    }
    part = json_object_get(json, "product");
    const double rows[] = {-1, 8.5, 1e300};
    for (size_t i = 0; i < 3; ++i) {
        json_object_set_new(part, "rows", json_real(rows[i]));
        cr_assert_eq(bp__tuning_from_json(&back, json), BP_ERROR_DATA);
    }
    json_object_set_new(part, "rows", json_integer(-8));
    cr_assert_eq(bp__tuning_from_json(&back, json), BP_ERROR_DATA);
    json_decref(json);
    cr_assert_eq(bp__tuning_from_json(&back, NULL), BP_ERROR_DATA);
}

/* ---- Files ----------------------------------------------------------------------------------- */

Test(tuning, what_is_saved_is_found_and_fast)
{
    const bp__tuning t = unusual();
    bp__tuning found = {0};
    bp_tuning_info about;
    const bp_device_info device = device_of("Acme 6000 \xff");
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_eq(about.source, BP_TUNING_DEFAULTS);
    cr_assert_str_empty(about.note);
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

Test(tuning, every_truncation_and_every_flipped_bit_is_survived)
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

Test(tuning, a_right_checksum_makes_no_sense_of_nonsense)
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

Test(tuning, another_driver_device_or_kernel_has_its_own)
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

Test(tuning, the_environment_says_where_and_whether)
{
    const bp__tuning t = unusual();
    const bp_device_info device = device_of("Acme 6000");
    bp__tuning found;
    bp_tuning_info about;
    char *path = saved(&t, &device), home[128];
    setenv("BACKPROP_TUNING", "none", 1);
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "BACKPROP_TUNING"), "%s", about.note);
    setenv("BACKPROP_TUNING", "nine", 1);
    cr_assert(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "nine"), "%s", about.note);
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

    /* Nowhere, and where nothing can be made. */
    unsetenv("HOME");
    cr_assert_not(bp__tuning_find(&found, &about, &device));
    cr_assert_not_null(strstr(about.note, "HOME"), "%s", about.note);
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

Test(tuning, a_shipped_one_is_found_by_name)
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

Test(tuning, info_wants_its_arguments)
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
