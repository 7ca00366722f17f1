/* test_kernels_small.c - every kernel in every variant at ragged sizes small enough for a
 * simulator; the checks themselves are in tests/kernels_small/.
 *
 * Runs on all devices like other tests, and under oclgrind (tests/oclgrind/run), which sees what
 * results do not show: races, reads of what nobody wrote, accesses outside of a buffer.
 * BACKPROP_OCLGRIND then names the folder that takes one log a test. */
#include "kernels_small/small.h"
#include "opencl/embedded.h"

static const int32_t naive[] = {BP_GEMM_NAIVE, -1}, gpu[] = {BP_GEMM_GPU, -1},
                     matrix[] = {BP_GEMM_MATRIX, -1};

typedef struct width_case {
    void (*check)(rig *);
    unsigned from, to, groups;
} width_case;

/* As work-items of a GPU (width 1), or with the vectors of each width, by so many groups. */
static void check_widths(rig *r, void *context)
{
    const width_case *c = context;
    if (!device_engine(r)->cpu_kernels) {
        if (c->from == 1) c->check(r);
        return;
    }
    for (unsigned width = c->from < 4 ? 4 : c->from; width <= c->to; width *= 2) {
        set_cpu(r, width, c->groups);
        c->check(r);
    }
}

static void each_width(void (*check)(rig *), unsigned from, unsigned to, unsigned groups)
{
    width_case c = {check, from, to, groups};
    each_device((const int32_t[]){BP_GEMM_GPU, BP_GEMM_CPU, -1}, check_widths, &c);
}

#define SMALL_TESTS(X)                                                                             \
    X(products_naive, each_device(naive, check_naive, NULL))                                       \
    X(products_gpu, each_device(gpu, check_gpu, NULL))                                             \
    X(products_matrix, each_device(matrix, check_matrix, NULL))                                    \
    X(epilogues, each_device(naive, check_epilogues, NULL))                                        \
    X(forward_and_gradient, each_width(check_forward_and_gradient, 1, 16, 1))                      \
    X(effect, each_width(check_effect, 1, 4, 1))                                                   \
    X(shuffled_effect, each_width(check_effect, 8, 16, 1))                                         \
    X(gather, each_width(check_gather, 1, 16, 1))                                                  \
    X(loss, each_width(check_losses, 1, 4, 1))                                                     \
    X(shuffled_loss, each_width(check_losses, 8, 16, 1))                                           \
    X(softmax, each_width(check_softmax, 1, 4, 1))                                                 \
    X(shuffled_softmax, each_width(check_softmax, 8, 16, 1))                                       \
    X(reduce, each_width(check_reduce, 1, 16, 1))                                                  \
    X(optimizer, each_width(check_optimizer, 1, 16, 1))                                            \
    X(max_norm, each_width(check_max_norm, 1, 16, 1))                                              \
    X(average, each_width(check_average, 1, 16, 1))                                                \
    X(accumulate, each_width(check_accumulate, 1, 16, 1))                                          \
    X(layers, each_width(check_layers, 1, 4, 1))                                                   \
    X(shuffled_layers, each_width(check_layers, 8, 16, 1))                                         \
    X(peak, each_width(check_peak, 1, 16, 1))                                                      \
    X(probes, each_width(check_probes, 1, 1, 1))                                                   \
    X(training, each_width(check_training, 1, 4, 1))                                               \
    X(shuffled_training, each_width(check_training, 8, 16, 1))                                     \
    X(groups_training, each_width(check_training, 4, 4, 3))                                        \
    X(small_steps, each_width(check_small_steps, 4, 4, 1))                                         \
    X(shuffled_gpu_steps, each_device(gpu, check_gpu_steps, NULL))                                 \
    X(shuffled_small_steps, each_width(check_small_steps, 8, 16, 1))

TestSuite(kernels_small, .timeout = 900);

#define SMALL_TEST(name, call)                                                                     \
    Test(kernels_small, name)                                                                      \
    {                                                                                              \
        watch(#name);                                                                              \
        call;                                                                                      \
    }
SMALL_TESTS(SMALL_TEST)

Test(kernels_small, the_tile_that_is_chosen)
{
    if (!simulated()) each_device(gpu, check_gpu_choice, NULL);
}

/* Whether each `__kernel` of each file below kernels/ was among those that ran. */
Test(kernels_small, every_kernel_is_here)
{
    if (simulated()) return; /* one run of everything is enough there */
    watch("every_kernel_is_here");
#define SMALL_CALL(name, call) call;
    SMALL_TESTS(SMALL_CALL)
    int kernels = 0;
    for (const bp__embedded *file = bp__embedded_kernels; file->name; ++file)
        for (const char *at = file->source; (at = strstr(at, "\n__kernel")); ++at) {
            const char *name = strstr(at, "void");
            cr_assert(name);
            name += strcspn(name, " \n");
            name += strspn(name, " \n");
            char kernel[64];
            snprintf(kernel, sizeof kernel, "%.*s", (int)strcspn(name, "("), name);
            cr_assert(was_made(kernel), "kernel %s of %s is not run by any test here", kernel,
                      file->name);
            ++kernels;
        }
    cr_assert_gt(kernels, 5);
}
