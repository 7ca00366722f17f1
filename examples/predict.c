/* predict.c - a trained model inside a program: reads a CSV file, prints an answer for each row.
 *
 *     backprop train data/iris.csv -o iris.safetensors
 *     build/release/examples/predict iris.safetensors data/iris.csv
 *
 * The model carries its schema: how columns become inputs, and what its outputs are called. The
 * CSV's columns are matched by it; a target column may be there or not. */
#include <backprop.h>
#include <stdio.h>
#include <stdlib.h>

/* The class with the largest output, and its probability. */
static void print_class(const bp_schema *schema, const float *y, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; ++k)
        if (y[k] > y[best]) best = k;
    printf("%s\t%.4f\n", bp_schema_output_name(schema, best), (double)y[best]);
}

/* Outputs were trained in scaled units; the schema knows the way back. */
static void print_numbers(const bp_schema *schema, const float *y, size_t targets)
{
    for (size_t k = 0; k < targets; ++k) {
        double mean, scale;
        bp_schema_target_scale(schema, k, &mean, &scale);
        printf("%s%.6g", k ? "\t" : "", (double)y[k] * scale + mean);
    }
    printf("\n");
}

static bp_status predict_rows(const bp_model *model, bp_device *device, const char *csv)
{
    const bp_schema *schema = bp_model_get_schema(model);
    bp_data *raw = NULL, *encoded = NULL;
    float *y = NULL;

    bp_load_options options = bp_load_options_default();
    options.schema = schema;
    options.need_target = 0;

    bp_status status = bp_data_load(&raw, csv, &options);
    if (status == BP_OK) status = bp_schema_apply(&encoded, schema, raw);
    if (status == BP_OK) {
        const size_t rows = bp_data_get_info(encoded).rows;
        const size_t outputs = bp_model_get_info(model).outputs;
        y = calloc(rows * outputs, sizeof *y);
        if (!y) {
            fprintf(stderr, "predict: out of memory\n");
            exit(1);
        }
        status = bp_predict(model, device, bp_data_features(encoded), rows, y);
        const int classify = bp_schema_get_info(schema).task == BP_TASK_CLASSIFY;
        for (size_t row = 0; status == BP_OK && row < rows; ++row)
            (classify ? print_class : print_numbers)(schema, y + row * outputs, outputs);
    }
    free(y);
    bp_data_free(encoded);
    bp_data_free(raw);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: predict MODEL.safetensors ROWS.csv\n");
        return 2;
    }
    bp_model *model = NULL;
    bp_device *device = NULL;
    bp_status status = bp_model_load(&model, argv[1], BP_ACTIVATION_AUTO);
    if (status == BP_OK && !bp_model_get_schema(model)) {
        fprintf(stderr, "predict: %s holds no schema: it was not trained on a file\n", argv[1]);
        bp_model_free(model);
        return 1;
    }
    if (status == BP_OK) status = bp_device_open(&device, NULL);
    if (status == BP_OK) status = predict_rows(model, device, argv[2]);
    if (status != BP_OK) fprintf(stderr, "predict: %s\n", bp_last_error());
    bp_device_free(device);
    bp_model_free(model);
    return status == BP_OK ? 0 : 1;
}
