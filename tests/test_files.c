/* test_files.c - several files as one data set: what goes together, what does not, and that errors
 * name the right one of them. */
#include "npy_support.h"

enum { MOST = 4 };

/* Files a.csv, b.csv… with these texts, loaded together. */
static bp_status load_texts(bp_data **out, const bp_load_options *options, const char *const *texts)
{
    const char *paths[MOST];
    size_t count = 0;
    for (; count < MOST && texts[count]; ++count) {
        char name[16];
        snprintf(name, sizeof name, "%c.csv", (char)('a' + count));
        paths[count] = in_folder(name);
        write_bytes(paths[count], texts[count], strlen(texts[count]));
    }
    return bp_data_load_files(out, paths, NULL, count, options);
}
#define LOAD(out, options, ...)                                                                    \
    load_texts(out, options, (const char *const[MOST + 1]){__VA_ARGS__, NULL})
#define MUST_LOAD(out, options, ...)                                                               \
    cr_assert_eq(LOAD(out, options, __VA_ARGS__), BP_OK, "%s", bp_last_error())
#define EXPECT_BAD(words, ...)                                                                     \
    do {                                                                                           \
        bp_data *bad = (bp_data *)&bad;                                                            \
        expect_error(LOAD(&bad, NULL, __VA_ARGS__), BP_ERROR_DATA, words);                         \
        cr_assert_null(bad);                                                                       \
    } while (0)

/* ---- tables ---- */

Test(csv, headers_in_all_files_or_in_the_first)
{
    static const char *const second[] = {"a,b,t\n3,y,2.5\n4,x,3.5\n", "3,y,2.5\n4,x,3.5\n",
                                         "\"a\";\"b\";\"t\"\n3;y;2.5\n4;x;3.5\n",
                                         "3\ty\t2.5\r\n4\tx\t3.5"};
    for (size_t i = 0; i < sizeof second / sizeof *second; ++i) {
        bp_data *data;
        MUST_LOAD(&data, NULL, "a,b,t\n1,x,0.5\n2,?,1.5\n", second[i]);
        cr_assert_eq(data->rows, 4);
        cr_assert_eq(data->column_count, 2);
        cr_assert_str_eq(data->columns[0].name, "a");
        for (size_t r = 0; r < 4; ++r) expect_number(data, 0, r, (double)r + 1);
        expect_text(data, 1, 1, NULL);
        expect_text(data, 1, 3, "x");
        cr_assert_eq(data->columns[1].text[0], data->columns[1].text[3], "one list of words");
        expect_number(data, 2, 3, 3.5);
        cr_assert_eq(bp_data_get_info(data).missing, 1);
        char place[160];
        expect_contains(bp__data_place(place, data, 1), "a.csv, line 3");
        expect_contains(bp__data_place(place, data, 3), "b.csv, line ");
        bp_data_free(data);
    }
    bp_data *data;
    MUST_LOAD(&data, NULL, "1,2\n3,4\n", "5,6\n", "7,8\n9,10\n"); /* none has one */
    cr_assert_eq(data->rows, 5);
    expect_number(data, 0, 4, 9);
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.header = 1;
    MUST_LOAD(&data, &options, "2019,t\n1,2.5\n", "2019,t\n3,4.5\n");
    cr_assert_eq(data->rows, 2);
    bp_data_free(data);
    options.header = 0;
    MUST_LOAD(&data, &options, "a,x\nb,y\n", "a,x\nc,y\n");
    cr_assert_eq(data->rows, 4);
    bp_data_free(data);
}

Test(csv, headers_that_differ)
{
    EXPECT_BAD("b.csv, line 1: column 2 is called \"c\", but \"b\" in |a.csv", "a,b,t\n1,2,3\n",
               "a,c,t\n4,5,6\n");
    EXPECT_BAD("b.csv, line 1: column 1 is called \"b\", but \"a\"|same order", "a,b,t\n1,2,3\n",
               "b,a,t\n4,5,6\n");
    EXPECT_BAD("b.csv, line 1: a header (column 1 is \"a\"), but |a.csv has none", "1,2,3\n",
               "a,b,t\n4,5,6\n");
    EXPECT_BAD("c.csv, line 2: 2 cells found, 3 expected as on line 1", "a,b,t\n1,2,3\n", "4,5,6\n",
               "7,8,9\n1,2\n");
    EXPECT_BAD("b.csv, line 1: 2 cells found, 3 expected as in |a.csv (the delimiter is \",\")",
               "a,b,t\n1,2,3\n", "4,5\n");
    EXPECT_BAD("b.csv: is empty", "a,b,t\n1,2,3\n", "");
    bp_load_options options = bp_load_options_default();
    options.header = 1;
    bp_data *data;
    expect_error(LOAD(&data, &options, "a,t\n1,2\n", "3,4\n5,6\n"), BP_ERROR_DATA,
                 "b.csv, line 1: column 1 is called \"3\"");
    /* Header lines alone are no rows, but one file may have no more. */
    EXPECT_BAD("no rows", "a,b,t\n", "a,b,t\n");
    MUST_LOAD(&data, NULL, "a,b,t\n1,2,3\n", "a,b,t\n");
    cr_assert_eq(data->rows, 1);
    bp_data_free(data);
}

Test(csv, types_are_decided_over_all_files)
{
    bp_data *data;
    MUST_LOAD(&data, NULL, "a,t\n1,0.5\n2,1.5\n", "x,2.5\ny,3.5\n");
    expect_text(data, 0, 0, "1");
    expect_text(data, 0, 3, "y");
    bp_data_free(data);
    const char *numbers = "a,t\n1,.5\n2,1\n3,2\n4,1\n5,2\n6,2\n";
    EXPECT_BAD("b.csv, line 4, column \"a\": \"x\" is not a number, but 9 of the column's 10",
               numbers, "7,1\n8,2\n9,3\nx,4\n");
    EXPECT_BAD("c.csv, line 1, column \"t\": \"inf\" is not a finite", numbers, "7,1\n", "1,inf\n");
    EXPECT_BAD("b.csv, line 2: the target (column \"t\") is missing", numbers, "7,1\n8,\n");
    EXPECT_BAD("b.csv, line 1, column \"a\": \"1,5\" has a decimal comma", "a;t\n1;2\n2;3\n",
               "1,5;3\n");
}

Test(csv, rows_keep_their_places_in_a_split)
{
    bp_data *data, *first, *second;
    MUST_LOAD(&data, NULL, "a,t\n0,0.5\n1,1.5\n2,2.5\n", "3,3.5\n4,4.5\n", "5,5.5\n");
    cr_assert_eq(bp_data_split(&first, &second, data, 0.5, 1), BP_OK);
    const bp_data *const parts[] = {first, second};
    static const char *const places[] = {"a.csv, line 2", "a.csv, line 3", "a.csv, line 4",
                                         "b.csv, line 1", "b.csv, line 2", "c.csv, line 1"};
    for (int p = 0; p < 2; ++p)
        for (size_t r = 0; r < parts[p]->rows; ++r) {
            char place[160];
            expect_contains(bp__data_place(place, parts[p], r),
                            places[(int)parts[p]->columns[0].number[r]]);
        }
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(data);
}

Test(csv, as_a_schema_knows_them)
{
    bp_schema *schema = learn_text("a,b,t\n1,x,2.5\n2,y,3.5\n", NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 1;
    bp_data *data;
    MUST_LOAD(&data, &options, "t,b,a\n1.5,x,7\n", "2.5,y,8\n", "t,b,a\n3.5,z,9\n");
    cr_assert_eq(data->rows, 3);
    expect_number(data, 0, 2, 9);
    expect_text(data, 1, 1, "y");
    expect_number(data, 2, 0, 1.5);
    bp_data_free(data);
    expect_error(LOAD(&data, &options, "t,b,a\n1.5,x,7\n", "2.5,y,q\n"), BP_ERROR_DATA,
                 "b.csv, line 1, column \"a\": \"q\" is not a number, which the model has");
    bp_schema_free(schema);
}

Test(libsvm, features_of_all_files)
{
    bp_data *data;
    MUST_LOAD(&data, NULL, "1 1:1\n-1 1:2\n", "1 3:5\n");
    cr_assert_eq(data->column_count, 3);
    expect_number(data, 2, 0, 0);
    expect_number(data, 2, 2, 5);
    char place[160];
    expect_contains(bp__data_place(place, data, 2), "b.csv, line 1");
    bp_data_free(data);
    EXPECT_BAD("b.csv, line 2, column 3: the index is 0", "1 1:1\n-1 1:2\n", "1 3:5\n1 0:1\n");
}

Test(fann, outputs_of_all_files)
{
    bp_data *data;
    MUST_LOAD(&data, NULL, "2 1 2\n0\n1 0\n1\n0 1\n", "1 1 2\n5\n0 1\n");
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    cr_assert_eq(data->rows, 3);
    expect_number(data, 1, 2, 1);
    bp_data_free(data);
    MUST_LOAD(&data, NULL, "2 1 2\n0\n1 0\n1\n0 1\n", "1 1 2\n5\n1 1\n"); /* not one-hot */
    cr_assert_eq(data->task, BP_TASK_REGRESS);
    cr_assert_eq(data->target_count, 2);
    bp_data_free(data);
    EXPECT_BAD("b.csv: 2 columns, but 1 in ", "1 1 1\n0\n1\n", "1 2 1\n0 1\n1\n");
    EXPECT_BAD("b.csv: 2 targets, but 1 in ", "1 1 1\n0\n1\n", "1 1 2\n0\n1 1\n");
    EXPECT_BAD("a.csv has targets, |b.csv has none", "1 1 1\n0\n1\n", "1 1 0\n7\n");
}

/* ---- arrays and their labels ---- */

static const double x8[] = {0, 0, 0, 1, 1, 0, 1, 1}, y4[] = {0, 1, 1, 0};

Test(arrays, each_with_its_labels)
{
    const char *const x[] = {store_block("x1.npy", npy_matrix("f4", 4, 2, x8)),
                             store_block("x2.npy.gz", npy_matrix("i2", 2, 2, x8 + 4))};
    const char *const y[] = {store_block("y1.npy", npy_matrix("i8", 4, 0, y4)),
                             store_block("y2.npy", npy_matrix("u1", 2, 1, y4))};
    bp_data *data;
    cr_assert_eq(bp_data_load_files(&data, x, y, 2, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->rows, 6);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    expect_number(data, 0, 4, 1);
    expect_number(data, 2, 5, 1);
    char place[160];
    expect_contains(bp__data_place(place, data, 5), "x2.npy.gz, row 2 (from 1)");
    bp_data_free(data);
    const char *const missing[] = {y[0], NULL};
    expect_error(bp_data_load_files(&data, x, missing, 2, NULL), BP_ERROR_DATA,
                 "x1.npy has targets, |x2.npy.gz has none");
    const char *const wide[] = {x[0], store_block("w.npy", npy_matrix("f4", 2, 4, x8))};
    expect_error(bp_data_load_files(&data, wide, y, 2, NULL), BP_ERROR_DATA,
                 "w.npy: 4 columns, but 2 in ");
    const char *const swapped[] = {y[1], y[0]};
    expect_error(bp_data_load_files(&data, x, swapped, 2, NULL), BP_ERROR_DATA,
                 "y2.npy has 2 labels|x1.npy has 4 rows");
}

static block idx(int type, unsigned rows, unsigned height, unsigned width)
{
    block b = {.size = 0};
    put(&b, (unsigned char[]){0, 0, (unsigned char)type, height ? 3 : 1}, 4);
    put_big(&b, rows, 4);
    if (height) put_big(&b, height, 4);
    if (height) put_big(&b, width, 4);
    for (unsigned i = 0; i < rows * (height ? height * width : 1); ++i)
        put_big(&b, height ? i : i % 2, type == 0x0B ? 2 : 1);
    return b;
}

Test(arrays, idx_pairs_stay_pairs)
{
    const char *const x[] = {store_block("a-images-idx3-ubyte", idx(8, 3, 2, 2)),
                             store_block("b-images-idx3-ubyte.gz", idx(8, 2, 2, 2))};
    store_block("a-labels-idx1-ubyte", idx(8, 3, 0, 0));
    store_block("b-labels-idx1-ubyte", idx(8, 2, 0, 0));
    bp_data *data;
    cr_assert_eq(bp_data_load_files(&data, x, NULL, 2, NULL), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->rows, 5);
    cr_assert_eq(data->image_width, 2);
    const int32_t labels[] = {0, 1, 0, 0, 1};
    cr_assert_arr_eq(data->labels, labels, sizeof labels);
    cr_assert_eq(data->pixels[12], 0);
    cr_assert_eq(data->pixels[11], 11);
    bp_data_free(data);
    const char *const other[] = {x[0], store_block("c-images-idx3-ubyte", idx(8, 2, 4, 1))};
    store_block("c-labels-idx1-ubyte", idx(8, 2, 0, 0));
    expect_error(bp_data_load_files(&data, other, NULL, 2, NULL), BP_ERROR_DATA,
                 "c-images-idx3-ubyte: pictures of 4 x 1|2 x 2 in ");
    store_block("c-images-idx3-ubyte", idx(0x0B, 2, 2, 2));
    expect_error(bp_data_load_files(&data, other, NULL, 2, NULL), BP_ERROR_DATA, "another type");
    store_block("c-images-idx3-ubyte", idx(8, 2, 2, 2));
    unlink(in_folder("c-labels-idx1-ubyte"));
    expect_error(bp_data_load_files(&data, other, NULL, 2, NULL), BP_ERROR_DATA,
                 "a-images-idx3-ubyte has labels, |c-images-idx3-ubyte has none");
    bp_schema *schema;
    cr_assert_eq(bp_data_load_files(&data, x, NULL, 2, NULL), BP_OK);
    schema = must_learn(data);
    bp_data *encoded = must_apply(schema, data);
    cr_assert_eq(bp_data_features(encoded)[11], (float)(11 / 255.0));
    bp_data_free(encoded);
    bp_data_free(data);
    bp_schema_free(schema);
}

/* ---- what does not go together ---- */

Test(files, of_different_formats)
{
    write_bytes(in_folder("a.csv"), "1,2\n3,4\n", 8);
    write_bytes(in_folder("b.svm"), "1 1:2\n", 6);
    const char *const mixed[] = {in_folder("a.csv"), in_folder("b.svm")};
    bp_data *data;
    expect_error(bp_data_load_files(&data, mixed, NULL, 2, NULL), BP_ERROR_DATA,
                 "b.svm: is libsvm text, but |a.csv is CSV; files of one data set have the same");
    mkdir(in_folder("folder"), 0700);
    const char *const with_folder[] = {in_folder("a.csv"), in_folder("folder")};
    expect_error(bp_data_load_files(&data, with_folder, NULL, 2, NULL), BP_ERROR_ARGUMENT,
                 "is a folder, which is a whole data set");
    const char *const missing[] = {in_folder("a.csv"), in_folder("none.csv")};
    expect_error(bp_data_load_files(&data, missing, NULL, 2, NULL), BP_ERROR_IO, "none.csv");
    bp_load_options options = bp_load_options_default();
    options.labels = "y";
    expect_error(bp_data_load_files(&data, mixed, NULL, 2, &options), BP_ERROR_ARGUMENT,
                 "one file of labels for 2 files");
    const char *const labels[] = {"y", "y"};
    expect_error(bp_data_load_files(&data, mixed, labels, 2, &options), BP_ERROR_ARGUMENT,
                 "given twice");
    expect_error(bp_data_load_files(&data, mixed, NULL, 0, NULL), BP_ERROR_ARGUMENT, "no path");
    expect_error(bp_data_load_files(&data, NULL, NULL, 1, NULL), BP_ERROR_ARGUMENT, "no path");
    expect_error(bp_data_load_files(NULL, mixed, NULL, 1, NULL), BP_ERROR_ARGUMENT, "out");
    const char *const null[] = {in_folder("a.csv"), NULL};
    expect_error(bp_data_load_files(&data, null, NULL, 2, NULL), BP_ERROR_ARGUMENT, "NULL");
}
