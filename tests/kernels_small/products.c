/* products.c - the GEMM kernels of engines whose matrices lie in rows, and the epilogues as kernels
 * of their own. */
#include <string.h>

#include "base/families.h"
#include "kernels_small/small.h"
#include "ops/dense_epilogue.h"
#include "ops/gemm.h"
#include "ops/matrix_tile.h"

typedef bp_status (*gemm_launcher)(bp__device_engine *, bp__recorder *, const bp__gemm *);

/* m, n, k. */
static const size_t shapes[][3] = {{3, 5, 2},   {1, 1, 1},    {5, 17, 9},
                                   {16, 7, 33}, {19, 34, 18}, {2, 3, 520}};

/* The layouts with the epilogues that they have. */
static const struct {
    bp__gemm_layout layout;
    bp__epilogue epilogue;
} products[] = {{BP__GEMM_NT, BP__EPILOGUE_NONE},  {BP__GEMM_NT, BP__EPILOGUE_ACTIVATION},
                {BP__GEMM_NT, BP__EPILOGUE_BIAS},  {BP__GEMM_NN, BP__EPILOGUE_NONE},
                {BP__GEMM_NN, BP__EPILOGUE_SLOPE}, {BP__GEMM_TN, BP__EPILOGUE_NONE}};

static double finished(const bp__gemm *gemm, double sum, const float *e, size_t i, size_t j)
{
    const size_t n = gemm->c.columns;
    switch (gemm->epilogue) {
    case BP__EPILOGUE_NONE: break;
    case BP__EPILOGUE_ACTIVATION: return bp__reference_activate(gemm->activation, sum);
    case BP__EPILOGUE_BIAS: return bp__reference_activate(gemm->activation, sum + (double)e[j]);
    case BP__EPILOGUE_SLOPE:
        return sum * bp__reference_slope(gemm->activation, (double)e[i * n + j]);
    }
    return sum;
}

/* How far factors may be moved before they are multiplied. */
static double rounding_of(rig *r)
{
    const bp__device_engine *engine = device_engine(r);
    const bool rounds = engine->gemm == BP_GEMM_MATRIX && engine->precision != BP_PRECISION_FP32;
    return rounds ? bp__rounding_of(engine->precision) : 0;
}

static void check_product(rig *r, gemm_launcher launch, const size_t shape[3], bp__gemm gemm)
{
    const size_t m = shape[0], n = shape[1], k = shape[2];
    const bool tn = gemm.layout == BP__GEMM_TN, nt = gemm.layout == BP__GEMM_NT;
    const bool bias = gemm.epilogue == BP__EPILOGUE_BIAS;
    float *a = random_floats(m * k, 1, 1), *b = random_floats(n * k, 1, 2);
    float *e = random_floats(m * n, 0.9, 3);
    pair pa = pair_of(r, BP__BATCH, tn ? k : m, tn ? m : k, a);
    pair pb = pair_of(r, BP__BATCH, nt ? n : k, nt ? k : n, b);
    pair pe = pair_of(r, BP__BATCH, bias ? 1 : m, n, e), pc = pair_of(r, BP__BATCH, m, n, NULL);
    gemm.a = pa.on[DEVICE];
    gemm.b = pb.on[DEVICE];
    gemm.c = pc.on[DEVICE];
    if (bias || gemm.epilogue == BP__EPILOGUE_SLOPE) gemm.e = pe.on[DEVICE];
    bp__recorder recorder = {.device = device_engine(r)->device};
    OK(launch(device_engine(r), &recorder, &gemm));
    OK(bp__recorder_enqueue(&recorder, 1));
    float *c = read_side(r, &pc, DEVICE);
    for (size_t i = 0; i < m; ++i)
        for (size_t j = 0; j < n; ++j) {
            double sum = 0, sizes = 0;
            for (size_t s = 0; s < k; ++s) {
                const double one =
                    (double)a[tn ? s * m + i : i * k + s] * (double)b[nt ? j * k + s : s * n + j];
                sum += one;
                sizes += fabs(one);
            }
            const double want = finished(&gemm, sum, e, i, j);
            cr_assert(
                fabs((double)c[i * n + j] - want) <=
                    1e-5 * (1 + fabs(want)) + 2.1 * rounding_of(r) * sizes,
                "%s: layout %d, epilogue %d, activation %d, %zux%zux%zu at %zu, %zu: %g not %g",
                r->name, (int)gemm.layout, (int)gemm.epilogue, (int)gemm.activation, m, n, k, i, j,
                (double)c[i * n + j], want);
        }
    check_guards(r, &pc, "product");
    bp__recorder_clear(&recorder);
    pair *const all[] = {&pa, &pb, &pc, &pe};
    for (int i = 0; i < 4; ++i) pair_free(r, all[i]);
    float *const values[] = {a, b, c, e};
    for (int i = 0; i < 4; ++i) free(values[i]);
}

/* Shapes [from, to); every activation at the first of all where `functions`, else one. */
static void check_products(rig *r, gemm_launcher launch, bool functions, size_t from, size_t to)
{
    for (size_t s = from; s < to; ++s)
        for (size_t p = 0; p < BP_COUNT(products); ++p) {
            const bool plain = products[p].epilogue == BP__EPILOGUE_NONE;
            for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f)
                if (plain ? f == BP_ACTIVATION_LINEAR
                          : (s == 0 && functions) || f == BP_ACTIVATION_SIGMOID)
                    check_product(r, launch, shapes[s],
                                  (bp__gemm){.layout = products[p].layout,
                                             .epilogue = products[p].epilogue,
                                             .activation = f});
        }
}

void check_naive(rig *r, void *context)
{
    (void)context;
    check_products(r, bp__gemm_naive, true, 0, BP_COUNT(shapes));
}

static void check_tile(rig *r, const bp__gpu_tile *tile)
{
    const bool large = tile->m * tile->n > 256;
    const bool functions = !large && tile->splits == 1;
    cr_assert(bp__gpu_tile_valid(tile) && bp__gpu_tile_fits(tile, device_engine(r)->device));
    device_engine(r)->gpu_tile = tile;
    if (simulated())
        check_products(r, bp__gemm_gpu, functions, functions ? 0 : 4, 5);
    else
        check_products(r, bp__gemm_gpu, functions, 0, BP_COUNT(shapes));
    device_engine(r)->gpu_tile = NULL;
}

/* Every tile; sums in pieces, of which some are empty. In a simulator the large ones take minutes
 * at all shapes. */
void check_gpu(rig *r, void *context)
{
    (void)context;
    static const bp__gpu_tile in_pieces[] = {{64, 64, 16, 4, 4, 3}, {16, 16, 16, 2, 2, 3}};
    size_t count;
    const bp__gpu_tile *const tiles = bp__gpu_tiles(&count);
    for (size_t i = 0; i < count; ++i) check_tile(r, &tiles[i]);
    for (size_t i = 0; i < BP_COUNT(in_pieces); ++i) check_tile(r, &in_pieces[i]);
}

/* In every precision a square of sub-groups, one of a single one, and sums in pieces; other tiles are in
 * test_matrix.c. */
void check_matrix(rig *r, void *context)
{
    static const bp__matrix_tile some[] = {
        {32, 32, 16, 2, 2, 1}, {16, 16, 8, 1, 1, 1}, {16, 32, 8, 1, 2, 3}};
    bp__device_engine *engine = device_engine(r);
    const bp__matrix_units *units = bp__matrix_units_of(engine->device);
    (void)context;
    for (size_t i = simulated(); i < BP_COUNT(some); ++i)
        for (int32_t p = 0; bp_precision_name(p); ++p) {
            if (!units->depth[p]) continue;
            cr_assert(bp__matrix_tile_valid(&some[i], units));
            engine->matrix_tile = &some[i];
            engine->precision = p;
            check_products(r, bp__gemm_matrix, false, simulated() ? 4 : 0,
                           simulated() ? 5 : BP_COUNT(shapes));
        }
}

/* What is chosen fits, and suits the shape and the device. */
void check_gpu_choice(rig *r, void *context)
{
    (void)context;
    bp_device device = *device_engine(r)->device;
    device.info.compute_units = 100;
    device.local_bytes = 48 << 10;
    device.max_work_group = 1024;
    static const struct {
        size_t m, n, k;
        bp__gpu_tile want;
    } cases[] = {
        {4096, 4096, 4096, {128, 128, 16, 8, 8, 1}}, {1024, 1024, 128, {64, 64, 16, 4, 4, 1}},
        {128, 128, 64, {16, 16, 16, 2, 2, 1}},       {128, 128, 65536, {16, 16, 16, 2, 2, 2}},
        {16, 100000, 64, {16, 128, 16, 2, 4, 1}},    {100000, 10, 64, {128, 16, 16, 4, 2, 1}},
        {10, 784, 60000, {16, 128, 16, 2, 4, 8}},    {1, 1, 1, {16, 16, 16, 2, 2, 1}},
        {1, 1, 1000000, {16, 16, 16, 2, 2, 64}},
    };
    for (size_t i = 0; i < BP_COUNT(cases); ++i) {
        char got[BP__TILE_TEXT], want[BP__TILE_TEXT];
        const bp__gpu_tile tile =
            bp__gpu_tile_choose(&device, 0, cases[i].m, cases[i].n, cases[i].k);
        cr_assert_str_eq(bp__gpu_tile_describe(got, &tile),
                         bp__gpu_tile_describe(want, &cases[i].want), "%zux%zux%zu", cases[i].m,
                         cases[i].n, cases[i].k);
    }
    /* With less there are smaller tiles, in the end none. */
    for (; device.local_bytes > 0; device.local_bytes /= 2) {
        const bp__gpu_tile tile = bp__gpu_tile_choose(&device, 0, 4096, 4096, 4096);
        cr_assert_eq(tile.m > 0, bp__gemm_gpu_fits(&device));
        if (tile.m) cr_assert(bp__gpu_tile_fits(&tile, &device));
    }
    cr_assert_not(bp__gemm_gpu_fits(&device));
    device.local_bytes = 48 << 10;
    device.max_work_group = 64;
    cr_assert_eq(bp__gpu_tile_choose(&device, 0, 4096, 4096, 4096).m, 32);
    /* Sums of 8 x 8 a work-item are too many for Intel's registers, whatever the width. */
    device.max_work_group = 1024;
    for (device.subgroup = 8; device.subgroup <= 16; device.subgroup *= 2) {
        char options[BP__TILE_OPTIONS], want[32];
        const bp__gpu_tile tile = bp__gpu_tile_choose(&device, 128, 4096, 4096, 4096);
        cr_assert_eq(tile.m, 64);
        snprintf(want, sizeof want, " -DBP_SUBGROUP=%u", device.subgroup);
        cr_assert(strstr(bp__gpu_tile_options(options, &tile, &device), want));
    }
    static const bp__gpu_tile wrong[] = {{0},
                                         {64, 64, 16, 5, 4, 1},
                                         {64, 64, 16, 4, 4, 0},
                                         {64, 64, 16, 4, 4, 65},
                                         {128, 128, 1, 4, 4, 1},
                                         {18, 18, 16, 2, 2, 1}};
    for (size_t i = 0; i < BP_COUNT(wrong); ++i) cr_assert_not(bp__gpu_tile_valid(&wrong[i]));
}

/* The epilogues as kernels of their own: C = the product on entry. */
void check_epilogues(rig *r, void *context)
{
    (void)context;
    const size_t m = 5, n = 7;
    for (size_t p = 0; p < BP_COUNT(products); ++p)
        for (int32_t f = BP_ACTIVATION_LINEAR; f <= BP_ACTIVATION_RELU; ++f) {
            bp__gemm gemm = {
                .layout = products[p].layout, .epilogue = products[p].epilogue, .activation = f};
            const bool bias = gemm.epilogue == BP__EPILOGUE_BIAS;
            float *before = random_floats(m * n, 2, 4), *e = random_floats(m * n, 0.9, 5);
            pair pc = pair_of(r, BP__BATCH, m, n, before);
            pair pe = pair_of(r, BP__BATCH, bias ? 1 : m, n, e);
            gemm.c = pc.on[DEVICE];
            if (bias || gemm.epilogue == BP__EPILOGUE_SLOPE) gemm.e = pe.on[DEVICE];
            bp__recorder recorder = {.device = device_engine(r)->device};
            OK(bp__launch_dense_epilogue(&recorder, &gemm));
            OK(bp__recorder_enqueue(&recorder, 1));
            float *c = read_side(r, &pc, DEVICE);
            for (size_t i = 0; i < m * n; ++i) {
                const double want = finished(&gemm, (double)before[i], e, i / n, i % n);
                cr_assert(fabs((double)c[i] - want) <= 1e-5,
                          "%s: epilogue %d, activation %d: %g not %g", r->name, (int)gemm.epilogue,
                          (int)f, (double)c[i], want);
            }
            check_guards(r, &pc, "epilogue");
            bp__recorder_clear(&recorder);
            pair_free(r, &pc);
            pair_free(r, &pe);
            free(before);
            free(e);
            free(c);
        }
}
