/* svg.c - the frame, the colours and the texts of the command's pictures. */
#include "svg.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "files.h"
#include "output.h"
#include "png.h"

/* ---- options ----------------------------------------------------------------------------------
 */

static const char *theme_name(int32_t code)
{
    static const char *const names[] = {"auto", "light", "dark"};
    return code >= 0 && code <= CLI_THEME_DARK ? names[code] : NULL;
}

cli_option cli_picture_option(const char *name, const char **path, const char *help)
{
    return (cli_option){
        .name = name, .kind = CLI_TEXT, .to.text = path, .value = "FILE.svg|png", .help = help};
}

cli_option cli_theme_option(const char *name, int32_t *theme)
{
    return (cli_option){.name = name,
                        .kind = CLI_CHOICE,
                        .to.code = theme,
                        .value = "NAME",
                        .choice = theme_name,
                        .help = "the picture's paper; auto: as the reader of an SVG has set, light "
                                "for PNG"};
}

static bool ends_with(const char *path, const char *ending)
{
    const size_t length = strlen(path), wanted = strlen(ending);
    return length > wanted && strcasecmp(path + length - wanted, ending) == 0;
}

int cli_picture_check(const cli_command *command, const char *option, const char *path)
{
    if (!path) return -1;
    const char *dashes = strlen(option) > 1 ? "--" : "-";
    if (strcmp(path, "-") == 0)
        return cli_usage(command, "%s%s -: a picture is written to a file", dashes, option);
    const bool png = ends_with(path, ".png");
    if (!png && !ends_with(path, ".svg"))
        return cli_usage(command, "%s%s %s: the name must end in .svg or .png", dashes, option,
                         path);
    if (png && cli_png_problem())
        return cli_error(CLI_FAILURE, "%s%s %s: %s", dashes, option, path, cli_png_problem());
    return cli_check_output(path);
}

/* ---- the frame --------------------------------------------------------------------------------
 */

typedef struct colours {
    const char *paper, *ink, *mute, *grid, *bad;
    const char *things[SVG_COLOURS];
} colours;

/* Told apart also by those who do not see red or green, in this order. */
static const colours light = {"#fff",
                              "#222",
                              "#666",
                              "#e3e3e3",
                              "#c02626",
                              {"#0b62c4", "#b3450c", "#1a7f37", "#7b3fb5", "#946200", "#0e7c86",
                               "#b0307a", "#5a6270"}},
                     dark = {"#16181c",
                             "#ddd",
                             "#999",
                             "#34373d",
                             "#ff7070",
                             {"#6cb2ff", "#ff9b66", "#5fd07f", "#c79bff", "#e6b84c", "#4fc4cf",
                              "#f58ac2", "#a6aebb"}};

static void print_colours(FILE *to, const colours *c)
{
    fprintf(to,
            "text{fill:%s} .paper,.on{fill:%s} .grid{stroke:%s} text.mute{fill:%s} "
            "path.mute{stroke:%s} text.bad{fill:%s} path.bad{stroke:%s}\n",
            c->ink, c->paper, c->grid, c->mute, c->mute, c->bad, c->bad);
    for (int i = 0; i < SVG_COLOURS; ++i)
        fprintf(to, ".c%d{fill:%s} .l%d{stroke:%s}\n", i, c->things[i], i, c->things[i]);
}

FILE *svg_begin(cli_drawing *d, double width, double height, cli_theme theme, const char *style)
{
    *d = (cli_drawing){NULL, NULL, 0};
    d->to = open_memstream(&d->text, &d->size);
    if (!d->to) return NULL;
    fprintf(d->to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
            "viewBox=\"0 0 %.0f %.0f\">\n<style>\n"
            "text{font:13px sans-serif} .bold{font-weight:bold} .big{font-size:16px} "
            ".small{font-size:11px} path{fill:none} .x{text-anchor:middle} .y{text-anchor:end}\n%s",
            width, height, width, height, style);
    /* Plain rules only: not every program that shows SVG knows variables, or asks for dark colours.
     */
    print_colours(d->to, theme == CLI_THEME_DARK ? &dark : &light);
    if (theme == CLI_THEME_AUTO) {
        fputs("@media (prefers-color-scheme:dark){\n", d->to);
        print_colours(d->to, &dark);
        fputs("}\n", d->to);
    }
    fputs("</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n", d->to);
    return d->to;
}

static int write_png(const cli_drawing *d, const char *path)
{
    unsigned char *png;
    size_t size;
    const char *failed = cli_png_make(&png, &size, d->text, d->size);
    if (failed) return cli_error(CLI_FAILURE, "%s: %s", path, failed);
    const int code = cli_write_file(path, (const char *)png, size);
    free(png);
    return code;
}

int svg_end(cli_drawing *d, const char *path)
{
    bool complete = d->to != NULL;
    if (complete) fputs("</svg>\n", d->to);
    if (complete && ferror(d->to)) complete = false;
    if (d->to && fclose(d->to) != 0) complete = false;
    int code = CLI_OK;
    if (!complete)
        code = cli_error(CLI_FAILURE, "%s: out of memory", path);
    else
        code =
            ends_with(path, ".png") ? write_png(d, path) : cli_write_file(path, d->text, d->size);
    free(d->text);
    *d = (cli_drawing){NULL, NULL, 0};
    return code;
}

/* ---- texts ------------------------------------------------------------------------------------
 */

/* The character that text starts with: its bytes, and 1 or 2 columns; 0 bytes where it is none that
 * XML can hold. Wide are the blocks of Hangul, of kana and of ideographs, and emoji. */
static size_t next_character(const char *text, size_t *columns)
{
    const unsigned char *s = (const unsigned char *)text;
    *columns = 1;
    if (s[0] >= 0x20 && s[0] < 0x7f) return 1;
    const size_t length = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                          : (s[0] & 0xf0) == 0xe0       ? 3
                          : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                        : 0;
    uint32_t code = s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; ++i) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* from 0x80 to 0x9f: controls */
    if (length == 0 || code < least[length] || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe)
        return 0;
    const bool wide = (code >= 0x1100 && code < 0x1160) || (code >= 0x2e80 && code < 0xa4d0) ||
                      (code >= 0xac00 && code < 0xd7a4) || (code >= 0xf900 && code < 0xfb00) ||
                      (code >= 0xff00 && code < 0xff61) || (code >= 0x1f300 && code < 0x20000) ||
                      (code >= 0x20000 && code < 0x40000);
    *columns = wide ? 2 : 1;
    return length;
}

static const char *past(const char *text, size_t *columns)
{
    const size_t bytes = next_character(text, columns);
    return text + (bytes ? bytes : 1);
}

static size_t all_columns(const char *text)
{
    size_t columns = 0, one;
    while (*text) {
        text = past(text, &one);
        columns += one;
    }
    return columns;
}

size_t svg_columns(const char *text, size_t most)
{
    const size_t all = all_columns(text);
    return most && all > most ? most : all;
}

static void print_character(FILE *to, const char *text, size_t bytes)
{
    if (bytes == 0)
        fputc('?', to);
    else if (*text == '<')
        fputs("&lt;", to);
    else if (*text == '&')
        fputs("&amp;", to);
    else
        fwrite(text, 1, bytes, to);
}

void svg_text(FILE *to, const char *text, size_t most)
{
    const size_t all = all_columns(text);
    const bool cut = most && all > most;
    /* Of a path the end says more than the beginning. */
    const size_t head = cut ? (most - 1) / 3 : all, tail = cut ? all - (most - 1 - head) : all;
    bool told = false;
    for (size_t at = 0, columns; *text; at += columns) {
        const size_t bytes = next_character(text, &columns);
        if (at + columns <= head || at >= tail) {
            print_character(to, text, bytes);
        } else if (!told) {
            fputs("…", to);
            told = true;
        }
        text += bytes ? bytes : 1;
    }
}

void svg_label(FILE *to, const char *classes, double x, double y, const char *text, size_t most)
{
    fprintf(to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", classes, x, y);
    svg_text(to, text, most);
    fputs("</text>\n", to);
}
