/* trainer.h - a training in progress, as bp_train and the step-by-step calls share it. */
#ifndef BP_TRAIN_TRAINER_H
#define BP_TRAIN_TRAINER_H

#include "base/fingerprint.h"
#include "net/plan.h"
#include "train/course.h"
#include "train/order.h"
#include "train/schedule.h"
#include "train/state.h"

/* A data set on an engine, with what the steps of one pass over it need. */
typedef struct bp__pass {
    bp__engine *engine;
    bp__buffer *x, *order, *counter, *losses, *hyper; /* losses [2][steps]: losses, hits */
    bp__buffer *labels, *targets;                     /* one of them */
    bp__buffer *weights;                              /* of the rows, of mean 1; NULL: all alike */
    float *hyper_table; /* [steps][BP__HYPER_COUNT], what is written to hyper; training only */
    bp__epoch_views views;
    size_t rows, batch, steps; /* steps: batches (bp__pieces) */
    bool shared;               /* all but losses are filled in place (bp__buffer_map) */
} bp__pass;

typedef struct bp__pass_shape {
    size_t rows, features, outputs; /* features 0: no data; batches are written by the caller */
    bool labels, weights;
} bp__pass_shape;

/* Room for the rows of a pass; training adds the hyper table. */
bp_status bp__pass_create_shape(bp__pass **out, bp__engine *engine, const bp__pass_shape *shape,
                                size_t batch, bool training, bool shared);
/* Copies encoded data to the engine and sets the order to 0, 1, 2… data NULL: one step a pass, for
 * rows that the caller brings (bp_trainer_step). */
bp_status bp__pass_create(bp__pass **out, bp__engine *engine, const bp_data *data, size_t batch,
                          bool training);
void bp__pass_free(bp__pass *pass);
/* Sets the step counter. */
bp_status bp__pass_seek(bp__pass *pass, int32_t step);
/* *out = the weights of encoded data [rows], of mean 1, or NULL where it has none. */
bp_status bp__scaled_weights(float **out, const bp_data *data);
/* Has a last batch of a single row go with the one before it. */
void bp__pass_join(bp__pass *pass);
/* Rows of the last batch: batch, or fewer, or one more where it was joined. */
size_t bp__pass_last_rows(const bp__pass *pass);

enum { BP__DATA_FACT = 128 };

/* Called between chunks of steps with the steps finished and the loss sum over the rows that are
 * known to be finished. Nonzero stops. */
typedef int (*bp__chunk_fn)(size_t steps_done, double loss_sum, size_t rows_done, void *user);

/* A data set that is streamed (stream.c). */
typedef struct bp__stream bp__stream;

struct bp_trainer {
    bp__engine *engine;
    const bp_device_info *device;
    int32_t precision; /* BP_PRECISION_*, of products */
    bp__network *network;
    bp_train_options options;
    size_t batch;
    int64_t epoch;   /* finished epochs: the counter of the shuffle */
    int64_t step;    /* steps finished before this epoch: t of the bias corrections */
    int64_t updates; /* likewise, where these are fewer: batches are added up to groups */
    int64_t group_batches, group_rows; /* of bp_trainer_step, that wait for an update */
    bool unclear;    /* the network's sums may hold something of a group that has been left */
    int64_t place;   /* and of this epoch, as far as they are counted in loss_sum */
    double loss_sum; /* over the rows of these, added up step by step */
    size_t enqueued; /* steps of this epoch that the device has been given */
    size_t pause_at; /* a step of this epoch after which a chunk ends; 0: none */
    char data_hash[BP__FINGERPRINT_TEXT]; /* of the pass's data; empty where nobody asked for it */
    char weights_hash[BP__FINGERPRINT_TEXT]; /* of their weights; also empty where there are none */
    const bp_data *unhashed;              /* whose fingerprint will be taken when it is asked for */
    bp__pass *pass;                       /* of set_data, or NULL; of a stream its sizes alone */
    bp__stream *stream;                   /* of set_data, where the data is streamed */
    bp__order shuffle;                    /* how an epoch takes the rows */
    bp__plan *full,
        *last;          /* for batches of the pass; last is NULL where that is like the others */
    size_t chunk_steps; /* that take about as long as a chunk should */
    float *losses;      /* [steps] of the epoch, read back behind the device; of a stream NULL, or
                           where a caller wants them */
    uint32_t *order;    /* [rows] */
    bp__plan *single;   /* of bp_trainer_step, for its last number of rows */
    bp__pass *single_pass;
    char *sound_path; /* of the last checkpoint, which is sound: it is kept when it is replaced */
    bool sound;
    bool gradients_kept; /* those of the last step are on the device: bp_trainer_step did it */
    bp__schedule schedule;
    bool schedule_by_itself; /* nobody has asked for it (bp__fill_in_epochs) */
    bp__course course;
    struct bp__full_batch *full_batch; /* of an optimizer that the host runs, or NULL */
};

/* The rest of the epoch under way, or a new one; *loss is the mean over the rows that were trained
 * on. BP_ERROR_CANCELLED where chunk stopped it: the next call goes on from there.
 * BP_ERROR_DIVERGED where the loss is not finite. */
bp_status bp__trainer_run_epoch(bp_trainer *trainer, double *loss, bp__chunk_fn chunk, void *user);

/* The parts of an epoch, for those who look at a training from inside (host/explain/): the epoch's
 * order and table, with the counter at its first step; then steps [from, to), enqueued. */
bp_status bp__trainer_begin_epoch(bp_trainer *trainer);
bp_status bp__trainer_run_steps(bp_trainer *trainer, size_t from, size_t to);

/* ---- Groups of batches ---- */

/* How many groups so many batches are. */
int64_t bp__groups_of(const bp_train_options *options, int64_t batches);
/* The number of the update, from 0, that batch `place` of this epoch is for. */
int64_t bp__trainer_update(const bp_trainer *trainer, size_t place);
bool bp__trainer_ends_group(const bp_trainer *trainer, size_t batch);
/* BP__HYPER_SHARE of the group that a batch ends. */
double bp__trainer_group_share(const bp_trainer *trainer, size_t batch);
/* Enqueues batches [from, to) of the epoch, for all of which plan is. */
bp_status bp__trainer_run_batches(bp_trainer *trainer, const bp__plan *plan, size_t from,
                                  size_t to);
/* Before batches are enqueued; anew: the first of a group. */
bp_status bp__trainer_begin_group(bp_trainer *trainer, bool anew);
/* After that batch of bp_trainer_step which made the update. */
void bp__trainer_end_group(bp_trainer *trainer);
/* What is left of the epoch is not trained on. */
void bp__trainer_leave_epoch(bp_trainer *trainer);
bp_status bp__trainer_group_state(bp__state *state, bp_trainer *trainer);

/* Makes an arena zero; NULL: there is none. */
bp_status bp__trainer_zero(bp_trainer *trainer, bp__buffer *buffer);

/* Waits for the device: all steps that were enqueued are then in place and loss_sum. */
bp_status bp__trainer_settle(bp_trainer *trainer);

/* Back to a trainer without data. */
void bp__trainer_forget_data(bp_trainer *trainer);

/* bp_trainer_set_data; hash: the data's fingerprint is taken, for checkpoints. */
bp_status bp__trainer_set_data(bp_trainer *trainer, const bp_data *data, bool hash);
/* data_hash is there after this, where somebody asked for it. */
bp_status bp__trainer_hash_data(bp_trainer *trainer);

/* ---- Checkpoints ---- */

/* Adds what a trainer has to remember between two steps. */
bp_status bp__trainer_state(bp__state *state, bp_trainer *trainer);

/* What must be the same for a training to go on with the same bits, as texts by name: of the
 * trainer the network, options and data; of bp_train the validation data, the schema, and the
 * parameters that the training began with (BP__START). */
#define BP__START "start values"
bp_status bp__trainer_facts(json_t **out, const bp_trainer *trainer);
/* hash = the data's, weights = that of its rows' weights, empty where they have none. */
bp_status bp__fingerprint_data(char hash[BP__FINGERPRINT_TEXT], char weights[BP__FINGERPRINT_TEXT],
                               const bp_data *data);
bp_status bp__training_facts(json_t **out, const bp_model *start, const bp_data *validation);
/* BP_ERROR_MODEL names every fact that differs. */
bp_status bp__compare_facts(const bp_trainer *trainer, const json_t *here, const json_t *there,
                            const bp__checkpoint *from);
/* What a checkpoint says of the trainer's schedule_by_itself. */
#define BP__SCHEDULE_BY_ITSELF "schedule_by_itself"
int bp__option_is_fact(size_t byte);

/* What the names of bp_train's own rows begin with. */
#define BP__TRAINING_PREFIX "training."

/* Writes a checkpoint of a trainer that has settled: the rows in state, to which the trainer's are
 * added, and the facts of bp_train (NULL: none). model receives the parameters. */
bp_status bp__checkpoint_save(bp_trainer *trainer, bp_model *model, const char *path,
                              bp__state *state, json_t *training);
/* Compares the trainer's facts and reads the rows in state, to which the trainer's are added. */
bp_status bp__checkpoint_restore(bp_trainer *trainer, const bp__checkpoint *from, bp__state *state,
                                 const char *ignored);

/* ---- Data that is streamed ---- */

/* Where the data is streamed. */
bp_status bp__stream_create(bp__stream **out, bp_trainer *trainer, const bp_data *data);
void bp__stream_free(bp__stream *stream);
/* One step of each plan, with learning rate 0. */
bp_status bp__stream_warm_up(bp__stream *stream);
/* Has the next windows read ahead, from that on which holds the trainer's place in the epoch. */
bp_status bp__stream_begin(bp__stream *stream);
/* The rest of the epoch under way, chunk by chunk, counted in the trainer's place, loss_sum and
 * enqueued as steps of resident data are. Fewer steps where chunk stops it, or where a loss is not
 * finite. */
bp_status bp__stream_run(bp__stream *stream, bp__chunk_fn chunk, void *user);
/* bp__trainer_settle. */
bp_status bp__stream_settle(bp__stream *stream);
/* Seconds in which no rows were ready. */
double bp__stream_waited(const bp__stream *stream);

/* ---- What both ways share ---- */

/* Makes *plan, which there is already but for what it runs, train with the data of the pass. */
bp_status bp__trainer_make_train(const bp_trainer *trainer, bp__plan **plan, const bp__pass *pass,
                                 bool keep_gradients);

/* The plans of an epoch's batches: *full of the pass's batch, *last of last_rows, NULL where these
 * are as many. memory: the plan that has the memory in which they work, since no two of them run at
 * once; NULL where it is the larger of these two. */
bp_status bp__trainer_make_plans(const bp_trainer *trainer, bp__plan **full, bp__plan **last,
                                 const bp__plan *memory, const bp__pass *pass, size_t last_rows,
                                 bool labels);

/* Whether there is no other way than to stream the data. */
bool bp__must_stream(const bp__engine *engine, const bp_data *data);
/* Whether the trainer's options, the data and the device want it streamed. */
bp_status bp__choose_stream(bool *stream, const bp_trainer *trainer, const bp_data *data);
/* How an epoch takes the rows; automatic: what BP_SHUFFLE_AUTO means here. */
bp__order bp__order_for(const bp_train_options *options, const bp_data *data, size_t batch,
                        int32_t automatic);

/* Whether classes are what encoded data has, wherever its rows lie. */
bool bp__has_labels(const bp_data *data);

/* Work between two looks at the device: long enough that the queue never runs dry, short enough for
 * a lively progress bar and a prompt stop. */
#define BP__CHUNK_SECONDS 0.05
/* Where the chunk that begins at this step of the epoch ends: at the pause, if it lies before. */
size_t bp__chunk_end(const bp_trainer *trainer, size_t from);
/* Makes chunks as long as they should be. *last_look: when the chunk before was enqueued. */
void bp__adapt_chunk(bp_trainer *trainer, double *last_look);

/* Rows of the first steps of an epoch. */
size_t bp__rows_of_steps(const bp__pass *pass, size_t steps);

/* The rows of the hyper table [steps][BP__HYPER_COUNT] of steps first, first + 1… of this epoch. */
void bp__trainer_hyper(const bp_trainer *trainer, size_t first, size_t steps, float *table);
bp__plan_optimizer bp__trainer_optimizer(const bp_trainer *trainer);

/* The network that the training is for: the averaged one where there is one. */
bp__network *bp__trainer_result(const bp_trainer *trainer);

/* The learning rate of an update, counted from 0. */
double bp__trainer_rate(const bp_trainer *trainer, int64_t update);

/* The learning rate that the options mean, before any schedule. */
float bp__learning_rate(const bp_train_options *options);

/* The options given, or the defaults where given is NULL; refused where they make no sense. */
bp_status bp__read_train_options(bp_train_options *out, const bp_train_options *given);

/* Replaces epochs 0, and with it the schedule auto, by what suits so many rows. true where that is a
 * schedule that nobody has asked for. */
bool bp__fill_in_epochs(bp_train_options *options, size_t rows);

/* Whether encoded data with targets fits a network; the text says what differs. */
bp_status bp__check_fit(size_t inputs, size_t outputs, const bp_data *data);

/* Whether the output activation reaches every target: otherwise no training can succeed. */
bp_status bp__check_reach(const bp_model *model, const bp_data *data);

/* Mean loss and accuracy of a network over a data set that lies on its engine. */
typedef struct bp__evaluator bp__evaluator;
bp_status bp__evaluator_create(bp__evaluator **out, bp__network *network, const bp_data *data);
void bp__evaluator_free(bp__evaluator *evaluator);
/* Receives the activations [rows][outputs] of rows first to first + rows - 1, which come in their
 * order; of a softmax and labels the net inputs, which tell apart what rounds to 1. */
typedef bp_status (*bp__outputs_fn)(size_t first, size_t rows, const float *outputs, void *user);
/* accuracy is NAN without labels; receive may be NULL. */
bp_status bp__evaluator_run(bp__evaluator *evaluator, double *loss, double *accuracy,
                            bp__outputs_fn receive, void *user);

#endif
