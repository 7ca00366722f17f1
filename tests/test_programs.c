/* test_programs.c - compiled programs as files: they are kept for drivers that compile for long
 * again and again, for no others, and whatever becomes of a file, the program is the right one. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <time.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/memory.h"
#include "opencl/program.h"
#include "tuning_files.h"

static bp__cl_api real;
static unsigned from_source, from_binary, asked;

/* How the driver builds: as it does, after a while, or not at all, in no time. */
static enum { USUAL, SLOW, INSTANT } pace;
static bool gives_none; /* binaries */

static cl_program CL_API_CALL create_with_source(cl_context context, cl_uint count,
                                                 const char **texts, const size_t *sizes,
                                                 cl_int *code)
{
    ++from_source;
    return real.clCreateProgramWithSource(context, count, texts, sizes, code);
}

static cl_program CL_API_CALL create_with_binary(cl_context context, cl_uint count,
                                                 const cl_device_id *ids, const size_t *sizes,
                                                 const unsigned char **binaries, cl_int *each,
                                                 cl_int *code)
{
    ++from_binary;
    return real.clCreateProgramWithBinary(context, count, ids, sizes, binaries, each, code);
}

static cl_int CL_API_CALL build(cl_program program, cl_uint count, const cl_device_id *ids,
                                const char *options, void(CL_CALLBACK *notify)(cl_program, void *),
                                void *user)
{
    if (pace == INSTANT) return CL_SUCCESS;
    if (pace == SLOW) nanosleep(&(struct timespec){.tv_nsec = 150000000}, NULL);
    return real.clBuildProgram(program, count, ids, options, notify, user);
}

static cl_int CL_API_CALL get_info(cl_program program, cl_program_info what, size_t size, void *out,
                                   size_t *used)
{
    ++asked;
    if (gives_none) return CL_OUT_OF_RESOURCES;
    return real.clGetProgramInfo(program, what, size, out, used);
}

static void begin(void)
{
    make_folder();
    unsetenv("BACKPROP_PROGRAMS");
    OK(bp__cl_load());
    real = bp__cl;
    bp__cl.clCreateProgramWithSource = create_with_source;
    bp__cl.clCreateProgramWithBinary = create_with_binary;
    bp__cl.clBuildProgram = build;
    bp__cl.clGetProgramInfo = get_info;
}

TestSuite(programs, .init = begin, .fini = remove_folder, .timeout = 240);

/* Gets a program on a device that was just opened, and uses it. */
static void get_program(const char *options)
{
    bp_device *device;
    cl_program program;
    cl_int code;
    char all[64];
    from_source = from_binary = 0;
    OK(bp_device_open(&device, "auto"));
    cr_assert(!device->is_reference, "no OpenCL device");
    snprintf(all, sizeof all, "-DCHUNK=1%s", options);
    OK(bp__program_get(&program, device, "gather.cl", all));
    if (pace != INSTANT) {
        cl_kernel kernel = bp__cl.clCreateKernel(program, "gather", &code);
        cr_assert_eq(code, CL_SUCCESS);
        bp__cl.clReleaseKernel(kernel);
    }
    bp_device_free(device);
}

/* How the program came, and the files that there are then. */
static void want(unsigned source, unsigned binary, size_t files)
{
    char in[128];
    snprintf(in, sizeof in, "%s/backprop", folder);
    cr_assert_eq(from_source, source, "%u built from source", from_source);
    cr_assert_eq(from_binary, binary, "%u from a file", from_binary);
    cr_assert_eq(access(in, F_OK) == 0 ? files_in(in) : 0, files);
}

/* The only file's path; its content is the caller's. */
static char *only_file(char **bytes, size_t *size)
{
    char in[128], *path = NULL;
    snprintf(in, sizeof in, "%s/backprop", folder);
    DIR *list = opendir(in);
    cr_assert_not_null(list);
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.') OK(bp__append(&path, "%s/%s", in, entry->d_name));
    closedir(list);
    OK(bp__file_read(bytes, size, path, 64 << 20));
    return path;
}

static void keep_one(void)
{
    pace = SLOW;
    get_program("");
    get_program("");
    pace = USUAL;
}

Test(programs, a_driver_that_is_slow_twice_has_its_program_kept)
{
    pace = SLOW;
    get_program("");
    want(1, 0, 1);
    get_program("");
    want(1, 0, 1);
    get_program("");
    want(0, 1, 1);
    get_program(" -DOTHER=1");
    want(1, 0, 2);
}

Test(programs, a_driver_that_is_fast_the_second_time_is_asked_for_none)
{
    pace = SLOW;
    get_program("");
    want(1, 0, 1);
    pace = INSTANT;
    get_program("");
    get_program("");
    want(1, 0, 1);
    cr_assert_eq(asked, 0);
    get_program(" -DOTHER=1");
    want(1, 0, 1);
    pace = SLOW;
    get_program("");
    cr_assert_gt(asked, 0);
}

Test(programs, a_driver_that_gives_none_builds_again)
{
    gives_none = true;
    keep_one();
    want(1, 0, 1);
    cr_assert_gt(asked, 0);
    get_program("");
    want(1, 0, 1);
    cr_assert_str_empty(bp_last_error());
}

Test(programs, none_are_kept_where_nobody_wants_them)
{
    setenv("BACKPROP_PROGRAMS", "none", 1);
    keep_one();
    want(1, 0, 0);
    unsetenv("BACKPROP_PROGRAMS");
    keep_one();
    want(1, 0, 1);
    setenv("BACKPROP_PROGRAMS", "none", 1);
    get_program("");
    want(1, 0, 1);
}

Test(programs, where_no_file_can_be_written_programs_are_built)
{
    setenv("POCL_CACHE_DIR", folder, 1); /* which does need one */
    unsetenv("HOME");
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    keep_one();
    want(1, 0, 0);
    setenv("XDG_CACHE_HOME", "relative", 1);
    keep_one();
    want(1, 0, 0);
}

Test(programs, a_damaged_file_is_no_program)
{
    char *bytes;
    size_t size;
    keep_one();
    pace = INSTANT;
    char *path = only_file(&bytes, &size);
    cr_assert_gt(size, 100);
    for (size_t length = 0; length < size; length += size / 7 + 1) {
        write_file(path, bytes, length);
        get_program("");
        cr_assert_eq(from_source, 1, "%zu of %zu bytes", length, size);
        cr_assert_eq(from_binary, 0, "%zu of %zu bytes", length, size);
    }
    for (size_t byte = 0; byte < size; byte += byte < 64 ? 9 : size / 7) {
        bytes[byte] ^= 4;
        write_file(path, bytes, size);
        bytes[byte] ^= 4;
        get_program("");
        cr_assert_eq(from_source, 1, "byte %zu", byte);
        cr_assert_eq(from_binary, 0, "byte %zu", byte);
    }
    write_file(path, bytes, size);
    get_program("");
    want(0, 1, 1);
    free(bytes);
    free(path);
}

Test(programs, what_the_driver_refuses_is_built_and_forgotten)
{
    char *bytes, text[128], sum[BP__FINGERPRINT_TEXT];
    size_t size;
    keep_one();
    char *path = only_file(&bytes, &size);
    bp__fingerprint_bytes(sum, "nonsense", 8);
    const int length = snprintf(text, sizeof text, "backprop program 1 %s\nnonsense", sum);
    write_file(path, text, (size_t)length);
    get_program("");
    cr_assert_eq(from_source, 1);
    cr_assert_eq(from_binary, 1);
    get_program("");
    cr_assert_eq(from_binary, 0, "the driver was asked again");
    free(bytes);
    free(path);
}

Test(programs, what_others_could_have_written_is_not_run)
{
    char *bytes;
    size_t size;
    keep_one();
    pace = INSTANT;
    char *path = only_file(&bytes, &size);
    cr_assert_eq(chmod(path, 0666), 0);
    get_program("");
    want(1, 0, 1);
    cr_assert_eq(chmod(path, 0600), 0);
    get_program("");
    want(0, 1, 1);
    free(bytes);
    free(path);
}

Test(programs, the_folder_does_not_grow_for_ever)
{
    char old[160], other[160];
    keep_one();
    snprintf(old, sizeof old, "%s/backprop/program-old", folder);
    snprintf(other, sizeof other, "%s/backprop/tuning-old.json", folder);
    write_file(old, "", 0);
    write_file(other, "", 0);
    const struct timespec then[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    cr_assert_eq(truncate(old, (off_t)1 << 28), 0);
    cr_assert_eq(utimensat(AT_FDCWD, old, then, 0), 0);
    pace = SLOW;
    get_program(" -DOTHER=1");
    want(1, 0, 3); /* the old one is gone; a tuning is none of the programs */
    cr_assert_eq(access(old, F_OK), -1);
    get_program("");
    want(0, 1, 3);
}
