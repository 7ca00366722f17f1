/* xray.h - a training step whose intermediate results are all kept.
 *
 * Training overwrites net inputs by activations, forms effects only on the way to deltas, and keeps
 * the deltas of two layers at a time. Here the same operations run with their deltas sent to places
 * of their own, and beside each a second time without the activation's function or slope, or
 * without what goes past a layer: that gives net inputs, effects and activations. What a norm's
 * operations have made of them is taken apart afterwards. */
#ifndef BP_EXPLAIN_XRAY_H
#define BP_EXPLAIN_XRAY_H

#include "explain/glass.h"

/* One layer, each [rows][outputs], as in a bp_explained_layer. output is activation where nothing
 * goes past the layer. Where nothing is normalised shifted is net, shifted_delta delta, and the
 * views after it are absent. */
typedef struct bp__xray_layer {
    bp__view net, shifted, activation, output, slope, effect, coupled, shifted_delta, delta;
    bp__view mean, variance, normalised, own, through_mean, through_variance;
} bp__xray_layer;

typedef struct bp__xray {
    bp__glass *glass;
    bp__buffer *numbers;
    bp__xray_layer *layers; /* [layer_count] */
    bp__view ones;          /* [1][widest layer or rows] of 1 */
    bool from_net;          /* error and last delta are computed from the net inputs */
    bp__sequence *sequence;
} bp__xray;

/* From the glass's operations as they are now; the glass must outlive it, and take batch
 * normalisation by known moments: the operations are repeated, and would move the others. */
bp_status bp__xray_create(bp__xray **out, bp__glass *glass);
void bp__xray_free(bp__xray *xray);

/* Forward, error, backward, for the batch that is loaded; gradients are left in the network's. No
 * parameter changes. */
bp_status bp__xray_run(bp__xray *xray);

#endif
