/* bench.c - `backprop bench`: how fast devices train, against how fast they could compute. */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "device.h"
#include "files.h"
#include "input.h"
#include "output.h"
#include "svg.h"
#include "profile.h"

/* Operations of a step above which the reference, unless it is asked for by name and network, is
 * left out: seconds a step. */
static const double reference_limit = 2e9;

typedef struct bench_settings {
    const char *layers, *device, *roofline, *profile;
    int64_t batch;
    int32_t suite, activation, optimizer, gemm, precision;
} bench_settings;

/* The suite: from launches alone to arithmetic alone. */
static const bench_network suite[] = {
    {4, {{2, 2, 1}, 3}},           {16, {{8, 32, 2}, 3}},
    {1, {{784, 128, 10}, 3}},      {32, {{784, 128, 10}, 3}},
    {128, {{784, 128, 10}, 3}},    {256, {{784, 512, 512, 10}, 4}},
    {1024, {{1024, 1024, 1024}, 3}}, {512, {{2048, 2048, 2048, 2048}, 4}},
};
enum { SUITE = sizeof suite / sizeof *suite };

static double operations(const bench_network *network)
{
    const size_t *widths = network->layers.widths;
    double weights = 0;
    for (size_t i = 1; i < network->layers.count; ++i)
        weights += (i > 1 ? 3.0 : 2.0) * (double)widths[i - 1] * (double)widths[i];
    return 2 * (double)network->batch * weights;
}

/* One sigmoid output, or a softmax over several, as a classifier has. */
static bp_status run(bench_row *row, bp_device *device, const bench_settings *s,
                     const cli_profile *profile)
{
    const bench_network *network = &row->network;
    const size_t *widths = network->layers.widths, count = network->layers.count - 1;
    bp_layer layers[CLI_WIDTHS];
    for (size_t l = 0; l < count; ++l)
        layers[l] = (bp_layer){widths[l], widths[l + 1], s->activation, 1};
    layers[count - 1].activation =
        widths[count] == 1 ? BP_ACTIVATION_SIGMOID : BP_ACTIVATION_SOFTMAX;
    bp_bench_options options = bp_bench_options_default();
    options.batch = network->batch;
    options.optimizer = s->optimizer;
    options.gemm = s->gemm;
    options.profile = profile->profile;
    return bp_bench(&row->result, device, layers, count, &options);
}

/* ---- results ---------------------------------------------------------------------------------- */

static json_t *row_json(const bench_row *row, const bench_settings *s, const cli_profile *profile)
{
    const bp_bench_result *r = &row->result;
    json_t *json = json_object(), *layers = json_array();
    for (size_t i = 0; i < row->network.layers.count; ++i)
        json_array_append_new(layers, cli_json_count(row->network.layers.widths[i]));
    json_object_set_new(json, "device", cli_json_text(row->device.name));
    json_object_set_new(json, "device_spec", cli_json_text(row->device.spec));
    json_object_set_new(json, "driver", cli_json_text(row->device.driver));
    json_object_set_new(json, "version", cli_json_text(bp_version()));
    json_object_set_new(json, "tuning", cli_tuning_json(&(bp_tuning_info){0}, &row->device));
    json_object_set_new(json, "layers", layers);
    json_object_set_new(json, "batch", json_integer(row->network.batch));
    json_object_set_new(json, "activation", cli_json_text(bp_activation_name(s->activation)));
    json_object_set_new(json, "optimizer", cli_json_text(bp_optimizer_name(s->optimizer)));
    json_object_set_new(json, "precision",
                        cli_json_text(row->precision));
    json_object_set_new(json, "gemm", cli_json_text(bp_gemm_name(s->gemm)));
    json_object_set_new(json, "step_us", cli_json_number(1e6 * r->step_seconds));
    json_object_set_new(json, "step_us_min", cli_json_number(1e6 * r->step_seconds_min));
    json_object_set_new(json, "step_us_max", cli_json_number(1e6 * r->step_seconds_max));
    json_object_set_new(json, "steps", json_integer(r->steps));
    json_object_set_new(json, "repeats", json_integer(r->repeats));
    json_object_set_new(json, "samples_per_second", cli_json_number(r->samples_per_second));
    json_object_set_new(json, "gflops", cli_json_number(r->gflops));
    json_object_set_new(json, "peak_gflops", cli_json_number(row->peak.gflops));
    json_object_set_new(json, "fraction_of_peak", cli_json_number(r->gflops / row->peak.gflops));
    json_object_set_new(json, "peak_gbytes_per_second",
                        cli_json_number(row->peak.gbytes_per_second));
    json_object_set_new(json, "step_gflop", cli_json_number(r->step_gflop));
    json_object_set_new(json, "step_gbytes", cli_json_number(r->step_gbytes));
    json_object_set_new(json, "setup_seconds", cli_json_number(r->setup_seconds));
    json_object_set_new(json, "device_bytes", json_integer((json_int_t)r->device_bytes));
    json_object_set_new(json, "profile", cli_profile_json(profile));
    return json;
}

static void print_device(const bp_device *device, const bp_device_info *info,
                         const bp_device_peak *peak)
{
    bp_tuning_info tuning = {0};
    bp_tuning_get_info(&tuning, info);
    printf("device  ");
    cli_print_text(stdout, info->name);
    printf(" (%s)\npeak    %.4g GFLOP/s, memory %.3g GB/s\n", info->spec, peak->gflops,
           peak->gbytes_per_second);
    if (tuning.source != BP_TUNING_DEFAULTS) printf("tuned   %s\n", tuning.summary);
    printf("products %s\n", cli_precision_name(device));
    putchar('\n');
    printf("%-20s %6s %11s %23s %11s %9s %8s\n", "layers", "batch", "step us", "[fastest .. slowest]",
           "samples/s", "GFLOP/s", "of peak");
    fflush(stdout);
}

static void print_row(const bench_row *row)
{
    const bp_bench_result *r = &row->result;
    char layers[CLI_WIDTHS_TEXT], range[64], rate[CLI_NUMBER];
    snprintf(range, sizeof range, "[%.4g .. %.4g]", 1e6 * r->step_seconds_min,
             1e6 * r->step_seconds_max);
    printf("%-20s %6" PRId64 " %11.4g %23s %11s %9.4g %6.1f %%\n",
           cli_widths_text(layers, &row->network.layers), row->network.batch, 1e6 * r->step_seconds,
           range, cli_human(rate, r->samples_per_second), r->gflops,
           100 * r->gflops / row->peak.gflops);
    fflush(stdout);
}

/* ---- the order of things ---------------------------------------------------------------------- */

/* What has been measured so far. */
typedef struct bench_run {
    const cli_command *command;
    const bench_settings *settings;
    const bench_network *networks;
    size_t network_count;
    bool all; /* devices */
    cli_profile profile; /* of one network on one device, or of none */
    bench_row *rows;
    size_t row_count;
    json_t *json;
} bench_run;

static bool leave_out(const bench_run *b, const bp_device_info *info, const bench_network *network)
{
    if (info->kind != BP_KIND_REFERENCE || (!b->all && !b->settings->suite) ||
        operations(network) <= reference_limit)
        return false;
    char text[CLI_WIDTHS_TEXT];
    if (!b->command->quiet)
        cli_note("%s at %" PRId64 " is left out on the reference: it would take minutes",
                 cli_widths_text(text, &network->layers), network->batch);
    return true;
}

static int bench_open_device(bench_run *b, bp_device *device)
{
    const bp_device_info *info = bp_device_get_info(device);
    bp_device_peak peak;
    bp_status status = bp_device_measure(&peak, device);
    if (status != BP_OK) return cli_fail(status, NULL);
    if (!b->command->json) {
        if (b->row_count > 0) putchar('\n');
        print_device(device, info, &peak);
    }
    const int code = cli_profile_begin(&b->profile, device, &peak);
    if (code >= 0) return code;
    for (size_t i = 0; i < b->network_count; ++i) {
        if (leave_out(b, info, &b->networks[i])) continue;
        bench_row *row = &b->rows[b->row_count];
        *row = (bench_row){.device = *info, .precision = cli_precision_name(device), .peak = peak,
                           .network = b->networks[i]};
        status = run(row, device, b->settings, &b->profile);
        if (status != BP_OK) return cli_fail(status, NULL);
        ++b->row_count;
        if (b->command->json)
            json_array_append_new(b->json, row_json(row, b->settings, &b->profile));
        else
            print_row(row);
    }
    const int written = cli_profile_write(&b->profile);
    if (!b->command->json) cli_profile_print(&b->profile);
    return written == CLI_OK ? -1 : written;
}

static int bench_device(bench_run *b, const char *spec)
{
    bp_device *device = NULL;
    int code = cli_open_device(&device, spec);
    if (code < 0) code = cli_take_precision(&device, spec, b->settings->precision);
    if (code < 0 && !b->command->quiet) cli_note_tuning(device);
    if (code < 0) code = bench_open_device(b, device);
    cli_profile_end(&b->profile);
    bp_device_free(device);
    return code;
}

/* A device that fails does not keep the others from their turn; the first failure is the exit code. */
static int bench_devices(bench_run *b, const bp_device_info *list, size_t count)
{
    int code = -1;
    for (size_t d = 0; d < count; ++d) {
        const int one = bench_device(b, b->all ? list[d].spec : b->settings->device);
        if (code < 0) code = one;
    }
    return code;
}

static int bench(const cli_command *command, const bench_settings *s, const bench_network *networks,
                 size_t network_count)
{
    bench_run b = {.command = command, .settings = s, .networks = networks,
                   .network_count = network_count,
                   .all = s->device && strcmp(s->device, "all") == 0,
                   .profile = {.path = s->profile}};
    bp_device_info *list = NULL;
    size_t devices = 1;
    bp_status status = b.all ? bp_device_list(&list, &devices, NULL) : BP_OK;
    if (status != BP_OK) return cli_fail(status, NULL);
    b.rows = calloc(devices * network_count, sizeof *b.rows);
    b.json = json_array();
    int code = CLI_FAILURE;
    if (b.rows && b.json) {
        code = bench_devices(&b, list, devices);
        if (command->json) { /* what has been measured is printed, whatever came then */
            const int printed = cli_print_json(stdout, json_incref(b.json));
            if (code < 0) code = printed;
        }
        if (s->roofline && b.row_count > 0) {
            const int written = bench_roofline(s->roofline, b.rows, b.row_count);
            if (code < 0) code = written;
        }
    } else {
        cli_error(code, "out of memory");
    }
    json_decref(b.json);
    free(b.rows);
    bp_device_list_free(list);
    return code < 0 ? CLI_OK : code;
}

int cli_bench(int argc, char **argv)
{
    const bp_bench_options defaults = bp_bench_options_default();
    bench_settings s = {.layers = "784,128,10", .batch = defaults.batch,
                        .activation = bp_model_options_default().activation,
                        .optimizer = defaults.optimizer, .gemm = defaults.gemm};
    if (s.activation == BP_ACTIVATION_AUTO) s.activation = BP_ACTIVATION_RELU;
    cli_option network[] = {
        {.name = "layers", .kind = CLI_TEXT, .to.text = &s.layers, .value = "LIST",
         .help = "widths, inputs first"},
        {.name = "batch", .kind = CLI_COUNT, .to.count = &s.batch, .value = "N", .min = 1,
         .max = 2147483647, .help = "samples a step"},
        {.name = "suite", .kind = CLI_FLAG, .to.code = &s.suite, .set = 1,
         .help = "instead of one network, eight of them, small to large"},
        {.name = "activation", .kind = CLI_CHOICE, .to.code = &s.activation, .value = "NAME",
         .choice = cli_hidden_activation_name, .help = "of hidden layers"},
        {.name = "optimizer", .kind = CLI_CHOICE, .to.code = &s.optimizer, .value = "NAME",
         .choice = bp_optimizer_name, .help = "how weights move"},
    };
    cli_option machine[] = {
        {.name = "device", .kind = CLI_TEXT, .to.text = &s.device, .value = "SPEC",
         .help = "all, auto, gpu, cpu, accelerator, reference, P:D or part of a name; see backprop "
                 "devices",
         .fallback = "$BACKPROP_DEVICE, else auto"},
        cli_precision_option(&s.precision),
        {.name = "gemm", .kind = CLI_CHOICE, .to.code = &s.gemm, .value = "NAME",
         .choice = bp_gemm_name, .help = "matrix multiplication"},
        cli_picture_option("roofline", &s.roofline, "draw the results under the device's limits"),
        cli_profile_option(&s.profile),
    };
    cli_command command = {
        .name = "bench",
        .usage = "[OPTIONS]",
        .summary = "Times training steps on random data: the median of seven repeats of at least "
                   "50 ms, after the results of three steps have been compared with the reference. "
                   "The peak, multiply-adds in registers, is measured as well.",
        .examples = "  backprop bench\n"
                    "  backprop bench --layers 2048,2048,2048,2048 --batch 512 --device cpu\n"
                    "  backprop bench --suite --device all --json > suite.json\n",
        .groups = {{"Network", network, sizeof network / sizeof *network},
                   {"Computing and results", machine, sizeof machine / sizeof *machine}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    if (s.suite && (cli_given(&command, "layers") || cli_given(&command, "batch")))
        return cli_usage(&command, "--suite has its own layers and batches");
    if (s.profile && (s.suite || (s.device && strcmp(s.device, "all") == 0)))
        return cli_usage(&command, "--profile is of one network on one device: not with %s",
                         s.suite ? "--suite" : "--device all");
    if (cli_same_file(s.profile, s.roofline))
        return cli_usage(&command, "--profile and --roofline name the same file");
    code = cli_profile_check(&command, s.profile);
    if (code < 0) code = cli_picture_check(&command, "roofline", s.roofline);
    if (code >= 0) return code;
    if (s.suite) return bench(&command, &s, suite, SUITE);
    bench_network one = {.batch = s.batch};
    code = cli_read_widths(&one.layers, &command, s.layers);
    return code >= 0 ? code : bench(&command, &s, &one, 1);
}
