/* checkpoint.h - the checkpoints of `backprop train`: options, what is checked before the training,
 * and what is said of them. */
#ifndef CLI_CHECKPOINT_H
#define CLI_CHECKPOINT_H

#include "backprop.h"
#include "options.h"
#include "origin.h"

typedef struct cli_checkpoint {
    const char *path, *every, *resume;
    bp_checkpoint_info from;        /* of resume */
    char *command, *files, *tuning; /* as its records have them, or NULL */
    char *warned;                   /* of what, last */
    bool told;                      /* where the training goes on */
} cli_checkpoint;

enum { CLI_CHECKPOINT_OPTIONS = 3 };

/* Fills in the rows of --checkpoint, --checkpoint-every and --resume. */
void cli_checkpoint_options(cli_checkpoint *checkpoint, cli_option rows[CLI_CHECKPOINT_OPTIONS]);

/* What BP_SHUFFLE_AUTO means: the order of the checkpoint to go on from, where it may have been
 * chosen by the memory of its day; AUTO without one. */
int32_t cli_checkpoint_shuffle(const cli_checkpoint *checkpoint);

/* Puts them into *how. A file that holds a training which has not come to its end is replaced only
 * by one that goes on from it. Returns an exit code or -1. */
int cli_checkpoint_check(const cli_command *command, cli_checkpoint *checkpoint,
                         bp_train_options *how);

/* Once the device is known: notes in origin why the end of a training that goes on may not be that
 * of an unbroken one, and warns of it. Returns an exit code or -1. */
int cli_checkpoint_tell(const cli_command *command, cli_checkpoint *checkpoint,
                        const bp_device *device, cli_origin *origin);

/* Once the checkpoint has been taken: says where the training goes on, the first time it is called. */
void cli_checkpoint_goes_on(cli_checkpoint *checkpoint, bool quiet);

/* After a checkpoint was refused: which files have changed since, and what made it. */
void cli_checkpoint_explain(const cli_checkpoint *checkpoint, const cli_origin *origin);

/* Warns where a checkpoint could not be written, once for each reason. */
void cli_checkpoint_watch(cli_checkpoint *checkpoint, const bp_progress *now, bool quiet);

/* The checkpoint's file, NULL where there is none: a training may end before its first. */
const char *cli_checkpoint_file(const cli_checkpoint *checkpoint);

/* Takes out of a log that is gone on with the lines of epochs after `epoch`. Returns as above. */
int cli_checkpoint_trim_log(const char *path, int64_t epoch);

void cli_checkpoint_free(cli_checkpoint *checkpoint);

#endif
