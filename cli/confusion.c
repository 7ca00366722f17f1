/* confusion.c - the confusion matrix of `backprop eval`. Small ones have their counts written into
 * the cells, large ones are a map. */
#include "confusion.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { MOST_CLASSES = 1000, SIDE = 620, LARGEST_CELL = 92, NAME = 24, TOP = 66, EDGE = 24 };
enum { COUNTED = 30, PERCENT = 54 }; /* a cell's size from which it has a count, and a percentage */

void cli_confusion_rows(cli_confusion_options *o, cli_option rows[CLI_CONFUSION_OPTIONS])
{
    rows[0] = cli_picture_option("plot-confusion", &o->path,
                                 "which classes are taken for which, as a picture");
    rows[1] = cli_theme_option("plot-theme", &o->theme);
}

typedef struct matrix {
    size_t classes, rows, right;
    uint32_t *count; /* [true][predicted] */
    uint64_t *of_true;
    const bp_schema *schema;
} matrix;

static size_t best_of(const float *y, size_t count)
{
    size_t best = 0;
    for (size_t k = 1; k < count; ++k)
        if (y[k] > y[best]) best = k;
    return best;
}

static void count_rows(matrix *m, const int32_t *labels, const float *y, size_t rows)
{
    for (size_t i = 0; i < rows; ++i) {
        const size_t truth = (size_t)labels[i], said = best_of(y + i * m->classes, m->classes);
        ++m->count[truth * m->classes + said];
        ++m->of_true[truth];
        m->right += truth == said;
    }
}

/* Some thousand rows at a time: the outputs of many classes are larger than the matrix, and the
 * rows may be on disk. */
static int count_all(matrix *m, const bp_model *model, bp_device *device, const bp_data *data)
{
    enum { BLOCK = 8192 };
    float *x = malloc(BLOCK * bp_data_get_info(data).features * sizeof *x);
    float *y = malloc(BLOCK * m->classes * sizeof *y);
    int32_t *labels = malloc(BLOCK * sizeof *labels);
    const bool memory = x && y && labels;
    bp_status status = BP_OK;
    for (size_t row = 0; memory && row < m->rows && status == BP_OK; row += BLOCK) {
        const size_t rows = m->rows - row < BLOCK ? m->rows - row : BLOCK;
        status = bp_data_read(data, row, rows, x, labels, NULL);
        if (status == BP_OK) status = bp_predict(model, device, x, rows, y);
        if (status == BP_OK) count_rows(m, labels, y, rows);
    }
    free(x);
    free(y);
    free(labels);
    if (!memory) return cli_error(CLI_FAILURE, "out of memory");
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

static const char *class_name(const matrix *m, size_t k, char number[CLI_NUMBER])
{
    const char *name = m->schema ? bp_schema_output_name(m->schema, k) : NULL;
    if (!name) snprintf(number, CLI_NUMBER, "%zu", k);
    return name ? name : number;
}

static size_t longest_name(const matrix *m)
{
    char number[CLI_NUMBER];
    size_t longest = 0;
    for (size_t k = 0; k < m->classes; ++k) {
        const size_t columns = svg_columns(class_name(m, k, number), NAME);
        if (columns > longest) longest = columns;
    }
    return longest;
}

typedef struct figure {
    FILE *to;
    const matrix *m;
    double left, top, cell, side;
    bool upright; /* the names of columns do not fit above one another's cells lying down */
} figure;

/* Every class where there is room for its name, else every 2nd, 5th, 10th… */
static size_t every(const figure *f)
{
    static const size_t steps[] = {1, 2, 5, 10, 20, 50, 100};
    size_t i = 0;
    while (i + 1 < sizeof steps / sizeof *steps && (double)steps[i] * f->cell < 14) ++i;
    return steps[i];
}

static void draw_names(const figure *f)
{
    char number[CLI_NUMBER];
    const char *size = f->cell < 16 ? "small" : "";
    for (size_t k = 0; k < f->m->classes; k += every(f)) {
        const double middle = ((double)k + 0.5) * f->cell;
        const char *name = class_name(f->m, k, number);
        fprintf(f->to, "<text class=\"y %s\" x=\"%.1f\" y=\"%.1f\">", size, f->left - 8,
                f->top + middle + 4);
        svg_text(f->to, name, NAME);
        if (f->upright)
            fprintf(f->to,
                    "</text>\n<text class=\"%s\" transform=\"translate(%.1f %.1f) rotate(-90)\">",
                    size, f->left + middle + 4, f->top - 8);
        else
            fprintf(f->to, "</text>\n<text class=\"x %s\" x=\"%.1f\" y=\"%.1f\">", size,
                    f->left + middle, f->top - 8);
        svg_text(f->to, name, NAME);
        fputs("</text>\n", f->to);
    }
}

static void draw_count(const figure *f, size_t row, size_t column, uint32_t count, double share)
{
    const double x = f->left + ((double)column + 0.5) * f->cell;
    const double y = f->top + ((double)row + 0.5) * f->cell;
    const bool percent = f->cell >= PERCENT && count > 0;
    char text[CLI_NUMBER];
    snprintf(text, sizeof text, "%u", count);
    if ((double)strlen(text) * SVG_CHAR > f->cell - 2) cli_human(text, count);
    /* 0 % and 100 % are said of none and of all alone. */
    const int extreme = (share > 0 && share < 0.0995) || (share > 0.9895 && share < 1);
    const char *colour = share > 0.6 ? "on" : count ? "" : "mute";
    fprintf(f->to, "<text class=\"x %s %s\" x=\"%.1f\" y=\"%.1f\">%s</text>",
            f->cell < 40 ? "small" : "", colour, x, y + (percent ? -2 : 4), text);
    if (percent)
        fprintf(f->to, "<text class=\"x small %s\" x=\"%.1f\" y=\"%.1f\">%.*f %%</text>", colour, x,
                y + 14, extreme, 100 * share);
    fputc('\n', f->to);
}

static void draw_cells(const figure *f)
{
    const matrix *m = f->m;
    for (size_t row = 0; row < m->classes; ++row)
        for (size_t column = 0; column < m->classes; ++column) {
            const uint32_t count = m->count[row * m->classes + column];
            const double share = count ? (double)count / (double)m->of_true[row] : 0;
            /* Never so pale that a single mistake is lost. */
            if (count)
                fprintf(f->to,
                        "<rect class=\"c%d\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                        "fill-opacity=\"%.2f\"/>\n",
                        row != column, f->left + (double)column * f->cell,
                        f->top + (double)row * f->cell, f->cell, f->cell, 0.12 + 0.88 * share);
            if (f->cell >= COUNTED) draw_count(f, row, column, count, share);
        }
}

static void draw_grid(const figure *f)
{
    const size_t step = f->cell < 10 ? every(f) : 1;
    for (size_t k = 0; k <= f->m->classes; k += step) {
        const double at = (double)k * f->cell;
        fprintf(f->to, "<path class=\"grid\" d=\"M%.1f %.1fh%.1fM%.1f %.1fv%.1f\"/>\n", f->left,
                f->top + at, f->side, f->left + at, f->top, f->side);
    }
    fprintf(f->to, "<path class=\"grid\" d=\"M%.1f %.1fh%.1fv%.1fh-%.1fz\"/>\n", f->left, f->top,
            f->side, f->side, f->side);
}

/* Shares from 0 to 1 in the colours of right and of wrong. */
static void draw_key(const figure *f, double y)
{
    const char *const names[] = {"right", "wrong"};
    for (int kind = 0; kind < 2; ++kind) {
        const double x = f->left + 190 * kind;
        svg_label(f->to, "mute", x, y, names[kind], 0);
        for (int i = 0; i < 10; ++i)
            fprintf(f->to,
                    "<rect class=\"c%d\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"12\" "
                    "fill-opacity=\"%.2f\"/>",
                    kind, x + 48 + 10 * i, y - 11, 0.12 + 0.88 * i / 9.0);
    }
    svg_label(f->to, "mute", f->left, y + SVG_LINE,
              "shade: share of the rows of the true class, 0 to 100 %", 0);
}

static int draw(const cli_confusion_options *o, const matrix *m, const char *title)
{
    figure f = {.m = m};
    const double names = SVG_CHAR * (double)longest_name(m);
    f.cell = (double)SIDE / (double)m->classes;
    f.cell = fmin(f.cell, fmax(LARGEST_CELL, names + 12));
    if (f.cell < 1) f.cell = 1;
    f.side = f.cell * (double)m->classes;
    f.upright = names > f.cell - 6;
    f.left = EDGE + 18 + names + 12;
    f.top = TOP + 22 + (f.upright ? names : 14) + 8;
    const double width = fmax(f.left + f.side + EDGE, f.left + 420);
    const double height = f.top + f.side + 30 + 2 * SVG_LINE;

    cli_drawing drawing;
    f.to = svg_begin(&drawing, width, height, (cli_theme)o->theme, "");
    if (!f.to) return svg_end(&drawing, o->path);
    svg_label(f.to, "big bold", EDGE, 26, title, (size_t)((width - 2 * EDGE) / 10));
    fprintf(f.to, "<text class=\"mute\" x=\"%d\" y=\"46\">%zu of %zu rows right, %.2f %%</text>\n",
            EDGE, m->right, m->rows, 100 * (double)m->right / (double)m->rows);
    svg_label(f.to, "x", f.left + f.side / 2, TOP + 12, "predicted class", 0);
    fprintf(f.to,
            "<text class=\"x\" transform=\"translate(%d %.1f) rotate(-90)\">true class</text>\n",
            EDGE + 6, f.top + f.side / 2);
    draw_names(&f);
    draw_cells(&f);
    draw_grid(&f);
    draw_key(&f, f.top + f.side + 26);
    return svg_end(&drawing, o->path);
}

int cli_confusion_check(const cli_confusion_options *o, const cli_command *command,
                        const bp_model *model, const bp_data *data)
{
    const size_t classes = bp_model_get_info(model).outputs;
    if (!o->path) return -1;
    if (bp_data_get_info(data).task != BP_TASK_CLASSIFY)
        return cli_usage(command, "--plot-confusion is for classes, of which there are none here");
    if (classes > MOST_CLASSES)
        return cli_usage(command, "--plot-confusion: %zu classes; a picture shows at most %d",
                         classes, MOST_CLASSES);
    return -1;
}

int cli_confusion_draw(const cli_confusion_options *o, const bp_model *model, bp_device *device,
                       const bp_data *data, const char *title)
{
    matrix m = {.schema = bp_model_get_schema(model)};
    m.classes = bp_model_get_info(model).outputs;
    m.rows = bp_data_get_info(data).rows;
    m.count = calloc(m.classes * m.classes, sizeof *m.count);
    m.of_true = calloc(m.classes, sizeof *m.of_true);
    int code = m.count && m.of_true ? -1 : cli_error(CLI_FAILURE, "out of memory");
    if (code < 0) code = count_all(&m, model, device, data);
    if (code < 0) code = draw(o, &m, title);
    free(m.count);
    free(m.of_true);
    return code;
}
