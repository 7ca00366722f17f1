/* test_model.c - architectures as texts and as lists, initial weights, records. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backprop.h"

static const float some_x[] = {0, 0, 0, 1, 1, 0, 1, 1, 2, 2, 3, 3};

/* Encoded classification or regression data with two features. */
static bp_data *classes(size_t count)
{
    const int32_t labels[] = {0, 1, 0, 1, 0, 1};
    bp_data *data;
    cr_assert_eq(bp_data_from_labels(&data, some_x, 6, 2, labels, count), BP_OK);
    return data;
}

static bp_data *numbers(size_t outputs)
{
    bp_data *data;
    cr_assert_eq(bp_data_from_arrays(&data, some_x, 6 / outputs, 2, some_x, outputs), BP_OK);
    return data;
}

static bp_model_options options_of(const char *hidden)
{
    bp_model_options options = bp_model_options_default();
    options.hidden = hidden;
    return options;
}

/* The model's architecture as one line: "2 relu 128 softmax 3 / cross_entropy". */
static const char *line_of(const bp_model *model)
{
    static char line[512];
    const bp_model_info info = bp_model_get_info(model);
    size_t used = (size_t)snprintf(line, sizeof line, "%zu", info.inputs);
    for (size_t l = 0; l < info.layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        used += (size_t)snprintf(line + used, sizeof line - used, " %s %zu",
                                 bp_activation_name(layer.activation), layer.outputs);
    }
    snprintf(line + used, sizeof line - used, " / %s", bp_loss_name(info.loss));
    return line;
}

static void expect_line(const bp_data *data, const bp_model_options *options, const char *line)
{
    bp_model *model;
    cr_assert_eq(bp_model_create(&model, data, options), BP_OK, "%s", bp_last_error());
    cr_assert_str_eq(line_of(model), line);
    bp_model_free(model);
}

static void expect_refused(const bp_data *data, const bp_model_options *options, const char *reason)
{
    bp_model *model = (bp_model *)1;
    cr_assert_eq(bp_model_create(&model, data, options), BP_ERROR_ARGUMENT, "no \"%s\"", reason);
    cr_assert_null(model);
    cr_assert(strstr(bp_last_error(), reason), "\"%s\" is not in \"%s\"", reason, bp_last_error());
}

Test(model, hidden_texts)
{
    const struct {
        const char *hidden, *line;
    } cases[] = {
        {NULL, "2 softmax 3 / cross_entropy"},
        {"", "2 softmax 3 / cross_entropy"},
        {"  ", "2 softmax 3 / cross_entropy"},
        {"5", "2 relu 5 softmax 3 / cross_entropy"},
        {"5,4", "2 relu 5 relu 4 softmax 3 / cross_entropy"},
        {" 5 , 4:tanh ", "2 relu 5 tanh 4 softmax 3 / cross_entropy"},
        {"5:sigmoid,4,3:linear", "2 sigmoid 5 relu 4 linear 3 softmax 3 / cross_entropy"},
        {"007", "2 relu 7 softmax 3 / cross_entropy"},
    };
    bp_data *data = classes(3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_model_options options = options_of(cases[i].hidden);
        expect_line(data, &options, cases[i].line);
    }
    expect_line(data, NULL, "2 relu 128 softmax 3 / cross_entropy");
    bp_data_free(data);
}

Test(model, hidden_texts_that_are_wrong)
{
    const struct {
        const char *hidden, *reason;
    } cases[] = {
        {"128,,64", "piece 2, \"\", is empty"},
        {",", "piece 1, \"\", is empty"},
        {"128,", "piece 2, \"\", is empty"},
        {"0", "piece 1, \"0\", has a width outside 1 to"},
        {"16777217", "has a width outside 1 to 16777216"},
        {"99999999999999999999999999", "has a width outside"},
        {"-5", "does not start with a width"},
        {"relu", "does not start with a width"},
        {"12.5", "not a whole number"},
        {"12 8", "piece 1, \"12 8\", has a width that is not a whole number"},
        {"8:", "unknown activation"},
        {"8:rleu", "did you mean relu?"},
        {"8,9:sigmod", "piece 2, \"9:sigmod\", has an unknown activation"},
        {"8:tanhh", "did you mean tanh?"},
        {"8:softmax", "softmax, which is for the output layer only"},
        {"8:auto", "unknown activation"},
        {"8:relu:tanh", "has two activations"},
    };
    bp_data *data = classes(3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_model_options options = options_of(cases[i].hidden);
        expect_refused(data, &options, cases[i].reason);
    }
    bp_data_free(data);
}

/* What AUTO makes of every combination of task, output activation and loss. */
Test(model, outputs_and_losses_that_go_together)
{
    enum { AUTO = -1, LINEAR = 0, SIGMOID = 1, SOFTMAX = 4, HALF = 0, CROSS = 1 };
    const struct {
        int classify, activation, loss;
        const char *line; /* NULL: refused */
    } cases[] = {
        {1, AUTO, AUTO, "2 softmax 3 / cross_entropy"},
        {1, AUTO, HALF, "2 sigmoid 3 / half_squared"},
        {1, AUTO, CROSS, "2 softmax 3 / cross_entropy"},
        {1, SIGMOID, AUTO, "2 sigmoid 3 / half_squared"},
        {1, SOFTMAX, AUTO, "2 softmax 3 / cross_entropy"},
        {1, SIGMOID, CROSS, NULL},
        {1, SOFTMAX, HALF, NULL},
        {0, AUTO, AUTO, "2 linear 3 / half_squared"},
        {0, AUTO, HALF, "2 linear 3 / half_squared"},
        {0, AUTO, CROSS, "2 softmax 3 / cross_entropy"},
        {0, SIGMOID, AUTO, "2 sigmoid 3 / half_squared"},
        {0, LINEAR, CROSS, NULL},
        {0, SOFTMAX, HALF, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        bp_data *data = cases[i].classify ? classes(3) : numbers(3);
        bp_model_options options = options_of("");
        options.output_activation = cases[i].activation;
        options.loss = cases[i].loss;
        if (cases[i].line)
            expect_line(data, &options, cases[i].line);
        else
            expect_refused(data, &options, "choose");
        bp_data_free(data);
    }
}

Test(model, options_that_are_wrong)
{
    bp_data *data = classes(3), *single = numbers(1);
    bp_model_options options = options_of("4");
    options.size = 0;
    expect_refused(data, &options, "bp_model_options_default()");
    options = options_of("4");
    options.activation = 77;
    expect_refused(data, &options, "unknown activation 77");
    options.activation = BP_ACTIVATION_SOFTMAX;
    expect_refused(data, &options, "softmax is for the output layer only");
    options = options_of("4");
    options.output_activation = 77;
    expect_refused(data, &options, "unknown output activation 77");
    options = options_of("4");
    options.loss = 99;
    expect_refused(data, &options, "unknown loss 99");
    options = options_of("4");
    options.init = 9;
    expect_refused(data, &options, "unknown init 9");
    options = options_of("4");
    options.init_range = NAN;
    expect_refused(data, &options, "init_range");
    options = options_of("4");
    options.bias = 2;
    expect_refused(data, &options, "bias is 2");
    options = options_of("4");
    options.output_activation = BP_ACTIVATION_SOFTMAX;
    expect_refused(single, &options, "single output");
    expect_refused(NULL, NULL, "data is NULL");
    bp_data_free(single);
    bp_data_free(data);
}

Test(model, raw_data_is_refused)
{
    char path[] = "/tmp/backprop-test-XXXXXX";
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    const char csv[] = "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n";
    cr_assert_eq(write(fd, csv, sizeof csv - 1), sizeof csv - 1);
    close(fd);
    bp_data *raw;
    cr_assert_eq(bp_data_load(&raw, path, NULL), BP_OK, "%s", bp_last_error());
    bp_model *model;
    cr_assert_eq(bp_model_create(&model, raw, NULL), BP_ERROR_DATA);
    cr_assert_null(model);
    bp_data_free(raw);
    unlink(path);
}

/* A program compiled against an older header, whose options end earlier, gets defaults for the
 * rest. */
Test(model, shorter_options_are_completed)
{
    bp_data *data = classes(2);
    bp_model_options options = options_of("3");
    options.size = offsetof(bp_model_options, bias);
    options.bias = 0;
    options.seed = 99;
    bp_model *model, *other;
    cr_assert_eq(bp_model_create(&model, data, &options), BP_OK);
    cr_assert_eq(bp_model_get_layer(model, 0).bias, 1);
    options = options_of("3");
    cr_assert_eq(bp_model_create(&other, data, &options), BP_OK);
    cr_assert_arr_eq(bp_model_weights(model, 0), bp_model_weights(other, 0), 6 * sizeof(float));
    bp_model_free(model);
    bp_model_free(other);
    bp_data_free(data);
}

/* Computed apart from this library, by a few lines of Python from the definition in random.h: a
 * change of the streams would make every seed mean something else. */
Test(model, known_initial_weights)
{
    const float he[] = {-0x1.7b5fccp+0f, -0x1.536bf4p+0f, -0x1.806708p-1f,
                        -0x1.97fd6cp+0f, -0x1.8136a6p+0f, 0x1.1ebe5p-1f};
    const float glorot[] = {-0x1.412d06p-2f, -0x1.03c9dep-2f, -0x1.27dde6p-3f};
    const float uniform[] = {-0x1.8b7e2p-4f, 0x1.0c4764p-2f};
    bp_data *data = numbers(1);
    bp_model_options options = options_of("3");
    bp_model *model;
    options.init = BP_INIT_HE_UNIFORM;
    cr_assert_eq(bp_model_create(&model, data, &options), BP_OK);
    cr_assert_arr_eq(bp_model_weights(model, 0), he, sizeof he);
    bp_model_free(model);
    options.init = BP_INIT_AUTO;
    cr_assert_eq(bp_model_create(&model, data, &options), BP_OK);
    cr_assert_arr_eq(bp_model_weights(model, 1), glorot, sizeof glorot);
    for (size_t i = 0; i < 3; ++i) cr_assert_eq(bp_model_biases(model, 0)[i], 0);
    cr_assert_eq(bp_model_biases(model, 1)[0], 0);
    bp_model_free(model);

    options.init = BP_INIT_UNIFORM;
    options.seed = 0x123456789u;
    cr_assert_eq(bp_model_create(&model, data, &options), BP_OK);
    cr_assert_arr_eq(bp_model_weights(model, 0), uniform, sizeof uniform);
    bp_model_free(model);
    bp_data_free(data);
}

/* Range, mean and variance (range^2 / 3) of each initialisation. */
Test(model, initial_weights_have_their_distribution)
{
    enum { IN = 300, OUT = 200, COUNT = IN * OUT };
    const struct {
        int32_t activation, init;
        double range;
    } cases[] = {
        {BP_ACTIVATION_RELU, BP_INIT_AUTO, sqrt(6.0 / (IN + OUT))},
        {BP_ACTIVATION_RELU, BP_INIT_HE_UNIFORM, sqrt(6.0 / IN)},
        {BP_ACTIVATION_TANH, BP_INIT_AUTO, sqrt(6.0 / (IN + OUT))},
        {BP_ACTIVATION_SIGMOID, BP_INIT_AUTO, sqrt(6.0 / (IN + OUT))},
        {BP_ACTIVATION_LINEAR, BP_INIT_AUTO, sqrt(6.0 / (IN + OUT))},
        {BP_ACTIVATION_TANH, BP_INIT_HE_UNIFORM, sqrt(6.0 / IN)},
        {BP_ACTIVATION_RELU, BP_INIT_GLOROT_UNIFORM, sqrt(6.0 / (IN + OUT))},
        {BP_ACTIVATION_RELU, BP_INIT_UNIFORM, 0.25},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        const bp_layer layer = {IN, OUT, cases[c].activation, 1};
        bp_model_options options = bp_model_options_default();
        options.init = cases[c].init;
        options.init_range = 0.25f;
        options.seed = 40 + c;
        bp_model *model;
        cr_assert_eq(bp_model_create_layers(&model, &layer, 1, &options), BP_OK, "%s",
                     bp_last_error());
        const float *w = bp_model_weights(model, 0);
        double sum = 0, squares = 0, largest = 0;
        for (size_t i = 0; i < COUNT; ++i) {
            sum += w[i];
            squares += (double)w[i] * w[i];
            largest = fmax(largest, fabs(w[i]));
        }
        const double range = cases[c].range, sigma = range / sqrt(3.0);
        cr_assert(largest <= range * (1 + 1e-7) && largest > 0.999 * range, "case %zu", c);
        cr_assert(fabs(sum / COUNT) < 5 * sigma / sqrt(COUNT), "case %zu: mean %g", c, sum / COUNT);
        cr_assert(fabs(squares / COUNT / (sigma * sigma) - 1) < 0.02, "case %zu: variance", c);
        bp_model_free(model);
    }
}

Test(model, seeds_and_layers_differ)
{
    const bp_layer layers[] = {{4, 4, BP_ACTIVATION_TANH, 1}, {4, 4, BP_ACTIVATION_TANH, 1}};
    bp_model_options options = bp_model_options_default();
    bp_model *a, *b;
    cr_assert_eq(bp_model_create_layers(&a, layers, 2, NULL), BP_OK);
    cr_assert_eq(bp_model_create_layers(&b, layers, 2, &options), BP_OK);
    cr_assert_arr_eq(bp_model_weights(a, 0), bp_model_weights(b, 0), 16 * sizeof(float));
    cr_assert_arr_neq(bp_model_weights(a, 0), bp_model_weights(a, 1), 16 * sizeof(float));
    bp_model_free(b);
    options.seed = 2;
    cr_assert_eq(bp_model_create_layers(&b, layers, 2, &options), BP_OK);
    cr_assert_arr_neq(bp_model_weights(a, 0), bp_model_weights(b, 0), 16 * sizeof(float));
    bp_model_free(a);
    bp_model_free(b);
}

Test(model, layers_and_parameters)
{
    const bp_layer layers[] = {{3, 5, BP_ACTIVATION_RELU, 1},
                               {5, 4, BP_ACTIVATION_LINEAR, 0},
                               {4, 2, BP_ACTIVATION_SOFTMAX, 1}};
    bp_model *model;
    cr_assert_eq(bp_model_create_layers(&model, layers, 3, NULL), BP_OK, "%s", bp_last_error());
    const bp_model_info info = bp_model_get_info(model);
    cr_assert_eq(info.layers, 3);
    cr_assert_eq(info.inputs, 3);
    cr_assert_eq(info.outputs, 2);
    cr_assert_eq(info.parameters, 15 + 5 + 20 + 8 + 2);
    cr_assert_eq(info.loss, BP_LOSS_CROSS_ENTROPY);
    cr_assert_null(bp_model_biases(model, 1));
    cr_assert_null(bp_model_weights(model, 3));
    cr_assert_null(bp_model_biases(model, 3));
    cr_assert_eq(bp_model_get_layer(model, 3).inputs, 0);
    /* One arena: W_0, b_0, W_1, W_2, b_2 without gaps. */
    float *first = bp_model_weights(model, 0);
    cr_assert_eq(bp_model_biases(model, 0), first + 15);
    cr_assert_eq(bp_model_weights(model, 1), first + 20);
    cr_assert_eq(bp_model_weights(model, 2), first + 40);
    cr_assert_eq(bp_model_biases(model, 2), first + 48);
    cr_assert_null(bp_model_get_schema(model));
    bp_model_free(model);
    bp_model_free(NULL);
}

static void expect_layers_refused(const bp_layer *layers, size_t count, int32_t loss,
                                  bp_status expected, const char *reason)
{
    bp_model_options options = bp_model_options_default();
    options.loss = loss;
    bp_model *model = (bp_model *)1;
    cr_assert_eq(bp_model_create_layers(&model, layers, count, &options), expected, "%s", reason);
    cr_assert_null(model);
    cr_assert(strstr(bp_last_error(), reason), "\"%s\" is not in \"%s\"", reason, bp_last_error());
}

Test(model, layers_that_are_wrong)
{
    const bp_layer gap[] = {{2, 3, 1, 1}, {4, 1, 1, 1}};
    expect_layers_refused(gap, 2, -1, BP_ERROR_ARGUMENT, "layer 1 has 4 inputs, but layer 0 has 3");
    const bp_layer empty = {2, 0, 1, 1};
    expect_layers_refused(&empty, 1, -1, BP_ERROR_ARGUMENT, "2 inputs and 0 outputs");
    const bp_layer huge = {2, SIZE_MAX, 1, 1};
    expect_layers_refused(&huge, 1, -1, BP_ERROR_ARGUMENT, "are possible");
    const bp_layer automatic = {2, 2, BP_ACTIVATION_AUTO, 1};
    expect_layers_refused(&automatic, 1, -1, BP_ERROR_ARGUMENT, "unknown activation -1");
    const bp_layer early[] = {{2, 3, BP_ACTIVATION_SOFTMAX, 1}, {3, 1, 1, 1}};
    expect_layers_refused(early, 2, -1, BP_ERROR_ARGUMENT, "output layer only");
    const bp_layer softmax = {2, 3, BP_ACTIVATION_SOFTMAX, 1};
    expect_layers_refused(&softmax, 1, BP_LOSS_HALF_SQUARED, BP_ERROR_ARGUMENT,
                          "choose cross_entropy");
    const bp_layer tanh_layer = {2, 3, BP_ACTIVATION_TANH, 1};
    expect_layers_refused(&tanh_layer, 1, BP_LOSS_CROSS_ENTROPY, BP_ERROR_ARGUMENT,
                          "choose softmax, or the loss half_squared");
    expect_layers_refused(NULL, 1, -1, BP_ERROR_ARGUMENT, "at least one layer");
    expect_layers_refused(&softmax, 0, -1, BP_ERROR_ARGUMENT, "at least one layer");
}

/* 2^17 layers of 2^24 x 2^24 weights: their number wraps to 0 in 64 bits, and earlier their bytes.
 */
Test(model, parameter_counts_that_overflow)
{
    enum { COUNT = 1 << 17, WIDTH = 1 << 24 };
    bp_layer *layers = malloc(COUNT * sizeof *layers);
    cr_assert_not_null(layers);
    for (size_t l = 0; l < COUNT; ++l) layers[l] = (bp_layer){WIDTH, WIDTH, BP_ACTIVATION_TANH, 0};
    expect_layers_refused(layers, COUNT, -1, BP_ERROR_MEMORY, "more parameters than memory");
    for (size_t part = 2; part <= 16; part *= 2)
        expect_layers_refused(layers, COUNT / part, -1, BP_ERROR_MEMORY, "more parameters than");
    free(layers);
}

Test(model, records)
{
    const bp_layer layer = {2, 2, BP_ACTIVATION_TANH, 1};
    bp_model *model;
    cr_assert_eq(bp_model_create_layers(&model, &layer, 1, NULL), BP_OK);
    cr_assert_null(bp_model_record_key(model, 0));
    cr_assert_eq(bp_model_set_record(model, "seed", "7"), BP_OK);
    cr_assert_eq(bp_model_set_record(model, "command", "backprop train \"a b\""), BP_OK);
    cr_assert_eq(bp_model_set_record(model, "empty", ""), BP_OK);
    cr_assert_eq(bp_model_set_record(model, "seed", "8"), BP_OK);
    cr_assert_str_eq(bp_model_record_key(model, 0), "seed");
    cr_assert_str_eq(bp_model_record_key(model, 1), "command");
    cr_assert_str_eq(bp_model_record_key(model, 2), "empty");
    cr_assert_null(bp_model_record_key(model, 3));
    cr_assert_str_eq(bp_model_get_record(model, "seed"), "8");
    cr_assert_str_eq(bp_model_get_record(model, "empty"), "");
    cr_assert_null(bp_model_get_record(model, "see"));
    cr_assert_eq(bp_model_set_record(model, "", "x"), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_set_record(model, NULL, "x"), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_model_set_record(model, "x", NULL), BP_ERROR_ARGUMENT);
    /* Setting a record to its own value must not read what has been released. */
    cr_assert_eq(bp_model_set_record(model, "seed", bp_model_get_record(model, "seed")), BP_OK);
    cr_assert_str_eq(bp_model_get_record(model, "seed"), "8");
    bp_model_free(model);
}

/* A model file holds UTF-8 only; other bytes are replaced one by one, good ones kept. */
Test(model, records_become_utf8)
{
    const struct {
        const char *given, *kept;
    } cases[] = {
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
        {"gr\xfc", "gr\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    const bp_layer layer = {2, 2, BP_ACTIVATION_TANH, 1};
    bp_model *model;
    cr_assert_eq(bp_model_create_layers(&model, &layer, 1, NULL), BP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        cr_assert_eq(bp_model_set_record(model, "text", cases[i].given), BP_OK);
        cr_assert_str_eq(bp_model_get_record(model, "text"), cases[i].kept, "case %zu", i);
    }
    bp_model_free(model);
}
