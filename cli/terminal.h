/* terminal.h - what the terminal behind a stream can show. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

typedef enum cli_colour { CLI_COLOUR_NONE, CLI_COLOUR_256, CLI_COLOUR_TRUE } cli_colour;

typedef struct cli_terminal {
    bool live;         /* a terminal that can redraw a line */
    bool utf8;         /* the locale says that UTF-8 is understood */
    cli_colour colour; /* none for NO_COLOR, a dumb terminal, a file or a pipe */
    int columns;       /* width, 80 where it is not known */
} cli_terminal;

cli_terminal cli_terminal_of(FILE *stream);

/* The width now: it changes when the window is resized. */
int cli_terminal_columns(FILE *stream);

#endif
