/* tune_gpu.c - how a GPU multiplies: the tile, matrix units, or CLBlast, for each class of
 * results. */
#include <math.h>
#include <stdio.h>

#include "bench/tune.h"
#include "ops/gemm_clblast.h"
#include "ops/matrix_units.h"

/* A network for each class: all or nearly all of its products are of it. */
static const bp__tune_network networks[BP__SHAPES] = {
    [BP__SHAPE_NARROW] = {{512, 32, 32, 16}, 1024},
    [BP__SHAPE_SMALL] = {{256, 256, 256}, 256},
    [BP__SHAPE_MEDIUM] = {{768, 768, 768}, 768},
    [BP__SHAPE_LARGE] = {{2048, 2048, 2048}, 2048},
};

static const bp__gemm_choice choices[] = {{.tile = 0},
                                          {.tile = 128},
                                          {.tile = 64},
                                          {.tile = 32},
                                          {.tile = 16},
                                          {.matrix = true},
                                          {.tile = 128, .matrix = true},
                                          {.tile = 64, .matrix = true},
                                          {.tile = 32, .matrix = true},
                                          {.clblast = true}};

/* A class of which one step would take longer than this share of the time is left as it is. */
static const double longest_step = 0.02;

static double multiply_adds(const bp__tune_network *network)
{
    double weights = 0;
    for (size_t i = 1; i < BP__TUNE_WIDTHS && network->widths[i]; ++i)
        weights += (double)network->widths[i - 1] * (double)network->widths[i];
    return 3 * weights * (double)network->batch;
}

static bp_status add(bp__contest *contest, bp__shape shape, bp__gemm_choice choice)
{
    bp__tune_way way = bp__tune_way_of(contest->tuner);
    way.tuning.gemm[shape] = choice;
    char tile[32] = "by number of tiles";
    if (choice.tile) snprintf(tile, sizeof tile, "%u x %u", choice.tile, choice.tile);
    snprintf(way.name, sizeof way.name, "%s%s", choice.clblast ? "CLBlast" : tile,
             choice.matrix ? ", matrix" : "");
    return bp__contest_add(contest, &way, true);
}

static bool same(bp__gemm_choice a, bp__gemm_choice b)
{
    return a.tile == b.tile && a.clblast == b.clblast && a.matrix == b.matrix;
}

/* A candidate that the device could be used with. */
static bool is_possible(bp_device *device, bp__gemm_choice choice)
{
    if (choice.clblast) return bp__clblast_is_there();
    if (choice.matrix)
        return bp__matrix_units_are_there(device, BP_PRECISION_FP32) &&
               (!choice.tile || bp__gemm_matrix_tile_fits(device, choice.tile));
    return !choice.tile || bp__gemm_gpu_tile_fits(device, choice.tile);
}

static bp_status hold(bp__contest *contest, bp__shape shape, double share)
{
    bp__tuner *tuner = contest->tuner;
    const bp__gemm_choice usual = tuner->best.gemm[shape];
    size_t chosen;
    BP_TRY(add(contest, shape, usual));
    for (size_t i = 0; i < BP_COUNT(choices); ++i)
        if (!same(choices[i], usual) && is_possible(tuner->device, choices[i]))
            BP_TRY(add(contest, shape, choices[i]));
    BP_TRY(bp__contest_run(contest, share));
    BP_TRY(bp__contest_decide(&chosen, contest, &networks[shape]));
    tuner->best.gemm[shape] = contest->trials[chosen].way.tuning.gemm[shape];
    return bp__contest_report(contest, chosen);
}

bp_status bp__tune_gemm(bp__tuner *tuner)
{
    double seconds_each = 0; /* a multiply-add of the last class */
    for (size_t shape = 0; shape < BP__SHAPES; ++shape) {
        bp__contest contest = {0};
        const char *subject;
        const double share = BP__TUNE_SHARE * (double)(shape + 1) / BP__SHAPES;
        BP_TRY(bp__report_text(tuner->report, &subject, "%s products", bp__shape_name(shape)));
        if (seconds_each * multiply_adds(&networks[shape]) >
            longest_step * tuner->options.seconds) {
            const bp_tune_candidate row = {.subject = subject,
                                           .name = "",
                                           .seconds = (double)NAN,
                                           .ratio = (double)NAN,
                                           .is_default = 1,
                                           .chosen = 1,
                                           .problem = "left out: a step would take too long"};
            BP_TRY(bp__report_add(tuner->report, &row));
            continue;
        }
        bp_status status = bp__contest_begin(&contest, tuner, subject, &networks[shape]);
        if (status == BP_OK) status = hold(&contest, (bp__shape)shape, share);
        if (status == BP_OK)
            seconds_each = bp__contest_seconds(&contest, 0) / multiply_adds(&networks[shape]);
        bp__contest_end(&contest);
        BP_TRY(status);
    }
    return BP_OK;
}
