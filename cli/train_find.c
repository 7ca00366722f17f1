/* train_find.c - `backprop train --find-lr`: the learning-rate range test as a picture and as JSON.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backprop_evaluate.h"
#include "output.h"
#include "stop.h"
#include "terminal.h"
#include "train.h"

enum { CHART_ROWS = 12, CHART_COLUMNS = 64 };

static json_t *test_json(const bp_rate_test *test, const bp_device *device)
{
    json_t *json = json_object(), *points = json_array();
    json_object_set_new(json, "suggested", cli_json_number(test->suggested));
    json_object_set_new(json, "steepest", cli_json_number(test->steepest));
    json_object_set_new(json, "lowest", cli_json_number(test->lowest));
    json_object_set_new(json, "exploded", json_boolean(test->exploded));
    for (size_t i = 0; i < test->count; ++i) {
        json_t *point = json_object();
        json_object_set_new(point, "lr", cli_json_number(test->points[i].rate));
        json_object_set_new(point, "loss", cli_json_number(test->points[i].loss));
        json_object_set_new(point, "smoothed", cli_json_number(test->points[i].smoothed));
        json_array_append_new(points, point);
    }
    json_object_set_new(json, "points", points);
    json_object_set_new(json, "device", cli_json_text(bp_device_get_info(device)->name));
    return json;
}

/* The chart's column of a rate, between the first and the last that were tried. */
static int column_of(const bp_rate_test *test, double rate)
{
    const double first = test->points[0].rate, last = test->points[test->count - 1].rate;
    return last > first ? (int)lround(log(rate / first) / log(last / first) * (CHART_COLUMNS - 1))
                        : 0;
}

/* Marks powers of ten below the axis. */
static void print_axis(const bp_rate_test *test)
{
    char ticks[CHART_COLUMNS + 1], labels[CHART_COLUMNS + 9];
    memset(ticks, '-', CHART_COLUMNS);
    memset(labels, ' ', sizeof labels - 1);
    ticks[CHART_COLUMNS] = labels[sizeof labels - 1] = '\0';
    const double last = test->points[test->count - 1].rate;
    for (int power = (int)ceil(log10(test->points[0].rate) - 1e-9); pow(10, power) <= last;
         ++power) {
        char label[16];
        const int at = column_of(test, pow(10, power));
        ticks[at] = '+';
        const int length = snprintf(label, sizeof label, "1e%d", power);
        memcpy(labels + at, label, (size_t)length);
    }
    printf("           +%s\n            %s  learning rate\n", ticks, labels);
}

/* The smoothed loss by the rate, which is marked; the scale ends a little above the first loss. */
static void print_chart(const bp_rate_test *test, const cli_terminal *terminal)
{
    const char *const dot = terminal->utf8 ? "●" : "*", *const mark = terminal->utf8 ? "│" : "|";
    double column[CHART_COLUMNS], low = test->points[0].smoothed;
    const double high = 1.3 * test->points[0].smoothed;
    for (int c = 0; c < CHART_COLUMNS; ++c) column[c] = NAN;
    for (size_t i = 0; i < test->count; ++i) {
        column[column_of(test, test->points[i].rate)] = test->points[i].smoothed;
        low = fmin(low, test->points[i].smoothed);
    }
    const int chosen = isfinite(test->suggested) && test->suggested >= test->points[0].rate
                           ? column_of(test, test->suggested)
                           : -1;
    for (int r = 0; r < CHART_ROWS; ++r) {
        const double top = high - (high - low) * (r - 0.5) / (CHART_ROWS - 1),
                     bottom = high - (high - low) * (r + 0.5) / (CHART_ROWS - 1);
        if (r % 4 == 0 || r == CHART_ROWS - 1)
            printf("%10.4g |", (top + bottom) / 2);
        else
            printf("%10s |", "");
        for (int c = 0; c < CHART_COLUMNS; ++c)
            fputs(column[c] <= top && column[c] > bottom ? dot : c == chosen ? mark : " ", stdout);
        putchar('\n');
    }
    print_axis(test);
}

static int print_test(const cli_command *command, const bp_rate_test *test, const bp_device *device)
{
    if (command->json) return cli_print_json(stdout, test_json(test, device));
    const cli_terminal terminal = cli_terminal_of(stdout);
    printf("loss (smoothed)\n");
    print_chart(test, &terminal);
    printf("\nlowest loss at  %.2g%s\nsteepest at     %.2g\n", test->lowest,
           test->exploded ? ", then it explodes" : "", test->steepest);
    if (isfinite(test->suggested))
        printf("suggested       --lr %.2g\n", test->suggested);
    else
        printf("suggested       none: the loss never sank\n");
    return CLI_OK;
}

static int observe(const bp_progress *now, void *user)
{
    *(bp_progress *)user = *now;
    return cli_stop_signal() != 0;
}

int cli_train_find(const cli_command *command, const train_settings *s, const bp_model *model,
                   bp_device *device, const bp_data *data)
{
    bp_train_options how = s->how;
    bp_rate_test *test;
    bp_progress last = {0};
    how.seed = s->seed;
    how.progress = observe;
    how.user = &last;
    cli_stop_catch();
    const bp_status status = bp_find_rate(&test, model, device, data, &how, NULL);
    if (status == BP_ERROR_CANCELLED) {
        if (!command->quiet)
            cli_note("stopped after %" PRId64 " of %" PRId64 " steps: too early to suggest a "
                     "learning rate",
                     last.step, last.steps);
        return CLI_SIGNAL + cli_stop_signal();
    }
    if (status != BP_OK) return cli_fail(status, NULL);
    int code = CLI_OK;
    if (test->count < 2)
        code = cli_error(CLI_DIVERGED, "the loss is not finite from the first step on");
    else
        code = print_test(command, test, device);
    bp_rate_test_free(test);
    return code;
}
