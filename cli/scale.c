/* scale.c - linear axes are marked at 1, 2 or 5 times a power of ten, logarithmic ones at powers of
 * ten, or, where there are few, at 1, 2 and 5 times them. */
#include "scale.h"

#include <math.h>
#include <stdio.h>

enum { MOST_MARKS = 8 };
#define WIDE 50.0 /* a ratio above this makes a linear axis useless for the small numbers */

const char *cli_scale_name(int32_t code)
{
    static const char *const names[] = {"auto", "linear", "log"};
    return code >= 0 && code <= CLI_SCALE_LOG ? names[code] : NULL;
}

cli_range cli_range_none(void)
{
    return (cli_range){HUGE_VAL, -HUGE_VAL, HUGE_VAL};
}

void cli_range_add(cli_range *range, double value)
{
    if (!isfinite(value)) return;
    if (value < range->low) range->low = value;
    if (value > range->high) range->high = value;
    if (value > 0 && value < range->least) range->least = value;
}

static void add_tick(cli_scale *s, double value)
{
    const double slack = s->log ? 0 : 1e-9 * (s->high - s->low);
    if (s->tick_count < SCALE_TICKS && value >= s->low - slack && value <= s->high + slack)
        s->ticks[s->tick_count++] = value;
}

static void mark_linear(cli_scale *s, bool whole)
{
    const double rough = (s->high - s->low) / (MOST_MARKS - 2);
    const double power = pow(10, floor(log10(rough)));
    double step = power * (rough <= power       ? 1
                           : rough <= 2 * power ? 2
                           : rough <= 5 * power ? 5
                                                : 10);
    if (whole && step < 1) step = 1;
    const int digits = -(int)floor(log10(step) + 1e-9);
    s->digits = digits > 0 ? digits : 0;
    const double first = ceil(s->low / step - 1e-9);
    for (int i = 0; i <= SCALE_TICKS; ++i) {
        const double value = (first + i) * step;
        if (value > s->high + 1e-9 * step) break;
        add_tick(s, value == 0 ? 0 : value);
    }
}

static void mark_powers(cli_scale *s, const double *times, size_t count, int every)
{
    s->tick_count = 0;
    for (int e = (int)floor(log10(s->low)); e <= (int)ceil(log10(s->high)); ++e)
        for (size_t i = 0; i < count && e % every == 0; ++i) add_tick(s, times[i] * pow(10, e));
}

static void mark_log(cli_scale *s)
{
    static const double times[] = {1, 2, 5};
    const double decades = log10(s->high) - log10(s->low);
    const int every = decades <= MOST_MARKS ? 1 : (int)ceil(decades / MOST_MARKS);
    mark_powers(s, times, 1, every);
    if (s->tick_count < 3) mark_powers(s, times, 3, 1);
    if (s->tick_count >= 3) return;
    s->tick_count = 0;
    mark_linear(s, false);
}

cli_scale cli_scale_make(const cli_range *range, cli_scale_kind kind, double from, double to,
                         bool loose, bool whole)
{
    cli_scale s = {.low = range->low, .high = range->high, .from = from, .to = to};
    const bool none = !(range->low <= range->high), positive = range->least < HUGE_VAL;
    if (none) s.low = 0, s.high = 1;
    s.log = kind == CLI_SCALE_LOG ? positive
                                  : kind == CLI_SCALE_AUTO && !none && range->low >= 0 &&
                                        positive && range->high > WIDE * range->least;
    if (s.log) {
        s.low = range->least;
        const double room = loose ? pow(s.high / s.low, 0.04) : 1;
        s.low /= room > 1.0001 || !loose ? room : 1.5;
        s.high *= room > 1.0001 || !loose ? room : 1.5;
        if (!(s.low > 0)) s.low = range->least;
        if (!isfinite(s.high)) s.high = range->high;
        mark_log(&s);
        return s;
    }
    if (s.low == s.high) {
        const double room = whole ? 1 : s.low == 0 ? 1 : 0.1 * fabs(s.low);
        s.low -= whole && s.low == 0 ? 0 : room;
        s.high += room;
    } else if (loose) {
        /* Zero belongs to the picture where it is near. */
        if (s.low > 0 && s.low < 0.4 * s.high) s.low = 0;
        const double room = 0.05 * (s.high - s.low);
        s.low -= s.low == 0 ? 0 : room;
        s.high += room;
        if (!isfinite(s.high)) s.high = range->high;
    }
    mark_linear(&s, whole);
    return s;
}

double cli_scale_at(const cli_scale *s, double value)
{
    double share;
    if (s->log)
        share = value > 0 ? (log10(value) - log10(s->low)) / (log10(s->high) - log10(s->low)) : 0;
    else
        share = (value - s->low) / (s->high - s->low);
    if (share < 0) share = 0;
    if (share > 1) share = 1;
    return s->from + share * (s->to - s->from);
}

const char *cli_scale_text(char text[32], const cli_scale *s, double tick)
{
    const double size = fabs(tick);
    if (tick == 0)
        snprintf(text, 32, "0");
    else if (size >= 1e6 || size < 1e-4)
        snprintf(text, 32, "%.3g", tick);
    else if (s->log)
        snprintf(text, 32, "%.6g", tick);
    else
        snprintf(text, 32, "%.*f", s->digits, tick);
    return text;
}
