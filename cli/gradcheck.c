/* gradcheck.c - `backprop gradcheck`: are the gradients what the error's differences say? */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backprop_explain.h"
#include "commands.h"
#include "device.h"
#include "input.h"
#include "network.h"
#include "output.h"

typedef struct gradcheck_settings {
    cli_input reading;
    const char *model, *data; /* may be NULL */
    cli_files files;          /* the data */
    const char *device;
    int32_t precision;
    cli_network network;
    bp_gradcheck_options how;
} gradcheck_settings;

/* ---- results -----------------------------------------------------------------------------------
 */

static json_t *layer_number(int32_t layer)
{
    return layer < 0 ? json_null() : json_integer(layer);
}

static json_t *worst_json(const bp_gradcheck_parameter *p)
{
    json_t *json = json_object();
    json_object_set_new(json, "to", cli_json_count(p->to));
    json_object_set_new(json, "from", p->bias ? json_null() : cli_json_count(p->from));
    json_object_set_new(json, "gradient", cli_json_number(p->gradient));
    json_object_set_new(json, "numerical", cli_json_number(p->numerical));
    json_object_set_new(json, "relative_error", cli_json_number(p->relative_error));
    return json;
}

static json_t *layer_json(const bp_model *model, const bp_gradcheck_result *r, size_t l)
{
    const bp_layer about = bp_model_get_layer(model, l);
    const bp_gradcheck_layer *layer = &r->layers[l];
    json_t *json = json_object(), *worst = json_array();
    json_object_set_new(json, "layer", cli_json_count(l));
    json_object_set_new(json, "inputs", cli_json_count(about.inputs));
    json_object_set_new(json, "outputs", cli_json_count(about.outputs));
    json_object_set_new(json, "activation", cli_json_text(bp_activation_name(about.activation)));
    json_object_set_new(json, "parameters", cli_json_count(layer->parameters));
    json_object_set_new(json, "checked", cli_json_count(layer->checked));
    json_object_set_new(json, "kinks", cli_json_count(layer->kinks));
    json_object_set_new(json, "max_relative_error", cli_json_number(layer->max_relative_error));
    json_object_set_new(json, "relative_l2", cli_json_number(layer->relative_l2));
    json_object_set_new(json, "device_error", cli_json_number(layer->device_error));
    json_object_set_new(json, "passed", json_boolean(layer->passed && layer->device_passed));
    for (size_t i = 0; i < layer->worst_count; ++i)
        json_array_append_new(worst, worst_json(&layer->worst[i]));
    json_object_set_new(json, "worst", worst);
    return json;
}

static int print_json(const bp_model *model, const bp_gradcheck_result *r, const char *device,
                      const gradcheck_settings *s)
{
    json_t *json = json_object(), *layers = json_array();
    json_object_set_new(json, "passed", json_boolean(r->passed));
    json_object_set_new(json, "checked", cli_json_count(r->checked));
    json_object_set_new(json, "parameters", cli_json_count(r->parameters));
    json_object_set_new(json, "kinks", cli_json_count(r->kinks));
    json_object_set_new(json, "max_relative_error", cli_json_number(r->max_relative_error));
    json_object_set_new(json, "relative_l2", cli_json_number(r->relative_l2));
    json_object_set_new(json, "tolerance", cli_json_number(s->how.tolerance));
    json_object_set_new(json, "wrong_layer", layer_number(r->wrong_layer));
    json_object_set_new(json, "device", cli_json_text(device));
    json_object_set_new(json, "device_error", cli_json_number(r->device_error));
    json_object_set_new(json, "device_tolerance", cli_json_number(r->device_tolerance));
    json_object_set_new(json, "device_wrong_layer", layer_number(r->device_wrong_layer));
    json_object_set_new(json, "rows", cli_json_count(r->rows));
    json_object_set_new(json, "error", cli_json_number(r->error));
    for (size_t l = 0; l < r->layer_count; ++l)
        json_array_append_new(layers, layer_json(model, r, l));
    json_object_set_new(json, "layers", layers);
    return cli_print_json(stdout, json);
}

/* "3→7", a weight from unit 3 to unit 7, or "bias 7". */
enum { PLACE = 64 };
static const char *place_text(char text[PLACE], const bp_gradcheck_parameter *p)
{
    static const char *const parts[] = {"weight", "bias", "gain", "shift"};
    if (p->bias)
        snprintf(text, PLACE, "%s %zu", parts[p->bias], p->to + 1);
    else
        snprintf(text, PLACE, "%zu→%zu", p->from + 1, p->to + 1);
    return text;
}

static void print_worst(const bp_gradcheck_result *r, size_t l)
{
    const bp_gradcheck_layer *layer = &r->layers[l];
    for (size_t i = 0; i < layer->worst_count; ++i) {
        const bp_gradcheck_parameter *p = &layer->worst[i];
        char place[PLACE];
        printf("         %s: gradient %.9g, central difference %.9g\n", place_text(place, p),
               p->gradient, p->numerical);
    }
}

static void print_text(const bp_model *model, const bp_gradcheck_result *r, const char *device)
{
    printf("%zu of %zu derivatives of %zu sample%s, error %.6g, in double precision\n\n",
           r->checked, r->parameters, r->rows, cli_s(r->rows), r->error);
    printf(
        "layer    shape        function        checked  relative L2  worst    at              %s\n",
        device ? "device" : "");
    for (size_t l = 0; l < r->layer_count; ++l) {
        const bp_layer about = bp_model_get_layer(model, l);
        const bp_gradcheck_layer *layer = &r->layers[l];
        char shape[48], place[PLACE] = "", gpu[CLI_NUMBER] = "";
        snprintf(shape, sizeof shape, "%zu x %zu", about.outputs, about.inputs);
        if (device) snprintf(gpu, sizeof gpu, "%.2g", layer->device_error);
        if (layer->worst_count > 0) place_text(place, &layer->worst[0]);
        /* An arrow is three bytes and one column. */
        const int width = strchr(place, ' ') ? 15 : 17;
        printf("%-8zu %-12s %-12s %10zu %12.2g  %-8.2g %-*s %s%s\n", l + 1, shape,
               bp_activation_name(about.activation), layer->checked, layer->relative_l2,
               layer->max_relative_error, width, place, gpu,
               !layer->passed          ? "  WRONG"
               : !layer->device_passed ? "  WRONG on the device"
                                       : "");
        if (!layer->passed) print_worst(r, l);
    }
    if (r->kinks > 0)
        printf(
            "\n%zu at a corner of a function, where the gradient lies between the derivatives of "
            "both sides\n",
            r->kinks);
    if (device) {
        printf("\ndevice   ");
        cli_print_text(stdout, device);
        printf(", float32 against the reference\n");
    }
    if (r->passed) printf("\nall gradients agree\n");
}

/* A failed check is reported as an error, with the layer where to look. */
static int judge(const bp_gradcheck_result *r, const gradcheck_settings *s, const char *device)
{
    if (r->wrong_layer >= 0)
        return cli_error(CLI_FAILURE,
                         "the gradient of layer %d is wrong: relative error %.2g, %.2g is allowed; "
                         "layers before it take over what is wrong in it",
                         (int)r->wrong_layer + 1, r->layers[r->wrong_layer].max_relative_error,
                         s->how.tolerance);
    if (r->device_wrong_layer >= 0)
        return cli_error(CLI_FAILURE,
                         "the gradient of layer %d is wrong on %s: relative error %.2g, %.2g is "
                         "allowed; layers before it take over what is wrong in it",
                         (int)r->device_wrong_layer + 1, device,
                         r->layers[r->device_wrong_layer].device_error, r->device_tolerance);
    return CLI_OK;
}

/* ---- the order of things -----------------------------------------------------------------------
 */

static int check_and_print(const cli_command *command, const gradcheck_settings *s,
                           const bp_model *model, bp_device *device, const bp_data *data)
{
    bp_gradcheck_result result;
    bp_status status = bp_gradcheck(&result, model, device, data, &s->how);
    if (status != BP_OK) return cli_fail(status, NULL);
    const char *name = bp_device_get_info(device)->name;
    int code = CLI_OK;
    if (command->json)
        code = print_json(model, &result, name, s);
    else
        print_text(model, &result, name);
    const int verdict = judge(&result, s, name);
    bp_gradcheck_free(&result);
    return verdict != CLI_OK ? verdict : code;
}

static int run(const cli_command *command, const gradcheck_settings *s)
{
    bp_model *model = NULL;
    bp_device *device = NULL;
    bp_data *data = NULL;
    int code = -1;
    if (s->model)
        code = cli_open(&model, &device, s->model, &s->reading, s->device);
    else
        code = cli_make_network(&model, command, &s->network);
    if (code < 0 && !s->model) code = cli_open_device(&device, s->device);
    if (code < 0) code = cli_take_precision(&device, s->device, s->precision);
    if (code < 0 && s->data)
        code = cli_load_for_model(&data, command, &s->files, &s->reading, model, 1);
    if (code < 0) code = check_and_print(command, s, model, device, data);
    bp_data_free(data);
    bp_device_free(device);
    bp_model_free(model);
    return code;
}

static int check(const cli_command *command, const gradcheck_settings *s)
{
    int code = cli_input_check(command, &s->reading, &s->files);
    if (code >= 0) return code;
    if (!s->model && !s->network.layers)
        return cli_usage(command,
                         "a model or --layers is needed: backprop gradcheck MODEL DATA, or "
                         "--layers 3,5,2");
    return s->model ? cli_network_check(command) : -1;
}

int cli_gradcheck(int argc, char **argv)
{
    gradcheck_settings s = {.reading = cli_input_default(),
                            .network = cli_network_default(),
                            .how = bp_gradcheck_options_default()};
    s.network.bias = 1;
    cli_option network[CLI_NETWORK_OPTIONS + 1];
    size_t count = cli_network_options(&s.network, network);
    network[count++] = (cli_option){.name = "no-bias",
                                    .kind = CLI_FLAG,
                                    .to.code = &s.network.bias,
                                    .set = 0,
                                    .help = "layers without biases"};
    cli_option checking[] = {
        {.name = "rows",
         .kind = CLI_COUNT,
         .to.count = &s.how.rows,
         .value = "N",
         .min = 1,
         .max = 1 << 20,
         .help = "samples of the batch: evenly spread rows of DATA, or random ones"},
        {.name = "tolerance",
         .kind = CLI_DOUBLE,
         .to.wide = &s.how.tolerance,
         .value = "F",
         .max = 1,
         .above = true,
         .help = "relative error that a derivative may have"},
        {.name = "device-tolerance",
         .kind = CLI_DOUBLE,
         .to.wide = &s.how.device_tolerance,
         .value = "F",
         .max = 1,
         .above = true,
         .fallback = "1e-4, 0.008 of tf32, 0.06 of bf16",
         .help = "relative error that a layer's gradient may have on the device"},
        {.name = "work",
         .kind = CLI_DOUBLE,
         .to.wide = &s.how.work,
         .value = "F",
         .max = 1e18,
         .above = true,
         .help = "multiply-adds for central differences; where all would take more, evenly spread "
                 "ones of every layer are checked"},
    };
    cli_option machine[] = {
        cli_device_option(&s.device),
        cli_precision_option(&s.precision),
        {.name = "gemm",
         .kind = CLI_CHOICE,
         .to.code = &s.how.gemm,
         .value = "NAME",
         .choice = bp_gemm_name,
         .help = "matrix multiplication of the device"},
    };
    cli_option data[CLI_INPUT_OPTIONS];
    cli_command command = {
        .name = "gradcheck",
        .usage = "[MODEL [DATA...]] [OPTIONS]",
        .summary = "Compares the gradients of the reference with central differences of the error, "
                   "both in double precision, and the gradients of a device with the reference's. "
                   "For a model, or for a random network of --layers; on DATA, or on random "
                   "samples. Exits with 1 and names the layer where they do not agree.",
        .examples = "  backprop gradcheck --layers 3,5,2\n"
                    "  backprop gradcheck iris.safetensors iris.csv\n"
                    "  backprop gradcheck --layers 20,30,4 --activation relu --device 0:0 --json\n",
        .arguments = 2,
        .optional = 2,
        .several = true,
        .groups = {{"Network", network, count},
                   {"Checking", checking, sizeof checking / sizeof *checking},
                   {"Computing", machine, sizeof machine / sizeof *machine},
                   {"Data", data, cli_input_options(&s.reading, data, CLI_TO_USE)}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    s.model = arguments[0];
    s.data = arguments[1];
    s.files = cli_data_files(&command, &s.reading, 1);
    s.reading.activation = s.network.activation;
    s.how.seed = s.network.seed;
    code = check(&command, &s);
    return code >= 0 ? code : run(&command, &s);
}
