/* cpu_plan.c - writes a list of operations down for kernels/cpu/plan.cl, which runs them as often
 * as asked in one launch, and gathers those that are independent in phases.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "ops/cpu_split.h"
#include "ops/cpu_writing.h"
#include "ops/fusions.h"

enum { CLAIM_LINE = 32 }; /* claim words of two threads lie on different cache lines */

/* The members that every program knows, as bits: so that most networks share one, which is compiled
 * once. Others are added as they are used, and stay: what evaluates is what trains. */
enum {
    COMMON_ACTIVATIONS = 1 << BP_ACTIVATION_LINEAR | 1 << BP_ACTIVATION_SIGMOID |
                         1 << BP_ACTIVATION_TANH | 1 << BP_ACTIVATION_RELU,
    COMMON_LOSSES = 1 << BP_LOSS_HALF_SQUARED | 1 << BP_LOSS_CROSS_ENTROPY,
    COMMON_OPTIMIZERS = 1 << BP_OPTIMIZER_SGD | 1 << BP_OPTIMIZER_MOMENTUM | 1 << BP_OPTIMIZER_ADAM
};

/* Long against the waking of threads, short enough that a stop is prompt. */
static const double launch_nanoseconds = 40e6;

/* A group that waits reads a counter about once a nanosecond. It leaves after what would be four
 * times the phase on one thread, and not before the system has had time to give two threads that
 * woke on one core a core each: some milliseconds. */
enum { LEAST_PATIENCE = 10000000 };

static bool depends(const bp__cpu_access *a, const bp__cpu_access *others)
{
    for (; a->view.buffer; ++a)
        for (const bp__cpu_access *b = others; b->view.buffer; ++b)
            if ((a->writes || b->writes) && a->view.buffer == b->view.buffer &&
                a->view.offset < b->view.offset + bp__view_extent(&b->view) &&
                b->view.offset < a->view.offset + bp__view_extent(&a->view))
                return true;
    return false;
}

/* The number of the update that all else comes before, but for what takes its results; count where
 * there is none. */
static size_t find_update(const bp__op *ops, size_t count)
{
    size_t i = count;
    while (i > 0 && (ops[i - 1].kind == BP__OP_MAX_NORM || ops[i - 1].kind == BP__OP_AVERAGE)) --i;
    return i > 0 && ops[i - 1].kind == BP__OP_OPTIMIZER ? i - 1 : count;
}

/* Whether nothing that comes between gradient `at` and the update would notice that its parameters
 * have changed: of what the plan writes there, effects take weights, and all else belongs before.
 */
static bool last_use(const bp__op *ops, size_t update, size_t at)
{
    const size_t weights = ops[at].as.dense_gradient.weights_gradient.offset;
    for (size_t i = at + 1; i < update; ++i)
        if (ops[i].kind != BP__OP_DENSE_GRADIENT &&
            (ops[i].kind != BP__OP_DENSE_EFFECT ||
             ops[i].as.dense_effect.weights.offset == weights))
            return false;
    return true;
}

/* The optimizer of a step whose gradients may be used up as they are made: nothing else wants them,
 * nor the old parameters, and together they are all of the arena. */
static const bp__optimizer *fusible_optimizer(const bp__op *ops, size_t count)
{
    const size_t update = find_update(ops, count);
    if (update == count || update == 0) return NULL;
    const bp__optimizer *optimizer = &ops[update].as.optimizer;
    if (optimizer->keep_gradients || optimizer->factor.buffer || optimizer->parameters.offset ||
        optimizer->gradients.offset || optimizer->moment1.offset || optimizer->moment2.offset)
        return NULL;
    size_t covered = 0, end = 0;
    for (size_t i = 0; i < count; ++i) {
        if (ops[i].kind != BP__OP_DENSE_GRADIENT) continue;
        if (!last_use(ops, update, i)) return NULL;
        const bp__view *const views[] = {&ops[i].as.dense_gradient.weights_gradient,
                                         &ops[i].as.dense_gradient.bias_gradient};
        for (int v = 0; v < 2; ++v) {
            if (!views[v]->buffer) continue;
            if (views[v]->buffer != optimizer->gradients.buffer) return NULL;
            const size_t extent = bp__view_extent(views[v]);
            covered += extent;
            if (views[v]->offset + extent > end) end = views[v]->offset + extent;
        }
    }
    return covered == end && end == optimizer->parameters.columns ? optimizer : NULL;
}

/* ---- Phases and the launch ------------------------------------------------------------------- */

/* Puts each of the operations, `from` which it was written, in the phase of the one before,
 * if it depends on nothing there. */
static void make_phases(bp__cpu_writing *w, const bp__op *from)
{
    size_t first = 0;
    plan_uint tasks = 0;
    for (size_t o = 0; o < w->count; ++o) {
        tasks += w->ops[o].split_rows * w->ops[o].split_columns;
        bool ends = o + 1 == w->count;
        for (size_t i = first; !ends && i <= o; ++i)
            ends = depends(w->accesses[o + 1], w->accesses[i]);
        if (!ends) continue;
        const double alone = bp__cpu_nanoseconds(w->engine->tuning.cost, from + first,
                                                 o + 1 - first, w->engine->vector_width, 1);
        for (size_t i = first; i <= o; ++i) {
            w->ops[i].patience = (plan_uint)(LEAST_PATIENCE + (alone < 5e8 ? 4 * alone : 2e9));
            w->ops[i].phase_end = (plan_uint)(o + 1);
            w->ops[i].tasks_until_end = tasks;
        }
        first = o + 1;
    }
}

/* Gives every share of every operation its claim words; returns the number of control words. */
static size_t place_claims(bp__cpu_writing *w)
{
    size_t words = CONTROL_CLAIMS;
    for (size_t o = 0; o < w->count; ++o) {
        plan_op *op = &w->ops[o];
        const size_t tasks = (size_t)op->split_rows * op->split_columns;
        const size_t share = (tasks + w->threads - 1) / w->threads;
        op->claims = (plan_uint)words;
        op->claims_step = (plan_uint)bp__round_up(share, CLAIM_LINE);
        words += w->threads * op->claims_step;
    }
    return words;
}

/* The floats that a group packs a strip of weights into, a block of the sum at a time, as
 * dense_effect in kernels/cpu/dense.cl does; 0 where nothing is packed, as for a batch of one. */
static size_t scratch_size(const bp__cpu_writing *w)
{
    const size_t width = w->engine->vector_width;
    size_t most = 0;
    for (size_t o = 0; o < w->count; ++o) {
        const plan_view *delta = &w->ops[o].view[DENSE_A];
        if (w->ops[o].kind != PLAN_DENSE_EFFECT || delta->rows == 1) continue;
        const size_t depth = delta->columns;
        const size_t block =
            bp__cpu_vectors(w, depth < PLAN_K_BLOCK ? depth : PLAN_K_BLOCK) * width;
        if (block > most) most = block;
    }
    return most > 0 ? w->product.vectors * (most + 1) * width : 0;
}

static bp_status record(bp__cpu_writing *w, bp__recorder *recorder)
{
    bp__device_engine *engine = w->engine;
    const cl_ulong scratch_floats = scratch_size(w);
    const size_t control_words = place_claims(w);
    cl_mem ops, control, scratch;
    BP_TRY(bp__recorder_add_buffer(recorder, &ops, w->ops, w->count * sizeof *w->ops));
    BP_TRY(bp__recorder_add_buffer(recorder, &control, NULL, control_words * sizeof(cl_int)));
    BP_TRY(bp__engine_scratch(engine, w->threads * scratch_floats, &scratch));
    const cl_uint once = 1, count = (cl_uint)w->count;
    bp__arg args[6 + BP__CPU_BUFFERS] = {BP_ARG(once),    BP_ARG(ops),     BP_ARG(count),
                                         BP_ARG(control), BP_ARG(scratch), BP_ARG(scratch_floats)};
    for (size_t b = 0; b < BP__CPU_BUFFERS; ++b)
        args[6 + b] = (bp__arg)BP_ARG(w->buffers[b < w->buffer_count ? b : 0]);
    char options[256];
    snprintf(options, sizeof options,
             "-DBP_VW=%u -DTILE_M=%u -DTILE_N=%u -DTILE_LANES=%u -DTILE_LANES_N=%u "
             "-DBP_ACTIVATIONS=%u -DBP_LOSSES=%u -DBP_OPTIMIZERS=%u -DBP_SHAPED=%d "
             "-DBP_DROPOUT=%d -DBP_RESIDUAL=%d -DBP_NORM=%d",
             engine->vector_width, w->product.rows, w->product.vectors, w->gradient.rows,
             w->gradient.vectors, COMMON_ACTIVATIONS | engine->plan_activations,
             COMMON_LOSSES | engine->plan_losses, COMMON_OPTIMIZERS | engine->plan_optimizers,
             w->shaped, engine->plan_dropout, engine->plan_residual, engine->plan_norm);
    const bp__grid grid = {1, {w->threads, 1, 1}, {1, 1, 1}};
    BP_TRY(bp__record_launch(recorder, "cpu/plan.cl", options, "run_plan", args, BP_COUNT(args),
                             &grid));
    if (engine->base.profile) return BP_OK;
    const double steps = launch_nanoseconds / w->step_nanoseconds;
    const double most = (double)(INT32_MAX / 2) / w->ops[w->count - 1].tasks_until_end;
    recorder->steps_per_launch = (size_t)(steps < 1 ? 1 : steps < most ? steps : most);
    return BP_OK;
}

bp_status bp__fuse_cpu_plan(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                            size_t count, size_t *consumed)
{
    if (!engine->cpu_kernels) return BP_OK;
    if (engine->base.profile) count = 1; /* whose time is to be known by itself */
    double nanoseconds;
    const size_t threads = bp__cpu_threads(engine->tuning.cost, ops, count, engine->vector_width,
                                           engine->device->info.compute_units, &nanoseconds);
    bp__cpu_writing w = {.engine = engine,
                         .threads = engine->threads ? engine->threads : threads,
                         .step_nanoseconds = nanoseconds,
                         .product = engine->tuning.product,
                         .gradient = engine->tuning.gradient};
    if (w.gradient.rows > engine->vector_width) w.gradient.rows = engine->vector_width;
    const bp__optimizer *fused = fusible_optimizer(ops, count);
    bp__op *written = NULL; /* all but an update that gradients do */
    bp_status status;
    BP_TRY_GOTO(bp__new_array(&written, count, sizeof *written));
    BP_TRY_GOTO(bp__new_array(&w.ops, count, sizeof *w.ops));
    BP_TRY_GOTO(bp__new_array(&w.accesses, count, sizeof *w.accesses));
    for (size_t i = 0; i < count; ++i) {
        if (fused && ops[i].kind == BP__OP_OPTIMIZER) continue;
        BP_TRY_GOTO(bp__cpu_write(&w, &ops[i], fused));
        written[w.count++] = ops[i];
    }
    make_phases(&w, written);
    BP_TRY_GOTO(record(&w, recorder));
    *consumed = count;
fail:
    free(written);
    free(w.ops);
    free(w.accesses);
    return status;
}
