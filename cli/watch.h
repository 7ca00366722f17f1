/* watch.h - `train --watch-gradients`: what is seen of a training between epochs, in words. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "backprop.h"
#include "backprop_explain.h"

enum { CLI_WATCH_TEXT = 320 };

typedef struct cli_watch {
    bp_watch *watch; /* NULL: nothing is watched */
    const bp_model *model;
    bool silent;
    int32_t *told;              /* findings that have been told of, by layer */
    char began[CLI_WATCH_TEXT]; /* where the training began to diverge; empty while it does not */
} cli_watch;

/* Reports; an exit code or -1. */
int cli_watch_begin(cli_watch *watch, const bp_model *model, const bp_data *data, bool silent);
void cli_watch_end(cli_watch *watch);

/* After an epoch, or when the training has diverged: looks, prints, and adds what was seen to the
 * log's line (which may be NULL) as "gradients". A look that fails is told of and ends the
 * watching, not the training. */
void cli_watch_update(cli_watch *watch, const bp_progress *now, json_t *log);

#endif
