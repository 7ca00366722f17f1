/* small.h - what the parts of test_kernels_small.c share. */
#ifndef BP_TESTS_KERNELS_SMALL_H
#define BP_TESTS_KERNELS_SMALL_H

#include "network_support.h"

/* Whether oclgrind runs the kernels. */
bool simulated(void);

/* Before a test opens anything: names its log, and watches OpenCL's calls. oclgrind 21.10
 *
 *   takes vectors that are shuffled into a vector of another width for uninitialised (it compares
 *   the index with the width of the result): tests named "shuffle..." go without that check;
 *   knows no order between groups but that of launches: tests named "groups..." go without races.
 */
void watch(const char *test);

/* Whether a kernel of this name was made since watch. */
bool was_made(const char *kernel);

static inline bp__device_engine *device_engine(rig *r)
{
    return (bp__device_engine *)r->engine[DEVICE];
}

/* Compares a result of both sides, and looks at its guards. */
void check_same(rig *r, const pair *result, const char *what);

/* Backends of engines whose matrices lie in rows. */
void check_naive(rig *r, void *context);
void check_gpu(rig *r, void *context);
void check_matrix(rig *r, void *context);
void check_gpu_choice(rig *r, void *context);
void check_epilogues(rig *r, void *context);

/* Operations, for engines of any kind. */
void check_forward_and_gradient(rig *r);
void check_effect(rig *r);
void check_gather(rig *r);
void check_losses(rig *r);
void check_softmax(rig *r);
void check_reduce(rig *r);
void check_optimizer(rig *r);
void check_max_norm(rig *r);
void check_average(rig *r);
void check_accumulate(rig *r);
void check_layers(rig *r);
void check_peak(rig *r);
void check_probes(rig *r);

/* Training steps; the latter by the kernel that takes whole ones, where there are CPU kernels. */
void check_training(rig *r);
void check_small_steps(rig *r);

/* The same by the kernels for GPUs that take whole steps. */
void check_gpu_steps(rig *r, void *context);

#endif
