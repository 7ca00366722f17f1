/* bench.h - what the two files of `backprop bench` share: bench.c measures, roofline.c draws. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "backprop_measure.h"
#include "numbers.h"

typedef struct bench_network {
    int64_t batch;
    cli_widths layers;
} bench_network;

typedef struct bench_row {
    bp_device_info device;
    const char *precision;
    bp_device_peak peak;
    bench_network network;
    bp_bench_result result;
} bench_row;

/* Draws rows[count] as SVG: operations a second over operations a byte, under the limits of each
 * device. Reports; an exit code or -1. */
int bench_roofline(const char *path, const bench_row *rows, size_t count);

#endif
