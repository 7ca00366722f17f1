/* test_weights.c - weights of samples and classes: a sample that counts n times as much is one that
 * is there n times. On every engine and in every way that a device has. */
#include "data_support.h"
#include "network_support.h"
#include "ops/launchers.h"

enum { ROWS = 11, FEATURES = 4, OUTPUTS = 3 };

typedef struct set {
    bp_data *weighted, *repeated;
} set;

static set make_set(bool labels)
{
    float *x = random_floats(ROWS * FEATURES, 1, 1), weights[ROWS];
    float *t = random_floats(ROWS * OUTPUTS, 1, 2), xs[ROWS * 4 * FEATURES], ts[ROWS * 4 * OUTPUTS];
    int32_t l[ROWS], ls[ROWS * 4];
    size_t rows = 0;
    for (size_t i = 0; i < ROWS; ++i) {
        l[i] = (int32_t)(i % OUTPUTS);
        weights[i] = (float)(i * 7 % 4);
        for (size_t k = 0; k < OUTPUTS; ++k) t[i * OUTPUTS + k] = fabsf(t[i * OUTPUTS + k]);
        for (size_t n = 0; n < i * 7 % 4; ++n, ++rows) {
            memcpy(xs + rows * FEATURES, x + i * FEATURES, FEATURES * sizeof *x);
            memcpy(ts + rows * OUTPUTS, t + i * OUTPUTS, OUTPUTS * sizeof *t);
            ls[rows] = l[i];
        }
    }
    set s;
    if (labels) {
        OK(bp_data_from_labels(&s.weighted, x, ROWS, FEATURES, l, OUTPUTS));
        OK(bp_data_from_labels(&s.repeated, xs, rows, FEATURES, ls, OUTPUTS));
    } else {
        OK(bp_data_from_arrays(&s.weighted, x, ROWS, FEATURES, t, OUTPUTS));
        OK(bp_data_from_arrays(&s.repeated, xs, rows, FEATURES, ts, OUTPUTS));
    }
    OK(bp_data_set_weights(s.weighted, weights));
    free(x);
    free(t);
    return s;
}

/* Full batches, so that both see the same mean. */
static float *train(bp_device *device, int32_t gemm, bp__when small, const bp_data *data,
                    int32_t loss, double *last, size_t *count)
{
    const size_t widths[] = {FEATURES, 6, OUTPUTS};
    const int32_t output = bp_loss_output_activation(loss);
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_GELU,
                 output == BP_ACTIVATION_AUTO ? BP_ACTIVATION_LINEAR : output, loss, 1, 4);
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_SGD;
    options.batch = 100;
    options.gemm = gemm;
    options.shuffle = 0;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE)
        ((bp__device_engine *)trainer->engine)->small_steps = small;
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < 10; ++e) OK(bp_trainer_epoch(trainer, last));
    OK(bp_trainer_get_model(trainer, model));
    bp_metrics metrics;
    OK(bp_evaluate(&metrics, model, device, data));
    cr_assert_lt(metrics.loss, *last, "weights that training does not know");
    *last = metrics.loss;
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_model_free(model);
    return all;
}

static void check_both(bp_device *device, int32_t gemm, bp__when small, int32_t loss, bool labels)
{
    set s = make_set(labels);
    double losses[2];
    size_t count;
    float *got = train(device, gemm, small, s.weighted, loss, &losses[0], &count);
    float *want = train(device, gemm, small, s.repeated, loss, &losses[1], &count);
    cr_assert(relative_l2(got, want, count) <= 1e-5, "%s, gemm %s, %s, %s: %g",
              bp_device_get_info(device)->name, bp_gemm_name(gemm), bp_loss_name(loss),
              labels ? "labels" : "targets", relative_l2(got, want, count));
    cr_assert_float_eq(losses[0], losses[1], 1e-5);
    free(got);
    free(want);
    bp_data_free(s.weighted);
    bp_data_free(s.repeated);
}

Test(weights, are_as_if_samples_were_repeated)
{
    static const int32_t gemms[] = {BP_GEMM_AUTO, BP_GEMM_NAIVE, BP_GEMM_GPU};
    bp_device_info *list;
    size_t count;
    OK(bp_device_list(&list, &count, NULL));
    for (size_t d = 0; d < count; ++d) {
        const bool reference = list[d].kind == BP_KIND_REFERENCE;
        bp_device *device;
        OK(bp_device_open(&device, list[d].spec));
        for (size_t g = 0; g < (reference ? 1 : BP_COUNT(gemms)); ++g)
            for (int labels = 0; labels < 2; ++labels) {
                check_both(device, gemms[g], BP__NEVER, BP_LOSS_CROSS_ENTROPY, labels);
                check_both(device, gemms[g], BP__ALWAYS, BP_LOSS_BCE, labels);
                check_both(device, gemms[g], BP__ALWAYS, BP_LOSS_HUBER, labels);
            }
        bp_device_free(device);
    }
    bp_device_list_free(list);
}

Test(weights, of_classes_balance_them)
{
    const float x[6] = {0}, zeros[3] = {0};
    const int32_t labels[] = {0, 0, 0, 2, 2, 0};
    bp_data *data;
    OK(bp_data_from_labels(&data, x, 6, 1, labels, 3));
    cr_assert_null(bp_data_weights(data));
    OK(bp_data_weigh_classes(data, NULL));
    for (int i = 0; i < 6; ++i)
        cr_assert_float_eq(bp_data_weights(data)[i], labels[i] ? 1.5f : 0.75f, 1e-6);
    OK(bp_data_weigh_classes(data, (const float[]){2, 1, 0}));
    cr_assert_float_eq(bp_data_weights(data)[0], 1.5f, 1e-6);
    cr_assert_eq(bp_data_weights(data)[3], 0);
    cr_assert_eq(bp_data_weigh_classes(data, (const float[]){1, -1, 1}), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_data_weigh_classes(data, zeros), BP_ERROR_DATA, "all weights are 0");
    cr_assert_eq(bp_data_set_weights(data, (const float[]){1, 1, NAN, 1, 1, 1}), BP_ERROR_DATA);
    cr_assert(strstr(bp_last_error(), "weight 2 is nan"));
    OK(bp_data_set_weights(data, NULL));
    cr_assert_null(bp_data_weights(data));
    bp_data_free(data);
}

static const char table[] = "a,w,b,class\n1,2,5,x\n2,0.5,6,y\n3,1,7,x\n4,3,8,y\n5,4,9,x\n6,5,3,y\n";

/* The column becomes no feature, follows its rows through splits and encoding, and files read with
 * the schema have one of their own. */
Test(weights, come_from_a_column)
{
    bp_load_options options = bp_load_options_default();
    options.weights = "w";
    const char *path = in_folder("weights.csv");
    write_bytes(path, table, strlen(table));
    bp_data *raw, *first, *second, *encoded, *again;
    bp_schema *schema;
    OK(bp_data_load(&raw, path, &options));
    cr_assert_eq(bp_data_get_info(raw).columns, 2);
    cr_assert_eq(bp_data_weights(raw)[1], 0.5f);
    OK(bp_data_split(&first, &second, raw, 0.34, 1));
    OK(bp_schema_learn(&schema, first));
    OK(bp_schema_apply(&encoded, schema, first));
    cr_assert_eq(bp_data_get_info(encoded).features, 2);
    float sum = 0;
    for (size_t i = 0; i < bp_data_get_info(first).rows; ++i) sum += bp_data_weights(encoded)[i];
    for (size_t i = 0; i < bp_data_get_info(second).rows; ++i) sum += bp_data_weights(second)[i];
    cr_assert_float_eq(sum, 15.5f, 1e-6);
    options.schema = schema;
    options.need_target = 1;
    OK(bp_data_load(&again, path, &options));
    for (size_t i = 0; i < 6; ++i) cr_assert_eq(bp_data_weights(again)[i], bp_data_weights(raw)[i]);
    cr_assert_str_eq(bp_data_warnings(again), "");
    bp_data *const all[] = {raw, first, second, encoded, again};
    for (int i = 0; i < 5; ++i) bp_data_free(all[i]);
    bp_schema_free(schema);
}

Test(weights, that_are_wrong)
{
    static const struct {
        const char *from, *to, *column, *message;
    } cases[] = {
        {"2,0.5,6", "2,,6", "w", "line 3: the weight (column \"w\") is missing"},
        {"2,0.5,6", "2,-1,6", "w", "line 3: the weight (column \"w\") is negative"},
        {"2,0.5,6", "2,much,6", "w", "w"},
        {"", "", "weight", "there is no column \"weight\""},
        {"", "", "class", "both the target and the weights"},
    };
    for (size_t i = 0; i < BP_COUNT(cases); ++i) {
        char text[256] = "";
        const char *at = strstr(table, cases[i].from);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - table), table, cases[i].to,
                 at + strlen(cases[i].from));
        const char *path = in_folder("wrong.csv");
        write_bytes(path, text, strlen(text));
        bp_load_options options = bp_load_options_default();
        options.weights = cases[i].column;
        bp_data *raw;
        cr_assert_eq(bp_data_load(&raw, path, &options), BP_ERROR_DATA, "case %zu", i);
        cr_assert(strstr(bp_last_error(), cases[i].message), "case %zu: %s", i, bp_last_error());
    }
}
