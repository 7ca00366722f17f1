/* backprop_explain.h - the glass box of libbackprop: what a training step computes, number by
 * number.
 *
 * Everything here runs on the reference, in double precision, through the same operations as a
 * training on the device "reference"; no OpenCL is needed. It has four parts:
 *
 *   1. Explaining     one sample: net inputs, slopes, effects, deltas, and for every weight the
 *                     three factors of its derivative, beside the central difference
 *   2. Checking       a batch: all derivatives against central differences, and a device's against
 *                     both
 *   3. Surveying      a data set: how activations, deltas and gradients are spread, which units
 *                     learn nothing
 *   4. Watching       a training between epochs, on whatever device: gradients, steps, where a
 *                     divergence began
 *
 * The intended use:
 *
 *     bp_explain *glass; double error;
 *     bp_explain_create(&glass, model, NULL);
 *     bp_explain_sample(glass, x, target);
 *     bp_explain_look(glass);
 *     bp_explained_layer last = bp_explain_layer(glass, layers - 1);
 *     printf("%g * %g * %g = %g\n", last.effect[0], last.slope[0], last.input[0],
 *            last.weight_gradients[0]);
 *     bp_explain_steps(glass, 10000, &error);
 *
 * Conventions and notation are those of backprop.h; layers count from 0. */
#ifndef BACKPROP_EXPLAIN_H
#define BACKPROP_EXPLAIN_H

#include <backprop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Explaining ----------------------------------------------------------------------------
 */

/* One sample in one network, whose parameters it holds in double precision. */
typedef struct bp_explain bp_explain;

typedef struct bp_explain_options {
    size_t size;
    double learning_rate;  /* r of the step w - r dE/dw */
    int32_t freeze_bias;   /* 1: biases take part, but keep the values that they have */
    int32_t reserved;      /* 0 */
    double numerical_work; /* multiply-adds that bp_explain_look may spend on central differences;
                              where all would cost more, evenly spread weights of each layer get
                              theirs. 0: none; the default, 1e9, is about a second */
} bp_explain_options;

BP_API bp_explain_options bp_explain_options_default(void);

/* Parameters start as the model's; nothing is dropped. The sample is all zeros until bp_explain_sample. options may be
 * NULL. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MEMORY. */
BP_API bp_status bp_explain_create(bp_explain **out, const bp_model *model,
                                   const bp_explain_options *options);
BP_API void bp_explain_free(bp_explain *explain);

/* x [inputs] and target [outputs], copied; for classes the target is 1 at the class and 0
 * elsewhere. Errors: BP_ERROR_ARGUMENT, BP_ERROR_DATA (a value that is not finite). */
BP_API bp_status bp_explain_sample(bp_explain *explain, const double *x, const double *target);

/* The parameters, W_l [outputs][inputs] and b_l [outputs] (NULL without bias), to be read and
 * written between calls. NULL where there is no such layer. */
BP_API double *bp_explain_weights(bp_explain *explain, size_t layer);
BP_API double *bp_explain_biases(bp_explain *explain, size_t layer);
/* Of a norm, [outputs]; NULL without one. */
BP_API double *bp_explain_gains(bp_explain *explain, size_t layer);
BP_API double *bp_explain_shifts(bp_explain *explain, size_t layer);

/* Computes all that is explained for the sample and the present parameters, and what a step would
 * make of them; the parameters stay as they are. Errors: BP_ERROR_MEMORY. */
BP_API bp_status bp_explain_look(bp_explain *explain);

/* What the last look saw; the arrays belong to the object, until the next look. */
typedef struct bp_explained {
    size_t layers, inputs, outputs;
    int32_t loss;         /* BP_LOSS_* */
    int32_t from_net;     /* 1: training computes error and last delta from the net inputs, since
                             the output activation and the loss belong together */
    const double *input;  /* [inputs] */
    const double *target; /* [outputs] */
    const double *output; /* [outputs], the activations of the last layer */
    double error;         /* E of the sample */
    double error_after;   /* E after the step */
    size_t parameters, numerical; /* how many there are, and how many have a central difference */
    double loss_parameter;        /* p of the loss's formula; 0 where there is none */
} bp_explained;

BP_API bp_explained bp_explain_get(const bp_explain *explain);

/* One layer of the last look. Of a unit k: net z_k, activation a_k = f(z_k), slope f'(z_k), effect
 * dE/da_k, delta dE/dz_k = effect * slope. Of a weight to unit k from unit i of the layer before:
 *   dE/dw = effect_k * slope_k * input_i
 * Softmax is the one function whose outputs all depend on each net input: its slope is da_k/dz_k,
 * and its delta has the paths through the other outputs j as well, `coupled` = sum over j other
 * than k of effect_j da_j/dz_k. delta = effect * slope + coupled, for all functions.
 *
 * With a norm the function takes y_k = gain_k x^_k + shift_k in place of z_k, x^_k = (z_k - mean) /
 * sqrt(variance + 1e-5) (of layernorm mean and variance are those of the layer's z; of batchnorm,
 * since one sample is no batch, those that the training has found, as for predictions). Then slope is
 * f'(y_k), shifted_delta = dE/dy_k = effect * slope, and z_k acts on the error in three ways:
 * delta = own + through_mean + through_variance, where with d_k = gain_k dE/dy_k, s = 1 / sqrt(variance
 * + 1e-5) and means over the layer
 *   own = s d_k, through_mean = -s mean(d), through_variance = -s x^_k mean(d x^)
 * the last two being 0 for batchnorm, whose moments do not depend on the sample.
 *
 * A residual layer gives on output_k = a_k + input_k. So the units of the layer before it have a
 * second way to the error: `past`, the effect of unit k of this layer, which is part of theirs. */
typedef struct bp_explained_layer {
    size_t inputs, outputs;
    int32_t activation_code; /* BP_ACTIVATION_* */
    int32_t bias, frozen;    /* 1 or 0: there are biases; they keep their values */
    const double *input;     /* [inputs]: the sample, or the output of the layer before */
    const double *net, *activation, *slope, *effect, *coupled, *delta; /* [outputs] */
    const double *weights, *weight_gradients; /* [outputs][inputs]: w and dE/dw */
    const double *weight_numerical; /* [outputs][inputs], central difference; NAN where left out */
    const double *weights_after;    /* [outputs][inputs], after the step */
    const double *biases, *bias_gradients, *bias_numerical, *biases_after; /* [outputs], or NULL */
    int32_t norm, residual; /* BP_NORM_*; 1 or 0 */
    const double *output;   /* [outputs]: what goes on; activation where the layer is not residual */
    const double *past;     /* [outputs]: of effect, what comes past the next layer, or NULL where that
                               is not residual */
    const double *mean, *variance, *normalised, *shifted; /* [outputs], NULL without norm, as all below */
    const double *shifted_delta, *own, *through_mean, *through_variance; /* [outputs] */
    const double *gains, *gain_gradients, *gain_numerical, *gains_after;     /* [outputs] */
    const double *shifts, *shift_gradients, *shift_numerical, *shifts_after; /* [outputs] */
} bp_explained_layer;

/* All zero where there is no such layer, or nothing has been looked at. */
BP_API bp_explained_layer bp_explain_layer(const bp_explain *explain, size_t layer);

/* Takes steps of plain gradient descent on the sample. errors (may be NULL) [count]: E before each
 * step. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MEMORY, BP_ERROR_DIVERGED (E is not finite; the text
 * names the step). */
BP_API bp_status bp_explain_steps(bp_explain *explain, size_t count, double *errors);

/* E of the sample with the present parameters. */
BP_API bp_status bp_explain_error(bp_explain *explain, double *error);

/* What a function is, how its derivative comes about. Formulas are in z (net input), a
 * (activation), t (target), n (number of outputs), s (sum of e^z over the layer), with + - * / ^ (
 * ), e, ln, max, min, abs, "X if C else Y". */
typedef struct bp_rule {
    const char *formula;    /* a from z; of a loss, the term of one output, summed over them */
    const char *derivative; /* da/dz; of a loss, dE/da of one output */
    const char *why;        /* a few sentences; `formulas` in them stand between backquotes */
} bp_rule;

/* NULL for a code that has no rule: BP_*_AUTO, or none at all. */
BP_API const bp_rule *bp_activation_rule(int32_t activation);
BP_API const bp_rule *bp_loss_rule(int32_t loss);
/* x^ from z, m (mean) and v (variance), and of dx^/dz what does not go through these; NULL for
 * BP_NORM_NONE. */
BP_API const bp_rule *bp_norm_rule(int32_t norm);

/* ---- 2. Checking ------------------------------------------------------------------------------
 *
 * The reference's gradients of a batch against central differences, and a device's against the
 * reference's. Who adds an operation to the plan checks it so: what a parameter acts on is found by
 * running the plan's own forward operations. */

typedef struct bp_gradcheck_options {
    size_t size;
    int64_t rows;            /* of the data, evenly spread; at most as many as there are */
    double work;             /* multiply-adds for central differences; where all parameters would
                                take more, evenly spread ones of every layer are checked */
    double tolerance;        /* of a derivative's relative error, see bp_gradcheck_parameter */
    double device_tolerance; /* of a layer's, see bp_gradcheck_layer; 0: by the device's precision,
                                1e-4 of fp32, 0.008 of tf32, 0.06 of bf16 */
    int32_t gemm;            /* BP_GEMM_*, of the device */
    int32_t reserved;        /* 0 */
    uint64_t seed;           /* of random data */
} bp_gradcheck_options;

/* 32 rows, 2e9 multiply-adds (about a second), 1e-6, 0. */
BP_API bp_gradcheck_options bp_gradcheck_options_default(void);

/* One derivative. relative_error is |gradient - numerical| over the largest of: both, the root mean
 * square of those of the layer, and what rounding of E leaves uncertain of numerical, divided by
 * the tolerance. */
typedef struct bp_gradcheck_parameter {
    size_t layer, to, from; /* from is 0 for a bias */
    int32_t bias;           /* 0: a weight; of unit `to` 1: the bias, 2: the gain, 3: the shift */
    double gradient, numerical, relative_error;
} bp_gradcheck_parameter;

#define BP_GRADCHECK_WORST 3

typedef struct bp_gradcheck_layer {
    size_t parameters, checked;
    size_t kinks; /* of those checked: at a corner of a function like relu, where
                     derivatives from both sides differ and the gradient is between */
    double max_relative_error;
    double relative_l2;  /* of all that were checked: |gradient - numerical| / |numerical| */
    double device_error; /* relative, over all parameters: |device - reference| over the larger
                            of |reference| and 1/100 of the gradient that an error with
                            derivative 1 at every output would have. NAN without a device */
    int32_t passed, device_passed; /* 1 or 0; device_passed is 1 without a device */
    size_t worst_count;
    bp_gradcheck_parameter worst[BP_GRADCHECK_WORST]; /* the largest relative errors first */
} bp_gradcheck_layer;

typedef struct bp_gradcheck_result {
    size_t rows;  /* of the batch */
    double error; /* E, its mean */
    size_t parameters, checked, kinks;
    double max_relative_error, relative_l2;
    double device_error; /* the largest of all layers; NAN without a device */
    int32_t passed;      /* 1: everything agrees */
    int32_t wrong_layer,
        device_wrong_layer; /* where it goes wrong: the last layer that did not pass,
                  since on the way back what is wrong stays wrong. -1: none */
    size_t layer_count;
    bp_gradcheck_layer *layers; /* [layer_count], the caller's: bp_gradcheck_free */
    double device_tolerance;    /* that counted */
} bp_gradcheck_result;

/* device may be NULL: the reference alone is checked. data is encoded and fits the model; NULL:
 * random numbers in -1..1, targets in 0.2..0.8, or random labels with cross-entropy. options may be
 * NULL. Gradients that do not agree are no error: see passed. Errors: BP_ERROR_ARGUMENT,
 * BP_ERROR_MODEL, BP_ERROR_DATA, BP_ERROR_MEMORY, BP_ERROR_DIVERGED (E is not finite); with a
 * device as bp_train. */
BP_API bp_status bp_gradcheck(bp_gradcheck_result *out, const bp_model *model, bp_device *device,
                              const bp_data *data, const bp_gradcheck_options *options);
BP_API void bp_gradcheck_free(bp_gradcheck_result *result);

/* ---- 3. Surveying ------------------------------------------------------------------------------
 *
 * What happens in a network over many samples, each with its own error and its own gradient. */

#define BP_HISTOGRAM_BINS 128

/* Values in equal bins over [-reach, reach); reach is a power of 2. */
typedef struct bp_histogram {
    double reach;
    uint64_t bins[BP_HISTOGRAM_BINS];
    uint64_t count;             /* of finite values */
    uint64_t zeros;             /* of them exactly 0 */
    uint64_t not_finite;        /* further values, in no bin */
    double min, max, mean, rms; /* of the finite ones; 0 where there are none */
} bp_histogram;

typedef struct bp_survey_layer {
    size_t units;
    bp_histogram weights;     /* and biases */
    bp_histogram activations; /* of all units and samples */
    bp_histogram deltas;
    bp_histogram gradient_norms; /* log10 |dE/dW, dE/db| of each sample; norms of 0 count as zeros
                                    and are in no bin */
    size_t dead;                 /* units whose slope is 0 for every sample: they learn nothing */
    size_t saturated; /* units whose slope is below 1/100 of their function's steepest for
                         9 samples of 10, and not always 0: they hardly learn */
} bp_survey_layer;

typedef struct bp_survey {
    size_t rows;    /* that were looked at: the first ones */
    double error;   /* their mean */
    double *errors; /* [rows] */
    size_t layer_count;
    bp_survey_layer *layers; /* [layer_count] */
} bp_survey;

/* At most `rows` rows of encoded data that fits the model. The arrays are the caller's:
 * bp_survey_free. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MODEL, BP_ERROR_DATA, BP_ERROR_MEMORY. */
BP_API bp_status bp_survey_data(bp_survey *out, const bp_model *model, const bp_data *data,
                                size_t rows);
BP_API void bp_survey_free(bp_survey *survey);

/* ---- 4. Watching -------------------------------------------------------------------------------
 *
 * A training under way, layer by layer. In the progress callback of bp_train, between epochs:
 *
 *     if (now->epoch_done) bp_watch_look(watch, now->trainer);
 *     if (now->diverged) bp_watch_trace(watch, now->trainer, &trace);
 *
 * Nothing that is looked at changes: the training goes on as if it had not been watched. */
typedef struct bp_watch bp_watch;

/* What a look may find in a layer; several are added up. */
#define BP_FINDING_VANISHING                                                                       \
    1 /* its gradient is below 1e-3 of the largest, both as root mean squares:                     \
         it gets lost on the way back */
#define BP_FINDING_EXPLODING                                                                       \
    2                     /* its deltas are above 1e3 times those of the last layer, both as root  \
                             mean squares: they grow on the way back */
#define BP_FINDING_FAST 4 /* a step moves its parameters by more than a tenth of their length */
#define BP_FINDING_SATURATED 8 /* a quarter of its units or more are saturated */
#define BP_FINDING_DEAD 16     /* a tenth of its units or more are dead */

typedef struct bp_watch_layer {
    size_t units;
    double weights;         /* |W, b| */
    double gradient;        /* |dE/dW, dE/db| of a batch */
    double update;          /* by how much a step with it moves them */
    double delta;           /* root mean square of its units' deltas */
    size_t dead, saturated; /* as in a bp_survey_layer */
    int32_t
        findings; /* BP_FINDING_*; only hidden layers have saturated and dead units to be found */
} bp_watch_layer;

/* model and data are those that the training starts with; data is copied as far as it is needed: at
 * most `rows` evenly spread rows, 256 or so. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MODEL,
 * BP_ERROR_DATA, BP_ERROR_MEMORY. */
BP_API bp_status bp_watch_create(bp_watch **out, const bp_model *model, const bp_data *data,
                                 size_t rows);
BP_API void bp_watch_free(bp_watch *watch);

/* Looks at the trainer as it is now, which is also where bp_watch_trace will start from. Errors:
 * those of the device. */
BP_API bp_status bp_watch_look(bp_watch *watch, bp_trainer *trainer);

/* Of the last look; all zero before the first, and where there is no such layer. */
BP_API bp_watch_layer bp_watch_get(const bp_watch *watch, size_t layer);

#define BP_TRACE_NOTHING 0    /* everything stayed finite when it was done again */
#define BP_TRACE_INPUT 1      /* a sample */
#define BP_TRACE_ACTIVATION 2 /* row: of the batch; column: unit */
#define BP_TRACE_ERROR 3      /* of a sample */
#define BP_TRACE_DELTA 4      /* row: of the batch; column: unit */
#define BP_TRACE_GRADIENT 5   /* row: unit; column: its input; of a bias the number of inputs */
#define BP_TRACE_WEIGHT 6     /* after the update; row and column as for the gradient */
#define BP_TRACE_LOSS 7       /* the sum of the batch's errors, while each is finite */

/* The first number that was not finite. */
typedef struct bp_trace {
    int32_t what;        /* BP_TRACE_* */
    int64_t epoch, step; /* from 1; step of that epoch */
    size_t layer;        /* where `what` has one */
    size_t row, column;
    double value; /* an infinity or NAN */
} bp_trace;

/* After an epoch has diverged: does everything again from the last look at finite parameters (from
 * the start, if there was none), up to the step before the first loss that is not finite; from
 * there operation by operation, looking at each result. Leaves the trainer there. Errors: those of
 * the device. */
BP_API bp_status bp_watch_trace(bp_watch *watch, bp_trainer *trainer, bp_trace *out);

#ifdef __cplusplus
}
#endif
#endif
