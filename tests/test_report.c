/* test_report.c - reports: numbers worked by hand, ties, classes that never occur, and what a
 * caller may do wrong. tests/interop/metrics_interop.py compares with scikit-learn. */
#include <float.h>

#include "backprop_evaluate.h"
#include "network_support.h"

#define NEAR(a, b) cr_assert_float_eq((a), (b), 1e-9, "%s is %.12g, wanted %.12g", #a, (a), (b))

/* Six samples of three classes:
 *   truth      0  0  1  1  2  2
 *   taken for  0  1  1  1  0  2 */
Test(report, classes_by_hand)
{
    const float outputs[] = {.7f, .2f, .1f, .3f, .6f, .1f, .1f, .8f, .1f,
                             .2f, .5f, .3f, .5f, .1f, .4f, .1f, .1f, .8f};
    const int32_t labels[] = {0, 0, 1, 1, 2, 2};
    const size_t confusion[] = {1, 1, 0, 0, 2, 0, 1, 0, 1};
    bp_report *r;
    OK(bp_report_classes(&r, outputs, labels, 6, 3, 0));
    cr_assert_eq(r->classes, 3);
    cr_assert_eq(r->targets, 0);
    cr_assert_eq(r->overall.samples, 6);
    cr_assert_eq(memcmp(r->confusion, confusion, sizeof confusion), 0);
    NEAR(r->overall.accuracy, 4.0 / 6);
    cr_assert_eq(r->top_k, 2);
    NEAR(r->top_k_accuracy, 1);
    const bp_class_report *c = r->by_class;
    cr_assert(c[0].support == 2 && c[0].predicted == 2 && c[1].predicted == 3 &&
              c[2].predicted == 1);
    NEAR(c[0].scores.precision, 0.5);
    NEAR(c[1].scores.precision, 2.0 / 3);
    NEAR(c[2].scores.precision, 1);
    NEAR(c[0].scores.recall, 0.5);
    NEAR(c[1].scores.recall, 1);
    NEAR(c[1].scores.f1, 0.8);
    NEAR(c[2].scores.f1, 2.0 / 3);
    NEAR(r->macro.f1, (0.5 + 0.8 + 2.0 / 3) / 3);
    NEAR(r->weighted.f1, r->macro.f1); /* each class twice */
    NEAR(r->balanced_accuracy, (0.5 + 1 + 0.5) / 3);
    /* Class 0: outputs .7 .3 against .1 .2 .5 .1: .7 wins 4 pairs of 4, .3 wins 3. */
    NEAR(c[0].auc, 7.0 / 8);
    /* Class 1: .8 .5 against .2 .6 .1 .1: 4 and 3. Class 2: .4 .8 against .1 .1 .1 .3: all. */
    NEAR(c[1].auc, 7.0 / 8);
    NEAR(c[2].auc, 1);
    NEAR(r->auc, (7.0 / 8 + 7.0 / 8 + 1) / 3);
    const double p[] = {.7, .3, .8, .5, .4, .8};
    double loss = 0;
    for (int i = 0; i < 6; ++i) loss -= log(p[i]) / 6;
    cr_assert_float_eq(r->log_loss, loss, 1e-7);
    cr_assert(isnan(r->overall.loss) && isnan(r->overall.rmse));
    bp_report_free(r);
}

/* Equal outputs count half, whichever stands first; the first class is taken. */
Test(report, ties)
{
    const float outputs[] = {.5f, .5f, .5f, .5f, .2f, .8f, .8f, .2f};
    const int32_t labels[] = {1, 0, 1, 0}, turned[] = {0, 1, 1, 0};
    bp_report *r;
    OK(bp_report_classes(&r, outputs, labels, 4, 2, 1));
    NEAR(r->auc, 0.875); /* the pair that ties is half of one of four */
    NEAR(r->by_class[0].auc, 0.875);
    NEAR(r->overall.accuracy, 0.75);
    NEAR(r->top_k_accuracy, 0.75);
    bp_report_free(r);
    OK(bp_report_classes(&r, outputs, turned, 4, 2, 1));
    NEAR(r->auc, 0.875);
    bp_report_free(r);
    /* All alike: the label of number k stands at place k. */
    const float alike[] = {.25f, .25f, .25f, .25f};
    for (int32_t label = 0; label < 4; ++label)
        for (size_t top = 1; top <= 4; ++top) {
            OK(bp_report_classes(&r, alike, &label, 1, 4, top));
            NEAR(r->top_k_accuracy, (size_t)label < top ? 1.0 : 0.0);
            NEAR(r->overall.accuracy, label == 0 ? 1.0 : 0.0);
            bp_report_free(r);
        }
}

/* A class that was held to be impossible costs much, but not everything. */
Test(report, a_share_of_nothing)
{
    const float outputs[] = {1, 0, .5f, .5f};
    const int32_t labels[] = {1, 0};
    bp_report *r;
    OK(bp_report_classes(&r, outputs, labels, 2, 2, 1));
    NEAR(r->log_loss, (log(2) - log((double)FLT_MIN)) / 2);
    bp_report_free(r);
}

Test(report, classes_that_never_occur)
{
    const float outputs[] = {.6f, .3f, .1f, .1f, .9f, 0};
    const int32_t labels[] = {0, 0};
    bp_report *r;
    OK(bp_report_classes(&r, outputs, labels, 2, 3, 0));
    /* Class 1 was predicted and counts, class 2 was not. */
    NEAR(r->macro.recall, 0.25);
    NEAR(r->macro.precision, 0.5);
    NEAR(r->weighted.recall, 0.5);
    NEAR(r->balanced_accuracy, 0.5);
    for (int k = 0; k < 3; ++k) cr_assert(isnan(r->by_class[k].auc));
    cr_assert(isnan(r->auc));
    NEAR(r->by_class[2].scores.f1, 0);
    bp_report_free(r);
}

Test(report, targets_by_hand)
{
    const float truths[] = {1, 10, 2, 10, 3, 10}, outputs[] = {1, 12, 3, 10, 3, 9};
    bp_report *r;
    OK(bp_report_targets(&r, outputs, truths, 3, 2));
    cr_assert_eq(r->targets, 2);
    NEAR(r->by_target[0].rmse, sqrt(1.0 / 3));
    NEAR(r->by_target[0].mae, 1.0 / 3);
    NEAR(r->by_target[0].r2, 0.5);
    NEAR(r->by_target[1].rmse, sqrt(5.0 / 3));
    cr_assert(isnan(r->by_target[1].r2)); /* a target that does not vary */
    NEAR(r->overall.rmse, 1);
    NEAR(r->overall.mae, 4.0 / 6);
    NEAR(r->overall.r2, 1 - 6.0 / 2);
    cr_assert_null(r->by_class);
    bp_report_free(r);
}

/* Four samples of three labels, of which nobody has the last:
 *   truth      1 0 0   1 1 0   0 1 0   0 0 0
 *   taken for  1 0 0   1 0 0   0 1 1   1 0 0 */
static const float label_truths[] = {1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0};
static const float label_outputs[] = {.9f, .1f, .2f, .5f, .4f, .1f, .2f, .8f, .6f, .7f, .3f, 0};

Test(report, labels_by_hand)
{
    bp_report *r;
    OK(bp_report_labels(&r, label_outputs, label_truths, 4, 3, 0.5));
    cr_assert_eq(r->labels, 3);
    cr_assert_eq(r->targets, 3);
    cr_assert_eq(r->classes, 0);
    NEAR(r->threshold, 0.5);
    NEAR(r->overall.accuracy, 0.25); /* the first alone is right in all of them */
    NEAR(r->hamming_loss, 3.0 / 12);
    const bp_label_report *l = r->by_label;
    cr_assert(l[0].support == 2 && l[0].predicted == 3 && l[0].true_positives == 2);
    cr_assert(l[1].support == 2 && l[1].predicted == 1 && l[1].true_positives == 1);
    cr_assert(l[2].support == 0 && l[2].predicted == 1 && l[2].true_positives == 0);
    for (int k = 0; k < 3; ++k) NEAR(l[k].accuracy, 0.75);
    NEAR(l[0].scores.precision, 2.0 / 3); /* .5 reaches the threshold */
    NEAR(l[0].scores.recall, 1);
    NEAR(l[0].scores.f1, 0.8);
    NEAR(l[1].scores.f1, 2.0 / 3);
    NEAR(l[2].scores.precision, 0);
    NEAR(l[2].scores.recall, 0);
    NEAR(l[2].scores.f1, 0);
    NEAR(r->micro.precision, 3.0 / 5);
    NEAR(r->micro.recall, 3.0 / 4);
    NEAR(r->micro.f1, 6.0 / 9);
    NEAR(r->macro.f1, (0.8 + 2.0 / 3) / 3);
    NEAR(r->weighted.f1, (0.8 + 2.0 / 3) / 2);
    NEAR(l[0].auc, 3.0 / 4); /* .9 .5 against .2 .7 */
    NEAR(l[1].auc, 1);
    cr_assert(isnan(l[2].auc));
    NEAR(r->auc, 7.0 / 8);
    /* .9 .5 .4 .8 against .1 .2 .1 .2 .6 .7 .3 0: 8, 6, 6 and 8 of 8 pairs. */
    NEAR(r->micro_auc, 28.0 / 32);
    cr_assert(isnan(r->log_loss) && isnan(r->balanced_accuracy) && isnan(r->overall.loss));
    cr_assert(isfinite(r->overall.rmse));
    bp_report_free(r);
    OK(bp_report_labels(&r, label_outputs, label_truths, 4, 3, 0.65));
    NEAR(r->hamming_loss, 3.0 / 12);
    cr_assert_eq(r->by_label[0].predicted, 2);
    NEAR(r->overall.accuracy, 0.5);
    bp_report_free(r);
}

/* Nothing there and nothing taken to be: no division by zero anywhere. */
Test(report, no_labels_at_all)
{
    const float outputs[] = {.1f, .2f, .3f, .4f}, truths[] = {0, 0, 0, 0};
    bp_report *r;
    OK(bp_report_labels(&r, outputs, truths, 2, 2, 0.5));
    NEAR(r->overall.accuracy, 1);
    NEAR(r->hamming_loss, 0);
    NEAR(r->micro.f1, 0);
    NEAR(r->macro.f1, 0);
    NEAR(r->weighted.f1, 0);
    cr_assert(isnan(r->auc) && isnan(r->micro_auc));
    bp_report_free(r);
}

/* Targets are labels where all of them are 0 or 1 and the loss is bce. */
Test(report, labels_of_a_network)
{
    enum { ROWS = 1500, INPUTS = 6, LABELS = 4 };
    const size_t widths[] = {INPUTS, 9, LABELS};
    const float *x, *soft;
    float y[ROWS * LABELS], hard[ROWS * LABELS];
    bp_device *device;
    bp_report *r, *expected;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SIGMOID, BP_LOSS_BCE, 1, 3);
    bp_data *some = data_of(ROWS, INPUTS, LABELS, false), *data;
    x = bp_data_features(some);
    soft = bp_data_targets(some);
    for (size_t i = 0; i < ROWS * LABELS; ++i) hard[i] = soft[i] > 0.5f;
    OK(bp_data_from_arrays(&data, x, ROWS, INPUTS, hard, LABELS));
    OK(bp_predict(model, device, x, ROWS, y));
    bp_report_options options = bp_report_options_default();
    options.threshold = 0.55;
    OK(bp_report_evaluate(&r, model, device, data, &options));
    OK(bp_report_labels(&expected, y, hard, ROWS, LABELS, 0.55));
    cr_assert_eq(r->labels, LABELS);
    cr_assert_eq(memcmp(r->by_label, expected->by_label, LABELS * sizeof *r->by_label), 0);
    NEAR(r->hamming_loss, expected->hamming_loss);
    NEAR(r->micro_auc, expected->micro_auc);
    bp_report_free(r);
    bp_report_free(expected);
    bp_metrics metrics; /* keeps no outputs, and finds the same at the default threshold */
    OK(bp_evaluate(&metrics, model, device, data));
    OK(bp_report_labels(&expected, y, hard, ROWS, LABELS, 0.5));
    NEAR(metrics.accuracy, expected->overall.accuracy);
    bp_report_free(expected);
    OK(bp_report_evaluate(&r, model, device, some, NULL));
    cr_assert_eq(r->labels, 0, "targets between 0 and 1 are numbers");
    cr_assert(isnan(r->overall.accuracy) && !r->by_label);
    bp_report_free(r);
    options.threshold = NAN;
    cr_assert_eq(bp_report_evaluate(&r, model, device, data, &options), BP_ERROR_ARGUMENT);
    bp_data_free(some);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(device);
}

Test(report, refusals)
{
    const float outputs[] = {.5f, .5f, NAN, .5f}, fine[] = {.5f, .5f, .1f, .9f};
    const int32_t labels[] = {0, 1}, wrong[] = {0, 2};
    bp_report *r = (bp_report *)1;
    cr_assert_eq(bp_report_classes(&r, outputs, labels, 2, 2, 0), BP_ERROR_DATA);
    cr_assert_null(r);
    cr_assert(strstr(bp_last_error(), "output 0 of sample 1 is nan"), "%s", bp_last_error());
    cr_assert_eq(bp_report_classes(&r, fine, wrong, 2, 2, 0), BP_ERROR_DATA);
    cr_assert_eq(bp_report_classes(&r, fine, labels, 2, 2, 3), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_report_classes(&r, fine, labels, 0, 2, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_report_classes(&r, NULL, labels, 2, 2, 0), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_report_targets(&r, outputs, fine, 2, 2), BP_ERROR_DATA);
    const float halves[] = {0, 1, .5f, 0};
    cr_assert_eq(bp_report_labels(&r, fine, halves, 2, 2, 0.5), BP_ERROR_DATA);
    cr_assert_null(r);
    cr_assert(strstr(bp_last_error(), "the truth of label 0 of sample 1 is 0.5, not 0 or 1"), "%s",
              bp_last_error());
    cr_assert_eq(bp_report_labels(&r, outputs, fine, 2, 2, 0.5), BP_ERROR_DATA);
    cr_assert_eq(bp_report_labels(&r, fine, halves, 2, 2, (double)INFINITY), BP_ERROR_ARGUMENT);
    cr_assert_eq(bp_report_evaluate(NULL, NULL, NULL, NULL, NULL), BP_ERROR_ARGUMENT);
    bp_report_free(NULL);
}

/* Of a network: what bp_evaluate finds, and the device's count of hits is the host's. */
Test(report, of_a_network)
{
    const size_t widths[] = {6, 9, 4};
    bp_device *device;
    OK(bp_device_open(&device, "reference"));
    bp_model *model =
        model_of(widths, 2, BP_ACTIVATION_TANH, BP_ACTIVATION_SOFTMAX, BP_LOSS_CROSS_ENTROPY, 1, 3);
    bp_data *data = data_of(1500, 6, 4, true); /* more than one batch of evaluation */
    bp_metrics metrics;
    bp_report *r;
    OK(bp_evaluate(&metrics, model, device, data));
    OK(bp_report_evaluate(&r, model, device, data, NULL));
    NEAR(r->overall.loss, metrics.loss);
    NEAR(r->overall.accuracy, metrics.accuracy);
    cr_assert_float_eq(r->log_loss, metrics.loss, 1e-6);
    bp_report_free(r);
    bp_report_options options = bp_report_options_default();
    options.top_k = 5;
    cr_assert_eq(bp_report_evaluate(&r, model, device, data, &options), BP_ERROR_ARGUMENT);
    cr_assert_null(r);
    bp_data_free(data);
    bp_model_free(model);
    bp_device_free(device);
}
