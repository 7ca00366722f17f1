/* png.h - SVG as PNG, by librsvg and cairo. They are opened when a PNG is asked for: nothing else
 * waits for them or needs them. */
#ifndef CLI_PNG_H
#define CLI_PNG_H

#include <stddef.h>

/* NULL where PNGs can be made; else what is missing. */
const char *cli_png_problem(void);

/* Draws svg[size], twice as large as it says, since screens are fine today. *png is the caller's.
 * NULL, or what went wrong. */
const char *cli_png_make(unsigned char **png, size_t *png_size, const char *svg, size_t size);

#endif
