/* picture.c - a character cell is about twice as high as it is wide. With colour and UTF-8 it shows
 * two pixels, the upper in the foreground of a half block and the lower in its background; without,
 * it shows one of ten shades for the mean of the two. */
#include "picture.h"

#include <string.h>

#include "output.h"

enum { GAP = 3, CAPTION = 28 };

/* The picture as it is drawn: rows and columns of cells' halves. */
typedef struct raster {
    size_t height, width; /* of the picture */
    size_t rows, columns; /* as drawn */
    float low, high;      /* values shown as black and white */
} raster;

/* The mean of the pixels that fall on one drawn point. */
static double shade(const raster *r, const float *pixels, size_t row, size_t column)
{
    if (row >= r->rows) return 0;
    size_t top = row * r->height / r->rows, bottom = (row + 1) * r->height / r->rows;
    size_t left = column * r->width / r->columns, right = (column + 1) * r->width / r->columns;
    double sum = 0;
    size_t count = 0;
    for (size_t y = top; y < bottom || y == top; ++y)
        for (size_t x = left; x < right || x == left; ++x, ++count)
            sum += (double)pixels[y * r->width + x];
    double value = (sum / (double)count - (double)r->low) / ((double)r->high - (double)r->low);
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static void draw_line(FILE *to, const cli_terminal *terminal, const raster *r, const float *pixels,
                      size_t line)
{
    for (size_t c = 0; c < r->columns; ++c) {
        double upper = shade(r, pixels, 2 * line, c), lower = shade(r, pixels, 2 * line + 1, c);
        if (terminal->utf8 && terminal->colour == CLI_COLOUR_TRUE) {
            int u = (int)(upper * 255 + 0.5), l = (int)(lower * 255 + 0.5);
            fprintf(to, "\033[38;2;%d;%d;%dm\033[48;2;%d;%d;%dm▀", u, u, u, l, l, l);
        } else if (terminal->utf8 && terminal->colour == CLI_COLOUR_256) {
            int u = 232 + (int)(upper * 23 + 0.5), l = 232 + (int)(lower * 23 + 0.5);
            fprintf(to, "\033[38;5;%dm\033[48;5;%dm▀", u, l);
        } else {
            static const char shades[] = " .:-=+*#%@";
            fputc(shades[(int)((upper + lower) / 2 * 9 + 0.5)], to);
        }
    }
    if (terminal->utf8 && terminal->colour) fputs("\033[0m", to);
}

/* How many columns text takes, were every UTF-8 character one column. */
static size_t text_columns(const char *text)
{
    size_t count = 0;
    for (; *text; ++text) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void draw_caption(FILE *to, const cli_terminal *terminal, const char *text, bool wrong,
                         size_t cell, bool last)
{
    const char *mark = !wrong ? "" : terminal->utf8 ? "  ✗ wrong" : "  x wrong";
    size_t used = text_columns(text) + text_columns(mark);
    cli_print_text(to, text);
    if (wrong && terminal->colour) fputs("\033[31m", to);
    fputs(mark, to);
    if (wrong && terminal->colour) fputs("\033[0m", to);
    if (!last) fprintf(to, "%*s", (int)(used < cell ? cell - used : 1), "");
}

static void draw_row(FILE *to, const cli_terminal *terminal, const raster *r,
                     const cli_picture *pictures, size_t count, size_t cell)
{
    for (size_t line = 0; line < (r->rows + 1) / 2; ++line) {
        for (size_t i = 0; i < count; ++i) {
            draw_line(to, terminal, r, pictures[i].pixels, line);
            if (i + 1 < count) fprintf(to, "%*s", (int)(cell - r->columns), "");
        }
        fputc('\n', to);
    }
    for (size_t i = 0; i < count; ++i)
        draw_caption(to, terminal, pictures[i].said, false, cell, i + 1 == count);
    fputc('\n', to);
    bool any = false;
    for (size_t i = 0; i < count; ++i) any = any || pictures[i].truth[0];
    for (size_t i = 0; any && i < count; ++i)
        draw_caption(to, terminal, pictures[i].truth, pictures[i].wrong, cell, i + 1 == count);
    fputs(any ? "\n\n" : "\n", to);
}

void cli_draw_pictures(FILE *to, const cli_terminal *terminal, const cli_picture *pictures,
                       size_t count, size_t height, size_t width)
{
    raster r = {.height = height, .width = width, .rows = height, .columns = width};
    size_t room = (size_t)terminal->columns;
    if (r.columns > room) {
        r.columns = room;
        r.rows = height * room / width;
        if (r.rows == 0) r.rows = 1;
    }
    size_t cell = (r.columns > CAPTION ? r.columns : CAPTION) + GAP;
    size_t side_by_side = (room + GAP) / cell;
    if (side_by_side == 0) side_by_side = 1;

    /* Pixels of a byte are 0…1 once encoded; other pictures are stretched to their own range. */
    r.high = 1;
    for (size_t i = 0; i < count; ++i)
        for (size_t k = 0; k < height * width; ++k) {
            if (pictures[i].pixels[k] < r.low) r.low = pictures[i].pixels[k];
            if (pictures[i].pixels[k] > r.high) r.high = pictures[i].pixels[k];
        }
    for (size_t i = 0; i < count; i += side_by_side) {
        size_t here = count - i < side_by_side ? count - i : side_by_side;
        draw_row(to, terminal, &r, pictures + i, here, cell);
    }
}
