/* plan.h - what runs, in which order, for one batch size of one network on one engine.
 *
 * A plan owns the activations and deltas of its batch. It is built once and replayed; nothing in it
 * changes from step to step: which rows a step takes, and with which learning rate, the kernels
 * read from the step counter. */
#ifndef BP_NET_PLAN_H
#define BP_NET_PLAN_H

#include "net/network.h"

/* What the steps of an epoch share, on the engine. */
typedef struct bp__epoch_views {
    bp__view x;      /* resident data [rows][features]; absent: batches are written by the caller */
    bp__view labels; /* [rows][1], or absent */
    bp__view targets; /* [rows][outputs], or absent */
    bp__view weights; /* [rows][1], of the samples, or absent */
    bp__view order;   /* [1][rows], the epoch's permutation */
    bp__view step;    /* [1][1], the step counter */
    bp__view losses;  /* [1][steps], sum over the batch's rows */
    bp__view hits;    /* [1][steps] */
    bp__view hyper;   /* [steps][BP__HYPER_COUNT] */
    size_t period;    /* rows of a full batch */
} bp__epoch_views;

typedef struct bp__plan {
    bp__network *network;
    size_t rows;
    bp__buffer *numbers;   /* the memory of all views below but labels; of a part, of the losses */
    bp__buffer *integers;  /* of labels; NULL in a part */
    size_t number_count;   /* elements of numbers */
    bp__view input;        /* [rows][n_0] */
    bp__view labels;       /* [rows][1] or absent */
    bp__view targets;      /* [rows][n_L] or absent */
    bp__view weights;      /* [rows][1], of a buffer of its own; absent where samples have none */
    bp__view *activations; /* [layer_count], each [rows][n_l]; of the last layer the net inputs
                              where the loss takes those */
    bp__view *nets;        /* [layer_count], what slopes are taken from; absent where those are the
                              activations */
    bp__view *raw;         /* [layer_count], net inputs that are normalised; absent without norm */
    bp__view *moments;     /* [2 * layer_count], mean and scale of these */
    bp__view delta[2];     /* of the layer at hand and the one before, widths set where used */
    bp__view effect[2];    /* likewise, of layers past which something goes; absent without such */
    bp__view row_loss, row_hits;              /* [1][rows] */
    bp__sequence *train, *evaluate, *predict; /* made when first asked for */
    bp__sequence
        *add; /* made with train where gradients are added up: of a batch that ends no group */
} bp__plan;

/* labels: the targets are class numbers; otherwise numbers. training: with deltas. */
bp_status bp__plan_create(bp__plan **out, bp__network *network, size_t rows, bool labels,
                          bool training);
/* The same for fewer rows, the last of an epoch, in the memory of `whole`, which must outlive it:
 * the two never run at once. */
bp_status bp__plan_create_part(bp__plan **out, const bp__plan *whole, size_t rows);
void bp__plan_free(bp__plan *plan);

/* The optimizer as the plan needs it. */
typedef struct bp__plan_optimizer {
    int32_t optimizer;
    float momentum, beta1, beta2, epsilon;
    float decay, l2, l1, clip; /* as in bp__optimizer */
    float clip_norm;           /* the gradients' norm is kept to this; 0: not */
    float max_norm;            /* the norm of each unit's weights is kept to this; 0: not */
    bool no_update;            /* gradients alone: somebody else uses them */
    bool adds; /* with sums in the network: a batch that ends no group, which updates nothing */
    bool keep_gradients;  /* they are read after a step */
    double smoothing;     /* of the loss's targets */
    bool dropout;         /* layers drop units as they say; false: none does */
    uint64_t seed;        /* of what is dropped */
    size_t freeze_layers; /* so many first layers have neither gradients nor updates */
    bool freeze_bias; /* the update leaves the biases out: they take part, and keep their values */
    bool known_moments; /* batch normalisation takes the moments that were found, as where nothing
                           is learned: samples have nothing to do with each other then */
} bp__plan_optimizer;

/* plan->train: gather (where epoch->x is present), forward, loss, backward, update. The order of
 * the backward half: from the last layer to the first, effect before gradient; the update comes
 * after all of them, since every effect is a sum over the old weights. */
bp_status bp__plan_make_train(bp__plan *plan, const bp__epoch_views *epoch,
                              const bp__plan_optimizer *optimizer);

/* plan->evaluate: gather, forward, loss; no parameter changes. */
bp_status bp__plan_make_evaluate(bp__plan *plan, const bp__epoch_views *epoch);

/* plan->predict: forward from plan->input; bp__plan_output then holds the output activations. */
bp_status bp__plan_make_predict(bp__plan *plan);
bp__view bp__plan_output(const bp__plan *plan);

/* The operations of a training step, for those who want to look at them or reorder them (tests).
 * The array is the caller's: free(). */
bp_status bp__plan_train_ops(bp__op **out, size_t *count, bp__plan *plan,
                             const bp__epoch_views *epoch, const bp__plan_optimizer *optimizer);

#endif
