/* network.h - a network's parameters on an engine: one arena, with a view for each tensor.
 *
 * Gradients and the optimizer's moments have the same layout, so that an update, a copy or a
 * checkpoint is one loop over one array. Rows of weights are padded to the engine's quantum and the
 * arena to whole blocks; padding is zero and stays zero. */
#ifndef BP_NET_NETWORK_H
#define BP_NET_NETWORK_H

#include "base/families.h"
#include "base/operation.h"

/* The views of one layer; each exists in the parameters and in the gradients. */
typedef struct bp__layer_views {
    bp__view weights;        /* [outputs][inputs] */
    bp__view bias;           /* [1][outputs], absent without bias */
    bp__view gain, shift;    /* [1][outputs], absent without norm */
    bp__view mean, variance; /* [1][outputs], of batch normalisation; in the parameters alone */
} bp__layer_views;

/* The view of a part. */
bp__view *bp__layer_part(bp__layer_views *views, bp__part part);

typedef struct bp__network {
    bp__engine *engine;
    bp_layer *layers;
    size_t layer_count;
    int32_t loss;
    double loss_parameter;
    size_t arena_size;           /* elements, padding included */
    size_t gains_at, moments_at; /* where weights and biases end, and gains and shifts; what a
                                    training finds of batches comes last, and nothing updates it */
    bp__buffer *parameters, *gradients;
    bp__buffer *moment1, *moment2; /* NULL where the optimizer has none */
    bp__buffer *norms; /* sums of squared gradients, then the factor that clips them; NULL
                          where nothing is clipped by norm */
    bp__buffer *sums;  /* of the gradients of a group's batches; NULL: each is a group */
    struct bp__network *averaged; /* the same layers with the moving averages of all parameters,
                                     which are averaged where it is there; NULL otherwise */
    bp__layer_views *values;      /* [layer_count], in parameters */
    bp__layer_views *slopes;      /* [layer_count], in gradients */
} bp__network;

/* Everything zero. training false leaves out gradients and moments. */
bp_status bp__network_create(bp__network **out, bp__engine *engine, const bp_model *model,
                             bool training, int32_t optimizer);
void bp__network_free(bp__network *network);
/* Has the parameters averaged, from the model's on. */
bp_status bp__network_average(bp__network *network, const bp_model *model);

/* Parameters from and to a model of the same layers. */
bp_status bp__network_upload(bp__network *network, const bp_model *model);
bp_status bp__network_download(bp__network *network, bp_model *model);

/* An arena as one row: [1][arena_size]. */
bp__view bp__network_arena(const bp__network *network, bp__buffer *buffer);

#endif
