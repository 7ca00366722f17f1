/* tuning_files.h - tunings as files, for devices that need not be there, in a cache folder of a
 * test's own. */
#ifndef BP_TESTS_TUNING_FILES_H
#define BP_TESTS_TUNING_FILES_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tuning/store.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        bp_status status_ = (call);                                                                \
        cr_assert(status_ == BP_OK, "%s: %s: %s", #call, bp_status_name(status_),                  \
                  bp_last_error());                                                                \
    } while (0)

static char folder[64];

static inline void make_folder(void)
{
    strcpy(folder, "/tmp/backprop-tuning-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    setenv("XDG_CACHE_HOME", folder, 1);
    unsetenv("BACKPROP_TUNING");
    unsetenv("BP_KERNEL_DIR");
}

static inline void remove_folder(void)
{
    char line[128];
    snprintf(line, sizeof line, "rm -rf '%s'", folder);
    cr_assert_eq(system(line), 0);
}

static inline bp_device_info device_of(const char *name)
{
    bp_device_info info = {.kind = BP_KIND_CPU, .compute_units = 6};
    snprintf(info.name, sizeof info.name, "%s", name);
    strcpy(info.vendor, "Acme");
    strcpy(info.driver, "3.1");
    strcpy(info.opencl, "OpenCL 3.0");
    strcpy(info.platform, "OpenCL 3.0 Acme, LLVM 14");
    return info;
}

/* Unlike the defaults in every member. */
static inline bp__tuning unusual(void)
{
    bp__tuning t = bp__tuning_default(16);
    t.product = (bp__tile){12, 2};
    t.gradient = (bp__tile){4, 4};
    for (int c = 0; c < BP__COSTS; ++c) t.cost[c] = 1.0 / 3 + c;
    t.gemm[BP__SHAPE_SMALL] = (bp__gemm_choice){.tile = 32};
    t.gemm[BP__SHAPE_MEDIUM] = (bp__gemm_choice){.tile = 64, .matrix = true};
    t.gemm[BP__SHAPE_LARGE] = (bp__gemm_choice){.clblast = true};
    return t;
}

static inline char *saved(const bp__tuning *tuning, const bp_device_info *device)
{
    char *path;
    OK(bp__tuning_place(&path, device));
    OK(bp__tuning_save(tuning, device, path));
    return path;
}

static inline size_t files_in(const char *path)
{
    size_t count = 0;
    DIR *list = opendir(path);
    cr_assert_not_null(list, "%s", path);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(list);
    return count;
}

static inline void write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

#endif
