/* test_npz.c - NumPy's archives: which arrays are taken, how they are packed, and archives that are
 * damaged or none. */
#include "npy_support.h"

static const double x8[] = {0, 0, 0, 1, 1, 0, 1, 1}, y4[] = {0, 1, 1, 0}, z4[] = {9, 8, 9, 8};

static block x_array(void)
{
    return npy_matrix("f4", 4, 2, x8);
}

static block y_array(void)
{
    return npy_matrix("i8", 4, 0, y4);
}

static void expect_pair(block b, const char *what)
{
    bp_data *data;
    cr_assert_eq(load_bytes(&data, b.bytes, b.size, NULL), BP_OK, "%s: %s", what, bp_last_error());
    cr_assert_eq(data->rows, 4, "%s", what);
    cr_assert_eq(data->column_count, 2);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    for (size_t r = 0; r < 4; ++r) {
        expect_number(data, 0, r, x8[2 * r]);
        expect_number(data, 1, r, x8[2 * r + 1]);
        expect_number(data, 2, r, y4[r]);
    }
    cr_assert_str_empty(bp_data_warnings(data), "%s: %s", what, bp_data_warnings(data));
    bp_data_free(data);
}

Test(npz, names_of_features_and_targets)
{
    const char *const names[][2] = {
        {"x.npy", "y.npy"},
        {"X.npy", "Y.npy"},
        {"data.npy", "target.npy"},
        {"features.npy", "labels.npy"},
        {"X.npy", "targets.npy"},
        {"arr_0.npy", "arr_1.npy"},
        {"x_train.npy", "y_train.npy"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        member x = stored(names[i][0], x_array()), y = stored(names[i][1], y_array());
        expect_pair(ZIP_OF(x, y), names[i][0]);
        expect_pair(ZIP_OF(y, stored("names.npy", npy_matrix("i8", 4, 0, z4)), x), names[i][0]);
    }
}

Test(npz, kinds_of_packing)
{
    for (int variant = 0; variant < 16; ++variant) {
        char what[32];
        member x = stored("X.npy", x_array()), y = stored("y.npy", y_array());
        x.method = variant % 2 ? 8 : 0;
        y.method = variant / 2 % 2 ? 8 : 0;
        x.zip64 = y.zip64 = variant / 4 % 2;
        x.zip64_entry = variant / 8 % 2;
        snprintf(what, sizeof what, "variant %d", variant);
        expect_pair(ZIP_OF(x, y), what);
    }
    block with_comment = ZIP_OF(stored("x.npy", x_array()), stored("y.npy", y_array()));
    with_comment.bytes[with_comment.size - 2] = 7;
    put(&with_comment, "comment", 7);
    expect_pair(with_comment, "a comment");
}

Test(npz, one_array_is_a_table)
{
    bp_data *data = must_load_block(ZIP_OF(deflated("data.npy", x_array())), NULL);
    cr_assert_eq(data->target_count, 1);
    cr_assert_eq(data->column_count, 1);
    bp_data_free(data);
    data =
        must_load_block(ZIP_OF(stored("X.npy", x_array()), stored("species.npy", y_array())), NULL);
    cr_assert_eq(data->task, BP_TASK_AUTO, "its last column is not a target by itself");
    expect_contains(bp_data_warnings(data), "no array is called y, Y, target, targets or labels");
    expect_contains(bp_data_warnings(data), "the arrays are: X, species");
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.target = "-1";
    data = must_load_block(ZIP_OF(stored("X.npy", x_array()), stored("species.npy", y_array())),
                           &options);
    cr_assert_eq(data->target_count, 1);
    bp_data_free(data);
}

Test(npz, test_parts)
{
    const double test_x[] = {5, 6, 7, 8}, test_y[] = {1, 0};
    block b = ZIP_OF(deflated("x_train.npy", x_array()), stored("y_train.npy", y_array()),
                     stored("x_test.npy", npy_matrix("f4", 2, 2, test_x)),
                     stored("y_test.npy", npy_matrix("i8", 2, 0, test_y)));
    const char *path = store_block("both.npz", b);
    cr_assert_eq(bp_data_has_test_part(path), 1);
    bp_load_options options = bp_load_options_default();
    options.test_part = 1;
    bp_data *data;
    cr_assert_eq(bp_data_load(&data, path, &options), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->rows, 2);
    expect_number(data, 1, 1, 8);
    bp_data_free(data);
    path = store_block("one.npz", ZIP_OF(stored("x.npy", x_array()), stored("y.npy", y_array())));
    cr_assert_eq(bp_data_has_test_part(path), 0);
    expect_error(bp_data_load(&data, path, &options), BP_ERROR_DATA,
                 "no test part|x_test|the arrays are: x, y");
    cr_assert_eq(bp_data_has_test_part(
                     store_block("damaged.npz", (block){.bytes = "PK\3\4xxxx", .size = 8})),
                 0);
    cr_assert_eq(bp_data_has_test_part("/nonexistent"), 0);
    cr_assert_eq(bp_data_has_test_part(NULL), 0);
}

Test(bad, archives_without_the_arrays)
{
    expect_bad_block(ZIP_OF(stored("a.npy", x_array()), stored("b.npy", y_array())),
                     "no array is called x, X, data, features or x_train; the arrays are: a, b");
    expect_bad_block(ZIP_OF(stored("X.npy", x_array()), stored("data.npy", x_array()),
                            stored("y.npy", y_array())),
                     "the arrays X and data: which of them");
    expect_bad_block(ZIP_OF(stored("X.npy", x_array()), stored("y.npy", y_array()),
                            stored("target.npy", y_array())),
                     "the arrays y and target: which of them");
    expect_bad_block(ZIP_OF(stored("X.npy", x_array()), stored("X.npy", x_array())),
                     "the arrays X and X");
    expect_bad_block(
        ZIP_OF(stored("[Content_Types].xml", x_array()), stored("xl/workbook.xml", y_array())),
        "a spreadsheet without NumPy arrays|xl/workbook.xml");
    expect_bad_block(
        ZIP_OF(stored("archive/data.pkl", x_array()), stored("archive/data/0", y_array())),
        "as torch.save writes");
    expect_bad_block(zip_of(NULL, 0), "without NumPy arrays|nothing");
    block labels = npy_matrix("i8", 3, 0, y4);
    expect_bad_block(ZIP_OF(stored("X.npy", x_array()), stored("y.npy", labels)),
                     "array y has 3 labels|array X has 4 rows");
    bp_load_options options = bp_load_options_default();
    bp_data *data;
    options.labels = "y.npy";
    const char *path =
        store_block("x.npz", ZIP_OF(stored("X.npy", x_array()), stored("y.npy", y_array())));
    expect_error(bp_data_load(&data, path, &options), BP_ERROR_ARGUMENT, "holds its targets");
}

Test(bad, members)
{
    limit_memory();
    member y = stored("y.npy", y_array());
    expect_bad_block(ZIP_OF({.name = "X.npy", .content = x_array(), .flags = 1}, y),
                     "byte 0: X.npy is encrypted");
    expect_bad_block(ZIP_OF({.name = "X.npy", .content = x_array(), .method = 12}, y),
                     "X.npy is packed by method 12|savez_compressed");
    block header = x_array();
    header.bytes[20] = 'q';
    expect_bad_block(ZIP_OF(stored("X.npy", header), y), "bytes, array X, byte 20: 'q' found");
    for (int method = 0; method <= 8; method += 8) {
        member x = stored("X.npy", x_array());
        x.method = method;
        block b = ZIP_OF(x, y), c = b;
        c.bytes[60] ^= 1; /* in X's content */
        expect_bad_block(c, "X.npy is damaged");
        c = b;
        c.bytes[0] = 'Q';
        bp_load_options options = bp_load_options_default();
        options.format = BP_FORMAT_NPY;
        check_bad_block(c, &options, "byte 0: an NPY file starts", __LINE__);
    }
}

/* The offset of the n-th record with this signature. */
static size_t find_record(const block *b, uint32_t signature, int n)
{
    for (size_t at = 0; at + 4 <= b->size; ++at) {
        uint32_t found;
        memcpy(&found, b->bytes + at, 4);
        if (found == signature && n-- == 0) return at;
    }
    cr_assert_fail("no record %08x", signature);
    return 0;
}

static void set_32(block *b, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; ++i) b->bytes[at + (size_t)i] = (unsigned char)(value >> 8 * i);
}

Test(bad, sizes_and_offsets_that_lie)
{
    enum { CENTRAL = 0x02014b50, END = 0x06054b50 };
    limit_memory();
    block good = ZIP_OF(deflated("X.npy", x_array()), stored("y.npy", y_array())), b = good;
    size_t entry = find_record(&good, CENTRAL, 0), end = find_record(&good, END, 0);
    set_32(&b, entry + 24, 0x7FFFFFFF); /* unpacked */
    expect_bad_block(b, "promised more bytes than it can hold");
    set_32(&b, entry + 24, 300);
    expect_bad_block(b, "does not unpack to its size");
    set_32(&b, entry + 24, 100);
    expect_bad_block(b, "does not unpack to its size");
    b = good;
    set_32(&b, entry + 20, 0xFFFFFFF0); /* packed */
    expect_bad_block(b, "ends after the file");
    b = good;
    set_32(&b, entry + 20, 0xFFFFFFFF); /* of zip64, without its field */
    expect_bad_block(b, "X.npy ends after the file");
    b = good;
    set_32(&b, entry + 42, 0xFFFFFFF0); /* where it starts */
    expect_bad_block(b, "X.npy does not start there");
    b = good;
    set_32(&b, entry + 28, 0xFFFF); /* the name's length */
    expect_bad_block(b, "a member's entry ends too early");
    b = good;
    set_32(&b, entry, 0);
    expect_bad_block(b, "a member's entry was expected");
    b = good;
    set_32(&b, end + 16, 0xFFFFFFF0); /* the directory */
    expect_bad_block(b, "the end record promises more than there is");
    b = good;
    b.bytes[end + 10] = 0xFF; /* members */
    expect_bad_block(b, "the end record promises more than there is");
    b = good;
    b.bytes[end + 4] = 1;
    expect_bad_block(b, "one of several files");
    b = good;
    --b.size;
    expect_bad_block(b, "no end record");
    b.size = 12;
    expect_bad_block(b, "byte 12: no end record");
}

/* An array of 100 MB of zeros in 100 kB. */
Test(bad, archives_that_explode)
{
    const size_t rows = 50000, size = 128 + rows * 2000;
    block header = npy_header("|u1", false, "(50000, 2000)");
    char *content = calloc(size, 1), *packed = malloc(size);
    memcpy(content, header.bytes, header.size);
    z_stream z = {0};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)content;
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)size;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    /* The frame of a small archive around the large content. */
    block small = ZIP_OF(deflated("x.npy", (block){.size = 0}));
    size_t local = 30 + 5, directory = find_record(&small, 0x02014b50, 0);
    block tail = {.size = small.size - directory};
    memcpy(tail.bytes, small.bytes + directory, tail.size);
    set_32(&tail, 16, (uint32_t)crc32(0, (Bytef *)content, (uInt)size));
    set_32(&tail, 20, (uint32_t)z.total_out);
    set_32(&tail, 24, (uint32_t)size);
    set_32(&tail, tail.size - 6, (uint32_t)(local + z.total_out));
    char *bytes = malloc(local + z.total_out + tail.size);
    memcpy(bytes, small.bytes, local);
    memcpy(bytes + local, packed, z.total_out);
    memcpy(bytes + local + z.total_out, tail.bytes, tail.size);
    bp_data *data;
    expect_error(load_bytes(&data, bytes, local + z.total_out + tail.size, NULL), BP_ERROR_DATA,
                 "x.npy would be 100000128 bytes|numpy.savez, which does not compress");
    deflateEnd(&z);
    free(bytes);
    free(packed);
    free(content);
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16];
    limit_memory();
    for (int method = 0; method <= 8; method += 8) {
        member x = stored("x.npy", x_array()), y = stored("y.npy", y_array());
        x.method = y.method = method;
        block b = ZIP_OF(x, y);
        mutate(use_bytes, (char *)b.bytes, b.size, counts);
        cr_assert_gt(counts[BP_OK], 100, "times, versions and attributes do not matter");
        cr_assert_gt(counts[BP_ERROR_DATA], 1000);
    }
}
