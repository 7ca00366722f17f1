/* test_fann.c - FANN's training data: numbers in any white space, what its outputs mean, and files
 * that promise what they do not hold. */
#include "data_support.h"

static bp_data *must_load_text(const char *text, int32_t task)
{
    bp_load_options options = bp_load_options_default();
    options.task = task;
    bp_data *data;
    cr_assert_eq(load_bytes(&data, text, strlen(text), &options), BP_OK, "\"%s\": %s", text,
                 bp_last_error());
    cr_assert_eq(bp_data_get_info(data).format, BP_FORMAT_FANN, "\"%s\"", text);
    return data;
}

/* ---- good files ---- */

Test(fann, white_space_is_all_the_same)
{
    static const char *const texts[] = {
        "3 2 1\n0 0.5\n1.5\n1 -1e1\n2.5\n0 1\n3.5\n",
        "3 2 1\n0 0.5 \n1.5 \n1 -1e1 \n2.5 \n0 1 \n3.5 \n",
        "3 2 1\r\n0 0.5\r\n1.5\r\n1 -1e1\r\n2.5\r\n0 1\r\n3.5",
        "3 2 1\n0 0.5 1.5 1 -10 2.5 0 1 3.5",
        "3\t2\t1\n0\t0.5\n1.5\n+1\t-10.00\n2.5\n0\t1\n3.5\n\n\n",
        "\xEF\xBB\xBF"
        "3  2 1 \n\n0\v0.5\n\n1.5\n1\f-10\n2.5\n0 1\n3.5\n",
        "3 2 1\r0 0.5\r1.5\r1 -10\r2.5\r0 1\r3.5\r",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
        bp_data *data = must_load_text(texts[i], BP_TASK_AUTO);
        cr_assert_eq(data->rows, 3);
        cr_assert_eq(data->column_count, 2);
        cr_assert_eq(data->target_count, 1);
        cr_assert_str_eq(data->columns[1].name, "column_2");
        cr_assert_eq(data->task, BP_TASK_REGRESS);
        expect_number(data, 0, 1, 1);
        expect_number(data, 1, 1, -10);
        expect_number(data, 2, 2, 3.5);
        bp_data_free(data);
    }
    bp_load_options options = bp_load_options_default();
    options.format = BP_FORMAT_FANN;
    bp_data *data;
    const char *broken = "3\n2\n1\n0 0.5 1.5 1 1 2.5 0 1 3.5"; /* the header, too */
    cr_assert_eq(load_bytes(&data, broken, strlen(broken), &options), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->line[0], 4);
    bp_data_free(data);
}

Test(fann, outputs)
{
    bp_data *data = must_load_text("4 1 1\n0\n-1\n1\n1\n2\n1\n3\n-1\n", BP_TASK_AUTO);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY, "few whole numbers");
    bp_data_free(data);
    const char *one_hot = "4 1 3\n0\n0 0 1\n1\n1 0 0\n2\n0 1 0\n3\n0 0 1\n";
    data = must_load_text(one_hot, BP_TASK_AUTO);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    cr_assert_eq(data->target_count, 1);
    const double classes[] = {2, 0, 1, 2};
    for (size_t r = 0; r < 4; ++r) expect_number(data, 1, r, classes[r]);
    expect_contains(bp_data_warnings(data), "3 targets of which one is 1 in each row");
    bp_schema *schema = must_learn(data);
    bp_data_free(data);
    /* The same in a file that is read as the model knows it; another one where the 1 is missing. */
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 1;
    cr_assert_eq(load_bytes(&data, one_hot, strlen(one_hot), &options), BP_OK, "%s",
                 bp_last_error());
    expect_number(data, 1, 3, 2);
    cr_assert_str_empty(bp_data_warnings(data));
    bp_data_free(data);
    const char *none = "2 1 3\n0\n0 0 1\n1\n0 0 0\n";
    expect_error(load_bytes(&data, none, strlen(none), &options), BP_ERROR_DATA,
                 "3 targets found, the model has 1");
    options.need_target = 0;
    cr_assert_eq(load_bytes(&data, none, strlen(none), &options), BP_OK, "%s", bp_last_error());
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    bp_schema_free(schema);

    data = must_load_text(one_hot, BP_TASK_REGRESS);
    cr_assert_eq(data->target_count, 3);
    cr_assert_str_eq(data->columns[2].name, "target_2");
    expect_number(data, 3, 0, 1);
    bp_data_free(data);
    data = must_load_text("2 1 0\n5\n6\n", BP_TASK_AUTO); /* for predictions */
    cr_assert_eq(data->target_count, 0);
    cr_assert_eq(data->task, BP_TASK_AUTO);
    bp_data_free(data);
}

Test(fann, missing_values_are_missing)
{
    bp_data *data = must_load_text("2 2 1\nnan 1\n0.5\n2 ?\n1.5\n", BP_TASK_AUTO);
    cr_assert_eq(bp_data_get_info(data).missing, 2);
    expect_number(data, 0, 0, NAN);
    bp_data_free(data);
}

/* Three numbers in a line are a table where the next line has three, too, all divided by tabs. */
Test(fann, is_told_from_tables)
{
    static const char *const tables[] = {"1\t2\t3\n4\t5\t6\n", "1,2,3\n4,5,6\n", "2;3;1\n4;5;6\n",
                                         "2 2 1x\n1 2\n3\n", "2 2\n1 2\n"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; ++i) {
        bp_data *data;
        bp_status status = load_bytes(&data, tables[i], strlen(tables[i]), NULL);
        cr_assert(status == BP_OK || strstr(bp_last_error(), "only one column"), "%s: %s",
                  tables[i], bp_last_error());
        if (status == BP_OK) cr_assert_eq(bp_data_get_info(data).format, BP_FORMAT_CSV);
        bp_data_free(data);
    }
}

/* ---- bad files ---- */

static void check_bad(const char *text, const char *words, int line)
{
    bp_load_options options = bp_load_options_default();
    options.format = BP_FORMAT_FANN;
    bp_data *data;
    check_error(load_bytes(&data, text, strlen(text), &options), BP_ERROR_DATA, words, line);
    cr_assert_null(data, "line %d: something half-built was left", line);
}
#define expect_bad_fann(text, words) check_bad(text, words, __LINE__)

Test(bad, headers)
{
    limit_memory();
    expect_bad_fann("", "line 1, column 1: the file ends here, the number of rows was expected");
    expect_bad_fann("3 2\n", "line 2, column 1: the file ends here, the number of outputs");
    expect_bad_fann("a b c\n", "line 1, column 1: \"a\" found, the number of rows");
    expect_bad_fann("-3 2 1\n", "line 1, column 1: \"-3\" found");
    expect_bad_fann("3 2.5 1\n", "line 1, column 3: \"2.5\" found, the number of inputs");
    expect_bad_fann("0 2 1\n", "column 1: \"0\" found, the number of rows");
    expect_bad_fann("3 0 1\n1\n2\n3\n", "column 3: \"0\" found, the number of inputs");
    expect_bad_fann("3 2 4294967296\n1", "column 5: \"4294967296\" found, the number of outputs");
    expect_bad_fann("99999999999999999999999 2 1\n1", "column 1: \"99999");
    expect_bad_fann("2147483647 2147483647 2147483647\n1 2\n3\n",
                    "line 1: 2147483647 rows of 2147483647 inputs|promised|7 bytes that follow");
    expect_bad_fann("1000000 10 1\n1 2 3\n", "1000000 rows of 10 inputs and 1 outputs");
}

Test(bad, numbers)
{
    const char *good = "2 2 1\n0 1\n2\n3 4\n5\n";
    bp_data_free(must_load_text(good, BP_TASK_AUTO));
    expect_bad_fann("2 2 1\n0 1\n2\n3 x\n5\n",
                    "line 4, column 3: \"x\" found, a number (input 2 of row 2) was expected");
    expect_bad_fann("2 2 1\n0 1\n2\n3 4,5\n5\n", "line 4, column 3: \"4,5\" found");
    expect_bad_fann("2 2 1\n0 1\n2\n3 0x10\n5\n", "line 4, column 3: \"0x10\" found");
    expect_bad_fann("2 2 1\n0 1\n2\n3 1e\n5\n", "line 4, column 3: \"1e\" found");
    expect_bad_fann("2 2 1\n0 1\n2\ninf 4\n5\n",
                    "line 4, column 1: \"inf\" is not a finite number");
    expect_bad_fann("2 2 1\n0 1\n2\n3 4\n1e999\n",
                    "line 5, column 1: the number is beyond the range of a double");
    expect_bad_fann("2 2 1\n0 1\n2\n3 4\n-Infinity\n",
                    "line 5, column 1: \"-Infinity\" is not a fin");
    expect_bad_fann("2 2 1\n0 1\n2\n300 400\n",
                    "line 5, column 1: the file ends here, output 1 of row 2 was expected");
    expect_bad_fann("2 2 1\n0 1\n2\n3 4\n5\n6\n",
                    "line 6, column 1: \"6\" found, the end of the file after all rows");
    expect_bad_fann("2 2 1\n0 1\n2\n3 4\n5 end\n", "line 5, column 3: \"end\" found");
    bp_data *data;
    expect_error(load_bytes(&data, "2 2 1\n0 1\n\0 3 4\n", 16, NULL), BP_ERROR_DATA,
                 "a NUL byte at byte offset 10");
    expect_error(load_bytes(&data, "2 1 1\n0\nnan\n3\n1.5\n", 18, NULL), BP_ERROR_DATA,
                 "line 2: the target (column \"target\") is missing");
}

Test(bad, options)
{
    bp_load_options options = bp_load_options_default();
    bp_data *data;
    const char text[] = "2 2 1\n0 1\n2\n3 4\n5\n";
    options.target = "1";
    expect_error(load_bytes(&data, text, sizeof text - 1, &options), BP_ERROR_ARGUMENT,
                 "the file itself says which its targets are");
    write_bytes(in_folder("t.data"), text, sizeof text - 1);
    options = bp_load_options_default();
    options.labels = "y.npy";
    expect_error(bp_data_load(&data, in_folder("t.data"), &options), BP_ERROR_ARGUMENT,
                 "holds its targets itself; y.npy was given");
}

/* A program with a locale of decimal commas reads decimal points. */
Test(fann, does_not_follow_the_locale)
{
    if (!use_comma_locale()) cr_skip_test("no locale with a decimal comma could be set");
    /* 20 digits: beyond the exact fast path. */
    bp_data *data = must_load_text("2 1 1\n0.12345678901234567891\n1.5\n2\n2.5\n", BP_TASK_AUTO);
    expect_number(data, 0, 0, 0.12345678901234567891);
    bp_data_free(data);
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16];
    limit_memory();
    const char text[] = "4 2 2\n0.5 1\n0 1\n-1 2e1\n1 0\n3 ?\n1 0\n7 8\n0 1\n";
    mutate(use_bytes, text, sizeof text - 1, counts);
    cr_assert_gt(counts[BP_OK], 50);
    cr_assert_gt(counts[BP_ERROR_DATA], 100);
}
