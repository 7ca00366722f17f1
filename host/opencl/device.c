/* device.c - discovery through the ICD loader, the rules that choose a device, opening and closing.
 */
#include "opencl/device.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "opencl/program.h"

typedef struct found {
    bp_device_info info;
    cl_platform_id platform;
    cl_device_id id;
} found;

static _Thread_local char list_note[512];

const char *bp_kind_name(int32_t kind)
{
    static const char *const names[] = {"gpu", "accelerator", "cpu", "reference"};
    return kind >= 0 && kind <= BP_KIND_REFERENCE ? names[kind] : NULL;
}

static bp_status text_info(char *out, size_t size, cl_device_id id, cl_device_info what)
{
    size_t needed = 0;
    out[0] = '\0';
    BP_CL(clGetDeviceInfo(id, what, 0, NULL, &needed));
    char *text = NULL;
    BP_TRY(bp__new_array(&text, needed + 1, 1));
    cl_int code = bp__cl.clGetDeviceInfo(id, what, needed, text, NULL);
    if (code == CL_SUCCESS) {
        const char *start = text;
        while (isspace((unsigned char)*start)) ++start; /* some drivers pad the name */
        snprintf(out, size, "%s", start);
    }
    free(text);
    return code == CL_SUCCESS ? BP_OK : bp__cl_fail(code, "clGetDeviceInfo", __FILE__, __LINE__);
}

static bp_status platform_version(char *out, size_t size, cl_platform_id id)
{
    size_t needed = 0;
    char *text = NULL;
    BP_CL(clGetPlatformInfo(id, CL_PLATFORM_VERSION, 0, NULL, &needed));
    BP_TRY(bp__new_array(&text, needed + 1, 1));
    bp_status status = BP_OK;
    BP_CL_GOTO(clGetPlatformInfo(id, CL_PLATFORM_VERSION, needed, text, NULL));
    snprintf(out, size, "%s", text);
fail:
    free(text);
    return status;
}

static bp_status describe(found *device, unsigned platform, unsigned number)
{
    bp_device_info *info = &device->info;
    cl_device_id id = device->id;
    snprintf(info->spec, sizeof info->spec, "%u:%u", platform, number);
    BP_TRY(text_info(info->name, sizeof info->name, id, CL_DEVICE_NAME));
    BP_TRY(text_info(info->vendor, sizeof info->vendor, id, CL_DEVICE_VENDOR));
    BP_TRY(text_info(info->driver, sizeof info->driver, id, CL_DRIVER_VERSION));
    BP_TRY(text_info(info->opencl, sizeof info->opencl, id, CL_DEVICE_VERSION));
    BP_TRY(platform_version(info->platform, sizeof info->platform, device->platform));
    cl_device_type type = 0;
    cl_uint units = 0;
    cl_ulong bytes = 0;
    BP_CL(clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL));
    BP_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL));
    BP_CL(clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof bytes, &bytes, NULL));
    info->kind = type & CL_DEVICE_TYPE_GPU   ? BP_KIND_GPU
                 : type & CL_DEVICE_TYPE_CPU ? BP_KIND_CPU
                                             : BP_KIND_ACCELERATOR;
    info->compute_units = units;
    info->global_memory_bytes = bytes;
    return BP_OK;
}

/* Whether a device can run the kernels at all: a compiler, and OpenCL C 1.2. */
static bp_status is_usable(bool *usable, cl_device_id id)
{
    cl_bool available = CL_FALSE, compiler = CL_FALSE;
    char version[256];
    unsigned major = 0, minor = 0;
    BP_CL(clGetDeviceInfo(id, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL));
    BP_CL(clGetDeviceInfo(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL));
    BP_TRY(text_info(version, sizeof version, id, CL_DEVICE_OPENCL_C_VERSION));
    *usable = sscanf(version, "OpenCL C %u.%u", &major, &minor) == 2 && available && compiler &&
              (major > 1 || (major == 1 && minor >= 2));
    return BP_OK;
}

static void describe_reference(bp_device_info *info)
{
    memset(info, 0, sizeof *info);
    snprintf(info->spec, sizeof info->spec, "reference");
    snprintf(info->name, sizeof info->name, "plain C reference, double precision, one thread");
    snprintf(info->vendor, sizeof info->vendor, "libbackprop");
    snprintf(info->driver, sizeof info->driver, "%s", bp_version());
    info->kind = BP_KIND_REFERENCE;
    info->compute_units = 1;
}

static bp_status note_platform(unsigned number, cl_int code)
{
    snprintf(list_note, sizeof list_note, "platform %u: %s from clGetDeviceIDs", number,
             bp__cl_error_name(code));
    return BP_OK;
}

/* All devices of one platform, appended. A platform that fails is skipped with a note: a broken
 * driver must not hide the others. */
static bp_status find_on_platform(found **list, size_t *count, size_t *capacity,
                                  cl_platform_id platform, unsigned number)
{
    cl_uint devices = 0;
    cl_int code = bp__cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &devices);
    if (code == CL_DEVICE_NOT_FOUND || (code == CL_SUCCESS && devices == 0)) return BP_OK;
    if (code != CL_SUCCESS) return note_platform(number, code);
    cl_device_id *ids = NULL;
    BP_TRY(bp__new_array(&ids, devices, sizeof *ids));
    bp_status status = BP_OK;
    code = bp__cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, devices, ids, NULL);
    if (code != CL_SUCCESS) status = note_platform(number, code);
    for (cl_uint d = 0; code == CL_SUCCESS && d < devices && status == BP_OK; ++d) {
        status = bp__grow(list, capacity, *count + 1, sizeof **list);
        if (status != BP_OK) break;
        found *next = &(*list)[*count];
        memset(next, 0, sizeof *next);
        next->platform = platform;
        next->id = ids[d];
        bool usable = false;
        if (is_usable(&usable, next->id) == BP_OK &&
            (!usable || describe(next, number, d) == BP_OK))
            *count += usable;
        else
            snprintf(list_note, sizeof list_note, "device %u:%u: %.400s", number, d,
                     bp_last_error());
    }
    free(ids);
    return status;
}

/* OpenCL devices only; none is no error, list_note says why. */
static bp_status find_all(found **out, size_t *out_count)
{
    *out = NULL;
    *out_count = 0;
    list_note[0] = '\0';
    if (bp__cl_load() != BP_OK) {
        snprintf(list_note, sizeof list_note, "%.500s", bp_last_error());
        return BP_OK;
    }
    const cl_int no_platform = -1001; /* CL_PLATFORM_NOT_FOUND_KHR */
    cl_uint platforms = 0;
    cl_int code = bp__cl.clGetPlatformIDs(0, NULL, &platforms);
    if (code != CL_SUCCESS && code != no_platform) {
        snprintf(list_note, sizeof list_note, "%s from clGetPlatformIDs", bp__cl_error_name(code));
        return BP_OK;
    }
    if (platforms == 0) {
        snprintf(list_note, sizeof list_note,
                 "no OpenCL platform: the ICD loader is there, but no driver (on Debian and Ubuntu "
                 "pocl-opencl-icd runs on any CPU)");
        return BP_OK;
    }
    cl_platform_id *ids = NULL;
    BP_TRY(bp__new_array(&ids, platforms, sizeof *ids));
    size_t capacity = 0;
    bp_status status = BP_OK;
    BP_CL_GOTO(clGetPlatformIDs(platforms, ids, NULL));
    for (cl_uint p = 0; p < platforms && status == BP_OK; ++p)
        status = find_on_platform(out, out_count, &capacity, ids[p], p);
    if (status == BP_OK && *out_count == 0 && !list_note[0])
        snprintf(list_note, sizeof list_note, "no OpenCL device on %u platform(s)", platforms);
fail:
    free(ids);
    if (status != BP_OK) {
        free(*out);
        *out = NULL;
        *out_count = 0;
    }
    return status;
}

bp_status bp_device_list(bp_device_info **out, size_t *count, const char **note)
{
    if (!out || !count)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_device_list: out and count are needed");
    *out = NULL;
    *count = 0;
    found *list = NULL;
    size_t opencl = 0;
    BP_TRY(find_all(&list, &opencl));
    bp_device_info *infos = NULL;
    bp_status status = bp__new_array(&infos, opencl + 1, sizeof *infos);
    if (status == BP_OK) {
        for (size_t i = 0; i < opencl; ++i) infos[i] = list[i].info;
        describe_reference(&infos[opencl]);
        *out = infos;
        *count = opencl + 1;
        if (note) *note = list_note;
    }
    free(list);
    return status;
}

void bp_device_list_free(bp_device_info *list)
{
    free(list);
}

static bool contains(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text; ++text) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            ++i;
        if (i == length) return true;
    }
    return false;
}

static const found *first_of_kind(const found *list, size_t count, int32_t kind)
{
    for (size_t i = 0; i < count; ++i)
        if (list[i].info.kind == kind) return &list[i];
    return NULL;
}

/* The first device whose name is `text`; else whose name has it as a part; else whose vendor, else
 * whose platform has: two drivers may call one processor the same. */
static const found *first_named(const found *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; ++i)
        if (contains(list[i].info.name, text) && strlen(list[i].info.name) == strlen(text))
            return &list[i];
    const size_t offsets[] = {offsetof(bp_device_info, name), offsetof(bp_device_info, vendor),
                              offsetof(bp_device_info, platform)};
    for (size_t k = 0; k < sizeof offsets / sizeof *offsets; ++k)
        for (size_t i = 0; i < count; ++i)
            if (contains((const char *)&list[i].info + offsets[k], text)) return &list[i];
    return NULL;
}

/* The device that spec means, or NULL; *reference is set where it means the reference. */
static const found *choose(const found *list, size_t count, const char *spec, bool *reference)
{
    *reference = strcmp(spec, "reference") == 0;
    if (*reference) return NULL;
    bool automatic = strcmp(spec, "auto") == 0;
    for (int32_t kind = BP_KIND_GPU; kind < BP_KIND_REFERENCE; ++kind) {
        const found *match = first_of_kind(list, count, kind);
        if (automatic && match) return match;
        if (strcmp(spec, bp_kind_name(kind)) == 0) return match;
    }
    *reference = automatic;
    if (automatic) return NULL;
    for (size_t i = 0; i < count; ++i)
        if (strcmp(spec, list[i].info.spec) == 0) return &list[i];
    return *spec ? first_named(list, count, spec) : NULL;
}

/* from: where the name comes from, as it is said behind it. */
static bp_status fail_no_device(const found *list, size_t count, const char *spec, const char *from)
{
    char *text = NULL;
    for (size_t i = 0; i < count; ++i)
        BP_TRY(bp__append(&text, "%s (%s, %s), ", list[i].info.spec, list[i].info.name,
                          bp_kind_name(list[i].info.kind)));
    bp_status status =
        bp__fail(BP_ERROR_NO_DEVICE, "no device \"%s\"%s; there are: %sreference%s%s%s", spec, from,
                 text ? text : "", list_note[0] ? " (" : "", list_note, list_note[0] ? ")" : "");
    free(text);
    return status;
}

/* The narrowest sub-group of an Intel GPU; 0 of others, and where its driver does not say. */
static unsigned narrowest_subgroup(const bp_device *device)
{
    enum { INTEL = 0x8086, SUB_GROUP_SIZES_INTEL = 0x4108, MOST = 16 };
    cl_uint vendor = 0;
    size_t widths[MOST], bytes = 0, narrowest = 0;
    if (device->info.kind != BP_KIND_GPU ||
        bp__cl.clGetDeviceInfo(device->id, CL_DEVICE_VENDOR_ID, sizeof vendor, &vendor, NULL) !=
            CL_SUCCESS ||
        vendor != INTEL ||
        bp__cl.clGetDeviceInfo(device->id, SUB_GROUP_SIZES_INTEL, sizeof widths, widths, &bytes) !=
            CL_SUCCESS)
        return 0;
    for (size_t i = 0; i < bytes / sizeof *widths; ++i)
        if (narrowest == 0 || widths[i] < narrowest) narrowest = widths[i];
    return (unsigned)narrowest;
}

static bp_status open_opencl(bp_device *device, const found *choice)
{
    device->info = choice->info;
    device->id = choice->id;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)choice->platform, 0};
    cl_int code;
    device->context = bp__cl.clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    if (code != CL_SUCCESS) return bp__cl_fail(code, "clCreateContext", __FILE__, __LINE__);
    device->queue = bp__cl.clCreateCommandQueue(device->context, device->id, 0, &code);
    if (code != CL_SUCCESS) return bp__cl_fail(code, "clCreateCommandQueue", __FILE__, __LINE__);
    BP_CL(clGetDeviceInfo(device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof device->max_work_group,
                          &device->max_work_group, NULL));
    BP_CL(clGetDeviceInfo(device->id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof device->local_bytes,
                          &device->local_bytes, NULL));
    BP_CL(clGetDeviceInfo(device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof device->max_buffer_bytes,
                          &device->max_buffer_bytes, NULL));
    BP_CL(clGetDeviceInfo(device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT,
                          sizeof device->vector_width, &device->vector_width, NULL));
    cl_bool unified = CL_FALSE;
    BP_CL(
        clGetDeviceInfo(device->id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL));
    device->unified = unified == CL_TRUE;
    device->subgroup = narrowest_subgroup(device);
    if (device->vector_width < 1) device->vector_width = 1;
    return BP_OK;
}

bp_status bp_device_open(bp_device **out, const char *spec)
{
    if (!out) return bp__fail(BP_ERROR_ARGUMENT, "bp_device_open: out is NULL");
    *out = NULL;
    const char *from = spec ? "" : ", which the environment's BACKPROP_DEVICE names";
    if (!spec) spec = getenv("BACKPROP_DEVICE");
    if (!spec || !*spec) spec = "auto";
    bp_device *device = NULL;
    found *list = NULL;
    size_t count = 0;
    bp_status status;
    BP_TRY(bp__new_array(&device, 1, sizeof *device));
    bool reference = strcmp(spec, "reference") == 0;
    if (!reference) {
        BP_TRY_GOTO(find_all(&list, &count));
        const found *choice = choose(list, count, spec, &reference);
        if (choice)
            BP_TRY_GOTO(open_opencl(device, choice));
        else if (!reference) {
            status = fail_no_device(list, count, spec, from);
            goto fail;
        }
    }
    if (reference) {
        describe_reference(&device->info);
        device->is_reference = true;
    }
    free(list);
    *out = device;
    return BP_OK;
fail:
    free(list);
    bp_device_free(device);
    return status;
}

bp_status bp__device_time(bp_device *device, bool on)
{
    if (!on) {
        if (--device->timers > 0) return BP_OK;
        bp__cl.clFinish(device->queue);
        bp__cl.clReleaseCommandQueue(device->queue);
        device->queue = device->untimed;
        device->untimed = NULL;
        return BP_OK;
    }
    if (device->timers == 0) {
        cl_int code;
        BP_CL(clFinish(device->queue));
        cl_command_queue timed = bp__cl.clCreateCommandQueue(device->context, device->id,
                                                             CL_QUEUE_PROFILING_ENABLE, &code);
        if (code != CL_SUCCESS)
            return bp__cl_fail(code, "clCreateCommandQueue", __FILE__, __LINE__);
        device->untimed = device->queue;
        device->queue = timed;
    }
    ++device->timers;
    return BP_OK;
}

void bp_device_free(bp_device *device)
{
    if (!device) return;
    bp__programs_free(device);
    if (device->before_release) device->before_release();
    if (device->queue) {
        bp__cl.clFinish(device->queue);
        bp__cl.clReleaseCommandQueue(device->queue);
    }
    if (device->context) bp__cl.clReleaseContext(device->context);
    free(device->tuning);
    free(device);
}

const bp_device_info *bp_device_get_info(const bp_device *device)
{
    return device ? &device->info : NULL;
}

bool bp__device_extends(const bp_device *device, const char *extension)
{
    const size_t length = strlen(extension);
    size_t size = 0;
    char *text = NULL;
    bool extends = false;
    if (device->is_reference) return false;
    bp__hold_error(true);
    if (bp__cl.clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) == CL_SUCCESS &&
        bp__new_array(&text, size + 1, 1) == BP_OK &&
        bp__cl.clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, size, text, NULL) == CL_SUCCESS)
        for (const char *at = text; !extends && (at = strstr(at, extension)); at += length)
            extends = (at == text || at[-1] == ' ') && (at[length] == ' ' || !at[length]);
    free(text);
    bp__hold_error(false);
    return extends;
}
