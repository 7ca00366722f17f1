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

/* A matrix on both sides, GUARD words of GUARD_VALUE before and after it. */
typedef struct pair {
    bp__view on[SIDES];
    size_t count; /* words of the view with its padding */
} pair;

enum { GUARD = 64 };
static const float guard_value = 12345.0f;

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

/* A pair filled with values[rows * columns], or where values is NULL with a poison that a kernel
 * must overwrite. */
static inline pair pair_of(rig *r, bp__type type, size_t rows, size_t columns, const void *values)
{
    pair p = {0};
    for (int side = 0; side < SIDES; ++side) {
        bp__engine *engine = r->engine[side];
        const size_t stride =
            columns == 1 && type == BP__INTEGER ? 1 : bp__round_up(columns, engine->quantum);
        bp__view *view = &p.on[side];
        *view = (bp__view){.offset = GUARD, .rows = rows, .columns = columns, .stride = stride};
        p.count = rows * stride;
        OK(bp__buffer_create(engine, &view->buffer, type, 2 * GUARD + p.count));
        float guards[GUARD];
        int32_t integer_guards[GUARD];
        for (int i = 0; i < GUARD; ++i) {
            guards[i] = guard_value;
            integer_guards[i] = (int32_t)guard_value;
        }
        const void *guard = type == BP__NUMBER ? (void *)guards : (void *)integer_guards;
        bp__view edge = {view->buffer, 0, 1, GUARD, GUARD};
        OK(bp__view_write(engine, &edge, guard));
        edge.offset = GUARD + p.count;
        OK(bp__view_write(engine, &edge, guard));
        if (values) {
            OK(bp__view_write(engine, view, values));
        } else {
            float *poison = malloc((rows * columns + 1) * sizeof *poison);
            for (size_t i = 0; i < rows * columns; ++i) poison[i] = -9.75e8f;
            OK(bp__view_write(engine, view, poison));
            free(poison);
        }
    }
    return p;
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

/* Fails where a guard word or a padding word of the device's side has changed. */
static inline void check_guards(rig *r, const pair *p, const char *what)
{
    const bp__view *view = &p->on[DEVICE];
    const size_t total = 2 * GUARD + view->rows * view->stride;
    float *all = malloc(total * sizeof *all);
    bp__view whole = {view->buffer, 0, 1, total, total};
    OK(bp__view_read(r->engine[DEVICE], &whole, all));
    for (size_t i = 0; i < total; ++i) {
        const bool inside = i >= GUARD && i < total - GUARD;
        if (inside && (i - GUARD) % view->stride < view->columns) continue;
        const float expected = inside ? 0.0f : guard_value;
        cr_assert(all[i] == expected, "%s: %s wrote %g outside of its %zux%zu output, at word %zu",
                  r->name, what, (double)all[i], view->rows, view->columns, i);
    }
    free(all);
}

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
