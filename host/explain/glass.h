/* glass.h - one batch of one network on the reference engine, open to be looked into.
 *
 * It holds the operations of a training step as the plan writes them down, in double precision, so
 * that what is shown, and what is compared with central differences, are the numbers of training
 * itself. Tests change the operations on purpose, to see that a check notices. */
#ifndef BP_EXPLAIN_GLASS_H
#define BP_EXPLAIN_GLASS_H

#include "train/trainer.h"

typedef struct bp__glass {
    bp__engine *engine;
    bp__network *network;
    bp__pass *pass; /* the step counter, the loss and the learning rate of one step */
    bp__plan *plan;
    bp__op *ops; /* of a training step; the update comes last */
    size_t op_count;
    bp__sequence *forward; /* up to the error, without any delta; made when first asked for */
} bp__glass;

typedef struct bp__glass_how {
    bool freeze_bias;
    bool known_moments;      /* as of a bp__plan_optimizer */
    const uint64_t *dropout; /* the seed of what is dropped in the first step; NULL: nothing is */
} bp__glass_how;

/* A network with the model's parameters and batches of `rows` rows; labels: the targets are class
 * numbers. The update is plain gradient descent. */
bp_status bp__glass_create(bp__glass **out, const bp_model *model, size_t rows, bool labels,
                           const bp__glass_how *how);
void bp__glass_free(bp__glass *glass);

/* Encoded rows: x [rows][inputs], and labels [rows] or targets [rows][outputs]. */
typedef struct bp__batch {
    const float *x, *targets;
    const int32_t *labels;
} bp__batch;

/* Copies the batch in; where it has labels and the glass takes numbers, those of the class are 1
 * and the others 0. */
void bp__glass_load(bp__glass *glass, const bp__batch *batch);

/* The doubles of a view, row after row without gaps: rows have none in this engine. NULL where the
 * view is absent. */
double *bp__glass_numbers(const bp__view *view);

/* Runs a sequence as a step of its own: the counter is set to 0 before. */
bp_status bp__glass_run(bp__glass *glass, bp__sequence *sequence);

/* The batch's error, the mean over its rows, after a sequence that computes it has run. */
double bp__glass_last_error(const bp__glass *glass);

/* Goes forward and returns the batch's error. Writes activations, no delta and no parameter. */
bp_status bp__glass_error(bp__glass *glass, double *error);

/* The list index of the operation that goes forward through `layer`; op_count where there is none.
 */
size_t bp__glass_forward_op(const bp__glass *glass, size_t layer);

/* ---- Central differences ---------------------------------------------------------------------
 *
 * A parameter of one unit changes that unit's output and what comes after it, nothing else: a probe
 * is the forward operation of that one unit, then those of all later layers, up to the error. */
typedef struct bp__probe {
    bp__glass *glass;
    bp__sequence *sequence;
    double error; /* E with the present parameters */
} bp__probe;

typedef struct bp__difference {
    double central;      /* (E(w + h) - E(w - h)) / 2h */
    double above, below; /* (E(w + h) - E(w)) / h and (E(w) - E(w - h)) / h */
} bp__difference;

/* *w is a parameter of the probe's unit; it has its value again afterwards. */
bp_status bp__probe_run(bp__probe *probe, bp__difference *out, double *w, double h);

/* The h for a parameter: its error, of order h^2, and that of the rounding of E, of order 1/h, are
 * both about 1e-11 then. */
double bp__probe_width(double w);

/* Called for one parameter of unit `unit` of `layer`; `at` is its place in the arenas, w itself. */
typedef bp_status (*bp__probe_visit)(void *user, bp__probe *probe, size_t layer, size_t at,
                                     double *w);

/* Calls visit for all parameters; where two differences of each would take more than `work`
 * multiply-adds, for evenly spread ones of every layer. work 0: for none. The batch is loaded; its
 * activations are those of the present parameters afterwards. */
bp_status bp__glass_probe(bp__glass *glass, double work, bp__probe_visit visit, void *user);

#endif
