/* saver.h - the checkpoints of bp_train: when one is due, and what becomes of one that fails. */
#ifndef BP_TRAIN_SAVER_H
#define BP_TRAIN_SAVER_H

#include "train/trainer.h"

/* Adds bp_train's own rows; mid_epoch: an epoch is under way. */
typedef bp_status (*bp__rows_fn)(bp__state *state, bool mid_epoch, void *user);

typedef struct bp__saver {
    bp_trainer *trainer;
    bp_model *model;
    bp__rows_fn rows;
    void *user;
    json_t *facts;
    double saved_at;     /* bp__seconds() */
    int64_t saved_steps; /* in all, in the last checkpoint; -1: none yet */
    bp_status status;    /* of the last checkpoint, */
    char *error;         /* and why it failed, or NULL */
} bp__saver;

/* model: with the parameters that the training begins with, or those of the checkpoint that it goes
 * on from; it receives the parameters of each checkpoint. Reads the checkpoint of the trainer's
 * options, if there is one to go on from. */
bp_status bp__saver_begin(bp__saver *saver, bp_trainer *trainer, bp_model *model,
                          const bp_data *validation, bp__rows_fn rows, void *user);
void bp__saver_end(bp__saver *saver);

/* Sees to it that a chunk ends where a checkpoint is due. */
void bp__saver_plan(bp__saver *saver);

/* To be called between chunks and between epochs; writes a checkpoint if one is due. A file that
 * cannot be written is kept in status and error; what is returned is the device's failure. */
bp_status bp__saver_look(bp__saver *saver);

/* Writes a checkpoint unless the last one is as new. */
bp_status bp__saver_save(bp__saver *saver);

#endif
