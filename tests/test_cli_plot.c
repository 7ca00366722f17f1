/* test_cli_plot.c - the pictures: learning curves of one training, the comparison of several from their
 * logs, confusion matrices. They are read back: the places of an SVG's points against the
 * numbers of the log, the pixels of a PNG. */
#define _XOPEN_SOURCE 700
#include "cli/run.h"

#include <dlfcn.h>
#include <zlib.h>

TestSuite(cli_plot, .init = make_folder, .fini = remove_folder, .timeout = 120);

static char *text_of(const char *name)
{
    result r = shell("cat '%s'", path_of(name));
    cr_assert_eq(r.code, 0, "%s", r.err);
    free(r.err);
    return r.out;
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)) != NULL; text += strlen(word)) ++count;
    return count;
}

/* A log of `epochs` whose losses fall from 2 by the power, with validation and accuracy. */
static void write_log(const char *name, int epochs, double power)
{
    FILE *file = fopen(path_of(name), "w");
    for (int e = 1; e <= epochs; ++e)
        fprintf(file,
                "{\"epoch\": %d, \"step\": %d, \"train_loss\": %.9g, \"validation_loss\": %.9g, "
                "\"validation_accuracy\": %.9g, \"lr\": 0.01, \"seconds\": %g}\n",
                e, 10 * e, 2 * pow(e, -power), 0.1 + 2 * pow(e, -power), 1 - 0.5 / e, 0.5 * e);
    fclose(file);
}

/* ---- SVG --------------------------------------------------------------------------------------
 */

/* The y of the first two marks of the first panel and their numbers: what maps places back. */
typedef struct axis {
    double y[2], value[2];
} axis;

static axis axis_of(const char *svg)
{
    axis a;
    for (int i = 0; i < 2; ++i) {
        svg = strstr(svg, "<text class=\"y mute\"");
        cr_assert_not_null(svg);
        cr_assert_eq(sscanf(strstr(svg, " y=\"") + 4, "%lf", &a.y[i]), 1);
        cr_assert_eq(sscanf(strchr(svg, '>') + 1, "%lf", &a.value[i]), 1);
        a.y[i] -= 4; /* the text's base line below its mark */
        ++svg;
    }
    return a;
}

static double value_at(const axis *a, double y, bool log)
{
    const double share = (y - a->y[0]) / (a->y[1] - a->y[0]);
    if (!log) return a->value[0] + share * (a->value[1] - a->value[0]);
    return pow(10, log10(a->value[0]) + share * (log10(a->value[1]) - log10(a->value[0])));
}

/* The points of the n-th curve, from 0; returns how many. */
static size_t curve(const char *svg, int n, double (*points)[2], size_t most)
{
    do {
        svg = strstr(svg, "<path class=\"curve");
        cr_assert_not_null(svg, "curve %d is missing", n);
        ++svg;
    } while (n-- > 0);
    const char *at = strstr(svg, " d=\"") + 4;
    size_t count = 0;
    while ((*at == 'M' || *at == 'L') && count < most) {
        int used = 0;
        cr_assert_eq(sscanf(at + 1, "%lf %lf%n", &points[count][0], &points[count][1], &used), 2);
        at += 1 + used;
        ++count;
    }
    return count;
}

static void check_curve(const char *svg, const char *log_name)
{
    double points[64][2];
    const axis a = axis_of(svg);
    const bool logarithmic = strstr(svg, "loss (log)") != NULL;
    char *log = text_of(log_name);
    for (int n = 0; n < 2; ++n) {
        const char *line = log;
        const size_t count = curve(svg, n, points, 64);
        for (size_t i = 0; i < count; ++i, line = strchr(line, '\n') + 1) {
            json_t *json = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
            const double loss = want_number(json, n ? "validation_loss" : "train_loss");
            const double shown = value_at(&a, points[i][1], logarithmic);
            cr_assert(fabs(shown - loss) < 0.01 * fabs(loss) + 0.003, "curve %d, %zu: %g for %g", n,
                      i, shown, loss);
            cr_assert(i == 0 || points[i][0] > points[i - 1][0]);
            json_decref(json);
        }
        cr_assert(*line == '\0', "curve %d has only %zu points", n, count);
    }
    free(log);
}

Test(cli_plot, curves_show_the_numbers_of_the_log)
{
    write_flowers("d.csv", 90, 1, true);
    result r =
        shell("exec " CLI " train %s --device reference --epochs 12 --validation-split 0.3 -q "
              "--log %s --plot %s",
              path_of("d.csv"), path_of("log"), path_of("c.svg"));
    assert_code(r, 0);
    free_result(&r);
    char *svg = text_of("c.svg");
    check_curve(svg, "log");
    assert_has(svg, ">training</text>");
    assert_has(svg, ">validation</text>");
    assert_has(svg, "best validation loss ");
    assert_has(svg, ">accuracy, %</text>");
    assert_has(svg, "prefers-color-scheme:dark");
    assert_has_not(svg, "learning rate"); /* it stays what it is */
    free(svg);
    /* The same from the log, and with the logarithm where the losses are far apart. */
    write_log("wide", 40, 2);
    r = shell("exec " CLI " plot %s -o %s --json", path_of("wide"), path_of("w.svg"));
    assert_code(r, 0);
    json_t *json = json_of(&r);
    const json_t *run = json_array_get(want_key(json, "runs", "a"), 0);
    cr_assert_eq(want_number(run, "epochs"), 40);
    cr_assert_eq(want_number(run, "best_epoch"), 40);
    cr_assert(json_is_false(json_object_get(run, "diverged")));
    json_decref(json);
    free_result(&r);
    svg = text_of("w.svg");
    assert_has(svg, "loss (log)");
    check_curve(svg, "wide");
    free(svg);
    r = shell("exec " CLI " plot %s -o %s --scale linear --theme dark --title 'a <b> & c'",
              path_of("wide"), path_of("w.svg"));
    assert_code(r, 0);
    free_result(&r);
    svg = text_of("w.svg");
    assert_has_not(svg, "(log)");
    assert_has_not(svg, "prefers-color-scheme");
    assert_has(svg, "a &lt;b> &amp; c");
    check_curve(svg, "wide");
    free(svg);
}

Test(cli_plot, runs_are_told_apart)
{
    mkdir(path_of("a"), 0777);
    mkdir(path_of("b"), 0777);
    write_log("a/run", 9, 1);
    write_log("b/run", 7, 0.5);
    write_log("other", 8, 0.7);
    result r = shell("cd %s && exec " CLI " plot a/run b/run other -o p.svg --x seconds", folder);
    assert_code(r, 0);
    free_result(&r);
    char *svg = text_of("p.svg");
    assert_has(svg, ">a/run</text>");
    assert_has(svg, ">b/run</text>");
    assert_has(svg, ">other</text>");
    assert_has(svg, "seconds of training");
    double points[64][2];
    cr_assert_eq(curve(svg, 0, points, 64), 9); /* thin curves first */
    cr_assert_eq(curve(svg, 1, points, 64), 7);
    cr_assert_eq(curve(svg, 3, points, 64), 9);
    free(svg);
}

/* One epoch, a hundred thousand, losses that are not finite, a divergence, names without end. */
Test(cli_plot, odd_logs_are_drawn)
{
    const char *gaps = "{\"epoch\":1,\"train_loss\":1,\"validation_loss\":null}\n"
                       "{\"epoch\":2,\"train_loss\":null,\"validation_loss\":2}\n"
                       "{\"epoch\":3,\"train_loss\":0.5,\"other\":[1]}\n"
                       "{\"epoch\":4,\"train_loss\":0.4}\n"
                       "{\"epoch\":5,\"train_loss\":null,\"diverged\":true}\n";
    write_log("one", 1, 1);
    write_log("many", 100000, 0.1);
    write_text("gaps", gaps);
    write_text("nothing", "{\"epoch\":1,\"train_loss\":null,\"diverged\":true}\n");
    write_text("zero", "{\"epoch\":1,\"train_loss\":5}\n{\"epoch\":2,\"train_loss\":0}\n");
    write_text("huge", "{\"epoch\":1,\"train_loss\":1e-300}\n{\"epoch\":2,\"train_loss\":1e300}\n");
    const char *const logs[] = {"one", "many", "gaps", "nothing", "zero", "huge"};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; ++i)
        for (int scale = 0; scale < 3; ++scale) {
            const char *const scales[] = {"auto", "linear", "log"};
            result r = shell("exec " CLI " plot %s -o %s --scale %s", path_of(logs[i]),
                             path_of("p.svg"), scales[scale]);
            assert_code(r, 0);
            cr_assert_str_empty(r.err);
            free_result(&r);
            char *svg = text_of("p.svg");
            assert_has_not(svg, "nan");
            assert_has_not(svg, "inf");
            cr_assert_lt(strlen(svg), 150000, "%s: %zu bytes", logs[i], strlen(svg));
            cr_assert_str_eq(svg + strlen(svg) - 7, "</svg>\n");
            free(svg);
        }
    result r = shell("exec " CLI " plot %s -o %s", path_of("gaps"), path_of("p.svg"));
    free_result(&r);
    char *svg = text_of("p.svg");
    assert_has(svg, "diverged in epoch 5");
    assert_has(svg, "best validation loss 2 in epoch 2");
    /* Alone between gaps: a point, since no line ends there. */
    double points[8][2];
    cr_assert_eq(curve(svg, 0, points, 8), 3);
    cr_assert_geq(occurrences(svg, "r=\"2.5\""), 4);
    free(svg);
}

Test(cli_plot, damaged_logs_are_named_by_line_and_column)
{
    write_log("good", 3, 1);
    const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"epoch\":1}\n{\"epoch\":2,}\n{\"epoch\":3}\n", "bad, line 2, column 12: not JSON: "},
        {"{\"epoch\":1}\nepoch 2\n\n", "bad, line 2, column "},
        {"{\"epoch\":1,\"epoch\":2}\n", "bad, line 1, column "},
        {"[1]\n", "bad, line 1: not a JSON object"},
        {"\n{\"loss\":1}\n", "bad, line 2: \"epoch\" is missing"},
        {"{\"epoch\":\"1\"}\n", "bad, line 1: \"epoch\" is neither"},
        {"{\"epoch\":-1}\n", "bad, line 1: \"epoch\" is not a number from 0 on"},
        {"{\"epoch\":1,\"train_loss\":\"low\"}\n", "bad, line 1: \"train_loss\" is neither"},
        {"", "bad: holds no epochs"},
        {"\n \n", "bad: holds no epochs"},
        {"{\"epoch\":1", "bad, line 1, column "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        write_text("bad", cases[i].text);
        result r = shell("cd %s && exec " CLI " plot good bad -o p.svg", folder);
        assert_code(r, 3);
        assert_has(r.err, cases[i].says);
        cr_assert(!exists("p.svg"));
        free_result(&r);
    }
    result r = shell("cd %s && exec " CLI " plot . -o p.svg", folder);
    assert_code(r, 3);
    assert_has(r.err, "is a folder");
    free_result(&r);
    r = shell("cd %s && exec " CLI " plot missing -o p.svg", folder);
    assert_code(r, 3);
    assert_has(r.err, "missing: cannot be read");
    free_result(&r);
    /* A line that is being written, and epochs that come again. */
    write_text("live", "{\"epoch\":1,\"train_loss\":1}\n{\"epoch\":2,\"train_loss\":2}\n{\"epo");
    r = shell("cd %s && exec " CLI " plot live -o p.svg --json", folder);
    assert_code(r, 0);
    assert_has(r.err, "live, line 3: not complete");
    assert_has(r.out, "\"epochs\": 2");
    free_result(&r);
    write_text("again", "{\"epoch\":1,\"train_loss\":1}\n{\"epoch\":2,\"train_loss\":2}\n"
                        "{\"epoch\":3,\"train_loss\":3}\n{\"epoch\":2,\"train_loss\":0.5}\n");
    r = shell("cd %s && exec " CLI " plot - -o p.svg --json < again", folder);
    assert_code(r, 0);
    assert_has(r.err, "standard input, line 4: epoch 2 comes again");
    assert_has(r.out, "\"epochs\": 2, \"best_epoch\": 2, \"train_loss\": 0.5");
    free_result(&r);
}

Test(cli_plot, wrong_usage_is_found_before_the_training)
{
    write_flowers("d.csv", 30, 1, true);
    write_log("log", 2, 1);
    const struct {
        const char *line, *says;
        int code;
    } cases[] = {
        {"plot log", "name the picture with -o", 2},
        {"plot log -o p.txt", "-o p.txt: the name must end in .svg or .png", 2},
        {"plot log -o log", "overwrite", 2},
        {"plot log -o /nowhere/p.svg", "/nowhere/p.svg", 1},
        {"plot - - -o p.svg", "once only", 2},
        {"plot log -o p.svg --theme drak", "it must be one of", 2},
        {"train d.csv --plot d.csv", "overwrite", 2},
        {"train d.csv --plot p.pdf", "--plot p.pdf: the name must end in .svg or .png", 2},
        {"train d.csv --plot p.svg --log p.svg", "name the same file", 2},
        {"train d.csv --plot p.svg -o p.svg", "name the same file", 2},
        {"train d.csv --plot /nowhere/p.svg", "/nowhere/p.svg", 1},
        {"train d.csv --tensorboard -", "folder", 2},
        {"train d.csv --tensorboard d.csv", "overwrite", 2},
        {"train d.csv --tensorboard log/x", "log/x: event files cannot be written: Not a directory",
         1},
        {"train d.csv --log l --plot p.png", "librsvg2-2", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("cd %s && exec env BACKPROP_RSVG_LIBRARY=/nowhere.so " CLI
                         " %s --epochs 1 --device reference",
                         folder, cases[i].line);
        if (strncmp(cases[i].line, "plot", 4) == 0) {
            free_result(&r);
            r = shell("cd %s && exec " CLI " %s", folder, cases[i].line);
        }
        cr_assert_eq(r.code, cases[i].code, "%s: %d, %s", cases[i].line, r.code, r.err);
        cr_assert(strstr(r.err, cases[i].says), "%s: %s", cases[i].line, r.err);
        cr_assert_str_empty(r.out);
        free_result(&r);
    }
    cr_assert(!exists("p.svg") && !exists("p.png") && !exists("l"));
}

/* ---- PNG --------------------------------------------------------------------------------------
 */

typedef struct image {
    int width, height;
    int channels;
    uint8_t *pixels;
} image;

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int paeth(int a, int b, int c)
{
    const int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* Filters undone in place: each line of `raw` starts with its filter's number. */
static void unfilter(const image *png, const uint8_t *raw)
{
    const int channels = png->channels, stride = channels * png->width;
    for (int y = 0; y < png->height; ++y) {
        const uint8_t *line = raw + (size_t)y * (size_t)(stride + 1);
        uint8_t *out = png->pixels + (size_t)y * (size_t)stride;
        for (int i = 0; i < stride; ++i) {
            const int left = i >= channels ? out[i - channels] : 0, up = y ? out[i - stride] : 0;
            const int corner = y && i >= channels ? out[i - stride - channels] : 0;
            const int added[] = {0, left, up, (left + up) / 2, paeth(left, up, corner)};
            cr_assert_lt(line[0], 5);
            out[i] = (uint8_t)(line[1 + i] + added[line[0]]);
        }
    }
}

/* What cairo writes: 8 bits of red, green and blue, and of alpha unless all is opaque, not
 * interlaced.
 */
static image read_png(const char *name)
{
    static uint8_t bytes[1 << 22], packed[1 << 22];
    FILE *file = fopen(path_of(name), "rb");
    cr_assert_not_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    cr_assert(size > 33 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0);
    image png = {(int)big_endian(bytes + 16), (int)big_endian(bytes + 20), bytes[25] == 6 ? 4 : 3,
                 NULL};
    cr_assert(bytes[24] == 8 && (bytes[25] == 6 || bytes[25] == 2) && bytes[28] == 0,
              "depth %d, colours %d", bytes[24], bytes[25]);
    size_t used = 0;
    for (size_t at = 8; at + 12 <= size; at += 12 + big_endian(bytes + at)) {
        if (memcmp(bytes + at + 4, "IDAT", 4) != 0) continue;
        memcpy(packed + used, bytes + at + 8, big_endian(bytes + at));
        used += big_endian(bytes + at);
    }
    uLongf raw_size = (uLongf)(png.channels * png.width + 1) * (uLongf)png.height;
    uint8_t *raw = malloc(raw_size);
    cr_assert_eq(uncompress(raw, &raw_size, packed, used), Z_OK);
    png.pixels = malloc((size_t)(png.channels * png.width) * (size_t)png.height);
    unfilter(&png, raw);
    free(raw);
    return png;
}

static size_t pixels_of(const image *png, uint32_t rgb)
{
    size_t count = 0;
    for (size_t i = 0; i < (size_t)png->width * (size_t)png->height; ++i) {
        const uint8_t *p = png->pixels + (size_t)png->channels * i;
        count += ((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]) == rgb;
    }
    return count;
}

static void need_librsvg(void)
{
    void *library = dlopen("librsvg-2.so.2", RTLD_LAZY);
    if (!library) cr_skip_test("no librsvg here");
}

Test(cli_plot, png_is_the_same_picture)
{
    need_librsvg();
    write_log("log", 30, 1);
    const struct {
        const char *theme;
        uint32_t paper, first, second;
    } cases[] = {{"light", 0xffffff, 0x0b62c4, 0xb3450c},
                 {"dark", 0x16181c, 0x6cb2ff, 0xff9b66},
                 {"auto", 0xffffff, 0x0b62c4, 0xb3450c}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        result r = shell("exec " CLI " plot %s -o %s --theme %s", path_of("log"), path_of("p.png"),
                         cases[i].theme);
        assert_code(r, 0);
        free_result(&r);
        image png = read_png("p.png");
        cr_assert_eq(png.width, 1920);
        const size_t all = (size_t)png.width * (size_t)png.height;
        cr_assert_gt(pixels_of(&png, cases[i].paper), all / 2, "%s", cases[i].theme);
        cr_assert_gt(pixels_of(&png, cases[i].first), 1500, "%s", cases[i].theme);
        cr_assert_gt(pixels_of(&png, cases[i].second), 3000, "%s", cases[i].theme);
        free(png.pixels);
    }
}

/* ---- confusion --------------------------------------------------------------------------------
 */

Test(cli_plot, confusion_counts_what_predict_says)
{
    train_flowers("m");
    write_flowers("more.csv", 120, 7, true);
    result r =
        shell("cd %s && exec " CLI " eval m more.csv --device reference --plot-confusion c.svg "
              "--plot-theme dark",
              folder);
    assert_code(r, 0);
    free_result(&r);
    r = shell("cd %s && " CLI " predict m more.csv --device reference -q > said && "
              "tail -n +2 more.csv | cut -d, -f4 | paste -d' ' - said | sort | uniq -c | "
              "while read n t p; do echo $n $t $p; done",
              folder);
    assert_code(r, 0);
    char *svg = text_of("c.svg");
    assert_has(svg, ">daisy</text>");
    assert_has(svg, "predicted class");
    assert_has(svg, "of 120 rows right");
    size_t pairs = 0;
    for (const char *line = r.out; *line; line = strchr(line, '\n') + 1, ++pairs) {
        char count[32];
        snprintf(count, sizeof count, ">%d</text>", atoi(line));
        assert_has(svg, count);
    }
    cr_assert_geq(pairs, 3);
    cr_assert_eq(occurrences(svg, "fill-opacity"), pairs + 20, "a cell for each pair, and the key");
    free(svg);
    free_result(&r);

    write_prices("p.csv", 40, 1);
    r = shell("cd %s && " CLI " train p.csv -q --device reference --epochs 1 -o q >out && exec " CLI
              " eval q p.csv --device reference --plot-confusion d.svg",
              folder);
    assert_code(r, 2);
    assert_has(r.err, "--plot-confusion is for classes");
    cr_assert(!exists("d.svg"));
    free_result(&r);
}
