/* test_csv_schema.c - CSV files that are read as a schema knows them: columns by name or by
 * position, types that are given, targets that may be missing. */
#include "data_support.h"

static bp_schema *learn(const char *text, const char *target)
{
    bp_load_options options = bp_load_options_default();
    options.target = target;
    bp_data *data = must_load(text, &options);
    bp_schema *schema;
    cr_assert_eq(bp_schema_learn(&schema, data), BP_OK, "%s", bp_last_error());
    bp_data_free(data);
    return schema;
}

static const char iris_like[] =
    "length,colour,width,kind\n1,red,2.5,a\n2,blue,3.5,b\n3,red,4.5,a\n";

Test(known, columns_are_matched_by_name)
{
    bp_schema *schema = learn(iris_like, NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 1;
    /* Another order, a column more, a header of the same names only. */
    bp_data *data =
        must_load("kind,width,id,length,colour\nb,9,77,7,blue\na,8,78,?,green\n", &options);
    cr_assert_eq(data->column_count, 3);
    cr_assert_eq(data->target_count, 1);
    cr_assert_str_eq(data->columns[0].name, "length");
    expect_number(data, 0, 0, 7);
    expect_number(data, 0, 1, NAN);
    expect_text(data, 1, 1, "green");
    expect_number(data, 2, 0, 9);
    expect_text(data, 3, 0, "b");
    expect_contains(bp_data_warnings(data), "column id is not known to the model");
    bp_data *encoded;
    cr_assert_eq(bp_schema_apply(&encoded, schema, data), BP_OK, "%s", bp_last_error());
    const float expected[] = {
        (float)((7 - 2) / sqrt(2.0 / 3)),  1, 0, (float)((9 - 3.5) / sqrt(2.0 / 3)), 0, 0, 0,
        (float)((8 - 3.5) / sqrt(2.0 / 3))};
    for (int i = 0; i < 8; ++i)
        cr_assert_float_eq(bp_data_features(encoded)[i], expected[i], 1e-6, "%d: %g", i,
                           (double)bp_data_features(encoded)[i]);
    cr_assert_eq(bp_data_labels(encoded)[0], 1);
    cr_assert_eq(bp_data_labels(encoded)[1], 0);
    expect_contains(bp_data_warnings(encoded), "1 cell with a category");
    bp_data_free(encoded);
    bp_data_free(data);
    expect_bad_csv("kind,widht,length\na,1,2\n", &options,
                   "columns \"colour\", \"width\" (did you mean \"widht\"?)");
    expect_bad_csv("length,colour,width\n1,red,2\n", &options, "target \"kind\" is not there");
    expect_bad_csv("length,colour,width,kind\n1,red,2,a\n2,red,x,a\n", &options,
                   "line 3|column \"width\"|\"x\" is not a number");
    expect_bad_csv("length,colour,width,kind\n1,red,2,?\n", &options, "line 2|target|missing");
    bp_schema_free(schema);
}

/* One row is enough, whatever it looks like by itself. */
Test(known, types_follow_the_schema)
{
    bp_schema *schema = learn("code,x,t\nA,1,2.5\n7,2,3.5\nB,5,4.5\n", NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    bp_data *data = must_load("code,x\n7,5\n", &options);
    expect_text(data, 0, 0, "7");
    cr_assert_eq(data->task, BP_TASK_AUTO);
    cr_assert_str_empty(bp_data_warnings(data));
    bp_data_free(data);
    data = must_load("7,5\n", &options); /* no header, no target: by position */
    expect_text(data, 0, 0, "7");
    expect_number(data, 1, 0, 5);
    bp_data_free(data);
    data = must_load("A,5,1.5\n", &options);
    cr_assert_eq(data->task, BP_TASK_REGRESS);
    expect_number(data, 2, 0, 1.5);
    bp_data_free(data);
    expect_bad_csv("A,5,1,1\n", &options, "4 columns found|2 features and 1 target");
    expect_bad_csv("A\n", &options, "1 columns found");
    bp_schema_free(schema);
}

Test(known, targets_that_stood_first)
{
    bp_schema *schema = learn("t,x,y\na,1,2.5\nb,2,3.5\n", "t");
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    bp_data *data = must_load("b,7,8\n", &options);
    expect_number(data, 0, 0, 7);
    expect_text(data, 2, 0, "b");
    bp_data_free(data);
    data = must_load("7,8\n", &options);
    expect_number(data, 1, 0, 8);
    cr_assert_eq(data->target_count, 0);
    bp_data_free(data);
    options.target = "-1"; /* in this file it is the last one */
    data = must_load("7,8,b\n", &options);
    expect_number(data, 0, 0, 7);
    expect_text(data, 2, 0, "b");
    bp_data_free(data);
    options.target = "class";
    data = must_load("y,class,x\n1,b,2\n", &options);
    expect_number(data, 0, 0, 2);
    cr_assert_eq(data->target_count, 1);
    expect_text(data, 2, 0, "b");
    bp_data_free(data);
    options.target = "x";
    expect_bad_csv("y,class,x\n1,b,2\n", &options, "\"x\" is a feature of the model");
    options.target = "x,y";
    expect_bad_csv("y,class,x\n1,b,2\n", &options, "2 target columns are named, the model has 1");
    bp_schema_free(schema);
}

/* Predictions do without a target: a column that does not help is left out. */
Test(known, optional_targets)
{
    bp_schema *schema = learn(iris_like, NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    const char *const bad[] = {"length,colour,width,kind\n1,red,2,\n2,red,3,\n",
                               "length,colour,width,kind\n1,red,2,a\n2,red,3,?\n",
                               "length,colour,width,kind\n1,red,2,a\n2,red,3,zebra\n"};
    for (int i = 0; i < 3; ++i) {
        bp_data *data = must_load(bad[i], &options), *encoded;
        cr_assert_eq(data->target_count, 0);
        cr_assert_eq(data->task, BP_TASK_AUTO);
        if (i > 0)
            expect_contains(bp_data_warnings(data), "column kind is missing or unknown in 1 of 2");
        cr_assert_eq(bp_schema_apply(&encoded, schema, data), BP_OK, "%s", bp_last_error());
        cr_assert_null(bp_data_labels(encoded));
        bp_data_free(encoded);
        bp_data_free(data);
    }
    bp_data *data = must_load("length,colour,width,kind\n1,red,2,b\n2,red,3,a\n", &options);
    cr_assert_eq(data->task, BP_TASK_CLASSIFY);
    bp_data_free(data);
    bp_schema_free(schema);
}

Test(known, headers_are_recognised_by_their_names)
{
    bp_schema *schema = learn("c,d,t\nx,y,a\nz,y,b\nz,w,a\n", NULL); /* texts alone */
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    bp_data *data = must_load("c,d\nz,w\n", &options);
    cr_assert_eq(data->rows, 1);
    bp_data_free(data);
    data = must_load("z,w\n", &options);
    cr_assert_eq(data->rows, 1);
    bp_data_free(data);
    bp_schema_free(schema);
    schema = learn("1,2,a\n2,3,b\n", NULL); /* column_1, column_2: any header will do */
    options.schema = schema;
    data = must_load("height,weight\n5,6\n", &options);
    expect_number(data, 0, 0, 5);
    bp_data_free(data);
    bp_schema_free(schema);
}

Test(known, tables_and_pictures_do_not_mix)
{
    bp_schema *schema;
    const char json[] = "{\"version\":2,\"task\":\"classify\",\"scaling\":\"bytes\",\"pixels\":{"
                        "\"count\":4,\"height\":2,"
                        "\"width\":2,\"bytes\":true,\"offset\":0,\"scale\":255},\"classes\":[0,1]}";
    cr_assert_eq(bp_schema_from_json(&schema, json), BP_OK, "%s", bp_last_error());
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    expect_bad_csv("a,b\n1,2\n", &options, "is CSV|pictures");
    bp_schema_free(schema);
}

/* ---- damage ---- */

static bp_schema *mutant_schema;

static bp_status read_known(const char *bytes, size_t size)
{
    bp_load_options options = bp_load_options_default();
    options.schema = mutant_schema;
    bp_data *data, *encoded;
    write_bytes(in_folder("known.csv"), bytes, size);
    bp_status status = bp_data_load(&data, in_folder("known.csv"), &options);
    if (status != BP_OK) return status;
    status = bp_schema_apply(&encoded, mutant_schema, data);
    bp_data_free(data);
    if (status == BP_OK) bp_data_free(encoded);
    return status;
}

Test(damage, every_truncation_and_bit_flip_of_a_known_file)
{
    mutant_schema = learn(iris_like, NULL);
    size_t counts[16];
    mutate(read_known, iris_like, sizeof iris_like - 1, counts);
    cr_assert_gt(counts[BP_ERROR_DATA], 50);
    bp_schema_free(mutant_schema);
}
