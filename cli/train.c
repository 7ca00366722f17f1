/* train.c - `backprop train`: its options, and the way from a file to a saved model. */
#include "train.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "device.h"
#include "files.h"
#include "output.h"
#include "stop.h"

/* ---- checks before anything is computed ------------------------------------------------------ */

/* Every path that is read, and the output that must not be one of them. */
static bool is_input(const train_settings *s, const char *path)
{
    return cli_reads(&s->data, path) || cli_same_file(path, s->init_from) ||
           cli_is_read_by(path, s->validation) || cli_is_read_by(path, s->validation_labels) ||
           cli_is_read_by(path, s->test) || cli_is_read_by(path, s->test_labels);
}

static int check_checkpoint(const cli_command *command, train_settings *s)
{
    const char *path = s->checkpoint->path;
    char previous[4096];
    snprintf(previous, sizeof previous, "%s.previous", path ? path : "");
    if (path && is_input(s, previous))
        return cli_usage(command, "--checkpoint %s would overwrite what is read", path);
    s->record.resumed = s->checkpoint->resume != NULL;
    return cli_checkpoint_check(command, s->checkpoint, &s->how);
}

/* What is written must neither be read nor be written twice. */
static int check_outputs(const cli_command *command, train_settings *s)
{
    const struct {
        const char *option, *path;
    } files[] = {
        {"-o", s->output},
        {"--log", s->record.log},
        {"--plot", s->record.plot},
        {"--profile", s->profile.path},
        {"--tensorboard", s->record.tensorboard},
        {"--checkpoint", s->checkpoint->path},
    };
    enum { FILES = sizeof files / sizeof *files };
    for (size_t i = 0; i < FILES; ++i) {
        if (files[i].path && is_input(s, files[i].path))
            return cli_usage(command, "%s %s would overwrite what is read", files[i].option,
                             files[i].path);
        for (size_t k = 0; k < i; ++k)
            if (cli_same_file(files[i].path, files[k].path))
                return cli_usage(command, "%s and %s name the same file", files[i].option,
                                 files[k].option);
    }
    int code = cli_profile_check(command, s->profile.path);
    if (code < 0) code = cli_record_check(command, &s->record);
    if (code < 0) code = check_checkpoint(command, s);
    if (code >= 0 || !s->output) return code;
    if (strcmp(s->output, "-") == 0)
        return cli_usage(command, "-o -: a model is written to a file, not to standard output");
    return cli_check_output(s->output);
}

static int check(const cli_command *command, train_settings *s)
{
    int code = cli_input_check(command, &s->input, &s->data);
    if (code >= 0) return code;
    if (s->validation && s->split > 0)
        return cli_usage(command, "--validation and --validation-split exclude each other");
    if (s->init_from && cli_given(command, "hidden"))
        return cli_usage(command, "--init-from brings its hidden layers: --hidden has no place");
    if (s->test_labels && !s->test)
        return cli_usage(command, "--test-labels needs --test");
    if (s->validation_labels && !s->validation)
        return cli_usage(command, "--validation-labels needs --validation");
    int streams = 0;
    for (size_t i = 0; i < s->data.count; ++i) streams += strcmp(s->data.paths[i], "-") == 0;
    streams += s->validation && strcmp(s->validation, "-") == 0;
    streams += s->test && strcmp(s->test, "-") == 0;
    if (streams > 1) return cli_usage(command, "standard input can be read once only");
    if (s->stream.mode == BP_STREAM_YES && s->how.shuffle == BP_SHUFFLE_ALL)
        return cli_usage(command, "--shuffle all needs all rows in memory, --stream yes leaves them "
                                  "on disk: --shuffle blocks goes with both");
    if (cli_given(command, "shuffle") && cli_given(command, "no-shuffle"))
        return cli_usage(command, "--shuffle and --no-shuffle exclude each other");
    code = cli_course_check(command, s);
    if (code >= 0) return code;
    if (!command->quiet) cli_recipe_warn(command, s);
    return check_outputs(command, s);
}

/* ---- what is kept and printed ---------------------------------------------------------------- */

static bp_status record_number(bp_model *model, const char *key, double value)
{
    char text[CLI_NUMBER];
    if (!isfinite(value)) return BP_OK;
    snprintf(text, sizeof text, "%.9g", value);
    return bp_model_set_record(model, key, text);
}

/* What is known after the training; the rest is in the model's records already. */
static bp_status set_results(bp_model *model, const train_settings *s, const train_outcome *o)
{
    char epochs[CLI_NUMBER];
    snprintf(epochs, sizeof epochs, "%" PRId64, o->result.epochs);
    bp_status first = bp_model_set_record(model, "epochs", epochs);
    if (first == BP_OK && o->signal) {
        cli_origin_reason(s->origin, "it was stopped before its end");
        first = bp_model_set_record(model, CLI_RECORD_UNREPEATABLE, s->origin->unrepeatable);
    }
    if (first != BP_OK) return first;
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"train_loss", o->result.train_loss},
        {"validation_loss", o->result.validation_loss},
        {"validation_accuracy", o->result.validation_accuracy},
        {"test_loss", o->has_test ? o->test.loss : NAN},
        {"test_accuracy", o->has_test ? o->test.accuracy : NAN},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; ++i) {
        bp_status status = record_number(model, numbers[i].key, numbers[i].value);
        if (status != BP_OK) return status;
    }
    return BP_OK;
}

static int save(bp_model *model, const train_settings *s, const train_outcome *o)
{
    if (!s->output || !o->learned) return CLI_OK;
    bp_status status = set_results(model, s, o);
    if (status == BP_OK) status = bp_model_save(model, s->output);
    if (status == BP_OK) return CLI_OK;
    const char *checkpoint = s->checkpoint->path;
    char kept[512] = "the trained model is lost";
    if (checkpoint && o->result.checkpoint == BP_OK && o->status != BP_ERROR_DIVERGED)
        snprintf(kept, sizeof kept,
                 "nothing is lost: the same command with --resume %.400s saves it", checkpoint);
    return cli_fail(status, kept);
}

static const char *stopped_by(const train_outcome *o)
{
    return o->status == BP_ERROR_DIVERGED ? "diverged" : o->signal ? "interrupted" : NULL;
}

/* Rows of a step: those asked for, or the optimizer's own, of lbfgs all that there are. */
static int64_t batch_of(const train_settings *s, const bp_data *train)
{
    const int64_t own = bp_optimizer_default_batch(s->how.optimizer);
    const int64_t rows = (int64_t)bp_data_get_info(train).rows;
    if (s->how.batch > 0) return s->how.batch;
    return own == INT32_MAX ? rows : own;
}

static int print_json(const bp_model *model, const train_settings *s, const bp_device *device,
                      const train_sets *sets, const train_outcome *o)
{
    const bp_device_info *info = bp_device_get_info(device);
    json_t *json = json_object();
    json_object_set_new(json, "device", cli_json_text(info->name));
    json_object_set_new(json, "device_spec", cli_json_text(info->spec));
    json_object_set_new(json, "devices_measured", cli_choice_json(&s->choice));
    json_object_set_new(json, "precision", cli_json_text(cli_precision_name(device)));
    json_object_set_new(json, "samples", cli_json_count(bp_data_get_info(sets->train).rows));
    json_object_set_new(json, "parameters", cli_json_count(bp_model_get_info(model).parameters));
    json_object_set_new(json, "epochs", json_integer(o->result.epochs));
    json_object_set_new(json, "evaluations",
                        s->how.optimizer == BP_OPTIMIZER_LBFGS ? json_integer(o->result.steps)
                                                               : json_null());
    json_object_set_new(json, "batch", json_integer(batch_of(s, sets->train)));
    json_object_set_new(json, "train_loss", cli_json_number(o->result.train_loss));
    json_object_set_new(json, "validation_loss", cli_json_number(o->result.validation_loss));
    json_object_set_new(json, "validation_accuracy",
                        cli_json_number(o->result.validation_accuracy));
    json_object_set_new(json, "test_loss", cli_json_number(o->has_test ? o->test.loss : NAN));
    json_object_set_new(json, "test_accuracy",
                        cli_json_number(o->has_test ? o->test.accuracy : NAN));
    json_object_set_new(json, "test_rmse", cli_json_number(o->has_test ? o->test.rmse : NAN));
    json_object_set_new(json, "seconds", cli_json_number(o->result.seconds));
    json_object_set_new(json, "samples_per_second", cli_json_number(o->result.samples_per_second));
    json_object_set_new(json, "setup_seconds", cli_json_number(o->result.setup_seconds));
    json_object_set_new(json, "device_bytes", json_integer((json_int_t)o->result.device_bytes));
    json_object_set_new(json, "shuffle", cli_json_text(bp_shuffle_name(o->result.shuffle)));
    json_object_set_new(json, "stream", cli_stream_json(sets->train, o->result.wait_seconds));
    json_object_set_new(json, "model", cli_json_text(o->learned ? s->output : NULL));
    json_object_set_new(json, "checkpoint", cli_json_text(cli_checkpoint_file(s->checkpoint)));
    json_object_set_new(json, "stopped", cli_json_text(stopped_by(o)));
    cli_course_json(json, &o->result);
    json_object_set_new(json, "first_not_finite", cli_json_text(*o->began ? o->began : NULL));
    json_object_set_new(json, "profile", cli_profile_json(&s->profile));
    return cli_print_json(stdout, json);
}

static void print_losses(const char *title, double loss, double accuracy)
{
    if (!isfinite(loss)) return;
    printf("%-12s", title);
    if (isfinite(accuracy)) printf("accuracy %.2f %%, ", 100 * accuracy);
    printf("loss %.6g\n", loss);
}

static int print_text(const bp_model *model, const train_settings *s, const bp_device *device,
                      const train_sets *sets, const train_outcome *o)
{
    const bp_device_info *info = bp_device_get_info(device);
    char rate[CLI_NUMBER], time[CLI_NUMBER], setup[CLI_NUMBER];
    printf("device      %s (%s)\n", info->name, info->spec);
    if (s->precision != BP_PRECISION_FP32)
        printf("precision   %s\n", cli_precision_name(device));
    printf("samples     %zu\n", bp_data_get_info(sets->train).rows);
    printf("parameters  %zu\n", bp_model_get_info(model).parameters);
    cli_course_print(&o->result, s->how.optimizer);
    print_losses("training", o->result.train_loss, NAN);
    print_losses("validation", o->result.validation_loss, o->result.validation_accuracy);
    if (o->has_test) {
        print_losses("test", o->test.loss, o->test.accuracy);
        if (isfinite(o->test.rmse))
            printf("            rmse %.6g, mae %.6g, r2 %.4f\n", o->test.rmse, o->test.mae,
                   o->test.r2);
    }
    printf("speed       %s samples/s, %s of training after %s of set-up\n",
           cli_human(rate, o->result.samples_per_second), cli_duration(time, o->result.seconds),
           cli_duration(setup, o->result.setup_seconds));
    printf("memory      %.1f MB on the device\n", (double)o->result.device_bytes / 1e6);
    if (o->result.streamed)
        printf("stream      %s of training waited for rows, shuffle %s\n",
               cli_duration(time, o->result.wait_seconds), bp_shuffle_name(o->result.shuffle));
    if (s->output && o->learned) printf("model       %s\n", s->output);
    return cli_profile_print(&s->profile);
}

/* The option that most likely made the training diverge, and its value. */
static const char *too_large(const cli_command *command, const train_settings *s, double *value)
{
    const float range = s->model.init_range;
    if (s->model.init == BP_INIT_UNIFORM && cli_given(command, "init-range") &&
        (range > 10 || !cli_given(command, "lr"))) {
        *value = (double)range;
        return "init-range";
    }
    const float rate = s->how.learning_rate;
    *value = (double)(rate > 0 ? rate : bp_optimizer_default_learning_rate(s->how.optimizer));
    return "lr";
}

/* Why the training ended before its time; returns the exit code. */
static int explain_end(const cli_command *command, const train_settings *s, const train_outcome *o)
{
    char kept[512] = "nothing is kept, for want of -o";
    const bool diverged = o->status == BP_ERROR_DIVERGED;
    const char *what = diverged ? "the last finite state" : "what was learned";
    const char *checkpoint = s->checkpoint->path;
    if (s->output && o->learned)
        snprintf(kept, sizeof kept, "%.400s holds %s", s->output, what);
    else if (s->output)
        snprintf(kept, sizeof kept, "nothing was learned: %.400s is not written", s->output);
    else if (checkpoint)
        snprintf(kept, sizeof kept, "%.400s holds %s", checkpoint,
                 diverged ? "an earlier state" : what);
    if (diverged) {
        double value;
        const char *option = too_large(command, s, &value);
        return cli_error(CLI_DIVERGED,
                         "training diverged in epoch %" PRId64 ": the loss is no longer finite; "
                         "try a lower --%s, it was %g (%s)",
                         o->result.epochs + 1, option, value, kept);
    }
    if (o->result.checkpoint != BP_OK)
        return cli_error(CLI_FAILURE,
                         "%s: the last checkpoint could not be written: what it holds is older (%s)",
                         checkpoint, o->result.checkpoint_error);
    if (o->signal) {
        if (!command->quiet)
            cli_note("stopped after %" PRId64 " of %" PRId64 " epochs; %s%s%s", o->result.epochs,
                     o->result.planned_epochs, kept, checkpoint ? "; go on with --resume " : "",
                     checkpoint ? checkpoint : "");
        return CLI_SIGNAL + o->signal;
    }
    return o->record_failed ? CLI_FAILURE : CLI_OK;
}

/* ---- the order of things --------------------------------------------------------------------- */

static void announce(const bp_model *model, const bp_device *device, const train_sets *sets)
{
    const bp_model_info info = bp_model_get_info(model);
    fprintf(stderr, "%zu", info.inputs);
    for (size_t l = 0; l < info.layers; ++l) {
        const bp_layer layer = bp_model_get_layer(model, l);
        fputs(" -> ", stderr);
        cli_print_layer(stderr, &layer);
    }
    const size_t rows = bp_data_get_info(sets->train).rows;
    fprintf(stderr, ": %zu parameter%s, %zu sample%s, on %s\n", info.parameters,
            cli_s(info.parameters), rows, cli_s(rows), bp_device_get_info(device)->name);
}

static int train_and_keep(const cli_command *command, const train_settings *s, bp_model *model,
                          bp_device *device, const train_sets *sets)
{
    train_outcome outcome;
    int code = cli_train_run(&outcome, command, s, model, device, sets);
    if (code >= 0) return code;
    const int traced = cli_profile_write(&s->profile);
    code = save(model, s, &outcome);
    if (code != CLI_OK) return code;
    if (!outcome.signal) outcome.signal = cli_stop_signal();
    code = command->json ? print_json(model, s, device, sets, &outcome)
                         : print_text(model, s, device, sets, &outcome);
    const int end = explain_end(command, s, &outcome);
    return end != CLI_OK ? end : traced != CLI_OK ? traced : code;
}

static int run(const cli_command *command, train_settings *s)
{
    bp_device *device = NULL;
    bp_model *model = NULL;
    train_sets sets = {NULL, NULL, NULL};
    int code = check(command, s);
    /* The device first: its name is mistyped as easily as a file's, and files may take minutes. */
    if (code < 0)
        code = cli_open_device_again(&device, s->device,
                                     s->checkpoint->resume ? s->checkpoint->from.device : NULL);
    if (code < 0) code = cli_take_precision(&device, s->device, s->precision);
    if (code < 0) code = cli_train_choose_stream(command, s);
    if (code < 0 && s->folds) code = cli_train_folds(command, s, device);
    if (code < 0) code = cli_train_load(&sets, command, s);
    if (code < 0) code = cli_recipe_model(&model, s, sets.train);
    /* A training that is gone on with stays where it was. */
    if (code < 0 && !s->checkpoint->resume)
        code = cli_choose_device(&device, &s->choice, s->device, model,
                                 bp_data_get_info(sets.train).rows, &s->how, command->quiet);
    if (code < 0) code = cli_checkpoint_tell(command, s->checkpoint, device, s->origin);
    if (code < 0) {
        const bp_status status =
            cli_origin_record(s->origin, model, device, cli_given(command, "device"), s->seed);
        if (status != BP_OK) code = cli_fail(status, NULL);
    }
    if (code < 0 && !command->quiet) {
        if (!s->output && !s->checkpoint->path && !s->find_rate)
            cli_note("the model will not be kept: name a file with -o");
        cli_train_tell(bp_model_get_schema(model), bp_data_get_info(sets.train).rows);
        cli_note_tuning(device);
        announce(model, device, &sets);
    }
    if (code < 0 && s->find_rate) code = cli_train_find(command, s, model, device, sets.train);
    if (code < 0) code = cli_profile_begin(&s->profile, device, NULL);
    s->how.profile = s->profile.profile;
    if (code < 0) code = train_and_keep(command, s, model, device, &sets);
    cli_profile_end(&s->profile);
    cli_train_free(&sets);
    bp_device_choice_free(&s->choice);
    bp_model_free(model);
    bp_device_free(device);
    return code;
}

int cli_train(int argc, char **argv)
{
    cli_origin origin = {.command = NULL};
    cli_checkpoint checkpoint = {.path = NULL};
    train_settings s = {.input = cli_input_default(), .model = bp_model_options_default(),
                        .how = bp_train_options_default(), .origin = &origin,
                        .checkpoint = &checkpoint};
    s.model.hidden = "128";
    s.seed = s.how.seed;
    cli_option data[CLI_INPUT_OPTIONS + 3 + CLI_STREAM_OPTIONS];
    size_t data_rows = cli_input_options(&s.input, data, CLI_TO_TRAIN);
    data[data_rows++] = (cli_option){
        .name = "sample-weight", .kind = CLI_TEXT, .to.text = &s.weight_column, .value = "COL",
        .help = "column that says how much each sample counts; it is no feature"};
    data[data_rows++] = (cli_option){
        .name = "class-weight", .kind = CLI_TEXT, .to.text = &s.class_weights, .value = "LIST|FILE",
        .help = "how much the samples of each class count, in the classes' order; balanced: so that "
                "all classes count alike"};
    data[data_rows++] = (cli_option){
        .name = "scaling", .kind = CLI_CHOICE, .to.code = &s.scaling, .value = "NAME",
        .choice = bp_scaling_name,
        .help = "of numbers, learned from the training part: mean 0 and deviation 1, 0 to 1, as "
                "they stand, or pictures of bytes by 255; auto: bytes for those, else standard"};
    data_rows += cli_stream_options(&s.stream, data + data_rows);
    cli_option measuring[] = {
        {.name = "validation", .kind = CLI_TEXT, .to.text = &s.validation, .value = "FILE",
         .help = "data to measure on after every epoch"},
        {.name = "validation-labels", .kind = CLI_TEXT, .to.text = &s.validation_labels,
         .value = "FILE", .help = "IDX or NPY file of labels that belongs to it"},
        {.name = "validation-split", .kind = CLI_DOUBLE, .to.wide = &s.split, .value = "F",
         .min = 0, .max = 1, .below = true, .help = "or this share of DATA, split off at random",
         .fallback = "0, none"},
        {.name = "test", .kind = CLI_TEXT, .to.text = &s.test, .value = "FILE",
         .help = "data to measure on at the end; the test part of a folder or an archive is by "
                 "itself"},
        {.name = "test-labels", .kind = CLI_TEXT, .to.text = &s.test_labels, .value = "FILE",
         .help = "IDX file of labels that belongs to it"},
        {.name = "folds", .kind = CLI_COUNT, .to.count = &s.folds, .value = "K", .min = 2,
         .max = 1000000, .fallback = "none",
         .help = "cross-validation: trains K times, each time without another K-th of DATA, on "
                 "which the model is measured; keeps no model"},
    };
    cli_option course[CLI_COURSE_OPTIONS];
    const size_t course_count = cli_course_options(&s, course);
    cli_option network[CLI_NETWORK_OPTIONS], updates[CLI_UPDATE_OPTIONS];
    const size_t network_count = cli_recipe_network(&s, network);
    const size_t update_count = cli_recipe_updates(&s, updates);
    cli_option passes[] = {
        {.name = "batch", .kind = CLI_COUNT, .to.count = &s.how.batch, .value = "N", .min = 1,
         .max = 2147483647, .help = "samples a step", .fallback = "32, of lbfgs all"},
        {.name = "accumulate", .kind = CLI_COUNT, .to.count = &s.how.accumulate, .value = "N",
         .min = 1, .max = 2147483647,
         .help = "batches whose gradients make one update, as if they were one batch; the last of an "
                 "epoch may be fewer"},
        {.name = "epochs", .kind = CLI_COUNT, .to.count = &s.how.epochs, .value = "N", .min = 1,
         .max = 1000000000, .help = "times through the data",
         .fallback = "by its rows: 240,000 samples in all, 15 to 120 epochs; with --patience ten "
                     "times as many"},
        {.name = "seed", .kind = CLI_SEED, .to.seed = &s.seed, .value = "N",
         .help = "of weights, shuffling and split: the same seed, the same result"},
        {.name = "no-shuffle", .kind = CLI_FLAG, .to.code = &s.how.shuffle, .set = 0,
         .help = "keep the file's order in every epoch"},
        {.name = "shuffle", .kind = CLI_CHOICE, .to.code = &s.how.shuffle, .value = "NAME",
         .choice = bp_shuffle_name,
         .help = "the order of an epoch: none, all rows at once, or blocks of rows and then the rows "
                 "within a window, as streamed data has it; auto: all, but blocks where streamed"},
        {.name = "window", .kind = CLI_COUNT, .to.count = &s.how.window, .value = "N", .min = 1,
         .max = 2147483647, .help = "rows of a window of --shuffle blocks and of a stream",
         .fallback = "as many as take 16 MiB"},
    };
    cli_option machine[] = {
        cli_device_option(&s.device),
        cli_precision_option(&s.precision),
        {.name = "gemm", .kind = CLI_CHOICE, .to.code = &s.how.gemm, .value = "NAME",
         .choice = bp_gemm_name, .help = "matrix multiplication"},
        {.name = "watch-gradients", .kind = CLI_FLAG, .to.code = &s.watch_gradients, .set = 1,
         .help = "tell of each layer's gradients, dead and saturated units after every epoch, and "
                 "where a divergence began"},
        {.name = "output", .letter = 'o', .kind = CLI_TEXT, .to.text = &s.output, .value = "MODEL",
         .help = "where to save the model, a safetensors file"},
        cli_profile_option(&s.profile.path),
    };
    cli_option records[CLI_RECORD_OPTIONS];
    cli_record_rows(&s.record, records);
    cli_option checkpoints[CLI_CHECKPOINT_OPTIONS];
    cli_checkpoint_options(&checkpoint, checkpoints);
    cli_command command = {
        .name = "train",
        .usage = "DATA... [OPTIONS]",
        .summary = "Trains a network on DATA: a file of CSV, NumPy (NPY, NPZ), IDX, FANN or "
                   "libsvm, a folder with the four MNIST-style files, or - for standard input. "
                   "Ctrl-C ends the training and keeps what was learned.",
        .examples = "  backprop train iris.csv -o iris.safetensors\n"
                    "  backprop train prices.csv --target price --validation-split 0.2\n"
                    "  backprop train mnist/ --hidden 256,128 --epochs 20 -o mnist.safetensors\n",
        .arguments = 1,
        .several = true,
        .groups = {{"Data", data, data_rows},
                   {"Measuring", measuring, sizeof measuring / sizeof *measuring},
                   {"Network", network, network_count},
                   {"Updates", updates, update_count},
                   {"Passes over the data", passes, sizeof passes / sizeof *passes},
                   {"Stopping and learning rate", course, course_count},
                   {"Checkpoints", checkpoints, CLI_CHECKPOINT_OPTIONS},
                   {"Computing and results", machine, sizeof machine / sizeof *machine},
                   {"Records of the training", records, CLI_RECORD_OPTIONS}},
    };
    const char *arguments[CLI_ARGUMENTS];
    cli_origin_command(&origin, argc, argv);
    int code = cli_parse(&command, argc, argv, arguments);
    if (code < 0) {
        s.data = cli_data_files(&command, &s.input, 0);
        cli_origin_data(&origin, s.data.paths, s.data.count);
        if (strcmp(s.model.hidden, "none") == 0) s.model.hidden = "";
        code = run(&command, &s);
    }
    cli_origin_free(&origin);
    cli_checkpoint_free(&checkpoint);
    return code;
}
