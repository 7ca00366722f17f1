/* operations.c - each operation of training steps by itself, on the device and on the reference.
 *
 * Both write down the plan of the same network and carry it out side by side, operation by
 * operation. Before each, what the device is to write is made unlike any result; after it, the
 * results are compared, all other memory of the network and its plan must be as it was, and both
 * sides go on with the reference's numbers, so that an error is seen where it arises and nowhere
 * else. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/families.h"
#include "base/memory.h"
#include "base/work.h"
#include "ops/launchers.h"
#include "selftest/selftest.h"
#include "train/trainer.h"

enum { DEVICE, REFERENCE, SIDES };

/* Two whole batches, of which the second finds what the first left, and one that is smaller. */
enum { STEPS = 3 };

/* The distance that is allowed, as a part of |result| + root mean square of the results: functions
 * and an operation or two, and the rounding of a sum over `depth` products, which grows with its
 * root where rounding is to either side; below fp32 that of their factors, which does not grow. */
static const double function_bound = 1e-5;
static double bound_of(size_t depth, const bp_device *device, const bp__op *op)
{
    const bool multiplies = op->kind == BP__OP_DENSE_FORWARD || op->kind == BP__OP_DENSE_EFFECT ||
                            op->kind == BP__OP_DENSE_GRADIENT;
    const bool rounds = multiplies && device->precision != BP_PRECISION_FP32;
    return function_bound + 4 * sqrt((double)depth) * 0x1p-24 +
           (rounds ? 8 * bp__rounding_of(device->precision) : 0);
}

/* A network under way on both sides. */
typedef struct pair {
    const bp_device *device;
    bp_trainer *trainer[SIDES];
    bp__op *ops[SIDES];
    bp__plan *plan[SIDES];
    size_t op_count;
    const char *text; /* of the network */
    size_t step;
    double *got, *want; /* [most] */
    float *values;      /* [most] */
    float *memory[2];   /* [most]: before and after */
    size_t most;
} pair;

/* ---- Results --------------------------------------------------------------------------------- */

enum { MOST_RESULTS = 32 };

/* Whether an operation goes through whole arenas, element by element, and writes where it reads. */
static bool takes_arenas(const bp__op *op)
{
    return op->kind == BP__OP_OPTIMIZER || op->kind == BP__OP_AVERAGE ||
           op->kind == BP__OP_ACCUMULATE;
}

/* The views that an operation writes on one side. An arena's padding is different on the two, so of
 * whole arenas they are those of the layers. */
typedef struct results {
    bp__view views[MOST_RESULTS];
    size_t count;
} results;

static void add_result(results *r, const bp__view *view, bp__buffer *buffer)
{
    if (!view->buffer || !buffer || r->count == MOST_RESULTS) return;
    r->views[r->count] = *view;
    r->views[r->count++].buffer = buffer;
}

static results results_of(const pair *p, int side, const bp__op *op)
{
    results r = {.count = 0};
    const bp__network *network = p->trainer[side]->network;
    /* What falls into one chunk of many depends on the padding, too: the factor shows their sum. */
    if (op->kind == BP__OP_SQUARES && op->as.squares.out.columns > 1) return r;
    if (takes_arenas(op)) {
        bp__buffer *const all[][3] = {{network->parameters, network->moment1, network->moment2},
                                      {network->averaged ? network->averaged->parameters : NULL},
                                      {network->sums, network->gradients}};
        bp__buffer *const *const buffers = all[op->kind == BP__OP_AVERAGE      ? 1
                                               : op->kind == BP__OP_ACCUMULATE ? 2
                                                                               : 0];
        for (size_t l = 0; l < network->layer_count; ++l)
            for (size_t b = 0; b < BP_COUNT(all[0]); ++b) {
                for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part)
                    add_result(&r, bp__layer_part(&network->values[l], part), buffers[b]);
            }
        return r;
    }
    if (op->kind == BP__OP_REDUCE_LOSS) {
        add_result(&r, &op->as.reduce_loss.losses, op->as.reduce_loss.losses.buffer);
        add_result(&r, &op->as.reduce_loss.hits, op->as.reduce_loss.hits.buffer);
        add_result(&r, &op->as.reduce_loss.step, op->as.reduce_loss.step.buffer);
        return r;
    }
    const bp__view *views[BP__MOST_OPERANDS];
    const size_t count = bp__op_operands(op, true, views);
    for (size_t i = 0; i < count; ++i) add_result(&r, views[i], views[i]->buffer);
    return r;
}

static bool is_integer(const pair *p, int side, const bp__view *view)
{
    return view->buffer == p->trainer[side]->full->integers ||
           view->buffer == p->trainer[side]->pass->counter;
}

/* A view's numbers as doubles. */
static bp_status read(const pair *p, int side, const bp__view *view, double *out)
{
    BP_TRY(bp__view_read(p->trainer[side]->engine, view, p->values));
    const bool integers = is_integer(p, side, view);
    for (size_t i = 0; i < view->rows * view->columns; ++i) {
        int32_t integer;
        memcpy(&integer, &p->values[i], sizeof integer);
        out[i] = integers ? (double)integer : (double)p->values[i];
    }
    return BP_OK;
}

/* Whether an operation also reads what it writes: then it cannot be made unlike before. */
static bool in_place(const bp__op *op, const bp__view *view)
{
    const bp__view *views[BP__MOST_OPERANDS];
    const size_t count = bp__op_operands(op, false, views);
    if (takes_arenas(op) || op->kind == BP__OP_REDUCE_LOSS) return true;
    for (size_t i = 0; i < count && op->kind != BP__OP_GATHER; ++i)
        if (views[i]->buffer == view->buffer && views[i]->offset == view->offset) return true;
    return false;
}

static bp_status poison(const pair *p, const bp__op *op, const results *r)
{
    for (size_t i = 0; i < r->count; ++i) {
        const bp__view *view = &r->views[i];
        if (in_place(op, view)) continue;
        for (size_t k = 0; k < view->rows * view->columns; ++k) p->values[k] = -9.75e8f;
        BP_TRY(bp__view_write(p->trainer[DEVICE]->engine, view, p->values));
    }
    return BP_OK;
}

/* ---- Other memory ---------------------------------------------------------------------------- */

/* Everything on the device that an operation could write to by mistake, one buffer after the other
 * in memory[which]. */
typedef struct region {
    bp__buffer *buffer;
    size_t count;
} region;

enum { REGIONS = 9 };

static size_t list_regions(const pair *p, region out[REGIONS])
{
    const bp_trainer *t = p->trainer[DEVICE];
    const bp__network *averaged = t->network->averaged;
    const bp__plan *part = t->last; /* the rest of its memory is the whole plan's */
    const region all[REGIONS] = {{t->network->parameters, t->network->arena_size},
                                 {t->network->gradients, t->network->arena_size},
                                 {t->network->moment1, t->network->arena_size},
                                 {t->network->moment2, t->network->arena_size},
                                 {t->network->sums, t->network->arena_size},
                                 {averaged ? averaged->parameters : NULL, t->network->arena_size},
                                 {t->full->numbers, t->full->number_count},
                                 {part ? part->numbers : NULL, part ? part->number_count : 0},
                                 {t->pass->losses, 2 * t->pass->steps}};
    size_t count = 0;
    for (size_t i = 0; i < REGIONS; ++i)
        if (all[i].buffer) out[count++] = all[i];
    return count;
}

static bp_status keep_memory(const pair *p, int which)
{
    region regions[REGIONS];
    const size_t count = list_regions(p, regions);
    float *at = p->memory[which];
    for (size_t i = 0; i < count; ++i) {
        const bp__view all = {.buffer = regions[i].buffer,
                              .rows = 1,
                              .columns = regions[i].count,
                              .stride = regions[i].count};
        BP_TRY(bp__view_read(p->trainer[DEVICE]->engine, &all, at));
        at += regions[i].count;
    }
    return BP_OK;
}

/* Results are as they may be, and so is the padding of batches in panels. */
static void excuse(float *before, const float *after, const bp__view *view)
{
    if (view->panel_step && !view->transposed) {
        memcpy(before + view->offset, after + view->offset, bp__view_extent(view) * sizeof *before);
        return;
    }
    for (size_t r = 0; r < view->rows; ++r)
        for (size_t c = 0; c < view->columns; ++c) {
            const size_t i = bp__view_index(view, r, c);
            before[i] = after[i];
        }
}

/* Words that changed and are no part of a result. */
static double strays(const pair *p, const results *r)
{
    region regions[REGIONS];
    const size_t count = list_regions(p, regions);
    float *before = p->memory[0];
    const float *after = p->memory[1];
    double changed = 0;
    for (size_t i = 0; i < count; ++i) {
        for (size_t k = 0; k < r->count; ++k)
            if (r->views[k].buffer == regions[i].buffer) excuse(before, after, &r->views[k]);
        for (size_t w = 0; w < regions[i].count; ++w) /* -0 and 0 are the same */
            changed += !(before[w] == after[w]) && memcmp(&before[w], &after[w], sizeof *after);
        before += regions[i].count;
        after += regions[i].count;
    }
    return changed;
}

/* ---- One operation --------------------------------------------------------------------------- */

static bp_status run_op(bp__engine *engine, const bp__op *op)
{
    bp__sequence *sequence;
    BP_TRY(bp__sequence_create(engine, &sequence, op, 1));
    bp_status status = bp__sequence_run(engine, sequence, 1);
    if (status == BP_OK) status = bp__engine_finish(engine);
    bp__sequence_free(engine, sequence);
    return status;
}

/* The products that a result can be a sum of, at most. */
static size_t depth_of(const bp__op *op)
{
    const bp__view *views[BP__MOST_OPERANDS];
    const size_t count = bp__op_operands(op, false, views);
    size_t depth = 1;
    for (size_t i = 0; i < count && !takes_arenas(op); ++i) {
        if (views[i]->rows > depth) depth = views[i]->rows;
        if (views[i]->columns > depth) depth = views[i]->columns;
    }
    return depth;
}

static bp_status compare(const pair *p, bp_selftest_check *check, const bp__op *op,
                         const bp__view *view)
{
    const size_t count = view->rows * view->columns;
    double size = 0, worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; ++i) size += p->want[i] * p->want[i];
    size = sqrt(size / (double)count);
    for (size_t i = 0; i < count; ++i) {
        const double apart = fabs(p->got[i] - p->want[i]);
        const double error = apart > 0 ? apart / (fabs(p->want[i]) + size) : apart;
        if (error <= worst) continue; /* NaN goes on */
        worst = error;
        at = i;
        if (isnan(worst)) break;
    }
    return bp__selftest_note(
        check, worst, bound_of(depth_of(op), p->device, op),
        "%s, step %zu, layer %zu, row %zu, column %zu of [%zu][%zu]: %.9g, the "
        "reference's is %.9g",
        p->text, p->step, op->layer, at / view->columns, at % view->columns, view->rows,
        view->columns, p->got[at], p->want[at]);
}

/* Both sides go on with the reference's numbers, as floats. */
static bp_status level(const pair *p, const bp__view *device, const bp__view *reference)
{
    BP_TRY(bp__view_read(p->trainer[REFERENCE]->engine, reference, p->values));
    BP_TRY(bp__view_write(p->trainer[REFERENCE]->engine, reference, p->values));
    return bp__view_write(p->trainer[DEVICE]->engine, device, p->values);
}

static bp_status check_op(bp__selftest *test, const bp__way *way, const pair *p, const bp__op *ours,
                          const bp__op *theirs)
{
    bp_selftest_check *check;
    BP_TRY(bp__selftest_check(test, &check, bp__op_name(ours->kind), way->name));
    const results got = results_of(p, DEVICE, ours), want = results_of(p, REFERENCE, theirs);
    bp_status status;
    BP_TRY_GOTO(poison(p, ours, &got));
    BP_TRY_GOTO(keep_memory(p, 0));
    BP_TRY_GOTO(run_op(p->trainer[DEVICE]->engine, ours));
    BP_TRY_GOTO(keep_memory(p, 1));
    BP_TRY_GOTO(run_op(p->trainer[REFERENCE]->engine, theirs));
    for (size_t i = 0; i < got.count; ++i) {
        BP_TRY_GOTO(read(p, DEVICE, &got.views[i], p->got));
        BP_TRY_GOTO(read(p, REFERENCE, &want.views[i], p->want));
        BP_TRY_GOTO(compare(p, check, ours, &got.views[i]));
        BP_TRY_GOTO(level(p, &got.views[i], &want.views[i]));
    }
    const double changed = strays(p, &got);
    if (changed > 0)
        status = bp__selftest_problem(check,
                                      "%s, step %zu, layer %zu: writes %.0f words beside "
                                      "its result",
                                      p->text, p->step, ours->layer, changed);
    return status;
fail:
    BP_TRY(bp__selftest_problem(check, "%s, step %zu, layer %zu: %s", p->text, p->step, ours->layer,
                                bp_last_error()));
    return status;
}

/* What training never asks for: the loss alone, and the probabilities. */
static bp_status check_variants(bp__selftest *test, const bp__way *way, const pair *p, size_t i)
{
    bp__op one[SIDES];
    for (int side = 0; side < SIDES; ++side) {
        one[side] = p->ops[side][i];
        one[side].as.loss.delta = (bp__view){0};
    }
    BP_TRY(check_op(test, way, p, &one[DEVICE], &one[REFERENCE]));
    const bp__network *network = p->trainer[DEVICE]->network;
    if (network->layers[network->layer_count - 1].activation != BP_ACTIVATION_SOFTMAX) return BP_OK;
    for (int side = 0; side < SIDES; ++side) { /* over delta, which the loss will write again */
        const bp__loss *loss = &p->ops[side][i].as.loss;
        one[side] = (bp__op){.kind = BP__OP_SOFTMAX,
                             .as.softmax = {.out = loss->delta, .in = loss->output}};
    }
    return check_op(test, way, p, &one[DEVICE], &one[REFERENCE]);
}

/* ---- A network ------------------------------------------------------------------------------- */

static bp_status open_side(bp_trainer **out, const bp_model *model, const bp_data *data,
                           bp_device *device, const bp__selftest_network *network,
                           const bp__way *way, const bp__selftest_recipe *how)
{
    bp_train_options options = how->options;
    options.batch = (int64_t)network->batch;
    options.gemm = device->is_reference ? BP_GEMM_AUTO : way->gemm;
    BP_TRY(bp_trainer_create(out, model, device, &options));
    if (!device->is_reference) {
        bp__device_engine *engine = (bp__device_engine *)(*out)->engine;
        engine->gpu_tile = way->tile;
        engine->matrix_tile = way->matrix_tile;
        /* One program that knows everything, not one for each network. */
        engine->plan_activations = engine->plan_losses = engine->plan_optimizers = UINT32_MAX;
        engine->plan_dropout = engine->plan_residual = engine->plan_norm = true;
    }
    BP_TRY(bp_trainer_set_data(*out, data));
    return bp__trainer_begin_epoch(*out);
}

static bp_status make_room(pair *p)
{
    region regions[REGIONS];
    const size_t count = list_regions(p, regions);
    for (size_t i = 0; i < count; ++i) p->most += regions[i].count;
    p->most += p->trainer[DEVICE]->full->rows + 1; /* labels */
    BP_TRY(bp__new_array(&p->got, p->most, sizeof *p->got));
    BP_TRY(bp__new_array(&p->want, p->most, sizeof *p->want));
    BP_TRY(bp__new_array(&p->values, p->most, sizeof *p->values));
    BP_TRY(bp__new_array(&p->memory[0], p->most, sizeof *p->memory[0]));
    return bp__new_array(&p->memory[1], p->most, sizeof *p->memory[1]);
}

static bp_status begin_step(pair *p)
{
    for (int side = 0; side < SIDES; ++side) {
        bp_trainer *t = p->trainer[side];
        bp__plan_optimizer optimizer = bp__trainer_optimizer(t);
        optimizer.adds = !bp__trainer_ends_group(t, p->step - 1);
        free(p->ops[side]);
        p->ops[side] = NULL;
        p->plan[side] = p->step == t->pass->steps && t->last ? t->last : t->full;
        BP_TRY(bp__plan_train_ops(&p->ops[side], &p->op_count, p->plan[side], &t->pass->views,
                                  &optimizer));
    }
    return BP_OK;
}

static bp_status check_steps(bp__selftest *test, const bp__way *way, pair *p)
{
    for (p->step = 1; p->step <= p->trainer[DEVICE]->pass->steps; ++p->step) {
        BP_TRY(begin_step(p));
        for (size_t i = 0; i < p->op_count; ++i) {
            if (p->ops[DEVICE][i].kind == BP__OP_LOSS) BP_TRY(check_variants(test, way, p, i));
            BP_TRY(check_op(test, way, p, &p->ops[DEVICE][i], &p->ops[REFERENCE][i]));
        }
    }
    return BP_OK;
}

/* What fails on the way to the operations is a check of its own. */
static bp_status note_failure(bp__selftest *test, const bp__way *way, const char *text)
{
    bp_selftest_check *check;
    for (size_t i = 0; i < test->result->check_count; ++i)
        if (strcmp(test->result->checks[i].kernels, way->name) == 0 &&
            strstr(test->result->checks[i].problem, bp_last_error()))
            return BP_OK;
    BP_TRY(bp__selftest_check(test, &check, "preparation", way->name));
    return bp__selftest_problem(check, "%s: %s", text, bp_last_error());
}

/* Weights from 0 to 2, another for each of a few rows. */
static bp_status weigh(bp_data *data)
{
    const size_t rows = bp_data_get_info(data).rows;
    float *weights = NULL;
    BP_TRY(bp__new_array(&weights, rows, sizeof *weights));
    for (size_t i = 0; i < rows; ++i) weights[i] = 0.5f * (float)(i % 5);
    bp_status status = bp_data_set_weights(data, weights);
    free(weights);
    return status;
}

bp_status bp__selftest_check_network(bp__selftest *test, const bp__way *way,
                                     const bp__selftest_network *network,
                                     const bp__selftest_recipe *how)
{
    char text[BP__SELFTEST_TEXT];
    bp_model *model = NULL;
    bp_data *data = NULL;
    pair p = {.device = test->device, .text = bp__selftest_describe(text, network)};
    bp_device *const devices[SIDES] = {test->device, test->plain_c};
    bp_status status = bp__selftest_make(&model, &data, network, STEPS, test->options.seed);
    if (status == BP_OK && how->weighted) status = weigh(data);
    for (int side = 0; side < SIDES && status == BP_OK; ++side)
        status = open_side(&p.trainer[side], model, data, devices[side], network, way, how);
    if (status == BP_OK) status = make_room(&p);
    if (status == BP_OK) status = check_steps(test, way, &p);
    if (status != BP_OK) status = note_failure(test, way, text);
    for (int side = 0; side < SIDES; ++side) {
        free(p.ops[side]);
        bp_trainer_free(p.trainer[side]);
        free(p.memory[side]);
    }
    free(p.got);
    free(p.want);
    free(p.values);
    bp_data_free(data);
    bp_model_free(model);
    return status;
}
