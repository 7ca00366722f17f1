/* record.h - what `backprop train` keeps of a training beside the model: a log, event files for
 * TensorBoard, a picture of the learning curve. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <jansson.h>
#include <stdio.h>

#include "curves.h"
#include "options.h"
#include "tensorboard.h"

/* Of --log, --tensorboard, --plot and --plot-theme. */
typedef struct cli_record_options {
    const char *log, *tensorboard, *plot;
    int32_t theme;
    bool resumed; /* the log that is there is gone on with */
} cli_record_options;

enum { CLI_RECORD_OPTIONS = 4 };
void cli_record_rows(cli_record_options *options, cli_option rows[CLI_RECORD_OPTIONS]);

/* Whether the picture can be made; that the names differ and overwrite nothing, the caller checks.
 * Reports; an exit code or -1. */
int cli_record_check(const cli_command *command, const cli_record_options *options);

typedef struct cli_record {
    const cli_record_options *options;
    FILE *log;
    cli_tensorboard *events;
    cli_history history; /* of --plot */
    bool quiet, started, log_failed, events_failed, history_failed;
} cli_record;

/* Opens what is to be written while the training runs; what is in a log stays. Reports; an exit code
 * or -1. */
int cli_record_begin(cli_record *record, const cli_command *command,
                     const cli_record_options *options);

/* The training has begun, or goes on after this epoch: what the log holds that is no part of it is
 * taken out, the first time that this is called. */
void cli_record_start(cli_record *record, int64_t epoch);

/* The log's line of an epoch, to which more may be added; NULL where none is to be written. */
json_t *cli_record_line(const cli_record *record, const bp_progress *now);

/* At the end of an epoch, and where the training diverged. Releases line (NULL: there is none). */
void cli_record_epoch(cli_record *record, const bp_progress *now, json_t *line);

/* Closes the files and draws the picture, called title. Reports; an exit code. */
int cli_record_end(cli_record *record, const char *title);

#endif
