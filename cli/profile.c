/* profile.c - --profile: the trace, and the tables of where the time went. */
#include "profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

cli_option cli_profile_option(const char **path)
{
    return (cli_option){.name = "profile",
                        .kind = CLI_TEXT,
                        .to.text = path,
                        .value = "FILE.json",
                        .help = "where the time goes: a table, and a trace for chrome://tracing "
                                "or ui.perfetto.dev"};
}

int cli_profile_check(const cli_command *command, const char *path)
{
    if (!path) return -1;
    if (strcmp(path, "-") == 0)
        return cli_usage(command, "--profile -: a trace is written to a file, not to standard "
                                  "output");
    return cli_check_output(path);
}

int cli_profile_begin(cli_profile *p, bp_device *device, const bp_device_peak *known)
{
    if (!p->path) return -1;
    bp_status status = BP_OK;
    if (known)
        p->peak = *known;
    else
        status = bp_device_measure(&p->peak, device);
    if (status == BP_OK) status = bp_profile_create(&p->profile, NULL);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

int cli_profile_write(const cli_profile *p)
{
    bp_status status = p->path ? bp_profile_write(p->profile, p->path, &p->peak) : BP_OK;
    return status == BP_OK ? CLI_OK : cli_fail(status, "the trace is lost");
}

void cli_profile_end(cli_profile *p)
{
    bp_profile_free(p->profile);
    p->profile = NULL;
}

/* ---- The tables ----------------------------------------------------------------------------- */

/* The rows of one phase that have the same operations, one for each kernel. */
typedef struct group {
    bp_profile_row sum; /* of the first row's phase and texts */
    size_t kernels;
} group;

static bool belongs(const bp_profile_row *row, const bp_profile_row *like)
{
    return row->phase == like->phase && strcmp(row->operations, like->operations) == 0;
}

static bool is_first(const bp_profile_row *rows, size_t index)
{
    for (size_t i = 0; i < index; ++i)
        if (belongs(&rows[i], &rows[index])) return false;
    return true;
}

static group group_of(const bp_profile_row *rows, size_t count, const bp_profile_row *like)
{
    group g = {*like, 0};
    g.sum.launches = 0;
    g.sum.seconds = g.sum.flops = g.sum.bytes = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!belongs(&rows[i], like)) continue;
        g.sum.launches += rows[i].launches;
        g.sum.seconds += rows[i].seconds;
        g.sum.flops += rows[i].flops;
        g.sum.bytes += rows[i].bytes;
        ++g.kernels;
    }
    return g;
}

static int by_time(const void *a, const void *b)
{
    const group *x = a, *y = b;
    return (x->sum.seconds < y->sum.seconds) - (x->sum.seconds > y->sum.seconds);
}

/* What a table is printed with. */
typedef struct table {
    const cli_profile *profile;
    const bp_profile_row *rows; /* of one phase */
    size_t count;
    double seconds;        /* that shares are of */
    int operation, kernel; /* widths of these columns */
} table;

/* A rate and its share of the peak; blank where there is nothing to speak of. */
static void print_rate(double amount, double seconds, double peak, int digits)
{
    const double rate = seconds > 0 ? 1e-9 * amount / seconds : 0;
    if (rate > 0)
        printf(" %9.*f %6.1f %%", digits, rate, 100 * rate / peak);
    else
        printf(" %9s %8s", "", "");
}

static void print_row(const table *t, const char *operation, const char *kernel,
                      const bp_profile_row *row)
{
    const bp_device_peak *peak = &t->profile->peak;
    printf("%-*s  %-*s %9" PRId64 " %10.2f %5.1f %% %10.2f", t->operation, operation, t->kernel,
           kernel, row->launches, 1e3 * row->seconds, 100 * row->seconds / t->seconds,
           1e6 * row->seconds / (double)row->launches);
    print_rate(row->flops, row->seconds, peak->gflops, 1);
    print_rate(row->bytes, row->seconds, peak->gbytes_per_second, 2);
    putchar('\n');
}

/* One line, or where there are several kernels one for all of them and one for each. */
static void print_group(const table *t, const group *g)
{
    char several[CLI_NUMBER];
    snprintf(several, sizeof several, "%zu kernels", g->kernels);
    print_row(t, g->sum.operation, g->kernels == 1 ? g->sum.kernel : several, &g->sum);
    for (size_t i = 0; g->kernels > 1 && i < t->count; ++i)
        if (belongs(&t->rows[i], &g->sum)) print_row(t, "", t->rows[i].kernel, &t->rows[i]);
}

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width) *width = (int)strlen(text);
}

static void print_table(table *t)
{
    group *groups = calloc(t->count, sizeof *groups);
    size_t count = 0;
    if (!groups) return;
    t->operation = (int)strlen("operation");
    t->kernel = (int)strlen("9 kernels");
    for (size_t i = 0; i < t->count; ++i) {
        widen(&t->operation, t->rows[i].operation);
        widen(&t->kernel, t->rows[i].kernel);
        if (is_first(t->rows, i)) groups[count++] = group_of(t->rows, t->count, &t->rows[i]);
    }
    qsort(groups, count, sizeof *groups, by_time);
    printf("%-*s  %-*s %9s %10s %7s %10s %9s %8s %9s %8s\n", t->operation, "operation", t->kernel,
           "kernel", "launches", "total ms", "share", "us/launch", "GFLOP/s", "of peak", "GB/s",
           "of peak");
    for (size_t i = 0; i < count; ++i) print_group(t, &groups[i]);
    for (size_t i = 0; i < count; ++i) /* what the short names stand for */
        if (strstr(groups[i].sum.operation, " .. "))
            printf("%s: %s\n", groups[i].sum.operation, groups[i].sum.operations);
    free(groups);
}

static const char *title_of(int32_t phase)
{
    return phase == BP_PHASE_SETUP ? "set-up" : bp_phase_name(phase);
}

static void print_phase(const cli_profile *p, int32_t phase, const bp_profile_row *rows,
                        size_t count)
{
    const bp_profile_phase total = bp_profile_get_phase(p->profile, phase);
    if (!(total.seconds > 0) || count == 0) return;
    const double percent = 100 / total.seconds;
    const bool long_time = total.seconds >= 1;
    printf("\n%-11s %.4g %s: kernels %.1f %%, transfers %.1f %%, launching %.1f %%, waiting for "
           "the host %.1f %%\n",
           title_of(phase), (long_time ? 1 : 1e3) * total.seconds, long_time ? "s" : "ms",
           percent * total.kernels, percent * total.transfers, percent * total.launching,
           percent * total.waiting);
    if (total.streaming > 0)
        printf("streaming   %.4g ms beside it, %.1f %% of that while kernels ran\n",
               1e3 * total.streaming, 100 * total.overlapped / total.streaming);
    table t = {.profile = p, .rows = rows, .count = count, .seconds = total.seconds};
    if (phase == BP_PHASE_TRAINING || phase == BP_PHASE_VALIDATION) print_table(&t);
}

static void print_kept(const cli_profile *p)
{
    int64_t all = 0, kept = 0;
    for (int32_t phase = 0; phase < BP_PHASES; ++phase) {
        const bp_profile_phase total = bp_profile_get_phase(p->profile, phase);
        all += total.launches + total.transfer_count;
        kept += total.kept;
    }
    printf("\nprofile     ");
    cli_print_text(stdout, p->path);
    if (kept == all)
        printf(": all %" PRId64 " launches and transfers\n", all);
    else
        printf(": the first %" PRId64 " launches and transfers of each phase, %" PRId64
               " of %" PRId64 "; the tables are of all\n",
               bp_profile_options_default().details, kept, all);
    printf("peak        %.4g GFLOP/s, memory %.3g GB/s\n", p->peak.gflops,
           p->peak.gbytes_per_second);
}

int cli_profile_print(const cli_profile *p)
{
    if (!p->path) return CLI_OK;
    static const int32_t order[] = {BP_PHASE_TRAINING, BP_PHASE_VALIDATION, BP_PHASE_SETUP,
                                    BP_PHASE_OTHER};
    bp_profile_row *rows;
    size_t count;
    bp_status status = bp_profile_rows(&rows, &count, p->profile);
    if (status != BP_OK) return cli_fail(status, NULL);
    print_kept(p);
    for (size_t i = 0; i < sizeof order / sizeof *order; ++i) {
        size_t first = 0, end;
        while (first < count && rows[first].phase != order[i]) ++first;
        for (end = first; end < count && rows[end].phase == order[i];) ++end;
        print_phase(p, order[i], rows + first, end - first);
    }
    free(rows);
    return CLI_OK;
}

/* ---- The same as JSON ----------------------------------------------------------------------- */

static json_t *phase_json(const bp_profile_phase *phase)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "seconds",
                     phase->seconds, "kernels", phase->kernels, "transfers", phase->transfers,
                     "launching", phase->launching, "waiting", phase->waiting, "streaming",
                     phase->streaming, "overlapped", phase->overlapped, "launches",
                     (json_int_t)phase->launches, "transfer_count",
                     (json_int_t)phase->transfer_count, "kept", (json_int_t)phase->kept);
}

static json_t *row_json(const bp_profile_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f}", "phase",
                     bp_phase_name(row->phase), "operation", row->operation, "operations",
                     row->operations, "kernel", row->kernel, "launches", (json_int_t)row->launches,
                     "steps", (json_int_t)row->steps, "seconds", row->seconds, "flops", row->flops,
                     "bytes", row->bytes);
}

json_t *cli_profile_json(const cli_profile *p)
{
    if (!p->path) return json_null();
    bp_profile_row *rows;
    size_t count;
    if (bp_profile_rows(&rows, &count, p->profile) != BP_OK) return NULL;
    json_t *phases = json_object(), *list = json_array();
    for (int32_t i = 0; i < BP_PHASES; ++i) {
        const bp_profile_phase phase = bp_profile_get_phase(p->profile, i);
        json_object_set_new(phases, bp_phase_name(i), phase_json(&phase));
    }
    for (size_t i = 0; i < count; ++i) json_array_append_new(list, row_json(&rows[i]));
    free(rows);
    return json_pack("{s:o, s:f, s:f, s:o, s:o}", "trace", cli_json_text(p->path), "peak_gflops",
                     p->peak.gflops, "peak_gbytes_per_second", p->peak.gbytes_per_second, "phases",
                     phases, "rows", list);
}
