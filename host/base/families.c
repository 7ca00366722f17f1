/* families.c - the tables of families.h, looked up. */
#include "base/families.h"

#include "base/operation.h"

static const bp__activation_traits activations[] = {
#define ROW(code, name, module, low, high, of_net)                                                 \
    [BP_ACTIVATION_##code] = {module, (double)low, (double)high, of_net},
    BP__ACTIVATIONS(ROW)
#undef ROW
};

static const bp__loss_traits losses[] = {
#define ROW(code, name, mean, parameter, output) [BP_LOSS_##code] = {mean, parameter, output},
    BP__LOSSES(ROW)
#undef ROW
};

static const bp__optimizer_traits optimizers[] = {
#define ROW(code, name, moments, rate, beta1, beta2, epsilon, decay, decoupled, full_batch)        \
    [BP_OPTIMIZER_##code] = {moments, rate, beta1, beta2, epsilon, decay, decoupled, full_batch},
    BP__OPTIMIZERS(ROW)
#undef ROW
};

const bp__optimizer_traits *bp__optimizer_of(int32_t optimizer)
{
    return &optimizers[optimizer];
}

bool bp__optimizer_updates(int32_t optimizer)
{
    return bp_optimizer_name(optimizer) && !bp__optimizer_of(optimizer)->full_batch;
}

const bp__activation_traits *bp__activation(int32_t activation)
{
    return &activations[activation];
}

const bp__loss_traits *bp__loss_of(int32_t loss)
{
    return &losses[loss];
}

int32_t bp_loss_output_activation(int32_t loss)
{
    return loss >= 0 && bp_loss_name(loss) ? losses[loss].output : BP_ACTIVATION_AUTO;
}

bool bp__loss_takes_nets(int32_t loss, int32_t activation)
{
    return losses[loss].output != BP_ACTIVATION_AUTO || activations[activation].of_net;
}

int32_t bp__loss_activation(int32_t loss, int32_t activation)
{
    return losses[loss].output != BP_ACTIVATION_AUTO ? BP_ACTIVATION_LINEAR : activation;
}

bp__loss_numbers bp__loss_numbers_of(const bp__loss *op)
{
    const bp__loss_traits *traits = &losses[op->loss];
    const double n = (double)op->output.columns;
    const double over =
        op->loss == BP_LOSS_BCE ? 2 : n; /* the answers that smoothing spreads over */
    const double off = op->smoothing / over;
    const double share = traits->mean ? 1 / n : 1;
    return (bp__loss_numbers){.scale = op->scale * share,
                              .share = share,
                              .on = 1 - op->smoothing + off,
                              .off = off,
                              .parameter = op->parameter != 0 ? op->parameter : traits->parameter};
}

const char *bp__part_name(bp__part part)
{
    static const char *const names[] = {
#define NAME(code, name) [BP__PART_##code] = name,
        BP__PARTS(NAME)
#undef NAME
    };
    return names[part];
}

bool bp__layer_has(const bp_layer *layer, bp__part part)
{
    switch (part) {
    case BP__PART_WEIGHTS: return true;
    case BP__PART_BIASES: return layer->bias != 0;
    case BP__PART_GAINS:
    case BP__PART_SHIFTS: return layer->norm != BP_NORM_NONE;
    case BP__PART_MEANS:
    case BP__PART_VARIANCES: return layer->norm == BP_NORM_BATCH;
    case BP__PART_COUNT: break;
    }
    return false;
}

double bp__rounding_of(int32_t precision)
{
    static const double roundings[] = {
        [BP_PRECISION_FP32] = 0x1p-24, [BP_PRECISION_TF32] = 0x1p-11, [BP_PRECISION_BF16] = 0x1p-8};
    return roundings[precision];
}
