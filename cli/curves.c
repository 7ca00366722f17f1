/* curves.c - draws learning curves. Panels stand below one another on a common axis: the losses,
 * the accuracies where there are any, the learning rate where it changes. */
#include "curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum { WIDTH = 960, LEFT = 76, RIGHT = WIDTH - 28, TOP = 44, GAP = 34, AXIS = 46 };
enum { MARKED = 60 };   /* points up to which each is marked */
enum { COLUMNS = 900 }; /* points from which a column of the picture holds several */
enum { DASHES = 4 };

static const char style[] =
    ".curve{stroke-width:2;stroke-linejoin:round} .faint{stroke-width:1.2;stroke-opacity:.55}\n"
    ".mark1{stroke-dasharray:7 3} .mark2{stroke-dasharray:2 3} .mark3{stroke-dasharray:9 3 2 3}\n"
    ".best{stroke-dasharray:3 4} path.bad{stroke-width:2}\n";

const char *cli_curve_x_name(int32_t code)
{
    static const char *const names[] = {"epoch", "step", "seconds"};
    return code >= 0 && code <= CLI_X_SECONDS ? names[code] : NULL;
}

/* ---- what is drawn ----------------------------------------------------------------------------
 */

typedef double (*number_of)(const cli_epoch *epoch);

static double train_loss(const cli_epoch *e)
{
    return e->train_loss;
}
static double validation_loss(const cli_epoch *e)
{
    return e->validation_loss;
}
static double validation_accuracy(const cli_epoch *e)
{
    return 100 * e->validation_accuracy;
}
static double learning_rate(const cli_epoch *e)
{
    return e->lr;
}
static double epoch_number(const cli_epoch *e)
{
    return e->epoch;
}
static double step_number(const cli_epoch *e)
{
    return e->step;
}
static double seconds(const cli_epoch *e)
{
    return e->seconds;
}

static const struct {
    number_of value;
    const char *title;
} axes[] = {{epoch_number, "epoch"}, {step_number, "step"}, {seconds, "seconds of training"}};

/* A panel's curves: `second`, where it is there, is what counts, and `first` stands behind it. */
static const struct panel {
    const char *title;
    number_of first, second;
    double height;
    bool losses; /* scaled as asked for, with the best epoch and divergences */
} panels[] = {
    {"loss", train_loss, validation_loss, 340, true},
    {"accuracy, %", NULL, validation_accuracy, 190, false},
    {"learning rate", NULL, learning_rate, 110, false},
};
enum { PANELS = sizeof panels / sizeof *panels };

typedef struct figure {
    FILE *to;
    const cli_history *runs;
    size_t count;
    const cli_curve_options *options;
    number_of x_value;
    cli_scale x, y;
} figure;

static cli_range range_of(const figure *f, number_of value)
{
    cli_range range = cli_range_none();
    for (size_t r = 0; r < f->count && value; ++r)
        for (size_t i = 0; i < f->runs[r].count; ++i)
            cli_range_add(&range, value(&f->runs[r].epochs[i]));
    return range;
}

static bool is_wanted(const figure *f, const struct panel *panel)
{
    const cli_range range = range_of(f, panel->second);
    if (panel->losses) return true;
    return panel->second == learning_rate ? range.low < range.high : range.low <= range.high;
}

/* ---- curves -----------------------------------------------------------------------------------
 */

typedef struct place {
    double x, y;
    bool there;
} place;

static place place_of(const figure *f, const cli_epoch *epoch, number_of value)
{
    const double x = f->x_value(epoch), y = value(epoch);
    if (!isfinite(x) || !isfinite(y)) return (place){0, 0, false};
    return (place){cli_scale_at(&f->x, x), cli_scale_at(&f->y, y), true};
}

/* What of a column of the picture is seen: where the curve enters, its ends, and where it leaves.
 */
typedef struct column {
    double x, first, low, high, last;
    bool open;
} column;

static void put(FILE *to, bool *pen, double x, double y)
{
    fprintf(to, "%c%.1f %.1f", *pen ? 'L' : 'M', x, y);
    *pen = true;
}

static void close_column(FILE *to, bool *pen, column *c)
{
    if (!c->open) return;
    put(to, pen, c->x, c->first);
    if (c->low < c->high) {
        put(to, pen, c->x, c->low);
        put(to, pen, c->x, c->high);
        put(to, pen, c->x, c->last);
    }
    c->open = false;
}

static void draw_path(const figure *f, const cli_history *run, number_of value)
{
    const bool dense = run->count > COLUMNS;
    bool pen = false;
    column c = {.open = false};
    for (size_t i = 0; i < run->count; ++i) {
        const place p = place_of(f, &run->epochs[i], value);
        if (!p.there || (c.open && (!dense || p.x >= c.x + 1))) close_column(f->to, &pen, &c);
        if (!p.there) {
            pen = false;
            continue;
        }
        if (!c.open) c = (column){p.x, p.y, p.y, p.y, p.y, true};
        c.low = fmin(c.low, p.y);
        c.high = fmax(c.high, p.y);
        c.last = p.y;
    }
    close_column(f->to, &pen, &c);
}

/* Points that a line does not show: few of them, and those without neighbours. */
static void draw_points(const figure *f, const cli_history *run, number_of value, size_t colour,
                        double radius)
{
    for (size_t i = 0; i < run->count; ++i) {
        const place p = place_of(f, &run->epochs[i], value);
        const bool alone = !(i > 0 && place_of(f, &run->epochs[i - 1], value).there) &&
                           !(i + 1 < run->count && place_of(f, &run->epochs[i + 1], value).there);
        if (p.there && (alone || run->count <= MARKED))
            fprintf(f->to, "<circle class=\"c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", colour,
                    p.x, p.y, radius);
    }
}

/* Of one run the first curve and the second have colours; of several, each run has. */
static size_t colour_of(const figure *f, size_t run, bool second)
{
    return (f->count == 1 ? second : run) % SVG_COLOURS;
}

static void draw_curve(const figure *f, size_t run, number_of value, bool second)
{
    const size_t colour = colour_of(f, run, second);
    const bool faint = f->count > 1 && !second;
    fprintf(f->to, "<path class=\"curve%s l%zu mark%zu\" d=\"", faint ? " faint" : "", colour,
            run / SVG_COLOURS % DASHES);
    draw_path(f, &f->runs[run], value);
    fputs("\"/>\n", f->to);
    if (f->count == 1 || second || !cli_history_validated(&f->runs[run]))
        draw_points(f, &f->runs[run], value, colour, faint ? 1.5 : 2.5);
}

static void draw_best(const figure *f, size_t run, double top, double bottom)
{
    const cli_history *h = &f->runs[run];
    const size_t best = cli_history_best(h);
    if (best == h->count) return;
    const bool second = cli_history_validated(h);
    const place p = place_of(f, &h->epochs[best], second ? validation_loss : train_loss);
    if (!p.there) return;
    if (f->count == 1)
        fprintf(f->to, "<path class=\"mute best\" d=\"M%.1f %.1fV%.1f\"/>\n", p.x, top, bottom);
    fprintf(f->to,
            "<circle class=\"c%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/><circle class=\"on\" "
            "cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n",
            colour_of(f, run, second), p.x, p.y, p.x, p.y);
}

static void draw_cross(FILE *to, double x, double y)
{
    fprintf(to, "<path class=\"bad\" d=\"M%.1f %.1fl10 10m0 -10l-10 10\"/>\n", x - 5, y - 5);
}

/* The last epoch, where it diverged; else NULL. */
static const cli_epoch *divergence(const cli_history *h)
{
    const cli_epoch *last = h->count ? &h->epochs[h->count - 1] : NULL;
    return last && last->diverged ? last : NULL;
}

/* ---- axes -------------------------------------------------------------------------------------
 */

static void draw_y_axis(const figure *f, const char *title, double top, double bottom)
{
    char text[32];
    for (size_t i = 0; i < f->y.tick_count; ++i) {
        const double y = cli_scale_at(&f->y, f->y.ticks[i]);
        fprintf(f->to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, y, RIGHT);
        svg_label(f->to, "y mute", LEFT - 7, y + 4, cli_scale_text(text, &f->y, f->y.ticks[i]), 0);
    }
    fprintf(f->to, "<path class=\"grid\" d=\"M%d %.1fV%.1f\"/>\n", LEFT, top, bottom);
    fprintf(f->to, "<text class=\"x\" transform=\"translate(16 %.1f) rotate(-90)\">%s%s</text>\n",
            (top + bottom) / 2, title, f->y.log ? " (log)" : "");
}

static void draw_x_axis(const figure *f, double top, double bottom, bool last)
{
    char text[32];
    for (size_t i = 0; i < f->x.tick_count; ++i) {
        const double x = cli_scale_at(&f->x, f->x.ticks[i]);
        fprintf(f->to, "<path class=\"grid\" d=\"M%.1f %.1fV%.1f\"/>", x, top, bottom);
        if (last)
            svg_label(f->to, "x mute", x, bottom + 18, cli_scale_text(text, &f->x, f->x.ticks[i]),
                      0);
    }
    fprintf(f->to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", LEFT, bottom, RIGHT);
    if (last)
        svg_label(f->to, "x", (LEFT + RIGHT) / 2.0, bottom + 38, axes[f->options->x].title, 0);
}

static void draw_panel(figure *f, const struct panel *panel, double top, bool last)
{
    const double bottom = top + panel->height;
    cli_range range = range_of(f, panel->second);
    const cli_range behind = range_of(f, panel->first);
    if (behind.low <= behind.high) {
        cli_range_add(&range, behind.low);
        cli_range_add(&range, behind.high);
        cli_range_add(&range, behind.least);
    }
    f->y = cli_scale_make(&range,
                          panel->losses                    ? (cli_scale_kind)f->options->scale
                          : panel->second == learning_rate ? CLI_SCALE_AUTO
                                                           : CLI_SCALE_LINEAR,
                          bottom, top, true, false);
    const bool empty = !(range.low <= range.high);
    if (empty) f->y.tick_count = 0;
    draw_y_axis(f, panel->title, top, bottom);
    draw_x_axis(f, top, bottom, last);
    if (empty)
        svg_label(f->to, "x mute", (LEFT + RIGHT) / 2.0, (top + bottom) / 2,
                  "no loss that is a finite number", 0);
    for (size_t r = 0; r < f->count && panel->first; ++r) draw_curve(f, r, panel->first, false);
    for (size_t r = 0; r < f->count; ++r) draw_curve(f, r, panel->second, true);
    for (size_t r = 0; r < f->count && panel->losses; ++r) {
        draw_best(f, r, top, bottom);
        const cli_epoch *end = divergence(&f->runs[r]);
        if (end) draw_cross(f->to, cli_scale_at(&f->x, f->x_value(end)), top + 11);
    }
}

/* ---- the legend -------------------------------------------------------------------------------
 */

static double draw_key(const figure *f, double x, double y, const char *classes, size_t colour,
                       const char *text, size_t most)
{
    fprintf(f->to, "<path class=\"curve %s l%zu\" d=\"M%.1f %.1fh24\"/>", classes, colour, x,
            y - 4);
    svg_label(f->to, "", x + 31, y, text, most);
    return x + 31 + SVG_CHAR * (double)svg_columns(text, most) + 24;
}

/* "best validation loss 0.1234 in epoch 17 (accuracy 97.50 %)" */
static void describe_best(char *out, size_t size, const cli_history *h)
{
    const size_t best = cli_history_best(h);
    const bool validated = cli_history_validated(h);
    if (best == h->count) {
        snprintf(out, size, "no finite loss");
        return;
    }
    const cli_epoch *e = &h->epochs[best];
    int used = snprintf(out, size, "best %s loss %.4g in epoch %.0f",
                        validated ? "validation" : "training",
                        validated ? e->validation_loss : e->train_loss, e->epoch);
    if (isfinite(e->validation_accuracy) && used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, ", accuracy %.2f %%",
                 100 * e->validation_accuracy);
}

static void draw_legend_of_one(const figure *f, double y)
{
    char text[160];
    const bool validated = cli_history_validated(f->runs);
    double x = draw_key(f, LEFT, y, "", 0, "training", 0);
    if (validated) x = draw_key(f, x, y, "", 1, "validation", 0);
    if (cli_history_best(f->runs) < f->runs->count) {
        describe_best(text, sizeof text, f->runs);
        fprintf(f->to,
                "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/><circle class=\"on\" "
                "cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>",
                validated, x + 5, y - 4, x + 5, y - 4);
        svg_label(f->to, "", x + 16, y, text, 0);
        x += 16 + SVG_CHAR * (double)strlen(text);
    }
    const cli_epoch *end = divergence(f->runs);
    if (!end) return;
    draw_cross(f->to, x + 5, y - 4);
    snprintf(text, sizeof text, "diverged in epoch %.0f", end->epoch);
    svg_label(f->to, "bad", x + 16, y, text, 0);
}

static void draw_legend(const figure *f, double y)
{
    enum { NAME = 44, REST = LEFT + 31 + NAME * SVG_CHAR + 24 };
    char text[160], classes[16];
    if (f->count == 1) {
        draw_legend_of_one(f, y);
        return;
    }
    svg_label(f->to, "mute", LEFT, y,
              "bold: validation, thin: training, circle: best epoch of a run", 0);
    for (size_t r = 0; r < f->count; ++r) {
        y += SVG_LINE;
        snprintf(classes, sizeof classes, "mark%zu", r / SVG_COLOURS % DASHES);
        draw_key(f, LEFT, y, classes, r % SVG_COLOURS, f->runs[r].name, NAME);
        describe_best(text, sizeof text, &f->runs[r]);
        svg_label(f->to, "mute", REST, y, text, 0);
        if (divergence(&f->runs[r])) svg_label(f->to, "bad y", RIGHT, y, "diverged", 0);
    }
}

int cli_curves_draw(const char *path, const cli_history *runs, size_t count,
                    const cli_curve_options *options)
{
    figure f = {.runs = runs, .count = count, .options = options};
    f.x_value = axes[options->x].value;
    double height = TOP;
    size_t last = 0;
    for (size_t p = 0; p < PANELS; ++p) {
        if (!is_wanted(&f, &panels[p])) continue;
        height += panels[p].height + GAP;
        last = p;
    }
    height += AXIS - GAP;
    const double legend = height + SVG_LINE;
    height = legend + (count > 1 ? (double)count * SVG_LINE : 0) + 16;
    const cli_range x = range_of(&f, f.x_value);
    f.x = cli_scale_make(&x, CLI_SCALE_LINEAR, LEFT, RIGHT, false, options->x != CLI_X_SECONDS);

    cli_drawing drawing;
    f.to = svg_begin(&drawing, WIDTH, height, (cli_theme)options->theme, style);
    if (!f.to) return svg_end(&drawing, path);
    char title[64] = "Learning curve";
    if (count > 1) snprintf(title, sizeof title, "Learning curves of %zu runs", count);
    svg_label(f.to, "big bold", LEFT, 26, options->title ? options->title : title, 84);
    double top = TOP;
    for (size_t p = 0; p < PANELS; ++p) {
        if (!is_wanted(&f, &panels[p])) continue;
        draw_panel(&f, &panels[p], top, p == last);
        top += panels[p].height + GAP;
    }
    draw_legend(&f, legend);
    return svg_end(&drawing, path);
}
