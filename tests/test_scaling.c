/* test_scaling.c - missing values and scalings: the same rows in every format become the same
 * features, by what the training part alone says. */
#include "npy_support.h"

/* ---- the same table in every format ---- */

enum { ROWS = 5 };
static const double rows[ROWS][3] = {{1, -4, 0}, {2, NAN, 1}, {NAN, 0, 1}, {5, 4, 0}, {8, 8, 1}};

/* Rows whose cell is missing count for nothing: means 4 and 2, deviations sqrt(7.5), sqrt(20). */
static const struct {
    int32_t scaling;
    double offset[2], scale[2];
} expected[] = {
    {BP_SCALING_AUTO, {4, 2}, {2.7386127875258306, 4.4721359549995796}},
    {BP_SCALING_STANDARD, {4, 2}, {2.7386127875258306, 4.4721359549995796}},
    {BP_SCALING_MINMAX, {1, -4}, {7, 12}},
    {BP_SCALING_NONE, {0, 0}, {1, 1}},
};
static const double means[2] = {4, 2};

static block text_block(const char *text)
{
    block b = {.size = 0};
    put(&b, text, strlen(text));
    return b;
}

static void check_features(const block *b, const char *format, int32_t scaling,
                           const double offset[2], const double scale[2])
{
    bp_data *raw = must_load_block(*b, NULL);
    cr_assert_eq(bp_data_get_info(raw).missing, 2, "%s", format);
    bp_schema *schema = must_learn(raw), *again;
    cr_assert_eq(bp_schema_set_scaling(schema, raw, scaling), BP_OK, "%s", bp_last_error());
    /* As a model file keeps it. */
    char *json = to_json(schema);
    cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s", bp_last_error());
    cr_assert_eq(bp_schema_get_info(again).scaling,
                 scaling == BP_SCALING_AUTO ? BP_SCALING_STANDARD : scaling);
    bp_data *encoded = must_apply(again, raw);
    for (size_t r = 0; r < ROWS; ++r) {
        for (size_t k = 0; k < 2; ++k) {
            double value = isnan(rows[r][k]) ? means[k] : rows[r][k];
            double found = (double)bp_data_features(encoded)[2 * r + k];
            cr_assert_float_eq(found, (value - offset[k]) / scale[k], 1e-6,
                               "%s, %s: row %zu, column %zu is %g", format,
                               bp_scaling_name(scaling), r, k, found);
        }
        cr_assert_eq(bp_data_labels(encoded)[r], (int32_t)rows[r][2], "%s", format);
    }
    bp_data_free(encoded);
    free(json);
    bp_schema_free(schema);
    bp_schema_free(again);
    bp_data_free(raw);
}

Test(scaling, is_the_same_for_every_format)
{
    double flat[ROWS * 3], x[ROWS * 2], y[ROWS];
    for (size_t r = 0; r < ROWS; ++r) {
        memcpy(flat + 3 * r, rows[r], sizeof rows[r]);
        memcpy(x + 2 * r, rows[r], 2 * sizeof(double));
        y[r] = rows[r][2];
    }
    const struct {
        const char *format;
        block content;
    } files[] = {
        {"CSV", text_block("a,b,t\n1,-4,0\n2,?,1\n,0,1\n5,4,0\n8,8,1\n")},
        {"CSV without a header", text_block("1\t-4\t0\n2\tNaN\t1\nNA\t0\t1\n5\t4\t0\n8\t8\t1\n")},
        {"FANN", text_block("5 2 1\n1 -4\n0\n2 nan\n1\nnan 0\n1\n5 4\n0\n8 8\n1\n")},
        {"FANN, one-hot", text_block("5 2 2\n1 -4\n1 0\n2 ?\n0 1\n? 0\n0 1\n5 4\n1 0\n8 8\n0 1\n")},
        {"libsvm", text_block("0 1:1 2:-4\n1 1:2 2:nan\n1 1:nan\n0 1:5 2:4\n1 1:8 2:8\n")},
        {"NPY f4", npy_matrix("f4", ROWS, 3, flat)},
        {"NPY f8", npy_matrix("f8", ROWS, 3, flat)},
        {"NPZ", ZIP_OF(deflated("X.npy", npy_matrix("f4", ROWS, 2, x)),
                       stored("y.npy", npy_matrix("i8", ROWS, 0, y)))},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i)
        for (size_t s = 0; s < sizeof expected / sizeof *expected; ++s)
            check_features(&files[i].content, files[i].format, expected[s].scaling,
                           expected[s].offset, expected[s].scale);
}

/* ---- pictures ---- */

static block idx_pictures(int type, const int *values, size_t count)
{
    block b = {.size = 0};
    put(&b, (unsigned char[]){0, 0, (unsigned char)type, 3}, 4);
    put_big(&b, count / 2, 4);
    put_big(&b, 1, 4);
    put_big(&b, 2, 4);
    for (size_t i = 0; i < count; ++i)
        put_big(&b, (uint64_t)(int64_t)values[i], type == 0x0B ? 2 : 1);
    return b;
}

Test(scaling, of_pictures)
{
    const int bytes[] = {10, 20, 30, 60}; /* mean 30, deviation sqrt(350) */
    const struct {
        int type;
        int32_t scaling;
        double offset, scale;
    } cases[] = {
        {0x08, BP_SCALING_AUTO, 0, 255},
        {0x08, BP_SCALING_BYTES, 0, 255},
        {0x08, BP_SCALING_STANDARD, 30, 18.708286933869708},
        {0x08, BP_SCALING_MINMAX, 10, 50},
        {0x08, BP_SCALING_NONE, 0, 1},
        {0x0B, BP_SCALING_AUTO, 30, 18.708286933869708},
        {0x0B, BP_SCALING_MINMAX, 10, 50},
        {0x0B, BP_SCALING_NONE, 0, 1},
    };
    block l = {.size = 0};
    put(&l, (unsigned char[]){0, 0, 8, 1, 0, 0, 0, 2, 0, 1}, 10);
    bp_load_options options = bp_load_options_default();
    options.labels = store_block("l", l);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_data *raw;
        const char *path = store_block("p", idx_pictures(cases[i].type, bytes, 4));
        cr_assert_eq(bp_data_load(&raw, path, &options), BP_OK, "%s", bp_last_error());
        bp_schema *schema = must_learn(raw), *again;
        cr_assert_eq(bp_schema_set_scaling(schema, raw, cases[i].scaling), BP_OK);
        char *json = to_json(schema);
        cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s", bp_last_error());
        bp_data *encoded = must_apply(again, raw);
        for (size_t k = 0; k < 4; ++k)
            cr_assert_float_eq((double)bp_data_features(encoded)[k],
                               (bytes[k] - cases[i].offset) / cases[i].scale, 1e-6, "case %zu", i);
        free(json);
        bp_data_free(encoded);
        bp_schema_free(schema);
        bp_schema_free(again);
        bp_data_free(raw);
    }
}

/* ---- what they are learned from ---- */

Test(scaling, is_learned_from_the_training_part_alone)
{
    char text[8192] = "a,b,t\n", line[64];
    for (int r = 0; r < 100; ++r) {
        snprintf(line, sizeof line, "%d,%s,%g\n", r * r, r % 3 ? "x" : "y", 0.5 * r);
        strcat(text, line);
    }
    bp_data *all = must_load(text, NULL), *part, *rest;
    cr_assert_eq(bp_data_split(&part, &rest, all, 0.3, 7), BP_OK);
    bp_schema *schema = must_learn(part);
    double low = INFINITY, high = -INFINITY, all_low = INFINITY, all_high = -INFINITY;
    for (size_t r = 0; r < part->rows; ++r) {
        low = fmin(low, part->columns[0].number[r]);
        high = fmax(high, part->columns[0].number[r]);
    }
    for (size_t r = 0; r < all->rows; ++r) {
        all_low = fmin(all_low, all->columns[0].number[r]);
        all_high = fmax(all_high, all->columns[0].number[r]);
    }
    cr_assert(low > all_low || high < all_high, "the split proves nothing");
    cr_assert_eq(bp_schema_set_scaling(schema, part, BP_SCALING_MINMAX), BP_OK);
    bp_data *encoded = must_apply(schema, part);
    float least = INFINITY, most = -INFINITY;
    for (size_t r = 0; r < part->rows; ++r) {
        least = fminf(least, bp_data_features(encoded)[3 * r]);
        most = fmaxf(most, bp_data_features(encoded)[3 * r]);
    }
    cr_assert(least == 0 && most == 1, "%g to %g", (double)least, (double)most);
    bp_data_free(encoded);
    encoded = must_apply(schema, rest); /* may lie outside */
    bp_data_free(encoded);
    bp_schema_free(schema);
    bp_data_free(part);
    bp_data_free(rest);
    bp_data_free(all);
}

Test(scaling, of_targets)
{
    bp_data *raw = must_load("a,t\n1,10.5\n2,30.5\n3,20.5\n", NULL);
    const struct {
        int32_t scaling;
        double offset, scale;
    } cases[] = {{BP_SCALING_STANDARD, 20.5, 8.16496580927726},
                 {BP_SCALING_MINMAX, 10.5, 20},
                 {BP_SCALING_NONE, 0, 1}};
    for (size_t i = 0; i < 3; ++i) {
        bp_schema *schema = must_learn(raw);
        cr_assert_eq(bp_schema_set_scaling(schema, raw, cases[i].scaling), BP_OK);
        double offset, scale;
        bp_schema_target_scale(schema, 0, &offset, &scale);
        cr_assert_float_eq(offset, cases[i].offset, 1e-12);
        cr_assert_float_eq(scale, cases[i].scale, 1e-12);
        bp_data *encoded = must_apply(schema, raw);
        cr_assert_float_eq((double)bp_data_targets(encoded)[1], (30.5 - offset) / scale, 1e-6);
        bp_data_free(encoded);
        bp_schema_free(schema);
    }
    bp_data_free(raw);
}

/* Columns that hold one value, or none, have nothing to divide by. */
Test(scaling, of_columns_without_spread)
{
    bp_data *raw = must_load("a,b,c,t\n7,?,1,0.5\n7,,2,1.5\n7,NA,3,2.5\n", NULL);
    for (int32_t scaling = BP_SCALING_STANDARD; scaling <= BP_SCALING_NONE; ++scaling) {
        bp_schema *schema = must_learn(raw);
        cr_assert_eq(bp_schema_set_scaling(schema, raw, scaling), BP_OK);
        bp_data *encoded = must_apply(schema, raw);
        const float *x = bp_data_features(encoded);
        for (int r = 0; r < 3; ++r) {
            cr_assert_eq(x[3 * r], scaling == BP_SCALING_NONE ? 7 : 0);
            cr_assert_eq(x[3 * r + 1], 0);
        }
        bp_data_free(encoded);
        bp_schema_free(schema);
    }
    bp_data_free(raw);
}

Test(scaling, errors)
{
    bp_data *raw = must_load("a,t\n1,x\n2,y\n", NULL),
            *other = must_load("a,b,t\n1,2,x\n2,3,y\n", NULL);
    bp_schema *schema = must_learn(raw);
    expect_error(bp_schema_set_scaling(NULL, raw, 1), BP_ERROR_ARGUMENT, "needed");
    expect_error(bp_schema_set_scaling(schema, NULL, 1), BP_ERROR_ARGUMENT, "needed");
    expect_error(bp_schema_set_scaling(schema, raw, 9), BP_ERROR_ARGUMENT, "needed");
    expect_error(bp_schema_set_scaling(schema, raw, BP_SCALING_BYTES), BP_ERROR_ARGUMENT,
                 "for pictures of bytes");
    expect_error(bp_schema_set_scaling(schema, other, 1), BP_ERROR_DATA, "not the data");
    bp_data *encoded = must_apply(schema, raw);
    expect_error(bp_schema_set_scaling(schema, encoded, 1), BP_ERROR_ARGUMENT, "raw data");
    bp_data_free(encoded);
    bp_data_free(raw);
    bp_data_free(other);
    bp_schema_free(schema);
    raw = must_load("a,t\n-1e308,x\n1e308,y\n0,x\n", NULL);
    schema = must_learn(raw); /* the mean is 0, no deviation is beyond a double */
    expect_error(bp_schema_set_scaling(schema, raw, BP_SCALING_MINMAX), BP_ERROR_DATA,
                 "column \"a\": the values are too large");
    bp_data_free(raw);
    bp_schema_free(schema);
}
