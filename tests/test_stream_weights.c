/* test_stream_weights.c - weights of samples and classes in data that is streamed: those of the
 * same data in memory, bit for bit, and the bits of a training with them; the same errors. Blocks
 * are a few hundred bytes and windows a few batches, so that weights lie across many of both. */
#include "data/stream.h"
#include "data_support.h"
#include "network_support.h"
#include "train/trainer.h"

static void small_blocks(void)
{
    bp__stream_block = 300;
}

TestSuite(stream_weights, .init = small_blocks, .timeout = 120);

enum { ROWS = 211 };

/* The first twelve rows and the last, a block and more of each end, count for nothing. */
static const char *write_table(bool classes)
{
    const char *path = in_folder("weighted.csv");
    FILE *file = fopen(path, "w");
    fprintf(file, "a,weight,b,%s\n", classes ? "kind" : "price");
    for (int r = 0; r < ROWS; ++r) {
        const double a = sin(r * 1.7), b = cos(r * r * 0.3);
        fprintf(file, "%.6g,%.3g,%.6g,", a, r < 12 || r == ROWS - 1 ? 0 : 0.25 * (r % 7), b);
        if (classes)
            fprintf(file, "%s\n", a > 0.8 ? "rare" : b > 0 ? "often" : "seldom");
        else
            fprintf(file, "%.6g\n", a * b + 3);
    }
    cr_assert_eq(fclose(file), 0);
    return path;
}

typedef struct parts {
    bp_data *train, *rest;
} parts;

static parts load(const char *path, int32_t stream, bool classes, bool balance)
{
    bp_load_options options = bp_load_options_default();
    bp_data *all, *raw, *rest;
    bp_schema *schema;
    parts out;
    options.stream = stream;
    options.weights = "weight";
    options.task = classes ? BP_TASK_CLASSIFY : BP_TASK_REGRESS;
    OK(bp_data_load(&all, path, &options));
    cr_assert_eq(bp_data_get_info(all).columns, 2, "the weights are no column");
    OK(bp_data_split(&raw, &rest, all, 0.2, 3));
    OK(bp_schema_learn(&schema, raw));
    OK(bp_schema_apply(&out.train, schema, raw));
    OK(bp_schema_apply(&out.rest, schema, rest));
    if (balance) OK(bp_data_weigh_classes(out.train, NULL));
    bp_schema_free(schema);
    bp_data_free(all);
    bp_data_free(raw);
    bp_data_free(rest);
    return out;
}

static void free_parts(parts *p)
{
    bp_data_free(p->train);
    bp_data_free(p->rest);
}

static void compare(const bp_data *resident, const bp_data *streamed)
{
    char hashes[2][33];
    const size_t rows = bp_data_get_info(resident).rows;
    cr_assert(bp_data_get_info(streamed).streamed && !bp_data_get_info(resident).streamed);
    cr_assert_eq(rows, bp_data_get_info(streamed).rows);
    cr_assert_not_null(bp_data_weights(streamed));
    cr_assert_arr_eq(bp_data_weights(resident), bp_data_weights(streamed), rows * sizeof(float));
    OK(bp_data_fingerprint(resident, hashes[0]));
    OK(bp_data_fingerprint(streamed, hashes[1]));
    cr_assert_str_eq(hashes[0], hashes[1]);
    OK(bp_data_set_weights((bp_data *)streamed, NULL));
    OK(bp_data_fingerprint(streamed, hashes[1]));
    cr_assert_str_eq(hashes[0], hashes[1], "weights are told apart from the data");
    OK(bp_data_set_weights((bp_data *)streamed, bp_data_weights(resident)));
}

/* Parameters, the last loss, and that of the rows that were held back. */
static float *train(const parts *data, bp_device *device, double losses[2], size_t *count)
{
    bp_model *model;
    bp_trainer *trainer;
    bp_metrics metrics;
    bp_model_options shape = bp_model_options_default();
    bp_train_options options = bp_train_options_default();
    shape.hidden = "7:gelu";
    options.batch = 16;
    options.window = 48;
    options.shuffle = BP_SHUFFLE_BLOCKS;
    OK(bp_model_create(&model, data->train, &shape));
    OK(bp_trainer_create(&trainer, model, device, &options));
    OK(bp_trainer_set_data(trainer, data->train));
    for (int e = 0; e < 4; ++e) OK(bp_trainer_epoch(trainer, &losses[0]));
    OK(bp_trainer_get_model(trainer, model));
    OK(bp_evaluate(&metrics, model, device, data->rest));
    losses[1] = metrics.loss;
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_model_free(model);
    return all;
}

static void check_device(const char *spec, const parts *resident, const parts *streamed)
{
    bp_device *device;
    double a[2], b[2], c[2];
    size_t count;
    OK(bp_device_open(&device, spec));
    float *want = train(resident, device, a, &count), *got = train(streamed, device, b, &count);
    cr_assert_arr_eq(want, got, count * sizeof *want, "%s: other bits", spec);
    cr_assert_arr_eq(a, b, sizeof a, "%s: %.17g, %.17g and %.17g, %.17g", spec, a[0], a[1], b[0],
                     b[1]);
    free(got);
    /* Without them other numbers come out: they were not simply left away on both sides. */
    float *weights = malloc(bp_data_get_info(resident->train).rows * sizeof *weights);
    memcpy(weights, bp_data_weights(resident->train),
           bp_data_get_info(resident->train).rows * sizeof *weights);
    OK(bp_data_set_weights(resident->train, NULL));
    got = train(resident, device, c, &count);
    cr_assert(memcmp(want, got, count * sizeof *want) != 0 && c[0] != a[0]);
    OK(bp_data_set_weights(resident->train, weights));
    free(weights);
    free(want);
    free(got);
    bp_device_free(device);
}

static void check_both(bool classes, bool balance)
{
    const char *path = write_table(classes);
    parts resident = load(path, 0, classes, balance), streamed = load(path, 1, classes, balance);
    compare(resident.train, streamed.train);
    compare(resident.rest, streamed.rest);
    check_device("reference", &resident, &streamed);
    check_device("auto", &resident, &streamed);
    free_parts(&resident);
    free_parts(&streamed);
}

Test(stream_weights, of_samples_with_classes)
{
    check_both(true, false);
}

Test(stream_weights, of_samples_with_values)
{
    check_both(false, false);
}

Test(stream_weights, of_samples_and_balanced_classes)
{
    check_both(true, true);
}

/* The errors of data in memory, with the line, however far down. */
Test(stream_weights, that_are_wrong)
{
    static const struct {
        const char *weight, *column, *message;
    } cases[] = {{"", "weight", "line 202: the weight (column \"weight\") is missing"},
                 {"-1", "weight", "line 202: the weight (column \"weight\") is negative"},
                 {"much", "weight", "line 202, column \"weight\": \"much\""},
                 {"1", "kind", "both the target and the weights"},
                 {"1", "wait", "there is no column \"wait\""}};
    for (size_t i = 0; i < BP_COUNT(cases); ++i) {
        const char *path = in_folder("wrong.csv");
        FILE *file = fopen(path, "w");
        fputs("a,weight,kind\n", file);
        for (int r = 0; r < 400; ++r)
            fprintf(file, "%d,%s,%s\n", r, r == 200 ? cases[i].weight : "1", r % 2 ? "x" : "y");
        cr_assert_eq(fclose(file), 0);
        for (int32_t stream = 0; stream < 2; ++stream) {
            bp_load_options options = bp_load_options_default();
            bp_data *raw;
            options.stream = stream;
            options.weights = cases[i].column;
            cr_assert_eq(bp_data_load(&raw, path, &options), BP_ERROR_DATA, "case %zu", i);
            cr_assert(strstr(bp_last_error(), cases[i].message), "case %zu, stream %d: %s", i,
                      (int)stream, bp_last_error());
        }
    }
}

/* Raw rows have theirs in the file, encoded ones take new ones; parts in which nothing counts are
 * refused when they are encoded. */
Test(stream_weights, that_are_set)
{
    const char *path = write_table(true);
    bp_load_options options = bp_load_options_default();
    bp_data *raw, *data;
    bp_schema *schema;
    float weights[ROWS];
    options.stream = 1;
    OK(bp_data_load(&raw, path, &options));
    cr_assert_eq(bp_data_set_weights(raw, weights), BP_ERROR_UNSUPPORTED);
    OK(bp_schema_learn(&schema, raw));
    OK(bp_schema_apply(&data, schema, raw));
    cr_assert_null(bp_data_weights(data));
    for (int r = 0; r < ROWS; ++r) weights[r] = (float)r;
    OK(bp_data_set_weights(data, weights));
    OK(bp_data_weigh_classes(data, (const float[]){2, 2, 2}));
    cr_assert_eq(bp_data_weights(data)[ROWS - 1], 2 * (ROWS - 1));
    bp_data_free(data);
    bp_data_free(raw);
    bp_schema_free(schema);

    path = in_folder("nothing.csv");
    FILE *file = fopen(path, "w");
    fputs("a,weight,kind\n", file);
    for (int r = 0; r < 100; ++r) fprintf(file, "%d,0,%s\n", r, r % 2 ? "x" : "y");
    cr_assert_eq(fclose(file), 0);
    for (options.stream = 0; options.stream < 2; ++options.stream) {
        options.weights = "weight";
        OK(bp_data_load(&raw, path, &options));
        OK(bp_schema_learn(&schema, raw));
        cr_assert_eq(bp_schema_apply(&data, schema, raw), BP_ERROR_DATA);
        cr_assert(strstr(bp_last_error(), "all weights are 0"), "%s", bp_last_error());
        cr_assert_null(data);
        bp_data_free(raw);
        bp_schema_free(schema);
    }
}
