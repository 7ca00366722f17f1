/* confusion.h - which classes a model takes for which, counted and drawn. */
#ifndef CLI_CONFUSION_H
#define CLI_CONFUSION_H

#include "backprop.h"
#include "svg.h"

/* Of --plot-confusion and --plot-theme. */
typedef struct cli_confusion_options {
    const char *path;
    int32_t theme;
} cli_confusion_options;

enum { CLI_CONFUSION_OPTIONS = 2 };
void cli_confusion_rows(cli_confusion_options *options, cli_option rows[CLI_CONFUSION_OPTIONS]);

/* Whether such a picture can be drawn of data, if one was asked for. Reports; -1 to go on, else
 * CLI_USAGE. */
int cli_confusion_check(const cli_confusion_options *options, const cli_command *command,
                        const bp_model *model, const bp_data *data);

/* Predicts data's rows and draws how many of each class were taken for each: true classes from top
 * to bottom, predicted ones from left to right, shaded by their share of the row. title: what
 * stands above, such as the files' names. Data that has been checked. Reports; an exit code. */
int cli_confusion_draw(const cli_confusion_options *options, const bp_model *model,
                       bp_device *device, const bp_data *data, const char *title);

#endif
