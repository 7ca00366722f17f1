/* init.c - the weights that a model starts with: drawn, or taken from another model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"

static int32_t automatic(int32_t activation)
{
    switch (activation) { /* docs/decisions/defaults.md */
    case BP_ACTIVATION_SELU: return BP_INIT_LECUN_NORMAL;
    default: return BP_INIT_GLOROT_UNIFORM;
    }
}

/* The variance that layer's weights are drawn with, times 3, of uniform the square of the range:
 *   glorot   2 / (n_in + n_out)   Glorot & Bengio, AISTATS 2010, equation 12
 *   he       2 / n_in             He et al., ICCV 2015, equation 10: relu stops half of the signal
 *   lecun    1 / n_in             LeCun et al., "Efficient BackProp", 1998, section 4.6
 */
static double variance_3(const bp_layer *layer, int32_t init, double range)
{
    const double in = (double)layer->inputs, out = (double)layer->outputs;
    switch (init) {
    case BP_INIT_HE_UNIFORM:
    case BP_INIT_HE_NORMAL: return 6 / in;
    case BP_INIT_GLOROT_UNIFORM:
    case BP_INIT_GLOROT_NORMAL: return 6 / (in + out);
    case BP_INIT_LECUN_UNIFORM:
    case BP_INIT_LECUN_NORMAL: return 3 / in;
    default: return range * range;
    }
}

/* Number i of a layer from the normal distribution: Box and Muller 1958. */
static double normal(uint64_t seed, size_t layer, size_t i)
{
    const double two_pi = 6.28318530717958647693;
    const double u = bp__random_unit(seed, BP__PURPOSE_INIT, (uint32_t)layer, 0, i);
    const double v = bp__random_unit(seed, BP__PURPOSE_INIT, (uint32_t)layer, 1, i);
    return sqrt(-2 * log(1 - u)) * cos(two_pi * v); /* 1 - u is in (0, 1] */
}

/* Rows of length `length`, made orthogonal to those before them and of length 1: Gram and Schmidt,
 * twice, since once leaves what rounding has put back. */
static void orthogonalize(double *rows, size_t count, size_t length)
{
    for (size_t r = 0; r < count; ++r) {
        double *row = rows + r * length, square = 0;
        for (size_t other = 0; other < 2 * r; ++other) {
            const double *before = rows + other % r * length;
            double dot = 0;
            for (size_t k = 0; k < length; ++k) dot += row[k] * before[k];
            for (size_t k = 0; k < length; ++k) row[k] -= dot * before[k];
        }
        for (size_t k = 0; k < length; ++k) square += row[k] * row[k];
        for (size_t k = 0; k < length; ++k) row[k] /= sqrt(square);
    }
}

/* Orthonormal rows, or columns where there are fewer of those: Saxe et al., ICLR 2014. */
static bp_status draw_orthogonal(float *weights, const bp_layer *layer, uint64_t seed, size_t l)
{
    const bool wide = layer->inputs >= layer->outputs;
    const size_t rows = wide ? layer->outputs : layer->inputs;
    const size_t length = wide ? layer->inputs : layer->outputs;
    double *q;
    BP_TRY(bp__new_array(&q, rows * length, sizeof *q));
    for (size_t i = 0; i < rows * length; ++i) q[i] = normal(seed, l, i);
    orthogonalize(q, rows, length);
    for (size_t o = 0; o < layer->outputs; ++o)
        for (size_t i = 0; i < layer->inputs; ++i)
            weights[o * layer->inputs + i] = (float)(wide ? q[o * length + i] : q[i * length + o]);
    free(q);
    return BP_OK;
}

static bool is_normal(int32_t init)
{
    return init == BP_INIT_GLOROT_NORMAL || init == BP_INIT_HE_NORMAL ||
           init == BP_INIT_LECUN_NORMAL;
}

bp_status bp__model_init(bp_model *model, int32_t init, float init_range, uint64_t seed)
{
    for (size_t l = 0; l < model->layer_count; ++l) {
        const bp_layer *layer = &model->layers[l];
        const int32_t own = init == BP_INIT_AUTO ? automatic(layer->activation) : init;
        float *weights = model->parameters + model->views[l].part[BP__PART_WEIGHTS];
        if (own == BP_INIT_ORTHOGONAL) {
            BP_TRY(draw_orthogonal(weights, layer, seed, l));
            continue;
        }
        const double range = sqrt(variance_3(layer, own, (double)init_range));
        /* 2u - 1 is exact in double, the product is rounded twice, and sqrt is exactly rounded by
         * IEEE 754: the uniform ones have the same bits on every machine. */
        for (size_t i = 0; i < layer->inputs * layer->outputs; ++i)
            weights[i] =
                (float)(is_normal(own)
                            ? normal(seed, l, i) * range / sqrt(3)
                            : (2 * bp__random_unit(seed, BP__PURPOSE_INIT, (uint32_t)l, 0, i) - 1) *
                                  range);
    }
    return BP_OK;
}

void bp__model_take(bp_model *model, const bp_model *from)
{
    for (size_t l = 0; l < model->layer_count && l < from->layer_count; ++l) {
        const bp_layer *to = &model->layers[l], *source = &from->layers[l];
        if (to->inputs != source->inputs || to->outputs != source->outputs) continue;
        for (bp__part part = 0; part < BP__PART_COUNT; ++part) {
            const size_t size = bp__layer_part_size(to, part);
            if (size && bp__layer_part_size(source, part) == size)
                memcpy(model->parameters + model->views[l].part[part],
                       from->parameters + from->views[l].part[part],
                       size * sizeof *model->parameters);
        }
    }
}
