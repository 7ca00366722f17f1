/* full_batch.c - L-BFGS on an engine: the loss and gradient of all rows as a function of the
 * parameters that learn. */
#include "train/full_batch.h"

#include <math.h>
#include <stdlib.h>

#include "base/families.h"
#include "base/memory.h"
#include "ops/engine.h"
#include "train/lbfgs.h"
#include "train/trainer.h"

struct bp__full_batch {
    bp_trainer *trainer;
    bp__lbfgs lbfgs;
    size_t *places; /* [lbfgs.count], where in the arena a parameter that learns lies */
    size_t decayed; /* the first so many are what weight decay is for */
    double *arena;  /* of all parameters */
};

bp_status bp__full_batch_refuse(const char *what, int32_t optimizer)
{
    return bp__fail(BP_ERROR_UNSUPPORTED,
                    "%s is for optimizers that take steps of batches, which %s does not: it takes "
                    "all of the data at once",
                    what, bp_optimizer_name(optimizer));
}

bp_status bp__full_batch_check(const bp_train_options *options)
{
    const char *name = bp_optimizer_name(options->optimizer);
    static const char smooth[] = "its line search needs the gradient of a smooth loss as it is";
    static const char whole[] = "its iterations take all rows, and no noise is to be averaged out";
    static const char one[] = "all rows are its batch";
    const struct {
        const char *option;
        bool asked;
        const char *why;
    } useless[] = {{"l1", options->l1 > 0, smooth},
                   {"clip_norm", options->clip_norm > 0, smooth},
                   {"clip_value", options->clip_value > 0, smooth},
                   {"max_norm", options->max_norm > 0, smooth},
                   {"ema", options->ema > 0, whole},
                   {"accumulate", options->accumulate > 1, one}};
    for (size_t i = 0; i < sizeof useless / sizeof *useless; ++i)
        if (useless[i].asked)
            return bp__fail(BP_ERROR_ARGUMENT,
                            "%s and %s do not go together: %s; leave %s out, or take another "
                            "optimizer",
                            useless[i].option, name, useless[i].why, useless[i].option);
    if ((options->schedule != BP_SCHEDULE_AUTO && options->schedule != BP_SCHEDULE_CONSTANT) ||
        options->warmup > 0)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s finds the length of each step itself: leave out the schedule and its "
                        "warmup, or take another optimizer",
                        name);
    if (options->stream == BP_STREAM_YES)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "%s takes all rows at once, which a stream does not have: leave stream "
                        "out, or take another optimizer",
                        name);
    return BP_OK;
}

/* ---- The parameters that learn, as a vector ---- */

/* Appends the places of a tensor's elements, row by row; places NULL: counts them only. */
static void add_places(size_t *places, size_t *count, const bp__view *view)
{
    if (!view->buffer) return;
    for (size_t r = 0; r < view->rows; ++r)
        for (size_t c = 0; c < view->columns; ++c, ++*count)
            if (places) places[*count] = bp__view_index(view, r, c);
}

/* Weights and biases come first: *decayed of them, which weight decay is for. */
static size_t find_places(size_t *places, size_t *decayed, const bp_trainer *trainer)
{
    bp__network *network = trainer->network;
    const bp__plan_optimizer how = bp__trainer_optimizer(trainer);
    size_t count = 0;
    for (int norms = 0; norms < 2; ++norms) {
        for (size_t l = how.freeze_layers; l < network->layer_count; ++l)
            for (bp__part part = 0; part < BP__LEARNED_PARTS; ++part)
                if ((part == BP__PART_GAINS || part == BP__PART_SHIFTS) == norms &&
                    !(part == BP__PART_BIASES && how.freeze_bias))
                    add_places(places, &count, bp__layer_part(&network->values[l], part));
        if (!norms) *decayed = count;
    }
    return count;
}

/* Each evaluation must see the same function. */
static bp_status check_network(const bp_trainer *trainer)
{
    const char *name = bp_optimizer_name(trainer->options.optimizer);
    for (size_t l = 0; l < trainer->network->layer_count; ++l) {
        const bp_layer *layer = &trainer->network->layers[l];
        if (layer->dropout > 0 || layer->norm == BP_NORM_BATCH)
            return bp__fail(
                BP_ERROR_ARGUMENT,
                "layer %zu has %s, and %s needs a loss that is the same each time it is "
                "computed: leave it out, or take another optimizer",
                l, layer->dropout > 0 ? "dropout" : "batch normalisation", name);
    }
    return BP_OK;
}

bp_status bp__full_batch_create(bp__full_batch **out, bp_trainer *trainer)
{
    bp__full_batch *full = NULL;
    bp_status status;
    *out = NULL;
    BP_TRY(check_network(trainer));
    BP_TRY(bp__new_array(&full, 1, sizeof *full));
    full->trainer = trainer;
    const size_t count = find_places(NULL, &full->decayed, trainer);
    BP_TRY_GOTO(bp__new_array(&full->places, count, sizeof *full->places));
    BP_TRY_GOTO(bp__lbfgs_create(&full->lbfgs, count));
    (void)find_places(full->places, &full->decayed, trainer);
    *out = full;
    return BP_OK;
fail:
    bp__full_batch_free(full);
    return status;
}

void bp__full_batch_free(bp__full_batch *full)
{
    if (!full) return;
    bp__lbfgs_free(&full->lbfgs);
    free(full->places);
    free(full->arena);
    free(full);
}

void bp__full_batch_forget(bp__full_batch *full)
{
    bp__lbfgs_forget(&full->lbfgs);
}

/* ---- Their loss and its gradient ---- */

static bp_status write_parameters(bp__full_batch *full, const double *x)
{
    const bp__network *network = full->trainer->network;
    const bp__view arena = bp__network_arena(network, network->parameters);
    for (size_t i = 0; i < full->lbfgs.count; ++i) full->arena[full->places[i]] = x[i];
    return bp__write_doubles(network->engine, &arena, full->arena);
}

static bp_status read_parameters(bp__full_batch *full)
{
    const bp__network *network = full->trainer->network;
    const bp__view arena = bp__network_arena(network, network->parameters);
    free(full->arena);
    full->arena = NULL;
    BP_TRY(bp__read_doubles(&full->arena, network->engine, &arena));
    for (size_t i = 0; i < full->lbfgs.count; ++i) full->lbfgs.x[i] = full->arena[full->places[i]];
    return BP_OK;
}

static double penalty_of(const bp__full_batch *full, const double *x)
{
    const double l2 = (double)full->trainer->options.weight_decay;
    double sum = 0;
    for (size_t i = 0; l2 > 0 && i < full->decayed; ++i) sum += x[i] * x[i];
    return l2 / 2 * sum;
}

static bp_status read_loss(double *loss, const bp_trainer *trainer)
{
    double *sum;
    BP_TRY(bp__read_doubles(&sum, trainer->engine, &trainer->pass->views.losses));
    *loss = *sum / (double)trainer->pass->rows;
    free(sum);
    return BP_OK;
}

/* bp__objective.at */
static bp_status evaluate(double *x, double *value, double *gradient, void *user)
{
    bp__full_batch *full = user;
    bp_trainer *trainer = full->trainer;
    const bp__network *network = trainer->network;
    const bp__view arena = bp__network_arena(network, network->gradients);
    const double l2 = (double)trainer->options.weight_decay;
    double *slopes;
    for (size_t i = 0; i < full->lbfgs.count && !bp__has_doubles(trainer->engine); ++i)
        x[i] = (double)(float)x[i];
    BP_TRY(write_parameters(full, x));
    BP_TRY(bp__pass_seek(trainer->pass, 0));
    BP_TRY(bp__sequence_run(trainer->engine, trainer->full->train, 1));
    BP_TRY(read_loss(value, trainer));
    BP_TRY(bp__read_doubles(&slopes, trainer->engine, &arena));
    *value += penalty_of(full, x);
    for (size_t i = 0; i < full->lbfgs.count; ++i)
        gradient[i] = slopes[full->places[i]] + (i < full->decayed ? l2 * x[i] : 0);
    free(slopes);
    return BP_OK;
}

/* ---- An epoch ---- */

bp_status bp__full_batch_run(bp__full_batch *full)
{
    bp_trainer *trainer = full->trainer;
    bp__lbfgs *lbfgs = &full->lbfgs;
    const bp__objective objective = {
        .at = evaluate, .user = full, .noise = bp__has_doubles(trainer->engine) ? 1e-14 : 1e-6};
    bool moved;
    trainer->gradients_kept = false;
    BP_TRY(read_parameters(full));
    BP_TRY(bp__lbfgs_step(lbfgs, &objective, bp__trainer_rate(trainer, trainer->step), &moved));
    BP_TRY(write_parameters(full, lbfgs->x)); /* the last that was evaluated may be another */
    BP_TRY(bp__engine_finish(trainer->engine));
    if (!moved) lbfgs->known = 0; /* an epoch evaluates its loss, also where it is the last one's */
    trainer->place = lbfgs->evaluations;
    trainer->enqueued = trainer->pass->steps;
    trainer->loss_sum = (lbfgs->value - penalty_of(full, lbfgs->x)) * (double)trainer->pass->rows;
    return BP_OK;
}

/* Where it is, the parameters say. */
bp_status bp__full_batch_state(bp__state *state, bp__full_batch *full)
{
    bp__lbfgs *lbfgs = &full->lbfgs;
    const size_t count = lbfgs->count, ring = count * BP__LBFGS_HISTORY;
    const bp__state_row rows[] = {
        {.name = "lbfgs.known", .kind = BP__STATE_COUNTS, .host = &lbfgs->known, .count = 1},
        {.name = "lbfgs.pairs", .kind = BP__STATE_COUNTS, .host = &lbfgs->pairs, .count = 1},
        {.name = "lbfgs.newest", .kind = BP__STATE_COUNTS, .host = &lbfgs->newest, .count = 1},
        {.name = "lbfgs.value", .kind = BP__STATE_NUMBERS, .host = &lbfgs->value, .count = 1},
        {.name = "lbfgs.gradient",
         .kind = BP__STATE_NUMBERS,
         .host = lbfgs->gradient,
         .count = count},
        {.name = "lbfgs.steps", .kind = BP__STATE_NUMBERS, .host = lbfgs->steps, .count = ring},
        {.name = "lbfgs.changes", .kind = BP__STATE_NUMBERS, .host = lbfgs->changes, .count = ring},
    };
    return bp__state_add(state, rows, sizeof rows / sizeof *rows);
}
