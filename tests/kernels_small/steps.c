/* steps.c - whole training steps, as the plan writes them down. */
#include "kernels_small/small.h"
#include "ops/gpu_steps.h"

static void check_steps(rig *r, size_t batch, int32_t optimizer, bool labels)
{
    const size_t sizes[] = {3, 6, 2};
    bp_model *model = labels ? model_of(sizes, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_SOFTMAX,
                                        BP_LOSS_CROSS_ENTROPY, 1, 3)
                             : model_of(sizes, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID,
                                        BP_LOSS_HALF_SQUARED, optimizer != BP_OPTIMIZER_SGD, 3);
    /* Three steps, the last one partial where there is more than a row in each. */
    bp_data *data = data_of(batch > 1 ? 3 * batch - 1 : 3, 3, 2, labels);
    const by_hand how = {.batch = batch,
                         .epochs = 1,
                         .optimizer = optimizer,
                         .rate = 0.1f,
                         .keep_gradients = labels};
    size_t count;
    float *got = steps_by_hand(r->engine[DEVICE], model, data, how, NULL, &count);
    float *want = steps_by_hand(r->engine[REFERENCE], model, data, how, NULL, &count);
    float *before = flatten(model, &count);
    cr_assert(relative_l2(got, want, count) <= 1e-5, "%s: %s, %s, batch %zu: relative error %g",
              r->name, bp_optimizer_name(optimizer), labels ? "labels" : "targets", batch,
              relative_l2(got, want, count));
    cr_assert(relative_l2(got, before, count) > 1e-3, "nothing was learned");
    free(got);
    free(want);
    free(before);
    bp_data_free(data);
    bp_model_free(model);
}

void check_training(rig *r)
{
    for (int labels = 0; labels < 2; ++labels)
        for (int32_t optimizer = BP_OPTIMIZER_SGD; optimizer <= BP_OPTIMIZER_ADAM; ++optimizer)
            check_steps(r, r->engine[DEVICE]->quantum, optimizer, labels);
    check_steps(r, 1, BP_OPTIMIZER_SGD, true);
}

void check_small_steps(rig *r)
{
    if (!device_engine(r)->cpu_kernels) return;
    device_engine(r)->gemm = BP_GEMM_AUTO;
    device_engine(r)->small_steps = BP__ALWAYS;
    check_training(r);
}

void check_gpu_steps(rig *r, void *context)
{
    (void)context;
    static const bp__gpu_steps ways[] = {
        {8, 4, 0, true}, {4, 8, 0, true}, {8, 4, 1, true}, {4, 4, 2, false}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; ++w) {
        device_engine(r)->gpu_steps = &ways[w];
        check_steps(r, 6, BP_OPTIMIZER_SGD, true);
        check_steps(r, 5, BP_OPTIMIZER_ADAM, false);
    }
}
