/* selftest.c - `backprop selftest`: does a device compute what it should? A verdict to act on, and
 * a report to send. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "commands.h"
#include "device.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

typedef struct selftest_settings {
    const char *device;
    int32_t gemm;
    uint64_t seed;
} selftest_settings;

/* ---- progress ---------------------------------------------------------------------------------
 */

typedef struct test_progress {
    bool live;
    int drawn;
} test_progress;

static void clear_progress(test_progress *p)
{
    if (p->drawn > 0) fprintf(stderr, "\r%*s\r", p->drawn, "");
    p->drawn = 0;
    fflush(stderr);
}

static int show_progress(const char *part, double done, void *user)
{
    test_progress *p = user;
    if (!p->live) return 0;
    clear_progress(p);
    p->drawn = fprintf(stderr, "%3.0f %%  %.60s", 100 * done, part);
    fflush(stderr);
    return 0;
}

/* ---- the report -------------------------------------------------------------------------------
 */

static const char *kernels_source(void)
{
    const char *folder = getenv("BP_KERNEL_DIR");
    return folder && *folder ? folder : "built in";
}

static json_t *check_json(const bp_selftest_check *check)
{
    json_t *json = json_object();
    json_object_set_new(json, "name", cli_json_text(check->name));
    json_object_set_new(json, "kernels", cli_json_text(check->kernels));
    json_object_set_new(json, "passed", json_boolean(check->passed));
    json_object_set_new(json, "cases", json_integer(check->cases));
    json_object_set_new(json, "max_error", cli_json_number(check->max_error));
    json_object_set_new(json, "bound", cli_json_number(check->bound));
    json_object_set_new(json, "where", cli_json_text(check->where));
    json_object_set_new(json, "problem", cli_json_text(*check->problem ? check->problem : NULL));
    return json;
}

static json_t *report_json(const bp_device_info *info, const bp_selftest_result *r)
{
    json_t *json = json_object(), *checks = json_array();
    char system[512] = "";
    struct utsname about;
    if (uname(&about) == 0)
        snprintf(system, sizeof system, "%.100s %.200s %.100s", about.sysname, about.release,
                 about.machine);
    json_object_set_new(json, "passed", json_boolean(r->passed));
    json_object_set_new(json, "device", cli_json_text(info->name));
    json_object_set_new(json, "device_spec", cli_json_text(info->spec));
    json_object_set_new(json, "kind", cli_json_text(bp_kind_name(info->kind)));
    json_object_set_new(json, "vendor", cli_json_text(info->vendor));
    json_object_set_new(json, "driver", cli_json_text(info->driver));
    json_object_set_new(json, "opencl", cli_json_text(info->opencl));
    json_object_set_new(json, "compute_units", cli_json_count(info->compute_units));
    json_object_set_new(json, "global_memory_bytes", cli_json_count(info->global_memory_bytes));
    json_object_set_new(json, "version", cli_json_text(bp_version()));
    json_object_set_new(json, "kernel_source", cli_json_text(kernels_source()));
    json_object_set_new(json, "system", cli_json_text(system));
    json_object_set_new(json, "seconds", cli_json_number(r->seconds));
    for (size_t i = 0; i < r->check_count; ++i)
        json_array_append_new(checks, check_json(&r->checks[i]));
    json_object_set_new(json, "checks", checks);
    return json;
}

static void print_check(const bp_selftest_check *check)
{
    char error[CLI_NUMBER] = "", bound[CLI_NUMBER] = "";
    if (check->cases > 0) {
        snprintf(error, sizeof error, "%.2g", check->max_error);
        snprintf(bound, sizeof bound, "%.2g", check->bound);
    }
    printf("  %-18s %-30s %9" PRId64 "  %-9s %-9s %s\n", check->name, check->kernels, check->cases,
           error, bound, check->passed ? "ok" : "WRONG");
    if (check->passed) return;
    fputs("      ", stdout);
    for (const char *at = check->problem; *at; ++at) {
        const char one[2] = {*at, '\0'};
        if (*at == '\n')
            fputs("\n      ", stdout);
        else
            cli_print_text(stdout, one);
    }
    putchar('\n');
}

static void print_report(const bp_device_info *info, const bp_selftest_result *r)
{
    size_t wrong = 0;
    cli_print_text(stdout, info->name);
    printf(" (%s), driver ", info->spec);
    cli_print_text(stdout, *info->driver ? info->driver : "none");
    printf(", backprop %s, kernels %s\n\n", bp_version(), kernels_source());
    printf("  %-18s %-30s %9s  %-9s %-9s\n", "check", "kernels", "cases", "error", "allowed");
    for (size_t i = 0; i < r->check_count; ++i) {
        print_check(&r->checks[i]);
        wrong += !r->checks[i].passed;
    }
    if (wrong)
        printf("\n%zu of %zu checks failed: do not trust this device with these kernels", wrong,
               r->check_count);
    else
        printf("\nall %zu checks passed", r->check_count);
    printf(" (%.1f s)\n", r->seconds);
}

/* ---- the order of things ----------------------------------------------------------------------
 */

/* -1, or an exit code that has been explained. */
static int test_device(const cli_command *command, const selftest_settings *s, const char *spec,
                       bool first, json_t *reports)
{
    bp_device *device = NULL;
    bp_selftest_result result;
    test_progress progress = {.live = !command->quiet && cli_terminal_of(stderr).live};
    bp_selftest_options options = bp_selftest_options_default();
    int code = cli_open_device(&device, spec);
    if (code >= 0) return code;
    const bp_device_info *info = bp_device_get_info(device);
    options.gemm = s->gemm;
    options.seed = s->seed;
    options.progress = show_progress;
    options.user = &progress;
    const bp_status status = bp_selftest(&result, device, &options);
    clear_progress(&progress);
    if (status != BP_OK) {
        bp_device_free(device);
        return cli_fail(status, NULL);
    }
    if (command->json) {
        json_array_append_new(reports, report_json(info, &result));
    } else {
        if (!first) putchar('\n');
        print_report(info, &result);
        fflush(stdout);
    }
    if (!result.passed)
        code = cli_error(CLI_FAILURE,
                         "%s does not compute what it should; the report with --json "
                         "is what a bug report needs",
                         info->name);
    bp_selftest_free(&result);
    bp_device_free(device);
    return code;
}

static int test_all(const cli_command *command, const selftest_settings *s, json_t *reports)
{
    bp_device_info *list;
    size_t count;
    int code = -1;
    const bp_status status = bp_device_list(&list, &count, NULL);
    if (status != BP_OK) return cli_fail(status, NULL);
    for (size_t i = 0; i < count; ++i) {
        const int one = test_device(command, s, list[i].spec, i == 0, reports);
        if (code < 0) code = one;
    }
    bp_device_list_free(list);
    return code;
}

int cli_selftest(int argc, char **argv)
{
    const bp_selftest_options defaults = bp_selftest_options_default();
    selftest_settings s = {.gemm = defaults.gemm, .seed = defaults.seed};
    cli_option options[] = {
        {.name = "device",
         .kind = CLI_TEXT,
         .to.text = &s.device,
         .value = "SPEC",
         .help = "all, auto, gpu, cpu, accelerator, reference, P:D or part of a name; see backprop "
                 "devices",
         .fallback = "$BACKPROP_DEVICE, else auto"},
        {.name = "gemm",
         .kind = CLI_CHOICE,
         .to.code = &s.gemm,
         .value = "NAME",
         .choice = bp_gemm_name,
         .help = "only these kernels; auto: all that the device can run"},
        {.name = "seed",
         .kind = CLI_SEED,
         .to.seed = &s.seed,
         .value = "N",
         .help = "of parameters and data"},
    };
    cli_command command = {
        .name = "selftest",
        .usage = "[OPTIONS]",
        .summary = "Whether a device computes what it should: every operation of a training step, "
                   "by each set of kernels that the device can run, at sizes that fit no vector "
                   "and no tile, against the reference; gradients against differences; a hundred "
                   "steps of every optimizer; the same training again, for the same bits. Takes "
                   "less than a minute. Exit code 1 where anything is wrong.",
        .examples = "  backprop selftest\n"
                    "  backprop selftest --device all --json > selftest.json\n",
        .groups = {{"Options", options, sizeof options / sizeof *options}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    json_t *reports = json_array();
    if (!reports) return cli_error(CLI_FAILURE, "out of memory");
    if (s.device && strcmp(s.device, "all") == 0)
        code = test_all(&command, &s, reports);
    else
        code = test_device(&command, &s, s.device, true, reports);
    if (!command.json || json_array_size(reports) == 0) {
        json_decref(reports);
        return code < 0 ? CLI_OK : code;
    }
    const int printed = cli_print_json(stdout, reports);
    return code < 0 ? printed : code;
}
