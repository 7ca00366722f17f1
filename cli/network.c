/* network.c - --layers and what goes with it. */
#include "network.h"

#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "numbers.h"
#include "output.h"

cli_network cli_network_default(void)
{
    return (cli_network){.activation = BP_ACTIVATION_AUTO,
                         .output_activation = BP_ACTIVATION_AUTO,
                         .loss = BP_LOSS_AUTO,
                         .seed = bp_model_options_default().seed};
}

size_t cli_network_options(cli_network *network, cli_option rows[CLI_NETWORK_OPTIONS])
{
    const cli_option table[CLI_NETWORK_OPTIONS] = {
        {.name = "layers",
         .kind = CLI_TEXT,
         .to.text = &network->layers,
         .value = "LIST",
         .help = "widths, inputs first: a network made here instead of a model; hidden ones with "
                 "what they are to have: 2,3:tanh:layernorm,3:residual,1"},
        {.name = "activation",
         .kind = CLI_CHOICE,
         .to.code = &network->activation,
         .value = "NAME",
         .choice = cli_hidden_activation_name,
         .first = BP_ACTIVATION_AUTO,
         .help = "of all its layers, auto: sigmoid; of a model's hidden layers, where its file "
                 "names none (PyTorch's)"},
        {.name = "output-activation",
         .kind = CLI_CHOICE,
         .to.code = &network->output_activation,
         .value = "NAME",
         .choice = bp_activation_name,
         .first = BP_ACTIVATION_AUTO,
         .help =
             "of the last layer; auto: like the others, or what the loss goes with (cross_entropy: "
             "softmax)"},
        {.name = "loss",
         .kind = CLI_CHOICE,
         .to.code = &network->loss,
         .value = "NAME",
         .choice = bp_loss_name,
         .first = BP_LOSS_AUTO,
         .help = "auto: half_squared, with softmax cross_entropy"},
        {.name = "seed",
         .kind = CLI_SEED,
         .to.seed = &network->seed,
         .value = "N",
         .help = "of everything that is drawn at random"},
    };
    memcpy(rows, table, sizeof table);
    return CLI_NETWORK_OPTIONS;
}

int cli_network_check(const cli_command *command)
{
    static const char *const without_model[] = {"layers", "output-activation", "loss"};
    for (size_t i = 0; i < sizeof without_model / sizeof *without_model; ++i)
        if (cli_given(command, without_model[i]))
            return cli_usage(command, "--%s is for a network without a model", without_model[i]);
    return -1;
}

/* Inputs and outputs of --layers, and what stands between them, which may be nothing. */
typedef struct ends {
    cli_widths widths; /* two */
    char *hidden;      /* free() */
} ends;

static int read_ends(ends *out, const cli_command *command, const char *text)
{
    const char *first = strchr(text, ','), *last = strrchr(text, ',');
    out->hidden = NULL;
    if (!last) return cli_read_widths(&out->widths, command, text); /* which says what is missing */
    const int inputs = (int)(first - text);
    if (memchr(text, ':', (size_t)inputs) || strchr(last, ':'))
        return cli_usage(command,
                         "--layers %s: inputs and outputs are widths alone; --output-activation "
                         "says what the outputs go through",
                         text);
    if (first < last && first + 1 + strspn(first + 1, " ") == last)
        return cli_usage(command, "--layers %s: nothing stands between two commas", text);
    char *joined = malloc(strlen(text) + 1);
    out->hidden = first < last ? strndup(first + 1, (size_t)(last - first - 1)) : strdup("");
    int code = -1;
    if (!joined || !out->hidden) code = cli_error(CLI_FAILURE, "out of memory");
    if (code < 0) {
        sprintf(joined, "%.*s%s", inputs, text, last);
        code = cli_read_widths(&out->widths, command, joined);
    }
    free(joined);
    return code;
}

/* A network as wide at its ends as that. The library reads what is between them, for data of which
 * there is nothing but its shape. */
static bp_status make_hidden(bp_model **model, const ends *of, const cli_network *network)
{
    const size_t inputs = of->widths.widths[0], outputs = of->widths.widths[1];
    const bool automatic = network->activation == BP_ACTIVATION_AUTO;
    bp_model_options options = bp_model_options_default();
    options.hidden = of->hidden;
    options.activation = automatic ? BP_ACTIVATION_SIGMOID : network->activation;
    options.bias = network->bias;
    bp_data *data = NULL;
    float *zeros = calloc(inputs + outputs, sizeof *zeros);
    bp_status status =
        zeros ? bp_data_from_arrays(&data, zeros, 1, inputs, zeros, outputs) : BP_ERROR_MEMORY;
    if (status == BP_OK) status = bp_model_create(model, data, &options);
    bp_data_free(data);
    free(zeros);
    return status;
}

/* *model again, its outputs and loss being those that are asked for. */
static bp_status set_output(bp_model **model, const cli_network *network)
{
    const size_t count = bp_model_get_info(*model).layers;
    bp_layer *layers = calloc(count, sizeof *layers);
    if (!layers) return BP_ERROR_MEMORY;
    for (size_t l = 0; l < count; ++l) layers[l] = bp_model_get_layer(*model, l);
    bp_model_free(*model);
    *model = NULL;
    bp_model_options options = bp_model_options_default();
    options.loss = network->loss;
    options.seed = network->seed;
    const bool automatic = network->output_activation == BP_ACTIVATION_AUTO;
    const int32_t like =
        network->activation == BP_ACTIVATION_AUTO ? BP_ACTIVATION_SIGMOID : network->activation;
    int32_t *output = &layers[count - 1].activation;
    *output = automatic ? like : network->output_activation;
    bp_status status = bp_model_create_layers(model, layers, count, &options);
    /* A loss may want an output of its own, as cross_entropy wants softmax. */
    for (*output = 0; automatic && status == BP_ERROR_ARGUMENT && bp_activation_name(*output);
         ++*output)
        status = bp_model_create_layers(model, layers, count, &options);
    free(layers);
    return status;
}

int cli_make_network(bp_model **model, const cli_command *command, const cli_network *network)
{
    ends of;
    int code = read_ends(&of, command, network->layers);
    *model = NULL;
    if (code < 0) {
        bp_status status = make_hidden(model, &of, network);
        if (status == BP_OK) status = set_output(model, network);
        if (status != BP_OK) code = cli_fail(status, NULL);
    }
    free(of.hidden);
    return code;
}
