/* curves.h - learning curves: losses, accuracies and learning rates of one training or of several.
 */
#ifndef CLI_CURVES_H
#define CLI_CURVES_H

#include "history.h"
#include "scale.h"
#include "svg.h"

typedef enum cli_curve_x { CLI_X_EPOCH, CLI_X_STEP, CLI_X_SECONDS } cli_curve_x;
const char *cli_curve_x_name(int32_t code);

typedef struct cli_curve_options {
    const char *title; /* NULL: "Learning curve" */
    int32_t theme;     /* cli_theme */
    int32_t scale;     /* of losses, cli_scale_kind */
    int32_t x;         /* cli_curve_x */
} cli_curve_options;

/* Draws runs[count] into path, SVG or PNG. Of one run the training's and the validation's curves
 * have colours of their own, of several each run has. Reports; an exit code. */
int cli_curves_draw(const char *path, const cli_history *runs, size_t count,
                    const cli_curve_options *options);

#endif
