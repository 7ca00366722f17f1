/* picture.h - draws grey pictures in a terminal, with what the model said beneath them. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include <stddef.h>
#include <stdio.h>

#include "terminal.h"

typedef struct cli_picture {
    const float *pixels; /* [height][width] */
    char said[96];       /* "predicted: 7 (97 %)" */
    char truth[96];      /* "true: 1", empty where it is not known */
    bool wrong;
} cli_picture;

/* As many side by side as the terminal is wide for. */
void cli_draw_pictures(FILE *to, const cli_terminal *terminal, const cli_picture *pictures,
                       size_t count, size_t height, size_t width);

#endif
