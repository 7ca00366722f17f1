/* support.h - what the tests of operations share: every device found, matrices that exist on a
 * device and in the reference at once, guard words around outputs, error bounds. */
#ifndef BP_TESTS_SUPPORT_H
#define BP_TESTS_SUPPORT_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/operation.h"
#include "base/random.h"
#include "ops/engine.h"
#include "ops/launchers.h"
#include "ops/matrix_units.h"
#include "reference/reference.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        bp_status status_ = (call);                                                                \
        cr_assert(status_ == BP_OK, "%s: %s: %s", #call, bp_status_name(status_),                  \
                  bp_last_error());                                                                \
    } while (0)

enum { DEVICE, REFERENCE, SIDES };

/* The two engines that are compared. */
typedef struct rig {
    bp__engine *engine[SIDES];
    char name[320]; /* device and GEMM backend, for messages */
} rig;

/* A matrix on both sides, each as its engine lays it out, GUARD words of GUARD_VALUE before and
 * after it. */
typedef struct pair {
    bp__view on[SIDES];
} pair;

enum { GUARD = 64 };
static const float guard_value = 12345.0f;

/* Where a device has no matrix units, they are stood in for from now on: what is around them is
 * tested everywhere. */
static inline void need_matrix_units(bp_device *device)
{
    if (bp__matrix_units_are_there(device, BP_PRECISION_FP32)) return;
    setenv("BP_MATRIX_STAND_IN", "1", 1);
    device->units_known = false;
}

/* Calls check(rig, context) for every OpenCL device and each of the GEMM backends, which end with
 * -1. Without any OpenCL device the test fails: kernels that nobody ran are not tested. */
static inline void each_device(const int32_t *gemms, void (*check)(rig *, void *), void *context)
{
    bp_device_info *list;
    size_t count, checked = 0;
    const char *note;
    OK(bp_device_list(&list, &count, &note));
    for (size_t d = 0; d < count; ++d) {
        if (list[d].kind == BP_KIND_REFERENCE) continue;
        bp_device *device;
        OK(bp_device_open(&device, list[d].spec));
        for (const int32_t *gemm = gemms; *gemm >= 0; ++gemm) {
            rig r;
            snprintf(r.name, sizeof r.name, "%s, gemm %s", list[d].name, bp_gemm_name(*gemm));
            if (*gemm == BP_GEMM_MATRIX) need_matrix_units(device);
            OK(bp__engine_create(&r.engine[DEVICE], device, *gemm));
            OK(bp__reference_engine_create(&r.engine[REFERENCE]));
            check(&r, context);
            bp__engine_free(r.engine[DEVICE]);
            bp__engine_free(r.engine[REFERENCE]);
            ++checked;
        }
        bp_device_free(device);
    }
    bp_device_list_free(list);
    cr_assert(checked > 0, "no OpenCL device to test: %s", note);
}

/* Makes an engine with CPU kernels take vectors of `width`, and as many groups a launch as are
 * given; before any view is placed. */
static inline void set_cpu(rig *r, unsigned width, unsigned groups)
{
    bp__device_engine *engine = (bp__device_engine *)r->engine[DEVICE];
    engine->vector_width = width;
    engine->base.quantum = width;
    engine->threads = groups;
    snprintf(r->name, sizeof r->name, "%.200s, width %u, %u groups", engine->device->info.name,
             width, groups);
}

typedef struct cpu_shapes {
    void (*check)(rig *, void *);
    void *context;
} cpu_shapes;

static inline void check_cpu_shapes(rig *r, void *context)
{
    const cpu_shapes *shapes = context;
    const unsigned groups[] = {1, 2, 3, 5};
    for (unsigned width = 4; width <= 16; width *= 2)
        for (size_t g = 0; g < BP_COUNT(groups); ++g) {
            set_cpu(r, width, groups[g]);
            shapes->check(r, shapes->context);
        }
}

/* Calls check(rig, context) for every OpenCL device with the CPU kernels, in each width that they
 * are written for, and with fewer and with more groups than the machine has cores. */
static inline void each_cpu_shape(void (*check)(rig *, void *), void *context)
{
    cpu_shapes shapes = {check, context};
    each_device((const int32_t[]){BP_GEMM_CPU, -1}, check_cpu_shapes, &shapes);
}

/* Calls check for every device, the reference included. */
static inline void every_device(void (*check)(bp_device *))
{
    bp_device_info *list;
    size_t count;
    OK(bp_device_list(&list, &count, NULL));
    for (size_t d = 0; d < count; ++d) {
        bp_device *device;
        OK(bp_device_open(&device, list[d].spec));
        check(device);
        bp_device_free(device);
    }
    bp_device_list_free(list);
}

/* Whether the padding of a view may hold anything: only that of a batch in panels may. */
static inline bool free_padding(const bp__view *view)
{
    return view->panel_step && !view->transposed;
}

/* All words of a pair's buffer on one side, as one row. */
static inline bp__view whole_buffer(const bp__view *view)
{
    const size_t words = 2 * GUARD + bp__view_extent(view);
    return (bp__view){.buffer = view->buffer, .rows = 1, .columns = words, .stride = words};
}

/* Fills a side's buffer: guards, and in between zeros, or NaN where padding may hold anything. */
static inline void fill_buffer(bp__engine *engine, const bp__view *view, bp__type type)
{
    const bp__view whole = whole_buffer(view);
    float *numbers = malloc(whole.columns * sizeof *numbers);
    int32_t *integers = malloc(whole.columns * sizeof *integers);
    for (size_t i = 0; i < whole.columns; ++i) {
        const bool inside = i >= GUARD && i < whole.columns - GUARD;
        integers[i] = inside ? 0 : (int32_t)guard_value;
        numbers[i] = !inside ? guard_value : free_padding(view) ? (float)NAN : 0.0f;
    }
    OK(bp__view_write(engine, &whole, type == BP__NUMBER ? (void *)numbers : (void *)integers));
    free(numbers);
    free(integers);
}

/* A pair filled with values[rows * columns], or where values is NULL with a poison that a kernel
 * must overwrite. */
static inline pair make_pair(rig *r, bp__type type, bp__role role, size_t rows, size_t columns,
                             const void *values)
{
    pair p = {0};
    float *poison = malloc((rows * columns + 1) * sizeof *poison);
    for (size_t i = 0; i < rows * columns; ++i) poison[i] = -9.75e8f;
    for (int side = 0; side < SIDES; ++side) {
        bp__engine *engine = r->engine[side];
        bp__view *view = &p.on[side];
        size_t elements = GUARD;
        cr_assert(bp__view_place(view, &elements, engine, role, rows, columns));
        if (type == BP__INTEGER && columns == 1) { /* labels have no gaps */
            view->stride = 1;
            elements = GUARD + rows;
        }
        OK(bp__buffer_create(engine, &view->buffer, type, elements + GUARD));
        fill_buffer(engine, view, type);
        OK(bp__view_write(engine, view, values ? values : poison));
    }
    free(poison);
    return p;
}

static inline pair pair_of(rig *r, bp__role role, size_t rows, size_t columns, const float *values)
{
    return make_pair(r, BP__NUMBER, role, rows, columns, values);
}

static inline pair integers_of(rig *r, size_t rows, size_t columns, const int32_t *values)
{
    return make_pair(r, BP__INTEGER, BP__TABLE, rows, columns, values);
}

static inline void pair_free(rig *r, pair *p)
{
    for (int side = 0; side < SIDES; ++side) bp__buffer_free(r->engine[side], p->on[side].buffer);
}

/* The matrix of one side; free() it. */
static inline float *read_side(rig *r, const pair *p, int side)
{
    float *values = malloc((p->on[side].rows * p->on[side].columns + 1) * sizeof *values);
    OK(bp__view_read(r->engine[side], &p->on[side], values));
    return values;
}

/* Fails where a guard word of the device's side has changed, or a padding word that must be zero.
 */
static inline void check_guards(rig *r, const pair *p, const char *what)
{
    const bp__view *view = &p->on[DEVICE], whole = whole_buffer(view);
    float *all = malloc(whole.columns * sizeof *all);
    OK(bp__view_read(r->engine[DEVICE], &whole, all));
    for (size_t row = 0; row < view->rows; ++row) /* what is the matrix's own is as it should be */
        for (size_t column = 0; column < view->columns; ++column)
            all[bp__view_index(view, row, column)] = 0;
    for (size_t i = 0; i < whole.columns; ++i) {
        const bool inside = i >= GUARD && i < whole.columns - GUARD;
        if (inside && free_padding(view)) continue;
        cr_assert(all[i] == (inside ? 0.0f : guard_value),
                  "%s: %s wrote %g outside of its %zux%zu output, at word %zu", r->name, what,
                  (double)all[i], view->rows, view->columns, i);
    }
    free(all);
}

/* ---- Planted bugs in kernels ------------------------------------------------------------------
 */

/* Programs built from now on come from a copy of the kernels in which sed has edited one file;
 * `edit` must change it, or be empty. */
static inline void edit_kernels(const char *file, const char *edit)
{
    char folder[] = "/tmp/backprop-kernels-XXXXXX", line[2048];
    const char *const original = BACKPROP_SOURCE_DIR "/kernels";
    cr_assert_not_null(mkdtemp(folder));
    snprintf(line, sizeof line, "cp -r %s/. %s && sed -i '%s' %s/%s", original, folder, edit,
             folder, file);
    cr_assert_eq(system(line), 0, "%s", line);
    snprintf(line, sizeof line, "cmp -s %s/%s %s/%s", original, file, folder, file);
    cr_assert_eq(system(line) == 0, !*edit, "%s: %s changes nothing", file, edit);
    setenv("BP_KERNEL_DIR", folder, 1);
}

static inline void restore_kernels(void)
{
    char line[512];
    snprintf(line, sizeof line, "rm -r %s", getenv("BP_KERNEL_DIR"));
    cr_assert_eq(system(line), 0);
    unsetenv("BP_KERNEL_DIR");
}

/* ---- Running and comparing --------------------------------------------------------------------
 */

/* Runs operations on one side, as one sequence: a device may fuse them. */
static inline void run_ops(rig *r, int side, const bp__op *ops, size_t count)
{
    bp__sequence *sequence;
    OK(bp__sequence_create(r->engine[side], &sequence, ops, count));
    OK(bp__sequence_run(r->engine[side], sequence, 1));
    OK(bp__engine_finish(r->engine[side]));
    bp__sequence_free(r->engine[side], sequence);
}

static inline void run_op(rig *r, int side, const bp__op *op)
{
    run_ops(r, side, op, 1);
}

/* count numbers in [-range, range], the same for the same seed; free() them. */
static inline float *random_floats(size_t count, double range, uint32_t seed)
{
    float *values = malloc((count + 1) * sizeof *values);
    for (size_t i = 0; i < count; ++i)
        values[i] = (float)(range * (2 * bp__random_unit(seed, BP__PURPOSE_INIT, 0, 0, i) - 1));
    return values;
}

/* count integers in [-range, range] as floats; free() them. */
static inline float *random_integers(size_t count, int range, uint32_t seed)
{
    float *values = malloc((count + 1) * sizeof *values);
    for (size_t i = 0; i < count; ++i)
        values[i] = (float)((int)(bp__random_bits(seed, BP__PURPOSE_INIT, 0, 0, i) %
                                  (uint32_t)(2 * range + 1)) -
                            range);
    return values;
}

/* Whether values of a test are evidence: most of them differ from zero. */
static inline bool mostly_nonzero(const float *values, size_t count)
{
    size_t nonzero = 0;
    for (size_t i = 0; i < count; ++i) nonzero += values[i] != 0;
    return 2 * nonzero >= count;
}

/* |got - expected| in units in the last place of expected (of the smallest normal number below it);
 * 0 for two NaNs or two equal infinities. */
static inline double ulps(float got, double expected)
{
    if (isnan(expected) || isnan(got)) return isnan(expected) && isnan(got) ? 0 : INFINITY;
    if (isinf(expected) || isinf(got)) return (double)got == expected ? 0 : INFINITY;
    int exponent;
    frexp(expected, &exponent);
    const double ulp = expected == 0 || exponent < -125 ? 0x1p-149 : ldexp(1, exponent - 24);
    return fabs((double)got - expected) / ulp;
}

/* sqrt(sum (a - b)^2 / sum b^2), NaN where something is not finite. */
static inline double relative_l2(const float *a, const float *b, size_t count)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; ++i) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 ? sqrt(difference / size) : sqrt(difference);
}

#endif
