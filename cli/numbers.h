/* numbers.h - numbers given on the command line as a list or in a file, and lists of layers. */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include "options.h"

/* Numbers of an option: text is a list ("0.15,.2,-1e-3"), the name of a file of numbers, or - for
 * standard input. They are separated by commas, semicolons, blanks or line ends; in a file # begins
 * a comment. Exactly `wanted` are taken; what ("weights of the layers 2,2,2") is for the message.
 * *out is the caller's: free(). Reports; an exit code or -1. */
int cli_read_numbers(double **out, const cli_command *command, const char *option, const char *text,
                     size_t wanted, const char *what);

enum { CLI_WIDTHS = 64, CLI_WIDTHS_TEXT = CLI_WIDTHS * 10 };

/* Widths of layers, inputs first. */
typedef struct cli_widths {
    size_t widths[CLI_WIDTHS], count;
} cli_widths;

/* --layers: "784,128,10". Reports; an exit code or -1. */
int cli_read_widths(cli_widths *out, const cli_command *command, const char *text);

/* "784,128,10" */
const char *cli_widths_text(char text[CLI_WIDTHS_TEXT], const cli_widths *widths);

#endif
