/* test_libsvm.c - LIBSVM's sparse text: what it means, files with other numbers of features than
 * the model's, and bad ones. */
#include "data_support.h"

static bp_data *must_load_text(const char *text, const bp_load_options *options)
{
    bp_data *data;
    cr_assert_eq(load_bytes(&data, text, strlen(text), options), BP_OK, "\"%s\": %s", text,
                 bp_last_error());
    cr_assert_eq(bp_data_get_info(data).format, BP_FORMAT_LIBSVM, "\"%s\"", text);
    return data;
}

/* ---- good files ---- */

Test(libsvm, spellings_of_one_table)
{
    static const char *const texts[] = {
        "+1 1:0.5 3:-2\n-1 2:1e1\n1\n",
        "+1 1:0.5 3:-2 \r\n-1 2:1e1 \r\n1\r\n",
        "+1\t1:0.5\t3:-2\n-1  2:10\n1",
        "# a comment\n\n+1 1:0.5 3:-2 # and another\n-1 2:10#\n  1 # nothing but a label\n\n",
        "1.0 qid:1 1:.5 3:-2.\n-1 qid:2 2:10\n1 qid:2\n",
        "1 1:0.5 2:0 3:-2\n-1 1:0 2:10 3:0\n1 1:0 2:0 3:0\n",
        "\xEF\xBB\xBF"
        "1 1:0.5 3:-2\n-1 2:10\n1\n",
        "1 01:0.5 3:-2\r-1 2:10\r1\r",
    };
    const double expected[3][4] = {{0.5, 0, -2, 1}, {0, 10, 0, -1}, {0, 0, 0, 1}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        bp_data *data = must_load_text(texts[i], NULL);
        cr_assert_eq(data->rows, 3, "%zu", i);
        cr_assert_eq(data->column_count, 3, "%zu", i);
        cr_assert_eq(data->task, BP_TASK_CLASSIFY);
        cr_assert_str_eq(data->columns[2].name, "column_3");
        cr_assert_str_eq(data->columns[3].name, "target");
        cr_assert_eq(bp_data_get_info(data).missing, 0);
        for (size_t r = 0; r < 3; ++r)
            for (size_t k = 0; k < 4; ++k) expect_number(data, k, r, expected[r][k]);
        bp_data_free(data);
    }
}

Test(libsvm, labels_and_values)
{
    bp_data *data = must_load_text("0.5 1:1\n1.25 1:nan\n-3e2 1:3\n", NULL);
    cr_assert_eq(data->task, BP_TASK_REGRESS);
    cr_assert_eq(bp_data_get_info(data).missing, 1);
    expect_number(data, 0, 1, NAN);
    expect_number(data, 1, 2, -300);
    cr_assert_eq(data->line[2], 3);
    bp_data_free(data);
    /* The first rows may have no values at all. */
    data = must_load_text("1\n-1\n1 3:2\n-1 2:1\n", NULL);
    cr_assert_eq(data->column_count, 3);
    expect_contains(bp_data_warnings(data), "column column_1 has the same value in every row");
    bp_data_free(data);
}

/* A part of a sparse file rarely has the last features that the whole has. */
Test(libsvm, rows_with_fewer_or_more_features_than_the_model)
{
    const char *text = "1 1:1 4:2\n-1 2:1\n1 1:3 4:1\n-1 3:1 2:0.5\n";
    bp_data *data;
    expect_error(load_bytes(&data, text, strlen(text), NULL), BP_ERROR_DATA,
                 "line 4, column 8: the index 2 comes after 3");
    data = must_load_text("1 1:1 4:2\n-1 2:1\n1 1:3 4:1\n-1 2:0.5 3:1\n", NULL);
    bp_schema *schema = must_learn(data);
    bp_data_free(data);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 1;
    data = must_load_text("1 2:5\n-1 1:7\n", &options);
    cr_assert_eq(data->column_count, 4);
    expect_number(data, 0, 1, 7);
    expect_number(data, 3, 0, 0); /* not missing: zero */
    cr_assert_eq(bp_data_get_info(data).missing, 0);
    cr_assert_str_empty(bp_data_warnings(data));
    bp_data_free(must_apply(schema, data));
    bp_data_free(data);
    data = must_load_text("1 2:5 6:1\n-1 1:7\n", &options);
    cr_assert_eq(data->column_count, 4);
    expect_contains(bp_data_warnings(data), "column_5, column_6");
    bp_data_free(data);
    expect_error(load_bytes(&data, "5 1:1\n", 6, &options), BP_OK, "");
    bp_data *encoded;
    expect_error(bp_schema_apply(&encoded, schema, data), BP_ERROR_DATA,
                 "line 1: the class \"5\" is not one of the 2");
    bp_data_free(data);
    options.need_target = 0;
    data = must_load_text("0 1:1\n0 2:1\n", &options); /* made-up labels of rows to predict */
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    bp_schema_free(schema);
}

/* A model of a table takes sparse rows, and the other way round: columns go by their numbers. */
Test(libsvm, models_of_other_formats)
{
    bp_schema *schema = learn_text("a,b,kind\n1,0,1\n0,2,-1\n0.5,1,1\n", NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    bp_data *data = must_load_text("1 2:4\n-1 1:1\n", &options);
    cr_assert_str_eq(data->columns[1].name, "b");
    expect_number(data, 1, 0, 4);
    bp_data *encoded = must_apply(schema, data);
    cr_assert_eq(bp_data_labels(encoded)[0], 1);
    bp_data_free(encoded);
    bp_data_free(data);
    bp_schema_free(schema);
    data = must_load_text("1 1:1 2:2\n-1 2:1\n1 1:3\n", NULL);
    schema = must_learn(data);
    bp_data_free(data);
    options.schema = schema;
    data = must_load("7,8\n9,10\n", &options);
    expect_number(data, 1, 1, 10);
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    data = must_load("7,8,1\n9,10,-1\n", &options);
    cr_assert_eq(data->target_count, 1);
    bp_data_free(data);
    bp_schema_free(schema);
}

Test(libsvm, is_told_from_tables)
{
    static const char *const tables[] = {"1 12:30,5\n2 13:45,6\n",
                                         "a,b\n1 2:3,4\n",
                                         "2020-01-01 12:30;1\n2020-01-02 12:31;2\n",
                                         "1,2\n3,4\n",
                                         "x 1:2,3\ny 2:3,4\n",
                                         "1 1;2\n2 2;3\n"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; ++i) {
        bp_data *data;
        cr_assert_eq(load_bytes(&data, tables[i], strlen(tables[i]), NULL), BP_OK, "%s: %s",
                     tables[i], bp_last_error());
        cr_assert_eq(bp_data_get_info(data).format, BP_FORMAT_CSV, "%s", tables[i]);
        bp_data_free(data);
    }
}

/* ---- bad files ---- */

static void check_bad(const char *text, const char *words, int line)
{
    bp_load_options options = bp_load_options_default();
    options.format = BP_FORMAT_LIBSVM;
    bp_data *data;
    check_error(load_bytes(&data, text, strlen(text), &options), BP_ERROR_DATA, words, line);
    cr_assert_null(data, "line %d: something half-built was left", line);
}
#define expect_bad_libsvm(text, words) check_bad(text, words, __LINE__)

Test(bad, rows)
{
    limit_memory();
    expect_bad_libsvm("", "there are no rows");
    expect_bad_libsvm("# only a comment\n\n", "there are no rows");
    expect_bad_libsvm("1\n-1\n", "no row has a value");
    expect_bad_libsvm("1 1:1\nx 1:1\n", "line 2, column 1: \"x\" found, a label, a number, was");
    expect_bad_libsvm("1 1:1\n1:1 2:1\n", "line 2, column 1: \"1:1\" found, a label");
    expect_bad_libsvm("1 1:1\n1,2 1:1\n", "line 2, column 2: several labels");
    expect_bad_libsvm("1 1:1\ninf 1:1\n", "line 2, column 1: \"inf\" is not a finite");
    expect_bad_libsvm("1 1:1\nnan 1:1\n", "line 2: the target (column \"target\") is missing");
    expect_bad_libsvm("1 0:1\n", "line 1, column 3: the index is 0, they count from 1; add 1");
    expect_bad_libsvm("1 1:1 1:2\n", "line 1, column 7: the index 1 comes after 1; they ascend");
    expect_bad_libsvm("1 7:1 3:2\n", "line 1, column 7: the index 3 comes after 7");
    expect_bad_libsvm("1 -3:1\n", "line 1, column 3: \"-3:1\" found, INDEX:VALUE was expected");
    expect_bad_libsvm("1 1.5:1\n", "\"1.5:1\" found, INDEX:VALUE");
    expect_bad_libsvm("1 x:1\n", "\"x:1\" found, INDEX:VALUE");
    expect_bad_libsvm("1 3\n", "line 1, column 3: \"3\" found, INDEX:VALUE");
    expect_bad_libsvm("1 3 :4\n", "\"3\" found, INDEX:VALUE");
    expect_bad_libsvm("1 1:1 qid:3\n", "line 1, column 7: \"qid:3\" found, INDEX:VALUE");
    expect_bad_libsvm("1 qid:x 1:1\n", "line 1, column 7: \"x\" found, a number after qid:");
    expect_bad_libsvm("1 3:\n", "line 1, column 5: the line ends here, a number after the colon");
    expect_bad_libsvm("1 3:", "line 1, column 5: the file ends here, a number after the colon");
    expect_bad_libsvm("1 3: 4\n", "a number after the colon");
    expect_bad_libsvm("1 3:x\n", "line 1, column 5: \"x\" found, a number after the colon");
    expect_bad_libsvm("1 3:4:5\n", "line 1, column 5: \"4:5\" found");
    expect_bad_libsvm("1 3:4,5\n", "line 1, column 5: \"4,5\" found");
    expect_bad_libsvm("1 3:inf\n", "line 1, column 5: \"inf\" is not a finite number");
    expect_bad_libsvm("1 3:1e400\n", "line 1, column 5: the number is beyond the range");
    expect_bad_libsvm("1 262144:1\n", "line 1, column 3: an index beyond 262143");
    expect_bad_libsvm("1 99999999999999999999999999:1\n", "line 1, column 3: an index beyond");
    bp_data *data;
    expect_error(load_bytes(&data, "1 1:1\n1 2\0:1\n", 13, NULL), BP_ERROR_DATA,
                 "a NUL byte at byte offset 9");
}

/* A short file whose rows would fill the memory. */
Test(bad, rows_that_explode)
{
    enum { ROWS = 20000 };
    char *text = malloc(ROWS * 16), *s = text;
    for (int r = 0; r < ROWS; ++r) s += sprintf(s, "%d 200000:1\n", r % 2);
    limit_memory();
    bp_data *data;
    expect_error(load_bytes(&data, text, (size_t)(s - text), NULL), BP_ERROR_DATA,
                 "20000 rows of 200000 features|fewer features");
    free(text);
}

Test(bad, options)
{
    bp_load_options options = bp_load_options_default();
    bp_data *data;
    options.target = "1";
    expect_error(load_bytes(&data, "1 1:1\n", 6, &options), BP_ERROR_ARGUMENT,
                 "the file itself says which its targets are");
    write_bytes(in_folder("t.svm"), "1 1:1\n", 6);
    options = bp_load_options_default();
    options.labels = "y";
    expect_error(bp_data_load(&data, in_folder("t.svm"), &options), BP_ERROR_DATA,
                 "is libsvm text; a file of labels belongs to IDX and NPY");
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16];
    limit_memory();
    const char text[] = "+1 1:0.5 3:-2 # c\n-1 qid:3 2:1e1\n1\n-1 1:nan 2:7\r\n1 3:1\n-1 2:3";
    mutate(use_bytes, text, sizeof text - 1, counts);
    cr_assert_gt(counts[BP_OK], 50);
    cr_assert_gt(counts[BP_ERROR_DATA], 100);
}
