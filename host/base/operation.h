/* operation.h - the operations of which a network's pass over a batch is made, as plain records.
 *
 * The plan (host/net/plan.c) writes a list of these; an engine carries them out: host/ops/ turns
 * each into kernel launches, host/reference/ computes each in plain C. Every operation has one
 * stem: dense_forward is kernels/dense.cl or a GEMM with its epilogue, bp__launch_dense_forward in
 * host/ops/dense.c, bp__reference_dense_forward in host/reference/dense.c.
 *
 * Shapes: B rows of a batch, n = outputs and m = inputs of a layer. */
#ifndef BP_BASE_OPERATION_H
#define BP_BASE_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Memory of an engine; 32-bit words on a device. Numbers are float there and double in the
 * reference; integers are int32 in both. */
typedef struct bp__buffer bp__buffer;

typedef enum bp__type { BP__NUMBER, BP__INTEGER } bp__type;

/* A matrix inside a buffer. Where element (r, c) lies depends on who works with it:
 *
 *   in rows     offset + r * stride + c; columns from `columns` to `stride` are padding
 *   in panels   offset + c / stride * panel_step + r * stride + c % stride: panels of `stride`
 * columns (the device's vector width), row after row within each
 *
 * and `transposed` means that the transpose is what is stored: (r, c) lies where (c, r) would.
 *
 * Padding is zero in every buffer from its creation. Rows' padding stays zero, and so does that of
 * weights; that of the batch's matrices in panels may hold anything. The deltas of a plan share
 * memory, so that theirs is never zero, and no operation takes anything from it. */
typedef struct bp__view {
    bp__buffer *buffer; /* NULL: there is no such matrix */
    size_t offset;      /* of element (0, 0), in elements */
    size_t rows, columns, stride;
    size_t panel_step; /* 0: in rows */
    bool transposed;
} bp__view;

/* What a matrix is for, from which an engine knows how it wants it laid out. */
typedef enum bp__role {
    BP__DATA,   /* resident data: in rows without padding, and room for a vector behind them */
    BP__TABLE,  /* vectors: always in rows */
    BP__BATCH,  /* inputs, activations, deltas and targets of a batch */
    BP__WEIGHTS /* [outputs][inputs] of a layer, and their gradient */
} bp__role;

typedef enum bp__op_kind {
    BP__OP_GATHER,
    BP__OP_DENSE_FORWARD,
    BP__OP_SOFTMAX,
    BP__OP_LOSS,
    BP__OP_REDUCE_LOSS,
    BP__OP_DENSE_EFFECT,
    BP__OP_DENSE_GRADIENT,
    BP__OP_OPTIMIZER,
    BP__OP_SQUARES,
    BP__OP_CLIP,
    BP__OP_MAX_NORM,
    BP__OP_AVERAGE,
    BP__OP_ACCUMULATE,
    BP__OP_NORMALIZE,
    BP__OP_NORM_GRADIENT,
    BP__OP_NORM_EFFECT
} bp__op_kind;

/* out[i][:] = in[order[step * period + i]][:] for i < B; order [1][any] and step [1][1], the step
 * counter, are integers; in and out are of one type. period is the rows of a full batch, also where
 * B, the rows of this one, are fewer. */
typedef struct bp__gather {
    bp__view out, in, order, step;
    size_t period;
} bp__gather;

/* Dropout of a layer's outputs: unit k of row i is multiplied by m, which is 0 where the 16 random
 * bits of bp__random_drop are below bp__dropout_limit(rate), and 1 / bp__dropout_keep(rate)
 * elsewhere. What is dropped is stored as -0 and a 0 that is kept as +0, so that the way back needs
 * no mask. */
typedef struct bp__dropout {
    double rate;    /* 0: nothing is dropped, and the rest counts for nothing */
    bp__view hyper; /* [steps][BP__HYPER_COUNT]: row `step` has the number of the step */
    bp__view step;  /* [1][1], the step counter */
    uint64_t seed;
    uint32_t layer; /* from 1 */
    uint32_t unit;  /* of column 0 */
} bp__dropout;

uint32_t bp__dropout_limit(double rate);
/* The share that is kept: 1 - limit / 2^16. */
double bp__dropout_keep(double rate);

/* out = m f(in W^T + b) + skip: out [B][n], in [B][m], weights [n][m], bias [1][n] or absent; m is
 * 1 without dropout, skip [B][n] 0 where it is absent. net [B][n], where present, becomes what the
 * slope is taken from: in W^T + b, marked where m is 0, for functions whose slope is one of it
 * (base/families.h); m f(…) for others, which need it where out has something added. */
typedef struct bp__dense_forward {
    bp__view out, in, weights, bias, net, skip;
    bp__dropout dropout;
    int32_t activation; /* BP_ACTIVATION_*; linear where it is taken by another operation */
} bp__dense_forward;

/* out[i][:] = softmax(in[i][:]); out may be in. */
typedef struct bp__softmax {
    bp__view out, in;
} bp__softmax;

/* For each row i of `output` (activations; net inputs where bp__loss_takes_nets of base/families.h
 * says so), w = weights[i], or 1 where absent: row_loss[i] = w E_i;  row_hits[i] = 1 if the largest
 * output is the label's, else 0 delta[i][k] = scale * w dE_i/dz_k, where delta is present; delta
 * may be output Exactly one of labels [1][B] and targets [B][n] is present. A label means the
 * one-hot target, but for the smoothing of cross-entropy and bce, which takes a share of every
 * target and spreads it over all classes, or over both answers. */
typedef struct bp__loss {
    bp__view delta, row_loss, row_hits, output, labels, targets, weights;
    int32_t loss, activation;
    double scale, smoothing, parameter; /* parameter 0: the loss's own default */
} bp__loss;

/* A loss as its formulas take it: t = off + (on - off) target, E = share * sum of errors. */
typedef struct bp__loss_numbers {
    double scale, share, on, off, parameter; /* scale: of the effects, share included */
} bp__loss_numbers;

bp__loss_numbers bp__loss_numbers_of(const bp__loss *op);

/* losses[step] = sum of row_loss, hits[step] = sum of row_hits, then step += 1. */
typedef struct bp__reduce_loss {
    bp__view losses, hits, row_loss, row_hits, step;
} bp__reduce_loss;

/* delta_in = (delta W + skip) * m f'(in) element by element: delta_in [B][m], delta [B][n], weights
 * [n][m], in [B][m] are the activations of the layer before, or its net where it keeps one,
 * `activation` its function; where that is linear and nothing is dropped, in may be absent. m is
 * the layer's own, as bp__dropout says: dropout is its rate, and what is dropped in marks. skip
 * [B][m], 0 where it is absent, is what the units of the layer before do to the error past this
 * one. delta W + skip, which effect [B][m] becomes where it is present, is the effect of that
 * layer's units on the error. */
typedef struct bp__dense_effect {
    bp__view delta_in, delta, weights, in;
    int32_t activation;
    double dropout; /* 0: m is 1 */
    bp__view skip, effect;
} bp__dense_effect;

/* weights_gradient = delta^T in [n][m]; bias_gradient[k] = sum over rows of delta [1][n], where
 * present. Both overwrite. */
typedef struct bp__dense_gradient {
    bp__view weights_gradient, bias_gradient, delta, in;
} bp__dense_gradient;

/* How something is normalised. z^ = (in - mean) * scale, scale = 1 / sqrt(variance + epsilon),
 * where mean and variance are
 *
 *   BP_NORM_LAYER  those of a row over its n units: mean and scale [1][B]
 *   BP_NORM_BATCH  those of a unit over the B > 1 rows: mean and scale [1][n]; known: those that
 * the training has found instead
 */
typedef struct bp__moments {
    bp__view in, mean, scale; /* in [B][n]: net inputs */
    int32_t norm;             /* BP_NORM_* */
    bool known;
} bp__moments;

/* As PyTorch has them: epsilon, and how far what is known moves towards what a batch shows. */
static const float bp__norm_epsilon = 1e-5f, bp__norm_momentum = 0.1f;

/* mean and scale of moments, and out = m f(gain z^ + shift) + skip: out [B][n], gain and shift
 * [1][n]; m, skip and net as in dense_forward, of which gain z^ + shift are the net inputs here. Of
 * a batch, known_mean and known_variance [1][n] move by a tenth of the way to its mean and unbiased
 * variance unless they are what is used. */
typedef struct bp__normalize {
    bp__view out, gain, shift, net, skip, known_mean, known_variance;
    bp__moments moments;
    bp__dropout dropout;
    int32_t activation;
} bp__normalize;

/* gain_gradient = column sums of delta z^, shift_gradient = column sums of delta, both [1][n];
 * delta [B][n] is dE/d(gain z^ + shift). */
typedef struct bp__norm_gradient {
    bp__view gain_gradient, shift_gradient, delta;
    bp__moments moments;
} bp__norm_gradient;

/* delta, of gain z^ + shift, becomes that of in: with d = gain delta and means over what mean and
 * variance are taken over, scale (d - mean(d) - z^ mean(d z^)). Of a batch the means are gradients
 * / B times the gain, and 0 where the moments are known. */
typedef struct bp__norm_effect {
    bp__view delta, gain, gain_gradient, shift_gradient;
    bp__moments moments;
} bp__norm_effect;

/* Per-step numbers, made on the host in double; the same in kernels/hyper.cl. */
enum {
    BP__HYPER_RATE,
    BP__HYPER_CORRECTION1,
    BP__HYPER_CORRECTION2,
    BP__HYPER_STEP,    /* steps before this one, modulo 2^24: floats count no further */
    BP__HYPER_AVERAGE, /* how far averages move towards the parameters */
    BP__HYPER_SHARE,   /* what makes a group's sum of gradients the mean over its rows */
    BP__HYPER_COUNT
};

/* out[c] = sum of the squares of elements [c * chunk, (c + 1) * chunk) of in [1][N]; out [1][P]. */
typedef struct bp__squares {
    bp__view out, in;
    size_t chunk;
} bp__squares;

/* factor [1][1] = limit / (norm + 1e-6) where that is below 1, else 1; norm^2 = sum of squares
 * [1][P].
 */
typedef struct bp__clip {
    bp__view factor, squares;
    float limit;
} bp__clip;

/* For all batches of a group but the last, sums += gradients; for the last, gradients = share (sums
 * + gradients), then sums = 0, share being hyper[step - 1][BP__HYPER_SHARE], step having been
 * advanced by reduce_loss; sums and gradients [1][N], of the same layout. */
typedef struct bp__accumulate {
    bp__view sums, gradients, hyper, step;
    bool ends; /* the last batch of the group */
} bp__accumulate;

/* weights[k][:] *= limit / norm for each unit k whose norm, the root of the sum of the squares of
 * its weights, is above limit. A norm beyond what the numbers hold makes the unit's weights NaN:
 * they have diverged. */
typedef struct bp__max_norm {
    bp__view weights; /* [n][m] */
    float limit;
} bp__max_norm;

/* averages += share (parameters - averages), share being hyper[step - 1][BP__HYPER_AVERAGE], step
 * having been advanced by reduce_loss; averages and parameters [1][N], of the same layout. */
typedef struct bp__average {
    bp__view averages, parameters, hyper, step;
} bp__average;

/* parameters, by BP_OPTIMIZER_*, from gradients; all views [1][N] and of the same layout; formulas
 * in kernels/update.cl. hyper [steps][BP__HYPER_COUNT]: row (step - 1) is used, step having been
 * advanced by reduce_loss. Each gradient is multiplied by factor [1][1], where present, then cut
 * off at +-clip (0: not), then l2 w + l1 sign(w) is added. */
typedef struct bp__optimizer {
    bp__view parameters, gradients, moment1, moment2, hyper, step, factor;
    int32_t optimizer;
    float momentum, beta1, beta2, epsilon;
    float decay, l2, l1, clip;
    bool keep_gradients; /* false: a gradient whose only use is this update need not be stored */
} bp__optimizer;

/* Whether an update does anything to its gradients first. */
bool bp__update_is_shaped(const bp__optimizer *op);

typedef struct bp__op {
    bp__op_kind kind;
    size_t layer; /* whose weights take part, from 1; 0: no layer's alone. For profiles */
    union {
        bp__gather gather;
        bp__dense_forward dense_forward;
        bp__softmax softmax;
        bp__loss loss;
        bp__reduce_loss reduce_loss;
        bp__dense_effect dense_effect;
        bp__dense_gradient dense_gradient;
        bp__optimizer optimizer;
        bp__squares squares;
        bp__clip clip;
        bp__max_norm max_norm;
        bp__average average;
        bp__accumulate accumulate;
        bp__normalize normalize;
        bp__norm_gradient norm_gradient;
        bp__norm_effect norm_effect;
    } as;
} bp__op;

/* ---- Engines -------------------------------------------------------------------------------- */

typedef struct bp__engine bp__engine;

/* A list of operations made ready to be replayed. */
typedef struct bp__sequence bp__sequence;

typedef struct bp__engine_api {
    void (*free)(bp__engine *engine);
    bp_status (*buffer_create)(bp__engine *engine, bp__buffer **out, bp__type type, size_t count,
                               bool later);
    void (*buffer_free)(bp__engine *engine, bp__buffer *buffer);
    bp_status (*write)(bp__engine *engine, const bp__view *view, const void *host);
    bp_status (*read)(bp__engine *engine, const bp__view *view, void *host);
    bp_status (*read_behind)(bp__engine *engine, const bp__view *view, void *host);
    bp_status (*sequence_create)(bp__engine *engine, bp__sequence **out, const bp__op *ops,
                                 size_t count);
    void (*sequence_free)(bp__engine *engine, bp__sequence *sequence);
    bp_status (*sequence_run)(bp__engine *engine, bp__sequence *sequence, size_t times);
    bp_status (*finish)(bp__engine *engine);
    bp_status (*profile)(bp__engine *engine, bp_profile *profile);
    bp_status (*shared_create)(bp__engine *engine, bp__buffer **out, bp__type type, size_t count);
    bp_status (*map)(bp__engine *engine, bp__buffer *buffer, void **host);
    bp_status (*unmap)(bp__engine *engine, bp__buffer *buffer);
} bp__engine_api;

struct bp__engine {
    const bp__engine_api *api;
    size_t quantum;      /* row strides are multiples of this: the device's vector width */
    bool panels;         /* batches and weights are in panels of `quantum` columns */
    size_t tile_rows;    /* panels of a batch have room for whole tiles of this many rows; 0: any */
    bp_profile *profile; /* where the times of everything go, or NULL */
    size_t bytes;        /* of memory that buffers and sequences hold */
    size_t buffer_limit; /* bytes that one buffer can have */
    size_t memory;       /* bytes of all buffers together */
};

/* Lays out a matrix [rows][columns] of the given role at *elements of a buffer yet to come; adds
 * what it takes to *elements. false where that overflows. */
bool bp__view_place(bp__view *view, size_t *elements, const bp__engine *engine, bp__role role,
                    size_t rows, size_t columns);

/* Where element (row, column) of a view lies in its buffer. */
size_t bp__view_index(const bp__view *view, size_t row, size_t column);

/* Rows [first, first + count) of a view that is not transposed. */
bp__view bp__view_rows(const bp__view *view, size_t first, size_t count);

/* The elements from a view's first to the end of its last row or panel. */
size_t bp__view_extent(const bp__view *view);

/* A buffer of `count` elements, all zero. BP_ERROR_DEVICE_MEMORY names the size. */
bp_status bp__buffer_create(bp__engine *engine, bp__buffer **out, bp__type type, size_t count);
/* The same for gradients, which a device may use up without storing them: the buffer may stay
 * without memory until a sequence is created that stores something in it. */
bp_status bp__buffer_create_later(bp__engine *engine, bp__buffer **out, bp__type type,
                                  size_t count);
void bp__buffer_free(bp__engine *engine, bp__buffer *buffer);

/* Copies host [rows][columns] (float or int32, no gaps) to a view, and back. Both return when host
 * may be reused. Padding is not touched. */
bp_status bp__view_write(bp__engine *engine, const bp__view *view, const void *host);
bp_status bp__view_read(bp__engine *engine, const bp__view *view, void *host);

/* Enqueues a read of a view into host and waits for the *previous* read_behind only: the caller
 * learns how far the device is without making it idle. host is valid after the next read_behind or
 * finish. */
bp_status bp__view_read_behind(bp__engine *engine, const bp__view *view, void *host);

/* A buffer that the host fills in place, again and again, while sequences that do not read it run:
 *
 *     bp__buffer_map(engine, buffer, &host);   float or int32 [count], as it was left; waits for
 *                                              nothing but the last unmap
 *     ...                                      any thread may write to host
 *     bp__buffer_unmap(engine, buffer);        what is run from now on finds it there; returns at
 *                                              once
 *
 * Not to be mapped while a sequence that reads it may still run. Where the device works in the
 * host's memory nothing is copied; elsewhere host is pinned, and the copy runs beside the
 * sequences. */
bp_status bp__buffer_create_shared(bp__engine *engine, bp__buffer **out, bp__type type,
                                   size_t count);
bp_status bp__buffer_map(bp__engine *engine, bp__buffer *buffer, void **host);
bp_status bp__buffer_unmap(bp__engine *engine, bp__buffer *buffer);

/* Builds what ops[count] need. The views are copied; buffers must outlive the sequence. */
bp_status bp__sequence_create(bp__engine *engine, bp__sequence **out, const bp__op *ops,
                              size_t count);
void bp__sequence_free(bp__engine *engine, bp__sequence *sequence);
/* Replays the list `times` times, in order; returns without waiting for the device. */
bp_status bp__sequence_run(bp__engine *engine, bp__sequence *sequence, size_t times);
bp_status bp__engine_finish(bp__engine *engine);

/* Has everything timed from now on until the engine is freed, which profile must outlive. Before
 * anything else is done with the engine: a sequence knows from its creation whether it is timed. */
bp_status bp__engine_profile(bp__engine *engine, bp_profile *profile);
void bp__engine_free(bp__engine *engine);

#endif
