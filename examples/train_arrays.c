/* train_arrays.c - training inside a program, on arrays that it made itself.
 *
 *     build/release/examples/train_arrays [DEVICE]
 *
 * Two spirals wind around each other; the network says which one a point belongs to. Shows: a data
 * set from arrays, a split, a progress callback, evaluation on rows that were not trained on.
 *
 * Exits with 0 if at least 95 % of those are right. */
#include <backprop.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { ROWS = 1200 };

/* Any source of numbers will do. This one, xorshift64*, makes the same spirals everywhere. */
static double noise(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)(*state * UINT64_C(2685821657736338717) >> 11) * 0x1p-53 - 0.5;
}

/* x [ROWS][2], labels[ROWS]: point i lies on spiral i % 2, one and a half turns, a little blurred.
 */
static void make_spirals(float *x, int32_t *labels)
{
    const double pi = 3.14159265358979323846;
    uint64_t state = 42;
    for (int i = 0; i < ROWS; ++i) {
        const double along = (double)i / ROWS;
        const double angle = 3 * pi * along + pi * (i % 2);
        const double radius = 0.2 + 1.8 * along;
        x[2 * i] = (float)(radius * cos(angle) + 0.1 * noise(&state));
        x[2 * i + 1] = (float)(radius * sin(angle) + 0.1 * noise(&state));
        labels[i] = i % 2;
    }
}

/* Called while training runs. user is what the options carry: here, how often to print. */
static int show_progress(const bp_progress *now, void *user)
{
    const int64_t every = *(const int64_t *)user;
    if (now->epoch_done && (now->epoch % every == 0 || now->epoch == now->epochs))
        printf("epoch %3lld of %lld   loss %.4f   validation accuracy %.1f %%\n",
               (long long)now->epoch, (long long)now->epochs, now->train_loss,
               100 * now->validation_accuracy);
    return 0; /* anything else would stop the training */
}

static bp_status train_and_evaluate(bp_device *device, bp_metrics *metrics)
{
    static float x[2 * ROWS];
    static int32_t labels[ROWS];
    make_spirals(x, labels);

    bp_data *all = NULL, *train = NULL, *rest = NULL;
    bp_model *model = NULL;
    int64_t print_every = 10;

    bp_model_options shape = bp_model_options_default();
    shape.hidden = "32,32";

    bp_train_options how = bp_train_options_default();
    how.optimizer = BP_OPTIMIZER_ADAM;
    how.learning_rate = 0.01f;
    how.epochs = 60;
    how.batch = 40;
    how.progress = show_progress;
    how.user = &print_every;

    /* The first failure ends the chain; bp_last_error() then says what it was. */
    bp_status status = bp_data_from_labels(&all, x, ROWS, 2, labels, 2);
    if (status == BP_OK) status = bp_data_split(&train, &rest, all, 0.25, 1);
    if (status == BP_OK) status = bp_model_create(&model, train, &shape);
    if (status == BP_OK) status = bp_train(model, device, train, rest, &how, NULL);
    if (status == BP_OK) status = bp_evaluate(metrics, model, device, rest);

    bp_model_free(model);
    bp_data_free(rest);
    bp_data_free(train);
    bp_data_free(all);
    return status;
}

int main(int argc, char **argv)
{
    bp_device *device;
    bp_metrics metrics = {0};
    bp_status status = bp_device_open(&device, argc > 1 ? argv[1] : NULL);
    if (status == BP_OK) {
        printf("device: %s\n", bp_device_get_info(device)->name);
        status = train_and_evaluate(device, &metrics);
        bp_device_free(device);
    }
    if (status != BP_OK) {
        fprintf(stderr, "train_arrays: %s\n", bp_last_error());
        return 1;
    }
    printf("%zu rows that were not trained on: %.1f %% right\n", metrics.samples,
           100 * metrics.accuracy);
    return metrics.accuracy >= 0.95 ? 0 : 1;
}
