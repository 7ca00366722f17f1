/* store.c - tunings as files:
 *
 *   {"format": "backprop tuning", "version": 1, "key": {…}, "tuning": {…}, "checksum": "89ab…"}
 *
 * The key says what the tuning was measured with; a file counts only where it is the same here. A
 * file's name is made of a hash of the device's name and vendor and one of the key, so that several
 * versions of a driver or of the library have theirs side by side. The checksum is of everything
 * else: a file that has lost a bit is not taken for a measurement. */
#include "tuning/store.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cache.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "opencl/program.h"

enum { VERSION = 1, FILE_LIMIT = 1 << 16, NAME = 64, HASH_DIGITS = 16 };

static const char format_name[] = "backprop tuning";

/* ---- The key --------------------------------------------------------------------------------- */

/* Drivers may say what they like; JSON is UTF-8. */
static json_t *text_json(const char *text)
{
    char plain[sizeof((bp_device_info *)0)->name];
    snprintf(plain, sizeof plain, "%s", text);
    for (char *c = plain; *c; ++c)
        if ((unsigned char)*c >= 0x80) *c = '?';
    return json_string(plain);
}

static json_t *hash_json(uint64_t hash)
{
    char text[HASH_DIGITS + 1];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return json_string(text);
}

/* NULL where there is no memory. */
static json_t *key_of(const bp_device_info *device)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:o}", "device", text_json(device->name),
                     "vendor", text_json(device->vendor), "driver", text_json(device->driver),
                     "opencl", text_json(device->opencl), "platform", text_json(device->platform),
                     "compute units", (json_int_t)device->compute_units, "library", bp_version(),
                     "kernels", hash_json(bp__kernels_hash()));
}

static bp_status hash_of(uint64_t *out, const json_t *json)
{
    *out = 0;
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    if (!text) return bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    *out = bp__hash(BP__HASH_START, text, strlen(text));
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(text);
    return BP_OK;
}

/* BP_ERROR_DATA names what is another here. */
static bp_status compare_keys(const json_t *theirs, const json_t *ours)
{
    const char *name;
    json_t *value;
    if (json_equal(theirs, ours)) return BP_OK;
    json_object_foreach((json_t *)(uintptr_t)ours, name, value)
    {
        const json_t *other = json_object_get(theirs, name);
        if (json_equal(other, value)) continue;
        if (json_is_string(other) && json_is_string(value))
            return bp__fail(BP_ERROR_DATA, "measured with %s \"%.100s\", here it is \"%.100s\"",
                            name, json_string_value(other), json_string_value(value));
        return bp__fail(BP_ERROR_DATA, "measured with another number of %s", name);
    }
    return bp__fail(BP_ERROR_DATA, "its key has members that are not known");
}

/* ---- Places ---------------------------------------------------------------------------------- */

static void device_prefix(char name[NAME], const bp_device_info *device)
{
    uint64_t hash = bp__hash(BP__HASH_START, device->name, strlen(device->name) + 1);
    hash = bp__hash(hash, device->vendor, strlen(device->vendor) + 1);
    snprintf(name, NAME, "tuning-%016" PRIx64 "-", hash);
}

/* *folder and *path are NULL where there is no place. */
static bp_status find_place(char **folder, char **path, const bp_device_info *device,
                            const json_t *key)
{
    char prefix[NAME];
    uint64_t hash;
    *path = NULL;
    BP_TRY(bp__cache_folder(folder));
    if (!*folder) return BP_OK;
    device_prefix(prefix, device);
    bp_status status = hash_of(&hash, key);
    if (status == BP_OK)
        status = bp__append(path, "%s/%s%016" PRIx64 ".json", *folder, prefix, hash);
    if (status == BP_OK) return BP_OK;
    free(*folder);
    *folder = NULL;
    return status;
}

bp_status bp__tuning_place(char **path, const bp_device_info *device)
{
    char *folder;
    *path = NULL;
    json_t *key = key_of(device);
    if (!key) return bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    bp_status status = find_place(&folder, path, device, key);
    json_decref(key);
    BP_TRY(status);
    if (!folder)
        return bp__fail(BP_ERROR_IO,
                        "no place for a tuning: neither XDG_CACHE_HOME nor HOME names a "
                        "folder");
    status = bp__make_folders(folder);
    /* That the file can be written is found out with another beside it. */
    bp__atomic_file *file = NULL;
    if (status == BP_OK) status = bp__atomic_open(&file, *path);
    bp__atomic_abort(file);
    free(folder);
    if (status == BP_OK) return BP_OK;
    free(*path);
    *path = NULL;
    return status;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static bp_status make_text(char **out, const bp__tuning *tuning, const bp_device_info *device)
{
    json_t *numbers, *key = key_of(device), *object = NULL;
    uint64_t hash;
    *out = NULL;
    if (!key) return bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    bp_status status = bp__tuning_to_json(&numbers, tuning);
    if (status != BP_OK) {
        json_decref(key);
        return status;
    }
    object = json_pack("{s:s, s:i, s:o, s:o}", "format", format_name, "version", (int)VERSION,
                       "key", key, "tuning", numbers);
    if (!object) return bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    status = hash_of(&hash, object);
    if (status == BP_OK && json_object_set_new(object, "checksum", hash_json(hash)) != 0)
        status = bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    if (status == BP_OK) {
        *out = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
        if (!*out) status = bp__fail(BP_ERROR_MEMORY, "no memory for a tuning as JSON");
    }
    json_decref(object);
    return status;
}

bp_status bp__tuning_save(const bp__tuning *tuning, const bp_device_info *device, const char *path)
{
    char *text;
    bp__atomic_file *file = NULL;
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    BP_TRY(bp__tuning_check(tuning));
    BP_TRY(make_text(&text, tuning, device));
    bp_status status = bp__atomic_open(&file, path);
    if (status == BP_OK) status = bp__atomic_write(file, text, strlen(text));
    if (status == BP_OK) status = bp__atomic_write(file, "\n", 1);
    if (status == BP_OK)
        status = bp__atomic_commit(file);
    else
        bp__atomic_abort(file);
    release(text);
    return status;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The file as an object, of this version and undamaged. */
static bp_status load(json_t **out, const char *path)
{
    char *text;
    size_t size;
    json_error_t error;
    uint64_t hash;
    *out = NULL;
    BP_TRY(bp__file_read(&text, &size, path, FILE_LIMIT));
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!json_is_object(object)) {
        json_decref(object);
        return bp__fail(BP_ERROR_DATA, "not JSON, or cut off");
    }
    const char *format = json_string_value(json_object_get(object, "format"));
    if (!format || strcmp(format, format_name) != 0 ||
        json_integer_value(json_object_get(object, "version")) != VERSION) {
        json_decref(object);
        return bp__fail(BP_ERROR_DATA, "not a tuning of version %d", (int)VERSION);
    }
    json_t *checksum = json_incref(json_object_get(object, "checksum"));
    json_object_del(object, "checksum");
    bp_status status = hash_of(&hash, object);
    json_t *wanted = hash_json(hash);
    if (status == BP_OK && !json_equal(checksum, wanted))
        status = bp__fail(BP_ERROR_DATA, "its checksum is not that of its content");
    json_decref(checksum);
    json_decref(wanted);
    if (status == BP_OK)
        *out = object;
    else
        json_decref(object);
    return status;
}

static bp_status read_file(bp__tuning *out, const char *path, const json_t *key)
{
    json_t *object;
    BP_TRY(load(&object, path));
    bp_status status = compare_keys(json_object_get(object, "key"), key);
    if (status == BP_OK) status = bp__tuning_from_json(out, json_object_get(object, "tuning"));
    json_decref(object);
    return status;
}

static void ignore(bp_tuning_info *about, const char *path, const char *what)
{
    const size_t length = strlen(path);
    about->ignored = 1;
    if (strncmp(what, path, length) == 0 && what[length] == ':') what += length + 2;
    snprintf(about->note, sizeof about->note, "%.500s is ignored: %.400s", path, what);
}

/* Notes a file of the same device that was measured with something else, where there is one. */
static void note_others(bp_tuning_info *about, const char *folder, const bp_device_info *device,
                        const json_t *key)
{
    char prefix[NAME];
    device_prefix(prefix, device);
    DIR *list = opendir(folder);
    if (!list) return;
    for (const struct dirent *entry; !about->note[0] && (entry = readdir(list)) != NULL;) {
        char *path = NULL;
        json_t *object = NULL;
        const size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || length < 5 ||
            strcmp(entry->d_name + length - 5, ".json") != 0)
            continue;
        if (bp__append(&path, "%s/%s", folder, entry->d_name) == BP_OK &&
            load(&object, path) == BP_OK &&
            compare_keys(json_object_get(object, "key"), key) != BP_OK)
            ignore(about, path, bp_last_error());
        json_decref(object);
        free(path);
    }
    closedir(list);
}

/* Whether the file there is the device's; about has path and note. */
static bool find_file(bp__tuning *out, bp_tuning_info *about, const bp_device_info *device)
{
    char *folder = NULL, *path = NULL;
    struct stat there;
    bool found = false;
    json_t *key = key_of(device);
    bp__tuning tuning;
    if (!key || find_place(&folder, &path, device, key) != BP_OK)
        snprintf(about->note, sizeof about->note, "no memory to look for a tuning");
    else if (!folder)
        snprintf(about->note, sizeof about->note, "neither XDG_CACHE_HOME nor HOME names a folder");
    else if (strlen(path) >= sizeof about->path)
        snprintf(about->note, sizeof about->note, "%.100s...: the path is too long", path);
    else {
        snprintf(about->path, sizeof about->path, "%s", path);
        if (stat(path, &there) != 0)
            note_others(about, folder, device, key);
        else if (read_file(&tuning, path, key) == BP_OK)
            found = true;
        else
            ignore(about, path, bp_last_error());
    }
    if (found) *out = tuning;
    json_decref(key);
    free(folder);
    free(path);
    return found;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static bool switched_off(bp_tuning_info *about)
{
    const char *wish = getenv("BACKPROP_TUNING");
    if (!wish || !*wish) return false;
    if (strcmp(wish, "none") == 0) {
        snprintf(about->note, sizeof about->note, "BACKPROP_TUNING is none");
        return true;
    }
    about->ignored = 1;
    snprintf(about->note, sizeof about->note,
             "BACKPROP_TUNING is \"%.100s\", only \"none\" has a meaning", wish);
    return false;
}

bool bp__tuning_find(bp__tuning *out, bp_tuning_info *about, const bp_device_info *device)
{
    bp_tuning_info unwanted;
    if (!about) about = &unwanted;
    *about = (bp_tuning_info){.source = BP_TUNING_DEFAULTS};
    if (device->kind == BP_KIND_REFERENCE || switched_off(about)) return false;
    const bp__tuning *shipped = bp__tuning_shipped(bp__shipped_tunings, device->name);
    if (find_file(out, about, device)) {
        about->source = BP_TUNING_FILE;
        return true;
    }
    if (!shipped) return false;
    about->source = BP_TUNING_SHIPPED;
    *out = *shipped;
    return true;
}

bp__tuning bp__tuning_start(const bp_device_info *device, unsigned vector_width)
{
    const bp__tuning *shipped = bp__tuning_shipped(bp__shipped_tunings, device->name);
    return shipped ? *shipped : bp__tuning_default(vector_width);
}

bp__tuning bp__tuning_of(bp_device *device, unsigned vector_width)
{
    bp__tuning found;
    if (!device->tuning_known) {
        device->tuning_known = true;
        /* Without memory for it there will be none for anything that follows. */
        if (bp__tuning_find(&found, NULL, &device->info)) (void)bp__tuning_set(device, &found);
    }
    return device->tuning ? *device->tuning : bp__tuning_default(vector_width);
}

bp_status bp__tuning_set(bp_device *device, const bp__tuning *tuning)
{
    if (!device->tuning) BP_TRY(bp__new_array(&device->tuning, 1, sizeof *device->tuning));
    *device->tuning = *tuning;
    device->tuning_known = true;
    return BP_OK;
}

bp_status bp_tuning_get_info(bp_tuning_info *out, const bp_device_info *device)
{
    if (!out || !device)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_tuning_get_info: out and device are needed");
    bp__tuning tuning;
    if (bp__tuning_find(&tuning, out, device))
        bp__tuning_describe(out->summary, sizeof out->summary, &tuning,
                            device->kind == BP_KIND_CPU);
    else
        snprintf(out->summary, sizeof out->summary, "%s",
                 bp_tuning_source_name(BP_TUNING_DEFAULTS));
    return BP_OK;
}

/* ---- Forgetting ------------------------------------------------------------------------------ */

/* Every file of the device, temporaries that a killed process has left included. */
static bp_status remove_files(size_t *count, const char *folder, const bp_device_info *device)
{
    char prefix[NAME];
    device_prefix(prefix, device);
    DIR *list = opendir(folder);
    if (!list && (errno == ENOENT || errno == ENOTDIR)) return BP_OK;
    if (!list) return bp__fail(BP_ERROR_IO, "%s: cannot be read: %s", folder, strerror(errno));
    bp_status status = BP_OK;
    for (const struct dirent *entry; status == BP_OK && (entry = readdir(list)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        if (unlinkat(dirfd(list), entry->d_name, 0) == 0)
            ++*count;
        else if (errno != ENOENT) /* another process may be forgetting, too */
            status = bp__fail(BP_ERROR_IO, "%s/%s: cannot be removed: %s", folder, entry->d_name,
                              strerror(errno));
    }
    closedir(list);
    return status;
}

bp_status bp_tuning_forget(const bp_device_info *device, size_t *count)
{
    char *folder;
    size_t removed = 0;
    if (count) *count = 0;
    if (!device) return bp__fail(BP_ERROR_ARGUMENT, "bp_tuning_forget: device is NULL");
    BP_TRY(bp__cache_folder(&folder));
    const bp_status status = folder ? remove_files(&removed, folder, device) : BP_OK;
    if (count) *count = removed;
    free(folder);
    return status;
}
