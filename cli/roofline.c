/* roofline.c - the picture of `backprop bench`: each network at its operations a byte and operations a
 * second, under what its device was measured to reach (Williams, Waterman, Patterson, "Roofline",
 * CACM 52, 2009). SVG, in the reader's light or dark colours. */
#include "bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "svg.h"

/* The plot's edges; the legend is to its right, a line for each device and each network. */
enum { LEFT = 70, TOP = 24, RIGHT = 560, HEIGHT = 420, LEGEND = 600, WIDTH = 1000, LINE = SVG_LINE };
static const char style[] = ".roof{stroke-width:2} .mark{font-size:11px;font-weight:bold}\n";

/* Powers of ten at the plot's edges. */
typedef struct axes {
    int x0, x1, y0, y1;
    double bottom;
} axes;

static double intensity(const bench_row *row)
{
    return row->result.step_gflop / row->result.step_gbytes;
}

static double x_of(const axes *a, double value)
{
    return LEFT + (log10(value) - a->x0) / (a->x1 - a->x0) * (RIGHT - LEFT);
}

static double y_of(const axes *a, double value)
{
    return a->bottom - (log10(value) - a->y0) / (a->y1 - a->y0) * (a->bottom - TOP);
}

/* Every network, and where each roof has its edge. */
static axes axes_of(const bench_row *rows, size_t count)
{
    double x[2] = {HUGE_VAL, 0}, y[2] = {HUGE_VAL, 0};
    for (size_t i = 0; i < count; ++i) {
        const bp_device_peak *peak = &rows[i].peak;
        const double edge = peak->gflops / peak->gbytes_per_second;
        x[0] = fmin(x[0], fmin(intensity(&rows[i]), edge));
        x[1] = fmax(x[1], fmax(intensity(&rows[i]), edge));
        y[0] = fmin(y[0], rows[i].result.gflops);
        y[1] = fmax(y[1], fmax(rows[i].result.gflops, peak->gflops));
    }
    return (axes){(int)floor(log10(x[0]) - 0.1), (int)ceil(log10(x[1]) + 0.1),
                  (int)floor(log10(y[0]) - 0.1), (int)ceil(log10(y[1]) + 0.1), TOP + HEIGHT};
}

static void draw_axes(FILE *to, const axes *a)
{
    for (int d = a->x0; d <= a->x1; ++d) {
        const double x = x_of(a, pow(10, d));
        fprintf(to, "<path class=\"grid\" d=\"M%.1f %d V%.1f\"/><text class=\"x\" x=\"%.1f\" "
                    "y=\"%.1f\">%g</text>\n",
                x, TOP, a->bottom, x, a->bottom + 18, pow(10, d));
    }
    for (int d = a->y0; d <= a->y1; ++d) {
        const double y = y_of(a, pow(10, d));
        fprintf(to, "<path class=\"grid\" d=\"M%d %.1f H%d\"/><text class=\"y\" x=\"%d\" y=\"%.1f\">%g"
                    "</text>\n",
                LEFT, y, RIGHT, LEFT - 7, y + 4, pow(10, d));
    }
    fprintf(to, "<text class=\"x\" x=\"%d\" y=\"%.1f\">operations for each byte</text>\n",
            (LEFT + RIGHT) / 2, a->bottom + 40);
    fprintf(to, "<text class=\"x\" transform=\"translate(18 %.1f) rotate(-90)\">GFLOP/s</text>\n",
            (TOP + a->bottom) / 2);
}

/* The slope of the memory, cut off at the plot's lower edge, and the level of the arithmetic. */
static void draw_roof(FILE *to, const axes *a, const bp_device_peak *peak, size_t colour)
{
    const double low = pow(10, a->x0), floor_y = pow(10, a->y0);
    const double from = fmax(low, floor_y / peak->gbytes_per_second);
    const double edge = peak->gflops / peak->gbytes_per_second;
    fprintf(to, "<path class=\"roof l%zu\" d=\"M%.1f %.1f L%.1f %.1f H%d\"/>\n",
            colour, x_of(a, from), y_of(a, from * peak->gbytes_per_second), x_of(a, edge),
            y_of(a, peak->gflops), RIGHT);
}

static void draw_mark(FILE *to, double x, double y, size_t colour, size_t number)
{
    fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"9\" class=\"c%zu\"/>"
                "<text class=\"mark on x\" x=\"%.1f\" y=\"%.1f\">%zu</text>\n",
            x, y, colour, x, y + 4, number);
}

static void draw_device(FILE *to, double y, size_t colour, const bench_row *row)
{
    char classes[16];
    snprintf(classes, sizeof classes, "bold c%zu", colour);
    svg_label(to, classes, LEGEND, y, row->device.name, 44);
    fprintf(to, "<text x=\"%d\" y=\"%.1f\">%.4g GFLOP/s, %.3g GB/s</text>\n", LEGEND, y + LINE,
            row->peak.gflops, row->peak.gbytes_per_second);
}

static void draw_network(FILE *to, double y, size_t colour, size_t number, const bench_row *row)
{
    char layers[CLI_WIDTHS_TEXT];
    cli_widths_text(layers, &row->network.layers);
    if (strlen(layers) > 28) memcpy(layers + 25, "...", 4);
    draw_mark(to, LEGEND + 9, y - 4, colour, number);
    fprintf(to, "<text x=\"%d\" y=\"%.1f\">%s at %lld: %.3g GFLOP/s, %.1f %%</text>\n", LEGEND + 26, y,
            layers, (long long)row->network.batch, row->result.gflops,
            100 * row->result.gflops / row->peak.gflops);
}

int bench_roofline(const char *path, const bench_row *rows, size_t count)
{
    const axes a = axes_of(rows, count);
    size_t devices = 0;
    for (size_t i = 0; i < count; ++i)
        devices += i == 0 || strcmp(rows[i].device.spec, rows[i - 1].device.spec) != 0;
    const double legend = TOP + (double)LINE * (double)(count + 3 * devices);
    cli_drawing drawing;
    FILE *to = svg_begin(&drawing, WIDTH, fmax(a.bottom + 56, legend), CLI_THEME_AUTO, style);
    if (!to) return svg_end(&drawing, path);
    draw_axes(to, &a);
    double y = TOP + 10;
    size_t device = 0;
    for (size_t i = 0; i < count; ++i) {
        const bool next = i > 0 && strcmp(rows[i].device.spec, rows[i - 1].device.spec) != 0;
        device += next;
        if (next) y += LINE;
        if (next || i == 0) {
            draw_roof(to, &a, &rows[i].peak, device % SVG_COLOURS);
            draw_device(to, y, device % SVG_COLOURS, &rows[i]);
            y += 2 * LINE + 4;
        }
        draw_mark(to, x_of(&a, intensity(&rows[i])), y_of(&a, rows[i].result.gflops),
                  device % SVG_COLOURS, i + 1);
        draw_network(to, y, device % SVG_COLOURS, i + 1, &rows[i]);
        y += LINE;
    }
    const int code = svg_end(&drawing, path);
    return code == CLI_OK ? -1 : code;
}
