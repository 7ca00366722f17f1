/* life_cycle.c - the public interface from the first call to the last: data, schema, training,
 * saving, loading, prediction, and everything freed. For leak checkers; the public header alone.
 *
 *   life_cycle DATA.csv MODEL DEVICE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backprop.h"
#include "backprop_explain.h"

static int failed(const char *call, bp_status status)
{
    if (status == BP_OK) return 0;
    fprintf(stderr, "%s: %s: %s\n", call, bp_status_name(status), bp_last_error());
    return 1;
}
#define TRY(call)                                                                                  \
    do {                                                                                           \
        if (failed(#call, call)) return 1;                                                         \
    } while (0)

static int quiet(const bp_progress *progress, void *user)
{
    (void)progress;
    ++*(int *)user;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    bp_device_info *devices;
    size_t count;
    bp_device *device;
    bp_data *all, *part, *rest, *training, *validation, *wrong;
    bp_schema *schema, *copy, *parsed;
    bp_model *model, *loaded;
    char *json;
    int calls = 0;

    if (strcmp(argv[3], "reference") != 0) {
        TRY(bp_device_list(&devices, &count, NULL));
        bp_device_list_free(devices);
    }
    TRY(bp_device_open(&device, argv[3]));
    TRY(bp_data_load(&all, argv[1], NULL));
    TRY(bp_data_split(&part, &rest, all, 0.2, 1));
    TRY(bp_schema_learn(&schema, part));
    TRY(bp_schema_copy(&copy, schema));
    TRY(bp_schema_to_json(&json, copy));
    TRY(bp_schema_from_json(&parsed, json));
    TRY(bp_schema_apply(&training, schema, part));
    TRY(bp_schema_apply(&validation, parsed, rest));
    bp_model_options shape = bp_model_options_default();
    shape.hidden = "6:tanh,4";
    TRY(bp_model_create(&model, training, &shape));
    TRY(bp_model_set_schema(model, schema));
    TRY(bp_model_set_record(model, "command", argv[0]));
    bp_train_options how = bp_train_options_default();
    how.epochs = 3;
    how.batch = 7;
    how.progress = quiet;
    how.user = &calls;
    TRY(bp_train(model, device, training, validation, &how, NULL));
    TRY(bp_model_save(model, argv[2]));
    TRY(bp_model_load(&loaded, argv[2], BP_ACTIVATION_AUTO));
    bp_metrics metrics;
    TRY(bp_evaluate(&metrics, loaded, device, validation));
    const size_t rows = bp_data_get_info(validation).rows;
    float *y = malloc(rows * bp_model_get_info(loaded).outputs * sizeof *y);
    if (!y) return 1;
    TRY(bp_predict(loaded, device, bp_data_features(validation), rows, y));
    bp_trainer *trainer;
    TRY(bp_trainer_create(&trainer, loaded, device, &how));
    TRY(bp_trainer_set_data(trainer, training));
    TRY(bp_trainer_epoch(trainer, NULL));
    TRY(bp_trainer_step(trainer, bp_data_features(training), NULL, bp_data_labels(training), 5,
                        NULL));
    TRY(bp_trainer_get_model(trainer, loaded));

    bp_explain *glass;
    TRY(bp_explain_create(&glass, loaded, NULL));
    TRY(bp_explain_look(glass));
    TRY(bp_explain_steps(glass, 3, NULL));
    bp_explain_free(glass);
    bp_gradcheck_result check;
    TRY(bp_gradcheck(&check, loaded, device, training, NULL));
    bp_gradcheck_free(&check);
    bp_survey survey;
    TRY(bp_survey_data(&survey, loaded, training, 100));
    bp_survey_free(&survey);

    /* Errors must not leak either. */
    int mistakes = 0;
    bp_device *none;
    bp_model *nothing;
    mistakes += bp_device_open(&none, "no such device") == BP_ERROR_NO_DEVICE;
    mistakes += bp_data_load(&wrong, "/nonexistent/file.csv", NULL) == BP_ERROR_IO;
    mistakes += bp_model_load(&nothing, argv[1], BP_ACTIVATION_AUTO) != BP_OK;
    mistakes += bp_train(model, device, all, NULL, &how, NULL) == BP_ERROR_DATA;

    bp_trainer_free(trainer);
    bp_model_free(loaded);
    bp_model_free(model);
    bp_data *const data[] = {all, part, rest, training, validation};
    for (size_t i = 0; i < 5; ++i) bp_data_free(data[i]);
    bp_schema_free(schema);
    bp_schema_free(copy);
    bp_schema_free(parsed);
    bp_device_free(device);
    free(json);
    free(y);
    remove(argv[2]);
    printf("%d calls of progress, %d of 4 mistakes were seen, accuracy %g\n", calls, mistakes,
           metrics.accuracy);
    return calls > 0 && mistakes == 4 ? 0 : 1;
}
