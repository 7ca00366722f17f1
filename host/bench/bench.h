/* bench.h - what is measured: a trainer on data made for the purpose, and the check of its results.
 */
#ifndef BP_BENCH_BENCH_H
#define BP_BENCH_BENCH_H

#include "train/trainer.h"

enum { BP__CHECK_STEPS = 3 };

/* Rows for `steps` batches: uniform in [-1, 1), labels for a softmax output, else targets in
 * [0.1, 0.9), which every activation reaches. */
bp_status bp__bench_data(bp_data **out, const bp_layer *layers, size_t count, size_t batch,
                         size_t steps, bool labels, uint64_t seed);

/* Sets the learning rate of every step of the trainer's pass. t: the step that the first one is for
 * Adam's corrections. */
bp_status bp__bench_set_rate(bp_trainer *trainer, double rate, double t);

/* Takes BP__CHECK_STEPS steps with trainer, which is fresh and has data, and the same ones with the
 * reference from model, and compares losses, gradients and changes of the weights. The batch is
 * made of so few different rows that the reference has about `work` multiply-adds a step. The
 * trainer has other parameters afterwards. BP_ERROR_INTERNAL says what differs. */
bp_status bp__bench_check(bp_trainer *trainer, const bp_model *model, const bp_data *data,
                          const bp_device_info *device, double work);

/* The operations of a whole step of a trainer that has data; free() them. */
bp_status bp__bench_step(bp__op **ops, size_t *count, const bp_trainer *trainer);

/* Takes `times` steps from the first row of the data on, again and again, and waits for them. */
bp_status bp__bench_run(bp_trainer *trainer, size_t times, double *seconds);

/* As many steps as take `wanted` seconds: what is run to find out is the warm-up. */
bp_status bp__bench_calibrate(bp_trainer *trainer, double wanted, size_t *times);

/* A learning rate too small to move a parameter far within a benchmark, so that no figure depends
 * on what the network learns: neither infinities nor the slow numbers near zero come up. */
static const double bp__idle_rate = 1e-9;

#endif
