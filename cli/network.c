/* network.c - --layers and what goes with it. */
#include "network.h"

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
         .help = "widths, inputs first: a network made here instead of a model"},
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

int cli_make_network(bp_model **model, const cli_command *command, const cli_network *network)
{
    cli_widths widths;
    int code = cli_read_widths(&widths, command, network->layers);
    if (code >= 0) return code;
    const size_t count = widths.count - 1;
    const int32_t hidden =
        network->activation == BP_ACTIVATION_AUTO ? BP_ACTIVATION_SIGMOID : network->activation;
    const bool automatic = network->output_activation == BP_ACTIVATION_AUTO;
    bp_layer layers[CLI_WIDTHS];
    for (size_t l = 0; l < count; ++l)
        layers[l] = (bp_layer){.inputs = widths.widths[l],
                               .outputs = widths.widths[l + 1],
                               .activation = hidden,
                               .bias = network->bias};
    bp_model_options options = bp_model_options_default();
    options.loss = network->loss;
    options.seed = network->seed;
    int32_t *output = &layers[count - 1].activation;
    *output = automatic ? hidden : network->output_activation;
    bp_status status = bp_model_create_layers(model, layers, count, &options);
    /* A loss may want an output of its own, as cross_entropy wants softmax. */
    for (*output = 0; automatic && status == BP_ERROR_ARGUMENT && bp_activation_name(*output);
         ++*output)
        status = bp_model_create_layers(model, layers, count, &options);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}
