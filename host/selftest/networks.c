/* networks.c - the networks whose operations are checked: every member of each family once, not
 * every one with every other. */
#include "base/families.h"
#include "ops/launchers.h"
#include "selftest/selftest.h"

/* Ragged and fitting, below and above vectors and tiles; a batch of one; deep sums. The hidden
 * function of each is another. */
static const bp__selftest_network networks[] = {
    {{3, 5, 2}, 7, 0, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, true, true},
    {{1, 1}, 1, 0, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, false, true},
    {{17, 33, 9}, 31, 0, BP_ACTIVATION_TANH, BP_LOSS_HALF_SQUARED, false, true},
    {{65, 63, 129, 15}, 64, 0, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, false, true},
    {{300, 128, 10}, 128, 0, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, true, true},
    {{131, 257, 1}, 33, 0, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, false, false},
    {{1030, 10}, 1, 0, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, true, true},
    {{6, 64, 64, 4}, 257, 0, BP_ACTIVATION_RELU, BP_LOSS_HALF_SQUARED, true, true},
    {{16, 16, 16}, 16, 0, BP_ACTIVATION_SIGMOID, BP_LOSS_HALF_SQUARED, false, false},
};

/* A network for each function, loss and optimizer. */
static const bp__selftest_network smallest = {{3, 6, 4}, 5, 0, 0, 0, true, true};

static bp__selftest_recipe recipe_of(int32_t optimizer)
{
    bp__selftest_recipe r = {.options = bp_train_options_default()};
    r.options.optimizer = optimizer;
    return r;
}

/* Every function, in a hidden layer and as output. */
static bp_status check_activations(bp__selftest *test, const bp__way *way)
{
    const bp__selftest_recipe how = recipe_of(BP_OPTIMIZER_SGD);
    for (int32_t f = 0; bp_activation_name(f); ++f) {
        const bool softmax = f == BP_ACTIVATION_SOFTMAX;
        bp__selftest_network network = smallest;
        network.activation = softmax ? BP_ACTIVATION_RELU : f;
        network.output = f;
        network.loss = softmax ? BP_LOSS_CROSS_ENTROPY : BP_LOSS_HALF_SQUARED;
        network.labels = f % 2;
        BP_TRY(bp__selftest_check_network(test, way, &network, &how));
    }
    return BP_OK;
}

/* Every loss, of labels and of targets, these with weights; smoothed where it can be. */
static bp_status check_losses(bp__selftest *test, const bp__way *way)
{
    for (int32_t loss = 0; bp_loss_name(loss); ++loss)
        for (int labels = 0; labels < 2; ++labels) {
            const bool own = bp_loss_output_activation(loss) != BP_ACTIVATION_AUTO;
            bp__selftest_network network = smallest;
            bp__selftest_recipe how = recipe_of(BP_OPTIMIZER_SGD);
            network.activation = BP_ACTIVATION_TANH;
            network.output = own ? bp_loss_output_activation(loss) : BP_ACTIVATION_SIGMOID;
            network.loss = loss;
            network.labels = labels;
            how.weighted = !labels;
            how.options.label_smoothing = own && labels ? 0.1f : 0;
            BP_TRY(bp__selftest_check_network(test, way, &network, &how));
        }
    return BP_OK;
}

/* Every optimizer, with everything that shapes a gradient before, and what limits weights after;
 * limits that are exceeded. */
static bp_status check_optimizers(bp__selftest *test, const bp__way *way)
{
    for (int32_t optimizer = 0; bp__optimizer_updates(optimizer); ++optimizer) {
        bp__selftest_network network = optimizer ? smallest : networks[3];
        bp__selftest_recipe how = recipe_of(optimizer);
        network.activation = BP_ACTIVATION_TANH;
        network.output = BP_ACTIVATION_SOFTMAX;
        network.loss = BP_LOSS_CROSS_ENTROPY;
        how.options.weight_decay = 0.01f;
        how.options.l1 = 0.001f;
        how.options.clip_norm = 0.1f;
        how.options.clip_value = 0.02f;
        how.options.max_norm = 0.5f;
        how.options.ema = 0.9;
        how.options.accumulate = 2;
        BP_TRY(bp__selftest_check_network(test, way, &network, &how));
    }
    return BP_OK;
}

/* What hidden layers can have beside weights and a function: with one whose slope is of outputs,
 * and one whose slope is of net inputs. Of the latter networks the first layer is frozen, so that
 * batches are normalised by what is known of them, as where nothing is trained. */
static const bp_layer extras[] = {{.dropout = 0.4f},
                                  {.residual = 1},
                                  {.dropout = 0.2f, .residual = 1},
                                  {.norm = BP_NORM_LAYER},
                                  {.norm = BP_NORM_BATCH},
                                  {.norm = BP_NORM_LAYER, .dropout = 0.3f, .residual = 1},
                                  {.norm = BP_NORM_BATCH, .dropout = 0.3f, .residual = 1}};

static bp_status check_extras(bp__selftest *test, const bp__way *way)
{
    bp__selftest_recipe how = recipe_of(BP_OPTIMIZER_SGD);
    for (size_t i = 0; i < BP_COUNT(extras); ++i)
        for (int net = 0; net < 2; ++net) {
            how.options.freeze_layers = net;
            bp__selftest_network network = {.widths = {6, 19, 19, 4}, .batch = 21, .labels = true};
            network.activation = net ? BP_ACTIVATION_GELU : BP_ACTIVATION_TANH;
            network.output = BP_ACTIVATION_SOFTMAX;
            network.loss = BP_LOSS_CROSS_ENTROPY;
            network.bias = net && extras[i].norm != BP_NORM_BATCH; /* a mean takes it out again */
            network.extras = extras[i];
            BP_TRY(bp__selftest_check_network(test, way, &network, &how));
        }
    return BP_OK;
}

bp_status bp__selftest_operations(bp__selftest *test, const bp__way *way)
{
    static const int32_t hidden[] = {BP_ACTIVATION_TANH, BP_ACTIVATION_RELU, BP_ACTIVATION_SIGMOID};
    const bool tiled = way->tile || way->matrix_tile;
    if (!tiled) { /* Tiles differ in their products alone. */
        BP_TRY(check_activations(test, way));
        BP_TRY(check_losses(test, way));
        BP_TRY(check_optimizers(test, way));
        BP_TRY(check_extras(test, way));
    }
    int32_t optimizers = 0;
    while (bp__optimizer_updates(optimizers)) ++optimizers;
    for (size_t i = 0; i < BP_COUNT(networks); ++i) {
        bp__selftest_network network = networks[i];
        const bp__selftest_recipe how = recipe_of((int32_t)i % optimizers);
        network.activation = hidden[tiled ? 0 : i % BP_COUNT(hidden)];
        BP_TRY(bp__selftest_check_network(test, way, &network, &how));
    }
    return BP_OK;
}
