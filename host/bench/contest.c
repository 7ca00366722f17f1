/* contest.c - ways to train one network: checked against the reference, then timed in turns, so
 * that whatever disturbs the machine disturbs them all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "bench/tune.h"

/* A turn: long against the clock and a launch, short against what disturbs a machine. */
static const double turn_seconds = 0.01;
enum { LEAST_ROUNDS = 5 };

/* A way must be faster by this, and faster in three of four turns: less is noise, or not worth it.
 * Where memory happens to lie makes a difference of two hundredths by itself.
 */
static const double least_gain = 1.03;

/* Multiply-adds of a step of the reference that a trial is compared with: hundredths of a second.
 */
static const double check_work = 3e7;

/* Data: enough steps that setting the counter back is no part of the figure, and few enough that a
 * dozen trials fit into any memory. */
static const double data_bytes = 4e6;
enum { FEWEST_STEPS = 4, MOST_STEPS = 4096 };

/* Remainders of rows, vectors and strips; sums deeper than a block; a batch longer than one. */
static const bp__tune_network edges[] = {{{1100, 77, 45, 10}, 61}, {{37, 20, 5}, 1100}};

/* ---- The tuner ------------------------------------------------------------------------------- */

bool bp__tuner_past(const bp__tuner *tuner, double share)
{
    return bp__seconds() - tuner->began > share * tuner->options.seconds;
}

bp_status bp__tuner_tell(const bp__tuner *tuner, const char *subject, const char *candidate)
{
    if (!tuner->options.progress) return BP_OK;
    const double fraction = (bp__seconds() - tuner->began) / tuner->options.seconds;
    const bp_tune_progress now = {subject, candidate, fraction < 1 ? fraction : 1};
    if (tuner->options.progress(&now, tuner->options.user) == 0) return BP_OK;
    return bp__fail(BP_ERROR_CANCELLED, "stopped; nothing has been kept");
}

bp__tune_way bp__tune_way_of(const bp__tuner *tuner)
{
    return (bp__tune_way){.tuning = tuner->best, .gemm = BP_GEMM_AUTO};
}

/* ---- Problems -------------------------------------------------------------------------------- */

static void problem_end(bp__tune_problem *problem)
{
    bp_data_free(problem->data);
    bp_model_free(problem->model);
    *problem = (bp__tune_problem){0};
}

/* relu, then a softmax over several outputs or one sigmoid, as training does it unless told
 * otherwise; *problem is all zero. */
static bp_status problem_begin(bp__tune_problem *problem, const bp__tune_network *network)
{
    bp_layer layers[BP__TUNE_WIDTHS];
    size_t count = 0;
    for (; count + 1 < BP__TUNE_WIDTHS && network->widths[count + 1]; ++count)
        layers[count] =
            (bp_layer){network->widths[count], network->widths[count + 1], BP_ACTIVATION_RELU, 1};
    const bool classes = layers[count - 1].outputs > 1;
    layers[count - 1].activation = classes ? BP_ACTIVATION_SOFTMAX : BP_ACTIVATION_SIGMOID;
    problem->batch = network->batch;
    BP_TRY(bp_model_create_layers(&problem->model, layers, count, NULL));
    double steps = data_bytes / (double)(network->batch * layers[0].inputs * sizeof(float));
    steps = steps < FEWEST_STEPS ? FEWEST_STEPS : steps > MOST_STEPS ? MOST_STEPS : steps;
    return bp__bench_data(&problem->data, layers, count, network->batch, (size_t)steps, classes, 1);
}

/* ---- Trials ---------------------------------------------------------------------------------- */

/* A trainer that does as `way` says. */
static bp_status make_trainer(bp_trainer **out, bp_device *device, const bp__tune_problem *problem,
                              const bp__tune_way *way)
{
    bp_train_options how = bp_train_options_default();
    how.batch = (int64_t)problem->batch;
    how.gemm = way->gemm;
    how.shuffle = 0;
    /* The engine takes a copy. */
    struct bp__tuning tuning = way->tuning, *const usual = device->tuning;
    const bool known = device->tuning_known;
    device->tuning = &tuning;
    device->tuning_known = true;
    bp_status status = bp_trainer_create(out, problem->model, device, &how);
    device->tuning = usual;
    device->tuning_known = known;
    BP_TRY(status);
    bp__device_engine *engine = (bp__device_engine *)(*out)->engine;
    engine->threads = way->threads;
    engine->small_steps = way->small_steps;
    status = bp_trainer_set_data(*out, problem->data);
    if (status == BP_OK)
        status = bp__bench_check(*out, problem->model, problem->data, &device->info, check_work);
    if (status == BP_OK) return BP_OK;
    bp_trainer_free(*out);
    *out = NULL;
    return status;
}

static bp_status check_edges(bp_device *device, const bp__tune_way *way)
{
    bp_status status = BP_OK;
    for (size_t i = 0; i < BP_COUNT(edges) && status == BP_OK; ++i) {
        bp__tune_problem problem = {0};
        bp_trainer *trainer = NULL;
        status = problem_begin(&problem, &edges[i]);
        if (status == BP_OK) status = make_trainer(&trainer, device, &problem, way);
        bp_trainer_free(trainer);
        problem_end(&problem);
    }
    return status;
}

/* What is wrong with a way, as opposed to with the machine or the caller. */
static bool refuses(bp_status status)
{
    return status == BP_ERROR_BUILD || status == BP_ERROR_INTERNAL || status == BP_ERROR_OPENCL ||
           status == BP_ERROR_UNSUPPORTED || status == BP_ERROR_DIVERGED;
}

static bp_status prepare(bp__trial *trial, const bp__contest *contest, bool with_edges)
{
    bp_device *device = contest->tuner->device;
    if (with_edges) BP_TRY(check_edges(device, &trial->way));
    BP_TRY(make_trainer(&trial->trainer, device, &contest->problem, &trial->way));
    BP_TRY(bp__bench_set_rate(trial->trainer, bp__idle_rate, 1 + BP__CHECK_STEPS));
    return bp__bench_calibrate(trial->trainer, turn_seconds, &trial->times);
}

bp_status bp__contest_add(bp__contest *contest, const bp__tune_way *way, bool with_edges)
{
    if (contest->count == BP__TUNE_TRIALS)
        return bp__fail(BP_ERROR_INTERNAL, "more than %d trials", (int)BP__TUNE_TRIALS);
    bp__trial *trial = &contest->trials[contest->count++];
    trial->way = *way;
    BP_TRY(bp__tuner_tell(contest->tuner, contest->subject, way->name));
    bp_status status = prepare(trial, contest, with_edges);
    if (status == BP_OK) return BP_OK;
    bp_trainer_free(trial->trainer);
    trial->trainer = NULL;
    return refuses(status) ? bp__copy_text(&trial->problem, bp_last_error()) : status;
}

bp_status bp__contest_begin(bp__contest *contest, bp__tuner *tuner, const char *subject,
                            const bp__tune_network *network)
{
    *contest = (bp__contest){.tuner = tuner, .subject = subject};
    if (!subject) {
        const char *layers;
        BP_TRY(bp__report_layers(tuner->report, &layers, network));
        BP_TRY(
            bp__report_text(tuner->report, &contest->subject, "%s at %zu", layers, network->batch));
    }
    return problem_begin(&contest->problem, network);
}

void bp__contest_end(bp__contest *contest)
{
    for (size_t i = 0; i < contest->count; ++i) {
        bp_trainer_free(contest->trials[i].trainer);
        free(contest->trials[i].problem);
    }
    problem_end(&contest->problem);
    *contest = (bp__contest){0};
}

/* Threads of a plan compute or spin all the time: what they had of it tells how many cores there
 * were for them. */
static void count_processor(bp__tuner *tuner, const bp__tune_way *way, double seconds, double had)
{
    if (way->threads < 2 || way->small_steps != BP__NEVER) return;
    tuner->processor_wanted += seconds * (double)way->threads;
    tuner->processor_had += had;
}

bp_status bp__contest_run(bp__contest *contest, double share)
{
    for (contest->rounds = 0; contest->rounds < BP__TUNE_ROUNDS; ++contest->rounds) {
        if (contest->rounds >= LEAST_ROUNDS && bp__tuner_past(contest->tuner, share)) break;
        for (size_t i = 0; i < contest->count; ++i) {
            /* To and fro, so that none always follows the same one. */
            const size_t next = contest->rounds % 2 ? contest->count - 1 - i : i;
            bp__trial *trial = &contest->trials[next];
            double *seconds = &trial->seconds[contest->rounds];
            if (!trial->trainer) continue;
            BP_TRY(bp__tuner_tell(contest->tuner, contest->subject, ""));
            const double before = bp__processor_seconds();
            BP_TRY(bp__bench_run(trial->trainer, trial->times, seconds));
            count_processor(contest->tuner, &trial->way, *seconds,
                            bp__processor_seconds() - before);
            *seconds /= (double)trial->times;
        }
    }
    return BP_OK;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bp__spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (bp__spread){values[count / 4], (values[(count - 1) / 2] + values[count / 2]) / 2,
                        values[count - 1 - count / 4]};
}

double bp__contest_seconds(const bp__contest *contest, size_t trial)
{
    const bp__trial *of = &contest->trials[trial];
    double seconds[BP__TUNE_ROUNDS];
    if (!of->trainer || contest->rounds == 0) return (double)NAN;
    memcpy(seconds, of->seconds, sizeof seconds);
    return spread_of(seconds, contest->rounds).median;
}

bp__spread bp__contest_ratio(const bp__contest *contest, size_t base, size_t trial)
{
    const bp__trial *a = &contest->trials[base], *b = &contest->trials[trial];
    double ratios[BP__TUNE_ROUNDS];
    if (!a->trainer || !b->trainer || contest->rounds == 0)
        return (bp__spread){(double)NAN, (double)NAN, (double)NAN};
    for (size_t r = 0; r < contest->rounds; ++r) ratios[r] = a->seconds[r] / b->seconds[r];
    return spread_of(ratios, contest->rounds);
}

/* The first that works, unless another is faster beyond the noise. */
static bp_status choose(size_t *base, size_t *chosen, const bp__contest *contest)
{
    *base = 0;
    while (*base < contest->count && !contest->trials[*base].trainer) ++*base;
    if (*base == contest->count)
        return bp__fail(BP_ERROR_INTERNAL, "%s: nothing that was tried works; the first: %s",
                        contest->subject, contest->trials[0].problem);
    double best = 1;
    *chosen = *base;
    for (size_t i = *base + 1; i < contest->count; ++i) {
        const bp__spread ratio = bp__contest_ratio(contest, *base, i);
        if (!(ratio.median >= least_gain && ratio.low > 1 && ratio.median > best)) continue;
        best = ratio.median;
        *chosen = i;
    }
    return BP_OK;
}

/* The winner of many is partly the luckiest: it must win once more, against the first alone and
 * with memory of its own. */
static bp_status confirm(bp__contest *contest, const bp__tune_network *network, size_t base,
                         size_t *chosen)
{
    bp__contest again;
    size_t first = 0, winner = 0;
    bp_status status = bp__contest_begin(&again, contest->tuner, contest->subject, network);
    if (status == BP_OK) status = bp__contest_add(&again, &contest->trials[base].way, false);
    if (status == BP_OK) status = bp__contest_add(&again, &contest->trials[*chosen].way, false);
    if (status == BP_OK) status = bp__contest_run(&again, 1);
    if (status == BP_OK) status = choose(&first, &winner, &again);
    if (status == BP_OK) {
        contest->trials[*chosen].confirmed = bp__contest_ratio(&again, 0, 1).median;
        if (winner == 0) *chosen = base;
    }
    bp__contest_end(&again);
    return status;
}

bp_status bp__contest_decide(size_t *chosen, bp__contest *contest, const bp__tune_network *network)
{
    size_t base;
    BP_TRY(choose(&base, chosen, contest));
    return *chosen == base ? BP_OK : confirm(contest, network, base, chosen);
}

bp_status bp__contest_report(const bp__contest *contest, size_t chosen)
{
    bp__tune_report *report = contest->tuner->report;
    for (size_t i = 0; i < contest->count; ++i) {
        const bp__trial *trial = &contest->trials[i];
        bp_tune_candidate row = {.subject = contest->subject,
                                 .seconds = bp__contest_seconds(contest, i),
                                 .ratio = trial->confirmed > 0
                                              ? trial->confirmed
                                              : bp__contest_ratio(contest, 0, i).median,
                                 .verified = trial->trainer != NULL,
                                 .is_default = i == 0,
                                 .chosen = i == chosen};
        BP_TRY(bp__report_text(report, &row.name, "%s", trial->way.name));
        BP_TRY(bp__report_text(report, &row.problem, "%s", trial->problem ? trial->problem : ""));
        BP_TRY(bp__report_add(report, &row));
    }
    return BP_OK;
}
