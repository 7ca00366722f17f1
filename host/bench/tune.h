/* tune.h - the parts of bp_tune: contests, in which ways to train one network are checked and then
 * timed in turns, and what contests there are on CPUs and on GPUs. */
#ifndef BP_BENCH_TUNE_H
#define BP_BENCH_TUNE_H

#include "backprop_measure.h"
#include "bench/bench.h"
#include "ops/launchers.h"

enum { BP__TUNE_WIDTHS = 5, BP__TUNE_TRIALS = 12, BP__TUNE_ROUNDS = 25, BP__TUNE_NAME = 32 };

typedef struct bp__tune_network {
    size_t widths[BP__TUNE_WIDTHS]; /* inputs first; 0 ends */
    size_t batch;
} bp__tune_network;

/* What is handed out: the public struct points into the arrays. */
typedef struct bp__tune_report {
    bp_tune_result result;
    bp_tune_candidate *candidates;
    bp_tune_gain *gains;
    char **texts; /* all that they point to */
    size_t candidate_capacity, gain_capacity, text_count, text_capacity;
} bp__tune_report;

typedef struct bp__tuner {
    bp_device *device;
    bp_tune_options options;
    double began;     /* bp__seconds() */
    bp__tuning start; /* what would be used without this */
    bp__tuning best;  /* what has been chosen so far */
    bool cpu_kernels;
    unsigned vector_width;
    bp__tune_report *report;
    double processor_wanted, processor_had; /* seconds, by ways with several threads */
} bp__tuner;

/* Whether this share of the time, 0 to 1, is over. */
bool bp__tuner_past(const bp__tuner *tuner, double share);
/* Calls progress; BP_ERROR_CANCELLED. */
bp_status bp__tuner_tell(const bp__tuner *tuner, const char *subject, const char *candidate);

/* ---- Contests ---------------------------------------------------------------------------------
 */

/* A way to train. */
typedef struct bp__tune_way {
    char name[BP__TUNE_NAME];
    bp__tuning tuning;
    int32_t gemm;
    size_t threads; /* 0: as many as the tuning says */
    bp__when small_steps;
} bp__tune_way;

typedef struct bp__tune_problem {
    bp_model *model;
    bp_data *data;
    size_t batch;
} bp__tune_problem;

typedef struct bp__trial {
    bp__tune_way way;
    bp_trainer *trainer;             /* NULL: refused */
    char *problem;                   /* why */
    size_t times;                    /* steps of a turn */
    double seconds[BP__TUNE_ROUNDS]; /* of a step, by turn */
    double confirmed;                /* the ratio in the second contest; 0: there was none */
} bp__trial;

typedef struct bp__contest {
    bp__tuner *tuner;
    const char *subject; /* belongs to the report */
    bp__tune_problem problem;
    bp__trial trials[BP__TUNE_TRIALS]; /* the first is what the others must beat */
    size_t count, rounds;
} bp__contest;

/* Median and quartiles. */
typedef struct bp__spread {
    double low, median, high;
} bp__spread;

/* subject NULL: the network itself, "64,32,10 at 8". A contest that was begun, or is all zero, is
 * ended with bp__contest_end. */
bp_status bp__contest_begin(bp__contest *contest, bp__tuner *tuner, const char *subject,
                            const bp__tune_network *network);
void bp__contest_end(bp__contest *contest);

/* The way as everything is at present, to be changed. */
bp__tune_way bp__tune_way_of(const bp__tuner *tuner);

/* Builds, compares with the reference, and warms up. One that does not build or computes something
 * else takes part as refused; other errors are the caller's. edges: compares on networks too whose
 * sizes leave remainders everywhere. */
bp_status bp__contest_add(bp__contest *contest, const bp__tune_way *way, bool edges);

/* Times all in turns until this share of the time is over, and a few times at least. */
bp_status bp__contest_run(bp__contest *contest, double share);

/* Seconds of a step; NAN where it was refused. */
double bp__contest_seconds(const bp__contest *contest, size_t trial);
/* The time of trial `base` divided by that of `trial`, turn by turn. */
bp__spread bp__contest_ratio(const bp__contest *contest, size_t base, size_t trial);

/* The first trial that works, unless another is faster beyond the noise, and is so again in a
 * contest of the two. BP_ERROR_INTERNAL where all were refused. */
bp_status bp__contest_decide(size_t *chosen, bp__contest *contest, const bp__tune_network *network);

/* A row for every trial, in order; the first is the default. */
bp_status bp__contest_report(const bp__contest *contest, size_t chosen);

/* ---- Reports ----------------------------------------------------------------------------------
 */

/* A formatted copy that belongs to the report. */
bp_status bp__report_text(bp__tune_report *report, const char **out, const char *format, ...)
    BP__PRINTF(3, 4);
bp_status bp__report_add(bp__tune_report *report, const bp_tune_candidate *candidate);
bp_status bp__report_gain(bp__tune_report *report, const bp_tune_gain *gain);
bp_status bp__report_layers(bp__tune_report *report, const char **out,
                            const bp__tune_network *network);

/* ---- What is tuned -----------------------------------------------------------------------------
 */

/* Each leaves what it chose in tuner->best. They end when this share of the time is over. */
#define BP__TUNE_SHARE 0.88
bp_status bp__tune_tiles(bp__tuner *tuner);
bp_status bp__tune_costs(bp__tuner *tuner);
bp_status bp__tune_gemm(bp__tuner *tuner);

/* A measurement that is known to be sum over j of features[j] costs[j]. */
typedef struct bp__cost_sample {
    double features[BP__COSTS];
    double nanoseconds;
} bp__cost_sample;

/* Costs that explain the samples with the least relative errors; what they say nothing about stays
 * as in prior. All within the bounds of a tuning. */
void bp__fit_costs(double costs[BP__COSTS], const double prior[BP__COSTS],
                   const bp__cost_sample *samples, size_t count);

#endif
