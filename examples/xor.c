/* xor.c - the smallest whole program: learns the exclusive or of two inputs, on any device.
 *
 *     build/release/examples/xor [DEVICE]
 *
 * DEVICE as bp_device_open takes it; if not given, the environment's BACKPROP_DEVICE, else "auto".
 *
 * Exits with 0 if all four answers are right. */
#include <backprop.h>
#include <math.h>
#include <stdio.h>

/* The one place where errors are handled: every call that can fail goes through it. */
static int failed(bp_status status)
{
    if (status != BP_OK) fprintf(stderr, "xor: %s\n", bp_last_error());
    return status != BP_OK;
}

/* 1 on success; y[4] are the outputs of the trained network. */
static int learn_xor(bp_device *device, const float *x, const float *t, float *y)
{
    bp_data *data = NULL;
    bp_model *model = NULL;
    int done = 0;

    bp_model_options shape = bp_model_options_default();
    shape.hidden = "8:tanh";
    shape.loss = BP_LOSS_HALF_SQUARED;

    bp_train_options how = bp_train_options_default();
    how.epochs = 500;
    how.batch = 4;
    how.learning_rate = 0.05f;

    if (failed(bp_data_from_arrays(&data, x, 4, 2, t, 1))) goto end;
    if (failed(bp_model_create(&model, data, &shape))) goto end;
    if (failed(bp_train(model, device, data, NULL, &how, NULL))) goto end;
    if (failed(bp_predict(model, device, x, 4, y))) goto end;
    done = 1;
end:
    bp_model_free(model);
    bp_data_free(data);
    return done;
}

int main(int argc, char **argv)
{
    const float x[] = {0, 0, 0, 1, 1, 0, 1, 1};
    const float t[] = {0, 1, 1, 0};
    float y[4];
    bp_device *device;
    if (failed(bp_device_open(&device, argc > 1 ? argv[1] : NULL))) return 1;
    printf("device: %s\n", bp_device_get_info(device)->name);

    const int done = learn_xor(device, x, t, y);
    bp_device_free(device);
    if (!done) return 1;

    int right = 0;
    for (int row = 0; row < 4; ++row) {
        printf("%g xor %g = %6.3f\n", (double)x[2 * row], (double)x[2 * row + 1], (double)y[row]);
        right += fabsf(y[row] - t[row]) < 0.25f;
    }
    return right == 4 ? 0 : 1;
}
