/* test_stream_data.c - data sets whose rows lie in a file: the same, bit for bit, as those in
 * memory; the same errors; nothing left behind. Blocks are a few hundred bytes here, so that
 * everything that can lie across two of them does. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <signal.h>

#include "base/memory.h"
#include "base/threads.h"
#include "data/stream.h"
#include "data/table.h"
#include "data_support.h"

static void small_blocks(void)
{
    bp__stream_block = 300;
    bp__piece_size = 100;
    bp__thread_count = 3;
}

TestSuite(stream_data, .init = small_blocks, .timeout = 60);

/* ---- the same bits --------------------------------------------------------------------------- */

/* Two parts of a file, encoded by what the first taught. */
typedef struct both_parts {
    bp_data *train, *rest;
    bp_schema *schema;
    char *json, *warnings, *sources;
} both_parts;

/* "path bytes fingerprint" of every file. */
static char *list_sources(const bp_data *raw)
{
    size_t count;
    char *text = NULL;
    const bp_source *sources = bp_data_sources(raw, &count);
    cr_assert_gt(count, 0);
    for (size_t i = 0; i < count; ++i)
        cr_assert_eq(bp__append(&text, "%s %llu %s\n", sources[i].path,
                                (unsigned long long)sources[i].bytes, sources[i].fingerprint),
                     BP_OK);
    return text;
}

static void prepare(both_parts *out, const char *const *paths, size_t count, int32_t stream,
                    const char *labels, int32_t scaling, double fraction)
{
    bp_load_options options = bp_load_options_default();
    bp_data *all, *part, *rest = NULL;
    options.stream = stream;
    options.labels = labels;
    cr_assert_eq(bp_data_load_files(&all, paths, NULL, count, &options), BP_OK, "%s",
                 bp_last_error());
    cr_assert_eq(bp_data_get_info(all).streamed, stream);
    out->warnings = strdup(bp_data_warnings(all));
    out->sources = list_sources(all);
    part = all;
    if (fraction > 0) {
        cr_assert_eq(bp_data_split(&part, &rest, all, fraction, 3), BP_OK, "%s", bp_last_error());
        bp_data_free(all);
    }
    cr_assert_eq(bp_schema_learn(&out->schema, part), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_set_scaling(out->schema, part, scaling), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_scale_targets(out->schema, part, BP_ACTIVATION_TANH), BP_OK);
    cr_assert_eq(bp_schema_to_json(&out->json, out->schema), BP_OK);
    cr_assert_eq(bp_schema_apply(&out->train, out->schema, part), BP_OK, "%s", bp_last_error());
    out->rest = NULL;
    if (rest)
        cr_assert_eq(bp_schema_apply(&out->rest, out->schema, rest), BP_OK, "%s", bp_last_error());
    bp_data_free(part);
    bp_data_free(rest);
}

static void free_parts(both_parts *parts)
{
    bp_data_free(parts->train);
    bp_data_free(parts->rest);
    bp_schema_free(parts->schema);
    free(parts->json);
    free(parts->warnings);
    free(parts->sources);
}

/* All rows of both, read a few at a time from the streamed one. */
static void compare(const bp_data *resident, const bp_data *streamed)
{
    enum { STEP = 7 };
    const bp_data_info a = bp_data_get_info(resident), b = bp_data_get_info(streamed);
    cr_assert_eq(a.rows, b.rows);
    cr_assert_eq(a.features, b.features);
    cr_assert_eq(a.outputs, b.outputs);
    cr_assert_eq(a.task, b.task);
    cr_assert_eq(a.missing, b.missing);
    cr_assert_eq(a.image_width, b.image_width);
    cr_assert_str_eq(bp_data_warnings(resident), bp_data_warnings(streamed));
    cr_assert_null(bp_data_features(streamed));
    char hashes[2][33];
    cr_assert_eq(bp_data_fingerprint(resident, hashes[0]), BP_OK);
    cr_assert_eq(bp_data_fingerprint(streamed, hashes[1]), BP_OK, "%s", bp_last_error());
    cr_assert_str_eq(hashes[0], hashes[1]);
    const bool labels = a.task == BP_TASK_CLASSIFY;
    float *x = malloc(2 * STEP * a.features * sizeof *x), *y = x + STEP * a.features;
    float *t = malloc(2 * STEP * a.outputs * sizeof *t), *u = t + STEP * a.outputs;
    int32_t l[2 * STEP] = {0};
    for (size_t first = 0; first < a.rows; first += STEP) {
        const size_t count = a.rows - first < STEP ? a.rows - first : STEP;
        cr_assert_eq(bp_data_read(resident, first, count, x, labels ? l : NULL, labels ? NULL : t),
                     BP_OK);
        cr_assert_eq(
            bp_data_read(streamed, first, count, y, labels ? l + STEP : NULL, labels ? NULL : u),
            BP_OK, "%s", bp_last_error());
        cr_assert_eq(memcmp(x, y, count * a.features * sizeof *x), 0, "rows from %zu", first);
        cr_assert(!labels || memcmp(l, l + STEP, count * sizeof *l) == 0, "rows from %zu", first);
        cr_assert(labels || memcmp(t, u, count * a.outputs * sizeof *t) == 0, "from %zu", first);
    }
    free(x);
    free(t);
}

static void check_same(const char *const *paths, size_t count, const char *labels, int32_t scaling,
                       double fraction)
{
    both_parts resident, streamed;
    prepare(&resident, paths, count, 0, labels, scaling, fraction);
    prepare(&streamed, paths, count, 1, labels, scaling, fraction);
    cr_assert_str_eq(resident.json, streamed.json);
    cr_assert_str_eq(resident.warnings, streamed.warnings);
    cr_assert_str_eq(resident.sources, streamed.sources);
    compare(resident.train, streamed.train);
    if (fraction > 0) compare(resident.rest, streamed.rest);
    free_parts(&resident);
    free_parts(&streamed);
}

static void check_one(const char *path, const char *labels, int32_t scaling, double fraction)
{
    check_same(&path, 1, labels, scaling, fraction);
}

/* Numbers, texts, quotes with line ends and delimiters in them, missing cells, a constant column.
 */
static char *write_table(const char *name, size_t rows, const char *end, bool classes)
{
    char *path = strdup(in_folder(name));
    FILE *file = fopen(path, "wb");
    fprintf(file, "length,color,note,same,%s%s", classes ? "kind" : "price", end);
    for (size_t r = 0; r < rows; ++r) {
        const double value = sin((double)r * 1.7) * 1e3 + 1e5;
        if (r % 11 == 3)
            fprintf(file, "?,");
        else
            fprintf(file, "%.9g,", value);
        fprintf(file, "%s,", r % 7 == 2 ? "" : r % 3 ? "red" : "deep blue");
        fprintf(file, r % 5 ? "plain,5," : "\"a, \"\"b\"\"%sc\",5,", end);
        if (classes)
            fprintf(file, "%s%s", r % 4 ? r % 2 ? "rose" : "tulip" : "iris", end);
        else
            fprintf(file, "%.6g%s", value / 3 - (double)r, r + 1 < rows ? end : "");
    }
    fclose(file);
    return path;
}

Test(stream_data, tables_are_the_same_bit_for_bit)
{
    const int32_t scalings[] = {BP_SCALING_AUTO, BP_SCALING_MINMAX, BP_SCALING_NONE};
    const char *const ends[] = {"\n", "\r\n", "\r"};
    for (int i = 0; i < 3; ++i) {
        char *classes = write_table("c.csv", 200, ends[i], true);
        char *numbers = write_table("n.csv", 200, ends[i], false);
        check_one(classes, NULL, scalings[i], 0.3);
        check_one(classes, NULL, scalings[i], 0);
        check_one(numbers, NULL, scalings[i], 0.25);
        free(classes);
        free(numbers);
    }
}

Test(stream_data, several_files_and_gzip)
{
    char *a = write_table("a.csv", 60, "\n", true), *b = write_table("b.csv", 90, "\n", true);
    const char *const plain[] = {a, b};
    check_same(plain, 2, NULL, BP_SCALING_AUTO, 0.2);
    size_t size;
    char *bytes = read_bytes(b, &size);
    const char *packed = in_folder("b.csv.gz");
    write_gzip(packed, bytes, size);
    const char *const mixed[] = {a, packed};
    check_same(mixed, 2, NULL, BP_SCALING_AUTO, 0.2);
    free(a);
    free(b);
    free(bytes);
}

/* Members one after the other, and zero bytes behind them, are one file; anything else behind them
 * is not passed over. */
Test(stream_data, gzip_members_and_what_follows_them)
{
    char *table = write_table("a.csv", 300, "\n", true);
    const char *packed = in_folder("m.csv.gz");
    size_t size, half, packed_sizes[2];
    char *bytes = read_bytes(table, &size), *members[2];
    for (half = size / 2; bytes[half - 1] != '\n'; ++half) {
    }
    for (int i = 0; i < 2; ++i) {
        write_gzip(packed, i ? bytes + half : bytes, i ? size - half : half);
        members[i] = read_bytes(packed, &packed_sizes[i]);
    }
    char *all = calloc(packed_sizes[0] + packed_sizes[1] + 700, 1);
    memcpy(all, members[0], packed_sizes[0]);
    memcpy(all + packed_sizes[0], members[1], packed_sizes[1]);
    const size_t end = packed_sizes[0] + packed_sizes[1];
    write_bytes(packed, all, end);
    check_one(packed, NULL, BP_SCALING_AUTO, 0);
    write_bytes(packed, all, end + 700);
    check_one(packed, NULL, BP_SCALING_AUTO, 0);
    all[end + 600] = 'x';
    write_bytes(packed, all, end + 700);
    bp_data *data;
    bp_load_options options = bp_load_options_default();
    options.stream = 1;
    expect_error(bp_data_load(&data, packed, &options), BP_ERROR_DATA,
                 "m.csv.gz|something follows the gzip data");
    all[packed_sizes[0] + packed_sizes[1] / 2] ^= 0x55;
    write_bytes(packed, all, end);
    expect_error(bp_data_load(&data, packed, &options), BP_ERROR_DATA, "m.csv.gz|gzip data");
    for (int i = 0; i < 2; ++i) free(members[i]);
    free(all);
    free(bytes);
    free(table);
}

/* The first block shows numbers alone: all is read again. */
Test(stream_data, a_column_of_texts_that_begins_with_numbers)
{
    const char *path = in_folder("late.csv");
    FILE *file = fopen(path, "wb");
    fputs("code,kind\n", file);
    for (int r = 0; r < 300; ++r) fprintf(file, r < 150 ? "%03d,%d\n" : "A%d,%d\n", r % 9, r % 2);
    fclose(file);
    check_one(path, NULL, BP_SCALING_AUTO, 0.2);
}

static void put_big_endian(FILE *file, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(value >> shift & 255), file);
}

/* Pictures of 5 x 3 and their labels. */
static void write_pictures(const char *images, const char *labels, uint32_t rows)
{
    FILE *file = fopen(images, "wb");
    put_big_endian(file, 0x803);
    put_big_endian(file, rows);
    put_big_endian(file, 5);
    put_big_endian(file, 3);
    for (uint32_t i = 0; i < rows * 15; ++i) fputc((int)(i * i % 251), file);
    fclose(file);
    file = fopen(labels, "wb");
    put_big_endian(file, 0x801);
    put_big_endian(file, rows);
    for (uint32_t i = 0; i < rows; ++i) fputc((int)(i * 7 % 4), file);
    fclose(file);
}

Test(stream_data, pictures_are_the_same_bit_for_bit)
{
    const char *images = in_folder("train-images-idx3-ubyte");
    const char *labels = in_folder("train-labels-idx1-ubyte");
    write_pictures(images, labels, 101);
    check_one(images, NULL, BP_SCALING_AUTO, 0.3);
    check_one(images, labels, BP_SCALING_STANDARD, 0.3);
    check_one(images, labels, BP_SCALING_MINMAX, 0);
}

/* An NPY file of little-endian float64. */
static void write_npy(const char *path, size_t rows, size_t columns)
{
    char header[128];
    FILE *file = fopen(path, "wb");
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\0\x76\0", 10);
    const int used =
        snprintf(header + 10, 118,
                 "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", rows, columns);
    header[10 + used] = ' ';
    header[127] = '\n';
    fwrite(header, 1, sizeof header, file);
    for (size_t i = 0; i < rows * columns; ++i) {
        const double value = i % columns == columns - 1 ? (double)(i % 3)
                             : i % 13 == 5              ? (double)NAN
                                                        : cos((double)i);
        fwrite(&value, sizeof value, 1, file);
    }
    fclose(file);
}

Test(stream_data, arrays_are_the_same_bit_for_bit)
{
    const char *path = in_folder("x.npy");
    write_npy(path, 97, 5);
    check_one(path, NULL, BP_SCALING_AUTO, 0.3);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static bp_status stream_text(bp_data **out, const char *text, bp_load_options options)
{
    options.stream = 1;
    return load_text(out, text, &options);
}

/* `rows` good rows, then this. */
static char *after_rows(int rows, const char *text)
{
    char *all = malloc((size_t)rows * 16 + strlen(text) + 64), *at = all;
    at += sprintf(at, "a,b,kind\n");
    for (int r = 0; r < rows; ++r) at += sprintf(at, "%d,%d,%d\n", r, r % 10, r % 2);
    strcpy(at, text);
    return all;
}

Test(stream_data, errors_name_the_line_however_far_down)
{
    const struct {
        const char *text;
        bp_status status;
        const char *words;
    } cases[] = {
        {"1,oops,0\n2,3,1\n", BP_ERROR_DATA,
         "t.csv, line 502, column \"b\": \"oops\" is not a number"},
        {"1,2,0\n3,inf,1\n", BP_ERROR_DATA,
         "t.csv, line 503, column \"b\": \"inf\" is not a finite"},
        {"1,2,\n", BP_ERROR_DATA, "t.csv, line 502: the target (column \"kind\") is missing"},
        {"1,2\n", BP_ERROR_DATA, "t.csv, line 502: 2 cells found, 3 expected"},
        {"\n1,2,0\n", BP_ERROR_DATA, "t.csv, line 502: a blank line in the middle"},
        {"1,\"2,0\n", BP_ERROR_DATA, "t.csv, line 502: a quote opens here and is never closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_data *data;
        char *text = after_rows(500, cases[i].text);
        expect_error(stream_text(&data, text, bp_load_options_default()), cases[i].status,
                     cases[i].words);
        cr_assert_null(data);
        free(text);
    }
    /* Blank lines at the end are none, across blocks too. */
    bp_data *data;
    char blank[600];
    memset(blank, '\n', sizeof blank - 1);
    blank[599] = '\0';
    char *text = after_rows(500, blank);
    cr_assert_eq(stream_text(&data, text, bp_load_options_default()), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_data_get_info(data).rows, 500);
    bp_data_free(data);
    free(text);
}

Test(stream_data, damaged_files)
{
    bp_data *data;
    bp_load_options options = bp_load_options_default();
    options.stream = 1;
    const char *images = in_folder("p-images-idx3-ubyte"),
               *labels = in_folder("p-labels-idx1-ubyte");
    write_pictures(images, labels, 60);
    cr_assert_eq(truncate(images, 700), 0);
    expect_error(bp_data_load(&data, images, &options), BP_ERROR_DATA, "p-images|700 bytes");
    write_pictures(images, labels, 60);
    cr_assert_eq(truncate(labels, 30), 0);
    expect_error(bp_data_load(&data, images, &options), BP_ERROR_DATA, "p-labels");

    char *text = after_rows(500, "");
    const char *packed = in_folder("cut.csv.gz");
    write_gzip(packed, text, strlen(text));
    struct stat about;
    stat(packed, &about);
    cr_assert_eq(truncate(packed, about.st_size - 20), 0);
    expect_error(bp_data_load(&data, packed, &options), BP_ERROR_DATA, "cut.csv.gz|gzip");
    free(text);
    write_bytes(in_folder("e.csv"), "", 0);
    expect_error(bp_data_load(&data, in_folder("e.csv"), &options), BP_ERROR_DATA, "is empty");
    expect_error(bp_data_load(&data, "/nowhere.csv", &options), BP_ERROR_IO, "/nowhere.csv");
    expect_error(bp_data_load(&data, BACKPROP_SOURCE_DIR "/data", &options), BP_ERROR_IO, "data");
}

Test(stream_data, formats_that_cannot_be_streamed_say_so)
{
    bp_data *data;
    expect_error(
        stream_text(&data, "4 2 1\n0 0\n0\n0 1\n1\n1 0\n1\n1 1\n0\n", bp_load_options_default()),
        BP_ERROR_UNSUPPORTED, "FANN|CSV, IDX and NPY");
}

Test(stream_data, a_full_disk)
{
    bp_data *data;
    char *text = after_rows(2000, "");
    bp_load_options options = bp_load_options_default();
    options.stream_folder = "/nowhere/at/all";
    expect_error(stream_text(&data, text, options), BP_ERROR_STORAGE, "/nowhere/at/all|temporary file");
    options.stream_folder = NULL;
    setenv("TMPDIR", in_folder(""), 1);
    struct rlimit limit = {40000, 40000};
    write_bytes(in_folder("t.csv"), text, strlen(text));
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    options.stream = 1;
    expect_error(bp_data_load(&data, in_folder("t.csv"), &options), BP_ERROR_STORAGE,
                 "cannot be written|more room");
    free(text);
}

Test(stream_data, nothing_is_left_in_the_folder)
{
    setenv("TMPDIR", in_folder(""), 1);
    char *text = after_rows(500, "");
    bp_data *data;
    cr_assert_eq(stream_text(&data, text, bp_load_options_default()), BP_OK, "%s", bp_last_error());
    DIR *folder = opendir(in_folder(""));
    for (struct dirent *entry; (entry = readdir(folder));)
        cr_assert(entry->d_name[0] == '.' || strcmp(entry->d_name, "t.csv") == 0, "%s",
                  entry->d_name);
    closedir(folder);
    bp_data_free(data);
    free(text);
}

Test(stream_data, what_needs_rows_in_memory_says_so)
{
    char *text = after_rows(50, "");
    bp_data *data, *first, *second;
    bp_column_info *infos;
    size_t count;
    cr_assert_eq(stream_text(&data, text, bp_load_options_default()), BP_OK);
    expect_error(bp_data_describe(&infos, &count, data), BP_ERROR_UNSUPPORTED, "is streamed");
    cr_assert_eq(bp_data_split(&first, &second, data, 0.5, 1), BP_OK);
    bp_data *third, *fourth;
    expect_error(bp_data_split(&third, &fourth, first, 0.5, 1), BP_ERROR_UNSUPPORTED, "once");
    bp_data_free(data);
    bp_data_free(first);
    bp_data_free(second);
    free(text);
}
