/* trainer_step.c - one training step on rows of the caller's, and its gradients. */
#include <math.h>

#include "profile/profile.h"
#include "train/full_batch.h"
#include "train/trainer.h"

/* A plan for `rows` rows that the caller brings himself; kept for the next step of as many. */
static bp_status prepare_single(bp_trainer *trainer, size_t rows, bool labels)
{
    bp__plan *plan = trainer->single;
    if (plan && plan->rows == rows && (plan->labels.buffer != NULL) == labels) return BP_OK;
    BP_TRY(bp__engine_phase(trainer->engine, BP_PHASE_SETUP));
    if (!trainer->single_pass)
        BP_TRY(bp__pass_create(&trainer->single_pass, trainer->engine, NULL, 1, true));
    bp__plan_free(plan);
    trainer->single = NULL;
    BP_TRY(bp__plan_create(&trainer->single, trainer->network, rows, labels, true));
    return bp__trainer_make_train(trainer, &trainer->single, trainer->single_pass, true);
}

bp_status bp_trainer_step(bp_trainer *trainer, const float *x, const float *targets,
                          const int32_t *labels, size_t rows, double *loss)
{
    if (!trainer || !x || !targets == !labels)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_trainer_step: x and exactly one of targets and labels are needed");
    if (trainer->full_batch)
        return bp__full_batch_refuse("bp_trainer_step", trainer->options.optimizer);
    if (rows < 1 || rows > trainer->batch)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_trainer_step: %zu rows, 1 to %zu (batch) are allowed", rows,
                        trainer->batch);
    const size_t outputs = trainer->network->layers[trainer->network->layer_count - 1].outputs;
    for (size_t i = 0; labels && i < rows; ++i)
        if (labels[i] < 0 || (size_t)labels[i] >= outputs)
            return bp__fail(BP_ERROR_ARGUMENT,
                            "bp_trainer_step: label %d of row %zu is not in 0..%zu", (int)labels[i],
                            i, outputs - 1);
    if (trainer->schedule.steps == 0 && bp__schedule_needs_length(&trainer->options))
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_trainer_step: the schedule %s needs to know epochs and steps_per_epoch",
                        bp_schedule_name(trainer->options.schedule));
    BP_TRY(prepare_single(trainer, rows, labels != NULL));
    BP_TRY(bp__engine_phase(trainer->engine, BP_PHASE_TRAINING));
    bp__trainer_leave_epoch(trainer);
    bp__plan *plan = trainer->single;
    bp__pass *pass = trainer->single_pass;
    BP_TRY(bp__view_write(trainer->engine, &plan->input, x));
    if (labels)
        BP_TRY(bp__view_write(trainer->engine, &plan->labels, labels));
    else
        BP_TRY(bp__view_write(trainer->engine, &plan->targets, targets));
    const int64_t group_batches = trainer->group_batches + 1;
    const int64_t group_rows = trainer->group_rows + (int64_t)rows;
    const bool ends = group_batches == trainer->options.accumulate;
    BP_TRY(bp__trainer_begin_group(trainer, trainer->group_batches == 0));
    bp__trainer_hyper(trainer, 0, 1, pass->hyper_table);
    pass->hyper_table[BP__HYPER_SHARE] = 1 / (float)group_rows;
    BP_TRY(bp__view_write(trainer->engine, &pass->views.hyper, pass->hyper_table));
    BP_TRY(bp__pass_seek(pass, 0));
    trainer->gradients_kept = false;
    trainer->group_batches = trainer->group_rows = 0; /* where it fails, nobody knows */
    BP_TRY(bp__sequence_run(trainer->engine, ends ? plan->train : plan->add, 1));
    trainer->group_batches = group_batches;
    trainer->group_rows = group_rows;
    ++trainer->step;
    trainer->gradients_kept = ends;
    if (ends) bp__trainer_end_group(trainer);
    if (!loss) return BP_OK;
    float sum = 0;
    BP_TRY(bp__view_read(trainer->engine, &pass->views.losses, &sum));
    *loss = (double)sum / (double)rows;
    if (!isfinite(*loss))
        return bp__fail(BP_ERROR_DIVERGED, "the loss of step %lld is %g", (long long)trainer->step,
                        *loss);
    return BP_OK;
}

/* *out = a part of the last step's gradients; nothing where out is NULL. */
static bp_status get_gradient(bp_trainer *trainer, size_t layer, bp__part part, float *out)
{
    if (!trainer || layer >= trainer->network->layer_count)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_get_gradients: no layer %zu", layer);
    if (!trainer->gradients_kept)
        return bp__fail(BP_ERROR_ARGUMENT,
                        "bp_trainer_get_gradients: only bp_trainer_step keeps the "
                        "gradients, and no update of it was what was done last");
    BP_TRY(bp__engine_phase(trainer->engine, BP_PHASE_OTHER));
    if (!out) return BP_OK;
    const bp__view *view = bp__layer_part(&trainer->network->slopes[layer], part);
    if (!view->buffer)
        return bp__fail(BP_ERROR_ARGUMENT, "bp_trainer_get_gradients: layer %zu has no %s", layer,
                        part == BP__PART_BIASES ? "biases" : "norm");
    return bp__view_read(trainer->engine, view, out);
}

bp_status bp_trainer_get_gradients(bp_trainer *trainer, size_t layer, float *weights, float *biases)
{
    BP_TRY(get_gradient(trainer, layer, BP__PART_WEIGHTS, weights));
    return get_gradient(trainer, layer, BP__PART_BIASES, biases);
}

bp_status bp_trainer_get_norm_gradients(bp_trainer *trainer, size_t layer, float *gains,
                                        float *shifts)
{
    BP_TRY(get_gradient(trainer, layer, BP__PART_GAINS, gains));
    return get_gradient(trainer, layer, BP__PART_SHIFTS, shifts);
}
