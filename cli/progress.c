/* progress.c - draws the bar. A line is padded with blanks over the one before it, so that no more
 * than \r is asked of the terminal. */
#include "progress.h"

#include <math.h>
#include <string.h>

#include "output.h"

enum { BAR_MOST = 40, BAR_LEAST = 6, LINE = 1024 };

cli_progress cli_progress_begin(bool quiet)
{
    cli_progress progress = {.silent = quiet, .terminal = cli_terminal_of(stderr)};
    return progress;
}

static void append(char line[LINE], const char *text)
{
    size_t used = strlen(line);
    snprintf(line + used, LINE - used, "%s", text);
}

/* The bar itself: eighths of a column where block characters can be shown. */
static void append_bar(char line[LINE], const cli_terminal *terminal, int width, double fraction)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    if (!(fraction >= 0)) fraction = 0;
    if (fraction > 1) fraction = 1;
    long parts = lround(fraction * width * 8);
    int full = (int)(parts / 8), rest = (int)(parts % 8), used = full;
    append(line, terminal->utf8 ? "▕" : "[");
    if (terminal->colour) append(line, "\033[32m");
    for (int i = 0; i < full; ++i) append(line, terminal->utf8 ? "█" : "#");
    if (terminal->utf8 && rest > 0) {
        append(line, eighths[rest]);
        ++used;
    }
    if (terminal->colour) append(line, "\033[0m");
    for (; used < width; ++used) append(line, terminal->utf8 ? " " : ".");
    append(line, terminal->utf8 ? "▏" : "]");
}

static double seconds_left(const bp_progress *now)
{
    double done =
        ((double)(now->epoch - 1) + (double)now->step / (double)now->steps) / (double)now->epochs;
    double left = done > 0 ? now->seconds * (1 - done) / done : NAN;
    return left < 0.1 ? 0.1 : left; /* milliseconds would only flicker */
}

/* What stands behind the bar. Where the window is narrow the least important goes first, a field as
 * a whole: a number that is cut would be another number. */
static int describe(char *out, size_t size, const bp_progress *now, int columns)
{
    char rate[CLI_NUMBER], left[CLI_NUMBER], fields[4][64] = {"", "", "", ""};
    static const int drop_order[] = {0, 2, 1, 3};
    snprintf(fields[0], sizeof *fields, " %lld/%lld", (long long)now->step, (long long)now->steps);
    if (now->step > 0) {
        snprintf(fields[1], sizeof *fields, "  loss %.4g", now->train_loss);
        snprintf(fields[2], sizeof *fields, "  %s/s", cli_human(rate, now->samples_per_second));
        snprintf(fields[3], sizeof *fields, "  %s left", cli_duration(left, seconds_left(now)));
    }
    for (size_t drop = 0;; ++drop) {
        const int length =
            snprintf(out, size, "%s%s%s%s", fields[0], fields[1], fields[2], fields[3]);
        if (length <= columns || drop == sizeof drop_order / sizeof *drop_order) return length;
        fields[drop_order[drop]][0] = '\0';
    }
}

static void draw_bar(cli_progress *progress, const bp_progress *now)
{
    char before[128], after[256];
    int columns = cli_terminal_columns(stderr) - 1;
    int head = snprintf(before, sizeof before, "epoch %lld/%lld ", (long long)now->epoch,
                        (long long)now->epochs);
    int tail = describe(after, sizeof after, now, columns - head);
    int width = columns - head - tail - 2;
    if (width > BAR_MOST) width = BAR_MOST;
    char line[LINE] = "";
    int drawn = head + tail;
    append(line, before);
    if (width >= BAR_LEAST) {
        append_bar(line, &progress->terminal, width, (double)now->step / (double)now->steps);
        drawn += width + 2;
    }
    append(line, after);
    if (drawn > columns) { /* no bar then, so bytes are columns */
        drawn = columns;
        line[columns] = '\0';
    }
    /* A window that has become narrower would break a longer line in two. */
    const int old = progress->drawn < columns ? progress->drawn : columns;
    fprintf(stderr, "\r%s%*s", line, old > drawn ? old - drawn : 0, "");
    fflush(stderr);
    progress->drawn = drawn;
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->drawn > 0) {
        const int columns = cli_terminal_columns(stderr) - 1;
        fprintf(stderr, "\r%*s\r", progress->drawn < columns ? progress->drawn : columns, "");
        fflush(stderr);
    }
    progress->drawn = 0;
}

static void print_epoch(const bp_progress *now)
{
    char text[CLI_NUMBER], count[CLI_NUMBER];
    int digits = snprintf(count, sizeof count, "%lld", (long long)now->epochs);
    fprintf(stderr, "epoch %*lld/%s  loss %-9.5g", digits, (long long)now->epoch, count,
            now->train_loss);
    if (isfinite(now->validation_loss))
        fprintf(stderr, "  validation loss %-9.5g", now->validation_loss);
    if (isfinite(now->validation_accuracy))
        fprintf(stderr, "  accuracy %.2f %%", 100 * now->validation_accuracy);
    fprintf(stderr, "  %s samples/s", cli_human(text, now->samples_per_second));
    fprintf(stderr, "  %s\n", cli_duration(text, now->seconds));
    fflush(stderr);
}

void cli_progress_update(cli_progress *progress, const bp_progress *now)
{
    if (progress->silent) return;
    if (now->epoch_done) {
        cli_progress_end(progress);
        print_epoch(now);
    } else if (progress->terminal.live && now->steps > 0 && now->epochs > 0) {
        draw_bar(progress, now);
    }
}
