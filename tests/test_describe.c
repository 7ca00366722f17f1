/* test_describe.c - what is said of raw data before anything is learned from it. */
#include "npy_support.h"

typedef struct view {
    bp_data *data;
    bp_column_info *columns;
    size_t count;
    char *review;
} view;

static view view_of(bp_data *data)
{
    view v = {.data = data};
    cr_assert_eq(bp_data_describe(&v.columns, &v.count, data), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_data_review(&v.review, data), BP_OK, "%s", bp_last_error());
    return v;
}

static void view_free(view *v)
{
    bp_data_free(v->data);
    free(v->columns);
    free(v->review);
}

static view view_text(const char *text)
{
    bp_load_options options = bp_load_options_default();
    options.allow_missing_target = 1;
    return view_of(must_load(text, &options));
}

static void expect_values(const view *v, size_t k, const char *list)
{
    bp_value_count *values;
    size_t count;
    char found[256] = "", one[80];
    cr_assert_eq(bp_data_count_values(&values, &count, v->data, k), BP_OK, "%s", bp_last_error());
    for (size_t i = 0; i < count; ++i) {
        snprintf(one, sizeof one, "%s%s %zu", i ? ", " : "", values[i].value, values[i].count);
        strcat(found, one);
    }
    cr_assert_str_eq(found, list);
    free(values);
}

Test(describe, kinds_of_columns)
{
    view v = view_text("a,b,c,d,kind\n1,x,7,,u\n2,y,7,?,v\n?,x,,NA,u\n5,,7,,w\n");
    static const int32_t kinds[] = {BP_COLUMN_NUMBER, BP_COLUMN_CATEGORY, BP_COLUMN_CONSTANT,
                                    BP_COLUMN_EMPTY, BP_COLUMN_CATEGORY};
    static const size_t missing[] = {1, 1, 1, 4, 0}, distinct[] = {3, 2, 1, 0, 3};
    cr_assert_eq(v.count, 5);
    for (size_t k = 0; k < 5; ++k) {
        cr_assert_eq(v.columns[k].kind, kinds[k], "column %zu", k);
        cr_assert_eq(v.columns[k].missing, missing[k], "column %zu", k);
        cr_assert_eq(v.columns[k].distinct, distinct[k], "column %zu", k);
        cr_assert_eq(v.columns[k].is_target, k == 4);
        cr_assert_eq(v.columns[k].position, k);
    }
    const bp_column_info *a = v.columns;
    cr_assert_str_eq(a->name, "a");
    cr_assert(a->min == 1 && a->max == 5 && !a->text);
    cr_assert_float_eq(a->mean, 8.0 / 3, 1e-12);
    cr_assert_float_eq(a->deviation, 1.699673171197595, 1e-12);
    cr_assert_float_eq(a->skewness, 0.5280049792181881, 1e-9); /* scipy.stats.skew([1, 2, 5]) */
    cr_assert(isnan(v.columns[1].mean) && v.columns[1].text);
    cr_assert(isnan(v.columns[3].min) && isnan(v.columns[3].mean));
    expect_values(&v, 0, "1 1, 2 1, 5 1");
    expect_values(&v, 1, "x 2, y 1");
    expect_values(&v, 3, "");
    expect_values(&v, 4, "u 2, v 1, w 1");
    cr_assert_str_empty(v.review);
    view_free(&v);
}

/* 30 rows: id counts, code does not but is called an id, n is all different but a measurement. */
static view many_rows(const char *names)
{
    char text[4096], line[128];
    snprintf(text, sizeof text, "%s\n", names);
    for (int r = 0; r < 30; ++r) {
        snprintf(line, sizeof line, "%d,%d,%d,name %d,%g,%s\n", 100 + (r * 7) % 30,
                 r * r + 1000 * (r % 2), r * r + 5, r, 0.25 * r, r % 2 ? "u" : "v");
        strcat(text, line);
    }
    return view_text(text);
}

Test(describe, columns_that_tell_rows_apart)
{
    view v = many_rows("count,customer_ID,n,name,x,t");
    static const int32_t kinds[] = {BP_COLUMN_ID, BP_COLUMN_ID,     BP_COLUMN_NUMBER,
                                    BP_COLUMN_ID, BP_COLUMN_NUMBER, BP_COLUMN_CATEGORY};
    for (size_t k = 0; k < 6; ++k) cr_assert_eq(v.columns[k].kind, kinds[k], "column %zu", k);
    expect_contains(v.review, "3 columns tell rows apart and say nothing of them; the option "
                              "ignore leaves them out: count, customer_ID, name\n");
    view_free(&v);
    v = many_rows("count,monkey,n,name,ID,t");
    cr_assert_eq(v.columns[1].kind, BP_COLUMN_NUMBER, "monkey is no key");
    cr_assert_eq(v.columns[4].kind, BP_COLUMN_NUMBER, "an id is whole");
    view_free(&v);
}

Test(describe, extreme_skew)
{
    char text[8192] = "a,b,c,t\n", line[64];
    for (int r = 0; r < 300; ++r) {
        /* One far value among 300 has a skewness of 17; one of two values is no outlier. */
        snprintf(line, sizeof line, "%d,%d,%d,%s\n", r == 7 ? 1000000 : r % 5, r % 10, r == 7,
                 r % 2 ? "u" : "v");
        strcat(text, line);
    }
    view v = view_text(text);
    cr_assert_gt(v.columns[0].skewness, 10);
    cr_assert_gt(v.columns[2].skewness, 10);
    expect_contains(v.review, "column a is extremely skewed");
    cr_assert_null(strstr(v.review, "column c"));
    view_free(&v);
}

Test(describe, targets_that_spoil)
{
    view v = view_text("a,t\n1,u\n2,\n3,v\n4,?\n");
    expect_contains(v.review, "the target t is missing in 2 of 4 rows");
    cr_assert_eq(v.data->task, BP_TASK_CLASSIFY);
    view_free(&v);
    v = view_text("a,t\n1,0\n2,\n3,1\n4,1\n"); /* whole numbers, though one is missing */
    cr_assert_eq(v.data->task, BP_TASK_CLASSIFY);
    view_free(&v);
    bp_data *data;
    expect_error(load_text(&data, "a,t\n1,u\n2,\n3,v\n", NULL), BP_ERROR_DATA, "missing");

    char text[8192] = "a,t\n", line[32];
    for (int r = 0; r < 400; ++r) {
        snprintf(line, sizeof line, "%d.5,%s\n", r % 9, r < 3 ? "rare" : r % 2 ? "u" : "v");
        strcat(text, line);
    }
    v = view_text(text);
    expect_contains(v.review, "1 of 3 classes has less than 1 % of the rows, rare only 3 of 400");
    view_free(&v);
}

Test(describe, pictures)
{
    block x = npy_header("|u1", false, "(4, 1, 2)"), y = npy_header("|u1", false, "(4,)");
    put(&x, (unsigned char[]){0, 0, 0, 10, 0, 0, 0, 30}, 8);
    put(&y, (unsigned char[]){0, 3, 3, 0}, 4);
    bp_load_options options = bp_load_options_default();
    options.labels = store_block("y.npy", y);
    bp_data *data;
    cr_assert_eq(bp_data_load(&data, store_block("x.npy", x), &options), BP_OK, "%s",
                 bp_last_error());
    view v = view_of(data);
    cr_assert_eq(v.count, 2);
    cr_assert_str_eq(v.columns[0].name, "pixel");
    cr_assert_eq(v.columns[0].kind, BP_COLUMN_NUMBER);
    cr_assert_eq(v.columns[0].distinct, 3);
    cr_assert(v.columns[0].min == 0 && v.columns[0].max == 30 && v.columns[0].mean == 5);
    cr_assert_float_eq(v.columns[0].deviation, 10, 1e-12);
    cr_assert(v.columns[1].is_target && v.columns[1].kind == BP_COLUMN_CATEGORY);
    cr_assert_eq(v.columns[1].distinct, 2);
    expect_values(&v, 1, "0 2, 3 2");
    bp_value_count *values;
    size_t count;
    expect_error(bp_data_count_values(&values, &count, data, 0), BP_ERROR_ARGUMENT, "pixels");
    view_free(&v);
    cr_assert_eq(bp_data_load(&data, in_folder("x.npy"), NULL), BP_OK);
    v = view_of(data);
    cr_assert_eq(v.count, 1);
    view_free(&v);
}

/* Parts of a split know only their own values. */
Test(describe, parts_of_a_split)
{
    bp_data *all = must_load("a,b,t\n1,x,0.5\n2,y,1.5\n3,z,2.5\n4,w,3.5\n", NULL), *first, *second;
    cr_assert_eq(bp_data_split(&first, &second, all, 0.5, 1), BP_OK);
    view v = view_of(first);
    cr_assert_eq(v.columns[1].distinct, 2);
    bp_value_count *values;
    size_t count;
    cr_assert_eq(bp_data_count_values(&values, &count, first, 1), BP_OK);
    cr_assert_eq(count, 2);
    free(values);
    view_free(&v);
    bp_data_free(second);
    bp_data_free(all);
}

Test(describe, errors)
{
    bp_column_info *columns;
    bp_value_count *values;
    size_t count;
    char *text;
    expect_error(bp_data_describe(&columns, &count, NULL), BP_ERROR_ARGUMENT, "raw data");
    expect_error(bp_data_describe(NULL, &count, NULL), BP_ERROR_ARGUMENT, "no place");
    expect_error(bp_data_review(&text, NULL), BP_ERROR_ARGUMENT, "raw data");
    cr_assert_null(text);
    bp_data *raw = must_load("a,t\n1,x\n2,y\n", NULL);
    expect_error(bp_data_count_values(&values, &count, raw, 2), BP_ERROR_ARGUMENT, "a column");
    expect_error(bp_data_count_values(NULL, &count, raw, 0), BP_ERROR_ARGUMENT, "no place");
    bp_schema *schema = must_learn(raw);
    bp_data *encoded = must_apply(schema, raw);
    expect_error(bp_data_describe(&columns, &count, encoded), BP_ERROR_ARGUMENT, "raw data");
    bp_data_free(encoded);
    bp_schema_free(schema);
    bp_data_free(raw);
    cr_assert_eq(bp_is_model(BACKPROP_SOURCE_DIR "/data/iris.csv"), 0);
    cr_assert_eq(bp_is_model("/nonexistent"), 0);
    cr_assert_eq(bp_is_model("-"), 0);
    cr_assert_eq(bp_is_model(NULL), 0);
    write_bytes(in_folder("m"), "\x02\0\0\0\0\0\0\0{}", 10);
    cr_assert_eq(bp_is_model(in_folder("m")), 1);
    expect_error(bp_data_load(&raw, in_folder("m"), NULL), BP_ERROR_DATA, "is a model, not data");
}
