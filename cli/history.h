/* history.h - what became of a training, epoch by epoch: collected while it runs, or read from the
 * file that train --log wrote. */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "backprop.h"

/* An epoch; NAN where a number is not known. */
typedef struct cli_epoch {
    double epoch, step, seconds;
    double train_loss, validation_loss, validation_accuracy, lr;
    bool diverged; /* the training ended here, with a loss or a parameter that is not finite */
} cli_epoch;

/* All zero is the empty history. */
typedef struct cli_history {
    const char *name; /* for a legend; borrowed */
    cli_epoch *epochs;
    size_t count, capacity;
} cli_history;

/* The epoch that a progress callback tells of. */
cli_epoch cli_epoch_of(const bp_progress *now);

/* Appends; epochs from the new one's number on, which a resumed training repeats, are dropped.
 * false without memory. */
bool cli_history_add(cli_history *history, const cli_epoch *epoch);
void cli_history_free(cli_history *history);

/* Reads a log; "-" is standard input. The line and column of what is wrong are reported; notes are
 * left out where quiet. Returns an exit code, or -1. */
int cli_history_read(cli_history *out, const char *path, bool quiet);

/* Index of the epoch with the least validation loss, or training loss where there is no validation;
 * count where no loss is finite. */
size_t cli_history_best(const cli_history *history);
bool cli_history_validated(const cli_history *history);

#endif
