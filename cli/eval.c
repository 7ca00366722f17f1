/* eval.c - `backprop eval`: how good a model is on data that it may not have seen. */
#include <inttypes.h>
#include <math.h>

#include "commands.h"
#include "confusion.h"
#include "device.h"
#include "files.h"
#include "input.h"
#include "report.h"

static int print_result(const cli_command *command, const bp_report *report,
                        const bp_model *model, const bp_device *device)
{
    const bp_schema *schema = bp_model_get_schema(model);
    if (!command->json) {
        cli_report_print(report, schema);
        return CLI_OK;
    }
    json_t *json = cli_report_json(report, schema);
    json_object_set_new(json, "device", cli_json_text(bp_device_get_info(device)->name));
    json_object_set_new(json, "precision", cli_json_text(cli_precision_name(device)));
    return cli_print_json(stdout, json);
}

static int no_labels(const cli_command *command, const char *what)
{
    return cli_usage(command, "--threshold is for labels, targets that are all 0 or 1 and come out "
                              "of a network with the loss bce; %s", what);
}

/* What is asked for, against the model. */
static int check_report(const cli_command *command, int64_t top, double threshold,
                        const bp_model *model)
{
    const bp_model_info info = bp_model_get_info(model);
    if (!isnan(threshold) && info.loss != BP_LOSS_BCE)
        return no_labels(command, "this one has another");
    if (top <= 0 || (uint64_t)top <= info.outputs) return -1;
    return cli_usage(command, "--top-k %" PRId64 ": the model tells %zu classes apart", top,
                     info.outputs);
}

/* Measures and prints. An exit code. */
static int report(const cli_command *command, int64_t top, double threshold, const bp_model *model,
                  bp_device *device, const bp_data *set)
{
    bp_report *report;
    bp_report_options how = bp_report_options_default();
    how.top_k = (size_t)top;
    if (!isnan(threshold)) how.threshold = threshold;
    const bp_status status = bp_report_evaluate(&report, model, device, set, &how);
    if (status != BP_OK) return cli_fail(status, NULL);
    const int code = !isnan(threshold) && report->labels == 0
                         ? no_labels(command, "these are not")
                         : print_result(command, report, model, device);
    bp_report_free(report);
    return code;
}

int cli_eval(int argc, char **argv)
{
    cli_input input = cli_input_default();
    const char *spec = NULL;
    cli_confusion_options confusion = {.path = NULL};
    cli_stream stream = {.mode = BP_STREAM_AUTO};
    int64_t top = 0;
    int32_t precision = BP_PRECISION_FP32;
    double threshold = NAN;
    cli_option data[CLI_INPUT_OPTIONS + CLI_STREAM_OPTIONS], picture[CLI_CONFUSION_OPTIONS];
    size_t data_rows = cli_input_options(&input, data, CLI_TO_USE);
    data_rows += cli_stream_options(&stream, data + data_rows);
    cli_confusion_rows(&confusion, picture);
    cli_option measuring[] = {
        {.name = "top-k", .kind = CLI_COUNT, .to.count = &top, .value = "K", .min = 1,
         .max = 1000000000, .help = "a prediction counts for top-k accuracy where the true class is "
                                    "among the K most likely", .fallback = "5; 2 below 10 classes"},
        {.name = "threshold", .kind = CLI_DOUBLE, .to.wide = &threshold, .value = "F", .max = 1,
         .help = "of several labels at once (0 and 1, loss bce): what an output must reach for its "
                 "label to be taken for there", .fallback = "0.5"}};
    cli_option machine[] = {cli_activation_option(&input.activation), cli_device_option(&spec),
                            cli_precision_option(&precision)};
    cli_command command = {
        .name = "eval",
        .usage = "MODEL DATA... [OPTIONS]",
        .summary = "Measures MODEL on DATA: a file of CSV, NumPy (NPY, NPZ), IDX, FANN or libsvm, "
                   "a folder with the four MNIST-style files, or - for standard input. DATA is "
                   "raw, as it was for train: the model knows how to scale it.",
        .examples =
            "  backprop eval iris.safetensors iris-test.csv\n"
            "  backprop eval mnist.safetensors mnist/ --json --plot-confusion confused.svg\n"
            "  backprop eval mnist.safetensors t10k-images.gz --labels t10k-labels.gz\n",
        .arguments = 2,
        .several = true,
        .groups = {{"Data", data, data_rows},
                   {"Measuring", measuring, sizeof measuring / sizeof *measuring},
                   {"Picture", picture, CLI_CONFUSION_OPTIONS},
                   {"Computing", machine, sizeof machine / sizeof *machine}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    const cli_files files = cli_data_files(&command, &input, 1);
    code = cli_input_check(&command, &input, &files);
    if (code < 0 && (cli_same_file(confusion.path, arguments[0]) ||
                     (confusion.path && cli_reads(&files, confusion.path))))
        code =
            cli_usage(&command, "--plot-confusion %s would overwrite what is read", confusion.path);
    if (code < 0) code = cli_picture_check(&command, "plot-confusion", confusion.path);
    if (code >= 0) return code;

    bp_model *model = NULL;
    bp_device *device = NULL;
    bp_data *set = NULL;
    code = cli_open(&model, &device, arguments[0], &input, spec);
    if (code < 0) code = cli_take_precision(&device, spec, precision);
    if (code < 0) code = check_report(&command, top, threshold, model);
    if (code < 0 && !bp_model_get_schema(model)) {
        if (stream.mode == BP_STREAM_YES)
            code = cli_usage(&command, "--stream yes: the model has no schema, by which rows could be "
                                       "encoded one after the other");
        stream.mode = BP_STREAM_NO;
    }
    if (code < 0) code = cli_stream_choose(&stream, &command, files.paths, files.count);
    input.stream = &stream;
    if (code < 0) code = cli_load_for_model(&set, &command, &files, &input, model, 1);
    if (code < 0) code = cli_confusion_check(&confusion, &command, model, set);
    if (code < 0) {
        if (top > 0 && bp_data_get_info(set).task != BP_TASK_CLASSIFY)
            cli_warn("--top-k is for classes, of which there are none here");
        code = report(&command, top, threshold, model, device, set);
        if (code == CLI_OK && confusion.path)
            code = cli_confusion_draw(&confusion, model, device, set, arguments[1]);
    }
    bp_data_free(set);
    bp_device_free(device);
    bp_model_free(model);
    return code;
}
