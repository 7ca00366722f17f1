/* bench.h - what the two files of `backprop bench` share: bench.c measures, roofline.c draws. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "backprop.h"

enum { BENCH_WIDTHS = 64, BENCH_TEXT = BENCH_WIDTHS * 10 };

typedef struct bench_network {
    int64_t batch;
    size_t widths[BENCH_WIDTHS], count; /* inputs first */
} bench_network;

typedef struct bench_row {
    bp_device_info device;
    bp_device_peak peak;
    bench_network network;
    bp_bench_result result;
} bench_row;

/* "784,128,10" */
const char *bench_layers_text(char text[BENCH_TEXT], const bench_network *network);

/* Draws rows[count] as SVG: operations a second over operations a byte, under the limits of each
 * device. Reports; an exit code or -1. */
int bench_roofline(const char *path, const bench_row *rows, size_t count);

#endif
