/* xray.h - a training step whose intermediate results are all kept.
 *
 * Training overwrites net inputs by activations, forms effects only on the way to deltas, and keeps
 * the deltas of two layers at a time. Here the same operations run with their deltas sent to places
 * of their own, and beside each a second time without the activation's function or slope: that
 * gives net inputs and effects. */
#ifndef BP_EXPLAIN_XRAY_H
#define BP_EXPLAIN_XRAY_H

#include "explain/glass.h"

/* One layer, each [rows][outputs]. delta = effect * slope + coupled; coupled is 0 but for softmax,
 * see bp_explained_layer. */
typedef struct bp__xray_layer {
    bp__view net, activation, slope, effect, coupled, delta;
} bp__xray_layer;

typedef struct bp__xray {
    bp__glass *glass;
    bp__buffer *numbers;
    bp__xray_layer *layers; /* [layer_count] */
    bp__view ones;          /* [1][widest layer or rows] of 1 */
    bool from_net;          /* error and last delta are computed from the net inputs */
    bp__sequence *sequence;
} bp__xray;

/* Networks with norms cannot be opened up: BP_ERROR_UNSUPPORTED names the layer. To be asked before
 * bp__xray_create. */
bp_status bp__check_no_norm(const bp_model *model);

/* From the glass's operations as they are now; the glass must outlive it. */
bp_status bp__xray_create(bp__xray **out, bp__glass *glass);
void bp__xray_free(bp__xray *xray);

/* Forward, error, backward, for the batch that is loaded; gradients are left in the network's. No
 * parameter changes. */
bp_status bp__xray_run(bp__xray *xray);

#endif
