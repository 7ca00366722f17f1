/* backprop_model.h - part 4 of the manual, backprop.h, which includes it: models. */
#ifndef BACKPROP_MODEL_H
#define BACKPROP_MODEL_H

#include "backprop_data.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 4. Models -------------------------------------------------------------------------------- */

/* A network's architecture and its parameters in host memory, with the schema that feeds it. */
typedef struct bp_model bp_model;

#define BP_ACTIVATION_LINEAR 0
#define BP_ACTIVATION_SIGMOID 1
#define BP_ACTIVATION_TANH 2
#define BP_ACTIVATION_RELU 3
#define BP_ACTIVATION_SOFTMAX 4    /* output layer only, with cross-entropy */
#define BP_ACTIVATION_LEAKY_RELU 5 /* z, below 0 z / 100 */
#define BP_ACTIVATION_ELU 6        /* z, below 0 e^z - 1 */
#define BP_ACTIVATION_SELU 7       /* s z, below 0 s alpha (e^z - 1): Klambauer et al. 2017 */
#define BP_ACTIVATION_GELU 8       /* z Phi(z), Phi of the normal distribution, exact */
#define BP_ACTIVATION_SILU 9       /* z sigmoid(z), also called swish */
#define BP_ACTIVATION_SOFTPLUS 10  /* ln(1 + e^z) */
#define BP_ACTIVATION_SOFTSIGN 11  /* z / (1 + |z|) */
#define BP_ACTIVATION_SINE 12      /* sin(z) */
#define BP_ACTIVATION_AUTO (-1)

/* Per sample, a = output activations, t = targets, n outputs; the loss of a batch or data set is the
 * mean over its samples. Cross-entropy and bce are taken from the net inputs. */
#define BP_LOSS_HALF_SQUARED 0  /* E = 1/2 sum_k (t_k - a_k)^2 */
#define BP_LOSS_CROSS_ENTROPY 1 /* E = -sum_k t_k log softmax(z)_k; output activation softmax */
#define BP_LOSS_MSE 2           /* E = 1/n sum_k (t_k - a_k)^2 */
#define BP_LOSS_MAE 3           /* E = 1/n sum_k |t_k - a_k| */
#define BP_LOSS_HUBER 4         /* E = 1/n sum_k h(t_k - a_k), h(d) = d^2/2 where |d| <= p, else
                                   p (|d| - p/2) */
#define BP_LOSS_QUANTILE 5      /* E = 1/n sum_k max(p d, (p - 1) d), d = t_k - a_k: towards the value
                                   that a share p of the targets lie below */
#define BP_LOSS_BCE 6           /* E = -sum_k t_k ln a_k + (1 - t_k) ln(1 - a_k); output activation
                                   sigmoid: several classes at once, or none */
#define BP_LOSS_AUTO (-1)

#define BP_NORM_NONE 0
#define BP_NORM_LAYER 1 /* over the units of each sample: Ba et al. 2016 */
#define BP_NORM_BATCH 2 /* over the samples of a batch of at least two, for each unit: Ioffe & Szegedy 2015;
                           in evaluation and prediction with the mean and variance that a training has
                           found, moving a tenth of the way to those of each batch. A single row that
                           is left over in an epoch goes with the batch before it */

#define BP_OPTIMIZER_SGD 0      /* w -= r g */
#define BP_OPTIMIZER_MOMENTUM 1 /* v = m v + g; w -= r v */
#define BP_OPTIMIZER_ADAM 2     /* Kingma & Ba 2015, algorithm 1, with bias correction */
#define BP_OPTIMIZER_NESTEROV 3 /* v = m v + g; w -= r (g + m v) */
#define BP_OPTIMIZER_ADAGRAD 4  /* Duchi et al. 2011 */
#define BP_OPTIMIZER_RMSPROP 5  /* Tieleman & Hinton 2012; beta2 is its decay */
#define BP_OPTIMIZER_ADAMW 6    /* Loshchilov & Hutter 2019: Adam with decoupled weight decay */
#define BP_OPTIMIZER_LION 7     /* Chen et al. 2023 */
#define BP_OPTIMIZER_RPROP 8    /* iRPROP-, Igel & Huesken 2003: for batches that are all of the data */
#define BP_OPTIMIZER_LBFGS 9    /* L-BFGS with a line search, for all of the data as one batch, small and
                                   resident: an epoch is one iteration, a step one evaluation of loss
                                   and gradient, learning_rate the first length that is tried. No
                                   bp_trainer_step, L1, clipping or schedule */

#define BP_INIT_AUTO (-1)       /* lecun_normal for selu, glorot_uniform otherwise */
#define BP_INIT_GLOROT_UNIFORM 0 /* U(+-sqrt(6 / (n_in + n_out))), Glorot & Bengio 2010 */
#define BP_INIT_HE_UNIFORM 1    /* U(+-sqrt(6 / n_in)), He et al. 2015 */
#define BP_INIT_UNIFORM 2       /* U(+-init_range) */
#define BP_INIT_GLOROT_NORMAL 3 /* N(0, 2 / (n_in + n_out)); the normal ones and orthogonal are the same
                                   on every machine but for the rounding of its logarithm and cosine */
#define BP_INIT_HE_NORMAL 4     /* N(0, 2 / n_in) */
#define BP_INIT_LECUN_UNIFORM 5 /* U(+-sqrt(3 / n_in)), LeCun et al. 1998 */
#define BP_INIT_LECUN_NORMAL 6  /* N(0, 1 / n_in) */
#define BP_INIT_ORTHOGONAL 7    /* orthonormal rows, or columns where there are fewer, Saxe et al. 2014 */

/* Names as the command line spells them; NULL for an unknown code, -2 for an unknown name. */
BP_API const char *bp_activation_name(int32_t activation);
BP_API int32_t bp_activation_from_name(const char *name);
BP_API const char *bp_loss_name(int32_t loss);
BP_API int32_t bp_loss_from_name(const char *name);
/* The output activation that a loss is taken together with; AUTO where it goes with any. */
BP_API int32_t bp_loss_output_activation(int32_t loss);
/* "none", "layernorm", "batchnorm" */
BP_API const char *bp_norm_name(int32_t norm);
BP_API int32_t bp_norm_from_name(const char *name);
BP_API const char *bp_optimizer_name(int32_t optimizer);
BP_API int32_t bp_optimizer_from_name(const char *name);
BP_API const char *bp_init_name(int32_t init);
BP_API int32_t bp_init_from_name(const char *name);

/* One dense layer: A_out = f(A_in W^T + b), W [outputs][inputs], b [outputs] where bias is 1. Members
 * from dropout on are for hidden layers; an initializer that does not name them leaves them out. */
typedef struct bp_layer {
    size_t inputs, outputs;
    int32_t activation; /* BP_ACTIVATION_* */
    int32_t bias;       /* 1 or 0 */
    float dropout;      /* p: in each step of a training each output is 0 with probability p, and
                           divided by 1 - p else; 0 <= p < 1, rounded to 1/65536. Never in evaluation and
                           prediction. The same units on every device: drawn by the training's seed,
                           the layer, the step, the row's place in the batch and the unit */
    int32_t residual;   /* 1: A_out = f(…) + A_in, of as many outputs as inputs; 0 */
    int32_t norm;       /* BP_NORM_*: A_out = f(gain z^ + shift), z^ what A_in W^T + b is normalised to,
                           gain and shift [outputs] learned, with no weight decay on them */
} bp_layer;

typedef struct bp_model_options {
    size_t size;
    const char *hidden;         /* "128,64" or "128:relu,64:batchnorm:dropout=0.2"; residual adds
                                   inputs to outputs; layernorm, batchnorm: BP_NORM_*; "" or
                                   NULL: a single layer */
    int32_t activation;         /* of hidden layers that name none */
    int32_t output_activation;  /* BP_ACTIVATION_AUTO: softmax, sigmoid or linear by task and loss */
    int32_t loss;               /* BP_LOSS_AUTO: what goes with the output activation if that is
                                   named, else cross-entropy for classes, else half squared */
    int32_t bias;               /* 1: every layer has biases */
    int32_t init;               /* BP_INIT_*; biases start at 0 */
    float init_range;           /* for BP_INIT_UNIFORM */
    uint64_t seed;
    const struct bp_model *init_from; /* a model whose hidden layers this one has instead of those that
                                   hidden asks for, with its parameters; the output layer's, too,
                                   where it has as many outputs and nothing else is asked for, else
                                   that one is new. The data must have its inputs. NULL: none */
    float loss_parameter;       /* p of huber, above 0, and of quantile, in (0, 1); 0: 1 and 0.5 */
    float dropout;              /* of hidden layers that say nothing of it */
} bp_model_options;

BP_API bp_model_options bp_model_options_default(void);

/* Makes a model for encoded data: inputs and outputs are the data's. Parameters are drawn from
 * Philox 4x32-10 with the seed: the same on every machine. If the data came through a schema, the
 * model keeps a copy of it. Errors: BP_ERROR_ARGUMENT, BP_ERROR_DATA, BP_ERROR_MEMORY. */
BP_API bp_status bp_model_create(bp_model **out, const bp_data *data, const bp_model_options *options);

/* Makes a model layer by layer; init as in the options (which may be NULL; hidden, activation and
 * bias in them are not used). layers[l].inputs must equal layers[l-1].outputs. */
BP_API bp_status bp_model_create_layers(bp_model **out, const bp_layer *layers, size_t count,
                                        const bp_model_options *options);

/* Loads a safetensors file: ours, or a PyTorch state_dict of Linear layers (names "0.weight",
 * "0.bias", "2.weight"…). A state_dict has no activations; activation is then what its hidden
 * layers get (BP_ACTIVATION_AUTO: relu), the output layer is linear with half squared error.
 * Errors: BP_ERROR_IO, BP_ERROR_MODEL (what is wrong, and at which byte or tensor), BP_ERROR_MEMORY. */
BP_API bp_status bp_model_load(bp_model **out, const char *path, int32_t activation);

/* Writes atomically: a temporary beside path, fsync, rename. On failure the old file is intact.
 * Errors: BP_ERROR_IO (disk full, not writable), BP_ERROR_MODEL (a parameter is not finite: such a
 * file could not be loaded), BP_ERROR_MEMORY. */
BP_API bp_status bp_model_save(const bp_model *model, const char *path);
BP_API void bp_model_free(bp_model *model);

typedef struct bp_model_info {
    size_t layers, inputs, outputs;
    size_t parameters; /* weights, biases, gains and shifts */
    int32_t loss;      /* BP_LOSS_* */
    float loss_parameter; /* p of huber and quantile; 0 where there is none */
} bp_model_info;

BP_API bp_model_info bp_model_get_info(const bp_model *model);
BP_API bp_layer bp_model_get_layer(const bp_model *model, size_t layer);

/* The parameters themselves: W_l [outputs][inputs] and b_l [outputs] (NULL without bias). They may
 * be written between trainings; they live as long as the model. NULL where layer is out of range. */
BP_API float *bp_model_weights(bp_model *model, size_t layer);
BP_API float *bp_model_biases(bp_model *model, size_t layer);

/* Of a layer with a norm, each [outputs], as above: gain and shift, which begin at 1 and 0; of batch
 * normalisation what a training has found, which is no parameter and begins at mean 0 and variance 1.
 * NULL where the layer has none. */
BP_API float *bp_model_gains(bp_model *model, size_t layer);
BP_API float *bp_model_shifts(bp_model *model, size_t layer);
BP_API float *bp_model_means(bp_model *model, size_t layer);
BP_API float *bp_model_variances(bp_model *model, size_t layer);

/* The schema, or NULL: the model takes encoded data only. Belongs to the model. set copies; the
 * schema's features and outputs must be the model's (BP_ERROR_MODEL). */
BP_API const bp_schema *bp_model_get_schema(const bp_model *model);
BP_API bp_status bp_model_set_schema(bp_model *model, const bp_schema *schema);

/* 1 if the file's content is that of a model rather than of data; it may be damaged for all that. */
BP_API int bp_is_model(const char *path);

/* Free-form records that are saved with the model ("command", "seed", "device"…). get returns NULL
 * where there is no such key; keys enumerates (NULL past the end). */
BP_API bp_status bp_model_set_record(bp_model *model, const char *key, const char *value);
BP_API const char *bp_model_get_record(const bp_model *model, const char *key);
BP_API const char *bp_model_record_key(const bp_model *model, size_t index);

#ifdef __cplusplus
}
#endif
#endif
