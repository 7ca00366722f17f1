/* small_steps.c - recognises a whole training step of a small network, and launches many at once.
 * Kernel in kernels/cpu/small_steps.cl. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "ops/cpu_split.h"
#include "ops/fusions.h"
#include "ops/training_step.h"

enum { MAX_UNITS = 1024, MAX_ROWS = 256, MAX_PARAMETERS = 16384 };

/* Floats of the private copy of the parameters, rows padded to `width`. */
static size_t own_floats(const bp__training_step *step, size_t width)
{
    size_t floats = 0;
    for (size_t l = 0; l < step->layers; ++l) {
        const bp__view *weights = &step->forward[l]->weights;
        floats += weights->rows * bp__round_up(weights->columns, width);
        if (step->forward[l]->bias.buffer) floats += bp__round_up(weights->rows, width);
    }
    return bp__round_up(floats, width);
}

/* Samples at a time: a vector no wider than the batch. */
static size_t lanes_of(const bp__device_engine *engine, const bp__training_step *step)
{
    const size_t rows = step->loss->output.rows;
    if (rows == 1) return 1;
    size_t width = 4;
    while (width < engine->vector_width && width < rows) width *= 2;
    return width;
}

static bool possible(const bp__device_engine *engine, const bp__training_step *step)
{
    size_t units = step->forward[0]->in.columns;
    for (size_t l = 0; l < step->layers; ++l)
        units += step->forward[l]->out.columns * (step->forward[l]->net.buffer ? 2 : 1);
    return engine->cpu_kernels && units <= MAX_UNITS && step->loss->output.rows >= 1 &&
           step->loss->output.rows <= MAX_ROWS && own_floats(step, 1) <= MAX_PARAMETERS &&
           bp__training_step_is_plain(step);
}

/* Nanoseconds of a step in this way: for each vector of samples every weight is used three times
 * (forward, effect, gradient), and every unit has its function; each parameter is updated once.
 * Plain floats are cheaper than vectors that must be summed over their lanes. */
static double nanoseconds_of(const bp__device_engine *engine, const double *cost,
                             const bp__training_step *step)
{
    const size_t lanes = lanes_of(engine, step);
    const double chunks = (double)((step->loss->output.rows + lanes - 1) / lanes);
    double weights = 0, units = (double)step->forward[0]->in.columns;
    for (size_t l = 0; l < step->layers; ++l) {
        weights +=
            (double)step->forward[l]->weights.rows * (double)step->forward[l]->weights.columns;
        units += (double)step->forward[l]->out.columns;
    }
    const double sample =
        lanes == 1 ? weights * cost[BP__COST_SINGLE_WEIGHT] + units * cost[BP__COST_SINGLE_UNIT]
                   : weights * cost[BP__COST_WEIGHT] + units * cost[BP__COST_UNIT];
    return chunks * sample + (double)own_floats(step, 1) * cost[BP__COST_PARAMETER];
}

double bp__small_steps_nanoseconds(const bp__device_engine *engine, const double *costs,
                                   const bp__op *ops, size_t count)
{
    bp__training_step step;
    if (!bp__training_step_of(&step, ops, count) || !possible(engine, &step))
        return (double)INFINITY;
    return nanoseconds_of(engine, costs, &step);
}

bool bp__small_steps_pay(const bp__device_engine *engine, const bp__op *ops, size_t count)
{
    const double *costs = engine->tuning.cost;
    /* Who names a GEMM backend wants to see it at work. */
    if (engine->gemm != BP_GEMM_AUTO && engine->gemm != BP_GEMM_NATIVE) return false;
    if (engine->small_steps == BP__NEVER) return false;
    const double small = bp__small_steps_nanoseconds(engine, costs, ops, count);
    if (isinf(small)) return false;
    if (engine->small_steps == BP__ALWAYS) return true;
    double plan;
    bp__cpu_threads(costs, ops, count, engine->vector_width,
                    engine->threads ? engine->threads : engine->device->info.compute_units, &plan);
    return small < plan;
}

/* The network as compiler options. */
static bp_status describe(char **options, const bp__device_engine *engine,
                          const bp__training_step *step)
{
    const size_t width = lanes_of(engine, step);
    size_t units = step->forward[0]->in.columns, widest = 1, own = 0, last_units = 0;
    for (size_t l = 0; l < step->layers; ++l) {
        const bp__dense_forward *f = step->forward[l];
        const size_t inputs = f->in.columns, outputs = f->out.columns;
        const size_t row = bp__round_up(inputs, width), biases = own + outputs * row;
        BP_TRY(bp__append(
            options,
            "-DINPUTS_%zu=%zu -DOUTPUTS_%zu=%zu -DFUNCTION_%zu=%d -DUNITS_%zu=%zu "
            "-DNETS_%zu=%zu -DWEIGHTS_%zu=%zu -DSTEP_%zu=%zu -DOWN_%zu=%zu -DROW_%zu=%zu "
            "-DBIASES_%zu=%zu -DOWN_BIASES_%zu=%zu ",
            l, inputs, l, outputs, l, (int)f->activation, l, units, l,
            f->net.buffer ? units + outputs : units, l, f->weights.offset, l, f->weights.panel_step,
            l, own, l, row, l, f->bias.offset, l, biases));
        own = biases + (f->bias.buffer ? bp__round_up(outputs, width) : 0);
        last_units = units;
        units += outputs * (f->net.buffer ? 2 : 1);
        if (outputs > widest) widest = outputs;
        if (l > 0 && inputs > widest) widest = inputs;
    }
    return bp__append(
        options,
        "-DLAYERS=%zu -DUNITS=%zu -DMAX_WIDTH=%zu -DLAST_OUTPUTS=%zu -DLAST_UNITS=%zu "
        "-DLAST_FUNCTION=%d -DOWN=%zu -DBIAS=%d -DROWS=%zu -DPERIOD=%zu -DLOSS=%d -DHAS_LABELS=%d "
        "-DHAS_WEIGHTS=%d -DHAS_GATHER=%d "
        "-DOPTIMIZER=%d -DBP_SHAPED=%d -DPANEL=%u -DBP_VW=%zu",
        step->layers, units, widest, step->loss->output.columns, last_units,
        (int)bp__loss_activation(step->loss->loss, step->loss->activation), own,
        step->forward[0]->bias.buffer != NULL, step->loss->output.rows,
        step->gather ? step->gather->period : step->loss->output.rows, (int)step->loss->loss,
        step->loss->labels.buffer != NULL, step->loss->weights.buffer != NULL, step->gather != NULL,
        (int)step->optimizer->optimizer, bp__update_is_shaped(step->optimizer),
        engine->vector_width, width);
}

static bp_status launch(bp__device_engine *engine, bp__recorder *recorder, bp__training_step step)
{
    const bool gathers = step.gather != NULL;
    const bp__optimizer *o = step.optimizer;
    BP_TRY(bp__buffer_need(engine, o->gradients.buffer));
    bp__matrix_args w = bp__matrix(&o->parameters), g = bp__matrix(&o->gradients);
    bp__matrix_args m1 = o->moment1.buffer ? bp__matrix(&o->moment1) : g;
    bp__matrix_args m2 = o->moment2.buffer ? bp__matrix(&o->moment2) : g;
    bp__matrix_args hyper = bp__matrix(&o->hyper), counter = bp__matrix(&o->step);
    bp__matrix_args losses = bp__matrix(&step.reduce->losses),
                    hits = bp__matrix(&step.reduce->hits);
    const bp__view *features = bp__training_step_features(&step);
    const bp__view *targets = bp__training_step_targets(&step);
    bp__matrix_args x = bp__matrix(features), t = bp__matrix(targets);
    const cl_ulong x_step = features->panel_step, t_step = targets->panel_step;
    /* Without a gather there is no order: any buffer will do. */
    bp__matrix_args order = gathers ? bp__matrix(&step.gather->order) : counter;
    const cl_uint once = 1;
    const bp__view *sample_weights = bp__training_step_weights(&step);
    bp__matrix_args weights = sample_weights ? bp__matrix(sample_weights) : g; /* not read */
    const bp__loss_numbers numbers = bp__loss_numbers_of(step.loss);
    const cl_float scale = (cl_float)numbers.scale, share = (cl_float)numbers.share;
    const cl_float on = (cl_float)numbers.on, off = (cl_float)numbers.off;
    const cl_float parameter = (cl_float)numbers.parameter;
    const cl_float clip = o->clip > 0 ? o->clip : (cl_float)INFINITY;
    const bp__arg args[] = {
        BP_ARG(once),        BP_ARG(scale),     BP_ARG(share),        BP_ARG(on),
        BP_ARG(off),         BP_ARG(parameter), BP_ARG(w.memory),     BP_ARG(g.memory),
        BP_ARG(m1.memory),   BP_ARG(m2.memory), BP_ARG(hyper.memory), BP_ARG(counter.memory),
        BP_VECTOR(losses),   BP_VECTOR(hits),   BP_MATRIX(x),         BP_ARG(x_step),
        BP_MATRIX(t),        BP_ARG(t_step),    BP_VECTOR(weights),   BP_ARG(order.memory),
        BP_ARG(o->momentum), BP_ARG(o->beta1),  BP_ARG(o->beta2),     BP_ARG(o->epsilon),
        BP_ARG(o->decay),    BP_ARG(o->l2),     BP_ARG(o->l1),        BP_ARG(clip)};
    const bp__grid grid = {1, {1, 1, 1}, {1, 1, 1}};
    char *options = NULL;
    bp_status status = describe(&options, engine, &step);
    if (status == BP_OK)
        status = bp__record_launch(recorder, "cpu/small_steps.cl", options, "small_steps", args,
                                   BP_COUNT(args), &grid);
    free(options);
    /* Long against the launch itself, short enough that a stop is prompt. */
    const double steps = 40e6 / nanoseconds_of(engine, engine->tuning.cost, &step),
                 most = INT32_MAX;
    recorder->steps_per_launch = (size_t)(steps < 1 ? 1 : steps < most ? steps : most);
    return status;
}

bp_status bp__fuse_small_steps(bp__device_engine *engine, bp__recorder *recorder, const bp__op *ops,
                               size_t count, size_t *consumed)
{
    bp__training_step step;
    if (recorder->count > 0 || !bp__small_steps_pay(engine, ops, count) ||
        !bp__training_step_of(&step, ops, count))
        return BP_OK;
    *consumed = count;
    return launch(engine, recorder, step);
}
