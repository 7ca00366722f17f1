/* progress.h - how training is shown on standard error: a bar that is redrawn on a terminal, one
 * line an epoch elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "backprop.h"
#include "terminal.h"

typedef struct cli_progress {
    bool silent;
    cli_terminal terminal;
    int drawn; /* columns of what stands on the current line; 0: nothing */
} cli_progress;

cli_progress cli_progress_begin(bool quiet);
void cli_progress_update(cli_progress *progress, const bp_progress *now);

/* Takes the bar away, so that a message can follow. */
void cli_progress_end(cli_progress *progress);

#endif
