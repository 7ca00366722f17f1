/* backprop.h - libbackprop: train feed-forward neural networks on any OpenCL device, from C.
 *
 * This header is the manual, and all that most programs include. It has five parts, simple before
 * advanced:
 *
 *   1. Status and errors      what every call returns, and where the details are: backprop_base.h
 *   2. Devices                which machines can compute, and how to open one: backprop_base.h
 *   3. Data sets              arrays in memory, files, splits, scaling: backprop_data.h
 *   4. Models                 architecture, parameters, saving and loading: backprop_model.h
 *   5. Training and using     train, evaluate, predict; then step by step: below
 *
 * Not included, backprop_explain.h has the parts for looking inside: a training step number by number;
 * backprop_evaluate.h what is measured of a model beyond loss and accuracy; backprop_measure.h how fast
 * and how right a device is.
 *
 * The intended use, in ten lines (examples/xor.c is this program with its error checks):
 *
 *     const float x[] = {0,0, 0,1, 1,0, 1,1}, t[] = {0, 1, 1, 0};
 *     bp_device *device; bp_data *data; bp_model *model; float y[4];
 *     bp_device_open(&device, "auto");
 *     bp_data_from_arrays(&data, x, 4, 2, t, 1);
 *     bp_model_options shape = bp_model_options_default();
 *     shape.hidden = "8:tanh"; shape.loss = BP_LOSS_HALF_SQUARED;
 *     bp_model_create(&model, data, &shape);
 *     bp_train_options how = bp_train_options_default();
 *     how.epochs = 500; how.batch = 4; how.learning_rate = 0.05f;
 *     bp_train(model, device, data, NULL, &how, NULL);
 *     bp_predict(model, device, x, 4, y);
 *
 * Conventions that hold everywhere:
 *   - Functions that can fail return bp_status. An object that a call makes is its first argument;
 *     it is set to NULL on failure. Every bp_noun_free accepts NULL.
 *   - Matrices are float32, row-major, one sample a row, without gaps: x is [rows][features].
 *   - Arguments are borrowed for the duration of the call and copied where they are needed longer,
 *     unless a declaration says otherwise. Returned `const char *` texts belong to the library.
 *   - Option structs come from bp_x_options_default(), which also fills in their `size`, so that
 *     fields can be added without breaking programs that were compiled earlier.
 *   - The library never prints, never exits and installs no signal handlers.
 *   - Objects may be used by one thread at a time; different objects by different threads at once.
 *     The OpenCL device behind a bp_device may be shared: open it twice.
 *
 * Notation in comments: B rows of a batch, n_l units of layer l, A_l its activations [B][n_l],
 * W_l its weights [n_l][n_{l-1}] (one row per output unit, PyTorch's order), b_l its biases.
 */
#ifndef BACKPROP_H
#define BACKPROP_H

#include "backprop_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 5. Training and using -------------------------------------------------------------------- */

/* How the learning rate r goes from step to step; `epochs` and `warmup` are in epochs. */
#define BP_SCHEDULE_AUTO (-1)     /* of bp_train cosine where epochs are 0 and there is no patience;
                                     else constant */
#define BP_SCHEDULE_CONSTANT 0    /* r */
#define BP_SCHEDULE_STEP 1        /* times decay after every decay_every epochs */
#define BP_SCHEDULE_EXPONENTIAL 2 /* times decay in every epoch, a little in every step */
#define BP_SCHEDULE_COSINE 3      /* down to final_rate along half a wave; Loshchilov & Hutter 2017 */
#define BP_SCHEDULE_ONECYCLE 4    /* up from r / 25 during warmup, then down to final_rate, both along
                                     half a wave; Smith & Topin 2018 */
#define BP_SCHEDULE_PLATEAU 5     /* times decay where the monitor has not improved for more than
                                     decay_every epochs */
BP_API const char *bp_schedule_name(int32_t schedule);
BP_API int32_t bp_schedule_from_name(const char *name);

/* What tells which epoch was the best: for patience, for the parameters that are kept, and for
 * plateaus. All but the first two are measured on validation data, as bp_report has them. */
#define BP_MONITOR_AUTO (-1) /* validation_loss, without validation data train_loss */
#define BP_MONITOR_TRAIN_LOSS 0
#define BP_MONITOR_VALIDATION_LOSS 1
#define BP_MONITOR_ACCURACY 2 /* of classes, and of labels: of whole samples */
#define BP_MONITOR_BALANCED_ACCURACY 3
#define BP_MONITOR_F1 4       /* mean over the classes, or labels */
#define BP_MONITOR_AUC 5
#define BP_MONITOR_LOG_LOSS 6
#define BP_MONITOR_RMSE 7
#define BP_MONITOR_MAE 8
#define BP_MONITOR_R2 9
BP_API const char *bp_monitor_name(int32_t monitor);
BP_API int32_t bp_monitor_from_name(const char *name);

#define BP_GEMM_AUTO 0    /* by kind of device */
#define BP_GEMM_NATIVE 1  /* this library's own kernels, the variant by kind of device */
#define BP_GEMM_CLBLAST 2 /* CLBlast, loaded only when chosen */
#define BP_GEMM_NAIVE 3   /* the one-line kernel: for understanding and for tests */
#define BP_GEMM_GPU 4     /* native, GPU variant whatever the device */
#define BP_GEMM_CPU 5     /* native, CPU variant whatever the device */
#define BP_GEMM_MATRIX 6  /* native, by matrix units (bp_device_set_precision), which compute every product
                             below fp32, and those of fp32 that tuning found to be faster so: a number
                             in two parts, three products */
BP_API const char *bp_gemm_name(int32_t gemm);
BP_API int32_t bp_gemm_from_name(const char *name);

/* The order in which an epoch takes the rows; all are functions of seed, epoch, rows and the two
 * sizes below, and the same whether the data is resident or streamed.
 * BP_SHUFFLE_ALL: one permutation of all rows, drawn anew each epoch. Resident data only.
 * BP_SHUFFLE_BLOCKS: rows are cut into blocks of neighbours (as many as take 128 KiB as float32), the
 * epoch takes the blocks in a random order, and within each window of bp_train_options.window rows,
 * the next ones in that order, the rows in a random order. With the sizes that are the default a
 * window is more than a hundred blocks from anywhere in the data, so that a batch is nearly as
 * mixed as with BP_SHUFFLE_ALL, also where the rows are sorted. */
#define BP_SHUFFLE_NONE 0   /* the order of the data */
#define BP_SHUFFLE_AUTO 1   /* ALL for resident, BLOCKS for streamed data */
#define BP_SHUFFLE_BLOCKS 2
#define BP_SHUFFLE_ALL 3
BP_API const char *bp_shuffle_name(int32_t shuffle); /* "none"; NULL for an unknown code */
BP_API int32_t bp_shuffle_from_name(const char *name); /* -2 for an unknown name */

/* Whether rows are streamed to the device through a few buffers that a thread fills while it trains:
 * AUTO: where they lie in a file, or are more than the device can hold. */
#define BP_STREAM_AUTO 0
#define BP_STREAM_YES 1
#define BP_STREAM_NO 2
BP_API const char *bp_stream_name(int32_t stream);
BP_API int32_t bp_stream_from_name(const char *name);

typedef struct bp_progress {
    int64_t epoch, epochs;     /* current, from 1; and in all */
    int64_t step, steps;       /* finished in this epoch, and in all in an epoch */
    int32_t epoch_done;        /* 1: the epoch is complete, its losses below are final */
    double train_loss;         /* mean over the samples of the epoch so far */
    double validation_loss;    /* NAN until an epoch is done, or without validation data */
    double validation_accuracy; /* as bp_metrics has it */
    double learning_rate;
    double seconds;            /* spent in training so far, evaluation not counted */
    double samples_per_second;
    struct bp_trainer *trainer; /* the training itself, to be looked at (bp_watch_look); NULL while
                                   an epoch is under way */
    int32_t diverged;          /* 1: the training ends here with BP_ERROR_DIVERGED; trainer is as the
                                  epoch left it */
    const char *checkpoint_error; /* why the last checkpoint could not be written; the training goes
                                     on and tries again. NULL: it could, or there is none */
    double monitored;          /* value of the monitor; NAN until an epoch is done */
    int64_t best_epoch;        /* so far; 0: none */
} bp_progress;

/* Called about ten times a second, at the end of each epoch, and where training diverges. A value other than 0 stops the
 * training at this step boundary with BP_ERROR_CANCELLED; the model then holds what was trained. */
typedef int (*bp_progress_fn)(const bp_progress *progress, void *user);

/* Collects what ran when; see part 6. */
typedef struct bp_profile bp_profile;

typedef struct bp_train_options {
    size_t size;
    int64_t epochs;       /* 0: by the number of rows, so many that 240,000 samples are seen, at least
                             15 and at most 120; ten times as many with patience */
    int64_t batch;        /* rows a step; the last batch of an epoch may be smaller (or, with
                             BP_NORM_BATCH, have one row more). 0: the optimizer's own
                             (bp_optimizer_default_batch) */
    int32_t optimizer;    /* BP_OPTIMIZER_* */
    int32_t shuffle;      /* BP_SHUFFLE_* */
    int32_t gemm;         /* BP_GEMM_* */
    float learning_rate;  /* 0: the optimizer's default (sgd .1, momentum .02, adam .001…) */
    float momentum;       /* m of momentum and nesterov */
    float beta1, beta2, epsilon; /* of adam, adamw, lion, rmsprop and adagrad, as far as they have
                              them; negative: the optimizer's own */
    uint64_t seed;
    bp_progress_fn progress; /* may be NULL */
    void *user;
    bp_profile *profile; /* receives what the device does; must outlive the training. NULL: nothing
                            is measured, and nothing is paid for it */
    int32_t freeze_bias;  /* 1: biases take part, but keep the values that they have */
    const char *checkpoint; /* bp_train: the file that gets the state of the training (below); NULL:
                               none. Written after every */
    int64_t checkpoint_epochs; /* so many epochs, */
    int64_t checkpoint_steps;  /* so many steps, */
    double checkpoint_seconds; /* so many seconds (0: not for that reason), when the training has
                                  come to its end, and when the callback stops it */
    const char *resume;     /* bp_train: the checkpoint to go on from; NULL: from the start */
    int32_t stream;       /* BP_STREAM_* */
    int64_t window;       /* rows of a window of BP_SHUFFLE_BLOCKS and of a buffer of a stream, rounded
                             down to whole batches; 0: as many as take 16 MiB as float32. A stream
                             needs three windows of device memory, and as much pinned host memory
                             where the device has memory of its own */
    int32_t monitor;      /* BP_MONITOR_* */
    int32_t keep_best;    /* 1: the model ends as it was after its best epoch; 0: after the last;
                             -1: 1 where there is patience */
    int64_t patience;     /* training ends after this many epochs without an improvement; 0: never */
    double min_delta;     /* what the monitor must improve by, or more, to count as an improvement */
    int32_t schedule;     /* BP_SCHEDULE_* */
    double warmup;        /* epochs (parts count) in which the rate rises from 0 in a line, before the
                             schedule begins; of onecycle its rise, 0: 3/10 of all */
    double decay;         /* of step (0: 0.1), exponential (0: what makes it 1/100 in the end) and
                             plateau (0: 0.5) */
    int64_t decay_every;  /* epochs, of step (0: a third of all) and plateau (0: 5) */
    double final_rate;    /* share of the learning rate: where cosine and onecycle end, and what the
                             others do not go below */
    int64_t steps_per_epoch; /* batches, of a training by bp_trainer_step, to which a schedule needs it; 0: what
                                the data of bp_trainer_set_data has */
    int64_t freeze_layers; /* the first so many layers keep their parameters, and no gradients are
                              computed for them; fewer than the model has */
    float weight_decay;   /* of all parameters: part of the update of adamw and lion, else added to the
                             gradient, times the parameter; negative: the optimizer's own (adamw
                             0.01, others 0) */
    float l1;             /* added to the gradient, times the parameter's sign */
    float clip_norm;      /* the gradients of a step are scaled down together where their norm is
                             above this; 0: not */
    float clip_value;     /* each gradient is cut off at plus and minus this; 0: not. After the norm */
    float label_smoothing; /* of cross_entropy and bce while training: the share of a target that is
                              spread over all classes, or over both answers; 0 <= it < 1 */
    float max_norm;       /* after each update the incoming weights of a unit, without its bias, are
                             scaled down where their Euclidean norm is above this; 0: not. Not of
                             frozen layers */
    double ema;           /* above 0: of all parameters, and of what is known of batches, averages are
                             kept that move after update t = 0, 1, ... by 1 - min(ema, (1 + t) / (10 + t))
                             of the way to them. The averages are what is validated, what the model and
                             bp_trainer_get_model receive, and what a checkpoint is as a model; the
                             training goes on with the parameters themselves, whose loss train_loss is.
                             0 <= it < 1 */
    int64_t accumulate;   /* batches whose gradients are combined for one update, as if they were one
                             batch: the mean over their rows. The last group of an epoch may have fewer;
                             of bp_trainer_step each so many calls are a group, of which one that
                             fails leaves nothing. Counts of steps are of batches, rates of schedules
                             and bias corrections go by updates; batch normalisation and dropout are of
                             each batch. 1: every batch by itself */
} bp_train_options;

BP_API bp_train_options bp_train_options_default(void);
BP_API float bp_optimizer_default_learning_rate(int32_t optimizer);
/* 32, or of lbfgs 2147483647: all rows that there are. */
BP_API int64_t bp_optimizer_default_batch(int32_t optimizer);

/* Of the whole training: what was done before it was resumed counts. */
typedef struct bp_train_result {
    int64_t epochs, steps;   /* finished */
    double train_loss;       /* of the last epoch, or of the best (best_kept) */
    double validation_loss, validation_accuracy; /* likewise, as bp_metrics has them; NAN where there
                                                  * is none */
    double seconds;          /* training only: no set-up, no validation */
    double setup_seconds;    /* upload and kernel build */
    double samples_per_second;
    size_t device_bytes;     /* of the device's memory, as bp_trainer_device_bytes, and for validation */
    bp_status checkpoint;    /* BP_OK, or why the last checkpoint could not be written */
    int32_t streamed;        /* 1: the training data was streamed */
    int32_t shuffle;         /* BP_SHUFFLE_* as it was done: never AUTO */
    double wait_seconds;     /* of a stream: part of seconds in which no rows were ready to go */
    int64_t best_epoch;      /* by the monitor, from 1; 0: no epoch was complete */
    double best_value;       /* of the monitor in that epoch; NAN where there is none */
    int32_t monitor;         /* BP_MONITOR_*, never auto */
    int32_t stopped_early;   /* 1: patience came to its end before the epochs */
    int64_t planned_epochs;  /* how many there would have been */
    int32_t best_kept;       /* 1: the model is that of best_epoch, and so are the losses above; 0: of
                                the last epoch */
    char checkpoint_error[256]; /* the same as checkpoint in words; empty where that is BP_OK */
} bp_train_result;

/* Trains model on encoded data. Targets that the output activation cannot reach are BP_ERROR_DATA
 * (bp_schema_scale_targets is the remedy). validation may be NULL; result may be NULL and is filled in on every
 * return. On BP_ERROR_CANCELLED the model holds the state at the step where it stopped; on
 * BP_ERROR_DIVERGED the state after the last epoch whose loss was finite; on both that after the best
 * epoch, where it is kept and there was one. Other errors leave the model as it was. Errors: also BP_ERROR_MODEL (the model does not fit the data),
 * BP_ERROR_DEVICE_MEMORY (says how much is needed), BP_ERROR_OPENCL, BP_ERROR_BUILD. */
BP_API bp_status bp_train(bp_model *model, bp_device *device, const bp_data *data,
                          const bp_data *validation, const bp_train_options *options,
                          bp_train_result *result);

/* Checkpoints. A checkpoint is a model file (bp_model_load reads it) that also holds all that a
 * training has to remember between two steps, and a checksum of its whole content. It is written
 * as a model is, beside its place, and the one before it stays as "<path>.previous": whenever the
 * process is killed or the disk is full, one of the two is sound.
 *
 *     how.checkpoint = "run.ckpt";
 *     if (access("run.ckpt", R_OK) == 0) how.resume = "run.ckpt";
 *     bp_train(model, device, data, NULL, &how, NULL);
 *
 * bp_train with resume wants model, data, validation data and options as they were at the start of
 * the training (model may also have been loaded from the checkpoint), and goes on at the step where
 * the checkpoint was written. On the same device, the result is the same as without the break, bit
 * for bit. epochs may be another number unless the schedule goes by it (cosine, onecycle, and step and
 * exponential by default), and so may checkpoint… and the callback; data may be streamed that was
 * resident, and the other way round, where shuffle is BP_SHUFFLE_BLOCKS or NONE. For whatever else
 * differs, BP_ERROR_MODEL names it. Another device or version of the library goes on as well, with its
 * own rounding: bp_checkpoint_get_info tells. Where the file is damaged or missing, the previous one is
 * taken instead; BP_ERROR_MODEL or BP_ERROR_IO where there is none either. */
typedef struct bp_checkpoint_info {
    int64_t epoch, epochs;  /* finished, and in all as the training was asked for */
    int64_t step, steps;    /* finished in the epoch under way (0: it has not begun), and in an epoch */
    int64_t total_steps;    /* finished in all */
    int32_t ended;          /* 1: the epochs are all done, or patience came to its end before */
    char device[256], driver[256], version[32]; /* of the library */
    char fingerprint[33];   /* bp_data_fingerprint of the training data; empty without data */
    int32_t shuffle;        /* BP_SHUFFLE_* as it was done: what BP_SHUFFLE_AUTO must mean again */
    int32_t previous;       /* 1: this is the previous one, because */
    char damage[512];       /* this is wrong with the file */
} bp_checkpoint_info;

/* Errors: BP_ERROR_IO, BP_ERROR_MODEL (damaged, or not a checkpoint), BP_ERROR_MEMORY. */
BP_API bp_status bp_checkpoint_get_info(bp_checkpoint_info *out, const char *path);

typedef struct bp_metrics {
    size_t samples;
    double loss;         /* mean over samples, in scaled units for regression */
    double accuracy;     /* of classes; of labels (bp_label_report) of whole samples; NAN otherwise */
    double rmse, mae, r2; /* regression, in the targets' own units; NAN otherwise */
    double seconds;
} bp_metrics;

/* Evaluates on encoded data. Errors as bp_train. */
BP_API bp_status bp_evaluate(bp_metrics *out, const bp_model *model, bp_device *device,
                             const bp_data *data);

/* Output activations y [rows][outputs] for encoded features x [rows][inputs]. For softmax they are
 * probabilities; for regression they are in the schema's scaled units (bp_schema_target_scale). */
BP_API bp_status bp_predict(const bp_model *model, bp_device *device, const float *x, size_t rows,
                            float *y);

/* The same again and again: a predictor keeps the parameters and compiled kernels on the device. A
 * row's answer is the same, bit for bit, whichever rows are beside it. model is copied; device must
 * outlive the predictor. Errors as bp_predict. */
typedef struct bp_predictor bp_predictor;
BP_API bp_status bp_predictor_create(bp_predictor **out, const bp_model *model, bp_device *device);
BP_API void bp_predictor_free(bp_predictor *predictor);
BP_API bp_status bp_predictor_run(bp_predictor *predictor, const float *x, size_t rows, float *y);

/* Step by step: a trainer keeps parameters, optimizer state and compiled kernels on the device. */
typedef struct bp_trainer bp_trainer;

/* model gives the start values; device must outlive the trainer. batch in the options is the largest
 * number of rows a step may have. */
BP_API bp_status bp_trainer_create(bp_trainer **out, const bp_model *model, bp_device *device,
                                   const bp_train_options *options);
BP_API void bp_trainer_free(bp_trainer *trainer);

/* Makes data (encoded) the set that bp_trainer_epoch draws its batches from: copied to the device, or,
 * where it is streamed (bp_train_options.stream), read while it trains and to outlive that. The
 * first checkpoint that is saved or loaded reads streamed data through once, for its fingerprint. */
BP_API bp_status bp_trainer_set_data(bp_trainer *trainer, const bp_data *data);

/* Runs one epoch; *loss (may be NULL) is the mean over its samples. BP_ERROR_DIVERGED where it is
 * not finite. */
BP_API bp_status bp_trainer_epoch(bp_trainer *trainer, double *loss);

/* One step on the caller's own arrays: x [rows][inputs], all finite (they are not looked through:
 * a NaN ends up in the parameters), and either targets [rows][outputs] or
 * labels[rows] (the other NULL); 1 <= rows <= batch. *loss (may be NULL; reading it waits for the
 * device) is the mean over the rows, before the step. */
BP_API bp_status bp_trainer_step(bp_trainer *trainer, const float *x, const float *targets,
                                 const int32_t *labels, size_t rows, double *loss);

/* The device's memory that the training holds, in bytes: parameters, optimizer state, resident data
 * with its permutation, and one batch's activations and deltas; gradients where they are stored, which
 * a CPU need not do for batches of up to 1024 rows except in bp_trainer_step. Vectors that are padded
 * come on top, for networks of some hundred thousand parameters about a percent. 0 for NULL. */
BP_API size_t bp_trainer_device_bytes(const bp_trainer *trainer);

/* Tells the schedule plateau what an epoch was measured to be, larger_is_better 1 or 0; the steps
 * that follow have the rate that comes of it. bp_train does it by itself. */
BP_API bp_status bp_trainer_observe(bp_trainer *trainer, double value, int32_t larger_is_better);

/* The learning rate of the step that comes next. */
BP_API double bp_trainer_get_rate(const bp_trainer *trainer);

/* Copies the parameters from the device into model, which must have the same layers. */
BP_API bp_status bp_trainer_get_model(bp_trainer *trainer, bp_model *model);

/* Writes a checkpoint between two steps or epochs. model, which must have the same layers, receives
 * the parameters and gives its schema and records. Errors: as bp_trainer_get_model and
 * bp_model_save. */
BP_API bp_status bp_trainer_save(bp_trainer *trainer, bp_model *model, const char *path);

/* Puts a trainer that was made with the same layers and options, and that has been given the same
 * data, where bp_trainer_save (or a checkpoint of bp_train) was: the next step or epoch gives the
 * same bits. An epoch that was under way is carried to its end by the next bp_trainer_epoch, whose
 * loss is that of the whole epoch. Errors: as for resume above; the trainer is then as it was, except after
 * BP_ERROR_OPENCL and BP_ERROR_MEMORY. */
BP_API bp_status bp_trainer_load(bp_trainer *trainer, const char *path);

/* The gradients of the last bp_trainer_step, in the layout of the parameters: weights
 * [outputs][inputs] and biases [outputs] (either may be NULL). They are of the mean loss over the
 * step's rows. The steps of an epoch use theirs up. Errors: BP_ERROR_ARGUMENT (no such layer, no
 * biases, no step yet or an epoch since). */
BP_API bp_status bp_trainer_get_gradients(bp_trainer *trainer, size_t layer, float *weights,
                                          float *biases);
/* The same of a layer's gains and shifts, each [outputs]. */
BP_API bp_status bp_trainer_get_norm_gradients(bp_trainer *trainer, size_t layer, float *gains,
                                               float *shifts);

#ifdef __cplusplus
}
#endif
#endif
