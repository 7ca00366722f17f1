/* test_schema.c - what a schema learns, from which rows, and how it encodes. */
#include "data_support.h"

#include <float.h>
#include <math.h>

#include "data/data.h"
#include "data/schema.h"

static void expect_features(const bp_data *encoded, const float *expected)
{
    bp_data_info info = bp_data_get_info(encoded);
    for (size_t i = 0; i < info.rows * info.features; ++i)
        cr_assert_float_eq(bp_data_features(encoded)[i], expected[i], 1e-6,
                           "row %zu feature %zu: %g", i / info.features, i % info.features,
                           (double)bp_data_features(encoded)[i]);
}

/* ---- what is learned ---- */

Test(learn, numbers_texts_and_missing_cells)
{
    bp_data *raw =
        must_load("a,colour,k,t\n1,red,5,no\n2,blue,5,yes\n?,,5,no\n3,green,5,yes\n", NULL);
    bp_schema *schema = must_learn(raw);
    bp_schema_info info = bp_schema_get_info(schema);
    cr_assert_eq(info.columns, 3);
    cr_assert_eq(info.features, 5);
    cr_assert_eq(info.outputs, 2);
    cr_assert_eq(info.task, BP_TASK_CLASSIFY);
    cr_assert_str_eq(bp_schema_output_name(schema, 0), "no");
    cr_assert_str_eq(bp_schema_output_name(schema, 1), "yes");
    cr_assert_null(bp_schema_output_name(schema, 2));
    cr_assert_str_eq(bp_schema_column_name(schema, 1), "colour");
    cr_assert_null(bp_schema_column_name(schema, 3));
    double mean, scale;
    bp_schema_target_scale(schema, 0, &mean, &scale);
    cr_assert(mean == 0 && scale == 1);
    bp_data *encoded = must_apply(schema, raw);
    const float z = (float)sqrt(1.5); /* (3 - 2) / sqrt(2/3), the deviation of the population */
    const float expected[] = {-z, 0, 0, 1, 0, /* blue green red */
                              0,  1, 0, 0, 0, /* */
                              0,  0, 0, 0, 0, /* */
                              z,  0, 1, 0, 0};
    expect_features(encoded, expected);
    const int32_t labels[] = {0, 1, 0, 1};
    cr_assert_eq(memcmp(bp_data_labels(encoded), labels, sizeof labels), 0);
    bp_data_info about = bp_data_get_info(encoded);
    cr_assert_eq(about.columns, 5);
    cr_assert_eq(about.missing, 2);
    cr_assert_eq(about.encoded, 1);
    cr_assert_eq(about.task, BP_TASK_CLASSIFY);
    cr_assert_not_null(bp__data_schema(encoded));
    cr_assert_neq(bp__data_schema(encoded), schema, "a copy");
    expect_error(bp_schema_apply(&(bp_data *){0}, schema, encoded), BP_ERROR_ARGUMENT,
                 "encoded already");
    bp_schema_free(schema);
    cr_assert_str_eq(bp_schema_output_name(bp__data_schema(encoded), 1), "yes");
    bp_data_free(encoded);
    bp_data_free(raw);
}

Test(learn, targets_of_regression)
{
    bp_load_options options = bp_load_options_default();
    options.target = "u,t";
    bp_data *raw = must_load("t,a,u\n10,1,7\n20,2,7\n60,3,7\n", &options);
    cr_assert_eq(raw->task, BP_TASK_REGRESS);
    bp_schema *schema = must_learn(raw);
    cr_assert_eq(bp_schema_get_info(schema).outputs, 2);
    cr_assert_str_eq(bp_schema_output_name(schema, 0), "u");
    cr_assert_str_eq(bp_schema_output_name(schema, 1), "t");
    double mean, scale;
    bp_schema_target_scale(schema, 0, &mean, &scale);
    cr_assert(mean == 7 && scale == 1, "a constant has no scale");
    expect_contains(bp_schema_warnings(schema), "target u has the same value");
    bp_schema_target_scale(schema, 1, &mean, &scale);
    cr_assert_eq(mean, 30);
    cr_assert_float_eq(scale, sqrt(1400.0 / 3), 1e-12);
    bp_schema_target_scale(schema, 2, &mean, &scale);
    cr_assert(mean == 0 && scale == 1);
    bp_data *encoded = must_apply(schema, raw);
    bp_schema_target_scale(schema, 1, &mean, &scale);
    const double values[] = {10, 20, 60};
    for (int r = 0; r < 3; ++r) {
        cr_assert_eq(bp_data_targets(encoded)[2 * r], 0);
        cr_assert_float_eq((double)bp_data_targets(encoded)[2 * r + 1] * scale + mean, values[r],
                           1e-5);
    }
    cr_assert_null(bp_data_labels(encoded));
    bp_data_free(encoded);
    bp_data_free(raw);
    bp_schema_free(schema);
}

Test(learn, classes_that_are_numbers)
{
    bp_load_options options = bp_load_options_default();
    options.task = BP_TASK_CLASSIFY;
    bp_data *raw = must_load("a,t\n1,10\n2,-2.5\n3,9\n4,10.0\n", &options);
    bp_schema *schema = must_learn(raw);
    const char *const names[] = {"-2.5", "9", "10"}; /* by size, not by spelling */
    cr_assert_eq(bp_schema_get_info(schema).outputs, 3);
    for (size_t k = 0; k < 3; ++k) cr_assert_str_eq(bp_schema_output_name(schema, k), names[k]);
    bp_data *encoded = must_apply(schema, raw);
    const int32_t labels[] = {2, 0, 1, 2};
    cr_assert_eq(memcmp(bp_data_labels(encoded), labels, sizeof labels), 0);
    bp_data_free(encoded);
    bp_data_free(raw);
    raw = must_load("a,t\n1,9\n2,11\n", &options);
    expect_error(bp_schema_apply(&encoded, schema, raw), BP_ERROR_DATA,
                 "line 3: the class \"11\" is not one of the 3");
    cr_assert_null(encoded);
    bp_data_free(raw);
    bp_schema_free(schema);
}

/* Two files that differ wildly in the rows that are split off, and in nothing else, must give the
 * same schema to the last bit. */
Test(learn, from_the_training_part_alone)
{
    char text[2][8192];
    bp_schema *schemas[2];
    char in_second[40] = {0};
    for (int pass = 0; pass < 2; ++pass) {
        char *s = text[pass];
        s += sprintf(s, "n,w,t\n");
        for (int r = 0; r < 40; ++r)
            if (pass && in_second[r])
                s += sprintf(s, "%d,strange%d,%s\n", r * 1000000, r, r % 3 ? "x" : "y");
            else
                s += sprintf(s, "%d,%s,%s\n", r * r, r % 2 ? "odd" : "even", r % 3 ? "x" : "y");
        bp_data *raw = must_load(text[pass], NULL), *first, *second;
        cr_assert_eq(bp_data_split(&first, &second, raw, 0.25, 11), BP_OK);
        for (size_t i = 0; i < second->rows; ++i) in_second[second->line[i] - 2] = 1;
        schemas[pass] = must_learn(first);
        bp_data *encoded = must_apply(schemas[pass], second);
        cr_assert_eq(bp_data_get_info(encoded).features, 3);
        if (pass) expect_contains(bp_data_warnings(encoded), "10 cells with a category");
        bp_data_free(encoded);
        bp_data_free(first);
        bp_data_free(second);
        bp_data_free(raw);
    }
    char *one = to_json(schemas[0]), *two = to_json(schemas[1]);
    cr_assert_str_eq(one, two);
    /* The check can fail: the whole file teaches something else. */
    bp_schema *whole = learn_text(text[1], NULL);
    char *three = to_json(whole);
    cr_assert_str_neq(one, three);
    free(one);
    free(two);
    free(three);
    bp_schema_free(whole);
    bp_schema_free(schemas[0]);
    bp_schema_free(schemas[1]);
}

static void expect_moments(const double *values, size_t count, double mean, double deviation)
{
    size_t used;
    double m, d;
    cr_assert(bp__moments(values, count, &used, &m, &d));
    cr_assert(fabs(m - mean) <= 1e-15 * fabs(mean), "%.17g, not %.17g", m, mean);
    cr_assert(fabs(d - deviation) <= 1e-14 * deviation, "%.17g, not %.17g", d, deviation);
}

Test(learn, moments_keep_their_digits)
{
    expect_moments((double[]){1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}, 4, 1e9 + 10, sqrt(22.5));
    expect_moments((double[]){1e300, -1e300, NAN}, 3, 0, 1e300);
    expect_moments((double[]){1e-200, 3e-200}, 2, 2e-200, 1e-200);
    expect_moments((double[]){0.1, 0.1, 0.1, NAN, 0.1, 0.1, 0.1}, 7, 0.1, 0);
    size_t used;
    double m, d;
    cr_assert(bp__moments((double[]){NAN, NAN}, 2, &used, &m, &d));
    cr_assert(used == 0 && m == 0 && d == 0);
    cr_assert_not(bp__moments((double[]){1.7e308, -1.7e308, 1.7e308}, 3, &used, &m, &d));
    cr_assert_not(bp__moments((double[]){0, DBL_TRUE_MIN}, 2, &used, &m, &d));
    bp_data *raw = must_load("a,t\n1.7e308,x\n-1.7e308,y\n1.7e308,x\n", NULL);
    bp_schema *schema;
    expect_error(bp_schema_learn(&schema, raw), BP_ERROR_DATA, "column \"a\"|too large");
    bp_data_free(raw);
}

/* Targets in the hundred thousands under a sigmoid: the training part fills 0 to 1, and what is
 * predicted comes back in the file's own units. */
Test(learn, targets_scaled_into_reach)
{
    bp_data *raw = must_load("a,y\n1,300000.5\n2,500000.5\n3,400000.5\n", NULL), *encoded;
    static const struct {
        int32_t activation;
        float expected[3];
    } cases[] = {{BP_ACTIVATION_SIGMOID, {0, 1, 0.5f}}, {BP_ACTIVATION_TANH, {-1, 1, 0}}};
    for (size_t i = 0; i < 2; ++i) {
        bp_schema *schema = must_learn(raw);
        cr_assert_eq(bp_schema_scale_targets(schema, raw, cases[i].activation), BP_OK);
        cr_assert_eq(bp_schema_apply(&encoded, schema, raw), BP_OK);
        double mean, scale;
        bp_schema_target_scale(schema, 0, &mean, &scale);
        for (size_t r = 0; r < 3; ++r) {
            const double t = (double)bp_data_targets(encoded)[r];
            cr_assert_float_eq(t, (double)cases[i].expected[r], 1e-6);
            cr_assert_float_eq(t * scale + mean, raw->columns[1].number[r], 0.1);
        }
        bp_data_free(encoded);
        bp_schema_free(schema);
    }
    bp_schema *schema = must_learn(raw);
    double before, after, scale;
    bp_schema_target_scale(schema, 0, &before, &scale);
    cr_assert_eq(bp_schema_scale_targets(schema, raw, BP_ACTIVATION_LINEAR), BP_OK);
    bp_schema_target_scale(schema, 0, &after, &scale);
    cr_assert(before == after);
    expect_error(bp_schema_scale_targets(schema, raw, 99), BP_ERROR_ARGUMENT, "activation");
    bp_schema_free(schema);
    bp_data_free(raw);
}

Test(learn, errors)
{
    bp_schema *schema = (bp_schema *)&schema;
    bp_data *raw = must_load("a,t\n1,x\n2,x\n", NULL);
    expect_error(bp_schema_learn(&schema, raw), BP_ERROR_DATA, "same class, \"x\"");
    cr_assert_null(schema);
    bp_data_free(raw);
    raw = must_load("a,t\n1,3\n2,3\n", NULL); /* few-valued integers */
    expect_error(bp_schema_learn(&schema, raw), BP_ERROR_DATA, "same class, \"3\"");
    bp_data_free(raw);
    raw = must_load("a,t\nx,u\nx,v\n?,u\n?,v\n", NULL);
    bp_data *first, *second;
    /* A text column of which the training part has no cell leaves no feature at all. */
    for (uint64_t seed = 0;; ++seed) {
        cr_assert_lt(seed, 1000);
        cr_assert_eq(bp_data_split(&first, &second, raw, 0.5, seed), BP_OK);
        bool none =
            first->columns[0].text[0] == BP__NO_WORD && first->columns[0].text[1] == BP__NO_WORD;
        if (none)
            expect_error(bp_schema_learn(&schema, first), BP_ERROR_DATA, "nothing to learn from");
        bp_data_free(first);
        bp_data_free(second);
        if (none) break;
    }
    bp_data_free(raw);
    expect_error(bp_schema_learn(&schema, NULL), BP_ERROR_ARGUMENT, "NULL");
    expect_error(bp_schema_learn(NULL, NULL), BP_ERROR_ARGUMENT, "out");
}

Test(learn, warnings)
{
    bp_data *raw =
        must_load("a,b,t\n1,7,x\n1,8,y\n1,7,x\n1,7,y\n1,7,x\n1,7,y\n1,7,x\n1,7,y\n", NULL);
    bp_data *first, *second;
    for (uint64_t seed = 0;; ++seed) {
        cr_assert_lt(seed, 1000);
        cr_assert_eq(bp_data_split(&first, &second, raw, 0.25, seed), BP_OK);
        bool constant = second->columns[1].number[0] == 8 || second->columns[1].number[1] == 8;
        bp_schema *schema = must_learn(first);
        /* a was told at loading; b only became constant by the split. */
        cr_assert_eq(strlen(bp_schema_warnings(schema)) > 0, constant);
        if (constant) expect_contains(bp_schema_warnings(schema), "column b does not vary");
        bp_schema_free(schema);
        bp_data_free(first);
        bp_data_free(second);
        if (constant) break;
    }
    bp_data_free(raw);
}

/* Columns of 24 rows and 12 texts, written by a format for two numbers. */
Test(learn, dates_and_numbers_as_texts)
{
    const struct {
        const char *format, *warning;
    } cases[] = {
        {"2024-%02d-%02d", "holds 12 different dates"},
        {"%d.%d.2024", "holds 12 different dates"},
        {"%d/%d/24 10:30", "holds 12 different dates"},
        {"2024-%02d-%02dT10:30:00Z", "holds 12 different dates"},
        {"%d%d %%", "holds numbers with \" %\" beside them"},
        {"\"$%d,%d00\"", "holds numbers with \"$\" beside them"},
        {"\"%d,999,%03d\"", "holds numbers with more points or commas than one"},
        {"A%d-%d", NULL},
        {"192.168.%d.%d", NULL},
        {"2024-%02d-%02d-1", NULL},
        {"x%d%d", NULL},
        {"%d-B%d", NULL},
        {"%02d:%02d", NULL},
        {"1.%d.%d", NULL},
        {"\"-%d,5%d €\"", "holds numbers with \" €\" beside them"},
        {"%d kg %d", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        char text[2048] = "when,t\n";
        for (int r = 0; r < 24; ++r) {
            char *end = text + strlen(text);
            end += sprintf(end, cases[i].format, r % 12 + 1, r % 12 + 1);
            sprintf(end, ",%s\n", r % 3 ? "x" : "y");
        }
        bp_data *raw = must_load(text, NULL);
        bp_schema *schema = must_learn(raw);
        if (cases[i].warning)
            expect_contains(bp_schema_warnings(schema), cases[i].warning);
        else
            cr_assert_str_empty(bp_schema_warnings(schema), "%s: %s", cases[i].format,
                                bp_schema_warnings(schema));
        bp_schema_free(schema);
        bp_data_free(raw);
    }
}

/* A table with `rows` rows whose first column has `distinct` different texts. */
static bp_data *load_ids(int rows, int distinct)
{
    char *text = malloc((size_t)rows * 32 + 32), *s = text;
    s += sprintf(s, "id,t\n");
    for (int r = 0; r < rows; ++r) s += sprintf(s, "id%d,%s\n", r % distinct, r % 2 ? "x" : "y");
    bp_data *data = must_load(text, NULL);
    free(text);
    return data;
}

Test(learn, columns_that_name_the_rows)
{
    const struct {
        int rows, distinct;
        const char *warning;
    } cases[] = {{19, 19, NULL},
                 {20, 20, "20 different texts"},
                 {40, 20, NULL},
                 {2000, 1001, "1001 different texts"},
                 {2000, 1000, NULL}};
    for (int i = 0; i < 5; ++i) {
        bp_data *raw = load_ids(cases[i].rows, cases[i].distinct);
        bp_schema *schema = must_learn(raw);
        if (cases[i].warning)
            expect_contains(bp_schema_warnings(schema), cases[i].warning);
        else
            cr_assert_str_empty(bp_schema_warnings(schema));
        cr_assert_eq(bp_schema_get_info(schema).features, (size_t)cases[i].distinct);
        bp_schema_free(schema);
        bp_data_free(raw);
    }
    bp_data *raw = load_ids(10001, 10001);
    bp_schema *schema;
    expect_error(bp_schema_learn(&schema, raw), BP_ERROR_DATA,
                 "\"id\"|10001 different texts|the option ignore");
    bp_data_free(raw);
}

/* ---- how it is applied ---- */

static void expect_apply_fails(const bp_schema *schema, const char *text, const char *words,
                               int line)
{
    bp_data *raw = must_load(text, NULL), *encoded = raw;
    check_error(bp_schema_apply(&encoded, schema, raw), BP_ERROR_DATA, words, line);
    cr_assert_null(encoded);
    bp_data_free(raw);
}

Test(apply, columns_that_differ)
{
    bp_schema *schema = learn_text("a,b,t\n1,x,0.5\n2,y,1.5\n3,x,2.5\n", NULL);
    expect_apply_fails(schema, "a,c,t\n1,x,0.5\n", "column \"b\" is not there", __LINE__);
    expect_apply_fails(schema, "a,b,t\n1,2,0.5\n", "column \"b\" holds numbers|texts", __LINE__);
    expect_apply_fails(schema, "a,b,t\nz,x,0.5\n", "column \"a\" holds texts|numbers", __LINE__);
    expect_apply_fails(schema, "a,b,t\n1e300,x,0.5\n", "line 2, column \"a\": 1e+300|float32",
                       __LINE__);
    expect_apply_fails(schema, "a,b,t\n1,x,0.5\n2,x,1e300\n", "line 3, column \"t\"|float32",
                       __LINE__);
    expect_apply_fails(schema, "a,b,t\n1,x,u\n", "column \"t\" holds texts", __LINE__);
    bp_data *raw = must_load("b,a,t\n?,3,0.5\n,1,0.5\n", NULL); /* b is of no kind; another order */
    bp_data *encoded = must_apply(schema, raw);
    const float z = (float)sqrt(1.5), expected[] = {z, 0, 0, -z, 0, 0};
    expect_features(encoded, expected);
    bp_data_free(encoded);
    bp_data_free(raw);
    bp_schema_free(schema);
    schema = learn_text("a,t\n1,x\n2,y\n", NULL);
    expect_apply_fails(schema, "a,t\n1,x\n2,zebra\n", "line 3: the class \"zebra\"", __LINE__);
    expect_apply_fails(schema, "a,t\n1,1\n2,0\n", "line 2: the class \"1\"", __LINE__);
    bp_schema_free(schema);
}

Test(apply, without_a_target)
{
    bp_schema *schema = learn_text("a,b,t\n1,x,0.5\n2,y,1.5\n3,x,2.5\n", NULL);
    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    bp_data *raw = must_load("a,b\n2,x\n", &options), *encoded = must_apply(schema, raw);
    const float expected[] = {0, 1, 0};
    expect_features(encoded, expected);
    cr_assert_eq(bp_data_get_info(encoded).task, BP_TASK_AUTO);
    cr_assert_eq(bp_data_get_info(encoded).outputs, 1);
    cr_assert_null(bp_data_targets(encoded));
    cr_assert_null(bp_data_labels(encoded));
    bp_schema *other;
    expect_error(bp_schema_learn(&other, raw), BP_ERROR_DATA, "no target");
    bp_data_free(raw);
    bp_data_free(encoded);
    expect_error(bp_schema_apply(&encoded, schema, NULL), BP_ERROR_ARGUMENT, "NULL");
    expect_error(bp_schema_apply(&encoded, NULL, NULL), BP_ERROR_ARGUMENT, "NULL");
    bp_schema_free(schema);
}

/* ---- words ---- */

Test(words, utf8)
{
    const char *const good[] = {"", "a", "é", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"};
    const char *const bad[] = {"\x80",
                               "\xC3",
                               "\xC0\xAF",
                               "\xC1\xBF",
                               "\xE0\x80\xAF",
                               "\xED\xA0\x80",
                               "\xF0\x80\x80\xAF",
                               "\xF4\x90\x80\x80",
                               "\xFC\x84\x80\x80",
                               "\xF5\x80\x80\x80",
                               "\xFF",
                               "a\xE2\x82",
                               "\xC3\x28"};
    for (size_t i = 0; i < sizeof good / sizeof *good; ++i)
        cr_assert(bp__is_utf8(good[i]), "%zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
        cr_assert_not(bp__is_utf8(bad[i]), "%zu", i);
}

Test(words, many)
{
    bp__words words = {0};
    char text[32];
    uint32_t index, *order;
    cr_assert_eq(bp__words_find(&words, "x"), BP__NO_WORD);
    for (int pass = 0; pass < 2; ++pass)
        for (uint32_t i = 0; i < 50000; ++i) {
            snprintf(text, sizeof text, "%u", i);
            cr_assert_eq(bp__words_add(&words, text, &index), BP_OK);
            cr_assert_eq(index, i);
        }
    cr_assert_eq(words.count, 50000);
    cr_assert_eq(bp__words_find(&words, "50000"), BP__NO_WORD);
    cr_assert_eq(bp__words_sorted(&order, &words), BP_OK);
    for (size_t i = 1; i < 50000; ++i)
        cr_assert_lt(strcmp(bp__words_get(&words, order[i - 1]), bp__words_get(&words, order[i])),
                     0);
    free(order);
    bp__words_free(&words);
}

Test(words, shown_in_messages)
{
    char out[64];
    cr_assert_str_eq(bp__shown(out, "a\nb\x7F"), "a b ");
    char text[200];
    memset(text, 'x', 199);
    text[199] = '\0';
    bp__shown(out, text);
    cr_assert_eq(strlen(out), 63);
    for (size_t shift = 0; shift < 2; ++shift) { /* é at every place of the cut */
        memset(text, 'x', 199);
        for (size_t i = shift; i + 2 < 199; i += 2) memcpy(text + i, "é", 2);
        cr_assert(bp__is_utf8(bp__shown(out, text)), "cut inside a character");
        cr_assert_leq(strlen(out), 63);
    }
}
