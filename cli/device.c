/* device.c - opens the device that --device names. */
#include "device.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

/* Whether files can be made in folder, which need not exist yet. */
static bool writable(const char *folder)
{
    mkdir(folder, 0700);
    return access(folder, W_OK | X_OK) == 0;
}

/* POCL stops the process where it cannot write its kernel cache. Where the usual folder cannot be
 * written (no home, a read-only one), gives it /tmp/backprop-pocl-UID, if that is a folder of this
 * user's alone. */
static void prepare_pocl_cache(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[4096];
    if (getenv("POCL_CACHE_DIR")) return;
    if (cache && *cache && writable(cache)) return;
    if (home && *home &&
        (size_t)snprintf(folder, sizeof folder, "%s/.cache", home) < sizeof folder &&
        writable(folder))
        return;
    snprintf(folder, sizeof folder, "/tmp/backprop-pocl-%ld", (long)getuid());
    /* Kernels found there are run: the folder must be nobody else's. */
    struct stat about;
    mkdir(folder, 0700);
    if (lstat(folder, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == getuid() &&
        (about.st_mode & 0077) == 0)
        setenv("POCL_CACHE_DIR", folder, 1);
}

int cli_open_device(bp_device **out, const char *spec)
{
    prepare_pocl_cache();
    bp_status status = bp_device_open(out, spec);
    return status == BP_OK ? -1 : cli_fail(status, NULL);
}

static bool is_auto(const char *spec)
{
    if (!spec) spec = getenv("BACKPROP_DEVICE");
    return !spec || !*spec || strcmp(spec, "auto") == 0;
}

int cli_open_device_again(bp_device **out, const char *spec, const char *name)
{
    prepare_pocl_cache();
    if (is_auto(spec) && name && *name && bp_device_open(out, name) == BP_OK) return -1;
    return cli_open_device(out, spec);
}

/* The first device that can; NULL: none. */
static bp_device *find_with_precision(int32_t precision)
{
    bp_device_info *list = NULL;
    size_t count = 0;
    bp_device *found = NULL;
    if (bp_device_list(&list, &count, NULL) != BP_OK) return NULL;
    for (size_t i = 0; i < count && !found; ++i) {
        if (bp_device_open(&found, list[i].spec) != BP_OK) continue;
        if (bp_device_set_precision(found, precision) == BP_OK) break;
        bp_device_free(found);
        found = NULL;
    }
    bp_device_list_free(list);
    return found;
}

int cli_take_precision(bp_device **device, const char *spec, int32_t precision)
{
    const bp_status status = bp_device_set_precision(*device, precision);
    if (status == BP_OK) return -1;
    if (status != BP_ERROR_UNSUPPORTED) return cli_fail(status, NULL);
    bp_device *other = is_auto(spec) ? find_with_precision(precision) : NULL;
    if (!other) {
        bp_device_set_precision(*device, precision); /* the text is of the device that is meant */
        cli_error(CLI_DEVICE, "--precision %s: %s", bp_precision_name(precision), bp_last_error());
        return CLI_DEVICE;
    }
    bp_device_free(*device);
    *device = other;
    return -1;
}

const char *cli_precision_name(const bp_device *device)
{
    return bp_device_get_info(device)->kind == BP_KIND_REFERENCE
               ? "fp64"
               : bp_precision_name(bp_device_get_precision(device));
}

static bool are_several(void)
{
    bp_device_info *list = NULL;
    size_t count = 0, opencl = 0;
    if (bp_device_list(&list, &count, NULL) != BP_OK) return false;
    for (size_t i = 0; i < count; ++i) opencl += list[i].kind != BP_KIND_REFERENCE;
    bp_device_list_free(list);
    return opencl > 1;
}

static const char *microseconds(char text[64], double seconds)
{
    snprintf(text, 64, "%.3g us", 1e6 * seconds);
    return text;
}

/* "of 2 devices 0:1 (name) is taken: 12 us a step; 0:0 (name) 31 us" */
static void tell_choice(const bp_device_choice *choice)
{
    const bp_device_time *best = &choice->times[choice->chosen];
    char text[1024], time[64];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < choice->count && used < sizeof text; ++i) {
        const bp_device_time *t = &choice->times[i];
        if (i == choice->chosen) continue;
        used += (size_t)snprintf(
            text + used, sizeof text - used, "; %s (%s) %s", t->device.spec, t->device.name,
            isfinite(t->step_seconds) ? microseconds(time, t->step_seconds)
            : t->problem[0]           ? t->problem
                                      : "not measured: the training is too short to matter");
    }
    cli_note("of %zu devices %s (%s) is taken: %s a step%s", choice->count, best->device.spec,
             best->device.name, microseconds(time, best->step_seconds), text);
}

int cli_choose_device(bp_device **device, bp_device_choice *why, const char *spec,
                      const bp_model *model, size_t rows, const bp_train_options *how, bool quiet)
{
    *why = (bp_device_choice){0};
    /* One that can multiply in a precision was chosen for that. */
    const bool precise = bp_device_get_precision(*device) != BP_PRECISION_FP32;
    if (!is_auto(spec) || precise || !are_several()) return -1;
    bp_device *chosen;
    const bp_status status = bp_device_choose(&chosen, why, model, rows, how);
    if (status != BP_OK) return cli_fail(status, NULL);
    bp_device_free(*device);
    *device = chosen;
    if (!quiet) tell_choice(why);
    return -1;
}

json_t *cli_choice_json(const bp_device_choice *choice)
{
    json_t *json = json_array();
    for (size_t i = 0; i < choice->count; ++i) {
        const bp_device_time *t = &choice->times[i];
        json_t *row = json_object();
        json_object_set_new(row, "spec", cli_json_text(t->device.spec));
        json_object_set_new(row, "name", cli_json_text(t->device.name));
        json_object_set_new(row, "step_seconds", cli_json_number(t->step_seconds));
        json_object_set_new(row, "measure_seconds", cli_json_number(t->measure_seconds));
        json_object_set_new(row, "problem", cli_json_text(*t->problem ? t->problem : NULL));
        json_object_set_new(row, "chosen", json_boolean(i == choice->chosen));
        json_array_append_new(json, row);
    }
    return json;
}

void cli_note_tuning(const bp_device *device)
{
    bp_tuning_info about;
    const char *wish = getenv("BACKPROP_TUNING");
    if (bp_tuning_get_info(&about, bp_device_get_info(device)) != BP_OK || !about.ignored) return;
    cli_note("%s%s", about.note,
             wish && *wish ? ""
                           : " (backprop tune measures anew, backprop tune --forget removes it)");
}

json_t *cli_tuning_json(bp_tuning_info *about, const bp_device_info *device)
{
    json_t *json = json_object();
    bp_tuning_get_info(about, device);
    json_object_set_new(json, "source", cli_json_text(bp_tuning_source_name(about->source)));
    json_object_set_new(json, "summary", cli_json_text(about->summary));
    return json;
}
