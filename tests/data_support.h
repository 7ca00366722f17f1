/* data_support.h - what the tests of data sets share: files made of texts, mutations of files, and
 * the check that something failed with the right status and the right words. */
#ifndef BP_TESTS_DATA_SUPPORT_H
#define BP_TESTS_DATA_SUPPORT_H

#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "backprop.h"
#include "data/data.h"
#include "data/load.h"

#define UNUSED __attribute__((unused))

/* A folder of this test's own, removed with all files in it at the end of the process. */
static char test_folder[64];

static void remove_test_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", test_folder);
    if (test_folder[0] && system(command) != 0) fprintf(stderr, "%s is left\n", test_folder);
}

static const char *in_folder(const char *name)
{
    static char paths[32][256];
    static int next;
    if (!test_folder[0]) {
        strcpy(test_folder, "/tmp/backprop-test-XXXXXX");
        cr_assert_not_null(mkdtemp(test_folder));
        atexit(remove_test_folder);
    }
    char *path = paths[next++ % 32];
    snprintf(path, 256, "%s/%s", test_folder, name);
    return path;
}

UNUSED static void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

UNUSED static void write_gzip(const char *path, const void *bytes, size_t size)
{
    gzFile file = gzopen(path, "wb9");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, bytes, (unsigned)size), (int)size);
    cr_assert_eq(gzclose(file), Z_OK);
}

UNUSED static char *read_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    char *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

/* Loads a file that holds text. */
UNUSED static bp_status load_text(bp_data **out, const char *text, const bp_load_options *options)
{
    const char *path = in_folder("t.csv");
    write_bytes(path, text, strlen(text));
    return bp_data_load(out, path, options);
}

UNUSED static bp_data *must_load(const char *text, const bp_load_options *options)
{
    bp_data *data;
    bp_status status = load_text(&data, text, options);
    cr_assert_eq(status, BP_OK, "\"%.60s\": %s", text, bp_last_error());
    return data;
}

/* Loads a file of these bytes without a file: for the many damaged ones. */
UNUSED static bp_status load_bytes(bp_data **out, const void *bytes, size_t size,
                                   const bp_load_options *options)
{
    bp_load_options o = options ? *options : bp_load_options_default();
    bp__input *input = calloc(1, sizeof *input);
    *out = NULL;
    input->path = strdup("bytes");
    if (o.labels) input->labels = strdup(o.labels);
    input->bytes = malloc(size + 1);
    input->size = size;
    memcpy(input->bytes, bytes, size);
    input->bytes[size] = '\0';
    bp_status status = bp__find_kind(&input->kind, o.format, input->bytes, size, input->path);
    if (status == BP_OK) status = bp__load_inputs(out, input, 1, &o);
    bp__inputs_free(input, 1);
    return status;
}

/* The status and every one of the words, separated by '|', in the error's text. */
UNUSED static void check_error(bp_status status, bp_status expected, const char *words, int line)
{
    char copy[512], *save = NULL;
    cr_assert_eq(status, expected, "line %d: %s, not %s: %s", line, bp_status_name(status),
                 bp_status_name(expected), bp_last_error());
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
        cr_assert_not_null(strstr(bp_last_error(), word), "line %d: no \"%s\" in: %s", line, word,
                           bp_last_error());
}
#define expect_error(call, status, words) check_error(call, status, words, __LINE__)

UNUSED static void check_load_fails(const char *text, const bp_load_options *options,
                                    const char *words, int line)
{
    bp_data *data = (bp_data *)&line;
    check_error(load_text(&data, text, options), BP_ERROR_DATA, words, line);
    cr_assert_null(data, "line %d: something half-built was left", line);
}
#define expect_bad_csv(text, options, words) check_load_fails(text, options, words, __LINE__)

#define expect_contains(text, word)                                                                \
    cr_assert_not_null(strstr(text, word), "no \"%s\" in: %s", word, text)

/* A cell of a raw table; NAN is a missing one. */
UNUSED static void expect_number(const bp_data *data, size_t column, size_t row, double value)
{
    cr_assert_not_null(data->columns[column].number, "column %zu is text", column);
    double found = data->columns[column].number[row];
    cr_assert(found == value || (isnan(found) && isnan(value)),
              "column %zu row %zu: %.17g, not %.17g", column, row, found, value);
}

/* NULL: missing. */
UNUSED static void expect_text(const bp_data *data, size_t column, size_t row, const char *text)
{
    const bp__column *c = &data->columns[column];
    cr_assert_not_null(c->text, "column %zu is numbers", column);
    if (!text) {
        cr_assert_eq(c->text[row], BP__NO_WORD);
        return;
    }
    cr_assert_neq(c->text[row], BP__NO_WORD, "column %zu row %zu is missing", column, row);
    cr_assert_str_eq(bp__words_get(&c->words, c->text[row]), text);
}

/* Address space for damaged files: what a size field claims must not be what is allocated. The
 * sanitizers need terabytes of it, so not with them. */
UNUSED static void limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    struct rlimit limit = {(rlim_t)1 << 30, (rlim_t)1 << 30};
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
}

/* A reader of bytes: 0 for BP_OK, otherwise the status. */
typedef bp_status (*read_function)(const char *bytes, size_t size);

static void check_mutation(read_function read, const char *bytes, size_t size, const char *what,
                           size_t at, size_t counts[16])
{
    bp_status status = read(bytes, size);
    cr_assert(status == BP_OK || status == BP_ERROR_DATA || status == BP_ERROR_MODEL ||
                  status == BP_ERROR_IO,
              "%s %zu: %s: %s", what, at, bp_status_name(status), bp_last_error());
    ++counts[status];
}

/* Every truncation and every flip of one bit of good bytes: read must accept or refuse, with a
 * typed error. counts[status] says how often; the good bytes themselves must be accepted. */
UNUSED static void mutate(read_function read, const char *good, size_t size, size_t counts[16])
{
    memset(counts, 0, 16 * sizeof *counts);
    cr_assert_eq(read(good, size), BP_OK, "%s", bp_last_error());
    char *bytes = malloc(size + 1);
    for (size_t length = 0; length < size; ++length) {
        memcpy(bytes, good, length);
        bytes[length] = '\0';
        check_mutation(read, bytes, length, "truncation", length, counts);
    }
    memcpy(bytes, good, size);
    bytes[size] = '\0';
    for (size_t bit = 0; bit < 8 * size; ++bit) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        check_mutation(read, bytes, size, "bit", bit, counts);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(bytes);
}

/* What must succeed. */
UNUSED static bp_schema *must_learn(const bp_data *data)
{
    bp_schema *schema;
    cr_assert_eq(bp_schema_learn(&schema, data), BP_OK, "%s", bp_last_error());
    return schema;
}

UNUSED static bp_schema *learn_text(const char *text, const bp_load_options *options)
{
    bp_data *data = must_load(text, options);
    bp_schema *schema = must_learn(data);
    bp_data_free(data);
    return schema;
}

UNUSED static bp_data *must_apply(const bp_schema *schema, const bp_data *raw)
{
    bp_data *encoded;
    cr_assert_eq(bp_schema_apply(&encoded, schema, raw), BP_OK, "%s", bp_last_error());
    return encoded;
}

UNUSED static char *to_json(const bp_schema *schema)
{
    char *json;
    cr_assert_eq(bp_schema_to_json(&json, schema), BP_OK, "%s", bp_last_error());
    return json;
}

/* A locale that writes 1,5; false where none is to be had. */
UNUSED static bool use_comma_locale(void)
{
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                 "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (setlocale(LC_ALL, names[i])) return true;
    /* None is installed: make one, where the sources of locales are. */
    char command[512];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s' >/dev/null 2>&1",
             in_folder("de_DE.UTF-8"));
    if (system(command) < 0) return false;
    setenv("LOCPATH", test_folder, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

/* Everything that can be done with a data set that was loaded. */
UNUSED static bp_status use_data(bp_data *data)
{
    bp_schema *schema = NULL, *again = NULL;
    bp_data *encoded = NULL, *first = NULL, *second = NULL;
    char *json = NULL;
    if (bp_data_split(&first, &second, data, 0.3, 1) == BP_OK &&
        bp_schema_learn(&schema, first) == BP_OK) {
        if (bp_schema_apply(&encoded, schema, first) == BP_OK) {
            bp_data_info info = bp_data_get_info(encoded);
            double sum = 0;
            for (size_t i = 0; i < info.rows * info.features; ++i)
                sum += (double)bp_data_features(encoded)[i];
            cr_assert(sum - sum == 0, "a feature is not finite");
        }
        bp_data_free(encoded);
        if (bp_schema_apply(&encoded, schema, second) == BP_OK) bp_data_free(encoded);
        cr_assert_eq(bp_schema_to_json(&json, schema), BP_OK);
        cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s", bp_last_error());
        free(json);
    }
    bp_schema_free(again);
    bp_schema_free(schema);
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(data);
    return BP_OK;
}

/* Loads bytes and does everything with the data: a read_function for mutate. */
UNUSED static bp_status use_bytes(const char *bytes, size_t size)
{
    bp_data *data;
    bp_status status = load_bytes(&data, bytes, size, NULL);
    return status == BP_OK ? use_data(data) : status;
}

#endif
