/* program.c - kernel sources, and the programs that are built from them, once per device. */
#include "opencl/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "opencl/embedded.h"
#include "opencl/program_cache.h"

enum { INCLUDE_DEPTH = 4, KERNEL_FILE_LIMIT = 1 << 20 };

struct bp__program {
    struct bp__program *next;
    char *key; /* "file options" */
    cl_program program;
};

/* The text of one kernel file, a copy. */
static bp_status source_text(char **out, const char *file)
{
    *out = NULL;
    const char *folder = getenv("BP_KERNEL_DIR");
    if (folder && *folder) {
        char *path = NULL;
        size_t size;
        BP_TRY(bp__append(&path, "%s/%s", folder, file));
        bp_status status = bp__file_read(out, &size, path, KERNEL_FILE_LIMIT);
        free(path);
        return status;
    }
    for (const bp__embedded *kernel = bp__embedded_kernels; kernel->name; ++kernel)
        if (strcmp(kernel->name, file) == 0)
            return bp__copy_bytes(out, kernel->source, kernel->size);
    return bp__fail(BP_ERROR_INTERNAL, "no kernel file \"%s\" in the library", file);
}

/* Appends file's text to *out with its #include "x.cl" lines replaced by those files. #line keeps
 * the compiler's messages true. */
static bp_status append_source(char **out, const char *file, int depth)
{
    if (depth > INCLUDE_DEPTH)
        return bp__fail(BP_ERROR_INTERNAL, "kernel file %s: #include nested too deep", file);
    char *text = NULL;
    BP_TRY(source_text(&text, file));
    bp_status status = bp__append(out, "#line 1 \"%s\"\n", file);
    unsigned line_number = 1;
    for (char *line = text; *line && status == BP_OK; ++line_number) {
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        char name[64];
        if (sscanf(line, "#include \"%63[^\"]\"", name) == 1) {
            status = append_source(out, name, depth + 1);
            if (status == BP_OK)
                status = bp__append(out, "#line %u \"%s\"\n", line_number + 1, file);
        } else {
            status = bp__append(out, "%s\n", line);
        }
        line = end ? end + 1 : line + strlen(line);
    }
    free(text);
    return status;
}

static bp_status fail_build(bp_device *device, cl_program program, cl_int code, const char *file,
                            const char *options)
{
    size_t size = 0;
    char *log = NULL;
    if (bp__cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) ==
            CL_SUCCESS &&
        bp__new_array(&log, size + 1, 1) == BP_OK)
        bp__cl.clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    bp_status status = bp__fail(
        BP_ERROR_BUILD, "%s from clBuildProgram: kernels/%s did not build with \"%s\" on %s:\n%s",
        bp__cl_error_name(code), file, options, device->info.name,
        log && *log ? log : "(the driver gave no build log)");
    free(log);
    return status;
}

static bp_status build_source(cl_program *out, bp_device *device, const char *source,
                              const char *file, const char *options)
{
    cl_int code;
    *out = bp__cl.clCreateProgramWithSource(device->context, 1, &source, NULL, &code);
    if (code != CL_SUCCESS) {
        *out = NULL;
        return bp__cl_fail(code, "clCreateProgramWithSource", __FILE__, __LINE__);
    }
    code = bp__cl.clBuildProgram(*out, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS) return BP_OK;
    const bp_status status = fail_build(device, *out, code, file, options);
    bp__cl.clReleaseProgram(*out);
    *out = NULL;
    return status;
}

static bp_status build(cl_program *out, bp_device *device, const char *file, const char *options)
{
    *out = NULL;
    char *source = NULL, *all_options = NULL, *place = NULL;
    bp_status status;
    BP_TRY_GOTO(append_source(&source, file, 0));
    BP_TRY_GOTO(bp__append(&all_options, "-cl-std=CL1.2 %s", options));
    place = bp__program_place(device, source, all_options);
    if (place) *out = bp__program_load(device, place, all_options);
    if (!*out) {
        const double start = bp__seconds();
        BP_TRY_GOTO(build_source(out, device, source, file, all_options));
        if (place) bp__program_built(*out, place, bp__seconds() - start);
    }
fail:
    free(place);
    free(source);
    free(all_options);
    return status;
}

bp_status bp__program_get(cl_program *out, bp_device *device, const char *file, const char *options)
{
    *out = NULL;
    char *key = NULL;
    BP_TRY(bp__append(&key, "%s %s", file, options));
    for (struct bp__program *p = device->programs; p; p = p->next)
        if (strcmp(p->key, key) == 0) {
            free(key);
            *out = p->program;
            return BP_OK;
        }
    struct bp__program *added = NULL;
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&added, 1, sizeof *added));
    BP_TRY_GOTO(build(&added->program, device, file, options));
    added->key = key;
    added->next = device->programs;
    device->programs = added;
    *out = added->program;
    return BP_OK;
fail:
    free(added);
    free(key);
    return status;
}

uint64_t bp__kernels_hash(void)
{
    uint64_t hash = BP__HASH_START;
    bp__hold_error(true);
    for (const bp__embedded *kernel = bp__embedded_kernels; kernel->name; ++kernel) {
        char *text;
        hash = bp__hash(hash, kernel->name, strlen(kernel->name) + 1);
        if (source_text(&text, kernel->name) != BP_OK) continue;
        hash = bp__hash(hash, text, strlen(text) + 1);
        free(text);
    }
    bp__hold_error(false);
    return hash;
}

void bp__programs_free(bp_device *device)
{
    while (device->programs) {
        struct bp__program *first = device->programs;
        device->programs = first->next;
        bp__cl.clReleaseProgram(first->program);
        free(first->key);
        free(first);
    }
}
