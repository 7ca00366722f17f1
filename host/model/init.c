/* init.c - the weights that a model starts with. */
#include <math.h>

#include "base/random.h"
#include "model/model.h"

/* Bound r of the uniform distribution on [-r, r) that layer's weights are drawn from.
 *   glorot_uniform  r = sqrt(6 / (n_in + n_out))   Glorot & Bengio, AISTATS 2010, equation 16
 *   he_uniform      r = sqrt(6 / n_in)             He et al., ICCV 2015, equation 10: a variance of
 *                                                  2 / n_in, since relu stops half of it */
static double bound(const bp_layer *layer, int32_t init, float init_range)
{
    const double in = (double)layer->inputs, out = (double)layer->outputs;
    switch (init) {
    case BP_INIT_HE_UNIFORM: return sqrt(6 / in);
    case BP_INIT_AUTO: /* docs/decisions/defaults.md */
    case BP_INIT_GLOROT_UNIFORM: return sqrt(6 / (in + out));
    default: return (double)init_range;
    }
}

void bp__model_init(bp_model *model, int32_t init, float init_range, uint64_t seed)
{
    for (size_t l = 0; l < model->layer_count; ++l) {
        const bp_layer *layer = &model->layers[l];
        const double range = bound(layer, init, init_range);
        float *weights = model->parameters + model->views[l].weights;
        /* 2u - 1 is exact in double, the product is rounded twice, and sqrt is exactly rounded by
         * IEEE 754: the same bits on every machine. */
        for (size_t i = 0; i < layer->inputs * layer->outputs; ++i) {
            const double u = bp__random_unit(seed, BP__PURPOSE_INIT, (uint32_t)l, 0, i);
            weights[i] = (float)((2 * u - 1) * range);
        }
    }
}
