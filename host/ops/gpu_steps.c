/* gpu_steps.c - which way a GPU does the training steps of a small or medium network, and its
 * launches. Kernels in kernels/gpu/small_steps.cl and sliced_step.cl. */
#include "ops/gpu_steps.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "ops/fusions.h"
#include "ops/gpu_registers.h"

enum {
    SMALL_BLOCKS = 2,  /* 4 x 4 blocks of weights a work-item, with both moments in registers */
    SLICED_BLOCKS = 4, /* with the gradient alone */
    MOST_LOADS = 8,    /* numbers of the next chunk that a work-item keeps */
    BLOCK_WORDS = 16,  /* of a block: its gradient, or a moment */
    PLACE_WORDS = 8,   /* and where it is */
    LEAST_ITEMS = 32,
    MOST_ITEMS = 256,
    MOST_CHUNK = 64,
    FOURS = 4
};

/* What things cost, in nanoseconds: a launch; a barrier with what is waited for between two; a
 * block of 64 multiply-adds from local memory, for one work-item alone and for each WAVE of them in
 * a compute unit; a float4 of a sum over groups. Estimates for a GPU of 1.5 GHz from its
 * architecture, not measured. */
static const double launch_cost = 3000, phase_cost = 150, block_cost = 60, wave_cost = 14,
                    addition_cost = 40, output_cost = 40;
enum { WAVE = 32 };

/* Where things lie in local memory, as kernels/gpu/step.cl wants them. */
typedef struct layout {
    size_t cols[BP__STEP_LAYERS], bands[BP__STEP_LAYERS], own[BP__STEP_LAYERS],
        first[BP__STEP_LAYERS], in[BP__STEP_LAYERS + 1], delta[BP__STEP_LAYERS];
    size_t all_own, blocks, units, deltas, fetched;
} layout;

static size_t fours(size_t count)
{
    return (count + FOURS - 1) / FOURS;
}

static size_t rows_of(const bp__training_step *step)
{
    return step->loss->output.rows;
}

static layout layout_of(const bp__training_step *step)
{
    layout l = {0};
    const bool bias = step->forward[0]->bias.buffer != NULL;
    const size_t targets = step->loss->labels.buffer ? 1 : step->loss->output.columns;
    for (size_t i = 0; i < step->layers; ++i) {
        const bp__view *weights = &step->forward[i]->weights;
        l.cols[i] = fours(weights->columns + bias);
        l.bands[i] = fours(weights->rows);
        l.own[i] = l.all_own;
        l.first[i] = l.blocks;
        l.in[i] = l.units;
        l.delta[i] = l.deltas;
        l.all_own += FOURS * l.bands[i] * l.cols[i];
        l.blocks += l.bands[i] * l.cols[i];
        l.units += FOURS * l.cols[i];
        l.deltas += FOURS * l.bands[i];
        if (i > 0) continue;
        l.fetched = weights->columns + targets + (step->loss->weights.buffer != NULL);
        l.units += targets + (step->loss->weights.buffer != NULL);
    }
    l.in[step->layers] = l.units;
    l.units += FOURS * l.bands[step->layers - 1];
    return l;
}

const char *bp__gpu_steps_describe(char text[BP__GPU_STEPS_TEXT], const bp__gpu_steps *steps)
{
    if (steps->groups == 0)
        snprintf(text, BP__GPU_STEPS_TEXT, "one group of %u, %u samples", steps->items,
                 steps->chunk);
    else
        snprintf(text, BP__GPU_STEPS_TEXT, "%u groups of %u, %u samples%s", steps->groups,
                 steps->items, steps->chunk,
                 steps->weights_local ? ", weights in local memory" : "");
    return text;
}

/* Bytes of local memory. */
static size_t local_bytes(const bp__gpu_steps *steps, const layout *l)
{
    const size_t pitch = steps->chunk / FOURS + 1;
    const size_t vectors = (l->units + l->deltas) * pitch + (steps->weights_local ? l->all_own : 0);
    return vectors * FOURS * sizeof(float) + 2 * steps->chunk * sizeof(float);
}

static bool aligned(const bp__view *view)
{
    return view->panel_step == 0 && view->offset % FOURS == 0 && view->stride % FOURS == 0;
}

bool bp__gpu_steps_fits(const bp__gpu_steps *steps, const bp_device *device,
                        const bp__training_step *step)
{
    if (!steps->items || !steps->chunk || steps->chunk % FOURS) return false;
    if (steps->items > device->max_work_group || (!steps->groups && !steps->weights_local))
        return false;
    const layout l = layout_of(step);
    const size_t blocks = (l.blocks + steps->items - 1) / steps->items;
    const size_t loads = (l.fetched * steps->chunk + steps->items - 1) / steps->items;
    const size_t chunks = (rows_of(step) + steps->chunk - 1) / steps->chunk;
    for (size_t i = 0; i < step->layers; ++i)
        if (!aligned(&step->forward[i]->weights)) return false;
    const bp__optimizer *o = step->optimizer;
    const size_t moments =
        steps->groups ? 0 : (size_t)(o->moment1.buffer != NULL) + (o->moment2.buffer != NULL);
    const size_t kept = blocks * (BLOCK_WORDS * (1 + moments) + PLACE_WORDS) + loads;
    return bp__training_step_is_plain(step) && steps->groups <= chunks &&
           blocks <= (steps->groups ? SLICED_BLOCKS : SMALL_BLOCKS) && loads <= MOST_LOADS &&
           bp__gpu_registers_fit(device, kept) && local_bytes(steps, &l) <= device->local_bytes;
}

/* Of `tiles` blocks of results, `depth` multiplications each, shared out to a group. */
static double product_cost(size_t items, size_t tiles, size_t depth)
{
    const size_t rounds = (tiles + items - 1) / items, busy = tiles < items ? tiles : items;
    const double waves = (double)((busy + WAVE - 1) / WAVE);
    return (double)rounds * (double)depth * fmax(block_cost, waves * wave_cost);
}

double bp__gpu_steps_nanoseconds(const bp__gpu_steps *steps, const bp__training_step *step)
{
    const layout l = layout_of(step);
    const size_t lanes = steps->chunk / FOURS;
    const size_t chunks = (rows_of(step) + steps->chunk - 1) / steps->chunk;
    const size_t turns = steps->groups ? (chunks + steps->groups - 1) / steps->groups : chunks;
    const size_t samples = (steps->chunk + steps->items - 1) / steps->items;
    double turn = phase_cost * (double)(2 * step->layers + 2) +
                  output_cost * (double)(samples * step->loss->output.columns) +
                  product_cost(steps->items, l.blocks, lanes);
    for (size_t i = 0; i < step->layers; ++i) {
        turn += product_cost(steps->items, l.bands[i] * lanes, l.cols[i]);
        if (i > 0) turn += product_cost(steps->items, l.bands[i - 1] * lanes, l.bands[i]);
    }
    const double all = turn * (double)turns;
    return steps->groups ? all + 2 * launch_cost + addition_cost * (double)steps->groups : all;
}

double bp__gpu_layers_nanoseconds(const bp_device *device, const bp__training_step *step)
{
    double multiply_adds = 0;
    for (size_t i = 0; i < step->layers; ++i) {
        const bp__view *weights = &step->forward[i]->weights;
        multiply_adds += (i > 0 ? 3.0 : 2.0) * (double)weights->rows * (double)weights->columns;
    }
    const double wave_adds = (double)WAVE * FOURS * FOURS * FOURS;
    const double launches = 3 + 3.0 * (double)step->layers;
    return launches * launch_cost + multiply_adds * (double)rows_of(step) * wave_cost /
                                        (wave_adds * (double)device->info.compute_units);
}

/* The groups among which a batch is shared out. */
static unsigned groups_of(const bp_device *device, size_t rows, unsigned chunk)
{
    const size_t chunks = (rows + chunk - 1) / chunk, units = device->info.compute_units;
    return (unsigned)(chunks < units ? chunks : units);
}

bp__gpu_steps bp__gpu_steps_choose(const bp_device *device, const bp__training_step *step)
{
    bp__gpu_steps best = {0};
    double least = (double)INFINITY;
    for (unsigned items = LEAST_ITEMS; items <= MOST_ITEMS; items *= 2)
        for (unsigned chunk = FOURS; chunk <= MOST_CHUNK; chunk *= 2)
            for (int way = 0; way < 3; ++way) {
                const bp__gpu_steps steps = {
                    items, chunk, way ? groups_of(device, rows_of(step), chunk) : 0, way < 2};
                if (!bp__gpu_steps_fits(&steps, device, step)) continue;
                const double cost = bp__gpu_steps_nanoseconds(&steps, step);
                if (cost >= least) continue;
                least = cost;
                best = steps;
            }
    return best;
}

/* ---- Launches -----------------------------------------------------------------------------------
 */

/* The network as compiler options. */
static bp_status describe(char **options, const bp_device *device, const bp__gpu_steps *steps,
                          const bp__training_step *step)
{
    char subgroup[BP__SUBGROUP_OPTION];
    const layout l = layout_of(step);
    for (size_t i = 0; i < step->layers; ++i) {
        const bp__dense_forward *f = step->forward[i];
        const int32_t function =
            i + 1 < step->layers ? f->activation
                                 : bp__loss_activation(step->loss->loss, step->loss->activation);
        BP_TRY(bp__append(
            options,
            "-DINPUTS_%zu=%zu -DOUTPUTS_%zu=%zu -DFUNCTION_%zu=%d -DWEIGHTS_%zu=%zu "
            "-DSTRIDE_%zu=%zu -DBIASES_%zu=%zu -DCOLS_%zu=%zu -DBANDS_%zu=%zu -DOWN_%zu=%zu "
            "-DFIRST_%zu=%zu -DIN_%zu=%zu -DDELTA_%zu=%zu ",
            i, f->in.columns, i, f->out.columns, i, (int)function, i, f->weights.offset, i,
            f->weights.stride, i, f->bias.offset, i, l.cols[i], i, l.bands[i], i, l.own[i], i,
            l.first[i], i, l.in[i], i, l.delta[i]));
    }
    const bp__optimizer *o = step->optimizer;
    return bp__append(
        options,
        "-DLAYERS=%zu -DIN_%zu=%zu -DLAST_IN=%zu -DLAST_DELTA=%zu -DOWN=%zu -DBLOCKS=%zu "
        "-DUNITS=%zu -DDELTAS=%zu -DLAST_OUTPUTS=%zu -DBIAS=%d -DROWS=%zu -DPERIOD=%zu "
        "-DLOSS=%d -DHAS_LABELS=%d -DHAS_WEIGHTS=%d -DHAS_GATHER=%d -DOPTIMIZER=%d -DBP_SHAPED=%d "
        "-DITEMS=%u -DCHUNK=%u -DGROUPS=%u -DWEIGHTS_LOCAL=%d -DSTORE_GRADIENTS=%d%s",
        step->layers, step->layers, l.in[step->layers], l.in[step->layers],
        l.delta[step->layers - 1], l.all_own, l.blocks, l.units, l.deltas,
        step->loss->output.columns, step->forward[0]->bias.buffer != NULL, rows_of(step),
        step->gather ? step->gather->period : rows_of(step), (int)step->loss->loss,
        step->loss->labels.buffer != NULL, step->loss->weights.buffer != NULL, step->gather != NULL,
        (int)o->optimizer, bp__update_is_shaped(o), steps->items, steps->chunk, steps->groups,
        steps->weights_local, o->keep_gradients, bp__gpu_subgroup_option(subgroup, device));
}

/* Everything that a kernel of whole steps may be given. */
typedef struct operands {
    cl_float scale, share, on, off, parameter, clip;
    bp__matrix_args x, targets, weights, order;
    bp__matrix_args parameters, gradients, moment1, moment2, hyper, step, losses, hits;
} operands;

static operands operands_of(const bp__training_step *step)
{
    const bp__optimizer *o = step->optimizer;
    const bp__loss_numbers numbers = bp__loss_numbers_of(step->loss);
    const bp__view *weights = bp__training_step_weights(step);
    operands a = {
        .scale = (cl_float)numbers.scale,
        .share = (cl_float)numbers.share,
        .on = (cl_float)numbers.on,
        .off = (cl_float)numbers.off,
        .parameter = (cl_float)numbers.parameter,
        .clip = o->clip > 0 ? o->clip : (cl_float)INFINITY,
        .x = bp__matrix(bp__training_step_features(step)),
        .targets = bp__matrix(bp__training_step_targets(step)),
        .parameters = bp__matrix(&o->parameters),
        .hyper = bp__matrix(&o->hyper),
        .step = bp__matrix(&o->step),
        .losses = bp__matrix(&step->reduce->losses),
        .hits = bp__matrix(&step->reduce->hits),
    };
    /* What a step does not have, its kernel does not read: any buffer will do. */
    a.weights = weights ? bp__matrix(weights) : a.hyper;
    a.order = step->gather ? bp__matrix(&step->gather->order) : a.step;
    a.moment1 = o->moment1.buffer ? bp__matrix(&o->moment1) : a.parameters;
    a.moment2 = o->moment2.buffer ? bp__matrix(&o->moment2) : a.parameters;
    a.gradients = o->keep_gradients ? bp__matrix(&o->gradients) : a.parameters;
    return a;
}

#define BATCH_ARGS(a)                                                                              \
    BP_ARG((a).scale), BP_ARG((a).share), BP_ARG((a).on), BP_ARG((a).off), BP_ARG((a).parameter),  \
        BP_MATRIX((a).x), BP_MATRIX((a).targets), BP_VECTOR((a).weights), BP_ARG((a).order.memory)
#define ARENA_ARGS(a)                                                                              \
    BP_ARG((a).parameters.memory), BP_ARG((a).gradients.memory), BP_ARG((a).moment1.memory),       \
        BP_ARG((a).moment2.memory), BP_ARG((a).hyper.memory), BP_ARG((a).step.memory),             \
        BP_VECTOR((a).losses), BP_VECTOR((a).hits)
#define UPDATE_ARGS(o, a)                                                                          \
    BP_ARG((o)->momentum), BP_ARG((o)->beta1), BP_ARG((o)->beta2), BP_ARG((o)->epsilon),           \
        BP_ARG((o)->decay), BP_ARG((o)->l2), BP_ARG((o)->l1), BP_ARG((a).clip)

/* Long against the launch itself, short enough that a stop is prompt and no driver loses patience.
 */
static const double launch_nanoseconds = 40e6;

static bp_status launch_small(bp__recorder *recorder, const bp__training_step *step,
                              const bp__gpu_steps *steps, const char *options)
{
    const operands a = operands_of(step);
    const bp__optimizer *o = step->optimizer;
    const cl_uint once = 1;
    const bp__arg args[] = {BP_ARG(once), BATCH_ARGS(a), ARENA_ARGS(a), UPDATE_ARGS(o, a)};
    const bp__grid grid = {1, {steps->items, 1, 1}, {steps->items, 1, 1}};
    BP_TRY(bp__record_launch(recorder, "gpu/small_steps.cl", options, "small_steps_gpu", args,
                             BP_COUNT(args), &grid));
    const double count = launch_nanoseconds / bp__gpu_steps_nanoseconds(steps, step);
    recorder->steps_per_launch = (size_t)(count < 1 ? 1 : count < INT32_MAX ? count : INT32_MAX);
    return BP_OK;
}

static bp_status launch_sliced(bp__recorder *recorder, const bp__training_step *step,
                               const bp__gpu_steps *steps, const char *options)
{
    const operands a = operands_of(step);
    const bp__optimizer *o = step->optimizer;
    const size_t blocks = layout_of(step).blocks, block = sizeof(cl_float4) * FOURS;
    cl_mem partials, sums, step_copy;
    BP_TRY(bp__recorder_add_buffer(recorder, &partials, NULL, steps->groups * blocks * block));
    BP_TRY(bp__recorder_add_buffer(recorder, &sums, NULL, steps->groups * sizeof(cl_float2)));
    BP_TRY(bp__recorder_add_buffer(recorder, &step_copy, NULL, sizeof(cl_int)));
    const bp__arg pass[] = {BATCH_ARGS(a),         BP_ARG(a.parameters.memory),
                            BP_ARG(a.step.memory), BP_ARG(partials),
                            BP_ARG(sums),          BP_ARG(step_copy)};
    const bp__arg update[] = {ARENA_ARGS(a), BP_ARG(partials), BP_ARG(sums), BP_ARG(step_copy),
                              UPDATE_ARGS(o, a)};
    const bp__grid groups = {1, {(size_t)steps->items * steps->groups, 1, 1}, {steps->items, 1, 1}};
    const bp__grid rows = {1, {FOURS * blocks, 1, 1}, {0}};
    BP_TRY(bp__record_launch(recorder, "gpu/sliced_step.cl", options, "sliced_pass", pass,
                             BP_COUNT(pass), &groups));
    bp__recorder_multiplies(recorder);
    return bp__record_launch(recorder, "gpu/sliced_step.cl", options, "sliced_update", update,
                             BP_COUNT(update), &rows);
}

/* The way to take, if one pays; items is 0 where none does. */
static bp__gpu_steps way_of(const bp__device_engine *engine, const bp__training_step *step)
{
    const bp__gpu_steps none = {0};
    if (engine->gpu_steps)
        return bp__gpu_steps_fits(engine->gpu_steps, engine->device, step) ? *engine->gpu_steps
                                                                           : none;
    /* Who names a GEMM backend wants to see it at work. */
    if (engine->gemm != BP_GEMM_AUTO && engine->gemm != BP_GEMM_NATIVE) return none;
    if (engine->small_steps == BP__NEVER) return none;
    const bp__gpu_steps best = bp__gpu_steps_choose(engine->device, step);
    if (!best.items || engine->small_steps == BP__ALWAYS) return best;
    return bp__gpu_steps_nanoseconds(&best, step) < bp__gpu_layers_nanoseconds(engine->device, step)
               ? best
               : none;
}

bp_status bp__fuse_gpu_steps(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                             size_t count, size_t *consumed)
{
    bp__training_step step;
    if (engine->cpu_kernels || recorder->count > 0 || !bp__training_step_of(&step, ops, count))
        return BP_OK;
    const bp__gpu_steps steps = way_of(engine, &step);
    if (!steps.items) return BP_OK;
    *consumed = count;
    if (step.optimizer->keep_gradients)
        BP_TRY(bp__buffer_need(engine, step.optimizer->gradients.buffer));
    char *options = NULL;
    bp_status status = describe(&options, engine->device, &steps, &step);
    if (status == BP_OK)
        status = steps.groups ? launch_sliced(recorder, &step, &steps, options)
                              : launch_small(recorder, &step, &steps, options);
    free(options);
    return status;
}
