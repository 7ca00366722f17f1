/* selftest.h - what the parts of bp_selftest share: the report under way, and the checks. */
#ifndef BP_SELFTEST_SELFTEST_H
#define BP_SELFTEST_SELFTEST_H

#include "backprop_measure.h"
#include "ops/gpu_steps.h"
#include "ops/matrix_tile.h"

/* A way in which a device can compute: its kernels. */
typedef struct bp__way {
    const char *name; /* belongs to the report */
    int32_t gemm;     /* BP_GEMM_* */
    const bp__gpu_tile *tile;
    int32_t precision; /* BP_PRECISION_* */
    const bp__matrix_tile *matrix_tile;
    const bp__gpu_steps *steps; /* whole steps, in trainings; NULL: operation by operation */
    bool whole; /* also checked in whole trainings, not only operation by operation */
} bp__way;

typedef struct bp__selftest {
    bp_device *device, *plain_c;
    bp_selftest_options options;
    bp_selftest_result *result;
    size_t capacity;
    size_t part, parts; /* for the progress */
} bp__selftest;

/* The check of this name for this way: a new one, which passes until something is noted. It is
 * valid until the next call. */
bp_status bp__selftest_check(bp__selftest *test, bp_selftest_check **out, const char *name,
                             const char *kernels);

/* A comparison: an error that must not be above the bound; NaN is. `where` (a format) says of what,
 * and is kept where it is the worst so far. */
bp_status bp__selftest_note(bp_selftest_check *check, double error, double bound, const char *where,
                            ...) BP__PRINTF(4, 5);

/* Something that failed; the first is kept. */
bp_status bp__selftest_problem(bp_selftest_check *check, const char *format, ...) BP__PRINTF(2, 3);

/* A part begins: BP_ERROR_CANCELLED where the caller has had enough. */
bp_status bp__selftest_begin(bp__selftest *test, const char *what);

/* A network, and data for its steps. */
typedef struct bp__selftest_network {
    size_t widths[5]; /* inputs first; 0 ends */
    size_t batch;
    int32_t activation; /* of hidden layers */
    int32_t output, loss;
    bool labels, bias;
    bp_layer extras; /* what hidden layers have beside weights and function; the rest counts for
                        nothing */
} bp__selftest_network;

/* How it learns. */
typedef struct bp__selftest_recipe {
    bp_train_options options;
    bool weighted; /* samples count for more and less */
} bp__selftest_recipe;

/* Rows for `steps` steps, of which the last one is half a batch. */
bp_status bp__selftest_make(bp_model **model, bp_data **data, const bp__selftest_network *network,
                            size_t steps, uint64_t seed);

/* "784,128,10 tanh softmax cross_entropy, batch 128" */
enum { BP__SELFTEST_TEXT = 128 };
const char *bp__selftest_describe(char text[BP__SELFTEST_TEXT],
                                  const bp__selftest_network *network);

/* The checks. Each adds its own to the report, also where something fails; a status other than
 * BP_OK is that of the test itself: no memory, cancelled. */
bp_status bp__selftest_transfers(bp__selftest *test);
bp_status bp__selftest_operations(bp__selftest *test, const bp__way *way);
/* Of them: each operation of a few steps of one network. */
bp_status bp__selftest_check_network(bp__selftest *test, const bp__way *way,
                                     const bp__selftest_network *network,
                                     const bp__selftest_recipe *how);
bp_status bp__selftest_gradients(bp__selftest *test, const bp__way *way);
bp_status bp__selftest_training(bp__selftest *test, const bp__way *way);
bp_status bp__selftest_steps(bp__selftest *test, const bp__way *way);
bp_status bp__selftest_repetition(bp__selftest *test, const bp__way *way);

#endif
