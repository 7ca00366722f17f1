/* info.h - what the two files of `backprop info` share. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "input.h"

/* Describes a data set; returns an exit code. */
int cli_info_data(const cli_command *command, const cli_input *input, const cli_files *files);

#endif
