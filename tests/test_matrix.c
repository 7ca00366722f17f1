/* test_matrix.c - products on matrix units: every tile, layout and precision against the reference,
 * with what stands in for the units where there are none. */
#define _XOPEN_SOURCE 700
#include "base/families.h"
#include "network_support.h"
#include "ops/gemm.h"
#include "ops/matrix_tile.h"
#include "product_support.h"

TestSuite(matrix, .timeout = 300);

static bp__device_engine *device_engine(const rig *r)
{
    return (bp__device_engine *)r->engine[DEVICE];
}

/* Of three products: what is left of both factors, and the one that is left out. */
static double parts_factor(double K)
{
    return 3 * 0x1p-24 + fp32_factor(K);
}

/* Half a unit of the last bit of both factors, and the sum as float32's. */
static double tf32_factor(double K)
{
    return 2 * bp__rounding_of(BP_PRECISION_TF32) + 0x1p-20 + fp32_factor(K);
}

static double bf16_factor(double K)
{
    return 2 * bp__rounding_of(BP_PRECISION_BF16) + 0x1p-14 + fp32_factor(K);
}

static double (*const factors[])(double) = {
    [BP_PRECISION_FP32] = parts_factor,
    [BP_PRECISION_TF32] = tf32_factor,
    [BP_PRECISION_BF16] = bf16_factor,
};

/* (B, m, n), as in test_gemm.c; and sums of several slices, of which the last is not whole. */
static const size_t shapes[][3] = {
    {0, 3, 2},    {1, 1, 1},    {7, 1, 7},    {3, 5, 2},     {4, 16, 4},    {15, 16, 17},
    {17, 15, 16}, {31, 33, 32}, {63, 64, 65}, {13, 97, 101}, {40, 131, 10}, {2, 3, 257},
};

/* The units that the device has, or those that are asked for, stood in for. */
static const bp__matrix_units *units_of(const rig *r, const char *name)
{
    bp_device *device = device_engine(r)->device;
    if (name) {
        setenv("BP_MATRIX_STAND_IN", name, 1);
        device->units_known = false;
    }
    return bp__matrix_units_of(device);
}

static void check_shapes(rig *r, const bp__matrix_units *units, const bp__matrix_tile *tile,
                         const size_t (*list)[3], size_t count)
{
    bp__device_engine *engine = device_engine(r);
    cr_assert(bp__matrix_tile_valid(tile, units));
    engine->matrix_tile = tile;
    for (int32_t p = 0; bp_precision_name(p); ++p) {
        if (!units->depth[p]) continue;
        engine->precision = p;
        snprintf(r->name, sizeof r->name, "%s, %s in %s", engine->device->info.name, units->name,
                 bp_precision_name(p));
        for (size_t s = 0; s < count; ++s)
            for (int which = 0; which < PRODUCTS; ++which) {
                check_exact(r, which, list[s]);
                check_random(r, factors[p], which, list[s]);
            }
    }
}

/* One tile each: a run of them all would take long. */
static void check_tile(rig *r, void *context)
{
    const bp__matrix_units *units = units_of(r, NULL);
    check_shapes(r, units, &bp__matrix_tiles(units)[(uintptr_t)context], shapes, BP_COUNT(shapes));
}

#define TILE_TEST(name, number)                                                                    \
    Test(matrix, name)                                                                             \
    {                                                                                              \
        each_device((const int32_t[]){BP_GEMM_MATRIX, -1}, check_tile,                             \
                    (void *)(uintptr_t)(number));                                                  \
    }
TILE_TEST(tile_of_128, 0)
TILE_TEST(tile_of_64, 1)
TILE_TEST(tile_of_32, 2)
TILE_TEST(low_tile, 3)
TILE_TEST(high_tile, 4)
_Static_assert(BP__MATRIX_TILES == 5, "every tile has its test");

/* ---- Whoever's units ---------------------------------------------------------------------------
 */

/* Sums of several slices, edges in every direction; all tiles, and more pieces of a sum than
 * slices, of which the last have nothing to add. */
static void check_kind(rig *r, void *context)
{
    static const size_t few[][3] = {{7, 1, 7}, {40, 131, 10}, {63, 64, 65}};
    static const size_t deep[][3] = {{300, 20, 30}, {20, 300, 30}, {20, 30, 300}, {5, 40, 33}};
    static const bp__matrix_tile in_pieces[] = {{32, 32, 16, 2, 2, 4}, {32, 32, 8, 1, 2, 3}};
    const bp__matrix_units *units = units_of(r, context);
    cr_assert(units && strcmp(units->name, context) == 0, "%s", (const char *)context);
    for (size_t t = 0; t < BP__MATRIX_TILES; ++t) {
        const bp__matrix_tile *tile = &bp__matrix_tiles(units)[t];
        if (bp__matrix_tile_fits(tile, units, device_engine(r)->device))
            check_shapes(r, units, tile, few, BP_COUNT(few));
    }
    for (size_t t = 0; t < BP_COUNT(in_pieces); ++t)
        check_shapes(r, units, &in_pieces[t], deep, BP_COUNT(deep));
}

#define KIND_TEST(kind)                                                                            \
    Test(matrix, units_##kind)                                                                     \
    {                                                                                              \
        each_device((const int32_t[]){BP_GEMM_MATRIX, -1}, check_kind, #kind);                     \
    }
KIND_TEST(mma)
KIND_TEST(mfma)
KIND_TEST(wmma)
KIND_TEST(wmma4)
KIND_TEST(dpas8)
KIND_TEST(dpas16)

Test(matrix, all_units_have_their_test)
{
    static const char *const tested[] = {"mma", "mfma", "wmma", "wmma4", "dpas8", "dpas16"};
    size_t count;
    const bp__matrix_units *all = bp__matrix_units_all(&count);
    cr_assert_eq(count, BP_COUNT(tested));
    for (size_t i = 0; i < count; ++i) cr_assert_str_eq(all[i].name, tested[i]);
}

/* ---- Whose a device has ------------------------------------------------------------------------
 */

/* A device as its driver describes it. */
typedef struct described {
    const char *name, *extensions;
    cl_uint capability[2];
    unsigned subgroup;
    const char *units;
} described;

static const described *now;
static bp__cl_api real;

static cl_int describe(cl_device_id id, cl_device_info what, size_t size, void *out, size_t *needed)
{
    const void *answer;
    size_t bytes;
    switch (what) {
    case CL_DEVICE_EXTENSIONS:
        answer = now->extensions;
        bytes = strlen(now->extensions) + 1;
        break;
    case 0x4000: /* CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV and _MINOR_NV */
    case 0x4001:
        answer = &now->capability[what - 0x4000];
        bytes = sizeof(cl_uint);
        break;
    default: return real.clGetDeviceInfo(id, what, size, out, needed);
    }
    if (needed) *needed = bytes;
    if (out) memcpy(out, answer, bytes < size ? bytes : size);
    return CL_SUCCESS;
}

Test(matrix, units_are_known_by_what_the_driver_says)
{
#define NVIDIA "cl_khr_fp64 cl_nv_device_attribute_query"
#define AMD "cl_amd_device_attribute_query cl_khr_fp64"
#define INTEL "cl_intel_required_subgroup_size cl_intel_subgroup_matrix_multiply_accumulate"
    static const described all[] = {
        {"NVIDIA H100", NVIDIA, {9, 0}, 0, "mma"},
        {"NVIDIA A100", NVIDIA " cl_nv_pragma_unroll", {8, 0}, 0, "mma"},
        {"Tesla V100", NVIDIA, {7, 5}, 0, NULL},
        {"NVIDIA by another driver", "cl_khr_fp64", {9, 0}, 0, NULL},
        {"gfx90a:sramecc+:xnack-", AMD, {0}, 0, "mfma"},
        {"gfx942", AMD, {0}, 0, "mfma"},
        {"gfx906", AMD, {0}, 0, NULL},
        {"gfx1030", AMD, {0}, 0, NULL},
        {"gfx1100", AMD, {0}, 0, "wmma"},
        {"gfx1151", AMD, {0}, 0, "wmma"},
        {"gfx1201", AMD, {0}, 0, "wmma4"},
        {"gfx1250", AMD, {0}, 0, NULL},
        {"gfx1100", "cl_khr_fp64", {0}, 0, NULL},
        {"Intel Arc A770", INTEL, {0}, 8, "dpas8"},
        {"Intel Arc B580", INTEL " " INTEL "_tf32", {0}, 16, "dpas16"},
        {"Intel Iris Xe", "cl_intel_required_subgroup_size", {0}, 8, NULL},
        {"half a name", INTEL "_tf32", {0}, 16, NULL},
    };
    bp_device *device;
    unsetenv("BP_MATRIX_STAND_IN");
    OK(bp_device_open(&device, NULL));
    cr_assert_neq(bp_device_get_info(device)->kind, BP_KIND_REFERENCE);
    real = bp__cl;
    bp__cl.clGetDeviceInfo = describe;
    for (size_t i = 0; i < BP_COUNT(all); ++i) {
        now = &all[i];
        device->units_known = false;
        device->subgroup = now->subgroup;
        snprintf(device->info.name, sizeof device->info.name, "%s", now->name);
        const bp__matrix_units *units = bp__matrix_units_of(device);
        cr_assert_str_eq(units ? units->name : "none", now->units ? now->units : "none", "%s",
                         now->name);
    }
    bp__cl = real;
    bp_device_free(device);
}

/* What units do not have is refused with what they have; a name that nothing has, with the names.
 */
Test(matrix, what_units_lack_is_refused)
{
    bp_device *device;
    OK(bp_device_open(&device, NULL));
    setenv("BP_MATRIX_STAND_IN", "wmma", 1);
    cr_assert_eq(bp_device_set_precision(device, BP_PRECISION_TF32), BP_ERROR_UNSUPPORTED);
    cr_assert(strstr(bp_last_error(), "no tf32 products, only bf16"), "%s", bp_last_error());
    OK(bp_device_set_precision(device, BP_PRECISION_BF16));
    setenv("BP_MATRIX_STAND_IN", "wwma", 1);
    device->units_known = false;
    cr_assert_eq(bp_device_set_precision(device, BP_PRECISION_BF16), BP_ERROR_UNSUPPORTED);
    cr_assert(strstr(bp_last_error(), "\"wwma\"") && strstr(bp_last_error(), "mfma, wmma, wmma4"),
              "%s", bp_last_error());
    bp_device_free(device);
}

/* ---- Sizes that cannot be ----------------------------------------------------------------------
 */

Test(matrix, tiles_without_whole_fragments_are_no_tiles)
{
    const bp__matrix_tile wrong[] = {
        {0, 32, 16, 2, 2, 1},
        {32, 0, 16, 2, 2, 1},
        {32, 32, 0, 2, 2, 1},
        {32, 32, 16, 0, 2, 1},
        {32, 32, 16, 2, 0, 1},
        {32, 32, 16, 2, 2, 0},
        {24, 32, 16, 1, 1, 1},
        {32, 32, 16, 4, 1, 1},
        {32, 24, 16, 1, 1, 1},
        {32, 32, 12, 1, 1, 1},
        {32, 32, 16, 2, 2, BP__MOST_SPLITS + 1},
    };
    size_t count;
    const bp__matrix_units *units = bp__matrix_units_all(&count);
    for (size_t i = 0; i < BP_COUNT(wrong); ++i)
        cr_assert_not(bp__matrix_tile_valid(&wrong[i], units), "case %zu", i);
    /* As large as a sub-group of 64 makes 16 x 16 results, but not two of them. */
    cr_assert(bp__matrix_tile_valid(&(bp__matrix_tile){16, 16, 8, 1, 1, 1}, &units[1]));
    cr_assert_not(bp__matrix_tile_valid(&(bp__matrix_tile){16, 16, 8, 1, 2, 1}, &units[1]));
}

/* ---- What the precisions are worth -------------------------------------------------------------
 */

/* The largest error of a product as a part of the sum of the products' sizes, and its root mean
 * square as a part of that of the results. */
typedef struct errors {
    double worst, mean;
} errors;

static errors errors_of(rig *r, int which, const size_t shape[3])
{
    float *inputs[3] = {random_floats(shape[0] * shape[1], 1, 1),
                        random_floats(shape[0] * shape[2], 1, 2),
                        random_floats(shape[1] * shape[2], 1, 3)};
    float *sizes[3], *out[SIDES], *bound[SIDES];
    const size_t counts[3] = {shape[0] * shape[1], shape[0] * shape[2], shape[1] * shape[2]};
    size_t count;
    errors e = {0, 0};
    for (int i = 0; i < 3; ++i) sizes[i] = absolute(inputs[i], counts[i]);
    run_product(r, which, shape, inputs, out, &count);
    run_product(r, which, shape, sizes, bound, &count);
    for (size_t i = 0; i < count; ++i)
        e.worst = fmax(e.worst, fabs((double)out[DEVICE][i] - (double)out[REFERENCE][i]) /
                                    (double)bound[REFERENCE][i]);
    e.mean = relative_l2(out[DEVICE], out[REFERENCE], count);
    for (int i = 0; i < 3; ++i) {
        free(inputs[i]);
        free(sizes[i]);
    }
    for (int i = 0; i < SIDES; ++i) {
        free(out[i]);
        free(bound[i]);
    }
    return e;
}

static const size_t measured[][3] = {{128, 784, 128}, {32, 64, 64}, {512, 100, 100}};

/* Rounding is there where it should be, and nowhere else: the error of uniform numbers is near the
 * unit's rounding, of fp32 within a small multiple of a plain float32 product's. Prints what docs/
 * accuracy.md has. */
static void check_worth(rig *r, void *context)
{
    bp__device_engine *engine = device_engine(r);
    (void)context;
    for (size_t s = 0; s < BP_COUNT(measured); ++s)
        for (int which = 0; which < PRODUCTS; ++which) {
            engine->gemm = BP_GEMM_GPU;
            const errors plain = errors_of(r, which, measured[s]);
            printf("%zux%zux%zu %s: float32 %.2g %.2g", measured[s][0], measured[s][1],
                   measured[s][2], product_names[which], plain.worst, plain.mean);
            engine->gemm = BP_GEMM_MATRIX;
            for (int32_t p = 0; bp_precision_name(p); ++p) {
                const double rounding = bp__rounding_of(p);
                engine->precision = p;
                const errors e = errors_of(r, which, measured[s]);
                printf("  %s %.2g %.2g", bp_precision_name(p), e.worst, e.mean);
                if (p == BP_PRECISION_FP32)
                    cr_assert(e.mean <= 2 * plain.mean, "%g after %g", e.mean, plain.mean);
                else
                    cr_assert(e.mean <= rounding && e.mean >= rounding / 4, "%s: %g",
                              bp_precision_name(p), e.mean);
            }
            printf("\n");
        }
}

Test(matrix, rounding_is_that_of_the_precision)
{
    each_device((const int32_t[]){BP_GEMM_MATRIX, -1}, check_worth, NULL);
}

/* ---- Trainings ---------------------------------------------------------------------------------
 */

/* After 100 steps in each precision: near the reference, by as much as its rounding explains and no
 * less, and the same bits again. */
static void check_trainings(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    bp_device *reference;
    OK(bp_device_open(&reference, "reference"));
    need_matrix_units(device);
    for (int labels = 0; labels < 2; ++labels) {
        size_t count;
        float *want =
            trained(reference, BP_GEMM_AUTO, BP_OPTIMIZER_MOMENTUM, labels, 58, 16, 25, &count);
        for (int32_t p = BP_PRECISION_TF32; bp_precision_name(p); ++p) {
            OK(bp_device_set_precision(device, p));
            float *got =
                trained(device, BP_GEMM_AUTO, BP_OPTIMIZER_MOMENTUM, labels, 58, 16, 25, &count);
            float *again =
                trained(device, BP_GEMM_NATIVE, BP_OPTIMIZER_MOMENTUM, labels, 58, 16, 25, &count);
            const double error = relative_l2(got, want, count), rounding = bp__rounding_of(p);
            cr_assert(error <= rounding && error >= rounding / 64, "%s, %s: relative error %g",
                      bp_precision_name(p), labels ? "labels" : "targets", error);
            cr_assert_eq(memcmp(got, again, count * sizeof *got), 0, "%s", bp_precision_name(p));
            free(got);
            free(again);
        }
        free(want);
    }
    bp_device_free(reference);
}

Test(matrix, trainings_in_each_precision)
{
    every_device(check_trainings);
}

/* ---- The choice of a precision -----------------------------------------------------------------
 */

static void check_refusals(bp_device *device)
{
    const bool reference = bp_device_get_info(device)->kind == BP_KIND_REFERENCE;
    bp__engine *engine;
    unsetenv("BP_MATRIX_STAND_IN");
    cr_assert_eq(bp_device_get_precision(device), BP_PRECISION_FP32);
    cr_assert_eq(bp_device_set_precision(device, 3), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_device_set_precision(device, -1), BP_ERROR_ARGUMENT);
    OK(bp_device_set_precision(device, BP_PRECISION_FP32));
    if (reference || !bp__matrix_units_are_there(device, BP_PRECISION_TF32)) {
        cr_assert_eq(bp_device_set_precision(device, BP_PRECISION_TF32), BP_ERROR_UNSUPPORTED);
        cr_assert(strstr(bp_last_error(), bp_device_get_info(device)->name));
        cr_assert(strstr(bp_last_error(), "tf32") && strstr(bp_last_error(), "another device"));
        cr_assert_eq(bp_device_get_precision(device), BP_PRECISION_FP32);
        cr_assert_eq(bp__engine_create(&engine, device, BP_GEMM_MATRIX), BP_ERROR_UNSUPPORTED);
        cr_assert_null(engine);
    }
    if (reference) return;
    need_matrix_units(device);
    OK(bp_device_set_precision(device, BP_PRECISION_BF16));
    const int32_t others[] = {BP_GEMM_NAIVE, BP_GEMM_GPU, BP_GEMM_CPU, BP_GEMM_CLBLAST};
    for (size_t i = 0; i < BP_COUNT(others); ++i) {
        cr_assert_eq(bp__engine_create(&engine, device, others[i]), BP_ERROR_UNSUPPORTED);
        cr_assert(strstr(bp_last_error(), bp_gemm_name(others[i])));
    }
    const int32_t ours[] = {BP_GEMM_AUTO, BP_GEMM_NATIVE, BP_GEMM_MATRIX};
    for (size_t i = 0; i < BP_COUNT(ours); ++i) {
        OK(bp__engine_create(&engine, device, ours[i]));
        cr_assert_eq(((bp__device_engine *)engine)->gemm, BP_GEMM_MATRIX);
        cr_assert_eq(((bp__device_engine *)engine)->precision, BP_PRECISION_BF16);
        bp__engine_free(engine);
    }
}

Test(matrix, a_precision_that_a_device_lacks_is_refused)
{
    every_device(check_refusals);
}

/* Units that were tried and gave something else. */
static void check_wrong_units(bp_device *device)
{
    if (bp_device_get_info(device)->kind == BP_KIND_REFERENCE) return;
    need_matrix_units(device);
    if (!bp__matrix_units_of(device) || !device->units_stand_in) return;
    edit_kernels("gpu/mma.cl", "s/tf32_seen(as_float(y)), sum/tf32_seen(as_float(x)), sum/");
    cr_assert_eq(bp_device_set_precision(device, BP_PRECISION_TF32), BP_ERROR_UNSUPPORTED);
    cr_assert(strstr(bp_last_error(), "do not work in tf32"), "%s", bp_last_error());
    cr_assert_eq(bp_device_set_precision(device, BP_PRECISION_TF32), BP_ERROR_UNSUPPORTED);
    cr_assert(strstr(bp_last_error(), "were tried"), "%s", bp_last_error());
    restore_kernels();
}

Test(matrix, units_that_give_wrong_numbers_are_not_used)
{
    every_device(check_wrong_units);
}

/* What tuning found is what runs, without being asked for. */
static void check_tuned(rig *r, void *context)
{
    bp__device_engine *engine = device_engine(r);
    (void)context;
    if (engine->cpu_kernels) return;
    engine->gemm = BP_GEMM_NATIVE;
    for (int matrix = 0; matrix < 2; ++matrix) {
        for (size_t s = 0; s < BP__SHAPES; ++s)
            engine->tuning.gemm[s] = (bp__gemm_choice){.tile = 32, .matrix = matrix};
        pair a = pair_of(r, BP__BATCH, 40, 5, NULL), b = pair_of(r, BP__WEIGHTS, 50, 5, NULL);
        pair c = pair_of(r, BP__BATCH, 40, 50, NULL);
        bp__recorder recorder = {.device = engine->device};
        const bp__gemm gemm = {
            .layout = BP__GEMM_NT, .c = c.on[DEVICE], .a = a.on[DEVICE], .b = b.on[DEVICE]};
        OK(bp__launch_gemm(engine, &recorder, &gemm));
        cr_assert_str_eq(recorder.commands[0].name, matrix ? "gemm_matrix" : "gemm_gpu");
        bp__recorder_clear(&recorder);
        pair *const all[] = {&a, &b, &c};
        for (int i = 0; i < 3; ++i) pair_free(r, all[i]);
    }
}

Test(matrix, what_tuning_found_is_what_runs)
{
    each_device((const int32_t[]){BP_GEMM_MATRIX, -1}, check_tuned, NULL);
}
