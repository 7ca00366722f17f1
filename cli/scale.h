/* scale.h - the axes of pictures: numbers to places, and round numbers to mark. */
#ifndef CLI_SCALE_H
#define CLI_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* linear or log for a choice; auto decides by the numbers. */
typedef enum cli_scale_kind { CLI_SCALE_AUTO, CLI_SCALE_LINEAR, CLI_SCALE_LOG } cli_scale_kind;
const char *cli_scale_name(int32_t code);

enum { SCALE_TICKS = 24 };

typedef struct cli_scale {
    bool log;
    double low, high; /* of the axis */
    double from, to;  /* their places */
    double ticks[SCALE_TICKS];
    size_t tick_count;
    int digits; /* behind the point, of linear ticks */
} cli_scale;

/* Takes in a number that is to be shown; numbers that are not finite count for nothing. Start with
 * cli_range_none. */
typedef struct cli_range {
    double low, high;
    double least; /* above 0 */
} cli_range;
cli_range cli_range_none(void);
void cli_range_add(cli_range *range, double value);

/* An axis from place `from` to place `to` over the numbers of range, a little wider than they are
 * where `loose`; whole: marks are whole numbers. auto takes the logarithm where no number is below
 * 0 and the largest is more than 50 times the least. */
cli_scale cli_scale_make(const cli_range *range, cli_scale_kind kind, double from, double to,
                         bool loose, bool whole);

/* The place of a number; of what cannot be on a logarithmic axis, its lower end. */
double cli_scale_at(const cli_scale *scale, double value);

/* A mark's text. */
const char *cli_scale_text(char text[32], const cli_scale *scale, double tick);

#endif
