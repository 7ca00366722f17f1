/* test_schema_json.c - schemas as JSON: exact both ways, and everything refused that is not one,
 * since model files may come from anywhere. */
#include "data_support.h"

#include "data/schema.h"

static const char *const samples[] = {
    "a,b c,\"d,\"\"e\"\"\",é,t\n0.1,red,1,5,x\n0.3,blue,2,5,ÿ\n1e-7,?,4,5,\"a\tb\"\n",
    "a;t\n1;0.1\n2;0.7\n4;1e17\n",
    "a,t\n1,0\n2,1\n3,0\n4,1\n",
    "p,q,t\nu,1,a\nv,2,b\n",
};

Test(json, round_trip_is_exact)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; ++i) {
        bp_data *raw = must_load(samples[i], NULL);
        bp_schema *schema = must_learn(raw), *again;
        char *json = to_json(schema), *twice;
        cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s: %s", json, bp_last_error());
        twice = to_json(again);
        cr_assert_str_eq(json, twice);
        for (size_t k = 0; k < schema->column_count; ++k) {
            const bp__schema_column *a = &schema->columns[k], *b = &again->columns[k];
            cr_assert(a->offset == b->offset && a->missing == b->missing && a->scale == b->scale &&
                      a->kind == b->kind && a->position == b->position);
            cr_assert_str_eq(a->name, b->name);
        }
        for (size_t k = 0; k < schema->outputs; ++k)
            cr_assert_str_eq(bp_schema_output_name(schema, k), bp_schema_output_name(again, k));
        bp_schema_info one = bp_schema_get_info(schema), two = bp_schema_get_info(again);
        cr_assert(one.columns == two.columns && one.features == two.features &&
                  one.outputs == two.outputs && one.task == two.task);
        bp_data *x = must_apply(schema, raw), *y = must_apply(again, raw);
        cr_assert_eq(memcmp(bp_data_features(x), bp_data_features(y),
                            one.features * raw->rows * sizeof(float)),
                     0);
        bp_data_free(x);
        bp_data_free(y);
        bp_data_free(raw);
        bp_schema_free(schema);
        bp_schema_free(again);
        free(json);
        free(twice);
    }
}

Test(json, copies_are_independent)
{
    bp_schema *schema = learn_text(samples[0], NULL), *copy;
    char *json = to_json(schema);
    cr_assert_eq(bp_schema_copy(&copy, schema), BP_OK);
    cr_assert_str_eq(bp_schema_warnings(copy), bp_schema_warnings(schema));
    bp_schema_free(schema);
    char *again = to_json(copy);
    cr_assert_str_eq(json, again);
    free(json);
    free(again);
    bp_schema_free(copy);
    expect_error(bp_schema_copy(&copy, NULL), BP_ERROR_ARGUMENT, "NULL");
    cr_assert_null(copy);
}

#define COLUMN "{\"name\":\"a\",\"position\":0,\"offset\":1.0,\"scale\":2.0,\"missing\":1.0}"
#define TARGET "{\"name\":\"t\",\"position\":1}"
#define TABLE                                                                                      \
    "\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"targets\":[" TARGET                \
    "],\"classes\":[\"x\",\"y\"]"
#define PIXELS(fields)                                                                             \
    "{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"classes\":[0,1],\"pixels\":"      \
    "{" fields "}}"

Test(json, what_is_refused)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"", "byte"},
        {"[]", "object was expected"},
        {"{}", "version"},
        {"{\"version\":1}", "version"},
        {"{\"version\":2.0}", "version"},
        {"{\"version\":2,\"version\":2}", "duplicate"},
        {"{\"version\":2,\"task\":\"guess\"}", "task"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\"}", "either"},
        {"{\"version\":2,\"task\":\"classify\"}", "scaling"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"auto\"}", "scaling"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":1}", "scaling"},
        {"{" TABLE "}", "either"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":1,\"scale\":1}]}",
         "missing"},
        {"{" TABLE ",\"columns\":[]}", "columns"},
        {"{" TABLE ",\"columns\":{}}", "columns"},
        {"{" TABLE ",\"columns\":[7]}", "column 0"},
        {"{" TABLE ",\"columns\":[" COLUMN "],\"extra\":1}", "\"extra\" is not known"},
        {"{" TABLE ",\"columns\":[" COLUMN "," COLUMN "]}", "same name"},
        {"{" TABLE ",\"columns\":[" COLUMN "],\"pixels\":{}}", "either"},
        {"{" TABLE
         ",\"columns\":[{\"name\":\"t\",\"position\":0,\"offset\":1,\"scale\":1,\"missing\":1}]}",
         "same name"},
        {"{" TABLE
         ",\"columns\":[{\"name\":\"\",\"position\":0,\"offset\":1,\"scale\":1,\"missing\":1}]}",
         "name"},
        {"{" TABLE
         ",\"columns\":[{\"name\":\"a\",\"position\":-1,\"offset\":1,\"scale\":1,\"missing\":1}]}",
         "position"},
        {"{" TABLE
         ",\"columns\":[{\"name\":\"a\",\"position\":1e3,\"offset\":1,\"scale\":1,\"missing\":1}]}",
         "position"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":1,\"scale\":0}]}",
         "scale"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":1,\"scale\":-1}]}",
         "scale"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":1,\"scale\":1e-320}]}",
         "scale"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":1e999,\"scale\":1}]}",
         "byte"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"offset\":\"1\",\"scale\":1}]}",
         "offset"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"scale\":1}]}", "offset"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"categories\":[]}]}",
         "nothing to learn"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"categories\":[1]}]}",
         "categories"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"categories\":[\"b\",\"a\"]}]}",
         "ascending"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\",\"position\":0,\"categories\":[\"a\",\"a\"]}]}",
         "ascending"},
        {"{" TABLE
         ",\"columns\":[{\"name\":\"a\",\"position\":0,\"categories\":[\"a\"],\"offset\":1}]}",
         "\"offset\" is not known"},
        {"{" TABLE ",\"columns\":[{\"name\":\"a\\u0000b\",\"position\":0,\"offset\":1,\"scale\":1,"
         "\"missing\":1}]}",
         "byte"},
        {"{" TABLE ",\"columns\":[" COLUMN
         ",{\"name\":\"b\",\"position\":0,\"offset\":1,\"scale\":1,\"missing\":1}]}",
         "ascend"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"classes\":[\"x\",\"y\"]}",
         "targets"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "]}",
         "classes"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "],\"classes\":[\"x\"]}",
         "classes"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "],\"classes\":[\"x\",1]}",
         "classes"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "],\"classes\":[1,\"x\"]}",
         "classes"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "],\"classes\":[1,1]}",
         "classes"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "," TARGET "],\"classes\":[1,2]}",
         "targets"},
        {"{\"version\":2,\"task\":\"regress\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[" TARGET "]}",
         "offset"},
        {"{\"version\":2,\"task\":\"regress\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"targets\":[]}",
         "targets"},
        {"{\"version\":2,\"task\":\"regress\",\"scaling\":\"none\",\"columns\":[" COLUMN
         "],\"classes\":[\"x\",\"y\"]}",
         "no \"classes\""},
        {PIXELS("\"count\":4,\"height\":2,\"width\":3,\"bytes\":true,\"offset\":0,\"scale\":1"),
         "2 x 3"},
        {PIXELS("\"count\":0,\"height\":0,\"width\":0,\"bytes\":true,\"offset\":0,\"scale\":1"),
         "0 pixels"},
        {PIXELS("\"count\":1e9,\"height\":0,\"width\":0,\"bytes\":true,\"offset\":0,\"scale\":1"),
         "count"},
        {PIXELS("\"count\":4,\"height\":0,\"width\":0,\"bytes\":1,\"offset\":0,\"scale\":1"),
         "bytes"},
        {PIXELS("\"count\":4,\"height\":0,\"width\":0,\"bytes\":true,\"offset\":0"), "scale"},
        {"{\"version\":2,\"task\":\"regress\",\"scaling\":\"none\",\"pixels\":{\"count\":4,"
         "\"height\":2,\"width\":2,"
         "\"bytes\":true,\"offset\":0,\"scale\":1}}",
         "classification only"},
        {"{\"version\":2,\"task\":\"classify\",\"scaling\":\"none\",\"classes\":[0,2],\"pixels\":{"
         "\"count\":4,"
         "\"height\":2,"
         "\"width\":2,\"bytes\":true,\"offset\":0,\"scale\":1}}",
         "classes"},
    };
    bp_schema *schema;
    cr_assert_eq(bp_schema_from_json(&schema, "{" TABLE ",\"columns\":[" COLUMN "]}"), BP_OK, "%s",
                 bp_last_error());
    bp_schema_free(schema);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        schema = (bp_schema *)&schema;
        cr_assert_eq(bp_schema_from_json(&schema, cases[i].json), BP_ERROR_MODEL, "case %zu: %s", i,
                     cases[i].json);
        cr_assert_null(schema);
        cr_assert_not_null(strstr(bp_last_error(), cases[i].words), "case %zu: %s", i,
                           bp_last_error());
    }
    expect_error(bp_schema_from_json(&schema, NULL), BP_ERROR_ARGUMENT, "NULL");
}

Test(json, nesting_and_bad_text)
{
    const size_t depth = 100000;
    char *deep = malloc(depth + 1);
    memset(deep, '[', depth);
    deep[depth] = '\0';
    bp_schema *schema;
    expect_error(bp_schema_from_json(&schema, deep), BP_ERROR_MODEL, "depth");
    free(deep);
    expect_error(bp_schema_from_json(&schema, "{\"\xC3\x28\":1}"), BP_ERROR_MODEL, "byte");
    expect_error(bp_schema_from_json(&schema, "{\"\\ud800\":1}"), BP_ERROR_MODEL, "byte");
}

static bp_status read_json(const char *bytes, size_t size)
{
    bp_schema *schema;
    (void)size;
    bp_status status = bp_schema_from_json(&schema, bytes);
    if (status != BP_OK) return status;
    char *json = to_json(schema), *twice;
    bp_schema *again;
    cr_assert_eq(bp_schema_from_json(&again, json), BP_OK, "%s: %s", json, bp_last_error());
    twice = to_json(again);
    cr_assert_str_eq(json, twice);
    free(json);
    free(twice);
    bp_schema_free(again);
    bp_schema_free(schema);
    return BP_OK;
}

Test(damage, every_truncation_and_bit_flip)
{
    size_t counts[16];
    limit_memory();
    for (size_t i = 0; i < sizeof samples / sizeof *samples; ++i) {
        bp_schema *schema = learn_text(samples[i], NULL);
        char *json = to_json(schema);
        mutate(read_json, json, strlen(json), counts);
        cr_assert_gt(counts[BP_OK], 40, "%zu", counts[BP_OK]);
        cr_assert_gt(counts[BP_ERROR_MODEL], 1000);
        free(json);
        bp_schema_free(schema);
    }
    const char pixels[] =
        PIXELS("\"count\":784,\"height\":28,\"width\":28,\"bytes\":true,\"offset\":0.0,"
               "\"scale\":255.0");
    mutate(read_json, pixels, sizeof pixels - 1, counts);
    cr_assert_gt(counts[BP_ERROR_MODEL], 800);
}
