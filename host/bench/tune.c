/* tune.c - bp_tune: what is tried in which order, the proof of what was chosen, and where it is
 * kept. */
#include "bench/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"
#include "ops/engine.h"
#include "tuning/store.h"

/* Small, middling and large. */
static const bp__tune_network proofs[] = {
    {{8, 32, 2}, 16}, {{784, 128, 10}, 32}, {{784, 512, 512, 10}, 256}};

/* What was chosen is withdrawn where a network is slower with it by more than this, and in three of
 * four turns. */
static const double most_loss = 0.98;

bp_tune_options bp_tune_options_default(void)
{
    return (bp_tune_options){.size = sizeof(bp_tune_options), .seconds = 15, .save = 1};
}

static bp_status read_options(bp_tune_options *out, const bp_tune_options *given)
{
    *out = bp_tune_options_default();
    BP_TRY(bp__read_options(out, sizeof *out, given, "bp_tune_options"));
    if (!(out->seconds > 0 && out->seconds <= 3600))
        return bp__fail(BP_ERROR_ARGUMENT, "seconds is %g, above 0 and up to 3600 is possible",
                        out->seconds);
    return BP_OK;
}

/* What kernels the device is used with. */
static bp_status look_at_engine(bp__tuner *tuner)
{
    bp__engine *engine;
    BP_TRY(bp__engine_create(&engine, tuner->device, BP_GEMM_AUTO));
    tuner->cpu_kernels = ((const bp__device_engine *)engine)->cpu_kernels;
    tuner->vector_width = ((const bp__device_engine *)engine)->vector_width;
    bp__engine_free(engine);
    return BP_OK;
}

static bp_status search(bp__tuner *tuner)
{
    if (!tuner->cpu_kernels) return bp__tune_gemm(tuner);
    BP_TRY(bp__tune_tiles(tuner));
    return bp__tune_costs(tuner);
}

/* ---- The proof ------------------------------------------------------------------------------- */

/* What the turns of one network say. */
typedef struct proof {
    bool chosen_works, default_works;
    bool slower;
} proof;

static bp_status report_gain(const bp__contest *contest, const bp__tune_network *network)
{
    bp__tune_report *report = contest->tuner->report;
    const bp__spread ratio = bp__contest_ratio(contest, 1, 0);
    bp_tune_gain gain = {.batch = (int64_t)network->batch,
                         .tuned_seconds = bp__contest_seconds(contest, 0),
                         .default_seconds = bp__contest_seconds(contest, 1),
                         .ratio = ratio.median,
                         .ratio_low = ratio.low,
                         .ratio_high = ratio.high};
    BP_TRY(bp__report_layers(report, &gain.layers, network));
    return bp__report_gain(report, &gain);
}

static bp_status compare(bp__contest *contest, const bp__tune_network *network, double share,
                         proof *p)
{
    bp__tune_way way = bp__tune_way_of(contest->tuner);
    snprintf(way.name, sizeof way.name, "chosen");
    BP_TRY(bp__contest_add(contest, &way, false));
    way.tuning = contest->tuner->start;
    snprintf(way.name, sizeof way.name, "default");
    BP_TRY(bp__contest_add(contest, &way, false));
    BP_TRY(bp__contest_run(contest, share));
    const bp__spread ratio = bp__contest_ratio(contest, 1, 0);
    p->chosen_works = p->chosen_works && contest->trials[0].trainer;
    p->default_works = p->default_works && contest->trials[1].trainer;
    p->slower = p->slower || (ratio.median < most_loss && ratio.high < 1);
    if (contest->trials[0].trainer && contest->trials[1].trainer)
        return report_gain(contest, network);
    if (contest->trials[0].trainer || contest->trials[1].trainer) return BP_OK;
    return bp__fail(BP_ERROR_INTERNAL, "%s", contest->trials[0].problem);
}

static void withdraw(bp__tuner *tuner)
{
    bp__tune_report *report = tuner->report;
    tuner->best = tuner->start;
    report->result.withdrawn = 1;
    for (size_t i = 0; i < report->result.candidate_count; ++i)
        report->candidates[i].chosen = report->candidates[i].is_default;
}

/* Whole steps with the defaults and with what was chosen, in turns. */
static bp_status prove(bp__tuner *tuner)
{
    proof p = {.chosen_works = true, .default_works = true};
    for (size_t i = 0; i < BP_COUNT(proofs); ++i) {
        bp__contest contest;
        const double share =
            BP__TUNE_SHARE + (1 - BP__TUNE_SHARE) * (double)(i + 1) / BP_COUNT(proofs);
        bp_status status = bp__contest_begin(&contest, tuner, NULL, &proofs[i]);
        if (status == BP_OK) status = compare(&contest, &proofs[i], share, &p);
        bp__contest_end(&contest);
        BP_TRY(status);
    }
    if (p.default_works && (p.slower || !p.chosen_works)) withdraw(tuner);
    return BP_OK;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static bp_status tune(bp__tuner *tuner)
{
    bp_device *device = tuner->device;
    bp_tune_result *result = &tuner->report->result;
    char *path = NULL;
    if (tuner->options.save) BP_TRY(bp__tuning_place(&path, &device->info));
    bp_status status = look_at_engine(tuner);
    tuner->start = tuner->best = bp__tuning_start(&device->info, tuner->vector_width);
    if (status == BP_OK) status = search(tuner);
    if (status == BP_OK && !bp__tuning_same(&tuner->best, &tuner->start)) status = prove(tuner);
    result->changed = !bp__tuning_same(&tuner->best, &tuner->start);
    if (status == BP_OK) status = bp__tuner_tell(tuner, "keeping", "");
    if (status == BP_OK && path) status = bp__tuning_save(&tuner->best, &device->info, path);
    if (status == BP_OK) status = bp__tuning_set(device, &tuner->best);
    if (status == BP_OK && path) status = bp__report_text(tuner->report, &result->path, "%s", path);
    result->seconds = bp__seconds() - tuner->began;
    result->processor_share =
        tuner->processor_wanted > 0 ? tuner->processor_had / tuner->processor_wanted : (double)NAN;
    free(path);
    return status;
}

bp_status bp_tune(bp_tune_result **out, bp_device *device, const bp_tune_options *given)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_tune: out is NULL");
    *out = NULL;
    if (!device) return bp__fail(BP_ERROR_ARGUMENT, "bp_tune: device is NULL");
    bp__tuner tuner = {.device = device, .began = bp__seconds()};
    BP_TRY(read_options(&tuner.options, given));
    if (device->is_reference)
        return bp__fail(BP_ERROR_UNSUPPORTED, "the reference has nothing to tune");
    BP_TRY(bp__new_array(&tuner.report, 1, sizeof *tuner.report));
    bp_status status = tune(&tuner);
    if (status == BP_OK)
        *out = &tuner.report->result;
    else
        bp_tune_result_free(&tuner.report->result);
    return status;
}
