/* test_npy.c - NumPy's arrays: every type in both byte orders and both orders of indices, headers
 * in every spelling, what arrays are to a data set, and files that lie. */
#include "npy_support.h"

/* ---- good files ---- */

static const double six[6] = {-3, 100, 2.5, 0, -128, 7};

static void expect_six(const block *b, const double *expected, const char *what)
{
    bp_data *data = must_load_block(*b, NULL);
    cr_assert_eq(data->rows, 2, "%s", what);
    cr_assert_eq(data->column_count, 2);
    cr_assert_eq(data->target_count, 1, "the last column");
    cr_assert_eq(bp_data_get_info(data).format, BP_FORMAT_NPY);
    for (size_t i = 0; i < 6; ++i)
        cr_assert_eq(data->columns[i % 3].number[i / 3], expected[i], "%s: value %zu is %g", what,
                     i, data->columns[i % 3].number[i / 3]);
    bp_data_free(data);
}

Test(npy, every_type_and_order)
{
    static const char *const types[] = {"f4", "f8", "i1", "i2", "i4", "i8",
                                        "u1", "u2", "u4", "u8", "b1"};
    for (size_t t = 0; t < sizeof types / sizeof *types; ++t)
        for (int variant = 0; variant < 4; ++variant) {
            const char kind = types[t][0];
            const int size = types[t][1] - '0';
            const bool big = variant % 2, fortran = variant / 2;
            char descr[8], what[32];
            double expected[6];
            snprintf(descr, sizeof descr, "%c%s", size == 1 ? '|' : big ? '>' : '<', types[t]);
            snprintf(what, sizeof what, "%s, %s", descr, fortran ? "Fortran" : "C");
            block b = npy_header(descr, fortran, "(2, 3)");
            for (size_t i = 0; i < 6; ++i) {
                uint64_t bits = bits_of(kind == 'b' ? six[i] != 0 : six[i], kind, size);
                expected[i] = kind == 'f'   ? six[i]
                              : kind == 'b' ? six[i] != 0
                              : kind == 'i' ? trunc(six[i])
                              : size == 8   ? (double)bits
                                            : (double)(bits & ((1ull << 8 * size) - 1));
            }
            for (size_t i = 0; i < 6; ++i) {
                size_t from = fortran ? i % 2 * 3 + i / 2 : i;
                uint64_t bits = bits_of(kind == 'b' ? six[from] != 0 : six[from], kind, size);
                if (big)
                    put_big(&b, bits, size);
                else
                    put_little(&b, bits, size);
            }
            expect_six(&b, expected, what);
        }
}

Test(npy, half_precision)
{
    const struct {
        uint16_t bits;
        double value;
    } cases[] = {{0x0000, 0},       {0x3C00, 1},        {0xC000, -2},
                 {0x7BFF, 65504},   {0x0400, 0x1p-14},  {0x03FF, 1023 * 0x1p-24},
                 {0x0001, 0x1p-24}, {0x8001, -0x1p-24}, {0x3555, 0.333251953125},
                 {0x7E00, NAN}};
    enum { COUNT = sizeof cases / sizeof *cases };
    for (int big = 0; big < 2; ++big) {
        block b = npy_header(big ? ">f2" : "<f2", false, "(10, 2)");
        for (size_t i = 0; i < COUNT; ++i) {
            big ? put_big(&b, cases[i].bits, 2) : put_little(&b, cases[i].bits, 2);
            put_little(&b, i % 2, 2); /* 0, or next to it */
        }
        bp_data *data = must_load_block(b, NULL);
        for (size_t i = 0; i < COUNT; ++i) expect_number(data, 0, i, cases[i].value);
        bp_data_free(data);
    }
}

/* What other programs, and other versions of NumPy, may write. */
Test(npy, spellings_of_the_header)
{
    static const char *const headers[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }",
        "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f8'}",
        "{\"descr\":\"<f8\",\"fortran_order\":False,\"shape\":(2,3,)}",
        "  {\n'fortran_order' :False ,\t'shape': ( 2L , 3L ), 'descr': '<f8' , }  \n",
    };
    for (int version = 1; version <= 3; ++version)
        for (size_t i = 0; i < sizeof headers / sizeof *headers; ++i) {
            block b = npy_raw(version, headers[i]);
            for (size_t k = 0; k < 6; ++k) put_little(&b, bits_of(six[k], 'f', 8), 8);
            expect_six(&b, six, headers[i]);
        }
}

Test(npy, missing_and_infinite_values)
{
    const double with_nan[] = {1, NAN, 0.5, 2, 5, 1.5};
    bp_data *data = must_load_block(npy_matrix("f4", 2, 3, with_nan), NULL);
    cr_assert_eq(bp_data_get_info(data).missing, 1);
    expect_number(data, 1, 0, NAN);
    expect_contains(bp_data_warnings(data), "1 missing cell in column_2");
    bp_data_free(data);
    const double infinite[] = {1, 2, 3, 4, -INFINITY, 6};
    expect_bad_block(npy_matrix("f4", 2, 3, infinite), "byte 144: the value in row 2, column 2");
    expect_bad_block(npy_matrix("f8", 2, 3, infinite), "byte 160");
    const double no_target[] = {1, 2, 3, 4, 5, NAN};
    expect_bad_block(npy_matrix("f8", 2, 3, no_target),
                     "row 2 (from 1): the target (column \"column_3\") is missing");
}

/* ---- features and targets ---- */

static const double x8[] = {0, 0, 0, 1, 1, 0, 1, 1}, classes4[] = {3, 7, 7, 3};

static bp_data *load_pair(block x, const char *labels_name, block y, int32_t task)
{
    bp_load_options options = bp_load_options_default();
    options.labels = store_block(labels_name, y);
    options.task = task;
    bp_data *data;
    cr_assert_eq(bp_data_load(&data, store_block("x.npy", x), &options), BP_OK, "%s",
                 bp_last_error());
    return data;
}

Test(pair, of_features_and_targets)
{
    block x = npy_matrix("f8", 4, 2, x8);
    bp_data *data = load_pair(x, "y.npy", npy_matrix("i8", 4, 0, classes4), BP_TASK_AUTO);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    cr_assert_eq(data->column_count, 2);
    cr_assert_str_eq(data->columns[1].name, "column_2");
    cr_assert_str_eq(data->columns[2].name, "target");
    bp_schema *schema = must_learn(data);
    bp_data *encoded = must_apply(schema, data);
    cr_assert_str_eq(bp_schema_output_name(schema, 1), "7");
    cr_assert_eq(bp_data_labels(encoded)[2], 1);
    bp_data_free(encoded);
    bp_schema_free(schema);
    bp_data_free(data);

    data = load_pair(x, "y.npy.gz", npy_matrix("f4", 4, 1, (double[]){0.5, 1.5, 2, 2.5}), 0);
    cr_assert_eq(data->task, BP_TASK_REGRESS, "an array of one column is a target, too");
    expect_number(data, 2, 1, 1.5);
    bp_data_free(data);

    data = load_pair(x, "y.npy", npy_matrix("f4", 4, 2, (double[]){0.5, 1, 2, 3, 4, 5, 6, 7}), 0);
    cr_assert_eq(data->target_count, 2);
    cr_assert_eq(data->task, BP_TASK_REGRESS);
    cr_assert_str_eq(data->columns[3].name, "target_2");
    expect_number(data, 3, 3, 7);
    bp_data_free(data);
}

Test(pair, one_hot_targets_are_classes)
{
    const double one_hot[] = {0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0};
    double symmetric[12];
    block x = npy_matrix("f4", 4, 2, x8);
    for (int i = 0; i < 12; ++i) symmetric[i] = 2 * one_hot[i] - 1;
    for (int kind = 0; kind < 2; ++kind) {
        block y = npy_matrix(kind ? "i1" : "f4", 4, 3, kind ? symmetric : one_hot);
        bp_data *data = load_pair(x, "y.npy", y, BP_TASK_AUTO);
        cr_assert_eq(data->task, BP_TASK_CLASSIFY);
        cr_assert_eq(data->target_count, 1);
        const double expected[] = {1, 2, 0, 1};
        for (size_t r = 0; r < 4; ++r) expect_number(data, 2, r, expected[r]);
        expect_contains(bp_data_warnings(data), "classes 0 to 2");
        bp_data_free(data);
        data = load_pair(x, "y.npy", y, BP_TASK_REGRESS);
        cr_assert_eq(data->target_count, 3);
        bp_data_free(data);
    }
    const double not_quite[] = {0, 1, 0, 0, 0, 1, 1, 0, -1, 0, 1, 0};
    bp_data *data = load_pair(x, "y.npy", npy_matrix("f4", 4, 3, not_quite), BP_TASK_AUTO);
    cr_assert_eq(data->task, BP_TASK_REGRESS, "0 and -1 are not one-hot");
    bp_data_free(data);
    const double two[] = {0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1};
    data = load_pair(x, "y.npy", npy_matrix("f4", 4, 3, two), BP_TASK_AUTO);
    cr_assert_eq(data->task, BP_TASK_REGRESS, "two ones in a row");
    bp_data_free(data);
}

static block idx_labels(unsigned rows)
{
    block b = {.size = 0};
    put(&b, (unsigned char[]){0, 0, 8, 1}, 4);
    put_big(&b, rows, 4);
    for (unsigned r = 0; r < rows; ++r) put_big(&b, r % 2, 1);
    return b;
}

static block bytes_of_pictures(const char *shape, bool fortran)
{
    block b = npy_header("|u1", fortran, shape);
    for (int i = 0; i < 24; ++i) {
        /* Value 10 p + q of picture p, place q, in either order: 4 pictures of 2 x 3. */
        int p = fortran ? i % 4 : i / 6, q = fortran ? i / 4 % 2 * 3 + i / 8 : i % 6;
        put_little(&b, (uint64_t)(10 * p + q), 1);
    }
    return b;
}

Test(pair, pictures)
{
    const double labels[] = {0, 1, 1, 2};
    static const char *const shapes[] = {"(4, 2, 3)", "(4, 2, 3, 1)", "(4, 1, 2, 3)"};
    for (int variant = 0; variant < 4; ++variant) {
        block x = bytes_of_pictures(shapes[variant % 3], variant == 3);
        bp_data *data = load_pair(x, "y.npy", npy_matrix("i4", 4, 0, labels), 0), *encoded;
        bp_data_info info = bp_data_get_info(data);
        cr_assert_eq(info.image_height, 2, "variant %d", variant);
        cr_assert_eq(info.image_width, 3);
        cr_assert_eq(info.task, BP_TASK_CLASSIFY);
        cr_assert_not_null(data->pixels);
        bp_schema *schema = must_learn(data);
        encoded = must_apply(schema, data);
        for (int i = 0; i < 24; ++i)
            cr_assert_eq(bp_data_features(encoded)[i], (float)((10 * (i / 6) + i % 6) / 255.0),
                         "variant %d, %d", variant, i);
        cr_assert_eq(bp_data_labels(encoded)[3], 2);
        bp_data_free(encoded);
        bp_schema_free(schema);
        bp_data_free(data);
    }
    const double one_hot[] = {1, 0, 0, 1, 0, 1, 1, 0};
    block x = bytes_of_pictures("(4, 2, 3)", false);
    bp_data *data = load_pair(x, "y.npy", npy_matrix("f4", 4, 2, one_hot), 0);
    cr_assert_eq(data->labels[2], 1);
    bp_data_free(data);
    data = load_pair(x, "labels", idx_labels(4), 0); /* IDX labels of NPY pictures */
    cr_assert_eq(data->labels[3], 1);
    bp_data_free(data);
}

/* What was learned from one shape takes rows of another with as many values. */
Test(pair, shapes_follow_the_schema)
{
    bp_data *data = load_pair(bytes_of_pictures("(4, 2, 3)", false), "y.npy",
                              npy_matrix("i4", 4, 0, (double[]){0, 1, 1, 0}), 0);
    bp_schema *schema = must_learn(data);
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    data = must_load_block(bytes_of_pictures("(4, 6)", false), &options);
    cr_assert_not_null(data->pixels, "flat pictures");
    bp_data_free(data);
    check_bad_block(bytes_of_pictures("(3, 8)", false), &options,
                    "8 values in each row, the model expects 6", __LINE__);
    bp_schema_free(schema);

    schema = learn_text("a,b,c,d,e,f,t\n1,2,3,4,5,6,x\n2,3,4,5,6,6,y\n", NULL);
    options.schema = schema;
    data = must_load_block(bytes_of_pictures("(4, 2, 3)", false), &options);
    cr_assert_eq(data->column_count, 6);
    expect_number(data, 4, 3, 34);
    bp_data_free(data);
    check_bad_block(bytes_of_pictures("(3, 8)", false), &options, "8 columns found|6 features",
                    __LINE__);
    bp_schema_free(schema);
}

Test(pair, targets_of_a_known_model)
{
    bp_schema *schema = learn_text("x,y,kind\n0,1,3\n1,0,7\n1,1,3\n", NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 1;
    options.labels = store_block("y.npy", npy_matrix("i8", 4, 0, classes4));
    bp_data *data;
    const char *x = store_block("x.npy", npy_matrix("f8", 4, 2, x8));
    cr_assert_eq(bp_data_load(&data, x, &options), BP_OK, "%s", bp_last_error());
    bp_data *encoded = must_apply(schema, data);
    cr_assert_eq(bp_data_labels(encoded)[1], 1);
    bp_data_free(encoded);
    bp_data_free(data);
    options.labels = NULL;
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA,
                 "target \"kind\" is not there|may be in a file of labels");
    options.need_target = 0;
    cr_assert_eq(bp_data_load(&data, x, &options), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    options.labels = store_block("y.npy", npy_matrix("f4", 4, 2, x8));
    cr_assert_eq(bp_data_load(&data, x, &options), BP_OK, "targets that do not fit are left out");
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    options.need_target = 1;
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA,
                 "2 targets found, the model has 1");
    bp_schema_free(schema);

    /* Classes that are texts: numbers by their shortest spelling. */
    schema = learn_text("x,y,kind\n0,1,3\n1,0,7\n1,1,b\n", NULL);
    options.schema = schema;
    options.labels = store_block("y.npy", npy_matrix("f8", 4, 0, classes4));
    cr_assert_eq(bp_data_load(&data, x, &options), BP_OK, "%s", bp_last_error());
    encoded = must_apply(schema, data);
    cr_assert_eq(bp_data_labels(encoded)[1], 1);
    bp_data_free(encoded);
    bp_data_free(data);
    bp_schema_free(schema);
}

Test(pair, errors)
{
    bp_data *data;
    bp_load_options options = bp_load_options_default();
    const char *x = store_block("x.npy", npy_matrix("f8", 4, 2, x8));
    options.labels = store_block("y.npy", npy_matrix("i8", 3, 0, classes4));
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA, "y.npy has 3 labels|has 4 rows");
    options.labels = store_block("y.npy", bytes_of_pictures("(4, 2, 3)", false));
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA, "3 dimensions|swapped");
    options.labels = store_block("y.npy", npy_matrix("f8", 4, 0, (double[]){0, 1, NAN, 1}));
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA, "row 3|\"target\"|missing");
    write_bytes(in_folder("y.csv"), "a,b\n1,2\n", 8);
    options.labels = in_folder("y.csv");
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_DATA, "y.csv: is CSV; labels are read");
    options.labels = store_block("y.npy", npy_matrix("i8", 4, 0, classes4));
    options.target = "1";
    expect_error(bp_data_load(&data, x, &options), BP_ERROR_ARGUMENT, "cannot be chosen");
    options.target = NULL;
    options.task = BP_TASK_REGRESS;
    const char *pictures = store_block("p.npy", bytes_of_pictures("(4, 2, 3)", false));
    expect_error(bp_data_load(&data, pictures, &options), BP_ERROR_DATA, "pictures are classes");
    options.task = BP_TASK_AUTO;
    options.labels = store_block("y.npy", npy_matrix("f8", 4, 0, (double[]){0, 1, 0.5, 1}));
    expect_error(bp_data_load(&data, pictures, &options), BP_ERROR_DATA,
                 "byte 144: label 2 (from 0) is 0.5|whole number");
    options.labels = store_block("y.npy", npy_matrix("f8", 4, 2, x8));
    expect_error(bp_data_load(&data, pictures, &options), BP_ERROR_DATA, "2 columns; one label");
    expect_bad_block(npy_matrix("f8", 4, 0, classes4), "only one column");
}

/* ---- bad files ---- */

static block header_only(const char *header)
{
    block b = npy_raw(1, header);
    for (int i = 0; i < 6; ++i) put_little(&b, 0, 8);
    return b;
}

Test(bad, dictionaries)
{
    const struct {
        const char *header, *words;
    } cases[] = {
        {"", "byte 10: the header's end found|a dictionary"},
        {"[]", "byte 10: '[' found|a dictionary"},
        {"{}", "the header has no descr"},
        {"{'descr': '<f8', 'shape': (2, 3)}", "the header has no fortran_order"},
        {"{'descr': '<f8', 'fortran_order': False}", "the header has no shape"},
        {"{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}",
         "byte 27: the key 'descr' is unknown or comes twice"},
        {"{'x': 1, 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)}",
         "byte 11: the key 'x' is unknown"},
        {"{descr: '<f8'}", "byte 11: 'd' found|a key in quotes"},
        {"{'descr' '<f8'}", "byte 19: ''' found|a colon"},
        {"{'descr': <f8}", "byte 20: '<' found|a type in quotes"},
        {"{'descr': '<f8}", "the header's end found|a closing quote"},
        {"{'de\\x73cr': '<f8'}", "byte 14: '\\' found|a closing quote"},
        {"{'descr': '<f8' 'fortran_order': False}", "a comma was expected"},
        {"{'descr': '<f8', 'fortran_order': 0, 'shape': (2, 3)}", "byte 44: '0' found|True or"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': 6}", "a shape in brackets"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (6)}", "a comma before the bracket"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2 3)}", "byte 63: '3' found|a comma"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-2, 3)}",
         "byte 61: '-' found|whole number"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2., 3)}", "'.' found"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': ()}",
         "byte 60: the shape is (), a single number"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3)}",
         "byte 60: dimension 1 has size 0"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6)}",
         "more than 8 dimensions"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)} x",
         "byte 68: 'x' found|the header's end"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3)", "a comma was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        check_bad_block(header_only(cases[i].header), NULL, cases[i].words, (int)i);
}

Test(bad, types_are_named)
{
    const struct {
        const char *type, *words;
    } cases[] = {
        {"|O", "byte 20: type '|O', Python objects, is not supported; save it with astype"},
        {"<c16", "'<c16', complex numbers"},
        {"<U5", "'<U5', texts"},
        {"|S3", "'|S3', texts of bytes"},
        {"<M8[ns]", "'<M8[ns]', dates"},
        {"<m8[s]", "spans of time"},
        {"|V12", "raw bytes"},
        {"<f16", "'<f16', floating-point numbers of another size"},
        {"<i3", "type '<i3' is not known; f2, f4"},
        {"", "type '' is not known"},
        {"f", "type 'f', floating"},
        {"=f8", "byte order is '='"},
        {"|f8", "byte order is '|'"},
        {"\x1b[31m", "is not known"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        block b = npy_header(cases[i].type, false, "(2, 3)");
        for (int k = 0; k < 12; ++k) put_little(&b, 0, 8);
        check_bad_block(b, NULL, cases[i].words, (int)i);
    }
    expect_bad_block(header_only("{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, "
                                 "'shape': (6,), }"),
                     "byte 20: a structured type");
}

Test(bad, sizes_that_lie)
{
    limit_memory();
    block good = npy_matrix("f8", 2, 3, six), b = good;
    --b.size;
    expect_bad_block(b, "175 bytes found, the header promises 176: the file is cut off");
    b = good;
    put_little(&b, 0, 1);
    expect_bad_block(b, "177 bytes found or more, the header promises 176: the file is too long");
    const char *const large[] = {"(4294967295, 4294967297)", "(18446744073709551615, 2)",
                                 "(2305843009213693952, 8)", "(4294967296, 4294967296, 1)"};
    for (size_t i = 0; i < 4; ++i) {
        b = npy_header("<f8", false, large[i]);
        check_bad_block(b, NULL, "byte 60: the sizes in the header multiply to more", (int)i);
    }
    b = npy_header("<f8", false, "(18446744073709551616, 1)");
    expect_bad_block(b, "a size beyond 64 bits");
    b = npy_header("<f8", false, "(1000000000, 3)");
    expect_bad_block(b, "128 bytes found, the header promises 24000000128");
    b = npy_header("|u1", false, "(1, 300000)"); /* a transposed table is no allocation */
    expect_bad_block(b, "cut off");
}

Test(bad, beginnings)
{
    block b = npy_matrix("f8", 2, 3, six);
    b.bytes[6] = 4;
    expect_bad_block(b, "byte 6: version 4.0; 1.0, 2.0 and 3.0");
    b.bytes[6] = 0;
    expect_bad_block(b, "byte 6: version 0.0");
    b.bytes[6] = 1;
    b.bytes[7] = 1;
    expect_bad_block(b, "byte 6: version 1.1");
    b = npy_matrix("f8", 2, 3, six);
    b.size = 9;
    expect_bad_block(b, "ends after 9 bytes, inside the first 10");
    b.size = 100;
    expect_bad_block(b, "ends after 100 bytes, inside its header, which ends at 128");
    b.bytes[8] = 0x11;
    b.bytes[9] = 0x27; /* 10,001 */
    expect_bad_block(b, "byte 8: a header of 10001 bytes; 10000");
    b.bytes[6] = 2;
    b.size = 11;
    expect_bad_block(b, "ends after 11 bytes, inside the first 12");
    b.size = 128;
    b.bytes[10] = b.bytes[11] = 0xFF;
    expect_bad_block(b, "byte 8: a header of");
    bp_load_options options = bp_load_options_default();
    options.format = BP_FORMAT_NPY;
    b = (block){.size = 0};
    put(&b, "a,b\n1,2\n", 8);
    check_bad_block(b, &options, "byte 0: an NPY file starts with", __LINE__);
}

Test(bad, many_columns)
{
    const size_t many = ((size_t)1 << 18) + 1;
    char *bytes = calloc(128 + many, 1);
    block b = npy_header("|u1", false, "(1, 262145)");
    memcpy(bytes, b.bytes, b.size);
    bp_data *data;
    expect_error(load_bytes(&data, bytes, b.size + many, NULL), BP_ERROR_DATA,
                 "262145 columns, at most 262144|transposed");
    free(bytes);
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16];
    limit_memory();
    block b = npy_matrix("f4", 4, 2, x8);
    mutate(use_bytes, (char *)b.bytes, b.size, counts);
    cr_assert_gt(counts[BP_OK], 100);
    cr_assert_gt(counts[BP_ERROR_DATA], 500);
    b = bytes_of_pictures("(4, 2, 3)", true);
    mutate(use_bytes, (char *)b.bytes, b.size, counts);
    cr_assert_gt(counts[BP_OK], 100);
    cr_assert_gt(counts[BP_ERROR_DATA], 500);
}
