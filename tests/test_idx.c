/* test_idx.c - the IDX reader: every type, plain and gzip, the four files of a folder, and files
 * that lie about their size. */
#include "data_support.h"

#include <math.h>

#include "data/data.h"

/* An IDX file under construction. */
typedef struct file {
    unsigned char bytes[4096];
    size_t size;
} file;

static void put(file *f, const void *bytes, size_t size)
{
    cr_assert_leq(f->size + size, sizeof f->bytes);
    memcpy(f->bytes + f->size, bytes, size);
    f->size += size;
}

static void put_big(file *f, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; --i)
        put(f, &(unsigned char){(unsigned char)(value >> 8 * i)}, 1);
}

static file header(int type, int dimensions, const uint32_t *sizes)
{
    file f = {.size = 0};
    put(&f, (unsigned char[]){0, 0, (unsigned char)type, (unsigned char)dimensions}, 4);
    for (int d = 0; d < dimensions; ++d) put_big(&f, sizes[d], 4);
    return f;
}
#define HEADER(type, ...)                                                                          \
    header(type, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static file pictures(uint32_t rows, uint32_t height, uint32_t width)
{
    file f = HEADER(0x08, rows, height, width);
    for (uint32_t i = 0; i < rows * height * width; ++i)
        put(&f, &(unsigned char){(unsigned char)(i * 7)}, 1);
    return f;
}

static file labels(uint32_t rows, int classes)
{
    file f = HEADER(0x08, rows);
    for (uint32_t i = 0; i < rows; ++i)
        put(&f, &(unsigned char){(unsigned char)(i % (uint32_t)classes)}, 1);
    return f;
}

static const char *store(const char *name, file f)
{
    const char *path = in_folder(name);
    size_t length = strlen(name);
    if (length > 3 && strcmp(name + length - 3, ".gz") == 0)
        write_gzip(path, f.bytes, f.size);
    else
        write_bytes(path, f.bytes, f.size);
    return path;
}

static void expect_bad(file f, const char *words, int line)
{
    bp_data *data;
    check_error(bp_data_load(&data, store("bad", f), NULL), BP_ERROR_DATA, words, line);
    cr_assert_null(data);
    if (f.size < 8) return;
    check_error(bp_data_load(&data, store("bad.gz", f), NULL), BP_ERROR_DATA, "bad.gz", line);
}
#define expect_bad_idx(f, words) expect_bad(f, words, __LINE__)

/* ---- good files ---- */

Test(idx, pictures_and_labels)
{
    for (int gzip = 0; gzip < 2; ++gzip) {
        bp_load_options options = bp_load_options_default();
        options.labels = store(gzip ? "l.gz" : "l", labels(6, 3));
        bp_data *data, *encoded;
        bp_schema *schema;
        cr_assert_eq(bp_data_load(&data, store(gzip ? "p.gz" : "p", pictures(6, 2, 5)), &options),
                     BP_OK, "%s", bp_last_error());
        bp_data_info info = bp_data_get_info(data);
        cr_assert_eq(info.rows, 6);
        cr_assert_eq(info.columns, 10);
        cr_assert_eq(info.image_height, 2);
        cr_assert_eq(info.image_width, 5);
        cr_assert_eq(info.task, BP_TASK_CLASSIFY);
        cr_assert_eq(info.encoded, 0);
        cr_assert_not_null(data->pixels, "bytes stay bytes");
        cr_assert_null(bp_data_features(data));
        cr_assert_null(bp_data_labels(data), "raw data has no encoded labels");
        cr_assert_eq(bp_schema_learn(&schema, data), BP_OK, "%s", bp_last_error());
        cr_assert_eq(bp_schema_apply(&encoded, schema, data), BP_OK, "%s", bp_last_error());
        for (unsigned i = 0; i < 60; ++i)
            cr_assert_eq(bp_data_features(encoded)[i], (float)((unsigned char)(i * 7) / 255.0));
        for (int i = 0; i < 6; ++i) cr_assert_eq(bp_data_labels(encoded)[i], i % 3);
        bp_schema_info about = bp_schema_get_info(schema);
        cr_assert_eq(about.columns, 10);
        cr_assert_eq(about.features, 10);
        cr_assert_eq(about.outputs, 3);
        cr_assert_eq(about.image_width, 5);
        cr_assert_str_eq(bp_schema_output_name(schema, 2), "2");
        cr_assert_null(bp_schema_output_name(schema, 3));
        cr_assert_eq(bp_data_get_info(encoded).image_height, 2);
        bp_data_free(encoded);
        bp_schema_free(schema);
        bp_data_free(data);
    }
}

/* -3, 100, 2.5 or so in every type, two rows of three. */
Test(idx, every_type)
{
    const double values[6] = {-3, 100, 2.5, 0, -128, 7};
    const struct {
        int type, size;
    } types[] = {{0x08, 1}, {0x09, 1}, {0x0B, 2}, {0x0C, 4}, {0x0D, 4}, {0x0E, 8}};
    for (int t = 0; t < 6; ++t) {
        file f = HEADER(types[t].type, 2, 3);
        double expected[6];
        for (int i = 0; i < 6; ++i) {
            uint64_t bits = (uint64_t)(int64_t)values[i];
            expected[i] = types[t].type == 8 ? (double)(uint8_t)bits : trunc(values[i]);
            if (types[t].type == 0x0D) {
                float single = (float)values[i];
                uint32_t word;
                memcpy(&word, &single, 4);
                bits = word;
                expected[i] = values[i];
            }
            if (types[t].type == 0x0E) {
                memcpy(&bits, &values[i], 8);
                expected[i] = values[i];
            }
            put_big(&f, bits, types[t].size);
        }
        bp_data *data;
        cr_assert_eq(bp_data_load(&data, store("v", f), NULL), BP_OK, "%s", bp_last_error());
        cr_assert_eq(data->rows, 2);
        cr_assert_eq(data->pixel_count, 3);
        cr_assert_eq(data->image_height, 0);
        cr_assert_eq(data->task, BP_TASK_AUTO);
        for (int i = 0; i < 6; ++i)
            cr_assert_eq(data->pixels ? data->pixels[i] : (double)data->values[i], expected[i],
                         "type %x, %d", types[t].type, i);
        bp_data_free(data);
    }
}

/* One mean and one deviation over all values. */
Test(idx, other_types_are_standardised)
{
    file f = HEADER(0x0B, 2, 2), l = HEADER(0x0C, 2);
    const int values[4] = {-2, 0, 4, 6};
    for (int i = 0; i < 4; ++i) put_big(&f, (uint64_t)(int64_t)values[i], 2);
    put_big(&l, 0, 4);
    put_big(&l, 1, 4);
    bp_load_options options = bp_load_options_default();
    options.labels = store("l", l);
    bp_data *data, *encoded;
    bp_schema *schema;
    cr_assert_eq(bp_data_load(&data, store("v", f), &options), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_learn(&schema, data), BP_OK);
    cr_assert_eq(bp_schema_apply(&encoded, schema, data), BP_OK);
    for (int i = 0; i < 4; ++i)
        cr_assert_float_eq(bp_data_features(encoded)[i], (values[i] - 2) / sqrt(10), 1e-6);
    bp_data_free(encoded);
    bp_data_free(data);
    /* The schema is for this type of file only: the scale of bytes is another one. */
    cr_assert_eq(bp_data_load(&data, store("p", pictures(2, 1, 2)), NULL), BP_OK);
    expect_error(bp_schema_apply(&encoded, schema, data), BP_ERROR_DATA, "type u8");
    bp_data_free(data);
    bp_schema_free(schema);
}

Test(idx, folder_of_four)
{
    const char *const suffixes[] = {"", ".gz"};
    const char *const joints[] = {"-", "."};
    for (int variant = 0; variant < 4; ++variant) {
        const char *suffix = suffixes[variant % 2], *joint = joints[variant / 2];
        char names[4][64];
        for (int i = 0; i < 4; ++i)
            snprintf(names[i], 64, "%s-%s%sidx%d-ubyte%s", i < 2 ? "train" : "t10k",
                     i % 2 ? "labels" : "images", joint, i % 2 ? 1 : 3, suffix);
        store(names[0], pictures(6, 2, 2));
        store(names[1], labels(6, 3));
        cr_assert_eq(bp_data_has_test_part(in_folder(".")), 0, "two of four");
        store(names[2], pictures(4, 2, 2));
        store(names[3], labels(4, 3));
        cr_assert_eq(bp_data_has_test_part(in_folder(".")), 1);
        bp_load_options options = bp_load_options_default();
        for (int test = 0; test < 2; ++test) {
            options.test_part = test;
            bp_data *data;
            cr_assert_eq(bp_data_load(&data, in_folder("."), &options), BP_OK, "%s",
                         bp_last_error());
            cr_assert_eq(data->rows, test ? 4 : 6);
            cr_assert_eq(data->task, BP_TASK_CLASSIFY);
            bp_data_free(data);
        }
        options.labels = "x";
        bp_data *data;
        expect_error(bp_data_load(&data, in_folder("."), &options), BP_ERROR_ARGUMENT, "folder");
        unlink(in_folder(names[3]));
        options = bp_load_options_default();
        options.test_part = 1;
        expect_error(bp_data_load(&data, in_folder("."), &options), BP_ERROR_IO, "t10k-labels");
        for (int i = 0; i < 4; ++i) unlink(in_folder(names[i]));
    }
    cr_assert_eq(bp_data_has_test_part("/nonexistent"), 0);
    cr_assert_eq(bp_data_has_test_part(NULL), 0);
}

Test(idx, labels_beside_the_pictures)
{
    bp_data *data;
    cr_assert_eq(bp_data_load(&data, store("my-images-idx3-ubyte.gz", pictures(6, 2, 2)), NULL),
                 BP_OK);
    cr_assert_eq(data->task, BP_TASK_AUTO);
    bp_data_free(data);
    store("my-labels-idx1-ubyte", labels(6, 2));
    cr_assert_eq(bp_data_load(&data, in_folder("my-images-idx3-ubyte.gz"), NULL), BP_OK, "%s",
                 bp_last_error());
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    cr_assert_eq(data->labels[5], 1);
    bp_data_free(data);
}

Test(idx, read_as_a_schema_knows_it)
{
    bp_load_options options = bp_load_options_default();
    bp_data *data;
    bp_schema *schema;
    options.labels = store("l", labels(6, 3));
    cr_assert_eq(bp_data_load(&data, store("p", pictures(6, 2, 2)), &options), BP_OK);
    cr_assert_eq(bp_schema_learn(&schema, data), BP_OK);
    bp_data_free(data);
    options.schema = schema;
    options.labels = NULL;
    cr_assert_eq(bp_data_load(&data, in_folder("p"), &options), BP_OK);
    bp_data_free(data);
    options.need_target = 1;
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA, "no labels");
    expect_error(bp_data_load(&data, store("q", pictures(6, 3, 2)), &options), BP_ERROR_DATA,
                 "6 values in each row, the model expects 4");
    options.need_target = 0;
    options.labels = store("l9", labels(6, 5));
    cr_assert_eq(bp_data_load(&data, in_folder("p"), &options), BP_OK);
    cr_assert_eq(data->task, BP_TASK_AUTO, "labels that are not known do not help a prediction");
    expect_contains(bp_data_warnings(data), "labels are ignored");
    bp_data_free(data);
    options.need_target = 1;
    cr_assert_eq(bp_data_load(&data, in_folder("p"), &options), BP_OK);
    bp_data *encoded;
    expect_error(bp_schema_apply(&encoded, schema, data), BP_ERROR_DATA,
                 "row 4 (from 1): the class \"3\" is not one of the 3");
    bp_data_free(data);
    bp_schema_free(schema);
}

/* ---- bad files ---- */

Test(bad, headers)
{
    file f = pictures(3, 2, 2);
    f.bytes[2] = 0x0A;
    expect_bad_idx(f, "byte 2: type 0a is unknown");
    f = pictures(3, 2, 2);
    f.bytes[3] = 0;
    expect_bad_idx(f, "byte 3: 0 dimensions");
    f.bytes[3] = 9;
    expect_bad_idx(f, "byte 3: 9 dimensions, 1 to 8");
    f = HEADER(0x08, 0, 2, 2);
    expect_bad_idx(f, "byte 4: dimension 1 has size 0");
    f = HEADER(0x08, 2, 0, 2);
    expect_bad_idx(f, "byte 8: dimension 2 has size 0");
    f = pictures(3, 2, 2);
    f.size = 10;
    expect_bad_idx(f, "ends after 10 bytes, inside its header of 16");
    f.size = 3;
    expect_bad_idx(f, "3 bytes");
}

Test(bad, sizes_that_lie)
{
    limit_memory();
    file f = pictures(3, 2, 2);
    --f.size;
    expect_bad_idx(f, "27 bytes found, the header promises 28: the file is cut off");
    f = pictures(3, 2, 2);
    put(&f, "x", 1);
    expect_bad_idx(f, "29 bytes found or more, the header promises 28: the file is too long");
    f = HEADER(0x08, 0xFFFFFFFF, 0xFFFFFFFF);
    put(&f, "x", 1);
    expect_bad_idx(f, "13 bytes found, the header promises 18446744065119617037");
    f = HEADER(0x08, 0xFFFFFFFF, 0xFFFFFFFF, 2);
    expect_bad_idx(f, "multiply to more");
    f = HEADER(0x0E, 0x80000000, 0x40000000);
    expect_bad_idx(f, "multiply to more");
    f = HEADER(0x08, 0x10000, 0x10000, 0x10000, 0x10000); /* 2^64 is 0 */
    expect_bad_idx(f, "multiply to more");
    f = HEADER(0x08, 0xFFFFFFFF);
    expect_bad_idx(f, "the header promises");
    f = HEADER(0x08, 1000, 1000, 1000);
    put(&f, "x", 1);
    expect_bad_idx(f, "17 bytes found, the header promises 1000000016");
    bp_data *data; /* packed, the promise cannot be true either */
    expect_error(bp_data_load(&data, store("bad.gz", f), NULL), BP_ERROR_DATA, "cannot hold them");
}

/* A gzip file that keeps what its header promises, which is too much for its size. */
Test(bad, gzip_that_explodes)
{
    const uint32_t rows = 300, area = 1 << 20;
    gzFile f = gzopen(in_folder("bomb.gz"), "wb9");
    file h = HEADER(0x08, rows, area);
    char *zeros = calloc(area, 1);
    gzwrite(f, h.bytes, (unsigned)h.size);
    for (uint32_t r = 0; r < rows; ++r) gzwrite(f, zeros, area);
    free(zeros);
    gzclose(f);
    limit_memory();
    bp_data *data;
    expect_error(bp_data_load(&data, in_folder("bomb.gz"), NULL), BP_ERROR_DATA, "expands to more");
}

Test(bad, pairs_that_do_not_match)
{
    bp_data *data;
    bp_load_options options = bp_load_options_default();
    store("p", pictures(6, 2, 2));
    options.labels = store("l", labels(5, 2));
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA,
                 "/l has 5 labels|/p has 6 rows");
    options.labels = in_folder("p");
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA,
                 "has 3 dimensions|labels were expected|swapped");
    expect_error(bp_data_load(&data, in_folder("l"), NULL), BP_ERROR_DATA,
                 "has one dimension|pictures were expected|swapped");
    file f = HEADER(0x09, 6);
    put(&f, "\0\1\2\xFF\0\1", 6);
    options.labels = store("negative", f);
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA,
                 "label 3 (from 0) is -1");
    f = HEADER(0x0C, 6);
    for (int i = 0; i < 6; ++i) put_big(&f, i == 5 ? 0x7FFFFFFF : 1, 4);
    options.labels = store("huge", f);
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA,
                 "label 5 (from 0) is 2147483647");
    f = HEADER(0x0D, 6);
    for (int i = 0; i < 6; ++i) put_big(&f, i == 4 ? 0x3FC00000 : 0x3F800000, 4);
    options.labels = store("float", f);
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA,
                 "byte 24: label 4 (from 0) is 1.5|whole number");
    options.labels = in_folder("none");
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_IO, "none");
    options.labels = store("l", labels(6, 2));
    options.target = "1";
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_ARGUMENT, "no columns");
    options.target = NULL;
    options.task = BP_TASK_REGRESS;
    expect_error(bp_data_load(&data, in_folder("p"), &options), BP_ERROR_DATA, "classes");
}

Test(bad, values_that_are_not_finite)
{
    const uint32_t bits[] = {0x7F800000, 0xFF800000, 0x7FC00000};
    for (int i = 0; i < 3; ++i) {
        file f = HEADER(0x0D, 2, 2);
        for (int k = 0; k < 4; ++k) put_big(&f, k == 3 ? bits[i] : 0x3F800000, 4);
        expect_bad_idx(f, "row 1, value 1 (from 0)|finite");
    }
    file f = HEADER(0x0E, 1, 2);
    put_big(&f, 0x3FF0000000000000, 8);
    put_big(&f, 0x7FE0000000000000, 8); /* finite as f64, not as f32 */
    expect_bad_idx(f, "row 0, value 1 (from 0)|finite");
}

/* ---- damage ---- */

static bp_status read_idx(const char *bytes, size_t size)
{
    bp_data *data;
    bp_load_options options = bp_load_options_default();
    options.format = BP_FORMAT_IDX;
    options.labels = in_folder("labels");
    bp_status status = load_bytes(&data, bytes, size, &options);
    return status == BP_OK ? use_data(data) : status;
}

static bp_status read_labels(const char *bytes, size_t size)
{
    bp_data *data;
    write_bytes(in_folder("labels"), bytes, size);
    bp_load_options options = bp_load_options_default();
    options.labels = in_folder("labels");
    bp_status status = bp_data_load(&data, in_folder("pictures"), &options);
    return status == BP_OK ? use_data(data) : status;
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16], size;
    limit_memory();
    store("labels", labels(5, 2));
    file f = pictures(5, 2, 3);
    mutate(read_idx, (char *)f.bytes, f.size, counts);
    /* Every flip in the pixels is another picture; of the header only u8 to i8 keeps the size. */
    cr_assert_eq(counts[BP_OK], 30 * 8 + 1, "%zu", counts[BP_OK]);
    file doubles = HEADER(0x0E, 5, 2);
    for (int i = 0; i < 10; ++i) put_big(&doubles, 0x3FF0000000000000 + (uint64_t)i, 8);
    mutate(read_idx, (char *)doubles.bytes, doubles.size, counts);
    cr_assert_gt(counts[BP_OK], 500);
    cr_assert_gt(counts[BP_ERROR_DATA], 100);
    store("pictures", f);
    file l = labels(5, 2);
    mutate(read_labels, (char *)l.bytes, l.size, counts);
    /* 5 labels of a byte each; the flip from u8 to i8 changes nothing for small ones. */
    cr_assert_eq(counts[BP_OK], 5 * 8 + 1, "%zu", counts[BP_OK]);
    store("labels", labels(5, 2));
    store("good.gz", f);
    char *bytes = read_bytes(in_folder("good.gz"), &size);
    mutate(read_idx, bytes, size, counts);
    cr_assert_leq(counts[BP_OK], 8 * 7 + 1, "%zu", counts[BP_OK]);
    free(bytes);
}
