/* test_survey.c - histograms, and what a survey says of many samples: against one explanation a
 * sample. */
#include "backprop_explain.h"
#include "explain/histogram.h"
#include "network_support.h"

/* ---- Histograms --------------------------------------------------------------------------------
 */

static void check_histogram(const double *values, size_t count)
{
    bp_histogram h = {0};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; ++i) {
        bp__histogram_add(&h, values[i]);
        sum += values[i];
        squares += values[i] * values[i];
    }
    bp__histogram_finish(&h);
    uint64_t in_bins = 0;
    for (int b = 0; b < BP_HISTOGRAM_BINS; ++b) {
        const double width = 2 * h.reach / BP_HISTOGRAM_BINS, low = -h.reach + b * width;
        uint64_t wanted = 0;
        for (size_t i = 0; i < count; ++i) wanted += values[i] >= low && values[i] < low + width;
        cr_assert_eq(h.bins[b], wanted, "bin %d of reach %g: %lu, not %lu", b, h.reach,
                     (unsigned long)h.bins[b], (unsigned long)wanted);
        in_bins += h.bins[b];
    }
    cr_assert_eq(in_bins, count);
    cr_assert_eq(h.count, count);
    cr_assert(fabs(h.mean - sum / (double)count) <= 1e-12 * h.reach);
    cr_assert(fabs(h.rms - sqrt(squares / (double)count)) <= 1e-12 * h.reach);
    int exponent;
    cr_assert_eq(frexp(h.reach, &exponent), 0.5, "%g is no power of 2", h.reach);
    cr_assert(h.max < h.reach && h.min >= -h.reach);
}

Test(survey, histograms_whatever_the_range)
{
    enum { MANY = 500 };
    double values[MANY];
    float *draws = random_floats(MANY, 1, 3);
    for (double scale = 1e-12; scale < 1e12; scale *= 37) {
        for (int i = 0; i < MANY; ++i) values[i] = scale * (double)draws[i] * (double)draws[i];
        check_histogram(values, MANY);
        for (int i = 0; i < MANY; ++i) values[i] = scale * (double)draws[i] * (1 + i / 50);
        check_histogram(values, MANY);
        check_histogram(values, 1);
    }
    free(draws);
    const double edges[] = {0, -1, 1, 0.5, -0.5, 2, -2, 0, 3};
    check_histogram(edges, sizeof edges / sizeof *edges);
    bp_histogram h = {0};
    bp__histogram_add(&h, NAN);
    bp__histogram_add(&h, INFINITY);
    bp__histogram_finish(&h);
    cr_assert(h.count == 0 && h.not_finite == 2 && h.mean == 0);
}

/* ---- Surveys -----------------------------------------------------------------------------------
 */

static double sum_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += values[i];
    return sum;
}

/* Errors, activations, deltas and gradients of every row, looked at one by one. More rows than a
 * batch of the survey has, and not a multiple of it. */
Test(survey, is_the_sum_of_single_looks)
{
    enum { ROWS = 150, OUTPUTS = 3 };
    const size_t widths[] = {4, 6, OUTPUTS};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 2);
    bp_data *data = data_of(ROWS, 4, OUTPUTS, true);
    bp_survey survey;
    OK(bp_survey_data(&survey, model, data, SIZE_MAX));
    cr_assert_eq(survey.rows, ROWS);
    cr_assert_eq(survey.layer_count, 2);
    double error = 0, activations[2] = {0}, deltas[2] = {0}, norms[2] = {0};
    bp_explain_options options = bp_explain_options_default();
    options.numerical_work = 0;
    bp_explain *glass;
    OK(bp_explain_create(&glass, model, &options));
    for (size_t row = 0; row < ROWS; ++row) {
        double x[4], t[OUTPUTS];
        for (size_t i = 0; i < 4; ++i) x[i] = (double)bp_data_features(data)[row * 4 + i];
        for (size_t k = 0; k < OUTPUTS; ++k) t[k] = (size_t)bp_data_labels(data)[row] == k;
        OK(bp_explain_sample(glass, x, t));
        OK(bp_explain_look(glass));
        cr_assert(fabs(survey.errors[row] - bp_explain_get(glass).error) < 1e-14);
        error += survey.errors[row] / ROWS;
        for (size_t l = 0; l < 2; ++l) {
            const bp_explained_layer y = bp_explain_layer(glass, l);
            double squares = 0;
            activations[l] += sum_of(y.activation, y.outputs);
            deltas[l] += sum_of(y.delta, y.outputs);
            for (size_t i = 0; i < y.inputs * y.outputs; ++i)
                squares += y.weight_gradients[i] * y.weight_gradients[i];
            for (size_t k = 0; k < y.outputs; ++k)
                squares += y.bias_gradients[k] * y.bias_gradients[k];
            norms[l] += log10(sqrt(squares));
        }
    }
    cr_assert(fabs(survey.error - error) < 1e-14);
    for (size_t l = 0; l < 2; ++l) {
        const bp_survey_layer *layer = &survey.layers[l];
        const double values = (double)(ROWS * widths[l + 1]);
        cr_assert_eq(layer->units, widths[l + 1]);
        cr_assert_eq(layer->activations.count, ROWS * widths[l + 1]);
        cr_assert_eq(layer->weights.count, widths[l + 1] * (widths[l] + 1));
        cr_assert(fabs(layer->activations.mean - activations[l] / values) < 1e-13);
        cr_assert(fabs(layer->deltas.mean - deltas[l] / values) < 1e-13);
        cr_assert(fabs(layer->gradient_norms.mean - norms[l] / ROWS) < 1e-12);
        cr_assert_eq(layer->dead + layer->saturated, 0);
    }
    bp_explain_free(glass);
    bp_survey_free(&survey);
    OK(bp_survey_data(&survey, model, data, 7));
    cr_assert_eq(survey.rows, 7);
    bp_survey_free(&survey);
    bp_data_free(data);
    bp_model_free(model);
}

/* A unit that is never on, one that is on now and then, one that is always on. */
Test(survey, dead_units)
{
    const size_t widths[] = {2, 3, 1};
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_RELU, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(40, 2, 1, false);
    const float weights[] = {1, 1, 1, 0, 1, 1}, biases[] = {-5, -0.9f, 5};
    memcpy(bp_model_weights(model, 0), weights, sizeof weights);
    memcpy(bp_model_biases(model, 0), biases, sizeof biases);
    bp_survey survey;
    OK(bp_survey_data(&survey, model, data, 40));
    cr_assert_eq(survey.layers[0].dead, 1);
    cr_assert_eq(survey.layers[0].saturated, 0, "a relu that is off most of the time is not worn");
    cr_assert_geq(survey.layers[0].activations.zeros, 40);
    bp_survey_free(&survey);
    bp_data_free(data);
    bp_model_free(model);
}

Test(survey, saturated_units)
{
    const size_t widths[] = {2, 3, 1};
    bp_model *model = model_of(widths, 2, BP_ACTIVATION_SIGMOID, BP_ACTIVATION_LINEAR,
                               BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(40, 2, 1, false);
    const float biases[] = {20, 0,
                            60}; /* at 60 the sigmoid is 1 to the last digit: its slope is 0 */
    memcpy(bp_model_biases(model, 0), biases, sizeof biases);
    bp_survey survey;
    OK(bp_survey_data(&survey, model, data, 40));
    cr_assert_eq(survey.layers[0].saturated, 1);
    cr_assert_eq(survey.layers[0].dead, 1);
    bp_survey_free(&survey);
    bp_data_free(data);
    bp_model_free(model);
}

Test(survey, mistakes_are_named)
{
    const size_t widths[] = {2, 1};
    bp_model *model =
        model_of(widths, 1, BP_ACTIVATION_LINEAR, BP_ACTIVATION_LINEAR, BP_LOSS_HALF_SQUARED, 1, 1);
    bp_data *data = data_of(5, 3, 1, false);
    bp_survey survey;
    cr_assert_eq(bp_survey_data(NULL, model, data, 5), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_survey_data(&survey, model, NULL, 5), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_survey_data(&survey, model, data, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_survey_data(&survey, model, data, 5), BP_ERROR_MODEL);
    cr_assert_null(survey.errors);
    bp_survey_free(&survey);
    bp_data_free(data);
    bp_model_free(model);
}
