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
 * reference from model, and compares losses, gradients and changes of the weights. The trainer has
 * other parameters afterwards. BP_ERROR_INTERNAL says what differs. */
bp_status bp__bench_check(bp_trainer *trainer, const bp_model *model, const bp_data *data,
                          const bp_device_info *device);

#endif
