/* tune_costs.c - what things cost on a CPU, by which it is estimated how many threads a step pays
 * for and whether many steps go into one launch: measured on small networks in every way, and kept
 * only where the choices that follow are better ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench/tune.h"
#include "ops/cpu_split.h"

/* From one way's domain to the other's; those that say most come first, in case time runs out. */
static const bp__tune_network networks[] = {
    {{8, 32, 2}, 16},      {{784, 128, 10}, 32}, {{2, 2, 1}, 4},        {{64, 32, 10}, 1},
    {{16, 64, 64, 4}, 16}, {{784, 128, 10}, 1},  {{64, 32, 10}, 32},    {{2, 2, 1}, 1},
    {{128, 64, 10}, 8},    {{128, 64, 10}, 1},   {{784, 128, 10}, 128}, {{256, 256, 256}, 64},
};

enum { NETWORKS = BP_COUNT(networks), WAYS = 4, LEAST_NETWORKS = 4, MIDDLE_FROM = 6 };

/* Costs are replaced where steps with the choices that follow are faster by this in the mean, or
 * where they are no slower and the estimates were off by this factor: they also bound a launch's
 * length. */
static const double least_gain = 1.02, no_loss = 0.995, far_off = 1.5;

/* One way of one network. */
typedef struct way_time {
    bp__cost_sample sample; /* nanoseconds NAN where it was refused */
    size_t row;             /* in the report */
} way_time;

typedef struct network_times {
    way_time ways[WAYS];
    size_t count;
} network_times;

typedef struct survey {
    bp__tuner *tuner;
    network_times networks[NETWORKS];
    size_t count;
    bool refused[BP__COSTS]; /* a way that has this cost computes something else */
} survey;

/* The threads that plans are timed with: one, all, and where there are many some. */
static size_t thread_counts(size_t counts[3], size_t units)
{
    size_t used = 0;
    counts[used++] = 1;
    if (units >= MIDDLE_FROM) counts[used++] = (size_t)lround(sqrt((double)units));
    if (units > 1) counts[used++] = units;
    return used;
}

/* The estimate is linear in the costs: each one's factor is the estimate with it alone. */
static bp_status find_features(bp__cost_sample *sample, const bp__trial *trial)
{
    const bp__device_engine *engine = (const bp__device_engine *)trial->trainer->engine;
    bp__op *ops;
    size_t count;
    BP_TRY(bp__bench_step(&ops, &count, trial->trainer));
    for (size_t c = 0; c < BP__COSTS; ++c) {
        double alone[BP__COSTS] = {0};
        alone[c] = 1;
        sample->features[c] =
            trial->way.small_steps == BP__ALWAYS
                ? bp__small_steps_nanoseconds(engine, alone, ops, count)
                : bp__cpu_nanoseconds(alone, ops, count, engine->vector_width, engine->threads);
    }
    free(ops);
    return BP_OK;
}

static double estimate(const bp__cost_sample *sample, const double *costs)
{
    double sum = 0;
    for (size_t c = 0; c < BP__COSTS; ++c) sum += sample->features[c] * costs[c];
    return sum;
}

/* The way that costs would choose, of those that work. */
static size_t choice(const network_times *times, const double *costs)
{
    size_t best = 0;
    for (size_t w = 1; w < times->count; ++w)
        if (!isnan(times->ways[w].sample.nanoseconds) &&
            estimate(&times->ways[w].sample, costs) < estimate(&times->ways[best].sample, costs))
            best = w;
    return best;
}

/* Says in the report what was chosen before and what is now. */
static void mark(const survey *s, const network_times *times, const double *before,
                 const double *now)
{
    bp_tune_candidate *rows = s->tuner->report->candidates;
    const size_t old = choice(times, before), new = choice(times, now);
    for (size_t w = 0; w < times->count; ++w) {
        bp_tune_candidate *row = &rows[times->ways[w].row];
        row->is_default = w == old;
        row->chosen = w == new;
        row->ratio = times->ways[old].sample.nanoseconds / times->ways[w].sample.nanoseconds;
    }
}

/* The cost that keeps a way from being chosen. */
static void refuse(survey *s, const bp__contest *contest, const bp__trial *trial)
{
    if (trial->way.small_steps != BP__ALWAYS) {
        s->refused[BP__COST_WAITING] = true;
        return;
    }
    s->refused[contest->problem.batch == 1 ? BP__COST_SINGLE_WEIGHT : BP__COST_WEIGHT] = true;
}

static bp_status take_down(survey *s, const bp__contest *contest)
{
    network_times *times = &s->networks[s->count];
    const size_t first_row = s->tuner->report->result.candidate_count;
    BP_TRY(bp__contest_report(contest, 0));
    for (size_t i = 0; i < contest->count; ++i) {
        const bp__trial *trial = &contest->trials[i];
        way_time *time = &times->ways[times->count++];
        time->row = first_row + i;
        time->sample.nanoseconds = 1e9 * bp__contest_seconds(contest, i);
        if (trial->trainer)
            BP_TRY(find_features(&time->sample, trial));
        else if (i == 0)
            return bp__fail(BP_ERROR_INTERNAL, "%s", trial->problem);
        else
            refuse(s, contest, trial);
    }
    mark(s, times, s->tuner->best.cost, s->tuner->best.cost);
    ++s->count;
    return BP_OK;
}

/* Whether whole steps of the network fit into the kernel that takes many of them at once. */
static bool small(const bp__contest *contest)
{
    bp__cost_sample sample;
    bp__trial trial = contest->trials[0];
    trial.way.small_steps = BP__ALWAYS;
    return trial.trainer && find_features(&sample, &trial) == BP_OK && isfinite(sample.features[0]);
}

static bp_status time_network(survey *s, bp__contest *contest)
{
    size_t threads[3];
    const size_t counts = thread_counts(threads, s->tuner->device->info.compute_units);
    bp__tune_way way = bp__tune_way_of(s->tuner);
    way.small_steps = BP__NEVER;
    for (size_t i = 0; i < counts; ++i) {
        way.threads = threads[i];
        snprintf(way.name, sizeof way.name, "%zu thread%s", threads[i], threads[i] == 1 ? "" : "s");
        BP_TRY(bp__contest_add(contest, &way, false));
    }
    if (small(contest)) {
        way.small_steps = BP__ALWAYS;
        snprintf(way.name, sizeof way.name, "many steps a launch");
        BP_TRY(bp__contest_add(contest, &way, false));
    }
    BP_TRY(bp__contest_run(contest,
                           BP__TUNE_SHARE - 0.25 * (double)(NETWORKS - 1 - s->count) / NETWORKS));
    return take_down(s, contest);
}

/* ---- Judging --------------------------------------------------------------------------------- */

/* The geometric mean over the networks of a step's time in the ways that costs choose. */
static double mean_nanoseconds(const survey *s, const double *costs)
{
    double sum = 0;
    for (size_t n = 0; n < s->count; ++n)
        sum += log(s->networks[n].ways[choice(&s->networks[n], costs)].sample.nanoseconds);
    return exp(sum / (double)s->count);
}

/* Costs to choose from. */
typedef struct proposal {
    const char *name;
    bool alone; /* more than one thread is never used: times of several are not looked at */
    double cost[BP__COSTS];
    double mean; /* mean_nanoseconds */
} proposal;

static bool counts(const proposal *p, const bp__cost_sample *sample)
{
    return !isnan(sample->nanoseconds) && !(p->alone && sample->features[BP__COST_WAITING] > 0);
}

/* The factor by which estimates are off: that of a typical sample. */
static double error_factor(const survey *s, const proposal *p)
{
    double sum = 0;
    size_t samples = 0;
    for (size_t n = 0; n < s->count; ++n)
        for (size_t w = 0; w < s->networks[n].count; ++w) {
            const bp__cost_sample *sample = &s->networks[n].ways[w].sample;
            if (!counts(p, sample)) continue;
            sum += fabs(log(estimate(sample, p->cost) / sample->nanoseconds));
            ++samples;
        }
    return exp(sum / (double)samples);
}

static void fit(proposal *p, const survey *s)
{
    bp__cost_sample samples[NETWORKS * WAYS];
    size_t count = 0;
    for (size_t n = 0; n < s->count; ++n)
        for (size_t w = 0; w < s->networks[n].count; ++w)
            if (counts(p, &s->networks[n].ways[w].sample))
                samples[count++] = s->networks[n].ways[w].sample;
    bp__fit_costs(p->cost, s->tuner->best.cost, samples, count);
    if (p->alone) p->cost[BP__COST_WAITING] = bp__most_cost;
    p->mean = mean_nanoseconds(s, p->cost);
}

/* Whether costs should replace the usual ones. */
static bool better(const survey *s, const proposal *usual, const proposal *p)
{
    return usual->mean >= least_gain * p->mean ||
           (usual->mean >= no_loss * p->mean &&
            error_factor(s, usual) >= far_off * error_factor(s, p));
}

/* A row of its own for the costs as a whole. */
static bp_status report_costs(const survey *s, const proposal *usual, const proposal *p,
                              bool chosen)
{
    const bp_tune_candidate row = {.subject = "estimates",
                                   .name = p->name,
                                   .seconds = 1e-9 * p->mean,
                                   .ratio = usual->mean / p->mean,
                                   .verified = 1,
                                   .is_default = p == usual,
                                   .chosen = chosen,
                                   .problem = ""};
    return bp__report_add(s->tuner->report, &row);
}

static bp_status judge(survey *s)
{
    bp__tuner *tuner = s->tuner;
    proposal proposals[] = {
        {.name = "default"}, {.name = "fitted"}, {.name = "fitted, one thread", .alone = true}};
    proposal *const usual = &proposals[0];
    const size_t count = tuner->device->info.compute_units > 1 ? 3 : 2;
    size_t best = 0;
    memcpy(usual->cost, tuner->best.cost, sizeof usual->cost);
    usual->mean = mean_nanoseconds(s, usual->cost);
    for (size_t i = 1; i < count; ++i) {
        fit(&proposals[i], s);
        /* One thread must be better than whatever several can be. */
        if (better(s, &proposals[best], &proposals[i])) best = i;
    }
    for (size_t i = 0; i < count; ++i) BP_TRY(report_costs(s, usual, &proposals[i], i == best));
    for (size_t n = 0; n < s->count; ++n)
        mark(s, &s->networks[n], usual->cost, proposals[best].cost);
    memcpy(tuner->best.cost, proposals[best].cost, sizeof tuner->best.cost);
    return BP_OK;
}

bp_status bp__tune_costs(bp__tuner *tuner)
{
    survey *s;
    BP_TRY(bp__new_array(&s, 1, sizeof *s));
    s->tuner = tuner;
    bp_status status = BP_OK;
    for (size_t n = 0; n < NETWORKS && status == BP_OK; ++n) {
        bp__contest contest;
        if (bp__tuner_past(tuner, BP__TUNE_SHARE)) break;
        status = bp__contest_begin(&contest, tuner, NULL, &networks[n]);
        if (status == BP_OK) status = time_network(s, &contest);
        bp__contest_end(&contest);
    }
    if (status == BP_OK && s->count >= LEAST_NETWORKS) status = judge(s);
    for (size_t c = 0; status == BP_OK && c < BP__COSTS; ++c)
        if (s->refused[c]) tuner->best.cost[c] = bp__most_cost;
    free(s);
    return status;
}
