/* backprop_evaluate.h - how good a model is, beyond the loss and accuracy of bp_metrics.
 *
 *   1. Reports      everything that is measured of a model on a data set, class by class
 *   2. Range tests  which learning rate suits a model and its data
 *
 * The conventions are those of backprop.h. */
#ifndef BACKPROP_EVALUATE_H
#define BACKPROP_EVALUATE_H

#include "backprop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Reports ------------------------------------------------------------------------------
 *
 *     bp_report *report;
 *     bp_report_evaluate(&report, model, device, data, NULL);
 *     printf("%.3f of macro F1\n", report->macro.f1);
 *     bp_report_free(report);
 *
 * A sample is taken for the class with the largest output, the first of them where they tie. Names and
 * conventions are scikit-learn's, with 0 where there is nothing to divide by. */

typedef struct bp_class_scores {
    double precision; /* right ones among the samples taken for the class; 0 where there are none */
    double recall;    /* right ones among the samples of the class; 0 where there are none */
    double f1;        /* harmonic mean of both; 0 where both are 0 */
} bp_class_scores;

typedef struct bp_class_report {
    size_t support;   /* samples of this class */
    size_t predicted; /* samples that were taken for it */
    bp_class_scores scores;
    double auc;       /* area under the ROC curve of this class against all others: the probability
                         that a sample of it has a larger output for it than one that is not, ties
                         counting half; NAN where all samples are of it, or none */
} bp_class_report;

typedef struct bp_target_report {
    double rmse, mae; /* in the target's own unit */
    double r2;        /* NAN where the target is the same in all samples */
} bp_target_report;

/* Of one of several labels that a sample may have at once: targets that are all 0 or 1, of a network
 * with the loss bce. A sample is taken to have it where its output reaches the threshold. */
typedef struct bp_label_report {
    size_t support;        /* samples that have it */
    size_t predicted;      /* samples that are taken to have it */
    size_t true_positives; /* samples of both kinds */
    double accuracy;       /* the share of samples in which it is right, there or not */
    bp_class_scores scores;
    double auc;            /* as of a class; NAN where all samples have it, or none */
} bp_label_report;

typedef struct bp_report {
    bp_metrics overall; /* as bp_evaluate gives them; loss is NAN where only outputs were given */

    size_t classes;     /* 0 for regression: nothing of this group is there then */
    size_t top_k;
    double top_k_accuracy;       /* the share of samples whose class is among the top_k largest outputs;
                                    of outputs that tie, the first ones */
    bp_class_scores macro;       /* means over the classes that occur among truths or predictions */
    bp_class_scores weighted;    /* means over the classes, weighted by support */
    double balanced_accuracy;    /* mean recall of the classes that occur */
    double auc;                  /* of two classes: of the second; else the mean over the classes that
                                    have one; NAN where none has */
    double log_loss;             /* mean of -log p, p the share of its class in a sample's outputs, at
                                    least 2^-126; NAN where outputs are negative or a sample's sum 0 */
    const bp_class_report *by_class; /* [classes] */
    const size_t *confusion;         /* [classes][classes]: rows the truth, columns what it was taken for */

    size_t targets;     /* 0 for classification */
    const bp_target_report *by_target; /* [targets] */

    size_t labels;      /* as many as targets where these are labels, else 0. Then overall.accuracy is
                           the share of samples all of whose labels are right, macro and weighted are
                           means over all labels, auc the mean over those that have one */
    double threshold;
    double hamming_loss;      /* the share of labels, of all samples, that are wrong */
    bp_class_scores micro;    /* of the counts of all labels together */
    double micro_auc;         /* of all labels of all samples together; NAN where all are the same */
    const bp_label_report *by_label; /* [labels] */
} bp_report;

typedef struct bp_report_options {
    size_t size;
    size_t top_k;     /* of classes; 0: 5, or 2 where there are fewer than ten */
    double threshold; /* of labels: what an output must reach to be taken for a 1 */
} bp_report_options;

BP_API bp_report_options bp_report_options_default(void); /* top_k 0, threshold 0.5 */

/* Measures a model on encoded data, streamed or not, with the same numbers. options may be NULL. The
 * areas under ROC curves take 8 bytes of memory for each row and class or label, whatever else is
 * streamed. Errors as bp_evaluate; BP_ERROR_ARGUMENT where top_k is more than the classes or threshold
 * no number, BP_ERROR_MEMORY. */
BP_API bp_status bp_report_evaluate(bp_report **out, const bp_model *model, bp_device *device,
                                    const bp_data *data, const bp_report_options *options);

/* The same of outputs that are there already, whatever they come from: outputs [rows][classes]
 * (probabilities, for log_loss), labels[rows] in 0..classes-1. Errors: BP_ERROR_ARGUMENT,
 * BP_ERROR_DATA (an output that is not finite, a label out of range), BP_ERROR_MEMORY. */
BP_API bp_status bp_report_classes(bp_report **out, const float *outputs, const int32_t *labels,
                                   size_t rows, size_t classes, size_t top_k);

/* outputs and truths, both [rows][targets], in the targets' own units. Errors as above. */
BP_API bp_status bp_report_targets(bp_report **out, const float *outputs, const float *truths,
                                   size_t rows, size_t targets);

/* The same and what is measured of labels: outputs [rows][labels], of any range, and truths
 * [rows][labels] of 0 and 1. Errors as above, also a truth that is neither. */
BP_API bp_status bp_report_labels(bp_report **out, const float *outputs, const float *truths,
                                  size_t rows, size_t labels, double threshold);

BP_API void bp_report_free(bp_report *report);

/* ---- 2. Range tests --------------------------------------------------------------------------
 *
 * The learning-rate range test of L. N. Smith ("Cyclical learning rates for training neural
 * networks", WACV 2017): a copy of the model is trained while the rate grows from step to step by the
 * same factor, until the loss explodes. */

typedef struct bp_rate_options {
    size_t size;
    double from, to; /* 0 < from < to */
    int64_t steps;   /* at least 20 */
} bp_rate_options;

BP_API bp_rate_options bp_rate_options_default(void);

typedef struct bp_rate_point {
    double rate;
    double loss;     /* mean over the step's batch, before the step */
    double smoothed; /* exponentially weighted mean of the losses so far */
} bp_rate_point;

typedef struct bp_rate_test {
    const bp_rate_point *points; /* [count], up to where the loss exploded */
    size_t count;
    double steepest;  /* where the smoothed loss sinks fastest by the logarithm of the rate */
    double lowest;    /* where it is lowest */
    double suggested; /* the geometric mean of steepest and a tenth of lowest, to two digits; all three
                         are NAN where the loss never sank */
    int32_t exploded; /* 1: the test ended before its last step */
} bp_rate_test;

/* model is not changed. how (may be NULL) has everything else of the training; its learning rate,
 * schedule, epochs and stopping are not used. Its progress callback has step and steps, of the test;
 * where it returns nonzero, that ends with BP_ERROR_CANCELLED. Errors as bp_train. */
BP_API bp_status bp_find_rate(bp_rate_test **out, const bp_model *model, bp_device *device,
                              const bp_data *data, const bp_train_options *how,
                              const bp_rate_options *options);
BP_API void bp_rate_test_free(bp_rate_test *test);

#ifdef __cplusplus
}
#endif
#endif
