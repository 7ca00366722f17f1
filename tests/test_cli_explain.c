/* test_cli_explain.c - `backprop explain` as its users run it: the worked numbers, the JSON
 * contract, lists and files of numbers, wrong usage. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

TestSuite(cli_explain, .init = make_folder, .fini = remove_folder, .timeout = 120);

#define PERCEPTRON "--layers 1,1 --weights .5 --input 1 --target 0 --lr 1"
#define TWO_TWO_TWO                                                                                \
    "--layers 2,2,2 --weights .15,.20,.25,.30,.40,.45,.50,.55 --biases .35,.35,.60,.60 "           \
    "--freeze-bias --input .05,.10 --target .01,.99 --lr 0.5"

#define near(got, want, tolerance)                                                                 \
    cr_assert(fabs((got) - (want)) <= (tolerance), #got " is %.12g, not %.12g", (got),             \
              (double)(want))

static json_t *explained(const char *arguments)
{
    result r = shell("exec " CLI " explain --json %s", arguments);
    assert_code(r, 0);
    cr_assert_eq(strcspn(r.out, "\n") + 1, strlen(r.out), "JSON is one line");
    json_error_t error;
    json_t *json = json_loads(r.out, 0, &error);
    cr_assert_not_null(json, "%s", error.text);
    free_result(&r);
    return json;
}

/* json["layers"][1]["delta"][0] is number_at(json, "layers", 1, "delta", 0) */
static double number_at(const json_t *json, const char *list, size_t i, const char *key, int k)
{
    const json_t *item = json_array_get(json_object_get(json, list), i);
    const json_t *value = json_object_get(item, key);
    if (k >= 0) value = json_array_get(value, (size_t)k);
    cr_assert(json_is_number(value), "%s[%zu].%s", list, i, key);
    return json_number_value(value);
}

Test(cli_explain, worked_numbers)
{
    json_t *json = explained(PERCEPTRON);
    near(number_at(json, "layers", 0, "net", 0), 0.5, 0);
    near(number_at(json, "layers", 0, "activation", 0), 0.622459331, 1e-9);
    near(number_at(json, "layers", 0, "effect", 0), 0.622459331, 1e-9);
    near(number_at(json, "layers", 0, "delta", 0), 0.146280254, 1e-9);
    near(number_at(json, "weights", 0, "layer", -1), 0, 0);
    near(number_at(json, "weights", 0, "from", -1), 0, 0);
    near(number_at(json, "weights", 0, "to", -1), 0, 0);
    near(number_at(json, "weights", 0, "value", -1), 0.5, 0);
    near(number_at(json, "weights", 0, "dE_da", -1), 0.622459331, 1e-9);
    near(number_at(json, "weights", 0, "da_dnet", -1), 0.235003712, 1e-9);
    near(number_at(json, "weights", 0, "dnet_dw", -1), 1, 0);
    near(number_at(json, "weights", 0, "gradient", -1), 0.146280254, 1e-9);
    near(number_at(json, "weights", 0, "numerical", -1), 0.146280254, 1e-8);
    near(number_at(json, "weights", 0, "updated", -1), 0.353719746, 1e-9);
    near(want_number(json, "error"), 0.193727810, 1e-9);
    near(want_number(json, "error_after"), 0.5 * 0.587519316 * 0.587519316, 1e-9);
    cr_assert_eq(json_array_size(json_object_get(json, "weights")), 1);
    cr_assert_eq(json_array_size(json_object_get(json, "biases")), 0);
    json_decref(json);
    json = explained(PERCEPTRON " --weights .35");
    near(number_at(json, "layers", 0, "activation", 0), 0.586617579, 1e-9);
    json_decref(json);
}

Test(cli_explain, two_two_two_with_frozen_biases)
{
    json_t *json = explained(TWO_TWO_TWO);
    const json_t *weights = json_object_get(json, "weights");
    const double after[] = {0.149780716, 0.19956143,  0.24975114, 0.29950229,
                            0.35891648,  0.408666186, 0.51130127, 0.561370121};
    cr_assert_eq(json_array_size(weights), 8);
    near(want_number(json, "error"), 0.298371109, 1e-9);
    near(want_number(json, "error_after"), 0.291027774, 1e-9);
    for (size_t i = 0; i < 8; ++i) {
        const json_t *w = json_array_get(weights, i);
        const size_t layer = (size_t)want_number(w, "layer"), from = (size_t)want_number(w, "from");
        const size_t to = (size_t)want_number(w, "to");
        cr_assert_eq(layer * 4 + to * 2 + from, i, "layer by layer, a row for each unit");
        const double product =
            want_number(w, "dE_da") * want_number(w, "da_dnet") * want_number(w, "dnet_dw");
        near(want_number(w, "gradient"), product, 1e-12);
        near(want_number(w, "gradient"), want_number(w, "numerical"), 1e-9);
        near(want_number(w, "updated"), want_number(w, "value") - 0.5 * product, 1e-11);
        near(want_number(w, "updated"), after[i], 1e-8);
        double effect = 0; /* the sum over paths */
        for (size_t k = 0; layer == 0 && k < 2; ++k)
            effect += number_at(json, "layers", 1, "delta", (int)k) *
                      want_number(json_array_get(weights, 4 + 2 * k + to), "value");
        if (layer == 0) near(number_at(json, "layers", 0, "effect", (int)to), effect, 1e-12);
    }
    cr_assert_eq(json_array_size(json_object_get(json, "biases")), 4);
    for (size_t k = 0; k < 4; ++k) {
        const json_t *b = json_array_get(json_object_get(json, "biases"), k);
        near(want_number(b, "updated"), k < 2 ? .35 : .6, 0);
        cr_assert(json_is_true(json_object_get(b, "frozen")));
        near(want_number(b, "gradient"), want_number(b, "dE_da") * want_number(b, "da_dnet"),
             1e-12);
        cr_assert_gt(fabs(want_number(b, "gradient")), 1e-3);
    }
    json_decref(json);

    const double start = now_seconds();
    json = explained(TWO_TWO_TWO " --steps 10000");
    cr_assert_lt(now_seconds() - start, 2);
    const json_t *errors = json_object_get(json, "errors");
    cr_assert_eq(json_array_size(errors), 10001);
    near(json_number_value(json_array_get(errors, 0)), 0.298371109, 1e-9);
    near(json_number_value(json_array_get(errors, 1)), 0.291027774, 1e-9);
    near(want_number(json, "error"), 0.298371109, 1e-9);
    near(want_number(json, "error_after"), 3.51018778e-5, 1e-12);
    near(json_number_value(json_array_get(errors, 10000)), want_number(json, "error_after"), 0);
    const json_t *last = json_object_get(json, "final");
    for (size_t l = 0; l < 2; ++l)
        for (size_t k = 0; k < 2; ++k)
            near(json_number_value(
                     json_array_get(json_array_get(json_object_get(last, "biases"), l), k)),
                 l ? .6 : .35, 0);
    json_decref(json);

    json = explained("--layers 2,2,2 --weights .15,.20,.25,.30,.40,.45,.50,.55 --biases "
                     ".35,.35,.60,.60 --input .05,.10 --target .01,.99");
    near(number_at(json, "biases", 2, "updated", -1), 0.6 - 0.5 * 0.138498562, 1e-9);
    json_decref(json);
}

Test(cli_explain, text_has_the_numbers_put_in)
{
    result r = shell("exec " CLI " explain " TWO_TWO_TWO);
    assert_code(r, 0);
    assert_has(r.out, "net h1 = 0.15·0.05 + 0.2·0.1 + 0.35 = 0.3775");
    assert_has(r.out, "a   h1 = 1 / (1 + e^(-0.3775)) = 0.593269992");
    assert_has(r.out, "E = 1/2·(0.01 - 0.75136507)^2 + 1/2·(0.99 - 0.772928465)^2 = 0.298371109");
    assert_has(r.out, "slope  o1 = 0.75136507·(1 - 0.75136507) = 0.186815602");
    assert_has(r.out, "effect h1 = 0.138498562·0.4 + (-0.0380982365)·0.5 = 0.0363503064");
    assert_has(r.out, "h1→o1: ∂E/∂w = 0.74136507·0.186815602·0.593269992 = 0.0821670406");
    assert_has(r.out, "w' = 0.4 - 0.5·0.0821670406 = 0.35891648");
    assert_has(r.out, "frozen: b' = 0.35");
    assert_has(r.out, "E = 0.298371109 before the step, 0.291027774 after it");
    assert_has(r.out, "\nWhy\n");
    cr_assert_eq(strlen(r.err), 0, "%s", r.err);
    free_result(&r);
}

/* Softmax: its deltas have more than one path, and say so. */
Test(cli_explain, softmax_and_cross_entropy)
{
    json_t *json = explained("--layers 2,3,3 --seed 7 --input .2,-1 --target 0,1,0 --activation "
                             "tanh --loss cross_entropy");
    double sum = 0;
    for (int k = 0; k < 3; ++k) {
        const double a = number_at(json, "layers", 1, "activation", k);
        const double delta = number_at(json, "layers", 1, "delta", k);
        near(delta, a - (k == 1), 1e-11);
        near(number_at(json, "layers", 1, "effect", k) * number_at(json, "layers", 1, "slope", k) +
                 number_at(json, "layers", 1, "coupled", k),
             delta, 1e-11);
        sum += a;
    }
    near(sum, 1, 1e-11);
    json_decref(json);
}

/* What a hidden layer is to have stands behind its width, and goes before --activation. */
Test(cli_explain, hidden_layers_with_what_they_have)
{
    json_t *json =
        explained("--layers 2,2:linear:residual,1 --weights .5,-1,2,.25,1,-2 --input 1,2 "
                  "--target 0 --activation tanh --output-activation linear");
    near(number_at(json, "layers", 0, "activation", 1), 2.5, 1e-12);
    near(number_at(json, "layers", 0, "output", 0), -0.5, 1e-12); /* -1.5 + 1 */
    near(number_at(json, "layers", 1, "net", 0), -9.5, 1e-12);
    near(number_at(json, "weights", 3, "gradient", -1), 19 * 2, 1e-12);
    json_decref(json);
    json = explained("--layers 2,2:layernorm,2:residual,1 --weights .5,-1,2,.25,1,0,0,1,1,-2 "
                     "--input 1,2 --target 0 --activation linear");
    near(number_at(json, "layers", 0, "mean", 0), 0.5, 1e-12);
    near(number_at(json, "layers", 0, "variance", 0), 4, 1e-12);
    near(number_at(json, "layers", 1, "output", 1), 2 * 2 / sqrt(4.00001), 1e-11);
    cr_assert(
        json_is_null(json_object_get(json_array_get(json_object_get(json, "layers"), 1), "mean")));
    json_decref(json);
}

Test(cli_explain, numbers_from_files)
{
    write_text("w.txt", "# hidden\n.15, .20\n.25  .30\n\n# output\n.40;.45\n.50,.55 # the last\n");
    json_t *json = explained(TWO_TWO_TWO), *from_file;
    result r =
        shell("cd '%s' && exec " CLI " explain --json " TWO_TWO_TWO " --weights w.txt", folder);
    assert_code(r, 0);
    from_file = json_loads(r.out, 0, NULL);
    cr_assert(json_equal(json, from_file));
    json_decref(from_file);
    free_result(&r);
    r = shell("exec " CLI " explain --json " TWO_TWO_TWO " --weights - < %s", path_of("w.txt"));
    from_file = json_loads(r.out, 0, NULL);
    cr_assert(json_equal(json, from_file));
    json_decref(from_file);
    json_decref(json);
    free_result(&r);
    write_text("bad.txt", ".15, .20\n.25  hello\n");
    r = shell("cd '%s' && exec " CLI " explain " TWO_TWO_TWO " --weights bad.txt", folder);
    assert_code(r, 3);
    assert_has(r.err, "bad.txt:2:6: 'hello' is not a number");
    free_result(&r);
    write_text("short.txt", "1 2 3\n");
    r = shell("cd '%s' && exec " CLI " explain " TWO_TWO_TWO " --weights short.txt", folder);
    assert_code(r, 3);
    assert_has(r.err, "short.txt: 3 numbers for 8 weights of the layers 2,2,2");
    free_result(&r);
    write_bytes("zero.txt", "1\0002", 3);
    r = shell("exec " CLI " explain " TWO_TWO_TWO " --weights %s", path_of("zero.txt"));
    assert_code(r, 3);
    assert_has(r.err, "not a text file");
    free_result(&r);
}

Test(cli_explain, a_model_and_a_row)
{
    train_flowers("f.safetensors");
    const char *model = path_of("f.safetensors"), *data = path_of("flowers.csv");
    result r = shell("exec " CLI " explain %s %s --row 5 --json", model, data);
    assert_code(r, 0);
    json_t *json = json_loads(r.out, 0, NULL);
    near(want_number(json, "row"), 5, 0);
    cr_assert_eq(json_array_size(json_object_get(json, "output_names")), 3);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(json, "output_names"), 0)),
                     "daisy");
    const json_t *weights = json_object_get(json, "weights");
    for (size_t i = 0; i < json_array_size(weights); ++i) {
        const json_t *w = json_array_get(weights, i);
        near(want_number(w, "gradient"), want_number(w, "dE_dnet") * want_number(w, "dnet_dw"),
             1e-10);
        near(want_number(w, "gradient"), want_number(w, "numerical"), 1e-7);
    }
    free_result(&r);
    /* The same features again, without the file. */
    char lists[2][256] = {"", ""};
    const char *const keys[] = {"input", "target"};
    for (int k = 0; k < 2; ++k) {
        const json_t *values = json_object_get(json, keys[k]);
        for (size_t i = 0; i < json_array_size(values); ++i)
            snprintf(lists[k] + strlen(lists[k]), 256 - strlen(lists[k]), "%s%.12g", i ? "," : "",
                     json_number_value(json_array_get(values, i)));
    }
    r = shell("exec " CLI " explain %s --input %s --target %s --json", model, lists[0], lists[1]);
    assert_code(r, 0);
    json_t *again = json_loads(r.out, 0, NULL);
    near(want_number(again, "error"), want_number(json, "error"), 1e-9);
    json_decref(again);
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI " explain %s %s --row 500", model, data);
    assert_code(r, 2);
    assert_has(r.err, "has 90 rows");
    free_result(&r);
    r = shell("exec " CLI " explain %s /nowhere.csv", model);
    assert_code(r, 3);
    free_result(&r);
}

/* A network too large to be written down is summed up, fast; its JSON is complete. */
/* Norms and residual connections: the terms of the derivative add up, in the text as in the JSON.
 */
Test(cli_explain, norms_and_residual_connections)
{
    write_flowers("flowers.csv", 90, 1, true);
    result r = shell("exec " CLI " train %s --hidden 3:tanh:layernorm,3:gelu:batchnorm:residual "
                     "--epochs 3 --device reference -q -o %s",
                     path_of("flowers.csv"), path_of("m"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("exec " CLI " explain %s %s --row 4 --steps 2", path_of("m"), path_of("flowers.csv"));
    assert_code(r, 0);
    assert_has(r.out, "layernorm: x̂ = (net - mean)/√(variance + 1e-05), y = gain·x̂ + shift");
    assert_has(r.out, "mean and variance of each unit are those that the training has found");
    assert_has(r.out, "(through the variance) = ");
    assert_has(r.out, "(past layer 2) = ");
    assert_has(r.out, "    out h2.1 = a + input = ");
    assert_has(r.out, "    gain→h1.1: ∂E/∂g = ");
    assert_has(r.out, "  shift→h2.3 = ");
    assert_has(r.out, "  residual: ");
    free_result(&r);
    r = shell("exec " CLI " explain %s %s --row 4 --json", path_of("m"), path_of("flowers.csv"));
    json_t *json = json_of(&r);
    const json_t *layer = json_array_get(want_key(json, "layers", "a"), 0),
                 *second = json_array_get(want_key(json, "layers", "a"), 1);
    for (size_t k = 0; k < 3; ++k) {
        const char *const keys[] = {"own", "through_mean", "through_variance"};
        double sum = 0;
        for (size_t i = 0; i < 3; ++i)
            sum += json_number_value(json_array_get(want_key(layer, keys[i], "a"), k));
        cr_assert_float_eq(sum, json_number_value(json_array_get(want_key(layer, "delta", "a"), k)),
                           1e-10);
        cr_assert_float_eq(json_number_value(json_array_get(want_key(layer, "past", "a"), k)),
                           json_number_value(json_array_get(want_key(second, "effect", "a"), k)),
                           1e-12);
    }
    want_key(second, "past", "0");
    cr_assert_eq(json_array_size(want_key(json, "gains", "a")), 6);
    const json_t *gain = json_array_get(want_key(json, "gains", "a"), 4);
    cr_assert_float_eq(want_number(gain, "gradient"),
                       want_number(gain, "dE_dy") * want_number(gain, "dy_dgain"), 1e-11);
    cr_assert_float_eq(want_number(gain, "gradient"), want_number(gain, "numerical"), 1e-8);
    cr_assert_str_eq(json_string_value(want_key(
                         json_array_get(want_key(json, "architecture", "a"), 1), "norm", "s")),
                     "batchnorm");
    json_decref(json);
    free_result(&r);
    r = shell("exec " CLI
              " explain %s %s --row 4 --steps 20 --html %s -q && grep -q through_mean %s",
              path_of("m"), path_of("flowers.csv"), path_of("p.html"), path_of("p.html"));
    assert_code(r, 0);
    free_result(&r);
    r = shell("exec " CLI
              " train %s --hidden 3:tanh:layernorm,3:gelu:batchnorm:residual --epochs 3 "
              "--device reference --watch-gradients",
              path_of("flowers.csv"));
    assert_code(r, 0);
    assert_has(r.err, "layer 1");
    free_result(&r);
}

Test(cli_explain, large_networks)
{
    FILE *file = fopen(path_of("sample.txt"), "w");
    cr_assert_not_null(file);
    unsigned seed = 3;
    for (int i = 0; i < 784; ++i) fprintf(file, "%.4f\n", i % 3 ? 0.5 + noise(&seed) : 0);
    fclose(file);
    const char *line = "explain --layers 784,128,10 --activation relu --loss cross_entropy "
                       "--target 0,0,1,0,0,0,0,0,0,0 --input";
    result r = shell("exec " CLI " %s %s", line, path_of("sample.txt"));
    assert_code(r, 0);
    cr_assert_lt(r.seconds, 10, "%g s", r.seconds);
    cr_assert_lt(strlen(r.out), 6000);
    assert_has(r.out, "101632 of 101632 derivatives");
    assert_has(r.out, "The 8 weights with the largest derivatives");
    free_result(&r);
    r = shell("exec " CLI " %s %s --json > %s && wc -c < %s", line, path_of("sample.txt"),
              path_of("all.json"), path_of("all.json"));
    assert_code(r, 0);
    json_t *json = json_load_file(path_of("all.json"), 0, NULL);
    cr_assert_eq(json_array_size(json_object_get(json, "weights")), 784 * 128 + 128 * 10);
    json_decref(json);
    free_result(&r);
}

/* What can be said of a page without a browser: it is complete, and asks for nothing. */
Test(cli_explain, a_page_is_one_file)
{
    result r = shell("exec " CLI " explain " TWO_TWO_TWO " --html -");
    assert_code(r, 0);
    assert_has_not(r.out, "<!--insert");
    assert_has_not(r.out, "http:");
    assert_has_not(r.out, "https:");
    assert_has_not(r.out, " src=");
    assert_has_not(r.out, "@import");
    char *data = strstr(r.out, "id=\"data\">");
    cr_assert_not_null(data);
    data += strlen("id=\"data\">");
    *strstr(data, "</script>") = '\0';
    json_t *page = json_loads(data, 0, NULL), *json = explained(TWO_TWO_TWO);
    cr_assert_not_null(page);
    const json_t *frame = json_array_get(json_object_get(page, "frames"), 0);
    static const char *const keys[] = {"error", "layers", "weights", "biases", "error_after"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i)
        cr_assert(json_equal(json_object_get(frame, keys[i]), json_object_get(json, keys[i])), "%s",
                  keys[i]);
    json_decref(json);
    json_decref(page);
    free_result(&r);
    r = shell("exec " CLI " explain " TWO_TWO_TWO " --json --html %s", path_of("p.html"));
    assert_code(r, 0);
    cr_assert(exists("p.html") && *r.out == '{');
    cr_assert_eq(files_in_folder(), 1);
    free_result(&r);
}

Test(cli_explain, wrong_usage_names_the_remedy)
{
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"", "a model or --layers is needed", 2},
        {"--layers 2,2,2", "--input and --target", 2},
        {"--layers 2 --input 1 --target 1", "inputs and outputs at least", 2},
        {"--layers 2,x --input 1 --target 1", "number 2 is not a width", 2},
        {"--layers 2,x,1 --input 1,2 --target 1", "does not start with a width", 2},
        {"--layers 2,,1 --input 1,2 --target 1", "nothing stands between two commas", 2},
        {"--layers 2,2:norm,1 --input 1,2 --target 1", "layernorm, batchnorm", 2},
        {"--layers 2,3:residual,1 --input 1,2 --target 1", "layer 1 is residual", 2},
        {"--layers 2:tanh,1 --input 1,2 --target 1", "inputs and outputs are widths alone", 2},
        {"--layers 2,2,1:tanh --input 1,2 --target 1", "--output-activation", 2},
        {TWO_TWO_TWO " --weights 1,2,3", "3 numbers for 8 weights of the layers 2,2,2", 2},
        {TWO_TWO_TWO " --weights 1,2,,3", "number 3, '', is empty", 2},
        {TWO_TWO_TWO " --weights 1,2,", "number 3, '', is empty", 2},
        {TWO_TWO_TWO " --weights 1,2,three,4", "number 3, 'three', is not a number", 2},
        {TWO_TWO_TWO " --input 1,nan", "number 2, 'nan', is not a finite number", 2},
        {TWO_TWO_TWO " --weights nowhere.txt", "nowhere.txt: No such file", 3},
        {TWO_TWO_TWO " --biases 1", "1 number for 4 units", 2},
        {TWO_TWO_TWO " --no-bias", "exclude each other", 2},
        {TWO_TWO_TWO " --steps 0", "--steps", 2},
        {TWO_TWO_TWO " --lr -1", "--lr", 2},
        {TWO_TWO_TWO " --row 2", "--row chooses a row of DATA", 2},
        {TWO_TWO_TWO " --activation sigmoit", "did you mean 'sigmoid'", 2},
        {TWO_TWO_TWO " --html /nowhere/p.html", "/nowhere", 1},
        {TWO_TWO_TWO " --html - --json", "would mix two results", 2},
        {TWO_TWO_TWO " --weights w.txt --html w.txt", "would overwrite what is read", 2},
        {TWO_TWO_TWO " --loss cross_entropy --output-activation tanh", "needs the output", 2},
        {"model.safetensors --layers 2,2", "--layers is for a network without a model", 2},
        {"nowhere.safetensors --input 1 --target 1", "nowhere.safetensors", 3},
        {"--layers 1,1 --weights 1e200 --input 1e200 --target 0 --activation linear",
         "before step 1", 5},
    };
    write_text("w.txt", "1 2 3 4 5 6 7 8\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd '%s' && exec " CLI " explain %s", folder, cases[i].line);
        cr_assert_eq(r.code, cases[i].code, "explain %s: exit code %d: %s", cases[i].line, r.code,
                     r.err);
        cr_assert(strstr(r.err, cases[i].says), "explain %s: %s", cases[i].line, r.err);
        free_result(&r);
    }
}
