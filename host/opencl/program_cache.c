/* program_cache.c - compiled programs as files in the user's cache folder:
 *
 *   backprop program 1 <fingerprint of what follows the line>
 *   the driver's binary, or nothing
 *
 * Many drivers keep what they have compiled; some compile for seconds in every process. Which kind
 * a driver is, it shows: a build that takes long leaves a file without a binary, a note that it was
 * built; where such a note is found and the build is long again, the binary is kept. A driver that
 * keeps its own is never asked for any.
 *
 * A file's name is the fingerprint of everything that the binary depends on: source, options,
 * device, driver and, as a driver for CPUs compiles for the processor that it finds, that
 * processor. */
#include "opencl/program_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cache.h"
#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"

/* Seconds from which on a build is long: reading a file takes a thousandth of it. */
static const double long_build = 0.1;

/* Bytes of a binary, and of all that are kept: the longest unused go first. */
enum { BINARY_LIMIT = 32 << 20, FOLDER_LIMIT = 128 << 20 };

static const char title[] = "backprop program 1 ", prefix[] = "program-";
enum { HEAD = sizeof title - 1 + BP__FINGERPRINT_LETTERS + 1 };

/* ---- Places ---------------------------------------------------------------------------------- */

/* What a compiler may find out about this processor: the lines of /proc/cpuinfo that tell models
 * and their extensions apart, for the first processor. False where there are none. */
static bool add_processor(bp__fingerprint *hash)
{
    static const char *const names[] = {"vendor_id",       "cpu family", "model",       "stepping",
                                        "flags",           "isa",        "Features",    "cpu",
                                        "CPU implementer", "CPU part",   "CPU variant", NULL};
    FILE *file = fopen("/proc/cpuinfo", "r");
    char *line = NULL;
    size_t capacity = 0, found = 0;
    if (!file) return false;
    for (ssize_t length; (length = getline(&line, &capacity, file)) > 1;) {
        const size_t word = strcspn(line, "\t:");
        for (size_t i = 0; names[i]; ++i)
            if (strlen(names[i]) == word && memcmp(names[i], line, word) == 0) {
                bp__fingerprint_add(hash, line, (size_t)length);
                ++found;
            }
    }
    free(line);
    fclose(file);
    return found > 0;
}

static bool switched_off(void)
{
    const char *wish = getenv("BACKPROP_PROGRAMS");
    return wish && strcmp(wish, "none") == 0;
}

char *bp__program_place(const bp_device *device, const char *source, const char *options)
{
    const bp_device_info *info = &device->info;
    const char *const texts[] = {info->name,     info->vendor, info->driver, info->opencl,
                                 info->platform, options,      source,       NULL};
    char *folder = NULL, *path = NULL, name[BP__FINGERPRINT_TEXT];
    bp__fingerprint *hash = NULL;
    if (switched_off()) return NULL;
    bp__hold_error(true);
    if (bp__cache_folder(&folder) == BP_OK && folder && bp__fingerprint_create(&hash) == BP_OK) {
        for (size_t i = 0; texts[i]; ++i) bp__fingerprint_add(hash, texts[i], strlen(texts[i]) + 1);
        bp__fingerprint_add(hash, &info->compute_units, sizeof info->compute_units);
        if (info->kind != BP_KIND_CPU || add_processor(hash)) {
            bp__fingerprint_text(name, hash);
            if (bp__append(&path, "%s/%s%s", folder, prefix, name) != BP_OK) path = NULL;
        }
    }
    bp__hold_error(false);
    bp__fingerprint_free(hash);
    free(folder);
    return path;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A binary is code that will run: a file that somebody else could have written is none. */
static bool is_own(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The file's bytes, undamaged, of which the binary begins at HEAD; NULL where there are none. */
static char *read_file(size_t *size, const char *path)
{
    char *bytes, sum[BP__FINGERPRINT_TEXT];
    if (!is_own(path)) return NULL;
    bp__hold_error(true);
    const bp_status status = bp__file_read(&bytes, size, path, BINARY_LIMIT + HEAD);
    bp__hold_error(false);
    if (status != BP_OK) return NULL;
    if (*size >= HEAD) bp__fingerprint_bytes(sum, bytes + HEAD, *size - HEAD);
    if (*size >= HEAD && memcmp(bytes, title, strlen(title)) == 0 &&
        memcmp(bytes + strlen(title), sum, BP__FINGERPRINT_LETTERS) == 0 && bytes[HEAD - 1] == '\n')
        return bytes;
    free(bytes);
    return NULL;
}

cl_program bp__program_load(bp_device *device, const char *path, const char *options)
{
    size_t size;
    char *bytes = read_file(&size, path);
    cl_program program = NULL;
    if (bytes && size > HEAD) {
        const unsigned char *binary = (const unsigned char *)bytes + HEAD;
        const size_t length = size - HEAD;
        cl_int code, taken = CL_INVALID_BINARY;
        program = bp__cl.clCreateProgramWithBinary(device->context, 1, &device->id, &length,
                                                   &binary, &taken, &code);
        if (code != CL_SUCCESS) program = NULL;
        if (program && (taken != CL_SUCCESS ||
                        bp__cl.clBuildProgram(program, 1, &device->id, options, NULL, NULL))) {
            bp__cl.clReleaseProgram(program);
            program = NULL;
        }
        if (program)
            (void)utimensat(AT_FDCWD, path, NULL, 0); /* used now */
        else
            (void)unlink(path);
    }
    free(bytes);
    return program;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Removes files until `more` bytes have room, the longest unused first. */
static void make_room(const char *folder, size_t more)
{
    for (;;) {
        DIR *list = opendir(folder);
        char oldest[NAME_MAX + 1] = "";
        struct stat about, first = {0};
        size_t bytes = more;
        if (!list) return;
        for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
            if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
                fstatat(dirfd(list), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            bytes += (size_t)about.st_size;
            if (*oldest && about.st_mtime >= first.st_mtime) continue;
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
            first = about;
        }
        const bool removed =
            bytes > FOLDER_LIMIT && *oldest && unlinkat(dirfd(list), oldest, 0) == 0;
        closedir(list);
        if (!removed) return;
    }
}

static void write_file(const char *path, const void *binary, size_t size)
{
    char *folder = NULL, sum[BP__FINGERPRINT_TEXT], head[HEAD + 1];
    bp__atomic_file *file = NULL;
    bp_status status;
    bp__fingerprint_bytes(sum, binary, size);
    snprintf(head, sizeof head, "%s%s\n", title, sum);
    BP_TRY_GOTO(bp__copy_bytes(&folder, path, (size_t)(strrchr(path, '/') - path)));
    BP_TRY_GOTO(bp__make_folders(folder));
    make_room(folder, size + HEAD);
    BP_TRY_GOTO(bp__atomic_open(&file, path));
    BP_TRY_GOTO(bp__atomic_write(file, head, HEAD));
    if (size > 0) BP_TRY_GOTO(bp__atomic_write(file, binary, size));
    status = bp__atomic_commit(file);
    file = NULL;
fail:
    bp__atomic_abort(file);
    free(folder);
}

/* The binary of the device that the program was built for; NULL where the driver has none. */
static unsigned char *binary_of(size_t *size, cl_program program)
{
    unsigned char *binary = NULL;
    *size = 0;
    if (bp__cl.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *size, size, NULL) !=
            CL_SUCCESS ||
        *size == 0 || *size > BINARY_LIMIT || bp__new_array(&binary, *size, 1) != BP_OK)
        return NULL;
    if (bp__cl.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
        CL_SUCCESS)
        return binary;
    free(binary);
    return NULL;
}

void bp__program_built(cl_program program, const char *path, double seconds)
{
    if (seconds < long_build) return;
    size_t size = 0;
    bp__hold_error(true);
    char *note = read_file(&size, path);
    unsigned char *binary = note ? binary_of(&size, program) : NULL;
    if (binary)
        write_file(path, binary, size);
    else if (!note)
        write_file(path, "", 0);
    free(binary);
    free(note);
    bp__hold_error(false);
}
