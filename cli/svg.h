/* svg.h - what the pictures of the command share: the frame of an SVG document, its colours on
 * light and on dark paper, texts, and the way into a file, as SVG or as PNG.
 *
 * Colours are classes of the document's style, so that one drawing serves both papers: `paper`,
 * `grid`, `mute` for what stands back, and for things that are told apart c0, c1… (filled) and l0,
 * l1… (lines). */
#ifndef CLI_SVG_H
#define CLI_SVG_H

#include <stdint.h>
#include <stdio.h>

#include "options.h"

/* auto: the reader's own setting decides, where the program that shows the picture knows it; light
 * in a PNG. */
typedef enum cli_theme { CLI_THEME_AUTO, CLI_THEME_LIGHT, CLI_THEME_DARK } cli_theme;

enum { SVG_COLOURS = 8, SVG_LINE = 19, SVG_CHAR = 8 }; /* a line's height, a character's width */

/* The option that names a picture's file, and the one that chooses its paper. */
cli_option cli_picture_option(const char *name, const char **path, const char *help);
cli_option cli_theme_option(const char *name, int32_t *theme);

/* Whether a picture can be made and written under path (NULL: none is wanted), which the option
 * named; before what it is to show is computed. Reports; an exit code or -1. */
int cli_picture_check(const cli_command *command, const char *option, const char *path);

/* A drawing in memory, which must stay where it is until svg_end. */
typedef struct cli_drawing {
    FILE *to;
    char *text;
    size_t size;
} cli_drawing;

/* Opens the document and returns where to print what it shows; NULL without memory, which svg_end
 * reports. style: rules beside the common ones, which may be empty. */
FILE *svg_begin(cli_drawing *drawing, double width, double height, cli_theme theme,
                const char *style);

/* Closes it and writes it to path: PNG where the name ends so, else SVG. Releases it. Reports;
 * an exit code. */
int svg_end(cli_drawing *drawing, const char *path);

/* Prints text as the content of an element: escaped, control characters and bytes that are no UTF-8
 * as '?', in the middle shortened to `most` columns (0: as it is). */
void svg_text(FILE *to, const char *text, size_t most);

/* How many columns svg_text fills; wide characters of eastern scripts take two. */
size_t svg_columns(const char *text, size_t most);

/* <text class="…" x="…" y="…">text</text> */
void svg_label(FILE *to, const char *classes, double x, double y, const char *text, size_t most);

#endif
