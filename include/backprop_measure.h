/* backprop_measure.h - how fast a device trains, which one trains fastest, where the time goes, and
 * whether what it computes is right.
 *
 *   1. Measuring  benchmarks, a device's limits, the fastest device
 *   2. Profiles   where the time of a training goes
 *   3. Tuning     what a device computes with, chosen by measurement
 *   4. Testing    whether a device computes what it should
 *
 * The conventions are those of backprop.h. */
#ifndef BACKPROP_MEASURE_H
#define BACKPROP_MEASURE_H

#include "backprop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Measuring -----------------------------------------------------------------------------
 *
 *     bp_device_peak peak; bp_bench_result result;
 *     bp_device_measure(&peak, device);
 *     bp_bench(&result, device, layers, 2, NULL);
 *     printf("%.0f us a step, %.0f %% of the peak\n", 1e6 * result.step_seconds,
 *            100 * result.gflops / peak.gflops);
 *
 * Other programs that compute at the same time make every figure worse, and none better. */

/* What a device can do at best, measured: the best of several runs, about a second in all. */
typedef struct bp_device_peak {
    double gflops; /* multiply-adds on numbers in registers, 2 operations each, 1e9 a second; float32,
                      for the reference double on one thread */
    double gbytes_per_second; /* a[i] = b[i] + s c[i] over arrays larger than the caches: 1e9 bytes
                                 read and written a second */
} bp_device_peak;

/* Errors: BP_ERROR_ARGUMENT, BP_ERROR_BUILD, BP_ERROR_DEVICE_MEMORY, BP_ERROR_MEMORY,
 * BP_ERROR_OPENCL. */
BP_API bp_status bp_device_measure(bp_device_peak *out, bp_device *device);

typedef struct bp_bench_options {
    size_t size;
    int64_t batch;         /* rows a step */
    int32_t optimizer;     /* BP_OPTIMIZER_* */
    int32_t gemm;          /* BP_GEMM_* */
    int32_t loss;          /* BP_LOSS_*; auto: cross-entropy for softmax, else half squared */
    int32_t repeats;       /* timed repeats, of which the median is taken; at least 1 */
    double repeat_seconds; /* each has as many steps as take at least this long; above 0 */
    uint64_t seed;         /* of data and parameters */
    bp_profile *profile;   /* receives as many steps as a repeat has, run once more after those that
                              are timed; NULL: none */
} bp_bench_options;

BP_API bp_bench_options bp_bench_options_default(void);

typedef struct bp_bench_result {
    double step_seconds;   /* of a training step: the median of the repeats */
    double step_seconds_min, step_seconds_max;
    int64_t steps;         /* of each repeat */
    int64_t repeats;
    double samples_per_second; /* batch / step_seconds */
    double step_gflop;     /* 1e9 operations of a step: 2 for each multiply-add of the products:
                              forward, gradient, and effect, of which the first layer has none */
    double gflops;         /* step_gflop / step_seconds */
    double step_gbytes;    /* 1e9 bytes that a step's operations read and write, each operand once:
                              caches can save most of them */
    size_t device_bytes;   /* of the device's memory, data included (bp_trainer_device_bytes) */
    double setup_seconds;  /* data and parameters to the device, kernel build, first launches */
    double check_seconds;  /* comparison with the reference */
} bp_bench_result;

/* Times training steps, gather and update included, on random data that lies on the device. First the
 * losses of three steps and the gradients of the first are compared with the reference: wrong
 * ones are BP_ERROR_INTERNAL, not a figure. Then steps are run as bp_trainer_epoch runs them, with a
 * learning rate so small that the numbers stay what they are. options may be NULL. Errors: as
 * bp_model_create_layers and bp_train, where a loss is not finite BP_ERROR_DIVERGED. */
BP_API bp_status bp_bench(bp_bench_result *out, bp_device *device, const bp_layer *layers,
                          size_t count, const bp_bench_options *options);

/* How fast a device trains the model that bp_device_choose was asked about. */
typedef struct bp_device_time {
    bp_device_info device;
    double step_seconds;    /* NAN: it was not measured, or failed */
    double measure_seconds; /* what finding out took, kernels' compilation included; 0: not tried */
    char problem[256];      /* why there is no figure; empty where there is one */
} bp_device_time;

typedef struct bp_device_choice {
    bp_device_time *times; /* the one that "auto" means first, then the others as they are listed */
    size_t count;
    size_t chosen; /* of times */
} bp_device_choice;

/* Opens the OpenCL device that trains the model fastest, as options (NULL: the defaults) say, on so
 * many rows: bp_bench with each for some steps, and a device that computes something wrong is not
 * chosen. No more devices are tried where the training would be over in the time that the last one
 * took to measure; with one device there is nothing to measure, and without OpenCL it is the
 * reference. *why, which may be NULL, says what was measured, the caller's: bp_device_choice_free.
 * Errors: as bp_device_open; as bp_bench, where no device could be used. */
BP_API bp_status bp_device_choose(bp_device **out, bp_device_choice *why, const bp_model *model,
                                  size_t rows, const bp_train_options *options);
BP_API void bp_device_choice_free(bp_device_choice *choice);

/* ---- 2. Profiles ------------------------------------------------------------------------------ */

/* Where the time of a training goes: the times of every launch and every transfer, by the device's
 * own events (by the host's clock for the reference, one operation after the other), summed up by
 * operation and kernel, and the first of them one by one as a trace.
 *
 *     bp_profile *profile; bp_profile_row *rows; size_t count;
 *     bp_profile_create(&profile, NULL);
 *     how.profile = profile;
 *     bp_train(model, device, data, NULL, &how, NULL);
 *     bp_profile_rows(&rows, &count, profile);
 *     bp_profile_write(profile, "trace.json", NULL);
 *
 * A profile may be given to several trainings, one after the other. It is
 * complete when bp_train or bp_trainer_epoch has returned; after bp_trainer_step, when the trainer
 * has been freed. What is measured costs about a microsecond a launch. */
typedef struct bp_profile_options {
    size_t size;
    int64_t details; /* launches and transfers of each phase that are kept one by one, from its
                        first; the sums are of all */
} bp_profile_options;

BP_API bp_profile_options bp_profile_options_default(void);

/* options may be NULL. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MEMORY. */
BP_API bp_status bp_profile_create(bp_profile **out, const bp_profile_options *options);
BP_API void bp_profile_free(bp_profile *profile);

#define BP_PHASE_SETUP 0      /* data and parameters to the device, a first launch of each kernel */
#define BP_PHASE_TRAINING 1   /* epochs and steps */
#define BP_PHASE_VALIDATION 2 /* on the validation data, between epochs */
#define BP_PHASE_OTHER 3      /* parameters read back, and what the caller did meanwhile */
#define BP_PHASES 4
/* "setup", "training"…; NULL for an unknown code, -2 for an unknown name. */
BP_API const char *bp_phase_name(int32_t phase);
BP_API int32_t bp_phase_from_name(const char *name);

/* Wall time of a phase, all of its stretches together, and what the device did in it:
 * seconds = kernels + transfers + launching + waiting. */
typedef struct bp_profile_phase {
    double seconds;
    double kernels, transfers; /* being carried out */
    double launching;          /* nothing was, though something had been queued: the driver's part */
    double waiting;            /* nothing was, and nothing had been queued: the host's part */
    double streaming;          /* of streamed data being copied on a queue of its own, beside all this, */
    double overlapped;         /* of it while a kernel ran */
    int64_t launches;          /* of kernels */
    int64_t transfer_count;
    int64_t kept;              /* launches and transfers that are kept one by one */
} bp_profile_phase;

/* All zero for an unknown phase. */
BP_API bp_profile_phase bp_profile_get_phase(const bp_profile *profile, int32_t phase);

/* One kernel's launches for one operation, or the transfers of one kind, in one phase. */
typedef struct bp_profile_row {
    int32_t phase;          /* BP_PHASE_* */
    const char *operation;  /* "dense_forward 1" (layers count from 1); of operations that share a
                               launch "loss + reduce_loss", or the first, the last and how many:
                               "gather .. optimizer (9)"; of transfers "write", "read", "fill", "stream" */
    const char *operations; /* all of them, joined by ", " */
    const char *kernel;     /* empty for transfers, "plain C" for the reference */
    int64_t launches;
    int64_t steps;   /* that these launches took part in: one launch may do many. 0 for transfers */
    double seconds;  /* all launches together */
    double flops;    /* operations: 2 for each multiply-add of the matrix products; the functions and
                        the update are not counted. Where an operation takes several kernels, it
                        stands with the one that multiplies */
    double bytes;    /* that the operations read and write, each operand once and without padding:
                        caches can save most of them */
} bp_profile_row;

/* Rows in the order of phases, in each the longest first. The array is the caller's: free() it; the
 * texts live as long as the profile. Errors: BP_ERROR_ARGUMENT, BP_ERROR_MEMORY. */
BP_API bp_status bp_profile_rows(bp_profile_row **out, size_t *count, const bp_profile *profile);

/* Writes what was kept one by one in Chrome's trace format, for chrome://tracing and
 * ui.perfetto.dev: phases, launches and transfers as complete events, times in microseconds since
 * the profile was made, with operation, shape, steps, flops and bytes. peak (NULL: not known) adds
 * the fractions of it. Written atomically, as a model is. Errors: BP_ERROR_ARGUMENT, BP_ERROR_IO,
 * BP_ERROR_MEMORY. */
BP_API bp_status bp_profile_write(const bp_profile *profile, const char *path,
                                  const bp_device_peak *peak);

/* ---- 3. Tuning --------------------------------------------------------------------------------
 *
 * The kernels' register tiles, the estimates by which threads and ways are chosen, and on GPUs the
 * tile or library for each class of matrix products have defaults that are good; bp_tune finds out by
 * measurement whether others are better on a device, and keeps them in
 *
 *     $XDG_CACHE_HOME/backprop/tuning-*.json, or ~/.cache/backprop where that is not set
 *
 * for this device, driver, platform, number of compute units, version of the library and kernel
 * sources. Every bp_device reads it once, before its first computation. A file that is damaged or
 * was made for something else is ignored; bp_tuning_get_info says so. bp_tuning_forget removes what
 * was kept. With BACKPROP_TUNING=none in the environment there are only the defaults.
 *
 * Tiles and threads change no bit of a result. Whether a small network takes many steps in one
 * launch does, and so does the way that a GPU multiplies: the same seed gives the same model as long
 * as the tuning stays what it is. */

/* Where a device's numbers come from. */
#define BP_TUNING_DEFAULTS 0 /* good for all */
#define BP_TUNING_SHIPPED 1  /* measured on such a device, part of the library */
#define BP_TUNING_FILE 2     /* measured on this one */
/* "defaults", "shipped", "file"; NULL for an unknown code, -2 for an unknown name. */
BP_API const char *bp_tuning_source_name(int32_t source);
BP_API int32_t bp_tuning_source_from_name(const char *name);

typedef struct bp_tuning_info {
    int32_t source;    /* BP_TUNING_* */
    int32_t ignored;   /* 1: there is something that does not count, a file or a wish; note says why */
    char path[1024];   /* the file, whether it is there or not; empty: there can be none */
    char note[1024];   /* why there can be none, or why what is there is ignored; else empty */
    char summary[256]; /* what is used, in words: "tiles 8 x 3 and 4 x 4, fitted costs", "defaults" */
} bp_tuning_info;

/* What a device that is opened now would be used with. Errors: BP_ERROR_ARGUMENT. */
BP_API bp_status bp_tuning_get_info(bp_tuning_info *out, const bp_device_info *device);

/* Removes every file that was kept for the device, whatever driver or version it was measured with;
 * *count (may be NULL) receives their number. Devices that are open keep what they have read. Errors:
 * BP_ERROR_ARGUMENT, BP_ERROR_MEMORY, BP_ERROR_IO (a file cannot be removed). */
BP_API bp_status bp_tuning_forget(const bp_device_info *device, size_t *count);

/* How far bp_tune has come. */
typedef struct bp_tune_progress {
    const char *subject, *candidate; /* as in bp_tune_candidate; candidate may be empty */
    double fraction;                 /* of the time, 0 to 1 */
} bp_tune_progress;

/* Called often, and before each kernel build, which may take seconds. A value other
 * than 0 stops with BP_ERROR_CANCELLED: nothing is kept, an older tuning stays. */
typedef int (*bp_tune_fn)(const bp_tune_progress *progress, void *user);

typedef struct bp_tune_options {
    size_t size;
    double seconds;      /* about how long it may take; with less, fewer candidates are tried */
    int32_t save;        /* 1: into the file */
    bp_tune_fn progress; /* may be NULL */
    void *user;
} bp_tune_options;

BP_API bp_tune_options bp_tune_options_default(void);

/* Something that was tried. The candidates of one subject stand together, measured in turns. */
typedef struct bp_tune_candidate {
    const char *subject; /* what there is to choose: "tile of products", "64,32,10 at 8" */
    const char *name;    /* "8 x 3", "1 thread", "CLBlast" */
    double seconds;      /* a training step, median; NAN where it was not timed */
    double ratio;        /* the default's time divided by its own, median; NAN likewise */
    int32_t verified;    /* its losses, gradients and weights are the reference's */
    int32_t is_default;  /* what would be used without tuning */
    int32_t chosen;
    const char *problem; /* why it is not verified or was not timed; empty otherwise */
} bp_tune_candidate;

/* Training steps with the defaults and with what was chosen, in turns. */
typedef struct bp_tune_gain {
    const char *layers;  /* "784,128,10" */
    int64_t batch;
    double default_seconds, tuned_seconds; /* a step, medians */
    double ratio, ratio_low, ratio_high;   /* default / tuned: median and quartiles of the turns */
} bp_tune_gain;

typedef struct bp_tune_result {
    const bp_tune_candidate *candidates;
    size_t candidate_count;
    const bp_tune_gain *gains; /* none where what was chosen are the defaults */
    size_t gain_count;
    int32_t changed;  /* 1: something other than the defaults was chosen */
    int32_t withdrawn; /* 1: something was, but in the end whole steps were slower with it, or wrong */
    double seconds;   /* that all took */
    double processor_share; /* what threads had of the processor time that they wanted: below 0.9 there
                               was other work, or there are fewer cores than the device counts; NAN
                               where nothing was timed on several threads */
    const char *path; /* the file that was written, or NULL */
} bp_tune_result;

/* Tries out and keeps what is best. A candidate counts only after training steps with it have been
 * compared with the reference; another than the default is chosen only where it is faster beyond the
 * noise of the measurement. The result is the caller's: bp_tune_result_free. Objects that exist keep
 * what they were made with; trainers made from now on with this device use what was chosen. Errors:
 * BP_ERROR_UNSUPPORTED (the reference has nothing to tune), BP_ERROR_INTERNAL (whatever was tried
 * computes wrong results), BP_ERROR_IO (no place for the file, found out before anything is
 * measured), BP_ERROR_CANCELLED, and those of bp_train. */
BP_API bp_status bp_tune(bp_tune_result **out, bp_device *device, const bp_tune_options *options);
BP_API void bp_tune_result_free(bp_tune_result *result);
/* ---- 4. Testing -------------------------------------------------------------------------------
 *
 * Drivers have mistakes, and kernels too. The self-test runs on a device what a training runs on
 * it, at sizes that do not fit its vectors and tiles, and compares with the reference, in under a
 * minute:
 *
 *   transfers        what is written is read back, rows with gaps between them included
 *   gather, dense_forward, …   each operation of a training step by itself, by each set of kernels
 *                    that the device can run, and whether it writes beside its result
 *   gradients        bp_gradcheck (backprop_explain.h) on the device
 *   training         many steps of each optimizer, parameters against the reference's
 *   repetition       the same training again: the same bits
 */
typedef struct bp_selftest_check {
    const char *name;    /* as above; "training adam" */
    const char *kernels; /* whose: "cpu", "gpu 64x64x16, 4x4 an item", "naive", "plain C"; empty
                            where it makes no difference */
    int32_t passed;      /* 1 or 0 */
    int64_t cases;       /* results that were compared */
    double max_error;    /* of the worst case, and what is allowed there: for operations the distance
                            from the reference over the sum of its size and the root mean square of
                            the result; for trainings and gradients |device - reference| /
                            |reference|; for the others how many words differ. NAN where nothing
                            could be compared */
    double bound;
    const char *where;   /* which case that was */
    const char *problem; /* what failed first, with OpenCL's own words; empty where all passed */
} bp_selftest_check;

typedef struct bp_selftest_result {
    int32_t passed; /* 1: all checks */
    size_t check_count;
    bp_selftest_check *checks;
    double seconds;
} bp_selftest_result;

/* Called as each part begins, done = 0 to below 1. A value other than 0 stops the test with
 * BP_ERROR_CANCELLED. */
typedef int (*bp_selftest_fn)(const char *part, double done, void *user);

typedef struct bp_selftest_options {
    size_t size;
    int32_t gemm;     /* BP_GEMM_*; auto: all native ones, each tile of each (on a CPU only those of
                         the GPU's that would be chosen) */
    int32_t reserved; /* 0 */
    uint64_t seed;
    bp_selftest_fn progress; /* may be NULL */
    void *user;
} bp_selftest_options;

BP_API bp_selftest_options bp_selftest_options_default(void);

/* Tests a device. What is wrong with it is no error: out->passed is then 0, and the checks say what.
 * options may be NULL. The arrays are the caller's: bp_selftest_free. Errors: BP_ERROR_ARGUMENT,
 * BP_ERROR_CANCELLED, BP_ERROR_MEMORY; out is then empty. */
BP_API bp_status bp_selftest(bp_selftest_result *out, bp_device *device,
                             const bp_selftest_options *options);
BP_API void bp_selftest_free(bp_selftest_result *result);

#ifdef __cplusplus
}
#endif
#endif
