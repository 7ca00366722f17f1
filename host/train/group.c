/* group.c - groups of batches: their gradients are added up, and the last of them makes an update
 * of the sum. Without accumulation every batch is a group. */
#include <stdlib.h>

#include "base/memory.h"
#include "train/trainer.h"

static size_t group_of(const bp_trainer *trainer)
{
    return (size_t)trainer->options.accumulate;
}

int64_t bp__groups_of(const bp_train_options *options, int64_t batches)
{
    const int64_t group = options->accumulate;
    return batches / group + (batches % group > 0);
}

int64_t bp__trainer_update(const bp_trainer *trainer, size_t place)
{
    return group_of(trainer) == 1 ? trainer->step + (int64_t)place
                                  : trainer->updates + (int64_t)(place / group_of(trainer));
}

bool bp__trainer_ends_group(const bp_trainer *trainer, size_t batch)
{
    return (batch + 1) % group_of(trainer) == 0 || batch + 1 == trainer->pass->steps;
}

/* The loss's scale is 1 / period for every batch, so that a group's sum times this is the mean over
 * its rows, whatever a smaller last batch has. */
double bp__trainer_group_share(const bp_trainer *trainer, size_t batch)
{
    const bp__pass *pass = trainer->pass;
    const size_t first = batch - batch % group_of(trainer);
    return (double)pass->batch /
           (double)(bp__rows_of_steps(pass, batch + 1) - bp__rows_of_steps(pass, first));
}

bp_status bp__trainer_run_batches(bp_trainer *trainer, const bp__plan *plan, size_t from, size_t to)
{
    while (from < to) {
        const bool ends = bp__trainer_ends_group(trainer, from);
        size_t next = from + 1;
        while (next < to && bp__trainer_ends_group(trainer, next) == ends) ++next;
        BP_TRY(bp__sequence_run(trainer->engine, ends ? plan->train : plan->add, next - from));
        from = next;
    }
    return BP_OK;
}

/* Sums that nobody will take any more: of a group that was left, or of a step that failed. */
static bp_status clear_sums(bp_trainer *trainer)
{
    if (!trainer->network->sums || !trainer->unclear) return BP_OK;
    BP_TRY(bp__trainer_zero(trainer, trainer->network->sums));
    trainer->unclear = false;
    return BP_OK;
}

bp_status bp__trainer_begin_group(bp_trainer *trainer, bool anew)
{
    if (anew) {
        trainer->group_batches = trainer->group_rows = 0;
        BP_TRY(clear_sums(trainer));
    }
    trainer->unclear = true;
    return BP_OK;
}

void bp__trainer_end_group(bp_trainer *trainer)
{
    ++trainer->updates;
    trainer->group_batches = trainer->group_rows = 0;
    trainer->unclear = false;
}

void bp__trainer_leave_epoch(bp_trainer *trainer)
{
    const size_t place = (size_t)trainer->place;
    const bool whole = trainer->pass && place == trainer->pass->steps;
    if (whole) trainer->unclear = false;
    trainer->updates += whole ? bp__groups_of(&trainer->options, trainer->place)
                              : trainer->place / trainer->options.accumulate;
    trainer->step += trainer->place;
    trainer->place = 0;
    trainer->enqueued = trainer->pause_at = 0;
    trainer->loss_sum = 0;
}

bp_status bp__trainer_group_state(bp__state *state, bp_trainer *trainer)
{
    const bp__state_row rows[] = {
        {.name = "updates", .kind = BP__STATE_COUNTS, .host = &trainer->updates, .count = 1},
        {.name = "group.batches",
         .kind = BP__STATE_COUNTS,
         .host = &trainer->group_batches,
         .count = 1},
        {.name = "group.rows", .kind = BP__STATE_COUNTS, .host = &trainer->group_rows, .count = 1},
        {.name = "group.sums", .kind = BP__STATE_ARENA, .arena = trainer->network->sums}};
    if (group_of(trainer) == 1) return BP_OK;
    return bp__state_add(state, rows, sizeof rows / sizeof *rows);
}
