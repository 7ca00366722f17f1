/* tensorboard.h - scalars as TensorBoard reads them: DIR/train and DIR/validation, which it shows
 * as two runs, so that curves of one name lie in one picture. */
#ifndef CLI_TENSORBOARD_H
#define CLI_TENSORBOARD_H

#include <stdbool.h>

#include "history.h"

typedef struct cli_tensorboard cli_tensorboard;

/* Makes the folders, where they are missing, and a new event file in DIR/train; *others: there were
 * some before. NULL and errno on failure. */
cli_tensorboard *cli_tensorboard_open(const char *folder, bool *others);

/* Writes an epoch's numbers, those that are finite, with the epoch as TensorBoard's step, and
 * flushes: `loss`, `learning_rate` and `samples_per_second` of the training, `loss` and `accuracy`
 * of the validation, whose file is made with its first number. false where that failed. */
bool cli_tensorboard_add(cli_tensorboard *board, const cli_epoch *epoch, double rate);

/* false where not everything could be written. Releases board. */
bool cli_tensorboard_close(cli_tensorboard *board);

#endif
