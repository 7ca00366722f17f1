/* test_devices.c - several devices in one process, of one driver or of several: each is found by
 * number and name, all train at once, and what is kept of one is not taken for another. Where POCL
 * is, it makes two of one machine. */
#define _XOPEN_SOURCE 700
#include <stdlib.h>

#include "choice_support.h"
#include "opencl/program_cache.h"
#include "ops/gpu_tile.h"
#include "tuning_files.h"

enum { MOST = 8 };

static bp_device_info devices[MOST]; /* of OpenCL */
static size_t count;

/* Before OpenCL is loaded: one with a thread, one with all. */
static void list_devices(void)
{
    bp_device_info *list;
    make_folder();
    setenv("POCL_DEVICES", "pthread basic", 1);
    setenv("POCL_CACHE_DIR", folder, 0);
    OK(bp_device_list(&list, &count, NULL));
    --count;
    cr_assert_gt(count, 0, "no OpenCL device");
    if (count > MOST) count = MOST;
    memcpy(devices, list, count * sizeof *list);
    bp_device_list_free(list);
}

static void need_several(void)
{
    if (count < 2) cr_skip_test("there is one device");
}

TestSuite(devices, .init = list_devices, .fini = remove_folder, .timeout = 300);

static void want_device(const char *spec, const bp_device_info *wanted)
{
    bp_device *device;
    OK(bp_device_open(&device, spec));
    const bp_device_info *info = bp_device_get_info(device);
    cr_assert_str_eq(info->spec, wanted->spec, "\"%s\" is %s (%s)", spec, info->spec, info->name);
    bp_device_free(device);
}

/* The first device of which a text is `text`. */
static const bp_device_info *first_with(size_t offset, const char *text)
{
    for (size_t i = 0; i < count; ++i)
        if (strcmp((const char *)&devices[i] + offset, text) == 0) return &devices[i];
    return NULL;
}

/* A name may be part of another's, and is its own all the same. */
Test(devices, each_is_found_by_number_name_vendor_and_platform)
{
    for (size_t i = 0; i < count; ++i) {
        want_device(devices[i].spec, &devices[i]);
        want_device(devices[i].name, first_with(offsetof(bp_device_info, name), devices[i].name));
        want_device(devices[i].platform,
                    first_with(offsetof(bp_device_info, platform), devices[i].platform));
        for (size_t k = 0; k < i; ++k) cr_assert_str_neq(devices[i].spec, devices[k].spec);
    }
    bp_device *none;
    cr_assert_eq(bp_device_open(&none, "no such device"), BP_ERROR_NO_DEVICE);
    for (size_t i = 0; i < count; ++i)
        cr_assert_not_null(strstr(bp_last_error(), devices[i].spec), "%s", bp_last_error());
}

/* Steps in turns on all devices and the reference: the same course. */
Test(devices, all_train_at_once)
{
    need_several();
    const size_t widths[] = {13, 40, 4};
    enum { ROWS = 24, STEPS = 20 };
    bp_device *device[MOST + 1];
    bp_trainer *trainer[MOST + 1];
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    float *x = random_floats(ROWS * 13, 1, 21), *t = random_floats(ROWS * 4, 0.4, 22);
    bp_train_options options = bp_train_options_default();
    options.optimizer = BP_OPTIMIZER_ADAM;
    options.batch = ROWS;
    for (size_t i = 0; i <= count; ++i) {
        OK(bp_device_open(&device[i], i < count ? devices[i].spec : "reference"));
        OK(bp_trainer_create(&trainer[i], model, device[i], &options));
    }
    for (size_t step = 0; step < STEPS; ++step) {
        double loss[MOST + 1];
        for (size_t i = 0; i <= count; ++i)
            OK(bp_trainer_step(trainer[i], x, t, NULL, ROWS, &loss[i]));
        for (size_t i = 0; i < count; ++i)
            cr_assert(fabs(loss[i] - loss[count]) <= 1e-5 * loss[count], "step %zu on %s: %g, %g",
                      step, devices[i].name, loss[i], loss[count]);
    }
    /* One after the other goes; the others stay. */
    for (size_t i = 0; i <= count; ++i) {
        for (size_t k = i; k <= count; ++k) OK(bp_trainer_step(trainer[k], x, t, NULL, ROWS, NULL));
        bp_trainer_free(trainer[i]);
        bp_device_free(device[i]);
    }
    free(x);
    free(t);
    bp_model_free(model);
}

/* With two drivers on one processor, every member of a key may be the same but one. */
Test(devices, what_is_kept_of_one_is_not_taken_for_another)
{
    need_several();
    unsetenv("BACKPROP_PROGRAMS");
    char *tuning[MOST], *program[MOST];
    for (size_t i = 0; i < count; ++i) {
        bp_device *device;
        OK(bp_device_open(&device, devices[i].spec));
        OK(bp__tuning_place(&tuning[i], &device->info));
        program[i] = bp__program_place(device, "source", "options");
        bp_device_free(device);
        for (size_t k = 0; k < i; ++k) {
            cr_assert_str_neq(tuning[i], tuning[k]);
            cr_assert(!program[i] || strcmp(program[i], program[k]) != 0, "%s", program[i]);
        }
    }
    const bp__tuning t = unusual();
    OK(bp__tuning_save(&t, &devices[0], tuning[0]));
    for (size_t i = 0; i < count; ++i) {
        bp__tuning found;
        cr_assert_eq(bp__tuning_find(&found, NULL, &devices[i]), i == 0, "%s", devices[i].name);
    }
    for (size_t i = 0; i < count; ++i) {
        free(tuning[i]);
        free(program[i]);
    }
}

Test(devices, all_are_measured_and_the_fastest_is_taken)
{
    need_several();
    check_choice(count);
}

/* ---- What a driver says ------------------------------------------------------------------------
 */

static bp__cl_api real;
static cl_uint vendor;
static cl_device_type type;
static size_t widths[3];

static cl_int describe(cl_device_id id, cl_device_info what, size_t size, void *out, size_t *needed)
{
    const void *answer = NULL;
    size_t bytes = 0;
    switch (what) {
    case CL_DEVICE_VENDOR_ID: answer = &vendor, bytes = sizeof vendor; break;
    case CL_DEVICE_TYPE: answer = &type, bytes = sizeof type; break;
    case 0x4108: /* CL_DEVICE_SUB_GROUP_SIZES_INTEL */
        if (!widths[0]) return CL_INVALID_VALUE;
        answer = widths, bytes = sizeof widths;
        break;
    default: return real.clGetDeviceInfo(id, what, size, out, needed);
    }
    if (needed) *needed = bytes;
    if (out) memcpy(out, answer, bytes < size ? bytes : size);
    return CL_SUCCESS;
}

/* A device of Intel's with the registers of a thread, for all work-items of a sub-group, has
 * smaller tiles; of other vendors the width of a sub-group says nothing. */
Test(devices, intels_gpus_have_narrow_subgroups_and_small_tiles)
{
    static const struct {
        cl_uint vendor;
        cl_device_type type;
        size_t widths[3];
        unsigned subgroup;
    } all[] = {
        {0x8086, CL_DEVICE_TYPE_GPU, {8, 16, 32}, 8},
        {0x8086, CL_DEVICE_TYPE_GPU, {32, 16, 16}, 16},
        {0x8086, CL_DEVICE_TYPE_GPU, {0}, 0},
        {0x8086, CL_DEVICE_TYPE_CPU, {4, 8, 16}, 0},
        {0x10de, CL_DEVICE_TYPE_GPU, {32, 32, 32}, 0},
    };
    real = bp__cl;
    bp__cl.clGetDeviceInfo = describe;
    for (size_t i = 0; i < BP_COUNT(all); ++i) {
        bp_device *device;
        char options[BP__TILE_OPTIONS];
        vendor = all[i].vendor;
        type = all[i].type;
        memcpy(widths, all[i].widths, sizeof widths);
        OK(bp_device_open(&device, "0:0"));
        cr_assert_eq(device->subgroup, all[i].subgroup, "case %zu: %u", i, device->subgroup);
        device->max_work_group = 1024;
        device->local_bytes = 64 << 10;
        const bp__gpu_tile tile = bp__gpu_tile_choose(device, 128, 4096, 4096, 4096);
        cr_assert_eq(tile.m, all[i].subgroup ? 64 : 128, "case %zu: %u", i, tile.m);
        bp__gpu_tile_options(options, &tile, device);
        cr_assert_eq(strstr(options, "-DBP_SUBGROUP=") != NULL, all[i].subgroup != 0, "%s",
                     options);
        bp_device_free(device);
    }
    bp__cl = real;
}
