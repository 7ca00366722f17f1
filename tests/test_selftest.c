/* test_selftest.c - bp_selftest: it passes what is right, runs every kernel, and finds bugs that
 * are planted into kernels, by the name of the operation and of the kernels. */
#include "kernels_small/small.h"
#include "opencl/embedded.h"
#include "selftest/selftest.h"

TestSuite(selftest, .timeout = 600);

static bp_selftest_result tested(int32_t gemm)
{
    bp_device *device;
    bp_selftest_result result;
    bp_selftest_options options = bp_selftest_options_default();
    options.gemm = gemm;
    OK(bp_device_open(&device, NULL));
    OK(bp_selftest(&result, device, &options));
    bp_device_free(device);
    return result;
}

static const bp_selftest_check *check_of(const bp_selftest_result *r, const char *name,
                                         const char *kernels)
{
    for (size_t i = 0; i < r->check_count; ++i)
        if (strcmp(r->checks[i].name, name) == 0 && strcmp(r->checks[i].kernels, kernels) == 0)
            return &r->checks[i];
    cr_assert_fail("no check \"%s\" of %s", name, kernels);
    return NULL;
}

/* What belongs to CLBlast or to matrix units, or measures speed, is not every device's own way to
 * compute. */
static bool is_elsewhere(const char *kernel)
{
    static const char *const names[] = {"dense_activate", "dense_slope", "peak_fma",
                                        "peak_triad",     "probe",       "gemm_matrix"};
    for (size_t i = 0; i < BP_COUNT(names); ++i)
        if (strcmp(kernel, names[i]) == 0) return true;
    return false;
}

Test(selftest, everything_passes_and_every_kernel_runs)
{
    watch("selftest");
    bp_selftest_result r = tested(BP_GEMM_AUTO);
    for (size_t i = 0; i < r.check_count; ++i) {
        const bp_selftest_check *c = &r.checks[i];
        cr_assert(c->passed, "%s, %s: %s", c->name, c->kernels, c->problem);
        cr_assert(c->cases > 0 && c->max_error <= c->bound && !*c->problem && *c->where);
    }
    cr_assert(r.passed && r.check_count > 20 && r.seconds > 0, "%zu checks, %g s", r.check_count,
              r.seconds);
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file)
        for (const char *at = file->source; (at = strstr(at, "\n__kernel")); ++at) {
            const char *name = strstr(at, "void");
            name += strcspn(name, " \n");
            name += strspn(name, " \n");
            char kernel[64];
            snprintf(kernel, sizeof kernel, "%.*s", (int)strcspn(name, "("), name);
            cr_assert(is_elsewhere(kernel) || was_made(kernel), "kernel %s of %s is not run",
                      kernel, file->name);
        }
    bp_selftest_free(&r);
    cr_assert(r.checks == NULL);
}

typedef struct planted {
    const char *what, *file, *edit;
    int32_t gemm;
    const char *check, *kernels;
} planted;

static const planted bugs[] = {
    {"products of half the digits", "gemm_naive.cl",
     "s/sum = fma(A_AT(m, k), B_AT(k, n), sum)/sum = fma(as_float(as_int(A_AT(m, k)) \\& "
     "0xffffe000), B_AT(k, n), sum)/",
     BP_GEMM_NAIVE, "dense_forward", "naive"},
    {"the slope of tanh", "activation.cl", "s/return 1.0f - a \\* a;/return 1.0f - a;/",
     BP_GEMM_NAIVE, "dense_effect", "naive"},
    {"bias gradients are added up", "dense.cl",
     "s/float sum = 0.0f;/float sum = bias_gradient[g_offset + n];/", BP_GEMM_NAIVE,
     "dense_gradient", "naive"},
    {"Adam forgets", "update.cl", "s/u->beta2 \\* \\*v +/u->beta1 * *v +/", BP_GEMM_NAIVE,
     "optimizer", "naive"},
    {"units above the limit keep their weights", "norm.cl", "s/limit \\/ norm + /1.0f + /",
     BP_GEMM_NAIVE, "max_norm", "naive"},
    {"averages stay behind", "average.cl", "s/share \\* (w - a)/0.9f * share * (w - a)/",
     BP_GEMM_NAIVE, "average", "naive"},
    {"groups are not made means", "accumulate.cl", "s/share \\* sum/sum/", BP_GEMM_NAIVE,
     "accumulate", "naive"},
    {"the sum forgets half its items", "group_sum.cl",
     "s/half_size = LOCAL \\/ 2/half_size = LOCAL \\/ 4/", BP_GEMM_NAIVE, "reduce_loss", "naive"},
    {"softmax of the wrong sum", "loss.cl", "s/p\\[k\\] \\/= sum/p[k] \\/= sum + 1e-3f/",
     BP_GEMM_NAIVE, "softmax", "naive"},
    {"another row is gathered", "gather.cl",
     "s/in_offset + row \\* ldi/in_offset + row \\/ 2 * ldi/", BP_GEMM_NAIVE, "gather", "naive"},
    {"only the first vectors in a batch of one", "cpu/panel.cl",
     "s/v + 4 <= vectors; v += 4/v + 4 <= 0; v += 4/;s/for (; v < vectors; ++v)/for (; v < 0; "
     "++v)/",
     BP_GEMM_CPU, "dense_forward", "cpu"},
    {"gradients of the first samples alone", "gpu/step.cl", "s/s < LANES; ++s/s < 1; ++s/",
     BP_GEMM_GPU, "whole steps", "gpu, one group of 64, 16 samples"},
    {"a group's part is left out", "gpu/sliced_step.cl",
     "s/group < GROUPS; ++group) g/group < GROUPS - 1; ++group) g/", BP_GEMM_GPU, "whole steps",
     "gpu, 3 groups of 64, 4 samples"},
    {"what does not build", "loss_row.cl", "s/const float log_sum/float log sum/", BP_GEMM_NAIVE,
     "preparation", "naive"},
};

static void expect_found(size_t from, size_t to)
{
    for (size_t i = from; i < to && i < BP_COUNT(bugs); ++i) {
        edit_kernels(bugs[i].file, bugs[i].edit);
        bp_selftest_result r = tested(bugs[i].gemm);
        restore_kernels();
        cr_assert(!r.passed, "%s: not seen", bugs[i].what);
        const bp_selftest_check *check = check_of(&r, bugs[i].check, bugs[i].kernels);
        cr_assert(!check->passed && *check->problem, "%s: seen, but not in %s", bugs[i].what,
                  bugs[i].check);
        bp_selftest_free(&r);
    }
}

/* In two tests, so that they run beside each other. */
Test(selftest, planted_bugs_of_operations)
{
    expect_found(0, 8);
}
Test(selftest, planted_bugs_of_the_rest)
{
    expect_found(8, BP_COUNT(bugs));
}

/* Products in one tile, whose sums are in two pieces. */
typedef struct tile_bug {
    const char *what, *file, *edit, *problem;
} tile_bug;

static const tile_bug tile_bugs[] = {
    {"nothing", "gpu/gemm_gpu.cl", "", NULL},
    {"a row of a tile is lost", "gpu/gemm_gpu.cl",
     "s/if (m < M \\&\\& n < N)/if (m + 1 < M \\&\\& n < N)/", "error"},
    {"the last slice is left out", "gpu/gemm_gpu.cl", "s/k0 < to; k0/k0 + TILE_K <= to; k0/",
     "error"},
    {"a piece is left out", "gpu/gemm_sum.cl", "s/z < SPLITS; ++z/z + 1 < SPLITS; ++z/", "error"},
    {"slices lack a column", "gpu/slices.cl", "s/k < K/k < K \\&\\& k % TILE_K != 1/", "error"},
    {"the sum writes beside the matrix", "gpu/gemm_sum.cl",
     "s/^    C\\[c_offset/    if (n == 0 \\&\\& m == 0) C[c_offset + (ulong)M * ldc] = 1.0f; &/",
     "beside its result"},
};

/* On matrix units as well. */
static const tile_bug matrix_bugs[] = {
    {"nothing", "gpu/gemm_matrix.cl", "", NULL},
    {"the small parts are lost", "gpu/gemm_matrix.cl",
     "s/as_uint(tf32_round(as_float(x) - rounded))/0/", "error"},
    {"the second slice is never read", "gpu/gemm_matrix.cl", "s/now = BOTH - now/now = 0/",
     "error"},
    {"fragments of another work-item", "gpu/mma_nvidia.cl",
     "s/% 8 \\* 4 + (k) % 4/% 8 * 4 + (k) % 3/", "error"},
    {"results in another work-item", "gpu/mma_nvidia.cl",
     "s/D_ROW(lane, i) ((lane) \\/ 4/D_ROW(lane, i) (7 - (lane) \\/ 4/", "error"},
};

static void expect_in_tile(const bp__way *way, const tile_bug *list, size_t count)
{
    for (size_t i = 0; i < count; ++i) {
        bp_selftest_result r = {0};
        bp__selftest test = {.options = bp_selftest_options_default(), .result = &r};
        OK(bp_device_open(&test.device, NULL));
        if (way->gemm == BP_GEMM_MATRIX) {
            need_matrix_units(test.device);
            cr_assert(bp__matrix_units_are_there(test.device, way->precision));
        }
        edit_kernels(list[i].file, list[i].edit);
        OK(bp_device_open(&test.plain_c, "reference"));
        OK(bp__selftest_operations(&test, way));
        restore_kernels();
        const bp_selftest_check *check = check_of(&r, "dense_forward", "tile");
        cr_assert_eq(check->passed, !list[i].problem, "%s: %s", list[i].what, check->problem);
        if (list[i].problem)
            cr_assert(strstr(check->problem, list[i].problem), "%s: %s", list[i].what,
                      check->problem);
        bp_selftest_free(&r);
        bp_device_free(test.device);
        bp_device_free(test.plain_c);
    }
}

Test(selftest, planted_bugs_of_tiles)
{
    static const bp__gpu_tile tile = {16, 16, 16, 2, 2, 2};
    const bp__way way = {.name = "tile", .gemm = BP_GEMM_GPU, .tile = &tile};
    expect_in_tile(&way, tile_bugs, BP_COUNT(tile_bugs));
}

Test(selftest, planted_bugs_on_matrix_units)
{
    static const bp__matrix_tile one = {16, 32, 8, 1, 2, 1};
    const bp__way way = {.name = "tile", .gemm = BP_GEMM_MATRIX, .matrix_tile = &one};
    expect_in_tile(&way, matrix_bugs, BP_COUNT(matrix_bugs));
}

Test(selftest, another_seed_and_what_makes_no_sense)
{
    bp_device *device;
    bp_selftest_result r;
    bp_selftest_options options = bp_selftest_options_default();
    OK(bp_device_open(&device, NULL));
    options.gemm = BP_GEMM_NAIVE;
    options.seed = 77;
    OK(bp_selftest(&r, device, &options));
    cr_assert(r.passed);
    bp_selftest_free(&r);
    options.gemm = 99;
    cr_assert_eq(bp_selftest(&r, device, &options), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_selftest(&r, NULL, NULL), BP_ERROR_ARGUMENT);
    bp_device_free(device);
}

static int stop_at_once(const char *part, double done, void *user)
{
    cr_assert(*part && done >= 0 && done < 1);
    return ++*(int *)user == 2;
}

Test(selftest, a_caller_may_stop_it)
{
    bp_device *device;
    bp_selftest_result r;
    int calls = 0;
    bp_selftest_options options = bp_selftest_options_default();
    options.progress = stop_at_once;
    options.user = &calls;
    OK(bp_device_open(&device, "reference"));
    cr_assert_eq(bp_selftest(&r, device, &options), BP_ERROR_CANCELLED);
    cr_assert(calls == 2 && r.checks == NULL);
    bp_device_free(device);
}
