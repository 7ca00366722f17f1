/* test_tune.c - tuning on a device: candidates that compute something else are refused (planted
 * bugs), times are fitted, and a run keeps its word. */
#define _XOPEN_SOURCE 700
#include "base/clock.h"
#include "bench/tune.h"
#include "ops/gemm_clblast.h"
#include "tuning_support.h"

TestSuite(tune, .init = make_folder, .fini = remove_folder, .timeout = 300);

/* ---- Costs ----------------------------------------------------------------------------------- */

Test(tune, a_fit_finds_the_costs_that_made_the_times)
{
    const bp__tuning usual = bp__tuning_default(16);
    double true_costs[BP__COSTS], fitted[BP__COSTS];
    bp__cost_sample samples[40];
    for (size_t c = 0; c < BP__COSTS; ++c) true_costs[c] = usual.cost[c] * (c % 2 ? 4 : 0.25);
    for (size_t s = 0; s < BP_COUNT(samples); ++s) {
        samples[s].nanoseconds = 0;
        for (size_t c = 0; c < BP__COSTS; ++c) {
            const double share = bp__random_unit(1, BP__PURPOSE_BENCH, (uint32_t)s, (uint32_t)c, 0);
            samples[s].features[c] = share * share / true_costs[c];
            samples[s].nanoseconds += samples[s].features[c] * true_costs[c];
        }
    }
    bp__fit_costs(fitted, usual.cost, samples, BP_COUNT(samples));
    for (size_t c = 0; c < BP__COSTS; ++c)
        cr_assert(fabs(fitted[c] / true_costs[c] - 1) < 0.2, "cost %zu: %g, wanted %g", c,
                  fitted[c], true_costs[c]);
    /* What nothing depends on stays, and nothing leaves its bounds. */
    for (size_t s = 0; s < BP_COUNT(samples); ++s) {
        samples[s].features[BP__COST_UNIT] = 0;
        samples[s].nanoseconds = s % 2 ? 1e-30 : 1e30;
    }
    bp__fit_costs(fitted, usual.cost, samples, BP_COUNT(samples));
    bp__tuning tuning = usual;
    memcpy(tuning.cost, fitted, sizeof fitted);
    OK(bp__tuning_check(&tuning));
    cr_assert_float_eq(fitted[BP__COST_UNIT], usual.cost[BP__COST_UNIT], 1e-9);
}

/* ---- Contests, with planted bugs ---------------------------------------------------------------
 */

/* A copy of the kernels, edited by a line of sed, is what is built from now on. */
static void plant(const char *file, const char *edit)
{
    char line[1024];
    snprintf(line, sizeof line,
             "rm -rf %s/k && cp -r '" BACKPROP_SOURCE_DIR "/kernels' %s/k && "
             "cp %s/k/%s %s/before && sed -i '%s' %s/k/%s && ! cmp -s %s/k/%s %s/before",
             folder, folder, folder, file, folder, edit, folder, file, folder, file, folder);
    cr_assert_eq(system(line), 0, "%s", line);
    snprintf(line, sizeof line, "%s/k", folder);
    setenv("BP_KERNEL_DIR", line, 1);
}

static bp__tuner tuner_of(bp_device *device)
{
    bp__tuner tuner = {.device = device, .options = bp_tune_options_default()};
    tuner.options.seconds = 1e-9; /* as few turns as possible */
    tuner.start = tuner.best = bp__tuning_default(16);
    tuner.report = calloc(1, sizeof *tuner.report);
    return tuner;
}

static const bp__tune_network small_network = {{40, 50, 60, 7}, 45};

/* The default tile and others of products; the outcome of each, and who wins. */
static bp_status contest(size_t *chosen, bool works[3], char *problem, size_t size)
{
    static const bp__tile tiles[] = {{8, 3}, {4, 4}, {8, 2}};
    bp_device *device = cpu();
    bp__tuner tuner = tuner_of(device);
    bp__contest c;
    OK(bp__contest_begin(&c, &tuner, "tiles", &small_network));
    for (size_t i = 0; i < BP_COUNT(tiles); ++i) {
        bp__tune_way way = bp__tune_way_of(&tuner);
        way.tuning.product = tiles[i];
        way.small_steps = BP__NEVER;
        snprintf(way.name, sizeof way.name, "%zu", i);
        OK(bp__contest_add(&c, &way, true));
        works[i] = c.trials[i].trainer != NULL;
        cr_assert_eq(works[i], c.trials[i].problem == NULL);
        if (!works[i]) snprintf(problem, size, "%s", c.trials[i].problem);
    }
    OK(bp__contest_run(&c, 1));
    for (size_t i = 0; i < BP_COUNT(tiles); ++i)
        cr_assert_eq(works[i], bp__contest_seconds(&c, i) > 0);
    const bp_status status = bp__contest_decide(chosen, &c, &small_network);
    if (status == BP_OK) {
        OK(bp__contest_report(&c, *chosen));
        cr_assert_eq(tuner.report->result.candidate_count, 3);
        for (size_t i = 0; i < 3; ++i) {
            const bp_tune_candidate *row = &tuner.report->result.candidates[i];
            cr_assert_eq(row->verified, works[i]);
            cr_assert_eq(row->chosen, i == *chosen);
            cr_assert_eq(*row->problem != 0, !works[i]);
            cr_assert_eq(isnan(row->seconds), !works[i]);
        }
    }
    bp__contest_end(&c);
    bp_tune_result_free(&tuner.report->result);
    bp_device_free(device);
    unsetenv("BP_KERNEL_DIR");
    return status;
}

#define IN_TILE(m, n, what)                                                                        \
    "/^#include \"cpu.transpose.cl\"/a #if TILE_M == " #m " && TILE_N == " #n "\\n" what "\\n#"    \
    "endif"
#define WRONG "#define fma(a, b, c) ((a) * (b) * 0.8f + (c))"

Test(tune, candidates_that_compute_something_else_are_refused)
{
    size_t chosen = 9;
    bool works[3];
    char problem[4096] = "";
    OK(contest(&chosen, works, problem, sizeof problem));
    cr_assert(works[0] && works[1] && works[2], "%s", problem);

    plant("cpu/panel.cl", IN_TILE(4, 4, WRONG));
    OK(contest(&chosen, works, problem, sizeof problem));
    cr_assert(works[0] && !works[1] && works[2]);
    cr_assert_neq(chosen, 1);
    cr_assert_not_null(strstr(problem, "wrong results"), "%s", problem);

    plant("cpu/panel.cl", IN_TILE(8, 2, "#error broken"));
    OK(contest(&chosen, works, problem, sizeof problem));
    cr_assert(works[0] && works[1] && !works[2]);
    cr_assert_not_null(strstr(problem, "did not build"), "%s", problem);
}

Test(tune, a_default_that_computes_something_else_is_replaced)
{
    size_t chosen = 9;
    bool works[3];
    char problem[4096] = "";
    plant("cpu/panel.cl", IN_TILE(8, 3, WRONG));
    OK(contest(&chosen, works, problem, sizeof problem));
    cr_assert(!works[0] && works[1] && works[2]);
    cr_assert(chosen == 1 || chosen == 2);
}

/* A bug in remainders alone, which the timed network may not have. */
Test(tune, remainders_are_looked_at_too)
{
    size_t chosen;
    bool works[3];
    char problem[4096] = "";
    plant("cpu/panel.cl", "s/for (uint t = 0; t < k1 - k;/for (uint t = k1 == 1100; t < k1 - k;/");
    cr_assert_eq(contest(&chosen, works, problem, sizeof problem), BP_ERROR_INTERNAL);
    cr_assert(!works[0] && !works[1] && !works[2]);
    cr_assert_not_null(strstr(bp_last_error(), "wrong results"), "%s", bp_last_error());
}

/* ---- bp_tune --------------------------------------------------------------------------------- */

typedef struct stopper {
    int calls, stop_at;
    double fraction;
    bool named;
} stopper;

static int watch(const bp_tune_progress *now, void *user)
{
    stopper *s = user;
    cr_assert(now->fraction >= s->fraction && now->fraction <= 1);
    cr_assert(*now->subject && now->candidate);
    s->fraction = now->fraction;
    s->named = s->named || *now->candidate;
    return ++s->calls == s->stop_at;
}

static bp_tune_options quick(stopper *s)
{
    bp_tune_options options = bp_tune_options_default();
    options.seconds = 1;
    options.progress = watch;
    options.user = s;
    return options;
}

static size_t files(void)
{
    char line[128], count[16] = "";
    snprintf(line, sizeof line, "ls -A %s/backprop | wc -l", folder);
    FILE *list = popen(line, "r");
    cr_assert(list && fgets(count, sizeof count, list));
    pclose(list);
    return strtoul(count, NULL, 10);
}

static void check_rows(const bp_tune_result *r)
{
    cr_assert_geq(r->candidate_count, 2);
    for (size_t i = 0; i < r->candidate_count; ++i) {
        const bp_tune_candidate *c = &r->candidates[i];
        cr_assert(c->subject && *c->subject && c->name && c->problem);
        cr_assert(!c->chosen || c->verified || *c->problem, "%s, %s", c->subject, c->name);
        cr_assert_eq(c->verified, !isnan(c->seconds), "%s, %s", c->subject, c->name);
        /* One default and one that was chosen among those of each subject. */
        int defaults = 0, chosen = 0;
        for (size_t k = 0; k < r->candidate_count; ++k)
            if (strcmp(r->candidates[k].subject, c->subject) == 0) {
                defaults += r->candidates[k].is_default;
                chosen += r->candidates[k].chosen;
            }
        cr_assert(defaults == 1 && chosen == 1, "%s: %d, %d", c->subject, defaults, chosen);
    }
    for (size_t i = 0; i < r->gain_count; ++i) {
        const bp_tune_gain *g = &r->gains[i];
        cr_assert(g->ratio_low <= g->ratio && g->ratio <= g->ratio_high);
        cr_assert(g->default_seconds > 0 && g->tuned_seconds > 0 && g->batch > 0);
    }
}

Test(tune, a_run_keeps_a_file_that_the_next_one_takes)
{
    bp_device *device = cpu();
    stopper s = {.stop_at = -1};
    bp_tune_options options = quick(&s);
    bp_tune_result *r;
    bp__engine *engine;
    options.save = 0;
    OK(bp_tune(&r, device, &options));
    cr_assert_null(r->path);
    bp_tune_result_free(r);
    cr_assert(s.calls > 10 && s.named);
    s = (stopper){.stop_at = -1};
    options.save = 1;
    OK(bp_tune(&r, device, &options));
    check_rows(r);
    cr_assert(r->path && strstr(r->path, folder) && r->seconds > 0 && r->seconds < 100);
    cr_assert_eq(files(), 1);
    bp__tuning found;
    bp_tuning_info about;
    cr_assert(bp__tuning_find(&found, &about, &device->info), "%s", about.note);
    const bp__tuning start = bp__tuning_start(&device->info, 16);
    cr_assert_eq(r->changed, !bp__tuning_same(&found, &start));
    cr_assert(isnan(r->processor_share) || (r->processor_share > 0 && r->processor_share < 1.1),
              "%g", r->processor_share);
    OK(bp__engine_create(&engine, device, BP_GEMM_AUTO));
    cr_assert(bp__tuning_same(&found, &((bp__device_engine *)engine)->tuning));
    bp__engine_free(engine);
    bp_tune_result_free(r);
    bp_device_free(device);
}

Test(tune, stopped_or_broken_it_leaves_everything_as_it_was)
{
    bp_device *device = cpu();
    bp__tuning mine = bp__tuning_default(16), found;
    mine.cost[BP__COST_BYTE] = 0.5;
    char *path;
    OK(bp__tuning_place(&path, &device->info));
    OK(bp__tuning_save(&mine, &device->info, path));
    bp_tune_result *r = (bp_tune_result *)&mine;
    const int stops[] = {1, 2, 8, 12};
    for (size_t i = 0; i < BP_COUNT(stops); ++i) {
        stopper s = {.stop_at = stops[i]};
        const bp_tune_options options = quick(&s);
        cr_assert_eq(bp_tune(&r, device, &options), BP_ERROR_CANCELLED, "%d", stops[i]);
        cr_assert_null(r);
        cr_assert_eq(s.calls, stops[i]);
        cr_assert_eq(files(), 1);
        cr_assert(bp__tuning_find(&found, NULL, &device->info) && bp__tuning_same(&found, &mine));
        found = bp__tuning_of(device, 16);
        cr_assert(bp__tuning_same(&found, &mine));
    }
    bp_device_free(device);

    plant("cpu/panel.cl", "/^#include \"cpu.transpose.cl\"/a " WRONG);
    device = cpu();
    stopper s = {.stop_at = -1};
    const bp_tune_options options = quick(&s);
    cr_assert_eq(bp_tune(&r, device, &options), BP_ERROR_INTERNAL);
    cr_assert_not_null(strstr(bp_last_error(), "wrong results"), "%s", bp_last_error());
    cr_assert_eq(files(), 1);
    unsetenv("BP_KERNEL_DIR");
    free(path);
    bp_device_free(device);
}

/* A way that is wrong is never taken again, whatever it costs. */
Test(tune, wrong_small_steps_are_priced_out)
{
    plant("cpu/small_steps.cl", "s/now < first + count/now + 1 < first + count/");
    bp_device *device = cpu();
    bp__tuner tuner = tuner_of(device);
    tuner.options.seconds = 15; /* the networks that are small enough must have their turn */
    tuner.began = bp__seconds();
    tuner.cpu_kernels = true;
    tuner.vector_width = 16;
    OK(bp__tune_costs(&tuner));
    const bp_tune_result *r = &tuner.report->result;
    size_t refused = 0;
    for (size_t i = 0; i < r->candidate_count; ++i)
        if (strcmp(r->candidates[i].name, "many steps a launch") == 0) {
            refused += !r->candidates[i].verified;
            cr_assert_not(r->candidates[i].chosen);
        }
    cr_assert_geq(refused, 2);
    cr_assert(tuner.best.cost[BP__COST_WEIGHT] >= bp__most_cost);
    cr_assert_not(bp__tuning_same(&tuner.best, &tuner.start));
    OK(bp__tuning_check(&tuner.best));
    bp_tune_result_free(&tuner.report->result);
    bp_device_free(device);
    unsetenv("BP_KERNEL_DIR");
}

/* A CPU that is taken for a GPU: slow, but the kernels and the order of things are a GPU's. */
Test(tune, gpus_have_their_own_contests)
{
    bp_device *device = cpu();
    device->info.kind = BP_KIND_GPU;
    stopper s = {.stop_at = -1};
    bp_tune_options options = quick(&s);
    bp_tune_result *r;
    OK(bp_tune(&r, device, &options));
    check_rows(r);
    size_t timed = 0, left_out = 0, clblast = 0;
    for (size_t i = 0; i < r->candidate_count; ++i) {
        const bp_tune_candidate *c = &r->candidates[i];
        cr_assert_not_null(strstr(c->subject, " products"));
        timed += c->verified != 0;
        left_out += strstr(c->problem, "left out") != NULL;
        clblast += strcmp(c->name, "CLBlast") == 0;
    }
    cr_assert(timed >= 4 && left_out >= 1, "%zu, %zu", timed, left_out);
    cr_assert_eq(clblast > 0, bp__clblast_is_there());
    bp_tune_result_free(r);
    bp_device_free(device);
}

Test(tune, what_makes_no_sense_is_refused)
{
    bp_device *device, *opencl = cpu();
    bp_tune_result *r;
    OK(bp_device_open(&device, "reference"));
    cr_assert_eq(bp_tune(&r, device, NULL), BP_ERROR_UNSUPPORTED);
    cr_assert_null(r);
    cr_assert_eq(bp_tune(NULL, device, NULL), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_tune(&r, NULL, NULL), BP_ERROR_ARGUMENT);
    const double seconds[] = {0, -1, 1e9, (double)NAN};
    for (size_t i = 0; i < BP_COUNT(seconds); ++i) {
        bp_tune_options options = bp_tune_options_default();
        options.seconds = seconds[i];
        cr_assert_eq(bp_tune(&r, opencl, &options), BP_ERROR_ARGUMENT);
    }
    bp_tune_options options = bp_tune_options_default();
    options.size = 1;
    cr_assert_eq(bp_tune(&r, opencl, &options), BP_ERROR_ARGUMENT);
    /* Where nothing can be kept, that is found out before anything is measured. */
    setenv("XDG_CACHE_HOME", "/dev/null/nowhere", 1);
    stopper s = {.stop_at = -1};
    options = quick(&s);
    cr_assert_eq(bp_tune(&r, opencl, &options), BP_ERROR_IO);
    cr_assert_eq(s.calls, 0);
    bp_tune_result_free(NULL);
    bp_device_free(device);
    bp_device_free(opencl);
}
