/* device.c - opens the device that --device names. */
#include "device.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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
