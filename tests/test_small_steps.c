/* test_small_steps.c - many training steps in one launch against the reference and against the same
 * steps by the plan. */
#include "network_support.h"
#include "ops/launchers.h"

typedef struct small_case {
    size_t widths[5], layers, rows;
    int64_t batch;
    int32_t hidden, output, loss, optimizer, bias;
    bool labels;
} small_case;

static const small_case cases[] = {
    {{1, 1}, 1, 1, 1, 0, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, BP_OPTIMIZER_SGD, 0, false},
    {{2, 2, 1},
     2,
     4,
     4,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_SGD,
     1,
     false},
    {{5, 3},
     1,
     33,
     7,
     0,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_MOMENTUM,
     1,
     true},
    {{3, 17, 4},
     2,
     50,
     16,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_ADAM,
     1,
     true},
    {{16, 16, 16, 16},
     3,
     64,
     32,
     BP_ACTIVATION_TANH,
     BP_ACTIVATION_TANH,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_ADAM,
     0,
     false},
    {{7, 31, 18, 6, 3},
     4,
     90,
     40,
     BP_ACTIVATION_RELU,
     BP_ACTIVATION_SOFTMAX,
     BP_LOSS_CROSS_ENTROPY,
     BP_OPTIMIZER_ADAM,
     1,
     false},
    {{4, 9, 3},
     2,
     50,
     16,
     BP_ACTIVATION_GELU,
     BP_ACTIVATION_SIGMOID,
     BP_LOSS_BCE,
     BP_OPTIMIZER_ADAM,
     1,
     false},
    {{4, 9, 6, 2},
     3,
     50,
     13,
     BP_ACTIVATION_SINE,
     BP_ACTIVATION_SILU,
     BP_LOSS_HUBER,
     BP_OPTIMIZER_MOMENTUM,
     1,
     false},
    {{4, 9, 3},
     2,
     40,
     1,
     BP_ACTIVATION_SELU,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_QUANTILE,
     BP_OPTIMIZER_SGD,
     1,
     false},
    {{40, 33, 5},
     2,
     130,
     50,
     BP_ACTIVATION_SIGMOID,
     BP_ACTIVATION_LINEAR,
     BP_LOSS_HALF_SQUARED,
     BP_OPTIMIZER_SGD,
     1,
     true},
};

/* Parameters after three epochs and a step whose batch is the caller's; *gradients those of that
 * step, *losses the four losses. */
static float *train_case(const small_case *c, bp_device *device, bp__when when, float **gradients,
                         double losses[4], size_t *count)
{
    bp_model *model = model_of(c->widths, c->layers, c->hidden, c->output, c->loss, c->bias, 4);
    bp_data *data = data_of(c->rows, c->widths[0], c->widths[c->layers], c->labels);
    bp_train_options options = bp_train_options_default();
    options.optimizer = c->optimizer;
    options.batch = c->batch;
    bp_trainer *trainer;
    OK(bp_trainer_create(&trainer, model, device, &options));
    if (bp_device_get_info(device)->kind != BP_KIND_REFERENCE)
        ((bp__device_engine *)trainer->engine)->small_steps = when;
    OK(bp_trainer_set_data(trainer, data));
    for (int e = 0; e < 3; ++e) OK(bp_trainer_epoch(trainer, &losses[e]));
    OK(bp_trainer_step(trainer, bp_data_features(data), bp_data_targets(data), bp_data_labels(data),
                       (size_t)c->batch, &losses[3]));
    *gradients = flatten(model, count);
    size_t next = 0;
    for (size_t l = 0; l < c->layers; ++l) {
        OK(bp_trainer_get_gradients(trainer, l, *gradients + next, NULL));
        next += c->widths[l] * c->widths[l + 1];
        if (!c->bias) continue;
        OK(bp_trainer_get_gradients(trainer, l, NULL, *gradients + next));
        next += c->widths[l + 1];
    }
    OK(bp_trainer_get_model(trainer, model));
    float *all = flatten(model, count);
    bp_trainer_free(trainer);
    bp_data_free(data);
    bp_model_free(model);
    return all;
}

Test(small_steps, against_reference_and_plan)
{
    bp_device *reference, *device;
    bp_device_info *list;
    size_t devices, checked = 0;
    OK(bp_device_open(&reference, "reference"));
    OK(bp_device_list(&list, &devices, NULL));
    for (size_t d = 0; d < devices; ++d) {
        if (list[d].kind != BP_KIND_CPU) continue; /* elsewhere there is only one way */
        OK(bp_device_open(&device, list[d].spec));
        for (size_t k = 0; k < sizeof cases / sizeof *cases; ++k) {
            float *parameters[3], *gradients[3];
            double losses[3][4];
            size_t count;
            for (int way = 0; way < 3; ++way)
                parameters[way] = train_case(&cases[k], way == 0 ? reference : device,
                                             way == 1 ? BP__ALWAYS : BP__NEVER, &gradients[way],
                                             losses[way], &count);
            for (int way = 1; way < 3; ++way) {
                const double error = relative_l2(parameters[way], parameters[0], count);
                cr_assert(error <= 5e-6, "case %zu, way %d: parameters differ by %g", k, way,
                          error);
                const double slope = relative_l2(gradients[way], gradients[0], count);
                cr_assert(slope <= 1e-4, "case %zu, way %d: gradients differ by %g", k, way, slope);
                for (int e = 0; e < 4; ++e)
                    cr_assert_float_eq(losses[way][e], losses[0][e], 1e-5 * fmax(1, losses[0][e]));
            }
            for (int way = 0; way < 3; ++way) {
                free(parameters[way]);
                free(gradients[way]);
            }
            ++checked;
        }
        bp_device_free(device);
    }
    cr_assert(checked > 0, "no OpenCL CPU device to test");
    bp_device_list_free(list);
    bp_device_free(reference);
}

/* A list of operations in any order but the plan's own must not be taken for a training step. */
Test(small_steps, only_the_plans_own_order_is_recognised)
{
    const size_t widths[] = {3, 4, 2};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, 1, 3);
    bp_data *data = data_of(8, 3, 2, false);
    bench b = bench_of(model, data, BP_OPTIMIZER_SGD);
    bp__op *ops;
    size_t count;
    OK(bp__plan_train_ops(&ops, &count, b.plan, &b.pass->views, &b.optimizer));
    const bp__device_engine engine = {
        .cpu_kernels = true, .vector_width = 16, .threads = 1, .small_steps = BP__ALWAYS};
    cr_assert(bp__small_steps_pay(&engine, ops, count));
    cr_assert_not(bp__small_steps_pay(&engine, ops, count - 1));
    for (size_t i = 0; i + 1 < count; ++i) {
        if (ops[i].kind == ops[i + 1].kind && ops[i].kind == BP__OP_GATHER) continue;
        const bp__op op = ops[i];
        ops[i] = ops[i + 1];
        ops[i + 1] = op;
        cr_assert_not(bp__small_steps_pay(&engine, ops, count), "operations %zu and %zu swapped", i,
                      i + 1);
        ops[i + 1] = ops[i];
        ops[i] = op;
    }
    free(ops);
    bench_free(&b);
    bp_data_free(data);
    bp_model_free(model);
}
