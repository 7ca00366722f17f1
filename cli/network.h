/* network.h - a network that is described on the command line, for explain and gradcheck. */
#ifndef CLI_NETWORK_H
#define CLI_NETWORK_H

#include "backprop.h"
#include "options.h"

typedef struct cli_network {
    const char *layers; /* widths; NULL: a model is used instead */
    int32_t activation, output_activation, loss, bias;
    uint64_t seed;
} cli_network;

enum { CLI_NETWORK_OPTIONS = 5 };

cli_network cli_network_default(void);

/* Fills rows with --layers, --activation, --output-activation, --loss and --seed; returns how many.
 */
size_t cli_network_options(cli_network *network, cli_option rows[CLI_NETWORK_OPTIONS]);

/* For a command that has a model: none of those but --activation may be given, and --seed. Reports;
 * an exit code or -1. */
int cli_network_check(const cli_command *command);

/* The model, its weights drawn by the seed. Reports; an exit code or -1. */
int cli_make_network(bp_model **model, const cli_command *command, const cli_network *network);

#endif
