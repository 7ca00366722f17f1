/* test_tuning.c - tunings as structs: defaults, limits, words, and JSON that reads back. */
#define _XOPEN_SOURCE 700
#include <math.h>

#include "tuning_files.h"

TestSuite(tuning, .timeout = 60);

Test(tuning, defaults_are_valid_for_every_vector)
{
    for (unsigned width = 1; width <= 16; width *= 2) {
        const bp__tuning t = bp__tuning_default(width);
        OK(bp__tuning_check(&t));
        cr_assert(t.product.rows * t.product.vectors <= (width == 8 ? 12 : 24));
    }
    for (const bp__shipped *s = bp__shipped_tunings; s->name; ++s) OK(bp__tuning_check(&s->tuning));
}

Test(tuning, shapes_are_classes_of_results)
{
    const struct {
        size_t rows, columns;
        bp__shape shape;
    } cases[] = {
        {1, 1, BP__SHAPE_NARROW},        {32, 100000, BP__SHAPE_NARROW},
        {100000, 32, BP__SHAPE_NARROW},  {33, 33, BP__SHAPE_SMALL},
        {256, 256, BP__SHAPE_SMALL},     {256, 257, BP__SHAPE_MEDIUM},
        {1024, 1024, BP__SHAPE_MEDIUM},  {1025, 1024, BP__SHAPE_LARGE},
        {SIZE_MAX, 33, BP__SHAPE_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i)
        cr_assert_eq(bp__shape_of(cases[i].rows, cases[i].columns), cases[i].shape, "%zu x %zu",
                     cases[i].rows, cases[i].columns);
}

Test(tuning, nonsense_is_refused_and_named)
{
    const struct {
        const char *says;
        bp__tile product, gradient;
        double waiting;
        unsigned gemm;
    } cases[] = {
        {"product", {1, 3}, {8, 3}, 1, 0},
        {"product", {17, 1}, {8, 3}, 1, 0},
        {"product", {8, 0}, {8, 3}, 1, 0},
        {"product", {4, 5}, {8, 3}, 1, 0},
        {"product", {12, 3}, {8, 3}, 1, 0},
        {"gradient", {8, 3}, {6, 3}, 1, 0},
        {"gradient", {8, 3}, {16, 3}, 1, 0},
        {"gradient", {8, 3}, {0, 1}, 1, 0},
        {"cost waiting", {8, 3}, {8, 3}, 0, 0},
        {"cost waiting", {8, 3}, {8, 3}, -1, 0},
        {"cost waiting", {8, 3}, {8, 3}, (double)NAN, 0},
        {"cost waiting", {8, 3}, {8, 3}, (double)INFINITY, 0},
        {"gemm medium", {8, 3}, {8, 3}, 1, 48},
        {"gemm medium", {8, 3}, {8, 3}, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp__tuning t = bp__tuning_default(16);
        t.product = cases[i].product;
        t.gradient = cases[i].gradient;
        t.cost[BP__COST_WAITING] = cases[i].waiting;
        t.gemm[BP__SHAPE_MEDIUM].tile = cases[i].gemm;
        cr_assert_eq(bp__tuning_check(&t), BP_ERROR_DATA, "case %zu", i);
        cr_assert_not_null(strstr(bp_last_error(), cases[i].says), "case %zu: %s", i,
                           bp_last_error());
        char *path;
        const bp_device_info device = device_of("a");
        OK(bp__tuning_place(&path, &device));
        cr_assert_eq(bp__tuning_save(&t, &device, path), BP_ERROR_DATA);
        free(path);
    }
}

Test(tuning, a_product_is_computed_in_one_way)
{
    bp__tuning t = bp__tuning_default(16);
    t.gemm[BP__SHAPE_LARGE] = (bp__gemm_choice){.clblast = true, .matrix = true};
    cr_assert_eq(bp__tuning_check(&t), BP_ERROR_DATA);
    cr_assert_not_null(strstr(bp_last_error(), "gemm large"), "%s", bp_last_error());
}

Test(tuning, json_gives_every_number_back_and_takes_nothing_else)
{
    const bp__tuning t = unusual();
    bp__tuning back;
    json_t *json, *part;
    OK(bp__tuning_to_json(&json, &t));
    OK(bp__tuning_from_json(&back, json));
    cr_assert(bp__tuning_same(&t, &back));
    const bp__tuning other = bp__tuning_default(16);
    cr_assert_not(bp__tuning_same(&t, &other));
    /* Each member in turn is missing, is something else, has company. */
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value)
    {
        for (int wrong = 0; wrong < 4; ++wrong) {
            json_t *copy = json_deep_copy(json);
            if (wrong == 0) json_object_del(copy, key);
            if (wrong == 1) json_object_set_new(copy, key, json_string("8"));
            if (wrong == 2) json_object_set_new(json_object_get(copy, key), "x", json_integer(1));
            if (wrong == 3) json_object_set_new(copy, "x", json_integer(1));
            cr_assert_eq(bp__tuning_from_json(&back, copy), BP_ERROR_DATA, "%s, %d", key, wrong);
            json_decref(copy);
        }
    }
    part = json_object_get(json, "product");
    const double rows[] = {-1, 8.5, 1e300};
    for (size_t i = 0; i < 3; ++i) {
        json_object_set_new(part, "rows", json_real(rows[i]));
        cr_assert_eq(bp__tuning_from_json(&back, json), BP_ERROR_DATA);
    }
    json_object_set_new(part, "rows", json_integer(-8));
    cr_assert_eq(bp__tuning_from_json(&back, json), BP_ERROR_DATA);
    json_decref(json);
    cr_assert_eq(bp__tuning_from_json(&back, NULL), BP_ERROR_DATA);
}
