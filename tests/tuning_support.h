/* tuning_support.h - a cache folder of a test's own, and a device to tune. */
#ifndef BP_TESTS_TUNING_SUPPORT_H
#define BP_TESTS_TUNING_SUPPORT_H

#include "network_support.h"
#include "ops/launchers.h"
#include "tuning/store.h"

static char folder[64];

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/backprop-tune-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    /* Drivers keep their kernels where they always do. */
    char cache[4096];
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && *xdg)
        snprintf(cache, sizeof cache, "%s/pocl/kcache", xdg);
    else
        snprintf(cache, sizeof cache, "%s/.cache/pocl/kcache", home ? home : folder);
    setenv("POCL_CACHE_DIR", cache, 0);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("BACKPROP_PROGRAMS", "none", 1); /* the folder's files are tunings */
    unsetenv("BACKPROP_TUNING");
}

static inline void remove_folder(void)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    cr_assert_eq(system(line), 0);
}

/* The first device with kernels for CPUs; NULL skips the test. */
static inline bp_device *cpu(void)
{
    bp_device *device;
    if (bp_device_open(&device, "cpu") != BP_OK) cr_skip_test("no OpenCL CPU here");
    return device;
}

#endif
