/* tune.c - `backprop tune`: finds out what a device computes fastest with, and keeps it. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "device.h"
#include "options.h"
#include "output.h"
#include "stop.h"
#include "terminal.h"

typedef struct tune_settings {
    const char *device;
    double seconds;
    int32_t dry_run, forget;
} tune_settings;

/* ---- progress ---------------------------------------------------------------------------------
 */

typedef struct tune_progress {
    bool live; /* a line on a terminal, drawn over and over */
    int percent, drawn;
    const char *subject;
} tune_progress;

static void clear(tune_progress *p)
{
    if (p->drawn > 0) fprintf(stderr, "\r%*s\r", p->drawn, "");
    p->drawn = 0;
    fflush(stderr);
}

static int show(const bp_tune_progress *now, void *user)
{
    tune_progress *p = user;
    const int percent = (int)(100 * now->fraction);
    if (p->live && (percent != p->percent || p->subject != now->subject || *now->candidate)) {
        clear(p);
        p->drawn = fprintf(stderr, "%3d %%  %.40s%s%.30s", percent, now->subject,
                           *now->candidate ? ": " : "", now->candidate);
        fflush(stderr);
        p->percent = percent;
        p->subject = now->subject;
    }
    return cli_stop_signal() != 0;
}

/* ---- results ----------------------------------------------------------------------------------
 */

static json_t *candidate_json(const bp_tune_candidate *c)
{
    json_t *json = json_object();
    json_object_set_new(json, "subject", cli_json_text(c->subject));
    json_object_set_new(json, "name", cli_json_text(c->name));
    json_object_set_new(json, "step_us", cli_json_number(1e6 * c->seconds));
    json_object_set_new(json, "ratio", cli_json_number(c->ratio));
    json_object_set_new(json, "verified", json_boolean(c->verified));
    json_object_set_new(json, "default", json_boolean(c->is_default));
    json_object_set_new(json, "chosen", json_boolean(c->chosen));
    json_object_set_new(json, "problem", *c->problem ? cli_json_text(c->problem) : json_null());
    return json;
}

static json_t *gain_json(const bp_tune_gain *g)
{
    json_t *json = json_object(), *layers = json_array();
    const char *next = g->layers;
    while (*next) {
        char *end;
        json_array_append_new(layers, json_integer(strtoll(next, &end, 10)));
        next = *end ? end + 1 : end;
    }
    json_object_set_new(json, "layers", layers);
    json_object_set_new(json, "batch", json_integer(g->batch));
    json_object_set_new(json, "default_us", cli_json_number(1e6 * g->default_seconds));
    json_object_set_new(json, "tuned_us", cli_json_number(1e6 * g->tuned_seconds));
    json_object_set_new(json, "ratio", cli_json_number(g->ratio));
    json_object_set_new(json, "ratio_low", cli_json_number(g->ratio_low));
    json_object_set_new(json, "ratio_high", cli_json_number(g->ratio_high));
    return json;
}

static int print_json(const bp_device_info *device, const bp_tune_result *r)
{
    json_t *json = json_object(), *candidates = json_array(), *gains = json_array();
    for (size_t i = 0; i < r->candidate_count; ++i)
        json_array_append_new(candidates, candidate_json(&r->candidates[i]));
    for (size_t i = 0; i < r->gain_count; ++i)
        json_array_append_new(gains, gain_json(&r->gains[i]));
    json_object_set_new(json, "device", cli_json_text(device->name));
    json_object_set_new(json, "device_spec", cli_json_text(device->spec));
    json_object_set_new(json, "driver", cli_json_text(device->driver));
    json_object_set_new(json, "candidates", candidates);
    json_object_set_new(json, "gains", gains);
    json_object_set_new(json, "changed", json_boolean(r->changed));
    json_object_set_new(json, "withdrawn", json_boolean(r->withdrawn));
    json_object_set_new(json, "seconds", cli_json_number(r->seconds));
    json_object_set_new(json, "processor_share", cli_json_number(r->processor_share));
    json_object_set_new(json, "file", cli_json_text(r->path));
    return cli_print_json(stdout, json);
}

static void print_candidate(const bp_tune_candidate *c)
{
    printf("  %-24s", c->name);
    if (isfinite(c->seconds))
        printf("%11.5g", 1e6 * c->seconds);
    else
        printf("%11s", "");
    if (isfinite(c->ratio))
        printf("%9.3f", c->ratio);
    else
        printf("%9s", "");
    printf("  %-8s", c->verified ? "yes" : "no");
    printf("%s", c->chosen && c->is_default ? "  chosen, default"
                 : c->chosen                ? "  chosen"
                 : c->is_default            ? "  default"
                                            : "");
    putchar('\n');
    if (*c->problem) {
        /* A build log has many lines, of which the first says most. */
        fputs("      ", stdout);
        for (const char *at = c->problem; *at && *at != '\n'; ++at) {
            const char one[2] = {*at, '\0'};
            cli_print_text(stdout, one);
        }
        putchar('\n');
    }
}

static void print_gains(const bp_tune_result *r)
{
    if (!r->changed && !r->withdrawn) {
        puts("\nThe defaults stay: nothing was faster beyond the noise.");
        return;
    }
    if (r->gain_count > 0)
        printf("\n%-26s%11s%11s%9s  [quartiles]\n", "whole steps", "default us", "chosen us",
               "speed");
    for (size_t i = 0; i < r->gain_count; ++i) {
        const bp_tune_gain *g = &r->gains[i];
        char name[64];
        snprintf(name, sizeof name, "%s at %" PRId64, g->layers, g->batch);
        printf("  %-24s%11.5g%11.5g%9.3f  [%.3f .. %.3f]\n", name, 1e6 * g->default_seconds,
               1e6 * g->tuned_seconds, g->ratio, g->ratio_low, g->ratio_high);
    }
    if (r->withdrawn)
        puts("\nThe defaults stay: a network was slower, or wrong, with what had been chosen.");
}

static void print_table(const bp_device_info *device, const bp_tune_result *r)
{
    const char *subject = NULL;
    printf("device  ");
    cli_print_text(stdout, device->name);
    printf(" (%s)\n\n%-26s%11s%9s  %-8s\n", device->spec, "tried", "step us", "speed", "verified");
    for (size_t i = 0; i < r->candidate_count; ++i) {
        const bp_tune_candidate *c = &r->candidates[i];
        if (!subject || strcmp(subject, c->subject) != 0) puts(c->subject);
        subject = c->subject;
        print_candidate(c);
    }
    print_gains(r);
    printf("%.1f s; ", r->seconds);
    if (r->path) {
        fputs("kept in ", stdout);
        cli_print_text(stdout, r->path);
        putchar('\n');
    } else {
        puts("not kept");
    }
}

/* ---- the order of things ----------------------------------------------------------------------
 */

/* On a quiet machine threads that spin have nearly all that they want. */
static const double least_share = 0.9;

static int tune(const cli_command *command, const tune_settings *s, bp_device *device)
{
    const bp_device_info *info = bp_device_get_info(device);
    tune_progress progress = {.live = !command->quiet && cli_terminal_of(stderr).live,
                              .percent = -1};
    bp_tune_options options = bp_tune_options_default();
    bp_tune_result *result;
    options.seconds = s->seconds;
    options.save = !s->dry_run;
    options.progress = show;
    options.user = &progress;
    if (!command->quiet && !progress.live)
        cli_note("tuning %s, which takes about %.3g s", info->name, s->seconds);
    cli_stop_catch();
    const bp_status status = bp_tune(&result, device, &options);
    clear(&progress);
    if (status == BP_ERROR_CANCELLED && cli_stop_signal())
        return cli_error(CLI_SIGNAL + cli_stop_signal(), "%s", bp_last_error());
    if (status == BP_ERROR_IO)
        return cli_fail(status, "XDG_CACHE_HOME names another folder, --dry-run needs none");
    if (status != BP_OK) return cli_fail(status, NULL);
    const char *wish = getenv("BACKPROP_TUNING");
    if (result->path && wish && strcmp(wish, "none") == 0 && !command->quiet)
        cli_warn("BACKPROP_TUNING is none: what was found is kept, but will not be used");
    if (result->processor_share < least_share && !command->quiet)
        cli_note(
            "threads had %.0f %% of the processor time that they wanted, because of other work "
            "or fewer cores than the device counts: what was found may hold as long as that",
            100 * result->processor_share);
    int code = CLI_OK;
    if (command->json)
        code = print_json(info, result);
    else
        print_table(info, result);
    bp_tune_result_free(result);
    return code;
}

static int forget(const cli_command *command, const bp_device_info *device)
{
    size_t count;
    const bp_status status = bp_tuning_forget(device, &count);
    if (status != BP_OK) return cli_fail(status, NULL);
    if (command->json) {
        json_t *json = json_object();
        json_object_set_new(json, "removed", cli_json_count(count));
        return cli_print_json(stdout, json);
    }
    printf("%zu file%s of ", count, cli_s(count));
    cli_print_text(stdout, device->name);
    puts(" removed");
    return CLI_OK;
}

int cli_tune(int argc, char **argv)
{
    tune_settings s = {.seconds = bp_tune_options_default().seconds};
    cli_option options[] = {
        {.name = "device",
         .kind = CLI_TEXT,
         .to.text = &s.device,
         .value = "SPEC",
         .help = "auto, gpu, cpu, accelerator, P:D or part of a name; see backprop devices",
         .fallback = "$BACKPROP_DEVICE, else auto"},
        {.name = "seconds",
         .kind = CLI_DOUBLE,
         .to.wide = &s.seconds,
         .value = "F",
         .help = "about how long it may take; with less, fewer candidates are tried",
         .min = 0,
         .max = 3600,
         .above = true},
        {.name = "dry-run",
         .kind = CLI_FLAG,
         .to.code = &s.dry_run,
         .set = 1,
         .help = "measures and tells, but keeps nothing"},
        {.name = "forget",
         .kind = CLI_FLAG,
         .to.code = &s.forget,
         .set = 1,
         .help = "removes what was kept for the device, and measures nothing"},
    };
    cli_command command = {
        .name = "tune",
        .usage = "[OPTIONS]",
        .summary =
            "Tries out what a device could be used with: the register tiles of its matrix "
            "products, how many threads and which way each size of network takes, on a GPU the "
            "tile or CLBlast. A candidate counts only if training with it gives the "
            "reference's results. What is faster than the defaults beyond the noise is kept "
            "in the cache folder and used from then on. Quiet machines give better answers.",
        .examples = "  backprop tune\n"
                    "  backprop tune --device gpu --seconds 30\n"
                    "  backprop tune --dry-run --json\n"
                    "  backprop tune --forget\n",
        .groups = {{"Options", options, sizeof options / sizeof *options}},
    };
    const char *arguments[CLI_ARGUMENTS];
    int code = cli_parse(&command, argc, argv, arguments);
    if (code >= 0) return code;
    if (s.forget && s.dry_run)
        return cli_usage(&command, "--forget measures nothing: not with --dry-run");
    bp_device *device = NULL;
    code = cli_open_device(&device, s.device);
    if (code < 0)
        code = s.forget ? forget(&command, bp_device_get_info(device)) : tune(&command, &s, device);
    bp_device_free(device);
    return code;
}
