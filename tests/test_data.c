/* test_data.c - data sets from arrays, what can be asked of them, and splits. */
#include "data_support.h"

#include <float.h>
#include <math.h>

#include "data/data.h"

/* ---- arrays ---- */

static const float x4[] = {0, 0, 0, 1, 1, 0, 1, 1};

Test(arrays, regression)
{
    const float t[] = {1, 2, 3, 4, 5, 6, 7, 8};
    float x[8];
    memcpy(x, x4, sizeof x);
    bp_data *data;
    cr_assert_eq(bp_data_from_arrays(&data, x, 4, 2, t, 2), BP_OK);
    x[0] = 99; /* copied */
    bp_data_info info = bp_data_get_info(data);
    cr_assert_eq(info.rows, 4);
    cr_assert_eq(info.columns, 2);
    cr_assert_eq(info.features, 2);
    cr_assert_eq(info.outputs, 2);
    cr_assert_eq(info.task, BP_TASK_REGRESS);
    cr_assert_eq(info.encoded, 1);
    cr_assert_eq(info.missing, 0);
    cr_assert_eq(memcmp(bp_data_features(data), x4, sizeof x4), 0);
    cr_assert_eq(memcmp(bp_data_targets(data), t, sizeof t), 0);
    cr_assert_null(bp_data_labels(data));
    cr_assert_null(bp__data_schema(data));
    cr_assert_str_empty(bp_data_warnings(data));
    bp_data_free(data);
    bp_data_free(NULL);
}

Test(arrays, classification)
{
    const int32_t labels[] = {0, 2, 2, 0};
    bp_data *data;
    cr_assert_eq(bp_data_from_labels(&data, x4, 4, 2, labels, 3), BP_OK);
    bp_data_info info = bp_data_get_info(data);
    cr_assert_eq(info.task, BP_TASK_CLASSIFY);
    cr_assert_eq(info.outputs, 3);
    cr_assert_null(bp_data_targets(data));
    cr_assert_eq(memcmp(bp_data_labels(data), labels, sizeof labels), 0);
    bp_schema *schema;
    expect_error(bp_schema_learn(&schema, data), BP_ERROR_ARGUMENT, "encoded already");
    cr_assert_null(schema);
    bp_data_free(data);
}

Test(arrays, errors)
{
    bp_data *data = (bp_data *)&data;
    float x[8], t[4] = {0};
    const int32_t low[] = {0, 1, -1, 0}, high[] = {0, 1, 1, 2};
    memcpy(x, x4, sizeof x);
    expect_error(bp_data_from_arrays(&data, NULL, 4, 2, t, 1), BP_ERROR_ARGUMENT, "x is NULL");
    cr_assert_null(data);
    expect_error(bp_data_from_arrays(&data, x, 4, 2, NULL, 1), BP_ERROR_ARGUMENT, "targets");
    expect_error(bp_data_from_arrays(&data, x, 0, 2, t, 1), BP_ERROR_ARGUMENT, "no rows");
    expect_error(bp_data_from_arrays(&data, x, 4, 0, t, 1), BP_ERROR_ARGUMENT, "no features");
    expect_error(bp_data_from_arrays(&data, x, 4, 2, t, 0), BP_ERROR_ARGUMENT, "no outputs");
    expect_error(bp_data_from_arrays(NULL, x, 4, 2, t, 1), BP_ERROR_ARGUMENT, "out");
    expect_error(bp_data_from_arrays(&data, x, 4, SIZE_MAX / 2, t, 1), BP_ERROR_MEMORY, "memory");
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; ++i) {
        x[5] = bad[i];
        expect_error(bp_data_from_arrays(&data, x, 4, 2, t, 1), BP_ERROR_DATA,
                     "x: row 2, column 1 (from 0)|finite");
        cr_assert_null(data);
        expect_error(bp_data_from_labels(&data, x, 4, 2, high, 3), BP_ERROR_DATA,
                     "row 2, column 1");
        x[5] = 0;
        t[3] = bad[i];
        expect_error(bp_data_from_arrays(&data, x, 4, 2, t, 1), BP_ERROR_DATA,
                     "targets: row 3, column 0");
        t[3] = 0;
    }
    expect_error(bp_data_from_labels(&data, x, 4, 2, low, 2), BP_ERROR_DATA,
                 "row 2 (from 0) is -1");
    expect_error(bp_data_from_labels(&data, x, 4, 2, high, 2), BP_ERROR_DATA,
                 "row 3 (from 0) is 2|0 to 1");
    x[0] = FLT_MAX;
    x[1] = FLT_TRUE_MIN;
    cr_assert_eq(bp_data_from_arrays(&data, x, 4, 2, t, 1), BP_OK);
    bp_data_free(data);
}

Test(arrays, nothing_is_nothing)
{
    cr_assert_eq(bp_data_get_info(NULL).rows, 0);
    cr_assert_null(bp_data_features(NULL));
    cr_assert_null(bp_data_labels(NULL));
    cr_assert_null(bp_data_targets(NULL));
    cr_assert_str_empty(bp_data_warnings(NULL));
    cr_assert_str_empty(bp_schema_warnings(NULL));
    cr_assert_eq(bp_schema_get_info(NULL).features, 0);
    cr_assert_null(bp_schema_output_name(NULL, 0));
    cr_assert_null(bp_schema_column_name(NULL, 0));
    bp_schema_free(NULL);
    double mean, scale;
    bp_schema_target_scale(NULL, 0, &mean, &scale);
    cr_assert(mean == 0 && scale == 1);
}

/* ---- splits ---- */

/* Row r has the feature r and the class class_of(r). */
static bp_data *numbered(size_t rows, size_t classes, int32_t (*class_of)(size_t))
{
    float *x = malloc(rows * sizeof *x);
    int32_t *labels = malloc(rows * sizeof *labels);
    for (size_t r = 0; r < rows; ++r) {
        x[r] = (float)r;
        labels[r] = class_of(r);
    }
    bp_data *data;
    cr_assert_eq(bp_data_from_labels(&data, x, rows, 1, labels, classes), BP_OK);
    free(x);
    free(labels);
    return data;
}

static int32_t uneven(size_t r) /* 10 : 20 : 70 */
{
    return r % 10 == 0 ? 0 : r % 10 < 3 ? 1 : 2;
}

static int32_t one_alone(size_t r)
{
    return r == 17 ? 0 : r % 2 ? 1 : 2;
}

/* Both parts in the file's order, no row twice and none lost. */
static void check_parts(const bp_data *first, const bp_data *second, size_t rows)
{
    char *seen = calloc(rows, 1);
    const bp_data *const parts[] = {first, second};
    for (int p = 0; p < 2; ++p)
        for (size_t i = 0; i < parts[p]->rows; ++i) {
            size_t r = (size_t)parts[p]->x[i];
            cr_assert(i == 0 || parts[p]->x[i] > parts[p]->x[i - 1], "not in order");
            cr_assert_not(seen[r], "row %zu twice", r);
            seen[r] = 1;
        }
    cr_assert_eq(first->rows + second->rows, rows);
    free(seen);
}

Test(split, keeps_the_proportions)
{
    const size_t sizes[] = {10, 57, 100, 1000, 1797};
    const double fractions[] = {0.1, 0.2, 0.25, 1.0 / 3, 0.5, 0.9};
    for (int s = 0; s < 5; ++s)
        for (int f = 0; f < 6; ++f) {
            bp_data *data = numbered(sizes[s], 3, uneven), *first, *second;
            cr_assert_eq(bp_data_split(&first, &second, data, fractions[f], 7), BP_OK, "%s",
                         bp_last_error());
            check_parts(first, second, sizes[s]);
            size_t counts[3] = {0}, all[3] = {0};
            for (size_t i = 0; i < second->rows; ++i) ++counts[second->labels[i]];
            for (size_t r = 0; r < sizes[s]; ++r) ++all[uneven(r)];
            if (sizes[s] > 10)
                cr_assert_eq(second->rows, (size_t)round(fractions[f] * (double)sizes[s]));
            for (int c = 0; c < 3; ++c) {
                double ideal = (double)all[c] * (double)second->rows / (double)sizes[s];
                cr_assert(fabs((double)counts[c] - ideal) < 1 || sizes[s] == 10,
                          "%zu rows, fraction %g, class %d: %zu, not %g", sizes[s], fractions[f], c,
                          counts[c], ideal);
                cr_assert_lt(counts[c], all[c]);
            }
            bp_data_free(first);
            bp_data_free(second);
            bp_data_free(data);
        }
}

static int32_t nearly_even(size_t r) /* 14 : 16 of 30 */
{
    return r >= 14;
}

/* 5 of 30 are 2.33 and 2.67: the larger remainder gets the row that is left. */
Test(split, gives_what_is_left_to_the_largest_remainder)
{
    bp_data *data = numbered(30, 2, nearly_even), *first, *second;
    cr_assert_eq(bp_data_split(&first, &second, data, 1.0 / 6, 1), BP_OK);
    size_t ones = 0;
    for (size_t i = 0; i < second->rows; ++i) ones += second->labels[i] == 1;
    cr_assert_eq(second->rows, 5);
    cr_assert_eq(ones, 3);
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(data);
}

Test(split, a_lone_row_stays_in_the_first_part)
{
    for (uint64_t seed = 0; seed < 50; ++seed) {
        bp_data *data = numbered(40, 3, one_alone), *first, *second;
        cr_assert_eq(bp_data_split(&first, &second, data, 0.5, seed), BP_OK);
        cr_assert_eq(second->rows, 20);
        for (size_t i = 0; i < second->rows; ++i) cr_assert_neq(second->labels[i], 0);
        check_parts(first, second, 40);
        bp_data_free(first);
        bp_data_free(second);
        bp_data_free(data);
    }
}

/* Pinned: the same rows on every machine and in every version. */
Test(split, is_drawn_by_the_seed)
{
    bp_data *data = numbered(20, 3, uneven), *first, *second, *again;
    cr_assert_eq(bp_data_split(&first, &second, data, 0.3, 42), BP_OK);
    const int expected[] = {0, 2, 3, 13, 14, 18};
    cr_assert_eq(second->rows, 6);
    for (size_t i = 0; i < second->rows; ++i)
        cr_assert_eq(second->x[i], (float)expected[i], "row %zu: %g", i, (double)second->x[i]);
    bp_data_free(first);
    cr_assert_eq(bp_data_split(&first, &again, data, 0.3, 42), BP_OK);
    cr_assert_eq(memcmp(second->x, again->x, second->rows * sizeof(float)), 0);
    bp_data_free(first);
    bp_data_free(again);
    cr_assert_eq(bp_data_split(&first, &again, data, 0.3, 43), BP_OK);
    cr_assert_neq(memcmp(second->x, again->x, second->rows * sizeof(float)), 0);
    bp_data_free(first);
    bp_data_free(again);
    bp_data_free(second);
    bp_data_free(data);
}

/* Before or after encoding, by text or by number: the same rows. */
Test(split, is_the_same_for_raw_and_encoded_data)
{
    static const char *const words[] = {"beta", "alpha", "gamma"};
    const int values[] = {20, 10, 30};
    char text[2][4096] = {"n,t\n", "n,t\n"}, line[64];
    for (int r = 0; r < 60; ++r) {
        int c = r * r % 7 % 3;
        snprintf(line, sizeof line, "%d,%s\n", r, words[c]);
        strcat(text[0], line);
        snprintf(line, sizeof line, "%d,%d\n", r, values[c]);
        strcat(text[1], line);
    }
    double expected[12];
    for (int kind = 0; kind < 2; ++kind) {
        bp_data *raw = must_load(text[kind], NULL), *encoded, *first, *second;
        bp_schema *schema;
        cr_assert_eq(raw->task, BP_TASK_CLASSIFY);
        cr_assert_eq(bp_schema_learn(&schema, raw), BP_OK);
        cr_assert_eq(bp_schema_apply(&encoded, schema, raw), BP_OK);
        cr_assert_eq(bp_data_split(&first, &second, raw, 0.2, 5), BP_OK);
        cr_assert_eq(second->rows, 12);
        cr_assert_eq(second->line[0], (uint32_t)second->columns[0].number[0] + 2);
        for (int i = 0; i < 12; ++i) {
            if (kind == 0) expected[i] = second->columns[0].number[i];
            cr_assert_eq(second->columns[0].number[i], expected[i]);
        }
        bp_data_free(first);
        bp_data_free(second);
        cr_assert_eq(bp_data_split(&first, &second, encoded, 0.2, 5), BP_OK);
        cr_assert_not_null(bp__data_schema(second));
        for (int i = 0; i < 12; ++i) {
            double value = bp_data_features(second)[i] * sqrt((60.0 * 60 - 1) / 12) + 29.5;
            cr_assert_float_eq(value, expected[i], 1e-3);
        }
        bp_data_free(first);
        bp_data_free(second);
        bp_data_free(encoded);
        bp_data_free(raw);
        bp_schema_free(schema);
    }
}

Test(split, of_raw_data_keeps_everything)
{
    bp_data *raw = must_load("a,b,t\n1,x,2.5\n?,y,3.5\n3,?,4.5\n4,x,5.5\n?,z,6.5\n", NULL);
    bp_data *first, *second;
    cr_assert_eq(bp_data_split(&first, &second, raw, 0.4, 3), BP_OK);
    cr_assert_eq(first->rows, 3);
    cr_assert_eq(second->rows, 2);
    cr_assert_eq(first->missing + second->missing, raw->missing);
    const bp_data *const parts[] = {first, second};
    for (int p = 0; p < 2; ++p) {
        cr_assert_eq(parts[p]->task, BP_TASK_REGRESS);
        cr_assert_str_eq(parts[p]->columns[2].name, "t");
        for (size_t i = 0; i < parts[p]->rows; ++i) {
            size_t r = parts[p]->line[i] - 2;
            cr_assert_eq(parts[p]->columns[2].number[i], 2.5 + (double)r);
            cr_assert_eq(parts[p]->columns[1].text[i], raw->columns[1].text[r]);
        }
    }
    bp_data_free(first);
    bp_data_free(second);
    bp_data_free(raw);
}

Test(split, errors)
{
    bp_data *data = numbered(10, 3, uneven), *first = data, *second = data;
    const double bad[] = {0, 1, -0.1, 1.5, NAN, INFINITY};
    for (int i = 0; i < 6; ++i) {
        expect_error(bp_data_split(&first, &second, data, bad[i], 1), BP_ERROR_ARGUMENT,
                     "fraction");
        cr_assert(!first && !second);
    }
    expect_error(bp_data_split(&first, &second, data, 0.01, 1), BP_ERROR_ARGUMENT, "empty");
    expect_error(bp_data_split(&first, &second, data, 0.99, 1), BP_ERROR_ARGUMENT, "empty");
    expect_error(bp_data_split(&first, &second, NULL, 0.5, 1), BP_ERROR_ARGUMENT, "NULL");
    bp_data_free(data);
    data = numbered(1, 3, uneven);
    expect_error(bp_data_split(&first, &second, data, 0.5, 1), BP_ERROR_ARGUMENT, "empty");
    bp_data_free(data);
}

/* ---- for networks without a schema ---- */

Test(plain, numbers_stand_as_they_are)
{
    bp_load_options options = bp_load_options_default();
    options.target = "1"; /* the target stands first, features keep the file's order */
    bp_data *raw = must_load("2,0.5,7\n0,1.5,8\n1,-2.5,9\n", &options), *encoded;
    cr_assert_eq(bp_data_encode_plain(&encoded, raw, 2, 3, BP_TASK_AUTO), BP_OK, "%s",
                 bp_last_error());
    const float x[] = {0.5f, 7, 1.5f, 8, -2.5f, 9};
    const int32_t labels[] = {2, 0, 1};
    cr_assert_eq(memcmp(bp_data_features(encoded), x, sizeof x), 0);
    cr_assert_eq(memcmp(bp_data_labels(encoded), labels, sizeof labels), 0);
    cr_assert_eq(bp_data_get_info(encoded).task, BP_TASK_CLASSIFY);
    bp_data_free(encoded);
    cr_assert_eq(bp_data_encode_plain(&encoded, raw, 2, 1, BP_TASK_AUTO), BP_OK);
    cr_assert_eq(bp_data_targets(encoded)[0], 2);
    bp_data_free(encoded);
    cr_assert_eq(bp_data_encode_plain(&encoded, raw, 3, 1, BP_TASK_AUTO), BP_OK);
    const float all[] = {2, 0.5f, 7, 0, 1.5f, 8, 1, -2.5f, 9}; /* no target: all are features */
    cr_assert_eq(memcmp(bp_data_features(encoded), all, sizeof all), 0);
    cr_assert_null(bp_data_targets(encoded));
    cr_assert_eq(bp_data_get_info(encoded).task, BP_TASK_AUTO);
    bp_data_free(encoded);
    expect_error(bp_data_encode_plain(&encoded, raw, 5, 1, BP_TASK_AUTO), BP_ERROR_DATA, "takes 5");
    expect_error(bp_data_encode_plain(&encoded, raw, 2, 2, BP_TASK_CLASSIFY), BP_ERROR_DATA,
                 "line 1: the class is 2|0 to 1");
    expect_error(bp_data_encode_plain(&encoded, raw, 2, 2, BP_TASK_REGRESS), BP_ERROR_DATA,
                 "1 target columns, the model 2");
    expect_error(bp_data_encode_plain(&encoded, raw, 0, 2, BP_TASK_AUTO), BP_ERROR_ARGUMENT, "raw");
    cr_assert_null(encoded);
    bp_data_free(raw);
    raw = must_load("a,t\n1,2.5\n?,3.5\n2,4.5\n", NULL);
    expect_error(bp_data_encode_plain(&encoded, raw, 1, 1, BP_TASK_AUTO), BP_ERROR_DATA,
                 "line 3|missing");
    bp_data_free(raw);
    raw = must_load("a,t\nx,2.5\ny,3.5\n", NULL);
    expect_error(bp_data_encode_plain(&encoded, raw, 1, 1, BP_TASK_AUTO), BP_ERROR_DATA,
                 "'a' holds text");
    bp_data_free(raw);
}
