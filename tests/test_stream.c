/* test_stream.c - training on data that is streamed: the bits of a resident training in the same
 * order, on every device and in both ways to it; orders that mix; feeds that stop and start. */
#include "backprop_evaluate.h"
#include "data/stream.h"
#include "network_support.h"
#include "train/order.h"
#include "train/trainer.h"

TestSuite(stream, .timeout = 300);

enum { ROWS = 1237, FEATURES = 20, OUTPUTS = 3 };

/* ---- orders ---------------------------------------------------------------------------------- */

static uint32_t *draw(const bp__order *order, uint32_t epoch)
{
    uint32_t *rows = malloc(order->rows * sizeof *rows);
    OK(bp__order_epoch(rows, order, epoch));
    return rows;
}

Test(stream, every_order_takes_every_row_once)
{
    const int32_t shuffles[] = {BP_SHUFFLE_NONE, BP_SHUFFLE_BLOCKS, BP_SHUFFLE_ALL};
    for (size_t i = 0; i < 3; ++i)
        for (size_t rows = 1; rows < 200; rows += 33) {
            bp__order order = bp__order_create(shuffles[i], 5, rows, 10, 4, 12);
            order.block = 5;
            uint32_t *drawn = draw(&order, 2);
            char seen[200] = {0};
            for (size_t r = 0; r < rows; ++r) {
                cr_assert_lt(drawn[r], rows);
                cr_assert_not(seen[drawn[r]]++);
            }
            free(drawn);
        }
}

/* 2^14 rows in blocks of 2^7, windows of 2^12: a batch of 32 comes from many blocks from anywhere,
 * and neither batches nor windows are those of the epoch before. */
Test(stream, blocks_mix_well)
{
    enum { ALL = 1 << 14, BATCH = 32 };
    bp__order order = bp__order_create(BP_SHUFFLE_BLOCKS, 1, ALL, 10, BATCH, 1 << 12);
    order.block = 1 << 7;
    uint32_t *rows = draw(&order, 0), *next = draw(&order, 1);
    size_t blocks = 0, same_place = 0;
    double mean = 0;
    for (size_t b = 0; b < ALL; b += BATCH) {
        char seen[ALL >> 7] = {0};
        double sum = 0;
        for (size_t i = b; i < b + BATCH; ++i) {
            blocks += !seen[rows[i] >> 7];
            seen[rows[i] >> 7] = 1;
            sum += rows[i];
            same_place += rows[i] == next[i];
        }
        mean += fabs(sum / BATCH - ALL / 2.0) / (ALL / sqrt(12 * BATCH));
    }
    /* 32 draws out of 32 blocks hit 20 different ones on average. */
    cr_assert_gt((double)blocks * BATCH / ALL, 18);
    /* The mean of a batch is off as that of 32 draws is: 0.8 deviations on average; and a window's
     * 32 blocks add as much again. */
    cr_assert_lt(mean * BATCH / ALL, 1.6);
    cr_assert_lt(same_place, 20);
    free(rows);
    free(next);
}

/* Pinned: the order is the same on every machine. */
Test(stream, blocks_are_drawn_by_the_seed)
{
    bp__order order = bp__order_create(BP_SHUFFLE_BLOCKS, 42, 10, 10, 2, 4);
    order.block = 2;
    uint32_t *rows = draw(&order, 3);
    char text[64] = "";
    for (int i = 0; i < 10; ++i) sprintf(text + strlen(text), "%u ", rows[i]);
    cr_assert_str_eq(text, "1 5 4 0 7 3 2 6 9 8 ");
    free(rows);
}

/* ---- the same bits --------------------------------------------------------------------------- */

static bp_data *make_data(bool labels)
{
    static float x[ROWS * FEATURES], t[ROWS * OUTPUTS];
    static int32_t l[ROWS];
    bp_data *data;
    for (size_t i = 0; i < ROWS * FEATURES; ++i)
        x[i] = (float)bp__random_unit(1, BP__PURPOSE_BENCH, 1, 0, i) - 0.5f;
    for (size_t i = 0; i < ROWS * OUTPUTS; ++i) t[i] = x[i % (ROWS * FEATURES)] * 2;
    for (size_t r = 0; r < ROWS; ++r)
        l[r] = x[r * FEATURES] > 0 ? 1 + (x[r * FEATURES + 1] > 0) : 0;
    if (labels)
        OK(bp_data_from_labels(&data, x, ROWS, FEATURES, l, OUTPUTS));
    else
        OK(bp_data_from_arrays(&data, x, ROWS, FEATURES, t, OUTPUTS));
    return data;
}

typedef struct way {
    int32_t stream, shuffle;
    bool copied; /* as for a device with memory of its own */
} way;

/* Parameters, and the losses of three epochs. */
static void train(float *out, double losses[3], const bp_data *data, bp_device *device,
                  const char *hidden, way how, int64_t batch, int64_t window)
{
    bp_model *model;
    bp_trainer *trainer;
    bp_model_options shape = bp_model_options_default();
    shape.hidden = hidden;
    bp_train_options options = bp_train_options_default();
    options.batch = batch;
    options.stream = how.stream;
    options.shuffle = how.shuffle;
    options.window = window;
    OK(bp_model_create(&model, data, &shape));
    OK(bp_trainer_create(&trainer, model, device, &options));
    if (how.copied) ((bp__device_engine *)trainer->engine)->in_host_memory = false;
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < 3; ++e) OK(bp_trainer_epoch(trainer, &losses[e]));
    OK(bp_trainer_get_model(trainer, model));
    for (size_t l = 0; l < bp_model_get_info(model).layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        memcpy(out, bp_model_weights(model, l), layer.inputs * layer.outputs * sizeof *out);
        out += layer.inputs * layer.outputs;
        memcpy(out, bp_model_biases(model, l), layer.outputs * sizeof *out);
        out += layer.outputs;
    }
    bp_trainer_free(trainer);
    bp_model_free(model);
}

static void check_bits(bp_device *device, bool labels, const char *hidden, int64_t batch,
                       int64_t window, int32_t shuffle)
{
    static float resident[1 << 16], streamed[1 << 16];
    const bool reference = bp_device_get_info(device)->kind == BP_KIND_REFERENCE;
    double a[3], b[3];
    bp_data *data = make_data(labels);
    memset(resident, 0, sizeof resident);
    memset(streamed, 0, sizeof streamed);
    train(resident, a, data, device, hidden, (way){BP_STREAM_NO, shuffle, false}, batch, window);
    for (int copied = 0; copied <= !reference; ++copied) {
        train(streamed, b, data, device, hidden, (way){BP_STREAM_YES, shuffle, copied}, batch,
              window);
        cr_assert_eq(memcmp(resident, streamed, sizeof resident), 0,
                     "%s, labels %d, hidden %s, batch %d, window %d, copied %d",
                     bp_device_get_info(device)->name, labels, hidden, (int)batch, (int)window,
                     copied);
        cr_assert_eq(memcmp(a, b, sizeof a), 0, "%.17g, %.17g", a[2], b[2]);
    }
    bp_data_free(data);
}

static void check_device(const char *spec)
{
    bp_device *device;
    OK(bp_device_open(&device, spec));
    const char *const hiddens[] = {"8:tanh", "100:relu"}; /* many steps a launch, and a plan */
    for (int i = 0; i < 2; ++i) {
        check_bits(device, true, hiddens[i], 32, 200, BP_SHUFFLE_BLOCKS);
        check_bits(device, false, hiddens[i], 32, 200, BP_SHUFFLE_BLOCKS);
        check_bits(device, true, hiddens[i], 1237, 0,
                   BP_SHUFFLE_BLOCKS); /* one batch, one window */
        check_bits(device, true, hiddens[i], 50, 60, BP_SHUFFLE_NONE);
    }
    bp_device_free(device);
}

Test(stream, has_the_bits_of_a_resident_training)
{
    check_device("auto");
}

Test(stream, has_the_bits_of_a_resident_training_on_the_reference)
{
    check_device("reference");
}

/* A planted difference: another order, other bits. */
Test(stream, the_order_matters)
{
    static float one[1 << 16], other[1 << 16];
    double losses[3];
    bp_device *device;
    OK(bp_device_open(&device, "auto"));
    bp_data *data = make_data(true);
    train(one, losses, data, device, "8", (way){BP_STREAM_YES, BP_SHUFFLE_BLOCKS, false}, 32, 200);
    train(other, losses, data, device, "8", (way){BP_STREAM_YES, BP_SHUFFLE_BLOCKS, false}, 32,
          240);
    cr_assert_neq(memcmp(one, other, sizeof one), 0);
    bp_data_free(data);
    bp_device_free(device);
}

/* ---- bp_train, validation, evaluation -------------------------------------------------------- */

static void write_rows(const char *path, bool classes)
{
    FILE *file = fopen(path, "wb");
    for (int r = 0; r < 3000; ++r) {
        const double a = sin(r * 12.9898), b = cos(r * 78.233);
        fprintf(file, "%.7g,%.7g,%s,", a, b, r % 3 ? "x" : "y");
        if (classes)
            fprintf(file, "%s\n", a + b > 0 ? "up" : "down");
        else
            fprintf(file, "%.6g,%.6g\n", a * b, a - 3 * b);
    }
    fclose(file);
}

typedef struct outcome {
    bp_train_result result;
    bp_metrics metrics;
    bp_report *report;
} outcome;

static void run(outcome *out, const char *path, bp_device *device, bool classes, int32_t stream)
{
    bp_load_options load = bp_load_options_default();
    bp_data *all, *part, *rest, *train_data, *validation;
    bp_schema *schema;
    bp_model *model;
    bp_train_options how = bp_train_options_default();
    load.stream = stream;
    load.header = 0;
    if (!classes) load.target = "4,5";
    OK(bp_data_load(&all, path, &load));
    OK(bp_data_split(&part, &rest, all, 0.5, 9));
    OK(bp_schema_learn(&schema, part));
    OK(bp_schema_apply(&train_data, schema, part));
    OK(bp_schema_apply(&validation, schema, rest));
    OK(bp_model_create(&model, train_data, NULL));
    how.epochs = 3;
    how.shuffle = BP_SHUFFLE_BLOCKS;
    how.window = 320;
    OK(bp_train(model, device, train_data, validation, &how, &out->result));
    OK(bp_evaluate(&out->metrics, model, device, validation));
    OK(bp_report_evaluate(&out->report, model, device, validation, NULL));
    bp_model_free(model);
    bp_data_free(validation);
    bp_data_free(train_data);
    bp_schema_free(schema);
    bp_data_free(rest);
    bp_data_free(part);
    bp_data_free(all);
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_reports(const bp_report *a, const bp_report *b, const bp_metrics *metrics)
{
    const size_t classes = a->classes, targets = a->targets;
    cr_assert_eq(b->classes, classes);
    cr_assert_eq(b->targets, targets);
    cr_assert(same(a->auc, b->auc) && same(a->log_loss, b->log_loss) &&
              same(a->macro.f1, b->macro.f1) && same(a->top_k_accuracy, b->top_k_accuracy));
    cr_assert(classes == 0 || (a->auc > 0.5 && a->log_loss < 0.7));
    cr_assert(classes == 0 ||
              memcmp(a->confusion, b->confusion, classes * classes * sizeof *a->confusion) == 0);
    for (size_t k = 0; k < classes; ++k) cr_assert_eq(a->by_class[k].auc, b->by_class[k].auc);
    for (size_t k = 0; k < targets; ++k) {
        cr_assert_eq(a->by_target[k].rmse, b->by_target[k].rmse);
        cr_assert_eq(a->by_target[k].mae, b->by_target[k].mae);
        cr_assert_eq(a->by_target[k].r2, b->by_target[k].r2);
    }
    cr_assert_eq(b->overall.loss, metrics->loss);
    cr_assert(same(b->overall.accuracy, metrics->accuracy) && same(b->overall.r2, metrics->r2));
}

Test(stream, validation_and_evaluation_are_the_same)
{
    const char path[] = "stream-rows.csv";
    bp_device *device;
    bp__stream_block = 5000;
    OK(bp_device_open(&device, "auto"));
    for (int classes = 0; classes < 2; ++classes) {
        outcome a, b;
        write_rows(path, classes);
        run(&a, path, device, classes, 0);
        run(&b, path, device, classes, 1);
        cr_assert_eq(a.result.streamed, 0);
        cr_assert_eq(b.result.streamed, 1);
        cr_assert_eq(a.result.train_loss, b.result.train_loss);
        cr_assert_eq(a.result.validation_loss, b.result.validation_loss);
        cr_assert(same(a.result.validation_accuracy, b.result.validation_accuracy));
        cr_assert_eq(a.metrics.loss, b.metrics.loss);
        cr_assert(same(a.metrics.rmse, b.metrics.rmse), "%.17g, %.17g", a.metrics.rmse,
                  b.metrics.rmse);
        cr_assert(same(a.metrics.mae, b.metrics.mae));
        cr_assert(same(a.metrics.r2, b.metrics.r2));
        check_reports(a.report, b.report, &b.metrics);
        bp_report_free(a.report);
        bp_report_free(b.report);
    }
    bp_device_free(device);
    remove(path);
}

/* ---- stopping and starting ------------------------------------------------------------------- */

static int stop_at_once(const bp_progress *now, void *user)
{
    (void)user;
    return now->epoch == 2;
}

Test(stream, an_epoch_that_was_stopped_begins_again)
{
    bp_data *data = make_data(true);
    bp_model *model;
    bp_trainer *trainer;
    bp_device *device;
    bp_train_options how = bp_train_options_default();
    how.stream = BP_STREAM_YES;
    how.window = 64;
    how.progress = stop_at_once;
    OK(bp_device_open(&device, "auto"));
    OK(bp_model_create(&model, data, NULL));
    bp_train_result result;
    cr_assert_eq(bp_train(model, device, data, NULL, &how, &result), BP_ERROR_CANCELLED);
    OK(bp_trainer_create(&trainer, model, device, &how));
    OK(bp_trainer_set_data(trainer, data));
    double first, again;
    OK(bp_trainer_epoch(trainer, &first));
    OK(bp_trainer_set_data(trainer, data)); /* while the next epoch is being read */
    OK(bp_trainer_epoch(trainer, &again));
    cr_assert_lt(again, first);
    cr_assert_eq(bp_trainer_set_data(trainer, NULL), BP_ERROR_ARGUMENT);
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}

Test(stream, shuffling_all_rows_of_a_stream_is_refused)
{
    bp_data *data = make_data(true);
    bp_model *model;
    bp_device *device;
    bp_train_options how = bp_train_options_default();
    how.stream = BP_STREAM_YES;
    how.shuffle = BP_SHUFFLE_ALL;
    OK(bp_device_open(&device, "reference"));
    OK(bp_model_create(&model, data, NULL));
    cr_assert_eq(bp_train(model, device, data, NULL, &how, NULL), BP_ERROR_ARGUMENT);
    cr_assert_not_null(strstr(bp_last_error(), "blocks"));
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}

/* A device that is too small for the data trains on it all the same. */
Test(stream, data_larger_than_the_device_is_streamed)
{
    bp_data *data = make_data(true);
    bp_model *model;
    bp_trainer *trainer;
    bp_device *device;
    bp_train_options how = bp_train_options_default();
    bp_model_options shape = bp_model_options_default();
    shape.hidden = "8";
    how.window = 64;
    OK(bp_device_open(&device, "auto"));
    OK(bp_model_create(&model, data, &shape));
    OK(bp_trainer_create(&trainer, model, device, &how));
    trainer->engine->buffer_limit = ROWS * FEATURES * 4 - 4;
    double loss;
    OK(bp_trainer_set_data(trainer, data));
    cr_assert_not_null(trainer->stream);
    OK(bp_trainer_epoch(trainer, &loss));
    bp_trainer_free(trainer);
    bp_model_free(model);
    bp_data_free(data);
    bp_device_free(device);
}
