/* plan_format.h - a plan as it lies in a CPU's memory: read by kernels/cpu/plan.cl, written by
 * host/ops/cpu_write.c. The layout of each struct is the same for both: 8-byte members first, no
 * gaps. The host includes its OpenCL header first. */
#ifndef PLAN_FORMAT_H
#define PLAN_FORMAT_H

#ifdef __OPENCL_C_VERSION__
typedef uint plan_uint;
typedef ulong plan_ulong;
typedef float plan_float;
#else
typedef cl_uint plan_uint;
typedef cl_ulong plan_ulong;
typedef cl_float plan_float;
#endif

/* A bp__view: `buffer` is the number of a pointer argument of the kernel. */
typedef struct plan_view {
    plan_ulong offset, panel_step;
    plan_uint buffer, rows, columns, stride;
} plan_view;

/* Depth of a block of k in a product: three vectors of it fit in the second-level cache, with much
 * to spare. A multiple of every vector width. */
#define PLAN_K_BLOCK 1024

enum plan_kind {
    PLAN_GATHER,
    PLAN_DENSE_FORWARD,
    PLAN_SOFTMAX,
    PLAN_LOSS,
    PLAN_REDUCE_LOSS,
    PLAN_DENSE_EFFECT,
    PLAN_DENSE_GRADIENT,
    PLAN_SQUARES,
    PLAN_CLIP,
    PLAN_MAX_NORM,
    PLAN_AVERAGE,
    PLAN_ACCUMULATE,
    PLAN_NORMALIZE,
    PLAN_NORM_GRADIENT,
    PLAN_NORM_EFFECT,
    PLAN_OPTIMIZER
};

/* What moments are taken over; PLAN_NORM_KNOWN: over nothing, they are known. */
enum plan_norm { PLAN_NORM_LAYER, PLAN_NORM_BATCH, PLAN_NORM_KNOWN };

/* The views of an operation, by kind; a view that is absent has no rows. */
enum plan_gather_views { GATHER_OUT, GATHER_IN, GATHER_ORDER, GATHER_STEP };
enum plan_dense_views {
    DENSE_C, /* out; delta_in; weights_gradient */
    DENSE_A, /* in; delta; in */
    DENSE_B, /* weights; weights; delta */
    DENSE_E, /* bias; in; bias_gradient */
    /* dense_gradient that updates the parameters at once: */
    DENSE_WEIGHTS,
    DENSE_BIAS,
    /* dense_forward that keeps what its slope is taken from: */
    DENSE_NET = DENSE_WEIGHTS,
    /* dense_effect that keeps the effect: */
    DENSE_EFFECT = DENSE_WEIGHTS,
    /* both, where something goes past a layer: */
    DENSE_SKIP = DENSE_BIAS
};
enum plan_softmax_views { SOFTMAX_OUT, SOFTMAX_IN };
enum plan_loss_views {
    LOSS_OUTPUT,
    LOSS_DELTA,
    LOSS_LABELS,
    LOSS_TARGETS,
    LOSS_WEIGHTS,
    LOSS_ROW_LOSS,
    LOSS_ROW_HITS
};
enum plan_reduce_views {
    REDUCE_LOSSES,
    REDUCE_HITS,
    REDUCE_ROW_LOSS,
    REDUCE_ROW_HITS,
    REDUCE_STEP
};
enum plan_norm_views { NORM_OUT, NORM_IN }; /* of what goes through arenas, too */
/* Of normalize; of norm_gradient and norm_effect what their names say. */
enum plan_normalize_views {
    NORMALIZE_OUT, /* delta */
    NORMALIZE_IN,
    NORMALIZE_MEAN,
    NORMALIZE_SCALE,
    NORMALIZE_GAIN,
    NORMALIZE_SHIFT,
    NORMALIZE_NET,
    NORMALIZE_SKIP,
    NORMALIZE_KNOWN_MEAN,
    NORMALIZE_KNOWN_VARIANCE,
    NORMALIZE_GAIN_GRADIENT = NORMALIZE_NET,
    NORMALIZE_SHIFT_GRADIENT = NORMALIZE_SKIP
};
/* Where parameters are updated, by dense_gradient too; hyper and step also where units are dropped. */
enum plan_update_views {
    UPDATE_GRADIENTS = 6,
    UPDATE_PARAMETERS,
    UPDATE_MOMENT1,
    UPDATE_MOMENT2,
    UPDATE_HYPER,
    UPDATE_STEP,
    UPDATE_FACTOR,
    PLAN_VIEWS
};

/* One operation, cut into tasks: split_rows * split_columns of them. */
typedef struct plan_op {
    plan_view view[PLAN_VIEWS];
    plan_uint kind;            /* PLAN_* */
    plan_uint split_rows;      /* blocks of rows; task = row block * split_columns + column block */
    plan_uint split_columns;   /* blocks of columns */
    plan_uint strips;          /* dense: strips of at most TILE_N vectors in all columns */
    plan_uint phase_end;       /* number of the first operation of the next phase */
    plan_uint tasks_until_end; /* tasks of a step up to the end of this phase */
    plan_uint claims;          /* place of the first claim word among the control words */
    plan_uint claims_step;     /* claim words of a group */
    plan_uint patience;        /* reads of the counter before a group leaves */
    plan_uint function;        /* BP_ACTIVATION_*; of a loss linear where it is part of the loss */
    plan_uint loss;            /* BP_LOSS_* */
    plan_uint optimizer;       /* BP_OPTIMIZER_* + 1; 0: no update */
    plan_uint period;          /* of a gather; of squares the elements of a chunk */
    plan_float scale, share, target_on, target_off, parameter; /* of the loss: bp__loss_numbers */
    plan_float momentum, beta1, beta2, epsilon, decay, l2, l1, clip;
    plan_uint drop_limit; /* of dropout, see kernels/dropout.cl; 0: nothing is dropped */
    plan_uint drop_key0, drop_key1, drop_layer, drop_unit;
    plan_float drop_keep, drop_scale;
    plan_uint ends;         /* of accumulate: the last batch of a group */
    plan_uint keeps_output; /* of dense_forward: DENSE_NET is for outputs, not for net inputs */
    plan_uint norm;         /* PLAN_NORM_*, with its epsilon and momentum */
} plan_op;

/* Control words: what the groups of a launch share. Each on a cache line of its own. */
enum plan_control {
    CONTROL_STEP = 0,   /* steps done by all launches so far: what unclaimed tasks show */
    CONTROL_DONE = 32,  /* tasks done by this launch */
    CONTROL_EXITS = 64, /* groups that have finished */
    CONTROL_CLAIMS = 96
};

#endif
